//! What the door lets in and what not.

use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Result<Json, Refusal> {
    admit(text.as_bytes(), &DoorLimits::default())
}

/// The diagnostics of a refusal.
fn why(bytes: impl AsRef<[u8]>) -> String {
    let refusal = admit(bytes.as_ref(), &DoorLimits::default()).unwrap_err();
    refusal.issues().iter().map(|issue| issue.diagnostics.as_str()).collect::<Vec<_>>().join("; ")
}

#[test]
fn numbers_survive_in_their_own_characters() {
    let text = r#"{"a":[1.10,100,1e2,-0,0.123456789012345678901234,1E+5,123456789012345678901234]}"#;
    assert_eq!(read(text).unwrap().to_text(), text);
}

#[test]
fn what_parsers_disagree_on_is_refused() {
    assert_eq!(
        why(r#"{"entry":[1,{"id":"x","a":1,"id":"y"}]}"#),
        "the member id occurs twice in one object: at .entry[1]"
    );
    assert_eq!(why(r#"{"a":1,"\u0061":2}"#), "the member a occurs twice in one object: at the top");
    assert_eq!(why("\u{feff}{}"), "the document starts with a byte order mark; send UTF-8 without one");
    assert_eq!(why(b"{\"a\":\"\xC0\x80\"}"), "the document is not UTF-8: byte 6 is wrong");
    assert_eq!(why(b"{\"a\":\"\xED\xA0\x80\"}"), "the document is not UTF-8: byte 6 is wrong");
    assert!(why(r#"{"a":"\ud800"}"#).starts_with("not JSON (UnpairedSurrogatePairEscapeSequence): line 1,"));
    assert!(why("{} {}").starts_with("not JSON (TrailingData)"));
    assert!(why("{\n\"name\": Smith}").starts_with("not JSON (MalformedJson): line 2, column 9, at .name"));
    assert!(
        why("{\"a\":1,}").contains("TrailingComma")
            && why("{//\n}").contains("Comments")
            && why("{\"a\":01}").contains("Number")
    );
    assert_eq!(why(""), "the document is empty");
    assert_eq!(why(" \n"), "the document is empty");
    for top in ["[]", "1", "null", "\"x\""] {
        assert_eq!(why(top), "the document must be one JSON object");
    }
}

#[test]
fn control_characters_are_refused_and_line_breaks_are_not() {
    assert_eq!(
        why(r#"{"a":"x\u0000","b":["\u001b[2J"]}"#),
        "a NUL or control character in a string or member name: at .a; \
         a NUL or control character in a string or member name: at .b[0]"
    );
    assert!(why("{\"a\":\"x\ty\"}").contains("NotEscapedControlCharacter"));
    assert!(why(r#"{"a\u0001":1}"#).ends_with("at .(a name that is no element)"));
    assert!(read(r#"{"a":"x\t\r\n\u007f\u202e\ud83d\ude00é"}"#).is_ok());
}

#[test]
fn costly_documents_are_refused() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert!(read(&nested(64)).is_ok());
    assert!(why(nested(65)).starts_with("nested deeper than 64 levels: line 1,"));
    assert!(why("[".repeat(1_000_000)).starts_with("the document must be"));
    assert!(why(format!("{{\"a\":{}1", "[".repeat(1_000_000))).starts_with("nested deeper"));
    for number in ["1e401", "-1e-401", "1e400", "1e-2147483648", "1e99999999999999999999", "1e-99999999999999999999"] {
        assert_eq!(why(format!("{{\"a\":{number}}}")), "a number is too large or too small to be meant: at .a");
    }
    assert_eq!(why(format!("{{\"a\":{}}}", "1".repeat(65))), "a number has more than 64 characters: at .a");
    let small = DoorLimits { body_bytes: 40, values: 4, string_bytes: 8, ..DoorLimits::default() };
    assert!(admit(br#"{"a":[1,2]}"#, &small).is_ok());
    for body in [r#"{"a":[1,2,3]}"#, r#"{"a":"123456789"}"#, r#"{"123456789":1}"#, &format!("{{{}}}", " ".repeat(40))] {
        assert!(matches!(admit(body.as_bytes(), &small), Err(Refusal::TooLarge(_))), "{body}");
    }
    let many = format!("{{\"a\":[{}]}}", vec!["\"\\u0000\""; 1000].join(","));
    assert_eq!(admit(many.as_bytes(), &DoorLimits::default()).unwrap_err().issues().len(), FAULTS_TOLD);
}

#[test]
fn received_text_is_not_told() {
    for body in [
        r#"{"a":"Smith\u0000"}"#,
        r#"{"a":Smith}"#,
        r#"{"Smith 9000000009":1,"Smith 9000000009":2}"#,
        r#"{"a":9000000009x}"#,
    ] {
        let told = why(body);
        assert!(!told.contains("Smith") && !told.contains("9000000009"), "{told}");
    }
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        "-?(0|[1-9][0-9]{0,23})(\\.[0-9]{1,24})?([eE][+-]?[0-9]{1,2})?".prop_map(Json::Number),
        "[\\t\\n\\r\\PC]{0,12}".prop_map(Json::String),
    ];
    let tree = leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::Array),
            prop::collection::btree_map("\\PC{0,6}", inner, 0..6)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("\\PC{0,6}", tree, 0..6).prop_map(|members| Json::Object(members.into_iter().collect()))
}

proptest! {
    #[test]
    fn every_document_is_read_as_it_was_written(document in json()) {
        let text = document.to_text();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let read = admit(text.as_bytes(), &DoorLimits::default());
        prop_assert_eq!(read.as_ref(), Ok(&document));
        // Another writer's spacing and escapes, same strings. (Its numbers are rounded.)
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let value: serde_json::Value = serde_json::from_str(&pretty).unwrap();
        let read = admit(pretty.as_bytes(), &DoorLimits::default());
        prop_assert_eq!(read.map(|document| document.to_value()), Ok(value));
    }

    #[test]
    fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = admit(&bytes, &DoorLimits::default());
    }

    #[test]
    fn numbers_never_panic(text in "-?[0-9]{1,12}(\\.[0-9]{1,12})?[eE][+-]?[0-9]{1,12}") {
        let _ = read(&format!("{{\"a\":{text}}}"));
    }

    #[test]
    fn what_is_let_in_is_json(text in r#"\{[\[\]{}",:0-9eE.\\un\t-]{0,24}\}?"#) {
        if read(&text).is_ok() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }
    }
}
