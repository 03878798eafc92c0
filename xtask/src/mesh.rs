//! The MESH sandbox of NHS England, against which files over MESH are tested: a Python package in an environment of its own. A test
//! tool; the product never starts it.

use crate::steps::{execute, is_there, say, scratch};
use std::path::Path;
use std::process::Command;

/// Set to `required`, the tests fail where they would have skipped.
pub(crate) const VARIABLE: &str = "MESH";
/// Where the tests look for the environment, if it is elsewhere.
const FOLDER: &str = "MESH_SANDBOX";

const PACKAGE: &str = "mesh-sandbox==1.0.137";

/// True if the sandbox is here, made by this step if need be. False is said aloud and fails nothing.
pub(crate) fn prepare() -> bool {
    if std::env::var_os(FOLDER).is_some_and(|folder| is_here(Path::new(&folder))) {
        return true;
    }
    let own = scratch().join("mesh-sandbox");
    if is_here(&own) {
        return true;
    }
    if is_there(Path::new("python3")) {
        let made = execute(Command::new("python3").args(["-m", "venv"]).arg(&own))
            .and_then(|()| execute(Command::new(own.join("bin/pip")).args(["install", "--quiet", PACKAGE])));
        if let Err(error) = made {
            say(&format!("{error:#}"));
        }
        if is_here(&own) {
            return true;
        }
    }
    say("****************************************************************************************************");
    say("SKIPPED: no MESH sandbox, so no referral through the adapter batch-csv over MESH. To have it, with");
    say(&format!("Python 3.11 to 3.13: python3 -m venv {0} && {0}/bin/pip install {PACKAGE}", own.display()));
    say("****************************************************************************************************");
    false
}

fn is_here(folder: &Path) -> bool {
    folder.join("bin/uvicorn").is_file()
}
