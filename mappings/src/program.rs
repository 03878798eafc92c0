//! A compiled mapping: what the compiler makes and the runtime runs. Plain data, owned, shared between threads.
//!
//! Nothing in it can fail to resolve: names have become indexes, paths are compiled, maps are loaded. It knows nothing
//! of files that were read, nor of documents that will be translated.

mod answer;
mod slots;
mod target;

pub use answer::*;
pub use slots::Slot;
pub use target::*;

use crate::class::{DataClass, Grade};
use crate::fhirpath::{Expression, Shape};
pub use crate::loss::Identity;
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
    /// What a pushed body looks like; what does not fit is unreadable.
    pub report_shape: Option<Arc<Shape>>,
    /// Which elements of the referral it can read.
    pub read_set: ReadSet,
    /// Tells it apart from every other program in this process; `Identity::default()` makes a new one.
    pub identity: Identity,
}

/// What an exchange is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExchangeName {
    /// Give the platform the referral.
    Submit,
    /// Give it what the referral has become.
    Update,
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
    /// The field that it fills, for example `submit.create.body.Referral.ReasonForSupport`: exchange, step, place.
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
#[expect(clippy::large_enum_variant, reason = "a mapping holds few, and each referral would follow the pointer")]
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
