//! What an answer or a pushed body means.

use super::RuleId;
use crate::fhirpath::{Expression, Shape};
use std::sync::Arc;

/// What an answer means.
#[derive(Debug)]
pub struct Answer {
    /// Whether the body must be JSON of the declared shape; if not, no path looks into it.
    pub body: bool,
    /// The declared shape; there exactly when `body` is true. What does not fit it is unreadable.
    pub shape: Option<Arc<Shape>>,
    /// The first whose condition holds.
    pub outcomes: Vec<Outcome>,
}

/// One meaning of an answer.
#[derive(Debug)]
pub struct Outcome {
    /// Its rule.
    pub rule: RuleId,
    /// The shape that the body has to fit, where it is another than that of the answer.
    pub shape: Option<Arc<Shape>>,
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
    /// Not taken up: to be asked again after this time.
    Busy {
        /// How long the platform is left alone.
        wait_seconds: u32,
    },
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
#[expect(clippy::large_enum_variant, reason = "a mapping holds few, and each referral would follow the pointer")]
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
