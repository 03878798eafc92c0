//! How often a platform is polled: as often as its vendor lets us while it has something to say, more and more seldom while it has
//! not. A function of the last poll and of what it brought; the time is passed in.
//!
//! The shortest time between two polls is a matter of manners towards the platform, so it also holds between the last poll of one
//! process and the first of the next: when the last one began travels with the [lane](crate::lane).

use std::time::Duration;
use time::OffsetDateTime;

/// Where nothing else is said, quiet polls stretch to so many times the shortest interval.
const STRETCH: u32 = 4;
/// And not further than this, unless the shortest interval is longer already.
const LONGEST: Duration = Duration::from_secs(3_600);

/// Between which bounds a platform is polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// From the beginning of one poll to that of the next, at least.
    pub shortest: Duration,
    /// The same at most, as long as polls succeed.
    pub longest: Duration,
}

impl Bounds {
    /// These; where nothing is said of the longest interval, it is four times the shortest, and an hour at most.
    #[must_use]
    pub fn new(shortest: Duration, longest: Option<Duration>) -> Self {
        let usual = (shortest * STRETCH).min(LONGEST);
        Self { shortest, longest: longest.unwrap_or(usual).max(shortest) }
    }
}

/// What a poll came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// Something new was read, or is known to wait.
    News,
    /// Nothing that was not known.
    Nothing,
    /// It ended before its end; the platform asked for so much time, if it did.
    Failed(Option<Duration>),
}

/// The cadence of one platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cadence {
    bounds: Bounds,
    interval: Duration,
}

impl Cadence {
    /// Begins with the shortest interval.
    #[must_use]
    pub const fn new(bounds: Bounds) -> Self {
        Self { bounds, interval: bounds.shortest }
    }

    /// The time from the beginning of a poll that came to this to the beginning of the next. A failure says nothing of how much there
    /// is to say: what it did not read is asked for again as soon as may be.
    pub fn after(&mut self, came: Came) -> Duration {
        self.interval = match came {
            Came::News => self.bounds.shortest,
            Came::Nothing => (self.interval * 2).min(self.bounds.longest),
            Came::Failed(_) => self.bounds.shortest,
        };
        match came {
            Came::Failed(Some(asked)) => self.interval.max(asked),
            _ => self.interval,
        }
    }
}

/// When the first poll of a process begins, where the last one of any process began then: never sooner than its vendor lets us. A time
/// that lies ahead was written by a clock that was wrong, and counts as now.
#[must_use]
pub fn first(last: Option<OffsetDateTime>, now: OffsetDateTime, shortest: Duration) -> OffsetDateTime {
    (last.unwrap_or(now).min(now) + shortest).max(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const fn minutes(number: u64) -> Duration {
        Duration::from_secs(number * 60)
    }

    #[test]
    fn quiet_polls_stretch_and_news_brings_the_shortest_interval_back() {
        let mut cadence = Cadence::new(Bounds::new(minutes(15), Some(minutes(100))));
        let came = [Came::Nothing, Came::Nothing, Came::Nothing, Came::Nothing, Came::News, Came::Nothing, Came::News];
        let intervals: Vec<u64> = came.into_iter().map(|came| cadence.after(came).as_secs() / 60).collect();
        assert_eq!(intervals, [30, 60, 100, 100, 15, 30, 15]);
    }

    #[test]
    fn a_failure_asks_again_as_soon_as_may_be_and_no_sooner_than_the_platform_asked() {
        let mut cadence = Cadence::new(Bounds::new(minutes(15), None));
        assert_eq!(cadence.after(Came::Nothing), minutes(30));
        assert_eq!(cadence.after(Came::Failed(None)), minutes(15));
        assert_eq!(cadence.after(Came::Failed(Some(minutes(2)))), minutes(15), "never below the manners");
        assert_eq!(cadence.after(Came::Failed(Some(minutes(90)))), minutes(90));
        assert_eq!(cadence.after(Came::Nothing), minutes(30), "what was asked for once is not kept");
    }

    #[test]
    fn no_interval_is_ever_outside_its_bounds() {
        for (shortest, longest) in [(1, None), (15, None), (15, Some(15)), (15, Some(1)), (1440, None), (40, Some(90))]
        {
            let bounds = Bounds::new(minutes(shortest), longest.map(minutes));
            assert!(bounds.longest >= bounds.shortest, "{bounds:?}");
            let mut cadence = Cadence::new(bounds);
            for turn in 0..200 {
                let came = [Came::Nothing, Came::News, Came::Failed(None), Came::Nothing, Came::Nothing][turn * 7 % 5];
                let interval = cadence.after(came);
                assert!((bounds.shortest..=bounds.longest).contains(&interval), "{interval:?} of {bounds:?}");
            }
        }
        assert_eq!(Bounds::new(minutes(15), None).longest, minutes(60));
        assert_eq!(Bounds::new(minutes(30), None).longest, minutes(60), "an hour at most");
        assert_eq!(Bounds::new(minutes(1440), None).longest, minutes(1440), "unless a day is the shortest");
    }

    #[test]
    fn a_restart_is_no_reason_to_ask_sooner() {
        let now = datetime!(2026-06-15 12:00 UTC);
        let ago = |span: u64| Some(now - minutes(span));
        assert_eq!(first(ago(1), now, minutes(15)), now + minutes(14));
        assert_eq!(first(ago(15), now, minutes(15)), now);
        assert_eq!(first(ago(600), now, minutes(15)), now, "what was missed meanwhile is asked for at once");
        assert_eq!(first(None, now, minutes(15)), now + minutes(15), "nobody knows who asked before");
        assert_eq!(first(Some(now + minutes(600)), now, minutes(15)), now + minutes(15), "a clock was wrong");
    }
}
