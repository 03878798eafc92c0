//! Changes as data: what a decision wants written. The store applies a [`Transaction`] wholly or not at all, and a 2xx
//! is answered only after it has.

use crate::account::{Account, SignIn};
use crate::identity::{ClientId, Compartment, PlatformId, TenantId};
use crate::notify::{Fed, Notice};
use crate::outbox::{Attempt, OutboxRow};
use crate::referral::{Referral, ReferralId};
use crate::resource::{ResourceVersion, Token};
use crate::status_link::StatusLink;
use crate::subject::{Erasure, Subject};
use adapter_contract::{Concept, Cursor, PlatformOrder, PlatformReferralId, ReportSource, StatusReport};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// Checks, then changes, as one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Transaction {
    /// All must hold when the changes are applied, under the same lock.
    pub checks: Vec<Check>,
    /// Applied in order.
    pub changes: Vec<Change>,
}

/// Something that must hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// No answer is kept for this request id of this client.
    Unseen {
        /// Customer.
        tenant: TenantId,
        /// Who asked.
        client: ClientId,
        /// `X-Request-Id`.
        request_id: String,
    },
    /// No current resource of this type carries all these tokens (`If-None-Exist`).
    NoMatch {
        /// Where to look.
        compartment: Compartment,
        /// Resource type.
        kind: String,
        /// Criteria; all must match.
        tokens: Vec<Token>,
    },
    /// The outbox row is still leased under this fence.
    LeaseHeld {
        /// Row id.
        outbox: String,
        /// The holder's fence.
        fence: u64,
    },
    /// The outbox row is as it was read: this fence, and nobody holds a lease on it.
    NotLeased {
        /// Row id.
        outbox: String,
        /// The fence that was read.
        fence: u64,
    },
    /// The current version of this resource is still this one.
    VersionIs {
        /// Which resource.
        key: crate::resource::ResourceKey,
        /// The version that was read.
        version: u64,
    },
    /// The current resources of this type that carry any of these tokens are exactly those that were read: none was
    /// changed since, and none came.
    These {
        /// Where to look.
        compartment: Compartment,
        /// Resource type.
        kind: String,
        /// Criteria; one must match.
        any_of: Vec<Token>,
        /// Id and version of each that was read.
        read: BTreeMap<String, u64>,
    },
}

/// Something to be written.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The bytes of a request, as they came.
    Received(Received),
    /// The next version of a resource: refused unless the current one is `version - 1` (0 = none).
    PutResource(ResourceVersion),
    /// The next revision of a referral: refused unless the current one is `revision - 1` (0 = none).
    PutReferral(Box<Referral>),
    /// A new outbox row, or the new state of one (whole row replaced). A state other than `Leased` ends its lease.
    PutOutbox(Box<OutboxRow>),
    /// An outbox row of this name that waits for its time is no longer wanted. One that is leased is its holder's, and one that
    /// has ended stays as it ended; what is not there is no fault.
    DropOutbox(String),
    /// How an attempt ended.
    PutAttempt(Attempt),
    /// A push as it came in, before anybody read it.
    ReceiveReport(RawReport),
    /// A raw report is about to be read by a process that found it unread when it started: what is stored of `begun` never grows less.
    ReadingBegun {
        /// Which.
        id: String,
        /// Readings begun so, this one included.
        begun: u32,
    },
    /// A raw report has been read; `fault` says why not, if it could not be.
    ReportRead {
        /// Which.
        id: String,
        /// Why it could not be read.
        fault: Option<String>,
        /// The referrals that it speaks of: it goes when one of them is erased.
        about: Vec<ReferralId>,
    },
    /// A platform's statement. A second one with the same platform, platform referral and event changes nothing.
    RecordReport(Box<ReportRecord>),
    /// What became of a recorded statement.
    DisposeReport {
        /// Which.
        id: String,
        /// What became of it.
        disposition: Disposition,
    },
    /// The next revision of a status link: refused unless the current one is `revision - 1` (0 = none).
    PutLink(Box<StatusLink>),
    /// A version that somebody on the GP's side may have to be told of. Its place is given by the store.
    Feed(Fed),
    /// The next revision of a notice: refused unless the current one is `revision - 1` (0 = none), and a new one also if its
    /// number is taken in its queue.
    PutNotice(Box<Notice>),
    /// The next revision of an account: refused unless the current one is `revision - 1` (0 = none).
    PutAccount(Box<Account>),
    /// The next revision of a sign-in, or of attempts that failed: refused unless the current one is `revision - 1` (0 = none).
    PutSignIn(SignIn),
    /// Where polling a platform goes on.
    PutCursor {
        /// Which platform.
        platform: PlatformId,
        /// Where.
        cursor: Cursor,
    },
    /// The answer to a request, for a repetition of it.
    RememberAnswer(StoredAnswer),
    /// One line of audit.
    Audit(AuditRecord),
    /// Everything of a subject becomes unreadable for ever, and nothing new of it is taken. What is asked for by its name
    /// or its request id is answered as erased ([`Erasure`]); requests and reports of it are removed.
    Erase {
        /// What.
        subject: Subject,
        /// When and why.
        erasure: Erasure,
    },
    /// These go for good. What is not there is no fault.
    Remove(Vec<Removed>),
}

/// Something that is kept for a time only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Removed {
    /// The bytes of a request, by their place in the order of arrival.
    Received(u64),
    /// A kept answer: a repetition of its request then counts as new.
    Answer {
        /// Customer.
        tenant: TenantId,
        /// To whom.
        client: ClientId,
        /// `X-Request-Id`.
        request_id: String,
    },
    /// A push as it came.
    RawReport(String),
    /// A statement.
    Report(String),
    /// A status link, by its id.
    Link(String),
    /// A version that was fed, by its place: somebody has looked at it.
    Fed(u64),
    /// A notice, by its id.
    Notice(String),
    /// A sign-in, or attempts that failed, by its [key](SignIn::key).
    SignIn(String),
}

/// A request's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Customer.
    pub tenant: TenantId,
    /// Who sent it.
    pub client: ClientId,
    /// `X-Request-Id`.
    pub request_id: String,
    /// `X-Correlation-Id`.
    pub correlation: String,
    /// When.
    pub at: OffsetDateTime,
    /// SHA-256 of the bytes, lower-case hex.
    pub sha256: String,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whom they are about, if about a person.
    pub subject: Option<Subject>,
}

/// What was answered to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// Customer.
    pub tenant: TenantId,
    /// To whom.
    pub client: ClientId,
    /// `X-Request-Id`.
    pub request_id: String,
    /// SHA-256 over verb, path and body: tells a repetition from another request under the same id.
    pub fingerprint: String,
    /// When.
    pub at: OffsetDateTime,
    /// HTTP status.
    pub status: u16,
    /// `Location`, if there was one.
    pub location: Option<String>,
    /// `ETag`, if there was one.
    pub etag: Option<String>,
    /// Body; absent once it was erased.
    pub body: Option<String>,
    /// Whom it is about, if about a person.
    pub subject: Option<Subject>,
}

/// A pushed report as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawReport {
    /// Its name.
    pub id: String,
    /// From whom.
    pub platform: PlatformId,
    /// How.
    pub source: ReportSource,
    /// Media type.
    pub content_type: Option<String>,
    /// When.
    pub received: OffsetDateTime,
    /// The bytes.
    pub body: Vec<u8>,
    /// Readings that were begun and came to no end, as far as they are counted: the process that found it unread when it started writes
    /// it down before it reads.
    pub begun: u32,
}

/// So many readings of a raw report may have ended with their process before it is set aside unread. What else ends processes hardly
/// falls into the same moment of the same report so often: it is read before anything else is begun.
pub const POISON_READINGS: u32 = 5;

impl RawReport {
    /// True if it is not to be read again: that may be what ends the process.
    #[must_use]
    pub const fn is_poison(&self) -> bool {
        self.begun >= POISON_READINGS
    }
}

/// A platform's statement as it was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportRecord {
    /// Its name.
    pub id: String,
    /// From whom.
    pub platform: PlatformId,
    /// Whose referral; absent while none is known under that name (it is *parked*).
    pub referral: Option<ReferralId>,
    /// How it came.
    pub source: ReportSource,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub received: OffsetDateTime,
    /// What it says.
    pub report: StatusReport,
    /// What became of it.
    pub disposition: Disposition,
}

/// Event and word of a statement that only says that something changed.
const CHANGED: &str = "changed";

impl ReportRecord {
    /// Something changed at a referral that is not known under this name yet: parked, so that it is read once it is. One
    /// for each name, however often it is said.
    #[must_use]
    pub fn changed(
        id: String,
        platform: PlatformId,
        name: PlatformReferralId,
        source: ReportSource,
        received: OffsetDateTime,
    ) -> Self {
        let report = StatusReport {
            platform_referral: name,
            key: None,
            event: CHANGED.to_owned(),
            order: PlatformOrder { version: None, instant: None },
            platform_status: Concept::default(),
            status: None,
            business_status: CHANGED.to_owned(),
            reason: None,
            outputs: Vec::new(),
        };
        Self { id, platform, referral: None, source, received, report, disposition: Disposition::Parked }
    }

    /// Whether it only says that something changed: it asks for a read and is no statement on a status.
    #[must_use]
    pub fn is_only_changed(&self) -> bool {
        self.report.event == CHANGED && self.report.business_status == CHANGED
    }

    /// The platform's name for the referral it speaks of.
    #[must_use]
    pub fn platform_referral(&self) -> &PlatformReferralId {
        &self.report.platform_referral
    }
}

/// What became of a platform's statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disposition {
    /// Kept, not yet applied.
    Recorded,
    /// No referral of this name is known yet.
    Parked,
    /// It moved the Task.
    Applied,
    /// A person was told that it calls for help; the rest of it waits for the acknowledgement of the delivery.
    Told,
    /// It moved the Task over states that nobody reported.
    Inferred,
    /// It said nothing new.
    Unchanged,
    /// It is older than what is shown.
    Late,
    /// It cannot follow what is shown: kept as evidence, for a person.
    Conflict,
    /// Its word is unknown.
    Unmapped,
    /// Consent no longer lets it pass.
    Withheld,
}

impl Disposition {
    /// Whether it is still to be applied.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Recorded | Self::Told)
    }

    /// One word, as the store keeps it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Told => "told",
            Self::Parked => "parked",
            Self::Applied => "applied",
            Self::Inferred => "inferred",
            Self::Unchanged => "unchanged",
            Self::Late => "late",
            Self::Conflict => "conflict",
            Self::Unmapped => "unmapped",
            Self::Withheld => "withheld",
        }
    }
}

/// One line of audit. Ids and codes only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Customer.
    pub tenant: TenantId,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Who: `client/<id>`, `account/<name>`, `platform/<id>`, `gateway`.
    pub actor: String,
    /// What: `accept`, `hold`, `consent-decision`, `attempt`, `deliver`, `status`, `cancel`, …
    pub action: String,
    /// On which referral.
    pub referral: Option<ReferralId>,
    /// Rule path, reason code, consent ids, versions: JSON without patient data.
    pub detail: serde_json::Value,
}

/// Why a transaction was not applied. Nothing of it was.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CheckFailure {
    /// The request was answered before.
    #[error("the request id was used before")]
    Seen(Box<StoredAnswer>),
    /// Resources match the criteria: their ids.
    #[error("{} resources match", .0.len())]
    Matches(Vec<String>),
    /// Somebody else wrote first: the version that stands now.
    #[error("the resource is at version {0} now")]
    Version(u64),
    /// Somebody else wrote the referral first.
    #[error("the referral is at revision {0} now")]
    Revision(u64),
    /// Somebody wrote what the decision was made on, or something else that belongs to it.
    #[error("what was read has changed")]
    Changed,
    /// The lease ran out and another holds the row.
    #[error("the lease was lost")]
    LeaseLost,
    /// What this belongs to has been erased.
    #[error("the subject was erased")]
    Erased,
}
