//! Single values outside JSON: plain text and headers.

use super::WriteFault;
use crate::document::{Document, Kind, NodeId};
use std::borrow::Cow;

/// A value as plain text; null is the empty text.
pub(crate) fn plain<'t>(document: &Document<'t>, id: NodeId) -> Result<Cow<'t, str>, WriteFault> {
    match document.kind(id) {
        Kind::Null => Ok(Cow::Borrowed("")),
        Kind::String => Ok(document.string(id).unwrap_or_default()),
        Kind::Bool | Kind::Number => Ok(Cow::Borrowed(document.raw(id))),
        Kind::Array | Kind::Object => Err(WriteFault::Nested),
    }
}

/// A header's value. Anything that could end the header, and all that HTTP does not agree upon, is refused.
pub(crate) fn header(text: &str) -> Result<(), WriteFault> {
    let fits = text.bytes().all(|each| matches!(each, b' '..=b'~' | b'\t'));
    if fits { Ok(()) } else { Err(WriteFault::Header) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits_and_lists_are_refused() {
        let text = r#"[1.50,"a\nb",null,true,[],{}]"#;
        let document = Document::parse(text).unwrap();
        let made: Vec<_> = document.children(document.root()).map(|id| plain(&document, id)).collect();
        let nested = || Err(WriteFault::Nested);
        assert_eq!(made, [Ok("1.50".into()), Ok("a\nb".into()), Ok("".into()), Ok("true".into()), nested(), nested()]);
    }

    #[test]
    fn a_header_cannot_be_ended_by_its_value() {
        assert!(header("return=minimal; \t~").is_ok());
        for text in ["a\r\nX: y", "a\nb", "a\0", "é", "\u{7f}"] {
            assert_eq!(header(text), Err(WriteFault::Header), "{text:?}");
        }
    }
}
