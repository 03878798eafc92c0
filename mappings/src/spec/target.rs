//! The form of what is written: objects, arrays, values.

use super::forms::TYPES;
use super::{Form, Kind, Names, Word, beside, key, needed};

static NODE: Kind = Kind::Form(&TARGET);
/// Keys that make a target a value.
const VALUE: &[&str] = &["from", "constant"];
/// Keys that make a target text of some kind.
const TEXT: &[&str] = &["from", "constant", "lines"];

/// What stands in one place of a body, query or header.
pub(crate) static TARGET: Form = Form {
    name: "target",
    about: "What stands in one place of a target.",
    exactly_one: &["fields", "each", "from", "constant", "choose", "lines", "copy", "use"],
    and: None,
    keys: &[
        key("fields", Kind::Map(Names::Any, &NODE), "An object, its members in this order."),
        key("each", Kind::Path, "An array: one item for each item of the path, which is `$this` within `items`."),
        key("from", Kind::Path, "A value: what the path gives."),
        key("constant", Kind::Scalar, "A value that is always the same."),
        key("choose", Kind::List(&NODE), "The first target whose `when` holds. The last may go without."),
        key("lines", Kind::List(&NODE), "Text of several lines, each a value; empty ones are left out."),
        key(
            "copy",
            Kind::Path,
            "The FHIR element as it stands, with all below it. In a body of the format `json` or `fhir`.",
        ),
        key("use", Kind::Name, "A fragment."),
        beside(&["each"], "items", Kind::Form(&TARGET), "What each item becomes."),
        beside(&["each"], "limit", Kind::Count, "Most items. Needs `overflow`."),
        key("when", Kind::Path, "The target exists only if this holds."),
        key(
            "class",
            Kind::Choice(CLASSES),
            "What kind of data it carries. Holds for all within that do not say otherwise.",
        ),
        beside(VALUE, "type", Kind::Choice(TYPES), "What it is written as; `string` unless said."),
        beside(
            &["from", "lines", "copy", "each"],
            "required",
            Kind::Flag,
            "`true`: the referral is refused if there is nothing. `false` unless said.",
        ),
        beside(
            &["from", "lines", "each"],
            "empty",
            Kind::Choice(EMPTY),
            "What is written if there is nothing; `omit` unless said.",
        ),
        beside(TEXT, "max-length", Kind::Count, "Most characters. Needs `overflow`."),
        beside(&["max-length"], "count", Kind::Choice(COUNTS), "What is counted; `characters` unless said."),
        beside(
            &["max-length", "limit"],
            "overflow",
            Kind::Choice(OVERFLOWS),
            "What happens to what exceeds `max-length` or `limit`.",
        ),
        beside(&["max-length"], "marker", Kind::Text, "Stands at the end of text that was cut."),
        beside(TEXT, "pattern", Kind::Pattern, "Regular expression that the value has to match. Needs `mismatch`."),
        beside(VALUE, "one-of", Kind::List(&Kind::Scalar), "The values that the field may have. Needs `mismatch`."),
        beside(&["from"], "min", Kind::Integer, "Least whole number. Needs `mismatch`."),
        beside(&["from"], "max", Kind::Integer, "Greatest whole number. Needs `mismatch`."),
        beside(
            &["pattern", "one-of", "min", "max"],
            "mismatch",
            Kind::Choice(MISMATCHES),
            "What happens to a value that does not fit.",
        ),
        beside(&["from"], "default", Kind::Scalar, "Stands there when there is nothing. Needs `because`."),
        beside(&["from"], "map", Kind::Name, "The concept map that translates the code."),
        beside(
            &["map"],
            "unmapped",
            Kind::Unmapped(UNMAPPED, &OTHER_CODE),
            "What happens to a code that the map does not translate.",
        ),
        beside(&["map"], "system", Kind::Text, "The system of a bare code, where R4 does not fix it."),
        beside(
            &["from"],
            "format",
            Kind::Text,
            "Pattern of a date: `yyyy`, `MM`, `dd`, `HH`, `mm`, `ss` and what stands between.",
        ),
        beside(&["from"], "partial", Kind::Choice(PARTIALS), "What happens to a date without day or month."),
        beside(&["from"], "join", Kind::Text, "Between several values."),
        beside(VALUE, "transform", Kind::List(&Kind::Choice(TRANSFORMS)), "Changes of the text, in this order."),
        beside(TEXT, "encode", Kind::Choice(ENCODINGS), "Applied last."),
        beside(VALUE, "label", Kind::Text, "In `lines`: words before the value."),
        beside(&["lines"], "separator", Kind::Text, "Between lines; a line end unless said."),
        key("means", Kind::Element, "The element of the referral that the field stands for."),
        key(
            "because",
            Kind::Words,
            "Why a constant, default or deviation is right. Shown in explanations and loss reports.",
        ),
        key("remove", Kind::True, "In a file that extends another: takes this field away."),
    ],
};

/// One code for all that are not mapped.
pub(crate) static OTHER_CODE: Form = Form {
    name: "other code",
    about: "One code that stands for all that the map does not translate.",
    exactly_one: &[],
    and: None,
    keys: &[needed("code", Kind::Scalar, "The code."), needed("because", Kind::Words, "Why it is right to say that.")],
};

/// Data classes, from what says least about a person to what must be guarded most.
pub(crate) const CLASSES: &[Word] = &[
    Word("administrative", "references, dates, codes that carry no personal fact by themselves"),
    Word("demographic", "age, gender, language"),
    Word("need", "what help is asked for"),
    Word("contact", "how to reach the person"),
    Word("identity", "who the person is: names and identifiers"),
    Word("clinical", "health facts"),
    Word("third-party", "about somebody other than the person"),
    Word("safeguarding", "risk of harm"),
];

const EMPTY: &[Word] = &[
    Word("omit", "the member is left out"),
    Word("null", "JSON null"),
    Word("blank", "an empty text"),
    Word("array", "with `each`: an empty array"),
];

const COUNTS: &[Word] = &[
    Word("characters", "Unicode scalar values"),
    Word("no-cr", "Unicode scalar values without carriage returns"),
    Word("utf16", "UTF-16 code units, as in JavaScript, C# and Java"),
    Word("bytes", "bytes of UTF-8"),
];

const OVERFLOWS: &[Word] = &[
    Word("refuse", "the referral is not sent"),
    Word("truncate", "text is cut so that it fits with its `marker`: a loss"),
    Word("drop", "further items are left out: a loss"),
];

const MISMATCHES: &[Word] =
    &[Word("refuse", "the referral is not sent"), Word("omit", "the field is left out: a loss")];

const UNMAPPED: &[Word] = &[
    Word("refuse", "the referral is not sent"),
    Word("omit", "the field is left out: a loss"),
    Word("keep", "the code is passed on as it is"),
];

const PARTIALS: &[Word] = &[
    Word("refuse", "the referral is not sent"),
    Word("omit", "the field is left out: a loss"),
    Word("keep", "it is written as it came"),
];

const TRANSFORMS: &[Word] = &[
    Word("trim", "white space at both ends goes"),
    Word("collapse-whitespace", "each run of white space becomes one space"),
    Word("single-line", "line ends become spaces"),
    Word("upper", "upper case"),
    Word("lower", "lower case"),
    Word("strip-html", "mark-up goes, text and entities stay"),
    Word("digits-only", "only digits stay"),
];

const ENCODINGS: &[Word] = &[Word("base64", "Base64 of the UTF-8 text")];
