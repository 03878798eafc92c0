//! Ingest and accept, with effects: looks up what a request refers to, lets `gateway-core` decide, commits once.

use crate::amend;
use crate::duplicate;
use crate::gateway::Gateway;
use crate::store::{SearchQuery, Store, StoreError, UpdatedRange};
use crate::withdraw;
use gateway_core::accept::{self, Acceptance, Arrival, Judgement};
use gateway_core::change::{Change, Check};
use gateway_core::consent::{ConsentDocument, Record};
use gateway_core::duplicate::Other;
use gateway_core::identity::{Client, Compartment};
use gateway_core::ingest::{self, Found, Outcome, Stored, Submission, Wants};
use gateway_core::outbox::{Errand, OutboxState};
use gateway_core::refusal::Refusal;
use gateway_core::resource::{ResourceKey, ResourceVersion, Token};
use gateway_fhir::identifiers::{NHS_NUMBER, nhs_number, same_system};
use gateway_fhir::{Json, door};
use std::collections::{BTreeMap, BTreeSet};
use time::OffsetDateTime;

/// Most consents of one person that are looked at; with more nothing is permitted, and a person sees that.
const CONSENTS: u32 = 1_000;

/// Most Patients of one person that are looked at for a label. The same holds.
const PATIENTS: u32 = 1_000;

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// Its own fault.
    #[error("refused")]
    Refused(Refusal),
    /// Ours.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Refusal> for IngestError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Resolves a submission against the store and decides what is committed for it.
///
/// # Errors
/// [`IngestError`]; nothing is written in any case.
pub async fn decide(
    gateway: &Gateway,
    client: &Client,
    correlation: &str,
    submission: &Submission,
) -> Result<Acceptance, IngestError> {
    let resolved = Resolved::of(gateway, client, submission).await?;
    let arrival = resolved.arrival(gateway, client, correlation);
    let mut acceptance = accept::accept(&arrival, &mut || gateway.new_id())?;
    // What is to leave leaves on these consents, or is decided anew.
    if acceptance.transaction.changes.iter().any(is_submission) {
        acceptance.transaction.checks.extend(resolved.unchanged);
        acceptance.transaction.checks.extend(resolved.others_unchanged);
    }
    withdraw::follow(gateway, &mut acceptance.transaction).await?;
    amend::follow(gateway, &mut acceptance.transaction).await?;
    Ok(acceptance)
}

/// What would become of each Task of a submission if it were sent now. Writes and sends nothing.
///
/// # Errors
/// [`IngestError`], as for a submission that is sent.
pub async fn preview(
    gateway: &Gateway,
    client: &Client,
    submission: &Submission,
) -> Result<Vec<(String, Judgement)>, IngestError> {
    let resolved = Resolved::of(gateway, client, submission).await?;
    Ok(accept::preview(&resolved.arrival(gateway, client, "preview")))
}

/// A submission with everything that the store knows of it.
struct Resolved {
    outcomes: Vec<Outcome>,
    found: Found,
    consents: Record,
    /// That the consents are still these; absent where there is nobody to ask about, or where they permit nothing anyway.
    unchanged: Option<Check>,
    /// Other referrals of the person, if anything is asked for, and that these are all.
    others: Vec<Other>,
    others_unchanged: Vec<Check>,
    latest: OffsetDateTime,
}

impl Resolved {
    async fn of(gateway: &Gateway, client: &Client, submission: &Submission) -> Result<Self, IngestError> {
        let compartment = client.compartment();
        let wants = ingest::wants(submission);
        // A Consent outlives the record of its Patient, and can still be changed.
        let about_erased = submission.drafts.iter().all(|draft| draft.kind == "Consent").then(|| wants.exist.clone());
        let mut found = look_up(gateway, &compartment, wants).await?;
        if let Some(wanted) = about_erased {
            let more = directory(gateway, &compartment, wanted, &found.stored).await?;
            found.stored.extend(more);
        }
        let outcomes = ingest::resolve(submission, &found, &mut || gateway.new_id())?;
        let (references, numbers) = people(&outcomes, &found);
        let asks = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Write(new) if new.kind == "Task"));
        let (others, others_unchanged) = match asks {
            true => duplicate::others(gateway, &compartment, &references, &numbers).await?,
            false => (Vec::new(), Vec::new()),
        };
        let any = consent_tokens(references, numbers);
        let consents = stored_consents(gateway, &compartment, &any).await?;
        let unchanged = unchanged(&compartment, any, &consents);
        // Whom stored Consents name stands in the store, too.
        let named = directory(gateway, &compartment, named_by(&consents.consents), &found.stored).await?;
        found.stored.extend(named);
        let latest = gateway.decision_time().await?;
        Ok(Self { outcomes, found, consents, unchanged, others, others_unchanged, latest })
    }

    fn arrival<'a>(&'a self, gateway: &'a Gateway, client: &'a Client, correlation: &'a str) -> Arrival<'a> {
        Arrival {
            client,
            correlation,
            outcomes: &self.outcomes,
            found: &self.found,
            consents: &self.consents,
            others: &self.others,
            rules: &gateway.rules,
            translators: &gateway.platforms,
            now: gateway.clock.now(),
            latest: self.latest,
        }
    }
}

/// What has been read, by `Type/id`.
pub(crate) type Read = BTreeMap<String, Stored>;

/// Loads what is wanted, and what that refers to in turn (a Task's ServiceRequest, its Patient, a role's Organization).
pub async fn look_up(gateway: &Gateway, compartment: &Compartment, wants: Wants) -> Result<Found, StoreError> {
    let mut found = Found::default();
    for (kind, tokens) in wants.matches {
        let ids = matching(gateway, compartment, &kind, &tokens).await?;
        found.matches.insert((kind, tokens), ids);
    }
    let mut first: BTreeSet<String> = wants.exist;
    let matched = found.matches.iter().filter_map(|((kind, _), ids)| match ids.as_slice() {
        [id] => Some(format!("{kind}/{id}")),
        _ => None,
    });
    first.extend(matched);
    found.stored = gather(gateway, compartment, first, &Read::new()).await?;
    Ok(found)
}

/// Loads what is named, and what that refers to in turn, except what is known already: all of one distance at once.
pub(crate) async fn gather(
    gateway: &Gateway,
    compartment: &Compartment,
    first: BTreeSet<String>,
    known: &Read,
) -> Result<Read, StoreError> {
    let mut read = Read::new();
    let mut next = first;
    // Three rounds reach Task → ServiceRequest → PractitionerRole → Organization.
    for _ in 0..4 {
        next.retain(|reference| !read.contains_key(reference) && !known.contains_key(reference));
        let keys: Vec<ResourceKey> = next.iter().filter_map(|reference| key_of(compartment, reference)).collect();
        if keys.is_empty() {
            break;
        }
        next = BTreeSet::new();
        for stored in gateway.store.resources(&keys).await? {
            let Some(document) = parse(&stored) else { continue };
            next.extend(gateway_fhir::references::literals(&document).map(str::to_owned));
            read.insert(stored.key.reference(), Stored { version: stored.version, document });
        }
    }
    Ok(read)
}

/// What Consents refer to and is not known already. The record of a Patient may be erased while Consents of the person stand:
/// the NHS number with which they are found stands for the Patient then, and for nothing else of it.
pub(crate) async fn directory(
    gateway: &Gateway,
    compartment: &Compartment,
    wanted: BTreeSet<String>,
    known: &Read,
) -> Result<Read, StoreError> {
    let patients: Vec<String> = wanted
        .iter()
        .filter(|reference| reference.starts_with("Patient/") && !known.contains_key(*reference))
        .cloned()
        .collect();
    let mut read = gather(gateway, compartment, wanted, known).await?;
    for reference in patients {
        if read.contains_key(&reference) {
            continue;
        }
        let consents = with_any(gateway, compartment, "Consent", &[Token::new("patient", &reference)]).await?;
        let mut tokens = consents.iter().flat_map(|consent| &consent.tokens);
        let number = tokens.find(|token| token.parameter == "patient-identifier");
        let Some((system, value)) = number.and_then(|token| token.value.split_once('|')) else { continue };
        let id = reference.trim_start_matches("Patient/");
        let identifier = serde_json::json!([{ "system": system, "value": value }]);
        let patient = serde_json::json!({ "resourceType": "Patient", "id": id, "identifier": identifier });
        read.insert(reference, Stored { version: 0, document: patient.into() });
    }
    Ok(read)
}

/// The key of what a literal reference names, if it may name something of ours.
fn key_of(compartment: &Compartment, reference: &str) -> Option<ResourceKey> {
    let (kind, id) = reference.split_once('/')?;
    if id.contains(['/', '#']) {
        return None;
    }
    Some(ResourceKey { compartment: compartment.clone(), kind: kind.to_owned(), id: id.to_owned() })
}

/// A current resource by `Type/id`.
pub async fn load(
    gateway: &Gateway,
    compartment: &Compartment,
    reference: &str,
) -> Result<Option<(u64, Json)>, StoreError> {
    let Some(key) = key_of(compartment, reference) else { return Ok(None) };
    Ok(gateway.store.resource(&key, None).await?.and_then(|stored| Some((stored.version, parse(&stored)?))))
}

/// A stored body as a document. It was written by us, so it passes the door.
#[must_use]
pub fn parse(stored: &ResourceVersion) -> Option<Json> {
    let limits = door::DoorLimits { body_bytes: usize::MAX, ..door::DoorLimits::default() };
    door::admit(stored.body.as_bytes(), &limits).ok()
}

async fn matching(
    gateway: &Gateway,
    compartment: &Compartment,
    kind: &str,
    tokens: &[Token],
) -> Result<Vec<String>, StoreError> {
    let query = SearchQuery {
        compartment: compartment.clone(),
        kind: kind.to_owned(),
        all_of: tokens.iter().map(|token| vec![token.clone()]).collect(),
        updated: UpdatedRange::default(),
        after: 0,
        up_to: None,
        limit: 2,
        count: false,
    };
    Ok(gateway.store.search(&query).await?.rows.into_iter().map(|(_, stored)| stored.key.id).collect())
}

/// Every current resource of a type that carries any of these tokens.
pub(crate) async fn with_any(
    gateway: &Gateway,
    compartment: &Compartment,
    kind: &str,
    any: &[Token],
) -> Result<Vec<ResourceVersion>, StoreError> {
    all_with(gateway.store.as_ref(), compartment, kind, any).await
}

/// The same, of a store without a gateway.
pub(crate) async fn all_with(
    store: &dyn Store,
    compartment: &Compartment,
    kind: &str,
    any: &[Token],
) -> Result<Vec<ResourceVersion>, StoreError> {
    let mut found = Vec::new();
    let mut query = SearchQuery {
        compartment: compartment.clone(),
        kind: kind.to_owned(),
        all_of: vec![any.to_vec()],
        updated: UpdatedRange::default(),
        after: 0,
        up_to: None,
        limit: CONSENTS,
        count: false,
    };
    while !any.is_empty() {
        let page = store.search(&query).await?;
        let last = page.rows.last().map(|(place, _)| *place);
        found.extend(page.rows.into_iter().map(|(_, row)| row));
        match last.filter(|_| page.more) {
            Some(last) => (query.after, query.up_to) = (last, Some(page.up_to)),
            None => break,
        }
    }
    Ok(found)
}

/// Whom a request and what it refers to speak of, by Patient and by NHS number.
fn people(outcomes: &[Outcome], found: &Found) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut references = BTreeSet::new();
    let mut numbers = BTreeSet::new();
    let documents = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            Outcome::Write(accepted) => Some((format!("{}/{}", accepted.kind, accepted.id), &accepted.document)),
            Outcome::Exists { .. } => None,
        })
        .chain(found.stored.iter().map(|(reference, stored)| (reference.clone(), &stored.document)));
    for (reference, document) in documents {
        if reference.starts_with("Patient/") {
            references.insert(reference);
            numbers.extend(nhs_numbers(document));
        }
        for contained in document.items("contained") {
            numbers.extend(nhs_numbers(contained));
        }
    }
    (references, numbers)
}

/// The NHS numbers of a Patient.
#[must_use]
pub fn nhs_numbers(patient: &Json) -> Vec<String> {
    if patient.text("resourceType") != Some("Patient") {
        return Vec::new();
    }
    patient
        .items("identifier")
        .iter()
        .filter(|identifier| identifier.text("system").is_some_and(|system| same_system(system, NHS_NUMBER)))
        .filter_map(|identifier| nhs_number(identifier.text("value")?).ok())
        .map(|number| number.as_str().to_owned())
        .collect()
}

/// What consents refer to: the organisations and the patients that they name.
#[must_use]
pub(crate) fn named_by(consents: &[ConsentDocument]) -> BTreeSet<String> {
    let literals = |consent: &ConsentDocument| -> Vec<String> {
        gateway_fhir::references::literals(&consent.document).map(str::to_owned).collect()
    };
    consents.iter().flat_map(literals).collect()
}

/// What the consents of a person carry.
pub(crate) fn consent_tokens(references: BTreeSet<String>, numbers: BTreeSet<String>) -> Vec<Token> {
    references
        .into_iter()
        .map(|reference| Token::new("patient", reference))
        .chain(numbers.into_iter().map(|number| Token::new("patient-identifier", format!("{NHS_NUMBER}|{number}"))))
        .collect()
}

/// Whether a change puts something into the outbox that is to be sent.
pub(crate) fn is_submission(change: &Change) -> bool {
    matches!(change, Change::PutOutbox(row) if row.errand == Errand::Submit && row.state == OutboxState::Ready)
}

/// The same, and each stored Patient of the same NHS number: a Consent may have been recorded for one of them before it had
/// its number.
fn also_by(any: &[Token], record: &Record) -> Vec<Token> {
    let mut all: Vec<Token> = record.patients.keys().map(|patient| Token::new("patient", patient.clone())).collect();
    all.extend(any.iter().filter(|token| !all.contains(token)).cloned().collect::<Vec<_>>());
    all
}

/// That the consents that carry any of this are still the ones that were read. `None` where nothing was asked, or where the
/// record is not complete: then it permits nothing, and cannot be compared.
pub(crate) fn unchanged(compartment: &Compartment, any_of: Vec<Token>, consents: &Record) -> Option<Check> {
    (consents.complete && !any_of.is_empty()).then(|| Check::These {
        compartment: compartment.clone(),
        kind: "Consent".to_owned(),
        any_of: also_by(&any_of, consents),
        read: consents.consents.iter().map(|consent| (consent.id.clone(), consent.version)).collect(),
    })
}

/// All stored consents that carry any of these tokens, and all stored Patients of an NHS number among them. One that cannot
/// be read, or one too many, makes the record incomplete instead of being left out: it may be a refusal, or bear a label.
pub async fn stored_consents(
    gateway: &Gateway,
    compartment: &Compartment,
    any: &[Token],
) -> Result<Record, StoreError> {
    let same_person = any.iter().filter(|token| token.parameter == "patient-identifier").cloned().collect();
    let mut record = Record { complete: true, ..Record::default() };
    for stored in bounded(gateway, compartment, "Patient", same_person, PATIENTS, &mut record.complete).await? {
        let Some(document) = readable(&stored, &mut record.complete) else { continue };
        record.patients.insert(stored.key.reference(), document);
    }
    for stored in
        bounded(gateway, compartment, "Consent", also_by(any, &record), CONSENTS, &mut record.complete).await?
    {
        let Some(document) = readable(&stored, &mut record.complete) else { continue };
        let tenant = stored.key.compartment.tenant;
        record.consents.push(ConsentDocument { tenant, id: stored.key.id, version: stored.version, document });
    }
    Ok(record)
}

/// The current resources of a type that carry any of these tokens, at most so many; more are not `complete`.
async fn bounded(
    gateway: &Gateway,
    compartment: &Compartment,
    kind: &str,
    any: Vec<Token>,
    limit: u32,
    complete: &mut bool,
) -> Result<Vec<ResourceVersion>, StoreError> {
    if any.is_empty() {
        return Ok(Vec::new());
    }
    let query = SearchQuery {
        compartment: compartment.clone(),
        kind: kind.to_owned(),
        all_of: vec![any],
        updated: UpdatedRange::default(),
        after: 0,
        up_to: None,
        limit,
        count: false,
    };
    let page = gateway.store.search(&query).await?;
    *complete &= !page.more;
    Ok(page.rows.into_iter().map(|(_, stored)| stored).collect())
}

/// The document; one that cannot be read is told, and makes what is known incomplete.
fn readable(stored: &ResourceVersion, complete: &mut bool) -> Option<Json> {
    let document = parse(stored);
    if document.is_none() {
        let (kind, id, version) = (&stored.key.kind, &stored.key.id, stored.version);
        tracing::error!(kind, id, version, "a stored resource of a person cannot be read");
        *complete = false;
    }
    document
}
