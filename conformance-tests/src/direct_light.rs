//! A charity platform without a FHIR server: it asks the gateway for what is requested, and writes progress back.
//!
//! Gravity's "Direct Light": the Task stays with the gateway, and this is only a client of it. Its progress follows a
//! seeded plan, one move a step; a version conflict is answered by reading again, as the guide's traps ask.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::{Client, Response};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::clock::SimClock;
use crate::fhir::{self, FHIR_JSON, SDOHCC, concept};
use crate::platform::life::{self, Life, Move};
use crate::platform::profile::is_final;

/// How a client is set up.
#[derive(Debug, Clone)]
pub struct DirectLightConfig {
    /// The gateway's FHIR base, without a slash at the end.
    pub fhir_base: String,
    /// The platform's bearer token there.
    pub token: String,
    /// Decides what becomes of each Task.
    pub seed: u64,
    /// What the simulated clock shows at first.
    pub start: OffsetDateTime,
    /// How many Tasks a page may hold.
    pub count: u32,
}

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum DirectLightError {
    /// The client could not be made, or there was no whole answer.
    #[error("no whole answer from the gateway")]
    NoAnswer {
        /// What reqwest says.
        #[from]
        source: reqwest::Error,
    },
    /// The gateway refused.
    #[error("the gateway answered {status} to {what}")]
    Refused {
        /// The status.
        status: u16,
        /// Method and type.
        what: String,
    },
    /// The answer is not the JSON that it should be.
    #[error("the answer to {what} is not a resource")]
    NotAResource {
        /// Method and type.
        what: String,
    },
}

/// A Task as this client knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldTask {
    /// Its id at the gateway.
    pub id: String,
    /// The last status that the gateway confirmed.
    pub status: String,
    /// The ServiceRequest that was read.
    pub service_request: Value,
    /// The Patient that was read: what a Direct Light platform gets to see.
    pub patient: Value,
    /// How often a version conflict was met.
    pub conflicts: u32,
}

/// What a step did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StepReport {
    /// Tasks taken up.
    pub taken: usize,
    /// Tasks moved.
    pub moved: usize,
    /// Version conflicts met.
    pub conflicts: usize,
    /// Moves that the gateway refused; the Task is left alone after one.
    pub refused: usize,
}

struct Held {
    task: HeldTask,
    life: Life,
}

/// The client.
pub struct DirectLightClient {
    client: Client,
    config: DirectLightConfig,
    clock: Mutex<SimClock>,
    held: Mutex<BTreeMap<String, Held>>,
    /// System of the sender's identifiers, by which plans are drawn; absent = by the Task's id.
    living_by: Option<String>,
}

impl DirectLightClient {
    /// A client that holds nothing yet.
    pub fn new(mut config: DirectLightConfig) -> Result<Self, DirectLightError> {
        let client = Client::builder().no_proxy().timeout(std::time::Duration::from_secs(30)).build()?;
        config.fhir_base = config.fhir_base.trim_end_matches('/').to_owned();
        let clock = Mutex::new(SimClock::starting(config.start));
        Ok(Self { client, config, clock, held: Mutex::default(), living_by: None })
    }

    /// The same, drawing what becomes of a Task from the identifier of this system of what its ServiceRequest is based on, where
    /// it is said: the Task's id is another in each run.
    #[must_use]
    pub fn living_by(self, system: &str) -> Self {
        Self { living_by: Some(system.to_owned()), ..self }
    }

    /// What is held, by id.
    pub fn tasks(&self) -> Vec<HeldTask> {
        self.held().values().map(|held| held.task.clone()).collect()
    }

    /// True when nothing held has a move to come.
    pub fn settled(&self) -> bool {
        self.held().values().all(|held| is_final(&held.task.status) || held.life.moves.is_empty())
    }

    /// Takes up what is requested, then moves each open Task by one move of its plan.
    pub async fn step(&self) -> Result<StepReport, DirectLightError> {
        let mut report = StepReport::default();
        let mut next = Some(format!("{}/Task?status=requested&_count={}", self.config.fhir_base, self.config.count));
        while let Some(url) = next.take() {
            let (page, _) = self.get(&url, "GET Task").await?;
            for task in entries(&page) {
                report.taken += usize::from(self.take_up(task).await?);
            }
            next = next_link(&page).filter(|link| *link != url);
        }
        let open: Vec<String> = self.held().keys().cloned().collect();
        for id in open {
            self.advance(&id, &mut report).await?;
        }
        Ok(report)
    }

    async fn take_up(&self, task: &Value) -> Result<bool, DirectLightError> {
        let text = |pointer| fhir::text_at(task, pointer).unwrap_or_default();
        let id = text("/id").to_owned();
        if id.is_empty() || self.held().contains_key(&id) {
            return Ok(false);
        }
        let (service_request, _) = self.get(&self.address(text("/focus/reference")), "GET ServiceRequest").await?;
        let (patient, _) = self.get(&self.address(text("/for/reference")), "GET Patient").await?;
        let priority = fhir::text_at(task, "/priority").unwrap_or("routine");
        let named = self.living_by.as_deref().and_then(|system| based_on(&service_request, system));
        let life = life::plan(self.config.seed, named.unwrap_or(&id), priority, None);
        let status = text("/status").to_owned();
        let task = HeldTask { id: id.clone(), status, service_request, patient, conflicts: 0 };
        self.held().insert(id, Held { task, life });
        Ok(true)
    }

    /// One move of one Task. After a conflict the Task is read again; if it is still open the move is tried once more.
    async fn advance(&self, id: &str, report: &mut StepReport) -> Result<(), DirectLightError> {
        let Some(step) = self.due(id) else { return Ok(()) };
        for _ in 0..2 {
            let (task, etag) = self.get(&self.address(&format!("Task/{id}")), "GET Task").await?;
            let status = fhir::text_at(&task, "/status").unwrap_or_default();
            if is_final(status) {
                self.note(id, status, false);
                return Ok(());
            }
            let response = self.put(id, &self.moved(&task, &step), &etag).await?;
            match response.status().as_u16() {
                200 | 201 => {
                    self.note(id, step.status, false);
                    report.moved += 1;
                    return Ok(());
                }
                409 | 412 => {
                    self.note(id, status, true);
                    report.conflicts += 1;
                }
                401 | 403 => return Err(refused(&response, "PUT Task")),
                _ => break,
            }
        }
        report.refused += 1;
        if let Some(held) = self.held().get_mut(id) {
            held.life.moves.clear();
        }
        Ok(())
    }

    /// The move that is due now, taken off the plan.
    fn due(&self, id: &str) -> Option<Move> {
        let mut all = self.held();
        let held = all.get_mut(id).filter(|held| !is_final(&held.task.status))?;
        match held.life.moves.front_mut() {
            Some(next) if next.wait > 0 => {
                next.wait -= 1;
                None
            }
            _ => held.life.moves.pop_front(),
        }
    }

    fn moved(&self, task: &Value, step: &Move) -> Value {
        let at = self.clock.lock().unwrap_or_else(PoisonError::into_inner).stamp();
        // Its own clock is simulated; a Task must not be modified before it was written (R4 inv-1).
        let authored = fhir::text_at(task, "/authoredOn").and_then(fhir::read_instant);
        let mut task = life::moved(task, step, &fhir::instant(authored.map_or(at, |authored| authored.max(at))));
        if step.status == "completed" {
            task["output"] = json!([{
                "type": concept(SDOHCC, "resulting-activity", "Resulting Activity"),
                "valueCodeableConcept": { "text": "Social prescribing support given" },
            }]);
        }
        task
    }

    fn note(&self, id: &str, status: &str, conflict: bool) {
        if let Some(held) = self.held().get_mut(id) {
            status.clone_into(&mut held.task.status);
            held.task.conflicts += u32::from(conflict);
        }
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<String, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn address(&self, reference: &str) -> String {
        if reference.starts_with("http") {
            reference.to_owned()
        } else {
            format!("{}/{reference}", self.config.fhir_base)
        }
    }

    async fn get(&self, url: &str, what: &str) -> Result<(Value, String), DirectLightError> {
        let response = self.client.get(url).bearer_auth(&self.config.token).header("accept", FHIR_JSON).send().await?;
        if !response.status().is_success() {
            return Err(refused(&response, what));
        }
        let etag = response.headers().get("etag").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let bytes = response.bytes().await?;
        let resource = serde_json::from_slice(&bytes).ok().filter(Value::is_object);
        let resource = resource.ok_or_else(|| DirectLightError::NotAResource { what: what.to_owned() })?;
        let version = fhir::text_at(&resource, "/meta/versionId").unwrap_or_default();
        let etag = etag.unwrap_or_else(|| format!("W/\"{version}\""));
        Ok((resource, etag))
    }

    async fn put(&self, id: &str, task: &Value, etag: &str) -> Result<Response, DirectLightError> {
        let url = self.address(&format!("Task/{id}"));
        let put = self.client.put(url).bearer_auth(&self.config.token).header("content-type", FHIR_JSON);
        Ok(put.header("if-match", etag).body(task.to_string()).send().await?)
    }
}

/// The identifier of this system of the request that another is based on.
fn based_on<'v>(service_request: &'v Value, system: &str) -> Option<&'v str> {
    let references = service_request.get("basedOn")?.as_array()?.iter();
    let mut identifiers = references.filter_map(|reference| reference.get("identifier"));
    let identifier = identifiers.find(|one| fhir::text_at(one, "/system") == Some(system))?;
    fhir::text_at(identifier, "/value")
}

fn refused(response: &Response, what: &str) -> DirectLightError {
    DirectLightError::Refused { status: response.status().as_u16(), what: what.to_owned() }
}

fn entries(bundle: &Value) -> impl Iterator<Item = &Value> {
    let entries = bundle.get("entry").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let resources = entries.iter().filter_map(|entry| entry.get("resource"));
    resources.filter(|one| fhir::text_at(one, "/resourceType") == Some("Task"))
}

fn next_link(bundle: &Value) -> Option<String> {
    let links = bundle.get("link")?.as_array()?;
    let next = links.iter().find(|link| fhir::text_at(link, "/relation") == Some("next"))?;
    fhir::text_at(next, "/url").map(str::to_owned)
}
