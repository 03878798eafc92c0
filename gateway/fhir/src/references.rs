//! References and URIs in a resource: what form a reference has, where they all are, and changing them.
//!
//! Works by the element table, so a text that merely looks like a reference is left alone. Nothing is ever fetched,
//! and whether the target exists is not known here.

mod walk;

pub use walk::{Site, literals, rewrite, sites};

use crate::elements;

/// The forms that a `Reference.reference` may take (R4, references, "Literal References"; bundle, "Resolving
/// references"; http, "Conditional References").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferenceForm<'a> {
    /// `#id`: a contained resource. Empty for `#` alone, which is the containing resource.
    Fragment(&'a str),
    /// `Type/id` or `Type/id/_history/version`.
    Relative {
        /// The resource type.
        kind: &'a str,
        /// The logical id.
        id: &'a str,
        /// The version, if one is named.
        version: Option<&'a str>,
    },
    /// The whole of a `urn:uuid:` or `urn:oid:` URI.
    Urn(&'a str),
    /// `Type?query`: the one resource that the query finds.
    Conditional {
        /// The resource type.
        kind: &'a str,
        /// What follows the question mark. Its parameters are not looked at.
        query: &'a str,
    },
    /// `http(s)://.../Type/id`, with or without a version (which is not told apart).
    Absolute {
        /// The server's base, without the last slash.
        base: &'a str,
        /// The resource type.
        kind: &'a str,
        /// The logical id.
        id: &'a str,
    },
    /// Nothing of these.
    Invalid,
}

/// Tells the form of a reference. Strict: known resource types, R4 ids, no `.` or `..` segment, no percent-encoding,
/// credentials, or query or fragment behind a literal reference. What is read otherwise by somebody else is `Invalid`.
#[must_use]
pub fn parse(reference: &str) -> ReferenceForm<'_> {
    if let Some(id) = reference.strip_prefix('#') {
        return if id.is_empty() || is_id(id) { ReferenceForm::Fragment(id) } else { ReferenceForm::Invalid };
    }
    if reference.starts_with("urn:") {
        return if is_urn(reference) { ReferenceForm::Urn(reference) } else { ReferenceForm::Invalid };
    }
    if reference.starts_with("http://") || reference.starts_with("https://") {
        return absolute(reference).unwrap_or(ReferenceForm::Invalid);
    }
    if let Some((kind, query)) = reference.split_once('?') {
        let fits = elements::is_resource_type(kind)
            && !query.is_empty()
            && query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        return if fits { ReferenceForm::Conditional { kind, query } } else { ReferenceForm::Invalid };
    }
    match literal(reference) {
        Some((kind, id, version)) => ReferenceForm::Relative { kind, id, version },
        None => ReferenceForm::Invalid,
    }
}

/// Whether this is an R4 `id`: 1 to 64 letters, digits, `-` and `.`. Those of dots only, which paths give a meaning,
/// are refused.
#[must_use]
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        && !text.bytes().all(|byte| byte == b'.')
}

/// Whether this is `urn:uuid:` and a UUID.
#[must_use]
pub fn is_urn_uuid(text: &str) -> bool {
    let Some(uuid) = text.strip_prefix("urn:uuid:") else { return false };
    let lengths = [8, 4, 4, 4, 12];
    let mut groups = uuid.split('-');
    lengths.iter().all(|length| {
        groups.next().is_some_and(|group| group.len() == *length && group.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }) && groups.next().is_none()
}

/// `urn:uuid:` and a UUID, or `urn:oid:` and an object identifier (R4, datatypes, oid).
fn is_urn(text: &str) -> bool {
    let is_oid = text.strip_prefix("urn:oid:").is_some_and(|oid| {
        let is_arc = |arc: &str| {
            !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit()) && (arc == "0" || !arc.starts_with('0'))
        };
        oid.starts_with(['0', '1', '2']) && oid.get(1..2) == Some(".") && oid.split('.').all(is_arc)
    });
    is_oid || is_urn_uuid(text)
}

/// `Type/id` or `Type/id/_history/version`.
fn literal(text: &str) -> Option<(&str, &str, Option<&str>)> {
    let mut parts = text.split('/');
    let (kind, id) = (parts.next()?, parts.next()?);
    let version = match (parts.next(), parts.next()) {
        (None, _) => None,
        (Some("_history"), Some(version)) if is_id(version) => Some(version),
        _ => return None,
    };
    (parts.next().is_none() && elements::is_resource_type(kind) && is_id(id)).then_some((kind, id, version))
}

fn absolute(text: &str) -> Option<ReferenceForm<'_>> {
    let unversioned =
        text.split_once("/_history/").map_or(Some(text), |(head, version)| is_id(version).then_some(head))?;
    let (rest, id) = unversioned.rsplit_once('/')?;
    let (base, kind) = rest.rsplit_once('/')?;
    let (_, path) = base.split_once("://")?;
    let is_segment = |segment: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'$');
        !segment.is_empty() && segment.bytes().all(plain) && !segment.bytes().all(|byte| byte == b'.')
    };
    let fits = path.split('/').all(is_segment) && elements::is_resource_type(kind) && is_id(id);
    fits.then_some(ReferenceForm::Absolute { base, kind, id })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms() {
        let uuid = "urn:uuid:0a6b2e0c-6f1c-4f7e-9b43-3f1a5a0c9d11";
        for (text, form) in [
            ("#p1", ReferenceForm::Fragment("p1")),
            ("#", ReferenceForm::Fragment("")),
            ("Patient/a.b-C9", ReferenceForm::Relative { kind: "Patient", id: "a.b-C9", version: None }),
            ("Task/1/_history/2", ReferenceForm::Relative { kind: "Task", id: "1", version: Some("2") }),
            (uuid, ReferenceForm::Urn(uuid)),
            ("urn:oid:2.16.840.1", ReferenceForm::Urn("urn:oid:2.16.840.1")),
            ("Patient?identifier=a|b", ReferenceForm::Conditional { kind: "Patient", query: "identifier=a|b" }),
            (
                "https://gp.example:8443/fhir/R4/Patient/1",
                ReferenceForm::Absolute { base: "https://gp.example:8443/fhir/R4", kind: "Patient", id: "1" },
            ),
            ("http://a/Task/1/_history/3", ReferenceForm::Absolute { base: "http://a", kind: "Task", id: "1" }),
        ] {
            assert_eq!(parse(text), form, "{text}");
        }
    }

    #[test]
    fn tricks_are_invalid() {
        for text in [
            "",
            "Patient",
            "Patient/",
            "/Patient/1",
            "Patient/..",
            "Patient/.",
            "Patient/../Task/1",
            "Patient/1/",
            "Nobody/1",
            "Patient/1/_history",
            "Patient/1/_history/..",
            "Patient/1/Task/2",
            "Patient/1#x",
            "Patient/1?x=y",
            "patient/1",
            "Patient/a_b",
            "Patient/%2e%2e",
            "Patient?",
            "Patient?a b",
            "Nobody?x=y",
            "#a b",
            "#../x",
            "Patient/a\n",
            "urn:uuid:0a6b2e0c-6f1c-4f7e-9b43-3f1a5a0c9d1",
            "urn:uuid:",
            "urn:oid:3.1",
            "urn:oid:1.02",
            "urn:oid:1",
            "urn:x:1",
            "https://Patient/1",
            "https://a/../Patient/1",
            "https://a//Patient/1",
            "https://u@a/Patient/1",
            "https:///Patient/1",
            "https://a/%2e/Patient/1",
            "https://a/Patient/1?x",
            "https://a/Nobody/1",
            "ftp://a/Patient/1",
            "//a/Patient/1",
            "https://a\\b/Patient/1",
            "HTTPS://a/Patient/1",
            "DomainResource/1",
            "https://a/x?y/Patient/1",
        ] {
            assert_eq!(parse(text), ReferenceForm::Invalid, "{text}");
        }
        assert_eq!(parse(&format!("Patient/{}", "a".repeat(65))), ReferenceForm::Invalid);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(https?://|urn:oid:|#|)[A-Za-z/.:?#é0-9_-]{0,40}") {
            let _ = parse(&text);
        }
    }
}
