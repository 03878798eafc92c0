//! XML 1.0: members become elements, `@name` members attributes, `#text` the text; a list repeats its element.
//!
//! A character that XML cannot say is refused and never dropped. Line ends and tabs are written as references where a
//! reader would otherwise change them.

use super::{WriteFault, plain};
use crate::document::{Document, Kind, NodeId};
use quick_xml::Writer;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use quick_xml::name::QName;

/// The document as an element named `root`, in `namespace` if there is one.
pub(crate) fn xml(document: &Document<'_>, root: &str, namespace: Option<&str>) -> Result<Vec<u8>, WriteFault> {
    let mut out = Writer::new(Vec::new());
    put(&mut out, Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
    element(&mut out, document, document.root(), root, namespace)?;
    Ok(out.into_inner())
}

fn element(
    out: &mut Writer<Vec<u8>>,
    document: &Document<'_>,
    id: NodeId,
    name: &str,
    namespace: Option<&str>,
) -> Result<(), WriteFault> {
    check_name(name)?;
    let mut start = BytesStart::new(name);
    if let Some(namespace) = namespace {
        start.push_attribute(attribute("xmlns", namespace)?);
    }
    let object = document.kind(id) == Kind::Object;
    let members = || document.children(id).filter(|_| object);
    for member in members() {
        let key = document.key(member).unwrap_or_default();
        if let Some(name) = key.strip_prefix('@') {
            check_name(name)?;
            start.push_attribute(attribute(name, &one(document, member)?)?);
        }
    }
    put(out, Event::Start(start));
    if !object {
        text(out, &one(document, id)?)?;
    }
    for member in members() {
        let key = document.key(member).unwrap_or_default();
        match (&*key, document.kind(member)) {
            (key, _) if key.starts_with('@') => {}
            ("#text", _) => text(out, &one(document, member)?)?,
            (key, Kind::Array) => {
                for item in document.children(member) {
                    element(out, document, item, key, None)?;
                }
            }
            (key, _) => element(out, document, member, key, None)?,
        }
    }
    put(out, Event::End(BytesEnd::new(name)));
    Ok(())
}

fn attribute<'n>(name: &'n str, value: &str) -> Result<Attribute<'n>, WriteFault> {
    Ok(Attribute { key: QName(name), value: escaped(value, true)?.into() })
}

fn one<'t>(document: &Document<'t>, id: NodeId) -> Result<std::borrow::Cow<'t, str>, WriteFault> {
    plain(document, id).map_err(|_| WriteFault::Attribute)
}

fn text(out: &mut Writer<Vec<u8>>, text: &str) -> Result<(), WriteFault> {
    let safe = escaped(text, false)?;
    put(out, Event::Text(BytesText::from_escaped(safe)));
    Ok(())
}

fn put(out: &mut Writer<Vec<u8>>, event: Event<'_>) {
    out.write_event(event).expect("writing into memory cannot fail");
}

fn escaped(text: &str, attribute: bool) -> Result<String, WriteFault> {
    let mut out = String::with_capacity(text.len());
    for each in text.chars() {
        match each {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if attribute => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\n' if attribute => out.push_str("&#10;"),
            '\t' if attribute => out.push_str("&#9;"),
            '\n' | '\t' => out.push(each),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => return Err(WriteFault::ForbiddenCharacter),
            other => out.push(other),
        }
    }
    Ok(out)
}

/// Names that every reader of XML and of namespaces accepts; a prefix is none of ours to declare.
fn check_name(name: &str) -> Result<(), WriteFault> {
    let first = name.starts_with(|each: char| each.is_alphabetic() || each == '_');
    let rest = name.chars().all(|each| each.is_alphanumeric() || matches!(each, '-' | '_' | '.'));
    if first && rest { Ok(()) } else { Err(WriteFault::Name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(json: &str) -> Result<String, WriteFault> {
        let bytes = xml(&Document::parse(json).unwrap(), "Referral", Some("urn:example:a&b"))?;
        Ok(String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn elements_attributes_text_and_lists() {
        let text =
            made(r##"{"@id":"7","Name":"Jo","Line":["1","2"],"Code":{"@system":"s","#text":"c"},"Empty":null}"##);
        assert_eq!(
            text.unwrap(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Referral xmlns=\"urn:example:a&amp;b\" id=\"7\"><Name>Jo</Name>\
             <Line>1</Line><Line>2</Line><Code system=\"s\">c</Code><Empty></Empty></Referral>"
        );
    }

    #[test]
    fn an_independent_parser_reads_the_same_characters() {
        let value = "a<b>&\"'\r\n\tü \u{1f600}]]>";
        let json = serde_json::json!({ "@a": value, "T": value }).to_string();
        let text = made(&json).unwrap();
        let parsed = roxmltree::Document::parse(&text).unwrap();
        let root = parsed.root_element();
        assert_eq!(root.attribute("a"), Some(value));
        assert_eq!(root.first_element_child().unwrap().text(), Some(value));
        assert_eq!(root.tag_name().namespace(), Some("urn:example:a&b"));
    }

    #[test]
    fn what_xml_cannot_say_is_refused() {
        for (json, fault) in [
            (r#"{"a":"\u0000"}"#, WriteFault::ForbiddenCharacter),
            (r#"{"@a":"\u001b"}"#, WriteFault::ForbiddenCharacter),
            (r#"{"a":"\uffff"}"#, WriteFault::ForbiddenCharacter),
            (r#"{"1a":"x"}"#, WriteFault::Name),
            (r#"{"a b":"x"}"#, WriteFault::Name),
            (r#"{"@a":[1]}"#, WriteFault::Attribute),
            (r##"{"#text":{}}"##, WriteFault::Attribute),
        ] {
            assert_eq!(made(json), Err(fault), "{json}");
        }
    }
}
