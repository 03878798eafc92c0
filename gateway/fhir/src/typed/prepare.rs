//! Where R4 and the R4B model part ways: what is smoothed before decoding, and what is refused instead of dropped.

use serde_json::Value;

use crate::{Issue, IssueCode, Json, instant};

/// Values that an extension may have in R4B and not in R4.
const FOREIGN: [&str; 2] = ["valueCodeableReference", "valueRatioRange"];

/// The document for decoding, with leap seconds (which R4 allows and the model refuses) moved to the second before.
pub(super) fn for_decoding(document: &Json) -> Value {
    let mut value = document.to_value();
    let mut todo = vec![&mut value];
    while let Some(value) = todo.pop() {
        match value {
            Value::Array(items) => todo.extend(items),
            Value::Object(members) => todo.extend(members.values_mut()),
            Value::String(text) => {
                if let Some(place) = leap_second(text) {
                    text.replace_range(place..place + 2, "59");
                }
            }
            _ => {}
        }
    }
    value
}

/// Where the `60` stands in a dateTime, instant or time that ends a minute with a leap second.
fn leap_second(text: &str) -> Option<usize> {
    // Most texts are too short or too long to be asked further.
    if !(8..=64).contains(&text.len()) {
        return None;
    }
    let time_start = if text.as_bytes().get(10) == Some(&b'T') { 11 } else { 0 };
    let time = text.get(time_start..)?;
    if time.get(5..8)? != ":60" {
        return None;
    }
    let is_time = if time_start == 0 { instant::parse(&format!("2000-01-01T{text}Z")) } else { instant::parse(text) };
    is_time.map(|_| time_start + 6)
}

/// One issue for each extension value that is R4B only. The model would take it, and an R4 reader would not.
pub(super) fn foreign_values(document: &Json, kind: &str) -> Vec<Issue> {
    let mut issues = Vec::new();
    let mut todo = vec![(document, kind.to_owned())];
    while let Some((value, path)) = todo.pop() {
        match value {
            Json::Array(items) => {
                todo.extend(items.iter().enumerate().rev().map(|(index, item)| (item, format!("{path}[{index}]"))));
            }
            Json::Object(members) => {
                for (name, child) in members.iter().rev() {
                    let path = format!("{path}.{}", name.strip_prefix('_').unwrap_or(name));
                    if FOREIGN.contains(&name.as_str()) {
                        issues.push(Issue::at(
                            IssueCode::NotSupported,
                            path,
                            "this type of value came after R4 (4.0.1)",
                        ));
                    } else if matches!(child, Json::Array(_) | Json::Object(_)) {
                        todo.push((child, path));
                    }
                }
            }
            _ => {}
        }
    }
    issues
}
