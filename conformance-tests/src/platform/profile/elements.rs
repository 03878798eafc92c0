//! The elements that R4 gives to the types this platform stores: a server of R4 refuses what is not among them.
//!
//! Top level only. It knows names, not types: enough to refuse R5 and misspelt elements as real servers do.

use serde_json::Value;

use crate::fhir::Issue;

const EVERY: &str = "resourceType id meta implicitRules language text contained extension modifierExtension";

const TASK: &str = "identifier instantiatesCanonical instantiatesUri basedOn groupIdentifier partOf status statusReason \
    businessStatus intent priority code description focus for encounter executionPeriod authoredOn lastModified \
    requester performerType owner location reasonCode reasonReference insurance note relevantHistory restriction \
    input output";

const SERVICE_REQUEST: &str = "identifier instantiatesCanonical instantiatesUri basedOn replaces requisition status \
    intent category priority doNotPerform code orderDetail quantityQuantity quantityRatio quantityRange subject \
    encounter occurrenceDateTime occurrencePeriod occurrenceTiming asNeededBoolean asNeededCodeableConcept authoredOn \
    requester performerType performer locationCode locationReference reasonCode reasonReference insurance \
    supportingInfo specimen bodySite note patientInstruction relevantHistory";

const PATIENT: &str = "identifier active name telecom gender birthDate deceasedBoolean deceasedDateTime address \
    maritalStatus multipleBirthBoolean multipleBirthInteger photo contact communication generalPractitioner \
    managingOrganization link";

const CONSENT: &str = "identifier status scope category patient dateTime performer organization sourceAttachment \
    sourceReference policy policyRule verification provision";

const ORGANIZATION: &str = "identifier active type name alias telecom address partOf contact endpoint";

/// The types that may be created here.
pub(in crate::platform) const STORED: [&str; 12] = [
    "Task",
    "ServiceRequest",
    "Patient",
    "Consent",
    "Organization",
    "Practitioner",
    "PractitionerRole",
    "Observation",
    "QuestionnaireResponse",
    "Condition",
    "Procedure",
    "RelatedPerson",
];

/// Adds a fault for a type that is not stored here and for each element that its type does not have.
pub(super) fn check(kind: &str, resource: &Value, issues: &mut Vec<Issue>) {
    if !STORED.contains(&kind) {
        issues.push(Issue::new("not-supported", kind, "this type is not stored here"));
        return;
    }
    if resource.get("modifierExtension").is_some() {
        issues.push(Issue::new(
            "extension",
            format!("{kind}.modifierExtension"),
            "no modifier extension is understood",
        ));
    }
    let Some(own) = elements_of(kind) else { return };
    let Some(fields) = resource.as_object() else { return };
    for name in fields.keys() {
        let plain = name.strip_prefix('_').unwrap_or(name);
        if !EVERY.split_whitespace().chain(own.split_whitespace()).any(|one| one == plain) {
            issues.push(Issue::new("structure", format!("{kind}.{name}"), "R4 has no such element"));
        }
    }
}

fn elements_of(kind: &str) -> Option<&'static str> {
    match kind {
        "Task" => Some(TASK),
        "ServiceRequest" => Some(SERVICE_REQUEST),
        "Patient" => Some(PATIENT),
        "Consent" => Some(CONSENT),
        "Organization" => Some(ORGANIZATION),
        _ => None,
    }
}
