//! The expression as it is written: a tree of syntax with places, no types yet.

use std::ops::Range;

/// A part of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) at: Range<usize>,
    pub(super) syntax: Syntax,
    /// How many parts stand in each other below this one, itself included.
    pub(super) depth: usize,
}

/// A name with its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Name {
    pub(super) at: Range<usize>,
    pub(super) text: String,
}

/// What stands there.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Syntax {
    /// `{}`
    Empty,
    Boolean(bool),
    Text(String),
    /// Digits, with or without a point.
    Number(String),
    /// `@…`, without the `@`.
    Temporal(String),
    /// `4 days`, `4 'mg'`.
    Quantity,
    /// `$this`, `$index`, `$total`.
    Special(Special),
    /// `%name`
    Variable(String),
    /// A name, alone or behind a point.
    Member(Option<Box<Node>>, Name),
    /// A function, alone or behind a point.
    Call(Option<Box<Node>>, Name, Vec<Node>),
    /// `a[b]`
    Index(Box<Node>, Box<Node>),
    /// `-a`, `+a`
    Sign(bool, Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    /// `a is T` (false) or `a as T` (true).
    TypeTest(bool, Box<Node>, Name),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    This,
    Index,
    Total,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Multiply,
    Divide,
    Div,
    Mod,
    Add,
    Subtract,
    Concatenate,
    Union,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    Equivalent,
    NotEqual,
    NotEquivalent,
    In,
    Contains,
    And,
    Or,
    Xor,
    Implies,
}

impl Operator {
    /// How tightly it binds, as in the grammar: a higher one binds more tightly. `is` and `as` have 9.
    pub(super) const fn binding(self) -> u8 {
        match self {
            Self::Multiply | Self::Divide | Self::Div | Self::Mod => 11,
            Self::Add | Self::Subtract | Self::Concatenate => 10,
            Self::Union => 8,
            Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual => 7,
            Self::Equal | Self::Equivalent | Self::NotEqual | Self::NotEquivalent => 6,
            Self::In | Self::Contains => 5,
            Self::And => 4,
            Self::Or | Self::Xor => 3,
            Self::Implies => 2,
        }
    }
}
