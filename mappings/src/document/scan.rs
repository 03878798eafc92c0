//! The scanner: one pass over the text that refuses whatever is not strict JSON and writes the list of entries.
//!
//! Works on bytes, without recursion. Strings are the bulk of a FHIR document, so they are read sixteen bytes at a time.

use super::{Entry, Kind, MAX_BYTES, MAX_DEPTH, MAX_NODES, Problem, block, text};

/// Reads a whole text; answers whether any key holds an escape. A failure has its place.
pub(super) fn scan(text: &str, entries: &mut Vec<Entry>) -> Result<bool, Failure> {
    if text.len() > MAX_BYTES {
        return Err((MAX_BYTES, Problem::TooLong));
    }
    let mut scanner = Scanner { bytes: text.as_bytes(), entries, escaped_keys: false };
    scanner.document()?;
    Ok(scanner.escaped_keys)
}

/// Where, and what is wrong.
type Failure = (usize, Problem);

/// The place reached, and the key of the next value, are handed from step to step and not kept here, so that they stay in
/// registers.
struct Scanner<'a> {
    bytes: &'a [u8],
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
        let bytes = self.bytes;
        let mut around = [OUTSIDE; MAX_DEPTH];
        let (mut depth, mut open) = (0, OUTSIDE);
        let mut at = skip_space(bytes, 0);
        loop {
            let mut name = Name::default();
            if open.close == b'}' {
                (at, name) = self.name(at, open)?;
            }
            let Some(&byte) = bytes.get(at) else { return Err((at, Problem::EndsEarly)) };
            if self.entries.len() >= MAX_NODES {
                return Err((at, Problem::TooManyNodes));
            }
            if byte == b'"' {
                let (end, flags) = string(bytes, at)?;
                self.push(name, Kind::String, at, end, flags);
                at = end;
            } else if byte == b'{' || byte == b'[' {
                let Some(slot) = around.get_mut(depth) else { return Err((at, Problem::TooDeep)) };
                *slot = open;
                depth += 1;
                // The brackets of ASCII stand two apart.
                open = Open { entry: index(self.entries.len()), close: byte + 2 };
                self.push(name, if byte == b'{' { Kind::Object } else { Kind::Array }, at, at, 0);
                at = skip_space(bytes, at + 1);
                if bytes.get(at) != Some(&open.close) {
                    continue;
                }
            } else {
                let (kind, end) = bare(bytes, at, byte)?;
                self.push(name, kind, at, end, 0);
                at = end;
            }
            // What ends here, and then the next value of what does not.
            loop {
                at = skip_space(bytes, at);
                let Some(&byte) = bytes.get(at) else {
                    return if depth == 0 { Ok(()) } else { Err((at, Problem::EndsEarly)) };
                };
                if byte == b',' && depth > 0 {
                    at = skip_space(bytes, at + 1);
                    break;
                }
                if byte != open.close || depth == 0 {
                    return Err((at, if depth == 0 { Problem::TrailingText } else { Problem::NoComma }));
                }
                at += 1;
                let next = index(self.entries.len());
                if let Some(entry) = self.entries.get_mut(open.entry as usize) {
                    entry.end = index(at);
                    entry.next = next;
                }
                depth -= 1;
                open = around.get(depth).copied().unwrap_or(OUTSIDE);
            }
        }
    }

    /// The key that must stand here, with its colon. Answers where the value must begin.
    #[inline]
    fn name(&mut self, at: usize, open: Open) -> Result<(usize, Name), Failure> {
        let bytes = self.bytes;
        if bytes.get(at) != Some(&b'"') {
            return Err((at, if at < bytes.len() { Problem::NoName } else { Problem::EndsEarly }));
        }
        let (behind, escapes) = string(bytes, at)?;
        let (start, end) = (at + 1, behind - 1);
        let key = bytes.get(start..end).unwrap_or_default();
        let mut flags = Entry::HAS_KEY;
        if escapes != 0 {
            self.escaped_keys = true;
            flags |= Entry::ESCAPED_KEY;
        }
        // An escaped key may decode to one that begins with an underscore.
        if (key.first() == Some(&b'_') || escapes != 0)
            && let Some(entry) = self.entries.get_mut(open.entry as usize)
        {
            entry.flags |= Entry::TWINS;
        }
        let name = Name { start: index(start), end: index(end), flags, tag: text::tag(key) };
        let at = skip_space(bytes, behind);
        match bytes.get(at) {
            Some(b':') => Ok((skip_space(bytes, at + 1), name)),
            Some(_) => Err((at, Problem::NoColon)),
            None => Err((at, Problem::EndsEarly)),
        }
    }

    /// Writes an entry. End and subtree of an array or object are filled in when it is closed.
    #[inline]
    fn push(&mut self, name: Name, kind: Kind, start: usize, end: usize, flags: u8) {
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
}

/// The first byte at or behind `at` that is no white space. In a text without any, this is one comparison.
#[inline]
fn skip_space(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(byte) if *byte <= b' ' => skip_run_of_space(bytes, at),
        _ => at,
    }
}

#[inline(never)]
fn skip_run_of_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

/// A number, `true`, `false` or `null`: what it is and where it ends.
fn bare(bytes: &[u8], at: usize, byte: u8) -> Result<(Kind, usize), Failure> {
    match byte {
        b'-' | b'0'..=b'9' => Ok((Kind::Number, number(bytes, at)?)),
        b't' => Ok((Kind::Bool, word(bytes, at, b"true")?)),
        b'f' => Ok((Kind::Bool, word(bytes, at, b"false")?)),
        b'n' => Ok((Kind::Null, word(bytes, at, b"null")?)),
        _ => Err((at, Problem::NoValue)),
    }
}

fn word(bytes: &[u8], at: usize, word: &[u8]) -> Result<usize, Failure> {
    let there = bytes.get(at..).unwrap_or_default().starts_with(word);
    if there { Ok(at + word.len()) } else { Err((at, Problem::NoValue)) }
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

/// The first byte at or behind `at` that ends a run of plain characters: a quote, a backslash, a control character, or
/// the end of the text.
#[inline]
fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(next) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        if let Some(plain) = block::plain(*next) {
            return at + plain;
        }
        at += block::LENGTH;
    }
    last_plain_end(bytes, at)
}

/// The same in the last bytes of the text.
#[cold]
#[inline(never)]
fn last_plain_end(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(|byte| *byte >= 0x20 && *byte != b'"' && *byte != b'\\') {
        at += 1;
    }
    at
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
