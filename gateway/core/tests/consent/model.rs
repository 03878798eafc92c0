//! The small model: Consents of at most two levels, alone and in pairs, in all states of their fields, decided by the
//! engine and by the second evaluator. Not one may differ.
//!
//! `cargo test` takes a share, spread evenly; `cargo xtask consent --full` sets `CONSENT_MODEL=full` and takes all.

use crate::question::{Asked, asked};
use crate::states::{HEAD, Head, PROVISION, Provision, State, digits};
use crate::world::{sample, tenant};
use crate::{count, oracle};
use gateway_core::consent::{ConsentDocument, Verdict, items};
use gateway_fhir::Json;

/// Of so many combinations one is taken in `cargo test`. A prime, so that it meets every state of every field.
const SHARE: usize = 4_001;

/// A Consent that permits: beside it a refusal shows.
const PLAIN: State = State {
    head: Head { status: 0, kind: 0, rule: 0, modifier: 0, scope: 0, verified: 0, performer: 0 },
    root: Provision { kind: 0, actor: 1, period: 0, purpose: 0, action: 0, data: 0, label: 0, odd: 0 },
    child: None,
};

/// Combinations in which one level differs from a plain permit in its last fields only.
const NEAR: std::ops::Range<usize> = 3_840..4_032;

fn step() -> usize {
    if std::env::var_os("CONSENT_MODEL").is_some_and(|wanted| wanted == "full") { 1 } else { SHARE }
}

/// Asks the engine about one Observation.
struct Engine {
    asked: Asked,
}

impl Engine {
    fn new() -> Self {
        let mut asked = asked(&[]);
        let observation: Json = sample("plain").expect("a sample").into();
        asked.items = items([&observation]);
        Self { asked }
    }

    fn permits(&mut self, states: &[State]) -> bool {
        self.asked.consents.clear();
        for (place, state) in states.iter().enumerate() {
            self.asked.consents.push(ConsentDocument {
                tenant: tenant(),
                id: ["a", "b"][place].to_owned(),
                version: 1,
                document: state.json(),
            });
        }
        self.asked.decide().verdict == Verdict::Permit
    }
}

/// Compares every `step`th of these combinations, and counts them.
fn compare(what: &str, total: usize, state: impl Fn(usize) -> Vec<State>) {
    let (mut engine, mut compared, mut permitted) = (Engine::new(), 0, 0);
    // Of a share the neighbourhood of a plain permit is always a part: far from it hardly anything permits.
    let near = NEAR.filter(|number| number % step() != 0);
    for number in (0..total).step_by(step()).chain(near) {
        let states = state(number);
        let expected = oracle::permits(&states);
        assert_eq!(engine.permits(&states), expected, "{what}, combination {number}: {states:#?}");
        compared += 1;
        permitted += usize::from(expected);
    }
    assert!(permitted > 0 && permitted < compared, "{what}: both answers occur");
    count(&format!("combinations compared, {what}"), compared, total);
}

const fn product<const N: usize>(bases: [usize; N]) -> usize {
    let (mut product, mut place) = (1, 0);
    while place < N {
        product *= bases[place];
        place += 1;
    }
    product
}

/// All heads with all root provisions.
fn one_level(number: usize) -> State {
    let roots = product(PROVISION) / PROVISION[0];
    State { head: Head::number(number / roots), root: Provision::number(number % roots), child: None }
}

/// The five meanings of a base, as the states of type and `policyRule` that spell them.
const BASES: [(usize, usize); 5] = [(0, 0), (1, 0), (2, 1), (2, 2), (3, 0)];

/// Of the root, where one level lies within: base, actor, period, data.
const ROOT: [usize; 4] = [5, 5, 3, 3];

/// Root provisions with all provisions within them.
fn two_levels(number: usize) -> State {
    let inner = product(PROVISION);
    let [base, actor, period, data] = digits(number / inner, ROOT);
    let (kind, rule) = BASES[base];
    State {
        head: Head { kind, rule, ..Head::default() },
        root: Provision { actor, period: [0, 2, 4][period], data: [0, 2, 5][data], ..Provision::default() },
        child: Some(Provision::number(number % inner)),
    }
}

/// Consents as pairs are made of: status, modifier, base, actor, data, and nothing or one of twelve provisions within.
const PAIRED: [usize; 6] = [2, 2, 5, 3, 2, 13];

fn paired(number: usize) -> State {
    let [status, modifier, base, actor, data, child] = digits(number, PAIRED);
    let (kind, rule) = BASES[base];
    let inner = child.checked_sub(1).map(|child| {
        let [kind, actor, data] = digits(child, [2, 3, 2]);
        Provision { kind, actor, data: [0, 4][data], ..Provision::default() }
    });
    State {
        head: Head { status, modifier, kind, rule, ..Head::default() },
        root: Provision { actor, data: [0, 2][data], ..Provision::default() },
        child: inner,
    }
}

#[test]
fn one_level_alone() {
    compare("one level", product(HEAD) * product(PROVISION) / PROVISION[0], |number| vec![one_level(number)]);
}

#[test]
fn one_level_beside_a_permit() {
    let total = product(HEAD) * product(PROVISION) / PROVISION[0];
    compare("one level beside a permit", total, |number| vec![one_level(number), PLAIN]);
}

#[test]
fn two_levels_alone() {
    compare("two levels", product(ROOT) * product(PROVISION), |number| vec![two_levels(number)]);
}

#[test]
fn two_levels_beside_a_permit() {
    let total = product(ROOT) * product(PROVISION);
    compare("two levels beside a permit", total, |number| vec![PLAIN, two_levels(number)]);
}

#[test]
fn pairs() {
    let each = product(PAIRED);
    compare("pairs", each * each, |number| vec![paired(number / each), paired(number % each)]);
}
