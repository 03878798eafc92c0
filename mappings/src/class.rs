//! Kinds of data, and how grave it is to lose an element.

use serde::{Deserialize, Serialize};

/// Kinds of data, as information-governance leads speak of them. Ordered from what says least about a person to what
/// must be guarded most, so that a field may not be classed below the element that it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataClass {
    /// References, dates, codes that carry no personal fact by themselves.
    Administrative,
    /// Age, gender, language.
    Demographic,
    /// What help is asked for.
    Need,
    /// How to reach the person.
    Contact,
    /// Who the person is: names and identifiers.
    Identity,
    /// Health facts.
    Clinical,
    /// About somebody other than the person.
    ThirdParty,
    /// Risk of harm.
    Safeguarding,
}

/// How grave a loss is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// Good to know.
    Informational,
    /// Somebody should look at it.
    Notable,
    /// Somebody could come to harm.
    Unsafe,
}
