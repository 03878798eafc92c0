//! The real MESH sandbox (NHS England's package `mesh-sandbox`), started on a free port of loopback, and an organisation that uses a
//! mailbox of it: reads what was sent to it, answers with files. Requests are signed here by the published interface, with no code of
//! the gateway's.
//!
//! A shell stands between us and the sandbox: it ends it when we end, however we end.

mod installed;

pub use installed::{Missing, available, reason_to_skip};

use hmac::{Hmac, Mac as _};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;
use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use time::OffsetDateTime;
use time::macros::format_description;

/// The key of the sandbox's environment.
pub const SHARED_KEY: &str = "TestKey";
/// The password of the mailboxes that the sandbox has built in.
pub const PASSWORD: &str = "password";

/// Starts the sandbox, waits for our end, ends it.
const KEEPER: &str = r#"
trap '' INT TERM HUP
"$1/bin/python" -m uvicorn mesh_sandbox.api:app --host 127.0.0.1 --port 0 --no-access-log </dev/null 2>&1 &
sandbox=$!
read -r _
kill "$sandbox"
"#;
/// What uvicorn says before its address.
const ADDRESS: &str = "Uvicorn running on ";

/// A sandbox that runs until it is dropped.
#[derive(Debug)]
pub struct MeshSandbox {
    base_url: String,
    keeper: Child,
    http: Client,
    nonces: AtomicU64,
}

/// A message as its recipient finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// MESH's name for it.
    pub id: String,
    /// The sender's mailbox.
    pub from: String,
    /// `Mex-To`.
    pub to: String,
    /// `Mex-Subject`.
    pub subject: String,
    /// `Mex-LocalID`.
    pub local_id: String,
    /// `Mex-FileName`.
    pub file_name: String,
    /// `Mex-WorkflowID`.
    pub workflow: String,
    /// How many parts it had.
    pub parts: usize,
    /// Its bytes, as they were put in.
    pub content: Vec<u8>,
}

/// What a file that is sent is called, and how.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    /// The sender's mailbox.
    pub from: &'a str,
    /// The recipient's mailbox.
    pub to: &'a str,
    /// The workflow.
    pub workflow: &'a str,
    /// The file's name.
    pub name: &'a str,
    /// Bytes of one part; `None`: it has one.
    pub part_bytes: Option<usize>,
}

impl MeshSandbox {
    /// Starts one. Blocks for a second or two.
    ///
    /// # Errors
    /// What is missing, or what the sandbox says.
    pub fn start() -> io::Result<Self> {
        let folder = available().map_err(io::Error::other)?;
        let mut command = Command::new("sh");
        command.arg("-c").arg(KEEPER).arg("keeper").arg(folder);
        command.envs([("AUTH_MODE", "full"), ("STORE_MODE", "memory"), ("SHARED_KEY", SHARED_KEY)]);
        let mut keeper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut said = String::new();
        let Some(out) = keeper.stdout.take() else { return Err(io::Error::other("no output to read")) };
        let mut out = BufReader::new(out);
        let base_url = loop {
            let from = said.len();
            if out.read_line(&mut said)? == 0 {
                return Err(io::Error::other(format!("the MESH sandbox does not start:\n{said}")));
            }
            let line = said.get(from..).unwrap_or_default();
            if let Some((_, address)) = line.split_once(ADDRESS) {
                break address.split_whitespace().next().unwrap_or_default().to_owned();
            }
        };
        // What it says from now on is read and forgotten, so that it is never held up by it.
        std::thread::spawn(move || io::copy(&mut out, &mut io::sink()));
        let http = Client::builder().no_proxy().build().map_err(io::Error::other)?;
        Ok(Self { base_url, keeper, http, nonces: AtomicU64::new(1) })
    }

    /// Address of the API.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    #[expect(clippy::disallowed_methods, reason = "the sandbox runs by the machine's time")]
    fn request(&self, mailbox: &str, method: Method, path: &str) -> RequestBuilder {
        let nonce = format!("organisation-{}", self.nonces.fetch_add(1, Ordering::Relaxed));
        let minute = OffsetDateTime::now_utc().format(format_description!("[year][month][day][hour][minute]"));
        let minute = minute.unwrap_or_default();
        let mut mac = Hmac::<Sha256>::new_from_slice(SHARED_KEY.as_bytes()).expect("a key may have any length");
        mac.update(format!("{mailbox}:{nonce}:1:{PASSWORD}:{minute}").as_bytes());
        let hash: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        self.http
            .request(method, format!("{}/messageexchange/{mailbox}{path}", self.base_url))
            .header("authorization", format!("NHSMESH {mailbox}:{nonce}:1:{minute}:{hash}"))
            .header("accept", "application/vnd.mesh.v2+json")
    }

    /// Names of the messages that wait for a mailbox.
    ///
    /// # Errors
    /// When the sandbox does not answer as it should.
    pub async fn waiting(&self, mailbox: &str) -> io::Result<Vec<String>> {
        let listed: Value = answered(self.request(mailbox, Method::GET, "/inbox"), StatusCode::OK).await?.0;
        Ok(serde_json::from_value(listed["messages"].clone())?)
    }

    /// The messages that wait for a mailbox, oldest first.
    ///
    /// # Errors
    /// When the sandbox does not answer as it should.
    pub async fn messages(&self, mailbox: &str) -> io::Result<Vec<Message>> {
        let mut messages = Vec::new();
        for id in self.waiting(mailbox).await? {
            messages.push(self.message(mailbox, id).await?);
        }
        Ok(messages)
    }

    async fn message(&self, mailbox: &str, id: String) -> io::Result<Message> {
        let (mut content, mut number, mut parts) = (Vec::new(), 1, 1);
        let mut packed = false;
        let mut headers = reqwest::header::HeaderMap::new();
        while number <= parts {
            let path = if number == 1 { format!("/inbox/{id}") } else { format!("/inbox/{id}/{number}") };
            // A message that was packed by its sender comes as it was put in.
            let request = self.request(mailbox, Method::GET, &path).header("accept-encoding", "gzip");
            let response = request.send().await.map_err(io::Error::other)?;
            if number == 1 {
                headers = response.headers().clone();
                let range = text(&headers, "mex-chunk-range");
                parts = range.split_once(':').and_then(|(_, all)| all.parse().ok()).unwrap_or(1);
                packed = text(&headers, "content-encoding") == "gzip";
            }
            content.extend_from_slice(&response.bytes().await.map_err(io::Error::other)?);
            number += 1;
        }
        if packed {
            let mut plain = Vec::new();
            io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(content.as_slice()), &mut plain)?;
            content = plain;
        }
        let of = |name: &str| text(&headers, name);
        Ok(Message {
            id,
            from: of("mex-from"),
            to: of("mex-to"),
            subject: of("mex-subject"),
            local_id: of("mex-localid"),
            file_name: of("mex-filename"),
            workflow: of("mex-workflowid"),
            parts,
            content,
        })
    }

    /// Acknowledges a message, so that it waits no more.
    ///
    /// # Errors
    /// When the sandbox does not answer as it should.
    pub async fn acknowledge(&self, mailbox: &str, id: &str) -> io::Result<()> {
        let request = self.request(mailbox, Method::PUT, &format!("/inbox/{id}/status/acknowledged"));
        let status = request.send().await.map_err(io::Error::other)?.status();
        if status == StatusCode::OK { Ok(()) } else { Err(io::Error::other(format!("acknowledge: {status}"))) }
    }

    /// Sends a file; its name at MESH.
    ///
    /// # Errors
    /// When the sandbox does not take it.
    pub async fn send(&self, sending: &Sending<'_>, content: impl AsRef<[u8]>) -> io::Result<String> {
        let content = content.as_ref();
        let parts: Vec<&[u8]> =
            content.chunks(sending.part_bytes.unwrap_or(usize::MAX).min(content.len().max(1))).collect();
        let all = parts.len();
        let mut id: Option<String> = None;
        for (index, part) in parts.into_iter().enumerate() {
            let number = index + 1;
            let path = id.as_ref().map_or_else(|| "/outbox".to_owned(), |id| format!("/outbox/{id}/{number}"));
            let mut request = self.request(sending.from, Method::POST, &path).header("content-type", "text/csv");
            request = request.header("mex-chunk-range", format!("{number}:{all}"));
            request = request.header("mex-to", sending.to).header("mex-workflowid", sending.workflow);
            request = request.header("mex-filename", sending.name).body(part.to_vec());
            let (taken, _) = answered(request, StatusCode::ACCEPTED).await?;
            id = id.or_else(|| taken["message_id"].as_str().map(str::to_owned));
        }
        id.ok_or_else(|| io::Error::other("the sandbox gave the message no name"))
    }

    /// Puts the report into a mailbox that a message of it could not be delivered.
    ///
    /// # Errors
    /// When the sandbox does not take it.
    pub async fn report_undelivered(&self, mailbox: &str, message: &str, workflow: &str) -> io::Result<()> {
        let report = json!({
            "mailbox_id": mailbox, "code": "14", "description": "Message not collected", "workflow_id": workflow,
            "linked_message_id": message, "status": "undeliverable",
        });
        let request = self.http.post(format!("{}/messageexchange/admin/report", self.base_url)).json(&report);
        answered(request, StatusCode::OK).await.map(|_| ())
    }
}

impl Drop for MeshSandbox {
    fn drop(&mut self) {
        // The keeper reads our end, ends the sandbox and is gone.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

fn text(headers: &reqwest::header::HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

async fn answered(request: RequestBuilder, wanted: StatusCode) -> io::Result<(Value, StatusCode)> {
    let response = request.send().await.map_err(io::Error::other)?;
    let status = response.status();
    let body = response.bytes().await.map_err(io::Error::other)?;
    if status != wanted {
        return Err(io::Error::other(format!("the sandbox answered {status}: {}", String::from_utf8_lossy(&body))));
    }
    Ok((serde_json::from_slice(&body).unwrap_or(Value::Null), status))
}
