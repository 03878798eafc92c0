//! What a hostile reading of the language found, so that it is not found again.

use crate::hand::inputs;
use crate::written::program;
use mappings::account::Loss;
use mappings::class::Grade;
use mappings::document::Document;
use mappings::program::{ExchangeName, Program};
use mappings::run::{Cause, Inputs, Scratch, request_explained};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A mapping with these keys beside its exchanges, and these fields in its body.
fn mapping(beside: &str, fields: &str) -> Program {
    let accepted: String = [
        "ServiceRequest.priority",
        "ServiceRequest.doNotPerform",
        "Task.priority",
        "Patient.communication",
        "\"Patient.deceased[x]\"",
        "\"Patient.extension(http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired)\"",
        "Flag",
    ]
    .map(|element| format!("  - {{ element: {element}, because: \"A test.\" }}\n"))
    .concat();
    program(&format!(
        "mapping: 1\nname: hostile\naccepted-losses:\n{accepted}{beside}exchanges:\n  submit:\n    - step: create\n      request:\n        \
         method: POST\n        path: api/referrals\n        repeat: look-up-first\n        body:\n          format: json\n          \
         fields:\n{fields}      answer:\n        outcomes:\n          - {{ when: \"%status = 201\", then: delivered, \
         platform-referral: \"%header.location\" }}\n"
    ))
}

fn referral(service_request: &Value, patient: &Value) -> String {
    let entry = |url: &str, kind: &str, members: &Value| {
        let mut resource = members.clone();
        resource["resourceType"] = json!(kind);
        json!({ "fullUrl": url, "resource": resource })
    };
    let entries = [
        entry("urn:uuid:00000000-0000-4000-8000-000000000001", "ServiceRequest", service_request),
        entry("urn:uuid:00000000-0000-4000-8000-000000000002", "Patient", patient),
        entry("urn:uuid:00000000-0000-4000-8000-000000000003", "Task", &json!({})),
    ];
    json!({ "resourceType": "Bundle", "type": "collection", "entry": entries }).to_string()
}

fn losses(program: &Program, text: &str, settings: &[(&str, &str)]) -> Vec<Loss> {
    let document = Document::parse(text).unwrap();
    let settings: BTreeMap<String, String> =
        settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let inputs = Inputs { settings: &settings, ..inputs(&document) };
    let mut scratch = Scratch::default();
    let (_, account) = request_explained(program, ExchangeName::Submit, 0, &inputs, &mut scratch).unwrap();
    account.losses(program, &document, &mut scratch).in_words(program)
}

const GUARD: &str = "refuse:\n  - when: \"%serviceRequest.orderDetail.coding.where(code = \
                     'contacting-subject-prohibited').exists()\"\n    element: ServiceRequest.orderDetail\n    because: \"It is \
                     dangerous.\"\n";
const KEY: &str = "            key: { from: \"%keys.idempotency\", class: administrative }\n";

#[test]
fn what_only_a_guard_compared_is_lost_and_unsafe() {
    let program = mapping(GUARD, KEY);
    let order = json!({ "orderDetail": [{ "coding": [{ "code": "no-naked-flame-oxygen-at-home" }] }] });
    let found = losses(&program, &referral(&order, &json!({})), &[]);
    let order = found.iter().find(|loss| loss.element.starts_with("ServiceRequest.orderDetail")).unwrap();
    assert_eq!(order.grade, Grade::Unsafe, "{found:?}");
}

#[test]
fn what_only_the_condition_of_a_field_that_stayed_away_asked_is_lost() {
    let field = "            sex: { when: \"%patient.gender = 'zz'\", constant: x, class: demographic, means: Patient.gender, \
                 because: \"A test.\" }\n";
    let program = mapping(GUARD, &format!("{KEY}{field}"));
    let found = losses(&program, &referral(&json!({}), &json!({ "gender": "female" })), &[]);
    assert!(found.iter().any(|loss| loss.element == "Patient.gender"), "{found:?}");
}

#[test]
fn settings_are_documents_too_and_nothing_of_the_referral_arrives_by_them() {
    let beside: String = (0..8).map(|n| format!("  s{n}: {{ required: true, about: \"A test.\" }}\n")).collect();
    let fields: String =
        (0..8).map(|n| format!("            f{n}: {{ from: \"%settings.s{n}\", class: administrative }}\n")).collect();
    let program = mapping(&format!("{GUARD}settings:\n{beside}"), &fields);
    let names: Vec<String> = (0..8).map(|n| format!("s{n}")).collect();
    let settings: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    let patient = json!({ "birthDate": "1957-04-03", "gender": "female", "name": [{ "family": "Example" }] });
    let found = losses(&program, &referral(&json!({ "priority": "urgent" }), &patient), &settings);
    for element in ["ServiceRequest.priority", "Patient.birthDate", "Patient.gender", "Patient.name"] {
        assert!(found.iter().any(|loss| loss.element.starts_with(element)), "{element}: {found:?}");
    }
}

#[test]
fn an_address_in_which_data_could_hide_is_not_repeated() {
    let program = mapping(GUARD, KEY);
    for (url, shown) in [
        ("http://x.example/NHS-9990000018", false),
        ("urn:Sam-Example", false),
        ("http://x.example/a?name=Sam", false),
        ("https://fhir.example/StructureDefinition/birth-place", true),
    ] {
        let patient = json!({ "extension": [{ "url": url, "valueString": "x" }] });
        let text = format!("{:?}", losses(&program, &referral(&json!({}), &patient), &[]));
        assert!(text.contains("Patient.extension("), "{text}");
        assert_eq!(text.contains(url), shown, "{text}");
    }
}

#[test]
fn lists_within_lists_have_one_bound_for_all_their_work() {
    let mut fields = String::new();
    let mut indent = "            ".to_owned();
    fields.push_str(&format!("{KEY}{indent}l:\n"));
    for _ in 0..6 {
        indent.push_str("  ");
        fields.push_str(&format!("{indent}each: \"%serviceRequest.note\"\n{indent}class: clinical\n{indent}items:\n"));
    }
    indent.push_str("  ");
    fields.push_str(&format!(
        "{indent}fields:\n{indent}  x: {{ when: \"%serviceRequest.note.text.where($this = 'zz').exists()\", constant: x, class: \
         clinical, means: ServiceRequest.note, because: \"A test.\" }}\n"
    ));
    let program = mapping(GUARD, &fields);
    let notes: Vec<Value> = (0..60).map(|n| json!({ "text": n.to_string() })).collect();
    let text = referral(&json!({ "note": notes }), &json!({}));
    let document = Document::parse(&text).unwrap();
    let made =
        request_explained(&program, ExchangeName::Submit, 0, &inputs(&document), &mut Scratch::default()).map(|_| ());
    let refusal = made.unwrap_err();
    assert!(matches!(refusal.cause, Cause::Evaluation(_)), "{refusal}");
}
