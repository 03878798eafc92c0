//! Polling: within the manners of the platform, across restarts, and enough where every webhook is lost. The clock is the test's.

use crate::support::{REPORT_TOKEN, Setup, World, eventually, referral_to, settle};
use conformance_tests::generator::Expectation;
use conformance_tests::platform::{Fault, FaultKind, FhirPlatform, Match, Notify, PlatformConfig};
use gateway_core::identity::PlatformId;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use time::macros::datetime;
use vcse_gateway::clock::{Clock, ManualClock};
use vcse_gateway::store::Store;
use vcse_gateway::store::memory::MemoryStore;

const START: OffsetDateTime = datetime!(2026-06-20 11:00 UTC);
const QUARTER: Duration = Duration::from_secs(900);

type Plan = &'static [(&'static str, Option<&'static str>)];

const PLANS: [Plan; 4] = [
    &[("accepted", None), ("in-progress", None), ("completed", None)],
    &[("rejected", Some("Outside our area"))],
    &[("accepted", None), ("on-hold", Some("Waiting list")), ("in-progress", None), ("completed", None)],
    &[("in-progress", None), ("cancelled", Some("No longer wanted"))],
];

struct Stage {
    food: FhirPlatform,
    clock: Arc<ManualClock>,
    store: Arc<dyn Store>,
    shortest: u32,
    longest: u32,
}

impl Stage {
    async fn new(shortest: u32, longest: u32) -> Self {
        let food = FhirPlatform::start(PlatformConfig { seed: 7, ..PlatformConfig::default() }).await.unwrap();
        let store = Arc::new(MemoryStore::new());
        Self { food, clock: Arc::new(ManualClock::at(START)), store, shortest, longest }
    }

    /// A process over the same store.
    async fn gateway(&self) -> World {
        let setup = Setup {
            store: Arc::clone(&self.store),
            bases: [self.food.base_url(), "http://127.0.0.1:9/fhir".to_owned()],
            lanes: true,
            clock: Arc::<ManualClock>::clone(&self.clock),
            poll_seconds: self.shortest,
            poll_longest_seconds: Some(self.longest),
            ..Setup::default()
        };
        let world = World::start(setup).await;
        let url = format!("{}/platforms/food/reports", world.origin);
        self.food.set_notify(Some(Notify::id_only(&url, REPORT_TOKEN)));
        world
    }

    fn lose_every_notification(&self) {
        self.food.faults().push(Fault::new(Match::any().times(u32::MAX), FaultKind::LoseNotification));
    }

    /// When the last poll began, counted from the start.
    fn last_poll(&self, world: &World) -> Option<u64> {
        let platform = world.running.gateway.platform(&PlatformId("food".to_owned())).unwrap();
        platform.pace.last_poll().map(|at| u64::try_from((at - START).whole_seconds()).unwrap())
    }

    /// Lets so much time pass, and everything happen that is then due.
    async fn pass(&self, span: Duration) {
        self.clock.advance(span);
        settle().await;
    }

    /// Waits for the next poll, minute by minute, and gives when it began.
    async fn next_poll(&self, world: &World) -> u64 {
        let before = self.last_poll(world);
        for _ in 0..300 {
            if self.last_poll(world) != before {
                world.outbox_idle().await;
                settle().await;
                return self.last_poll(world).unwrap();
            }
            self.clock.advance(Duration::from_secs(60));
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
        panic!("nobody polls");
    }
}

async fn submit(world: &World, food: &FhirPlatform) -> Vec<(String, String)> {
    let mut sent = Vec::new();
    for (nth, plan) in PLANS.iter().enumerate() {
        let referral = world.submit(&referral_to("VCSE1", Expectation::Delivered, nth).bundle).await;
        let name = world.delivered(&referral.path("Task")).await.platform_referral.unwrap().0;
        assert!(food.plan(&name, plan));
        sent.push((referral.path("Task"), name));
    }
    sent
}

/// Tasks that do not show what the platform says.
async fn differences(world: &World, food: &FhirPlatform, sent: &[(String, String)]) -> usize {
    let mut differences = 0;
    for (task, name) in sent {
        let there = food.resource("Task", name).unwrap()["status"].clone();
        differences += usize::from(world.task(task).await["status"] != there);
    }
    differences
}

/// Issue 7, "must show": for an hour no webhook comes through; what differs then is gone within two polls.
#[tokio::test]
async fn after_an_hour_without_any_webhook_two_polls_leave_no_difference() {
    let stage = Stage::new(900, 1_800).await;
    let world = stage.gateway().await;
    let sent = submit(&world, &stage.food).await;
    stage.lose_every_notification();
    let mut most = 0;
    for _ in 0..4 {
        stage.food.tick().await;
        most = most.max(differences(&world, &stage.food, &sent).await);
        stage.pass(QUARTER).await;
    }
    stage.food.tick().await;
    assert!(most > 1, "the hour makes differences, or the test shows nothing");
    assert_eq!(stage.clock.now() - START, time::Duration::HOUR);
    let lost = stage.food.faults().struck();
    assert!(lost.iter().filter(|(_, kind)| *kind == FaultKind::LoseNotification).count() > PLANS.len(), "{lost:?}");
    for _ in 0..2 {
        stage.next_poll(&world).await;
    }
    eventually("no difference", || async { (differences(&world, &stage.food, &sent).await == 0).then_some(()) }).await;
    // No clock moves while that is waited for: it was these two polls, and nothing that came by itself.
    for referral in world.referrals().await {
        for record in world.store().reports(&referral.id).await.unwrap() {
            assert_ne!(record.source, adapter_contract::ReportSource::Webhook, "{record:?}");
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn quiet_polls_stretch_and_news_brings_the_shortest_interval_back() {
    let stage = Stage::new(900, 3_600).await;
    let world = stage.gateway().await;
    let sent = submit(&world, &stage.food).await;
    stage.lose_every_notification();
    // The first one finds the Tasks that were made: the cursor moves.
    let mut polls = vec![stage.next_poll(&world).await];
    for _ in 0..4 {
        polls.push(stage.next_poll(&world).await);
    }
    let gaps = |polls: &[u64]| polls.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>();
    assert_eq!(gaps(&polls), [900, 1_800, 3_600, 3_600], "{polls:?}");
    let hash = world.store().content_hash().await.unwrap();
    polls.push(stage.next_poll(&world).await);
    assert_eq!(world.store().content_hash().await.unwrap(), hash, "what was seen before writes nothing");
    stage.food.tick().await;
    polls.push(stage.next_poll(&world).await);
    polls.push(stage.next_poll(&world).await);
    assert_eq!(gaps(&polls)[4..], [3_600, 3_600, 900], "{polls:?}");
    eventually("no difference", || async { (differences(&world, &stage.food, &sent).await == 0).then_some(()) }).await;
    world.stop().await;
}

#[tokio::test]
async fn a_restart_asks_no_sooner_and_misses_nothing() {
    let stage = Stage::new(900, 900).await;
    let world = stage.gateway().await;
    let sent = submit(&world, &stage.food).await;
    stage.lose_every_notification();
    let last = stage.next_poll(&world).await;
    let cursor = world.store().cursor(&PlatformId("food".to_owned())).await.unwrap();
    assert!(cursor.is_some());
    world.stop().await;
    stage.food.tick().await;
    stage.pass(Duration::from_secs(300)).await;

    let world = stage.gateway().await;
    eventually("it knows when was polled", || async { stage.last_poll(&world) }).await;
    assert_eq!(world.store().cursor(&PlatformId("food".to_owned())).await.unwrap(), cursor);
    let next = stage.next_poll(&world).await;
    assert_eq!(next - last, 900, "neither at once, nor a whole interval after the start");
    eventually("no difference", || async { (differences(&world, &stage.food, &sent).await == 0).then_some(()) }).await;
    // What fell due while nobody was there is done at once.
    world.stop().await;
    stage.pass(Duration::from_secs(7_200)).await;
    let started = u64::try_from((stage.clock.now() - START).whole_seconds()).unwrap();
    let world = stage.gateway().await;
    // The clock stands.
    let polled = || async { stage.last_poll(&world).filter(|at| *at >= started) };
    assert_eq!(eventually("a poll at once", polled).await, started);
    world.stop().await;
}

#[tokio::test]
async fn a_platform_that_asks_for_time_is_left_alone_for_it() {
    let stage = Stage::new(900, 900).await;
    let world = stage.gateway().await;
    submit(&world, &stage.food).await;
    let busy = FaultKind::Status { status: 429, retry_after: Some(5_400) };
    stage.food.faults().push(Fault::new(Match::on("GET", "/fhir/Task"), busy));
    let refused = stage.next_poll(&world).await;
    let next = stage.next_poll(&world).await;
    assert_eq!(next - refused, 5_400);
    assert_eq!(stage.next_poll(&world).await - next, 900, "and then it is as before");
    world.stop().await;
}

#[tokio::test]
async fn all_pages_are_read_and_one_that_fails_is_read_again() {
    let stage = Stage::new(900, 900).await;
    let world = stage.gateway().await;
    let mut sent = Vec::new();
    // More than one page of fifty.
    for nth in 0..60 {
        let referral = world.submit(&referral_to("VCSE1", Expectation::Delivered, nth).bundle).await;
        let name = world.delivered(&referral.path("Task")).await.platform_referral.unwrap().0;
        assert!(stage.food.plan(&name, &[("accepted", None)]));
        sent.push((referral.path("Task"), name));
    }
    stage.lose_every_notification();
    stage.food.tick().await;
    assert_eq!(differences(&world, &stage.food, &sent).await, 60);
    let broken = FaultKind::Status { status: 500, retry_after: None };
    stage.food.faults().push(Fault::new(Match::on("GET", "/fhir/Task").nth(2), broken));
    stage.next_poll(&world).await;
    eventually("the first page", || async {
        let left = differences(&world, &stage.food, &sent).await;
        (left > 0 && left < 60).then_some(())
    })
    .await;
    stage.next_poll(&world).await;
    eventually("all", || async { (differences(&world, &stage.food, &sent).await == 0).then_some(()) }).await;
    world.stop().await;
}
