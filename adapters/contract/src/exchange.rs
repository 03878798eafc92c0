//! One exchange with a platform: its purpose, what it may see, and the steps that answer it.

use crate::{Ask, DeliveryError, PlatformRequest, Reading, StatusReport};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything an adapter may know while it translates. No clock, network, randomness or secret is among it.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// What is to be done.
    pub purpose: Purpose<'a>,
    /// Present when an interrupted exchange goes on: [`Adapter::begin`](crate::Adapter::begin) then makes again the very
    /// request whose answer this progress awaits.
    pub at: Option<&'a Progress>,
    /// The names of this referral and conversation.
    pub keys: Keys<'a>,
    /// The platform's settings from the configuration, as the adapter's README documents them. Never secrets. The
    /// gateway adds `base-url`, the platform's configured base address without a trailing slash.
    pub settings: &'a Settings,
    /// When the referral was accepted by the gateway: FHIR instant, UTC. Constant over attempts, so requests are too.
    pub accepted_at: &'a str,
}

/// Adapter settings from the configuration: names to plain values.
pub type Settings = BTreeMap<String, String>;

/// What an exchange is for.
#[derive(Debug, Clone, Copy)]
pub enum Purpose<'a> {
    /// Give the platform the referral.
    Submit {
        /// What this recipient may have.
        referral: &'a MinimisedReferral,
    },
    /// Give the platform that has the referral what it has become, because its sender changed it. Only if
    /// [`Amend::Update`](crate::Amend::Update) is declared. After a failure it is begun anew, never at the step that it had reached,
    /// so each request of it that changes something is [`Keyed`](crate::Repeat::Keyed), or a lost answer ends with a person.
    Update {
        /// The platform's name for the referral.
        platform_referral: &'a PlatformReferralId,
        /// The whole of what this recipient may have now, not the difference.
        referral: &'a MinimisedReferral,
    },
    /// Tell the platform of a move that the sender made. Only if the capability is declared.
    Tell {
        /// The platform's name for the referral.
        platform_referral: &'a PlatformReferralId,
        /// What the sender did.
        sender_move: SenderMove,
        /// The sender's reason in words, if policy allows it to be sent.
        reason: Option<&'a str>,
    },
    /// Ask whether the platform has the referral, by [`Keys::idempotency`].
    LookUp,
    /// Read one referral's present status.
    Read {
        /// The platform's name for the referral.
        platform_referral: &'a PlatformReferralId,
    },
    /// Ask the organisation by mail to say what becomes of a referral that it has. Only if the capability
    /// [`status_link`](crate::Capabilities::status_link) is declared.
    Ask {
        /// The platform's name for the referral; of another adapter's platform, where it is asked for that one.
        platform_referral: &'a PlatformReferralId,
        /// Why.
        why: Ask,
        /// Counts the mails of this kind, from 1: each is a mail of its own.
        number: u32,
    },
    /// Ask what has changed at the platform since `cursor`, for all referrals of this gateway.
    Poll {
        /// Where the last poll ended; absent the first time.
        cursor: Option<&'a Cursor>,
    },
}

/// What a sender did to a referral that the platform already has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SenderMove {
    /// Withdrawn.
    Cancel,
    /// Paused.
    Hold,
    /// Going on after a pause.
    Release,
}

/// The names under which this referral is known.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'a> {
    /// One for each referral and platform, unchanged over attempts. Not derived from patient data.
    pub idempotency: &'a IdempotencyKey,
    /// One for each conversation, from the sender's `X-Correlation-Id`.
    pub correlation: &'a str,
}

/// The key under which the platform can recognise a repeated submission.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdempotencyKey(pub String);

/// The platform's own name for a referral: an id, number or path segment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlatformReferralId(pub String);

/// Where polling stands; opaque to the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

/// A referral reduced to what one recipient may have.
///
/// A FHIR R4 `Bundle` of type `collection`, as JSON text: entry 0 is the `ServiceRequest`, entry 1 the `Patient`, the
/// rest what they refer to and the sender's `Task`. Each entry has a `urn:uuid` `fullUrl`, and every reference resolves within the Bundle.
/// Decimals stand as the sender wrote them. Narrative is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinimisedReferral {
    bundle: String,
}

impl MinimisedReferral {
    /// Wraps the text that the minimiser made.
    #[must_use]
    pub fn new(bundle: String) -> Self {
        Self { bundle }
    }

    /// The Bundle as JSON text.
    #[must_use]
    pub fn bundle(&self) -> &str {
        &self.bundle
    }
}

/// Where an exchange stands, in the adapter's own words: small, and stored between steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Name of the step whose answer is awaited.
    pub step: String,
    /// What later steps need: ids that the platform gave. No patient data.
    #[serde(default)]
    pub notes: BTreeMap<String, String>,
}

impl Progress {
    /// Progress at `step`, with no notes.
    #[must_use]
    pub fn at(step: &str) -> Self {
        Self { step: step.to_owned(), notes: BTreeMap::new() }
    }

    /// The same with one more note.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.notes.insert(name.to_owned(), value.into());
        self
    }
}

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Send this, and come back with the answer and this progress.
    Send(PlatformRequest, Progress),
    /// The platform has it (submit, update, tell) or was found to have it (look up).
    Delivered(Receipt),
    /// The platform was asked and does not have it (look up, read).
    Absent,
    /// What a poll or read found.
    Reports(ReportPage),
    /// The platform, or what stands before it, did not do what was asked.
    Failed(DeliveryError),
}

/// One page of what a platform had to say.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportPage {
    /// In any order.
    pub readings: Vec<Reading>,
    /// Where the next poll starts; stored in the same transaction as the readings. `None` leaves it where it is.
    pub cursor: Option<Cursor>,
    /// True if the next page is waiting now.
    pub more: bool,
}

/// The platform's acknowledgement.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// The platform's name for the referral.
    pub platform_referral: PlatformReferralId,
    /// Status that the acknowledgement itself carried, if any.
    pub reports: Vec<StatusReport>,
}
