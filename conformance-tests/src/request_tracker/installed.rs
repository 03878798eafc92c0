//! Whether Request Tracker is installed on this machine, and what is missing in words.
//!
//! It knows the places of Debian's packages and no other.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

/// The web server of RT.
pub(super) const SERVER: &str = "/usr/share/request-tracker5/libexec/rt-server";
/// Makes and fills RT's database.
pub(super) const SETUP: &str = "/usr/sbin/rt-setup-database-5";

/// A time zone. Without them RT takes every zone for UTC, and says nothing.
const ZONE: &str = "/usr/share/zoneinfo/Europe/London";

/// Set to `required`, it makes the absence of Request Tracker a failure.
const VARIABLE: &str = "REQUEST_TRACKER";

/// Debian's packages that are needed.
const PACKAGES: &str = "request-tracker5 rt5-standalone rt5-db-sqlite starman tzdata";

/// What Request Tracker lacks to run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    parts: Vec<String>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.parts.join(", ");
        write!(
            f,
            "Request Tracker 5 cannot be run here: {parts} missing. On Debian as root: \
             apt-get install --no-install-recommends {PACKAGES}"
        )
    }
}

impl std::error::Error for Missing {}

/// Whether Request Tracker can be run here.
///
/// # Errors
/// What is missing.
pub fn available() -> Result<(), Missing> {
    let files = [SERVER, SETUP, ZONE].into_iter().filter(|path| !Path::new(path).is_file()).map(str::to_owned);
    let mut parts: Vec<String> = files.collect();
    for module in ["DBD::SQLite", "Starman"] {
        let mut perl = Command::new("perl");
        perl.arg(format!("-M{module}")).args(["-e", "1"]).stdin(Stdio::null());
        if !perl.output().is_ok_and(|output| output.status.success()) {
            parts.push(format!("the Perl module {module}"));
        }
    }
    if parts.is_empty() { Ok(()) } else { Err(Missing { parts }) }
}

/// As [`available`], for a test: `Some` with what is missing means to skip, aloud.
///
/// # Errors
/// What is missing, if `REQUEST_TRACKER=required` forbids to skip.
pub fn reason_to_skip() -> Result<Option<Missing>, Missing> {
    match available() {
        Ok(()) => Ok(None),
        Err(missing) if std::env::var_os(VARIABLE).is_some_and(|value| value == "required") => Err(missing),
        Err(missing) => Ok(Some(missing)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_with_its_mend() {
        let missing = Missing { parts: vec![SERVER.to_owned(), "the Perl module Starman".to_owned()] };
        let words = missing.to_string();
        assert!(words.contains("rt-server, the Perl module Starman missing"), "{words}");
        assert!(words.contains("apt-get install --no-install-recommends request-tracker5"), "{words}");
    }
}
