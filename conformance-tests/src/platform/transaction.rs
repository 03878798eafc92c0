//! Bundles at the base: a transaction, all or nothing, and a batch of reads.
//!
//! Ids are given before anything is checked, so that a reference inside the Bundle can be followed while its target is
//! still on the way; nothing is stored until the last entry has passed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::exchange::{self, Answer, Found, address};
use super::profile::{self, Surroundings};
use super::state::State;
use super::store;
use crate::fhir::{self, Issue};

/// Answers a Bundle posted to the base.
pub(super) fn bundle(state: &mut State, bundle: &Value) -> Answer {
    if fhir::text_at(bundle, "/resourceType") != Some("Bundle") {
        return Answer::no(400, "structure", "Bundle", "only a Bundle is taken at the base");
    }
    let entries = bundle.get("entry").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    match fhir::text_at(bundle, "/type") {
        Some("batch") => batch(state, entries),
        Some("transaction") => match transaction(state, entries) {
            Ok(done) | Err(done) => done,
        },
        _ => Answer::no(400, "value", "Bundle.type", "only transaction and batch are taken here"),
    }
}

/// What will be done with an entry.
enum Work {
    Create { kind: String, id: String },
    Update { kind: String, id: String },
    Exists(Value),
}

fn transaction(state: &mut State, entries: &[Value]) -> Result<Answer, Answer> {
    let mut works = Vec::new();
    let mut addresses = BTreeMap::new();
    for (at, entry) in entries.iter().enumerate() {
        let work = plan(state, at, entry)?;
        let target = match &work {
            Work::Create { kind, id } | Work::Update { kind, id } => format!("{kind}/{id}"),
            Work::Exists(resource) => address(resource),
        };
        if let Some(full_url) = fhir::text_at(entry, "/fullUrl")
            && addresses.insert(full_url.to_owned(), target).is_some()
        {
            return Err(Answer::no(400, "duplicate", &format!("Bundle.entry[{at}].fullUrl"), "occurs twice"));
        }
        works.push(work);
    }
    let arriving = arriving(entries, &works, &addresses)?;
    check(state, &works, &arriving)?;
    let answers: Vec<Value> =
        works.into_iter().zip(arriving).map(|(work, (_, resource))| store(state, work, resource)).collect();
    Ok(Answer::new(200, json!({ "resourceType": "Bundle", "type": "transaction-response", "entry": answers })))
}

fn plan(state: &mut State, at: usize, entry: &Value) -> Result<Work, Answer> {
    let no =
        |status, code, what: &str, why: &str| Err(Answer::no(status, code, &format!("Bundle.entry[{at}].{what}"), why));
    let Some(kind) = fhir::text_at(entry, "/resource/resourceType") else {
        return no(400, "required", "resource", "every entry of a transaction carries a resource here");
    };
    let url = fhir::text_at(entry, "/request/url").unwrap_or_default();
    match fhir::text_at(entry, "/request/method") {
        Some("POST") if url == kind => {
            match exchange::find_existing(state, kind, fhir::text_at(entry, "/request/ifNoneExist"))? {
                Found::Nothing => Ok(Work::Create { kind: kind.to_owned(), id: state.store.new_id() }),
                Found::One(existing) => Ok(Work::Exists(existing)),
                Found::Many => no(412, "multiple-matches", "request.ifNoneExist", "several resources match"),
            }
        }
        Some("PUT") => {
            let Some((_, id)) = fhir::split_reference(url).filter(|(named, _)| *named == kind) else {
                return no(400, "value", "request.url", "must be the type and the id of the resource");
            };
            if fhir::text_at(entry, "/resource/id") != Some(id) {
                return no(400, "value", "resource.id", "must be the id of the address");
            }
            let Some(before) = state.store.get(kind, id) else {
                return no(404, "not-found", "request.url", "there is no such resource");
            };
            exchange::check_version(before, fhir::text_at(entry, "/request/ifMatch"))?;
            Ok(Work::Update { kind: kind.to_owned(), id: id.to_owned() })
        }
        Some("POST") => no(400, "value", "request.url", "must be the type of the resource"),
        _ => no(400, "not-supported", "request.method", "only POST and PUT are taken in a transaction"),
    }
}

/// Each entry's resource with its address and with references rewritten; one that exists stands as it is stored.
fn arriving(
    entries: &[Value],
    works: &[Work],
    addresses: &BTreeMap<String, String>,
) -> Result<Vec<(String, Value)>, Answer> {
    let mut list = Vec::new();
    for (at, (entry, work)) in entries.iter().zip(works).enumerate() {
        let (path, resource) = match work {
            Work::Exists(existing) => (address(existing), existing.clone()),
            Work::Create { kind, id } | Work::Update { kind, id } => {
                let mut resource = entry.get("resource").cloned().unwrap_or_default();
                rewrite(&mut resource, addresses).map_err(|()| {
                    let here = format!("Bundle.entry[{at}].resource");
                    Answer::no(400, "not-found", &here, "a urn:uuid reference names no entry of the Bundle")
                })?;
                (format!("{kind}/{id}"), resource)
            }
        };
        list.push((path, resource));
    }
    Ok(list)
}

fn rewrite(value: &mut Value, addresses: &BTreeMap<String, String>) -> Result<(), ()> {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields.iter_mut() {
                match inner {
                    Value::String(to) if name == "reference" => {
                        if let Some(address) = addresses.get(to.as_str()) {
                            address.clone_into(to);
                        } else if to.starts_with("urn:") {
                            return Err(());
                        }
                    }
                    _ => rewrite(inner, addresses)?,
                }
            }
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|inner| rewrite(inner, addresses)),
        _ => Ok(()),
    }
}

fn check(state: &State, works: &[Work], arriving: &[(String, Value)]) -> Result<(), Answer> {
    let around = Surroundings { store: &state.store, arriving };
    let mut issues = Vec::new();
    for (at, (work, (_, resource))) in works.iter().zip(arriving).enumerate() {
        let found = match work {
            Work::Exists(_) => Vec::new(),
            Work::Create { .. } => profile::faults_on_create(resource, &around),
            Work::Update { kind, id } => {
                if let Some(before) = state.store.get(kind, id) {
                    exchange::check_change(before, resource)?;
                }
                profile::faults(resource, &around)
            }
        };
        issues.extend(
            found
                .into_iter()
                .map(|issue| Issue { diagnostics: format!("Bundle.entry[{at}]: {}", issue.diagnostics), ..issue }),
        );
    }
    if issues.is_empty() { Ok(()) } else { Err(Answer::refused(422, &issues)) }
}

fn store(state: &mut State, work: Work, resource: Value) -> Value {
    let (status, stored) = match work {
        Work::Exists(existing) => ("200 OK", existing),
        Work::Create { kind, id } => ("201 Created", state.put(&kind, &id, resource)),
        Work::Update { kind, id } => ("200 OK", state.put(&kind, &id, resource)),
    };
    let version = store::version(&stored);
    json!({
        "fullUrl": format!("{}/{}", state.base_url, address(&stored)),
        "response": {
            "status": status,
            "location": format!("{}/_history/{version}", address(&stored)),
            "etag": format!("W/\"{version}\""),
            "lastModified": fhir::instant(store::last_updated(&stored)),
        },
    })
}

/// A batch of reads and searches; one that fails does not harm the others.
fn batch(state: &mut State, entries: &[Value]) -> Answer {
    let mut answers = Vec::new();
    for entry in entries {
        let url = fhir::text_at(entry, "/request/url").unwrap_or_default();
        let answer = if fhir::text_at(entry, "/request/method") == Some("GET") {
            let (path, query) = url.split_once('?').unwrap_or((url, ""));
            read(state, path, query)
        } else {
            Answer::no(400, "not-supported", "Bundle.entry.request.method", "only GET is taken in a batch here")
        };
        let etag = answer.headers.iter().find(|(name, _)| *name == "etag").map(|(_, value)| value.clone());
        let mut response = json!({ "status": answer.status.to_string() });
        if let Some(etag) = etag {
            response["etag"] = Value::from(etag);
        }
        if answer.status < 400 {
            answers.push(json!({ "resource": answer.body, "response": response }));
        } else {
            response["outcome"] = answer.body;
            answers.push(json!({ "response": response }));
        }
    }
    Answer::new(200, json!({ "resourceType": "Bundle", "type": "batch-response", "entry": answers }))
}

fn read(state: &mut State, path: &str, query: &str) -> Answer {
    match path.trim_matches('/').split('/').collect::<Vec<_>>().as_slice() {
        [kind] if !kind.is_empty() => exchange::search(state, kind, query),
        [kind, id] => match state.store.get(kind, id) {
            Some(resource) => Answer::resource(200, &state.base_url, resource.clone()),
            None => Answer::no(404, "not-found", kind, "there is no such resource"),
        },
        _ => Answer::no(404, "not-found", "Resource", "there is nothing at this address"),
    }
}
