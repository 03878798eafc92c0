//! `application/x-www-form-urlencoded`, for bodies and query strings.

use super::{WriteFault, plain};
use crate::document::{Document, Kind};
use form_urlencoded::Serializer;

/// The fields of an object; a list repeats its name.
pub(crate) fn form(document: &Document<'_>) -> Result<String, WriteFault> {
    if document.kind(document.root()) != Kind::Object {
        return Err(WriteFault::Nested);
    }
    let mut out = Serializer::new(String::new());
    for member in document.children(document.root()) {
        let name = document.key(member).unwrap_or_default();
        if document.kind(member) == Kind::Array {
            for item in document.children(member) {
                out.append_pair(&name, &plain(document, item)?);
            }
        } else {
            out.append_pair(&name, &plain(document, member)?);
        }
    }
    Ok(out.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(json: &str) -> Result<String, WriteFault> {
        form(&Document::parse(json).unwrap())
    }

    #[test]
    fn an_independent_parser_reads_the_same_pairs() {
        let text = made(r#"{"a b":"x&y=z +ü\r\n","n":1.0,"l":["1","","3"],"t":true,"e":null}"#).unwrap();
        let url = url::Url::parse(&format!("http://127.0.0.1/?{text}")).unwrap();
        let pairs: Vec<_> = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let expected =
            [("a b", "x&y=z +ü\r\n"), ("n", "1.0"), ("l", "1"), ("l", ""), ("l", "3"), ("t", "true"), ("e", "")];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_list_in_a_list_has_no_place() {
        for json in [r#"{"a":{}}"#, r#"{"a":[[]]}"#, "[]", "1"] {
            assert_eq!(made(json), Err(WriteFault::Nested), "{json}");
        }
    }
}
