//! Several instances over one store, each platform asked by one at a time. Simulated: one model of a store that all share, one
//! clock that a test moves, and for each instance a gate that freezes it as SIGSTOP does.

use crate::pace::with_priority;
use crate::support::{Setup, World, bundle, eventually, settle};
use adapter_contract::{Answer, DeliveryError, HttpRequest};
use async_trait::async_trait;
use conformance_tests::platform::{FhirPlatform, PlatformConfig};
use gateway_core::change::{Change, Transaction};
use gateway_core::outbox::{ClaimRequest, Claimed};
use gateway_core::waiting::Waiting;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use time::macros::datetime;
use tokio::sync::watch;
use vcse_gateway::clock::{Clock, ManualClock};
use vcse_gateway::gateway::Platform;
use vcse_gateway::store::memory::MemoryStore;
use vcse_gateway::store::watched::{Watched, Watcher};
use vcse_gateway::store::{CommitError, Store, StoreError};
use vcse_gateway::transport::{HttpTransport, Names, Transport};
use vcse_gateway::waiting;

/// Where an instance freezes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Nowhere.
    Nowhere,
    /// As it claims.
    Claim,
    /// Before the commit that lets a request go.
    Before,
    /// Behind it.
    Behind,
}

/// What stands between one instance and the store.
struct Gate {
    at: Mutex<At>,
    frozen: watch::Sender<bool>,
    refused: AtomicU32,
}

impl Gate {
    async fn pass(&self) {
        let mut frozen = self.frozen.subscribe();
        frozen.wait_for(|frozen| !*frozen).await.unwrap();
    }

    async fn reaches(&self, at: At) {
        let here = {
            let mut wanted = self.at.lock().unwrap();
            let here = at != At::Nowhere && *wanted == at;
            if here {
                *wanted = At::Nowhere;
            }
            here
        };
        if here {
            self.frozen.send_replace(true);
        }
        self.pass().await;
    }
}

#[async_trait]
impl Watcher for Gate {
    async fn reading(&self, _what: &'static str) {
        self.pass().await;
    }

    async fn commit(&self, store: &dyn Store, transaction: Transaction) -> Result<(), CommitError> {
        let lets_go = |change: &Change| matches!(change, Change::PutOutbox(row) if row.in_flight.is_some());
        let lets_go = transaction.changes.iter().any(lets_go);
        self.reaches(if lets_go { At::Before } else { At::Nowhere }).await;
        let outcome = store.commit(transaction).await;
        self.reaches(if lets_go { At::Behind } else { At::Nowhere }).await;
        outcome
    }

    async fn claim(&self, store: &dyn Store, request: ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        let food = request.platform.0 == "food";
        self.reaches(if food { At::Claim } else { At::Nowhere }).await;
        let claimed = store.claim(request).await;
        if food && matches!(claimed, Err(StoreError::LaneLost)) {
            self.refused.fetch_add(1, Ordering::SeqCst);
        }
        claimed
    }

    fn is_shared(&self, _store: &dyn Store) -> bool {
        true
    }
}

/// Notes when each request of an instance to `food` leaves.
struct Noting {
    through: HttpTransport,
    clock: Arc<ManualClock>,
    own: Mutex<Vec<Duration>>,
    all: Arc<Mutex<Vec<Duration>>>,
}

#[async_trait]
impl Transport for Noting {
    async fn send(&self, platform: &Platform, request: &HttpRequest, names: &Names) -> Result<Answer, DeliveryError> {
        if platform.id.0 == "food" {
            let now = self.clock.elapsed();
            self.own.lock().unwrap().push(now);
            self.all.lock().unwrap().push(now);
        }
        self.through.send(platform, request, names).await
    }
}

struct Stage {
    food: FhirPlatform,
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    all: Arc<Mutex<Vec<Duration>>>,
}

struct Member {
    world: World,
    gate: Arc<Watched<Gate>>,
    noting: Arc<Noting>,
}

impl Member {
    fn left(&self) -> usize {
        self.noting.own.lock().unwrap().len()
    }

    fn freezes_at(&self, at: At) {
        *self.gate.watcher.at.lock().unwrap() = at;
    }

    async fn is_frozen(&self) {
        self.gate.watcher.frozen.subscribe().wait_for(|frozen| *frozen).await.unwrap();
    }

    fn thaw(&self) {
        self.gate.watcher.frozen.send_replace(false);
    }

    fn holds(&self) -> bool {
        let food = gateway_core::identity::PlatformId("food".to_owned());
        self.world.running.gateway.platform(&food).is_some_and(|food| food.pace.hold().fence().is_some())
    }
}

impl Stage {
    async fn new() -> Self {
        Self {
            food: FhirPlatform::start(PlatformConfig::default()).await.unwrap(),
            store: Arc::new(MemoryStore::new()),
            clock: Arc::new(ManualClock::at(datetime!(2026-06-20 11:00 UTC))),
            all: Arc::default(),
        }
    }

    async fn member(&self, lanes: bool, pace: &'static str, poll_seconds: u32) -> Member {
        self.member_that(At::Nowhere, lanes, pace, poll_seconds).await
    }

    /// One that freezes by itself.
    async fn member_that(&self, at: At, lanes: bool, pace: &'static str, poll_seconds: u32) -> Member {
        let gate = Gate { at: Mutex::new(at), frozen: watch::Sender::new(false), refused: AtomicU32::new(0) };
        let gate = Arc::new(Watched { inner: Arc::<MemoryStore>::clone(&self.store), watcher: gate });
        let noting = Arc::new(Noting {
            through: HttpTransport::new().unwrap(),
            clock: Arc::clone(&self.clock),
            own: Mutex::default(),
            all: Arc::clone(&self.all),
        });
        let setup = Setup {
            store: Arc::<Watched<Gate>>::clone(&gate),
            bases: [self.food.base_url(), "http://127.0.0.1:9/fhir".to_owned()],
            lanes,
            food: pace,
            clock: Arc::<ManualClock>::clone(&self.clock),
            transport: Some(Arc::<Noting>::clone(&noting)),
            poll_seconds,
            ..Setup::default()
        };
        let member = Member { world: World::start(setup).await, gate, noting };
        if lanes {
            // Whoever holds a lane waits a moment before it takes the next.
            self.seconds(1).await;
        }
        member
    }

    fn left(&self) -> Vec<Duration> {
        self.all.lock().unwrap().clone()
    }

    /// Moves the clock on, and lets what it wakes come to its end, for a second at most.
    async fn pass(&self, span: Duration) {
        let before = self.left().len();
        self.clock.advance(span);
        let mut ticks = tokio::time::interval(Duration::from_millis(2));
        for _ in 0..500 {
            ticks.tick().await;
            if self.left().len() > before {
                // The answer is still under way.
                ticks.tick().await;
                ticks.tick().await;
                return;
            }
        }
    }

    async fn seconds(&self, seconds: u64) {
        for _ in 0..seconds * 2 {
            self.clock.advance(Duration::from_millis(500));
            settle_shortly().await;
        }
    }

    /// Lets time pass until the platform has so many.
    async fn reaches(&self, tasks: usize) {
        eventually(&format!("{tasks} tasks"), || async {
            self.seconds(1).await;
            (self.food.tasks().len() == tasks).then_some(())
        })
        .await;
    }

    /// Lets time pass until it holds the lane.
    async fn holds(&self, member: &Member) {
        eventually("the lane", || async {
            self.clock.advance(Duration::from_millis(100));
            member.holds().then_some(())
        })
        .await;
    }

    /// Lets time pass until it freezes by itself, and a moment more.
    async fn freezes(&self, member: &Member) {
        eventually("it begins", || async {
            self.clock.advance(Duration::from_millis(100));
            member.gate.watcher.frozen.borrow().then_some(())
        })
        .await;
        settle().await;
    }

    /// In no stretch of time more than the burst and one for each interval of it.
    fn assert_within(&self, burst: usize, interval: Duration) {
        let left = self.left();
        for (first, at) in left.iter().enumerate() {
            for (last, until) in left.iter().enumerate().skip(first) {
                let most = burst + usize::try_from((*until - *at).as_millis() / interval.as_millis()).unwrap();
                assert!(last - first < most, "{} requests from {at:?} to {until:?}: {left:?}", last - first + 1);
            }
        }
    }
}

async fn settle_shortly() {
    let mut ticks = tokio::time::interval(Duration::from_millis(2));
    for _ in 0..8 {
        ticks.tick().await;
    }
}

const TEN_A_SECOND: &str = "pace = { requests-per-minute = 600, burst = 5 }";
const INTERVAL: Duration = Duration::from_millis(100);

#[tokio::test]
async fn three_instances_together_ask_no_faster_than_one_may_and_hardly_slower() {
    let stage = Stage::new().await;
    let taking = stage.member(false, TEN_A_SECOND, 0).await;
    for nth in 0..60 {
        taking.world.submit(&bundle(nth)).await;
    }
    let members = [
        stage.member(true, TEN_A_SECOND, 0).await,
        stage.member(true, TEN_A_SECOND, 0).await,
        stage.member(true, TEN_A_SECOND, 0).await,
    ];
    settle().await;
    // Measured while the flood lasts: from the first step to where the last referrals have begun.
    let (began, before) = (stage.clock.elapsed(), stage.left().len());
    let mut flood = (Duration::ZERO, 0);
    for _ in 0..600 {
        let tasks = stage.food.tasks().len();
        if tasks < 50 {
            flood = (stage.clock.elapsed() - began, stage.left().len() - before);
        }
        if tasks == 60 {
            break;
        }
        stage.pass(INTERVAL).await;
    }
    assert_eq!((stage.food.tasks().len(), stage.food.duplicates().len()), (60, 0));
    stage.assert_within(5, INTERVAL);
    let (span, used) = flood;
    let allowed = span.as_millis() / INTERVAL.as_millis();
    assert!(used as u128 * 100 >= allowed * 95 && allowed > 50, "{used} of {allowed} requests in {span:?}");
    assert_eq!(members.iter().filter(|member| member.left() > 0).count(), 1, "one of them asked");
}

#[tokio::test]
async fn what_a_dead_holder_had_goes_on_when_its_lane_runs_out_and_at_no_faster_pace() {
    let stage = Stage::new().await;
    let taking = stage.member(false, TEN_A_SECOND, 0).await;
    for nth in 0..40 {
        taking.world.submit(&bundle(nth)).await;
    }
    let mut living = Vec::new();
    for _ in 0..3 {
        living.push(stage.member(true, TEN_A_SECOND, 0).await);
    }
    settle().await;
    let mut deaths = 0;
    for step in 1..2_000 {
        if stage.food.tasks().len() == 40 {
            break;
        }
        let left = stage.left().len();
        // Under load it dies in the middle of whatever it is doing, and nothing is given back.
        if deaths < 3 && left > (deaths + 1) * 20 {
            let at = living.iter().position(Member::holds);
            if let Some(at) = at {
                drop(living.remove(at));
                living.push(stage.member(true, TEN_A_SECOND, 0).await);
                deaths += 1;
            }
        }
        // While nobody holds the lane nothing leaves, and nothing is waited for.
        if living.iter().any(Member::holds) {
            stage.pass(if step % 2 == 0 { INTERVAL } else { INTERVAL / 2 }).await;
        } else {
            stage.clock.advance(INTERVAL);
            settle_shortly().await;
        }
    }
    assert_eq!((deaths, stage.food.tasks().len(), stage.food.duplicates().len()), (3, 40, 0));
    // Three holders died while they held leases of two minutes and more: each cost the rest of a lane's ten seconds.
    let left = stage.left();
    let span = *left.last().unwrap() - left[0];
    let work = INTERVAL * u32::try_from(left.len()).unwrap();
    assert!(span < work + Duration::from_secs(3 * 11), "{span:?} for {} requests", left.len());
    stage.assert_within(5, INTERVAL);
}

#[tokio::test]
async fn a_holder_that_was_frozen_past_its_term_sends_nothing_late() {
    for at in [At::Before, At::Behind] {
        let stage = Stage::new().await;
        let first = stage.member(true, "", 0).await;
        stage.holds(&first).await;
        first.freezes_at(at);
        first.world.submit(&bundle(0)).await;
        first.is_frozen().await;
        let second = stage.member(true, "", 0).await;
        // Its last renewal is at most five seconds old.
        stage.seconds(3).await;
        assert!(!second.holds(), "its term is not over");
        stage.seconds(7).await;
        eventually("the other goes on", || async { (stage.food.tasks().len() == 1).then_some(()) }).await;
        let (sent, by_first) = (second.left(), first.left());
        assert!(sent > 0 && by_first == 0, "{at:?}");
        first.thaw();
        settle().await;
        assert_eq!((first.left(), stage.food.tasks().len()), (0, 1), "{at:?}: nothing leaves late");
        assert!(!first.holds() && second.holds());
        let referral = second.world.referral().await;
        let rows = stage.store.outbox(&referral.id).await.unwrap();
        assert_eq!((referral.delivery.word(), rows[0].attempts), ("delivered", 2), "{at:?}");
        assert!(stage.food.duplicates().is_empty());
    }
}

#[tokio::test]
async fn a_holder_that_was_frozen_past_its_term_claims_nothing() {
    let stage = Stage::new().await;
    let first = stage.member(true, "", 0).await;
    stage.holds(&first).await;
    first.freezes_at(At::Claim);
    first.world.submit(&bundle(0)).await;
    first.is_frozen().await;
    let second = stage.member(true, "", 0).await;
    stage.seconds(11).await;
    eventually("the other goes on", || async { (stage.food.tasks().len() == 1).then_some(()) }).await;
    first.thaw();
    eventually("the claim is refused", || async {
        (first.gate.watcher.refused.load(Ordering::SeqCst) == 1).then_some(())
    })
    .await;
    settle().await;
    assert_eq!((first.left(), stage.food.tasks().len()), (0, 1));
    // It is as good as new: when the other is gone it goes on.
    drop(second);
    stage.seconds(12).await;
    stage.holds(&first).await;
    first.world.submit(&bundle(1)).await;
    eventually("it delivers", || async { (stage.food.tasks().len() == 2).then_some(()) }).await;
}

#[tokio::test]
async fn a_pause_outlives_the_instance_that_was_asked_for_it() {
    let stage = Stage::new().await;
    let first = stage.member(true, "", 0).await;
    stage.holds(&first).await;
    let food = gateway_core::identity::PlatformId("food".to_owned());
    let pace = Arc::clone(&first.world.running.gateway.platform(&food).unwrap().pace);
    let headers = vec![("retry-after".to_owned(), "120".to_owned())];
    pace.heard(Ok(Answer::Http { status: 429, headers, body: Vec::new() })).unwrap();
    // It is kept at once, not at the next renewal.
    settle().await;
    drop(first);
    let second = stage.member(true, "", 0).await;
    second.world.submit(&bundle(0)).await;
    stage.holds(&second).await;
    stage.seconds(10).await;
    assert_eq!(second.left(), 0, "the platform asked for two minutes");
    stage.seconds(115).await;
    eventually("it delivers", || async { (stage.food.tasks().len() == 1).then_some(()) }).await;
}

#[tokio::test]
async fn of_two_instances_one_polls() {
    let stage = Stage::new().await;
    let members = [stage.member(true, "", 1).await, stage.member(true, "", 1).await];
    settle().await;
    stage.seconds(8).await;
    let of = |member: &Member| (member.holds(), member.left());
    let (holding, other) = if members[0].holds() { (0, 1) } else { (1, 0) };
    assert!(of(&members[holding]).1 >= 5, "{:?}", of(&members[holding]));
    assert_eq!(of(&members[other]), (false, 0));
    let [first, second] = members;
    let (holder, other) = if holding == 0 { (first, second) } else { (second, first) };
    // A graceful end gives the lane back: the other polls without waiting for the end of the term.
    holder.world.stop().await;
    other.world.running.gateway.lane_bell.send_modify(|rings| *rings += 1);
    settle().await;
    stage.seconds(3).await;
    assert!(other.holds() && other.left() > 0);
}

/// A holder dies while it has several under way: of what it left the next takes up one at a time, so that its death costs one of
/// them an attempt, and not all.
#[tokio::test]
async fn what_was_interrupted_goes_one_by_one() {
    let stage = Stage::new().await;
    let taking = stage.member(false, "", 0).await;
    for nth in 0..6 {
        taking.world.submit(&bundle(nth)).await;
    }
    let first = stage.member_that(At::Before, true, "", 0).await;
    stage.freezes(&first).await;
    drop(first);
    let before = counted(&stage).await;
    assert!(before > 1, "several were under way");
    for deaths in 1..=3 {
        let next = stage.member_that(At::Before, true, "", 0).await;
        stage.freezes(&next).await;
        assert_eq!(counted(&stage).await, before + deaths, "one attempt for each death, not eight");
        drop(next);
    }
}

/// The attempts that the store has counted.
async fn counted(stage: &Stage) -> u32 {
    let mut attempts = 0;
    for referral in referrals(stage).await {
        attempts += stage.store.outbox(&referral.id).await.unwrap().iter().map(|row| row.attempts).sum::<u32>();
    }
    attempts
}

#[tokio::test]
async fn a_quota_holds_over_instances_and_their_ends_until_the_next_day() {
    let (stage, quota) = (Stage::new().await, "pace = { requests-per-day = 20, urgent-per-day = 4, at-once = 1 }");
    // Each referral takes two requests.
    let pace = adapter_contract::Pace {
        requests_per_day: NonZeroU32::new(20),
        urgent_per_day: NonZeroU32::new(4),
        ..adapter_contract::Pace::default()
    };
    let first = stage.member(true, quota, 0).await;
    stage.holds(&first).await;
    for nth in 0..4 {
        first.world.submit(&with_priority(nth, "routine")).await;
    }
    eventually("the first four", || async {
        let all = referrals(&stage).await;
        (all.iter().filter(|one| one.delivery.word() == "delivered").count() == 4).then_some(())
    })
    .await;
    // It dies; the next counts what it sent.
    drop(first);
    let second = stage.member(true, quota, 0).await;
    for nth in 4..12 {
        second.world.submit(&with_priority(nth, "routine")).await;
    }
    stage.reaches(8).await;
    stage.seconds(20).await;
    assert_eq!(stage.food.tasks().len(), 8, "four requests are kept for what is urgent");

    let waiting = async || {
        let mut found = std::collections::BTreeMap::new();
        for referral in referrals(&stage).await {
            let outbox = stage.store.outbox(&referral.id).await.unwrap();
            let why =
                waiting::of(stage.store.as_ref(), &referral, &outbox, (pace, false), stage.clock.now()).await.unwrap();
            found.insert(referral.key.0, why);
        }
        found
    };
    let tomorrow = datetime!(2026-06-21 00:00 UTC);
    let waits = |why: &&Waiting| matches!(why, Waiting::Quota { until, per_day: 20, .. } if *until == tomorrow);
    let all = waiting().await;
    assert_eq!(all.values().filter(waits).count(), 4, "{all:?}");
    assert!(all.values().find(waits).unwrap().words().contains("20 requests in a day"));

    for nth in 12..15 {
        second.world.submit(&with_priority(nth, "urgent")).await;
    }
    stage.reaches(10).await;
    stage.seconds(70).await;
    assert_eq!(stage.food.tasks().len(), 10);
    let urgent = waiting().await;
    let urgent = urgent.iter().find(|(key, why)| !all.contains_key(*key) && waits(why)).unwrap().0.clone();
    // Neither the end of an instance nor time alone gives any back, and one that ends in order neither.
    second.world.stop().await;
    let third = stage.member(true, quota, 0).await;
    stage.holds(&third).await;
    stage.clock.advance(Duration::from_secs(12 * 3_600));
    stage.seconds(70).await;
    assert_eq!(stage.left().len(), 20, "it is not midnight yet");
    stage.clock.advance(Duration::from_secs(1_800));
    stage.clock.advance(Duration::from_secs(1_800));
    stage.reaches(15).await;
    assert_eq!(stage.food.tasks()[10].key.as_ref(), Some(&urgent), "what is urgent goes first");
    assert_eq!((stage.left().len(), stage.food.duplicates().len()), (30, 0));
}

async fn referrals(stage: &Stage) -> Vec<gateway_core::referral::Referral> {
    use vcse_gateway::store::ReferralFilter;
    let filter = ReferralFilter { limit: u32::MAX, ..ReferralFilter::default() };
    stage.store.referrals(&filter).await.unwrap()
}
