//! Servers and libraries of others that come from npm, against which the gateway is tested. Test tools; the product never starts them.
//!
//! Which versions, their dependencies' included, says the lock file beside the module that uses each.

use crate::steps::{execute, is_there, root, say, scratch};
use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One of them.
pub(crate) struct Package {
    /// For people.
    pub(crate) name: &'static str,
    /// Set to `required`, the tests fail where they would have skipped.
    pub(crate) variable: &'static str,
    /// Where the tests look for the folder with `node_modules`, if it is elsewhere.
    folder: &'static str,
    /// Where it is made, below the folder for such things.
    own: &'static str,
    /// Where the two files are that npm reads.
    manifest: &'static str,
    /// The package that is looked for.
    package: &'static str,
    /// The oldest Node.js that runs it.
    node: u32,
    /// What is not tested without it.
    without: &'static str,
}

/// `oidc-provider`.
pub(crate) const OAUTH2: Package = Package {
    name: "OAuth2 server",
    variable: "OAUTH2",
    folder: "OAUTH2_SERVER",
    own: "oauth2-server",
    manifest: "conformance-tests/src/oauth2_server",
    package: "oidc-provider",
    node: 20,
    without: "no token of one that others wrote",
};

/// Medplum's FHIR server.
pub(crate) const GP_FHIR_SERVER: Package = Package {
    name: "FHIR server of a GP system",
    variable: "GP_SERVER",
    folder: "GP_SERVER_FOLDER",
    own: "gp-fhir-server",
    manifest: "conformance-tests/src/gp_fhir_server",
    package: "@medplum/fhir-router",
    node: 20,
    without: "no GP system that others wrote",
};

/// `standardwebhooks`: what the gateway signs is verified by it, and the other way round.
pub(crate) const STANDARD_WEBHOOKS: Package = Package {
    name: "Standard Webhooks library",
    variable: "STANDARD_WEBHOOKS",
    folder: "STANDARD_WEBHOOKS_LIBRARY",
    own: "standard-webhooks",
    manifest: "conformance-tests/src/standard_webhooks",
    package: "standardwebhooks",
    node: 18,
    without: "no signature was compared with others' work",
};

const FILES: [&str; 2] = ["package.json", "package-lock.json"];

impl Package {
    /// True if it is here, made by this step if need be. False is said aloud and fails nothing.
    pub(crate) fn prepare(&self) -> bool {
        if !self.has_node() {
            return self.skipped();
        }
        if std::env::var_os(self.folder).is_some_and(|folder| self.is_here(Path::new(&folder))) {
            return true;
        }
        let own = scratch().join(self.own);
        if self.is_here(&own) && self.is_current(&own) {
            return true;
        }
        if is_there(Path::new("npm"))
            && let Err(error) = self.install(&own)
        {
            say(&format!("{error:#}"));
        }
        (self.is_here(&own) && self.is_current(&own)) || self.skipped()
    }

    fn manifest(&self) -> PathBuf {
        root().join(self.manifest)
    }

    /// What the lock file names, and no script of it is run.
    fn install(&self, own: &Path) -> Result<()> {
        fs::create_dir_all(own).with_context(|| format!("make {}", own.display()))?;
        for file in FILES {
            fs::copy(self.manifest().join(file), own.join(file)).with_context(|| format!("copy {file}"))?;
        }
        let mut command = Command::new("npm");
        execute(command.arg("ci").arg("--prefix").arg(own).args([
            "--silent",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
        ]))
    }

    fn is_here(&self, folder: &Path) -> bool {
        folder.join("node_modules").join(self.package).join("package.json").is_file()
    }

    /// It was made of the lock file that we have now.
    fn is_current(&self, own: &Path) -> bool {
        let lock = |folder: &Path| fs::read(folder.join("package-lock.json")).ok();
        lock(own) == lock(&self.manifest())
    }

    fn skipped(&self) -> bool {
        say("****************************************************************************************************");
        say(&format!("SKIPPED: no {}, so {}. To have it, install npm", self.name, self.without));
        say(&format!("and Node.js {} or newer (Debian 12 has 18).", self.node));
        say("****************************************************************************************************");
        false
    }

    /// Older ones lack what the package needs.
    fn has_node(&self) -> bool {
        let said = Command::new("node").arg("--version").output();
        let text = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default();
        let major = text.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
        major.is_some_and(|major| major >= self.node)
    }
}
