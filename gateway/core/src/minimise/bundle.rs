//! The Bundle of what is left: full URLs, references that resolve within it, and nothing else.

use crate::task::derived_id;
use adapter_contract::IdempotencyKey;
use gateway_fhir::Json;
use std::collections::{BTreeMap, BTreeSet};

/// `Type/id`, as references write it.
pub(super) fn name(resource: &Json) -> String {
    let part = |member| resource.text(member).unwrap_or_default();
    format!("{}/{}", part("resourceType"), part("id"))
}

/// All literal references in what is left, in the sender's order.
pub(super) fn references(value: &Json, found: &mut Vec<String>) {
    match value {
        Json::Array(items) => items.iter().for_each(|item| references(item, found)),
        Json::Object(members) => {
            for (member, inner) in members {
                match (member.as_str(), inner) {
                    ("reference", Json::String(literal)) => found.push(without_version(literal).to_owned()),
                    _ => references(inner, found),
                }
            }
        }
        _ => {}
    }
}

/// The full URL of each resource by its `Type/id`.
pub(super) fn full_urls(resources: &[(String, Json)], key: &IdempotencyKey) -> BTreeMap<String, String> {
    resources.iter().map(|(name, _)| (name.clone(), full_url(key, name))).collect()
}

/// `urn:uuid:` of an id made from key and `Type/id`: the same at every attempt, and, since the key is random, nothing that
/// anybody could trace back to the id.
fn full_url(key: &IdempotencyKey, name: &str) -> String {
    format!("urn:uuid:{}", derived_id(&[&key.0, name]))
}

/// Makes references point within the Bundle; those that would point outside lose their `reference`. Elements of which
/// nothing is left go.
pub(super) fn rewrite(value: &mut Json, path: &str, names: &BTreeMap<String, String>, removed: &mut BTreeSet<String>) {
    match value {
        Json::Array(items) => {
            for item in items.iter_mut() {
                rewrite(item, path, names, removed);
            }
            items.retain(|item| !is_empty(item));
        }
        Json::Object(members) => {
            let mut lost = false;
            members.retain_mut(|(member, inner)| {
                let below = format!("{path}.{}", member.strip_prefix('_').unwrap_or(member));
                match inner {
                    Json::String(literal) if member == "reference" => match names.get(without_version(literal)) {
                        Some(url) => literal.clone_from(url),
                        None => {
                            removed.insert(below);
                            lost = true;
                            return false;
                        }
                    },
                    _ => rewrite(inner, &below, names, removed),
                }
                !is_empty(inner)
            });
            // `Reference.type` alone says nothing.
            if lost && members.iter().all(|(member, _)| member == "type") {
                members.clear();
            }
        }
        _ => {}
    }
}

fn is_empty(value: &Json) -> bool {
    match value {
        Json::Array(items) => items.is_empty(),
        Json::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// The Bundle.
pub(super) fn collection(resources: Vec<(String, Json)>, names: &BTreeMap<String, String>) -> Json {
    let entries = resources.into_iter().map(|(name, resource)| {
        let url = names.get(&name).cloned().unwrap_or_default();
        Json::Object(vec![("fullUrl".to_owned(), Json::String(url)), ("resource".to_owned(), resource)])
    });
    Json::Object(vec![
        ("resourceType".to_owned(), Json::string("Bundle")),
        ("type".to_owned(), Json::string("collection")),
        ("entry".to_owned(), Json::Array(entries.collect())),
    ])
}

/// A reference to one version names the resource.
fn without_version(literal: &str) -> &str {
    literal.split_once("/_history/").map_or(literal, |(resource, _)| resource)
}
