//! Whose Consent it is: by reference, by NHS number, or by the Patient behind the reference.

use super::Question;
use super::item::without_version;
use gateway_fhir::Json;
use gateway_fhir::identifiers::{NHS_NUMBER, same_system};

/// Whether a reference points to the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Belongs {
    Yes,
    No,
    /// Reference and NHS number tell different things: it may refuse, but not permit.
    Contradictory,
}

/// Whose Consent this is.
pub(super) fn belongs(question: &Question<'_>, consent: &Json) -> Belongs {
    let Some(patient) = consent.get("patient") else { return Belongs::No };
    match points_to(question, patient) {
        // One person may be stored as several Patients: the NHS number behind the reference decides.
        Belongs::No if behind(question, consent, patient) => Belongs::Yes,
        decided => decided,
    }
}

/// Whether a reference points to the person, by `Patient/x` or by NHS number.
pub(super) fn points_to(question: &Question<'_>, reference: &Json) -> Belongs {
    let literal = reference.text("reference").map(without_version);
    let by_literal = literal.is_some_and(|literal| question.subject.references.iter().any(|own| own == literal));
    let number = reference.get("identifier").and_then(nhs_number);
    let by_number = number.zip(question.subject.nhs_number).map(|(theirs, ours)| same_number(theirs, ours));
    match (by_literal, by_number) {
        (true, Some(false)) => Belongs::Contradictory,
        (true, _) | (false, Some(true)) => Belongs::Yes,
        (false, _) => Belongs::No,
    }
}

/// Whether the Patient that a reference leads to, stored or contained, has the person's NHS number.
fn behind(question: &Question<'_>, consent: &Json, reference: &Json) -> bool {
    let (Some(literal), Some(ours)) = (reference.text("reference"), question.subject.nhs_number) else { return false };
    let patient = match literal.strip_prefix('#') {
        Some(fragment) => consent.items("contained").iter().find(|inner| inner.text("id") == Some(fragment)).cloned(),
        None => (question.directory)(without_version(literal)),
    };
    let patient = patient.filter(|patient| patient.text("resourceType") == Some("Patient"));
    let Some(patient) = patient else { return false };
    patient.items("identifier").iter().filter_map(nhs_number).any(|number| same_number(number, ours))
}

fn nhs_number(identifier: &Json) -> Option<&str> {
    identifier.text("system").filter(|system| same_system(system, NHS_NUMBER))?;
    identifier.text("value")
}

/// Spaces are for the eye.
fn same_number(one: &str, other: &str) -> bool {
    one.chars().filter(|c| *c != ' ').eq(other.chars().filter(|c| *c != ' '))
}
