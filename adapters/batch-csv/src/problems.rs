//! The file that tells a sender what of a result file could not be read. It repeats no value: what stands in a wrong
//! place may be anything.

use crate::put::{file, key, total};
use adapter_contract::{FilePut, Repeat, TranslateError};
use csv::{Terminator, WriterBuilder};

/// Problems that are told, at most.
const MOST: usize = 200;

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The line of the file; 0 for the whole of it.
    pub(crate) line: u64,
    /// What is wrong, and how to mend it.
    pub(crate) words: &'static str,
}

/// Rows by RFC 4180. None of their cells is anybody's text.
pub(crate) fn rows(rows: &[Vec<String>]) -> Vec<u8> {
    let mut out = WriterBuilder::new().terminator(Terminator::CRLF).flexible(true).from_writer(Vec::new());
    for row in rows {
        out.write_record(row).expect("writing into memory cannot fail");
    }
    out.into_inner().expect("flushing into memory cannot fail")
}

/// The file with the problems of the received file with this id.
///
/// # Errors
/// If the id cannot be a file's name.
pub(crate) fn tell(id: &str, problems: &[Problem]) -> Result<FilePut, TranslateError> {
    let safe: String = id.chars().map(|each| if each.is_ascii_alphanumeric() { each } else { '-' }).take(64).collect();
    let mut table = vec![["file", "line", "problem"].map(str::to_owned).to_vec()];
    for problem in problems.iter().take(MOST) {
        table.push(vec![safe.clone(), problem.line.to_string(), problem.words.to_owned()]);
    }
    let mut content = rows(&table);
    content.extend_from_slice(&total(table.len() - 1, 3));
    Ok(file(key(&format!("problems-{safe}"))?, content, Repeat::Keyed))
}
