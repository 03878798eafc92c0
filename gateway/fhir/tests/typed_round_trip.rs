//! The typed view loses nothing of the official R4 examples but spelling: each is decoded, encoded again, and
//! compared after numbers and times are written in one way.
//!
//! Runs over the folder that `FHIR_R4_EXAMPLES` names: the unpacked npm package `hl7.fhir.r4.examples`. Without it
//! only the small tests at the end run.

use std::collections::BTreeMap;
use std::path::Path;

use gateway_fhir::door::{DoorLimits, admit};
use gateway_fhir::{Json, instant, typed};
use serde_json::json;

/// The types that are decoded.
const TYPES: [&str; 23] = [
    "CapabilityStatement",
    "CarePlan",
    "Communication",
    "Condition",
    "Consent",
    "Device",
    "DocumentReference",
    "Encounter",
    "Goal",
    "HealthcareService",
    "Location",
    "Observation",
    "OperationOutcome",
    "Organization",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "Provenance",
    "QuestionnaireResponse",
    "RelatedPerson",
    "ServiceRequest",
    "Task",
];

/// Examples that do not come through, and why.
const EXCEPTIONS: [(&str, &str); 0] = [];

#[test]
#[expect(clippy::print_stderr, reason = "a test that does not run must say so")]
fn official_examples_come_through() {
    let Some(folder) = std::env::var_os("FHIR_R4_EXAMPLES") else {
        eprintln!("SKIPPED: official_examples_come_through needs FHIR_R4_EXAMPLES (hl7.fhir.r4.examples, unpacked)");
        return;
    };
    let limits = DoorLimits { body_bytes: 64 << 20, ..DoorLimits::default() };
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for file in std::fs::read_dir(Path::new(&folder)).expect("FHIR_R4_EXAMPLES is a folder") {
        let path = file.expect("the folder can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let type_of_name = name.split('-').next().unwrap_or_default();
        if !name.ends_with(".json") || !TYPES.contains(&type_of_name) {
            continue;
        }
        let document = match admit(&std::fs::read(&path).expect("the file can be read"), &limits) {
            Ok(document) => document,
            Err(refusal) => {
                wrong.push(format!("{name}: {:?}", refusal.issues()));
                continue;
            }
        };
        let Some(kind) = TYPES.iter().find(|kind| document.text("resourceType") == Some(**kind)) else { continue };
        *seen.entry(kind).or_default() += 1;
        let fault = fault_of(&document);
        let excepted = EXCEPTIONS.iter().any(|(exception, _)| *exception == name);
        match fault {
            Some(fault) if !excepted => wrong.push(format!("{name}: {fault}")),
            None if excepted => wrong.push(format!("{name}: comes through by now; take it off the exceptions")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{} of the examples:\n{}", wrong.len(), wrong.join("\n"));
    let missing: Vec<_> = TYPES.iter().filter(|kind| !seen.contains_key(**kind)).collect();
    assert!(missing.is_empty(), "no example of {missing:?} in FHIR_R4_EXAMPLES");
}

/// What the typed view does wrong with this document.
fn fault_of(document: &Json) -> Option<String> {
    let issues = typed::check(document);
    if !issues.is_empty() {
        return Some(format!("{issues:?}"));
    }
    let Some(again) = round_trip(document) else { return Some("cannot be encoded again".to_owned()) };
    difference("", &spelt_alike(document), &spelt_alike(&again))
}

/// The document with sorted members, and numbers and times in one spelling: what the model is known to change.
fn spelt_alike(document: &Json) -> Json {
    match document {
        Json::Number(text) => Json::Number(text.parse::<f64>().expect("a number").to_string()),
        Json::String(text) => Json::String(time_alike(text)),
        Json::Array(items) => Json::Array(items.iter().map(spelt_alike).collect()),
        Json::Object(members) => {
            let mut members: Vec<_> = members.iter().map(|(name, value)| (name.clone(), spelt_alike(value))).collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            Json::Object(members)
        }
        other => other.clone(),
    }
}

/// `+00:00` and `Z` are the same zone, and zeros at the end of a fraction say nothing to the model.
fn time_alike(text: &str) -> String {
    if instant::parse(text).is_none() || !text.contains('T') {
        return text.to_owned();
    }
    let split = text.find(['Z', '+']).or_else(|| text.rfind('-')).unwrap_or(text.len());
    let (local, zone) = text.split_at(split);
    let local = if local.contains('.') { local.trim_end_matches('0').trim_end_matches('.') } else { local };
    let zone = if matches!(zone, "+00:00" | "-00:00") { "Z" } else { zone };
    format!("{local}{zone}")
}

/// The first place where two documents differ.
fn difference(path: &str, before: &Json, after: &Json) -> Option<String> {
    match (before, after) {
        (Json::Object(_), Json::Object(_)) => {
            let names = |json: &Json| -> Vec<String> {
                json.as_object().unwrap_or_default().iter().map(|(name, _)| name.clone()).collect()
            };
            let all = names(before).into_iter().chain(names(after));
            all.into_iter().find_map(|name| match (before.get(&name), after.get(&name)) {
                (Some(a), Some(b)) => difference(&format!("{path}.{name}"), a, b),
                (Some(_), None) => Some(format!("{path}.{name} is lost")),
                _ => Some(format!("{path}.{name} is new")),
            })
        }
        (Json::Array(a), Json::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(index, (a, b))| difference(&format!("{path}[{index}]"), a, b))
        }
        _ if before == after => None,
        _ => Some(format!("{path} was {} and is {}", before.to_text(), after.to_text())),
    }
}

#[test]
fn the_comparison_notices_a_lost_element() {
    // The model does not know `valueMeta`, which R4 has: rust-crates notes it as dropped in silence.
    let document: Json = json!({
        "resourceType": "Patient",
        "extension": [{"url": "http://example.org/e", "valueMeta": {"versionId": "1"}}]
    })
    .into();
    assert_eq!(fault_of(&document).as_deref(), Some(".extension[0].valueMeta is lost"));
}

#[test]
fn quantities_are_there_after_decoding() {
    // With serde_json's `arbitrary_precision` anywhere in the build, this value vanishes without an error.
    let document: Json = json!({
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "weight"},
        "valueQuantity": {"value": 72.5, "unit": "kg"},
        "component": [{"code": {"text": "x"}, "valueQuantity": {"value": 1.25}}]
    })
    .into();
    assert_eq!(fault_of(&document), None);
    let again = round_trip(&document).expect("decodes");
    let value = again.get("valueQuantity").and_then(|quantity| quantity.get("value"));
    assert_eq!(value, Some(&Json::Number("72.5".to_owned())));
}

/// The document after a way through the model.
fn round_trip(document: &Json) -> Option<Json> {
    use fhir_sdk::r4b::resources as model;
    fn through<T: serde::de::DeserializeOwned + serde::Serialize>(
        value: &serde_json::Value,
    ) -> Option<serde_json::Value> {
        serde_json::to_value(T::deserialize(value).ok()?).ok()
    }
    let turn: fn(&serde_json::Value) -> Option<serde_json::Value> = match document.text("resourceType")? {
        "ServiceRequest" => through::<model::ServiceRequest>,
        "Task" => through::<model::Task>,
        "Patient" => through::<model::Patient>,
        "Consent" => through::<model::Consent>,
        "Observation" => through::<model::Observation>,
        "QuestionnaireResponse" => through::<model::QuestionnaireResponse>,
        "Organization" => through::<model::Organization>,
        "Practitioner" => through::<model::Practitioner>,
        "PractitionerRole" => through::<model::PractitionerRole>,
        "HealthcareService" => through::<model::HealthcareService>,
        "Condition" => through::<model::Condition>,
        "Location" => through::<model::Location>,
        "RelatedPerson" => through::<model::RelatedPerson>,
        "Procedure" => through::<model::Procedure>,
        "DocumentReference" => through::<model::DocumentReference>,
        "Encounter" => through::<model::Encounter>,
        "CarePlan" => through::<model::CarePlan>,
        "Goal" => through::<model::Goal>,
        "Device" => through::<model::Device>,
        "Communication" => through::<model::Communication>,
        "Provenance" => through::<model::Provenance>,
        "OperationOutcome" => through::<model::OperationOutcome>,
        "CapabilityStatement" => through::<model::CapabilityStatement>,
        _ => return None,
    };
    turn(&document.to_value()).map(Json::from)
}
