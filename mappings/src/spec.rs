//! Which keys a mapping has, where they may stand, and what their values look like: one table for the reader, the JSON
//! Schema and the reference page.
//!
//! It knows the form of a mapping, not its sense: whether a path exists or a name is defined is the compiler's to say.

mod check;
pub(crate) mod extends;
mod forms;
mod target;
mod view;

pub(crate) use check::{check, nearest};
pub(crate) use forms::{FORMS, MAPPING};
pub(crate) use view::Text;

/// A map with known keys.
#[derive(Debug)]
pub(crate) struct Form {
    /// Its name in the reference and the schema.
    pub(crate) name: &'static str,
    /// What it is.
    pub(crate) about: &'static str,
    /// Keys of which exactly one has to stand there; empty = no such rule.
    pub(crate) exactly_one: &'static [&'static str],
    /// Its keys.
    pub(crate) keys: &'static [Key],
    /// A form whose keys it has too.
    pub(crate) and: Option<&'static Form>,
}

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) value: Kind,
    /// Whether it has to stand there.
    pub(crate) required: bool,
    /// Keys of which one has to stand beside it; empty = it may always stand there.
    pub(crate) beside: &'static [&'static str],
    /// What it does.
    pub(crate) about: &'static str,
}

/// What a value looks like.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Words for people.
    Words,
    /// Text that is used as it stands; may be empty.
    Text,
    /// A name that stands elsewhere in the mapping.
    Name,
    /// A file of the folder.
    File,
    /// FHIRPath.
    Path,
    /// Text with paths in braces.
    Template,
    /// Element of the referral: `ServiceRequest.reasonCode`.
    Element,
    /// A regular expression.
    Pattern,
    /// A whole number from 1.
    Count,
    /// Any whole number.
    Integer,
    /// `true` or `false`.
    Flag,
    /// Only `true`.
    True,
    /// Text, number, `true` or `false`.
    Scalar,
    /// The number 1, the version of the language.
    Version,
    /// One of these words.
    Choice(&'static [Word]),
    /// The shape of a JSON value.
    Shape,
    /// What happens to unmapped codes: a word, or a map with `code` and `because`.
    Unmapped(&'static [Word], &'static Form),
    /// A list of such values.
    List(&'static Kind),
    /// A map from names to such values.
    Map(Names, &'static Kind),
    /// A map with known keys.
    Form(&'static Form),
}

/// A word and what it means.
#[derive(Debug)]
pub(crate) struct Word(pub(crate) &'static str, pub(crate) &'static str);

/// What the names in a map may look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// Anything that is not empty.
    Any,
    /// Small letters, digits and hyphens.
    Plain,
    /// Letters and digits, as in `%name`.
    Variable,
    /// Letters and digits, beginning with a capital.
    Shape,
    /// An HTTP header.
    Header,
}

impl Form {
    /// All keys, those of the form that it takes over last. Of two with one name its own counts.
    pub(crate) fn all_keys(&'static self) -> impl Iterator<Item = &'static Key> {
        let taken_over = self.and.map(|form| form.keys).unwrap_or_default().iter();
        self.keys.iter().chain(taken_over.filter(|key| self.keys.iter().all(|own| own.name != key.name)))
    }

    /// Keys of which exactly one has to stand there.
    pub(crate) fn alternatives(&self) -> &'static [&'static str] {
        if self.exactly_one.is_empty() {
            self.and.map(|form| form.exactly_one).unwrap_or_default()
        } else {
            self.exactly_one
        }
    }
}

impl Names {
    /// As a regular expression, for the schema and the reader alike.
    pub(crate) const fn pattern(self) -> &'static str {
        match self {
            Self::Any => "^.+$",
            Self::Plain => "^[a-z][a-z0-9-]*$",
            Self::Variable => "^[a-z][A-Za-z0-9]*$",
            Self::Shape => "^[A-Z][A-Za-z0-9]*$",
            Self::Header => "^[A-Za-z][A-Za-z0-9-]*$",
        }
    }

    /// In words.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Any => "any text that is not empty",
            Self::Plain => "small letters, digits and hyphens, beginning with a letter",
            Self::Variable => "letters and digits, beginning with a small letter",
            Self::Shape => "letters and digits, beginning with a capital",
            Self::Header => "letters, digits and hyphens, beginning with a letter",
        }
    }

    pub(crate) fn allow(self, name: &str) -> bool {
        let mut bytes = name.bytes();
        let Some(first) = bytes.next() else { return false };
        match self {
            Self::Any => true,
            Self::Plain => {
                first.is_ascii_lowercase() && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            }
            Self::Variable => first.is_ascii_lowercase() && bytes.all(|b| b.is_ascii_alphanumeric()),
            Self::Shape => first.is_ascii_uppercase() && bytes.all(|b| b.is_ascii_alphanumeric()),
            Self::Header => first.is_ascii_alphabetic() && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'-'),
        }
    }
}

/// A key that may always stand there.
pub(super) const fn key(name: &'static str, value: Kind, about: &'static str) -> Key {
    Key { name, value, required: false, beside: &[], about }
}

/// A key that has to stand there.
pub(super) const fn needed(name: &'static str, value: Kind, about: &'static str) -> Key {
    Key { name, value, required: true, beside: &[], about }
}

/// A key that may only stand beside one of these.
pub(super) const fn beside(
    beside: &'static [&'static str],
    name: &'static str,
    value: Kind,
    about: &'static str,
) -> Key {
    Key { name, value, required: false, beside, about }
}
