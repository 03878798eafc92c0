//! Notify, with effects: what was stored is looked at once, and whoever on the GP's side is to be told is told: in order, durably,
//! and each on his own, so that one who does not answer delays nobody else.
//!
//! A [`Way`] is one manner of telling. It says what follows from a stored version, and tells; this file does what all share:
//! numbers, leases, repetition, and the record of what came of it.

pub mod letter;
pub mod message;
pub mod server;
pub mod subscription;

use crate::gateway::{Gateway, is_race, log_store_fault};
use crate::store::{CommitError, StoreError};
use crate::view::{Standing, View, ViewError};
use adapter_contract::{DeliveryError, FailureCode, Repeat};
use async_trait::async_trait;
use gateway_core::change::{AuditRecord, Change, Removed, Transaction};
use gateway_core::classify::{self, Class};
use gateway_core::follow_up::{self, Cause, FollowUp, Opening};
use gateway_core::identity::{Compartment, GATEWAY_AUTHOR};
use gateway_core::notify::{self, Bounds, Destination, Fed, Notice, NoticeState, Taken, Told, Wanted, What, numbered};
use gateway_core::resource::{ResourceKey, ResourceVersion};
use serde_json::json;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use time::OffsetDateTime;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// Notices of one queue that are looked at; more than a resource ever has.
const QUEUED: u32 = 10_000;
/// Versions that are looked at in one turn.
const FED_AT_ONCE: u32 = 64;

/// A manner of telling somebody on the GP's side.
#[async_trait]
pub trait Way: Send + Sync {
    /// Whether new versions of this compartment may concern it.
    fn is_fed(&self, compartment: &Compartment) -> bool;

    /// Whether it tells this destination.
    fn tells(&self, destination: &Destination) -> bool;

    /// Who is to be told of a version, and of what. It must answer the same for the same version.
    ///
    /// # Errors
    /// When the store fails.
    async fn follows(&self, gateway: &Gateway, fed: &Fed, version: &ResourceVersion)
    -> Result<Vec<Wanted>, StoreError>;

    /// Tells. Whether it may still be told is decided here, at the time of telling.
    ///
    /// # Errors
    /// When the store fails: the notice is then begun anew once its lease is over.
    async fn tell(&self, gateway: &Gateway, notice: &Notice) -> Result<Told, StoreError>;

    /// What else is written with the end of an attempt. `notice` is as it will stand. Asked anew when somebody else wrote first.
    ///
    /// # Errors
    /// When the store fails.
    async fn settle(&self, _gateway: &Gateway, _notice: &Notice, _told: &Told) -> Result<Transaction, StoreError> {
        Ok(Transaction::default())
    }
}

/// The referral as it stands now, for whoever is to be told of it; or why there is nothing to tell.
pub(crate) async fn view(gateway: &Gateway, notice: &Notice) -> Result<Result<View, Told>, StoreError> {
    let Some(id) = &notice.referral else { return Ok(Err(Told::Never("The notice names no referral.".to_owned()))) };
    Ok(match View::load(gateway, id).await {
        Ok(view) => Ok(view),
        Err(ViewError::Store(error)) => return Err(error),
        Err(ViewError::Erased) => Err(Told::NotWanted("The record was erased.".to_owned())),
        Err(ViewError::Missing(what)) => Err(Told::Never(format!("The {what} of the referral is not there."))),
    })
}

/// What a failure of the way there means. Whatever is told is told by requests that can be sent again; credentials and certificates
/// are mended without what is told being another.
pub(crate) fn failed(error: &DeliveryError) -> Told {
    let failure = error.diagnostic.clone();
    let mended = matches!(error.code, FailureCode::HttpStatus(401 | 403) | FailureCode::TlsRefused);
    match classify::class_of(&error.code, Some(Repeat::Keyed)) {
        Class::Permanent if !mended => Told::Never(failure),
        _ => Told::Later { failure, retry_after: error.retry_after_seconds },
    }
}

/// How long an answer asks to be left alone, in seconds.
pub(crate) fn asked_to_wait(gateway: &Gateway, status: u16, headers: &[(String, String)]) -> Option<u32> {
    let wait = crate::pace::asked_to_wait(status, headers, gateway.clock.now())?;
    u32::try_from(wait.as_secs()).ok()
}

/// The ways that are configured.
#[derive(Default, Clone)]
pub struct Ways(Vec<Arc<dyn Way>>);

impl Ways {
    /// These.
    #[must_use]
    pub fn new(ways: Vec<Arc<dyn Way>>) -> Self {
        Self(ways)
    }

    /// And this one.
    pub fn add(&mut self, way: Arc<dyn Way>) {
        self.0.push(way);
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is fed with these changes: new versions in whose compartment somebody may have to be told.
    #[must_use]
    pub fn feed(&self, changes: &[Change]) -> Vec<Change> {
        let fed = changes.iter().filter_map(|change| match change {
            Change::PutResource(version) if gateway_core::notify::FED.contains(&version.key.kind.as_str()) => {
                self.0.iter().any(|way| way.is_fed(&version.key.compartment)).then(|| {
                    let (key, at) = (version.key.clone(), version.updated);
                    Change::Feed(Fed { place: 0, key, version: version.version, at })
                })
            }
            _ => None,
        });
        fed.collect()
    }

    fn of(&self, destination: &Destination) -> Option<Arc<dyn Way>> {
        self.0.iter().find(|way| way.tells(destination)).cloned()
    }
}

/// Looks, and tells, until it is told to stop.
pub(crate) async fn worker(gateway: Arc<Gateway>, stop: CancellationToken) {
    let mut under_way = UnderWay::default();
    let mut unread = Unread::default();
    loop {
        let fed = match feed(&gateway, &mut unread).await {
            Ok(fed) => fed,
            Err(error) => {
                log_store_fault("notify", &error);
                false
            }
        };
        if let Err(error) = begin(&gateway, &mut under_way).await {
            log_store_fault("notify", &error);
        }
        if stop.is_cancelled() {
            break;
        }
        if fed {
            continue;
        }
        let latest = gateway.clock.now() + gateway.limits.lease;
        // What is due and not begun waits for somebody who is under way to end, and not for its time.
        let next = match gateway.store.next_notice().await {
            Ok(Some(due)) if due > gateway.clock.now() => due.min(latest),
            _ => latest,
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = gateway.notice_bell.notified() => {}
            () = gateway.clock.sleep_until(next) => {}
            () = under_way.one_ended() => {}
        }
    }
    // Whoever is being told is told to the end, or within the time that the whole gateway has.
    tokio::select! {
        () = under_way.all_ended() => {}
        () = crate::clock::sleep(gateway.clock.as_ref(), gateway.limits.drain) => {}
    }
}

/// What was fed and could not be looked at, as something that a newer gateway has written: it stays, is tried again once a lease is
/// over, and hides nothing that is behind it.
#[derive(Default)]
struct Unread {
    places: BTreeSet<u64>,
    again: Option<OffsetDateTime>,
}

/// Looks at what was stored; true if there was something.
async fn feed(gateway: &Gateway, unread: &mut Unread) -> Result<bool, StoreError> {
    let now = gateway.clock.now();
    if unread.again.is_some_and(|again| again <= now) {
        *unread = Unread::default();
    }
    let aside = u32::try_from(unread.places.len()).unwrap_or(u32::MAX);
    let rows = gateway.store.feed(FED_AT_ONCE.saturating_add(aside)).await?;
    let rows: Vec<Fed> = rows.into_iter().filter(|fed| !unread.places.contains(&fed.place)).collect();
    if rows.is_empty() {
        return Ok(false);
    }
    let (mut wanted, mut done) = (Vec::new(), Vec::new());
    for fed in &rows {
        match follows(gateway, fed).await {
            Ok(follows) => {
                wanted.extend(follows);
                done.push(Removed::Fed(fed.place));
            }
            Err(StoreError::Engine(words)) => {
                tracing::error!(
                    place = fed.place,
                    error = words,
                    "nobody can be told of a version that cannot be read; it is kept"
                );
                unread.places.insert(fed.place);
                unread.again = Some(now + gateway.limits.lease);
            }
            Err(error) => return Err(error),
        }
    }
    let mut changes = make(gateway, wanted).await?;
    changes.push(Change::Remove(done));
    match gateway.commit(Transaction { checks: Vec::new(), changes }).await {
        Ok(()) => Ok(true),
        // Another instance has looked at the same.
        Err(error) if is_race(&error) => Ok(true),
        Err(CommitError::Store(error)) => Err(error),
        Err(CommitError::Refused(refused)) => Err(StoreError::Engine(refused.to_string())),
    }
}

/// Who is to be told of what was fed.
async fn follows(gateway: &Gateway, fed: &Fed) -> Result<Vec<Wanted>, StoreError> {
    // Erased since then: there is nothing to tell.
    let Some(version) = gateway.store.resource(&fed.key, Some(fed.version)).await? else { return Ok(Vec::new()) };
    let mut wanted = Vec::new();
    for way in gateway.ways.0.iter().filter(|way| way.is_fed(&fed.key.compartment)) {
        wanted.extend(way.follows(gateway, fed, &version).await?);
    }
    Ok(wanted)
}

/// New notices, numbered behind those that stand; what was made before is not made again.
///
/// # Errors
/// When the store fails.
pub(crate) async fn make(gateway: &Gateway, wanted: Vec<Wanted>) -> Result<Vec<Change>, StoreError> {
    let (now, schedule) = (gateway.clock.now(), &gateway.rules.schedule);
    let mut fresh: Vec<Wanted> = Vec::new();
    let mut names = BTreeSet::new();
    for one in wanted {
        let id = one.clone().notice(0, now, schedule).id;
        let made = !one.what.is_named_by_number() && gateway.store.notice(&id).await?.is_some();
        if !made && (one.what.is_named_by_number() || names.insert(id)) {
            fresh.push(one);
        }
    }
    let mut last = BTreeMap::new();
    for one in &fresh {
        let queue = one.destination.queue(&one.compartment);
        if let Entry::Vacant(place) = last.entry(queue) {
            let number = gateway.store.last_notice(place.key()).await?;
            place.insert(number);
        }
    }
    let notices = numbered(fresh, &mut |queue| last.get(queue).copied().unwrap_or_default(), now, schedule);
    Ok(notices.into_iter().map(|notice| Change::PutNotice(Box::new(notice))).collect())
}

/// Who is being told.
#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<()>,
    /// What each takes.
    of: HashMap<Id, Taken>,
}

impl UnderWay {
    fn has_room(&self, gateway: &Gateway, next: &Taken) -> bool {
        let (each, tenant, all) = gateway.limits.notices_at_once;
        notify::has_room(Bounds { each, tenant, all }, self.of.values(), next)
    }

    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            // Its notice is begun anew once its lease is over.
            Err(error) => {
                tracing::error!(error = %error, "telling ended by a fault of the gateway");
                error.id()
            }
        };
        self.of.remove(&id);
    }

    async fn one_ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(ended) => self.ended(ended),
            None => std::future::pending().await,
        }
    }

    async fn all_ended(&mut self) {
        while let Some(ended) = self.tasks.join_next_with_id().await {
            self.ended(ended);
        }
    }
}

/// Begins what is due, as far as there is room.
async fn begin(gateway: &Arc<Gateway>, under_way: &mut UnderWay) -> Result<(), StoreError> {
    while let Some(ended) = under_way.tasks.try_join_next_with_id() {
        under_way.ended(ended);
    }
    let (each, ..) = gateway.limits.notices_at_once;
    for notice in gateway.store.due_notices(gateway.clock.now(), each).await? {
        let takes = Taken::by(&notice);
        if !under_way.has_room(gateway, &takes) {
            continue;
        }
        let now = gateway.clock.now();
        if let Some(dead) = notice.given_up(now) {
            tracing::error!(notice = dead.id, "telling came to no end time after time; a person has to look");
            end(gateway, None, &notice, &dead, None).await?;
            continue;
        }
        let notice = notice.begun(now + gateway.limits.lease);
        let changes = vec![Change::PutNotice(Box::new(notice.clone()))];
        match gateway.store.commit(Transaction { checks: Vec::new(), changes }).await {
            Ok(()) => {}
            Err(CommitError::Store(error)) => return Err(error),
            // Another instance was first.
            Err(CommitError::Refused(_)) => continue,
        }
        let gateway = Arc::clone(gateway);
        let task = under_way.tasks.spawn(async move {
            if let Err(error) = tell(&gateway, &notice).await {
                log_store_fault("notify", &error);
            }
        });
        under_way.of.insert(task.id(), takes);
    }
    Ok(())
}

/// Tells one notice, and writes down what came of it.
async fn tell(gateway: &Gateway, notice: &Notice) -> Result<(), StoreError> {
    let way = gateway.ways.of(&notice.destination);
    let told = match &way {
        None => Told::Never("Nothing is configured any more that tells this destination.".to_owned()),
        Some(way) => {
            // Well before somebody else may begin it.
            let patience = gateway.limits.lease / 2;
            tokio::select! {
                told = way.tell(gateway, notice) => told?,
                () = crate::clock::sleep(gateway.clock.as_ref(), patience) => Told::Later {
                    failure: "The destination did not answer in time.".to_owned(),
                    retry_after: None,
                },
            }
        }
    };
    let next = notice.after(&told, gateway.clock.now(), &gateway.rules.schedule, gateway.chance.unit());
    if next.state == NoticeState::Dead {
        let (id, way) = (&next.id, next.destination.word());
        tracing::warn!(notice = id, way, "somebody on the GP's side could not be told; a person has to look");
    }
    end(gateway, way.as_deref(), notice, &next, Some(&told)).await
}

/// Writes down how an attempt ended. `notice` is as it stands, `next` as it will.
async fn end(
    gateway: &Gateway,
    way: Option<&dyn Way>,
    notice: &Notice,
    next: &Notice,
    told: Option<&Told>,
) -> Result<(), StoreError> {
    for _ in 0..=gateway.limits.conflict_retries {
        let Transaction { checks, mut changes } = match (way, told) {
            (Some(way), Some(told)) => way.settle(gateway, next, told).await?,
            _ => Transaction::default(),
        };
        changes.extend(worry(gateway, next).await?);
        changes.push(Change::PutNotice(Box::new(next.clone())));
        if next.state != NoticeState::Waiting {
            changes.push(line(gateway, next));
        }
        match gateway.commit(Transaction { checks, changes }).await {
            Ok(()) => return Ok(()),
            Err(error) if is_race(&error) => {
                let standing = gateway.store.notice(&notice.id).await?;
                if standing.is_none_or(|standing| standing.revision != notice.revision) {
                    // Its lease ran out, and it is another's now.
                    return Ok(());
                }
            }
            Err(CommitError::Store(error)) => return Err(error),
            Err(CommitError::Refused(refused)) => return Err(StoreError::Engine(refused.to_string())),
        }
    }
    Ok(())
}

/// A person is asked to look where somebody cannot be told; and is told when the same has been told after all, by a later notice of the
/// same queue. That somebody could not be told of just that opens nothing more. A letter does all this by itself.
async fn worry(gateway: &Gateway, next: &Notice) -> Result<Vec<Change>, StoreError> {
    let (Some(id), What::Version { id: about, .. }) = (&next.referral, &next.what) else { return Ok(Vec::new()) };
    let is_letter = matches!(next.destination, Destination::Letter { .. });
    if is_letter || !matches!(next.state, NoticeState::Dead | NoticeState::Sent) {
        return Ok(Vec::new());
    }
    let Some(mut referral) = gateway.store.referral(id).await? else { return Ok(Vec::new()) };
    let is_worry = |one: &&FollowUp| one.cause == Cause::NotNotified;
    if referral.follow_ups.iter().any(|one| is_worry(&one) && one.task == *about) {
        return Ok(Vec::new());
    }
    let open: BTreeSet<String> = referral.open_follow_ups().filter(is_worry).map(|one| one.task.clone()).collect();
    if next.state == NoticeState::Sent && open.is_empty() {
        return Ok(Vec::new());
    }
    let queue = gateway.store.notices(&next.queue(), 0, QUEUED).await?;
    let own: Vec<String> =
        queue.iter().map(|notice| follow_up::id(&referral, Cause::NotNotified, &notice.id)).collect();
    let own: Vec<String> = own.into_iter().filter(|task| open.contains(task)).collect();
    let now = gateway.clock.now();
    let mut changes = Vec::new();
    if next.state == NoticeState::Sent {
        for task in &own {
            let key =
                ResourceKey { compartment: referral.compartment.clone(), kind: "Task".to_owned(), id: task.clone() };
            let Some(stored) = gateway.store.resource(&key, None).await? else { continue };
            let Some(document) = crate::ingest::parse(&stored) else { continue };
            let standing = (task.as_str(), stored.version, &document);
            changes.extend(follow_up::settled(&mut referral, standing, "It was told after all.", now));
        }
    } else if own.is_empty() {
        let standing = match Standing::load(gateway, id).await {
            Ok(standing) => standing,
            Err(ViewError::Store(error)) => return Err(error),
            Err(ViewError::Erased | ViewError::Missing(_)) => return Ok(Vec::new()),
        };
        referral = standing.referral.clone();
        let documents = (standing.task().1, standing.service_request().1);
        let opening = Opening { detail: next.last_failure.as_deref(), ..Opening::new(Cause::NotNotified, &next.id) };
        changes = follow_up::open(&mut referral, documents, &opening, now);
    }
    if !changes.is_empty() {
        referral.revision += 1;
        changes.push(Change::PutReferral(Box::new(referral)));
    }
    Ok(changes)
}

fn line(gateway: &Gateway, notice: &Notice) -> Change {
    Change::Audit(AuditRecord {
        tenant: notice.tenant().clone(),
        at: gateway.clock.now(),
        actor: GATEWAY_AUTHOR.to_owned(),
        action: "notify".to_owned(),
        referral: notice.referral.clone(),
        detail: json!({
            "way": notice.destination.word(),
            "to": notice.destination.party(),
            "what": notice.what,
            "number": notice.sequence,
            "attempts": notice.attempts,
            "state": notice.state.word(),
        }),
    })
}
