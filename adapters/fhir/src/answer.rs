//! What an answer over HTTP means in FHIR's words: a success with its body, or what it was instead.

use adapter_contract::{Answer, DeliveryError, FailureCode};
use serde_json::Value;

/// R4 `issue-type` codes (required binding). A platform's other words stay out of diagnostics: they might be anything.
const ISSUE_TYPES: [&str; 31] = [
    "invalid",
    "structure",
    "required",
    "value",
    "invariant",
    "security",
    "login",
    "unknown",
    "expired",
    "forbidden",
    "suppressed",
    "processing",
    "not-supported",
    "duplicate",
    "multiple-matches",
    "not-found",
    "deleted",
    "too-long",
    "code-invalid",
    "extension",
    "too-costly",
    "business-rule",
    "conflict",
    "transient",
    "lock-error",
    "no-store",
    "exception",
    "timeout",
    "incomplete",
    "throttled",
    "informational",
];

/// Issue types that R4 calls transient, or that say nothing of the content: asking again may help.
const PASSING: [&str; 7] = ["transient", "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled"];

/// The body of a success answer as text, or what the answer was instead.
///
/// # Errors
/// [`DeliveryError`] for every status but 2xx, for a body that is no UTF-8, and for an answer of another transport.
pub fn success(answer: &Answer) -> Result<&str, DeliveryError> {
    let Answer::Http { status, body, .. } = answer else {
        return Err(unreadable("the answer is not that of an HTTP request"));
    };
    if !(200..300).contains(status) {
        return Err(failure(answer));
    }
    let body = std::str::from_utf8(body).map_err(|_| unreadable("the body is not UTF-8"))?;
    match refusal(body) {
        Some((codes, words)) if codes.iter().all(|code| !PASSING.contains(code)) => Err(DeliveryError::new(
            FailureCode::Refused,
            format!("HTTP {status} with a refusing OperationOutcome: {words}"),
        )),
        Some((_, words)) => Err(unreadable(&format!("an OperationOutcome instead of the resource: {words}"))),
        None => Ok(body),
    }
}

/// Status code of an HTTP answer; 0 for another transport's.
pub fn status(answer: &Answer) -> u16 {
    match answer {
        Answer::Http { status, .. } => *status,
        Answer::Published(_) | Answer::Amended(_) | Answer::File(_) | Answer::Mailed => 0,
    }
}

/// Types whose elements a diagnostic may name: those that adapters send.
const PLACES: [&str; 15] = [
    "Bundle",
    "Communication",
    "Condition",
    "DocumentReference",
    "HealthcareService",
    "MessageHeader",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "QuestionnaireResponse",
    "RelatedPerson",
    "ServiceRequest",
    "Task",
];

/// A success code with a body that is not the platform's.
pub fn unreadable(what: &str) -> DeliveryError {
    DeliveryError::new(FailureCode::UnreadableSuccess, format!("expected FHIR JSON: {what}"))
}

/// What an answer with an error status means.
pub fn failure(answer: &Answer) -> DeliveryError {
    let Answer::Http { status, body, .. } = answer else {
        return unreadable("the answer is not that of an HTTP request");
    };
    let outcome = std::str::from_utf8(body).ok().and_then(refusal);
    // Only these say that the content was understood and is wrong; the rest is about access, load or luck.
    let about_content = matches!(status, 400 | 404 | 405 | 410 | 412 | 413 | 415 | 422);
    let mut error = match outcome {
        Some((codes, words)) if about_content && codes.iter().all(|code| !PASSING.contains(code)) => {
            DeliveryError::new(FailureCode::Refused, format!("HTTP {status}, OperationOutcome: {words}"))
        }
        Some((_, words)) => {
            DeliveryError::new(FailureCode::HttpStatus(*status), format!("HTTP {status}, OperationOutcome: {words}"))
        }
        None => {
            DeliveryError::new(FailureCode::HttpStatus(*status), format!("HTTP {status} without an OperationOutcome"))
        }
    };
    // Seconds (RFC 9110 s.10.2.3): where the platform wrote a date, the gateway, which has a clock, has made seconds of it.
    error.retry_after_seconds = answer.header("retry-after").and_then(|value| value.trim().parse().ok());
    error
}

/// Codes and places of the errors in an `OperationOutcome`; `None` if it is none, or has no error.
#[must_use]
pub fn issues(body: &str) -> Option<String> {
    refusal(body).map(|(_, words)| words)
}

/// Codes and printable words of an `OperationOutcome` with at least one error; `diagnostics` and `details.text` are left
/// out, because platforms echo values there.
fn refusal(body: &str) -> Option<(Vec<&'static str>, String)> {
    let value: Value = serde_json::from_str(body).ok()?;
    if value.get("resourceType").and_then(Value::as_str) != Some("OperationOutcome") {
        return None;
    }
    let issues = value.get("issue").and_then(Value::as_array)?;
    let (mut codes, mut words) = (Vec::new(), Vec::new());
    let serious = |issue: &&Value| matches!(issue.get("severity").and_then(Value::as_str), Some("error" | "fatal"));
    for issue in issues.iter().filter(serious).take(5) {
        let said = issue.get("code").and_then(Value::as_str).unwrap_or_default();
        let code = ISSUE_TYPES.into_iter().find(|known| *known == said).unwrap_or("an unknown issue code");
        let place = ["expression", "location"].into_iter().find_map(|name| {
            issue.get(name)?.as_array()?.iter().filter_map(Value::as_str).find(|path| is_element_path(path))
        });
        words.push(place.map_or_else(|| code.to_owned(), |place| format!("{code} at {place}")));
        codes.push(code);
    }
    (!codes.is_empty()).then(|| (codes, words.join("; ")))
}

/// True for a plain path such as `Patient.name[0].given`: resource type, then element names. Anything that can carry a
/// literal (quotes, brackets with words, spaces) is no plain path.
fn is_element_path(path: &str) -> bool {
    let mut segments = path.split('.');
    let type_name = segments.next().unwrap_or_default();
    let is_type = PLACES.contains(&type_name);
    is_type && path.len() <= 80 && segments.all(is_element_name)
}

fn is_element_name(segment: &str) -> bool {
    let name = match segment.split_once('[') {
        Some((name, index)) => match index.strip_suffix(']') {
            // Three digits: enough for a list, too few for a telephone or NHS number.
            Some(index) if index.len() <= 3 && index.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => return false,
        },
        None => segment,
    };
    name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Answer::Http { status, headers, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn retry_after_in_seconds_is_kept_and_a_date_is_the_gateways_to_read() {
        assert_eq!(failure(&answer(429, &[("retry-after", "120")], "")).retry_after_seconds, Some(120));
        let dated = failure(&answer(503, &[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")], ""));
        assert_eq!((dated.code, dated.retry_after_seconds), (FailureCode::HttpStatus(503), None));
    }

    #[test]
    fn a_refusal_names_code_and_place_but_no_value() {
        let body = r#"{"resourceType":"OperationOutcome","issue":[
            {"severity":"error","code":"required","diagnostics":"Ann Canary","details":{"text":"Ann Canary"},
             "expression":["Patient.name.where(given='Canary')","Patient.name[0].given"]},
            {"severity":"error","code":"Canary","expression":["Patient.name['Canary']"]}]}"#;
        let error = failure(&answer(422, &[], body));
        assert_eq!(error.code, FailureCode::Refused);
        assert!(error.diagnostic.contains("required at Patient.name[0].given"), "{}", error.diagnostic);
        assert!(!error.diagnostic.contains("Canary"), "{}", error.diagnostic);
    }

    #[test]
    fn a_passing_or_access_error_is_not_a_refusal() {
        let body = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"lock-error"}]}"#;
        assert_eq!(failure(&answer(422, &[], body)).code, FailureCode::HttpStatus(422));
        let body = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"login"}]}"#;
        assert_eq!(failure(&answer(401, &[], body)).code, FailureCode::HttpStatus(401));
        assert_eq!(failure(&answer(404, &[], "<html>")).code, FailureCode::HttpStatus(404));
    }

    #[test]
    fn two_hundred_with_an_error_body_is_an_error() {
        let body = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"business-rule"}]}"#;
        assert_eq!(success(&answer(200, &[], body)).expect_err("error").code, FailureCode::Refused);
    }
}
