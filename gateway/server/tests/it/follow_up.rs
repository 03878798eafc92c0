//! Follow-ups from end to end: time opens them, a call for help opens them, whoever owns one ends them, and what comes late settles
//! them.

use crate::support::{FHIR_JSON, FOREIGN, GP, REPORT_TOKEN, Setup, World, assert_valid, bundle, eventually, settle};
use conformance_tests::platform::{FhirPlatform, PlatformConfig};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use time::macros::datetime;
use vcse_gateway::clock::{Clock as _, ManualClock};

const DAY: Duration = Duration::from_secs(24 * 3_600);

async fn world() -> (World, FhirPlatform, Arc<ManualClock>) {
    let food = FhirPlatform::start(PlatformConfig::default()).await.unwrap();
    let clock = Arc::new(ManualClock::at(datetime!(2026-06-15 11:00 UTC)));
    let shared = Arc::<ManualClock>::clone(&clock);
    let bases = [food.base_url(), "http://127.0.0.1:9/fhir".to_owned()];
    let world = World::start(Setup { bases, lanes: true, clock: shared, poll_seconds: 0, ..Setup::default() }).await;
    (world, food, clock)
}

/// The follow-ups that a search finds.
async fn found(world: &World, token: &str, query: &str) -> Vec<Value> {
    let bundle = world.get(token, &format!("/fhir/Task?{query}")).await.json();
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    entries.into_iter().map(|entry| entry["resource"].clone()).collect()
}

async fn one(world: &World, query: &str) -> Value {
    let found =
        eventually("a follow-up", || async { Some(found(world, GP, query).await).filter(|all| !all.is_empty()) });
    let mut found = found.await;
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// What the platform says of its Task, pushed as a webhook; the same as its adapter reads it elsewhere.
async fn says(world: &World, food: &FhirPlatform, version: u64, change: impl FnOnce(&mut Value)) {
    let id = food.tasks()[0].id.clone();
    let mut task = food.resource("Task", &id).unwrap();
    task["meta"]["versionId"] = json!(version.to_string());
    change(&mut task);
    let request = world.request(REPORT_TOKEN, "POST", "/platforms/food/reports");
    let request = request.header("content-type", FHIR_JSON).body(task.to_string());
    assert_eq!(world.send(request).await.status, 202);
}

fn calls_for_help(task: &mut Value) {
    let system = "https://vcse-gateway.example/fhir/CodeSystem/business-status";
    task["businessStatus"] = json!({ "coding": [{ "system": system, "code": "needs-more-support" }] });
    task["statusReason"] = json!({ "text": "She says that she cannot go on." });
}

#[tokio::test]
async fn time_opens_one_and_what_comes_late_settles_it() {
    let (world, food, clock) = world().await;
    let sent = world.submit(&bundle(0)).await;
    let path = sent.path("Task");
    let referral = world.delivered(&path).await;
    assert!(referral.next_timer().is_some_and(|timer| timer.cause.code() == "not-accepted"));
    // Monday to Monday are five business days: at half past midnight in London it is over.
    clock.advance(DAY * 7 + Duration::from_secs(12 * 3_600 + 1_800));
    let query = format!("part-of={}&code=not-accepted", sent.reference("Task"));
    let task = one(&world, &query).await;
    assert_valid("the follow-up", &task.to_string());
    assert_eq!((&task["status"], &task["priority"]), (&json!("requested"), &json!("routine")));
    assert_eq!(task["focus"]["reference"], sent.reference("ServiceRequest"));
    settle().await;
    assert_eq!(world.referrals().await.len(), 1, "it has no referral of its own");
    assert_eq!(food.tasks().len(), 1, "and nothing of it leaves");
    // It is nobody's of another tenant.
    let own = format!("/fhir/Task/{}", task["id"].as_str().unwrap());
    assert_eq!(world.get(FOREIGN, &own).await.status, 404);
    says(&world, &food, 50, |task| task["status"] = json!("accepted")).await;
    world.task_becomes(&path, "accepted").await;
    clock.advance(Duration::from_secs(121));
    let settled = eventually("it is settled", || async {
        Some(world.task(&own).await).filter(|task| task["status"] == "completed")
    })
    .await;
    assert_eq!(settled["statusReason"]["text"], "The service has answered.");
    assert_eq!(world.referral().await.open_follow_ups().count(), 0);
    world.stop().await;
}

#[tokio::test]
async fn a_call_for_help_is_an_urgent_task_within_a_minute_and_only_a_person_ends_it() {
    let (world, food, clock) = world().await;
    let sent = world.submit(&bundle(0)).await;
    world.delivered(&sent.path("Task")).await;
    let called = clock.now();
    says(&world, &food, 50, calls_for_help).await;
    let query = format!("part-of={}&priority=urgent&status=requested", sent.reference("Task"));
    let task = one(&world, &query).await;
    assert_valid("the follow-up", &task.to_string());
    // The clock of the gateway has not moved since: it is there by the report alone, and not by a look from time to time.
    assert_eq!(clock.now(), called);
    assert_eq!(task["code"]["coding"][0]["code"], "needs-more-support");
    assert_eq!(task["note"][0]["text"], "She says that she cannot go on.");
    let written = time::OffsetDateTime::parse(
        task["authoredOn"].as_str().unwrap(),
        &time::format_description::well_known::Rfc3339,
    );
    assert!(written.unwrap() - called < time::Duration::MINUTE);
    assert!(task["description"].as_str().unwrap().contains("call 999"), "{task}");

    // The sender ends the referral: the call for help stays.
    assert_eq!(world.move_task(&sent.path("Task"), "cancelled").await.status, 200);
    clock.advance(DAY * 3);
    settle().await;
    let own = format!("/fhir/Task/{}", task["id"].as_str().unwrap());
    assert_eq!(world.task(&own).await["status"], "requested");

    // What a person may do with it, and what not.
    world
        .change(&own, |task| task["description"] = json!("Nothing."))
        .await
        .assert_refused("its words are the gateway's");
    world.change(&own, |task| task["status"] = json!("cancelled")).await.assert_refused("why it is not done");
    world
        .change(&own, |task| task["owner"] = json!({ "reference": "Practitioner/nobody" }))
        .await
        .assert_refused("a stranger");
    let done = world.change(&own, |task| {
        task["status"] = json!("completed");
        task["note"].as_array_mut().unwrap().push(json!({ "text": "Called, seen today." }));
    });
    assert_eq!(done.await.status, 200);
    let referral = world.referral().await;
    assert_eq!((referral.open_follow_ups().count(), referral.follow_ups.len()), (0, 1));
    let lines = world.store().audit(&referral.id).await.unwrap();
    let count = |action: &str| lines.iter().filter(|line| line.action == action).count();
    assert_eq!((count("follow-up"), count("follow-up-moved")), (1, 1));
    assert!(lines.iter().all(|line| !line.detail.to_string().contains("cannot go on")), "audit tells codes alone");
    world.stop().await;
}

#[tokio::test]
async fn what_a_platform_goes_on_showing_is_one_call_and_a_further_one_is_told_again() {
    let (world, food, _clock) = world().await;
    let sent = world.submit(&bundle(0)).await;
    world.delivered(&sent.path("Task")).await;
    says(&world, &food, 50, calls_for_help).await;
    let query = format!("part-of={}&priority=urgent", sent.reference("Task"));
    let own = format!("/fhir/Task/{}", one(&world, &query).await["id"].as_str().unwrap());
    let read = async |version: u64| {
        eventually("the report was applied", || async {
            let reports = world.store().reports(&world.referral().await.id).await.unwrap();
            let applied = |record: &&gateway_core::change::ReportRecord| {
                record.report.order.version == Some(version)
                    && record.disposition != gateway_core::change::Disposition::Recorded
            };
            reports.iter().find(applied).map(|_| ())
        })
        .await;
    };
    // The same Task in a new version, in which nothing of the call has changed.
    for version in [51, 52] {
        says(&world, &food, version, |task| {
            calls_for_help(task);
            task["lastModified"] = json!(format!("2026-06-15T11:{version}:00Z"));
        })
        .await;
        read(version).await;
    }
    let task = world.task(&own).await;
    assert_eq!((&task["meta"]["versionId"], task["note"].as_array().map(Vec::len)), (&json!("1"), Some(1)), "{task}");
    // It is taken back, and said again in the same words: that is a call, and whoever is told of this Task is told again.
    says(&world, &food, 53, |_| {}).await;
    read(53).await;
    says(&world, &food, 54, calls_for_help).await;
    read(54).await;
    let task = world.task(&own).await;
    assert_eq!((&task["meta"]["versionId"], task["note"].as_array().map(Vec::len)), (&json!("2"), Some(2)), "{task}");
    assert_valid("called again", &task.to_string());
    assert_eq!(world.referral().await.follow_ups.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_client_opens_none() {
    let (world, _food, _clock) = world().await;
    let mut own = bundle(0);
    let system = "https://vcse-gateway.example/fhir/CodeSystem/follow-up";
    crate::support::inside(&mut own, "Task")["code"] =
        json!({ "coding": [{ "system": system, "code": "not-notified" }] });
    world.post(GP, "/fhir", own.to_string()).await.assert_refused("a follow-up is the gateway's to open");
    let systems = world.get(GP, "/fhir/CodeSystem/follow-up").await.json();
    assert_eq!(systems["concept"][0]["code"], "safeguarding-concern");
    world.stop().await;
}
