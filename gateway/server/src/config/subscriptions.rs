//! `subscriptions` of a `[[client]]`: whether it may subscribe, where to, and how what it is sent is signed.

use super::access::{AuthorizationSection, Reader, network};
use super::sections::{Check, ClientSection, SecretSource};
use super::{Config, Fault};
use crate::notify::subscription::{Subscriber, Subscribers};
use crate::transport::dial::{Allowed, SystemLookup};
use crate::transport::hook::Hook;
use crate::webhooks::{Keys, Use};
use gateway_core::identity::{ClientId, Role};
use serde::Deserialize;
use std::sync::Arc;
use toml::Spanned;
use url::Url;

/// `subscriptions` of a client.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SubscriptionsSection {
    /// Hosts to which notifications may go: `ehr.example`, or with a port that is not 443.
    pub hosts: Vec<Spanned<String>>,
    /// Where the keys stand that sign them.
    pub signing_secret: SecretSource,
    /// What an endpoint wants to see in `Authorization`.
    pub authorization: Option<Spanned<AuthorizationSection>>,
    /// Networks beside the internet into which the names may lead.
    #[serde(default)]
    pub addresses: Vec<Spanned<String>>,
}

impl Check<'_> {
    /// What contradicts itself.
    pub(super) fn subscriptions(&mut self, client: &ClientSection) {
        let Some(spanned) = &client.subscriptions else { return };
        let section = spanned.get_ref();
        let may = |role: &Role| matches!(role, Role::Referrer | Role::Reader);
        if !client.roles.get_ref().iter().any(may) {
            let words = "only for the roles `referrer` and `reader`: who subscribes is told of what it may read";
            self.at(spanned, "client.subscriptions", words);
        }
        if section.hosts.is_empty() {
            self.at(spanned, "client.subscriptions", "`hosts` is empty, so that nothing could be subscribed to");
        }
        for host in &section.hosts {
            if plain(host.get_ref()).is_none() {
                let words =
                    "not a host; write for example `ehr.example` or `ehr.example:8443`, without https:// and path";
                self.at(host, "client.subscriptions.hosts", words);
            }
        }
        for address in &section.addresses {
            if network(address.get_ref()).is_none() {
                let words = "neither an address nor a network, for example `10.20.0.0/16`";
                self.at(address, "client.subscriptions.addresses", words);
            }
        }
        if let Some(authorization) = &section.authorization {
            self.authorization(authorization, "client.subscriptions.authorization");
        }
    }
}

/// As a URL writes it: in lower case, without the port that https has anyway.
fn plain(host: &str) -> Option<String> {
    let url = Url::parse(&format!("https://{host}/")).ok()?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    let name = url.host_str().filter(|_| is_bare && !host.contains(['/', '@', '?', '#', '*']))?;
    Some(url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}")))
}

/// Who may subscribe, with the secrets read.
pub(super) fn subscribers(config: &Config, faults: &mut Vec<Fault>) -> Subscribers {
    let mut found = Subscribers::default();
    for client in &config.client {
        let Some(section) = client.subscriptions.as_ref().map(Spanned::get_ref) else { continue };
        let id = client.id.get_ref();
        let mut reader = Reader::of("client", id, faults);
        let key = "subscriptions.signing-secret";
        let secret = reader.secret(key, Some(section.signing_secret.clone()));
        let keys = secret.and_then(|secret| match Keys::read(&secret, Use::Sign) {
            Ok(keys) => Some(keys),
            Err(words) => {
                reader.fault(key, words.to_owned());
                None
            }
        });
        let authorization = section
            .authorization
            .as_ref()
            .and_then(|section| reader.fixed("subscriptions.authorization", section.get_ref()));
        let hosts: Vec<String> = section.hosts.iter().filter_map(|host| plain(host.get_ref())).collect();
        let beside = section.addresses.iter().filter_map(|address| network(address.get_ref())).collect();
        let here = hosts.iter().any(|host| host.split(':').next() == Some("localhost"));
        let allowed = if here { Allowed::also(beside).with_this_machine() } else { Allowed::also(beside) };
        let hook = Hook::new(Arc::new(SystemLookup), allowed);
        if hook.is_err() {
            reader.fault("subscriptions", "the TLS library cannot start".to_owned());
        }
        if let (Some(keys), Ok(hook)) = (keys, hook) {
            found.add(ClientId(id.clone()), Subscriber { hosts, keys, authorization, hook });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::plain;
    use crate::config::{EXAMPLE, parse};

    fn faults(keys: &str) -> String {
        let text = EXAMPLE.replacen("roles = [\"referrer\"]", &format!("roles = [\"referrer\"]\n{keys}"), 1);
        parse(&text).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_host_is_written_as_addresses_have_it() {
        for (written, expected) in [
            ("ehr.example", Some("ehr.example")),
            ("EHR.example:443", Some("ehr.example")),
            ("ehr.example:8443", Some("ehr.example:8443")),
            ("127.0.0.1", Some("127.0.0.1")),
            ("[::1]:9000", Some("[::1]:9000")),
            ("https://ehr.example", None),
            ("ehr.example/path", None),
            ("user@ehr.example", None),
            ("*.example", None),
            ("", None),
            ("two words", None),
        ] {
            assert_eq!(plain(written).as_deref(), expected, "{written}");
        }
    }

    #[test]
    fn what_contradicts_itself_is_told() {
        let good = "subscriptions = { hosts = [\"ehr.example\"], signing-secret = { env = \"S\" } }";
        assert_eq!(faults(good), "");
        for (keys, words) in [
            ("subscriptions = { hosts = [], signing-secret = { env = \"S\" } }", "`hosts` is empty"),
            ("subscriptions = { hosts = [\"https://a\"], signing-secret = { env = \"S\" } }", "not a host"),
            ("subscriptions = { hosts = [\"a\"] }", "signing-secret"),
            ("subscriptions = { hosts = [\"a\"], signing-secret = \"whsec_x\" }", "a secret never stands here"),
            (
                "subscriptions = { hosts = [\"a\"], signing-secret = { env = \"S\" }, addresses = [\"x\"] }",
                "neither an address",
            ),
            (
                "subscriptions = { hosts = [\"a\"], signing-secret = { env = \"S\" }, authorization = { scheme = \"a b\", env = \"X\" } }",
                "one word",
            ),
        ] {
            let told = faults(keys);
            assert!(told.contains(words), "{keys}: {told}");
            assert!(!told.contains("whsec_x"), "{told}");
        }
        let text = EXAMPLE.replacen("roles = [\"referrer\"]", &format!("roles = [\"governance\"]\n{good}"), 1);
        let told = parse(&text).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(told.contains("only for the roles"), "{told}");
    }
}
