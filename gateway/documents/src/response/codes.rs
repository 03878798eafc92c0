//! The ITK3 response codes: what each means, who has to act, and whether to send again.
//!
//! Source: ITK3 "ITK3 Response Codes" and "Mapping FHIR Error or Warning Codes to ITK3 Response Codes" (`nhsconnect/ITK3-Messaging-Distribution`),
//! with 10010, 20014, 20015 and 30004 of the later code system `UKCore-ITKResponseCode` 1.0.0 (`NHSDigital/FHIR-R4-UKCORE-STAGING-MAIN`). "All
//! negative response codes are deemed to be fatal … There will be no further response message." Who acts is this gateway's own reading of it.

/// An ITK3 response code.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResponseCode {
    /// 10001: something in the handling specification is wrong.
    HandlingSpecification,
    /// 10002: the flag that asks for an infrastructure response.
    InfrastructureFlag,
    /// 10003: the flag that asks for a business response.
    BusinessFlag,
    /// 10004: the message definition, or messages of this kind are not supported.
    MessageDefinition,
    /// 10005: the version of the message definition.
    MessageDefinitionVersion,
    /// 10006: the priority. Of earlier versions of ITK3; we send none.
    Priority,
    /// 10007: the sender reference.
    SenderReference,
    /// 10008: the handling specification does not fit the payload.
    HandlingRule,
    /// 10009: the message cannot be read.
    Unreadable,
    /// 10010: the recipient type.
    RecipientType,
    /// 20001: the person named as recipient is not known. (The mapping page prints 200001, and so it is read as well.)
    RecipientPerson,
    /// 20002: the organisation named as recipient is not known.
    RecipientOrganisation,
    /// 20003: the sender is not known. Not to be used where MESH finds the practice.
    Sender,
    /// 20004: the attachment's file type is not approved.
    FileTypeNotApproved,
    /// 20005: the attachment's file type is not supported.
    FileTypeNotSupported,
    /// 20006: the ITK3 header is not valid.
    Header,
    /// 20007: this message was processed before.
    DuplicateMessage,
    /// 20008: this document was processed before.
    DuplicateDocument,
    /// 20009: the payload is not valid.
    Payload,
    /// 20010: the organisation in the payload is not known.
    PayloadOrganisation,
    /// 20011: the person in the payload is not known.
    PayloadPerson,
    /// 20012: the sender is not authorised. Not to be used where MESH finds the practice.
    UnauthorisedSender,
    /// 20013: taken by the system. It may still fail at the business level.
    Received,
    /// 20014: the document that this one replaces could not be dealt with.
    Replacement,
    /// 20015: the message is too large.
    TooLarge,
    /// 30001: the patient is known here.
    PatientKnown,
    /// 30002: the patient is not known here.
    PatientNotKnown,
    /// 30003: the patient is no longer at this practice.
    PatientLeft,
    /// 30004: the patient was known here and has recently died.
    PatientDeceased,
    /// Any other code, as written.
    Unknown(String),
}

/// Which of the two acknowledgements has a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Of the receiving system.
    Infrastructure,
    /// Of the practice's records.
    Business,
    /// Of neither that is known.
    Unknown,
}

/// Who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Nobody.
    Nobody,
    /// Whoever runs the gateway: settings, registration, approval by NHS England.
    Operator,
    /// Whoever makes the software: the message is wrong.
    Maker,
    /// The sending service: a person checks whom the document is about and how to reach the practice.
    Service,
}

/// Whether to send again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resend {
    /// It is there.
    No,
    /// A corrected message, with new ids. The same one fails again.
    Corrected,
    /// After the person was traced anew, and with new ids: MESH then finds the practice where they are registered.
    AfterTracing,
    /// Never. Contact with the person stops as well.
    Never,
    /// A person decides.
    PersonDecides,
}

/// What is known of a code: number, level, meaning, who acts, whether to send again.
type Row = (&'static str, Level, &'static str, Actor, Resend);

impl ResponseCode {
    /// All that are published.
    pub const PUBLISHED: [Self; 29] = [
        Self::HandlingSpecification,
        Self::InfrastructureFlag,
        Self::BusinessFlag,
        Self::MessageDefinition,
        Self::MessageDefinitionVersion,
        Self::Priority,
        Self::SenderReference,
        Self::HandlingRule,
        Self::Unreadable,
        Self::RecipientType,
        Self::RecipientPerson,
        Self::RecipientOrganisation,
        Self::Sender,
        Self::FileTypeNotApproved,
        Self::FileTypeNotSupported,
        Self::Header,
        Self::DuplicateMessage,
        Self::DuplicateDocument,
        Self::Payload,
        Self::PayloadOrganisation,
        Self::PayloadPerson,
        Self::UnauthorisedSender,
        Self::Received,
        Self::Replacement,
        Self::TooLarge,
        Self::PatientKnown,
        Self::PatientNotKnown,
        Self::PatientLeft,
        Self::PatientDeceased,
    ];

    /// The code of a number; one that is not published is kept as it is.
    #[must_use]
    pub fn read(number: &str) -> Self {
        let number = number.trim();
        let number = if number == "200001" { "20001" } else { number };
        let found = Self::PUBLISHED.into_iter().find(|code| code.number() == number);
        found.unwrap_or_else(|| Self::Unknown(super::kept(number)))
    }

    /// The number, as it is sent.
    #[must_use]
    pub fn number(&self) -> &str {
        match self {
            Self::Unknown(number) => number,
            known => known.row().0,
        }
    }

    /// Which acknowledgement has it.
    #[must_use]
    pub fn level(&self) -> Level {
        self.row().1
    }

    /// What it means, for a person.
    #[must_use]
    pub fn meaning(&self) -> &'static str {
        self.row().2
    }

    /// Who has to act.
    #[must_use]
    pub fn actor(&self) -> Actor {
        self.row().3
    }

    /// Whether to send again.
    #[must_use]
    pub fn resend(&self) -> Resend {
        self.row().4
    }

    /// Whether it is a positive code.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Received | Self::PatientKnown)
    }

    /// Whether it says that the practice has the message already.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::DuplicateMessage | Self::DuplicateDocument)
    }

    fn row(&self) -> Row {
        use Actor::{Maker, Nobody, Operator, Service};
        use Level::{Business, Infrastructure, Unknown};
        use Resend::{AfterTracing, Corrected, Never, No, PersonDecides};
        let technical = |number, meaning, actor| (number, Infrastructure, meaning, actor, Corrected);
        match self {
            Self::HandlingSpecification => technical("10001", "The handling instructions are faulty.", Maker),
            Self::InfrastructureFlag => {
                technical("10002", "The request for an infrastructure response is faulty.", Maker)
            }
            Self::BusinessFlag => technical("10003", "The request for a business response is faulty.", Maker),
            Self::MessageDefinition => {
                technical("10004", "The practice's system does not know this kind of message.", Operator)
            }
            Self::MessageDefinitionVersion => {
                technical("10005", "The practice's system does not know this version of the message.", Operator)
            }
            Self::Priority => technical("10006", "The priority is faulty.", Maker),
            Self::SenderReference => technical("10007", "The sender's reference is faulty.", Maker),
            Self::HandlingRule => technical("10008", "The handling instructions do not fit the document.", Maker),
            Self::Unreadable => technical("10009", "The practice's system could not read the message.", Maker),
            Self::RecipientType => technical("10010", "The recipient type is faulty.", Maker),
            Self::RecipientPerson => technical("20001", "The person named as recipient is not known.", Operator),
            Self::RecipientOrganisation => {
                technical("20002", "The organisation named as recipient is not known.", Operator)
            }
            Self::Sender => technical("20003", "The practice's system does not know the sender.", Operator),
            Self::FileTypeNotApproved => technical("20004", "This kind of file is not approved.", Operator),
            Self::FileTypeNotSupported => {
                technical("20005", "The practice's system cannot take this kind of file.", Operator)
            }
            Self::Header => technical("20006", "The header of the message is not valid.", Maker),
            Self::DuplicateMessage => {
                ("20007", Infrastructure, "The practice's system has this message already.", Nobody, No)
            }
            Self::DuplicateDocument => {
                ("20008", Infrastructure, "The practice's system has this document already.", Nobody, No)
            }
            Self::Payload => technical("20009", "The content of the message is not valid.", Maker),
            Self::PayloadOrganisation => technical("20010", "The organisation in the document is not known.", Operator),
            Self::PayloadPerson => {
                technical("20011", "The person in the document is not known as recipient.", Operator)
            }
            Self::UnauthorisedSender => technical("20012", "The sender is not authorised.", Operator),
            Self::Received => {
                ("20013", Infrastructure, "The practice's system has taken the message. It may still fail.", Nobody, No)
            }
            Self::Replacement => {
                let meaning =
                    "The document that this one replaces could not be dealt with: ask the practice what it holds.";
                ("20014", Infrastructure, meaning, Service, PersonDecides)
            }
            Self::TooLarge => technical("20015", "The message is too large for the practice's system.", Operator),
            Self::PatientKnown => ("30001", Business, "The patient is known at this practice.", Nobody, No),
            Self::PatientNotKnown => {
                let meaning =
                    "The patient is not known at this practice: trace them again and reach their practice otherwise.";
                ("30002", Business, meaning, Service, AfterTracing)
            }
            Self::PatientLeft => {
                let meaning =
                    "The patient is no longer at this practice: trace them again to find where they are registered.";
                ("30003", Business, meaning, Service, AfterTracing)
            }
            Self::PatientDeceased => {
                let meaning = "The patient has recently died: stop all contact with the person, and tell the service.";
                ("30004", Business, meaning, Service, Never)
            }
            Self::Unknown(_) => ("", Unknown, "This code is not published.", Operator, PersonDecides),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_published_codes_are_read_and_written_back() {
        let published = [
            "10001", "10002", "10003", "10004", "10005", "10006", "10007", "10008", "10009", "10010", "20001", "20002",
            "20003", "20004", "20005", "20006", "20007", "20008", "20009", "20010", "20011", "20012", "20013", "20014",
            "20015", "30001", "30002", "30003", "30004",
        ];
        assert_eq!(published.len(), ResponseCode::PUBLISHED.len());
        let distinct: BTreeSet<ResponseCode> = published.into_iter().map(ResponseCode::read).collect();
        assert_eq!(distinct.len(), published.len());
        for number in published {
            let code = ResponseCode::read(number);
            assert_eq!(code.number(), number);
            let level = if number.starts_with('3') { Level::Business } else { Level::Infrastructure };
            assert_eq!(code.level(), level, "{number}");
            assert_eq!(code.resend() == Resend::No, code.is_success() || code.is_duplicate(), "{number}");
            assert_eq!(code.actor() == Actor::Nobody, code.resend() == Resend::No, "{number}");
        }
    }

    #[test]
    fn a_code_that_is_not_published_is_kept_and_left_to_a_person() {
        let code = ResponseCode::read("31999");
        assert_eq!((code.number(), code.level(), code.resend()), ("31999", Level::Unknown, Resend::PersonDecides));
        assert_eq!(ResponseCode::read("200001"), ResponseCode::RecipientPerson);
        assert_eq!(ResponseCode::read(" 20013 "), ResponseCode::Received);
    }

    #[test]
    fn nothing_is_sent_again_about_somebody_who_died() {
        assert_eq!(ResponseCode::PatientDeceased.resend(), Resend::Never);
        assert_eq!(ResponseCode::PatientDeceased.actor(), Actor::Service);
    }
}
