//! Withdraw, with effects: finds the referrals of a person of whom a Consent is being written, and has what consent no
//! longer covers stopped or recalled in the same transaction.

mod overrides;

pub(crate) use overrides::ends_of_overrides;

use crate::gateway::Gateway;
use crate::ingest::{parse, with_any};
use crate::store::StoreError;
use crate::view::{View, ViewError};
use adapter_contract::SenderMove;
use gateway_core::accept::Rules;
use gateway_core::change::{Change, Check, Transaction};
use gateway_core::consent::{ConsentDocument, Decision, Reason, Record, Stage, Verdict};
use gateway_core::identity::{Compartment, GATEWAY_AUTHOR};
use gateway_core::outbox::{Errand, OutboxRow, OutboxState};
use gateway_core::referral::{Referral, SenderState};
use gateway_core::resource::{ResourceKey, ResourceVersion, Token};
use gateway_core::withdraw::{Withdrawal, under_override, withdraw};
use gateway_fhir::Json;
use gateway_fhir::identifiers::NHS_NUMBER;
use std::collections::{BTreeMap, BTreeSet};
use time::OffsetDateTime;

/// Criteria of one search at most: an engine takes only so many.
pub(crate) const AT_ONCE: usize = 100;

/// Adds to a transaction that writes Consents what follows from them for the referrals of their patients.
///
/// # Errors
/// When the store fails.
pub(crate) async fn follow(gateway: &Gateway, transaction: &mut Transaction) -> Result<(), StoreError> {
    let consents: Vec<ResourceVersion> = written(transaction, "Consent").cloned().collect();
    let Some(compartment) = consents.first().map(|consent| consent.key.compartment.clone()) else { return Ok(()) };
    let mut people = People::default();
    for consent in &consents {
        people.named_by(consent);
        // The version before may have been about somebody else, who loses it now.
        let before = gateway.store.resource(&consent.key, None).await?;
        before.iter().for_each(|before| people.named_by(before));
    }
    let (referrals, checks) = people.referrals(gateway, &compartment).await?;
    // Nothing may be started unseen between this look and the commit. The store checks before it writes, so that what the
    // request itself brings is not in its own way.
    transaction.checks.extend(checks);
    let documents: BTreeMap<String, Json> = transaction
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::PutResource(stored) => Some((stored.key.reference(), parse(stored)?)),
            _ => None,
        })
        .collect();
    for referral in referrals {
        let cause = Cause::Written { consents: &consents, documents: &documents, transaction };
        let more = stopped(gateway, &referral, &cause).await?;
        for check in more.checks {
            // All referrals of a person rest on the same consents.
            if !transaction.checks.contains(&check) {
                transaction.checks.push(check);
            }
        }
        transaction.changes.extend(more.changes);
    }
    Ok(())
}

fn written<'a>(transaction: &'a Transaction, kind: &'static str) -> impl Iterator<Item = &'a ResourceVersion> {
    transaction.changes.iter().filter_map(move |change| match change {
        Change::PutResource(stored) if stored.key.kind == kind => Some(stored),
        _ => None,
    })
}

/// Whom Consents name, by Patient and by NHS number.
#[derive(Default)]
pub(crate) struct People {
    patients: BTreeSet<String>,
    numbers: BTreeSet<String>,
}

impl People {
    pub(crate) fn named_by(&mut self, consent: &ResourceVersion) {
        for token in &consent.tokens {
            match token.parameter.as_str() {
                // What is contained has a name within its own resource only.
                "patient" if !token.value.starts_with('#') => self.patients.insert(token.value.clone()),
                "patient-identifier" => self.numbers.insert(token.value.clone()),
                _ => false,
            };
        }
    }

    /// Names one more Patient.
    pub(crate) fn patient(&mut self, reference: &str) {
        self.patients.insert(reference.to_owned());
    }

    /// Names one more NHS number.
    pub(crate) fn number(&mut self, number: &str) {
        self.numbers.insert(format!("{NHS_NUMBER}|{number}"));
    }

    /// Adds what the named Patients are known by besides.
    pub(crate) async fn numbers_of_patients(
        &mut self,
        gateway: &Gateway,
        compartment: &Compartment,
    ) -> Result<(), StoreError> {
        for reference in self.patients.clone() {
            let Some(id) = reference.strip_prefix("Patient/") else { continue };
            let key = ResourceKey { compartment: compartment.clone(), kind: "Patient".to_owned(), id: id.to_owned() };
            gateway.store.resource(&key, None).await?.iter().for_each(|patient| self.named_by(patient));
        }
        Ok(())
    }

    /// Whether a resource names somebody, and none of these.
    pub(crate) fn are_others(&self, stored: &ResourceVersion) -> bool {
        let mut named = Self::default();
        named.named_by(stored);
        if stored.key.kind == "Patient" {
            named.patient(&stored.key.reference());
        }
        let nobody = named.patients.is_empty() && named.numbers.is_empty();
        !nobody && named.patients.is_disjoint(&self.patients) && named.numbers.is_disjoint(&self.numbers)
    }

    /// What resources about these people carry.
    pub(crate) fn tokens(&self) -> Vec<Token> {
        let patients = self.patients.iter().map(|patient| Token::new("patient", patient.clone()));
        let numbers = self.numbers.iter().map(|number| Token::new("patient-identifier", number.clone()));
        patients.chain(numbers).collect()
    }

    /// The referrals of these people, whose Patients are then all known, and what must not change until something is done
    /// with them.
    pub(crate) async fn referrals(
        &mut self,
        gateway: &Gateway,
        compartment: &Compartment,
    ) -> Result<(Vec<Referral>, Vec<Check>), StoreError> {
        let numbers: Vec<Token> =
            self.numbers.iter().map(|number| Token::new("patient-identifier", number.clone())).collect();
        // The same person may be stored as several Patients.
        for patient in with_any(gateway, compartment, "Patient", &numbers).await? {
            self.patients.insert(patient.key.reference());
        }
        let any = self.tokens();
        let mut checks = Vec::new();
        let mut requests = Vec::new();
        for some in any.chunks(AT_ONCE) {
            let found = with_any(gateway, compartment, "ServiceRequest", some).await?;
            checks.push(these(compartment, "ServiceRequest", some, &found));
            requests.extend(found.iter().map(|request| Token::new("focus", request.key.reference())));
        }
        let mut referrals = BTreeMap::new();
        for some in requests.chunks(AT_ONCE) {
            let found = with_any(gateway, compartment, "Task", some).await?;
            checks.push(these(compartment, "Task", some, &found));
            for task in found {
                let referral = gateway.store.referral_by_task(compartment, &task.key.id).await?;
                referrals.extend(referral.map(|referral| (referral.id.clone(), referral)));
            }
        }
        Ok((referrals.into_values().collect(), checks))
    }
}

/// That these are still all there are.
pub(crate) fn these(compartment: &Compartment, kind: &str, any_of: &[Token], found: &[ResourceVersion]) -> Check {
    Check::These {
        compartment: compartment.clone(),
        kind: kind.to_owned(),
        any_of: any_of.to_vec(),
        read: found.iter().map(|row| (row.key.id.clone(), row.version)).collect(),
    }
}

/// What may have taken the permit from a recipient.
enum Cause<'a> {
    /// These Consents are written, with these resources beside them.
    Written { consents: &'a [ResourceVersion], documents: &'a BTreeMap<String, Json>, transaction: &'a Transaction },
    /// The override under which it left has ended.
    Override,
}

/// What stops one referral, if consent no longer covers it.
async fn stopped(gateway: &Gateway, referral: &Referral, cause: &Cause<'_>) -> Result<Transaction, StoreError> {
    // What its sender cancelled, its recipient may hold all the same.
    let ended = referral.task_status.is_final() && referral.sender != SenderState::Cancelled;
    let over = referral.recall.is_some() || ended;
    let Some(platform) = referral.platform.as_ref().filter(|_| !over) else { return Ok(Transaction::default()) };
    let view = match View::load(gateway, &referral.id).await {
        Ok(view) => view,
        Err(ViewError::Store(error)) => return Err(error),
        Err(ViewError::Erased) => return Ok(Transaction::default()),
        Err(ViewError::Missing(what)) => {
            tracing::error!(referral = referral.id.0, what, "a referral points at nothing");
            return Ok(Transaction::default());
        }
    };
    let configured = gateway.platform(platform);
    let needs = configured.as_ref().map(|platform| platform.adapter.descriptor().data_needs.clone());
    let needs = needs.unwrap_or_default();
    let stored = view.consents(gateway).await?;
    // Of two Consents that are withdrawn at once each is all that permits once the other has gone.
    let unchanged = view.unchanged(&stored);
    // What cannot be read denies what would leave, and may not stand in the way of a withdrawal: what can be read is asked
    // whether it permitted, and permits still.
    let stored = Record { complete: true, ..stored };
    let (none, nothing) = (Transaction::default(), BTreeMap::new());
    let (consents, documents, transaction) = match cause {
        Cause::Written { consents, documents, transaction } => (*consents, *documents, *transaction),
        Cause::Override => (&[][..], &nothing, &none),
    };
    let before = match cause {
        Cause::Written { .. } => view.decision(gateway, platform, &needs, Stage::Relay, &stored, documents).await?,
        Cause::Override => Decision { verdict: Verdict::Permit, reason: Reason::Override, ..Decision::indeterminate() },
    };
    let with_these = replaced(stored.clone(), consents);
    let after = view.decision(gateway, platform, &needs, Stage::Relay, &with_these, documents).await?;
    let outbox = gateway.store.outbox(&referral.id).await?;
    // The request itself may write the ServiceRequest.
    let again = written(transaction, "ServiceRequest")
        .filter(|row| row.key.id == view.standing.referral.service_request)
        .last();
    let again = again.and_then(|row| Some((row.version, parse(row)?)));
    let request = match &again {
        Some((version, document)) => (*version, document),
        None => view.standing.service_request(),
    };
    let author = consents.first().map_or(GATEWAY_AUTHOR, |consent| consent.author.as_str());
    let stopped = withdraw(&Withdrawal {
        referral: &view.standing.referral,
        task: view.standing.task(),
        service_request: request,
        outbox: &outbox,
        capabilities: configured.map(|platform| platform.capabilities()),
        before: &before,
        after: &after,
        author,
        told: told(gateway, &outbox).await?,
        within: gateway.limits.recall,
        schedule: &gateway.rules.schedule,
        now: gateway.clock.now(),
    });
    let mut stopped = stopped.unwrap_or_default();
    // What an override covers stays until it ends; what would be left without it is kept until then.
    let mut lasting = after.verdict;
    if after.overriding.is_some() && matches!(cause, Cause::Written { .. }) {
        let rules = without_overrides(gateway);
        let bare = |consents| view.decision_by(gateway, &rules, platform, &needs, Stage::Relay, (consents, documents));
        let (before, after) = (bare(&stored).await?, bare(&with_these).await?);
        stopped.changes.extend(under_override(&view.standing.referral, (&before, &after), author, gateway.clock.now()));
        lasting = after.verdict;
    }
    // A new Consent that leaves the permit standing takes nothing away, whatever else is written meanwhile: a refusal in it
    // would have counted.
    let only_adds = lasting == Verdict::Permit && consents.iter().all(|consent| consent.version == 1);
    stopped.checks.extend(unchanged.filter(|_| !only_adds));
    Ok(stopped)
}

/// The rules as they will be when no override holds any more.
fn without_overrides(gateway: &Gateway) -> Rules {
    let mut rules = Rules::clone(&gateway.rules);
    rules.registers.values_mut().for_each(|register| register.overrides.clear());
    rules
}

/// When the platform answered a cancellation.
async fn told(gateway: &Gateway, outbox: &[OutboxRow]) -> Result<Option<OffsetDateTime>, StoreError> {
    let cancelling = Errand::Tell { sender_move: SenderMove::Cancel };
    let done = outbox.iter().find(|row| row.errand == cancelling && row.state == OutboxState::Done);
    let Some(row) = done else { return Ok(None) };
    Ok(gateway.store.attempts(&row.id).await?.last().and_then(|attempt| attempt.finished))
}

/// What is on record once these are written.
fn replaced(stored: Record, written: &[ResourceVersion]) -> Record {
    let mut all: BTreeMap<String, ConsentDocument> =
        stored.consents.into_iter().map(|consent| (consent.id.clone(), consent)).collect();
    let mut complete = stored.complete;
    for consent in written {
        let Some(document) = parse(consent) else {
            complete = false;
            continue;
        };
        let (tenant, id) = (consent.key.compartment.tenant.clone(), consent.key.id.clone());
        all.insert(id.clone(), ConsentDocument { tenant, id, version: consent.version, document });
    }
    Record { consents: all.into_values().collect(), patients: stored.patients, complete }
}
