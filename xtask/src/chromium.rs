//! What the status-link pages are tried with: Debian's Chromium with its driver, installed where that can be done, and axe-core from npm,
//! which looks for what keeps people from using a page.

use crate::debian;
use crate::steps::{execute, is_there, say, scratch};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the tests find axe-core; they need it together with the browser.
pub(crate) const VARIABLE: &str = "AXE_CORE";

/// npm checks what it fetches by the digest that the registry gives for this version.
const PACKAGE: &str = "axe-core@4.14.1";
const PROGRAMS: [&str; 2] = ["/usr/bin/chromium", "/usr/bin/chromedriver"];

/// axe-core's file, if the browser is here too. `None` is said aloud and fails nothing.
pub(crate) fn prepare() -> Option<PathBuf> {
    let are_here = || PROGRAMS.iter().all(|program| Path::new(program).is_file());
    if !are_here() && debian::may_install() {
        say("Chromium is missing; installing it with apt-get");
        debian::install(&["chromium", "chromium-driver"]);
    }
    let axe = axe().filter(|_| are_here());
    if axe.is_none() {
        say("****************************************************************************************************");
        say(&format!(
            "SKIPPED: no Chromium with its driver, or no {PACKAGE}, so nobody looks at the status-link pages."
        ));
        say("To have them, on Debian:");
        say("    sudo apt-get install --no-install-recommends chromium chromium-driver npm");
        say("****************************************************************************************************");
    }
    axe
}

fn axe() -> Option<PathBuf> {
    let named = std::env::var_os(VARIABLE).map(PathBuf::from).filter(|file| file.is_file());
    if named.is_some() {
        return named;
    }
    let own = scratch().join("axe-core");
    let file = own.join("node_modules/axe-core/axe.min.js");
    if !file.is_file() && is_there(Path::new("npm")) {
        let made = fs::create_dir_all(&own).map_err(anyhow::Error::from).and_then(|()| {
            let mut install = Command::new("npm");
            install.arg("install").arg("--prefix").arg(&own);
            execute(install.args(["--silent", "--no-audit", "--no-fund", "--ignore-scripts", PACKAGE]))
        });
        if let Err(error) = made {
            say(&format!("{error:#}"));
        }
    }
    file.is_file().then_some(file)
}
