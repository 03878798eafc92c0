//! Consent that is withdrawn travels: what has not started stops in the Consent's own transaction, what was delivered is
//! recalled, the recipient's confirmation is waited for, and the GP's Task shows all of it.

use crate::losses::{Scene, script};
use crate::support::{
    Answer, COLLECTOR, FHIR_JSON, FOREIGN, GOVERNANCE, GP, NEIGHBOUR, PATCH_JSON, READER, RECORDER, REPORT_TOKEN, Sent,
    Setup, World, assert_valid, bundle, eventually, inside, referral_to, settle,
};
use conformance_tests::generator::Expectation;
use gateway_core::identity::{Compartment, Owner, PlatformId, TenantId};
use gateway_core::referral::Way;
use gateway_core::resource::ResourceKey;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use time::macros::datetime;
use vcse_gateway::clock::ManualClock;

async fn withdraw(world: &World, sent: &Sent) {
    let answer = world.change(&sent.path("Consent"), |consent| consent["status"] = json!("inactive")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

fn reason(task: &Value) -> &str {
    task["statusReason"]["text"].as_str().unwrap_or_default()
}

/// A part of the receipt that the Task shows.
pub(crate) fn receipt(task: &Value, part: &str) -> Value {
    let all = task["extension"].as_array().cloned().unwrap_or_default();
    let ours = all.iter().find(|one| one["url"].as_str().unwrap().ends_with("/consent-withdrawal"));
    let parts = ours.map(|one| one["extension"].as_array().cloned().unwrap()).unwrap_or_default();
    let part = parts.into_iter().find(|one| one["url"] == part);
    let value =
        part.and_then(|part| part.as_object().unwrap().iter().find(|(name, _)| *name != "url").map(|(_, v)| v.clone()));
    value.unwrap_or_default()
}

async fn actions(world: &World) -> Vec<String> {
    let id = world.referral().await.id;
    world.store().audit(&id).await.unwrap().into_iter().map(|line| line.action).collect()
}

#[tokio::test]
async fn what_has_not_started_is_stopped_with_the_consents_new_version() {
    let world = World::quiet().await;
    let sent = world.submit(&bundle(0)).await;
    withdraw(&world, &sent).await;
    // No worker runs here: what is seen now was written in one transaction with the Consent.
    let task = world.task(&sent.path("Task")).await;
    assert_valid("the Task", &task.to_string());
    assert_eq!(task["status"], "cancelled");
    assert!(reason(&task).contains(&sent.reference("Consent")) && reason(&task).contains("Nothing was sent"), "{task}");
    assert_eq!((receipt(&task, "way"), receipt(&task, "confirmed")), (json!("nothing-sent"), json!(false)));
    let consent = json!({"reference": format!("{}/_history/2", sent.reference("Consent"))});
    assert_eq!((receipt(&task, "consent"), receipt(&task, "recipient")), (consent, json!("food")));
    assert_eq!(world.task(&sent.path("ServiceRequest")).await["status"], "revoked");
    let referral = world.referral().await;
    assert_eq!(referral.delivery.word(), "withdrawn");
    let rows = world.store().outbox(&referral.id).await.unwrap();
    assert!(rows.iter().all(|row| row.state.word() == "dropped") && rows.len() == 1, "{rows:?}");
    assert!(actions(&world).await.contains(&"consent-withdrawn".to_owned()));
    // The receipt is the gateway's: a sender can neither alter nor remove it.
    let path = sent.path("Task");
    let without = |task: &mut Value| drop(task.as_object_mut().unwrap().remove("extension"));
    let answer = world.change(&path, without).await;
    assert_eq!((answer.status.as_u16(), receipt(&answer.json(), "way")), (200, json!("nothing-sent")));
    world.stop().await;
}

#[tokio::test]
async fn a_refusal_stops_all_referrals_of_the_person_by_whichever_patient_they_name() {
    let world = World::quiet().await;
    // One person, stored twice; another person; and one that its sender has paused.
    let (first, second) = (world.submit(&bundle(0)).await, world.submit(&bundle(0)).await);
    assert_ne!(first.reference("Patient"), second.reference("Patient"));
    let other = world.submit(&bundle(1)).await;
    assert_eq!(world.move_task(&second.path("Task"), "on-hold").await.status, 200);
    let mut refusal = world.task(&first.path("Consent")).await;
    for element in ["id", "meta", "identifier"] {
        refusal.as_object_mut().unwrap().remove(element);
    }
    refusal["provision"]["type"] = json!("deny");
    let answer = world.post(GP, "/fhir/Consent", refusal.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    for (sent, status) in [(&first, "cancelled"), (&second, "cancelled"), (&other, "requested")] {
        assert_eq!(world.task(&sent.path("Task")).await["status"], status);
    }
    world.stop().await;
}

#[tokio::test]
async fn what_waits_for_a_consent_goes_on_waiting() {
    let world = World::quiet().await;
    let sent = world.submit(&referral_to("VCSE1", Expectation::ConsentDenied, 0).bundle).await;
    assert_eq!(sent.resource("Task")["status"], "on-hold");
    let answer = world.change(&sent.path("Consent"), |consent| consent["dateTime"] = json!("2026-01-02")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(world.task(&sent.path("Task")).await["status"], "on-hold");
    world.stop().await;
}

#[tokio::test]
async fn what_was_delivered_is_recalled_and_the_platforms_confirmation_is_shown() {
    let (world, food, _befriending) = World::with_platforms("").await;
    let sent = world.submit(&bundle(0)).await;
    world.delivered(&sent.path("Task")).await;
    withdraw(&world, &sent).await;
    let at_once = world.task(&sent.path("Task")).await;
    assert_eq!((at_once["status"].as_str(), receipt(&at_once, "way")), (Some("cancelled"), json!("exchange")));
    assert!(receipt(&at_once, "deadline").is_string() && receipt(&at_once, "asked-at").is_string(), "{at_once}");
    let task = eventually("the confirmation", || async {
        let task = world.task(&sent.path("Task")).await;
        (receipt(&task, "confirmed") == true).then_some(task)
    })
    .await;
    assert_valid("the Task", &task.to_string());
    assert!(reason(&task).contains("confirmed"), "{task}");
    assert!(receipt(&task, "told-at").is_string() && receipt(&task, "confirmed-at").is_string(), "{task}");
    assert!(food.tasks().iter().all(|task| task.status == "cancelled"), "{:?}", food.tasks());
    let coding = &task["businessStatus"]["coding"][0]["code"];
    assert_eq!((coding, task.get("output")), (&json!("consent-withdrawn"), None));
    // Nobody waits for anything any more, and nobody has to call.
    world.outbox_idle().await;
    assert_eq!(world.referral().await.attention, None);
    let actions = actions(&world).await;
    for action in ["consent-withdrawn", "recall-told", "recall-confirmed"] {
        assert_eq!(actions.iter().filter(|one| *one == action).count(), 1, "{action}: {actions:?}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_platform_that_cannot_be_told_is_called_by_a_person() {
    let scene = Scene::start(&script(&[]), "", Setup::default()).await;
    let sent = scene.world.submit(&bundle(0)).await;
    scene.world.delivered(&sent.path("Task")).await;
    withdraw(&scene.world, &sent).await;
    let task = scene.world.task(&sent.path("Task")).await;
    assert_eq!((task["status"].as_str(), receipt(&task, "way")), (Some("cancelled"), json!("person")));
    assert!(reason(&task).contains("Call the organisation"), "{task}");
    assert!(scene.world.referral().await.attention.unwrap().contains("Call the organisation"));
    settle().await;
    assert_eq!(scene.platform.paths(), ["one"], "nothing is sent, and nothing read");
    // Who called records it on the receipt; nobody else can, and nothing else of it.
    let world = &scene.world;
    let at = task["extension"].as_array().unwrap().iter().position(|one| one.to_string().contains("asked-at")).unwrap();
    let add = |part: Value| json!([{"op": "add", "path": format!("/extension/{at}/extension/-"), "value": part}]);
    let by = add(json!({"url": "confirmed-by", "valueString": "Ms Sample, front desk"}));
    let patch = |token: &'static str, body: &Value| {
        let request = world.request(token, "PATCH", &sent.path("Task")).header("content-type", PATCH_JSON);
        world.send(request.body(body.to_string()))
    };
    for (token, status) in [(READER, 403), (RECORDER, 403), (NEIGHBOUR, 404), (FOREIGN, 404), (COLLECTOR, 404)] {
        assert_eq!(patch(token, &by).await.status, status, "{token}");
    }
    let refused = patch(GP, &add(json!({"url": "confirmed-at", "valueInstant": "2026-06-19T12:00:00Z"}))).await;
    assert_eq!((refused.status.as_u16(), refused.issues()[0].1.as_str()), (422, "Task.extension"));
    let answer = patch(GP, &by).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let task = world.task(&sent.path("Task")).await;
    assert_valid("the Task", &task.to_string());
    assert_eq!(
        (receipt(&task, "confirmed"), receipt(&task, "confirmed-by")),
        (json!(true), json!("Ms Sample, front desk"))
    );
    assert!(reason(&task).contains("The sender called"), "{task}");
    let referral = world.referral().await;
    assert_eq!(referral.attention, None);
    let lines = world.store().audit(&referral.id).await.unwrap();
    let line = lines.iter().find(|line| line.action == "recall-confirmed").unwrap();
    assert_eq!((line.actor.as_str(), &line.detail["by"]), ("client/gp", &json!("client/gp")));
    assert!(!lines.iter().any(|line| line.detail.to_string().contains("Sample")));
    scene.world.stop().await;
}

#[tokio::test]
async fn a_consent_for_somebody_else_takes_back_nothing_of_what_had_run_out() {
    let clock = Arc::new(ManualClock::at(datetime!(2026-06-19 12:00 UTC)));
    let mut cancels = script(&[]);
    cancels["cancels"] = json!(true);
    let setup = Setup { clock: Arc::<ManualClock>::clone(&clock), ..Setup::default() };
    let scene = Scene::start(&cancels, "", setup).await;
    let mut referral = bundle(0);
    inside(&mut referral, "Consent")["provision"]["period"] = json!({"start": "2026-01-01", "end": "2026-06-20"});
    let sent = scene.world.submit(&referral).await;
    scene.world.delivered(&sent.path("Task")).await;
    clock.advance(Duration::from_secs(3 * 24 * 3_600));
    let mut another = sent.resource("Consent").clone();
    let members = another.as_object_mut().unwrap();
    members.remove("id");
    members.remove("meta");
    another["provision"]["period"] = json!({"start": "2026-06-01"});
    another["provision"]["actor"][0]["reference"] = json!({"type": "Organization", "identifier": {
        "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "VCSE9"}});
    let answer = scene.world.post(GP, "/fhir/Consent", another.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let task = scene.world.task(&sent.path("Task")).await;
    assert_eq!((task["status"] == "cancelled", receipt(&task, "way")), (false, json!(null)), "{task}");
    assert!(scene.world.referral().await.recall.is_none());
    // A refusal still takes it back.
    another["provision"]["type"] = json!("deny");
    another["provision"]["actor"] = sent.resource("Consent")["provision"]["actor"].clone();
    let answer = scene.world.post(GP, "/fhir/Consent", another.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(scene.world.task(&sent.path("Task")).await["status"], "cancelled");
    scene.world.stop().await;
}

#[tokio::test]
async fn a_sender_that_corrects_its_task_does_not_end_the_wait_for_a_confirmation() {
    let (scene, sent, clock) = unconfirmed().await;
    let answer = scene.world.move_task(&sent.path("Task"), "entered-in-error").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    clock.advance(Duration::from_secs(49 * 3_600));
    eventually("the deadline", || async {
        scene.world.referral().await.attention.filter(|words| words.contains("Call the organisation"))
    })
    .await;
    scene.world.stop().await;
}

#[tokio::test]
async fn what_its_sender_had_cancelled_gets_a_receipt_too_and_keeps_the_senders_words() {
    let clock = Arc::new(ManualClock::at(datetime!(2026-06-19 12:00 UTC)));
    let mut cancels = script(&[]);
    cancels["cancels"] = json!(true);
    let setup = Setup { clock: Arc::<ManualClock>::clone(&clock), ..Setup::default() };
    let scene = Scene::start(&cancels, "", setup).await;
    let world = &scene.world;
    let sent = world.submit(&bundle(0)).await;
    let path = sent.path("Task");
    world.delivered(&path).await;
    let ends = |task: &mut Value| {
        task["status"] = json!("cancelled");
        task["statusReason"] = json!({"text": "No longer needed"});
    };
    assert_eq!(world.change(&path, ends).await.status, 200);
    world.outbox_idle().await;
    assert_eq!(scene.platform.paths(), ["one", "cancel"]);
    withdraw(world, &sent).await;
    let task = world.task(&path).await;
    assert_valid("the Task", &task.to_string());
    assert_eq!((task["status"].as_str(), reason(&task)), (Some("cancelled"), "No longer needed"));
    assert_eq!((receipt(&task, "way"), receipt(&task, "confirmed")), (json!("exchange"), json!(false)));
    // It was told before consent was withdrawn, and it is not told twice.
    assert_eq!(receipt(&task, "told-at"), json!("2026-06-19T12:00:00.000Z"));
    assert!(receipt(&task, "deadline").is_string(), "{task}");
    assert!(actions(world).await.contains(&"consent-withdrawn".to_owned()));
    clock.advance(Duration::from_secs(49 * 3_600));
    let task = eventually("the deadline", || async {
        let task = world.task(&path).await;
        receipt(&task, "overdue-at").is_string().then_some(task)
    })
    .await;
    assert_eq!((task["status"].as_str(), reason(&task)), (Some("cancelled"), "No longer needed"));
    assert!(world.referral().await.attention.unwrap().contains("Call the organisation"));
    assert_eq!(scene.platform.paths(), ["one", "cancel"]);
    scene.world.stop().await;
}

#[tokio::test]
async fn what_its_sender_had_cancelled_and_the_platform_had_ended_needs_no_receipt() {
    let (world, food, _befriending) = World::with_platforms("").await;
    let sent = world.submit(&bundle(0)).await;
    let path = sent.path("Task");
    world.delivered(&path).await;
    assert_eq!(world.move_task(&path, "cancelled").await.status, 200);
    eventually("the platform's own end", || async {
        world.referral().await.platform_status.filter(|status| status.is_final())
    })
    .await;
    withdraw(&world, &sent).await;
    let task = world.task(&path).await;
    assert!(food.tasks().iter().all(|task| task.status == "cancelled"), "{:?}", food.tasks());
    assert_eq!((task["status"].as_str(), receipt(&task, "way")), (Some("cancelled"), json!(null)), "{task}");
    world.stop().await;
}

/// Delivered, withdrawn and told, to a platform that does not say that it has stopped.
async fn unconfirmed() -> (Scene, Sent, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(datetime!(2026-06-19 12:00 UTC)));
    let mut cancels = script(&[]);
    cancels["cancels"] = json!(true);
    let setup = Setup { clock: Arc::<ManualClock>::clone(&clock), ..Setup::default() };
    let scene = Scene::start(&cancels, "", setup).await;
    let sent = scene.world.submit(&bundle(0)).await;
    scene.world.delivered(&sent.path("Task")).await;
    withdraw(&scene.world, &sent).await;
    eventually("the platform that is told", || async {
        let task = scene.world.task(&sent.path("Task")).await;
        receipt(&task, "told-at").is_string().then_some(())
    })
    .await;
    assert_eq!(scene.platform.paths(), ["one", "cancel"]);
    (scene, sent, clock)
}

#[tokio::test]
async fn without_a_confirmation_in_time_a_person_is_told_and_nothing_more_is_read() {
    let (scene, sent, clock) = unconfirmed().await;
    // It goes on working, and that is read, for it might have stopped.
    scene.platform.changed.store(true, Ordering::SeqCst);
    clock.advance(Duration::from_secs(3_600));
    eventually("a read", || async { scene.platform.paths().contains(&"read-2".to_owned()).then_some(()) }).await;
    settle().await;
    let task = scene.world.task(&sent.path("Task")).await;
    assert_eq!((task["status"].as_str(), receipt(&task, "confirmed")), (Some("cancelled"), json!(false)));
    assert_eq!(scene.world.referral().await.attention, None);
    scene.platform.changed.store(false, Ordering::SeqCst);
    clock.advance(Duration::from_secs(47 * 3_600));
    let task = eventually("the deadline", || async {
        let task = scene.world.task(&sent.path("Task")).await;
        receipt(&task, "overdue-at").is_string().then_some(task)
    })
    .await;
    assert!(reason(&task).contains("has not confirmed in time"), "{task}");
    assert!(scene.world.referral().await.attention.unwrap().contains("Call the organisation"));
    let read = scene.platform.paths().len();
    scene.platform.changed.store(true, Ordering::SeqCst);
    clock.advance(Duration::from_secs(3_600));
    settle().await;
    assert_eq!(scene.platform.paths().len(), read, "after the deadline nothing more is read");
    scene.world.stop().await;
}

#[tokio::test]
async fn a_platform_that_says_after_the_deadline_that_something_changed_is_read_and_may_still_confirm() {
    let (scene, sent, clock) = unconfirmed().await;
    clock.advance(Duration::from_secs(49 * 3_600));
    let path = sent.path("Task");
    eventually("the deadline", || async {
        receipt(&scene.world.task(&path).await, "overdue-at").is_string().then_some(())
    })
    .await;
    let (read, reads) = (|| scene.platform.paths().iter().filter(|path| *path == "read-2").count(), Some(()));
    // It works on: that is read once for each time that it says so, and a person stays told.
    push(&scene.world).await;
    eventually("a read", || async { reads.filter(|()| read() == 1) }).await;
    settle().await;
    assert!(scene.world.referral().await.attention.is_some() && read() == 1);
    scene.platform.ended.store(true, Ordering::SeqCst);
    push(&scene.world).await;
    let task = eventually("the confirmation", || async {
        let task = scene.world.task(&path).await;
        (receipt(&task, "confirmed") == true).then_some(task)
    })
    .await;
    assert!(receipt(&task, "overdue-at").is_string(), "that it was late stays on the receipt: {task}");
    assert_eq!(scene.world.referral().await.attention, None);
    push(&scene.world).await;
    settle().await;
    assert_eq!(read(), 2, "once it has confirmed nothing is read");
    // What it said goes with the record, also where nothing was done for it.
    let wish = json!({"resourceType": "Parameters", "parameter": [{"name": "reason", "valueCode": "request"}]});
    let erase = format!("{}/$erase", sent.path("Patient"));
    let erased = scene.world.post(GOVERNANCE, &erase, wish.to_string()).await;
    assert_eq!(erased.status, 200, "{}", erased.text);
    assert_eq!(scene.world.store().raw_reports(datetime!(9999-01-01 00:00 UTC), 10).await.unwrap(), []);
    scene.world.stop().await;
}

/// The platform says by itself that something changed.
async fn push(world: &World) {
    let answer = world.post(REPORT_TOKEN, "/platforms/food/reports", "42").await;
    assert_eq!(answer.status, 202, "{}", answer.text);
}

#[tokio::test]
async fn an_end_that_is_read_confirms_the_recall_and_is_not_told() {
    let (scene, sent, clock) = unconfirmed().await;
    scene.platform.ended.store(true, Ordering::SeqCst);
    scene.platform.changed.store(true, Ordering::SeqCst);
    clock.advance(Duration::from_secs(3_600));
    let task = eventually("the confirmation", || async {
        let task = scene.world.task(&sent.path("Task")).await;
        (receipt(&task, "confirmed") == true).then_some(task)
    })
    .await;
    assert_eq!(task["status"], "cancelled");
    for word in ["completed", "helped", "parcels"] {
        assert!(!task.to_string().to_lowercase().contains(word), "{word}: {task}");
    }
    let referral = scene.world.referral().await;
    let kept = scene.world.store().reports(&referral.id).await.unwrap();
    assert!(kept.iter().all(|one| one.report.reason.is_none() && one.report.outputs.is_empty()), "{kept:?}");
    assert_eq!(referral.recall.unwrap().way, Way::Exchange);
    scene.world.stop().await;
}

#[tokio::test]
async fn a_collecting_platform_sees_that_it_is_to_stop_and_nothing_else() {
    let (world, _food, _befriending) = World::with_platforms("").await;
    let mut bundle = referral_to("VCSE3", Expectation::Delivered, 0).bundle;
    inside(&mut bundle, "Task")["input"] = json!([{"type": {"text": "PHQ-9"}, "valueString": "canary-input"}]);
    inside(&mut bundle, "Task")["restriction"] = json!({"period": {"end": "2031-02-03"}});
    let sent = world.submit(&bundle).await;
    let referral = world.delivered(&sent.path("Task")).await;
    let published = format!("/fhir/Task/{}", referral.platform_referral.unwrap().0);
    let before = world.get(COLLECTOR, &published).await.json();
    let clinical = ["canary-input", "PHQ-9", "2031-02-03", "Patient/", "ServiceRequest/"];
    assert!(clinical.iter().all(|words| before.to_string().contains(words)), "{before}");
    let patient = format!("/fhir/{}", before["for"]["reference"].as_str().unwrap());
    assert_eq!(world.get(COLLECTOR, &patient).await.status, 200);
    withdraw(&world, &sent).await;
    eventually("the published Task that ends", || async {
        let task = world.get(COLLECTOR, &published).await.json();
        (task["status"] == "cancelled").then_some(())
    })
    .await;
    assert_eq!(world.get(COLLECTOR, &patient).await.status, 404);
    let nothing_else = |answer: &Answer| {
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(!clinical.iter().any(|words| answer.text.contains(words)), "{}", answer.text);
    };
    let read = world.get(COLLECTOR, &published).await;
    assert_valid("the Task that has ended", &read.text);
    let names: BTreeSet<String> = read.json().as_object().unwrap().keys().cloned().collect();
    let left = ["resourceType", "id", "meta", "identifier", "status", "statusReason", "intent", "code"];
    assert_eq!(names, left.map(str::to_owned).into());
    for address in [&published, &format!("{published}/_history/2"), "/fhir/Task?_include=Task:focus"] {
        nothing_else(&world.get(COLLECTOR, address).await);
    }
    for address in ["/_history/1", "/_history"] {
        assert_eq!(world.get(COLLECTOR, &format!("{published}{address}")).await.status, 404, "{address}");
    }
    // A patch reaches no further than a read.
    for operation in [
        json!({"op": "copy", "from": "/input/0/valueString", "path": "/statusReason/text"}),
        json!({"op": "test", "path": "/input/0/valueString", "value": "canary-input"}),
    ] {
        let patch = world.request(COLLECTOR, "PATCH", &published).header("content-type", PATCH_JSON);
        let patch = patch.header("if-match", read.header("etag")).body(json!([operation]).to_string());
        assert!(world.send(patch).await.status.is_client_error(), "{operation}");
    }
    settle().await;
    assert_eq!(
        receipt(&world.task(&sent.path("Task")).await, "confirmed"),
        false,
        "the gateway's own move is no answer"
    );
    // It cannot end what has ended otherwise; by writing the Task once more as it stands it says that it has stopped.
    let read = world.get(COLLECTOR, &published).await;
    let put = |change: &dyn Fn(&mut Value)| {
        let mut next = read.json();
        change(&mut next);
        let put = world.request(COLLECTOR, "PUT", &published).header("content-type", FHIR_JSON);
        put.header("if-match", read.header("etag")).body(next.to_string())
    };
    assert_eq!(world.send(put(&|next| next["status"] = json!("completed"))).await.status, 422);
    let answer = world.send(put(&|next| next["note"] = json!([{"text": "removed-from-our-list"}]))).await;
    nothing_else(&answer);
    let task = eventually("the confirmation", || async {
        let task = world.task(&sent.path("Task")).await;
        (receipt(&task, "confirmed") == true).then_some(task)
    })
    .await;
    assert!(!task.to_string().contains("removed-from-our-list"), "{task}");
    // What was not shown is still stored, and the version before is no way to it.
    nothing_else(&world.get(COLLECTOR, &published).await);
    for version in [1, 2] {
        assert_eq!(world.get(COLLECTOR, &format!("{published}/_history/{version}")).await.status, 404);
    }
    let (kind, id) = ("Task".to_owned(), published.rsplit('/').next().unwrap().to_owned());
    let owner = Owner::Platform(PlatformId("advice".to_owned()));
    let compartment = Compartment { tenant: TenantId("pcn-a".to_owned()), owner };
    let stored = world.store().resource(&ResourceKey { compartment, kind, id }, None).await.unwrap().unwrap();
    assert_eq!(stored.version, 3);
    assert!(stored.body.contains("canary-input") && stored.body.contains("removed-from-our-list"), "{}", stored.body);
    world.stop().await;
}

#[tokio::test]
async fn a_bundle_that_brings_a_refusal_stops_what_came_before_it() {
    let world = World::quiet().await;
    let sent = world.submit(&bundle(0)).await;
    let mut second = bundle(0);
    inside(&mut second, "Consent")["provision"]["type"] = json!("deny");
    let refused = world.submit(&second).await;
    assert_eq!(refused.resource("Task")["status"], "on-hold");
    assert_eq!(world.task(&sent.path("Task")).await["status"], "cancelled");
    world.stop().await;
}
