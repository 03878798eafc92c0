//! The files that a mapping is made of: how they are asked for, and where in them a thing stands.
//!
//! There is no file system here: whoever compiles a mapping hands the files in, from a folder or from the binary itself.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// The files of one adapter folder, by their path below it (`mapping.yaml`, `concept-maps/gender.json`).
pub trait Files {
    /// The bytes of one file; `None` if there is no such file.
    fn read(&self, name: &str) -> Option<Cow<'_, [u8]>>;

    /// All names, so that a misspelt one can be answered with the one that was probably meant.
    fn names(&self) -> Vec<String>;
}

impl Files for BTreeMap<String, Vec<u8>> {
    fn read(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.get(name).map(|bytes| Cow::Borrowed(bytes.as_slice()))
    }

    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }
}

/// A stretch of one file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Span {
    /// Index into [`Sources`].
    pub(crate) file: u16,
    /// First byte.
    pub(crate) start: u32,
    /// Byte after the last.
    pub(crate) end: u32,
}

/// All files that were read for one mapping.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    files: Vec<Source>,
}

/// One file.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
    /// Byte at which each line begins.
    lines: Vec<u32>,
}

/// Line and column, both from 1; columns count Unicode scalar values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Sources {
    pub(crate) fn add(&mut self, name: &str, text: String) -> u16 {
        let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| size(at + 1));
        let lines = std::iter::once(0).chain(starts).collect();
        self.files.push(Source { name: name.to_owned(), text, lines });
        u16::try_from(self.files.len() - 1).unwrap_or(u16::MAX)
    }

    pub(crate) fn get(&self, file: u16) -> Option<&Source> {
        self.files.get(usize::from(file))
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.files.iter().map(|file| file.name.clone()).collect()
    }

    /// Where a stretch begins.
    pub(crate) fn position(&self, at: Span) -> Position {
        self.get(at.file).map_or(Position { line: 1, column: 1 }, |file| file.position(at.start))
    }
}

impl Source {
    /// Number of the line (from 0) that holds this byte.
    pub(crate) fn line_of(&self, byte: u32) -> usize {
        self.lines.partition_point(|start| *start <= byte).saturating_sub(1)
    }

    /// The bytes of a line (from 0) without its end.
    pub(crate) fn line_range(&self, line: usize) -> std::ops::Range<usize> {
        let start = self.lines.get(line).map_or(self.text.len(), |start| *start as usize);
        let end = self.lines.get(line + 1).map_or(self.text.len(), |next| *next as usize - 1);
        let text = self.text.get(start..end).unwrap_or_default();
        start..start + text.trim_end_matches('\r').len()
    }

    pub(crate) fn position(&self, byte: u32) -> Position {
        let line = self.line_of(byte);
        let start = self.lines.get(line).map_or(0, |start| *start as usize);
        let before = self.text.get(start..byte as usize).unwrap_or_default();
        Position { line: size(line + 1), column: size(before.chars().count() + 1) }
    }
}

/// Files are at most a megabyte, so that every place in them fits.
pub(crate) fn size(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
