//! A message that changes a referral, as the transaction that it amounts to: the ServiceRequest and the Patient that are stored, with
//! what the message says in place of what may change, and what belongs to the message beside them.
//!
//! Who sends, who receives and what the ServiceRequest contains stay as they came first: a message repeats them, and a change of them
//! is another referral.

use super::message::Message;
use super::person::{patient, patient_in};
use super::translate::{Places, SUPPORTING, Translation, by_identifier, label};
use crate::ingest::may_change;
use crate::refusal::Refusal;
use gateway_fhir::{Issue, IssueCode, Json, references};
use serde_json::json;
use std::collections::BTreeMap;

/// A stored resource: id, version, document.
pub type Standing<'a> = (&'a str, u64, &'a Json);

/// What a message that changes a referral finds.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// Id of the Task.
    pub task: &'a str,
    /// The ServiceRequest.
    pub request: Standing<'a>,
    /// The Patient.
    pub person: &'a Json,
    /// Its id and version, where it is stored by itself; else it is contained in the ServiceRequest.
    pub patient: Option<(&'a str, u64)>,
    /// What the Patient refers to, by `Type/id`.
    pub kin: &'a BTreeMap<String, Json>,
}

/// Translates a message that changes a referral.
///
/// # Errors
/// [`Refusal`] with the faults that ingest finds, with their places in the message.
pub fn changed(message: &Message<'_>, before: &Before<'_>, max_entries: usize) -> Result<Translation, Refusal> {
    let comes = |kind: &str| SUPPORTING.contains(&kind) || matches!(kind, "ServiceRequest" | "Patient");
    // What does not come along is named by its identifier, so that nothing leads nowhere.
    let apart: BTreeMap<&str, String> = message
        .entries()
        .filter(|entry| !comes(entry.kind) || (entry.kind == "Patient" && before.patient.is_none()))
        .map(|entry| (entry.full_url, String::new()))
        .collect();
    let mut entries = vec![put(message.request.full_url, before.request, requested(message, before.request.2, &apart))];
    let mut places = Places { request: 0, contained: Vec::new(), entries: vec![Some(message.request.index)] };
    if let Some(theirs) = patient_in(message) {
        let stored = plain(before.person);
        let next = patient(message, theirs.resource, &stored, before.kin, &apart);
        match before.patient {
            _ if next == stored => {}
            Some((id, version)) => {
                places.entries.push(Some(theirs.index));
                entries.push(put(theirs.full_url, (id, version, before.person), next));
            }
            None => {
                let words = "The Patient of this referral is contained in its ServiceRequest, and a message does not change it. Send it \
                             as it stands, or with its identifier alone, and change it by PUT of the ServiceRequest.";
                let place = format!("Bundle.entry[{}].resource", theirs.index);
                return Err(Refusal::one(422, Issue::at(IssueCode::BusinessRule, place, words)));
            }
        }
    }
    for entry in message.entries().filter(|entry| SUPPORTING.contains(&entry.kind)) {
        let mut resource = entry.resource.clone();
        by_identifier(&mut resource, &apart);
        let made = json!({ "method": "POST", "url": entry.kind });
        places.entries.push(Some(entry.index));
        entries.push(entry_of(entry.full_url, resource, made.into()));
    }
    stand(&mut entries, message, before);
    let mut bundle: Json = json!({ "resourceType": "Bundle", "type": "transaction" }).into();
    bundle.set("entry", Json::Array(entries));
    match crate::ingest::read(&bundle, max_entries) {
        Ok(submission) => Ok(Translation { submission, task: format!("urn:uuid:{}", before.task), places }),
        Err(refusal) => Err(places.told(refusal)),
    }
}

/// Where the Patient is not written, what is about the person refers to it as it is stored.
fn stand(entries: &mut [Json], message: &Message<'_>, before: &Before<'_>) {
    let Some(((id, _), theirs)) = before.patient.zip(patient_in(message)) else { return };
    if entries.iter().any(|entry| entry.text("fullUrl") == Some(theirs.full_url)) {
        return;
    }
    let stored = format!("Patient/{id}");
    for resource in entries.iter_mut().filter_map(|entry| entry.get_mut("resource")) {
        references::rewrite(resource, &mut |value, logical| {
            (logical && value == theirs.full_url).then(|| stored.clone())
        });
    }
}

/// The stored ServiceRequest with what the message asks for now.
fn requested(message: &Message<'_>, stored: &Json, apart: &BTreeMap<&str, String>) -> Json {
    let mut theirs = message.request.resource.clone();
    let led_to: Vec<String> = references::literals(&theirs).map(str::to_owned).collect();
    by_identifier(&mut theirs, apart);
    let mut next = plain(stored);
    let names = |document: &Json| -> Vec<String> {
        document.as_object().unwrap_or_default().iter().map(|(name, _)| name.clone()).collect()
    };
    let mut all = names(&theirs);
    all.extend(names(stored));
    let own = |name: &str| matches!(name, "id" | "meta" | "text" | "language" | "extension" | "contained");
    for name in all.iter().filter(|name| !own(name) && may_change("ServiceRequest", name.trim_start_matches('_'))) {
        replace(&mut next, name, &theirs);
    }
    // What is contained stays and stays led to; what belongs to the message is led to as well.
    let mut info: Vec<Json> =
        next.items("supportingInfo").iter().filter(|info| info.text("reference").is_some()).cloned().collect();
    let named = |info: &[Json], url: &str| info.iter().any(|one| one.text("reference") == Some(url));
    for inside in stored.items("supportingInfo").iter().filter_map(|info| info.text("reference")) {
        if inside.starts_with('#') && !named(&info, inside) {
            info.push(json!({ "reference": inside }).into());
        }
    }
    for entry in message.entries().filter(|entry| SUPPORTING.contains(&entry.kind)) {
        let led = led_to.iter().any(|url| url == entry.full_url);
        if !named(&info, entry.full_url) && (entry.kind == "Flag" || !led) {
            info.push(json!({ "reference": entry.full_url }).into());
        }
    }
    if info.is_empty() {
        next.remove("supportingInfo");
    } else {
        next.set("supportingInfo", Json::Array(info));
    }
    let labels = theirs.get("meta").map(|meta| meta.items("security").to_vec()).unwrap_or_default();
    let known = next.get("meta").map(|meta| meta.items("security").to_vec()).unwrap_or_default();
    label(&mut next, labels.into_iter().filter(|label| !known.contains(label)).collect());
    next
}

fn replace(next: &mut Json, name: &str, theirs: &Json) {
    match theirs.get(name) {
        Some(value) => next.set(name, value.clone()),
        None => drop(next.remove(name)),
    }
}

/// Without the stamps of a stored version.
fn plain(stored: &Json) -> Json {
    let mut document = stored.clone();
    if let Some(meta) = document.get_mut("meta") {
        meta.remove("versionId");
        meta.remove("lastUpdated");
    }
    document
}

fn put(full_url: &str, (id, version, stored): Standing<'_>, next: Json) -> Json {
    let kind = stored.text("resourceType").unwrap_or_default();
    let url = format!("{kind}/{id}");
    entry_of(full_url, next, json!({ "method": "PUT", "url": url, "ifMatch": format!("W/\"{version}\"") }).into())
}

fn entry_of(full_url: &str, resource: Json, request: Json) -> Json {
    let mut entry: Json = json!({ "fullUrl": full_url }).into();
    entry.set("resource", resource);
    entry.set("request", request);
    entry
}
