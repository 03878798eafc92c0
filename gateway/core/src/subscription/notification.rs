//! What is sent: a history Bundle whose first entry tells of the Subscription (`backport-subscription-status-r4`), and the resources of
//! its events behind it (`backport-subscription-notification-r4`).

use super::{BACKPORT, Content, Status, Topic};
use gateway_fhir::{Json, instant};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use time::OffsetDateTime;

/// Why it is sent (`http://hl7.org/fhir/ValueSet/subscription-notification-type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// To learn whether somebody answers there.
    Handshake,
    /// Nothing has happened.
    Heartbeat,
    /// Events.
    EventNotification,
    /// The answer to `$status`.
    QueryStatus,
    /// The answer to `$events`.
    QueryEvent,
}

impl Shape {
    /// The code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Heartbeat => "heartbeat",
            Self::EventNotification => "event-notification",
            Self::QueryStatus => "query-status",
            Self::QueryEvent => "query-event",
        }
    }
}

/// One event, with what may be told of it now.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its number within the Subscription, from 1.
    pub number: u64,
    /// When the version was stored.
    pub at: OffsetDateTime,
    /// `Type/id` of what it is about; absent where the Subscription may not be told of it now.
    pub focus: Option<String>,
    /// The resource as it stands now, with its version; absent where that may not be sent.
    pub resource: Option<(u64, Json)>,
}

/// A notification that is to be written.
#[derive(Debug, Clone)]
pub struct Notification<'a> {
    /// Our FHIR base address, without trailing slash.
    pub base_url: &'a str,
    /// Its own name, as UUID: `Bundle.id`.
    pub id: &'a str,
    /// Id of the Subscription.
    pub subscription: &'a str,
    /// Its topic.
    pub topic: Topic,
    /// Where it stands.
    pub status: Status,
    /// How much is told.
    pub content: Content,
    /// Why it is sent.
    pub shape: Shape,
    /// Events since the Subscription was made, sent or not, these included.
    pub since_start: u64,
    /// What is told, by number.
    pub events: &'a [Event],
    /// What `Subscription.error` says.
    pub error: Option<&'a str>,
    /// Now.
    pub now: OffsetDateTime,
}

impl Notification<'_> {
    /// The status resource: R4's `Parameters` in place of R5's `SubscriptionStatus`.
    #[must_use]
    pub fn status(&self) -> Json {
        self.parameters().into()
    }

    /// The Bundle.
    #[must_use]
    pub fn bundle(&self) -> Json {
        let Self { base_url, subscription, .. } = self;
        let mut entries: Vec<Json> = vec![
            json!({
                "fullUrl": format!("urn:uuid:{}", self.id),
                "resource": self.parameters(),
                "request": { "method": "GET", "url": format!("{base_url}/Subscription/{subscription}/$status") },
                "response": { "status": "200" },
            })
            .into(),
        ];
        if self.content != Content::Empty {
            entries.extend(self.focused());
        }
        let mut bundle: Json = json!({
            "resourceType": "Bundle",
            "id": self.id,
            "meta": { "profile": [format!("{BACKPORT}/StructureDefinition/backport-subscription-notification-r4")] },
            "type": "history",
            "timestamp": instant::to_instant(self.now),
        })
        .into();
        bundle.set("entry", Json::Array(entries));
        bundle
    }

    fn parameters(&self) -> Value {
        let Self { base_url, subscription, .. } = self;
        let mut parameters = vec![json!({
            "name": "subscription", "valueReference": { "reference": format!("{base_url}/Subscription/{subscription}") },
        })];
        // The IG: SHOULD NOT be present with empty payloads.
        if self.content != Content::Empty {
            parameters.push(json!({ "name": "topic", "valueCanonical": self.topic.url() }));
        }
        parameters.push(json!({ "name": "status", "valueCode": self.status.code() }));
        parameters.push(json!({ "name": "type", "valueCode": self.shape.code() }));
        parameters
            .push(json!({ "name": "events-since-subscription-start", "valueString": self.since_start.to_string() }));
        for event in self.events {
            let mut part = vec![
                json!({ "name": "event-number", "valueString": event.number.to_string() }),
                json!({ "name": "timestamp", "valueInstant": instant::to_instant(event.at) }),
            ];
            if let (Some(focus), true) = (&event.focus, self.content != Content::Empty) {
                let reference = format!("{base_url}/{focus}");
                part.push(json!({ "name": "focus", "valueReference": { "reference": reference } }));
            }
            parameters.push(json!({ "name": "notification-event", "part": part }));
        }
        if let Some(error) = self.error {
            parameters.push(json!({ "name": "error", "valueCodeableConcept": { "text": error } }));
        }
        json!({
            "resourceType": "Parameters",
            "id": self.id,
            "meta": { "profile": [format!("{BACKPORT}/StructureDefinition/backport-subscription-status-r4")] },
            "parameter": parameters,
        })
    }

    /// An entry for each resource that the events are about: told twice, it would be twice the same.
    fn focused(&self) -> Vec<Json> {
        let mut seen = BTreeSet::new();
        let told = self.events.iter().filter_map(|event| event.focus.as_deref().map(|focus| (focus, event)));
        told.filter(|(focus, _)| seen.insert(*focus))
            .map(|(focus, event)| {
                let whole = event.resource.as_ref().filter(|_| self.content == Content::FullResource);
                let response = match whole {
                    Some((version, _)) => json!({ "status": "200", "etag": format!("W/\"{version}\"") }),
                    None => json!({ "status": "200" }),
                };
                let mut entry: Json = json!({ "fullUrl": format!("{}/{focus}", self.base_url) }).into();
                if let Some((_, resource)) = whole {
                    // As it is stored: no digit of it is written anew.
                    entry.set("resource", resource.clone());
                }
                entry.set("request", json!({ "method": "GET", "url": focus }).into());
                entry.set("response", response.into());
                entry
            })
            .collect()
    }
}

/// One page of the answer to `$status`: each Subscription's status, as matches of a search. `total`: on all pages; `next`: where the rest
/// is.
#[must_use]
pub fn searchset(notifications: &[Notification<'_>], total: u64, next: Option<&str>) -> Json {
    let entries: Vec<Value> = notifications
        .iter()
        .map(|one| {
            json!({
                "fullUrl": format!("urn:uuid:{}", one.id), "resource": one.parameters(), "search": { "mode": "match" },
            })
        })
        .collect();
    let mut bundle = json!({ "resourceType": "Bundle", "type": "searchset", "total": total });
    if let (Some(next), Some(bundle)) = (next, bundle.as_object_mut()) {
        bundle.insert("link".to_owned(), json!([{ "relation": "next", "url": next }]));
    }
    if let (false, Some(bundle)) = (entries.is_empty(), bundle.as_object_mut()) {
        bundle.insert("entry".to_owned(), json!(entries));
    }
    bundle.into()
}
