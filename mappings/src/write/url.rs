//! Paths and query strings: each value is one part, whatever characters it holds.

use super::WriteFault;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but the characters that RFC 3986 leaves unreserved: a `/`, `?` or `%` in a value stays a part of the value.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Adds a value to a path as a part of one segment.
pub(crate) fn encode_segment(path: &mut String, value: &str) {
    path.extend(utf8_percent_encode(value, SEGMENT));
}

/// Refuses a path one of whose segments would be resolved away by a client or server. An encoded dot does not help:
/// URL parsers read `%2e` as a dot.
pub(crate) fn check_segments(path: &str) -> Result<(), WriteFault> {
    let dotted = path.split('/').any(|segment| matches!(segment, "." | ".."));
    if dotted { Err(WriteFault::DotSegment) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(value: &str) -> String {
        let mut path = "api/status/7/".to_owned();
        encode_segment(&mut path, value);
        path
    }

    #[test]
    fn a_value_stays_one_segment_for_an_independent_parser() {
        for value in ["a/b", "100% sure?", "ö ü", "a+b&c=d#e", "\r\n", "%2F", "...", "x.", "\\", ";v=1"] {
            let text = format!("http://127.0.0.1/{}", encoded(value));
            let url = url::Url::parse(&text).unwrap();
            let segments: Vec<_> = url.path_segments().unwrap().collect();
            assert_eq!(segments.len(), 4, "{value:?}");
            let back = percent_encoding::percent_decode_str(segments[3]).decode_utf8().unwrap();
            assert_eq!(back, value);
            assert!(url.query().is_none() && url.fragment().is_none(), "{value:?}");
        }
    }

    #[test]
    fn steps_up_are_refused() {
        for value in [".", ".."] {
            assert_eq!(check_segments(&encoded(value)), Err(WriteFault::DotSegment));
        }
        for path in ["a/./b", "../a", "a/.."] {
            assert_eq!(check_segments(path), Err(WriteFault::DotSegment), "{path}");
        }
        assert!(check_segments("a/...b/.c/%2e").is_ok());
    }
}
