//! What a `[[platform]]` says of the way that files take to it.

use super::access::Reader;
use super::sections::{Check, PlatformSection, SecretSource};
use crate::gateway::Secret;
use crate::transport::mesh::Mesh;
use adapter_contract::Settings;
use serde::Deserialize;
use std::num::NonZeroU32;

/// Bytes of one part of a message, unless the configuration says otherwise. MESH takes 100 MB.
const CHUNK_BYTES: u32 = 20_000_000;

/// `mesh` of a platform.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MeshSection {
    /// Our mailbox.
    pub mailbox: String,
    /// The platform's.
    pub to: String,
    /// The workflow under which our files go.
    pub workflow: String,
    /// The password of our mailbox.
    pub password: SecretSource,
    /// The shared key of the environment.
    pub shared_key: SecretSource,
    /// Bytes of one part of a message, at most; absent = 20 MB.
    pub chunk_bytes: Option<NonZeroU32>,
    /// Whether MESH may be asked for a message by its local id; absent = yes.
    pub track_by_local_id: Option<bool>,
}

/// The settings that an adapter is given: those that are written, and what the gateway knows itself.
pub(crate) fn settings(section: &PlatformSection) -> Settings {
    let mut settings = section.settings.clone();
    if let Some(base) = &section.base_url {
        settings.insert("base-url".to_owned(), base.get_ref().trim_end_matches('/').to_owned());
    }
    if section.mesh.is_some() {
        settings.insert("files".to_owned(), "mesh".to_owned());
    }
    settings
}

/// A mailbox: capital letters and digits. It stands in an address.
fn is_mailbox(text: &str) -> bool {
    (1..=100).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// A workflow: it stands in a header.
fn is_workflow(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    (1..=300).contains(&text.len()) && text.bytes().all(plain)
}

impl Check<'_> {
    /// What contradicts itself.
    pub(super) fn files(&mut self, platform: &PlatformSection) {
        if platform.settings.contains_key("files") {
            self.at(
                &platform.id,
                "platform.settings",
                "`files` is said by the gateway; write `mesh` beside `settings`",
            );
        }
        let Some(section) = &platform.mesh else { return };
        let key = "platform.mesh";
        let mesh = section.get_ref();
        for (name, mailbox) in [("mailbox", &mesh.mailbox), ("to", &mesh.to)] {
            if !is_mailbox(mailbox) {
                self.at(
                    section,
                    key,
                    format!("`{name}` is a mailbox: capital letters and digits, for example X26ABC1"),
                );
            }
        }
        if mesh.mailbox == mesh.to {
            self.at(section, key, "`to` is our own `mailbox`; name the platform's");
        }
        if !is_workflow(&mesh.workflow) {
            self.at(section, key, "`workflow` is one word, as MESH has it registered");
        }
        if platform.base_url.is_none() {
            self.at(section, key, "`base-url` is missing: the address of the MESH API");
        }
        let others = [platform.token.is_some(), platform.authorization.is_some(), platform.basic.is_some()];
        if others.contains(&true) || platform.oauth2.is_some() {
            self.at(
                section,
                key,
                "signs each request itself; leave out `token`, `authorization`, `basic` and `oauth2`",
            );
        }
    }
}

impl Reader<'_> {
    /// The mailboxes with their secrets.
    pub(super) fn mesh(&mut self, section: &PlatformSection) -> Option<Mesh> {
        let mesh = section.mesh.as_ref()?.get_ref();
        let password = self.secret("mesh.password", Some(mesh.password.clone()));
        let shared_key = self.secret("mesh.shared-key", Some(mesh.shared_key.clone()));
        Some(Mesh {
            mailbox: mesh.mailbox.clone(),
            to: mesh.to.clone(),
            workflow: mesh.workflow.clone(),
            password: Secret::new(password?),
            shared_key: Secret::new(shared_key?),
            chunk_bytes: mesh.chunk_bytes.map_or(CHUNK_BYTES, NonZeroU32::get) as usize,
            track_by_local_id: mesh.track_by_local_id.unwrap_or(true),
            checked: tokio::sync::Mutex::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{ConfigError, EXAMPLE, parse};

    fn faults(keys: &str) -> String {
        match parse(&EXAMPLE.replacen("# poll-seconds = 900", keys, 1)) {
            Ok(_) => String::new(),
            Err(ConfigError::Faults(faults)) => faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
            Err(error) => error.to_string(),
        }
    }

    fn mesh(rest: &str) -> String {
        faults(&format!("mesh = {{ password = {{ env = \"P\" }}, shared-key = {{ env = \"K\" }}, {rest} }}"))
    }

    #[test]
    fn a_mailbox_that_cannot_be_is_told() {
        for (rest, words) in [
            ("mailbox = \"x26abc1\", to = \"X26ABC2\", workflow = \"W\"", "`mailbox` is a mailbox"),
            ("mailbox = \"X26ABC1\", to = \"X26/ABC2\", workflow = \"W\"", "`to` is a mailbox"),
            ("mailbox = \"X26ABC1\", to = \"X26ABC1\", workflow = \"W\"", "our own"),
            ("mailbox = \"X26ABC1\", to = \"X26ABC2\", workflow = \"two words\"", "one word"),
            ("mailbox = \"X26ABC1\", to = \"X26ABC2\", workflow = \"W\", chunk-bytes = 0", "nonzero"),
            ("mailbox = \"X26ABC1\", to = \"X26ABC2\"", "workflow"),
        ] {
            let found = mesh(rest);
            assert!(found.contains(words), "{rest}: {found}");
        }
        let beside = "token = { env = \"T\" }\nmesh = { mailbox = \"A\", to = \"B\", workflow = \"W\", password = { env = \"P\" }, \
                      shared-key = { env = \"K\" } }";
        assert!(faults(beside).contains("signs each request itself"));
        let given = faults("settings = { files = \"mesh\" }");
        assert!(given.contains("said by the gateway") || given.contains("duplicate"), "{given}");
    }
}
