//! The system of a sender of BaRS-shaped messages, as far as it takes responses: `$process-message` on a free port of loopback. It refuses
//! what lacks a header that the standard requires and what it has taken before, keeps the rest, and shows it at `/messages`.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Headers without which a message is refused (BaRS API, `POST /$process-message`).
const NEEDED: [&str; 4] = ["x-request-id", "x-correlation-id", "nhsd-target-identifier", "nhsd-end-user-organisation"];

/// A message that came, whatever was answered.
#[derive(Debug, Clone)]
pub struct Came {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body; `null` if it was no JSON.
    pub body: Value,
}

#[derive(Default)]
struct Inner {
    came: Mutex<Vec<Came>>,
    taken: Mutex<Vec<Value>>,
    answers: Mutex<Vec<(u16, bool)>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A sender that runs until it is dropped.
pub struct MessageSender {
    inner: Arc<Inner>,
    origin: String,
    task: JoinHandle<()>,
}

impl MessageSender {
    /// Starts one.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start() -> io::Result<Self> {
        let inner = Arc::new(Inner::default());
        let router = Router::new()
            .route("/fhir/$process-message", post(take))
            .route("/messages", get(show))
            .with_state(Arc::clone(&inner));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { inner, origin, task })
    }

    /// Its FHIR base address.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("{}/fhir", self.origin)
    }

    /// Where people look at what it has taken.
    #[must_use]
    pub fn messages_url(&self) -> String {
        format!("{}/messages", self.origin)
    }

    /// The next message is answered with this status; `taken`: it was taken all the same.
    pub fn answer_next(&self, status: u16, taken: bool) {
        locked(&self.inner.answers).push((status, taken));
    }

    /// Everything that came.
    #[must_use]
    pub fn came(&self) -> Vec<Came> {
        locked(&self.inner.came).clone()
    }

    /// What it has taken.
    #[must_use]
    pub fn taken(&self) -> Vec<Value> {
        locked(&self.inner.taken).clone()
    }
}

impl Drop for MessageSender {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(State(own): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    locked(&own.came).push(Came { headers: headers.clone(), body: body.clone() });
    let lacks = NEEDED.iter().any(|name| !headers.contains_key(*name));
    let known = locked(&own.taken).iter().any(|one| one["id"] == body["id"]);
    if lacks || body["resourceType"] != "Bundle" {
        return refused(400, "required");
    }
    if known {
        return refused(409, "duplicate");
    }
    let mut answers = locked(&own.answers);
    let (status, taken) = if answers.is_empty() { (200, true) } else { answers.remove(0) };
    if taken {
        locked(&own.taken).push(body);
    }
    match status {
        200 => axum::Json(json!({ "resourceType": "Bundle", "type": "message" })).into_response(),
        _ => refused(status, "transient"),
    }
}

/// One on a line, so that a shell can read them.
async fn show(State(own): State<Arc<Inner>>) -> String {
    locked(&own.taken).iter().map(|message| format!("{message}\n")).collect()
}

fn refused(status: u16, code: &str) -> Response {
    let outcome = json!({ "resourceType": "OperationOutcome", "issue": [{ "severity": "error", "code": code }] });
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, axum::Json(outcome)).into_response()
}
