//! No patient data in what the process writes, whatever goes wrong.

use crate::support::{Place, TOKEN, client, referral, task_of, until};
use conformance_tests::generator::SyntheticReferral;
use conformance_tests::platform::{Fault, FaultKind, Match};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;

/// Elements of a person that identify them, and free text about them.
const TELLING: [&str; 11] = [
    "family",
    "given",
    "text",
    "line",
    "postalCode",
    "city",
    "value",
    "birthDate",
    "patientInstruction",
    "data",
    "note",
];

/// Every telling value of the Patient, and the free text of the rest.
fn canaries(referral: &SyntheticReferral) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in referral.bundle["entry"].as_array().unwrap() {
        let resource = &entry["resource"];
        match resource["resourceType"].as_str().unwrap() {
            "Patient" => collect(resource, false, &mut found),
            "ServiceRequest" => {
                collect(&resource["note"], false, &mut found);
                collect(&resource["patientInstruction"], true, &mut found);
            }
            _ => {}
        }
    }
    // The name of a language and the like are no secret; three characters would be found by accident.
    found.retain(|text| text.chars().count() > 3 || !text.is_ascii());
    found
}

fn collect(value: &Value, telling: bool, into: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if telling => {
            into.insert(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, telling, into)),
        Value::Object(fields) => {
            for (name, field) in fields.iter().filter(|(name, _)| *name != "communication") {
                collect(field, TELLING.contains(&name.as_str()), into);
            }
        }
        _ => {}
    }
}

fn faults() -> [FaultKind; 7] {
    let status = |status| FaultKind::Status { status, retry_after: None };
    [
        status(500),
        FaultKind::HtmlPage,
        FaultKind::TruncatedBody,
        FaultKind::WrongContentType,
        FaultKind::ResetAfterStoring,
        status(429),
        status(422),
    ]
}

#[tokio::test]
async fn nothing_of_a_person_is_in_the_log() {
    let mut place = Place::with_file().await;
    let mut serving = place.start_with(&[("RUST_LOG", "info,vcse_gateway=trace,gateway_core=trace")]).await;
    let mut words = BTreeSet::new();
    for (number, fault) in (0..).zip(faults()) {
        place.platform.faults().clear();
        place.platform.faults().push(Fault::new(Match::on("POST", "/fhir"), fault));
        let referral = referral(number);
        words.extend(canaries(&referral));
        let answer = serving.post(referral.bundle_text()).await;
        assert_eq!(answer.status(), 201);
        if referral.expectation.reaches_platform() {
            until("the fault has struck", async || !place.platform.faults().struck().is_empty()).await;
        }
        let _ = serving.get(&task_of(&answer)).await;
    }

    // Each refusal has the person's own words where they do not belong.
    let person = referral(0);
    let patient = person.bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]);
    let patient = patient.into_iter().find(|resource| resource["resourceType"] == "Patient").unwrap();
    let name = patient["name"][0]["family"].as_str().unwrap();
    let text = person.bundle_text();
    let bodies = [
        text.replace("\"birthDate\":\"", &format!("\"birthDate\":\"{name}")),
        text.replace("\"gender\":", &format!("\"{name}\":")),
        text.replace("\"resourceType\":\"Patient\"", &format!("\"resourceType\":\"{name}\"")),
        text[..text.len() / 2].to_owned(),
        text.replace("\"status\":\"requested\"", &format!("\"status\":\"{name}\"")),
        text.replace("\"type\":\"transaction\"", &format!("\"type\":\"{name}\"")),
        text.replace("urn:uuid:", &format!("urn:{name}:")),
        format!("{text}{name}"),
        name.to_owned(),
    ];
    for body in bodies {
        let answer = serving.post(body).await;
        assert!(answer.status().is_client_error(), "{}", answer.status());
    }
    for path in [format!("Patient/{name}"), format!("Task?patient={name}"), format!("{name}?name={name}")] {
        let answer = client().get(format!("{}/{path}", serving.base)).bearer_auth(TOKEN).send().await.unwrap();
        assert!(answer.status().is_client_error() || answer.status() == 200, "{path}: {}", answer.status());
    }
    serving.signal(Signal::TERM);
    assert_eq!(serving.end().await.code(), Some(0));

    let said = serving.said();
    assert!(said.lines().count() > 8, "refusals are logged: {said}");
    // The same words did travel: what is looked for is what there was to leak.
    let sent: String = place.platform.requests().into_iter().map(|request| request.body).collect();
    let travelled = words.iter().filter(|word| sent.contains(word.as_str())).count();
    assert!(travelled > 20, "{travelled} of {words:?}");
    let leaked: Vec<&String> = words.iter().filter(|word| said.contains(word.as_str())).collect();
    assert!(leaked.is_empty(), "{leaked:?} in {said}");
    assert!(!said.contains(TOKEN) && !said.contains("platform-token"), "a secret in {said}");
}
