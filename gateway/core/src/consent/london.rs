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
pub(super) fn midnight(day: Date) -> Option<(OffsetDateTime, OffsetDateTime)> {
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
