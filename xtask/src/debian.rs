//! Debian packages that tests need: installed by root where apt-get is, and nowhere else.

use crate::steps::{execute, is_there, say};
use std::path::Path;
use std::process::Command;

/// True where packages can be installed.
pub(crate) fn may_install() -> bool {
    let root_user = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    root_user && is_there(Path::new("apt-get"))
}

/// Installs them. Whether it worked shows in what is here afterwards.
pub(crate) fn install(packages: &[&str]) {
    // A new machine has no lists of packages, and an old one has old lists; old ones may do.
    attempt(apt_get().arg("update"));
    attempt(apt_get().args(["install", "-y", "--no-install-recommends"]).args(packages));
}

/// What fails is said.
fn attempt(command: &mut Command) {
    if let Err(error) = execute(command) {
        say(&format!("{error:#}"));
    }
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.arg("-q").env("DEBIAN_FRONTEND", "noninteractive");
    command
}
