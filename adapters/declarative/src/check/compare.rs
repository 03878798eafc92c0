//! Compares what a run gave with what its fixture files hold, and says where they differ.

use super::run::Transcript;
use serde_json::Value;
use std::collections::BTreeMap;

/// Most differences of one file that are told.
const MOST: usize = 8;
/// Most characters of a value that are shown.
const SHOWN: usize = 120;

/// What became of one case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Differences, in words, by file.
    pub(crate) different: BTreeMap<String, Vec<String>>,
    /// Files that the run gives and the folder lacks, or has empty.
    pub(crate) missing: BTreeMap<String, String>,
    /// Files that the folder has and the run does not give.
    pub(crate) left_over: Vec<String>,
}

#[cfg(test)]
impl Comparison {
    /// True if everything is as expected.
    pub(crate) fn holds(&self) -> bool {
        self.different.is_empty() && self.missing.is_empty() && self.left_over.is_empty()
    }
}

/// Compares.
pub(crate) fn compare(seen: &Transcript, expected: &BTreeMap<String, Option<Value>>) -> Comparison {
    let mut found = Comparison::default();
    for (file, value) in seen {
        match expected.get(file) {
            Some(Some(wanted)) if wanted == value => {}
            Some(Some(wanted)) => {
                let mut words = Vec::new();
                differences("", wanted, value, &mut words);
                found.different.insert(file.clone(), words);
            }
            Some(None) | None => {
                found.missing.insert(file.clone(), short(value));
            }
        }
    }
    let left = expected.keys().filter(|file| !seen.iter().any(|(name, _)| name == *file));
    found.left_over = left.cloned().collect();
    found
}

/// True if the run gives exactly what is expected. Files that hold nothing yet expect nothing.
pub(crate) fn same(seen: &Transcript, expected: &BTreeMap<String, Option<Value>>) -> bool {
    let filled = expected.iter().filter(|(_, value)| value.is_some()).count();
    seen.len() == filled
        && seen.iter().all(|(file, value)| expected.get(file).is_some_and(|wanted| wanted.as_ref() == Some(value)))
}

/// As it stands in a fixture file.
pub(crate) fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

fn differences(path: &str, wanted: &Value, seen: &Value, words: &mut Vec<String>) {
    if wanted == seen || words.len() > MOST {
        return;
    }
    if words.len() == MOST {
        words.push("and more".to_owned());
        return;
    }
    match (wanted, seen) {
        (Value::Object(wanted), Value::Object(seen)) => {
            for (name, value) in wanted {
                let below = format!("{path}/{name}");
                match seen.get(name) {
                    Some(other) => differences(&below, value, other, words),
                    None => words.push(format!("{below}: expected {}, is not there", short(value))),
                }
            }
            for (name, value) in seen.iter().filter(|(name, _)| !wanted.contains_key(*name)) {
                words.push(format!("{path}/{name}: not expected, is {}", short(value)));
            }
        }
        (Value::Array(wanted), Value::Array(seen)) if wanted.len() == seen.len() => {
            for (index, (value, other)) in wanted.iter().zip(seen).enumerate() {
                differences(&format!("{path}/{index}"), value, other, words);
            }
        }
        _ => words.push(format!(
            "{}: expected {}, is {}",
            if path.is_empty() { "/" } else { path },
            short(wanted),
            short(seen)
        )),
    }
}

/// Fixtures hold synthetic people, so their values may be shown.
fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHOWN { text } else { text.chars().take(SHOWN).chain("…".chars()).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn expected(files: &[(&str, Option<Value>)]) -> BTreeMap<String, Option<Value>> {
        files.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn differences_are_told_with_their_place() {
        let seen = vec![
            ("1-request.json".to_owned(), json!({"a": 1, "b": [1, 2], "c": {"x": "new"}, "d": 4})),
            ("result.json".to_owned(), json!("absent")),
        ];
        let wanted = expected(&[
            ("1-request.json", Some(json!({"a": 1, "b": [1, 3], "c": {"x": "old"}, "e": 5}))),
            ("2-request.json", Some(json!({}))),
            ("losses.json", None),
        ]);
        let found = compare(&seen, &wanted);
        assert_eq!(found.left_over, ["2-request.json", "losses.json"]);
        assert_eq!(found.missing, BTreeMap::from([("result.json".to_owned(), "\"absent\"".to_owned())]));
        let words = [
            "/b/1: expected 3, is 2",
            "/c/x: expected \"old\", is \"new\"",
            "/e: expected 5, is not there",
            "/d: not expected, is 4",
        ];
        let words = words.map(str::to_owned).to_vec();
        assert_eq!(found.different, BTreeMap::from([("1-request.json".to_owned(), words)]));
        assert!(!found.holds() && !same(&seen, &wanted));
    }

    #[test]
    fn what_is_as_expected_holds() {
        let seen = vec![("result.json".to_owned(), json!({"b": 1, "a": 2}))];
        let wanted = expected(&[("result.json", Some(json!({"a": 2, "b": 1})))]);
        assert!(compare(&seen, &wanted).holds() && same(&seen, &wanted));
        assert!(!same(&Vec::new(), &wanted));
        let many = json!((0..50).collect::<Vec<_>>());
        let other = json!((1..51).collect::<Vec<_>>());
        let found = compare(&vec![("a".to_owned(), many)], &expected(&[("a", Some(other))]));
        assert_eq!(found.different["a"].len(), MOST + 1);
    }
}
