//! The ways in which one place can be broken. Each is a value that changes places with the one that stands there, so that
//! doing it twice mends what it broke.
//!
//! Changes that could not be noticed by anybody are not made: what never holds is not left out as well, a marker that is
//! not written is not changed. What remains and still changes nothing is for the author to declare.

use super::walk::{Here, Spot};
use mappings::fhirpath::{Expression, Scope, compile};
use mappings::program::{
    AcceptedLoss, CodeRule, Count, DateFormat, DatePart, Each, Empty, Failure, Finish, Guard, Literal, MaxLength,
    Method, Mismatch, Node, Outcome, Overflow, Partial, PathPart, Repeat, Request, Scalar, Setting, Source, Then,
    TooMany, Transform, Unmapped, Value,
};
use std::mem::swap;

/// Stands after a text that was changed; no fixture has it.
const OTHER: &str = "~";

/// A value that changes places with the one that stands in a program.
#[derive(Debug)]
pub(super) enum Change {
    Node(Node),
    Source(Source),
    Kind(Scalar),
    Map(Option<CodeRule>),
    System(Option<String>),
    Unmapped(Unmapped),
    Format(Option<DateFormat>),
    Join(Option<String>),
    Transforms(Vec<Transform>),
    Label(Option<String>),
    MaxLength(Option<MaxLength>),
    Pattern(Option<(regex::Regex, Mismatch)>),
    OneOf(Option<(Vec<String>, Mismatch)>),
    Range(Option<(i64, i64, Mismatch)>),
    Default(Option<Literal>),
    Flag(bool),
    Empty(Empty),
    Base64(bool),
    Words(String),
    Limit(Option<(u32, TooMany)>),
    Expression(Expression),
    Optional(Option<Expression>),
    Part(PathPart),
    Method(Method),
    Repeat(Repeat),
    Then(Box<Then>),
    SettingDefault(Option<String>),
    SettingPattern(Option<regex::Regex>),
    SettingValues(Vec<String>),
    /// Takes the loss at this place out, or puts it back.
    Accepted(usize, Option<AcceptedLoss>),
}

/// Does a change, or undoes it.
pub(super) fn toggle(spot: Spot<'_>, change: &mut Change) {
    match (spot, change) {
        (Spot::Node(it), Change::Node(other)) => swap(it, other),
        (Spot::Value(it), change) => toggle_value(it, change),
        (Spot::Finish(it), change) => toggle_finish(it, change),
        (Spot::Words(it), Change::Words(other)) => swap(it, other),
        (Spot::Lines(it), Change::Words(other)) => swap(&mut it.separator, other),
        (Spot::Each(it), Change::Limit(other)) => swap(&mut it.limit, other),
        (Spot::Each(it), Change::Flag(other)) => swap(&mut it.omit_empty, other),
        (Spot::Copy(_, it), Change::Flag(other)) => swap(it, other),
        (Spot::Condition(it) | Spot::Path(it), Change::Expression(other)) => swap(it, other),
        (Spot::When(it) | Spot::More(it) | Spot::Optional(it), Change::Optional(other)) => swap(it, other),
        (Spot::Part(it), Change::Part(other)) => swap(it, other),
        (Spot::Request(it), Change::Method(other)) => swap(&mut it.method, other),
        (Spot::Request(it), Change::Repeat(other)) => swap(&mut it.repeat, other),
        (Spot::Outcome(it), Change::Then(other)) => swap(&mut it.then, other.as_mut()),
        (Spot::Guard(it), Change::Flag(other)) => swap(&mut it.unsafe_to_send, other),
        (Spot::Guard(it), Change::Words(other)) => swap(&mut it.element, other),
        (Spot::Setting(it), change) => toggle_setting(it, change),
        (Spot::Accepted(losses), Change::Accepted(at, spare)) => match spare.take() {
            Some(loss) => losses.insert(*at, loss),
            None => *spare = (*at < losses.len()).then(|| losses.remove(*at)),
        },
        // A change is made for its spot: nothing else is ever asked.
        (_, _) => {}
    }
}

fn toggle_value(value: &mut Value, change: &mut Change) {
    match change {
        Change::Source(other) => swap(&mut value.source, other),
        Change::Kind(other) => swap(&mut value.kind, other),
        Change::Map(other) => swap(&mut value.map, other),
        Change::System(other) => value.map.iter_mut().for_each(|map| swap(&mut map.system, other)),
        Change::Unmapped(other) => value.map.iter_mut().for_each(|map| swap(&mut map.unmapped, other)),
        Change::Format(other) => swap(&mut value.format, other),
        Change::Join(other) => swap(&mut value.join, other),
        Change::Transforms(other) => swap(&mut value.transforms, other),
        Change::Label(other) => swap(&mut value.label, other),
        _ => {}
    }
}

fn toggle_finish(finish: &mut Finish, change: &mut Change) {
    match change {
        Change::MaxLength(other) => swap(&mut finish.max_length, other),
        Change::Pattern(other) => swap(&mut finish.pattern, other),
        Change::OneOf(other) => swap(&mut finish.one_of, other),
        Change::Range(other) => swap(&mut finish.range, other),
        Change::Default(other) => swap(&mut finish.default, other),
        Change::Flag(other) => swap(&mut finish.required, other),
        Change::Empty(other) => swap(&mut finish.empty, other),
        Change::Base64(other) => swap(&mut finish.base64, other),
        _ => {}
    }
}

fn toggle_setting(setting: &mut Setting, change: &mut Change) {
    match change {
        Change::Flag(other) => swap(&mut setting.required, other),
        Change::Kind(other) => swap(&mut setting.kind, other),
        Change::SettingDefault(other) => swap(&mut setting.default, other),
        Change::SettingPattern(other) => swap(&mut setting.pattern, other),
        Change::SettingValues(other) => swap(&mut setting.one_of, other),
        _ => {}
    }
}

/// Paths that mean the same everywhere.
pub(super) struct Constants {
    nothing: Expression,
    always: Expression,
    never: Expression,
}

impl Constants {
    pub(super) fn new() -> Self {
        let constant = |text| compile(text, &Scope::new()).expect("literals are paths");
        Self { nothing: constant("{}"), always: constant("true"), never: constant("false") }
    }

    /// Every change of this place, in words.
    pub(super) fn changes(&self, here: &Here, spot: &Spot<'_>) -> Vec<(String, Change)> {
        let mut all = Changes(Vec::new());
        match spot {
            Spot::Node(_) => all.add("left out", Change::Node(Node::Choose(Vec::new()))),
            Spot::Value(value) => self.value(value, here, &mut all),
            Spot::Finish(finish) => all.finish(finish),
            Spot::Lines(lines) if lines.parts.len() > 1 => {
                all.add("separator changed", Change::Words(format!("{}{OTHER}", lines.separator)));
            }
            Spot::Lines(_) => {}
            Spot::Words(text) => all.add("words changed", Change::Words(format!("{text}{OTHER}"))),
            Spot::Each(each) => all.each(each, here.json),
            Spot::Copy(_, true) => all.add("`required` dropped", Change::Flag(false)),
            Spot::Copy(_, false) => {}
            Spot::Condition(_) => {
                all.add("condition always holds", Change::Expression(self.always.clone()));
                all.add("condition never holds", Change::Expression(self.never.clone()));
            }
            Spot::When(when) => {
                if when.is_some() {
                    all.add("condition always holds", Change::Optional(None));
                }
                all.add("condition never holds", Change::Optional(Some(self.never.clone())));
            }
            Spot::More(Some(more)) => {
                if more.text() != "true" {
                    all.add("condition always holds", Change::Optional(Some(self.always.clone())));
                }
                all.add("condition never holds", Change::Optional(None));
            }
            Spot::More(None) => {}
            Spot::Path(_) => all.add("gives nothing", Change::Expression(self.nothing.clone())),
            Spot::Optional(Some(_)) => all.add("gives nothing", Change::Optional(None)),
            Spot::Optional(None) => {}
            Spot::Part(PathPart::Literal(text)) => {
                all.add("part changed", Change::Part(PathPart::Literal(format!("{text}{OTHER}"))));
            }
            Spot::Part(PathPart::Value(..)) => {
                all.add("part changed", Change::Part(PathPart::Literal(OTHER.to_owned())));
            }
            Spot::Request(request) => all.request(request),
            Spot::Outcome(outcome) => all.outcome(outcome),
            Spot::Guard(guard) => all.guard(guard),
            Spot::Setting(setting) => all.setting(setting),
            Spot::Accepted(losses) => {
                for (index, loss) in losses.iter().enumerate() {
                    all.add(&format!("{} not accepted", loss.element), Change::Accepted(index, None));
                }
            }
        }
        all.0
    }

    fn value(&self, value: &Value, here: &Here, all: &mut Changes) {
        let finish = &value.finish;
        match &value.source {
            Source::Constant(literal) => {
                all.add("constant changed", Change::Source(Source::Constant(other(literal))));
            }
            // A member that can be left out has been; choices, lines and items of lists cannot.
            Source::From(_)
                if here.target.ends_with([')', ']'])
                    || finish.default.is_some()
                    || finish.required
                    || finish.empty != Empty::Omit =>
            {
                all.add("path gives nothing", Change::Source(Source::From(self.nothing.clone())));
            }
            Source::From(_) => {}
        }
        if here.json && matches!(value.kind, Scalar::Integer | Scalar::Decimal | Scalar::Boolean) {
            all.add("written as text", Change::Kind(Scalar::Text));
        }
        if let Some(map) = &value.map {
            all.add("code map dropped", Change::Map(None));
            if map.system.is_some() {
                all.add("code system changed", Change::System(Some(OTHER.to_owned())));
            }
            let unmapped = match &map.unmapped {
                Unmapped::Keep => Unmapped::Refuse,
                Unmapped::Refuse | Unmapped::Omit | Unmapped::Code(_) => Unmapped::Keep,
            };
            all.add("unmapped codes treated otherwise", Change::Unmapped(unmapped));
        }
        all.format(value);
        if let Some(join) = &value.join {
            all.add("`join` changed", Change::Join(Some(format!("{join}{OTHER}"))));
        }
        for (index, transform) in value.transforms.iter().enumerate() {
            let mut rest = value.transforms.clone();
            rest.remove(index);
            all.add(&format!("`{}` dropped", transform_name(*transform)), Change::Transforms(rest));
        }
        if value.label.is_some() {
            all.add("label dropped", Change::Label(None));
        }
    }
}

/// Another value of the same type.
fn other(literal: &Literal) -> Literal {
    match literal {
        Literal::Text(text) => Literal::Text(format!("{text}{OTHER}")),
        Literal::Integer(number) => Literal::Integer(number.wrapping_add(1)),
        Literal::Decimal(digits) => Literal::Decimal(format!("{digits}1")),
        Literal::Boolean(is) => Literal::Boolean(!is),
    }
}

struct Changes(Vec<(String, Change)>);

impl Changes {
    fn add(&mut self, words: &str, change: Change) {
        self.0.push((words.to_owned(), change));
    }

    fn format(&mut self, value: &Value) {
        let Some(format) = &value.format else { return };
        if !format.parts.is_empty() {
            let mut parts = format.parts.clone();
            parts.push(DatePart::Literal(OTHER.to_owned()));
            self.add("date pattern changed", Change::Format(Some(DateFormat { parts, partial: format.partial })));
        }
        let partial = match format.partial {
            Partial::Refuse | Partial::Keep => Partial::Omit,
            Partial::Omit => Partial::Keep,
        };
        self.add("partial dates treated otherwise", Change::Format(Some(DateFormat { partial, ..format.clone() })));
    }

    fn finish(&mut self, finish: &Finish) {
        if let Some(limit) = &finish.max_length {
            self.max_length(limit);
        }
        if let Some((pattern, mismatch)) = &finish.pattern {
            self.add("pattern dropped", Change::Pattern(None));
            self.add("mismatch treated otherwise", Change::Pattern(Some((pattern.clone(), opposite(*mismatch)))));
        }
        if let Some((values, mismatch)) = &finish.one_of {
            self.add("`one-of` dropped", Change::OneOf(None));
            self.add("mismatch treated otherwise", Change::OneOf(Some((values.clone(), opposite(*mismatch)))));
        }
        if let Some((least, most, mismatch)) = finish.range {
            if least > i64::MIN {
                self.add(&format!("min {least} -> {}", least + 1), Change::Range(Some((least + 1, most, mismatch))));
                self.add(&format!("min {least} -> {}", least - 1), Change::Range(Some((least - 1, most, mismatch))));
            }
            if most < i64::MAX {
                self.add(&format!("max {most} -> {}", most - 1), Change::Range(Some((least, most - 1, mismatch))));
                self.add(&format!("max {most} -> {}", most + 1), Change::Range(Some((least, most + 1, mismatch))));
            }
            self.add("mismatch treated otherwise", Change::Range(Some((least, most, opposite(mismatch)))));
        }
        if let Some(default) = &finish.default {
            self.add("default changed", Change::Default(Some(other(default))));
        }
        if finish.required {
            self.add("`required` dropped", Change::Flag(false));
        }
        if finish.empty != Empty::Omit {
            self.add("`empty` dropped", Change::Empty(Empty::Omit));
        }
        if finish.base64 {
            self.add("`encode` dropped", Change::Base64(false));
        }
    }

    fn max_length(&mut self, limit: &MaxLength) {
        for most in [limit.most.saturating_sub(1), limit.most.saturating_add(1)] {
            let words = format!("max-length {} -> {most}", limit.most);
            self.add(&words, Change::MaxLength(Some(MaxLength { most, ..limit.clone() })));
        }
        if limit.count != Count::Characters {
            let change = Change::MaxLength(Some(MaxLength { count: Count::Characters, ..limit.clone() }));
            self.add("counted in characters", change);
        }
        let (words, overflow) = match &limit.overflow {
            Overflow::Refuse => ("cut, not refused", Overflow::Truncate { marker: String::new() }),
            Overflow::Truncate { marker } => {
                ("marker changed", Overflow::Truncate { marker: format!("{marker}{OTHER}") })
            }
        };
        self.add(words, Change::MaxLength(Some(MaxLength { overflow, ..limit.clone() })));
    }

    fn each(&mut self, each: &Each, json: bool) {
        if let Some((most, beyond)) = each.limit {
            for other in [most.saturating_sub(1), most.saturating_add(1)] {
                self.add(&format!("limit {most} -> {other}"), Change::Limit(Some((other, beyond))));
            }
            let opposite = match beyond {
                TooMany::Refuse => TooMany::Drop,
                TooMany::Drop => TooMany::Refuse,
            };
            self.add("too many treated otherwise", Change::Limit(Some((most, opposite))));
        }
        if json {
            self.add("empty list treated otherwise", Change::Flag(!each.omit_empty));
        }
    }

    fn request(&mut self, request: &Request) {
        let method = if request.method == Method::Post { Method::Put } else { Method::Post };
        self.add("method changed", Change::Method(method));
        let repeat = if request.repeat == Repeat::Safe { Repeat::LookUpFirst } else { Repeat::Safe };
        self.add("`repeat` changed", Change::Repeat(repeat));
    }

    fn outcome(&mut self, outcome: &Outcome) {
        if let Then::Failed { code: Failure::Busy { wait_seconds }, diagnostic } = &outcome.then {
            let code = Failure::Busy { wait_seconds: wait_seconds.saturating_add(1) };
            let then = Then::Failed { code, diagnostic: diagnostic.clone() };
            self.add("another wait", Change::Then(Box::new(then)));
        }
        let (words, then) = match &outcome.then {
            Then::Absent => ("taken for a failure", Then::HttpFailure),
            Then::Failed { code, diagnostic } => {
                let code = if *code == Failure::Refused { Failure::Unreadable } else { Failure::Refused };
                ("another failure", Then::Failed { code, diagnostic: diagnostic.clone() })
            }
            Then::Delivered { .. } | Then::Next { .. } | Then::Reports { .. } | Then::HttpFailure => {
                ("taken for absent", Then::Absent)
            }
        };
        self.add(words, Change::Then(Box::new(then)));
    }

    fn guard(&mut self, guard: &Guard) {
        self.add("`unsafe` changed", Change::Flag(!guard.unsafe_to_send));
        self.add("element changed", Change::Words(format!("{}{OTHER}", guard.element)));
    }

    fn setting(&mut self, setting: &Setting) {
        if setting.required {
            self.add("`required` dropped", Change::Flag(false));
        }
        if let Some(default) = &setting.default {
            let other = match setting.kind {
                Scalar::Boolean => if default == "true" { "false" } else { "true" }.to_owned(),
                Scalar::Integer | Scalar::Decimal => format!("{default}1"),
                _ => format!("{default}{OTHER}"),
            };
            self.add("default changed", Change::SettingDefault(Some(other)));
        }
        if setting.kind != Scalar::Text {
            self.add("any text allowed", Change::Kind(Scalar::Text));
        }
        if setting.pattern.is_some() {
            self.add("pattern dropped", Change::SettingPattern(None));
        }
        if !setting.one_of.is_empty() {
            self.add("`one-of` dropped", Change::SettingValues(Vec::new()));
        }
    }
}

/// As it stands in a mapping.
const fn transform_name(transform: Transform) -> &'static str {
    match transform {
        Transform::Trim => "trim",
        Transform::CollapseWhitespace => "collapse-whitespace",
        Transform::SingleLine => "single-line",
        Transform::Upper => "upper",
        Transform::Lower => "lower",
        Transform::StripHtml => "strip-html",
        Transform::DigitsOnly => "digits-only",
    }
}

const fn opposite(mismatch: Mismatch) -> Mismatch {
    match mismatch {
        Mismatch::Refuse => Mismatch::Omit,
        Mismatch::Omit => Mismatch::Refuse,
    }
}
