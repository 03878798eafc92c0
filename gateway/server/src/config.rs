//! The configuration: one TOML file, unknown keys refused, every fault named with key, line and mend. The server does
//! not start on one that is unsafe or contradicts itself.

mod access;
mod build;
mod duplicates;
pub(crate) mod files;
mod follow_up;
mod letters;
mod mail;
mod notify;
mod people;
mod policy;
mod poll;
mod retention;
mod sections;
mod share;
mod status_link;
mod store;
mod subscriptions;

pub use access::{
    AuthorizationSection, BasicSection, CertificateSection, ClientAuthWord, GrantWord, NamedSecret, OAuth2Section,
};
pub(crate) use build::clients;
pub use build::{build, rules};
pub use duplicates::DuplicatesSection;
pub use follow_up::{FollowUpSection, TimerSection};
pub use letters::DocumentSection;
pub use mail::{ImapSection, MailSection, MailboxSection, SmtpSection, TlsWord};
pub use notify::{CreatesWord, EndpointSection, NotifySection};
pub use policy::{BranchSection, ClassSetting, Decided, DirectCareSection, NotesSetting, PolicySection, TenantSection};
pub use poll::{Nightly, ReconcileSection};
pub use retention::{RetentionSection, kept_for_ever};
pub use sections::{
    ClientSection, Config, LossGrade, LossSection, PlatformSection, RetrySection, SecretSource, ServerSection,
};
pub use share::{LimitsSection, RateSection};
pub use status_link::StatusLinkSection;
pub use store::{StoreSection, address, open_store, open_store_to_read, store_file};
pub use subscriptions::SubscriptionsSection;

use crate::adapters::{self, FolderReader, Registry};
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;
use url::{Host, Url};

/// One fault of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line, from 1; 0 if it belongs to no line.
    pub line: usize,
    /// Key, for example `platform.base-url`.
    pub key: String,
    /// What is wrong and how to mend it.
    pub words: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.key, self.words),
            line => write!(f, "line {line}: {}: {}", self.key, self.words),
        }
    }
}

/// Whether an address is this machine's.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Whether a name or address alone is this machine's.
fn is_loopback_host(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is wrong: all faults.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Faults(Vec<Fault>),
}

/// Reads and checks a configuration file.
///
/// # Errors
/// [`ConfigError`] with every fault.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.display().to_string(), source })?;
    parse(&text)
}

/// Reads and checks a configuration text.
///
/// # Errors
/// [`ConfigError::Faults`] with every fault.
pub fn parse(text: &str) -> Result<Config, ConfigError> {
    parse_with(text, adapters::reader())
}

/// The same with another way to make adapters of folders.
///
/// # Errors
/// [`ConfigError::Faults`] with every fault.
pub fn parse_with(text: &str, reader: Arc<dyn FolderReader>) -> Result<Config, ConfigError> {
    let mut config: Config = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(0, |span| line_of(text, span.start));
        let words = error.message().to_owned();
        // The parser names no key, but the line that it names begins with one.
        let key = text.lines().nth(line.saturating_sub(1)).and_then(|line| line.split_once('='));
        let key = key.map_or("configuration", |(key, _)| key.trim()).to_owned();
        ConfigError::Faults(vec![Fault { line, key, words }])
    })?;
    config.adapters = Registry::reading_with(reader);
    let mut faults = sections::add_adapters(&mut config, text);
    faults.extend(sections::check(&config, text));
    let (decided, of_policy) = policy::read(&config, text);
    config.decided = decided;
    faults.extend(of_policy);
    if faults.is_empty() { Ok(config) } else { Err(ConfigError::Faults(faults)) }
}

/// The line of a byte offset, from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text.get(..offset).map_or(0, |before| before.matches('\n').count() + 1)
}

pub(crate) fn line<T>(text: &str, spanned: &Spanned<T>) -> usize {
    line_of(text, spanned.span().start)
}

/// A commented configuration that starts as it stands (`vcse-gateway config example`).
pub const EXAMPLE: &str = include_str!("config/example.toml");

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        match parse(text) {
            Ok(_) => Vec::new(),
            Err(ConfigError::Faults(faults)) => faults.iter().map(ToString::to_string).collect(),
            Err(other) => vec![other.to_string()],
        }
    }

    fn changed(from: &str, to: &str) -> Vec<String> {
        assert!(EXAMPLE.contains(from), "the example no longer holds {from}");
        faults(&EXAMPLE.replacen(from, to, 1))
    }

    #[test]
    fn the_example_is_a_valid_configuration() {
        assert_eq!(faults(EXAMPLE), Vec::<String>::new());
    }

    #[test]
    fn each_unsafe_or_contradictory_setting_is_refused_with_its_line() {
        let cases = [
            ("listen = \"127.0.0.1:8080\"", "listen = \"0.0.0.0:8080\"", "loopback"),
            ("listen = \"127.0.0.1:8080\"", "listen = \"here\"", "address:port"),
            ("adapter = \"fhir-task\"", "adapter = \"fax\"", "no adapter"),
            ("base-url = \"http://127.0.0.1:9090/fhir\"", "base-url = \"http://platform.example/fhir\"", "https"),
            (
                "base-url = \"http://127.0.0.1:9090/fhir\"",
                "base-url = \"https://user@platform.example/fhir\"",
                "credentials",
            ),
            ("platform = \"food-bank\"", "platform = \"foodbank\"", "no [[platform]]"),
            ("roles = [\"referrer\"]", "roles = []", "role"),
            ("roles = [\"referrer\"]", "roles = [\"referrer\", \"governance\"]", "neither refers nor records consent"),
            ("roles = [\"referrer\"]", "roles = [\"governance\", \"consent\"]", "neither refers nor records consent"),
            ("id = \"gp-system\"", "id = \"account/gp\"", "audit could not tell"),
            ("organisation = \"A82001\"", "organisation = \"a practice\"", "ODS"),
            ("token-sha256 = \"9f86d0", "token-sha256 = \"XYZ", "64 lower-case"),
            ("# poll-seconds = 900", "authorization = { scheme = \"two words\", env = \"A\" }", "one word"),
            ("# poll-seconds = 900", "authorization = { scheme = \"token\" }", "either `env` or `file`"),
            ("# poll-seconds = 900", "authorization = { scheme = \"token\", key = \"A\" }", "unknown field"),
            (
                "# poll-seconds = 900",
                "token = { env = \"A\" }\nauthorization = { scheme = \"token\", env = \"A\" }",
                "keep one of them",
            ),
            ("# poll-seconds = 900", "loss = { hold-at = \"grave\" }", "unknown variant"),
            ("[[route]]", "[[policy]]\ntenant = \"nobody\"\nplatform = \"food-bank\"\n\n[[route]]", "no [[client]]"),
            (
                "[[route]]",
                "[[policy]]\ntenant = \"example-pcn\"\nplatform = \"foodbank\"\n\n[[route]]",
                "no [[platform]]",
            ),
            (
                "[[route]]",
                "[[policy]]\ntenant = \"example-pcn\"\nplatform = \"food-bank\"\nnotes = \"all\"\n\n[[route]]",
                "unknown variant",
            ),
            (
                "[[route]]",
                "[[policy]]\ntenant = \"example-pcn\"\nplatform = \"food-bank\"\n\n\
                 [[policy]]\ntenant = \"example-pcn\"\nplatform = \"food-bank\"\nnotes = \"send\"\n\n[[route]]",
                "already",
            ),
            ("[[route]]", "[[retention]]\nwhat = \"all\"\nkeep-days = 9\n\n[[route]]", "unknown variant"),
            ("[[route]]", "[[retention]]\nwhat = \"records\"\nkeep-days = 0\n\n[[route]]", "at least 1"),
            ("[[route]]", "[[retention]]\nwhat = \"answers\"\nkeep-days = 6\n\n[[route]]", "at least 7"),
            (
                "[[route]]",
                "[[retention]]\nwhat = \"records\"\nkeep-days = 9\n\n\
                 [[retention]]\nwhat = \"records\"\nkeep-days = 8\n\n[[route]]",
                "already",
            ),
            (
                "[[route]]",
                "[[retention]]\nwhat = \"records\"\nkeep-days = 9\n\n\
                 [[retention]]\nwhat = \"withdrawn\"\nkeep-days = 9\n\n[[route]]",
                "sooner",
            ),
            (
                "[[route]]",
                "[[follow-up.timer]]\ncause = \"not-notified\"\nhours = 4\n\n[[route]]",
                "time does not bring this",
            ),
            ("[[route]]", "[[follow-up.timer]]\ncause = \"no-outcome\"\n\n[[route]]", "exactly one"),
            (
                "[[route]]",
                "[[follow-up.timer]]\ncause = \"no-outcome\"\nhours = 4\nbusiness-days = 1\n\n[[route]]",
                "exactly one",
            ),
            (
                "[[route]]",
                "[[follow-up.timer]]\ncause = \"no-outcome\"\nnever = true\ntenant = \"nobody\"\n\n[[route]]",
                "no [[client]]",
            ),
            (
                "[[route]]",
                "[[follow-up.timer]]\ncause = \"no-outcome\"\nnever = true\nplatform = \"foodbank\"\n\n[[route]]",
                "no [[platform]]",
            ),
            ("[[route]]", "[follow-up]\ndays-off = [\"2027-02-30\"]\n\n[[route]]", "not a day"),
            ("# adapters = \"adapters\"", "adapters = \"no-such-folder\"", "cannot be read"),
            ("[server]", "[server]\ncolour = 1", "unknown field"),
        ];
        for (from, to, expected) in cases {
            let faults = changed(from, to);
            assert!(faults.iter().any(|fault| fault.contains(expected)), "{to}: {faults:?}");
            assert!(faults.iter().all(|fault| fault.starts_with("line ")), "{to}: {faults:?}");
        }
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let text = EXAMPLE.replacen("listen = \"127.0.0.1:8080\"", "listen = \"0.0.0.0:8080\"", 1).replacen(
            "adapter = \"fhir-task\"",
            "adapter = \"fax\"",
            1,
        );
        assert_eq!(faults(&text).len(), 2, "{:?}", faults(&text));
    }
}
