//! Whether the OAuth2 server is on this machine: Node.js, and a folder with `oidc-provider`, which the test command makes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Set to `required`, it makes the absence of the server a failure.
const VARIABLE: &str = "OAUTH2";
/// Names the folder with `node_modules`, if it is elsewhere.
const FOLDER: &str = "OAUTH2_SERVER";
/// Where the test command makes it.
const OWN: &str = "target/oauth2-server";

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
            "the OAuth2 server cannot be run here: Node.js (20 or newer) or oidc-provider in {folder} is missing. With npm: \
             mkdir -p {folder} && cp conformance-tests/src/oauth2_server/package*.json {folder} && npm ci --prefix {folder} \
             --ignore-scripts"
        )
    }
}

impl std::error::Error for Missing {}

/// The folder with `node_modules`.
///
/// # Errors
/// What is missing.
pub fn available() -> Result<PathBuf, Missing> {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(|root| root.join(OWN)).unwrap_or_default();
    let folder = std::env::var_os(FOLDER).map_or_else(own, PathBuf::from);
    let is_here = folder.join("node_modules/oidc-provider/package.json").is_file() && has_node();
    if is_here { Ok(folder) } else { Err(Missing { folder }) }
}

/// Older ones lack what the server's library needs for the keys of clients.
fn has_node() -> bool {
    let said = Command::new("node").arg("--version").stderr(Stdio::null()).output();
    let text = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default();
    let major = text.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    major.is_some_and(|major| major >= 20)
}

/// As [`available`], for a test: `Some` with what is missing means to skip, aloud.
///
/// # Errors
/// What is missing, if `OAUTH2=required` forbids to skip.
pub fn reason_to_skip() -> Result<Option<Missing>, Missing> {
    match available() {
        Ok(_) => Ok(None),
        Err(missing) if std::env::var_os(VARIABLE).is_some_and(|value| value == "required") => Err(missing),
        Err(missing) => Ok(Some(missing)),
    }
}
