//! FHIRPath, as far as a mapping needs it: compiled, typed, streamed.
//!
//! The rule above all others: an expression either compiles and answers exactly as the specification says (FHIRPath N1
//! with the rules of R4), or it is refused when it is compiled, with place, fault and mend. What is in the subset is
//! said in `docs/reference/fhirpath-subset.md`. Knows the element table of R4 and declared shapes of other JSON; knows
//! no clock, no terminology server, no units and no network.
//!
//! There is no recursion in the language, and no function that makes an endless collection; length, depth, patterns and
//! steps have limits. So the cost of an evaluation has a bound that follows from expression and document.

mod ast;
mod bound;
mod chain;
mod check;
mod decimal;
mod eval;
mod fault;
mod item;
mod lexer;
mod nearest;
mod parser;
mod pattern;
mod plan;
mod shape;
pub mod subset;
mod temporal;
mod types;

use std::ops::ControlFlow;

use eval::{Focus, Machine, Stop, Value};
use plan::Op;

pub use bound::Size;
pub use check::{Read, Use};
pub use eval::MAX_STEPS;
pub use fault::{EvaluationFault, Fault};
pub use item::{Binding, Computed, Environment, Item, NoTrace, Node, Trace};
pub use parser::{MAX_DEPTH, MAX_LENGTH};
pub use shape::{LIST, Member, Shape, ShapeKind};
pub use types::{FhirType, NodeType, ResultType, Scope, System, Type};

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Expression {
    text: String,
    /// As it was checked; bounds are worked out from it.
    op: Op,
    /// What is evaluated.
    quick: Op,
    result: ResultType,
    reads: Vec<Read>,
    variables: Vec<usize>,
    context: bool,
    /// The types of nodes to which each slot may be bound.
    bound: Vec<Vec<NodeType>>,
}

/// Compiles an expression.
///
/// # Errors
/// All faults that were found, in the order of their places.
pub fn compile(text: &str, scope: &Scope) -> Result<Expression, Vec<Fault>> {
    let node = parser::parse(text).map_err(|fault| vec![fault])?;
    let checked = check::check(&node, scope)?;
    let bound = scope.variables.iter().map(|variable| variable.holds.types.iter().filter_map(Type::node).collect());
    Ok(Expression {
        text: text.to_owned(),
        quick: chain::quick(&checked.part.op),
        op: checked.part.op,
        result: checked.part.holds,
        reads: checked.reads,
        variables: checked.variables.into_iter().collect(),
        context: checked.context,
        bound: bound.collect(),
    })
}

impl Expression {
    /// The expression as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it gives.
    #[must_use]
    pub const fn result(&self) -> &ResultType {
        &self.result
    }

    /// Which elements it can read, each path once, in alphabetical order.
    #[must_use]
    pub fn reads(&self) -> &[Read] {
        &self.reads
    }

    /// The slots of the variables that it uses, in order.
    #[must_use]
    pub fn variables(&self) -> &[usize] {
        &self.variables
    }

    /// Whether it starts from its context anywhere.
    #[must_use]
    pub const fn uses_context(&self) -> bool {
        self.context
    }

    /// The most steps that an evaluation takes over documents of this size; a bound, seldom reached.
    #[must_use]
    pub fn most_steps(&self, size: Size) -> u64 {
        bound::most_steps(&self.op, size)
    }

    /// The first item of the result.
    ///
    /// # Errors
    /// As [`Expression::evaluate`].
    pub fn first<'e, T: Trace>(
        &'e self,
        environment: &Environment<'e>,
        focus: Option<&Item<'e>>,
        trace: &mut T,
    ) -> Result<(Option<Item<'e>>, u64), EvaluationFault> {
        if let Op::Chain(chain) = &self.quick {
            let mut machine = Machine::new(environment, &self.bound, None, trace);
            let chain = chain.without_first();
            if let Some(start) = machine.start(chain, focus) {
                return match machine.first_node(&chain.links, start) {
                    Ok(Some(node)) => {
                        machine.trace.conveyed(node.doc, node.id);
                        Ok((Some(Item::Node(node)), machine.steps))
                    }
                    Ok(None) | Err(Stop::Done) => Ok((None, machine.steps)),
                    Err(Stop::Fault(fault)) => Err(*fault),
                };
            }
        }
        let this = focus.cloned().map(Value::plain);
        let context = if self.context { focus.cloned() } else { None };
        let mut machine = Machine::new(environment, &self.bound, context, trace);
        match machine.first(&self.quick, Focus { this: this.as_ref(), index: 0 }) {
            Ok(Some(value)) => {
                machine.convey(&value);
                Ok((Some(value.item), machine.steps))
            }
            Ok(None) | Err(Stop::Done) => Ok((None, machine.steps)),
            Err(Stop::Fault(fault)) => Err(*fault),
        }
    }

    /// Evaluates the expression and shows each item of the result to `visit`, in order, until it breaks off. `focus`
    /// is the item from which paths start.
    ///
    /// # Errors
    /// If a value is not written as its type demands, a function for one item got several, or the work grew above
    /// [`MAX_STEPS`]. Items that were visited before the fault were right.
    pub fn evaluate<'e, T: Trace>(
        &'e self,
        environment: &Environment<'e>,
        focus: Option<Item<'e>>,
        trace: &mut T,
        visit: &mut dyn FnMut(Item<'e>) -> ControlFlow<()>,
    ) -> Result<(), EvaluationFault> {
        self.evaluate_counted(environment, focus, trace, visit).map(|_| ())
    }

    /// As [`evaluate`](Self::evaluate), and tells how many steps it took.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    pub fn evaluate_counted<'e, T: Trace>(
        &'e self,
        environment: &Environment<'e>,
        focus: Option<Item<'e>>,
        trace: &mut T,
        visit: &mut dyn FnMut(Item<'e>) -> ControlFlow<()>,
    ) -> Result<u64, EvaluationFault> {
        let this = focus.clone().map(Value::plain);
        let mut machine = Machine::new(environment, &self.bound, focus, trace);
        let focus = Focus { this: this.as_ref(), index: 0 };
        let flow = machine.stream(&self.quick, focus, &mut |machine, value| {
            machine.convey(&value);
            match visit(value.item) {
                ControlFlow::Continue(()) => Ok(()),
                ControlFlow::Break(()) => Err(Stop::Done),
            }
        });
        match flow {
            Ok(()) | Err(Stop::Done) => Ok(machine.steps),
            Err(Stop::Fault(fault)) => Err(*fault),
        }
    }
}
