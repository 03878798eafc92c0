//! The link worker's work list: what of a referral needs a person, why, and what that person may do. The same list is given over FHIR
//! and on the pages; what is then done goes through the same decisions as any client's update of the Task ([`update`](crate::update)).

use crate::referral::{Delivery, Handled, HoldReason, Referral, SenderState, Way};
use crate::status_link::IN_VAIN;
use crate::task::derived_id;
use crate::unanswered;
use crate::work_item::How;
use adapter_contract::business_status::QUESTION;
use adapter_contract::{TaskStatus, systems};
use gateway_fhir::Json;
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// Why a person has to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A service reports that the person needs more than it can give, or may be harmed.
    NeedsMore,
    /// Consent was withdrawn, and the service has to be called.
    Call,
    /// No consent permits the referral.
    NoConsent,
    /// No service could be chosen.
    NoRoute,
    /// It cannot be said to the service as it is, or somebody has to look at it.
    NeedsReview,
    /// The service would not receive all of it.
    Losses,
    /// The service seems to have it already.
    Duplicate,
    /// The service has asked a question.
    Question,
    /// The service has written what moves nothing, or what nobody here reads.
    Reply,
    /// The service declined it.
    Declined,
    /// The service ended what it had taken on, or the person did not want it.
    EndedByService,
    /// The service could not carry it out.
    Failed,
    /// The service says nothing.
    NoAnswer,
    /// What the service says contradicts itself or the sender.
    Conflict,
    /// Something is to be settled at the service: it could not be told, or what it has differs.
    AtService,
    /// It could not be delivered.
    DeadLetter,
    /// A follow-up is open: something did not happen in time, or did not go as it should.
    FollowUp,
}

/// What a person may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// Answer the service's question.
    Answer,
    /// Let it go on: try again, accept the losses.
    Release,
    /// Refer to another service, keeping the history.
    ReRefer,
    /// Record that somebody called, and who confirmed.
    RecordCall,
    /// A follow-up is done.
    Complete,
    /// Nothing more is to be done about it.
    Settle,
    /// End the referral.
    Cancel,
    /// Hand it to somebody else.
    HandOver,
}

impl Act {
    /// All, in the order in which they are offered.
    pub const ALL: [Self; 8] = [
        Self::Complete,
        Self::Answer,
        Self::Release,
        Self::RecordCall,
        Self::ReRefer,
        Self::Settle,
        Self::Cancel,
        Self::HandOver,
    ];

    /// Its word in addresses and audit.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Release => "release",
            Self::ReRefer => "re-refer",
            Self::RecordCall => "record-call",
            Self::Complete => "complete",
            Self::Settle => "settle",
            Self::Cancel => "cancel",
            Self::HandOver => "hand-over",
        }
    }

    /// What this word names.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.word() == word)
    }
}

impl Cause {
    /// All, in the order in which they are listed.
    pub const ALL: [Self; 17] = [
        Self::NeedsMore,
        Self::Call,
        Self::NoConsent,
        Self::NoRoute,
        Self::NeedsReview,
        Self::Losses,
        Self::Duplicate,
        Self::Question,
        Self::Reply,
        Self::Declined,
        Self::EndedByService,
        Self::Failed,
        Self::NoAnswer,
        Self::Conflict,
        Self::AtService,
        Self::DeadLetter,
        Self::FollowUp,
    ];

    /// Its code in lists, filters and audit.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NeedsMore => "needs-more",
            Self::Call => "call",
            Self::NoConsent => "no-consent",
            Self::NoRoute => "no-route",
            Self::NeedsReview => "needs-review",
            Self::Losses => "losses",
            Self::Duplicate => "duplicate",
            Self::Question => "question",
            Self::Reply => "reply",
            Self::Declined => "declined",
            Self::EndedByService => "ended-by-service",
            Self::Failed => "failed",
            Self::NoAnswer => "no-answer",
            Self::Conflict => "conflict",
            Self::AtService => "at-service",
            Self::DeadLetter => "dead-letter",
            Self::FollowUp => "follow-up",
        }
    }

    /// What this code names.
    #[must_use]
    pub fn named(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.code() == code)
    }

    /// As people read it in a list.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::NeedsMore => "The service says that the person needs more: act today",
            Self::Call => "Consent withdrawn: call the service",
            Self::NoConsent => "Held: no consent",
            Self::NoRoute => "Held: no service chosen",
            Self::NeedsReview => "Held for review",
            Self::Losses => "Held: the service would not receive all of it",
            Self::Duplicate => "Held: the service seems to have it already",
            Self::Question => "The service has a question",
            Self::Reply => "The service has written",
            Self::Declined => "Declined by the service",
            Self::EndedByService => "Ended by the service",
            Self::Failed => "The service could not do it",
            Self::NoAnswer => "No answer from the service",
            Self::Conflict => "What the service says does not fit",
            Self::AtService => "To be settled with the service",
            Self::DeadLetter => "Not delivered",
            Self::FollowUp => "To be followed up",
        }
    }

    /// What to do, in a sentence.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::NeedsMore => {
                "Call the service now, and see to it today that somebody helps the person. In danger to life call 999."
            }
            Self::Call => "Call the service: it has to stop, and to remove what it holds. Then record the call.",
            Self::NoConsent => {
                "Nothing has been sent. Ask the person, record what they say in your own system, then try again."
            }
            Self::NoRoute => "Nothing has been sent. Choose the service.",
            Self::NeedsReview => "Nothing has been sent. Read why, then let it go on or choose another service.",
            Self::Losses => {
                "Nothing has been sent. Read what would be lost. Let it go on if the service can do without."
            }
            Self::Duplicate => {
                "Nothing has been sent. Look at the other referral. Send this one all the same if both are wanted, or cancel it."
            }
            Self::Question => "Answer the question. The referral stays open.",
            Self::Reply => {
                "Read what it says. Answer by telephone or mail where it wants an answer, then say that it is settled."
            }
            Self::Declined | Self::EndedByService => "Choose another service, or close it with a reason.",
            Self::Failed => "Choose another service, or close it with a reason.",
            Self::NoAnswer => "Call the service, or choose another one.",
            Self::Conflict => "Ask the service how the referral stands, then say that it is settled.",
            Self::AtService => "Call the service, then say that it is settled.",
            Self::DeadLetter => "The service does not have it. Try again, or choose another service.",
            Self::FollowUp => "Do what it says, then say that it is done.",
        }
    }

    /// What may be done about it; the referral has the last word ([`acts`]).
    const fn acts(self) -> &'static [Act] {
        use Act::{Answer, Cancel, Complete, ReRefer, RecordCall, Release, Settle};
        match self {
            Self::NeedsMore | Self::FollowUp => &[Complete],
            Self::Call => &[RecordCall],
            Self::NoConsent | Self::NoRoute | Self::NeedsReview | Self::Losses | Self::Duplicate | Self::DeadLetter => {
                &[Release, ReRefer, Settle, Cancel]
            }
            Self::Question => &[Answer, ReRefer, Cancel],
            Self::Declined | Self::EndedByService | Self::Failed => &[ReRefer, Settle],
            Self::Reply | Self::NoAnswer | Self::Conflict | Self::AtService => &[ReRefer, Settle, Cancel],
        }
    }

    /// Whether somebody's word alone settles it. What is held goes on or ends; what has gone back ends.
    fn is_settled_by_word(self, referral: &Referral) -> bool {
        match self {
            Self::NeedsMore
            | Self::Call
            | Self::NoConsent
            | Self::NoRoute
            | Self::NeedsReview
            | Self::Losses
            | Self::Duplicate
            | Self::FollowUp => false,
            Self::Question
            | Self::Reply
            | Self::Declined
            | Self::EndedByService
            | Self::Failed
            | Self::Conflict
            | Self::AtService => true,
            Self::NoAnswer => !unanswered::has_gone_back(referral),
            // One that was withdrawn goes nowhere any more: somebody asks the service, and that is that.
            Self::DeadLetter => referral.sender == SenderState::Cancelled,
        }
    }

    /// What tells this occurrence from the next of the same cause. What a person settled is not settled for what comes after it.
    fn mark(self, referral: &Referral) -> String {
        let words = match self {
            Self::Reply => referral.asks.as_deref(),
            Self::Conflict => referral.conflict.as_deref(),
            Self::AtService | Self::NoAnswer => referral.attention.as_deref(),
            _ => None,
        };
        // The words may tell of the referral: only their hash is kept.
        words.map(|words| derived_id(&[words])).unwrap_or_default()
    }
}

/// Whether anything of a referral may need a person, as far as the referral alone says: what is listed is among these.
#[must_use]
pub fn may_need(referral: &Referral) -> bool {
    Cause::ALL.into_iter().any(|cause| stands(cause, referral) && !is_handled(cause, referral))
}

/// What the place of a referral in the list goes by, whatever the time: the stores keep it beside what [may need](may_need) a person, so
/// that they give the most pressing first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// A service says that the person needs more than it can give, or may be harmed.
    pub alarm: bool,
    /// From when on it is urgent; absent = never.
    pub urgent: Option<OffsetDateTime>,
    /// Since when it waits.
    pub since: OffsetDateTime,
}

impl Needs {
    /// Of a referral of which something may need a person.
    #[must_use]
    pub fn of(referral: &Referral) -> Option<Self> {
        may_need(referral).then(|| Self::standing(referral))
    }

    fn standing(referral: &Referral) -> Self {
        // What the service says of the person counts from when it was said.
        let alarm = referral.open_follow_ups().filter(|one| one.cause.is_alarm()).map(|one| one.opened_at).min();
        let asked = referral.recall.as_ref().map(|recall| recall.asked_at);
        let since = alarm.or(asked).unwrap_or(referral.accepted_at);
        // Whoever has to be called is called now, whatever the referral was.
        let urgent = if stands(Cause::Call, referral) { Some(since) } else { referral.urgent };
        Self { alarm: stands(Cause::NeedsMore, referral), urgent, since }
    }

    /// Among which it stands at a time.
    #[must_use]
    pub fn group(&self, now: OffsetDateTime) -> Group {
        match self {
            Self { alarm: true, .. } => Group::Alarm,
            Self { urgent: Some(from), .. } if *from <= now => Group::Urgent,
            Self { .. } => Group::Usual,
        }
    }
}

/// What of a referral needs a person, the most pressing first; nothing where all is in order, or was settled. `task` is its Task as it
/// stands.
#[must_use]
pub fn causes(referral: &Referral, task: &Json) -> Vec<Cause> {
    let open = |cause: &Cause| stands(*cause, referral) && !is_handled(*cause, referral);
    // Where the referral is paused for it a question is answered here, and else in the way in which it was asked.
    let paused = referral.task_status == TaskStatus::OnHold && business_status(task) == Some(QUESTION);
    let asked = |cause: &Cause| match cause {
        Cause::Question => paused,
        Cause::Reply => !paused,
        _ => true,
    };
    Cause::ALL.into_iter().filter(open).filter(asked).collect()
}

fn is_handled(cause: Cause, referral: &Referral) -> bool {
    let handled = referral.handled.as_deref().and_then(|handled| handled.causes.get(cause.code()));
    handled.is_some_and(|mark| *mark == cause.mark(referral))
}

fn stands(cause: Cause, referral: &Referral) -> bool {
    if referral.erased.is_some() {
        return false;
    }
    let active = referral.sender == SenderState::Active && referral.recall.is_none();
    // A service may end what its sender has paused, too.
    let wanted = referral.sender != SenderState::Cancelled && referral.recall.is_none();
    let delivered = matches!(referral.delivery, Delivery::Delivered { .. });
    let held = |of: fn(&HoldReason) -> bool| matches!(&referral.delivery, Delivery::Held { reason } if of(reason));
    let silent = referral.attention.as_deref().is_some_and(|words| {
        words == unanswered::GONE_BACK || words == unanswered::WORDS || words.starts_with(IN_VAIN)
    });
    match cause {
        Cause::NeedsMore => referral.open_follow_ups().any(|one| one.cause.is_alarm()),
        Cause::FollowUp => referral.open_follow_ups().any(|one| !one.cause.is_alarm()),
        Cause::Call => to_call(referral),
        Cause::NoConsent => active && held(|reason| matches!(reason, HoldReason::NoConsent(_))),
        Cause::NoRoute => active && held(|reason| matches!(reason, HoldReason::NoRoute(_))),
        Cause::NeedsReview => active && held(|reason| matches!(reason, HoldReason::NeedsReview(_))),
        Cause::Losses => active && held(|reason| matches!(reason, HoldReason::Losses(_))),
        Cause::Duplicate => active && held(|reason| matches!(reason, HoldReason::Duplicate(_))),
        Cause::Question => active && delivered && referral.task_status == TaskStatus::OnHold && !silent,
        Cause::Reply => active && delivered && referral.asks.is_some(),
        Cause::Declined => wanted && referral.task_status == TaskStatus::Rejected,
        Cause::EndedByService => wanted && referral.task_status == TaskStatus::Cancelled,
        Cause::Failed => wanted && referral.task_status == TaskStatus::Failed,
        Cause::NoAnswer => active && silent,
        Cause::Conflict => referral.conflict.is_some(),
        // Whom to call after a withdrawal is a cause of its own.
        Cause::AtService => referral.attention.is_some() && !silent && referral.recall.is_none(),
        Cause::DeadLetter => matches!(referral.delivery, Delivery::DeadLetter { .. }),
    }
}

/// Consent was withdrawn, and nobody but a person can find out whether the recipient stopped.
fn to_call(referral: &Referral) -> bool {
    referral.recall.as_deref().is_some_and(|recall| {
        recall.confirmed_at.is_none()
            && match recall.way {
                Way::NothingSent => false,
                Way::Person => true,
                Way::Exchange => !recall.is_awaited(),
            }
    })
}

fn business_status(task: &Json) -> Option<&str> {
    let codings = task.get("businessStatus").map_or(&[][..], |status| status.items("coding"));
    codings.iter().find(|coding| coding.text("system") == Some(systems::BUSINESS_STATUS))?.text("code")
}

/// What may be done about a referral with these causes, in the order in which it is offered.
#[must_use]
pub fn acts(referral: &Referral, causes: &[Cause]) -> Vec<Act> {
    if referral.erased.is_some() {
        return Vec::new();
    }
    let ended = referral.sender == SenderState::Cancelled || referral.task_status.is_final();
    let may = |act: &Act| match act {
        // One that is held for want of consent is referred elsewhere under the same want; one whose consent was withdrawn is over.
        Act::ReRefer => referral.recall.is_none() && referral.sender != SenderState::Cancelled,
        Act::Cancel => !ended,
        Act::Release => !ended && referral.recall.is_none(),
        Act::Settle => causes.iter().any(|cause| cause.is_settled_by_word(referral)),
        Act::Answer | Act::RecordCall | Act::Complete | Act::HandOver => true,
    };
    let about = |act: &Act| *act == Act::HandOver || causes.iter().any(|cause| cause.acts().contains(act));
    Act::ALL.into_iter().filter(about).filter(may).collect()
}

/// How the reasons are called with which something is settled by word.
pub const REASONS: [How; 5] = [How::Resolved, How::OtherHelp, How::NotWanted, How::NotReached, How::Other];

/// What a person's word settles of what stands: `None` if there is nothing that it could settle.
#[must_use]
pub fn handled(referral: &Referral, how: How, by: &str, now: OffsetDateTime) -> Option<Handled> {
    let open = |cause: &Cause| stands(*cause, referral) && !is_handled(*cause, referral);
    let settled = Cause::ALL.into_iter().filter(open).filter(|cause| cause.is_settled_by_word(referral));
    let fresh: BTreeMap<String, String> =
        settled.map(|cause| (cause.code().to_owned(), cause.mark(referral))).collect();
    if fresh.is_empty() {
        return None;
    }
    // What was settled before stays so.
    let before = referral.handled.as_deref().map(|handled| handled.causes.clone()).unwrap_or_default();
    Some(Handled { causes: before.into_iter().chain(fresh).collect(), how, by: by.to_owned(), at: now })
}

/// How pressing it is, the most pressing first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Somebody needs more than the service can give, or may be harmed.
    Alarm,
    /// A person has to act today, or the referral is urgent.
    Urgent,
    /// Anything else.
    Usual,
}

impl Group {
    /// All, the most pressing first.
    pub const ALL: [Self; 3] = [Self::Alarm, Self::Urgent, Self::Usual];
}

/// One line of the list, as far as its place goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// How pressing it is.
    pub group: Group,
    /// Since when.
    pub at: OffsetDateTime,
}

/// Where a referral stands in the list: what is urgent first, then by age.
#[must_use]
pub fn rank(referral: &Referral, now: OffsetDateTime) -> Rank {
    let needs = Needs::standing(referral);
    Rank { group: needs.group(now), at: needs.since }
}
