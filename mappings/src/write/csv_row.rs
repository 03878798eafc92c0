//! One CSV row with its header (RFC 4180), safe to open in a spreadsheet.
//!
//! A spreadsheet runs a text cell that begins like a formula, and a referral's free text is written by strangers. Such a
//! cell gets an apostrophe before it, which spreadsheets hide. Numbers are no text and stay as they are.

use super::{WriteFault, plain};
use crate::document::{Document, Kind};
use csv::{Terminator, WriterBuilder};
use std::borrow::Cow;

/// The names of an object's members as one row, their values as the next.
pub(crate) fn csv_row(document: &Document<'_>) -> Result<Vec<u8>, WriteFault> {
    if document.kind(document.root()) != Kind::Object {
        return Err(WriteFault::Nested);
    }
    let mut names = Vec::new();
    let mut cells = Vec::new();
    for member in document.children(document.root()) {
        names.push(document.key(member).unwrap_or_default());
        let cell = plain(document, member)?;
        cells.push(if document.kind(member) == Kind::String { guarded(cell) } else { cell });
    }
    let mut out = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    for row in [names, cells] {
        out.write_record(row.iter().map(|cell| cell.as_bytes())).expect("writing into memory cannot fail");
    }
    Ok(out.into_inner().expect("flushing into memory cannot fail"))
}

/// The beginnings that spreadsheets take for a formula, in half and full width, also behind white space, which some of
/// them strip.
fn guarded(cell: Cow<'_, str>) -> Cow<'_, str> {
    let first = cell.chars().find(|each| !each.is_whitespace());
    let formula = matches!(first, Some('=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠'));
    let control = cell.starts_with(['\t', '\r', '\n']);
    if formula || control { Cow::Owned(format!("'{cell}")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(json: &str) -> String {
        String::from_utf8(csv_row(&Document::parse(json).unwrap()).unwrap()).unwrap()
    }

    /// RFC 4180 read by hand, independent of the crate that writes.
    fn read(text: &str) -> Vec<Vec<String>> {
        let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
        let mut characters = text.chars().peekable();
        while let Some(each) = characters.next() {
            match each {
                '"' if quoted && characters.peek() == Some(&'"') => cell.extend(characters.next()),
                '"' => quoted = !quoted,
                ',' if !quoted => row.push(std::mem::take(&mut cell)),
                '\r' if !quoted => {
                    assert_eq!(characters.next(), Some('\n'));
                    row.push(std::mem::take(&mut cell));
                    rows.push(std::mem::take(&mut row));
                }
                other => cell.push(other),
            }
        }
        assert!(cell.is_empty() && row.is_empty(), "the last row ends with a line end");
        rows
    }

    #[test]
    fn an_independent_reader_finds_the_same_cells() {
        let text = made(r#"{"name":"O\"Neil, \"Jo\"","note":"two\r\nlines","none":null,"n":-5,"ü":"é"}"#);
        assert_eq!(
            read(&text),
            [vec!["name", "note", "none", "n", "ü"], vec!["O\"Neil, \"Jo\"", "two\r\nlines", "", "-5", "é"]]
        );
    }

    #[test]
    fn formulas_are_made_harmless() {
        for cell in ["=1+1", "+44 7700 900123", "-1", "@SUM(A1)", "\\t=1", "  =1", "\\r1", "＝1"] {
            let rows = read(&made(&format!(r#"{{"a":"{cell}"}}"#)));
            assert!(rows[1][0].starts_with('\''), "{cell:?}");
        }
        assert_eq!(read(&made(r#"{"a":"a=b"}"#))[1][0], "a=b");
    }

    #[test]
    fn lists_have_no_place_in_a_row() {
        let document = Document::parse(r#"{"a":[1]}"#).unwrap();
        assert_eq!(csv_row(&document), Err(WriteFault::Nested));
    }
}
