//! What is wrong with a folder: where, what, and how to mend it.

use std::fmt;

/// One fault, or one warning, in the manner of a compiler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file, as named in the folder.
    pub file: String,
    /// Line, from 1; 0 = the file as a whole.
    pub line: u32,
    /// Column in Unicode scalar values, from 1.
    pub column: u32,
    /// What is wrong.
    pub words: String,
    /// How to mend it.
    pub mend: Option<String>,
    /// The line itself, if it can be shown.
    pub excerpt: Option<String>,
}

impl Fault {
    /// A fault of a file as a whole.
    #[must_use]
    pub fn of_file(file: impl Into<String>, words: impl Into<String>) -> Self {
        Self { file: file.into(), line: 0, column: 0, words: words.into(), mend: None, excerpt: None }
    }

    /// A fault at a byte of this text.
    #[must_use]
    pub fn at(file: &str, text: &str, byte: usize, words: impl Into<String>) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let line = before.matches('\n').count() + 1;
        let column = before.get(start..).map_or(0, |part| part.chars().count()) + 1;
        Self {
            file: file.to_owned(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
            words: words.into(),
            mend: None,
            excerpt: text.get(start..).and_then(|rest| rest.lines().next()).map(str::to_owned),
        }
    }

    /// The same with a mend.
    #[must_use]
    pub fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.file, self.words)?;
        } else {
            write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.words)?;
        }
        if let Some(line) = &self.excerpt {
            let number = self.line.to_string();
            let gap = " ".repeat(number.len());
            // A tab stays a tab, so that the caret stands under its place.
            let before = line.chars().take(self.column.saturating_sub(1) as usize);
            let pad: String = before.map(|letter| if letter == '\t' { '\t' } else { ' ' }).collect();
            write!(f, "\n {gap} |\n {number} | {line}\n {gap} | {pad}^")?;
        }
        if let Some(mend) = &self.mend {
            write!(f, "\n mend: {mend}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Fault;

    #[test]
    fn a_fault_shows_its_place() {
        let text = "name = \"a\"\nversion = 3\n";
        let byte = text.find('3').unwrap();
        let fault = Fault::at("adapter.toml", text, byte, "must be text").mend("write version = \"0.3.0\"");
        let shown = "adapter.toml:2:11: must be text\n   |\n 2 | version = 3\n   |           ^\n mend: write version = \"0.3.0\"";
        assert_eq!(fault.to_string(), shown);
        let end = Fault::at("adapter.toml", text, text.len(), "ends");
        assert_eq!((end.line, end.column, end.excerpt), (3, 1, None));
        assert_eq!(Fault::of_file("x.yaml", "is missing").to_string(), "x.yaml: is missing");
    }
}
