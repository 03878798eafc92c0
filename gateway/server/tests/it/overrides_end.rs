//! An override that ends is a withdrawal: what was delivered under it is recalled, unless a Consent covers it by now.

use crate::policies::{marked, overriding, platform, policy, tenant, without_consent};
use crate::support::{Setup, World, assert_valid, bundle, eventually, settle};
use crate::withdrawn::receipt;
use conformance_tests::platform::FhirPlatform;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use time::macros::datetime;
use vcse_gateway::clock::ManualClock;
use vcse_gateway::store::Store;
use vcse_gateway::store::memory::MemoryStore;

/// Overrides of the person of this referral, for `food` as a statutory body.
fn decided(folder: &tempfile::TempDir, referral: &mut Value, expires: &str) -> String {
    let record = overriding(referral, expires);
    tenant(folder.path(), &[("overrides", "overrides.toml", &record)]) + &policy("class = \"statutory\"")
}

async fn world(food: &FhirPlatform, decided: String, store: &Arc<dyn Store>, clock: &Arc<ManualClock>) -> World {
    let bases = [food.base_url(), food.base_url()];
    let (store, clock) = (Arc::clone(store), Arc::<ManualClock>::clone(clock));
    World::start(Setup { bases, lanes: true, decided, store, clock, ..Setup::default() }).await
}

fn stage() -> (tempfile::TempDir, Arc<dyn Store>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(datetime!(2026-06-20 11:00 UTC)));
    (tempfile::tempdir().unwrap(), Arc::new(MemoryStore::new()), clock)
}

/// Waits until the platform was told and has confirmed.
async fn confirmed(world: &World, path: &str) -> Value {
    eventually("the confirmation", || async {
        let task = world.task(path).await;
        (receipt(&task, "confirmed") == true).then_some(task)
    })
    .await
}

#[tokio::test]
async fn what_was_delivered_under_an_override_is_recalled_at_its_end() {
    let (folder, store, clock) = stage();
    let mut referral = without_consent();
    let decided = decided(&folder, &mut referral, "2026-06-20T12:00:00Z");
    let food = platform().await;
    let world = world(&food, decided, &store, &clock).await;
    let sent = world.submit(&referral).await;
    let path = sent.path("Task");
    world.delivered(&path).await;
    clock.advance(Duration::from_secs(3_599));
    settle().await;
    assert_eq!(world.referral().await.recall, None, "it holds to its last instant");
    clock.advance(Duration::from_secs(1));
    let task = confirmed(&world, &path).await;
    assert_valid("the Task", &task.to_string());
    assert_eq!((task["status"].as_str(), receipt(&task, "reason")), (Some("cancelled"), json!("override-expired")));
    assert!(food.tasks().iter().all(|task| task.status == "cancelled"), "{:?}", food.tasks());
    let lines = world.store().audit(&world.referral().await.id).await.unwrap();
    let line = lines.iter().find(|line| line.action == "consent-withdrawn").unwrap();
    assert_eq!((line.actor.as_str(), &line.detail["way"]), ("gateway", &json!("exchange")));
    world.stop().await;
}

#[tokio::test]
async fn what_a_consent_covers_stays_when_an_override_ends() {
    let (folder, store, clock) = stage();
    let mut referral = marked(bundle(0));
    let decided = decided(&folder, &mut referral, "2026-06-20T12:00:00Z");
    let food = platform().await;
    let world = world(&food, decided, &store, &clock).await;
    let sent = world.submit(&referral).await;
    world.delivered(&sent.path("Task")).await;
    let lines = world.store().audit(&world.referral().await.id).await.unwrap();
    assert!(lines.iter().any(|line| line.detail["override"]["id"] == "sg-1"), "it left under the override");
    clock.advance(Duration::from_secs(3_600));
    settle().await;
    assert_eq!(world.referral().await.recall, None);
    assert!(food.tasks().iter().all(|task| task.status != "cancelled"), "{:?}", food.tasks());
    world.stop().await;
}

#[tokio::test]
async fn an_override_that_was_shortened_or_taken_out_of_its_file_ends_at_the_next_start() {
    for removed in [false, true] {
        let (folder, store, clock) = stage();
        let mut referral = without_consent();
        let long = decided(&folder, &mut referral, "2999-01-01T00:00:00Z");
        let food = platform().await;
        let before = world(&food, long.clone(), &store, &clock).await;
        let sent = before.submit(&referral).await;
        let path = sent.path("Task");
        before.delivered(&path).await;
        before.stop().await;
        // A start without a change changes nothing.
        let same = world(&food, long, &store, &clock).await;
        settle().await;
        assert_eq!(same.referral().await.recall, None);
        same.stop().await;
        let (changed, reason) = if removed {
            (policy("class = \"statutory\""), "no-consent")
        } else {
            (decided(&folder, &mut referral, "2026-06-20T10:00:00Z"), "override-expired")
        };
        let after = world(&food, changed, &store, &clock).await;
        let task = confirmed(&after, &path).await;
        assert_eq!(receipt(&task, "reason"), reason);
        after.stop().await;
    }
}
