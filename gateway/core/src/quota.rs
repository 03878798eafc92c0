//! The daily quota of a platform: how many requests it may be asked in a day.
//!
//! It holds across the ends of processes and over all instances. Whoever holds the platform's [lane](crate::lane) *reserves* some
//! requests in the lane's row before the first of them leaves, and a next holder counts all that was reserved as spent. So a
//! process that dies wastes a hundredth of the quota at most, and never exceeds it. One that ends in order gives back what it did
//! not need.
//!
//! A day begins at a minute of the UTC day that the adapter or the configuration names. A function of what happened and of time.

use adapter_contract::Pace;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use time::{Duration, OffsetDateTime};

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// A quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Requests in a day.
    pub per_day: NonZeroU32,
    /// So many of them are kept for what is urgent.
    pub urgent: u32,
    /// The minute of the UTC day with which a day begins.
    pub starts_minute: u32,
}

impl Settings {
    /// What a pace says of a day; `None` if nothing.
    #[must_use]
    pub fn of(pace: Pace) -> Option<Self> {
        let number = |number: Option<NonZeroU32>| number.map_or(0, NonZeroU32::get);
        let (urgent, starts_minute) = (number(pace.urgent_per_day), number(pace.day_starts_minute));
        pace.requests_per_day.map(|per_day| Self { per_day, urgent, starts_minute })
    }

    /// How many requests of a day may have left before one that is urgent, or is not.
    fn most(&self, urgent: bool) -> u32 {
        if urgent { self.per_day.get() } else { self.per_day.get().saturating_sub(self.urgent) }
    }

    /// So many are reserved together: a hundredth of the quota.
    fn block(&self) -> u32 {
        self.per_day.get().div_ceil(100)
    }

    fn shift(&self) -> i64 {
        i64::from(self.starts_minute) * 60
    }

    /// The number of the day to which a time belongs.
    fn day(&self, now: OffsetDateTime) -> i64 {
        (now.unix_timestamp() - self.shift()).div_euclid(DAY_SECONDS)
    }

    /// When a day is over.
    fn end(&self, day: i64) -> OffsetDateTime {
        let seconds = day.saturating_add(1).saturating_mul(DAY_SECONDS).saturating_add(self.shift());
        OffsetDateTime::UNIX_EPOCH.saturating_add(Duration::seconds(seconds))
    }
}

/// What of a day may have been used: it survives whoever wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    /// The number of the day.
    day: i64,
    /// No more requests have left on it.
    requests: u32,
    /// All that is not kept for what is urgent is used.
    #[serde(default)]
    spent: bool,
}

impl Reserved {
    /// What is to stand where one holder has written both, and nobody knows in which order.
    #[must_use]
    pub(crate) fn later(standing: Option<Self>, new: Option<Self>) -> Option<Self> {
        let (standing, new) = match (standing, new) {
            (Some(standing), Some(new)) => (standing, new),
            (standing, new) => return new.or(standing),
        };
        let more = (standing.day, standing.requests, standing.spent) > (new.day, new.requests, new.spent);
        // A day that lies further ahead was a clock's that has been set right.
        Some(if more && standing.day <= new.day + 1 { standing } else { new })
    }

    /// Until when an errand has to wait, because the quota of this day is spent; `None` if it need not.
    #[must_use]
    pub fn spent(&self, settings: &Settings, urgent: bool, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let day = current(self.day, settings.day(now));
        let spent = self.spent && day == self.day && self.requests >= settings.most(urgent);
        spent.then(|| settings.end(day))
    }
}

/// What may be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// A request may leave.
    Go,
    /// Not before more is [reserved](Quota::to_reserve), and [that is stored](Quota::stored).
    Reserve,
    /// Not before this time.
    Spent(OffsetDateTime),
}

/// What the holder of a lane knows of its quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    settings: Settings,
    day: i64,
    /// Requests that have left on this day, or count as if they had.
    used: u32,
    /// So many are reserved in the store, as far as is known.
    reserved: u32,
    /// So many are to be.
    wanted: u32,
    spent: bool,
}

impl Quota {
    /// As the last holder left it: what it had reserved may have left.
    #[must_use]
    pub fn new(settings: Settings, left: Option<&Reserved>) -> Self {
        let left = left.cloned().unwrap_or_default();
        let Reserved { day, requests, spent } = left;
        let spent = spent || requests >= settings.most(false);
        Self { settings, day, used: requests, reserved: requests, wanted: requests, spent }
    }

    /// Whether a request may leave. It is counted when it [goes](Self::goes).
    pub fn may_go(&mut self, urgent: bool, now: OffsetDateTime) -> Take {
        self.roll(now);
        let most = self.settings.most(urgent);
        if self.used >= most {
            Take::Spent(self.settings.end(self.day))
        } else if self.used < self.reserved {
            Take::Go
        } else {
            self.wanted = self.used.saturating_add(self.settings.block()).min(most).max(self.wanted);
            Take::Reserve
        }
    }

    /// A request leaves that [may go](Self::may_go). True if from now on nothing else does but what is urgent: that is to be stored.
    pub fn goes(&mut self) -> bool {
        self.used = self.used.saturating_add(1);
        let spent = self.used >= self.settings.most(false);
        let moved = spent && !self.spent;
        self.spent = spent;
        moved
    }

    /// Until when something has to wait; `None` if there is anything left for it.
    pub fn spent(&mut self, urgent: bool, now: OffsetDateTime) -> Option<OffsetDateTime> {
        self.roll(now);
        (self.used >= self.settings.most(urgent)).then(|| self.settings.end(self.day))
    }

    /// What is to be stored while the lane is held.
    #[must_use]
    pub fn to_reserve(&self) -> Reserved {
        Reserved { day: self.day, requests: self.wanted, spent: self.spent }
    }

    /// What is to be stored when the lane is given back and nothing leaves any more.
    #[must_use]
    pub fn to_leave(&self) -> Reserved {
        Reserved { requests: self.used, ..self.to_reserve() }
    }

    /// This is stored.
    pub fn stored(&mut self, reserved: &Reserved) {
        if reserved.day == self.day {
            self.reserved = reserved.requests.max(self.reserved);
        }
    }

    fn roll(&mut self, now: OffsetDateTime) {
        let day = current(self.day, self.settings.day(now));
        if day > self.day {
            (self.used, self.reserved, self.wanted, self.spent) = (0, 0, 0, false);
        }
        self.day = day;
    }
}

/// The day that counts. It does not go back: clocks of two instances differ, and the requests of the later day have left. One that
/// lies further ahead was a clock's that was wrong, and what was counted for it counts for the day that it is.
fn current(known: i64, now: i64) -> i64 {
    if known == now + 1 { known } else { now }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    const NOON: OffsetDateTime = datetime!(2026-06-15 12:00 UTC);

    fn settings(per_day: u32, urgent: u32, starts_minute: u32) -> Settings {
        Settings { per_day: NonZeroU32::new(per_day).unwrap(), urgent, starts_minute }
    }

    /// Lets one go, storing at once what is to be reserved.
    fn send(quota: &mut Quota, urgent: bool, now: OffsetDateTime) -> Result<(), OffsetDateTime> {
        loop {
            match quota.may_go(urgent, now) {
                Take::Go => {
                    quota.goes();
                    return Ok(());
                }
                Take::Reserve => quota.stored(&quota.to_reserve()),
                Take::Spent(until) => return Err(until),
            }
        }
    }

    fn send_all(quota: &mut Quota, urgent: bool, now: OffsetDateTime) -> usize {
        (0..100_000).take_while(|_| send(quota, urgent, now).is_ok()).count()
    }

    #[test]
    fn nothing_goes_before_it_is_reserved_or_beyond_the_quota() {
        let mut quota = Quota::new(settings(250, 0, 0), None);
        assert_eq!(quota.may_go(false, NOON), Take::Reserve);
        assert_eq!(quota.may_go(false, NOON), Take::Reserve, "asking is not storing");
        quota.stored(&quota.to_reserve());
        for _ in 0..3 {
            assert_eq!(quota.may_go(false, NOON), Take::Go, "a hundredth, rounded up");
            quota.goes();
        }
        assert_eq!(quota.may_go(false, NOON), Take::Reserve);
        assert_eq!(send_all(&mut quota, false, NOON), 247);
        assert_eq!(send(&mut quota, true, NOON), Err(datetime!(2026-06-16 00:00 UTC)));
        assert_eq!(send_all(&mut quota, false, datetime!(2026-06-16 00:00 UTC)), 250, "the next day");
    }

    #[test]
    fn a_share_is_kept_for_what_is_urgent() {
        let mut quota = Quota::new(settings(100, 10, 0), None);
        assert_eq!(send_all(&mut quota, false, NOON), 90);
        let waits = |quota: &Quota, urgent| quota.to_reserve().spent(&settings(100, 10, 0), urgent, NOON);
        assert_eq!((waits(&quota, false), waits(&quota, true)), (Some(datetime!(2026-06-16 00:00 UTC)), None));
        assert_eq!((quota.spent(false, NOON).is_some(), quota.spent(true, NOON)), (true, None));
        assert_eq!(send_all(&mut quota, true, NOON), 10);
        assert_eq!(waits(&quota, true), Some(datetime!(2026-06-16 00:00 UTC)));
        assert_eq!(quota.to_reserve().spent(&settings(100, 10, 0), true, datetime!(2026-06-16 00:00 UTC)), None);
    }

    #[test]
    fn a_holder_that_dies_wastes_its_block_and_one_that_leaves_wastes_nothing() {
        let mut quota = Quota::new(settings(1_000, 0, 0), None);
        (0..11).for_each(|_| send(&mut quota, false, NOON).unwrap());
        let next = |left: &Reserved| send_all(&mut Quota::new(settings(1_000, 0, 0), Some(left)), false, NOON);
        assert_eq!(next(&quota.to_reserve()), 980);
        assert_eq!(next(&quota.to_leave()), 989);
    }

    #[test]
    fn a_day_begins_when_the_platforms_does() {
        // Midnight of British summer time.
        let of_london = settings(5, 0, 23 * 60);
        let mut quota = Quota::new(of_london, None);
        assert_eq!(send_all(&mut quota, false, datetime!(2026-06-15 22:59:59 UTC)), 5);
        assert_eq!(send(&mut quota, false, datetime!(2026-06-15 22:59:59 UTC)), Err(datetime!(2026-06-15 23:00 UTC)));
        assert_eq!(send_all(&mut quota, false, datetime!(2026-06-15 23:00 UTC)), 5);
        assert_eq!(send(&mut quota, false, datetime!(2026-06-16 00:00 UTC)), Err(datetime!(2026-06-16 23:00 UTC)));
    }

    #[test]
    fn a_clock_that_is_behind_opens_no_day_twice_and_one_that_was_wrong_closes_none_for_ever() {
        let of = settings(5, 0, 0);
        let mut ahead = Quota::new(of, None);
        assert_eq!(send_all(&mut ahead, false, datetime!(2026-06-16 00:00:10 UTC)), 5);
        let mut behind = Quota::new(of, Some(&ahead.to_leave()));
        assert_eq!(send(&mut behind, false, datetime!(2026-06-15 23:59:50 UTC)), Err(datetime!(2026-06-17 00:00 UTC)));
        let mut years = Quota::new(of, None);
        assert_eq!(send_all(&mut years, false, datetime!(2036-01-01 00:00 UTC)), 5);
        let mut set_right = Quota::new(of, Some(&years.to_leave()));
        assert_eq!(send(&mut set_right, false, NOON), Err(datetime!(2026-06-16 00:00 UTC)), "it counts for today");
        assert_eq!(send_all(&mut set_right, false, datetime!(2026-06-16 00:00 UTC)), 5);
    }

    #[test]
    fn a_write_that_comes_late_takes_nothing_back() {
        let one = |day, requests| Some(Reserved { day, requests, spent: false });
        assert_eq!(Reserved::later(one(5, 20), one(5, 10)), one(5, 20));
        assert_eq!(Reserved::later(one(5, 10), one(5, 20)), one(5, 20));
        assert_eq!(Reserved::later(one(6, 10), one(5, 20)), one(6, 10));
        assert_eq!(Reserved::later(one(5, 10), one(6, 0)), one(6, 0));
        assert_eq!(Reserved::later(one(900, 10), one(6, 10)), one(6, 10), "a clock that was set right");
        assert_eq!(Reserved::later(one(5, 10), None), one(5, 10));
    }

    proptest! {
        /// However often holders die, leave and lose the answers of the store: no day has more.
        #[test]
        fn no_day_has_more_than_its_quota(
            per_day in 1_u32..400,
            steps in prop::collection::vec((0_u8..20, any::<bool>(), 0_i64..4_000), 1..600),
        ) {
            let of = settings(per_day, per_day / 10, 90);
            let (mut kept, mut now) = (Reserved::default(), NOON);
            let mut quota = Quota::new(of, None);
            let mut left = std::collections::BTreeMap::<i64, u32>::new();
            for (what, flag, seconds) in steps {
                now += Duration::seconds(seconds / if what == 0 { 1 } else { 100 });
                match what {
                    0 => {
                        kept = if flag { quota.to_leave() } else { kept };
                        quota = Quota::new(of, Some(&kept));
                    }
                    _ => match quota.may_go(flag, now) {
                        Take::Go => {
                            quota.goes();
                            *left.entry(of.day(now)).or_default() += 1;
                        }
                        // The store has it, and its answer may be lost.
                        Take::Reserve => {
                            kept = quota.to_reserve();
                            if what > 1 {
                                quota.stored(&kept);
                            }
                        }
                        Take::Spent(until) => prop_assert!(until > now),
                    },
                }
            }
            prop_assert!(left.values().all(|count| *count <= per_day), "{left:?}");
        }
    }
}
