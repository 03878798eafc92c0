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
use gateway_core::lane::LaneState;
use gateway_core::retry::LONGEST_SECONDS;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// Requests are let wait for their turn so long together: what waits holds a lease.
const TOGETHER: Duration = Duration::from_secs(20);

/// How fast a platform may be asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Requests over time; absent = as fast as they come.
    pub rate: Option<Rate>,
    /// Exchanges at the same time; absent = as the gateway's limits say.
    pub at_once: Option<u32>,
}

/// One platform's pace.
pub struct Pace {
    bounds: Bounds,
    limiter: Option<Limiter>,
    breaker: Settings,
    clock: Arc<dyn Clock>,
    chance: Arc<Chance>,
    hold: Hold,
    state: Mutex<LaneState>,
    budget: Mutex<Budget>,
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
        Self { bounds, limiter, breaker, clock, chance, hold, state: Mutex::default(), budget }
    }

    /// Whether its lane is ours.
    #[must_use]
    pub fn hold(&self) -> &Hold {
        &self.hold
    }

    /// What the next holder of the lane has to know.
    #[must_use]
    pub fn state(&self) -> LaneState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The lane has become ours: what stands is what its last holder left. Where there was one, no burst is left over: it may
    /// have had it a moment ago.
    pub(crate) fn begin(&self, state: LaneState, held_before: bool) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        if held_before && let Some(limiter) = &self.limiter {
            limiter.empty();
        }
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
        self.interval() * (self.at_once(most) + 1)
    }

    /// Whether the platform may be asked only to find out if it answers.
    ///
    /// # Errors
    /// The time until when nothing may be asked of it.
    pub fn closed(&self) -> Result<bool, OffsetDateTime> {
        let now = self.clock.now();
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match (state.pause.filter(|until| *until > now), state.breaker.passage(now)) {
            (Some(pause), Passage::Closed(until)) => Err(pause.max(until)),
            (Some(until), _) | (None, Passage::Closed(until)) => Err(until),
            (None, Passage::Probe) => Ok(true),
            (None, Passage::All) => Ok(false),
        }
    }

    /// Waits until the next request may leave.
    ///
    /// # Errors
    /// [`DeliveryError`] with the time to wait, where that is longer than a moment: nothing was sent.
    pub async fn leave(&self, most: u32) -> Result<(), DeliveryError> {
        let bound = self.longest_wait(most);
        let began = self.clock.elapsed();
        loop {
            self.may_leave()?;
            let Some(Err(wait)) = self.limiter.as_ref().map(Limiter::take) else { return Ok(()) };
            if self.clock.elapsed().saturating_sub(began) > bound {
                let words = "The platform may be asked no faster, and others were before it: nothing was sent.";
                return Err(unsent(words, wait));
            }
            sleep(self.clock.as_ref(), wait).await;
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

    fn may_leave(&self) -> Result<(), DeliveryError> {
        self.is_ours()?;
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = state.pause.filter(|until| *until > now) {
            let words = "The platform asked to be left alone for a time: nothing was sent.";
            return Err(unsent(words, span(now, until)));
        }
        match state.breaker.passage(now) {
            Passage::All => Ok(()),
            Passage::Probe => {
                state.breaker.probe(now, &self.breaker);
                Ok(())
            }
            Passage::Closed(until) => {
                let words =
                    "The platform did not answer several times, and is left alone for a moment: nothing was sent.";
                Err(unsent(words, span(now, until)))
            }
        }
    }

    /// A request has ended: what it tells of the platform.
    pub fn heard(&self, outcome: &Result<Answer, DeliveryError>) {
        let now = self.clock.now();
        let sign = sign(outcome);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let moved = state.breaker.hear(sign, now, self.chance.unit(), &self.breaker);
        if moved {
            tracing::warn!(open = state.breaker.open.is_some(), "a platform's circuit breaker has moved");
        }
        if let Ok(Answer::Http { status, headers, .. }) = outcome
            && let Some(wait) = asked_to_wait(*status, headers, now)
        {
            let wait = wait.min(Duration::from_secs(u64::from(LONGEST_SECONDS)));
            state.pause = state.pause.max(Some(now + wait));
            self.hold.keep();
        }
        if moved {
            self.hold.keep();
        }
    }
}

fn sign(outcome: &Result<Answer, DeliveryError>) -> Sign {
    match outcome {
        Ok(Answer::Http { status, .. }) => Sign::of_status(*status),
        Ok(Answer::Published(_) | Answer::Amended(_)) => Sign::None,
        Err(error) => Sign::of_failure(&error.code),
    }
}

/// How long an answer asks to be left alone: `Retry-After` of 429 and 503 (RFC 9110 10.2.3: seconds or a date), 429 without one
/// for a second, and a quota of which nothing is left (`RateLimit` of the IETF draft, and its older forms).
fn asked_to_wait(status: u16, headers: &[(String, String)], now: OffsetDateTime) -> Option<Duration> {
    let header = |name: &str| {
        let mut found = headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim())
    };
    if matches!(status, 429 | 503) {
        let seconds = |text: &str| text.parse().ok().map(Duration::from_secs);
        let date = |text: &str| OffsetDateTime::parse(&text.replace("GMT", "+0000"), &Rfc2822).ok();
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

fn unsent(words: &str, wait: Duration) -> DeliveryError {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let error = DeliveryError::new(FailureCode::NotConnected, words);
    DeliveryError { retry_after_seconds: Some(u32::try_from(seconds).unwrap_or(u32::MAX).max(1)), ..error }
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
