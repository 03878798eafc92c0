//! Duplicate effort, with effects: finds the other referrals of a person, by the search tokens that withdrawals use.

use crate::gateway::Gateway;
use crate::ingest::parse;
use crate::store::StoreError;
use crate::withdraw::People;
use gateway_core::change::Check;
use gateway_core::duplicate::{Mode, Other, Reach};
use gateway_core::identity::Compartment;
use gateway_core::referral::Referral;
use gateway_core::resource::{ResourceKey, ResourceVersion};
use std::collections::{BTreeMap, BTreeSet};

/// The other referrals of a person, and what must not change until something is decided on them; nothing where nobody asks.
/// `references` are the sender's Patients of this person, `numbers` NHS numbers.
///
/// # Errors
/// When the store fails.
pub(crate) async fn others(
    gateway: &Gateway,
    compartment: &Compartment,
    references: &BTreeSet<String>,
    numbers: &BTreeSet<String>,
) -> Result<(Vec<Other>, Vec<Check>), StoreError> {
    let policy = &gateway.rules.duplicates;
    if policy.mode == Mode::Off {
        return Ok((Vec::new(), Vec::new()));
    }
    let mut person = People::default();
    references.iter().for_each(|reference| person.patient(reference));
    numbers.iter().for_each(|number| person.number(number));
    let (referrals, checks) = person.referrals(gateway, compartment).await?;
    let mut others = Vec::new();
    for referral in &referrals {
        others.extend(other(gateway, referral, Some(&referral.task)).await?);
    }
    if policy.organisations.contains(&compartment.tenant) {
        // Of the rest of the customer nothing is told but that there is one; by the number alone, since a name of a Patient means
        // nothing elsewhere.
        let elsewhere: BTreeMap<String, Compartment> = gateway
            .clients
            .values()
            .filter(|client| client.platform.is_none() && client.tenant == compartment.tenant)
            .map(|client| client.compartment())
            .filter(|theirs| theirs.owner != compartment.owner)
            .map(|theirs| (theirs.owner.key(), theirs))
            .collect();
        for theirs in elsewhere.values() {
            let mut person = People::default();
            numbers.iter().for_each(|number| person.number(number));
            for referral in &person.referrals(gateway, theirs).await?.0 {
                others.extend(other(gateway, referral, None).await?);
            }
        }
    }
    Ok((others, if policy.mode == Mode::Hold { checks } else { Vec::new() }))
}

async fn other(gateway: &Gateway, referral: &Referral, task: Option<&String>) -> Result<Option<Other>, StoreError> {
    let Some(platform) = referral.platform.clone().filter(|_| referral.erased.is_none()) else { return Ok(None) };
    let key = |kind: &str, id: &str| ResourceKey {
        compartment: referral.compartment.clone(),
        kind: kind.to_owned(),
        id: id.to_owned(),
    };
    let keys = [key("Task", &referral.task), key("ServiceRequest", &referral.service_request)];
    let stored = gateway.store.resources(&keys).await?;
    let of = |kind: &str| stored.iter().find(|one: &&ResourceVersion| one.key.kind == kind).and_then(parse);
    let (Some(document), Some(service_request)) = (of("Task"), of("ServiceRequest")) else { return Ok(None) };
    let reach = Reach::of(referral, &gateway.store.outbox(&referral.id).await?);
    Ok(Some(Other {
        reach,
        task: task.cloned(),
        platform,
        accepted_at: referral.accepted_at,
        status: referral.task_status,
        service_request,
        document,
    }))
}
