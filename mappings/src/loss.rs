//! The loss report: everything of the referral that did not reach the platform as it was sent, and why.
//!
//! Every value of the referral is either conveyed, or was looked at by a rule, or only holds the document together
//! (`structure`), or is counted in the report: nothing is silent, and a property test holds it to that. What stands in
//! an object of which nothing was conveyed is reported as that object, with its graver half deciding the grade.
//!
//! Grades come from the table of classes and from the losses that the mapping's author accepted in words. Knows element
//! paths and grades; of values only whether the table calls the loss of this one harmless.

mod judge;
mod places;
mod structure;
mod words;

pub use judge::Lost;
pub use places::Identity;
pub(crate) use places::Places;
pub(crate) use words::{relation, unit};

use crate::account::{Account, Loss};
use crate::class::Grade;
use crate::document::Document;
use crate::program::Program;
use crate::run::Scratch;

/// What did not arrive, in figures; [`Losses::in_words`] makes the report that people read.
#[derive(Debug, Clone, Default)]
pub struct Losses {
    pub(crate) lost: Vec<Lost>,
}

impl Losses {
    /// The gravest grade; `None` if nothing is lost.
    #[must_use]
    pub fn gravest(&self) -> Option<Grade> {
        self.lost.iter().map(|lost| lost.grade).max()
    }

    /// The losses, in the order of the referral.
    #[must_use]
    pub fn all(&self) -> &[Lost] {
        &self.lost
    }

    /// How many values of the referral are in the report.
    #[must_use]
    pub fn value_count(&self) -> usize {
        self.lost.iter().map(|lost| lost.values as usize).sum()
    }

    /// The report in words, gravest first, then in the order of the referral.
    #[must_use]
    pub fn in_words(&self, program: &Program) -> Vec<Loss> {
        let mut words: Vec<Loss> = self.lost.iter().map(|lost| words::loss(lost, program)).collect();
        words.sort_by_key(|loss| std::cmp::Reverse(loss.grade));
        words
    }
}

impl Account {
    /// Judges what is lost by the requests of this account. `document` is the referral that they were made from.
    #[must_use]
    pub fn losses(&self, program: &Program, document: &Document<'_>, scratch: &mut Scratch) -> Losses {
        Losses { lost: judge::judge(self, program, document, scratch.places(program)) }
    }
}
