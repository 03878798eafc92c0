//! What codes mean to each other: Confidentiality is a scale, other security labels and purposes are trees (R7).
//!
//! The trees are a table made from the R4 code systems (`tables/code-hierarchies.tsv`). A code that is not in it is
//! unknown, which never helps a permit.

use super::truth::Truth;
use gateway_fhir::Json;
use std::collections::BTreeMap;
use std::sync::LazyLock;

const TABLE: &str = include_str!("../../tables/code-hierarchies.tsv");

/// The scale of Confidentiality, lowest first.
const SCALE: [&str; 6] = ["U", "L", "M", "N", "R", "V"];

/// Where *normal* and *restricted* stand on the scale.
pub(super) const NORMAL: u8 = 3;
pub(super) const RESTRICTED: u8 = 4;
const HIGHEST: u8 = 5;

/// Stands for a label of a person that is not on the scale: no permit can speak of it.
pub(super) const UNKNOWN: u8 = HIGHEST + 1;

/// Labels that forbid to pass something on, whatever a permit says in general.
const REFRAIN: [&str; 3] = ["NODSCLCD", "NODSCLCDS", "NOAUTH"];

/// Purposes, with all below them, that have nothing to do with care for this person.
const UNRELATED: [&str; 3] = ["HMARKT", "HPAYMT", "HRESCH"];

/// A code with its system; both borrowed or both owned.
pub(super) type Code<'a> = (&'a str, &'a str);

static PARENTS: LazyLock<BTreeMap<Code<'static>, &'static str>> = LazyLock::new(|| {
    let rows = TABLE.lines().filter(|line| !line.starts_with('#'));
    rows.filter_map(|row| {
        let mut cells = row.split('\t');
        Some(((cells.next()?, cells.next()?), cells.next()?))
    })
    .collect()
});

/// System and code of a Coding. A missing system is an empty one.
pub(super) fn code(coding: &Json) -> Option<Code<'_>> {
    Some((coding.text("system").unwrap_or_default(), coding.text("code")?))
}

/// The name of an HL7 v3 code system, in both of its homes; any other system as it is.
fn short(system: &str) -> &str {
    let homes = ["http://terminology.hl7.org/CodeSystem/v3-", "http://hl7.org/fhir/v3/"];
    homes.iter().find_map(|home| system.strip_prefix(home)).unwrap_or(system)
}

/// Whether two systems are one.
pub(super) fn same_system(one: &str, other: &str) -> bool {
    short(one) == short(other)
}

/// Whether this is a Coding of Confidentiality. Without a system its code decides.
pub(super) fn is_confidentiality((system, code): Code<'_>) -> bool {
    system.ends_with("Confidentiality") || (system.is_empty() && SCALE.contains(&code))
}

/// Whether this is a purpose of use.
pub(super) fn is_purpose((system, _): Code<'_>) -> bool {
    short(system) == "ActReason"
}

/// Where a Confidentiality code stands on the scale; what is not on it counts as the highest.
pub(super) fn level(code: &str) -> u8 {
    let place = SCALE.iter().position(|known| *known == code);
    place.and_then(|place| u8::try_from(place).ok()).unwrap_or(HIGHEST)
}

/// The same, but what is not on the scale is [`UNKNOWN`].
pub(super) fn certain_level(code: &str) -> u8 {
    if SCALE.contains(&code) { level(code) } else { UNKNOWN }
}

/// Whether this label forbids to pass something on.
pub(super) fn forbids((system, code): Code<'_>) -> bool {
    (system.is_empty() || short(system) == "ActCode") && REFRAIN.contains(&code)
}

/// Whether `narrow` is `wide` or lies below it. Codes of two systems, or of one that the table does not hold, can only be
/// found equal; whether they are related is then unknown.
pub(super) fn subsumes(wide: Code<'_>, narrow: Code<'_>) -> Truth {
    if wide.1 == narrow.1 && same_system(wide.0, narrow.0) {
        return Truth::Yes;
    }
    let system = short(wide.0);
    let known = |code: &str| PARENTS.contains_key(&(system, code));
    if system != short(narrow.0) || !known(wide.1) || !known(narrow.1) {
        return Truth::Unknown;
    }
    let above = std::iter::successors(Some(narrow.1), |code| PARENTS.get(&(system, *code)).copied());
    Truth::of(above.skip(1).any(|code| code == wide.1))
}

/// Whether a purpose that a provision names is the one that is asked for. Only what certainly has nothing to do with care
/// is certainly another.
pub(super) fn purpose(named: &Json, asked: &str) -> Truth {
    let Some((system, code)) = code(named) else { return Truth::Unknown };
    let of_actreason = ("ActReason", code);
    if !system.is_empty() && !is_purpose((system, code)) {
        Truth::Unknown
    } else if code == asked {
        Truth::Yes
    } else if UNRELATED.iter().any(|top| subsumes(("ActReason", top), of_actreason) == Truth::Yes) {
        Truth::No
    } else {
        Truth::Unknown
    }
}
