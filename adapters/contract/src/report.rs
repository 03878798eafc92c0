//! What platforms say of a referral.

use crate::{IdempotencyKey, PlatformReferralId, TaskStatus};
use serde::{Deserialize, Serialize};

/// A report as it came in, before anybody believed it.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// How it came.
    pub source: ReportSource,
    /// Media type, if it was given.
    pub content_type: Option<&'a str>,
    /// The bytes.
    pub body: &'a [u8],
}

/// The ways in which a report can come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportSource {
    /// The platform called our report address.
    Webhook,
    /// The platform updated its Task on the gateway's FHIR API (*Direct Light*).
    TaskUpdate,
    /// We asked.
    Poll,
    /// It came with the acknowledgement.
    Acknowledgement,
    /// A mail: the body is the message as it came (`message/rfc822`).
    Mail,
    /// Somebody answered on the page behind a status link: the body is a [`LinkAnswer`](crate::LinkAnswer).
    StatusLink,
}

/// What a pushed report turned out to be.
#[expect(
    clippy::large_enum_variant,
    reason = "few exist at a time, and a box would only stand in an adapter author's way"
)]
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// It says what the status is.
    Status(StatusReport),
    /// It only says that something changed (an id-only notification): the gateway then reads the referral.
    Changed(PlatformReferralId),
}

/// One statement of a platform about one referral.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The platform's name for the referral.
    pub platform_referral: PlatformReferralId,
    /// Our key, where the platform repeats it; lets a report that overtakes its acknowledgement find its referral.
    pub key: Option<IdempotencyKey>,
    /// Names this statement among all of the platform's: the same id is the same statement.
    pub event: String,
    /// Where the platform itself puts this statement in time.
    pub order: PlatformOrder,
    /// The platform's own word, kept verbatim.
    pub platform_status: Concept,
    /// What the word means; `None` if it moves nothing or is unknown.
    pub status: Option<TaskStatus>,
    /// Code of the gateway's business-status code system; `unmapped` for an unknown word.
    pub business_status: String,
    /// The platform's reason in words.
    pub reason: Option<String>,
    /// What was done.
    pub outputs: Vec<ReportedOutput>,
}

/// The platform's own ordering of its statements. Compared by version, then by instant, then by the statement's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformOrder {
    /// A number that grows with each change of this referral at the platform.
    pub version: Option<u64>,
    /// When the platform says it happened: FHIR instant or dateTime.
    pub instant: Option<String>,
}

/// A word with its source.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Concept {
    /// Code system, if it has one.
    pub system: Option<String>,
    /// Code, if it has one.
    pub code: Option<String>,
    /// Words for people.
    pub text: Option<String>,
}

/// Something a platform gave back: an activity, an enrolment status, a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportedOutput {
    /// `Task.output.type`.
    pub kind: Concept,
    /// `Task.output.value[x]`.
    pub value: OutputValue,
}

/// The value of one output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputValue {
    /// A coded or worded statement.
    Concept(Concept),
    /// A whole FHIR resource as JSON text (`Procedure`, `Observation`, `QuestionnaireResponse`); stored and referred to.
    Resource(String),
}
