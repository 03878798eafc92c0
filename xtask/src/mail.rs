//! The mail servers against which mail is tested: Postfix and Dovecot, installed where that can be done; and qpdf, which opens what was
//! encrypted. The tests start processes of them with their own configuration; the services of Debian's packages are not used, and are not
//! started here.

use crate::debian;
use crate::steps::say;
use std::path::Path;

/// Set to `required`, the tests fail where they would have skipped.
pub(crate) const VARIABLE: &str = "MAIL";

/// What the tests start.
const PROGRAMS: [&str; 4] =
    ["/usr/lib/postfix/sbin/master", "/usr/sbin/dovecot", "/usr/lib/dovecot/imap", "/usr/bin/qpdf"];

/// True if the servers are here and may be started, installed by this step if need be. False is said aloud and fails nothing.
pub(crate) fn prepare() -> bool {
    let are_here = || debian::is_root() && PROGRAMS.iter().all(|program| Path::new(program).is_file());
    if are_here() {
        return true;
    }
    if debian::may_install() {
        say("The mail servers are missing; installing them with apt-get");
        debian::install_without_services(&["postfix", "dovecot-imapd", "qpdf"]);
        if are_here() {
            return true;
        }
    }
    say("****************************************************************************************************");
    say("SKIPPED: no mail servers (Postfix and Dovecot, started by root), so no mail out and in. To have them,");
    say("on Debian as root:");
    say("    apt-get install --no-install-recommends postfix dovecot-imapd qpdf");
    say("****************************************************************************************************");
    false
}
