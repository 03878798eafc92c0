//! Items: what an evaluation gives, and what it is given. Knows how a node of a document reads as a value.

use std::borrow::Cow;
use std::cell::OnceCell;

use crate::document::{Document, Kind, NodeId};

use super::fault::EvaluationFault;
use super::types::{NodeType, System};

/// One item of a collection.
#[derive(Debug, Clone)]
pub enum Item<'e> {
    /// A value of a document.
    Node(Node<'e>),
    /// Text.
    Text(Cow<'e, str>),
    /// A whole number.
    Integer(i64),
    /// A decimal number, with its digits.
    Decimal(Cow<'e, str>),
    /// `true` or `false`.
    Boolean(bool),
    /// A date, as FHIR writes it.
    Date(Cow<'e, str>),
    /// A date with a time, as FHIR writes it.
    DateTime(Cow<'e, str>),
    /// A time of day, as FHIR writes it.
    Time(Cow<'e, str>),
}

/// A value of a document, with its type.
#[derive(Debug, Clone, Copy)]
pub struct Node<'e> {
    /// The document.
    pub doc: &'e Document<'e>,
    /// The value. For a primitive that has extensions and no value, its `_name` twin.
    pub id: NodeId,
    /// The `_name` twin of a primitive, if there is one.
    pub twin: Option<NodeId>,
    /// The type.
    pub ty: NodeType,
}

impl<'e> Node<'e> {
    /// A value without a twin.
    #[must_use]
    pub const fn new(doc: &'e Document<'e>, id: NodeId, ty: NodeType) -> Self {
        Self { doc, id, twin: None, ty }
    }

    /// Whether this is a primitive with extensions and no value.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.twin == Some(self.id)
    }

    /// The value as FHIRPath's own type; `None` for a primitive without value.
    ///
    /// # Errors
    /// If the value is not written as its type demands.
    pub fn value(&self) -> Result<Option<Item<'e>>, EvaluationFault> {
        if self.is_bare() {
            return Ok(None);
        }
        let Some(system) = self.ty.system() else { return Ok(Some(Item::Node(*self))) };
        let text = |make: fn(Cow<'e, str>) -> Item<'e>| self.doc.string(self.id).map(make);
        let number = || (self.doc.kind(self.id) == Kind::Number).then(|| self.doc.raw(self.id));
        let item = match system {
            System::Boolean => self.doc.boolean(self.id).map(Item::Boolean),
            System::String => text(Item::Text),
            System::Date => text(Item::Date),
            System::DateTime => text(Item::DateTime),
            System::Time => text(Item::Time),
            System::Integer => number().and_then(|digits| digits.parse().ok()).map(Item::Integer),
            System::Decimal => number().map(|digits| Item::Decimal(Cow::Borrowed(digits))),
        };
        item.map(Some).ok_or_else(|| self.malformed(system))
    }

    pub(super) fn malformed(&self, system: System) -> EvaluationFault {
        EvaluationFault::Malformed { location: self.doc.location(self.id), expected: system.name() }
    }
}

impl<'e> Item<'e> {
    /// The node, if the item is one.
    #[must_use]
    pub const fn node(&self) -> Option<&Node<'e>> {
        match self {
            Self::Node(node) => Some(node),
            _ => None,
        }
    }

    /// The characters of a text, date, time or number, whether computed or in a document; `None` for booleans, objects
    /// and primitives without value.
    #[must_use]
    pub fn as_text(&self) -> Option<Cow<'e, str>> {
        match self {
            Self::Text(text) | Self::Decimal(text) | Self::Date(text) | Self::DateTime(text) | Self::Time(text) => {
                Some(text.clone())
            }
            Self::Integer(number) => Some(Cow::Owned(number.to_string())),
            Self::Boolean(_) => None,
            Self::Node(node) if node.is_bare() => None,
            Self::Node(node) => match node.doc.kind(node.id) {
                Kind::String => node.doc.string(node.id),
                Kind::Number => Some(Cow::Borrowed(node.doc.raw(node.id))),
                _ => None,
            },
        }
    }

    /// `true` or `false`, whether computed or in a document.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            Self::Node(node) if !node.is_bare() => node.doc.boolean(node.id),
            _ => None,
        }
    }

    /// A whole number, whether computed or in a document.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            Self::Node(node) if !node.is_bare() && node.doc.kind(node.id) == Kind::Number => {
                node.doc.raw(node.id).parse().ok()
            }
            _ => None,
        }
    }
}

/// What a variable is bound to.
#[derive(Debug, Clone, Copy)]
pub enum Binding<'e> {
    /// Nothing.
    Empty,
    /// One value of a document, of the declared type.
    Node(&'e Document<'e>, NodeId),
    /// Several values of a document, each of the declared type.
    Nodes(&'e Document<'e>, &'e [NodeId]),
    /// Text.
    Text(&'e str),
    /// A whole number.
    Integer(i64),
    /// `true` or `false`.
    Boolean(bool),
    /// What another expression gave.
    Items(&'e [Item<'e>]),
    /// What another expression gave, with its sources; nothing until the cell is filled, which whoever binds it does
    /// before the first evaluation that uses the slot.
    Later(&'e OnceCell<Vec<Computed<'e>>>),
}

/// What an expression gave, and what that was made of.
#[derive(Debug, Clone)]
pub struct Computed<'e> {
    /// The item.
    pub item: Item<'e>,
    /// For an item that is no node, the nodes of [`Environment::bundle`] that it was made of.
    pub sources: Vec<NodeId>,
}

/// What an evaluation may read beside its focus.
#[derive(Debug, Clone, Copy, Default)]
pub struct Environment<'e> {
    /// The variables, in the order in which the scope declares them. A slot that is missing is empty.
    pub slots: &'e [Binding<'e>],
    /// The Bundle in which `resolve()` looks.
    pub bundle: Option<&'e Document<'e>>,
}

/// Follows what an evaluation reads.
pub trait Trace {
    /// Whether anybody listens. Where nobody does, nothing is kept for it.
    const ACTIVE: bool = true;
    /// The value of this node is in a visited item.
    fn conveyed(&mut self, doc: &Document<'_>, id: NodeId);
    /// This node was compared, counted or tested.
    fn examined(&mut self, doc: &Document<'_>, id: NodeId);
}

/// Follows nothing, at no cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTrace;

impl Trace for NoTrace {
    const ACTIVE: bool = false;

    fn conveyed(&mut self, _: &Document<'_>, _: NodeId) {}

    fn examined(&mut self, _: &Document<'_>, _: NodeId) {}
}
