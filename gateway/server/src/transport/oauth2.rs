//! OAuth2: a token for a platform, kept until it ends, and asked for by one request at a time however many need it.
//!
//! Client credentials (RFC 6749, 4.4) and the JWT bearer grant (RFC 7523, 2.1), with the client authenticated by Basic, in the body or by
//! a signed assertion (RFC 7523, 2.2). What goes wrong here has sent nothing of a referral, and is told so: nothing is in doubt.

use crate::chance::Chance;
use crate::clock::Clock;
use crate::gateway::Secret;
use adapter_contract::{DeliveryError, FailureCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use tokio::sync::Mutex;
use url::Url;

/// A token is waited for so long, whether this request asks for it or another one does.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Longest answer of a token server, bytes.
const ANSWER: usize = 256 << 10;
/// A token is renewed so long before its end, so that it does not end on its way.
const AHEAD: Duration = Duration::from_secs(30);
/// An assertion holds for so long (RFC 7523 asks for a short time; some servers refuse more than five minutes).
const ASSERTION: i64 = 180;
/// A token whose end is not said is asked for anew after so long, or when it is refused.
const UNSAID: Duration = Duration::from_secs(3600);
/// However soon it is said to end, it is used for so long; and however late, no longer than that.
const LIVES: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(24 * 3600));
/// A token that the platform refuses is renewed no sooner after the last time.
const AGAIN: Duration = Duration::from_secs(60);

/// How the token server knows the client.
#[derive(Debug, Clone)]
pub enum ClientAuth {
    /// HTTP Basic: the id and a secret, both form-encoded first (RFC 6749, 2.3.1).
    Basic(Secret),
    /// `client_id` and `client_secret` in the body.
    Body(Secret),
    /// `client_assertion`: a JWT signed with the client's key.
    Assertion(Signer),
    /// Not at all: the grant's own assertion does.
    None,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub enum Grant {
    /// Client credentials.
    ClientCredentials,
    /// JWT bearer: an assertion that the client acts for a user.
    JwtBearer {
        /// The user (`sub`).
        subject: String,
        /// Whose key it is signed with.
        signer: Signer,
    },
}

/// A private key and what goes with it.
#[derive(Clone)]
pub struct Signer {
    key: EncodingKey,
    algorithm: Algorithm,
    key_id: Option<String>,
    audience: String,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl Signer {
    /// With a private key in PEM: RSA signs by `RS384`, an elliptic curve by `ES384`, unless `algorithm` says otherwise.
    ///
    /// # Errors
    /// In words, without the key, when it cannot be read or does not fit the algorithm.
    pub fn from_pem(
        pem: &[u8],
        algorithm: Option<&str>,
        key_id: Option<String>,
        audience: String,
    ) -> Result<Self, &'static str> {
        let algorithm = match algorithm {
            Some(name) => name.parse().map_err(|_| "the algorithm is not known; for example RS256, RS384 or ES384")?,
            None if EncodingKey::from_rsa_pem(pem).is_ok() => Algorithm::RS384,
            None => Algorithm::ES384,
        };
        let key = match algorithm {
            Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(pem),
            Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 => EncodingKey::from_rsa_pem(pem),
            _ => return Err("an assertion is signed with RS256, RS384, RS512, ES256 or ES384"),
        };
        let key = key.map_err(|_| "no private key of the algorithm's kind is in the file (PEM)")?;
        Ok(Self { key, algorithm, key_id, audience })
    }

    fn assertion(&self, issuer: &str, subject: &str, clock: &dyn Clock, chance: &Chance) -> Option<String> {
        let now = clock.now().unix_timestamp();
        let claims = json!({
            "iss": issuer, "sub": subject, "aud": self.audience, "iat": now, "exp": now + ASSERTION, "jti": chance.secret(),
        });
        let header = Header { kid: self.key_id.clone(), ..Header::new(self.algorithm) };
        jsonwebtoken::encode(&header, &claims, &self.key).ok()
    }
}

/// A client of one token server, with its token.
pub struct OAuth2 {
    /// Where tokens are had.
    pub token_url: Url,
    /// The client.
    pub client_id: String,
    /// How it is known.
    pub auth: ClientAuth,
    /// What it asks for.
    pub grant: Grant,
    /// `scope`, if any.
    pub scope: Option<String>,
    /// `audience`, if the server wants one beside the grant.
    pub audience: Option<String>,
    /// The token; whoever renews it holds the lock, so that the others wait for what it brings.
    pub held: Mutex<Held>,
}

/// What is kept of one client.
#[derive(Default)]
pub struct Held {
    token: Option<Token>,
    /// When one was last renewed because the platform refused it, by [`Clock::elapsed`].
    renewed: Option<Duration>,
}

/// A token as it is kept.
#[derive(Clone)]
pub struct Token {
    value: Secret,
    /// By [`Clock::elapsed`].
    until: Duration,
}

impl Token {
    /// The header that shows it.
    #[must_use]
    pub fn authorization(&self) -> Secret {
        Secret::new(format!("Bearer {}", self.value.reveal()))
    }

    /// Itself, to be found in what a platform repeats.
    #[must_use]
    pub fn value(&self) -> &Secret {
        &self.value
    }
}

/// What a token server answers (RFC 6749, 5.1).
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token_type: Option<String>,
    expires_in: Option<u64>,
    /// Where Salesforce says that the token is for.
    instance_url: Option<String>,
}

impl OAuth2 {
    /// The token for requests to `base`: the one that is held, or a new one.
    ///
    /// # Errors
    /// [`DeliveryError`] when there is none; nothing was sent to the platform.
    pub async fn token(
        &self,
        client: &reqwest::Client,
        base: &str,
        clock: &dyn Clock,
        chance: &Chance,
    ) -> Result<Token, DeliveryError> {
        let had = async {
            let mut held = self.held.lock().await;
            if let Some(token) = held.token.as_ref().filter(|token| token.until > clock.elapsed()) {
                return Ok(token.clone());
            }
            held.token = None;
            let token = self.ask(client, base, clock, chance).await?;
            held.token = Some(token.clone());
            Ok(token)
        };
        let late = |_| unreachable("The token server did not answer in time.");
        tokio::time::timeout(PATIENCE, had).await.map_err(late)?
    }

    /// Forgets a token that the platform refused, unless it has been renewed since. False: none is asked for now, for the last was
    /// renewed a moment ago, and the platform refused that one as well.
    pub async fn refused(&self, token: &Token, clock: &dyn Clock) -> bool {
        let mut held = self.held.lock().await;
        if held.token.as_ref().is_none_or(|held| held.value.reveal() != token.value.reveal()) {
            return true;
        }
        let now = clock.elapsed();
        if held.renewed.is_some_and(|renewed| now.saturating_sub(renewed) < AGAIN) {
            return false;
        }
        *held = Held { token: None, renewed: Some(now) };
        true
    }

    async fn ask(
        &self,
        client: &reqwest::Client,
        base: &str,
        clock: &dyn Clock,
        chance: &Chance,
    ) -> Result<Token, DeliveryError> {
        let unsigned = || unreachable("The gateway could not sign its assertion for the token server.");
        let mut fields: Vec<(&str, String)> = Vec::new();
        match &self.grant {
            Grant::ClientCredentials => fields.push(("grant_type", "client_credentials".to_owned())),
            Grant::JwtBearer { subject, signer } => {
                fields.push(("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned()));
                let assertion = signer.assertion(&self.client_id, subject, clock, chance).ok_or_else(unsigned)?;
                fields.push(("assertion", assertion));
            }
        }
        let optional = [("scope", &self.scope), ("audience", &self.audience)];
        fields.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        let mut request = client.post(self.token_url.clone()).header("accept", "application/json");
        match &self.auth {
            ClientAuth::Basic(secret) => {
                let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = format!("{}:{}", encoded(&self.client_id), encoded(secret.reveal()));
                request = request.header("authorization", format!("Basic {}", BASE64.encode(pair)));
            }
            ClientAuth::Body(secret) => {
                fields.push(("client_id", self.client_id.clone()));
                fields.push(("client_secret", secret.reveal().to_owned()));
            }
            ClientAuth::Assertion(signer) => {
                fields.push(("client_id", self.client_id.clone()));
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                fields.push(("client_assertion_type", kind.to_owned()));
                let own = &self.client_id;
                fields.push(("client_assertion", signer.assertion(own, own, clock, chance).ok_or_else(unsigned)?));
            }
            ClientAuth::None => {}
        }
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
        let began = clock.elapsed();
        let sent = request.header("content-type", "application/x-www-form-urlencoded").body(body).send().await;
        let response = sent.map_err(|error| super::without_answer(&error, "token server")).map_err(nothing_sent)?;
        self.read(response, base, began, clock).await
    }

    async fn read(
        &self,
        response: reqwest::Response,
        base: &str,
        began: Duration,
        clock: &dyn Clock,
    ) -> Result<Token, DeliveryError> {
        let status = response.status().as_u16();
        let wait = crate::pace::asked_to_wait(status, &super::headers(&response), clock.now());
        let body =
            super::body(response, ANSWER).await.map_err(|_| unreachable("The token server's answer broke off."))?;
        match status {
            200 => {}
            // RFC 6749, 5.2: the credential, or what was asked for with it, is refused. Asking again would not help. Any other 400 or 403
            // may be a proxy's.
            401 => return Err(refused(status)),
            400 | 403 if is_refusal(&body) => return Err(refused(status)),
            _ => {
                let words = format!("The token server answered {status}; nothing was sent to the platform.");
                let retry_after_seconds = wait.and_then(|wait| u32::try_from(wait.as_secs()).ok());
                return Err(DeliveryError { retry_after_seconds, ..unreachable(&words) });
            }
        }
        let granted: Granted = serde_json::from_slice(&body)
            .map_err(|_| unreachable("The token server's answer has no token in it (RFC 6749, 5.1)."))?;
        let is_bearer = granted.token_type.as_deref().is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
        let fits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_bearer || !fits(&granted.access_token) {
            return Err(unreachable("The token server gave no bearer token."));
        }
        if granted.instance_url.is_some_and(|instance| !same_origin(&instance, base)) {
            let words = "The token is for another address (`instance_url`) than this platform's `base-url`. Write that address \
                         there; nothing was sent.";
            return Err(DeliveryError::new(FailureCode::HttpStatus(421), words));
        }
        let lives = granted.expires_in.map_or(UNSAID, Duration::from_secs);
        let lives = lives.saturating_sub(AHEAD.min(lives / 2)).clamp(LIVES.0, LIVES.1);
        let until = began.saturating_add(lives);
        Ok(Token { value: Secret::new(granted.access_token), until })
    }
}

/// What a token server says in its body where it refuses (RFC 6749, 5.2).
#[derive(Deserialize)]
struct Denied {
    error: String,
}

/// All codes of that section, and the one of RFC 8707. `invalid_request` is among them: what we ask for stays the same, and servers say it of
/// a grant that the client may not use, or of a client that is not known in the way that it shows itself.
fn is_refusal(body: &[u8]) -> bool {
    let codes = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "invalid_target",
    ];
    serde_json::from_slice::<Denied>(body).is_ok_and(|denied| codes.contains(&denied.error.as_str()))
}

fn refused(status: u16) -> DeliveryError {
    let words = format!(
        "The token server refused the gateway's credential ({status}). Check client id, secret or key, grant and scope; nothing was sent \
         to the platform."
    );
    DeliveryError::new(FailureCode::HttpStatus(401), words)
}

fn same_origin(one: &str, other: &str) -> bool {
    match (Url::parse(one), Url::parse(other)) {
        (Ok(one), Ok(other)) => one.origin() == other.origin(),
        _ => false,
    }
}

/// Whatever kept us from a token, the platform has heard nothing.
fn nothing_sent(error: DeliveryError) -> DeliveryError {
    match error.code {
        FailureCode::TlsRefused => error,
        _ => DeliveryError { code: FailureCode::NotConnected, ..error },
    }
}

fn unreachable(words: &str) -> DeliveryError {
    DeliveryError::new(FailureCode::NotConnected, words)
}
