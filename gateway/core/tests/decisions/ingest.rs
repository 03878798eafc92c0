//! Ingest: a request is about one person, also in what it refers to, and a Task asks for something that can be done.

use crate::builders::*;
use adapter_contract::TaskStatus;
use gateway_core::ingest::{Found, Outcome, Stored, read, read_single, resolve, wants};
use gateway_core::refusal::Refusal;
use gateway_fhir::Json;
use serde_json::{Value, json};

fn observation(subject: Value) -> Value {
    json!({"resourceType": "Observation", "status": "final", "code": {"text": "Mood"}, "subject": subject})
}

/// What the same client stored before.
fn stored() -> Vec<(&'static str, Json)> {
    let mut revoked = service_request();
    revoked.set("status", Json::string("revoked"));
    let of = |subject: &str| observation(json!({"reference": subject})).into();
    vec![
        ("Patient/p", patient()),
        ("Patient/again", person("again", NUMBER)),
        ("Patient/other", person("other", OTHER_NUMBER)),
        ("ServiceRequest/sr", service_request()),
        ("ServiceRequest/revoked", revoked),
        ("Observation/own", of("Patient/p")),
        ("Observation/again", of("Patient/again")),
        ("Observation/other", of("Patient/other")),
        ("Observation/number", observation(json!({"identifier": nhs(OTHER_NUMBER)})).into()),
    ]
}

/// As the server does it: looks up what is wanted, and whose that is.
fn arrive(entries: &[Value]) -> Result<Vec<Outcome>, Refusal> {
    let submission = match entries {
        [one] => read_single(one.clone().into(), one["resourceType"].as_str().unwrap(), None)?,
        several => {
            let entries: Vec<Value> = (0..)
                .zip(several)
                .map(|(place, resource)| {
                    json!({"fullUrl": format!("urn:uuid:0000000{place}-0000-4000-8000-000000000000"),
                        "resource": resource,
                        "request": {"method": "POST", "url": resource["resourceType"]}})
                })
                .collect();
            read(&json!({"resourceType": "Bundle", "type": "transaction", "entry": entries}).into(), 50)?
        }
    };
    let mut found = Found::default();
    let mut names: Vec<String> = wants(&submission).exist.into_iter().collect();
    while let Some(name) = names.pop() {
        let Some((_, document)) = stored().into_iter().find(|(known, _)| *known == name) else { continue };
        for site in gateway_fhir::references::sites(&document).into_iter().filter(|site| site.logical) {
            if !found.stored.contains_key(&site.value) && site.value != name {
                names.push(site.value);
            }
        }
        found.stored.insert(name, Stored { version: 1, document });
    }
    resolve(&submission, &found, &mut ids())
}

fn asks(focus: &str) -> Value {
    let mut asked = task(TaskStatus::Requested);
    asked.remove("id");
    asked.set("focus", json!({"reference": focus}).into());
    asked.to_value()
}

fn request() -> Value {
    let mut request = service_request();
    request.remove("id");
    request.to_value()
}

#[test]
fn what_is_referred_to_is_the_persons_own() {
    for (reference, refused) in [
        ("Observation/own", false),
        ("Observation/again", false),
        ("Observation/other", true),
        ("Observation/number", true),
        ("Patient/again", false),
        ("Patient/other", true),
    ] {
        let mut supported = request();
        supported["supportingInfo"] = json!([{"reference": reference}]);
        let mut fed = asks("ServiceRequest/sr");
        fed["input"] = json!([{"type": {"text": "See"}, "valueReference": {"reference": reference}}]);
        for document in [supported, fed] {
            let refusal = arrive(std::slice::from_ref(&document)).err();
            assert_eq!(refusal.as_ref().map(|refusal| refusal.status), refused.then_some(422), "{reference}");
            if let Some(refusal) = refusal {
                assert!(refusal.issues.iter().any(|issue| issue.diagnostics.contains("more than one patient")));
            }
        }
    }
}

#[test]
fn a_focus_that_is_over_is_refused() {
    for (focus, refused) in
        [("ServiceRequest/sr", None), ("ServiceRequest/revoked", Some(422)), ("ServiceRequest/none", Some(422))]
    {
        assert_eq!(arrive(&[asks(focus)]).err().map(|refusal| refusal.status), refused, "{focus}");
    }
}

#[test]
fn two_patients_with_one_number_are_one_person() {
    let patient = |number: &str| json!({"resourceType": "Patient", "identifier": [nhs(number)]});
    let url = |place: u32| format!("urn:uuid:0000000{place}-0000-4000-8000-000000000000");
    for (other, refused) in [(patient(NUMBER), None), (patient(OTHER_NUMBER), Some(422))] {
        let mut request = request();
        request["subject"] = json!({"reference": url(0)});
        let mut asked = asks(&url(2));
        asked["for"] = json!({"reference": url(0)});
        let done = arrive(&[patient(NUMBER), other, request, asked]);
        assert_eq!(done.err().map(|refusal| refusal.status), refused);
    }
    // A Task for the same person under another resource.
    for (reference, refused) in [("Patient/p", None), ("Patient/again", None), ("Patient/other", Some(422))] {
        let mut asked = asks("ServiceRequest/sr");
        asked["for"] = json!({"reference": reference});
        assert_eq!(arrive(&[asked]).err().map(|refusal| refusal.status), refused, "{reference}");
    }
}
