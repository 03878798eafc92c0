//! The concept maps that ship with the gateway, as JSON text; each is a valid R4 `ConceptMap` (test below).

/// HL7 SDOH Clinical Care `Task.status` to the gateway's business-status.
pub const GRAVITY_TASK_STATUS: &str = include_str!("../concept-maps/gravity-task-status.json");

/// SDOH Clinical Care enrolment status (value of an Observation) to the gateway's business-status.
pub const GRAVITY_ENROLMENT_STATUS: &str = include_str!("../concept-maps/gravity-enrolment-status.json");

/// The same enrolment statuses to the `Task.status` that they amount to, for platforms that report nothing else.
pub const GRAVITY_ENROLMENT_TASK_STATUS: &str = include_str!("../concept-maps/gravity-enrolment-task-status.json");

/// Names by which mappings know them (`shared:gravity-task-status`).
pub(crate) const NAMES: [&str; 3] =
    ["gravity-task-status", "gravity-enrolment-status", "gravity-enrolment-task-status"];

/// The map of this name.
pub(crate) fn named(name: &str) -> Option<&'static str> {
    Some(match name {
        "gravity-task-status" => GRAVITY_TASK_STATUS,
        "gravity-enrolment-status" => GRAVITY_ENROLMENT_STATUS,
        "gravity-enrolment-task-status" => GRAVITY_ENROLMENT_TASK_STATUS,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::{ConceptMap, NotMapped};

    const TASK: &str = "http://hl7.org/fhir/task-status";
    const SDOH: &str = "http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes";

    fn code(map: &str, system: &str, code: &str) -> Result<String, NotMapped> {
        let map = ConceptMap::load(map).expect("shared map loads");
        map.translate(system, code).map(|found| found.code().expect("has a code").to_owned())
    }

    #[test]
    fn task_statuses_have_a_business_status_and_unknown_words_do_not() {
        for (status, business) in [("requested", "sent"), ("completed", "outcome-recorded"), ("failed", "not-helped")] {
            assert_eq!(code(super::GRAVITY_TASK_STATUS, TASK, status).as_deref(), Ok(business));
        }
        assert!(matches!(code(super::GRAVITY_TASK_STATUS, TASK, "done"), Err(NotMapped::Code { .. })));
    }

    #[test]
    fn both_enrolment_maps_know_the_same_codes() {
        for (enrolment, business, task) in [
            ("enrolled", "helped", "completed"),
            ("is-enrolled", "helped", "completed"),
            ("not-enrolled", "not-helped", "failed"),
            ("not-enrolled-on-waitlist", "waitlisted", "on-hold"),
            ("waitlist", "waitlisted", "on-hold"),
            ("no-capacity", "declined-capacity", "rejected"),
            ("additional-assessment-required", "triage", "in-progress"),
        ] {
            assert_eq!(code(super::GRAVITY_ENROLMENT_STATUS, SDOH, enrolment).as_deref(), Ok(business));
            assert_eq!(code(super::GRAVITY_ENROLMENT_TASK_STATUS, SDOH, enrolment).as_deref(), Ok(task));
        }
    }
}
