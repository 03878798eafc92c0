//! Targets: objects, arrays, choices, lines, copies, fragments. Values have files of their own.

use super::env::Env;
use super::paths::{Path, always, type_names};
use super::{Compiler, RuleRead, Says, Thing};
use crate::class::{DataClass, class_of, covers};
use crate::diagnostic::Code;
use crate::fhirpath::Expression;
use crate::program::{Alternative, Each, Format, Lines, Member, Node as Target, RuleId, Slot, TooMany};
use crate::source::Span;
use crate::spec::{Text, nearest};
use crate::yaml::{Entry, Node};

/// Deepest nesting of fragments in each other; their number of uses is bounded by it and by [`MOST_TARGETS`].
const DEEPEST: usize = 16;
/// Most targets of one mapping. Fragments that use fragments twice each would else grow without bound.
const MOST_TARGETS: usize = 20_000;

/// Where a target stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    /// Its name in explanations.
    pub(super) target: &'a str,
    /// Class of what encloses it.
    pub(super) class: Option<DataClass>,
    /// What its paths may use.
    pub(super) env: &'a Env,
    /// Where it begins: its key, or its item.
    pub(super) place: Span,
    /// Whether it need not exist, so that nothing in it makes the referral need an element.
    pub(super) optional: bool,
    /// The place that is written to logs, if this is one: only administrative values may stand there.
    pub(super) exposed: Option<&'static str>,
    /// Format of the body that it stands in.
    pub(super) format: Option<&'a Format>,
    /// Whether `format` is the body's and not a date's.
    pub(super) is_body: bool,
    /// Whether it is a part of `lines`.
    pub(super) in_lines: bool,
}

impl<'a> At<'a> {
    fn within(self, target: &'a str, place: Span, class: Option<DataClass>) -> Self {
        Self { target, place, class, is_body: false, in_lines: false, ..self }
    }
}

impl<'t> Compiler<'t> {
    /// A target with its condition.
    pub(super) fn target(&mut self, node: &'t Node, at: At<'_>) -> Option<Target> {
        let Some(when) = node.text("when") else { return self.bare_target(node, at) };
        if always(Some(when)) {
            self.fault(Code::Unreachable, when.at, "This always holds.", "Remove `when`.");
        }
        let condition = self.shown_condition(when, at);
        let inner = self.bare_target(node, At { optional: true, ..at })?;
        Some(Target::When { condition: condition?, node: Box::new(inner) })
    }

    /// The condition of a target. Where everybody may look, the mere presence of a part tells what its condition asked.
    fn shown_condition(&mut self, when: Text<'t>, at: At<'_>) -> Option<Expression> {
        let condition = self.condition(when, at.env, None)?;
        let named = condition.variables().iter().any(|slot| *slot >= Slot::FIRST_NAMED);
        let read = condition.reads().iter().map(|read| class_of(&read.path)).max().unwrap_or_default();
        self.check_exposed(if named { read.max(DataClass::Need) } else { read }, at);
        Some(condition)
    }

    /// A target without its condition.
    fn bare_target(&mut self, node: &'t Node, at: At<'_>) -> Option<Target> {
        self.targets += 1;
        if self.targets > MOST_TARGETS {
            if self.targets > MOST_TARGETS + 1 {
                // Said once: what would be said again is the same fragment, used again.
                return None;
            }
            let fault = format!("The mapping has more than {MOST_TARGETS} targets, counting each use of a fragment.");
            self.fault(Code::TooLarge, self.tree.at, fault, "Do not let fragments use each other so often.");
            return None;
        }
        let class = self.class_key(node).or(at.class);
        let at = At { class, ..at };
        if node.has("fields") {
            return self.object(node.map("fields"), at);
        }
        if node.has("each") {
            return self.each(node, at);
        }
        if node.has("choose") {
            return self.choose(node, at);
        }
        if node.has("lines") {
            return self.lines(node, at);
        }
        if node.has("copy") {
            return self.copy(node, at);
        }
        if node.has("use") {
            return self.fragment(node, at);
        }
        if node.has("from") || node.has("constant") {
            return self.value(node, at).map(|value| Target::Value(Box::new(value)));
        }
        None
    }

    pub(super) fn class_key(&self, node: &Node) -> Option<DataClass> {
        DataClass::named(node.text("class")?.text)
    }

    fn object(&mut self, members: &'t [Entry], at: At<'_>) -> Option<Target> {
        let mut made = Vec::new();
        for Entry { key, key_at, value } in members {
            let target = format!("{}.{key}", at.target);
            let Some(node) = self.target(value, at.within(&target, *key_at, at.class)) else { continue };
            if matches!(at.format, Some(Format::Xml { .. })) && !is_xml_name(key) {
                let fault = format!("`{key}` cannot be a name in XML.");
                self.fault(
                    Code::BodyMisfit,
                    *key_at,
                    fault,
                    "Use letters, digits, `_`, `-`, `.`; `@name` for an attribute, `#text` for text.",
                );
            }
            let mut json = serde_json::Value::from(key.as_str()).to_string();
            json.push(':');
            made.push(Member { name: key.clone(), json, node });
        }
        if members.is_empty() {
            self.fault(Code::MissingKey, at.place, "The object has no fields.", "Add fields, or remove it.");
        }
        Some(Target::Object(made))
    }

    fn each(&mut self, node: &'t Node, at: At<'_>) -> Option<Target> {
        let over = node.text("each")?;
        let path = self.path(over, at.env);
        let class = path.as_ref().map_or(DataClass::Administrative, |path| path.class);
        self.check_exposed(class, at);
        let says = Says {
            target: at.target,
            class: class.max(at.class.unwrap_or_default()),
            means: node.text("means"),
            because: node.text("because"),
            text: over.text,
        };
        let rule = self.rule(node.key_at("each"), says);
        let limit = self.limit_of_items(node);
        let mut env = at.env.clone();
        match &path {
            Some(path) => match path.result().types.as_slice() {
                [one] => env = env.starting_from(Some(one.clone())),
                types => {
                    let fault = format!("The items are of {} kinds: {}.", types.len(), type_names(path.result()));
                    self.fault(Code::WrongType, over.at, fault, "Keep one kind with ofType().");
                    env.broken = true;
                }
            },
            None => env.broken = true,
        }
        let target = format!("{}[]", at.target);
        let items = node.get("items")?;
        let inner = At { env: &env, optional: true, ..at.within(&target, node.key_at("items"), at.class) };
        let before = self.reads.len();
        let item = self.target(items, inner);
        if let Some(path) = &path {
            self.keep_items(rule, path, before);
        }
        let omit_empty = match node.text("empty").map(|text| text.text) {
            Some("array") => false,
            None | Some("omit") => true,
            Some(_) => {
                let fault = "An array that is empty is left out or written as an empty array.";
                self.fault(Code::KeyForOtherType, node.value_at("empty"), fault, "Write `omit` or `array`.");
                true
            }
        };
        Some(Target::Each(Each { rule, over: path?.expression, item: Box::new(item?), limit, omit_empty }))
    }

    fn limit_of_items(&mut self, node: &Node) -> Option<(u32, TooMany)> {
        let most = node.count("limit")?;
        match node.text("overflow").map(|text| text.text) {
            Some("refuse") => Some((most, TooMany::Refuse)),
            Some("drop") => Some((most, TooMany::Drop)),
            Some("truncate") => {
                let fault = "Items are refused or dropped, not cut.";
                self.fault(Code::KeyForOtherType, node.value_at("overflow"), fault, "Write `refuse` or `drop`.");
                None
            }
            Some(_) => None,
            None => {
                let fault = "Nothing says what happens to items beyond the limit.";
                self.fault(
                    Code::NoOverflowRule,
                    node.key_at("limit"),
                    fault,
                    "Add `overflow: refuse` or `overflow: drop`.",
                );
                None
            }
        }
    }

    fn choose(&mut self, node: &'t Node, at: At<'_>) -> Option<Target> {
        let mut made = Vec::new();
        let mut closed = false;
        for alternative in node.list("choose") {
            let when = alternative.text("when");
            if closed {
                let fault = "This is never reached: the alternative before it always holds.";
                self.fault(
                    Code::Unreachable,
                    alternative.at,
                    fault,
                    "Give the one before a `when`, or remove this one.",
                );
            }
            closed = closed || always(when);
            let condition = when.map(|when| self.shown_condition(when, at));
            let inner = At { optional: true, in_lines: at.in_lines, ..at.within(at.target, alternative.at, at.class) };
            let Some(target) = self.bare_target(alternative, inner) else { continue };
            match condition {
                Some(None) => {}
                Some(Some(when)) => made.push(Alternative { when: Some(when), node: target }),
                None => made.push(Alternative { when: None, node: target }),
            }
        }
        Some(Target::Choose(made))
    }

    fn lines(&mut self, node: &'t Node, at: At<'_>) -> Option<Target> {
        let says = Says {
            target: at.target,
            class: at.class.unwrap_or_default(),
            means: node.text("means"),
            because: node.text("because"),
            text: "",
        };
        let rule = self.rule(node.key_at("lines"), says);
        self.known_element(node.text("means"));
        let mut parts = Vec::new();
        for (number, part) in node.list("lines").iter().enumerate() {
            if !part.has("from") && !part.has("constant") {
                if let Some(entry) = part.entries().iter().find(|entry| NOT_A_LINE.contains(&entry.key.as_str())) {
                    let fault = format!("A line is a value; `{}` cannot stand here.", entry.key);
                    self.fault(Code::MisplacedKey, entry.key_at, fault, "Write `from` or `constant`.");
                }
                continue;
            }
            for key in ["when", "empty", "max-length", "encode"].iter().filter(|key| part.has(key)) {
                let fault = format!("`{key}` means nothing for one line.");
                let mend = "Put it beside `lines`, where it holds for the whole text; or let the path give nothing.";
                self.fault(Code::MisplacedKey, part.key_at(key), fault, mend);
            }
            let target = format!("{}.lines[{number}]", at.target);
            let inner = At { in_lines: true, ..at.within(&target, part.at, self.class_key(part).or(at.class)) };
            parts.extend(self.value(part, inner));
        }
        let gravest = parts.iter().filter_map(|part| self.rules.get(part.rule.0 as usize)).map(|rule| rule.class).max();
        if let (Some(gravest), Some(whole)) = (gravest, self.rules.get_mut(rule.0 as usize)) {
            whole.class = whole.class.max(gravest);
        }
        if node.list("lines").is_empty() {
            self.fault(Code::MissingKey, node.key_at("lines"), "There are no lines.", "Add a value for each line.");
        }
        let separator = node.text("separator").map_or_else(|| "\n".to_owned(), |text| text.text.to_owned());
        let finish = self.finish_of_lines(node);
        Some(Target::Lines(Box::new(Lines { rule, parts, separator, finish })))
    }

    fn copy(&mut self, node: &'t Node, at: At<'_>) -> Option<Target> {
        let text = node.text("copy")?;
        if !matches!(at.format, Some(Format::Json | Format::Fhir)) {
            let fault = "A FHIR element can be copied only into a body of the format json or fhir.";
            self.fault(Code::MisplacedKey, node.key_at("copy"), fault, "Take its parts with `from`.");
        }
        let path = self.path(text, at.env)?;
        let class = self.class_of_rule(node, &path, at);
        let because = node.text("because");
        let says = Says { target: at.target, class, means: node.text("means"), because, text: text.text };
        let rule = self.rule(node.key_at("copy"), says);
        if path.result().many {
            let fault = "The path can give several elements, and one is copied.";
            self.fault(
                Code::SeveralIntoOne,
                text.at,
                fault,
                "Say which with first() or where(…), or copy each: `each` with `copy: $this`.",
            );
        }
        if path.result().types.iter().any(|ty| ty.path().is_none()) {
            let fault = format!("The path gives {}, which is no element of FHIR.", type_names(path.result()));
            self.fault(Code::WrongType, text.at, fault, "Use `from`.");
        }
        self.check_meaning(node, &path, at, text.at);
        let required = node.flag("required");
        self.keep_reads(Some(rule), &path, class, true, required && !at.optional);
        Some(Target::Copy { rule, from: path.expression, required })
    }

    fn fragment(&mut self, node: &'t Node, at: At<'_>) -> Option<Target> {
        let name = node.text("use")?;
        self.uses(Thing::Fragment, name.text);
        let Some(entry) = self.tree.map("fragments").iter().find(|entry| entry.key == name.text) else {
            let names = self.tree.map("fragments").iter().map(|entry| entry.key.as_str());
            let mend = match nearest(name.text, names) {
                Some(near) => format!("Did you mean `{near}`?"),
                None => "Declare it under `fragments`.".to_owned(),
            };
            self.fault(Code::UnknownName, name.at, format!("There is no fragment `{}`.", name.text), mend);
            return None;
        };
        if self.within.iter().any(|other| other == name.text) || self.within.len() >= DEEPEST {
            let fault =
                format!("The fragment `{}` contains itself, or fragments are more than {DEEPEST} deep.", name.text);
            self.fault(Code::Cycle, name.at, fault, "Let fragments use only others that do not use them.");
            return None;
        }
        self.within.push(name.text.to_owned());
        let made = self.target(&entry.value, at.within(at.target, entry.key_at, at.class));
        self.within.pop();
        made
    }

    /// A fragment that nothing uses is checked for its form only, which the key tables have done; that it is unused is
    /// said elsewhere.
    pub(super) fn check_fragments(&mut self) {
        for entry in self.tree.map("fragments") {
            if !self.used.contains(&(Thing::Fragment, entry.key.clone())) {
                let fault = format!("Nothing uses the fragment `{}`.", entry.key);
                self.fault(Code::Unused, entry.key_at, fault, "Use it, or remove it.");
            }
        }
    }

    /// What `each` reads: what its conditions look at; and the items themselves only if nothing is taken of them, since
    /// else the rules of the items say more exactly what is read.
    fn keep_items(&mut self, rule: RuleId, path: &Path, before: usize) {
        let inner: Vec<String> = self.reads.iter().skip(before).map(|read| read.path.clone()).collect();
        let mut kept = path.reads.clone();
        kept.retain(|(element, conveyed)| !conveyed || !inner.iter().any(|read| covers(element, read)));
        for (element, _) in kept {
            let class = self.class_of(&element, &path.urls);
            let urls = if element.contains(".extension") { path.urls.clone() } else { Vec::new() };
            self.reads.push(RuleRead { rule: Some(rule), path: element, conveyed: false, needed: false, class, urls });
        }
    }
}

fn is_xml_name(name: &str) -> bool {
    let bare = name.strip_prefix('@').unwrap_or(name);
    let mut letters = bare.chars();
    name == "#text"
        || (letters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
            && letters.all(|c| c.is_alphanumeric() || "_-.:".contains(c)))
}

const NOT_A_LINE: [&str; 6] = ["fields", "each", "choose", "lines", "copy", "use"];
