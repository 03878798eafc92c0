//! Faults: those of an expression, found when it is compiled, and those of an evaluation. Neither holds a value of a
//! document.

use std::ops::Range;

use thiserror::Error;

/// Why an expression does not compile: where, what, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{problem}")]
pub struct Fault {
    /// Bytes of the expression's text.
    pub at: Range<usize>,
    /// What is wrong.
    pub problem: String,
    /// What to write instead, where that can be said.
    pub mend: Option<String>,
}

impl Fault {
    pub(crate) fn new(at: Range<usize>, problem: impl Into<String>) -> Self {
        Self { at, problem: problem.into(), mend: None }
    }

    pub(crate) fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }
}

/// Why an evaluation gave no answer. The document is not as the expression needs it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EvaluationFault {
    /// Several items where the specification allows one.
    #[error("{operation} takes one item, and here are several; choose one, for example with first()")]
    NotSingle {
        /// The function or operator.
        operation: &'static str,
        /// Its place in the expression.
        at: Range<usize>,
    },
    /// A value that is not written as its type demands.
    #[error("{location} is not written as a {expected}; correct it where it comes from")]
    Malformed {
        /// The path of the value in its document.
        location: String,
        /// The type that the element has.
        expected: &'static str,
    },
    /// Two elements that hold quantities, which differ in writing and may be equal in amount.
    #[error(
        "{location} holds a quantity, and quantities in different writing cannot be compared here; compare elements without one"
    )]
    Quantities {
        /// The path of the quantity in its document.
        location: String,
    },
    /// More steps than an evaluation may take.
    #[error("the evaluation was stopped after {limit} steps; the document is too large for this expression")]
    TooMuchWork {
        /// How many steps were allowed.
        limit: u64,
    },
}
