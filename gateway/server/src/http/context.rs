//! Who asks, under which names, with which wishes; and the bodies, within their limits.

use crate::gateway::Gateway;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use gateway_core::identity::{Client, Profile};
use gateway_core::refusal::Refusal;
use gateway_fhir::{Issue, IssueCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

/// `X-Request-Id` and `X-Correlation-Id`, echoed on every answer.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// As sent, or made.
    pub(crate) request_id: String,
    /// As sent, or made.
    pub(crate) correlation: String,
    /// True if the caller chose the request id: only then can a repetition be recognised.
    pub(crate) request_id_sent: bool,
    correlation_sent: bool,
    malformed: bool,
}

impl Names {
    /// Reads both headers; what is absent or unusable is made.
    pub(crate) fn read(gateway: &Gateway, headers: &HeaderMap) -> Self {
        let mut malformed = false;
        let mut one = |name: &str| -> Option<String> {
            let value = headers.get(name)?;
            let usable = value.to_str().ok().filter(|text| {
                !text.is_empty()
                    && text.len() <= gateway.limits.id_header_bytes
                    && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte))
            });
            malformed |= usable.is_none();
            usable.map(str::to_owned)
        };
        let request_id = one("x-request-id");
        let correlation = one("x-correlation-id");
        Self {
            request_id_sent: request_id.is_some(),
            correlation_sent: correlation.is_some(),
            request_id: request_id.unwrap_or_else(|| gateway.new_id()),
            correlation: correlation.unwrap_or_else(|| gateway.new_id()),
            malformed,
        }
    }
}

/// `Prefer: return=…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Return {
    Minimal,
    Representation,
    OperationOutcome,
}

/// One request's caller and wishes.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) names: Names,
    pub(crate) verb: String,
    pub(crate) path: String,
    pub(crate) prefer: Return,
    /// `Prefer: handling=strict`: unknown search parameters are refused.
    pub(crate) strict: bool,
    pub(crate) if_match: Option<String>,
    pub(crate) if_none_exist: Option<String>,
    pub(crate) if_none_match: Option<String>,
}

impl Context {
    /// Resolves the caller and checks what every request must keep. `is_page`: the answer may be HTML as well.
    pub(crate) fn read(gateway: &Gateway, parts: &Parts, names: &Names, is_page: bool) -> Result<Self, Refusal> {
        let client = caller(gateway, &parts.headers)?;
        check_names(&client, names)?;
        if !(is_page && prefers_html(&parts.headers, &parts.uri)) {
            check_accept(&parts.headers, &parts.uri)?;
        }
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let prefer = header("prefer").unwrap_or_default();
        Ok(Self {
            client,
            names: names.clone(),
            verb: parts.method.as_str().to_owned(),
            path: parts.uri.path().to_owned(),
            prefer: match prefer.as_str() {
                wish if wish.contains("return=minimal") => Return::Minimal,
                wish if wish.contains("return=OperationOutcome") => Return::OperationOutcome,
                _ => Return::Representation,
            },
            strict: prefer.contains("handling=strict"),
            if_match: header("if-match"),
            if_none_exist: header("if-none-exist"),
            if_none_match: header("if-none-match"),
        })
    }

    /// A FHIR JSON body.
    pub(crate) async fn fhir_body(&self, gateway: &Gateway, parts: &Parts, body: Body) -> Result<Vec<u8>, Refusal> {
        check_media(parts, &["application/fhir+json", "application/json"])?;
        bounded(body, gateway.limits.door.body_bytes).await
    }

    /// A JSON Patch body.
    pub(crate) async fn patch_body(&self, gateway: &Gateway, parts: &Parts, body: Body) -> Result<Vec<u8>, Refusal> {
        check_media(parts, &["application/json-patch+json"])?;
        bounded(body, gateway.limits.door.body_bytes).await
    }

    /// A form body, as a query string.
    pub(crate) async fn form(&self, gateway: &Gateway, parts: &Parts, body: Body) -> Result<String, Refusal> {
        check_media(parts, &["application/x-www-form-urlencoded"])?;
        let bytes = bounded(body, gateway.limits.id_header_bytes * 64).await?;
        let form = String::from_utf8(bytes).map_err(|_| malformed("The form is not UTF-8."))?;
        let query = parts.uri.query().unwrap_or_default();
        Ok(if query.is_empty() { form } else { format!("{query}&{form}") })
    }

    /// Tells a repetition of this request from another under the same id.
    pub(crate) fn fingerprint(&self, bytes: &[u8]) -> String {
        let mut hasher = Sha256::new();
        for part in [self.verb.as_bytes(), self.path.as_bytes(), bytes] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        hex(&hasher.finalize())
    }
}

fn malformed(words: &str) -> Refusal {
    Refusal::one(400, Issue::general(IssueCode::Structure, words))
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 in lower-case hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The bearer token of a request.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The client of a token. Only hashes are compared: looking one up in a tree tells an attacker nothing of the token.
fn caller(gateway: &Gateway, headers: &HeaderMap) -> Result<Client, Refusal> {
    let refused = |words: &str| Refusal::one(401, Issue::general(IssueCode::Login, words));
    let token = bearer(headers).ok_or_else(|| refused("Send an Authorization header with a bearer token."))?;
    let client = gateway.clients.get(&sha256(token.as_bytes()));
    client.cloned().ok_or_else(|| refused("This bearer token belongs to no client of this gateway."))
}

/// The profile of whoever asks; that of a client that is not known is the default.
pub(super) fn profile(gateway: &Gateway, headers: &HeaderMap) -> Profile {
    caller(gateway, headers).map(|client| client.profile).unwrap_or_default()
}

fn check_names(client: &Client, names: &Names) -> Result<(), Refusal> {
    let bad = |words: &str| Refusal::one(400, Issue::general(IssueCode::Required, words));
    if names.malformed {
        return Err(bad("X-Request-Id and X-Correlation-Id hold letters, digits and -._: only, 128 at most."));
    }
    if client.profile == Profile::Bars {
        let words = "This client's profile needs X-Request-Id and X-Correlation-Id, each a GUID.";
        if !names.request_id_sent || !names.correlation_sent {
            return Err(bad(words));
        }
        let guid = |text: &str| uuid::Uuid::try_parse(text).is_ok();
        if !guid(&names.request_id) || !guid(&names.correlation) {
            return Err(Refusal::one(400, Issue::general(IssueCode::Value, words)));
        }
    }
    Ok(())
}

/// Whether HTML is named before anything that is JSON: in `_format`, else in `Accept`.
pub(super) fn prefers_html(headers: &HeaderMap, uri: &Uri) -> bool {
    let is_html = |media: &str| matches!(media.split(';').next().unwrap_or_default().trim(), "text/html" | "html");
    if let Some(format) = wanted_format(uri) {
        return is_html(&format);
    }
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.split(',').find(|media| is_html(media) || media.contains("json")).is_some_and(is_html)
}

fn wanted_format(uri: &Uri) -> Option<String> {
    let value = uri.query()?.split('&').find_map(|pair| pair.strip_prefix("_format="))?;
    Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
}

/// What is to come back must be what we speak.
pub(super) fn check_accept(headers: &HeaderMap, uri: &Uri) -> Result<(), Refusal> {
    let known = |media: &str| {
        let media = media.split(';').next().unwrap_or_default().trim();
        matches!(
            media,
            "" | "*/*" | "application/*" | "application/fhir+json" | "application/json" | "json" | "text/json"
        )
    };
    let acceptable = match wanted_format(uri) {
        Some(format) => known(&format),
        None => headers
            .get(header::ACCEPT)
            .is_none_or(|accept| accept.to_str().is_ok_and(|accept| accept.split(',').any(known))),
    };
    if acceptable {
        return Ok(());
    }
    let words = "This gateway speaks application/fhir+json only.";
    Err(Refusal::one(406, Issue::general(IssueCode::NotSupported, words)))
}

fn check_media(parts: &Parts, known: &[&str]) -> Result<(), Refusal> {
    let media = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let encoded = parts.headers.get(header::CONTENT_ENCODING).is_some_and(|value| value != "identity");
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if known.contains(&media.as_str()) && !encoded {
        return Ok(());
    }
    let words = format!("Send the body as {}, without content encoding.", known.join(" or "));
    Err(Refusal::one(415, Issue::general(IssueCode::NotSupported, words)))
}

/// The whole body, if it is within the limit.
pub(crate) async fn bounded(body: Body, limit: usize) -> Result<Vec<u8>, Refusal> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes().to_vec()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => {
            let words = format!("The body is longer than {limit} bytes.");
            Err(Refusal::one(413, Issue::general(IssueCode::TooLong, words)))
        }
        Err(_) => Err(malformed("The body ended before its announced length.")),
    }
}
