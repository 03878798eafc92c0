//! Why a referral was declined, as a code beside the words: nobody has to read between lines that are polite.

use super::TaskMove;
use adapter_contract::{TaskStatus, systems};
use gateway_fhir::Json;
use serde_json::{Value, json};

/// One reason: its code, what it says, and the business statuses that mean it.
struct Reason {
    code: &'static str,
    display: &'static str,
    business: &'static [&'static str],
}

/// The reasons. Each business status stands under one.
const REASONS: [Reason; 7] = [
    Reason { code: "at-capacity", display: "The service has no room", business: &["declined-capacity"] },
    Reason { code: "not-eligible", display: "The service is not for this person", business: &["declined-ineligible"] },
    Reason { code: "outside-area", display: "The person lives outside the area", business: &["declined-area"] },
    Reason { code: "needs-more", display: "The person needs more specialist support", business: &["declined-needs"] },
    Reason { code: "could-not-contact", display: "The person could not be reached", business: &["contact-failed"] },
    Reason { code: "person-declined", display: "The person did not want it", business: &["person-declined"] },
    Reason { code: "other", display: "Another reason, in words", business: &["declined-other"] },
];

/// `Task.statusReason.coding` of a move that declines or ends without help; `None` for every other.
pub(super) fn coding(step: &TaskMove) -> Option<Value> {
    let ends = matches!(step.status, Some(TaskStatus::Rejected | TaskStatus::Cancelled | TaskStatus::Failed));
    let business = step.business_status.as_deref().filter(|_| ends)?;
    let reason = REASONS.iter().find(|reason| reason.business.contains(&business))?;
    Some(json!([{ "system": systems::DECLINE_REASON, "code": reason.code, "display": reason.display }]))
}

/// The reasons as a FHIR `CodeSystem`. `version` is the gateway's.
#[must_use]
pub fn code_system(version: &str) -> Json {
    let concepts: Vec<Value> = REASONS.iter().map(|one| json!({ "code": one.code, "display": one.display })).collect();
    json!({
        "resourceType": "CodeSystem",
        "id": "decline-reason",
        "url": systems::DECLINE_REASON,
        "version": version,
        "name": "DeclineReason",
        "title": "Why a referral was declined",
        "status": "active",
        "experimental": false,
        "description": "Task.statusReason of a referral that a service did not take on, or could not begin.",
        "caseSensitive": true,
        "content": "complete",
        "count": concepts.len(),
        "concept": concepts,
    })
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use adapter_contract::business_status::BUSINESS_STATUSES;
    use std::collections::BTreeSet;

    #[test]
    fn each_business_status_of_a_decline_is_one_reason() {
        let named: Vec<&str> = REASONS.iter().flat_map(|reason| reason.business).copied().collect();
        assert_eq!(named.iter().collect::<BTreeSet<_>>().len(), named.len());
        for one in BUSINESS_STATUSES {
            assert!(!one.code.starts_with("declined-") || named.contains(&one.code), "{} has no reason", one.code);
        }
        for name in named {
            assert!(BUSINESS_STATUSES.iter().any(|one| one.code == name && one.for_adapters), "{name} is no status");
        }
    }

    #[test]
    fn only_an_end_has_a_reason() {
        let step = |status, business: &str| TaskMove {
            status: Some(status),
            business_status: Some(business.to_owned()),
            ..TaskMove::default()
        };
        let code = |step: &TaskMove| coding(step).map(|one| one[0]["code"].clone());
        assert_eq!(code(&step(TaskStatus::Rejected, "declined-area")), Some(json!("outside-area")));
        assert_eq!(code(&step(TaskStatus::Failed, "contact-failed")), Some(json!("could-not-contact")));
        assert_eq!(code(&step(TaskStatus::InProgress, "contact-failed")), None, "it goes on");
        assert_eq!(code(&step(TaskStatus::Rejected, "triage")), None);
    }
}
