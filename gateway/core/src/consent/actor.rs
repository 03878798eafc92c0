//! Whether an actor of a provision is the recipient.

use super::Question;
use gateway_fhir::Json;
use gateway_fhir::identifiers::same_system;

/// Roles in which somebody who is named may receive (v3-ParticipationType): information recipient, primary information
/// recipient, referred to, performer. A custodian, for one, keeps the record and receives nothing.
const RECEIVING: [&str; 6] = ["IRCP", "PRCP", "REFT", "PRF", "PPRF", "SPRF"];

/// Who an actor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// The recipient.
    Ours,
    /// Certainly somebody else.
    Other,
    /// It cannot be told: enough to refuse, not enough to permit.
    Unknown,
}

/// Who this actor is. `consent` holds contained resources.
pub(super) fn naming(question: &Question<'_>, actor: &Json, consent: &Json) -> Naming {
    let Some(reference) = actor.get("reference") else { return Naming::Unknown };
    let by_identifier =
        reference.get("identifier").map(|identifier| compare(question, std::slice::from_ref(identifier)));
    let by_literal = reference.text("reference").and_then(|literal| by_literal(question, literal, consent));
    match (by_literal, by_identifier) {
        (Some(Naming::Ours), Some(Naming::Other)) | (Some(Naming::Other), Some(Naming::Ours)) => Naming::Unknown,
        (Some(Naming::Ours), _) | (_, Some(Naming::Ours)) => Naming::Ours,
        (Some(Naming::Other), _) | (_, Some(Naming::Other)) => Naming::Other,
        _ => Naming::Unknown,
    }
}

/// Whether the actor has no coded role, or only such as receive.
pub(super) fn receives(actor: &Json) -> bool {
    let codings = actor.get("role").map(|role| role.items("coding")).unwrap_or_default();
    codings.iter().all(|coding| coding.text("code").is_some_and(|code| RECEIVING.contains(&code)))
}

/// `None` if the reference does not resolve and tells nothing by itself.
fn by_literal(question: &Question<'_>, literal: &str, consent: &Json) -> Option<Naming> {
    let target = match literal.strip_prefix('#') {
        Some(local) => consent.items("contained").iter().find(|one| one.text("id") == Some(local)).cloned(),
        None => (question.directory)(literal),
    };
    let kind = match &target {
        Some(target) => target.text("resourceType")?,
        None => literal.split('/').next()?,
    };
    match (kind, &target) {
        ("Organization" | "HealthcareService" | "CareTeam", Some(target)) => {
            Some(compare(question, target.items("identifier")))
        }
        // A person at home or a device is not the recipient; a practitioner or a group might act for it.
        ("Patient" | "RelatedPerson" | "Device", _) => Some(Naming::Other),
        _ => None,
    }
}

/// Two parties can be told apart only by identifiers of one system.
fn compare(question: &Question<'_>, identifiers: &[Json]) -> Naming {
    let mut comparable = false;
    for identifier in identifiers {
        let (Some(system), Some(value)) = (identifier.text("system"), identifier.text("value")) else { continue };
        for (own_system, own_value) in &question.recipient.identifiers {
            if same_system(system, own_system) {
                if value == own_value {
                    return Naming::Ours;
                }
                comparable = true;
            }
        }
    }
    if comparable { Naming::Other } else { Naming::Unknown }
}
