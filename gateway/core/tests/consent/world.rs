//! The synthetic world of the cases: the fixture Consent *C*, who can be named, and what a referral may hold.

use gateway_core::identity::TenantId;
use gateway_fhir::Json;
use gateway_fhir::identifiers::ODS_CODE;
use serde_json::{Value, json};

/// The recipients, by the letters of the table, with their ODS codes.
pub(crate) const RECIPIENTS: [(&str, &str); 7] =
    [("B", "B001"), ("B2", "B002"), ("D", "D001"), ("F", "F001"), ("H", "H001"), ("L", "L001"), ("K", "K001")];

pub(crate) fn tenant() -> TenantId {
    TenantId("g".to_owned())
}

/// C: active, root permit, actor B, purpose COC, the year 2026, by the patient, with a document.
pub(crate) fn c() -> Value {
    json!({
        "resourceType": "Consent", "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"code": "IDSCL"}]}],
        "patient": {"reference": "Patient/p"}, "performer": [{"reference": "Patient/p"}],
        "sourceAttachment": {"title": "signed form"},
        "provision": {
            "type": "permit", "period": {"start": "2026-01-01", "end": "2026-12-31"},
            "actor": [actor("Organization/B")],
            "purpose": [coding("why", "COC")],
        },
    })
}

pub(crate) fn actor(to: &str) -> Value {
    json!({"role": {"coding": [{"code": "PRCP"}]}, "reference": {"reference": to}})
}

/// A Coding by the short name of its system.
pub(crate) fn coding(system: &str, code: &str) -> Value {
    let system = match system {
        "act" => "http://terminology.hl7.org/CodeSystem/v3-ActCode",
        "conf" => "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
        "why" => "http://terminology.hl7.org/CodeSystem/v3-ActReason",
        "do" => "http://terminology.hl7.org/CodeSystem/consentaction",
        "role" => "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
        "type" => "http://hl7.org/fhir/resource-types",
        "none" => return json!({"code": code}),
        other => other,
    };
    json!({"system": system, "code": code})
}

/// What references lead to.
pub(crate) fn directory(reference: &str) -> Option<Json> {
    let organisation = |system: &str, value: &str| json!({"resourceType": "Organization", "identifier": [{"system": system, "value": value}]});
    let group = |members: Value| json!({"resourceType": "Group", "actual": true, "member": members});
    let member = |to: &str| json!({"entity": {"reference": to}});
    let (kind, id) = reference.split_once('/')?;
    let found = match (kind, id) {
        ("Organization", "b-other-spelling") => organisation("http://fhir.nhs.uk/id/ods-organization-code", "B001"),
        ("Organization", "charity") => organisation("urn:charity", "123"),
        ("Organization", letter) => {
            let (_, code) = RECIPIENTS.iter().find(|(known, _)| *known == letter)?;
            organisation(ODS_CODE, code)
        }
        ("CareTeam", "b") => json!({"resourceType": "CareTeam", "identifier": [{"system": ODS_CODE, "value": "B001"}]}),
        ("Group", "with-b") => group(json!([member("Organization/D"), member("Organization/B")])),
        ("Group", "without-b") => group(json!([member("Organization/D"), member("Organization/F")])),
        ("Group", "left-by-b") => group(json!([{"entity": {"reference": "Organization/B"}, "inactive": true}])),
        ("Group", "b-until-may") => group(json!([
            {"entity": {"reference": "Organization/B"}, "period": {"end": "2026-05"}}])),
        ("Group", "of-groups") => group(json!([member("Group/with-b")])),
        ("Group", "empty") => group(json!([])),
        ("Group", "odd") => group(json!([{"quantity": 3}])),
        ("Group", "of-kinds") => {
            json!({"resourceType": "Group", "actual": false, "member": [member("Organization/B")]})
        }
        ("Group", "closed") => json!({"resourceType": "Group", "actual": true, "active": false,
            "member": [member("Organization/B")]}),
        ("Patient", "again") => json!({"resourceType": "Patient", "identifier": [
            {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "999 000 0018"}]}),
        ("Patient", "q") => json!({"resourceType": "Patient", "identifier": [
            {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000026"}]}),
        _ => sample(id).filter(|sample| sample["resourceType"] == kind)?,
    };
    Some(found.into())
}

/// Resources that a referral may refer to, by id. Codes are made up.
pub(crate) fn sample(id: &str) -> Option<Value> {
    let condition = |code: &str| {
        json!({"resourceType": "Condition", "id": id, "code": {"coding": [coding("urn:codes", code)]},
            "subject": {"reference": "Patient/p"}})
    };
    let observation = |code: &str| {
        json!({"resourceType": "Observation", "id": id, "code": {"coding": [coding("urn:codes", code)]},
            "subject": {"reference": "Patient/p"}, "performer": [{"reference": "Practitioner/gp"}],
            "category": [{"coding": [coding("urn:kinds", "social-history")]}],
            "effectiveDateTime": "2025-05-01"})
    };
    let labelled = |mut resource: Value, system: &str, code: &str| {
        resource["meta"] = json!({"security": [coding(system, code)]});
        resource
    };
    let but = |mut resource: Value, element: &str, value: Value| {
        if value.is_null() {
            resource.as_object_mut().expect("as it is written").remove(element);
        } else {
            resource[element] = value;
        }
        resource
    };
    Some(match id {
        "mh" => labelled(condition("depression"), "act", "MH"),
        "opioid" => labelled(condition("opioids"), "act", "OPIOIDUD"),
        "std" => labelled(condition("infection"), "act", "STD"),
        "hiv" => condition("hiv"),
        "plain" => observation("steps"),
        "flag" => observation("low-mood"),
        "hidden" => labelled(observation("steps"), "conf", "R"),
        "secret" => labelled(observation("steps"), "conf", "V"),
        "odd" => labelled(observation("steps"), "conf", "X"),
        "low" => labelled(observation("steps"), "conf", "L"),
        "sealed" => labelled(observation("steps"), "act", "NODSCLCD"),
        "billing" => labelled(observation("steps"), "why", "HPAYMT"),
        "care" => labelled(observation("steps"), "why", "TREAT"),
        "unlabelled" => labelled(observation("steps"), "act", "UNHEARDOF"),
        "old" => but(observation("steps"), "effectiveDateTime", json!("2024-05-01")),
        "newyear" => but(observation("steps"), "effectiveDateTime", json!("2025-12-31")),
        "decade" => but(observation("steps"), "effectiveDateTime", json!("202")),
        "year" => but(observation("steps"), "effectiveDateTime", json!("2025")),
        "straddling" => but(
            but(observation("steps"), "effectiveDateTime", Value::Null),
            "effectivePeriod",
            json!({"start": "2024-12-01", "end": "2025-02-01"}),
        ),
        "twice" => but(observation("steps"), "issued", json!("2026-02-01T10:00:00Z")),
        "undated" => but(observation("steps"), "effectiveDateTime", Value::Null),
        "unsigned" => but(observation("steps"), "performer", Value::Null),
        "words" => but(observation("steps"), "code", json!({"text": "something said"})),
        "foreign" => but(observation("steps"), "code", json!({"coding": [coding("urn:other", "x")]})),
        "said" => but(observation("steps"), "valueString", json!("something said")),
        "coded" => but(observation("steps"), "valueCodeableConcept", json!({"coding": [coding("urn:codes", "hiv")]})),
        "choice" => but(observation("steps"), "valueCoding", coding("urn:codes", "hiv")),
        "amount" => but(observation("steps"), "valueQuantity", json!({"value": 3, "system": "urn:ucum", "code": "1"})),
        "profiled" => but(observation("steps"), "meta", json!({"profile": ["urn:profile:mood"]})),
        "home" => json!({"resourceType": "Location", "id": "home", "name": "Flat 2"}),
        "sister" => json!({"resourceType": "RelatedPerson", "id": "sister", "patient": {"reference": "Patient/p"}}),
        _ => return None,
    })
}

/// The ServiceRequest, which refers to these samples.
pub(crate) fn service_request(samples: &[&str]) -> Value {
    let references: Vec<Value> = samples
        .iter()
        .filter_map(|id| Some(json!({"reference": format!("{}/{id}", sample(id)?["resourceType"].as_str()?)})))
        .collect();
    let mut request = json!({
        "resourceType": "ServiceRequest", "id": "sr", "status": "active", "intent": "order",
        "category": [{"coding": [coding("urn:needs", "company")], "text": "canary health condition"}],
        "code": {"coding": [coding("urn:codes", "befriending")]},
        "subject": {"reference": "Patient/p"}, "authoredOn": "2026-06-15",
    });
    if !references.is_empty() {
        request["reasonReference"] = json!(references);
    }
    request
}

pub(crate) fn task() -> Value {
    json!({"resourceType": "Task", "id": "t", "status": "requested", "intent": "order",
        "focus": {"reference": "ServiceRequest/sr"}, "for": {"reference": "Patient/p"}})
}

pub(crate) fn patient() -> Value {
    json!({"resourceType": "Patient", "id": "p", "birthDate": "1986-01-01",
        "name": [{"family": "Sample"}], "telecom": [{"system": "phone", "value": "07700 900123"}],
        "address": [{"postalCode": "ZZ99 3WZ"}, {"use": "old", "postalCode": "ZZ99 3VZ"}]})
}
