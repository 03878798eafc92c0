//! Periods of a provision: read inward for a permit, outward for a refusal.

use gateway_fhir::{Json, instant};
use time::{Duration, OffsetDateTime};

/// How a period stands to a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It covers it.
    Covers,
    /// It begins later.
    NotYet,
    /// It ended earlier.
    Over,
    /// It cannot be read.
    Unreadable,
}

/// How the permit's period stands, both ends included to their precision; a missing end is open. Dates without a zone
/// mean only what they mean in London both in summer and in winter.
pub(super) fn of_permit(provision: &Json, now: OffsetDateTime) -> Standing {
    standing(provision, now, |text| instant::parse_inward(text).map(|moment| (moment.earliest, moment.latest)))
}

/// How the refusal's period stands: dates mean all that they can mean. A summer's day in London begins at 23:00Z before.
pub(super) fn of_refusal(provision: &Json, now: OffsetDateTime) -> Standing {
    standing(provision, now, |text| {
        let moment = instant::parse(text)?;
        let begins = if text.contains('T') { moment.earliest } else { moment.earliest.checked_sub(Duration::HOUR)? };
        Some((begins, moment.latest))
    })
}

fn standing(
    provision: &Json,
    now: OffsetDateTime,
    read: impl Fn(&str) -> Option<(OffsetDateTime, OffsetDateTime)>,
) -> Standing {
    let Some(period) = provision.get("period") else { return Standing::Covers };
    let Some(members) = period.as_object() else { return Standing::Unreadable };
    let (mut begun, mut over) = (true, false);
    for (name, value) in members {
        match (name.as_str(), value.as_str().and_then(&read)) {
            ("start", Some((earliest, _))) => begun = earliest <= now,
            ("end", Some((_, latest))) => over = latest < now,
            ("id" | "extension", _) => {}
            _ => return Standing::Unreadable,
        }
    }
    match (begun, over) {
        (_, true) => Standing::Over,
        (false, _) => Standing::NotYet,
        (true, false) => Standing::Covers,
    }
}
