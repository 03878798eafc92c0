//! The account of one translation: what each target field was made of, and what of the referral did not arrive.
//!
//! While a request is made only numbers are kept here: which rule, which values of the document, which step. Words are
//! made when somebody asks ([`Account::explain`], [`Account::losses`]), with the document at hand. Values of fields are
//! kept apart and leave only when they are asked for by name.

mod bits;

pub use adapter_contract::{Loss, LossReason};
pub(crate) use bits::Bits;

use crate::class::DataClass;
use crate::concept_map::Equivalence;
use crate::document::NodeId;
use crate::program::{Count, RuleId, Transform};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What was recorded of the requests that were made from one referral.
///
/// Requests of several steps are added up with [`Account::merge`]: what any of them conveys has arrived.
#[derive(Clone, Default)]
pub struct Account {
    pub(crate) fields: Vec<Field>,
    pub(crate) steps: Vec<Did>,
    pub(crate) sources: Vec<NodeId>,
    pub(crate) values: String,
    pub(crate) positions: Vec<Position>,
    pub(crate) events: Vec<Event>,
    pub(crate) conveyed: Bits,
    pub(crate) examined: Bits,
}

/// One target field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) rule: RuleId,
    /// Index into [`Account::positions`], from 1; 0 = in no list.
    pub(crate) position: u32,
    pub(crate) steps: Span,
    pub(crate) sources: Span,
    pub(crate) value: Span,
}

/// A range of one of the account's lists.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) const fn moved(self, by: u32) -> Self {
        Self { start: self.start + by, end: self.end + by }
    }

    pub(crate) fn of<T>(self, list: &[T]) -> &[T] {
        list.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// The place of a field within a list, and within the lists around that one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position {
    pub(crate) index: u32,
    /// As [`Field::position`].
    pub(crate) around: u32,
}

/// One thing that was done to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Did {
    Constant,
    /// The row is named by its place: its words would tell the value.
    Mapped {
        group: u32,
        element: u32,
        equivalence: Equivalence,
    },
    /// The map's or the rule's answer to codes without a row.
    MappedByRule,
    KeptUnmapped,
    Formatted,
    KeptPartial,
    DayOnly,
    Joined(u32),
    Transformed(Transform),
    Cut {
        from: u32,
        to: u32,
        count: Count,
    },
    Defaulted,
    Copied,
    Base64,
}

/// Something that happened to a value and is a loss.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    pub(crate) reason: LossReason,
    pub(crate) rule: RuleId,
    /// The value that it happened to; absent where the referral has none.
    pub(crate) node: Option<NodeId>,
    pub(crate) detail: Detail,
}

/// The figures of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    Nothing,
    Cut { from: u32, to: u32, count: Count },
    Removed(u32),
    TimeOfDay,
    Row { group: u32, element: u32, equivalence: Equivalence },
    StandIn,
    LeftOut(LeftOut),
    Items { kept: u32, of: u32 },
}

/// Why a value was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeftOut {
    Pattern,
    NotAllowed,
    Range,
    PartialDate,
    NothingLeft,
}

impl Account {
    /// Adds what another step of the same exchange conveyed. Both must have been made from the same referral text.
    pub fn merge(&mut self, other: &Self) {
        let [steps, sources, values, positions] =
            [self.steps.len(), self.sources.len(), self.values.len(), self.positions.len()]
                .map(|length| u32::try_from(length).unwrap_or(u32::MAX));
        let shift = |position: u32| if position == 0 { 0 } else { position + positions };
        self.fields.extend(other.fields.iter().map(|field| Field {
            position: shift(field.position),
            steps: field.steps.moved(steps),
            sources: field.sources.moved(sources),
            value: field.value.moved(values),
            ..*field
        }));
        self.steps.extend_from_slice(&other.steps);
        self.sources.extend_from_slice(&other.sources);
        self.values.push_str(&other.values);
        self.positions
            .extend(other.positions.iter().map(|each| Position { index: each.index, around: shift(each.around) }));
        self.events.extend_from_slice(&other.events);
        self.conveyed.add(&other.conveyed);
        self.examined.add(&other.examined);
    }

    /// How many target fields were written.
    #[must_use]
    pub fn field_count(&self) -> usize {
        self.fields.len()
    }

    /// Whether the value of this node, or a part of it, reached a target field.
    #[must_use]
    pub fn is_conveyed(&self, id: NodeId) -> bool {
        self.conveyed.has(id.index())
    }

    /// Whether this node was compared, counted or tested.
    #[must_use]
    pub fn is_examined(&self, id: NodeId) -> bool {
        self.examined.has(id.index())
    }
}

impl fmt::Debug for Account {
    /// Never a value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("fields", &self.fields.len())
            .field("events", &self.events.len())
            .finish_non_exhaustive()
    }
}

/// One line of the explanation: one target field.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FieldLine {
    /// The field, with indexes: `create.body.Referral.RecipientDto.Telephone`.
    pub target: String,
    /// Where its value stood in the referral, with indexes: `Patient.telecom[0].value`. Empty for a constant.
    pub sources: Vec<String>,
    /// File and line of the rule: `mapping.yaml:41`.
    pub rule: String,
    /// What was done, in order and in words: `code map gender: row 2 (equivalent)`, `cut from 612 to 500 characters`.
    pub steps: Vec<String>,
    /// What kind of data it is.
    pub class: DataClass,
    /// A keyed hash of the value: equal values have equal hashes, and nobody without the key can try values out.
    pub hash: String,
    /// The value. Empty unless the caller asked for it by name; never serialised, never in `Debug`.
    #[serde(skip)]
    pub value: String,
}

impl fmt::Debug for FieldLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldLine")
            .field("target", &self.target)
            .field("sources", &self.sources)
            .field("rule", &self.rule)
            .field("steps", &self.steps)
            .field("class", &self.class)
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}
