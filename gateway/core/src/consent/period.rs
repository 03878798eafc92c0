//! Periods and dates as FHIR writes them: ends included to their precision, days as London has them.

use super::london;
use super::truth::Truth;
use gateway_fhir::{Json, instant};
use time::{Duration, OffsetDateTime};

/// A stretch of time whose ends may be uncertain: each as its earliest and its latest instant. The end is the first
/// instant after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    begins: (OffsetDateTime, OffsetDateTime),
    ends: (OffsetDateTime, OffsetDateTime),
}

/// How a period stands to now, with why it does not cover it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It covers it.
    Covers,
    /// It begins later.
    NotYet,
    /// It ended earlier.
    Over,
    /// It cannot be told.
    Unclear,
}

impl Standing {
    pub(super) fn truth(self) -> Truth {
        match self {
            Self::Covers => Truth::Yes,
            Self::NotYet | Self::Over => Truth::No,
            Self::Unclear => Truth::Unknown,
        }
    }
}

/// An open end.
const EVER: (OffsetDateTime, OffsetDateTime) =
    (time::macros::datetime!(0001-01-01 0:00 UTC), time::macros::datetime!(0001-01-01 0:00 UTC));
const NEVER: (OffsetDateTime, OffsetDateTime) = (
    time::macros::datetime!(9999-12-31 23:59:59.999999999 UTC),
    time::macros::datetime!(9999-12-31 23:59:59.999999999 UTC),
);

/// How this Period stands to now.
pub(super) fn standing(period: &Json, now: OffsetDateTime) -> Standing {
    let Some(stretch) = read_period(period) else { return Standing::Unclear };
    if now >= stretch.ends.1 {
        Standing::Over
    } else if now < stretch.begins.0 {
        Standing::NotYet
    } else if now >= stretch.begins.1 && now < stretch.ends.0 {
        Standing::Covers
    } else {
        Standing::Unclear
    }
}

/// Whether what happened in `inner` happened within this Period.
pub(super) fn lies_within(inner: &Stretch, period: &Json) -> Truth {
    let Some(outer) = read_period(period) else { return Truth::Unknown };
    if inner.ends.1 <= outer.begins.0 || inner.begins.0 >= outer.ends.1 {
        Truth::No
    } else {
        let inside = inner.begins.0 >= outer.begins.1 && inner.ends.1 <= outer.ends.0;
        if inside { Truth::Yes } else { Truth::Unknown }
    }
}

/// A `date`, `dateTime` or `instant`.
pub(super) fn read_date(text: &str) -> Option<Stretch> {
    let moment = instant::parse(text)?;
    if text.contains('T') {
        let ends = moment.latest.checked_add(unit(text)).unwrap_or(NEVER.0);
        return Some(Stretch { begins: (moment.earliest, moment.earliest), ends: (ends, ends) });
    }
    let (first, last) = (moment.earliest.date(), moment.latest.date());
    let ends = last.next_day().and_then(london::midnight).unwrap_or(NEVER);
    Some(Stretch { begins: london::midnight(first)?, ends })
}

/// A Period; `None` if it is none, has an element that says something else, or ends before it begins.
pub(super) fn read_period(period: &Json) -> Option<Stretch> {
    let mut stretch = Stretch { begins: EVER, ends: NEVER };
    for (name, value) in period.as_object()? {
        match (name.as_str(), value) {
            ("start", Json::String(text)) => stretch.begins = read_date(text)?.begins,
            ("end", Json::String(text)) => stretch.ends = read_date(text)?.ends,
            ("id" | "extension", _) => {}
            _ => return None,
        }
    }
    (stretch.begins.0 < stretch.ends.1).then_some(stretch)
}

/// How long the last written digit of a time of day lasts. A leap second is read as the last nanosecond before it.
fn unit(text: &str) -> Duration {
    let fraction = text.split_once('.').map_or("", |(_, rest)| rest);
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count().min(9);
    if text.contains(":60") {
        return Duration::nanoseconds(1);
    }
    let nanoseconds = std::iter::repeat_n(10_i64, 9 - digits).product();
    Duration::nanoseconds(nanoseconds)
}

impl Stretch {
    /// Whether it certainly ended before this instant.
    pub(super) fn is_before(&self, at: OffsetDateTime) -> bool {
        self.ends.1 <= at
    }
}
