//! Expressions made by walking over a document: mostly along what is there, sometimes beside it, with functions and
//! operators that fit the type.

use gateway_fhir_elements::{Element, is_primitive, members};
use serde_json::Value;

use crate::chance::Chance;
use crate::documents::{TEXTS, choice_name};

/// An expression with what it gives.
struct Made {
    text: String,
    ty: String,
    under: String,
    many: bool,
    /// A value that stands there.
    sample: Option<Value>,
}

pub(crate) fn expression(chance: &mut Chance, document: &Value) -> String {
    let made = path(chance, document);
    let made = shape(chance, made);
    finish(chance, made, document)
}

fn path(chance: &mut Chance, document: &Value) -> Made {
    let name = document["resourceType"].as_str().unwrap().to_owned();
    let mut made =
        Made { text: String::new(), ty: name.clone(), under: name, many: false, sample: Some(document.clone()) };
    for _ in 0..=chance.below(4) {
        if is_primitive(&made.ty) || made.ty == "Resource" {
            break;
        }
        let Some(next) = step(chance, &made) else { break };
        made = next;
    }
    made
}

/// One element further.
fn step(chance: &mut Chance, from: &Made) -> Option<Made> {
    let all: Vec<&'static Element> =
        members(&from.under).filter(|element| !matches!(element.name, "contained" | "text" | "id" | "meta")).collect();
    let here = from.sample.as_ref().and_then(Value::as_object);
    let present: Vec<(&'static Element, &'static str)> = all
        .iter()
        .flat_map(|element| element.types.iter().map(move |ty| (*element, ty.code)))
        .filter(|(element, ty)| here.is_some_and(|object| object.contains_key(&json_name(element, ty))))
        .collect();
    let (element, ty) = if present.is_empty() || chance.percent(10) {
        let element = *chance.pick(&all);
        (element, chance.pick(&element.types).code)
    } else {
        *chance.pick(&present)
    };
    let sample = here.and_then(|object| object.get(&json_name(element, ty))).map(|value| match value {
        Value::Array(items) => items.iter().find(|item| !item.is_null()).cloned().unwrap_or(Value::Null),
        other => other.clone(),
    });
    let dot = if from.text.is_empty() { "" } else { "." };
    let quoted = if matches!(element.name, "div" | "mod" | "contains" | "in" | "is" | "as") { "`" } else { "" };
    let mut text = format!("{}{dot}{quoted}{}{quoted}", from.text, element.name);
    if element.choice {
        text = format!("{text}.ofType({ty})");
    }
    let under = match ty {
        "BackboneElement" | "Element" => element.content_reference.unwrap_or(element.path),
        other => other,
    };
    let many = from.many || element.repeats();
    Some(Made { text, ty: ty.to_owned(), under: under.to_owned(), many, sample })
}

fn json_name(element: &Element, ty: &str) -> String {
    if element.choice { choice_name(element.name, ty) } else { element.name.to_owned() }
}

/// Filters and picks.
fn shape(chance: &mut Chance, mut made: Made) -> Made {
    let complex = !is_primitive(&made.ty) && made.ty != "Resource" && chance.percent(45);
    if let Some(test) = complex.then(|| criterion(chance, &made)).flatten() {
        let function = *chance.pick(&["where", "where", "where", "exists", "all"]);
        made.text = format!("{}.{function}({test})", made.text);
        if function != "where" {
            return boolean(made.text);
        }
        if let Some(next) = step(chance, &copy(&made)) {
            made = next;
        }
    }
    match chance.below(9) {
        0 => made.text.push_str(".last()"),
        1 => made.text.push_str(&format!("[{}]", chance.below(3))),
        2 => made.text.push_str(".tail()"),
        3 => made.text.push_str(&format!(".skip({})", chance.below(3))),
        4 => made.text.push_str(&format!(".take({})", chance.below(3))),
        5 if is_primitive(&made.ty) => made.text.push_str(".distinct()"),
        6 | 7 if made.many => made.text.push_str(".first()"),
        _ => return made,
    }
    made.many = made.many && !(made.text.ends_with(']') || made.text.ends_with("st()") && !made.text.ends_with("ct()"));
    made
}

fn copy(made: &Made) -> Made {
    Made {
        text: made.text.clone(),
        ty: made.ty.clone(),
        under: made.under.clone(),
        many: made.many,
        sample: made.sample.clone(),
    }
}

fn boolean(text: String) -> Made {
    Made { text, ty: "boolean".to_owned(), under: "Element".to_owned(), many: false, sample: Some(Value::Bool(true)) }
}

fn criterion(chance: &mut Chance, made: &Made) -> Option<String> {
    let inner = step(chance, &Made { text: String::new(), many: false, ..copy(made) })?;
    if !is_primitive(&inner.ty) || chance.percent(25) {
        let function = *chance.pick(&["exists()", "empty()", "count() > 1", "exists().not()", "count() = 1"]);
        return Some(format!("{}.{function}", inner.text));
    }
    let test = compared(chance, &inner)?;
    if chance.percent(20) {
        let operator = *chance.pick(&["and", "or", "xor", "implies"]);
        return Some(format!("{test} {operator} $index < 2"));
    }
    Some(test)
}

/// A comparison with a value that may stand there.
fn compared(chance: &mut Chance, made: &Made) -> Option<String> {
    let literal = literal(chance, made)?;
    let ordered = !made.many && !matches!(made.ty.as_str(), "boolean");
    let operator = if ordered { *chance.pick(&["=", "!=", "<", ">=", "=", "~"]) } else { *chance.pick(&["=", "!="]) };
    let operator = if made.ty == "decimal" && operator == "~" { ">" } else { operator };
    Some(format!("{} {operator} {literal}", made.text))
}

fn literal(chance: &mut Chance, made: &Made) -> Option<String> {
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    let sample = made.sample.as_ref();
    Some(match made.ty.as_str() {
        "boolean" => chance.percent(50).to_string(),
        "integer" | "unsignedInt" | "positiveInt" => (1 + chance.below(4)).to_string(),
        "decimal" => (*chance.pick(&["1", "1.5", "0.25", "1.50", "-3"])).to_owned(),
        "date" => (*chance.pick(&["@1980", "@1980-02", "@1980-02-03", "@2026-01-31"])).to_owned(),
        "dateTime" | "instant" => {
            (*chance.pick(&["@2026-01-31T10:00:00Z", "@2026-01-31T11:00:00+01:00", "@2025-12-31T23:00:00Z"])).to_owned()
        }
        "time" => (*chance.pick(&["@T10:30:00", "@T10:30", "@T23:59:59.5"])).to_owned(),
        "xhtml" | "base64Binary" => return None,
        _ => match sample.and_then(Value::as_str) {
            Some(text) if chance.percent(60) => quoted(text),
            _ => {
                let text: &str = chance.pick::<&str>(TEXTS);
                quoted(text)
            }
        },
    })
}

/// What is asked of the items in the end.
fn finish(chance: &mut Chance, made: Made, document: &Value) -> String {
    let text = &made.text;
    if !is_primitive(&made.ty) || made.ty == "xhtml" {
        return match chance.below(6) {
            0 => format!("{text}.exists()"),
            1 => format!("{text}.count()"),
            2 => format!("{text}.empty().not()"),
            _ => text.clone(),
        };
    }
    if made.many {
        let other = path(chance, document);
        return match chance.below(8) {
            0 => format!("{text}.count() > 1"),
            1 if stringy(&made.ty) => format!("{text}.join(';')"),
            2 if stringy(&made.ty) => format!("{text}.select($this.upper() & '!')"),
            3 if is_primitive(&other.ty) => format!("{text} | {}", other.text),
            4 if stringy(&made.ty) && stringy(&other.ty) => format!("{text}.intersect({})", other.text),
            5 if stringy(&made.ty) && stringy(&other.ty) => format!("{text}.exclude({})", other.text),
            6 => literal(chance, &made).map_or_else(|| text.clone(), |literal| format!("{literal} in {text}")),
            _ => text.clone(),
        };
    }
    single(chance, &made)
}

fn stringy(ty: &str) -> bool {
    matches!(ty, "string" | "code" | "uri" | "url" | "canonical" | "id" | "markdown" | "oid" | "uuid")
}

fn single(chance: &mut Chance, made: &Made) -> String {
    let text = &made.text;
    let compares = chance.percent(30);
    if let Some(test) = compares.then(|| compared(chance, made)).flatten() {
        return if chance.percent(30) { format!("iif({test}, {text}, 'none')") } else { test };
    }
    if stringy(&made.ty) {
        let function = *chance.pick(&[
            "upper()",
            "lower()",
            "length()",
            "trim()",
            "substring(1)",
            "substring(0, 3)",
            "indexOf('a')",
            "startsWith('a')",
            "endsWith('1')",
            "contains('n')",
            "replace('a', 'bb')",
            "matches('^[A-Z]')",
            "replaceMatches('[aeiou]', '_')",
            "split(',')",
            "toChars()",
            "toInteger()",
            "toBoolean()",
            "toString()",
            "convertsToDecimal()",
            "convertsToInteger()",
            "hasValue()",
            "toChars().count()",
        ]);
        return match chance.below(4) {
            0 => format!("{text} & ' x'"),
            1 => format!("'x ' + {text}"),
            _ => format!("{text}.{function}"),
        };
    }
    match made.ty.as_str() {
        "integer" | "unsignedInt" | "positiveInt" => {
            let operator = *chance.pick(&["+ 2", "- 5", "* 3", "div 2", "mod 2", "div 0"]);
            format!("{text} {operator}")
        }
        "date" | "dateTime" | "instant" | "time" | "boolean" => {
            format!("{text}.{}", chance.pick(&["toString()", "hasValue()", "exists()", "convertsToString()"]))
        }
        _ => text.clone(),
    }
}
