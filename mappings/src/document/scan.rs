//! The scanner: one pass over the text that refuses whatever is not strict JSON and writes the list of entries.
//!
//! Works on bytes, without recursion. Strings are the bulk of a FHIR document, so they are read eight bytes at a time.

use super::{Entry, Kind, MAX_BYTES, MAX_DEPTH, MAX_NODES, Problem, text};

/// Reads a whole text; answers whether any key holds an escape. A failure has its place.
pub(super) fn scan(text: &str, entries: &mut Vec<Entry>) -> Result<bool, Failure> {
    if text.len() > MAX_BYTES {
        return Err((MAX_BYTES, Problem::TooLong));
    }
    let mut scanner = Scanner { bytes: text.as_bytes(), entries, name: Name::default(), escaped_keys: false };
    scanner.document()?;
    Ok(scanner.escaped_keys)
}

/// Where, and what is wrong.
type Failure = (usize, Problem);

/// The place reached is handed from step to step and not kept here, so that it stays in a register.
struct Scanner<'a> {
    bytes: &'a [u8],
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

/// An array or object that is open: its entry, and the byte that closes it.
#[derive(Clone, Copy)]
struct Open {
    entry: u32,
    close: u8,
}

/// No byte closes the text itself.
const OUTSIDE: Open = Open { entry: 0, close: 0 };

impl Scanner<'_> {
    fn document(&mut self) -> Result<(), Failure> {
        let mut around = [OUTSIDE; MAX_DEPTH];
        let (mut depth, mut open) = (0, OUTSIDE);
        let mut at = self.skip_space(0);
        loop {
            at = self.name(at, open)?;
            let Some(&byte) = self.bytes.get(at) else { return Err((at, Problem::EndsEarly)) };
            if self.entries.len() >= MAX_NODES {
                return Err((at, Problem::TooManyNodes));
            }
            match byte {
                b'"' => {
                    let (end, flags) = string(self.bytes, at)?;
                    self.push(Kind::String, at, end, flags);
                    at = end;
                }
                b'{' | b'[' => {
                    let Some(slot) = around.get_mut(depth) else { return Err((at, Problem::TooDeep)) };
                    *slot = open;
                    depth += 1;
                    // The brackets of ASCII stand two apart.
                    open = Open { entry: index(self.entries.len()), close: byte + 2 };
                    self.push(if byte == b'{' { Kind::Object } else { Kind::Array }, at, at, 0);
                    at = self.skip_space(at + 1);
                    if self.bytes.get(at) != Some(&open.close) {
                        continue;
                    }
                }
                _ => at = self.bare(at, byte)?,
            }
            // What ends here, and then the next value of what does not.
            loop {
                at = self.skip_space(at);
                match self.bytes.get(at) {
                    Some(b',') if depth > 0 => {
                        at = self.skip_space(at + 1);
                        break;
                    }
                    Some(&byte) if depth > 0 && byte == open.close => {
                        at += 1;
                        let next = index(self.entries.len());
                        if let Some(entry) = self.entries.get_mut(open.entry as usize) {
                            entry.end = index(at);
                            entry.next = next;
                        }
                        depth -= 1;
                        open = around.get(depth).copied().unwrap_or(OUTSIDE);
                    }
                    None if depth == 0 => return Ok(()),
                    None => return Err((at, Problem::EndsEarly)),
                    Some(_) => return Err((at, if depth == 0 { Problem::TrailingText } else { Problem::NoComma })),
                }
            }
        }
    }

    /// The key that must stand here, with its colon; nothing in an array. Answers where the value must begin.
    #[inline]
    fn name(&mut self, at: usize, open: Open) -> Result<usize, Failure> {
        if open.close != b'}' {
            self.name = Name::default();
            return Ok(at);
        }
        if self.bytes.get(at) != Some(&b'"') {
            return Err((at, if at < self.bytes.len() { Problem::NoName } else { Problem::EndsEarly }));
        }
        let (behind, escapes) = string(self.bytes, at)?;
        let (start, end) = (at + 1, behind - 1);
        let name = self.bytes.get(start..end).unwrap_or_default();
        let mut flags = Entry::HAS_KEY;
        if escapes != 0 {
            self.escaped_keys = true;
            flags |= Entry::ESCAPED_KEY;
        }
        // An escaped key may decode to one that begins with an underscore.
        if (name.first() == Some(&b'_') || escapes != 0)
            && let Some(entry) = self.entries.get_mut(open.entry as usize)
        {
            entry.flags |= Entry::TWINS;
        }
        self.name = Name { start: index(start), end: index(end), flags, tag: text::tag(name) };
        let at = self.skip_space(behind);
        match self.bytes.get(at) {
            Some(b':') => Ok(self.skip_space(at + 1)),
            Some(_) => Err((at, Problem::NoColon)),
            None => Err((at, Problem::EndsEarly)),
        }
    }

    /// A number, `true`, `false` or `null`. Answers where it ends.
    fn bare(&mut self, at: usize, byte: u8) -> Result<usize, Failure> {
        let (kind, end) = match byte {
            b'-' | b'0'..=b'9' => (Kind::Number, number(self.bytes, at)?),
            b't' => (Kind::Bool, self.word(at, b"true")?),
            b'f' => (Kind::Bool, self.word(at, b"false")?),
            b'n' => (Kind::Null, self.word(at, b"null")?),
            _ => return Err((at, Problem::NoValue)),
        };
        self.push(kind, at, end, 0);
        Ok(end)
    }

    fn word(&self, at: usize, word: &[u8]) -> Result<usize, Failure> {
        let there = self.bytes.get(at..).unwrap_or_default().starts_with(word);
        if there { Ok(at + word.len()) } else { Err((at, Problem::NoValue)) }
    }

    /// Writes an entry. End and subtree of an array or object are filled in when it is closed.
    #[inline]
    fn push(&mut self, kind: Kind, start: usize, end: usize, flags: u8) {
        let name = self.name;
        let next = index(self.entries.len() + 1);
        self.entries.push(Entry {
            start: index(start),
            end: index(end),
            next,
            key_start: name.start,
            key_end: name.end,
            kind,
            flags: name.flags | flags,
            tag: name.tag,
        });
    }

    /// The first byte at or behind `at` that is no white space.
    #[inline]
    fn skip_space(&self, mut at: usize) -> usize {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(at) {
            at += 1;
        }
        at
    }
}

/// Steps over a string whose opening quote stands at `at`: the place behind its closing one, and the flags of its escapes.
#[inline]
fn string(bytes: &[u8], at: usize) -> Result<(usize, u8), Failure> {
    let end = plain_end(bytes, at + 1);
    if bytes.get(end) == Some(&b'"') { Ok((end + 1, 0)) } else { escaped_string(bytes, end) }
}

/// The rest of a string that holds escapes, or is faulty.
#[cold]
#[inline(never)]
fn escaped_string(bytes: &[u8], mut at: usize) -> Result<(usize, u8), Failure> {
    let mut flags = 0;
    loop {
        match bytes.get(at) {
            Some(b'"') => return Ok((at + 1, flags)),
            Some(b'\\') => {
                flags |= Entry::ESCAPED;
                if !matches!(bytes.get(at + 1), Some(b'n' | b'r' | b't' | b'"' | b'\\')) {
                    flags |= Entry::ODDLY;
                }
                at += escape(bytes, at)?;
            }
            Some(_) => return Err((at, Problem::ControlCharacter)),
            None => return Err((at, Problem::EndsEarly)),
        }
        at = plain_end(bytes, at);
    }
}

fn number(bytes: &[u8], mut at: usize) -> Result<usize, Failure> {
    if bytes.get(at) == Some(&b'-') {
        at += 1;
    }
    match bytes.get(at) {
        Some(b'0') => at += 1,
        Some(b'1'..=b'9') => at = digits(bytes, at)?,
        _ => return Err((at, Problem::Number)),
    }
    if bytes.get(at) == Some(&b'.') {
        at = digits(bytes, at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = bytes.get(at) {
            at += 1;
        }
        at = digits(bytes, at)?;
    }
    if let Some(b'0'..=b'9') = bytes.get(at) { Err((at, Problem::Number)) } else { Ok(at) }
}

/// One digit or more.
fn digits(bytes: &[u8], start: usize) -> Result<usize, Failure> {
    let mut at = start;
    while let Some(b'0'..=b'9') = bytes.get(at) {
        at += 1;
    }
    if at == start { Err((at, Problem::Number)) } else { Ok(at) }
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
