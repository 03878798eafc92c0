//! Who the person is, and how to reach them.

use super::Section;
use crate::document::{Document, Said};
use crate::words::{address, chosen_name, concept, contact, date};

/// Who the person is.
pub(super) fn about(document: &Document) -> Section {
    let mut section = Section::new("About the person");
    for patient in document.of_kind("Patient") {
        section.line("Name", chosen_name(patient));
        section.line("Date of birth", patient.words("birthDate").map(date));
        section.line("Gender", patient.words("gender"));
        for communication in patient.items("communication") {
            let language = communication.get("language").and_then(concept);
            let preferred = communication.words("preferred");
            let is_preferred = preferred.as_ref().is_some_and(|preferred| preferred.text == "true");
            let name = if is_preferred { "Preferred language" } else { "Language" };
            let steered = preferred.map(|preferred| preferred.from).unwrap_or_default();
            section.line(name, language.map(|language| language.because_of(steered)));
        }
        // That one is needed is a warning; that none is needed is good to know.
        for extension in patient.items("extension") {
            let needed = extension.words("valueBoolean").filter(|needed| needed.text == "false");
            section.line("Interpreter", needed.map(|needed| needed.map(|_| "not needed".to_owned())));
        }
    }
    section
}

/// How to reach them.
pub(super) fn reach(document: &Document) -> Section {
    let mut section = Section::new("How to reach them");
    for patient in document.of_kind("Patient") {
        let ways = patient.items("telecom").into_iter().filter_map(contact);
        let homes = patient.items("address").into_iter().filter_map(address);
        section.lines.extend(ways.chain(homes).map(|(name, says)| (Said::ours(name), says)));
    }
    section
}
