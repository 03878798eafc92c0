//! What holds before and after the Consents (R7): labels and code lists first, then whether anything of use is left, and
//! the tenant's limits last.

use super::item::Item;
use super::labels::{self, Code};
use super::policy::{Notes, RecipientClass};
use super::whereabouts;
use super::{Question, Reason, Stage, Withheld};
use std::collections::BTreeSet;

/// A reason and the rule that it comes from.
pub(super) type Ground = (Reason, &'static str);

/// Elements of a ServiceRequest that say what is asked for. Without any of them there is no referral.
const CONTENT: [&str; 7] =
    ["category", "code", "orderDetail", "reasonCode", "reasonReference", "note", "supportingInfo"];

/// Words of ServiceRequest and Task that no code stands for. They go with what they could give away.
const WORDS: [&str; 15] = [
    "ServiceRequest.category.text",
    "ServiceRequest.code.text",
    "ServiceRequest.orderDetail.text",
    "ServiceRequest.reasonCode.text",
    "ServiceRequest.reasonReference.display",
    "ServiceRequest.supportingInfo.display",
    "ServiceRequest.bodySite.text",
    "ServiceRequest.note",
    "ServiceRequest.patientInstruction",
    "Task.code.text",
    "Task.description",
    "Task.note",
    "Task.reasonCode.text",
    "Task.reasonReference.display",
    "Task.input",
];

/// Whole notes, which are sent only where the tenant allows it.
const NOTES: [&str; 4] = ["ServiceRequest.note", "ServiceRequest.patientInstruction", "Task.note", "Task.description"];

/// Why a referral with such a note waits.
const NOTES_WAIT: Ground = (Reason::Notes, "R7:notes");

/// What else tells where the person lives, when the address is withheld.
const PLACES: [&str; 5] =
    ["Patient.contact", "ServiceRequest.locationCode", "ServiceRequest.locationReference", "Location", "RelatedPerson"];

/// Whether labels or code lists withhold an item. `reach` is the highest Confidentiality that a permit speaks of.
pub(super) fn before(question: &Question<'_>, item: &Item, reach: Option<u8>) -> Option<Ground> {
    if item.codes().any(|(system, code)| question.policy.withheld.holds(system, code)) {
        return Some((Reason::WithheldGroup, "R7:code-list"));
    }
    // Whatever is said in a referral of a restricted person is said of that person.
    let person = whereabouts::restricted(question.subject.patient).unwrap_or_default();
    let own = || item.facts.labels.iter().map(|(system, code)| (system.as_str(), code.as_str()));
    let level = item.facts.level.max(person);
    let restricted = level >= labels::RESTRICTED && reach.is_none_or(|reach| reach < level);
    if restricted || own().any(labels::forbids) {
        return Some((Reason::RestrictedItem, "R7:label"));
    }
    let asked: Code<'_> = ("http://terminology.hl7.org/CodeSystem/v3-ActReason", question.purpose);
    let mut purposes = own().filter(|label| labels::is_purpose(*label)).peekable();
    let conflicts =
        purposes.peek().is_some() && !purposes.any(|label| labels::subsumes(label, asked) == super::truth::Truth::Yes);
    conflicts.then_some((Reason::PurposeLabel, "R7:purpose-label"))
}

/// What goes along with what is withheld: words that could give it away, and places where an address is protected.
pub(super) fn hints(question: &Question<'_>, withheld: &[Withheld]) -> Vec<Withheld> {
    if withheld.is_empty() {
        return Vec::new();
    }
    let address = withheld.iter().any(|one| one.path == "Patient.address");
    let places = PLACES.iter().filter(|_| address);
    let gone: BTreeSet<(&str, &str)> = withheld.iter().map(|one| (one.resource.as_str(), one.path.as_str())).collect();
    let mut hints = Vec::new();
    for path in WORDS.iter().chain(places) {
        for item in question.items.iter().filter(|item| lies_within(path, &item.path)) {
            let is_gone = gone.contains(&(item.resource.as_str(), item.path.as_str()));
            if !is_gone {
                hints.push(Withheld {
                    resource: item.resource.clone(),
                    path: (*path).to_owned(),
                    reason: Reason::Hint,
                    rule: "R7:hint",
                    consent: None,
                });
            }
        }
    }
    hints
}

/// Why, after what is withheld, the whole may not be sent.
pub(super) fn whole(question: &Question<'_>, withheld: &[Withheld]) -> Option<Ground> {
    let goes = |item: &&Item| goes(item, withheld);
    for need in question.needs.iter().filter(|need| need.needed) {
        let mut there = question
            .items
            .iter()
            .filter(|item| lies_within(&item.path, &need.path) || lies_within(&need.path, &item.path))
            .peekable();
        if there.peek().is_some() && there.all(|item| goes(&item)) {
            return Some((Reason::NeededField, "R7:needed-field"));
        }
    }
    let content = question.items.iter().filter(|item| {
        item.kind() == "ServiceRequest" && item.element().is_some_and(|element| CONTENT.contains(&element))
    });
    let person = question.items.iter().filter(|item| item.kind() == "Patient");
    if all_go(content, goes) || all_go(person, goes) {
        return Some((Reason::Empty, "R7:empty"));
    }
    review(question, withheld)
}

/// Whether an item is withheld.
fn goes(item: &Item, withheld: &[Withheld]) -> bool {
    withheld.iter().any(|one| one.resource == item.resource && lies_within(&item.path, &one.path))
}

/// Whether there are such items and every one of them goes.
fn all_go<'a>(items: impl Iterator<Item = &'a Item>, goes: impl Fn(&&'a Item) -> bool) -> bool {
    let mut items = items.peekable();
    items.peek().is_some() && items.all(|item| goes(&item))
}

/// What a person has to look at: a code that asks for it where the person can read along, or a note that would be read.
fn review(question: &Question<'_>, withheld: &[Withheld]) -> Option<Ground> {
    let reviewed = |item: &Item| {
        let codes = &question.policy.review_codes;
        item.codes().any(|(system, code)| codes.iter().any(|(of, known)| of == system && known == code))
    };
    let is_patient_facing = *question.policy.of(question.recipient).class == RecipientClass::PatientFacing;
    if is_patient_facing && question.items.iter().any(reviewed) {
        return Some((Reason::NeedsReview, "R7:review-code"));
    }
    notes(question, withheld).next().is_some().then_some(NOTES_WAIT)
}

/// Notes that would be read by a recipient that nobody has let have notes. What goes back to the sender holds none of
/// them.
fn notes<'q>(question: &'q Question<'_>, withheld: &[Withheld]) -> impl Iterator<Item = &'q Item> {
    let sends = question.stage != Stage::Relay;
    let waits = sends && question.policy.of(question.recipient).notes == Notes::Review;
    let is_read = |item: &Item| {
        let mut needs = question.needs.iter();
        needs.any(|need| lies_within(&item.path, &need.path) || lies_within(&need.path, &item.path))
    };
    let is_note = move |item: &&Item| waits && NOTES.contains(&item.path.as_str()) && is_read(item);
    question.items.iter().filter(is_note).filter(move |item| !goes(item, withheld))
}

/// The notes for which the whole waits, so that a person knows where to look.
pub(super) fn waiting(question: &Question<'_>, reason: Reason, withheld: &[Withheld]) -> Vec<Withheld> {
    let wait = notes(question, withheld).filter(|_| reason == Reason::Notes);
    wait.map(|item| self::withheld(item, NOTES_WAIT, None)).collect()
}

/// What this recipient may not have, of the items that are left.
pub(super) fn beyond(question: &Question<'_>, allowed: &[String], rule: &'static str) -> Vec<Withheld> {
    let is_allowed = |item: &Item| allowed.iter().any(|path| lies_within(&item.path, path));
    let beyond = question.items.iter().filter(|item| !is_allowed(item));
    beyond.map(|item| withheld(item, (Reason::NotAllowed, rule), None)).collect()
}

/// The record of an item that is withheld.
pub(super) fn withheld(item: &Item, (reason, rule): Ground, consent: Option<(String, u64)>) -> Withheld {
    Withheld { resource: item.resource.clone(), path: item.path.clone(), reason, rule, consent }
}

/// The record of a part of an item that is withheld.
pub(super) fn withheld_at(item: &Item, path: &str, ground: Ground) -> Withheld {
    Withheld { path: path.to_owned(), ..withheld(item, ground, None) }
}

/// Whether `path` is `above` or lies below it.
fn lies_within(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
