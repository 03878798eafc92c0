//! An attempt that consent does not permit.

use super::{Job, attempt, decided, finish_row, hold, lease, next_task, read_done};
use crate::accept::held_by;
use crate::align::not_shown;
use crate::change::{Change, Transaction};
use crate::consent::{Decision, stored_name};
use crate::outbox::{Errand, OutboxState};
use crate::referral::SenderState;
use crate::task::TaskMove;
use adapter_contract::TaskStatus;

/// Consent does not permit this attempt.
pub(super) fn withhold(job: &Job<'_>, consent: &Decision) -> Transaction {
    if job.row.errand == Errand::Read {
        let mut transaction = read_done(job, &[], &mut String::new);
        let mut referral = job.referral.clone();
        transaction.changes.push(decided(job, consent));
        transaction.changes.extend(not_shown(&mut referral, job.task, consent, job.now));
        referral.revision += 1;
        transaction.changes.push(Change::PutReferral(Box::new(referral)));
        return transaction;
    }
    let mut transaction = hold(job, held_by(consent, &stored_name), None);
    transaction.changes.push(decided(job, consent));
    transaction
}

/// Consent does not permit that the platform goes on: it stays paused, as the sender had it, until the sender moves it on
/// again.
pub(super) fn stay_paused(job: &Job<'_>, consent: &Decision) -> Transaction {
    let mut referral = job.referral.clone();
    let mut changes = vec![finish_row(job, OutboxState::Dropped, None), attempt(job, "withheld", None)];
    changes.push(decided(job, consent));
    if referral.sender == SenderState::Active && !referral.task_status.is_final() {
        referral.sender = SenderState::Held;
        referral.task_status = TaskStatus::OnHold;
        let step = TaskMove {
            status: Some(TaskStatus::OnHold),
            business_status: Some("on-hold".to_owned()),
            reason: Some(format!("The platform has not been told to go on: {}", consent.words(&stored_name))),
            ..TaskMove::default()
        };
        changes.push(Change::PutResource(next_task(job, &step)));
    }
    referral.revision += 1;
    changes.push(Change::PutReferral(Box::new(referral)));
    Transaction { checks: vec![lease(job)], changes }
}
