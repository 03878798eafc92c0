//! What has to be sent: outbox rows, their leases, and the attempts made on them.

use crate::change::{Change, Check, Transaction};
use crate::fair::{Class, Turn};
use crate::identity::{PlatformId, TenantId};
use crate::referral::ReferralId;
use adapter_contract::{Ask, DeliveryError, Descriptor, PlatformReferralId, Progress, Repeat, SenderMove};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Attempts of one row that may end with their process before the row is set aside: an item that kills its worker must not
/// do so for ever.
pub const POISON_ATTEMPTS: u32 = 20;

/// One thing to be done at a platform for one referral. Done in the order of their sequence within a referral.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxRow {
    /// Its name.
    pub id: String,
    /// The customer.
    pub tenant: TenantId,
    /// Whose errand.
    pub referral: ReferralId,
    /// Where it goes.
    pub platform: PlatformId,
    /// What is to be done.
    pub errand: Errand,
    /// What is read, where that is not the name that the referral has at its platform now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<PlatformReferralId>,
    /// Place among the errands of this referral, from 1; 0 = in no order: it neither waits for others nor are they kept
    /// waiting by it.
    pub sequence: u32,
    /// From when on it goes before others at its platform; absent = never.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub urgent: Option<OffsetDateTime>,
    /// How far it is.
    pub state: OutboxState,
    /// Attempts begun; counted before each is made.
    pub attempts: u32,
    /// A request of it has reached its platform, or may have: to try it again is a repetition, of which there is a
    /// [budget](crate::budget).
    #[serde(default)]
    pub tried: bool,
    /// Attempts that ended with their process and may be why it ended, since a person last set it going.
    #[serde(default)]
    pub died: u32,
    /// Its attempt was begun when nothing else was under way at its platform: if its process dies, it may be why. While it waits
    /// to be asked for after a death it stays set: it is taken up [alone](Claimed::suspect) again.
    #[serde(default)]
    pub alone: bool,
    /// Not to be tried before.
    #[serde(with = "time::serde::rfc3339")]
    pub not_before: OffsetDateTime,
    /// Not to be tried after: it then becomes a dead letter.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// Grows with each claim; only the holder of the newest may write.
    pub fence: u64,
    /// What its exchange sends of the referral, as [`amend::content`](crate::amend::content) says it; absent until something may have
    /// left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carries: Option<String>,
    /// Where a multi-step exchange stands.
    pub progress: Option<Progress>,
    /// Set before a request leaves, cleared with its answer: if it is found set, nobody knows whether it arrived.
    pub in_flight: Option<Repeat>,
    /// The last attempt's failure.
    pub last_failure: Option<DeliveryError>,
}

impl OutboxRow {
    /// True if it has ended with its process as often as it may: once it has done so again, it is set aside.
    #[must_use]
    pub const fn is_poison(&self) -> bool {
        self.died >= POISON_ATTEMPTS
    }

    /// When it is due as urgent, where it is due at all at this time; `None` = never.
    #[must_use]
    pub fn urgent_due(&self, due: OffsetDateTime) -> Option<OffsetDateTime> {
        self.urgent.map(|urgent| urgent.max(due))
    }

    /// The row as it is put back from a copy of the store. What happened after the copy is not in it: a referral that waits
    /// here may be at its platform by now, so the platform is asked before anything is sent, and where it cannot be asked a
    /// person is. What was keyed can be sent again. Whoever held a lease then holds none now.
    #[must_use]
    pub fn restored(&self, now: OffsetDateTime) -> Self {
        if matches!(self.state, OutboxState::Done | OutboxState::Dropped) {
            return self.clone();
        }
        let was_leased = self.state == OutboxState::Leased;
        let mut row = self.clone();
        if was_leased {
            (row.state, row.not_before) = (OutboxState::Ready, now);
        }
        if self.errand == Errand::Submit {
            let in_flight = self.in_flight.filter(|repeat| *repeat == Repeat::Keyed);
            row.in_flight = Some(in_flight.unwrap_or(Repeat::LookUpFirst));
            // Nobody can say any more that no attempt was made.
            row.attempts = self.attempts.max(1);
        }
        row
    }
}

/// What is to be done at the platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Errand {
    /// Give it the referral.
    Submit,
    /// Give it what the sender has made of the referral since.
    Update,
    /// Tell it of the sender's move.
    Tell {
        /// What the sender did.
        sender_move: SenderMove,
    },
    /// Read one referral's status, because the platform said that it changed.
    Read,
    /// Nothing at the platform: once a recall's deadline has passed, a person is told.
    Chase,
    /// Ask its organisation by mail for word, with a status link.
    Ask {
        /// Why.
        why: Ask,
        /// Counts the mails of this kind, from 1.
        number: u32,
    },
}

impl Errand {
    /// True if it asks the platform to work no longer for the person: nothing is more urgent.
    #[must_use]
    pub const fn stops(&self) -> bool {
        matches!(self, Self::Tell { sender_move: SenderMove::Cancel | SenderMove::Hold })
    }

    /// One word for lists.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Update => "update",
            Self::Tell { .. } => "tell",
            Self::Read => "read",
            Self::Chase => "chase",
            Self::Ask { .. } => "ask",
        }
    }
}

/// How far an outbox row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutboxState {
    /// Waits for its time.
    Ready,
    /// Somebody holds a lease on it.
    Leased,
    /// Waits for a person or for the sender.
    Held,
    /// Done.
    Done,
    /// Cannot go on by itself.
    Dead,
    /// No longer wanted; nothing was sent.
    Dropped,
}

impl OutboxState {
    /// One word, as the store keeps it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Held => "held",
            Self::Done => "done",
            Self::Dead => "dead",
            Self::Dropped => "dropped",
        }
    }

    /// Whether the state of this [word](Self::word) [blocks](Self::blocks).
    #[must_use]
    pub fn is_blocking(word: &str) -> bool {
        [Self::Ready, Self::Leased, Self::Held, Self::Dead].iter().any(|state| state.word() == word)
    }

    /// True while later errands of the same referral have to wait for this one.
    #[must_use]
    pub const fn blocks(self) -> bool {
        matches!(self, Self::Ready | Self::Leased | Self::Held | Self::Dead)
    }
}

/// What a worker asks of the store.
#[derive(Debug, Clone)]
pub struct ClaimRequest {
    /// Only rows of this platform.
    pub platform: PlatformId,
    /// Now.
    pub now: OffsetDateTime,
    /// Rows that have been due by this time, or whose lease had run out by it.
    pub due_by: OffsetDateTime,
    /// The lease ends then.
    pub lease_until: OffsetDateTime,
    /// At most so many.
    pub limit: u32,
    /// Only rows whose holder is gone, the oldest first, in nobody's turn. Whoever asks for them makes one attempt at a time.
    pub interrupted: bool,
    /// Only rows that are due as urgent.
    pub urgent: bool,
    /// Who went last: the rows go in [fair turns](crate::fair).
    pub turn: Turn,
    /// The fence under which the claimer holds the lane of these platforms: refused unless it is the newest. Absent = whoever
    /// holds the lane.
    pub lane: Option<u64>,
    /// What the attempts that this begins will translate with.
    pub adapter: Option<AdapterVersion>,
}

impl ClaimRequest {
    /// Which rows are looked for, in turns of which class.
    #[must_use]
    pub const fn classes(&self) -> &'static [Class] {
        if self.urgent { &[Class::Urgent] } else { &[Class::Urgent, Class::Any] }
    }

    /// Leases a row: what is then ours, and the attempt that begins with it, if one may still be made.
    #[must_use]
    pub fn lease(&self, mut row: OutboxRow, class: Class) -> (Claimed, Option<Attempt>) {
        let interrupted = row.state == OutboxState::Leased;
        let suspect = !interrupted && row.alone;
        row.state = OutboxState::Leased;
        row.fence += 1;
        // What died among others is tried alone before it is blamed: an instance that is killed takes all of them along. Past the
        // limit no attempt was begun that could have died.
        if interrupted && !row.is_poison() && (row.alone || !self.interrupted) {
            row.died = row.died.saturating_add(1);
        }
        row.alone = self.interrupted;
        if interrupted && row.is_poison() {
            // No attempt is begun: whoever claims it sets it aside, however often the process dies before it has.
            return (Claimed { row, interrupted, suspect, class }, None);
        }
        row.attempts += 1;
        let attempt = Attempt {
            outbox: row.id.clone(),
            number: row.attempts,
            started: self.now,
            finished: None,
            outcome: None,
            failure: None,
            adapter: self.adapter.clone(),
        };
        (Claimed { row, interrupted, suspect, class }, Some(attempt))
    }
}

/// Names an adapter exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterVersion {
    /// Its name.
    pub name: String,
    /// Its version; for an adapter that is a folder of files it holds their hash.
    pub version: String,
}

impl AdapterVersion {
    /// As an adapter says it of itself.
    #[must_use]
    pub fn of(descriptor: &Descriptor) -> Self {
        Self { name: descriptor.name.clone(), version: descriptor.version.clone() }
    }
}

/// A row that is now ours, with the attempt that the claim counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The row, already leased: its fence is the one to write with.
    pub row: OutboxRow,
    /// True if another holder's lease ran out: its attempt ended nobody knows how.
    pub interrupted: bool,
    /// True if it died with its process and has come to no end since, because its platform was given time before it is asked: it is
    /// made alone, and [marked](Self::made_alone) so. Among others it would die again and never be blamed, without end.
    pub suspect: bool,
    /// In which turn it went.
    pub class: Class,
}

impl Claimed {
    /// Says that it is made alone, before it is begun. From there on its row says so too.
    #[must_use]
    pub fn made_alone(&mut self) -> Transaction {
        self.row.alone = true;
        let held = Check::LeaseHeld { outbox: self.row.id.clone(), fence: self.row.fence };
        Transaction { checks: vec![held], changes: vec![Change::PutOutbox(Box::new(self.row.clone()))] }
    }
}

/// One attempt's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Which row.
    pub outbox: String,
    /// From 1.
    pub number: u32,
    /// When it was claimed.
    #[serde(with = "time::serde::rfc3339")]
    pub started: OffsetDateTime,
    /// When it ended; absent while it runs, or if the process died.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished: Option<OffsetDateTime>,
    /// `acknowledged`, `transient`, `ambiguous`, `permanent`, `withheld`, `interrupted`.
    pub outcome: Option<String>,
    /// Why it failed.
    pub failure: Option<DeliveryError>,
    /// What translated; absent for attempts of a gateway that did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<AdapterVersion>,
}
