//! Erase, with effects: gathers everything of a person, has `gateway-core` decide, commits.

use crate::gateway::{Gateway, is_race};
use crate::ingest::with_any;
use crate::store::{CommitError, ReferralFilter, StoreError};
use crate::withdraw::{AT_ONCE, People, these};
use gateway_core::change::{Check, Transaction};
use gateway_core::erase::{Erasing, Waits, erase};
use gateway_core::identity::Compartment;
use gateway_core::outbox::OutboxRow;
use gateway_core::referral::Referral;
use gateway_core::resource::{ResourceKey, ResourceVersion, Token};
use gateway_core::subject::{Cause, Domain, Subject};
use std::collections::BTreeSet;
use time::OffsetDateTime;

/// Everything of one person in one compartment, as it stands at one moment.
pub(crate) struct Whole {
    compartment: Compartment,
    subjects: BTreeSet<Subject>,
    pub(crate) referrals: Vec<(Referral, Vec<OutboxRow>)>,
    pub(crate) consents: Vec<ResourceVersion>,
    /// When something of the record was last written; `None` without a record.
    pub(crate) record_changed: Option<OffsetDateTime>,
    /// Statements on these referrals that nobody has assigned yet.
    parked: Vec<String>,
    /// What is about somebody else and sealed under the same keys, by reference: it would go unseen.
    others: BTreeSet<(Domain, String)>,
    /// What must not have changed when it is erased: what came meanwhile would be lost unseen.
    checks: Vec<Check>,
}

/// Who asked for it, and why.
pub(crate) struct Order<'a> {
    /// What goes.
    pub(crate) domains: &'a [Domain],
    /// Whether somebody takes it on that a recipient may go on.
    pub(crate) unconfirmed: bool,
    /// `client/<id>` or `gateway`.
    pub(crate) author: &'a str,
    /// On what occasion.
    pub(crate) cause: Cause,
    /// The row of the table of retention.
    pub(crate) row: Option<&'a str>,
}

/// What came of it.
pub(crate) enum Erased {
    /// It is gone.
    Done(Whole),
    /// These are in the way, by reference.
    Waits(Vec<(String, Waits)>),
    /// Others kept writing, after all tries.
    Raced,
    /// Meanwhile something came that keeps it.
    Kept,
}

impl Whole {
    /// Finds the person whom a stored resource is about: under whichever Patients, by NHS number.
    pub(crate) async fn around(gateway: &Gateway, stored: &ResourceVersion) -> Result<Self, StoreError> {
        let compartment = stored.key.compartment.clone();
        let mut people = People::default();
        people.named_by(stored);
        if stored.key.kind == "Patient" {
            people.patient(&stored.key.reference());
        }
        people.numbers_of_patients(gateway, &compartment).await?;
        let (referrals, mut checks) = people.referrals(gateway, &compartment).await?;
        let mut whole = Self {
            compartment: compartment.clone(),
            subjects: stored.subject.iter().cloned().collect(),
            referrals: Vec::with_capacity(referrals.len()),
            consents: Vec::new(),
            record_changed: None,
            parked: Vec::new(),
            others: BTreeSet::new(),
            checks: Vec::new(),
        };
        for referral in referrals {
            whole.subjects.extend(referral.subject.as_ref().map(Subject::record));
            let outbox = gateway.store.outbox(&referral.id).await?;
            if let (Some(platform), Some(name)) = (&referral.platform, &referral.platform_referral) {
                let parked = gateway.store.parked_reports(platform, name, &referral.key).await?;
                whole.parked.extend(parked.into_iter().map(|record| record.id));
            }
            whole.referrals.push((referral, outbox));
        }
        let tokens = people.tokens();
        let patients: Vec<Token> = tokens
            .iter()
            .filter(|token| token.parameter == "patient")
            .map(|token| Token::new("_id", bare(&token.value)))
            .collect();
        for (kind, all) in
            [("Patient", &patients), ("ServiceRequest", &tokens), ("Consent", &tokens), ("Task", &tokens)]
        {
            for some in all.chunks(AT_ONCE) {
                let found = with_any(gateway, &compartment, kind, some).await?;
                checks.push(these(&compartment, kind, some, &found));
                for row in found {
                    whole.subjects.extend(row.subject.clone());
                    if kind == "Consent" {
                        whole.consents.push(row);
                    } else {
                        whole.record_changed = whole.record_changed.max(Some(row.updated));
                    }
                }
            }
        }
        whole.checks = checks;
        for subject in whole.subjects.clone() {
            whole.sealed_by(gateway, &subject, &people).await?;
        }
        Ok(whole)
    }

    /// Adds what a key seals besides: nothing is erased unseen, whatever finds it.
    async fn sealed_by(&mut self, gateway: &Gateway, subject: &Subject, people: &People) -> Result<(), StoreError> {
        for key in gateway.store.belonging(subject).await? {
            let own = key.compartment == self.compartment;
            let Some(stored) = gateway.store.resource(&key, None).await?.filter(|_| own) else { continue };
            if people.are_others(&stored) {
                self.others.insert((subject.domain, key.reference()));
            }
            if key.kind == "Consent" && self.consents.iter().all(|known| known.key != key) {
                self.consents.push(stored);
            }
        }
        if subject.domain == Domain::Consent {
            return Ok(());
        }
        let filter = ReferralFilter { subject: Some(subject.id.clone()), limit: u32::MAX, ..ReferralFilter::default() };
        for referral in gateway.store.referrals(&filter).await? {
            if referral.erased.is_none() && self.referrals.iter().all(|(known, _)| known.id != referral.id) {
                let key = ResourceKey {
                    compartment: referral.compartment.clone(),
                    kind: "ServiceRequest".to_owned(),
                    id: referral.service_request.clone(),
                };
                let request = gateway.store.resource(&key, None).await?;
                if request.is_some_and(|request| people.are_others(&request)) {
                    self.others.insert((subject.domain, format!("Task/{}", referral.task)));
                }
                let outbox = gateway.store.outbox(&referral.id).await?;
                self.referrals.push((referral, outbox));
            }
        }
        Ok(())
    }

    /// What would be written, or what is in the way.
    pub(crate) fn decide(&self, order: &Order<'_>, now: OffsetDateTime) -> Result<Transaction, Vec<(String, Waits)>> {
        let others = self.others.iter().filter(|(domain, _)| order.domains.contains(domain));
        let others: Vec<_> = others.map(|(_, reference)| (reference.clone(), Waits::Shared)).collect();
        if !others.is_empty() {
            return Err(others);
        }
        let mut transaction = erase(&Erasing {
            tenant: &self.compartment.tenant,
            referrals: &self.referrals,
            subjects: &self.subjects,
            domains: order.domains,
            unconfirmed: order.unconfirmed,
            parked: &self.parked,
            author: order.author,
            cause: order.cause,
            row: order.row,
            now,
        })?;
        transaction.checks.extend(self.checks.iter().cloned());
        Ok(transaction)
    }
}

fn bare(reference: &str) -> &str {
    reference.strip_prefix("Patient/").unwrap_or(reference)
}

/// Erases the person whom a stored resource is about, if at that moment it still `may` be.
///
/// # Errors
/// When the store fails.
pub(crate) async fn person(
    gateway: &Gateway,
    stored: &ResourceVersion,
    order: &Order<'_>,
    may: &(dyn Fn(&Whole) -> bool + Sync),
) -> Result<Erased, StoreError> {
    for _ in 0..=gateway.limits.conflict_retries {
        let whole = Whole::around(gateway, stored).await?;
        if !may(&whole) {
            return Ok(Erased::Kept);
        }
        let transaction = match whole.decide(order, gateway.clock.now()) {
            Ok(transaction) => transaction,
            Err(waiting) => return Ok(Erased::Waits(waiting)),
        };
        match gateway.commit(transaction).await {
            Ok(()) => return Ok(Erased::Done(whole)),
            Err(error) if is_race(&error) => {}
            Err(CommitError::Store(error)) => return Err(error),
            Err(CommitError::Refused(_)) => break,
        }
    }
    Ok(Erased::Raced)
}
