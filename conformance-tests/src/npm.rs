//! Servers and libraries of others that are npm packages: whether this machine has what one needs, which is Node.js and a folder with `node_modules`
//! that the test command makes.

mod process;

pub(crate) use process::Process;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One such server.
#[derive(Debug)]
pub struct NpmServer {
    /// For people: `OAuth2 server`.
    pub name: &'static str,
    /// The package, as npm names it.
    pub package: &'static str,
    /// Environment variable: set to `required`, it makes the absence of the server a failure.
    pub variable: &'static str,
    /// Environment variable that names the folder with `node_modules`, if it is elsewhere.
    pub folder: &'static str,
    /// Where the test command makes it, below the root.
    pub own: &'static str,
    /// Folder with `package.json` and `package-lock.json`, below the root.
    pub manifest: &'static str,
    /// The oldest Node.js that it runs on.
    pub node: u32,
}

/// What is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    name: &'static str,
    package: &'static str,
    manifest: &'static str,
    node: u32,
    folder: PathBuf,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self { name, package, manifest, node, .. }, folder) = (self, self.folder.display());
        write!(
            f,
            "the {name} cannot be run here: Node.js ({node} or newer) or {package} in {folder} is missing. With npm: mkdir -p {folder} && \
             cp {manifest}/package*.json {folder} && npm ci --prefix {folder} --ignore-scripts"
        )
    }
}

impl std::error::Error for Missing {}

impl NpmServer {
    /// The folder with `node_modules`.
    ///
    /// # Errors
    /// What is missing.
    pub fn available(&self) -> Result<PathBuf, Missing> {
        let own = || Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(|root| root.join(self.own)).unwrap_or_default();
        let folder = std::env::var_os(self.folder).map_or_else(own, PathBuf::from);
        let is_here =
            folder.join("node_modules").join(self.package).join("package.json").is_file() && has_node(self.node);
        let Self { name, package, manifest, node, .. } = *self;
        if is_here { Ok(folder) } else { Err(Missing { name, package, manifest, node, folder }) }
    }

    /// As [`available`](Self::available), for a test: `Some` with what is missing means to skip, aloud.
    ///
    /// # Errors
    /// What is missing, if the variable forbids to skip.
    pub fn reason_to_skip(&self) -> Result<Option<Missing>, Missing> {
        match self.available() {
            Ok(_) => Ok(None),
            Err(missing) if std::env::var_os(self.variable).is_some_and(|value| value == "required") => Err(missing),
            Err(missing) => Ok(Some(missing)),
        }
    }
}

/// Older ones lack what the packages need.
fn has_node(oldest: u32) -> bool {
    let said = Command::new("node").arg("--version").stderr(Stdio::null()).output();
    let text = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default();
    let major = text.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    major.is_some_and(|major| major >= oldest)
}
