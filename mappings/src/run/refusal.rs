//! Why a request was not made: the element, the rule, and words. Never a value.

use crate::fhirpath::EvaluationFault;
use crate::program::{Place, Program, RuleId};
use crate::write::WriteFault;
use std::fmt;

/// A request that was not made, and why. The same inputs would be refused again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The element of the referral (`Patient.birthDate`), or the setting (`settings.account-id`).
    pub element: String,
    /// The field that would have been filled, where it is one: `create.body.Referral.Name`.
    pub target: Option<String>,
    /// The rule: `mapping.yaml:41`.
    pub rule: Option<String>,
    /// What is wrong.
    pub cause: Cause,
    /// Whether sending would be unsafe, and not merely impossible.
    pub unsafe_to_send: bool,
}

/// What is wrong, without values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// A guard of the mapping holds; its author's words.
    #[error("{0}")]
    Guard(String),
    /// Nothing is there.
    #[error("the platform requires this and the referral does not have it")]
    Missing,
    /// More than the platform takes.
    #[error("it is {length} long and the platform takes {most}; shorten it")]
    TooLong {
        /// How long it is, in the units that the rule counts.
        length: usize,
        /// How long it may be.
        most: u32,
    },
    /// More items than the platform takes.
    #[error("there are more than the {most} that the platform takes")]
    TooMany {
        /// How many there may be.
        most: u32,
    },
    /// The platform's pattern.
    #[error("it is not written as the platform demands")]
    Pattern,
    /// The platform's list of values.
    #[error("it is none of the values that the platform knows")]
    NotAllowed,
    /// The platform's range.
    #[error("it is outside the range {least} to {most} that the platform takes")]
    Range {
        /// Least value.
        least: i64,
        /// Greatest value.
        most: i64,
    },
    /// No translation.
    #[error("the code map {map} has no translation for this code")]
    Unmapped {
        /// Name of the map.
        map: String,
    },
    /// A date without day, month or time.
    #[error("the platform needs the whole date and this one is partial")]
    PartialDate,
    /// Of another type than the target.
    #[error("it is not {0}")]
    Type(&'static str),
    /// The path over the referral.
    #[error("{0}")]
    Evaluation(EvaluationFault),
    /// The target cannot hold it.
    #[error("{0}")]
    Write(WriteFault),
    /// A part of the request's path is empty.
    #[error("a part of the request's path is empty")]
    EmptyPathPart,
    /// The whole would be too large.
    #[error("the request would be longer than {0} bytes")]
    TooLarge(usize),
    /// No JSON.
    #[error("it is not readable: {0}")]
    Unreadable(String),
    /// An exchange or step that the mapping does not have.
    #[error("the mapping has no such step")]
    NoSuchStep,
    /// A setting that does not fit its declaration.
    #[error("{0}")]
    Setting(String),
}

/// A cause on its way to the rule that it is the fault of; boxed, because it is rare and values are passed about often.
pub(crate) type Fault = Box<Cause>;

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.element, self.cause)?;
        match (&self.target, &self.rule) {
            (Some(target), Some(rule)) => write!(f, " (for {target}, {rule})"),
            (None, Some(rule)) => write!(f, " ({rule})"),
            _ => Ok(()),
        }
    }
}

impl Refusal {
    /// A refusal that no rule is the reason of.
    pub(crate) fn of(element: &str, cause: Cause) -> Box<Self> {
        Box::new(Self { element: element.to_owned(), target: None, rule: None, cause, unsafe_to_send: false })
    }
}

/// Makes the refusal of a rule. `element` is where the value stands, if the caller knows; else what the rule means, or
/// the first element that it passes on.
pub(crate) fn refuse(program: &Program, rule: RuleId, element: Option<String>, cause: Cause) -> Box<Refusal> {
    let info = program.rules.get(rule.0 as usize);
    let reads = || {
        let mut elements = program.read_set.elements.iter().filter(|element| element.rules.contains(&rule));
        elements
            .clone()
            .find(|element| element.conveyed)
            .or_else(|| elements.next())
            .map(|element| element.path.clone())
    };
    let element = element
        .or_else(|| info.and_then(|info| info.means.clone()))
        .or_else(reads)
        .or_else(|| info.map(|info| info.text.clone()).filter(|text| !text.is_empty()))
        .unwrap_or_else(|| "the request".to_owned());
    Box::new(Refusal {
        element,
        target: info.map(|info| info.target.clone()),
        rule: info.map(|info| place(program, info.place)),
        cause,
        unsafe_to_send: false,
    })
}

/// A place as people write it: `mapping.yaml:41`.
pub(crate) fn place(program: &Program, place: Place) -> String {
    let file = program.files.get(usize::from(place.file)).map_or("mapping", String::as_str);
    format!("{file}:{}", place.line)
}
