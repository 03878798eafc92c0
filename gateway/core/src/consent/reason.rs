//! Why a decision fell as it did: codes for machines, words for the GP. Neither holds patient data.

/// The reason of a decision. Their order is that of usefulness: of several silent Consents the first explains the deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// An active Consent names this recipient and permits it.
    Permitted,
    /// The person has died.
    Deceased,
    /// The Patient is labelled restricted or very restricted.
    RestrictedPatient,
    /// One Consent permits, another refuses.
    Conflict,
    /// A Consent refuses.
    Refused,
    /// A Consent does not say whether it permits or refuses, or says both.
    AmbiguousBase,
    /// A modifier that nobody here understands.
    Modifier,
    /// The period is over.
    Expired,
    /// The period has not begun.
    NotYet,
    /// Permitted once, and withdrawn.
    Withdrawn,
    /// Permitted for other purposes.
    Purpose,
    /// The recipient is named in another role than to receive.
    Role,
    /// Recorded as not verified.
    Unverified,
    /// Agreed to by somebody else than the person.
    Performer,
    /// The person is under 16.
    PerformerAge,
    /// Not about privacy.
    Scope,
    /// It contradicts itself about whose it is.
    Patient,
    /// An element that this version of the rules does not evaluate.
    NotUnderstood(&'static str),
    /// Not active.
    Status,
    /// It names no recipient.
    NoRecipient,
    /// It names other recipients only.
    OtherRecipient,
    /// Nothing is on record.
    NoConsent,
}

impl Reason {
    /// Code, for audit and lists.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Permitted => "permitted",
            Self::Deceased => "deceased",
            Self::RestrictedPatient => "restricted-patient",
            Self::Conflict => "conflict",
            Self::Refused => "refused",
            Self::AmbiguousBase => "ambiguous-base",
            Self::Modifier => "modifier",
            Self::Expired => "expired",
            Self::NotYet => "not-yet",
            Self::Withdrawn => "withdrawn",
            Self::Purpose => "purpose",
            Self::Role => "role",
            Self::Unverified => "unverified",
            Self::Performer => "performer",
            Self::PerformerAge => "performer-age",
            Self::Scope => "scope",
            Self::Patient => "patient",
            Self::NotUnderstood(_) => "not-understood",
            Self::Status => "status",
            Self::NoRecipient => "no-recipient",
            Self::OtherRecipient => "other-recipient",
            Self::NoConsent => "no-consent",
        }
    }

    /// Words for the GP, with what to do where something can be done.
    #[must_use]
    pub fn words(&self) -> String {
        let words = match self {
            Self::Permitted => "an active Consent names this recipient and permits it.",
            Self::Deceased => "the patient is recorded as deceased.",
            Self::RestrictedPatient => "the patient's record is labelled restricted.",
            Self::Conflict => "one Consent permits it and another refuses. To lift the refusal, make it inactive.",
            Self::Refused => "a Consent of the patient refuses it.",
            Self::AmbiguousBase => "a Consent does not say clearly whether it permits or refuses.",
            Self::Modifier => "a Consent has a modifier that the gateway does not know.",
            Self::Expired => "the period of the Consent is over.",
            Self::NotYet => "the period of the Consent has not begun.",
            Self::Withdrawn => "the Consent was withdrawn.",
            Self::Purpose => "the Consent is given for other purposes only.",
            Self::Role => "the Consent names the recipient in another role than to receive.",
            Self::Unverified => "the Consent is recorded as not verified.",
            Self::Performer => {
                "the Consent was not given by the patient, and the gateway cannot judge who else may give it."
            }
            Self::PerformerAge => "the patient is under 16, and the gateway cannot judge who may consent.",
            Self::Scope => "the Consent is not one about privacy (scope patient-privacy).",
            Self::Patient => "the Consent contradicts itself about whose it is.",
            Self::NotUnderstood(element) => {
                return format!("the Consent limits itself by {element}, which the gateway does not evaluate yet.");
            }
            Self::Status => "no Consent for this recipient is active.",
            Self::NoRecipient => "the Consent names no recipient.",
            Self::OtherRecipient => "no Consent names this recipient.",
            Self::NoConsent => "there is no Consent of the patient on record.",
        };
        words.to_owned()
    }
}
