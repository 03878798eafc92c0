//! FHIR dates and times as stretches of time that can be compared.
//!
//! Reads the R4 `date`, `dateTime` and `instant` grammar (datatypes, "Primitive Types"). What a sender wrote stays in
//! the document as written; a [`Moment`] is only for comparing. It never asks the clock.

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

/// The stretch of time that a FHIR date or time can mean. With a time of day both ends are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The first instant it can mean, in UTC.
    pub earliest: OffsetDateTime,
    /// The last instant it can mean, in UTC.
    pub latest: OffsetDateTime,
}

/// Reads a `date`, `dateTime` or `instant`; `None` if it is none of them.
///
/// A text without a time of day (`2026`, `2026-07`, `2026-07-14`) has no zone in FHIR: it runs from the first to the
/// last nanosecond of that year, month or day in UTC. More than nine fraction digits are cut off. A leap second
/// (`:60`, which R4 allows) counts as the last nanosecond of its minute, so that it stays on its own day.
#[must_use]
pub fn parse(text: &str) -> Option<Moment> {
    read(text, Time::MAX)
}

/// As [`parse`], but a text without a time of day means only the time that lies inside it in Europe/London both in
/// summer and in winter: from 00:00:00Z on the first day to 22:59:59.999Z on the last.
///
/// For limits on sharing, such as a consent's period, where of two readings the one that shares less is wanted:
/// in summer the last hour of a UTC day is already the next day in London.
#[must_use]
pub fn parse_inward(text: &str) -> Option<Moment> {
    read(text, Time::from_hms_milli(22, 59, 59, 999).ok()?)
}

/// An `instant` in UTC with exactly three fraction digits and `Z`, the way the gateway writes its own. Finer parts
/// are cut off.
#[must_use]
pub fn to_instant(at: OffsetDateTime) -> String {
    let at = at.checked_to_offset(UtcOffset::UTC).unwrap_or(at);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond()
    )
}

/// `day_end` is where a day without a time of day ends.
fn read(text: &str, day_end: Time) -> Option<Moment> {
    match text.split_once('T') {
        Some((day, time)) => {
            let (first, last) = days(day)?;
            // A time of day asks for a whole date.
            let at = if day.len() == 10 && first == last { at_time(first, time)? } else { return None };
            Some(Moment { earliest: at, latest: at })
        }
        None => {
            let (first, last) = days(text)?;
            let earliest = PrimitiveDateTime::new(first, Time::MIDNIGHT).assume_utc();
            Some(Moment { earliest, latest: PrimitiveDateTime::new(last, day_end).assume_utc() })
        }
    }
}

/// The first and last day of `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
fn days(text: &str) -> Option<(Date, Date)> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next(), parts.next());
    if parts.next().is_some() {
        return None;
    }
    let year = i32::from(digits(year, 4)?);
    if year == 0 {
        return None;
    }
    let Some(month) = month else {
        let first = Date::from_calendar_date(year, Month::January, 1).ok()?;
        return Some((first, Date::from_calendar_date(year, Month::December, 31).ok()?));
    };
    let month = Month::try_from(byte(month)?).ok()?;
    let Some(day) = day else {
        let first = Date::from_calendar_date(year, month, 1).ok()?;
        return Some((first, Date::from_calendar_date(year, month, month.length(year)).ok()?));
    };
    let day = Date::from_calendar_date(year, month, byte(day)?).ok()?;
    Some((day, day))
}

/// The instant of `hh:mm:ss[.fraction](Z|±hh:mm)` on this day.
fn at_time(day: Date, text: &str) -> Option<OffsetDateTime> {
    let (hour, rest) = text.split_at_checked(2)?;
    let (minute, rest) = rest.strip_prefix(':')?.split_at_checked(2)?;
    let (second, rest) = rest.strip_prefix(':')?.split_at_checked(2)?;
    let zone_start = rest.find(['Z', '+', '-'])?;
    let (fraction, zone) = rest.split_at_checked(zone_start)?;
    let nanoseconds = if fraction.is_empty() { 0 } else { nanoseconds(fraction.strip_prefix('.')?)? };
    let time = match byte(second)? {
        60 => Time::from_hms_nano(byte(hour)?, byte(minute)?, 59, 999_999_999),
        second => Time::from_hms_nano(byte(hour)?, byte(minute)?, second, nanoseconds),
    };
    let local = PrimitiveDateTime::new(day, time.ok()?).assume_offset(offset(zone)?);
    // At the very ends of the calendar UTC may have no such day.
    local.checked_to_offset(UtcOffset::UTC)
}

/// The first nine digits as nanoseconds; the others need only be digits.
fn nanoseconds(fraction: &str) -> Option<u32> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nine = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    Some(nine.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
}

/// `Z`, or an offset of at most 14 hours.
fn offset(zone: &str) -> Option<UtcOffset> {
    if zone == "Z" {
        return Some(UtcOffset::UTC);
    }
    let (sign, rest) = zone.split_at_checked(1)?;
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (i8::try_from(byte(hours)?).ok()?, i8::try_from(byte(minutes)?).ok()?);
    if minutes > 59 || hours > 14 || (hours == 14 && minutes > 0) {
        return None;
    }
    match sign {
        "+" => UtcOffset::from_hms(hours, minutes, 0).ok(),
        "-" => UtcOffset::from_hms(-hours, -minutes, 0).ok(),
        _ => None,
    }
}

/// Two digits.
fn byte(text: &str) -> Option<u8> {
    u8::try_from(digits(text, 2)?).ok()
}

/// Exactly so many digits (a sign, which `parse` would take, is none).
fn digits(text: &str, count: usize) -> Option<u16> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    #[test]
    fn a_time_of_day_is_one_instant() {
        for (text, at) in [
            ("2026-07-14T09:30:00Z", datetime!(2026-07-14 09:30 UTC)),
            ("2026-07-14T09:30:00+01:00", datetime!(2026-07-14 08:30 UTC)),
            ("2026-07-14T09:30:00.1Z", datetime!(2026-07-14 09:30:00.1 UTC)),
            ("2026-07-14T09:30:00.123456789-14:00", datetime!(2026-07-14 23:30:00.123456789 UTC)),
            ("2026-07-14T09:30:00.1234567891234Z", datetime!(2026-07-14 09:30:00.123456789 UTC)),
            ("2016-12-31T23:59:60Z", datetime!(2016-12-31 23:59:59.999999999 UTC)),
            ("2024-02-29T00:00:00Z", datetime!(2024-02-29 00:00 UTC)),
        ] {
            assert_eq!(parse(text), Some(Moment { earliest: at, latest: at }), "{text}");
            assert_eq!(parse_inward(text), parse(text), "{text}");
        }
    }

    #[test]
    fn a_date_is_a_stretch() {
        for (text, earliest, latest) in [
            ("2026", datetime!(2026-01-01 0:00 UTC), datetime!(2026-12-31 23:59:59.999999999 UTC)),
            ("2024-02", datetime!(2024-02-01 0:00 UTC), datetime!(2024-02-29 23:59:59.999999999 UTC)),
            ("2026-07-14", datetime!(2026-07-14 0:00 UTC), datetime!(2026-07-14 23:59:59.999999999 UTC)),
        ] {
            assert_eq!(parse(text), Some(Moment { earliest, latest }), "{text}");
        }
        let inward = parse_inward("2026-07-14").unwrap();
        assert_eq!(inward.earliest, datetime!(2026-07-14 0:00 UTC));
        assert_eq!(inward.latest, datetime!(2026-07-14 22:59:59.999 UTC));
    }

    #[test]
    fn other_texts_are_no_times() {
        for text in [
            "",
            "26",
            "0000",
            "2026-13",
            "2026-00",
            "2026-7-14",
            "2026-02-30",
            "2026-07-14T",
            "2026-07-14T09:30Z",
            "2026-07-14T09:30:00",
            "2026-07-14T24:00:00Z",
            "2026-07-14T09:30:61Z",
            "2026-07-14T09:30:00.Z",
            "2026-07-14T09:30:00+14:01",
            "2026-07-14T09:30:00+1:00",
            "2026-07T09:30:00Z",
            "2026-07-14t09:30:00z",
            "2026-07-14T09:30:00Z ",
            "+026-07-14",
            "2026-07-14-01",
            "2026-07-14T09:30:00.1.2Z",
            "2026-07-14T+9:30:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_gateway_writes_utc_milliseconds() {
        assert_eq!(to_instant(datetime!(2026-07-14 09:30:00.0009 +1)), "2026-07-14T08:30:00.000Z");
        assert_eq!(to_instant(datetime!(2026-07-14 09:30:00.12 UTC)), "2026-07-14T09:30:00.120Z");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(milliseconds in 0i64..4_000_000_000_000) {
            let at = OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(milliseconds);
            prop_assert_eq!(parse(&to_instant(at)), Some(Moment { earliest: at, latest: at }));
        }

        #[test]
        fn no_text_panics(text in "[0-9]{0,5}[-T:.0-9Z+é]{0,30}") {
            let _ = parse(&text);
        }

        #[test]
        fn inward_lies_inside(year in 1u16..=9999, month in 1u8..=12, day in 1u8..=28) {
            let text = format!("{year:04}-{month:02}-{day:02}");
            for text in [&text[..4], &text[..7], &text] {
                let (wide, narrow) = (parse(text).unwrap(), parse_inward(text).unwrap());
                prop_assert!(wide.earliest <= narrow.earliest && narrow.latest <= wide.latest);
            }
        }
    }
}
