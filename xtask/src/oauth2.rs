//! npm's `oidc-provider`, an OAuth2 server of others: the gateway's client is tested against it. A test tool; the product never starts it.
//!
//! Which versions, its dependencies' included, says the lock file beside the module that starts it.

use crate::steps::{execute, is_there, root, say, scratch};
use anyhow::{Context as _, Result};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Set to `required`, the tests fail where they would have skipped.
pub(crate) const VARIABLE: &str = "OAUTH2";
/// Where the tests look for the folder with `node_modules`, if it is elsewhere.
const FOLDER: &str = "OAUTH2_SERVER";

/// Where the two files are that npm reads.
const MANIFEST: &str = "conformance-tests/src/oauth2_server";
const FILES: [&str; 2] = ["package.json", "package-lock.json"];

/// True if the server is here, made by this step if need be. False is said aloud and fails nothing.
pub(crate) fn prepare() -> bool {
    if !has_node() {
        return skipped();
    }
    if std::env::var_os(FOLDER).is_some_and(|folder| is_here(Path::new(&folder))) {
        return true;
    }
    let own = scratch().join("oauth2-server");
    if is_here(&own) && is_current(&own) {
        return true;
    }
    if is_there(Path::new("npm"))
        && let Err(error) = install(&own)
    {
        say(&format!("{error:#}"));
    }
    (is_here(&own) && is_current(&own)) || skipped()
}

/// What the lock file names, and no script of it is run.
fn install(own: &Path) -> Result<()> {
    fs::create_dir_all(own).with_context(|| format!("make {}", own.display()))?;
    for file in FILES {
        fs::copy(root().join(MANIFEST).join(file), own.join(file)).with_context(|| format!("copy {file}"))?;
    }
    let mut command = Command::new("npm");
    execute(command.arg("ci").arg("--prefix").arg(own).args([
        "--silent",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
    ]))
}

fn is_here(folder: &Path) -> bool {
    folder.join("node_modules/oidc-provider/package.json").is_file()
}

/// It was made of the lock file that we have now.
fn is_current(own: &Path) -> bool {
    let lock = |folder: &Path| fs::read(folder.join("package-lock.json")).ok();
    lock(own) == lock(&root().join(MANIFEST))
}

/// Older ones lack what the server's library needs.
fn has_node() -> bool {
    let said = Command::new("node").arg("--version").output();
    let text = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default();
    let major = text.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    major.is_some_and(|major| major >= 20)
}

fn skipped() -> bool {
    say("****************************************************************************************************");
    say("SKIPPED: no OAuth2 server, so no token of one that others wrote. To have it, install npm");
    say("and Node.js 20 or newer (Debian 12 has 18).");
    say("****************************************************************************************************");
    false
}
