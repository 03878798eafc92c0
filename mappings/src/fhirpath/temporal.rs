//! Dates and times as they are written: checked, compared with their precision, shifted by their offset. There is no
//! default time zone and no clock here: where an answer hangs on one, there is no answer.

use std::cmp::Ordering;

use super::types::System;

/// A date, date with time, or time, in parts. What is not written is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Temporal<'t> {
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    hour: Option<u32>,
    minute: Option<u32>,
    second: Option<u32>,
    /// Digits behind the seconds, without trailing zeros.
    fraction: &'t str,
    /// Offset from UTC in minutes.
    offset: Option<i32>,
}

/// Reads a value as FHIR and FHIRPath write it. `None` if it is not written as its type demands.
pub(super) fn read(text: &str, system: System) -> Option<Temporal<'_>> {
    let (date, time) = match system {
        System::Time => ("", text),
        System::Date => (text, ""),
        _ => text.split_once('T').unwrap_or((text, "")),
    };
    let mut read = Temporal::default();
    if system != System::Time {
        read.date(date)?;
    }
    if !time.is_empty() {
        if system == System::DateTime && read.day.is_none() {
            return None;
        }
        let zone = if system == System::DateTime { time.find(['Z', '+', '-']) } else { None };
        let (time, zone) = time.split_at(zone.unwrap_or(time.len()));
        read.time(time)?;
        if !zone.is_empty() {
            read.minute?;
            read.offset = Some(offset(zone)?);
        }
    } else if system == System::Time || text.ends_with('T') {
        return None;
    }
    Some(read)
}

/// As [`read`], for what FHIRPath writes itself: its clock has no leap second.
pub(super) fn read_strict(text: &str, system: System) -> Option<Temporal<'_>> {
    read(text, system).filter(|read| read.second != Some(60))
}

impl<'t> Temporal<'t> {
    fn date(&mut self, text: &str) -> Option<()> {
        let mut parts = text.split('-');
        let year = digits(parts.next()?, 4)?;
        self.year = Some(i32::try_from(year).ok().filter(|year| *year > 0)?);
        if let Some(month) = parts.next() {
            self.month = Some(digits(month, 2).filter(|month| (1..=12).contains(month))?);
        }
        if let Some(day) = parts.next() {
            let last = month_length(self.year?, self.month?);
            self.day = Some(digits(day, 2).filter(|day| (1..=last).contains(day))?);
        }
        parts.next().is_none().then_some(())
    }

    fn time(&mut self, text: &'t str) -> Option<()> {
        let (text, fraction) = match text.split_once('.') {
            Some((_, "")) => return None,
            Some((text, fraction)) => (text, Some(fraction)),
            None => (text, None),
        };
        let mut parts = text.split(':');
        self.hour = Some(digits(parts.next()?, 2).filter(|hour| *hour < 24)?);
        if let Some(minute) = parts.next() {
            self.minute = Some(digits(minute, 2).filter(|minute| *minute < 60)?);
        }
        if let Some(second) = parts.next() {
            // FHIR has leap seconds; FHIRPath does not write them.
            self.second = Some(digits(second, 2).filter(|second| *second <= 60)?);
        }
        if let Some(fraction) = fraction {
            self.second?;
            if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            self.fraction = fraction.trim_end_matches('0');
        }
        parts.next().is_none().then_some(())
    }

    /// The same instant with this offset; `self` must have minutes.
    fn moved(&self, minutes: i32) -> Option<Self> {
        let days = days_from_civil(self.year?, self.month?, self.day?);
        let of_day = i64::from(self.hour?) * 60 + i64::from(self.minute?) + i64::from(minutes);
        let (year, month, day) = civil_from_days(days + of_day.div_euclid(24 * 60));
        let of_day = u32::try_from(of_day.rem_euclid(24 * 60)).ok()?;
        Some(Self {
            year: Some(year),
            month: Some(month),
            day: Some(day),
            hour: Some(of_day / 60),
            minute: Some(of_day % 60),
            offset: None,
            ..*self
        })
    }

    /// Part by part. `None` where one has a part that the other has not, and all before it are equal.
    fn by_parts(&self, other: &Self) -> Option<Ordering> {
        let parts =
            |of: &Self| [of.year.and_then(|year| u32::try_from(year).ok()), of.month, of.day, of.hour, of.minute];
        for (left, right) in parts(self).into_iter().zip(parts(other)) {
            match (left, right) {
                (Some(left), Some(right)) if left == right => {}
                (Some(left), Some(right)) => return Some(left.cmp(&right)),
                // A time has no date on either side; a part that both lack ends the comparison if none follows.
                (None, None) => {}
                _ => return None,
            }
        }
        match (self.second, other.second) {
            (Some(left), Some(right)) => Some(left.cmp(&right).then_with(|| self.fraction.cmp(other.fraction))),
            (None, None) => Some(Ordering::Equal),
            _ => None,
        }
    }
}

/// The farthest that clocks on Earth are from UTC.
const WEST: i32 = -12 * 60;
const EAST: i32 = 14 * 60;

/// Compares two values of the same kind, or a date and a date with time. `None` if what is written does not decide.
pub(super) fn compare(left: &Temporal<'_>, right: &Temporal<'_>) -> Option<Ordering> {
    match (left.offset, right.offset) {
        (Some(from), Some(to)) => left.moved(-from)?.by_parts(&right.moved(-to)?),
        (None, None) => left.by_parts(right),
        (Some(from), None) => unzoned(&left.moved(-from)?, right),
        (None, Some(to)) => unzoned(&right.moved(-to)?, left).map(Ordering::reverse),
    }
}

/// An instant in UTC against what was written without an offset: decided only if it is decided wherever that was.
fn unzoned(instant: &Temporal<'_>, local: &Temporal<'_>) -> Option<Ordering> {
    let west = instant.moved(WEST)?.by_parts(local)?;
    let east = instant.moved(EAST)?.by_parts(local)?;
    (west == east && west != Ordering::Equal).then_some(west)
}

fn digits(text: &str, length: usize) -> Option<u32> {
    (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn offset(text: &str) -> Option<i32> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1, text),
        None => (1, text.strip_prefix('+')?),
    };
    let (hours, minutes) = text.split_once(':')?;
    let hours = digits(hours, 2).filter(|hours| *hours <= 14)?;
    let minutes = digits(minutes, 2).filter(|minutes| *minutes < 60)?;
    Some(sign * i32::try_from(hours * 60 + minutes).ok()?)
}

fn month_length(year: i32, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar.
fn days_from_civil(year: i32, month: u32, day: u32) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((i64::from(month) + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil_from_days(days: i64) -> (i32, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let small = |value: i64| u32::try_from(value).unwrap_or_default();
    (i32::try_from(year).unwrap_or_default(), small(month), small(day))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(left: &str, right: &str) -> Option<Ordering> {
        let at = |text| read(text, System::DateTime).unwrap();
        compare(&at(left), &at(right))
    }

    #[test]
    fn what_the_calendar_and_the_clock_do_not_have_does_not_read() {
        for text in [
            "0000",
            "26",
            "2026-1",
            "2026-13",
            "2026-02-29",
            "2026-00",
            "2026-01-32",
            "2026-01-31T",
            "2026-01T10:00",
            "2026-01-31T24:00",
            "2026-01-31T10:60",
            "2026-01-31T10:00:61",
            "2026-01-31T10:00.5",
            "2026-01-31T10Z",
            "2026-01-31T10:00:00.",
            "2026-01-31T10:00:00+15:00",
            "2026-01-31T10:00:00+1:00",
            "2026-01-31T10:00:00z",
            "2026-01-31 10:00",
            "2026-01-31-01",
            " 2026",
            "",
        ] {
            assert_eq!(read(text, System::DateTime), None, "{text}");
        }
        assert!(read("2024-02-29", System::Date).is_some() && read("2000-02-29", System::Date).is_some());
        assert!(read("1900-02-29", System::Date).is_none() && read("2026-01-31T10:00", System::Date).is_none());
        assert!(read("10:30:00.5", System::Time).is_some() && read("10:30Z", System::Time).is_none());
        assert!(read("23:59:60", System::Time).is_some() && read_strict("23:59:60", System::Time).is_none());
    }

    #[test]
    fn precision_and_offsets_decide_or_leave_it_open() {
        use Ordering::{Equal, Greater, Less};
        for (left, right, expected) in [
            ("2026", "2026", Some(Equal)),
            ("2026", "2027-05", Some(Less)),
            ("2026", "2026-05", None),
            ("2026-05", "2026-05-01", None),
            ("2026-05-01", "2026-05-01T10:00:00Z", None),
            ("2026-05-01", "2026-05-03T10:00:00Z", Some(Less)),
            ("2026-05-01T10:00", "2026-05-01T10:00:00", None),
            ("2026-05-01T10:00:00.0", "2026-05-01T10:00:00", Some(Equal)),
            ("2026-05-01T10:00:00.10", "2026-05-01T10:00:00.1", Some(Equal)),
            ("2026-05-01T10:00:00.09", "2026-05-01T10:00:00.1", Some(Less)),
            ("2026-05-01T00:30:00+01:00", "2026-04-30T23:30:00Z", Some(Equal)),
            ("2026-01-01T00:30:00+01:00", "2025-12-31T23:31:00Z", Some(Less)),
            ("2024-03-01T00:00:00+01:00", "2024-02-29T23:00:00Z", Some(Equal)),
            ("2026-05-01T10:00:00Z", "2026-05-01T10:00:00", None),
            ("2026-05-01T10:00:00Z", "2026-05-03T10:00:00", Some(Less)),
            ("2026-05-03T10:00:00Z", "2026-05-01T10:00:00", Some(Greater)),
            ("2026-05-01T20:00:00-11:00", "2026-05-02", None),
        ] {
            assert_eq!(order(left, right), expected, "{left} {right}");
            assert_eq!(order(right, left), expected.map(Ordering::reverse), "{right} {left}");
        }
    }

    #[test]
    fn days_are_counted_and_counted_back() {
        assert_eq!(days_from_civil(1970, 1, 1), 0);
        assert_eq!(days_from_civil(2000, 3, 1), 11_017);
        for days in (-719_162..2_932_896).step_by(97) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
            assert!((1..=month_length(year, month)).contains(&day));
        }
    }
}
