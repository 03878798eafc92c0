//! A cancellation: finds the Task by the sender's names and makes the sender's own move of it.

use super::super::context::Context;
use super::super::reply::{Reply, commit_fault};
use super::super::update::senders;
use super::super::write::{Committed, commit_remembered};
use super::answered;
use super::found::{Standing, note, refuse_repeated};
use crate::gateway::{Gateway, is_race};
use gateway_core::bars::Message;
use gateway_core::refusal::Refusal;
use gateway_core::resource::WriteMethod;
use gateway_fhir::Json;
use serde_json::json;

/// Takes a referral back.
pub(super) async fn withdraw(
    gateway: &Gateway,
    context: &Context,
    bytes: &[u8],
    message: &Message<'_>,
) -> Result<Reply, Refusal> {
    let mut tries = 0;
    loop {
        refuse_repeated(gateway, context, message).await?;
        let before = Standing::of(gateway, context, message).await?;
        before.same_person(message)?;
        let id = before.stored.key.id.as_str();
        let task = (id, before.stored.version, &before.task);
        let proposed = proposed(message, &before.task);
        let updated =
            senders(gateway, (&context.client, &context.names.correlation), task, &proposed, WriteMethod::Put, None)
                .await?;
        let mut transaction = updated.transaction;
        let newest = note(gateway, context, message, &before, &mut transaction)?;
        let (known, url) = (before.references(message), format!("urn:uuid:{id}"));
        let reply = answered(gateway, context, message, &url, &newest, (known, before.number.as_deref()))?;
        match commit_remembered(gateway, context, bytes, &reply, transaction).await {
            Ok(Committed::Now) => return Ok(reply),
            Ok(Committed::Before(earlier)) => return earlier,
            Err(error) if is_race(&error) && tries < gateway.limits.conflict_retries => tries += 1,
            Err(error) => return Err(commit_fault(&error)),
        }
    }
}

/// The Task as the sender moves it.
fn proposed(message: &Message<'_>, current: &Json) -> Json {
    let request = message.request.resource;
    let mut next = current.clone();
    if let Some(meta) = next.get_mut("meta") {
        meta.remove("versionId");
        meta.remove("lastUpdated");
    }
    let in_error = request.text("status") == Some("entered-in-error");
    next.set("status", Json::string(if in_error { "entered-in-error" } else { "cancelled" }));
    // BaRS gives a reason on cancellation alone, in ServiceRequest.reasonCode.text.
    next.remove("statusReason");
    let why = request.items("reasonCode").iter().find_map(|reason| reason.text("text"));
    if let Some(why) = why {
        next.set("statusReason", json!({ "text": why }).into());
    }
    next
}
