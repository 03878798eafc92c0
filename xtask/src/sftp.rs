//! The OpenSSH server, against which files over SFTP are tested: installed where that can be done. The tests start processes of it with
//! their own configuration; the service of Debian's package is not used, and is not started here.

use crate::debian;
use crate::steps::say;
use std::path::Path;

/// Set to `required`, the tests fail where they would have skipped.
pub(crate) const VARIABLE: &str = "SFTP";

/// What the tests start.
const SSHD: &str = "/usr/sbin/sshd";

/// True if the server is here, installed by this step if need be. False is said aloud and fails nothing.
pub(crate) fn prepare() -> bool {
    let is_here = || Path::new(SSHD).is_file();
    if is_here() {
        return true;
    }
    if debian::may_install() {
        say("The OpenSSH server is missing; installing it with apt-get");
        debian::install(&["openssh-server"]);
        if is_here() {
            return true;
        }
    }
    say("****************************************************************************************************");
    say("SKIPPED: no OpenSSH server (sshd), so no referral through the adapter batch-csv over SFTP. To have it,");
    say("on Debian:");
    say("    sudo apt-get install --no-install-recommends openssh-server");
    say("****************************************************************************************************");
    false
}
