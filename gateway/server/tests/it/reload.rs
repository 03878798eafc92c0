//! Adapters that are folders: a changed one is taken up while the gateway runs, wholly or not at all, and each attempt
//! says which version it was made with.

use crate::losses::{Scene, script};
use crate::support::{Setup, World, bundle, eventually, settle};
use gateway_core::outbox::Attempt;
use gateway_core::referral::ReferralId;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use time::macros::datetime;
use vcse_gateway::clock::ManualClock;

/// A scene whose time moves only when it is told to.
async fn timed(script: &Value) -> (Scene, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(datetime!(2026-06-15 12:00 UTC)));
    let setup = Setup { clock: Arc::<ManualClock>::clone(&clock), ..Setup::default() };
    (Scene::start(script, "", setup).await, clock)
}

fn of_version(version: &str, steps: &[&str]) -> Value {
    json!({"version": version, "steps": steps})
}

/// The version that the platform `food` has now, without its hash.
fn in_use(world: &World) -> String {
    let food = gateway_core::identity::PlatformId("food".to_owned());
    let version = world.running.gateway.platform(&food).unwrap().adapter.descriptor().version.clone();
    version.split('+').next().unwrap().to_owned()
}

/// Lets the watcher look, until this version is in use.
async fn taken_up(scene: &Scene, clock: &ManualClock, version: &str) {
    eventually(version, || async {
        clock.advance(Duration::from_secs(5));
        settle().await;
        (in_use(&scene.world) == version).then_some(())
    })
    .await;
}

/// Lets the watcher look some times.
async fn looked(clock: &ManualClock) {
    for _ in 0..4 {
        clock.advance(Duration::from_secs(5));
        settle().await;
    }
}

async fn attempts(world: &World, referral: &ReferralId) -> Vec<Attempt> {
    let rows = world.store().outbox(referral).await.unwrap();
    world.store().attempts(&rows[0].id).await.unwrap()
}

fn versions(attempts: &[Attempt]) -> Vec<String> {
    let version = |attempt: &Attempt| attempt.adapter.as_ref().unwrap().version.split('+').next().unwrap().to_owned();
    attempts.iter().map(version).collect()
}

/// Time passes until the Task's referral is delivered.
async fn delivered(scene: &Scene, clock: &ManualClock, task: &str) {
    eventually("the delivery", || async {
        clock.advance(Duration::from_secs(1));
        settle().await;
        let id = task.rsplit_once('/').unwrap().1;
        let all = scene.world.referrals().await;
        all.into_iter().find(|one| one.task == id && one.delivery.word() == "delivered")
    })
    .await;
}

#[tokio::test]
async fn a_changed_adapter_makes_the_next_attempt_and_is_recorded_with_it() {
    let (scene, clock) = timed(&of_version("1", &["one"])).await;
    scene.platform.away(Some("one"));
    let sent = scene.world.submit(&bundle(0)).await;
    let id = scene.world.referral().await.id;
    eventually("the first attempt", || async {
        attempts(&scene.world, &id).await.first().and_then(|attempt| attempt.finished)
    })
    .await;
    scene.change(&of_version("2", &["one"]));
    taken_up(&scene, &clock, "2").await;
    scene.platform.away(None);
    delivered(&scene, &clock, &sent.path("Task")).await;
    let made = attempts(&scene.world, &id).await;
    let versions = versions(&made);
    assert_eq!((versions.first().unwrap().as_str(), versions.last().unwrap().as_str()), ("1", "2"), "{versions:?}");
    assert!(made.iter().all(|attempt| attempt.adapter.as_ref().unwrap().name == "scripted"));
    let (_, body) = scene.platform.sent().pop().unwrap();
    assert!(body.starts_with("2+"), "{body}");
    scene.world.stop().await;
}

#[tokio::test]
async fn a_broken_adapter_changes_nothing_until_it_is_mended() {
    let (scene, clock) = timed(&of_version("1", &["one"])).await;
    for broken in [
        json!({"version": "2"}),
        json!("no adapter"),
        json!({"version": "2", "steps": ["one"], "needs_setting": "nowhere-set"}),
    ] {
        scene.change(&broken);
        looked(&clock).await;
        assert_eq!(in_use(&scene.world), "1", "{broken}");
    }
    let sent = scene.world.submit(&bundle(0)).await;
    delivered(&scene, &clock, &sent.path("Task")).await;
    assert!(scene.platform.sent()[0].1.starts_with("1+"));
    let home = scene.folder.path().join(crate::scripted::NAME);
    std::fs::remove_dir_all(&home).unwrap();
    looked(&clock).await;
    assert_eq!(in_use(&scene.world), "1", "a folder that is gone");
    scene.change(&of_version("3", &["one"]));
    taken_up(&scene, &clock, "3").await;
    scene.world.stop().await;
}

#[tokio::test]
async fn an_exchange_whose_step_is_gone_is_held_for_a_person() {
    let (scene, clock) = timed(&of_version("1", &["one", "two"])).await;
    scene.platform.away(Some("two"));
    let sent = scene.world.submit(&bundle(0)).await;
    let id = scene.world.referral().await.id;
    eventually("an attempt that stands at its second step", || async {
        let row = scene.world.store().outbox(&id).await.unwrap().remove(0);
        row.progress.filter(|progress| progress.step == "two" && row.last_failure.is_some())
    })
    .await;
    scene.change(&of_version("2", &["one", "three"]));
    taken_up(&scene, &clock, "2").await;
    scene.platform.away(None);
    eventually("the hold", || async {
        clock.advance(Duration::from_secs(1));
        settle().await;
        (scene.world.referral().await.delivery.word() == "held").then_some(())
    })
    .await;
    let task = scene.world.task(&sent.path("Task")).await;
    assert_eq!(task["status"], "on-hold");
    let words = task["statusReason"]["text"].as_str().unwrap();
    assert!(words.contains("no step of this version"), "{words}");
    assert!(words.contains("may have reached the platform"), "{words}");
    assert_eq!(scene.platform.paths(), ["one"], "nothing more was sent");
    scene.world.stop().await;
}

#[tokio::test]
async fn a_mapping_that_loses_more_than_was_seen_holds_again_and_one_that_loses_less_does_not() {
    let (scene, clock) = timed(&script(&[("Patient.name", "unsafe")])).await;
    scene.platform.away(Some("one"));
    let sent = scene.world.submit(&bundle(0)).await;
    let path = sent.path("Task");
    assert_eq!(sent.resource("Task")["status"], "on-hold");
    assert_eq!(scene.world.move_task(&path, "requested").await.status, 200);
    let mut less = script(&[("Patient.name", "notable")]);
    less["version"] = json!("2");
    scene.change(&less);
    taken_up(&scene, &clock, "2").await;
    let shows = |task: &Value, words: &str| task["extension"].to_string().contains(words);
    eventually("the lesser loss on the Task", || async {
        clock.advance(Duration::from_secs(1));
        settle().await;
        let task = scene.world.task(&path).await;
        (task["status"] == "requested" && shows(&task, "\"valueString\":\"2+")).then_some(())
    })
    .await;
    let mut more = script(&[("Patient.name", "unsafe"), ("Patient.birthDate", "unsafe")]);
    more["version"] = json!("3");
    scene.change(&more);
    taken_up(&scene, &clock, "3").await;
    eventually("the second hold", || async {
        clock.advance(Duration::from_secs(1));
        settle().await;
        (scene.world.task(&path).await["status"] == "on-hold").then_some(())
    })
    .await;
    let task = scene.world.task(&path).await;
    assert!(task["statusReason"]["text"].as_str().unwrap().contains("Patient.birthDate"), "{task}");
    // Each report is a Provenance of its own, and the last is the one that is shown.
    let id = path.rsplit_once('/').unwrap().1;
    let found = scene.world.get(crate::support::GP, &format!("/fhir/Provenance?target=Task/{id}")).await.json();
    assert_eq!(found["total"], 3, "{found}");
    scene.platform.away(None);
    assert_eq!(scene.world.move_task(&path, "requested").await.status, 200);
    delivered(&scene, &clock, &path).await;
    scene.world.stop().await;
}
