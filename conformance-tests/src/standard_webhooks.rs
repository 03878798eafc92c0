//! A Standard Webhooks library that others wrote (`standardwebhooks` of npm, MIT): it signs and verifies what a test asks it.
//!
//! `library.mjs` beside the module asks the library; the process ends with its standard input, so that it never outlives us.

use serde_json::{Value, json};
use std::fmt;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Set to `required`, it makes the absence of the library a failure.
const VARIABLE: &str = "STANDARD_WEBHOOKS";
/// Names the folder with `node_modules`, if it is elsewhere.
const FOLDER: &str = "STANDARD_WEBHOOKS_LIBRARY";
/// Where the test command makes it.
const OWN: &str = "target/standard-webhooks";

/// What is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    folder: PathBuf,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.folder.display();
        write!(
            f,
            "no Standard Webhooks library can be asked here: Node.js (18 or newer) or standardwebhooks in {folder} is missing. With npm: \
             mkdir -p {folder} && cp conformance-tests/src/standard_webhooks/package*.json {folder} && npm ci --prefix {folder} \
             --ignore-scripts"
        )
    }
}

impl std::error::Error for Missing {}

/// As a test needs it: `Ok(None)` means to skip, aloud.
///
/// # Errors
/// What is missing, if `STANDARD_WEBHOOKS=required` forbids to skip; that the library cannot be started.
pub fn library() -> Result<Result<Library, Missing>, Box<dyn std::error::Error>> {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(|root| root.join(OWN)).unwrap_or_default();
    let folder = std::env::var_os(FOLDER).map_or_else(own, PathBuf::from);
    if folder.join("node_modules/standardwebhooks/package.json").is_file() && has_node() {
        return Ok(Ok(Library::start(&folder)?));
    }
    let missing = Missing { folder };
    if std::env::var_os(VARIABLE).is_some_and(|value| value == "required") {
        return Err(missing.into());
    }
    Ok(Err(missing))
}

fn has_node() -> bool {
    let said = Command::new("node").arg("--version").stderr(Stdio::null()).output();
    let text = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default();
    let major = text.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    major.is_some_and(|major| major >= 18)
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
pub struct Library {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Library {
    fn start(folder: &Path) -> io::Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/standard_webhooks/library.mjs");
        let mut child = Command::new("node")
            .arg(script)
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let ended = || io::Error::other("the library has no way in or out");
        let (questions, answers) = (child.stdin.take().ok_or_else(ended)?, child.stdout.take().ok_or_else(ended)?);
        Ok(Self { child, questions, answers: BufReader::new(answers) })
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
        writeln!(self.questions, "{question}")?;
        self.questions.flush()?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).map_err(io::Error::other)
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // It holds nothing; its end is not waited for by anybody but the operating system.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
