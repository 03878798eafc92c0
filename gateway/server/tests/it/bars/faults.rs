//! What is wrong with a message: all of it at once, in the published form, and nothing of it is stored.

use super::{CARE_PLAN, ODS, PATH, cancellation, is, message, part, post, told};
use crate::support::{BARS, READER, SELF_REFERRAL, World, assert_valid};
use serde_json::{Value, json};

/// Stands in names and notes: no refusal may say it.
const CANARY: &str = "Zzyxcanary";

fn marked() -> Value {
    let mut sent = message(0);
    part(&mut sent, "Patient")["name"] = json!([{ "family": CANARY, "given": [CANARY] }]);
    part(&mut sent, "ServiceRequest")["note"] = json!([{ "text": CANARY }]);
    part(&mut sent, "CarePlan")["description"] = json!(CANARY);
    sent
}

fn code(message: &mut Value, element: &str, code: &str) {
    let concept = &mut part(message, "MessageHeader")[element];
    let coding = if element == "reason" { &mut concept["coding"][0] } else { concept };
    coding["code"] = json!(code);
}

#[tokio::test]
async fn each_fault_has_its_published_answer() {
    type Change = fn(&mut Value);
    let cases: &[(&str, Change, u16, &str, &str)] = &[
        ("no message", |m| m["type"] = json!("collection"), 400, "invariant", "REC_BAD_REQUEST"),
        ("no header", |m| drop(m["entry"].as_array_mut().unwrap().remove(0)), 400, "required", "REC_BAD_REQUEST"),
        ("unknown event", |m| code(m, "eventCoding", "lunch"), 400, "invariant", "REC_BAD_REQUEST"),
        ("booking", |m| code(m, "eventCoding", "booking-request"), 501, "not-supported", "REC_NOT_IMPLEMENTED"),
        (
            "response",
            |m| code(m, "eventCoding", "servicerequest-response"),
            501,
            "not-supported",
            "REC_NOT_IMPLEMENTED",
        ),
        (
            "validation",
            |m| part(m, "ServiceRequest")["category"][0]["coding"][0]["code"] = json!("validation"),
            501,
            "not-supported",
            "REC_NOT_IMPLEMENTED",
        ),
        (
            "no category",
            |m| part(m, "ServiceRequest")["category"] = json!([{ "text": "x" }]),
            400,
            "invariant",
            "REC_BAD_REQUEST",
        ),
        ("unknown reason", |m| code(m, "reason", "perhaps"), 400, "invariant", "REC_BAD_REQUEST"),
        ("update of what is not there", |m| code(m, "reason", "update"), 404, "not-found", "REC_NOT_FOUND"),
        (
            "update to on-hold",
            |m| {
                code(m, "reason", "update");
                part(m, "ServiceRequest")["status"] = json!("on-hold");
            },
            400,
            "invariant",
            "REC_BAD_REQUEST",
        ),
        ("delete of an active one", |m| code(m, "reason", "delete"), 400, "invariant", "REC_BAD_REQUEST"),
        (
            "new and revoked",
            |m| part(m, "ServiceRequest")["status"] = json!("revoked"),
            400,
            "invariant",
            "REC_BAD_REQUEST",
        ),
        ("plan is active", |m| part(m, "CarePlan")["status"] = json!("active"), 400, "invariant", "REC_BAD_REQUEST"),
        (
            "encounter goes on",
            |m| part(m, "Encounter")["status"] = json!("in-progress"),
            400,
            "invariant",
            "REC_BAD_REQUEST",
        ),
        (
            "another definition",
            |m| part(m, "MessageHeader")["definition"] = json!("https://fhir.nhs.uk/MessageDefinition/other"),
            400,
            "invariant",
            "REC_BAD_REQUEST",
        ),
        (
            "no focus",
            |m| drop(part(m, "MessageHeader").as_object_mut().unwrap().remove("focus")),
            400,
            "invariant",
            "REC_BAD_REQUEST",
        ),
        (
            "the focus is elsewhere",
            |m| part(m, "MessageHeader")["focus"] = json!([{ "reference": CARE_PLAN }]),
            400,
            "invariant",
            "REC_BAD_REQUEST",
        ),
        (
            "no version",
            |m| drop(m["meta"].as_object_mut().unwrap().remove("versionId")),
            400,
            "invariant",
            "REC_BAD_REQUEST",
        ),
        ("version 2", |m| m["meta"]["versionId"] = json!("2.0.0"), 422, "not-supported", "REC_UNPROCESSABLE_ENTITY"),
        ("no id", |m| drop(m.as_object_mut().unwrap().remove("id")), 422, "required", "REC_UNPROCESSABLE_ENTITY"),
        (
            "dangling",
            |m| part(m, "CarePlan")["author"] = json!({ "reference": "urn:uuid:0a6b2e0c-6f1c-4f7e-9b43-3f1a5a0c9d99" }),
            422,
            "not-found",
            "REC_UNPROCESSABLE_ENTITY",
        ),
        (
            "dangling in the store",
            |m| part(m, "ServiceRequest")["requester"] = json!({ "reference": "Practitioner/nobody" }),
            422,
            "not-found",
            "REC_UNPROCESSABLE_ENTITY",
        ),
        (
            "another type",
            |m| {
                let basic = json!({ "resourceType": "Basic", "code": { "text": CANARY } });
                let url = "urn:uuid:0a6b2e0c-6f1c-4f7e-9b43-3f1a5a0c9d98";
                m["entry"].as_array_mut().unwrap().push(json!({ "fullUrl": url, "resource": basic }));
            },
            422,
            "not-supported",
            "REC_UNPROCESSABLE_ENTITY",
        ),
        ("invalid", |m| part(m, "Patient")["birthDate"] = json!(CANARY), 422, "value", "REC_UNPROCESSABLE_ENTITY"),
    ];
    let world = World::quiet().await;
    let before = world.store().content_hash().await.unwrap();
    let mut wrong = Vec::new();
    for (number, (case, change, status, issue, published)) in cases.iter().enumerate() {
        let mut sent = marked();
        change(&mut sent);
        let answer = world.send(post(&world, 100 + u32::try_from(number).unwrap(), &sent)).await;
        if told(case, &answer) != is(*status, issue, published) {
            wrong.push(format!("{case}: {} {}", answer.status, answer.text));
        }
        assert!(!answer.text.contains(CANARY), "{case}: {}", answer.text);
        assert_eq!(world.store().content_hash().await.unwrap(), before, "{case} changed the store");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[tokio::test]
async fn a_message_for_somebody_else_is_not_taken() {
    let world = World::quiet().await;
    let mut sent = message(0);
    part(&mut sent, "MessageHeader")["destination"][0]["endpoint"] = json!(format!("{ODS}|ELSEWHERE"));
    // The header still names one that is ours: that is a fault of its own.
    let answer = world.send(post(&world, 1, &sent)).await;
    assert_eq!(told("both", &answer), is(400, "invariant", "REC_BAD_REQUEST"));
    let with = post(&world, 2, &sent).header("x", "y");
    let request = with.build().unwrap();
    let mut alone = world.request(BARS, "POST", PATH);
    for (name, value) in request.headers().iter().filter(|(name, _)| !name.as_str().starts_with("nhsd-target")) {
        if name != "authorization" {
            alone = alone.header(name, value);
        }
    }
    let answer =
        world.send(alone.header("nhsd-target-identifier", super::target("ELSEWHERE")).body(sent.to_string())).await;
    assert_eq!(told("elsewhere", &answer), is(422, "not-found", "REC_UNPROCESSABLE_ENTITY"));
    // Without the system in the endpoint nobody is named.
    part(&mut sent, "MessageHeader")["destination"][0]["endpoint"] = json!("VCSE1");
    let answer = world.send(post(&world, 3, &sent)).await;
    assert_eq!(told("no system", &answer), is(422, "value", "REC_UNPROCESSABLE_ENTITY"));
    assert!(world.referrals().await.is_empty());
}

#[tokio::test]
async fn all_faults_are_told_at_once_with_their_places() {
    let world = World::quiet().await;
    let mut sent = marked();
    let nowhere = json!({ "reference": "urn:uuid:0a6b2e0c-6f1c-4f7e-9b43-3f1a5a0c9d99" });
    part(&mut sent, "MessageHeader").as_object_mut().unwrap().remove("focus");
    part(&mut sent, "MessageHeader")["eventCoding"]["code"] = json!("lunch");
    part(&mut sent, "MessageHeader")["destination"][0]["endpoint"] = json!(format!("{ODS}|ELSEWHERE"));
    part(&mut sent, "PractitionerRole")["practitioner"] = nowhere.clone();
    part(&mut sent, "Encounter")["partOf"] = nowhere;
    part(&mut sent, "Patient")["gender"] = json!("purple");
    let answer = world.send(post(&world, 1, &sent)).await;
    assert_eq!(answer.status, 400);
    assert_valid("faults", &answer.text);
    let issues = answer.issues();
    for (code, place) in [
        ("invariant", "Bundle.entry[0].resource.event"),
        ("invariant", "Bundle.entry[0].resource.focus"),
        ("invariant", "Bundle.entry[0].resource.destination[0].endpoint"),
        ("not-found", ".practitioner.reference"),
        ("not-found", ".partOf.reference"),
        ("code-invalid", ".gender"),
    ] {
        assert!(issues.iter().any(|(known, at)| known == code && at.ends_with(place)), "{code} {place}: {issues:?}");
    }
}

#[tokio::test]
async fn a_fault_of_what_is_kept_inside_is_told_where_it_stood_in_the_message() {
    let world = World::quiet().await;
    let mut sent = message(0);
    part(&mut sent, "CarePlan")["author"] = json!({ "reference": "Practitioner/nobody" });
    let place =
        sent["entry"].as_array().unwrap().iter().position(|entry| entry["resource"]["resourceType"] == "CarePlan");
    let answer = world.send(post(&world, 1, &sent)).await;
    let expected = ("not-found".to_owned(), format!("Bundle.entry[{}].resource.author.reference", place.unwrap()));
    assert_eq!(answer.issues(), [expected], "{}", answer.text);
}

#[tokio::test]
async fn who_may_not_refer_sends_no_messages_and_who_records_no_consent_brings_none() {
    let world = World::quiet().await;
    let text = message(0).to_string();
    for (token, expected) in [
        ("", is(401, "login", "REC_UNAUTHORIZED")),
        (READER, is(403, "forbidden", "REC_FORBIDDEN")),
        (SELF_REFERRAL, is(403, "forbidden", "REC_FORBIDDEN")),
    ] {
        let ask = world.request(token, "POST", PATH).header("content-type", "application/fhir+json");
        let answer = world.send(ask.body(text.clone())).await;
        assert_eq!(told(token, &answer), expected, "{}", answer.text);
    }
    let answer = world.send(world.request(BARS, "GET", PATH)).await;
    assert_eq!(told("GET", &answer), is(405, "not-supported", "SEND_METHOD_NOT_ALLOWED"));
    // Elsewhere the profile has the codes under the gateway's own status.
    let answer = world.send(world.request(BARS, "GET", "/fhir/nowhere")).await;
    assert_eq!(told("nowhere", &answer), is(404, "not-found", "REC_NOT_FOUND"));
}

#[tokio::test]
async fn a_cancellation_says_which_referral() {
    let world = World::quiet().await;
    let taken = world.send(post(&world, 1, &message(0))).await.json();
    let mut cancel = cancellation(&taken, "revoked");
    let request = part(&mut cancel, "ServiceRequest").as_object_mut().unwrap();
    request.remove("id");
    request.remove("identifier");
    let answer = world.send(post(&world, 2, &cancel)).await;
    assert_eq!(told("nameless", &answer), is(422, "required", "REC_UNPROCESSABLE_ENTITY"));
    // Two referrals out of one consultation: the consultation alone names neither.
    let mut second = message(1);
    part(&mut second, "Encounter")["identifier"][0]["value"] = json!("case-0");
    let encounter = part(&mut second, "Encounter").clone();
    assert_eq!(world.send(post(&world, 3, &second)).await.status, 200);
    let mut encounter = json!({ "fullUrl": super::ENCOUNTER, "resource": encounter });
    encounter["resource"]["subject"] = part(&mut cancel, "ServiceRequest")["subject"].clone();
    cancel["entry"].as_array_mut().unwrap().push(encounter);
    let answer = world.send(post(&world, 4, &cancel)).await;
    assert_eq!(told("two", &answer), is(409, "multiple-matches", "REC_CONFLICT"));
}
