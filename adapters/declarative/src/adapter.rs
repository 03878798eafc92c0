//! The adapter that a folder makes, and how a folder is loaded.

use crate::fault::Fault;
use crate::folder::{Folder, content_hash};
use crate::manifest::{self, Manifest};
use adapter_contract::{Adapter, Descriptor, Exchange, Step, TranslateError};
use std::sync::Arc;

/// An adapter made of a folder. It never changes: a changed folder makes another one.
#[derive(Debug)]
pub struct DeclarativeAdapter {
    descriptor: Descriptor,
    hash: String,
    warnings: Vec<Fault>,
}

/// Makes an adapter of a folder. Needs only the files that make it, not its fixtures.
///
/// # Errors
/// All faults of manifest, mapping and concept maps, in the order of files and lines.
pub fn load(folder: &Folder) -> Result<Arc<DeclarativeAdapter>, Vec<Fault>> {
    let hash = content_hash(folder);
    let manifest = manifest::read(folder)?;
    Ok(Arc::new(DeclarativeAdapter { descriptor: descriptor(&manifest, &hash), hash, warnings: Vec::new() }))
}

impl DeclarativeAdapter {
    /// SHA-256 of what it was made of, 64 hexadecimal digits; the first twelve are part of its version.
    #[must_use]
    pub fn content_hash(&self) -> &str {
        &self.hash
    }

    /// What the compiler found odd, but not wrong.
    #[must_use]
    pub fn warnings(&self) -> &[Fault] {
        &self.warnings
    }
}

fn descriptor(manifest: &Manifest, hash: &str) -> Descriptor {
    Descriptor {
        name: manifest.name.clone(),
        version: format!("{}+{}", manifest.version, hash.get(..12).unwrap_or(hash)),
        format: manifest.format.clone(),
        capabilities: manifest.capabilities,
        data_needs: Vec::new(),
        accepted_losses: Vec::new(),
        limits: manifest.limits,
        statuses: manifest.statuses.clone(),
    }
}

impl Adapter for DeclarativeAdapter {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn begin(&self, _: &Exchange<'_>) -> Result<Step, TranslateError> {
        Err(TranslateError::new("exchange", "the mapping of this folder is not compiled yet"))
    }
}
