//! The Patient of a message beside the one that is stored: whether they are the same person, and what is said of them now.

use super::message::{Entry, Message};
use super::translate::{by_identifier, label};
use crate::ingest::nhs_numbers_of;
use crate::refusal::Refusal;
use gateway_fhir::{Issue, IssueCode, Json, references};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Members that say who is meant and nothing of them. A Patient with no others changes nothing.
const NAMES: [&str; 6] = ["resourceType", "id", "meta", "identifier", "text", "language"];

/// BaRS Core, "Cancellation": demographics are compared, so that nobody else's referral is changed or taken back. The NHS number says
/// who somebody is. Where one side has none, day of birth and family name must not contradict, and together, or with another
/// identifier that both have, they must say it.
///
/// # Errors
/// [`Refusal`]: 409 for another person, 422 where nobody can tell.
pub fn same_person(message: &Message<'_>, stored: Option<&Json>) -> Result<(), Refusal> {
    let Some(patient) = patient_in(message) else { return Ok(()) };
    let place = |element: &str| format!("Bundle.entry[{}].resource.{element}", patient.index);
    let another = |element: &str, words: &str| {
        let words =
            format!("This referral is about another person than the Patient in the message. Nothing was done.{words}");
        Err(Refusal::one(409, Issue::at(IssueCode::Conflict, place(element), words)))
    };
    let nobody = Json::Object(Vec::new());
    let (theirs, ours) = (patient.resource, stored.unwrap_or(&nobody));
    let numbers: BTreeSet<String> = nhs_numbers_of(ours).collect();
    let mut sent = nhs_numbers_of(theirs).peekable();
    if !numbers.is_empty() && sent.peek().is_some() {
        return if sent.any(|number| numbers.contains(&number)) { Ok(()) } else { another("identifier", "") };
    }
    let corrected =
        " If this was corrected and the person is the same, send the NHS number with it, or change the Patient by PUT.";
    let births = theirs.text("birthDate").zip(ours.text("birthDate"));
    // What is less exact contradicts nothing.
    if births.is_some_and(|(one, other)| !one.starts_with(other) && !other.starts_with(one)) {
        return another("birthDate", corrected);
    }
    let (one, other) = (families(theirs), families(ours));
    let has_families = !one.is_empty() && !other.is_empty();
    if has_families && one.is_disjoint(&other) {
        return another("name", corrected);
    }
    if (births.is_some() && has_families) || !named(theirs).is_disjoint(&named(ours)) {
        return Ok(());
    }
    let words = "Nobody can tell whether this referral is about the Patient in the message. Send the NHS number, or birthDate and \
                 family name, as they are stored. Nothing was done.";
    Err(Refusal::one(422, Issue::at(IssueCode::Required, place("identifier"), words)))
}

/// The Patient of a message.
pub(super) fn patient_in<'a>(message: &Message<'a>) -> Option<Entry<'a>> {
    message.entries().find(|entry| entry.kind == "Patient")
}

fn families(patient: &Json) -> BTreeSet<String> {
    let names = patient.items("name").iter().filter_map(|name| name.text("family"));
    names.map(|family| family.trim().to_lowercase()).filter(|family| !family.is_empty()).collect()
}

/// Identifiers, each with its system.
fn named(resource: &Json) -> BTreeSet<(&str, &str)> {
    resource.items("identifier").iter().filter_map(|one| one.text("system").zip(one.text("value"))).collect()
}

/// The stored Patient with what the message says of the person, as a `PUT` takes it: what the message leaves out goes, since it says
/// the whole again. That somebody has died, or when they were born, is not taken back by saying nothing of it.
///
/// `kin`: what the stored Patient refers to. `apart`: `fullUrl`s of what does not come along.
pub(super) fn patient(
    message: &Message<'_>,
    theirs: &Json,
    stored: &Json,
    kin: &BTreeMap<String, Json>,
    apart: &BTreeMap<&str, String>,
) -> Json {
    let mut next = stored.clone();
    let labels = theirs.get("meta").map(|meta| meta.items("security").to_vec()).unwrap_or_default();
    let known = stored.get("meta").map(|meta| meta.items("security").to_vec()).unwrap_or_default();
    label(&mut next, labels.into_iter().filter(|label| !known.contains(label)).collect());
    let says = |document: &Json| -> Vec<String> {
        document.as_object().unwrap_or_default().iter().map(|(name, _)| name.clone()).collect()
    };
    if says(theirs).iter().all(|name| NAMES.contains(&name.as_str())) {
        return next;
    }
    let mut theirs = theirs.clone();
    references::rewrite(&mut theirs, &mut |value, logical| logical.then(|| kin_of(message, value, kin)).flatten());
    by_name(&mut theirs, message, apart);
    by_identifier(&mut theirs, apart);
    let is_death = |name: &String| name.trim_start_matches('_').starts_with("deceased");
    let tells_of_death = says(&theirs).iter().any(is_death);
    for name in says(stored) {
        let stays = match name.trim_start_matches('_') {
            "resourceType" | "id" | "meta" | "identifier" | "link" | "birthDate" => true,
            // What comes again keeps its place: the order of members says nothing, and must not look like a change.
            _ => theirs.get(&name).is_some() || (is_death(&name) && !tells_of_death),
        };
        if !stays {
            next.remove(&name);
        }
    }
    for (name, value) in theirs.as_object().unwrap_or_default() {
        match name.as_str() {
            "resourceType" | "id" | "meta" => {}
            "identifier" => next.set(name, identifiers(value, stored)),
            _ => next.set(name, value.clone()),
        }
    }
    next
}

/// Their identifiers, and the NHS number that is known, which a message may leave out.
fn identifiers(theirs: &Json, stored: &Json) -> Json {
    let mut all = theirs.as_array().unwrap_or_default().to_vec();
    let holder: Json = json!({}).into();
    let with = |list: &[Json]| {
        let mut holder = holder.clone();
        holder.set("identifier", Json::Array(list.to_vec()));
        nhs_numbers_of(&holder).collect::<Vec<_>>()
    };
    let sent = with(&all);
    let missing = stored.items("identifier").iter().filter(|one| {
        let own = with(std::slice::from_ref(one));
        !own.is_empty() && own.iter().all(|number| !sent.contains(number))
    });
    all.extend(missing.cloned());
    Json::Array(all)
}

/// What an entry of the message is here, where the stored Patient refers to one of its type that has an identifier in common.
fn kin_of(message: &Message<'_>, full_url: &str, kin: &BTreeMap<String, Json>) -> Option<String> {
    let entry = message.find(full_url)?;
    let same =
        |one: &Json| one.text("resourceType") == Some(entry.kind) && !named(one).is_disjoint(&named(entry.resource));
    kin.iter().find(|(_, one)| same(one)).map(|(reference, _)| reference.clone())
}

/// References to what does not come along say which one it is, by its own identifier. The nesting is that of a document which passed
/// the door.
fn by_name(value: &mut Json, message: &Message<'_>, apart: &BTreeMap<&str, String>) {
    match value {
        Json::Array(items) => items.iter_mut().for_each(|item| by_name(item, message, apart)),
        Json::Object(_) => {
            let url = value.text("reference").filter(|url| apart.contains_key(url)).map(str::to_owned);
            let entry = url.and_then(|url| message.find(&url));
            if let Some(entry) = entry
                && value.get("identifier").is_none()
                && let Some((system, code)) = named(entry.resource).into_iter().next()
            {
                value.set("identifier", json!({ "system": system, "value": code }).into());
                value.set("type", Json::string(entry.kind));
            }
            if let Json::Object(members) = value {
                members.iter_mut().for_each(|(_, member)| by_name(member, message, apart));
            }
        }
        _ => {}
    }
}
