//! Strings of JSON: decoding of escapes, and the tag that tells most keys apart. Trusts the scanner, which has refused
//! what does not decode.

use std::borrow::Cow;

/// Length and a mix of first and last byte. Equal names have equal tags.
pub(super) const fn tag_of(length: usize, first: u8, last: u8) -> u16 {
    u16::from_le_bytes([length.to_le_bytes()[0], first.rotate_left(3) ^ last])
}

/// See [`tag_of`].
#[inline]
pub(super) fn tag(name: &[u8]) -> u16 {
    let first = name.first().copied().unwrap_or_default();
    let last = name.last().copied().unwrap_or_default();
    tag_of(name.len(), first, last)
}

/// Whether two texts are the same. Names and codes are short, so that most are compared in two words, without a call.
#[inline]
pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    if let (Some(a), Some(b), Some(y), Some(z)) =
        (one.first_chunk::<8>(), other.first_chunk::<8>(), one.last_chunk::<8>(), other.last_chunk::<8>())
    {
        let ends = u64::from_le_bytes(*a) == u64::from_le_bytes(*b) && u64::from_le_bytes(*y) == u64::from_le_bytes(*z);
        return ends && (one.len() <= 16 || one == other);
    }
    if let (Some(a), Some(b), Some(y), Some(z)) =
        (one.first_chunk::<4>(), other.first_chunk::<4>(), one.last_chunk::<4>(), other.last_chunk::<4>())
    {
        return u32::from_le_bytes(*a) == u32::from_le_bytes(*b) && u32::from_le_bytes(*y) == u32::from_le_bytes(*z);
    }
    one.iter().eq(other)
}

/// The content of a string, between its quotes.
#[inline]
pub(super) fn decode(raw: &str, escaped: bool) -> Cow<'_, str> {
    if escaped { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) }
}

fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, escape)) = rest.split_once('\\') {
        text.push_str(plain);
        let mut characters = escape.chars();
        match characters.next() {
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some('u') => {
                let (character, length) = hexadecimal(characters.as_str());
                text.push(character);
                rest = characters.as_str().get(length..).unwrap_or_default();
                continue;
            }
            Some(other) => text.push(other),
            None => {}
        }
        rest = characters.as_str();
    }
    text.push_str(rest);
    text
}

/// The character that four hexadecimal digits name, or two such units as a surrogate pair, and how many bytes that takes.
fn hexadecimal(digits: &str) -> (char, usize) {
    let high = unit(digits.get(..4));
    if let Some(character) = char::from_u32(high) {
        return (character, 4);
    }
    let low = unit(digits.get(6..10));
    let code = 0x1_0000 + ((high & 0x3ff) << 10) + (low & 0x3ff);
    (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 10)
}

fn unit(digits: Option<&str>) -> u32 {
    digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn two_texts_are_the_same_if_every_byte_is() {
        for length in 0..40 {
            let one: Vec<u8> = (0..length).collect();
            assert!(same(&one, &one.clone()));
            assert!(!same(&one, &[one.clone(), vec![0]].concat()));
            for place in 0..one.len() {
                let mut other = one.clone();
                other[place] ^= 0x80;
                assert!(!same(&one, &other), "{length} {place}");
            }
        }
    }
}
