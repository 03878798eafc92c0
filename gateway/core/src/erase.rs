//! Erase: the record of a person goes, when somebody entitled asks for it or its time is over. What is under way stands in
//! the way: a platform that still works on a referral would report on what nobody knows any more.
//!
//! What stays is the skeleton of each referral (names, codes, statuses, times), which counts and to which audit refers.

use crate::accept::audit_line;
use crate::change::{AuditRecord, Change, Check, Removed, Transaction};
use crate::identity::TenantId;
use crate::outbox::{Errand, OutboxRow, OutboxState};
use crate::referral::{Delivery, HoldReason, Referral, Way};
use crate::subject::{Cause, Domain, Erasure, Subject};
use adapter_contract::{SenderMove, TaskStatus};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use time::OffsetDateTime;

/// Everything of one person in one compartment.
pub struct Erasing<'a> {
    /// The customer.
    pub tenant: &'a TenantId,
    /// All referrals of the person, with their outbox rows.
    pub referrals: &'a [(Referral, Vec<OutboxRow>)],
    /// All subjects that stand for the person; only those of what goes are erased.
    pub subjects: &'a BTreeSet<Subject>,
    /// What goes.
    pub domains: &'a [Domain],
    /// Whether somebody takes it on that a recipient which could not be told, or did not answer, may go on.
    pub unconfirmed: bool,
    /// Ids of statements on these referrals that nobody has assigned yet.
    pub parked: &'a [String],
    /// Who asked: `client/<id>` or `gateway`.
    pub author: &'a str,
    /// On what occasion.
    pub cause: Cause,
    /// The row of the table of retention, if it was one.
    pub row: Option<&'a str>,
    /// Now.
    pub now: OffsetDateTime,
}

/// Why a referral cannot be erased yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// It has not ended.
    Open,
    /// Its platform still has to be told something.
    Errand,
    /// Its platform has still to confirm that it stopped.
    Recall,
    /// Its platform could not be told, or did not confirm in time: a person has to call.
    Call,
    /// A service called for help, and nobody has ended the follow-up.
    FollowUp,
    /// It is about somebody else, and would go with what is asked for.
    Shared,
}

impl Waits {
    /// One word.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Errand => "errand",
            Self::Recall => "recall",
            Self::Call => "call",
            Self::FollowUp => "follow-up",
            Self::Shared => "shared",
        }
    }

    /// What it waits for, and what helps.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Open => "The referral has not ended. Cancel it, or withdraw the consent; then erase.",
            Self::Errand => "Its platform still has to be told of the last step. Wait until it has been.",
            Self::Recall => {
                "Its platform has not confirmed yet that it stopped. Wait for that, or for the deadline; then call it."
            }
            Self::Call => {
                "Nobody has confirmed that its recipient stopped. Call it, and record the answer where there is a receipt. \
                 To take it on that it may go on, erase with the parameter `unconfirmed`."
            }
            Self::FollowUp => {
                "A service called for help, and the follow-up is open. Act on it and complete it: afterwards nobody knows any more \
                 whom it was about."
            }
            Self::Shared => {
                "It is about somebody else, and kept under the same key. A Consent that was changed so that it is about \
                 somebody else can be changed back."
            }
        }
    }
}

/// What a referral waits for before it can be erased; `None` if for nothing. Afterwards nobody knows any more whom to call:
/// only a person can take that on (`unconfirmed`).
#[must_use]
pub fn waits(referral: &Referral, outbox: &[OutboxRow], unconfirmed: bool) -> Option<Waits> {
    if referral.erased.is_some() {
        return None;
    }
    if !referral.task_status.is_final() {
        return Some(Waits::Open);
    }
    if referral.open_follow_ups().any(|one| one.cause.is_alarm()) {
        return Some(Waits::FollowUp);
    }
    if referral.recall.as_ref().is_some_and(|recall| recall.is_awaited()) {
        return Some(Waits::Recall);
    }
    let under_way = |row: &OutboxRow| match row.state {
        OutboxState::Leased => true,
        // To read once more, or to tell what was changed, is of no use now.
        OutboxState::Ready => !matches!(row.errand, Errand::Update | Errand::Read | Errand::Chase | Errand::Ask { .. }),
        OutboxState::Held | OutboxState::Done | OutboxState::Dead | OutboxState::Dropped => false,
    };
    if outbox.iter().any(under_way) {
        return Some(Waits::Errand);
    }
    (!unconfirmed && to_call(referral, outbox)).then_some(Waits::Call)
}

/// Whether its recipient may go on, as far as anybody knows, though it was to stop.
fn to_call(referral: &Referral, outbox: &[OutboxRow]) -> bool {
    match referral.recall.as_deref() {
        Some(recall) => recall.confirmed_at.is_none() && recall.way != Way::NothingSent,
        None => {
            let cancelling = Errand::Tell { sender_move: SenderMove::Cancel };
            let stopped = referral.platform_status.is_some_and(TaskStatus::is_final);
            !stopped && outbox.iter().any(|row| row.errand == cancelling && row.state == OutboxState::Dead)
        }
    }
}

/// Erases, or says which referrals are in the way.
///
/// # Errors
/// What is in the way, by reference, and what each waits for.
pub fn erase(from: &Erasing<'_>) -> Result<Transaction, Vec<(String, Waits)>> {
    let waiting: Vec<(String, Waits)> = from
        .referrals
        .iter()
        .filter_map(|(referral, outbox)| {
            Some((format!("Task/{}", referral.task), waits(referral, outbox, from.unconfirmed)?))
        })
        .collect();
    if from.domains.contains(&Domain::Record) && !waiting.is_empty() {
        return Err(waiting);
    }
    let going = || from.subjects.iter().filter(|subject| from.domains.contains(&subject.domain));
    let mut transaction = Transaction::default();
    let detail = json!({
        "cause": from.cause.word(),
        "row": from.row,
        "domains": from.domains.iter().map(|domain| domain.word()).collect::<Vec<_>>(),
        "subjects": going().map(|subject| &subject.id).collect::<BTreeSet<_>>().len(),
        "referrals": from.referrals.len(),
        "unconfirmed": from.referrals.iter().filter(|(referral, outbox)| to_call(referral, outbox)).count(),
    });
    let erasure = Erasure { at: from.now, cause: from.cause };
    if from.domains.contains(&Domain::Record) {
        for (referral, outbox) in from.referrals.iter().filter(|(referral, _)| referral.erased.is_none()) {
            skeleton(&mut transaction, referral, outbox, &erasure);
            transaction.changes.push(audit_line(referral, from.now, from.author, "erased", detail.clone()));
        }
    }
    if transaction.changes.is_empty() {
        transaction.changes.push(line(from, detail));
    }
    transaction.changes.push(Change::Remove(from.parked.iter().cloned().map(Removed::Report).collect()));
    for subject in going() {
        transaction.changes.push(Change::Erase { subject: subject.clone(), erasure: erasure.clone() });
    }
    Ok(transaction)
}

fn line(from: &Erasing<'_>, detail: Value) -> Change {
    Change::Audit(AuditRecord {
        tenant: from.tenant.clone(),
        at: from.now,
        actor: from.author.to_owned(),
        action: "erased".to_owned(),
        referral: None,
        detail,
    })
}

/// What is left of a referral: no words of anybody's, and no errand that could still begin.
fn skeleton(transaction: &mut Transaction, referral: &Referral, outbox: &[OutboxRow], erasure: &Erasure) {
    let mut left = referral.clone();
    left.revision += 1;
    left.erased = Some(erasure.clone());
    (left.conflict, left.attention, left.loss, left.loss_released) = (None, None, None, None);
    left.timers.clear();
    left.follow_ups.iter_mut().for_each(|one| one.ended_at = one.ended_at.or(Some(erasure.at)));
    left.sent = None;
    if let Some(recall) = &mut left.recall {
        recall.words = String::new();
        recall.confirmed_by = None;
    }
    match &mut left.delivery {
        Delivery::DeadLetter { reason } => reason.clear(),
        Delivery::Held { reason } => match reason {
            HoldReason::NoConsent(words)
            | HoldReason::NoRoute(words)
            | HoldReason::NeedsReview(words)
            | HoldReason::Losses(words)
            | HoldReason::Duplicate(words) => words.clear(),
            HoldReason::SenderHold => {}
        },
        Delivery::Queued | Delivery::Delivered { .. } | Delivery::Withdrawn => {}
    }
    transaction.changes.push(Change::PutReferral(Box::new(left)));
    for row in outbox {
        transaction.checks.push(Check::NotLeased { outbox: row.id.clone(), fence: row.fence });
        let state = match row.state {
            OutboxState::Done | OutboxState::Dead | OutboxState::Dropped => row.state,
            OutboxState::Ready | OutboxState::Leased | OutboxState::Held => OutboxState::Dropped,
        };
        let bare =
            OutboxRow { state, carries: None, progress: None, in_flight: None, last_failure: None, ..row.clone() };
        if bare != *row {
            transaction.changes.push(Change::PutOutbox(Box::new(bare)));
        }
    }
}
