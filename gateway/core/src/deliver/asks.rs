//! Asking an organisation for word by mail: when it is done, when it is no longer wanted, and what its end means. Whatever becomes of
//! it, the referral stays delivered.

use super::{Job, Plan, attempt, decided, finish_row, lease};
use crate::accept::{audit_line, new_row};
use crate::change::{Change, Transaction};
use crate::classify;
use crate::consent::{Decision, Verdict};
use crate::identity::GATEWAY_AUTHOR;
use crate::outbox::{Errand, OutboxState};
use crate::referral::Referral;
use crate::status_link::{IN_VAIN, may_be_asked};
use adapter_contract::{Ask, DeliveryError};
use serde_json::json;
use time::OffsetDateTime;

/// Nobody is asked once the referral, its sender or consent stand against it: the errand is dropped, and nobody need be told.
pub(super) fn plan(job: &Job<'_>, why: Ask, consent: &Decision) -> Plan {
    let permitted = consent.verdict == Verdict::Permit;
    if job.asks.is_some() && permitted && may_be_asked(job.referral, why) {
        return Plan::Run(job.row.progress.clone());
    }
    let mut changes = vec![finish_row(job, OutboxState::Dropped, None), attempt(job, "withheld", None)];
    changes.extend((!permitted).then(|| decided(job, consent)));
    Plan::Stop(Box::new(Transaction { checks: vec![lease(job)], changes }))
}

/// When the organisation is reminded: before its time to answer is over.
pub(super) fn reminders(job: &Job<'_>, due: Option<OffsetDateTime>) -> Vec<OffsetDateTime> {
    let asks = job.asks.map(|asks| asks.reminders).unwrap_or_default();
    let times = asks.iter().map(|after| job.now + *after);
    times.filter(|at| due.is_some_and(|due| *at < due)).collect()
}

/// The first letter to an organisation that has the referral by another way.
pub(super) fn first(job: &Job<'_>, referral: &Referral, new_id: &mut dyn FnMut() -> String) -> Option<Change> {
    let companion = job.asks.is_some_and(|asks| asks.companion);
    if !companion || job.row.errand != Errand::Submit || !may_be_asked(referral, Ask::First) {
        return None;
    }
    let errand = Errand::Ask { why: Ask::First, number: 1 };
    let row = new_row(referral, new_id(), errand, 0, job.now, job.schedule)?;
    Some(Change::PutOutbox(Box::new(row)))
}

/// The mail that asks has left.
#[must_use]
pub fn asked(job: &Job<'_>) -> Transaction {
    let mut changes = vec![finish_row(job, OutboxState::Done, None), attempt(job, "acknowledged", None)];
    let mut detail = json!({ "attempt": job.row.attempts, "platform": job.row.platform.0 });
    if let Errand::Ask { why, number } = &job.row.errand {
        (detail["why"], detail["number"]) = (json!(why), json!(number));
    }
    changes.push(audit_line(job.referral, job.now, GATEWAY_AUTHOR, "ask", detail));
    // Whoever could not be asked before, was now.
    if job.referral.attention.as_deref().is_some_and(|words| words.starts_with(IN_VAIN)) {
        let mut referral = job.referral.clone();
        referral.attention = None;
        referral.revision += 1;
        changes.push(Change::PutReferral(Box::new(referral)));
    }
    Transaction { checks: vec![lease(job)], changes }
}

/// It could not be asked within the time for that. A person is told, who may ask in another way; the deadline for an answer stands.
pub(super) fn in_vain(job: &Job<'_>, (why, number): (Ask, u32), error: &DeliveryError) -> Transaction {
    let mut changes = vec![finish_row(job, OutboxState::Dropped, Some(error)), attempt(job, "permanent", Some(error))];
    let detail = json!({ "why": why, "number": number, "attempt": job.row.attempts, "code": error.code });
    changes.push(audit_line(job.referral, job.now, GATEWAY_AUTHOR, "ask-in-vain", detail));
    if may_be_asked(job.referral, why) && job.referral.attention.is_none() {
        let mut referral = job.referral.clone();
        referral.attention = Some(format!("{IN_VAIN}{} {}", error.diagnostic, classify::advice(&error.code)));
        referral.revision += 1;
        changes.push(Change::PutReferral(Box::new(referral)));
    }
    Transaction { checks: vec![lease(job)], changes }
}
