//! A platform that takes referrals as FHIR messages: Ontario's eReferral guide and CA:eReC, as Ocean's playbook tells of them.
//!
//! Written from the guides and from R4, not from the gateway. It gives out access tokens for a client id and secret, takes
//! messages at `$process-message`, keeps them in folders, and sends a message for everything that happens to them, with
//! everything that it ever knew of the referral along. What people at the service do is a method of [`MessagePlatform`],
//! where the real platform has web pages.
//!
//! It is not the product: there is no directory of services (those it takes are named in [`MessagePlatformConfig`]), nobody
//! is told by mail, attachments have no bytes, and profiles are not checked beyond the elements that the guides ask for.
//! What the guides leave open is a field of the configuration.

mod folder;
mod message;
mod tokens;
mod validate;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::simulator::{Answer, Api, Asked, Introspection, Push};
use message::Telling;
use tokens::Tokens;
use validate::{Accepted, Refused};

pub use folder::Folder;

/// Code system of the events in Ontario's guide.
pub const ONTARIO_EVENTS: &str = "https://ehealthontario.ca/fhir/CodeSystem/message-event-code";

/// Where the operation is, below the base address.
pub const PROCESS_MESSAGE: &str = "/svc/fhir/v1/$process-message";
/// Where access tokens are to be had, below the base address.
pub const TOKEN: &str = "/svc/oauth2/token";

/// How an accepted message is answered. R4 allows each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Answering {
    /// `200` with a response message and the request in it.
    #[default]
    Response,
    /// `202` without a body.
    Custody,
    /// `200` without a body.
    Nothing,
}

/// How a platform is set up.
#[derive(Debug, Clone)]
pub struct MessagePlatformConfig {
    /// Client id and secret of the site.
    pub client: (String, String),
    /// An access token that does not end, for a caller that was given one by hand.
    pub token: Option<String>,
    /// Seconds that an access token lasts.
    pub token_seconds: i64,
    /// Another server gives its tokens out: that server, and the scope without which a token is not enough (RFC 6750, 3.1). Then its own
    /// [`TOKEN`] gives none.
    pub tokens_of: Option<(Introspection, String)>,
    /// Identifier system and value of the services that it takes referrals for.
    pub services: Vec<(String, String)>,
    /// Code system of events.
    pub event_system: String,
    /// Elements that it asks for beyond the guides', as paths: `Patient.contact[0].address.postalCode`.
    pub demands: Vec<String>,
    /// A withdrawal has to bring the person along, as every message about a request has in CA:eReC.
    pub person_in_withdrawal: bool,
    /// Two messages with the same ids are one (R4, "reliable messaging").
    pub recognises_repetition: bool,
    /// How it answers.
    pub answering: Answering,
    /// What others do to a referral comes back to them as well.
    pub echo: bool,
    /// It writes as Ocean was seen to write: HTML, empty addresses, identifiers without a value, escaped bars.
    pub untidy: bool,
}

impl Default for MessagePlatformConfig {
    fn default() -> Self {
        Self {
            client: ("site-1".to_owned(), "site-secret-of-a-test".to_owned()),
            token: None,
            token_seconds: 3600,
            tokens_of: None,
            services: vec![("https://platform.example/Id/service".to_owned(), "befriending-1".to_owned())],
            event_system: ONTARIO_EVENTS.to_owned(),
            demands: Vec::new(),
            person_in_withdrawal: false,
            recognises_repetition: false,
            answering: Answering::default(),
            echo: true,
            untidy: true,
        }
    }
}

/// A referral as the platform keeps it.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its id here, which the guides call the ServiceRequest's.
    pub id: String,
    /// The sender's id of it, from the header's extension.
    pub sender_id: Option<String>,
    /// Where it lies.
    pub folder: Folder,
    /// The request as it was sent, with the platform's id and number.
    pub request: Value,
    /// Everything else of the message, and what was added: newest first.
    pub resources: Vec<Value>,
    /// The id of the referral that this one was forwarded from.
    pub replaces: Option<String>,
}

/// The platform.
pub struct MessagePlatform {
    config: MessagePlatformConfig,
    tokens: Tokens,
    kept: BTreeMap<String, Kept>,
    /// Answers by Bundle id and MessageHeader id.
    answered: BTreeMap<(String, String), Answer>,
    /// Where messages go, and the token that is presented there.
    webhook: Option<(String, String)>,
    told: Vec<Push>,
    numbers: u64,
}

impl MessagePlatform {
    /// A platform without referrals.
    #[must_use]
    pub fn new(config: MessagePlatformConfig) -> Self {
        Self {
            config,
            tokens: Tokens::default(),
            kept: BTreeMap::new(),
            answered: BTreeMap::new(),
            webhook: None,
            told: Vec::new(),
            numbers: 0,
        }
    }

    /// Sends its messages there, with this bearer token.
    pub fn set_webhook(&mut self, url: &str, token: &str) {
        self.webhook = Some((url.to_owned(), token.to_owned()));
    }

    /// Changes how it behaves from now on.
    pub fn configure(&mut self, change: impl FnOnce(&mut MessagePlatformConfig)) {
        change(&mut self.config);
    }

    /// The referrals in the order of their ids.
    pub fn kept(&self) -> impl Iterator<Item = &Kept> {
        self.kept.values()
    }

    /// One of them.
    #[must_use]
    pub fn referral(&self, id: &str) -> Option<&Kept> {
        self.kept.get(id)
    }

    /// The ids of those that carry this sender's id.
    #[must_use]
    pub fn of_sender(&self, sender_id: &str) -> Vec<String> {
        let ours = self.kept.values().filter(|kept| kept.sender_id.as_deref() == Some(sender_id));
        ours.map(|kept| kept.id.clone()).collect()
    }

    /// The service states how far it is: its Task gets this status, and perhaps a reason. False if there is no such referral, or the
    /// sender has withdrawn it.
    pub fn state(&mut self, id: &str, status: &str, reason: Option<&str>, now: OffsetDateTime) -> bool {
        let Some(kept) = self.kept.get_mut(id).filter(|kept| kept.folder != Folder::Cancelled) else { return false };
        let at = message::written(now);
        let before = kept.resources.iter().position(|one| one["resourceType"] == "Task");
        let event = if before.is_some() { "notify-update-process-request" } else { "notify-add-process-request" };
        let mut task = match before {
            Some(place) => kept.resources.remove(place),
            None => json!({"resourceType": "Task", "id": format!("T-{id}"), "intent": "order",
                "focus": {"reference": format!("ServiceRequest/{id}")}, "for": kept.request["subject"],
                "authoredOn": at}),
        };
        task["status"] = json!(status);
        task["lastModified"] = json!(at);
        match reason {
            Some(reason) => task["statusReason"] = json!({"text": reason}),
            None => drop(task.as_object_mut().map(|task| task.remove("statusReason"))),
        }
        kept.folder = folder::after_status(kept.folder, status);
        kept.resources.insert(0, task);
        self.tell(id, Telling { event, focus: "Task", at: now });
        true
    }

    /// The same with a business status, and an output.
    pub fn refine(&mut self, id: &str, with: &[(&str, Value)]) -> bool {
        let Some(kept) = self.kept.get_mut(id) else { return false };
        let Some(task) = kept.resources.iter_mut().find(|one| one["resourceType"] == "Task") else { return false };
        for (name, value) in with {
            task[*name] = value.clone();
        }
        true
    }

    /// An appointment is made, or changes.
    pub fn book(&mut self, id: &str, status: &str, start: &str, now: OffsetDateTime) -> bool {
        let Some(kept) = self.kept.get_mut(id) else { return false };
        let before = kept.resources.iter().position(|one| one["resourceType"] == "Appointment");
        let event = if before.is_some() { "notify-update-appointment" } else { "notify-add-appointment" };
        if let Some(place) = before {
            kept.resources.remove(place);
        }
        let appointment = json!({"resourceType": "Appointment", "id": format!("A-{id}"), "status": status, "start": start,
            "basedOn": [{"reference": format!("ServiceRequest/{id}")}],
            "meta": {"lastUpdated": message::written(now)}});
        kept.folder = folder::after_appointment(kept.folder, status, start);
        kept.resources.insert(0, appointment);
        self.tell(id, Telling { event, focus: "Appointment", at: now });
        true
    }

    /// The service asks the referrer something.
    pub fn ask(&mut self, id: &str, question: &str, now: OffsetDateTime) -> bool {
        let number = self.number();
        let Some(kept) = self.kept.get_mut(id) else { return false };
        let communication = json!({"resourceType": "Communication", "id": format!("C-{number}"), "status": "completed",
            "basedOn": [{"reference": format!("ServiceRequest/{id}")}], "sent": message::written(now),
            "sender": kept.request["performer"][0], "payload": [{"contentString": question}]});
        kept.folder = Folder::AwaitingReply;
        kept.resources.insert(0, communication);
        self.tell(id, Telling { event: "send-communication-from-provider", focus: "Communication", at: now });
        true
    }

    /// The referral is passed to another service: a new request in the place of the old one. Its id.
    pub fn forward(&mut self, id: &str, now: OffsetDateTime) -> Option<String> {
        let number = self.number();
        let old = self.kept.get_mut(id)?;
        old.folder = Folder::Forwarded;
        let new = format!("OC-{number}");
        let mut request = old.request.clone();
        request["id"] = json!(new);
        request["identifier"] = json!([{"system": "https://platform.example/Id/referral", "value": new}]);
        request["replaces"] = json!([{"reference": format!("ServiceRequest/{id}")}]);
        let mut resources = old.resources.clone();
        resources.retain(|one| one["resourceType"] != "Task");
        resources.push(old.request.clone());
        let sender_id = old.sender_id.clone();
        let kept =
            Kept { id: new.clone(), sender_id, folder: Folder::New, request, resources, replaces: Some(id.to_owned()) };
        self.kept.insert(new.clone(), kept);
        self.state(&new, "requested", None, now);
        Some(new)
    }

    /// Sends again what there is to say of a referral, as an update of it.
    pub fn resend(&mut self, id: &str, now: OffsetDateTime) {
        self.tell(id, Telling { event: "notify-update-service-request", focus: "ServiceRequest", at: now });
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn tell(&mut self, id: &str, telling: Telling<'_>) {
        let number = self.number();
        let Some((url, token)) = &self.webhook else { return };
        let Some(kept) = self.kept.get(id) else { return };
        let body = message::about(kept, &telling, number, &self.config);
        self.told.push(Push {
            to: url.clone(),
            about: format!("/{}/{id}", telling.focus),
            headers: vec![
                ("content-type".to_owned(), "application/fhir+json".to_owned()),
                ("authorization".to_owned(), format!("Bearer {token}")),
            ],
            body: body.to_string().into_bytes(),
        });
    }

    fn process(&mut self, asked: &Asked, now: OffsetDateTime) -> Result<Answer, Refused> {
        let accepted = validate::message(asked, &self.config)?;
        let ids = (accepted.bundle_id.clone(), accepted.header_id.clone());
        if self.config.recognises_repetition {
            if let Some(answer) = self.answered.get(&ids) {
                return Ok(answer.clone());
            }
            let reused = self.answered.keys().any(|(bundle, header)| *bundle == ids.0 && *header != ids.1);
            if reused && !ids.0.is_empty() {
                return Err(Refused::new(422, "invalid", "Bundle.id"));
            }
        }
        let id = match accepted.event.as_str() {
            "add-service-request" => self.add(&accepted, now),
            "revoke-service-request" => self.revoke(&accepted, now)?,
            _ => self.update(&accepted, now)?,
        };
        let answer = match (self.config.answering, self.kept.get(&id)) {
            (Answering::Custody, _) => Answer::bare(202),
            (Answering::Nothing, _) | (_, None) => Answer::bare(200),
            (Answering::Response, Some(kept)) => {
                let body = message::response(&accepted, kept, self.numbers, now);
                Answer::of(200, "application/fhir+json", body.to_string())
            }
        };
        self.answered.insert(ids, answer.clone());
        Ok(answer)
    }

    fn add(&mut self, accepted: &Accepted, now: OffsetDateTime) -> String {
        let id = format!("OC-{}", self.number());
        let mut request = accepted.request.clone();
        request["id"] = json!(id);
        if let Some(identifiers) = request["identifier"].as_array_mut() {
            identifiers.insert(0, json!({"system": "https://platform.example/Id/referral", "value": id}));
        }
        let kept = Kept {
            id: id.clone(),
            sender_id: accepted.sender_id.clone(),
            folder: Folder::New,
            request,
            resources: accepted.others.clone(),
            replaces: None,
        };
        self.kept.insert(id.clone(), kept);
        if self.config.echo {
            self.resend(&id, now);
        }
        id
    }

    /// The referral that a request names by one of its identifiers or its id here.
    fn meant(&self, accepted: &Accepted) -> Result<String, Refused> {
        let values = |request: &Value| -> Vec<String> {
            let all = request["identifier"].as_array().cloned().unwrap_or_default();
            all.iter().filter_map(|one| Some(one["value"].as_str()?.to_owned())).collect()
        };
        let wanted = values(&accepted.request);
        let named = self.kept.values().find(|kept| accepted.request["id"] == kept.id.as_str());
        let numbered = || self.kept.values().find(|kept| values(&kept.request).iter().any(|one| wanted.contains(one)));
        let found =
            named.or_else(numbered).ok_or_else(|| Refused::new(404, "not-found", "ServiceRequest.identifier"))?;
        Ok(found.id.clone())
    }

    fn revoke(&mut self, accepted: &Accepted, now: OffsetDateTime) -> Result<String, Refused> {
        let id = self.meant(accepted)?;
        let Some(kept) = self.kept.get_mut(&id) else {
            return Err(Refused::new(404, "not-found", "ServiceRequest.identifier"));
        };
        match kept.folder {
            Folder::Completed => return Err(Refused::new(422, "business-rule", "ServiceRequest.status")),
            Folder::Cancelled => {}
            _ => {
                kept.folder = Folder::Cancelled;
                if self.config.echo {
                    self.tell(&id, Telling { event: "revoke-service-request", focus: "ServiceRequest", at: now });
                }
            }
        }
        Ok(id)
    }

    fn update(&mut self, accepted: &Accepted, now: OffsetDateTime) -> Result<String, Refused> {
        let id = self.meant(accepted)?;
        if self.config.echo {
            self.resend(&id, now);
        }
        Ok(id)
    }
}

impl Api for MessagePlatform {
    fn answer(&mut self, asked: &Asked, now: OffsetDateTime) -> Answer {
        match (asked.method.as_str(), asked.path.as_str()) {
            ("POST", TOKEN) if self.config.tokens_of.is_some() => Refused::new(404, "not-found", "").answer(),
            ("POST", TOKEN) => self.tokens.give(asked, &self.config, now),
            ("POST", PROCESS_MESSAGE | "/svc/fhir/v1/%24process-message") => {
                if !self.tokens.is_valid(asked, &self.config, now) {
                    return Refused::new(401, "login", "").answer().with("www-authenticate", "Bearer");
                }
                if self.config.tokens_of.as_ref().is_some_and(|(_, scope)| !asked.token_has_scope(scope)) {
                    return Refused::new(403, "forbidden", "").answer();
                }
                self.process(asked, now).unwrap_or_else(|refused| refused.answer())
            }
            (_, TOKEN | PROCESS_MESSAGE) => Refused::new(405, "not-supported", "").answer(),
            _ => Refused::new(404, "not-found", "").answer(),
        }
    }

    fn introspection(&self) -> Option<Introspection> {
        self.config.tokens_of.as_ref().map(|(introspection, _)| introspection.clone())
    }

    fn unwell(&self, status: u16) -> Answer {
        let code = if status >= 500 || status == 429 { "transient" } else { "processing" };
        Refused::new(status, code, "").answer()
    }

    fn expire_sessions(&mut self) {
        self.tokens.end();
    }

    fn pushes(&mut self) -> Vec<Push> {
        std::mem::take(&mut self.told)
    }
}
