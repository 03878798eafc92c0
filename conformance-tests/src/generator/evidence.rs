//! What supports a synthetic referral: wellbeing scores, answers, conditions; and decimals that keep their digits.
//!
//! A score of 7.0 was measured to one place and 1.50 to two; `serde_json` would print the second as 1.5. So decimals
//! live in the template as marked strings, and become numbers only when the text or the value is made.

use rand::Rng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

use super::{Scene, words};
use crate::fhir::{SNOMED, concept};

/// In front of a decimal in the template; no text that a person writes begins with a unit separator.
const MARK: char = '\u{1f}';
/// The mark as `serde_json` escapes it.
const MARK_IN_TEXT: &str = "\"\\u001f";

fn decimal(digits: &str) -> Value {
    Value::from(format!("{MARK}{digits}"))
}

/// The template as text, each marked string a bare decimal in its own digits.
pub(super) fn text_with_decimals(template: &Value) -> String {
    let escaped = template.to_string();
    let mut parts = escaped.split(MARK_IN_TEXT);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_once('"').unwrap_or((part, ""));
        text.push_str(digits);
        text.push_str(rest);
    }
    text
}

/// The template as a value, each marked string a number.
pub(super) fn value_with_numbers(template: &Value) -> Value {
    match template {
        Value::String(text) => match text.strip_prefix(MARK).map(str::parse::<f64>) {
            Some(Ok(number)) => Value::from(number),
            _ => template.clone(),
        },
        Value::Array(items) => items.iter().map(value_with_numbers).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), value_with_numbers(value))).collect(),
        _ => template.clone(),
    }
}

/// The digits of every decimal in the template.
pub(super) fn decimals_in(template: &Value) -> Vec<String> {
    match template {
        Value::String(text) => text.strip_prefix(MARK).map(str::to_owned).into_iter().collect(),
        Value::Array(items) => items.iter().flat_map(decimals_in).collect(),
        Value::Object(fields) => fields.values().flat_map(decimals_in).collect(),
        _ => Vec::new(),
    }
}

/// Adds what supports the referral, and gives the addresses in the Bundle.
pub(super) fn supporting(scene: &mut Scene) -> Vec<String> {
    let mut added = Vec::new();
    if scene.sometimes(0.5) {
        let resource = wellbeing(scene);
        added.push(scene.add(resource));
    }
    if scene.sometimes(0.25) {
        let resource = short_warwick_edinburgh(scene);
        added.push(scene.add(resource));
    }
    if scene.sometimes(0.3) {
        let resource = answers(scene);
        added.push(scene.add(resource));
    }
    if scene.sometimes(0.35) {
        let resource = condition(scene);
        added.push(scene.add(resource));
    }
    added
}

fn survey(scene: &Scene, code: Value) -> Value {
    let category = concept("http://terminology.hl7.org/CodeSystem/observation-category", "survey", "Survey");
    json!({
        "resourceType": "Observation",
        "status": "final",
        "category": [category],
        "code": code,
        "subject": { "reference": scene.patient },
        "effectiveDateTime": scene.authored_on(),
        "performer": [{ "reference": scene.requester }],
    })
}

fn score(digits: &str) -> Value {
    json!({ "value": decimal(digits), "unit": "score", "system": "http://unitsofmeasure.org", "code": "{score}" })
}

/// The four ONS wellbeing questions. No SNOMED id for them is confirmed, so they are text.
fn wellbeing(scene: &mut Scene) -> Value {
    let questions = ["Life satisfaction", "Worthwhile", "Happiness yesterday", "Anxiety yesterday"];
    let mut components = Vec::new();
    for question in questions {
        let digits = match scene.rng.random_range(0..3) {
            0 => format!("{}.0", scene.rng.random_range(0..=10)),
            1 => format!("{}.50", scene.rng.random_range(0..10)),
            _ => format!("{}.{:02}", scene.rng.random_range(0..10), scene.rng.random_range(0..10) * 10),
        };
        components.push(json!({ "code": { "text": question }, "valueQuantity": score(&digits) }));
    }
    let mut observation = survey(scene, json!({ "text": "ONS4 personal wellbeing" }));
    observation["component"] = Value::Array(components);
    observation
}

fn short_warwick_edinburgh(scene: &mut Scene) -> Value {
    let metric = ["7.00", "15.32", "19.25", "21.54", "24.11", "30.70"];
    let digits = metric.choose(&mut scene.rng).copied().unwrap_or("19.25");
    let code = concept(SNOMED, "718466001", "Short Warwick-Edinburgh Mental Well-being Scale score");
    let mut observation = survey(scene, code);
    observation["valueQuantity"] = score(digits);
    observation
}

fn answers(scene: &mut Scene) -> Value {
    let hours = ["0.5", "1.50", "4.0", "12.25"].choose(&mut scene.rng).copied().unwrap_or("4.0");
    let alone = scene.sometimes(0.5);
    json!({
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "subject": { "reference": scene.patient },
        "authored": scene.authored_on(),
        "author": { "reference": scene.requester },
        "item": [
            { "linkId": "1", "text": "What matters to you?", "answer": [{ "valueString": words::note(&mut scene.rng) }] },
            { "linkId": "2", "text": "Do you live alone?", "answer": [{ "valueBoolean": alone }] },
            { "linkId": "3", "text": "Hours with other people in a usual week", "answer": [{ "valueDecimal": decimal(hours) }] },
        ],
    })
}

fn condition(scene: &mut Scene) -> Value {
    let system = "http://terminology.hl7.org/CodeSystem";
    json!({
        "resourceType": "Condition",
        "clinicalStatus": concept(&format!("{system}/condition-clinical"), "active", "Active"),
        "verificationStatus": concept(&format!("{system}/condition-ver-status"), "confirmed", "Confirmed"),
        "category": [concept(&format!("{system}/condition-category"), "encounter-diagnosis", "Encounter Diagnosis")],
        "code": { "text": scene.category.problem },
        "subject": { "reference": scene.patient },
        "recordedDate": scene.authored_on(),
    })
}
