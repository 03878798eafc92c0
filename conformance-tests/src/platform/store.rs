//! What the platform keeps: resources with versions, and the answers to searches over them.
//!
//! It holds and finds; whether a resource may be stored is decided by [`super::profile`] before it gets here.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::clock::SimClock;
use crate::fhir;

/// Type and id.
pub(super) type Key = (String, String);

/// Resources by type and id, the latest version of each.
#[derive(Debug, Clone, Default)]
pub(super) struct Store {
    resources: BTreeMap<Key, Value>,
    made: u64,
}

impl Store {
    /// A new id, in the order of asking so that a repeated run repeats its ids.
    pub(super) fn new_id(&mut self) -> String {
        self.made += 1;
        format!("p{:07}", self.made)
    }

    pub(super) fn get(&self, kind: &str, id: &str) -> Option<&Value> {
        self.resources.get(&(kind.to_owned(), id.to_owned()))
    }

    /// Stores `resource` as the next version under `kind/id` and gives what was stored.
    pub(super) fn put(&mut self, kind: &str, id: &str, mut resource: Value, clock: &mut SimClock) -> Value {
        let version = self.get(kind, id).map_or(1, |before| version(before) + 1);
        let mut meta = resource.get("meta").cloned().filter(Value::is_object).unwrap_or_else(|| json!({}));
        meta["versionId"] = Value::from(version.to_string());
        meta["lastUpdated"] = Value::from(fhir::instant(clock.stamp()));
        resource["id"] = Value::from(id);
        resource["meta"] = meta;
        self.resources.insert((kind.to_owned(), id.to_owned()), resource.clone());
        resource
    }

    /// All of one type, by id.
    pub(super) fn all<'s>(&'s self, kind: &str) -> impl Iterator<Item = &'s Value> + use<'s> {
        let kind = kind.to_owned();
        let from = (kind.clone(), String::new());
        self.resources.range(from..).take_while(move |((this, _), _)| *this == kind).map(|(_, resource)| resource)
    }

    /// Those of a type that bear the identifier (`system|value`, or the value alone).
    pub(super) fn by_identifier(&self, kind: &str, token: &str) -> Vec<&Value> {
        self.all(kind).filter(|resource| bears(resource, token)).collect()
    }
}

/// The version of a stored resource.
pub(super) fn version(resource: &Value) -> u64 {
    fhir::text_at(resource, "/meta/versionId").and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// When a stored resource was last changed.
pub(super) fn last_updated(resource: &Value) -> OffsetDateTime {
    fhir::text_at(resource, "/meta/lastUpdated").and_then(fhir::read_instant).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn bears(resource: &Value, token: &str) -> bool {
    let (system, value) = match token.split_once('|') {
        Some((system, value)) => (Some(system), value),
        None => (None, token),
    };
    let identifiers = resource.get("identifier").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    identifiers.iter().any(|one| {
        fhir::text_at(one, "/value") == Some(value)
            && system.is_none_or(|wanted| fhir::text_at(one, "/system").unwrap_or_default() == wanted)
    })
}

/// Why a search cannot be answered.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum SearchError {
    #[error("the search parameter '{name}' is not supported here")]
    Unknown { name: String },
    #[error("the value of the search parameter '{name}' cannot be read")]
    Unreadable { name: String },
}

/// Everything that the query asks for, sorted; paging is the caller's.
pub(super) fn search(store: &Store, kind: &str, query: &[(String, String)]) -> Result<Vec<Value>, SearchError> {
    let mut found: Vec<&Value> = store.all(kind).collect();
    for (name, value) in query {
        if matches!(name.as_str(), "_count" | "_sort" | "_format") {
            continue;
        }
        let mut kept = Vec::new();
        for resource in found {
            if fits(kind, resource, name, value)? {
                kept.push(resource);
            }
        }
        found = kept;
        // An empty store must not hide an unknown parameter.
        fits(kind, &Value::Null, name, value)?;
    }
    let sort = query.iter().find(|(name, _)| name == "_sort").map_or("_lastUpdated", |(_, value)| value.as_str());
    match sort {
        "_lastUpdated" => found.sort_by_key(|one| last_updated(one)),
        "-_lastUpdated" => found.sort_by_key(|one| std::cmp::Reverse(last_updated(one))),
        "_id" => found.sort_by(|a, b| fhir::text_at(a, "/id").cmp(&fhir::text_at(b, "/id"))),
        _ => return Err(SearchError::Unreadable { name: "_sort".to_owned() }),
    }
    Ok(found.into_iter().cloned().collect())
}

fn fits(kind: &str, resource: &Value, name: &str, value: &str) -> Result<bool, SearchError> {
    let any = |test: &dyn Fn(&str) -> bool| value.split(',').any(test);
    let refers = |pointer: &str| any(&|one| is_reference_to(fhir::text_at(resource, pointer), one));
    match (kind, name) {
        (_, "_id") => Ok(any(&|one| fhir::text_at(resource, "/id") == Some(one))),
        (_, "identifier") => Ok(any(&|one| bears(resource, one))),
        (_, "_lastUpdated") => changed(resource, value),
        ("Task" | "ServiceRequest", "status") => Ok(any(&|one| fhir::text_at(resource, "/status") == Some(one))),
        ("Task", "owner") => Ok(refers("/owner/reference")),
        ("Task", "owner:missing") => Ok(resource.get("owner").is_none() == (value == "true")),
        ("Task", "requester") => Ok(refers("/requester/reference")),
        ("Task", "focus") => Ok(refers("/focus/reference")),
        ("Task", "patient" | "subject") => Ok(refers("/for/reference")),
        ("ServiceRequest" | "Observation" | "Procedure", "patient" | "subject") => Ok(refers("/subject/reference")),
        _ => Err(SearchError::Unknown { name: name.to_owned() }),
    }
}

fn is_reference_to(reference: Option<&str>, wanted: &str) -> bool {
    let Some((kind, id)) = reference.and_then(fhir::split_reference) else { return false };
    fhir::split_reference(wanted).map_or(wanted == id, |target| target == (kind, id))
}

fn changed(resource: &Value, value: &str) -> Result<bool, SearchError> {
    let (prefix, rest) = match value.get(..2) {
        Some(prefix @ ("ge" | "gt" | "le" | "lt" | "eq")) => (prefix, value.get(2..).unwrap_or_default()),
        _ => ("eq", value),
    };
    let bound = fhir::read_instant(rest).ok_or_else(|| SearchError::Unreadable { name: "_lastUpdated".to_owned() })?;
    let at = last_updated(resource);
    Ok(match prefix {
        "ge" => at >= bound,
        "gt" => at > bound,
        "le" => at <= bound,
        "lt" => at < bound,
        _ => at == bound,
    })
}
