//! Everybody outside who calls a gateway: the GP system for each referral, the operator, and the platforms that push.

use crate::network::Network;
use crate::plan::{Part, Plan};
use crate::settings::{BASE, GP_TOKEN, OPERATOR_TOKEN, REPORT_TOKEN};
use anyhow::Result;
use conformance_tests::generator::{PRACTICE_ODS, SyntheticReferral};
use conformance_tests::gp_system::{Carried, Carrier, GpConfig, GpSystem, Pause, Paused, SubmitOutcome};
use fault_campaigns::facts::Answered;
use fault_campaigns::scene::{self, Kind};
use fault_campaigns::script::{Move, try_move};
use http::Request;
use rand::Rng as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use vcse_gateway::store::{ReferralFilter, Store};

/// How long a caller waits for an answer.
const PATIENCE: Duration = Duration::from_secs(40);
/// Attempts of the GP system in one go; it begins anew after that.
const ATTEMPTS: u32 = 20;
/// Between two tries at something that did not succeed.
const AGAIN: Duration = Duration::from_secs(45);

/// The way of the GP system: to any of the machines, whichever a load balancer picks.
struct Balanced {
    network: Arc<Network>,
    machines: usize,
}

impl Carrier for Balanced {
    fn carry(&self, request: Request<Vec<u8>>) -> Carried<'_> {
        Box::pin(async move {
            let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
            let name = format!("gp {} {id}", request.method());
            let machine =
                self.network.outside.world().chance(&format!("{name} balanced")).random_range(0..self.machines);
            self.network.call(machine, &name, request, PATIENCE).await
        })
    }
}

/// Waits in the world's time.
struct Patience(Arc<Network>);

impl Pause for Patience {
    fn pause(&self, how_long: time::Duration) -> Paused<'_> {
        Box::pin(async move {
            let span = Duration::try_from(how_long).unwrap_or_default();
            self.0.outside.wait(span.min(Duration::from_secs(120)), "gp pauses").await;
        })
    }
}

/// The GP system, and what it has done.
pub struct Sender {
    network: Arc<Network>,
    plan: Arc<Plan>,
    store: Arc<dyn Store>,
    gp: Arc<GpSystem>,
    /// Repeats submissions, and looks at nothing that the first remembers.
    repeats: Arc<GpSystem>,
    refused: Mutex<Vec<String>>,
    again: Mutex<BTreeMap<String, String>>,
    open: Mutex<usize>,
}

fn gp(network: &Arc<Network>, plan: &Plan) -> Result<GpSystem> {
    let config = GpConfig {
        fhir_base: BASE.to_owned(),
        token: GP_TOKEN.to_owned(),
        organisation_ods: PRACTICE_ODS.to_owned(),
        seed: plan.seed,
    };
    let carrier = Arc::new(Balanced { network: Arc::clone(network), machines: plan.machines.len() });
    let pause = Arc::new(Patience(Arc::clone(network)));
    Ok(GpSystem::new(config)?.with_attempts(ATTEMPTS).with_pause(pause).over(carrier))
}

impl Sender {
    /// A GP system that has sent nothing yet. The store is asked only for the name under which people ask each other for a
    /// referral.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(network: &Arc<Network>, plan: &Arc<Plan>, store: &Arc<dyn Store>) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            network: Arc::clone(network),
            plan: Arc::clone(plan),
            store: Arc::clone(store),
            gp: Arc::new(gp(network, plan)?),
            repeats: Arc::new(gp(network, plan)?),
            refused: Mutex::default(),
            again: Mutex::default(),
            open: Mutex::new(0),
        }))
    }

    /// Begins everything that the plan has senders do.
    pub fn begin(self: &Arc<Self>) {
        for part in &self.plan.parts {
            *self.open.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            let (sender, part) = (Arc::clone(self), part.clone());
            tokio::spawn(async move {
                sender.play(&part).await;
                *sender.open.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
            });
        }
    }

    /// Whether nothing is left to be done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) == 0
    }

    /// What was refused for good, in words: nothing of what is sent should be.
    #[must_use]
    pub fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was answered.
    #[must_use]
    pub fn answered(&self) -> Vec<Answered> {
        let again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
        let records = self.gp.records().into_iter();
        let answered = records.map(|record| Answered {
            again: again.get(&record.placer_id).cloned(),
            placer: record.placer_id,
            task: record.task_id,
        });
        answered.collect()
    }

    fn referral(&self, part: &Part) -> SyntheticReferral {
        scene::referral(self.plan.seed, part.kind, part.number)
    }

    async fn wait(&self, span: Duration, purpose: &str) {
        self.network.outside.wait(span, purpose).await;
    }

    async fn play(self: &Arc<Self>, part: &Part) {
        let referral = self.referral(part);
        let placer = &referral.placer_id;
        self.network.outside.wait_until(part.at, &format!("gp sends {placer}")).await;
        if self.submit(&self.gp, &referral).await.is_none() {
            return;
        }
        if let Some(span) = part.again {
            let sender = Arc::clone(self);
            let referral = referral.clone();
            *self.open.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            tokio::spawn(async move {
                sender.wait(span, &format!("gp repeats {}", referral.placer_id)).await;
                sender.repeat(&referral).await;
                *sender.open.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
            });
        }
        let began = self.network.outside.world().now();
        let mut steps: Vec<(Duration, bool)> = part.releases.iter().map(|at| (*at, false)).collect();
        if part.sender != Move::None {
            steps.push((part.after, true));
        }
        steps.sort_unstable();
        for (after, moves) in steps {
            self.network.outside.wait_until(began + after, &format!("gp turns to {placer}")).await;
            if moves {
                while !try_move(&self.gp, placer, part.sender).await {
                    self.wait(AGAIN, &format!("gp moves {placer} again")).await;
                }
                self.network.outside.world().note(&format!("gp has moved {placer}: {:?}", part.sender));
            } else if let Some(record) = self.gp.record(placer) {
                // Moving on what may have arrived at a platform that cannot be asked says that somebody has asked the
                // organisation, and that it does not have it (`update::release`).
                if part.kind == Kind::Unkeyed && is_there(&self.network, self.store.as_ref(), &record.task_id).await {
                    continue;
                }
                // One try: it may be held no more, or its answer be lost.
                let released = self.gp.release(&record.task_url).await;
                self.network.outside.world().note(&format!("gp releases {placer}: {:?}", released.ok()));
            }
        }
    }

    /// Sends until there is a definite answer; the Task, if it was taken.
    async fn submit(&self, gp: &GpSystem, referral: &SyntheticReferral) -> Option<String> {
        loop {
            match gp.submit(referral).await {
                SubmitOutcome::Accepted { task_id, .. } => {
                    self.network.outside.world().note(&format!("{} is Task/{task_id}", referral.placer_id));
                    return Some(task_id);
                }
                SubmitOutcome::Unreachable { .. } => {}
                SubmitOutcome::Refused { status, outcome } if status < 500 => {
                    let words = format!("{} was refused with {status}: {outcome}", referral.placer_id);
                    self.refused.lock().unwrap_or_else(PoisonError::into_inner).push(words);
                    return None;
                }
                SubmitOutcome::Refused { .. } => {}
            }
            self.wait(AGAIN, &format!("gp sends {} again", referral.placer_id)).await;
        }
    }

    /// Sends a submission once more under its old `X-Request-Id`.
    async fn repeat(&self, referral: &SyntheticReferral) {
        if let Some(task) = self.submit(&self.repeats, referral).await {
            self.again.lock().unwrap_or_else(PoisonError::into_inner).insert(referral.placer_id.clone(), task);
        }
    }

    /// Sends every submission once more, at the end.
    pub fn repeat_all(self: &Arc<Self>) {
        for part in &self.plan.parts {
            *self.open.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            let (sender, referral) = (Arc::clone(self), self.referral(part));
            tokio::spawn(async move {
                sender.repeat(&referral).await;
                *sender.open.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
            });
        }
    }
}

/// The operator redrives what is dead: everything that needs no question, and what the organisation says that it does not have.
pub async fn operator(network: Arc<Network>, plan: Arc<Plan>, store: Arc<dyn Store>) {
    for at in &plan.redrives {
        network.outside.wait_until(*at, "operator").await;
        for kind in Kind::ALL {
            let all = json!([{ "name": "platform", "valueCode": kind.id() }]);
            let Some(answer) = redrive(&network, &plan, &all).await else { continue };
            for (task, attempts) in unasked(&answer) {
                if is_there(&network, store.as_ref(), &task).await {
                    continue;
                }
                let one = json!([
                    { "name": "task", "valueReference": { "reference": format!("Task/{task}") } },
                    { "name": "asked", "valueInteger": attempts },
                ]);
                redrive(&network, &plan, &one).await;
            }
        }
    }
}

/// Tasks that stay until somebody has asked the organisation, each with its attempts.
fn unasked(answer: &Value) -> Vec<(String, Value)> {
    let parts = |value: &Value| value["part"].as_array().cloned().unwrap_or_default();
    let lines = answer["parameter"].as_array().cloned().unwrap_or_default();
    let value = |line: &Value, name: &str, pointer: &str| {
        let found = parts(line).into_iter().find(|part| part["name"] == name)?;
        found.pointer(pointer)?.as_str().map(str::to_owned)
    };
    let stays = lines.iter().filter(|line| value(line, "outcome", "/valueCode").as_deref() == Some("maybe-there"));
    let task = |line| Some(value(line, "task", "/valueReference/reference")?.strip_prefix("Task/")?.to_owned());
    let attempts = |line| parts(line).into_iter().find(|part| part["name"] == "attempts");
    stays.filter_map(|line| Some((task(line)?, attempts(line)?["valueUnsignedInt"].clone()))).collect()
}

/// What the organisation answers when it is asked by telephone. Where the store knows no such Task nobody is told that it is not
/// there.
async fn is_there(network: &Network, store: &dyn Store, task: &str) -> bool {
    let filter = ReferralFilter { limit: u32::MAX, ..ReferralFilter::default() };
    let all = store.referrals(&filter).await.unwrap_or_default();
    let Some(referral) = all.iter().find(|referral| referral.task == task) else { return true };
    network.platforms.held().iter().any(|held| held.key.contains(&referral.key.0))
}

async fn redrive(network: &Arc<Network>, plan: &Plan, parameters: &Value) -> Option<Value> {
    let world = network.outside.world();
    let machine = world.chance("operator's machine").random_range(0..plan.machines.len());
    let body = json!({ "resourceType": "Parameters", "parameter": parameters });
    let request = Request::post(format!("{BASE}/Task/$redrive"))
        .header("authorization", format!("Bearer {OPERATOR_TOKEN}"))
        .header("content-type", "application/fhir+json")
        .body(body.to_string().into_bytes())
        .ok()?;
    let answer = network.call(machine, "operator redrives", request, PATIENCE).await?;
    world.note(&format!("redrive {}: {}", answer.status().as_u16(), String::from_utf8_lossy(answer.body())));
    serde_json::from_slice(answer.body()).ok()
}

/// The people at a platform work, and what changes is pushed.
pub async fn people(network: Arc<Network>, plan: Arc<Plan>, kind: Kind) {
    let world = Arc::clone(network.outside.world());
    loop {
        let minutes = world.chance(&format!("people at {}", kind.id())).random_range(5..60);
        network.outside.wait(Duration::from_secs(minutes * 60), &format!("people at {}", kind.id())).await;
        for body in network.platforms.tick(kind, world.now()) {
            let weather = plan.weather(world.now());
            let name = format!("push of {} {}", kind.id(), world.turns());
            let mut rng = world.chance(&format!("{name} {}", body.len()));
            let mut happens = || rng.random_range(0..1_000) < weather.push;
            let (lost, twice, late) = (happens(), happens(), happens());
            let times = if lost { 0 } else { 1 + usize::from(twice) };
            for time in 0..times {
                let seconds = if late { rng.random_range(0..1_800) } else { rng.random_range(0..3) };
                let machine = rng.random_range(0..plan.machines.len());
                let (network, name, body) = (Arc::clone(&network), format!("{name} {time}"), body.clone());
                tokio::spawn(async move {
                    network.outside.wait(Duration::from_secs(seconds), &name).await;
                    let request = Request::post(format!("http://gateway.simulation/platforms/{}/reports", kind.id()))
                        .header("authorization", format!("Bearer {REPORT_TOKEN}"))
                        .header("content-type", "application/fhir+json")
                        .body(body.into_bytes());
                    if let Ok(request) = request {
                        network.call(machine, &name, request, PATIENCE).await;
                    }
                });
            }
        }
    }
}
