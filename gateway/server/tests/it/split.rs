//! A referral in parts: a Task that asks nobody for anything follows the Tasks that are part of it.

use crate::support::{GP, Sent, World, bundle, entry_of, eventually};
use serde_json::{Value, json};

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
        named(&mut part, &format!("urn:uuid:6d1f1f5e-58a5-4f0e-9c3c-1d2f3a4b5c7{nth}"));
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
