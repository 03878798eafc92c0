//! A FHIR server that others wrote, as a GP system: Medplum's router, search, validation and repository (npm `@medplum/fhir-router`,
//! Apache-2.0) on a free port of loopback, with a file that outlives it.
//!
//! `server.mjs` beside the module is the HTTP listener and the file. It ends with its standard input, so that it never outlives us. The
//! packages are of version 4.5: later ones need Node.js 22.

use crate::npm::{Missing, NpmServer, Process};
use crate::oauth2_server::{OAuth2Server, RESOURCE};
use serde_json::{Value, json};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

const SERVER: NpmServer = NpmServer {
    name: "FHIR server of a GP system",
    package: "@medplum/fhir-router",
    variable: "GP_SERVER",
    folder: "GP_SERVER_FOLDER",
    own: "target/gp-fhir-server",
    manifest: "conformance-tests/src/gp_fhir_server",
    node: 20,
};

/// `Some` with what is missing means that a test is to skip, aloud.
///
/// # Errors
/// What is missing, if `GP_SERVER=required` forbids to skip.
pub fn reason_to_skip() -> Result<Option<Missing>, Missing> {
    SERVER.reason_to_skip()
}

/// Whom it lets in.
#[derive(Debug, Clone)]
pub enum Door {
    /// Whoever shows this bearer token.
    Token(String),
    /// Whoever shows a token that a token server calls good (RFC 7662).
    Introspection {
        /// Where it asks.
        url: String,
        /// Its own id and secret there.
        client: (String, String),
    },
}

impl Door {
    /// By the tokens of this server.
    #[must_use]
    pub fn of(server: &OAuth2Server) -> Self {
        let (id, secret) = RESOURCE;
        Self::Introspection { url: server.introspection().url, client: (id.to_owned(), secret.to_owned()) }
    }
}

/// A request that it answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The verb.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The status.
    pub status: u16,
    /// `If-Match`, if there was one.
    pub if_match: Option<String>,
    /// `If-None-Exist`, if there was one.
    pub if_none_exist: Option<String>,
}

/// A server that runs until it is dropped, and what it has stored.
#[derive(Debug)]
pub struct GpFhirServer {
    door: Door,
    folder: tempfile::TempDir,
    base: String,
    process: Process,
}

impl GpFhirServer {
    /// Starts one that has nothing. Blocks for about two seconds.
    ///
    /// # Errors
    /// What is missing, or what the server says.
    pub fn start(door: Door) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (process, base) = begin(&door, folder.path().join("resources.jsonl"), quiet_port()?)?;
        Ok(Self { door, folder, base, process })
    }

    /// Kills it (SIGKILL, in the midst of whatever it does); whoever asks finds nobody.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> io::Result<()> {
        self.process.kill()
    }

    /// Starts it again at the same address, with what is on its disk.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn restart(&mut self) -> io::Result<()> {
        let port = self.base.rsplit(':').next().and_then(|rest| rest.split('/').next()?.parse().ok());
        let port = port.ok_or_else(|| io::Error::other("the address has no port"))?;
        let _ = self.process.kill();
        self.process.end();
        (self.process, self.base) = begin(&self.door, self.folder.path().join("resources.jsonl"), port)?;
        Ok(())
    }

    /// Its FHIR base address.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.base.clone()
    }

    /// Every request since it was last started, in order.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn asked(&mut self) -> io::Result<Vec<Answered>> {
        let all = self.process.command("asked")?;
        let read = |one: &Value| {
            let text = |name: &str| one[name].as_str().map(str::to_owned);
            let status = one["status"].as_u64().and_then(|status| u16::try_from(status).ok())?;
            let (if_match, if_none_exist) = (text("if_match"), text("if_none_exist"));
            Some(Answered { method: text("method")?, path: text("path")?, status, if_match, if_none_exist })
        };
        Ok(all.as_array().into_iter().flatten().filter_map(read).collect())
    }

    /// The next so many requests are answered with this status, and nothing is done.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn answer_with(&mut self, count: u32, status: u16) -> io::Result<()> {
        self.process.command(&format!("answer {count} {status}")).map(|_| ())
    }

    /// The next so many writes are done, and nobody is told: the connection is cut before the answer.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn swallow(&mut self, count: u32) -> io::Result<()> {
        self.process.command(&format!("swallow {count}")).map(|_| ())
    }

    /// The practice's own staff change a resource.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn staff_put(&mut self, resource: &Value) -> io::Result<()> {
        self.process.command(&format!("staff {resource}")).map(|_| ())
    }

    /// The practice's own staff delete a resource.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn staff_delete(&mut self, kind: &str, id: &str) -> io::Result<()> {
        self.process.command(&format!("staff {}", json!({ "remove": [kind, id] }))).map(|_| ())
    }

    /// Every current resource of this type.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn stored(&mut self, kind: &str) -> io::Result<Vec<Value>> {
        let all = self.process.command(&format!("stored {kind}"))?;
        Ok(all.as_array().cloned().unwrap_or_default())
    }
}

/// A free port below those that the system gives out by itself, so that nobody takes it while the server is down.
fn quiet_port() -> io::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 4_000).unwrap_or_default() * 3;
    let mut ports = (0..500).map(|_| first + NEXT.fetch_add(1, Ordering::Relaxed) % 500);
    let free = ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.ok_or_else(|| io::Error::other("no port is free"))
}

/// The process, and the address at which it listens.
fn begin(door: &Door, data: PathBuf, port: u16) -> io::Result<(Process, String)> {
    let folder = SERVER.available().map_err(io::Error::other)?;
    let mut set_up = json!({ "folder": folder, "port": port, "data": data });
    match door {
        Door::Token(token) => set_up["token"] = json!(token),
        Door::Introspection { url, client: (id, secret) } => {
            set_up["introspection"] = json!({ "url": url, "id": id, "secret": secret });
        }
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gp_fhir_server/server.mjs");
    let (process, first) = Process::start(SERVER.name, &script, &set_up)?;
    Ok((process, first["base"].as_str().unwrap_or_default().to_owned()))
}
