//! A platform whose tokens another server gives out asks that server what a token is worth (RFC 7662), for each request anew.

use serde_json::Value;

use super::Asked;

/// Whom to ask, and as whom.
#[derive(Debug, Clone)]
pub struct Introspection {
    /// The introspection endpoint.
    pub url: String,
    /// Id and secret of the platform as a client there, shown by Basic.
    pub client: (String, String),
    /// By which it is asked.
    pub http: reqwest::Client,
}

impl Introspection {
    /// What the server says of the token that a request shows (RFC 7662, 2.2). `None` where the request shows none, or the server does
    /// not answer as it should: such a request has no token that is known to be good.
    pub(super) async fn ask(&self, asked: &Asked) -> Option<Value> {
        let token = asked.header("authorization")?.strip_prefix("Bearer ")?;
        let (id, secret) = &self.client;
        let form = url::form_urlencoded::Serializer::new(String::new()).append_pair("token", token).finish();
        let request = self.http.post(&self.url).basic_auth(id, Some(secret));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        let response = request.send().await.ok()?;
        if response.status() != 200 {
            return None;
        }
        serde_json::from_slice(&response.bytes().await.ok()?).ok()
    }
}
