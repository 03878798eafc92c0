//! Walks a compiled mapping and shows every place of it that can be broken, always in the same order.
//!
//! A place is shown before what lies within it, and whatever it holds, so that its number stays the same while it is
//! changed.

use mappings::fhirpath::Expression;
use mappings::program::{
    AcceptedLoss, Alternative, Answer, Each, ExchangeName, Finish, Guard, Lines, Node, Outcome, PathPart, Place,
    Program, Reading, Reads, Request, RuleId, RuleInfo, Setting, StatusRule, Step, Then, Value,
};

/// One place that can be broken.
pub(crate) enum Spot<'p> {
    /// What stands in one place of a target; it can be left out.
    Node(&'p mut Node),
    /// One value.
    Value(&'p mut Value),
    /// What is done at the end of a value or of lines.
    Finish(&'p mut Finish),
    /// Lines of text.
    Lines(&'p mut Lines),
    /// A list.
    Each(&'p mut Each),
    /// An element as it stands: its rule, and whether it has to be there.
    Copy(RuleId, &'p mut bool),
    /// A condition.
    Condition(&'p mut Expression),
    /// A condition that may be absent, which means always.
    When(&'p mut Option<Expression>),
    /// Whether another page is waiting; absent means that none is.
    More(&'p mut Option<Expression>),
    /// A path that could give nothing.
    Path(&'p mut Expression),
    /// A path that could be absent.
    Optional(&'p mut Option<Expression>),
    /// A piece of a request's path.
    Part(&'p mut PathPart),
    /// A request.
    Request(&'p mut Request),
    /// A meaning of an answer.
    Outcome(&'p mut Outcome),
    /// Words that stand in the mapping.
    Words(&'p mut String),
    /// A guard.
    Guard(&'p mut Guard),
    /// A setting.
    Setting(&'p mut Setting),
    /// All accepted losses, one of which could be missing.
    Accepted(&'p mut Vec<AcceptedLoss>),
}

/// Where a place is.
pub(crate) struct Here {
    /// What it fills, as reports print it.
    pub(crate) target: String,
    /// File and line; of structure without a line of its own, that of the first rule in it.
    pub(crate) place: Option<Place>,
    /// Whether it stands in JSON, where types and empty lists can be seen.
    pub(crate) json: bool,
}

/// Shows every place of a program.
pub(crate) fn walk(program: &mut Program, visit: &mut dyn FnMut(&Here, Spot<'_>)) {
    let Program { exchanges, rules, variables, guards, settings, accepted_losses, report, .. } = program;
    let mut walker = Walker { rules, visit };
    for variable in variables {
        let here = Here { target: format!("variables.{}", variable.name), place: None, json: false };
        (walker.visit)(&here, Spot::Path(&mut variable.expression));
    }
    for setting in settings {
        let here = Here { target: format!("settings.{}", setting.name), place: None, json: false };
        (walker.visit)(&here, Spot::Setting(setting));
    }
    for (index, guard) in guards.iter_mut().enumerate() {
        let here = walker.here(&format!("refuse[{index}]"), Some(guard.rule), false);
        (walker.visit)(&here, Spot::Guard(guard));
        (walker.visit)(&here, Spot::Condition(&mut guard.when));
    }
    let here = Here { target: "accepted-losses".to_owned(), place: None, json: false };
    (walker.visit)(&here, Spot::Accepted(accepted_losses));
    for (name, steps) in exchanges {
        for step in steps {
            let target = format!("{}.{}", exchange_name(*name), step.name);
            walker.step(step, &target);
        }
    }
    if let Some(reading) = report {
        walker.reading(reading, "report");
    }
}

/// As it stands in a mapping.
const fn exchange_name(name: ExchangeName) -> &'static str {
    match name {
        ExchangeName::Submit => "submit",
        ExchangeName::Update => "update",
        ExchangeName::LookUp => "look-up",
        ExchangeName::Read => "read",
        ExchangeName::Poll => "poll",
        ExchangeName::Cancel => "cancel",
        ExchangeName::Hold => "hold",
        ExchangeName::Release => "release",
    }
}

struct Walker<'w> {
    rules: &'w [RuleInfo],
    visit: &'w mut dyn FnMut(&Here, Spot<'_>),
}

impl Walker<'_> {
    fn here(&self, target: &str, rule: Option<RuleId>, json: bool) -> Here {
        let place = rule.and_then(|rule| self.rules.get(rule.0 as usize)).map(|rule| rule.place);
        Here { target: target.to_owned(), place, json }
    }

    fn step(&mut self, step: &mut Step, target: &str) {
        let rule = first_of_request(&step.request).or_else(|| step.answer.outcomes.first().map(|outcome| outcome.rule));
        let request = format!("{target}.request");
        let here = self.here(&request, rule, false);
        (self.visit)(&here, Spot::Request(&mut step.request));
        for (index, part) in step.request.path.iter_mut().enumerate() {
            let own = if let PathPart::Value(rule, _) = part { Some(*rule) } else { rule };
            let here = self.here(&format!("{request}.path[{index}]"), own, false);
            (self.visit)(&here, Spot::Part(part));
        }
        for (name, node) in &mut step.request.query {
            self.node(node, &format!("{request}.query.{name}"), false);
        }
        for (name, node) in &mut step.request.headers {
            self.node(node, &format!("{request}.headers.{name}"), false);
        }
        if let Some(body) = &mut step.request.body {
            use mappings::program::Format;
            let json = matches!(body.format, Format::Json | Format::Fhir);
            let below = format!("{target}.body");
            let here = self.here(&format!("{below}.content-type"), first(&body.node), false);
            (self.visit)(&here, Spot::Words(&mut body.content_type));
            self.within(&mut body.node, &below, json);
        }
        self.answer(&mut step.answer, &format!("{target}.answer"));
    }

    /// A node that could be left out, and what lies within it.
    fn node(&mut self, node: &mut Node, target: &str, json: bool) {
        // What only holds others is broken by breaking those; a condition is broken by never holding.
        if !matches!(node, Node::Object(_) | Node::When { .. } | Node::Shared(_)) {
            let here = self.here(target, first(node), json);
            (self.visit)(&here, Spot::Node(node));
        }
        self.within(node, target, json);
    }

    fn within(&mut self, node: &mut Node, target: &str, json: bool) {
        match node {
            Node::Object(members) => {
                for member in members {
                    let below = format!("{target}.{}", member.name);
                    self.node(&mut member.node, &below, json);
                }
            }
            Node::Value(value) => self.value(value, target, json),
            Node::Lines(lines) => self.lines(lines, target, json),
            Node::Each(each) => {
                let here = self.here(target, Some(each.rule), json);
                (self.visit)(&here, Spot::Each(each));
                self.within(&mut each.item, &format!("{target}[]"), json);
            }
            Node::Choose(alternatives) => self.choose(alternatives, target, json),
            Node::Copy { rule, required, .. } => {
                let here = self.here(target, Some(*rule), json);
                (self.visit)(&here, Spot::Copy(*rule, required));
            }
            Node::When { condition, node } => {
                let here = self.here(target, first(node), json);
                (self.visit)(&here, Spot::Condition(condition));
                self.within(node, target, json);
            }
            // Used in one place only, unless the compiler shares it: then each use would change with the others.
            Node::Shared(shared) => {
                if let Some(node) = std::sync::Arc::get_mut(shared) {
                    self.node(node, target, json);
                }
            }
        }
    }

    fn choose(&mut self, alternatives: &mut [Alternative], target: &str, json: bool) {
        for (index, alternative) in alternatives.iter_mut().enumerate() {
            let below = format!("{target}(choice {})", index + 1);
            let here = self.here(&below, first(&alternative.node), json);
            (self.visit)(&here, Spot::When(&mut alternative.when));
            self.within(&mut alternative.node, &below, json);
        }
    }

    fn value(&mut self, value: &mut Value, target: &str, json: bool) {
        let here = self.here(target, Some(value.rule), json);
        (self.visit)(&here, Spot::Value(value));
        (self.visit)(&here, Spot::Finish(&mut value.finish));
    }

    fn lines(&mut self, lines: &mut Lines, target: &str, json: bool) {
        let here = self.here(target, Some(lines.rule), json);
        (self.visit)(&here, Spot::Lines(lines));
        (self.visit)(&here, Spot::Finish(&mut lines.finish));
        for (index, part) in lines.parts.iter_mut().enumerate() {
            self.value(part, &format!("{target}.lines[{index}]"), json);
        }
    }

    fn answer(&mut self, answer: &mut Answer, target: &str) {
        for (index, outcome) in answer.outcomes.iter_mut().enumerate() {
            let rule = outcome.rule;
            let below = format!("{target}.outcomes[{index}]");
            let here = self.here(&below, Some(rule), false);
            (self.visit)(&here, Spot::Outcome(outcome));
            // Without it the HTTP status decides as well.
            if !matches!(outcome.then, Then::HttpFailure) {
                (self.visit)(&here, Spot::When(&mut outcome.when));
            }
            self.then(&mut outcome.then, &below, rule);
        }
    }

    fn then(&mut self, then: &mut Then, target: &str, rule: RuleId) {
        let at = |walker: &Self, name: &str| walker.here(&format!("{target}.{name}"), Some(rule), false);
        match then {
            Then::Delivered { platform_referral, reports } => {
                let here = at(self, "platform-referral");
                (self.visit)(&here, Spot::Path(platform_referral));
                if let Some(reading) = reports {
                    self.reading(reading, &format!("{target}.reports"));
                }
            }
            Then::Next { notes, .. } => {
                for (name, path) in notes {
                    let here = at(self, &format!("notes.{name}"));
                    (self.visit)(&here, Spot::Path(path));
                }
            }
            Then::Reports { reading, cursor, more } => {
                self.reading(reading, &format!("{target}.reports"));
                for (name, path) in cursor {
                    let here = at(self, &format!("cursor.{name}"));
                    (self.visit)(&here, Spot::Path(path));
                }
                let here = at(self, "more");
                (self.visit)(&here, Spot::More(more));
            }
            Then::Failed { diagnostic, .. } => {
                let here = at(self, "diagnostic");
                (self.visit)(&here, Spot::Words(diagnostic));
            }
            Then::Absent | Then::HttpFailure => {}
        }
    }

    fn reading(&mut self, reading: &mut Reading, target: &str) {
        let here = |walker: &Self, name: &str| walker.here(&format!("{target}.{name}"), Some(reading.rule), false);
        if let Some(each) = &mut reading.each {
            let at = here(self, "each");
            (self.visit)(&at, Spot::Path(each));
        }
        match &mut reading.what {
            Reads::Changed(path) => {
                let at = here(self, "changed");
                (self.visit)(&at, Spot::Path(path));
            }
            Reads::Status(rule) => {
                let StatusRule { platform_referral, key, event, version, instant, status, reason, outputs } =
                    rule.as_mut();
                for (name, path) in [("platform-referral", platform_referral), ("event", event), ("status", status)] {
                    let at = here(self, name);
                    (self.visit)(&at, Spot::Path(path));
                }
                for (name, path) in [("key", key), ("version", version), ("instant", instant), ("reason", reason)] {
                    let at = here(self, name);
                    (self.visit)(&at, Spot::Optional(path));
                }
                for (index, output) in outputs.iter_mut().enumerate() {
                    let at = here(self, &format!("outputs[{index}]"));
                    (self.visit)(&at, Spot::Words(&mut output.kind));
                    (self.visit)(&at, Spot::Path(&mut output.text));
                }
            }
        }
    }
}

/// The first rule within a node, for the place of what has no line of its own.
fn first(node: &Node) -> Option<RuleId> {
    match node {
        Node::Object(members) => members.iter().find_map(|member| first(&member.node)),
        Node::Each(each) => Some(each.rule),
        Node::Value(value) => Some(value.rule),
        Node::Lines(lines) => Some(lines.rule),
        Node::Choose(alternatives) => alternatives.iter().find_map(|alternative| first(&alternative.node)),
        Node::Copy { rule, .. } => Some(*rule),
        Node::When { node, .. } => first(node),
        Node::Shared(node) => first(node),
    }
}

fn first_of_request(request: &Request) -> Option<RuleId> {
    let in_path = request.path.iter().find_map(|part| match part {
        PathPart::Value(rule, _) => Some(*rule),
        PathPart::Literal(_) => None,
    });
    let nodes = request.query.iter().chain(&request.headers).map(|(_, node)| node);
    in_path.or_else(|| nodes.chain(request.body.iter().map(|body| &body.node)).find_map(first))
}
