//! One TOML table, read key by key: what is missing, of another type, or unknown becomes a fault with its place.

use crate::fault::Fault;
use adapter_contract::Amend;
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// The file that is read, and its faults so far.
pub(super) struct Place<'t> {
    pub(super) file: &'static str,
    pub(super) text: &'t str,
    pub(super) faults: Vec<Fault>,
}

impl Place<'_> {
    pub(super) fn fault(&mut self, at: usize, words: impl Into<String>, mend: impl Into<String>) {
        self.faults.push(Fault::at(self.file, self.text, at, words).mend(mend));
    }

    /// A word that is not among those allowed; the nearest is offered.
    pub(super) fn suggest(&mut self, at: usize, words: String, word: &str, allowed: &[&str]) {
        let mend = match nearest(word, allowed) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("use one of: {}", allowed.join(", ")),
        };
        self.fault(at, words, mend);
    }
}

/// A table, and the keys of it that somebody asked for.
pub(super) struct Table<'a> {
    table: &'a DeTable<'a>,
    /// Where it begins; `None` for the document.
    at: Option<usize>,
    path: String,
    asked: BTreeSet<String>,
}

impl<'a> Table<'a> {
    pub(super) fn new(table: &'a DeTable<'a>, at: Option<usize>, path: &str, _: &Place<'_>) -> Self {
        Self { table, at, path: path.to_owned(), asked: BTreeSet::new() }
    }

    fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn find(&mut self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.insert(key.to_owned());
        self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    fn needed(&mut self, key: &str, example: &str, place: &mut Place<'_>) -> Option<&'a Spanned<DeValue<'a>>> {
        let found = self.find(key);
        if found.is_none() {
            let at = self.at.unwrap_or(0);
            place.fault(at, format!("`{}` is missing", self.name(key)), format!("write {key} = {example}"));
        }
        found
    }

    /// Text that must be there and say something.
    pub(super) fn text(&mut self, key: &str, place: &mut Place<'_>) -> Option<(String, usize)> {
        let value = self.needed(key, "\"…\"", place)?;
        self.as_text(key, value, place)
    }

    /// Text that may be left out.
    pub(super) fn optional_text(&mut self, key: &str, place: &mut Place<'_>) -> Option<(String, usize)> {
        let value = self.find(key)?;
        self.as_text(key, value, place)
    }

    fn as_text(&self, key: &str, value: &Spanned<DeValue<'_>>, place: &mut Place<'_>) -> Option<(String, usize)> {
        let at = value.span().start;
        match value.get_ref() {
            DeValue::String(text) if is_plain(text) => Some((text.to_string(), at)),
            DeValue::String(_) => {
                let words = format!("`{}` is empty or holds control characters", self.name(key));
                place.fault(at, words, "write it in words on one line");
                None
            }
            other => self.wrong(key, "text in quotes", other, at, place),
        }
    }

    fn wrong<T>(&self, key: &str, wanted: &str, seen: &DeValue<'_>, at: usize, place: &mut Place<'_>) -> Option<T> {
        place.fault(at, format!("`{}` is {}", self.name(key), seen.type_str()), format!("write {wanted}"));
        None
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &str, place: &mut Place<'_>) -> Option<bool> {
        let value = self.needed(key, "false", place)?;
        match value.get_ref() {
            DeValue::Boolean(is) => Some(*is),
            other => self.wrong(key, "true or false", other, value.span().start, place),
        }
    }

    /// How a changed referral is told, or nothing for [`Amend::None`].
    pub(super) fn amend(&mut self, key: &str, cancels: bool, place: &mut Place<'_>) -> Option<Amend> {
        let Some((word, at)) = self.optional_text(key, place) else {
            return (!self.table.iter().any(|(name, _)| name.get_ref() == key)).then_some(Amend::None);
        };
        let Some(way) = Amend::named(&word) else {
            let allowed = [Amend::None, Amend::Update, Amend::CancelAndResend].map(Amend::word);
            place.suggest(at, format!("`{}` is no way to amend: `{word}`", self.name(key)), &word, &allowed);
            return None;
        };
        if way == Amend::CancelAndResend && !cancels {
            let words = "`cancel-and-resend` needs a platform that can be told to stop";
            place.fault(at, words, "write cancel = true and the exchange `cancel`, or amend = \"none\"");
            return None;
        }
        Some(way)
    }

    /// A whole number from 1 on, or nothing.
    pub(super) fn optional_number(&mut self, key: &str, place: &mut Place<'_>) -> Option<NonZeroU32> {
        self.optional_number_to(key, u32::MAX, place)
    }

    /// The same up to a greatest one.
    pub(super) fn optional_number_to(&mut self, key: &str, most: u32, place: &mut Place<'_>) -> Option<NonZeroU32> {
        self.find(key)?;
        NonZeroU32::new(self.number(key, 1..=most, place)?)
    }

    /// A whole number within bounds.
    pub(super) fn number(&mut self, key: &str, bounds: RangeInclusive<u32>, place: &mut Place<'_>) -> Option<u32> {
        let value = self.needed(key, &bounds.start().to_string(), place)?;
        let at = value.span().start;
        let DeValue::Integer(digits) = value.get_ref() else {
            return self.wrong(key, "a whole number", value.get_ref(), at, place);
        };
        let number = u32::from_str_radix(digits.as_str(), digits.radix()).ok().filter(|number| bounds.contains(number));
        if number.is_none() {
            let words = format!("`{}` is out of bounds", self.name(key));
            place.fault(at, words, format!("write a number from {} to {}", bounds.start(), bounds.end()));
        }
        number
    }

    /// A table within this one.
    pub(super) fn table(&mut self, key: &str, needed: bool, place: &mut Place<'_>) -> Option<Table<'a>> {
        let value = if needed { self.needed(key, "{ … }", place)? } else { self.find(key)? };
        let at = value.span().start;
        match value.get_ref() {
            DeValue::Table(table) => Some(Table::new(table, Some(at), &self.name(key), place)),
            other => self.wrong(key, &format!("a table: [{}]", self.name(key)), other, at, place),
        }
    }

    /// The tables of an array; none if it is not there.
    pub(super) fn tables(&mut self, key: &str, place: &mut Place<'_>) -> Vec<Table<'a>> {
        let name = self.name(key);
        let Some(value) = self.find(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong::<()>(key, &format!("rows: [[{name}]]"), value.get_ref(), value.span().start, place);
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::Table(table) => tables.push(Table::new(table, Some(item.span().start), &name, place)),
                other => {
                    self.wrong::<()>(key, &format!("rows: [[{name}]]"), other, item.span().start, place);
                }
            }
        }
        tables
    }

    /// A key that people look for here but that stands elsewhere.
    pub(super) fn elsewhere(&mut self, key: &str, words: &str, place: &mut Place<'_>) {
        self.asked.insert(key.to_owned());
        if let Some((name, _)) = self.table.iter().find(|(name, _)| name.get_ref() == key) {
            place.fault(name.span().start, format!("`{key}` {words}"), "take it out of the manifest");
        }
    }

    /// Every key that nobody asked for is a fault.
    pub(super) fn end(&self, place: &mut Place<'_>) {
        for (key, _) in self.table.iter() {
            let name: &DeString<'_> = key.get_ref();
            if !self.asked.contains(name.as_ref()) {
                let allowed: Vec<&str> = self.asked.iter().map(String::as_str).collect();
                place.suggest(key.span().start, format!("there is no key `{}`", self.name(name)), name, &allowed);
            }
        }
    }
}

/// Says something, on one line, without characters that change how it is shown.
fn is_plain(text: &str) -> bool {
    let turns =
        |letter: char| matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !text.trim().is_empty() && !text.chars().any(|letter| letter.is_control() || turns(letter))
}

/// The allowed word that differs in few letters.
pub(crate) fn nearest<'w>(word: &str, allowed: &[&'w str]) -> Option<&'w str> {
    let most = (word.chars().count() / 3).clamp(1, 3);
    let near = allowed.iter().map(|other| (distance(word, other), *other)).min()?;
    (near.0 <= most).then_some(near.1)
}

/// Levenshtein's distance.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        for (cell, theirs) in row.iter_mut().skip(1).zip(&other) {
            let above = *cell;
            let best = (diagonal + usize::from(letter != *theirs)).min(above + 1).min(left + 1);
            diagonal = above;
            left = best;
            *cell = best;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn near_words_are_found() {
        assert_eq!((distance("", "abc"), distance("abc", ""), distance("kitten", "sitting")), (3, 3, 3));
        assert_eq!(nearest("acepted", &["accepted", "rejected"]), Some("accepted"));
        assert_eq!(nearest("done", &["accepted", "rejected"]), None);
        assert_eq!(nearest("pol", &["poll", "push"]), Some("poll"));
        assert_eq!(nearest("x", &[]), None);
    }
}
