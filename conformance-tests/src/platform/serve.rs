//! The platform's HTTP face: records each request, lets faults strike, answers, and obeys the control routes.
//!
//! `/fhir` is the platform; `/control` is the tester's hand on it and asks for no token (loopback only).

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State as Shared};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::Inner;
use super::connection::Connection;
use super::exchange::{self, Answer, Asked, pairs};
use super::faults::{Fault, FaultKind};
use super::state::{RecordedRequest, State};
use crate::fhir::{self, FHIR_JSON};

/// A request larger than this is refused.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// Answers one request.
pub(super) async fn serve(
    Shared(inner): Shared<Arc<Inner>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: axum::extract::Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_LIMIT).await else {
        return respond(&Answer::no(413, "too-long", "Resource", "the body is too large"), FHIR_JSON);
    };
    let path = parts.uri.path().to_owned();
    if let Some(rest) = path.strip_prefix("/control/") {
        return respond(&control(&inner, &parts, rest, &body).await, "application/json");
    }
    let Some(rest) = path.strip_prefix("/fhir").filter(|rest| rest.is_empty() || rest.starts_with('/')) else {
        return respond(&Answer::no(404, "not-found", "Resource", "the FHIR base is /fhir"), FHIR_JSON);
    };
    record(&mut inner.state(), &parts, &body);
    let asked = asked(&parts, rest, body.to_vec());
    let fault = inner.faults.strike(&asked.method, &path, text(&parts.headers, "x-correlation-id").as_deref());
    faulty(&inner, &connection, &asked, fault).await
}

async fn faulty(inner: &Inner, connection: &Connection, asked: &Asked, fault: Option<FaultKind>) -> Response {
    match fault {
        Some(FaultKind::Status { status, retry_after }) => {
            let mut answer = Answer::no(status, "transient", "Resource", "the platform is not well");
            answer.headers.extend(retry_after.map(|seconds| ("retry-after", seconds.to_string())));
            respond(&answer, FHIR_JSON)
        }
        Some(FaultKind::HtmlPage) => html(),
        Some(FaultKind::Stall) => stalled(inner, connection).await,
        Some(FaultKind::StallAfterStoring) => {
            handle(inner, asked, None);
            stalled(inner, connection).await
        }
        Some(FaultKind::ResetBeforeStoring) => reset(connection),
        Some(FaultKind::ResetAfterStoring) => {
            handle(inner, asked, None);
            reset(connection)
        }
        Some(FaultKind::TruncatedBody) => {
            let answer = handle(inner, asked, None);
            connection.cut_next_body();
            respond(&answer, FHIR_JSON)
        }
        Some(FaultKind::WrongContentType) => respond(&handle(inner, asked, None), "text/plain"),
        Some(FaultKind::RefuseTask(reason)) => respond(&handle(inner, asked, Some(reason)), FHIR_JSON),
        // The faults of notifications never strike a request.
        Some(
            FaultKind::ErrorInSuccess
            | FaultKind::HugeBody
            | FaultKind::ExpireSessions
            | FaultKind::SchemaDrift
            | FaultKind::StallInBody
            | FaultKind::DuplicateNotification
            | FaultKind::ReorderNotifications
            | FaultKind::LoseNotification,
        )
        | None => respond(&handle(inner, asked, None), FHIR_JSON),
    }
}

fn handle(inner: &Inner, asked: &Asked, refusal: Option<String>) -> Answer {
    let mut state = inner.state();
    state.refusal = refusal;
    let answer = exchange::answer(&mut state, asked);
    state.refusal = None;
    answer
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

fn html() -> Response {
    let page = "<!doctype html><title>Sign in</title><p>Please sign in to the network to continue.</p>";
    let mut response = Response::new(Body::from(page));
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

fn respond(answer: &Answer, content_type: &'static str) -> Response {
    let mut response = Response::new(Body::from(answer.body.to_string()));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert("content-type", http::HeaderValue::from_static(content_type));
    for (name, value) in &answer.headers {
        if let Ok(value) = http::HeaderValue::from_str(value) {
            response.headers_mut().insert(*name, value);
        }
    }
    response
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

pub(super) fn asked(parts: &Parts, rest: &str, body: Vec<u8>) -> Asked {
    Asked {
        method: parts.method.to_string(),
        path: rest.trim_start_matches('/').to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        authorization: text(&parts.headers, "authorization"),
        content_type: text(&parts.headers, "content-type"),
        if_match: text(&parts.headers, "if-match"),
        if_none_exist: text(&parts.headers, "if-none-exist"),
        body,
    }
}

pub(super) fn record(state: &mut State, parts: &Parts, body: &[u8]) {
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let request = RecordedRequest {
        at: fhir::instant(state.now()),
        method: parts.method.to_string(),
        path: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: headers.collect(),
        body: String::from_utf8_lossy(body).into_owned(),
    };
    state.requests.push(request);
}

async fn control(inner: &Inner, parts: &Parts, path: &str, body: &Bytes) -> Answer {
    let ok = |body: Value| Answer::new(200, body);
    match (parts.method.as_str(), path) {
        ("POST", "tick") => {
            let query = pairs(parts.uri.query().unwrap_or_default());
            let times = query.iter().find(|(name, _)| name == "n").and_then(|(_, n)| n.parse().ok()).unwrap_or(1);
            let mut moved = 0;
            for _ in 0..times {
                moved += inner.tick().await;
            }
            ok(json!({ "moved": moved, "settled": inner.state().settled(), "now": fhir::instant(inner.state().now()) }))
        }
        ("POST", "faults") => match serde_json::from_slice::<Fault>(body) {
            Ok(fault) => {
                inner.faults.push(fault);
                ok(json!({ "waiting": inner.faults.waiting() }))
            }
            Err(error) => Answer::no(400, "structure", "Fault", &error.to_string()),
        },
        ("DELETE", "faults") => {
            inner.faults.clear();
            ok(json!({ "waiting": 0 }))
        }
        ("POST", "reset") => {
            inner.reset();
            ok(json!({ "reset": true }))
        }
        ("GET", "requests") => ok(json!(inner.state().requests)),
        ("GET", "tasks") => ok(json!(inner.state().tasks())),
        _ => Answer::no(404, "not-found", "control", "tick, faults, reset, requests, tasks"),
    }
}
