//! What an adapter says of itself, before anything is sent.

use crate::{AcceptedLoss, TaskStatus};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// Name, abilities, data needs, limits and status table of one adapter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Descriptor {
    /// Folder and registry name, for example `fhir-task`.
    pub name: String,
    /// Version of the adapter itself, recorded with each attempt.
    pub version: String,
    /// The published format it implements, with version or date, in the words of its source.
    pub format: String,
    /// What it can do beyond submitting.
    pub capabilities: Capabilities,
    /// The elements it needs. What is not listed here does not exist in the referral that the adapter is given.
    pub data_needs: Vec<DataNeed>,
    /// Losses that its author accepts in words; see [`AcceptedLoss`].
    #[serde(default)]
    pub accepted_losses: Vec<AcceptedLoss>,
    /// Bounds that the gateway holds for it.
    pub limits: Limits,
    /// Every status word that the platform publishes, and what it means.
    pub statuses: Vec<StatusRow>,
}

/// What a platform lets the gateway do. A capability that is not declared is never used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Capabilities {
    /// The platform can be told to stop.
    pub cancel: bool,
    /// The platform can be told to pause and to go on.
    pub hold: bool,
    /// A referral can be found by our idempotency key.
    pub look_up: bool,
    /// Status can be asked for.
    pub poll: bool,
    /// The platform sends reports by itself.
    pub push: bool,
    /// The organisation answers on the gateway's pages behind a status link, and is asked to by mail.
    #[serde(default)]
    pub status_link: bool,
    /// How a platform that has a referral learns that its sender has changed it.
    #[serde(default)]
    pub amend: Amend,
}

/// How a platform that has a referral learns that its sender has changed it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Amend {
    /// It cannot: a person calls the organisation.
    #[default]
    None,
    /// By an exchange of its own, [`Purpose::Update`](crate::Purpose::Update).
    Update,
    /// It is told to stop, and once it has confirmed that, it is given the referral anew under another key. Only for a platform whose
    /// answer to a cancellation says that the referral has ended there; needs [`cancel`](Capabilities::cancel).
    CancelAndResend,
}

impl Amend {
    /// Its word in manifests.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Update => "update",
            Self::CancelAndResend => "cancel-and-resend",
        }
    }

    /// The way of this word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        [Self::None, Self::Update, Self::CancelAndResend].into_iter().find(|way| way.word() == word)
    }
}

/// One element that the adapter reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DataNeed {
    /// Element path without indexes, for example `Patient.name` or `ServiceRequest.code`; covers all below it. One kind of
    /// extension is named with its URL: `Patient.extension(http://…/patient-interpreterRequired)`.
    pub path: String,
    /// What kind of data it is, for the page that an information-governance lead signs.
    pub class: DataClass,
    /// If true the referral makes no sense without it: when it may not be sent, nothing is.
    #[serde(default)]
    pub needed: bool,
}

/// Kinds of data, as information-governance leads speak of them. Ordered from what says least about a person to what
/// must be guarded most, so that a field can be told from one that is classed below the element that it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataClass {
    /// References, dates, codes that carry no personal fact by themselves.
    #[default]
    Administrative,
    /// Age, gender, language.
    Demographic,
    /// What help is asked for.
    Need,
    /// How to reach the person.
    Contact,
    /// Who the person is: names and identifiers.
    Identity,
    /// Health facts.
    Clinical,
    /// About somebody other than the person.
    ThirdParty,
    /// Risk of harm.
    Safeguarding,
}

impl DataClass {
    /// All classes, from what says least.
    pub const ALL: [Self; 8] = [
        Self::Administrative,
        Self::Demographic,
        Self::Need,
        Self::Contact,
        Self::Identity,
        Self::Clinical,
        Self::ThirdParty,
        Self::Safeguarding,
    ];

    /// Its word in manifests and mappings.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Administrative => "administrative",
            Self::Demographic => "demographic",
            Self::Need => "need",
            Self::Contact => "contact",
            Self::Identity => "identity",
            Self::Clinical => "clinical",
            Self::ThirdParty => "third-party",
            Self::Safeguarding => "safeguarding",
        }
    }

    /// The class of this word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.word() == word)
    }
}

/// Bounds on what one adapter may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Limits {
    /// Requests in one exchange, at most.
    pub steps: u32,
    /// Seconds that the platform is given to answer one request.
    pub answer_seconds: u32,
    /// Bytes of one answer, at most; a longer one is cut off and counts as unreadable.
    pub answer_bytes: u32,
    /// Seconds between two polls, at least.
    pub poll_seconds: u32,
    /// How fast the platform may be asked, as its vendor says. Configuration may make it slower, never faster.
    #[serde(default)]
    pub pace: Pace,
}

/// How fast a platform may be asked. Every request counts, whatever it is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Pace {
    /// Requests in a minute, on the average; absent = not bounded.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Requests at once, after a pause; absent = one. It says nothing without `requests_per_minute`.
    pub burst: Option<NonZeroU32>,
    /// Exchanges under way at the same time; absent = as the gateway's limits say.
    pub at_once: Option<NonZeroU32>,
    /// Requests in a day of the platform; absent = not bounded. What is beyond it waits for the next day.
    pub requests_per_day: Option<NonZeroU32>,
    /// So many of them are kept for what is urgent and for exchanges that have begun; absent = none. It says nothing without
    /// `requests_per_day`.
    pub urgent_per_day: Option<NonZeroU32>,
    /// The minute of the UTC day with which a day of the platform begins, up to [`LAST_MINUTE`]; absent = midnight UTC.
    pub day_starts_minute: Option<NonZeroU32>,
}

/// The last minute of a day.
pub const LAST_MINUTE: u32 = 24 * 60 - 1;

impl Pace {
    /// The slower of both in each respect. When a day begins is as `self` says, if it does.
    #[must_use]
    pub fn tightened(self, other: Self) -> Self {
        let least = |one: Option<NonZeroU32>, other: Option<NonZeroU32>| one.into_iter().chain(other).min();
        Self {
            requests_per_minute: least(self.requests_per_minute, other.requests_per_minute),
            burst: least(self.burst, other.burst),
            at_once: least(self.at_once, other.at_once),
            requests_per_day: least(self.requests_per_day, other.requests_per_day),
            urgent_per_day: self.urgent_per_day.max(other.urgent_per_day),
            day_starts_minute: self.day_starts_minute.or(other.day_starts_minute),
        }
    }
}

/// One row of the status crosswalk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StatusRow {
    /// The platform's own word.
    pub platform: String,
    /// What it means as `Task.status`; absent = the word moves nothing.
    #[serde(default)]
    pub status: Option<TaskStatus>,
    /// Code of the gateway's business-status code system.
    pub business_status: String,
}
