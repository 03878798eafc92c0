//! What the variables of expressions stand for in one translation.
//!
//! Named expressions of the mapping are evaluated when the first expression that uses them is, and not again.

use super::inputs::Inputs;
use super::record::Record;
use super::refusal::{Cause, Refusal};
use crate::document::{Document, NodeId};
use crate::fhirpath::{Binding, Computed, Environment, Expression, Item, Trace};
use crate::program::{Program, Scalar, Slot};
use std::cell::{Cell, OnceCell};
use std::ops::ControlFlow;

/// The cells in which the values of named expressions will be kept, one for each.
pub(crate) type Cells<'e> = Vec<OnceCell<Vec<Computed<'e>>>>;

/// As many empty cells as the program has named expressions.
pub(crate) fn cells<'e>(program: &Program) -> Cells<'e> {
    program.variables.iter().map(|_| OnceCell::new()).collect()
}

/// Facts of an answer, for the expressions that read it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered<'e> {
    pub(crate) status: i64,
    pub(crate) headers: &'e [(String, String)],
}

/// What an environment is made of.
#[derive(Clone, Copy)]
pub(crate) struct Given<'e> {
    pub(crate) program: &'e Program,
    pub(crate) inputs: &'e Inputs<'e>,
    pub(crate) answered: Option<Answered<'e>>,
    /// Stands for notes of steps whose answers are not known, so that a whole exchange can be shown beforehand.
    pub(crate) foreseen: Option<&'e str>,
}

/// The bindings of all slots, in order.
pub(crate) fn bindings<'e>(given: Given<'e>, cells: &'e Cells<'e>) -> Vec<Binding<'e>> {
    let resources = given.inputs.referral.map(Resources::find);
    given.program.slots.iter().map(|slot| bind(slot, given, resources.as_ref(), cells)).collect()
}

fn bind<'e>(
    slot: &'e Slot,
    given: Given<'e>,
    resources: Option<&Resources<'e>>,
    cells: &'e Cells<'e>,
) -> Binding<'e> {
    let inputs = given.inputs;
    let text = |text: Option<&'e str>| text.map_or(Binding::Empty, Binding::Text);
    let node = |pick: fn(&Resources<'e>) -> Option<NodeId>| match resources {
        Some(found) => pick(found).map_or(Binding::Empty, |id| Binding::Node(found.document, id)),
        None => Binding::Empty,
    };
    match slot {
        Slot::Referral => node(|found| Some(found.document.root())),
        Slot::ServiceRequest => node(|found| found.service_request),
        Slot::Patient => node(|found| found.patient),
        Slot::Task => node(|found| found.task),
        Slot::Setting(index) => setting(given, *index),
        Slot::IdempotencyKey => Binding::Text(inputs.keys.idempotency),
        Slot::CorrelationId => Binding::Text(inputs.keys.correlation),
        Slot::AcceptedAt => Binding::Text(inputs.accepted_at),
        Slot::PlatformReferral => text(inputs.platform_referral),
        Slot::Progress(name) => text(inputs.progress.get(name).map(String::as_str).or(given.foreseen)),
        Slot::Cursor(name) => text(inputs.cursor.get(name).map(String::as_str)),
        Slot::Reason => text(inputs.reason),
        Slot::Status => given.answered.map_or(Binding::Empty, |answered| Binding::Integer(answered.status)),
        Slot::Header(name) => text(given.answered.and_then(|answered| header(answered.headers, name))),
        Slot::Variable(index) => cells.get(*index).map_or(Binding::Empty, Binding::Later),
    }
}

fn header<'e>(headers: &'e [(String, String)], name: &str) -> Option<&'e str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// A setting with the type that it is declared with; [`check_settings`](super::check_settings) has refused what does
/// not fit, so that what does not fit here is treated as absent.
fn setting<'e>(given: Given<'e>, index: usize) -> Binding<'e> {
    let Some(declared) = given.program.settings.get(index) else { return Binding::Empty };
    let text = given.inputs.settings.get(&declared.name).map(String::as_str).or(declared.default.as_deref());
    let Some(text) = text else { return Binding::Empty };
    match declared.kind {
        Scalar::Integer => text.parse().map_or(Binding::Empty, Binding::Integer),
        Scalar::Boolean => text.parse().map_or(Binding::Empty, Binding::Boolean),
        _ => Binding::Text(text),
    }
}

/// Where the resources with names of their own stand.
struct Resources<'e> {
    document: &'e Document<'e>,
    service_request: Option<NodeId>,
    patient: Option<NodeId>,
    task: Option<NodeId>,
}

impl<'e> Resources<'e> {
    fn find(document: &'e Document<'e>) -> Self {
        let mut found = Self { document, service_request: None, patient: None, task: None };
        let Some(entries) = document.get(document.root(), "entry") else { return found };
        for (index, entry) in document.children(entries).enumerate() {
            let Some(resource) = document.get(entry, "resource") else { continue };
            match index {
                0 => found.service_request = Some(resource),
                1 => found.patient = Some(resource),
                _ => {}
            }
            let kind = document.get(resource, "resourceType").and_then(|id| document.string(id));
            if kind.as_deref() == Some("Task") {
                found.task = Some(resource);
            }
        }
        found
    }
}

/// One translation: the program, what it reads, and who listens.
pub(crate) struct Run<'e, 'r, R> {
    pub(crate) given: Given<'e>,
    pub(crate) environment: Environment<'e>,
    pub(crate) cells: &'e Cells<'e>,
    pub(crate) record: &'r mut R,
}

impl<'e, 'r, R: Record> Run<'e, 'r, R> {
    pub(crate) fn new(
        given: Given<'e>,
        slots: &'e [Binding<'e>],
        cells: &'e Cells<'e>,
        record: &'r mut R,
    ) -> Self {
        Self { given, environment: Environment { slots, bundle: given.inputs.referral }, cells, record }
    }

    /// Shows each item of an expression to `visit`. A fault names no rule yet.
    pub(crate) fn each(
        &mut self,
        expression: &'e Expression,
        focus: Option<&Item<'e>>,
        visit: &mut dyn FnMut(Item<'e>) -> ControlFlow<()>,
    ) -> Result<(), Cause> {
        self.prepare(expression)?;
        expression.evaluate(&self.environment, focus.cloned(), self.record, visit).map_err(Cause::Evaluation)
    }

    /// The first item of an expression.
    pub(crate) fn first(
        &mut self,
        expression: &'e Expression,
        focus: Option<&Item<'e>>,
    ) -> Result<Option<Item<'e>>, Cause> {
        let mut found = None;
        self.each(expression, focus, &mut |item| {
            found = Some(item);
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// Whether a condition holds; nothing is false. What it reads is looked at and does not reach the platform.
    pub(crate) fn holds(&mut self, expression: &'e Expression, focus: Option<&Item<'e>>) -> Result<bool, Cause> {
        let begun = self.record.begin();
        let found = self.first(expression, focus)?;
        self.record.examine(begun);
        Ok(found.and_then(|item| item.as_bool()) == Some(true))
    }

    /// Computes the named expressions that an expression uses, unless that is done.
    fn prepare(&mut self, expression: &'e Expression) -> Result<(), Cause> {
        for slot in expression.variables() {
            if let Some(Binding::Later(cell)) = self.environment.slots.get(*slot)
                && cell.get().is_none()
            {
                self.compute(*slot)?;
            }
        }
        Ok(())
    }

    /// Computes a named expression and all those that it uses. Its own use of earlier ones is bounded: a mapping's
    /// variables form no cycle.
    fn compute(&mut self, slot: usize) -> Result<(), Cause> {
        let Some(Slot::Variable(index)) = self.given.program.slots.get(slot) else { return Ok(()) };
        let variable = self.given.program.variables.get(*index).map(|variable| &variable.expression);
        let (Some(expression), Some(cell)) = (variable, self.cells.get(*index)) else { return Ok(()) };
        self.prepare(expression)?;
        let reached = Cell::new(0);
        let mut trace = Kept { record: &mut *self.record, reached: &reached, sources: Vec::new() };
        let mut items: Vec<Computed<'e>> = Vec::new();
        expression
            .evaluate(&self.environment, None, &mut trace, &mut |item| {
                reached.set(reached.get() + 1);
                items.push(Computed { item, sources: Vec::new() });
                ControlFlow::Continue(())
            })
            .map_err(Cause::Evaluation)?;
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
    pub(crate) fn refuse(&self, rule: crate::program::RuleId, cause: Cause) -> Box<Refusal> {
        super::refusal::refuse(self.given.program, rule, None, cause)
    }
}

/// Keeps what each item of a named expression was made of. It has not arrived anywhere yet: whoever uses the item says
/// so. What was only looked at is told at once.
struct Kept<'c, R> {
    record: &'c mut R,
    reached: &'c Cell<usize>,
    sources: Vec<(usize, NodeId)>,
}

impl<R: Trace> Trace for Kept<'_, R> {
    const ACTIVE: bool = R::ACTIVE;

    fn conveyed(&mut self, _: &Document<'_>, id: NodeId) {
        self.sources.push((self.reached.get(), id));
    }

    fn examined(&mut self, document: &Document<'_>, id: NodeId) {
        self.record.examined(document, id);
    }
}
