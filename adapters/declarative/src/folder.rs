//! The files of an adapter, in memory: read from a disk with limits, or handed over by whoever embeds them.
//!
//! Names are relative, with `/` between their parts. What a file means is not known here, except which files make the
//! adapter and which only prove it.

use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Most files of a folder, its fixtures included.
const MOST_FILES: usize = 20_000;
/// Most bytes of one file: a concept map of 100,000 rows has room.
const LONGEST_FILE: u64 = 32 * 1024 * 1024;
/// Most bytes of all files.
const MOST_BYTES: u64 = 128 * 1024 * 1024;
/// Deepest folder within the folder; what lies deeper is refused, which also ends a loop of links.
const DEEPEST: usize = 6;

/// Where the fixtures of an adapter are.
pub(crate) const FIXTURES: &str = "fixtures/";
/// The manifest.
pub(crate) const MANIFEST: &str = "adapter.toml";
/// The mapping's main file.
pub(crate) const MAPPING: &str = "mapping.yaml";

/// Why a folder could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The file system refused.
    #[error("{}: {error}", .path.display())]
    Unreadable {
        /// What was to be read.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// More than an adapter can need.
    #[error("{}: {words}", .path.display())]
    TooMuch {
        /// Where.
        path: PathBuf,
        /// What is too much, and the limit.
        words: String,
    },
}

/// The files of one adapter by their relative names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    name: String,
    files: BTreeMap<String, Vec<u8>>,
}

impl Folder {
    /// A folder of this name that holds these files.
    #[must_use]
    pub fn new(name: impl Into<String>, files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        Self { name: name.into(), files: files.into_iter().collect() }
    }

    /// Reads the files that make the adapter: manifest, mapping files, concept maps. Fixtures and all else are left where
    /// they are.
    ///
    /// # Errors
    /// [`FolderError`] when something cannot be read or there is too much of it.
    pub fn read(path: &Path) -> Result<Self, FolderError> {
        Self::read_where(path, &makes_the_adapter)
    }

    /// Reads every file: those that make the adapter and those that prove it.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub fn read_all(path: &Path) -> Result<Self, FolderError> {
        Self::read_where(path, &|_| true)
    }

    fn read_where(path: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<Self, FolderError> {
        // `.` has a name only once it is resolved.
        let resolved = fs::canonicalize(path).map_err(|error| unreadable(path, error))?;
        let name = resolved.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut reading = Reading { wanted, files: BTreeMap::new(), bytes: 0 };
        reading.walk(path, "", 0)?;
        Ok(Self { name, files: reading.files })
    }

    /// Its name: the last part of its path.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bytes of a file.
    #[must_use]
    pub fn get(&self, file: &str) -> Option<&[u8]> {
        self.files.get(file).map(Vec::as_slice)
    }

    /// The names of all files, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// All files, sorted by name.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    /// Puts a file in, or in place of another.
    pub fn put(&mut self, file: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.files.insert(file.into(), bytes.into());
    }
}

/// SHA-256, in 64 hexadecimal digits, over the sorted names and bytes of the files that make the adapter. Fixtures, README
/// and `conformance.toml` do not count: they change nothing that is sent.
#[must_use]
pub fn content_hash(folder: &Folder) -> String {
    let mut hash = Sha256::new();
    for (name, bytes) in folder.files().filter(|(name, _)| makes_the_adapter(name)) {
        // Lengths first, so that no two lists of files run into the same bytes.
        for part in [name.as_bytes(), bytes] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    }
    hash.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The folders within `path` that hold an adapter (a manifest or a mapping), sorted by name. Whether it is made of its
/// folder alone or has code is for the caller to know.
///
/// # Errors
/// [`FolderError`] when `path` cannot be listed.
pub fn folders_in(path: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| unreadable(path, error))? {
        let folder = entry.map_err(|error| unreadable(path, error))?.path();
        let hidden = folder.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && [MANIFEST, MAPPING].iter().any(|file| folder.join(file).is_file()) {
            found.push(folder);
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a change of this file changes the adapter.
fn makes_the_adapter(name: &str) -> bool {
    let map = name.starts_with("concept-maps/") && name.ends_with(".json");
    name == MANIFEST || map || (name.ends_with(".yaml") && !name.starts_with(FIXTURES))
}

fn unreadable(path: &Path, error: io::Error) -> FolderError {
    FolderError::Unreadable { path: path.to_owned(), error }
}

struct Reading<'a> {
    wanted: &'a dyn Fn(&str) -> bool,
    files: BTreeMap<String, Vec<u8>>,
    bytes: u64,
}

impl Reading<'_> {
    fn walk(&mut self, folder: &Path, prefix: &str, depth: usize) -> Result<(), FolderError> {
        if depth > DEEPEST {
            return Err(too_much(folder, format!("folders within folders, more than {DEEPEST} deep")));
        }
        for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, error))? {
            let path = entry.map_err(|error| unreadable(folder, error))?.path();
            let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else { continue };
            // What editors and version control put there, and the folders behind mounted configuration.
            if name.starts_with('.') {
                continue;
            }
            let relative = format!("{prefix}{name}");
            let kind = fs::metadata(&path).map_err(|error| unreadable(&path, error))?;
            if kind.is_dir() {
                self.walk(&path, &format!("{relative}/"), depth + 1)?;
            } else if kind.is_file() && (self.wanted)(&relative) {
                self.take(&path, relative, kind.len())?;
            }
        }
        Ok(())
    }

    fn take(&mut self, path: &Path, name: String, length: u64) -> Result<(), FolderError> {
        self.bytes = self.bytes.saturating_add(length);
        if length > LONGEST_FILE {
            return Err(too_much(path, format!("a file of {length} bytes; {LONGEST_FILE} at most")));
        }
        if self.bytes > MOST_BYTES || self.files.len() == MOST_FILES {
            return Err(too_much(path, format!("more than {MOST_FILES} files or {MOST_BYTES} bytes in one adapter")));
        }
        let bytes = fs::read(path).map_err(|error| unreadable(path, error))?;
        self.files.insert(name, bytes);
        Ok(())
    }
}

fn too_much(path: &Path, words: String) -> FolderError {
    FolderError::TooMuch { path: path.to_owned(), words }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> Folder {
        Folder::new("x", files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())))
    }

    #[test]
    fn the_hash_names_what_makes_the_adapter_and_nothing_else() {
        let plain = folder(&[("adapter.toml", "a"), ("mapping.yaml", "m")]);
        let hash = content_hash(&plain);
        assert!(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let beside = [("README.md", "r"), ("fixtures/a/case.json", "{}"), ("fixtures/a/note.yaml", "n")];
        let mut more = plain.clone();
        for (name, text) in beside {
            more.put(name, text);
        }
        assert_eq!(content_hash(&more), hash);
        for (name, text) in [("adapter.toml", "b"), ("mapping-base.yaml", ""), ("concept-maps/g.json", "{}")] {
            let mut changed = plain.clone();
            changed.put(name, text);
            assert_ne!(content_hash(&changed), hash, "{name}");
        }
        // The border between name and bytes is part of what is hashed.
        assert_ne!(
            content_hash(&folder(&[("a.yaml", "b.yaml")])),
            content_hash(&folder(&[("a.yamlb.yaml", ""), ("b.yaml", "")]))
        );
    }

    #[test]
    fn a_folder_is_read_from_disk() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("example-platform");
        fs::create_dir_all(place.join("fixtures/one")).unwrap();
        fs::create_dir_all(place.join("concept-maps")).unwrap();
        for name in [
            "adapter.toml",
            "mapping.yaml",
            "README.md",
            ".hidden.yaml",
            "fixtures/one/case.json",
            "concept-maps/g.json",
        ] {
            fs::write(place.join(name), name).unwrap();
        }
        let made = Folder::read(&place).unwrap();
        assert_eq!(made.name(), "example-platform");
        assert_eq!(made.names().collect::<Vec<_>>(), ["adapter.toml", "concept-maps/g.json", "mapping.yaml"]);
        assert_eq!(made.get("concept-maps/g.json"), Some(b"concept-maps/g.json".as_slice()));
        let all = Folder::read_all(&place).unwrap();
        assert_eq!(all.names().count(), 5);
        assert_eq!(content_hash(&all), content_hash(&made));
        assert_eq!(folders_in(home.path()).unwrap(), std::slice::from_ref(&place));
        assert!(matches!(Folder::read(&home.path().join("none")), Err(FolderError::Unreadable { .. })));

        let deep = place.join("a/b/c/d/e/f/g");
        fs::create_dir_all(&deep).unwrap();
        assert!(matches!(Folder::read(&place), Err(FolderError::TooMuch { .. })));
        fs::remove_dir_all(place.join("a")).unwrap();
        std::os::unix::fs::symlink(&place, place.join("again")).unwrap();
        assert!(matches!(Folder::read(&place), Err(FolderError::TooMuch { .. })), "a loop of links ends");
    }
}
