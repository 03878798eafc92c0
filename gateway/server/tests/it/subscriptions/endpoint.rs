//! Where notifications go: it keeps what it took, and answers as it is told to.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// One notification.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) headers: HeaderMap,
    pub(super) text: String,
    pub(super) bundle: Value,
}

impl Told {
    /// A Bundle that came otherwise.
    pub(super) fn of(bundle: Value) -> Self {
        Self { headers: HeaderMap::new(), text: bundle.to_string(), bundle }
    }

    fn parameters(&self, name: &str) -> Vec<&Value> {
        let all = self.bundle["entry"][0]["resource"]["parameter"].as_array().unwrap();
        all.iter().filter(|one| one["name"] == name).collect()
    }

    pub(super) fn kind(&self) -> &str {
        self.parameters("type")[0]["valueCode"].as_str().unwrap()
    }

    pub(super) fn status(&self) -> &str {
        self.parameters("status")[0]["valueCode"].as_str().unwrap()
    }

    pub(super) fn since_start(&self) -> u64 {
        self.parameters("events-since-subscription-start")[0]["valueString"].as_str().unwrap().parse().unwrap()
    }

    fn parts(&self, name: &str) -> Vec<&Value> {
        let events = self.parameters("notification-event");
        let parts = events.into_iter().flat_map(|event| event["part"].as_array().unwrap());
        parts.filter(|part| part["name"] == name).collect()
    }

    pub(super) fn numbers(&self) -> Vec<u64> {
        self.parts("event-number").iter().map(|part| part["valueString"].as_str().unwrap().parse().unwrap()).collect()
    }

    pub(super) fn focuses(&self) -> Vec<String> {
        let all = self.parts("focus").into_iter();
        all.map(|part| part["valueReference"]["reference"].as_str().unwrap().to_owned()).collect()
    }
}

#[derive(Default)]
struct Seen {
    told: Vec<Told>,
    failed: usize,
}

#[derive(Clone)]
struct Door {
    seen: Arc<Mutex<Seen>>,
    /// What is answered; 0 = nothing, until that changes.
    answer: watch::Receiver<u16>,
}

/// An endpoint on a free port.
pub(super) struct Endpoint {
    pub(super) url: String,
    seen: Arc<Mutex<Seen>>,
    answer: watch::Sender<u16>,
    served: tokio::task::JoinHandle<()>,
}

async fn take(State(mut door): State<Door>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let status = *door.answer.wait_for(|status| *status != 0).await.unwrap();
    let status = StatusCode::from_u16(status).unwrap();
    let mut seen = door.seen.lock().unwrap_or_else(PoisonError::into_inner);
    if status.is_success() {
        let text = String::from_utf8(body.to_vec()).unwrap();
        seen.told.push(Told { headers, bundle: serde_json::from_str(&text).unwrap(), text });
    } else {
        seen.failed += 1;
    }
    status
}

impl Endpoint {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/notifications", listener.local_addr().unwrap());
        let (answer, answers) = watch::channel(200);
        let seen = Arc::<Mutex<Seen>>::default();
        let door = Door { seen: Arc::clone(&seen), answer: answers };
        let router = Router::new().route("/notifications", post(take)).with_state(door);
        let served = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, seen, answer, served }
    }

    /// From now on.
    pub(super) fn answer(&self, status: u16) {
        self.answer.send_replace(status);
    }

    /// From now on nothing is answered.
    pub(super) fn hang(&self) {
        self.answer(0);
    }

    /// What was taken, in order.
    pub(super) fn told(&self) -> Vec<Told> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).told.clone()
    }

    /// How many were not.
    pub(super) fn failed(&self) -> usize {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).failed
    }

    pub(super) fn forget(&self) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen::default();
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.served.abort();
    }
}
