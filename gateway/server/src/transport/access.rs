//! How a platform is reached and what it is shown: credentials, certificates, addresses. Made from the configuration at the start; the
//! only part of the gateway that holds a platform's secrets.

use super::dial::{Allowed, Guard, Lookup};
use super::mail::Mail;
use super::mesh::Mesh;
use super::oauth2::{OAuth2, PATIENCE, Token};
use super::sftp::Sftp;
use crate::gateway::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A connection is given so long to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// A secret that is shorter is not looked for in answers: it would be found everywhere.
const FINDABLE: usize = 8;
/// What stands in its place.
const SCRUBBED: &[u8] = b"[secret]";

/// How one platform is reached.
#[derive(Default)]
pub struct Access {
    /// What requests to it carry.
    pub credentials: Credentials,
    /// Certificates, where they are its own.
    pub tls: Tls,
    /// Where its names may lead.
    pub allowed: Allowed,
    /// The mailboxes, if files go over MESH.
    pub mesh: Option<Mesh>,
    /// The server, if files go over SFTP.
    pub sftp: Option<Sftp>,
    /// The mailbox, if it is written to by mail.
    pub mail: Option<Arc<Mail>>,
    client: OnceLock<reqwest::Client>,
}

/// What requests to a platform carry. More than one is possible, for some platforms ask for more.
#[derive(Default)]
pub struct Credentials {
    /// The `Authorization` header.
    pub authorization: Option<Authorization>,
    /// Headers with a secret each.
    pub headers: Vec<(String, Secret)>,
    /// Query parameters with a secret each.
    pub query: Vec<(String, Secret)>,
}

/// Where an `Authorization` header comes from.
pub enum Authorization {
    /// It is always the same.
    Fixed(Secret),
    /// HTTP Basic: the header, and the password that is in it.
    Basic(Secret, Secret),
    /// A token that a server gives out.
    OAuth2(Box<OAuth2>),
}

impl Authorization {
    /// HTTP Basic (RFC 7617).
    #[must_use]
    pub fn basic(username: &str, password: String) -> Self {
        let pair = BASE64.encode(format!("{username}:{password}"));
        Self::Basic(Secret::new(format!("Basic {pair}")), Secret::new(password))
    }

    /// The header, where it is always the same.
    #[must_use]
    pub const fn header(&self) -> Option<&Secret> {
        match self {
            Self::Fixed(header) | Self::Basic(header, _) => Some(header),
            Self::OAuth2(_) => None,
        }
    }
}

/// Certificates of one platform.
#[derive(Default)]
pub struct Tls {
    /// What the gateway shows of itself (mutual TLS).
    pub identity: Option<reqwest::Identity>,
    /// Who may vouch for the platform; none: whom the operating system trusts.
    pub authorities: Vec<reqwest::Certificate>,
}

impl Access {
    /// How much longer than its answer one request may take: a token before it, and once more after one that was refused; or for mail
    /// all that comes before the mail itself.
    #[must_use]
    pub fn longest_wait(&self, answer: Duration) -> Duration {
        match &self.credentials.authorization {
            Some(Authorization::OAuth2(_)) => PATIENCE * 2 + answer,
            _ if self.mail.is_some() => answer,
            _ => Duration::ZERO,
        }
    }

    /// With these.
    #[must_use]
    pub fn new(credentials: Credentials, tls: Tls, allowed: Allowed) -> Self {
        Self { credentials, tls, allowed, mesh: None, sftp: None, mail: None, client: OnceLock::new() }
    }

    /// The same, with a way for files.
    #[must_use]
    pub fn with_files(self, mesh: Option<Mesh>, sftp: Option<Sftp>) -> Self {
        Self { mesh, sftp, ..self }
    }

    /// The same, written to by mail.
    #[must_use]
    pub fn with_mail(self, mail: Option<Arc<Mail>>) -> Self {
        Self { mail, ..self }
    }

    /// The HTTP client of this platform: the shared one, unless something is its own.
    ///
    /// # Errors
    /// When the TLS library cannot start.
    pub fn client(
        &self,
        shared: &reqwest::Client,
        lookup: &Arc<dyn Lookup>,
    ) -> Result<reqwest::Client, reqwest::Error> {
        if self.tls.identity.is_none() && self.tls.authorities.is_empty() && self.allowed.is_plain() {
            return Ok(shared.clone());
        }
        if let Some(own) = self.client.get() {
            return Ok(own.clone());
        }
        let own = client(&self.tls, Guard { lookup: Arc::clone(lookup), allowed: self.allowed.clone() })?;
        Ok(self.client.get_or_init(|| own).clone())
    }
}

/// A client with no redirects, no proxy and no cookies.
pub(super) fn client(tls: &Tls, guard: Guard) -> Result<reqwest::Client, reqwest::Error> {
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT)
        .dns_resolver(guard)
        .user_agent(concat!("vcse-gateway/", env!("CARGO_PKG_VERSION")));
    if !tls.authorities.is_empty() {
        builder = builder.tls_certs_only(tls.authorities.clone());
    }
    if let Some(identity) = &tls.identity {
        builder = builder.identity(identity.clone());
    }
    builder.build()
}

impl Credentials {
    /// Takes out of an answer what a platform repeats of its secrets: answers are kept as evidence, and adapters read them.
    pub(super) fn scrub(&self, token: Option<&Token>, headers: &mut [(String, String)], body: &mut Vec<u8>) {
        // After the scheme.
        let header = self.authorization.as_ref().and_then(Authorization::header);
        let fixed = header.and_then(|header| header.reveal().split_once(' ')).map(|(_, secret)| secret);
        let password = match &self.authorization {
            Some(Authorization::Basic(_, password)) => Some(password.reveal()),
            _ => None,
        };
        let named = self.headers.iter().chain(&self.query).map(|(_, secret)| secret.reveal());
        let secrets = fixed.into_iter().chain(password).chain(token.map(|token| token.value().reveal())).chain(named);
        for secret in secrets.filter(|secret| secret.len() >= FINDABLE).flat_map(written) {
            if let Some(clean) = without(body, secret.as_bytes()) {
                *body = clean;
            }
            for (_, value) in headers.iter_mut().filter(|(_, value)| value.contains(&secret)) {
                *value = value.replace(&secret, "[secret]");
            }
        }
    }
}

/// The ways in which a platform may write a secret that it repeats: as it is, in an address by either custom, and in JSON with `/` escaped.
fn written(secret: &str) -> BTreeSet<String> {
    let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let percent = percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string();
    let json = secret.replace('\\', "\\\\").replace('"', "\\\"");
    let escaped = json.replace('/', "\\/");
    BTreeSet::from([secret.to_owned(), form.replace('+', "%20"), form, percent, json, escaped])
}

/// The same with [`SCRUBBED`] in each place of `secret`; `None` if it is nowhere.
fn without(body: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
    let mut places = memchr::memmem::find_iter(body, secret).peekable();
    places.peek()?;
    let mut clean = Vec::with_capacity(body.len());
    let mut from = 0;
    for at in places {
        clean.extend_from_slice(body.get(from..at)?);
        clean.extend_from_slice(SCRUBBED);
        from = at + secret.len();
    }
    clean.extend_from_slice(body.get(from..)?);
    Some(clean)
}
