//! Follow-ups: what is opened and never twice, what the gateway ends, and what whoever owns one may do with it.

use crate::builders::*;
use adapter_contract::{TaskStatus, systems};
use gateway_core::change::{Change, Transaction};
use gateway_core::follow_up::{Cause, Opening, code_system, id, is_follow_up, open, parent, settled};
use gateway_core::identity::Client;
use gateway_core::referral::Referral;
use gateway_core::refusal::Refusal;
use gateway_core::resource::{Token, WriteMethod};
use gateway_core::update::{FollowUpUpdate, Updated, update_follow_up};
use gateway_fhir::Json;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use time::Duration;

fn as_transaction(changes: Vec<Change>) -> Transaction {
    Transaction { checks: Vec::new(), changes }
}

fn value(document: &Json) -> Value {
    serde_json::from_str(&document.to_text()).unwrap()
}

/// A referral with one follow-up, and its Task.
fn opened(cause: Cause) -> (Referral, Json) {
    let mut referral = delivered();
    let documents = (task(TaskStatus::Accepted), service_request());
    let changes = open(&mut referral, (&documents.0, &documents.1), &Opening::new(cause, "1"), NOW);
    let task = as_transaction(changes).task().unwrap();
    (referral, task)
}

#[test]
fn a_follow_up_is_a_task_of_the_senders_that_says_what_a_person_is_to_do() {
    let mut referral = delivered();
    let mut task = task(TaskStatus::Accepted);
    task.set("requester", json!({ "reference": "PractitionerRole/w" }).into());
    task.set("meta", json!({ "security": [{ "system": "http://s", "code": "R" }] }).into());
    let due = NOW + Duration::days(2);
    let notes = [("The organisation".to_owned(), "Please ring us.".to_owned())];
    let opening =
        Opening { due: Some(due), detail: Some("Until Friday."), notes: &notes, ..Opening::new(Cause::NoOutcome, "1") };
    let written = as_transaction(open(&mut referral, (&task, &service_request()), &opening, NOW));
    written.assert_valid();
    assert_eq!(written.audit(), ["follow-up"]);
    let (stored, document) = written.versions("Task").pop().unwrap();
    let shown = value(&document);
    assert_eq!((stored.version, &stored.key.compartment), (1, &compartment()));
    assert_eq!(stored.key.id, id(&referral, Cause::NoOutcome, "1"));
    assert_eq!(shown["partOf"], json!([{ "reference": "Task/t" }]));
    assert_eq!(shown["focus"], json!({ "reference": "ServiceRequest/sr" }));
    assert_eq!(shown["for"], json!({ "reference": "Patient/p" }));
    assert_eq!(shown["owner"], json!({ "reference": "PractitionerRole/w" }));
    assert_eq!(
        (&shown["status"], &shown["intent"], &shown["priority"]),
        (&json!("requested"), &json!("order"), &json!("routine"))
    );
    assert_eq!(shown["code"]["coding"][0]["code"], "no-outcome");
    assert_eq!(shown["restriction"]["period"]["end"], "2026-06-17T12:00:00.000Z");
    assert_eq!(shown["note"][0]["text"], "Please ring us.");
    assert_eq!(shown["meta"]["security"][0]["code"], "R", "what restricts the referral restricts this");
    assert!(shown["description"].as_str().unwrap().ends_with("Until Friday."));
    assert!(is_follow_up(&document) && parent(&document) == Some("t"));
    // It is found by what it is, how pressing it is, whose it is, and what it belongs to.
    for (parameter, value) in [
        ("code", format!("{}|no-outcome", systems::FOLLOW_UP)),
        ("code-value", "no-outcome".to_owned()),
        ("priority", "routine".to_owned()),
        ("owner", "PractitionerRole/w".to_owned()),
        ("part-of", "Task/t".to_owned()),
        ("status", "requested".to_owned()),
        ("patient", "Patient/p".to_owned()),
    ] {
        assert!(stored.tokens.contains(&Token::new(parameter, value.clone())), "{parameter} {value}");
    }
    let [remembered] = referral.follow_ups.as_slice() else { panic!("one is remembered") };
    assert_eq!((remembered.cause, remembered.due, remembered.is_open()), (Cause::NoOutcome, Some(due), true));
}

#[test]
fn an_owner_is_a_person_or_organisation_that_acts() {
    let ods = json!({ "type": "Organization", "identifier":
        { "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "A82001" } });
    let role = json!({ "reference": "PractitionerRole/w" });
    for (of_task, of_request, owner) in [
        (json!({ "reference": "PractitionerRole/w" }), Value::Null, role.clone()),
        (
            json!({ "reference": "https://elsewhere.example/fhir/Practitioner/9" }),
            Value::Null,
            json!({ "reference": "https://elsewhere.example/fhir/Practitioner/9" }),
        ),
        (json!({ "reference": "Device/d" }), role.clone(), role.clone()),
        (json!({ "reference": "Patient/p" }), Value::Null, ods.clone()),
        (json!({ "reference": "#w", "type": "Practitioner" }), Value::Null, ods.clone()),
        (
            json!({ "reference": "#w", "type": "Practitioner", "display": "A Worker" }),
            Value::Null,
            json!({ "type": "Practitioner", "display": "A Worker" }),
        ),
        (Value::Null, Value::Null, ods.clone()),
    ] {
        let (mut task, mut request) = (task(TaskStatus::Requested), service_request());
        task.set("requester", of_task.clone().into());
        request.set("requester", of_request.into());
        let mut referral = delivered();
        let written =
            as_transaction(open(&mut referral, (&task, &request), &Opening::new(Cause::NotNotified, "1"), NOW));
        assert_eq!(value(&written.task().unwrap())["owner"], owner, "{of_task}");
    }
}

#[test]
fn a_contained_patient_is_named_by_identifier_alone() {
    let (mut task, mut request) = (task(TaskStatus::Requested), service_request());
    task.remove("for");
    request.set("subject", json!({ "reference": "#p", "identifier": nhs(NUMBER) }).into());
    let mut referral = delivered();
    let written = as_transaction(open(&mut referral, (&task, &request), &Opening::new(Cause::NotNotified, "1"), NOW));
    written.assert_valid();
    assert_eq!(value(&written.task().unwrap())["for"], json!({ "identifier": nhs(NUMBER) }));
}

#[test]
fn none_is_opened_twice_whatever_has_become_of_it() {
    let (mut referral, first) = opened(Cause::NotAccepted);
    let documents = (task(TaskStatus::Accepted), service_request());
    let again = |referral: &mut Referral, cause, occurrence: &str| {
        open(referral, (&documents.0, &documents.1), &Opening::new(cause, occurrence), NOW)
    };
    assert_eq!(again(&mut referral, Cause::NotAccepted, "1"), []);
    let name = referral.follow_ups[0].task.clone();
    assert_eq!(settled(&mut referral, (&name, 1, &first), "It was taken on.", NOW).len(), 2);
    assert_eq!(again(&mut referral, Cause::NotAccepted, "1"), [], "it has ended, and is not opened again");
    assert_eq!(again(&mut referral, Cause::NotAccepted, "2").len(), 2);
    assert_eq!(again(&mut referral, Cause::NoOutcome, "1").len(), 2);
    assert_eq!(referral.follow_ups.iter().map(|one| &one.task).collect::<BTreeSet<_>>().len(), 3);
    // A referral that is followed up without end hears no more of it, but a call for help comes through.
    for number in 0..200 {
        let _ = again(&mut referral, Cause::NotNotified, &number.to_string());
    }
    assert_eq!(referral.follow_ups.len(), 100);
    assert_eq!(again(&mut referral, Cause::NeedsMoreSupport, "1").len(), 2);
}

#[test]
fn the_gateway_completes_one_whose_cause_is_gone_and_says_why() {
    let (mut referral, first) = opened(Cause::NotAccepted);
    let name = referral.follow_ups[0].task.clone();
    let written = as_transaction(settled(&mut referral, (&name, 4, &first), "The service has taken it on.", NOW));
    written.assert_valid();
    let (stored, document) = written.versions("Task").pop().unwrap();
    assert_eq!((stored.version, document.text("status")), (5, Some("completed")));
    assert_eq!(status_reason(&document), "The service has taken it on.");
    assert_eq!(written.audit(), ["follow-up-settled"]);
    assert_eq!(referral.open_follow_ups().count(), 0);
    assert_eq!(settled(&mut referral, (&name, 5, &document), "Again.", NOW), []);
    // What a person ended stands as it was ended.
    let (mut referral, mut ended) = opened(Cause::NotAccepted);
    ended.set("status", Json::string("cancelled"));
    let written = as_transaction(settled(&mut referral, (&name, 2, &ended), "Gone.", NOW));
    assert_eq!((written.versions("Task").len(), referral.open_follow_ups().count()), (0, 0));
}

/// What is proposed on a follow-up that is the practice's.
fn propose(set: &[(&str, Value)]) -> Result<Updated, Refusal> {
    propose_as(&client(), set)
}

fn propose_as(client: &Client, set: &[(&str, Value)]) -> Result<Updated, Refusal> {
    let (referral, first) = opened(Cause::NotAccepted);
    let mut proposed = first.clone();
    for (name, value) in set {
        if value.is_null() {
            proposed.remove(name);
        } else {
            proposed.set(name, value.clone().into());
        }
    }
    let name = referral.follow_ups[0].task.clone();
    update_follow_up(&FollowUpUpdate {
        client,
        referral: &referral,
        task: (&name, 1, &first),
        proposed: &proposed,
        method: WriteMethod::Put,
        if_match: Some(1),
        now: NOW,
    })
}

#[test]
fn whoever_owns_one_moves_it_and_ends_it() {
    let reason = json!({ "text": "It is settled by phone." });
    for status in TaskStatus::ALL {
        let done = propose(&[("status", json!(status.code())), ("statusReason", reason.clone())]);
        use TaskStatus::{Accepted, Cancelled, Completed, Failed, InProgress, OnHold, Ready, Received, Requested};
        let may = matches!(
            status,
            Requested | Received | Accepted | Ready | InProgress | OnHold | Completed | Failed | Cancelled
        );
        assert_eq!(done.is_ok(), may, "{status}");
        let Ok(updated) = done else { continue };
        updated.transaction.assert_valid();
        assert!(updated.transaction.rows().is_empty(), "it starts no delivery");
        assert_eq!(updated.version, 2);
        let referral = updated.transaction.changes.iter().any(|change| matches!(change, Change::PutReferral(_)));
        assert_eq!(referral, status.is_final(), "{status}: the referral learns of the end alone");
        if referral {
            let referral = updated.transaction.referral();
            assert_eq!((referral.open_follow_ups().count(), referral.revision), (0, 5));
            assert_eq!(referral.task_status, delivered().task_status, "the referral does not move");
        }
    }
    for status in ["cancelled", "failed"] {
        let words = propose(&[("status", json!(status))]).unwrap_err();
        assert_eq!(words.issues[0].expression.as_deref(), Some("Task.statusReason"), "why it is not done");
    }
    assert!(propose(&[("status", json!("completed"))]).is_ok(), "that it is done needs no reason");
}

#[test]
fn what_it_says_is_the_gateways() {
    for (name, given) in [
        ("description", json!("Nothing to do.")),
        ("code", json!({ "text": "x" })),
        ("priority", json!("stat")),
        ("focus", json!({ "reference": "ServiceRequest/other" })),
        ("partOf", Value::Null),
        ("restriction", json!({ "period": { "end": "2030-01-01" } })),
        ("businessStatus", json!({ "text": "x" })),
        ("output", json!([{ "type": { "text": "x" }, "valueString": "y" }])),
    ] {
        let refused = propose(&[(name, given)]).unwrap_err();
        assert_eq!((refused.status, refused.issues[0].expression.clone()), (422, Some(format!("Task.{name}"))));
    }
    assert!(propose(&[("note", json!([{ "text": "Rang twice." }]))]).is_ok());
}

#[test]
fn it_is_passed_on_within_its_organisation() {
    let ods = |code: &str| json!({ "identifier": { "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": code } });
    for (owner, may) in [
        (json!({ "reference": "Practitioner/colleague" }), true),
        (json!({ "reference": "Organization/x" }), true),
        (ods("A82001"), true),
        (ods("B82002"), false),
        (json!({ "reference": "Patient/p" }), false),
        (json!({ "reference": "https://elsewhere.example/fhir/Practitioner/1" }), false),
        (json!({ "reference": "#x" }), false),
        (json!({ "display": "Somebody" }), false),
        (Value::Null, false),
    ] {
        let done = propose(&[("owner", owner.clone())]);
        assert_eq!(done.is_ok(), may, "{owner}");
        if let Err(refused) = done {
            assert_eq!(refused.issues[0].expression.as_deref(), Some("Task.owner"));
        }
    }
}

#[test]
fn each_cause_has_a_code_words_and_a_priority_of_its_own() {
    let system = value(&code_system("0.1.0"));
    let codes: BTreeSet<&str> = Cause::ALL.iter().map(|cause| cause.code()).collect();
    let words: BTreeSet<&str> = Cause::ALL.iter().flat_map(|cause| [cause.words(), cause.title()]).collect();
    assert_eq!((codes.len(), words.len()), (Cause::ALL.len(), 2 * Cause::ALL.len()));
    assert_eq!(system["concept"].as_array().unwrap().len(), Cause::ALL.len());
    for cause in Cause::ALL {
        assert_eq!(Cause::from_code(cause.code()), Some(cause));
        assert_eq!(serde_json::to_value(cause).unwrap(), json!(cause.code()));
        assert_eq!(cause.is_alarm(), cause.priority().code() == "urgent");
        // Whoever is called for help in a danger reads what to do in it.
        assert_eq!(cause.is_alarm(), cause.words().contains("999"), "{cause:?}");
    }
}
