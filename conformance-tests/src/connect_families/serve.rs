//! The platform's HTTP face: records each request, lets faults strike, answers.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, State as Shared};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::Inner;
use super::exchange::{self, Answer, Asked};
use super::store::State;
use crate::fhir;
use crate::platform::connection::Connection;
use crate::platform::{FaultKind, RecordedRequest};

/// A request larger than this is refused.
const BODY_LIMIT: usize = 1024 * 1024;

/// What a portal in the way answers.
const PAGE: &str = "<!doctype html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>";

/// Answers one request.
pub(super) async fn serve(
    Shared(inner): Shared<Arc<Inner>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: axum::extract::Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_LIMIT).await else {
        return respond(&Answer::problem(413, "The body is too large", &[]));
    };
    record(&mut inner.state(), &parts, &body);
    let asked = asked(&parts, body.to_vec());
    let fault = inner.faults.strike(&asked.method, &asked.path, text(&parts.headers, "x-correlation-id").as_deref());
    faulty(&inner, &connection, &asked, fault).await
}

pub(super) fn asked(parts: &Parts, body: Vec<u8>) -> Asked {
    Asked {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        authorization: text(&parts.headers, "authorization"),
        content_type: text(&parts.headers, "content-type"),
        body,
    }
}

async fn faulty(inner: &Inner, connection: &Connection, asked: &Asked, fault: Option<FaultKind>) -> Response {
    let handle = || exchange::answer(&mut inner.state(), asked);
    match fault {
        Some(FaultKind::Status { status, retry_after }) => {
            let mut response = respond(&Answer::problem(status, "The platform is not well", &[]));
            if let Some(seconds) = retry_after {
                response.headers_mut().insert("retry-after", HeaderValue::from(seconds));
            }
            response
        }
        Some(FaultKind::HtmlPage) => respond(&page()),
        Some(FaultKind::Stall) => stalled(inner, connection).await,
        Some(FaultKind::StallAfterStoring) => {
            handle();
            stalled(inner, connection).await
        }
        Some(FaultKind::ResetBeforeStoring) => reset(connection),
        Some(FaultKind::ResetAfterStoring) => {
            handle();
            reset(connection)
        }
        Some(FaultKind::TruncatedBody) => {
            let answer = handle();
            connection.cut_next_body();
            respond(&answer)
        }
        Some(FaultKind::WrongContentType) => respond(&Answer { content_type: "text/plain", ..handle() }),
        // Nobody asks these of this double.
        Some(
            FaultKind::ErrorInSuccess
            | FaultKind::HugeBody
            | FaultKind::ExpireSessions
            | FaultKind::SchemaDrift
            | FaultKind::StallInBody
            | FaultKind::RefuseTask(_)
            | FaultKind::DuplicateNotification
            | FaultKind::ReorderNotifications
            | FaultKind::LoseNotification,
        )
        | None => respond(&handle()),
    }
}

fn page() -> Answer {
    Answer { status: 200, content_type: "text/html; charset=utf-8", body: PAGE.to_owned() }
}

async fn stalled(inner: &Inner, connection: &Connection) -> Response {
    inner.faults.stalled().await;
    reset(connection)
}

/// Breaks the connection; what is returned never gets out.
fn reset(connection: &Connection) -> Response {
    connection.reset();
    Response::new(Body::empty())
}

fn respond(answer: &Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body.clone()));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if !answer.content_type.is_empty() {
        response.headers_mut().insert("content-type", HeaderValue::from_static(answer.content_type));
    }
    if answer.status == 401 {
        response.headers_mut().insert("www-authenticate", HeaderValue::from_static("Bearer"));
    }
    response
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

pub(super) fn record(state: &mut State, parts: &Parts, body: &[u8]) {
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let request = RecordedRequest {
        at: fhir::instant(state.clock.now()),
        method: parts.method.to_string(),
        path: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: headers.collect(),
        body: String::from_utf8_lossy(body).into_owned(),
    };
    state.requests.push(request);
}
