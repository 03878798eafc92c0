//! YAML 1.2 as a tree that knows where each part stands.
//!
//! A mapping needs little of YAML, so whatever could surprise a reader is refused with its place: anchors and aliases,
//! tags, several documents, keys that are not plain text, the same key twice, characters that do not show. It knows
//! nothing of what the keys mean.

mod place;
mod reader;

pub(crate) use place::within;
pub(crate) use reader::{MOST_BYTES, read};

use crate::source::Span;

/// One value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) at: Span,
    pub(crate) value: Value,
}

/// Kinds of values.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_at: Span,
    pub(crate) value: Node,
}

/// Text, and how it was written: `"1"` is text, `1` a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) style: Style,
}

/// Ways to write a scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Single,
    Double,
    Literal,
    Folded,
}

impl Node {
    pub(crate) fn entries(&self) -> &[Entry] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    pub(crate) fn items(&self) -> &[Self] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    pub(crate) fn scalar(&self) -> Option<&Scalar> {
        if let Value::Scalar(scalar) = &self.value { Some(scalar) } else { None }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// What it is, in words.
    pub(crate) fn words(&self) -> &'static str {
        match &self.value {
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Scalar(scalar) => scalar.words(),
        }
    }
}

impl Scalar {
    /// Whether it stands for nothing (`key:` with no value, `~`, `null`).
    pub(crate) fn is_null(&self) -> bool {
        self.style == Style::Plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// True and false as YAML 1.2 has them: `yes` and `on` are text.
    pub(crate) fn boolean(&self) -> Option<bool> {
        match self.text.as_str() {
            "true" if self.style == Style::Plain => Some(true),
            "false" if self.style == Style::Plain => Some(false),
            _ => None,
        }
    }

    pub(crate) fn integer(&self) -> Option<i64> {
        let digits = self.text.strip_prefix('-').unwrap_or(&self.text);
        let plain = self.style == Style::Plain && (digits == "0" || !digits.starts_with('0'));
        (plain && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| self.text.parse().ok())
            .flatten()
    }

    /// A decimal with its digits as written; integers are not among them.
    pub(crate) fn decimal(&self) -> Option<&str> {
        let digits = self.text.strip_prefix('-').unwrap_or(&self.text);
        let (whole, part) = digits.split_once('.')?;
        let all = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let well = all(whole) && all(part) && (whole == "0" || !whole.starts_with('0'));
        (self.style == Style::Plain && well).then_some(self.text.as_str())
    }

    fn words(&self) -> &'static str {
        if self.is_null() {
            "nothing"
        } else if self.boolean().is_some() {
            "true or false"
        } else if self.integer().is_some() {
            "a whole number"
        } else if self.decimal().is_some() {
            "a decimal number"
        } else {
            "text"
        }
    }
}

#[cfg(test)]
mod tests;
