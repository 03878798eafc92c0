//! Every rule broken once, and the near misses that must pass.

use super::*;
use crate::elements;
use crate::validate::resource;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What is told of a document, as (rule, place).
fn broken(document: &Value) -> Vec<(String, String)> {
    let issues = resource(&Json::from(document.clone()));
    let rule = |diagnostics: &str| diagnostics.split(": ").next().unwrap_or_default().to_owned();
    issues.into_iter().map(|issue| (rule(&issue.diagnostics), issue.expression.unwrap_or_default())).collect()
}

fn of(resource_type: &str, members: Value) -> Value {
    let mut document = match resource_type {
        "Task" => json!({ "status": "draft", "intent": "order" }),
        "ServiceRequest" => json!({ "status": "active", "intent": "order", "subject": { "reference": "Patient/1" } }),
        "Observation" => {
            json!({ "status": "final", "code": { "coding": [{ "system": "http://loinc.org", "code": "1" }] } })
        }
        "Consent" => {
            json!({ "status": "active", "scope": { "text": "a" }, "category": [{ "text": "a" }], "policyRule": { "text": "a" } })
        }
        "QuestionnaireResponse" => json!({ "status": "completed" }),
        "Organization" => json!({ "name": "a" }),
        "Condition" => json!({ "subject": { "reference": "Patient/1" } }),
        "Goal" => {
            json!({ "lifecycleStatus": "active", "description": { "text": "a" }, "subject": { "reference": "Patient/1" } })
        }
        "CarePlan" => json!({ "status": "active", "intent": "plan", "subject": { "reference": "Patient/1" } }),
        "Bundle" => json!({ "type": "collection" }),
        _ => json!({}),
    };
    document["resourceType"] = json!(resource_type);
    for (name, value) in members.as_object().unwrap() {
        document[name] = value.clone();
        if value.is_null() {
            document.as_object_mut().unwrap().remove(name);
        }
    }
    document
}

fn repeat(members: Value) -> Value {
    of("ServiceRequest", json!({ "occurrenceTiming": { "repeat": members } }))
}

fn valued(name: &str, value: Value) -> Value {
    of("Patient", json!({ "extension": [{ "url": "http://example.org/a", name: value }] }))
}

fn scope(code: &str) -> Value {
    json!({ "scope": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": code }] } })
}

fn entry(resource: Value) -> Value {
    json!({ "resource": resource })
}

fn datatypes() -> Vec<(&'static str, &'static str, Value)> {
    let low_high = json!({ "low": { "value": 2, "unit": "a" }, "high": { "value": 1, "unit": "a" } });
    vec![
        ("att-1", "Patient.photo[0]", of("Patient", json!({ "photo": [{ "data": "QUJD" }] }))),
        ("cpt-2", "Patient.telecom[0]", of("Patient", json!({ "telecom": [{ "value": "1" }] }))),
        (
            "per-1",
            "Task.executionPeriod",
            of("Task", json!({ "executionPeriod": { "start": "2024-02", "end": "2024-01" } })),
        ),
        ("qty-3", "Observation.value", of("Observation", json!({ "valueQuantity": { "value": 1, "code": "mg" } }))),
        ("qty-3", "Patient.extension[0].value", valued("valueAge", json!({ "value": 1, "code": "a" }))),
        ("qty-3", "Patient.extension[0].value", valued("valueCount", json!({ "value": 1, "code": "1" }))),
        ("qty-3", "Patient.extension[0].value", valued("valueDistance", json!({ "value": 1, "code": "m" }))),
        ("qty-3", "Patient.extension[0].value", valued("valueDuration", json!({ "value": 1, "code": "s" }))),
        ("rng-2", "Observation.value", of("Observation", json!({ "valueRange": low_high }))),
        ("rat-1", "Observation.value", of("Observation", json!({ "valueRatio": { "numerator": { "value": 1 } } }))),
        ("exp-1", "Patient.extension[0].value", valued("valueExpression", json!({ "language": "text/cql" }))),
        ("tim-1", "ServiceRequest.occurrence.repeat", repeat(json!({ "duration": 1 }))),
        ("tim-2", "ServiceRequest.occurrence.repeat", repeat(json!({ "period": 1 }))),
        ("tim-4", "ServiceRequest.occurrence.repeat", repeat(json!({ "duration": -1, "durationUnit": "h" }))),
        ("tim-5", "ServiceRequest.occurrence.repeat", repeat(json!({ "period": -0.5, "periodUnit": "h" }))),
        ("tim-6", "ServiceRequest.occurrence.repeat", repeat(json!({ "periodMax": 1 }))),
        ("tim-7", "ServiceRequest.occurrence.repeat", repeat(json!({ "durationMax": 1 }))),
        ("tim-8", "ServiceRequest.occurrence.repeat", repeat(json!({ "countMax": 1 }))),
        ("tim-9", "ServiceRequest.occurrence.repeat", repeat(json!({ "offset": 1, "when": ["CM"] }))),
        ("tim-10", "ServiceRequest.occurrence.repeat", repeat(json!({ "timeOfDay": ["10:00:00"], "when": ["MORN"] }))),
    ]
}

fn resources() -> Vec<(&'static str, &'static str, Value)> {
    let own_code = json!([{ "code": { "coding": [{ "system": "http://loinc.org", "code": "1" }] } }]);
    let times = json!({ "authoredOn": "2024-01-01T10:00:00Z", "lastModified": "2024-01-01T09:59:59Z" });
    let mistaken = json!({
        "clinicalStatus": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active" }] },
        "verificationStatus": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "entered-in-error" }] }
    });
    let both = json!([{ "linkId": "1", "answer": [{ "valueBoolean": true }], "item": [{ "linkId": "2" }] }]);
    vec![
        ("inv-1", "Task", of("Task", times)),
        ("prr-1", "ServiceRequest", of("ServiceRequest", json!({ "orderDetail": [{ "text": "a" }] }))),
        ("pat-1", "Patient.contact[0]", of("Patient", json!({ "contact": [{ "gender": "male" }] }))),
        ("ppc-1", "Consent", of("Consent", json!({ "policyRule": null }))),
        ("ppc-2", "Consent", of("Consent", scope("patient-privacy"))),
        ("ppc-3", "Consent", of("Consent", scope("research"))),
        ("ppc-4", "Consent", of("Consent", scope("adr"))),
        ("ppc-5", "Consent", of("Consent", scope("treatment"))),
        (
            "obs-3",
            "Observation.referenceRange[0]",
            of("Observation", json!({ "referenceRange": [{ "type": { "text": "a" } }] })),
        ),
        ("obs-6", "Observation", of("Observation", json!({ "valueInteger": 1, "dataAbsentReason": { "text": "a" } }))),
        ("obs-7", "Observation", of("Observation", json!({ "valueInteger": 1, "component": own_code }))),
        ("qrs-1", "QuestionnaireResponse.item[0]", of("QuestionnaireResponse", json!({ "item": both }))),
        ("org-1", "Organization", of("Organization", json!({ "name": null, "active": true }))),
        (
            "org-2",
            "Organization.address[1]",
            of("Organization", json!({ "address": [{ "city": "a" }, { "use": "home" }] })),
        ),
        ("org-3", "Organization.telecom[0]", of("Organization", json!({ "telecom": [{ "use": "home" }] }))),
        ("con-1", "Condition.stage[0]", of("Condition", json!({ "stage": [{ "type": { "text": "a" } }] }))),
        (
            "con-2",
            "Condition.evidence[0]",
            of("Condition", json!({ "evidence": [{ "extension": [{ "url": "urn:a", "valueCode": "b" }] }] })),
        ),
        ("con-4", "Condition", of("Condition", json!({ "abatementString": "a" }))),
        ("con-5", "Condition", of("Condition", mistaken)),
        ("gol-1", "Goal.target[0]", of("Goal", json!({ "target": [{ "detailString": "a" }] }))),
        (
            "cpl-3",
            "CarePlan.activity[0]",
            of(
                "CarePlan",
                json!({ "activity": [{ "reference": { "display": "a" }, "detail": { "status": "unknown" } }] }),
            ),
        ),
    ]
}

fn bundles() -> Vec<(&'static str, &'static str, Value)> {
    let patient = || of("Patient", json!({ "id": "1" }));
    let linked = |url: &str| json!({ "fullUrl": url, "resource": patient() });
    let composition = || {
        json!({ "resourceType": "Composition", "status": "final", "type": { "text": "a" }, "date": "2024", "title": "a",
                "author": [{ "display": "a" }] })
    };
    let identifier = json!({ "system": "urn:a", "value": "b" });
    let document = |changes: Value| {
        let mut members = json!({ "type": "document", "identifier": identifier, "timestamp": "2024-01-01T00:00:00Z",
                                  "entry": [entry(composition())] });
        for (name, value) in changes.as_object().unwrap() {
            members[name] = value.clone();
        }
        of("Bundle", members)
    };
    vec![
        ("bdl-1", "Bundle", of("Bundle", json!({ "total": 1 }))),
        (
            "bdl-2",
            "Bundle.entry[0]",
            of("Bundle", json!({ "entry": [{ "resource": patient(), "search": { "mode": "match" } }] })),
        ),
        ("bdl-3", "Bundle.entry[0]", of("Bundle", json!({ "type": "transaction", "entry": [entry(patient())] }))),
        (
            "bdl-3",
            "Bundle.entry[0]",
            of(
                "Bundle",
                json!({ "entry": [{ "resource": patient(), "request": { "method": "PUT", "url": "Patient/1" } }] }),
            ),
        ),
        ("bdl-4", "Bundle.entry[0]", of("Bundle", json!({ "type": "batch-response", "entry": [entry(patient())] }))),
        ("bdl-5", "Bundle.entry[0]", of("Bundle", json!({ "entry": [{ "fullUrl": "urn:a" }] }))),
        (
            "bdl-7",
            "Bundle.entry[1]",
            of("Bundle", json!({ "entry": [linked("urn:a"), linked("urn:a"), linked("urn:b")] })),
        ),
        (
            "bdl-8",
            "Bundle.entry[0]",
            of("Bundle", json!({ "entry": [linked("http://example.org/Patient/1/_history/1")] })),
        ),
        ("bdl-9", "Bundle", document(json!({ "identifier": { "value": "b" } }))),
        ("bdl-10", "Bundle", document(json!({ "timestamp": null }))),
        ("bdl-11", "Bundle", document(json!({ "entry": [entry(patient()), entry(composition())] }))),
        ("bdl-12", "Bundle", of("Bundle", json!({ "type": "message", "entry": [entry(patient())] }))),
    ]
}

#[test]
fn each_rule_is_about_a_path_that_exists_and_is_broken_by_a_case() {
    let mut tried = BTreeSet::new();
    for (id, place, document) in [datatypes(), resources(), bundles()].concat() {
        let mut document = document;
        if document["timestamp"].is_null() {
            document.as_object_mut().unwrap().remove("timestamp");
        }
        assert_eq!(broken(&document), [(id.to_owned(), place.to_owned())], "{document}");
        tried.insert(id);
    }
    for (under, rules) in rules() {
        assert!(elements::node(under).is_some(), "R4 has no {under}");
        let ids: BTreeSet<_> = rules.iter().map(|rule| rule.id).collect();
        assert_eq!(ids.len(), rules.len(), "a rule of {under} stands there twice");
        assert!(ids.is_subset(&tried), "no case for one of {ids:?}");
    }
}

#[test]
fn near_misses_pass() {
    let history = json!([
        { "fullUrl": "urn:a", "resource": of("Patient", json!({})), "request": { "method": "PUT", "url": "Patient/1" }, "response": { "status": "200" } },
        { "fullUrl": "urn:a", "resource": of("Patient", json!({})), "request": { "method": "PUT", "url": "Patient/1" }, "response": { "status": "200" } }
    ]);
    let other_code = json!([{ "code": { "coding": [{ "system": "http://loinc.org", "code": "2" }] } }]);
    for document in [
        of("Task", json!({ "authoredOn": "2024-01-01", "lastModified": "2024-01-01T00:00:00+14:00" })),
        of("Consent", json!({ "patient": { "reference": "Patient/1" }, "scope": scope("treatment")["scope"] })),
        of("Consent", json!({ "policyRule": null, "policy": [{ "uri": "urn:a" }] })),
        of("Observation", json!({ "valueInteger": 1, "component": other_code })),
        of(
            "Observation",
            json!({ "valueRange": { "low": { "value": 2, "unit": "a" }, "high": { "value": 1, "unit": "b" } } }),
        ),
        of("Organization", json!({ "name": null, "identifier": [{ "value": "a" }] })),
        repeat(
            json!({ "duration": 0, "durationUnit": "h", "period": 1, "periodUnit": "d", "offset": 1, "when": ["ACM"] }),
        ),
        of(
            "Bundle",
            json!({ "type": "searchset", "total": 0, "entry": [{ "resource": of("Patient", json!({})), "search": { "mode": "match" } }] }),
        ),
        of("Bundle", json!({ "type": "history", "total": 2, "entry": history })),
    ] {
        assert_eq!(broken(&document), [], "{document}");
    }
}
