//! Functions of texts, and conversions between FHIRPath's own types.

use regex::{Regex, RegexBuilder};

use super::super::ast::{Node, Syntax};
use super::super::fault::Fault;
use super::super::pattern;
use super::super::plan::{Literal, Op, TextFunction};
use super::super::shape::ShapeKind;
use super::super::types::{NodeType, System, Type};
use super::functions::Call;
use super::{Checker, Part};

/// How large a compiled pattern may be.
const PATTERN_BYTES: usize = 256 << 10;

impl Checker<'_> {
    pub(super) fn text_function(&mut self, call: &Call<'_>) -> Option<Part> {
        use TextFunction as F;
        match call.name.text.as_str() {
            "indexOf" => self.examining(call, F::IndexOf, System::Integer),
            "startsWith" => self.examining(call, F::StartsWith, System::Boolean),
            "endsWith" => self.examining(call, F::EndsWith, System::Boolean),
            "contains" => self.examining(call, F::Contains, System::Boolean),
            "length" => self.length(call),
            "upper" => self.changing(call, F::Upper, &[]),
            "lower" => self.changing(call, F::Lower, &[]),
            "trim" => self.changing(call, F::Trim, &[]),
            "replace" => self.changing(call, F::Replace, &[System::String, System::String]),
            "substring" if call.arguments.len() == 1 => self.changing(call, F::Substring, &[System::Integer]),
            "substring" => self.changing(call, F::Substring, &[System::Integer, System::Integer]),
            "matches" | "replaceMatches" => self.patterns(call),
            "split" | "join" | "toChars" => self.pieces(call),
            _ => self.conversion(call),
        }
    }

    /// The input of a function of one text.
    fn text_input(&mut self, call: &Call<'_>) -> Option<Part> {
        let input = self.one_input(call)?;
        self.only(&input, &[System::String], call)?;
        Some(input)
    }

    fn argument(&mut self, call: &Call<'_>, place: usize, system: System) -> Option<Part> {
        let node = call.arguments.get(place)?;
        let what = format!("{}()", call.name.text);
        let part = self.one(node, call.focus, &what)?;
        if part.is_nothing() || part.only_system() == Some(system) {
            return Some(part);
        }
        let problem = format!("{what} needs {} here, and this is {}", system.name(), part.names());
        self.fault(Fault::new(node.at.clone(), problem).mend(call.form))
    }

    /// A function that says something of a text and does not pass it on.
    fn examining(&mut self, call: &Call<'_>, function: TextFunction, gives: System) -> Option<Part> {
        call.takes(1, 1, self)?;
        let from = self.text_input(call);
        let argument = self.argument(call, 0, System::String);
        let (from, argument) = (from?, argument?);
        self.examined(&from);
        self.examined(&argument);
        let may_be_empty = from.holds.may_be_empty || argument.holds.may_be_empty;
        let op = Op::Text { function, from: Box::new(from.op), arguments: Box::new([argument.op]) };
        Some(Part::system(op, gives, may_be_empty))
    }

    fn length(&mut self, call: &Call<'_>) -> Option<Part> {
        call.takes(0, 0, self)?;
        let from = self.text_input(call)?;
        self.examined(&from);
        let op = Op::Text { function: TextFunction::Length, from: Box::new(from.op), arguments: Box::new([]) };
        Some(Part::system(op, System::Integer, from.holds.may_be_empty))
    }

    /// A function that gives a text made of its input.
    fn changing(&mut self, call: &Call<'_>, function: TextFunction, takes: &[System]) -> Option<Part> {
        call.takes(takes.len(), takes.len(), self)?;
        let from = self.text_input(call);
        let arguments: Vec<_> =
            takes.iter().enumerate().map(|(place, system)| self.argument(call, place, *system)).collect();
        let from = from?;
        let mut sources = from.paths();
        let mut may_be_empty = from.holds.may_be_empty || function == TextFunction::Substring;
        let mut ops = Vec::new();
        for argument in arguments {
            let argument = argument?;
            may_be_empty |= argument.holds.may_be_empty;
            if function == TextFunction::Replace {
                sources.extend(argument.paths());
            } else {
                self.examined(&argument);
            }
            ops.push(argument.op);
        }
        let op = Op::Text { function, from: Box::new(from.op), arguments: ops.into() };
        let mut part = Part::system(op, System::String, may_be_empty);
        part.sources = sources;
        Some(part)
    }

    fn patterns(&mut self, call: &Call<'_>) -> Option<Part> {
        let replaces = call.name.text == "replaceMatches";
        call.takes(1 + usize::from(replaces), 1 + usize::from(replaces), self)?;
        let from = self.text_input(call);
        let pattern = call.arguments.first().and_then(|node| self.pattern(node));
        if !replaces {
            let (from, pattern) = (from?, pattern?);
            self.examined(&from);
            let op = Op::Matches { from: Box::new(from.op), pattern };
            return Some(Part::system(op, System::Boolean, from.holds.may_be_empty));
        }
        let node = call.arguments.get(1)?;
        let groups = pattern.as_ref().map_or(0, |pattern| pattern.captures_len() - 1);
        let substitution = self.literal_text(node).and_then(|text| match pattern::substitution(&text, groups) {
            Ok(substitution) => Some(substitution),
            Err(problem) => self.fault(Fault::new(node.at.clone(), problem).mend("$1 to $9 stand for groups")),
        });
        let (from, pattern, substitution) = (from?, pattern?, substitution?);
        let (may_be_empty, sources) = (from.holds.may_be_empty, from.paths());
        let op = Op::ReplaceMatches { from: Box::new(from.op), pattern, substitution: substitution.into() };
        let mut part = Part::system(op, System::String, may_be_empty);
        part.sources = sources;
        Some(part)
    }

    fn pattern(&mut self, node: &Node) -> Option<Regex> {
        let text = self.literal_text(node)?;
        let translated = match pattern::translate(&text) {
            Ok(translated) => translated,
            Err(problem) => {
                return self.fault(
                    Fault::new(node.at.clone(), problem).mend("write what all regular expression dialects read alike"),
                );
            }
        };
        let built = RegexBuilder::new(&translated)
            .dot_matches_new_line(true)
            .size_limit(PATTERN_BYTES)
            .dfa_size_limit(PATTERN_BYTES)
            .nest_limit(16)
            .build();
        match built {
            Ok(pattern) => Some(pattern),
            Err(_) => self.fault(
                Fault::new(node.at.clone(), "this is no regular expression, or too large a one")
                    .mend("check its brackets and repetitions"),
            ),
        }
    }

    /// A text that stands in the expression itself.
    pub(super) fn literal_text(&mut self, node: &Node) -> Option<String> {
        match &node.syntax {
            Syntax::Text(text) => return Some(text.clone()),
            Syntax::Variable(name) if self.scope.slot(name).is_none() => {
                let part = self.variable(name, &node.at)?;
                if let Op::Literal(Literal::Text(text)) = part.op {
                    return Some(text.into());
                }
            }
            _ => {}
        }
        self.fault(
            Fault::new(node.at.clone(), "this must be a text in the expression itself, so that it can be checked")
                .mend("'…'"),
        )
    }

    fn pieces(&mut self, call: &Call<'_>) -> Option<Part> {
        let name = call.name.text.as_str();
        let (least, most) = match name {
            "split" => (1, 1),
            "join" => (0, 1),
            _ => (0, 0),
        };
        call.takes(least, most, self)?;
        let from = if name == "join" { self.input(call)? } else { self.one_input(call)? };
        self.only(&from, &[System::String], call)?;
        let separator = match call.arguments.first() {
            Some(node) => {
                let text = self.literal_text(node)?;
                if text.is_empty() && name == "split" {
                    return self.fault(
                        Fault::new(node.at.clone(), "a text cannot be split at nothing")
                            .mend("toChars() gives characters"),
                    );
                }
                text
            }
            None => String::new(),
        };
        let sources = from.paths();
        let (many, may_be_empty) = (name != "join", from.holds.may_be_empty || name == "toChars");
        let from = Box::new(from.op);
        let op = match name {
            "split" => Op::Split { from, separator: separator.into() },
            "join" => Op::Join { from, separator: separator.into() },
            _ => Op::ToChars(from),
        };
        let mut part = Part::new(op, vec![Type::text()], many, may_be_empty);
        part.sources = sources;
        Some(part)
    }

    fn conversion(&mut self, call: &Call<'_>) -> Option<Part> {
        call.takes(0, 0, self)?;
        let name = call.name.text.as_str();
        let (asks, target) = match name.strip_prefix("convertsTo") {
            Some(target) => (true, target),
            None => (false, name.strip_prefix("to").unwrap_or_default()),
        };
        let to = System::named(target)?;
        let from = self.one_input(call)?;
        for ty in &from.holds.types {
            let scalar = matches!(ty.node(), Some(NodeType::Shape(ShapeKind::Scalar)));
            let fits = if scalar { to == System::String } else { ty.system().is_some_and(|from| converts(from, to)) };
            if !fits {
                let problem = format!("{} never converts to {}", ty.name(), to.name());
                return self
                    .fault(Fault::new(call.node.at.clone(), problem).mend("toString() first, or another element"));
            }
        }
        let (sources, may_be_empty) = (from.paths(), from.holds.may_be_empty);
        if asks {
            self.examined(&from);
            return Some(Part::system(Op::Converts { from: Box::new(from.op), to }, System::Boolean, may_be_empty));
        }
        let certain = to == System::String || from.only_system() == Some(to);
        let op = Op::Convert { from: Box::new(from.op), to };
        let mut part = Part::system(op, to, may_be_empty || !certain);
        part.sources = sources;
        Some(part)
    }
}

/// Whether some values of the one type convert to the other, by the tables of N1.
fn converts(from: System, to: System) -> bool {
    use System as S;
    match to {
        S::String => true,
        S::Boolean | S::Decimal => matches!(from, S::Boolean | S::String | S::Integer | S::Decimal),
        S::Integer => matches!(from, S::Boolean | S::String | S::Integer),
        S::Date | S::DateTime => matches!(from, S::String | S::Date | S::DateTime),
        S::Time => matches!(from, S::String | S::Time),
    }
}
