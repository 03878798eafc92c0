//! JSON Patch (RFC 6902) on a lossless document.
//!
//! The patch library works on `serde_json::Value`, which rounds numbers. So numbers travel through it as marked strings:
//! the door refuses NUL in strings, so a string that begins with NUL can only be one of ours.

use crate::refusal::Refusal;
use gateway_fhir::{Issue, IssueCode, Json, door};
use serde_json::Value;

const MARK: char = '\0';

/// The document after the operations; the document itself is untouched.
///
/// # Errors
/// [`Refusal`]: 400 when this is no patch, 422 when it cannot be applied to this version (a failed `test` included).
pub fn apply(document: &Json, operations: &Json) -> Result<Json, Refusal> {
    let no_patch = || {
        let words = "The body is no JSON Patch (RFC 6902): an array of operations with op, path and value.";
        Refusal::one(400, Issue::general(IssueCode::Structure, words))
    };
    let patch: json_patch::Patch = serde_json::from_value(marked(operations)).map_err(|_| no_patch())?;
    if patch.0.len() > MOST_OPERATIONS {
        return Err(too_costly());
    }
    let mut value = marked(document);
    let mut copied = 0;
    for (place, operation) in patch.0.iter().enumerate() {
        if let json_patch::PatchOperation::Copy(copy) = operation
            && let Some(source) = value.pointer(copy.from.as_str())
            && !weigh(source, &mut copied)
        {
            return Err(too_costly());
        }
        json_patch::patch(&mut value, std::slice::from_ref(operation)).map_err(|_| {
            let words = format!(
                "Operation {place} of the patch cannot be applied to the version that stands now; nothing was changed."
            );
            Refusal::one(422, Issue::general(IssueCode::BusinessRule, words))
        })?;
    }
    // What a patch has made must be a document that could have been sent.
    let text = unmarked(value).to_text();
    door::admit(text.as_bytes(), &door::DoorLimits::default()).map_err(|_| too_costly())
}

/// Operations of one patch, and what its copies may add: a few copies of copies would fill the memory.
const MOST_OPERATIONS: usize = 500;
const MOST_COPIED: usize = 100_000;

fn too_costly() -> Refusal {
    let words = "The patch has too many operations, or makes a document over the limits. Nothing was changed.";
    Refusal::one(422, Issue::general(IssueCode::TooCostly, words))
}

/// Adds what a value weighs; false once it is too much.
fn weigh(value: &Value, weight: &mut usize) -> bool {
    *weight += 1 + value.as_str().map_or(0, str::len);
    *weight <= MOST_COPIED
        && match value {
            Value::Array(items) => items.iter().all(|item| weigh(item, weight)),
            Value::Object(members) => members.values().all(|member| weigh(member, weight)),
            _ => true,
        }
}

fn marked(document: &Json) -> Value {
    match document {
        Json::Null => Value::Null,
        Json::Bool(bit) => Value::Bool(*bit),
        Json::Number(text) => Value::String(format!("{MARK}{text}")),
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => Value::Array(items.iter().map(marked).collect()),
        Json::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), marked(value))).collect())
        }
    }
}

fn unmarked(value: Value) -> Json {
    match value {
        Value::String(text) => match text.strip_prefix(MARK) {
            Some(number) => Json::Number(number.to_owned()),
            None => Json::String(text),
        },
        Value::Array(items) => Json::Array(items.into_iter().map(unmarked).collect()),
        Value::Object(members) => {
            Json::Object(members.into_iter().map(|(name, value)| (name, unmarked(value))).collect())
        }
        other => Json::from(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn number(text: &str) -> Json {
        Json::Number(text.to_owned())
    }

    #[test]
    fn numbers_keep_their_digits_through_a_patch() {
        let document = Json::Object(vec![("a".to_owned(), number("1.10")), ("b".to_owned(), Json::string("x"))]);
        let operations = Json::Array(vec![
            json!({ "op": "replace", "path": "/b", "value": "y" }).into(),
            Json::Object(vec![
                ("op".to_owned(), Json::string("add")),
                ("path".to_owned(), Json::string("/c")),
                ("value".to_owned(), number("2.00")),
            ]),
        ]);
        let after = apply(&document, &operations).expect("applies");
        assert_eq!(after.to_text(), "{\"a\":1.10,\"b\":\"y\",\"c\":2.00}");
    }

    #[test]
    fn a_patch_that_does_not_fit_is_refused_whole() {
        let document: Json = json!({ "status": "requested" }).into();
        let refused = |operations: Value| apply(&document, &operations.into()).expect_err("refused").status;
        assert_eq!(refused(json!([{ "op": "test", "path": "/status", "value": "accepted" }])), 422);
        assert_eq!(refused(json!([{ "op": "remove", "path": "/nothing" }])), 422);
        assert_eq!(refused(json!({ "op": "remove" })), 400);
        assert_eq!(refused(json!([{ "op": "paint", "path": "/status" }])), 400);
    }
}
