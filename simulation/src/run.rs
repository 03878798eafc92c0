//! One seed from its beginning to its end: a day in which things go wrong, then as long as it takes until everything is at rest.

use crate::clock::Machine;
use crate::instance::Host;
use crate::network::{Network, Sent};
use crate::plan::Plan;
use crate::sender::{self, Sender};
use crate::settings::Settings;
use crate::store::Bells;
use crate::verdict;
use crate::world::World;
use anyhow::{Context as _, Result};
use fault_campaigns::facts::{self, Facts};
use fault_campaigns::scene::Kind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use vcse_gateway::store::Store;
use vcse_gateway::store::memory::MemoryStore;

/// How long everything has to come to rest after the faults have stopped.
pub const REST: Duration = Duration::from_secs(96 * 3_600);
/// Between two looks whether it has.
const LOOK: Duration = Duration::from_secs(2 * 3_600);

/// What came of a seed.
#[derive(Debug, Clone, Default)]
pub struct Ran {
    /// The seed.
    pub seed: u64,
    /// The hash over everything that happened, in order, and over what the store then held.
    pub trace: String,
    /// Turns that were given.
    pub turns: u64,
    /// What did not hold, in words.
    pub findings: Vec<String>,
    /// How often each thing was done or met.
    pub counts: Vec<(&'static str, u64)>,
    /// The trace in words, if it was asked for.
    pub told: Vec<String>,
}

/// The parts of one run that its end is judged by.
struct Stage {
    world: Arc<World>,
    plan: Arc<Plan>,
    store: Arc<dyn Store>,
    network: Arc<Network>,
    sender: Arc<Sender>,
    findings: Arc<Mutex<Vec<String>>>,
    crashes: Arc<Mutex<u64>>,
}

/// Runs a plan.
///
/// # Errors
/// When a gateway or the runtime cannot be made; nothing of what happens in the run is an error.
pub fn run(settings: &Arc<Settings>, plan: Plan, tell: bool) -> Result<Ran> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(play(settings, plan, tell))
}

/// What is there when the time of a plan is over, with nothing judged.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The hash over everything that happened.
    pub trace: String,
    /// The records of all sides.
    pub facts: Facts,
    /// What left the gateways, in order.
    pub sent: Vec<Sent>,
}

/// Runs a plan for its time, and looks.
///
/// # Errors
/// As [`run`].
pub fn observe(settings: &Arc<Settings>, plan: Plan) -> Result<Seen> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(async {
        let (stage, _) = Stage::begin(settings, plan, false)?;
        stage.world.run_until(stage.plan.faulty).await;
        Ok(Seen { trace: stage.world.trace(), facts: stage.facts().await?, sent: stage.network.sent() })
    })
}

async fn play(settings: &Arc<Settings>, plan: Plan, tell: bool) -> Result<Ran> {
    let (stage, machines) = Stage::begin(settings, plan, tell)?;
    let (world, plan) = (Arc::clone(&stage.world), Arc::clone(&stage.plan));
    let (network, sender) = (Arc::clone(&stage.network), Arc::clone(&stage.sender));
    world.run_until(plan.faulty).await;
    world.note("the faults stop");
    machines.iter().for_each(|machine| machine.set_right());
    let mut rested = stage.rest().await?;
    if rested {
        sender.repeat_all();
        rested = stage.rest().await?;
    }
    let mut ran = Ran { seed: plan.seed, ..Ran::default() };
    let facts = stage.facts().await?;
    ran.findings.append(&mut stage.findings.lock().unwrap_or_else(PoisonError::into_inner));
    if !rested {
        let hours = REST.as_secs() / 3_600;
        ran.findings.push(format!("not at rest {hours} hours after the faults stopped: {:?}", stage.open(&facts)));
    }
    ran.findings.extend(sender.refused());
    ran.findings.extend(fault_campaigns::verdict::at_end(&facts));
    ran.findings.extend(verdict::at_end(&facts, &network.sent(), &plan));
    ran.counts = stage.counts(&facts);
    world.note(&store_hash(stage.store.as_ref()).await?);
    (ran.trace, ran.turns, ran.told) = (world.trace(), world.turns(), world.told());
    Ok(ran)
}

async fn store_hash(store: &dyn Store) -> Result<String> {
    store.content_hash().await.context("the store cannot be read")
}

impl Stage {
    /// Sets everything up and begins.
    fn begin(settings: &Arc<Settings>, plan: Plan, tell: bool) -> Result<(Self, Vec<Arc<Machine>>)> {
        let plan = Arc::new(plan);
        let world = World::new(plan.seed, tell);
        let network = Network::new(&world, &plan);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let sender = Sender::new(&network, &plan, &store)?;
        let stage = Self { world, plan, store, network, sender, findings: Arc::default(), crashes: Arc::default() };
        let machines = stage.machines(settings)?;
        stage.sender.begin();
        let (network, plan) = (&stage.network, &stage.plan);
        tokio::spawn(sender::operator(Arc::clone(network), Arc::clone(plan), Arc::clone(&stage.store)));
        for kind in Kind::ALL {
            tokio::spawn(sender::people(Arc::clone(network), Arc::clone(plan), kind));
        }
        Ok((stage, machines))
    }

    /// Starts the machines, and whoever starts them again.
    fn machines(&self, settings: &Arc<Settings>) -> Result<Vec<Arc<Machine>>> {
        let bells = (self.plan.machines.len() > 1).then(Arc::<Bells>::default);
        let mut machines = Vec::new();
        for (number, plan) in self.plan.machines.iter().enumerate() {
            let machine = Machine::new(plan.offset, plan.drift);
            machines.push(Arc::clone(&machine));
            let host = Host {
                number,
                machine: Arc::clone(&machine),
                store: Arc::clone(&self.store),
                bells: bells.clone(),
                network: Arc::clone(&self.network),
                plan: Arc::clone(&self.plan),
            };
            let first = host.start(settings, 0)?;
            self.keep_running(settings, host, first);
            self.jumps(number, machine);
            self.crashes(number);
        }
        Ok(machines)
    }

    fn keep_running(&self, settings: &Arc<Settings>, host: Host, first: crate::instance::Process) {
        let (settings, stage) = (Arc::clone(settings), self.judged());
        tokio::spawn(async move {
            let (mut process, mut number) = (first, 0);
            loop {
                process.life.died().await;
                drop(process);
                stage.at_death(host.number, number).await;
                let down = stage.down(host.number, number);
                host.network.outside.wait(down, &format!("g{} is started again", host.number)).await;
                number += 1;
                process = match host.start(&settings, number) {
                    Ok(process) => process,
                    Err(error) => return stage.found(format!("a gateway does not start again: {error:#}")),
                };
            }
        });
    }

    fn jumps(&self, number: usize, machine: Arc<Machine>) {
        let (network, plan) = (Arc::clone(&self.network), Arc::clone(&self.plan));
        tokio::spawn(async move {
            let jumps = plan.machines.get(number).map(|machine| machine.jumps.clone()).unwrap_or_default();
            for (at, by) in jumps {
                network.outside.wait_until(at, &format!("g{number}'s clock is set by {by}")).await;
                machine.jump(by);
            }
        });
    }

    fn crashes(&self, number: usize) {
        let (network, plan) = (Arc::clone(&self.network), Arc::clone(&self.plan));
        tokio::spawn(async move {
            let crashes = plan.machines.get(number).map(|machine| machine.crashes.clone()).unwrap_or_default();
            for crash in crashes {
                network.outside.wait_until(crash.at, &format!("g{number} is to die")).await;
                if let Some(life) = network.gateways.life(number) {
                    life.dies_after(crash.turns);
                }
            }
        });
    }

    fn judged(&self) -> Self {
        Self {
            world: Arc::clone(&self.world),
            plan: Arc::clone(&self.plan),
            store: Arc::clone(&self.store),
            network: Arc::clone(&self.network),
            sender: Arc::clone(&self.sender),
            findings: Arc::clone(&self.findings),
            crashes: Arc::clone(&self.crashes),
        }
    }

    fn down(&self, machine: usize, number: u64) -> Duration {
        let crashes = self.plan.machines.get(machine).map(|machine| machine.crashes.as_slice()).unwrap_or_default();
        let place = usize::try_from(number).unwrap_or(0) % crashes.len().max(1);
        crashes.get(place).map_or(Duration::from_secs(1), |crash| crash.down)
    }

    fn found(&self, words: String) {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner).push(words);
    }

    /// What holds at every moment is asked when a process has just died.
    async fn at_death(&self, machine: usize, number: u64) {
        *self.crashes.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        match self.facts().await {
            Ok(facts) => {
                for words in fault_campaigns::verdict::at_death(&facts) {
                    self.found(format!("at the death of g{machine}.{number}, {:?}: {words}", self.world.now()));
                }
            }
            Err(error) => self.found(format!("{error:#}")),
        }
    }

    async fn facts(&self) -> Result<Facts> {
        let (referrals, broken) = facts::read(self.store.as_ref()).await?;
        let (answered, platforms) = (self.sender.answered(), &self.network.platforms);
        Ok(Facts { answered, referrals, held: platforms.held(), told: platforms.told(), broken, restored: false })
    }

    /// What is not at rest, in words.
    fn open(&self, facts: &Facts) -> Vec<String> {
        let mut open = fault_campaigns::verdict::settled(facts);
        if !self.sender.is_done() {
            open.push("a sender has not finished".to_owned());
        }
        if !self.network.platforms.settled() {
            open.push("a platform has not finished".to_owned());
        }
        open
    }

    /// Lets time pass until everything is at rest; false if it does not come to that.
    async fn rest(&self) -> Result<bool> {
        let end = self.world.now() + REST;
        while self.world.now() < end {
            self.world.run_until(self.world.now() + LOOK).await;
            // Reading everything costs more than two hours of waiting.
            let outside = self.sender.is_done() && self.network.platforms.settled();
            if outside && self.open(&self.facts().await?).is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn counts(&self, facts: &Facts) -> Vec<(&'static str, u64)> {
        let delivered =
            |word: &str| facts.referrals.iter().filter(|one| one.referral.delivery.word() == word).count() as u64;
        let attempts =
            facts.referrals.iter().flat_map(|one| &one.outbox).map(|(_, attempts)| attempts.len() as u64).sum();
        let arrived = Kind::ALL.into_iter().map(|kind| self.network.platforms.arrived(kind).len() as u64).sum();
        let hours = self.world.now().as_secs() / 3_600;
        vec![
            ("simulated hours", hours),
            ("gateways", self.plan.machines.len() as u64),
            ("referrals answered with 2xx", facts.answered.len() as u64),
            ("  delivered in the end", delivered("delivered")),
            ("  withdrawn", delivered("withdrawn")),
            ("  held for a person", delivered("held")),
            ("  dead letters in front of a person", delivered("dead-letter")),
            ("attempts", attempts),
            ("requests that left a gateway", self.network.sent().len() as u64),
            ("requests that arrived at a platform", arrived),
            (
                "deaths of a gateway, each followed by a comparison",
                *self.crashes.lock().unwrap_or_else(PoisonError::into_inner),
            ),
            ("turns", self.world.turns()),
        ]
    }
}
