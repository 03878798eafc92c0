//! The synchronous answer: the message again, with the ids that its resources have here.
//!
//! BaRS Core, "FHIR usage, Bundle", and the published answers of every API version: `resource.id` is absent from what a sender
//! sends and given by the receiver in the synchronous reply, whose `Bundle.id` and `fullUrl`s are the sender's. The
//! MessageHeader stays as sent; its `response` (R4, messaging, "Response message") says which message was taken and refers to an
//! OperationOutcome. What was made of the referral is the Task, which BaRS answers lack.

use super::REFERRAL_NUMBER;
use super::message::Message;
use super::patterns::Act;
use adapter_contract::TaskStatus;
use gateway_fhir::{Issue, IssueCode, Json, Severity, issue, references};
use serde_json::json;
use std::collections::BTreeMap;

/// What the store has of a message.
pub struct Stored<'a> {
    /// `Type/id` by the sender's `fullUrl`, of what is stored by itself.
    pub references: BTreeMap<String, String>,
    /// `fullUrl` of the Task.
    pub task_url: &'a str,
    /// The newest version of the Task.
    pub task: &'a Json,
    /// What the sender's staff can quote; absent where there is nothing yet.
    pub number: Option<&'a str>,
    /// Ids for the MessageHeader and the OperationOutcome.
    pub ids: [String; 2],
}

/// The answer to a message that was taken.
#[must_use]
pub fn answer(message: &Message<'_>, stored: &Stored<'_>) -> Json {
    let [header_id, outcome_id] = &stored.ids;
    let outcome_url = format!("urn:uuid:{outcome_id}");
    let mut entries = Vec::new();
    let mut has_task = false;
    for entry in message.entries() {
        let mut resource = entry.resource.clone();
        match entry.kind {
            "MessageHeader" => {
                named(&mut resource, header_id);
                let response = json!({
                    "identifier": message.id, "code": "ok", "details": { "reference": outcome_url },
                });
                resource.set("response", response.into());
            }
            "Task" => {
                has_task = true;
                resource = as_sent(stored);
            }
            kind => {
                if let Some((_, id)) = stored.references.get(entry.full_url).and_then(|own| own.split_once('/')) {
                    named(&mut resource, id);
                }
                if let (true, Some(number)) = (kind == "ServiceRequest", stored.number) {
                    let mut identifiers = resource.items("identifier").to_vec();
                    identifiers.push(json!({ "system": REFERRAL_NUMBER, "value": number }).into());
                    resource.set("identifier", Json::Array(identifiers));
                }
            }
        }
        entries.push(listed(entry.full_url, resource));
    }
    if !has_task {
        entries.push(listed(stored.task_url, as_sent(stored)));
    }
    let mut outcome = issue::operation_outcome(&[said(message.pattern.act, stored.task)]);
    named(&mut outcome, outcome_id);
    entries.push(listed(&outcome_url, outcome));
    let mut bundle: Json = json!({ "resourceType": "Bundle", "id": message.id }).into();
    for (name, value) in [("meta", message.document.get("meta").cloned()), ("type", Some(Json::string("message")))] {
        if let Some(value) = value {
            bundle.set(name, value);
        }
    }
    if let Some(timestamp) = message.document.get("timestamp") {
        bundle.set("timestamp", timestamp.clone());
    }
    bundle.set("entry", Json::Array(entries));
    bundle
}

fn listed(full_url: &str, resource: Json) -> Json {
    let mut entry: Json = json!({ "fullUrl": full_url }).into();
    entry.set("resource", resource);
    entry
}

fn named(resource: &mut Json, id: &str) {
    resource.remove("id");
    if let Json::Object(members) = resource {
        members.insert(1.min(members.len()), ("id".to_owned(), Json::string(id)));
    }
}

/// The Task as it is stored, referring to the entries of the message.
fn as_sent(stored: &Stored<'_>) -> Json {
    let mut task = stored.task.clone();
    references::rewrite(&mut task, &mut |value, logical| {
        let mut known = stored.references.iter().filter(|_| logical);
        known.find(|(_, own)| own.as_str() == value).map(|(url, _)| url.clone())
    });
    task
}

/// What became of it, in a sentence. A Task's reason is words of the gateway's, without patient data.
fn said(act: Act, task: &Json) -> Issue {
    let status = crate::task::status(task);
    let reason = task.get("statusReason").and_then(|reason| reason.text("text")).unwrap_or_default();
    let (severity, diagnostics) = match status {
        Some(TaskStatus::OnHold) => {
            (Severity::Warning, format!("The referral is stored and waits for a person. {reason}"))
        }
        Some(TaskStatus::Cancelled | TaskStatus::EnteredInError) => {
            (Severity::Information, "The referral is taken back.".to_owned())
        }
        _ if act == Act::Change => {
            let words = "The change is stored, and goes to the organisation as far as it can be told. Where it could not be told, \
                         Task.statusReason says so.";
            (Severity::Information, words.to_owned())
        }
        _ => (Severity::Information, "The referral is stored and on its way. Nobody has accepted it yet.".to_owned()),
    };
    Issue { severity, code: IssueCode::Informational, diagnostics, expression: None }
}
