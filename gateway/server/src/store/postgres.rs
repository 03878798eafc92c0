//! The engine for several instances: one PostgreSQL database, version 13 or newer.
//!
//! Each instance writes through one task (`writer`), all instances one after the other; reads run beside on two pools. One of
//! them sees all tenants and is for the workers; the other is for what is asked for one tenant, and row security keeps every
//! other tenant's rows from it, whatever a statement forgets to say. Claims go past the writer (`claim`). Instances wake
//! each other by `NOTIFY` (`listen`).

mod apply;
mod claim;
mod connect;
pub mod copy;

mod fault;
mod keys;
mod lane;
mod listen;
mod notices;
mod put;
mod reads;
mod schema;
mod search;
mod sql;
#[cfg(test)]
mod tests;
mod writer;

use crate::gateway::Secret;
use crate::store::blind::Blind;
use crate::store::{
    AuditChain, AuditLine, CommitError, Counts, Page, ReferralFilter, SearchQuery, Store, StoreError, Wakes, canonical,
};
use adapter_contract::{Cursor, IdempotencyKey, PlatformReferralId};
use async_trait::async_trait;
use connect::Scope;
use fault::Fault;
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
use sql::{Bind as _, ask, run};
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPool;
use sqlx::{Connection as _, PgConnection, Postgres};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use writer::Writer;

/// How often a read is tried when the connection breaks.
const TRIES: u32 = 3;

/// How the database is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostgresOptions {
    /// Connections of each of the two pools, at most; the writer and the listener have one more each.
    pub connections: u32,
    /// How long a caller waits for a connection.
    pub acquire: Duration,
    /// How long one statement may take.
    pub statement: Duration,
    /// How long the writer waits for the writers of other instances before it tries anew.
    pub lock: Duration,
    /// After how long the server ends a transaction whose instance is silent: others wait for its lock until then.
    pub idle_in_transaction: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            connections: 8,
            acquire: Duration::from_secs(5),
            statement: Duration::from_secs(30),
            lock: Duration::from_secs(10),
            idle_in_transaction: Duration::from_secs(10),
        }
    }
}

/// A store in a database that instances share.
pub struct PostgresStore {
    /// Sees all tenants.
    workers: PgPool,
    /// Sees the tenant that is set.
    tenants: PgPool,
    blind: Blind,
    /// Absent where the database was opened for reading.
    writer: Option<Writer>,
    wakes: Option<watch::Sender<Wakes>>,
    /// Ends with the store.
    listener: Option<JoinHandle<()>>,
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
    }
}

impl PostgresStore {
    /// Connects and brings the schema up to date.
    ///
    /// # Errors
    /// If the server cannot be reached or is too old, the database is not ours, or a newer gateway wrote it.
    pub async fn open(url: &Secret) -> Result<Self, StoreError> {
        Self::open_with(url, PostgresOptions::default()).await
    }

    /// As [`open`](Self::open), with other limits.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with(url: &Secret, options: PostgresOptions) -> Result<Self, StoreError> {
        let to = connect::options(url)?;
        let mut on = connect::alone(&to, &options).await?;
        server_fits(&mut on).await?;
        schema::migrate(&mut on, schema::MIGRATIONS).await?;
        let blind = keys::blind(&mut on).await?;
        let workers = connect::pool(&to, Scope::All, options);
        let tenants = connect::pool(&to, Scope::Tenant, options);
        let wakes = watch::Sender::new(Wakes::default());
        let own = Arc::new(AtomicI64::new(0));
        let writer = Writer::start(on, blind.clone(), to, options, Arc::clone(&own));
        let listener = tokio::spawn(listen::listen(workers.clone(), wakes.clone(), own));
        Ok(Self { workers, tenants, blind, writer: Some(writer), wakes: Some(wakes), listener: Some(listener) })
    }

    /// Opens a database that holds a store, for reading alone. Every write is refused.
    ///
    /// # Errors
    /// If the server cannot be reached, there is no store in the database, or its schema is another.
    pub async fn open_to_read(url: &Secret) -> Result<Self, StoreError> {
        let options = PostgresOptions { connections: 2, ..PostgresOptions::default() };
        let to = connect::options(url)?;
        let mut on = connect::alone(&to, &options).await?;
        schema::check(&mut on).await?;
        let blind = keys::blind(&mut on).await?;
        let (workers, tenants) = (connect::pool(&to, Scope::All, options), connect::pool(&to, Scope::Tenant, options));
        Ok(Self { workers, tenants, blind, writer: None, wakes: None, listener: None })
    }

    /// Ends the writer after everything that waits is durable, and gives the connections back. Later calls are answered
    /// with errors.
    pub async fn close(&self) {
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
        if let Some(listener) = &self.listener {
            listener.abort();
        }
        self.workers.close().await;
        self.tenants.close().await;
    }

    fn writer(&self) -> Result<&Writer, StoreError> {
        self.writer.as_ref().ok_or_else(|| StoreError::Engine("it was opened for reading".to_owned()))
    }

    /// A connection that sees all tenants.
    async fn all(&self) -> Result<PoolConnection<Postgres>, Fault> {
        Ok(self.workers.acquire().await?)
    }

    /// A connection that sees no other tenant's rows.
    async fn of(&self, tenant: &TenantId) -> Result<PoolConnection<Postgres>, Fault> {
        let mut on = self.tenants.acquire().await?;
        // Set for each use anew: whoever had the connection before left his own.
        run(&mut on, ask("SELECT set_config('gateway.tenant', ?1, false)").text(&tenant.0)).await?;
        Ok(on)
    }
}

/// Runs a read on a connection; again on another if the connection breaks, for a read changes nothing. With `snapshot` all
/// its statements see the same contents.
macro_rules! read {
    ($connection:expr, $on:ident => $work:expr) => {
        read!(in $connection, held => { let $on: &mut PgConnection = &mut held; $work.await })
    };
    (snapshot $connection:expr, $on:ident => $work:expr) => {
        read!(in $connection, held => {
            let mut snapshot = held.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            let $on: &mut PgConnection = &mut snapshot;
            let value = $work.await?;
            snapshot.rollback().await?;
            Ok(value)
        })
    };
    (in $connection:expr, $held:ident => $work:expr) => {{
        let mut tries = 0;
        loop {
            tries += 1;
            let tried = async {
                let mut $held = $connection.await?;
                $work
            };
            let tried: Result<_, Fault> = tried.await;
            match tried {
                Err(Fault::Lost(_) | Fault::Conflict(_)) if tries < TRIES => {}
                other => break Ok(other?),
            }
        }
    }};
}

/// Refuses a server that lacks what we ask of it, and says aloud if it does not sync.
async fn server_fits(on: &mut PgConnection) -> Result<(), StoreError> {
    use crate::store::rows::Columns as _;
    let sql = "SELECT current_setting('server_version_num')::bigint, current_setting('fsync'),
        current_setting('server_encoding'), pg_is_in_recovery()::int::bigint,
        (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user)::int::bigint";
    let read = sql::one(on, ask(sql), |row| {
        Ok((row.integer(0)?, row.string(1)?, row.string(2)?, row.integer(3)?, row.integer_or_null(4)?))
    });
    let Some((version, fsync, encoding, standby, passes)) = read.await.map_err(StoreError::from)? else {
        return Ok(());
    };
    if version < 130_000 {
        return Err(StoreError::Engine("PostgreSQL 13 or newer is needed".to_owned()));
    }
    if encoding != "UTF8" {
        let words = "the database is not encoded in UTF8: make another with CREATE DATABASE ... ENCODING 'UTF8'";
        return Err(StoreError::Engine(words.to_owned()));
    }
    if standby != 0 {
        let words = "the server is a standby and takes no writes: name the primary, or add ?target_session_attrs";
        return Err(StoreError::Engine(words.replace(", or add ?target_session_attrs", "")));
    }
    if fsync != "on" {
        tracing::warn!("fsync is off at the database server: a crash of it loses what was acknowledged");
    }
    if passes == Some(1) {
        tracing::warn!(
            "the database role passes over row security (superuser or BYPASSRLS): give the gateway a role of its own"
        );
    }
    Ok(())
}

#[async_trait]
impl Store for PostgresStore {
    async fn commit(&self, transaction: Transaction) -> Result<(), CommitError> {
        self.writer()?.commit(canonical::transaction(transaction)).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        self.writer()?;
        let request = canonical::claim(request);
        // Not tried again: whether a claim whose commit broke off was made shows when its lease runs out.
        let mut on = self.workers.begin().await.map_err(Fault::from)?;
        let claimed = claim::claim(&mut on, &request).await?;
        on.commit().await.map_err(Fault::from)?;
        Ok(claimed)
    }

    async fn take_lane(&self, request: &TakeLane) -> Result<Taken, StoreError> {
        self.writer()?;
        // To take it twice is to keep it.
        read!(in self.all(), held => {
            let mut on = held.begin().await?;
            let taken = lane::take(&mut on, request).await?;
            on.commit().await?;
            Ok(taken)
        })
    }

    async fn leave_lane(&self, request: &LeaveLane) -> Result<(), StoreError> {
        self.writer()?;
        read!(in self.all(), held => {
            let mut on = held.begin().await?;
            lane::leave(&mut on, request).await?;
            on.commit().await?;
            Ok(())
        })
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn wakes(&self) -> Option<watch::Receiver<Wakes>> {
        self.wakes.as_ref().map(watch::Sender::subscribe)
    }

    async fn next_due(&self, platforms: &[PlatformId]) -> Result<Option<OffsetDateTime>, StoreError> {
        read!(self.all(), on => claim::next_due(on, platforms))
    }

    async fn backlog(&self, most: u64) -> Result<Backlog, StoreError> {
        read!(self.all(), on => claim::backlog(on, most))
    }

    async fn busy_platforms(&self) -> Result<Vec<PlatformId>, StoreError> {
        read!(snapshot self.all(), on => claim::busy_platforms(on))
    }

    async fn ahead(&self, outbox: &str, now: OffsetDateTime, most: u64) -> Result<Ahead, StoreError> {
        read!(snapshot self.all(), on => claim::ahead(on, outbox, canonical::instant(now), most))
    }

    async fn lane(&self, platform: &PlatformId) -> Result<Option<Lane>, StoreError> {
        read!(self.all(), on => lane::lane(on, platform))
    }

    async fn resource(&self, key: &ResourceKey, version: Option<u64>) -> Result<Option<ResourceVersion>, StoreError> {
        read!(self.of(&key.compartment.tenant), on => reads::resource(on, key, version))
    }

    async fn resources(&self, keys: &[ResourceKey]) -> Result<Vec<ResourceVersion>, StoreError> {
        let Some(first) = keys.first() else { return Ok(Vec::new()) };
        read!(snapshot self.of(&first.compartment.tenant), on => reads::resources(on, keys))
    }

    async fn history(&self, key: &ResourceKey) -> Result<Vec<ResourceVersion>, StoreError> {
        read!(self.of(&key.compartment.tenant), on => reads::history(on, key))
    }

    async fn erasure(&self, key: &ResourceKey) -> Result<Option<Erasure>, StoreError> {
        read!(self.of(&key.compartment.tenant), on => keys::erasure(on, key))
    }

    async fn search(&self, query: &SearchQuery) -> Result<Page, StoreError> {
        read!(snapshot self.of(&query.compartment.tenant), on => search::search(on, &self.blind, query))
    }

    async fn referral(&self, id: &ReferralId) -> Result<Option<Referral>, StoreError> {
        read!(self.all(), on => reads::referral(on, id))
    }

    async fn referral_by_task(&self, compartment: &Compartment, task: &str) -> Result<Option<Referral>, StoreError> {
        read!(self.of(&compartment.tenant), on => reads::referral_by_task(on, compartment, task))
    }

    async fn referral_at_platform(
        &self,
        platform: &PlatformId,
        platform_referral: &PlatformReferralId,
        key: Option<&IdempotencyKey>,
    ) -> Result<Option<Referral>, StoreError> {
        read!(self.all(), on => reads::referral_at_platform(on, platform, platform_referral, key))
    }

    async fn referrals(&self, filter: &ReferralFilter) -> Result<Vec<Referral>, StoreError> {
        read!(self.all(), on => reads::referrals(on, filter))
    }

    async fn unanswered(&self, by: OffsetDateTime, limit: u32) -> Result<Vec<Referral>, StoreError> {
        read!(self.all(), on => reads::unanswered(on, by, limit))
    }

    async fn dead_letters(
        &self,
        tenant: Option<&TenantId>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, OutboxRow)>, StoreError> {
        match tenant {
            Some(own) => read!(self.of(own), on => reads::dead_letters(on, tenant, after, limit)),
            None => read!(self.all(), on => reads::dead_letters(on, None, after, limit)),
        }
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        read!(self.all(), on => reads::counts(on))
    }

    async fn outbox(&self, referral: &ReferralId) -> Result<Vec<OutboxRow>, StoreError> {
        read!(self.all(), on => reads::outbox(on, referral))
    }

    async fn attempts(&self, outbox: &str) -> Result<Vec<Attempt>, StoreError> {
        read!(self.all(), on => reads::attempts(on, outbox))
    }

    async fn unread_reports(&self, limit: u32) -> Result<Vec<RawReport>, StoreError> {
        read!(self.all(), on => reads::unread_reports(on, limit))
    }

    async fn reports(&self, referral: &ReferralId) -> Result<Vec<ReportRecord>, StoreError> {
        read!(self.all(), on => reads::reports(on, referral))
    }

    async fn parked_reports(
        &self,
        platform: &PlatformId,
        platform_referral: &PlatformReferralId,
        key: &IdempotencyKey,
    ) -> Result<Vec<ReportRecord>, StoreError> {
        read!(snapshot self.all(), on => reads::parked_reports(on, platform, platform_referral, key))
    }

    async fn referrals_to_align(&self, limit: u32) -> Result<Vec<ReferralId>, StoreError> {
        read!(self.all(), on => reads::referrals_to_align(on, limit))
    }

    async fn link_by_secret(&self, secret_sha256: &str) -> Result<Option<StatusLink>, StoreError> {
        read!(self.all(), on => reads::link_by_secret(on, secret_sha256))
    }

    async fn link_by_session(&self, session_sha256: &str) -> Result<Option<StatusLink>, StoreError> {
        read!(self.all(), on => reads::link_by_session(on, session_sha256))
    }

    async fn links(&self, referral: &ReferralId) -> Result<Vec<StatusLink>, StoreError> {
        read!(self.all(), on => reads::links(on, referral))
    }

    async fn expired_links(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<StatusLink>, StoreError> {
        read!(self.all(), on => reads::expired_links(on, before, limit))
    }

    async fn feed(&self, limit: u32) -> Result<Vec<Fed>, StoreError> {
        read!(self.all(), on => notices::fed(on, limit))
    }

    async fn notice(&self, id: &str) -> Result<Option<Notice>, StoreError> {
        read!(self.all(), on => notices::notice(on, id))
    }

    async fn due_notices(&self, now: OffsetDateTime, each: u32) -> Result<Vec<Notice>, StoreError> {
        read!(self.all(), on => notices::due(on, now, each))
    }

    async fn next_notice(&self) -> Result<Option<OffsetDateTime>, StoreError> {
        read!(self.all(), on => notices::next(on))
    }

    async fn last_notice(&self, queue: &str) -> Result<u64, StoreError> {
        read!(self.all(), on => notices::last(on, queue))
    }

    async fn notices(&self, queue: &str, after: u64, limit: u32) -> Result<Vec<Notice>, StoreError> {
        read!(self.all(), on => notices::of_queue(on, queue, after, limit))
    }

    async fn notices_of(&self, referral: &ReferralId) -> Result<Vec<Notice>, StoreError> {
        read!(self.all(), on => notices::of_referral(on, referral))
    }

    async fn ended_notices(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<Notice>, StoreError> {
        read!(self.all(), on => notices::ended(on, before, limit))
    }

    async fn dead_notices(
        &self,
        tenant: Option<&TenantId>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, Notice)>, StoreError> {
        match tenant {
            Some(own) => read!(self.of(own), on => notices::dead(on, tenant, after, limit)),
            None => read!(self.all(), on => notices::dead(on, None, after, limit)),
        }
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        read!(self.all(), on => reads::account(on, id))
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        read!(self.all(), on => reads::accounts(on))
    }

    async fn sign_in(&self, key: &str) -> Result<Option<SignIn>, StoreError> {
        read!(self.all(), on => reads::sign_in(on, key))
    }

    async fn expired_sign_ins(&self, by: OffsetDateTime, limit: u32) -> Result<Vec<SignIn>, StoreError> {
        read!(self.all(), on => reads::expired_sign_ins(on, by, limit))
    }

    async fn cursor(&self, platform: &PlatformId) -> Result<Option<Cursor>, StoreError> {
        read!(self.all(), on => reads::cursor(on, platform))
    }

    async fn answer(
        &self,
        tenant: &TenantId,
        client: &ClientId,
        request_id: &str,
    ) -> Result<Option<StoredAnswer>, StoreError> {
        read!(self.of(tenant), on => reads::answer(on, tenant, client, request_id))
    }

    async fn received(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<(u64, Received)>, StoreError> {
        read!(self.all(), on => reads::received(on, before, limit))
    }

    async fn answers(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<StoredAnswer>, StoreError> {
        read!(self.all(), on => reads::answers(on, before, limit))
    }

    async fn raw_reports(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<RawReport>, StoreError> {
        read!(self.all(), on => reads::raw_reports(on, before, limit))
    }

    async fn unmapped(&self, limit: u32) -> Result<Vec<ReportRecord>, StoreError> {
        read!(self.all(), on => reads::unmapped(on, limit))
    }

    async fn parked(&self, before: OffsetDateTime, limit: u32) -> Result<Vec<ReportRecord>, StoreError> {
        read!(self.all(), on => reads::parked(on, before, limit))
    }

    async fn idle(
        &self,
        domain: Domain,
        before: OffsetDateTime,
        after: Option<&SubjectId>,
        limit: u32,
    ) -> Result<Vec<(SubjectId, ResourceKey)>, StoreError> {
        read!(self.all(), on => reads::idle(on, domain, before, after, limit))
    }

    async fn belonging(&self, subject: &Subject) -> Result<Vec<ResourceKey>, StoreError> {
        read!(self.all(), on => reads::belonging(on, subject))
    }

    async fn audit_lines(&self, referral: &ReferralId) -> Result<Vec<AuditLine>, StoreError> {
        read!(self.all(), on => reads::audit_lines(on, referral))
    }

    async fn audit_line(&self, tenant: &TenantId, number: u64) -> Result<Option<AuditLine>, StoreError> {
        read!(self.of(tenant), on => reads::audit_line(on, tenant, number))
    }

    async fn verify_audit(&self) -> Result<Vec<AuditChain>, StoreError> {
        read!(snapshot self.all(), on => reads::verify_audit(on))
    }

    async fn latest_time(&self) -> Result<Option<OffsetDateTime>, StoreError> {
        read!(self.all(), on => reads::latest_time(on))
    }

    async fn content_hash(&self) -> Result<String, StoreError> {
        read!(snapshot self.all(), on => reads::content_hash(on))
    }
}
