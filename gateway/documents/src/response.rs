//! The two acknowledgements of a message: ITK3 Response messages (FHIR STU3, XML) of the practice's system.
//!
//! The infrastructure response says that the system took the message; the business response says whether the patient is known there. Both
//! come alone, in any order, perhaps twice, perhaps never. The document is not trusted: see [`read`].

mod codes;
mod exchange;
mod tree;

pub use codes::{Actor, Level, Resend, ResponseCode};
pub use exchange::{Progress, progress};
pub use tree::XmlFault;

use crate::limits::RESPONSE_VALUE;
use crate::message::Ids;
use std::fmt;
use thiserror::Error;
use tree::Node;
use uuid::Uuid;

/// The event of an ITK3 Response (GPCM-SD-054).
const EVENT: &str = "ITK008M";
/// The code systems of ITK3 response codes: of STU3, and of UK Core.
const SYSTEMS: [&str; 2] = ["/ITK-ResponseCodes-1", "/UKCore-ITKResponseCode"];

/// An acknowledgement as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// `MessageHeader.response.identifier`: which message it answers ([`Response::answers`]). A system that could read no id writes
    /// `UNREADABLE-IN-ORIGINAL-MESSAGE` (ITK3, "ITK3 Response Examples").
    pub answers_to: Option<String>,
    /// `SenderReference`, as it was sent (guide, "extension SenderReference").
    pub sender_reference: Option<String>,
    /// `MessageHeader.response.code`.
    pub outcome: Outcome,
    /// `MessageHeader.timestamp`, as written.
    pub timestamp: Option<String>,
    /// ODS code of who answers, if it is given.
    pub from: Option<String>,
    /// The issues of its OperationOutcome.
    pub issues: Vec<Issue>,
}

/// `MessageHeader.response.code` (STU3, response-code).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// `ok`: accepted and processed.
    Ok,
    /// `transient-error`: may work later, unchanged.
    TransientError,
    /// `fatal-error`: there is no point in sending it again unchanged.
    FatalError,
    /// Another text.
    Other(String),
}

/// One issue.
#[derive(Clone, PartialEq, Eq)]
pub struct Issue {
    /// The ITK3 response code.
    pub code: ResponseCode,
    /// `issue.severity`, as written.
    pub severity: Option<String>,
    /// `issue.diagnostics` (GPCM-SD-074): what was wrong, for whoever mends the message. It may hold patient data: it goes into no log.
    pub diagnostics: Option<String>,
}

impl fmt::Debug for Issue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issue = (&self.code, self.diagnostics.is_some());
        formatter.debug_tuple("Issue").field(&issue.0).field(&issue.1).finish()
    }
}

/// Why a document is no acknowledgement. Its content is not told.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ResponseFault {
    /// Not XML that is read here.
    #[error("the acknowledgement cannot be read: {0}")]
    Xml(#[from] XmlFault),
    /// XML of another kind.
    #[error(
        "this is no ITK3 Response: {missing} is missing or of another kind; leave the file for a person to look at"
    )]
    NotAResponse {
        /// What an ITK3 Response has.
        missing: &'static str,
    },
}

/// What one response says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// One code, and nothing that speaks against it.
    Code(&'a ResponseCode),
    /// No code, or several that differ, or a success that is called an error: a person has to look.
    Unclear,
}

impl Response {
    /// Whether it answers the message with these ids. STU3 means `MessageHeader.id`; as systems differ, any id of the message will do. Where it
    /// names none, as when the message could not be read, the sender reference decides. An id of another message is never ours, though the
    /// reference be: that is the answer to an earlier version.
    #[must_use]
    pub fn answers(&self, ids: &Ids, sender_reference: &str) -> bool {
        match self.answers_to.as_deref().and_then(|text| Uuid::try_parse(text.trim()).ok()) {
            Some(id) => ids.contains(id),
            None => self.sender_reference.as_deref() == Some(sender_reference),
        }
    }

    /// What it says, if it says one thing.
    #[must_use]
    pub fn verdict(&self) -> Verdict<'_> {
        let Some(first) = self.issues.first() else { return Verdict::Unclear };
        let one = self.issues.iter().all(|issue| issue.code == first.code);
        let agrees = match first.code.is_success() {
            true => self.outcome == Outcome::Ok && self.issues.iter().all(Issue::is_mild),
            false => self.outcome != Outcome::Ok,
        };
        if one && agrees { Verdict::Code(&first.code) } else { Verdict::Unclear }
    }
}

impl Issue {
    fn is_mild(&self) -> bool {
        !matches!(self.severity.as_deref(), Some("fatal" | "error"))
    }
}

/// Reads an acknowledgement. Nothing outside the document is read: a document type declaration is refused, and so are entities other than
/// XML's own five. Size, depth and number of elements are bounded (`limits`). Codes that are not known are kept.
///
/// # Errors
/// [`ResponseFault`] if it is no ITK3 Response.
pub fn read(bytes: &[u8]) -> Result<Response, ResponseFault> {
    let root = tree::parse(bytes)?;
    let missing = |missing| ResponseFault::NotAResponse { missing };
    if root.name() != "Bundle" {
        return Err(missing("Bundle"));
    }
    let all = |kind| root.all("entry").filter_map(move |entry| entry.one("resource")?.one(kind));
    let resource = |kind| all(kind).next();
    let header = resource("MessageHeader").ok_or(missing("MessageHeader"))?;
    if header.one("event").and_then(|event| event.value("code")) != Some(EVENT) {
        return Err(missing("the event ITK008M"));
    }
    let response = header.one("response").ok_or(missing("MessageHeader.response"))?;
    let outcome = match response.value("code").ok_or(missing("MessageHeader.response.code"))? {
        "ok" => Outcome::Ok,
        "transient-error" => Outcome::TransientError,
        "fatal-error" => Outcome::FatalError,
        other => Outcome::Other(kept(other)),
    };
    Ok(Response {
        answers_to: response.value("identifier").map(kept),
        sender_reference: sender_reference(header).map(kept),
        outcome,
        timestamp: header.value("timestamp").map(kept),
        from: resource("Organization").and_then(ods_code).map(kept),
        issues: all("OperationOutcome").flat_map(|found| found.all("issue")).map(issue).collect(),
    })
}

fn issue(issue: &Node) -> Issue {
    let codings = || issue.all("details").flat_map(|details| details.all("coding"));
    let known =
        |coding: &&Node| coding.value("system").is_none_or(|system| SYSTEMS.iter().any(|ours| system.ends_with(ours)));
    // A coding of another system is not one of ours, whatever its code; it is kept as unknown.
    let code = match (codings().find(known), codings().next()) {
        (Some(ours), _) => ResponseCode::read(ours.value("code").unwrap_or_default()),
        (None, other) => ResponseCode::Unknown(kept(other.and_then(|other| other.value("code")).unwrap_or_default())),
    };
    Issue { code, severity: issue.value("severity").map(kept), diagnostics: issue.value("diagnostics").map(kept) }
}

fn sender_reference(header: &Node) -> Option<&str> {
    let handling = |node: &&Node| node.url().is_some_and(|url| url.ends_with("/Extension-ITK-MessageHandling-2"));
    let within = header.all("extension").find(handling)?;
    within.all("extension").find(|part| part.url() == Some("SenderReference"))?.value("valueString")
}

fn ods_code(organisation: &Node) -> Option<&str> {
    let is_ods = |node: &&Node| {
        node.value("system").is_some_and(|system| system.to_ascii_lowercase().ends_with("/id/ods-organization-code"))
    };
    organisation.all("identifier").find(is_ods)?.value("value")
}

/// A value, of which no more is kept than is useful.
fn kept(text: &str) -> String {
    let mut end = text.len().min(RESPONSE_VALUE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}
