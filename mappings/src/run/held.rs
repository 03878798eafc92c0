//! A value on its way from the referral to the target, and the types that targets may ask for.

use super::date;
use super::refusal::{Cause, Fault};
use crate::document::{Document, Kind, NodeId};
use crate::fhirpath::Item;
use crate::program::{Literal, Scalar};
use std::borrow::Cow;

/// A value under way. `'e` is the life of the documents and the program.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Held<'e> {
    /// Nothing is there.
    Nothing,
    /// Text; `plain` if it stood in JSON without any escape and can be written so again.
    Text { text: Cow<'e, str>, plain: bool },
    /// A text of a document with escapes that are those we would write ourselves: read only if somebody must know it.
    Escaped(Escaped<'e>),
    /// A whole number.
    Integer(i64),
    /// A number with its digits.
    Number(Cow<'e, str>),
    /// True or false.
    Boolean(bool),
}

/// A string of a document that is not decoded yet.
#[derive(Clone, Copy)]
pub(crate) struct Escaped<'e> {
    document: &'e Document<'e>,
    id: NodeId,
}

impl<'e> Escaped<'e> {
    /// As it stands, with its quotes.
    pub(crate) fn raw(self) -> &'e str {
        self.document.raw(self.id)
    }

    /// The characters.
    pub(crate) fn decoded(self) -> Cow<'e, str> {
        self.document.string(self.id).unwrap_or_default()
    }
}

impl PartialEq for Escaped<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.raw() == other.raw()
    }
}

impl std::fmt::Debug for Escaped<'_> {
    /// Nothing of the text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Escaped(..)")
    }
}

impl<'e> Held<'e> {
    /// Text that was made here.
    pub(crate) const fn text(text: Cow<'e, str>) -> Self {
        Self::Text { text, plain: false }
    }

    /// What an evaluation gave. An object or array is no value.
    pub(crate) fn item(item: Item<'e>) -> Result<Self, Fault> {
        Ok(match item {
            Item::Text(text) | Item::Date(text) | Item::DateTime(text) | Item::Time(text) => Self::text(text),
            Item::Integer(number) => Self::Integer(number),
            Item::Decimal(digits) => Self::Number(digits),
            Item::Boolean(truth) => Self::Boolean(truth),
            Item::Node(node) if node.is_bare() => Self::Nothing,
            Item::Node(node) => match node.doc.kind(node.id) {
                Kind::Null => Self::Nothing,
                Kind::Bool => Self::Boolean(node.doc.boolean(node.id).unwrap_or_default()),
                Kind::Number => Self::Number(Cow::Borrowed(node.doc.raw(node.id))),
                Kind::String => Self::string(node.doc, node.id),
                Kind::Array | Kind::Object => return Err(Box::new(Cause::Type("a single value"))),
            },
        })
    }

    /// A string of a document.
    pub(crate) fn string(document: &'e Document<'e>, id: NodeId) -> Self {
        if let Some(text) = document.unescaped(id) {
            return Self::Text { text: Cow::Borrowed(text), plain: true };
        }
        match document.well_escaped(id) {
            Some(_) => Self::Escaped(Escaped { document, id }),
            None => Self::text(document.string(id).unwrap_or_default()),
        }
    }

    /// A value of the mapping.
    pub(crate) fn literal(literal: &'e Literal) -> Self {
        match literal {
            Literal::Text(text) => Self::text(Cow::Borrowed(text)),
            Literal::Integer(number) => Self::Integer(*number),
            Literal::Decimal(digits) => Self::Number(Cow::Borrowed(digits)),
            Literal::Boolean(truth) => Self::Boolean(*truth),
        }
    }

    /// Whether nothing is there, an empty text included: no platform means anything by it that absence does not.
    pub(crate) fn is_nothing(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Text { text, .. } => text.is_empty(),
            _ => false,
        }
    }

    /// The characters; `None` for nothing.
    pub(crate) fn characters(self) -> Option<Cow<'e, str>> {
        match self {
            Self::Nothing => None,
            Self::Text { text, .. } | Self::Number(text) => Some(text),
            Self::Escaped(escaped) => Some(escaped.decoded()),
            Self::Integer(number) => Some(Cow::Owned(number.to_string())),
            Self::Boolean(truth) => Some(Cow::Borrowed(if truth { "true" } else { "false" })),
        }
    }

    /// Adds the characters to a text.
    pub(crate) fn push_to(&self, out: &mut String) {
        match self {
            Self::Nothing => {}
            Self::Text { text, .. } | Self::Number(text) => out.push_str(text),
            Self::Escaped(escaped) => out.push_str(&escaped.decoded()),
            Self::Integer(number) => out.push_str(&number.to_string()),
            Self::Boolean(truth) => out.push_str(if *truth { "true" } else { "false" }),
        }
    }

    /// The value as a target's type asks for it.
    pub(crate) fn become_kind(self, kind: Scalar) -> Result<Self, Fault> {
        match (kind, self) {
            (_, Self::Nothing) => Ok(Self::Nothing),
            (Scalar::Text | Scalar::Code, held @ (Self::Text { .. } | Self::Escaped(_))) => Ok(held),
            (kind, Self::Escaped(escaped)) => Self::text(escaped.decoded()).become_kind(kind),
            (Scalar::Text | Scalar::Code, held) => Ok(Self::text(held.characters().unwrap_or_default())),
            (Scalar::Date, Self::Text { text, plain }) if date::is_date(&text) => Ok(Self::Text { text, plain }),
            (Scalar::Date, Self::Text { text, plain }) if date::is_date_time(&text) => {
                Ok(Self::Text { text: until_time(text), plain })
            }
            (Scalar::Date, _) => Err(Box::new(Cause::Type("a date"))),
            (Scalar::DateTime, Self::Text { text, plain }) if date::is_date_time(&text) => {
                Ok(Self::Text { text, plain })
            }
            (Scalar::DateTime, _) => Err(Box::new(Cause::Type("a date with a time"))),
            (Scalar::Integer, Self::Integer(number)) => Ok(Self::Integer(number)),
            (Scalar::Integer, Self::Number(digits) | Self::Text { text: digits, .. }) => {
                integer(&digits).map(Self::Integer).ok_or(Box::new(Cause::Type("a whole number")))
            }
            (Scalar::Integer, Self::Boolean(_)) => Err(Box::new(Cause::Type("a whole number"))),
            (Scalar::Decimal, Self::Integer(number)) => Ok(Self::Integer(number)),
            (Scalar::Decimal, Self::Number(digits) | Self::Text { text: digits, .. }) if is_decimal(&digits) => {
                Ok(Self::Number(digits))
            }
            (Scalar::Decimal, _) => Err(Box::new(Cause::Type("a decimal number"))),
            (Scalar::Boolean, Self::Boolean(truth)) => Ok(Self::Boolean(truth)),
            (Scalar::Boolean, Self::Text { text, .. }) if text == "true" || text == "false" => {
                Ok(Self::Boolean(text == "true"))
            }
            (Scalar::Boolean, _) => Err(Box::new(Cause::Type("true or false"))),
        }
    }
}

fn until_time(text: Cow<'_, str>) -> Cow<'_, str> {
    let end = text.find('T').unwrap_or(text.len());
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(..end).unwrap_or(text)),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    }
}

/// A whole number as JSON writes one, so that `+1`, `01` and `1 ` are none.
fn integer(digits: &str) -> Option<i64> {
    let number: i64 = digits.parse().ok()?;
    let mut canonical = digits.bytes().skip(usize::from(number < 0));
    let leading = canonical.next()?;
    let fits = leading.is_ascii_digit() && (leading != b'0' || digits == "0");
    fits.then_some(number)
}

/// A number as JSON writes one.
fn is_decimal(text: &str) -> bool {
    serde_json::from_str::<&serde_json::value::RawValue>(text)
        .is_ok_and(|raw| raw.get() == text && text.starts_with(|first: char| first == '-' || first.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Held<'_> {
        Held::Text { text: Cow::Borrowed(text), plain: true }
    }

    #[test]
    fn whole_numbers_are_written_as_json_writes_them() {
        for (digits, expected) in [("0", Some(0)), ("-7", Some(-7)), ("9223372036854775807", Some(i64::MAX))] {
            assert_eq!(text(digits).become_kind(Scalar::Integer).ok(), expected.map(Held::Integer), "{digits}");
        }
        for digits in ["", "+1", "01", "-0", "1.0", "1e3", " 1", "9223372036854775808", "one", "-"] {
            assert_eq!(
                text(digits).become_kind(Scalar::Integer),
                Err(Box::new(Cause::Type("a whole number"))),
                "{digits}"
            );
        }
    }

    #[test]
    fn decimals_keep_their_digits() {
        assert_eq!(text("1.50").become_kind(Scalar::Decimal), Ok(Held::Number("1.50".into())));
        for digits in ["", "1.", ".5", "+1", "NaN", "1 ", "\"1\"", "01"] {
            assert_eq!(
                text(digits).become_kind(Scalar::Decimal),
                Err(Box::new(Cause::Type("a decimal number"))),
                "{digits:?}"
            );
        }
    }

    #[test]
    fn text_takes_everything_and_booleans_only_their_words() {
        assert_eq!(Held::Integer(-3).become_kind(Scalar::Text), Ok(Held::text("-3".into())));
        assert_eq!(Held::Boolean(true).become_kind(Scalar::Code), Ok(Held::text("true".into())));
        assert_eq!(text("false").become_kind(Scalar::Boolean), Ok(Held::Boolean(false)));
        assert_eq!(text("yes").become_kind(Scalar::Boolean), Err(Box::new(Cause::Type("true or false"))));
    }

    #[test]
    fn a_date_loses_its_time_only_where_a_date_is_asked_for() {
        assert_eq!(text("2026-03-01T10:00:00Z").become_kind(Scalar::Date), Ok(text("2026-03-01")));
        assert_eq!(text("2026-03").become_kind(Scalar::Date), Ok(text("2026-03")));
        assert_eq!(text("2026-03-01T10:00:00Z").become_kind(Scalar::DateTime), Ok(text("2026-03-01T10:00:00Z")));
        assert_eq!(text("tomorrow").become_kind(Scalar::Date), Err(Box::new(Cause::Type("a date"))));
    }
}
