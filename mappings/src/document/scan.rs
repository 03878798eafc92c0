//! The scanner: one pass over the text that refuses whatever is not strict JSON and writes the list of entries.
//!
//! Works on bytes, without recursion. Strings are the bulk of a FHIR document, so they are read eight bytes at a time.

use super::{Entry, Kind, MAX_BYTES, MAX_DEPTH, MAX_NODES, Problem, text};

type Failure = (usize, Problem);

/// Reads a whole text; answers whether any key holds an escape.
pub(super) fn scan(text: &str, entries: &mut Vec<Entry>) -> Result<bool, Failure> {
    if text.len() > MAX_BYTES {
        return Err((MAX_BYTES, Problem::TooLong));
    }
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0, entries, escaped_keys: false };
    scanner.document()?;
    Ok(scanner.escaped_keys)
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    entries: &'a mut Vec<Entry>,
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

impl Scanner<'_> {
    fn document(&mut self) -> Result<(), Failure> {
        let mut stack = [Open { entry: 0, object: false }; MAX_DEPTH];
        let mut depth = 0;
        let mut name = Name::default();
        loop {
            // A value begins here.
            let byte = self.skip_space().ok_or_else(|| self.failure(Problem::EndsEarly))?;
            if self.entries.len() >= MAX_NODES {
                return Err(self.failure(Problem::TooManyNodes));
            }
            if byte == b'{' || byte == b'[' {
                let slot = stack.get_mut(depth).ok_or_else(|| self.failure(Problem::TooDeep))?;
                *slot = Open { entry: index(self.entries.len()), object: byte == b'{' };
                let open = *slot;
                depth += 1;
                self.push(if open.object { Kind::Object } else { Kind::Array }, name, self.at, 0);
                self.at += 1;
                if !self.closes(open) {
                    name = self.name(open)?;
                    continue;
                }
            } else {
                self.scalar(byte, name)?;
            }
            // A value has ended: go on with the innermost open array or object that has more.
            loop {
                let Some(open) = depth.checked_sub(1).and_then(|top| stack.get(top)).copied() else {
                    return match self.skip_space() {
                        None => Ok(()),
                        Some(_) => Err(self.failure(Problem::TrailingText)),
                    };
                };
                if self.ends_at_close(open) {
                    depth -= 1;
                    continue;
                }
                match self.skip_space() {
                    Some(b',') => {
                        self.at += 1;
                        name = self.name(open)?;
                        break;
                    }
                    Some(b'}' | b']') if self.closes(open) => {}
                    Some(_) => return Err(self.failure(Problem::NoComma)),
                    None => return Err(self.failure(Problem::EndsEarly)),
                }
            }
        }
    }

    /// Closes an array or object whose closing bracket stands here.
    fn closes(&mut self, open: Open) -> bool {
        if self.skip_space() != Some(if open.object { b'}' } else { b']' }) {
            return false;
        }
        self.at += 1;
        let (end, next) = (index(self.at), index(self.entries.len()));
        if let Some(entry) = self.entries.get_mut(open.entry as usize) {
            entry.end = end;
            entry.next = next;
        }
        true
    }

    /// Whether this one has just been closed.
    fn ends_at_close(&self, open: Open) -> bool {
        self.entries.get(open.entry as usize).is_some_and(|entry| entry.next != 0)
    }

    /// The key that must stand here, with its colon; nothing in an array.
    fn name(&mut self, open: Open) -> Result<Name, Failure> {
        if !open.object {
            return Ok(Name::default());
        }
        match self.skip_space() {
            Some(b'"') => {}
            Some(_) => return Err(self.failure(Problem::NoName)),
            None => return Err(self.failure(Problem::EndsEarly)),
        }
        let start = self.at + 1;
        let escaped = self.string()?;
        let end = self.at - 1;
        let name = self.bytes.get(start..end).unwrap_or_default();
        let mut flags = Entry::HAS_KEY;
        if escaped {
            self.escaped_keys = true;
            flags |= Entry::ESCAPED_KEY;
        }
        // An escaped key may decode to one that begins with an underscore.
        if name.first() == Some(&b'_') || escaped {
            if let Some(entry) = self.entries.get_mut(open.entry as usize) {
                entry.flags |= Entry::TWINS;
            }
        }
        let tag = text::tag(name);
        match self.skip_space() {
            Some(b':') => self.at += 1,
            Some(_) => return Err(self.failure(Problem::NoColon)),
            None => return Err(self.failure(Problem::EndsEarly)),
        }
        Ok(Name { start: index(start), end: index(end), flags, tag })
    }

    fn scalar(&mut self, byte: u8, name: Name) -> Result<(), Failure> {
        let start = self.at;
        match byte {
            b'"' => {
                let escaped = self.string()?;
                self.push(Kind::String, name, start, if escaped { Entry::ESCAPED } else { 0 });
            }
            b'-' | b'0'..=b'9' => {
                self.number()?;
                self.push(Kind::Number, name, start, 0);
            }
            b't' => self.word(b"true", Kind::Bool, name)?,
            b'f' => self.word(b"false", Kind::Bool, name)?,
            b'n' => self.word(b"null", Kind::Null, name)?,
            _ => return Err(self.failure(Problem::NoValue)),
        }
        if let Some(entry) = self.entries.last_mut() {
            entry.end = index(self.at);
        }
        Ok(())
    }

    fn word(&mut self, word: &[u8], kind: Kind, name: Name) -> Result<(), Failure> {
        if !self.bytes.get(self.at..).unwrap_or_default().starts_with(word) {
            return Err(self.failure(Problem::NoValue));
        }
        self.push(kind, name, self.at, 0);
        self.at += word.len();
        Ok(())
    }

    /// Writes an entry. The end of a scalar, and end and subtree of an array or object, are filled in later.
    fn push(&mut self, kind: Kind, name: Name, start: usize, flags: u8) {
        let container = matches!(kind, Kind::Array | Kind::Object);
        let next = if container { 0 } else { index(self.entries.len() + 1) };
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

    /// Steps over a string, from its opening quote to behind its closing one; answers whether it holds an escape.
    fn string(&mut self) -> Result<bool, Failure> {
        let mut at = self.at + 1;
        let mut escaped = false;
        loop {
            at = plain_end(self.bytes, at);
            match self.bytes.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    at += escape(self.bytes, at)?;
                }
                Some(_) => return Err((at, Problem::ControlCharacter)),
                None => return Err((at, Problem::EndsEarly)),
            }
        }
    }

    fn number(&mut self) -> Result<(), Failure> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err(self.failure(Problem::Number)),
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
        if matches!(self.peek(), Some(b'0'..=b'9')) { Err(self.failure(Problem::Number)) } else { Ok(()) }
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), Failure> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.failure(Problem::Number)) } else { Ok(()) }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    const fn failure(&self, problem: Problem) -> Failure {
        (self.at, problem)
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
fn escape(bytes: &[u8], at: usize) -> Result<usize, Failure> {
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
fn unit(bytes: &[u8], at: usize) -> Result<u32, Failure> {
    let mut value = 0;
    for place in at..at + 4 {
        let byte = bytes.get(place).ok_or((place, Problem::EndsEarly))?;
        let digit = char::from(*byte).to_digit(16).ok_or((place, Problem::Escape))?;
        value = value * 16 + digit;
    }
    Ok(value)
}
