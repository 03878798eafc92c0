//! A person whose whole record is labelled restricted (R7): what could tell where the person is does not leave, even if
//! a Consent speaks of that label and the sender wrote it down.
//!
//! Told by what may stay, not by what must go: an element that nobody thought of goes. Addresses and telephones, the
//! practice, everybody else's records and all words that are not a code's own are not among what stays.

use super::gate::Ground;
use super::item::Item;
use super::labels;
use super::{Reason, Subject, Withheld};
use gateway_fhir::Json;
use gateway_fhir::identifiers::{NHS_NUMBER, same_system};
use std::collections::BTreeSet;

/// Why something goes.
const WHEREABOUTS: Ground = (Reason::Whereabouts, "R7:restricted-patient");

/// Elements that stay. Of other resources nothing does.
const STAYS: [&str; 32] = [
    "Patient.active",
    "Patient.identifier",
    "Patient.name",
    "Patient.gender",
    "Patient.birthDate",
    "Patient.deceasedBoolean",
    "Patient.deceasedDateTime",
    "Patient.communication",
    "ServiceRequest.status",
    "ServiceRequest.intent",
    "ServiceRequest.category",
    "ServiceRequest.priority",
    "ServiceRequest.doNotPerform",
    "ServiceRequest.code",
    "ServiceRequest.orderDetail",
    "ServiceRequest.subject",
    "ServiceRequest.occurrenceDateTime",
    "ServiceRequest.occurrencePeriod",
    "ServiceRequest.occurrenceTiming",
    "ServiceRequest.authoredOn",
    "ServiceRequest.reasonCode",
    "Task.status",
    "Task.intent",
    "Task.priority",
    "Task.code",
    "Task.focus",
    "Task.for",
    "Task.authoredOn",
    "Task.lastModified",
    "Task.executionPeriod",
    "Task.restriction",
    "Task.reasonCode",
];

/// The Confidentiality of a person's whole record, if it is restricted: of all that are stored the highest (high water). A
/// label that cannot be read, or that is not on the scale (the Personal Demographics Service writes `REDACTED`), stands
/// above all that a permit can speak of.
pub(super) fn restricted(subject: &Subject<'_>) -> Option<u8> {
    records(subject).filter_map(level).max()
}

/// Every Patient that is this person.
pub(super) fn records<'a>(subject: &Subject<'a>) -> impl Iterator<Item = &'a Json> {
    std::iter::once(subject.patient).chain(subject.also.iter().copied())
}

/// The level of one record, if it is restricted.
fn level(patient: &Json) -> Option<u8> {
    let labels = patient.get("meta").map(|meta| meta.items("security")).unwrap_or_default();
    let levels = labels.iter().filter_map(|label| match labels::code(label) {
        Some(code) if labels::is_confidentiality(code) => Some(labels::certain_level(code.1)),
        Some(_) => None,
        None => {
            label.text("system").is_none_or(|system| system.ends_with("Confidentiality")).then_some(labels::UNKNOWN)
        }
    });
    levels.max().filter(|level| *level >= labels::RESTRICTED)
}

/// What goes of these items.
pub(super) fn withheld(items: &[Item]) -> Vec<Withheld> {
    let one = |item: &Item, path: &str| super::gate::withheld_at(item, path, WHEREABOUTS);
    let mut gone = Vec::new();
    for item in items {
        if !STAYS.contains(&item.path.as_str()) || item.facts.foreign_identifier {
            gone.push(one(item, &item.path));
        } else {
            gone.extend(item.facts.words.iter().map(|path| one(item, path)));
        }
    }
    gone
}

/// Whether these are identifiers of which one is no NHS number: whose it is tells where the person is known.
pub(super) fn has_foreign_identifier(path: &str, value: &Json) -> bool {
    let is_ours = |one: &Json| one.text("system").is_some_and(|system| same_system(system, NHS_NUMBER));
    path == "Patient.identifier" && !value.as_array().unwrap_or(std::slice::from_ref(value)).iter().all(is_ours)
}

/// Paths below an element at which words of somebody's own stand, or other records are named: whatever is said there, no
/// code says it. The display of a code is the code's own.
pub(super) fn words(path: &str, value: &Json, found: &mut BTreeSet<String>) {
    match value {
        Json::Array(items) => items.iter().for_each(|item| words(path, item, found)),
        Json::Object(members) => {
            for (member, inner) in members {
                let name = member.trim_start_matches('_');
                let below = format!("{path}.{name}");
                let is_open = match name {
                    "text" | "extension" | "modifierExtension" | "assigner" | "recipient" | "identifier" => true,
                    "display" => !path.ends_with(".coding"),
                    _ => false,
                };
                if is_open {
                    found.insert(below);
                } else {
                    words(&below, inner, found);
                }
            }
        }
        _ => {}
    }
}
