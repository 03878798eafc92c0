//! What the person keeps from the practice of what a platform says: by which Consents, and what its Task then shows.

use crate::align_walk::{Scene, said};
use crate::builders::*;
use crate::consent::rules;
use adapter_contract::{Concept, OutputValue, ReportedOutput, StatusReport, TaskStatus};
use gateway_core::accept::{Asked, keeps_outcome};
use gateway_core::consent::{ConsentDocument, Kept, Record, Stage};
use gateway_core::ingest::Person;
use serde_json::{Value, json};

const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

fn kept(root: Value) -> Kept {
    let document = json!({"resourceType": "Consent", "status": "active", "patient": {"reference": "Patient/p"},
        "scope": {"coding": [{"code": "patient-privacy"}]}, "provision": root});
    let consents = vec![ConsentDocument {
        tenant: compartment().tenant,
        id: "c".to_owned(),
        version: 1,
        document: document.into(),
    }];
    let asked = Asked {
        stage: Stage::Relay,
        tenant: &compartment().tenant,
        items: &[],
        needs: &[],
        rules: &rules(),
        platform: &platform(),
        person: &Person { reference: "Patient/p".to_owned(), document: patient() },
        consents: &Record { consents, complete: true, ..Record::default() },
        directory: &|_| None,
        now: NOW,
    };
    keeps_outcome(&asked, "A82001")
}

fn named(ods: &str) -> Value {
    json!([{"role": {"coding": [{"code": "IRCP"}]}, "reference": {"identifier": {"system": ODS, "value": ods}}}])
}

fn words() -> Value {
    json!([{"system": "urn:ietf:bcp:13", "code": "text/plain"}])
}

#[test]
fn a_refusal_of_words_leaves_codes_and_any_other_leaves_nothing() {
    let practice = || named("A82001");
    let other = json!({"system": "http://hl7.org/fhir/resource-types", "code": "Procedure"});
    let snomed = json!([{"coding": [{"system": "http://snomed.info/sct", "code": "1"}]}]);
    let inside = |deny: Value| json!({"type": "permit", "actor": named("VCSE1"), "provision": [deny]});
    for (what, root, expected) in [
        ("nothing", json!({"type": "permit", "actor": named("VCSE1")}), Kept::Nothing),
        ("all", json!({"type": "deny", "actor": practice()}), Kept::All),
        ("words", json!({"type": "deny", "actor": practice(), "class": words()}), Kept::Words),
        ("words, inside a permit", inside(json!({"type": "deny", "actor": practice(), "class": words()})), Kept::Words),
        ("all, inside a permit", inside(json!({"type": "deny", "actor": practice()})), Kept::All),
        ("words of another", json!({"type": "deny", "actor": named("A82002"), "class": words()}), Kept::Nothing),
        ("words or more", json!({"type": "deny", "actor": practice(), "class": [words()[0], other]}), Kept::All),
        ("a class", json!({"type": "deny", "actor": practice(), "class": [other]}), Kept::All),
        ("some code", json!({"type": "deny", "actor": practice(), "code": snomed}), Kept::All),
        // Nobody knows beforehand whether such words come.
        (
            "words with a code",
            json!({"type": "deny", "actor": practice(), "class": words(), "code": snomed}),
            Kept::Words,
        ),
        (
            "words, once",
            json!({"type": "deny", "actor": practice(), "class": words(), "period": {"end": "2020"}}),
            Kept::Nothing,
        ),
        (
            "words, of another system",
            json!({"type": "deny", "actor": practice(), "class": [{"system": "urn:x", "code": "text/plain"}]}),
            Kept::All,
        ),
        // An exception of which it is not certain that it fits is none.
        (
            "all but words",
            json!({"type": "deny", "actor": practice(), "provision": [{"type": "permit", "class": words()}]}),
            Kept::All,
        ),
        ("a permit of words", json!({"type": "permit", "actor": practice(), "class": words()}), Kept::Nothing),
    ] {
        assert_eq!(kept(root), expected, "{what}");
    }
}

#[test]
fn where_words_are_kept_the_task_tells_codes() {
    let mut scene = Scene::new(TaskStatus::Requested);
    scene.kept = Kept::Words;
    let word = |text: &str| Concept { text: Some(text.to_owned()), ..Concept::default() };
    let code = |text: &str| Concept {
        system: Some("urn:codes".to_owned()),
        code: Some("stays".to_owned()),
        text: Some(text.to_owned()),
    };
    let procedure = |code: Value| {
        json!({"resourceType": "Procedure", "status": "completed", "code": code, "note": [{"text": "gone"}],
            "subject": {"reference": "Patient/theirs"}})
        .to_string()
    };
    let coded = json!({"coding": [{"system": "urn:codes", "code": "stays", "display": "a display"}], "text": "gone"});
    let report = StatusReport {
        platform_status: code("gone"),
        reason: Some("gone".to_owned()),
        outputs: vec![
            ReportedOutput { kind: code("gone"), value: OutputValue::Concept(code("gone")) },
            ReportedOutput { kind: word("gone"), value: OutputValue::Concept(code("gone")) },
            ReportedOutput { kind: code("gone"), value: OutputValue::Concept(word("gone")) },
            ReportedOutput { kind: code("gone"), value: OutputValue::Resource(procedure(coded)) },
            ReportedOutput { kind: code("gone"), value: OutputValue::Resource(procedure(json!({"text": "gone"}))) },
        ],
        ..said("a", Some(TaskStatus::Completed), 1)
    };
    let done = scene.hear(&report);
    let written: String = done
        .changes
        .iter()
        .filter_map(|change| match change {
            gateway_core::change::Change::PutResource(stored) => Some(stored.body.as_str()),
            _ => None,
        })
        .collect();
    assert!(!written.contains("gone"), "{written}");
    assert!(written.contains("a display") && written.contains("\"Procedure\""), "{written}");
    let task: Value = serde_json::from_str(&scene.task.to_text()).expect("JSON");
    assert_eq!(task["status"], "completed");
    assert!(task["statusReason"]["text"].as_str().expect("why").contains("codes"), "{task}");
    assert_ne!(task["businessStatus"]["coding"][0]["code"], "outcome-withheld");
    let outputs = task["output"].as_array().expect("outputs");
    let values = outputs.iter().filter(|output| output["valueCodeableConcept"]["coding"][0]["code"] == "stays").count();
    assert_eq!(values, 2, "{task}");
    assert!(outputs.iter().any(|output| output.get("valueReference").is_some()), "{task}");
}
