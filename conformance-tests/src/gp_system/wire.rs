//! The GP system's HTTP: one place that sets headers, reads answers and tells a lost answer from a refusal.
//!
//! It keeps nothing; what an answer means is decided above it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use time::Duration;

use crate::fhir::FHIR_JSON;

/// Why there is no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The client could not be made.
    #[error("the HTTP client could not be made")]
    Client {
        /// What reqwest says.
        #[source]
        source: reqwest::Error,
    },
    /// No answer, or half of one: it may have arrived.
    #[error("no whole answer from the gateway")]
    NoAnswer {
        /// What reqwest says.
        #[source]
        source: reqwest::Error,
    },
    /// The carrier brought no answer: it may have arrived.
    #[error("no answer from the gateway")]
    Lost,
    /// The answer is not JSON although it should be.
    #[error("the answer with status {status} is not JSON")]
    NotJson {
        /// Its status.
        status: u16,
    },
    /// The gateway refused.
    #[error("the gateway answered {status}")]
    Refused {
        /// Its status.
        status: u16,
        /// The OperationOutcome, or null.
        outcome: Value,
    },
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) location: Option<String>,
    pub(super) etag: Option<String>,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Value,
}

impl Reply {
    /// The reply, or the refusal that it is.
    pub(super) fn successful(self) -> Result<Self, WireError> {
        if self.status < 300 { Ok(self) } else { Err(WireError::Refused { status: self.status, outcome: self.body }) }
    }
}

/// What [`Carrier::carry`] gives; nothing where there was no answer.
pub type Carried<'a> = Pin<Box<dyn Future<Output = Option<http::Response<Vec<u8>>>> + Send + 'a>>;

/// Another way to the gateway than over a socket.
pub trait Carrier: Send + Sync {
    /// Brings a request to the gateway, and its answer back.
    fn carry(&self, request: http::Request<Vec<u8>>) -> Carried<'_>;
}

/// The way to the gateway.
pub(super) struct Wire {
    client: Client,
    carrier: Option<Arc<dyn Carrier>>,
    base: String,
    token: String,
}

impl Wire {
    pub(super) fn new(base: &str, token: &str) -> Result<Self, WireError> {
        let client = Client::builder()
            .no_proxy()
            .timeout(std::time::Duration::from_secs(30))
            .build()
            .map_err(|source| WireError::Client { source })?;
        Ok(Self { client, carrier: None, base: base.trim_end_matches('/').to_owned(), token: token.to_owned() })
    }

    /// The same by this carrier instead of a socket.
    pub(super) fn by(self, carrier: Arc<dyn Carrier>) -> Self {
        Self { carrier: Some(carrier), ..self }
    }

    /// An address below the base.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    pub(super) async fn transaction(&self, body: &str, request: &str, correlation: &str) -> Result<Reply, WireError> {
        let post = self.client.post(&self.base).header("content-type", FHIR_JSON).body(body.to_owned());
        self.send(post, request, Some(correlation)).await
    }

    pub(super) async fn get(&self, url: &str, query: &[(&str, &str)], request: &str) -> Result<Reply, WireError> {
        let mut get = self.client.get(url);
        if !query.is_empty() {
            get = get.query(query);
        }
        self.send(get, request, None).await
    }

    pub(super) async fn patch(
        &self,
        url: &str,
        patch: &Value,
        etag: &str,
        request: &str,
        correlation: Option<&str>,
    ) -> Result<Reply, WireError> {
        let call = self
            .client
            .patch(url)
            .header("content-type", "application/json-patch+json")
            .header("if-match", etag)
            .body(patch.to_string());
        self.send(call, request, correlation).await
    }

    pub(super) async fn put(&self, url: &str, body: &Value, etag: &str, request: &str) -> Result<Reply, WireError> {
        let call = self.client.put(url).header("content-type", FHIR_JSON).header("if-match", etag);
        self.send(call.body(body.to_string()), request, None).await
    }

    async fn send(&self, call: RequestBuilder, request: &str, correlation: Option<&str>) -> Result<Reply, WireError> {
        let mut call = call.bearer_auth(&self.token).header("accept", FHIR_JSON).header("x-request-id", request);
        if let Some(correlation) = correlation {
            call = call.header("x-correlation-id", correlation);
        }
        let (parts, bytes) = match &self.carrier {
            Some(carrier) => carried(carrier.as_ref(), call).await?,
            None => sent(call).await?,
        };
        let status = parts.status.as_u16();
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (location, etag) = (header("location"), header("etag"));
        let retry_after = header("retry-after").and_then(|text| text.parse().ok()).map(Duration::seconds);
        let body = match serde_json::from_slice(&bytes) {
            Ok(body) => body,
            // A refusal need not be JSON, and neither need an answer without a body.
            Err(_) if bytes.is_empty() || status >= 300 => Value::Null,
            Err(_) => return Err(WireError::NotJson { status }),
        };
        Ok(Reply { status, location, etag, retry_after, body })
    }
}

type Whole = (http::response::Parts, Vec<u8>);

async fn sent(call: RequestBuilder) -> Result<Whole, WireError> {
    let mut response = call.send().await.map_err(|source| WireError::NoAnswer { source })?;
    let (mut parts, ()) = http::Response::new(()).into_parts();
    parts.status = response.status();
    parts.headers = std::mem::take(response.headers_mut());
    let bytes = response.bytes().await.map_err(|source| WireError::NoAnswer { source })?;
    Ok((parts, bytes.to_vec()))
}

async fn carried(carrier: &dyn Carrier, call: RequestBuilder) -> Result<Whole, WireError> {
    let request = call.build().map_err(|source| WireError::NoAnswer { source })?;
    let body = request.body().and_then(|body| body.as_bytes()).map(<[u8]>::to_vec).unwrap_or_default();
    let mut carried = http::Request::new(body);
    *carried.method_mut() = request.method().clone();
    *carried.uri_mut() = request.url().as_str().parse().map_err(|_| WireError::Lost)?;
    *carried.headers_mut() = request.headers().clone();
    let answer = carrier.carry(carried).await.ok_or(WireError::Lost)?;
    Ok(answer.into_parts())
}
