//! npm's `fhirpath`, a FHIRPath engine of others: the second opinion on every expression that the mapping language
//! compiles. A test tool; the product never links it.

use crate::steps::{execute, is_there, say, scratch};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the tests find the folder with `node_modules`.
pub(crate) const VARIABLE: &str = "FHIRPATH_NODE";

const PACKAGE: &str = "fhirpath@4.11.0";

/// The folder with the package, fetched by npm if need be. `None` is said aloud: the tests then ask the other engine
/// alone.
pub(crate) fn prepare() -> Option<PathBuf> {
    let named = std::env::var_os(VARIABLE).map(PathBuf::from);
    let own = scratch().join("fhirpath-js");
    if let Some(folder) = named.into_iter().chain([own.clone()]).find(|folder| is_here(folder)) {
        return Some(folder);
    }
    if is_there(Path::new("npm")) && is_there(Path::new("node")) {
        let made = fs::create_dir_all(&own).map_err(anyhow::Error::from).and_then(|()| {
            execute(Command::new("npm").arg("install").arg("--prefix").arg(&own).args([
                "--silent",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
                PACKAGE,
            ]))
        });
        if let Err(error) = made {
            say(&format!("{error:#}"));
        }
        if is_here(&own) {
            return Some(own);
        }
    }
    say(&format!("SKIPPED: no Node.js with {PACKAGE}; FHIRPath is compared with one other engine instead of two."));
    None
}

fn is_here(folder: &Path) -> bool {
    folder.join("node_modules/fhirpath/package.json").is_file()
}
