//! The invariants of R4 that are held by hand: name of the type or backbone path, R4's id and text, and the rule.
//!
//! Covers the datatypes and the resource types that the gateway deals in. General rules (ele-1, ext-1, dom-*, ref-1,
//! txt-*) are held where the pass comes by; the other resource types have their structure checked only. A rule that
//! meets a broken value lets it pass: the value has its own fault already.

mod bundle;
mod datatypes;
mod resources;

use super::walk::Walk;
use crate::{IssueCode, Json};
use std::collections::HashMap;
use std::sync::OnceLock;

/// One invariant.
struct Rule {
    /// The datatype, resource type or backbone path that it is about.
    under: &'static str,
    /// R4's id for it.
    id: &'static str,
    /// What it asks for.
    text: &'static str,
    check: Check,
}

/// How a rule is asked.
enum Check {
    /// Whether it holds for the object.
    Holds(fn(&Json) -> bool),
    /// The places below the object at which it does not hold.
    Places(fn(&Json) -> Vec<String>),
}

/// Records every invariant that this object breaks.
pub(super) fn check(walk: &mut Walk<'_>, under: &str, value: &Json) {
    for rule in rules().get(under).into_iter().flatten() {
        let places = match rule.check {
            Check::Holds(holds) if holds(value) => continue,
            Check::Holds(_) => vec![String::new()],
            Check::Places(broken) => broken(value),
        };
        for place in places {
            walk.fault_in(&place, IssueCode::Invariant, format!("{}: {}", rule.id, rule.text));
        }
    }
}

fn rules() -> &'static HashMap<&'static str, Vec<&'static Rule>> {
    static RULES: OnceLock<HashMap<&'static str, Vec<&'static Rule>>> = OnceLock::new();
    RULES.get_or_init(|| {
        let mut by_path: HashMap<_, Vec<_>> = HashMap::new();
        for rule in [bundle::RULES, datatypes::RULES, resources::RULES].into_iter().flatten() {
            by_path.entry(rule.under).or_default().push(rule);
        }
        by_path
    })
}

/// `exists()` of FHIRPath: a primitive exists by its value or by its `_name` twin.
pub(super) fn has(value: &Json, name: &str) -> bool {
    value
        .as_object()
        .is_some_and(|members| members.iter().any(|(member, _)| member.strip_prefix('_').unwrap_or(member) == name))
}

/// `exists()` of a choice: `has_choice(observation, "value")` finds `valueQuantity`.
pub(super) fn has_choice(value: &Json, stem: &str) -> bool {
    value.as_object().is_some_and(|members| {
        members.iter().any(|(member, _)| {
            let name = member.strip_prefix('_').unwrap_or(member);
            name.strip_prefix(stem).is_some_and(|code| code.starts_with(|first: char| first.is_ascii_uppercase()))
        })
    })
}

/// The items of a repeating member that meet a condition, as places.
fn places(value: &Json, name: &str, is_broken: impl Fn(&Json) -> bool) -> Vec<String> {
    let items = value.items(name).iter().enumerate();
    items.filter(|(_, item)| is_broken(item)).map(|(index, _)| format!("{name}[{index}]")).collect()
}

/// Whether a concept has this coding.
fn has_coding(concept: Option<&Json>, system: &str, code: &str) -> bool {
    concept.is_some_and(|concept| {
        let mut codings = concept.items("coding").iter();
        codings.any(|coding| coding.text("system") == Some(system) && coding.text("code") == Some(code))
    })
}

#[cfg(test)]
mod tests;
