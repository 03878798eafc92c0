//! A Task of the platform, read as a statement.

use crate::outputs::Outputs;
use crate::received::{About, Received, Resource};
use crate::statement::{event, order, report, words};
use crate::status::{self, ERROR, TASK_STATUS, UNMAPPED, Vocabulary};
use adapter_contract::{Concept, StatusReport, TaskStatus};
use adapter_fhir::read::{concept, string};

/// What it says.
pub(crate) fn read(
    received: &Received<'_>,
    vocabulary: Vocabulary,
    task: &Resource<'_>,
    about: &About,
    in_focus: bool,
    outputs: &mut Outputs,
) -> StatusReport {
    let word = task.text("status").unwrap_or_default();
    let business = task.value.get("businessStatus").and_then(concept);
    let mut means = status::task(vocabulary, word, business.as_ref());
    if about.forwarded && means.status == Some(TaskStatus::Requested) {
        // The service that it was passed to has it, and has said nothing yet.
        "rerouted".clone_into(&mut means.business_status);
    }
    // A statement that is not believed brings nothing, and takes nothing from one that is.
    let believed = !matches!(means.business_status.as_str(), ERROR | UNMAPPED);
    let told = outputs.read(received, task, about, believed);
    let more: Vec<&str> = told.digests.iter().map(String::as_str).collect();
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
    said.outputs = told.outputs;
    said
}

/// The platform's reason: of the status, else the newest note.
fn reason(task: &Resource<'_>) -> Option<String> {
    let stated = task.value.get("statusReason").and_then(concept).and_then(|reason| reason.text.or(reason.code));
    let note = || task.value.get("note")?.as_array()?.iter().rev().find_map(|note| string(note, "text"));
    stated.or_else(note).as_deref().and_then(words)
}
