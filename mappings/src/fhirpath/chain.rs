//! Chains: the paths of which mappings mostly consist, as a flat list of links that the evaluator follows without
//! handing items from operation to operation.
//!
//! `%patient.telecom.where(system = 'phone').value.first()` is a variable and the links telecom, filter, value, with the
//! first result alone taken. A chain gives the same items, tells the trace the same and counts the same work as the
//! operations that it is made from; whatever does not fit stays an operation.

use super::plan::{Literal, Logic, Op, Set, Step, Wanted, Way};
use super::types::System;
use gateway_fhir_elements as elements;

/// A path as a list of links.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    pub(super) start: Start,
    pub(super) links: Box<[Link]>,
}

/// Where a chain starts.
#[derive(Debug, Clone)]
pub(super) enum Start {
    This,
    Context,
    Variable(usize),
    /// The first item of another chain.
    First(Box<Chain>),
}

/// One link.
#[derive(Debug, Clone)]
pub(super) enum Link {
    Member(Step),
    Filter(Test),
    /// A resource of this type, which has no kinds of its own.
    Resource(&'static str),
    OfType(&'static str),
    Resolve(Box<[&'static str]>),
}

/// A question.
#[derive(Debug, Clone)]
pub(super) enum Test {
    /// `left = 'text'`, where the left side is text if it is anything.
    IsText {
        left: Chain,
        text: Box<str>,
        wanted: bool,
    },
    Exists {
        chain: Chain,
        wanted: bool,
    },
    Not(Box<Test>),
    Logic {
        logic: Logic,
        left: Box<Test>,
        right: Box<Test>,
    },
    Other(Op),
}

/// The same operation with chains where they fit.
pub(super) fn quick(op: &Op) -> Op {
    if let Some(chain) = chain(op) {
        return Op::Chain(chain);
    }
    let boxed = |op: &Op| Box::new(quick(op));
    match op {
        Op::Choose { test: question, yes, no } => {
            Op::Choose { test: Box::new(Op::Test(Box::new(test(question)))), yes: boxed(yes), no: boxed(no) }
        }
        Op::Set { set: Set::Combine, left, right } => {
            Op::Set { set: Set::Combine, left: boxed(left), right: boxed(right) }
        }
        Op::Select { from, to, counted } => Op::Select { from: boxed(from), to: boxed(to), counted: *counted },
        Op::Concatenate { left, right, strict } => {
            Op::Concatenate { left: boxed(left), right: boxed(right), strict: *strict }
        }
        Op::Join { from, separator } => Op::Join { from: boxed(from), separator: separator.clone() },
        Op::OfType { from, wanted } => Op::OfType { from: boxed(from), wanted: *wanted },
        Op::First(from) => Op::First(boxed(from)),
        Op::Equal { .. } | Op::Exists { .. } | Op::Not(_) | Op::Logic { .. } => match test(op) {
            Test::Other(same) => same,
            test => Op::Test(Box::new(test)),
        },
        other => other.clone(),
    }
}

fn chain(op: &Op) -> Option<Chain> {
    let plain = |start| Some(Chain { start, links: Box::default() });
    match op {
        Op::This => plain(Start::This),
        Op::Context => plain(Start::Context),
        Op::Variable { slot, .. } => plain(Start::Variable(*slot)),
        Op::First(from) => Some(Chain { start: Start::First(Box::new(chain(from)?)), links: Box::default() }),
        Op::Path { from, steps } => Some(chain(from)?.and(steps.iter().cloned().map(Link::Member))),
        Op::Where { from, test: question } => {
            // Only these questions are known not to ask for `$index`, which a chain does not count.
            let filter = Some(test(question)).filter(Test::is_quick)?;
            Some(chain(from)?.and([Link::Filter(filter)]))
        }
        Op::Resolve { from, targets } => Some(chain(from)?.and([Link::Resolve(targets.clone())])),
        Op::OfType { from, wanted: Wanted::Fhir(name) } => {
            let link = if elements::is_resource_type(name) { Link::Resource(name) } else { Link::OfType(name) };
            Some(chain(from)?.and([link]))
        }
        _ => None,
    }
}

fn test(op: &Op) -> Test {
    match op {
        Op::Logic { logic, left, right } => {
            Test::Logic { logic: *logic, left: Box::new(test(left)), right: Box::new(test(right)) }
        }
        Op::Exists { from, wanted } => match chain(from) {
            Some(chain) => Test::Exists { chain, wanted: *wanted },
            None => Test::Other(op.clone()),
        },
        Op::Not(inner) => match test(inner) {
            Test::Other(_) => Test::Other(op.clone()),
            inner => Test::Not(Box::new(inner)),
        },
        Op::Equal { left, right, wanted, single: true } => match (chain(left), right.as_ref()) {
            (Some(left), Op::Literal(Literal::Text(text))) if left.is_text() => {
                Test::IsText { left, text: text.clone(), wanted: *wanted }
            }
            _ => Test::Other(op.clone()),
        },
        _ => Test::Other(op.clone()),
    }
}

impl Test {
    fn is_quick(&self) -> bool {
        match self {
            Self::IsText { .. } | Self::Exists { .. } => true,
            Self::Not(inner) => inner.is_quick(),
            Self::Logic { left, right, .. } => left.is_quick() && right.is_quick(),
            Self::Other(_) => false,
        }
    }
}

impl Chain {
    fn and(self, links: impl IntoIterator<Item = Link>) -> Self {
        let links = self.links.into_vec().into_iter().chain(links).collect();
        Self { start: self.start, links }
    }

    /// The same chain for somebody who takes the first of its items anyway.
    pub(super) fn without_first(&self) -> &Self {
        match (&self.start, &*self.links) {
            (Start::First(inner), []) => inner,
            _ => self,
        }
    }

    /// The member, if the chain is one simple member of `$this`.
    pub(super) fn one_member(&self) -> Option<&Way> {
        match (&self.start, &*self.links) {
            (Start::This, [Link::Member(Step { simple: true, moves })]) => moves.first()?.ways.first(),
            _ => None,
        }
    }

    /// Whether its items are texts of a document and nothing else.
    fn is_text(&self) -> bool {
        let Some(Link::Member(step)) = self.links.last() else { return false };
        let mut ways = step.moves.iter().flat_map(|route| &route.ways);
        ways.all(|way| way.to.system() == Some(System::String))
    }
}
