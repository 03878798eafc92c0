//! The compiled form of an expression: operations with all names resolved. Knows nothing of the text but places.

use std::ops::Range;

use regex::Regex;

use crate::document::Key;

use super::chain::{Chain, Test};
use super::types::{NodeType, System};

/// One operation.
#[derive(Debug, Clone)]
pub(super) enum Op {
    /// Several operations as a flat list; made from them when the expression is done.
    Chain(Chain),
    /// A question as a flat tree; likewise.
    Test(Box<Test>),
    /// Always empty.
    Nothing,
    Literal(Literal),
    This,
    Index,
    /// The item that the whole evaluation starts from.
    Context,
    Variable {
        slot: usize,
        /// Whether it may hold several items.
        many: bool,
    },
    Path {
        from: Box<Op>,
        steps: Box<[Step]>,
    },
    /// Keeps items for which the test is true.
    Where {
        from: Box<Op>,
        test: Box<Op>,
    },
    /// `counted`: the result says no more of an item than that it is there.
    Select {
        from: Box<Op>,
        to: Box<Op>,
        counted: bool,
    },
    First(Box<Op>),
    Last(Box<Op>),
    Skip(Box<Op>, usize),
    Take(Box<Op>, usize),
    /// Fails if there are several items.
    Single {
        from: Box<Op>,
        operation: &'static str,
        at: Range<usize>,
    },
    /// Keeps the items of one type.
    OfType {
        from: Box<Op>,
        wanted: Wanted,
    },
    Is {
        from: Box<Op>,
        wanted: Wanted,
    },
    /// Follows references to resources of these types; no types at all stand for any.
    Resolve {
        from: Box<Op>,
        targets: Box<[&'static str]>,
    },
    Distinct(Box<Op>),
    Set {
        set: Set,
        left: Box<Op>,
        right: Box<Op>,
    },
    Choose {
        test: Box<Op>,
        yes: Box<Op>,
        no: Box<Op>,
    },
    Split {
        from: Box<Op>,
        separator: Box<str>,
    },
    ToChars(Box<Op>),

    // From here on: operations that give one item or none.
    Count(Box<Op>),
    Exists {
        from: Box<Op>,
        wanted: bool,
    },
    All {
        from: Box<Op>,
        test: Box<Op>,
    },
    /// `allTrue` is all of true, `anyFalse` is any of false.
    Truths {
        from: Box<Op>,
        all: bool,
        of: bool,
    },
    IsDistinct(Box<Op>),
    /// Whether every item of the one is in the other.
    Subset {
        small: Box<Op>,
        large: Box<Op>,
    },
    In {
        item: Box<Op>,
        collection: Box<Op>,
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
    /// `~` and `!~` (wanted false) of two items.
    Equivalent {
        left: Box<Op>,
        right: Box<Op>,
        wanted: bool,
    },
    Compare {
        left: Box<Op>,
        right: Box<Op>,
        order: Order,
    },
    Arithmetic {
        sign: Arithmetic,
        left: Box<Op>,
        right: Box<Op>,
    },
    /// `+` (strict: empty if one is) or `&` of texts.
    Concatenate {
        left: Box<Op>,
        right: Box<Op>,
        strict: bool,
    },
    Text {
        function: TextFunction,
        from: Box<Op>,
        arguments: Box<[Op]>,
    },
    Matches {
        from: Box<Op>,
        pattern: Regex,
    },
    ReplaceMatches {
        from: Box<Op>,
        pattern: Regex,
        substitution: Box<str>,
    },
    Join {
        from: Box<Op>,
        separator: Box<str>,
    },
    Convert {
        from: Box<Op>,
        to: System,
    },
    Converts {
        from: Box<Op>,
        to: System,
    },
    HasValue(Box<Op>),
    GetValue(Box<Op>),
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Div,
    Mod,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    Union,
    Combine,
    Intersect,
    Exclude,
}

/// Functions of one text and perhaps further arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextFunction {
    IndexOf,
    Substring,
    StartsWith,
    EndsWith,
    Contains,
    Upper,
    Lower,
    Replace,
    Length,
    Trim,
}

/// The type that `ofType`, `as` and `is` ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    System(System),
    Fhir(&'static str),
}

/// One point of a path: for each type that an item may have, the members that carry the name.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) moves: Box<[Move]>,
    /// Whether there is one move for all items, with one way, that is no choice and starts from no primitive.
    pub(super) simple: bool,
}

impl Step {
    pub(super) fn new(moves: Vec<Move>) -> Self {
        let simple = match moves.as_slice() {
            [Move { from: None, primitive: false, stem: None, ways }] => ways.len() == 1,
            _ => false,
        };
        Self { moves: moves.into(), simple }
    }
}

/// The members to follow from an item of one type.
#[derive(Debug, Clone)]
pub(super) struct Move {
    /// `None` where the item can have no other type.
    pub(super) from: Option<NodeType>,
    /// Whether the item is a primitive, whose members are those of its twin.
    pub(super) primitive: bool,
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
