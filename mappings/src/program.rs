//! A compiled mapping: what the compiler makes and the runtime runs. Plain data, owned, shared between threads.
//!
//! Nothing in it can fail to resolve: names have become indexes, paths are compiled, maps are loaded. It knows nothing
//! of files that were read, nor of documents that will be translated.

use crate::ConceptMap;
use crate::class::{DataClass, Grade};
use crate::fhirpath::Expression;
use crate::read_set::ReadSet;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A whole adapter's mapping.
#[derive(Debug)]
pub struct Program {
    /// Name that the mapping gives itself.
    pub name: String,
    /// Files that it was made from, as named in the folder; [`Place::file`] points into it.
    pub files: Vec<String>,
    /// What the operator configures.
    pub settings: Vec<Setting>,
    /// Named expressions, in their order: each may use those before it.
    pub variables: Vec<Variable>,
    /// What makes the referral unfit to be sent, tried in order before the first request of a submit.
    pub guards: Vec<Guard>,
    /// Losses that the mapping's author has accepted in words, by element path.
    pub accepted_losses: Vec<AcceptedLoss>,
    /// Every rule by its id: where it stands and what it fills.
    pub rules: Vec<RuleInfo>,
    /// Exchanges by name.
    pub exchanges: BTreeMap<ExchangeName, Vec<Step>>,
    /// How pushed bodies are read.
    pub report: Option<Reading>,
    /// Which elements of the referral it can read.
    pub read_set: ReadSet,
}

/// What an exchange is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExchangeName {
    /// Give the platform the referral.
    Submit,
    /// Ask whether the platform has it.
    LookUp,
    /// Read one referral's status.
    Read,
    /// Ask what has changed.
    Poll,
    /// The sender has withdrawn it.
    Cancel,
    /// The sender has paused it.
    Hold,
    /// The sender lets it go on.
    Release,
}

/// Where a line of a mapping stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Index into [`Program::files`].
    pub file: u16,
    /// Line, from 1.
    pub line: u32,
    /// Column in Unicode scalar values, from 1.
    pub column: u32,
}

/// Names one rule: an index into [`Program::rules`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u32);

/// What explanations say of a rule.
#[derive(Debug, Clone)]
pub struct RuleInfo {
    /// Where it stands.
    pub place: Place,
    /// The field that it fills, for example `create.body.Referral.ReasonForSupport` or `poll.reports.status`.
    pub target: String,
    /// What kind of data it carries.
    pub class: DataClass,
    /// The element of the referral that the field stands for, if the mapping says so.
    pub means: Option<String>,
    /// The author's words on a constant, default or deviation.
    pub because: Option<String>,
    /// The expression as written; empty for a constant.
    pub text: String,
}

/// One value that the operator configures.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Its name: `%settings.<name>`.
    pub name: String,
    /// What it may hold.
    pub kind: Scalar,
    /// Whether it has to be there.
    pub required: bool,
    /// Used when it is not there.
    pub default: Option<String>,
    /// Regular expression that it has to match.
    pub pattern: Option<regex::Regex>,
    /// The values that it may have; empty = any.
    pub one_of: Vec<String>,
    /// What it is for, in words.
    pub about: String,
}

/// A named expression.
#[derive(Debug)]
pub struct Variable {
    /// Its name, without `%`.
    pub name: String,
    /// What it stands for.
    pub expression: Expression,
}

/// A condition under which nothing is sent.
#[derive(Debug)]
pub struct Guard {
    /// Its rule.
    pub rule: RuleId,
    /// True = refuse.
    pub when: Expression,
    /// The element that is the reason.
    pub element: String,
    /// Whether sending would be unsafe (and not merely pointless).
    pub unsafe_to_send: bool,
    /// The words that the sender reads.
    pub because: String,
}

/// A loss that is accepted in words.
#[derive(Debug, Clone)]
pub struct AcceptedLoss {
    /// Element path; covers all below it.
    pub element: String,
    /// Why it may be lost.
    pub because: String,
    /// The grade that it then has.
    pub grade: Grade,
}

/// One request of an exchange, and what its answer means.
#[derive(Debug)]
pub struct Step {
    /// Its name within the exchange, stored as progress.
    pub name: String,
    /// What is sent.
    pub request: Request,
    /// What the answer means.
    pub answer: Answer,
}

/// A request to be made.
#[derive(Debug)]
pub struct Request {
    /// HTTP verb.
    pub method: Method,
    /// Path below the base address; parts are encoded one by one.
    pub path: Vec<PathPart>,
    /// Query parameters in their order.
    pub query: Vec<(String, Node)>,
    /// Headers in their order.
    pub headers: Vec<(String, Node)>,
    /// The body.
    pub body: Option<Body>,
    /// What happens if it is sent twice.
    pub repeat: Repeat,
}

/// HTTP verbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Read.
    Get,
    /// Create or act.
    Post,
    /// Replace.
    Put,
    /// Change in part.
    Patch,
    /// Remove.
    Delete,
}

/// What it means to send a request again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It changes nothing at the platform.
    Safe,
    /// The platform recognises our key.
    Keyed,
    /// The platform would make a second one.
    LookUpFirst,
}

/// A piece of a path.
#[derive(Debug)]
pub enum PathPart {
    /// As it stands.
    Literal(String),
    /// Percent-encoded as a part of one segment; empty = the request cannot be made.
    Value(RuleId, Expression),
}

/// A request body.
#[derive(Debug)]
pub struct Body {
    /// How it is written.
    pub format: Format,
    /// Its `Content-Type`.
    pub content_type: String,
    /// What is in it.
    pub node: Node,
}

/// How a body is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// `application/x-www-form-urlencoded`; the node is an object of values (an array repeats its name).
    Form,
    /// One CSV row with a header (RFC 4180), cells guarded against formula injection.
    Csv,
    /// XML with this root element; `@name` members are attributes, `#text` is text.
    Xml {
        /// Name of the root element.
        root: String,
        /// Its namespace.
        namespace: Option<String>,
    },
    /// FHIR JSON.
    Fhir,
    /// Plain text: the node is a value.
    Text,
}

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

/// A date pattern, read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateFormat {
    /// Its parts.
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

/// What an answer means.
#[derive(Debug)]
pub struct Answer {
    /// Whether the body must be JSON of the declared shape; if not, no path looks into it.
    pub body: bool,
    /// The first whose condition holds.
    pub outcomes: Vec<Outcome>,
}

/// One meaning of an answer.
#[derive(Debug)]
pub struct Outcome {
    /// Its rule.
    pub rule: RuleId,
    /// Absent = always.
    pub when: Option<Expression>,
    /// What follows.
    pub then: Then,
}

/// What follows an answer.
#[derive(Debug)]
pub enum Then {
    /// The platform has it.
    Delivered {
        /// The platform's name for it.
        platform_referral: Expression,
        /// What it said of its status.
        reports: Option<Reading>,
    },
    /// It was asked and does not have it.
    Absent,
    /// Another request.
    Next {
        /// Index of the step within its exchange.
        step: usize,
        /// What later steps need.
        notes: Vec<(String, Expression)>,
    },
    /// What was read.
    Reports {
        /// How.
        reading: Reading,
        /// Where the next poll starts.
        cursor: Vec<(String, Expression)>,
        /// Whether more is waiting.
        more: Option<Expression>,
    },
    /// It refused in its own words, kept a part, or said something that cannot be read.
    Failed {
        /// Which.
        code: Failure,
        /// The author's words.
        diagnostic: String,
    },
    /// The HTTP status decides.
    HttpFailure,
}

/// Failures that a mapping may state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Understood and refused.
    Refused,
    /// A part was kept.
    PartlyStored,
    /// A success that cannot be believed.
    Unreadable,
}

/// How statements of a platform are read.
#[derive(Debug)]
pub struct Reading {
    /// Its rule.
    pub rule: RuleId,
    /// Gives one item for each statement; absent = the whole body is one.
    pub each: Option<Expression>,
    /// What is read.
    pub what: Reads,
}

/// What a statement says.
#[derive(Debug)]
pub enum Reads {
    /// A status.
    Status(Box<StatusRule>),
    /// Only that something changed; gives the platform's name for the referral.
    Changed(Expression),
}

/// Paths to the parts of a status report.
#[derive(Debug)]
pub struct StatusRule {
    /// The platform's name for the referral.
    pub platform_referral: Expression,
    /// Our key.
    pub key: Option<Expression>,
    /// Names the statement.
    pub event: Expression,
    /// A number that grows.
    pub version: Option<Expression>,
    /// When it happened.
    pub instant: Option<Expression>,
    /// The platform's word.
    pub status: Expression,
    /// Its reason in words.
    pub reason: Option<Expression>,
    /// What was done.
    pub outputs: Vec<OutputRule>,
}

/// One output of a report.
#[derive(Debug)]
pub struct OutputRule {
    /// `Task.output.type.text`.
    pub kind: String,
    /// Gives the words.
    pub text: Expression,
}
