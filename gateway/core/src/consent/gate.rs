//! What holds before and after the Consents (R7): labels and code lists first, then whether anything of use is left, and
//! the tenant's limits last.

use super::item::Item;
use super::labels::{self, Code};
use super::policy::{Notes, RecipientClass};
use super::whereabouts;
use super::words::Words;
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

/// The rule by which words wait that stand alone, and the one for those beside a code.
const NOTES_RULE: &str = "R7:notes";
pub(super) const LABELS_RULE: &str = "R7:labels";

/// What else tells where the person lives, when the address is withheld.
const PLACES: [&str; 5] =
    ["Patient.contact", "ServiceRequest.locationCode", "ServiceRequest.locationReference", "Location", "RelatedPerson"];

/// Whether labels or code lists withhold an item. `reach` is the highest Confidentiality that a permit speaks of.
pub(super) fn before(question: &Question<'_>, item: &Item, reach: Option<u8>) -> Option<Ground> {
    if item.codes().any(|(system, code)| question.policy.withheld.holds(system, code)) {
        return Some((Reason::WithheldGroup, "R7:code-list"));
    }
    // Whatever is said in a referral of a restricted person is said of that person.
    let person = whereabouts::restricted(&question.subject).unwrap_or_default();
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

/// What a person has to look at: a code that asks for it where the person can read along, or free text that would be read.
fn review(question: &Question<'_>, withheld: &[Withheld]) -> Option<Ground> {
    let reviewed = |item: &Item| {
        let codes = &question.policy.review_codes;
        item.codes().any(|(system, code)| codes.iter().any(|(of, known)| of == system && known == code))
    };
    let is_patient_facing = *question.policy.of(question.recipient).class == RecipientClass::PatientFacing;
    if is_patient_facing && question.items.iter().any(reviewed) {
        return Some((Reason::NeedsReview, "R7:review-code"));
    }
    let waits = !free_text(question, withheld).is_empty();
    waits.then_some((Reason::Notes, NOTES_RULE))
}

/// Free text that would be read by a recipient that nobody has let have it: item, place, rule. What goes back to the sender
/// holds none of it, and what is taken out anyway is no reason to wait.
fn free_text<'q>(question: &'q Question<'_>, withheld: &[Withheld]) -> Vec<(&'q Item, &'q str, &'static str)> {
    let of = question.policy.of(question.recipient);
    let least = match of.notes {
        _ if question.stage == Stage::Relay => return Vec::new(),
        Notes::Send => return Vec::new(),
        Notes::Labels => Words::Alone,
        Notes::Review => Words::Label,
    };
    // A list of what the recipient may have is no refusal that words could give away.
    let refused: Vec<Withheld> = withheld.iter().filter(|one| one.reason != Reason::NotAllowed).cloned().collect();
    let hints = hints(question, &refused);
    let gone = |item: &Item, path: &str| {
        let mut all = withheld.iter().chain(&hints);
        all.any(|one| one.resource == item.resource && lies_within(path, &one.path))
    };
    let allowed = |item: &Item| of.at_most.iter().all(|list| list.iter().any(|path| lies_within(&item.path, path)));
    let mut found = Vec::new();
    for item in question.items.iter().filter(|item| !item.facts.written.is_empty() && allowed(item)) {
        for (path, words) in item.facts.written.iter().filter(|(_, words)| **words >= least) {
            if question.needs.iter().any(|need| reads(&need.path, path)) && !gone(item, path) {
                found.push((item, path.as_str(), if *words == Words::Label { LABELS_RULE } else { NOTES_RULE }));
            }
        }
    }
    found
}

/// Whether a need covers a place, or a part of it. Extensions are covered only where the need names them.
fn reads(need: &str, path: &str) -> bool {
    let extensions = |path: &str| path.matches("xtension").count();
    let all_of_them = need.ends_with("xtension") && path.strip_prefix(need).is_some_and(|rest| rest.starts_with('('));
    all_of_them || ((lies_within(path, need) || lies_within(need, path)) && extensions(need) == extensions(path))
}

/// The free text for which the whole waits, so that a person knows where to look.
pub(super) fn waiting(question: &Question<'_>, reason: Reason, withheld: &[Withheld]) -> Vec<Withheld> {
    if reason != Reason::Notes {
        return Vec::new();
    }
    let wait = free_text(question, withheld).into_iter();
    wait.map(|(item, path, rule)| withheld_at(item, path, (Reason::Notes, rule))).collect()
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
