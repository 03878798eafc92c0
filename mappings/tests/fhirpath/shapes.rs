//! Paths over a platform's own JSON, whose shape is declared.

use mappings::document::Document;
use mappings::fhirpath::{Binding, EvaluationFault, Scope, Shape, ShapeKind, Type, compile};

use crate::{try_with, with};

const ANSWER: &str = r#"{"id":12345678901,"ok":true,"state":"open","closed":null,"score":0.10,"when":"2026-03-02",
    "events":[{"at":"2026-03-02T10:00:00Z","by":"Example"},{"at":"2026-03-03T10:00:00Z"}],"tags":["a","b"],"any":7}"#;

fn shape() -> Shape {
    let event =
        Shape::object().member("at", Shape::scalar(ShapeKind::DateTime)).member("by", Shape::scalar(ShapeKind::Text));
    Shape::object()
        .member("id", Shape::scalar(ShapeKind::Integer))
        .member("ok", Shape::scalar(ShapeKind::Boolean))
        .member("state", Shape::scalar(ShapeKind::Text))
        .member("closed", Shape::scalar(ShapeKind::Date))
        .member("score", Shape::scalar(ShapeKind::Decimal))
        .member("when", Shape::scalar(ShapeKind::Date))
        .member("any", Shape::scalar(ShapeKind::Scalar))
        .repeated("events", event)
        .repeated("tags", Shape::scalar(ShapeKind::Text))
}

fn scope() -> Scope {
    Scope::new().variable("answer", Type::shape(shape()))
}

#[test]
fn paths_over_a_declared_shape_are_typed_and_answered() {
    let document = Document::parse(ANSWER).unwrap();
    let slots = [Binding::Node(&document, document.root())];
    for (text, answer) in [
        ("%answer.id", &["12345678901"][..]),
        ("%answer.id.toString()", &["12345678901"]),
        ("iif(%answer.ok, %answer.state, 'no')", &["open"]),
        ("%answer.closed.exists()", &["false"]),
        ("%answer.score", &["0.10"]),
        ("%answer.score < 0.11", &["true"]),
        ("%answer.when >= @2026-03-01", &["true"]),
        ("%answer.events.where(at > @2026-03-02T12:00:00Z).at", &["2026-03-03T10:00:00Z"]),
        ("%answer.events.by", &["Example"]),
        ("%answer.tags.join('+')", &["a+b"]),
        ("%answer.any.toString()", &["7"]),
        ("'b' in %answer.tags", &["true"]),
    ] {
        assert_eq!(with(text, &scope(), &slots), answer, "{text}");
    }
    let expression = compile("%answer.events.by", &scope()).unwrap();
    assert!(expression.result().many && expression.reads().is_empty(), "no FHIR element is read");
}

#[test]
fn what_the_shape_does_not_have_is_refused() {
    for (text, mend) in [
        ("%answer.stat", "state?"),
        ("%answer.state = 1", "toString()"),
        ("%answer.any = 7", "toString()"),
        ("%answer.events = %answer.events", "member"),
        ("%answer.state is string", "leave it out"),
        ("%answer.tags & 'x'", "first()"),
    ] {
        let fault = compile(text, &scope()).unwrap_err().remove(0);
        assert!(fault.mend.as_deref().is_some_and(|found| found.contains(mend)), "{text}: {fault:?}");
    }
}

#[test]
fn an_answer_that_is_not_as_declared_is_a_named_fault() {
    let document = Document::parse(r#"{"state":{"a":1},"when":"soon","tags":"x"}"#).unwrap();
    let slots = [Binding::Node(&document, document.root())];
    for text in ["%answer.state & ''", "%answer.when < @2026-01-01"] {
        let found = try_with(text, &scope(), &slots);
        assert!(matches!(found, Err(EvaluationFault::Malformed { .. })), "{text}: {found:?}");
    }
    assert_eq!(with("%answer.tags", &scope(), &slots), ["x"], "one item where an array is declared is one item");
}

#[test]
fn an_answer_that_is_an_array_is_bound_item_by_item() {
    let document = Document::parse(r#"[{"at":"2026"},{"at":"2027"}]"#).unwrap();
    let item = Shape::object().member("at", Shape::scalar(ShapeKind::DateTime));
    let mut holds = compile("%one", &Scope::new().variable("one", Type::shape(item))).unwrap().result().clone();
    holds.many = true;
    let scope = Scope::new().variable_of("all", holds);
    let ids: Vec<_> = document.children(document.root()).collect();
    assert_eq!(with("%all.at", &scope, &[Binding::Nodes(&document, &ids)]), ["2026", "2027"]);
}
