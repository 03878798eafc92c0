//! What a `[[platform]]` says of the way that files take to it.

use super::access::Reader;
use super::sections::{Check, PlatformSection, SecretSource};
use crate::gateway::Secret;
use crate::transport::mesh::Mesh;
use crate::transport::sftp::{Login, Sftp};
use adapter_contract::Settings;
use serde::Deserialize;
use std::num::{NonZeroU16, NonZeroU32};

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

/// `sftp` of a platform.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SftpSection {
    /// The server's name or address.
    pub host: String,
    /// Its port; absent = 22.
    pub port: Option<NonZeroU16>,
    /// Who we are there.
    pub username: String,
    /// Our private key.
    pub key: SecretSource,
    /// The hash of the server's key.
    pub host_key: String,
    /// The folder into which our files go; absent = `in`.
    pub outbox: Option<String>,
    /// The folder from which theirs come; absent = `out`.
    pub inbox: Option<String>,
    /// Whether a file is whole only with a `NAME.done` beside it.
    #[serde(default)]
    pub done_files: bool,
}

impl SftpSection {
    fn port(&self) -> u16 {
        self.port.map_or(22, NonZeroU16::get)
    }
}

/// What stands for a base address where files go over SFTP.
pub(super) fn sftp_address(section: &PlatformSection) -> Option<String> {
    let sftp = section.sftp.as_ref()?.get_ref();
    Some(format!("sftp://{}:{}", sftp.host, sftp.port()))
}

/// The settings that an adapter is given: those that are written, and what the gateway knows itself.
pub(crate) fn settings(section: &PlatformSection) -> Settings {
    let mut settings = section.settings.clone();
    if let Some(base) = &section.base_url {
        settings.insert("base-url".to_owned(), base.get_ref().trim_end_matches('/').to_owned());
    }
    if section.mesh.is_some() {
        settings.insert("files".to_owned(), "mesh".to_owned());
    } else if section.sftp.is_some() {
        settings.insert("files".to_owned(), "sftp".to_owned());
    }
    settings
}

/// A mailbox: capital letters and digits. It stands in an address.
pub(super) fn is_mailbox(text: &str) -> bool {
    (1..=100).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// A workflow: it stands in a header.
fn is_workflow(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    (1..=300).contains(&text.len()) && text.bytes().all(plain)
}

/// A name of DNS or an address.
fn is_host(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:".contains(&byte);
    (1..=253).contains(&text.len()) && text.bytes().all(plain)
}

/// `SHA256:` and 32 bytes in Base64 without padding.
fn is_fingerprint(text: &str) -> bool {
    text.strip_prefix("SHA256:").is_some_and(|hash| {
        hash.len() == 43 && hash.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte))
    })
}

/// A folder, and none above it.
fn is_folder(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_control) && text.split('/').all(|part| part != "..")
}

impl Check<'_> {
    fn sftp(&mut self, platform: &PlatformSection) {
        let Some(section) = &platform.sftp else { return };
        let (key, sftp) = ("platform.sftp", section.get_ref());
        if !is_host(&sftp.host) {
            self.at(section, key, "`host` is a name or an address, without a scheme");
        }
        if sftp.username.is_empty() || sftp.username.contains(char::is_control) {
            self.at(section, key, "`username` is empty");
        }
        if !is_fingerprint(&sftp.host_key) {
            self.at(
                section,
                key,
                "`host-key` is what `ssh-keygen -lf` shows of the server's key: SHA256: and 43 characters",
            );
        }
        for folder in sftp.outbox.iter().chain(&sftp.inbox) {
            if !is_folder(folder) {
                self.at(section, key, "`outbox` and `inbox` are folders, without `..`");
            }
        }
        if platform.base_url.is_some() || platform.mesh.is_some() {
            self.at(section, key, "stands beside `base-url` or `mesh`; files go one way: keep one of them");
        }
    }

    /// What contradicts itself.
    pub(super) fn files(&mut self, platform: &PlatformSection) {
        if platform.settings.contains_key("files") {
            self.at(
                &platform.id,
                "platform.settings",
                "`files` is said by the gateway; write `mesh` beside `settings`",
            );
        }
        self.sftp(platform);
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

/// A mailbox that belongs to no platform: where it sends, and under which workflow, each message says.
pub(super) fn mesh_of(mailbox: &str, password: String, shared_key: String) -> Mesh {
    Mesh {
        mailbox: mailbox.to_owned(),
        to: String::new(),
        workflow: String::new(),
        password: Secret::new(password),
        shared_key: Secret::new(shared_key),
        chunk_bytes: CHUNK_BYTES as usize,
        track_by_local_id: false,
        checked: tokio::sync::Mutex::default(),
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

impl Reader<'_> {
    /// The server with our key.
    pub(super) fn sftp(&mut self, section: &PlatformSection) -> Option<Sftp> {
        let sftp = section.sftp.as_ref()?.get_ref();
        let key = self.secret("sftp.key", Some(sftp.key.clone()))?;
        let login = match Login::key(&key) {
            Ok(login) => login,
            Err(words) => {
                self.fault("sftp.key", words.to_owned());
                return None;
            }
        };
        let folder =
            |folder: &Option<String>, usual: &str| folder.as_deref().unwrap_or(usual).trim_end_matches('/').to_owned();
        Some(Sftp {
            host: sftp.host.clone(),
            port: sftp.port(),
            username: sftp.username.clone(),
            login,
            host_key: sftp.host_key.clone(),
            outbox: folder(&sftp.outbox, "in"),
            inbox: folder(&sftp.inbox, "out"),
            done_files: sftp.done_files,
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

    #[test]
    fn a_server_that_cannot_be_is_told() {
        let host_key = "host-key = \"SHA256:0123456789012345678901234567890123456789012\"";
        let sftp = |rest: &str| faults(&format!("sftp = {{ username = \"gw\", key = {{ env = \"K\" }}, {rest} }}"));
        for (rest, words) in [
            (format!("host = \"sftp://x\", {host_key}"), "without a scheme"),
            ("host = \"x.example\", host-key = \"MD5:aa\"".to_owned(), "ssh-keygen"),
            (format!("host = \"x.example\", {host_key}, inbox = \"../other\""), "without `..`"),
            (format!("host = \"x.example\", {host_key}, port = 0"), "nonzero"),
            (format!("host = \"x.example\", {host_key}"), "stands beside `base-url`"),
        ] {
            let found = sftp(&rest);
            assert!(found.contains(words), "{rest}: {found}");
        }
    }
}
