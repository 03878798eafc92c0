//! Three evaluators behind one face: ours, the crate `rh-fhirpath`, the npm package `fhirpath`.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mappings::document::Document;
use mappings::fhirpath::{Binding, Environment, Item, NoTrace, Node, NodeType, Scope, Type, compile};
use rh_fhirpath::{EvaluationContext, FhirPathEvaluator, FhirPathParser, FhirPathValue};
use serde_json::{Value, json};

/// One expression over one of the documents.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) document: usize,
    pub(crate) expression: String,
    /// How the others are asked, where the wording must differ (`resolve()`).
    pub(crate) for_others: Option<String>,
    /// Names of variables and the documents that they hold.
    pub(crate) variables: Vec<(String, usize)>,
}

/// What an evaluator says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Items(Vec<Value>),
    /// Refused, or failed.
    None(String),
}

fn named(value: &Value) -> (Type, NodeType) {
    let ty = Type::fhir(value["resourceType"].as_str().unwrap()).unwrap();
    let Type::Fhir(fhir) = &ty else { panic!("a resource") };
    let node = NodeType::Fhir(fhir.name());
    (ty, node)
}

pub(crate) fn ours(case: &Case, documents: &[Value], parsed: &[Document<'_>]) -> Answer {
    let (ty, node) = named(&documents[case.document]);
    let mut scope = Scope::new().context(ty);
    let mut slots = Vec::new();
    for (name, index) in &case.variables {
        scope = scope.variable(name, named(&documents[*index]).0);
        slots.push(Binding::Node(&parsed[*index], parsed[*index].root()));
    }
    let expression = match compile(&case.expression, &scope) {
        Ok(expression) => expression,
        Err(faults) => return Answer::None(format!("{faults:?}")),
    };
    let document = &parsed[case.document];
    let focus = Item::Node(Node::new(document, document.root(), node));
    let bundle = documents.iter().position(|document| document["resourceType"] == "Bundle").map(|place| &parsed[place]);
    let environment = Environment { slots: &slots, bundle };
    let mut items = Vec::new();
    match expression.evaluate(&environment, Some(focus), &mut NoTrace, &mut |item| {
        items.push(value(&item));
        ControlFlow::Continue(())
    }) {
        Ok(()) => Answer::Items(items),
        Err(fault) => Answer::None(fault.to_string()),
    }
}

fn value(item: &Item<'_>) -> Value {
    match item {
        Item::Node(node) if node.is_bare() => Value::Null,
        Item::Node(node) => serde_json::from_str(node.doc.raw(node.id)).unwrap(),
        Item::Integer(number) => json!(number),
        Item::Boolean(truth) => json!(truth),
        Item::Decimal(digits) => serde_json::from_str(digits).unwrap(),
        other => json!(other.as_text().unwrap()),
    }
}

pub(crate) fn crates(case: &Case, documents: &[Value]) -> Answer {
    let text = case.for_others.as_ref().unwrap_or(&case.expression);
    let expression = match FhirPathParser::new().parse(text) {
        Ok(expression) => expression,
        Err(error) => return Answer::None(error.to_string()),
    };
    let mut context = EvaluationContext::new(documents[case.document].clone());
    for (name, index) in &case.variables {
        context.add_constant(name.clone(), FhirPathValue::Object(documents[*index].clone()));
    }
    match FhirPathEvaluator::new().evaluate(&expression, &context) {
        Ok(found) => Answer::Items(flat(found)),
        Err(error) => Answer::None(error.to_string()),
    }
}

fn flat(value: FhirPathValue) -> Vec<Value> {
    match value {
        FhirPathValue::Empty => Vec::new(),
        FhirPathValue::Collection(items) | FhirPathValue::UnorderedCollection(items) => {
            items.into_iter().flat_map(flat).collect()
        }
        other => vec![other.to_json()],
    }
}

/// The folder with `node_modules`, if this machine has one and Node.
pub(crate) fn node_folder() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("FHIRPATH_NODE")?);
    Command::new("node").arg("--version").stdout(Stdio::null()).status().ok()?.success().then_some(folder)
}

/// Asks the npm package about all cases in one run. Answers with its version.
pub(crate) fn node(folder: &Path, cases: &[Case], documents: &[Value]) -> (String, Vec<Answer>) {
    let cases: Vec<Value> = cases
        .iter()
        .map(|case| {
            let variables: serde_json::Map<String, Value> =
                case.variables.iter().map(|(name, index)| (name.clone(), json!(index))).collect();
            let expression = case.for_others.as_ref().unwrap_or(&case.expression);
            json!({"document": case.document, "expression": expression, "variables": variables})
        })
        .collect();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fhirpath_oracles/fhirpath.mjs");
    let mut child = Command::new("node")
        .args([script.as_ref(), folder.canonicalize().unwrap().as_os_str()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = json!({"documents": documents, "cases": cases}).to_string();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "the Node script failed");
    let mut answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let version = answer["version"].as_str().unwrap_or_default().to_owned();
    let answers = answer["answers"].as_array_mut().unwrap().iter_mut().map(|answer| match answer.get_mut("items") {
        Some(items) => Answer::Items(items.take().as_array().unwrap().clone()),
        None => Answer::None(answer["error"].to_string()),
    });
    (version, answers.collect())
}

/// Whether two answers say the same: numbers by amount, dates with time without their `T` in front.
pub(crate) fn same(left: &[Value], right: &[Value]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same_value(left, right))
}

fn same_value(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| same_value(value, other)))
        }
        (Value::Array(left), Value::Array(right)) => same(left, right),
        _ => left == right,
    }
}
