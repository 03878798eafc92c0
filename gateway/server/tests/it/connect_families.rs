//! The adapter `connect-families` against a simulator that was written from the published API and refuses what it refuses.

use crate::support::{Besides, GP, Sent, Setup, World, eventually, inside, referral_to};
use conformance_tests::connect_families::{ConnectFamilies, ConnectFamiliesConfig, Role};
use conformance_tests::generator::Expectation;
use conformance_tests::platform::{Fault, FaultKind, Match};
use serde_json::{Value, json};

const ODS: &str = "VCSE7";
/// The organisation may have what the person was told.
const NOTES_TO: &[(&str, &str)] = &[("pcn-a", "besides")];
const SETTINGS: &str = "service-id = \"42\", service-name = \"Befriending\", organisation-id = \"7\", \
     organisation-name = \"Example Neighbours\", account-id = \"11\", account-email = \"link.workers@example.nhs.uk\", \
     account-name = \"Example PCN link workers\", account-team = \"Example PCN\", account-phone = \"0113 496 0100\"";

async fn scene() -> (World, ConnectFamilies) {
    let platform = ConnectFamilies::start(ConnectFamiliesConfig::default()).await.unwrap();
    let besides = Besides {
        ods: ODS,
        adapter: "connect-families",
        base: platform.base_url().trim_end_matches('/').to_owned(),
        scheme: "Bearer",
        token: platform.token(Role::LaDualRole, 11, 7),
        settings: SETTINGS,
    };
    let world =
        World::start(Setup { lanes: true, besides: Some(besides), notes_to: NOTES_TO, ..Setup::default() }).await;
    (world, platform)
}

fn referral(nth: usize) -> Value {
    referral_to(ODS, Expectation::Delivered, nth).bundle
}

/// Sends a referral and waits for its delivery: the Task, and the platform's id.
async fn delivered(world: &World, bundle: &Value) -> (Sent, i64) {
    let sent = world.submit(bundle).await;
    let referral = world.delivered(&sent.path("Task")).await;
    (sent, referral.platform_referral.unwrap().0.parse().unwrap())
}

#[tokio::test]
async fn a_request_is_opened_and_accepted_and_the_task_follows() {
    let (world, platform) = scene().await;
    let (sent, id) = delivered(&world, &referral(0)).await;
    let key = world.referral().await.key.0;
    assert_eq!(platform.holding(&key), [id], "our reference stands in a text that people read");
    assert_eq!(platform.ignored(id), [""; 0], "nothing is sent that the platform has no member for");
    let task = world.task(&sent.path("Task")).await;
    assert_eq!(
        (&task["status"], &task["businessStatus"]["coding"][0]["code"]),
        (&json!("requested"), &json!("delivered"))
    );
    assert!(platform.open(id));
    let task = world.task_becomes(&sent.path("Task"), "received").await;
    assert_eq!(task["businessStatus"]["coding"][0]["code"], "seen");
    assert!(platform.accept(id));
    world.task_becomes(&sent.path("Task"), "accepted").await;
    world.stop().await;
}

#[tokio::test]
async fn a_request_is_declined_with_a_reason() {
    let (world, platform) = scene().await;
    let (sent, id) = delivered(&world, &referral(1)).await;
    assert!(platform.decline(id, "We are full until spring."));
    let task = world.task_becomes(&sent.path("Task"), "rejected").await;
    assert_eq!(task["statusReason"]["text"], "We are full until spring.");
    world.stop().await;
}

#[tokio::test]
async fn an_answer_that_was_lost_makes_no_second_request() {
    let (world, platform) = scene().await;
    platform.faults().push(Fault::new(Match::on("POST", "/api/referrals").times(1), FaultKind::ResetAfterStoring));
    let (_, id) = delivered(&world, &referral(2)).await;
    let key = world.referral().await.key.0;
    assert_eq!(platform.holding(&key), [id]);
    let looked = platform.requests().iter().any(|request| request.path.contains("referralsByReferrer"));
    assert!(looked, "it was looked for before anything was sent again");
    world.stop().await;
}

#[tokio::test]
async fn a_success_that_tells_of_an_error_has_not_shown_that_nothing_is_there() {
    let (world, platform) = scene().await;
    platform.faults().push(Fault::new(Match::on("POST", "/api/referrals"), FaultKind::ResetAfterStoring));
    // The look-up after it; polls ask in the same way.
    platform
        .faults()
        .push(Fault::new(Match::on("GET", "/api/referralsByReferrer").times(4), FaultKind::ErrorInSuccess));
    let (_, id) = delivered(&world, &referral(9)).await;
    assert_eq!(platform.holding(&world.referral().await.key.0), [id], "it was not sent again");
    world.stop().await;
}

#[tokio::test]
async fn a_withdrawal_that_cannot_be_told_is_put_in_front_of_a_person() {
    let (world, platform) = scene().await;
    let (sent, id) = delivered(&world, &referral(3)).await;
    assert_eq!(world.move_task(&sent.path("Task"), "cancelled").await.status, 200);
    world.outbox_idle().await;
    assert_eq!(world.task(&sent.path("Task")).await["status"], "cancelled");
    let attention = world.referral().await.attention.unwrap_or_default();
    assert!(!attention.is_empty(), "somebody has to tell the organisation");
    assert_eq!(platform.referral(id).unwrap()["status"]["name"], "New");
    world.stop().await;
}

#[tokio::test]
async fn words_beyond_500_are_cut_where_the_platform_would_refuse_them() {
    let (world, platform) = scene().await;
    let mut bundle = referral(4);
    inside(&mut bundle, "ServiceRequest")["code"]["text"] = json!("\u{1F600}".repeat(600));
    let (sent, id) = delivered(&world, &bundle).await;
    let shown = platform.referral(id).unwrap();
    let words = shown["reasonForSupport"].as_str().unwrap();
    assert!(words.ends_with(" [cut: ask the referrer]") && words.encode_utf16().count() <= 500);
    let task = world.task(&sent.path("Task")).await;
    assert!(task["extension"].to_string().contains("truncated"), "the sender is told: {}", task["extension"]);
    world.stop().await;
}

#[tokio::test]
async fn a_person_who_must_not_be_contacted_is_not_referred() {
    let (world, platform) = scene().await;
    let mut bundle = referral(5);
    let code = json!({"system": "http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes",
        "code": "contacting-subject-prohibited"});
    inside(&mut bundle, "ServiceRequest")["orderDetail"] = json!([{ "coding": [code] }]);
    let answer = world.post(GP, "/fhir", bundle.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let held = eventually("the hold", || async {
        let referral = world.referral().await;
        (referral.delivery.word() == "held").then_some(referral)
    });
    let task = world.task(&format!("/fhir/Task/{}", held.await.task)).await;
    let reason = task["statusReason"]["text"].as_str().unwrap();
    assert!(task["status"] == "on-hold" && reason.contains("must not be contacted"), "{reason}");
    assert!(platform.received().is_empty(), "nothing was sent");
    world.stop().await;
}

/// The referral with a Flag of this category (NHS BaRS, flag categories) among what supports it.
fn flagged(nth: usize, category: &str) -> Value {
    let mut bundle = referral(nth);
    let patient = inside(&mut bundle, "ServiceRequest")["subject"].clone();
    let url = "urn:uuid:00000000-0000-4000-8000-00000000f1a9";
    let flag = json!({
        "resourceType": "Flag", "status": "active", "subject": patient, "code": { "text": "Needs large print" },
        "category": [{ "coding": [{ "system": "https://fhir.nhs.uk/CodeSystem/flag-categories-bars", "code": category }] }],
    });
    let entry = json!({ "fullUrl": url, "resource": flag, "request": { "method": "POST", "url": "Flag" } });
    bundle["entry"].as_array_mut().unwrap().push(entry);
    let supports = &mut inside(&mut bundle, "ServiceRequest")["supportingInfo"];
    match supports.as_array_mut() {
        Some(all) => all.push(json!({ "reference": url })),
        None => *supports = json!([{ "reference": url }]),
    }
    bundle
}

#[tokio::test]
async fn a_reasonable_adjustment_is_carried_and_another_flag_is_told_by_a_person() {
    let (world, platform) = scene().await;
    let (_, id) = delivered(&world, &flagged(6, "RA")).await;
    let words = platform.referral(id).unwrap()["engageWithFamily"].as_str().unwrap().to_owned();
    assert!(words.contains("Adjustments: Needs large print"), "{words}");
    let sent = world.submit(&flagged(7, "SG")).await;
    let task = world.task_becomes(&sent.path("Task"), "on-hold").await;
    let reason = task["statusReason"]["text"].as_str().unwrap();
    assert!(reason.contains("a flag that is no reasonable adjustment"), "{reason}");
    assert_eq!(platform.received().len(), 1, "nothing of the second was sent");
    world.stop().await;
}
