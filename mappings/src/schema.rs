//! The form of the language as others want it: a JSON Schema for editors, and the pages of the reference. All are made
//! from the key tables of the reader, so that none can say something else than what is read.

mod examples;
mod reference;

pub use reference::{faults_reference, language_reference};

use crate::spec::{FORMS, Form, Key, Kind, MAPPING, Names, Word};
use serde_json::{Map, Value, json};

/// JSON Schema (2020-12) of a mapping file. A file that extends another may leave out what the other has.
#[must_use]
pub fn json_schema() -> Value {
    let mut definitions = Map::new();
    definitions.insert("shape".to_owned(), shape());
    for part in [Part::Whole, Part::Over] {
        for form in FORMS {
            definitions.insert(part.name(form), definition(form, part));
        }
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://vcse-gateway.example/schema/mapping.schema.json",
        "title": "Mapping of a VCSE platform, version 1",
        "type": "object",
        "if": { "required": ["extends"] },
        "then": { "$ref": reference_to(&MAPPING, Part::Over) },
        "else": { "$ref": reference_to(&MAPPING, Part::Whole) },
        "$defs": definitions,
    })
}

/// Whether a form stands in a file of its own or in one that is laid over another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    Over,
}

impl Part {
    fn name(self, form: &Form) -> String {
        let name = form.name.replace(' ', "-");
        if self == Self::Over { format!("{name}-over") } else { name }
    }
}

fn reference_to(form: &Form, part: Part) -> String {
    format!("#/$defs/{}", part.name(form))
}

fn definition(form: &'static Form, part: Part) -> Value {
    let mut properties = Map::new();
    let mut beside = Map::new();
    for key in form.all_keys().filter(|key| part == Part::Over || key.name != "remove") {
        properties.insert(key.name.to_owned(), property(key, part));
        if part == Part::Whole && !key.beside.is_empty() {
            let any: Vec<Value> = key.beside.iter().map(|other| json!({ "required": [other] })).collect();
            beside.insert(key.name.to_owned(), json!({ "anyOf": any }));
        }
    }
    let mut made = json!({
        "type": "object",
        "description": form.about,
        "additionalProperties": false,
        "properties": properties,
    });
    if part == Part::Over {
        return made;
    }
    let required: Vec<&str> = form.all_keys().filter(|key| key.required).map(|key| key.name).collect();
    if !required.is_empty() {
        made["required"] = json!(required);
    }
    if !beside.is_empty() {
        made["dependentSchemas"] = Value::Object(beside);
    }
    if !form.alternatives().is_empty() {
        let one: Vec<Value> = form.alternatives().iter().map(|key| json!({ "required": [key] })).collect();
        made["oneOf"] = json!(one);
    }
    made
}

fn property(key: &Key, part: Part) -> Value {
    let mut made = kind(&key.value, part);
    if let Value::Object(members) = &mut made {
        members.insert("description".to_owned(), json!(described(key)));
    }
    made
}

/// What a key does, with the words that it may have.
fn described(key: &Key) -> String {
    let words: Option<&[Word]> = match key.value {
        Kind::Choice(words) | Kind::Unmapped(words, _) => Some(words),
        _ => None,
    };
    let mut text = key.about.to_owned();
    for Word(word, meaning) in words.unwrap_or_default() {
        text.push_str(&format!("\n{word}: {meaning}."));
    }
    text
}

fn kind(kind_: &Kind, part: Part) -> Value {
    match kind_ {
        Kind::Words | Kind::Name | Kind::File | Kind::Path | Kind::Template | Kind::Pattern => {
            json!({ "type": "string", "minLength": 1 })
        }
        Kind::Text => json!({ "type": "string" }),
        Kind::Element => json!({ "type": "string", "pattern": "^[A-Z][A-Za-z]+(\\.[a-z].*)?$" }),
        Kind::Count => json!({ "type": "integer", "minimum": 1 }),
        Kind::Integer => json!({ "type": "integer" }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::True => json!({ "const": true }),
        Kind::Scalar => json!({ "type": ["string", "integer", "number", "boolean"] }),
        Kind::Version => json!({ "const": 1 }),
        Kind::Choice(words) => json!({ "enum": words.iter().map(|word| word.0).collect::<Vec<_>>() }),
        Kind::Shape => json!({ "$ref": "#/$defs/shape" }),
        Kind::Unmapped(words, form) => {
            let words: Vec<&str> = words.iter().map(|word| word.0).collect();
            json!({ "anyOf": [{ "enum": words }, { "$ref": reference_to(form, part) }] })
        }
        Kind::List(inner) => json!({ "type": "array", "items": kind(inner, part) }),
        Kind::Map(Names::Any, inner) => {
            removable(json!({ "type": "object", "additionalProperties": kind(inner, part) }), part)
        }
        Kind::Map(names, inner) => {
            let mut properties = Map::new();
            properties.insert(names.pattern().to_owned(), removable(kind(inner, part), part));
            json!({ "type": "object", "additionalProperties": false, "patternProperties": properties })
        }
        Kind::Form(form) => json!({ "$ref": reference_to(form, part) }),
    }
}

/// In a file that is laid over another, anything that has a name can be taken away.
fn removable(value: Value, part: Part) -> Value {
    if part == Part::Whole {
        return value;
    }
    json!({ "anyOf": [value, { "type": "object", "additionalProperties": false, "properties": { "remove": { "const": true } } }] })
}

fn shape() -> Value {
    json!({
        "description": "The shape of a JSON value.",
        "anyOf": [
            { "type": "string", "minLength": 1 },
            { "type": "object", "additionalProperties": { "$ref": "#/$defs/shape" } },
            { "type": "array", "items": { "$ref": "#/$defs/shape" }, "minItems": 1, "maxItems": 1 },
        ],
    })
}

#[cfg(test)]
mod tests;
