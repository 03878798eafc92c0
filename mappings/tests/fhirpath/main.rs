//! The language from outside: what compiles, what it gives, what it reads, and how it is refused.
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod answers;
mod reads;
mod references;
mod refusals;
mod shapes;

use std::ops::ControlFlow;

use mappings::document::Document;
use mappings::fhirpath::{
    Binding, Environment, EvaluationFault, Expression, Fault, Item, NoTrace, Node, NodeType, Scope, Trace, Type,
    compile,
};

/// A synthetic person.
pub(crate) const PATIENT: &str = r#"{"resourceType":"Patient","active":true,"birthDate":"1980-02-03","gender":"female",
 "_birthDate":{"extension":[{"url":"http://example.org/t","valueDateTime":"1980-02-03T10:00:00Z"}]},
 "extension":[{"url":"http://example.org/n","valuePositiveInt":3},{"url":"http://example.org/d","valueDecimal":1.50},
  {"url":"http://example.org/c","valueCode":"x"},{"url":"http://example.org/q","valueQuantity":{"value":1e1,"unit":"kg"}}],
 "name":[{"use":"official","family":"Example","given":["Anna","Maria"],"period":{"start":"2001-05"}},
  {"use":"nickname","given":["Annie",null],"_given":[null,{"extension":[{"url":"http://example.org/x","valueString":"y"}]}]}],
 "telecom":[{"system":"phone","value":"0113 496 0000","rank":2},{"system":"email","value":"anna@example.org"}],
 "deceasedBoolean":false,"multipleBirthInteger":2}"#;

pub(crate) fn fhir(name: &str) -> Type {
    Type::fhir(name).unwrap()
}

pub(crate) fn patient() -> Scope {
    Scope::new().context(fhir("Patient"))
}

pub(crate) fn root<'d>(document: &'d Document<'d>, name: &'static str) -> Item<'d> {
    Item::Node(Node::new(document, document.root(), NodeType::Fhir(name)))
}

/// The items as text: `{}` for an object, `-` for a primitive without value.
pub(crate) fn show(item: &Item<'_>) -> String {
    let bare = item.node().is_some_and(Node::is_bare);
    let text = item.as_bool().map(|truth| truth.to_string()).or(item.as_text().map(Into::into));
    text.unwrap_or_else(|| if bare { "-" } else { "{}" }.to_owned())
}

pub(crate) fn evaluate<'e, T: Trace>(
    expression: &'e Expression,
    environment: &Environment<'e>,
    focus: Option<Item<'e>>,
    trace: &mut T,
) -> Result<Vec<String>, EvaluationFault> {
    let mut shown = Vec::new();
    expression.evaluate(environment, focus, trace, &mut |item| {
        shown.push(show(&item));
        ControlFlow::Continue(())
    })?;
    Ok(shown)
}

/// What an expression over the synthetic person gives.
pub(crate) fn run(text: &str) -> Vec<String> {
    over(text, PATIENT).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

pub(crate) fn over(text: &str, json: &str) -> Result<Vec<String>, EvaluationFault> {
    let document = Document::parse(json).unwrap();
    let expression = compile(text, &patient()).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
    evaluate(&expression, &Environment::default(), Some(root(&document, "Patient")), &mut NoTrace)
}

pub(crate) fn refusal(text: &str) -> Vec<Fault> {
    compile(text, &patient()).err().unwrap_or_else(|| panic!("{text} compiles"))
}

/// Evaluates with variables and without context.
pub(crate) fn with<'s>(text: &str, scope: &Scope, slots: &'s [Binding<'s>]) -> Vec<String> {
    let found = try_with(text, scope, slots);
    found.unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

pub(crate) fn try_with<'s>(
    text: &str,
    scope: &Scope,
    slots: &'s [Binding<'s>],
) -> Result<Vec<String>, EvaluationFault> {
    let expression = compile(text, scope).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
    // An expression lives as long as what is bound to its variables.
    let expression: &'static Expression = Box::leak(Box::new(expression));
    evaluate(expression, &Environment { slots, bundle: None }, None, &mut NoTrace)
}
