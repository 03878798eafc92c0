//! One Consent, read by itself: it permits, refuses, or is silent.

use super::actor::{Naming, naming, receives};
use super::period::{Standing, of_permit, of_refusal};
use super::{Question, Reason};
use gateway_fhir::identifiers::{NHS_NUMBER, same_system};
use gateway_fhir::{Json, instant};

/// What a Consent does to the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Permits,
    Refuses,
    Silent,
}

/// A Consent as it was read. The last rule of the path decided.
pub(super) struct Reading {
    pub(super) effect: Effect,
    pub(super) reason: Reason,
    pub(super) path: Vec<&'static str>,
}

/// What the root says (R3).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Base {
    Permit,
    Deny,
    /// Neither, or both: a refusal, because it may be one.
    Ambiguous,
}

/// Whose Consent it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Belongs {
    Yes,
    No,
    /// Reference and NHS number tell different things: it may refuse, but not permit.
    Contradictory,
}

/// Purposes that have nothing to do with care for this person: a refusal for these alone leaves a referral alone.
const UNRELATED_PURPOSES: [&str; 4] = ["HRESCH", "CLINTRCH", "HMARKT", "HPAYMT"];

/// Elements of a provision that this version evaluates, or that say nothing.
const EVALUATED: [&str; 6] = ["id", "extension", "type", "period", "actor", "purpose"];

/// The others that R4 knows, by which it names what it did not evaluate. An unknown name is not repeated: it is not ours.
const NOT_EVALUATED: [&str; 7] = ["action", "securityLabel", "class", "code", "dataPeriod", "data", "provision"];

/// Reads one Consent; `None` if it is another person's.
pub(super) fn read(question: &Question<'_>, consent: &Json) -> Option<Reading> {
    let belongs = belongs(question, consent);
    if belongs == Belongs::No || consent.text("resourceType").is_some_and(|kind| kind != "Consent") {
        return None;
    }
    let (base, provision) = (base(consent), consent.get("provision"));
    let concerns_us = provision.is_none_or(|provision| concerns(question, provision, consent));
    if consent.text("status") != Some("active") {
        // A Consent that named somebody else explains nothing here.
        let reason = match (concerns_us, consent.text("status"), base) {
            (false, ..) => Reason::OtherRecipient,
            (true, Some("inactive"), Base::Permit) => Reason::Withdrawn,
            (true, ..) => Reason::Status,
        };
        return Some(silent(reason, &["R2:status"]));
    }
    // A Consent about research does not speak of care; with any other scope than privacy it can still refuse.
    if codes(consent.get("scope")).any(|code| code == "research") {
        return Some(silent(Reason::Scope, &["R2:status", "R2:scope"]));
    }
    if let Some((reason, rule)) = refusal(question, consent, base, concerns_us) {
        return Some(Reading { effect: Effect::Refuses, reason, path: vec!["R2:status", rule] });
    }
    if base != Base::Permit {
        // A refusal of others, or one whose time is over.
        let reason = if concerns_us { Reason::Status } else { Reason::OtherRecipient };
        return Some(silent(reason, &["R2:status", "R3:base"]));
    }
    Some(permit(question, consent, provision, belongs))
}

fn silent(reason: Reason, path: &[&'static str]) -> Reading {
    Reading { effect: Effect::Silent, reason, path: path.to_vec() }
}

/// Whether an active Consent refuses, and by which rule: by its root, by a provision within, or because it cannot be
/// understood.
fn refusal(question: &Question<'_>, consent: &Json, base: Base, concerns_us: bool) -> Option<(Reason, &'static str)> {
    let provision = consent.get("provision");
    let is_in_force = provision.is_none_or(|provision| may_be_in_force(question, provision));
    if concerns_us && has_modifier(consent) {
        return Some((Reason::Modifier, "R2:modifier"));
    }
    match base {
        Base::Deny if concerns_us && is_in_force => return Some((Reason::Refused, "R3:base")),
        Base::Ambiguous if concerns_us && is_in_force => return Some((Reason::AmbiguousBase, "R3:base")),
        _ => {}
    }
    (is_in_force && nested_refusal(question, provision?, consent, concerns_us))
        .then_some((Reason::Refused, "R5:nested"))
}

/// Whether a provision within refuses, at whatever depth. One that does not say what it is counts as refusing; one that
/// names nobody concerns those whom the provision around it concerns.
fn nested_refusal(question: &Question<'_>, root: &Json, consent: &Json, concerns_us: bool) -> bool {
    let mut waiting: Vec<(&Json, bool)> = nested(root).map(|inner| (inner, concerns_us)).collect();
    while let Some((inner, around)) = waiting.pop() {
        let ours = concerns(question, inner, consent) && (around || inner.get("actor").is_some());
        if ours && inner.text("type") != Some("permit") && may_be_in_force(question, inner) {
            return true;
        }
        waiting.extend(nested(inner).map(|deeper| (deeper, ours)));
    }
    false
}

/// Provisions directly within; what is no list is taken as one.
fn nested(provision: &Json) -> impl Iterator<Item = &Json> {
    let inner = provision.get("provision");
    let single = inner.filter(|inner| inner.as_array().is_none());
    single.into_iter().chain(inner.and_then(Json::as_array).unwrap_or_default())
}

/// Whether a provision may speak of this recipient and purpose: only what certainly speaks of others does not.
fn concerns(question: &Question<'_>, provision: &Json, consent: &Json) -> bool {
    let unrelated = |purpose: &Json| {
        purpose.text("code").is_some_and(|code| UNRELATED_PURPOSES.contains(&code) && code != question.purpose)
    };
    let (purposes, actors) = (provision.items("purpose"), provision.items("actor"));
    let other_purposes = !purposes.is_empty() && purposes.iter().all(unrelated);
    let others = !actors.is_empty() && actors.iter().all(|actor| naming(question, actor, consent) == Naming::Other);
    !other_purposes && !others
}

/// Whether a refusal in this provision may be in force now.
fn may_be_in_force(question: &Question<'_>, provision: &Json) -> bool {
    matches!(of_refusal(provision, question.now), Standing::Covers | Standing::Unreadable)
}

/// Whether an active Consent with base permit, in which nothing refuses, permits. Every doubt is silence.
fn permit(question: &Question<'_>, consent: &Json, provision: Option<&Json>, belongs: Belongs) -> Reading {
    let Some(provision) = provision else { return silent(Reason::NoRecipient, &["R2:status", "R3:base", "R12:actor"]) };
    let actor = recipient(question, provision, consent);
    let standing = of_permit(provision, question.now);
    let checks = [
        ("R3:base", None),
        ("R12:actor", actor),
        ("R2:patient", (belongs == Belongs::Contradictory).then_some(Reason::Patient)),
        ("R2:modifier", has_modifier(consent).then_some(Reason::Modifier)),
        ("R2:scope", (!is_about_privacy(consent)).then_some(Reason::Scope)),
        ("R2:verification", is_unverified(consent).then_some(Reason::Unverified)),
        ("R9:performer", performer(question, consent)),
        (
            "R4:period",
            match standing {
                Standing::Covers => None,
                Standing::NotYet => Some(Reason::NotYet),
                Standing::Over => Some(Reason::Expired),
                Standing::Unreadable => Some(Reason::NotUnderstood("period")),
            },
        ),
        ("R4:purpose", purpose(question, provision)),
        ("R4:elements", not_evaluated(provision)),
    ];
    let mut path = vec!["R2:status"];
    for (rule, doubt) in checks {
        path.push(rule);
        if let Some(reason) = doubt {
            return silent(reason, &path);
        }
    }
    Reading { effect: Effect::Permits, reason: Reason::Permitted, path }
}

/// R12: a permit counts only if an actor names the recipient, in a role that receives.
fn recipient(question: &Question<'_>, provision: &Json, consent: &Json) -> Option<Reason> {
    let actors = provision.items("actor");
    let mut ours = actors.iter().filter(|actor| naming(question, actor, consent) == Naming::Ours).peekable();
    if actors.is_empty() {
        Some(Reason::NoRecipient)
    } else if ours.peek().is_none() {
        Some(Reason::OtherRecipient)
    } else if !ours.any(receives) {
        Some(Reason::Role)
    } else {
        None
    }
}

/// R9, as far as it goes: the person, and only from 16. Without a performer the person is meant.
fn performer(question: &Question<'_>, consent: &Json) -> Option<Reason> {
    let performers = consent.items("performer");
    if consent.get("performer").is_some()
        && !performers.iter().any(|performer| points_to(question, performer) == Belongs::Yes)
    {
        return Some(Reason::Performer);
    }
    let born = question.subject.patient.text("birthDate").and_then(instant::parse)?.latest;
    let sixteen = (born.year() + 16, u8::from(born.month()), born.day());
    let today = question.now.to_offset(time::UtcOffset::UTC).date();
    (sixteen > (today.year(), u8::from(today.month()), today.day())).then_some(Reason::PerformerAge)
}

fn purpose(question: &Question<'_>, provision: &Json) -> Option<Reason> {
    let purposes = provision.items("purpose");
    let asked = |purpose: &Json| {
        purpose.text("code") == Some(question.purpose)
            && purpose.text("system").is_none_or(|system| system.ends_with("v3-ActReason"))
    };
    // Present, but not the list that R4 asks for.
    if purposes.is_empty() && provision.get("purpose").is_some() {
        return Some(Reason::NotUnderstood("purpose"));
    }
    (!purposes.is_empty() && !purposes.iter().any(asked)).then_some(Reason::Purpose)
}

/// The first element that limits the provision in a way that is not evaluated.
fn not_evaluated(provision: &Json) -> Option<Reason> {
    let members = provision.as_object().unwrap_or_default();
    let (name, _) = members.iter().find(|(name, _)| !EVALUATED.contains(&name.as_str()))?;
    let known = NOT_EVALUATED.into_iter().find(|known| *known == name.as_str());
    Some(Reason::NotUnderstood(known.unwrap_or("an element that R4 does not know")))
}

/// R3.
fn base(consent: &Json) -> Base {
    let mut policy = codes(consent.get("policyRule"));
    let (mut opts_in, mut opts_out) = (false, false);
    for code in &mut policy {
        opts_in |= code == "OPTIN";
        // OPTOUTE (with exceptions) too: exceptions are nested provisions, which are not evaluated.
        opts_out |= code.starts_with("OPTOUT");
    }
    match (consent.get("provision").and_then(|provision| provision.get("type")), opts_in, opts_out) {
        (Some(Json::String(kind)), _, false) if kind == "permit" => Base::Permit,
        (Some(Json::String(kind)), false, _) if kind == "deny" => Base::Deny,
        (None, true, false) => Base::Permit,
        (None, false, true) => Base::Deny,
        _ => Base::Ambiguous,
    }
}

fn codes(concept: Option<&Json>) -> impl Iterator<Item = &str> {
    concept.map(|concept| concept.items("coding")).unwrap_or_default().iter().filter_map(|coding| coding.text("code"))
}

fn is_about_privacy(consent: &Json) -> bool {
    codes(consent.get("scope")).any(|code| code == "patient-privacy")
}

/// Verified is what says so; a Consent without verification is as good as its record.
fn is_unverified(consent: &Json) -> bool {
    match consent.get("verification") {
        None => false,
        Some(Json::Array(items)) => items.iter().any(|item| item.get("verified") != Some(&Json::Bool(true))),
        Some(_) => true,
    }
}

/// Any modifier extension, at whatever depth, or rules of its own (`implicitRules`).
fn has_modifier(value: &Json) -> bool {
    match value {
        Json::Array(items) => items.iter().any(has_modifier),
        Json::Object(members) => members.iter().any(|(name, inner)| {
            matches!(name.trim_start_matches('_'), "modifierExtension" | "implicitRules") || has_modifier(inner)
        }),
        _ => false,
    }
}

fn belongs(question: &Question<'_>, consent: &Json) -> Belongs {
    let Some(patient) = consent.get("patient") else { return Belongs::No };
    match points_to(question, patient) {
        // One person may be stored as several Patients: the NHS number behind the reference decides.
        Belongs::No if behind(question, consent, patient) => Belongs::Yes,
        decided => decided,
    }
}

/// Whether the Patient that a reference leads to, stored or contained, has the person's NHS number.
fn behind(question: &Question<'_>, consent: &Json, reference: &Json) -> bool {
    let (Some(literal), Some(ours)) = (reference.text("reference"), question.subject.nhs_number) else { return false };
    let patient = match literal.strip_prefix('#') {
        Some(fragment) => consent.items("contained").iter().find(|inner| inner.text("id") == Some(fragment)).cloned(),
        None => (question.directory)(literal.split("/_history/").next().unwrap_or(literal)),
    };
    let Some(patient) = patient.filter(|patient| patient.text("resourceType") == Some("Patient")) else { return false };
    patient
        .items("identifier")
        .iter()
        .filter(|identifier| identifier.text("system").is_some_and(|system| same_system(system, NHS_NUMBER)))
        .filter_map(|identifier| identifier.text("value"))
        .any(|number| number.chars().filter(|c| *c != ' ').eq(ours.chars().filter(|c| *c != ' ')))
}

/// Whether a reference points to the person, by `Patient/x` or by NHS number.
fn points_to(question: &Question<'_>, reference: &Json) -> Belongs {
    let literal = reference.text("reference").map(|literal| literal.split("/_history/").next().unwrap_or(literal));
    let by_literal = literal.is_some_and(|literal| question.subject.references.iter().any(|own| own == literal));
    let number = reference
        .get("identifier")
        .filter(|identifier| identifier.text("system").is_some_and(|system| same_system(system, NHS_NUMBER)))
        .and_then(|identifier| identifier.text("value"));
    let by_number = number.zip(question.subject.nhs_number).map(|(theirs, ours)| {
        theirs.chars().filter(|character| *character != ' ').eq(ours.chars().filter(|c| *c != ' '))
    });
    match (by_literal, by_number) {
        (true, Some(false)) => Belongs::Contradictory,
        (true, _) | (false, Some(true)) => Belongs::Yes,
        (false, _) => Belongs::No,
    }
}
