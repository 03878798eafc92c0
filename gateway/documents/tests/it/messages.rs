//! The message as a reader of XML other than its writer sees it, against the clauses that it follows.

use crate::sent::{ids, message};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_documents::limits::PDF_BYTES;
use gateway_documents::message::{
    Authorship, DocumentType, LocalExtension, Message, MessageDefinition, MessageFault, Options, RecipientType,
    Replaced, ReplacedId, VerificationExtension, build,
};
use proptest::prelude::*;
use roxmltree::{Document, Node};
use std::num::NonZeroU32;
use uuid::Uuid;

const FHIR: &str = "http://hl7.org/fhir";

fn built(message: &Message, options: &Options) -> String {
    String::from_utf8(build(message, options).unwrap()).unwrap()
}

fn made() -> String {
    built(&message(), &Options::default())
}

/// The values at a path of element names below a node, in document order.
fn at<'a>(node: Node<'a, 'a>, path: &str) -> Vec<&'a str> {
    nodes(node, path).into_iter().filter_map(|node| node.attribute("value")).collect()
}

fn nodes<'a>(node: Node<'a, 'a>, path: &str) -> Vec<Node<'a, 'a>> {
    path.split('/').fold(vec![node], |found, name| {
        found
            .into_iter()
            .flat_map(|node| node.children().filter(move |child| child.has_tag_name((FHIR, name))))
            .collect()
    })
}

fn resources<'a>(bundle: Node<'a, 'a>) -> Vec<Node<'a, 'a>> {
    nodes(bundle, "entry/resource").into_iter().filter_map(|resource| resource.first_element_child()).collect()
}

fn resource<'a>(bundle: Node<'a, 'a>, name: &str) -> Node<'a, 'a> {
    resources(bundle).into_iter().find(|resource| resource.has_tag_name((FHIR, name))).expect(name)
}

fn extension<'a>(node: Node<'a, 'a>, url: &str) -> Node<'a, 'a> {
    nodes(node, "extension").into_iter().find(|each| each.attribute("url") == Some(url)).expect(url)
}

fn handling<'a>(header: Node<'a, 'a>, part: &str) -> Node<'a, 'a> {
    let whole = extension(header, "https://fhir.nhs.uk/STU3/StructureDefinition/Extension-ITK-MessageHandling-2");
    extension(whole, part)
}

#[test]
fn the_bundles_hold_what_send_document_asks_for() {
    let xml = made();
    let document = Document::parse(&xml).unwrap();
    let bundle = document.root_element();
    assert!(bundle.has_tag_name((FHIR, "Bundle")));
    assert_eq!(at(bundle, "type"), ["message"]);
    let names = |bundle| resources(bundle).iter().map(|node| node.tag_name().name().to_owned()).collect::<Vec<_>>();
    // ITK3: the header first, then its Organization, then the payload (GPCM-SD-045, -103).
    assert_eq!(names(bundle), ["MessageHeader", "Organization", "Bundle"]);
    let payload = resource(bundle, "Bundle");
    assert_eq!(at(payload, "type"), ["document"]);
    assert_eq!(at(payload, "meta/lastUpdated"), ["2026-11-23T09:16:05Z"]);
    // GPCM-SD-104, and what the guide calls mandatory in the document Bundle.
    assert_eq!(names(payload), ["Composition", "Practitioner", "Organization", "Patient", "Binary"]);
    for resource in [bundle, payload].into_iter().chain(resources(bundle)).chain(resources(payload)) {
        // GPCM-SD-108.
        let profile = at(resource, "meta/profile");
        assert_eq!(profile.len(), 1, "{}", resource.tag_name().name());
        assert!(profile[0].contains("/STU3/StructureDefinition/"), "{profile:?}");
    }
}

#[test]
fn the_header_asks_for_both_responses() {
    let xml = made();
    let document = Document::parse(&xml).unwrap();
    let header = resource(document.root_element(), "MessageHeader");
    // GPCM-SD-040 and -041.
    assert_eq!(at(handling(header, "BusAckRequested"), "valueBoolean"), ["true"]);
    assert_eq!(at(handling(header, "InfAckRequested"), "valueBoolean"), ["true"]);
    assert_eq!(at(handling(header, "RecipientType"), "valueCoding/code"), ["FA"]);
    // GPCM-SD-042.
    assert_eq!(at(handling(header, "SenderReference"), "valueString"), ["referral-0417/outcome/1"]);
    // GPCM-SD-047.
    assert_eq!(at(header, "event/code"), ["ITK007C"]);
    assert_eq!(at(header, "event/system"), ["https://fhir.nhs.uk/STU3/CodeSystem/ITK-MessageEvent-2"]);
    // GPCM-SD-046, -048, -049.
    assert_eq!(at(header, "source/endpoint"), ["X26OT001"]);
    assert_eq!(at(header, "timestamp"), ["2026-11-23T09:16:05Z"]);
    assert!(nodes(header, "receiver").is_empty());
}

#[test]
fn every_reference_leads_to_an_entry_of_the_message() {
    let xml = made();
    let document = Document::parse(&xml).unwrap();
    let named: Vec<&str> = document
        .descendants()
        .filter(|node| node.has_tag_name((FHIR, "fullUrl")))
        .filter_map(|node| node.attribute("value"))
        .collect();
    let references: Vec<&str> = document
        .descendants()
        .filter(|node| node.has_tag_name((FHIR, "reference")))
        .filter_map(|node| node.attribute("value"))
        .filter(|reference| !reference.starts_with("https://fhir.nhs.uk/STU3/MessageDefinition/"))
        .collect();
    assert_eq!(references.len(), 6, "sender, focus, subject, author, custodian, attachment: {references:?}");
    for reference in references {
        assert!(named.contains(&reference), "{reference}");
    }
    for node in document.descendants().filter(|node| node.has_tag_name((FHIR, "entry"))) {
        let Some(full) = at(node, "fullUrl").first().copied() else { continue };
        let id = at(nodes(node, "resource")[0].first_element_child().unwrap(), "id");
        assert_eq!(vec![full.trim_start_matches("urn:uuid:")], id);
    }
}

#[test]
fn the_composition_says_what_the_document_is() {
    let xml = made();
    let document = Document::parse(&xml).unwrap();
    let payload = resource(document.root_element(), "Bundle");
    let composition = resource(payload, "Composition");
    assert_eq!(at(composition, "meta/versionId"), ["1"]);
    assert_eq!(at(composition, "status"), ["final"]);
    assert_eq!(at(composition, "type/coding/code"), ["371531000"]);
    assert_eq!(at(composition, "confidentiality"), ["N"]);
    // GPCM-SD-105, -106, -109, -110.
    let urn = |id: Uuid| format!("urn:uuid:{id}");
    assert_eq!(at(composition, "custodian/reference"), [urn(ids().organisation)]);
    assert_eq!(at(composition, "subject/reference"), [urn(ids().patient)]);
    assert_eq!(at(composition, "author/reference"), [urn(ids().practitioner)]);
    assert_eq!(at(composition, "section/entry/reference"), [urn(ids().binary)]);
    assert!(nodes(composition, "relatesTo").is_empty());
    let narrative: String =
        nodes(composition, "text")[0].descendants().filter(Node::is_text).filter_map(|node| node.text()).collect();
    let told = "Outcome of a social prescribing referral for Ms Ada Zoe O'Canary-Smythe, NHS Number: 999 000 0018, seen at Example \
                Valley Social Prescribing, A1B2C, Version: 1";
    assert_eq!(narrative.trim(), told);
}

#[test]
fn the_parties_are_identified() {
    let xml = made();
    let document = Document::parse(&xml).unwrap();
    let payload = resource(document.root_element(), "Bundle");
    // GPCM-SD-035.
    let patient = resource(payload, "Patient");
    assert_eq!(at(patient, "identifier/system"), ["https://fhir.nhs.uk/Id/nhs-number"]);
    assert_eq!(at(patient, "identifier/value"), ["9990000018"]);
    assert_eq!(at(patient, "identifier/extension/valueCodeableConcept/coding/code"), ["01"]);
    assert_eq!(at(patient, "name/use"), ["official"]);
    assert_eq!(at(patient, "name/family"), ["O'Canary-Smythe"]);
    assert_eq!(at(patient, "name/given"), ["Ada", "Zoe"]);
    assert_eq!(at(patient, "birthDate"), ["1955-01-09"]);
    // GPCM-SD-028.
    let organisation = resource(payload, "Organization");
    assert_eq!(at(organisation, "identifier/value"), ["A1B2C"]);
    assert_eq!(at(organisation, "name"), ["Example Valley Social Prescribing"]);
    assert_eq!(at(organisation, "telecom/value"), ["01632 960123"]);
    // GPCM-SD-032: the SDS user id if it is known; the guide's UNK if not.
    assert_eq!(at(resource(payload, "Practitioner"), "identifier/value"), ["UNK"]);
    let mut known = message();
    known.author.sds_user_id = Some("555021935107".to_owned());
    known.patient.is_traced = false;
    let xml = built(&known, &Options::default());
    let document = Document::parse(&xml).unwrap();
    let payload = resource(document.root_element(), "Bundle");
    assert_eq!(at(resource(payload, "Practitioner"), "identifier/value"), ["555021935107"]);
    assert_eq!(at(resource(payload, "Patient"), "identifier/extension/valueCodeableConcept/coding/code"), ["02"]);
}

#[test]
fn the_attachment_is_the_pdf() {
    let xml = made();
    let document = Document::parse(&xml).unwrap();
    let binary = resource(resource(document.root_element(), "Bundle"), "Binary");
    assert_eq!(at(binary, "contentType"), ["application/pdf"]);
    // GPCM-SD-111.
    assert_eq!(STANDARD.decode(at(binary, "content")[0]).unwrap(), message().pdf);
}

#[test]
fn a_replacement_names_the_document_before() {
    let mut message = message();
    message.version = NonZeroU32::new(2).unwrap();
    let replaced = Replaced { message_identifier: Uuid::from_u128(7), document_identifier: Uuid::from_u128(8) };
    message.replaces = Some(replaced);
    for (option, id) in
        [(ReplacedId::Payload, replaced.document_identifier), (ReplacedId::Message, replaced.message_identifier)]
    {
        let xml = built(&message, &Options { replaced_id: option, ..Options::default() });
        let document = Document::parse(&xml).unwrap();
        let composition = resource(resource(document.root_element(), "Bundle"), "Composition");
        assert_eq!(at(composition, "status"), ["amended"]);
        assert_eq!(at(composition, "meta/versionId"), ["2"]);
        assert_eq!(at(composition, "relatesTo/code"), ["replaces"]);
        assert_eq!(at(composition, "relatesTo/targetIdentifier/value"), [id.to_string()]);
    }
}

#[test]
fn where_sources_conflict_the_options_choose() {
    let options = Options {
        message_definition: MessageDefinition::InstanceOne,
        local_extension: LocalExtension::Capitals,
        document_type: DocumentType::RemoteHealthCorrespondence,
        authorship: Authorship::Both,
        replaced_id: ReplacedId::Message,
        verification: VerificationExtension::CareConnectGpc,
    };
    for (options, definition, local, kind, authors) in [
        (Options::default(), "ITK-GPConnectSendDocument-MessageDefinition-1", "None", "371531000", 1),
        (options, "ITK-GPConnectSendDocument-MessageDefinition-Instance-1", "NONE", "149701000000109", 2),
    ] {
        let xml = built(&message(), &options);
        let document = Document::parse(&xml).unwrap();
        let header = resource(document.root_element(), "MessageHeader");
        let reference = at(handling(header, "MessageDefinition"), "valueReference/reference");
        assert_eq!(reference, [format!("https://fhir.nhs.uk/STU3/MessageDefinition/{definition}")]);
        assert_eq!(at(handling(header, "LocalExtension"), "valueString"), [local]);
        let composition = resource(resource(document.root_element(), "Bundle"), "Composition");
        assert_eq!(at(composition, "type/coding/code"), [kind]);
        assert_eq!(nodes(composition, "author").len(), authors);
    }
    let gpc = "https://fhir.nhs.uk/STU3/StructureDefinition/Extension-CareConnect-GPC-NHSNumberVerificationStatus-1";
    assert!(built(&message(), &options).contains(gpc) && !made().contains(gpc));
    let mut informed = message();
    informed.recipient_type = RecipientType::ForInformation;
    let xml = built(&informed, &Options::default());
    let document = Document::parse(&xml).unwrap();
    let header = resource(document.root_element(), "MessageHeader");
    assert_eq!(at(handling(header, "RecipientType"), "valueCoding/code"), ["FI"]);
}

#[test]
fn the_same_input_is_the_same_message() {
    assert_eq!(made(), made());
}

#[test]
fn what_must_not_or_cannot_be_sent_is_refused() {
    type Spoil = fn(&mut Message);
    let cases: [(Spoil, MessageFault); 12] = [
        (|message| message.may_be_shared = false, MessageFault::NotShared),
        (|message| message.sender_reference = "x".repeat(256), MessageFault::SenderReference),
        (|message| message.sender_reference.clear(), MessageFault::Missing { element: "SenderReference" }),
        (|message| message.sender.telephone.clear(), MessageFault::Missing { element: "Organization.telecom" }),
        (
            |message| message.patient.name.family = " ".to_owned(),
            MessageFault::Missing { element: "Patient.name.family" },
        ),
        (|message| message.ids.binary = message.ids.patient, MessageFault::Ids),
        (|message| message.version = NonZeroU32::new(2).unwrap(), MessageFault::Version),
        (
            |message| {
                message.replaces = Some(Replaced { message_identifier: Uuid::nil(), document_identifier: Uuid::nil() })
            },
            MessageFault::Version,
        ),
        (|message| message.pdf = b"<html>".to_vec(), MessageFault::Pdf),
        (|message| message.pdf.resize(PDF_BYTES + 1, b' '), MessageFault::Pdf),
        (|message| message.patient.name.given = vec!["a\nb".to_owned()], MessageFault::Character { element: "text" }),
        (|message| message.author.telephone = Some("1\u{0}".to_owned()), MessageFault::Character { element: "value" }),
    ];
    for (spoil, fault) in cases {
        let mut message = message();
        spoil(&mut message);
        assert_eq!(build(&message, &Options::default()), Err(fault));
    }
}

#[test]
fn no_debug_output_tells_of_the_person() {
    let told = format!("{:?}", message());
    for canary in ["Canary", "999", "1955"] {
        assert!(!told.contains(canary), "{told}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a name or a title holds: another parser reads the same characters, or nothing is made.
    #[test]
    fn values_come_through_whole(family in "\\PC{1,20}", title in any::<String>()) {
        let mut message = message();
        message.pdf = b"%PDF-1.7".to_vec();
        (message.patient.name.family, message.title) = (family, title);
        let Ok(bytes) = build(&message, &Options::default()) else {
            let odd = |text: &str| {
                text.trim().is_empty() || text.chars().any(|one| one.is_control() || "\u{2028}\u{2029}\u{fffe}\u{ffff}".contains(one))
            };
            prop_assert!(odd(&message.patient.name.family) || odd(&message.title));
            return Ok(());
        };
        let xml = String::from_utf8(bytes).unwrap();
        let document = Document::parse(&xml).unwrap();
        let payload = resource(document.root_element(), "Bundle");
        prop_assert_eq!(at(resource(payload, "Patient"), "name/family"), [message.patient.name.family.as_str()]);
        prop_assert_eq!(at(resource(payload, "Composition"), "title"), [message.title.as_str()]);
    }
}
