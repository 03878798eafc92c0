//! A change of a referral: finds its Task by the sender's names, and writes what it is made of anew.

use super::super::context::Context;
use super::super::reply::{Reply, commit_fault, store_fault};
use super::super::write::{Committed, commit_remembered};
use super::answered;
use super::found::{Standing, note, refuse_repeated};
use crate::gateway::{Gateway, is_race};
use crate::ingest::{self, IngestError, load};
use gateway_core::bars::{self, Before, Message};
use gateway_core::refusal::Refusal;
use gateway_fhir::{Json, references};
use std::collections::BTreeMap;

/// Changes a referral. Decided anew when somebody else wrote first: what stands is read again each time, so that of two changes the
/// one that was made later is the last word.
pub(super) async fn change(
    gateway: &Gateway,
    context: &Context,
    bytes: &[u8],
    message: &Message<'_>,
) -> Result<Reply, Refusal> {
    let mut tries = 0;
    loop {
        let may_retry = tries < gateway.limits.conflict_retries;
        tries += 1;
        refuse_repeated(gateway, context, message).await?;
        let before = Standing::of(gateway, context, message).await?;
        before.same_person(message)?;
        bars::in_order(message, &before.task)?;
        let (person, version) = before.person.as_ref().ok_or_else(Refusal::not_found)?;
        let kin = kin(gateway, context, &person.document).await?;
        let patient = person.reference.strip_prefix("Patient/").zip(*version);
        let request = (before.request_id.as_str(), before.request.0, &before.request.1);
        let (task, person) = (before.stored.key.id.as_str(), &person.document);
        let all = Before { task, request, person, patient, kin: &kin };
        let translation = bars::changed(message, &all, gateway.limits.bundle_entries)?;
        let submission = &translation.submission;
        let decided = ingest::decide(gateway, &context.client, &context.names.correlation, submission).await;
        let acceptance = match decided {
            Ok(acceptance) => acceptance,
            // The versions were read a moment ago: somebody wrote since.
            Err(IngestError::Refused(refusal)) if refusal.status == 412 && may_retry => continue,
            Err(IngestError::Refused(refusal)) => return Err(translation.told(refusal)),
            Err(IngestError::Store(error)) => return Err(store_fault(&error)),
        };
        let mut transaction = acceptance.transaction;
        let newest = note(gateway, context, message, &before, &mut transaction)?;
        let mut known = before.references(message);
        let urls = submission.drafts.iter().map(|draft| draft.full_url.clone().unwrap_or_default());
        known.extend(urls.zip(&acceptance.written).map(|(url, row)| (url, format!("{}/{}", row.kind, row.id))));
        let said = (known, before.number.as_deref());
        let reply = answered(gateway, context, message, &translation.task, &newest, said)?;
        match commit_remembered(gateway, context, bytes, &reply, transaction).await {
            Ok(Committed::Now) => return Ok(reply),
            Ok(Committed::Before(earlier)) => return earlier,
            Err(error) if is_race(&error) && may_retry => {}
            Err(error) => return Err(commit_fault(&error)),
        }
    }
}

/// What the stored Patient refers to: a message names it in its own way.
async fn kin(gateway: &Gateway, context: &Context, patient: &Json) -> Result<BTreeMap<String, Json>, Refusal> {
    let compartment = context.client.compartment();
    let mut kin = BTreeMap::new();
    for reference in references::literals(patient) {
        let found = load(gateway, &compartment, reference).await.map_err(|error| store_fault(&error))?;
        kin.extend(found.map(|(_, document)| (reference.to_owned(), document)));
    }
    Ok(kin)
}
