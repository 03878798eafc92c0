//! Why a decision fell as it did: codes for machines, words for the GP. Neither holds patient data.

/// The reason of a decision. Their order is that of usefulness: of several silent Consents the first explains the deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// An active Consent names this recipient and permits it.
    Permitted,
    /// No Consent is on record, and the recipient gives care itself: the minimum.
    Implied,
    /// A professional decided to share without consent.
    Override,
    /// The person has died.
    Deceased,
    /// The Patient is labelled restricted or very restricted, and no permit speaks of that label.
    RestrictedPatient,
    /// What is on record could not be read.
    Indeterminate,
    /// Holders of parental responsibility disagree.
    Disputed,
    /// One Consent permits, another refuses.
    Conflict,
    /// A Consent refuses.
    Refused,
    /// A permit is narrowed by permits within it, of which none fits.
    AmbiguousNesting,
    /// A Consent does not say whether it permits or refuses, or says both.
    AmbiguousBase,
    /// A modifier that nobody here understands.
    Modifier,
    /// An element without which the referral makes no sense to the recipient may not be sent.
    NeededField,
    /// Nothing of use is left.
    Empty,
    /// A code on the record asks for a review before the person can read along.
    NeedsReview,
    /// It has free text that the recipient would read, and nobody has let it have that.
    Notes,
    /// An override without a named professional or a reason.
    OverrideIncomplete,
    /// An override whose time is over, or has not come.
    OverrideExpired,
    /// An override for a recipient that is no statutory body.
    OverrideRecipient,
    /// The period is over.
    Expired,
    /// The period has not begun.
    NotYet,
    /// Permitted once, and withdrawn.
    Withdrawn,
    /// Permitted for other purposes.
    Purpose,
    /// Permitted, but not to be disclosed.
    Action,
    /// The recipient is named in another role than to receive.
    Role,
    /// Recorded as not verified.
    Unverified,
    /// Given by somebody whose right does not reach this.
    Authority,
    /// The person, or somebody for them, was on the wrong side of 16.
    PerformerAge,
    /// The person lacked capacity, or may have, when it was given.
    Capacity,
    /// Agreed to by somebody who has no right to.
    Performer,
    /// Not about privacy.
    Scope,
    /// It contradicts itself about whose it is.
    Patient,
    /// It limits itself by something that cannot be read.
    NotUnderstood(&'static str),
    /// It names somebody who cannot be found, or who may be the recipient or not.
    Unresolved,
    /// It could tell where a person is whose record is labelled restricted.
    Whereabouts,
    /// Labelled restricted, and no permit speaks of that label.
    RestrictedItem,
    /// In a group of codes that never leave.
    WithheldGroup,
    /// Words that could give away what is withheld.
    Hint,
    /// Labelled for other purposes.
    PurposeLabel,
    /// More than this recipient may have.
    NotAllowed,
    /// It speaks of other data.
    OtherData,
    /// Not active.
    Status,
    /// It names no recipient.
    NoRecipient,
    /// It names other recipients only.
    OtherRecipient,
    /// It is held by another tenant.
    Tenant,
    /// Nothing is on record.
    NoConsent,
}

impl Reason {
    /// Code, for audit and lists.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Permitted => "permitted",
            Self::Implied => "implied",
            Self::Override => "override",
            Self::Deceased => "deceased",
            Self::RestrictedPatient => "restricted-patient",
            Self::Indeterminate | Self::Unresolved => "indeterminate",
            Self::Disputed => "disputed",
            Self::Conflict => "conflict",
            Self::Refused => "refused",
            Self::AmbiguousNesting => "ambiguous-nesting",
            Self::AmbiguousBase => "ambiguous-base",
            Self::Modifier => "modifier",
            Self::NeededField => "needed-field",
            Self::Empty => "empty",
            Self::NeedsReview | Self::Notes => "needs-review",
            Self::OverrideIncomplete => "override-incomplete",
            Self::OverrideExpired => "override-expired",
            Self::OverrideRecipient => "override-recipient",
            Self::Expired => "expired",
            Self::NotYet => "not-yet",
            Self::Withdrawn => "withdrawn",
            Self::Purpose => "purpose",
            Self::Action => "action",
            Self::Role => "role",
            Self::Unverified => "unverified",
            Self::Authority => "authority",
            Self::PerformerAge => "performer-age",
            Self::Capacity => "capacity",
            Self::Performer => "performer",
            Self::Scope => "scope",
            Self::Patient => "patient",
            Self::NotUnderstood(_) => "not-understood",
            Self::Whereabouts => "whereabouts",
            Self::RestrictedItem => "restricted-item",
            Self::WithheldGroup => "withheld-group",
            Self::Hint => "hint",
            Self::PurposeLabel => "purpose-label",
            Self::NotAllowed => "not-allowed",
            Self::OtherData => "other-data",
            Self::Status => "status",
            Self::NoRecipient => "no-recipient",
            Self::OtherRecipient => "other-recipient",
            Self::Tenant => "tenant",
            Self::NoConsent => "no-consent",
        }
    }

    /// Words for the GP, with what to do where something can be done.
    #[must_use]
    pub fn words(&self) -> String {
        let words = match self {
            Self::Permitted => "an active Consent names this recipient and permits it.",
            Self::Implied => "no Consent is on record, and the recipient gives care itself: it gets the minimum.",
            Self::Override => "a named professional decided to share it without consent.",
            Self::Deceased => "the patient is recorded as deceased.",
            Self::RestrictedPatient => {
                "the patient's record is labelled restricted, and no Consent speaks of that label."
            }
            Self::Indeterminate => "what is on record about consent could not be read.",
            Self::Disputed => "holders of parental responsibility disagree. A person has to settle it.",
            Self::Conflict => "one Consent permits it and another refuses. To lift the refusal, make it inactive.",
            Self::Refused => "a Consent of the patient refuses it.",
            Self::AmbiguousNesting => "a Consent permits only what provisions within it permit, and none of them fits.",
            Self::AmbiguousBase => "a Consent does not say clearly whether it permits or refuses.",
            Self::Modifier => "a Consent has a modifier that the gateway does not know.",
            Self::NeededField => "something that this recipient cannot do without may not be sent.",
            Self::Empty => "nothing of use is left of the referral after what may not be sent.",
            Self::NeedsReview => {
                "a code on the record asks for a review before the person or the family can read along."
            }
            Self::Notes => {
                "it has free text that this recipient would read, and your policy does not let it have that unseen. Send it \
                 again with codes alone, or have `notes` in the policy for this recipient changed and let this referral go on."
            }
            Self::OverrideIncomplete => "the override names no professional or gives no reason.",
            Self::OverrideExpired => "the override is not in force now.",
            Self::OverrideRecipient => "an override is for statutory bodies only.",
            Self::Expired => "the period of the Consent is over.",
            Self::NotYet => "the period of the Consent has not begun.",
            Self::Withdrawn => "the Consent was withdrawn.",
            Self::Purpose => "the Consent is given for other purposes only.",
            Self::Action => "the Consent does not permit to disclose.",
            Self::Role => "the Consent names the recipient in another role than to receive.",
            Self::Unverified => "the Consent is recorded as not verified.",
            Self::Authority => "the right of whoever gave the Consent does not reach this.",
            Self::PerformerAge => {
                "under 16 a patient consents only if recorded as competent, and at 16 a parent's Consent ends. Ask the patient."
            }
            Self::Capacity => "the patient lacked capacity when the Consent was given, or may have.",
            Self::Performer => "the Consent was given by somebody for whom no right to give it is recorded.",
            Self::Scope => "the Consent is not one about privacy (scope patient-privacy).",
            Self::Patient => "the Consent contradicts itself about whose it is.",
            Self::NotUnderstood(element) => {
                return format!("the Consent limits itself by {element}, which cannot be read.");
            }
            Self::Unresolved => {
                "the Consent names somebody who may be this recipient or not. Name it by its identifier."
            }
            Self::Whereabouts => "it could tell where a patient is whose record is labelled restricted.",
            Self::RestrictedItem => "it is labelled restricted, and no Consent speaks of that label.",
            Self::WithheldGroup => "it is in a group of codes that never leave.",
            Self::Hint => "its words could give away what is withheld.",
            Self::PurposeLabel => "it is labelled for other purposes.",
            Self::NotAllowed => "this recipient may not have it.",
            Self::OtherData => "the Consent does not speak of this data.",
            Self::Status => "no Consent for this recipient is active.",
            Self::NoRecipient => "the Consent names no recipient.",
            Self::OtherRecipient => "no Consent names this recipient.",
            Self::Tenant => "the Consent is held by another tenant.",
            Self::NoConsent => "there is no Consent of the patient on record.",
        };
        words.to_owned()
    }
}
