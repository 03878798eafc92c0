//! Checks the operator's settings against what the mapping declares, before anything is sent.

use super::refusal::{Cause, Refusal};
use crate::program::{Program, Scalar, Setting};
use std::collections::BTreeMap;

/// Names that the gateway gives every adapter beside the operator's own settings.
const GIVEN: [&str; 1] = ["base-url"];

/// Checks settings.
///
/// # Errors
/// The first [`Refusal`], naming the setting: one that is missing, unknown, or not as the mapping declares it. The value
/// itself is not told.
pub fn check_settings(program: &Program, settings: &BTreeMap<String, String>) -> Result<(), Box<Refusal>> {
    for declared in &program.settings {
        check(declared, settings.get(&declared.name)).map_err(|problem| refused(&declared.name, problem))?;
    }
    let known = |name: &str| GIVEN.contains(&name) || program.settings.iter().any(|declared| declared.name == name);
    match settings.keys().find(|name| !known(name)) {
        Some(name) => Err(refused(name, "the mapping declares no such setting; remove it or mend its name".to_owned())),
        None => Ok(()),
    }
}

fn refused(name: &str, problem: String) -> Box<Refusal> {
    Refusal::of(&format!("settings.{name}"), Cause::Setting(problem))
}

fn check(declared: &Setting, value: Option<&String>) -> Result<(), String> {
    let Some(value) = value else {
        let missing = declared.required && declared.default.is_none();
        return if missing { Err(format!("it is required: {}", declared.about)) } else { Ok(()) };
    };
    let kind = match declared.kind {
        Scalar::Integer if value.parse::<i64>().is_err() => Some("a whole number"),
        Scalar::Boolean if value.parse::<bool>().is_err() => Some("true or false"),
        Scalar::Decimal if serde_json::from_str::<serde_json::Number>(value).is_err() => Some("a number"),
        Scalar::Date if !super::date::is_date(value) => Some("a date, such as 2026-03-01"),
        Scalar::DateTime if !super::date::is_date_time(value) => Some("a date with a time"),
        _ => None,
    };
    if let Some(kind) = kind {
        return Err(format!("it must be {kind}"));
    }
    if declared.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(value)) {
        return Err("it is not written as the mapping demands".to_owned());
    }
    if !declared.one_of.is_empty() && !declared.one_of.contains(value) {
        return Err(format!("it must be one of {}", declared.one_of.join(", ")));
    }
    Ok(())
}
