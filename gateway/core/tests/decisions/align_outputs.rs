//! Align: what platforms give back, made the sender's, stored once, and nothing taken on trust.

use crate::align_walk::{Scene, said};
use crate::builders::*;
use adapter_contract::{Concept, OutputValue, ReportedOutput, StatusReport, TaskStatus};
use gateway_core::change::{Change, Transaction};
use gateway_fhir::Json;
use serde_json::{Value, json};

fn word(text: &str) -> Concept {
    Concept { text: Some(text.to_owned()), ..Concept::default() }
}

fn resource(kind: &str, document: &Value) -> ReportedOutput {
    ReportedOutput { kind: word(kind), value: OutputValue::Resource(document.to_string()) }
}

fn procedure() -> Value {
    json!({"resourceType": "Procedure", "id": "theirs", "status": "completed", "code": {"text": "Visit"},
        "subject": {"reference": "Patient/their-own", "display": "Their Name"},
        "performer": [{"actor": {"reference": "Practitioner/9"}}],
        "text": {"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">Visit</div>"}})
}

fn with(event: &str, version: u64, outputs: Vec<ReportedOutput>) -> StatusReport {
    StatusReport { outputs, ..said(event, Some(TaskStatus::InProgress), version) }
}

/// References to all resources but the Task and ServiceRequest that are written, and their documents.
fn stored(transaction: &Transaction) -> Vec<(String, Json)> {
    let found = transaction.changes.iter().filter_map(|change| match change {
        Change::PutResource(version) if !matches!(version.key.kind.as_str(), "Task" | "ServiceRequest") => {
            assert_eq!((version.version, version.author.as_str()), (1, "platform/food-bank"));
            Some((version.key.reference(), read(&version.body)))
        }
        _ => None,
    });
    found.collect()
}

fn references(task: &Json) -> Vec<String> {
    let values = task.items("output").iter().filter_map(|output| output.get("valueReference")?.text("reference"));
    values.map(str::to_owned).collect()
}

#[test]
fn a_resource_becomes_the_senders_and_is_stored_once() {
    let mut scene = Scene::new(TaskStatus::Requested);
    let done = scene.hear(&with("a", 1, vec![resource("Visit", &procedure())]));
    let [(reference, document)] = stored(&done).try_into().expect("one is stored");
    assert_eq!(document.get("subject"), Some(&json!({"reference": "Patient/p"}).into()));
    assert!(document.get("performer").is_none() && document.get("text").is_none());
    assert_eq!(references(&scene.task), std::slice::from_ref(&reference));
    // Repeated beside something new; by itself; and by an older statement that comes late.
    for (event, version, outputs) in [
        (
            "b",
            3,
            vec![
                resource("Visit", &procedure()),
                ReportedOutput { kind: word("Note"), value: OutputValue::Concept(word("Fed.")) },
            ],
        ),
        ("c", 4, vec![resource("Visit", &procedure())]),
        ("d", 2, vec![resource("Visit", &procedure())]),
    ] {
        assert!(stored(&scene.hear(&with(event, version, outputs))).is_empty(), "{event}");
    }
    assert_eq!(scene.task.items("output").len(), 2);
    // The same resource under another type: a second output, no second resource.
    let done = scene.hear(&with("e", 5, vec![resource("Home visit", &procedure())]));
    assert!(stored(&done).is_empty());
    assert_eq!(references(&scene.task), [reference.clone(), reference]);
}

#[test]
fn one_resource_under_two_types_in_one_statement_is_stored_once() {
    let mut scene = Scene::new(TaskStatus::Requested);
    let outputs = vec![resource("Visit", &procedure()), resource("Home visit", &procedure())];
    let done = scene.hear(&with("a", 1, outputs));
    assert_eq!((stored(&done).len(), scene.task.items("output").len()), (1, 2));
}

#[test]
fn nothing_is_stored_before_it_can_be_shown() {
    // A word that moves nothing comes first and brings a resource; then a status.
    let mut scene = Scene::new(TaskStatus::Requested);
    let first = StatusReport { status: None, ..with("a", 1, vec![resource("Visit", &procedure())]) };
    assert!(stored(&scene.hear(&first)).is_empty());
    let mut written = 0;
    for (event, version) in [("b", 2), ("c", 3)] {
        written += stored(&scene.hear(&with(event, version, vec![]))).len();
    }
    assert_eq!((written, references(&scene.task).len()), (1, 1));
}

#[test]
fn what_several_statements_give_is_all_shown_though_they_are_applied_together() {
    let concept = |text: &str| ReportedOutput { kind: word("Given"), value: OutputValue::Concept(word(text)) };
    let mut scene = Scene::new(TaskStatus::Requested);
    scene.reports.push(crate::align_walk::record(&with("a", 1, vec![concept("Food")])));
    scene.hear(&with("b", 2, vec![concept("Fuel")]));
    let texts: Vec<_> =
        scene.task.items("output").iter().map(|o| o.get("valueCodeableConcept").unwrap().text("text")).collect();
    assert_eq!(texts, [Some("Food"), Some("Fuel")]);
}

#[test]
fn what_is_none_of_the_three_types_or_invalid_is_not_stored() {
    let mut invalid = procedure();
    invalid["status"] = json!("no-such-status");
    let mut unknown = procedure();
    unknown["noSuchElement"] = json!(1);
    for document in [
        json!({"resourceType": "Patient", "active": true}),
        json!({"resourceType": "DocumentReference", "status": "current"}),
        json!({"resourceType": "Procedure"}),
        json!("no resource"),
        invalid,
        unknown,
    ] {
        let mut scene = Scene::new(TaskStatus::Requested);
        let done = scene.hear(&with("a", 1, vec![resource("Visit", &document)]));
        assert!(stored(&done).is_empty() && scene.task.get("output").is_none(), "{document}");
        assert_eq!(scene.task.text("status"), Some("in-progress"), "the status is believed: {document}");
    }
    let mut scene = Scene::new(TaskStatus::Requested);
    let broken = ReportedOutput { kind: word("Visit"), value: OutputValue::Resource("{\"a\":".to_owned()) };
    assert!(stored(&scene.hear(&with("a", 1, vec![broken]))).is_empty());
}

#[test]
fn words_are_tidied() {
    let mut scene = Scene::new(TaskStatus::Requested);
    let strange = Concept {
        system: Some("urn:with space".to_owned()),
        code: Some(" co\u{0}de ".to_owned()),
        text: Some("\u{1b}[31m Given \u{7}".to_owned()),
    };
    let empty = Concept { system: Some("\u{1}".to_owned()), code: Some(String::new()), text: Some("  ".to_owned()) };
    let outputs = vec![
        ReportedOutput { kind: strange.clone(), value: OutputValue::Concept(strange.clone()) },
        ReportedOutput { kind: empty.clone(), value: OutputValue::Concept(empty.clone()) },
        ReportedOutput { kind: Concept::default(), value: OutputValue::Resource(procedure().to_string()) },
    ];
    let report = StatusReport {
        outputs,
        platform_status: strange,
        reason: Some(format!("\u{0} {}", "x".repeat(5_000))),
        ..said("a", Some(TaskStatus::Rejected), 1)
    };
    scene.hear(&report);
    let first = &scene.task.items("output")[0];
    let expected: Json = json!({"coding": [{"code": "code"}], "text": "[31m Given"}).into();
    assert_eq!((first.get("type"), first.get("valueCodeableConcept")), (Some(&expected), Some(&expected)));
    let second = &scene.task.items("output")[1];
    assert_eq!(second.get("type").unwrap().text("text"), Some("An output without a type."));
    assert_eq!(second.get("valueCodeableConcept").unwrap().text("text"), Some("An output without words."));
    assert!(status_reason(&scene.task).len() <= 2_000 && status_reason(&scene.task).starts_with('x'));
    let report = StatusReport { reason: Some(" \u{0} ".to_owned()), ..said("b", Some(TaskStatus::Rejected), 2) };
    let mut scene = Scene::new(TaskStatus::Requested);
    scene.hear(&StatusReport { platform_status: empty, ..report });
    assert_eq!(status_reason(&scene.task), "The platform gave no reason.");
}

#[test]
fn a_contained_patient_is_named_by_its_identifier() {
    let mut scene = Scene::new(TaskStatus::Requested);
    scene.referral.patient = "ServiceRequest/sr#p".to_owned();
    for (subject, expected) in [
        (json!({"reference": "#p", "identifier": nhs(NUMBER)}), json!({"identifier": nhs(NUMBER)})),
        (json!({"reference": "#p"}), json!({"type": "Patient", "display": "The patient of the ServiceRequest"})),
    ] {
        scene.service_request.set("subject", subject.into());
        scene.task.remove("output");
        scene.reports.clear();
        let done = scene.hear(&with("a", 1, vec![resource("Visit", &procedure())]));
        assert_eq!(stored(&done)[0].1.get("subject"), Some(&expected.into()));
    }
}
