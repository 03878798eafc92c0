//! The evaluator: items flow from operation to operation without being collected, and stop as soon as nobody wants
//! more. Every step is counted, so that no document makes an evaluation endless.

mod chain;
mod collections;
mod compare;
mod convert;
mod deep;
mod resolve;
mod texts;
mod walk;

use std::borrow::Cow;

use crate::document::{Document, NodeId};

use super::fault::EvaluationFault;
use super::item::{Binding, Computed, Environment, Item, Node, Trace};
use super::plan::{Literal, Logic, Op};
use super::types::NodeType;

/// How many steps one evaluation may take.
pub const MAX_STEPS: u64 = 5_000_000;

/// How many bytes of a text cost one step.
const BYTES_A_STEP: u64 = 64;

/// Why a flow of items ends early.
pub(super) enum Stop {
    /// Nobody wants more.
    Done,
    Fault(Box<EvaluationFault>),
}

impl From<EvaluationFault> for Stop {
    fn from(fault: EvaluationFault) -> Self {
        Self::Fault(Box::new(fault))
    }
}

pub(super) type Flow = Result<(), Stop>;

/// An item, and for a computed one the nodes that it came from: a range of [`Machine::sources`].
#[derive(Debug, Clone)]
pub(super) struct Value<'e> {
    pub(super) item: Item<'e>,
    sources: (u32, u32),
}

impl<'e> Value<'e> {
    pub(super) const fn plain(item: Item<'e>) -> Self {
        Self { item, sources: (0, 0) }
    }
}

/// What `$this` and `$index` are.
#[derive(Clone, Copy)]
pub(super) struct Focus<'f, 'e> {
    pub(super) this: Option<&'f Value<'e>>,
    pub(super) index: i64,
}

pub(super) type Out<'o, 'm, 'e, T> = &'o mut dyn FnMut(&mut Machine<'m, 'e, T>, Value<'e>) -> Flow;

/// The state of one evaluation.
pub(super) struct Machine<'m, 'e, T> {
    pub(super) environment: &'m Environment<'e>,
    pub(super) variables: &'e [Vec<NodeType>],
    pub(super) context: Option<Item<'e>>,
    pub(super) trace: &'m mut T,
    pub(super) steps: u64,
    sources: Vec<(&'e Document<'e>, NodeId)>,
}

impl<'m, 'e, T: Trace> Machine<'m, 'e, T> {
    pub(super) fn new(
        environment: &'m Environment<'e>,
        variables: &'e [Vec<NodeType>],
        context: Option<Item<'e>>,
        trace: &'m mut T,
    ) -> Self {
        Self { environment, variables, context, trace, steps: 0, sources: Vec::new() }
    }

    pub(super) fn step(&mut self, count: u64) -> Flow {
        self.steps += count;
        if self.steps > MAX_STEPS {
            return Err(EvaluationFault::TooMuchWork { limit: MAX_STEPS }.into());
        }
        Ok(())
    }

    /// Tells the trace that the visitor has this item.
    pub(super) fn convey(&mut self, value: &Value<'e>) {
        if T::ACTIVE {
            match &value.item {
                Item::Node(node) => self.trace.conveyed(node.doc, node.id),
                _ => {
                    for (doc, id) in self.sources_of(value) {
                        self.trace.conveyed(doc, id);
                    }
                }
            }
        }
    }

    /// Tells the trace that this item was looked at.
    pub(super) fn examine(&mut self, value: &Value<'e>) {
        if T::ACTIVE {
            match &value.item {
                Item::Node(node) => self.trace.examined(node.doc, node.id),
                _ => {
                    for (doc, id) in self.sources_of(value) {
                        self.trace.examined(doc, id);
                    }
                }
            }
        }
    }

    fn sources_of(&self, value: &Value<'e>) -> Vec<(&'e Document<'e>, NodeId)> {
        let (start, end) = value.sources;
        self.sources.get(start as usize..end as usize).unwrap_or_default().to_vec()
    }

    /// A computed item that holds what these hold.
    pub(super) fn computed(&mut self, item: Item<'e>, from: &[&Value<'e>]) -> Value<'e> {
        if !T::ACTIVE {
            return Value::plain(item);
        }
        let place = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let start = place(self.sources.len());
        for value in from {
            match &value.item {
                Item::Node(node) => self.sources.push((node.doc, node.id)),
                _ => {
                    let (start, end) = value.sources;
                    self.sources.extend_from_within(start as usize..end as usize);
                }
            }
        }
        Value { item, sources: (start, place(self.sources.len())) }
    }

    /// Sends each item of an operation on.
    pub(super) fn stream(&mut self, op: &'e Op, focus: Focus<'_, 'e>, out: Out<'_, 'm, 'e, T>) -> Flow {
        self.step(1)?;
        match op {
            Op::Chain(chain) => self.chain(chain, focus, out),
            Op::Nothing => Ok(()),
            Op::Literal(literal) => out(self, Value::plain(literal.item())),
            Op::This => match focus.this {
                Some(this) => out(self, this.clone()),
                None => Ok(()),
            },
            Op::Index => out(self, Value::plain(Item::Integer(focus.index))),
            Op::Context => match self.context.clone() {
                Some(item) => out(self, Value::plain(item)),
                None => Ok(()),
            },
            Op::Variable { slot, .. } => self.variable(*slot, out),
            Op::Path { from, steps } => {
                self.stream(from, focus, &mut |machine, value| machine.walk(steps, &value, out))
            }
            Op::Where { from, test } => {
                let mut index = 0;
                self.stream(from, focus, &mut |machine, value| {
                    let inner = Focus { this: Some(&value), index };
                    index += 1;
                    if machine.boolean(test, inner)? == Some(true) { out(machine, value) } else { Ok(()) }
                })
            }
            Op::Select { from, to, counted } => {
                let mut index = 0;
                self.stream(from, focus, &mut |machine, value| {
                    if *counted {
                        machine.examine(&value);
                    }
                    let inner = Focus { this: Some(&value), index };
                    index += 1;
                    machine.stream(to, inner, out)
                })
            }
            Op::Skip(from, number) => self.skip(from, *number, focus, out),
            Op::Take(from, number) => self.take(from, *number, focus, out),
            Op::OfType { from, wanted } => self.of_type(from, *wanted, focus, out),
            Op::Resolve { from, targets } => {
                self.stream(from, focus, &mut |machine, value| machine.resolve(targets, &value, out))
            }
            Op::Distinct(from) => {
                let all = self.distinct(from, focus)?;
                all.into_iter().try_for_each(|value| out(self, value))
            }
            Op::Set { set, left, right } => self.set(*set, left, right, focus, out),
            Op::Split { from, separator } => self.split(from, separator, focus, out),
            Op::ToChars(from) => self.each_character(from, focus, out),
            Op::Choose { test, yes, no } => {
                let chosen = if self.boolean(test, focus)? == Some(true) { yes } else { no };
                self.stream(chosen, focus, out)
            }
            _ => match self.single(op, focus)? {
                Some(value) => out(self, value),
                None => Ok(()),
            },
        }
    }

    /// The one item of an operation that gives no more, as its types say.
    pub(super) fn single(&mut self, op: &'e Op, focus: Focus<'_, 'e>) -> Result<Option<Value<'e>>, Stop> {
        self.step(1)?;
        match op {
            Op::Nothing => Ok(None),
            Op::Literal(literal) => Ok(Some(Value::plain(literal.item()))),
            Op::This => Ok(focus.this.cloned()),
            Op::First(from) => self.first(from, focus),
            Op::Single { from, operation, at } => {
                let mut found = None;
                self.stream(from, focus, &mut |_, value| {
                    if found.replace(value).is_some() {
                        return Err(EvaluationFault::NotSingle { operation, at: at.clone() }.into());
                    }
                    Ok(())
                })?;
                Ok(found)
            }
            Op::Last(from) => {
                let mut found = None;
                self.stream(from, focus, &mut |_, value| {
                    found = Some(value);
                    Ok(())
                })?;
                Ok(found)
            }
            Op::Not(from) => {
                let Some(value) = self.single(from, focus)? else { return Ok(None) };
                let Some(truth) = self.truth(&value)? else { return Ok(None) };
                Ok(Some(self.computed(Item::Boolean(!truth), &[&value])))
            }
            Op::Count(from) => self.count(from, focus),
            Op::Arithmetic { sign, left, right } => self.arithmetic(*sign, left, right, focus),
            Op::Concatenate { left, right, strict } => self.concatenate(left, right, *strict, focus),
            Op::Text { function, from, arguments } => self.text(*function, from, arguments, focus),
            Op::ReplaceMatches { from, pattern, substitution } => {
                self.replace_matches(from, pattern, substitution, focus)
            }
            Op::Join { from, separator } => self.join(from, separator, focus),
            Op::Convert { from, to } => self.convert(from, *to, focus),
            Op::GetValue(from) => self.get_value(from, focus),
            Op::Chain(chain) => self.first_of(chain, focus),
            _ if op.is_test() => Ok(self.boolean(op, focus)?.map(|truth| Value::plain(Item::Boolean(truth)))),
            _ => self.first(op, focus),
        }
    }

    pub(super) fn first(&mut self, op: &'e Op, focus: Focus<'_, 'e>) -> Result<Option<Value<'e>>, Stop> {
        if let Op::Chain(chain) = op {
            return self.first_of(chain, focus);
        }
        let mut found = None;
        match self.stream(op, focus, &mut |_, value| {
            found = Some(value);
            Err(Stop::Done)
        }) {
            Ok(()) | Err(Stop::Done) => Ok(found),
            Err(fault) => Err(fault),
        }
    }

    /// The truth of an operation that is looked at and not passed on.
    pub(super) fn boolean(&mut self, op: &'e Op, focus: Focus<'_, 'e>) -> Result<Option<bool>, Stop> {
        match op {
            Op::Test(test) => self.test(test, focus),
            Op::Logic { logic, left, right } => {
                self.step(1)?;
                let left = self.boolean(left, focus)?;
                match (logic, left) {
                    (Logic::And, Some(false)) => return Ok(Some(false)),
                    (Logic::Or, Some(true)) | (Logic::Implies, Some(false)) => return Ok(Some(true)),
                    _ => {}
                }
                Ok(combine(*logic, left, self.boolean(right, focus)?))
            }
            Op::Exists { from, wanted } => {
                self.step(1)?;
                let found = self.first(from, focus)?;
                if let Some(value) = &found {
                    self.examine(value);
                }
                Ok(Some(found.is_some() == *wanted))
            }
            Op::Not(from) => Ok(self.boolean(from, focus)?.map(|truth| !truth)),
            Op::Equal { left, right, wanted, single } => {
                let equal =
                    if *single { self.equal_single(left, right, focus) } else { self.equal_all(left, right, focus) };
                Ok(equal?.map(|equal| equal == *wanted))
            }
            Op::Compare { left, right, order } => self.compare(left, right, *order, focus),
            Op::Equivalent { left, right, wanted } => Ok(Some(self.equivalent(left, right, focus)? == *wanted)),
            Op::Is { from, wanted } => self.is(from, *wanted, focus),
            Op::All { from, test } => self.all(from, test, focus),
            Op::Truths { from, all, of } => self.truths(from, *all, *of, focus),
            Op::IsDistinct(from) => self.is_distinct(from, focus),
            Op::Subset { small, large } => self.subset(small, large, focus),
            Op::In { item, collection } => self.is_in(item, collection, focus),
            Op::Matches { from, pattern } => self.matches(from, pattern, focus),
            Op::Converts { from, to } => self.converts(from, *to, focus),
            Op::HasValue(from) => self.has_value(from, focus),
            _ => match self.single(op, focus)? {
                Some(value) => {
                    self.examine(&value);
                    self.truth(&value)
                }
                None => Ok(None),
            },
        }
    }

    pub(super) fn truth(&mut self, value: &Value<'e>) -> Result<Option<bool>, Stop> {
        match self.system(&value.item)? {
            Some(Item::Boolean(truth)) => Ok(Some(truth)),
            _ => Ok(None),
        }
    }

    /// An item as one of FHIRPath's own types.
    pub(super) fn system(&mut self, item: &Item<'e>) -> Result<Option<Item<'e>>, Stop> {
        match item {
            Item::Node(node) => {
                if node.ty.is_primitive() {
                    self.read(node.doc.raw(node.id).len())?;
                }
                Ok(node.value()?)
            }
            Item::Text(text) => {
                self.read(text.len())?;
                Ok(Some(item.clone()))
            }
            other => Ok(Some(other.clone())),
        }
    }

    /// Counts the work on so many bytes.
    fn read(&mut self, bytes: usize) -> Flow {
        self.step(bytes as u64 / BYTES_A_STEP)
    }

    fn variable(&mut self, slot: usize, out: Out<'_, 'm, 'e, T>) -> Flow {
        match self.environment.slots.get(slot).copied().unwrap_or(Binding::Empty) {
            Binding::Empty => Ok(()),
            Binding::Node(doc, id) => {
                let node = self.bound(slot, doc, id)?;
                out(self, Value::plain(Item::Node(node)))
            }
            Binding::Nodes(doc, ids) => ids.iter().try_for_each(|id| {
                self.step(1)?;
                let node = self.bound(slot, doc, *id)?;
                out(self, Value::plain(Item::Node(node)))
            }),
            Binding::Text(text) => out(self, Value::plain(Item::Text(Cow::Borrowed(text)))),
            Binding::Integer(number) => out(self, Value::plain(Item::Integer(number))),
            Binding::Boolean(truth) => out(self, Value::plain(Item::Boolean(truth))),
            Binding::Items(items) => items.iter().try_for_each(|item| {
                self.step(1)?;
                out(self, Value::plain(item.clone()))
            }),
            Binding::Later(cell) => cell.get().into_iter().flatten().try_for_each(|computed| {
                self.step(1)?;
                let value = self.bound_value(computed);
                out(self, value)
            }),
        }
    }

    /// What another evaluation computed, with the sources that it had there.
    fn bound_value(&mut self, computed: &'e Computed<'e>) -> Value<'e> {
        let item = computed.item.clone();
        let Some(bundle) = self.environment.bundle.filter(|_| T::ACTIVE && !computed.sources.is_empty()) else {
            return Value::plain(item);
        };
        let place = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let start = place(self.sources.len());
        self.sources.extend(computed.sources.iter().map(|id| (bundle, *id)));
        Value { item, sources: (start, place(self.sources.len())) }
    }

    /// A node that a variable is bound to, with the type that the scope declares. Of several declared types, the one
    /// that the resource names.
    fn bound(&self, slot: usize, doc: &'e Document<'e>, id: NodeId) -> Result<Node<'e>, Stop> {
        let types = self.variables.get(slot).map(Vec::as_slice).unwrap_or_default();
        let ty = match types {
            [only] => Some(*only),
            several => {
                let name = doc.get(id, "resourceType").and_then(|name| doc.string(name));
                several.iter().copied().find(|ty| matches!((ty, &name), (NodeType::Fhir(ty), Some(name)) if ty == name))
            }
        };
        let ty =
            ty.ok_or_else(|| EvaluationFault::Malformed { location: doc.location(id), expected: "bound value" })?;
        Ok(Node::new(doc, id, ty))
    }
}

/// Logic of three values, as the tables of the specification have it.
const fn combine(logic: Logic, left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (logic, left, right) {
        (Logic::And, Some(false), _) | (Logic::And, _, Some(false)) => Some(false),
        (Logic::And, Some(true), Some(true)) => Some(true),
        (Logic::Or, Some(true), _) | (Logic::Or, _, Some(true)) => Some(true),
        (Logic::Or, Some(false), Some(false)) => Some(false),
        (Logic::Xor, Some(left), Some(right)) => Some(left != right),
        (Logic::Implies, Some(false), _) | (Logic::Implies, _, Some(true)) => Some(true),
        (Logic::Implies, Some(true), right) => right,
        _ => None,
    }
}

impl Op {
    /// Whether this answers a question, so that what it reads is examined and not passed on.
    const fn is_test(&self) -> bool {
        matches!(
            self,
            Self::Test(_)
                | Self::Logic { .. }
                | Self::Exists { .. }
                | Self::Equal { .. }
                | Self::Compare { .. }
                | Self::Equivalent { .. }
                | Self::Is { .. }
                | Self::All { .. }
                | Self::Truths { .. }
                | Self::IsDistinct(_)
                | Self::Subset { .. }
                | Self::In { .. }
                | Self::Matches { .. }
                | Self::Converts { .. }
                | Self::HasValue(_)
        )
    }
}

impl Literal {
    pub(super) fn item(&self) -> Item<'_> {
        match self {
            Self::Text(text) => Item::Text(Cow::Borrowed(text)),
            Self::Integer(number) => Item::Integer(*number),
            Self::Decimal(digits) => Item::Decimal(Cow::Borrowed(digits)),
            Self::Boolean(truth) => Item::Boolean(*truth),
            Self::Date(text) => Item::Date(Cow::Borrowed(text)),
            Self::DateTime(text) => Item::DateTime(Cow::Borrowed(text)),
            Self::Time(text) => Item::Time(Cow::Borrowed(text)),
        }
    }
}
