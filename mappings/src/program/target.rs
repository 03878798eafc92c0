//! What is written: the tree of one target (body, query parameter, header) and the rules of its values.

use super::RuleId;
use crate::ConceptMap;
use crate::fhirpath::Expression;
use std::sync::Arc;

/// What stands in one place of a target.
#[derive(Debug)]
pub enum Node {
    /// An object.
    Object(Vec<Member>),
    /// An array with one item for each item of the path.
    Each(Each),
    /// One value.
    Value(Box<Value>),
    /// Several lines of text.
    Lines(Box<Lines>),
    /// The first alternative whose condition holds; none = left out.
    Choose(Vec<Alternative>),
    /// The FHIR element as it stands.
    Copy {
        /// Its rule.
        rule: RuleId,
        /// Where it is.
        from: Expression,
        /// Whether it has to be there.
        required: bool,
    },
    /// An object, value or list under a condition.
    When {
        /// False or empty = left out.
        condition: Expression,
        /// What stands here otherwise.
        node: Box<Node>,
    },
    /// A node used by name; shared, so that a fragment is compiled once for each place that it is used in.
    Shared(Arc<Node>),
}

/// One member of an object.
#[derive(Debug)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its name as JSON text with the colon, written as it stands.
    pub json: String,
    /// What stands there.
    pub node: Node,
}

/// An array.
#[derive(Debug)]
pub struct Each {
    /// Its rule.
    pub rule: RuleId,
    /// Gives the items.
    pub over: Expression,
    /// What each becomes.
    pub item: Box<Node>,
    /// Most items, and whether more are dropped (a loss) or refused.
    pub limit: Option<(u32, TooMany)>,
    /// Left out when empty (else an empty array).
    pub omit_empty: bool,
}

/// What happens to items beyond a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooMany {
    /// The referral is not sent.
    Refuse,
    /// They are left out, which is a loss.
    Drop,
}

/// One alternative of a choice.
#[derive(Debug)]
pub struct Alternative {
    /// Absent for the last.
    pub when: Option<Expression>,
    /// What stands there.
    pub node: Node,
}

/// Lines of text.
#[derive(Debug)]
pub struct Lines {
    /// The rule of the whole.
    pub rule: RuleId,
    /// Each with its label; empty ones are left out.
    pub parts: Vec<Value>,
    /// Between them.
    pub separator: String,
    /// What is done to the whole text (limits, encoding, required).
    pub finish: Finish,
}

/// One value: where it comes from and all that happens to it, in this order: source, map, format, join, transform, label,
/// then [`Finish`].
#[derive(Debug)]
pub struct Value {
    /// Its rule.
    pub rule: RuleId,
    /// Where it comes from.
    pub source: Source,
    /// What it is written as.
    pub kind: Scalar,
    /// Code translation.
    pub map: Option<CodeRule>,
    /// Pattern of dates.
    pub format: Option<DateFormat>,
    /// Between several values; absent where the path gives one at most.
    pub join: Option<String>,
    /// Changes of text.
    pub transforms: Vec<Transform>,
    /// Words before it (lines).
    pub label: Option<String>,
    /// Limits, default, required.
    pub finish: Finish,
}

/// What is done at the end.
#[derive(Debug, Default)]
pub struct Finish {
    /// Most characters.
    pub max_length: Option<MaxLength>,
    /// Regular expression that it has to match, and what happens if not.
    pub pattern: Option<(regex::Regex, Mismatch)>,
    /// The values that it may have, and what happens to others.
    pub one_of: Option<(Vec<String>, Mismatch)>,
    /// Least and greatest integer.
    pub range: Option<(i64, i64, Mismatch)>,
    /// Stands here when there is nothing.
    pub default: Option<Literal>,
    /// Refused when there is nothing.
    pub required: bool,
    /// What is written when there is nothing and it is not required.
    pub empty: Empty,
    /// Base64 of the UTF-8 text.
    pub base64: bool,
}

/// A bound on length.
#[derive(Debug, Clone)]
pub struct MaxLength {
    /// Most units.
    pub most: u32,
    /// What is counted.
    pub count: Count,
    /// What happens beyond it.
    pub overflow: Overflow,
}

/// What a length counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// Unicode scalar values.
    Characters,
    /// Unicode scalar values, carriage returns not counted.
    CharactersWithoutCr,
    /// UTF-16 code units.
    Utf16,
    /// Bytes of UTF-8.
    Bytes,
}

/// What happens beyond a length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overflow {
    /// The referral is not sent.
    Refuse,
    /// Cut so that text and marker fit; a loss.
    Truncate {
        /// Shows the reader that something is missing.
        marker: String,
    },
}

/// What happens to a value that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// The referral is not sent.
    Refuse,
    /// The field is left out, which is a loss.
    Omit,
}

/// What is written for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Empty {
    /// The member is left out.
    #[default]
    Omit,
    /// JSON null.
    Null,
    /// An empty text.
    Blank,
}

/// Where a value comes from.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a mapping holds few, and each referral would follow the pointer")]
pub enum Source {
    /// A path.
    From(Expression),
    /// It stands in the mapping.
    Constant(Literal),
}

/// A value that stands in a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// Text.
    Text(String),
    /// Whole number.
    Integer(i64),
    /// Decimal, as written.
    Decimal(String),
    /// True or false.
    Boolean(bool),
}

/// Types of target values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    /// Text.
    Text,
    /// Whole number.
    Integer,
    /// Decimal, digits kept.
    Decimal,
    /// True or false.
    Boolean,
    /// Date.
    Date,
    /// Date with time.
    DateTime,
    /// A code: text that may not be cut.
    Code,
}

/// Changes of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transform {
    /// White space at both ends goes.
    Trim,
    /// Each run of white space becomes one space.
    CollapseWhitespace,
    /// Line ends become spaces.
    SingleLine,
    /// Upper case.
    Upper,
    /// Lower case.
    Lower,
    /// Mark-up goes, text and entities stay.
    StripHtml,
    /// Only digits stay.
    DigitsOnly,
}

/// A code translation.
#[derive(Debug)]
pub struct CodeRule {
    /// Name by which the mapping knows the map.
    pub name: String,
    /// The map.
    pub map: Arc<ConceptMap>,
    /// System of a source that is a bare code.
    pub system: Option<String>,
    /// What happens to a code that the map does not translate.
    pub unmapped: Unmapped,
}

/// What happens to a code that a map does not translate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmapped {
    /// The referral is not sent.
    Refuse,
    /// The field is left out, which is a loss.
    Omit,
    /// The source code is passed on.
    Keep,
    /// This code stands for all others, which is a loss.
    Code(String),
}

/// A date pattern, read once. Present on every value of kind [`Scalar::Date`] or [`Scalar::DateTime`] whose source can
/// be partial, with a pattern or without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateFormat {
    /// Its parts; empty = ISO 8601 as it stands in the source (a date-time keeps its offset).
    pub parts: Vec<DatePart>,
    /// What happens to a date that lacks a part.
    pub partial: Partial,
}

/// A piece of a date pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatePart {
    /// Four digits.
    Year,
    /// Two digits.
    Month,
    /// Two digits.
    Day,
    /// Two digits.
    Hour,
    /// Two digits.
    Minute,
    /// Two digits.
    Second,
    /// As it stands.
    Literal(String),
}

/// What happens to a date of lesser precision than the pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partial {
    /// The referral is not sent.
    Refuse,
    /// The field is left out, which is a loss.
    Omit,
    /// Written as it came.
    Keep,
}
