//! Requests and answers as data: what the gateway's transports carry.

use crate::{FileAnswer, FileRequest, MailRequest, TaskStatus};
use serde::{Deserialize, Serialize};

/// Something to send. The gateway adds the base address, credentials and its own headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlatformRequest {
    /// An HTTP request.
    Http(HttpRequest),
    /// Resources that the platform comes to collect from the gateway's FHIR API (HL7 SDOH Clinical Care *Direct Light*).
    Publish(Publication),
    /// A move of a Task that was published so.
    Amend(TaskAmendment),
    /// Something to do with files.
    File(FileRequest),
    /// A mail.
    Mail(MailRequest),
}

/// Verbs that platforms' published interfaces use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Read.
    Get,
    /// Create or act.
    Post,
    /// Replace.
    Put,
    /// Change in part.
    Patch,
    /// Remove.
    Delete,
}

/// An HTTP request relative to the platform's configured base address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// Verb.
    pub method: Method,
    /// Path below the base, without leading slash and without patient data. Already percent-encoded.
    pub path: String,
    /// Query parameters, not yet encoded, without patient data.
    pub query: Vec<(String, String)>,
    /// Headers beyond those that the gateway sets (`Authorization`, `X-Request-Id`, `X-Correlation-Id`).
    pub headers: Vec<(String, String)>,
    /// Body, if any; its media type stands in `headers`.
    pub body: Option<Vec<u8>>,
    /// What happens if it is sent twice.
    pub repeat: Repeat,
}

/// What it means to send a request again when nobody knows whether it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Repeat {
    /// It changes nothing at the platform.
    Safe,
    /// The platform recognises our key and keeps one.
    Keyed,
    /// The platform would make a second one: look up first.
    LookUpFirst,
}

/// Resources made available to one platform on the gateway's own FHIR API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// In the order in which they refer to each other; references between them are `urn:uuid` full URLs.
    pub resources: Vec<PublishedResource>,
}

/// One resource of a [`Publication`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedResource {
    /// `urn:uuid:…`, by which the others refer to it.
    pub full_url: String,
    /// JSON text of the FHIR resource, without `id`.
    pub resource: String,
}

/// What becomes of a published Task when the sender moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskAmendment {
    /// `Task/id` as it was published.
    pub task: String,
    /// Its new status.
    pub status: TaskStatus,
    /// `Task.statusReason.text`.
    pub reason: Option<String>,
}

/// What came back. Time-outs, resets and unreadable bytes never reach the adapter: the gateway classes them itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// An HTTP answer, whatever its status.
    Http {
        /// Status code.
        status: u16,
        /// Headers, names in lower case.
        headers: Vec<(String, String)>,
        /// Body, at most [`crate::Limits::answer_bytes`].
        body: Vec<u8>,
    },
    /// The publication is durable; the ids it was given, in its order, as `Type/id`.
    Published(Vec<String>),
    /// The published Task now stands so: the new status, or the one it kept because it was final already.
    Amended(TaskStatus),
    /// What came of a request about files.
    File(FileAnswer),
    /// The first mail server has taken the mail. Whether it arrives is told, if at all, by mail.
    Mailed,
}

impl Answer {
    /// The first header of this name, if the answer is HTTP's.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        match self {
            Self::Http { headers, .. } => {
                headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
            }
            Self::Published(_) | Self::Amended(_) | Self::File(_) | Self::Mailed => None,
        }
    }
}
