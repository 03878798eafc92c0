//! BaRS-shaped responses: whoever sent a referral as a message is told by messages what becomes of it.
//!
//! The return address in a message is a name that its sender chose. It is never dialled: it is looked for in the list of the client that
//! sent the message, and what is not on it is told to a person instead.

use super::{Way, asked_to_wait, failed, view};
use crate::gateway::Gateway;
use crate::store::StoreError;
use crate::transport::{Endpoint, Names};
use adapter_contract::{Answer, HttpRequest, Method, Repeat};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gateway_core::bars::{self, Conversation, Responding, Response};
use gateway_core::consent::Kept;
use gateway_core::identity::{ClientId, Compartment, Owner, TenantId};
use gateway_core::notify::{Destination, Fed, Notice, NoticeState, Told, Wanted, What};
use gateway_core::resource::{ResourceKey, ResourceVersion};
use gateway_core::task::derived_id;
use gateway_fhir::{Json, door};
use serde_json::{Value, json};

/// The version of the API that is spoken: in all that are known, headers and `$process-message` are the same.
const FHIR_JSON: &str = "application/fhir+json; version=1.4.0";
/// Earlier notices of one conversation that are looked at; more than it ever has.
const EARLIER: u32 = 10_000;

/// One return address of a client.
pub struct MessageTarget {
    /// Whose messages come from there.
    pub client: ClientId,
    /// Its customer.
    pub tenant: TenantId,
    /// ODS code of its organisation.
    pub organisation: String,
    /// `system|value`, as `MessageHeader.source.endpoint` says.
    pub address: String,
    /// Where responses go.
    pub endpoint: Endpoint,
}

/// Answers messages by messages.
pub struct MessageWay(Vec<MessageTarget>);

impl MessageWay {
    /// To these.
    #[must_use]
    pub fn new(targets: Vec<MessageTarget>) -> Self {
        Self(targets)
    }

    fn has(&self, client: &ClientId) -> bool {
        self.0.iter().any(|target| target.client == *client)
    }

    fn target(
        &self,
        client: &ClientId,
        compartment: &Compartment,
        conversation: &Conversation,
    ) -> Option<&MessageTarget> {
        let is_it = |target: &&MessageTarget| {
            target.client == *client && target.owns(compartment) && target.address == conversation.address
        };
        self.0.iter().find(is_it)
    }
}

impl MessageTarget {
    fn owns(&self, compartment: &Compartment) -> bool {
        compartment.tenant == self.tenant && compartment.owner == Owner::Organisation(self.organisation.clone())
    }

    async fn send(&self, gateway: &Gateway, notice: &Notice, correlation: &str, response: &Response) -> Told {
        // The same at each attempt: what arrived and was not heard of is then answered as a duplicate.
        let names =
            Names { request_id: derived_id(&[&notice.id, "X-Request-Id"]), correlation: correlation.to_owned() };
        let request = self.request(response);
        let (status, headers, body) = match gateway.transport.ask(&self.endpoint, &request, &names).await {
            Ok(Answer::Http { status, headers, body }) => (status, headers, body),
            Ok(_) => return Told::Never("The receiver was asked over HTTP and answered otherwise.".to_owned()),
            Err(error) => return failed(&error),
        };
        let outcome = door::admit(&body, &gateway.limits.door).ok();
        match status {
            200..=202 => Told::Sent,
            409 if has_issue(outcome.as_ref(), "duplicate") => Told::Sent,
            // BaRS Core, "Transactional integrity": a token may have to be had anew, and a receiver may be overburdened.
            401 | 403 | 408 | 425 | 429 | 500..=599 => Told::Later {
                failure: format!("The sender's system answered {status} to a servicerequest-response."),
                retry_after: asked_to_wait(gateway, status, &headers),
            },
            _ => Told::Never(format!(
                "The sender's system refused a servicerequest-response ({status}). Have its operator look it up under X-Request-Id {}; the \
                 status stands here.",
                names.request_id
            )),
        }
    }

    fn request(&self, response: &Response) -> HttpRequest {
        let encoded = |value: Value| BASE64.encode(value.to_string());
        let (system, value) = bars::service(&self.address).unwrap_or(("", &self.address));
        let (own_system, own) = &response.from;
        let organisation =
            json!({ "resourceType": "Organization", "identifier": [{ "system": own_system, "value": own }] });
        let software = json!({ "resourceType": "Device", "deviceName": [{ "name": "vcse-gateway", "type": "model-name" }],
            "version": [{ "value": env!("CARGO_PKG_VERSION") }] });
        let headers = [
            ("accept", FHIR_JSON.to_owned()),
            ("content-type", FHIR_JSON.to_owned()),
            ("NHSD-Target-Identifier", encoded(json!({ "system": system, "value": value }))),
            ("NHSD-End-User-Organisation", encoded(organisation)),
            ("NHSD-Requesting-Software", encoded(software)),
        ];
        HttpRequest {
            method: Method::Post,
            path: "$process-message".to_owned(),
            query: Vec::new(),
            headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            body: Some(response.bundle.to_text().into_bytes()),
            repeat: Repeat::Keyed,
        }
    }
}

fn has_issue(outcome: Option<&Json>, code: &str) -> bool {
    outcome.is_some_and(|outcome| outcome.items("issue").iter().any(|issue| issue.text("code") == Some(code)))
}

/// A version of a Task; `None` if it is not there.
async fn version_of(gateway: &Gateway, key: &ResourceKey, version: u64) -> Result<Option<Json>, StoreError> {
    let stored = gateway.store.resource(key, Some(version)).await?;
    Ok(stored.as_ref().and_then(crate::ingest::parse))
}

#[async_trait]
impl Way for MessageWay {
    fn is_fed(&self, compartment: &Compartment) -> bool {
        self.0.iter().any(|target| target.owns(compartment))
    }

    fn tells(&self, destination: &Destination) -> bool {
        matches!(destination, Destination::Message { client, .. } if self.has(client))
    }

    /// A version that says in BaRS what the one before it did not.
    async fn follows(
        &self,
        gateway: &Gateway,
        fed: &Fed,
        version: &ResourceVersion,
    ) -> Result<Vec<Wanted>, StoreError> {
        let key = &version.key;
        let Some(task) = crate::ingest::parse(version).filter(|_| key.kind == "Task") else { return Ok(Vec::new()) };
        let (Some(_), Some(says)) = (bars::conversation(&task), bars::says(&task)) else { return Ok(Vec::new()) };
        // A wait says nothing in a message; what was said before it is not said again after it.
        let mut before = None;
        for earlier in (1..version.version).rev() {
            before = version_of(gateway, key, earlier).await?.as_ref().and_then(bars::says);
            if before.is_some() {
                break;
            }
        }
        if before.is_some_and(|before| before.encounter == says.encounter) {
            return Ok(Vec::new());
        }
        let Some(referral) = gateway.store.referral_by_task(&key.compartment, &key.id).await? else {
            return Ok(Vec::new());
        };
        if !self.has(&referral.client) {
            return Ok(Vec::new());
        }
        Ok(vec![Wanted {
            compartment: key.compartment.clone(),
            destination: Destination::Message { client: referral.client, task: key.id.clone() },
            what: What::Version { kind: key.kind.clone(), id: key.id.clone(), version: version.version },
            referral: Some(referral.id),
            due: fed.at,
        }])
    }

    async fn tell(&self, gateway: &Gateway, notice: &Notice) -> Result<Told, StoreError> {
        let (Destination::Message { client, .. }, What::Version { version, .. }) = (&notice.destination, &notice.what)
        else {
            return Ok(Told::Never("This is no conversation.".to_owned()));
        };
        let view = match view(gateway, notice).await? {
            Ok(view) => view,
            Err(told) => return Ok(told),
        };
        let (referral, (_, task)) = (&view.standing.referral, view.standing.task());
        let Some(conversation) = bars::conversation(task) else {
            return Ok(Told::NotWanted("The Task came in no message.".to_owned()));
        };
        let Some(target) = self.target(client, &referral.compartment, &conversation) else {
            let words = "The return address of the message (MessageHeader.source.endpoint) is not on the list of this client, so nothing was \
                         sent. If it is right, add it as [[client.notify.message]] and let the notice be tried again.";
            return Ok(Told::Never(words.to_owned()));
        };
        let all = gateway.store.notices(&notice.queue(), 0, EARLIER).await?;
        // What stands is told by the last of them; a status that was overtaken is not told after it.
        let key = ResourceKey {
            compartment: referral.compartment.clone(),
            kind: "Task".to_owned(),
            id: referral.task.clone(),
        };
        let meant = version_of(gateway, &key, *version).await?;
        let said = |task: Option<&Json>| task.and_then(bars::says).map(|row| row.encounter);
        let stands = said(Some(task));
        let moved_on = stands.is_some() && stands != said(meant.as_ref());
        if moved_on || all.iter().any(|other| other.sequence > notice.sequence) {
            return Ok(Told::NotWanted("The status has moved on since.".to_owned()));
        }
        let kept = if view.permits_relay(gateway).await? { view.told(gateway).await? } else { Kept::All };
        // Where what stands now says nothing in a message, as a wait does, what was meant is still the last word.
        let task = if stands.is_none() { meant.as_ref().unwrap_or(task) } else { task };
        let of = Responding {
            task,
            request: view.standing.service_request().1,
            patient: &view.person().document,
            sender: &target.organisation,
            number: &referral.key.0,
            kept,
            told_before: all.iter().any(|other| other.state == NoticeState::Sent),
            name: &notice.id,
            now: notice.made,
        };
        match bars::response(&of) {
            Some(response) => Ok(target.send(gateway, notice, &referral.correlation, &response).await),
            None => Ok(Told::NotWanted("There is nothing to say of this status in a message.".to_owned())),
        }
    }
}
