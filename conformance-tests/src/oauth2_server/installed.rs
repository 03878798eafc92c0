//! Whether the OAuth2 server is on this machine.

pub use crate::npm::Missing;

use crate::npm::NpmServer;
use std::path::PathBuf;

const SERVER: NpmServer = NpmServer {
    name: "OAuth2 server",
    package: "oidc-provider",
    variable: "OAUTH2",
    folder: "OAUTH2_SERVER",
    own: "target/oauth2-server",
    manifest: "conformance-tests/src/oauth2_server",
    node: 20,
};

/// The folder with `node_modules`.
///
/// # Errors
/// What is missing.
pub fn available() -> Result<PathBuf, Missing> {
    SERVER.available()
}

/// As [`available`], for a test: `Some` with what is missing means to skip, aloud.
///
/// # Errors
/// What is missing, if `OAUTH2=required` forbids to skip.
pub fn reason_to_skip() -> Result<Option<Missing>, Missing> {
    SERVER.reason_to_skip()
}
