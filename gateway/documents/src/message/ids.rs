//! The ids of a message. They come from outside.

use std::collections::BTreeSet;
use uuid::Uuid;

/// An id for each thing in a message. `Bundle.identifier` is what a receiver recognises a repetition by (codes 20007 and 20008); the others
/// are `Resource.id` and `urn:uuid:` of `fullUrl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    /// `Bundle.id` of the message.
    pub message: Uuid,
    /// `Bundle.identifier` of the message.
    pub message_identifier: Uuid,
    /// `MessageHeader.id`.
    pub header: Uuid,
    /// The Organization that the header names.
    pub header_organisation: Uuid,
    /// `Bundle.id` of the document.
    pub document: Uuid,
    /// `Bundle.identifier` of the document.
    pub document_identifier: Uuid,
    /// `Composition.id`.
    pub composition: Uuid,
    /// The Practitioner in the document.
    pub practitioner: Uuid,
    /// The Organization in the document.
    pub organisation: Uuid,
    /// The Patient in the document.
    pub patient: Uuid,
    /// The Binary in the document.
    pub binary: Uuid,
}

impl Ids {
    /// Ids from a source of chance, in the order of the fields.
    pub fn drawn(mut next: impl FnMut() -> Uuid) -> Self {
        Self {
            message: next(),
            message_identifier: next(),
            header: next(),
            header_organisation: next(),
            document: next(),
            document_identifier: next(),
            composition: next(),
            practitioner: next(),
            organisation: next(),
            patient: next(),
            binary: next(),
        }
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn contains(&self, id: Uuid) -> bool {
        self.all().contains(&id)
    }

    pub(super) fn are_distinct(&self) -> bool {
        let all = self.all();
        all.iter().collect::<BTreeSet<_>>().len() == all.len()
    }

    const fn all(&self) -> [Uuid; 11] {
        [
            self.message,
            self.message_identifier,
            self.header,
            self.header_organisation,
            self.document,
            self.document_identifier,
            self.composition,
            self.practitioner,
            self.organisation,
            self.patient,
            self.binary,
        ]
    }
}
