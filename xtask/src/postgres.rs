//! PostgreSQL, the engine for several instances: installed where that can be done. The tests start private servers of it;
//! the cluster that Debian's package makes is not used, and is not started here.

use crate::steps::{execute, is_there, say};
use std::path::Path;
use std::process::Command;

/// Set to `required`, the tests fail where they would have skipped.
pub(crate) const VARIABLE: &str = "POSTGRES";

/// Where Debian keeps the programs, a folder for each version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// True if PostgreSQL is here, installed by this step if need be. False is said aloud and fails nothing.
pub(crate) fn prepare() -> bool {
    if is_here() {
        return true;
    }
    if may_install() {
        say("PostgreSQL is missing; installing it with apt-get");
        // A new machine has no lists of packages, and an old one has old lists; old ones may do.
        attempt(apt_get().arg("update"));
        attempt(apt_get().args(["install", "-y", "--no-install-recommends", "postgresql"]));
        if is_here() {
            return true;
        }
    }
    say("****************************************************************************************************");
    say("SKIPPED: PostgreSQL is not here (initdb and pg_ctl), so nothing is shown about several instances, nor");
    say("about a store that is moved from SQLite. To have both, on Debian:");
    say("    sudo apt-get install --no-install-recommends postgresql");
    say("****************************************************************************************************");
    false
}

fn is_here() -> bool {
    let versions = std::fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let packaged = versions.map(|entry| entry.path().join("bin")).any(|bin| bin.join("initdb").is_file());
    packaged || (is_there(Path::new("initdb")) && is_there(Path::new("pg_ctl")))
}

fn may_install() -> bool {
    let root_user = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    root_user && is_there(Path::new("apt-get"))
}

/// What fails is said; whether it mattered shows in what is here afterwards.
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
