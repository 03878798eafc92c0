//! The way of one process to the store that all of them share: it takes time, and it may lose an answer or be away.
//!
//! The store itself is the model (`vcse_gateway::store::memory`). A commit whose answer is lost was applied or was not, and the
//! process cannot tell; one that dies around a commit dies before or behind it.

use crate::plan::{Plan, What};
use crate::world::Life;
use async_trait::async_trait;
use gateway_core::change::{Change, Transaction};
use gateway_core::outbox::{ClaimRequest, Claimed};
use rand::Rng as _;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use vcse_gateway::store::watched::Watcher;
use vcse_gateway::store::{CommitError, Store, StoreError, Wakes};

/// Tells each process what the others commit.
#[derive(Default)]
pub struct Bells(Mutex<BTreeMap<usize, watch::Sender<Wakes>>>);

impl Bells {
    /// A process of this machine listens from now on.
    fn listen(&self, machine: usize) -> watch::Receiver<Wakes> {
        let sender = watch::Sender::new(Wakes::default());
        let receiver = sender.subscribe();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(machine, sender);
        receiver
    }

    fn ring(&self, from: usize, outbox: bool, reports: bool, mut hears: impl FnMut(usize) -> bool) {
        for (machine, sender) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if *machine != from && hears(*machine) {
                sender.send_modify(|wakes| {
                    wakes.outbox += u64::from(outbox);
                    wakes.reports += u64::from(reports);
                });
            }
        }
    }
}

/// One process's way to the store.
pub struct Access {
    /// The process.
    pub life: Arc<Life>,
    /// Its machine.
    pub machine: usize,
    /// What goes wrong.
    pub plan: Arc<Plan>,
    /// Those who hear of commits; none where it is alone.
    pub bells: Option<Arc<Bells>>,
    /// In which turn a lane was last told that nothing is due.
    pub told_empty: Mutex<BTreeMap<String, u64>>,
}

impl Access {
    fn chance(&self, purpose: &str) -> rand::rngs::StdRng {
        self.life.world().chance(&format!("{} {purpose}", self.life.name))
    }

    async fn takes_a_moment(&self, purpose: &str) {
        let span = Duration::from_micros(self.chance(purpose).random_range(200..4_000));
        self.life.wait(span, purpose).await;
    }

    fn away(&self) -> Option<Duration> {
        self.plan.is(What::StoreAway(self.machine), self.life.world().now())
    }

    /// Fails if the store cannot be reached; after a moment, as a connection does.
    async fn reach(&self, purpose: &str) -> Result<(), StoreError> {
        self.takes_a_moment(purpose).await;
        if self.away().is_some() {
            self.life.wait(Duration::from_secs(2), &format!("{purpose}: the store is away")).await;
            return Err(StoreError::Engine("the store cannot be reached".to_owned()));
        }
        Ok(())
    }

    fn loses(&self, purpose: &str) -> Option<bool> {
        let weather = self.plan.weather(self.life.world().now());
        let mut rng = self.chance(purpose);
        (rng.random_range(0..1_000) < weather.commit_lost).then(|| rng.random_bool(0.5))
    }

    async fn lost<T, E: From<StoreError>>(&self, purpose: &str) -> Result<T, E> {
        self.life.wait(Duration::from_secs(3), &format!("{purpose}: the answer is lost")).await;
        Err(StoreError::Engine("the connection ended, and nobody knows whether it was done".to_owned()).into())
    }

    fn ring(&self, outbox: bool, reports: bool) {
        let Some(bells) = self.bells.as_ref().filter(|_| outbox || reports) else { return };
        let weather = self.plan.weather(self.life.world().now());
        bells.ring(self.machine, outbox, reports, |machine| {
            self.chance(&format!("wakes {machine}")).random_range(0..1_000) >= weather.wake_lost
        });
    }
}

#[async_trait]
impl Watcher for Access {
    async fn reading(&self, what: &'static str) {
        self.takes_a_moment(what).await;
        if let Some(until) = self.away() {
            self.life.wait_until(until, &format!("{what}: waits for the store")).await;
        }
    }

    async fn commit(&self, store: &dyn Store, transaction: Transaction) -> Result<(), CommitError> {
        self.reach("commits").await?;
        let outbox = transaction.changes.iter().any(|change| matches!(change, Change::PutOutbox(_)));
        let reports = transaction.changes.iter().any(|change| {
            matches!(change, Change::ReceiveReport(_) | Change::RecordReport(_) | Change::PutReferral(_))
        });
        let lost = self.loses("loses a commit");
        if lost == Some(false) {
            return self.lost("commits").await;
        }
        let done = store.commit(transaction).await;
        self.life.world().note(&match &done {
            Ok(()) => "committed".to_owned(),
            Err(error) => format!("not committed: {error}"),
        });
        if done.is_ok() {
            self.ring(outbox, reports);
        }
        if lost.is_some() {
            return self.lost("commits").await;
        }
        self.takes_a_moment("hears of its commit").await;
        done
    }

    async fn claim(&self, store: &dyn Store, request: ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        let world = self.life.world();
        let which = match (request.interrupted, request.urgent) {
            (true, _) => ", what was left",
            (false, true) => ", what is urgent",
            (false, false) => "",
        };
        let lane = format!("{}{which}", request.platform.0);
        let told = |lane: &str| self.told_empty.lock().unwrap_or_else(PoisonError::into_inner).get(lane).copied();
        // Nothing has changed since it was told so in this very turn. Whether it asks again depends on which of several finished
        // things `select!` told it of first, and that is drawn from the operating system's randomness.
        if told(&lane) == Some(world.turns()) {
            return Ok(Vec::new());
        }
        let purpose = format!("claims for {lane}");
        let done = match self.reach(&purpose).await {
            Err(error) => Err(error),
            Ok(()) => match self.loses(&purpose) {
                Some(false) => self.lost(&purpose).await,
                Some(true) => {
                    store.claim(request).await?;
                    self.lost(&purpose).await
                }
                None => store.claim(request).await,
            },
        };
        match &done {
            Ok(claimed) if !claimed.is_empty() => {
                world.note(&format!("claimed {}", claimed.len()));
                self.takes_a_moment(&format!("has claimed for {lane}")).await;
            }
            Ok(_) | Err(_) => {
                self.told_empty.lock().unwrap_or_else(PoisonError::into_inner).insert(lane, world.turns());
            }
        }
        done
    }

    fn is_shared(&self, _: &dyn Store) -> bool {
        self.bells.is_some()
    }

    fn wakes(&self) -> Option<watch::Receiver<Wakes>> {
        self.bells.as_ref().map(|bells| bells.listen(self.machine))
    }
}
