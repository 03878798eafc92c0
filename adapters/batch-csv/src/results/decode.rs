//! From bytes to text: UTF-8 with or without its mark, UTF-16 with its mark, else Windows-1252, which spreadsheets write
//! when nobody tells them otherwise.

use encoding_rs::{Encoding, WINDOWS_1252};
use std::borrow::Cow;

/// How workbooks, which are no text, begin: ZIP, and the older compound file.
const WORKBOOKS: [&[u8]; 2] = [b"PK\x03\x04", &[0xd0, 0xcf, 0x11, 0xe0]];

/// The text.
///
/// # Errors
/// What it is instead, in words.
pub(super) fn text(content: &[u8]) -> Result<Cow<'_, str>, &'static str> {
    if WORKBOOKS.iter().any(|begin| content.starts_with(begin)) {
        return Err("The file is a workbook. Save it as CSV and send that.");
    }
    let text = if let Some((encoding, length)) = Encoding::for_bom(content) {
        encoding.decode_without_bom_handling(content.get(length..).unwrap_or_default()).0
    } else {
        match std::str::from_utf8(content) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => WINDOWS_1252.decode_without_bom_handling(content).0,
        }
    };
    if text.contains('\0') { Err("The file is no text. Save it as CSV and send that.") } else { Ok(text) }
}

/// `sep=;` in the first line: the separator, and how long the line is.
pub(super) fn separator_hint(text: &str) -> Option<(u8, usize)> {
    let first = text.split_inclusive('\n').next()?;
    let separator = first.trim_end().strip_prefix("sep=")?;
    match separator.as_bytes() {
        [one] if b",;\t|".contains(one) => Some((*one, first.len())),
        _ => None,
    }
}

/// What divides the header: the most frequent of the usual ones.
pub(super) fn separator(text: &str) -> u8 {
    let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let count = |separator: u8| header.bytes().filter(|byte| *byte == separator).count();
    [b';', b'\t']
        .into_iter()
        .filter(|other| count(*other) > count(b','))
        .max_by_key(|other| count(*other))
        .unwrap_or(b',')
}
