//! Draws diagnostics as text, with the faulty line and a caret.

use super::Diagnostic;
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

/// One diagnostic as text: code and fault, file with line and column, the line with what is meant underlined, the mend.
#[must_use]
pub fn render(diagnostic: &Diagnostic) -> String {
    draw(diagnostic, Level::ERROR)
}

/// All of them, and how many there are.
#[must_use]
pub fn render_all(faults: &[Diagnostic], warnings: &[Diagnostic]) -> String {
    let mut text = String::new();
    for (list, level) in [(warnings, Level::WARNING), (faults, Level::ERROR)] {
        for diagnostic in list {
            text.push_str(&draw(diagnostic, level.clone()));
            text.push_str("\n\n");
        }
    }
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    text.push_str(&format!("{}, {}\n", count(faults.len(), "fault"), count(warnings.len(), "warning")));
    text
}

fn draw(diagnostic: &Diagnostic, level: Level<'_>) -> String {
    let line = &diagnostic.source_line;
    let before = (diagnostic.column - diagnostic.source_column) as usize;
    let byte = |chars: usize| line.char_indices().nth(chars).map_or(line.len(), |(at, _)| at);
    let span = byte(before)..byte(before + diagnostic.length as usize);
    let snippet = Snippet::source(line.as_str())
        .line_start(diagnostic.line as usize)
        .annotation(AnnotationKind::Primary.span(span));
    let title = level.primary_title(diagnostic.fault.as_str()).id(diagnostic.code.id());
    let group = if diagnostic.source_column == 1 {
        title.element(snippet.path(diagnostic.file.as_str()))
    } else {
        // Of a long line only a part is shown, and the column of that would be wrong.
        let origin = Origin::path(diagnostic.file.as_str());
        title.element(origin.line(diagnostic.line as usize).char_column(diagnostic.column as usize)).element(snippet)
    };
    let group = group.element(Level::HELP.message(diagnostic.mend.as_str()));
    Renderer::plain().render(&[group])
}
