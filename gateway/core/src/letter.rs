//! The outcome letter to a practice: what is kept of it, how far it is, and what each answer makes of it.
//!
//! A letter is three resources in the sender's compartment: a `DocumentReference`, and two `Binary`: the PDF, and the very message that is
//! sent at each attempt. They are stored before anything leaves, sealed and erased with the person. How far it is stands on the
//! DocumentReference and, in short, on the Task ([`TASK_EXTENSION`]): each step is a version of both and a line of audit.
//!
//! This module knows neither MESH nor the codes of acknowledgements: whoever reads them says what they mean ([`Answer`]).

mod reference;

pub use reference::{
    AWAITED, DELIVERY, Facts, IN_STATE, NAMED, OF_REFERRAL, TASK_EXTENSION, binary, contents, document, is_ours, read,
    stored,
};

use crate::accept::{audit_line, version_of};
use crate::change::Change;
use crate::consent::Kept;
use crate::identity::GATEWAY_AUTHOR;
use crate::referral::Referral;
use crate::resource::{ResourceKey, WriteMethod};
use crate::task::touched;
use gateway_fhir::Json;
use serde_json::json;
use std::num::NonZeroU32;
use time::OffsetDateTime;

/// How far a letter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Stored; it has not left, or nobody knows yet that it has.
    Made,
    /// The network has it. Whether the practice does is open.
    Sent,
    /// The practice's system has it. Whether the patient is known there is open.
    Received,
    /// The practice's system says that it had the same before, and nothing else.
    AlreadyThere,
    /// The patient is known at the practice: the end of this way. Nobody says that somebody has read it.
    Known,
    /// The practice's system refused it.
    Refused,
    /// The answers contradict each other, or say nothing that is understood.
    Unclear,
    /// The network could not deliver it.
    Undelivered,
    /// Nothing, or not all, was heard in time.
    Unanswered,
    /// It could not be sent.
    NotSent,
    /// It never left, and will not: what it says, or that it is told at all, is not wanted any more.
    Withdrawn,
}

impl State {
    /// Every one.
    pub const ALL: [Self; 11] = [
        Self::Made,
        Self::Sent,
        Self::Received,
        Self::AlreadyThere,
        Self::Known,
        Self::Refused,
        Self::Unclear,
        Self::Undelivered,
        Self::Unanswered,
        Self::NotSent,
        Self::Withdrawn,
    ];

    /// One word, a code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Sent => "sent",
            Self::Received => "received",
            Self::AlreadyThere => "already-there",
            Self::Known => "patient-known",
            Self::Refused => "refused",
            Self::Unclear => "unclear",
            Self::Undelivered => "undelivered",
            Self::Unanswered => "unanswered",
            Self::NotSent => "not-sent",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Reads what [`code`](Self::code) wrote.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// What a reader of the Task is told.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Made => "A letter about the outcome is about to be sent to the practice.",
            Self::Sent => "A letter about the outcome was sent to the practice. Whether it arrived is open.",
            Self::Received => {
                "The practice's system has the letter about the outcome. Whether it knows the patient is open."
            }
            Self::AlreadyThere => "The practice's system had the letter about the outcome before.",
            Self::Known => "The practice's system has the letter about the outcome, and knows the patient.",
            Self::Refused => "The practice's system did not take the letter about the outcome.",
            Self::Unclear => "What the practice's system answers to the letter about the outcome is not clear.",
            Self::Undelivered => "The letter about the outcome could not be delivered to the practice.",
            Self::Unanswered => "The practice's system has not confirmed the letter about the outcome in time.",
            Self::NotSent => "The letter about the outcome could not be sent.",
            Self::Withdrawn => {
                "The letter about the outcome was not sent, as it is not wanted any more as it was written."
            }
        }
    }

    /// Whether an answer is waited for, and missed if it does not come.
    #[must_use]
    pub const fn is_awaited(self) -> bool {
        matches!(self, Self::Sent | Self::Received)
    }

    /// Whether a person has to act.
    #[must_use]
    pub const fn is_trouble(self) -> bool {
        matches!(self, Self::Refused | Self::Unclear | Self::Undelivered | Self::Unanswered | Self::NotSent)
    }

    /// Whether the practice has the letter as far as anybody says.
    #[must_use]
    pub const fn is_well(self) -> bool {
        matches!(self, Self::Known | Self::AlreadyThere)
    }
}

/// One acknowledgement, as it is kept: enough to fold all of them anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The code; empty if it said none, or several.
    pub code: String,
    /// Whether it called itself a success.
    pub ok: bool,
    /// When it was read.
    pub at: OffsetDateTime,
}

/// A letter. It names a person: no `Debug` of its address.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// Logical id of its DocumentReference, which is its sender reference as well.
    pub id: String,
    /// Version of the DocumentReference that was read; 0 before it is stored.
    pub version: u64,
    /// Id of the referral.
    pub referral: String,
    /// 1 for the first; one more for each that replaces one.
    pub number: NonZeroU32,
    /// Digest of what it tells: the same is not written twice.
    pub contents: String,
    /// What the person kept from the practice when it was written: it leaves under no other wish.
    pub kept: Kept,
    /// Logical ids of the PDF and of the message.
    pub binaries: [String; 2],
    /// Identifier of the message, and of the document in it (UUIDs): a later letter names them as replaced.
    pub identifiers: [String; 2],
    /// Every id in the message by which an answer may name it.
    pub message_ids: Vec<String>,
    /// Address and subject under which it goes, the same at each attempt. Patient data.
    pub envelope: [String; 2],
    /// How far it is.
    pub state: State,
    /// The code that decided, where one did.
    pub code: Option<String>,
    /// What the network calls it.
    pub network: Option<String>,
    /// When it first was about to leave, where nobody knows that it did not. Stored before it leaves.
    pub leaving: Option<OffsetDateTime>,
    /// When it was sent.
    pub sent_at: Option<OffsetDateTime>,
    /// Until when all answers are waited for.
    pub due: Option<OffsetDateTime>,
    /// What was answered, in the order in which it was read.
    pub heard: Vec<Heard>,
    /// Ids of the follow-ups that were opened about it.
    pub follow_ups: Vec<String>,
}

impl std::fmt::Debug for Letter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let told = (&self.id, self.number, self.state.code(), &self.code);
        formatter.debug_tuple("Letter").field(&told).finish()
    }
}

/// What is said of a letter, by whoever understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is about to leave: from now on nobody knows whether it did, until something is heard.
    Leaving {
        /// Until when answers are waited for.
        due: OffsetDateTime,
    },
    /// The network says that it has not taken it.
    NotTaken,
    /// It is not to be sent any more.
    Withdrawn,
    /// The network took it.
    Taken {
        /// Its name there.
        network: String,
        /// Until when answers are waited for.
        due: OffsetDateTime,
    },
    /// An acknowledgement, with what all of them now say together.
    Acknowledged {
        /// This one.
        heard: Heard,
        /// What all say.
        state: State,
        /// The code that decides.
        code: Option<String>,
    },
    /// The network could not deliver it.
    Undelivered {
        /// Its code.
        code: String,
    },
    /// The time for answers is over.
    Overdue,
    /// It could not be sent.
    Dead,
}

impl Letter {
    /// Whether it has left: the network said so, or an answer came.
    #[must_use]
    pub const fn is_taken(&self) -> bool {
        self.network.is_some() || !self.heard.is_empty()
    }

    /// Whether an answer is waited for: also of one that may have left without anybody knowing.
    #[must_use]
    pub const fn is_awaited(&self) -> bool {
        self.state.is_awaited() || (matches!(self.state, State::Made) && self.leaving.is_some())
    }

    /// Whether the practice has it or may be about to have it: it left, and nobody has said that it failed.
    #[must_use]
    pub const fn stands(&self) -> bool {
        self.is_taken() && (self.state.is_awaited() || self.state.is_well())
    }

    /// The letter after this answer; `None` if it changes nothing. What the practice said stands against what the network or the clock
    /// says; once the practice knows the patient, only the practice changes it.
    #[must_use]
    pub fn after(&self, answer: &Answer, now: OffsetDateTime) -> Option<Self> {
        let mut next = self.clone();
        match answer {
            Answer::Leaving { due } => {
                if self.is_taken() {
                    return None;
                }
                next.leaving = self.leaving.or(Some(now));
                next.due = Some(*due);
                if matches!(self.state, State::NotSent | State::Unanswered) {
                    next.state = State::Made;
                }
            }
            Answer::NotTaken => {
                if self.is_taken() || self.leaving.is_none() {
                    return None;
                }
                (next.leaving, next.due) = (None, None);
            }
            Answer::Withdrawn => {
                // One that may have left is waited for.
                if self.state != State::Made || self.leaving.is_some() {
                    return None;
                }
                next.state = State::Withdrawn;
            }
            Answer::Taken { network, due } => {
                // An acknowledgement may have overtaken the answer to our own request.
                if self.network.is_some() {
                    return None;
                }
                next.network = Some(network.clone());
                next.sent_at = Some(now);
                next.due = Some(*due);
                if matches!(self.state, State::Made | State::NotSent | State::Withdrawn) {
                    next.state = State::Sent;
                }
            }
            Answer::Acknowledged { heard, state, code } => {
                let known = |one: &Heard| one.code == heard.code && one.ok == heard.ok;
                if self.heard.iter().any(known) {
                    return None;
                }
                next.heard.push(heard.clone());
                (next.state, next.code) = (*state, code.clone());
            }
            Answer::Undelivered { code } => {
                if !self.heard.is_empty() || self.state == State::Undelivered {
                    return None;
                }
                (next.state, next.code) = (State::Undelivered, Some(code.clone()));
            }
            Answer::Overdue => {
                if !self.is_awaited() || self.due.is_none_or(|due| now < due) {
                    return None;
                }
                (next.state, next.code) = (State::Unanswered, None);
            }
            Answer::Dead => {
                if self.state != State::Made {
                    return None;
                }
                next.state = State::NotSent;
            }
        }
        Some(next)
    }
}

/// The next version of a letter's DocumentReference, of which the Task says nothing. `document` is the one that was read.
#[must_use]
pub fn noted(referral: &Referral, (letter, document): (&Letter, &Json), now: OffsetDateTime) -> Change {
    let key = ResourceKey {
        compartment: referral.compartment.clone(),
        kind: "DocumentReference".to_owned(),
        id: letter.id.clone(),
    };
    Change::PutResource(reference::stored(key, letter, reference::with(document, letter), now))
}

/// What is written when a letter has come further: its DocumentReference, what the Task says of it, and a line of audit. The caller commits
/// it with the next revision of the referral. `document` is the DocumentReference as it was read, `task` the sender's Task.
#[must_use]
pub fn moved(
    referral: &Referral,
    (letter, document): (&Letter, &Json),
    task: (u64, &Json),
    now: OffsetDateTime,
) -> Vec<Change> {
    vec![noted(referral, (letter, document), now), shown(referral, letter, task, now), line(referral, letter, now)]
}

/// The Task's next version, which says how far the letter is.
#[must_use]
pub fn shown(referral: &Referral, letter: &Letter, (version, task): (u64, &Json), now: OffsetDateTime) -> Change {
    let mut next = touched(task, now);
    reference::show(&mut next, letter, now);
    let key =
        ResourceKey { compartment: referral.compartment.clone(), kind: "Task".to_owned(), id: referral.task.clone() };
    Change::PutResource(version_of(key, version + 1, next, GATEWAY_AUTHOR, WriteMethod::Put, now, &|_| None))
}

/// A line of audit on a letter.
#[must_use]
pub fn line(referral: &Referral, letter: &Letter, now: OffsetDateTime) -> Change {
    let detail = json!({
        "letter": letter.id,
        "number": letter.number,
        "state": letter.state.code(),
        "code": letter.code,
        "heard": letter.heard.iter().map(|heard| heard.code.as_str()).collect::<Vec<_>>(),
    });
    audit_line(referral, now, GATEWAY_AUTHOR, "letter", detail)
}

/// Whether two versions of a Task differ in nothing but what is said of a letter: no letter follows from that.
#[must_use]
pub fn differ_in_letter_alone(one: &Json, other: &Json) -> bool {
    let bare = |task: &Json| {
        let mut task = task.clone();
        for name in ["meta", "lastModified"] {
            task.remove(name);
        }
        let rest: Vec<Json> = task.items("extension").iter().filter(|extension| !is_ours(extension)).cloned().collect();
        task.remove("extension");
        if !rest.is_empty() {
            task.set("extension", Json::Array(rest));
        }
        task
    };
    bare(one) == bare(other)
}

#[cfg(test)]
mod tests;
