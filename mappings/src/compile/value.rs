//! Values: a path or a constant, and all that happens to it.

use super::paths::Path;
use super::target::At;
use super::types::{literal, literal_fits};
use super::{Compiler, Says};
use crate::diagnostic::Code;
use crate::program::{DateFormat, DatePart, Partial, Scalar, Source, Transform, Value};
use crate::source::Span;
use crate::spec::Text;
use crate::yaml::Node;

impl<'t> Compiler<'t> {
    pub(super) fn value(&mut self, node: &'t Node, at: At<'_>) -> Option<Value> {
        if let (Some(label), false) = (node.entry("label"), at.in_lines) {
            self.fault(Code::MisplacedKey, label.key_at, "`label` stands only in `lines`.", "Remove it.");
        }
        if node.has("constant") { self.constant(node, at) } else { self.from(node, at) }
    }

    fn constant(&mut self, node: &'t Node, at: At<'_>) -> Option<Value> {
        let at_value = node.value_at("constant");
        let (literal, own) = literal(node.get("constant")?)?;
        let kind = self.scalar_kind(node).unwrap_or(own);
        if !literal_fits(kind, &literal) {
            let fault = "The constant is not of the field's type.";
            self.fault(
                Code::BadLiteral,
                at_value,
                fault,
                "Correct the constant or the type. Text that looks like a number needs quotes.",
            );
        }
        let class = self.class_of_constant(node, at);
        let says =
            Says { target: at.target, class, means: node.text("means"), because: node.text("because"), text: "" };
        let rule = self.rule(node.key_at("constant"), says);
        self.check_constant(node, at, class, node.key_at("constant"));
        let transforms = self.transforms(node, kind);
        let finish = self.finish(node, kind, None, Some((&literal, at_value)));
        let label = node.text("label").map(|text| text.text.to_owned());
        Some(Value {
            rule,
            source: Source::Constant(literal),
            kind,
            map: None,
            format: None,
            join: None,
            transforms,
            label,
            finish,
        })
    }

    fn from(&mut self, node: &'t Node, at: At<'_>) -> Option<Value> {
        let text = node.text("from")?;
        let format = if at.is_body { None } else { node.text("format") };
        let parts = format.map(|format| (format, self.date_parts(format)));
        let kind = match &parts {
            Some((_, Some(parts))) => self.kind_by_pattern(node, parts),
            // The pattern was reported; that it is a date is what it was meant to say.
            Some((_, None)) => self.scalar_kind(node).unwrap_or(Scalar::Date),
            None => self.scalar_kind(node).unwrap_or(if node.has("map") { Scalar::Code } else { Scalar::Text }),
        };
        let class_said = self.class_key(node).or(at.class);
        let path = self.path(text, at.env);
        let map = self.code_rule(node, path.as_ref());
        let transforms = self.transforms(node, kind);
        let finish = self.finish(node, kind, path.as_ref(), None);
        let Some(path) = path else {
            // What does not need the path is still looked at, so that all faults come at once.
            self.known_element(node.text("means"));
            if class_said.is_none() {
                self.unclassed(node, at.place);
            }
            return None;
        };
        if let (Some(map), Some(text)) = (&map, node.text("map")) {
            self.check_targets(node, map, text);
        }
        if node.has("map") {
            self.check_code_source(&path, text.at);
        } else {
            self.check_type(&path, kind, text.at);
        }
        let join = self.join(node, &path, text.at);
        let format = self.date_format(node, kind, &path, parts, text.at);
        if path.cuts && !node.has("because") {
            let fault =
                "The path cuts what is sent (substring, replace, replaceMatches, split, toChars), and nobody sees it.";
            let mend = "Use `max-length` with `overflow`, or say with `because` why the rest is not wanted.";
            self.fault(Code::SilentCut, text.at, fault, mend);
        }
        let class = self.class_of_rule(node, &path, at);
        let says = Says {
            target: at.target,
            class,
            means: node.text("means"),
            because: node.text("because"),
            text: text.text,
        };
        let rule = self.rule(node.key_at("from"), says);
        if path.reads.is_empty() && path.expression.variables().is_empty() {
            // A literal in a path is a constant by another name.
            self.check_constant(node, at, class, text.at);
        } else {
            self.check_meaning(node, &path, at, text.at);
        }
        let needed = finish.required && finish.default.is_none() && !at.optional && !at.in_lines;
        self.keep_reads(Some(rule), &path, class, true, needed);
        let label = node.text("label").map(|text| text.text.to_owned());
        let source = Source::From(path.expression);
        Some(Value { rule, source, kind, map, format, join, transforms, label, finish })
    }

    /// The type of a value with a date pattern.
    fn kind_by_pattern(&mut self, node: &Node, parts: &[DatePart]) -> Scalar {
        let said = self.scalar_kind(node);
        let timed = parts.iter().any(|part| matches!(part, DatePart::Hour | DatePart::Minute | DatePart::Second));
        let by_pattern = if timed { Scalar::DateTime } else { Scalar::Date };
        match said {
            Some(Scalar::Date) if timed => {
                let fault = "The pattern has a time, and the type is a date.";
                self.fault(Code::KeyForOtherType, node.value_at("format"), fault, "Write `type: date-time`.");
                Scalar::Date
            }
            None | Some(Scalar::Text | Scalar::Date) => by_pattern,
            Some(Scalar::DateTime) => Scalar::DateTime,
            Some(other) => {
                let fault = "`format` is a pattern of dates, and the type is another.";
                self.fault(
                    Code::KeyForOtherType,
                    node.key_at("format"),
                    fault,
                    "Remove `format`, or write `type: date`.",
                );
                other
            }
        }
    }

    /// Reads a date pattern; reports what it does not know.
    fn date_parts(&mut self, format: Text<'_>) -> Option<Vec<DatePart>> {
        match date_parts(format.text) {
            Ok(parts) => Some(parts),
            Err(word) => {
                let fault = format!("`{word}` is no part of a date.");
                let mend =
                    "Use yyyy, MM, dd, HH, mm, ss and separators that are not letters; put words into quotes: 'at'.";
                self.fault(Code::BadPattern, format.at, fault, mend);
                None
            }
        }
    }

    fn date_format(
        &mut self,
        node: &Node,
        kind: Scalar,
        path: &Path,
        parts: Option<(Text<'_>, Option<Vec<DatePart>>)>,
        at: Span,
    ) -> Option<DateFormat> {
        let partial = node.text("partial").map(|text| text.text);
        if !matches!(kind, Scalar::Date | Scalar::DateTime) {
            if let Some(entry) = node.entry("partial") {
                let fault = "`partial` is for dates, and the field is none.";
                self.fault(Code::KeyForOtherType, entry.key_at, fault, "Remove it, or write `type: date`.");
            }
            return None;
        }
        let partial = match partial {
            Some("refuse") => Partial::Refuse,
            Some("omit") => Partial::Omit,
            Some(_) => Partial::Keep,
            None => {
                if Self::may_be_partial(path) && !node.has("map") {
                    let fault = "The date may lack day or month, and nothing says what happens then.";
                    self.fault(Code::PartialDate, at, fault, "Add `partial: refuse`, `omit` or `keep`.");
                }
                Partial::Refuse
            }
        };
        let parts = match parts {
            Some((_, parts)) => parts?,
            None if kind == Scalar::Date => date_parts("yyyy-MM-dd").unwrap_or_default(),
            None => Vec::new(),
        };
        Some(DateFormat { parts, partial })
    }

    fn join(&mut self, node: &Node, path: &Path, at: Span) -> Option<String> {
        let join = node.text("join").map(|text| text.text.to_owned());
        match (&join, path.result().many) {
            (None, true) => {
                let fault = "The path can give several values, and the field takes one.";
                self.fault(
                    Code::SeveralIntoOne,
                    at,
                    fault,
                    "Say which with first() or where(…), or join them: `join: \", \"`.",
                );
            }
            (Some(_), false) => {
                let fault = "The path gives one value at most: there is nothing to join.";
                self.faults.warn(Code::KeyForOtherType, node.key_at("join"), fault, "Remove `join`.");
            }
            _ => {}
        }
        join
    }

    pub(super) fn transforms(&mut self, node: &Node, kind: Scalar) -> Vec<Transform> {
        let list = node.list("transform");
        if !list.is_empty() && !matches!(kind, Scalar::Text | Scalar::Code) {
            let fault = "`transform` changes text, and the field is none.";
            self.fault(
                Code::KeyForOtherType,
                node.key_at("transform"),
                fault,
                "Remove it, or make the field a string.",
            );
        }
        list.iter().filter_map(Node::as_text).filter_map(|text| transform(text.text)).collect()
    }
}

fn transform(word: &str) -> Option<Transform> {
    Some(match word {
        "trim" => Transform::Trim,
        "collapse-whitespace" => Transform::CollapseWhitespace,
        "single-line" => Transform::SingleLine,
        "upper" => Transform::Upper,
        "lower" => Transform::Lower,
        "strip-html" => Transform::StripHtml,
        "digits-only" => Transform::DigitsOnly,
        _ => return None,
    })
}

/// Divides a date pattern; the error is the part that is not known.
fn date_parts(pattern: &str) -> Result<Vec<DatePart>, String> {
    let mut parts = Vec::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' => {
                let Some((words, after)) = rest.get(1..).and_then(|rest| rest.split_once('\'')) else {
                    return Err(rest.to_owned());
                };
                parts.push(DatePart::Literal(words.to_owned()));
                rest = after;
                continue;
            }
            letter if letter.is_alphabetic() => {
                let length = rest.find(|c| c != letter).unwrap_or(rest.len());
                let word = rest.get(..length).unwrap_or_default();
                parts.push(match word {
                    "yyyy" => DatePart::Year,
                    "MM" => DatePart::Month,
                    "dd" => DatePart::Day,
                    "HH" => DatePart::Hour,
                    "mm" => DatePart::Minute,
                    "ss" => DatePart::Second,
                    _ => return Err(word.to_owned()),
                });
                length
            }
            _ => {
                let length = rest.find(|c: char| c.is_alphabetic() || c == '\'').unwrap_or(rest.len());
                parts.push(DatePart::Literal(rest.get(..length).unwrap_or_default().to_owned()));
                length
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    if parts.iter().all(|part| matches!(part, DatePart::Literal(_))) {
        return Err(pattern.to_owned());
    }
    Ok(parts)
}
