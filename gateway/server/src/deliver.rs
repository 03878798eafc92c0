//! Deliver, with effects: claims due rows, decides consent again, minimises, lets the adapter translate, sends, and
//! commits what `gateway-core` makes of the end. One lane for each platform, so that a slow one holds up only itself.

mod exchange;

use crate::gateway::{Gateway, Platform, is_race, log_store_fault};
use crate::pace::Open;
use crate::store::{CommitError, StoreError};
use crate::view::{Standing, View, ViewError};
use adapter_contract::Amend;
use exchange::{End, Exchanger, Prepared};
use gateway_core::amend;
use gateway_core::change::Transaction;
use gateway_core::deliver::{self, Job, Plan};
use gateway_core::fair::Turn;
use gateway_core::identity::PlatformId;
use gateway_core::outbox::{AdapterVersion, ClaimRequest, Claimed, Errand, OutboxRow};
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Runs one platform's lane until it is told to stop; then lets what is under way end.
pub async fn lane(gateway: Arc<Gateway>, platform: PlatformId, stop: CancellationToken) {
    let (mut running, mut doubt) = (JoinSet::new(), false);
    // The fence under which nothing more is found that a former holder left.
    let mut tidy = None;
    let mut bell = gateway.outbox_bell.ear(&platform);
    let mut turn = Turn::default();
    loop {
        // What rings from here on is heard below, also while rows are being claimed.
        bell.forget();
        // Each attempt translates with the adapter as it was when its row was claimed.
        let Some(now) = gateway.platform(&platform) else { break };
        let most = now.pace.at_once(gateway.limits.platform_concurrency) as usize;
        // What has ended makes room, whatever woke this loop.
        while running.try_join_next().is_some() {}
        while running.len() >= most {
            running.join_next().await;
        }
        let Some(fence) = now.pace.hold().fence() else {
            tokio::select! {
                () = stop.cancelled() => break,
                () = now.pace.hold().ours() => {}
                Some(_) = running.join_next(), if !running.is_empty() => {}
            }
            continue;
        };
        if doubt {
            // What may be leased is set free once nothing is under way under this fence.
            if running.join_next().await.is_none() {
                now.pace.hold().doubt(fence);
                doubt = false;
            }
            continue;
        }
        let open = now.pace.open();
        // What was interrupted goes first, and one by one: if one of them ends processes, it takes no other along, and whoever lives
        // for a short time only brings one to its end instead of beginning all of them.
        let careful = tidy != Some(fence);
        let most = if careful { running.len() + 1 } else { most };
        let (limit, past) = match open {
            Ok(Open::All | Open::Urgent) => (most - running.len(), Duration::ZERO),
            Ok(Open::Probe) => (1, Duration::ZERO),
            // What has waited for long is taken up although nothing may be sent: its window must end.
            Err(_) => (most - running.len(), LONG),
        };
        let which = Which { fence, interrupted: careful, urgent: open == Ok(Open::Urgent), limit, past };
        let mut claimed = claim(&gateway, &now, &which, &mut turn).await;
        if which.urgent && claimed.as_ref().is_ok_and(Vec::is_empty) {
            let waited = Which { urgent: false, past: LONG, ..which };
            claimed = claim(&gateway, &now, &waited, &mut turn).await;
        }
        let claimed = match claimed {
            Ok(claimed) => {
                if careful && claimed.is_empty() {
                    tidy = Some(fence);
                    continue;
                }
                claimed
            }
            Err(StoreError::LaneLost) => {
                now.pace.hold().lost(fence);
                continue;
            }
            Err(error) => {
                log_store_fault("deliver", &error);
                // The store's server went away: the claim may have been made.
                doubt = matches!(error, StoreError::Away(_));
                Vec::new()
            }
        };
        let idle = claimed.is_empty();
        let (suspects, others): (Vec<_>, Vec<_>) = claimed.into_iter().partition(|one| one.suspect);
        let begin = |row| attempt(Arc::clone(&gateway), Arc::clone(&now), row, stop.clone());
        for row in others {
            running.spawn(begin(row));
        }
        for mut row in suspects {
            while running.join_next().await.is_some() {}
            if stop.is_cancelled() {
                // One after the other they could outlast the time to stop. Whoever takes the lane finds them not begun.
                break;
            }
            // What dies from here on died alone, and that is on record before it can.
            if let Err(error) = gateway.commit(row.made_alone()).await {
                tracing::warn!(outbox = row.row.id, error = %error, "an attempt could not be marked as made alone");
            }
            begin(row).await;
        }
        if !idle && !stop.is_cancelled() {
            if open == Ok(Open::Probe) || careful {
                // It goes alone, to find out whether the platform answers, or whether it comes to an end at all.
                running.join_next().await;
            }
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = bell.rung() => {}
            () = until_due(&gateway, &now, open) => {}
            Some(_) = running.join_next(), if !running.is_empty() => {}
        }
    }
    while running.join_next().await.is_some() {}
}

/// Time between two tries to store the end of an attempt.
const STORE_AGAIN: Duration = Duration::from_secs(1);

/// How long something may wait for a platform that may not be asked, before it is taken up all the same.
const LONG: Duration = Duration::from_secs(30 * 60);

/// How often it is looked whether anything has become urgent, while nothing else may be asked.
const LOOK_FOR_URGENT: Duration = Duration::from_secs(60);

/// What is to be claimed.
struct Which {
    fence: u64,
    interrupted: bool,
    urgent: bool,
    limit: usize,
    /// For how long it has been due.
    past: Duration,
}

async fn claim(
    gateway: &Gateway,
    platform: &Platform,
    which: &Which,
    turn: &mut Turn,
) -> Result<Vec<Claimed>, StoreError> {
    let now = gateway.clock.now();
    // A lease outlives the longest exchange that the adapter may have: else two would send at once.
    let declared = platform.adapter.descriptor();
    // Letters that ask may be another adapter's.
    let letters = platform.status_link.as_ref().map(|way| &way.adapter.descriptor().limits);
    let limits = || std::iter::once(&declared.limits).chain(letters);
    let steps = limits().map(|limits| u64::from(limits.steps)).max().unwrap_or_default();
    let answer = limits().map(|limits| u64::from(limits.answer_seconds)).max().unwrap_or_default();
    // An attempt may hold two exchanges: the look-up and the errand.
    let wait = platform.pace.longest_wait(gateway.limits.platform_concurrency);
    let answer = Duration::from_secs(answer);
    let each = answer + platform.access.longest_wait(answer) + wait * 2;
    let longest = each * u32::try_from(2 * (steps + 1)).unwrap_or(u32::MAX) + Duration::from_secs(10);
    let lease = gateway.limits.lease.max(longest);
    let request = ClaimRequest {
        platform: platform.id.clone(),
        now,
        due_by: now - which.past,
        lease_until: now + lease,
        limit: u32::try_from(which.limit).unwrap_or(u32::MAX),
        interrupted: which.interrupted,
        urgent: which.urgent,
        turn: turn.clone(),
        lane: Some(which.fence),
        adapter: Some(AdapterVersion::of(declared)),
    };
    let claimed = gateway.store.claim(request).await?;
    for one in &claimed {
        turn.went(&one.row.tenant, one.class);
    }
    Ok(claimed)
}

/// Waits until a row may be due; without any, for as long as a lease lasts. Where the platform may not be asked before a time,
/// until then.
async fn until_due(gateway: &Gateway, platform: &Platform, open: Result<Open, OffsetDateTime>) {
    let now = gateway.clock.now();
    let longest = now + gateway.limits.lease;
    match open {
        Err(closed) => return gateway.clock.sleep_until(closed.min(longest)).await,
        // What is due is not urgent, or it would have been claimed. What becomes urgent by time alone is seen a moment later.
        Ok(Open::Urgent) => return gateway.clock.sleep_until((now + LOOK_FOR_URGENT).min(longest)).await,
        Ok(Open::All | Open::Probe) => {}
    }
    let due = match gateway.store.next_due(std::slice::from_ref(&platform.id)).await {
        Ok(due) => due.unwrap_or(longest).min(longest),
        Err(_) => longest,
    };
    // A row that is due but blocked by an earlier one is not claimed: look again soon, not at once.
    let soonest = now + Duration::from_millis(50);
    gateway.clock.sleep_until(due.max(soonest)).await;
}

/// Makes one attempt and commits its end. What could not be stored is left to the next claim: the lease runs out, and
/// the row then says that a request was under way.
async fn attempt(gateway: Arc<Gateway>, platform: Arc<Platform>, claimed: Claimed, stop: CancellationToken) {
    let outbox = claimed.row.id.clone();
    match try_attempt(&gateway, &platform, &claimed, &stop).await {
        Ok(()) => {}
        Err(AttemptError::Commit(error)) => {
            tracing::error!(outbox, error = %error, "the end of an attempt could not be stored");
        }
        Err(AttemptError::Store(error)) => log_store_fault("deliver", &error),
        Err(AttemptError::Missing(what)) => tracing::error!(outbox, what, "an outbox row points at nothing"),
        Err(AttemptError::Erased) => {
            tracing::error!(outbox, "a referral was erased while a platform was asked about it")
        }
    }
}

/// Why an attempt could not be brought to its end.
#[derive(Debug, thiserror::Error)]
enum AttemptError {
    /// Its end was not committed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// Something could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store lacks what the row refers to.
    #[error("missing: {0}")]
    Missing(&'static str),
    /// It is about what was erased.
    #[error("erased")]
    Erased,
}

async fn try_attempt(
    gateway: &Gateway,
    platform: &Platform,
    claimed: &Claimed,
    stop: &CancellationToken,
) -> Result<(), AttemptError> {
    let started = gateway.clock.now();
    let adapter = AdapterVersion::of(platform.scribe(&claimed.row.errand).0.descriptor());
    let at = Beginning { claimed, started, adapter: &adapter };
    let mut told = claimed.clone();
    let end = match decide(gateway, platform, at).await {
        Err(AttemptError::Erased) => {
            let ended = deliver::of_erased(&claimed.row, &adapter, (started, gateway.clock.now()));
            return Ok(gateway.commit(ended).await?);
        }
        decided => match decided? {
            Decided::Written => return Ok(()),
            Decided::Ended(end, carries) => {
                told = Claimed { row: OutboxRow { carries: carries.or(told.row.carries), ..told.row }, ..told };
                end
            }
        },
    };
    // What was told in it belongs to its end.
    let at = Beginning { claimed: &told, ..at };
    if let End::Failed { error, .. } | End::NotAsked(error) = &end {
        let (outbox, platform, attempt) = (&claimed.row.id, &claimed.row.platform.0, claimed.row.attempts);
        tracing::warn!(outbox, platform, attempt, code = ?error.code, "an attempt failed");
    }
    // The exchange is over; whatever happened to the referral meanwhile, its end is judged on the referral as it is now.
    let mut tries = 0;
    loop {
        let error = match conclude(gateway, platform, at, &end).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        match &error {
            AttemptError::Commit(raced)
                if is_race(raced) && !is_lost(raced) && tries < gateway.limits.conflict_retries =>
            {
                tries += 1;
            }
            // What the platform answered is known only here: as long as nobody else may take the row up, it is kept until the
            // store takes it, once there is room again, or its server.
            AttemptError::Commit(CommitError::Store(_)) | AttemptError::Store(_)
                if !stop.is_cancelled() && gateway.clock.now() < started + gateway.limits.lease =>
            {
                tracing::warn!(outbox = claimed.row.id, error = %error, "the end of an attempt waits for the store");
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = crate::clock::sleep(gateway.clock.as_ref(), STORE_AGAIN) => {}
                }
            }
            _ => return Err(error),
        }
    }
}

/// Commits what the end of an exchange means for the referral as it is now.
async fn conclude(gateway: &Gateway, platform: &Platform, at: Beginning<'_>, end: &End) -> Result<(), AttemptError> {
    let standing = Standing::load(gateway, &at.claimed.row.referral).await?;
    let job = job(gateway, platform, &standing, at);
    Ok(gateway.commit(concluded(gateway, &job, end).await?).await?)
}

/// What came of the decision before anything was sent, or of the exchange after it.
enum Decided {
    /// There was nothing to send: the end is written.
    Written,
    /// An exchange has ended, and what of the referral the platform then has, if it was told any.
    Ended(End, Option<String>),
}

/// Decides what the attempt may do, on the referral and the consents as they are at this moment, and does it.
async fn decide(gateway: &Gateway, platform: &Platform, at: Beginning<'_>) -> Result<Decided, AttemptError> {
    let claimed = at.claimed;
    let (mut tries, mut absent) = (0, false);
    loop {
        let view = View::load(gateway, &claimed.row.referral).await?;
        let (consent, unchanged) = view.attempted(gateway, platform).await?;
        let job = job(gateway, platform, &view.standing, at);
        let exchanger = Exchanger {
            gateway,
            platform,
            view: &view,
            row: &claimed.row,
            consent: &consent,
            unchanged: unchanged.as_ref(),
        };
        let mut plan = deliver::plan(&job, claimed.interrupted, &consent);
        if plan == Plan::LookUp && absent {
            plan = deliver::after_absent(&job);
        } else if plan == Plan::LookUp {
            match exchanger.look_up(&job).await? {
                // The platform took its time: what was decided before the question says nothing of now.
                End::Absent => absent = true,
                end => return Ok(Decided::Ended(end, None)),
            }
            continue;
        }
        let transaction = match plan {
            Plan::Run(progress) => match exchanger.prepare(&job) {
                Prepared::Ready(referral) => {
                    let (end, carries) = exchanger.run(&job, referral, progress).await?;
                    return Ok(Decided::Ended(end, carries));
                }
                Prepared::Not(error) => return Ok(Decided::Ended(exchange::unsent(error, progress), None)),
                Prepared::Stop(transaction) => *transaction,
                Prepared::Tell(transaction) => {
                    match gateway.commit(*transaction).await {
                        Err(error)
                            if is_race(&error) && !is_lost(&error) && tries < gateway.limits.conflict_retries =>
                        {
                            tries += 1;
                        }
                        done => done?,
                    }
                    continue;
                }
            },
            Plan::Stop(transaction) => *transaction,
            Plan::LookUp => return Err(AttemptError::Missing("an answer to the look-up")),
        };
        match gateway.commit(transaction).await {
            Err(error) if is_race(&error) && !is_lost(&error) && tries < gateway.limits.conflict_retries => tries += 1,
            done => return Ok(done.map(|()| Decided::Written)?),
        }
    }
}

/// What an attempt begins with.
#[derive(Clone, Copy)]
struct Beginning<'a> {
    claimed: &'a Claimed,
    started: OffsetDateTime,
    adapter: &'a AdapterVersion,
}

fn job<'a>(gateway: &'a Gateway, platform: &'a Platform, standing: &'a Standing, at: Beginning<'a>) -> Job<'a> {
    Job {
        referral: &standing.referral,
        row: &at.claimed.row,
        task: standing.task(),
        service_request: standing.service_request(),
        capabilities: platform.capabilities(),
        asks: platform.asks(),
        adapter: at.adapter,
        schedule: &gateway.rules.schedule,
        settle: gateway.limits.settle,
        answer: platform.answers_within(gateway.limits.answer),
        started: at.started,
        now: gateway.clock.now(),
    }
}

async fn concluded(gateway: &Gateway, job: &Job<'_>, end: &End) -> Result<Transaction, AttemptError> {
    let mut new_id = || gateway.new_id();
    Ok(match end {
        End::Delivered(_) if matches!(job.row.errand, Errand::Ask { .. }) => deliver::asked(job),
        End::Delivered(receipt) if job.row.errand == Errand::Update => match job.capabilities.amend {
            Amend::CancelAndResend => amend::replaced(job, receipt, &mut new_id),
            Amend::Update | Amend::None => amend::told(job, receipt, &mut new_id),
        },
        End::Absent if job.row.errand == Errand::Update => amend::not_told(job, NOT_THERE, None),
        End::Reports(_) if job.row.errand == Errand::Update => amend::not_told(job, NO_END, None),
        End::Delivered(receipt) => {
            let name = &receipt.platform_referral;
            let parked = gateway.store.parked_reports(&job.row.platform, name, &job.referral.key).await?;
            deliver::acknowledged(job, receipt, &parked, &mut new_id)
        }
        End::Reports(_) | End::Absent if job.row.errand == Errand::Submit => deliver::without_result(job),
        End::Reports(_) if matches!(job.row.errand, Errand::Ask { .. }) => deliver::without_result(job),
        End::Overtaken { reached } => deliver::overtaken(job, reached.clone()),
        End::NotAsked(error) => deliver::look_up_failed(job, error, gateway.chance.unit()),
        End::Reports(reports) => deliver::read_done(job, reports, &mut new_id),
        End::Absent if job.row.errand == Errand::Read => deliver::gone(job),
        End::Absent => deliver::nobody_to_tell(job),
        End::Failed { error, progress, repeat } => {
            deliver::failed(job, error, progress.clone(), *repeat, gateway.chance.unit())
        }
    })
}

/// What is said where an update found nothing to update.
const NOT_THERE: &str = "The platform no longer has it.";

/// What is said where an update came to no end.
const NO_END: &str = "The exchange ended without saying whether the platform has taken it.";

/// The lease is another's now: whatever is to be done, it is not ours.
fn is_lost(error: &CommitError) -> bool {
    matches!(error, CommitError::Refused(gateway_core::change::CheckFailure::LeaseLost))
}

impl From<ViewError> for AttemptError {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Store(error) => Self::Store(error),
            ViewError::Missing(what) => Self::Missing(what),
            ViewError::Erased => Self::Erased,
        }
    }
}
