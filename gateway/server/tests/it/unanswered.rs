//! A platform takes a referral and then says nothing: a person is told by the deadline.

use crate::support::{Setup, World, assert_valid, bundle, eventually, inside, settle};
use conformance_tests::platform::{FhirPlatform, PlatformConfig};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use time::macros::datetime;
use vcse_gateway::chance::Chance;
use vcse_gateway::clock::ManualClock;
use vcse_gateway::config::{self, EXAMPLE};
use vcse_gateway::store::memory::MemoryStore;
use vcse_gateway::transport::HttpTransport;

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

#[tokio::test]
async fn a_deadline_of_seconds_is_not_looked_at_a_minute_later() {
    for (line, look) in
        [("", 60), ("answer-seconds = 604800", 60), ("answer-seconds = 4", 4), ("answer-seconds = 0", 1)]
    {
        let retry = EXAMPLE.replacen("# [retry] ", "[retry]\n# ", 1);
        let text = retry.lines().map(|at| if at.starts_with("# answer-seconds") { line } else { at });
        let config = config::parse(&text.collect::<Vec<_>>().join("\n")).unwrap();
        let clock = Arc::new(ManualClock::at(datetime!(2026-06-15 12:00 UTC)));
        let (store, chance) = (Arc::new(MemoryStore::new()), Arc::new(Chance::seeded(1)));
        let transport = Arc::new(HttpTransport::new().unwrap());
        let built = config::build(&config, "http://127.0.0.1:1/fhir".to_owned(), store, clock, chance, transport);
        assert_eq!(built.unwrap().limits.unanswered_look, Duration::from_secs(look), "{line}");
    }
}
