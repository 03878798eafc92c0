//! How a platform is asked: no faster than it may be, not while it wants to be left alone, and hardly while it does not answer.

use crate::support::{FOREIGN, GP, Setup, World, bundle, eventually, inside, settle};
use adapter_contract::{Answer, DeliveryError, FailureCode, HttpRequest};
use async_trait::async_trait;
use conformance_tests::platform::{FhirPlatform, PlatformConfig};
use gateway_core::waiting::Waiting;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use time::macros::datetime;
use vcse_gateway::clock::{Clock, ManualClock};
use vcse_gateway::gateway::Platform;
use vcse_gateway::transport::{HttpTransport, Names, Transport};
use vcse_gateway::waiting;

/// Notes when each request leaves, and answers some in the place of the platform.
struct Noting {
    through: HttpTransport,
    clock: Arc<ManualClock>,
    left: Mutex<Vec<Duration>>,
    away: AtomicBool,
    busy: AtomicBool,
}

#[async_trait]
impl Transport for Noting {
    async fn send(&self, platform: &Platform, request: &HttpRequest, names: &Names) -> Result<Answer, DeliveryError> {
        self.left.lock().unwrap().push(self.clock.elapsed());
        if self.away.load(Ordering::SeqCst) {
            return Err(DeliveryError::new(FailureCode::NotConnected, "Nobody is there."));
        }
        if self.busy.swap(false, Ordering::SeqCst) {
            let headers = vec![("retry-after".to_owned(), "Sat, 20 Jun 2026 11:02:00 GMT".to_owned())];
            return Ok(Answer::Http { status: 429, headers, body: Vec::new() });
        }
        self.through.send(platform, request, names).await
    }
}

struct Stage {
    world: World,
    food: FhirPlatform,
    clock: Arc<ManualClock>,
    noting: Arc<Noting>,
}

impl Stage {
    async fn new(pace: &'static str) -> Self {
        let food = FhirPlatform::start(PlatformConfig::default()).await.unwrap();
        let clock = Arc::new(ManualClock::at(datetime!(2026-06-20 11:00 UTC)));
        let noting = Arc::new(Noting {
            through: HttpTransport::new().unwrap(),
            clock: Arc::clone(&clock),
            left: Mutex::default(),
            away: AtomicBool::new(false),
            busy: AtomicBool::new(false),
        });
        let setup = Setup {
            bases: [food.base_url(), "http://127.0.0.1:9/fhir".to_owned()],
            lanes: true,
            food: pace,
            clock: Arc::<ManualClock>::clone(&clock),
            transport: Some(Arc::<Noting>::clone(&noting)),
            poll_seconds: 0,
            ..Setup::default()
        };
        Self { world: World::start(setup).await, food, clock, noting }
    }

    fn left(&self) -> Vec<Duration> {
        self.noting.left.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn it_is_asked_no_faster_than_it_may_be() {
    let stage = Stage::new("pace = { requests-per-minute = 60, burst = 2 }").await;
    for nth in 0..6 {
        stage.world.submit(&bundle(nth)).await;
    }
    for _ in 0..60 {
        settle().await;
        if stage.food.tasks().len() == 6 {
            break;
        }
        stage.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(stage.food.tasks().len(), 6, "{:?}", stage.left());
    assert!(stage.food.duplicates().is_empty());
    let left = stage.left();
    for (first, at) in left.iter().enumerate() {
        // Within any stretch of time no more than the burst and one for each second of it.
        for (last, until) in left.iter().enumerate().skip(first) {
            let most = 2 + (*until - *at).as_secs() as usize;
            assert!(last - first < most, "{} requests from {at:?} to {until:?}: {left:?}", last - first + 1);
        }
    }
    // And not much slower: one request a second, six referrals.
    let last = *left.last().unwrap();
    assert!(last.as_secs() as usize <= left.len(), "{left:?}");
    stage.world.stop().await;
}

#[tokio::test]
async fn a_platform_that_asks_for_time_is_left_alone_by_all() {
    let stage = Stage::new("").await;
    stage.noting.busy.store(true, Ordering::SeqCst);
    stage.world.submit(&bundle(0)).await;
    eventually("the first request", || async { (!stage.left().is_empty()).then_some(()) }).await;
    settle().await;
    for nth in 1..4 {
        stage.world.submit(&bundle(nth)).await;
    }
    let asked = stage.world.store().outbox(&stage.world.referrals().await[0].id).await.unwrap().remove(0);
    assert_eq!(asked.last_failure.unwrap().retry_after_seconds, Some(120), "the adapter has read the date");
    for seconds in [1, 60, 57] {
        settle().await;
        assert_eq!(stage.left().len(), 1, "nothing else goes for two minutes");
        stage.clock.advance(Duration::from_secs(seconds));
    }
    settle().await;
    assert_eq!(stage.left().len(), 1, "not a second sooner");
    for _ in 0..60 {
        stage.clock.advance(Duration::from_secs(2));
        settle().await;
        if stage.food.tasks().len() == 4 {
            break;
        }
    }
    assert_eq!(stage.food.tasks().len(), 4);
    stage.world.stop().await;
}

/// A referral that is urgent by its priority, or by nothing.
pub(crate) fn with_priority(nth: usize, priority: &str) -> Value {
    let mut bundle = bundle(nth);
    let task = inside(&mut bundle, "Task");
    task["priority"] = json!(priority);
    // Without an end that is near, nothing else makes it urgent.
    task.as_object_mut().unwrap().remove("restriction");
    bundle
}

#[tokio::test]
async fn tenants_take_turns_what_is_urgent_goes_first_and_each_knows_why_it_waits() {
    let stage = Stage::new("pace = { requests-per-minute = 60, burst = 60, at-once = 1 }").await;
    let world = &stage.world;
    stage.noting.busy.store(true, Ordering::SeqCst);
    world.submit(&with_priority(0, "routine")).await;
    eventually("the first request", || async { (!stage.left().is_empty()).then_some(()) }).await;
    settle().await;
    // While the platform is left alone one practice sends many, then one that is urgent, and another tenant sends one.
    let mut names = BTreeMap::from([(world.referral().await.key.0, "first")]);
    let mut sent = async |name: &'static str, client: &str, bundle: &Value| {
        let answer = world.post(client, "/fhir", bundle.to_string()).await;
        assert_eq!(answer.status, 201, "{name}: {}", answer.text);
        let known: Vec<_> = world.referrals().await;
        let new = known.into_iter().find(|referral| !names.contains_key(&referral.key.0));
        names.insert(new.unwrap().key.0, name);
    };
    for (nth, name) in ["a1", "a2", "a3", "a4"].into_iter().enumerate() {
        sent(name, GP, &with_priority(nth + 1, "routine")).await;
    }
    sent("urgent", GP, &with_priority(5, "urgent")).await;
    sent("b1", FOREIGN, &with_priority(6, "routine")).await;

    let number = std::num::NonZeroU32::new(60);
    let pace = adapter_contract::Pace { requests_per_minute: number, ..adapter_contract::Pace::default() };
    let why = async |name: &str| {
        let mut known = world.referrals().await.into_iter();
        let referral = known.find(|referral| names[&referral.key.0] == name).unwrap();
        let outbox = world.store().outbox(&referral.id).await.unwrap();
        waiting::of(world.store(), &referral, &outbox, (pace, false), stage.clock.now()).await.unwrap()
    };
    assert!(matches!(why("b1").await, Waiting::LeftAlone { asked: true, .. }), "{:?}", why("b1").await);
    stage.clock.advance(Duration::from_secs(119));
    let turn = |waiting: &Waiting| match waiting {
        Waiting::Turn { before, urgent, by, .. } => (*before, *urgent, by.is_some()),
        other => panic!("{other:?}"),
    };
    // One second before the end of the pause, as it will be after it.
    let later = stage.clock.now() + Duration::from_secs(2);
    let at_last = async |name: &str| {
        let mut known = world.referrals().await.into_iter();
        let referral = known.find(|referral| names[&referral.key.0] == name).unwrap();
        let outbox = world.store().outbox(&referral.id).await.unwrap();
        waiting::of(world.store(), &referral, &outbox, (pace, false), later).await.unwrap()
    };
    assert_eq!(turn(&at_last("urgent").await), (1, true, true), "one ordinary turn may come before it");
    // The other tenant's turn: at most one of theirs, and the urgent one.
    assert_eq!(turn(&at_last("b1").await), (2, false, true));
    let (last, _, _) = turn(&at_last("a4").await);
    assert!((5..=10).contains(&last), "{last}");

    for _ in 0..120 {
        stage.clock.advance(Duration::from_secs(2));
        settle().await;
        if stage.food.tasks().len() == 7 {
            break;
        }
    }
    let order: Vec<&str> = stage.food.tasks().iter().map(|task| names[task.key.as_ref().unwrap()]).collect();
    let place = |name: &str| order.iter().position(|other| *other == name).unwrap();
    assert_eq!(place("urgent"), 0, "{order:?}");
    assert!(place("b1") <= 2, "it does not wait behind the many: {order:?}");
    assert!(matches!(why("b1").await, Waiting::Platform { until: Some(_), .. }));
    stage.world.stop().await;
}

#[tokio::test]
async fn a_platform_that_does_not_answer_is_probed_and_not_asked_in_vain_by_all() {
    let stage = Stage::new("").await;
    stage.noting.away.store(true, Ordering::SeqCst);
    for nth in 0..30 {
        stage.world.submit(&bundle(nth)).await;
    }
    settle().await;
    let first = stage.left().len();
    assert!((7..=15).contains(&first), "those that were under way when it opened: {first}");
    // Ten minutes without it: probes, at growing distances.
    for _ in 0..120 {
        stage.clock.advance(Duration::from_secs(5));
        settle_shortly().await;
    }
    let probes = stage.left().len() - first;
    assert!((8..=40).contains(&probes), "{probes} probes in ten minutes");
    stage.noting.away.store(false, Ordering::SeqCst);
    for _ in 0..400 {
        stage.clock.advance(Duration::from_secs(15));
        settle_shortly().await;
        if stage.food.tasks().len() == 30 {
            break;
        }
    }
    assert_eq!((stage.food.tasks().len(), stage.food.duplicates().len()), (30, 0), "nothing was lost or doubled");
    stage.world.stop().await;
}

async fn settle_shortly() {
    let mut ticks = tokio::time::interval(Duration::from_millis(2));
    for _ in 0..8 {
        ticks.tick().await;
    }
}
