//! May this recipient have this referral now? Rules `consent-rules/1` over the person's FHIR R4 Consents.
//!
//! Deny unless an active Consent of this person names this recipient and permits it (R1, R12). Every Consent is read by
//! itself into one of three effects: it *permits*, it *refuses*, or it is *silent* (with a reason). Then: any refusal
//! wins, whatever its date (R6), else any permit, else deny with the reason that is nearest to a permit. Neither the
//! order of the Consents nor an older version of one plays a part.
//!
//! This is a first cut of the rules, and wherever it does not evaluate something it shares less: provisions within
//! provisions, limits by data class, code, label, period of the data or action, anyone but the person as performer, and
//! persons under 16 never lead to a permit (R4, R5, R7, R9 in part); a refusal that it cannot read counts. It knows no
//! store, network or clock: `now` is the latest time ever seen (R15), which is the caller's to keep, and actors are
//! resolved through the directory that it is given. No answer holds patient data.

mod actor;
mod document;
mod period;
mod reason;

pub use reason::Reason;

use crate::identity::PlatformId;
use document::{Effect, Reading};
use gateway_fhir::Json;
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// The rule set that decides, as it is recorded with each decision.
pub const RULES: &str = "consent-rules/1";

/// A Consent as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentDocument {
    /// Logical id.
    pub id: String,
    /// Version; of two versions of one Consent only the newer counts.
    pub version: u64,
    /// The resource.
    pub document: Json,
}

/// Who would receive the referral.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The platform.
    pub platform: PlatformId,
    /// Its name for people.
    pub name: String,
    /// Identifiers (system, value) by which a Consent may name it.
    pub identifiers: Vec<(String, String)>,
}

/// The person whom the referral is about.
#[derive(Clone)]
pub struct Subject<'a> {
    /// `Patient/x` for each resource of this person in the sender's compartment.
    pub references: Vec<String>,
    /// The NHS number, if it is known.
    pub nhs_number: Option<&'a str>,
    /// The Patient.
    pub patient: &'a Json,
}

/// When the question is asked (R10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// When the referral comes in.
    Accept,
    /// Just before each attempt.
    Attempt,
    /// Before what the platform said is passed to the sender.
    Relay,
}

/// What a tenant may decide about the rules. Nothing yet: later the list of direct-care recipients (R1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {}

/// The question.
pub struct Question<'a> {
    /// When it is asked; the answer is the same at each stage in this version.
    pub stage: Stage,
    /// The Consents that are on record in the sender's compartment, of this person or of others, in any order.
    pub consents: &'a [ConsentDocument],
    /// Answers a literal reference of an actor with the resource.
    pub directory: &'a dyn Fn(&str) -> Option<Json>,
    /// The tenant's policy.
    pub policy: &'a Policy,
    /// The person.
    pub subject: Subject<'a>,
    /// Who would receive it.
    pub recipient: &'a Recipient,
    /// Purpose of use, a code of v3-ActReason: `COC`.
    pub purpose: &'a str,
    /// The time of the decision.
    pub now: OffsetDateTime,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It may be sent.
    Permit,
    /// It may not.
    Deny,
}

/// The answer, with what explains it. Ids, codes and versions only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Yes or no.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// Rules that were passed, the last of which decided: `R2:status`, `R12:actor`.
    pub rule_path: Vec<String>,
    /// The Consent that decided, if one did: in a refusal the one in the way.
    pub decisive: Option<(String, u64)>,
    /// All Consents of this person that were read: id and version.
    pub consents: Vec<(String, u64)>,
    /// [`RULES`].
    pub rules: &'static str,
}

/// Decides. Total: whatever cannot be read leads to a deny.
#[must_use]
pub fn decide(question: &Question<'_>) -> Decision {
    if let Some((reason, rule)) = about_the_person(question.subject.patient) {
        return decision(Verdict::Deny, reason, vec![rule.to_owned()], None, Vec::new());
    }
    let mut read: Vec<(Reading, (String, u64))> = newest(question.consents)
        .into_iter()
        .filter_map(|consent| {
            Some((document::read(question, &consent.document)?, (consent.id.clone(), consent.version)))
        })
        .collect();
    // By reason, then name: which one explains the decision must not depend on the order in which they were given.
    read.sort_by(|(a, a_name), (b, b_name)| (a.reason, a_name, &a.path).cmp(&(b.reason, b_name, &b.path)));
    let mut consents: Vec<(String, u64)> = read.iter().map(|(_, name)| name.clone()).collect();
    consents.sort();
    let first = |effect: Effect| read.iter().find(|(reading, _)| reading.effect == effect);
    let (refusal, permit) = (first(Effect::Refuses), first(Effect::Permits));
    let verdict = if refusal.is_none() && permit.is_some() { Verdict::Permit } else { Verdict::Deny };
    let Some((reading, name)) = refusal.or(permit).or_else(|| first(Effect::Silent)) else {
        return decision(Verdict::Deny, Reason::NoConsent, vec!["R1:default".to_owned()], None, consents);
    };
    let mut path: Vec<String> = reading.path.iter().map(|rule| (*rule).to_owned()).collect();
    let contradicted = refusal.is_some() && permit.is_some();
    if contradicted {
        path.push("R6:conflict".to_owned());
    }
    let reason = if contradicted && reading.reason == Reason::Refused { Reason::Conflict } else { reading.reason };
    decision(verdict, reason, path, Some(name.clone()), consents)
}

fn decision(
    verdict: Verdict,
    reason: Reason,
    rule_path: Vec<String>,
    decisive: Option<(String, u64)>,
    consents: Vec<(String, u64)>,
) -> Decision {
    Decision { verdict, reason, rule_path, decisive, consents, rules: RULES }
}

/// Of each Consent the newest version; a withdrawal must not be undone by an older version beside it.
fn newest(consents: &[ConsentDocument]) -> Vec<&ConsentDocument> {
    let mut versions: BTreeMap<&str, u64> = BTreeMap::new();
    for consent in consents {
        let version = versions.entry(&consent.id).or_default();
        *version = consent.version.max(*version);
    }
    consents.iter().filter(|consent| versions.get(consent.id.as_str()) == Some(&consent.version)).collect()
}

/// What no Consent can lift: the person has died (R13), or the record is restricted (R7).
fn about_the_person(patient: &Json) -> Option<(Reason, &'static str)> {
    let died = patient.as_object().unwrap_or_default().iter().any(|(name, value)| match name.as_str() {
        "deceasedBoolean" => *value != Json::Bool(false),
        other => other.trim_start_matches('_').starts_with("deceased"),
    });
    if died {
        return Some((Reason::Deceased, "R13:deceased"));
    }
    let labels = patient.get("meta").map(|meta| meta.items("security")).unwrap_or_default();
    let restricted = labels.iter().any(|label| {
        matches!(label.text("code"), Some("R" | "V"))
            && label.text("system").is_none_or(|system| system.ends_with("Confidentiality"))
    });
    restricted.then_some((Reason::RestrictedPatient, "R7:restricted-patient"))
}

#[cfg(test)]
mod tests;
