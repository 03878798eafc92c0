//! The rows of all kinds of faults, in the order of their numbers.

use super::codes::{Code, CodeInfo};

const FILES_AND_YAML: &str = "Files and YAML";
const STRUCTURE: &str = "Structure";
const NAMES: &str = "Names";
const PATHS: &str = "Paths";
const VALUES: &str = "Values";
const DATA_CLASSES_AND_MEANING: &str = "Data classes and meaning";
const CODE_MAPS: &str = "Codes";
const LOSSES: &str = "Losses";
const EXCHANGES: &str = "Exchanges";

/// Every kind, in the order of their numbers.
pub const CODES: &[CodeInfo] = &[
    row(
        Code::NotYaml,
        "M001",
        FILES_AND_YAML,
        "The file is not YAML",
        "The parser could not go on. Only YAML 1.2 is read; nothing after the place was looked at.",
    ),
    row(
        Code::YamlFeature,
        "M002",
        FILES_AND_YAML,
        "A part of YAML that a mapping may not use",
        "Anchors, aliases, tags, merge keys, several documents in a file and keys that are not plain text are \
         refused: they make a file mean more than a reader sees. What repeats belongs into a fragment.",
    ),
    row(
        Code::DuplicateKey,
        "M003",
        FILES_AND_YAML,
        "The same key twice in one map",
        "Which of the two holds would be chance.",
    ),
    row(
        Code::HiddenCharacter,
        "M004",
        FILES_AND_YAML,
        "A character that does not show",
        "Characters that change the direction of text, have no width or are not UTF-8 can make a mapping read \
         differently from what it does.",
    ),
    row(
        Code::TooLarge,
        "M005",
        FILES_AND_YAML,
        "Too large or too deep",
        "A file may have 1 MiB, a line 10,000 bytes, nesting 32 levels. What is larger is data, not rules.",
    ),
    row(
        Code::MissingFile,
        "M006",
        FILES_AND_YAML,
        "A file that is not there",
        "Names are relative to the adapter's folder; `shared:` names a concept map that ships with the gateway.",
    ),
    row(
        Code::ExtendsCycle,
        "M007",
        FILES_AND_YAML,
        "Files that extend each other",
        "A mapping may extend a file that extends another, at most four deep and never in a circle.",
    ),
    row(
        Code::RemovesNothing,
        "M008",
        FILES_AND_YAML,
        "A removal that removes nothing",
        "`remove: true` stands only in a file that extends another, on something that the other has.",
    ),
    row(
        Code::UnknownKey,
        "M010",
        STRUCTURE,
        "An unknown key",
        "A misspelt key would be a rule that is silently not there.",
    ),
    row(
        Code::MissingKey,
        "M011",
        STRUCTURE,
        "A key is missing",
        "The reference names the keys that each part must have.",
    ),
    row(
        Code::MisplacedKey,
        "M012",
        STRUCTURE,
        "A key in the wrong place",
        "The key exists, but means nothing beside what else stands there.",
    ),
    row(
        Code::WrongKind,
        "M013",
        STRUCTURE,
        "A value of the wrong kind",
        "For example a list where one text is wanted, or a number in quotes.",
    ),
    row(Code::UnknownWord, "M014", STRUCTURE, "A word that is not among those allowed", "The mend names the words."),
    row(
        Code::BadName,
        "M015",
        STRUCTURE,
        "A name that cannot be used",
        "Names are letters, digits and hyphens, beginning with a letter. A name that paths use may not be one \
         that is predeclared.",
    ),
    row(
        Code::OneOf,
        "M016",
        STRUCTURE,
        "None or several of keys that exclude each other",
        "A target is exactly one of `fields`, `each`, `from`, `constant`, `choose`, `lines`, `copy`, `use`.",
    ),
    row(Code::BadNumber, "M017", STRUCTURE, "A number out of bounds", "Lengths and limits are whole numbers from 1."),
    row(
        Code::UnknownName,
        "M020",
        NAMES,
        "A name that nothing has",
        "Fragments, shapes, concept maps and steps are named where they are defined.",
    ),
    row(
        Code::Cycle,
        "M021",
        NAMES,
        "Something that contains itself",
        "Fragments and shapes may use others, but not in a circle; a variable may use those above it.",
    ),
    row(
        Code::Unused,
        "M022",
        NAMES,
        "Something that nothing uses",
        "What is not used was meant to be, or misleads the next reader.",
    ),
    row(
        Code::TwoRules,
        "M023",
        NAMES,
        "Two rules for one target",
        "Which of the two holds would be chance. Header names are compared without regard to case.",
    ),
    row(
        Code::Unreachable,
        "M024",
        NAMES,
        "A rule that can never be reached",
        "It stands after one that always holds, its condition never does, or no step leads to it.",
    ),
    row(
        Code::Path,
        "M030",
        PATHS,
        "A path that cannot be compiled",
        "It is not FHIRPath, uses a function outside the subset, or names an element that R4 or the declared \
         shape does not have.",
    ),
    row(
        Code::SeveralIntoOne,
        "M031",
        PATHS,
        "Many values into a single field",
        "The path can give several values, and the field takes one. Say which (`first()`, `where(...)`) or how \
         they are joined (`join`).",
    ),
    row(
        Code::WrongType,
        "M032",
        PATHS,
        "A value of the wrong type",
        "The path gives something that the field cannot be.",
    ),
    row(
        Code::NotCondition,
        "M033",
        PATHS,
        "A condition that is not true or false",
        "`when` and `more` need a path that gives one boolean; end it with `exists()` or a comparison.",
    ),
    row(
        Code::SilentCut,
        "M034",
        PATHS,
        "A path that cuts text",
        "`substring()`, `replace()`, `replaceMatches()`, `split()` or `toChars()` in what is sent is a loss that nobody sees. Use `max-length` with an overflow rule, or say \
         why the rest is not wanted.",
    ),
    row(
        Code::NoOverflowRule,
        "M040",
        VALUES,
        "A limit without a rule for what exceeds it",
        "`max-length` and `limit` need `overflow`: refuse, or cut (drop) and say so.",
    ),
    row(
        Code::NoMarker,
        "M041",
        VALUES,
        "A cut that does not show",
        "Text that is cut needs a `marker`, so that its reader knows that something is missing.",
    ),
    row(
        Code::CutCode,
        "M042",
        VALUES,
        "A code, identifier or date that would be cut",
        "A part of a code is another code. Refuse what is too long.",
    ),
    row(
        Code::NoMismatchRule,
        "M043",
        VALUES,
        "A restriction without a rule for what does not fit",
        "`pattern`, `one-of`, `min` and `max` need `mismatch`: refuse or omit.",
    ),
    row(
        Code::PartialDate,
        "M044",
        VALUES,
        "A date that may be partial",
        "FHIR dates may lack day or month. Say what happens then: `partial: refuse`, `omit` or `keep`.",
    ),
    row(
        Code::UnmappedCode,
        "M045",
        VALUES,
        "A code that the map may not translate",
        "Say what happens then: `unmapped: refuse`, `omit`, `keep`, or one code with its reason.",
    ),
    row(
        Code::BadPattern,
        "M046",
        VALUES,
        "A pattern that cannot be read",
        "Regular expressions are those of the Rust crate `regex`; date patterns have yyyy, MM, dd, HH, mm, ss and \
         separators.",
    ),
    row(
        Code::KeyForOtherType,
        "M047",
        VALUES,
        "A key that means nothing for this type",
        "For example `min` on text, or `max-length` on a number.",
    ),
    row(
        Code::DefaultUnexplained,
        "M048",
        VALUES,
        "A default without words",
        "A default states something that nobody said. `because` tells why that is right.",
    ),
    row(
        Code::BadLiteral,
        "M049",
        VALUES,
        "A fixed value that its own rule refuses",
        "The constant or default does not fit the type, length, pattern or list of its field.",
    ),
    row(
        Code::Unclassed,
        "M050",
        DATA_CLASSES_AND_MEANING,
        "A field without a data class",
        "The class is what the information-governance page says of the field. It may stand on an enclosing node.",
    ),
    row(
        Code::WeakerClass,
        "M051",
        DATA_CLASSES_AND_MEANING,
        "A class weaker than what the field carries",
        "The element that the path reads is of a graver class by the table of classes.",
    ),
    row(
        Code::ConstantUnexplained,
        "M052",
        DATA_CLASSES_AND_MEANING,
        "A constant that stands for something of the referral",
        "It says the same of every person. Name the element with `means` and give the reason with `because`, or \
         read the element.",
    ),
    row(
        Code::MeansAnother,
        "M053",
        DATA_CLASSES_AND_MEANING,
        "A field that is filled from something else than it means",
        "For example a referrer that is filled from the receiver. Read the element that is meant, or say why not \
         with `because`.",
    ),
    row(
        Code::PatientDataOutside,
        "M054",
        DATA_CLASSES_AND_MEANING,
        "Patient data where it would be logged",
        "Addresses, notes, cursors and keys are written to logs and databases in clear. Only administrative \
         values may stand in them.",
    ),
    row(
        Code::UnknownElement,
        "M055",
        DATA_CLASSES_AND_MEANING,
        "An element that R4 does not have",
        "`means`, `element` and accepted losses name elements as `ServiceRequest.reasonCode`, without indexes.",
    ),
    row(
        Code::BadConceptMap,
        "M060",
        CODE_MAPS,
        "A concept map that cannot be loaded",
        "It must be an R4 ConceptMap whose rows are unique; dependsOn, product and other-map are not supported.",
    ),
    row(
        Code::MapSource,
        "M061",
        CODE_MAPS,
        "A concept map for other codes than the path gives",
        "Its source system, or the codes in its rows, are not those that the element can have.",
    ),
    row(
        Code::MapTarget,
        "M062",
        CODE_MAPS,
        "A concept map that gives codes which the field refuses",
        "Each target code must be among `one-of` and fit the field's limits.",
    ),
    row(
        Code::NoSystem,
        "M063",
        CODE_MAPS,
        "A bare code without a system",
        "The same letters mean different things in different systems. Say which with `system`.",
    ),
    row(
        Code::SafetyLost,
        "M070",
        LOSSES,
        "Safety content that would be lost",
        "No rule reads the element, no guard refuses it and no words accept the loss.",
    ),
    row(
        Code::StaleAcceptance,
        "M071",
        LOSSES,
        "A loss is accepted that does not happen",
        "A rule sends the element. Words that are not true any more mislead the next reader.",
    ),
    row(
        Code::ExchangeMissing,
        "M080",
        EXCHANGES,
        "An exchange that the manifest promises is missing",
        "The capability is declared in `adapter.toml`, so the gateway will use it.",
    ),
    row(
        Code::ExchangeUndeclared,
        "M081",
        EXCHANGES,
        "An exchange that the manifest does not declare",
        "The gateway would never use it. Declare the capability or remove the exchange.",
    ),
    row(
        Code::NotSafe,
        "M082",
        EXCHANGES,
        "A request that changes something where only reading is allowed",
        "`look-up`, `read` and `poll` are repeated freely, so each request must be `repeat: safe`; GET is always \
         safe, and other methods in them must not change anything.",
    ),
    row(
        Code::StatusUnknown,
        "M083",
        EXCHANGES,
        "A status that the manifest does not list",
        "Every status that the declared shape may hold needs a row in `[[statuses]]`.",
    ),
    row(
        Code::OutcomeMisfit,
        "M084",
        EXCHANGES,
        "An outcome that does not belong here",
        "Each exchange has its own ends: a submit is delivered, a look-up may be absent, a poll reports.",
    ),
    row(
        Code::TooManySteps,
        "M085",
        EXCHANGES,
        "More steps than the manifest allows",
        "`limits.steps` bounds the requests of one exchange.",
    ),
    row(
        Code::NeverSucceeds,
        "M086",
        EXCHANGES,
        "An exchange that can only fail",
        "No outcome says what success looks like.",
    ),
    row(
        Code::BodyMisfit,
        "M087",
        EXCHANGES,
        "A body that cannot be written in its format",
        "A form is one object of values, a CSV row likewise, text is one value; GET has no body.",
    ),
    row(
        Code::BadAddress,
        "M088",
        EXCHANGES,
        "A path template that cannot be read",
        "Write `api/referral/{%platformReferral}`: relative, without query, each path in braces.",
    ),
    row(
        Code::ReservedHeader,
        "M089",
        EXCHANGES,
        "A header that the gateway sets",
        "Credentials, lengths, hosts and content types are the gateway's to write.",
    ),
];

const fn row(
    code: Code,
    id: &'static str,
    chapter: &'static str,
    title: &'static str,
    about: &'static str,
) -> CodeInfo {
    CodeInfo { code, id, chapter, title, about }
}
