//! How the platform's statements on referrals are read: in answers and in pushed bodies.

use super::env::Env;
use super::paths::type_names;
use super::{Compiler, Says};
use crate::diagnostic::Code;
use crate::fhirpath::{Expression, Shape, Type};
use crate::program::{OutputRule, Reading, Reads, Scalar, StatusRule};
use crate::source::Span;
use crate::spec::Text;
use crate::yaml::Node;
use std::sync::Arc;

impl<'t> Compiler<'t> {
    /// The shape of pushed bodies, and how they are read.
    pub(super) fn report(&mut self) -> (Option<Arc<Shape>>, Option<Reading>) {
        let push = self.manifest.capabilities.push;
        let Some(entry) = self.tree.entry("report") else {
            if push {
                let fault = "`adapter.toml` declares `push`, and there is no `report`.";
                self.fault(Code::ExchangeMissing, self.tree.at, fault, "Add it, or take the capability back.");
            }
            return (None, None);
        };
        if !push {
            let fault = "`adapter.toml` does not declare `push`, so `report` is never used.";
            self.fault(Code::ExchangeUndeclared, entry.key_at, fault, "Declare the capability, or remove `report`.");
        }
        let node = &entry.value;
        let shape = node.text("shape").and_then(|name| self.shape_named(name));
        let mut env = Env::bare().starting_from(shape.as_ref().map(|shape| Type::Shape(Arc::clone(shape))));
        env.broken = shape.is_none();
        let reading =
            node.get("reports").and_then(|reports| self.reading(reports, node.key_at("reports"), "report", &env));
        (shape, reading)
    }

    pub(super) fn reading(&mut self, node: &'t Node, place: Span, target: &str, env: &Env) -> Option<Reading> {
        let target = format!("{target}.reports");
        let rule = self.rule(place, Says { target: &target, ..Says::default() });
        let mut inner = env.clone();
        let each = match node.text("each") {
            None => None,
            Some(text) => match self.path(text, env) {
                Some(path) => {
                    match path.result().types.as_slice() {
                        [one] => inner = env.starting_from(Some(one.clone())),
                        _ => {
                            let fault = format!("The items are of several kinds: {}.", type_names(path.result()));
                            self.fault(Code::WrongType, text.at, fault, "Let the path give items of one shape.");
                            inner.broken = true;
                        }
                    }
                    Some(Some(path.expression))
                }
                None => {
                    inner.broken = true;
                    Some(None)
                }
            },
        };
        let what = match node.text("changed") {
            Some(changed) => {
                for entry in node.entries().iter().filter(|entry| !matches!(entry.key.as_str(), "changed" | "each")) {
                    let fault = format!("`{}` means nothing beside `changed`.", entry.key);
                    self.fault(
                        Code::MisplacedKey,
                        entry.key_at,
                        fault,
                        "Keep `changed` alone: the referral is then read.",
                    );
                }
                if !self.tree.get("exchanges").is_some_and(|exchanges| exchanges.has("read")) {
                    let fault = "A statement that something changed needs the exchange `read`.";
                    self.fault(Code::ExchangeMissing, changed.at, fault, "Add `read` under `exchanges`.");
                }
                self.single(changed, &inner, &format!("{target}.changed"), Scalar::Text).map(Reads::Changed)
            }
            None => self.status_rule(node, place, &target, &inner).map(|rule| Reads::Status(Box::new(rule))),
        };
        let each = match each {
            Some(each) => Some(each?),
            None => None,
        };
        Some(Reading { rule, each, what: what? })
    }

    fn status_rule(&mut self, node: &'t Node, place: Span, target: &str, env: &Env) -> Option<StatusRule> {
        for key in ["platform-referral", "event", "status"].into_iter().filter(|key| !node.has(key)) {
            let fault = format!("`reports` lacks `{key}`.");
            self.fault(
                Code::MissingKey,
                place,
                fault,
                "Name the platform's referral, the statement and its status; or write `changed` alone.",
            );
        }
        if !node.has("version") && !node.has("instant") {
            let fault = "Nothing says which of two statements is the newer.";
            self.fault(
                Code::MissingKey,
                place,
                fault,
                "Add `version` (a number that grows) or `instant` (when it happened).",
            );
        }
        let mut take = |key: &str, kind: Scalar| {
            node.text(key).map(|text| self.single(text, env, &format!("{target}.{key}"), kind))
        };
        let platform_referral = take("platform-referral", Scalar::Text);
        let key = take("key", Scalar::Text);
        let event = take("event", Scalar::Text);
        let version = take("version", Scalar::Integer);
        let instant = take("instant", Scalar::DateTime);
        let status = take("status", Scalar::Code);
        let reason = take("reason", Scalar::Text);
        if let (Some(Some(path)), Some(text)) = (&status, node.text("status")) {
            self.check_statuses(path, text);
        }
        let mut outputs = Vec::new();
        for output in node.list("outputs") {
            let (Some(kind), Some(text)) = (output.text("kind"), output.text("text")) else { continue };
            let text = self.single(text, env, &format!("{target}.outputs"), Scalar::Text)?;
            outputs.push(OutputRule { kind: kind.text.to_owned(), text });
        }
        Some(StatusRule {
            platform_referral: platform_referral??,
            key: optional(key)?,
            event: event??,
            version: optional(version)?,
            instant: optional(instant)?,
            status: status??,
            reason: optional(reason)?,
            outputs,
        })
    }

    /// Each word that the shape allows needs a row in the manifest.
    fn check_statuses(&mut self, path: &Expression, text: Text<'_>) {
        let shapes: Vec<&Arc<Shape>> = path
            .result()
            .types
            .iter()
            .filter_map(|ty| if let Type::Shape(shape) = ty { Some(shape) } else { None })
            .collect();
        let listed: Vec<(Vec<String>, Span)> = self
            .enumerations
            .iter()
            .filter(|(shape, ..)| shapes.iter().any(|other| Arc::ptr_eq(shape, other)))
            .map(|(_, words, at)| (words.clone(), *at))
            .collect();
        for (words, at) in &listed {
            for word in words.iter().filter(|word| !self.manifest.statuses.contains(word)) {
                let fault = format!("`{word}` has no row in `[[statuses]]` of `adapter.toml`.");
                let mend = "Add a row that says what it means, or take the word out of the shape.";
                self.faults.add(Code::StatusUnknown, *at, fault, mend);
            }
        }
        let unheard: Vec<&String> = self
            .manifest
            .statuses
            .iter()
            .filter(|status| !listed.is_empty() && !listed.iter().any(|(words, _)| words.contains(status)))
            .collect();
        if !unheard.is_empty() {
            let names = unheard.iter().map(|status| format!("`{status}`")).collect::<Vec<_>>().join(", ");
            let fault = format!("`[[statuses]]` has rows that this can never read: {names}.");
            self.faults.warn(Code::StatusUnknown, text.at, fault, "Add the words to the shape, or remove the rows.");
        }
    }
}

/// A key that is not there is no fault; one whose path is broken is.
fn optional(taken: Option<Option<Expression>>) -> Option<Option<Expression>> {
    match taken {
        None => Some(None),
        Some(made) => made.map(Some),
    }
}
