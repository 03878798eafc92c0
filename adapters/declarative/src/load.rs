//! From a folder to an adapter, or to everything that is wrong with it.

use crate::adapter::DeclarativeAdapter;
use crate::fault::Fault;
use crate::folder::{Folder, MAPPING, content_hash};
use crate::manifest::{self, Known, Manifest};
use adapter_contract::{AcceptedLoss, Amend, Capabilities, DataNeed, Descriptor};
use mappings::diagnostic::Code;
use mappings::program::Program;
use mappings::read_set::ReadElement;
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
    // What could be read of a faulty manifest is enough to tell the mapping's own faults.
    let known = match &manifest {
        Ok(manifest) => manifest.known(),
        Err(broken) => broken.known.clone(),
    };
    let compiled = compile(folder, MAPPING, &for_compiler(&known));
    let (manifest, Compiled { program, warnings }) = match (manifest, compiled) {
        (Ok(manifest), Ok(compiled)) => (manifest, compiled),
        (Ok(_), Err(faults)) => return Err(faults.iter().map(Fault::from).collect()),
        (Err(broken), Ok(_)) => return Err(broken.faults),
        (Err(mut broken), Err(faults)) => {
            broken.faults.extend(faults.iter().filter(|fault| can_be_told(fault.code, &known)).map(Fault::from));
            return Err(broken.faults);
        }
    };
    let hash = content_hash(folder);
    let descriptor = descriptor(&manifest, &program, &hash);
    let warnings = warnings.iter().map(Fault::from).collect();
    Ok(Parts { program, descriptor, manifest, hash, warnings })
}

fn for_compiler(known: &Known) -> mappings::Manifest {
    let can = known.capabilities;
    let can = can.unwrap_or(Capabilities {
        cancel: true,
        hold: true,
        look_up: true,
        poll: true,
        push: true,
        status_link: false,
        amend: Amend::Update,
    });
    mappings::Manifest {
        capabilities: mappings::Capabilities {
            cancel: can.cancel,
            hold: can.hold,
            look_up: can.look_up,
            poll: can.poll,
            push: can.push,
            update: can.amend == Amend::Update,
        },
        statuses: known.statuses.clone().unwrap_or_default(),
        steps: known.steps.unwrap_or(u32::MAX),
    }
}

/// Whether a fault of the mapping is one although a part of the manifest is not known.
fn can_be_told(code: Code, known: &Known) -> bool {
    match code {
        Code::ExchangeMissing | Code::ExchangeUndeclared => known.capabilities.is_some(),
        Code::StatusUnknown => known.statuses.is_some(),
        Code::TooManySteps => known.steps.is_some(),
        _ => true,
    }
}

/// An element, or the extensions by their addresses where the mapping looks for certain ones alone.
fn needs_of(element: &ReadElement) -> Vec<DataNeed> {
    let need = |path: String| DataNeed { path, class: element.class, needed: element.needed };
    let holder = element.path.find(".extension").and_then(|at| element.path.get(..at));
    match holder {
        Some(holder) if !element.urls.is_empty() => {
            element.urls.iter().map(|url| need(format!("{holder}.extension({url})"))).collect()
        }
        _ => vec![need(element.path.clone())],
    }
}

fn descriptor(manifest: &Manifest, program: &Program, hash: &str) -> Descriptor {
    let needs = program.read_set.elements.iter().flat_map(needs_of);
    let accepted = program.accepted_losses.iter().map(|loss| AcceptedLoss {
        element: loss.element.clone(),
        because: loss.because.clone(),
        grade: loss.grade,
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

impl Files for Folder {
    fn read(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.get(name).map(Cow::Borrowed)
    }

    fn names(&self) -> Vec<String> {
        Self::names(self).map(str::to_owned).collect()
    }
}
