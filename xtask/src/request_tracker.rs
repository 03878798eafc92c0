//! Request Tracker 5, the real helpdesk that adapter and harness are tested against: installed where that can be done.
//!
//! Unlike the R4 examples it is no download of ours but Debian packages, so that only root on such a machine can have it
//! installed here. Anywhere else the tests that need it say that they did not run.

use crate::debian;
use crate::steps::say;
use std::path::Path;
use std::process::Command;

/// Set to `required`, the tests fail where they would have skipped.
pub(crate) const VARIABLE: &str = "REQUEST_TRACKER";

/// RT, its own server instead of Apache, its database, the web server that it runs under, the time zones.
const PACKAGES: [&str; 5] = ["request-tracker5", "rt5-standalone", "rt5-db-sqlite", "starman", "tzdata"];

/// What the tests start, and what RT silently takes for UTC if it is missing.
const FILES: [&str; 3] = [
    "/usr/share/request-tracker5/libexec/rt-server",
    "/usr/sbin/rt-setup-database-5",
    "/usr/share/zoneinfo/Europe/London",
];

/// True if RT is here, installed by this step if need be. False is said aloud and fails nothing.
pub(crate) fn prepare() -> bool {
    if is_here() {
        return true;
    }
    if debian::may_install() {
        say("Request Tracker 5 is missing; installing it with apt-get (a minute or two)");
        debian::install(&PACKAGES);
        if is_here() {
            return true;
        }
    }
    let packages = PACKAGES.join(" ");
    say("****************************************************************************************************");
    say("SKIPPED: Request Tracker 5 is not here, so nothing is shown about it: not what it does with tickets,");
    say("and no referral through the adapter ticket-rt. To have both, on Debian:");
    say(&format!("    sudo apt-get install --no-install-recommends {packages}"));
    say("****************************************************************************************************");
    false
}

fn is_here() -> bool {
    let mut modules = Command::new("perl");
    modules.args(["-MDBD::SQLite", "-MStarman", "-e", "1"]);
    FILES.iter().all(|file| Path::new(file).is_file()) && modules.output().is_ok_and(|output| output.status.success())
}
