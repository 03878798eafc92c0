//! The FHIR interactions of the platform: what each verb and path does to what is stored.
//!
//! It works on parsed requests under one lock and knows nothing of sockets or faults; [`super::serve`] does.

use serde_json::{Value, json};
use url::form_urlencoded;

use super::profile::{self, Surroundings};
use super::state::State;
use super::store::{self, SearchError};
use super::transaction;
use crate::fhir::{self, FHIR_JSON, Issue};

/// So many searches of more than one page are kept; whoever comes back later than that is told so.
const PAGED_SEARCHES: usize = 64;

/// A request as far as FHIR is concerned.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) method: String,
    /// Below the base, without a leading slash.
    pub(super) path: String,
    pub(super) query: String,
    pub(super) authorization: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) if_match: Option<String>,
    pub(super) if_none_exist: Option<String>,
    pub(super) body: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Answer {
    pub(super) fn new(status: u16, body: Value) -> Self {
        Self { status, body, headers: Vec::new() }
    }

    /// A refusal with everything that is wrong.
    pub(super) fn refused(status: u16, issues: &[Issue]) -> Self {
        Self::new(status, fhir::operation_outcome(issues))
    }

    /// A refusal for one reason.
    pub(super) fn no(status: u16, code: &'static str, expression: &str, diagnostics: &str) -> Self {
        Self::refused(status, &[Issue::new(code, expression, diagnostics)])
    }

    /// A stored resource with its version in the headers.
    pub(super) fn resource(status: u16, base: &str, resource: Value) -> Self {
        let version = store::version(&resource);
        let mut headers = vec![("etag", format!("W/\"{version}\""))];
        headers.push(("last-modified", http_date(store::last_updated(&resource))));
        if status == 201 {
            headers.push(("location", format!("{base}/{}/_history/{version}", address(&resource))));
        }
        Self { status, body: resource, headers }
    }
}

/// `Type/id` of a stored resource.
pub(super) fn address(resource: &Value) -> String {
    let part = |pointer| fhir::text_at(resource, pointer).unwrap_or_default();
    format!("{}/{}", part("/resourceType"), part("/id"))
}

fn http_date(at: time::OffsetDateTime) -> String {
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    at.format(format).expect("every component of the format exists in an OffsetDateTime")
}

/// Answers one request.
pub(super) fn answer(state: &mut State, asked: &Asked) -> Answer {
    let segments: Vec<&str> = asked.path.split('/').filter(|part| !part.is_empty()).collect();
    if asked.method == "GET" && segments == ["metadata"] {
        return Answer::new(200, capabilities(&state.base_url));
    }
    if let Err(refusal) = authorised(state, asked) {
        return refusal;
    }
    match (asked.method.as_str(), segments.as_slice()) {
        ("GET", [kind]) => search(state, kind, &asked.query),
        ("GET", [kind, id]) => read(state, kind, id),
        ("POST", path @ ([] | [_])) => match body(asked) {
            Err(refusal) => refusal,
            Ok(resource) => match path {
                [kind] => create(state, kind, resource, asked.if_none_exist.as_deref()),
                _ => transaction::bundle(state, &resource),
            },
        },
        ("PUT", [kind, id]) => match body(asked) {
            Err(refusal) => refusal,
            Ok(resource) => update(state, kind, id, resource, asked.if_match.as_deref()),
        },
        (_, [] | [_] | [_, _]) => Answer::no(405, "not-supported", "Resource", "this method is not supported here"),
        _ => Answer::no(404, "not-found", "Resource", "there is nothing at this address"),
    }
}

fn authorised(state: &State, asked: &Asked) -> Result<(), Answer> {
    let given = asked.authorization.as_deref().and_then(|header| header.strip_prefix("Bearer "));
    if given == Some(state.token.as_str()) {
        return Ok(());
    }
    let mut refusal = Answer::no(401, "login", "Resource", "a valid bearer token is required");
    refusal.headers.push(("www-authenticate", "Bearer realm=\"platform\"".to_owned()));
    Err(refusal)
}

fn body(asked: &Asked) -> Result<Value, Answer> {
    let media = asked.content_type.as_deref().and_then(|header| header.split(';').next()).unwrap_or_default();
    if !media.trim().eq_ignore_ascii_case(FHIR_JSON) {
        return Err(Answer::no(415, "not-supported", "Resource", "the body must be application/fhir+json"));
    }
    serde_json::from_slice(&asked.body).map_err(|_| Answer::no(400, "structure", "Resource", "the body is not JSON"))
}

fn read(state: &State, kind: &str, id: &str) -> Answer {
    match state.store.get(kind, id) {
        Some(resource) => Answer::resource(200, &state.base_url, resource.clone()),
        None => Answer::no(404, "not-found", kind, "there is no such resource"),
    }
}

/// What a conditional create found.
pub(super) enum Found {
    Nothing,
    One(Value),
    Many,
}

/// Looks for what an `If-None-Exist` names; only `identifier` is supported.
pub(super) fn find_existing(state: &State, kind: &str, condition: Option<&str>) -> Result<Found, Answer> {
    let Some(condition) = condition else { return Ok(Found::Nothing) };
    let pairs = pairs(condition.trim_start_matches('?'));
    let [(name, token)] = pairs.as_slice() else {
        return Err(Answer::no(400, "not-supported", kind, "If-None-Exist takes one identifier"));
    };
    if name != "identifier" {
        return Err(Answer::no(400, "not-supported", kind, "If-None-Exist takes an identifier only"));
    }
    let found = state.store.by_identifier(kind, token);
    Ok(match found.as_slice() {
        [] => Found::Nothing,
        [one] => Found::One((*one).clone()),
        _ => Found::Many,
    })
}

fn create(state: &mut State, kind: &str, resource: Value, condition: Option<&str>) -> Answer {
    if fhir::text_at(&resource, "/resourceType") != Some(kind) {
        return Answer::no(400, "structure", "Resource", "resourceType and the address differ");
    }
    match find_existing(state, kind, condition) {
        Err(refusal) => return refusal,
        Ok(Found::Many) => return Answer::no(412, "multiple-matches", kind, "several resources match If-None-Exist"),
        Ok(Found::One(existing)) => return Answer::resource(200, &state.base_url, existing),
        Ok(Found::Nothing) => {}
    }
    let faults = profile::faults_on_create(&resource, &Surroundings { store: &state.store, arriving: &[] });
    if !faults.is_empty() {
        return Answer::refused(422, &faults);
    }
    let id = state.store.new_id();
    let stored = state.put(kind, &id, resource);
    Answer::resource(201, &state.base_url, stored)
}

/// Checks the version that an update is made on.
pub(super) fn check_version(before: &Value, if_match: Option<&str>) -> Result<(), Answer> {
    let Some(given) = if_match else {
        return Err(Answer::no(428, "conflict", "Resource", "an update needs If-Match"));
    };
    let version = given.trim().trim_start_matches("W/").trim_matches('"');
    if version == store::version(before).to_string() {
        Ok(())
    } else {
        Err(Answer::no(412, "conflict", "Resource", "the resource has been changed since"))
    }
}

/// Checks what a requester may change in a Task: it may cancel what is open, and correct its own words.
pub(super) fn check_change(before: &Value, after: &Value) -> Result<(), Answer> {
    if fhir::text_at(before, "/resourceType") != Some("Task") {
        return Ok(());
    }
    let (was, is) = (fhir::text_at(before, "/status").unwrap_or_default(), fhir::text_at(after, "/status"));
    let mut issues = Vec::new();
    if is != Some(was) {
        if profile::is_final(was) {
            issues.push(Issue::new("business-rule", "Task.status", "the Task is final"));
        } else if is != Some("cancelled") {
            issues.push(Issue::new("business-rule", "Task.status", "a requester may only cancel"));
        }
    } else if before.get("statusReason") != after.get("statusReason") {
        issues.push(Issue::new("business-rule", "Task.statusReason", "belongs to the status, which is not changed"));
    }
    for owned in ["focus", "for", "intent", "output"] {
        if before.get(owned) != after.get(owned) {
            issues.push(Issue::new("business-rule", format!("Task.{owned}"), "is not the requester's to change"));
        }
    }
    if issues.is_empty() { Ok(()) } else { Err(Answer::refused(422, &issues)) }
}

fn update(state: &mut State, kind: &str, id: &str, resource: Value, if_match: Option<&str>) -> Answer {
    let Some(before) = state.store.get(kind, id).cloned() else {
        return Answer::no(404, "not-found", kind, "there is no such resource");
    };
    if fhir::text_at(&resource, "/resourceType") != Some(kind) || fhir::text_at(&resource, "/id") != Some(id) {
        return Answer::no(400, "structure", "Resource.id", "type and id must be those of the address");
    }
    let faults = profile::faults(&resource, &Surroundings { store: &state.store, arriving: &[] });
    let checked = check_version(&before, if_match)
        .and_then(|()| if faults.is_empty() { Ok(()) } else { Err(Answer::refused(422, &faults)) })
        .and_then(|()| check_change(&before, &resource));
    if let Err(refusal) = checked {
        return refusal;
    }
    let stored = state.put(kind, id, resource);
    Answer::resource(200, &state.base_url, stored)
}

/// The pairs of a query, decoded.
pub(super) fn pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// A search, or a further page of one. Pages are cut from what was found at first, so that writes do not shift them.
pub(super) fn search(state: &mut State, kind: &str, query: &str) -> Answer {
    if !profile::stores(kind) {
        return Answer::no(404, "not-supported", kind, "this type is not stored here");
    }
    let query = pairs(query);
    let value_of = |name: &str| query.iter().find(|(one, _)| one == name).map(|(_, value)| value.clone());
    let number = |name: &str| value_of(name).and_then(|text| text.parse::<usize>().ok());
    let count = number("_count").unwrap_or(state.page_limit).clamp(1, state.page_limit);
    if let Some(token) = value_of("_page").and_then(|text| text.parse().ok()) {
        return match state.pages.get(&token) {
            Some(found) => page(&state.base_url, kind, token, found, number("_offset").unwrap_or(0), count),
            None => Answer::no(410, "expired", kind, "this page is no longer kept"),
        };
    }
    match store::search(&state.store, kind, &query) {
        Ok(found) => {
            state.searches += 1;
            let answer = page(&state.base_url, kind, state.searches, &found, 0, count);
            if found.len() > count {
                state.pages.insert(state.searches, found);
                if state.pages.len() > PAGED_SEARCHES {
                    state.pages.pop_first();
                }
            }
            answer
        }
        Err(error @ SearchError::Unknown { .. }) => Answer::no(400, "not-supported", kind, &error.to_string()),
        Err(error @ SearchError::Unreadable { .. }) => Answer::no(400, "value", kind, &error.to_string()),
    }
}

fn page(base: &str, kind: &str, token: u64, found: &[Value], offset: usize, count: usize) -> Answer {
    let link = |relation: &str, at: usize| json!({ "relation": relation, "url": format!("{base}/{kind}?_page={token}&_offset={at}&_count={count}") });
    let mut links = vec![link("self", offset)];
    if offset.saturating_add(count) < found.len() {
        links.push(link("next", offset + count));
    }
    let entries: Vec<Value> = found.iter().skip(offset).take(count).map(|one| entry(base, one)).collect();
    Answer::new(
        200,
        json!({ "resourceType": "Bundle", "type": "searchset", "total": found.len(), "link": links, "entry": entries }),
    )
}

fn entry(base: &str, resource: &Value) -> Value {
    json!({ "fullUrl": format!("{base}/{}", address(resource)), "resource": resource, "search": { "mode": "match" } })
}

fn capabilities(base: &str) -> Value {
    let types: Vec<Value> = profile::STORED
        .iter()
        .map(|kind| {
            let codes = ["read", "create", "update", "search-type"];
            let interactions: Vec<Value> = codes.iter().map(|code| json!({ "code": code })).collect();
            json!({ "type": kind, "interaction": interactions, "conditionalCreate": true, "versioning": "versioned-update" })
        })
        .collect();
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-01-01",
        "kind": "instance",
        "implementation": { "description": "Simulated charity platform, Gravity SDOH Clinical Care", "url": base },
        "fhirVersion": "4.0.1",
        "format": [FHIR_JSON],
        "rest": [{ "mode": "server", "resource": types, "interaction": [{ "code": "transaction" }, { "code": "batch" }] }],
    })
}
