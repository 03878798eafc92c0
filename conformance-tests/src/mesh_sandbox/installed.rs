//! Whether the MESH sandbox is on this machine: a Python environment of its own, which the test command makes.

use std::fmt;
use std::path::{Path, PathBuf};

/// Set to `required`, it makes the absence of the sandbox a failure.
const VARIABLE: &str = "MESH";
/// Names the folder of the environment, if it is elsewhere.
const FOLDER: &str = "MESH_SANDBOX";
/// Where the test command makes it.
const OWN: &str = "target/mesh-sandbox";

/// What is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    folder: PathBuf,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.folder.display();
        write!(
            f,
            "the MESH sandbox is not in {folder}. With Python 3.11 to 3.13: python3 -m venv {folder} && \
             {folder}/bin/pip install mesh-sandbox==1.0.137"
        )
    }
}

impl std::error::Error for Missing {}

/// The folder of the environment.
///
/// # Errors
/// What is missing.
pub fn available() -> Result<PathBuf, Missing> {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(|root| root.join(OWN)).unwrap_or_default();
    let folder = std::env::var_os(FOLDER).map_or_else(own, PathBuf::from);
    if folder.join("bin/uvicorn").is_file() { Ok(folder) } else { Err(Missing { folder }) }
}

/// As [`available`], for a test: `Some` with what is missing means to skip, aloud.
///
/// # Errors
/// What is missing, if `MESH=required` forbids to skip.
pub fn reason_to_skip() -> Result<Option<Missing>, Missing> {
    match available() {
        Ok(_) => Ok(None),
        Err(missing) if std::env::var_os(VARIABLE).is_some_and(|value| value == "required") => Err(missing),
        Err(missing) => Ok(Some(missing)),
    }
}
