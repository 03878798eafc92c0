//! The codes of value sets that R4 binds as required.
//!
//! A value set that R4 does not list in full is simply absent: its codes go unchecked.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

const CODES: &str = include_str!("../tables/codes.tsv");

/// The codes of one value set.
#[derive(Debug, Default)]
pub struct CodeSet {
    codes: HashSet<&'static str>,
    pairs: HashSet<(&'static str, &'static str)>,
}

impl CodeSet {
    /// Whether the set has this code in any system: the rule for an element of type `code`, which has no system.
    #[must_use]
    pub fn has_code(&self, code: &str) -> bool {
        self.codes.contains(code)
    }

    /// Whether the set has this code of this system: the rule for `Coding` and `CodeableConcept`.
    #[must_use]
    pub fn has(&self, system: &str, code: &str) -> bool {
        self.pairs.contains(&(system, code))
    }

    /// All its codes with their systems, in no order.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.pairs.iter().copied()
    }
}

/// The codes of a value set, by its url without version.
pub(super) fn code_set(url: &str) -> Option<&'static CodeSet> {
    static SETS: OnceLock<HashMap<&'static str, CodeSet>> = OnceLock::new();
    SETS.get_or_init(read).get(url)
}

fn read() -> HashMap<&'static str, CodeSet> {
    let mut sets: HashMap<&'static str, CodeSet> = HashMap::new();
    for line in CODES.lines().filter(|line| !line.starts_with('#')) {
        let mut cells = line.split('\t');
        if let (Some(url), Some(system), Some(code)) = (cells.next(), cells.next(), cells.next()) {
            let set = sets.entry(url).or_default();
            set.codes.insert(code);
            set.pairs.insert((system, code));
        }
    }
    sets
}
