//! Everything that the platform holds, under one lock, and the passing of its time.
//!
//! No socket and no waiting in here: a tick changes state and leaves notifications to be sent.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::life::{self, Life, Move};
use super::profile;
use super::store::{self, Store};
use crate::clock::SimClock;
use crate::fhir::{self, REFERRAL_KEY, SDOHCC, SNOMED, concept};

/// A request as it came, with the simulated time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedRequest {
    /// When, by the simulated clock.
    pub at: String,
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Every header, names in lower case, in the order of arrival.
    pub headers: Vec<(String, String)>,
    /// The body; what is no UTF-8 is replaced.
    pub body: String,
}

impl RecordedRequest {
    /// The value of a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }
}

/// A Task as the platform sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformTask {
    /// Its id here.
    pub id: String,
    /// The gateway's idempotency key, where the Task bears one.
    pub key: Option<String>,
    /// `Task.status`.
    pub status: String,
    /// `meta.versionId`.
    pub version: u64,
}

/// A change of a Task that subscribers are told of.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) number: u64,
    pub(super) task: Value,
}

/// What the platform holds.
pub(super) struct State {
    pub(super) base_url: String,
    pub(super) token: String,
    pub(super) page_limit: usize,
    pub(super) store: Store,
    /// What was found by the searches that have a further page, by their number.
    pub(super) pages: BTreeMap<u64, Vec<Value>>,
    pub(super) searches: u64,
    pub(super) requests: Vec<RecordedRequest>,
    pub(super) changes: VecDeque<Change>,
    /// Set while a request that [`super::FaultKind::RefuseTask`] struck is being handled.
    pub(super) refusal: Option<String>,
    pub(super) told: u64,
    clock: SimClock,
    start: OffsetDateTime,
    step: Duration,
    seed: u64,
    lives: BTreeMap<String, Life>,
    /// By Task: what will have been measured by its end.
    measured: BTreeMap<String, Value>,
}

impl State {
    pub(super) fn new(config: &super::PlatformConfig, base_url: String) -> Self {
        Self {
            base_url,
            token: config.token.clone(),
            page_limit: config.page_limit.max(1),
            store: Store::default(),
            pages: BTreeMap::new(),
            searches: 0,
            requests: Vec::new(),
            changes: VecDeque::new(),
            refusal: None,
            told: 0,
            clock: SimClock::starting(config.start),
            start: config.start,
            step: config.step,
            seed: config.seed,
            lives: BTreeMap::new(),
            measured: BTreeMap::new(),
        }
    }

    /// Forgets everything and begins at the start instant again.
    pub(super) fn reset(&mut self) {
        self.store = Store::default();
        self.pages.clear();
        self.requests.clear();
        self.changes.clear();
        self.lives.clear();
        self.measured.clear();
        self.told = 0;
        self.clock = SimClock::starting(self.start);
    }

    /// Moves the simulated time to this one, unless it is there already.
    pub(super) fn pass_to(&mut self, now: OffsetDateTime) {
        self.clock.advance(now - self.clock.now());
    }

    /// The simulated time.
    pub(super) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// Stores a version. A new Task gets a plan; a Task whose status changed is told of.
    pub(super) fn put(&mut self, kind: &str, id: &str, resource: Value) -> Value {
        let before = self.store.get(kind, id).cloned();
        let stored = self.store.put(kind, id, resource, &mut self.clock);
        if kind == "Task" {
            match before {
                None => self.begin(id, &stored),
                Some(before) if before.get("status") != stored.get("status") => self.tell(stored.clone()),
                Some(_) => {}
            }
        }
        stored
    }

    fn begin(&mut self, id: &str, task: &Value) {
        let key = fhir::identifier(task, REFERRAL_KEY).unwrap_or(id);
        let priority = fhir::text_at(task, "/priority").unwrap_or("routine");
        self.lives.insert(id.to_owned(), life::plan(self.seed, key, priority, self.refusal.clone()));
    }

    /// Replaces what is still to come of a Task.
    pub(super) fn set_life(&mut self, id: &str, moves: Vec<Move>) -> bool {
        let Some(life) = self.lives.get_mut(id) else { return false };
        life.moves = moves.into();
        true
    }

    /// Draws what is still to come of a Task by another name than its key.
    pub(super) fn live_by(&mut self, id: &str, name: &str) -> bool {
        let Some(task) = self.store.get("Task", id) else { return false };
        let priority = fhir::text_at(task, "/priority").unwrap_or("routine");
        let Some(life) = self.lives.get_mut(id) else { return false };
        *life = life::plan(self.seed, name, priority, None);
        true
    }

    /// Keeps what the end of a Task will have measured.
    pub(super) fn measure(&mut self, id: &str, what: &str, scores: &[(&str, u8)]) {
        let component = |(name, score): &(&str, u8)| json!({ "code": { "text": name }, "valueInteger": score });
        let observation = json!({
            "resourceType": "Observation",
            "status": "final",
            "category": [concept("http://terminology.hl7.org/CodeSystem/observation-category", "survey", "Survey")],
            "code": { "text": what },
            "component": scores.iter().map(component).collect::<Vec<Value>>(),
        });
        self.measured.insert(id.to_owned(), observation);
    }

    fn tell(&mut self, task: Value) {
        self.told += 1;
        self.changes.push_back(Change { number: self.told, task });
    }

    /// Lets one step of time pass: every open Task whose wait is over moves, urgent ones first. How many moved.
    pub(super) fn tick(&mut self) -> usize {
        self.clock.advance(self.step);
        let mut open: Vec<(bool, String)> = self.lives.iter().map(|(id, life)| (!life.urgent, id.clone())).collect();
        open.sort();
        open.into_iter().filter(|(_, id)| self.advance(id)).count()
    }

    fn advance(&mut self, id: &str) -> bool {
        let Some(task) = self.store.get("Task", id).cloned() else { return false };
        let ended = fhir::text_at(&task, "/status").is_none_or(profile::is_final);
        let Some(life) = self.lives.get_mut(id) else { return false };
        let due = match life.moves.front_mut() {
            Some(_) if ended => None,
            Some(next) if next.wait > 0 => {
                next.wait -= 1;
                return false;
            }
            _ => life.moves.pop_front(),
        };
        let Some(step) = due else {
            self.lives.remove(id);
            return false;
        };
        let mut task = life::moved(&task, &step, &fhir::instant(self.clock.now()));
        if step.status == "completed" {
            task["output"] = self.outputs(&task);
        }
        self.put("Task", id, task);
        true
    }

    /// What was done (a Procedure) and what became of the enrolment (an Observation), as the guide has them.
    fn outputs(&mut self, task: &Value) -> Value {
        let subject = task.get("for").cloned().unwrap_or_default();
        let at = fhir::instant(self.clock.now());
        let procedure = json!({
            "resourceType": "Procedure",
            "status": "completed",
            "basedOn": [task.get("focus")],
            "category": concept(SNOMED, "410606002", "Social service procedure"),
            "code": { "text": "Social prescribing support given" },
            "subject": subject,
            "performedDateTime": at,
        });
        let enrolment = json!({
            "resourceType": "Observation",
            "status": "final",
            "code": concept(SDOHCC, "enrollment-status", "Enrollment Status"),
            "subject": subject,
            "effectiveDateTime": at,
            "valueCodeableConcept": concept(SDOHCC, "enrolled", "Enrolled"),
        });
        let measured = self.measured.remove(fhir::text_at(task, "/id").unwrap_or_default()).map(|mut observation| {
            observation["subject"] = subject.clone();
            observation["effectiveDateTime"] = Value::from(at.as_str());
            observation
        });
        let mut output = |code: &str, display: &str, kind: &str, resource: Value| {
            let id = self.store.new_id();
            self.put(kind, &id, resource);
            json!({ "type": concept(SDOHCC, code, display), "valueReference": { "reference": format!("{kind}/{id}") } })
        };
        let mut outputs = vec![
            output("resulting-activity", "Resulting Activity", "Procedure", procedure),
            output("additional-content", "Additional Content", "Observation", enrolment),
        ];
        outputs.extend(measured.map(|one| output("additional-content", "Additional Content", "Observation", one)));
        Value::Array(outputs)
    }

    /// Every Task, by id.
    pub(super) fn tasks(&self) -> Vec<PlatformTask> {
        let tasks = self.store.all("Task").map(|task| PlatformTask {
            id: fhir::text_at(task, "/id").unwrap_or_default().to_owned(),
            key: fhir::identifier(task, REFERRAL_KEY).map(str::to_owned),
            status: fhir::text_at(task, "/status").unwrap_or_default().to_owned(),
            version: store::version(task),
        });
        tasks.collect()
    }

    /// True when no Task has anything to come.
    pub(super) fn settled(&self) -> bool {
        self.tasks().iter().all(|task| profile::is_final(&task.status))
    }
}
