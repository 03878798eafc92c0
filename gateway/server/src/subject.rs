//! Whom a request is about: finds the subject of the person in the store, or begins a new one.

use crate::gateway::Gateway;
use crate::ingest::with_any;
use crate::store::StoreError;
use crate::withdraw::People;
use gateway_core::change::{Change, Transaction};
use gateway_core::identity::Compartment;
use gateway_core::resource::{ResourceKey, ResourceVersion, Token};
use gateway_core::subject::{self, Domain, Subject, SubjectId};
use std::collections::BTreeSet;

/// Search parameters whose values name resources of the same person. Who asks, and what something is part of, may stand in
/// the referrals of several.
const NAMING: [&str; 3] = ["patient", "focus", "target"];

/// Says in a transaction whom what it creates is about: one person, for a request that is about two was refused. Gives what
/// the request itself belongs to: to the Consents, if it brings nothing else of a person.
///
/// Two first requests about a person that come at once may each begin a subject; both are the person's, and both are erased.
///
/// # Errors
/// When the store fails.
pub(crate) async fn assign(
    gateway: &Gateway,
    compartment: &Compartment,
    transaction: &mut Transaction,
) -> Result<Option<Subject>, StoreError> {
    let written: Vec<ResourceVersion> = transaction
        .changes
        .iter()
        .filter_map(|change| match change {
            // What the gateway writes elsewhere for it belongs to a referral that says whose it is.
            Change::PutResource(stored) if stored.key.compartment == *compartment => Some(stored.clone()),
            _ => None,
        })
        .filter(|stored| Domain::of(stored).is_some())
        .collect();
    if written.is_empty() {
        return Ok(None);
    }
    let only_consents = written.iter().all(|stored| stored.key.kind == "Consent");
    let domain = if only_consents { Domain::Consent } else { Domain::Record };
    let id = match subject::of_referral(transaction) {
        Some(id) => id,
        None => known(gateway, compartment, &written, domain).await?.unwrap_or_else(|| SubjectId(gateway.new_id())),
    };
    subject::fill(transaction, &id);
    Ok(Some(Subject { id, domain }))
}

/// The subject of the person that these are about: by NHS number, else by what they name, a Patient first. Consents outlive a
/// record that was erased, so they say nothing of a new one's.
async fn known(
    gateway: &Gateway,
    compartment: &Compartment,
    written: &[ResourceVersion],
    domain: Domain,
) -> Result<Option<SubjectId>, StoreError> {
    let fits = |found: Option<ResourceVersion>| found?.subject.filter(|subject| subject.domain == domain);
    let new: BTreeSet<String> =
        written.iter().filter(|stored| stored.version == 1).map(|stored| stored.key.reference()).collect();
    let tokens = || written.iter().flat_map(|stored| &stored.tokens);
    let numbers: Vec<Token> = tokens()
        .filter(|token| token.parameter == "patient-identifier")
        .cloned()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let kinds: &[&str] = if domain == Domain::Consent { &["Consent"] } else { &["Patient", "ServiceRequest"] };
    for kind in kinds {
        for found in with_any(gateway, compartment, kind, &numbers).await? {
            if !first_theirs(gateway, &found, written).await? {
                continue;
            }
            if let Some(subject) = fits(Some(found)) {
                return Ok(Some(subject.id));
            }
        }
    }
    let mut named: BTreeSet<String> =
        written.iter().map(|stored| stored.key.reference()).filter(|reference| !new.contains(reference)).collect();
    let naming = tokens().filter(|token| NAMING.contains(&token.parameter.as_str()));
    named.extend(naming.map(|token| token.value.clone()).filter(|value| !new.contains(value)));
    let (patients, others): (Vec<String>, Vec<String>) =
        named.into_iter().partition(|reference| reference.starts_with("Patient/"));
    for reference in patients.into_iter().chain(others) {
        let Some((kind, id)) = reference.split_once('/') else { continue };
        if id.contains(['/', '#']) {
            continue;
        }
        let key = ResourceKey { compartment: compartment.clone(), kind: kind.to_owned(), id: id.to_owned() };
        if let Some(subject) = fits(gateway.store.resource(&key, None).await?) {
            return Ok(Some(subject.id));
        }
    }
    Ok(None)
}

/// Whether a stored resource was about these people from the first: a Consent that was changed so that it is about somebody
/// else stays with the keys of the person whom it was about before, and nothing of theirs goes there.
async fn first_theirs(
    gateway: &Gateway,
    found: &ResourceVersion,
    written: &[ResourceVersion],
) -> Result<bool, StoreError> {
    if found.key.kind != "Consent" || found.version == 1 {
        return Ok(true);
    }
    let mut people = People::default();
    written.iter().for_each(|stored| people.named_by(stored));
    let first = gateway.store.resource(&found.key, Some(1)).await?;
    Ok(first.is_none_or(|first| !people.are_others(&first)))
}
