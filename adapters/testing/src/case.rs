//! A fixture: a folder with `case.json`, what the adapter must make, and what it is given. With `UPDATE_FIXTURES=1` what it makes is
//! written instead of compared; review what was written.

use adapter_contract::Settings;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The fixtures below `root`, in order, without the folder `referrals`.
///
/// # Panics
/// If there are fewer than `least`: then they are not where they are looked for.
#[must_use]
pub fn folders(root: &Path, least: usize) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).expect("lists").map(|entry| entry.expect("entry").path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir() && !path.ends_with("referrals")).collect();
    folders.sort();
    assert!(folders.len() >= least, "the fixtures are there");
    folders
}

/// One folder, and the files of it that were used.
#[derive(Debug)]
pub struct Case {
    /// Where it is.
    pub folder: PathBuf,
    /// `case.json`.
    pub case: Value,
    used: BTreeSet<String>,
}

impl Case {
    /// Reads `case.json`.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn open(folder: PathBuf) -> Self {
        let mut case = Self { folder, case: Value::Null, used: BTreeSet::new() };
        case.case = case.json("case.json").expect("every case has a case.json");
        case
    }

    /// A file, if it is there.
    pub fn bytes(&mut self, name: &str) -> Option<Vec<u8>> {
        let bytes = std::fs::read(self.folder.join(name)).ok()?;
        self.used.insert(name.to_owned());
        Some(bytes)
    }

    /// A file as text, if it is there.
    ///
    /// # Panics
    /// If it is not UTF-8.
    pub fn raw(&mut self, name: &str) -> Option<String> {
        let bytes = self.bytes(name)?;
        Some(String::from_utf8(bytes).unwrap_or_else(|error| panic!("{:?} {name}: {error}", self.folder)))
    }

    /// A file as JSON, if it is there.
    ///
    /// # Panics
    /// If it is no JSON.
    pub fn json(&mut self, name: &str) -> Option<Value> {
        let bytes = self.bytes(name)?;
        Some(serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{:?} {name}: {error}", self.folder)))
    }

    /// A member of `case.json` that is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.case.get(name).and_then(Value::as_str)
    }

    /// Compares with the stored file byte by byte, or writes it when asked to.
    ///
    /// # Panics
    /// If it is another, or none is there.
    pub fn expect_bytes(&mut self, name: &str, seen: &[u8]) {
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            std::fs::write(self.folder.join(name), seen).expect("writes");
        }
        let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let wanted = self.bytes(name).unwrap_or_else(|| panic!("{:?} has no {name}; saw {}", self.folder, words(seen)));
        assert!(seen == wanted, "{:?} {name}: saw {}\nwanted {}", self.folder, words(seen), words(&wanted));
    }

    /// The same for JSON, as it is written.
    ///
    /// # Panics
    /// As [`expect_bytes`](Self::expect_bytes).
    pub fn expect(&mut self, name: &str, seen: &Value) {
        let text = serde_json::to_string_pretty(seen).expect("serialises") + "\n";
        self.expect_bytes(name, text.as_bytes());
    }

    /// These settings with those of the case; `null` takes one away.
    #[must_use]
    pub fn settings(&self, common: &[(&str, &str)]) -> Settings {
        let mut settings: Settings =
            common.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        for (name, value) in self.case.get("settings").and_then(Value::as_object).into_iter().flatten() {
            match value {
                Value::String(value) => settings.insert(name.clone(), value.clone()),
                Value::Null => settings.remove(name),
                other => panic!("{:?}: settings are strings, not {other}", self.folder),
            };
        }
        settings
    }

    /// Every file was read.
    ///
    /// # Panics
    /// If one was not: it proves nothing.
    pub fn all_used(&self) {
        let entries = std::fs::read_dir(&self.folder).expect("lists");
        let there: BTreeSet<String> =
            entries.map(|entry| entry.expect("entry").file_name().into_string().expect("UTF-8 name")).collect();
        assert_eq!(there, self.used, "{:?}: files that no step reads prove nothing", self.folder);
    }
}
