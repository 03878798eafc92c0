//! Holds a tree against the forms: unknown, missing and misplaced keys, values of the wrong kind. All at once.

use super::{Form, Key, Kind, Names, Word};
use crate::diagnostic::{Code, Faults};
use crate::source::Span;
use crate::yaml::{Node, Value};

/// Checks a map and all below it.
pub(crate) fn check(form: &'static Form, node: &Node, place: Span, faults: &mut Faults) {
    let Value::Map(entries) = &node.value else {
        let names: Vec<&str> = form.all_keys().take(4).map(|key| key.name).collect();
        let fault = format!("A {} is a map with keys; here stands {}.", form.name, node.words());
        faults.add(Code::WrongKind, node.at, fault, format!("Write keys such as {}.", names.join(", ")));
        return;
    };
    let alternatives = form.alternatives();
    let chosen: Vec<_> = entries.iter().filter(|entry| alternatives.contains(&entry.key.as_str())).collect();
    for entry in entries {
        if faults.is_full() {
            return;
        }
        let Some(key) = form.all_keys().find(|key| key.name == entry.key) else {
            unknown_key(form, &entry.key, entry.key_at, faults);
            continue;
        };
        let fits = key.beside.is_empty() || key.beside.iter().any(|other| node.has(other));
        // Where what the target is has not been said, nobody can tell what may stand beside it.
        if !fits && (!chosen.is_empty() || alternatives.is_empty()) {
            let fault = format!("`{}` means nothing here.", key.name);
            let mend = format!("It stands beside {}. Remove it or move it.", listed(key.beside));
            faults.add(Code::MisplacedKey, entry.key_at, fault, mend);
        }
        value(key, &key.value, &entry.value, entry.key_at, faults);
    }
    for key in form.all_keys().filter(|key| key.required && !node.has(key.name)) {
        let fault = format!("The {} lacks the key `{}`.", form.name, key.name);
        faults.add(Code::MissingKey, place, fault, format!("Add `{}`: {}", key.name, key.about));
    }
    exactly_one(form, node, place, faults);
    if node.has("each") && !node.has("items") && form.all_keys().any(|key| key.name == "items") {
        let at = node.key_at("each");
        faults.add(Code::MissingKey, at, "`each` lacks `items`.", "Add `items`: what each item becomes.");
    }
}

fn exactly_one(form: &'static Form, node: &Node, place: Span, faults: &mut Faults) {
    let alternatives = form.alternatives();
    let mut there = alternatives.iter().filter(|name| node.has(name));
    match (there.next(), there.next()) {
        (None, _) if !alternatives.is_empty() => {
            let fault = format!("This {} does not say what it is.", form.name);
            let mut mend = format!("Add one of {}.", listed(alternatives));
            if node.has("remove") {
                mend = "`remove` stands in a file that extends another, on a field that the other has.".to_owned();
                faults.add(Code::RemovesNothing, node.key_at("remove"), "Nothing is removed here.", mend);
                return;
            }
            if node.entries().is_empty() {
                mend = format!("Write a map below it with one of {}.", listed(alternatives));
            }
            faults.add(Code::OneOf, place, fault, mend);
        }
        (Some(first), Some(second)) => {
            let fault = format!("`{first}` and `{second}` exclude each other.");
            faults.add(Code::OneOf, node.key_at(second), fault, "Keep one of them.");
        }
        _ => {}
    }
}

fn unknown_key(form: &'static Form, name: &str, at: Span, faults: &mut Faults) {
    let names: Vec<&str> = form.all_keys().map(|key| key.name).collect();
    let mend = match nearest(name, names.iter().copied()) {
        Some(near) => format!("Did you mean `{near}`?"),
        None => format!("A {} has {}.", form.name, listed(&names)),
    };
    faults.add(Code::UnknownKey, at, format!("A {} has no key `{name}`.", form.name), mend);
}

/// Checks one value. `place` is where its key stands.
fn value(key: &Key, kind: &'static Kind, node: &Node, place: Span, faults: &mut Faults) {
    match kind {
        Kind::List(inner) => {
            let Value::List(items) = &node.value else {
                return wrong(key, node, "a list (each item on its own line after a hyphen)", faults);
            };
            items.iter().for_each(|item| value(key, inner, item, item.at, faults));
        }
        Kind::Map(names, inner) => {
            let Value::Map(entries) = &node.value else { return wrong(key, node, "a map", faults) };
            for entry in entries {
                name(*names, &entry.key, entry.key_at, faults);
                value(key, inner, &entry.value, entry.key_at, faults);
            }
        }
        Kind::Form(form) => check(form, node, place, faults),
        Kind::Shape => {}
        Kind::Unmapped(_, form) if matches!(node.value, Value::Map(_)) => check(form, node, place, faults),
        Kind::Unmapped(words, _) | Kind::Choice(words) => choice(key, words, node, faults),
        _ => scalar(key, kind, node, faults),
    }
}

fn scalar(key: &Key, kind: &Kind, node: &Node, faults: &mut Faults) {
    let Some(found) = node.scalar().filter(|scalar| !scalar.is_null()) else {
        return wrong(key, node, words_of(kind), faults);
    };
    let number = found.integer().is_some() || found.decimal().is_some() || found.boolean().is_some();
    let well = match kind {
        Kind::Words | Kind::File | Kind::Element | Kind::Name => !number && !found.text.trim().is_empty(),
        Kind::Path | Kind::Template | Kind::Pattern => !found.text.trim().is_empty(),
        Kind::Text => !number,
        Kind::Integer => found.integer().is_some(),
        Kind::Flag => found.boolean().is_some(),
        Kind::True => found.boolean() == Some(true),
        Kind::Version => found.integer() == Some(1),
        Kind::Count => {
            if found.integer().is_some_and(|n| n < 1 || n > i64::from(u32::MAX)) {
                let fault = format!("`{}` is a whole number from 1.", key.name);
                faults.add(Code::BadNumber, node.at, fault, "Write a greater number, or remove the key.");
                return;
            }
            found.integer().is_some()
        }
        _ => true,
    };
    if !well {
        wrong(key, node, words_of(kind), faults);
    }
}

fn wrong(key: &Key, node: &Node, wanted: &str, faults: &mut Faults) {
    let fault = format!("`{}` wants {wanted}; here stands {}.", key.name, node.words());
    let quotes = if wanted.starts_with("text") && node.scalar().is_some_and(|scalar| !scalar.is_null()) {
        "Put it in quotes if it is meant as text."
    } else {
        "Correct the value."
    };
    faults.add(Code::WrongKind, node.at, fault, quotes);
}

const fn words_of(kind: &Kind) -> &'static str {
    match kind {
        Kind::Count | Kind::Integer => "a whole number",
        Kind::Flag => "true or false",
        Kind::True => "true",
        Kind::Version => "the number 1 (the version of the language)",
        Kind::Scalar => "text, a number, true or false",
        Kind::Path => "text: a FHIRPath",
        Kind::Element => "text: an element such as ServiceRequest.reasonCode",
        Kind::File => "text: the name of a file",
        _ => "text",
    }
}

fn choice(key: &Key, words: &'static [Word], node: &Node, faults: &mut Faults) {
    let names = words.iter().map(|word| word.0);
    let Some(text) = node.as_text() else {
        let all: Vec<&str> = names.collect();
        return wrong(key, node, &format!("one of {}", listed(&all)), faults);
    };
    if names.clone().any(|name| name == text.text) {
        return;
    }
    let all: Vec<&str> = names.clone().collect();
    let mend = match nearest(text.text, names) {
        Some(near) => format!("Did you mean `{near}`? It may be {}.", listed(&all)),
        None => format!("It may be {}.", listed(&all)),
    };
    faults.add(Code::UnknownWord, node.at, format!("`{}` cannot be `{}`.", key.name, text.text), mend);
}

fn name(names: Names, name: &str, at: Span, faults: &mut Faults) {
    if !names.allow(name) {
        let fault = format!("`{name}` cannot be a name here.");
        faults.add(Code::BadName, at, fault, format!("Use {}.", names.words()));
    }
}

/// Names in backticks with commas.
fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The name that was probably meant.
pub(crate) fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    // Distances grow with the product of the lengths, and no name of ours is longer.
    if name.len() > 64 {
        return None;
    }
    let lower = name.to_lowercase();
    let most = (lower.len() / 3).max(1);
    names
        .map(|other| (strsim::osa_distance(&lower, &other.to_lowercase()), other))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}
