//! Libraries of others from npm, which tests start or ask. Test tools; the product never needs them.
//!
//! Which versions, their dependencies' included, says the lock file beside the module that uses them; it is installed as it stands,
//! and no script of it is run.

use crate::steps::{execute, is_there, root, say, scratch};
use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What npm reads.
const FILES: [&str; 2] = ["package.json", "package-lock.json"];

/// A folder with `node_modules` that a test looks for.
pub(crate) struct Package {
    /// The module that must be in it.
    pub(crate) module: &'static str,
    /// Where `package.json` and its lock file stand.
    pub(crate) manifest: &'static str,
    /// Where under `target/` it is made.
    pub(crate) own: &'static str,
    /// Names the folder, if it is elsewhere.
    pub(crate) variable: &'static str,
    /// Oldest Node.js that runs it.
    pub(crate) node: u32,
}

impl Package {
    /// True if it is here, made by this step if need be.
    pub(crate) fn prepare(&self) -> bool {
        if !self.has_node() {
            return false;
        }
        if std::env::var_os(self.variable).is_some_and(|folder| self.is_here(Path::new(&folder))) {
            return true;
        }
        let own = scratch().join(self.own);
        if self.is_good(&own) {
            return true;
        }
        if is_there(Path::new("npm"))
            && let Err(error) = self.install(&own)
        {
            say(&format!("{error:#}"));
        }
        self.is_good(&own)
    }

    fn install(&self, own: &Path) -> Result<()> {
        fs::create_dir_all(own).with_context(|| format!("make {}", own.display()))?;
        for file in FILES {
            fs::copy(self.source().join(file), own.join(file)).with_context(|| format!("copy {file}"))?;
        }
        let mut command = Command::new("npm");
        execute(command.arg("ci").arg("--prefix").arg(own).args([
            "--silent",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
        ]))
    }

    fn source(&self) -> PathBuf {
        root().join(self.manifest)
    }

    fn is_here(&self, folder: &Path) -> bool {
        folder.join("node_modules").join(self.module).join("package.json").is_file()
    }

    /// It is there, made of the lock file that we have now.
    fn is_good(&self, own: &Path) -> bool {
        let lock = |folder: &Path| fs::read(folder.join("package-lock.json")).ok();
        self.is_here(own) && lock(own) == lock(&self.source())
    }

    fn has_node(&self) -> bool {
        let said = Command::new("node").arg("--version").output();
        let text = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default();
        let major = text.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
        major.is_some_and(|major| major >= self.node)
    }
}
