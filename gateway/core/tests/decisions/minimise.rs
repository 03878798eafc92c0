//! Minimise: nobody else's record and nothing restricted gets in, whatever refers to it and whatever is declared.

use crate::builders::*;
use adapter_contract::{DataClass, DataNeed, IdempotencyKey, TaskStatus};
use gateway_core::ingest::Person;
use gateway_core::minimise::{Source, Whole, minimise};
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

/// Gathered for a person who is stored, or contained.
fn gathered(reference: &str, request: &Json, task: &Json, person: &Json) -> Whole {
    let organization: Json = json!({"resourceType": "Organization", "name": "x", "meta": {"versionId": "3",
        "source": "https://vcse-gateway.example/fhir/author#client/gp"}})
    .into();
    let lookup = |wanted: &str| match wanted {
        "Organization/o" => Some(&organization),
        "Task/t" => Some(task),
        "ServiceRequest/sr" => Some(request),
        "Patient/p" => Some(person),
        _ => None,
    };
    let person = Person { reference: reference.to_owned(), document: person.clone() };
    Whole::gather(("t", task), ("sr", request), &person, &lookup)
}

fn names(whole: &Whole) -> Vec<&str> {
    whole.related.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn what_is_gathered_is_everything_once_and_plain() {
    let mut request = service_request();
    request.set("requester", json!({"reference": "Organization/o"}).into());
    request.set("supportingInfo", json!([{"reference": "Task/t"}, {"reference": "ServiceRequest/sr"}]).into());
    let whole = gathered("Patient/p", &request, &task(TaskStatus::Requested), &patient());
    assert_eq!(names(&whole), ["Organization/o"], "neither the Task, the request nor the person again");
    // The id stands where FHIR has it, and what the gateway stamped is gone.
    let organization = whole.related[0].1.to_text();
    assert_eq!(organization, r#"{"resourceType":"Organization","id":"o","name":"x"}"#);
    let kinds: Vec<&str> = whole.resources().filter_map(|one| one.text("resourceType")).collect();
    assert_eq!(kinds, ["ServiceRequest", "Patient", "Task", "Organization"]);
    // Consent is asked about each of them.
    let asked: std::collections::BTreeSet<String> = whole.items().into_iter().map(|item| item.resource).collect();
    for resource in ["ServiceRequest/sr", "Patient/p", "Task/t", "Organization/o"] {
        assert!(asked.contains(resource), "{resource}: {asked:?}");
    }
}

#[test]
fn a_contained_person_becomes_an_entry_to_which_both_refer() {
    let mut request = service_request();
    request.set("subject", json!({"reference": "#me"}).into());
    let other = json!({"resourceType": "Organization", "id": "other", "name": "x"});
    request.set("contained", Json::Array(vec![person("me", NUMBER), other.into()]));
    let mut asked = task(TaskStatus::Requested);
    asked.set("for", json!({"reference": "ServiceRequest/sr#me"}).into());
    let whole = gathered("ServiceRequest/sr#me", &request, &asked, &person("me", NUMBER));
    let subject =
        |resource: &Json, element: &str| resource.get(element).and_then(|one| one.text("reference")).map(str::to_owned);
    assert_eq!(subject(&whole.service_request, "subject").as_deref(), Some("Patient/me"));
    assert_eq!(subject(&whole.task, "for").as_deref(), Some("Patient/me"));
    let contained: Vec<Option<&str>> =
        whole.service_request.items("contained").iter().map(|one| one.text("id")).collect();
    assert_eq!(contained, [Some("other")], "only the person moves out");
}
