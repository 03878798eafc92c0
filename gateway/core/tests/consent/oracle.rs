//! The second evaluator: `consent-rules/1` for Consents of at most two levels, written from the rules' text as flat
//! statements about states. It shares no code, no data type and no structure with the engine: no tree is walked, nothing
//! is parsed, and each rule is a condition of its own.

use crate::states::{Provision, State};

/// What a condition of a provision says of the question.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Met {
    /// Certainly.
    For,
    /// Certainly not.
    Against,
    /// Nobody can tell.
    Open,
}

/// Whether the Consents together permit: any deny that matches wins, else any permit (R6), else no (R1).
pub(crate) fn permits(consents: &[State]) -> bool {
    !consents.iter().any(refuses) && consents.iter().any(permits_alone)
}

/// R4, element by element, for a question about an unlabelled Observation of May 2025 to B, for COC, in June 2026.
fn conditions(provision: &Provision) -> [Met; 7] {
    use Met::{Against, For, Open};
    [
        // Named in the wrong role is no permission, and might well be a refusal.
        [For, For, Against, Open, Open][provision.actor],
        [For, For, Against, Against, Open][provision.period],
        [For, For, Against, Open][provision.purpose],
        [For, For, Against, Open][provision.action],
        [For, For, Against, For, Against, Open][provision.data],
        // Unlabelled is N: L does not reach it, for certain only upwards; nobody assessed it for mental health.
        [For, For, Open, Open][provision.label],
        [For, Open][provision.odd],
    ]
}

fn is_certain(provision: &Provision) -> bool {
    conditions(provision).iter().all(|met| *met == Met::For)
}

fn may_match(provision: &Provision) -> bool {
    conditions(provision).iter().all(|met| *met != Met::Against)
}

/// Everything but the actor may match.
fn may_match_for_others(provision: &Provision) -> bool {
    conditions(provision)[1..].iter().all(|met| *met != Met::Against)
}

fn is_permit(provision: &Provision) -> bool {
    provision.kind == 0
}

/// R3: root type, else policyRule; unequal, neither, or a word that nobody knows: unclear.
fn base_is(consent: &State, wanted: &str) -> bool {
    let by_type = ["permit", "deny", "", "unclear"][consent.head.kind];
    let by_rule = ["", "permit", "deny"][consent.head.rule];
    let base = if by_type == "unclear" {
        "unclear"
    } else if by_type.is_empty() {
        if by_rule.is_empty() { "unclear" } else { by_rule }
    } else if by_rule.is_empty() || by_rule == by_type {
        by_type
    } else {
        "unclear"
    };
    base == wanted
}

/// R2: only an active one, and one that is not about research, has anything to say.
fn is_heard(consent: &State) -> bool {
    consent.head.status == 0 && consent.head.scope != 1
}

fn refuses(consent: &State) -> bool {
    is_heard(consent)
        && (modifier_refuses(consent)
            || unclear_base_refuses(consent)
            || base_denies(consent)
            || exception_to_permit(consent)
            || is_narrowed_away(consent)
            || names_us_inside_others(consent))
}

/// R2: an unknown modifier may mean a refusal of whoever the Consent may be about.
fn modifier_refuses(consent: &State) -> bool {
    let may_be_us = |provision: &Provision| provision.actor != 2;
    let named_below = consent.child.as_ref().is_some_and(|child| child.actor != 0 && may_be_us(child));
    consent.head.modifier == 1 && (may_be_us(&consent.root) || named_below)
}

fn unclear_base_refuses(consent: &State) -> bool {
    base_is(consent, "unclear") && may_match(&consent.root)
}

/// Base deny, without an exception that certainly fits (R5).
fn base_denies(consent: &State) -> bool {
    let excepted = consent.child.as_ref().is_some_and(|child| is_permit(child) && is_certain(child));
    base_is(consent, "deny") && may_match(&consent.root) && !excepted
}

/// Base permit, and a deny within that may fit (R5). What does not say that it permits is one.
fn exception_to_permit(consent: &State) -> bool {
    let excepted = consent.child.as_ref().is_some_and(|child| !is_permit(child) && may_match(child));
    base_is(consent, "permit") && may_match(&consent.root) && excepted
}

/// Base permit, and a permit within that does not certainly fit (R5: not matching the child = deny).
fn is_narrowed_away(consent: &State) -> bool {
    let narrowed = consent.child.as_ref().is_some_and(|child| is_permit(child) && !is_certain(child));
    base_is(consent, "permit") && may_match(&consent.root) && narrowed
}

/// A deny that names us inside a provision about others.
fn names_us_inside_others(consent: &State) -> bool {
    let named = consent.child.as_ref().is_some_and(|child| !is_permit(child) && child.actor != 0 && may_match(child));
    consent.root.actor == 2 && may_match_for_others(&consent.root) && named
}

/// R2, R9, R12: usable, certain all the way, and somebody on the way names us.
fn permits_alone(consent: &State) -> bool {
    let head = &consent.head;
    let usable =
        is_heard(consent) && head.scope == 0 && head.verified != 2 && head.performer == 0 && head.modifier == 0;
    let fitting_exception = consent.child.as_ref().filter(|child| is_permit(child) && is_certain(child));
    let names_us = consent.root.actor == 1 || fitting_exception.is_some_and(|child| child.actor == 1);
    let decided_by_permit = base_is(consent, "permit") || (base_is(consent, "deny") && fitting_exception.is_some());
    usable && is_certain(&consent.root) && decided_by_permit && names_us && !refuses(consent)
}
