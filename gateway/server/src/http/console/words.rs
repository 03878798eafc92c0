//! How what the resources hold is read by people: names, times, statuses.

use adapter_contract::TaskStatus;
use gateway_core::identity::GATEWAY_AUTHOR;
use gateway_core::referral::{Delivery, Referral};
use gateway_fhir::identifiers::{NHS_NUMBER, same_system};
use gateway_fhir::{Json, instant};
use time::macros::format_description;
use time::{Duration, Month, OffsetDateTime};

/// The name of a person: the usual one, else the first.
pub(super) fn name(patient: Option<&Json>) -> String {
    let names = patient.map_or(&[][..], |patient| patient.items("name"));
    let used = |wanted: &str| names.iter().find(|name| name.text("use") == Some(wanted));
    let Some(name) = used("usual").or_else(|| used("official")).or_else(|| names.first()) else {
        return "Name not recorded".to_owned();
    };
    if let Some(text) = name.text("text") {
        return text.to_owned();
    }
    let given = name.items("given").iter().filter_map(Json::as_str);
    let parts: Vec<&str> = given.chain(name.text("family")).collect();
    if parts.is_empty() { "Name not recorded".to_owned() } else { parts.join(" ") }
}

/// The NHS number in groups, as it is read aloud.
pub(super) fn nhs_number(patient: &Json) -> Option<String> {
    let mut identifiers = patient.items("identifier").iter();
    let ours = identifiers.find(|one| one.text("system").is_some_and(|system| same_system(system, NHS_NUMBER)))?;
    let number: String = ours.text("value")?.chars().filter(|char| !char.is_whitespace()).collect();
    match (number.get(..3), number.get(3..6), number.get(6..)) {
        (Some(first), Some(second), Some(third)) => Some(format!("{first} {second} {third}")),
        _ => Some(number),
    }
}

/// Telephone numbers and mail addresses.
pub(super) fn contacts(patient: &Json) -> Vec<String> {
    patient.items("telecom").iter().filter_map(|one| one.text("value")).map(str::to_owned).collect()
}

/// A concept in words: its text, else what its codings are called.
pub(super) fn concept(concept: &Json) -> Option<String> {
    let coded =
        || concept.items("coding").iter().find_map(|coding| coding.text("display").or_else(|| coding.text("code")));
    concept.text("text").or_else(coded).map(str::to_owned)
}

/// Several.
pub(super) fn concepts(of: &Json, element: &str) -> Option<String> {
    let all: Vec<String> = of.items(element).iter().filter_map(concept).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// Summer time in the United Kingdom: from 01:00 UTC on the last Sunday of March to 01:00 UTC on the last Sunday of October (Summer Time
/// Order 2002).
fn is_summer(at: OffsetDateTime) -> bool {
    let change = |month: Month| {
        let last = time::Date::from_calendar_date(at.year(), month, 31).ok()?;
        let sunday = last.checked_sub(Duration::days(i64::from(last.weekday().number_days_from_sunday())))?;
        Some(sunday.with_hms(1, 0, 0).ok()?.assume_utc())
    };
    matches!((change(Month::March), change(Month::October)), (Some(from), Some(to)) if (from..to).contains(&at))
}

/// A time on the wall in London: `15 June 2026, 13:05`.
pub(super) fn when(at: OffsetDateTime) -> String {
    let at = at.to_offset(time::UtcOffset::UTC);
    let wall = if is_summer(at) { at.saturating_add(Duration::HOUR) } else { at };
    let format = format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute]");
    wall.format(format).unwrap_or_default()
}

/// The same of what a resource holds; what is no instant stays as it stands.
pub(super) fn when_text(text: &str) -> String {
    match instant::parse(text) {
        Some(moment) if text.contains('T') => when(moment.earliest),
        _ => text.to_owned(),
    }
}

/// How long ago, for a list.
pub(super) fn age(since: OffsetDateTime, now: OffsetDateTime) -> String {
    let several = |count: i64, one: &str| if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") };
    let passed = now - since;
    match (passed.whole_days(), passed.whole_hours()) {
        (days, _) if days > 0 => several(days, "day"),
        (_, hours) if hours > 0 => several(hours, "hour"),
        _ => "less than an hour".to_owned(),
    }
}

/// A status of the Task, as people say it.
pub(super) const fn status(status: TaskStatus) -> &'static str {
    match status {
        TaskStatus::Draft => "Draft",
        TaskStatus::Requested => "Sent, no word yet",
        TaskStatus::Received => "Received",
        TaskStatus::Accepted => "Accepted",
        TaskStatus::Rejected => "Declined",
        TaskStatus::Ready => "Ready to begin",
        TaskStatus::Cancelled => "Cancelled",
        TaskStatus::InProgress => "Support under way",
        TaskStatus::OnHold => "Waiting",
        TaskStatus::Failed => "Could not be done",
        TaskStatus::Completed => "Support ended",
        TaskStatus::EnteredInError => "Entered in error",
    }
}

/// The status of a Task as it was then; "Requested" is only "sent" once it was.
pub(super) fn status_of(task: &Json) -> &'static str {
    match gateway_core::task::status(task) {
        Some(TaskStatus::Requested) | None => "Requested",
        Some(other) => status(other),
    }
}

/// How far the delivery is.
pub(super) fn delivery(referral: &Referral) -> String {
    match &referral.delivery {
        Delivery::Held { .. } => "Nothing has been sent".to_owned(),
        Delivery::Queued => "On its way".to_owned(),
        Delivery::Delivered { at } => format!("The service has it since {}", when(*at)),
        Delivery::DeadLetter { .. } => "It could not be delivered".to_owned(),
        Delivery::Withdrawn => "Withdrawn before it was sent".to_owned(),
    }
}

/// Who wrote a version.
pub(super) fn author(author: &str, service: Option<&str>) -> String {
    match author.split_once('/') {
        _ if author == GATEWAY_AUTHOR => "The gateway".to_owned(),
        Some(("platform", _)) => service.unwrap_or("The service").to_owned(),
        Some(("account", name)) => format!("Link worker {name}"),
        _ => "Your clinical system".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use time::macros::datetime;

    #[test]
    fn times_are_those_on_the_wall_in_london() {
        for (at, wall) in [
            (datetime!(2026-06-15 12:05 UTC), "15 June 2026, 13:05"),
            (datetime!(2026-01-05 09:00 UTC), "5 January 2026, 09:00"),
            (datetime!(2026-03-29 00:59 UTC), "29 March 2026, 00:59"),
            (datetime!(2026-03-29 01:00 UTC), "29 March 2026, 02:00"),
            (datetime!(2026-10-25 00:59 UTC), "25 October 2026, 01:59"),
            (datetime!(2026-10-25 01:00 UTC), "25 October 2026, 01:00"),
            (datetime!(2026-06-15 23:30 UTC), "16 June 2026, 00:30"),
        ] {
            assert_eq!(when(at), wall);
        }
        assert_eq!((when_text("2026-06-15"), when_text("soon")), ("2026-06-15".to_owned(), "soon".to_owned()));
    }

    #[test]
    fn people_are_called_by_the_name_that_they_use() {
        let patient: Json = json!({ "name": [{ "use": "old", "family": "Before" },
            { "use": "official", "given": ["Samantha", "J"], "family": "Now" }], "telecom": [{ "value": "0113 496 0000" }],
            "identifier": [{ "system": NHS_NUMBER, "value": "9990000018" }] })
        .into();
        assert_eq!(name(Some(&patient)), "Samantha J Now");
        assert_eq!(
            (name(None), name(Some(&json!({ "name": [{}] }).into()))),
            ("Name not recorded".into(), "Name not recorded".into())
        );
        assert_eq!(nhs_number(&patient).as_deref(), Some("999 000 0018"));
        assert_eq!(contacts(&patient), ["0113 496 0000"]);
        assert_eq!(
            nhs_number(&json!({ "identifier": [{ "system": NHS_NUMBER, "value": "é1" }] }).into()).as_deref(),
            Some("é1")
        );
    }

    #[test]
    fn ages_are_told_in_days_then_hours() {
        let now = datetime!(2026-06-15 12:00 UTC);
        let told = [0, 1, 5, 24, 49].map(|hours| age(now - Duration::hours(hours), now));
        assert_eq!(told, ["less than an hour", "1 hour", "5 hours", "1 day", "2 days"]);
    }
}
