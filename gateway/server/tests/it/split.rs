//! A referral in parts: a Task that asks nobody for anything follows the Tasks that are part of it.

use crate::support::{GP, Sent, Setup, World, bundle, door, entry_of, eventually};
use gateway_core::accept::version_of;
use gateway_core::change::{Change, CheckFailure, Transaction};
use gateway_core::resource::{ResourceKey, WriteMethod};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::task::JoinSet;
use vcse_gateway::store::CommitError;
use vcse_gateway::store::sqlite::SqliteStore;

const WHOLE: &str = "urn:uuid:6d1f1f5e-58a5-4f0e-9c3c-1d2f3a4b5c6d";

/// The synthetic referral twice, as parts of one Task.
pub(crate) fn parts(of: usize) -> Value {
    let mut bundle = bundle(0);
    let task = entry_of(&mut bundle, "Task").clone();
    let entries = bundle["entry"].as_array_mut().unwrap();
    entries.retain(|entry| entry["resource"]["resourceType"] != "Task");
    let named = |entry: &mut Value, url: &str| {
        entry["fullUrl"] = json!(url);
        entry["request"] = json!({ "method": "POST", "url": "Task" });
        entry["resource"].as_object_mut().unwrap().remove("identifier");
    };
    let mut whole = task.clone();
    named(&mut whole, WHOLE);
    whole["resource"]["intent"] = json!("plan");
    whole["resource"].as_object_mut().unwrap().remove("owner");
    entries.push(whole);
    for nth in 0..of {
        let mut part = task.clone();
        named(&mut part, &format!("urn:uuid:6d1f1f5e-58a5-4f0e-9c3c-1d2f3a4b6{nth:03}"));
        part["resource"]["partOf"] = json!([{ "reference": WHOLE }]);
        entries.push(part);
    }
    bundle
}

pub(crate) fn tasks(sent: &Sent) -> Vec<String> {
    let entries = sent.response["entry"].as_array().unwrap().iter();
    let tasks = entries.filter(|entry| entry["resource"]["resourceType"] == "Task");
    tasks.map(|entry| format!("/fhir/Task/{}", entry["resource"]["id"].as_str().unwrap())).collect()
}

async fn becomes(world: &World, path: &str, status: &str) -> Value {
    eventually(&format!("{path} {status}"), || async {
        let task = world.task(path).await;
        (task["status"] == status).then_some(task)
    })
    .await
}

#[tokio::test]
async fn the_whole_follows_its_parts_and_is_sent_to_nobody() {
    let world = World::quiet().await;
    let sent = world.submit(&parts(2)).await;
    let [whole, one, other] = tasks(&sent).try_into().unwrap();
    assert_eq!(world.referrals().await.len(), 2, "the parts alone are referrals");
    assert_eq!(world.task(&whole).await["status"], "requested");
    assert_eq!(world.move_task(&one, "cancelled").await.status, 200);
    assert_eq!(world.task(&whole).await["status"], "requested", "the other one goes on");
    assert_eq!(world.move_task(&other, "on-hold").await.status, 200);
    let task = becomes(&world, &whole, "on-hold").await;
    assert!(task["statusReason"]["text"].as_str().unwrap().contains("2 parts, of which 1"), "{task}");
    assert_eq!(world.move_task(&other, "cancelled").await.status, 200);
    becomes(&world, &whole, "cancelled").await;
    // What it came from stays, and leads to its parts.
    let found = world.get(GP, &format!("/fhir/Task?part-of={}", whole.trim_start_matches("/fhir/"))).await;
    assert_eq!(found.json()["entry"].as_array().map(Vec::len), Some(2), "{}", found.text);
    world.stop().await;
}

/// Thirty services answer at once: each word is taken, and the whole is what all of them come to.
#[tokio::test]
async fn thirty_parts_that_move_at_once_all_move_and_the_whole_with_them() {
    // A store that is read by several at once: what one of them reads is old when another has written.
    let disk = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&disk.path().join("gateway.db")).unwrap());
    let world = World::start(Setup { store, ..Setup::default() }).await;
    let sent = world.submit(&parts(30)).await;
    let mut all = tasks(&sent);
    let whole = all.remove(0);
    for (version, status) in [(2, "accepted"), (3, "completed")] {
        let mut at_once = JoinSet::new();
        for path in &all {
            let id = path.trim_start_matches("/fhir/Task/");
            let referral = world.referrals().await.into_iter().find(|one| one.task == id).unwrap();
            let key = ResourceKey { compartment: referral.compartment, kind: "Task".to_owned(), id: id.to_owned() };
            let stored = world.store().resource(&key, None).await.unwrap().unwrap();
            let mut task = door(&stored.body);
            task.set("status", gateway_fhir::Json::string(status));
            let gateway = Arc::clone(&world.running.gateway);
            let now = gateway.clock.now();
            let next = version_of(key, version, task, "platform/food", WriteMethod::Put, now, &|_| None);
            let changes = vec![Change::PutResource(next)];
            at_once.spawn(async move { gateway.commit(Transaction { checks: Vec::new(), changes }).await });
        }
        while let Some(done) = at_once.join_next().await {
            done.unwrap().unwrap();
        }
        assert_eq!(world.task(&whole).await["status"], status);
    }
    world.stop().await;
}

/// What is decided on an older version of a part is not written over a newer one, however often it is tried.
#[tokio::test]
async fn a_part_that_was_overtaken_is_refused() {
    let world = World::quiet().await;
    let sent = world.submit(&parts(1)).await;
    let referral = world.referral().await;
    let key = ResourceKey { compartment: referral.compartment, kind: "Task".to_owned(), id: referral.task };
    let gateway = &world.running.gateway;
    let task = door(&world.store().resource(&key, None).await.unwrap().unwrap().body);
    let stale = version_of(key, 1, task, "platform/food", WriteMethod::Put, gateway.clock.now(), &|_| None);
    let changes = vec![Change::PutResource(stale)];
    let refused = gateway.commit(Transaction { checks: Vec::new(), changes }).await;
    assert!(matches!(refused, Err(CommitError::Refused(CheckFailure::Version(1)))), "{refused:?}");
    assert_eq!(world.task(&sent.path("Task")).await["meta"]["versionId"], "1");
    world.stop().await;
}

#[tokio::test]
async fn nobody_moves_the_whole_and_it_is_not_without_parts() {
    let world = World::quiet().await;
    let answer = world.post(GP, "/fhir", parts(0).to_string()).await;
    answer.assert_refused("without parts");
    assert!(answer.text.contains("part of it"), "{}", answer.text);
    let sent = world.submit(&parts(1)).await;
    let whole = tasks(&sent).remove(0);
    let moved = world.move_task(&whole, "cancelled").await;
    assert_eq!(moved.status, 422, "{}", moved.text);
    let mut owned = parts(1);
    let entries = owned["entry"].as_array_mut().unwrap();
    let plan = entries.iter_mut().find(|entry| entry["resource"]["intent"] == "plan").unwrap();
    plan["resource"]["owner"] = json!({ "display": "Somebody" });
    world.post(GP, "/fhir", owned.to_string()).await.assert_refused("with an owner");
    world.stop().await;
}
