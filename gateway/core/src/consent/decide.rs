//! The decision: the person, the override, the Consents item by item, and what is left.

use super::document::{Effect, Opinion, Reading};
use super::gate;
use super::item::Item;
use super::policy::RecipientClass;
use super::whereabouts;
use super::{ConsentDocument, Decision, Duty, Override, Overriding, Question, Reason, Verdict, Withheld};
use gateway_fhir::Json;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The rules that a permit has passed.
const PASSED: [&str; 8] =
    ["R2:status", "R3:base", "R4:elements", "R5:nesting", "R2:scope", "R2:verification", "R9:performer", "R12:actor"];

/// Decides. Total: whatever cannot be read leads to a deny.
#[must_use]
pub fn decide(question: &Question<'_>) -> Decision {
    if whereabouts::records(&question.subject).any(has_died) {
        return denied(Reason::Deceased, vec!["R13:deceased".to_owned()]);
    }
    match overridden(question) {
        Some(Ok(record)) => by_override(question, record),
        Some(Err(reason)) => {
            // An override that does not hold takes nothing away: Consents may still permit, and what they say of this
            // recipient is the better answer.
            let decision = by_consents(question);
            let silent = matches!(decision.reason, Reason::NoConsent | Reason::OtherRecipient | Reason::NoRecipient);
            if silent { denied(reason, vec!["R8:override".to_owned()]) } else { decision }
        }
        None => by_consents(question),
    }
}

fn by_consents(question: &Question<'_>) -> Decision {
    if !question.complete {
        return Decision::indeterminate();
    }
    let readings: Vec<Reading<'_>> =
        newest(question.consents).into_iter().filter_map(|consent| Reading::read(question, consent)).collect();
    let mut consents: Vec<(String, u64)> = readings.iter().map(|one| owned(one.name)).collect();
    consents.sort();
    let (open, settled): (Vec<&Reading<'_>>, Vec<&Reading<'_>>) =
        readings.iter().partition(|reading| reading.asks_for_data());
    let base = settled.into_iter().fold(Tally::default(), |tally, reading| tally.with(reading, None));
    let tally = |item: Option<&Item>| open.iter().fold(base.clone(), |tally, reading| tally.with(reading, item));
    let decision = if question.items.is_empty() {
        // No permit that speaks of a label reaches data that is not known.
        let ruling = tally(None).ruling();
        Sum { permitted: ruling.permits.then(|| ruling.clone()), worst: Some(ruling), ..Sum::default() }
            .decision(question)
    } else {
        let mut sum = Sum::default();
        for item in question.items {
            let tally = tally(Some(item));
            sum.add(question, item, tally.reach(), tally.ruling());
        }
        sum.decision(question)
    };
    let decision = if decision.verdict == Verdict::Deny && tally(None).is_about_others {
        implied(question).unwrap_or(decision)
    } else {
        decision
    };
    Decision { consents, ..decision }
}

/// R1: without any Consent that speaks of it, a recipient that gives care itself may have the minimum.
fn implied(question: &Question<'_>) -> Option<Decision> {
    let policy = question.policy.of(question.recipient);
    let RecipientClass::DirectCare(care) = policy.class else { return None };
    let today = super::london::day(question.now)?;
    if care.approver.trim().is_empty() || care.review < today || question.items.is_empty() {
        return None;
    }
    if whereabouts::restricted(&question.subject).is_some() {
        // Silence speaks of no label.
        return Some(restricted());
    }
    let labelled: Vec<Withheld> = question
        .items
        .iter()
        .filter_map(|item| Some(gate::withheld(item, gate::before(question, item, None)?, None)))
        .collect();
    let hints = gate::hints(question, &labelled);
    let beyond = gate::beyond(question, &care.minimum, "R1:minimum");
    let beyond = beyond.into_iter().chain(not_allowed(question));
    let withheld = sorted(labelled.into_iter().chain(hints).chain(beyond).collect());
    let whole = gate::whole(question, &withheld).filter(|(reason, _)| *reason != Reason::Empty);
    Some(match whole {
        Some((reason, rule)) => stopped(question, withheld, (reason, rule)),
        None => {
            let path = vec!["R1:direct-care".to_owned()];
            Decision { verdict: Verdict::Permit, withheld, ..denied(Reason::Implied, path) }
        }
    })
}

/// R8: the override for this recipient that holds, or why none does. Of several that hold, the one that holds longest.
fn overridden<'q>(question: &Question<'q>) -> Option<Result<&'q Override, Reason>> {
    let ours = question.overrides.iter().filter(|one| one.recipient == question.recipient.platform);
    let statutory = *question.policy.of(question.recipient).class == RecipientClass::Statutory;
    let judged = ours.map(|one| {
        if !statutory {
            Err(Reason::OverrideRecipient)
        } else if one.professional.trim().is_empty() || one.reason.trim().is_empty() {
            Err(Reason::OverrideIncomplete)
        } else if question.now < one.from || question.now >= one.expires {
            Err(Reason::OverrideExpired)
        } else {
            Ok(one)
        }
    });
    judged.min_by_key(|one| one.map(|record| (Reverse(record.expires), record.id.as_str())))
}

/// An override shares what the tenant lets this recipient have at most, whatever the Consents say.
fn by_override(question: &Question<'_>, record: &Override) -> Decision {
    let overriding = Overriding { id: record.id.clone(), professional: record.professional.clone() };
    Decision {
        verdict: Verdict::Permit,
        withheld: sorted(not_allowed(question)),
        duties: vec![Duty::AuditOverride],
        overriding: Some(overriding),
        ..denied(Reason::Override, vec!["R8:override".to_owned()])
    }
}

/// What the tenant does not let this recipient, or its class, have.
fn not_allowed(question: &Question<'_>) -> Vec<Withheld> {
    let lists = question.policy.of(question.recipient).at_most.into_iter();
    lists.flat_map(|allowed| gate::beyond(question, allowed, "R7:allow-list")).collect()
}

/// The record is labelled restricted, and no permit speaks of that.
fn restricted() -> Decision {
    denied(Reason::RestrictedPatient, vec!["R7:restricted-patient".to_owned()])
}

/// A deny, of which the parts are replaced where it is something else.
fn denied(reason: Reason, rule_path: Vec<String>) -> Decision {
    Decision { reason, rule_path, ..Decision::indeterminate() }
}

/// A deny for what is left, with the items that led to it.
fn stopped(question: &Question<'_>, mut withheld: Vec<Withheld>, (reason, rule): gate::Ground) -> Decision {
    withheld.extend(gate::waiting(question, reason, &withheld));
    Decision { withheld: sorted(withheld), ..denied(reason, vec![rule.to_owned()]) }
}

/// What all Consents together say of one item.
#[derive(Clone)]
struct Tally<'r> {
    refusal: Option<Voice<'r>>,
    permit: Option<Voice<'r>>,
    silent: Option<Voice<'r>>,
    reach: Option<u8>,
    /// Every Consent so far speaks of other recipients only, of none, or certainly of something else than care.
    is_about_others: bool,
}

impl Default for Tally<'_> {
    fn default() -> Self {
        Self { refusal: None, permit: None, silent: None, reach: None, is_about_others: true }
    }
}

/// One Consent's opinion. Ordered by reason, then by name: which one explains the decision must not depend on the order
/// in which they were given.
#[derive(Clone, Copy)]
struct Voice<'r> {
    opinion: Opinion,
    reading: &'r Reading<'r>,
}

impl<'r> Voice<'r> {
    fn rank(&self) -> (Reason, (&'r str, u64), &'static str) {
        (self.opinion.reason, self.reading.name, self.opinion.rule)
    }
}

impl<'r> Tally<'r> {
    fn with(mut self, reading: &'r Reading<'r>, item: Option<&Item>) -> Self {
        let opinion = reading.opinion(item);
        let place = match opinion.effect {
            Effect::Refuses => &mut self.refusal,
            Effect::Permits => &mut self.permit,
            Effect::Silent => &mut self.silent,
        };
        let voice = Voice { opinion, reading };
        if place.is_none_or(|other| voice.rank() < other.rank()) {
            *place = Some(voice);
        }
        self.reach = self.reach.max(opinion.reach);
        self.is_about_others &= reading.is_about_others(opinion);
        self
    }

    /// The highest Confidentiality that a permit speaks of.
    fn reach(&self) -> Option<u8> {
        self.reach
    }

    /// Any refusal, else any permit, else silence (R6, R1).
    fn ruling(&self) -> Ruling {
        let Some(voice) = self.refusal.or(self.permit).or(self.silent) else {
            return Ruling { path: vec!["R1:default"], ..Ruling::default() };
        };
        let permits = voice.opinion.effect == Effect::Permits;
        let mut path = if permits { PASSED.to_vec() } else { vec!["R2:status", voice.opinion.rule] };
        path.dedup();
        let against = self.refusal.and(self.permit);
        let reason = match (against, voice.opinion.reason) {
            (Some(permit), Reason::Refused) if permit.reading.by_parent && voice.reading.by_parent => Reason::Disputed,
            (Some(_), Reason::Refused) => Reason::Conflict,
            (_, reason) => reason,
        };
        path.extend(against.map(|_| "R6:conflict"));
        let duties = if permits { voice.reading.duties.clone() } else { Vec::new() };
        Ruling { permits, reason, path, decisive: Some(owned(voice.reading.name)), duties }
    }
}

/// The answer for one item.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ruling {
    permits: bool,
    reason: Reason,
    path: Vec<&'static str>,
    decisive: Option<(String, u64)>,
    duties: Vec<Duty>,
}

impl Default for Ruling {
    fn default() -> Self {
        Self { permits: false, reason: Reason::NoConsent, path: Vec::new(), decisive: None, duties: Vec::new() }
    }
}

/// The answers for all items.
#[derive(Default)]
struct Sum {
    permitted: Option<Ruling>,
    /// Of the denied the one that explains most.
    worst: Option<Ruling>,
    withheld: Vec<Withheld>,
    /// The highest Confidentiality that a permit of any item speaks of.
    reach: Option<u8>,
}

impl Sum {
    fn add(&mut self, question: &Question<'_>, item: &Item, reach: Option<u8>, ruling: Ruling) {
        if !ruling.permits {
            let rule = ruling.path.last().copied().unwrap_or_default();
            self.withheld.push(gate::withheld(item, (ruling.reason, rule), ruling.decisive.clone()));
            if self
                .worst
                .as_ref()
                .is_none_or(|worst| (ruling.reason, &ruling.decisive) < (worst.reason, &worst.decisive))
            {
                self.worst = Some(ruling);
            }
            return;
        }
        self.reach = self.reach.max(reach);
        self.withheld.extend(gate::before(question, item, reach).map(|ground| gate::withheld(item, ground, None)));
        if self.permitted.as_ref().is_none_or(|known| ruling.decisive < known.decisive) {
            self.permitted = Some(ruling);
        }
    }

    fn decision(mut self, question: &Question<'_>) -> Decision {
        let Some(permitted) = self.permitted else {
            let worst = self.worst.unwrap_or_default();
            let path = worst.path.into_iter().map(str::to_owned).collect();
            return Decision { decisive: worst.decisive, ..denied(worst.reason, path) };
        };
        if let Some(level) = whereabouts::restricted(&question.subject) {
            // Of data that is not known nothing could be taken out; no permit reaches a label there.
            if self.reach < Some(level) {
                return Decision { consented: true, ..restricted() };
            }
            self.withheld.extend(whereabouts::withheld(question.items));
        }
        if let Some((reason, rule)) = gate::whole(question, &self.withheld) {
            return Decision { consented: true, ..stopped(question, self.withheld, (reason, rule)) };
        }
        let hints = gate::hints(question, &self.withheld);
        self.withheld.extend(hints);
        self.withheld.extend(not_allowed(question));
        Decision {
            verdict: Verdict::Permit,
            reason: permitted.reason,
            consented: true,
            rule_path: permitted.path.into_iter().map(str::to_owned).collect(),
            decisive: permitted.decisive,
            withheld: sorted(self.withheld),
            duties: permitted.duties,
            ..Decision::indeterminate()
        }
    }
}

/// By place, each place once: the first reason stands.
fn sorted(mut withheld: Vec<Withheld>) -> Vec<Withheld> {
    withheld.sort_by(|one, other| (&one.resource, &one.path).cmp(&(&other.resource, &other.path)));
    withheld.dedup_by(|one, other| (&one.resource, &one.path) == (&other.resource, &other.path));
    withheld
}

fn owned((id, version): (&str, u64)) -> (String, u64) {
    (id.to_owned(), version)
}

/// Of each Consent the newest version; a withdrawal must not be undone by an older version beside it.
fn newest(consents: &[ConsentDocument]) -> Vec<&ConsentDocument> {
    let mut versions: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    fn name(consent: &ConsentDocument) -> (&str, &str) {
        (&consent.tenant.0, &consent.id)
    }
    for consent in consents {
        let version = versions.entry(name(consent)).or_default();
        *version = consent.version.max(*version);
    }
    consents.iter().filter(|consent| versions.get(&name(consent)) == Some(&consent.version)).collect()
}

/// R13.
fn has_died(patient: &Json) -> bool {
    patient.as_object().unwrap_or_default().iter().any(|(name, value)| match name.as_str() {
        "deceasedBoolean" => *value != Json::Bool(false),
        other => other.trim_start_matches('_').starts_with("deceased"),
    })
}
