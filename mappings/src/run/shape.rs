//! Whether a JSON document has the shape that a mapping declares for it.
//!
//! Members that are not declared may be there: platforms add members without asking. A declared one may be missing or
//! null, which paths read as empty; but one that is there has the declared kind.

use crate::document::{Document, Kind, NodeId};
use crate::fhirpath::{LIST, Shape, ShapeKind};
use std::borrow::Cow;

/// The text in which paths are looked up: the body itself, or, where the shape is an array, an object with the body as
/// its one member.
///
/// # Errors
/// Why it is no JSON, in words.
pub(super) fn text<'t>(body: &'t [u8], shape: Option<&Shape>) -> Result<Cow<'t, str>, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the body is not UTF-8".to_owned())?;
    if !shape.is_some_and(Shape::is_list) {
        return Ok(Cow::Borrowed(text));
    }
    // By itself first: what is no JSON could become JSON within the object.
    let document = Document::parse(text).map_err(|error| format!("the body is no JSON: {error}"))?;
    if document.kind(document.root()) != Kind::Array {
        return Err("the body is not the declared array".to_owned());
    }
    Ok(Cow::Owned(format!("{{\"{LIST}\":{text}}}")))
}

/// Says where a document is not of a shape: a path without values.
pub(super) fn fits(document: &Document<'_>, id: NodeId, shape: &Shape) -> Result<(), String> {
    let kind = document.kind(id);
    let good = match shape.kind() {
        ShapeKind::Object => kind == Kind::Object,
        ShapeKind::Text | ShapeKind::Date | ShapeKind::DateTime => kind == Kind::String,
        ShapeKind::Integer => kind == Kind::Number && document.raw(id).parse::<i64>().is_ok(),
        ShapeKind::Decimal => kind == Kind::Number,
        ShapeKind::Boolean => kind == Kind::Bool,
        ShapeKind::Scalar => matches!(kind, Kind::String | Kind::Number | Kind::Bool),
    };
    if !good {
        return Err(format!("{} is not the declared {}", place(document, id), shape.kind().name()));
    }
    for member in shape.members() {
        let Some(found) = document.get(id, &member.name).filter(|found| document.kind(*found) != Kind::Null) else {
            continue;
        };
        if !member.repeats {
            fits(document, found, &member.shape)?;
        } else if document.kind(found) == Kind::Array {
            for item in document.children(found).filter(|item| document.kind(*item) != Kind::Null) {
                fits(document, item, &member.shape)?;
            }
        } else {
            return Err(format!("{} is not the declared list", place(document, found)));
        }
    }
    Ok(())
}

fn place(document: &Document<'_>, id: NodeId) -> String {
    if id == document.root() { "the body".to_owned() } else { document.location(id) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> Shape {
        let status = Shape::object().member("name", Shape::scalar(ShapeKind::Text));
        Shape::object()
            .member("id", Shape::scalar(ShapeKind::Integer))
            .member("status", status)
            .repeated("tags", Shape::scalar(ShapeKind::Scalar))
    }

    fn check(json: &str) -> Result<(), String> {
        let document = Document::parse(json).unwrap();
        fits(&document, document.root(), &shape())
    }

    #[test]
    fn what_is_declared_fits_and_more_may_be_there() {
        for json in
            [r#"{"id":7,"status":{"name":"New","x":[]},"tags":["a",1,true,null],"more":{}}"#, r#"{"id":null}"#, "{}"]
        {
            assert_eq!(check(json), Ok(()), "{json}");
        }
    }

    #[test]
    fn another_kind_is_named_with_its_place() {
        for (json, place) in [
            ("[]", "the body"),
            (r#"{"id":"7"}"#, "id"),
            (r#"{"id":7.5}"#, "id"),
            (r#"{"status":{"name":1}}"#, "status.name"),
            (r#"{"tags":"a"}"#, "tags"),
            (r#"{"tags":["a",{}]}"#, "tags[1]"),
        ] {
            let problem = check(json).unwrap_err();
            assert!(problem.contains(place), "{json}: {problem}");
        }
    }
}
