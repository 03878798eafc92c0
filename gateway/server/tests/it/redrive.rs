//! Dead letters go on, one or many, after somebody has looked at them; and each is decided anew.

use crate::support::{
    Answer, FOREIGN_OPERATOR, GOVERNANCE, GP, OPERATOR, Sent, World, assert_valid, bundle, referral_to, settle,
};
use conformance_tests::generator::Expectation;
use conformance_tests::platform::{Fault, FaultKind, FhirPlatform, Match};
use serde_json::{Value, json};

const REFUSED: FaultKind = FaultKind::Status { status: 401, retry_after: None };

async fn redrive(world: &World, token: &str, parameters: Value) -> Answer {
    let body = json!({ "resourceType": "Parameters", "parameter": parameters });
    world.post(token, "/fhir/Task/$redrive", body.to_string()).await
}

fn named(task: &Sent) -> Value {
    json!({ "name": "task", "valueReference": { "reference": task.reference("Task") } })
}

fn yes(name: &str) -> Value {
    json!({ "name": name, "valueBoolean": true })
}

fn count(answer: &Answer, name: &str) -> u64 {
    let answer = answer.json();
    let parameters = answer["parameter"].as_array().unwrap();
    parameters.iter().find(|one| one["name"] == name).unwrap()["valueUnsignedInt"].as_u64().unwrap()
}

/// A part of the first dead letter of an answer.
fn part(answer: &Answer, name: &str) -> String {
    let answer = answer.json();
    let parameters = answer["parameter"].as_array().unwrap();
    let letter = parameters.iter().find(|one| one["name"] == "dead-letter").unwrap();
    let part = letter["part"].as_array().unwrap().iter().find(|part| part["name"] == name).unwrap();
    part.as_object().unwrap().values().find(|value| **value != name).unwrap().as_str().unwrap_or_default().to_owned()
}

async fn dead(world: &World, food: &FhirPlatform, nth: usize) -> Sent {
    food.faults().push(Fault::new(Match::on("POST", "/fhir/Task"), REFUSED));
    let sent = world.submit(&bundle(nth)).await;
    world.delivery_becomes(&sent.path("Task"), "dead-letter").await;
    sent
}

#[tokio::test]
async fn many_go_on_after_a_dry_run_that_changes_nothing() {
    let (world, food, _befriending) = World::with_platforms("").await;
    let mut all = Vec::new();
    for nth in 0..3 {
        all.push(dead(&world, &food, nth).await);
    }
    let hash = world.store().content_hash().await.unwrap();
    let dry = redrive(&world, OPERATOR, json!([yes("dry-run"), { "name": "cause", "valueCode": "http-401" }])).await;
    assert_eq!(dry.status, 200, "{}", dry.text);
    assert_valid("the answer", &dry.text);
    assert_eq!((count(&dry, "redriven"), count(&dry, "stays")), (3, 0));
    assert_eq!((part(&dry, "cause").as_str(), part(&dry, "platform").as_str()), ("http-401", "food"));
    assert!(part(&dry, "words").contains("Renew them, then redrive."), "{}", dry.text);
    let other = redrive(&world, OPERATOR, json!([yes("dry-run"), { "name": "cause", "valueCode": "http-403" }])).await;
    assert_eq!((count(&other, "redriven"), count(&other, "stays")), (0, 0));
    assert_eq!(world.store().content_hash().await.unwrap(), hash);
    assert_eq!(food.tasks().len(), 0);

    // One page after the other; a redriven one has left the list.
    let first = redrive(&world, OPERATOR, json!([yes("all"), { "name": "limit", "valueInteger": 2 }])).await;
    assert_eq!(count(&first, "redriven"), 2, "{}", first.text);
    let next = first.json()["parameter"].as_array().unwrap().iter().find(|one| one["name"] == "next-after").cloned();
    let next = next.unwrap()["valueInteger"].clone();
    let second = redrive(&world, OPERATOR, json!([yes("all"), { "name": "after", "valueInteger": next }])).await;
    assert_eq!(count(&second, "redriven"), 1, "{}", second.text);
    for sent in &all {
        world.delivered(&sent.path("Task")).await;
        let task = world.task(&sent.path("Task")).await;
        assert_eq!((&task["status"], &task["statusReason"]), (&json!("requested"), &Value::Null));
    }
    world.outbox_idle().await;
    assert_eq!((food.tasks().len(), food.duplicates().len()), (3, 0));
    let again = redrive(&world, OPERATOR, json!([yes("all")])).await;
    assert_eq!((count(&again, "redriven"), count(&again, "stays")), (0, 0));
    let lines = world.store().audit(&world.referrals().await[0].id).await.unwrap();
    assert!(lines.iter().any(|line| line.action == "redrive" && line.actor == "client/operator"), "{lines:?}");
    world.stop().await;
}

#[tokio::test]
async fn consent_is_decided_anew() {
    let (world, food, _befriending) = World::with_platforms("").await;
    let sent = dead(&world, &food, 0).await;
    let withdrawn = world.change(&sent.path("Consent"), |consent| consent["status"] = json!("inactive")).await;
    assert_eq!(withdrawn.status, 200, "{}", withdrawn.text);
    let answer = redrive(&world, OPERATOR, json!([named(&sent)])).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    settle().await;
    assert_eq!(food.tasks().len(), 0, "{}", answer.text);
    world.stop().await;
}

#[tokio::test]
async fn what_may_be_at_a_platform_is_looked_up_before_it_is_sent_again() {
    let (world, _food, befriending) = World::with_platforms("").await;
    // It is stored there, and what answers is a refusal by something in between.
    befriending.faults().push(Fault::new(Match::on("POST", "/fhir/Task"), FaultKind::ResetAfterStoring));
    befriending.faults().push(Fault::new(Match::on("GET", "/fhir/Task").times(u32::MAX), REFUSED));
    let sent = world.submit(&referral_to("VCSE2", Expectation::Delivered, 0).bundle).await;
    world.delivery_becomes(&sent.path("Task"), "dead-letter").await;
    befriending.faults().clear();
    let answer = redrive(&world, OPERATOR, json!([named(&sent)])).await;
    assert_eq!(count(&answer, "redriven"), 1, "{}", answer.text);
    world.delivered(&sent.path("Task")).await;
    world.outbox_idle().await;
    assert_eq!((befriending.tasks().len(), befriending.duplicates().len()), (1, 0));
    world.stop().await;
}

#[tokio::test]
async fn only_an_operator_of_the_customer_redrives_and_only_what_is_named() {
    let (world, food, _befriending) = World::with_platforms("").await;
    let sent = dead(&world, &food, 0).await;
    let hash = world.store().content_hash().await.unwrap();
    for token in [GP, GOVERNANCE] {
        assert_eq!(redrive(&world, token, json!([named(&sent)])).await.status, 403, "{token}");
    }
    let foreign = redrive(&world, FOREIGN_OPERATOR, json!([named(&sent)])).await;
    let nobodys = json!([{ "name": "task", "valueReference": { "reference": "Task/none" } }]);
    let none = redrive(&world, FOREIGN_OPERATOR, nobodys).await;
    assert_eq!((foreign.status, foreign.text), (none.status, none.text), "another's answers as a missing one");
    for (case, parameters) in [
        ("nothing is named", json!([yes("dry-run")])),
        ("not all", json!([{ "name": "all", "valueBoolean": false }])),
        ("no Task", json!([{ "name": "task", "valueReference": { "reference": "Patient/x" } }])),
        ("a number as text", json!([yes("all"), { "name": "after", "valueString": "1" }])),
        ("negative", json!([yes("all"), { "name": "after", "valueInteger": -1 }])),
        ("too many", json!([yes("all"), { "name": "limit", "valueInteger": 101 }])),
        ("asked about nobody in particular", json!([yes("all"), { "name": "asked", "valueInteger": 1 }])),
        ("asked, not after how many attempts", json!([named(&sent), yes("asked")])),
        ("unknown", json!([yes("all"), yes("quickly")])),
    ] {
        let answer = redrive(&world, OPERATOR, parameters).await;
        answer.assert_refused(case);
        assert_eq!(answer.status, 400, "{case}");
    }
    // An operator sees nothing of a person.
    for path in [sent.path("Task"), sent.path("Patient"), "/fhir/Task".to_owned()] {
        let answer = world.get(OPERATOR, &path).await;
        assert!(answer.status == 404 || answer.json()["total"] == 0 || answer.status == 403, "{path}: {}", answer.text);
    }
    assert_eq!(world.store().content_hash().await.unwrap(), hash);
    world.stop().await;
}
