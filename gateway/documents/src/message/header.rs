//! The message Bundle with its MessageHeader and the Organization that this names.

use super::xml::{Meta, Xml};
use super::{Message, Options, RecipientType, UUIDS, document, instant};
use crate::parties::ODS_CODE;

/// ITK-Message-Bundle-1 (ITK3, "Bundles Structure": header first, then the header's Organization, then the payload).
pub(super) fn message_bundle(xml: &mut Xml, message: &Message, options: &Options) {
    xml.root("Bundle", |xml| {
        let profile = "https://fhir.nhs.uk/STU3/StructureDefinition/ITK-Message-Bundle-1";
        xml.resource(message.ids.message, &Meta::of(profile), |xml| {
            xml.identifier("identifier", UUIDS, &message.ids.message_identifier.to_string());
            xml.value("type", "message");
            header(xml, message, options);
            organisation(xml, message);
            document::entry(xml, message, options);
        });
    });
}

/// ITK-MessageHeader-2. `receiver` is absent: MESH finds the practice (GPCM-SD-049).
fn header(xml: &mut Xml, message: &Message, options: &Options) {
    let profile = "https://fhir.nhs.uk/STU3/StructureDefinition/ITK-MessageHeader-2";
    xml.entry("MessageHeader", message.ids.header, &Meta::of(profile), |xml| {
        handling(xml, message, options);
        // GPCM-SD-047: fixed.
        let events = "https://fhir.nhs.uk/STU3/CodeSystem/ITK-MessageEvent-2";
        xml.coding("event", events, "ITK007C", "ITK GP Connect Send Document");
        xml.reference("sender", message.ids.header_organisation);
        // GPCM-SD-048: when the message was made.
        xml.value("timestamp", &instant(message.made_at));
        // GPCM-SD-046: the sender's mailbox.
        xml.element("source", |xml| xml.value("endpoint", &message.mailbox));
        // GPCM-SD-103: the payload.
        xml.reference("focus", message.ids.document);
    });
}

/// Extension-ITK-MessageHandling-2 (ITK3, "Handling Specification").
fn handling(xml: &mut Xml, message: &Message, options: &Options) {
    xml.extension("https://fhir.nhs.uk/STU3/StructureDefinition/Extension-ITK-MessageHandling-2", |xml| {
        // GPCM-SD-040 and -041: both responses are asked for.
        xml.extension("BusAckRequested", |xml| xml.value("valueBoolean", "true"));
        xml.extension("InfAckRequested", |xml| xml.value("valueBoolean", "true"));
        // Guide, "extension RecipientType".
        let (code, display) = match message.recipient_type {
            RecipientType::ForAction => ("FA", "For Action"),
            RecipientType::ForInformation => ("FI", "For Information"),
        };
        xml.extension("RecipientType", |xml| {
            xml.coding("valueCoding", "https://fhir.nhs.uk/STU3/CodeSystem/ITK-RecipientType-1", code, display);
        });
        // Guide, "extension MessageDefinition", against GPCM-SD-043.
        xml.extension("MessageDefinition", |xml| {
            xml.element("valueReference", |xml| xml.value("reference", options.message_definition.url()));
        });
        // GPCM-SD-042: comes back in the responses.
        xml.extension("SenderReference", |xml| xml.value("valueString", &message.sender_reference));
        // Guide, "extension LocalExtension", against GPCM-SD-044.
        xml.extension("LocalExtension", |xml| xml.value("valueString", options.local_extension.text()));
    });
}

/// CareConnect-ITK-Header-Organization-1 (GPCM-SD-045).
fn organisation(xml: &mut Xml, message: &Message) {
    let profile = "https://fhir.nhs.uk/STU3/StructureDefinition/CareConnect-ITK-Header-Organization-1";
    xml.entry("Organization", message.ids.header_organisation, &Meta::of(profile), |xml| {
        xml.identifier("identifier", ODS_CODE, message.sender.ods_code.as_str());
        xml.value("name", &message.sender.name);
    });
}
