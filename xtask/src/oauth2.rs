//! npm's `oidc-provider`, an OAuth2 server of others: the gateway's client is tested against it. A test tool; the product never starts it.

use crate::npm::Package;
use crate::steps::say;

/// Set to `required`, the tests fail where they would have skipped.
pub(crate) const VARIABLE: &str = "OAUTH2";

/// Older versions of Node.js lack what the server's library needs.
const SERVER: Package = Package {
    module: "oidc-provider",
    manifest: "conformance-tests/src/oauth2_server",
    own: "oauth2-server",
    variable: "OAUTH2_SERVER",
    node: 20,
};

/// True if the server is here, made by this step if need be. False is said aloud and fails nothing.
pub(crate) fn prepare() -> bool {
    SERVER.prepare() || skipped()
}

fn skipped() -> bool {
    say("****************************************************************************************************");
    say("SKIPPED: no OAuth2 server, so no token of one that others wrote. To have it, install npm");
    say("and Node.js 20 or newer (Debian 12 has 18).");
    say("****************************************************************************************************");
    false
}
