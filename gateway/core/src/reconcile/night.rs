//! When the nightly comparison is due.

use crate::consent::london;
use time::{Duration, OffsetDateTime, Time};

/// When the clocks in London show this time next after `last`. What fell due while nobody was there is due at once, and once.
#[must_use]
pub fn next_night(at: Time, last: OffsetDateTime) -> OffsetDateTime {
    let next = london::day(last).and_then(|today| {
        let days = [Some(today), today.next_day()];
        days.into_iter().flatten().filter_map(|day| london::on_the_wall(day, at)).find(|due| *due > last)
    });
    next.unwrap_or(last + Duration::DAY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::{datetime, time};

    #[test]
    fn it_is_the_time_on_the_wall_in_winter_in_summer_and_when_the_clocks_change() {
        for (last, at, next) in [
            (datetime!(2026-01-10 01:00 UTC), time!(02:30), datetime!(2026-01-10 02:30 UTC)),
            (datetime!(2026-01-10 02:30 UTC), time!(02:30), datetime!(2026-01-11 02:30 UTC)),
            (datetime!(2026-06-10 01:00 UTC), time!(02:30), datetime!(2026-06-10 01:30 UTC)),
            (datetime!(2026-06-10 23:30 UTC), time!(02:30), datetime!(2026-06-11 01:30 UTC)),
            // 29 March 2026: 01:00 becomes 02:00. 25 October 2026: 02:00 becomes 01:00.
            (datetime!(2026-03-28 23:00 UTC), time!(02:30), datetime!(2026-03-29 01:30 UTC)),
            (datetime!(2026-03-28 23:00 UTC), time!(00:30), datetime!(2026-03-29 00:30 UTC)),
            (datetime!(2026-03-28 23:00 UTC), time!(01:30), datetime!(2026-03-29 01:30 UTC)),
            (datetime!(2026-10-24 23:00 UTC), time!(02:30), datetime!(2026-10-25 02:30 UTC)),
            (datetime!(2026-10-24 20:00 UTC), time!(00:30), datetime!(2026-10-24 23:30 UTC)),
            (datetime!(2026-10-24 23:40 UTC), time!(01:30), datetime!(2026-10-25 00:30 UTC)),
        ] {
            assert_eq!(next_night(at, last), next, "after {last} at {at}");
        }
    }

    #[test]
    fn there_is_one_each_night() {
        let mut at = datetime!(2026-01-01 00:00 UTC);
        for _ in 0..365 {
            let next = next_night(time!(02:30), at);
            let hours = (next - at).whole_hours();
            assert!((2..=25).contains(&hours), "{at} {next}");
            at = next;
        }
        assert_eq!(at.date(), time::macros::date!(2026 - 12 - 31));
    }
}
