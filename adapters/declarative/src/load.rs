//! From a folder to an adapter, or to everything that is wrong with it.

use crate::adapter::DeclarativeAdapter;
use crate::fault::Fault;
use crate::folder::{Folder, MAPPING, content_hash};
use crate::manifest::{self, Manifest};
use adapter_contract::{AcceptedLoss, DataNeed, Descriptor};
use mappings::program::Program;
use mappings::{Compiled, Files, compile};
use std::borrow::Cow;
use std::sync::Arc;

/// What an adapter is made of.
pub(crate) struct Parts {
    pub(crate) program: Program,
    pub(crate) descriptor: Descriptor,
    pub(crate) manifest: Manifest,
    pub(crate) hash: String,
    pub(crate) warnings: Vec<Fault>,
}

/// Makes an adapter of a folder. Needs only the files that make it, not its fixtures.
///
/// # Errors
/// All faults of manifest, mapping and concept maps, in the order of files and lines.
pub fn load(folder: &Folder) -> Result<Arc<DeclarativeAdapter>, Vec<Fault>> {
    let Parts { program, descriptor, hash, warnings, .. } = parts(folder)?;
    Ok(Arc::new(DeclarativeAdapter { descriptor, program, hash, warnings }))
}

pub(crate) fn parts(folder: &Folder) -> Result<Parts, Vec<Fault>> {
    let manifest = manifest::read(folder);
    // A mapping cannot be held against a manifest that is not there, but its own faults can be told.
    let known = manifest.as_ref().ok().map(for_compiler).unwrap_or_default();
    let compiled = compile(folder, MAPPING, &known);
    let (manifest, Compiled { program, warnings }) = match (manifest, compiled) {
        (Ok(manifest), Ok(compiled)) => (manifest, compiled),
        (Ok(_), Err(faults)) => return Err(faults.iter().map(Fault::from).collect()),
        (Err(faults), Ok(_)) => return Err(faults),
        (Err(mut faults), Err(more)) => {
            faults.extend(more.iter().filter(|fault| !is_of_manifest(fault)).map(Fault::from));
            return Err(faults);
        }
    };
    let hash = content_hash(folder);
    let descriptor = descriptor(&manifest, &program, &hash);
    let warnings = warnings.iter().map(Fault::from).collect();
    Ok(Parts { program, descriptor, manifest, hash, warnings })
}

fn for_compiler(manifest: &Manifest) -> mappings::Manifest {
    let can = manifest.capabilities;
    mappings::Manifest {
        capabilities: mappings::Capabilities {
            cancel: can.cancel,
            hold: can.hold,
            look_up: can.look_up,
            poll: can.poll,
            push: can.push,
        },
        statuses: manifest.statuses.iter().map(|row| row.platform.clone()).collect(),
        steps: manifest.limits.steps,
    }
}

fn descriptor(manifest: &Manifest, program: &Program, hash: &str) -> Descriptor {
    let needs = program.read_set.elements.iter().map(|element| DataNeed {
        path: element.path.clone(),
        class: class(element.class),
        needed: element.needed,
    });
    let accepted = program.accepted_losses.iter().map(|loss| AcceptedLoss {
        element: loss.element.clone(),
        because: loss.because.clone(),
        grade: grade(loss.grade),
    });
    Descriptor {
        name: manifest.name.clone(),
        version: format!("{}+{}", manifest.version, hash.get(..12).unwrap_or(hash)),
        format: manifest.format.clone(),
        capabilities: manifest.capabilities,
        data_needs: needs.collect(),
        accepted_losses: accepted.collect(),
        limits: manifest.limits,
        statuses: manifest.statuses.clone(),
    }
}

pub(crate) const fn class(class: mappings::class::DataClass) -> adapter_contract::DataClass {
    use adapter_contract::DataClass as Contract;
    use mappings::class::DataClass as Ours;
    match class {
        Ours::Administrative => Contract::Administrative,
        Ours::Demographic => Contract::Demographic,
        Ours::Need => Contract::Need,
        Ours::Contact => Contract::Contact,
        Ours::Identity => Contract::Identity,
        Ours::Clinical => Contract::Clinical,
        Ours::ThirdParty => Contract::ThirdParty,
        Ours::Safeguarding => Contract::Safeguarding,
    }
}

pub(crate) const fn grade(grade: mappings::class::Grade) -> adapter_contract::Grade {
    use mappings::class::Grade;
    match grade {
        Grade::Informational => adapter_contract::Grade::Informational,
        Grade::Notable => adapter_contract::Grade::Notable,
        Grade::Unsafe => adapter_contract::Grade::Unsafe,
    }
}

/// A fault that is only there because the manifest could not be read.
fn is_of_manifest(fault: &mappings::diagnostic::Diagnostic) -> bool {
    fault.file == crate::folder::MANIFEST
}

impl Files for Folder {
    fn read(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.get(name).map(Cow::Borrowed)
    }

    fn names(&self) -> Vec<String> {
        Self::names(self).map(str::to_owned).collect()
    }
}
