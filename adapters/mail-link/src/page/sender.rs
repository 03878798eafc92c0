//! Who sent the referral, and how to reach them.

use super::Section;
use super::known::roles;
use crate::document::{Document, Said, View};
use crate::words::{address, chosen_name, contact};

/// Who sent it.
pub(super) fn sent(document: &Document) -> Section {
    let mut section = Section::new("Who sent this");
    for order in document.of_kind("ServiceRequest") {
        let Some(requester) = order.get("requester") else { continue };
        match document.resolve(requester) {
            Some((kind, resource)) => party(document, kind, resource, &mut section),
            None => section.line("Name", requester.words("display")),
        }
    }
    section
}

fn party(document: &Document, kind: &str, who: View<'_>, section: &mut Section) {
    match kind {
        "PractitionerRole" => {
            named(document, who, ("practitioner", "Practitioner", "Name"), section);
            section.line("Role", roles(who));
            reach(who, section);
            named(document, who, ("organization", "Organization", "Organisation"), section);
        }
        // The person's own ways stand under the person.
        "Patient" => section.line("Name", Some(Said::ours("the person themselves"))),
        "Organization" => {
            section.line("Organisation", who.words("name"));
            reach(who, section);
        }
        _ => {
            section.line("Name", chosen_name(who));
            reach(who, section);
        }
    }
}

/// Whom a role points to: by what is there of them, or by the name that stands in the reference.
fn named(document: &Document, role: View<'_>, (element, kind, name): (&str, &str, &str), section: &mut Section) {
    let Some(reference) = role.get(element) else { return };
    match document.resolve(reference).filter(|(found, _)| *found == kind) {
        Some((kind, resource)) => party(document, kind, resource, section),
        None => section.line(name, reference.words("display")),
    }
}

fn reach(who: View<'_>, section: &mut Section) {
    let ways = who.items("telecom").into_iter().filter_map(contact);
    let places = who.items("address").into_iter().filter_map(address);
    section.lines.extend(ways.chain(places).map(|(name, says)| (Said::ours(name), says)));
}
