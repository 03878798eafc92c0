//! Why a person is asked to look, and what each is asked.

use adapter_contract::systems;
use gateway_fhir::Json;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// `Task.priority` (R4, request-priority) of a follow-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// In its turn.
    Routine,
    /// Today, before what is routine.
    Urgent,
}

impl Priority {
    /// FHIR code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Routine => "routine",
            Self::Urgent => "urgent",
        }
    }
}

/// Why a follow-up is there: `Task.code`, of the code system that [`code_system`] publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A service reports that somebody may be harmed.
    SafeguardingConcern,
    /// A service reports that the person needs more than it can give.
    NeedsMoreSupport,
    /// A service asks to be called, and consent lets no more of it pass.
    CallRequested,
    /// The platform has not confirmed in time that it has the referral.
    NotAcknowledged,
    /// The platform has it, and nobody has taken it on in time.
    NotAccepted,
    /// It was taken on, and nothing has begun in time.
    NoFirstContact,
    /// It has not ended by the agreed day.
    NoOutcome,
    /// The GP's side could not be told something.
    NotNotified,
    /// A letter to the GP was refused or not confirmed.
    LetterNotDelivered,
}

impl Cause {
    /// All, the most pressing first.
    pub const ALL: [Self; 9] = [
        Self::SafeguardingConcern,
        Self::NeedsMoreSupport,
        Self::CallRequested,
        Self::NotAcknowledged,
        Self::NotAccepted,
        Self::NoFirstContact,
        Self::NoOutcome,
        Self::NotNotified,
        Self::LetterNotDelivered,
    ];

    /// Code of [`systems::FOLLOW_UP`].
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::SafeguardingConcern => "safeguarding-concern",
            Self::NeedsMoreSupport => "needs-more-support",
            Self::CallRequested => "call-requested",
            Self::NotAcknowledged => "not-acknowledged",
            Self::NotAccepted => "not-accepted",
            Self::NoFirstContact => "no-first-contact",
            Self::NoOutcome => "no-outcome",
            Self::NotNotified => "not-notified",
            Self::LetterNotDelivered => "letter-not-delivered",
        }
    }

    /// Reads what [`code`](Self::code) wrote.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.code() == code)
    }

    /// A line for lists: the display of its code.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::SafeguardingConcern => "Safeguarding concern: act today",
            Self::NeedsMoreSupport => "The person needs more help: act today",
            Self::CallRequested => "The service asks to be called today",
            Self::NotAcknowledged => "The platform has not confirmed the referral",
            Self::NotAccepted => "Nobody has taken the referral on",
            Self::NoFirstContact => "Taken on, and nothing has begun",
            Self::NoOutcome => "No outcome by the agreed day",
            Self::NotNotified => "The GP system was not told",
            Self::LetterNotDelivered => "A letter did not reach the GP",
        }
    }

    /// What a person is told and asked to do, and what stands if nobody does it. Nothing of the person whom it is about.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::SafeguardingConcern => {
                "The service that has this referral reports a safeguarding concern. Act today: call the service, then follow \
                 your organisation's safeguarding policy. If anybody is in immediate danger call 999. This message does not \
                 replace a safeguarding referral to the local authority, and nobody has made one by it. It stays open until a \
                 person completes it."
            }
            Self::NeedsMoreSupport => {
                "The service that has this referral reports that the person needs more help than it can give. Act today: call \
                 the service, and decide who sees the person and when. If anybody is in immediate danger call 999; for urgent \
                 mental health advice call NHS 111. This message does not replace a clinical handover or a safeguarding \
                 referral. It stays open until a person completes it."
            }
            Self::CallRequested => {
                "The service that has, or had, this referral asks to be called about the person. Call it today. Why is not shown: \
                 consent does not let more of it pass, and the service decides what it tells you. If anybody is in immediate danger \
                 call 999. This message does not replace a safeguarding referral. It stays open until a person completes it."
            }
            Self::NotAcknowledged => {
                "The platform has not confirmed that it has this referral. The gateway goes on trying; until it is confirmed, \
                 take it that nobody at the service knows of the person. If it is urgent, call the service, or cancel and \
                 refer to another."
            }
            Self::NotAccepted => {
                "The service has this referral, and has not said that anybody takes it on. Ask the service. Nothing is \
                 cancelled by itself: if it cannot help, cancel and refer to another."
            }
            Self::NoFirstContact => {
                "The service has taken this referral on, and has not said that anything has begun. Ask the service whether it \
                 has reached the person. Nothing is cancelled by itself."
            }
            Self::NoOutcome => {
                "The agreed day is over, and the service has not said what came of this referral. Ask the service and the \
                 person. Nothing is closed by itself: the referral stays open until the service or you end it."
            }
            Self::NotNotified => {
                "Something that the service reported could not be delivered to your system. Read this referral here. It is \
                 not tried again by itself."
            }
            Self::LetterNotDelivered => {
                "A letter on this referral was not taken in by the GP's system. Send it another way, or mend what the reason \
                 says. It is not sent again by itself."
            }
        }
    }

    /// How pressing it usually is.
    #[must_use]
    pub const fn priority(self) -> Priority {
        if self.is_alarm() { Priority::Urgent } else { Priority::Routine }
    }

    /// Whether a service called for help: only a person ends such a follow-up, and nothing keeps it from being opened.
    #[must_use]
    pub const fn is_alarm(self) -> bool {
        matches!(self, Self::SafeguardingConcern | Self::NeedsMoreSupport | Self::CallRequested)
    }
}

/// The causes as a FHIR `CodeSystem`. `version` is the gateway's.
#[must_use]
pub fn code_system(version: &str) -> Json {
    let concepts: Vec<_> = Cause::ALL
        .iter()
        .map(|one| json!({ "code": one.code(), "display": one.title(), "definition": one.words() }))
        .collect();
    json!({
        "resourceType": "CodeSystem",
        "id": "follow-up",
        "url": systems::FOLLOW_UP,
        "version": version,
        "name": "FollowUp",
        "title": "Why a person is asked to look at a referral",
        "status": "active",
        "experimental": false,
        "description": "Task.code of the follow-ups that the gateway makes.",
        "caseSensitive": true,
        "content": "complete",
        "count": concepts.len(),
        "concept": concepts,
    })
    .into()
}
