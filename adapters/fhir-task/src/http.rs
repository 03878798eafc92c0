//! Requests in the form that FHIR's REST API asks for.

use adapter_contract::{HttpRequest, Method, Repeat, systems};

const FHIR_JSON: &str = "application/fhir+json";

/// A read or search.
pub(crate) fn get(path: impl Into<String>, query: Vec<(String, String)>) -> HttpRequest {
    HttpRequest {
        method: Method::Get,
        path: path.into(),
        query,
        headers: vec![("Accept".to_owned(), FHIR_JSON.to_owned())],
        body: None,
        repeat: Repeat::Safe,
    }
}

/// A request with a FHIR body.
pub(crate) fn send(method: Method, path: impl Into<String>, body: String, repeat: Repeat) -> HttpRequest {
    HttpRequest {
        method,
        path: path.into(),
        query: Vec::new(),
        headers: vec![
            ("Content-Type".to_owned(), FHIR_JSON.to_owned()),
            ("Accept".to_owned(), FHIR_JSON.to_owned()),
            ("Prefer".to_owned(), "return=representation".to_owned()),
        ],
        body: Some(body.into_bytes()),
        repeat,
    }
}

/// Our key as a search token, `system|value`, not yet percent-encoded (R4 search, "token").
pub(crate) fn key_token(value: &str) -> String {
    let mut token = format!("{}|", systems::REFERRAL_KEY);
    for character in value.chars() {
        if matches!(character, '\\' | '$' | ',' | '|') {
            token.push('\\');
        }
        token.push(character);
    }
    token
}

/// The condition of a conditional create: `identifier=system|value`, percent-encoded (R4 http, "conditional create").
pub(crate) fn key_condition(value: &str) -> String {
    let mut condition = "identifier=".to_owned();
    for byte in key_token(value).bytes() {
        match byte {
            // What a URI's query may hold as it is (RFC 3986), and the bar, which the specification's example shows bare.
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b'|' => {
                condition.push(char::from(byte));
            }
            _ => condition.push_str(&format!("%{byte:02X}")),
        }
    }
    condition
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_escaped_as_a_token_and_then_as_a_uri() {
        assert_eq!(key_token("a|b"), format!("{}|a\\|b", systems::REFERRAL_KEY));
        assert!(key_condition("a b&c").ends_with("|a%20b%26c"));
    }
}
