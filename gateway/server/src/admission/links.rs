//! Admission to the status-link pages, whose callers are known by nothing but their address until a passphrase was right: how often
//! one address may ask, how often one link may be tried, and how many passphrases are looked at side by side.
//!
//! Behind a reverse proxy all callers have the proxy's address: `X-Forwarded-For` is whatever a caller writes, and is not read. The
//! rates are wide enough for that, and the proxy should have rates of its own.

use super::{Rate, Ticks};
use crate::clock::Clock;
use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests of one address.
const VIEWS: Rate = Rate { per_minute: number(600), burst: number(300) };
/// Passphrases that one address tries, and new links that it asks for.
const TRIES: Rate = Rate { per_minute: number(120), burst: number(60) };
/// The same of one link; what a link stands altogether is the link's own matter.
const LINK: Rate = Rate { per_minute: number(20), burst: number(12) };
/// Callers that are told apart; beyond that, new ones share one rate until others have rested.
const APART: usize = 10_000;
/// Passphrases that are looked at side by side: each takes a core, and the memory that its hash names.
const SIDE_BY_SIDE: usize = 2;
/// Passphrases that wait for that.
const WAITING: usize = 32;

const fn number(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

/// Who may ask how much of the status-link pages.
pub(crate) struct Pages {
    views: Keyed<IpAddr>,
    tries: Keyed<IpAddr>,
    link: Keyed<String>,
    looking: Arc<Semaphore>,
    /// Those that are looked at and those that wait.
    queue: Arc<Semaphore>,
}

/// Held while a passphrase is looked at.
pub(crate) struct Looking {
    _looking: OwnedSemaphorePermit,
    _queue: OwnedSemaphorePermit,
}

impl Pages {
    pub(crate) fn new(clock: &Arc<dyn Clock>) -> Self {
        Self {
            views: Keyed::new(VIEWS, clock),
            tries: Keyed::new(TRIES, clock),
            link: Keyed::new(LINK, clock),
            looking: Arc::new(Semaphore::new(SIDE_BY_SIDE)),
            queue: Arc::new(Semaphore::new(SIDE_BY_SIDE + WAITING)),
        }
    }

    /// A request, of whatever kind, from this address.
    ///
    /// # Errors
    /// The time to wait.
    pub(crate) fn view(&self, from: IpAddr) -> Result<(), Duration> {
        self.views.take(&network(from), &IpAddr::V6(Ipv6Addr::UNSPECIFIED))
    }

    /// A passphrase, or the wish for a new link, from this address, for the link of this hash.
    ///
    /// # Errors
    /// The time to wait.
    pub(crate) fn attempt(&self, from: IpAddr, link: &str) -> Result<(), Duration> {
        self.tries.take(&network(from), &IpAddr::V6(Ipv6Addr::UNSPECIFIED))?;
        self.link.take(&link.to_owned(), &String::new())
    }

    /// A passphrase from a browser that is known by this key: what others ask for from its address is no matter of its own.
    ///
    /// # Errors
    /// The time to wait.
    pub(crate) fn known(&self, browser: &str) -> Result<(), Duration> {
        self.link.take(&browser.to_owned(), &String::new())
    }

    /// A place to look at one passphrase; `None` if too many wait.
    pub(crate) async fn look(&self) -> Option<Looking> {
        let queue = Arc::clone(&self.queue).try_acquire_owned().ok()?;
        let looking = Arc::clone(&self.looking).acquire_owned().await.ok()?;
        Some(Looking { _looking: looking, _queue: queue })
    }
}

/// One household or office has 2⁶⁴ addresses of version 6, which count as one.
pub(crate) fn network(from: IpAddr) -> IpAddr {
    match from {
        IpAddr::V4(_) => from,
        IpAddr::V6(six) => match six.to_ipv4_mapped() {
            Some(four) => IpAddr::V4(four),
            None => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() & !u128::from(u64::MAX))),
        },
    }
}

/// One rate for each key, in bounded memory.
struct Keyed<K: Hash + Eq + Clone>(RateLimiter<K, HashMapStateStore<K>, Ticks, NoOpMiddleware<Nanos>>, Ticks);

impl<K: Hash + Eq + Clone> Keyed<K> {
    fn new(rate: Rate, clock: &Arc<dyn Clock>) -> Self {
        let ticks = Ticks(Arc::clone(clock));
        let quota = Quota::per_minute(rate.per_minute).allow_burst(rate.burst);
        Self(RateLimiter::hashmap_with_clock(quota, ticks.clone()), ticks)
    }

    /// Takes a place, or says how long there is none. `others` is the key of all that are not told apart.
    fn take(&self, key: &K, others: &K) -> Result<(), Duration> {
        if self.0.len() >= APART {
            self.0.retain_recent();
        }
        let key = if self.0.len() >= APART { others } else { key };
        self.0.check_key(key).map_err(|until| until.wait_time_from(self.1.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use time::macros::datetime;

    fn pages() -> (Arc<ManualClock>, Pages) {
        let manual = Arc::new(ManualClock::at(datetime!(2026-06-15 12:00 UTC)));
        let clock: Arc<dyn Clock> = manual.clone();
        (manual, Pages::new(&clock))
    }

    #[test]
    fn addresses_and_links_have_rates_of_their_own() {
        let (clock, pages) = pages();
        let (one, other): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        for _ in 0..LINK.burst.get() {
            pages.attempt(one, "link").expect("within the burst");
        }
        pages.attempt(other, "link").expect_err("the same link from elsewhere");
        pages.attempt(other, "another").expect("another link");
        for n in 0..TRIES.burst.get() {
            let _ = pages.attempt(one, &n.to_string());
        }
        let wait = pages.attempt(one, "a third").expect_err("one address, many links");
        clock.advance(wait);
        pages.attempt(one, "a third").expect("after the wait");
        pages.view(one).expect("reading is another rate");
    }

    #[test]
    fn addresses_of_one_network_are_one() {
        let (_, pages) = pages();
        let six = |low: u128| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) + low));
        for low in 0..u128::from(VIEWS.burst.get()) {
            pages.view(six(low)).expect("within the burst");
        }
        pages.view(six(1 << 63)).expect_err("the same network");
        pages.view(six(1 << 64)).expect("another");
        assert_eq!(network("::ffff:192.0.2.1".parse().expect("an address")), IpAddr::from([192, 0, 2, 1]));
    }

    #[test]
    fn no_number_of_callers_takes_more_memory() {
        let (clock, pages) = pages();
        for n in 0..(APART + 500) {
            let _ = pages.view(IpAddr::from(u32::try_from(n).expect("fits").to_be_bytes()));
        }
        assert!(pages.views.0.len() <= APART + 1, "{}", pages.views.0.len());
        clock.advance(Duration::from_secs(3_600));
        pages.view([192, 0, 2, 9].into()).expect("those that rested are forgotten");
        assert!(pages.views.0.len() < 10);
    }

    #[tokio::test]
    async fn few_passphrases_are_looked_at_side_by_side_and_few_wait() {
        let (_, pages) = pages();
        let pages = Arc::new(pages);
        let first = pages.look().await.expect("a place");
        let _second = pages.look().await.expect("a place");
        let waiting: Vec<_> = (0..WAITING)
            .map(|_| {
                let pages = Arc::clone(&pages);
                let mut look = Box::pin(async move { pages.look().await.is_some() });
                let polled = futures_util::FutureExt::now_or_never(&mut look);
                assert!(polled.is_none(), "all places are taken");
                look
            })
            .collect();
        assert!(pages.look().await.is_none(), "too many wait");
        drop(first);
        let mut waiting = waiting.into_iter();
        assert!(waiting.next().expect("one waits").await);
    }
}
