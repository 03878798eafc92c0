//! What a sender may change of a ServiceRequest, a Patient or an Observation once it is stored. Whom it is about, what it is called and
//! who does what stay: another person, another service or another order is another referral.

use crate::ingest::rules::patient_of;
use crate::ingest::{Accepted, Found};
use gateway_fhir::{Issue, IssueCode, Json};

/// Types that a sender may change by themselves.
pub const AMENDABLE: [&str; 3] = ["ServiceRequest", "Patient", "Observation"];

/// Elements that every resource may change.
const ALWAYS: [&str; 6] = ["id", "meta", "text", "language", "extension", "contained"];

/// Elements of a ServiceRequest.
const OF_REQUEST: [&str; 12] = [
    "category",
    "priority",
    "code",
    "orderDetail",
    "reasonCode",
    "reasonReference",
    "supportingInfo",
    "note",
    "patientInstruction",
    "locationCode",
    "locationReference",
    "relevantHistory",
];

/// The same, of a choice, by the beginning of their name.
const CHOICES_OF_REQUEST: [&str; 3] = ["quantity", "occurrence", "asNeeded"];

/// Whether an element of this type may change. Of a Patient the NHS number stays, which is a rule of its own.
pub(crate) fn may_change(kind: &str, element: &str) -> bool {
    ALWAYS.contains(&element)
        || match kind {
            "ServiceRequest" => {
                OF_REQUEST.contains(&element) || CHOICES_OF_REQUEST.iter().any(|choice| element.starts_with(choice))
            }
            "Patient" => element != "link",
            "Observation" => !["subject", "code", "focus"].contains(&element),
            _ => true,
        }
}

/// Faults of a new version that changes what stays.
pub(super) fn check(accepted: &Accepted, found: &Found, issues: &mut Vec<Issue>) {
    let stored = found.stored.get(&format!("{}/{}", accepted.kind, accepted.id)).map(|stored| &stored.document);
    let Some(stored) = stored.filter(|_| AMENDABLE.contains(&accepted.kind.as_str())) else { return };
    let names = |document: &Json| -> Vec<String> {
        document.as_object().unwrap_or_default().iter().map(|(name, _)| name.clone()).collect()
    };
    let mut all = names(stored);
    all.extend(names(&accepted.document));
    all.sort();
    all.dedup();
    for name in all.iter().filter(|name| stored.get(name) != accepted.document.get(name)) {
        // `_priority` holds what extends `priority`.
        let element = name.strip_prefix('_').unwrap_or(name);
        if !may_change(&accepted.kind, element) {
            let words = format!(
                "This element of a stored {} stays as it is. Send it as it stands; what needs another is another referral.",
                accepted.kind
            );
            issues.push(Issue::at(IssueCode::BusinessRule, format!("{}.{element}", accepted.place), words));
        }
    }
    if accepted.kind == "ServiceRequest" {
        if matches!(stored.text("status"), Some("revoked" | "completed" | "entered-in-error")) {
            let words = "This request has ended, so that nobody would learn of a change. If help is still wanted, send a new \
                         referral; its ServiceRequest.replaces may name this one.";
            issues.push(Issue::at(IssueCode::BusinessRule, format!("{}.status", accepted.place), words));
        }
        same_contained(accepted, stored, issues);
    }
}

/// A contained Patient may move house, and stays the same person.
fn same_contained(accepted: &Accepted, stored: &Json, issues: &mut Vec<Issue>) {
    let person = |request: &Json| patient_of(request, &accepted.id, &|_| None);
    let (Some(before), Some(after)) = (person(stored), person(&accepted.document)) else { return };
    let same = |name: &str| before.document.get(name) == after.document.get(name);
    if before.nhs_number() != after.nhs_number() || !same("birthDate") {
        let words = "The contained Patient must stay the same person: its NHS number and birthDate stay as they are.";
        issues.push(Issue::at(IssueCode::BusinessRule, format!("{}.contained", accepted.place), words));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::Stored;
    use serde_json::{Value, json};

    fn refused(kind: &str, before: Value, after: Value) -> Vec<String> {
        let mut found = Found::default();
        found.stored.insert(format!("{kind}/a"), Stored { version: 1, document: before.into() });
        let accepted = Accepted {
            place: kind.to_owned(),
            kind: kind.to_owned(),
            id: "a".to_owned(),
            version: 2,
            document: after.into(),
            none_exist: None,
        };
        let mut issues = Vec::new();
        check(&accepted, &found, &mut issues);
        issues.into_iter().filter_map(|issue| issue.expression).collect()
    }

    #[test]
    fn what_a_referral_is_stays_and_what_it_says_may_change() {
        let request = json!({"status": "active", "intent": "order", "subject": {"reference": "Patient/p"},
            "code": {"text": "Food"}, "identifier": [{"value": "1"}], "meta": {"versionId": "1"}});
        let with = |name: &str, value: Value| {
            let mut next = request.clone();
            next[name] = value;
            refused("ServiceRequest", request.clone(), next)
        };
        for name in ["priority", "_priority", "occurrenceDateTime", "note", "meta", "reasonCode", "code"] {
            assert!(with(name, json!("x")).is_empty(), "{name}");
        }
        for name in ["status", "intent", "subject", "identifier", "performer", "requester", "doNotPerform", "basedOn"] {
            assert_eq!(with(name, json!("x")), [format!("ServiceRequest.{name}")]);
        }
        let patient = json!({"identifier": [{"value": "1"}], "birthDate": "1980-01-01", "telecom": []});
        let moved = json!({"identifier": [{"value": "1"}], "birthDate": "1980-01-01", "telecom": [{"value": "1"}],
            "address": [{"city": "Leeds"}], "deceasedBoolean": true});
        assert!(refused("Patient", patient.clone(), moved).is_empty());
        let other = json!({"identifier": [{"value": "1"}], "birthDate": "1980-01-01", "telecom": [], "link": [{}]});
        assert_eq!(refused("Patient", patient, other), ["Patient.link"]);
        let observation = json!({"status": "final", "code": {"text": "a"}, "valueInteger": 1});
        let corrected = json!({"status": "corrected", "code": {"text": "a"}, "valueInteger": 2});
        assert!(refused("Observation", observation.clone(), corrected).is_empty());
        let another = json!({"status": "final", "code": {"text": "b"}, "valueInteger": 1});
        assert_eq!(refused("Observation", observation, another), ["Observation.code"]);
    }

    #[test]
    fn a_contained_patient_stays_the_same_person() {
        let request = |number: &str, city: &str| {
            json!({"subject": {"reference": "#p"}, "contained": [{"resourceType": "Patient", "id": "p",
                "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": number}],
                "address": [{"city": city}]}]})
        };
        let before = || request("9990000018", "York");
        assert!(refused("ServiceRequest", before(), request("9990000018", "Leeds")).is_empty());
        assert_eq!(refused("ServiceRequest", before(), request("9990000026", "York")), ["ServiceRequest.contained"]);
    }
}
