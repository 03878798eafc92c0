//! An override that ends is a withdrawal: what was delivered under it is recalled, unless a Consent covers it by now.

use crate::policies::{marked, overriding, platform, policy, tenant, without_consent};
use crate::support::{Sent, Setup, World, assert_valid, bundle, eventually, inside, settle};
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

/// Ten minutes into an override from half past eleven to noon, of what was delivered before on a Consent with this end.
async fn withdrawn_meanwhile(period: Option<&str>) -> (World, FhirPlatform, Arc<ManualClock>, Sent) {
    let (folder, store, clock) = stage();
    let mut referral = marked(bundle(0));
    if let Some(end) = period {
        inside(&mut referral, "Consent")["provision"]["period"] = json!({"start": "2026-01-01", "end": end});
    }
    let record = overriding(&mut referral, "2026-06-20T12:00:00Z")
        .replace("from = 2026-06-01T00:00:00Z", "from = 2026-06-20T11:30:00Z");
    let decided = tenant(folder.path(), &[("overrides", "overrides.toml", &record)]) + &policy("class = \"statutory\"");
    let food = platform().await;
    let world = world(&food, decided, &store, &clock).await;
    let sent = world.submit(&referral).await;
    world.delivered(&sent.path("Task")).await;
    clock.advance(Duration::from_secs(40 * 60));
    (world, food, clock, sent)
}

#[tokio::test]
async fn a_consent_withdrawn_under_an_override_counts_at_its_end_unless_it_was_given_again() {
    for given_again in [false, true] {
        let (world, food, clock, sent) = withdrawn_meanwhile(None).await;
        let consent = sent.path("Consent");
        let becomes = |status: &'static str| world.change(&consent, move |consent| consent["status"] = json!(status));
        assert_eq!(becomes("inactive").await.status, 200);
        let actions = || async {
            let lines = world.store().audit(&world.referral().await.id).await.unwrap();
            lines.into_iter().map(|line| line.action).filter(|one| one.contains("under-override")).collect::<Vec<_>>()
        };
        assert_eq!(actions().await, ["consent-withdrawn-under-override"]);
        if given_again {
            assert_eq!(becomes("active").await.status, 200);
            assert_eq!(actions().await, ["consent-withdrawn-under-override", "consent-given-under-override"]);
        }
        settle().await;
        assert_eq!(world.referral().await.recall, None, "the override holds");
        clock.advance(Duration::from_secs(20 * 60));
        if given_again {
            settle().await;
            assert_eq!(world.referral().await.recall, None);
        } else {
            let task = confirmed(&world, &sent.path("Task")).await;
            assert_eq!((task["status"].as_str(), receipt(&task, "way")), (Some("cancelled"), json!("exchange")));
            assert!(food.tasks().iter().all(|task| task.status == "cancelled"), "{:?}", food.tasks());
        }
        world.stop().await;
    }
}

#[tokio::test]
async fn a_consent_that_only_ran_out_under_an_override_recalls_nothing_at_its_end() {
    let (world, food, clock, _sent) = withdrawn_meanwhile(Some("2026-06-20T11:35:00Z")).await;
    clock.advance(Duration::from_secs(20 * 60));
    settle().await;
    assert_eq!(world.referral().await.recall, None);
    assert!(food.tasks().iter().all(|task| task.status != "cancelled"), "{:?}", food.tasks());
    world.stop().await;
}
