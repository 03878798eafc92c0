//! What is done at the end of a value: lengths, patterns, lists, bounds, defaults. Each limit has a rule for what
//! exceeds it, and literals of the mapping keep the limits themselves.

use super::Compiler;
use super::paths::Path;
use super::types::{literal, literal_fits, literal_text};
use crate::diagnostic::Code;
use crate::elements;
use crate::program::{Count, Empty, Finish, Literal, MaxLength, Mismatch, Overflow, Scalar};
use crate::source::Span;
use crate::spec::Text;
use crate::yaml::Node;

/// Most bytes that a regular expression may take once it is compiled.
const MOST_PATTERN: usize = 1 << 20;

impl Compiler<'_> {
    /// Limits of a value. `constant` is the literal that stands there, with its place.
    pub(super) fn finish(
        &mut self,
        node: &Node,
        kind: Scalar,
        path: Option<&Path>,
        constant: Option<(&Literal, Span)>,
    ) -> Finish {
        let text = matches!(kind, Scalar::Text | Scalar::Code);
        let dated = matches!(kind, Scalar::Date | Scalar::DateTime);
        self.only_for(node, text, &["max-length"], "counts characters, and the field is no text");
        self.only_for(node, text || dated, &["pattern"], "looks at text, and the field is none");
        self.only_for(node, kind == Scalar::Integer, &["min", "max"], "bounds whole numbers, and the field is none");
        self.only_for(node, kind == Scalar::Text, &["encode"], "encodes text, and the field is none");
        let mismatch = self.mismatch(node);
        let pattern = node.text("pattern").and_then(|text| self.regex(text));
        let one_of: Vec<String> =
            node.list("one-of").iter().filter_map(literal).map(|(one, _)| literal_text(&one)).collect();
        let made = Finish {
            max_length: self.max_length(node, kind, path),
            pattern: pattern.map(|pattern| (pattern, mismatch)),
            one_of: (!one_of.is_empty()).then_some((one_of, mismatch)),
            range: self.range(node, mismatch),
            default: self.default(node, kind),
            required: node.flag("required"),
            empty: self.empty(node),
            base64: node.has("encode"),
        };
        if made.required && made.default.is_some() {
            let fault = "`required` and `default` exclude each other: with a default there is always something.";
            self.fault(Code::MisplacedKey, node.key_at("required"), fault, "Keep one of them.");
        }
        let default = made.default.as_ref().map(|literal| (literal, node.value_at("default")));
        for (literal, at) in default.into_iter().chain(constant) {
            self.keeps_limits(&made, literal, at);
        }
        made
    }

    pub(super) fn finish_of_lines(&mut self, node: &Node) -> Finish {
        let mismatch = self.mismatch(node);
        let pattern = node.text("pattern").and_then(|text| self.regex(text));
        Finish {
            max_length: self.max_length(node, Scalar::Text, None),
            pattern: pattern.map(|pattern| (pattern, mismatch)),
            required: node.flag("required"),
            empty: self.empty(node),
            base64: node.has("encode"),
            ..Finish::default()
        }
    }

    fn only_for(&mut self, node: &Node, holds: bool, keys: &[&str], why: &str) {
        for entry in keys.iter().filter_map(|key| node.entry(key)).filter(|_| !holds) {
            let fault = format!("`{}` {why}.", entry.key);
            self.fault(Code::KeyForOtherType, entry.key_at, fault, "Remove it, or correct `type`.");
        }
    }

    pub(super) fn regex(&mut self, text: Text<'_>) -> Option<regex::Regex> {
        match regex::RegexBuilder::new(text.text).size_limit(MOST_PATTERN).build() {
            Ok(regex) => Some(regex),
            Err(error) => {
                let said = error.to_string();
                let reason = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
                let fault = format!("The pattern cannot be read: {reason}.");
                let mend = "Write a regular expression of the Rust crate `regex` (no look-around, no back-references).";
                self.fault(Code::BadPattern, text.at, fault, mend);
                None
            }
        }
    }

    /// What happens to what does not fit; reports where nothing says it.
    fn mismatch(&mut self, node: &Node) -> Mismatch {
        match node.text("mismatch").map(|text| text.text) {
            Some("omit") => Mismatch::Omit,
            Some(_) => Mismatch::Refuse,
            None => {
                let restricts = ["pattern", "one-of", "min", "max"].into_iter().find(|key| node.has(key));
                // A constant is held against its limits here and now.
                if let (Some(key), false) = (restricts, node.has("constant")) {
                    let fault = format!("Nothing says what happens to a value that does not fit `{key}`.");
                    self.fault(
                        Code::NoMismatchRule,
                        node.key_at(key),
                        fault,
                        "Add `mismatch: refuse` or `mismatch: omit`.",
                    );
                }
                Mismatch::Refuse
            }
        }
    }

    fn range(&mut self, node: &Node, mismatch: Mismatch) -> Option<(i64, i64, Mismatch)> {
        if !node.has("min") && !node.has("max") {
            return None;
        }
        let (least, most) = (node.integer("min").unwrap_or(i64::MIN), node.integer("max").unwrap_or(i64::MAX));
        if least > most {
            let fault = "`min` is greater than `max`: nothing fits.";
            self.fault(Code::BadNumber, node.key_at("min"), fault, "Exchange them.");
        }
        Some((least, most, mismatch))
    }

    fn max_length(&mut self, node: &Node, kind: Scalar, path: Option<&Path>) -> Option<MaxLength> {
        let most = node.count("max-length")?;
        let count = match node.text("count").map(|text| text.text) {
            Some("no-cr") => Count::CharactersWithoutCr,
            Some("utf16") => Count::Utf16,
            Some("bytes") => Count::Bytes,
            _ => Count::Characters,
        };
        let overflow = match node.text("overflow").map(|text| text.text) {
            Some("truncate") => self.truncate(node, kind, path, most)?,
            Some("refuse") => Overflow::Refuse,
            Some("drop") => {
                let fault = "Text is refused or cut; `drop` is for the items of `each`.";
                self.fault(Code::KeyForOtherType, node.value_at("overflow"), fault, "Write `refuse` or `truncate`.");
                return None;
            }
            Some(_) => return None,
            None => {
                if node.has("constant") {
                    return Some(MaxLength { most, count, overflow: Overflow::Refuse });
                }
                let fault = format!("Nothing says what happens to text of more than {most} characters.");
                let mend = "Add `overflow: refuse`, or `overflow: truncate` with a `marker`.";
                self.fault(Code::NoOverflowRule, node.key_at("max-length"), fault, mend);
                self.cuts_code(node, kind, path);
                return None;
            }
        };
        Some(MaxLength { most, count, overflow })
    }

    fn truncate(&mut self, node: &Node, kind: Scalar, path: Option<&Path>, most: u32) -> Option<Overflow> {
        self.cuts_code(node, kind, path);
        let Some(marker) = node.text("marker") else {
            let fault = format!("Text is cut to {most} characters, and its reader cannot see it.");
            self.fault(
                Code::NoMarker,
                node.value_at("overflow"),
                fault,
                "Add `marker: \"…\"`, or write `overflow: refuse`.",
            );
            return None;
        };
        if marker.text.trim().is_empty() || marker.text.chars().count() >= most as usize {
            let fault = "The marker shows nothing, or leaves no room for text.";
            self.fault(Code::NoMarker, marker.at, fault, "Use a short marker such as \"…\" or \" [cut]\".");
        }
        Some(Overflow::Truncate { marker: marker.text.to_owned() })
    }

    /// A part of a code, identifier or date is another one: no limit may cut them.
    fn cuts_code(&mut self, node: &Node, kind: Scalar, path: Option<&Path>) {
        let at = node.key_at("max-length");
        let mend = "Write `overflow: refuse`: a code that is too long is a fault of the mapping or the platform.";
        if kind == Scalar::Code || node.has("map") {
            self.fault(Code::CutCode, at, "A code that is cut is another code.", mend);
            return;
        }
        let Some(path) = path else { return };
        let cut = path.conveyed().find(|element| is_exact(element)).map(str::to_owned);
        if let Some(element) = cut {
            let fault = format!("{element} is a code, identifier or date: a part of it is another one.");
            self.fault(Code::CutCode, at, fault, mend);
        }
    }

    fn default(&mut self, node: &Node, kind: Scalar) -> Option<Literal> {
        let (literal, _) = literal(node.get("default")?)?;
        if !literal_fits(kind, &literal) {
            let fault = "The default is not of the field's type.";
            let mend = "Correct the default or the type. Text that looks like a number needs quotes.";
            self.fault(Code::BadLiteral, node.value_at("default"), fault, mend);
        }
        if !node.has("because") {
            let fault = "The default states something that nobody said, without a reason.";
            self.fault(
                Code::DefaultUnexplained,
                node.key_at("default"),
                fault,
                "Add `because` with the reason, or leave the field out.",
            );
        }
        Some(literal)
    }

    fn empty(&mut self, node: &Node) -> Empty {
        match node.text("empty").map(|text| text.text) {
            Some("null") => Empty::Null,
            Some("blank") => Empty::Blank,
            Some("array") => {
                let fault = "A value is no array.";
                self.fault(Code::KeyForOtherType, node.value_at("empty"), fault, "Write `omit`, `null` or `blank`.");
                Empty::Omit
            }
            _ => Empty::Omit,
        }
    }

    /// Holds a literal of the mapping against the limits of its own field.
    fn keeps_limits(&mut self, finish: &Finish, literal: &Literal, at: Span) {
        let text = literal_text(literal);
        let mut broken = Vec::new();
        if finish.max_length.as_ref().is_some_and(|limit| length(&text, limit.count) > limit.most as usize) {
            broken.push("max-length");
        }
        if finish.pattern.as_ref().is_some_and(|(pattern, _)| !pattern.is_match(&text)) {
            broken.push("pattern");
        }
        if finish.one_of.as_ref().is_some_and(|(words, _)| !words.contains(&text)) {
            broken.push("one-of");
        }
        let outside = match (finish.range, literal) {
            (Some((least, most, _)), Literal::Integer(number)) => !(least..=most).contains(number),
            _ => false,
        };
        if outside {
            broken.push("min and max");
        }
        for limit in broken {
            let fault = format!("The value that stands here does not fit `{limit}` of its own field.");
            self.fault(Code::BadLiteral, at, fault, "Correct the value or the limit.");
        }
    }
}

/// Whether an element is one of which a part would be another one.
fn is_exact(path: &str) -> bool {
    let Some(member) = elements::find(path) else { return false };
    let exact = [
        "code",
        "id",
        "oid",
        "uuid",
        "uri",
        "url",
        "canonical",
        "date",
        "dateTime",
        "instant",
        "integer",
        "positiveInt",
        "unsignedInt",
        "decimal",
    ];
    exact.contains(&member.type_code) || member.element.path == "Identifier.value"
}

fn length(text: &str, count: Count) -> usize {
    match count {
        Count::Characters => text.chars().count(),
        Count::CharactersWithoutCr => text.chars().filter(|c| *c != '\r').count(),
        Count::Utf16 => text.encode_utf16().count(),
        Count::Bytes => text.len(),
    }
}
