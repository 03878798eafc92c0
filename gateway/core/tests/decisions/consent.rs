//! Accept and consent: whose refusals count, and what restricted labels do before anything is sent.

use crate::builders::*;
use adapter_contract::TaskStatus;
use gateway_core::accept::{Passed, Rules, Start, decision_detail, judge, start};
use gateway_core::consent::{
    ConsentDocument, Decision, Reason, Recipient, Record, Stage, Verdict, Withheld, stored_name,
};
use gateway_core::ingest::{Person, patient_of};
use gateway_core::referral::{Delivery, HoldReason};
use gateway_core::route::{Route, RouteTable};
use gateway_fhir::Json;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// One route, that takes everything, to one recipient.
pub(crate) fn rules() -> Rules {
    let route = Route {
        name: "all".to_owned(),
        platform: platform(),
        recipients: vec![],
        categories: vec![],
        age: None,
        areas: vec![],
        tenants: vec![],
    };
    let identifiers = vec![(ODS.to_owned(), "FB001".to_owned())];
    let recipient = Recipient { platform: platform(), name: "Food bank".to_owned(), identifiers };
    Rules {
        routes: RouteTable { routes: vec![route] },
        recipients: BTreeMap::from([(platform(), recipient)]),
        ..Rules::default()
    }
}

fn consent(kind: &str, patient: Value) -> Value {
    json!({"resourceType": "Consent", "status": "active", "patient": patient,
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "provision": {"type": kind, "actor": [{"role": {"coding": [{"code": "PRCP"}]},
            "reference": {"identifier": {"system": ODS, "value": "FB001"}}}]}})
}

fn permit() -> Value {
    consent("permit", json!({"reference": "Patient/p"}))
}

fn contained(number: &str) -> Value {
    let mut refusal = consent("deny", json!({"reference": "#c"}));
    refusal["contained"] = json!([{"resourceType": "Patient", "id": "c", "identifier": [nhs(number)]}]);
    refusal
}

/// What the store holds: the person, the same person again, another.
fn stored() -> BTreeMap<&'static str, Json> {
    let again = person("again", "999 000 0018");
    let other = person("other", OTHER_NUMBER);
    [("Patient/p", patient()), ("Patient/again", again), ("Patient/other", other)].into()
}

/// Why it would be held, with these Consents on record.
fn held(consents: &[Value], request: &Json, asked: &Json) -> Option<HoldReason> {
    let consents: Vec<ConsentDocument> = (0..)
        .zip(consents)
        .map(|(place, document)| ConsentDocument {
            tenant: compartment().tenant,
            id: format!("c{place}"),
            version: 1,
            document: document.clone().into(),
        })
        .collect();
    let record = Record { consents, complete: true, ..Record::default() };
    let (client, compartment, rules) = (client(), compartment(), rules());
    let stored = stored();
    let directory = |reference: &str| stored.get(reference);
    let person: Person = patient_of(request, "sr", &directory).expect("the person is known");
    let from = Start {
        client: &client,
        correlation: "conversation",
        compartment: &compartment,
        task: ("t", 1, asked),
        service_request: ("sr", request),
        person: &person,
        consents: &record,
        others: &[],
        rules: &rules,
        translators: &(),
        lookup: &directory,
        consent_name: &stored_name,
        now: NOW,
        latest: NOW,
    };
    let judged = judge(&from, Passed::default()).hold;
    let started = start(&from, &mut ids()).expect("nothing is refused for its losses");
    let transaction = gateway_core::change::Transaction { checks: vec![], changes: started.changes };
    transaction.assert_valid();
    let referral = transaction.referral();
    match &judged {
        Some(reason) => {
            assert_eq!(referral.delivery, Delivery::Held { reason: reason.clone() });
            assert!(transaction.rows().is_empty() && started.task_versions == 1);
        }
        None => assert!(referral.delivery == Delivery::Queued && transaction.rows().len() == 1),
    }
    judged
}

#[test]
fn a_refusal_counts_whichever_resource_it_names_the_person_by() {
    for (case, refusal, refuses) in [
        ("none", None, false),
        ("the same resource", Some(consent("deny", json!({"reference": "Patient/p"}))), true),
        ("another resource, the same number", Some(consent("deny", json!({"reference": "Patient/again"}))), true),
        ("one version of it", Some(consent("deny", json!({"reference": "Patient/again/_history/1"}))), true),
        ("by number alone", Some(consent("deny", json!({"identifier": nhs(NUMBER)}))), true),
        ("contained", Some(contained(NUMBER)), true),
        ("another person", Some(consent("deny", json!({"reference": "Patient/other"}))), false),
        ("another person, contained", Some(contained(OTHER_NUMBER)), false),
        ("nobody known", Some(consent("deny", json!({"reference": "Patient/unknown"}))), false),
    ] {
        let consents: Vec<Value> = [Some(permit()), refusal].into_iter().flatten().collect();
        for order in [consents.clone(), consents.iter().rev().cloned().collect()] {
            let reason = held(&order, &service_request(), &task(TaskStatus::Requested));
            assert_eq!(matches!(reason, Some(HoldReason::NoConsent(_))), refuses, "{case}");
            assert_eq!(reason.is_some(), refuses, "{case}");
        }
    }
    // The words name the one that is in the way, so that it can be lifted; not one that is about others.
    let refusal = consent("deny", json!({"reference": "Patient/p"}));
    let words = held(&[permit(), refusal], &service_request(), &task(TaskStatus::Requested)).unwrap().words();
    assert!(words.ends_with("See Consent/c1."), "{words}");
    let mut elsewhere = permit();
    elsewhere["provision"]["actor"][0]["reference"]["identifier"]["value"] = json!("FB002");
    let words = held(&[elsewhere], &service_request(), &task(TaskStatus::Requested)).unwrap().words();
    assert!(!words.contains("Consent/"), "{words}");
    let nothing = held(&[], &service_request(), &task(TaskStatus::Requested));
    assert!(matches!(nothing, Some(HoldReason::NoConsent(_))), "no consent, nothing leaves");
}

#[test]
fn a_contained_patient_is_known_by_the_number() {
    let mut request = service_request();
    request.set("subject", json!({"reference": "#me"}).into());
    let me = json!({"resourceType": "Patient", "id": "me", "identifier": [nhs(NUMBER)], "birthDate": "1980-01-01"});
    request.set("contained", json!([me]).into());
    let mut asked = task(TaskStatus::Requested);
    asked.set("for", json!({"identifier": nhs(NUMBER)}).into());
    assert_eq!(held(&[permit()], &request, &asked), None);
    let refusal = consent("deny", json!({"reference": "Patient/again"}));
    assert!(held(&[permit(), refusal], &request, &asked).is_some());
    // Whose age nobody knows is not known to be 16.
    let ageless = json!({"resourceType": "Patient", "id": "me", "identifier": [nhs(NUMBER)]});
    request.set("contained", json!([ageless]).into());
    assert!(matches!(held(&[permit()], &request, &asked), Some(HoldReason::NoConsent(_))));
}

#[test]
fn restricted_labels_wait_for_a_person() {
    for (code, waits) in [("R", true), ("V", true), ("N", false), ("L", false)] {
        let label: Json = json!({"security": [
            {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": code}]})
        .into();
        let (mut request, mut asked) = (service_request(), task(TaskStatus::Requested));
        for on_task in [false, true] {
            let labelled = if on_task { &mut asked } else { &mut request };
            labelled.set("meta", label.clone());
            let reason = held(&[permit()], &request, &asked);
            assert_eq!(matches!(reason, Some(HoldReason::NeedsReview(_))), waits, "{code} {on_task}");
            if on_task {
                asked.remove("meta")
            } else {
                request.remove("meta")
            };
        }
    }
}

#[test]
fn audit_holds_no_name_of_the_senders_making() {
    // A contained Patient has whatever id its sender gave it.
    let withheld = |resource: &str, path: &str| Withheld {
        resource: resource.to_owned(),
        path: path.to_owned(),
        reason: Reason::RestrictedItem,
        rule: "R7:label",
        consent: Some(("c".to_owned(), 2)),
    };
    let listed = vec![withheld("Patient/9990000018", "Patient.address"), withheld("Condition/x", "Condition")];
    let permit = Decision { verdict: Verdict::Permit, withheld: listed, ..Decision::indeterminate() };
    let kept = decision_detail(&permit, Stage::Attempt);
    assert_eq!(
        kept["withheld"],
        json!([
            {"resource": "Patient", "path": "Patient.address", "reason": "restricted-item", "rule": "R7:label",
                "consent": "Consent/c/_history/2"},
            {"resource": "Condition/x", "path": "Condition", "reason": "restricted-item", "rule": "R7:label",
                "consent": "Consent/c/_history/2"},
        ])
    );
    assert_eq!(kept["verdict"], "redact");
    assert_eq!(decision_detail(&permit, Stage::Relay)["withheld"], json!([]), "nothing of it leaves there");
}
