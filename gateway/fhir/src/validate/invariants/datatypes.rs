//! Invariants of datatypes.

use super::{Check, Rule, has};
use crate::{Json, instant};
use time::Duration;

/// The largest offset that a zone can have (R4, dateTime). A date without a time of day may be meant in any zone.
const ANY_ZONE: Duration = Duration::hours(14);

pub(super) const RULES: &[Rule] = &[
    Rule {
        under: "Attachment",
        id: "att-1",
        text: "if the Attachment has data, it SHALL have a contentType",
        check: Check::Holds(|value| !has(value, "data") || has(value, "contentType")),
    },
    Rule {
        under: "ContactPoint",
        id: "cpt-2",
        text: "a system is required if a value is provided",
        check: Check::Holds(|value| !has(value, "value") || has(value, "system")),
    },
    Rule {
        under: "Period",
        id: "per-1",
        text: "if present, start SHALL have a lower value than end",
        check: Check::Holds(|value| !is_after(value.text("start"), value.text("end"))),
    },
    Rule { under: "Quantity", id: "qty-3", text: UNIT_SYSTEM, check: Check::Holds(code_has_system) },
    Rule { under: "Age", id: "qty-3", text: UNIT_SYSTEM, check: Check::Holds(code_has_system) },
    Rule { under: "Count", id: "qty-3", text: UNIT_SYSTEM, check: Check::Holds(code_has_system) },
    Rule { under: "Distance", id: "qty-3", text: UNIT_SYSTEM, check: Check::Holds(code_has_system) },
    Rule { under: "Duration", id: "qty-3", text: UNIT_SYSTEM, check: Check::Holds(code_has_system) },
    Rule {
        under: "Range",
        id: "rng-2",
        text: "if present, low SHALL have a lower value than high",
        check: Check::Holds(|value| !is_range_reversed(value)),
    },
    Rule {
        under: "Ratio",
        id: "rat-1",
        text: "numerator and denominator SHALL both be present, or both are absent. If both are absent, there SHALL be \
               some extension present",
        check: Check::Holds(|value| {
            let numerator = has(value, "numerator");
            numerator == has(value, "denominator") && (numerator || has(value, "extension"))
        }),
    },
    Rule {
        under: "Expression",
        id: "exp-1",
        text: "an expression or a reference must be provided",
        check: Check::Holds(|value| has(value, "expression") || has(value, "reference")),
    },
    Rule {
        under: "Timing.repeat",
        id: "tim-1",
        text: "if there's a duration, there needs to be duration units",
        check: Check::Holds(|value| !has(value, "duration") || has(value, "durationUnit")),
    },
    Rule {
        under: "Timing.repeat",
        id: "tim-2",
        text: "if there's a period, there needs to be period units",
        check: Check::Holds(|value| !has(value, "period") || has(value, "periodUnit")),
    },
    Rule {
        under: "Timing.repeat",
        id: "tim-4",
        text: "duration SHALL be a non-negative value",
        check: Check::Holds(|value| !is_negative(value.get("duration"))),
    },
    Rule {
        under: "Timing.repeat",
        id: "tim-5",
        text: "period SHALL be a non-negative value",
        check: Check::Holds(|value| !is_negative(value.get("period"))),
    },
    Rule {
        under: "Timing.repeat",
        id: "tim-6",
        text: "if there's a periodMax, there must be a period",
        check: Check::Holds(|value| !has(value, "periodMax") || has(value, "period")),
    },
    Rule {
        under: "Timing.repeat",
        id: "tim-7",
        text: "if there's a durationMax, there must be a duration",
        check: Check::Holds(|value| !has(value, "durationMax") || has(value, "duration")),
    },
    Rule {
        under: "Timing.repeat",
        id: "tim-8",
        text: "if there's a countMax, there must be a count",
        check: Check::Holds(|value| !has(value, "countMax") || has(value, "count")),
    },
    Rule {
        under: "Timing.repeat",
        id: "tim-9",
        text: "if there's an offset, there must be a when (and not C, CM, CD, CV)",
        check: Check::Holds(|value| {
            let is_meal = |when: &Json| when.as_str().is_some_and(|when| ["C", "CM", "CD", "CV"].contains(&when));
            !has(value, "offset") || (has(value, "when") && !value.items("when").iter().any(is_meal))
        }),
    },
    Rule {
        under: "Timing.repeat",
        id: "tim-10",
        text: "if there's a timeOfDay, there cannot be a when, or vice versa",
        check: Check::Holds(|value| !has(value, "timeOfDay") || !has(value, "when")),
    },
];

const UNIT_SYSTEM: &str = "if a code for the unit is present, the system SHALL also be present";

fn code_has_system(value: &Json) -> bool {
    !has(value, "code") || has(value, "system")
}

/// Whether one date or time is certainly later than another. Where a date without a time of day makes it uncertain,
/// FHIRPath gives no answer and the invariant holds, and so here.
pub(super) fn is_after(first: Option<&str>, second: Option<&str>) -> bool {
    let (Some(first), Some(second)) = (first, second) else { return false };
    let slack = if first.contains('T') == second.contains('T') { Duration::ZERO } else { ANY_ZONE };
    instant::parse(first)
        .zip(instant::parse(second))
        .is_some_and(|(first, second)| first.earliest - second.latest > slack)
}

fn is_negative(number: Option<&Json>) -> bool {
    matches!(number, Some(Json::Number(text)) if text.starts_with('-') && text.parse::<f64>().is_ok_and(|n| n < 0.0))
}

/// Only where both ends are in the same unit; others are not compared.
fn is_range_reversed(range: &Json) -> bool {
    let (Some(low), Some(high)) = (range.get("low"), range.get("high")) else { return false };
    let same = |name: &str| low.text(name) == high.text(name);
    let number = |end: &Json| match end.get("value") {
        Some(Json::Number(text)) => text.parse::<f64>().ok(),
        _ => None,
    };
    same("system")
        && same("code")
        && same("unit")
        && number(low).zip(number(high)).is_some_and(|(low, high)| low > high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_certain_order_counts() {
        let after = |first, second| is_after(Some(first), Some(second));
        assert!(after("2024-01-02", "2024-01-01"));
        assert!(after("2024-01-01T10:00:00.001Z", "2024-01-01T10:00:00Z"));
        assert!(after("2024-01-01T09:30:00Z", "2024-01-01T10:00:00+01:00"));
        assert!(after("2024-01-03T00:00:00Z", "2024-01-01"));
        for (first, second) in [
            ("2024-01-01", "2024-01-01"),
            ("2024-01", "2024-01-01"),
            ("2024-01-02", "2024-01-01T23:00:00-10:00"),
            ("2024-01-01T23:59:59Z", "2024-01-01"),
            ("x", "2024"),
        ] {
            assert!(!after(first, second), "{first} {second}");
        }
        assert!(!is_after(None, Some("2024")) && !is_after(Some("2024"), None));
    }
}
