//! The record of a person goes at the request of an information-governance lead: what is under way stands in the way, what
//! is gone says so, and what the person refused still counts.

use crate::support::{
    COLLECTOR, FHIR_JSON, FOREIGN, GOVERNANCE, GP, NEIGHBOUR, READER, REPORT_TOKEN, Sent, Setup, World, bundle, inside,
    referral_to, settle,
};
use adapter_contract::ReportSource;
use conformance_tests::generator::Expectation;
use gateway_core::change::{Change, RawReport, Transaction};
use gateway_core::identity::PlatformId;
use serde_json::{Value, json};
use std::sync::Arc;
use vcse_gateway::store::sqlite::SqliteStore;

/// What the operation takes.
pub(crate) fn wish(reason: &str, more: &[(&str, bool)]) -> String {
    let mut parameters = vec![json!({"name": "reason", "valueCode": reason})];
    parameters.extend(more.iter().map(|(name, value)| json!({"name": name, "valueBoolean": value})));
    json!({"resourceType": "Parameters", "parameter": parameters}).to_string()
}

async fn erase(world: &World, sent: &Sent, more: &[(&str, bool)]) -> crate::support::Answer {
    world.post(GOVERNANCE, &format!("{}/$erase", sent.path("Patient")), wish("request", more)).await
}

/// A value of an answer's parameter.
fn told(answer: &Value, name: &str) -> Value {
    let parameters = answer["parameter"].as_array().unwrap();
    let one = parameters.iter().find(|one| one["name"] == name).unwrap().as_object().unwrap();
    one.iter().find(|(key, _)| key.starts_with("value")).unwrap().1.clone()
}

async fn cancel(world: &World, sent: &Sent) {
    assert_eq!(world.move_task(&sent.path("Task"), "cancelled").await.status, 200);
}

#[tokio::test]
async fn what_is_under_way_is_in_the_way_and_what_is_gone_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&folder.path().join("gateway.db")).unwrap());
    let world = World::start(Setup { store, ..Setup::default() }).await;
    let text = bundle(0).to_string();
    let post = || world.request(GP, "POST", "/fhir").header("content-type", FHIR_JSON).header("x-request-id", "once");
    let answer = world.send(post().body(text.clone())).await;
    let sent = Sent { response: answer.json() };
    let other = world.submit(&bundle(1)).await;
    let organization = sent.path("Organization");

    let refused = erase(&world, &sent, &[]).await;
    refused.assert_refused("a referral that is under way");
    assert_eq!((refused.status.as_u16(), refused.issues()[0].0.as_str()), (409, "conflict"));
    assert!(refused.text.contains(&sent.reference("Task")) && refused.text.contains("open"), "{}", refused.text);
    cancel(&world, &sent).await;
    let referral = world.referrals().await.into_iter().find(|one| sent.path("Task").ends_with(&one.task)).unwrap();
    let before = world.store().audit(&referral.id).await.unwrap();

    let hash = world.store().content_hash().await.unwrap();
    let dry = erase(&world, &sent, &[("dry-run", true)]).await;
    assert_eq!(
        (dry.status.as_u16(), told(&dry.json(), "erased"), told(&dry.json(), "referrals")),
        (200, json!(false), json!(1))
    );
    assert_eq!(world.store().content_hash().await.unwrap(), hash, "nothing was written");
    let done = erase(&world, &sent, &[]).await;
    assert_eq!((done.status.as_u16(), told(&done.json(), "erased")), (200, json!(true)), "{}", done.text);

    for kind in ["Task", "ServiceRequest", "Patient"] {
        let path = sent.path(kind);
        for path in [path.clone(), format!("{path}/_history"), format!("{path}/_history/1")] {
            let gone = world.get(GP, &path).await;
            gone.assert_refused(&path);
            assert_eq!((gone.status.as_u16(), gone.issues()[0].0.as_str()), (410, "deleted"), "{path}");
            assert!(gone.text.contains("on request"), "{}", gone.text);
            // Whoever could not see it before does not learn that it was there.
            for stranger in [NEIGHBOUR, FOREIGN] {
                assert_eq!(world.get(stranger, &path).await.status, 404, "{path}");
            }
        }
        let page = world.get(GP, &format!("/fhir/{kind}")).await.json();
        assert!(!page.to_string().contains(&sent.reference(kind)), "{page}");
    }
    let patch = world.request(GP, "PATCH", &sent.path("Task")).header("content-type", crate::support::PATCH_JSON);
    let moved = world.send(patch.body(r#"[{"op":"replace","path":"/status","value":"requested"}]"#)).await;
    assert_eq!(moved.status, 410, "{}", moved.text);
    assert_eq!(erase(&world, &sent, &[]).await.status, 410);
    // The same request again makes no second referral.
    let repeated = world.send(post().body(text)).await;
    assert_eq!((repeated.status.as_u16(), repeated.issues()[0].0.as_str()), (410, "deleted"), "{}", repeated.text);
    assert_eq!(world.referrals().await.len(), 2);
    // What others' referrals share, and others' referrals, are whole.
    assert_eq!(world.get(GP, &organization).await.status, 200);
    assert_eq!(world.task(&other.path("Task")).await["status"], "requested");
    // What counts and is audited stays; one line more says what happened.
    let left = world.store().referral(&referral.id).await.unwrap().unwrap();
    assert!(left.erased.is_some() && left.loss.is_none());
    let after = world.store().audit(&referral.id).await.unwrap();
    assert_eq!(&after[..before.len()], before);
    let [line] = &after[before.len()..] else { panic!("{after:?}") };
    assert_eq!(
        (line.action.as_str(), line.actor.as_str(), &line.detail["cause"]),
        ("erased", "client/governance", &json!("request"))
    );
    world.stop().await;
}

#[tokio::test]
async fn only_governance_erases_and_only_in_its_own_compartment() {
    let world = World::quiet().await;
    let sent = world.submit(&bundle(0)).await;
    cancel(&world, &sent).await;
    let hash = world.store().content_hash().await.unwrap();
    let path = format!("{}/$erase", sent.path("Patient"));
    for client in [GP, READER, COLLECTOR, NEIGHBOUR, FOREIGN] {
        assert_eq!(world.post(client, &path, wish("request", &[])).await.status, 403, "{client}");
    }
    let wrong = [
        json!({"resourceType": "Bundle"}).to_string(),
        json!({"resourceType": "Parameters"}).to_string(),
        wish("because Mr Sample said so", &[]),
        wish("request", &[("everything", true)]),
    ];
    for body in wrong {
        let answer = world.post(GOVERNANCE, &path, body.clone()).await;
        answer.assert_refused(&body);
        assert_eq!(answer.status, 400, "{body}");
        assert!(!answer.text.contains("Sample"));
    }
    assert_eq!(world.post(GOVERNANCE, "/fhir/Patient/none/$erase", wish("request", &[])).await.status, 404);
    assert_eq!(world.store().content_hash().await.unwrap(), hash);
    world.stop().await;
}

/// A referral that a direct-care recipient may have without a Consent.
fn without_consent() -> Value {
    let mut bundle = referral_to("VCSE1", Expectation::NoConsent, 0).bundle;
    // Who needs an interpreter is never lost without a word: such a referral would wait.
    let patient = inside(&mut bundle, "Patient").as_object_mut().unwrap();
    patient.retain(|name, _| !matches!(name.as_str(), "communication" | "extension"));
    bundle
}

const DIRECT_CARE: &str = r#"
[[policy]]
tenant = "pcn-a"
platform = "food"
class = "direct-care"
lawful-basis = ["6(1)(e)", "9(2)(h)"]
direct-care = { approver = "Dr A Sample", review = 2099-01-31, minimum = ["Patient.name", "ServiceRequest.category", "ServiceRequest.code", "ServiceRequest.subject", "Task"] }
"#;

#[tokio::test]
async fn what_the_person_refused_still_counts_after_the_record_is_gone() {
    let world = World::start(Setup { decided: DIRECT_CARE.to_owned(), ..Setup::default() }).await;
    let referral = without_consent();
    let first = world.submit(&referral).await;
    let task = world.task(&first.path("Task")).await;
    assert_eq!(task["status"], "requested", "direct care needs no Consent: {task}");
    let mut refusal = inside(&mut bundle(0), "Consent").clone();
    for element in ["id", "identifier", "organization", "verification", "sourceAttachment"] {
        refusal.as_object_mut().unwrap().remove(element);
    }
    refusal["patient"] = json!({"reference": first.reference("Patient")});
    refusal["performer"] = json!([{"reference": first.reference("Patient")}]);
    refusal["provision"] = json!({"type": "deny"});
    let recorded = world.post(GP, "/fhir/Consent", refusal.to_string()).await;
    assert_eq!(recorded.status, 201, "{}", recorded.text);
    assert_eq!(world.task(&first.path("Task")).await["status"], "cancelled");
    let done = erase(&world, &first, &[]).await;
    assert_eq!((done.status.as_u16(), told(&done.json(), "consents")), (200, json!(0)), "{}", done.text);

    // The same person, as a new Patient.
    let second = world.submit(&referral).await;
    assert_ne!(first.reference("Patient"), second.reference("Patient"));
    let task = world.task(&second.path("Task")).await;
    assert_eq!(task["status"], "on-hold", "{task}");
    // The Consent can be read and changed, though its Patient is gone; what it becomes counts as well.
    let path = format!("/fhir/Consent/{}", recorded.json()["id"].as_str().unwrap());
    let lifted = world.change(&path, |consent| consent["status"] = json!("inactive")).await;
    assert_eq!(lifted.status, 200, "{}", lifted.text);
    let held = world.move_task(&second.path("Task"), "requested").await.json();
    let consent =
        format!("no Consent for this recipient is active. See Consent/{}", recorded.json()["id"].as_str().unwrap());
    assert!(held["status"] == "on-hold" && held["statusReason"]["text"].as_str().unwrap().contains(&consent), "{held}");
    // With the Consents the person is gone wholly; by a Consent too, for there may be no Patient any more.
    cancel(&world, &second).await;
    let done = world.post(GOVERNANCE, &format!("{path}/$erase"), wish("withdrawal", &[("consents", true)])).await;
    assert_eq!(world.get(GP, &second.path("Patient")).await.status, 410);
    assert_eq!((done.status.as_u16(), told(&done.json(), "consents")), (200, json!(1)), "{}", done.text);
    assert_eq!(world.get(GP, &path).await.status, 410);
    let third = world.submit(&referral).await;
    let subjects: Vec<_> = world.referrals().await.into_iter().map(|referral| referral.subject).collect();
    assert!(subjects[0] != subjects[1] && subjects[1] != subjects[2] && subjects[2].is_some(), "each a key of its own");
    assert_eq!(world.task(&third.path("Task")).await["status"], "requested");
    world.stop().await;
}

#[tokio::test]
async fn what_a_platform_says_afterwards_is_not_kept() {
    let (world, food, _befriending) = World::with_platforms("").await;
    let sent = world.submit(&bundle(0)).await;
    let referral = world.delivered(&sent.path("Task")).await;
    let done = world.change(&sent.path("Consent"), |consent| consent["status"] = json!("inactive")).await;
    assert_eq!(done.status, 200, "{}", done.text);
    let refused = erase(&world, &sent, &[]).await;
    // The recall may have been confirmed already: then nothing is in the way.
    assert!(matches!(refused.status.as_u16(), 200 | 409), "{}", refused.text);
    crate::support::eventually("the erasure", || async {
        matches!(erase(&world, &sent, &[]).await.status.as_u16(), 200 | 410).then_some(())
    })
    .await;
    let body = json!({"resourceType": "Task", "id": referral.platform_referral.unwrap().0, "status": "completed"});
    let post = world.request(REPORT_TOKEN, "POST", "/platforms/food/reports").header("content-type", FHIR_JSON);
    let told = world.send(post.body(body.to_string())).await;
    assert_eq!(told.status, 202, "{}", told.text);
    crate::support::eventually("a line of audit", || async {
        let lines = world.store().audit(&referral.id).await.unwrap();
        lines.iter().any(|line| line.action == "report-after-erasure").then_some(())
    })
    .await;
    settle().await;
    assert_eq!(world.store().reports(&referral.id).await.unwrap(), []);
    let far = time::macros::datetime!(9999-01-01 00:00 UTC);
    assert_eq!(world.store().parked(far, 10).await.unwrap(), []);
    let pushes = world.store().raw_reports(far, 100).await.unwrap();
    assert!(pushes.iter().all(|push| !String::from_utf8_lossy(&push.body).contains("completed")), "{pushes:?}");
    drop(food);
    world.stop().await;
}

#[tokio::test]
async fn a_person_is_erased_under_all_patients_with_what_was_published_and_came_back() {
    let (world, _food, _befriending) = World::with_platforms("").await;
    let referral = || referral_to("VCSE3", Expectation::Delivered, 0).bundle;
    let (first, second) = (world.submit(&referral()).await, world.submit(&referral()).await);
    assert_ne!(first.reference("Patient"), second.reference("Patient"));
    let mut subjects = Vec::new();
    for sent in [&first, &second] {
        subjects.push(world.delivered(&sent.path("Task")).await.subject);
    }
    assert!(subjects[0].is_some() && subjects[0] == subjects[1], "one person has one key: {subjects:?}");
    let page = world.get(COLLECTOR, "/fhir/Task?status=requested").await.json();
    let mut published = Vec::new();
    for entry in page["entry"].as_array().unwrap() {
        let task = &entry["resource"];
        let output = json!({
            "resourceType": "Procedure", "status": "completed", "subject": task["for"], "code": {"text": "a walk"}
        });
        let output = world.post(COLLECTOR, "/fhir/Procedure", output.to_string()).await;
        assert_eq!(output.status, 201, "{}", output.text);
        let mut done = task.clone();
        done["status"] = json!("completed");
        let output = format!("Procedure/{}", output.json()["id"].as_str().unwrap());
        done["output"] = json!([{"type": {"text": "what was done"}, "valueReference": {"reference": output}}]);
        let path = format!("/fhir/Task/{}", task["id"].as_str().unwrap());
        let version = format!("W/\"{}\"", task["meta"]["versionId"].as_str().unwrap());
        let put = world.request(COLLECTOR, "PUT", &path).header("content-type", FHIR_JSON).header("if-match", version);
        let answer = world.send(put.body(done.to_string())).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        published.extend([
            path,
            format!("/fhir/{output}"),
            format!("/fhir/{}", task["focus"]["reference"].as_str().unwrap()),
        ]);
    }
    let mut own = Vec::new();
    for sent in [&first, &second] {
        let task = world.task_becomes(&sent.path("Task"), "completed").await;
        own.push(format!("/fhir/{}", task["output"][0]["valueReference"]["reference"].as_str().unwrap()));
        own.extend(["Task", "ServiceRequest", "Patient"].map(|kind| sent.path(kind)));
    }
    // What a platform wrote of its Task goes, too, where its adapter can read nothing of it.
    let unreadable = |id: &str| {
        let name = published[0].rsplit('/').next().unwrap();
        let task = json!({"resourceType": "Task", "id": name, "note": "canary"});
        let body = json!({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": task}]});
        Change::ReceiveReport(RawReport {
            id: id.to_owned(),
            platform: PlatformId("advice".to_owned()),
            source: ReportSource::TaskUpdate,
            content_type: None,
            received: time::macros::datetime!(2026-06-15 12:00 UTC),
            body: body.to_string().into_bytes(),
            begun: 0,
        })
    };
    let write = async |change: Change| {
        world.store().commit(Transaction { checks: Vec::new(), changes: vec![change] }).await.unwrap();
        world.running.gateway.report_bell.notify_one();
        crate::support::eventually("that it is read", || async {
            world.store().unread_reports(1).await.unwrap().is_empty().then_some(())
        })
        .await;
    };
    write(unreadable("before")).await;
    let done = erase(&world, &second, &[("consents", true)]).await;
    assert_eq!((done.status.as_u16(), told(&done.json(), "referrals")), (200, json!(2)), "{}", done.text);
    for path in &own {
        assert_eq!(world.get(GP, path).await.status, 410, "{path}");
    }
    for path in &published {
        // When and why is between the person and the practice.
        for address in [path.clone(), format!("{path}/_history"), format!("{path}/_history/1")] {
            assert_eq!(world.get(COLLECTOR, &address).await.status, 404, "{address}");
        }
    }
    for path in published.iter().filter(|path| path.contains("/Task/")) {
        let id = path.rsplit('/').next().unwrap();
        let body = json!({"resourceType": "Task", "id": id, "status": "completed", "intent": "order"}).to_string();
        let put = world.request(COLLECTOR, "PUT", path).header("content-type", FHIR_JSON).header("if-match", "W/\"2\"");
        assert_eq!(world.send(put.body(body)).await.status, 404, "{path}");
    }
    write(unreadable("after")).await;
    let far = time::macros::datetime!(9999-01-01 00:00 UTC);
    assert_eq!(world.store().raw_reports(far, 10).await.unwrap(), [], "what the platform wrote is gone");
    assert_eq!(world.store().received(far, 10).await.unwrap(), []);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_referral_that_comes_during_an_erasure_is_whole_or_stands_in_its_way() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&folder.path().join("gateway.db")).unwrap());
    let world = World::start(Setup { store, ..Setup::default() }).await;
    let mut sent = world.submit(&bundle(0)).await;
    let (mut erasures, mut refusals) = (0, 0);
    for _ in 0..40 {
        cancel(&world, &sent).await;
        let text = bundle(0).to_string();
        let (answer, erasure) = tokio::join!(world.post(GP, "/fhir", text), erase(&world, &sent, &[]));
        assert_eq!(answer.status, 201, "{}", answer.text);
        sent = Sent { response: answer.json() };
        match erasure.status.as_u16() {
            200 => erasures += 1,
            409 => refusals += 1,
            other => panic!("{other}: {}", erasure.text),
        }
        assert_eq!(world.get(GP, &sent.path("Task")).await.status, 200, "what was answered with 201 is there");
    }
    for referral in world.referrals().await {
        let task = world.get(GP, &format!("/fhir/Task/{}", referral.task)).await;
        let request = world.get(GP, &format!("/fhir/ServiceRequest/{}", referral.service_request)).await;
        let expected = if referral.erased.is_some() { 410 } else { 200 };
        assert_eq!((task.status.as_u16(), request.status.as_u16()), (expected, expected), "{}", referral.task);
    }
    assert_eq!(erasures + refusals, 40);
    world.stop().await;
}

/// The system that sends, as the requester of a referral.
fn sent_by_a_system(nth: usize, condition: Option<&str>, literal: Option<&str>) -> Value {
    let mut bundle = bundle(nth);
    let urn = "urn:uuid:6f0a3f2e-5f0e-4a55-9c53-0a2b8a1f6d01";
    inside(&mut bundle, "Task")["requester"] = json!({"reference": literal.unwrap_or(urn)});
    if literal.is_none() {
        let identifier = json!([{"system": "https://gp.example/systems", "value": "one"}]);
        let mut request = json!({"method": "POST", "url": "Device"});
        if let Some(condition) = condition {
            request["ifNoneExist"] = json!(condition);
        }
        bundle["entry"].as_array_mut().unwrap().push(json!({
            "fullUrl": urn, "request": request,
            "resource": {"resourceType": "Device", "identifier": identifier, "deviceName": [{"name": "GP system", "type": "user-friendly-name"}]},
        }));
    }
    bundle
}

#[tokio::test]
async fn a_system_that_sends_for_several_people_ties_none_of_them_to_another() {
    let world = World::quiet().await;
    let condition = Some("identifier=https://gp.example/systems|one");
    let first = world.submit(&sent_by_a_system(0, condition, None)).await;
    let device = first.reference("Device");
    let second = world.submit(&sent_by_a_system(1, condition, None)).await;
    let third = world.submit(&sent_by_a_system(2, None, Some(&device))).await;
    let subjects: std::collections::BTreeSet<_> =
        world.referrals().await.into_iter().map(|referral| referral.subject).collect();
    assert_eq!(subjects.len(), 3, "{subjects:?}");
    cancel(&world, &first).await;
    let done = erase(&world, &first, &[("consents", true)]).await;
    assert_eq!((done.status.as_u16(), told(&done.json(), "referrals")), (200, json!(1)), "{}", done.text);
    assert_eq!(world.get(GP, &first.path("Task")).await.status, 410);
    assert_eq!(world.get(GP, &format!("/fhir/{device}")).await.status, 200, "it is about no person");
    for sent in [&second, &third] {
        for kind in ["Task", "ServiceRequest", "Patient", "Consent"] {
            assert_eq!(world.get(GP, &sent.path(kind)).await.status, 200, "{kind}");
        }
    }
    world.stop().await;
}

/// Makes a Consent somebody else's. From one person to the next in one step is refused.
pub(crate) async fn point(world: &World, consent: &str, to: &str) {
    for patient in [json!({"display": "nobody in particular"}), json!({"reference": to})] {
        let change = |consent: &mut Value| {
            (consent["patient"], consent["performer"]) = (patient.clone(), json!([patient]));
            consent.as_object_mut().unwrap().remove("verification");
        };
        let moved = world.change(consent, change).await;
        assert_eq!(moved.status, 200, "{}", moved.text);
    }
}

#[tokio::test]
async fn a_consent_that_became_somebody_elses_is_in_the_way_of_those_whose_key_seals_it() {
    let world = World::quiet().await;
    let (first, second) = (world.submit(&bundle(0)).await, world.submit(&bundle(1)).await);
    let (ours, theirs) = (first.reference("Patient"), second.reference("Patient"));
    let mut refusal = world.get(GP, &first.path("Consent")).await.json();
    for element in ["id", "meta", "identifier", "verification", "sourceAttachment"] {
        refusal.as_object_mut().unwrap().remove(element);
    }
    refusal["provision"] = json!({"type": "deny"});
    let refused = world.post(GP, "/fhir/Consent", refusal.to_string()).await;
    assert_eq!(refused.status, 201, "{}", refused.text);
    let refusal = format!("/fhir/Consent/{}", refused.json()["id"].as_str().unwrap());
    point(&world, &first.path("Consent"), &theirs).await;
    cancel(&world, &second).await;
    for sent in [&second, &first] {
        let answer = erase(&world, sent, &[("consents", true)]).await;
        answer.assert_refused("a key that seals another's");
        assert!(answer.status == 409 && answer.text.contains("(shared)"), "{}", answer.text);
        assert_eq!(world.get(GP, &refusal).await.status, 200, "the refusal stands");
    }
    // The record has a key of its own. Once the Consent is about the first again, each goes alone.
    point(&world, &first.path("Consent"), &ours).await;
    let done = erase(&world, &second, &[("consents", true)]).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(world.get(GP, &refusal).await.status, 200);
    let done = erase(&world, &first, &[("consents", true)]).await;
    assert_eq!((done.status.as_u16(), told(&done.json(), "consents")), (200, json!(2)), "{}", done.text);
    world.stop().await;
}

#[tokio::test]
async fn an_errand_that_comes_after_an_erasure_is_ended_when_it_is_claimed() {
    let (world, _food, _befriending) = World::with_platforms("").await;
    let sent = world.submit(&bundle(0)).await;
    let referral = world.delivered(&sent.path("Task")).await;
    let submitted = world.store().outbox(&referral.id).await.unwrap().remove(0);
    let put = world.change(&sent.path("Consent"), |consent| consent["status"] = json!("inactive")).await;
    assert_eq!(put.status, 200, "{}", put.text);
    crate::support::eventually("the erasure", || async {
        matches!(erase(&world, &sent, &[]).await.status.as_u16(), 200).then_some(())
    })
    .await;
    // A report that was being recorded at that moment asks for a look.
    let read = gateway_core::outbox::OutboxRow {
        id: "late".to_owned(),
        errand: gateway_core::outbox::Errand::Read,
        state: gateway_core::outbox::OutboxState::Ready,
        sequence: 0,
        attempts: 0,
        tried: false,
        died: 0,
        alone: false,
        urgent: None,
        ..submitted
    };
    let changes = vec![gateway_core::change::Change::PutOutbox(Box::new(read))];
    world.running.gateway.commit(gateway_core::change::Transaction { checks: vec![], changes }).await.unwrap();
    crate::support::eventually("its end", || async {
        let rows = world.store().outbox(&referral.id).await.unwrap();
        rows.iter().any(|row| row.id == "late" && row.state.word() == "dropped").then_some(())
    })
    .await;
    world.stop().await;
}
