//! The checker: gives every part of an expression its types and cardinality, and makes the plan. What it cannot prove
//! to answer as the specification says, it refuses.

mod functions;
mod literals;
mod members;
mod narrow;
mod operators;
mod reads;
mod texts;

use std::collections::BTreeSet;
use std::ops::Range;

use super::ast::{Node, Special, Syntax};
use super::fault::Fault;
use super::nearest::nearest;
use super::plan::Op;
use super::types::{ResultType, Scope, System, Type};

pub use reads::{Read, Use};

/// A checked part: what it does, and what it gives.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) op: Op,
    pub(super) holds: ResultType,
    /// The paths from which computed items come.
    pub(super) sources: Vec<String>,
}

impl Part {
    fn new(op: Op, types: Vec<Type>, many: bool, may_be_empty: bool) -> Self {
        Self { op, holds: ResultType { types, many, may_be_empty }, sources: Vec::new() }
    }

    fn system(op: Op, system: System, may_be_empty: bool) -> Self {
        Self::new(op, vec![Type::System(system)], false, may_be_empty)
    }

    /// The same items, handled by another operation.
    fn with(self, op: impl FnOnce(Box<Op>) -> Op) -> Self {
        Self { op: op(Box::new(self.op)), ..self }
    }

    /// What is always empty.
    fn nothing() -> Self {
        Self::new(Op::Nothing, Vec::new(), false, true)
    }

    fn is_nothing(&self) -> bool {
        self.holds.types.is_empty()
    }

    /// The one system type that all its items have, if there is one.
    fn only_system(&self) -> Option<System> {
        let mut systems = self.holds.types.iter().map(Type::system);
        let first = systems.next()??;
        systems.all(|system| system == Some(first)).then_some(first)
    }

    fn names(&self) -> String {
        let mut names: Vec<&str> = self.holds.types.iter().map(Type::name).collect();
        names.sort_unstable();
        names.dedup();
        if names.len() > 6 {
            names.truncate(5);
            names.push("…");
        }
        names.join(", ")
    }
}

/// What `$this` is.
#[derive(Debug, Clone)]
pub(super) struct Focus {
    this: Option<Part>,
    /// Whether this is the inside of `where` or its like, where `$index` has a meaning.
    inner: bool,
}

/// The outcome of a check.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) part: Part,
    pub(super) reads: Vec<Read>,
    pub(super) variables: BTreeSet<usize>,
    /// Whether any part starts from the context.
    pub(super) context: bool,
}

/// Checks an expression in a scope.
pub(super) fn check(node: &Node, scope: &Scope) -> Result<Checked, Vec<Fault>> {
    let mut checker =
        Checker { scope, faults: Vec::new(), reads: Vec::new(), variables: BTreeSet::new(), context: false };
    let this = scope.context.clone().map(|context| Part::new(Op::This, vec![context], false, false));
    let part = checker.part(node, &Focus { this, inner: false });
    match part {
        Some(part) if checker.faults.is_empty() => {
            checker.conveyed(&part);
            let reads = reads::strongest(checker.reads);
            Ok(Checked { part, reads, variables: checker.variables, context: checker.context })
        }
        _ => {
            checker.faults.sort_by_key(|fault| (fault.at.start, fault.at.end));
            checker.faults.dedup();
            Err(checker.faults)
        }
    }
}

pub(super) struct Checker<'s> {
    scope: &'s Scope,
    faults: Vec<Fault>,
    reads: Vec<Read>,
    variables: BTreeSet<usize>,
    context: bool,
}

impl Checker<'_> {
    /// Keeps a fault; the `None` says that there is no part to go on with.
    fn fault<T>(&mut self, fault: Fault) -> Option<T> {
        self.faults.push(fault);
        None
    }

    fn part(&mut self, node: &Node, focus: &Focus) -> Option<Part> {
        match &node.syntax {
            Syntax::Empty => Some(Part::nothing()),
            Syntax::Boolean(_) | Syntax::Text(_) | Syntax::Number(_) | Syntax::Temporal(_) | Syntax::Quantity => {
                self.literal(node)
            }
            Syntax::Special(special) => self.special(*special, &node.at, focus),
            Syntax::Variable(name) => self.variable(name, &node.at),
            Syntax::Member(None, name) => self.first_member(name, focus),
            Syntax::Member(Some(input), name) => {
                let input = self.part(input, focus)?;
                self.member(input, name)
            }
            Syntax::Call(input, name, arguments) => self.call(input.as_deref(), name, arguments, node, focus),
            Syntax::Index(input, index) => self.index(input, index, focus),
            Syntax::Sign(minus, operand) => self.sign(*minus, operand, node, focus),
            Syntax::Binary(operator, left, right) => self.binary(*operator, left, right, node, focus),
            Syntax::TypeTest(cast, input, name) => self.type_test(*cast, input, name, node, focus),
        }
    }

    fn special(&mut self, special: Special, at: &Range<usize>, focus: &Focus) -> Option<Part> {
        match special {
            Special::This => match &focus.this {
                Some(this) => {
                    self.context |= !focus.inner;
                    Some(this.clone())
                }
                None => self.fault(no_context(at)),
            },
            Special::Index if focus.inner => Some(Part::system(Op::Index, System::Integer, false)),
            Special::Index => self.fault(
                Fault::new(at.clone(), "$index has a meaning only inside where, select, all and exists")
                    .mend("remove it"),
            ),
            Special::Total => self.fault(
                Fault::new(at.clone(), "$total belongs to aggregate, which is outside this subset")
                    .mend("use count(), or let the mapping compute the sum"),
            ),
        }
    }

    fn variable(&mut self, name: &str, at: &Range<usize>) -> Option<Part> {
        if let Some(slot) = self.scope.slot(name) {
            self.variables.insert(slot);
            let holds = self.scope.variables.get(slot)?.holds.clone();
            return Some(Part { op: Op::Variable { slot, many: holds.many }, holds, sources: Vec::new() });
        }
        let text = |text: &str| {
            let literal = super::plan::Literal::Text(text.into());
            Some(Part::system(Op::Literal(literal), System::String, false))
        };
        match name {
            "ucum" => text("http://unitsofmeasure.org"),
            "sct" => text("http://snomed.info/sct"),
            "loinc" => text("http://loinc.org"),
            "context" | "resource" => self.context(name, at),
            _ if name.starts_with("vs-") => text(&name.replacen("vs-", "http://hl7.org/fhir/ValueSet/", 1)),
            _ if name.starts_with("ext-") => {
                text(&name.replacen("ext-", "http://hl7.org/fhir/StructureDefinition/", 1))
            }
            _ => {
                let known = self.scope.variables.iter().map(|variable| variable.name.as_str());
                let fault = Fault::new(at.clone(), format!("%{name} is not declared here"));
                let fault = match nearest(name, known.chain(["context", "resource"])) {
                    Some(near) => fault.mend(format!("%{near}?")),
                    None => fault.mend("declare it, or start from one that is"),
                };
                self.fault(fault)
            }
        }
    }

    /// `%context` and, where the context is a resource, `%resource`.
    fn context(&mut self, name: &str, at: &Range<usize>) -> Option<Part> {
        self.context = true;
        match &self.scope.context {
            None => self.fault(no_context(at)),
            Some(Type::Fhir(fhir)) if name == "resource" && !fhir.is_resource() => self.fault(
                Fault::new(
                    at.clone(),
                    format!("%resource has a meaning where the context is a resource, not a {}", fhir.name),
                )
                .mend("declare a variable for the resource"),
            ),
            Some(context) => Some(Part::new(Op::Context, vec![context.clone()], false, false)),
        }
    }

    /// A part that gives one item or none.
    fn one(&mut self, node: &Node, focus: &Focus, what: &str) -> Option<Part> {
        let part = self.part(node, focus)?;
        if part.holds.many {
            return self.fault(many(node.at.clone(), what));
        }
        Some(part)
    }

    /// A part that gives `true`, `false` or nothing.
    fn criterion(&mut self, node: &Node, focus: &Focus, what: &str) -> Option<Part> {
        let part = self.one(node, focus, what)?;
        if part.is_nothing() || part.only_system() == Some(System::Boolean) {
            self.examined(&part);
            return Some(part);
        }
        let names = part.names();
        self.fault(
            Fault::new(node.at.clone(), format!("{what} needs true or false, and this is {names}"))
                .mend("compare it, or ask whether it is there with exists()"),
        )
    }
}

fn many(at: Range<usize>, what: &str) -> Fault {
    Fault::new(at, format!("{what} takes one item, and here may be several"))
        .mend("choose one with first() or where(…).first(), or put texts together with join(', ')")
}

fn no_context(at: &Range<usize>) -> Fault {
    Fault::new(at.clone(), "there is nothing here that a path could start from").mend("start from a %variable")
}
