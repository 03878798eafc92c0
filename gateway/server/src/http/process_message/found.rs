//! The referral that a message means, and whom it is about.

use super::super::context::Context;
use super::super::reply::store_fault;
use crate::gateway::Gateway;
use crate::ingest::{self, load, with_any};
use crate::store::StoreError;
use gateway_core::accept::version_of;
use gateway_core::bars::{self, Message};
use gateway_core::change::{Change, Check, Transaction};
use gateway_core::follow_up::is_follow_up;
use gateway_core::ingest::{Person, patient_of};
use gateway_core::refusal::Refusal;
use gateway_core::resource::{ResourceVersion, Token, WriteMethod};
use gateway_core::task;
use gateway_fhir::{Issue, IssueCode, Json};
use std::collections::BTreeMap;

/// A referral as it stands.
pub(super) struct Standing {
    /// Its Task.
    pub(super) stored: ResourceVersion,
    /// The same, parsed.
    pub(super) task: Json,
    /// The id of its ServiceRequest.
    pub(super) request_id: String,
    /// Version and document of its ServiceRequest.
    pub(super) request: (u64, Json),
    /// Whom it is about: stored by itself with this version, or contained.
    pub(super) person: Option<(Person, Option<u64>)>,
    /// The number that the first answer gave.
    pub(super) number: Option<String>,
}

impl Standing {
    /// The one current referral that the message means.
    pub(super) async fn of(gateway: &Gateway, context: &Context, message: &Message<'_>) -> Result<Self, Refusal> {
        let stored = referred(gateway, context, message).await?;
        let fault = |error: StoreError| store_fault(&error);
        let compartment = context.client.compartment();
        let task = ingest::parse(&stored).ok_or_else(Refusal::not_found)?;
        let focus = task.get("focus").and_then(|focus| focus.text("reference")).unwrap_or_default();
        let request = load(gateway, &compartment, focus).await.map_err(fault)?.ok_or_else(Refusal::not_found)?;
        let request_id = focus.split_once('/').map(|(_, id)| id.to_owned()).unwrap_or_default();
        let subject = request.1.get("subject").and_then(|subject| subject.text("reference")).unwrap_or_default();
        let patient = load(gateway, &compartment, subject).await.map_err(fault)?;
        let person = patient_of(&request.1, &request_id, &|_| patient.as_ref().map(|(_, patient)| patient));
        let person = person.map(|person| (person, patient.as_ref().map(|(version, _)| *version)));
        let referral = gateway.store.referral_by_task(&compartment, &stored.key.id).await.map_err(fault)?;
        let number = referral.map(|referral| referral.key.0);
        Ok(Self { stored, task, request_id, request, person, number })
    }

    /// So that nobody else's referral is changed or taken back.
    pub(super) fn same_person(&self, message: &Message<'_>) -> Result<(), Refusal> {
        bars::same_person(message, self.person.as_ref().map(|(person, _)| &person.document))
    }

    /// What the message's entries are here, as far as the Task refers to them.
    pub(super) fn references(&self, message: &Message<'_>) -> BTreeMap<String, String> {
        let own = |element: &str| self.task.get(element).and_then(|one| one.text("reference")).map(str::to_owned);
        let patient = message.entries().find(|entry| entry.kind == "Patient");
        let known = [(Some(message.request), own("focus")), (patient, own("for"))];
        known.into_iter().filter_map(|(entry, own)| Some((entry?.full_url.to_owned(), own?))).collect()
    }
}

/// Refuses a message that was taken before, under whichever request id.
pub(super) async fn refuse_repeated(
    gateway: &Gateway,
    context: &Context,
    message: &Message<'_>,
) -> Result<(), Refusal> {
    let tasks = with_any(gateway, &context.client.compartment(), "Task", &bars::taken_as(message)).await;
    if tasks.map_err(|error| store_fault(&error))?.is_empty() { Ok(()) } else { Err(bars::repeated()) }
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
async fn referred(gateway: &Gateway, context: &Context, message: &Message<'_>) -> Result<ResourceVersion, Refusal> {
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

/// Has the transaction say at the Task that this message was taken, once; the Task as it then stands.
pub(super) fn note(
    gateway: &Gateway,
    context: &Context,
    message: &Message<'_>,
    before: &Standing,
    transaction: &mut Transaction,
) -> Result<ResourceVersion, Refusal> {
    let (key, now) = (&before.stored.key, gateway.clock.now());
    let written = transaction.changes.iter_mut().rev().find_map(|change| match change {
        Change::PutResource(one) if one.key == *key => Some(one),
        _ => None,
    });
    let newest = match written {
        Some(one) => {
            let task = ingest::parse(one).ok_or_else(Refusal::not_found)?;
            let task = bars::noted(message, &task, now);
            *one = version_of(key.clone(), one.version, task, &one.author, one.method, one.updated, &|_| None);
            one.clone()
        }
        None => {
            let task = task::touched(&bars::noted(message, &before.task, now), now);
            let (author, version) = (context.client.author(), before.stored.version + 1);
            let made = version_of(key.clone(), version, task, &author, WriteMethod::Put, now, &|_| None);
            transaction.changes.push(Change::PutResource(made.clone()));
            made
        }
    };
    // Of two that come at once, one is taken.
    let tokens = vec![bars::changed_by(message)];
    transaction.checks.push(Check::NoMatch { compartment: key.compartment.clone(), kind: "Task".to_owned(), tokens });
    Ok(newest)
}
