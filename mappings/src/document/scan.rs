//! The scanner: one pass over the text that refuses whatever is not strict JSON and writes the list of entries.
//!
//! Works on bytes, without recursion. Strings are the bulk of a FHIR document, so they are read eight bytes at a time.

use super::{Entry, Kind, MAX_BYTES, MAX_DEPTH, MAX_NODES, Problem, text};

/// Reads a whole text; answers whether any key holds an escape. A failure has its place.
pub(super) fn scan(text: &str, entries: &mut Vec<Entry>) -> Result<bool, (usize, Problem)> {
    if text.len() > MAX_BYTES {
        return Err((MAX_BYTES, Problem::TooLong));
    }
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0, entries, name: Name::default(), escaped_keys: false };
    match scanner.document() {
        Ok(()) => Ok(scanner.escaped_keys),
        Err(problem) => Err((scanner.at, problem)),
    }
}

struct Scanner<'a> {
    bytes: &'a [u8],
    /// The next byte; where a failure is told, its place.
    at: usize,
    entries: &'a mut Vec<Entry>,
    /// The key of the next value.
    name: Name,
    escaped_keys: bool,
}

/// A key that has been read and waits for its value.
#[derive(Clone, Copy, Default)]
struct Name {
    start: u32,
    end: u32,
    flags: u8,
    tag: u16,
}

/// An array or object that is open: its entry and its kind.
#[derive(Clone, Copy)]
struct Open {
    entry: u32,
    object: bool,
}

/// All that are open, the innermost last.
struct Stack {
    below: [Open; MAX_DEPTH],
    depth: usize,
}

impl Stack {
    fn push(&mut self, open: Open) -> bool {
        let slot = self.below.get_mut(self.depth);
        let fits = slot.is_some();
        if let Some(slot) = slot {
            *slot = open;
            self.depth += 1;
        }
        fits
    }

    fn top(&self) -> Option<Open> {
        self.below.get(self.depth.checked_sub(1)?).copied()
    }
}

/// What follows a value.
#[derive(PartialEq, Eq)]
enum After {
    Value,
    End,
}

impl Scanner<'_> {
    fn document(&mut self) -> Result<(), Problem> {
        let mut open = Stack { below: [Open { entry: 0, object: false }; MAX_DEPTH], depth: 0 };
        loop {
            let Some(byte) = self.skip_space() else { return Err(Problem::EndsEarly) };
            if self.entries.len() >= MAX_NODES {
                return Err(Problem::TooManyNodes);
            }
            if byte == b'{' || byte == b'[' {
                let object = byte == b'{';
                if !open.push(Open { entry: index(self.entries.len()), object }) {
                    return Err(Problem::TooDeep);
                }
                self.push(if object { Kind::Object } else { Kind::Array }, self.at, 0);
                self.at += 1;
                if self.skip_space() != Some(if object { b'}' } else { b']' }) {
                    self.name(open.top())?;
                    continue;
                }
            } else {
                self.scalar(byte)?;
            }
            if self.after(&mut open)? == After::End {
                return Ok(());
            }
        }
    }

    /// Goes on behind a value: closes what ends here, and steps to the next value of what does not.
    #[inline]
    fn after(&mut self, open: &mut Stack) -> Result<After, Problem> {
        while let Some(top) = open.top() {
            let close = if top.object { b'}' } else { b']' };
            match self.skip_space() {
                Some(b',') => {
                    self.at += 1;
                    self.name(Some(top))?;
                    return Ok(After::Value);
                }
                Some(byte) if byte == close => {
                    self.at += 1;
                    let (end, next) = (index(self.at), index(self.entries.len()));
                    if let Some(entry) = self.entries.get_mut(top.entry as usize) {
                        entry.end = end;
                        entry.next = next;
                    }
                    open.depth -= 1;
                }
                Some(_) => return Err(Problem::NoComma),
                None => return Err(Problem::EndsEarly),
            }
        }
        match self.skip_space() {
            None => Ok(After::End),
            Some(_) => Err(Problem::TrailingText),
        }
    }

    /// The key that must stand here, with its colon; nothing in an array.
    #[inline]
    fn name(&mut self, open: Option<Open>) -> Result<(), Problem> {
        let Some(open) = open.filter(|open| open.object) else {
            self.name = Name::default();
            return Ok(());
        };
        match self.skip_space() {
            Some(b'"') => {}
            Some(_) => return Err(Problem::NoName),
            None => return Err(Problem::EndsEarly),
        }
        let start = self.at + 1;
        let escaped = self.string()? != 0;
        let end = self.at - 1;
        let name = self.bytes.get(start..end).unwrap_or_default();
        let mut flags = Entry::HAS_KEY;
        if escaped {
            self.escaped_keys = true;
            flags |= Entry::ESCAPED_KEY;
        }
        // An escaped key may decode to one that begins with an underscore.
        if (name.first() == Some(&b'_') || escaped)
            && let Some(entry) = self.entries.get_mut(open.entry as usize)
        {
            entry.flags |= Entry::TWINS;
        }
        let tag = text::tag(name);
        match self.skip_space() {
            Some(b':') => self.at += 1,
            Some(_) => return Err(Problem::NoColon),
            None => return Err(Problem::EndsEarly),
        }
        self.name = Name { start: index(start), end: index(end), flags, tag };
        Ok(())
    }

    #[inline]
    fn scalar(&mut self, byte: u8) -> Result<(), Problem> {
        let start = self.at;
        match byte {
            b'"' => {
                let flags = self.string()?;
                self.push(Kind::String, start, flags);
            }
            b'-' | b'0'..=b'9' => {
                self.number()?;
                self.push(Kind::Number, start, 0);
            }
            b't' => self.word(b"true", Kind::Bool)?,
            b'f' => self.word(b"false", Kind::Bool)?,
            b'n' => self.word(b"null", Kind::Null)?,
            _ => return Err(Problem::NoValue),
        }
        if let Some(entry) = self.entries.last_mut() {
            entry.end = index(self.at);
        }
        Ok(())
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<(), Problem> {
        if !self.bytes.get(self.at..).unwrap_or_default().starts_with(word) {
            return Err(Problem::NoValue);
        }
        self.push(kind, self.at, 0);
        self.at += word.len();
        Ok(())
    }

    /// Writes an entry. The end of a scalar, and end and subtree of an array or object, are filled in later.
    #[inline]
    fn push(&mut self, kind: Kind, start: usize, flags: u8) {
        let name = self.name;
        let next = index(self.entries.len() + 1);
        self.entries.push(Entry {
            start: index(start),
            end: 0,
            next,
            key_start: name.start,
            key_end: name.end,
            kind,
            flags: name.flags | flags,
            tag: name.tag,
        });
    }

    /// Steps over a string, from its opening quote to behind its closing one; answers with the flags of its escapes.
    #[inline]
    fn string(&mut self) -> Result<u8, Problem> {
        let mut at = self.at + 1;
        let mut flags = 0;
        loop {
            at = plain_end(self.bytes, at);
            match self.bytes.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(flags);
                }
                Some(b'\\') => {
                    flags |= Entry::ESCAPED;
                    if !matches!(self.bytes.get(at + 1), Some(b'n' | b'r' | b't' | b'"' | b'\\')) {
                        flags |= Entry::ODDLY;
                    }
                    match escape(self.bytes, at) {
                        Ok(length) => at += length,
                        Err((place, problem)) => {
                            self.at = place;
                            return Err(problem);
                        }
                    }
                }
                other => {
                    self.at = at;
                    return Err(if other.is_some() { Problem::ControlCharacter } else { Problem::EndsEarly });
                }
            }
        }
    }

    fn number(&mut self) -> Result<(), Problem> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err(Problem::Number),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'0'..=b'9')) { Err(Problem::Number) } else { Ok(()) }
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), Problem> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(Problem::Number) } else { Ok(()) }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn skip_space(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other.copied(),
            }
        }
    }
}

/// The text is at most [`MAX_BYTES`] long and holds no more values than bytes, so each place fits.
#[expect(clippy::cast_possible_truncation, reason = "places are below MAX_BYTES")]
const fn index(place: usize) -> u32 {
    place as u32
}

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGHS: u64 = ONES << 7;

/// The first byte at or behind `at` that ends a run of plain characters: a quote, a backslash, a control character, or
/// the end of the text.
#[inline]
fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        // The lowest marked byte is marked rightly in each of the three; a wrong mark stands only above a right one.
        let quote = (word ^ (ONES * 0x22)).wrapping_sub(ONES) & !(word ^ (ONES * 0x22));
        let backslash = (word ^ (ONES * 0x5c)).wrapping_sub(ONES) & !(word ^ (ONES * 0x5c));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let marks = (quote | backslash | control) & HIGHS;
        if marks != 0 {
            return at + (marks.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|byte| *byte >= 0x20 && *byte != b'"' && *byte != b'\\') {
        at += 1;
    }
    at
}

/// The length of the escape whose backslash stands at `at`.
fn escape(bytes: &[u8], at: usize) -> Result<usize, (usize, Problem)> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
        Some(b'u') => match unit(bytes, at + 2)? {
            0xd800..=0xdbff => {
                if bytes.get(at + 6..at + 8) != Some(b"\\u".as_slice()) {
                    return Err((at, Problem::Surrogate));
                }
                match unit(bytes, at + 8)? {
                    0xdc00..=0xdfff => Ok(12),
                    _ => Err((at, Problem::Surrogate)),
                }
            }
            0xdc00..=0xdfff => Err((at, Problem::Surrogate)),
            _ => Ok(6),
        },
        Some(_) => Err((at, Problem::Escape)),
        None => Err((at + 1, Problem::EndsEarly)),
    }
}

/// Four hexadecimal digits.
fn unit(bytes: &[u8], at: usize) -> Result<u32, (usize, Problem)> {
    let mut value = 0;
    for place in at..at + 4 {
        let byte = bytes.get(place).ok_or((place, Problem::EndsEarly))?;
        let digit = char::from(*byte).to_digit(16).ok_or((place, Problem::Escape))?;
        value = value * 16 + digit;
    }
    Ok(value)
}
