//! What a collecting platform may read at this moment (*Direct Light*). To be read is to be sent: consent is decided anew
//! each time, so that a withdrawal also stops what was published and not yet collected, and what is given is on record
//! before it is.

use crate::gateway::{Gateway, Platform, is_race};
use crate::ingest::parse;
use crate::store::{CommitError, SearchQuery, StoreError, UpdatedRange};
use crate::view::{View, ViewError};
use adapter_contract::PlatformReferralId;
use gateway_core::change::{Check, Transaction};
use gateway_core::consent::{Decision, Verdict};
use gateway_core::disclose::{Collecting, Contents, collected, denied, given_after_all, says_denied};
use gateway_core::identity::{Client, PlatformId};
use gateway_core::minimise::holds_withheld;
use gateway_core::outbox::AdapterVersion;
use gateway_core::referral::Referral;
use gateway_core::resource::{ResourceVersion, Token};

/// Tasks of one person at one platform that are looked at.
const TASKS: u32 = 50;

/// What a client is given of a resource.
#[derive(Debug, Clone)]
pub(super) enum Given {
    /// Nothing: it answers as if it were not there.
    Nothing,
    /// All of it, in every version that was asked for.
    Whole,
    /// The newest version of a Task that has ended, and of it only that.
    End(Box<ResourceVersion>),
}

/// What this client may have of this resource now. Senders may always have their own; a platform may have what belongs to a
/// referral that consent covers now. Of a Task that has ended it may always read that work is to stop.
///
/// # Errors
/// When the store fails.
pub(super) async fn permitted(
    gateway: &Gateway,
    client: &Client,
    stored: &ResourceVersion,
) -> Result<Given, CommitError> {
    give(gateway, client, stored, &[]).await
}

/// The same, for an answer that holds these versions of the resource: what a platform is given of a person, and what it is
/// not given, is on record when this returns.
///
/// # Errors
/// When the store fails: then nothing may be given.
pub(super) async fn give(
    gateway: &Gateway,
    client: &Client,
    stored: &ResourceVersion,
    given: &[&ResourceVersion],
) -> Result<Given, CommitError> {
    let Some(platform) = &client.platform else { return Ok(Given::Whole) };
    let mut tries = 0;
    loop {
        let (what, transaction) = weighed(gateway, platform, stored, given).await?;
        if transaction.changes.is_empty() {
            return Ok(what);
        }
        match gateway.commit(transaction).await {
            // A Consent was written since, or the referral moved on: decide anew.
            Err(error) if is_race(&error) && tries < gateway.limits.conflict_retries => tries += 1,
            done => return done.map(|()| what),
        }
    }
}

/// What may be given, and what has to be on record first.
async fn weighed(
    gateway: &Gateway,
    platform: &PlatformId,
    stored: &ResourceVersion,
    given: &[&ResourceVersion],
) -> Result<(Given, Transaction), StoreError> {
    let tokens = |parameter: &str| -> Vec<Token> {
        stored.tokens.iter().filter(|token| token.parameter == parameter).cloned().collect()
    };
    let criterion = match stored.key.kind.as_str() {
        "Task" => vec![Token::new("_id", &stored.key.id)],
        "ServiceRequest" => vec![Token::new("focus", stored.key.reference())],
        "Patient" => vec![Token::new("patient", stored.key.reference())],
        // Organisations and the like name no patient; what does is covered by the patient's referrals.
        _ => {
            let patients = tokens("patient");
            if patients.is_empty() {
                return Ok((Given::Whole, Transaction::default()));
            }
            patients
        }
    };
    let mut denials = Transaction::default();
    for task in tasks(gateway, stored, criterion).await? {
        match covered(gateway, platform, &task, stored, given).await? {
            Covered::Yes(transaction) => return Ok((Given::Whole, transaction)),
            // One is enough to be seen.
            Covered::No(transaction) if denials.changes.is_empty() => denials = transaction,
            Covered::No(_) => {}
        }
    }
    if let Some(end) = end_of(gateway, stored, given).await? {
        let transaction = ended(gateway, platform, &end, given).await?;
        return Ok((Given::End(Box::new(end)), transaction));
    }
    Ok((Given::Nothing, if given.is_empty() { Transaction::default() } else { denials }))
}

/// Of a Task that has ended, that it has: of its newest version, where no other is asked for.
async fn end_of(
    gateway: &Gateway,
    stored: &ResourceVersion,
    given: &[&ResourceVersion],
) -> Result<Option<ResourceVersion>, StoreError> {
    if stored.key.kind != "Task" || given.iter().any(|one| one.version != stored.version) {
        return Ok(None);
    }
    let newest = gateway.store.resource(&stored.key, None).await?;
    if newest.is_none_or(|newest| newest.version != stored.version) {
        return Ok(None);
    }
    let Some(task) = parse(stored) else { return Ok(None) };
    let is_final = gateway_core::task::status(&task).is_some_and(|status| status.is_final());
    Ok(is_final.then(|| ResourceVersion { body: gateway_core::task::ended(&task).to_text(), ..stored.clone() }))
}

/// What is on record of a Task that has ended, and of which that is read.
async fn ended(
    gateway: &Gateway,
    platform: &PlatformId,
    end: &ResourceVersion,
    given: &[&ResourceVersion],
) -> Result<Transaction, StoreError> {
    let name = PlatformReferralId(end.key.id.clone());
    let Some(referral) = gateway.store.referral_at_platform(platform, &name, None).await? else {
        return Ok(Transaction::default());
    };
    let Some(platform) = gateway.platform(platform) else { return Ok(Transaction::default()) };
    let given: &[&ResourceVersion] = if given.is_empty() { &[] } else { &[end] };
    on_record(gateway, &platform, &referral, None, given, Vec::new()).await
}

/// The lines for what is given, of each version.
async fn on_record(
    gateway: &Gateway,
    platform: &Platform,
    referral: &Referral,
    consent: Option<&Decision>,
    given: &[&ResourceVersion],
    checks: Vec<Check>,
) -> Result<Transaction, StoreError> {
    if given.is_empty() {
        return Ok(Transaction::default());
    }
    let before = gateway.store.audit(&referral.id).await?;
    let adapter = AdapterVersion::of(platform.adapter.descriptor());
    let mut transaction = Transaction { checks, changes: Vec::new() };
    for version in given {
        let Some(document) = parse(version) else { continue };
        let reference = version.key.reference();
        let of = collecting(gateway, platform, referral, &adapter, (&reference, version.version), consent);
        let withheld = consent.map(|consent| consent.withheld.as_slice()).unwrap_or_default();
        transaction.changes.extend(collected(&of, &Contents::read(&document, withheld), &before));
    }
    Ok(transaction)
}

fn collecting<'a>(
    gateway: &'a Gateway,
    platform: &'a Platform,
    referral: &'a Referral,
    adapter: &'a AdapterVersion,
    resource: (&'a str, u64),
    consent: Option<&'a Decision>,
) -> Collecting<'a> {
    let recipient = gateway.rules.recipients.get(&platform.id);
    Collecting { referral, platform: &platform.id, adapter, recipient, resource, consent, now: gateway.clock.now() }
}

async fn tasks(gateway: &Gateway, stored: &ResourceVersion, any: Vec<Token>) -> Result<Vec<String>, StoreError> {
    let query = SearchQuery {
        compartment: stored.key.compartment.clone(),
        kind: "Task".to_owned(),
        all_of: vec![any],
        updated: UpdatedRange::default(),
        after: 0,
        up_to: None,
        limit: TASKS,
        count: false,
    };
    Ok(gateway.store.search(&query).await?.rows.into_iter().map(|(_, task)| task.key.id).collect())
}

/// Whether a referral covers what is asked for, with what has to be on record.
enum Covered {
    Yes(Transaction),
    No(Transaction),
}

/// Whether consent covers the referral behind a published Task, and this resource of it: one that holds what is withheld by
/// now does not leave. Without a referral, or when it cannot be read: no.
async fn covered(
    gateway: &Gateway,
    platform: &PlatformId,
    task: &str,
    stored: &ResourceVersion,
    given: &[&ResourceVersion],
) -> Result<Covered, StoreError> {
    let no = || Ok(Covered::No(Transaction::default()));
    let name = PlatformReferralId(task.to_owned());
    let Some(referral) = gateway.store.referral_at_platform(platform, &name, None).await? else { return no() };
    // What was published before it was sent anew is not the platform's any more.
    if referral.was(&name) {
        return no();
    }
    let Some(platform) = gateway.platform(platform) else { return no() };
    let view = match View::load(gateway, &referral.id).await {
        Ok(view) => view,
        Err(ViewError::Store(error)) => return Err(error),
        Err(ViewError::Missing(_) | ViewError::Erased) => return no(),
    };
    let (decision, unchanged) = view.attempted(gateway, &platform).await?;
    let needs = &platform.adapter.descriptor().data_needs;
    // What cannot be read holds whatever may be in it.
    let holds = |one: &ResourceVersion| parse(one).is_none_or(|one| holds_withheld(&one, &decision.withheld, needs));
    let held = holds(stored) || given.iter().filter(|one| one.version != stored.version).any(|one| holds(one));
    let referral = &view.standing.referral;
    let adapter = AdapterVersion::of(platform.adapter.descriptor());
    let reference = stored.key.reference();
    let of = collecting(gateway, &platform, referral, &adapter, (&reference, stored.version), Some(&decision));
    let task = view.standing.task();
    if decision.verdict == Verdict::Permit && !held {
        let checks = unchanged.into_iter().collect();
        let mut lines = on_record(gateway, &platform, referral, Some(&decision), given, checks).await?;
        if !given.is_empty() && says_denied(referral, task.1) {
            let before = gateway.store.audit(&referral.id).await?;
            lines.changes.extend(given_after_all(&of, task, &before));
        }
        return Ok(Covered::Yes(lines));
    }
    let before = gateway.store.audit(&referral.id).await?;
    let changes = denied(&of, &decision, task, &before);
    Ok(Covered::No(Transaction { checks: unchanged.into_iter().collect(), changes }))
}
