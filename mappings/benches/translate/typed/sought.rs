//! What the typed translator seeks in lists: the value in a system, the official name, the preferred language, an answer.
//!
//! Each is the state of one look through one list; the first item that fits is kept.

use super::kept::{Keep, Kept};
use super::model::{Address, Codings, Name, Text, text};
use crate::rules;
use serde::Deserialize;
use std::marker::PhantomData;

/// A code system or identifier system, as a type, so that a list can be looked at for it.
pub(super) trait System {
    const URL: &'static str;
}

#[derive(Debug, Default)]
pub(super) struct ReferralSystem;
#[derive(Debug, Default)]
pub(super) struct NhsNumberSystem;
#[derive(Debug, Default)]
pub(super) struct OdsSystem;

impl System for ReferralSystem {
    const URL: &'static str = rules::REFERRAL;
}

impl System for NhsNumberSystem {
    const URL: &'static str = rules::NHS_NUMBER;
}

impl System for OdsSystem {
    const URL: &'static str = rules::ODS;
}

/// The first value of identifiers in one system.
#[derive(Debug, Default)]
pub(super) struct ValueIn<'a, S> {
    pub(super) first: Option<Text<'a>>,
    system: PhantomData<S>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Identifier<'a> {
    #[serde(borrow)]
    system: Option<Text<'a>>,
    value: Option<Text<'a>>,
}

impl<'de: 'a, 'a, S: System + Default> Keep<'de> for ValueIn<'a, S> {
    type Item = Identifier<'a>;

    fn see(&mut self, item: Identifier<'a>) {
        if self.first.is_none() && text(&item.system) == Some(S::URL) {
            self.first = item.value;
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Coding<'a> {
    #[serde(borrow)]
    system: Option<Text<'a>>,
    code: Option<Text<'a>>,
    display: Option<Text<'a>>,
}

/// A coding of which the words are of no use.
#[derive(Debug, Deserialize)]
pub(super) struct CodeOnly<'a> {
    #[serde(borrow)]
    system: Option<Text<'a>>,
    code: Option<Text<'a>>,
}

/// The first SNOMED code and the first words of codings.
#[derive(Debug, Default)]
pub(super) struct CodeAndWords<'a> {
    pub(super) snomed: Option<Text<'a>>,
    pub(super) display: Option<Text<'a>>,
}

impl<'de: 'a, 'a> Keep<'de> for CodeAndWords<'a> {
    type Item = Coding<'a>;

    fn see(&mut self, item: Coding<'a>) {
        if self.snomed.is_none() && text(&item.system) == Some(rules::SNOMED) {
            self.snomed = item.code;
        }
        if self.display.is_none() {
            self.display = item.display;
        }
    }
}

/// The first code of all, whatever its system.
#[derive(Debug, Default)]
pub(super) struct FirstCode<'a> {
    pub(super) first: Option<Text<'a>>,
}

impl<'de: 'a, 'a> Keep<'de> for FirstCode<'a> {
    type Item = CodeOnly<'a>;

    fn see(&mut self, item: CodeOnly<'a>) {
        if self.first.is_none() {
            self.first = item.code;
        }
    }
}

/// The first SDOH code of codings, and of concepts.
#[derive(Debug, Default)]
pub(super) struct SdohCode<'a> {
    pub(super) first: Option<Text<'a>>,
}

impl<'de: 'a, 'a> Keep<'de> for SdohCode<'a> {
    type Item = CodeOnly<'a>;

    fn see(&mut self, item: CodeOnly<'a>) {
        if self.first.is_none() && text(&item.system) == Some(rules::SDOH) {
            self.first = item.code;
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Category<'a> {
    pub(super) first: Option<Text<'a>>,
}

impl<'de: 'a, 'a> Keep<'de> for Category<'a> {
    type Item = Codings<SdohCode<'a>>;

    fn see(&mut self, item: Self::Item) {
        if self.first.is_none() {
            self.first = item.coding.kept.first;
        }
    }
}

/// Whether a coding forbids to contact the person, and whether a concept does.
#[derive(Debug, Default)]
pub(super) struct ProhibitedCode {
    pub(super) any: bool,
}

impl<'de> Keep<'de> for ProhibitedCode {
    type Item = CodeOnly<'de>;

    fn see(&mut self, item: CodeOnly<'de>) {
        self.any |= text(&item.code) == Some(rules::PROHIBITED);
    }
}

#[derive(Debug, Default)]
pub(super) struct Prohibited {
    pub(super) any: bool,
}

impl<'de> Keep<'de> for Prohibited {
    type Item = Codings<ProhibitedCode>;

    fn see(&mut self, item: Self::Item) {
        self.any |= item.coding.kept.any;
    }
}

/// Whether an Observation is about the size of the household.
#[derive(Debug, Default)]
pub(super) struct IsHousehold {
    pub(super) any: bool,
}

impl<'de> Keep<'de> for IsHousehold {
    type Item = CodeOnly<'de>;

    fn see(&mut self, item: CodeOnly<'de>) {
        self.any |= text(&item.system) == Some(rules::LOINC) && text(&item.code) == Some(rules::HOUSEHOLD);
    }
}

/// The first answer to the one question.
#[derive(Debug, Default)]
pub(super) struct LivesAlone {
    pub(super) first: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item<'a> {
    #[serde(borrow)]
    link_id: Option<Text<'a>>,
    #[serde(default)]
    answer: Kept<FirstBoolean>,
}

impl<'de> Keep<'de> for LivesAlone {
    type Item = Item<'de>;

    fn see(&mut self, item: Item<'de>) {
        if self.first.is_none() && text(&item.link_id) == Some(rules::LIVES_ALONE) {
            self.first = item.answer.kept.first;
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct FirstBoolean {
    pub(super) first: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    value_boolean: Option<bool>,
}

impl<'de> Keep<'de> for FirstBoolean {
    type Item = Answer;

    fn see(&mut self, item: Answer) {
        self.first = self.first.or(item.value_boolean);
    }
}

/// Something of which there may be several, one of them for the use that is wanted.
pub(super) trait HasUse {
    fn is_wanted(&self) -> bool;
}

impl HasUse for Name<'_> {
    fn is_wanted(&self) -> bool {
        text(&self.used_for) == Some("official")
    }
}

impl HasUse for Address<'_> {
    fn is_wanted(&self) -> bool {
        text(&self.used_for) == Some("home")
    }
}

/// The first that is for the wanted use, else the first.
#[derive(Debug)]
pub(super) struct Preferred<T> {
    pub(super) first: Option<T>,
}

impl<T> Default for Preferred<T> {
    fn default() -> Self {
        Self { first: None }
    }
}

impl<'de, T: HasUse + Deserialize<'de>> Keep<'de> for Preferred<T> {
    type Item = T;

    fn see(&mut self, item: T) {
        if self.first.as_ref().is_none_or(|kept| !kept.is_wanted() && item.is_wanted()) {
            self.first = Some(item);
        }
    }
}

/// The first code of a preferred language.
#[derive(Debug, Default)]
pub(super) struct Spoken<'a> {
    pub(super) first: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Communication<'a> {
    #[serde(borrow)]
    language: Option<Codings<FirstCode<'a>>>,
    preferred: Option<bool>,
}

impl<'de: 'a, 'a> Keep<'de> for Spoken<'a> {
    type Item = Communication<'a>;

    fn see(&mut self, item: Communication<'a>) {
        if self.first.is_none() && item.preferred == Some(true) {
            self.first = item.language.and_then(|language| language.coding.kept.first);
        }
    }
}

/// What two extensions of the Patient say.
#[derive(Debug, Default)]
pub(super) struct Extensions<'a> {
    pub(super) interpreter: Option<bool>,
    pub(super) method: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Extension<'a> {
    #[serde(borrow)]
    url: Option<Text<'a>>,
    value_boolean: Option<bool>,
    #[serde(default)]
    extension: Kept<Method<'a>>,
}

impl<'de: 'a, 'a> Keep<'de> for Extensions<'a> {
    type Item = Extension<'a>;

    fn see(&mut self, item: Extension<'a>) {
        match text(&item.url) {
            Some(rules::INTERPRETER) => self.interpreter = self.interpreter.or(item.value_boolean),
            Some(rules::PREFERENCE) => self.method = self.method.take().or(item.extension.kept.first),
            _ => {}
        }
    }
}

/// The preferred way to be reached, from inside the extension.
#[derive(Debug, Default)]
pub(super) struct Method<'a> {
    pub(super) first: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part<'a> {
    #[serde(borrow)]
    url: Option<Text<'a>>,
    value_codeable_concept: Option<Codings<FirstCode<'a>>>,
}

impl<'de: 'a, 'a> Keep<'de> for Method<'a> {
    type Item = Part<'a>;

    fn see(&mut self, item: Part<'a>) {
        if self.first.is_none() && text(&item.url) == Some(rules::METHOD) {
            self.first = item.value_codeable_concept.and_then(|concept| concept.coding.kept.first);
        }
    }
}
