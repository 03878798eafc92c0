//! Ingest: from a document that passed the door to resources that may be stored.
//!
//! In three steps, so that all reading from the store lies between pure ones: [`read`] (what was sent, is it valid
//! FHIR), [`wants`] (what must be looked up), [`resolve`] (ids given, every reference pointed at something real, the
//! gateway's own rules held). It decides nothing about consent or recipient.

mod amended;
mod references;
mod rules;
mod submission;

pub use amended::AMENDABLE;
pub(crate) use amended::may_change;
pub use references::{Found, Stored, Wants, resolve, wants};
pub use rules::{Person, patient_of};
pub(crate) use rules::{check_task, find_document, labels, nhs_numbers_of};
pub(crate) use submission::deduplicated;
pub use submission::{Draft, Submission, Write, read, read_single};
pub use submission::{check_single, parse_etag};

use gateway_fhir::Json;

/// Resource types that a client may create by themselves; the others come inside a transaction Bundle.
pub const STAND_ALONE: [&str; 3] = ["ServiceRequest", "Task", "Consent"];

/// Resource types that are stored from a Bundle and served back.
pub const STORED: [&str; 18] = [
    "ServiceRequest",
    "Task",
    "Patient",
    "Consent",
    "Organization",
    "Practitioner",
    "PractitionerRole",
    "HealthcareService",
    "Location",
    "RelatedPerson",
    "Condition",
    "Observation",
    "QuestionnaireResponse",
    "Goal",
    "Procedure",
    "Flag",
    "DocumentReference",
    "Device",
];

/// Resource types that only the gateway writes, and that are read like the others.
pub const GATEWAY_WRITES: [&str; 2] = ["Provenance", "Binary"];

/// A resource that will be written, all references pointing at stored ids.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// Place in the request, for faults and for the order of the answer.
    pub place: String,
    /// Type.
    pub kind: String,
    /// Id in the store.
    pub id: String,
    /// Version that it gets; 1 = created.
    pub version: u64,
    /// The document, not yet stamped.
    pub document: Json,
    /// Criteria under which it must not exist yet (`If-None-Exist`).
    pub none_exist: Option<Vec<crate::resource::Token>>,
}

/// What became of one entry.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It will be written.
    Write(Box<Accepted>),
    /// `If-None-Exist` found one: nothing is written.
    Exists {
        /// Type.
        kind: String,
        /// Id of the one that exists.
        id: String,
    },
}
