//! Admission: how much one caller may ask, and how much may wait. What is refused here has cost nothing yet: it comes
//! after the caller is known and before its body is read.
//!
//! A caller's rate and places are its own, so that a flood, or a body that never ends, is paid for by whoever sends it.

mod links;

pub(crate) use links::{Pages, network};

use crate::clock::Clock;
use crate::store::{Store, StoreError};
use gateway_core::backlog::{Backlog, Room};
use gateway_core::identity::{Client, ClientId, PlatformId, TenantId};
use gateway_core::refusal::Refusal;
use gateway_fhir::{Issue, IssueCode};
use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A look at the backlog counts for so long.
const LOOK: Duration = Duration::from_secs(1);

/// Requests over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// On the average.
    pub per_minute: NonZeroU32,
    /// At once, after a pause.
    pub burst: NonZeroU32,
}

/// What one caller may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Over time.
    pub rate: Rate,
    /// Under way at the same time.
    pub at_once: u32,
}

/// Who may ask how much.
pub struct Admission {
    clients: BTreeMap<ClientId, Caller>,
    tenants: BTreeMap<TenantId, Limiter>,
    platforms: BTreeMap<PlatformId, Caller>,
    backlog: Waiting,
    /// Of the status-link pages.
    pub(crate) pages: Pages,
}

/// Held while a request is under way.
#[derive(Debug)]
pub struct Place {
    _place: Option<OwnedSemaphorePermit>,
}

struct Caller {
    rate: Limiter,
    places: Arc<Semaphore>,
}

impl Admission {
    /// With these shares; `most_waiting` is the number of errands beyond which no new referral is taken, `alone` that there is one
    /// tenant only.
    #[must_use]
    pub fn new(
        clock: &Arc<dyn Clock>,
        clients: impl IntoIterator<Item = (ClientId, Share)>,
        tenants: impl IntoIterator<Item = (TenantId, Rate)>,
        platforms: impl IntoIterator<Item = (PlatformId, Share)>,
        most_waiting: u64,
        alone: bool,
    ) -> Self {
        let caller = |share: Share| Caller {
            rate: Limiter::new(share.rate, clock),
            places: Arc::new(Semaphore::new(share.at_once as usize)),
        };
        Self {
            clients: clients.into_iter().map(|(id, share)| (id, caller(share))).collect(),
            tenants: tenants.into_iter().map(|(id, rate)| (id, Limiter::new(rate, clock))).collect(),
            platforms: platforms.into_iter().map(|(id, share)| (id, caller(share))).collect(),
            pages: Pages::new(clock),
            backlog: Waiting { most: most_waiting, alone, clock: Arc::clone(clock), seen: Mutex::default() },
        }
    }

    /// Lets a client in.
    ///
    /// # Errors
    /// `429` with the time to wait, when it or its tenant has asked too much.
    pub fn client(&self, client: &Client) -> Result<Place, Refusal> {
        let place = self.clients.get(&client.id).map_or(Ok(Place { _place: None }), |caller| caller.admit("client"))?;
        self.tenants.get(&client.tenant).map_or(Ok(()), |limiter| limiter.admit("customer"))?;
        Ok(place)
    }

    /// Lets a platform in that reports.
    ///
    /// # Errors
    /// `429` with the time to wait, when it has asked too much.
    pub fn platform(&self, platform: &PlatformId) -> Result<Place, Refusal> {
        self.platforms.get(platform).map_or(Ok(Place { _place: None }), |caller| caller.admit("platform"))
    }

    /// Whether a new referral of this tenant is taken.
    ///
    /// # Errors
    /// `503` when too much waits to be delivered; a fault of the store as it is.
    pub async fn new_work(&self, tenant: &TenantId, store: &dyn Store) -> Result<Result<(), Refusal>, StoreError> {
        let what = match self.backlog.room(tenant, store).await? {
            Room::Free => return Ok(Ok(())),
            Room::TenantFull => "Too many referrals of this customer wait",
            Room::Full => "Too many referrals wait",
        };
        let words = format!(
            "{what} to be delivered, and no more are taken for now. Nothing of this one was stored. Cancellations and withdrawals of \
             consent are taken as always."
        );
        Ok(Err(Refusal::wait(503, Issue::general(IssueCode::Transient, words), 30)))
    }
}

impl Caller {
    fn admit(&self, who: &str) -> Result<Place, Refusal> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let words = format!("This {who} has too many requests under way. Wait for some of them to end.");
            return Err(Refusal::wait(429, Issue::general(IssueCode::Throttled, words), 1));
        };
        self.rate.admit(who)?;
        Ok(Place { _place: Some(place) })
    }
}

/// One rate.
pub(crate) struct Limiter(RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Nanos>>, Ticks);

impl Limiter {
    pub(crate) fn new(rate: Rate, clock: &Arc<dyn Clock>) -> Self {
        let ticks = Ticks(Arc::clone(clock));
        let quota = Quota::per_minute(rate.per_minute).allow_burst(rate.burst);
        Self(RateLimiter::direct_with_clock(quota, ticks.clone()), ticks)
    }

    /// Takes a place, or says how long there is none.
    pub(crate) fn take(&self) -> Result<(), Duration> {
        self.0.check().map_err(|until| until.wait_time_from(self.1.now()))
    }

    /// Nothing is left over: the next place comes after an interval.
    pub(crate) fn empty(&self) {
        while self.take().is_ok() {}
    }

    fn admit(&self, who: &str) -> Result<(), Refusal> {
        self.take().map_err(|wait| {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            let words = format!("This {who} asks more often than it may. Nothing of this request was looked at.");
            let issue = Issue::general(IssueCode::Throttled, words);
            Refusal::wait(429, issue, u32::try_from(seconds).unwrap_or(u32::MAX).max(1))
        })
    }
}

/// The injected clock as the limiter reads it: time that never goes back.
#[derive(Clone)]
struct Ticks(Arc<dyn Clock>);

impl GovernorClock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

/// How much waits to be delivered, looked at once a second at most. What is let in between two looks is counted as waiting.
struct Waiting {
    most: u64,
    /// There is one tenant only.
    alone: bool,
    clock: Arc<dyn Clock>,
    /// When it was looked at, and what has been waiting since.
    seen: Mutex<Option<(Duration, Backlog)>>,
}

impl Waiting {
    async fn room(&self, tenant: &TenantId, store: &dyn Store) -> Result<Room, StoreError> {
        let now = self.clock.elapsed();
        let is_fresh =
            |seen: &Option<(Duration, Backlog)>| seen.as_ref().is_some_and(|(at, _)| now.saturating_sub(*at) < LOOK);
        if !is_fresh(&self.seen()) {
            let looked = store.backlog(self.most).await?;
            *self.seen() = Some((now, looked));
        }
        let mut seen = self.seen();
        let Some((_, backlog)) = seen.as_mut() else { return Ok(Room::Free) };
        let room = backlog.room(tenant, self.most, self.alone);
        if room == Room::Free {
            backlog.add(tenant, 1);
        }
        Ok(room)
    }

    fn seen(&self) -> MutexGuard<'_, Option<(Duration, Backlog)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use time::macros::datetime;

    fn limiter(per_minute: u32, burst: u32) -> (Arc<ManualClock>, Limiter) {
        let manual = Arc::new(ManualClock::at(datetime!(2026-06-15 12:00 UTC)));
        let clock: Arc<dyn Clock> = manual.clone();
        let number = |number| NonZeroU32::new(number).expect("not zero");
        let rate = Rate { per_minute: number(per_minute), burst: number(burst) };
        (manual, Limiter::new(rate, &clock))
    }

    #[test]
    fn a_burst_passes_and_then_one_for_each_interval() {
        let (clock, limiter) = limiter(60, 3);
        for _ in 0..3 {
            limiter.admit("client").expect("within the burst");
        }
        let refusal = limiter.admit("client").expect_err("too much");
        assert_eq!((refusal.status, refusal.retry_after), (429, Some(1)));
        clock.advance(Duration::from_secs(1));
        limiter.admit("client").expect("one interval later");
        limiter.admit("client").expect_err("only one");
        clock.advance(Duration::from_secs(3_600));
        for _ in 0..3 {
            limiter.admit("client").expect("after a pause the burst, and no more");
        }
        limiter.admit("client").expect_err("too much again");
    }

    #[test]
    fn the_wait_that_is_told_is_enough() {
        let (clock, limiter) = limiter(7, 1);
        for _ in 0..20 {
            limiter.admit("client").expect("passes");
            let wait = limiter.admit("client").expect_err("too soon").retry_after.expect("is told");
            clock.advance(Duration::from_secs(u64::from(wait)));
        }
    }
}
