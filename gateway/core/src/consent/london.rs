//! Days in London: FHIR dates bear no zone, and those who write them mean the day on the wall (R4).
//!
//! The rule is arithmetic: summer time runs from 01:00 UTC on the last Sunday of March to 01:00 UTC on the last Sunday of
//! October (Summer Time Order 2002; the same since 1996). For earlier years, in which the rule changed often, a day
//! begins somewhere within two hours, and the caller gets both ends. No zone database is needed, and none can be stale;
//! should Parliament change the rule, [`is_summer_at_midnight`] changes.

use time::{Date, Duration, Month, OffsetDateTime, PrimitiveDateTime, Time};

/// The first year of the present rule.
const RULE_SINCE: i32 = 1996;

/// The earliest and the latest instant at which this day may begin in London; the same since 1996.
pub(crate) fn midnight(day: Date) -> Option<(OffsetDateTime, OffsetDateTime)> {
    let greenwich = PrimitiveDateTime::new(day, Time::MIDNIGHT).assume_utc();
    if day.year() < RULE_SINCE {
        return Some((greenwich.checked_sub(Duration::hours(2))?, greenwich));
    }
    let begins = if is_summer_at_midnight(day)? { greenwich.checked_sub(Duration::HOUR)? } else { greenwich };
    Some((begins, begins))
}

/// The day on the wall in London; of two possible days the earlier.
pub(crate) fn day(at: OffsetDateTime) -> Option<Date> {
    let greenwich = at.checked_to_offset(time::UtcOffset::UTC)?.date();
    let tomorrow = greenwich.next_day()?;
    let (_, begins) = midnight(tomorrow)?;
    Some(if begins <= at { tomorrow } else { greenwich })
}

/// The same instant as a clock on a wall in London shows it; in UTC before the present rule, and where the rule has no answer.
pub(super) fn shown_on_the_wall(at: OffsetDateTime) -> OffsetDateTime {
    let greenwich = at.to_offset(time::UtcOffset::UTC);
    let change =
        |month| Some(PrimitiveDateTime::new(last_sunday(greenwich.year(), month)?, Time::from_hms(1, 0, 0).ok()?));
    let summer = change(Month::March).zip(change(Month::October)).is_some_and(|(begins, ends)| {
        greenwich.year() >= RULE_SINCE && begins.assume_utc() <= greenwich && greenwich < ends.assume_utc()
    });
    match time::UtcOffset::from_hms(1, 0, 0) {
        Ok(hour) if summer => greenwich.to_offset(hour),
        _ => greenwich,
    }
}

/// When the clocks on the wall in London show this time on this day. An hour that is passed over counts as the one behind it, and of one
/// that comes twice the first counts.
pub(crate) fn on_the_wall(day: Date, time: Time) -> Option<OffsetDateTime> {
    let ((_, begins), (_, ends)) = (midnight(day)?, midnight(day.next_day()?)?);
    let (length, shown) = (ends - begins, time - Time::MIDNIGHT);
    // The clocks change between 01:00 and 02:00 on the wall, whichever way.
    let changed = if shown >= Duration::hours(2) { length - Duration::DAY } else { Duration::ZERO };
    begins.checked_add(shown + changed)
}

/// The clocks change at 01:00 UTC, after the midnight of the first Sunday and after that of the last.
fn is_summer_at_midnight(day: Date) -> Option<bool> {
    let (begins, ends) = (last_sunday(day.year(), Month::March)?, last_sunday(day.year(), Month::October)?);
    Some(begins < day && day <= ends)
}

/// Both months have 31 days.
fn last_sunday(year: i32, month: Month) -> Option<Date> {
    let last = Date::from_calendar_date(year, month, 31).ok()?;
    last.checked_sub(Duration::days(i64::from(last.weekday().number_days_from_sunday())))
}

#[cfg(test)]
mod tests {
    use super::shown_on_the_wall;
    use time::macros::datetime;

    #[test]
    fn the_clock_on_the_wall_changes_at_one() {
        for (at, shown) in [
            (datetime!(2026-03-29 00:59:59 UTC), datetime!(2026-03-29 00:59:59 +0)),
            (datetime!(2026-03-29 01:00 UTC), datetime!(2026-03-29 02:00 +1)),
            (datetime!(2026-10-25 00:59:59 UTC), datetime!(2026-10-25 01:59:59 +1)),
            (datetime!(2026-10-25 01:00 UTC), datetime!(2026-10-25 01:00 +0)),
            (datetime!(2026-07-01 12:00 +5), datetime!(2026-07-01 08:00 +1)),
        ] {
            let found = shown_on_the_wall(at);
            assert_eq!((found, found.offset()), (shown, shown.offset()), "{at}");
        }
    }
}
