//! What help is asked for.

use super::Section;
use crate::document::{Document, Said, View};
use crate::words::{concept, concepts, date, period};

/// What is asked for, why and until when.
pub(super) fn asked(document: &Document) -> Section {
    let mut section = Section::new("What help is asked for");
    for order in document.of_kind("ServiceRequest") {
        section.line("Asked for", order.get("code").and_then(concept));
        section.lines("Kind of help", concepts(order, "category"));
        section.lines("Reason", concepts(order, "reasonCode"));
        section.line("Wanted", occurrence(order));
        section.line("Urgency", order.words("priority"));
        section.line("Written on", order.words("authoredOn").map(date));
        section.line("The person was told", order.words("patientInstruction"));
        section.lines("Note", order.items("note").into_iter().filter_map(note));
    }
    for task in document.of_kind("Task") {
        section.line("Urgency now", task.words("priority"));
        section.line("Answer wanted", answer_by(task));
    }
    section
}

fn occurrence(order: View<'_>) -> Option<Said> {
    let day = order.words("occurrenceDateTime").map(date);
    day.or_else(|| order.get("occurrencePeriod").and_then(period))
}

/// A note as it was written, with who wrote it and when.
fn note(note: View<'_>) -> Option<Said> {
    let written = note.words("authorString").into_iter().chain(note.words("time").map(date));
    Some(note.words("text")?.noting(Said::join(written, ", ")))
}

/// Until when the sender wants to hear something.
pub(crate) fn answer_by(task: View<'_>) -> Option<Said> {
    task.get("restriction")?.get("period").and_then(period)
}
