//! A referral that is changed after it was sent: what reaches the platform, what does not, and what a person is shown.

use crate::losses::{Scene, script};
use crate::scripted::Keeps;
use crate::support::{FHIR_JSON, GP, NEIGHBOUR, PATCH_JSON, Sent, Setup, World, bundle, eventually, settle};
use conformance_tests::platform::{Fault, FaultKind, FhirPlatform, Match, PlatformConfig};
use gateway_core::outbox::{Errand, OutboxState};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

/// A gateway with `food`, which keeps its own server, alone.
async fn with_food() -> (World, FhirPlatform) {
    let food = FhirPlatform::start(PlatformConfig { seed: 3, ..PlatformConfig::default() }).await.unwrap();
    let bases = [food.base_url(), "http://127.0.0.1:9/fhir".to_owned()];
    (World::start(Setup { bases, lanes: true, ..Setup::default() }).await, food)
}

/// The order that the platform has for its one Task.
fn order(food: &FhirPlatform) -> Value {
    let tasks = food.tasks();
    assert_eq!(tasks.len(), 1, "one Task is expected");
    let task = food.resource("Task", &tasks[0].id).unwrap();
    let id = task["focus"]["reference"].as_str().unwrap().rsplit_once('/').unwrap().1.to_owned();
    food.resource("ServiceRequest", &id).unwrap()
}

fn patient(food: &FhirPlatform) -> Value {
    let id = order(food)["subject"]["reference"].as_str().unwrap().rsplit_once('/').unwrap().1.to_owned();
    food.resource("Patient", &id).unwrap()
}

async fn asks_for(world: &World, sent: &Sent, words: &str) {
    let answer = world
        .change(&sent.path("ServiceRequest"), |request| {
            request["orderDetail"] = json!([{ "text": words }]);
        })
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

async fn updates(world: &World) -> Vec<OutboxState> {
    let rows = world.store().outbox(&world.referral().await.id).await.unwrap();
    rows.iter().filter(|row| row.errand == Errand::Update).map(|row| row.state).collect()
}

async fn told(world: &World, times: usize) {
    eventually("the update", || async {
        let all = updates(world).await;
        (all.len() == times && all.iter().all(|state| *state == OutboxState::Done)).then_some(())
    })
    .await;
}

fn writes(food: &FhirPlatform) -> usize {
    food.requests()
        .iter()
        .filter(|request| request.method == "POST" && request.body.contains("\"transaction\""))
        .count()
}

#[tokio::test]
async fn a_changed_request_and_a_new_address_reach_the_platform_and_make_no_second_referral() {
    let (world, food) = with_food().await;
    let sent = world.submit(&bundle(0)).await;
    world.delivered(&sent.path("Task")).await;
    asks_for(&world, &sent, "Ground floor only").await;
    told(&world, 1).await;
    assert_eq!(order(&food)["orderDetail"][0]["text"], "Ground floor only");
    let path = sent.path("Patient");
    let answer = world.change(&path, |patient| patient["address"] = json!([{ "city": "Leeds" }])).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    told(&world, 2).await;
    assert_eq!(patient(&food)["address"][0]["city"], "Leeds");
    assert_eq!((food.tasks().len(), food.duplicates().len()), (1, 0));
    // Each of the three is on record, with what it told.
    let lines = world.store().audit(&world.referral().await.id).await.unwrap();
    assert_eq!(lines.iter().filter(|line| line.action == "disclose").count(), 3);
    // What the platform has already is not told again.
    let before = writes(&food);
    let answer = world
        .change(&path, |patient| {
            patient["text"] = json!({"status": "empty",
        "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"})
        })
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    settle().await;
    assert_eq!((writes(&food), updates(&world).await.len()), (before, 2));
    world.stop().await;
}

#[tokio::test]
async fn what_waits_goes_as_it_is_then() {
    let world = World::quiet().await;
    let sent = world.submit(&bundle(0)).await;
    asks_for(&world, &sent, "Ground floor only").await;
    let rows = world.store().outbox(&world.referral().await.id).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.errand.clone()).collect::<Vec<_>>(), [Errand::Submit]);
    world.stop().await;
}

#[tokio::test]
async fn a_change_while_an_attempt_is_in_doubt_is_told_behind_it_and_the_last_of_two_stands() {
    let (world, food) = with_food().await;
    // The order is stored, and nobody sees the answer.
    food.faults().push(Fault::new(Match::on("POST", "/fhir").times(3), FaultKind::ResetAfterStoring));
    let sent = world.submit(&bundle(0)).await;
    eventually("a request", || async { (writes(&food) > 0).then_some(()) }).await;
    asks_for(&world, &sent, "Ground floor only").await;
    asks_for(&world, &sent, "First floor").await;
    world.delivered(&sent.path("Task")).await;
    eventually("the last change", || async { (order(&food)["orderDetail"][0]["text"] == "First floor").then_some(()) })
        .await;
    world.outbox_idle().await;
    assert_eq!((food.tasks().len(), food.duplicates().len()), (1, 0));
    world.stop().await;
}

#[tokio::test]
async fn consent_that_ends_before_the_change_is_told_lets_nothing_out() {
    let (world, food) = with_food().await;
    let sent = world.submit(&bundle(0)).await;
    world.delivered(&sent.path("Task")).await;
    food.faults().push(Fault::new(
        Match::on("GET", "/fhir/Task").times(2),
        FaultKind::Status { status: 503, retry_after: None },
    ));
    asks_for(&world, &sent, "Ground floor only").await;
    let answer = world.change(&sent.path("Consent"), |consent| consent["status"] = json!("inactive")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    world.task_becomes(&sent.path("Task"), "cancelled").await;
    world.outbox_idle().await;
    assert_eq!(order(&food)["orderDetail"], Value::Null);
    world.stop().await;
}

#[tokio::test]
async fn a_platform_that_cannot_be_told_leaves_words_for_a_person_until_it_is_changed_back() {
    let scene = Scene::start(&script(&[]), "", Setup::default()).await;
    let world = &scene.world;
    let sent = world.submit(&bundle(0)).await;
    world.delivered(&sent.path("Task")).await;
    let before = scene.platform.sent().len();
    asks_for(world, &sent, "Ground floor only").await;
    let task = eventually("drift", || async {
        let task = world.task(&sent.path("Task")).await;
        task["statusReason"]["text"].as_str().is_some_and(|words| words.contains("was not told")).then_some(task)
    })
    .await;
    assert_eq!(task["status"], "requested", "{task}");
    let attention = world.referral().await.attention.unwrap();
    assert!(attention.contains("Call the organisation"), "{attention}");
    assert_eq!(scene.platform.sent().len(), before, "nothing was sent");
    let path = sent.path("ServiceRequest");
    let back = world.change(&path, |request| drop(request.as_object_mut().unwrap().remove("orderDetail")));
    assert_eq!(back.await.status, 200);
    eventually("no drift", || async { world.referral().await.attention.is_none().then_some(()) }).await;
    assert_eq!(world.task(&sent.path("Task")).await["statusReason"], Value::Null);
    scene.world.stop().await;
}

#[tokio::test]
async fn where_it_is_declared_it_is_cancelled_and_sent_anew_under_another_key_and_never_twice() {
    let mut script = script(&[]);
    (script["amends"], script["cancels"]) = (json!("cancel-and-resend"), json!(true));
    let scene = Scene::start(&script, "", Setup::default()).await;
    let world = &scene.world;
    let sent = world.submit(&bundle(0)).await;
    let before = world.delivered(&sent.path("Task")).await;
    let told = scene.platform.paths().len();
    // The platform does not answer the cancellation: nothing is sent anew as long as that is so.
    scene.platform.away(Some("cancel"));
    asks_for(world, &sent, "Ground floor only").await;
    eventually("the wish to replace it", || async { world.referral().await.replacing }).await;
    settle().await;
    let after: Vec<String> = scene.platform.paths().split_off(told);
    assert!(after.iter().all(|path| path.starts_with("read")), "{after:?}");
    scene.platform.away(None);
    let referral = eventually("a new key", || async {
        let referral = world.referral().await;
        (referral.key != before.key && referral.delivery.word() == "delivered").then_some(referral)
    })
    .await;
    assert_eq!(referral.former.iter().map(|one| one.key.clone()).collect::<Vec<_>>(), [before.key]);
    let after = scene.platform.paths().split_off(told);
    let cancel = after.iter().position(|path| path == "cancel").unwrap();
    let anew = after.iter().position(|path| !path.starts_with("read") && path != "cancel").unwrap();
    assert!(cancel < anew, "{after:?}");
    assert_eq!(after.iter().filter(|path| *path == "cancel").count(), 1, "{after:?}");
    assert_eq!(world.task(&sent.path("Task")).await["status"], "requested");
    scene.world.stop().await;
}

/// A platform that is told of a change by a cancellation and a new referral, and keeps what it has; its first referral is there.
async fn replacing(asks: bool) -> (Scene, Sent) {
    let mut script = script(&[]);
    (script["amends"], script["cancels"], script["asks"]) = (json!("cancel-and-resend"), json!(true), json!(asks));
    let scene = Scene::start(&script, "", Setup::default()).await;
    *scene.platform.keeps.lock().unwrap() = Some(Keeps::default());
    let sent = scene.world.submit(&bundle(0)).await;
    scene.world.delivered(&sent.path("Task")).await;
    (scene, sent)
}

async fn sent_anew(scene: &Scene, sent: &Sent) {
    let referral = eventually("a new name", || async {
        let referral = scene.world.referral().await;
        (!referral.former.is_empty() && referral.delivery.word() == "delivered").then_some(referral)
    })
    .await;
    scene.world.outbox_idle().await;
    assert_eq!((referral.platform_referral.unwrap().0.as_str(), referral.cancel_left), ("43", false));
    let keeps = scene.platform.keeps.lock().unwrap().take().unwrap();
    assert_eq!((keeps.given, keeps.stands), (2, true), "exactly one stands there");
    let history = scene.world.task(&format!("{}/_history", sent.path("Task"))).await;
    let statuses: Vec<&str> = history["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["resource"]["status"].as_str().unwrap())
        .collect();
    assert!(statuses.iter().all(|status| *status == "requested"), "{statuses:?}");
}

#[tokio::test]
async fn an_end_that_our_own_cancellation_made_is_no_refusal_where_its_answer_was_lost() {
    for asks in [false, true] {
        let (scene, sent) = replacing(asks).await;
        let told = scene.platform.paths().len();
        // Both are kept there, and nobody sees the answer.
        scene.platform.keeps.lock().unwrap().as_mut().unwrap().loses = vec!["cancel", "one"];
        asks_for(&scene.world, &sent, "Ground floor only").await;
        sent_anew(&scene, &sent).await;
        assert_eq!(scene.world.referral().await.attention, None);
        let after = scene.platform.paths().split_off(told);
        let times = |path: &str| after.iter().filter(|one| *one == path).count();
        // What cannot be sent twice unasked is asked about.
        assert_eq!((times("cancel"), times("one")), (2, if asks { 1 } else { 2 }), "{after:?}");
        scene.world.stop().await;
    }
}

#[tokio::test]
async fn what_was_given_up_with_a_cancellation_that_had_arrived_is_sent_anew_when_the_platform_says_so() {
    let (scene, sent) = replacing(false).await;
    let world = &scene.world;
    {
        let mut keeps = scene.platform.keeps.lock().unwrap();
        let keeps = keeps.as_mut().unwrap();
        (keeps.loses, keeps.then_refuses) = (vec!["cancel"], Some("read-1"));
    }
    asks_for(world, &sent, "Ground floor only").await;
    let words = eventually("a person is told", || async { world.referral().await.attention }).await;
    assert!(words.contains("the cancellation may have arrived"), "{words}");
    assert_eq!(world.task(&sent.path("Task")).await["status"], "requested");
    scene.platform.keeps.lock().unwrap().as_mut().unwrap().then_refuses = None;
    scene.platform.changed.store(true, Ordering::SeqCst);
    sent_anew(&scene, &sent).await;
    assert_eq!(world.referral().await.attention, None);
    scene.world.stop().await;
}

#[tokio::test]
async fn what_may_not_change_is_refused_with_its_place_and_nothing_is_written() {
    let world = World::quiet().await;
    let sent = world.submit(&bundle(0)).await;
    let path = sent.path("ServiceRequest");
    let hash = world.store().content_hash().await.unwrap();
    for (element, value) in [
        ("status", json!("on-hold")),
        ("subject", json!({"display": "Somebody else"})),
        ("identifier", json!([{ "value": "1" }])),
        ("doNotPerform", json!(true)),
    ] {
        let answer = world.change(&path, |request| request[element] = value).await;
        answer.assert_refused(element);
        assert_eq!(answer.status, 422, "{element}: {}", answer.text);
    }
    let request = world.get(GP, &path).await;
    let put = |token: &str| world.request(token, "PUT", &path).header("content-type", FHIR_JSON);
    let unversioned = world.send(put(GP).body(request.text.clone())).await;
    assert_eq!(unversioned.status, 412, "{}", unversioned.text);
    let stale = world.send(put(GP).header("if-match", "W/\"9\"").body(request.text.clone())).await;
    assert_eq!(stale.status, 412, "{}", stale.text);
    // Another organisation's is as one that is not there.
    let strange = world.send(put(NEIGHBOUR).header("if-match", "W/\"1\"").body(request.text)).await;
    assert_eq!(strange.status, 404, "{}", strange.text);
    assert_eq!(world.store().content_hash().await.unwrap(), hash);
    // A patch says the same as a whole document.
    let patch = json!([{ "op": "add", "path": "/priority", "value": "urgent" }]).to_string();
    let patched = world.request(GP, "PATCH", &path).header("content-type", PATCH_JSON).header("if-match", "W/\"1\"");
    let patched = world.send(patched.body(patch)).await;
    assert_eq!(
        (patched.status.as_u16(), patched.json()["priority"].clone()),
        (200, json!("urgent")),
        "{}",
        patched.text
    );
    let lines = world.store().audit(&world.referral().await.id).await.unwrap();
    let line = lines.iter().find(|line| line.action == "amend").unwrap();
    assert_eq!(line.detail["changed"][0], format!("{}/_history/2", sent.reference("ServiceRequest")));
    world.stop().await;
}

#[tokio::test]
async fn what_has_ended_is_not_changed_any_more() {
    let world = World::quiet().await;
    let sent = world.submit(&bundle(0)).await;
    assert_eq!(world.move_task(&sent.path("Task"), "cancelled").await.status, 200);
    let answer = world.change(&sent.path("ServiceRequest"), |request| request["priority"] = json!("urgent")).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    assert!(answer.text.contains("send a new referral"), "{}", answer.text);
    world.stop().await;
}
