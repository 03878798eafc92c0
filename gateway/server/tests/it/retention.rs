//! Retention: each row of the table does its own, on the injected clock, and leaves what it is not about.

use crate::losses::{Scene, script};
use crate::policies::without_consent;
use crate::support::{FHIR_JSON, GP, Sent, Setup, World, bundle, eventually, inside};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use time::macros::datetime;
use vcse_gateway::clock::{Clock as _, ManualClock};
use vcse_gateway::store::sqlite::SqliteStore;

const DAY: Duration = Duration::from_secs(24 * 3600);
const FAR: time::OffsetDateTime = datetime!(9999-01-01 00:00 UTC);

/// A gateway with these rows, whose clock is moved by hand.
async fn world(rows: &[(&str, u32)]) -> (World, Arc<ManualClock>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&folder.path().join("gateway.db")).unwrap());
    let clock = Arc::new(ManualClock::at(datetime!(2026-06-15 12:00 UTC)));
    let row = |(what, days): &(&str, u32)| format!("\n[[retention]]\nwhat = \"{what}\"\nkeep-days = {days}\n");
    let decided = rows.iter().map(row).collect();
    let world = World::start(Setup { store, clock: clock.clone(), decided, ..Setup::default() }).await;
    (world, clock, folder)
}

async fn gone(world: &World, path: &str) -> bool {
    world.get(GP, path).await.status == 410
}

/// An hour at a time, so that a job that had just looked looks again.
async fn becomes_gone(world: &World, clock: &ManualClock, path: &str) {
    let ask = || async {
        clock.advance(Duration::from_secs(3600));
        gone(world, path).await.then_some(())
    };
    eventually(path, ask).await;
}

/// A referral that its sender has cancelled.
async fn sent_and_ended(world: &World, nth: usize) -> Sent {
    let sent = world.submit(&bundle(nth)).await;
    assert_eq!(world.move_task(&sent.path("Task"), "cancelled").await.status, 200);
    sent
}

#[tokio::test]
async fn a_record_goes_when_its_last_referral_ended_long_enough_ago() {
    let (world, clock, _folder) = world(&[("records", 30)]).await;
    let ended = sent_and_ended(&world, 0).await;
    let open = world.submit(&bundle(1)).await;
    clock.advance(DAY * 20);
    // The same person again: the time runs from the last of both.
    let later = sent_and_ended(&world, 0).await;
    let marker = sent_and_ended(&world, 2).await;
    clock.advance(DAY * 29);
    // A later request finds the same person, and its record still there.
    assert!(!gone(&world, &ended.path("Task")).await && !gone(&world, &later.path("Task")).await);
    clock.advance(DAY * 2);
    becomes_gone(&world, &clock, &marker.path("Task")).await;
    becomes_gone(&world, &clock, &later.path("Task")).await;
    assert!(gone(&world, &ended.path("Patient")).await && gone(&world, &ended.path("ServiceRequest")).await);
    let told = world.get(GP, &ended.path("Task")).await;
    assert!(told.text.contains("retention had ended"), "{}", told.text);
    assert_eq!(world.task(&open.path("Task")).await["status"], "requested", "what is under way stays");
    assert_eq!(world.get(GP, &ended.path("Consent")).await.status, 200, "Consents have a row of their own");
    let lines = world.store().audit(&world.referrals().await[0].id).await.unwrap();
    let line = lines.last().unwrap();
    let detail = (&line.detail["cause"], &line.detail["row"]);
    assert_eq!(
        (line.action.as_str(), line.actor.as_str(), detail),
        ("erased", "gateway", (&json!("retention"), &json!("records")))
    );
    world.stop().await;
}

#[tokio::test]
async fn who_withdrew_everything_goes_sooner_and_nobody_else() {
    let (world, clock, _folder) = world(&[("withdrawn", 7), ("records", 300)]).await;
    let withdrawn = world.submit(&bundle(0)).await;
    let put = world.change(&withdrawn.path("Consent"), |consent| consent["status"] = json!("inactive")).await;
    assert_eq!(put.status, 200, "{}", put.text);
    let cancelled = sent_and_ended(&world, 1).await;
    clock.advance(DAY * 6);
    assert_eq!(
        world.task(&withdrawn.path("Task")).await["status"],
        "cancelled",
        "the GP system still reads how it ended"
    );
    clock.advance(DAY * 2);
    becomes_gone(&world, &clock, &withdrawn.path("Task")).await;
    let told = world.get(GP, &withdrawn.path("Task")).await;
    assert!(told.text.contains("every consent was withdrawn"), "{}", told.text);
    assert_eq!(world.task(&withdrawn.path("Consent")).await["status"], "inactive", "the withdrawal itself stands");
    assert_eq!(world.task(&cancelled.path("Task")).await["status"], "cancelled", "its Consent still permits");
    world.stop().await;
}

#[tokio::test]
async fn a_consent_goes_only_where_nobody_gets_more_without_it() {
    let (world, clock, _folder) = world(&[("records", 5), ("consents", 10)]).await;
    let unlimited = |nth| {
        let mut sent = bundle(nth);
        inside(&mut sent, "Consent")["provision"].as_object_mut().unwrap().remove("period");
        sent
    };
    let mut all = Vec::new();
    for nth in 0..3 {
        let sent = world.submit(&unlimited(nth)).await;
        assert_eq!(world.move_task(&sent.path("Task"), "cancelled").await.status, 200);
        all.push(sent);
    }
    let inactive = world.change(&all[1].path("Consent"), |consent| consent["status"] = json!("inactive")).await;
    let deny = |consent: &mut serde_json::Value| consent["provision"] = json!({"type": "deny"});
    let refused = world.change(&all[2].path("Consent"), deny).await;
    assert_eq!((inactive.status.as_u16(), refused.status.as_u16()), (200, 200), "{} {}", inactive.text, refused.text);
    clock.advance(DAY * 6);
    for sent in &all {
        becomes_gone(&world, &clock, &sent.path("Task")).await;
    }
    clock.advance(DAY * 5);
    becomes_gone(&world, &clock, &all[0].path("Consent")).await;
    assert!(!gone(&world, &all[1].path("Consent")).await && !gone(&world, &all[2].path("Consent")).await);
    world.stop().await;
}

#[tokio::test]
async fn bytes_answers_and_pushes_go_by_their_own_age() {
    let (world, clock, _folder) = world(&[("received", 3), ("answers", 9), ("raw-reports", 5)]).await;
    let old = world.submit(&bundle(0)).await;
    clock.advance(DAY * 2);
    world.submit(&bundle(1)).await;
    assert_eq!(world.store().received(FAR, 10).await.unwrap().len(), 2);
    clock.advance(DAY + Duration::from_secs(3600));
    let left = eventually("one request less", || async {
        clock.advance(Duration::from_secs(600));
        let rows = world.store().received(FAR, 10).await.unwrap();
        (rows.len() == 1).then_some(rows)
    })
    .await;
    assert_eq!(left[0].1.at, datetime!(2026-06-17 12:00 UTC));
    assert_eq!(world.task(&old.path("Task")).await["status"], "requested", "the record is another matter");
    // A repetition is answered for as long as its answer is kept, and a push is kept as long as its row says.
    let post = || world.request(GP, "POST", "/fhir").header("content-type", FHIR_JSON).header("x-request-id", "once");
    let first = world.send(post().body(bundle(2).to_string())).await;
    assert_eq!((first.status.as_u16(), world.store().answers(FAR, 10).await.unwrap().len()), (201, 1));
    let report = gateway_core::change::RawReport {
        id: "pushed".to_owned(),
        platform: gateway_core::identity::PlatformId("food".to_owned()),
        source: adapter_contract::ReportSource::Webhook,
        content_type: None,
        received: clock.now(),
        body: b"{}".to_vec(),
        begun: 0,
    };
    let changes = vec![gateway_core::change::Change::ReceiveReport(report)];
    world.store().commit(gateway_core::change::Transaction { checks: vec![], changes }).await.unwrap();
    clock.advance(DAY * 4);
    assert_eq!(world.send(post().body(bundle(2).to_string())).await.text, first.text);
    assert_eq!(world.store().raw_reports(FAR, 10).await.unwrap().len(), 1);
    clock.advance(DAY);
    eventually("no push", || async {
        clock.advance(Duration::from_secs(3600));
        world.store().raw_reports(FAR, 10).await.unwrap().is_empty().then_some(())
    })
    .await;
    assert_eq!(world.store().answers(FAR, 10).await.unwrap().len(), 1);
    clock.advance(DAY * 4);
    eventually("no answer", || async {
        clock.advance(Duration::from_secs(3600));
        world.store().answers(FAR, 10).await.unwrap().is_empty().then_some(())
    })
    .await;
    world.stop().await;
}

#[tokio::test]
async fn a_consent_that_became_somebody_elses_takes_no_refusal_with_it() {
    let (world, clock, _folder) = world(&[("records", 5), ("consents", 10)]).await;
    let unlimited = |nth| {
        let mut sent = bundle(nth);
        inside(&mut sent, "Consent")["provision"].as_object_mut().unwrap().remove("period");
        sent
    };
    let (first, second) = (world.submit(&unlimited(0)).await, world.submit(&unlimited(1)).await);
    let marker = world.submit(&unlimited(2)).await;
    let mut refusal = world.get(GP, &first.path("Consent")).await.json();
    for element in ["id", "meta", "identifier", "verification", "sourceAttachment"] {
        refusal.as_object_mut().unwrap().remove(element);
    }
    refusal["provision"] = json!({"type": "deny"});
    let refused = world.post(GP, "/fhir/Consent", refusal.to_string()).await;
    assert_eq!(refused.status, 201, "{}", refused.text);
    crate::erasure::point(&world, &first.path("Consent"), &second.reference("Patient")).await;
    for sent in [&second, &marker] {
        assert_eq!(world.move_task(&sent.path("Task"), "cancelled").await.status, 200);
    }
    clock.advance(DAY * 6);
    for sent in [&second, &marker] {
        becomes_gone(&world, &clock, &sent.path("Task")).await;
    }
    clock.advance(DAY * 5);
    becomes_gone(&world, &clock, &marker.path("Consent")).await;
    crate::support::settle().await;
    let refusal = format!("/fhir/Consent/{}", refused.json()["id"].as_str().unwrap());
    assert_eq!(world.get(GP, &refusal).await.status, 200);
    world.stop().await;
}

#[tokio::test]
async fn a_recipient_that_has_to_be_called_is_not_forgotten_unless_a_person_takes_it_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&folder.path().join("gateway.db")).unwrap());
    let clock = Arc::new(ManualClock::at(datetime!(2026-06-15 12:00 UTC)));
    let decided = "\n[[retention]]\nwhat = \"records\"\nkeep-days = 5\n".to_owned();
    let setup = Setup { store, clock: Arc::<ManualClock>::clone(&clock), decided, ..Setup::default() };
    let scene = Scene::start(&script(&[]), "", setup).await;
    let world = &scene.world;
    let sent = world.submit(&bundle(0)).await;
    world.delivered(&sent.path("Task")).await;
    let put = world.change(&sent.path("Consent"), |consent| consent["status"] = json!("inactive")).await;
    assert_eq!(put.status, 200, "{}", put.text);
    let marker = world.submit(&without_consent()).await;
    assert_eq!(world.move_task(&marker.path("Task"), "cancelled").await.status, 200);
    clock.advance(DAY * 6);
    becomes_gone(world, &clock, &marker.path("Task")).await;
    crate::support::settle().await;
    assert!(!gone(world, &sent.path("Task")).await, "nobody has called");
    let path = format!("{}/$erase", sent.path("Patient"));
    let ask = |parameter: &[(&'static str, bool)]| {
        let body = crate::erasure::wish("request", parameter);
        world.post(crate::support::GOVERNANCE, &path, body)
    };
    let refused = ask(&[]).await;
    refused.assert_refused("nobody has called");
    assert!(refused.status == 409 && refused.text.contains("(call)"), "{}", refused.text);
    assert_eq!(ask(&[("unconfirmed", true)]).await.status, 200);
    let lines = world.store().audit(&world.referrals().await[0].id).await.unwrap();
    assert_eq!(lines.last().unwrap().detail["unconfirmed"], 1);
    scene.world.stop().await;
}
