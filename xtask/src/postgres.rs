//! PostgreSQL, the engine for several instances: installed where that can be done. The tests start private servers of it;
//! the cluster that Debian's package makes is not used, and is not started here.

use crate::debian;
use crate::steps::{is_there, say};
use std::path::Path;

/// Set to `required`, the tests fail where they would have skipped.
pub(crate) const VARIABLE: &str = "POSTGRES";

/// Where Debian keeps the programs, a folder for each version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// True if PostgreSQL is here, installed by this step if need be. False is said aloud and fails nothing.
pub(crate) fn prepare() -> bool {
    if is_here() {
        return true;
    }
    if debian::may_install() {
        say("PostgreSQL is missing; installing it with apt-get");
        debian::install(&["postgresql"]);
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
