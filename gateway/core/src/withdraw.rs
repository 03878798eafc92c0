//! Withdraw: a Consent was changed so that it no longer covers a recipient (rule R11). What has not started is stopped,
//! what may have left is recalled, in the transaction of the Consent's new version; and a receipt is kept of what the
//! recipient was asked and whether it confirmed.
//!
//! A recall says "stop" and nothing else of the person, so it needs no consent. Until the recipient confirms, or the
//! deadline passes and a person is told, its statements are read for that confirmation alone: what else they say is
//! neither kept nor shown.

mod called;
mod receipt;

pub use called::{Called, called, record_call};
pub use receipt::{BUSINESS_STATUS, EXTENSION, is_receipt, strip};
pub(crate) use receipt::{confirmed, confirmed_by_phone, for_a_person, had_it_after_all, nothing_there, overdue, told};

use crate::accept::{audit_line, decision_detail, new_row, version_of};
use crate::align::service_request_follows;
use crate::amend;
use crate::change::{Change, Check, Transaction};
use crate::consent::{Decision, Reason, Stage, Verdict, stored_name};
use crate::deliver::maybe_sent;
use crate::identity::GATEWAY_AUTHOR;
use crate::outbox::{Errand, OutboxRow, OutboxState};
use crate::referral::{Delivery, HoldReason, Recall, Referral, SenderState, Way};
use crate::resource::WriteMethod;
use crate::retry::Schedule;
use crate::task::{TaskMove, derived_id, moved, touched};
use adapter_contract::{Capabilities, SenderMove, TaskStatus};
use gateway_fhir::{Json, instant};
use receipt::{CALL, chase, sentence, task_key, with_receipt};
use serde_json::json;
use time::{Duration, OffsetDateTime};

/// One referral of a person of whom a Consent is being written.
pub struct Withdrawal<'a> {
    /// The referral as it stands.
    pub referral: &'a Referral,
    /// Version and document of the sender's Task.
    pub task: (u64, &'a Json),
    /// Version and document of the sender's ServiceRequest.
    pub service_request: (u64, &'a Json),
    /// Its outbox rows.
    pub outbox: &'a [OutboxRow],
    /// What its platform lets us do; absent if it is not configured any more.
    pub capabilities: Option<Capabilities>,
    /// What was decided with the Consents as they stand.
    pub before: &'a Decision,
    /// What is decided with the new version.
    pub after: &'a Decision,
    /// Who writes the Consent.
    pub author: &'a str,
    /// When the platform answered a cancellation that the sender had sent before, if it did.
    pub told: Option<OffsetDateTime>,
    /// How long the platform has to confirm a recall.
    pub within: Duration,
    /// When attempts are made.
    pub schedule: &'a Schedule,
    /// Now.
    pub now: OffsetDateTime,
}

/// Whether a deny says that nobody permits this recipient. The others are about what cannot be read or resolved, or of a
/// recipient whom a Consent still permits, about the person or single elements: they stop what would leave, and a person
/// looks, but nothing is taken back for them.
#[must_use]
pub fn ends_consent(decision: &Decision) -> bool {
    let other =
        matches!(decision.reason, Reason::Indeterminate | Reason::Unresolved | Reason::Deceased | Reason::NotYet);
    decision.verdict == Verdict::Deny && !decision.consented && !other
}

/// Whether what is written takes from the recipient what it had. What had lapsed by itself, and what a recipient had without
/// a Consent, ends by a refusal or a withdrawal alone: a Consent for somebody else takes nothing from anybody.
#[must_use]
pub fn takes_away(before: &Decision, after: &Decision) -> bool {
    let refusal = matches!(
        after.reason,
        Reason::Refused
            | Reason::Conflict
            | Reason::Disputed
            | Reason::Withdrawn
            | Reason::Modifier
            | Reason::AmbiguousBase
            | Reason::AmbiguousNesting
    );
    let rested_on_none = before.reason == Reason::Implied || ends_consent(before);
    ends_consent(after) && (!rested_on_none || (refusal && before.reason != after.reason))
}

/// What was done to consent while an override stood in its place: it is looked at when the override ends.
pub const UNDER_OVERRIDE: [&str; 2] = ["consent-withdrawn-under-override", "consent-given-under-override"];

/// The line of audit about consent without the override that holds: what was taken from a recipient, or given to it again.
/// `None` if neither.
#[must_use]
pub fn under_override(
    referral: &Referral,
    (before, after): (&Decision, &Decision),
    author: &str,
    now: OffsetDateTime,
) -> Option<Change> {
    let [withdrawn, given] = UNDER_OVERRIDE;
    let action = if takes_away(before, after) {
        withdrawn
    } else if ends_consent(before) && after.verdict != Verdict::Deny {
        given
    } else {
        return None;
    };
    Some(audit_line(referral, now, author, action, json!({ "consent": decision_detail(after, Stage::Relay) })))
}

/// Stops or recalls a referral that consent no longer covers; `None` if nothing of it is to be stopped.
#[must_use]
pub fn withdraw(from: &Withdrawal<'_>) -> Option<Transaction> {
    let standing = from.referral;
    if standing.recall.is_some() || !takes_away(from.before, from.after) {
        return None;
    }
    let delivered = matches!(standing.delivery, Delivery::Delivered { .. });
    let submissions = || from.outbox.iter().filter(|row| row.errand == Errand::Submit);
    // A leased row may be leaving this very moment: its worker finds out, and tells.
    let had_it = standing.replacing.is_some() || !standing.former.is_empty();
    let left = delivered || had_it || submissions().any(|row| row.state == OutboxState::Leased || maybe_sent(row));
    let over = if standing.sender == SenderState::Cancelled {
        // What the sender ended, the recipient may hold: it owes an answer to the person, too, unless it gave one.
        !left || standing.platform_status.is_some_and(TaskStatus::is_final)
    } else {
        standing.task_status.is_final() || standing.delivery == Delivery::Withdrawn
    };
    if over {
        return None;
    }
    let waits_for_consent = matches!(standing.delivery, Delivery::Held { reason: HoldReason::NoConsent(_) });
    if !left && waits_for_consent && from.before.verdict == Verdict::Deny {
        // It waits for a Consent that covers it, and goes on waiting.
        return None;
    }
    Some(Stop { from, referral: standing.clone(), transaction: Transaction::default() }.run(left))
}

/// The transaction while it grows.
struct Stop<'a> {
    from: &'a Withdrawal<'a>,
    referral: Referral,
    transaction: Transaction,
}

impl Stop<'_> {
    fn run(mut self, left: bool) -> Transaction {
        let from = self.from;
        let senders = self.referral.sender == SenderState::Cancelled;
        if !senders {
            self.referral.sender = SenderState::Cancelled;
            self.referral.task_status = TaskStatus::Cancelled;
        }
        let way = if left { self.recall() } else { self.stop() };
        let awaited = way == Way::Exchange;
        let decisive = from.after.decisive.as_ref();
        self.referral.recall = Some(Box::new(Recall {
            consent: decisive.map(|(id, version)| format!("Consent/{id}/_history/{version}")),
            reason: from.after.reason.code().to_owned(),
            words: from.after.words(&stored_name),
            asked_at: from.now,
            way,
            deadline: awaited.then(|| from.now + from.within),
            told_at: from.told.filter(|_| awaited),
            confirmed_at: None,
            confirmed_by: None,
            overdue_at: None,
        }));
        if awaited {
            let row = chase(&self.referral, from.schedule);
            self.transaction.changes.extend(row.map(|row| Change::PutOutbox(Box::new(row))));
        }
        if way == Way::Person {
            self.referral.attention = Some(CALL.to_owned());
        }
        let next = with_receipt(self.ended(senders), &self.referral);
        let key = task_key(&self.referral);
        let next = version_of(key, from.task.0 + 1, next, GATEWAY_AUTHOR, WriteMethod::Put, from.now, &|_| None);
        self.transaction.changes.push(Change::PutResource(next));
        let follows = service_request_follows(
            &self.referral.compartment,
            &self.referral.service_request,
            from.service_request,
            self.referral.task_status,
            from.now,
        );
        self.transaction.changes.extend(follows.map(Change::PutResource));
        let detail = json!({
            "way": way.word(),
            "deadline": self.referral.recall.as_ref().and_then(|recall| recall.deadline).map(instant::to_instant),
            "consent": decision_detail(from.after, Stage::Relay),
        });
        let line = audit_line(&self.referral, from.now, from.author, "consent-withdrawn", detail);
        self.transaction.changes.push(line);
        self.referral.revision += 1;
        self.transaction.changes.push(Change::PutReferral(Box::new(self.referral)));
        self.transaction
    }

    /// The Task as it ends. Where its sender had ended it, the status stays, and so do the sender's words.
    fn ended(&self, senders: bool) -> Json {
        let from = self.from;
        let worded = from.task.1.get("statusReason").is_some();
        if senders && (worded || self.referral.task_status != TaskStatus::Cancelled) {
            return touched(from.task.1, from.now);
        }
        let step = TaskMove {
            status: Some(self.referral.task_status),
            business_status: Some(BUSINESS_STATUS.to_owned()),
            reason: self.referral.recall.as_deref().map(sentence),
            ..TaskMove::default()
        };
        moved(from.task.1, &step, from.now)
    }

    /// Nothing left: nothing will.
    fn stop(&mut self) -> Way {
        for row in self.from.outbox.iter().filter(|row| row.state.blocks()) {
            self.replace(OutboxRow { state: OutboxState::Dropped, ..row.clone() }, row);
        }
        self.referral.delivery = Delivery::Withdrawn;
        Way::NothingSent
    }

    /// Something may have left: the worker finds out what the platform has, at once, and tells it to stop.
    fn recall(&mut self) -> Way {
        let from = self.from;
        let movable = from.outbox.iter().filter(|row| row.state.blocks() && row.state != OutboxState::Leased);
        for row in movable {
            match row.errand {
                // What the platform was to be told has been overtaken, and nothing more is read for its own sake.
                Errand::Read
                | Errand::Update
                | Errand::Chase
                | Errand::Ask { .. }
                | Errand::Tell { sender_move: SenderMove::Hold | SenderMove::Release } => {
                    self.replace(OutboxRow { state: OutboxState::Dropped, ..row.clone() }, row);
                }
                Errand::Submit | Errand::Tell { sender_move: SenderMove::Cancel } => {
                    let expires_at = from.schedule.expires_at(from.now);
                    let again =
                        OutboxRow { state: OutboxState::Ready, not_before: from.now, expires_at, ..row.clone() };
                    self.replace(again, row);
                    if row.errand == Errand::Submit {
                        self.referral.delivery = Delivery::Queued;
                    }
                }
            }
        }
        // What was to be sent anew stands there as it was: nobody has confirmed that it ended.
        if from.outbox.iter().all(|row| row.errand != Errand::Update || row.state != OutboxState::Leased) {
            amend::put_back(&mut self.referral);
        }
        // What was withdrawn half-way has no name at the platform by which it could be told.
        if self.referral.delivery == Delivery::Withdrawn || !from.capabilities.is_some_and(|can| can.cancel) {
            return Way::Person;
        }
        // A platform that was told, or will be, is not told twice.
        let cancelling = Errand::Tell { sender_move: SenderMove::Cancel };
        if from.outbox.iter().any(|row| row.errand == cancelling && row.state != OutboxState::Dropped) {
            return Way::Exchange;
        }
        let id = derived_id(&[&self.referral.key.0, "recall"]);
        let sequence = from.outbox.iter().map(|row| row.sequence).max().unwrap_or(0) + 1;
        let errand = Errand::Tell { sender_move: SenderMove::Cancel };
        let row = new_row(&self.referral, id, errand, sequence, from.now, from.schedule);
        self.transaction.changes.extend(row.map(|row| Change::PutOutbox(Box::new(row))));
        Way::Exchange
    }

    fn replace(&mut self, next: OutboxRow, row: &OutboxRow) {
        self.transaction.checks.push(Check::NotLeased { outbox: row.id.clone(), fence: row.fence });
        self.transaction.changes.push(Change::PutOutbox(Box::new(next)));
    }
}
