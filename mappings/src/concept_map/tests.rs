//! What a map answers, and what is refused when it is loaded.

use super::*;

fn map(groups: &str) -> Result<ConceptMap, LoadError> {
    ConceptMap::load(&format!(r#"{{"resourceType":"ConceptMap","status":"active","group":{groups}}}"#))
}

fn refusal(groups: &str) -> String {
    map(groups).expect_err("refused").to_string()
}

#[test]
fn a_listed_code_keeps_its_targets_and_their_equivalence() {
    let map = map(r#"[{"source":"a","target":"b","element":[{"code":"1","target":[
            {"equivalence":"disjoint","code":"x"},{"equivalence":"wider","code":"y","display":"Y"}]}]}]"#)
    .expect("loads");
    let found = map.translate("a", "1").expect("listed");
    assert_eq!(found.code(), Some("y"), "a disjoint target is no translation");
    assert_eq!(found.matches.len(), 2);
    assert_eq!(found.matches[1].equivalence, Equivalence::Wider);
    assert_eq!(found.matches[1].system.as_deref(), Some("b"));
    assert!(!found.by_unmapped_rule);
}

#[test]
fn an_unlisted_code_follows_the_rule_of_its_group() {
    let fixed = map(r#"[{"source":"a","element":[],"unmapped":{"mode":"fixed","code":"other"}}]"#).expect("loads");
    let found = fixed.translate("a", "9").expect("rule");
    assert_eq!((found.code(), found.by_unmapped_rule), (Some("other"), true));
    assert_eq!(found.matches[0].equivalence, Equivalence::Inexact);

    let provided = map(r#"[{"source":"a","element":[],"unmapped":{"mode":"provided"}}]"#).expect("loads");
    assert_eq!(provided.translate("a", "9").expect("rule").code(), Some("9"));

    let silent = map(r#"[{"source":"a","element":[]}]"#).expect("loads");
    assert_eq!(silent.translate("a", "9"), Err(NotMapped::Code { system: "a".into(), code: "9".into() }));
    assert_eq!(silent.translate("z", "9"), Err(NotMapped::System { system: "z".into() }));
    assert!(silent.is_empty());
}

#[test]
fn a_code_listed_as_unmatched_is_not_given_to_the_unmapped_rule() {
    let map = map(r#"[{"source":"a","element":[{"code":"1","target":[{"equivalence":"unmatched"}]},{"code":"2"}],
             "unmapped":{"mode":"fixed","code":"other"}}]"#)
    .expect("loads");
    for code in ["1", "2"] {
        assert_eq!(map.translate("a", code).expect("listed").code(), None, "the map says that nothing corresponds");
    }
}

#[test]
fn what_cannot_be_honoured_is_refused_with_its_place() {
    let cases = [
        (r#"[{"element":[]}]"#, "group[0].source"),
        (r#"[{"source":"a","element":[{"target":[]}]}]"#, "group[0].element[0].code"),
        (r#"[{"source":"a","element":[{"code":"1","target":[{"code":"x"}]}]}]"#, "element[0].target[0].equivalence"),
        (r#"[{"source":"a","element":[{"code":"1","target":[{"equivalence":"equal"}]}]}]"#, "target[0].code"),
        (
            r#"[{"source":"a","element":[{"code":"1","target":[{"equivalence":"equal","code":"x","dependsOn":[]}]}]}]"#,
            "element[0].target[0]: dependsOn",
        ),
        (r#"[{"source":"a","element":[],"unmapped":{"mode":"other-map","url":"u"}}]"#, "group[0].unmapped.mode"),
        (r#"[{"source":"a","element":[],"unmapped":{"mode":"fixed"}}]"#, "group[0].unmapped.code"),
        (r#"[{"source":"a","element":[],"unmapped":{}}]"#, "group[0].unmapped.mode"),
        (
            r#"[{"source":"a","element":[],"unmapped":{"mode":"provided"}},
                {"source":"a","element":[],"unmapped":{"mode":"provided"}}]"#,
            "group[1].unmapped",
        ),
        (r#"[{"source":"a","element":[{"code":"1","target":[{"equivalence":"same"}]}]}]"#, "line 1, column"),
    ];
    for (groups, place) in cases {
        let said = refusal(groups);
        assert!(said.contains(place), "{said:?} should name {place:?}");
    }
    let other = ConceptMap::load(r#"{"resourceType":"ValueSet"}"#).expect_err("refused").to_string();
    assert!(other.starts_with("resourceType"), "{other}");
}

#[test]
fn the_same_source_code_twice_is_refused_and_both_places_are_named() {
    let row = r#"{"code":"1","target":[{"equivalence":"equal","code":"x"}]}"#;
    let within = refusal(&format!(r#"[{{"source":"a","element":[{row},{row}]}}]"#));
    assert!(within.contains("group[0].element[1]") && within.contains("group[0].element[0]"), "{within}");
    let across = refusal(&format!(r#"[{{"source":"a","element":[{row}]}},{{"source":"a","element":[{row}]}}]"#));
    assert!(across.contains("group[1].element[0]"), "{across}");
    assert!(map(&format!(r#"[{{"source":"a","element":[{row}]}},{{"source":"b","element":[{row}]}}]"#)).is_ok());
}

#[test]
fn a_hundred_thousand_rows_load_and_answer() {
    let rows: Vec<String> = (0..100_000)
        .map(|n| format!(r#"{{"code":"s{n}","target":[{{"equivalence":"equivalent","code":"t{n}"}}]}}"#))
        .collect();
    let map = map(&format!(r#"[{{"source":"a","target":"b","element":[{}]}}]"#, rows.join(","))).expect("loads");
    assert_eq!(map.len(), 100_000);
    assert_eq!(map.translate("a", "s99999").expect("listed").code(), Some("t99999"));
}

#[test]
fn both_ends_of_a_map_can_be_listed() {
    let map = map(r#"[{"source":"b","element":[{"code":"1","target":[{"equivalence":"equal","code":"x"},
             {"equivalence":"disjoint","code":"no"}]}],"unmapped":{"mode":"fixed","code":"other"}},
             {"source":"a","element":[{"code":"2"}],"unmapped":{"mode":"provided"}}]"#)
    .expect("loads");
    assert_eq!(map.source_systems(), ["a", "b"]);
    let mut codes: Vec<(&str, &str)> = map.codes().collect();
    codes.sort_unstable();
    assert_eq!(codes, [("a", "2"), ("b", "1")]);
    let mut targets: Vec<&str> = map.targets().collect();
    targets.sort_unstable();
    assert_eq!(targets, ["other", "x"], "a disjoint target is never given");
}
