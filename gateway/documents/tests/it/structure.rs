//! Whether the message has the structure of STU3: by a table of our own, and by HL7's schema where that is installed.
//!
//! The schema is in the Maven artifact `ca.uhn.hapi.fhir:hapi-fhir-validation-resources-dstu3` (folder
//! `org/hl7/fhir/dstu3/model/schema`). `FHIR_STU3_SCHEMA` names the unpacked folder; `xmllint` is Debian's `libxml2-utils`.

use crate::sent::message;
use gateway_documents::message::{Message, Options, Replaced, build};
use roxmltree::{Document, Node};
use std::num::NonZeroU32;
use std::path::Path;
use std::process::Command;
use uuid::Uuid;

const VARIABLE: &str = "FHIR_STU3_SCHEMA";

/// The elements that each type has, in the order in which STU3's XML wants them (hl7.org/fhir/STU3, each resource's "XML Template").
const ORDER: &[(&str, &str)] = &[
    ("Bundle", "id meta implicitRules language identifier type total link entry signature"),
    // Of a Bundle, and of a section of a Composition.
    ("entry", "link fullUrl resource search request response reference identifier display"),
    ("meta", "versionId lastUpdated profile security tag"),
    (
        "MessageHeader",
        "id meta implicitRules language text contained extension modifierExtension event destination receiver sender timestamp \
         enterer author source responsible reason response focus",
    ),
    ("source", "name software version contact endpoint"),
    (
        "Composition",
        "id meta implicitRules language text contained extension modifierExtension identifier status type class subject \
         encounter date author title confidentiality attester custodian relatesTo event section",
    ),
    ("relatesTo", "code targetIdentifier targetReference"),
    ("section", "title code text mode orderedBy entry emptyReason section"),
    (
        "Practitioner",
        "id meta implicitRules language text contained extension modifierExtension identifier active name telecom address gender \
         birthDate photo qualification communication",
    ),
    (
        "Organization",
        "id meta implicitRules language text contained extension modifierExtension identifier active type name alias telecom \
         address partOf contact endpoint",
    ),
    (
        "Patient",
        "id meta implicitRules language text contained extension modifierExtension identifier active name telecom gender birthDate \
         deceasedBoolean address maritalStatus multipleBirthBoolean photo contact animal communication generalPractitioner \
         managingOrganization link",
    ),
    ("Binary", "id meta implicitRules language contentType securityContext content"),
    ("identifier", "extension use type system value period assigner"),
    ("targetIdentifier", "extension use type system value period assigner"),
    ("name", "extension use text family given prefix suffix period"),
    ("telecom", "extension system value use rank period"),
    ("coding", "extension system version code display userSelected"),
    ("valueCoding", "extension system version code display userSelected"),
    ("event", "extension system version code display userSelected"),
    ("text", "extension status div"),
];

fn cases() -> Vec<(&'static str, String)> {
    let mut replacement = message();
    replacement.version = NonZeroU32::new(2).unwrap();
    replacement.replaces =
        Some(Replaced { message_identifier: Uuid::from_u128(7), document_identifier: Uuid::from_u128(8) });
    let made = |message: &Message| String::from_utf8(build(message, &Options::default()).unwrap()).unwrap();
    vec![("first", made(&message())), ("replacement", made(&replacement))]
}

/// The places at which an element of this node is unknown or out of order.
fn faults(node: Node<'_, '_>, found: &mut Vec<String>) {
    let name = node.tag_name().name();
    // An element of a primitive type has the name of a complex one: `Organization.name`, `section.text` and the like.
    let is_complex = node.children().any(|child| child.is_element());
    if let Some((_, order)) = ORDER.iter().find(|(known, _)| *known == name && is_complex) {
        let order: Vec<&str> = order.split_whitespace().collect();
        let mut last = 0;
        for child in node.children().filter(Node::is_element) {
            match order.iter().position(|known| *known == child.tag_name().name()) {
                Some(place) if place >= last => last = place,
                Some(_) => found.push(format!("{name}.{} is out of order", child.tag_name().name())),
                None => found.push(format!("{name}.{} is no element of STU3", child.tag_name().name())),
            }
        }
    }
    node.children().filter(Node::is_element).for_each(|child| faults(child, found));
}

#[test]
fn elements_stand_in_the_order_of_stu3() {
    for (name, xml) in cases() {
        let document = Document::parse(&xml).unwrap();
        let mut found = Vec::new();
        faults(document.root_element(), &mut found);
        assert!(found.is_empty(), "{name}: {found:#?}");
    }
}

/// The check above finds what the guide's own example has: an extension after the status, an event after the section.
#[test]
fn a_wrong_order_is_found() {
    let xml = r#"<Composition xmlns="http://hl7.org/fhir"><id value="1"/><status value="final"/>
        <extension url="u"><valueString value="x"/></extension><section><title value="t"/></section><event><code/></event>
        <sections value="x"/></Composition>"#;
    let document = Document::parse(xml).unwrap();
    let mut found = Vec::new();
    faults(document.root_element(), &mut found);
    let told = [
        "Composition.extension is out of order",
        "Composition.event is out of order",
        "Composition.sections is no element",
    ];
    assert!(told.iter().all(|told| found.iter().any(|fault| fault.contains(told))), "{found:#?}");
}

#[test]
#[expect(clippy::print_stderr, reason = "says that the schema was not asked")]
fn the_schema_of_stu3_accepts_the_message() {
    let Some(folder) = std::env::var_os(VARIABLE) else {
        eprintln!("SKIPPED: {VARIABLE} is not set, so HL7's schema of STU3 was not asked about the message");
        return;
    };
    let schema = Path::new(&folder).join("bundle.xsd");
    let check = |name: &str, xml: &str| {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("send-document-{name}.xml"));
        std::fs::write(&file, xml).unwrap();
        let run = Command::new("xmllint").args(["--noout", "--nonet", "--schema"]).arg(&schema).arg(&file).output();
        let run = run.expect("xmllint is installed (Debian: libxml2-utils)");
        (run.status.success(), String::from_utf8_lossy(&run.stderr).into_owned())
    };
    for (name, xml) in cases() {
        let (fits, told) = check(name, &xml);
        assert!(fits, "{name}: {told}");
        // It refuses what it should.
        let (fits, told) = check("spoiled", &xml.replacen("<status value=\"", "<state value=\"", 1));
        assert!(!fits && told.contains("state"), "{told}");
    }
}
