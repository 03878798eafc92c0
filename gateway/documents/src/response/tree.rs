//! A small reader of XML that is not trusted: the elements of FHIR, their `value` and `url`, and nothing else.
//!
//! It expands no entity of the document's own, reads nothing from outside, and stops at the bounds of `limits`.

use crate::limits::{RESPONSE_BYTES, RESPONSE_DEPTH, RESPONSE_ELEMENTS};
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;
use thiserror::Error;

const FHIR: &str = "http://hl7.org/fhir";

/// Why a text is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum XmlFault {
    /// Larger than an acknowledgement is.
    #[error("it has more than {RESPONSE_BYTES} bytes")]
    TooLarge,
    /// Nested more deeply than an acknowledgement is.
    #[error("it is nested more than {RESPONSE_DEPTH} deep")]
    TooDeep,
    /// More elements than an acknowledgement has.
    #[error("it has more than {RESPONSE_ELEMENTS} elements")]
    TooMany,
    /// Neither UTF-8 nor ASCII.
    #[error("it is not in UTF-8")]
    Encoding,
    /// A document type declaration, which could define entities.
    #[error("it has a document type declaration")]
    DocumentType,
    /// An entity that is not one of XML's own.
    #[error("it has an entity that XML itself does not define")]
    Entity,
    /// Not well formed, or not one element of FHIR.
    #[error("it is not one well-formed element of FHIR")]
    Malformed,
}

/// An element of FHIR.
#[derive(Debug, Default)]
pub(super) struct Node {
    name: String,
    value: Option<String>,
    url: Option<String>,
    inside: Vec<Node>,
}

impl Node {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// All elements of this name directly inside.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        self.inside.iter().filter(move |node| node.name == name)
    }

    /// The first element of this name directly inside.
    pub(super) fn one(&self, name: &str) -> Option<&Node> {
        self.inside.iter().find(|node| node.name == name)
    }

    /// The value of the first element of this name directly inside.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.one(name)?.value.as_deref()
    }
}

/// Reads the document.
pub(super) fn parse(bytes: &[u8]) -> Result<Node, XmlFault> {
    if bytes.len() > RESPONSE_BYTES {
        return Err(XmlFault::TooLarge);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| XmlFault::Encoding)?;
    let mut reader = NsReader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut growing = Growing::default();
    loop {
        let (namespace, event) = reader.read_resolved_event().map_err(|_| XmlFault::Malformed)?;
        match event {
            Event::Start(tag) => growing.open(&namespace, &tag)?,
            Event::Empty(tag) => {
                growing.open(&namespace, &tag)?;
                growing.close()?;
            }
            Event::End(_) => growing.close()?,
            Event::DocType(_) => return Err(XmlFault::DocumentType),
            Event::GeneralRef(entity) => {
                if !entity.is_char_ref() && quick_xml::escape::resolve_predefined_entity(&entity).is_none() {
                    return Err(XmlFault::Entity);
                }
                growing.text(&entity)?;
            }
            Event::Text(text) => growing.text(&text)?,
            Event::CData(text) => growing.text(&text)?,
            Event::Decl(declaration) => {
                let encoding = declaration.encoding().transpose().map_err(|_| XmlFault::Malformed)?;
                let fits = |name: &str| ["utf-8", "us-ascii"].iter().any(|known| name.eq_ignore_ascii_case(known));
                if encoding.is_some_and(|name| !fits(&name)) {
                    return Err(XmlFault::Encoding);
                }
            }
            // Nothing in them is meant for us.
            Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => return growing.grown(),
        }
    }
}

/// The tree so far.
#[derive(Default)]
struct Growing {
    /// The open elements, outermost first; `None` for one that is not of FHIR, such as in a narrative.
    open: Vec<Option<Node>>,
    root: Option<Node>,
    elements: usize,
}

impl Growing {
    fn open(&mut self, namespace: &ResolveResult<'_>, tag: &BytesStart<'_>) -> Result<(), XmlFault> {
        self.elements += 1;
        if self.elements > RESPONSE_ELEMENTS {
            return Err(XmlFault::TooMany);
        }
        if self.open.len() >= RESPONSE_DEPTH {
            return Err(XmlFault::TooDeep);
        }
        let outermost = self.open.is_empty();
        let is_fhir = *namespace == ResolveResult::Bound(Namespace(FHIR));
        if outermost && (self.root.is_some() || !is_fhir) {
            return Err(XmlFault::Malformed);
        }
        let node = node(tag)?;
        self.open.push(is_fhir.then_some(node));
        Ok(())
    }

    fn close(&mut self) -> Result<(), XmlFault> {
        let closed = self.open.pop().ok_or(XmlFault::Malformed)?;
        match (self.open.last_mut(), closed) {
            (None, closed) => self.root = closed,
            (Some(Some(outer)), Some(closed)) => outer.inside.push(closed),
            // What stands inside of something else is not part of the resource.
            (Some(_), _) => {}
        }
        Ok(())
    }

    /// FHIR has text in narratives alone, which are not read; outside of the root there is none.
    fn text(&self, text: &str) -> Result<(), XmlFault> {
        if self.open.is_empty() && !text.trim().is_empty() { Err(XmlFault::Malformed) } else { Ok(()) }
    }

    fn grown(self) -> Result<Node, XmlFault> {
        let whole = self.open.is_empty();
        self.root.filter(|_| whole).ok_or(XmlFault::Malformed)
    }
}

fn node(tag: &BytesStart<'_>) -> Result<Node, XmlFault> {
    let mut node = Node { name: tag.local_name().into_inner().to_owned(), ..Node::default() };
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|_| XmlFault::Malformed)?;
        let raw = attribute.value.as_ref();
        if raw.contains('<') {
            return Err(XmlFault::Malformed);
        }
        // Resolves XML's own five and characters by number; any other entity is a fault.
        let value = quick_xml::escape::unescape(raw).map_err(|_| XmlFault::Entity)?;
        match attribute.key.into_inner() {
            "value" => node.value = Some(value.into_owned()),
            "url" => node.url = Some(value.into_owned()),
            _ => {}
        }
    }
    Ok(node)
}
