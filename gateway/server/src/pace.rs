//! The pace of a platform: how fast it is asked, how it says that it wants to be left alone, and that it is left alone while it
//! does not answer. Every request to it passes here, whatever it is for, and passes only while its lane is ours: so the pace holds
//! for all instances together.
//!
//! Whoever has to wait longer than a moment does not wait here: its errand comes back when the platform may be asked again.

use crate::admission::{Limiter, Rate};
use crate::chance::Chance;
use crate::clock::{Clock, sleep};
use crate::lane::Hold;
use adapter_contract::{Answer, DeliveryError, FailureCode};
use gateway_core::breaker::{Passage, Settings, Sign};
use gateway_core::budget::{self, Budget};
use gateway_core::lane::{LaneState, Night};
use gateway_core::quota::{self, Quota, Reserved, Take};
use gateway_core::retry::LONGEST_SECONDS;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::Notify;

/// Requests are let wait for their turn so long together: what waits holds a lease.
const TOGETHER: Duration = Duration::from_secs(20);

/// How fast a platform may be asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Requests over time; absent = as fast as they come.
    pub rate: Option<Rate>,
    /// Exchanges at the same time; absent = as the gateway's limits say.
    pub at_once: Option<u32>,
    /// Requests in a day; absent = not bounded.
    pub quota: Option<quota::Settings>,
}

/// A request waits so long for its part of the quota to be stored.
const RESERVING: Duration = Duration::from_secs(5);

/// One platform's pace.
pub struct Pace {
    bounds: Bounds,
    limiter: Option<Limiter>,
    breaker: Settings,
    clock: Arc<dyn Clock>,
    chance: Arc<Chance>,
    hold: Hold,
    state: Mutex<Standing>,
    /// Rung when more of the quota is reserved in the store.
    reserved: Notify,
    budget: Mutex<Budget>,
    comparing: tokio::sync::Mutex<()>,
}

/// What stands at this moment.
#[derive(Default)]
struct Standing {
    lane: LaneState,
    quota: Option<Quota>,
}

/// What a request has to do next.
enum Step {
    /// To leave.
    Leave,
    /// To wait for its turn.
    Turn,
    /// To wait until its part of the quota is stored.
    Reserve,
}

/// What may be asked of a platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// Everything.
    All,
    /// One thing, to find out whether it answers.
    Probe,
    /// What is urgent: no more is left of its quota.
    Urgent,
}

/// What a request is to its platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Try {
    /// The first of its errand.
    First,
    /// Its platform has been asked the same before: of that there is a [`gateway_core::budget`].
    Again,
}

impl Pace {
    /// A pace within these bounds.
    #[must_use]
    pub fn new(bounds: Bounds, breaker: Settings, clock: &Arc<dyn Clock>, chance: &Arc<Chance>) -> Self {
        let limiter = bounds.rate.map(|rate| Limiter::new(rate, clock));
        let hold = Hold::new(clock);
        let (clock, chance) = (Arc::clone(clock), Arc::clone(chance));
        let budget = Mutex::new(Budget::new(budget::Settings::default()));
        let (state, reserved, comparing) = (Mutex::default(), Notify::new(), tokio::sync::Mutex::default());
        Self { bounds, limiter, breaker, clock, chance, hold, state, reserved, budget, comparing }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its lane is ours.
    #[must_use]
    pub fn hold(&self) -> &Hold {
        &self.hold
    }

    /// When the last poll began, whoever held the lane then.
    #[must_use]
    pub fn last_poll(&self) -> Option<OffsetDateTime> {
        self.standing().lane.polled
    }

    /// A poll begins now.
    pub(crate) fn polls(&self, now: OffsetDateTime) {
        self.standing().lane.polled = Some(now);
        self.hold.keep();
    }

    /// How far the nightly comparison is.
    pub(crate) fn night(&self) -> Option<Night> {
        self.standing().lane.night.as_deref().cloned()
    }

    /// The nightly comparison has come this far.
    pub(crate) fn reached(&self, night: Night) {
        self.standing().lane.night = Some(Box::new(night));
        self.hold.keep();
    }

    /// One comparison with the platform at a time; held by whoever compares.
    pub(crate) fn comparing(&self) -> &tokio::sync::Mutex<()> {
        &self.comparing
    }

    /// What the next holder of the lane has to know, should this one end at any moment from now on.
    #[must_use]
    pub fn state(&self) -> LaneState {
        self.state_with(Quota::to_reserve)
    }

    /// The same once the lane is given back, and nothing leaves any more.
    pub(crate) fn left(&self) -> LaneState {
        self.state_with(Quota::to_leave)
    }

    fn state_with(&self, quota: impl Fn(&Quota) -> Reserved) -> LaneState {
        let state = self.standing();
        // Where no quota is kept now, what was counted while one was stays: it may be kept again on this very day.
        let quota = state.quota.as_ref().map(quota).or_else(|| state.lane.quota.clone());
        LaneState { quota, ..state.lane.clone() }
    }

    /// The lane has become ours: what stands is what its last holder left. Where there was one, no burst is left over: it may
    /// have had it a moment ago.
    pub(crate) fn begin(&self, state: LaneState, held_before: bool) {
        let quota = self.bounds.quota.map(|settings| Quota::new(settings, state.quota.as_ref()));
        *self.standing() = Standing { lane: state, quota };
        if held_before && let Some(limiter) = &self.limiter {
            limiter.empty();
        }
    }

    /// This is stored now, with the lane still ours.
    pub(crate) fn stored(&self, state: &LaneState) {
        if let (Some(quota), Some(reserved)) = (&mut self.standing().quota, &state.quota) {
            quota.stored(reserved);
        }
        self.reserved.notify_waiters();
    }

    /// Whether a request may leave at this very moment, as far as the lane goes.
    ///
    /// # Errors
    /// [`DeliveryError`]: nothing was sent.
    pub fn is_ours(&self) -> Result<(), DeliveryError> {
        match self.hold.fence() {
            Some(_) => Ok(()),
            None => {
                let words = "Another instance asks this platform now: nothing was sent.";
                Err(unsent(words, Duration::from_secs(1)))
            }
        }
    }

    /// Exchanges that may be under way at the same time: no more than can leave within a moment.
    #[must_use]
    pub fn at_once(&self, most: u32) -> u32 {
        let most = self.bounds.at_once.map_or(most, |own| own.min(most));
        let interval = self.interval();
        if interval.is_zero() {
            return most.max(1);
        }
        let fit = TOGETHER.as_millis() / interval.as_millis().max(1);
        most.min(u32::try_from(fit).unwrap_or(u32::MAX)).max(1)
    }

    /// The time between two requests, on the average.
    fn interval(&self) -> Duration {
        self.bounds.rate.map_or(Duration::ZERO, |rate| Duration::from_secs(60) / rate.per_minute.get())
    }

    /// For how long one request waits for its turn at most, where so many exchanges are under way.
    #[must_use]
    pub fn longest_wait(&self, most: u32) -> Duration {
        // One more than the exchanges: a poll.
        let turns = self.interval() * (self.at_once(most) + 1);
        turns + self.bounds.quota.map_or(Duration::ZERO, |_| RESERVING)
    }

    /// What may be asked of the platform now.
    ///
    /// # Errors
    /// The time until when nothing may.
    pub fn open(&self) -> Result<Open, OffsetDateTime> {
        let now = self.clock.now();
        let mut state = self.standing();
        let pause = state.lane.pause.filter(|until| *until > now);
        let mut spent = |urgent| state.quota.as_mut().and_then(|quota| quota.spent(urgent, now));
        let (nothing_left, ordinary_left) = (spent(true), spent(false).is_none());
        let passage = state.lane.breaker.passage(now);
        let closed = if let Passage::Closed(until) = passage { Some(until) } else { None };
        if let Some(until) = pause.into_iter().chain(closed).chain(nothing_left).max() {
            return Err(until);
        }
        Ok(match (passage, ordinary_left) {
            (_, false) => Open::Urgent,
            (Passage::Probe, true) => Open::Probe,
            (Passage::All | Passage::Closed(_), true) => Open::All,
        })
    }

    /// Waits until the next request may leave. `urgent` is what may use the part of the quota that is kept for it.
    ///
    /// # Errors
    /// [`DeliveryError`] with the time to wait, where that is longer than a moment: nothing was sent.
    pub async fn leave(&self, most: u32, urgent: bool) -> Result<(), DeliveryError> {
        let (bound, began) = (self.longest_wait(most), self.clock.elapsed());
        let mut has_turn = self.limiter.is_none();
        loop {
            let mut reserved = pin!(self.reserved.notified());
            // What is stored from here on is heard below.
            reserved.as_mut().enable();
            let waited = self.clock.elapsed().saturating_sub(began);
            match self.step(urgent, has_turn)? {
                Step::Leave => return Ok(()),
                Step::Turn => match self.limiter.as_ref().map(Limiter::take) {
                    Some(Err(wait)) if waited > bound => {
                        let words = "The platform may be asked no faster, and others were before it: nothing was sent.";
                        return Err(unsent(words, wait));
                    }
                    Some(Err(wait)) => sleep(self.clock.as_ref(), wait).await,
                    Some(Ok(())) | None => has_turn = true,
                },
                Step::Reserve if waited > bound => {
                    let words = "The platform's quota for the day could not be reserved in time: nothing was sent.";
                    return Err(unsent(words, Duration::from_secs(1)));
                }
                Step::Reserve => {
                    self.hold.keep();
                    tokio::select! {
                        biased;
                        () = reserved => {}
                        () = sleep(self.clock.as_ref(), RESERVING) => {}
                    }
                }
            }
        }
    }

    /// Whether an errand may begin to ask the platform: one that was tried before only as far as the retry budget goes.
    ///
    /// # Errors
    /// [`DeliveryError`] with the time to wait: nothing was sent.
    pub fn may_try(&self, attempt: Try) -> Result<(), DeliveryError> {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        match attempt {
            Try::First => {
                budget.first();
                Ok(())
            }
            Try::Again => budget.take(self.clock.elapsed()).map_err(|wait| {
                let words = "The platform fails many requests, and no more of them are repeated at this moment: nothing was sent.";
                unsent(words, wait)
            }),
        }
    }

    /// A request of an errand that was tried before has ended: one that the platform answers well costs the budget nothing.
    pub fn repeated(&self, outcome: &Result<Answer, DeliveryError>) {
        if sign(outcome) == Sign::Well {
            self.not_repeated(Try::Again);
        }
    }

    /// What [may be tried](Self::may_try) did not leave after all.
    pub fn not_repeated(&self, attempt: Try) {
        if attempt == Try::Again {
            self.budget.lock().unwrap_or_else(PoisonError::into_inner).well();
        }
    }

    /// What a request has to do next; where that is to leave, it counts as left.
    fn step(&self, urgent: bool, has_turn: bool) -> Result<Step, DeliveryError> {
        let mut state = self.standing();
        // Under the lock: whoever gives the lane back first says that it is ours no more, and then reads what was used.
        self.is_ours()?;
        let now = self.clock.now();
        if let Some(until) = state.lane.pause.filter(|until| *until > now) {
            let words = "The platform asked to be left alone for a time: nothing was sent.";
            return Err(unsent(words, span(now, until)));
        }
        let passage = state.lane.breaker.passage(now);
        if let Passage::Closed(until) = passage {
            let words = "The platform did not answer several times, and is left alone for a moment: nothing was sent.";
            return Err(unsent(words, span(now, until)));
        }
        if let Some(quota) = &mut state.quota {
            match quota.may_go(urgent, now) {
                Take::Go => {}
                Take::Reserve => return Ok(Step::Reserve),
                Take::Spent(until) => {
                    let words = "The platform takes no more requests on this day by its quota: nothing was sent.";
                    return Err(unsent(words, span(now, until)));
                }
            }
        }
        if !has_turn {
            return Ok(Step::Turn);
        }
        if state.quota.as_mut().is_some_and(Quota::goes) {
            self.hold.keep();
        }
        if passage == Passage::Probe {
            state.lane.breaker.probe(now, &self.breaker);
        }
        Ok(Step::Leave)
    }

    /// A request has ended: what it tells of the platform.
    ///
    /// A date in `Retry-After` comes back as seconds: adapters have no clock.
    pub fn heard(&self, mut outcome: Result<Answer, DeliveryError>) -> Result<Answer, DeliveryError> {
        let now = self.clock.now();
        if let Ok(Answer::Http { headers, .. }) = &mut outcome {
            let dated = headers.iter_mut().filter(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
            for (_, value) in dated {
                if let Some(at) = date(value) {
                    *value = whole_seconds(span(now, at)).to_string();
                }
            }
        }
        let sign = sign(&outcome);
        let mut standing = self.standing();
        let state = &mut standing.lane;
        let moved = state.breaker.hear(sign, now, self.chance.unit(), &self.breaker);
        if moved {
            tracing::warn!(open = state.breaker.open.is_some(), "a platform's circuit breaker has moved");
        }
        if let Ok(Answer::Http { status, headers, .. }) = &outcome
            && let Some(wait) = asked_to_wait(*status, headers, now)
        {
            let wait = wait.min(Duration::from_secs(u64::from(LONGEST_SECONDS)));
            state.pause = state.pause.max(Some(now + wait));
            self.hold.keep();
        }
        if moved {
            self.hold.keep();
        }
        drop(standing);
        outcome
    }

    /// An adapter has read in an answer that the platform takes nothing up for now: it is left alone, by all errands.
    pub fn read(&self, error: &DeliveryError) {
        let Some(seconds) = error.retry_after_seconds.filter(|_| error.code == FailureCode::Busy) else { return };
        let until = self.clock.now() + Duration::from_secs(u64::from(seconds.min(LONGEST_SECONDS)));
        let mut standing = self.standing();
        standing.lane.pause = standing.lane.pause.max(Some(until));
        self.hold.keep();
        drop(standing);
    }
}

fn sign(outcome: &Result<Answer, DeliveryError>) -> Sign {
    match outcome {
        Ok(Answer::Http { status, .. }) => Sign::of_status(*status),
        // What carries files tells refusals as failures.
        Ok(Answer::File(_) | Answer::Mailed) => Sign::Well,
        Ok(Answer::Published(_) | Answer::Amended(_)) => Sign::None,
        Err(error) => Sign::of_failure(&error.code),
    }
}

/// How long an answer asks to be left alone: `Retry-After` of 429 and 503 (RFC 9110 10.2.3: seconds or a date), 429 without one
/// for a second, and a quota of which nothing is left (`RateLimit` of the IETF draft, and its older forms).
pub(crate) fn asked_to_wait(status: u16, headers: &[(String, String)], now: OffsetDateTime) -> Option<Duration> {
    let header = |name: &str| {
        let mut found = headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim())
    };
    if matches!(status, 429 | 503) {
        let seconds = |text: &str| text.parse().ok().map(Duration::from_secs);
        let asked = header("retry-after").and_then(|text| seconds(text).or_else(|| date(text).map(|at| span(now, at))));
        if asked.is_some() || status == 429 {
            return Some(asked.unwrap_or(Duration::from_secs(1)).max(Duration::from_secs(1)));
        }
    }
    let parameter = |text: &str, name: &str| -> Option<u64> {
        text.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=')?.parse().ok())
    };
    if let Some(draft) = header("ratelimit")
        && parameter(draft, "r") == Some(0)
    {
        return parameter(draft, "t").map(Duration::from_secs);
    }
    for prefix in ["ratelimit", "x-ratelimit"] {
        let number = |what: &str| header(&format!("{prefix}-{what}")).and_then(|text| text.parse::<i64>().ok());
        if number("remaining") == Some(0) {
            // Some say for how long, some until when.
            let reset = number("reset")?;
            let from_now = if reset > 1_000_000_000 { reset - now.unix_timestamp() } else { reset };
            return u64::try_from(from_now).ok().map(Duration::from_secs);
        }
    }
    None
}

fn span(now: OffsetDateTime, until: OffsetDateTime) -> Duration {
    Duration::try_from(until - now).unwrap_or_default()
}

/// An HTTP date, in each of its three forms.
fn date(text: &str) -> Option<OffsetDateTime> {
    httpdate::parse_http_date(text.trim()).ok().map(OffsetDateTime::from)
}

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

fn unsent(words: &str, wait: Duration) -> DeliveryError {
    let error = DeliveryError::new(FailureCode::NotConnected, words);
    let seconds = u32::try_from(whole_seconds(wait)).unwrap_or(u32::MAX).max(1);
    DeliveryError { retry_after_seconds: Some(seconds), ..error }
}

#[cfg(test)]
mod tests {
    use super::{Bounds, Pace, Try, asked_to_wait};
    use crate::chance::Chance;
    use crate::clock::{Clock, ManualClock};
    use adapter_contract::{Answer, DeliveryError, FailureCode};
    use gateway_core::breaker::Settings;
    use std::sync::Arc;
    use std::time::Duration;
    use time::macros::datetime;

    #[test]
    fn a_platform_that_is_busy_in_its_own_words_is_left_alone_by_all() {
        let manual = Arc::new(ManualClock::at(datetime!(2026-06-15 12:00 UTC)));
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&manual);
        let breaker = Settings { failures: 7, first_seconds: 2, longest_seconds: 60, probe_seconds: 30 };
        let pace = Pace::new(Bounds::default(), breaker, &clock, &Arc::new(Chance::seeded(1)));
        let said = |code, wait| DeliveryError { retry_after_seconds: wait, ..DeliveryError::new(code, "x") };
        let pause = || pace.standing().lane.pause;
        pace.read(&said(FailureCode::Refused, Some(60)));
        pace.read(&said(FailureCode::Busy, None));
        assert_eq!(pause(), None);
        pace.read(&said(FailureCode::Busy, Some(14_400)));
        pace.read(&said(FailureCode::Busy, Some(2)));
        assert_eq!(pause(), Some(datetime!(2026-06-15 16:00 UTC)), "the longer one");
        pace.read(&said(FailureCode::Busy, Some(u32::MAX)));
        assert_eq!(pause(), Some(datetime!(2026-06-16 12:00 UTC)), "a day at most");
    }

    #[test]
    fn an_errand_that_was_tried_before_goes_only_as_far_as_the_budget() {
        let manual = Arc::new(ManualClock::at(datetime!(2026-06-15 12:00 UTC)));
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&manual);
        let breaker = Settings { failures: 7, first_seconds: 2, longest_seconds: 60, probe_seconds: 30 };
        let pace = Pace::new(Bounds::default(), breaker, &clock, &Arc::new(Chance::seeded(1)));
        let again = || (0..1_000).take_while(|_| pace.may_try(Try::Again).is_ok()).count();
        assert_eq!(again(), 50);
        let refused = pace.may_try(Try::Again).expect_err("the budget is spent");
        assert_eq!((refused.code, refused.retry_after_seconds), (FailureCode::NotConnected, Some(6)));
        (0..11).for_each(|_| pace.may_try(Try::First).expect("first tries always go"));
        assert_eq!(again(), 2, "a fifth of them");
        pace.repeated(&Err(DeliveryError::new(FailureCode::NoAnswer, "x")));
        assert_eq!(again(), 0, "in vain");
        pace.repeated(&Ok(Answer::Http { status: 201, headers: Vec::new(), body: Vec::new() }));
        assert_eq!(again(), 1, "what is answered well costs nothing");
        manual.advance(Duration::from_secs(60));
        assert_eq!(again(), 10, "the floor");
    }

    #[test]
    fn adapters_read_seconds_where_the_platform_wrote_a_date() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(datetime!(2026-06-15 12:00:00.5 UTC)));
        let breaker = Settings { failures: 7, first_seconds: 2, longest_seconds: 60, probe_seconds: 30 };
        let pace = Pace::new(Bounds::default(), breaker, &clock, &Arc::new(Chance::seeded(1)));
        for (wrote, read) in [
            ("Mon, 15 Jun 2026 12:02:00 GMT", "120"),
            ("Mon, 15 Jun 2026 11:00:00 GMT", "0"),
            ("90", "90"),
            ("soon", "soon"),
        ] {
            let headers = vec![("Retry-After".to_owned(), wrote.to_owned())];
            let answer = pace.heard(Ok(Answer::Http { status: 500, headers, body: Vec::new() })).unwrap();
            assert_eq!(answer.header("retry-after"), Some(read), "{wrote}");
        }
    }

    #[test]
    fn a_platform_is_understood_in_every_form_in_which_it_asks_for_time() {
        let now = datetime!(2026-06-15 12:00 UTC);
        let asked = |status, headers: &[(&str, &str)]| {
            let headers: Vec<(String, String)> =
                headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            asked_to_wait(status, &headers, now).map(|wait| wait.as_secs())
        };
        for (status, headers, expected) in [
            (429, &[("Retry-After", "120")][..], Some(120)),
            (503, &[("retry-after", " 7 ")], Some(7)),
            (503, &[("retry-after", "Mon, 15 Jun 2026 12:02:00 GMT")], Some(120)),
            (503, &[("retry-after", "Monday, 15-Jun-26 12:02:00 GMT")], Some(120)),
            (429, &[("retry-after", "Mon, 15 Jun 2026 11:00:00 GMT")], Some(1)),
            (429, &[("retry-after", "soon")], Some(1)),
            (429, &[], Some(1)),
            (503, &[], None),
            (500, &[("retry-after", "120")], None),
            (200, &[("retry-after", "120")], None),
            (200, &[("ratelimit", "\"default\";r=0;t=30")], Some(30)),
            (200, &[("ratelimit", "\"default\";r=1;t=30")], None),
            (200, &[("ratelimit-remaining", "0"), ("ratelimit-reset", "12")], Some(12)),
            (200, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1781524860")], Some(60)),
            (200, &[("x-ratelimit-remaining", "3"), ("x-ratelimit-reset", "60")], None),
            (200, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "-5")], None),
        ] {
            assert_eq!(asked(status, headers), expected, "{status} {headers:?}");
        }
        assert_eq!(Duration::from_secs(60), super::span(now, datetime!(2026-06-15 12:01 UTC)));
    }
}
