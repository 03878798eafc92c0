//! The circuit breaker of a platform: a platform that does not answer is left alone and probed, not asked in vain by every
//! referral. A function of state, time and chance; it knows no referral and no request.
//!
//! Closed: everything goes. After [`Settings::failures`] failures in a row it opens: nothing goes until a time. Then it is
//! half open: one errand goes as a probe. A success closes it; a failure opens it again, for longer.

use crate::retry::jitter;
use adapter_contract::FailureCode;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// When it opens and how long it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Failures in a row that open it.
    pub failures: u32,
    /// The first wait in seconds; each further one is twice as long.
    pub first_seconds: u32,
    /// No wait is longer, in seconds.
    pub longest_seconds: u32,
    /// A probe whose end nobody told, because its process died, counts as failed after so many seconds.
    pub probe_seconds: u32,
}

/// What is remembered of a platform's answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// Failures in a row.
    pub failures: u32,
    /// Set while it is not closed.
    pub open: Option<Open>,
}

/// A breaker that is not closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Since when the platform has failed.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// Waits so far, this one included.
    pub waits: u32,
    /// Nothing goes before.
    #[serde(with = "time::serde::rfc3339")]
    pub until: OffsetDateTime,
    /// A probe is under way; it counts as failed at `until`.
    pub probing: bool,
}

/// What may go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// Everything.
    All,
    /// One errand, as a probe.
    Probe,
    /// Nothing before this time.
    Closed(OffsetDateTime),
}

/// What a request tells of its platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It answers: also a refusal of one referral is an answer.
    Well,
    /// It is not there, or broken.
    Ill,
    /// Neither: it asks for a slower pace, which has a rule of its own, or nothing was sent.
    None,
}

impl Sign {
    /// What an HTTP status tells.
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        match status {
            // 429 is an answer of a platform that is well and busy: a pause follows it.
            425 | 429 => Self::None,
            // 501 and 505 say that the platform understood and does not do this.
            408 | 500 | 502..=504 | 506..=599 => Self::Ill,
            _ => Self::Well,
        }
    }

    /// What a request without a readable answer tells.
    #[must_use]
    pub const fn of_failure(code: &FailureCode) -> Self {
        match code {
            FailureCode::NotConnected | FailureCode::NoAnswer | FailureCode::TlsRefused => Self::Ill,
            FailureCode::HttpStatus(status) => Self::of_status(*status),
            // Something answered, though not readably.
            FailureCode::UnreadableSuccess => Self::Well,
            FailureCode::Refused
            | FailureCode::Busy
            | FailureCode::PartlyStored
            | FailureCode::Untranslatable
            | FailureCode::UnsafeToSend
            | FailureCode::TooManySteps
            | FailureCode::Interrupted => Self::None,
        }
    }
}

impl Breaker {
    /// What may go at this time.
    #[must_use]
    pub fn passage(&self, now: OffsetDateTime) -> Passage {
        match &self.open {
            None => Passage::All,
            Some(open) if now < open.until => Passage::Closed(open.until),
            Some(_) => Passage::Probe,
        }
    }

    /// A probe goes: nothing else does until it has ended, or its time is over.
    pub fn probe(&mut self, now: OffsetDateTime, settings: &Settings) {
        if let Some(open) = &mut self.open {
            open.probing = true;
            open.until = now.saturating_add(Duration::seconds(i64::from(settings.probe_seconds)));
        }
    }

    /// A request has ended. `chance` lies in `[0, 1)`. Says whether it opened, closed, or waits anew.
    pub fn hear(&mut self, sign: Sign, now: OffsetDateTime, chance: f64, settings: &Settings) -> bool {
        match (sign, &mut self.open) {
            (Sign::None, _) => false,
            (Sign::Well, open) => {
                self.failures = 0;
                open.take().is_some()
            }
            (Sign::Ill, None) => {
                self.failures = self.failures.saturating_add(1);
                if self.failures < settings.failures {
                    return false;
                }
                self.open = Some(Open { since: now, waits: 1, until: wait(now, 1, chance, settings), probing: false });
                true
            }
            // A request that was under way when it opened tells nothing new.
            (Sign::Ill, Some(open)) if !open.probing && now < open.until => false,
            (Sign::Ill, Some(open)) => {
                open.waits = open.waits.saturating_add(1);
                open.until = wait(now, open.waits, chance, settings);
                open.probing = false;
                self.failures = self.failures.saturating_add(1);
                true
            }
        }
    }
}

/// When the next probe may go: between half of the wait and the whole of it, so that platforms that fell together are not
/// probed together.
fn wait(now: OffsetDateTime, waits: u32, chance: f64, settings: &Settings) -> OffsetDateTime {
    let doubled = 1_u32.checked_shl(waits.saturating_sub(1).min(31)).unwrap_or(u32::MAX);
    let whole = settings.first_seconds.saturating_mul(doubled).clamp(1, settings.longest_seconds.max(1));
    let half = Duration::seconds(i64::from(whole)) / 2;
    now.saturating_add(half).saturating_add(jitter(whole, chance) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-06-15 12:00 UTC);
    const SETTINGS: Settings = Settings { failures: 3, first_seconds: 4, longest_seconds: 20, probe_seconds: 30 };

    fn after(seconds: i64) -> OffsetDateTime {
        NOW + Duration::seconds(seconds)
    }

    fn open() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            breaker.hear(Sign::Ill, NOW, 0.0, &SETTINGS);
        }
        breaker
    }

    #[test]
    fn it_opens_after_so_many_failures_in_a_row_and_no_sooner() {
        let mut breaker = Breaker::default();
        for sign in [Sign::Ill, Sign::Ill, Sign::Well, Sign::Ill, Sign::None, Sign::Ill] {
            breaker.hear(sign, NOW, 0.5, &SETTINGS);
            assert_eq!(breaker.passage(NOW), Passage::All, "{sign:?}");
        }
        assert!(breaker.hear(Sign::Ill, NOW, 0.0, &SETTINGS));
        assert_eq!(breaker.passage(NOW), Passage::Closed(after(2)), "half of the wait at least");
        assert_eq!(breaker.passage(after(2)), Passage::Probe);
    }

    #[test]
    fn a_probe_goes_alone_and_what_it_finds_decides() {
        let mut breaker = open();
        breaker.probe(after(2), &SETTINGS);
        assert_eq!(breaker.passage(after(2)), Passage::Closed(after(32)), "nothing else goes meanwhile");
        assert_eq!(breaker.passage(after(32)), Passage::Probe, "its process died");
        assert!(breaker.hear(Sign::Ill, after(3), 0.0, &SETTINGS));
        assert_eq!(breaker.passage(after(3)), Passage::Closed(after(7)), "twice as long, jittered");
        breaker.probe(after(7), &SETTINGS);
        assert!(breaker.hear(Sign::Well, after(8), 0.0, &SETTINGS));
        assert_eq!((breaker.passage(after(8)), breaker.failures), (Passage::All, 0));
    }

    #[test]
    fn what_was_under_way_when_it_opened_tells_nothing_new() {
        let mut breaker = open();
        assert!(!breaker.hear(Sign::Ill, after(1), 0.9, &SETTINGS));
        assert_eq!(breaker, open());
    }

    #[test]
    fn a_refusal_of_one_referral_is_an_answer() {
        for (status, sign) in [
            (200, Sign::Well),
            (400, Sign::Well),
            (401, Sign::Well),
            (404, Sign::Well),
            (422, Sign::Well),
            (408, Sign::Ill),
            (429, Sign::None),
            (500, Sign::Ill),
            (501, Sign::Well),
            (503, Sign::Ill),
        ] {
            assert_eq!(Sign::of_status(status), sign, "{status}");
            assert_eq!(Sign::of_failure(&FailureCode::HttpStatus(status)), sign, "{status}");
        }
        assert_eq!(Sign::of_failure(&FailureCode::NoAnswer), Sign::Ill);
        assert_eq!(Sign::of_failure(&FailureCode::UnreadableSuccess), Sign::Well);
        assert_eq!(Sign::of_failure(&FailureCode::Untranslatable), Sign::None);
    }

    proptest! {
        #[test]
        fn it_never_waits_longer_than_the_longest_and_one_success_closes_it(
            signs in proptest::collection::vec(0..3u8, 0..200),
            chance in 0.0..1.0f64,
        ) {
            let (mut breaker, mut now) = (Breaker::default(), NOW);
            for sign in signs {
                let sign = [Sign::Ill, Sign::Ill, Sign::None][usize::from(sign)];
                if breaker.passage(now) == Passage::Probe {
                    breaker.probe(now, &SETTINGS);
                }
                breaker.hear(sign, now, chance, &SETTINGS);
                if let Passage::Closed(until) = breaker.passage(now) {
                    prop_assert!(until - now <= Duration::seconds(30));
                    now = until;
                }
            }
            breaker.hear(Sign::Well, now, chance, &SETTINGS);
            prop_assert_eq!(breaker.passage(now), Passage::All);
        }
    }
}
