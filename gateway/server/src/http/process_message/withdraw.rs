//! A cancellation: finds the Task by the sender's names and makes the sender's own move of it.

use super::super::context::Context;
use super::super::reply::{Reply, commit_fault, store_fault};
use super::super::update::senders;
use super::super::write::{Committed, commit_remembered};
use super::answered;
use crate::gateway::{Gateway, is_race};
use crate::ingest::{self, load, nhs_numbers, with_any};
use gateway_core::bars::{self, Message};
use gateway_core::change::Change;
use gateway_core::follow_up::is_follow_up;
use gateway_core::refusal::Refusal;
use gateway_core::resource::{ResourceVersion, Token, WriteMethod};
use gateway_core::task;
use gateway_fhir::{Issue, IssueCode, Json};
use serde_json::json;
use std::collections::BTreeMap;

/// Takes a referral back.
pub(super) async fn withdraw(
    gateway: &Gateway,
    context: &Context,
    bytes: &[u8],
    message: &Message<'_>,
) -> Result<Reply, Refusal> {
    let mut tries = 0;
    loop {
        let stored = referred(gateway, context, message).await?;
        let current = ingest::parse(&stored).ok_or_else(Refusal::not_found)?;
        same_patient(gateway, context, message, &current).await?;
        let proposed = proposed(message, &current);
        let task = (stored.key.id.as_str(), stored.version, &current);
        let updated =
            senders(gateway, (&context.client, &context.names.correlation), task, &proposed, WriteMethod::Put, None)
                .await?;
        let newest = updated.transaction.changes.iter().rev().find_map(|change| match change {
            Change::PutResource(one) if one.key == stored.key => Some(one.clone()),
            _ => None,
        });
        let newest = newest.ok_or_else(Refusal::not_found)?;
        let known = references(message, &current);
        let url = format!("urn:uuid:{}", stored.key.id);
        let reply = answered(gateway, context, message, &url, &newest, (known, None))?;
        match commit_remembered(gateway, context, bytes, &reply, updated.transaction).await {
            Ok(Committed::Now) => return Ok(reply),
            Ok(Committed::Before(earlier)) => return earlier,
            Err(error) if is_race(&error) && tries < gateway.limits.conflict_retries => tries += 1,
            Err(error) => return Err(commit_fault(&error)),
        }
    }
}

/// By what the message names the referral, the surest first: the id that the receiver gave (BaRS Core, "Cancellation":
/// `ServiceRequest.id`), the ServiceRequest's identifiers, the Encounter's.
fn ways(message: &Message<'_>) -> Vec<Vec<Token>> {
    let tokens = |holder: &Json| -> Vec<Token> {
        let named = holder.items("identifier").iter().filter_map(|identifier| {
            let value = identifier.text("value")?;
            let system = identifier.text("system").unwrap_or_default();
            Some((system, Token::new("identifier", format!("{system}|{value}"))))
        });
        // The number that the answer gave is not among the Task's names: the id stands beside it.
        named.filter(|(system, _)| *system != bars::REFERRAL_NUMBER).map(|(_, token)| token).collect()
    };
    let request = message.request.resource;
    let id = request.text("id").map(|id| vec![Token::new("focus", format!("ServiceRequest/{id}"))]);
    let encounters = message.entries().filter(|entry| entry.kind == "Encounter");
    let ways = [id.unwrap_or_default(), tokens(request), encounters.flat_map(|entry| tokens(entry.resource)).collect()];
    ways.into_iter().filter(|way| !way.is_empty()).collect()
}

/// The one current Task that the message means.
pub(super) async fn referred(
    gateway: &Gateway,
    context: &Context,
    message: &Message<'_>,
) -> Result<ResourceVersion, Refusal> {
    let place = format!("Bundle.entry[{}].resource", message.request.index);
    let ways = ways(message);
    let Some(way) = ways.first() else {
        let words = "Say which referral: by the ServiceRequest.id that the answer to it gave, or by the identifier of its \
                     ServiceRequest or Encounter.";
        return Err(Refusal::one(422, Issue::at(IssueCode::Required, format!("{place}.id"), words)));
    };
    // What is named more surely and is not there is not looked for under a vaguer name.
    let found =
        with_any(gateway, &context.client.compartment(), "Task", way).await.map_err(|error| store_fault(&error))?;
    if found.is_empty() {
        return Err(Refusal::not_found());
    }
    let is_current = |stored: &ResourceVersion| {
        let task = ingest::parse(stored).filter(|task| !is_follow_up(task));
        task.and_then(|task| task::status(&task)).is_some_and(|status| !status.is_final())
    };
    let mut current: Vec<ResourceVersion> = found.into_iter().filter(is_current).collect();
    match (current.pop(), current.is_empty()) {
        (Some(one), true) => Ok(one),
        (Some(_), false) => {
            let words =
                "Several current referrals have this name. Send the ServiceRequest.id that the answer to it gave.";
            Err(Refusal::one(409, Issue::at(IssueCode::MultipleMatches, place, words)))
        }
        (None, _) => {
            let words = "This referral is not current any more: it has ended or was taken back. Read its Task.";
            Err(Refusal::one(409, Issue::at(IssueCode::Conflict, format!("{place}.status"), words)))
        }
    }
}

/// BaRS Core, "Cancellation": demographics are compared, so that nobody else's referral is taken back.
pub(super) async fn same_patient(
    gateway: &Gateway,
    context: &Context,
    message: &Message<'_>,
    task: &Json,
) -> Result<(), Refusal> {
    let Some(patient) = message.entries().find(|entry| entry.kind == "Patient") else { return Ok(()) };
    let theirs = nhs_numbers(patient.resource);
    let reference = task.get("for").and_then(|person| person.text("reference")).unwrap_or_default();
    let stored = load(gateway, &context.client.compartment(), reference).await.map_err(|error| store_fault(&error))?;
    let ours = stored.map(|(_, patient)| nhs_numbers(&patient)).unwrap_or_default();
    if theirs.is_empty() || ours.is_empty() || theirs.iter().any(|number| ours.contains(number)) {
        return Ok(());
    }
    let words = "This referral is about another person than the Patient in the message. Nothing was done.";
    let place = format!("Bundle.entry[{}].resource.identifier", patient.index);
    Err(Refusal::one(409, Issue::at(IssueCode::Conflict, place, words)))
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

/// What the message's entries are here, as far as the Task refers to them.
pub(super) fn references(message: &Message<'_>, task: &Json) -> BTreeMap<String, String> {
    let own = |element: &str| task.get(element).and_then(|one| one.text("reference")).map(str::to_owned);
    let patient = message.entries().find(|entry| entry.kind == "Patient");
    let known = [(Some(message.request), own("focus")), (patient, own("for"))];
    known.into_iter().filter_map(|(entry, own)| Some((entry?.full_url.to_owned(), own?))).collect()
}
