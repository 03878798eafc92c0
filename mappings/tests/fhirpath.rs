//! The language from outside: what compiles, what it gives, what it reads, and how it is refused.
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

use std::ops::ControlFlow;

use mappings::document::{Document, NodeId};
use mappings::fhirpath::{Environment, Expression, Item, NoTrace, Scope, Trace, Type, Use, compile};

const PATIENT: &str = r#"{"resourceType":"Patient","active":true,"birthDate":"1980-02-03",
 "_birthDate":{"extension":[{"url":"http://example.org/t","valueDateTime":"1980-02-03T10:00:00Z"}]},
 "name":[{"use":"official","family":"Example","given":["Anna","Maria"]},{"use":"nickname","given":["Annie"]}],
 "telecom":[{"system":"phone","value":"0113 496 0000"}],"deceasedBoolean":false}"#;

fn patient() -> Scope {
    Scope::new().context(Type::fhir("Patient").unwrap())
}

fn run(text: &str) -> Vec<String> {
    let document = Document::parse(PATIENT).unwrap();
    let expression = compile(text, &patient()).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
    show(&expression, &document)
}

fn show(expression: &Expression, document: &Document<'_>) -> Vec<String> {
    let focus = Item::Node(mappings::fhirpath::Node::new(
        document,
        document.root(),
        mappings::fhirpath::NodeType::Fhir("Patient"),
    ));
    let mut shown = Vec::new();
    expression
        .evaluate(&Environment::default(), Some(focus), &mut NoTrace, &mut |item| {
            let text =
                item.as_text().map(std::borrow::Cow::into_owned).or(item.as_bool().map(|truth| truth.to_string()));
            shown.push(text.unwrap_or_else(|| "{}".to_owned()));
            ControlFlow::Continue(())
        })
        .unwrap();
    shown
}

#[test]
fn follows_paths_and_filters() {
    assert_eq!(run("name.given"), ["Anna", "Maria", "Annie"]);
    assert_eq!(run("Patient.name.where(use = 'official').given.first()"), ["Anna"]);
    assert_eq!(run("deceased"), ["false"]);
    assert_eq!(run("telecom.where(system = 'email').exists()"), ["false"]);
    assert_eq!(run("iif(active, 'yes', 'no')"), ["yes"]);
    assert_eq!(run("birthDate > @1980-01-01 and birthDate < @1980-03"), ["true"]);
    assert_eq!(run("birthDate < @1980-02"), [""; 0]);
    assert_eq!(run("birthDate.extension.value"), ["1980-02-03T10:00:00Z"]);
    assert_eq!(run("name.where($index = 1).given"), ["Annie"]);
}

#[test]
fn unknown_elements_are_refused_with_the_nearest_known_one() {
    let faults = compile("name.familly = 'x' and telecom.vaule = 'y'", &patient()).unwrap_err();
    let mends: Vec<_> = faults.iter().filter_map(|fault| fault.mend.as_deref()).collect();
    assert_eq!(mends, ["family?", "value?"]);
}

#[derive(Default)]
struct Seen {
    conveyed: Vec<String>,
    examined: Vec<String>,
}

impl Trace for Seen {
    fn conveyed(&mut self, doc: &Document<'_>, id: NodeId) {
        self.conveyed.push(doc.location(id));
    }

    fn examined(&mut self, doc: &Document<'_>, id: NodeId) {
        self.examined.push(doc.location(id));
    }
}

#[test]
fn tells_what_was_read_and_what_was_passed_on() {
    let expression = compile("name.where(use = 'official').given.first()", &patient()).unwrap();
    let reads: Vec<_> = expression.reads().iter().map(|read| (read.path.as_str(), read.use_)).collect();
    assert_eq!(reads, [("Patient.name.given", Use::Conveyed), ("Patient.name.use", Use::Examined)]);
    let document = Document::parse(PATIENT).unwrap();
    let focus = Item::Node(mappings::fhirpath::Node::new(
        &document,
        document.root(),
        mappings::fhirpath::NodeType::Fhir("Patient"),
    ));
    let mut seen = Seen::default();
    expression.evaluate(&Environment::default(), Some(focus), &mut seen, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(seen.conveyed, ["Patient.name[0].given[0]"]);
    assert_eq!(seen.examined, ["Patient.name[0].use"]);
}
