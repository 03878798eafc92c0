//! What an organisation can say of a referral at a moment, and what each answer needs.

use super::pages::Mistake;
use crate::http::pages::form::Form;
use adapter_contract::{Says, TaskStatus};
use gateway_core::referral::{Referral, SenderState};
use gateway_core::unanswered::has_gone_back;

/// The answers, each with a page of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Accept,
    Decline,
    Ask,
    Attended,
    DidNotAttend,
    Finished,
    NeedsMore,
}

/// Reasons why a referral is declined, as they are read.
pub(super) const REASONS: [(Says, &str); 7] = [
    (Says::DeclineNoCapacity, "We have no room at the moment"),
    (Says::DeclineNotRightService, "We are not the right service for this person"),
    (Says::DeclineNeedsNotMet, "The person needs more specialist support, or we cannot meet their needs yet"),
    (Says::DeclinePersonDeclined, "The person does not want this"),
    (Says::DeclineNoContact, "We could not reach the person"),
    (Says::DeclineOutsideArea, "The person lives outside our area"),
    (Says::DeclineOther, "Another reason"),
];

/// How a referral ended, as it is read.
pub(super) const OUTCOMES: [(Says, &str); 3] = [
    (Says::FinishedHelped, "We helped the person"),
    (Says::FinishedNotHelped, "We could not help the person"),
    (Says::FinishedLeftEarly, "The person left before the end"),
];

/// What worries an organisation, as it is read.
pub(super) const CONCERNS: [(Says, &str); 3] = [
    (Says::NeedsMoreMentalHealth, "Their mental health is getting worse"),
    (Says::NeedsMoreSafeguarding, "They or somebody else may be harmed (a safeguarding concern)"),
    (Says::NeedsMoreOther, "They need other help that we cannot give"),
];

/// Whether somebody has to act today: the values of its field, and as they are read.
pub(super) const TODAY: [(&str, &str); 2] =
    [("yes", "Yes, somebody has to act today"), ("no", "No, it can be in the next days")];

impl Kind {
    const ALL: [Self; 7] =
        [Self::Accept, Self::Decline, Self::Ask, Self::Attended, Self::DidNotAttend, Self::Finished, Self::NeedsMore];

    /// Its word in addresses.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Decline => "decline",
            Self::Ask => "ask",
            Self::Attended => "attended",
            Self::DidNotAttend => "did-not-attend",
            Self::Finished => "finished",
            Self::NeedsMore => "needs-more",
        }
    }

    /// What this word names.
    pub(super) fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Heading of its page, and what leads there.
    pub(super) const fn heading(self) -> &'static str {
        match self {
            Self::Accept => "Accept the referral",
            Self::Decline => "Decline the referral",
            Self::Ask => "Ask a question",
            Self::Attended => "Tell us that the person came",
            Self::DidNotAttend => "Tell us that the person did not come",
            Self::Finished => "Tell us that your support has ended",
            Self::NeedsMore => "This person needs more help than we can give",
        }
    }

    /// Field and choices, where one is chosen.
    pub(super) const fn choices(self) -> Option<(&'static str, &'static [(Says, &'static str)])> {
        match self {
            Self::Decline => Some(("reason", &REASONS)),
            Self::Finished => Some(("outcome", &OUTCOMES)),
            Self::NeedsMore => Some(("concern", &CONCERNS)),
            Self::Accept | Self::Ask | Self::Attended | Self::DidNotAttend => None,
        }
    }

    /// Whether something can be written.
    pub(super) const fn has_words(self) -> bool {
        matches!(self, Self::Decline | Self::Ask | Self::Finished | Self::NeedsMore)
    }
}

/// What can be said of a referral as it stands, in the order in which it is offered. That the person needs more can always be said:
/// it is worth a person's day even of a referral that has ended.
pub(super) fn offered(referral: &Referral) -> &'static [Kind] {
    use Kind::{Accept, Ask, Attended, Decline, DidNotAttend, Finished, NeedsMore};
    if has_gone_back(referral) || referral.sender != SenderState::Active {
        return &[NeedsMore];
    }
    match referral.task_status {
        TaskStatus::Requested | TaskStatus::Received => &[Accept, Decline, Ask, NeedsMore],
        TaskStatus::Accepted => &[Attended, DidNotAttend, Finished, Ask, Decline, NeedsMore],
        // Who asked before taking it on takes it on afterwards.
        TaskStatus::OnHold => &[Accept, Attended, DidNotAttend, Finished, Ask, Decline, NeedsMore],
        TaskStatus::Ready | TaskStatus::InProgress => &[Attended, DidNotAttend, Finished, Ask, NeedsMore],
        TaskStatus::Rejected | TaskStatus::Cancelled | TaskStatus::Failed | TaskStatus::Completed => &[NeedsMore],
        TaskStatus::Draft | TaskStatus::EnteredInError => &[],
    }
}

/// What a form says.
pub(super) struct Said {
    pub(super) says: Says,
    /// Whether somebody has to act today, where that is asked.
    pub(super) today: Option<bool>,
    pub(super) words: Option<String>,
}

/// What a form says, with its words; or what has to be put right.
pub(super) fn said(kind: Kind, form: &Form, most: usize) -> Result<Said, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let says = match kind {
        Kind::Accept => Some(Says::Accept),
        Kind::Ask => Some(Says::Question),
        Kind::Attended => Some(Says::Attended),
        Kind::DidNotAttend => Some(Says::DidNotAttend),
        Kind::Decline => chosen("reason", "Choose why you decline the referral", &REASONS, form, &mut mistakes),
        Kind::Finished => chosen("outcome", "Choose how your support ended", &OUTCOMES, form, &mut mistakes),
        Kind::NeedsMore => chosen("concern", "Choose what worries you", &CONCERNS, form, &mut mistakes),
    };
    let today = match (kind, form.field("today")) {
        (Kind::NeedsMore, "yes") => Some(true),
        (Kind::NeedsMore, "no") => Some(false),
        (Kind::NeedsMore, _) => {
            let words = "Choose whether somebody has to act today".to_owned();
            mistakes.push(Mistake { field: "today", words });
            None
        }
        _ => None,
    };
    let words = if kind.has_words() { form.words("words") } else { String::new() };
    let needed = match says {
        Some(Says::Question) => Some("Write your question"),
        Some(Says::DeclineOther) => Some("Write why you decline the referral"),
        _ if kind == Kind::NeedsMore => Some("Write what worries you"),
        Some(Says::DeclineNeedsNotMet) => Some("Write what would help you to meet this person's needs"),
        _ => None,
    };
    if let Some(needed) = needed.filter(|_| words.is_empty()) {
        mistakes.push(Mistake { field: "words", words: needed.to_owned() });
    }
    let long = words.chars().count();
    if long > most {
        let words = format!("Write {most} characters or fewer: there are {long}");
        mistakes.push(Mistake { field: "words", words });
    }
    match says.filter(|_| mistakes.is_empty()) {
        Some(says) => Ok(Said { says, today, words: (!words.is_empty()).then_some(words) }),
        None => Err(mistakes),
    }
}

fn chosen(
    field: &'static str,
    needed: &str,
    choices: &[(Says, &str)],
    form: &Form,
    mistakes: &mut Vec<Mistake>,
) -> Option<Says> {
    let says = Says::named(form.field(field)).filter(|says| choices.iter().any(|(choice, _)| choice == says));
    if says.is_none() {
        mistakes.push(Mistake { field, words: needed.to_owned() });
    }
    says
}
