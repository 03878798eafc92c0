//! The GP system's side: submits referrals, retries as a GP system does, cancels, and follows by polling.
//!
//! It knows the gateway's FHIR interface and nothing behind it. Waiting is injected ([`Pause`]), so that a test does
//! not wait and a demo may.

mod follow;
mod wire;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use time::Duration;

use crate::clock::{chance, seeded_uuid};
use crate::fhir;
use crate::generator::{Expectation, SyntheticReferral};
pub use wire::{Carried, Carrier, WireError};
use wire::{Reply, Wire};

/// What [`Pause::pause`] gives.
pub type Paused<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// How the GP system waits between attempts.
pub trait Pause: Send + Sync {
    /// Waits for `how_long`, or acts as if.
    fn pause(&self, how_long: Duration) -> Paused<'_>;
}

/// Does not wait, only lets others run.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPause;

impl Pause for NoPause {
    fn pause(&self, _how_long: Duration) -> Paused<'_> {
        Box::pin(tokio::task::yield_now())
    }
}

/// How a GP system is set up.
#[derive(Debug, Clone)]
pub struct GpConfig {
    /// The gateway's FHIR base, without a slash at the end.
    pub fhir_base: String,
    /// Its bearer token.
    pub token: String,
    /// The ODS code of the practice.
    pub organisation_ods: String,
    /// Decides the request ids.
    pub seed: u64,
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq)]
pub enum SubmitOutcome {
    /// The gateway has it.
    Accepted {
        /// The Task's absolute URL, without a version.
        task_url: String,
        /// Its id.
        task_id: String,
        /// How many attempts it took.
        attempts: u32,
    },
    /// The gateway refused, or gave an answer that is none.
    Refused {
        /// The status.
        status: u16,
        /// The OperationOutcome, or null.
        outcome: Value,
    },
    /// No definite answer within the attempts.
    Unreachable {
        /// How many attempts were made.
        attempts: u32,
        /// What the last one met.
        last: String,
    },
}

/// A version of a Task that the GP system has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenVersion {
    /// `meta.versionId`.
    pub version: u64,
    /// `Task.status`.
    pub status: String,
    /// `businessStatus`: its text, else the first code.
    pub business_status: Option<String>,
    /// The first code of `businessStatus`.
    pub business_code: Option<String>,
    /// `statusReason`: its text, else the first code.
    pub status_reason: Option<String>,
    /// `meta.lastUpdated`.
    pub last_updated: String,
    /// How many `output`s there were.
    pub outputs: usize,
}

/// What the GP system knows of a referral that it submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpRecord {
    /// The practice's own id.
    pub placer_id: String,
    /// What should become of it.
    pub expectation: Expectation,
    /// The recipient that was named.
    pub recipient_ods: Option<String>,
    /// The Task's URL.
    pub task_url: String,
    /// The Task's id.
    pub task_id: String,
    /// Its `X-Correlation-Id`.
    pub correlation_id: String,
    /// The versions that were seen, oldest first.
    pub history: Vec<SeenVersion>,
}

impl GpRecord {
    /// The newest version that was seen.
    pub fn latest(&self) -> Option<&SeenVersion> {
        self.history.last()
    }

    /// The newest status, or nothing before the first poll.
    pub fn status(&self) -> Option<&str> {
        self.latest().map(|seen| seen.status.as_str())
    }

    /// The newest business status.
    pub fn business_status(&self) -> Option<&str> {
        self.latest().and_then(|seen| seen.business_status.as_deref())
    }

    /// The first code of the newest business status.
    pub fn business_code(&self) -> Option<&str> {
        self.latest().and_then(|seen| seen.business_code.as_deref())
    }

    /// The newest status reason.
    pub fn status_reason(&self) -> Option<&str> {
        self.latest().and_then(|seen| seen.status_reason.as_deref())
    }
}

#[derive(Debug, Default)]
struct Book {
    /// By Task id.
    records: BTreeMap<String, GpRecord>,
    /// Versions of Tasks that are not in the book (yet): a poll may see a Task before its submission is noted.
    unclaimed: BTreeMap<String, Vec<SeenVersion>>,
    /// Task ids in the order of submission.
    order: Vec<String>,
    /// The newest `lastUpdated` that was seen, as written.
    since: Option<String>,
    /// How many requests were made that are no submission, for their ids.
    others: u64,
}

/// A GP system.
pub struct GpSystem {
    wire: Wire,
    seed: u64,
    organisation_ods: String,
    pause: Arc<dyn Pause>,
    attempts: u32,
    book: Mutex<Book>,
}

impl GpSystem {
    /// A GP system that does not wait between attempts.
    pub fn new(config: GpConfig) -> Result<Self, WireError> {
        Ok(Self {
            wire: Wire::new(&config.fhir_base, &config.token)?,
            seed: config.seed,
            organisation_ods: config.organisation_ods,
            pause: Arc::new(NoPause),
            attempts: 6,
            book: Mutex::default(),
        })
    }

    /// The same, waiting so between attempts.
    #[must_use]
    pub fn with_pause(mut self, pause: Arc<dyn Pause>) -> Self {
        self.pause = pause;
        self
    }

    /// The same, over this carrier instead of a socket.
    #[must_use]
    pub fn over(self, carrier: Arc<dyn Carrier>) -> Self {
        Self { wire: self.wire.by(carrier), ..self }
    }

    /// The same, with at most this many attempts at a submission (at least one).
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// The ODS code of the practice.
    pub fn organisation_ods(&self) -> &str {
        &self.organisation_ods
    }

    /// Submits a referral. Retries with the same `X-Request-Id` where the answer leaves open whether it arrived.
    pub async fn submit(&self, referral: &SyntheticReferral) -> SubmitOutcome {
        let (request_id, correlation_id) = self.names(referral);
        let body = referral.bundle_text();
        let mut last = String::new();
        for attempt in 1..=self.attempts {
            let (wait, met) = match self.wire.transaction(&body, &request_id, &correlation_id).await {
                Ok(reply) if matches!(reply.status, 200 | 201) => {
                    return self.accepted(referral, &reply, attempt, correlation_id);
                }
                Ok(reply) if matches!(reply.status, 408 | 429 | 503 | 504) => {
                    (reply.retry_after, format!("status {}", reply.status))
                }
                Ok(reply) => return SubmitOutcome::Refused { status: reply.status, outcome: reply.body },
                Err(error) => (None, error.to_string()),
            };
            last = met;
            if attempt < self.attempts {
                self.pause.pause(wait.unwrap_or_else(|| Duration::milliseconds(100 << attempt.min(8)))).await;
            }
        }
        SubmitOutcome::Unreachable { attempts: self.attempts, last }
    }

    /// `X-Request-Id` and `X-Correlation-Id` of a submission: the same in each attempt at it.
    pub fn names(&self, referral: &SyntheticReferral) -> (String, String) {
        let mut rng = chance(self.seed, referral.number);
        (seeded_uuid(&mut rng).to_string(), seeded_uuid(&mut rng).to_string())
    }

    fn accepted(
        &self,
        referral: &SyntheticReferral,
        reply: &Reply,
        attempts: u32,
        correlation_id: String,
    ) -> SubmitOutcome {
        let Some(task_id) = task_id(reply) else {
            // A 2xx without a Task is no promise that anybody could follow.
            return SubmitOutcome::Refused { status: reply.status, outcome: reply.body.clone() };
        };
        let task_url = self.wire.url(&format!("Task/{task_id}"));
        let mut book = self.book();
        let record = GpRecord {
            placer_id: referral.placer_id.clone(),
            expectation: referral.expectation,
            recipient_ods: referral.recipient_ods.clone(),
            task_url: task_url.clone(),
            task_id: task_id.clone(),
            correlation_id,
            history: book.unclaimed.remove(&task_id).unwrap_or_default(),
        };
        if !book.records.contains_key(&task_id) {
            book.order.push(task_id.clone());
            book.records.insert(task_id.clone(), record);
        }
        SubmitOutcome::Accepted { task_url, task_id, attempts }
    }

    /// What is known, in the order of submission.
    pub fn records(&self) -> Vec<GpRecord> {
        let book = self.book();
        book.order.iter().filter_map(|id| book.records.get(id)).cloned().collect()
    }

    /// What is known of the referral with this placer id.
    pub fn record(&self, placer_id: &str) -> Option<GpRecord> {
        self.book().records.values().find(|record| record.placer_id == placer_id).cloned()
    }

    /// Forgets every Task: the gateway's store was put back from a copy, and some are not in it. Request ids that were used stay
    /// used.
    pub fn forget(&self) {
        let mut book = self.book();
        *book = Book { others: book.others, ..Book::default() };
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ids for a request that is no submission; each is new, as each is a new request.
    fn other_request_id(&self) -> String {
        let mut book = self.book();
        book.others += 1;
        // Submissions count up from nothing, these down from the end: the two never draw the same id.
        seeded_uuid(&mut chance(self.seed, u64::MAX - book.others)).to_string()
    }
}

/// The Task's id, out of the transaction's response or the `Location`.
fn task_id(reply: &Reply) -> Option<String> {
    let entries = reply.body.get("entry").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let locations = entries.iter().filter_map(|entry| fhir::text_at(entry, "/response/location"));
    let header = reply.location.as_deref();
    locations
        .chain(header)
        .filter_map(fhir::split_reference)
        .find(|(kind, _)| *kind == "Task")
        .map(|(_, id)| id.to_owned())
}
