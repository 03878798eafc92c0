//! The way to platforms: over HTTP here, other ways in the files below. The only module that holds an HTTP client; redirects are never followed, only addresses that
//! may be dialled are, answers are cut off at the adapter's limit, and what went wrong is told as a code, never as a guess.

pub mod access;
pub mod dial;
mod imap;
pub mod mail;
pub mod mesh;
pub mod oauth2;
pub mod sftp;
mod smtp;

use crate::chance::Chance;
use crate::clock::{Clock, SystemClock};
use crate::gateway::{Platform, Secret};
use access::{Access, Authorization, Tls};
use adapter_contract::{Answer, DeliveryError, FailureCode, FileRequest, HttpRequest, MailRequest, Method};
use async_trait::async_trait;
use dial::{Allowed, Forbidden, Guard, Lookup, SystemLookup};
use mail::Mailbox;
use oauth2::{OAuth2, Token};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Sends one request to one platform.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Makes ready what a request to this platform needs and that may take its time, such as a token. The platform is sent nothing, so
    /// that it comes before the decision that lets a request leave.
    ///
    /// # Errors
    /// [`DeliveryError`] when it cannot be had.
    async fn prepare(&self, platform: &Platform) -> Result<(), DeliveryError> {
        let _ = platform;
        Ok(())
    }

    /// The platform's answer, whatever its status.
    ///
    /// # Errors
    /// [`DeliveryError`] when there was none that can be read.
    async fn send(&self, platform: &Platform, request: &HttpRequest, names: &Names) -> Result<Answer, DeliveryError>;

    /// The answer of somebody on the GP's side, whatever its status.
    ///
    /// # Errors
    /// [`DeliveryError`] when there was none that can be read.
    async fn ask(&self, endpoint: &Endpoint, request: &HttpRequest, names: &Names) -> Result<Answer, DeliveryError> {
        let _ = (endpoint, request, names);
        Err(DeliveryError::new(FailureCode::Refused, "Nothing is here that asks anybody on the GP's side."))
    }

    /// Does something with files at a platform.
    ///
    /// # Errors
    /// [`DeliveryError`] when it was not done, or nobody knows whether it was.
    async fn file(&self, platform: &Platform, request: &FileRequest, names: &Names) -> Result<Answer, DeliveryError> {
        let _ = (platform, request, names);
        Err(DeliveryError::new(FailureCode::Refused, NO_FILES))
    }

    /// Sends a mail to the platform's mailbox, with the address of its status link in place of
    /// [`STATUS_LINK`](adapter_contract::STATUS_LINK).
    ///
    /// # Errors
    /// [`DeliveryError`] when no mail server has taken it, or nobody knows whether one has.
    async fn mail(
        &self,
        platform: &Platform,
        request: &MailRequest,
        link: &Secret,
        names: &Names,
    ) -> Result<Answer, DeliveryError> {
        let _ = (platform, request, link, names);
        Err(DeliveryError::new(FailureCode::Refused, NO_MAIL))
    }

    /// Opens a mailbox of ours, to read what has come.
    ///
    /// # Errors
    /// [`DeliveryError`] when it does not open.
    async fn inbox(&self, mailbox: &Mailbox) -> Result<Box<dyn Inbox>, DeliveryError> {
        let _ = mailbox;
        Err(DeliveryError::new(FailureCode::Refused, NO_INBOX))
    }
}

/// Somebody on the GP's side who is asked over HTTP.
pub struct Endpoint {
    /// Base address without trailing slash.
    pub base_url: String,
    /// How it is reached, and with which credentials.
    pub access: Access,
}

/// An answer of the GP's side is waited for so long: less than half a lease, in which a notice is told.
const ANSWER_SECONDS: u32 = 20;
/// Longest answer of the GP's side, bytes.
const ANSWER_BYTES: usize = 1 << 20;

/// Whom a request goes to, and what its answer may cost.
#[derive(Clone, Copy)]
struct To<'a> {
    /// For words: `platform`.
    who: &'static str,
    base_url: &'a str,
    access: &'a Access,
    answer_seconds: u32,
    answer_bytes: usize,
}

impl<'a> To<'a> {
    fn platform(platform: &'a Platform) -> Self {
        let limits = platform.adapter.descriptor().limits;
        Self {
            who: "platform",
            base_url: &platform.base_url,
            access: &platform.access,
            answer_seconds: limits.answer_seconds,
            answer_bytes: limits.answer_bytes as usize,
        }
    }

    fn endpoint(endpoint: &'a Endpoint) -> Self {
        Self {
            who: "GP's own server",
            base_url: &endpoint.base_url,
            access: &endpoint.access,
            answer_seconds: ANSWER_SECONDS,
            answer_bytes: ANSWER_BYTES,
        }
    }
}

/// A mailbox that is open. It closes when it is dropped.
#[async_trait]
pub trait Inbox: Send {
    /// What lies in it, the oldest first, at most so many.
    ///
    /// # Errors
    /// [`DeliveryError`] when nobody can tell.
    async fn waiting(&mut self, most: usize) -> Result<Waiting, DeliveryError>;

    /// A mail as it came, of one that is longer than [`mail::READ_BYTES`] its beginning; `None` if the server does not hand it over.
    ///
    /// # Errors
    /// [`DeliveryError`] when it cannot be read.
    async fn read(&mut self, uid: u32) -> Result<Option<Vec<u8>>, DeliveryError>;

    /// Moves a mail.
    ///
    /// # Errors
    /// [`DeliveryError`] when it may lie there still.
    async fn put_away(&mut self, uid: u32, place: Place) -> Result<(), DeliveryError>;
}

/// What lies in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// As long as this is the same, a number means the same mail (UIDVALIDITY, RFC 9051, 2.3.1.1).
    pub validity: u32,
    /// The number of each, and how long it is said to be, in bytes.
    pub mails: Vec<(u32, usize)>,
}

/// Where mail goes that has been looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// What it says is stored.
    Done,
    /// Nobody can tell what it is about.
    Unassigned,
}

/// Said where nothing reads mail.
const NO_INBOX: &str = "Nothing is here that reads mail.";

/// Said where a mail is to go and nothing carries it.
const NO_MAIL: &str = "Nothing is configured that carries mail to this platform; give its [[platform]] `mail`.";

/// Said where files are wanted and nothing carries them.
const NO_FILES: &str =
    "Nothing is configured that carries files to this platform; give its [[platform]] `mesh` or `sftp`.";

/// What one request shows of us, beside what every request to its platform does.
#[derive(Clone, Copy)]
enum Shown<'a> {
    /// Nothing.
    Nothing,
    /// A token.
    Token(&'a Token),
    /// An `Authorization` that holds for this request alone.
    Signed(&'a Secret),
}

impl<'a> Shown<'a> {
    const fn token(self) -> Option<&'a Token> {
        match self {
            Self::Token(token) => Some(token),
            Self::Nothing | Self::Signed(_) => None,
        }
    }
}

/// No answer that can be read.
struct Unread {
    error: DeliveryError,
    /// Whether it was longer than it may be.
    too_long: bool,
}

impl From<DeliveryError> for Unread {
    fn from(error: DeliveryError) -> Self {
        Self { error, too_long: false }
    }
}

/// Names that go with each request.
#[derive(Debug, Clone)]
pub struct Names {
    /// New for each attempt.
    pub request_id: String,
    /// The sender's conversation.
    pub correlation: String,
}

/// HTTP through reqwest.
#[derive(Clone)]
pub struct HttpTransport {
    shared: reqwest::Client,
    lookup: Arc<dyn Lookup>,
    clock: Arc<dyn Clock>,
    chance: Arc<Chance>,
}

impl HttpTransport {
    /// By the machine's clock and chance.
    ///
    /// # Errors
    /// When the TLS library cannot start.
    pub fn new() -> Result<Self, reqwest::Error> {
        Self::with(Arc::new(SystemLookup), Arc::new(SystemClock), Arc::new(Chance::from_system()))
    }

    /// With names looked up, tokens aged and assertions signed by these.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with(lookup: Arc<dyn Lookup>, clock: Arc<dyn Clock>, chance: Arc<Chance>) -> Result<Self, reqwest::Error> {
        let guard = Guard { lookup: Arc::clone(&lookup), allowed: Allowed::default() };
        Ok(Self { shared: access::client(&Tls::default(), guard)?, lookup, clock, chance })
    }

    async fn once(
        &self,
        client: &reqwest::Client,
        to: To<'_>,
        request: &HttpRequest,
        names: &Names,
        shown: Shown<'_>,
    ) -> Result<Answer, Unread> {
        let outgoing = build(client, to, request, names, shown)?;
        let budget = Duration::from_secs(u64::from(to.answer_seconds));
        let response =
            client.execute(with_timeout(outgoing, budget)).await.map_err(|error| without_answer(&error, to.who))?;
        let status = response.status().as_u16();
        let mut headers = headers(&response);
        let mut body = body(response, to.answer_bytes).await.map_err(|cut| match cut {
            Cut::TooLong => {
                let words = format!("The answer is longer than {} bytes and was cut off.", to.answer_bytes);
                Unread { error: DeliveryError::new(unreadable(status), words), too_long: true }
            }
            Cut::Off => DeliveryError::new(unreadable(status), "The answer broke off before its end.").into(),
        })?;
        to.access.credentials.scrub(shown.token(), &mut headers, &mut body);
        Ok(Answer::Http { status, headers, body })
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn prepare(&self, platform: &Platform) -> Result<(), DeliveryError> {
        if let Some(Authorization::OAuth2(oauth2)) = &platform.access.credentials.authorization {
            let to = To::platform(platform);
            let client = self.client_of(to)?;
            self.token(oauth2, &client, to).await?;
        }
        Ok(())
    }

    async fn send(&self, platform: &Platform, request: &HttpRequest, names: &Names) -> Result<Answer, DeliveryError> {
        let was_ours = platform.pace.is_ours().is_ok();
        let still = || if was_ours { platform.pace.is_ours() } else { Ok(()) };
        self.answered(To::platform(platform), request, names, &still).await
    }

    async fn ask(&self, endpoint: &Endpoint, request: &HttpRequest, names: &Names) -> Result<Answer, DeliveryError> {
        self.answered(To::endpoint(endpoint), request, names, &|| Ok(())).await
    }

    async fn file(&self, platform: &Platform, request: &FileRequest, names: &Names) -> Result<Answer, DeliveryError> {
        match (&platform.access.mesh, &platform.access.sftp) {
            (Some(mesh), _) => mesh::carry(self, platform, mesh, request, names).await,
            (None, Some(sftp)) => sftp::carry(self, platform, sftp, request).await,
            (None, None) => Err(DeliveryError::new(FailureCode::Refused, NO_FILES)),
        }
    }

    async fn mail(
        &self,
        platform: &Platform,
        request: &MailRequest,
        link: &Secret,
        _: &Names,
    ) -> Result<Answer, DeliveryError> {
        match &platform.access.mail {
            Some(mail) => smtp::carry(self, platform, mail, request, link).await,
            None => Err(DeliveryError::new(FailureCode::Refused, NO_MAIL)),
        }
    }

    async fn inbox(&self, mailbox: &Mailbox) -> Result<Box<dyn Inbox>, DeliveryError> {
        imap::open(self, mailbox).await
    }
}

impl HttpTransport {
    /// An answer, after a token where one is needed. `still`: whether we may still ask, once a token was renewed.
    async fn answered(
        &self,
        to: To<'_>,
        request: &HttpRequest,
        names: &Names,
        still: &(dyn Fn() -> Result<(), DeliveryError> + Sync),
    ) -> Result<Answer, DeliveryError> {
        let client = self.client_of(to)?;
        let once = |shown| self.once(&client, to, request, names, shown);
        let Some(Authorization::OAuth2(oauth2)) = &to.access.credentials.authorization else {
            return once(Shown::Nothing).await.map_err(|unread| unread.error);
        };
        let token = self.token(oauth2, &client, to).await?;
        let answer = once(Shown::Token(&token)).await.map_err(|unread| unread.error)?;
        // A token may end before its time. 401 says that nothing was done (RFC 9110, 15.5.2), so that one renewal is safe.
        if !matches!(answer, Answer::Http { status: 401, .. }) {
            return Ok(answer);
        }
        if !oauth2.refused(&token, self.clock.as_ref()).await {
            return Ok(answer);
        }
        let token = self.token(oauth2, &client, to).await?;
        // That may have taken its time.
        still()?;
        once(Shown::Token(&token)).await.map_err(|unread| unread.error)
    }

    /// The HTTP client of whom this goes to.
    fn client_of(&self, to: To<'_>) -> Result<reqwest::Client, DeliveryError> {
        let client = to.access.client(&self.shared, &self.lookup);
        client.map_err(|_| {
            let words = format!("The certificates that are configured for this {} do not work.", to.who);
            DeliveryError::new(FailureCode::TlsRefused, words)
        })
    }

    async fn token(&self, oauth2: &OAuth2, client: &reqwest::Client, to: To<'_>) -> Result<Token, DeliveryError> {
        oauth2.token(client, to.base_url, self.clock.as_ref(), &self.chance).await
    }
}

fn headers(response: &reqwest::Response) -> Vec<(String, String)> {
    let headers = response.headers().iter();
    headers.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))).collect()
}

/// Why a body is not whole.
enum Cut {
    TooLong,
    Off,
}

/// The body, if it is whole and no longer than this.
async fn body(mut response: reqwest::Response, most: usize) -> Result<Vec<u8>, Cut> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| Cut::Off)? {
        if body.len() + chunk.len() > most {
            return Err(Cut::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn with_timeout(mut request: reqwest::Request, budget: Duration) -> reqwest::Request {
    *request.timeout_mut() = Some(budget);
    request
}

fn build(
    client: &reqwest::Client,
    to: To<'_>,
    request: &HttpRequest,
    names: &Names,
    shown: Shown<'_>,
) -> Result<reqwest::Request, DeliveryError> {
    let method = match request.method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    };
    let address =
        if request.path.is_empty() { to.base_url.to_owned() } else { format!("{}/{}", to.base_url, request.path) };
    let credentials = &to.access.credentials;
    let mut builder = client.request(method, address);
    if !request.query.is_empty() {
        builder = builder.query(&request.query);
    }
    if !credentials.query.is_empty() {
        let query: Vec<_> = credentials.query.iter().map(|(name, secret)| (name, secret.reveal())).collect();
        builder = builder.query(&query);
    }
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    let authorization = match (&credentials.authorization, shown) {
        (_, Shown::Signed(secret)) => Some(secret.clone()),
        (_, Shown::Token(token)) => Some(token.authorization()),
        (authorization, Shown::Nothing) => authorization.as_ref().and_then(Authorization::header).cloned(),
    };
    let own = authorization.iter().map(|secret| ("authorization", secret));
    let own = own.chain(credentials.headers.iter().map(|(name, secret)| (name.as_str(), secret)));
    for (name, secret) in own {
        builder = builder.header(name, sensitive(secret)?);
    }
    builder = builder.header("x-request-id", &names.request_id).header("x-correlation-id", &names.correlation);
    if let Some(body) = &request.body {
        builder = builder.body(body.clone());
    }
    let built = builder.build().map_err(|_| {
        DeliveryError::new(FailureCode::Untranslatable, "The adapter made a request that is not valid HTTP.")
    })?;
    if !is_below(built.url(), to.base_url) {
        let words = "The adapter made an address that is not below the platform's base address; nothing was sent.";
        return Err(DeliveryError::new(FailureCode::Untranslatable, words));
    }
    Ok(built)
}

/// A header value that no library prints.
fn sensitive(secret: &Secret) -> Result<reqwest::header::HeaderValue, DeliveryError> {
    let mut value = reqwest::header::HeaderValue::from_str(secret.reveal()).map_err(|_| {
        DeliveryError::new(
            FailureCode::HttpStatus(401),
            "A secret of this platform cannot stand in a header; nothing was sent.",
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether an address is the platform's own: what an answer names, and `..` in a path, must not lead elsewhere.
fn is_below(url: &Url, base: &str) -> bool {
    let Ok(base) = Url::parse(base) else { return false };
    let inside = url.path().strip_prefix(base.path().trim_end_matches('/'));
    url.origin() == base.origin() && inside.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// reqwest's errors name the address, and addresses may hold what an adapter should not have put there: the words are ours.
fn without_answer(error: &reqwest::Error, who: &str) -> DeliveryError {
    if error.is_connect() {
        if is_forbidden(error) {
            let words = format!(
                "The {who}'s name leads to an address that may not be dialled, so nothing was sent. If it is in your own network, list the \
                 network in `addresses` of this [[platform]]."
            );
            return DeliveryError::new(FailureCode::NotConnected, words);
        }
        if is_refused_by_tls(error) {
            let words = format!("The {who}'s certificate was not accepted, or ours was not, so nothing was sent.");
            return DeliveryError::new(FailureCode::TlsRefused, words);
        }
        return DeliveryError::new(FailureCode::NotConnected, format!("No connection to the {who}: nothing was sent."));
    }
    let words = if error.is_timeout() {
        format!("The {who} did not answer in time.")
    } else {
        format!("The connection ended before the {who} had answered.")
    };
    DeliveryError::new(FailureCode::NoAnswer, words)
}

/// Whether a certificate, or what TLS is to be spoken with, was refused. A handshake that only broke off is a connection that was not made.
fn is_refused_by_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    use tokio_rustls::rustls::Error as Tls;
    let refused = |tls: &Tls| {
        matches!(
            tls,
            Tls::InvalidCertificate(_)
                | Tls::InvalidCertRevocationList(_)
                | Tls::AlertReceived(_)
                | Tls::NoCertificatesPresented
                | Tls::UnsupportedNameType
                | Tls::PeerIncompatible(_)
                | Tls::NoApplicationProtocol
        )
    };
    holds(error, &|inner| inner.downcast_ref::<Tls>().is_some_and(refused))
}

/// Whether this error, or one within it, is so. An I/O error shows what it holds, and not as its source.
fn holds(
    error: &(dyn std::error::Error + 'static),
    is_so: &dyn Fn(&(dyn std::error::Error + 'static)) -> bool,
) -> bool {
    let held = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    is_so(error)
        || held.is_some_and(|held| holds(held, is_so))
        || error.source().is_some_and(|source| holds(source, is_so))
}

fn is_forbidden(error: &reqwest::Error) -> bool {
    holds(error, &|inner| inner.is::<Forbidden>())
}

fn unreadable(status: u16) -> FailureCode {
    if (200..300).contains(&status) { FailureCode::UnreadableSuccess } else { FailureCode::HttpStatus(status) }
}
