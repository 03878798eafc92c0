//! The official R4 examples against validation: what HL7 calls valid, the gateway calls valid.
//!
//! Wants `FHIR_R4_EXAMPLES`, the directory of an unpacked npm package `hl7.fhir.r4.examples` 4.0.1; without it the
//! test says so and passes. The examples are not part of this repository.

#![allow(clippy::print_stderr, reason = "a skipped test has to say so")]

use gateway_fhir::door::{DoorLimits, admit};
use gateway_fhir::{IssueCode, Severity, validate};
use std::collections::BTreeMap;
use std::path::Path;

const VARIABLE: &str = "FHIR_R4_EXAMPLES";

/// The types that a referral brings or that come near it, and how many examples R4 has of each.
const TYPES: [(&str, usize); 21] = [
    ("Bundle", 44),
    ("CarePlan", 11),
    ("Condition", 12),
    ("Consent", 12),
    ("Device", 2),
    ("DocumentReference", 1),
    ("Encounter", 10),
    ("Goal", 2),
    ("HealthcareService", 1),
    ("Location", 6),
    ("Observation", 64),
    ("Organization", 13),
    ("Patient", 22),
    ("Practitioner", 14),
    ("PractitionerRole", 1),
    ("Procedure", 16),
    ("Questionnaire", 7),
    ("QuestionnaireResponse", 5),
    ("RelatedPerson", 5),
    ("ServiceRequest", 20),
    ("Task", 12),
];

/// Official examples that are not valid R4: the file, the only fault told of it, and why that is right.
const INVALID: [(&str, IssueCode, &str); 5] = [
    ("Bundle-dataelements.json", IssueCode::Invariant, "repeats the fullUrl of twelve elements (bdl-7)"),
    ("Bundle-v2-valuesets.json", IssueCode::Value, "has codes with two spaces in a row or one at the end"),
    ("Observation-clinical-gender.json", IssueCode::Value, "has an Encounter as performer, which R4 does not allow"),
    ("Questionnaire-qs1.json", IssueCode::Required, "leaves out linkId, which R4 requires"),
    ("Questionnaire-zika-virus-exposure-assessment.json", IssueCode::Invariant, "has an empty narrative (txt-2)"),
];

/// The official bundles of all definitions reach 35 MB; the door's own limits are for referrals.
fn limits() -> DoorLimits {
    let most = usize::MAX / 2;
    DoorLimits { body_bytes: most, depth: 64, values: most, number_chars: 64, string_bytes: most }
}

#[test]
fn official_examples_are_valid() {
    let Some(directory) = std::env::var_os(VARIABLE) else {
        eprintln!("SKIPPED: {VARIABLE} is not set, so the official R4 examples were not tried");
        return;
    };
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    let mut surprises = Vec::new();
    for entry in std::fs::read_dir(Path::new(&directory)).expect("the directory of the examples") {
        let path = entry.expect("an entry of the directory").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let Some((kind, _)) = TYPES.iter().find(|(kind, _)| is_example_of(&name, kind)) else { continue };
        *counted.entry(kind).or_default() += 1;
        let bytes = std::fs::read(&path).expect("an example");
        let document = admit(&bytes, &limits()).unwrap_or_else(|refusal| panic!("{name}: {:?}", refusal.issues()));
        let text = document.to_text();
        let wanted = INVALID.iter().find(|(file, ..)| *file == name).map(|(_, code, _)| *code);
        let wanted = wanted.or_else(|| text.contains("\"modifierExtension\"").then_some(IssueCode::Extension));
        let faults = validate::resource(&document);
        let faults: Vec<_> = faults.into_iter().filter(|issue| issue.severity == Severity::Error).collect();
        if faults.is_empty() == wanted.is_some() || faults.iter().any(|issue| Some(issue.code) != wanted) {
            surprises.push(format!("{name}: wanted {wanted:?}, got {faults:#?}"));
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
    for (kind, count) in TYPES {
        assert_eq!(counted.get(kind).copied().unwrap_or_default(), count, "examples of {kind}");
    }
}

/// `Patient-example.json` is one of Patient; `PatientX-` is not.
fn is_example_of(file: &str, kind: &str) -> bool {
    file.ends_with(".json") && file.strip_prefix(kind).is_some_and(|rest| rest.starts_with('-'))
}
