//! What the sender may still do with a Task, and what follows from it at the platform.

use crate::support::{GP, PATCH_JSON, Sent, Setup, World, bundle, eventually, inside, referral_to, settle};
use conformance_tests::generator::Expectation;
use conformance_tests::platform::{FhirPlatform, PlatformConfig};
use gateway_core::outbox::OutboxState;
use serde_json::{Value, json};
use std::sync::Arc;
use vcse_gateway::store::Store;
use vcse_gateway::store::memory::MemoryStore;

/// A gateway that delivers from the store of one that did not.
async fn go_on(store: &Arc<dyn Store>, platform: &FhirPlatform) -> World {
    let bases = [platform.base_url(), platform.base_url()];
    World::start(Setup { store: Arc::clone(store), bases, lanes: true, ..Setup::default() }).await
}

async fn quiet_over(store: &Arc<dyn Store>) -> World {
    World::start(Setup { store: Arc::clone(store), ..Setup::default() }).await
}

async fn platform() -> FhirPlatform {
    FhirPlatform::start(PlatformConfig::default()).await.unwrap()
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

#[tokio::test]
async fn cancelled_before_dispatch_nothing_is_ever_sent() {
    let (store, food) = (memory(), platform().await);
    let world = quiet_over(&store).await;
    let sent = world.submit(&bundle(0)).await;
    let task = sent.path("Task");
    let answer = world.move_task(&task, "cancelled").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(world.task(&sent.path("ServiceRequest")).await["status"], "revoked");
    let referral = world.referral().await;
    assert_eq!(referral.delivery.word(), "withdrawn");
    world.stop().await;
    let world = go_on(&store, &food).await;
    world.outbox_idle().await;
    settle().await;
    assert_eq!(food.requests().iter().filter(|request| request.method != "GET").count(), 0);
    assert_eq!(food.tasks().len(), 0);
    assert_eq!(world.task(&task).await["status"], "cancelled");
}

#[tokio::test]
async fn cancelled_while_the_platform_cannot_be_reached_nothing_is_ever_sent() {
    let store = memory();
    let food = platform().await;
    food.stop().await;
    let world = go_on(&store, &food).await;
    let sent = world.submit(&bundle(0)).await;
    let id = world.referral().await.id;
    eventually("a first attempt", || async {
        let rows = world.store().outbox(&id).await.unwrap();
        rows.iter().any(|row| row.attempts > 0 && row.last_failure.is_some()).then_some(())
    })
    .await;
    assert_eq!(world.move_task(&sent.path("Task"), "cancelled").await.status, 200);
    // Nothing left, so nobody need be asked: it ends while the platform is still away.
    eventually("the withdrawal", || async { (world.referral().await.delivery.word() == "withdrawn").then_some(()) })
        .await;
    assert_eq!(world.referral().await.attention, None);
    food.restart().await.unwrap();
    world.outbox_idle().await;
    assert_eq!(food.requests().iter().filter(|request| request.method != "GET").count(), 0, "{:?}", food.requests());
    assert_eq!(world.task(&sent.path("ServiceRequest")).await["status"], "revoked");
    assert_eq!(world.task(&sent.path("Task")).await["status"], "cancelled");
}

#[tokio::test]
async fn cancelled_after_dispatch_the_platform_is_told() {
    let (world, food, _befriending) = World::with_platforms("").await;
    let sent = world.submit(&bundle(0)).await;
    world.delivered(&sent.path("Task")).await;
    let answer = world.move_task(&sent.path("Task"), "cancelled").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    eventually("the cancellation at the platform", || async {
        food.tasks().iter().all(|task| task.status == "cancelled").then_some(())
    })
    .await;
    assert_eq!(food.tasks().len(), 1);
    assert_eq!(world.task(&sent.path("ServiceRequest")).await["status"], "revoked");
    world.outbox_idle().await;
    assert_eq!(world.task(&sent.path("Task")).await["status"], "cancelled");
}

#[tokio::test]
async fn held_and_released_before_dispatch_it_goes_out_once() {
    let (store, food) = (memory(), platform().await);
    let world = quiet_over(&store).await;
    let sent = world.submit(&bundle(0)).await;
    let task = sent.path("Task");
    assert_eq!(world.move_task(&task, "on-hold").await.status, 200);
    assert_eq!(world.referral().await.delivery.word(), "held");
    world.stop().await;
    let world = go_on(&store, &food).await;
    settle().await;
    assert_eq!(food.tasks().len(), 0, "a pause holds");
    let answer = world.move_task(&task, "requested").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    world.delivered(&task).await;
    assert_eq!(food.tasks().len(), 1);
}

#[tokio::test]
async fn a_platform_that_has_it_cannot_be_asked_to_pause() {
    let (world, food, _befriending) = World::with_platforms("").await;
    let sent = world.submit(&bundle(0)).await;
    let task = sent.path("Task");
    world.delivered(&task).await;
    let before = world.store().content_hash().await.unwrap();
    let answer = world.move_task(&task, "on-hold").await;
    answer.assert_refused("hold after delivery");
    assert_eq!(answer.status, 422);
    assert_eq!(answer.issues(), [("business-rule".to_owned(), "Task.status".to_owned())]);
    assert_eq!(world.store().content_hash().await.unwrap(), before);
    assert_eq!(food.tasks().len(), 1);
}

#[tokio::test]
async fn of_two_changes_at_once_with_if_match_one_wins() {
    let world = Arc::new(World::quiet().await);
    let sent = world.submit(&bundle(0)).await;
    let task = sent.path("Task");
    let mut moves = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (world, task) = (Arc::clone(&world), task.clone());
        moves.spawn(async move {
            let patch =
                world.request(GP, "PATCH", &task).header("content-type", PATCH_JSON).header("if-match", "W/\"1\"");
            world
                .send(patch.body("[{\"op\":\"replace\",\"path\":\"/status\",\"value\":\"cancelled\"}]"))
                .await
                .status
                .as_u16()
        });
    }
    let mut statuses = moves.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412, 412, 412]);
    assert_eq!(world.task(&task).await["meta"]["versionId"], "2");
}

#[tokio::test]
async fn moves_that_are_not_the_senders_are_refused_from_every_state() {
    let world = World::quiet().await;
    let sent = world.submit(&bundle(0)).await;
    let task = sent.path("Task");
    for (from, moves) in [
        ("requested", vec!["draft", "received", "accepted", "rejected", "ready", "in-progress", "failed", "completed"]),
        ("on-hold", vec!["received", "accepted", "rejected", "ready", "in-progress", "failed", "completed", "draft"]),
        ("cancelled", vec!["requested", "on-hold", "in-progress", "completed", "draft"]),
        ("entered-in-error", vec!["requested", "cancelled", "draft"]),
    ] {
        if from != "requested" {
            let answer = world.move_task(&task, from).await;
            assert_eq!(answer.status, 200, "to {from}: {}", answer.text);
        }
        let before = world.store().content_hash().await.unwrap();
        for to in moves {
            let answer = world.move_task(&task, to).await;
            answer.assert_refused(to);
            assert_eq!(answer.status, 422, "{from} to {to}");
        }
        assert_eq!(world.store().content_hash().await.unwrap(), before, "{from}");
    }
    assert_eq!(world.task(&sent.path("ServiceRequest")).await["status"], "entered-in-error");
}

#[tokio::test]
async fn a_security_label_cannot_be_taken_away() {
    let world = World::quiet().await;
    let mut bundle = bundle(0);
    let label = json!([{ "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N" }]);
    inside(&mut bundle, "Task")["meta"] = json!({ "security": label });
    let sent = world.submit(&bundle).await;
    let answer = world
        .change(&sent.path("Task"), |task| {
            task["meta"].as_object_mut().unwrap().remove("security");
        })
        .await;
    answer.assert_refused("label");
    assert_eq!(answer.status, 422);
    assert!(answer.issues().contains(&("business-rule".to_owned(), "Task.meta.security".to_owned())));
    // A note may be added, with the label kept.
    let note = |task: &mut Value| task["note"] = json!([{ "text": "please ring first" }]);
    let answer = world.change(&sent.path("Task"), note).await;
    assert_eq!((answer.status.as_u16(), answer.json()["status"].as_str()), (200, Some("requested")));
}

async fn withdraw_consent(world: &World, sent: &Sent) {
    let answer = world.change(&sent.path("Consent"), |consent| consent["status"] = json!("inactive")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn consent_withdrawn_between_accept_and_attempt_lets_nothing_leave() {
    let (store, food) = (memory(), platform().await);
    let world = quiet_over(&store).await;
    let sent = world.submit(&bundle(0)).await;
    withdraw_consent(&world, &sent).await;
    world.stop().await;
    let world = go_on(&store, &food).await;
    world.outbox_idle().await;
    settle().await;
    assert_eq!(food.requests().iter().filter(|request| request.method != "GET").count(), 0);
    // Given again, it needs a new referral: this one has ended.
    let answer = world.change(&sent.path("Consent"), |consent| consent["status"] = json!("active")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(world.move_task(&sent.path("Task"), "requested").await.status, 422);
    world.outbox_idle().await;
    assert_eq!(food.tasks().len(), 0);
    assert_eq!(world.get(GP, &format!("{}/_history", sent.path("Consent"))).await.json()["total"], 3);
}

#[tokio::test]
async fn a_consent_given_later_releases_what_was_held_at_accept() {
    let (world, food, _befriending) = World::with_platforms("").await;
    let sent = world.submit(&referral_to("VCSE1", Expectation::NoConsent, 0).bundle).await;
    let task = sent.path("Task");
    // Released without one, it is held again, by the gateway and with the reason.
    let again = world.move_task(&task, "requested").await;
    assert_eq!((again.status.as_u16(), again.json()["status"].as_str()), (200, Some("on-hold")), "{}", again.text);
    let mut other = bundle(0);
    let mut consent = inside(&mut other, "Consent").clone();
    consent["patient"] = json!({ "reference": sent.reference("Patient") });
    consent["performer"] = consent["patient"].clone();
    consent["organization"] = json!([{ "display": "practice" }]);
    consent.as_object_mut().unwrap().remove("performer");
    consent.as_object_mut().unwrap().remove("verification");
    let actor = &mut consent["provision"]["actor"][0]["reference"];
    actor.as_object_mut().unwrap().remove("reference");
    let answer = world.post(GP, "/fhir/Consent", consent.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let released = world.move_task(&task, "requested").await;
    assert_eq!(
        (released.status.as_u16(), released.json()["status"].as_str()),
        (200, Some("requested")),
        "{}",
        released.text
    );
    world.delivered(&task).await;
    assert_eq!(food.tasks().len(), 1);
}

#[tokio::test]
async fn a_draft_waits_until_it_is_requested_and_may_be_changed_till_then() {
    let (world, food, _befriending) = World::with_platforms("").await;
    let mut bundle = bundle(0);
    inside(&mut bundle, "Task")["status"] = json!("draft");
    let sent = world.submit(&bundle).await;
    let task = sent.path("Task");
    settle().await;
    assert!(world.referrals().await.is_empty());
    let answer = world.change(&task, |task| task["description"] = json!("better words")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let answer =
        world.change(&task, |task| task["output"] = json!([{ "type": { "text": "x" }, "valueString": "y" }])).await;
    assert_eq!(answer.status, 422);
    assert_eq!(world.move_task(&task, "requested").await.status, 200);
    world.delivered(&task).await;
    assert_eq!(food.tasks().len(), 1);
}

#[tokio::test]
async fn a_draft_is_held_to_the_rules_of_a_new_task_when_it_is_changed() {
    let world = World::quiet().await;
    let mut bundle = bundle(0);
    inside(&mut bundle, "Task")["status"] = json!("draft");
    let sent = world.submit(&bundle).await;
    let task = sent.path("Task");
    let another = world.submit(&crate::support::bundle(1)).await;
    let focus = another.reference("ServiceRequest");
    let before = world.store().content_hash().await.unwrap();
    for (what, element, value) in [
        ("of another patient's request", "focus", json!({ "reference": focus })),
        ("for another patient", "for", json!({ "reference": another.reference("Patient") })),
        ("for nobody", "for", json!({ "display": "x" })),
        ("a plan", "intent", json!("plan")),
        ("with a business status", "businessStatus", json!({ "text": "x" })),
    ] {
        let answer = world
            .change(&task, |task| {
                task[element] = value;
                task["status"] = json!("requested");
            })
            .await;
        answer.assert_refused(what);
        assert_eq!(answer.status, 422, "{what}");
    }
    assert_eq!(world.store().content_hash().await.unwrap(), before);
}

#[tokio::test]
async fn a_row_that_waits_is_dropped_when_the_sender_takes_it_back_as_an_error() {
    let world = World::quiet().await;
    let sent = world.submit(&bundle(0)).await;
    assert_eq!(world.move_task(&sent.path("Task"), "entered-in-error").await.status, 200);
    let referral = world.referral().await;
    let rows = world.store().outbox(&referral.id).await.unwrap();
    assert!(rows.iter().all(|row| row.state == OutboxState::Dropped), "{rows:?}");
}
