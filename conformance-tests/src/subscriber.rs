//! Somebody on the GP's side who subscribes: asks for a topic Subscription (R5 backport 1.1.0 in R4), and keeps what its endpoint is told.
//! It outlives the gateway, so that it can say afterwards what came.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What notifications are signed with here; nobody looks at the signature.
pub const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
/// The topic that tells of every version of a Task.
const TOPIC: &str = "https://vcse-gateway.example/fhir/SubscriptionTopic/task-status";
/// Extension of the payload.
const CONTENT: &str = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content";

/// The number of an event, and what it was about.
type Told = (u64, String);

/// An event, as whoever tells it has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its number.
    pub number: u64,
    /// Id of the Task.
    pub task: String,
    /// The version of it.
    pub version: u64,
}

/// The endpoint, and whoever asks for it.
#[derive(Debug)]
pub struct Subscriber {
    url: String,
    http: reqwest::Client,
    told: Arc<Mutex<Vec<Told>>>,
    served: JoinHandle<()>,
}

async fn take(State(told): State<Arc<Mutex<Vec<Told>>>>, body: String) -> StatusCode {
    let Ok(bundle) = serde_json::from_str::<Value>(&body) else { return StatusCode::BAD_REQUEST };
    let events = bundle["entry"][0]["resource"]["parameter"].as_array().cloned().unwrap_or_default();
    let part = |event: &Value, name: &str| {
        let parts = event["part"].as_array().cloned().unwrap_or_default();
        parts.into_iter().find(|part| part["name"] == name).unwrap_or_default()
    };
    let events = events.iter().filter(|one| one["name"] == "notification-event").map(|event| {
        let number = part(event, "event-number")["valueString"].as_str().and_then(|text| text.parse().ok());
        let focus = part(event, "focus")["valueReference"]["reference"].as_str().unwrap_or_default().to_owned();
        (number.unwrap_or_default(), focus)
    });
    told.lock().unwrap_or_else(PoisonError::into_inner).extend(events);
    StatusCode::NO_CONTENT
}

impl Subscriber {
    /// An endpoint on a free port of this machine.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/notifications", listener.local_addr()?);
        let told = Arc::<Mutex<Vec<Told>>>::default();
        let router = Router::new().route("/notifications", post(take)).with_state(Arc::clone(&told));
        let served = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        let http = reqwest::Client::builder().no_proxy().build().map_err(io::Error::other)?;
        Ok(Self { url, http, told, served })
    }

    /// Asks once for a Subscription that leads here, always by the same name, so that it may be asked again when the answer is lost. Its
    /// id, if it was answered.
    pub async fn subscribe(&self, fhir_base: &str, token: &str) -> Option<String> {
        let subscription = json!({
            "resourceType": "Subscription",
            "status": "requested",
            "reason": "What became of our referrals",
            "criteria": TOPIC,
            "channel": {
                "type": "rest-hook",
                "endpoint": self.url,
                "payload": "application/fhir+json",
                "_payload": { "extension": [{ "url": CONTENT, "valueCode": "id-only" }] },
            },
        });
        let post = self.http.post(format!("{fhir_base}/Subscription")).bearer_auth(token);
        let post = post.header("content-type", "application/fhir+json").header("x-request-id", "subscribes-once");
        let answer = post.body(subscription.to_string()).send().await.ok()?;
        let made: Value = serde_json::from_str(&answer.text().await.ok()?).ok()?;
        (made["resourceType"] == "Subscription").then(|| made["id"].as_str().map(str::to_owned)).flatten()
    }

    /// What is not right in the end, in words: each of these versions of Tasks is one event, which has one number and was told. The same
    /// number may come twice, about the same.
    #[must_use]
    pub fn compare(&self, made: &[Made], versions: &BTreeSet<(String, u64)>) -> Vec<String> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        compare(&told, made, versions)
    }
}

fn compare(told: &[Told], made: &[Made], versions: &BTreeSet<(String, u64)>) -> Vec<String> {
    let (mut findings, mut events, mut seen) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
    for (place, Made { number, task, version }) in (1..).zip(made) {
        if *number != place {
            findings.push(format!("event {place} is missing, {number} stands in its place"));
        }
        if !seen.insert((task.clone(), *version)) {
            findings.push(format!("doubled: version {version} of Task/{task} is event {number} and an earlier one"));
        }
        events.insert(*number, task);
    }
    findings
        .extend(versions.difference(&seen).map(|(task, version)| format!("lost: version {version} of Task/{task}")));
    findings
        .extend(seen.difference(versions).map(|(task, version)| format!("version {version} of Task/{task} is none")));
    let numbers: BTreeSet<u64> = told.iter().map(|(number, _)| *number).collect();
    findings.extend(events.keys().filter(|one| !numbers.contains(one)).map(|one| format!("event {one} was not told")));
    for (number, focus) in told {
        let about = events.get(number);
        if !about.is_some_and(|task| focus.ends_with(&format!("/Task/{task}"))) {
            findings.push(format!("event {number} was told about {focus}, and is about {about:?}"));
        }
    }
    findings
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.served.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_doubled_or_mixed_up_is_found() {
        let made = |number, task: &str, version| Made { number, task: task.to_owned(), version };
        let told = |number, task: &str| (number, format!("http://gateway/fhir/Task/{task}"));
        let versions = BTreeSet::from([("a".to_owned(), 1), ("a".to_owned(), 2), ("b".to_owned(), 1)]);
        let right = [made(1, "a", 1), made(2, "b", 1), made(3, "a", 2)];
        let all = [told(1, "a"), told(2, "b"), told(2, "b"), told(3, "a")];
        assert_eq!(compare(&all, &right, &versions), Vec::<String>::new(), "the same number may come twice");
        let has = |told: &[Told], made: &[Made], words: &str| {
            let findings = compare(told, made, &versions);
            assert!(findings.iter().any(|one| one.contains(words)), "{words}: {findings:?}");
        };
        has(&all[..3], &right, "event 3 was not told");
        has(&[&all[..3], &[told(3, "b")]].concat(), &right, "event 3 was told about");
        has(&[&all[..], &[told(4, "a")]].concat(), &right, "event 4 was told about");
        has(&all, &right[..2], "lost: version 2 of Task/a");
        has(&all, &[&right[..], &[made(4, "a", 2)]].concat(), "doubled: version 2 of Task/a");
        has(&all, &[made(1, "a", 1), made(3, "a", 2)], "event 2 is missing");
        has(&all, &[&right[..], &[made(4, "c", 1)]].concat(), "version 1 of Task/c is none");
    }
}
