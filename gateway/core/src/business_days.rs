//! Business days in London: neither Saturday nor Sunday nor a bank holiday of England.
//!
//! The bank holidays are made by rule (Banking and Financial Dealings Act 1971, schedule 1, and the royal proclamations that have
//! moved the same days every year since 1978; Good Friday and Christmas Day are common-law holidays). What is proclaimed for one
//! year alone, such as a coronation, follows from no rule: an operator adds it ([`BusinessDays::off`]), and takes a day out that
//! was moved ([`BusinessDays::on`]).

use crate::consent::london;
use std::collections::BTreeSet;
use time::{Date, Duration, Month, OffsetDateTime, Weekday};

/// No more days are looked through for one deadline: whoever configures more days off in a row than this has a deadline all the same.
const FURTHEST: u32 = 3_660;

/// Which days count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BusinessDays {
    /// Days on which nobody works although the rule does not say so.
    pub off: BTreeSet<Date>,
    /// Days on which people work although the rule says that they do not: a bank holiday that was moved.
    pub on: BTreeSet<Date>,
}

impl BusinessDays {
    /// Whether people work on this day.
    #[must_use]
    pub fn is_one(&self, day: Date) -> bool {
        let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
        !weekend && !self.off.contains(&day) && (self.on.contains(&day) || !is_bank_holiday(day))
    }

    /// The end, in London, of the business day that is so many after the one of `at`. A day on which nobody works counts for none: what
    /// happens on a Saturday counts from Monday as what happens on Friday evening does. 0 = the end of the same day, or of the next
    /// business day if it is none.
    #[must_use]
    pub fn after(&self, at: OffsetDateTime, days: u32) -> OffsetDateTime {
        self.counted(at, days).unwrap_or(at)
    }

    fn counted(&self, at: OffsetDateTime, days: u32) -> Option<OffsetDateTime> {
        let mut day = london::day(at)?;
        // The day itself is the zeroth, if it is one.
        let mut left = if self.is_one(day) { days } else { days.max(1) };
        for _ in 0..FURTHEST {
            if left == 0 {
                break;
            }
            day = day.next_day()?;
            left -= u32::from(self.is_one(day));
        }
        end_of(day)
    }
}

/// The last millisecond of the London day of `at`.
#[must_use]
pub fn end_of_day(at: OffsetDateTime) -> OffsetDateTime {
    london::day(at).and_then(end_of).unwrap_or(at)
}

fn end_of(day: Date) -> Option<OffsetDateTime> {
    london::midnight(day.next_day()?)?.0.checked_sub(Duration::MILLISECOND)
}

/// Whether the rule makes this day a bank holiday of England.
#[must_use]
pub fn is_bank_holiday(day: Date) -> bool {
    let (month, of_month, weekday) = (day.month(), day.day(), day.weekday());
    let monday = weekday == Weekday::Monday;
    let by_date = match month {
        // A New Year's Day at the weekend is kept on the Monday after it.
        Month::January => (of_month == 1 && !is_weekend(weekday)) || (monday && matches!(of_month, 2 | 3)),
        // Early May and spring: the first and the last Monday.
        Month::May => monday && (of_month <= 7 || of_month > 24),
        // Summer: the last Monday.
        Month::August => monday && of_month > 24,
        Month::December => is_christmas(of_month, weekday),
        _ => false,
    };
    by_date || is_easter(day)
}

const fn is_weekend(weekday: Weekday) -> bool {
    matches!(weekday, Weekday::Saturday | Weekday::Sunday)
}

/// The 25th and the 26th, or for each of them that is at the weekend one of the two days after.
const fn is_christmas(of_month: u8, weekday: Weekday) -> bool {
    match of_month {
        25 | 26 => !is_weekend(weekday),
        // For a 25th that was a Saturday; for one that was a Sunday, as the 26th is kept itself.
        27 => matches!(weekday, Weekday::Monday | Weekday::Tuesday),
        // For a 26th that was a Saturday; for one that was a Sunday, as the 27th is kept for the 25th.
        28 => matches!(weekday, Weekday::Monday | Weekday::Tuesday),
        _ => false,
    }
}

/// Good Friday and Easter Monday.
fn is_easter(day: Date) -> bool {
    let Some(sunday) = easter_sunday(day.year()) else { return false };
    day == sunday - Duration::days(2) || day == sunday + Duration::days(1)
}

/// Easter Sunday of the Gregorian calendar (Meeus, Jones and Butcher); years of our era only.
fn easter_sunday(year: i32) -> Option<Date> {
    if year < 1583 {
        return None;
    }
    let (golden, century, of_century) = (year % 19, year / 100, year % 100);
    let correction = (century - (century + 8) / 25 + 1) / 3;
    let epact = (19 * golden + century - century / 4 - correction + 15) % 30;
    let to_sunday = (32 + 2 * (century % 4) + 2 * (of_century / 4) - epact - of_century % 4) % 7;
    let late = (golden + 11 * epact + 22 * to_sunday) / 451;
    let days = epact + to_sunday - 7 * late + 114;
    let month = if days / 31 == 3 { Month::March } else { Month::April };
    Date::from_calendar_date(year, month, u8::try_from(days % 31 + 1).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::{BusinessDays, end_of_day, is_bank_holiday};
    use std::collections::BTreeSet;
    use time::macros::{date, datetime};
    use time::{Date, Month, Weekday};

    /// Bank holidays in England and Wales as published for 2024 to 2028, those for one year alone left out (there are none in these
    /// years). `tests/data/bank-holidays.csv` says where it comes from.
    const PUBLISHED: &str = include_str!("../tests/data/bank-holidays.csv");

    fn published() -> BTreeSet<Date> {
        let rows = PUBLISHED.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        rows.map(|line| day(line.split_once(',').expect("a day and a name").0)).collect()
    }

    fn day(text: &str) -> Date {
        let mut parts = text.split('-').map(|part| part.parse::<i32>().expect("a number"));
        let mut next = || parts.next().expect("year, month, day");
        let (year, month, day) = (next(), u8::try_from(next()).expect("small"), u8::try_from(next()).expect("small"));
        Date::from_calendar_date(year, Month::try_from(month).expect("a month"), day).expect("a date")
    }

    #[test]
    fn the_rule_gives_what_was_published() {
        let published = published();
        let (first, last) = (date!(2024 - 01 - 01), date!(2028 - 12 - 31));
        assert!(published.len() == 8 * 5 && published.iter().all(|day| (first..=last).contains(day)));
        let mut day = first;
        while day <= last {
            assert_eq!(is_bank_holiday(day) && !weekend(day), published.contains(&day), "{day}");
            day = day.next_day().expect("not the last");
        }
    }

    fn weekend(day: Date) -> bool {
        matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
    }

    /// Eight holidays a year, none at a weekend, whatever the year.
    #[test]
    fn every_year_has_eight_that_nobody_works_on() {
        for year in 1980..=2200 {
            let mut day = Date::from_calendar_date(year, Month::January, 1).expect("a date");
            let mut count = 0;
            while day.year() == year {
                assert!(!(is_bank_holiday(day) && weekend(day)), "{day}");
                count += u32::from(is_bank_holiday(day));
                day = day.next_day().expect("not the last");
            }
            assert_eq!(count, 8, "{year}");
        }
    }

    #[test]
    fn deadlines_pass_over_days_on_which_nobody_works() {
        let days = BusinessDays::default();
        for (at, count, due) in [
            // A Monday in summer: the day ends at 23:00 UTC.
            (datetime!(2026-06-15 12:00 UTC), 0, datetime!(2026-06-15 22:59:59.999 UTC)),
            (datetime!(2026-06-15 12:00 UTC), 1, datetime!(2026-06-16 22:59:59.999 UTC)),
            (datetime!(2026-06-15 12:00 UTC), 5, datetime!(2026-06-22 22:59:59.999 UTC)),
            // 23:30 UTC is the next day in London already.
            (datetime!(2026-06-15 23:30 UTC), 0, datetime!(2026-06-16 22:59:59.999 UTC)),
            // A Saturday and a Friday evening: one business day is Monday.
            (datetime!(2026-06-20 09:00 UTC), 1, datetime!(2026-06-22 22:59:59.999 UTC)),
            (datetime!(2026-06-19 20:00 UTC), 1, datetime!(2026-06-22 22:59:59.999 UTC)),
            (datetime!(2026-06-20 09:00 UTC), 0, datetime!(2026-06-22 22:59:59.999 UTC)),
            // Over Christmas 2026: Friday the 25th, Monday the 28th for Saturday the 26th.
            (datetime!(2026-12-24 12:00 UTC), 1, datetime!(2026-12-29 23:59:59.999 UTC)),
            // Over Easter, and over the change to summer time.
            (datetime!(2027-03-25 12:00 UTC), 1, datetime!(2027-03-30 22:59:59.999 UTC)),
        ] {
            assert_eq!(days.after(at, count), due, "{at} and {count}");
        }
        assert_eq!(end_of_day(datetime!(2026-06-20 23:30 UTC)), datetime!(2026-06-21 22:59:59.999 UTC));
    }

    #[test]
    fn one_year_may_differ_from_the_rule() {
        // 2022: the spring holiday was moved to Thursday 2 June, and Friday 3 June was the jubilee.
        let off = BTreeSet::from([date!(2022 - 06 - 02), date!(2022 - 06 - 03)]);
        let days = BusinessDays { off, on: BTreeSet::from([date!(2022 - 05 - 30)]) };
        assert!(days.is_one(date!(2022 - 05 - 30)) && !days.is_one(date!(2022 - 06 - 02)));
        assert_eq!(days.after(datetime!(2022-06-01 12:00 UTC), 1), datetime!(2022-06-06 22:59:59.999 UTC));
        assert!(!BusinessDays { on: BTreeSet::from([date!(2026 - 06 - 20)]), ..days }.is_one(date!(2026 - 06 - 20)));
    }

    #[test]
    fn a_calendar_without_a_business_day_ends() {
        let all = std::iter::successors(Some(date!(2026 - 01 - 01)), |day| day.next_day()).take(5_000).collect();
        let due = BusinessDays { off: all, on: BTreeSet::new() }.after(datetime!(2026-01-01 12:00 UTC), 1);
        assert!(due > datetime!(2036-01-01 0:00 UTC));
    }
}
