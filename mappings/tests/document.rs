//! The document model against `serde_json`: the same texts are JSON, and the same things stand in them.
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

use mappings::document::{Buffer, Document, Key, Kind, MAX_DEPTH, NodeId, Problem};
use proptest::prelude::*;
use serde_json::{Map, Value};

/// A node as `serde_json` would hold it; of equal names the last.
fn value(document: &Document<'_>, id: NodeId) -> Value {
    match document.kind(id) {
        Kind::Null => Value::Null,
        Kind::Bool => Value::Bool(document.boolean(id).unwrap()),
        Kind::Number => serde_json::from_str(document.raw(id)).unwrap_or(Value::Null),
        Kind::String => Value::String(document.string(id).unwrap().into_owned()),
        Kind::Array => document.children(id).map(|child| value(document, child)).collect(),
        Kind::Object => {
            let mut map = Map::new();
            for child in document.children(id) {
                map.insert(document.key(child).unwrap().into_owned(), value(document, child));
            }
            Value::Object(map)
        }
    }
}

/// What `serde_json` says. A number too large for it is JSON all the same: then it only says whether the rest is.
fn reference(text: &str) -> Result<Option<Value>, String> {
    match serde_json::from_str(text) {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.to_string().contains("number out of range") => {
            serde_json::from_str::<serde::de::IgnoredAny>(text).map(|_| None).map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    }
}

fn agrees(text: &str) {
    let ours = Document::parse(text);
    match (ours, reference(text)) {
        // What it passes over, it does not decode.
        (Err(error), Ok(None)) if error.problem == Problem::Surrogate => {}
        (Ok(document), Ok(Some(expected))) => {
            assert_eq!(value(&document, document.root()), expected, "{text}");
            check_index(&document);
        }
        (Ok(_), Ok(None)) => {}
        (Err(error), Err(_)) => assert!(error.offset <= text.len(), "{text}"),
        (ours, theirs) => panic!("{text:?}: {ours:?} and {theirs:?}"),
    }
}

/// Children tile their parent, raw texts read as what they are, and each member is found by its name.
fn check_index(document: &Document<'_>) {
    let mut seen = 0;
    let mut open = vec![document.root()];
    while let Some(id) = open.pop() {
        seen += 1;
        let mut next = id.index() + 1;
        for child in document.children(id) {
            assert_eq!(child.index(), next);
            next = document.descendants_end(child).index();
            open.push(child);
            if let Some(key) = document.key(child) {
                let first = document.get(id, &key).unwrap();
                assert!(first <= child && document.key(first) == Some(key.clone()));
                assert_eq!(document.find(id, &Key::new(&key)), Some(first));
            }
        }
        assert_eq!(document.descendants_end(id).index(), next);
        let alone = document.raw(id);
        let again = Document::parse(alone).unwrap();
        assert_eq!(value(&again, again.root()), value(document, id));
    }
    assert_eq!(seen, document.node_count());
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        "[\\\\\"/\u{0}-\u{1f}é\u{1f600}a_]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec(("[a-c_\\\\\"é]{0,3}", inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// One character of a text replaced, put in or taken out.
fn mutate(text: &str, place: usize, character: char, kind: u8) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let place = place % (characters.len() + 1);
    match kind {
        0 if place < characters.len() => characters[place] = character,
        1 if place < characters.len() => {
            characters.remove(place);
        }
        _ => characters.insert(place, character),
    }
    characters.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn reads_what_serde_json_writes(value in json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        agrees(&text);
    }

    #[test]
    fn agrees_on_damaged_text(
        value in json(),
        damage in prop::collection::vec((any::<usize>(), "[-+.0-9eEu\\\\\"{}\\[\\],: \n\t\u{1}a-fntr_]", 0_u8..3), 1..4),
    ) {
        let mut text = serde_json::to_string(&value).unwrap();
        for (place, character, kind) in damage {
            text = mutate(&text, place, character.chars().next().unwrap(), kind);
            agrees(&text);
        }
    }

    #[test]
    fn agrees_on_scraps(text in "[-+.0-9eE\"\\\\u{}\\[\\],: \\na-fnrtsl]{0,12}") {
        agrees(&text);
    }

    #[test]
    fn agrees_on_escapes(text in "\"(\\\\(u[dD][89a-fA-F][0-9a-f]{2}|u[0-9a-fA-F]{4}|[\"\\\\/bfnrtx])|[a-z]){0,6}\"") {
        agrees(&text);
    }

    #[test]
    fn agrees_on_numbers(text in "-?[0-9]{0,3}(\\.[0-9]{0,3})?([eE][-+]?[0-9]{0,3})?") {
        agrees(&text);
    }
}

#[test]
fn numbers_and_texts_stay_as_they_are_written() {
    let text = r#"{"a":1.50,"b":1e400,"c":"a\u0062\/\ud83d\ude00","\u0064":-0,"e":12345678901234567890.10}"#;
    let document = Document::parse(text).unwrap();
    let raw = |name| document.get(document.root(), name).map(|id| document.raw(id));
    assert_eq!(raw("a"), Some("1.50"));
    assert_eq!(raw("b"), Some("1e400"));
    assert_eq!(raw("d"), Some("-0"), "an escaped name is found by what it means");
    assert_eq!(raw("e"), Some("12345678901234567890.10"));
    let c = document.get(document.root(), "c").unwrap();
    assert_eq!(document.string(c).as_deref(), Some("ab/\u{1f600}"));
    assert_eq!(document.get(document.root(), "nothing"), None);
    assert_eq!(document.get(c, "a"), None, "a string has no members");
}

#[test]
fn of_two_members_with_one_name_the_first_is_found_and_both_are_there() {
    let document = Document::parse(r#"{"a":1,"a":2}"#).unwrap();
    let id = document.get(document.root(), "a").unwrap();
    assert_eq!((document.raw(id), document.children(document.root()).count()), ("1", 2));
}

#[test]
fn faults_have_place_and_mend() {
    for (text, line, column, problem) in [
        ("", 1, 1, Problem::EndsEarly),
        ("{\"a\":1,}", 1, 8, Problem::NoName),
        ("{\"a\" 1}", 1, 6, Problem::NoColon),
        ("[1 2]", 1, 4, Problem::NoComma),
        ("[1}", 1, 3, Problem::NoComma),
        ("{\n \"é\": 01}", 2, 8, Problem::Number),
        ("\"a\nb\"", 1, 3, Problem::ControlCharacter),
        (r#""\x""#, 1, 2, Problem::Escape),
        (r#""\ud800""#, 1, 2, Problem::Surrogate),
        ("1 2", 1, 3, Problem::TrailingText),
        ("[tru]", 1, 2, Problem::NoValue),
        ("[", 1, 2, Problem::EndsEarly),
        ("\u{feff}{}", 1, 1, Problem::NoValue),
    ] {
        let error = Document::parse(text).unwrap_err();
        assert_eq!((error.line, error.column, error.problem), (line, column, problem), "{text:?}");
    }
}

#[test]
fn depth_has_a_limit_and_no_recursion() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(Document::parse(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(Document::parse(&nested(MAX_DEPTH + 1)).unwrap_err().problem, Problem::TooDeep);
    assert_eq!(Document::parse(&nested(1_000_000)).unwrap_err().problem, Problem::TooDeep);
    let many = format!("[{}0]", "0,".repeat(1_000_000));
    assert_eq!(Document::parse(&many).unwrap_err().problem, Problem::TooManyNodes);
}

#[test]
fn a_place_reads_as_a_path() {
    let text = r#"{"resourceType":"Bundle","entry":[{"a b":1},{"resource":{"name":[{"given":["x","y"]}]}}]}"#;
    let document = Document::parse(text).unwrap();
    let mut paths = Vec::new();
    let mut open = vec![document.root()];
    while let Some(id) = open.pop() {
        paths.push(document.location(id));
        open.extend(document.children(id));
    }
    assert!(paths.contains(&"Bundle.entry[1].resource.name[0].given[1]".to_owned()), "{paths:?}");
    assert!(paths.contains(&"Bundle.entry[0].`a b`".to_owned()));
    let plain = Document::parse("[[1]]").unwrap();
    assert_eq!(plain.location(plain.children(plain.children(plain.root()).next().unwrap()).next().unwrap()), "$[0][0]");
}

#[test]
fn a_buffer_serves_one_document_after_the_other() {
    let mut buffer = Buffer::default();
    for text in ["[1,2,3]", "{", "{\"a\":[]}", "null"] {
        let fresh = Document::parse(text).map(|document| value(&document, document.root())).ok();
        let reused = Document::parse_in(text, &mut buffer);
        assert_eq!(reused.as_ref().ok().map(|document| value(document, document.root())), fresh);
        if let Ok(document) = reused {
            buffer = document.into_buffer();
        }
    }
}

#[test]
fn a_document_shows_no_data_when_it_is_printed() {
    let document = Document::parse(r#"{"name":"Example"}"#).unwrap();
    assert!(!format!("{document:?}").contains("Example"));
}
