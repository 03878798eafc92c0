//! All kinds of faults: their numbers, and what each means. `docs/reference/mapping-faults.md` is made from this table.

use super::CODES;
use serde::{Serialize, Serializer};

/// Kinds of faults. The name in print ([`Code::id`]) never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// The file is not YAML.
    NotYaml,
    /// A part of YAML that a mapping may not use.
    YamlFeature,
    /// The same key twice in one map.
    DuplicateKey,
    /// A character that does not show.
    HiddenCharacter,
    /// Too large or too deep.
    TooLarge,
    /// A file that is not there.
    MissingFile,
    /// Files that extend each other.
    ExtendsCycle,
    /// A removal that removes nothing.
    RemovesNothing,
    /// An unknown key.
    UnknownKey,
    /// A key is missing.
    MissingKey,
    /// A key in the wrong place.
    MisplacedKey,
    /// A value of the wrong kind.
    WrongKind,
    /// A word that is not among those allowed.
    UnknownWord,
    /// A name that cannot be used.
    BadName,
    /// None or several of keys that exclude each other.
    OneOf,
    /// A number out of bounds.
    BadNumber,
    /// A name that nothing has.
    UnknownName,
    /// Something that contains itself.
    Cycle,
    /// Something that nothing uses.
    Unused,
    /// Two rules for one target.
    TwoRules,
    /// A rule that can never be reached.
    Unreachable,
    /// A path that cannot be compiled.
    Path,
    /// Many values into a single field.
    SeveralIntoOne,
    /// A value of the wrong type.
    WrongType,
    /// A condition that is not true or false.
    NotCondition,
    /// A path that cuts text.
    SilentCut,
    /// A limit without a rule for what exceeds it.
    NoOverflowRule,
    /// A cut that does not show.
    NoMarker,
    /// A code, identifier or date that would be cut.
    CutCode,
    /// A restriction without a rule for what does not fit.
    NoMismatchRule,
    /// A date that may be partial.
    PartialDate,
    /// A code that the map may not translate.
    UnmappedCode,
    /// A pattern that cannot be read.
    BadPattern,
    /// A key that means nothing for this type.
    KeyForOtherType,
    /// A default without words.
    DefaultUnexplained,
    /// A fixed value that its own rule refuses.
    BadLiteral,
    /// A field without a data class.
    Unclassed,
    /// A class weaker than what the field carries.
    WeakerClass,
    /// A constant that stands for something of the referral.
    ConstantUnexplained,
    /// A field that is filled from something else than it means.
    MeansAnother,
    /// Patient data where it would be logged.
    PatientDataOutside,
    /// An element that R4 does not have.
    UnknownElement,
    /// A concept map that cannot be loaded.
    BadConceptMap,
    /// A concept map for other codes than the path gives.
    MapSource,
    /// A concept map that gives codes which the field refuses.
    MapTarget,
    /// A bare code without a system.
    NoSystem,
    /// Safety content that would be lost.
    SafetyLost,
    /// A loss is accepted that does not happen.
    StaleAcceptance,
    /// An exchange that the manifest promises is missing.
    ExchangeMissing,
    /// An exchange that the manifest does not declare.
    ExchangeUndeclared,
    /// A request that changes something where only reading is allowed.
    NotSafe,
    /// A status that the manifest does not list.
    StatusUnknown,
    /// An outcome that does not belong here.
    OutcomeMisfit,
    /// More steps than the manifest allows.
    TooManySteps,
    /// An exchange that can only fail.
    NeverSucceeds,
    /// A body that cannot be written in its format.
    BodyMisfit,
    /// A path template that cannot be read.
    BadAddress,
    /// A header that the gateway sets.
    ReservedHeader,
}

/// What is said of one kind of fault.
#[derive(Debug, Clone, Copy)]
pub struct CodeInfo {
    /// The kind.
    pub code: Code,
    /// Its name in print, for example `M031`.
    pub id: &'static str,
    /// The chapter that it belongs to.
    pub chapter: &'static str,
    /// In one line.
    pub title: &'static str,
    /// Why it is a fault, and what to do.
    pub about: &'static str,
}

impl Code {
    /// Its name in print, for example `M031`.
    #[must_use]
    pub fn id(self) -> &'static str {
        self.info().id
    }

    /// All that is said of it.
    #[must_use]
    pub fn info(self) -> &'static CodeInfo {
        CODES.iter().find(|info| info.code == self).expect("every code has a row (test below)")
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_the_kinds_and_have_numbers_of_their_own() {
        for (at, pair) in CODES.windows(2).enumerate() {
            assert!(pair[0].id < pair[1].id && pair[0].code < pair[1].code, "row {at}");
        }
        assert_eq!(CODES.len(), Code::ReservedHeader as usize + 1, "a kind has no row");
    }
}
