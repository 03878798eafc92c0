//! Reconcile, with effects: asks platforms what they say now, has `gateway-core` compare it with the GP's Task and with what is known
//! here, and commits what it makes of the differences. Every night, and when an operator asks.
//!
//! It asks within the platform's pace, one question after the other and never as something urgent; one comparison with a platform at a
//! time, by the instance that holds its lane. How far the night's is stands with the lane: whoever holds it next goes on from there.

use crate::gateway::{Gateway, Platform, is_race, log_store_fault};
use crate::pace::Open;
use crate::status::ask;
use crate::store::{CommitError, ReferralFilter, StoreError};
use crate::view::{View, ViewError};
use adapter_contract::{DeliveryError, Exchange, FailureCode, Keys, Purpose, Reading, Receipt, StatusReport, Step};
use gateway_core::change::{Change, Disposition, Transaction};
use gateway_core::consent::{Stage, Verdict};
use gateway_core::identity::{GATEWAY_AUTHOR, Owner, PlatformId, TenantId};
use gateway_core::lane::Night;
use gateway_core::reconcile::{
    Compared, Finding, Mend, There, compare, is_moving, is_worth_comparing, next_night, sent_version,
};
use gateway_core::referral::{Delivery, Referral, ReferralId};
use gateway_core::resource::ResourceKey;
use gateway_fhir::{Json, instant};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use time::Time;
use tokio_util::sync::CancellationToken;

/// The lists of referrals that a platform may have, by delivery, in the order in which they are gone through.
const LISTS: [&str; 3] = ["delivered", "dead-letter", "withdrawn"];

/// Referrals that are read together from the store.
const PAGE: u32 = 100;

/// Statements that nobody could place, of one look.
const PARKED: u32 = 10_000;

/// How long the nightly comparison waits for what else is to be done at its platform, before it goes on all the same: what is blocked
/// behind a dead letter counts as due for ever.
const GIVES_WAY: u32 = 20;
/// Time between two looks whether there is anything.
const LOOK: Duration = Duration::from_millis(500);

/// Referrals of the night that are compared before it is looked whether something else is to be done.
const TOGETHER: usize = 10;

/// So often in a row a platform may not be asked before the night is given up.
const IN_VAIN: u32 = 60;

/// Time between two tries when the store or the platform does not answer and says nothing of when it will.
const AGAIN: Duration = Duration::from_secs(60);

/// A place in the lists: which list, and behind which referral.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    list: usize,
    after: Option<ReferralId>,
}

impl Place {
    /// As it is written for whoever asks page by page.
    pub(crate) fn to_text(&self) -> String {
        format!("{}:{}", self.list, self.after.as_ref().map_or("", |id| &id.0))
    }

    /// Reads it again; `None` if it is none.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (list, after) = text.split_once(':')?;
        let list = list.parse().ok().filter(|list| *list < LISTS.len())?;
        Some(Self { list, after: (!after.is_empty()).then(|| ReferralId(after.to_owned())) })
    }

    /// The referral behind which it is.
    pub(crate) const fn referral(&self) -> Option<&ReferralId> {
        self.after.as_ref()
    }

    fn behind(&self, id: &ReferralId) -> Self {
        Self { list: self.list, after: Some(id.clone()) }
    }

    fn next_list(&self) -> Option<Self> {
        (self.list + 1 < LISTS.len()).then_some(Self { list: self.list + 1, after: None })
    }
}

/// What is compared, and how.
pub(crate) struct Wanted {
    /// Only of this customer.
    pub(crate) tenant: Option<TenantId>,
    /// Only with this platform.
    pub(crate) platform: Option<PlatformId>,
    /// Whether nothing is to be written.
    pub(crate) dry_run: bool,
    /// From where on.
    pub(crate) from: Place,
    /// At most so many referrals.
    pub(crate) limit: usize,
    /// Whether to stop in front of a referral whose platform may not be asked now, instead of comparing what is known of it here.
    pub(crate) patient: bool,
    /// No new one is begun after this time on the clock that never goes back.
    pub(crate) until: Duration,
    /// Who does it, as audit names it.
    pub(crate) author: String,
}

/// What came of one referral whose records differ, or whose platform could not be asked.
pub(crate) struct Line {
    /// The sender's Task.
    pub(crate) task: String,
    /// The sender's organisation.
    pub(crate) organisation: String,
    /// Its platform.
    pub(crate) platform: PlatformId,
    /// Differences.
    pub(crate) findings: Vec<Finding>,
    /// Why the platform was not asked, if it was to be.
    pub(crate) not_asked: Option<DeliveryError>,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Done {
    /// Referrals that were compared.
    pub(crate) compared: usize,
    /// Those that differ, and those whose platform could not be asked.
    pub(crate) lines: Vec<Line>,
    /// From where to go on; absent at the end.
    pub(crate) next: Option<Place>,
}

/// Compares what is wanted, each referral in a transaction of its own: one that cannot be compared hinders no other.
///
/// # Errors
/// When the store fails; what was repaired before stays so.
pub(crate) async fn run(gateway: &Gateway, wanted: &Wanted) -> Result<Done, StoreError> {
    let mut done = Done::default();
    let mut place = wanted.from.clone();
    loop {
        let page = page(gateway, wanted.tenant.as_ref(), &place).await?;
        let full = page.len() == PAGE as usize;
        for referral in page {
            let here = place.behind(&referral.id);
            let Some(platform) = meant(gateway, wanted.platform.as_ref(), &referral) else {
                place = here;
                continue;
            };
            if done.compared == wanted.limit || gateway.clock.elapsed() > wanted.until {
                done.next = Some(place);
                return Ok(done);
            }
            let compared = {
                let _one_at_a_time = platform.pace.comparing().lock().await;
                one(gateway, &platform, &referral, wanted.dry_run, &wanted.author).await?
            };
            if let Some(line) = compared {
                if wanted.patient && line.not_asked.as_ref().is_some_and(is_for_now) {
                    done.lines.push(line);
                    done.next = Some(place);
                    return Ok(done);
                }
                done.compared += 1;
                if !line.findings.is_empty() || line.not_asked.is_some() {
                    done.lines.push(line);
                }
            }
            place = here;
        }
        if full {
            continue;
        }
        match place.next_list() {
            Some(next) => place = next,
            None => return Ok(done),
        }
    }
}

async fn page(gateway: &Gateway, tenant: Option<&TenantId>, place: &Place) -> Result<Vec<Referral>, StoreError> {
    let filter = ReferralFilter {
        tenant: tenant.cloned(),
        delivery: LISTS.get(place.list).map(|word| (*word).to_owned()),
        after: place.after.clone(),
        limit: PAGE,
        ..ReferralFilter::default()
    };
    gateway.store.referrals(&filter).await
}

fn meant(gateway: &Gateway, platform: Option<&PlatformId>, referral: &Referral) -> Option<Arc<Platform>> {
    let own = referral.platform.as_ref()?;
    if platform.is_some_and(|platform| platform != own) {
        return None;
    }
    gateway.platform(own)
}

/// Compares one referral; `None` if there is nothing to compare, or it is moving at this moment.
async fn one(
    gateway: &Gateway,
    platform: &Platform,
    referral: &Referral,
    dry_run: bool,
    author: &str,
) -> Result<Option<Line>, StoreError> {
    let id = &referral.id;
    let outbox = gateway.store.outbox(id).await?;
    if !is_worth_comparing(referral, &outbox) || is_moving(&gateway.store.reports(id).await?, &outbox) {
        return Ok(None);
    }
    let (there, not_asked) = match asked(gateway, platform, referral).await {
        Ok(there) => (there, None),
        Err(error) => (Answer::Unasked, Some(error)),
    };
    // The platform took its time: what stands is read now, and of one moment.
    let view = match View::load(gateway, id).await {
        Ok(view) => view,
        Err(ViewError::Store(error)) => return Err(error),
        Err(ViewError::Erased) => return Ok(None),
        Err(ViewError::Missing(what)) => {
            tracing::error!(referral = id.0, what, "a referral points at nothing");
            return Ok(None);
        }
    };
    let standing = &view.standing;
    let (reports, outbox) = (gateway.store.reports(id).await?, gateway.store.outbox(id).await?);
    if !is_worth_comparing(&standing.referral, &outbox) || is_moving(&reports, &outbox) {
        return Ok(None);
    }
    let consents = view.consents(gateway).await?;
    let needs = &platform.adapter.descriptor().data_needs;
    let consent = view.decision(gateway, &platform.id, needs, Stage::Relay, &consents, &BTreeMap::new()).await?;
    let sent = sent_request(gateway, platform, referral, standing.service_request().0).await?;
    let mut compared = compare(
        &Compared {
            referral: &standing.referral,
            task: standing.task(),
            service_request: (
                standing.service_request(),
                sent.as_ref().map(|(version, document)| (*version, document)),
            ),
            reports: &reports,
            outbox: &outbox,
            there: there.there(),
            capabilities: platform.capabilities(),
            permitted: consent.verdict == Verdict::Permit,
            kept: view.kept(gateway, platform, &consents).await?,
            schedule: &gateway.rules.schedule,
            author,
            now: gateway.clock.now(),
        },
        &mut || gateway.new_id(),
    );
    let organisation = match &referral.compartment.owner {
        Owner::Organisation(code) => code.clone(),
        Owner::Platform(platform) => platform.0.clone(),
    };
    let (task, platform) = (referral.task.clone(), platform.id.clone());
    let line = Line { task, organisation, platform, findings: compared.findings, not_asked };
    if dry_run || compared.transaction.changes.is_empty() {
        return Ok(Some(line));
    }
    // It is shown by what consent lets be shown now.
    compared.transaction.checks.extend(view.unchanged(&consents));
    match gateway.commit(compared.transaction).await {
        Ok(()) => Ok(Some(line)),
        Err(CommitError::Store(error)) => Err(error),
        // Somebody else wrote: it moves, and is compared the next time.
        Err(error) => {
            tracing::debug!(referral = id.0, race = is_race(&error), "a comparison came too late");
            Ok(None)
        }
    }
}

/// What a platform answered.
enum Answer {
    Says(Vec<StatusReport>),
    Found(Receipt),
    Absent,
    Unasked,
}

impl Answer {
    fn there(&self) -> There<'_> {
        match self {
            Self::Says(reports) => There::Says(reports),
            Self::Found(receipt) => There::Found(receipt),
            Self::Absent => There::Absent,
            Self::Unasked => There::Unasked,
        }
    }
}

/// Asks the platform for the referral: by its own name where it has acknowledged it, else, and where it does not have it so, by our key.
/// Both only read, and say nothing of the person.
async fn asked(gateway: &Gateway, platform: &Platform, referral: &Referral) -> Result<Answer, DeliveryError> {
    // What collects from us has no address, and writes its Task here itself.
    if platform.base_url.is_empty() {
        return Ok(Answer::Unasked);
    }
    let accepted_at = instant::to_instant(referral.accepted_at);
    let keys = Keys { idempotency: &referral.key, correlation: &referral.correlation };
    let exchange =
        |purpose| Exchange { purpose, at: None, keys, settings: &platform.settings, accepted_at: &accepted_at };
    let delivered = matches!(referral.delivery, Delivery::Delivered { .. });
    let look_up = platform.capabilities().look_up;
    if let Some(platform_referral) = referral.platform_referral.as_ref().filter(|_| delivered) {
        let read = ask(gateway, platform, &exchange(Purpose::Read { platform_referral })).await;
        match read {
            Ok(Step::Absent) if look_up => {}
            Ok(Step::Absent) => return Ok(Answer::Absent),
            Ok(Step::Reports(page)) => {
                let reports: Vec<StatusReport> = page.readings.into_iter().filter_map(status).collect();
                // An adapter that has no such question answers it with nothing.
                return Ok(if reports.is_empty() { Answer::Unasked } else { Answer::Says(reports) });
            }
            Err(error) if error.code == FailureCode::Untranslatable => return Ok(Answer::Unasked),
            Err(error) => return Err(error),
            Ok(_) => return Ok(Answer::Unasked),
        }
    }
    if !look_up {
        return Ok(Answer::Unasked);
    }
    match ask(gateway, platform, &exchange(Purpose::LookUp)).await {
        Ok(Step::Delivered(receipt)) => Ok(Answer::Found(receipt)),
        Ok(Step::Absent) => Ok(Answer::Absent),
        Err(error) if error.code == FailureCode::Untranslatable => Ok(Answer::Unasked),
        Err(error) => Err(error),
        Ok(_) => Ok(Answer::Unasked),
    }
}

fn status(reading: Reading) -> Option<StatusReport> {
    match reading {
        Reading::Status(report) => Some(report),
        Reading::Changed(_) => None,
    }
}

/// The ServiceRequest as its platform was given it last, where that is not the version that stands.
async fn sent_request(
    gateway: &Gateway,
    platform: &Platform,
    referral: &Referral,
    stands: u64,
) -> Result<Option<(u64, Json)>, StoreError> {
    let audit = gateway.store.audit(&referral.id).await?;
    let Some(version) = sent_version(&audit, &platform.id).filter(|version| *version != stands) else {
        return Ok(None);
    };
    let key = ResourceKey {
        compartment: referral.compartment.clone(),
        kind: "ServiceRequest".to_owned(),
        id: referral.service_request.clone(),
    };
    let stored = gateway.store.resource(&key, Some(version)).await?;
    Ok(stored.and_then(|stored| Some((version, crate::ingest::parse(&stored)?))))
}

/// Looks again whether statements that nobody could place when they came belong to a referral by now; how many still do not.
async fn place_parked(gateway: &Gateway, platform: &PlatformId) -> Result<usize, StoreError> {
    let mut left = 0;
    for mut record in gateway.store.parked(gateway.clock.now(), PARKED).await? {
        if *platform != record.platform {
            continue;
        }
        let (name, key) = (record.report.platform_referral.clone(), record.report.key.clone());
        let referral = gateway.store.referral_at_platform(&record.platform, &name, key.as_ref()).await?;
        let Some(referral) = referral.filter(|referral| referral.erased.is_none() && !record.is_only_changed()) else {
            left += 1;
            continue;
        };
        record.referral = Some(referral.id.clone());
        record.disposition = Disposition::Recorded;
        if referral.recall.is_some() {
            gateway_core::withdraw::strip(&mut record.report);
        }
        let changes = vec![Change::RecordReport(Box::new(record))];
        match gateway.commit(Transaction { checks: Vec::new(), changes }).await {
            Err(CommitError::Store(error)) => return Err(error),
            // An erasure came between: nothing of it is taken any more.
            Ok(()) | Err(CommitError::Refused(_)) => {}
        }
    }
    Ok(left)
}

/// Compares everything of one platform every night at this time, until it is told to stop.
pub(crate) async fn nightly(gateway: Arc<Gateway>, platform: PlatformId, at: Time, stop: CancellationToken) {
    while let Some(now) = gateway.platform(&platform) {
        let due = async {
            now.pace.hold().ours().await;
            let night = now.pace.night();
            let begins = match &night {
                // It was interrupted.
                Some(night) if night.at.is_some() => gateway.clock.now(),
                Some(night) => next_night(at, night.due.min(gateway.clock.now())),
                None => next_night(at, gateway.clock.now()),
            };
            gateway.clock.sleep_until(begins).await;
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = due => {}
        }
        if now.pace.hold().fence().is_none() {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = night(&gateway, &now) => {}
        }
    }
}

/// One night, or what is left of it; ends early where the lane becomes another's.
async fn night(gateway: &Gateway, platform: &Platform) {
    let pace = &platform.pace;
    let reached = pace.night().filter(|night| night.at.is_some());
    let (due, at) = reached.map_or((gateway.clock.now(), None), |night| (night.due, night.at));
    let (list, after) = at.filter(|(list, _)| *list < LISTS.len()).unwrap_or_default();
    let mut place = Place { list, after };
    let (mut compared, mut repaired, mut raised, mut in_vain) = (0, 0, 0, 0);
    loop {
        pace.reached(Night { due, at: Some((place.list, place.after.clone())) });
        give_way(gateway, platform).await;
        if pace.hold().fence().is_none() {
            return;
        }
        let wanted = Wanted {
            tenant: None,
            platform: Some(platform.id.clone()),
            dry_run: false,
            from: place.clone(),
            limit: TOGETHER,
            patient: true,
            until: Duration::MAX,
            author: GATEWAY_AUTHOR.to_owned(),
        };
        let done = match run(gateway, &wanted).await {
            Ok(done) => done,
            Err(error) => {
                log_store_fault("reconcile", &error);
                crate::clock::sleep(gateway.clock.as_ref(), AGAIN).await;
                continue;
            }
        };
        let unasked = done.lines.iter().filter_map(|line| line.not_asked.as_ref()).find(|error| is_for_now(error));
        if let Some(error) = unasked {
            // The platform may not be asked now: it is left alone, and the same referral is compared again.
            in_vain += 1;
            if in_vain > IN_VAIN {
                tracing::warn!(platform = %platform.id, compared, "the nightly comparison was given up: the platform could not be asked");
                break;
            }
            let wait = error.retry_after_seconds.map_or(AGAIN, |seconds| Duration::from_secs(u64::from(seconds)));
            crate::clock::sleep(gateway.clock.as_ref(), wait.max(AGAIN)).await;
        } else {
            in_vain = 0;
        }
        compared += done.compared;
        for finding in done.lines.iter().flat_map(|line| &line.findings) {
            match finding.mend {
                Mend::Repaired(_) => repaired += 1,
                Mend::Raised(_) => raised += 1,
                Mend::Known(_) => {}
            }
        }
        match done.next {
            Some(next) => place = next,
            None => break,
        }
    }
    match place_parked(gateway, &platform.id).await {
        Ok(left) if left > 0 => {
            tracing::warn!(platform = %platform.id, left, "statements of a platform belong to no referral: see `reports parked`");
        }
        Ok(_) => {}
        Err(error) => log_store_fault("reconcile", &error),
    }
    pace.reached(Night { due, at: None });
    tracing::info!(platform = %platform.id, compared, repaired, raised, "the nightly comparison is done");
}

/// Whether nothing was asked, for want of a connection or a turn: that says nothing of this referral.
fn is_for_now(error: &DeliveryError) -> bool {
    error.code == FailureCode::NotConnected
}

/// Lets everything else that is due at the platform go first, and waits while it may not be asked.
async fn give_way(gateway: &Gateway, platform: &Platform) {
    for _ in 0..GIVES_WAY {
        let wait = match platform.pace.open() {
            Err(until) => Duration::try_from(until - gateway.clock.now()).unwrap_or(LOOK),
            Ok(Open::Urgent | Open::Probe) => AGAIN,
            Ok(Open::All) => match gateway.store.next_due(std::slice::from_ref(&platform.id)).await {
                Ok(Some(due)) if due <= gateway.clock.now() => LOOK,
                _ => return,
            },
        };
        crate::clock::sleep(gateway.clock.as_ref(), wait.max(LOOK)).await;
    }
}
