//! The HTTP face of a simulated platform: records each request, lets faults strike, answers.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, State as Shared};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use super::space::{Space, Spaces};
use super::{Answer, Api, Asked};
use crate::platform::FaultKind;
use crate::platform::connection::Connection;

/// A request larger than this is refused.
const BODY_LIMIT: usize = 16 << 20;
/// What [`FaultKind::HugeBody`] answers.
const HUGE: usize = 64 << 20;

/// What a portal in the way answers.
const PAGE: &str = "<!doctype html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>";

/// Answers one request.
pub(super) async fn serve<A: Api>(
    Shared(spaces): Shared<Arc<Spaces<A>>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: axum::extract::Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Some((space, path)) = spaces.at(parts.uri.path()) else {
        return respond(Answer::of(404, "text/plain; charset=utf-8", "no platform of this name"));
    };
    let Ok(body) = axum::body::to_bytes(body, BODY_LIMIT).await else {
        return respond(Answer::of(413, "text/plain; charset=utf-8", "the body is too large"));
    };
    let mut asked = asked(&parts, path.to_owned(), body.to_vec());
    space.record(&asked, parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default());
    if let Some(introspection) = space.with(|api, _| api.introspection()) {
        asked.token = introspection.ask(&asked).await;
    }
    let fault = space.faults.strike(&asked.method, &asked.path, asked.header("x-correlation-id"));
    faulty(&space, &connection, &asked, fault).await
}

fn asked(parts: &Parts, path: String, body: Vec<u8>) -> Asked {
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    Asked {
        method: parts.method.to_string(),
        path,
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body,
        token: None,
    }
}

async fn faulty<A: Api>(
    space: &Space<A>,
    connection: &Connection,
    asked: &Asked,
    fault: Option<FaultKind>,
) -> Response {
    let answer = || space.answer(asked);
    match fault {
        Some(FaultKind::Status { status, retry_after }) => {
            let unwell = space.with(|api, _| api.unwell(status));
            respond(match retry_after {
                Some(seconds) => unwell.with("retry-after", &seconds.to_string()),
                None => unwell,
            })
        }
        Some(FaultKind::ErrorInSuccess) => respond(Answer { status: 200, ..space.with(|api, _| api.unwell(500)) }),
        Some(FaultKind::HtmlPage) => respond(Answer::of(200, "text/html; charset=utf-8", PAGE)),
        Some(FaultKind::HugeBody) => respond(Answer { body: vec![b'x'; HUGE], ..answer() }),
        Some(FaultKind::ExpireSessions) => {
            space.with(|api, _| api.expire_sessions());
            respond(answer())
        }
        Some(FaultKind::SchemaDrift) => respond(drifted(answer())),
        Some(FaultKind::Stall) => stalled(space, connection).await,
        Some(FaultKind::StallAfterStoring) => {
            answer();
            stalled(space, connection).await
        }
        Some(FaultKind::StallInBody) => {
            let answer = answer();
            connection.stall_in_next_body();
            let (faults, connection) = (space.faults.clone(), connection.clone());
            tokio::spawn(async move {
                faults.stalled().await;
                connection.reset();
            });
            respond(answer)
        }
        Some(FaultKind::ResetBeforeStoring) => reset(connection),
        Some(FaultKind::ResetAfterStoring) => {
            answer();
            reset(connection)
        }
        Some(FaultKind::TruncatedBody) => {
            let answer = answer();
            connection.cut_next_body();
            respond(answer)
        }
        Some(FaultKind::WrongContentType) => {
            let answer = answer();
            respond(Answer::of(answer.status, "text/plain", answer.body))
        }
        // A refusal of Tasks means nothing here, and notifications do not come this way.
        Some(
            FaultKind::RefuseTask(_)
            | FaultKind::DuplicateNotification
            | FaultKind::ReorderNotifications
            | FaultKind::LoseNotification,
        )
        | None => respond(answer()),
    }
}

async fn stalled<A: Api>(space: &Space<A>, connection: &Connection) -> Response {
    space.faults.stalled().await;
    reset(connection)
}

/// Breaks the connection; what is returned never gets out.
fn reset(connection: &Connection) -> Response {
    connection.reset();
    Response::new(Body::empty())
}

/// What a careless release of the platform does to its answers: numbers become texts, texts become objects.
fn drifted(answer: Answer) -> Answer {
    fn drift(value: &mut Value) {
        match value {
            Value::Number(number) => *value = Value::from(number.to_string()),
            Value::String(text) => *value = serde_json::json!({ "value": text }),
            Value::Array(items) => items.iter_mut().for_each(drift),
            Value::Object(members) => members.values_mut().for_each(drift),
            Value::Null | Value::Bool(_) => {}
        }
    }
    match serde_json::from_slice::<Value>(&answer.body) {
        Ok(mut body) => {
            drift(&mut body);
            Answer { body: body.to_string().into_bytes(), ..answer }
        }
        Err(_) => answer,
    }
}

fn respond(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
