//! A Task of the platform, read as a statement.

use crate::received::{About, Received, Resource};
use crate::statement::{event, order, report, words};
use crate::status::{self, ERROR, TASK_STATUS, UNMAPPED, Vocabulary};
use adapter_contract::{Concept, OutputValue, ReportedOutput, StatusReport, TaskStatus};
use adapter_fhir::json::Object;
use adapter_fhir::read::{concept, local_reference, string};
use serde_json::Value;

/// Types of output that are taken over.
const OUTPUT_TYPES: [&str; 3] = ["Procedure", "Observation", "QuestionnaireResponse"];

/// Outputs of one Task, at most; the rest is named in words.
const MOST_OUTPUTS: usize = 50;

/// What it says.
pub(crate) fn read(
    received: &Received<'_>,
    vocabulary: Vocabulary,
    task: &Resource<'_>,
    about: &About,
    in_focus: bool,
) -> StatusReport {
    let word = task.text("status").unwrap_or_default();
    let business = task.value.get("businessStatus").and_then(concept);
    let mut means = status::task(vocabulary, word, business.as_ref());
    if about.forwarded && means.status == Some(TaskStatus::Requested) {
        // The service that it was passed to has it, and has said nothing yet.
        "rerouted".clone_into(&mut means.business_status);
    }
    let outputs = outputs(received, task, about);
    let told: Vec<String> = outputs.iter().map(|output| format!("{output:?}")).collect();
    let more: Vec<&str> = told.iter().map(String::as_str).collect();
    let own_words = business.and_then(|business| business.text.or(business.code)).as_deref().and_then(words);
    let platform_status = if word.is_empty() {
        Concept { text: Some("a Task without a status".to_owned()), ..Concept::default() }
    } else {
        Concept { system: Some(TASK_STATUS.to_owned()), code: Some(word.to_owned()), text: own_words }
    };
    let contradiction = means.contradiction;
    let order = order(received, task, &["lastModified"], in_focus);
    let mut said = report(about, event(task, &more), order, platform_status, means);
    said.reason = if contradiction {
        Some("The platform's status and business status contradict each other, so neither was taken over.".to_owned())
    } else {
        reason(task)
    };
    if !matches!(said.business_status.as_str(), ERROR | UNMAPPED) {
        said.outputs = outputs;
    }
    said
}

/// The platform's reason: of the status, else the newest note.
fn reason(task: &Resource<'_>) -> Option<String> {
    let stated = task.value.get("statusReason").and_then(concept).and_then(|reason| reason.text.or(reason.code));
    let note = || task.value.get("note")?.as_array()?.iter().rev().find_map(|note| string(note, "text"));
    stated.or_else(note).as_deref().and_then(words)
}

/// What was done. What cannot be carried is said in words, so that the GP sees that there was something.
fn outputs(received: &Received<'_>, task: &Resource<'_>, about: &About) -> Vec<ReportedOutput> {
    let written = Object::read(task.text);
    let contained = written.map(|object| object.array("contained")).unwrap_or_default();
    let all = task.value.get("output").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut outputs: Vec<ReportedOutput> = all
        .iter()
        .take(MOST_OUTPUTS)
        .filter_map(|output| self::output(received, task, about, &contained, output))
        .collect();
    if all.len() > MOST_OUTPUTS {
        let rest = format!("{} further outputs, which are at the platform", all.len() - MOST_OUTPUTS);
        outputs.push(ReportedOutput { kind: Concept::default(), value: in_words(&rest) });
    }
    outputs
}

fn output(
    received: &Received<'_>,
    task: &Resource<'_>,
    about: &About,
    contained: &[&str],
    output: &Value,
) -> Option<ReportedOutput> {
    let kind = output.get("type").and_then(concept).unwrap_or_default();
    let (name, value) = output.as_object()?.iter().find(|(name, _)| name.starts_with("value"))?;
    let value = match (name.as_str(), value.as_str()) {
        ("valueCodeableConcept", _) => OutputValue::Concept(concept(value)?),
        ("valueReference", _) => referred(received, task, about, contained, value.get("reference")?.as_str()?),
        (_, Some(text)) => in_words(&words(text)?),
        _ => in_words("a value of a kind that the gateway does not carry"),
    };
    Some(ReportedOutput { kind, value })
}

/// What an output refers to. No address is followed: a document stays at the platform, under its name there.
fn referred(
    received: &Received<'_>,
    task: &Resource<'_>,
    about: &About,
    contained: &[&str],
    reference: &str,
) -> OutputValue {
    let inside = reference.strip_prefix('#').and_then(|id| {
        contained
            .iter()
            .copied()
            .find(|text| Object::read(text).and_then(|one| one.string("id")).as_deref() == Some(id))
    });
    let text = inside.or_else(|| received.find(reference).map(|(_, resource)| resource.text));
    let local = local_reference(reference.trim_end_matches("/$binary"));
    let Some((text, object)) = text.and_then(|text| Some((text, Object::read(text)?))) else {
        return in_words(
            &local.unwrap_or_else(|| "a resource on another server, which the gateway does not read".to_owned()),
        );
    };
    let kind = object.string("resourceType").unwrap_or_default();
    if is_anothers(received, task, about, text) {
        return in_words("a resource about another person than this referral's, which was not taken over");
    }
    if OUTPUT_TYPES.contains(&kind.as_str()) {
        return OutputValue::Resource(text.to_owned());
    }
    let name = object.string("id").map(|id| format!("{kind}/{id}")).or(local).unwrap_or(kind);
    let about = object.string("description").as_deref().and_then(words);
    in_words(
        &about.map_or_else(|| format!("{name}, at the platform"), |about| format!("{name}, at the platform: {about}")),
    )
}

/// Whether a resource names another person than the referral. One that names nobody is taken for the referral's.
fn is_anothers(received: &Received<'_>, task: &Resource<'_>, about: &About, text: &str) -> bool {
    let at = |value: &Value, path: &str| value.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let resource: Value = serde_json::from_str(text).unwrap_or_default();
    let request = about.request.and_then(|place| received.resources.get(place));
    let ours = at(&task.value, "/for/reference").or_else(|| at(&request?.value, "/subject/reference"));
    let (Some(theirs), Some(ours)) = (at(&resource, "/subject/reference"), ours) else { return false };
    let place = |reference: &str| received.find(reference).map(|(place, _)| place);
    match (place(&theirs), place(&ours)) {
        (Some(theirs), Some(ours)) => theirs != ours,
        _ => {
            theirs != ours && (local_reference(&theirs).is_none() || local_reference(&theirs) != local_reference(&ours))
        }
    }
}

fn in_words(words: &str) -> OutputValue {
    OutputValue::Concept(Concept { text: Some(words.to_owned()), ..Concept::default() })
}
