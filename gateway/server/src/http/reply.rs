//! Answers: headers that every one carries, and faults as OperationOutcome.

use super::context::{Names, Return};
use crate::ingest::IngestError;
use crate::store::{CommitError, StoreError};
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use gateway_core::refusal::Refusal;
use gateway_core::resource::ResourceVersion;
use gateway_fhir::issue::operation_outcome;
use gateway_fhir::{Issue, IssueCode};
use time::OffsetDateTime;
use time::format_description::FormatItem;
use time::macros::format_description;

const FHIR_JSON: &str = "application/fhir+json; charset=utf-8; fhirVersion=4.0";
const HTTP_DATE: &[FormatItem<'static>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// A successful answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) content_type: &'static str,
    pub(crate) location: Option<String>,
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<OffsetDateTime>,
    pub(crate) body: String,
}

impl Reply {
    /// FHIR JSON.
    pub(crate) fn json(status: StatusCode, body: String) -> Self {
        Self { status, content_type: FHIR_JSON, location: None, etag: None, last_modified: None, body }
    }

    /// Plain text.
    pub(crate) fn text(status: StatusCode, body: &str) -> Self {
        Self { content_type: "text/plain; charset=utf-8", ..Self::json(status, body.to_owned()) }
    }

    /// A page.
    pub(crate) fn html(body: String) -> Self {
        Self { content_type: "text/html; charset=utf-8", ..Self::json(StatusCode::OK, body) }
    }

    /// One version of a resource.
    pub(crate) fn resource(status: StatusCode, stored: &ResourceVersion) -> Self {
        Self {
            etag: Some(etag(stored.version)),
            last_modified: Some(stored.updated),
            ..Self::json(status, stored.body.clone())
        }
    }

    /// The same with `Location`.
    pub(crate) fn at(mut self, location: String) -> Self {
        self.location = Some(location);
        self
    }

    /// The same with the body that the caller prefers.
    pub(crate) fn preferring(mut self, wish: Return) -> Self {
        match wish {
            Return::Representation => {}
            Return::Minimal => self.body = String::new(),
            Return::OperationOutcome => self.body = operation_outcome(&[]).to_text(),
        }
        self
    }

    pub(crate) fn into_response(self, names: &Names) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let mut put = |name: HeaderName, value: Option<String>| {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                headers.insert(name, value);
            }
        };
        put(header::LOCATION, self.location);
        put(header::ETAG, self.etag);
        put(header::LAST_MODIFIED, self.last_modified.and_then(|at| at.format(HTTP_DATE).ok()));
        put(HeaderName::from_static("x-request-id"), Some(names.request_id.clone()));
        put(HeaderName::from_static("x-correlation-id"), Some(names.correlation.clone()));
        response
    }
}

/// A weak entity tag, as R4 asks for.
pub(crate) fn etag(version: u64) -> String {
    format!("W/\"{version}\"")
}

/// A refusal as OperationOutcome.
pub(crate) fn refused(names: &Names, refusal: &Refusal) -> Response<Body> {
    refused_with(names, refusal, refusal.status, operation_outcome(&refusal.issues).to_text())
}

/// The same with this status and body.
pub(crate) fn refused_with(names: &Names, refusal: &Refusal, status: u16, body: String) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Reply::json(status, body).into_response(names);
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    let seconds = refusal.retry_after.or_else(|| matches!(refusal.status, 429 | 503 | 507).then_some(5));
    if let Some(seconds) = seconds {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// What a caller is told when a handler panicked: nothing of why.
pub(crate) fn panicked() -> Response<Body> {
    let words = "A fault of the gateway's. It is in the log; nothing of the request was stored.";
    let body = operation_outcome(&[Issue::general(IssueCode::Exception, words)]).to_text();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(FHIR_JSON));
    response
}

/// A store that cannot go on.
pub(crate) fn store_fault(error: &StoreError) -> Refusal {
    crate::gateway::log_store_fault("http", error);
    match error {
        StoreError::Full => {
            let words = "There is no room left to keep this safely. Nothing was stored; reading goes on.";
            Refusal::one(507, Issue::general(IssueCode::NoStore, words))
        }
        StoreError::Closed => {
            let words = "The gateway is stopping. Send it again with the same X-Request-Id.";
            Refusal::one(503, Issue::general(IssueCode::Transient, words))
        }
        StoreError::Away(_) => {
            let words = "The store cannot be reached just now. Send it again with the same X-Request-Id.";
            Refusal::wait(503, Issue::general(IssueCode::Transient, words), 5)
        }
        // Of a claim alone, which no request makes.
        StoreError::LaneLost | StoreError::Engine(_) => {
            let words = "The store failed. Nothing was stored; the log says why.";
            Refusal::one(500, Issue::general(IssueCode::Exception, words))
        }
    }
}

/// What could not be ingested.
pub(crate) fn ingest_fault(error: IngestError) -> Refusal {
    match error {
        IngestError::Refused(refusal) => refusal,
        IngestError::Store(error) => store_fault(&error),
    }
}

/// What could not be committed after all tries.
pub(crate) fn commit_fault(error: &CommitError) -> Refusal {
    match error {
        CommitError::Store(error) => store_fault(error),
        CommitError::Refused(_) => {
            let words = "Others keep writing the same resource. Read it again and decide anew.";
            Refusal::one(409, Issue::general(IssueCode::Conflict, words))
        }
    }
}
