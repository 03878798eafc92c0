//! The token endpoint: client credentials and the JWT bearer flow (RFC 7523), as Salesforce documents them.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::Salesforce;
use crate::simulator::{Answer, Asked};

/// The grant of the JWT bearer flow.
pub const JWT_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// An assertion must not end later than this.
const LONGEST: Duration = Duration::minutes(3);

/// A connected app.
#[derive(Debug, Clone)]
pub struct App {
    /// The consumer key.
    pub client_id: String,
    /// The consumer secret.
    pub client_secret: String,
    /// Whether the client credentials flow is on, with a user to run as.
    pub client_credentials: bool,
    /// The public key of the uploaded certificate (PKCS #1, DER); none = no digital signatures.
    pub public_key: Option<Vec<u8>>,
    /// Users who may be acted for.
    pub users: Vec<String>,
    /// What an assertion may name as its audience.
    pub audiences: Vec<String>,
}

impl Default for App {
    fn default() -> Self {
        Self {
            client_id: "3MVG9.gateway".to_owned(),
            client_secret: "simulated-secret".to_owned(),
            client_credentials: true,
            public_key: None,
            users: vec!["gateway@charity.example".to_owned()],
            audiences: vec!["https://login.salesforce.com".to_owned()],
        }
    }
}

impl Salesforce {
    /// `POST /services/oauth2/token`.
    pub(super) fn token(&mut self, asked: &Asked, now: OffsetDateTime) -> Answer {
        if asked.method != "POST" {
            return Answer::bare(405);
        }
        let Some(form) = asked.form() else { return refused("invalid_request", "a form is expected") };
        let named = |name: &str| form.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
        let granted = match named("grant_type") {
            Some("client_credentials") => {
                let (id, secret) = basic(asked).unwrap_or_else(|| {
                    let own = |name| named(name).unwrap_or_default().to_owned();
                    (own("client_id"), own("client_secret"))
                });
                self.app.by_secret(&id, &secret)
            }
            Some(JWT_GRANT) => self.app.by_assertion(named("assertion").unwrap_or_default(), now),
            _ => Err(("unsupported_grant_type", "grant type not supported")),
        };
        if let Err((code, words)) = granted {
            return refused(code, words);
        }
        let instance =
            self.instance.clone().unwrap_or_else(|| format!("http://{}", asked.header("host").unwrap_or_default()));
        let token = self.open_session(now);
        // How long it lasts is not said: a program learns it from INVALID_SESSION_ID.
        Answer::json(
            200,
            &json!({
                "access_token": token, "signature": "simulated", "scope": "api", "instance_url": instance,
                "id": format!("{instance}/id/00Dxx/005xx"), "token_type": "Bearer",
                "issued_at": (now.unix_timestamp() * 1000).to_string(),
            }),
        )
    }
}

type Granted = Result<(), (&'static str, &'static str)>;

impl App {
    fn by_secret(&self, id: &str, secret: &str) -> Granted {
        if id != self.client_id {
            return Err(("invalid_client_id", "client identifier invalid"));
        }
        if secret != self.client_secret {
            return Err(("invalid_client", "invalid client credentials"));
        }
        if !self.client_credentials {
            return Err(("invalid_grant", "no client credentials user enabled"));
        }
        Ok(())
    }

    fn by_assertion(&self, assertion: &str, now: OffsetDateTime) -> Granted {
        let invalid = ("invalid_grant", "invalid assertion");
        let key = self.public_key.as_deref().ok_or(("invalid_grant", "no certificate is registered"))?;
        let mut rules = Validation::new(Algorithm::RS256);
        rules.required_spec_claims.clear();
        // Times are those of the simulated clock.
        rules.validate_exp = false;
        rules.validate_aud = false;
        let claims = jsonwebtoken::decode::<Value>(assertion, &DecodingKey::from_rsa_der(key), &rules);
        let claims = claims.map_err(|_| invalid)?.claims;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if text("iss") != Some(self.client_id.as_str()) {
            return Err(("invalid_client_id", "client identifier invalid"));
        }
        if !text("aud").is_some_and(|audience| self.audiences.iter().any(|own| own == audience)) {
            return Err(("invalid_grant", "audience is invalid"));
        }
        let ends = claims.get("exp").and_then(Value::as_i64).ok_or(invalid)?;
        if ends <= now.unix_timestamp() || ends > (now + LONGEST).unix_timestamp() {
            return Err(("invalid_grant", "expired authorization code"));
        }
        if !text("sub").is_some_and(|user| self.users.iter().any(|own| own == user)) {
            return Err(("invalid_grant", "user hasn't approved this consumer"));
        }
        Ok(())
    }
}

/// Client id and secret of `Authorization: Basic`, if it is there.
fn basic(asked: &Asked) -> Option<(String, String)> {
    use base64::Engine as _;
    let encoded = asked.header("authorization")?.strip_prefix("Basic ")?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (id, secret) = text.split_once(':')?;
    let plain = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
    Some((plain(id), plain(secret)))
}

fn refused(code: &str, words: &str) -> Answer {
    Answer::json(400, &json!({ "error": code, "error_description": words })).with("cache-control", "no-store")
}
