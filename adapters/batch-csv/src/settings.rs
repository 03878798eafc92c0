//! The settings of one configured platform (README, "Settings").

use adapter_contract::{Repeat, Settings, TranslateError};

/// Settings that the mapping knows nothing of.
const OURS: [&str; 4] = ["files", "bom", "totals", "problem-files"];

/// The settings, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Config {
    /// What it means to leave a referral's file a second time.
    pub(crate) repeat: Repeat,
    /// Files begin with a byte order mark, by which Excel knows UTF-8.
    pub(crate) bom: bool,
    /// A result file without its totals row is not read.
    pub(crate) totals_required: bool,
    /// Whether senders are told what could not be read.
    pub(crate) problem_files: bool,
}

impl Config {
    /// Reads the settings of a platform that is used: something has to carry its files.
    ///
    /// # Errors
    /// [`TranslateError`] with the path `settings.<name>`.
    pub(crate) fn checked(settings: &Settings) -> Result<Self, TranslateError> {
        if !settings.contains_key("files") {
            return Err(TranslateError::new("mesh", "is missing, and so is `sftp`: say how files reach this platform"));
        }
        Self::read(settings)
    }

    /// Reads the settings.
    ///
    /// # Errors
    /// As [`checked`](Self::checked).
    pub(crate) fn read(settings: &Settings) -> Result<Self, TranslateError> {
        let word = |name: &str, no: &str, yes: &str| match settings.get(name).map(String::as_str) {
            None => Ok(false),
            Some(word) if word == no => Ok(false),
            Some(word) if word == yes => Ok(true),
            Some(_) => Err(TranslateError::new(format!("settings.{name}"), format!("must be {no} or {yes}"))),
        };
        let repeat = match settings.get("files").map(String::as_str) {
            // MESH would deliver a second message. Where it is not known what carries files, that is the careful way.
            None | Some("mesh") => Repeat::LookUpFirst,
            // A file of one name is one file.
            Some("sftp") => Repeat::Keyed,
            Some(_) => {
                return Err(TranslateError::new("settings.files", "is a way of which this adapter knows nothing"));
            }
        };
        Ok(Self {
            repeat,
            bom: word("bom", "no", "yes")?,
            totals_required: word("totals", "optional", "required")?,
            problem_files: !word("problem-files", "send", "none")?,
        })
    }
}

/// What the mapping is given.
pub(crate) fn of_the_mapping(settings: &Settings) -> Settings {
    settings
        .iter()
        .filter(|(name, _)| !OURS.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
