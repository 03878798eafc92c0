//! The GP system against a gateway of the size of a test.

use conformance_tests::generator::{Generator, RecipientSpec};
use conformance_tests::gp_system::{GpConfig, GpSystem, SubmitOutcome, WireError};
use serde_json::json;

use crate::support::gateway;

pub(crate) fn gp(base: &str) -> GpSystem {
    let config = GpConfig {
        fhir_base: base.to_owned(),
        token: "gp-token".to_owned(),
        organisation_ods: "Y99999".to_owned(),
        seed: 7,
    };
    GpSystem::new(config).unwrap()
}

pub(crate) fn generator() -> Generator {
    Generator::new(7, vec![RecipientSpec::new("A1B2C", "Good Neighbours", &[])])
}

#[tokio::test]
async fn a_submission_is_retried_with_the_same_ids_and_the_text_as_generated() {
    let (base, stub) = gateway().await;
    stub.lock().unwrap().fail_first = vec![503, 429, 504, 408];
    let referral = generator().referral(0);
    let gp = gp(&base);
    let outcome = gp.submit(&referral).await;
    let SubmitOutcome::Accepted { task_url, task_id, attempts } = outcome else { panic!("{outcome:?}") };
    assert_eq!((task_url, task_id.as_str(), attempts), (format!("{base}/Task/t1"), "t1", 5));
    let stub = stub.lock().unwrap();
    let ids = |name: &str| stub.seen.iter().map(|(_, headers, _)| headers[name].clone()).collect::<Vec<_>>();
    for name in ["x-request-id", "x-correlation-id"] {
        let ids = ids(name);
        assert!(ids.len() == 5 && ids.iter().all(|id| id == ids[0] && id.len() == 36), "{ids:?}");
    }
    assert!(stub.seen.iter().all(|(_, headers, body)| {
        *body == referral.bundle_text()
            && headers["content-type"] == "application/fhir+json"
            && headers["authorization"] == "Bearer gp-token"
    }));
    assert_eq!(gp.record(&referral.placer_id).unwrap().task_id, "t1");
}

#[tokio::test]
async fn a_refusal_is_not_retried_and_silence_ends() {
    let (base, stub) = gateway().await;
    stub.lock().unwrap().fail_first = vec![422];
    let outcome = gp(&base).submit(&generator().referral(0)).await;
    assert!(matches!(outcome, SubmitOutcome::Refused { status: 422, .. }), "{outcome:?}");
    assert_eq!(stub.lock().unwrap().seen.len(), 1);
    let nobody = gp("http://127.0.0.1:1/fhir").with_attempts(3).submit(&generator().referral(0)).await;
    assert!(matches!(nobody, SubmitOutcome::Unreachable { attempts: 3, .. }), "{nobody:?}");
}

#[tokio::test]
async fn polling_follows_every_page_and_keeps_every_version() {
    let (base, stub) = gateway().await;
    stub.lock().unwrap().page_size = 2;
    let gp = gp(&base);
    for n in 0..5 {
        gp.submit(&generator().referral(n)).await;
    }
    assert_eq!(gp.poll().await.unwrap(), 5);
    assert_eq!(gp.poll().await.unwrap(), 0);
    let accepted = [("status", json!("accepted")), ("businessStatus", json!({ "text": "Welcome call booked" }))];
    stub.lock().unwrap().set("t2", &accepted);
    assert_eq!(gp.poll().await.unwrap(), 1);
    stub.lock().unwrap().set("t2", &[("status", json!("rejected")), ("statusReason", json!({ "text": "Full" }))]);
    gp.task("t2").await.unwrap();
    let record = &gp.records()[1];
    let seen: Vec<&str> = record.history.iter().map(|seen| seen.status.as_str()).collect();
    assert_eq!(seen, ["requested", "accepted", "rejected"]);
    assert_eq!((record.business_status(), record.status_reason()), (Some("Welcome call booked"), Some("Full")));
}

/// What another instance decided before and stored after: its stamp is older than the newest that was seen.
#[tokio::test]
async fn polling_finds_a_version_that_could_be_read_only_later_than_newer_ones() {
    let (base, stub) = gateway().await;
    let gp = gp(&base);
    for n in 0..3 {
        gp.submit(&generator().referral(n)).await;
    }
    let decided = {
        let mut stub = stub.lock().unwrap();
        let before = stub.tasks["t1"].clone();
        stub.set("t1", &[("status", json!("rejected")), ("statusReason", json!({ "text": "Full" }))]);
        let decided = stub.tasks.insert("t1".to_owned(), before).unwrap();
        stub.clock += 240;
        stub.set("t2", &[("status", json!("accepted"))]);
        decided
    };
    assert_eq!(gp.poll().await.unwrap(), 3);
    stub.lock().unwrap().tasks.insert("t1".to_owned(), decided);
    assert_eq!(gp.poll().await.unwrap(), 1);
    assert_eq!(gp.records()[0].status(), Some("rejected"));
    assert_eq!(gp.poll().await.unwrap(), 0, "what comes again is nothing new");
}

#[tokio::test]
async fn a_version_seen_before_the_submission_is_noted_is_not_lost() {
    let (base, stub) = gateway().await;
    let gp = gp(&base);
    stub.lock().unwrap().set("t2", &[("status", json!("requested"))]);
    gp.poll().await.unwrap();
    gp.submit(&generator().referral(1)).await;
    assert_eq!(gp.records()[0].status(), Some("requested"));
}

#[tokio::test]
async fn a_cancellation_is_a_conditional_patch_with_a_reason() {
    let (base, stub) = gateway().await;
    let gp = gp(&base);
    gp.submit(&generator().referral(0)).await;
    let url = gp.records()[0].task_url.clone();
    let task = gp.cancel(&url).await.unwrap();
    assert_eq!(task["status"], "cancelled");
    assert!(gp.records()[0].status_reason().is_some_and(|text| text.contains("Withdrawn")));
    stub.lock().unwrap().interfere = Some("in-progress");
    let late = gp.cancel(&url).await;
    assert!(matches!(late, Err(WireError::Refused { status: 412, .. })), "{late:?}");
    let stub = stub.lock().unwrap();
    let patches: Vec<_> = stub.seen.iter().filter(|(line, ..)| line.starts_with("PATCH")).collect();
    assert_ne!(patches[0].1["x-request-id"], patches[1].1["x-request-id"]);
    assert_eq!(patches[0].1["x-correlation-id"], stub.seen[0].1["x-correlation-id"]);
}
