//! The account of one translation: what each target field was made of, and what of the referral did not arrive.

use crate::class::{DataClass, Grade};
use serde::{Deserialize, Serialize};

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
    /// What was done, in order and in words: `code map gender: female -> F`, `cut from 612 to 500 characters`, `default`.
    pub steps: Vec<String>,
    /// What kind of data it is.
    pub class: DataClass,
    /// The value. Never serialised or printed unless the caller asks for it by name.
    #[serde(skip)]
    pub value: String,
}

/// Why something did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossReason {
    /// No rule reads it.
    NoField,
    /// A rule reads such elements but takes others (only the first, or a condition did not hold).
    NotChosen,
    /// Cut.
    Truncated,
    /// The code map has no row for it.
    CodeUnmapped,
    /// The target code means more, less or something near.
    CodeWidened,
    /// Something else stands in its place: a constant.
    Replaced,
    /// A default stands where nothing was given.
    Defaulted,
    /// It did not fit the field and was left out.
    DidNotFit,
    /// Changed so that characters went (mark-up, white space).
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
    /// Element path without indexes: `Patient.birthDate`.
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
    /// The mapping author's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}
