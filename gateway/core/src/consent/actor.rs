//! Whether an actor of a provision is the recipient.

use super::Question;
use super::item::without_version;
use super::labels::{self, Code};
use super::period::standing;
use super::truth::Truth;
use gateway_fhir::Json;
use gateway_fhir::identifiers::same_system;

/// Roles in which somebody who is named may receive (v3-ParticipationType): information recipient, primary information
/// recipient, referred to, performer. A custodian, for one, keeps the record and receives nothing.
const RECEIVING: [&str; 6] = ["IRCP", "PRCP", "REFT", "PRF", "PPRF", "SPRF"];

/// Elements that an actor has in R4.
const ELEMENTS: [&str; 4] = ["id", "extension", "role", "reference"];

/// Whether an actor is the recipient, and whether one who is receives in this role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Naming {
    pub(super) ours: Truth,
    pub(super) receives: bool,
}

/// Who this actor is. `consent` holds contained resources.
pub(super) fn naming(question: &Question<'_>, actor: &Json, consent: &Json) -> Naming {
    let members = actor.as_object().unwrap_or_default();
    let is_known = members.iter().all(|(name, _)| ELEMENTS.contains(&name.as_str()));
    let ours = match actor.get("reference") {
        Some(reference) if is_known => refers(question, reference, consent),
        Some(reference) => refers(question, reference, consent).min(Truth::Unknown),
        None => Truth::Unknown,
    };
    Naming { ours, receives: receives(question, actor) }
}

/// Whether a reference leads to the recipient, by what it resolves to and by its identifier; both must agree.
fn refers(question: &Question<'_>, reference: &Json, consent: &Json) -> Truth {
    let by_identifier = reference.get("identifier").map(|one| compare(question, std::slice::from_ref(one)));
    let by_literal = reference.text("reference").map(|literal| by_literal(question, literal, consent));
    match (by_literal, by_identifier) {
        (Some(Truth::Unknown) | None, Some(told)) | (Some(told), Some(Truth::Unknown) | None) => told,
        (Some(literal), Some(identifier)) if literal == identifier => literal,
        _ => Truth::Unknown,
    }
}

/// A coded role must be one that receives, or one that the tenant lists; words alone limit nothing.
fn receives(question: &Question<'_>, actor: &Json) -> bool {
    let codings = actor.get("role").map(|role| role.items("coding")).unwrap_or_default();
    codings.iter().all(|coding| labels::code(coding).is_some_and(|role| is_receiving(question, role)))
}

fn is_receiving(question: &Question<'_>, (system, code): Code<'_>) -> bool {
    let of_hl7 = system.is_empty() || system.ends_with("ParticipationType");
    let listed = question.policy.receiving_roles.iter().any(|(own, role)| own == system && role == code);
    listed || (of_hl7 && RECEIVING.contains(&code))
}

fn by_literal(question: &Question<'_>, literal: &str, consent: &Json) -> Truth {
    let target = match literal.strip_prefix('#') {
        Some(local) => consent.items("contained").iter().find(|one| one.text("id") == Some(local)).cloned(),
        None => (question.directory)(without_version(literal)),
    };
    let kind = match &target {
        Some(target) => target.text("resourceType").unwrap_or_default(),
        None => literal.split('/').next().unwrap_or_default(),
    };
    match (kind, &target) {
        ("Organization" | "HealthcareService" | "CareTeam", Some(target)) => {
            compare(question, target.items("identifier"))
        }
        ("Group", Some(group)) => member(question, group),
        // A person at home or a device is not the recipient; a practitioner might act for it.
        ("Patient" | "RelatedPerson" | "Device", _) => Truth::No,
        _ => Truth::Unknown,
    }
}

/// Whether the recipient is a member of this Group now. A Group of kinds, not of members, tells nothing; nor does one
/// within another.
fn member(question: &Question<'_>, group: &Json) -> Truth {
    let is_of_members = group.get("actual") == Some(&Json::Bool(true)) && !group.items("member").is_empty();
    if !is_of_members || group.get("active") == Some(&Json::Bool(false)) {
        return Truth::Unknown;
    }
    Truth::any(group.items("member").iter().map(|member| {
        let now = member.get("period").map_or(Truth::Yes, |period| standing(period, question.now).truth());
        let is_in = if member.get("inactive").is_none_or(|gone| *gone == Json::Bool(false)) { now } else { Truth::No };
        let Some(entity) = member.get("entity") else { return Truth::Unknown };
        let nested = entity.text("reference").is_some_and(|literal| literal.starts_with("Group/"));
        is_in.min(if nested { Truth::Unknown } else { refers(question, entity, group) })
    }))
}

/// Two parties can be told apart only by identifiers of one system. The organisation of which the recipient is a branch
/// stands for it only if the tenant says so; without that a refusal of it may still be meant for the branch.
fn compare(question: &Question<'_>, identifiers: &[Json]) -> Truth {
    let own = identifiers.iter().map(|identifier| {
        let (Some(system), Some(value)) = (identifier.text("system"), identifier.text("value")) else {
            return Comparison::Incomparable;
        };
        let parents = question.policy.of(question.recipient).branch_of;
        let is = |known: &[(String, String)]| known.iter().any(|(of, name)| same_system(system, of) && value == name);
        if is(&question.recipient.identifiers)
            || parents.is_some_and(|parent| parent.inherits && is(&parent.identifiers))
        {
            Comparison::Same
        } else if parents.is_some_and(|parent| is(&parent.identifiers)) {
            Comparison::Parent
        } else if question.recipient.identifiers.iter().any(|(of, _)| same_system(system, of)) {
            Comparison::Other
        } else {
            Comparison::Incomparable
        }
    });
    match own.max() {
        Some(Comparison::Same) => Truth::Yes,
        Some(Comparison::Other) => Truth::No,
        _ => Truth::Unknown,
    }
}

/// What one identifier tells, the least telling first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Comparison {
    Incomparable,
    Other,
    Parent,
    Same,
}
