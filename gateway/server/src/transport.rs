//! The way to platforms over HTTP. The only module that holds an HTTP client; redirects are never followed, answers are
//! cut off at the adapter's limit, and what went wrong is told as a code, never as a guess.

use crate::gateway::Platform;
use adapter_contract::{Answer, DeliveryError, FailureCode, HttpRequest, Method};
use async_trait::async_trait;
use std::time::Duration;

/// Sends one request to one platform.
#[async_trait]
pub trait Transport: Send + Sync {
    /// The platform's answer, whatever its status.
    ///
    /// # Errors
    /// [`DeliveryError`] when there was none that can be read.
    async fn send(&self, platform: &Platform, request: &HttpRequest, names: &Names) -> Result<Answer, DeliveryError>;
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
#[derive(Debug, Clone)]
pub struct HttpTransport {
    client: reqwest::Client,
}

impl HttpTransport {
    /// A client with no redirects, no proxy and no cookies.
    ///
    /// # Errors
    /// When the TLS library cannot start.
    pub fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(10))
            .user_agent(concat!("vcse-gateway/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client })
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, platform: &Platform, request: &HttpRequest, names: &Names) -> Result<Answer, DeliveryError> {
        let limits = platform.adapter.descriptor().limits;
        let outgoing = build(&self.client, platform, request, names)?;
        let budget = Duration::from_secs(u64::from(limits.answer_seconds));
        let mut response =
            self.client.execute(with_timeout(outgoing, budget)).await.map_err(|error| without_answer(&error))?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| cut_off(status))? {
            body.extend_from_slice(&chunk);
            if body.len() > limits.answer_bytes as usize {
                return Err(DeliveryError::new(
                    unreadable(status),
                    format!("The answer is longer than {} bytes and was cut off.", limits.answer_bytes),
                ));
            }
        }
        Ok(Answer::Http { status, headers, body })
    }
}

fn with_timeout(mut request: reqwest::Request, budget: Duration) -> reqwest::Request {
    *request.timeout_mut() = Some(budget);
    request
}

fn build(
    client: &reqwest::Client,
    platform: &Platform,
    request: &HttpRequest,
    names: &Names,
) -> Result<reqwest::Request, DeliveryError> {
    let method = match request.method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    };
    let address = if request.path.is_empty() {
        platform.base_url.clone()
    } else {
        format!("{}/{}", platform.base_url, request.path)
    };
    let mut builder = client.request(method, address);
    if !request.query.is_empty() {
        builder = builder.query(&request.query);
    }
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    if let Some(authorization) = &platform.authorization {
        builder = builder.header("authorization", authorization.reveal());
    }
    builder = builder.header("x-request-id", &names.request_id).header("x-correlation-id", &names.correlation);
    if let Some(body) = &request.body {
        builder = builder.body(body.clone());
    }
    builder.build().map_err(|_| {
        DeliveryError::new(FailureCode::Untranslatable, "The adapter made a request that is not valid HTTP.")
    })
}

/// reqwest's errors name the address, and addresses may hold what an adapter should not have put there: the words are ours.
fn without_answer(error: &reqwest::Error) -> DeliveryError {
    if error.is_connect() {
        if source_names(error, "certificate") || source_names(error, "tls") {
            return DeliveryError::new(
                FailureCode::TlsRefused,
                "The platform's certificate was not accepted, so nothing was sent.",
            );
        }
        return DeliveryError::new(FailureCode::NotConnected, "No connection to the platform: nothing was sent.");
    }
    let words = if error.is_timeout() {
        "The platform did not answer in time."
    } else {
        "The connection ended before the platform had answered."
    };
    DeliveryError::new(FailureCode::NoAnswer, words)
}

fn source_names(error: &reqwest::Error, word: &str) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if inner.to_string().to_lowercase().contains(word) {
            return true;
        }
        source = inner.source();
    }
    false
}

fn unreadable(status: u16) -> FailureCode {
    if (200..300).contains(&status) { FailureCode::UnreadableSuccess } else { FailureCode::HttpStatus(status) }
}

fn cut_off(status: u16) -> DeliveryError {
    DeliveryError::new(unreadable(status), "The answer broke off before its end.")
}
