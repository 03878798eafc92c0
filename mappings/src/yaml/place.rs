//! From a place in the text that a scalar stands for to the place in the file.
//!
//! Exact for plain and quoted scalars on one line (escapes are walked) and for literal blocks; for others the start of
//! the scalar is the answer, which is never wrong, only coarse.

use super::{Scalar, Style};
use crate::source::{Source, Span, size};
use std::ops::Range;

/// Where the bytes `part` of a scalar's text stand in the file.
pub(crate) fn within(source: &Source, at: Span, scalar: &Scalar, part: Range<usize>) -> Span {
    let raw = source.text.get(at.start as usize..at.end as usize).unwrap_or_default();
    let found = match scalar.style {
        Style::Plain => plain(raw, &scalar.text, &part),
        Style::Single | Style::Double if raw.contains('\n') => None,
        Style::Single => quoted(raw, &part, single),
        Style::Double => quoted(raw, &part, double),
        Style::Literal => return literal(source, at, scalar, &part).unwrap_or_else(|| start_of(source, at)),
        Style::Folded => None,
    };
    match found {
        Some(found) => Span { file: at.file, start: at.start + size(found.start), end: at.start + size(found.end) },
        None => start_of(source, at),
    }
}

/// The first line of a scalar.
fn start_of(source: &Source, at: Span) -> Span {
    let line_end = size(source.line_range(source.line_of(at.start)).end);
    Span { end: at.end.min(line_end.max(at.start)), ..at }
}

fn plain(raw: &str, text: &str, part: &Range<usize>) -> Option<Range<usize>> {
    (raw.get(..text.len()) == Some(text)).then(|| part.clone())
}

/// Walks a quoted scalar: `step` says how many raw bytes the next decoded character takes, and which it is.
fn quoted(raw: &str, part: &Range<usize>, step: fn(&str) -> Option<(usize, char)>) -> Option<Range<usize>> {
    let mut raw_at = 1;
    let mut decoded = 0;
    let mut start = None;
    while let Some((width, c)) = raw.get(raw_at..raw.len().saturating_sub(1)).and_then(step) {
        if decoded == part.start {
            start = Some(raw_at);
        }
        if decoded >= part.end {
            break;
        }
        raw_at += width;
        decoded += c.len_utf8();
    }
    let start = start.or((decoded == part.start).then_some(raw_at))?;
    Some(start..raw_at.max(start))
}

fn single(rest: &str) -> Option<(usize, char)> {
    let c = rest.chars().next()?;
    Some(if rest.starts_with("''") { (2, '\'') } else { (c.len_utf8(), c) })
}

fn double(rest: &str) -> Option<(usize, char)> {
    let mut chars = rest.chars();
    let first = chars.next()?;
    if first != '\\' {
        return Some((first.len_utf8(), first));
    }
    let kind = chars.next()?;
    let hex = |digits: usize| {
        let value = rest.get(2..2 + digits).and_then(|text| u32::from_str_radix(text, 16).ok())?;
        Some((2 + digits, char::from_u32(value)?))
    };
    match kind {
        'x' => hex(2),
        'u' => hex(4),
        'U' => hex(8),
        // The only escapes that stand for more than one byte of UTF-8.
        '_' => Some((2, '\u{a0}')),
        'N' => Some((2, '\u{85}')),
        'L' => Some((2, '\u{2028}')),
        'P' => Some((2, '\u{2029}')),
        _ => Some((2, 'x')),
    }
}

/// In a literal block each line of text is a line of the file without its indentation.
fn literal(source: &Source, at: Span, scalar: &Scalar, part: &Range<usize>) -> Option<Span> {
    let before = scalar.text.get(..part.start)?;
    let line_of_text = before.matches('\n').count();
    let column = part.start - before.rfind('\n').map_or(0, |end| end + 1);
    let text = scalar.text.split('\n').nth(line_of_text)?;
    // The span begins at the indicator or at the text, as the parser likes; the comparison below holds either way.
    let header = usize::from(source.text.get(at.start as usize..)?.starts_with('|'));
    let range = source.line_range(source.line_of(at.start) + header + line_of_text);
    let raw = source.text.get(range.clone())?;
    let indent = raw.len().checked_sub(text.len())?;
    (raw.get(indent..) == Some(text)).then(|| {
        let start = range.start + indent + column;
        let length = part.len().min(text.len().saturating_sub(column));
        Span { file: at.file, start: size(start), end: size(start + length) }
    })
}
