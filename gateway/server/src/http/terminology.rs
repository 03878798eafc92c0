//! What the gateway's own codes mean, what platforms' words mean in them, and which messages are taken: `CodeSystem`, `ConceptMap`
//! and `MessageDefinition`, made when they are asked for. Nothing of them is anybody's, so every client reads them.

use super::context::Context;
use super::reply::Reply;
use super::routes::MESSAGE_DEFINITION;
use super::search::{decoded, encoded, parameters};
use crate::gateway::Gateway;
use axum::http::StatusCode;
use gateway_core::bars;
use gateway_core::crosswalk::{code_system, concept_maps};
use gateway_core::follow_up;
use gateway_core::identity::Profile;
use gateway_core::refusal::Refusal;
use gateway_fhir::{Issue, IssueCode, Json};
use std::collections::BTreeMap;

/// All resources of one of the types, by id.
fn all(gateway: &Gateway, kind: &str) -> BTreeMap<String, Json> {
    let found: Vec<Json> = match kind {
        "CodeSystem" => [code_system, follow_up::code_system].map(|of| of(env!("CARGO_PKG_VERSION"))).to_vec(),
        MESSAGE_DEFINITION => bars::message_definitions(env!("CARGO_PKG_VERSION")),
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
            "context" if kind == MESSAGE_DEFINITION => {
                if !values.iter().any(|value| is_context(gateway, context, value)) {
                    found.clear();
                }
            }
            "_format" => continue,
            _ if context.strict => {
                let names: Vec<&str> = parameters(kind).iter().map(|parameter| parameter.name).collect();
                let words = format!("A search parameter is unknown here. {kind} knows: {}.", names.join(", "));
                return Err(Refusal::one(400, Issue::general(IssueCode::NotSupported, words)));
            }
            _ => continue,
        }
        counted.push(format!("{}={}", encoded(&name), encoded(&value)));
    }
    if kind == MESSAGE_DEFINITION && context.client.profile == Profile::Bars {
        as_published(&counted, found.is_empty())?;
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

/// A service that this tenant's referrals go to, or the category of request that is taken.
fn is_context(gateway: &Gateway, context: &Context, value: &str) -> bool {
    let tenant = &context.client.tenant;
    match bars::service(value) {
        Some((system, value)) => bars::serves(&gateway.rules, tenant, Some(system), value),
        None => value == bars::CATEGORY || bars::serves(&gateway.rules, tenant, None, value),
    }
}

/// BaRS Core, "Failure scenarios, GET MessageDefinition": the context has to be named, and one that nothing is known of is 404.
fn as_published(counted: &[String], none: bool) -> Result<(), Refusal> {
    if !counted.iter().any(|pair| pair.starts_with("context=")) {
        let words = "Say for which service: context=<the value of its NHSD-Target-Identifier>.";
        return Err(Refusal::one(400, Issue::general(IssueCode::Required, words)));
    }
    if none {
        return Err(Refusal::not_found());
    }
    Ok(())
}
