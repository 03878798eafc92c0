//! A store that is watched: every access passes somebody who may count it, hold it up, fail it or end the process. For tests
//! and simulations, which otherwise would each have to pass on every call of [`Store`].

use super::{AuditChain, AuditLine, CommitError, Counts, Page, ReferralFilter, SearchQuery, Store, StoreError, Wakes};
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
use std::sync::Arc;
use time::OffsetDateTime;
use tokio::sync::watch;

/// Who watches. Whatever is not taken up passes.
#[async_trait]
pub trait Watcher: Send + Sync {
    /// Somebody is about to read, by the method of this name.
    async fn reading(&self, _what: &'static str) {}

    /// Somebody commits.
    ///
    /// # Errors
    /// As [`Store::commit`].
    async fn commit(&self, store: &dyn Store, transaction: Transaction) -> Result<(), CommitError> {
        store.commit(transaction).await
    }

    /// Somebody claims.
    ///
    /// # Errors
    /// As [`Store::claim`].
    async fn claim(&self, store: &dyn Store, request: ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        store.claim(request).await
    }

    /// Whether several instances may have the store in hand.
    fn is_shared(&self, store: &dyn Store) -> bool {
        store.is_shared()
    }

    /// Who hears what other instances commit; `None` leaves it to the store.
    fn wakes(&self) -> Option<watch::Receiver<Wakes>> {
        None
    }
}

/// A store and who watches it.
pub struct Watched<W> {
    /// The store.
    pub inner: Arc<dyn Store>,
    /// Who watches.
    pub watcher: W,
}

#[async_trait]
impl<W: Watcher> Store for Watched<W> {
    async fn commit(&self, transaction: Transaction) -> Result<(), CommitError> {
        self.watcher.commit(self.inner.as_ref(), transaction).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        self.watcher.claim(self.inner.as_ref(), request).await
    }

    async fn take_lane(&self, request: &TakeLane) -> Result<Taken, StoreError> {
        self.watcher.reading("take_lane").await;
        self.inner.take_lane(request).await
    }

    async fn leave_lane(&self, request: &LeaveLane) -> Result<(), StoreError> {
        self.watcher.reading("leave_lane").await;
        self.inner.leave_lane(request).await
    }

    fn is_shared(&self) -> bool {
        self.watcher.is_shared(self.inner.as_ref())
    }

    async fn next_due(&self, platforms: &[PlatformId]) -> Result<Option<OffsetDateTime>, StoreError> {
        self.watcher.reading("next_due").await;
        self.inner.next_due(platforms).await
    }

    async fn backlog(&self, most: u64) -> Result<Backlog, StoreError> {
        self.watcher.reading("backlog").await;
        self.inner.backlog(most).await
    }

    async fn busy_platforms(&self) -> Result<Vec<PlatformId>, StoreError> {
        self.watcher.reading("busy_platforms").await;
        self.inner.busy_platforms().await
    }

    async fn ahead(&self, outbox: &str, now: OffsetDateTime, most: u64) -> Result<Ahead, StoreError> {
        self.watcher.reading("ahead").await;
        self.inner.ahead(outbox, now, most).await
    }

    async fn lane(&self, platform: &PlatformId) -> Result<Option<Lane>, StoreError> {
        self.watcher.reading("lane").await;
        self.inner.lane(platform).await
    }

    async fn resource(&self, key: &ResourceKey, version: Option<u64>) -> Result<Option<ResourceVersion>, StoreError> {
        self.watcher.reading("resource").await;
        self.inner.resource(key, version).await
    }

    async fn resources(&self, keys: &[ResourceKey]) -> Result<Vec<ResourceVersion>, StoreError> {
        self.watcher.reading("resources").await;
        self.inner.resources(keys).await
    }

    async fn history(&self, key: &ResourceKey) -> Result<Vec<ResourceVersion>, StoreError> {
        self.watcher.reading("history").await;
        self.inner.history(key).await
    }

    async fn erasure(&self, key: &ResourceKey) -> Result<Option<Erasure>, StoreError> {
        self.watcher.reading("erasure").await;
        self.inner.erasure(key).await
    }

    async fn received(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<(u64, Received)>, StoreError> {
        self.watcher.reading("received").await;
        self.inner.received(before, limit).await
    }

    async fn answers(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<StoredAnswer>, StoreError> {
        self.watcher.reading("answers").await;
        self.inner.answers(before, limit).await
    }

    async fn raw_reports(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<RawReport>, StoreError> {
        self.watcher.reading("raw_reports").await;
        self.inner.raw_reports(before, limit).await
    }

    async fn unmapped(&self, limit: u32) -> Result<Vec<ReportRecord>, StoreError> {
        self.watcher.reading("unmapped").await;
        self.inner.unmapped(limit).await
    }

    async fn parked(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<ReportRecord>, StoreError> {
        self.watcher.reading("parked").await;
        self.inner.parked(before, limit).await
    }

    async fn idle(
        &self,
        domain: Domain,
        before: OffsetDateTime,
        after: Option<&SubjectId>,
        limit: u32,
    ) -> Result<Vec<(SubjectId, ResourceKey)>, StoreError> {
        self.watcher.reading("idle").await;
        self.inner.idle(domain, before, after, limit).await
    }

    async fn belonging(&self, subject: &Subject) -> Result<Vec<ResourceKey>, StoreError> {
        self.watcher.reading("belonging").await;
        self.inner.belonging(subject).await
    }

    async fn search(&self, query: &SearchQuery) -> Result<Page, StoreError> {
        self.watcher.reading("search").await;
        self.inner.search(query).await
    }

    async fn referral(&self, id: &ReferralId) -> Result<Option<Referral>, StoreError> {
        self.watcher.reading("referral").await;
        self.inner.referral(id).await
    }

    async fn referral_by_task(&self, compartment: &Compartment, task: &str) -> Result<Option<Referral>, StoreError> {
        self.watcher.reading("referral_by_task").await;
        self.inner.referral_by_task(compartment, task).await
    }

    async fn referral_at_platform(
        &self,
        platform: &PlatformId,
        platform_referral: &PlatformReferralId,
        key: Option<&IdempotencyKey>,
    ) -> Result<Option<Referral>, StoreError> {
        self.watcher.reading("referral_at_platform").await;
        self.inner.referral_at_platform(platform, platform_referral, key).await
    }

    async fn referrals(&self, filter: &ReferralFilter) -> Result<Vec<Referral>, StoreError> {
        self.watcher.reading("referrals").await;
        self.inner.referrals(filter).await
    }

    async fn unanswered(&self, by: OffsetDateTime, limit: u32) -> Result<Vec<Referral>, StoreError> {
        self.watcher.reading("unanswered").await;
        self.inner.unanswered(by, limit).await
    }

    async fn dead_letters(
        &self,
        tenant: Option<&TenantId>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, OutboxRow)>, StoreError> {
        self.watcher.reading("dead_letters").await;
        self.inner.dead_letters(tenant, after, limit).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.watcher.reading("counts").await;
        self.inner.counts().await
    }

    async fn outbox(&self, referral: &ReferralId) -> Result<Vec<OutboxRow>, StoreError> {
        self.watcher.reading("outbox").await;
        self.inner.outbox(referral).await
    }

    async fn attempts(&self, outbox: &str) -> Result<Vec<Attempt>, StoreError> {
        self.watcher.reading("attempts").await;
        self.inner.attempts(outbox).await
    }

    async fn unread_reports(&self, limit: u32) -> Result<Vec<RawReport>, StoreError> {
        self.watcher.reading("unread_reports").await;
        self.inner.unread_reports(limit).await
    }

    async fn reports(&self, referral: &ReferralId) -> Result<Vec<ReportRecord>, StoreError> {
        self.watcher.reading("reports").await;
        self.inner.reports(referral).await
    }

    async fn parked_reports(
        &self,
        platform: &PlatformId,
        platform_referral: &PlatformReferralId,
        key: &IdempotencyKey,
    ) -> Result<Vec<ReportRecord>, StoreError> {
        self.watcher.reading("parked_reports").await;
        self.inner.parked_reports(platform, platform_referral, key).await
    }

    async fn referrals_to_align(&self, limit: u32) -> Result<Vec<ReferralId>, StoreError> {
        self.watcher.reading("referrals_to_align").await;
        self.inner.referrals_to_align(limit).await
    }

    async fn link_by_secret(&self, secret_sha256: &str) -> Result<Option<StatusLink>, StoreError> {
        self.watcher.reading("link_by_secret").await;
        self.inner.link_by_secret(secret_sha256).await
    }

    async fn link_by_session(&self, session_sha256: &str) -> Result<Option<StatusLink>, StoreError> {
        self.watcher.reading("link_by_session").await;
        self.inner.link_by_session(session_sha256).await
    }

    async fn links(&self, referral: &ReferralId) -> Result<Vec<StatusLink>, StoreError> {
        self.watcher.reading("links").await;
        self.inner.links(referral).await
    }

    async fn expired_links(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<StatusLink>, StoreError> {
        self.watcher.reading("expired_links").await;
        self.inner.expired_links(before, limit).await
    }

    async fn feed(&self, limit: u32) -> Result<Vec<Fed>, StoreError> {
        self.watcher.reading("feed").await;
        self.inner.feed(limit).await
    }

    async fn notice(&self, id: &str) -> Result<Option<Notice>, StoreError> {
        self.watcher.reading("notice").await;
        self.inner.notice(id).await
    }

    async fn due_notices(&self, now: OffsetDateTime, each: u32) -> Result<Vec<Notice>, StoreError> {
        self.watcher.reading("due_notices").await;
        self.inner.due_notices(now, each).await
    }

    async fn next_notice(&self) -> Result<Option<OffsetDateTime>, StoreError> {
        self.watcher.reading("next_notice").await;
        self.inner.next_notice().await
    }

    async fn last_notice(&self, queue: &str) -> Result<u64, StoreError> {
        self.watcher.reading("last_notice").await;
        self.inner.last_notice(queue).await
    }

    async fn notices(&self, queue: &str, after: u64, limit: u32) -> Result<Vec<Notice>, StoreError> {
        self.watcher.reading("notices").await;
        self.inner.notices(queue, after, limit).await
    }

    async fn notices_of(&self, referral: &ReferralId) -> Result<Vec<Notice>, StoreError> {
        self.watcher.reading("notices_of").await;
        self.inner.notices_of(referral).await
    }

    async fn ended_notices(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<Notice>, StoreError> {
        self.watcher.reading("ended_notices").await;
        self.inner.ended_notices(before, limit).await
    }

    async fn dead_notices(
        &self,
        tenant: Option<&TenantId>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, Notice)>, StoreError> {
        self.watcher.reading("dead_notices").await;
        self.inner.dead_notices(tenant, after, limit).await
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        self.watcher.reading("account").await;
        self.inner.account(id).await
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.watcher.reading("accounts").await;
        self.inner.accounts().await
    }

    async fn sign_in(&self, key: &str) -> Result<Option<SignIn>, StoreError> {
        self.watcher.reading("sign_in").await;
        self.inner.sign_in(key).await
    }

    async fn expired_sign_ins(&self, by: OffsetDateTime, limit: u32) -> Result<Vec<SignIn>, StoreError> {
        self.watcher.reading("expired_sign_ins").await;
        self.inner.expired_sign_ins(by, limit).await
    }

    async fn cursor(&self, platform: &PlatformId) -> Result<Option<Cursor>, StoreError> {
        self.watcher.reading("cursor").await;
        self.inner.cursor(platform).await
    }

    async fn answer(
        &self,
        tenant: &TenantId,
        client: &ClientId,
        request_id: &str,
    ) -> Result<Option<StoredAnswer>, StoreError> {
        self.watcher.reading("answer").await;
        self.inner.answer(tenant, client, request_id).await
    }

    async fn audit_lines(&self, referral: &ReferralId) -> Result<Vec<AuditLine>, StoreError> {
        self.watcher.reading("audit_lines").await;
        self.inner.audit_lines(referral).await
    }

    async fn audit_line(&self, tenant: &TenantId, number: u64) -> Result<Option<AuditLine>, StoreError> {
        self.watcher.reading("audit_line").await;
        self.inner.audit_line(tenant, number).await
    }

    async fn verify_audit(&self) -> Result<Vec<AuditChain>, StoreError> {
        self.watcher.reading("verify_audit").await;
        self.inner.verify_audit().await
    }

    async fn latest_time(&self) -> Result<Option<OffsetDateTime>, StoreError> {
        self.watcher.reading("latest_time").await;
        self.inner.latest_time().await
    }

    fn wakes(&self) -> Option<watch::Receiver<Wakes>> {
        self.watcher.wakes().or_else(|| self.inner.wakes())
    }

    async fn content_hash(&self) -> Result<String, StoreError> {
        self.watcher.reading("content_hash").await;
        self.inner.content_hash().await
    }
}
