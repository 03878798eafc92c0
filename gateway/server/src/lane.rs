//! Holds the lane of a platform: takes it, keeps it while this instance runs, says to everything that works on it whether it
//! is ours, and gives it back at the end, so that another instance goes on at once.
//!
//! Of several instances over one database one delivers to a platform and polls it; so the pace, a pause and the circuit breaker
//! hold for all. Where one process has the store to itself the lane is always its own, and is written only when what the next
//! start has to know changes.
//!
//! Lanes that are free are shared out: who holds some already waits a moment before it takes one more. Lanes that are held
//! are not moved: an instance that joins later gets what becomes free.

use crate::clock::{Clock, sleep};
use crate::gateway::{Gateway, Platform, log_store_fault};
use crate::store::StoreError;
use crate::{deliver, reconcile, status};
use gateway_core::identity::PlatformId;
use gateway_core::lane::{InstanceId, LeaveLane, TakeLane, Taken, Term};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::{Mutex, Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Whoever holds lanes waits so long for each of them before it takes one more, and not longer than [`MODEST`].
const MODEST_STEP: Duration = Duration::from_millis(50);
const MODEST: Duration = Duration::from_millis(250);

/// Time between two tries when the store does not answer.
const STORE_AGAIN: Duration = Duration::from_millis(500);

/// Whether a lane is ours, as far as this process knows.
pub struct Hold {
    clock: Arc<dyn Clock>,
    known: watch::Sender<Option<Known>>,
    /// Rung when there is something to be kept, or to be asked anew.
    bell: Notify,
    /// A fence under which something may be leased that nobody works on; 0 = none.
    doubted: AtomicU64,
}

/// What the store said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    fence: u64,
    /// Until when it is safe to believe it; absent = to the end of the process.
    until: Option<Moment>,
}

/// A moment on both of the machine's clocks: one stands still while a machine sleeps, the other may be put back. Whichever is
/// later decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Moment {
    elapsed: Duration,
    at: OffsetDateTime,
}

impl Moment {
    fn now(clock: &dyn Clock) -> Self {
        Self { elapsed: clock.elapsed(), at: clock.now() }
    }

    fn later(self, span: Duration) -> Self {
        Self { elapsed: self.elapsed + span, at: self.at + span }
    }

    fn is_over(self, now: Self) -> bool {
        now.elapsed >= self.elapsed || now.at >= self.at
    }
}

impl Hold {
    /// Not ours yet.
    #[must_use]
    pub fn new(clock: &Arc<dyn Clock>) -> Self {
        Self {
            clock: Arc::clone(clock),
            known: watch::Sender::new(None),
            bell: Notify::new(),
            doubted: AtomicU64::new(0),
        }
    }

    /// The fence under which the lane is ours at this moment; `None` while it is not, or nobody can be sure.
    #[must_use]
    pub fn fence(&self) -> Option<u64> {
        let known = (*self.known.borrow())?;
        let over = known.until.is_some_and(|until| until.is_over(Moment::now(self.clock.as_ref())));
        (!over).then_some(known.fence)
    }

    /// Waits until it is ours.
    pub async fn ours(&self) {
        let mut known = self.known.subscribe();
        // What is said from here on is heard; what was said before is seen.
        while self.fence().is_none() {
            // The sender lives as long as we do.
            let _ = known.changed().await;
        }
    }

    /// The store refused what was asked under this fence.
    pub fn lost(&self, fence: u64) {
        self.known.send_if_modified(|known| {
            let lost = known.is_some_and(|known| known.fence == fence);
            if lost {
                *known = None;
            }
            lost
        });
        self.bell.notify_one();
    }

    /// Nobody knows whether a claim under this fence was made, and nothing is under way under it: it is given back and taken
    /// anew, so that what may be leased can be claimed at once, and not when its own lease ends.
    pub fn doubt(&self, fence: u64) {
        self.doubted.store(fence, Ordering::SeqCst);
        self.lost(fence);
    }

    /// There is something that the next holder has to know.
    pub(crate) fn keep(&self) {
        self.bell.notify_one();
    }

    fn set(&self, known: Option<Known>) {
        // Also where nothing has changed but the time: whoever waits looks again.
        self.known.send_replace(known);
    }

    /// The fence that the store gave last, whatever the time.
    fn given(&self) -> Option<u64> {
        (*self.known.borrow()).map(|known| known.fence)
    }
}

/// One run of this process: its name, and how many lanes it holds.
pub struct Instance {
    id: InstanceId,
    held: AtomicU32,
    /// Lanes are taken one after the other, so that each knows how many were.
    turn: Mutex<()>,
}

impl Instance {
    /// A new run.
    #[must_use]
    pub fn new(id: String) -> Self {
        Self { id: InstanceId(id), held: AtomicU32::new(0), turn: Mutex::new(()) }
    }
}

/// Works on one platform whenever its lane is ours, until it is told to stop; then lets what is under way end and gives the lane
/// back.
pub async fn run(gateway: Arc<Gateway>, platform: PlatformId, instance: Arc<Instance>, stop: CancellationToken) {
    let Some(now) = gateway.platform(&platform) else { return };
    let mut work = JoinSet::new();
    work.spawn(deliver::lane(Arc::clone(&gateway), platform.clone(), stop.clone()));
    if let Some(bounds) = now.poll {
        work.spawn(status::poll_lane(Arc::clone(&gateway), platform.clone(), bounds, stop.clone()));
    }
    if let Some(at) = gateway.limits.reconcile_at {
        work.spawn(reconcile::nightly(Arc::clone(&gateway), platform.clone(), at, stop.clone()));
    }
    let mut holder = Holder { gateway: gateway.as_ref(), platform: now, instance: &instance, counted: false };
    let mut left = gateway.lane_bell.subscribe();
    loop {
        left.borrow_and_update();
        let next = if holder.is_clean().await { holder.take(&stop).await } else { Some(STORE_AGAIN) };
        let next = async {
            match next {
                Some(span) => sleep(gateway.clock.as_ref(), span).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // It is kept while anything still works on it.
            _ = work.join_next() => if work.is_empty() || !stop.is_cancelled() { break },
            () = next => {}
            () = holder.platform.pace.hold().bell.notified() => {}
            _ = left.changed() => {}
        }
    }
    // One that ended by itself ends the others.
    work.shutdown().await;
    holder.leave().await;
}

struct Holder<'a> {
    gateway: &'a Gateway,
    /// Of it only what no reload replaces is used.
    platform: Arc<Platform>,
    instance: &'a Instance,
    counted: bool,
}

impl Holder<'_> {
    /// Takes the lane, or keeps it. Says after which time to ask again; `None` = not before something happens.
    async fn take(&mut self, stop: &CancellationToken) -> Option<Duration> {
        let hold = self.platform.pace.hold();
        let given = hold.given();
        if !self.gateway.store.is_shared() {
            return self.ask(Term::Alone).await;
        }
        let term = self.gateway.limits.lane;
        if given.is_some() {
            return self.ask(Term::For(term)).await;
        }
        if stop.is_cancelled() {
            return None;
        }
        let _turn = self.instance.turn.lock().await;
        let modest = (MODEST_STEP * self.instance.held.load(Ordering::Relaxed)).min(MODEST);
        tokio::select! {
            () = stop.cancelled() => None,
            () = sleep(self.gateway.clock.as_ref(), modest) => self.ask(Term::For(term)).await,
        }
    }

    async fn ask(&mut self, term: Term) -> Option<Duration> {
        let (platform, clock) = (Arc::clone(&self.platform), self.gateway.clock.as_ref());
        let pace = &platform.pace;
        let hold = pace.hold();
        // Whatever happens on the way: the store's term begins later than this.
        let asked = Moment::now(clock);
        let given = hold.given();
        let request = TakeLane {
            platform: self.platform.id.clone(),
            holder: self.instance.id.clone(),
            term,
            now: asked.at,
            keep: given.map(|fence| (fence, pace.state())),
        };
        let (taken, next) = match self.gateway.store.take_lane(&request).await {
            Ok(Taken::Ours { fence, state }) => {
                if given == Some(fence) {
                    pace.stored(&state);
                } else {
                    pace.begin(state, fence > 1);
                }
                let (until, next) = match term {
                    Term::Alone => (None, None),
                    Term::For(span) => (Some(asked.later(span - margin(span))), Some(span / 2)),
                };
                (Some(Known { fence, until }), next)
            }
            Ok(Taken::Held { remaining }) => (None, Some(remaining.unwrap_or(self.gateway.limits.lane))),
            Err(error) => {
                log_store_fault("lane", &error);
                // What was given is ours until its end.
                return Some(if matches!(error, StoreError::Closed) { self.gateway.limits.lane } else { STORE_AGAIN });
            }
        };
        self.count(taken.is_some());
        if taken != *hold.known.borrow() {
            hold.set(taken);
        }
        next
    }

    fn count(&mut self, held: bool) {
        if held != self.counted {
            self.counted = held;
            if held {
                self.instance.held.fetch_add(1, Ordering::Relaxed);
            } else {
                self.instance.held.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Gives back what is in doubt; false if that could not be done yet.
    async fn is_clean(&mut self) -> bool {
        let platform = Arc::clone(&self.platform);
        let doubted = &platform.pace.hold().doubted;
        let fence = doubted.load(Ordering::SeqCst);
        let clean = fence == 0 || self.give_back(fence).await;
        if clean {
            doubted.store(0, Ordering::SeqCst);
        }
        clean
    }

    async fn leave(&mut self) {
        if let Some(fence) = self.platform.pace.hold().given() {
            self.give_back(fence).await;
        }
    }

    async fn give_back(&mut self, fence: u64) -> bool {
        let platform = Arc::clone(&self.platform);
        let pace = &platform.pace;
        pace.hold().set(None);
        self.count(false);
        let request = LeaveLane {
            platform: self.platform.id.clone(),
            holder: self.instance.id.clone(),
            fence,
            state: pace.left(),
        };
        match self.gateway.store.leave_lane(&request).await {
            Ok(()) => true,
            Err(error) => {
                log_store_fault("lane", &error);
                false
            }
        }
    }
}

/// What a holder gives away of its term: nothing leaves in it. It covers what passes between the last look at the clock and the
/// first byte, and clocks that run at different speeds.
fn margin(span: Duration) -> Duration {
    span / 10
}
