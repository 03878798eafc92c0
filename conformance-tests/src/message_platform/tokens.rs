//! Access tokens for client credentials (RFC 6749, section 4.4), the client by HTTP Basic (section 2.3.1).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use time::{Duration, OffsetDateTime};

use super::MessagePlatformConfig;
use crate::simulator::{Answer, Asked};

/// The tokens that are in use, with their end.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    valid: BTreeMap<String, OffsetDateTime>,
    given: u64,
}

impl Tokens {
    /// Answers a request for a token.
    pub(super) fn give(&mut self, asked: &Asked, config: &MessagePlatformConfig, now: OffsetDateTime) -> Answer {
        let Some(form) = asked.form() else { return error(400, "invalid_request") };
        if !is_client(asked, config) {
            return error(401, "invalid_client").with("www-authenticate", "Basic");
        }
        // Ocean shows it in the query; RFC 6749 has it in the form.
        let grant = form.into_iter().chain(asked.parameters()).find(|(name, _)| name == "grant_type");
        match grant {
            None => return error(400, "invalid_request"),
            Some((_, grant)) if grant != "client_credentials" => return error(400, "unsupported_grant_type"),
            Some(_) => {}
        }
        self.given += 1;
        let token = format!("access-{}", self.given);
        self.valid.insert(token.clone(), now + Duration::seconds(config.token_seconds));
        let body = json!({"access_token": token, "token_type": "Bearer", "expires_in": config.token_seconds});
        Answer::json(200, &body).with("cache-control", "no-store")
    }

    /// Whether the request presents a token that is still good.
    pub(super) fn is_valid(&self, asked: &Asked, config: &MessagePlatformConfig, now: OffsetDateTime) -> bool {
        if config.tokens_of.is_some() {
            return asked.token_is_good();
        }
        let Some(token) = asked.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) else {
            return false;
        };
        config.token.as_deref() == Some(token) || self.valid.get(token).is_some_and(|end| now < *end)
    }

    /// Ends all of them.
    pub(super) fn end(&mut self) {
        self.valid.clear();
    }
}

fn is_client(asked: &Asked, config: &MessagePlatformConfig) -> bool {
    let given = asked.header("authorization").and_then(|value| value.strip_prefix("Basic "));
    let decoded = given.and_then(|given| STANDARD.decode(given).ok()).and_then(|bytes| String::from_utf8(bytes).ok());
    let Some((id, secret)) = decoded.as_deref().and_then(|decoded| decoded.split_once(':')) else { return false };
    // Both are written as in a form before they are put together (RFC 6749, section 2.3.1).
    let plain = |text: &str| {
        let text = text.replace('+', " ");
        percent_encoding::percent_decode_str(&text).decode_utf8().map(std::borrow::Cow::into_owned).ok()
    };
    plain(id).zip(plain(secret)).as_ref() == Some(&config.client)
}

fn error(status: u16, code: &str) -> Answer {
    Answer::json(status, &json!({"error": code})).with("cache-control", "no-store")
}
