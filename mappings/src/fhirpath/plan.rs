//! The compiled form of an expression: operations with all names resolved. Knows nothing of the text but places.

use std::ops::Range;

use crate::document::Key;

use super::types::NodeType;

/// One operation.
#[derive(Debug, Clone)]
pub(super) enum Op {
    /// Always empty.
    Nothing,
    Literal(Literal),
    This,
    Index,
    /// The item that the whole evaluation starts from.
    Context,
    Variable(usize),
    Path {
        from: Box<Op>,
        steps: Box<[Step]>,
    },
    /// Keeps items for which the test is true.
    Where {
        from: Box<Op>,
        test: Box<Op>,
    },
    Select {
        from: Box<Op>,
        to: Box<Op>,
    },
    First(Box<Op>),
    Exists {
        from: Box<Op>,
        wanted: bool,
    },
    Not(Box<Op>),
    Logic {
        logic: Logic,
        left: Box<Op>,
        right: Box<Op>,
    },
    /// `=` and `!=` (wanted false) of two collections.
    Equal {
        left: Box<Op>,
        right: Box<Op>,
        wanted: bool,
        single: bool,
    },
    Compare {
        left: Box<Op>,
        right: Box<Op>,
        order: Order,
    },
    Choose {
        test: Box<Op>,
        yes: Box<Op>,
        no: Box<Op>,
    },
    /// Fails if there are several items.
    Single {
        from: Box<Op>,
        operation: &'static str,
        at: Range<usize>,
    },
}

#[derive(Debug, Clone)]
pub(super) enum Literal {
    Text(Box<str>),
    Integer(i64),
    Decimal(Box<str>),
    Boolean(bool),
    Date(Box<str>),
    DateTime(Box<str>),
    Time(Box<str>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Logic {
    And,
    Or,
    Xor,
    Implies,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// One point of a path: for each type that an item may have, the members that carry the name.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) moves: Box<[Move]>,
}

/// The members to follow from an item of one type.
#[derive(Debug, Clone)]
pub(super) struct Move {
    /// `None` where the item can have no other type.
    pub(super) from: Option<NodeType>,
    /// For a choice, its stem, by which most members are passed over.
    pub(super) stem: Option<Box<str>>,
    pub(super) ways: Box<[Way]>,
}

/// One member and the type of its value.
#[derive(Debug, Clone)]
pub(super) struct Way {
    pub(super) key: Key,
    /// The member with the underscore, for a primitive of FHIR.
    pub(super) twin: Option<Key>,
    pub(super) to: NodeType,
    /// Whether the member may be an array.
    pub(super) repeats: bool,
}
