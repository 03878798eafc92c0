//! The embedded engine: one SQLite file in WAL mode, synchronous FULL.
//!
//! One thread writes, and makes many waiting transactions durable with one sync (`writer`); reads run beside it on
//! read-only connections (`readers`). A lock file keeps a second process from writing to the same file. The file's
//! schema grows by numbered migrations that never change once released (`schema`).

mod apply;
pub mod backup;
mod blind;
mod chain;
mod claim;
mod connect;
pub(in crate::store) mod dump;
mod errors;
mod hash;
mod kept;
mod keys;
mod lane;
mod notices;
mod put;
mod readers;
mod reads;
mod rows;
mod schema;
mod search;
#[cfg(test)]
mod tests;
mod writer;

use crate::store::{
    AuditChain, AuditLine, CommitError, Counts, Page, ReferralFilter, SearchQuery, Store, StoreError, canonical,
};
use adapter_contract::{Cursor, IdempotencyKey, PlatformReferralId};
use async_trait::async_trait;
use gateway_core::account::{Account, AccountId, SignIn};
use gateway_core::backlog::Backlog;
use gateway_core::change::{RawReport, Received, ReportRecord, StoredAnswer, Transaction};
use gateway_core::identity::{ClientId, Compartment, PlatformId, TenantId};
use gateway_core::lane::{Lane, LeaveLane, TakeLane, Taken};
use gateway_core::notify::{Fed, Notice};
use gateway_core::outbox::{Attempt, ClaimRequest, Claimed, OutboxRow};
use gateway_core::referral::{Referral, ReferralId};
use gateway_core::resource::{ResourceKey, ResourceVersion};
use gateway_core::status_link::StatusLink;
use gateway_core::subject::{Domain, Erasure, Subject, SubjectId};
use gateway_core::waiting::Ahead;
use readers::Readers;
use std::path::Path;
use time::OffsetDateTime;
use writer::Writer;

/// How the file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqliteOptions {
    /// Reads that may run at the same time.
    pub readers: usize,
    /// The file grows to this many pages of 4096 bytes at most, as if the disk then were full; absent = the disk's own end.
    pub max_pages: Option<u32>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { readers: 4, max_pages: None }
    }
}

/// A store in one file.
pub struct SqliteStore {
    /// Dropped before the writer, whose last act is to fold the log into the file: an open read would be in its way.
    readers: Readers,
    /// Absent where the file was opened for reading.
    writer: Option<Writer>,
}

impl SqliteStore {
    /// Opens or creates the file and brings its schema up to date.
    ///
    /// # Errors
    /// If another process has it open, it is not ours, a newer gateway wrote it, or the disk fails.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, SqliteOptions::default())
    }

    /// As [`open`](Self::open), with other limits.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(path: &Path, options: SqliteOptions) -> Result<Self, StoreError> {
        let writer = Writer::start(path, options.max_pages)?;
        Ok(Self { readers: Readers::new(path, options.readers), writer: Some(writer) })
    }

    /// Opens a file that exists for reading alone, also while a gateway writes to it. Every write is refused.
    ///
    /// # Errors
    /// If there is no such file, it is not ours, its schema is another, or the disk fails.
    pub fn open_to_read(path: &Path) -> Result<Self, StoreError> {
        if !path.is_file() {
            return Err(StoreError::Engine(format!("there is no store at {}", path.display())));
        }
        schema::check(&connect::reader(path)?)?;
        Ok(Self { readers: Readers::new(path, 1), writer: None })
    }

    fn writer(&self) -> Result<&Writer, StoreError> {
        self.writer.as_ref().ok_or_else(|| StoreError::Engine("it was opened for reading".to_owned()))
    }

    /// Ends the writer after everything that waits is durable, folds the log into the file and releases the lock. Later
    /// writes are answered with [`StoreError::Closed`]; reads still work. Blocks; dropping the store does the same.
    pub fn close(&self) {
        if let Some(writer) = &self.writer {
            writer.close();
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, transaction: Transaction) -> Result<(), CommitError> {
        self.writer()?.commit(canonical::transaction(transaction)).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        self.writer()?.claim(canonical::claim(request)).await
    }

    async fn take_lane(&self, request: &TakeLane) -> Result<Taken, StoreError> {
        self.writer()?.take_lane(request.clone()).await
    }

    async fn leave_lane(&self, request: &LeaveLane) -> Result<(), StoreError> {
        self.writer()?.leave_lane(request.clone()).await
    }

    async fn next_due(&self, platforms: &[PlatformId]) -> Result<Option<OffsetDateTime>, StoreError> {
        let platforms = platforms.to_vec();
        self.readers.run(move |file| claim::next_due(file, &platforms)).await
    }

    async fn backlog(&self, most: u64) -> Result<Backlog, StoreError> {
        self.readers.run(move |file| claim::backlog(file, most)).await
    }

    async fn busy_platforms(&self) -> Result<Vec<PlatformId>, StoreError> {
        self.readers.run(claim::busy_platforms).await
    }

    async fn ahead(&self, outbox: &str, now: OffsetDateTime, most: u64) -> Result<Ahead, StoreError> {
        let (outbox, now) = (outbox.to_owned(), canonical::instant(now));
        self.readers.run(move |file| claim::ahead(file, &outbox, now, most)).await
    }

    async fn lane(&self, platform: &PlatformId) -> Result<Option<Lane>, StoreError> {
        let platform = platform.clone();
        self.readers.run(move |file| lane::lane(file, &platform)).await
    }

    async fn resource(&self, key: &ResourceKey, version: Option<u64>) -> Result<Option<ResourceVersion>, StoreError> {
        let key = key.clone();
        self.readers.run(move |file| reads::resource(file, key, version)).await
    }

    async fn resources(&self, keys: &[ResourceKey]) -> Result<Vec<ResourceVersion>, StoreError> {
        let keys = keys.to_vec();
        self.readers.run(move |file| reads::resources(file, keys)).await
    }

    async fn history(&self, key: &ResourceKey) -> Result<Vec<ResourceVersion>, StoreError> {
        let key = key.clone();
        self.readers.run(move |file| reads::history(file, &key)).await
    }

    async fn erasure(&self, key: &ResourceKey) -> Result<Option<Erasure>, StoreError> {
        let key = key.clone();
        self.readers.run(move |file| keys::erasure(file, &key)).await
    }

    async fn search(&self, query: &SearchQuery) -> Result<Page, StoreError> {
        let query = query.clone();
        self.readers.run(move |file| search::search(file, &query)).await
    }

    async fn referral(&self, id: &ReferralId) -> Result<Option<Referral>, StoreError> {
        let id = id.clone();
        self.readers.run(move |file| reads::referral(file, &id)).await
    }

    async fn referral_by_task(&self, compartment: &Compartment, task: &str) -> Result<Option<Referral>, StoreError> {
        let (compartment, task) = (compartment.clone(), task.to_owned());
        self.readers.run(move |file| reads::referral_by_task(file, &compartment, &task)).await
    }

    async fn referral_at_platform(
        &self,
        platform: &PlatformId,
        platform_referral: &PlatformReferralId,
        key: Option<&IdempotencyKey>,
    ) -> Result<Option<Referral>, StoreError> {
        let (platform, name, key) = (platform.clone(), platform_referral.clone(), key.cloned());
        self.readers.run(move |file| reads::referral_at_platform(file, &platform, &name, key.as_ref())).await
    }

    async fn referrals(&self, filter: &ReferralFilter) -> Result<Vec<Referral>, StoreError> {
        let filter = filter.clone();
        self.readers.run(move |file| reads::referrals(file, &filter)).await
    }

    async fn unanswered(&self, by: OffsetDateTime, limit: u32) -> Result<Vec<Referral>, StoreError> {
        self.readers.run(move |file| reads::unanswered(file, by, limit)).await
    }

    async fn dead_letters(
        &self,
        tenant: Option<&TenantId>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, OutboxRow)>, StoreError> {
        let tenant = tenant.cloned();
        self.readers.run(move |file| reads::dead_letters(file, tenant.as_ref(), after, limit)).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.readers.run(reads::counts).await
    }

    async fn outbox(&self, referral: &ReferralId) -> Result<Vec<OutboxRow>, StoreError> {
        let referral = referral.clone();
        self.readers.run(move |file| reads::outbox(file, &referral)).await
    }

    async fn attempts(&self, outbox: &str) -> Result<Vec<Attempt>, StoreError> {
        let outbox = outbox.to_owned();
        self.readers.run(move |file| reads::attempts(file, &outbox)).await
    }

    async fn unread_reports(&self, limit: u32) -> Result<Vec<RawReport>, StoreError> {
        self.readers.run(move |file| reads::unread_reports(file, limit)).await
    }

    async fn reports(&self, referral: &ReferralId) -> Result<Vec<ReportRecord>, StoreError> {
        let referral = referral.clone();
        self.readers.run(move |file| reads::reports(file, &referral)).await
    }

    async fn parked_reports(
        &self,
        platform: &PlatformId,
        platform_referral: &PlatformReferralId,
        key: &IdempotencyKey,
    ) -> Result<Vec<ReportRecord>, StoreError> {
        let (platform, name, key) = (platform.clone(), platform_referral.clone(), key.clone());
        self.readers.run(move |file| reads::parked_reports(file, &platform, &name, &key)).await
    }

    async fn referrals_to_align(&self, limit: u32) -> Result<Vec<ReferralId>, StoreError> {
        self.readers.run(move |file| reads::referrals_to_align(file, limit)).await
    }

    async fn link_by_secret(&self, secret_sha256: &str) -> Result<Option<StatusLink>, StoreError> {
        let secret = secret_sha256.to_owned();
        self.readers.run(move |file| reads::link_by_secret(file, &secret)).await
    }

    async fn link_by_session(&self, session_sha256: &str) -> Result<Option<StatusLink>, StoreError> {
        let session = session_sha256.to_owned();
        self.readers.run(move |file| reads::link_by_session(file, &session)).await
    }

    async fn links(&self, referral: &ReferralId) -> Result<Vec<StatusLink>, StoreError> {
        let referral = referral.clone();
        self.readers.run(move |file| reads::links(file, &referral)).await
    }

    async fn expired_links(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<StatusLink>, StoreError> {
        self.readers.run(move |file| reads::expired_links(file, before, limit)).await
    }

    async fn feed(&self, limit: u32) -> Result<Vec<Fed>, StoreError> {
        self.readers.run(move |file| notices::fed(file, limit)).await
    }

    async fn notice(&self, id: &str) -> Result<Option<Notice>, StoreError> {
        let id = id.to_owned();
        self.readers.run(move |file| notices::notice(file, &id)).await
    }

    async fn due_notices(&self, now: OffsetDateTime, each: u32) -> Result<Vec<Notice>, StoreError> {
        self.readers.run(move |file| notices::due(file, now, each)).await
    }

    async fn next_notice(&self) -> Result<Option<OffsetDateTime>, StoreError> {
        self.readers.run(notices::next).await
    }

    async fn last_notice(&self, queue: &str) -> Result<u64, StoreError> {
        let queue = queue.to_owned();
        self.readers.run(move |file| notices::last(file, &queue)).await
    }

    async fn notices(&self, queue: &str, after: u64, limit: u32) -> Result<Vec<Notice>, StoreError> {
        let queue = queue.to_owned();
        self.readers.run(move |file| notices::of_queue(file, &queue, after, limit)).await
    }

    async fn notices_of(&self, referral: &ReferralId) -> Result<Vec<Notice>, StoreError> {
        let referral = referral.clone();
        self.readers.run(move |file| notices::of_referral(file, &referral)).await
    }

    async fn ended_notices(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<Notice>, StoreError> {
        self.readers.run(move |file| notices::ended(file, before, limit)).await
    }

    async fn dead_notices(
        &self,
        tenant: Option<&TenantId>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, Notice)>, StoreError> {
        let tenant = tenant.cloned();
        self.readers.run(move |file| notices::dead(file, tenant.as_ref(), after, limit)).await
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        let id = id.clone();
        self.readers.run(move |file| reads::account(file, &id)).await
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.readers.run(reads::accounts).await
    }

    async fn sign_in(&self, key: &str) -> Result<Option<SignIn>, StoreError> {
        let key = key.to_owned();
        self.readers.run(move |file| reads::sign_in(file, &key)).await
    }

    async fn expired_sign_ins(&self, by: OffsetDateTime, limit: u32) -> Result<Vec<SignIn>, StoreError> {
        self.readers.run(move |file| reads::expired_sign_ins(file, by, limit)).await
    }

    async fn cursor(&self, platform: &PlatformId) -> Result<Option<Cursor>, StoreError> {
        let platform = platform.clone();
        self.readers.run(move |file| reads::cursor(file, &platform)).await
    }

    async fn answer(
        &self,
        tenant: &TenantId,
        client: &ClientId,
        request_id: &str,
    ) -> Result<Option<StoredAnswer>, StoreError> {
        let (tenant, client, request_id) = (tenant.clone(), client.clone(), request_id.to_owned());
        self.readers.run(move |file| reads::answer(file, &tenant, &client, &request_id)).await
    }

    async fn received(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<(u64, Received)>, StoreError> {
        self.readers.run(move |file| kept::received(file, before, limit)).await
    }

    async fn answers(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<StoredAnswer>, StoreError> {
        self.readers.run(move |file| kept::answers(file, before, limit)).await
    }

    async fn raw_reports(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<RawReport>, StoreError> {
        self.readers.run(move |file| kept::raw_reports(file, before, limit)).await
    }

    async fn unmapped(&self, limit: u32) -> Result<Vec<ReportRecord>, StoreError> {
        self.readers.run(move |file| reads::unmapped(file, limit)).await
    }

    async fn parked(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<ReportRecord>, StoreError> {
        self.readers.run(move |file| kept::parked(file, before, limit)).await
    }

    async fn idle(
        &self,
        domain: Domain,
        before: OffsetDateTime,
        after: Option<&SubjectId>,
        limit: u32,
    ) -> Result<Vec<(SubjectId, ResourceKey)>, StoreError> {
        let after = after.cloned();
        self.readers.run(move |file| kept::idle(file, domain, before, after.as_ref(), limit)).await
    }

    async fn belonging(&self, subject: &Subject) -> Result<Vec<ResourceKey>, StoreError> {
        let subject = subject.clone();
        self.readers.run(move |file| kept::belonging(file, &subject)).await
    }

    async fn audit_lines(&self, referral: &ReferralId) -> Result<Vec<AuditLine>, StoreError> {
        let referral = referral.clone();
        self.readers.run(move |file| reads::audit_lines(file, &referral)).await
    }

    async fn audit_line(&self, tenant: &TenantId, number: u64) -> Result<Option<AuditLine>, StoreError> {
        let tenant = tenant.clone();
        self.readers.run(move |file| reads::audit_line(file, &tenant, number)).await
    }

    async fn verify_audit(&self) -> Result<Vec<AuditChain>, StoreError> {
        self.readers.run(chain::verify).await
    }

    async fn latest_time(&self) -> Result<Option<OffsetDateTime>, StoreError> {
        self.readers.run(reads::latest_time).await
    }

    async fn content_hash(&self) -> Result<String, StoreError> {
        self.readers.run(hash::content_hash).await
    }
}
