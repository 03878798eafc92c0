//! The life of Tasks and what subscribers hear of it.

use std::collections::{BTreeMap, BTreeSet};

use conformance_tests::platform::{Fault, FaultKind, FhirPlatform, Match, Notify, Payload, PlatformConfig};
use serde_json::{Value, json};

use crate::support::{call, gateway, part, platform, post, referral};

async fn with_tasks(seed: u64, count: usize) -> FhirPlatform {
    let platform = FhirPlatform::start(PlatformConfig { seed, ..PlatformConfig::default() }).await.unwrap();
    for n in 0..count {
        post(&platform, &referral(&format!("k{n}"))).await;
    }
    platform
}

async fn watch(platform: &FhirPlatform) -> BTreeMap<String, Vec<String>> {
    let mut lives: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for _ in 0..20 {
        for task in platform.tasks() {
            let life = lives.entry(task.key.unwrap()).or_default();
            if life.last() != Some(&task.status) {
                life.push(task.status);
            }
        }
        platform.tick().await;
    }
    assert!(platform.settled());
    lives
}

#[tokio::test]
async fn together_the_plans_reach_every_status_and_the_seed_decides() {
    let lives = watch(&with_tasks(3, 80).await).await;
    let reached: BTreeSet<&str> = lives.values().flatten().map(String::as_str).collect();
    let wanted = ["accepted", "cancelled", "completed", "failed", "in-progress", "on-hold", "rejected", "requested"];
    assert_eq!(reached.into_iter().collect::<Vec<_>>(), wanted);
    assert_eq!(lives, watch(&with_tasks(3, 80).await).await);
    assert_ne!(lives, watch(&with_tasks(4, 80).await).await);
}

#[tokio::test]
async fn final_tasks_say_what_the_guide_asks() {
    let platform = with_tasks(3, 40).await;
    assert!(platform.tick_until_settled(20).await);
    for known in platform.tasks() {
        let task = platform.resource("Task", &known.id).unwrap();
        assert_eq!(task["meta"]["versionId"], known.version.to_string());
        if known.status == "completed" {
            let to = task["output"][0]["valueReference"]["reference"].as_str().unwrap();
            assert!(platform.resource("Procedure", to.strip_prefix("Procedure/").unwrap()).is_some());
            assert_eq!(task["output"][1]["type"]["coding"][0]["code"], "additional-content");
        } else {
            assert!(task["statusReason"]["text"].is_string(), "{task}");
        }
    }
}

#[tokio::test]
async fn urgent_tasks_move_first() {
    let platform = platform().await;
    post(&platform, &referral("slow")).await;
    let mut urgent = referral("fast");
    part(&mut urgent, "Task")["priority"] = json!("urgent");
    post(&platform, &urgent).await;
    platform.tick().await;
    let status: Vec<String> = platform.tasks().into_iter().map(|task| task.status).collect();
    assert!(status[0] == "requested" && status[1] != "requested", "{status:?}");
}

#[tokio::test]
async fn a_tester_can_drive_any_life() {
    let platform = platform().await;
    post(&platform, &referral("k1")).await;
    let id = platform.tasks()[0].id.clone();
    assert!(!platform.plan(&id, &[("ready", None)]));
    assert!(!platform.plan("nobody", &[("accepted", None)]));
    let moves = [("on-hold", Some("Waiting")), ("accepted", None), ("failed", Some("Moved away"))];
    assert!(platform.plan(&id, &moves));
    assert_eq!(watch(&platform).await["k1"], ["requested", "on-hold", "accepted", "failed"]);
}

#[tokio::test]
async fn a_life_can_be_drawn_by_another_name_than_the_key() {
    let mut ends = Vec::new();
    for run in ["a", "b"] {
        let platform = platform().await;
        for n in 0..30 {
            post(&platform, &referral(&format!("{run}{n:02}"))).await;
        }
        for task in platform.tasks() {
            let key = task.key.unwrap();
            assert!(platform.live_by(&task.id, &key[1..]));
        }
        let lives = watch(&platform).await;
        ends.push(lives.into_values().collect::<Vec<_>>());
        assert!(!platform.live_by(&platform.tasks()[0].id, "x"), "it has ended");
    }
    assert_eq!(ends[0], ends[1]);
    assert!(!platform().await.live_by("nobody", "x"));
}

#[tokio::test]
async fn what_was_measured_is_an_output_of_that_task_alone() {
    let platform = with_tasks(3, 2).await;
    let ids: Vec<String> = platform.tasks().into_iter().map(|task| task.id).collect();
    for id in &ids {
        assert!(platform.plan(id, &[("accepted", None), ("completed", None)]));
    }
    platform.measure(&ids[0], "Well-being", &[("Happiness", 6), ("Anxiety", 3)]);
    assert!(platform.tick_until_settled(9).await);
    let outputs = |id: &str| platform.resource("Task", id).unwrap()["output"].as_array().unwrap().clone();
    assert_eq!((outputs(&ids[0]).len(), outputs(&ids[1]).len()), (3, 2));
    let reference = outputs(&ids[0])[2]["valueReference"]["reference"].as_str().unwrap().to_owned();
    let measured = platform.resource("Observation", reference.strip_prefix("Observation/").unwrap()).unwrap();
    assert_eq!(
        (&measured["code"]["text"], &measured["component"][1]["valueInteger"]),
        (&json!("Well-being"), &json!(3))
    );
    assert_eq!(measured["subject"], platform.resource("Task", &ids[0]).unwrap()["for"]);
}

/// The Task statuses that a subscriber hears of, with full resources.
async fn heard(kind: Option<FaultKind>) -> Vec<String> {
    let (base, stub) = gateway().await;
    let platform = with_tasks(1, 1).await;
    let notify = Notify { payload: Payload::FullResource, ..Notify::id_only(&format!("{base}/hook"), "hook-token") };
    platform.set_notify(Some(notify));
    let id = platform.tasks()[0].id.clone();
    platform.plan(&id, &[("accepted", None), ("in-progress", None), ("completed", None)]);
    if let Some(kind) = kind {
        platform.faults().push(Fault::new(Match::on("NOTIFY", "/Task/"), kind));
    }
    platform.tick_until_settled(10).await;
    let seen = stub.lock().unwrap().seen.iter().map(|(_, _, body)| body.clone()).collect::<Vec<_>>();
    let bundles = seen.iter().map(|body| serde_json::from_str::<Value>(body).unwrap());
    bundles.map(|bundle| bundle["entry"][1]["resource"]["status"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn notifications_come_in_order_unless_a_fault_says_otherwise() {
    assert_eq!(heard(None).await, ["accepted", "in-progress", "completed"]);
    assert_eq!(heard(Some(FaultKind::LoseNotification)).await, ["in-progress", "completed"]);
    let twice = heard(Some(FaultKind::DuplicateNotification)).await;
    assert_eq!(twice, ["accepted", "accepted", "in-progress", "completed"]);
    assert_eq!(heard(Some(FaultKind::ReorderNotifications)).await, ["in-progress", "accepted", "completed"]);
}

#[tokio::test]
async fn an_id_only_notification_names_the_task_and_no_more() {
    let (base, stub) = gateway().await;
    let platform = with_tasks(1, 1).await;
    platform.set_notify(Some(Notify::id_only(&format!("{base}/hook"), "hook-token")));
    let url = format!("{}/Task/{}", platform.base_url(), platform.tasks()[0].id);
    let mut task = call("GET", &url, &[], None).await.body;
    task["status"] = json!("cancelled");
    call("PUT", &url, &[("if-match", "W/\"1\"")], Some(&task)).await;
    platform.send_notifications().await;
    let stub = stub.lock().unwrap();
    let (line, headers, body) = &stub.seen[0];
    assert_eq!((line.as_str(), headers["authorization"].to_str().unwrap()), ("POST /fhir/hook", "Bearer hook-token"));
    let bundle: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&bundle["type"], &bundle["entry"][1]["fullUrl"]), (&json!("history"), &json!(url)));
    assert!(bundle["entry"][1].get("resource").is_none());
    assert_eq!(bundle["entry"][0]["resource"]["parameter"][3]["valueCode"], "event-notification");
    let records = platform.notifications();
    assert_eq!((records[0].status.as_str(), &records[0].answer), ("cancelled", &Ok(404)));
}

#[tokio::test]
async fn a_notification_that_nobody_takes_is_written_down() {
    let platform = with_tasks(1, 1).await;
    platform.set_notify(Some(Notify::id_only("http://127.0.0.1:1/hook", "t")));
    assert!(platform.tick_until_settled(10).await);
    assert!(platform.notifications().iter().all(|record| record.answer.is_err()));
}
