//! Each key and value stands where the tree says, whatever the line ends and letters; what surprises is refused.

use super::*;
use crate::diagnostic::{Code, Faults};
use crate::source::Sources;
use proptest::prelude::*;

fn read_text(text: &str) -> (Sources, Option<Node>, Vec<Code>) {
    let mut sources = Sources::default();
    let file = sources.add("a.yaml", text.to_owned());
    let mut faults = Faults::default();
    let tree = read(sources.get(file).expect("was added"), file, &mut faults);
    let codes = faults.finish(&sources).0.into_iter().map(|fault| fault.code).collect();
    (sources, tree, codes)
}

/// Every key, and every scalar that stands on one line without escapes, is the very text at its place.
fn stands_where_it_says(sources: &Sources, node: &Node) {
    let slice = |at: Span| {
        let source = sources.get(at.file).expect("the file is there");
        source.text.get(at.start as usize..at.end as usize).expect("on character boundaries").to_owned()
    };
    for entry in node.entries() {
        assert_eq!(slice(entry.key_at).trim_matches(['"', '\'']), entry.key);
        stands_where_it_says(sources, &entry.value);
    }
    node.items().iter().for_each(|item| stands_where_it_says(sources, item));
    if let Some(scalar) = node.scalar().filter(|scalar| !scalar.text.contains(['\n', '\'', '"', '\\'])) {
        let whole = slice(node.at);
        match scalar.style {
            Style::Plain if !whole.contains(['\n', '\r']) => assert_eq!(whole, scalar.text),
            Style::Single | Style::Double if !whole.contains(['\n', '\r']) => {
                assert_eq!(whole.get(1..whole.len() - 1), Some(scalar.text.as_str()));
            }
            _ => {}
        }
        let source = sources.get(node.at.file).expect("the file is there");
        let part = within(source, node.at, scalar, 0..scalar.text.len());
        let exact = !matches!(scalar.style, Style::Folded) && !whole.contains(['\n', '\r']);
        assert!(!exact || slice(part) == scalar.text, "{part:?} {whole:?}");
    }
}

#[test]
fn places_hold_for_all_letters_and_line_ends() {
    let text =
        "größe: ä # é\n\"k\": 'einfach 😀 x'\nlist:\n  - a b\n  - { \"c\": d, e: [ f, \"g h\" ] }\nblock: |\n  one\n";
    for text in [text.to_owned(), text.replace('\n', "\r\n"), format!("\u{feff}{text}")] {
        let (sources, tree, codes) = read_text(&text);
        assert!(codes.is_empty(), "{codes:?}");
        stands_where_it_says(&sources, &tree.expect("a tree"));
    }
}

#[test]
fn escapes_are_walked_to_the_place_that_is_meant() {
    for text in [
        "a: 'it''s here'",
        r#"a: "x\ty\u00e9 here""#,
        r#"a: "\U0001F600here" # "x""#,
        r#"a: "\N\_\L\Phere""#,
        r#"{ a: "\"here" , b: c }"#,
        "a: |-\n  one\n   two here",
        "a: |2-\n   one\n  here",
    ] {
        let word = "here";
        let place = text.find(word).expect("stands there as it is");
        let (sources, tree, _) = read_text(text);
        let tree = tree.expect("a tree");
        let node = tree.get("a").expect("the key");
        let scalar = node.scalar().expect("a scalar");
        let at = scalar.text.find(word).expect("the word");
        let found = within(sources.get(0).expect("the file"), node.at, scalar, at..at + word.len());
        assert_eq!((found.start as usize, found.end as usize), (place, place + word.len()), "{text}");
    }
}

#[test]
fn plain_words_are_what_yaml_1_2_says() {
    let (_, tree, _) = read_text("[ true, yes, 12, 012, -3, 1.50, 1., ~, '', \"1\", 0x1f, 1e3 ]");
    let words: Vec<&str> = tree.expect("a tree").items().iter().map(Node::words).collect();
    let expected = [
        "true or false",
        "text",
        "a whole number",
        "text",
        "a whole number",
        "a decimal number",
        "text",
        "nothing",
        "text",
        "text",
        "text",
        "text",
    ];
    assert_eq!(words, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn places_hold_in_whatever_can_be_read(text in "([ab%é]{1,3}: ?('[aé ]{0,4}'|\"[aé😀 ]{0,4}\"|[aé😀]{1,4}|\\[ a, é \\])? ?(#é)?(\n|\r\n)( {2})?){1,6}") {
        let (sources, tree, _) = read_text(&text);
        if let Some(tree) = tree {
            stands_where_it_says(&sources, &tree);
        }
    }
}
