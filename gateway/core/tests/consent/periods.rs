//! Periods: both ends to their precision, days as London has them, and certainty in one direction only.

use crate::question::asked;
use crate::world::c;
use gateway_core::consent::Verdict;
use gateway_fhir::instant;
use serde_json::{Value, json};
use time::{Date, Duration, Month, OffsetDateTime, Weekday};

fn at(text: &str) -> OffsetDateTime {
    instant::parse(text).unwrap_or_else(|| panic!("{text}")).earliest
}

fn during(kind: &str, start: Option<&str>, end: Option<&str>) -> Value {
    let mut consent = c();
    consent["provision"]["type"] = json!(kind);
    consent["provision"]["period"] = json!({});
    for (name, value) in [("start", start), ("end", end)] {
        if let Some(value) = value {
            consent["provision"]["period"][name] = json!(value);
        }
    }
    consent
}

/// Whether a permit of this period permits, and whether a deny of it refuses beside a permit without end.
fn stands(start: Option<&str>, end: Option<&str>, now: OffsetDateTime) -> (bool, bool) {
    let permits = |consents: &[Value]| {
        let mut asked = asked(consents);
        asked.now = now;
        asked.patient.set("birthDate", json!("1900-01-01").into());
        asked.decide().verdict == Verdict::Permit
    };
    let always = during("permit", None, None);
    (permits(&[during("permit", start, end)]), !permits(&[during("deny", start, end), always]))
}

#[test]
fn ends_are_included_to_their_precision() {
    // (start, end, the last instant before, the first within, the last within, the first after)
    for (start, end, before, first, last, after) in [
        (
            "2026-06-15",
            "2026-06-15",
            "2026-06-14T22:59:59.999Z",
            "2026-06-14T23:00:00Z",
            "2026-06-15T22:59:59.999999999Z",
            "2026-06-15T23:00:00Z",
        ),
        (
            "2026-01-15",
            "2026-01-15",
            "2026-01-14T23:59:59.999Z",
            "2026-01-15T00:00:00Z",
            "2026-01-15T23:59:59.999Z",
            "2026-01-16T00:00:00Z",
        ),
        (
            "2026-03",
            "2026-03",
            "2026-02-28T23:59:59Z",
            "2026-03-01T00:00:00Z",
            "2026-03-31T22:59:59Z",
            "2026-03-31T23:00:00Z",
        ),
        (
            "2026-10",
            "2026-10",
            "2026-09-30T22:59:59Z",
            "2026-09-30T23:00:00Z",
            "2026-10-31T23:59:59Z",
            "2026-11-01T00:00:00Z",
        ),
        (
            "2026",
            "2026",
            "2025-12-31T23:59:59Z",
            "2026-01-01T00:00:00Z",
            "2026-12-31T23:59:59.999Z",
            "2027-01-01T00:00:00Z",
        ),
        // The days on which the clocks change: 23 hours and 25.
        (
            "2026-03-29",
            "2026-03-29",
            "2026-03-28T23:59:59Z",
            "2026-03-29T00:00:00Z",
            "2026-03-29T22:59:59Z",
            "2026-03-29T23:00:00Z",
        ),
        (
            "2026-10-25",
            "2026-10-25",
            "2026-10-24T22:59:59Z",
            "2026-10-24T23:00:00Z",
            "2026-10-25T23:59:59Z",
            "2026-10-26T00:00:00Z",
        ),
        (
            "1996-03-31",
            "1996-10-27",
            "1996-03-30T23:59:59Z",
            "1996-03-31T00:00:00Z",
            "1996-10-27T23:59:59Z",
            "1996-10-28T00:00:00Z",
        ),
        (
            "2026-06-15T12:00:00+01:00",
            "2026-06-15T12:00:00+01:00",
            "2026-06-15T10:59:59.999Z",
            "2026-06-15T11:00:00Z",
            "2026-06-15T11:00:00.999999999Z",
            "2026-06-15T11:00:01Z",
        ),
        (
            "2026-06-15T12:00:00.25Z",
            "2026-06-15T12:00:00.25Z",
            "2026-06-15T12:00:00.2499Z",
            "2026-06-15T12:00:00.25Z",
            "2026-06-15T12:00:00.2599Z",
            "2026-06-15T12:00:00.26Z",
        ),
        (
            "2026-06-15T12:00:00.123456789Z",
            "2026-06-15T12:00:00.1234567891Z",
            "2026-06-15T12:00:00.123456788Z",
            "2026-06-15T12:00:00.123456789Z",
            "2026-06-15T12:00:00.123456789Z",
            "2026-06-15T12:00:00.12345679Z",
        ),
        (
            "2026-06-30T23:59:59Z",
            "2026-06-30T23:59:60Z",
            "2026-06-30T23:59:58Z",
            "2026-06-30T23:59:59Z",
            "2026-06-30T23:59:59.999999999Z",
            "2026-07-01T00:00:00Z",
        ),
    ] {
        for (now, within) in [(before, false), (first, true), (last, true), (after, false)] {
            assert_eq!(stands(Some(start), Some(end), at(now)), (within, within), "{start} to {end} at {now}");
        }
        assert!(stands(None, Some(end), at(before)).0 && !stands(None, Some(end), at(after)).0, "{end}");
        assert!(stands(Some(start), None, at(after)).0 && !stands(Some(start), None, at(before)).0, "{start}");
    }
}

#[test]
fn what_cannot_be_read_permits_nothing_and_refuses() {
    let now = at("2026-06-15T12:00:00Z");
    for (start, end) in [
        (Some("soon"), None),
        (None, Some("2026-06-15T12:00:00")),
        (Some("2026-06-15T12:00"), None),
        (None, Some("2026-02-30")),
        // It ends before it begins.
        (Some("2026-07"), Some("2026-05")),
        (Some("2026-06-16"), Some("2026-06-15")),
    ] {
        assert_eq!(stands(start, end, now), (false, true), "{start:?} to {end:?}");
    }
    for period in [
        json!("2026"),
        json!([{"end": "2030"}]),
        json!({"end": 2030}),
        json!({"_end": {"id": "x"}}),
        json!({"to": "2030"}),
    ] {
        let mut consent = c();
        consent["provision"]["period"] = period.clone();
        assert_eq!(asked(&[consent.clone()]).decide().reason.code(), "not-understood", "{period}");
        consent["provision"]["type"] = json!("deny");
        assert_eq!(asked(&[consent, c()]).decide().reason.code(), "conflict", "{period}");
    }
    let mut named = c();
    named["provision"]["period"] = json!({"id": "x", "extension": [], "end": "2030"});
    assert_eq!(asked(&[named]).decide().verdict, Verdict::Permit);
}

#[test]
fn before_1996_a_day_begins_within_two_hours() {
    for (now, permits, refuses) in [
        ("1950-06-14T21:59:59Z", false, false),
        ("1950-06-14T22:00:00Z", false, true),
        ("1950-06-14T23:59:59Z", false, true),
        ("1950-06-15T00:00:00Z", true, true),
        ("1950-06-15T21:59:59Z", true, true),
        ("1950-06-15T22:00:00Z", false, true),
        ("1950-06-15T23:59:59Z", false, true),
        ("1950-06-16T00:00:00Z", false, false),
    ] {
        assert_eq!(stands(Some("1950-06-15"), Some("1950-06-15"), at(now)), (permits, refuses), "{now}");
    }
}

/// The law, told another way: count the Sundays of the month.
fn is_summer(day: Date) -> bool {
    let last_sunday = |month: Month| {
        (1..=31).rev().find(|day_of_month| {
            Date::from_calendar_date(day.year(), month, *day_of_month)
                .is_ok_and(|candidate| candidate.weekday() == Weekday::Sunday)
        })
    };
    match day.month() {
        Month::January | Month::February | Month::November | Month::December => false,
        Month::March => Some(day.day()) > last_sunday(Month::March),
        Month::October => Some(day.day()) <= last_sunday(Month::October),
        _ => true,
    }
}

#[test]
fn days_of_thirty_years_begin_when_london_says() {
    let mut day = Date::from_calendar_date(1996, Month::January, 1).expect("as it is written");
    while day.year() < 2026 {
        let midnight = day.midnight().assume_utc() - if is_summer(day) { Duration::HOUR } else { Duration::ZERO };
        // The days about which the clocks change, and one of each month.
        if day.day() == 15 || matches!(day.month(), Month::March | Month::October) && day.day() > 23 {
            let start = day.to_string();
            assert!(stands(Some(&start), None, midnight).0, "{day}");
            assert!(!stands(Some(&start), None, midnight - Duration::NANOSECOND).0, "{day}");
        }
        day = day.next_day().expect("as it is written");
    }
}

#[test]
fn the_ends_of_the_calendar_hold() {
    assert_eq!(stands(Some("0001"), Some("9999"), at("2026-06-15T12:00:00Z")), (true, true));
    assert_eq!(stands(None, Some("9999-12-31T23:59:59Z"), at("2026-06-15T12:00:00Z")), (true, true));
}
