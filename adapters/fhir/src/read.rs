//! Small readings of what a platform sent: concepts, ids, references, entries of a Bundle.

use crate::json::{Object, array};
use adapter_contract::Concept;
use serde_json::Value;

/// A `CodeableConcept` as one concept: its first coding, and its text or that coding's display.
pub fn concept(value: &Value) -> Option<Concept> {
    let coding = value.pointer("/coding/0");
    let part = |name: &str| coding.and_then(|coding| string(coding, name));
    let concept =
        Concept { system: part("system"), code: part("code"), text: string(value, "text").or_else(|| part("display")) };
    (concept != Concept::default()).then_some(concept)
}

/// A member that is a string.
#[must_use]
pub fn string(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// `Type/id` at the end of a reference or `Location`, without a version; `None` if it does not end so.
pub fn local_reference(reference: &str) -> Option<String> {
    let unversioned = reference.split_once("/_history").map_or(reference, |(before, _)| before);
    let mut segments = unversioned.rsplit('/');
    let (id, kind) = (segments.next()?, segments.next()?);
    let is_type = kind.starts_with(|first: char| first.is_ascii_uppercase())
        && kind.bytes().all(|byte| byte.is_ascii_alphabetic());
    (is_type && is_id(id)).then(|| format!("{kind}/{id}"))
}

/// R4 `id`: what may stand in a path without more ado.
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        && !text.bytes().all(|byte| byte == b'.')
}

/// The texts of a Bundle's entries: full URL and resource. `None` if it is no Bundle of this type.
pub fn bundle_entries<'a>(body: &'a str, kind: &str) -> Option<Vec<(Option<String>, Object<'a>)>> {
    let bundle = Object::read(body)?;
    let is = |name: &str, wanted: &str| bundle.string(name).as_deref() == Some(wanted);
    if !is("resourceType", "Bundle") || !is("type", kind) {
        return None;
    }
    let entries = bundle.raw("entry").map(array).unwrap_or_default();
    // An entry that is no object is passed over: one malformed entry does not stop those behind it.
    Some(entries.into_iter().filter_map(Object::read).map(|entry| (entry.string("fullUrl"), entry)).collect())
}
