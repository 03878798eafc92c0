//! Three gateways over one PostgreSQL database. Without PostgreSQL the tests say so and pass, unless `POSTGRES=required`.

use crate::support::{GP, REPORT_TOKEN, Setup, World, bundle, entry_of, eventually, inside};
use adapter_contract::{Answer, DeliveryError, HttpRequest};
use async_trait::async_trait;
use conformance_tests::platform::{FhirPlatform, Notify, PlatformConfig};
use conformance_tests::postgres::{PostgresServer, reason_to_skip};
use serde_json::json;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use vcse_gateway::clock::{Clock, SystemClock};
use vcse_gateway::gateway::Platform;
use vcse_gateway::gateway::Secret;
use vcse_gateway::store::Store;
use vcse_gateway::store::postgres::PostgresStore;
use vcse_gateway::transport::{HttpTransport, Names, Transport};

/// A new database: its address. `None` where there is no server.
#[expect(clippy::print_stderr, reason = "a test that did not run says so")]
pub(crate) fn database() -> Option<Secret> {
    if let Some(missing) = reason_to_skip().expect("PostgreSQL is required") {
        eprintln!("SKIPPED: {missing}");
        return None;
    }
    let server = PostgresServer::shared().expect("PostgreSQL starts");
    Some(Secret::new(server.database().expect("a database")))
}

async fn instance(database: &Secret, bases: &[String; 2], lanes: bool) -> World {
    let store: Arc<dyn Store> = Arc::new(PostgresStore::open(database).await.unwrap());
    World::start(Setup { store, bases: bases.clone(), lanes, poll_seconds: 0, ..Setup::default() }).await
}

async fn platforms() -> ([FhirPlatform; 2], [String; 2]) {
    let food = FhirPlatform::start(PlatformConfig { seed: 3, ..PlatformConfig::default() }).await.unwrap();
    let befriending = FhirPlatform::start(PlatformConfig { seed: 4, ..PlatformConfig::default() }).await.unwrap();
    let bases = [food.base_url(), befriending.base_url()];
    ([food, befriending], bases)
}

fn tasks_at(platform: &FhirPlatform) -> usize {
    platform.requests().iter().filter(|request| request.method == "POST" && request.path == "/fhir/Task").count()
}

/// The instance that takes a referral in delivers nothing, and the others look by themselves after two minutes at the
/// earliest: so it is the wake-up that brings it to them. Then one of them ends, and the other goes on alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_takes_in_another_delivers_once_also_when_one_stops() {
    let Some(database) = database() else { return };
    let ([food, _befriending], bases) = platforms().await;
    let taking = instance(&database, &bases, false).await;
    let (second, third) = (instance(&database, &bases, true).await, instance(&database, &bases, true).await);
    let mut tasks = Vec::new();
    for nth in 0..4 {
        tasks.push(taking.submit(&bundle(nth)).await.path("Task"));
    }
    for task in &tasks {
        taking.delivered(task).await;
    }
    second.stop().await;
    for nth in 4..8 {
        tasks.push(taking.submit(&bundle(nth)).await.path("Task"));
    }
    for task in &tasks {
        third.delivered(task).await;
    }
    assert_eq!(tasks_at(&food), 8, "each went to the platform once");
    let chains = taking.store().verify_audit().await.unwrap();
    assert!(chains.iter().all(|chain| chain.broken.is_none()), "{chains:?}");
}

/// The platform tells one instance of a change; whichever reads and applies it, every instance shows the same Task.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_platform_reports_to_one_is_shown_by_all() {
    let Some(database) = database() else { return };
    let ([food, _befriending], bases) = platforms().await;
    let worlds = [
        instance(&database, &bases, true).await,
        instance(&database, &bases, true).await,
        instance(&database, &bases, true).await,
    ];
    let reports = format!("{}/platforms/food/reports", worlds[1].origin);
    food.set_notify(Some(Notify::id_only(&reports, REPORT_TOKEN)));
    let task = worlds[0].submit(&bundle(0)).await.path("Task");
    worlds[0].delivered(&task).await;
    let before = worlds[2].task(&task).await["status"].clone();
    eventually("a platform that works", || async {
        food.tick().await;
        let mut shown = Vec::new();
        for world in &worlds {
            shown.push(world.task(&task).await);
        }
        // What becomes of it is the platform's to say.
        let ended = ["completed", "rejected", "failed"].iter().any(|status| shown[0]["status"] == *status);
        let moved = shown[0]["status"] != before && ended;
        (moved && shown.iter().all(|task| *task == shown[0])).then_some(())
    })
    .await;
    let referral = worlds[0].referral().await;
    let applied = worlds[0].store().reports(&referral.id).await.unwrap();
    let events: std::collections::BTreeSet<_> = applied.iter().map(|report| report.report.event.clone()).collect();
    assert_eq!(events.len(), applied.len(), "each statement is kept once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_identical_posts_over_three_instances_make_one_referral() {
    let Some(database) = database() else { return };
    let (_platforms, bases) = platforms().await;
    let worlds = [
        Arc::new(instance(&database, &bases, false).await),
        Arc::new(instance(&database, &bases, false).await),
        Arc::new(instance(&database, &bases, false).await),
    ];
    for round in 0..3 {
        let mut bundle = bundle(round);
        let placer = inside(&mut bundle, "ServiceRequest")["identifier"][0].clone();
        let criteria =
            format!("identifier={}|{}", placer["system"].as_str().unwrap(), placer["value"].as_str().unwrap());
        entry_of(&mut bundle, "ServiceRequest")["request"]["ifNoneExist"] = json!(criteria);
        entry_of(&mut bundle, "Task")["request"]["ifNoneExist"] = json!(format!("{criteria}/task"));
        let mut posts = tokio::task::JoinSet::new();
        for world in worlds.iter().cycle().take(16) {
            let world = Arc::clone(world);
            let text = bundle.to_string();
            posts.spawn(async move { world.post(GP, "/fhir", text).await });
        }
        let answers = posts.join_all().await;
        let other: Vec<_> =
            answers.iter().filter(|answer| !answer.status.is_success()).map(|answer| &answer.text).collect();
        assert!(other.is_empty(), "{other:?}");
        assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
        assert_eq!(worlds[0].referrals().await.len(), round + 1);
    }
}

/// Notes when each request leaves, of all instances.
struct Noting {
    through: HttpTransport,
    left: Arc<Mutex<Vec<Duration>>>,
}

#[async_trait]
impl Transport for Noting {
    async fn send(&self, platform: &Platform, request: &HttpRequest, names: &Names) -> Result<Answer, DeliveryError> {
        self.left.lock().unwrap().push(SystemClock.elapsed());
        self.through.send(platform, request, names).await
    }
}

/// Ten requests a second and five at once, three instances, and the one that asks is gone in the middle without a word. In real
/// time, as the lane's term goes by the clock of the database; that the pace is used up is shown by the simulation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_instances_together_keep_the_pace_of_one_also_when_one_dies() {
    let Some(database) = database() else { return };
    let ([food, _befriending], bases) = platforms().await;
    let left = Arc::<Mutex<Vec<Duration>>>::default();
    let member = async |lanes: bool| {
        let store: Arc<dyn Store> = Arc::new(PostgresStore::open(&database).await.unwrap());
        let noting = Noting { through: HttpTransport::new().unwrap(), left: Arc::clone(&left) };
        let setup = Setup {
            store,
            bases: bases.clone(),
            lanes,
            poll_seconds: 0,
            food: "pace = { requests-per-minute = 600, burst = 5 }",
            lane_seconds: 2,
            transport: Some(Arc::new(noting)),
            ..Setup::default()
        };
        World::start(setup).await
    };
    let taking = member(false).await;
    for nth in 0..24 {
        taking.submit(&bundle(nth)).await;
    }
    let mut members = vec![member(true).await, member(true).await, member(true).await];
    let asks = |world: &World| {
        let food = gateway_core::identity::PlatformId("food".to_owned());
        world.running.gateway.platform(&food).is_some_and(|food| food.pace.hold().fence().is_some())
    };
    eventually("a third of them", || async { (food.tasks().len() >= 8).then_some(()) }).await;
    let at = members.iter().position(asks).unwrap();
    drop(members.remove(at));
    // Two seconds for the lane, seven for the requests, and what a busy machine adds.
    for left in [20, 22, 24] {
        eventually("the others", || async { (food.tasks().len() >= left).then_some(()) }).await;
    }
    assert!(food.duplicates().is_empty());
    let left = left.lock().unwrap().clone();
    for (first, at) in left.iter().enumerate() {
        for (last, until) in left.iter().enumerate().skip(first) {
            // The clock is read after the commit that lets a request leave, on a busy machine much later for one than for another.
            // Three that kept no pace together would have sent all within half a second.
            let span = *until - *at + Duration::from_millis(700);
            let most = 5 + usize::try_from(span.as_millis() / 100).unwrap();
            assert!(last - first < most, "{} requests from {at:?} to {until:?}: {left:?}", last - first + 1);
        }
    }
}
