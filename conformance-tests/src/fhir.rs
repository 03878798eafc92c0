//! The few FHIR R4 words that the doubles share: systems, instants, references, OperationOutcome.
//!
//! Deliberately not a FHIR library: it holds what a counterpart needs to be written from its own guide, and does not
//! know the gateway's types.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// NHS number.
pub const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
/// ODS organisation code.
pub const ODS_CODE: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
/// The gateway's idempotency key, carried as an identifier of the platform's Task.
pub const REFERRAL_KEY: &str = "https://vcse-gateway.example/fhir/Id/referral-key";
/// SNOMED CT.
pub const SNOMED: &str = "http://snomed.info/sct";
/// Gravity's own codes.
pub const SDOHCC: &str = "http://hl7.org/fhir/us/sdoh-clinicalcare/CodeSystem/SDOHCC-CodeSystemTemporaryCodes";
/// Task codes (`fulfill`).
pub const TASK_CODE: &str = "http://hl7.org/fhir/CodeSystem/task-code";
/// `v3-ActCode` (consent categories and policy rules).
pub const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
/// The media type of every FHIR body.
pub const FHIR_JSON: &str = "application/fhir+json";

/// `instant` as FHIR writes it: UTC with milliseconds.
pub fn instant(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC)
        .format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"))
        .expect("every component of the format exists in an OffsetDateTime")
}

/// The date of `at`, in UTC.
pub fn date(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC)
        .format(format_description!("[year]-[month]-[day]"))
        .expect("every component of the format exists in an OffsetDateTime")
}

/// Reads an instant, or a date as its first moment in UTC.
pub fn read_instant(text: &str) -> Option<OffsetDateTime> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    OffsetDateTime::parse(&whole, &Rfc3339).ok()
}

/// The text at a JSON pointer.
pub fn text_at<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str)
}

/// The value of the first identifier with this system.
pub fn identifier<'v>(resource: &'v Value, system: &str) -> Option<&'v str> {
    let found =
        resource.get("identifier")?.as_array()?.iter().find(|one| one.get("system") == Some(&Value::from(system)))?;
    found.get("value")?.as_str()
}

/// A CodeableConcept of one coding.
pub fn concept(system: &str, code: &str, display: &str) -> Value {
    json!({ "coding": [{ "system": system, "code": code, "display": display }] })
}

/// `Type` and `id` out of `Type/id`, `Type/id/_history/2` or an absolute URL that ends so.
pub fn split_reference(reference: &str) -> Option<(&str, &str)> {
    let plain = reference.split("/_history/").next().unwrap_or(reference);
    let (head, id) = plain.rsplit_once('/')?;
    let kind = head.rsplit('/').next()?;
    let typed = kind.starts_with(|first: char| first.is_ascii_uppercase());
    (typed && !id.is_empty()).then_some((kind, id))
}

/// One fault for an OperationOutcome: issue code, the element, the sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Code of the issue-type value set.
    pub code: &'static str,
    /// FHIRPath of the element.
    pub expression: String,
    /// For a developer; never holds patient data.
    pub diagnostics: String,
}

impl Issue {
    /// An issue about one element.
    pub fn new(code: &'static str, expression: impl Into<String>, diagnostics: impl Into<String>) -> Self {
        Self { code, expression: expression.into(), diagnostics: diagnostics.into() }
    }
}

/// An OperationOutcome that names every fault.
pub fn operation_outcome(issues: &[Issue]) -> Value {
    let issues: Vec<Value> = issues
        .iter()
        .map(|issue| {
            json!({
                "severity": "error",
                "code": issue.code,
                "diagnostics": issue.diagnostics,
                "expression": [issue.expression],
            })
        })
        .collect();
    json!({ "resourceType": "OperationOutcome", "issue": issues })
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn instants_are_utc_milliseconds_and_read_back() {
        let at = datetime!(2026-06-15 13:00:00.25 +1);
        assert_eq!(instant(at), "2026-06-15T12:00:00.250Z");
        assert_eq!(read_instant("2026-06-15T12:00:00.250Z"), Some(at));
        assert_eq!(read_instant("2026-06-15"), Some(datetime!(2026-06-15 00:00 UTC)));
        assert_eq!(read_instant("soon"), None);
    }

    #[test]
    fn references_are_split_in_every_spelling() {
        assert_eq!(split_reference("Task/7"), Some(("Task", "7")));
        assert_eq!(split_reference("Task/7/_history/2"), Some(("Task", "7")));
        assert_eq!(split_reference("http://host/fhir/Task/7"), Some(("Task", "7")));
        assert_eq!(split_reference("urn:uuid:7"), None);
    }
}
