//! The document Bundle: Composition, Practitioner, Organization, Patient, Binary.

use super::options::{Authorship, ReplacedId};
use super::xml::{Meta, Xml};
use super::{Message, Options, UUIDS, instant};
use crate::parties::{NHS_NUMBER, ODS_CODE, PersonName, SDS_USER_ID};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_codes::SNOMED_CT;

/// ITK-Document-Bundle-1 (GPCM-SD-104; guide, "Profile: ITK-Document-Bundle-1": which resources are mandatory).
pub(super) fn entry(xml: &mut Xml, message: &Message, options: &Options) {
    let profile = "https://fhir.nhs.uk/STU3/StructureDefinition/ITK-Document-Bundle-1";
    // Guide, release notes of 2.0.1, and STU3 "Documents": when the document was put together.
    let made_at = instant(message.made_at);
    let meta = Meta { last_updated: Some(&made_at), ..Meta::of(profile) };
    xml.entry("Bundle", message.ids.document, &meta, |xml| {
        // A document has an identifier (STU3, bdl-9); its repetition is code 20008.
        xml.identifier("identifier", UUIDS, &message.ids.document_identifier.to_string());
        xml.value("type", "document");
        composition(xml, message, options);
        practitioner(xml, message);
        organisation(xml, message);
        patient(xml, message, options);
        binary(xml, message);
    });
}

/// CareConnect-Composition-1 (guide, "Profile: CareConnect-Composition-1").
fn composition(xml: &mut Xml, message: &Message, options: &Options) {
    let ids = &message.ids;
    let version = message.version.to_string();
    let profile = "https://fhir.hl7.org.uk/STU3/StructureDefinition/CareConnect-Composition-1";
    // Guide, "meta.versionId": the version of the document.
    let meta = Meta { version: Some(&version), ..Meta::of(profile) };
    xml.entry("Composition", ids.composition, &meta, |xml| {
        // Guide, "text".
        xml.narrative(&message.headline());
        xml.identifier("identifier", UUIDS, &ids.composition.to_string());
        // STU3, composition-status: "amended" is what was changed after it was final.
        xml.value("status", if message.replaces.is_some() { "amended" } else { "final" });
        // Guide, "type", and GPCM-SD-115.
        let (code, display) = options.document_type.coding();
        xml.element("type", |xml| xml.coding("coding", SNOMED_CT, code, display));
        // GPCM-SD-106.
        xml.reference("subject", ids.patient);
        xml.value("date", &instant(message.written_at));
        // Guide's examples, against GPCM-SD-107.
        xml.reference("author", ids.practitioner);
        if options.authorship == Authorship::Both {
            xml.reference("author", ids.organisation);
        }
        xml.value("title", &message.title);
        // Guide, "confidentiality": what is restricted is not sent at all.
        xml.value("confidentiality", "N");
        // GPCM-SD-105.
        xml.reference("custodian", ids.organisation);
        replaces(xml, message, options);
        // GPCM-SD-109 and -110: a section for each attachment, with a reference to it.
        xml.element("section", |xml| {
            xml.value("title", &message.title);
            xml.reference("entry", ids.binary);
        });
    });
}

/// Guide, "Replacement guidance", and GPCM-SD-123.
fn replaces(xml: &mut Xml, message: &Message, options: &Options) {
    let Some(replaced) = message.replaces else { return };
    let id = match options.replaced_id {
        ReplacedId::Payload => replaced.document_identifier,
        ReplacedId::Message => replaced.message_identifier,
    };
    xml.element("relatesTo", |xml| {
        xml.value("code", "replaces");
        xml.identifier("targetIdentifier", UUIDS, &id.to_string());
    });
}

/// CareConnect-Practitioner-1 (GPCM-SD-032).
fn practitioner(xml: &mut Xml, message: &Message) {
    let profile = "https://fhir.hl7.org.uk/STU3/StructureDefinition/CareConnect-Practitioner-1";
    xml.entry("Practitioner", message.ids.practitioner, &Meta::of(profile), |xml| {
        // Guide, "Profile: CareConnect-Practitioner-1", "identifier": must be there; its example for one that is not known is UNK.
        xml.identifier("identifier", SDS_USER_ID, message.author.sds_user_id.as_deref().unwrap_or("UNK"));
        name(xml, &message.author.name);
        if let Some(telephone) = &message.author.telephone {
            xml.telephone(telephone);
        }
    });
}

/// CareConnect-Organization-1 (GPCM-SD-028: ODS code, name, telephone).
fn organisation(xml: &mut Xml, message: &Message) {
    let profile = "https://fhir.hl7.org.uk/STU3/StructureDefinition/CareConnect-Organization-1";
    xml.entry("Organization", message.ids.organisation, &Meta::of(profile), |xml| {
        xml.identifier("identifier", ODS_CODE, message.sender.ods_code.as_str());
        xml.value("name", &message.sender.name);
        xml.telephone(&message.sender.telephone);
    });
}

/// CareConnect-Patient-1 (GPCM-SD-035: NHS number, official name, day of birth; GPCM-SD-038: as in the MESH address).
fn patient(xml: &mut Xml, message: &Message, options: &Options) {
    let profile = "https://fhir.hl7.org.uk/STU3/StructureDefinition/CareConnect-Patient-1";
    let patient = &message.patient;
    xml.entry("Patient", message.ids.patient, &Meta::of(profile), |xml| {
        xml.element("identifier", |xml| {
            // CareConnect-NHSNumberVerificationStatus-1.
            let (code, display) = if patient.is_traced {
                ("01", "Number present and verified")
            } else {
                ("02", "Number present but not traced")
            };
            xml.extension(options.verification.url(), |xml| {
                xml.element("valueCodeableConcept", |xml| {
                    let system = "https://fhir.hl7.org.uk/STU3/CodeSystem/CareConnect-NHSNumberVerificationStatus-1";
                    xml.coding("coding", system, code, display);
                });
            });
            xml.value("system", NHS_NUMBER);
            xml.value("value", patient.nhs_number.digits());
        });
        name(xml, &patient.name);
        xml.value("birthDate", &patient.birth_date.to_string());
    });
}

/// An official name (guide, "Profile: CareConnect-Patient-1", "name").
fn name(xml: &mut Xml, name: &PersonName) {
    xml.element("name", |xml| {
        xml.value("use", "official");
        xml.value("family", &name.family);
        name.given.iter().for_each(|given| xml.value("given", given));
        if let Some(prefix) = &name.prefix {
            xml.value("prefix", prefix);
        }
    });
}

/// ITK-Attachment-Binary-1 (GPCM-SD-111).
fn binary(xml: &mut Xml, message: &Message) {
    let profile = "https://fhir.nhs.uk/STU3/StructureDefinition/ITK-Attachment-Binary-1";
    xml.entry("Binary", message.ids.binary, &Meta::of(profile), |xml| {
        xml.value("contentType", "application/pdf");
        xml.value("content", &STANDARD.encode(&message.pdf));
    });
}
