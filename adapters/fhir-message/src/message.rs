//! The messages that leave: a Bundle of type `message`, the header first (R4, "messaging").

use crate::settings::{Config, Focus, IdForm};
use adapter_contract::{Exchange, HttpRequest, Method, PlatformRequest, Repeat, systems};
use adapter_fhir::json::{Writer, quoted};
use serde_json::{Value, json};
use uuid::Uuid;

const FHIR_JSON: &str = "application/fhir+json";
const ODS_SYSTEM: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// What our own resources are made from.
#[derive(Clone, Copy)]
pub(crate) struct Making<'a> {
    /// The exchange under way.
    pub(crate) exchange: &'a Exchange<'a>,
    /// The platform's settings.
    pub(crate) config: &'a Config<'a>,
}

/// One entry: full URL and the resource's text.
pub(crate) type Entry = (String, String);

impl Making<'_> {
    /// A name that is the same for the same referral, platform and purpose, and for no other.
    pub(crate) fn named(&self, what: &str) -> String {
        let seed = format!("{}|{}#{what}", systems::REFERRAL_KEY, self.exchange.keys.idempotency.0);
        Uuid::new_v5(&Uuid::NAMESPACE_URL, seed.as_bytes()).to_string()
    }

    /// Full URL of a resource that the gateway makes.
    pub(crate) fn full_url(&self, what: &str) -> String {
        format!("urn:uuid:{}", self.named(what))
    }

    /// Our key as an `Identifier`.
    pub(crate) fn identifier(&self) -> Value {
        json!({"system": systems::REFERRAL_KEY, "value": self.exchange.keys.idempotency.0})
    }

    /// Id of the message with this event: a repetition has the same, by which a receiver may know it.
    pub(crate) fn message_id(&self, event: &str) -> String {
        self.named(event)
    }

    /// Begins a resource of ours: its type, and the profile that it claims, if it is to claim one.
    pub(crate) fn resource(&self, kind: &str) -> Writer {
        let mut writer = Writer::object();
        writer.value("resourceType", &json!(kind));
        writer
    }

    /// Adds the profile that a resource of this kind is to claim.
    pub(crate) fn claim(&self, writer: &mut Writer, kind: &str) {
        if let Some((base, version)) = self.config.profile {
            let version = version.map(|version| format!("|{version}")).unwrap_or_default();
            writer.value("meta", &json!({"profile": [format!("{base}{kind}{version}")]}));
        }
    }

    /// Who asks, and who is asked: one role each, and our organisation.
    pub(crate) fn parties(&self) -> Vec<Entry> {
        let ((ods, name), (system, value)) = (self.config.requester, self.config.recipient);
        let mut organisation = self.resource("Organization");
        self.claim(&mut organisation, "Organization");
        organisation.value("identifier", &json!([{"system": ODS_SYSTEM, "value": ods}]));
        organisation.value("name", &json!(name));
        let mut requester = self.resource("PractitionerRole");
        self.claim(&mut requester, "PractitionerRole");
        requester.value("organization", &json!({"reference": self.full_url("organization")}));
        let mut recipient = self.resource("PractitionerRole");
        self.claim(&mut recipient, "PractitionerRole");
        recipient.value("identifier", &json!([{"system": system, "value": value}]));
        vec![
            (self.full_url("requester"), requester.finish()),
            (self.full_url("organization"), organisation.finish()),
            (self.full_url("recipient"), recipient.finish()),
        ]
    }

    /// The request that sends this event about the ServiceRequest with this full URL.
    pub(crate) fn send(&self, event: &str, focus: &str, entries: &[Entry], repeat: Repeat) -> PlatformRequest {
        let header = self.header(event, focus);
        let mut texts = vec![entry(&format!("urn:uuid:{}", self.message_id(event)), &header)];
        texts.extend(entries.iter().map(|(full_url, text)| entry(full_url, text)));
        let mut bundle = self.resource("Bundle");
        bundle.value("id", &json!(self.named(&format!("{event}/bundle"))));
        self.claim(&mut bundle, "Bundle");
        bundle.value("type", &json!("message"));
        bundle.value("timestamp", &json!(self.exchange.accepted_at));
        bundle.raw("entry", &format!("[{}]", texts.join(",")));
        PlatformRequest::Http(HttpRequest {
            method: Method::Post,
            path: self.config.path.to_owned(),
            query: Vec::new(),
            headers: ["Content-Type", "Accept"].map(|name| (name.to_owned(), FHIR_JSON.to_owned())).to_vec(),
            body: Some(bundle.finish().into_bytes()),
            repeat,
        })
    }

    fn header(&self, event: &str, focus: &str) -> String {
        let config = self.config;
        let mut header = self.resource("MessageHeader");
        header.value("id", &json!(self.message_id(event)));
        self.claim(&mut header, "MessageHeader");
        let (url, form) = config.referral_id;
        header.value(
            "extension",
            &match form {
                IdForm::String => json!([{"url": url, "valueString": self.exchange.keys.idempotency.0}]),
                IdForm::Identifier => json!([{"url": url, "valueIdentifier": self.identifier()}]),
            },
        );
        header.value("eventCoding", &json!({"system": config.event_system, "code": event}));
        let receiver = json!({"reference": self.full_url("recipient")});
        header.value("destination", &json!([{"endpoint": config.destination, "receiver": receiver}]));
        let requester = json!({"reference": self.full_url("requester")});
        header.value("sender", &requester);
        header.value("author", &requester);
        let (name, endpoint) = config.source;
        header.value("source", &json!({"name": name, "endpoint": endpoint}));
        let focus = match config.focus {
            Focus::Reference => json!({"reference": focus}),
            Focus::Identifier => json!({"type": "ServiceRequest", "identifier": self.identifier()}),
        };
        header.value("focus", &json!([focus]));
        header.finish()
    }
}

fn entry(full_url: &str, text: &str) -> String {
    format!(r#"{{"fullUrl":{},"resource":{text}}}"#, quoted(full_url))
}
