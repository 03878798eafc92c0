//! Telling a subscriber of changed Tasks: the rest-hook channel of the R5 Backport guide, in its R4 shape.
//!
//! One at a time and in order, unless a fault says otherwise. A failure is written down and not retried: the guide has
//! subscribers poll as well, and a gateway that needs every notification has to be found out.

use serde_json::{Value, json};

use super::faults::{FaultKind, Faults};
use super::state::Change;
use crate::clock::{chance, seeded_uuid};
use crate::fhir::{self, FHIR_JSON};

/// What a notification carries of the Task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Payload {
    /// Its address.
    #[default]
    IdOnly,
    /// The Task itself.
    FullResource,
}

/// Where changes are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// The subscriber's endpoint.
    pub url: String,
    /// The bearer token that it asks for.
    pub token: String,
    /// What is carried.
    pub payload: Payload,
}

impl Notify {
    /// Id-only notifications to `url` with `token`.
    pub fn id_only(url: &str, token: &str) -> Self {
        Self { url: url.to_owned(), token: token.to_owned(), payload: Payload::IdOnly }
    }
}

/// What became of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationRecord {
    /// The event number since the subscription began.
    pub event: u64,
    /// The Task.
    pub task_id: String,
    /// `Task.status` that was told.
    pub status: String,
    /// The subscriber's answer, or why there was none.
    pub answer: Result<u16, String>,
}

/// The order in which changes are really sent, after losses, repeats and swaps. What is swapped waits in `held` for
/// the change that follows it, in this call or a later one; where nothing follows, the next empty call lets it go.
pub(super) fn schedule(changes: Vec<Change>, held: &mut Vec<Change>, faults: &Faults) -> Vec<Change> {
    if changes.is_empty() {
        return std::mem::take(held);
    }
    let mut order = Vec::new();
    for change in changes {
        let path = format!("/Task/{}", fhir::text_at(&change.task, "/id").unwrap_or_default());
        match faults.strike("NOTIFY", &path, None) {
            Some(FaultKind::LoseNotification) => continue,
            Some(FaultKind::ReorderNotifications) => {
                held.push(change);
                continue;
            }
            Some(FaultKind::DuplicateNotification) => order.push(change.clone()),
            _ => {}
        }
        order.push(change);
        order.append(held);
    }
    order
}

/// Sends one change.
pub(super) async fn send(client: &reqwest::Client, to: &Notify, base_url: &str, change: &Change) -> NotificationRecord {
    let body = bundle(to.payload, base_url, change);
    let request = client.post(&to.url).bearer_auth(&to.token).header("content-type", FHIR_JSON).body(body.to_string());
    let answer = match request.send().await {
        Ok(response) => Ok(response.status().as_u16()),
        Err(error) => Err(error.to_string()),
    };
    let text = |pointer| fhir::text_at(&change.task, pointer).unwrap_or_default().to_owned();
    NotificationRecord { event: change.number, task_id: text("/id"), status: text("/status"), answer }
}

/// The notification Bundle: the subscription's status first, the Task's address (and the Task) after it.
pub(super) fn bundle(payload: Payload, base_url: &str, change: &Change) -> Value {
    let task = &change.task;
    let address = format!("Task/{}", fhir::text_at(task, "/id").unwrap_or_default());
    let at = fhir::text_at(task, "/meta/lastUpdated").unwrap_or_default();
    let backport = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition";
    // Seeded by the event, so that a repeated notification is the same Bundle again.
    let mut rng = chance(change.number, 0);
    let status = json!({
        "resourceType": "Parameters",
        "meta": { "profile": [format!("{backport}/backport-subscription-status-r4")] },
        "parameter": [
            { "name": "subscription", "valueReference": { "reference": format!("{base_url}/Subscription/gateway") } },
            { "name": "topic", "valueCanonical": "http://hl7.org/fhir/us/sdoh-clinicalcare/SubscriptionTopic/Task" },
            { "name": "status", "valueCode": "active" },
            { "name": "type", "valueCode": "event-notification" },
            { "name": "events-since-subscription-start", "valueString": change.number.to_string() },
            { "name": "notification-event", "part": [
                { "name": "event-number", "valueString": change.number.to_string() },
                { "name": "timestamp", "valueInstant": at },
                { "name": "focus", "valueReference": { "reference": format!("{base_url}/{address}") } },
            ] },
        ],
    });
    let mut focus = json!({
        "fullUrl": format!("{base_url}/{address}"),
        "request": { "method": "PUT", "url": address },
        "response": { "status": "200" },
    });
    if payload == Payload::FullResource {
        focus["resource"] = task.clone();
    }
    json!({
        "resourceType": "Bundle",
        "id": seeded_uuid(&mut rng).to_string(),
        "meta": { "profile": [format!("{backport}/backport-subscription-notification-r4")] },
        "type": "history",
        "timestamp": at,
        "entry": [
            {
                "fullUrl": seeded_uuid(&mut rng).urn().to_string(),
                "resource": status,
                "request": { "method": "GET", "url": "Subscription/gateway/$status" },
                "response": { "status": "200" },
            },
            focus,
        ],
    })
}
