//! The gateway as its parts share it: configuration made ready, store, clock, chance, transport, and the bells that
//! wake the workers.

use crate::adapters::Watch;
use crate::admission::Admission;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::limits::Limits;
use crate::notify::Ways;
use crate::notify::letter::Office;
use crate::notify::subscription::Subscribers;
use crate::pace::Pace;
use crate::split;
use crate::store::{CommitError, Store, StoreError};
use crate::transport::Transport;
use crate::transport::access::Access;
use crate::webhooks::Keys;
use adapter_contract::{Adapter, Capabilities, ReportSource, Settings};
use gateway_core::accept::Rules;
use gateway_core::cadence::Bounds;
use gateway_core::change::{CheckFailure, Transaction};
use gateway_core::identity::{Client, PlatformId};
use gateway_core::loss::{self, Translator, Translators};
use gateway_core::outbox::Errand;
use gateway_core::retention::Row;
use gateway_core::status_link::Asks;
use gateway_core::{subject, timers, unanswered};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::{Notify, OnceCell, watch};

/// One configured platform as it is at one moment: whoever holds it goes on with this adapter, whatever is reloaded
/// meanwhile.
#[derive(Clone)]
pub struct Platform {
    /// Its name in the configuration.
    pub id: PlatformId,
    /// Who translates for it.
    pub adapter: Arc<dyn Adapter>,
    /// Base address without trailing slash; empty for a platform that collects from us.
    pub base_url: String,
    /// How it is reached, and with which credentials.
    pub access: Arc<Access>,
    /// SHA-256 (hex) of the bearer token with which it reports to us.
    pub report_token_sha256: Option<String>,
    /// By which keys it signs its reports; absent = it does not.
    pub report_keys: Option<Arc<Keys>>,
    /// What the adapter is given.
    pub settings: Settings,
    /// The tenant whose compartment holds what is published for it; needed for collecting platforms only.
    pub publish_to: Option<gateway_core::identity::TenantId>,
    /// How often it is polled; absent = not at all.
    pub poll: Option<Bounds>,
    /// What losses in translation lead to.
    pub loss: loss::Policy,
    /// How fast it is asked, and whether it may be asked now.
    pub pace: Arc<Pace>,
    /// How its organisation is asked on status-link pages; absent where it is not.
    pub status_link: Option<Arc<StatusLinkWay>>,
}

/// How an organisation is asked for word by mail, and says it on the pages behind a status link.
#[derive(Clone)]
pub struct StatusLinkWay {
    /// Who writes the letters and reads the answers: the platform's own adapter, or that for organisations with a mailbox where the
    /// platform's has no way back.
    pub adapter: Arc<dyn Adapter>,
    /// What it is given.
    pub settings: Settings,
    /// Argon2id hash (PHC string) of the passphrase that was agreed with the organisation: its second factor.
    pub passphrase_hash: Secret,
    /// For how long a link can be opened.
    pub opens_for: Duration,
    /// For how long a page that was opened stays open.
    pub stays_open: Duration,
    /// When the organisation is reminded, counted from the delivery.
    pub reminders: Vec<Duration>,
    /// After how long without an answer a referral goes back to whoever sent it, counted likewise.
    pub answers_within: Duration,
}

/// The configured platforms. Taken once for each exchange, poll or report, so that no two versions of an adapter ever
/// have a part in one.
#[derive(Default)]
pub struct Platforms(RwLock<BTreeMap<PlatformId, Arc<Platform>>>);

impl Platforms {
    /// These.
    #[must_use]
    pub fn new(platforms: impl IntoIterator<Item = Platform>) -> Self {
        Self(RwLock::new(platforms.into_iter().map(|one| (one.id.clone(), Arc::new(one))).collect()))
    }

    /// The platform of this name as it is now.
    #[must_use]
    pub fn get(&self, id: &PlatformId) -> Option<Arc<Platform>> {
        // The map is replaced entry by entry and never left half written, so a panic elsewhere does not spoil it.
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// All as they are now, by name.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Platform>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Their names.
    #[must_use]
    pub fn ids(&self) -> Vec<PlatformId> {
        self.all().iter().map(|platform| platform.id.clone()).collect()
    }

    /// Forgets them all: a gateway that only takes in.
    pub fn clear(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Gives every platform of the adapter of this name another one, all at once.
    pub fn replace_adapter(&self, name: &str, adapter: &Arc<dyn Adapter>) {
        let mut platforms = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_named = |one: &Arc<dyn Adapter>| one.descriptor().name == name;
        for platform in platforms.values_mut() {
            let mut next = platform.as_ref().clone();
            if let Some(way) = next.status_link.as_deref().filter(|way| is_named(&way.adapter)) {
                next.status_link = Some(Arc::new(StatusLinkWay { adapter: Arc::clone(adapter), ..way.clone() }));
            }
            if is_named(&next.adapter) {
                next.adapter = Arc::clone(adapter);
            }
            *platform = Arc::new(next);
        }
    }
}

impl Translators for Platforms {
    fn translator(&self, platform: &PlatformId) -> Option<Translator> {
        self.get(platform).map(|platform| platform.translator())
    }
}

impl Platform {
    /// What this platform lets us do, its way over status links included: with that it is heard of, whatever its own adapter says of
    /// itself.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        Capabilities { status_link: self.status_link.is_some(), ..self.adapter.descriptor().capabilities }
    }

    /// How long it may be silent: as its status link says, else as long as any.
    #[must_use]
    pub fn answers_within(&self, usual: time::Duration) -> time::Duration {
        let own = self.status_link.as_deref().and_then(|way| time::Duration::try_from(way.answers_within).ok());
        own.unwrap_or(usual)
    }

    /// How its organisation is asked by mail; absent where it is not.
    #[must_use]
    pub fn asks(&self) -> Option<Asks<'_>> {
        let way = self.status_link.as_deref()?;
        Some(Asks { reminders: &way.reminders, companion: self.is_companion(way) })
    }

    /// Who writes and reads for an errand, and what it is given: letters that ask are written by the way over status links.
    #[must_use]
    pub fn scribe(&self, errand: &Errand) -> (&Arc<dyn Adapter>, &Settings) {
        match (errand, self.status_link.as_deref()) {
            (Errand::Ask { .. }, Some(way)) => (&way.adapter, &way.settings),
            _ => (&self.adapter, &self.settings),
        }
    }

    /// Who reads what came in this way.
    #[must_use]
    pub fn reader(&self, source: ReportSource) -> &Arc<dyn Adapter> {
        match (source, self.status_link.as_deref()) {
            (ReportSource::Mail | ReportSource::StatusLink, Some(way)) => &way.adapter,
            _ => &self.adapter,
        }
    }

    /// Whether letters are written beside what the platform's own adapter does, and not by it.
    #[must_use]
    pub fn is_companion(&self, way: &StatusLinkWay) -> bool {
        way.adapter.descriptor().name != self.adapter.descriptor().name
    }

    /// What the loss stage asks.
    #[must_use]
    pub fn translator(&self) -> Translator {
        Translator { adapter: Arc::clone(&self.adapter), settings: self.settings.clone(), policy: self.loss }
    }
}

/// A value that is never shown.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value, for the one place that sends it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Wakes the lanes of platforms for which something may have become due.
#[derive(Default)]
pub struct OutboxBell(watch::Sender<Rings>);

/// How often the bell was rung: for each platform, and for all at once.
#[derive(Default)]
struct Rings {
    of: BTreeMap<PlatformId, u64>,
    all: u64,
}

impl Rings {
    fn heard_by(&self, platform: &PlatformId) -> u64 {
        self.all + self.of.get(platform).copied().unwrap_or_default()
    }
}

impl OutboxBell {
    /// For the lanes of these platforms.
    pub fn ring(&self, platforms: impl IntoIterator<Item = PlatformId>) {
        self.0.send_if_modified(|rings| {
            let mut rung = false;
            for platform in platforms {
                *rings.of.entry(platform).or_default() += 1;
                rung = true;
            }
            rung
        });
    }

    /// For every lane: nobody knows for which.
    pub fn ring_all(&self) {
        self.0.send_modify(|rings| rings.all += 1);
    }

    /// The ear of one platform's lane.
    #[must_use]
    pub fn ear(&self, platform: &PlatformId) -> Ear {
        Ear { rings: self.0.subscribe(), platform: platform.clone(), heard: 0 }
    }
}

/// Hears the outbox bell for one platform.
pub struct Ear {
    rings: watch::Receiver<Rings>,
    platform: PlatformId,
    heard: u64,
}

impl Ear {
    /// Forgets what was rung until now.
    pub fn forget(&mut self) {
        self.heard = self.rings.borrow_and_update().heard_by(&self.platform);
    }

    /// Waits for the next ring that was not forgotten.
    pub async fn rung(&mut self) {
        while self.rings.borrow_and_update().heard_by(&self.platform) == self.heard {
            // The sender lives as long as the gateway.
            if self.rings.changed().await.is_err() {
                return;
            }
        }
    }
}

/// What all parts share.
pub struct Gateway {
    /// Memory.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids and jitter.
    pub chance: Arc<Chance>,
    /// The way to platforms.
    pub transport: Arc<dyn Transport>,
    /// Bounds.
    pub limits: Limits,
    /// Who may ask how much.
    pub admission: Admission,
    /// Callers by the SHA-256 (hex) of their bearer token.
    pub clients: BTreeMap<String, Client>,
    /// Platforms by name.
    pub platforms: Platforms,
    /// Adapters that are folders and may change; taken by the part that watches them.
    pub watch: Mutex<Option<Watch>>,
    /// Routes, recipients, policy, schedule.
    pub rules: Rules,
    /// For how long what is kept; what has no row is kept for ever.
    pub retention: Vec<Row>,
    /// FHIR base address as clients see it, without trailing slash.
    pub base_url: String,
    /// Address of the status-link pages as organisations see it, without trailing slash: `https://gateway.example/link`.
    pub link_url: String,
    /// Held while parts of a Task that is made of others are written, and what follows for it.
    pub wholes: tokio::sync::Mutex<()>,
    /// Rung when something may have become due in the outbox.
    pub outbox_bell: OutboxBell,
    /// Counts up when another instance may have given a lane back.
    pub lane_bell: watch::Sender<u64>,
    /// Rung when a report was recorded.
    pub report_bell: Notify,
    /// Which clients may subscribe, and how.
    pub subscribers: Arc<Subscribers>,
    /// Who on the GP's side is told, and how.
    pub ways: Ways,
    /// From where letters to practices are sent, and where their acknowledgements come.
    pub offices: Vec<Arc<Office>>,
    /// Rung when somebody on the GP's side may have to be told.
    pub notice_bell: Notify,
    /// The latest time ever seen, once somebody has asked.
    pub latest: LatestTime,
}

/// The latest time ever seen, in milliseconds since 1970; read from the store by the first who asks.
#[derive(Default)]
pub struct LatestTime(OnceCell<AtomicI64>);

impl Gateway {
    /// Commits, then wakes whoever may have work from it. Parts of one Task that move at once wait for each other, so that each finds
    /// what the others have made of the whole; one that another instance moves is tried again.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn commit(&self, transaction: Transaction) -> Result<(), CommitError> {
        if !split::moves_parts(self, &transaction).await? {
            return self.commit_once(transaction).await;
        }
        let _one_at_a_time = self.wholes.lock().await;
        for _ in 0..split::TRIES {
            match self.commit_once(transaction.clone()).await {
                Err(CommitError::Refused(CheckFailure::Changed | CheckFailure::Version(_)))
                    if !split::is_overtaken(self, &transaction).await? => {}
                done => return done,
            }
        }
        self.commit_once(transaction).await
    }

    async fn commit_once(&self, mut transaction: Transaction) -> Result<(), CommitError> {
        use gateway_core::change::Change;
        split::follow(self, &mut transaction).await?;
        // What is written for a referral is about its person.
        if let Some(id) = subject::of_referral(&transaction) {
            subject::fill(&mut transaction, &id);
        }
        let heard = |id: &PlatformId| self.platform(id).is_some_and(|one| unanswered::is_heard(one.capabilities()));
        timers::follow(&mut transaction, &self.rules.timers, &heard, self.clock.now());
        let fed = self.ways.feed(&transaction.changes);
        transaction.changes.extend(fed);
        let outbox = transaction.changes.iter().filter_map(|change| match change {
            Change::PutOutbox(row) => Some(row.platform.clone()),
            _ => None,
        });
        let outbox: BTreeSet<PlatformId> = outbox.collect();
        let reports = transaction.changes.iter().any(|change| {
            matches!(change, Change::ReceiveReport(_) | Change::RecordReport(_) | Change::PutReferral(_))
        });
        let notices = transaction.changes.iter().any(|change| matches!(change, Change::Feed(_) | Change::PutNotice(_)));
        self.store.commit(transaction).await?;
        if notices {
            self.notice_bell.notify_one();
        }
        self.outbox_bell.ring(outbox);
        if reports {
            self.report_bell.notify_one();
        }
        Ok(())
    }

    /// The time at which consent is decided: the latest ever seen, so that a clock that is put back revives no Consent that
    /// has run out.
    ///
    /// # Errors
    /// When the store cannot say what it has seen.
    pub async fn decision_time(&self) -> Result<OffsetDateTime, StoreError> {
        let now = self.clock.now();
        let millis = |at: OffsetDateTime| i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX);
        let seen = || async {
            let stored = self.store.latest_time().await?.unwrap_or(now);
            if stored > now {
                tracing::warn!(seen = %stored, "the clock shows an earlier time than the store has seen");
            }
            Ok::<_, StoreError>(AtomicI64::new(millis(stored)))
        };
        let latest = self.latest.0.get_or_try_init(seen).await?;
        let latest = latest.fetch_max(millis(now), Ordering::SeqCst).max(millis(now));
        let latest = OffsetDateTime::from_unix_timestamp_nanos(i128::from(latest) * 1_000_000);
        Ok(latest.unwrap_or(now))
    }

    /// The platform of this name as it is now.
    #[must_use]
    pub fn platform(&self, id: &PlatformId) -> Option<Arc<Platform>> {
        self.platforms.get(id)
    }

    /// A new id: never given before, and nobody can guess it.
    #[must_use]
    pub fn new_id(&self) -> String {
        self.chance.id(self.clock.now())
    }
}

/// Refusals that mean "somebody else wrote first: look again".
#[must_use]
pub fn is_race(error: &CommitError) -> bool {
    use gateway_core::change::CheckFailure;
    matches!(
        error,
        CommitError::Refused(
            CheckFailure::Matches(_)
                | CheckFailure::Version(_)
                | CheckFailure::Revision(_)
                | CheckFailure::Changed
                | CheckFailure::LeaseLost
                | CheckFailure::Erased
        )
    )
}

/// A store that cannot go on is logged once with its words; they hold no patient data.
pub fn log_store_fault(stage: &str, error: &StoreError) {
    tracing::error!(stage, error = %error, "the store failed");
}
