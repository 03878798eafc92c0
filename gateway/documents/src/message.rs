//! The message of GP Connect Send Document: a FHIR STU3 Bundle as ITK3 Message Distribution asks for, in XML.
//!
//! Sources, by the short names that the doc comments of this module use:
//! - **guide**: "GP Connect Send Document", 2.0.2 public beta, stored in `NHSDigital/IOPS-FHIR-Simplifier-Backup`; a page is named by its
//!   heading;
//! - **GPCM-SD-nnn**: its Supplier Conformance Assessment List;
//! - **ITK3**: "ITK3 Message Distribution" (`nhsconnect/ITK3-Messaging-Distribution`);
//! - **STU3**: FHIR 3.0.2.
//!
//! Where they contradict each other, [`Options`] chooses. Ids and times come from the caller: the same input makes the same bytes, so that
//! a repeated attempt sends the same message, which a practice recognises (codes 20007 and 20008).

mod document;
mod header;
mod ids;
mod options;
mod xml;

pub use ids::Ids;
pub use options::{
    Authorship, DocumentType, LocalExtension, MessageDefinition, Options, ReplacedId, VerificationExtension,
};

use crate::limits::{PDF_BYTES, SENDER_REFERENCE};
use crate::parties::{Author, Organisation, Patient};
use std::fmt;
use std::num::NonZeroU32;
use thiserror::Error;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;
use xml::Xml;

/// The system of identifiers that are UUIDs.
pub(crate) const UUIDS: &str = "https://tools.ietf.org/html/rfc4122";

/// Whether the practice is asked to act (`RecipientType`: guide, "extension RecipientType").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RecipientType {
    /// `FA`: the practice is expected to attach the document to the record.
    #[default]
    ForAction,
    /// `FI`: the practice may do with it as it sees fit.
    ForInformation,
}

/// The document before this one, of which this is a new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaced {
    /// `Bundle.identifier` of the message that carried it ([`Ids::message_identifier`]).
    pub message_identifier: Uuid,
    /// `Bundle.identifier` of its document Bundle ([`Ids::document_identifier`]).
    pub document_identifier: Uuid,
}

/// What is sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Ids of all that is in it.
    pub ids: Ids,
    /// When the message is made (GPCM-SD-048).
    pub made_at: OffsetDateTime,
    /// MESH mailbox of the sender (GPCM-SD-046).
    pub mailbox: String,
    /// The unique identifier of the activity, which comes back in each response (GPCM-SD-042). Without patient data; at most 255 characters.
    pub sender_reference: String,
    /// For action or for information.
    pub recipient_type: RecipientType,
    /// Who sends it.
    pub sender: Organisation,
    /// Who wrote the document.
    pub author: Author,
    /// Whom it is about. The same name, day of birth and NHS number address the message (GPCM-SD-038).
    pub patient: Patient,
    /// Title of the document, without patient data.
    pub title: String,
    /// 1 for the first; one more for each replacement (GPCM-SD-098).
    pub version: NonZeroU32,
    /// What this version replaces; exactly from version 2 on.
    pub replaces: Option<Replaced>,
    /// When the document was written.
    pub written_at: OffsetDateTime,
    /// The document.
    pub pdf: Vec<u8>,
    /// Whether the person lets their GP know. If not, nothing is sent: guide, "confidentiality" (from 2.0.2 on).
    pub may_be_shared: bool,
}

impl fmt::Debug for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = (&self.ids.message_identifier, &self.sender_reference);
        formatter.debug_struct("Message").field("ids", &ids).field("version", &self.version).finish_non_exhaustive()
    }
}

impl Message {
    /// What it is in one line, which the guide asks for twice, in the Composition (page "text") and as the subject of the MESH message
    /// (GPCM-SD-064): title, patient, NHS number, where, version. Patient data.
    pub(crate) fn headline(&self) -> String {
        let (patient, sender) = (&self.patient, &self.sender);
        format!(
            "{} for {}, NHS Number: {}, seen at {}, {}, Version: {}",
            self.title,
            patient.name.whole(),
            patient.nhs_number.spaced(),
            sender.name,
            sender.ods_code.as_str(),
            self.version
        )
    }
}

/// Why no message is made. No content is told.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MessageFault {
    /// The person does not let their GP know.
    #[error("the person does not want their GP to know: send nothing by Send Document")]
    NotShared,
    /// A text that must be there is empty.
    #[error("{element} is empty: fill it in")]
    Missing {
        /// Which element.
        element: &'static str,
    },
    /// A value that XML or FHIR cannot carry.
    #[error("{element} has a control character or a line break: write it on one line")]
    Character {
        /// Which element.
        element: &'static str,
    },
    /// Longer than ITK3 allows.
    #[error("SenderReference has more than {SENDER_REFERENCE} characters: use a shorter reference")]
    SenderReference,
    /// Two resources have the same id.
    #[error("two of the message's ids are equal: draw all of them anew")]
    Ids,
    /// Version and replacement contradict each other.
    #[error("version 1 replaces nothing, and every later version names the one before: correct version or replaces")]
    Version,
    /// Not a PDF, or too large.
    #[error("the document is no PDF of at most {PDF_BYTES} bytes: make it again")]
    Pdf,
    /// A time that FHIR cannot write.
    #[error("{element} is no time that FHIR can write (years 0000 to 9999, offsets in whole minutes): correct it")]
    Time {
        /// Which element.
        element: &'static str,
    },
}

/// Makes the message.
///
/// # Errors
/// [`MessageFault`] telling what to mend.
pub fn build(message: &Message, options: &Options) -> Result<Vec<u8>, MessageFault> {
    check(message)?;
    let mut xml = Xml::new();
    header::message_bundle(&mut xml, message, options);
    xml.finish().map_err(|element| MessageFault::Character { element })
}

fn check(message: &Message) -> Result<(), MessageFault> {
    if !message.may_be_shared {
        return Err(MessageFault::NotShared);
    }
    let needed = [
        ("MessageHeader.source.endpoint", &message.mailbox),
        ("SenderReference", &message.sender_reference),
        ("Organization.name", &message.sender.name),
        ("Organization.telecom", &message.sender.telephone),
        ("Practitioner.name.family", &message.author.name.family),
        ("Patient.name.family", &message.patient.name.family),
        ("Composition.title", &message.title),
    ];
    if let Some((element, _)) = needed.into_iter().find(|(_, text)| text.trim().is_empty()) {
        return Err(MessageFault::Missing { element });
    }
    if message.sender_reference.chars().count() > SENDER_REFERENCE {
        return Err(MessageFault::SenderReference);
    }
    if !message.ids.are_distinct() {
        return Err(MessageFault::Ids);
    }
    if (message.version.get() == 1) == message.replaces.is_some() {
        return Err(MessageFault::Version);
    }
    if !message.pdf.starts_with(b"%PDF-") || message.pdf.len() > PDF_BYTES {
        return Err(MessageFault::Pdf);
    }
    for (element, moment) in [("MessageHeader.timestamp", message.made_at), ("Composition.date", message.written_at)] {
        moment.format(&Rfc3339).map_err(|_| MessageFault::Time { element })?;
    }
    let year = message.patient.birth_date.year();
    if (1..=9999).contains(&year) { Ok(()) } else { Err(MessageFault::Time { element: "Patient.birthDate" }) }
}

/// An instant as FHIR writes it. [`check`] has formatted it before.
fn instant(moment: OffsetDateTime) -> String {
    moment.format(&Rfc3339).unwrap_or_default()
}
