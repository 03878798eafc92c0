//! What was sent of a ServiceRequest, against what stands.

use crate::change::AuditRecord;
use crate::disclose::{self, Manner};
use crate::identity::PlatformId;
use gateway_fhir::Json;

/// Elements that the gateway or the server of a resource writes: that they differ says nothing of the request.
const NOT_CONTENT: [&str; 5] = ["id", "meta", "status", "text", "implicitRules"];

/// The version of the sender's ServiceRequest that its platform was given last, by the disclosures on record; `None` where nothing was.
#[must_use]
pub fn sent_version(audit: &[AuditRecord], platform: &PlatformId) -> Option<u64> {
    let given = audit.iter().rev().filter_map(disclose::read);
    let mut sent =
        given.filter(|one| matches!(one.manner, Manner::Sent | Manner::Published) && one.platform == *platform);
    sent.next()?.service_request.rsplit_once("/_history/")?.1.parse().ok()
}

/// Names of the elements in which two versions of a request differ, in order, without what stands in them.
#[must_use]
pub fn changed_elements(sent: &Json, stands: &Json) -> Vec<String> {
    let names = |document: &Json| -> Vec<String> {
        document.as_object().unwrap_or_default().iter().map(|(name, _)| name.clone()).collect()
    };
    let mut all = names(sent);
    all.extend(names(stands));
    all.sort();
    all.dedup();
    // The same value may be written in another order of members.
    let value = |document: &Json, name: &str| {
        document.get(name).map(|value| serde_json::from_str::<serde_json::Value>(&value.to_text()).unwrap_or_default())
    };
    let differs = |name: &String| value(sent, name) != value(stands, name);
    all.retain(|name| !NOT_CONTENT.contains(&name.trim_start_matches('_')) && differs(name));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_gateway_writes_is_no_change_and_the_order_of_members_neither() {
        let document = |value: serde_json::Value| -> Json { value.into() };
        let sent = document(json!({ "resourceType": "ServiceRequest", "id": "a", "meta": { "versionId": "1" },
            "status": "active", "code": { "text": "Food", "coding": [] }, "priority": "routine" }));
        let same = document(json!({ "meta": { "versionId": "3" }, "resourceType": "ServiceRequest", "id": "a",
            "code": { "coding": [], "text": "Food" }, "status": "completed", "priority": "routine" }));
        assert_eq!(changed_elements(&sent, &same), Vec::<String>::new());
        let other = document(json!({ "resourceType": "ServiceRequest", "id": "a", "status": "active",
            "code": { "text": "Debt", "coding": [] }, "note": [{ "text": "private" }] }));
        assert_eq!(changed_elements(&sent, &other), ["code", "note", "priority"], "names alone");
    }
}
