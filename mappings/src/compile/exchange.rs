//! Exchanges: their steps, which follows which, and what each answer means.

use super::env::Env;
use super::paths::always;
use super::{Compiler, Says, Thing};
use crate::class::DataClass;
use crate::diagnostic::Code;
use crate::fhirpath::{Expression, Type};
use crate::program::{Answer, ExchangeName, Failure, Outcome, Repeat, Scalar, Slot, Step, Then};
use crate::spec::{Text, nearest};
use crate::yaml::{Entry, Node};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// All exchanges by their keys.
const EXCHANGES: [(&str, ExchangeName); 8] = [
    ("submit", ExchangeName::Submit),
    ("update", ExchangeName::Update),
    ("look-up", ExchangeName::LookUp),
    ("read", ExchangeName::Read),
    ("poll", ExchangeName::Poll),
    ("cancel", ExchangeName::Cancel),
    ("hold", ExchangeName::Hold),
    ("release", ExchangeName::Release),
];

/// Most names of notes in one exchange; those beyond it are unknown to paths.
const MOST_NAMES: usize = 100;

/// One exchange while it is compiled.
#[derive(Clone, Copy)]
struct This<'t> {
    key: &'static str,
    name: ExchangeName,
    steps: &'t [Node],
}

impl<'t> Compiler<'t> {
    pub(super) fn exchanges(&mut self) -> BTreeMap<ExchangeName, Vec<Step>> {
        let mut made = BTreeMap::new();
        let Some(exchanges) = self.tree.get("exchanges") else { return made };
        for (key, name) in EXCHANGES {
            self.check_declared(exchanges, key);
            let Some(entry) = exchanges.entry(key) else { continue };
            let steps = entry.value.items();
            if steps.is_empty() {
                if entry.value.scalar().is_none() {
                    let fault = format!("`{key}` has no steps.");
                    self.fault(Code::MissingKey, entry.key_at, fault, "Add a step, or remove it.");
                }
                continue;
            }
            made.insert(name, self.exchange(This { key, name, steps }, entry));
        }
        made
    }

    /// Holds the manifest's promises against what is there.
    fn check_declared(&mut self, exchanges: &Node, key: &'static str) {
        let can = self.manifest.capabilities;
        let (capability, declared) = match key {
            "look-up" => ("look-up", can.look_up),
            "poll" => ("poll", can.poll),
            "cancel" => ("cancel", can.cancel),
            "update" => ("amend = \"update\"", can.update),
            "hold" | "release" => ("hold", can.hold),
            _ => return,
        };
        match (exchanges.entry(key), declared) {
            (None, true) => {
                let fault = format!("`adapter.toml` declares `{capability}`, and there is no exchange `{key}`.");
                self.fault(
                    Code::ExchangeMissing,
                    self.tree.key_at("exchanges"),
                    fault,
                    "Add it, or take the capability back.",
                );
            }
            (Some(entry), false) => {
                let fault = format!("`adapter.toml` does not declare `{capability}`, so `{key}` is never used.");
                self.fault(
                    Code::ExchangeUndeclared,
                    entry.key_at,
                    fault,
                    "Declare the capability, or remove the exchange.",
                );
            }
            _ => {}
        }
    }

    fn exchange(&mut self, this: This<'t>, entry: &Entry) -> Vec<Step> {
        if this.steps.len() > self.manifest.steps as usize {
            let fault = format!(
                "`{}` has {} steps; `limits.steps` allows {}.",
                this.key,
                this.steps.len(),
                self.manifest.steps
            );
            self.fault(
                Code::TooManySteps,
                entry.key_at,
                fault,
                "Raise the limit in `adapter.toml`, or make fewer requests.",
            );
        }
        self.check_steps(this);
        if !self.can_succeed(this) {
            let good = if reports(this.name) { "reports" } else { "delivered" };
            let fault = format!("`{}` has no outcome `{good}`: it can only fail.", this.key);
            self.fault(Code::NeverSucceeds, entry.key_at, fault, format!("Add an outcome with `then: {good}`."));
        }
        let (asking, answering) = self.surroundings(this);
        let mut made = Vec::new();
        let mut names = BTreeSet::new();
        for step in this.steps {
            let Some(name) = step.text("step") else { continue };
            if !names.insert(name.text) {
                let fault = format!("There are two steps `{}`.", name.text);
                self.fault(Code::TwoRules, name.at, fault, "Give each step a name of its own.");
            }
            let request = step
                .get("request")
                .and_then(|node| self.request(node, &format!("{}.{}", this.key, name.text), &asking));
            let safe = request.as_ref().is_none_or(|request| request.repeat == Repeat::Safe);
            if reads_only(this.name) && !safe {
                let at = step.get("request").map_or(step.at, |node| node.value_at("repeat"));
                let fault = format!("`{}` only reads, and this request says that it changes something.", this.key);
                self.fault(
                    Code::NotSafe,
                    at,
                    fault,
                    "Write `repeat: safe`, if that is true; else read in another way.",
                );
            }
            let answer = step.get("answer").and_then(|node| self.answer(node, this, name, &answering));
            if let (Some(request), Some(answer)) = (request, answer) {
                made.push(Step { name: name.text.to_owned(), request, answer });
            }
        }
        made
    }

    /// Steps that no outcome leads to.
    fn check_steps(&mut self, this: This<'t>) {
        let named = |node: &'t Node| node.text("step").map(|text| text.text);
        let Some(first) = this.steps.first().and_then(named) else { return };
        let mut reached = BTreeSet::from([first]);
        let mut open = vec![first];
        while let Some(name) = open.pop() {
            let outcomes = this.steps.iter().filter(|step| named(step) == Some(name)).flat_map(outcomes_of);
            for next in outcomes.filter_map(named) {
                if reached.insert(next) {
                    open.push(next);
                }
            }
        }
        for name in this.steps.iter().filter_map(|step| step.text("step")) {
            if !reached.contains(name.text) {
                let fault = format!("No outcome leads to the step `{}`.", name.text);
                let mend = format!("Add `then: next` with `step: {}`, or remove the step.", name.text);
                self.fault(Code::Unreachable, name.at, fault, mend);
            }
        }
    }

    fn can_succeed(&self, this: This<'t>) -> bool {
        let good = if reports(this.name) { "reports" } else { "delivered" };
        this.steps.iter().flat_map(outcomes_of).any(|outcome| outcome.text("then").is_none_or(|then| then.text == good))
    }

    /// What paths may use in requests, and in answers.
    fn surroundings(&self, this: This<'t>) -> (Env, Env) {
        let base = match this.name {
            ExchangeName::Submit | ExchangeName::LookUp => Env::bare().and(&[Slot::Keys, Slot::AcceptedAt]),
            ExchangeName::Read | ExchangeName::Update => {
                Env::bare().and(&[Slot::Keys, Slot::AcceptedAt, Slot::PlatformReferral])
            }
            ExchangeName::Poll => Env::bare().with_cursor(keys_of(this.steps, "cursor")),
            ExchangeName::Cancel | ExchangeName::Hold | ExchangeName::Release => {
                Env::bare().and(&[Slot::Keys, Slot::AcceptedAt, Slot::PlatformReferral, Slot::Reason])
            }
        };
        let notes = keys_of(this.steps, "notes");
        let with_notes = |env: Env| if this.steps.len() > 1 { env.with_progress(notes.clone()) } else { env };
        let asking = match this.name {
            ExchangeName::Submit => Env::referral(self.variables.len()),
            ExchangeName::Update => Env::referral(self.variables.len()).and(&[Slot::PlatformReferral]),
            _ => base.clone(),
        };
        (with_notes(asking), with_notes(base.and(&[Slot::Status, Slot::Header])))
    }

    fn answer(&mut self, node: &'t Node, this: This<'t>, step: Text<'_>, env: &Env) -> Option<Answer> {
        let mut env = env.clone();
        let mut shape = None;
        if let Some(name) = node.text("shape") {
            shape = self.shape_named(name);
            env.broken = shape.is_none();
            env.context = shape.as_ref().map(|shape| Type::Shape(Arc::clone(shape)));
        }
        let mut outcomes = Vec::new();
        let mut closed = false;
        for (number, outcome) in node.list("outcomes").iter().enumerate() {
            if closed {
                let fault = "This is never reached: the outcome before it always holds.";
                self.fault(Code::Unreachable, outcome.at, fault, "Give the one before a `when`, or remove this one.");
            }
            let fits_all = !outcome.has("shape") && always(outcome.text("when"));
            closed = closed || (outcome.has("then") && fits_all);
            let (own, env) = self.own_shape(outcome, &env);
            let env = &env;
            let target = format!("{}.{}.outcomes[{number}]", this.key, step.text);
            let when = outcome.text("when");
            let rule = self
                .rule(outcome.at, Says { target: &target, text: when.map_or("", |when| when.text), ..Says::default() });
            let condition = when.map(|when| self.condition(when, env, Some(rule)));
            let then = self.then(outcome, this, &target, env);
            let shape = own;
            match (condition, then) {
                (Some(None), _) | (_, None) => {}
                (Some(Some(when)), Some(then)) => outcomes.push(Outcome { rule, shape, when: Some(when), then }),
                (None, Some(then)) => outcomes.push(Outcome { rule, shape, when: None, then }),
            }
        }
        Some(Answer { body: shape.is_some(), shape, outcomes })
    }

    /// The shape of one outcome, and what its paths may use.
    fn own_shape(&mut self, outcome: &'t Node, env: &Env) -> (Option<Arc<crate::fhirpath::Shape>>, Env) {
        let Some(name) = outcome.text("shape") else { return (None, env.clone()) };
        let shape = self.shape_named(name);
        let mut env = env.clone();
        env.broken = shape.is_none();
        env.context = shape.as_ref().map(|shape| Type::Shape(Arc::clone(shape)));
        (shape, env)
    }

    pub(super) fn shape_named(&mut self, name: Text<'_>) -> Option<Arc<crate::fhirpath::Shape>> {
        self.uses(Thing::Shape, name.text);
        if let Some((shape, _)) = self.shapes.get(name.text) {
            return Some(Arc::clone(shape));
        }
        let names = self.tree.map("shapes").iter().map(|entry| entry.key.as_str());
        // One that is declared and broken was reported where it is declared.
        if !names.clone().any(|declared| declared == name.text) {
            let mend = match nearest(name.text, names) {
                Some(near) => format!("Did you mean `{near}`?"),
                None => "Declare it under `shapes`.".to_owned(),
            };
            self.fault(Code::UnknownName, name.at, format!("There is no shape `{}`.", name.text), mend);
        }
        None
    }

    fn then(&mut self, node: &'t Node, this: This<'t>, target: &str, env: &Env) -> Option<Then> {
        let word = node.text("then")?;
        let allowed: &[&str] = match this.name {
            ExchangeName::Submit
            | ExchangeName::Update
            | ExchangeName::Cancel
            | ExchangeName::Hold
            | ExchangeName::Release => &["delivered"],
            ExchangeName::LookUp => &["delivered", "absent"],
            ExchangeName::Read => &["reports", "absent"],
            ExchangeName::Poll => &["reports"],
        };
        let keys: &[&str] = match word.text {
            "delivered" => &["platform-referral", "reports"],
            "next" => &["step", "notes"],
            "reports" if this.name == ExchangeName::Poll => &["reports", "cursor", "more"],
            "reports" => &["reports"],
            "failed" if busy(node) => &["code", "diagnostic", "wait-seconds"],
            "failed" => &["code", "diagnostic"],
            "unreadable" => &["diagnostic"],
            "absent" | "http-failure" => &[],
            _ => return None,
        };
        if matches!(word.text, "delivered" | "absent" | "reports") && !allowed.contains(&word.text) {
            let fault = format!("`{}` cannot end as `{}`.", this.key, word.text);
            let mend = format!(
                "It may end as {}, failed, unreadable or http-failure, or go on with next.",
                allowed.join(", ")
            );
            self.fault(Code::OutcomeMisfit, word.at, fault, mend);
        }
        self.check_outcome_keys(node, word, keys);
        match word.text {
            "delivered" => self.delivered(node, this, target, env),
            "absent" => Some(Then::Absent),
            "next" => self.next(node, this, env),
            "reports" => {
                let reading =
                    node.get("reports").and_then(|reports| self.reading(reports, node.key_at("reports"), target, env));
                let cursor = self.kept(node, "cursor", target, env);
                let more = node.text("more").and_then(|more| self.condition(more, env, None));
                Some(Then::Reports { reading: reading?, cursor, more })
            }
            "http-failure" => Some(Then::HttpFailure),
            _ => {
                let code = match node.text("code").map(|text| text.text) {
                    Some("refused") => Failure::Refused,
                    Some("partly-stored") => Failure::PartlyStored,
                    Some("busy") => {
                        let wait = node.text("wait-seconds").and_then(|text| text.text.parse().ok());
                        Failure::Busy { wait_seconds: wait? }
                    }
                    _ => Failure::Unreadable,
                };
                let usual = "The platform's answer is not what was agreed.";
                let diagnostic = node.text("diagnostic").map_or(usual, |text| text.text).to_owned();
                Some(Then::Failed { code, diagnostic })
            }
        }
    }

    fn check_outcome_keys(&mut self, node: &Node, word: Text<'_>, keys: &[&str]) {
        for entry in node.entries().iter().filter(|entry| OUTCOME_KEYS.contains(&entry.key.as_str())) {
            if !keys.contains(&entry.key.as_str()) {
                let fault = format!("`{}` means nothing for `then: {}` here.", entry.key, word.text);
                let mend =
                    if keys.is_empty() { "Remove it.".to_owned() } else { format!("It takes {}.", keys.join(", ")) };
                self.fault(Code::MisplacedKey, entry.key_at, fault, mend);
            }
        }
        let needed: &[&str] = match word.text {
            "next" => &["step"],
            "reports" => &["reports"],
            "failed" if busy(node) => &["code", "diagnostic", "wait-seconds"],
            "failed" => &["code", "diagnostic"],
            _ => &[],
        };
        for key in needed.iter().filter(|key| !node.has(key)) {
            let fault = format!("`then: {}` lacks `{key}`.", word.text);
            self.fault(Code::MissingKey, word.at, fault, format!("Add `{key}`."));
        }
    }

    fn delivered(&mut self, node: &'t Node, this: This<'t>, target: &str, env: &Env) -> Option<Then> {
        let known = env.allows(Slot::PlatformReferral);
        let platform_referral = match node.text("platform-referral") {
            Some(text) => self.word(text, env, target),
            // Whoever is told of a change is known by name already.
            None if known => self.word_of("%platformReferral", node, env, target),
            None => {
                let at = node.value_at("then");
                let fault = format!("`then: delivered` of `{}` lacks `platform-referral`.", this.key);
                self.fault(Code::MissingKey, at, fault, "Add a path to the platform's name for the referral.");
                None
            }
        };
        let reports = match node.get("reports") {
            Some(reports) => Some(self.reading(reports, node.key_at("reports"), target, env)?),
            None => None,
        };
        Some(Then::Delivered { platform_referral: platform_referral?, reports })
    }

    fn next(&mut self, node: &'t Node, this: This<'t>, env: &Env) -> Option<Then> {
        let name = node.text("step")?;
        let names = this.steps.iter().map(|step| step.text("step").map_or("", |text| text.text));
        let Some(step) = names.clone().position(|step| step == name.text) else {
            let mend = match nearest(name.text, names) {
                Some(near) => format!("Did you mean `{near}`?"),
                None => "Name a step of the same exchange.".to_owned(),
            };
            self.fault(Code::UnknownName, name.at, format!("There is no step `{}`.", name.text), mend);
            return None;
        };
        let notes = self.kept(node, "notes", "notes", env);
        Some(Then::Next { step, notes })
    }

    /// Notes and cursors: kept in clear, so no patient data.
    fn kept(&mut self, node: &'t Node, key: &str, target: &str, env: &Env) -> Vec<(String, Expression)> {
        let mut made = Vec::new();
        for entry in node.map(key) {
            let Some(text) = entry.value.as_text() else { continue };
            let target = format!("{target}.{key}.{}", entry.key);
            made.extend(self.word(text, env, &target).map(|path| (entry.key.clone(), path)));
        }
        made
    }

    /// A path that gives one word: an id, a number, a code.
    pub(super) fn word(&mut self, text: Text<'_>, env: &Env, target: &str) -> Option<Expression> {
        self.single(text, env, target, Scalar::Text)
    }

    fn word_of(&mut self, path: &str, node: &Node, env: &Env, target: &str) -> Option<Expression> {
        let scalar = crate::yaml::Scalar { text: path.to_owned(), style: crate::yaml::Style::Plain };
        self.word(Text { text: path, scalar: &scalar, at: node.value_at("then") }, env, target)
    }

    /// A path over an answer that gives one value of this kind, and nothing of which somebody could be hurt in a log.
    pub(super) fn single(&mut self, text: Text<'_>, env: &Env, target: &str, kind: Scalar) -> Option<Expression> {
        let path = self.path(text, env)?;
        if path.result().many {
            let fault = "The path can give several values, and one is wanted.";
            self.fault(
                Code::SeveralIntoOne,
                text.at,
                fault,
                "Say which with first() or where(…), or join them with join(', ').",
            );
        }
        self.check_type(&path, kind, text.at);
        if path.seen != DataClass::Administrative {
            let what = target.rsplit('.').next().unwrap_or(target);
            let fault = format!("`{what}` would hold {} data.", path.seen.word());
            self.fault(
                Code::PatientDataOutside,
                text.at,
                fault,
                "Notes, cursors and ids are kept in clear: use only what the platform gave as an id.",
            );
        }
        Some(path.expression)
    }
}

const OUTCOME_KEYS: [&str; 9] =
    ["platform-referral", "reports", "step", "notes", "cursor", "more", "code", "diagnostic", "wait-seconds"];

fn busy(outcome: &Node) -> bool {
    outcome.text("code").is_some_and(|code| code.text == "busy")
}

fn outcomes_of(step: &Node) -> &[Node] {
    step.get("answer").map(|answer| answer.list("outcomes")).unwrap_or_default()
}

/// The names under `notes` or `cursor` of all outcomes.
fn keys_of(steps: &[Node], key: &str) -> Vec<String> {
    let names: BTreeSet<&str> = steps
        .iter()
        .flat_map(outcomes_of)
        .flat_map(|outcome| outcome.map(key))
        .map(|entry| entry.key.as_str())
        .collect();
    names.into_iter().take(MOST_NAMES).map(str::to_owned).collect()
}

const fn reads_only(name: ExchangeName) -> bool {
    matches!(name, ExchangeName::LookUp | ExchangeName::Read | ExchangeName::Poll)
}

const fn reports(name: ExchangeName) -> bool {
    matches!(name, ExchangeName::Read | ExchangeName::Poll)
}
