//! The official R4 examples and definitions (HL7, CC0): fetched once, never committed.

use crate::steps::{execute, is_there, say, scratch};
use anyhow::{Context as _, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the tests find the unpacked package.
pub(crate) const VARIABLE: &str = "FHIR_R4_EXAMPLES";

const PACKAGE: &str = "hl7.fhir.r4.examples@4.0.1";
const ARCHIVE: &str = "hl7.fhir.r4.examples-4.0.1.tgz";

/// The unpacked package, if it is here already: where the variable says, or where [`fetch`] puts it.
pub(crate) fn unpacked() -> Option<PathBuf> {
    let named = std::env::var_os(VARIABLE).map(PathBuf::from);
    let own = scratch().join("fixtures").join("package");
    named.into_iter().chain([own]).find(|folder| folder.join("package.json").is_file())
}

/// Fetches and unpacks the package unless it is here.
///
/// # Errors
/// If npm or tar is missing or fails; the words say what to install.
pub(crate) fn fetch() -> Result<PathBuf> {
    if let Some(folder) = unpacked() {
        return Ok(folder);
    }
    let fixtures = scratch().join("fixtures");
    fs::create_dir_all(&fixtures).with_context(|| format!("make {}", fixtures.display()))?;
    let archive = fixtures.join(ARCHIVE);
    if !archive.is_file() {
        need_npm()?;
        execute(Command::new("npm").current_dir(&fixtures).args(["pack", "--silent", PACKAGE]))
            .context("the R4 examples could not be fetched; `--without-examples` goes on without them")?;
    }
    // Unpacked beside, then renamed: a run that is stopped half-way leaves no half folder behind.
    let beside = fixtures.join("unpacking");
    let _ = fs::remove_dir_all(&beside);
    fs::create_dir_all(&beside)?;
    execute(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(&beside))?;
    let folder = fixtures.join("package");
    fs::rename(beside.join("package"), &folder).context("the archive holds no folder `package`")?;
    fs::remove_dir_all(&beside)?;
    ensure!(folder.join("package.json").is_file(), "{} holds no package.json", folder.display());
    Ok(folder)
}

fn need_npm() -> Result<()> {
    let npm = Path::new("npm");
    if is_there(npm) {
        return Ok(());
    }
    let root_user = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    if root_user && is_there(Path::new("apt-get")) {
        say("npm is missing; installing it with apt-get");
        let mut install = Command::new("apt-get");
        install.env("DEBIAN_FRONTEND", "noninteractive");
        execute(install.args(["install", "-y", "--no-install-recommends", "npm"]))?;
        return Ok(());
    }
    bail!(
        "npm is missing, and with it the official R4 examples. Install it (Debian: `sudo apt-get install npm`), or unpack \
         {PACKAGE} yourself and set {VARIABLE} to its folder `package`, or pass --without-examples"
    )
}
