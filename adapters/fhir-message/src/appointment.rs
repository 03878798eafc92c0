//! An appointment at the platform, read as a statement.

use crate::received::{About, Received, Resource};
use crate::statement::{event, order, report, words};
use crate::status::{self, Meaning, UNMAPPED};
use adapter_contract::{Concept, StatusReport};
use adapter_fhir::read::concept;
use serde_json::Value;

/// Code system of R4's own `Appointment.status` codes.
const APPOINTMENT_STATUS: &str = "http://hl7.org/fhir/appointmentstatus";

/// What it says. That one was made means that the referral was taken on; where a Task in the same message says how the
/// referral stands, the appointment only stands beside it.
pub(crate) fn read(
    received: &Received<'_>,
    appointment: &Resource<'_>,
    about: &About,
    in_focus: bool,
    beside_a_task: bool,
) -> StatusReport {
    let word = appointment.text("status").unwrap_or_default();
    let unmapped = Meaning { status: None, business_status: UNMAPPED.to_owned(), contradiction: false };
    let mut means = status::word(&format!("Appointment {word}")).unwrap_or(unmapped);
    if beside_a_task {
        means.status = None;
    }
    let text = match appointment.text("start").filter(|start| is_instant(start)) {
        Some(start) => format!("Appointment on {start}"),
        None => "Appointment without a time".to_owned(),
    };
    let beside = if beside_a_task { "beside a Task" } else { "" };
    let order = order(received, appointment, &[], in_focus);
    let code = Some(word.to_owned()).filter(|word| !word.is_empty());
    let platform_status = Concept { system: Some(APPOINTMENT_STATUS.to_owned()), code, text: Some(text) };
    let mut said = report(about, event(appointment, &[beside]), order, platform_status, means);
    let why = appointment.value.get("cancelationReason").and_then(concept);
    said.reason = why.and_then(|why| why.text.or(why.code)).as_deref().and_then(words);
    said
}

/// The statuses of R4's appointments, for the check that the table has each.
#[cfg(test)]
const STATUSES: [&str; 10] = [
    "proposed",
    "pending",
    "booked",
    "arrived",
    "fulfilled",
    "cancelled",
    "noshow",
    "entered-in-error",
    "checked-in",
    "waitlist",
];

/// A time with a date that there is.
fn is_instant(text: &str) -> bool {
    time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).is_ok()
}

/// Whether the message has a Task of this referral, which then says how it stands.
pub(crate) fn stands_beside(received: &Received<'_>, about: &About) -> bool {
    let tasks = received.resources.iter().enumerate().filter(|(_, one)| one.kind() == "Task");
    let says = |task: &Resource<'_>| task.value.get("status").and_then(Value::as_str).is_some();
    tasks
        .filter(|(_, task)| says(task))
        .filter_map(|(place, _)| received.about_of(place))
        .any(|task| task.name == about.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_of_an_appointment_has_a_row() {
        for word in STATUSES {
            assert!(status::word(&format!("Appointment {word}")).is_some(), "{word}");
        }
        assert!(is_instant("2026-12-01T10:00:00Z") && !is_instant("2026-02-30T10:00:00Z") && !is_instant("soon"));
    }
}
