//! The subset as a table: each function of FHIRPath N1 and of R4, in or out, and why. The compiler asks this table
//! first; the reference page is made from it.

/// A function and its place in the subset.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// The name.
    pub name: &'static str,
    /// The heading under which it stands.
    pub group: &'static str,
    /// In or out.
    pub verdict: Verdict,
}

/// Whether a function is in the subset.
#[derive(Debug, Clone, Copy)]
pub enum Verdict {
    /// It compiles.
    In {
        /// How it is written.
        form: &'static str,
        /// What is to be known about it here.
        note: &'static str,
        /// An expression over a Patient that compiles.
        example: &'static str,
    },
    /// It is refused.
    Out {
        /// Why.
        reason: &'static str,
        /// What to do instead.
        mend: &'static str,
    },
}

const fn within(
    group: &'static str,
    name: &'static str,
    form: &'static str,
    note: &'static str,
    example: &'static str,
) -> Function {
    Function { name, group, verdict: Verdict::In { form, note, example } }
}

const fn outside(group: &'static str, name: &'static str, reason: &'static str, mend: &'static str) -> Function {
    Function { name, group, verdict: Verdict::Out { reason, mend } }
}

const EXISTENCE: &str = "Existence";
const FILTER: &str = "Filtering and projection";
const SUBSET: &str = "Subsetting";
const COMBINE: &str = "Combining";
const CONVERT: &str = "Conversion";
const TEXT: &str = "Text";
const MATHS: &str = "Mathematics";
const TREE: &str = "Tree";
const FHIR: &str = "FHIR";
const OTHER: &str = "Utility";

const QUANTITY: &str = "quantities are outside: comparing them needs unit conversion";
const DECIMALS: &str = "results are decimals whose digits no rule of the specification fixes";
const BOUNDARY: &str = "the rules for boundaries differ between releases of the specification";
const DRAFT: &str = "it belongs to a later release than N1, whose rules are a draft";
const VALUE: &str = "read .value, .unit and .code of the Quantity";
const NUMBERS: &str = "count with Integers, or let the platform compute it";
const VARIABLE: &str = "bind it to a %variable outside the expression";

/// Every function that is known, in or out, by group.
#[rustfmt::skip]
pub const FUNCTIONS: &[Function] = &[
    within(EXISTENCE, "empty", "empty()", "", "name.empty()"),
    within(EXISTENCE, "exists", "exists([criteria])", "", "name.exists(use = 'official')"),
    within(EXISTENCE, "all", "all(criteria)", "A criterion without answer counts as not true.", "name.all(given.exists())"),
    within(EXISTENCE, "allTrue", "allTrue()", "", "name.select(given.exists()).allTrue()"),
    within(EXISTENCE, "anyTrue", "anyTrue()", "", "name.select(given.exists()).anyTrue()"),
    within(EXISTENCE, "allFalse", "allFalse()", "", "name.select(given.exists()).allFalse()"),
    within(EXISTENCE, "anyFalse", "anyFalse()", "", "name.select(given.exists()).anyFalse()"),
    within(EXISTENCE, "subsetOf", "subsetOf(other)", "", "name.first().given.subsetOf(name.given)"),
    within(EXISTENCE, "supersetOf", "supersetOf(other)", "", "name.given.supersetOf(name.first().given)"),
    within(EXISTENCE, "count", "count()", "", "name.count()"),
    within(EXISTENCE, "distinct", "distinct()", "", "name.given.distinct()"),
    within(EXISTENCE, "isDistinct", "isDistinct()", "", "name.given.isDistinct()"),
    within(EXISTENCE, "not", "not()", "The input must be a Boolean.", "active.not()"),
    within(FILTER, "where", "where(criteria)", "The criterion must be a Boolean.", "name.where(use = 'official')"),
    within(FILTER, "select", "select(projection)", "", "name.select(given.first())"),
    within(FILTER, "ofType", "ofType(type)", "Items of this type and of types derived from it: `value.ofType(string)` of an extension keeps a `code` too. Where only derived types can occur, it is refused: the text of N1 and the official cases for R4 disagree there.", "deceased.ofType(boolean)"),
    outside(FILTER, "repeat", "it is recursion: its cost follows from the document alone", "write the path for each level that is meant"),
    outside(FILTER, "repeatAll", "it is recursion, and may not end", "write the path for each level that is meant"),
    outside(FILTER, "sort", DRAFT, "take the items in the order of the document"),
    within(SUBSET, "single", "single()", "Several items are a fault when the expression runs.", "identifier.where(system = 'x').single().value"),
    within(SUBSET, "first", "first()", "", "name.first()"),
    within(SUBSET, "last", "last()", "", "name.last()"),
    within(SUBSET, "tail", "tail()", "", "name.tail()"),
    within(SUBSET, "skip", "skip(number)", "The number is a literal.", "name.skip(1)"),
    within(SUBSET, "take", "take(number)", "The number is a literal.", "name.take(2)"),
    within(SUBSET, "intersect", "intersect(other)", "", "name.given.intersect(contact.name.given)"),
    within(SUBSET, "exclude", "exclude(other)", "", "name.given.exclude(contact.name.given)"),
    within(COMBINE, "union", "union(other)", "The same as `|`.", "name.given.union(name.family)"),
    within(COMBINE, "combine", "combine(other)", "", "name.given.combine(name.family)"),
    within(CONVERT, "iif", "iif(criterion, then [, otherwise])", "Stands alone, not behind a point.", "iif(active, 'yes', 'no')"),
    within(CONVERT, "toBoolean", "toBoolean()", "", "'true'.toBoolean()"),
    within(CONVERT, "convertsToBoolean", "convertsToBoolean()", "", "name.family.first().convertsToBoolean()"),
    within(CONVERT, "toInteger", "toInteger()", "A number above 32 bits converts to nothing.", "'12'.toInteger()"),
    within(CONVERT, "convertsToInteger", "convertsToInteger()", "", "'12'.convertsToInteger()"),
    within(CONVERT, "toDecimal", "toDecimal()", "The digits stay as they are.", "'1.50'.toDecimal()"),
    within(CONVERT, "convertsToDecimal", "convertsToDecimal()", "", "'1.50'.convertsToDecimal()"),
    within(CONVERT, "toString", "toString()", "A decimal keeps its digits, a date its precision.", "birthDate.toString()"),
    within(CONVERT, "convertsToString", "convertsToString()", "", "birthDate.convertsToString()"),
    within(CONVERT, "toDate", "toDate()", "A date and time gives the date that is written, in its own offset.", "'2026-01-31'.toDate()"),
    within(CONVERT, "convertsToDate", "convertsToDate()", "A day that the calendar does not have does not convert.", "'2026-01-31'.convertsToDate()"),
    within(CONVERT, "toDateTime", "toDateTime()", "", "birthDate.toDateTime()"),
    within(CONVERT, "convertsToDateTime", "convertsToDateTime()", "", "'2026-01-31T10:00:00Z'.convertsToDateTime()"),
    within(CONVERT, "toTime", "toTime()", "", "'10:30'.toTime()"),
    within(CONVERT, "convertsToTime", "convertsToTime()", "", "'10:30'.convertsToTime()"),
    outside(CONVERT, "toQuantity", QUANTITY, VALUE),
    outside(CONVERT, "convertsToQuantity", QUANTITY, VALUE),
    within(TEXT, "indexOf", "indexOf(text)", "Places are counted in Unicode characters, from 0.", "birthDate.toString().indexOf('-')"),
    within(TEXT, "substring", "substring(start [, length])", "Counted in Unicode characters. A negative length gives an empty text.", "'abc'.substring(1, 1)"),
    within(TEXT, "startsWith", "startsWith(text)", "", "'abc'.startsWith('a')"),
    within(TEXT, "endsWith", "endsWith(text)", "", "'abc'.endsWith('c')"),
    within(TEXT, "contains", "contains(text)", "", "'abc'.contains('b')"),
    within(TEXT, "upper", "upper()", "", "'abc'.upper()"),
    within(TEXT, "lower", "lower()", "", "'ABC'.lower()"),
    within(TEXT, "replace", "replace(text, substitution)", "", "'abc'.replace('b', 'x')"),
    within(TEXT, "matches", "matches(pattern)", "The pattern is a literal, and uses only what all regular expression dialects read alike: no look-around, no back-reference. It may match a part; `.` matches a line break too, `$` stands for the very end, and `\\d`, `\\w`, `\\s` and `\\b` are those of ASCII.", "'abc'.matches('^[a-z]+$')"),
    within(TEXT, "replaceMatches", "replaceMatches(pattern, substitution)", "As `matches`. The substitution is a literal; `$1` to `$9` stand for groups.", "'abc'.replaceMatches('([a-z])c', '$1')"),
    within(TEXT, "length", "length()", "Counted in Unicode characters.", "'abc'.length()"),
    within(TEXT, "toChars", "toChars()", "", "'abc'.toChars()"),
    within(TEXT, "trim", "trim()", "", "' abc '.trim()"),
    within(TEXT, "split", "split(separator)", "The separator is a literal and not empty.", "'a,b'.split(',')"),
    within(TEXT, "join", "join([separator])", "The separator is a literal.", "name.given.join(' ')"),
    outside(TEXT, "matchesFull", DRAFT, "matches('^(?:…)$')"),
    outside(TEXT, "lastIndexOf", DRAFT, "split() the text, or matches()"),
    outside(TEXT, "encode", DRAFT, "let the target's writer encode"),
    outside(TEXT, "decode", DRAFT, "let the source's reader decode"),
    outside(TEXT, "escape", DRAFT, "let the target's writer escape"),
    outside(TEXT, "unescape", DRAFT, "let the source's reader unescape"),
    outside(MATHS, "abs", DECIMALS, NUMBERS),
    outside(MATHS, "ceiling", DECIMALS, NUMBERS),
    outside(MATHS, "exp", DECIMALS, NUMBERS),
    outside(MATHS, "floor", DECIMALS, NUMBERS),
    outside(MATHS, "ln", DECIMALS, NUMBERS),
    outside(MATHS, "log", DECIMALS, NUMBERS),
    outside(MATHS, "power", DECIMALS, NUMBERS),
    outside(MATHS, "round", DECIMALS, NUMBERS),
    outside(MATHS, "sqrt", DECIMALS, NUMBERS),
    outside(MATHS, "truncate", DECIMALS, NUMBERS),
    outside(MATHS, "sum", DRAFT, NUMBERS),
    outside(MATHS, "min", DRAFT, NUMBERS),
    outside(MATHS, "max", DRAFT, NUMBERS),
    outside(MATHS, "avg", DRAFT, NUMBERS),
    outside(MATHS, "aggregate", "it builds values of a size that the document does not bound", NUMBERS),
    outside(MATHS, "lowBoundary", BOUNDARY, "compare with the precision that is written"),
    outside(MATHS, "highBoundary", BOUNDARY, "compare with the precision that is written"),
    outside(MATHS, "precision", BOUNDARY, "length() of toString()"),
    outside(MATHS, "comparable", QUANTITY, "compare .system and .code"),
    outside(TREE, "children", "it reads what no read-set could name", "name the element"),
    outside(TREE, "descendants", "it reads what no read-set could name", "name the element"),
    within(FHIR, "extension", "extension(url)", "The URL is a literal. On a primitive, the extensions of its twin with the underscore.", "birthDate.extension('http://example.org/x').exists()"),
    within(FHIR, "hasValue", "hasValue()", "", "birthDate.hasValue()"),
    within(FHIR, "getValue", "getValue()", "", "birthDate.getValue()"),
    within(FHIR, "resolve", "resolve()", "Finds a resource of the same Bundle, by `fullUrl` or by type and id, or a contained one. Its type is one of those that the reference allows; a reference to another type, or to two resources at once, gives nothing.", "managingOrganization.resolve().name"),
    outside(FHIR, "memberOf", "it needs a terminology server", "translate the code with a ConceptMap"),
    outside(FHIR, "subsumes", "it needs a terminology server", "translate the code with a ConceptMap"),
    outside(FHIR, "subsumedBy", "it needs a terminology server", "translate the code with a ConceptMap"),
    outside(FHIR, "conformsTo", "it needs the profile", "test the elements that matter"),
    outside(FHIR, "elementDefinition", "it needs the profile", "test the elements that matter"),
    outside(FHIR, "slice", "it needs the profile", "where(…) on what tells the slice apart"),
    outside(FHIR, "checkModifiers", "an unknown modifierExtension is refused at the door", "leave it out"),
    outside(FHIR, "htmlChecks", "it checks a narrative and reads no data", "leave it out"),
    outside(FHIR, "htmlChecks2", "it checks a narrative and reads no data", "leave it out"),
    outside(FHIR, "getResourceKey", "it belongs to SQL on FHIR", "read id"),
    outside(FHIR, "getReferenceKey", "it belongs to SQL on FHIR", "read reference"),
    within(OTHER, "is", "is(type)", "The same as the operator `is`: the type or one derived from it.", "deceased.is(boolean)"),
    within(OTHER, "as", "as(type)", "As `ofType`, for one item.", "deceased.as(boolean)"),
    outside(OTHER, "trace", "it writes data of the patient to a log", "use the explanation of the mapping"),
    outside(OTHER, "now", "a mapping has no clock: the same document must give the same result", VARIABLE),
    outside(OTHER, "today", "a mapping has no clock: the same document must give the same result", VARIABLE),
    outside(OTHER, "timeOfDay", "a mapping has no clock: the same document must give the same result", VARIABLE),
    outside(OTHER, "type", "its result has a type that is no element and no value", "ask with is"),
    outside(OTHER, "defineVariable", "variables belong to the mapping, where they are declared and typed", VARIABLE),
    outside(OTHER, "coalesce", DRAFT, "iif(a.exists(), a, b)"),
];

/// An operator, or a form of literal or name, and its place in the subset.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// How it is written.
    pub form: &'static str,
    /// What it takes and gives here, or why it is refused.
    pub note: &'static str,
    /// An expression over a Patient that compiles, or, if the form is refused, one that does not.
    pub example: &'static str,
    /// Whether it is in.
    pub inside: bool,
}

const fn form(inside: bool, form: &'static str, example: &'static str, note: &'static str) -> Form {
    Form { form, note, example, inside }
}

/// Everything that is written without brackets.
#[rustfmt::skip]
pub const FORMS: &[Form] = &[
    form(true, "`'text'`, `12`, `1.50`, `true`, `{}`", "1.50", "An Integer has 32 bits. A decimal keeps its digits."),
    form(true, "`@2026-01-31`, `@2026-01-31T09:30:00Z`, `@T09:30`", "birthDate < @2026-01-31", "What the calendar does not have is refused."),
    form(false, "`4 days`, `5 'mg'`", "birthDate + 4 days", "Comparing and adding quantities needs unit conversion."),
    form(true, "`a.b`", "name.given", "The elements of R4, a choice by its stem: `value`, not `valueQuantity`. An unknown element is refused."),
    form(true, "`Patient.a`", "Patient.name", "The type of the context, at the start of a path."),
    form(true, "`a[0]`", "name[0]", "The index is a literal."),
    form(true, "`$this`, `$index`", "name.where($index = 0)", "`$index` inside `where`, `select`, `all` and `exists`."),
    form(false, "`$total`", "name.select($total)", "It belongs to `aggregate`."),
    form(true, "`%name`", "%context.name", "A declared variable; `%context`; `%resource` where the context is a resource; `%ucum`, `%sct`, `%loinc`, `` %`vs-name` ``, `` %`ext-name` ``."),
    form(true, "`=` `!=`", "gender = 'male'", "Also of whole collections and of datatypes. What can never be equal is refused. Quantities, resources and narratives are refused as a whole."),
    form(true, "`~` `!~`", "gender ~ 'MALE'", "For single texts, Integers, Booleans, dates and times. Case and kind of blank do not matter."),
    form(true, "`<` `<=` `>` `>=`", "birthDate < @2000", "For single numbers, texts (by Unicode code point), dates and times. Empty where the precision, or a missing offset, leaves it open: there is no default time zone."),
    form(true, "`and` `or` `xor` `implies`", "active and gender = 'male'", "For single Booleans; logic of three values."),
    form(true, "`\\|`", "name.given | name.family", "As `union()`."),
    form(true, "`in` `contains`", "gender in ('male' | 'female')", ""),
    form(true, "`is` `as`", "deceased is boolean", "`is` holds for derived types too; `as` is `ofType` for one item. No types of `Element.id`, `Resource.id` and `Extension.url`: releases disagree on them."),
    form(true, "`+` `&`", "'a' & gender", "For texts. `&` takes nothing as an empty text."),
    form(true, "`+` `-` `*` `div` `mod`", "name.count() + 1", "For Integers; a result above 32 bits, and a division by zero, are empty."),
    form(false, "`+` `-` `*` `div` `mod` of decimals", "1.5 + 1.5", "Decimals are passed on with their digits, not computed."),
    form(false, "`/`", "1 / 2", "It gives decimals that have no exact digits."),
    form(false, "`+` `-` of dates", "birthDate + 1", "It needs quantities."),
];

/// The function of this name.
pub(super) fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}
