//! Invariants of the resource types that the gateway deals in, other than Bundle.

use super::datatypes::is_after;
use super::{Check, Rule, has, has_choice, has_coding, places};
use crate::Json;

const CONSENT_SCOPE: &str = "http://terminology.hl7.org/CodeSystem/consentscope";
const CONDITION_STATUS: &str = "http://terminology.hl7.org/CodeSystem/condition-clinical";
const CONDITION_VERIFICATION: &str = "http://terminology.hl7.org/CodeSystem/condition-ver-status";

pub(super) const RULES: &[Rule] = &[
    Rule {
        under: "Task",
        id: "inv-1",
        text: "last modified date must be greater than or equal to authored-on date",
        check: Check::Holds(|task| !is_after(task.text("authoredOn"), task.text("lastModified"))),
    },
    Rule {
        under: "ServiceRequest",
        id: "prr-1",
        text: "orderDetail SHALL only be present if code is present",
        check: Check::Holds(|request| !has(request, "orderDetail") || has(request, "code")),
    },
    Rule {
        under: "Patient.contact",
        id: "pat-1",
        text: "SHALL at least contain a contact's details or a reference to an organization",
        check: Check::Holds(|contact| {
            ["name", "telecom", "address", "organization"].iter().any(|name| has(contact, name))
        }),
    },
    Rule {
        under: "Consent",
        id: "ppc-1",
        text: "either a Policy or PolicyRule",
        check: Check::Holds(|consent| has(consent, "policy") || has(consent, "policyRule")),
    },
    // The expressions of ppc-2 to ppc-5 name a system "something", which nobody sends: a slip of R4. Held is what
    // their text says, with the code system that R4 gives for scope.
    Rule {
        under: "Consent",
        id: "ppc-2",
        text: "if scope=privacy, there must be a patient",
        check: Check::Holds(|consent| scope_has_patient(consent, "patient-privacy")),
    },
    Rule {
        under: "Consent",
        id: "ppc-3",
        text: "if scope=research, there must be a patient",
        check: Check::Holds(|consent| scope_has_patient(consent, "research")),
    },
    Rule {
        under: "Consent",
        id: "ppc-4",
        text: "if scope=adr, there must be a patient",
        check: Check::Holds(|consent| scope_has_patient(consent, "adr")),
    },
    Rule {
        under: "Consent",
        id: "ppc-5",
        text: "if scope=treatment, there must be a patient",
        check: Check::Holds(|consent| scope_has_patient(consent, "treatment")),
    },
    Rule {
        under: "Observation",
        id: "obs-6",
        text: "dataAbsentReason SHALL only be present if Observation.value[x] is not present",
        check: Check::Holds(|observation| !has(observation, "dataAbsentReason") || !has_choice(observation, "value")),
    },
    Rule {
        under: "Observation",
        id: "obs-7",
        text: "if Observation.code is the same as an Observation.component.code then the value element associated with \
               the code SHALL NOT be present",
        check: Check::Holds(|observation| !has_choice(observation, "value") || !repeats_own_code(observation)),
    },
    Rule {
        under: "Observation.referenceRange",
        id: "obs-3",
        text: "must have at least a low or a high or text",
        check: Check::Holds(|range| ["low", "high", "text"].iter().any(|name| has(range, name))),
    },
    Rule {
        under: "QuestionnaireResponse.item",
        id: "qrs-1",
        text: "nested item can't be beneath both item and answer",
        check: Check::Holds(|item| !has(item, "answer") || !has(item, "item")),
    },
    Rule {
        under: "Organization",
        id: "org-1",
        text: "the organization SHALL at least have a name or an identifier, and possibly more than one",
        check: Check::Holds(|organization| has(organization, "name") || has(organization, "identifier")),
    },
    Rule {
        under: "Organization",
        id: "org-2",
        text: "an address of an organization can never be of use 'home'",
        check: Check::Places(|organization| places(organization, "address", is_home)),
    },
    Rule {
        under: "Organization",
        id: "org-3",
        text: "the telecom of an organization can never be of use 'home'",
        check: Check::Places(|organization| places(organization, "telecom", is_home)),
    },
    Rule {
        under: "Condition",
        id: "con-4",
        text: "if condition is abated, then clinicalStatus must be either inactive, resolved, or remission",
        check: Check::Holds(|condition| {
            let status = condition.get("clinicalStatus");
            let is_over = |code: &&str| has_coding(status, CONDITION_STATUS, code);
            !has_choice(condition, "abatement") || ["inactive", "resolved", "remission"].iter().any(is_over)
        }),
    },
    Rule {
        under: "Condition",
        id: "con-5",
        text: "Condition.clinicalStatus SHALL NOT be present if verification Status is entered-in-error",
        check: Check::Holds(|condition| {
            let verification = condition.get("verificationStatus");
            !has(condition, "clinicalStatus") || !has_coding(verification, CONDITION_VERIFICATION, "entered-in-error")
        }),
    },
    Rule {
        under: "Condition.stage",
        id: "con-1",
        text: "stage SHALL have summary or assessment",
        check: Check::Holds(|stage| has(stage, "summary") || has(stage, "assessment")),
    },
    Rule {
        under: "Condition.evidence",
        id: "con-2",
        text: "evidence SHALL have code or details",
        check: Check::Holds(|evidence| has(evidence, "code") || has(evidence, "detail")),
    },
    Rule {
        under: "Goal.target",
        id: "gol-1",
        text: "Goal.target.measure is required if Goal.target.detail is populated",
        check: Check::Holds(|target| !has_choice(target, "detail") || has(target, "measure")),
    },
    Rule {
        under: "CarePlan.activity",
        id: "cpl-3",
        text: "provide a reference or detail, not both",
        check: Check::Holds(|activity| !has(activity, "detail") || !has(activity, "reference")),
    },
];

fn scope_has_patient(consent: &Json, code: &str) -> bool {
    has(consent, "patient") || !has_coding(consent.get("scope"), CONSENT_SCOPE, code)
}

fn is_home(value: &Json) -> bool {
    value.text("use") == Some("home")
}

/// Codings are the same by system and code. R4's `intersect` compares every member, display too; a display that
/// differs does not make another code.
fn repeats_own_code(observation: &Json) -> bool {
    fn pairs(holder: &Json) -> impl Iterator<Item = (Option<&str>, &str)> {
        let codings = holder.get("code").map(|code| code.items("coding")).unwrap_or_default();
        codings.iter().filter_map(|coding| Some((coding.text("system"), coding.text("code")?)))
    }
    let own: std::collections::HashSet<_> = pairs(observation).collect();
    observation.items("component").iter().any(|component| pairs(component).any(|pair| own.contains(&pair)))
}
