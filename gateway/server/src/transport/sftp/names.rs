//! Names of files at a server, and which of them are whole.

use adapter_contract::{DeliveryError, FailureCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use russh_sftp::client::fs::Metadata;
use std::collections::BTreeSet;

/// What stands in an id as it is.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');
/// Characters of a name, at most.
const LONGEST: usize = 200;
/// Ends of names of files that somebody is still writing.
const UNFINISHED: [&str; 4] = [".part", ".filepart", ".tmp", ".crdownload"];
/// End of the name of an empty file that says that another is whole.
const DONE: &str = ".done";

/// A file that has come, as it was when it was listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listed {
    /// Seconds since 1970.
    pub(super) modified: u32,
    /// Its bytes.
    size: u64,
    /// Its name.
    pub(super) name: String,
}

impl Listed {
    /// If its name may be one.
    pub(super) fn of(name: String, metadata: &Metadata) -> Option<Self> {
        let plain = !name.starts_with('.') && !name.contains(['/', '\\']) && !name.contains(char::is_control);
        let short = !name.is_empty() && name.chars().count() <= LONGEST;
        (plain && short).then(|| Self { modified: metadata.mtime.unwrap_or(0), size: metadata.size.unwrap_or(0), name })
    }

    /// What names this very file: one that is written again under its name is another.
    pub(super) fn id(&self) -> String {
        format!("{}-{}-{}", self.modified, self.size, utf8_percent_encode(&self.name, KEPT))
    }

    /// From its id.
    pub(super) fn read(id: &str) -> Option<Self> {
        let (modified, rest) = id.split_once('-')?;
        let (size, name) = rest.split_once('-')?;
        let name = percent_decode_str(name).decode_utf8().ok()?.into_owned();
        let metadata =
            Metadata { mtime: Some(modified.parse().ok()?), size: Some(size.parse().ok()?), ..Metadata::empty() };
        Self::of(name, &metadata)
    }
}

/// Those that are whole, oldest first.
pub(super) fn whole(found: Vec<Listed>, done_files: bool) -> Vec<Listed> {
    let names: BTreeSet<String> = found.iter().map(|listed| listed.name.clone()).collect();
    let is_whole = |listed: &Listed| {
        let lower = listed.name.to_ascii_lowercase();
        let unfinished = UNFINISHED.iter().any(|end| lower.ends_with(end));
        let said = !done_files || names.contains(&format!("{}{DONE}", listed.name));
        !unfinished && !listed.name.ends_with(DONE) && said
    };
    let mut whole: Vec<Listed> = found.into_iter().filter(is_whole).collect();
    whole.sort();
    whole
}

/// A name of ours.
///
/// # Errors
/// If it could lead into another folder.
pub(super) fn own(name: &str) -> Result<&str, DeliveryError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !name.starts_with('.') && (1..=LONGEST).contains(&name.len()) && name.bytes().all(plain) {
        Ok(name)
    } else {
        Err(DeliveryError::new(
            FailureCode::Untranslatable,
            "The adapter made a file whose name cannot be one; nothing was sent.",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(name: &str, modified: u32) -> Option<Listed> {
        Listed::of(name.to_owned(), &Metadata { mtime: Some(modified), size: Some(7), ..Metadata::empty() })
    }

    #[test]
    fn an_id_names_one_state_of_one_file() {
        for name in ["results.csv", "results 30 Nov.csv", "r\u{e9}sultats-1-2.csv"] {
            let one = listed(name, 5).unwrap();
            assert!(!one.id().contains(char::is_whitespace), "{}", one.id());
            assert_eq!(Listed::read(&one.id()), Some(one.clone()));
            assert_ne!(listed(name, 6).unwrap().id(), one.id());
        }
    }

    #[test]
    fn no_name_leads_elsewhere() {
        for name in ["../a.csv", "a/b.csv", ".ssh", "", "a\nb", "..", &"x".repeat(201)] {
            assert_eq!(listed(name, 1), None, "{name}");
            assert!(own(name).is_err(), "{name}");
        }
        assert_eq!(Listed::read("1-2-..%2Fa.csv"), None);
        assert_eq!(Listed::read("odd"), None);
        assert!(own("0b0f7c52-6c1e.csv").is_ok());
    }

    #[test]
    fn what_is_still_written_is_not_taken() {
        let found: Vec<Listed> = [("b.csv", 2), ("a.csv", 3), ("c.csv.part", 1), ("d.TMP", 1), ("b.csv.done", 2)]
            .into_iter()
            .filter_map(|(name, at)| listed(name, at))
            .collect();
        let names = |done_files| whole(found.clone(), done_files).into_iter().map(|one| one.name).collect::<Vec<_>>();
        assert_eq!(names(false), ["b.csv", "a.csv"], "the oldest first");
        assert_eq!(names(true), ["b.csv"]);
    }
}
