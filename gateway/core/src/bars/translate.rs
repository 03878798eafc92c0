//! A message as the transaction that it amounts to.
//!
//! - The MessageHeader is an envelope and becomes a Task that asks for fulfilment: its `owner` is the destination, its
//!   identifiers are the sender's names (message, ServiceRequest, Encounter), by which a cancellation finds it.
//! - What the gateway has no store for (Encounter, CarePlan, Communication, MedicationStatement, AllergyIntolerance) becomes
//!   contained in the ServiceRequest. So is a Consent that only says that consent for direct care is implied: it is no
//!   Consent to a VCSE organisation (rule R1), and as a resource of its own it would stand against one that is.
//! - What belongs to the message and nothing leads to is referred to in `ServiceRequest.supportingInfo`.

use super::message::{Entry, Message};
use super::{JOURNEY, MESSAGE_ID, service};
use crate::ingest::{STORED, Submission, deduplicated};
use crate::refusal::Refusal;
use crate::task::derived_id;
use gateway_fhir::{Issue, Json, references};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use std::collections::BTreeMap;

/// Types that are of no use to anybody unless the ServiceRequest leads to them.
pub(super) const SUPPORTING: [&str; 7] =
    ["Flag", "Condition", "Observation", "QuestionnaireResponse", "Procedure", "Goal", "DocumentReference"];

/// A message translated.
#[derive(Debug, Clone, PartialEq)]
pub struct Translation {
    /// What ingest reads.
    pub submission: Submission,
    /// `fullUrl` of the Task.
    pub task: String,
    pub(super) places: Places,
}

impl Translation {
    /// A refusal of the submission, told of the message.
    #[must_use]
    pub fn told(&self, refusal: Refusal) -> Refusal {
        self.places.told(refusal)
    }
}

/// Translates a message.
///
/// # Errors
/// [`Refusal`] with the faults that ingest finds, with their places in the message.
pub fn translate(message: &Message<'_>, max_entries: usize) -> Result<Translation, Refusal> {
    let contained: Vec<(Entry<'_>, String)> = message
        .entries()
        .filter(|entry| entry.kind != "MessageHeader" && (!STORED.contains(&entry.kind) || is_implied(entry)))
        .map(|entry| (entry, format!("{}-{}", entry.kind.to_ascii_lowercase(), entry.index)))
        .collect();
    let local: BTreeMap<&str, String> =
        contained.iter().map(|(entry, id)| (entry.full_url, format!("#{id}"))).collect();
    let mut places =
        Places { request: 0, contained: contained.iter().map(|(entry, _)| entry.index).collect(), entries: Vec::new() };
    let mut entries = Vec::new();
    let mut task = None;
    for entry in message.entries() {
        if entry.kind == "MessageHeader" || local.contains_key(entry.full_url) {
            continue;
        }
        let mut resource = entry.resource.clone();
        match entry.kind {
            "ServiceRequest" => {
                places.request = places.entries.len();
                resource = service_request(message, &contained, &local);
            }
            _ => by_identifier(&mut resource, &local),
        }
        if entry.kind == "Task" {
            task = Some(entry.full_url.to_owned());
            complete(&mut resource, message);
        }
        places.entries.push(Some(entry.index));
        entries.push(post(entry.kind, entry.full_url, resource, message));
    }
    let task = task.unwrap_or_else(|| {
        let url = format!("urn:uuid:{}", derived_id(&["bars-task", message.id, message.request.full_url]));
        let mut made: Json = json!({ "resourceType": "Task" }).into();
        complete(&mut made, message);
        places.entries.push(None);
        entries.push(post("Task", &url, made, message));
        url
    });
    let mut bundle: Json = json!({ "resourceType": "Bundle", "type": "transaction" }).into();
    bundle.set("entry", Json::Array(entries));
    // The Task comes in the place of the MessageHeader: no more entries than there were.
    match crate::ingest::read(&bundle, max_entries) {
        Ok(submission) => Ok(Translation { submission, task, places }),
        Err(refusal) => Err(places.told(refusal)),
    }
}

fn post(kind: &str, full_url: &str, resource: Json, message: &Message<'_>) -> Json {
    let mut request: Json = json!({ "method": "POST", "url": kind }).into();
    if kind == "Task" {
        // The same message under another X-Request-Id is the same referral.
        let id = utf8_percent_encode(message.id, NON_ALPHANUMERIC);
        request.set("ifNoneExist", Json::string(format!("identifier={MESSAGE_ID}|{id}")));
    }
    let mut entry: Json = json!({ "fullUrl": full_url }).into();
    entry.set("resource", resource);
    entry.set("request", request);
    entry
}

/// Consent for direct care that nobody asked the person for: BaRS has it in every message (`DRC`, policyRule `IMPLIED`).
fn is_implied(entry: &Entry<'_>) -> bool {
    let rule = entry.resource.get("policyRule").map(|rule| rule.items("coding")).unwrap_or_default();
    entry.kind == "Consent"
        && entry.resource.get("provision").is_none()
        && !rule.is_empty()
        && rule.iter().all(|coding| coding.text("code") == Some("IMPLIED"))
}

/// The ServiceRequest with what it contains, and with references to all that is part of the message.
fn service_request(message: &Message<'_>, contained: &[(Entry<'_>, String)], local: &BTreeMap<&str, String>) -> Json {
    let mut request = message.request.resource.clone();
    references::rewrite(&mut request, &mut |value, logical| logical.then(|| local.get(value).cloned()).flatten());
    let mut inside = request.items("contained").to_vec();
    let mut labels = Vec::new();
    for (entry, id) in contained {
        let mut resource = entry.resource.clone();
        if entry.kind == "Encounter" {
            journeys(&mut resource, message);
        }
        references::rewrite(&mut resource, &mut |value, logical| logical.then(|| local.get(value).cloned()).flatten());
        resource.remove("id");
        // A contained resource has neither versions nor labels of its own (R4, rules dom-4 and dom-5).
        if let Some(mut meta) = resource.remove("meta") {
            labels.extend(meta.items("security").iter().cloned());
            let left =
                ["profile", "source", "tag"].into_iter().filter_map(|name| Some((name.to_owned(), meta.remove(name)?)));
            let left: Vec<(String, Json)> = left.collect();
            if !left.is_empty() {
                resource.set("meta", Json::Object(left));
            }
        }
        if let Json::Object(members) = &mut resource {
            members.insert(1.min(members.len()), ("id".to_owned(), Json::string(id)));
        }
        inside.push(resource);
    }
    if !inside.is_empty() {
        request.set("contained", Json::Array(inside));
    }
    label(&mut request, labels);
    let reached: Vec<String> = references::literals(&request).map(str::to_owned).collect();
    let named: Vec<String> =
        request.items("supportingInfo").iter().filter_map(|info| info.text("reference")).map(str::to_owned).collect();
    let mut more: Vec<String> =
        contained.iter().map(|(_, id)| format!("#{id}")).filter(|url| !reached.contains(url)).collect();
    for entry in message.entries().filter(|entry| SUPPORTING.contains(&entry.kind)) {
        let url = entry.full_url.to_owned();
        // Of a Flag only supportingInfo tells (ingest).
        if !named.contains(&url) && (entry.kind == "Flag" || !reached.contains(&url)) {
            more.push(url);
        }
    }
    if !more.is_empty() {
        let mut info = request.items("supportingInfo").to_vec();
        info.extend(more.into_iter().map(|url| json!({ "reference": url }).into()));
        request.set("supportingInfo", Json::Array(info));
    }
    request
}

/// What a part is labelled with, the whole is.
pub(super) fn label(request: &mut Json, labels: Vec<Json>) {
    if labels.is_empty() {
        return;
    }
    let mut meta = request.remove("meta").unwrap_or(Json::Object(Vec::new()));
    let mut all = meta.items("security").to_vec();
    all.extend(labels);
    meta.set("security", Json::Array(all));
    request.set("meta", meta);
}

/// `episodeOfCare` holds the journey id as a reference to an EpisodeOfCare that nobody stores: it becomes an identifier.
fn journeys(encounter: &mut Json, message: &Message<'_>) {
    let Some(Json::Array(episodes)) = encounter.get_mut("episodeOfCare") else { return };
    for episode in episodes {
        let Some(reference) = episode.text("reference").map(str::to_owned) else { continue };
        if message.find(&reference).is_some() || reference.starts_with('#') {
            continue;
        }
        let id = reference.rsplit(['/', ':']).next().unwrap_or_default();
        episode.remove("reference");
        episode.set("type", Json::string("EpisodeOfCare"));
        if episode.get("identifier").is_none() {
            episode.set("identifier", json!({ "system": JOURNEY, "value": id }).into());
        }
    }
}

/// References from elsewhere to what the ServiceRequest contains: from outside only an identifier can name it. The nesting is
/// that of a document which passed the door.
pub(super) fn by_identifier(value: &mut Json, local: &BTreeMap<&str, String>) {
    match value {
        Json::Array(items) => items.iter_mut().for_each(|item| by_identifier(item, local)),
        Json::Object(_) => {
            let url = value.text("reference").filter(|url| local.contains_key(url)).map(str::to_owned);
            if let Some(url) = url {
                value.remove("reference");
                if value.get("identifier").is_none() {
                    value.set("identifier", json!({ "system": "urn:ietf:rfc:3986", "value": url }).into());
                }
            }
            if let Json::Object(members) = value {
                members.iter_mut().for_each(|(_, member)| by_identifier(member, local));
            }
        }
        _ => {}
    }
}

/// Makes a Task ask for the fulfilment of the message's ServiceRequest; what its sender wrote stays.
fn complete(task: &mut Json, message: &Message<'_>) {
    let request = message.request.resource;
    let mut identifiers = task.items("identifier").to_vec();
    identifiers.extend(names(message));
    task.set("identifier", Json::Array(identifiers));
    let mut absent = |name: &str, value: Option<Json>| {
        if let Some(value) = value
            && task.get(name).is_none()
        {
            task.set(name, value);
        }
    };
    let (system, value) = message.destination;
    absent("status", Some(Json::string("requested")));
    absent("intent", Some(Json::string("order")));
    absent("priority", request.get("priority").cloned());
    let fulfil = json!({ "coding": [{ "system": "http://hl7.org/fhir/CodeSystem/task-code", "code": "fulfill" }] });
    absent("code", Some(fulfil.into()));
    absent("focus", Some(json!({ "reference": message.request.full_url }).into()));
    absent("for", request.get("subject").cloned());
    let written = request.get("authoredOn").or_else(|| message.document.get("timestamp"));
    absent("authoredOn", written.cloned());
    absent("requester", request.get("requester").cloned());
    absent("owner", Some(json!({ "identifier": { "system": system, "value": value } }).into()));
    // By when it is to be dealt with.
    if let Some(end) = request.get("occurrencePeriod").and_then(|period| period.text("end")) {
        absent("restriction", Some(json!({ "period": { "end": end } }).into()));
    }
}

/// The sender's names for a referral: the message (with the return address as its assigner), the ServiceRequest's identifiers,
/// the Encounter's.
#[must_use]
pub fn names(message: &Message<'_>) -> Vec<Json> {
    let assigner = match service(message.source) {
        Some((system, value)) => json!({ "type": "Organization", "identifier": { "system": system, "value": value } }),
        None => json!({ "type": "Organization", "identifier": { "value": message.source } }),
    };
    let mut names: Vec<Json> = vec![json!({ "system": MESSAGE_ID, "value": message.id, "assigner": assigner }).into()];
    let encounters = message.entries().filter(|entry| entry.kind == "Encounter").map(|entry| entry.resource);
    let theirs = std::iter::once(message.request.resource).chain(encounters).flat_map(|one| one.items("identifier"));
    for identifier in theirs {
        // The rest of an identifier may refer to what the Task does not have.
        let short: Vec<(String, Json)> = ["system", "value"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), identifier.get(name)?.clone())))
            .collect();
        let short = Json::Object(short);
        if short.text("value").is_some() && !names.contains(&short) {
            names.push(short);
        }
    }
    names
}

/// Where in the message a place of the transaction is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Places {
    /// Index of the ServiceRequest in the transaction.
    pub(super) request: usize,
    /// Indexes in the message of what the ServiceRequest contains beyond its own.
    pub(super) contained: Vec<usize>,
    /// Index in the message of each entry of the transaction; `None` = the Task that was made.
    pub(super) entries: Vec<Option<usize>>,
}

impl Places {
    pub(super) fn told(&self, refusal: Refusal) -> Refusal {
        let issues = refusal.issues.into_iter().map(|issue| {
            let expression = issue.expression.as_deref().map(|place| self.place(place));
            Issue { expression, ..issue }
        });
        Refusal { issues: deduplicated(issues.collect()), ..refusal }
    }

    fn place(&self, expression: &str) -> String {
        let Some((index, rest)) = indexed(expression, "Bundle.entry[") else { return expression.to_owned() };
        if index == self.request
            && let Some((inner, rest)) = indexed(rest, ".resource.contained[")
            && let Some(own) = self.contained.get(inner)
        {
            return format!("Bundle.entry[{own}].resource{rest}");
        }
        match self.entries.get(index) {
            Some(Some(own)) => format!("Bundle.entry[{own}]{rest}"),
            Some(None) => format!("Task{}", rest.strip_prefix(".resource").unwrap_or(rest)),
            None => expression.to_owned(),
        }
    }
}

/// The number behind this beginning, and what follows the bracket.
fn indexed<'t>(text: &'t str, beginning: &str) -> Option<(usize, &'t str)> {
    let (index, rest) = text.strip_prefix(beginning)?.split_once(']')?;
    Some((index.parse().ok()?, rest))
}
