//! Debian packages that tests need: installed by root where apt-get is, and nowhere else.

use crate::steps::{execute, is_there, say};
use std::path::Path;
use std::process::Command;

/// True where packages can be installed.
pub(crate) fn may_install() -> bool {
    is_root() && is_there(Path::new("apt-get"))
}

/// True for the user who may do everything.
pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Asked by Debian's packages before they start a service: an exit code of 101 says no.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs them so that they start no service: they would listen, and take the machine's own mail. Where the machine has a policy of
/// its own, that one counts.
pub(crate) fn install_without_services(packages: &[&str]) {
    let ours = !Path::new(POLICY).exists() && forbid_services().is_ok();
    install(packages);
    if ours && let Err(error) = std::fs::remove_file(POLICY) {
        say(&format!("{POLICY} was made by this step and cannot be removed: {error}"));
    }
}

fn forbid_services() -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(POLICY, "#!/bin/sh\nexit 101\n")?;
    std::fs::set_permissions(POLICY, std::fs::Permissions::from_mode(0o755))
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
