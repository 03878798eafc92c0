//! Who received what of a person: read from the audit lines of all referrals of the person, whichever Patient resource of
//! the organisation they name, and joined with what became of each.
//!
//! Nothing here is stored, and nothing of the person is in it but ids: it says no more than the lines do.

pub mod audit_event;
pub mod page;
pub mod text;
mod words;

use crate::ingest::all_with;
use crate::store::{AuditLine, ReferralFilter, Store, StoreError};
use adapter_contract::Repeat;
use gateway_core::classify::{Class, class_of};
use gateway_core::disclose::{self, Disclosure, Manner};
use gateway_core::identity::{ClientId, Compartment, PlatformId};
use gateway_core::outbox::Attempt;
use gateway_core::referral::Referral;
use gateway_core::resource::{ResourceKey, Token};
use std::collections::{BTreeMap, BTreeSet};
use time::OffsetDateTime;

/// Criteria of one search at most: an engine takes only so many.
const AT_ONCE: usize = 100;
/// Referrals that are looked at together.
const PAGE: u32 = 500;

/// What became of something that was on record before it left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    /// The platform acknowledged it, at that attempt or when it was asked later.
    Arrived,
    /// The platform read it.
    Read,
    /// It lies ready for the platform, which may read it or not.
    Published,
    /// The attempt failed: the platform did not take it. It may have seen it.
    NotTaken,
    /// Nobody knows, or it is under way.
    Unknown,
}

/// One disclosure with its place in audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Number of the line within its tenant.
    pub number: u64,
    /// When the line was written: just before it left.
    pub at: OffsetDateTime,
    /// What was told.
    pub disclosure: Disclosure,
    /// What became of it.
    pub became: Became,
}

/// Something else that a recipient was told, or asked for: without data of the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// When.
    pub at: OffsetDateTime,
    /// The recipient.
    pub platform: PlatformId,
    /// What, in words.
    pub words: String,
}

/// What the recipients of one referral were told.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferralHistory {
    /// The referral as it stands.
    pub referral: Referral,
    /// In order.
    pub told: Vec<Told>,
    /// In order.
    pub notices: Vec<Notice>,
}

/// What was told of a person.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// The Patient that was asked about.
    pub patient: String,
    /// All Patients of the organisation that are this person, by reference.
    pub patients: BTreeSet<String>,
    /// Oldest first.
    pub referrals: Vec<ReferralHistory>,
    /// The client whose referrals alone are told, if not all.
    pub only_of: Option<ClientId>,
}

impl History {
    /// By recipient: name as it was when it was last told something, and what it was told.
    #[must_use]
    pub fn by_recipient(&self) -> BTreeMap<&PlatformId, Recipient<'_>> {
        let mut found: BTreeMap<&PlatformId, Recipient<'_>> = BTreeMap::new();
        for history in &self.referrals {
            for told in &history.told {
                let recipient = found.entry(&told.disclosure.platform).or_default();
                recipient.name = &told.disclosure.recipient;
                recipient.identifiers = &told.disclosure.identifiers;
                recipient.told.push((&history.referral, told));
            }
            for notice in &history.notices {
                found.entry(&notice.platform).or_default().notices.push((&history.referral, notice));
            }
        }
        found
    }

    /// All disclosures, in the order of their lines.
    #[must_use]
    pub fn told(&self) -> Vec<(&Referral, &Told)> {
        let each = |history: &'_ ReferralHistory| history.told.len();
        let mut all = Vec::with_capacity(self.referrals.iter().map(each).sum());
        for history in &self.referrals {
            all.extend(history.told.iter().map(|told| (&history.referral, told)));
        }
        all.sort_by_key(|(_, told)| told.number);
        all
    }
}

/// What one recipient was told.
#[derive(Debug, Clone, Default)]
pub struct Recipient<'a> {
    /// Its name; empty if it was told nothing of the person.
    pub name: &'a str,
    /// `system|value` of its identifiers.
    pub identifiers: &'a [String],
    /// What of the person.
    pub told: Vec<(&'a Referral, &'a Told)>,
    /// What else.
    pub notices: Vec<(&'a Referral, &'a Notice)>,
}

/// What was told of the person whom this Patient is; `None` if there is no such Patient. `only_of` leaves out what other
/// clients sent.
///
/// # Errors
/// When the store fails.
pub async fn of_person(
    store: &dyn Store,
    compartment: &Compartment,
    patient: &str,
    only_of: Option<&ClientId>,
) -> Result<Option<History>, StoreError> {
    let key = ResourceKey { compartment: compartment.clone(), kind: "Patient".to_owned(), id: patient.to_owned() };
    let Some(stored) = store.resource(&key, None).await? else {
        return match store.erasure(&key).await? {
            None => Ok(None),
            Some(_) => of_erased(store, &key, only_of).await.map(Some),
        };
    };
    let numbers: Vec<Token> =
        stored.tokens.iter().filter(|token| token.parameter == "patient-identifier").cloned().collect();
    // The same person may be stored as several Patients.
    let same = all_with(store, compartment, "Patient", &numbers).await?;
    let patients: BTreeSet<String> =
        same.iter().map(|patient| patient.key.reference()).chain([key.reference()]).collect();
    let named = patients.iter().map(|patient| Token::new("patient", patient.clone()));
    let any: Vec<Token> = named.chain(numbers).collect();
    let mut requests = BTreeSet::new();
    for some in any.chunks(AT_ONCE) {
        let found = all_with(store, compartment, "ServiceRequest", some).await?;
        requests.extend(found.iter().map(|request| Token::new("focus", request.key.reference())));
    }
    let requests: Vec<Token> = requests.into_iter().collect();
    let mut referrals = BTreeMap::new();
    for some in requests.chunks(AT_ONCE) {
        for task in all_with(store, compartment, "Task", some).await? {
            let referral = store.referral_by_task(compartment, &task.key.id).await?;
            let referral = referral.filter(|one| only_of.is_none_or(|client| one.client == *client));
            referrals.extend(referral.map(|one| ((one.accepted_at, one.id.0.clone()), one)));
        }
    }
    history(store, &key, patients, referrals.into_values(), only_of).await.map(Some)
}

/// The same of a person who was erased: what is left of the referrals still names the Patient, and the lines of audit are as
/// they were. No index leads there, so all referrals of the tenant are looked through.
async fn of_erased(store: &dyn Store, key: &ResourceKey, only_of: Option<&ClientId>) -> Result<History, StoreError> {
    let mut filter =
        ReferralFilter { tenant: Some(key.compartment.tenant.clone()), limit: PAGE, ..ReferralFilter::default() };
    let mut erased = Vec::new();
    loop {
        let page = store.referrals(&filter).await?;
        let Some(last) = page.last() else { break };
        filter.after = Some(last.id.clone());
        erased.extend(page.into_iter().filter(|one| one.erased.is_some() && one.compartment == key.compartment));
    }
    let own = key.reference();
    let subjects: BTreeSet<_> =
        erased.iter().filter(|one| one.patient == own).filter_map(|one| one.subject.clone()).collect();
    erased.retain(|one| one.patient == own || one.subject.as_ref().is_some_and(|subject| subjects.contains(subject)));
    // A contained Patient has a name of the sender's own making.
    let stored = erased.iter().map(|one| one.patient.clone()).filter(|patient| patient.starts_with("Patient/"));
    let patients = stored.chain([own]).collect();
    erased.retain(|one| only_of.is_none_or(|client| one.client == *client));
    history(store, key, patients, erased, only_of).await
}

async fn history(
    store: &dyn Store,
    key: &ResourceKey,
    patients: BTreeSet<String>,
    of: impl IntoIterator<Item = Referral>,
    only_of: Option<&ClientId>,
) -> Result<History, StoreError> {
    let mut referrals = Vec::new();
    for referral in of {
        referrals.push(of_referral(store, referral).await?);
    }
    Ok(History { patient: key.reference(), patients, referrals, only_of: only_of.cloned() })
}

/// The disclosure of one line of a tenant's audit, with its referral; `None` if the line is none, or of another compartment.
///
/// # Errors
/// When the store fails.
pub async fn of_line(
    store: &dyn Store,
    compartment: &Compartment,
    number: u64,
) -> Result<Option<(Referral, Told)>, StoreError> {
    let Some(line) = store.audit_line(&compartment.tenant, number).await? else { return Ok(None) };
    let Some(id) = &line.record.referral else { return Ok(None) };
    let Some(referral) = store.referral(id).await?.filter(|one| one.compartment == *compartment) else {
        return Ok(None);
    };
    Ok(told(store, &line).await?.map(|told| (referral, told)))
}

async fn of_referral(store: &dyn Store, referral: Referral) -> Result<ReferralHistory, StoreError> {
    let mut history = ReferralHistory { referral, told: Vec::new(), notices: Vec::new() };
    for line in store.audit_lines(&history.referral.id).await? {
        if let Some(told) = told(store, &line).await? {
            history.told.push(told);
        } else if let (Some(platform), Some(words)) = (&history.referral.platform, words::notice(&line.record)) {
            history.notices.push(Notice { at: line.record.at, platform: platform.clone(), words });
        }
    }
    Ok(history)
}

async fn told(store: &dyn Store, line: &AuditLine) -> Result<Option<Told>, StoreError> {
    let Some(disclosure) = disclose::read(&line.record) else { return Ok(None) };
    let became = became(store, &disclosure).await?;
    Ok(Some(Told { number: line.number, at: line.record.at, disclosure, became }))
}

/// The end of the attempt, or what was found out later.
async fn became(store: &dyn Store, disclosure: &Disclosure) -> Result<Became, StoreError> {
    if matches!(disclosure.manner, Manner::Collected | Manner::Viewed) {
        return Ok(Became::Read);
    }
    let (Some(outbox), Some(number)) = (&disclosure.outbox, disclosure.attempt) else { return Ok(Became::Unknown) };
    let attempts = store.attempts(outbox).await?;
    let own = attempts.iter().find(|attempt| attempt.number == number);
    let is_acknowledged = |attempt: &Attempt| attempt.outcome.as_deref() == Some("acknowledged");
    // Whoever is asked later and has it, has it from the attempt of which nobody saw the answer.
    let later = attempts.iter().any(|attempt| attempt.number > number && is_acknowledged(attempt));
    let has_it = own.is_some_and(is_acknowledged);
    let failure = own.and_then(|attempt| attempt.failure.as_ref());
    // A failure that may hide that it arrived is none that is known, whatever followed from it.
    let class = failure.map(|failure| class_of(&failure.code, Some(Repeat::LookUpFirst)));
    Ok(match (has_it, class) {
        (true, _) if disclosure.manner == Manner::Published => Became::Published,
        (true, _) => Became::Arrived,
        (false, Some(Class::Transient | Class::Permanent)) => Became::NotTaken,
        (false, Some(Class::Ambiguous) | None) if later => Became::Arrived,
        (false, Some(Class::Ambiguous) | None) => Became::Unknown,
    })
}
