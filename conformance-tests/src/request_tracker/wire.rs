//! One call to REST 2.0 and what came back, bytes and all.

use http::{HeaderMap, Method};
use serde_json::Value;

use super::RequestTrackerError;

/// An answer as it came.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl Answer {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// A header, if it is there and readable.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Calls; the connection is not kept, because a test's runtime ends before the client does.
pub(super) fn client() -> Result<reqwest::Client, RequestTrackerError> {
    let builder = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
    Ok(builder.timeout(std::time::Duration::from_secs(60)).build()?)
}

/// Sends one request.
pub(super) async fn call(
    client: &reqwest::Client,
    method: Method,
    url: &str,
    token: &str,
    if_match: Option<&str>,
    body: Option<&Value>,
) -> Result<Answer, RequestTrackerError> {
    let mut request = client.request(method, url).header("authorization", format!("token {token}"));
    if let Some(etag) = if_match {
        request = request.header("if-match", etag);
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Answer { status, headers, text: response.text().await? })
}
