//! When to try again: a schedule as data, and one function that picks the next time.
//!
//! Full jitter (each wait is uniform between a second and its upper bound), so that referrals that failed together do
//! not come back together. It reads no clock and throws no dice: time and chance are passed in. Whether a failure may
//! be tried again at all is [`crate::classify`]'s to say.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// No wait is shorter, however the dice fall.
pub const SHORTEST_SECONDS: u32 = 1;

/// No wait is longer, whatever a platform asks for in `Retry-After`: a platform that says "next year" by mistake would
/// otherwise silence its referrals.
pub const LONGEST_SECONDS: u32 = 24 * 60 * 60;

/// No wait is longer after an attempt in which nothing was asked of the platform, unless it has to be.
pub const PUT_OFF_SECONDS: u32 = 60 * 60;

/// A wait that would end behind the window is cut so that one attempt is still made this long before its end.
pub const LAST_CALL_SECONDS: u32 = 60;

/// Upper bounds of the waits, and for how long it is tried at all.
///
/// The default, with the latest time after the first attempt at which each attempt begins (jitter makes it earlier, on
/// average half of each wait, so that there are about twice as many):
///
/// | Attempt | Wait, at most | Begins at the latest after |
/// |---|---|---|
/// | 2 | 30 s | 30 s |
/// | 3 | 2 min | 2 min 30 s |
/// | 4 | 10 min | 12 min 30 s |
/// | 5 | 30 min | 42 min 30 s |
/// | 6 | 1 h | 1 h 42 min 30 s |
/// | 7 | 2 h | 3 h 42 min 30 s |
/// | 8 | 4 h | 7 h 42 min 30 s |
/// | 9 | 8 h | 15 h 42 min 30 s |
/// | 10 to 16 | 8 h each | 23 h, 31 h, 39 h, 47 h, 55 h, 63 h, 71 h, each 42 min 30 s |
/// | 17 | what is left | 71 h 59 min |
/// | – | – | after 72 h: dead letter |
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Schedule {
    /// Upper bound of the wait after the first attempt, the second, …; the last one repeats.
    pub delays_seconds: Vec<u32>,
    /// From acceptance to dead letter.
    pub window_seconds: u32,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { delays_seconds: vec![30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800], window_seconds: 72 * 60 * 60 }
    }
}

impl Schedule {
    /// When an errand that was queued at `queued` becomes a dead letter.
    #[must_use]
    pub fn expires_at(&self, queued: OffsetDateTime) -> OffsetDateTime {
        queued.saturating_add(Duration::seconds(i64::from(self.window_seconds)))
    }

    /// Why this schedule cannot be meant, for the configuration check; `None` if it can.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        if self.delays_seconds.is_empty() {
            Some("delays-seconds is empty: name at least one wait")
        } else if self.delays_seconds.iter().any(|delay| !(SHORTEST_SECONDS..=LONGEST_SECONDS).contains(delay)) {
            Some("each of delays-seconds must lie between 1 and 86400")
        } else if self.window_seconds <= LAST_CALL_SECONDS {
            Some("window-seconds must be longer than 60")
        } else {
            None
        }
    }

    /// The upper bound of the wait after this many attempts.
    fn bound(&self, attempts: u32) -> u32 {
        let place = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        self.delays_seconds.get(place).or(self.delays_seconds.last()).copied().unwrap_or(LONGEST_SECONDS)
    }
}

/// What comes after a transient failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try again, not before this time.
    At(OffsetDateTime),
    /// The window is over: a dead letter.
    GiveUp,
}

/// When to try again after `attempts` attempts have been made, the last of which failed at `now`.
///
/// `chance` lies in `[0, 1)` and picks the point between a second and the bound; anything outside is brought inside.
/// `retry_after` is the platform's own wish in seconds: never earlier, but it is not followed beyond
/// [`LONGEST_SECONDS`] or the window. Gives up when less than [`LAST_CALL_SECONDS`] of the window are left.
#[must_use]
pub fn next(
    schedule: &Schedule,
    attempts: u32,
    now: OffsetDateTime,
    expires_at: OffsetDateTime,
    retry_after: Option<u32>,
    chance: f64,
) -> Next {
    within(schedule.bound(attempts), now, expires_at, retry_after, chance)
}

/// The same after an attempt in which nothing was asked of the platform, because it may not be asked now. `retry_after` says for
/// how long.
///
/// The platform may be back long before the schedule's later waits are over, so none is longer than [`PUT_OFF_SECONDS`]. They are
/// spread over that time all the same: a platform that has just come back is not given all at once.
#[must_use]
pub fn put_off(
    schedule: &Schedule,
    attempts: u32,
    now: OffsetDateTime,
    expires_at: OffsetDateTime,
    retry_after: Option<u32>,
    chance: f64,
) -> Next {
    within(schedule.bound(attempts).min(PUT_OFF_SECONDS), now, expires_at, retry_after, chance)
}

fn within(bound: u32, now: OffsetDateTime, expires_at: OffsetDateTime, retry_after: Option<u32>, chance: f64) -> Next {
    let last_call = expires_at.saturating_sub(Duration::seconds(i64::from(LAST_CALL_SECONDS)));
    if now >= last_call {
        return Next::GiveUp;
    }
    // From the shortest on: were shorter waits made longer, all of them would end together.
    let shortest = Duration::seconds(i64::from(SHORTEST_SECONDS));
    let jittered = shortest + jitter(bound.saturating_sub(SHORTEST_SECONDS), chance);
    let asked = Duration::seconds(i64::from(retry_after.unwrap_or(0)));
    let longest = Duration::seconds(i64::from(LONGEST_SECONDS));
    let wait = jittered.max(asked).clamp(shortest, longest);
    let at = now.saturating_add(wait).min(last_call);
    // The last call may be nearer than the shortest wait; the window still has room for it then.
    Next::At(at.max(now.saturating_add(shortest)))
}

/// A point between nothing and the bound, to the millisecond.
pub(crate) fn jitter(bound_seconds: u32, chance: f64) -> Duration {
    let chance = if chance.is_finite() { chance.clamp(0.0, 1.0) } else { 1.0 };
    Duration::milliseconds(Duration::seconds_f64(f64::from(bound_seconds) * chance).whole_milliseconds() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    const START: OffsetDateTime = datetime!(2026-06-15 12:00 UTC);
    const ALMOST_ONE: f64 = 1.0 - f64::EPSILON;

    /// Seconds after the first attempt at which each attempt begins, with the same chance each time.
    fn times(schedule: &Schedule, chance: f64) -> Vec<i64> {
        let (mut at, mut attempts, mut times) = (START, 1, Vec::new());
        while let Next::At(next_at) = next(schedule, attempts, at, schedule.expires_at(START), None, chance) {
            at = next_at;
            attempts += 1;
            times.push((at - START).as_seconds_f64().round() as i64);
            assert!(attempts < 1_000_000);
        }
        times
    }

    #[test]
    fn the_real_times_of_the_default_are_those_of_its_table() {
        let mut expected = vec![30, 150, 750, 2_550, 6_150, 13_350, 27_750];
        expected.extend((0..8).map(|round| (15 + 8 * round) * 3_600 + 2_550));
        expected.push(72 * 3_600 - 60);
        assert_eq!(times(&Schedule::default(), ALMOST_ONE), expected);
        assert_eq!(times(&Schedule::default(), 0.5).len(), 25);
        assert_eq!(Schedule::default().fault(), None);
    }

    #[test]
    fn what_the_platform_asks_for_is_a_lower_bound_within_a_day_and_the_window() {
        let schedule = Schedule::default();
        let end = schedule.expires_at(START);
        let after = |attempts, retry_after, chance| next(&schedule, attempts, START, end, retry_after, chance);
        let seconds = |count| Next::At(START + Duration::seconds(count));
        assert_eq!(after(1, None, 0.0), seconds(1));
        assert_eq!(after(1, Some(0), 0.0), seconds(1));
        assert_eq!(after(1, Some(300), 0.9), seconds(300));
        assert_eq!(after(8, Some(300), 0.5), Next::At(START + Duration::milliseconds(14_400_500)));
        assert_eq!(after(1, Some(u32::MAX), 0.9), seconds(86_400));
        let late = end - Duration::hours(1);
        assert_eq!(next(&schedule, 9, late, end, Some(7_200), 0.1), Next::At(end - Duration::seconds(60)));
        assert_eq!(next(&schedule, 9, end - Duration::seconds(60), end, None, 0.1), Next::GiveUp);
        assert_eq!(next(&schedule, 9, end + Duration::days(9), end, None, 0.1), Next::GiveUp);
    }

    #[test]
    fn short_waits_do_not_gather_at_the_shortest() {
        let after = |chance| next(&Schedule::default(), 1, START, START + Duration::hours(1), None, chance);
        let mut waits: Vec<_> = (0..30).map(|part| after(f64::from(part) / 30.0)).collect();
        waits.dedup();
        assert_eq!(waits.len(), 30);
        assert_eq!(after(0.02), Next::At(START + Duration::milliseconds(1_580)));
    }

    #[test]
    fn what_was_put_off_waits_an_hour_at_most_unless_it_was_told_to_wait_longer() {
        let after = |attempts, asked, chance| {
            put_off(&Schedule::default(), attempts, START, START + Duration::days(3), asked, chance)
        };
        assert_eq!(after(9, Some(60), ALMOST_ONE), Next::At(START + Duration::hours(1)));
        assert_eq!(
            after(1, Some(7), ALMOST_ONE),
            Next::At(START + Duration::seconds(30)),
            "the schedule's, if shorter"
        );
        assert_eq!(after(9, Some(7_200), 0.5), Next::At(START + Duration::hours(2)));
    }

    #[test]
    fn a_schedule_that_cannot_be_meant_says_so() {
        for (delays, window) in [(vec![], 600), (vec![0], 600), (vec![86_401], 600), (vec![5], 60)] {
            assert!(Schedule { delays_seconds: delays, window_seconds: window }.fault().is_some());
        }
        let typed: Result<Schedule, _> = serde_json::from_str(r#"{"delay-seconds":[1]}"#);
        assert!(typed.is_err());
        let typed: Schedule = serde_json::from_str(r#"{"window-seconds":600}"#).expect("reads");
        assert_eq!(typed.delays_seconds, Schedule::default().delays_seconds);
    }

    proptest! {
        #[test]
        fn every_wait_keeps_its_bounds(
            delays in proptest::collection::vec(0u32..200_000, 0..6),
            attempts in any::<u32>(),
            left in -10i64..300_000,
            retry_after in proptest::option::of(any::<u32>()),
            chance in prop_oneof![0.0..1.0f64, Just(f64::NAN), Just(-1.0), Just(7.0)],
        ) {
            let schedule = Schedule { delays_seconds: delays, window_seconds: 3_600 };
            let end = START + Duration::seconds(left);
            match next(&schedule, attempts, START, end, retry_after, chance) {
                Next::GiveUp => prop_assert!(left <= 60),
                Next::At(at) => {
                    let wait = (at - START).as_seconds_f64();
                    prop_assert!(left > 60 && (1.0..=86_400.0).contains(&wait) && at <= end);
                    let asked = f64::from(retry_after.unwrap_or(0)).min(86_400.0);
                    prop_assert!(wait >= asked.min((left - 60) as f64));
                    prop_assert!(wait <= f64::from(schedule.bound(attempts)).max(asked).max(1.0));
                }
            }
        }
    }
}
