//! The registry of adapters: those with code, in the one list that names them, and those that are folders of files.
//! Everything else finds an adapter by the name in the configuration.
//!
//! It reads folders; what makes an adapter of one is a [`FolderReader`]. What an adapter says is not known here.

mod guarded;
mod watch;

pub use watch::{Watch, watch};

use adapter_contract::Adapter;
use adapter_declarative::{Folder, content_hash, folders_in, load, shipped};
use guarded::Guarded;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The adapters with code.
fn with_code() -> Vec<Arc<dyn Adapter>> {
    vec![
        Arc::from(adapter_batch_csv::adapter()),
        Arc::from(adapter_fhir_message::adapter()),
        Arc::from(adapter_fhir_task::adapter()),
        Arc::from(adapter_mail_link::adapter()),
    ]
}

/// All adapters of this build.
#[must_use]
pub fn all() -> Vec<Arc<dyn Adapter>> {
    Registry::built_in().all()
}

/// The adapter of this build with this name.
#[must_use]
pub fn find(name: &str) -> Option<Arc<dyn Adapter>> {
    Registry::built_in().find(name)
}

/// Makes an adapter of a folder.
pub trait FolderReader: Send + Sync {
    /// Names the files of a folder by what is in them.
    ///
    /// # Errors
    /// When the folder cannot be read, in words.
    fn hash(&self, folder: &Path) -> Result<String, String>;

    /// The adapter, with the hash of the very files that it was made from.
    ///
    /// # Errors
    /// All faults of the files, each with file and line.
    fn read(&self, folder: &Path) -> Result<(Arc<dyn Adapter>, String), Vec<String>>;
}

/// How this build makes adapters of folders.
#[must_use]
pub fn reader() -> Arc<dyn FolderReader> {
    Arc::new(Declarative)
}

/// Manifest and mapping files.
struct Declarative;

impl FolderReader for Declarative {
    fn hash(&self, folder: &Path) -> Result<String, String> {
        Folder::read(folder).map(|files| content_hash(&files)).map_err(|error| error.to_string())
    }

    fn read(&self, folder: &Path) -> Result<(Arc<dyn Adapter>, String), Vec<String>> {
        // Read once: what is hashed is what is compiled, even if somebody is writing meanwhile.
        let files = Folder::read(folder).map_err(|error| vec![error.to_string()])?;
        let adapter = load(&files).map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        Ok((adapter, content_hash(&files)))
    }
}

/// The folders that are part of this build. A test holds that each of them loads.
fn shipped_folders() -> Vec<Arc<dyn Adapter>> {
    let loaded = |folder: Folder| match load(&folder) {
        Ok(adapter) => Some(adapter as Arc<dyn Adapter>),
        Err(faults) => {
            let (adapter, fault) = (folder.name(), faults.first().map(ToString::to_string));
            tracing::error!(adapter, fault, "an adapter of this build cannot be used");
            None
        }
    };
    shipped().into_iter().filter_map(loaded).collect()
}

/// One fault of a folder of adapters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderFault {
    /// The adapter's folder.
    pub folder: PathBuf,
    /// What is wrong, where, and how to mend it.
    pub words: String,
}

/// An adapter that is a folder.
#[derive(Clone)]
pub(crate) struct FromFolder {
    pub(crate) path: PathBuf,
    pub(crate) hash: String,
}

#[derive(Clone)]
struct Entry {
    adapter: Arc<dyn Adapter>,
    folder: Option<FromFolder>,
}

/// Adapters by name.
#[derive(Clone)]
pub struct Registry {
    entries: BTreeMap<String, Entry>,
    reader: Arc<dyn FolderReader>,
}

impl Registry {
    /// Those of this build.
    #[must_use]
    pub fn built_in() -> Self {
        Self::reading_with(reader())
    }

    /// Those of this build, with another way to make adapters of folders.
    #[must_use]
    pub fn reading_with(reader: Arc<dyn FolderReader>) -> Self {
        let mut registry = Self { entries: BTreeMap::new(), reader };
        for adapter in with_code().into_iter().chain(shipped_folders()) {
            let name = adapter.descriptor().name.clone();
            registry.entries.insert(name, Entry { adapter: Guarded::around(adapter), folder: None });
        }
        registry
    }

    /// Adds every adapter of a folder of folders. One that is faulty is not added; names are used once.
    #[must_use]
    pub fn add_folder(&mut self, folder: &Path) -> Vec<FolderFault> {
        let subfolders = match folders_in(folder) {
            Ok(subfolders) => subfolders,
            Err(error) => {
                return vec![FolderFault { folder: folder.to_owned(), words: format!("cannot be read: {error}") }];
            }
        };
        let mut faults = Vec::new();
        for path in subfolders {
            let (adapter, hash) = match self.reader.read(&path) {
                Ok(read) => read,
                Err(words) => {
                    faults.extend(words.into_iter().map(|words| FolderFault { folder: path.clone(), words }));
                    continue;
                }
            };
            let name = adapter.descriptor().name.clone();
            if self.entries.contains_key(&name) {
                let words = format!("there is another adapter of the name `{name}`; each needs its own");
                faults.push(FolderFault { folder: path, words });
                continue;
            }
            let folder = Some(FromFolder { path, hash });
            self.entries.insert(name, Entry { adapter: Guarded::around(adapter), folder });
        }
        faults
    }

    /// The adapter of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Arc<dyn Adapter>> {
        self.entries.get(name).map(|entry| Arc::clone(&entry.adapter))
    }

    /// All, by name.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<dyn Adapter>> {
        self.entries.values().map(|entry| Arc::clone(&entry.adapter)).collect()
    }

    /// Those that are folders, by name.
    pub(crate) fn folders(&self) -> BTreeMap<String, FromFolder> {
        let folder = |(name, entry): (&String, &Entry)| Some((name.clone(), entry.folder.clone()?));
        self.entries.iter().filter_map(folder).collect()
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::built_in()
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.entries.keys()).finish()
    }
}

#[cfg(test)]
mod tests;
