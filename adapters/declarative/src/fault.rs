//! What is wrong with a folder: where, what, and how to mend it. Faults of the mapping come from its compiler; those of the
//! manifest and of fixtures are told in the same manner.

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use mappings::diagnostic::Diagnostic;
use serde::Serialize;
use std::fmt;

/// One fault, or one warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fault {
    /// The file, as named in the folder.
    pub file: String,
    /// Line, from 1; 0 = the file as a whole.
    pub line: u32,
    /// Column in Unicode scalar values, from 1.
    pub column: u32,
    /// The kind of fault, where the compiler has a number for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What is wrong.
    #[serde(rename = "fault")]
    pub words: String,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
    /// The line itself, if it can be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<Excerpt>,
}

/// A line of a file, or a part of a long one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Excerpt {
    /// What stands there.
    pub text: String,
    /// Column at which it begins, from 1.
    pub from: u32,
    /// How many characters are meant.
    pub length: u32,
}

impl Fault {
    /// A fault of a file as a whole.
    #[must_use]
    pub fn of_file(file: impl Into<String>, words: impl Into<String>) -> Self {
        let (file, words) = (file.into(), words.into());
        Self { file, line: 0, column: 0, code: None, words, mend: None, excerpt: None }
    }

    /// A fault at a byte of this text.
    #[must_use]
    pub fn at(file: &str, text: &str, byte: usize, words: impl Into<String>) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let column = before.get(start..).map_or(0, |part| part.chars().count()) + 1;
        let line = text.get(start..).and_then(|rest| rest.lines().next());
        Self {
            line: small(before.matches('\n').count() + 1),
            column: small(column),
            // A tab is one column here and would be several when it is shown.
            excerpt: line.map(|line| Excerpt { text: line.replace('\t', " "), from: 1, length: 1 }),
            ..Self::of_file(file, words)
        }
    }

    /// The same with a mend.
    #[must_use]
    pub fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }

    /// As text, under this heading.
    fn draw(&self, level: Level<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut title = level.primary_title(self.words.as_str());
        if let Some(code) = &self.code {
            title = title.id(code.as_str());
        }
        let origin = Origin::path(self.file.as_str());
        let there = || origin.clone().line(self.line as usize).char_column(self.column as usize);
        let mut group = match &self.excerpt {
            None if self.line == 0 => title.element(origin),
            None => title.element(there()),
            Some(excerpt) => {
                let text = excerpt.text.as_str();
                let byte = |chars: usize| text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at);
                let before = self.column.saturating_sub(excerpt.from) as usize;
                let span = byte(before)..byte(before + excerpt.length as usize);
                let snippet = Snippet::source(text).line_start(self.line as usize);
                let snippet = snippet.annotation(AnnotationKind::Primary.span(span));
                // Of a long line only a part is shown, and the column of that would be wrong.
                if excerpt.from == 1 {
                    title.element(snippet.path(self.file.as_str()))
                } else {
                    title.element(there()).element(snippet)
                }
            }
        };
        if let Some(mend) = &self.mend {
            group = group.element(Level::HELP.message(mend.as_str()));
        }
        f.write_str(&Renderer::plain().render(&[group]))
    }

    /// Drawn as a warning.
    #[must_use]
    pub fn as_warning(&self) -> impl fmt::Display + '_ {
        struct Warning<'f>(&'f Fault);
        impl fmt::Display for Warning<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.draw(Level::WARNING, f)
            }
        }
        Warning(self)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.draw(Level::ERROR, f)
    }
}

impl From<&Diagnostic> for Fault {
    fn from(diagnostic: &Diagnostic) -> Self {
        Self {
            file: diagnostic.file.clone(),
            line: diagnostic.line,
            column: diagnostic.column,
            code: Some(diagnostic.code.id().to_owned()),
            words: diagnostic.fault.clone(),
            mend: Some(diagnostic.mend.clone()),
            excerpt: Some(Excerpt {
                text: diagnostic.source_line.clone(),
                from: diagnostic.source_column,
                length: diagnostic.length,
            }),
        }
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::Fault;

    #[test]
    fn a_fault_shows_its_place() {
        let text = "name = \"a\"\nversion = 3\n";
        let byte = text.find('3').unwrap();
        let fault = Fault::at("adapter.toml", text, byte, "must be text").mend("write version = \"0.3.0\"");
        let shown = "error: must be text\n --> adapter.toml:2:11\n  |\n2 | version = 3\n  |           ^\n  |\n  = help: write version = \"0.3.0\"";
        assert_eq!(fault.to_string(), shown);
        assert!(fault.as_warning().to_string().starts_with("warning: must be text"));
        let end = Fault::at("adapter.toml", text, text.len(), "ends");
        assert_eq!((end.line, end.column, end.excerpt), (3, 1, None));
        assert_eq!(Fault::of_file("x.yaml", "x.yaml is missing").to_string(), "error: x.yaml is missing\n--> x.yaml");
    }
}
