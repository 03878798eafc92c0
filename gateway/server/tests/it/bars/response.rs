//! The conversation: a request, what becomes of it told by `servicerequest-response`, a cancellation; and where responses never go.

use super::{ENCOUNTER, ODS, cancellation, guid, message, part, post};
use crate::support::{Setup, World, assert_valid, eventually, settle};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use conformance_tests::message_sender::{Came, MessageSender};
use conformance_tests::platform::{FhirPlatform, Notify, PlatformConfig};
use gateway_core::notify::NoticeState;
use serde_json::{Value, json};

const ADDRESS: &str = "https://fhir.nhs.uk/Id/dos-service-id|2000099999";
const NUMBER: &str = "https://vcse-gateway.example/fhir/NamingSystem/referral-number";

fn header<'c>(came: &'c Came, name: &str) -> &'c str {
    came.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn decoded(came: &Came, name: &str) -> Value {
    serde_json::from_slice(&STANDARD.decode(header(came, name)).unwrap()).unwrap()
}

fn parts(came: &Came, kind: &str) -> Vec<Value> {
    let entries = came.body["entry"].as_array().unwrap().iter().map(|entry| entry["resource"].clone());
    entries.filter(|one| one["resourceType"] == kind).collect()
}

/// The status of the receiver's Encounter.
fn says(came: &Came) -> String {
    parts(came, "Encounter")[1]["status"].as_str().unwrap().to_owned()
}

async fn hears(sender: &MessageSender, count: usize) -> Came {
    eventually(&format!("message {count}"), || async { sender.came().get(count - 1).cloned() }).await
}

fn keys(address: &str, base: &str) -> [String; 2] {
    let section = format!("[[client.notify.message]]\nreturn-address = \"{address}\"\nbase-url = \"{base}\"\n");
    [String::new(), section]
}

async fn world(address: &str, base: &str) -> (World, FhirPlatform) {
    let food = FhirPlatform::start(PlatformConfig { seed: 3, ..PlatformConfig::default() }).await.unwrap();
    let bases = [food.base_url(), food.base_url()];
    let world = World::start(Setup { bases, lanes: true, notify: keys(address, base), ..Setup::default() }).await;
    food.set_notify(Some(Notify::id_only(
        &format!("{}/platforms/food/reports", world.origin),
        crate::support::REPORT_TOKEN,
    )));
    (world, food)
}

/// Sends a message that must be taken; gives the answer and the platform's name for the referral.
async fn referred(world: &World, nth: usize) -> (Value, String) {
    let answer = world.send(post(world, u32::try_from(nth).unwrap() + 1, &message(nth))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let mut told = answer.json();
    let task = format!("/fhir/Task/{}", part(&mut told, "Task")["id"].as_str().unwrap());
    let referral = eventually("delivered", || async {
        let all = world.referrals().await;
        all.into_iter().find(|one| task.ends_with(&one.task) && one.delivery.word() == "delivered")
    })
    .await;
    (told, referral.platform_referral.unwrap().0)
}

#[tokio::test]
async fn a_conversation_from_request_to_outcome() {
    let sender = MessageSender::start().await.unwrap();
    // It takes the first and cannot say so; told again, it has it already.
    sender.answer_next(503, true);
    let (world, food) = world(ADDRESS, &sender.base_url()).await;
    let sent = message(0);
    let (mut told, name) = referred(&world, 0).await;
    settle().await;
    assert!(sender.came().is_empty(), "delivered is not told as accepted");
    assert!(food.plan(&name, &[("accepted", None)]));
    food.tick().await;
    let (first, again) = (hears(&sender, 1).await, hears(&sender, 2).await);
    for came in [&first, &again] {
        let came: &Came = came;
        assert_eq!(says(came), "planned");
        assert_valid("response", &came.body.to_string());
        assert_eq!(header(came, "x-correlation-id"), guid(42));
        assert_eq!(header(came, "x-request-id"), header(&first, "x-request-id"), "one message, one id");
        assert_eq!(came.body["id"], first.body["id"]);
    }
    assert_ne!(header(&first, "x-request-id"), guid(1));
    assert_eq!(header(&first, "content-type"), "application/fhir+json; version=1.4.0");
    assert_eq!(
        decoded(&first, "nhsd-target-identifier"),
        json!({ "system": "https://fhir.nhs.uk/Id/dos-service-id", "value": "2000099999" })
    );
    assert_eq!(
        decoded(&first, "nhsd-end-user-organisation")["identifier"][0],
        json!({ "system": ODS, "value": "VCSE1" })
    );
    assert_eq!(decoded(&first, "nhsd-requesting-software")["resourceType"], "Device");
    let head = &parts(&first, "MessageHeader")[0];
    assert_eq!(
        (&head["eventCoding"]["code"], &head["reason"]["coding"][0]["code"]),
        (&json!("servicerequest-response"), &json!("new"))
    );
    assert_eq!((&head["response"]["identifier"], &head["destination"][0]["endpoint"]), (&sent["id"], &json!(ADDRESS)));
    // By what the sender knows it: its own case, the ServiceRequest as it was answered, the number that it was given.
    assert_eq!(parts(&first, "Encounter")[0]["identifier"][0]["value"], "case-0");
    let request = part(&mut told, "ServiceRequest").clone();
    assert_eq!(parts(&first, "ServiceRequest")[0]["id"], request["id"]);
    let number = request["identifier"].as_array().unwrap().iter().find(|one| one["system"] == NUMBER).unwrap();
    assert_eq!(parts(&first, "Encounter")[1]["identifier"][0], *number);
    let patient = part(&mut told, "Patient").clone();
    assert_eq!(parts(&first, "Patient")[0].as_object().unwrap().len(), 2, "who is meant, and no more");
    assert!(patient["identifier"].as_array().unwrap().contains(&parts(&first, "Patient")[0]["identifier"][0]));
    for (count, status, word) in [(3, "in-progress", "in-progress"), (4, "completed", "finished")] {
        assert!(food.plan(&name, &[(status, None)]));
        food.tick().await;
        let came = hears(&sender, count).await;
        assert_eq!(says(&came), word);
        assert_eq!(parts(&came, "MessageHeader")[0]["reason"]["coding"][0]["code"], "update");
        assert_ne!(header(&came, "x-request-id"), header(&first, "x-request-id"));
        assert_eq!(
            parts(&came, "ServiceRequest")[0]["status"],
            if word == "finished" { "completed" } else { "active" }
        );
    }
    settle().await;
    assert_eq!((sender.came().len(), sender.taken().len()), (4, 3));
    let referral = world.referral().await;
    let notices = world.store().notices_of(&referral.id).await.unwrap();
    assert!(notices.iter().all(|notice| notice.state == NoticeState::Sent), "{notices:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_refusal_by_the_service_and_a_cancellation_by_the_sender_end_the_conversation() {
    let sender = MessageSender::start().await.unwrap();
    let base = sender.base_url();
    let (world, food) = world(ADDRESS, &base).await;
    let (_, name) = referred(&world, 0).await;
    assert!(food.plan(&name, &[("rejected", Some("no room"))]));
    food.tick().await;
    let came = hears(&sender, 1).await;
    assert_eq!(says(&came), "cancelled");
    let why = &parts(&came, "Encounter")[1]["reasonCode"][0];
    assert!(why["coding"][0]["code"].is_string() && why["text"].as_str().unwrap().contains("no room"), "{why}");
    // The need has not gone away: the practice may refer elsewhere.
    assert_eq!(parts(&came, "ServiceRequest")[0]["status"], "active");
    let (told, _) = referred(&world, 1).await;
    let answer = world.send(post(&world, 9, &cancellation(&told, "revoked"))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let came = hears(&sender, 2).await;
    assert_eq!((says(&came).as_str(), &parts(&came, "ServiceRequest")[0]["status"]), ("cancelled", &json!("revoked")));
    assert_eq!(parts(&came, "MessageHeader")[0]["response"]["identifier"], message(1)["id"]);
    world.stop().await;
}

/// The sender names its return address. Were it followed, a message could make the gateway ask whomever it likes.
#[tokio::test]
async fn a_return_address_that_is_not_on_the_list_is_told_to_a_person_and_never_asked() {
    let sender = MessageSender::start().await.unwrap();
    let base = sender.base_url();
    let (world, food) = world(ADDRESS, &base).await;
    let mut nth = 0;
    for address in
        [format!("{base}|2000099999"), base.clone(), "https://fhir.nhs.uk/Id/dos-service-id|2000099998".to_owned()]
    {
        let mut sent = message(nth);
        part(&mut sent, "MessageHeader")["source"]["endpoint"] = json!(address);
        let answer = world.send(post(&world, u32::try_from(nth).unwrap() + 1, &sent)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        nth += 1;
    }
    let all = eventually("delivered", || async {
        let all = world.referrals().await;
        all.iter().all(|one| one.delivery.word() == "delivered").then_some(all)
    })
    .await;
    for referral in &all {
        assert!(food.plan(&referral.platform_referral.as_ref().unwrap().0, &[("accepted", None)]));
    }
    food.tick().await;
    let dead = eventually("three notices for a person", || async {
        let dead = world.store().dead_notices(None, 0, 9).await.unwrap();
        (dead.len() == nth).then_some(dead)
    })
    .await;
    for (_, notice) in dead {
        let words = notice.last_failure.unwrap();
        assert!(words.contains("not on the list") && !words.contains("127.0.0.1"), "{words}");
    }
    assert!(sender.came().is_empty());
    world.stop().await;
}

/// Shapes of the kinds of message that the public examples have, written for this test: each has a clear answer.
#[tokio::test]
async fn each_kind_of_message_of_the_standard_has_a_clear_answer() {
    let world = World::quiet().await;
    let event = |code: &str| {
        let mut sent = message(0);
        part(&mut sent, "MessageHeader")["eventCoding"]["code"] = json!(code);
        sent
    };
    let mut validation = message(0);
    for category in part(&mut validation, "ServiceRequest")["category"].as_array_mut().unwrap() {
        category["coding"][0]["code"] = json!("validation");
    }
    let mut response = event("servicerequest-response");
    part(&mut response, "MessageHeader")["response"] = json!({ "identifier": guid(7), "code": "ok" });
    let mut alpha = message(0);
    alpha["meta"]["versionId"] = json!("1.0.0-alpha");
    let mut braces = message(0);
    part(&mut braces, "Patient")["id"] = json!("{9589fb37-87a2-48d8-968f-b371429208a8}");
    let mut based = message(0);
    part(&mut based, "ServiceRequest")["basedOn"] = json!({ "reference": ENCOUNTER });
    let mut number = message(0);
    part(&mut number, "Patient")["identifier"][0]["value"] = json!("9912003889");
    for (nth, (what, sent, status, code)) in [
        ("a booking", event("booking-request"), 501, "REC_NOT_IMPLEMENTED"),
        ("its answer", event("booking-response"), 501, "REC_NOT_IMPLEMENTED"),
        ("a validation", validation, 501, "REC_NOT_IMPLEMENTED"),
        ("an answer to one", response, 501, "REC_NOT_IMPLEMENTED"),
        ("an id in braces", braces, 422, "REC_UNPROCESSABLE_ENTITY"),
        ("a basedOn that is no list", based, 400, "REC_BAD_REQUEST"),
        ("an NHS number that is none", number, 422, "REC_UNPROCESSABLE_ENTITY"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = world.send(post(&world, 50 + u32::try_from(nth).unwrap(), &sent)).await;
        let told = super::told(what, &answer);
        assert_eq!((told.0, told.2.as_str()), (status, code), "{what}: {}", answer.text);
    }
    assert!(world.referrals().await.is_empty());
    // A version of the message that is still 1 is taken.
    let answer = world.send(post(&world, 90, &alpha)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    world.stop().await;
}
