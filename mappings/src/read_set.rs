//! The read-set: which elements of a referral a compiled mapping can read. It is the adapter's data need.

use crate::class::DataClass;
use crate::program::RuleId;

/// All elements that a mapping can read, sorted by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadSet {
    /// The elements.
    pub elements: Vec<ReadElement>,
}

/// One element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadElement {
    /// Path without indexes, resource type first; covers all below it.
    pub path: String,
    /// What kind of data it is, by the table of classes or the rule, whichever is graver.
    pub class: DataClass,
    /// Whether its value can reach the platform, or is only looked at.
    pub conveyed: bool,
    /// Whether nothing can be sent without it.
    pub needed: bool,
    /// The rules that read it.
    pub rules: Vec<RuleId>,
}
