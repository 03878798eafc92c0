//! The account of one translation: what each target field was made of, and what of the referral did not arrive.
//!
//! Both are for people: a vendor who checks a mapping, a sender who is told what will be missing, an
//! information-governance lead. Neither holds patient data: element paths, rules and figures only. The one exception,
//! [`FieldLine::value`], is never serialised or printed.

use crate::DataClass;
use serde::{Deserialize, Serialize};
use std::fmt;

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

impl Grade {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Notable => "notable",
            Self::Unsafe => "unsafe",
        }
    }

    /// The grade of this word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        [Self::Informational, Self::Notable, Self::Unsafe].into_iter().find(|grade| grade.word() == word)
    }
}

/// Why something did not arrive as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossReason {
    /// The platform has no field for it: nothing in the adapter reads it.
    NoField,
    /// Such elements are read, but others were taken (only the first, or a condition did not hold).
    NotChosen,
    /// Cut.
    Truncated,
    /// The code map has no row for it.
    CodeUnmapped,
    /// The target code means more, less or something near.
    CodeWidened,
    /// A constant stands in its place.
    Replaced,
    /// A default stands where nothing was given.
    Defaulted,
    /// It did not fit the field and was left out.
    DidNotFit,
    /// Characters went (mark-up, white space).
    Altered,
    /// The recipient's policy does not let it have this.
    Minimised,
    /// Consent does not cover it.
    Withheld,
}

/// Something that did not arrive as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Loss {
    /// Element path without indexes: `Patient.birthDate`; a resource type alone stands for whole resources.
    pub element: String,
    /// Why.
    pub reason: LossReason,
    /// How grave.
    pub grade: Grade,
    /// How many such elements.
    pub count: u32,
    /// Figures and code rows, without patient data: `612 characters cut to 500`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The rule, where there is one: `mapping.yaml:41`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The adapter author's words, where a loss was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// A loss that the adapter's author accepts in words. Safety content may be lost only so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AcceptedLoss {
    /// Element path; covers all below it.
    pub element: String,
    /// Why it may be lost.
    pub because: String,
    /// The grade that it then has.
    #[serde(default = "notable")]
    pub grade: Grade,
}

const fn notable() -> Grade {
    Grade::Notable
}

/// One line of the explanation: one target field.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FieldLine {
    /// The field, with indexes: `create.body.Referral.RecipientDto.Telephone`.
    pub target: String,
    /// Where its value stood in the referral, with indexes: `Patient.telecom[0].value`. Empty for a constant.
    pub sources: Vec<String>,
    /// File and line of the rule: `mapping.yaml:41`.
    pub rule: String,
    /// What was done, in order and in words: `code map gender: female -> F`, `cut from 612 to 500 characters`.
    pub steps: Vec<String>,
    /// What kind of data it is.
    pub class: DataClass,
    /// The value, for whoever asks for it by name.
    #[serde(skip)]
    pub value: String,
}

impl fmt::Debug for FieldLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldLine")
            .field("target", &self.target)
            .field("sources", &self.sources)
            .field("rule", &self.rule)
            .field("steps", &self.steps)
            .field("class", &self.class)
            .finish_non_exhaustive()
    }
}

/// What one translation did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Account {
    /// One line for each target field; empty where the adapter cannot explain itself.
    pub fields: Vec<FieldLine>,
    /// What of the document that the adapter was given did not arrive.
    pub losses: Vec<Loss>,
}
