//! Who received what: one record for each attempt, before it leaves, with what was sent and what was withheld; as
//! AuditEvents and as a page, for those who look after it in the organisation and for nobody else.

use crate::losses::{Scene, script};
use crate::support::{
    BARS, COLLECTOR, FOREIGN, GOVERNANCE, GP, NEIGHBOUR, READER, RECORDER, Sent, Setup, World, assert_valid, bundle,
    eventually, inside, referral_to,
};
use crate::withheld;
use conformance_tests::generator::Expectation;
use gateway_core::change::{AuditRecord, Change, Transaction};
use gateway_core::disclose::{self, Disclosure};
use gateway_core::identity::{Compartment, Owner, PlatformId, TenantId};
use gateway_core::referral::ReferralId;
use gateway_core::resource::{ResourceKey, ResourceVersion};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use time::macros::datetime;
use vcse_gateway::clock::ManualClock;

/// The disclosures of a person, as AuditEvents, each of them valid.
async fn told(world: &World, token: &str, patient: &str) -> Vec<Value> {
    let answer = world.get(token, &format!("/fhir/AuditEvent?patient={patient}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_valid("the searchset", &answer.text);
    let found = answer.json();
    let entries = found["entry"].as_array().cloned().unwrap_or_default();
    assert_eq!(found["total"], entries.len(), "{found}");
    let events: Vec<Value> = entries.iter().map(|entry| entry["resource"].clone()).collect();
    events.iter().for_each(|event| assert_valid("the AuditEvent", &event.to_string()));
    events
}

/// What an AuditEvent says under this name.
fn details(event: &Value, name: &str) -> Vec<String> {
    let entities = event["entity"].as_array().unwrap().iter();
    let details = entities.filter_map(|entity| entity["detail"].as_array()).flatten();
    let named = details.filter(|detail| detail["type"] == name);
    named.map(|detail| detail["valueString"].as_str().unwrap().to_owned()).collect()
}

fn has(event: &Value, name: &str, start: &str) -> bool {
    details(event, name).iter().any(|value| value.starts_with(start))
}

async fn page(world: &World, token: &str, patient: &str) -> String {
    let request = world.request(token, "GET", &format!("/fhir/{patient}/$disclosures"));
    let answer = world.send(request.header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    answer.text
}

/// A referral of whose data a class is withheld.
fn without_conditions() -> Value {
    let mut bundle = withheld::referral("canary");
    inside(&mut bundle, "Consent")["provision"]["provision"] = deny_conditions();
    bundle
}

fn deny_conditions() -> Value {
    json!([{"type": "deny", "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Condition"}]}])
}

async fn lines(world: &World, referral: &ReferralId, action: &str) -> Vec<AuditRecord> {
    let lines = world.store().audit(referral).await.unwrap();
    lines.into_iter().filter(|line| line.action == action).collect()
}

async fn chain_holds(world: &World) {
    let chains = world.store().verify_audit().await.unwrap();
    assert!(!chains.is_empty() && chains.iter().all(|chain| chain.broken.is_none()), "{chains:?}");
}

#[tokio::test]
async fn a_delivered_referral_is_one_disclosure_of_what_was_sent_and_of_what_was_not() {
    let (world, food, _befriending) = World::with_platforms("").await;
    let sent = world.submit(&without_conditions()).await;
    world.delivered(&sent.path("Task")).await;
    let patient = sent.reference("Patient");
    let events = told(&world, GOVERNANCE, &patient).await;
    assert_eq!(events.len(), 1, "{events:?}");
    let event = &events[0];
    for path in ["Patient.name.family", "Patient.birthDate", "ServiceRequest.code.coding.code"] {
        assert!(has(event, "element", path), "{path}: {event}");
    }
    assert!(!has(event, "element", "Condition") && has(event, "withheld", "Condition "), "{event}");
    let consent = format!("{}/_history/1", sent.reference("Consent"));
    let referred: Vec<&str> =
        event["entity"].as_array().unwrap().iter().filter_map(|one| one["what"]["reference"].as_str()).collect();
    assert!(referred.contains(&patient.as_str()) && referred.contains(&consent.as_str()), "{event}");
    assert_eq!(
        (&event["outcome"], &event["type"]["code"], &event["action"]),
        (&json!("0"), &json!("110106"), &json!("R"))
    );
    assert_eq!(event["agent"][1]["who"]["identifier"]["value"], "VCSE1");
    // Every element that the platform was sent is one of those on record.
    let on_record: BTreeSet<String> = details(event, "element").into_iter().collect();
    for request in food.requests().iter().filter(|request| request.method == "POST") {
        let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        for entry in body["entry"].as_array().into_iter().flatten() {
            let resource = &entry["resource"];
            if resource["resourceType"] == "Patient" {
                for name in
                    resource.as_object().unwrap().keys().filter(|name| *name != "resourceType" && *name != "identifier")
                {
                    let stem = format!("Patient.{name}");
                    assert!(on_record.iter().any(|path| path.starts_with(&stem)), "{stem}: {on_record:?}");
                }
            }
        }
    }
    // The record itself, its own address, and the chain that it is part of.
    let own = format!("/fhir/AuditEvent/{}", event["id"].as_str().unwrap());
    assert_eq!(&world.get(GOVERNANCE, &own).await.json(), event);
    chain_holds(&world).await;
    let text = page(&world, GOVERNANCE, &patient).await;
    for words in [
        "Example food",
        "date of birth",
        "What was withheld, and why",
        "health conditions and needs",
        "It arrived",
        &consent,
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // Nothing of the person is in either.
    let person = sent.resource("Patient");
    let secrets = [&person["name"][0]["family"], &person["birthDate"], &person["identifier"][0]["value"]];
    for secret in secrets.map(|secret| secret.as_str().unwrap()) {
        assert!(!format!("{text}{event}").contains(secret), "{secret}");
    }
    world.stop().await;
}

#[tokio::test]
async fn it_is_for_those_who_look_after_it_and_for_whoever_sent_it() {
    let (world, _food, _befriending) = World::with_platforms("").await;
    let sent = world.submit(&bundle(0)).await;
    world.delivered(&sent.path("Task")).await;
    let patient = sent.reference("Patient");
    let id = told(&world, GOVERNANCE, &patient).await[0]["id"].as_str().unwrap().to_owned();
    let (one, search, of_patient) = (
        format!("/fhir/AuditEvent/{id}"),
        format!("/fhir/AuditEvent?patient={patient}"),
        format!("/fhir/{patient}/$disclosures"),
    );
    assert_eq!(told(&world, GP, &patient).await.len(), 1);
    assert_eq!(world.get(GP, &one).await.status, 200);
    let whole = world.get(GOVERNANCE, &of_patient).await;
    assert_valid("the Bundle", &whole.text);
    assert_eq!(whole.json()["total"], 1);
    for client in [READER, RECORDER, COLLECTOR] {
        for address in [&one, &search, &of_patient] {
            let answer = world.get(client, address).await;
            answer.assert_refused(client);
            assert_eq!(answer.status, 403, "{client} {address}");
        }
    }
    for stranger in [NEIGHBOUR, FOREIGN] {
        assert_eq!(world.get(stranger, &one).await.status, 404, "{stranger}");
        assert_eq!(world.get(stranger, &of_patient).await.status, 404, "{stranger}");
        assert_eq!(told(&world, stranger, &patient).await.len(), 0, "{stranger}");
    }
    // Another system of the practice has sent nothing of this person.
    let guid = "0f6a2d0e-6a77-4a52-9a0c-0f3c6b1a7d11";
    let asked = world.request(BARS, "GET", &search).header("x-request-id", guid).header("x-correlation-id", guid);
    assert_eq!(world.send(asked).await.json()["total"], 0);
    for nothing in ["0", "x", "18446744073709551616", "1", &format!("0{id}")] {
        let answer = world.get(GOVERNANCE, &format!("/fhir/AuditEvent/{nothing}")).await;
        answer.assert_refused(nothing);
        assert_eq!(answer.status, 404, "{nothing}");
    }
    assert_eq!(world.get(GOVERNANCE, "/fhir/Patient/nobody/$disclosures").await.status, 404);
    for wrong in ["", "date=ge2020", "patient=Patient/x&date=never", "patient=Patient/x&_count=many"] {
        let answer = world.get(GOVERNANCE, &format!("/fhir/AuditEvent?{wrong}")).await;
        answer.assert_refused(wrong);
        assert_eq!(answer.status, 400, "{wrong}");
    }
    let text = page(&world, GP, &patient).await;
    assert!(text.contains("only what one of the organisation"), "{text}");
    world.stop().await;
}

#[tokio::test]
async fn each_attempt_is_a_disclosure_of_its_own_on_the_consent_as_it_then_is() {
    let (world, food, _befriending) = World::with_platforms("").await;
    food.stop().await;
    let sent = world.submit(&withheld::referral("canary")).await;
    let referral = world.referral().await.id;
    eventually("a failed attempt", || async {
        let row = world.store().outbox(&referral).await.unwrap().remove(0);
        let attempts = world.store().attempts(&row.id).await.unwrap();
        attempts.iter().any(|attempt| attempt.outcome.as_deref() == Some("transient")).then_some(())
    })
    .await;
    let narrow = |consent: &mut Value| consent["provision"]["provision"] = deny_conditions();
    assert_eq!(world.change(&sent.path("Consent"), narrow).await.status, 200);
    food.restart().await.unwrap();
    world.delivered(&sent.path("Task")).await;
    let events = told(&world, GOVERNANCE, &sent.reference("Patient")).await;
    let (first, last) = (&events[0], events.last().unwrap());
    assert!(
        events.len() > 1 && has(first, "element", "Condition.code") && !has(first, "withheld", "Condition"),
        "{first}"
    );
    assert!(!has(last, "element", "Condition") && has(last, "withheld", "Condition "), "{last}");
    assert_eq!((&first["outcome"], &last["outcome"]), (&json!("8"), &json!("0")));
    let consents = |event: &Value| event["entity"].to_string();
    assert!(consents(first).contains(&format!("{}/_history/1", sent.reference("Consent"))));
    assert!(consents(last).contains(&format!("{}/_history/2", sent.reference("Consent"))));
    // One for each attempt that got so far, none twice.
    let attempts: Vec<String> = events.iter().flat_map(|event| details(event, "attempt")).collect();
    assert_eq!(attempts.iter().collect::<BTreeSet<_>>().len(), events.len(), "{attempts:?}");
    // Page by page, and by date.
    let mut address = format!("/fhir/AuditEvent?patient={}&_count=1", sent.reference("Patient"));
    let mut ids = Vec::new();
    while !address.is_empty() {
        let part = world.get(GOVERNANCE, &address).await.json();
        ids.push(part["entry"][0]["resource"]["id"].clone());
        let links = part["link"].as_array().unwrap().iter();
        let next = links.clone().find(|link| link["relation"] == "next");
        address = next.map(|link| link["url"].as_str().unwrap().to_owned()).unwrap_or_default();
    }
    assert_eq!(ids, events.iter().map(|event| event["id"].clone()).collect::<Vec<_>>());
    let at = first["recorded"].as_str().unwrap();
    for (prefix, expected) in [("eq", 1), ("lt", 0), ("gt", events.len() - 1), ("ge", events.len())] {
        let query = format!("/fhir/AuditEvent?patient={}&date={prefix}{at}", sent.reference("Patient"));
        assert_eq!(world.get(GOVERNANCE, &query).await.json()["total"], expected, "{prefix}");
    }
    world.stop().await;
}

#[tokio::test]
async fn every_attempt_is_on_record_once_before_its_first_request_whatever_that_is() {
    for steps in [&["safe"][..], &["safe", "one"], &["one", "two", "three"]] {
        let mut three = script(&[]);
        three["steps"] = json!(steps);
        let scene = Scene::start(&three, "", Setup::default()).await;
        scene.platform.away(Some(steps[0]));
        let sent = scene.world.submit(&bundle(0)).await;
        let patient = sent.reference("Patient");
        // Nothing was answered yet, and it is there.
        eventually("the first disclosure", || async {
            (!told(&scene.world, GOVERNANCE, &patient).await.is_empty()).then_some(())
        })
        .await;
        scene.platform.away(None);
        scene.world.delivered(&sent.path("Task")).await;
        let events = told(&scene.world, GOVERNANCE, &patient).await;
        let attempts: Vec<String> = events.iter().flat_map(|event| details(event, "attempt")).collect();
        let expected: Vec<String> = (1..=events.len()).map(|number| number.to_string()).collect();
        assert!(events.len() > 1 && attempts == expected, "{steps:?}: {attempts:?}");
        assert_eq!(events.last().unwrap()["outcome"], "0", "{steps:?}");
        scene.world.stop().await;
    }
}

#[tokio::test]
async fn where_nothing_may_leave_nothing_is_disclosed_and_the_page_says_so() {
    let (world, food, _befriending) = World::with_platforms("").await;
    let sent = world.submit(&referral_to("VCSE1", Expectation::NoConsent, 0).bundle).await;
    let patient = sent.reference("Patient");
    assert_eq!(told(&world, GOVERNANCE, &patient).await.len(), 0);
    let text = page(&world, GOVERNANCE, &patient).await;
    assert!(text.contains("Nothing was disclosed."), "{text}");
    assert!(food.requests().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn all_referrals_of_a_person_are_told_by_recipient_whichever_patient_they_name() {
    let (world, _food, _befriending) = World::with_platforms("").await;
    let one = world.submit(&bundle(0)).await;
    let number = one.resource("Patient")["identifier"][0]["value"].clone();
    let mut other = referral_to("VCSE2", Expectation::Delivered, 1).bundle;
    inside(&mut other, "Patient")["identifier"][0]["value"] = number;
    let two = world.submit(&other).await;
    for sent in [&one, &two] {
        world.delivered(&sent.path("Task")).await;
    }
    for patient in [one.reference("Patient"), two.reference("Patient")] {
        let recipients: BTreeSet<String> = told(&world, GOVERNANCE, &patient)
            .await
            .iter()
            .map(|event| event["agent"][1]["who"]["display"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(recipients.into_iter().collect::<Vec<_>>(), ["Example befriending", "Example food"]);
        let text = page(&world, GOVERNANCE, &patient).await;
        assert!(text.contains("<h2>Example food</h2>") && text.contains("<h2>Example befriending</h2>"), "{text}");
    }
    // What follows a withdrawal is told as well.
    let gone = world.change(&one.path("Consent"), |consent| consent["status"] = json!("inactive")).await;
    assert_eq!(gone.status, 200);
    eventually("the receipt on the page", || async {
        let text = page(&world, GOVERNANCE, &one.reference("Patient")).await;
        (text.contains("It was told that it has to stop.") && text.contains("It was told to stop.")).then_some(())
    })
    .await;
    world.stop().await;
}

/// A published referral, on a consent that ends.
async fn published(clock: &Arc<ManualClock>) -> (World, Sent, [String; 2]) {
    let clock = Arc::<ManualClock>::clone(clock);
    let world = World::start(Setup { lanes: true, clock, ..Setup::default() }).await;
    let mut ends = referral_to("VCSE3", Expectation::Delivered, 0).bundle;
    inside(&mut ends, "Consent")["provision"]["period"] = json!({"end": "2026-06-20"});
    let sent = world.submit(&ends).await;
    let referral = world.delivered(&sent.path("Task")).await;
    let task = format!("/fhir/Task/{}", referral.platform_referral.unwrap().0);
    let document = world.get(COLLECTOR, &task).await.json();
    let patient = format!("/fhir/{}", document["for"]["reference"].as_str().unwrap());
    (world, sent, [task, patient])
}

#[tokio::test]
async fn what_a_platform_collects_is_on_record_once_for_each_change() {
    let clock = Arc::new(ManualClock::at(datetime!(2026-06-19 12:00 UTC)));
    let (world, sent, [task, patient]) = published(&clock).await;
    let referral = world.referral().await.id;
    let collected = || async {
        let all = lines(&world, &referral, disclose::ACTION).await;
        let read: Vec<Disclosure> = all.iter().filter_map(disclose::read).collect();
        read.into_iter().filter_map(|one| one.resource).collect::<Vec<_>>()
    };
    let name = |path: &str, version: u32| format!("{}/_history/{version}", path.strip_prefix("/fhir/").unwrap());
    assert_eq!(collected().await, [name(&task, 1)], "the Task was read above");
    for address in [patient.clone(), patient.clone(), format!("{patient}/_history/1"), format!("{patient}/_history")] {
        assert_eq!(world.get(COLLECTOR, &address).await.status, 200, "{address}");
        assert_eq!(collected().await, [name(&task, 1), name(&patient, 1)], "{address}");
    }
    // A search gives as much as a read.
    let found = world.get(COLLECTOR, "/fhir/ServiceRequest").await.json();
    let request = format!("/fhir/ServiceRequest/{}", found["entry"][0]["resource"]["id"].as_str().unwrap());
    assert_eq!(collected().await.last(), Some(&name(&request, 1)));
    // Another Consent of the person is read with it: a change.
    let more = world.change(&sent.path("Consent"), |consent| consent["dateTime"] = json!("2026-06-18")).await;
    assert_eq!(more.status, 200, "{}", more.text);
    assert_eq!(world.get(COLLECTOR, &patient).await.status, 200);
    assert_eq!(collected().await.len(), 4);
    let events = told(&world, GOVERNANCE, &sent.reference("Patient")).await;
    assert_eq!(events.len(), 5, "the publication, and what was collected");
    assert!(events[0]["outcomeDesc"].as_str().unwrap().contains("laid ready"), "{}", events[0]);
    let requestors = |event: &Value| [0, 1].map(|place| event["agent"][place]["requestor"].clone());
    assert_eq!(
        (requestors(&events[0]), requestors(&events[1])),
        ([json!(true), json!(false)], [json!(false), json!(true)])
    );
    let last = events.last().unwrap();
    assert!(has(last, "element", "Patient.name.family") && has(last, "published", "Patient/"), "{last}");
    // The sender's own reading is no disclosure.
    assert_eq!(world.get(GP, &sent.path("Patient")).await.status, 200);
    assert_eq!(collected().await.len(), 4);
    chain_holds(&world).await;
    world.stop().await;
}

#[tokio::test]
async fn what_a_platform_asks_for_in_vain_is_on_record_once_and_the_task_says_so() {
    let clock = Arc::new(ManualClock::at(datetime!(2026-06-19 12:00 UTC)));
    let (world, sent, [task, patient]) = published(&clock).await;
    let referral = world.referral().await.id;
    let read = world.get(COLLECTOR, &task).await;
    let mut taken = read.json();
    taken["status"] = json!("in-progress");
    taken["businessStatus"] = json!({"text": "first call made"});
    let put = world.request(COLLECTOR, "PUT", &task).header("content-type", "application/fhir+json");
    let put = world.send(put.header("if-match", read.header("etag")).body(taken.to_string())).await;
    assert_eq!(put.status, 200, "{}", put.text);
    let before = world.task_becomes(&sent.path("Task"), "in-progress").await;
    assert!(before["businessStatus"].is_object(), "{before}");
    clock.advance(Duration::from_secs(3 * 86_400));
    for _ in 0..3 {
        assert_eq!(world.get(COLLECTOR, &patient).await.status, 404);
    }
    assert_eq!(lines(&world, &referral, disclose::DENIED).await.len(), 1);
    let task = world.task(&sent.path("Task")).await;
    let words = task["statusReason"]["text"].as_str().unwrap();
    assert!(words.contains("was not given") && words.contains("period of the Consent is over"), "{words}");
    assert!(world.referral().await.attention.is_some());
    let text = page(&world, GOVERNANCE, &sent.reference("Patient")).await;
    assert!(text.contains("and was not given it: the period of the Consent is over."), "{text}");
    // It touched nothing else of the Task, and is taken back once the platform is given what it asks for.
    let rest = |task: &Value| {
        let mut task = task.clone();
        task.as_object_mut()
            .unwrap()
            .retain(|name, _| !["meta", "lastModified", "statusReason"].contains(&name.as_str()));
        task
    };
    let version = |task: &Value| task["meta"]["versionId"].as_str().unwrap().parse::<u32>().unwrap();
    let told_task = world.task(&sent.path("Task")).await;
    assert_eq!((rest(&told_task), version(&told_task)), (rest(&before), version(&before) + 1));
    let longer = |consent: &mut Value| consent["provision"]["period"]["end"] = json!("2026-12-31");
    assert_eq!(world.change(&sent.path("Consent"), longer).await.status, 200);
    for _ in 0..2 {
        assert_eq!(world.get(COLLECTOR, &patient).await.status, 200);
    }
    let after = world.task(&sent.path("Task")).await;
    assert_eq!((rest(&after), version(&after)), (rest(&before), version(&before) + 2));
    assert!(after["statusReason"].is_null() && world.referral().await.attention.is_none(), "{after}");
    world.stop().await;
}

#[tokio::test]
async fn of_a_completed_task_that_consent_no_longer_covers_only_the_end_is_given() {
    let clock = Arc::new(ManualClock::at(datetime!(2026-06-19 12:00 UTC)));
    let (world, sent, [task, _]) = published(&clock).await;
    let read = world.get(COLLECTOR, &task).await;
    let mut done = read.json();
    done["status"] = json!("completed");
    done["note"] = json!([{"text": "canary-note"}]);
    let put = world.request(COLLECTOR, "PUT", &task).header("content-type", "application/fhir+json");
    let put = world.send(put.header("if-match", read.header("etag")).body(done.to_string())).await;
    assert_eq!(put.status, 200, "{}", put.text);
    world.task_becomes(&sent.path("Task"), "completed").await;
    for address in ["", "/_history", "/_history/1"] {
        let answer = world.get(COLLECTOR, &format!("{task}{address}")).await;
        assert!(answer.status == 200 && answer.text.contains("Patient/"), "consent covers it: {}", answer.text);
    }
    clock.advance(Duration::from_secs(3 * 86_400));
    let end = world.get(COLLECTOR, &task).await;
    assert_eq!((end.status.as_u16(), &end.json()["status"]), (200, &json!("completed")));
    assert!(!end.text.contains("Patient/") && !end.text.contains("canary-note"), "{}", end.text);
    for address in ["/_history", "/_history/1"] {
        assert_eq!(world.get(COLLECTOR, &format!("{task}{address}")).await.status, 404, "{address}");
    }
    // The record says what was given: that, and on no consent.
    let referral = world.referral().await.id;
    let last = lines(&world, &referral, disclose::ACTION).await.iter().filter_map(disclose::read).next_back().unwrap();
    assert!(last.decision.is_none() && last.elements.iter().any(|path| path == "Task.status"), "{last:?}");
    assert!(
        !last.elements.iter().any(|path| path.starts_with("Task.for") || path.starts_with("Task.note")),
        "{last:?}"
    );
    assert_eq!(lines(&world, &referral, disclose::DENIED).await.len(), 1, "older versions, asked for in vain");
    world.stop().await;
}

#[tokio::test]
async fn a_history_is_given_only_if_each_version_of_it_may_be() {
    let (world, _food, _befriending) = World::with_platforms("").await;
    let label = json!([{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]);
    let mut bundle = referral_to("VCSE3", Expectation::Delivered, 0).bundle;
    inside(&mut bundle, "Consent")["provision"]["securityLabel"] = label.clone();
    inside(&mut bundle, "Patient")["address"] = json!([{"line": ["canary line"]}]);
    let sent = world.submit(&bundle).await;
    let referral = world.delivered(&sent.path("Task")).await;
    let task = format!("/fhir/Task/{}", referral.platform_referral.unwrap().0);
    let task = world.get(COLLECTOR, &task).await.json();
    let patient = format!("/fhir/{}", task["for"]["reference"].as_str().unwrap());
    let read = world.get(COLLECTOR, &patient).await;
    assert!(read.text.contains("canary line"), "{}", read.text);
    // From now on the address is kept back, and what holds none may be read.
    inside(&mut bundle, "Patient")["meta"]["security"] = label;
    world.submit(&bundle).await;
    assert_eq!(world.get(COLLECTOR, &patient).await.status, 404);
    let task = format!("/fhir/Task/{}", task["id"].as_str().unwrap());
    assert_eq!(world.get(COLLECTOR, &task).await.status, 404, "it has more of the place");
    let id = patient.rsplit('/').next().unwrap().to_owned();
    let owner = Owner::Platform(PlatformId("advice".to_owned()));
    let compartment = Compartment { tenant: TenantId("pcn-a".to_owned()), owner };
    let key = ResourceKey { compartment, kind: "Patient".to_owned(), id };
    let stored = world.store().resource(&key, None).await.unwrap().unwrap();
    let mut next = read.json();
    next.as_object_mut().unwrap().retain(|name, _| ["resourceType", "id", "name"].contains(&name.as_str()));
    let next = ResourceVersion { version: 2, body: next.to_string(), ..stored };
    let changes = vec![Change::PutResource(next)];
    world.store().commit(Transaction { checks: vec![], changes }).await.unwrap();
    // That the Task is kept back goes on being said when the Patient is given.
    assert_eq!(world.get(COLLECTOR, &patient).await.status, 200);
    let told = world.task(&sent.path("Task")).await;
    assert!(told["statusReason"]["text"].as_str().is_some_and(|words| words.contains("was not given")), "{told}");
    for (address, status) in [("", 200), ("/_history/2", 200), ("/_history/1", 404), ("/_history", 404)] {
        let answer = world.get(COLLECTOR, &format!("{patient}{address}")).await;
        assert_eq!(answer.status, status, "{address}: {}", answer.text);
    }
    world.stop().await;
}

#[tokio::test]
async fn the_page_escapes_what_it_shows() {
    let (world, _food, _befriending) = World::with_platforms("").await;
    let sent = world.submit(&without_conditions()).await;
    world.delivered(&sent.path("Task")).await;
    let referral = world.referral().await.id;
    let mut line = lines(&world, &referral, disclose::ACTION).await.remove(0);
    let hostile = "<script>alert('x')</script>&amp;\"><img src=x>";
    for place in
        ["/recipient", "/identifiers/0", "/elements/0", "/withheld/0/path", "/withheld/0/words", "/decision/words"]
    {
        *line.detail.pointer_mut(place).unwrap() = json!(hostile);
    }
    line.detail["platform"] = json!("hostile");
    line.detail["decision"]["lawfulBasis"] = json!([hostile]);
    line.detail["decision"]["override"] = json!({"id": hostile, "professional": hostile});
    world.store().commit(Transaction { checks: vec![], changes: vec![Change::Audit(line)] }).await.unwrap();
    let text = page(&world, GOVERNANCE, &sent.reference("Patient")).await;
    assert!(text.contains("&lt;script&gt;alert"), "{text}");
    assert!(!text.contains("<script") && !text.contains("<img"), "{text}");
    // In one file, with nothing from elsewhere.
    assert!(!text.contains("http://") && !text.contains("src=\"") && !text.contains("<link"), "{text}");
    told(&world, GOVERNANCE, &sent.reference("Patient")).await;
    world.stop().await;
}

#[tokio::test]
async fn the_statement_tells_of_it() {
    let world = World::quiet().await;
    let statement = world.get("", "/fhir/metadata").await.json();
    let resources = statement["rest"][0]["resource"].as_array().unwrap();
    let of = |kind: &str| resources.iter().find(|one| one["type"] == kind).unwrap();
    let codes: Vec<&Value> =
        of("AuditEvent")["interaction"].as_array().unwrap().iter().map(|one| &one["code"]).collect();
    assert_eq!(codes, [&json!("read"), &json!("search-type")]);
    let operations = of("Patient")["operation"].as_array().unwrap();
    assert!(operations.iter().any(|one| one["name"] == "disclosures"), "{operations:?}");
    world.stop().await;
}

/// What left before cannot be undone by an erasure, and must not be forgotten by it.
#[tokio::test]
async fn who_received_what_is_still_known_when_the_record_is_erased() {
    let (world, _food, _befriending) = World::with_platforms("").await;
    let sent = world.submit(&bundle(0)).await;
    let patient = sent.reference("Patient");
    world.delivered(&sent.path("Task")).await;
    let before = told(&world, GOVERNANCE, &patient).await;
    assert_eq!(before.len(), 1);
    assert_eq!(world.move_task(&sent.path("Task"), "cancelled").await.status, 200);
    let wish = json!({"resourceType": "Parameters", "parameter": [{"name": "reason", "valueCode": "request"}]});
    eventually("an erasure", || async {
        let answer = world.post(GOVERNANCE, &format!("/fhir/{patient}/$erase"), wish.to_string()).await;
        (answer.status == 200).then_some(())
    })
    .await;
    assert_eq!(world.get(GP, &format!("/fhir/{patient}")).await.status, 410);
    let after = told(&world, GOVERNANCE, &patient).await;
    assert_eq!(after.len(), 1);
    for name in ["element", "withheld", "verdict", "reason"] {
        assert_eq!(details(&after[0], name), details(&before[0], name), "{name}");
    }
    assert_eq!(after[0]["id"], before[0]["id"]);
    let shown = page(&world, GOVERNANCE, &patient).await;
    assert!(shown.contains("Patient.name.family"), "{shown}");
    for stranger in [NEIGHBOUR, FOREIGN] {
        assert_eq!(world.get(stranger, &format!("/fhir/{patient}/$disclosures")).await.status, 404, "{stranger}");
    }
    chain_holds(&world).await;
    world.stop().await;
}
