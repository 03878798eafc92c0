//! What holds for all Consents: no deny helps, no order matters, nothing unknown permits, and asking for less never gives
//! more.

use crate::question::{Asked, asked, consent, stored};
use crate::states::{HEAD, Head, PROVISION, Provision, State};
use crate::world::sample;
use gateway_core::consent::{Decision, Verdict, items};
use gateway_fhir::Json;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Samples that differ in label, code, class and date.
const SAMPLES: [&str; 12] =
    ["plain", "mh", "hiv", "hidden", "old", "undated", "words", "flag", "std", "billing", "coded", "unsigned"];

/// Any Consent of the small model, more often one that could permit.
fn any_consent() -> impl Strategy<Value = Value> {
    let heads: usize = HEAD.iter().product();
    let provisions: usize = PROVISION.iter().product();
    let head = prop_oneof![3 => Just(0), 1 => 0..heads];
    let child = prop_oneof![2 => Just(None), 1 => (0..provisions).prop_map(Some)];
    let root = (0..provisions, any::<[bool; 7]>());
    (head, root, child).prop_map(|(head, (root, keep), child)| {
        let mut root = Provision::number(root);
        let fields = [
            &mut root.actor,
            &mut root.period,
            &mut root.purpose,
            &mut root.action,
            &mut root.data,
            &mut root.label,
            &mut root.odd,
        ];
        // Most elements are absent or fit, or hardly anything would ever permit.
        for (place, (field, keep)) in fields.into_iter().zip(keep).enumerate() {
            if keep && place > 0 {
                *field = 0;
            } else if keep {
                *field = 1;
            }
        }
        State { head: Head::number(head), root, child: child.map(Provision::number) }.json().to_value()
    })
}

fn any_consents() -> impl Strategy<Value = Vec<Value>> {
    proptest::collection::vec(any_consent(), 0..5)
}

fn about(consents: &[Value], samples: &[&str]) -> Asked {
    let mut asked = asked(consents);
    let resources: Vec<Json> = samples.iter().map(|id| sample(id).expect("a sample").into()).collect();
    asked.items = items(&resources);
    asked
}

/// The resources that would leave.
fn leave(asked: &Asked) -> BTreeSet<String> {
    let decision = asked.decide();
    let all = asked.items.iter().map(|item| item.resource.clone());
    if decision.verdict == Verdict::Deny {
        return BTreeSet::new();
    }
    let gone: BTreeSet<&str> = decision.withheld.iter().map(|one| one.resource.as_str()).collect();
    all.filter(|name| !gone.contains(name.as_str())).collect()
}

fn any_samples() -> impl Strategy<Value = Vec<&'static str>> {
    proptest::sample::subsequence(SAMPLES.to_vec(), 1..=SAMPLES.len())
}

proptest! {
    #[test]
    fn order_never_matters(
        (first, second) in any_consents().prop_flat_map(|all| {
            let all = stored(&all);
            (Just(all.clone()), Just(all).prop_shuffle())
        }),
        samples in any_samples(),
    ) {
        let decided = |consents| -> Decision {
            let mut asked = about(&[], &samples);
            asked.consents = consents;
            asked.decide()
        };
        prop_assert_eq!(decided(first), decided(second));
    }

    #[test]
    fn adding_a_deny_never_lets_more_leave(
        others in any_consents(),
        mut deny in any_consent(),
        samples in any_samples(),
    ) {
        deny["provision"]["type"] = json!("deny");
        deny["provision"].as_object_mut().expect("as it is written").remove("provision");
        let before = leave(&about(&others, &samples));
        let mut all = others;
        all.push(deny);
        prop_assert!(leave(&about(&all, &samples)).is_subset(&before));
    }

    #[test]
    fn another_record_of_the_person_never_lets_more_leave(
        consents in any_consents(), samples in any_samples(),
        label in prop_oneof![Just("U"), Just("N"), Just("R"), Just("V"), Just("REDACTED")], died: bool,
    ) {
        let mut asked = about(&consents, &samples);
        let before = leave(&asked);
        let system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
        let label = json!([{"system": system, "code": label}]);
        asked.also.push(json!({"meta": {"security": label}, "deceasedBoolean": died}).into());
        prop_assert!(leave(&asked).is_subset(&before));
    }

    #[test]
    fn a_refusal_is_never_outvoted(others in any_consents(), to in prop_oneof![
        Just("C type=deny -actor"), Just("C type=deny"), Just("C type=deny actor=[@Organization/gone]"),
        Just("C type=deny actor=[@Group/with-b]"), Just("C -provision rule=OPTOUT"),
    ]) {
        let mut all = others;
        all.push(consent(to));
        prop_assert_eq!(about(&all, &SAMPLES).decide().verdict, Verdict::Deny);
    }

    #[test]
    fn what_does_not_permit_alone_never_lets_more_leave(
        others in any_consents(), one in any_consent(), samples in any_samples(),
    ) {
        let alone = leave(&about(std::slice::from_ref(&one), &samples));
        let before = leave(&about(&others, &samples));
        let mut all = others;
        all.push(one);
        let together = leave(&about(&all, &samples));
        prop_assert!(together.is_subset(&before.union(&alone).cloned().collect()));
    }

    #[test]
    fn an_unknown_element_never_permits(consents in any_consents(), element in "[a-zA-Z]{1,12}", at_root: bool) {
        let known = [
            "id", "extension", "type", "period", "actor", "action", "securityLabel", "purpose", "class", "code",
            "dataPeriod", "data", "provision", "meta", "implicitRules", "language", "text", "contained", "identifier",
            "status", "scope", "category", "patient", "dateTime", "performer", "organization", "policy", "verification",
        ];
        prop_assume!(!known.contains(&element.as_str()));
        let odd = |mut one: Value| {
            let place = if at_root { &mut one } else { &mut one["provision"] };
            place[&element] = json!("x");
            one
        };
        let all: Vec<Value> = consents.into_iter().chain([consent("C")]).map(odd).collect();
        prop_assert_eq!(about(&all, &SAMPLES).decide().verdict, Verdict::Deny);
    }

    #[test]
    fn a_narrower_request_never_widens(
        consents in any_consents(),
        (wide, narrow) in any_samples().prop_flat_map(|wide| {
            let count = wide.len();
            (Just(wide.clone()), proptest::sample::subsequence(wide, 1..=count))
        }),
    ) {
        let consents: Vec<Value> = consents.into_iter().chain([consent("C")]).collect();
        let narrow_leaves = leave(&about(&consents, &narrow));
        prop_assert!(narrow_leaves.is_subset(&leave(&about(&consents, &wide))));
    }

    #[test]
    fn a_narrower_consent_never_widens(one in any_consent(), element in 0usize..4, samples in any_samples()) {
        let before = leave(&about(&[one.clone(), consent("C")], &samples));
        let (name, value) = [
            ("class", json!([{"system": "http://hl7.org/fhir/resource-types", "code": "Condition"}])),
            ("dataPeriod", json!({"start": "2025", "end": "2025"})),
            ("action", json!([{"coding": [{"code": "disclose"}]}])),
            ("purpose", json!([{"code": "COC"}])),
        ][element].clone();
        let mut narrower = consent("C");
        narrower["provision"][name] = value;
        prop_assert!(leave(&about(&[one, narrower], &samples)).is_subset(&before));
    }

    #[test]
    fn without_consents_nothing_leaves(samples in any_samples(), letter in prop_oneof![
        Just("B"), Just("B2"), Just("D"), Just("F"), Just("L"), Just("K")
    ]) {
        let mut asked = about(&[], &samples);
        asked.recipient = crate::question::recipient(letter);
        prop_assert_eq!(asked.decide().verdict, Verdict::Deny);
    }

    #[test]
    fn no_consent_makes_it_stumble(text in "[ -~]{0,12}", path in 0usize..9) {
        let path = ["status", "type", "actor", "period", "purpose", "action", "class", "data", "in"][path];
        for shape in [json!(text), json!([text]), json!({ text.clone(): text }), json!([{ "coding": text }]), json!([])] {
            let mut odd = consent("C");
            let place = if path == "status" { &mut odd } else { &mut odd["provision"] };
            place[if path == "in" { "provision" } else { path }] = shape;
            let alone = about(std::slice::from_ref(&odd), &SAMPLES).decide();
            prop_assert!(path != "status" || alone.verdict == Verdict::Deny);
            let _ = about(&[odd, consent("C")], &SAMPLES).decide();
        }
    }
}
