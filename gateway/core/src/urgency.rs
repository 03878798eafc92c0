//! Urgency: from when on a referral goes before others at its platform.
//!
//! From its beginning, where its sender says so by `Task.priority`, or where the Task says nothing by
//! `ServiceRequest.priority` (R4, `request-priority`: `urgent`, `asap`, `stat`). Else once the end of the time within which the
//! sender wants it fulfilled (`Task.restriction.period.end`) is near.

use gateway_fhir::{Json, instant};
use time::{Duration, OffsetDateTime};

/// So long before the end of the time that the sender gives, a referral becomes urgent.
pub const BEFORE_END: Duration = Duration::hours(48);

/// Priorities that go first.
const FIRST: [&str; 3] = ["urgent", "asap", "stat"];

/// From when on it is urgent; `None` = never.
#[must_use]
pub fn from(task: &Json, service_request: &Json, accepted: OffsetDateTime) -> Option<OffsetDateTime> {
    let priority = task.text("priority").or_else(|| service_request.text("priority"));
    if priority.is_some_and(|priority| FIRST.contains(&priority)) {
        return Some(accepted);
    }
    Some(wanted_by(task)?.checked_sub(BEFORE_END).unwrap_or(accepted).max(accepted))
}

/// The end of the time within which the sender wants a Task fulfilled (`Task.restriction.period.end`, R4), if it says one.
#[must_use]
pub fn wanted_by(task: &Json) -> Option<OffsetDateTime> {
    let end = task.get("restriction").and_then(|restriction| restriction.get("period")?.text("end"))?;
    // Of two readings of a day the one that ends sooner: too early rather than too late.
    Some(instant::parse_inward(end)?.latest)
}

#[cfg(test)]
mod tests {
    use super::from;
    use gateway_fhir::Json;
    use serde_json::json;
    use time::macros::datetime;

    #[test]
    fn a_priority_or_a_near_end_makes_a_referral_urgent() {
        let accepted = datetime!(2026-06-15 12:00 UTC);
        let at = |task: serde_json::Value, request: serde_json::Value| {
            let json = |value: serde_json::Value| Json::from(value);
            from(&json(task), &json(request), accepted)
        };
        for priority in ["urgent", "asap", "stat"] {
            assert_eq!(at(json!({ "priority": priority }), json!({})), Some(accepted), "{priority}");
            assert_eq!(at(json!({}), json!({ "priority": priority })), Some(accepted), "{priority}");
            assert_eq!(at(json!({ "priority": "routine" }), json!({ "priority": priority })), None, "the Task's word");
        }
        assert_eq!(at(json!({}), json!({})), None);
        let until = |end: &str| at(json!({ "restriction": { "period": { "end": end } } }), json!({}));
        assert_eq!(until("2026-06-20T12:00:00Z"), Some(datetime!(2026-06-18 12:00 UTC)));
        assert_eq!(until("2026-06-16T12:00:00Z"), Some(accepted), "it is near already");
        assert_eq!(until("2026-06-01"), Some(accepted), "it is over");
        assert_eq!(until("soon"), None);
        let routine = json!({ "priority": "routine", "restriction": { "period": { "end": "2026-06-20T12:00:00Z" } } });
        assert_eq!(at(routine, json!({})), Some(datetime!(2026-06-18 12:00 UTC)));
    }
}
