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
    if text.as_bytes().get(2) == Some(&b':') {
        let mut parts = Parts::default();
        parse_time(text, false, &mut parts)?;
        return Some(parts);
    }
    let mut parts = Parts { year: digits(text, 0, 4, 1, 9999), ..Parts::default() };
    parts.year?;
    if text.len() >= 7 {
        parts.month = Some(part(text, 4, b'-', 1, 12)?);
    }
    if text.len() >= 10 {
        parts.day = Some(part(text, 7, b'-', 1, 31)?);
    }
    match text.len() {
        4 | 7 | 10 => Some(parts),
        _ => {
            parts.day?;
            parse_time(text.get(10..)?.strip_prefix('T')?, true, &mut parts)?;
            Some(parts)
        }
    }
}

/// `10:00`, `10:00:00` or `10:00:00.000`, with a zone if it is of a day and only then.
fn parse_time<'t>(text: &'t str, dated: bool, parts: &mut Parts<'t>) -> Option<()> {
    parts.hour = Some(digits(text, 0, 2, 0, 23)?);
    parts.minute = Some(part(text, 2, b':', 0, 59)?);
    let mut rest = text.get(5..)?;
    if rest.starts_with(':') {
        parts.second = Some(part(rest, 0, b':', 0, 60)?);
        rest = rest.get(3..)?;
        if let Some(fraction) = rest.strip_prefix('.') {
            rest = fraction.trim_start_matches(|each: char| each.is_ascii_digit());
            if rest.len() == fraction.len() {
                return None;
            }
        }
    }
    let zone_fits = match rest.as_bytes() {
        [] => !dated,
        [b'Z'] => dated,
        [b'+' | b'-', ..] if rest.len() == 6 => {
            dated && digits(rest, 1, 2, 0, 14).is_some() && part(rest, 3, b':', 0, 59).is_some()
        }
        _ => false,
    };
    zone_fits.then_some(())
}

/// Two digits behind a separator that stands at `at`.
fn part(text: &str, at: usize, separator: u8, least: u32, most: u32) -> Option<&str> {
    let there = text.as_bytes().get(at) == Some(&separator);
    there.then(|| digits(text, at + 1, 2, least, most)).flatten()
}

/// So many digits at a place, with a value in a range.
fn digits(text: &str, at: usize, length: usize, least: u32, most: u32) -> Option<&str> {
    let found = text.get(at..at + length)?;
    let number = found
        .bytes()
        .try_fold(0_u32, |number, each| each.is_ascii_digit().then(|| number * 10 + u32::from(each - b'0')))?;
    (least..=most).contains(&number).then_some(found)
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
