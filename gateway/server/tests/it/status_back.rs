//! What the platform reports, end to end: whatever is lost, doubled or out of order, the GP ends with the platform's fact.

use crate::support::{
    COLLECTOR, FHIR_JSON, GP, REPORT_TOKEN, World, assert_valid, eventually, inside, referral_to, settle,
};
use conformance_tests::direct_light::{DirectLightClient, DirectLightConfig};
use conformance_tests::generator::Expectation;
use conformance_tests::platform::{Fault, FaultKind, FhirPlatform, Match, PlatformConfig};
use gateway_core::status::is_move;
use serde_json::{Value, json};

type Plan = &'static [(&'static str, Option<&'static str>)];

const PLANS: [(Plan, &str); 7] = [
    (&[("accepted", None), ("in-progress", None), ("completed", None)], "completed"),
    (&[("completed", None)], "completed"),
    (&[("rejected", Some("Outside our area"))], "active"),
    (&[("accepted", None), ("on-hold", Some("Waiting list")), ("in-progress", None), ("completed", None)], "completed"),
    (&[("in-progress", None), ("cancelled", Some("No longer wanted"))], "revoked"),
    (&[("accepted", None), ("in-progress", None), ("failed", Some("Could not be reached"))], "active"),
    (&[("on-hold", Some("Full until June")), ("rejected", Some("Still full"))], "active"),
];

/// Submits one referral for each plan, and gives the paths of Task and ServiceRequest.
async fn submit_plans(world: &World, platform: &FhirPlatform, ods: &str) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    for (nth, (plan, _)) in PLANS.iter().enumerate() {
        let sent = world.submit(&referral_to(ods, Expectation::Delivered, nth).bundle).await;
        let referral = world.delivered(&sent.path("Task")).await;
        assert!(platform.plan(&referral.platform_referral.unwrap().0, plan));
        paths.push((sent.path("Task"), sent.path("ServiceRequest")));
    }
    paths
}

/// The Task's statuses in the order of its versions; every step is a move of the table.
async fn walked(world: &World, task: &str) -> Vec<String> {
    let history = world.get(GP, &format!("{task}/_history")).await;
    assert_valid("history", &history.text);
    let mut entries = history.json()["entry"].as_array().unwrap().clone();
    entries.reverse();
    let statuses: Vec<String> =
        entries.iter().map(|entry| entry["resource"]["status"].as_str().unwrap().to_owned()).collect();
    for pair in statuses.windows(2) {
        let (from, to) = (pair[0].parse().unwrap(), pair[1].parse().unwrap());
        assert!(from == to || is_move(from, to), "{statuses:?}");
    }
    for (place, entry) in entries.iter().enumerate() {
        assert_eq!(entry["resource"]["meta"]["versionId"], (place + 1).to_string());
        let source = entry["resource"]["meta"]["source"].as_str().unwrap();
        let author = source.rsplit_once('#').unwrap().1;
        assert!(
            ["client/gp", "gateway", "platform/food", "platform/befriending", "platform/advice"].contains(&author),
            "{source}"
        );
    }
    statuses
}

async fn follows(world: &World, paths: &[(String, String)]) {
    for ((plan, request_status), (task_path, request_path)) in PLANS.iter().zip(paths) {
        let (last, reason) = plan.last().unwrap();
        let task = world.task_becomes(task_path, last).await;
        assert_valid("Task", &task.to_string());
        if let Some(reason) = reason {
            assert_eq!(task["statusReason"]["text"], *reason, "{task}");
        }
        assert!(task["businessStatus"]["coding"][0]["code"].is_string(), "{task}");
        assert_eq!(world.task(request_path).await["status"], *request_status, "{plan:?}");
        let walked = walked(world, task_path).await;
        assert_eq!(walked.first().map(String::as_str), Some("requested"));
        if *last != "completed" {
            continue;
        }
        let mut kinds = Vec::new();
        for output in task["output"].as_array().unwrap() {
            let Some(reference) = output["valueReference"]["reference"].as_str() else { continue };
            let stored = world.get(GP, &format!("/fhir/{reference}")).await;
            assert_eq!(stored.status, 200, "{reference}");
            assert_valid(reference, &stored.text);
            assert_eq!(stored.json()["subject"]["reference"], task["for"]["reference"]);
            kinds.push(reference.split_once('/').unwrap().0.to_owned());
        }
        assert!(kinds.contains(&"Procedure".to_owned()), "{task}");
    }
}

#[tokio::test]
async fn every_life_of_a_referral_is_shown_to_the_gp_by_notification() {
    let (world, food, _befriending) = World::with_platforms("").await;
    let paths = submit_plans(&world, &food, "VCSE1").await;
    // One step at a time, each read before the next: then no state has to be inferred but those that were skipped.
    for _ in 0..6 {
        food.tick().await;
        world.outbox_idle().await;
    }
    assert!(food.settled());
    follows(&world, &paths).await;
    let full = walked(&world, &paths[3].0).await;
    for status in ["accepted", "on-hold", "in-progress", "completed"] {
        assert!(full.iter().any(|seen| seen == status), "{status} is missing: {full:?}");
    }
}

#[tokio::test]
async fn every_life_of_a_referral_is_shown_to_the_gp_by_polling_alone() {
    let (world, _food, befriending) = World::with_platforms("").await;
    let paths = submit_plans(&world, &befriending, "VCSE2").await;
    assert!(befriending.tick_until_settled(20).await);
    follows(&world, &paths).await;
}

#[tokio::test]
async fn doubled_lost_and_swapped_notifications_end_in_the_same_state() {
    for fault in [FaultKind::DuplicateNotification, FaultKind::LoseNotification, FaultKind::ReorderNotifications] {
        let (world, food, _befriending) = World::with_platforms("").await;
        food.faults().push(Fault::new(Match::any().times(1000), fault));
        let paths = submit_plans(&world, &food, "VCSE1").await;
        assert!(food.tick_until_settled(20).await);
        food.send_notifications().await;
        follows(&world, &paths).await;
        world.outbox_idle().await;
        // Nothing that comes late moves what is final.
        let before: Vec<Value> = versions(&world, &paths).await;
        settle().await;
        assert_eq!(versions(&world, &paths).await, before);
        world.stop().await;
    }
}

async fn versions(world: &World, paths: &[(String, String)]) -> Vec<Value> {
    let mut found = Vec::new();
    for (task, _) in paths {
        found.push(world.task(task).await["meta"]["versionId"].clone());
    }
    found
}

async fn report(world: &World, token: &str, body: impl Into<reqwest::Body>) -> u16 {
    let post = world.request(token, "POST", "/platforms/food/reports").header("content-type", FHIR_JSON).body(body);
    world.send(post).await.status.as_u16()
}

#[tokio::test]
async fn reports_need_the_platforms_own_token_and_nonsense_is_kept_and_not_applied() {
    let (world, food, _befriending) = World::with_platforms("").await;
    let sent = world.submit(&referral_to("VCSE1", Expectation::Delivered, 0).bundle).await;
    let referral = world.delivered(&sent.path("Task")).await;
    world.outbox_idle().await;
    let id = referral.platform_referral.clone().unwrap().0;
    let stored = food.resource("Task", &id).unwrap();
    for token in ["", GP, COLLECTOR, "somebody"] {
        let before = world.store().content_hash().await.unwrap();
        assert_eq!(report(&world, token, stored.to_string()).await, 401, "{token}");
        assert_eq!(world.store().content_hash().await.unwrap(), before);
    }
    let nowhere = world.request(REPORT_TOKEN, "POST", "/platforms/nobody/reports").body("{}");
    assert_eq!(world.send(nowhere).await.status, 404);
    let silent = world.request(REPORT_TOKEN, "POST", "/platforms/befriending/reports").body("{}");
    assert_eq!(world.send(silent).await.status, 401, "a platform without a report token cannot report");
    let with = |element: &str, value: Value| {
        let mut task = stored.clone();
        task[element] = value;
        task.to_string()
    };
    let hostile: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"not JSON".to_vec(),
        b"\xff\xfe\x00".to_vec(),
        "[".repeat(100_000).into_bytes(),
        "{\"resourceType\":\"Task\",".repeat(5000).into_bytes(),
        b"{}".to_vec(),
        b"{\"resourceType\":\"Patient\",\"id\":\"1\"}".to_vec(),
        b"{\"resourceType\":\"Bundle\",\"type\":\"history\"}".to_vec(),
        with("status", json!(7)).into_bytes(),
        with("status", json!("no-such-status")).into_bytes(),
        with("id", json!("../../etc/passwd")).into_bytes(),
        with("id", json!(null)).into_bytes(),
        with("output", json!("x")).into_bytes(),
        with("output", json!([{ "valueReference": { "reference": "http://evil.example/Procedure/1" } }])).into_bytes(),
    ];
    let number = hostile.len();
    for (place, body) in hostile.into_iter().enumerate() {
        assert_eq!(report(&world, REPORT_TOKEN, body).await, 202, "hostile body {place} of {number}");
    }
    assert_eq!(report(&world, REPORT_TOKEN, vec![b' '; 1024 * 1024 + 1]).await, 413);
    eventually("all reports read", || async {
        world.store().unread_reports(1).await.unwrap().is_empty().then_some(())
    })
    .await;
    world.outbox_idle().await;
    settle().await;
    let task = world.task(&sent.path("Task")).await;
    assert_eq!(task["status"], "requested", "{task}");
    assert!(!task.to_string().contains("evil"), "{task}");
    // The gateway goes on: the platform's true word still arrives.
    food.plan(&id, &[("accepted", None)]);
    food.tick().await;
    world.task_becomes(&sent.path("Task"), "accepted").await;
}

#[tokio::test]
async fn after_consent_is_withdrawn_what_the_platform_reports_is_kept_and_not_shown() {
    let (world, food, _befriending) = World::with_platforms("").await;
    let sent = world.submit(&referral_to("VCSE1", Expectation::Delivered, 0).bundle).await;
    let referral = world.delivered(&sent.path("Task")).await;
    world.outbox_idle().await;
    let withdrawn = world.change(&sent.path("Consent"), |consent| consent["status"] = json!("inactive")).await;
    assert_eq!(withdrawn.status, 200, "{}", withdrawn.text);
    let id = referral.platform_referral.unwrap().0;
    world.outbox_idle().await;
    // It reports an end with all that was done, after it had been told to stop.
    let mut stored = food.resource("Task", &id).unwrap();
    stored["status"] = json!("completed");
    stored["statusReason"] = json!({"text": "Three parcels."});
    stored["meta"]["versionId"] = json!("99");
    stored["output"] = json!([{"type": {"text": "Outcome"}, "valueCodeableConcept": {"text": "Helped"}}]);
    assert_eq!(report(&world, REPORT_TOKEN, stored.to_string()).await, 202);
    let kept = eventually("the report", || async {
        let all = world.store().reports(&referral.id).await.unwrap();
        all.into_iter().find(|one| one.report.status == Some(adapter_contract::TaskStatus::Completed))
    })
    .await;
    assert_eq!((kept.report.outputs.len(), kept.report.reason), (0, None), "nothing but its end is kept");
    world.outbox_idle().await;
    let task = world.task(&sent.path("Task")).await;
    assert_eq!((task["status"].as_str(), task.get("output")), (Some("cancelled"), None), "{task}");
    assert!(!task.to_string().contains("Helped") && !task.to_string().contains("parcels"), "{task}");
}

#[tokio::test]
async fn a_report_on_what_nobody_knows_is_parked_and_moves_nothing() {
    let (world, food, _befriending) = World::with_platforms("").await;
    let sent = world.submit(&referral_to("VCSE1", Expectation::Delivered, 0).bundle).await;
    let referral = world.delivered(&sent.path("Task")).await;
    world.outbox_idle().await;
    let mut stored = food.resource("Task", &referral.platform_referral.clone().unwrap().0).unwrap();
    let version = world.task(&sent.path("Task")).await["meta"]["versionId"].clone();
    stored["id"] = json!("unheard-of");
    stored["status"] = json!("completed");
    stored.as_object_mut().unwrap().remove("identifier");
    assert_eq!(report(&world, REPORT_TOKEN, stored.to_string()).await, 202);
    let name = adapter_contract::PlatformReferralId("unheard-of".to_owned());
    let platform = referral.platform.clone().unwrap();
    let parked = eventually("a parked report", || async {
        let found = world.store().parked_reports(&platform, &name, &referral.key).await.unwrap();
        (!found.is_empty()).then_some(found)
    })
    .await;
    assert_eq!((parked.len(), parked[0].referral.clone()), (1, None));
    assert_eq!(world.task(&sent.path("Task")).await["meta"]["versionId"], version);
}

#[tokio::test]
async fn a_collecting_platform_takes_up_works_on_and_ends_what_was_published_for_it() {
    let (world, _food, _befriending) = World::with_platforms("").await;
    let mut tasks = Vec::new();
    for nth in 0..6 {
        let sent = world.submit(&referral_to("VCSE3", Expectation::Delivered, nth).bundle).await;
        world.delivered(&sent.path("Task")).await;
        tasks.push(sent.path("Task"));
    }
    let collector = DirectLightClient::new(DirectLightConfig {
        fhir_base: format!("{}/fhir", world.origin),
        token: COLLECTOR.to_owned(),
        seed: 5,
        start: PlatformConfig::default().start,
        count: 2,
    })
    .unwrap();
    for _ in 0..12 {
        let done = collector.step().await.unwrap();
        assert_eq!(done.refused, 0, "{:?}", collector.tasks());
    }
    assert!(collector.settled());
    assert_eq!(collector.tasks().len(), 6);
    for task in &tasks {
        let referral = world.delivered(task).await;
        let name = referral.platform_referral.unwrap().0;
        let held = collector.tasks().into_iter().find(|held| held.id == name || name.ends_with(&held.id)).unwrap();
        world.task_becomes(task, &held.status).await;
        walked(&world, task).await;
    }
}

#[tokio::test]
async fn an_output_of_a_collecting_platform_reaches_the_gp_and_nothing_else_of_its_is_taken() {
    let (world, _food, _befriending) = World::with_platforms("").await;
    let mut bundle = referral_to("VCSE3", Expectation::Delivered, 0).bundle;
    inside(&mut bundle, "Task")["note"] = json!([{ "text": "for the gateway only" }]);
    let sent = world.submit(&bundle).await;
    world.delivered(&sent.path("Task")).await;
    let page = world.get(COLLECTOR, "/fhir/Task?status=requested").await.json();
    assert_eq!(page["entry"].as_array().map(Vec::len), Some(1), "{page}");
    let task = page["entry"][0]["resource"].clone();
    assert_valid("published", &task.to_string());
    let path = format!("/fhir/Task/{}", task["id"].as_str().unwrap());
    // It reads what was published, and of the sender's nothing.
    let request = format!("/fhir/{}", task["focus"]["reference"].as_str().unwrap());
    let published = world.get(COLLECTOR, &request).await;
    assert_eq!(published.status, 200);
    let subject = published.json()["subject"]["reference"].as_str().unwrap().to_owned();
    assert_eq!(world.get(COLLECTOR, &format!("/fhir/{subject}")).await.status, 200);
    for kind in ["Task", "ServiceRequest", "Patient", "Consent", "Organization"] {
        assert_eq!(world.get(COLLECTOR, &sent.path(kind)).await.status, 404, "{kind}");
    }
    let put = |change: &dyn Fn(&mut Value), etag: Option<&str>| {
        let mut next = task.clone();
        change(&mut next);
        let put = world.request(COLLECTOR, "PUT", &path).header("content-type", FHIR_JSON).body(next.to_string());
        if let Some(etag) = etag { put.header("if-match", etag.to_owned()) } else { put }
    };
    let version = format!("W/\"{}\"", task["meta"]["versionId"].as_str().unwrap());
    let accept = |next: &mut Value| next["status"] = json!("accepted");
    for (what, change, etag, status) in [
        ("without If-Match", &accept as &dyn Fn(&mut Value), None, 412),
        ("a stale If-Match", &accept, Some("W/\"77\""), 412),
        ("another focus", &|next: &mut Value| next["focus"] = json!({ "display": "x" }), Some(version.as_str()), 422),
        ("back to draft", &|next: &mut Value| next["status"] = json!("draft"), Some(version.as_str()), 422),
        (
            "an output of another",
            &|next: &mut Value| {
                next["output"] =
                    json!([{ "type": { "text": "x" }, "valueReference": { "reference": sent.reference("Patient") } }]);
            },
            Some(version.as_str()),
            422,
        ),
    ] {
        let answer = world.send(put(change, etag)).await;
        answer.assert_refused(what);
        assert_eq!(answer.status, status, "{what}");
    }
    let procedure = json!({ "resourceType": "Procedure", "status": "completed", "code": { "text": "Ten weeks of company" },
        "subject": { "reference": subject } });
    let foreign = json!({ "resourceType": "Procedure", "status": "completed", "subject": { "reference": sent.reference("Patient") } });
    assert_eq!(world.post(COLLECTOR, "/fhir/Procedure", foreign.to_string()).await.status, 422);
    assert_eq!(world.post(COLLECTOR, "/fhir/Task", task.to_string()).await.status, 403);
    // Without the person it could not be kept from whom consent keeps it, nor be erased with the person.
    let number = json!({ "identifier": { "system": "https://example.org/clients", "value": "17" } });
    for (kind, status) in [("Procedure", "completed"), ("Observation", "final"), ("QuestionnaireResponse", "completed")]
    {
        for subject in [None, Some(number.clone()), Some(json!({ "reference": format!("{subject}/_history/1") }))] {
            let mut output = json!({ "resourceType": kind, "status": status });
            if kind == "Observation" {
                output["code"] = json!({ "text": "Wellbeing" });
            }
            if let Some(subject) = subject {
                output["subject"] = subject;
            }
            let answer = world.post(COLLECTOR, &format!("/fhir/{kind}"), output.to_string()).await;
            answer.assert_refused(&output.to_string());
            let places: Vec<String> = answer.issues().into_iter().map(|(_, place)| place).collect();
            assert_eq!((answer.status.as_u16(), places), (422, vec![format!("{kind}.subject")]), "{}", answer.text);
        }
    }
    let created = world.post(COLLECTOR, "/fhir/Procedure", procedure.to_string()).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let output = format!("Procedure/{}", created.json()["id"].as_str().unwrap());
    let end = |next: &mut Value| {
        next["status"] = json!("completed");
        next["output"] =
            json!([{ "type": { "text": "Resulting activity" }, "valueReference": { "reference": output } }]);
    };
    let answer = world.send(put(&end, Some(&version))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let ended = world.task_becomes(&sent.path("Task"), "completed").await;
    let reference = ended["output"][0]["valueReference"]["reference"].as_str().unwrap();
    assert_ne!(reference, output, "the GP has its own copy");
    let copy = world.task(&format!("/fhir/{reference}")).await;
    assert_eq!(
        (copy["code"]["text"].as_str(), copy["subject"]["reference"].as_str()),
        (Some("Ten weeks of company"), Some(sent.reference("Patient").as_str()))
    );
    assert_eq!(world.task(&sent.path("ServiceRequest")).await["status"], "completed");
    // What is final stays.
    let reopened = world
        .send(
            world
                .request(COLLECTOR, "PUT", &path)
                .header("content-type", FHIR_JSON)
                .header("if-match", answer.header("etag"))
                .body({
                    let mut next = answer.json();
                    next["status"] = json!("in-progress");
                    next.to_string()
                }),
        )
        .await;
    assert_eq!(reopened.status, 422);
}

/// What it was answered then may be what consent no longer lets it read.
#[tokio::test]
async fn a_collecting_platform_that_repeats_itself_is_told_what_became_of_it_and_shown_nothing() {
    let (world, _food, _befriending) = World::with_platforms("").await;
    let sent = world.submit(&referral_to("VCSE3", Expectation::Delivered, 0).bundle).await;
    world.delivered(&sent.path("Task")).await;
    let page = world.get(COLLECTOR, "/fhir/Task?status=requested").await.json();
    let mut task = page["entry"][0]["resource"].clone();
    let path = format!("/fhir/Task/{}", task["id"].as_str().unwrap());
    let version = format!("W/\"{}\"", task["meta"]["versionId"].as_str().unwrap());
    task["status"] = json!("accepted");
    let put = || {
        let put = world.request(COLLECTOR, "PUT", &path).header("content-type", FHIR_JSON).body(task.to_string());
        world.send(put.header("if-match", version.clone()).header("x-request-id", "once"))
    };
    let first = put().await;
    assert_eq!((first.status.as_u16(), &first.json()["status"]), (200, &json!("accepted")), "{}", first.text);
    let again = put().await;
    assert_eq!((again.status, again.header("etag"), again.text.as_str()), (first.status, first.header("etag"), ""));
    world.stop().await;
}
