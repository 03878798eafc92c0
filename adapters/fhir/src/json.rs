//! JSON objects whose values stay as they were written, so that decimals, key order and unknown members survive.

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt;

/// An object's members in their order, each value as its text.
#[derive(Debug, Clone)]
pub struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Object<'a> {
    /// Reads one object; `None` if the text is something else or names a member twice.
    pub fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Text of a member's value.
    pub fn raw(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.get())
    }

    /// A member that is a string.
    pub fn string(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.raw(name)?).ok()
    }

    /// The texts of a member that is an array.
    pub fn array(&self, name: &str) -> Vec<&'a str> {
        self.raw(name).map(array).unwrap_or_default()
    }

    /// All members.
    pub fn members(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.get()))
    }
}

/// The texts of an array's values; empty if the text is something else.
pub fn array(text: &str) -> Vec<&str> {
    let values: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
    values.into_iter().map(RawValue::get).collect()
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(String, &RawValue)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    // Two readers of a name that stands twice may each believe another value.
                    if members.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom("a member stands twice"));
                    }
                    members.push((name, value));
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Members).map(Self)
    }
}

/// Writes an object member by member, values as text.
#[derive(Debug)]
pub struct Writer(String);

impl Writer {
    /// An object without members yet.
    pub fn object() -> Self {
        Self("{".to_owned())
    }

    /// A member whose value is JSON text already.
    pub fn raw(&mut self, name: &str, text: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&quoted(name));
        self.0.push(':');
        self.0.push_str(text);
    }

    /// A member of which the value is at hand.
    pub fn value(&mut self, name: &str, value: &Value) {
        self.raw(name, &value.to_string());
    }

    /// The finished text.
    pub fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// Copies members, and their `_` siblings that hold a primitive's extensions, as they are written.
pub fn carry(writer: &mut Writer, from: &Object<'_>, names: &[&str]) {
    for name in names {
        for name in [(*name).to_owned(), format!("_{name}")] {
            if let Some(text) = from.raw(&name) {
                writer.raw(&name, text);
            }
        }
    }
}

/// A string as JSON text.
pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A resource with one more `identifier`, all else as it was written. `None` where the resource has an identifier that
/// is no list (`QuestionnaireResponse`), so that a second one has no place.
pub fn with_identifier(resource: &str, identifier: &Value) -> Option<String> {
    let object = Object::read(resource)?;
    let single = object.string("resourceType").as_deref() == Some("QuestionnaireResponse");
    let mut writer = Writer::object();
    for (name, text) in object.members() {
        match (name, single) {
            ("identifier", true) => return None,
            ("identifier", false) => {
                let inner = text.strip_suffix(']')?.trim_end();
                let comma = if inner.ends_with('[') { "" } else { "," };
                writer.raw(name, &format!("{inner}{comma}{identifier}]"));
            }
            _ => writer.raw(name, text),
        }
    }
    match (object.raw("identifier"), single) {
        (Some(_), _) => {}
        (None, true) => writer.value("identifier", identifier),
        (None, false) => writer.value("identifier", &Value::Array(vec![identifier.clone()])),
    }
    Some(writer.finish())
}

/// A resource without its `id`.
pub fn without_id(resource: &str) -> String {
    let Some(object) = Object::read(resource) else { return resource.to_owned() };
    let mut writer = Writer::object();
    for (name, text) in object.members().filter(|(name, _)| *name != "id") {
        writer.raw(name, text);
    }
    writer.finish()
}

/// True if `wanted` stands anywhere in the text as a string value (whatever its escapes).
pub fn holds_string(text: &str, wanted: &str) -> bool {
    fn walk(value: &Value, wanted: &str) -> bool {
        match value {
            Value::String(text) => text == wanted,
            Value::Array(values) => values.iter().any(|value| walk(value, wanted)),
            Value::Object(members) => members.values().any(|value| walk(value, wanted)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
    serde_json::from_str(text).is_ok_and(|value| walk(&value, wanted))
}

/// Every literal reference in the text (`Reference.reference`), at any depth.
pub fn references(text: &str) -> Vec<String> {
    fn walk(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| walk(value, found)),
            Value::Object(members) => {
                found.extend(members.get("reference").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|value| walk(value, found));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    if let Ok(value) = serde_json::from_str(text) {
        walk(&value, &mut found);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_keep_their_text() {
        let text = r#"{"a": 1.50, "unknown": [ 1e2 ]}"#;
        let object = Object::read(text).expect("object");
        assert_eq!(object.raw("a"), Some("1.50"));
        assert_eq!(object.array("unknown"), ["1e2"]);
        assert!(Object::read(r#"{"a":1,"a":2}"#).is_none(), "a member that stands twice is refused");
    }

    #[test]
    fn an_identifier_is_appended_and_nothing_else_changes() {
        let mark = json!({"value": "k"});
        for (before, after) in [
            (
                r#"{"resourceType":"Patient","n":1.0}"#,
                r#"{"resourceType":"Patient","n":1.0,"identifier":[{"value":"k"}]}"#,
            ),
            (
                r#"{"resourceType":"Patient","identifier":[ {"value":"x"} ]}"#,
                r#"{"resourceType":"Patient","identifier":[ {"value":"x"},{"value":"k"}]}"#,
            ),
            (
                r#"{"resourceType":"QuestionnaireResponse"}"#,
                r#"{"resourceType":"QuestionnaireResponse","identifier":{"value":"k"}}"#,
            ),
        ] {
            assert_eq!(with_identifier(before, &mark).as_deref(), Some(after));
        }
        assert_eq!(with_identifier(r#"{"resourceType":"QuestionnaireResponse","identifier":{}}"#, &mark), None);
    }

    #[test]
    fn a_string_is_found_behind_its_escapes() {
        assert!(holds_string(r#"{"a":[{"b":"x\u002dy"}]}"#, "x-y"));
        assert!(!holds_string(r#"{"x-y":"z"}"#, "x-y"));
    }
}
