//! Amend, with effects: finds the referrals that are made of what is being written anew, and has what follows for them written in the
//! same transaction.

use crate::gateway::Gateway;
use crate::ingest::{IngestError, parse};
use crate::view::{View, ViewError};
use crate::withdraw::People;
use gateway_core::amend::{Amendment, amend, is_over, may_change};
use gateway_core::change::{Change, Transaction};
use gateway_core::ingest::AMENDABLE;
use gateway_core::referral::Referral;
use gateway_core::refusal::Refusal;
use gateway_core::resource::ResourceVersion;
use gateway_core::route::RouteDecision;
use gateway_fhir::{Issue, IssueCode, Json};
use std::collections::BTreeMap;

/// What is written anew, by `Type/id`.
type Documents = BTreeMap<String, Json>;

/// Adds to a transaction that writes resources anew what follows for the referrals that are made of them.
///
/// # Errors
/// [`IngestError`]: 422 where every referral of a ServiceRequest is over, or where it would be for another service now.
pub(crate) async fn follow(gateway: &Gateway, transaction: &mut Transaction) -> Result<(), IngestError> {
    let mut written: Vec<ResourceVersion> = Vec::new();
    let mut documents = Documents::new();
    for change in &transaction.changes {
        let Change::PutResource(stored) = change else { continue };
        let amendable = stored.version > 1 && AMENDABLE.contains(&stored.key.kind.as_str());
        if !amendable || !stored.author.starts_with("client/") {
            continue;
        }
        let Some(document) = parse(stored) else { continue };
        let before = gateway.store.resource(&stored.key, None).await?;
        if before.as_ref().and_then(parse).is_some_and(|before| is_same(&before, &document)) {
            // A client that sends the Patient along with each referral means nothing by it.
            continue;
        }
        documents.insert(stored.key.reference(), document);
        written.push(stored.clone());
    }
    let Some(compartment) = written.first().map(|stored| stored.key.compartment.clone()) else { return Ok(()) };
    let mut people = People::default();
    for stored in &written {
        people.named_by(stored);
        if stored.key.kind == "Patient" {
            people.patient(&stored.key.reference());
        }
    }
    let (referrals, checks) = people.referrals(gateway, &compartment).await?;
    // A referral that is started unseen would leave as it was before.
    transaction.checks.extend(checks);
    for stored in written.iter().filter(|stored| stored.key.kind == "ServiceRequest") {
        let started: Vec<&Referral> = referrals.iter().filter(|one| one.service_request == stored.key.id).collect();
        may_change(&started)?;
    }
    for referral in referrals.iter().filter(|referral| !is_over(referral)) {
        if is_written(transaction, referral) {
            continue;
        }
        let more = amended(gateway, referral, &written, &documents).await?;
        transaction.checks.extend(more.checks);
        transaction.changes.extend(more.changes);
    }
    Ok(())
}

/// Whether two versions say the same.
fn is_same(before: &Json, after: &Json) -> bool {
    let plain = |document: &Json| {
        let mut document = document.clone();
        ["id", "meta", "text"].iter().for_each(|name| drop(document.remove(name)));
        document
    };
    plain(before) == plain(after)
}

/// What the same request stops is not told of a change.
fn is_written(transaction: &Transaction, referral: &Referral) -> bool {
    transaction.changes.iter().any(|change| matches!(change, Change::PutReferral(one) if one.id == referral.id))
}

async fn amended(
    gateway: &Gateway,
    referral: &Referral,
    written: &[ResourceVersion],
    documents: &Documents,
) -> Result<Transaction, IngestError> {
    let view = match View::load(gateway, &referral.id).await {
        Ok(view) => view,
        Err(ViewError::Store(error)) => return Err(error.into()),
        Err(ViewError::Erased) => return Ok(Transaction::default()),
        Err(ViewError::Missing(what)) => {
            tracing::error!(referral = referral.id.0, what, "a referral points at nothing");
            return Ok(Transaction::default());
        }
    };
    let own = format!("ServiceRequest/{}", referral.service_request);
    let reaches = |stored: &&ResourceVersion| {
        let reference = stored.key.reference();
        reference == own || view.reaches(&reference)
    };
    let part: Vec<&ResourceVersion> = written.iter().filter(reaches).collect();
    let Some(first) = part.first() else { return Ok(Transaction::default()) };
    if let Some(request) = documents.get(&own) {
        same_service(gateway, &view, request, documents)?;
    }
    let outbox = gateway.store.outbox(&referral.id).await?;
    let changed: Vec<(String, u64)> = part.iter().map(|stored| (stored.key.reference(), stored.version)).collect();
    let amended = amend(&Amendment {
        referral: &view.standing.referral,
        outbox: &outbox,
        changed: &changed,
        task: &view.standing.task.document,
        service_request: documents.get(&own).unwrap_or(&view.standing.service_request.document),
        schedule: &gateway.rules.schedule,
        author: &first.author,
        now: gateway.clock.now(),
    });
    Ok(amended.unwrap_or_default())
}

/// A referral does not change hands because its words do.
fn same_service(gateway: &Gateway, view: &View, request: &Json, documents: &Documents) -> Result<(), Refusal> {
    let chosen = |decision: RouteDecision| match decision {
        RouteDecision::Chosen { platform, .. } => Some(platform),
        RouteDecision::Held { .. } => None,
    };
    let referral = &view.standing.referral;
    let (before, after) = (&view.standing.service_request.document, chosen(view.routed(gateway, request, documents)));
    if referral.platform.is_none() || after == referral.platform {
        return Ok(());
    }
    // Where the routes were changed since, that is no doing of the sender's.
    if after == chosen(view.routed(gateway, before, &Documents::new())) {
        return Ok(());
    }
    let words = "With this change the referral would be for another service, or for none. Cancel its Task and send a new one, \
                 whose ServiceRequest.replaces may name this one.";
    Err(Refusal::one(422, Issue::at(IssueCode::BusinessRule, "ServiceRequest", words)))
}
