//! What losses mean for an attempt: the adapter may have been changed since the referral was accepted, so its report is
//! made again each time. Nothing leaves that loses more than the Task says.

use super::{Job, attempt, finish_row, lease, maybe_sent, task_key};
use crate::accept::{audit_line, loss_detail, version_of};
use crate::change::{Change, Transaction};
use crate::identity::GATEWAY_AUTHOR;
use crate::loss::{self, LossReport, Policy, Shown};
use crate::outbox::OutboxState;
use crate::referral::{Delivery, HoldReason};
use crate::resource::WriteMethod;
use crate::task::{TaskMove, moved, touched};
use adapter_contract::TaskStatus;
use gateway_fhir::Json;
use serde_json::json;

/// What an attempt does about its losses.
#[derive(Debug, Clone, PartialEq)]
pub enum Weighed {
    /// The Task says what is lost, and that may be lost.
    Go,
    /// Write this, so that the Task says it; then look again.
    Tell(Box<Transaction>),
    /// Write this and send nothing: the sender has to see it first.
    Stop(Box<Transaction>),
}

/// Weighs the report of this very attempt.
#[must_use]
pub fn weigh(job: &Job<'_>, report: &LossReport, policy: &Policy, new_id: &mut dyn FnMut() -> String) -> Weighed {
    let known = job.referral.loss.as_deref() == Some(report);
    let grade = policy.stops_at().filter(|grade| report.reaches(Some(*grade)));
    let released = job.referral.released_report();
    let passed = grade.is_none_or(|grade| released.is_some_and(|released| report.adds_nothing_to(released, grade)));
    match grade {
        Some(grade) if !passed => {
            let reason = HoldReason::Losses(loss::hold_words(report, grade));
            Weighed::Stop(Box::new(stop(job, report, known, reason, new_id)))
        }
        _ if known => Weighed::Go,
        _ => Weighed::Tell(Box::new(tell(job, report, new_id))),
    }
}

fn stop(
    job: &Job<'_>,
    report: &LossReport,
    known: bool,
    reason: HoldReason,
    new_id: &mut dyn FnMut() -> String,
) -> Transaction {
    let mut referral = job.referral.clone();
    let mut changes = vec![finish_row(job, OutboxState::Held, None), attempt(job, "withheld", None)];
    changes.push(audit_line(&referral, job.now, GATEWAY_AUTHOR, "loss", loss_detail(report)));
    changes.push(audit_line(&referral, job.now, GATEWAY_AUTHOR, "hold", json!({ "reason": reason.code() })));
    if !referral.task_status.is_final() {
        let step = TaskMove {
            status: Some(TaskStatus::OnHold),
            business_status: Some("queued".to_owned()),
            reason: Some(if maybe_sent(job.row) { reason.words_if_sent() } else { reason.words() }),
            ..TaskMove::default()
        };
        referral.task_status = TaskStatus::OnHold;
        changes.extend(versions(job, moved(job.task.1, &step, job.now), report, known, new_id));
    }
    referral.loss = Some(Box::new(report.clone()));
    referral.loss_released = None;
    referral.delivery = Delivery::Held { reason };
    referral.revision += 1;
    changes.push(Change::PutReferral(Box::new(referral)));
    Transaction { checks: vec![lease(job)], changes }
}

fn tell(job: &Job<'_>, report: &LossReport, new_id: &mut dyn FnMut() -> String) -> Transaction {
    let mut referral = job.referral.clone();
    let mut changes = vec![audit_line(&referral, job.now, GATEWAY_AUTHOR, "loss", loss_detail(report))];
    changes.extend(versions(job, touched(job.task.1, job.now), report, false, new_id));
    // What was let pass stays so: this report says no more.
    referral.loss_released = referral.loss_released.as_ref().map(|_| report.hash());
    referral.loss = Some(Box::new(report.clone()));
    referral.revision += 1;
    changes.push(Change::PutReferral(Box::new(referral)));
    Transaction { checks: vec![lease(job)], changes }
}

/// The Task's next version, and the Provenance of a report that is new.
fn versions(
    job: &Job<'_>,
    mut next: Json,
    report: &LossReport,
    known: bool,
    new_id: &mut dyn FnMut() -> String,
) -> Vec<Change> {
    let version = job.task.0 + 1;
    let provenance = (!known).then(new_id);
    let shown = provenance.as_deref().map(|provenance| Shown { report, provenance });
    if let Some(shown) = shown {
        shown.put_into(&mut next);
    }
    let task = version_of(task_key(job), version, next, GATEWAY_AUTHOR, WriteMethod::Put, job.now, &|_| None);
    let mut changes = vec![Change::PutResource(task)];
    changes.extend(shown.map(|shown| {
        let compartment = &job.referral.compartment;
        let task = (job.referral.task.as_str(), version);
        Change::PutResource(loss::provenance(shown, compartment, task, &job.referral.service_request, job.now))
    }));
    changes
}
