//! What the gateway's own codes mean, and what platforms' words mean in them: `CodeSystem` and `ConceptMap`, made when they are asked
//! for. Nothing of them is anybody's, so every client reads them.

use super::context::Context;
use super::reply::Reply;
use super::search::{decoded, encoded};
use crate::gateway::Gateway;
use axum::http::StatusCode;
use gateway_core::crosswalk::{code_system, concept_maps};
use gateway_core::refusal::Refusal;
use gateway_fhir::{Issue, IssueCode, Json};
use std::collections::BTreeMap;

/// All resources of one of the two types, by id.
fn all(gateway: &Gateway, kind: &str) -> BTreeMap<String, Json> {
    let found: Vec<Json> = match kind {
        "CodeSystem" => vec![code_system(env!("CARGO_PKG_VERSION"))],
        // Of the adapters that are in use: what this gateway's Tasks may say.
        _ => gateway.platforms.all().iter().flat_map(|one| concept_maps(one.adapter.descriptor())).collect(),
    };
    found.into_iter().filter_map(|one| Some((one.text("id")?.to_owned(), one))).collect()
}

/// One of them.
pub(super) fn read(gateway: &Gateway, kind: &str, id: &str) -> Result<Reply, Refusal> {
    let found = all(gateway, kind).remove(id).ok_or_else(Refusal::not_found)?;
    Ok(Reply::json(StatusCode::OK, found.to_text()))
}

/// Those that have this `url` or `_id`; all, where neither is given.
pub(super) fn search(gateway: &Gateway, context: &Context, kind: &str, query: &str) -> Result<Reply, Refusal> {
    let mut counted = Vec::new();
    let mut found = all(gateway, kind);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (decoded(name), decoded(value)) else {
            return Err(Refusal::one(400, Issue::general(IssueCode::Value, "A search parameter is not UTF-8.")));
        };
        let values: Vec<&str> = value.split(',').collect();
        match name.as_str() {
            "url" => found.retain(|_, one| one.text("url").is_some_and(|url| values.contains(&url))),
            "_id" => found.retain(|id, _| values.contains(&id.as_str())),
            "_format" => continue,
            _ if context.strict => {
                let words = format!("A search parameter is unknown here. {kind} knows: _id, url.");
                return Err(Refusal::one(400, Issue::general(IssueCode::NotSupported, words)));
            }
            _ => continue,
        }
        counted.push(format!("{}={}", encoded(&name), encoded(&value)));
    }
    let base = &gateway.base_url;
    let entries = found.iter().map(|(id, one)| {
        let text = one.to_text();
        format!("{{\"fullUrl\":\"{base}/{kind}/{id}\",\"resource\":{text},\"search\":{{\"mode\":\"match\"}}}}")
    });
    let entries: Vec<String> = entries.collect();
    let parameters = if counted.is_empty() { String::new() } else { format!("?{}", counted.join("&")) };
    Ok(super::disclosures::searchset(entries.len(), &[("self", format!("{base}/{kind}{parameters}"))], &entries))
}
