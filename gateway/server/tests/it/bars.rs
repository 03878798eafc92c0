//! BaRS-shaped messages over HTTP: a referral, the same again, a cancellation, and what each is told.

mod budget;
mod changes;
mod definitions;
mod faults;
mod headers;
mod response;

use crate::support::{Answer, BARS, FHIR_JSON, GP, NEIGHBOUR, World, assert_valid, bundle};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use conformance_tests::generator::PRACTICE_ODS;
use gateway_core::outbox::{Errand, OutboxState};
use gateway_core::referral::Delivery;
use serde_json::{Value, json};

pub(crate) const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
pub(crate) const PATH: &str = "/fhir/$process-message";
const CODES: &str = "https://fhir.nhs.uk/CodeSystem";
const HEADER: &str = "urn:uuid:5f3a0000-0000-4000-8000-000000000001";
const ENCOUNTER: &str = "urn:uuid:5f3a0000-0000-4000-8000-000000000002";
const CARE_PLAN: &str = "urn:uuid:5f3a0000-0000-4000-8000-000000000003";
const SERVICE: &str = "urn:uuid:5f3a0000-0000-4000-8000-000000000004";
const SENDER: &str = "urn:uuid:5f3a0000-0000-4000-8000-000000000005";
const RECEIVER: &str = "urn:uuid:5f3a0000-0000-4000-8000-000000000006";
const ROLE: &str = "urn:uuid:5f3a0000-0000-4000-8000-000000000007";

/// A GUID that ends in this number.
pub(crate) fn guid(n: u32) -> String {
    format!("0a6b2e0c-6f1c-4f7e-9b43-{n:012}")
}

/// The `nth` referral that goes through to `food`, as a message; `n` makes its names its own.
pub(crate) fn message(n: usize) -> Value {
    let mut transaction = bundle(n);
    let mut entries = Vec::new();
    let mut request_url = Value::Null;
    for entry in transaction["entry"].as_array_mut().unwrap() {
        entry.as_object_mut().unwrap().remove("request");
        match entry["resource"]["resourceType"].as_str().unwrap() {
            "Task" => continue,
            "ServiceRequest" => {
                entry["resource"]["intent"] = json!("plan");
                entry["resource"]["encounter"] = json!({ "reference": ENCOUNTER });
                entry["resource"]["basedOn"] = json!([{ "reference": CARE_PLAN }]);
                request_url = entry["fullUrl"].clone();
            }
            _ => {}
        }
        entries.push(entry.clone());
    }
    let subject = resource_in(&entries, "ServiceRequest")["subject"].clone();
    let organisation = |name: &str, code: &str| json!({ "resourceType": "Organization", "name": name, "identifier": [{ "system": ODS, "value": code }] });
    let header = json!({
        "resourceType": "MessageHeader",
        "eventCoding": { "system": format!("{CODES}/message-events-bars"), "code": "servicerequest-request" },
        "destination": [{ "endpoint": format!("{ODS}|VCSE1"), "receiver": { "reference": RECEIVER } }],
        "sender": { "reference": SENDER },
        "source": { "name": "Example practice", "endpoint": "https://fhir.nhs.uk/Id/dos-service-id|2000099999" },
        "reason": { "coding": [{ "system": format!("{CODES}/message-reason-bars"), "code": "new" }] },
        "focus": [{ "reference": request_url }],
        "definition": "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-request-referral",
    });
    let encounter = json!({
        "resourceType": "Encounter", "status": "finished", "subject": subject,
        "class": { "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "EMER" },
        "meta": { "lastUpdated": "2026-06-01T10:00:00+01:00" },
        "identifier": [{ "system": "https://practice.example/case", "value": format!("case-{n}") }],
        "episodeOfCare": [{ "reference": format!("EpisodeOfCare/{}", guid(77)) }],
    });
    let plan = json!({ "resourceType": "CarePlan", "status": "completed", "intent": "plan", "subject": subject,
        "encounter": { "reference": ENCOUNTER }, "activity": [{ "outcomeCodeableConcept": [{ "text": "a food parcel" }] }] });
    let service =
        json!({ "resourceType": "HealthcareService", "name": "Food", "providedBy": { "reference": RECEIVER } });
    let role = json!({ "resourceType": "PractitionerRole", "organization": { "reference": SENDER } });
    let listed = |url: &str, resource: Value| json!({ "fullUrl": url, "resource": resource });
    entries.insert(0, listed(HEADER, header));
    entries.extend([
        listed(ENCOUNTER, encounter),
        listed(CARE_PLAN, plan),
        listed(SERVICE, service),
        listed(SENDER, organisation("Example practice", PRACTICE_ODS)),
        listed(RECEIVER, organisation("Example Food Bank", "VCSE1")),
        listed(ROLE, role),
    ]);
    json!({
        "resourceType": "Bundle", "id": guid(900 + u32::try_from(n).unwrap()), "type": "message",
        "meta": { "versionId": "1.0.0", "profile": ["https://fhir.nhs.uk/StructureDefinition/BARSBundleMessage"] },
        "timestamp": "2026-06-01T10:00:00.1234567+01:00", "entry": entries,
    })
}

fn resource_in<'a>(entries: &'a [Value], kind: &str) -> &'a Value {
    let mut all = entries.iter().map(|entry| &entry["resource"]);
    all.find(|resource| resource["resourceType"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

/// The resource of this type in a message or its answer.
pub(crate) fn part<'a>(message: &'a mut Value, kind: &str) -> &'a mut Value {
    crate::support::inside(message, kind)
}

/// The cancellation of what this answer says was taken.
fn cancellation(answer: &Value, status: &str) -> Value {
    let wanted = ["MessageHeader", "ServiceRequest", "Patient", "Organization"];
    let mut message = answer.clone();
    let entries = message["entry"].as_array_mut().unwrap();
    entries.retain(|entry| wanted.contains(&entry["resource"]["resourceType"].as_str().unwrap()));
    let request = part(&mut message, "ServiceRequest");
    let url = request["subject"].clone();
    *request = json!({ "resourceType": "ServiceRequest", "id": request["id"], "identifier": request["identifier"],
        "status": status, "intent": "plan", "category": request["category"], "subject": url,
        "reasonCode": [{ "text": "no longer wanted" }] });
    let patient = part(&mut message, "Patient");
    *patient = json!({ "resourceType": "Patient", "identifier": patient["identifier"] });
    let header = part(&mut message, "MessageHeader");
    header.as_object_mut().unwrap().remove("response");
    header["definition"] = json!("https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-request-cancelled");
    header["reason"]["coding"][0]["code"] = json!("update");
    for entry in message["entry"].as_array_mut().unwrap() {
        if entry["resource"]["resourceType"] == "Organization" {
            entry["resource"] = json!({ "resourceType": "Organization", "name": "x" });
        }
    }
    message["id"] = json!(guid(500));
    message
}

pub(crate) fn encoded(object: &Value) -> String {
    STANDARD.encode(object.to_string())
}

pub(crate) fn target(value: &str) -> String {
    encoded(&json!({ "system": ODS, "value": value }))
}

pub(crate) fn end_user(code: &str) -> String {
    let identifier = json!([{ "system": ODS, "value": code }]);
    encoded(&json!({ "resourceType": "Organization", "identifier": identifier, "name": "x" }))
}

/// A message with every header that is needed, under the request id of this number.
pub(crate) fn post(world: &World, request: u32, message: &Value) -> reqwest::RequestBuilder {
    world
        .request(BARS, "POST", PATH)
        .header("content-type", FHIR_JSON)
        .header("x-request-id", guid(request))
        .header("x-correlation-id", guid(42))
        .header("nhsd-target-identifier", target("VCSE1"))
        .header("nhsd-end-user-organisation", end_user(PRACTICE_ODS))
        .body(message.to_string())
}

/// Status, issue code and published code of a refusal, which must be well formed.
pub(crate) fn told(case: &str, answer: &Answer) -> (u16, String, String) {
    assert_valid(case, &answer.text);
    assert!(!answer.header("x-request-id").is_empty() && !answer.header("x-correlation-id").is_empty(), "{case}");
    let outcome = answer.json();
    assert_eq!(outcome["resourceType"], "OperationOutcome", "{case}");
    assert!(outcome["id"].is_string(), "{case}");
    let issue = &outcome["issue"][0];
    let coding = &issue["details"]["coding"][0];
    assert_eq!(coding["system"], "https://fhir.nhs.uk/CodeSystem/http-error-codes", "{case}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (answer.status.as_u16(), text(&issue["code"]), text(&coding["code"]))
}

fn is(status: u16, issue: &str, code: &str) -> (u16, String, String) {
    (status, issue.to_owned(), code.to_owned())
}

#[tokio::test]
async fn a_message_becomes_a_referral_like_any_other() {
    let world = World::quiet().await;
    let sent = message(0);
    let answer = world.send(post(&world, 1, &sent)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_valid("answer", &answer.text);
    let mut told = answer.json();
    assert_eq!((&told["type"], &told["id"], &told["meta"]), (&json!("message"), &sent["id"], &sent["meta"]));
    let header = part(&mut told, "MessageHeader").clone();
    assert_eq!((&header["response"]["identifier"], &header["response"]["code"]), (&sent["id"], &json!("ok")));
    let referral = world.referral().await;
    assert_eq!(referral.delivery, Delivery::Queued);
    assert_eq!((referral.platform.as_ref().unwrap().0.as_str(), referral.correlation), ("food", guid(42)));
    let rows = world.store().outbox(&referral.id).await.unwrap();
    assert_eq!(
        rows.iter().map(|row| (row.errand.clone(), row.state)).collect::<Vec<_>>(),
        [(Errand::Submit, OutboxState::Ready)]
    );
    // What is answered is what can be read.
    let request = part(&mut told, "ServiceRequest").clone();
    let numbers = request["identifier"].as_array().unwrap();
    assert_eq!(numbers.last().unwrap()["value"], referral.key.0.as_str());
    let stored = world.task(&format!("/fhir/ServiceRequest/{}", request["id"].as_str().unwrap())).await;
    assert_eq!(stored["id"], referral.service_request.as_str());
    let kinds: Vec<&str> =
        stored["contained"].as_array().unwrap().iter().map(|one| one["resourceType"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["Encounter", "CarePlan"]);
    assert_eq!(stored["encounter"]["reference"], format!("#{}", stored["contained"][0]["id"].as_str().unwrap()));
    assert_eq!(stored["basedOn"][0]["reference"], format!("#{}", stored["contained"][1]["id"].as_str().unwrap()));
    assert_eq!(stored["contained"][0]["episodeOfCare"][0]["identifier"]["value"], guid(77));
    let task = world.task(&format!("/fhir/Task/{}", referral.task)).await;
    assert_eq!((&task["status"], &task["intent"]), (&json!("requested"), &json!("order")));
    assert_eq!(task["owner"]["identifier"], json!({ "system": ODS, "value": "VCSE1" }));
    // The names by which it is found again, and the return address.
    let names = task["identifier"].as_array().unwrap();
    assert_eq!(names[0]["value"], sent["id"]);
    assert_eq!(names[0]["assigner"]["identifier"]["value"], "2000099999");
    assert!(names.contains(&json!({ "system": "https://practice.example/case", "value": "case-0" })), "{names:?}");
    let shown = part(&mut told, "Task").clone();
    assert_eq!((&shown["id"], &shown["focus"]["reference"]), (&task["id"], &header["focus"][0]["reference"]));
    assert_eq!(answer.header("x-correlation-id"), guid(42));
}

#[tokio::test]
async fn the_same_message_is_one_referral_whatever_it_is_called() {
    let world = World::quiet().await;
    assert_eq!(world.send(post(&world, 1, &message(0))).await.status, 200);
    let before = world.store().content_hash().await.unwrap();
    // Once more under the same request id, then as another request, then another message under a used id.
    for (case, request, sent, issue) in [
        ("again", 1, message(0), "duplicate"),
        ("another id", 2, message(0), "duplicate"),
        ("used", 1, message(1), "conflict"),
    ] {
        let answer = world.send(post(&world, request, &sent)).await;
        assert_eq!(told(case, &answer), is(409, issue, "REC_CONFLICT"), "{}", answer.text);
    }
    assert_eq!(world.store().content_hash().await.unwrap(), before);
    assert_eq!(world.referrals().await.len(), 1);
    assert_eq!(world.send(post(&world, 3, &message(1))).await.status, 200);
}

#[tokio::test]
async fn of_the_same_message_sent_twice_at_once_one_is_taken() {
    let world = World::quiet().await;
    let sent = message(0);
    let (one, two) = tokio::join!(world.send(post(&world, 1, &sent)), world.send(post(&world, 2, &sent)));
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{} {}", one.text, two.text);
    assert_eq!(world.referrals().await.len(), 1);
    assert_eq!(world.get(GP, "/fhir/ServiceRequest").await.json()["total"], 1, "nothing of the other is left");
}

#[tokio::test]
async fn a_client_of_the_other_profile_sends_messages_too_and_hears_the_first_answer_again() {
    let world = World::quiet().await;
    let text = message(0).to_string();
    let ask = || {
        let post = world.request(GP, "POST", PATH).header("content-type", FHIR_JSON).header("x-request-id", "r-1");
        post.body(text.clone())
    };
    let (one, two) = (world.send(ask()).await, world.send(ask()).await);
    assert_eq!((one.status.as_u16(), two.status.as_u16(), one.text == two.text), (200, 200, true), "{}", one.text);
    assert_eq!(world.referrals().await.len(), 1);
}

#[tokio::test]
async fn without_a_consent_it_is_held_and_the_answer_says_so() {
    let world = World::quiet().await;
    let mut sent = message(0);
    let consent = part(&mut sent, "Consent");
    // What every BaRS message holds: consent for direct care, implied. It permits a charity nothing.
    let patient = consent["patient"].clone();
    *consent = json!({
        "resourceType": "Consent", "status": "active", "patient": patient, "dateTime": "2026-06-01",
        "scope": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy" }] },
        "category": [{ "coding": [{ "system": format!("{CODES}/consent-categories-bars"), "code": "DRC" }] }],
        "policyRule": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMPLIED" }] },
    });
    let answer = world.send(post(&world, 1, &sent)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let referral = world.referral().await;
    assert!(matches!(referral.delivery, Delivery::Held { .. }), "{:?}", referral.delivery);
    let mut told = answer.json();
    assert_eq!(part(&mut told, "Task")["status"], "on-hold");
    let issue = &part(&mut told, "OperationOutcome")["issue"][0];
    assert_eq!(issue["severity"], "warning");
    assert!(issue["diagnostics"].as_str().unwrap().contains("Nothing has been sent"), "{issue}");
    // It is kept with the referral and stands against no Consent.
    assert_eq!(world.get(GP, "/fhir/Consent").await.json()["total"], 0);
    // The Consent comes later, and the referral goes.
    let mut whole = message(0);
    let mut consent = part(&mut whole, "Consent").clone();
    for element in ["patient", "performer"] {
        consent[element] = world.task(&format!("/fhir/Task/{}", referral.task)).await["for"].clone();
    }
    consent["performer"] = json!([consent["performer"]]);
    consent["organization"] = json!([]);
    consent.as_object_mut().unwrap().remove("organization");
    consent.as_object_mut().unwrap().remove("verification");
    consent["provision"]["actor"][0]["reference"] =
        json!({ "type": "Organization", "identifier": { "system": ODS, "value": "VCSE1" } });
    let recorded = world.post(GP, "/fhir/Consent", consent.to_string()).await;
    assert_eq!(recorded.status, 201, "{}", recorded.text);
    let moved = world.move_task(&format!("/fhir/Task/{}", referral.task), "requested").await;
    assert_eq!(moved.status, 200, "{}", moved.text);
    assert_eq!(world.referral().await.delivery, Delivery::Queued);
}

#[tokio::test]
async fn an_update_changes_what_the_referral_is_made_of_and_makes_no_second_one() {
    let world = World::quiet().await;
    let taken = world.send(post(&world, 1, &message(0))).await;
    assert_eq!(taken.status, 200, "{}", taken.text);
    let before = world.referral().await;
    let mut update = message(0);
    update["id"] = json!(guid(501));
    // By the id that the answer gave.
    part(&mut update, "ServiceRequest")["id"] = part(&mut taken.json(), "ServiceRequest")["id"].clone();
    part(&mut update, "MessageHeader")["reason"]["coding"][0]["code"] = json!("update");
    part(&mut update, "ServiceRequest")["orderDetail"] = json!([{ "text": "Ground floor only" }]);
    part(&mut update, "Patient")["telecom"] = json!([{ "system": "phone", "value": "07700 900999" }]);
    let answer = world.send(post(&world, 2, &update)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_valid("answer", &answer.text);
    let after = world.referral().await;
    assert_eq!((after.task.clone(), after.key.clone()), (before.task, before.key), "it is the same referral");
    let request = world.task(&format!("/fhir/ServiceRequest/{}", after.service_request)).await;
    assert_eq!(request["orderDetail"][0]["text"], "Ground floor only");
    assert_eq!(request["meta"]["versionId"], "2");
    assert!(request["contained"].to_string().contains("CarePlan"), "what it came with stays: {request}");
    let patient = world.task(&format!("/fhir/{}", after.patient)).await;
    assert_eq!(patient["telecom"][0]["value"], "07700 900999");
    // Another person's is not changed by it.
    let mut strange = update.clone();
    strange["id"] = json!(guid(502));
    part(&mut strange, "Patient")["identifier"] =
        json!([{ "system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000026" }]);
    let refused = world.send(post(&world, 3, &strange)).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    world.stop().await;
}

#[tokio::test]
async fn a_cancellation_is_the_senders_withdrawal_of_its_task() {
    for (status, becomes, reason) in
        [("revoked", "cancelled", "update"), ("entered-in-error", "entered-in-error", "delete")]
    {
        let world = World::quiet().await;
        let taken = world.send(post(&world, 1, &message(0))).await.json();
        let mut cancel = cancellation(&taken, status);
        part(&mut cancel, "MessageHeader")["reason"]["coding"][0]["code"] = json!(reason);
        let answer = world.send(post(&world, 2, &cancel)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_valid("answer", &answer.text);
        let referral = world.referral().await;
        assert_eq!(referral.delivery, Delivery::Withdrawn);
        let task = world.task(&format!("/fhir/Task/{}", referral.task)).await;
        assert_eq!((&task["status"], &task["statusReason"]["text"]), (&json!(becomes), &json!("no longer wanted")));
        let request = world.task(&format!("/fhir/ServiceRequest/{}", referral.service_request)).await;
        assert_eq!(request["status"], status);
        assert!(answer.text.contains("taken back") && answer.text.contains(becomes));
        // It is over: again as the same request, and as another.
        let again = world.send(post(&world, 2, &cancel)).await;
        assert_eq!(told("again", &again), is(409, "duplicate", "REC_CONFLICT"));
        let before = world.store().content_hash().await.unwrap();
        let repeated = world.send(post(&world, 3, &cancel)).await;
        assert_eq!(told("the same message", &repeated), is(409, "duplicate", "REC_CONFLICT"));
        cancel["id"] = json!(guid(501));
        let over = world.send(post(&world, 4, &cancel)).await;
        assert_eq!(told("over", &over), is(409, "conflict", "REC_CONFLICT"));
        assert_eq!(world.store().content_hash().await.unwrap(), before);
    }
}

#[tokio::test]
async fn it_reaches_its_platform_without_what_is_kept_inside_and_is_cancelled_there() {
    let (world, food, _) = World::with_platforms("").await;
    let mut sent = message(0);
    part(&mut sent, "CarePlan")["description"] = json!("Zzyxcanary");
    let taken = world.send(post(&world, 1, &sent)).await;
    assert_eq!(taken.status, 200, "{}", taken.text);
    let task = format!("/fhir/Task/{}", world.referral().await.task);
    world.delivered(&task).await;
    assert_eq!(food.tasks().len(), 1);
    let bodies: String = food.requests().iter().map(|request| request.body.clone()).collect();
    assert!(!bodies.contains("Zzyxcanary") && !bodies.contains("case-0"), "{bodies}");
    assert!(!bodies.contains("#encounter") && !bodies.contains("#careplan"), "nothing leads to what was not sent");
    let answer = world.send(post(&world, 2, &cancellation(&taken.json(), "revoked"))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    world.outbox_idle().await;
    assert_eq!(world.task(&task).await["status"], "cancelled");
    let told = food.requests().iter().any(|request| request.method != "GET" && request.body.contains("cancelled"));
    assert!(told, "the platform is told like after any other cancellation");
}

#[tokio::test]
async fn a_referral_is_found_by_each_name_that_the_sender_has_for_it() {
    let world = World::quiet().await;
    for (n, by) in [(0, "id"), (1, "ServiceRequest.identifier"), (2, "Encounter.identifier")] {
        let sent = message(n);
        let request = u32::try_from(n).unwrap() * 10;
        let taken = world.send(post(&world, request, &sent)).await;
        assert_eq!(taken.status, 200, "{}", taken.text);
        let mut cancel = cancellation(&taken.json(), "revoked");
        cancel["id"] = json!(guid(510 + request));
        let named = part(&mut cancel, "ServiceRequest").as_object_mut().unwrap();
        if by != "id" {
            named.remove("id");
        }
        if by == "Encounter.identifier" {
            named.remove("identifier");
            let encounter = part(&mut taken.json(), "Encounter").clone();
            cancel["entry"].as_array_mut().unwrap().push(json!({ "fullUrl": ENCOUNTER, "resource": encounter }));
        }
        let answer = world.send(post(&world, request + 1, &cancel)).await;
        assert_eq!(answer.status, 200, "{by}: {}", answer.text);
    }
    let referrals = world.referrals().await;
    assert_eq!(referrals.len(), 3);
    assert!(referrals.iter().all(|referral| referral.delivery == Delivery::Withdrawn));
}

#[tokio::test]
async fn anothers_referral_is_as_one_that_never_was() {
    let world = World::quiet().await;
    let taken = world.send(post(&world, 1, &message(0))).await.json();
    let cancel = cancellation(&taken, "revoked");
    let mut nobodys = cancel.clone();
    part(&mut nobodys, "ServiceRequest")["id"] = json!(guid(1));
    let before = world.store().content_hash().await.unwrap();
    let mut answers = Vec::new();
    for (message, request) in [(&cancel, "r-1"), (&nobodys, "r-2")] {
        let ask =
            world.request(NEIGHBOUR, "POST", PATH).header("content-type", FHIR_JSON).header("x-request-id", request);
        let answer = world.send(ask.body(message.to_string())).await;
        assert_eq!(told("another's", &answer), is(404, "not-found", "REC_NOT_FOUND"));
        let mut outcome = answer.json();
        outcome["id"] = Value::Null;
        answers.push(outcome);
    }
    assert_eq!(answers[0], answers[1], "the two answers tell nobody which is which");
    assert_eq!(world.store().content_hash().await.unwrap(), before);
    assert_eq!(world.referral().await.delivery, Delivery::Queued);
}

#[tokio::test]
async fn a_cancellation_about_another_person_takes_nothing_back() {
    let world = World::quiet().await;
    let taken = world.send(post(&world, 1, &message(0))).await.json();
    let mut cancel = cancellation(&taken, "revoked");
    let mut other = message(1);
    part(&mut cancel, "Patient")["identifier"] = part(&mut other, "Patient")["identifier"].clone();
    let answer = world.send(post(&world, 2, &cancel)).await;
    assert_eq!(told("another person", &answer), is(409, "conflict", "REC_CONFLICT"));
    assert_eq!(world.referral().await.delivery, Delivery::Queued);
}

#[tokio::test]
async fn a_task_of_the_senders_own_and_what_nothing_leads_to_are_part_of_the_referral() {
    let world = World::quiet().await;
    let mut sent = message(0);
    let subject = part(&mut sent, "ServiceRequest")["subject"].clone();
    let entries = sent["entry"].as_array_mut().unwrap();
    let (task, flag, allergy) = (guid(601), guid(602), guid(603));
    entries.insert(
        2,
        json!({ "fullUrl": format!("urn:uuid:{task}"), "resource": { "resourceType": "Task", "status": "requested",
            "intent": "order", "description": "weekly", "identifier": [{ "value": "t-1" }] } }),
    );
    entries.push(
        json!({ "fullUrl": format!("urn:uuid:{flag}"), "resource": { "resourceType": "Flag", "status": "active",
        "subject": subject, "encounter": { "reference": ENCOUNTER }, "code": { "text": "needs a ramp" },
        "category": [{ "coding": [{ "system": format!("{CODES}/flag-categories-bars"), "code": "RA" }] }] } }),
    );
    entries.push(json!({ "fullUrl": format!("urn:uuid:{allergy}"), "resource": { "resourceType": "AllergyIntolerance",
        "patient": subject, "clinicalStatus": { "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active" }] } } }));
    let answer = world.send(post(&world, 1, &sent)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_valid("answer", &answer.text);
    let referral = world.referral().await;
    let task = world.task(&format!("/fhir/Task/{}", referral.task)).await;
    assert_eq!((&task["description"], &task["identifier"][0]["value"]), (&json!("weekly"), &json!("t-1")));
    assert_eq!(world.get(GP, "/fhir/Task").await.json()["total"], 1);
    let request = world.task(&format!("/fhir/ServiceRequest/{}", referral.service_request)).await;
    let info = request["supportingInfo"].to_string();
    let mut told = answer.json();
    let flag = part(&mut told, "Flag").clone();
    assert!(info.contains(&format!("Flag/{}", flag["id"].as_str().unwrap())), "{info}");
    assert!(info.contains("#allergyintolerance-"), "{info}");
    let stored = world.task(&format!("/fhir/Flag/{}", flag["id"].as_str().unwrap())).await;
    assert_eq!(stored["encounter"]["identifier"]["value"], ENCOUNTER);
}
