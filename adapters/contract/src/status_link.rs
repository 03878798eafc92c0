//! What an organisation says on the gateway's status-link pages, and what it is shown there.

use crate::{IdempotencyKey, PlatformReferralId};
use serde::{Deserialize, Serialize};

/// One answer given on a status-link page: the JSON body of a [`Report`](crate::Report) whose source is
/// [`StatusLink`](crate::ReportSource::StatusLink). The gateway has checked who gives it and that it can be given now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LinkAnswer {
    /// The platform's name for the referral.
    pub referral: PlatformReferralId,
    /// Our key for it.
    pub key: IdempotencyKey,
    /// Names this answer: the same form sent twice is one answer.
    pub event: String,
    /// When it was given: FHIR instant, UTC.
    pub at: String,
    /// What was said.
    pub says: Says,
    /// Whether somebody has to act today, where that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub today: Option<bool>,
    /// In the organisation's words, trimmed; absent if nothing was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
}

/// What an organisation can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Says {
    /// It takes the referral on.
    Accept,
    /// It has no room.
    DeclineNoCapacity,
    /// It is not the right service.
    DeclineNotRightService,
    /// It cannot meet this person's needs yet; the words say what would help.
    DeclineNeedsNotMet,
    /// The person did not want it.
    DeclinePersonDeclined,
    /// The person could not be reached.
    DeclineNoContact,
    /// The person lives outside its area.
    DeclineOutsideArea,
    /// Another reason, which the words are.
    DeclineOther,
    /// It has a question, which the words are.
    Question,
    /// The person's mental health is getting worse, and it cannot give what is needed; the words say what worries it.
    NeedsMoreMentalHealth,
    /// Somebody may be harmed; the words say what worries it.
    NeedsMoreSafeguarding,
    /// The person needs other help than it can give; the words say which.
    NeedsMoreOther,
    /// The person came.
    Attended,
    /// The person did not come.
    DidNotAttend,
    /// It has ended, and the person was helped.
    FinishedHelped,
    /// It has ended, and the person was not helped.
    FinishedNotHelped,
    /// The person left before the end.
    FinishedLeftEarly,
}

impl Says {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Accept,
        Self::DeclineNoCapacity,
        Self::DeclineNotRightService,
        Self::DeclineNeedsNotMet,
        Self::DeclinePersonDeclined,
        Self::DeclineNoContact,
        Self::DeclineOutsideArea,
        Self::DeclineOther,
        Self::Question,
        Self::NeedsMoreMentalHealth,
        Self::NeedsMoreSafeguarding,
        Self::NeedsMoreOther,
        Self::Attended,
        Self::DidNotAttend,
        Self::FinishedHelped,
        Self::FinishedNotHelped,
        Self::FinishedLeftEarly,
    ];

    /// Its word, in forms, reports and the adapter's table of statuses.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::DeclineNoCapacity => "decline-no-capacity",
            Self::DeclineNotRightService => "decline-not-right-service",
            Self::DeclineNeedsNotMet => "decline-needs-not-met",
            Self::DeclinePersonDeclined => "decline-person-declined",
            Self::DeclineNoContact => "decline-no-contact",
            Self::DeclineOutsideArea => "decline-outside-area",
            Self::DeclineOther => "decline-other",
            Self::Question => "question",
            Self::NeedsMoreMentalHealth => "needs-more-mental-health",
            Self::NeedsMoreSafeguarding => "needs-more-safeguarding",
            Self::NeedsMoreOther => "needs-more-other",
            Self::Attended => "attended",
            Self::DidNotAttend => "did-not-attend",
            Self::FinishedHelped => "finished-helped",
            Self::FinishedNotHelped => "finished-not-helped",
            Self::FinishedLeftEarly => "finished-left-early",
        }
    }

    /// What this word says.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|says| says.word() == word)
    }
}

/// A referral as people read it, on the page behind a status link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReferralPage {
    /// What must be seen before anything else, such as that the person must not be telephoned.
    pub warnings: Vec<String>,
    /// In the order in which they are read.
    pub sections: Vec<PageSection>,
}

/// One part of a [`ReferralPage`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageSection {
    /// Its heading.
    pub heading: String,
    /// What it says, each with its name: `Name`, `Telephone`.
    pub lines: Vec<(String, String)>,
}
