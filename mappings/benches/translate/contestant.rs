//! What takes part: one method from a referral to the platform's JSON. To add one, write the method and one line in
//! [`all`].

use crate::corpus::Document;
use crate::ours::{Account, Ours};
use crate::{floors, ours, typed, value};

/// Translates referrals in this process.
pub(crate) trait Contestant {
    /// As the table names it.
    fn name(&self) -> &'static str;

    /// Writes the platform's JSON to the end of `out`, which is empty.
    ///
    /// # Errors
    /// If the referral is refused. No referral of the corpus is.
    fn translate(&mut self, document: &Document, out: &mut Vec<u8>) -> anyhow::Result<()>;

    /// False for a floor: it does a part of the work only, so that its output is not compared.
    fn answers(&self) -> bool {
        true
    }

    /// Microseconds on another 2-core machine, for orientation. A baseline that takes twice as long is badly written.
    fn orientation(&self) -> Option<f64> {
        None
    }
}

/// Everybody who translates in this process. The first is the measure: its output is what the others must write, and its
/// time is what theirs are divided by.
///
/// # Errors
/// If somebody cannot get ready, as a mapping that does not compile.
pub(crate) fn all() -> anyhow::Result<Vec<Box<dyn Contestant>>> {
    let program = ours::program()?;
    let ours = |account| Box::new(Ours::new(&program, account));
    Ok(vec![
        Box::new(typed::Typed),
        ours(Account::Nothing),
        ours(Account::Figures),
        ours(Account::Words),
        Box::new(value::Tree),
        Box::new(floors::Skip),
        Box::new(floors::Index::default()),
        Box::new(floors::ParseTree),
    ])
}
