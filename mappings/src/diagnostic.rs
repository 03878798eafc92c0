//! What is wrong with a mapping: where, what, and how to mend it. Drawn in the manner of rustc, or given as JSON.
//!
//! It knows nothing of how faults are found. A mapping holds no patient data, so its lines may be shown.

mod codes;
mod render;
mod table;

pub use codes::{Code, CodeInfo};
pub use render::{render, render_all};
pub use table::CODES;

use crate::source::{Sources, Span};
use serde::Serialize;

/// One fault or warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Diagnostic {
    /// File as named in the folder.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in Unicode scalar values, from 1.
    pub column: u32,
    /// How many characters of the line are meant; at least 1.
    pub length: u32,
    /// Which kind of fault.
    pub code: Code,
    /// What is wrong.
    pub fault: String,
    /// How to mend it.
    pub mend: String,
    /// The line, or where it is long the part of it around the place; characters that do not show are replaced.
    pub source_line: String,
    /// Column at which `source_line` begins, from 1.
    pub source_column: u32,
}

/// Most faults that are listed; what is wrong more than this often is not a mapping.
const MOST: usize = 500;
/// Characters of a line that are shown.
const SHOWN: usize = 160;

/// Collects what is found.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    found: Vec<Found>,
    warnings: Vec<Found>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    at: Span,
    code: Code,
    fault: String,
    mend: String,
}

impl Faults {
    /// Notes a fault. The same fault at the same place counts once (a fragment may be used twice).
    pub(crate) fn add(&mut self, code: Code, at: Span, fault: impl Into<String>, mend: impl Into<String>) {
        if !self.is_full() {
            self.found.push(Found { at, code, fault: fault.into(), mend: mend.into() });
        }
    }

    /// Notes something that may stand.
    pub(crate) fn warn(&mut self, code: Code, at: Span, fault: impl Into<String>, mend: impl Into<String>) {
        self.warnings.push(Found { at, code, fault: fault.into(), mend: mend.into() });
    }

    /// How many faults there are.
    pub(crate) fn count(&self) -> usize {
        self.found.len()
    }

    /// Whether there are more than will be listed, so that it is idle to look for further ones.
    pub(crate) fn is_full(&self) -> bool {
        self.found.len() > 4 * MOST
    }

    /// Faults and warnings, each in the order of the files.
    pub(crate) fn finish(self, sources: &Sources) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        (listed(self.found, sources), listed(self.warnings, sources))
    }
}

fn listed(mut found: Vec<Found>, sources: &Sources) -> Vec<Diagnostic> {
    found.sort();
    found.dedup();
    found.truncate(MOST);
    found.into_iter().map(|found| diagnostic(found, sources)).collect()
}

fn diagnostic(found: Found, sources: &Sources) -> Diagnostic {
    let Found { at, code, fault, mend } = found;
    let position = sources.position(at);
    let mut made = Diagnostic {
        file: String::new(),
        line: position.line,
        column: position.column,
        length: 1,
        code,
        fault: visible(&fault),
        mend: visible(&mend),
        source_line: String::new(),
        source_column: 1,
    };
    let Some(source) = sources.get(at.file) else { return made };
    made.file.clone_from(&source.name);
    let range = source.line_range(source.line_of(at.start));
    let line = source.text.get(range.clone()).unwrap_or_default();
    let end = (at.end as usize).clamp(at.start as usize, range.end.max(at.start as usize));
    let meant = source.text.get(at.start as usize..end).unwrap_or_default();
    made.length = crate::source::size(meant.trim_end().chars().count().max(1));
    let before = position.column as usize - 1;
    let skip = if line.chars().count() <= SHOWN { 0 } else { before.saturating_sub(SHOWN / 2) };
    made.source_column = crate::source::size(skip + 1);
    made.source_line = visible(&line.chars().skip(skip).take(SHOWN).collect::<String>());
    made
}

/// Text with whatever would not show, or would show something else than it is, replaced. Keeps the number of characters.
fn visible(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c == '\t' {
                ' '
            } else if is_hidden(c) || c.is_control() {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// Characters that change the order of what is shown, or show nothing.
pub(crate) const fn is_hidden(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
