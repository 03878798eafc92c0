//! FHIR dates and times, written in a platform's pattern.
//!
//! Digits are moved, never computed: no zone is converted, since the platform's zone is not known here, and the time
//! that the sender wrote is the time that people spoke of. A date that lacks a part of the pattern is told apart, so
//! that the rule decides.

use crate::program::{DateFormat, DatePart};

/// What became of a date.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Formatted {
    /// Written.
    Whole,
    /// The pattern asks for more than the date has.
    Partial,
    /// No FHIR date, dateTime, instant or time.
    Malformed,
}

/// The parts of a FHIR date, each as its own digits.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Parts<'t> {
    year: Option<&'t str>,
    month: Option<&'t str>,
    day: Option<&'t str>,
    hour: Option<&'t str>,
    minute: Option<&'t str>,
    second: Option<&'t str>,
}

/// Writes `text` by `format` behind what stands in `out`; `out` is unchanged unless [`Formatted::Whole`].
pub(crate) fn write(text: &str, format: &DateFormat, out: &mut String) -> Formatted {
    let Some(parts) = parse(text) else { return Formatted::Malformed };
    let before = out.len();
    for part in &format.parts {
        let piece = match part {
            DatePart::Year => parts.year,
            DatePart::Month => parts.month,
            DatePart::Day => parts.day,
            DatePart::Hour => parts.hour,
            DatePart::Minute => parts.minute,
            DatePart::Second => parts.second,
            DatePart::Literal(literal) => Some(literal.as_str()),
        };
        let Some(piece) = piece else {
            out.truncate(before);
            return Formatted::Partial;
        };
        out.push_str(piece);
    }
    Formatted::Whole
}

/// Whether a text is a FHIR date (`2026`, `2026-03`, `2026-03-01`) without a time.
pub(crate) fn is_date(text: &str) -> bool {
    parse(text).is_some_and(|parts| parts.year.is_some() && parts.hour.is_none())
}

/// Whether a text is a FHIR date or dateTime.
pub(crate) fn is_date_time(text: &str) -> bool {
    parse(text).is_some_and(|parts| parts.year.is_some())
}

fn parse(text: &str) -> Option<Parts<'_>> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (Some(date), Some(time)),
        None if text.as_bytes().get(2) == Some(&b':') => (None, Some(text)),
        None => (Some(text), None),
    };
    let mut parts = match date {
        Some(date) => parse_date(date)?,
        None => Parts::default(),
    };
    if let Some(time) = time {
        if date.is_some() && parts.day.is_none() {
            return None;
        }
        parse_time(time, date.is_some(), &mut parts)?;
    }
    Some(parts)
}

fn parse_date(text: &str) -> Option<Parts<'_>> {
    let mut pieces = text.split('-');
    let year = digits(pieces.next()?, 4, 1, 9999)?;
    let month = pieces.next().map(|piece| digits(piece, 2, 1, 12));
    let day = pieces.next().map(|piece| digits(piece, 2, 1, 31));
    let ends = pieces.next().is_none();
    let parts = Parts { year: Some(year), month: flat(month)?, day: flat(day)?, ..Parts::default() };
    ends.then_some(parts)
}

fn parse_time<'t>(text: &'t str, dated: bool, parts: &mut Parts<'t>) -> Option<()> {
    let end = text.find(['Z', '+', '-']);
    let (clock, zone) = end.map_or((text, ""), |at| text.split_at(at));
    let zone_fits = match zone {
        "" => !dated,
        "Z" => dated,
        offset => dated && is_offset(offset),
    };
    let mut pieces = clock.split(':');
    parts.hour = Some(digits(pieces.next()?, 2, 0, 23)?);
    parts.minute = Some(digits(pieces.next()?, 2, 0, 59)?);
    if let Some(seconds) = pieces.next() {
        let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
        parts.second = Some(digits(whole, 2, 0, 60)?);
        if fraction.is_empty() || !fraction.bytes().all(|each| each.is_ascii_digit()) {
            return None;
        }
    }
    (zone_fits && pieces.next().is_none()).then_some(())
}

fn is_offset(text: &str) -> bool {
    let Some((hours, minutes)) = text.get(1..).and_then(|rest| rest.split_once(':')) else { return false };
    digits(hours, 2, 0, 14).is_some() && digits(minutes, 2, 0, 59).is_some()
}

fn digits(text: &str, length: usize, least: u32, most: u32) -> Option<&str> {
    let fits = text.len() == length && text.bytes().all(|each| each.is_ascii_digit());
    let number: u32 = fits.then(|| text.parse().ok()).flatten()?;
    (least..=most).contains(&number).then_some(text)
}

/// An absent part is allowed, a malformed one is not.
#[expect(clippy::option_option, reason = "absent and malformed are told apart here and nowhere else")]
fn flat(part: Option<Option<&str>>) -> Option<Option<&str>> {
    match part {
        Some(None) => None,
        Some(Some(text)) => Some(Some(text)),
        None => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Partial;

    fn british() -> DateFormat {
        let slash = || DatePart::Literal("/".to_owned());
        DateFormat {
            parts: vec![DatePart::Day, slash(), DatePart::Month, slash(), DatePart::Year],
            partial: Partial::Refuse,
        }
    }

    fn clock() -> DateFormat {
        DateFormat {
            parts: vec![DatePart::Hour, DatePart::Literal(":".to_owned()), DatePart::Minute, DatePart::Second],
            partial: Partial::Refuse,
        }
    }

    fn made(text: &str, format: &DateFormat) -> (Formatted, String) {
        let mut out = "x".to_owned();
        let how = write(text, format, &mut out);
        (how, out)
    }

    #[test]
    fn digits_go_where_the_pattern_wants_them() {
        assert_eq!(made("2026-03-01", &british()), (Formatted::Whole, "x01/03/2026".to_owned()));
        assert_eq!(made("2026-03-01T23:59:01.123+01:00", &british()).1, "x01/03/2026", "the sender's own day");
        assert_eq!(made("2026-03-01T23:59:01Z", &clock()).1, "x23:5901");
        assert_eq!(made("09:30:00", &clock()).1, "x09:3000");
    }

    #[test]
    fn a_partial_date_is_told_apart_and_leaves_nothing_behind() {
        for text in ["2026", "2026-03"] {
            assert_eq!(made(text, &british()), (Formatted::Partial, "x".to_owned()), "{text}");
        }
        assert_eq!(made("2026-03-01", &clock()), (Formatted::Partial, "x".to_owned()));
        assert_eq!(made("2026-03-01T10:00Z", &clock()), (Formatted::Partial, "x".to_owned()), "no seconds");
    }

    #[test]
    fn what_is_no_date_is_malformed() {
        for text in [
            "",
            "yesterday",
            "26-03-01",
            "2026-13-01",
            "2026-3-1",
            "2026-03-01-01",
            "2026-03-01T25:00:00Z",
            "2026-03-01T10:00:00",
            "2026T10:00:00Z",
            "2026-03-01T10:00:00.Z",
            "2026-03-01T10:00:00+1",
            "10:00:00Z",
            "01/03/2026",
            "2026-00-01",
            "T",
            "२०२६",
        ] {
            assert_eq!(made(text, &british()).0, Formatted::Malformed, "{text}");
        }
    }

    #[test]
    fn dates_and_date_times_are_known_by_their_shape() {
        assert!(is_date("2026-03") && !is_date("2026-03-01T10:00:00Z") && !is_date("10:00:00"));
        assert!(is_date_time("2026") && is_date_time("2026-03-01T10:00:00Z") && !is_date_time("10:00:00"));
    }
}
