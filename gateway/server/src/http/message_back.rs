//! `GET Task/{id}/$message-back`: what became of a referral, as a FHIR document in the order of the Social Prescribing Information Standard.
//!
//! Made when it is asked for, from what then stands; what the sender may have is decided at that moment.

use super::context::Context;
use super::read;
use super::reply::{Reply, store_fault};
use crate::gateway::Gateway;
use crate::view::{View, ViewError};
use axum::http::StatusCode;
use gateway_core::consent::{Stage, Verdict, stored_name};
use gateway_core::message_back::{Facts, Made, document, gather};
use gateway_core::refusal::Refusal;
use gateway_fhir::{Issue, IssueCode};
use std::collections::BTreeMap;

/// The document; another organisation's Task answers exactly as a missing one, and so does one that is no referral.
pub(super) async fn message_back(gateway: &Gateway, context: &Context, id: &str) -> Result<Reply, Refusal> {
    let key = read::key(context, "Task", id);
    if context.client.platform.is_some() {
        return Err(Refusal::not_found());
    }
    let referral = gateway.store.referral_by_task(&key.compartment, id).await.map_err(|error| store_fault(&error))?;
    let Some(referral) = referral else { return Err(read::missing(gateway, context, &key).await) };
    let view = match View::load(gateway, &referral.id).await {
        Ok(view) => view,
        Err(ViewError::Store(error)) => return Err(store_fault(&error)),
        Err(ViewError::Erased | ViewError::Missing(_)) => return Err(read::missing(gateway, context, &key).await),
    };
    let standing = &view.standing;
    let Some(platform) = standing.referral.platform.as_ref().and_then(|id| gateway.platform(id)) else {
        return Err(refused("This referral has gone to no service yet, so that there is nothing to tell."));
    };
    let consents = view.consents(gateway).await.map_err(|error| store_fault(&error))?;
    let needs = &platform.adapter.descriptor().data_needs;
    let decided = view.decision(gateway, &platform.id, needs, Stage::Relay, &consents, &BTreeMap::new()).await;
    let consent = decided.map_err(|error| store_fault(&error))?;
    if consent.verdict != Verdict::Permit {
        let words = format!("What the service reports is not shown: {}", consent.words(&stored_name));
        return Err(Refusal::one(403, Issue::general(IssueCode::Forbidden, words)));
    }
    let kept = view.kept(gateway, &platform, &consents).await.map_err(|error| store_fault(&error))?;
    let lookup = |reference: &str| view.related(reference);
    let facts = Facts {
        task: &standing.task.document,
        service_request: &standing.service_request.document,
        lookup: &lookup,
        recipient: gateway.rules.recipients.get(&platform.id),
        kept,
    };
    let Some(back) = gather(&facts) else { return Err(Refusal::not_found()) };
    let made = Made {
        task: (id, standing.task.version),
        patient: &view.person().document,
        base: &gateway.base_url,
        now: gateway.clock.now(),
    };
    Ok(Reply::json(StatusCode::OK, document(&back, &facts, &made).to_text()))
}

fn refused(words: &str) -> Refusal {
    Refusal::one(409, Issue::general(IssueCode::Conflict, words))
}
