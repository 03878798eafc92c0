//! Read, vread and history, within the caller's compartment: another's id answers exactly as a missing one.

use super::collect::{self, Given};
use super::context::Context;
use super::reply::{Reply, commit_fault, etag, store_fault};
use crate::gateway::Gateway;
use axum::http::StatusCode;
use gateway_core::refusal::Refusal;
use gateway_core::resource::{ResourceKey, ResourceVersion};
use gateway_fhir::{Issue, IssueCode, instant};

pub(super) fn key(context: &Context, kind: &str, id: &str) -> ResourceKey {
    ResourceKey { compartment: context.client.compartment(), kind: kind.to_owned(), id: id.to_owned() }
}

/// Why something is not there: it never was, as far as this caller may know, or it was erased. When and why a record was
/// erased says something of the person, and no platform is told.
pub(super) async fn missing(gateway: &Gateway, context: &Context, key: &ResourceKey) -> Refusal {
    if context.client.platform.is_some() {
        return Refusal::not_found();
    }
    match gateway.store.erasure(key).await {
        Ok(None) => Refusal::not_found(),
        Ok(Some(erasure)) => {
            let words = format!("Erased on {}, {}.", instant::to_instant(erasure.at), erasure.cause.words());
            Refusal::one(410, Issue::general(IssueCode::Deleted, words))
        }
        Err(error) => store_fault(&error),
    }
}

/// The version as the answer may hold it. What a platform may not have now answers as if it were not there.
async fn allow(gateway: &Gateway, context: &Context, stored: ResourceVersion) -> Result<ResourceVersion, Refusal> {
    let permitted = collect::give(gateway, &context.client, &stored, &[&stored]).await;
    match permitted.map_err(|error| commit_fault(&error))? {
        Given::Whole => Ok(stored),
        Given::End(end) => Ok(*end),
        Given::Nothing => Err(Refusal::not_found()),
    }
}

/// The current version.
pub(super) async fn read(gateway: &Gateway, context: &Context, kind: &str, id: &str) -> Result<Reply, Refusal> {
    let key = key(context, kind, id);
    let stored = gateway.store.resource(&key, None).await.map_err(|error| store_fault(&error))?;
    let Some(stored) = stored else { return Err(missing(gateway, context, &key).await) };
    let stored = allow(gateway, context, stored).await?;
    if context.if_none_match.as_deref() == Some(etag(stored.version).as_str()) {
        let mut reply = Reply::resource(StatusCode::NOT_MODIFIED, &stored);
        reply.body.clear();
        return Ok(reply);
    }
    Ok(Reply::resource(StatusCode::OK, &stored))
}

/// One version.
pub(super) async fn version_read(
    gateway: &Gateway,
    context: &Context,
    kind: &str,
    id: &str,
    version: &str,
) -> Result<Reply, Refusal> {
    let version: u64 = version.parse().map_err(|_| Refusal::not_found())?;
    let key = key(context, kind, id);
    let stored = gateway.store.resource(&key, Some(version)).await.map_err(|error| store_fault(&error))?;
    let Some(stored) = stored else { return Err(missing(gateway, context, &key).await) };
    let stored = allow(gateway, context, stored).await?;
    Ok(Reply::resource(StatusCode::OK, &stored))
}

/// All versions, newest first. `meta.source` of each names its author.
pub(super) async fn history(gateway: &Gateway, context: &Context, kind: &str, id: &str) -> Result<Reply, Refusal> {
    let key = key(context, kind, id);
    let mut versions = gateway.store.history(&key).await.map_err(|error| store_fault(&error))?;
    let Some(newest) = versions.first() else { return Err(missing(gateway, context, &key).await) };
    let permitted = collect::give(gateway, &context.client, newest, &versions.iter().collect::<Vec<_>>()).await;
    match permitted.map_err(|error| commit_fault(&error))? {
        Given::Whole => {}
        // It has no other version.
        Given::End(end) => versions = vec![*end],
        Given::Nothing => return Err(Refusal::not_found()),
    }
    let entries: Vec<String> = versions.iter().map(|stored| history_entry(gateway, stored)).collect();
    let body = format!(
        "{{\"resourceType\":\"Bundle\",\"type\":\"history\",\"total\":{},\"link\":[{{\"relation\":\"self\",\
         \"url\":\"{}/{kind}/{id}/_history\"}}],\"entry\":[{}]}}",
        versions.len(),
        gateway.base_url,
        entries.join(",")
    );
    Ok(Reply::json(StatusCode::OK, body))
}

fn history_entry(gateway: &Gateway, stored: &ResourceVersion) -> String {
    let (kind, id) = (&stored.key.kind, &stored.key.id);
    let url = match stored.method.verb() {
        "POST" => kind.clone(),
        _ => format!("{kind}/{id}"),
    };
    let status = if stored.version == 1 { "201 Created" } else { "200 OK" };
    format!(
        "{{\"fullUrl\":\"{}/{kind}/{id}\",\"resource\":{},\"request\":{{\"method\":\"{}\",\"url\":\"{url}\"}},\
         \"response\":{{\"status\":\"{status}\",\"etag\":\"W/\\\"{}\\\"\",\"lastModified\":\"{}\"}}}}",
        gateway.base_url,
        stored.body,
        stored.method.verb(),
        stored.version,
        instant::to_instant(stored.updated),
    )
}
