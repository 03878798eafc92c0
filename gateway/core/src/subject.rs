//! Whom stored data is about, and what can be erased by itself. The store keeps a key for each [`Subject`] and encrypts
//! with it; to destroy the key is to erase.

use crate::change::{Change, Transaction};
use crate::resource::ResourceVersion;
use gateway_fhir::door::{DoorLimits, admit};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// One person within one compartment. Random: it tells nothing of who it is. A person may have several, where two first
/// referrals came at once or the record before was erased.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubjectId(pub String);

/// What of a person is erased at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Domain {
    /// Referrals, and all that belongs to them.
    Record,
    /// Consents: a refusal outlives the record, or a recipient that needs no Consent would get what the person refused.
    Consent,
}

impl Domain {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Record, Self::Consent];

    /// One word, as the store keeps it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Consent => "consent",
        }
    }

    /// Reads what [`word`](Self::word) wrote.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|domain| domain.word() == word)
    }

    /// Where a resource belongs; `None` for those that are about no person and that several people's referrals share. A
    /// Device is one of these unless it names a patient: the system that sends stands in everybody's referrals.
    #[must_use]
    pub fn of(stored: &ResourceVersion) -> Option<Self> {
        match stored.key.kind.as_str() {
            "Device" if names_no_patient(stored) => None,
            // Whose filter may name a person by an id, and that is all.
            "Subscription" => None,
            "Organization" | "Practitioner" | "PractitionerRole" | "HealthcareService" | "Location" => None,
            "Consent" => Some(Self::Consent),
            _ => Some(Self::Record),
        }
    }
}

/// What one key encrypts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject {
    /// Who.
    pub id: SubjectId,
    /// What of it.
    pub domain: Domain,
}

impl Subject {
    /// The record of a person.
    #[must_use]
    pub fn record(id: &SubjectId) -> Self {
        Self { id: id.clone(), domain: Domain::Record }
    }

    /// The one that a resource belongs to, if it is about a person.
    #[must_use]
    pub fn holding(stored: &ResourceVersion, id: &SubjectId) -> Option<Self> {
        Some(Self { id: id.clone(), domain: Domain::of(stored)? })
    }
}

/// In whatever way: a name alone is one. What cannot be read may name somebody.
fn names_no_patient(stored: &ResourceVersion) -> bool {
    let limits = DoorLimits { body_bytes: usize::MAX, ..DoorLimits::default() };
    admit(stored.body.as_bytes(), &limits).is_ok_and(|document| document.get("patient").is_none())
}

/// That something was erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// On what occasion.
    pub cause: Cause,
}

/// On what occasion something is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Somebody entitled asked for it.
    Request,
    /// The person withdrew every consent.
    Withdrawal,
    /// It had been kept for as long as the configuration says.
    Retention,
}

impl Cause {
    /// One word, as the store and audit keep it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Withdrawal => "withdrawal",
            Self::Retention => "retention",
        }
    }

    /// Reads what [`word`](Self::word) wrote.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Request, Self::Withdrawal, Self::Retention].into_iter().find(|cause| cause.word() == word)
    }

    /// What a caller is told.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Request => "on request",
            Self::Withdrawal => "because every consent was withdrawn",
            Self::Retention => "because its time of retention had ended",
        }
    }
}

/// The person whose referral a transaction writes.
#[must_use]
pub fn of_referral(transaction: &Transaction) -> Option<SubjectId> {
    transaction.changes.iter().find_map(|change| match change {
        Change::PutReferral(referral) => referral.subject.clone(),
        _ => None,
    })
}

/// Says of everything new in a transaction that it is about this person, where nobody has said so yet. A later version
/// belongs to whom the first one belongs.
pub fn fill(transaction: &mut Transaction, id: &SubjectId) {
    for change in &mut transaction.changes {
        match change {
            Change::PutResource(stored) if stored.version == 1 && stored.subject.is_none() => {
                stored.subject = Subject::holding(stored, id);
            }
            Change::PutReferral(referral) if referral.subject.is_none() => referral.subject = Some(id.clone()),
            _ => {}
        }
    }
}
