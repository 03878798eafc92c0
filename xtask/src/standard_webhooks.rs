//! npm's `standardwebhooks`: what the gateway signs is verified by it, and the other way round. A test tool; the product never asks it.

use crate::npm::Package;
use crate::steps::say;

/// Set to `required`, the tests fail where they would have skipped.
pub(crate) const VARIABLE: &str = "STANDARD_WEBHOOKS";

const LIBRARY: Package = Package {
    module: "standardwebhooks",
    manifest: "conformance-tests/src/standard_webhooks",
    own: "standard-webhooks",
    variable: "STANDARD_WEBHOOKS_LIBRARY",
    node: 18,
};

/// True if the library is here, made by this step if need be. False is said aloud and fails nothing.
pub(crate) fn prepare() -> bool {
    LIBRARY.prepare() || skipped()
}

fn skipped() -> bool {
    say("****************************************************************************************************");
    say("SKIPPED: no Standard Webhooks library of others, so no signature was compared. To have it, install npm");
    say("and Node.js 18 or newer.");
    say("****************************************************************************************************");
    false
}
