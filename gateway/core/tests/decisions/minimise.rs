//! Minimise: nobody else's record and nothing restricted gets in, whatever refers to it and whatever is declared.

use crate::builders::*;
use adapter_contract::{DataClass, DataNeed, IdempotencyKey, TaskStatus};
use gateway_core::minimise::{Source, minimise};
use gateway_fhir::Json;
use serde_json::{Value, json};

/// The types of the entries, and the whole Bundle as text, where the request refers to this one resource.
fn sent(name: &str, document: &Value) -> (bool, Vec<String>) {
    let mut request = service_request();
    request.set("supportingInfo", json!([{"reference": name}]).into());
    let (patient, task) = (patient(), task(TaskStatus::Requested));
    let related: Vec<(String, Json)> = vec![(name.to_owned(), document.clone().into())];
    let source = Source { service_request: &request, patient: &patient, task: &task, related: &related, withheld: &[] };
    let needs = ["ServiceRequest", "Patient", "Task", "Observation", "RelatedPerson", "Organization"]
        .map(|path| DataNeed { path: path.to_owned(), class: DataClass::Clinical, needed: false });
    let done = minimise(&source, &needs, &IdempotencyKey("key".to_owned())).unwrap();
    (done.referral.bundle().contains("canary"), done.removed)
}

#[test]
fn related_resources() {
    let observation = |subject: Value, label: &str| {
        json!({"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "canary"},
            "subject": subject, "meta": {"security": [
                {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": label}]}})
    };
    let own = json!({"reference": "Patient/p"});
    let other = json!({"reference": "Patient/other"});
    for (name, document, goes) in [
        ("Observation/o", observation(own.clone(), "N"), true),
        ("Observation/o", observation(own.clone(), "R"), false),
        ("Observation/o", observation(own.clone(), "V"), false),
        ("Observation/o", observation(other.clone(), "N"), false),
        ("Patient/other", json!({"resourceType": "Patient", "id": "other", "name": [{"family": "canary"}]}), false),
        (
            "RelatedPerson/r",
            json!({"resourceType": "RelatedPerson", "id": "r", "patient": own, "name": [{"text": "canary"}]}),
            true,
        ),
        (
            "RelatedPerson/r",
            json!({"resourceType": "RelatedPerson", "id": "r", "patient": other, "name": [{"text": "canary"}]}),
            false,
        ),
        ("Organization/o", json!({"resourceType": "Organization", "id": "o", "name": "canary"}), true),
    ] {
        let (gone_out, removed) = sent(name, &document);
        assert_eq!(gone_out, goes, "{document}");
        let kind = document["resourceType"].as_str().unwrap().to_owned();
        assert_eq!(removed.contains(&kind), !goes, "{removed:?}");
    }
}
