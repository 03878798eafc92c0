//! The headers of BaRS: version, target, organisation, software. What a header says of a person is neither kept nor told.
//!
//! A client of the profile `bars` must send what the standard requires of a sender; another may, and what it sends must be right.
//! `use-context` is ignored, as the standard asks of a receiver.

use super::super::context::Context;
use super::super::reply::Reply;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use gateway_core::bars::API_VERSIONS;
use gateway_core::identity::Profile;
use gateway_core::refusal::Refusal;
use gateway_fhir::identifiers::{ODS_CODE, same_system};
use gateway_fhir::{Issue, IssueCode};
use serde_json::Value;

/// Bytes of one header, at most: an Organization or a Device in a few elements.
const HEADER_BYTES: usize = 8 * 1024;

/// Padded or not: both are sent.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What the headers ask for.
#[derive(Debug)]
pub(super) struct Asked {
    /// In which version the answer is.
    pub(super) version: Version,
    /// `NHSD-Target-Identifier`: system and value.
    pub(super) target: Option<(String, String)>,
}

/// A version of the BaRS API, as it stands in `Accept` and `Content-Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version(Option<usize>);

/// The `Content-Type` of an answer in each of [`API_VERSIONS`].
const SPOKEN: [&str; API_VERSIONS.len()] = [
    "application/fhir+json; version=1.0.0",
    "application/fhir+json; version=1.1.0",
    "application/fhir+json; version=1.2.0",
    "application/fhir+json; version=1.3.0",
    "application/fhir+json; version=1.4.0",
];

impl Version {
    /// The answer in this version; without one it stays as it is.
    pub(super) fn speak(self, reply: Reply) -> Reply {
        match self.0.and_then(|index| SPOKEN.get(index)) {
            Some(content_type) => Reply { content_type, ..reply },
            None => reply,
        }
    }
}

/// Reads them, with every fault.
pub(super) fn read(context: &Context, headers: &HeaderMap) -> Result<Asked, Refusal> {
    let version = negotiated(headers)?;
    let mut issues = Vec::new();
    let required = context.client.profile == Profile::Bars;
    let mut object = |name: &'static str, required: bool| match decoded(headers, name) {
        Ok(None) if required => {
            let words = format!("The header {name} is needed: JSON in base64.");
            issues.push(Issue::general(IssueCode::Required, words));
            None
        }
        Ok(found) => found,
        Err(words) => {
            issues.push(Issue::general(IssueCode::Structure, format!("The header {name} {words}")));
            None
        }
    };
    let target = object("NHSD-Target-Identifier", required);
    let organisation = object("NHSD-End-User-Organisation", required);
    object("NHSD-Requesting-Software", false);
    object("NHSD-Requesting-Practitioner", false);
    let target = target.and_then(|target| {
        let found = (text(&target, "system"), text(&target, "value"));
        if let (Some(system), Some(value)) = found {
            return Some((system.to_owned(), value.to_owned()));
        }
        let words = "The header NHSD-Target-Identifier holds an object with the texts system and value.";
        issues.push(Issue::general(IssueCode::Structure, words));
        None
    });
    let code = organisation.map(|organisation| ods_code(&organisation));
    if code == Some(None) {
        let words =
            "The header NHSD-End-User-Organisation holds an Organization with an ODS code among its identifiers.";
        issues.push(Issue::general(IssueCode::Structure, words));
    }
    if !issues.is_empty() {
        return Err(Refusal::several(400, issues));
    }
    // What a header says gives nobody more than its token does.
    if code.flatten().is_some_and(|code| !code.eq_ignore_ascii_case(&context.client.organisation)) {
        let words = "NHSD-End-User-Organisation names another organisation than the one that this client acts for.";
        return Err(Refusal::one(403, Issue::general(IssueCode::Forbidden, words)));
    }
    Ok(Asked { version, target })
}

fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str().filter(|text| !text.is_empty())
}

fn ods_code(organisation: &Value) -> Option<String> {
    if text(organisation, "resourceType") != Some("Organization") {
        return None;
    }
    let mut identifiers = organisation.get("identifier")?.as_array()?.iter();
    let found = identifiers.find(|one| text(one, "system").is_some_and(|system| same_system(system, ODS_CODE)))?;
    text(found, "value").map(str::to_owned)
}

/// The object in a header; the words go on from its name and repeat nothing of it.
fn decoded(headers: &HeaderMap, name: &str) -> Result<Option<Value>, &'static str> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    if value.len() > HEADER_BYTES {
        return Err("is too long.");
    }
    let bytes = BASE64.decode(value.as_bytes()).map_err(|_| "is not base64.")?;
    let found: Value = serde_json::from_slice(&bytes).map_err(|_| "holds no JSON in its base64.")?;
    if found.is_object() { Ok(Some(found)) } else { Err("holds no JSON object.") }
}

/// BaRS Core, "Failure scenarios": a version that is not spoken is 406, in `Accept` and in `Content-Type` alike; where none is named
/// none is asked for.
fn negotiated(headers: &HeaderMap) -> Result<Version, Refusal> {
    let all = |name: header::HeaderName| -> Vec<String> {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(str::to_owned).collect()
    };
    let spoken = |media: &str| -> Option<Option<usize>> {
        match version(media) {
            None => Some(None),
            Some(asked) => API_VERSIONS.iter().position(|known| *known == asked).map(Some),
        }
    };
    let sent = all(header::CONTENT_TYPE);
    let accepted = all(header::ACCEPT);
    let refused = || {
        let words = format!(
            "This version of the API is not spoken here. Name one of {} in Accept and Content-Type, or none.",
            API_VERSIONS.join(", ")
        );
        Refusal::one(406, Issue::general(IssueCode::NotSupported, words))
    };
    let sent = sent.iter().map(|media| spoken(media)).next().unwrap_or(Some(None)).ok_or_else(refused)?;
    let mut wanted = accepted.iter().filter_map(|media| spoken(media));
    let wanted = if accepted.is_empty() { None } else { wanted.next().ok_or_else(refused)? };
    Ok(Version(wanted.or(sent)))
}

/// The parameter `version` of a media type.
fn version(media: &str) -> Option<String> {
    let mut parameters = media.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let found = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("version"));
    found.map(|(_, value)| value.trim().trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn there_is_a_content_type_for_each_version() {
        for (media, known) in SPOKEN.iter().zip(API_VERSIONS) {
            assert_eq!(version(media).as_deref(), Some(known));
        }
    }

    #[test]
    fn versions_are_negotiated() {
        for (accept, content, spoken) in [
            ("", "application/fhir+json", Some(None)),
            ("application/fhir+json;version=1.2.0", "application/fhir+json", Some(Some(2))),
            ("", "application/fhir+json; version=1.1.0", Some(Some(1))),
            ("application/fhir+json; Version=\"1.0.0\"", "application/fhir+json; version=1.4.0", Some(Some(0))),
            ("application/fhir+json; version=9.0.0, application/fhir+json; version=1.3.0", "", Some(Some(3))),
            ("application/fhir+json; version=9.0.0, */*", "", Some(None)),
            ("application/fhir+json; version=9.0.0", "", None),
            ("", "application/fhir+json; version=2.0.0", None),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(header::ACCEPT, accept), (header::CONTENT_TYPE, content)] {
                if !value.is_empty() {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
            let found = negotiated(&headers).map(|version| version.0);
            assert_eq!(found.as_ref().ok().copied(), spoken, "{accept} {content}");
            assert!(found.err().is_none_or(|refusal| refusal.status == 406));
        }
    }

    #[test]
    fn what_is_in_a_header_is_an_object() {
        let decoded = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x", HeaderValue::from_str(text).unwrap());
            super::decoded(&headers, "x")
        };
        assert_eq!(decoded("e30="), Ok(Some(serde_json::json!({}))));
        assert_eq!(decoded("e30"), Ok(Some(serde_json::json!({}))));
        for (text, words) in
            [("%%%", "is not base64."), ("W10=", "holds no JSON object."), ("e30x", "holds no JSON in its base64.")]
        {
            assert_eq!(decoded(text), Err(words), "{text}");
        }
        assert_eq!(decoded(&"e".repeat(9000)), Err("is too long."));
    }
}
