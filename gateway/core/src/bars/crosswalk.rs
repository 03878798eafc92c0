//! What a status means in BaRS: `Task.status` beside the `ServiceRequest.status` and the receiver's `Encounter.status` of a
//! `servicerequest-response`, and why something was declined.
//!
//! BaRS has no Task that moves: progress is the ServiceRequest's status with the receiver's Encounter (planned: accepted;
//! in-progress; finished; cancelled: rejected, with a reason in `Encounter.reasonCode`).

use adapter_contract::TaskStatus::{self, *};

/// One status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrosswalkRow {
    /// The Task's.
    pub task: TaskStatus,
    /// `ServiceRequest.status`.
    pub service_request: &'static str,
    /// `Encounter.status` of the receiver; `None` where there is nothing to say in a response.
    pub encounter: Option<&'static str>,
}

const fn says(task: TaskStatus, service_request: &'static str, encounter: Option<&'static str>) -> CrosswalkRow {
    CrosswalkRow { task, service_request, encounter }
}

/// Every status. `ServiceRequest.status` is the one that the sender reads here: a referral that was declined or failed stays
/// active, because the need has not gone away and the practice may refer elsewhere.
pub const CROSSWALK: [CrosswalkRow; 12] = [
    says(Draft, "draft", None),
    says(Requested, "active", None),
    // Delivered is never told as accepted.
    says(Received, "active", None),
    says(Accepted, "active", Some("planned")),
    says(Ready, "active", Some("planned")),
    says(InProgress, "active", Some("in-progress")),
    // A pause has no Encounter.status that says only that.
    says(OnHold, "active", None),
    says(Rejected, "active", Some("cancelled")),
    says(Failed, "active", Some("cancelled")),
    says(Completed, "completed", Some("finished")),
    says(Cancelled, "revoked", Some("cancelled")),
    says(EnteredInError, "entered-in-error", Some("entered-in-error")),
];

/// The row of a status.
#[must_use]
pub fn row(task: TaskStatus) -> Option<&'static CrosswalkRow> {
    CROSSWALK.iter().find(|row| row.task == task)
}

/// Why a referral came to nothing, in a code system of BaRS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    /// Code of `Task.businessStatus`.
    pub business_status: &'static str,
    /// Code system of `Encounter.reasonCode`.
    pub system: &'static str,
    /// Its code.
    pub code: &'static str,
}

const DOS: &str = "https://fhir.nhs.uk/CodeSystem/dos-rejected-reasons-bars";
const REJECTED: &str = "https://fhir.nhs.uk/CodeSystem/rejected-reasons-bars";

const fn because(business_status: &'static str, system: &'static str, code: &'static str) -> Reason {
    Reason { business_status, system, code }
}

/// The reasons that have a code. Every other end is `OTH`.
const WHY: [Reason; 9] = [
    because("declined-capacity", DOS, "22"),
    because("declined-other", DOS, "24"),
    because("revoked", DOS, "24"),
    because("person-declined", DOS, "26"),
    because("left-early", DOS, "26"),
    because("contact-failed", DOS, "99"),
    because("did-not-attend", DOS, "99"),
    because("declined-ineligible", DOS, "40"),
    because("expired-no-response", REJECTED, "RRNA"),
];

/// Why a Task with this business status ended without help: the code of `Encounter.reasonCode`.
#[must_use]
pub fn reason(business_status: &str) -> Reason {
    let found = WHY.iter().find(|reason| reason.business_status == business_status);
    found.copied().unwrap_or(because("", REJECTED, "OTH"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use adapter_contract::business_status::BUSINESS_STATUSES;
    use gateway_fhir::validate;
    use serde_json::json;

    #[test]
    fn each_status_has_one_row_that_agrees_with_what_the_sender_reads() {
        for status in TaskStatus::ALL {
            let rows: Vec<_> = CROSSWALK.iter().filter(|row| row.task == status).collect();
            let [row] = rows.as_slice() else { panic!("{status} has {} rows", rows.len()) };
            let follows = crate::status::service_request_status(status);
            let stays = if status == Draft { "draft" } else { "active" };
            assert_eq!(row.service_request, follows.unwrap_or(stays), "{status}");
            assert_eq!(super::row(status), Some(*row));
        }
    }

    #[test]
    fn nothing_that_was_only_sent_is_told_as_accepted_and_every_end_is_told() {
        for row in &CROSSWALK {
            let silent = matches!(row.task, Draft | Requested | Received | OnHold);
            assert_eq!(row.encounter.is_none(), silent, "{}", row.task);
            let over = matches!(row.encounter, Some("finished" | "cancelled" | "entered-in-error"));
            assert_eq!(over, row.task.is_final(), "{}", row.task);
        }
    }

    #[test]
    fn the_codes_are_codes_of_r4() {
        for row in &CROSSWALK {
            let request = json!({ "resourceType": "ServiceRequest", "status": row.service_request, "intent": "plan",
                "subject": { "reference": "Patient/a" } });
            let class = json!({ "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB" });
            let encounter =
                row.encounter.map(|status| json!({ "resourceType": "Encounter", "status": status, "class": class }));
            for resource in [Some(request), encounter].into_iter().flatten() {
                assert_eq!(validate::resource(&resource.into()), [], "{}", row.task);
            }
        }
    }

    #[test]
    fn reasons_are_those_of_business_statuses() {
        for why in &WHY {
            assert!(BUSINESS_STATUSES.iter().any(|one| one.code == why.business_status), "{}", why.business_status);
            assert_eq!(reason(why.business_status), *why);
        }
        assert_eq!(reason("declined-capacity").code, "22");
        assert_eq!((reason("helped").system, reason("helped").code), (REJECTED, "OTH"));
    }
}
