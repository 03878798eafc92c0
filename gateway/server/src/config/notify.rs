//! What a `[[client]]` says of whom on its own side the gateway tells by itself: its FHIR server, and the addresses from which its messages
//! come.

use super::Fault;
use super::access::{Keys, reached, reached_section};
use super::letters::DocumentSection;
use super::sections::{Check, ClientSection, Config};
use crate::notify::Ways;
use crate::notify::message::{MessageTarget, MessageWay};
use crate::notify::server::{ServerTarget, ServerWay};
use crate::transport::Endpoint;
use gateway_core::bars;
use gateway_core::identity::{ClientId, Profile, Role};
use gateway_core::notify_server::Creates;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use toml::Spanned;

/// `notify` of a client.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct NotifySection {
    /// Its FHIR server, on which its Tasks and ServiceRequests are kept up to date.
    pub fhir_server: Option<Spanned<EndpointSection>>,
    /// Where the senders of its messages take responses.
    pub message: Vec<Spanned<EndpointSection>>,
    /// The letter into the record of the practice.
    pub document: Option<Spanned<DocumentSection>>,
}

reached_section! {
    /// Somebody on the client's side who is asked over HTTP.
    #[derive(Debug, Clone, Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    pub struct EndpointSection {
        /// FHIR base address.
        pub base_url: Spanned<String>,
        /// A FHIR server: who chooses the ids of what the gateway makes there.
        pub creates: Option<CreatesWord>,
        /// A sender of messages: `system|value`, as its `MessageHeader.source.endpoint` says.
        pub return_address: Option<Spanned<String>>,
    }
}

/// Who chooses ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CreatesWord {
    /// The gateway: `PUT` makes what is not there.
    OurId,
    /// The server: `POST` with `If-None-Exist`.
    TheirId,
}

impl EndpointSection {
    fn keys<'a>(&'a self, kind: &'static str, id: &'a str) -> Keys<'a> {
        self.reached_at((kind, id), vec![self.base_url.get_ref().clone()])
    }

    fn endpoint(&self, kind: &'static str, id: &str, faults: &mut Vec<Fault>) -> Endpoint {
        let access = reached(&self.keys(kind, id), faults);
        Endpoint { base_url: self.base_url.get_ref().trim_end_matches('/').to_owned(), access }
    }
}

const SERVER: &str = "client.notify.fhir-server";
const MESSAGE: &str = "client.notify.message";

impl Check<'_> {
    /// What contradicts itself.
    pub(super) fn notify(&mut self, client: &ClientSection) {
        let refers = client.roles.get_ref().contains(&Role::Referrer);
        let sections = client.notify.fhir_server.iter().map(|one| (SERVER, one));
        for (kind, section) in sections.chain(client.notify.message.iter().map(|one| (MESSAGE, one))) {
            let endpoint = section.get_ref();
            if !refers {
                self.at(section, kind, "only a client with the role `referrer` has referrals of its own to be told of");
            }
            self.base_url(&endpoint.base_url, &format!("{kind}.base-url"));
            self.access(&endpoint.keys(kind, client.id.get_ref()));
            if kind == MESSAGE && endpoint.creates.is_some() {
                self.at(section, kind, "`creates` is for `fhir-server`; leave it out");
            }
            match &endpoint.return_address {
                Some(address) if kind == SERVER => {
                    self.at(address, kind, "`return-address` is for `message`; leave it out")
                }
                Some(address) if bars::service(address.get_ref()).is_none() => {
                    let words =
                        "not `system|value`, as MessageHeader.source.endpoint of this client\'s messages says it";
                    self.at(address, "client.notify.message.return-address", words);
                }
                None if kind == MESSAGE => {
                    self.at(
                        section,
                        "client.notify.message.return-address",
                        "missing: write the `system|value` of the sender",
                    );
                }
                _ => {}
            }
        }
        if !client.notify.message.is_empty() && client.profile != Profile::Bars {
            self.at(
                &client.id,
                MESSAGE,
                "only a client of the profile `bars` is answered by messages; set its profile",
            );
        }
        let mut seen = BTreeSet::new();
        for address in client.notify.message.iter().filter_map(|one| one.get_ref().return_address.as_ref()) {
            if !seen.insert(address.get_ref()) {
                self.at(address, "client.notify.message.return-address", "used twice; each needs its own");
            }
        }
    }
}

/// The ways to tell that the clients' sections ask for.
pub(super) fn ways(config: &Config, faults: &mut Vec<Fault>) -> Ways {
    let (mut servers, mut messages) = (Vec::new(), Vec::new());
    for client in &config.client {
        let id = client.id.get_ref();
        let own = || (ClientId(id.clone()), client.tenant.clone(), client.organisation.get_ref().clone());
        if let Some(section) = client.notify.fhir_server.as_ref().map(Spanned::get_ref) {
            let creates = match section.creates {
                Some(CreatesWord::TheirId) => Creates::WithTheirId,
                Some(CreatesWord::OurId) | None => Creates::WithOurId,
            };
            let (client, tenant, organisation) = own();
            let endpoint = section.endpoint(SERVER, id, faults);
            servers.push(ServerTarget { client, tenant, organisation, creates, endpoint });
        }
        for section in client.notify.message.iter().map(Spanned::get_ref) {
            let Some(address) = &section.return_address else { continue };
            let (client, tenant, organisation) = own();
            let (address, endpoint) = (address.get_ref().clone(), section.endpoint(MESSAGE, id, faults));
            messages.push(MessageTarget { client, tenant, organisation, address, endpoint });
        }
    }
    let mut ways = Ways::default();
    if !servers.is_empty() {
        ways.add(Arc::new(ServerWay::new(servers)));
    }
    if !messages.is_empty() {
        ways.add(Arc::new(MessageWay::new(messages)));
    }
    ways
}

#[cfg(test)]
mod tests {
    use crate::config::{ConfigError, EXAMPLE, parse};

    /// The faults of the example with these keys in its client.
    fn faults(keys: &str) -> Vec<String> {
        match parse(&EXAMPLE.replacen("roles = [\"referrer\"]", &format!("roles = [\"referrer\"]\n{keys}"), 1)) {
            Ok(_) => Vec::new(),
            Err(ConfigError::Faults(faults)) => faults.iter().map(ToString::to_string).collect(),
            Err(other) => vec![other.to_string()],
        }
    }

    #[test]
    fn what_is_right_is_taken() {
        for keys in [
            "notify = { fhir-server = { base-url = \"https://fhir.practice.example/r4\", token = { env = \"T\" } } }",
            "notify = { fhir-server = { base-url = \"http://127.0.0.1:9/fhir\", creates = \"their-id\" } }",
            "profile = \"bars\"\nnotify = { message = [{ return-address = \"urn:x|1\", base-url = \"https://a.example\" }, \
             { return-address = \"urn:x|2\", base-url = \"https://a.example\" }] }",
        ] {
            assert_eq!(faults(keys), Vec::<String>::new(), "{keys}");
        }
    }

    #[test]
    fn what_is_unsafe_or_contradicts_itself_is_refused_with_its_line() {
        for (keys, expected) in [
            ("notify = { fhir-server = { base-url = \"http://fhir.practice.example\" } }", "https only"),
            ("notify = { fhir-server = { base-url = \"https://u:p@fhir.practice.example\" } }", "credentials"),
            ("notify = { fhir-server = { base-url = \"https://a.example\", creates = \"any\" } }", "unknown variant"),
            (
                "notify = { fhir-server = { base-url = \"https://a.example\", return-address = \"urn:x|1\" } }",
                "leave it out",
            ),
            (
                "notify = { fhir-server = { base-url = \"https://a.example\", token = { env = \"A\" }, basic = { username = \"u\", env = \"B\" } } }",
                "keep one of them",
            ),
            (
                "notify = { fhir-server = { base-url = \"https://a.example\", addresses = [\"here\"] } }",
                "neither an address",
            ),
            (
                "notify = { message = [{ return-address = \"urn:x|1\", base-url = \"https://a.example\" }] }",
                "profile `bars`",
            ),
            ("profile = \"bars\"\nnotify = { message = [{ base-url = \"https://a.example\" }] }", "missing"),
            (
                "profile = \"bars\"\nnotify = { message = [{ return-address = \"x\", base-url = \"https://a.example\" }] }",
                "system|value",
            ),
            (
                "profile = \"bars\"\nnotify = { message = [{ return-address = \"urn:x|1\", base-url = \"https://a.example\", creates = \"our-id\" }] }",
                "leave it out",
            ),
            (
                "profile = \"bars\"\nnotify = { message = [{ return-address = \"urn:x|1\", base-url = \"https://a.example\" }, \
                 { return-address = \"urn:x|1\", base-url = \"https://b.example\" }] }",
                "used twice",
            ),
            ("notify = { fhir-server = { base-url = \"https://a.example\", colour = 1 } }", "unknown field"),
        ] {
            let faults = faults(keys);
            assert!(faults.iter().any(|fault| fault.contains(expected)), "{keys}: {faults:?}");
            assert!(faults.iter().all(|fault| fault.starts_with("line ")), "{keys}: {faults:?}");
        }
    }
}
