//! The states of a Consent in the small model, and the resource that has them. What a state means is the evaluators' to
//! say; here it is only written down.

use crate::world::{actor, coding};
use gateway_fhir::Json;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// How many states each element of a provision has, in the order of [`Provision`].
pub(crate) const PROVISION: [usize; 8] = [3, 5, 5, 4, 4, 6, 4, 2];

/// A provision by the numbers of its states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Provision {
    /// 0 permit, 1 deny, 2 absent.
    pub(crate) kind: usize,
    /// 0 absent, 1 B, 2 D, 3 nobody known, 4 B as custodian.
    pub(crate) actor: usize,
    /// 0 absent, 1 holds, 2 over, 3 not begun, 4 unreadable.
    pub(crate) period: usize,
    /// 0 absent, 1 COC, 2 research, 3 treatment.
    pub(crate) purpose: usize,
    /// 0 absent, 1 disclose, 2 collect, 3 use.
    pub(crate) action: usize,
    /// 0 absent, 1 its class, 2 another period of data, 3 its code, 4 another code, 5 related to what cannot be found.
    pub(crate) data: usize,
    /// 0 absent, 1 N, 2 L, 3 mental health.
    pub(crate) label: usize,
    /// 1: an element that R4 does not know.
    pub(crate) odd: usize,
}

/// How many states each element of the head has, in the order of [`Head`].
pub(crate) const HEAD: [usize; 7] = [2, 4, 3, 2, 3, 3, 2];

/// Everything around the root provision, by the numbers of its states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Head {
    /// 0 active, 1 inactive.
    pub(crate) status: usize,
    /// The root's type: 0 permit, 1 deny, 2 absent, 3 a word that R4 does not know.
    pub(crate) kind: usize,
    /// `policyRule`: 0 absent, 1 OPTIN, 2 OPTOUT.
    pub(crate) rule: usize,
    /// 1: a modifier extension.
    pub(crate) modifier: usize,
    /// 0 patient-privacy, 1 research, 2 treatment.
    pub(crate) scope: usize,
    /// 0 absent, 1 true, 2 false.
    pub(crate) verified: usize,
    /// 0 the person, 1 a link worker.
    pub(crate) performer: usize,
}

/// A Consent of one or two levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct State {
    pub(crate) head: Head,
    /// Its `kind` is not used: the head's is.
    pub(crate) root: Provision,
    pub(crate) child: Option<Provision>,
}

impl Provision {
    /// The provision of this number.
    pub(crate) fn number(number: usize) -> Self {
        let [kind, actor, period, purpose, action, data, label, odd] = digits(number, PROVISION);
        Self { kind, actor, period, purpose, action, data, label, odd }
    }

    fn json(&self, kind: Option<&Json>) -> Json {
        let elements = &*ELEMENTS;
        let states = [self.actor, self.period, self.purpose, self.action, self.data, self.label, self.odd];
        let mut members: Vec<(String, Json)> = Vec::with_capacity(8);
        members.extend(kind.map(|kind| ("type".to_owned(), kind.clone())));
        for (element, state) in elements.iter().zip(states) {
            members.extend(element[state].clone());
        }
        Json::Object(members)
    }
}

impl Head {
    pub(crate) fn number(number: usize) -> Self {
        let [status, kind, rule, modifier, scope, verified, performer] = digits(number, HEAD);
        Self { status, kind, rule, modifier, scope, verified, performer }
    }
}

impl State {
    /// The resource that has these states.
    pub(crate) fn json(&self) -> Json {
        let head = &*HEADS;
        let state = [
            &head.status[self.head.status],
            &head.scope[self.head.scope],
            &head.performer[self.head.performer],
            &head.person,
        ];
        let mut members: Vec<(String, Json)> = state.into_iter().cloned().collect();
        let optional =
            [&head.rule[self.head.rule], &head.modifier[self.head.modifier], &head.verified[self.head.verified]];
        members.extend(optional.into_iter().flatten().cloned());
        let mut root = self.root.json(head.kind[self.head.kind].as_ref());
        if let Some(child) = &self.child {
            let inner = child.json(head.kind[child.kind].as_ref());
            root.set("provision", Json::Array(vec![inner]));
        }
        members.push(("provision".to_owned(), root));
        Json::Object(members)
    }
}

/// The digits of a number, each of its own base; the last changes fastest.
pub(crate) fn digits<const N: usize>(mut number: usize, bases: [usize; N]) -> [usize; N] {
    let mut digits = [0; N];
    for (digit, base) in digits.iter_mut().zip(bases).rev() {
        *digit = number % base;
        number /= base;
    }
    digits
}

type Member = (String, Json);

fn member(name: &str, value: Value) -> Member {
    (name.to_owned(), value.into())
}

/// The elements of a provision in the order of [`Provision`], each in all its states.
static ELEMENTS: LazyLock<[Vec<Option<Member>>; 7]> = LazyLock::new(|| {
    let of = |states: Vec<Option<Member>>| states;
    let custodian = json!({"role": {"coding": [coding("role", "CST")]}, "reference": {"reference": "Organization/B"}});
    let concept = |code: &str| json!([{"coding": [coding("urn:codes", code)]}]);
    let action = |code: &str| Some(member("action", json!([{"coding": [coding("do", code)]}])));
    let purpose = |code: &str| Some(member("purpose", json!([coding("why", code)])));
    let period = |start: &str, end: &str| Some(member("period", json!({"start": start, "end": end})));
    let label = |system: &str, code: &str| Some(member("securityLabel", json!([coding(system, code)])));
    let actors = |one: Value| Some(member("actor", json!([one])));
    [
        of(vec![
            None,
            actors(actor("Organization/B")),
            actors(actor("Organization/D")),
            actors(actor("Organization/gone")),
            actors(custodian),
        ]),
        of(vec![
            None,
            period("2026-01-01", "2026-12-31"),
            period("2025-01-01", "2026-06-14"),
            period("2026-06-16", "2026-12-31"),
            period("2026-01-01", "whenever"),
        ]),
        of(vec![None, purpose("COC"), purpose("HRESCH"), purpose("TREAT")]),
        of(vec![None, action("disclose"), action("collect"), action("use")]),
        of(vec![
            None,
            Some(member("class", json!([coding("type", "Observation")]))),
            Some(member("dataPeriod", json!({"start": "2020", "end": "2024"}))),
            Some(member("code", concept("steps"))),
            Some(member("code", concept("hiv"))),
            Some(member("data", json!([{"meaning": "related", "reference": {"reference": "Observation/gone"}}]))),
        ]),
        of(vec![None, label("conf", "N"), label("conf", "L"), label("act", "MH")]),
        of(vec![None, Some(member("surprise", json!(true)))]),
    ]
});

/// The parts of a head.
struct Heads {
    status: [Member; 2],
    kind: [Option<Json>; 4],
    rule: [Option<Member>; 3],
    modifier: [Option<Member>; 2],
    scope: [Member; 3],
    verified: [Option<Member>; 3],
    performer: [Member; 2],
    person: Member,
}

static HEADS: LazyLock<Heads> = LazyLock::new(|| {
    let rule = |code: &str| Some(member("policyRule", json!({"coding": [{"code": code}]})));
    let scope = |code: &str| member("scope", json!({"coding": [{"code": code}]}));
    let verified = |is: bool| Some(member("verification", json!([{"verified": is}])));
    let performer = |who: &str| member("performer", json!([{"reference": who}]));
    Heads {
        status: ["active", "inactive"].map(|status| member("status", json!(status))),
        kind: [Some(Json::string("permit")), Some(Json::string("deny")), None, Some(Json::string("perhaps"))],
        rule: [None, rule("OPTIN"), rule("OPTOUT")],
        modifier: [None, Some(member("modifierExtension", json!([{"url": "urn:x"}])))],
        scope: ["patient-privacy", "research", "treatment"].map(scope),
        verified: [None, verified(true), verified(false)],
        performer: ["Patient/p", "PractitionerRole/lw"].map(performer),
        person: member("patient", json!({"reference": "Patient/p"})),
    }
});
