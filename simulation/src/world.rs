//! Simulated time, and the order in which things happen: a queue of everybody who waits, by time and name.
//!
//! Whoever does something to the outside (a store, a platform, a clock) first waits for its turn here. One turn is given at a
//! time, and the next only when every task waits again. The order does not depend on the order in which tasks were woken or
//! polled (Tokio draws some of that from the operating system's randomness): waits are sorted by time and by a name that says
//! who waits for what, and chance is a function of seed, name and turn, not a stream that whoever comes first draws from.

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// Somebody's place in the queue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    at: Duration,
    name: String,
    /// Of equals, the first comes first.
    number: u64,
}

struct Inner {
    now: Duration,
    queue: BTreeMap<Place, oneshot::Sender<()>>,
    registered: u64,
    turns: u64,
    trace: Sha256,
    /// The trace in words, where somebody wants to read it.
    told: Option<Vec<String>>,
}

/// The world of one run.
pub struct World {
    seed: u64,
    inner: Mutex<Inner>,
}

impl World {
    /// A world at time zero; `tell` keeps its trace in words.
    #[must_use]
    pub fn new(seed: u64, tell: bool) -> Arc<Self> {
        let inner = Inner {
            now: Duration::ZERO,
            queue: BTreeMap::new(),
            registered: 0,
            turns: 0,
            trace: Sha256::new(),
            told: tell.then(Vec::new),
        };
        Arc::new(Self { seed, inner: Mutex::new(inner) })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time since the beginning.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.inner().now
    }

    /// Turns that were given.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.inner().turns
    }

    /// Chance for one purpose in this turn.
    #[must_use]
    pub fn chance(&self, purpose: &str) -> StdRng {
        let turns = self.inner().turns;
        // FNV-1a, then SplitMix64: the standard hasher promises no stability.
        let hash = purpose
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        let mut mixed = hash ^ self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ turns.rotate_left(32);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        StdRng::seed_from_u64(mixed ^ (mixed >> 31))
    }

    /// Writes into the trace what has happened in this turn.
    pub fn note(&self, words: &str) {
        let mut inner = self.inner();
        inner.trace.update(words.as_bytes());
        inner.trace.update(b"\n");
        let now = inner.now;
        if let Some(told) = &mut inner.told {
            told.push(format!("{:>14.6} {words}", now.as_secs_f64()));
        }
    }

    /// The hash over everything that has happened, in order.
    #[must_use]
    pub fn trace(&self) -> String {
        self.inner().trace.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The trace in words, if it was kept.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        self.inner().told.take().unwrap_or_default()
    }

    async fn turn(&self, at: Duration, name: String) -> Result<(), oneshot::error::RecvError> {
        let (sender, receiver) = oneshot::channel();
        let place = {
            let mut inner = self.inner();
            inner.registered += 1;
            let place = Place { at: at.max(inner.now), name, number: inner.registered };
            inner.queue.insert(place.clone(), sender);
            place
        };
        let _waiting = Waiting { world: self, place };
        receiver.await
    }

    /// Gives turns until this time, or until nobody waits.
    pub async fn run_until(&self, end: Duration) {
        loop {
            quiet().await;
            let mut inner = self.inner();
            let Some(first) = inner.queue.first_entry().filter(|first| first.key().at <= end) else {
                inner.now = inner.now.max(end);
                return;
            };
            let (place, sender) = first.remove_entry();
            // No two turns have the same time: what happened first can be told from it.
            inner.now = place.at.max(inner.now + Duration::from_nanos(1));
            inner.turns += 1;
            let nanos = inner.now.as_nanos().to_be_bytes();
            inner.trace.update(nanos);
            drop(inner);
            self.note(&place.name);
            // Whoever has gone has left the queue.
            let _ = sender.send(());
        }
    }
}

/// Leaves the queue when whoever waits is dropped.
struct Waiting<'a> {
    world: &'a World,
    place: Place,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.world.inner().queue.remove(&self.place);
    }
}

/// Waits until every task waits: Tokio's time is paused, and moves on only then.
#[expect(clippy::disallowed_methods, reason = "no time passes: it ends when nothing else can run")]
async fn quiet() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// One process, from its start to its end. What belongs to a process that has ended never gets a turn again: seen from outside it
/// was dropped where it stood.
pub struct Life {
    world: Arc<World>,
    /// Whose.
    pub name: String,
    dead: AtomicBool,
    /// Turns after which it dies; `u32::MAX` = it does not.
    fuse: AtomicU32,
    died: Notify,
}

impl Life {
    /// A life that has begun.
    #[must_use]
    pub fn new(world: &Arc<World>, name: &str) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            name: name.to_owned(),
            dead: AtomicBool::new(false),
            fuse: AtomicU32::new(u32::MAX),
            died: Notify::new(),
        })
    }

    /// The world that it is in.
    #[must_use]
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// Ends it at its n-th turn from now.
    pub fn dies_after(&self, turns: u32) {
        self.fuse.store(turns, Ordering::SeqCst);
    }

    /// Ends it.
    pub fn die(&self) {
        if !self.dead.swap(true, Ordering::SeqCst) {
            self.world.note(&format!("{} dies", self.name));
            self.died.notify_one();
        }
    }

    /// Waits until it has ended.
    pub async fn died(&self) {
        self.died.notified().await;
    }

    /// Waits for this long, for this purpose. Never returns to who is dead.
    pub async fn wait(&self, span: Duration, purpose: &str) {
        self.wait_until(self.world.now() + span, purpose).await;
    }

    /// Waits until a time of the world.
    pub async fn wait_until(&self, at: Duration, purpose: &str) {
        if self.is_dead() {
            return pending().await;
        }
        let turn = self.world.turn(at, format!("{} {purpose}", self.name)).await;
        if turn.is_err() || self.is_dead() {
            return pending().await;
        }
        let left = self.fuse.load(Ordering::SeqCst);
        if left != u32::MAX {
            if left == 0 {
                self.die();
                return pending().await;
            }
            self.fuse.store(left - 1, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng as _;

    fn play(seed: u64) -> (String, Vec<String>) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(async {
            let world = World::new(seed, true);
            for who in ["a", "b", "c"] {
                let life = Life::new(&world, who);
                tokio::spawn(async move {
                    for _ in 0..20 {
                        let millis = life.world().chance(&life.name).random_range(0..50);
                        life.wait(Duration::from_millis(millis), "step").await;
                    }
                });
            }
            world.run_until(Duration::from_secs(10)).await;
            (world.trace(), world.told())
        })
    }

    #[test]
    fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
        let (first, told) = play(7);
        assert_eq!(told.len(), 60);
        assert_eq!(first, play(7).0);
        assert_ne!(first, play(8).0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_dead_gets_no_turn_and_who_is_dropped_leaves_the_queue() {
        let world = World::new(1, true);
        let (one, two) = (Life::new(&world, "one"), Life::new(&world, "two"));
        let (first, second) = (Arc::clone(&one), Arc::clone(&two));
        let stays = tokio::spawn(async move { first.wait(Duration::from_secs(1), "x").await });
        let goes = tokio::spawn(async move { second.wait(Duration::from_secs(2), "x").await });
        world.run_until(Duration::from_millis(500)).await;
        one.die();
        goes.abort();
        world.run_until(Duration::from_secs(5)).await;
        assert!(!stays.is_finished() && goes.is_finished());
        assert!(!world.told().iter().any(|line| line.contains("two")));
        assert_eq!(world.now(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_fuse_ends_a_life_at_the_turn_that_was_said() {
        let world = World::new(1, false);
        let life = Life::new(&world, "one");
        let counted = Arc::new(AtomicU32::new(0));
        let (doing, count) = (Arc::clone(&life), Arc::clone(&counted));
        tokio::spawn(async move {
            loop {
                doing.wait(Duration::from_millis(1), "x").await;
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        life.dies_after(3);
        world.run_until(Duration::from_secs(1)).await;
        assert!(life.is_dead());
        assert_eq!(counted.load(Ordering::SeqCst), 3);
    }
}
