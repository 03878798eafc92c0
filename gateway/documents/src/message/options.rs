//! Choices where the published sources contradict each other. Each default says whom it follows; onboarding settles them.

/// How a message is written. [`Options::default`] follows the guide's own pages where they differ from its conformance list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// The `MessageDefinition` that the handling extension names.
    pub message_definition: MessageDefinition,
    /// The spelling of "none" in `LocalExtension`.
    pub local_extension: LocalExtension,
    /// `Composition.type`.
    pub document_type: DocumentType,
    /// Whom `Composition.author` names.
    pub authorship: Authorship,
    /// Which id of the document before `Composition.relatesTo` names.
    pub replaced_id: ReplacedId,
    /// The extension that says whether the NHS number was traced.
    pub verification: VerificationExtension,
}

/// The `MessageDefinition` that the handling extension names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MessageDefinition {
    /// `…/ITK-GPConnectSendDocument-MessageDefinition-1`: the guide's page on the extension ("MUST be set to fixed value"), its examples, and
    /// the `url` of the published MessageDefinition itself.
    #[default]
    One,
    /// `…/ITK-GPConnectSendDocument-MessageDefinition-Instance-1`: GPCM-SD-043.
    InstanceOne,
}

impl MessageDefinition {
    pub(super) const fn url(self) -> &'static str {
        match self {
            Self::One => "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-GPConnectSendDocument-MessageDefinition-1",
            Self::InstanceOne => {
                "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-GPConnectSendDocument-MessageDefinition-Instance-1"
            }
        }
    }
}

/// The spelling of "none" in `LocalExtension`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LocalExtension {
    /// `None`: the guide's page on the extension ("MUST be populated with `None`") and its examples.
    #[default]
    None,
    /// `NONE`: GPCM-SD-044.
    Capitals,
}

impl LocalExtension {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Capitals => "NONE",
        }
    }
}

/// `Composition.type`, of the SNOMED CT refset 1127551000000109. None means a social prescribing outcome; which is right, NHS England decides
/// when it approves the use case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DocumentType {
    /// Report of clinical encounter: one of the two codes that GPCM-SD-115 calls approved.
    #[default]
    ReportOfClinicalEncounter,
    /// Remote health correspondence: the other one.
    RemoteHealthCorrespondence,
    /// Remote consultation encounter type: what the guide's page on the element and its examples show.
    RemoteConsultation,
}

impl DocumentType {
    /// Code and term.
    #[must_use]
    pub const fn coding(self) -> (&'static str, &'static str) {
        match self {
            Self::ReportOfClinicalEncounter => ("371531000", "Report of clinical encounter (record artifact)"),
            Self::RemoteHealthCorrespondence => ("149701000000109", "Remote health correspondence (record artifact)"),
            Self::RemoteConsultation => ("325871000000103", "Remote consultation encounter type (record artifact)"),
        }
    }
}

/// Whom `Composition.author` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Authorship {
    /// The Practitioner: the guide's examples, and what STU3 allows there (Practitioner, Device, Patient or RelatedPerson).
    #[default]
    Practitioner,
    /// The Practitioner and the Organization: GPCM-SD-107 asks for the latter, which STU3 does not allow there.
    Both,
}

/// Which id of the document before `Composition.relatesTo` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReplacedId {
    /// Of the payload: guide, "Replacement guidance".
    #[default]
    Payload,
    /// Of the message: GPCM-SD-123 ("the UUID of the previous message").
    Message,
}

/// The extension that says whether the NHS number was traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VerificationExtension {
    /// Of CareConnect: what the profile CareConnect-Patient-1 declares, and the guide's wireframe example.
    #[default]
    CareConnect,
    /// Of CareConnect-GPC: the guide's generic example.
    CareConnectGpc,
}

impl VerificationExtension {
    pub(super) const fn url(self) -> &'static str {
        match self {
            Self::CareConnect => {
                "https://fhir.hl7.org.uk/STU3/StructureDefinition/Extension-CareConnect-NHSNumberVerificationStatus-1"
            }
            Self::CareConnectGpc => {
                "https://fhir.nhs.uk/STU3/StructureDefinition/Extension-CareConnect-GPC-NHSNumberVerificationStatus-1"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_codes::{Use, table};

    #[test]
    fn every_document_type_is_a_confirmed_code() {
        let table = table().unwrap();
        for kind in [
            DocumentType::ReportOfClinicalEncounter,
            DocumentType::RemoteHealthCorrespondence,
            DocumentType::RemoteConsultation,
        ] {
            let (code, display) = kind.coding();
            let row = table.iter().find(|row| row.code == code).expect(code);
            assert_eq!((row.used_for, row.display.as_str()), (Use::DocumentType, display));
        }
    }
}
