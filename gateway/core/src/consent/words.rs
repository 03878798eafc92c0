//! Free text (R7): where a resource holds words that somebody wrote, and whether a code stands beside them.
//!
//! Names, addresses and organisations are not meant, nor the display of a code, nor a question of a questionnaire: these
//! are the words of a register or of a form. A `text` that only repeats the display of a code beside it says nothing of
//! its own.

use super::item::{ADMINISTRATIVE, ADMINISTRATIVE_ELEMENTS, AUTHORS};
use gateway_fhir::Json;
use std::collections::BTreeMap;

/// What somebody wrote, the more guarded last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Words {
    /// Beside a code or a reference, which says the same in another form, or should.
    Label,
    /// Alone: nothing but the words says it.
    Alone,
}

/// Elements that hold words and whose name does not end in their type.
const WRITTEN: [&str; 6] = ["description", "comment", "patientInstruction", "title", "data", "valueBase64Binary"];

/// Adds the places at which an element of a resource of this type holds words.
pub(super) fn find(kind: &str, element: &str, value: &Json, found: &mut BTreeMap<String, Words>) {
    // Why it stands as it does is told in words, although the element is otherwise administrative.
    let told = matches!(element, "statusReason" | "businessStatus");
    let named = ADMINISTRATIVE_ELEMENTS.contains(&element) || AUTHORS.contains(&element) || element == "patient";
    if !ADMINISTRATIVE.contains(&kind) && (told || !named) {
        child(&format!("{kind}.{element}"), element, value, found);
    }
}

fn at(path: &str, name: &str, value: &Json, found: &mut BTreeMap<String, Words>) {
    match value {
        // A note is words as a whole, with who wrote them when.
        Json::Array(_) | Json::Object(_) if name == "note" => add(path, Words::Alone, found),
        Json::Array(items) => items.iter().for_each(|item| at(path, name, item, found)),
        Json::Object(members) => {
            for (member, inner) in members {
                let name = member.trim_start_matches('_');
                let below = format!("{path}.{name}");
                match (name, inner) {
                    ("text", Json::String(text)) => {
                        if let Some(words) = beside(value, text) {
                            add(&below, words, found);
                        }
                    }
                    ("display", Json::String(_)) => {
                        if let Some(words) = of_reference(value) {
                            add(&below, words, found);
                        }
                    }
                    _ => child(&below, name, inner, found),
                }
            }
        }
        Json::String(_) if WRITTEN.contains(&name) || name.ends_with("String") || name.ends_with("Markdown") => {
            add(path, Words::Alone, found);
        }
        _ => {}
    }
}

fn child(path: &str, name: &str, value: &Json, found: &mut BTreeMap<String, Words>) {
    match name {
        "extension" | "modifierExtension" => extensions(path, value, found),
        _ => at(path, name, value, found),
    }
}

/// An adapter declares an extension by its URL.
fn extensions(path: &str, value: &Json, found: &mut BTreeMap<String, Words>) {
    for one in value.as_array().unwrap_or_default() {
        let url = one.text("url").unwrap_or_default();
        at(&format!("{path}({url})"), "extension", one, found);
    }
}

fn add(path: &str, words: Words, found: &mut BTreeMap<String, Words>) {
    let known = found.entry(path.to_owned()).or_insert(words);
    *known = words.max(*known);
}

/// What the `text` of this object is, if it says anything of its own.
fn beside(holder: &Json, text: &str) -> Option<Words> {
    // A question of a questionnaire is the form's.
    if holder.get("linkId").is_some() {
        return None;
    }
    let coded = |coding: &&Json| coding.text("code").is_some();
    let mut codings = holder.items("coding").iter().filter(coded).peekable();
    if codings.peek().is_none() {
        return Some(Words::Alone);
    }
    let repeats = codings.any(|coding| coding.text("display").is_some_and(|display| says_the_same(text, display)));
    (!repeats).then_some(Words::Label)
}

/// What the `display` of this object is; a Coding's is the code's own.
fn of_reference(holder: &Json) -> Option<Words> {
    // A Coding without a code says by its display alone what it says.
    if holder.get("code").is_some() {
        return None;
    }
    let leads = holder.get("reference").is_some() || holder.get("identifier").is_some();
    Some(if leads { Words::Label } else { Words::Alone })
}

/// Blanks and case aside. SNOMED CT ends a full name with its kind in brackets, `Loneliness (finding)`, which people leave
/// out.
fn says_the_same(text: &str, display: &str) -> bool {
    let plain = |words: &str| words.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let (text, display) = (plain(text), plain(display));
    let bare = display.strip_suffix(')').and_then(|open| open.rsplit_once(" (")).map(|(bare, _)| bare);
    text == display || bare == Some(text.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn found(kind: &str, element: &str, value: Value) -> Vec<(String, Words)> {
        let mut found = BTreeMap::new();
        find(kind, element, &value.into(), &mut found);
        found.into_iter().collect()
    }

    #[test]
    fn words_are_found_where_they_stand() {
        let lonely = |text: &str| json!([{"coding": [{"code": "1", "display": "Loneliness (finding)"}], "text": text}]);
        for (kind, element, value, expected) in [
            (
                "ServiceRequest",
                "reasonCode",
                json!([{"text": "x"}]),
                Some(("ServiceRequest.reasonCode.text", Words::Alone)),
            ),
            ("ServiceRequest", "reasonCode", lonely("x"), Some(("ServiceRequest.reasonCode.text", Words::Label))),
            ("ServiceRequest", "reasonCode", lonely(" loneliness  (Finding)"), None),
            ("ServiceRequest", "reasonCode", lonely("Loneliness"), None),
            (
                "ServiceRequest",
                "reasonCode",
                lonely("Loneliness, drinks"),
                Some(("ServiceRequest.reasonCode.text", Words::Label)),
            ),
            (
                "ServiceRequest",
                "code",
                json!({"coding": [{"code": "1"}], "text": "x"}),
                Some(("ServiceRequest.code.text", Words::Label)),
            ),
            (
                "ServiceRequest",
                "note",
                json!([{"text": "x", "authorString": "y"}]),
                Some(("ServiceRequest.note", Words::Alone)),
            ),
            (
                "ServiceRequest",
                "patientInstruction",
                json!("x"),
                Some(("ServiceRequest.patientInstruction", Words::Alone)),
            ),
            (
                "ServiceRequest",
                "reasonReference",
                json!([{"display": "x"}]),
                Some(("ServiceRequest.reasonReference.display", Words::Alone)),
            ),
            (
                "ServiceRequest",
                "supportingInfo",
                json!([{"reference": "Flag/f", "display": "x"}]),
                Some(("ServiceRequest.supportingInfo.display", Words::Label)),
            ),
            (
                "ServiceRequest",
                "supportingInfo",
                json!([{"identifier": {"value": "1"}, "display": "x"}]),
                Some(("ServiceRequest.supportingInfo.display", Words::Label)),
            ),
            ("ServiceRequest", "category", json!([{"coding": [{"code": "1", "display": "x"}]}]), None),
            (
                "ServiceRequest",
                "category",
                json!([{"coding": [{"system": "urn:a", "display": "x"}]}]),
                Some(("ServiceRequest.category.coding.display", Words::Alone)),
            ),
            ("ServiceRequest", "requester", json!({"display": "Dr A"}), None),
            ("Task", "description", json!("x"), Some(("Task.description", Words::Alone))),
            (
                "Task",
                "input",
                json!([{"type": {"coding": [{"code": "a", "display": "A"}]}, "valueString": "x"}]),
                Some(("Task.input.valueString", Words::Alone)),
            ),
            ("Task", "statusReason", json!({"text": "x"}), Some(("Task.statusReason.text", Words::Alone))),
            ("Condition", "note", json!([{"text": "x"}]), Some(("Condition.note", Words::Alone))),
            ("Condition", "code", json!({"text": "x"}), Some(("Condition.code.text", Words::Alone))),
            ("Condition", "onsetString", json!("x"), Some(("Condition.onsetString", Words::Alone))),
            ("Condition", "recorder", json!({"display": "x"}), None),
            ("Observation", "valueString", json!("x"), Some(("Observation.valueString", Words::Alone))),
            ("Observation", "valueQuantity", json!({"value": 1, "unit": "score", "code": "{score}"}), None),
            (
                "Observation",
                "component",
                json!([{"code": {"text": "x"}}]),
                Some(("Observation.component.code.text", Words::Alone)),
            ),
            (
                "QuestionnaireResponse",
                "item",
                json!([{"linkId": "1", "text": "q", "answer": [{"valueString": "x"}]}]),
                Some(("QuestionnaireResponse.item.answer.valueString", Words::Alone)),
            ),
            (
                "QuestionnaireResponse",
                "item",
                json!([{"linkId": "1", "text": "q", "answer": [{"valueCoding": {"code": "1", "display": "d"}}]}]),
                None,
            ),
            ("Goal", "description", json!({"text": "x"}), Some(("Goal.description.text", Words::Alone))),
            ("Flag", "code", json!({"text": "x"}), Some(("Flag.code.text", Words::Alone))),
            (
                "DocumentReference",
                "content",
                json!([{"attachment": {"data": "eA=="}}]),
                Some(("DocumentReference.content.attachment.data", Words::Alone)),
            ),
            (
                "ServiceRequest",
                "extension",
                json!([{"url": "urn:x", "valueString": "x"}]),
                Some(("ServiceRequest.extension(urn:x).valueString", Words::Alone)),
            ),
            (
                "ServiceRequest",
                "patientInstruction",
                json!({"extension": [{"url": "urn:x", "valueMarkdown": "x"}]}),
                Some(("ServiceRequest.patientInstruction.extension(urn:x).valueMarkdown", Words::Alone)),
            ),
            ("Patient", "contact", json!([{"name": {"text": "x"}}]), None),
            ("Organization", "alias", json!([{"text": "x"}]), None),
        ] {
            let expected: Vec<(String, Words)> =
                expected.into_iter().map(|(path, words)| (path.to_owned(), words)).collect();
            assert_eq!(found(kind, element, value.clone()), expected, "{kind}.{element}: {value}");
        }
    }

    #[test]
    fn a_display_without_a_code_is_words() {
        let places = ["coding.display", "text"].map(|at| (format!("ServiceRequest.code.{at}"), Words::Alone));
        assert_eq!(found("ServiceRequest", "code", json!({"coding": [{"display": "x"}], "text": "x"})), places);
    }

    #[test]
    fn of_several_at_one_place_the_more_guarded_counts() {
        let both =
            json!([{"coding": [{"code": "1"}], "text": "x"}, {"text": "y"}, {"coding": [{"code": "2"}], "text": "z"}]);
        assert_eq!(found("Condition", "bodySite", both), [("Condition.bodySite.text".to_owned(), Words::Alone)]);
    }
}
