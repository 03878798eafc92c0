//! A Standard Webhooks library that others wrote (`standardwebhooks` of npm, MIT): it signs and verifies what a test asks it.
//!
//! `library.mjs` beside the module asks the library; the process ends with its standard input, so that it never outlives us.

pub use crate::npm::Missing;

use crate::npm::{NpmServer, Process};
use serde_json::{Value, json};
use std::io;
use std::path::Path;

const LIBRARY: NpmServer = NpmServer {
    name: "Standard Webhooks library",
    package: "standardwebhooks",
    variable: "STANDARD_WEBHOOKS",
    folder: "STANDARD_WEBHOOKS_LIBRARY",
    own: "target/standard-webhooks",
    manifest: "conformance-tests/src/standard_webhooks",
    node: 18,
};

/// As a test needs it: `Ok(Err(…))` with what is missing means to skip, aloud.
///
/// # Errors
/// What is missing, if `STANDARD_WEBHOOKS=required` forbids to skip; that the library cannot be started.
pub fn library() -> Result<Result<Library, Missing>, Box<dyn std::error::Error>> {
    if let Some(missing) = LIBRARY.reason_to_skip()? {
        return Ok(Err(missing));
    }
    Ok(Ok(Library::start(&LIBRARY.available()?)?))
}

/// A message and its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// `whsec_…`.
    pub secret: &'a str,
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`.
    pub timestamp: i64,
    /// The body.
    pub body: &'a str,
}

/// The library, asked line by line.
#[derive(Debug)]
pub struct Library(Process);

impl Library {
    fn start(folder: &Path) -> io::Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/standard_webhooks/library.mjs");
        Process::silent(LIBRARY.name, &script, &folder.to_string_lossy()).map(Self)
    }

    /// The signature that the library makes.
    ///
    /// # Errors
    /// When it makes none.
    pub fn sign(&mut self, message: &Message<'_>) -> io::Result<String> {
        let answer = self.ask(true, message, "", message.timestamp)?;
        answer["signature"].as_str().map(str::to_owned).ok_or_else(|| io::Error::other(answer.to_string()))
    }

    /// Whether the library takes the signature at this time (seconds); if not, why.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn verify(&mut self, message: &Message<'_>, signature: &str, now: i64) -> io::Result<Result<(), String>> {
        let answer = self.ask(false, message, signature, now)?;
        Ok(if answer["proven"] == true {
            Ok(())
        } else {
            Err(answer["refused"].as_str().unwrap_or_default().to_owned())
        })
    }

    fn ask(&mut self, sign: bool, message: &Message<'_>, signature: &str, now: i64) -> io::Result<Value> {
        let Message { secret, id, timestamp, body } = message;
        let question = json!({
            "sign": sign, "secret": secret, "id": id, "timestamp": timestamp, "body": body, "signature": signature, "now": now,
        });
        self.0.command(&question.to_string())
    }
}
