//! No expression is endless: the steps of an evaluation stay under a bound that the plan and the size of the documents
//! give, whatever the expression; and above a limit every evaluation is stopped.
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

#[path = "fhirpath_oracles/chance.rs"]
mod chance;
#[path = "fhirpath_oracles/documents.rs"]
mod documents;
#[path = "fhirpath_oracles/expressions.rs"]
mod expressions;

use std::ops::ControlFlow;

use chance::Chance;
use mappings::document::Document;
use mappings::fhirpath::{
    Environment, EvaluationFault, Expression, Item, MAX_STEPS, NoTrace, Node, NodeType, Scope, Size, Type, compile,
};
use proptest::prelude::*;

/// Criteria in criteria, collections against collections, texts that grow: what a hostile mapping would hold.
const HOSTILE: &[&str] = &[
    "name.where(%resource.name.where(%resource.name.exists()).exists()).given",
    "name.given.where(%resource.name.given.where(%resource.name.given.count() > 1).exists()).distinct()",
    "name.select(%resource.name.given | %resource.name.family).distinct().count()",
    "name.given.combine(name.given).combine(name.given.combine(name.given)).isDistinct()",
    "name.given.join(',').replace('', name.given.join('')).replace('a', 'aaaaaaaaaaaa').length()",
    "name.given.join(',').replace('', 'bbbbbb').replace('b', 'cccccc').replace('c', 'dddddd').replace('d', 'eeeeee')",
    "name.given.join(',').replaceMatches('([a-z]*)', '$1$1$1$1').toChars().distinct().count()",
    "name.given.select(toChars()).distinct().join('')",
    "(name | contact.name | name).where(given.exists()).subsetOf(name)",
    "name.intersect(name.where(use = 'official')).exclude(name.tail()).given",
    "name.all($this in %resource.name)",
    "name.given.first().split(',').select($this & $this & $this).select($this & $this).join()",
    "generalPractitioner.resolve().ofType(Organization).name",
    "name.where(given.where(length() > 1).exists() and family.exists()).first().period.start < @2020",
    "telecom.where(period.start.toString().startsWith('19') or value.trim().upper() ~ 'A').value",
];

fn size(document: &Document<'_>) -> Size {
    Size { nodes: document.node_count() as u64, bytes: document.text().len() as u64 }
}

fn steps(expression: &Expression, document: &Document<'_>, name: &'static str) -> Result<u64, EvaluationFault> {
    let focus = Item::Node(Node::new(document, document.root(), NodeType::Fhir(name)));
    let environment = Environment { slots: &[], bundle: Some(document) };
    expression.evaluate_counted(&environment, Some(focus), &mut NoTrace, &mut |_| ControlFlow::Continue(()))
}

fn holds(text: &str, document: &Document<'_>, name: &'static str) {
    let scope = Scope::new().context(Type::fhir(name).unwrap());
    let expression = match compile(text, &scope) {
        Ok(expression) => expression,
        Err(faults) => {
            assert!(!HOSTILE.contains(&text), "{text}: {faults:?}");
            return;
        }
    };
    let most = expression.most_steps(size(document));
    match steps(&expression, document, name) {
        Ok(taken) => assert!(taken <= most, "{text}: {taken} steps, and the bound is {most}"),
        Err(EvaluationFault::TooMuchWork { .. }) => assert!(most > MAX_STEPS, "{text}: stopped below its bound {most}"),
        Err(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

    #[test]
    fn steps_stay_under_the_bound(seed in any::<u64>()) {
        let mut chance = Chance::new(seed);
        let names = ["Patient", "Task", "Observation", "QuestionnaireResponse"];
        let name = *chance.pick(&names);
        let value = documents::resource(&mut chance, name);
        let text = value.to_string();
        let document = Document::parse(&text).unwrap();
        for _ in 0..20 {
            holds(&expressions::expression(&mut chance, &value), &document, name);
        }
        if name == "Patient" {
            HOSTILE.iter().for_each(|text| holds(text, &document, name));
        }
    }
}

/// A patient with so many names.
fn crowd(names: usize) -> String {
    let name = |number: usize| format!(r#"{{"use":"usual","family":"F{number}","given":["G{number}","x,y"]}}"#);
    let names: Vec<String> = (0..names).map(name).collect();
    format!(r#"{{"resourceType":"Patient","name":[{}]}}"#, names.join(","))
}

#[test]
fn paths_and_criteria_over_their_own_items_are_linear() {
    for text in [
        "name.given",
        "name.where(use = 'official').given.first()",
        "name.where(given.where($this = 'a').exists()).family",
        "name.where(use = 'usual' and given.exists()).select(family).count()",
    ] {
        let expression = compile(text, &Scope::new().context(Type::fhir("Patient").unwrap())).unwrap();
        let at = |names| {
            let text = crowd(names);
            let document = Document::parse(&text).unwrap();
            (steps(&expression, &document, "Patient").unwrap(), expression.most_steps(size(&document)))
        };
        let ((small, small_bound), (large, large_bound)) = (at(100), at(1000));
        assert!(
            large <= small * 11 && large_bound <= small_bound * 110,
            "{text}: {small} {large} {small_bound} {large_bound}"
        );
        assert!(large <= large_bound);
    }
}

#[test]
fn what_grows_too_far_is_stopped_with_a_named_fault() {
    let text = crowd(4000);
    let document = Document::parse(&text).unwrap();
    for text in [
        "name.where(%resource.name.where(%resource.name.given = 'x').exists()).given",
        "name.given.distinct().count()",
        "name.given.join(',').replace('', name.given.join('')).length()",
    ] {
        let expression = compile(text, &Scope::new().context(Type::fhir("Patient").unwrap())).unwrap();
        assert_eq!(
            steps(&expression, &document, "Patient"),
            Err(EvaluationFault::TooMuchWork { limit: MAX_STEPS }),
            "{text}"
        );
    }
}

#[test]
fn a_note_of_a_megabyte_is_no_trouble() {
    let note = "a walk in the park\\n".repeat(55_000);
    let text = format!(r#"{{"resourceType":"ServiceRequest","note":[{{"text":"{note}"}}]}}"#);
    let document = Document::parse(&text).unwrap();
    for text in [
        "note.text.first().replace('\\n', '<br/>').length()",
        "note.text.first().matches('(a|b)*c$')",
        "note.text.first().replaceMatches('[aeiou]', '*').upper().substring(0, 10)",
        "note.text.first().split('\\n').count()",
    ] {
        let expression = compile(text, &Scope::new().context(Type::fhir("ServiceRequest").unwrap())).unwrap();
        let taken = steps(&expression, &document, "ServiceRequest").unwrap();
        assert!(taken <= expression.most_steps(size(&document)), "{text}: {taken}");
    }
}

#[test]
fn a_deep_or_long_expression_is_refused_before_it_can_do_harm() {
    let scope = Scope::new().context(Type::fhir("Patient").unwrap());
    for text in [
        format!("{}active{}", "(".repeat(2000), ")".repeat(2000)),
        format!("active{}", ".not()".repeat(600)),
        format!("{}active", "-".repeat(4000)),
        format!("active{}", " and active".repeat(300)),
        format!("{}active{}", "iif(active, ".repeat(300), ")".repeat(300)),
        format!("name[{}0{}", "name[".repeat(200), "]".repeat(200)),
        "a".repeat(5000),
        format!("'{}'.matches('{}')", "a", "(a{1,900}){1,900}"),
    ] {
        let faults = compile(&text, &scope).unwrap_err();
        assert!(!faults.is_empty() && faults[0].at.end <= text.len());
    }
}
