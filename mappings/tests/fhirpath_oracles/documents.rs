//! Documents made from the element table: any element, any type, sometimes repeated, sometimes with a twin. Values come
//! from small pools, so that some are equal.

use gateway_fhir_elements::{Element, is_primitive, members};
use serde_json::{Map, Value, json};

use crate::chance::Chance;

const DEPTH: usize = 4;

pub(crate) fn resource(chance: &mut Chance, name: &str) -> Value {
    let mut object = Map::new();
    object.insert("resourceType".to_owned(), json!(name));
    fill(chance, &mut object, name, 0);
    Value::Object(object)
}

fn fill(chance: &mut Chance, object: &mut Map<String, Value>, under: &str, depth: usize) {
    for element in members(under) {
        let often = match element.name {
            "contained" | "modifierExtension" | "text" | "implicitRules" | "meta" | "id" => 0,
            "extension" => 8,
            _ if element.min > 0 => 80,
            _ if depth == 0 => 45,
            _ => 35,
        };
        if depth < DEPTH && chance.percent(often) {
            add(chance, object, element, depth);
        }
    }
}

fn add(chance: &mut Chance, object: &mut Map<String, Value>, element: &'static Element, depth: usize) {
    let ty = chance.pick(&element.types).code;
    let name = if element.choice { choice_name(element.name, ty) } else { element.name.to_owned() };
    let under = match ty {
        "BackboneElement" | "Element" => element.content_reference.unwrap_or(element.path),
        other => other,
    };
    let count = if element.repeats() { 1 + chance.below(3) } else { 1 };
    let mut values: Vec<Value> = (0..count).map(|_| value(chance, ty, under, depth)).collect();
    if is_primitive(ty) && chance.percent(12) {
        let twins: Vec<Value> =
            (0..count).map(|_| if chance.percent(60) { twin(chance) } else { Value::Null }).collect();
        if twins.iter().any(Value::is_object) {
            for (value, twin) in values.iter_mut().zip(&twins) {
                if element.repeats() && twin.is_object() && chance.percent(30) {
                    *value = Value::Null;
                }
            }
            object.insert(format!("_{name}"), one_or_all(element, twins));
        }
    }
    if values.iter().all(Value::is_null) {
        return;
    }
    object.insert(name, one_or_all(element, values));
}

fn one_or_all(element: &Element, mut values: Vec<Value>) -> Value {
    if element.repeats() { Value::Array(values) } else { values.remove(0) }
}

fn twin(chance: &mut Chance) -> Value {
    json!({"extension": [{"url": "http://example.org/twin", "valueString": chance.pick(TEXTS)}]})
}

fn value(chance: &mut Chance, ty: &str, under: &str, depth: usize) -> Value {
    if is_primitive(ty) {
        return primitive(chance, ty);
    }
    let mut object = Map::new();
    fill(chance, &mut object, under, depth + 1);
    if ty == "Extension" {
        object.insert("url".to_owned(), json!(chance.pick(URIS)));
        object.entry("valueString").or_insert_with(|| json!("a"));
        let choices: Vec<String> = object.keys().filter(|key| key.starts_with("value")).cloned().collect();
        choices.iter().skip(1).for_each(|key| {
            object.remove(key);
        });
    }
    if object.is_empty() {
        object.insert("extension".to_owned(), json!([{"url": "http://example.org/a", "valueBoolean": true}]));
    }
    Value::Object(object)
}

pub(crate) const TEXTS: &[&str] =
    &["a", "b", "Anna", "Example Road 1", "x,y", "  ring twice ", "1", "true", "Zoë", "2.50"];
pub(crate) const URIS: &[&str] = &["http://example.org/a", "http://example.org/b", "urn:oid:1.2.3"];
const CODES: &[&str] = &["official", "home", "phone", "final", "a"];
const DATES: &[&str] = &["1980", "1980-02", "1980-02-03", "1980-02-04", "2026-01-31"];
const MOMENTS: &[&str] =
    &["1980-02", "1980-02-03", "2026-01-31T10:00:00Z", "2026-01-31T11:00:00+01:00", "2026-01-31T10:00:00.5Z"];
const INSTANTS: &[&str] = &["2026-01-31T10:00:00Z", "2026-01-31T11:00:00.000+01:00", "2025-12-31T23:59:59Z"];
const TIMES: &[&str] = &["10:30:00", "10:30:01", "23:59:59.5"];

fn primitive(chance: &mut Chance, ty: &str) -> Value {
    match ty {
        "boolean" => json!(chance.percent(50)),
        "integer" | "unsignedInt" | "positiveInt" => json!(1 + chance.below(4)),
        "decimal" => chance.pick(&[json!(1), json!(1.5), json!(0.25), json!(-3), json!(120)]).clone(),
        "date" => json!(chance.pick(DATES)),
        "dateTime" => json!(chance.pick(MOMENTS)),
        "instant" => json!(chance.pick(INSTANTS)),
        "time" => json!(chance.pick(TIMES)),
        "uri" | "url" | "canonical" | "oid" | "uuid" => json!(chance.pick(URIS)),
        "code" | "id" => json!(chance.pick(CODES)),
        "xhtml" => json!("<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>"),
        "base64Binary" => json!("YQ=="),
        _ => json!(chance.pick(TEXTS)),
    }
}

pub(crate) fn choice_name(stem: &str, ty: &str) -> String {
    let (first, rest) = ty.split_at(1);
    format!("{stem}{}{rest}", first.to_ascii_uppercase())
}
