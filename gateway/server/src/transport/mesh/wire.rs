//! Small things of MESH's wire: names, codes, packing.

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use std::io::{Read as _, Write as _};

/// How gzip begins (RFC 1952). No CSV does.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// A sender may pack what MESH packs again.
const LAYERS: usize = 2;

/// In lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A name that may stand in a path.
pub(super) fn id(text: &str) -> Option<&str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    ((1..=100).contains(&text.len()) && text.bytes().all(plain)).then_some(text)
}

/// MESH's code of an error: two digits and their like, in either version of its answers.
pub(super) fn error_code(body: &[u8]) -> Option<String> {
    let read: serde_json::Value = serde_json::from_slice(body).ok()?;
    let code = read.get("errorCode").or_else(|| read.pointer("/detail/0/code"))?.as_str()?;
    code_word(code)
}

/// A code as such: short, and no prose.
pub(super) fn code_word(code: &str) -> Option<String> {
    let code = code.trim();
    let plain = !code.is_empty() && code.len() <= 12 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain.then(|| code.to_owned())
}

/// Packed by gzip.
pub(super) fn packed(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing into memory cannot fail; were it to, the file would leave as it is.
    match encoder.write_all(content).and_then(|()| encoder.finish()) {
        Ok(packed) => packed,
        Err(_) => content.to_vec(),
    }
}

/// Why bytes cannot be unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unpacking {
    /// There would be more than `most` bytes.
    TooLong,
    /// They are not gzip to their end.
    Broken,
}

/// The bytes without their packing, at most `most`. Parts that were packed one by one are one after the other.
pub(super) fn unpacked(mut content: Vec<u8>, most: usize) -> Result<Vec<u8>, Unpacking> {
    for _ in 0..LAYERS {
        if !content.starts_with(&GZIP) {
            break;
        }
        let mut plain = Vec::new();
        let bound = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
        MultiGzDecoder::new(content.as_slice()).take(bound).read_to_end(&mut plain).map_err(|_| Unpacking::Broken)?;
        content = plain;
        if content.len() > most {
            break;
        }
    }
    if content.len() > most { Err(Unpacking::TooLong) } else { Ok(content) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked_within_its_bound() {
        let text = b"ref,status\r\n".repeat(1_000);
        let once = packed(&text);
        assert!(once.len() < text.len() / 10);
        assert_eq!(unpacked(once.clone(), text.len()), Ok(text.clone()));
        assert_eq!(unpacked(packed(&once), text.len()), Ok(text.clone()), "packed twice");
        assert_eq!(unpacked([once.clone(), once.clone()].concat(), 2 * text.len()), Ok(text.repeat(2)), "part by part");
        assert_eq!(unpacked(once.clone(), text.len() - 1), Err(Unpacking::TooLong));
        assert_eq!(unpacked(text.clone(), text.len() - 1), Err(Unpacking::TooLong));
        let cut = once.get(..once.len() - 9).unwrap().to_vec();
        assert_eq!(unpacked(cut, text.len()), Err(Unpacking::Broken));
    }

    #[test]
    fn only_plain_names_and_codes_are_taken() {
        assert_eq!(id("20210311101813838554_1B8F53"), Some("20210311101813838554_1B8F53"));
        for odd in ["", "a/b", "..", "a b", "é"] {
            assert_eq!(id(odd), None, "{odd}");
        }
        assert_eq!(error_code(br#"{"detail":[{"event":"SEND","code":"12","msg":"x"}]}"#).as_deref(), Some("12"));
        assert_eq!(error_code(br#"{"errorCode":"a sentence of somebody"}"#), None);
        assert_eq!(error_code(b"<html>"), None);
    }
}
