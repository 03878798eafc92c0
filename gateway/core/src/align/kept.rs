//! What the person keeps from the sender of what a platform says: everything but the status, or every word that no code
//! stands for.

use crate::consent::Kept;
use adapter_contract::{Concept, OutputValue, ReportedOutput, StatusReport, systems};
use gateway_fhir::{Json, door};
use serde_json::json;

/// Why a Task tells a status and nothing of what was done.
const ALL: &str = "The person does not wish the practice to learn more than the status.";

/// Why a Task tells codes and no words.
const WORDS: &str = "The person does not wish the practice to learn more than the status and codes.";

/// Strings of a resource that no words can stand in: codes, and when something was. Of others, by the end of the name.
const PLAIN: [&str; 10] =
    ["resourceType", "status", "code", "system", "version", "linkId", "start", "end", "authored", "issued"];
const PLAIN_ENDS: [&str; 4] = ["DateTime", "Date", "Time", "Instant"];

/// What of a statement the sender may see.
pub(super) fn shown(mut report: StatusReport, kept: Kept) -> StatusReport {
    match kept {
        Kept::Nothing => {}
        Kept::All => {
            // Codes tell the outcome as well as words do (`helped`, `did-not-attend`).
            report.outputs.clear();
            report.platform_status = Concept::default();
            "outcome-withheld".clone_into(&mut report.business_status);
            report.reason = Some(ALL.to_owned());
        }
        Kept::Words => {
            report.reason = Some(WORDS.to_owned());
            report.platform_status = coded(&report.platform_status).unwrap_or_default();
            report.outputs = report.outputs.iter().filter_map(coded_output).collect();
        }
    }
    report
}

/// What of a Task that is stored the sender may be told now. What the sender wrote itself stays.
pub(crate) fn shown_task(task: &Json, kept: Kept) -> Json {
    let mut task = task.clone();
    let because = |words: &str| json!({ "text": words }).into();
    match kept {
        Kept::Nothing => {}
        Kept::All => {
            task.remove("output");
            if task.get("businessStatus").is_some() {
                let withheld =
                    json!({ "coding": [{ "system": systems::BUSINESS_STATUS, "code": "outcome-withheld" }] });
                task.set("businessStatus", withheld.into());
                task.set("statusReason", because(ALL));
            }
        }
        Kept::Words => {
            let coded = |name: &str| task.get(name).and_then(|value| without_words(name, value));
            let (business, output) = (coded("businessStatus"), coded("output"));
            // References have no words, and are all that says where an answer is.
            let output = output.map(|_| task.items("output").iter().filter_map(coded_entry).collect());
            task.remove("businessStatus");
            task.remove("output");
            if let Some(business) = business {
                task.set("businessStatus", business);
                task.set("statusReason", because(WORDS));
            }
            if let Some(output) = output {
                task.set("output", Json::Array(output));
            }
        }
    }
    task
}

/// One entry of `Task.output` with codes alone; `None` if its value was words.
fn coded_entry(output: &Json) -> Option<Json> {
    let value = |name: &str| match name {
        "valueReference" => output
            .get(name)
            .and_then(|value| value.text("reference"))
            .map(|literal| json!({ "reference": literal }).into()),
        _ => output
            .get(name)
            .and_then(|value| without_words(name, value))
            .filter(|value| !value.items("coding").is_empty()),
    };
    let (name, value) =
        ["valueReference", "valueCodeableConcept"].into_iter().find_map(|name| Some((name, value(name)?)))?;
    let kind = output.get("type").and_then(|kind| without_words("type", kind));
    let kind = kind.unwrap_or_else(|| json!({ "text": "What it is was told in words." }).into());
    Some(Json::Object(vec![("type".to_owned(), kind), (name.to_owned(), value)]))
}

/// The same of a resource that such a Task's output refers to.
pub(crate) fn shown_output(resource: &Json, kept: Kept) -> Json {
    let Kept::Words = kept else { return resource.clone() };
    let mut left = without_words("", resource).unwrap_or_else(|| Json::Object(Vec::new()));
    // Whom it is about is no word, and a reference is no code.
    for name in ["id", "subject"] {
        if let Some(value) = resource.get(name) {
            left.set(name, value.clone());
        }
    }
    with_code(&mut left);
    left
}

/// An Observation and each of its components have a code (R4, 1..1): one that was told in words alone is masked.
fn with_code(resource: &mut Json) {
    if resource.text("resourceType") != Some("Observation") {
        return;
    }
    let masked: Json = json!({ "coding": [{
        "system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "masked", "display": "Masked",
    }] })
    .into();
    if resource.get("code").is_none() {
        resource.set("code", masked.clone());
    }
    let mut components = resource.items("component").to_vec();
    for component in components.iter_mut().filter(|one| one.get("code").is_none()) {
        component.set("code", masked.clone());
    }
    if !components.is_empty() {
        resource.set("component", Json::Array(components));
    }
}

/// The code alone; a code of no system is a word.
fn coded(concept: &Concept) -> Option<Concept> {
    let code = concept.system.is_some() && concept.code.is_some();
    code.then(|| Concept { text: None, ..concept.clone() })
}

fn coded_output(output: &ReportedOutput) -> Option<ReportedOutput> {
    let value = match &output.value {
        OutputValue::Concept(concept) => OutputValue::Concept(coded(concept)?),
        OutputValue::Resource(text) => {
            let document = door::admit(text.as_bytes(), &door::DoorLimits::default()).ok()?;
            let mut left = without_words("", &document)?;
            with_code(&mut left);
            OutputValue::Resource(left.to_text())
        }
    };
    let untyped = || Concept { text: Some("What it is was told in words.".to_owned()), ..Concept::default() };
    Some(ReportedOutput { kind: coded(&output.kind).unwrap_or_else(untyped), value })
}

/// What is left of a resource: codes with their displays, numbers, yes and no, and times. `None` if nothing is.
fn without_words(name: &str, value: &Json) -> Option<Json> {
    match value {
        Json::Array(items) => {
            let left: Vec<Json> = items.iter().filter_map(|item| without_words(name, item)).collect();
            (!left.is_empty()).then_some(Json::Array(left))
        }
        Json::Object(members) => {
            let is_coding = value.get("system").is_some() && value.get("code").is_some();
            let left: Vec<(String, Json)> = members
                .iter()
                .filter(|(name, _)| !matches!(name.trim_start_matches('_'), "extension" | "modifierExtension"))
                .filter_map(|(name, inner)| {
                    let inner = if is_coding && name == "display" {
                        inner.as_str().map(|_| inner.clone())
                    } else if name == "code" && inner.as_str().is_some() && !is_coding {
                        None
                    } else {
                        without_words(name, inner)
                    };
                    Some((name.clone(), inner?))
                })
                .collect();
            (!left.is_empty()).then_some(Json::Object(left))
        }
        Json::String(_) => {
            let is_plain = PLAIN.contains(&name) || PLAIN_ENDS.iter().any(|end| name.ends_with(end));
            is_plain.then(|| value.clone())
        }
        other => Some(other.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn of_a_resource_codes_numbers_and_times_are_left() {
        let coding = json!({"system": "urn:s", "code": "c", "display": "stays"});
        let answer = json!({
            "resourceType": "QuestionnaireResponse", "status": "completed", "authored": "2026-06-15T12:00:00Z",
            "text": {"status": "generated", "div": "<div>gone</div>"}, "note": [{"text": "gone"}],
            "extension": [{"url": "urn:gone", "valueString": "gone"}],
            "item": [
                {"linkId": "1", "text": "gone", "answer": [{"valueString": "gone"}, {"valueCoding": coding}]},
                {"linkId": "2", "answer": [{"valueDecimal": 1.5}, {"valueBoolean": true}, {"valueDate": "2026-01-01"}]},
                {"linkId": "3", "answer": [{"valueQuantity": {"value": 2, "unit": "gone"}}]},
                {"linkId": "4", "answer": [{"valueCoding": {"code": "gone", "display": "gone"}}]}
            ],
        });
        let left = without_words("", &Json::from(answer)).expect("something is left").to_text();
        let left: Value = serde_json::from_str(&left).expect("JSON");
        assert_eq!(
            left,
            json!({
                "resourceType": "QuestionnaireResponse", "status": "completed", "authored": "2026-06-15T12:00:00Z",
                "text": {"status": "generated"},
                "item": [
                    {"linkId": "1", "answer": [{"valueCoding": coding}]},
                    {"linkId": "2", "answer": [{"valueDecimal": 1.5}, {"valueBoolean": true}, {"valueDate": "2026-01-01"}]},
                    {"linkId": "3", "answer": [{"valueQuantity": {"value": 2}}]},
                    {"linkId": "4"}
                ],
            })
        );
    }
}
