//! Watches what a mapping is made to do: which rules filled a field, which conditions held and did not hold, which rows of
//! code maps answered. For tests that ask how much of a mapping they exercise; a gateway at work watches nothing.

use super::answer::{self, Outcome};
use super::held::Held;
use super::inputs::{HttpAnswer, Inputs};
use super::record::{Begun, Record};
use super::refusal::Refusal;
use super::request::Rendered;
use super::statements::{self, ReadStatement};
use super::{Scratch, recorded};
use crate::account::{Did, Event};
use crate::document::{Document, NodeId};
use crate::fhirpath::{Expression, Trace};
use crate::program::{ExchangeName, Program, RuleId};
use std::collections::{BTreeMap, BTreeSet};

/// What was seen so far. Conditions have no names of their own: each is known by where it lies in memory, so a watch is
/// good for one program that is not moved meanwhile.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    rules: BTreeSet<RuleId>,
    conditions: BTreeMap<usize, [bool; 2]>,
    rows: BTreeSet<(RuleId, Option<(u32, u32)>)>,
    /// Rows of the field under way, whose rule is not known yet.
    field: Vec<Option<(u32, u32)>>,
}

impl Watch {
    /// Whether this rule filled a field, or was followed.
    #[must_use]
    pub fn followed(&self, rule: RuleId) -> bool {
        self.rules.contains(&rule)
    }

    /// Whether this condition was asked and gave that.
    #[must_use]
    pub fn gave(&self, condition: &Expression, held: bool) -> bool {
        self.conditions.get(&address(condition)).is_some_and(|seen| seen[usize::from(held)])
    }

    /// Whether this rule wrote a code by this row of its map (group and element); `None` stands for the answer to codes
    /// without a row.
    #[must_use]
    pub fn mapped(&self, rule: RuleId, row: Option<(u32, u32)>) -> bool {
        self.rows.contains(&(rule, row))
    }
}

fn address(expression: &Expression) -> usize {
    std::ptr::from_ref(expression).addr()
}

impl Trace for Watch {
    fn conveyed(&mut self, _: &Document<'_>, _: NodeId) {}

    fn examined(&mut self, _: &Document<'_>, _: NodeId) {}
}

impl Record for Watch {
    const ON: bool = true;

    fn begin(&self) -> Begun {
        Begun::default()
    }

    fn did(&mut self, did: Did) {
        match did {
            Did::Mapped { group, element, .. } => self.field.push(Some((group, element))),
            Did::MappedByRule | Did::KeptUnmapped => self.field.push(None),
            _ => {}
        }
    }

    fn lost(&mut self, _: Event) {}

    fn sources(&self, _: Begun) -> &[NodeId] {
        &[]
    }

    fn forget(&mut self, _: Begun, _: NodeId) {}

    fn examine(&mut self, _: Begun) {}

    fn wrote(&mut self, _: Begun, _: Option<&Document<'_>>, rule: RuleId, value: &Held<'_>) {
        if !matches!(value, Held::Nothing) {
            self.rules.insert(rule);
        }
        self.rows.extend(self.field.drain(..).map(|row| (rule, row)));
    }

    fn left_out(&mut self, _: Begun) {
        self.field.clear();
    }

    fn enter(&mut self, _: usize) -> u32 {
        0
    }

    fn leave(&mut self, _: u32) {}

    fn held(&mut self, condition: &Expression, held: bool) {
        self.conditions.entry(address(condition)).or_default()[usize::from(held)] = true;
    }

    fn fired(&mut self, rule: RuleId) {
        self.rules.insert(rule);
    }
}

/// As [`request`](super::request), watched.
///
/// # Errors
/// As [`request`](super::request).
pub fn request_watched(
    program: &Program,
    exchange: ExchangeName,
    step: usize,
    inputs: &Inputs<'_>,
    watch: &mut Watch,
) -> Result<Rendered, Box<Refusal>> {
    watch.field.clear();
    recorded(program, exchange, step, inputs, &mut Scratch::default(), watch)
}

/// As [`answer`](super::answer), watched.
///
/// # Errors
/// As [`answer`](super::answer).
pub fn answer_watched(
    program: &Program,
    exchange: ExchangeName,
    step: usize,
    inputs: &Inputs<'_>,
    http: &HttpAnswer<'_>,
    watch: &mut Watch,
) -> Result<Outcome, Box<Refusal>> {
    answer::recorded(program, exchange, step, inputs, http, watch)
}

/// As [`read_report`](super::read_report), watched.
///
/// # Errors
/// As [`read_report`](super::read_report).
pub fn read_report_watched(
    program: &Program,
    settings: &BTreeMap<String, String>,
    body: &[u8],
    watch: &mut Watch,
) -> Result<Vec<ReadStatement>, Box<Refusal>> {
    statements::recorded(program, settings, body, watch)
}
