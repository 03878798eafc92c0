//! A platform takes a referral and then says nothing: a person is told by the deadline.

use crate::support::{Setup, World, assert_valid, bundle, eventually, inside, settle};
use conformance_tests::platform::{FhirPlatform, PlatformConfig};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use time::macros::datetime;
use vcse_gateway::clock::ManualClock;

async fn world() -> (World, FhirPlatform, Arc<ManualClock>) {
    let food = FhirPlatform::start(PlatformConfig::default()).await.unwrap();
    let clock = Arc::new(ManualClock::at(datetime!(2026-06-20 11:00 UTC)));
    let shared = Arc::<ManualClock>::clone(&clock);
    let bases = [food.base_url(), "http://127.0.0.1:9/fhir".to_owned()];
    let world = World::start(Setup { bases, lanes: true, clock: shared, poll_seconds: 0, ..Setup::default() }).await;
    (world, food, clock)
}

fn code(task: &Value) -> &str {
    task["businessStatus"]["coding"][0]["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_person_is_told_by_the_deadline_and_not_before() {
    let (world, _food, clock) = world().await;
    let sent = world.submit(&bundle(0)).await;
    let path = sent.path("Task");
    world.delivered(&path).await;
    clock.advance(Duration::from_secs(7 * 24 * 3_600 - 61));
    settle().await;
    assert_eq!(code(&world.task(&path).await), "delivered");
    clock.advance(Duration::from_secs(121));
    let task = eventually("a person is told", || async {
        Some(world.task(&path).await).filter(|task| code(task) == "unacknowledged")
    })
    .await;
    assert_valid("the Task", &task.to_string());
    assert_eq!(task["status"], "requested", "nobody has said no");
    assert!(task["statusReason"]["text"].as_str().unwrap().contains("Ask the organisation"), "{task}");
    let referral = world.referral().await;
    assert!(referral.attention.is_some() && referral.answer_due.is_none());
    let versions = world.store().audit(&referral.id).await.unwrap();
    assert_eq!(versions.iter().filter(|line| line.action == "unanswered").count(), 1);
    world.stop().await;
}

#[tokio::test]
async fn the_end_that_the_sender_set_counts_if_it_is_nearer() {
    let (world, _food, clock) = world().await;
    let mut referral = bundle(0);
    inside(&mut referral, "Task")["restriction"] = json!({"period": {"end": "2026-06-20T13:00:00+01:00"}});
    let sent = world.submit(&referral).await;
    let path = sent.path("Task");
    world.delivered(&path).await;
    clock.advance(Duration::from_secs(3_600 + 60));
    eventually("a person is told", || async {
        Some(world.task(&path).await).filter(|task| code(task) == "unacknowledged")
    })
    .await;
    world.stop().await;
}
