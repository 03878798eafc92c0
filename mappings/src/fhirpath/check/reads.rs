//! The read-set: which elements an expression can read, and whether their values can reach its result.

use super::super::types::Type;
use super::{Checker, Part};

/// An element that an expression reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Read {
    /// Its path, the resource type first: `Patient.name.family`, `Observation.valueQuantity.value`.
    pub path: String,
    /// What happens with it.
    pub use_: Use,
}

/// What an expression does with an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Use {
    /// Its value, or all that is below it, can be in the result.
    Conveyed,
    /// It is compared, counted or tested, and not passed on.
    Examined,
}

impl Checker<'_> {
    pub(super) fn examined(&mut self, part: &Part) {
        self.read(part, Use::Examined);
    }

    pub(super) fn conveyed(&mut self, part: &Part) {
        self.read(part, Use::Conveyed);
    }

    fn read(&mut self, part: &Part, use_: Use) {
        let paths = part.holds.types.iter().filter_map(Type::path).map(str::to_owned);
        self.reads.extend(paths.chain(part.sources.iter().cloned()).map(|path| Read { path, use_ }));
    }
}

impl Part {
    /// A computed part that holds what this one holds.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = self.holds.types.iter().filter_map(Type::path).map(str::to_owned).collect();
        paths.extend(self.sources.iter().cloned());
        paths
    }
}

/// Each path once, with its strongest use.
pub(super) fn strongest(mut reads: Vec<Read>) -> Vec<Read> {
    reads.sort();
    reads.dedup_by(|later, earlier| later.path == earlier.path);
    reads
}
