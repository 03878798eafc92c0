//! What the gateway remembers. One small trait; SQLite is the embedded store, PostgreSQL the one for several
//! instances, memory the model that tests compare with.
//!
//! The store applies what [`gateway_core::change`] describes and answers questions; it decides nothing. Its promise:
//! when [`Store::commit`] returns `Ok`, everything in the transaction survives a crash of process and machine.

mod blind;
mod canonical;
mod chain;
mod contents;
#[cfg(test)]
mod differential;
mod digest;
mod found;
mod holder;
mod lane;
pub mod memory;
mod migrations;
mod notices;
pub mod postgres;
mod rows;
mod seal;
pub mod sqlite;
mod statements;
pub mod suite;
mod values;
pub mod watched;

pub use chain::{AuditChain, BrokenLine, ChainFault};

use adapter_contract::{Cursor, IdempotencyKey, PlatformReferralId};
use async_trait::async_trait;
use gateway_core::account::{Account, AccountId, SignIn};
use gateway_core::backlog::Backlog;
use gateway_core::change::{AuditRecord, CheckFailure, RawReport, Received, ReportRecord, StoredAnswer, Transaction};
use gateway_core::identity::{ClientId, Compartment, Owner, PlatformId, TenantId};
use gateway_core::lane::{Lane, LeaveLane, TakeLane, Taken};
use gateway_core::notify::{Fed, Notice};
use gateway_core::outbox::{Attempt, ClaimRequest, Claimed, OutboxRow};
use gateway_core::referral::{Referral, ReferralId};
use gateway_core::resource::{ResourceKey, ResourceVersion, Token};
use gateway_core::status_link::StatusLink;
use gateway_core::subject::{Domain, Erasure, Subject, SubjectId};
use gateway_core::waiting::Ahead;
use gateway_core::work_list::Group;
use time::OffsetDateTime;
use tokio::sync::watch;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room left on the disk: nothing was written, reads go on.
    #[error("the store is full")]
    Full,
    /// The writer has stopped; the process should end.
    #[error("the store is closed")]
    Closed,
    /// Nothing was claimed: the lane is another instance's now.
    #[error("the lane is another instance's now")]
    LaneLost,
    /// The store's server is away, or its answer did not come: doing it again helps.
    #[error("the store is away: {0}")]
    Away(String),
    /// Anything else, in the engine's words (never a row's content).
    #[error("the store failed: {0}")]
    Engine(String),
}

/// Why a transaction was not applied. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// One of its checks did not hold.
    #[error(transparent)]
    Refused(#[from] CheckFailure),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Criteria of a search over current resources of one type in one compartment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchQuery {
    /// Whose.
    pub compartment: Compartment,
    /// Resource type.
    pub kind: String,
    /// AND over the outer list, OR over each inner one; values are compared whole.
    pub all_of: Vec<Vec<Token>>,
    /// Bounds on `meta.lastUpdated`, each inclusive.
    pub updated: UpdatedRange,
    /// Only resources created after this place in creation order (exclusive); 0 = from the start.
    pub after: u64,
    /// Only resources created up to this place; absent = up to the newest, whose place the page then names.
    pub up_to: Option<u64>,
    /// Page size.
    pub limit: u32,
    /// Whether the total is to be counted.
    pub count: bool,
}

/// Bounds on `meta.lastUpdated`, each inclusive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UpdatedRange {
    /// Not before.
    pub from: Option<OffsetDateTime>,
    /// Not after.
    pub to: Option<OffsetDateTime>,
}

/// One page of a search, in creation order: an update never moves a resource between pages, so nothing comes twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// With each resource's place in creation order.
    pub rows: Vec<(u64, ResourceVersion)>,
    /// The place up to which this search looks: what the next page must ask for.
    pub up_to: u64,
    /// True if more rows wait behind the last one.
    pub more: bool,
    /// How many match in all, if it was asked.
    pub total: Option<u64>,
}

/// Which referrals to list, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReferralFilter {
    /// Only of this customer.
    pub tenant: Option<TenantId>,
    /// Only with this delivery word (`queued`, `held`, `delivered`, `dead-letter`, `withdrawn`).
    pub delivery: Option<String>,
    /// Only about this subject.
    pub subject: Option<SubjectId>,
    /// Only those at whose platform a person has something to settle ([`Referral::attention`]).
    pub attention: bool,
    /// Only those of which something may need a person, in the order of the work list; every other criterion but `after` and `limit` is
    /// then left out.
    pub needing: Option<Needing>,
    /// Only those accepted after this one in acceptance order (exclusive).
    pub after: Option<ReferralId>,
    /// At most so many.
    pub limit: u32,
}

/// Which referrals of a party need a person ([`Needs`](gateway_core::work_list::Needs)): those of one group, the longest waiting first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needing {
    /// The customer.
    pub tenant: TenantId,
    /// The party.
    pub owner: Owner,
    /// How pressing they are.
    pub group: Group,
    /// At this time.
    pub now: OffsetDateTime,
    /// Since when [`ReferralFilter::after`] waits: those that wait since then come behind it in acceptance order. Absent = from the
    /// first on.
    pub since: Option<OffsetDateTime>,
}

/// A line of audit with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// Its number within its tenant, from 1.
    pub number: u64,
    /// What it says.
    pub record: AuditRecord,
}

/// How many referrals stand where: delivery word, Task.status code, number.
pub type Counts = Vec<(String, String, u64)>;

/// How often other instances have committed something that workers may have to look at. Only the change of a number says
/// something: several commits may count as one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wakes {
    /// Something may have become due in the outbox.
    pub outbox: u64,
    /// A report was received or recorded, or a referral changed.
    pub reports: u64,
    /// A lane was given back.
    pub lanes: u64,
}

/// The gateway's memory.
#[async_trait]
pub trait Store: Send + Sync {
    /// Applies a transaction wholly, durably, or not at all.
    ///
    /// # Errors
    /// [`CommitError::Refused`] when a check does not hold; [`CommitError::Store`] when the store fails.
    async fn commit(&self, transaction: Transaction) -> Result<(), CommitError>;

    /// Leases due outbox rows: `Ready` with `not_before <= now`, or `Leased` with the lease run out. Each gets a new
    /// fence, one more attempt, and an open [`Attempt`]. A row waits while an earlier row (smaller sequence) of the same
    /// referral [blocks](gateway_core::outbox::OutboxState::blocks). Durable before it returns. [`StoreError::LaneLost`] if the
    /// request names a fence that is not the newest of the lane.
    async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claimed>, StoreError>;

    /// Takes or keeps the lane of a platform ([`gateway_core::lane`]). What was leased under another holder can be claimed at
    /// once, and its former holder writes nothing to it any more. Durable before it returns.
    async fn take_lane(&self, request: &TakeLane) -> Result<Taken, StoreError>;

    /// Gives a lane back. Nothing happens if it is not the holder's any more.
    async fn leave_lane(&self, request: &LeaveLane) -> Result<(), StoreError>;

    /// Whether several instances may have the store in hand at the same time.
    fn is_shared(&self) -> bool {
        false
    }

    /// When the next row of these platforms is due (a time past means now), or a lease runs out.
    async fn next_due(&self, platforms: &[PlatformId]) -> Result<Option<OffsetDateTime>, StoreError>;

    /// How many rows of each tenant wait for their time or are leased, counted until they are `most` altogether: what it costs is
    /// bounded. Below `most` nobody is missing.
    async fn backlog(&self, most: u64) -> Result<Backlog, StoreError>;

    /// Platforms for which anything waits for its time or is leased, by name. What it costs grows with the platforms alone.
    async fn busy_platforms(&self) -> Result<Vec<PlatformId>, StoreError>;

    /// What stands before an outbox row at its platform at this time, each counted up to `most`; nothing, if it is not one that
    /// waits for its turn.
    async fn ahead(&self, outbox: &str, now: OffsetDateTime, most: u64) -> Result<Ahead, StoreError>;

    /// The lane of a platform as it stands; `None` if nobody has ever held it.
    async fn lane(&self, platform: &PlatformId) -> Result<Option<Lane>, StoreError>;

    /// One version of a resource, or the current one.
    async fn resource(&self, key: &ResourceKey, version: Option<u64>) -> Result<Option<ResourceVersion>, StoreError>;

    /// The current versions of several resources of one compartment, those that are there, all of one moment.
    async fn resources(&self, keys: &[ResourceKey]) -> Result<Vec<ResourceVersion>, StoreError>;

    /// All versions of a resource, newest first.
    async fn history(&self, key: &ResourceKey) -> Result<Vec<ResourceVersion>, StoreError>;

    /// When and why a resource was erased: then [`resource`](Self::resource), [`history`](Self::history) and
    /// [`search`](Self::search) do not know it. `None` if it is there, or never was.
    async fn erasure(&self, key: &ResourceKey) -> Result<Option<Erasure>, StoreError>;

    /// A page of current resources.
    async fn search(&self, query: &SearchQuery) -> Result<Page, StoreError>;

    /// One referral by its id.
    async fn referral(&self, id: &ReferralId) -> Result<Option<Referral>, StoreError>;

    /// The referral whose sender's Task this is.
    async fn referral_by_task(&self, compartment: &Compartment, task: &str) -> Result<Option<Referral>, StoreError>;

    /// The referral that a platform speaks of: by its own name for it, else by our key, else by what it was known by there before
    /// ([`Referral::former`]).
    async fn referral_at_platform(
        &self,
        platform: &PlatformId,
        platform_referral: &PlatformReferralId,
        key: Option<&IdempotencyKey>,
    ) -> Result<Option<Referral>, StoreError>;

    /// Referrals, in acceptance order.
    async fn referrals(&self, filter: &ReferralFilter) -> Result<Vec<Referral>, StoreError>;

    /// Referrals that have to be [looked at](Referral::next_look), because their platform says nothing, by this time, the longest
    /// overdue first.
    async fn unanswered(&self, by: OffsetDateTime, limit: u32) -> Result<Vec<Referral>, StoreError>;

    /// Dead letters: outbox rows that cannot go on by themselves, in the order of their creation, each with its place in it;
    /// those behind `after` (0 = from the start).
    async fn dead_letters(
        &self,
        tenant: Option<&TenantId>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, OutboxRow)>, StoreError>;

    /// How many stand where.
    async fn counts(&self) -> Result<Counts, StoreError>;

    /// All outbox rows of a referral, by sequence.
    async fn outbox(&self, referral: &ReferralId) -> Result<Vec<OutboxRow>, StoreError>;

    /// All attempts on an outbox row, by number.
    async fn attempts(&self, outbox: &str) -> Result<Vec<Attempt>, StoreError>;

    /// Raw reports not yet read, oldest first.
    async fn unread_reports(&self, limit: u32) -> Result<Vec<RawReport>, StoreError>;

    /// All recorded statements on a referral, in order of arrival.
    async fn reports(&self, referral: &ReferralId) -> Result<Vec<ReportRecord>, StoreError>;

    /// Parked statements of a platform under a name or key that was unknown when they came.
    async fn parked_reports(
        &self,
        platform: &PlatformId,
        platform_referral: &PlatformReferralId,
        key: &IdempotencyKey,
    ) -> Result<Vec<ReportRecord>, StoreError>;

    /// Statements whose word their platform's adapter did not know, the newest first.
    async fn unmapped(&self, limit: u32) -> Result<Vec<ReportRecord>, StoreError>;

    /// Referrals with statements that are recorded and not yet applied, oldest statement first; without those whose
    /// delivery is still queued, for their acknowledgement comes first.
    async fn referrals_to_align(&self, limit: u32) -> Result<Vec<ReferralId>, StoreError>;

    /// The status link whose address holds the secret of this SHA-256 (hex).
    async fn link_by_secret(&self, secret_sha256: &str) -> Result<Option<StatusLink>, StoreError>;

    /// The status link that was opened by the browser which was given the secret of this SHA-256 (hex).
    async fn link_by_session(&self, session_sha256: &str) -> Result<Option<StatusLink>, StoreError>;

    /// The status links of a referral, in the order in which they were made.
    async fn links(&self, referral: &ReferralId) -> Result<Vec<StatusLink>, StoreError>;

    /// Status links that could be opened until a time before this one, those that ended first first.
    async fn expired_links(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<StatusLink>, StoreError>;

    /// What was fed first: versions of which nobody has seen yet whom they are to be told.
    async fn feed(&self, limit: u32) -> Result<Vec<Fed>, StoreError>;

    /// One notice by its id.
    async fn notice(&self, id: &str) -> Result<Option<Notice>, StoreError>;

    /// Notices whose time has come, those alone that wait for no earlier one of their queue, so many of each
    /// [party](Notice::party), the longest due first. What it costs grows with the parties. One that cannot be read hides no other.
    async fn due_notices(&self, now: OffsetDateTime, each: u32) -> Result<Vec<Notice>, StoreError>;

    /// When the next of them is due (a time past means now), or a lease runs out.
    async fn next_notice(&self) -> Result<Option<OffsetDateTime>, StoreError>;

    /// The highest number in a queue; 0 = it is empty.
    async fn last_notice(&self, queue: &str) -> Result<u64, StoreError>;

    /// The notices of a queue behind this number, by number.
    async fn notices(&self, queue: &str, after: u64, limit: u32) -> Result<Vec<Notice>, StoreError>;

    /// The notices about a referral, in the order in which they were made.
    async fn notices_of(&self, referral: &ReferralId) -> Result<Vec<Notice>, StoreError>;

    /// Notices that ended before a time, those that ended first first; never the last of a queue that may get another, whose numbers
    /// go on: a queue that [ends with its referral](gateway_core::notify::Destination::outlives_referral) gets none once the person was erased.
    async fn ended_notices(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<Notice>, StoreError>;

    /// Notices that could not be told and are not tried again, in the order of their making, each with its place in it; those
    /// behind `after` (0 = from the start).
    async fn dead_notices(
        &self,
        tenant: Option<&TenantId>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, Notice)>, StoreError>;
    /// The account of this name.
    async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreError>;

    /// All accounts, in the order in which they were made.
    async fn accounts(&self) -> Result<Vec<Account>, StoreError>;

    /// What is kept of signing in under this [key](SignIn::key).
    async fn sign_in(&self, key: &str) -> Result<Option<SignIn>, StoreError>;

    /// What is kept of signing in and means nothing any more at this time, what ended first first.
    async fn expired_sign_ins(&self, by: OffsetDateTime, limit: u32) -> Result<Vec<SignIn>, StoreError>;

    /// Where polling a platform stands.
    async fn cursor(&self, platform: &PlatformId) -> Result<Option<Cursor>, StoreError>;

    /// The answer kept for a request id.
    async fn answer(
        &self,
        tenant: &TenantId,
        client: &ClientId,
        request_id: &str,
    ) -> Result<Option<StoredAnswer>, StoreError>;

    /// The bytes of requests that came before a time, oldest first, with their places.
    async fn received(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<(u64, Received)>, StoreError>;

    /// Answers that were given before a time, oldest first.
    async fn answers(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<StoredAnswer>, StoreError>;

    /// Pushes that came before a time, read or not, oldest first.
    async fn raw_reports(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<RawReport>, StoreError>;

    /// Statements that came before a time and are still parked, oldest first.
    async fn parked(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<ReportRecord>, StoreError>;

    /// Subjects of which something is there in this domain and nothing was written at or after a time, each with the
    /// first Patient, ServiceRequest or Consent of it: those behind `after` in the order of their ids.
    async fn idle(
        &self,
        domain: Domain,
        before: OffsetDateTime,
        after: Option<&SubjectId>,
        limit: u32,
    ) -> Result<Vec<(SubjectId, ResourceKey)>, StoreError>;

    /// The Patients, `ServiceRequest`s and Consents of a subject that are there, in the order of their names: what says whom
    /// it is about.
    async fn belonging(&self, subject: &Subject) -> Result<Vec<ResourceKey>, StoreError>;

    /// The audit lines of a referral, in order, each with its place.
    async fn audit_lines(&self, referral: &ReferralId) -> Result<Vec<AuditLine>, StoreError>;

    /// What the audit lines of a referral say, in order.
    async fn audit(&self, referral: &ReferralId) -> Result<Vec<AuditRecord>, StoreError> {
        Ok(self.audit_lines(referral).await?.into_iter().map(|line| line.record).collect())
    }

    /// One line of a tenant's audit.
    async fn audit_line(&self, tenant: &TenantId, number: u64) -> Result<Option<AuditLine>, StoreError>;

    /// Looks over the audit of all tenants, by name: whether each line is the one that was written behind the one before
    /// it. The same lines have the same hashes in every engine.
    async fn verify_audit(&self) -> Result<Vec<AuditChain>, StoreError>;

    /// The latest time of any audit line of any tenant: the latest time that this store has seen.
    async fn latest_time(&self) -> Result<Option<OffsetDateTime>, StoreError>;

    /// Hears what other instances commit; `None` where one process has the store to itself. It is
    /// never needed: workers also look by themselves at the times that they know.
    fn wakes(&self) -> Option<watch::Receiver<Wakes>> {
        None
    }

    /// A hash over everything stored, equal if and only if the contents are: how a test sees that a refused request
    /// changed nothing.
    async fn content_hash(&self) -> Result<String, StoreError>;
}
