//! FHIR's XML: elements with a `value`, extensions with a `url`. Every value goes through the writer's escaping.

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

/// The namespace of FHIR.
const FHIR: &str = "http://hl7.org/fhir";
/// The namespace of narratives.
const XHTML: &str = "http://www.w3.org/1999/xhtml";

/// `meta` of a resource.
pub(super) struct Meta<'a> {
    pub(super) version: Option<&'a str>,
    pub(super) last_updated: Option<&'a str>,
    pub(super) profile: &'static str,
}

impl Meta<'_> {
    /// With a profile alone.
    pub(super) const fn of(profile: &'static str) -> Self {
        Self { version: None, last_updated: None, profile }
    }
}

/// XML in the making. The first value that XML or FHIR cannot carry is remembered, and no document comes of it.
pub(super) struct Xml {
    out: Writer<Vec<u8>>,
    fault: Option<&'static str>,
}

impl Xml {
    pub(super) fn new() -> Self {
        let mut xml = Self { out: Writer::new(Vec::new()), fault: None };
        xml.put(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
        xml
    }

    /// # Errors
    /// The name of the element whose value cannot be written.
    pub(super) fn finish(self) -> Result<Vec<u8>, &'static str> {
        match self.fault {
            Some(element) => Err(element),
            None => Ok(self.out.into_inner()),
        }
    }

    /// The outermost element.
    pub(super) fn root(&mut self, name: &'static str, inside: impl FnOnce(&mut Self)) {
        self.tagged(BytesStart::new(name).with_attributes([("xmlns", FHIR)]), inside);
    }

    /// An element with others in it.
    pub(super) fn element(&mut self, name: &'static str, inside: impl FnOnce(&mut Self)) {
        self.tagged(BytesStart::new(name), inside);
    }

    /// An extension.
    pub(super) fn extension(&mut self, url: &'static str, inside: impl FnOnce(&mut Self)) {
        self.tagged(BytesStart::new("extension").with_attributes([("url", url)]), inside);
    }

    /// An element of a primitive type.
    pub(super) fn value(&mut self, name: &'static str, value: &str) {
        self.hold(name, value);
        self.put(Event::Empty(BytesStart::new(name).with_attributes([("value", value)])));
    }

    /// A coding; `display` last, as STU3 orders it.
    pub(super) fn coding(&mut self, name: &'static str, system: &str, code: &str, display: &str) {
        self.element(name, |xml| {
            xml.value("system", system);
            xml.value("code", code);
            xml.value("display", display);
        });
    }

    /// An identifier.
    pub(super) fn identifier(&mut self, name: &'static str, system: &str, value: &str) {
        self.element(name, |xml| {
            xml.value("system", system);
            xml.value("value", value);
        });
    }

    /// A reference within the message.
    pub(super) fn reference(&mut self, name: &'static str, id: uuid::Uuid) {
        self.element(name, |xml| xml.value("reference", &urn(id)));
    }

    /// A work telephone.
    pub(super) fn telephone(&mut self, number: &str) {
        self.element("telecom", |xml| {
            xml.value("system", "phone");
            xml.value("value", number);
            xml.value("use", "work");
        });
    }

    /// A resource in an entry, with its id and meta.
    pub(super) fn entry(
        &mut self,
        name: &'static str,
        id: uuid::Uuid,
        meta: &Meta<'_>,
        inside: impl FnOnce(&mut Self),
    ) {
        self.element("entry", |xml| {
            xml.value("fullUrl", &urn(id));
            xml.element("resource", |xml| xml.element(name, |xml| xml.resource(id, meta, inside)));
        });
    }

    /// What every resource begins with. Meta: GPCM-SD-108.
    pub(super) fn resource(&mut self, id: uuid::Uuid, meta: &Meta<'_>, inside: impl FnOnce(&mut Self)) {
        self.value("id", &id.to_string());
        self.element("meta", |xml| {
            if let Some(version) = meta.version {
                xml.value("versionId", version);
            }
            if let Some(moment) = meta.last_updated {
                xml.value("lastUpdated", moment);
            }
            xml.value("profile", meta.profile);
        });
        inside(self);
    }

    /// A narrative of one paragraph.
    pub(super) fn narrative(&mut self, text: &str) {
        self.hold("text", text);
        self.element("text", |xml| {
            xml.value("status", "generated");
            xml.tagged(BytesStart::new("div").with_attributes([("xmlns", XHTML)]), |xml| {
                xml.element("p", |xml| xml.put(Event::Text(BytesText::new(text))));
            });
        });
    }

    fn tagged(&mut self, tag: BytesStart<'_>, inside: impl FnOnce(&mut Self)) {
        let end = tag.to_end().into_owned();
        self.put(Event::Start(tag));
        inside(self);
        self.put(Event::End(BytesEnd::new(end.name().into_inner())));
    }

    fn put(&mut self, event: Event<'_>) {
        self.out.write_event(event).expect("writing into memory cannot fail");
    }

    /// Control characters and line breaks: XML forbids most, and readers turn the others into blanks, so that the value would change.
    /// An empty value is no FHIR.
    fn hold(&mut self, name: &'static str, value: &str) {
        let bad = |character: char| {
            character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}' | '\u{2028}' | '\u{2029}')
        };
        if self.fault.is_none() && (value.is_empty() || value.chars().any(bad)) {
            self.fault = Some(name);
        }
    }
}

/// The `fullUrl` of an id.
fn urn(id: uuid::Uuid) -> String {
    id.urn().to_string()
}
