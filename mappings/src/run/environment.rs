//! One translation under way: evaluates expressions, and what they need before them.

use super::record::Record;
use super::refusal::{Cause, Fault, Refusal, refuse};
use super::store::{Given, Store};
use crate::document::{Document, NodeId};
use crate::fhirpath::{Binding, Computed, Environment, EvaluationFault, Expression, Item, MAX_STEPS, Trace};
use crate::program::{RuleId, Slot};
use std::cell::Cell;
use std::ops::ControlFlow;

/// One translation: the program, what it reads, and who listens.
pub(crate) struct Run<'e, 'r, R> {
    pub(crate) given: Given<'e>,
    pub(crate) environment: Environment<'e>,
    store: &'e Store<'e>,
    pub(crate) record: &'r mut R,
    /// Steps of all evaluations so far.
    work: u64,
}

/// How many steps all evaluations of one translation may take together. Each expression has its bound; lists within lists
/// evaluate the same one again and again.
const MAX_WORK: u64 = 4 * MAX_STEPS;

impl<'e, 'r, R: Record> Run<'e, 'r, R> {
    pub(crate) fn new(given: Given<'e>, slots: &'e [Binding<'e>], store: &'e Store<'e>, record: &'r mut R) -> Self {
        Self { given, environment: Environment { slots, bundle: given.inputs.referral }, store, record, work: 0 }
    }

    /// Shows each item of an expression to `visit`. A fault names no rule yet.
    pub(crate) fn each(
        &mut self,
        expression: &'e Expression,
        focus: Option<&Item<'e>>,
        visit: &mut dyn FnMut(Item<'e>) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        self.prepare(expression)?;
        let steps = expression
            .evaluate_counted(&self.environment, focus.cloned(), self.record, visit)
            .map_err(|fault| Box::new(Cause::Evaluation(fault)))?;
        self.charge(steps)
    }

    /// Counts the work of one evaluation, of which none is free.
    fn charge(&mut self, steps: u64) -> Result<(), Fault> {
        self.work = self.work.saturating_add(steps).saturating_add(1);
        if self.work > MAX_WORK {
            return Err(Box::new(Cause::Evaluation(EvaluationFault::TooMuchWork { limit: MAX_WORK })));
        }
        Ok(())
    }

    /// The first item of an expression.
    pub(crate) fn first(
        &mut self,
        expression: &'e Expression,
        focus: Option<&Item<'e>>,
    ) -> Result<Option<Item<'e>>, Fault> {
        self.prepare(expression)?;
        let (item, steps) = expression
            .first(&self.environment, focus, self.record)
            .map_err(|fault| Box::new(Cause::Evaluation(fault)))?;
        self.charge(steps)?;
        Ok(item)
    }

    /// Whether a condition holds; nothing is false. What it reads is looked at and does not reach the platform.
    pub(crate) fn holds(&mut self, expression: &'e Expression, focus: Option<&Item<'e>>) -> Result<bool, Fault> {
        let begun = self.record.begin();
        let found = self.first(expression, focus)?;
        self.record.examine(begun);
        let held = found.and_then(|item| item.as_bool()) == Some(true);
        self.record.held(expression, held);
        Ok(held)
    }

    /// Makes what the variables of an expression stand for, unless that is done.
    fn prepare(&mut self, expression: &'e Expression) -> Result<(), Fault> {
        for slot in expression.variables() {
            if let Some(Binding::Later(cell)) = self.environment.slots.get(*slot)
                && cell.get().is_none()
            {
                match Slot::ALL.get(*slot) {
                    Some(predeclared) => self.store.make(*predeclared, self.given),
                    None => self.compute(*slot)?,
                }
            }
        }
        Ok(())
    }

    /// Computes a named expression and all those that it uses. Its use of earlier ones is bounded: a mapping's variables
    /// form no cycle.
    fn compute(&mut self, slot: usize) -> Result<(), Fault> {
        let variable = slot.checked_sub(Slot::FIRST_NAMED).and_then(|index| self.given.program.variables.get(index));
        let (Some(variable), Some(cell)) = (variable, self.store.items(slot)) else { return Ok(()) };
        let expression = &variable.expression;
        self.prepare(expression)?;
        let reached = Cell::new(0);
        let mut trace = Kept { record: &mut *self.record, reached: &reached, sources: Vec::new() };
        let mut items: Vec<Computed<'e>> = Vec::with_capacity(if expression.result().many { 16 } else { 1 });
        expression
            .evaluate(&self.environment, None, &mut trace, &mut |item| {
                reached.set(reached.get() + 1);
                items.push(Computed { item, sources: Vec::new() });
                ControlFlow::Continue(())
            })
            .map_err(|fault| Box::new(Cause::Evaluation(fault)))?;
        for (index, id) in trace.sources {
            if let Some(computed) = items.get_mut(index).filter(|computed| computed.item.node().is_none()) {
                computed.sources.push(id);
            }
        }
        // A second value would mean a cycle, which the compiler refuses.
        let _ = cell.set(items);
        Ok(())
    }

    /// The refusal of a rule.
    #[cold]
    pub(crate) fn refuse(&self, rule: RuleId, cause: impl Into<Fault>) -> Box<Refusal> {
        refuse(self.given.program, rule, None, *cause.into())
    }
}

/// Keeps what each item of a named expression was made of. It has not arrived anywhere yet: whoever uses the item says
/// so. What was only looked at is told at once.
struct Kept<'c, R> {
    record: &'c mut R,
    reached: &'c Cell<usize>,
    sources: Vec<(usize, NodeId)>,
}

impl<R: Record> Trace for Kept<'_, R> {
    const ACTIVE: bool = R::ACTIVE;

    fn conveyed(&mut self, document: &Document<'_>, id: NodeId) {
        if self.record.is_referral(document) {
            self.sources.push((self.reached.get(), id));
        }
    }

    fn examined(&mut self, document: &Document<'_>, id: NodeId) {
        self.record.examined(document, id);
    }
}
