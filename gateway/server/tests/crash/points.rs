//! The points: thin wrappers around store and transport that count each thing that happens, write it down, and kill the
//! process at the one that was asked for.

use adapter_contract::{Answer, Cursor, DeliveryError, HttpRequest, IdempotencyKey, PlatformReferralId};
use async_trait::async_trait;
use gateway_core::change::{Change, RawReport, Received, ReportRecord, StoredAnswer, Transaction};
use gateway_core::identity::{ClientId, Compartment, PlatformId, TenantId};
use gateway_core::outbox::{Attempt, ClaimRequest, Claimed, OutboxRow};
use gateway_core::referral::{Referral, ReferralId};
use gateway_core::resource::{ResourceKey, ResourceVersion};
use gateway_core::subject::{Domain, Erasure, Subject, SubjectId};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use time::OffsetDateTime;
use vcse_gateway::gateway::Platform;
use vcse_gateway::store::sqlite::SqliteStore;
use vcse_gateway::store::{
    AuditChain, AuditLine, CommitError, Counts, Page, ReferralFilter, SearchQuery, Store, StoreError,
};
use vcse_gateway::transport::{HttpTransport, Names, Transport};

/// Polls go on for as long as the process lives; only the first few are points, or waiting would make points.
const POLLS: u32 = 4;

/// How long a request is under way before the process dies in the middle of it.
const UNDER_WAY: Duration = Duration::from_millis(3);

/// Counts, writes down, kills.
pub(crate) struct Points {
    target: Option<String>,
    seen: Mutex<(BTreeMap<String, u32>, File)>,
}

impl Points {
    pub(crate) fn new(target: Option<String>, trace: &Path) -> std::io::Result<Arc<Self>> {
        Ok(Arc::new(Self { target, seen: Mutex::new((BTreeMap::new(), File::create(trace)?)) }))
    }

    /// Notes the point; true if it is the one.
    fn is_it(&self, name: &str) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (times, trace) = &mut *seen;
        let times = times.entry(name.to_owned()).or_default();
        *times += 1;
        let point = format!("{name}#{times}");
        // One write call, unbuffered: it is with the kernel before the process dies.
        let _ = trace.write_all(format!("{point}\n").as_bytes());
        self.target.as_deref() == Some(point.as_str())
    }

    fn reach(&self, name: &str) {
        if self.is_it(name) {
            die();
        }
    }

    fn seen(&self, name: &str) -> u32 {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).0.get(name).copied().unwrap_or(0)
    }
}

/// No unwinding, no destructor, no flush.
fn die() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    loop {
        std::thread::park();
    }
}

/// The real store, counted.
pub(crate) struct CountingStore {
    pub(crate) inner: SqliteStore,
    pub(crate) points: Arc<Points>,
}

/// What a transaction is for: its first audit line, else what it holds.
fn purpose(transaction: &Transaction) -> String {
    let changes = &transaction.changes;
    let has = |wanted: fn(&Change) -> bool| changes.iter().any(wanted);
    let action = changes.iter().find_map(|change| match change {
        Change::Audit(line) => Some(line.action.clone()),
        _ => None,
    });
    let marks = has(|change| matches!(change, Change::PutOutbox(row) if row.in_flight.is_some()));
    // The mark before a request holds the decision on which it leaves; a hold has other lines before it.
    let action = action.filter(|action| !(marks && action == "consent-decision"));
    if let Some(action) = action {
        return action;
    }
    let word = if has(|change| matches!(change, Change::ReceiveReport(_))) {
        "receive-report"
    } else if has(|change| matches!(change, Change::ReportRead { .. })) {
        "read-report"
    } else if has(|change| matches!(change, Change::PutCursor { .. })) {
        "poll-page"
    } else if has(|change| matches!(change, Change::PutAttempt(_))) {
        "status-was-read"
    } else if marks {
        "mark-in-flight"
    } else {
        "other"
    };
    word.to_owned()
}

#[async_trait]
impl Store for CountingStore {
    async fn commit(&self, transaction: Transaction) -> Result<(), CommitError> {
        let purpose = purpose(&transaction);
        self.points.reach(&format!("before commit {purpose}"));
        let done = self.inner.commit(transaction).await;
        self.points.reach(&format!("after commit {purpose}"));
        done
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        let claimed = self.inner.claim(request).await?;
        for row in &claimed {
            self.points.reach(&format!("after claim {}", row.row.errand.word()));
        }
        Ok(claimed)
    }

    async fn next_due(&self, platforms: &[PlatformId]) -> Result<Option<OffsetDateTime>, StoreError> {
        self.inner.next_due(platforms).await
    }

    async fn backlog(&self, most: u64) -> Result<u64, StoreError> {
        self.inner.backlog(most).await
    }

    async fn resource(&self, key: &ResourceKey, version: Option<u64>) -> Result<Option<ResourceVersion>, StoreError> {
        self.inner.resource(key, version).await
    }

    async fn history(&self, key: &ResourceKey) -> Result<Vec<ResourceVersion>, StoreError> {
        self.inner.history(key).await
    }

    async fn erasure(&self, key: &ResourceKey) -> Result<Option<Erasure>, StoreError> {
        self.inner.erasure(key).await
    }

    async fn received(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<(u64, Received)>, StoreError> {
        self.inner.received(before, limit).await
    }

    async fn answers(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<StoredAnswer>, StoreError> {
        self.inner.answers(before, limit).await
    }

    async fn raw_reports(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<RawReport>, StoreError> {
        self.inner.raw_reports(before, limit).await
    }

    async fn parked(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<ReportRecord>, StoreError> {
        self.inner.parked(before, limit).await
    }

    async fn idle(
        &self,
        domain: Domain,
        before: OffsetDateTime,
        after: Option<&SubjectId>,
        limit: u32,
    ) -> Result<Vec<(SubjectId, ResourceKey)>, StoreError> {
        self.inner.idle(domain, before, after, limit).await
    }

    async fn belonging(&self, subject: &Subject) -> Result<Vec<ResourceKey>, StoreError> {
        self.inner.belonging(subject).await
    }

    async fn search(&self, query: &SearchQuery) -> Result<Page, StoreError> {
        self.inner.search(query).await
    }

    async fn referral(&self, id: &ReferralId) -> Result<Option<Referral>, StoreError> {
        self.inner.referral(id).await
    }

    async fn referral_by_task(&self, compartment: &Compartment, task: &str) -> Result<Option<Referral>, StoreError> {
        self.inner.referral_by_task(compartment, task).await
    }

    async fn referral_at_platform(
        &self,
        platform: &PlatformId,
        platform_referral: &PlatformReferralId,
        key: Option<&IdempotencyKey>,
    ) -> Result<Option<Referral>, StoreError> {
        self.inner.referral_at_platform(platform, platform_referral, key).await
    }

    async fn referrals(&self, filter: &ReferralFilter) -> Result<Vec<Referral>, StoreError> {
        self.inner.referrals(filter).await
    }

    async fn unanswered(&self, by: OffsetDateTime, limit: u32) -> Result<Vec<Referral>, StoreError> {
        self.inner.unanswered(by, limit).await
    }

    async fn dead_letters(
        &self,
        tenant: Option<&TenantId>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, OutboxRow)>, StoreError> {
        self.inner.dead_letters(tenant, after, limit).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.inner.counts().await
    }

    async fn outbox(&self, referral: &ReferralId) -> Result<Vec<OutboxRow>, StoreError> {
        self.inner.outbox(referral).await
    }

    async fn attempts(&self, outbox: &str) -> Result<Vec<Attempt>, StoreError> {
        self.inner.attempts(outbox).await
    }

    async fn unread_reports(&self, limit: u32) -> Result<Vec<RawReport>, StoreError> {
        self.inner.unread_reports(limit).await
    }

    async fn reports(&self, referral: &ReferralId) -> Result<Vec<ReportRecord>, StoreError> {
        self.inner.reports(referral).await
    }

    async fn parked_reports(
        &self,
        platform: &PlatformId,
        platform_referral: &PlatformReferralId,
        key: &IdempotencyKey,
    ) -> Result<Vec<ReportRecord>, StoreError> {
        self.inner.parked_reports(platform, platform_referral, key).await
    }

    async fn referrals_to_align(&self, limit: u32) -> Result<Vec<ReferralId>, StoreError> {
        self.inner.referrals_to_align(limit).await
    }

    async fn cursor(&self, platform: &PlatformId) -> Result<Option<Cursor>, StoreError> {
        self.inner.cursor(platform).await
    }

    async fn answer(
        &self,
        tenant: &TenantId,
        client: &ClientId,
        request_id: &str,
    ) -> Result<Option<StoredAnswer>, StoreError> {
        self.inner.answer(tenant, client, request_id).await
    }

    async fn audit_lines(&self, referral: &ReferralId) -> Result<Vec<AuditLine>, StoreError> {
        self.inner.audit_lines(referral).await
    }

    async fn audit_line(&self, tenant: &TenantId, number: u64) -> Result<Option<AuditLine>, StoreError> {
        self.inner.audit_line(tenant, number).await
    }

    async fn verify_audit(&self) -> Result<Vec<AuditChain>, StoreError> {
        self.inner.verify_audit().await
    }

    async fn latest_time(&self) -> Result<Option<OffsetDateTime>, StoreError> {
        self.inner.latest_time().await
    }

    async fn content_hash(&self) -> Result<String, StoreError> {
        self.inner.content_hash().await
    }
}

/// The real transport, counted.
pub(crate) struct CountingTransport {
    pub(crate) inner: HttpTransport,
    pub(crate) points: Arc<Points>,
}

/// What a request is, without the ids in it.
fn call(request: &HttpRequest) -> String {
    let kind = request.path.split('/').next().filter(|kind| !kind.is_empty()).unwrap_or("transaction");
    let by = if request.path.contains('/') {
        " by id"
    } else if request.query.iter().any(|(name, _)| name == "identifier") {
        " by key"
    } else if request.query.is_empty() {
        ""
    } else {
        " poll"
    };
    format!("{:?} {kind}{by}", request.method)
}

#[async_trait]
impl Transport for CountingTransport {
    async fn send(&self, platform: &Platform, request: &HttpRequest, names: &Names) -> Result<Answer, DeliveryError> {
        let call = call(request);
        if call.ends_with(" poll") && self.points.seen(&format!("before {call}")) >= POLLS {
            return self.inner.send(platform, request, names).await;
        }
        self.points.reach(&format!("before {call}"));
        if self.points.is_it(&format!("in the middle of {call}")) {
            let _ = tokio::time::timeout(UNDER_WAY, self.inner.send(platform, request, names)).await;
            die();
        }
        let answer = self.inner.send(platform, request, names).await;
        self.points.reach(&format!("after {call}"));
        answer
    }
}
