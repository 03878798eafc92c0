//! Deliver: what an attempt may do, and what its end means. The server's worker performs; everything it writes is
//! decided here.
//!
//! An attempt is counted when it is claimed. Before a request leaves that is not safe to repeat, the row is marked *in
//! flight*; a row that is found so, after a crash or without an answer, is looked up by our key before anything is sent
//! again. What cannot go on by itself is a dead letter, and the GP's Task says so.

mod asks;
mod erased;
mod losses;
mod withheld;

pub use asks::asked;
pub use erased::of_erased;
pub use losses::{Weighed, weigh};
use withheld::{stay_paused, withhold};

use crate::accept::{audit_line, decision_detail, new_row, version_of};
use crate::align::service_request_follows;
use crate::amend;
use crate::change::{Change, Check, Disposition, ReportRecord, Transaction};
use crate::classify::{self, Class};
use crate::consent::{Decision, Stage, Verdict};
use crate::disclose::{self, Leaving};
use crate::identity::GATEWAY_AUTHOR;
use crate::outbox::{AdapterVersion, Attempt, Errand, OutboxRow, OutboxState, POISON_ATTEMPTS};
use crate::referral::{Delivery, HoldReason, Referral, SenderState};
use crate::resource::{ResourceKey, ResourceVersion, WriteMethod};
use crate::retry::{self, Next, Schedule};
use crate::status_link::Asks;
use crate::task::{TaskMove, moved};
use crate::unanswered;
use crate::withdraw;
use adapter_contract::{
    Capabilities, DeliveryError, FailureCode, Progress, Receipt, Repeat, ReportSource, SenderMove, StatusReport,
    TaskStatus,
};
use gateway_fhir::Json;
use serde_json::json;
use time::{Duration, OffsetDateTime};

/// What an attempt works on.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// The referral as it stands.
    pub referral: &'a Referral,
    /// The row, leased to us.
    pub row: &'a OutboxRow,
    /// Version and document of the sender's Task.
    pub task: (u64, &'a Json),
    /// Version and document of the sender's ServiceRequest.
    pub service_request: (u64, &'a Json),
    /// What the platform lets us do.
    pub capabilities: Capabilities,
    /// How its organisation is asked by mail; absent where it is not.
    pub asks: Option<Asks<'a>>,
    /// What this attempt translates with.
    pub adapter: &'a AdapterVersion,
    /// When to try again.
    pub schedule: &'a Schedule,
    /// How long the platform is given to finish what it may still be doing, before it is asked whether it has the
    /// referral: asked too soon it would say no, and then have two.
    pub settle: Duration,
    /// How long the platform has, once it has the referral, to say whether anybody takes it on, before a person is told.
    pub answer: Duration,
    /// When the row was claimed.
    pub started: OffsetDateTime,
    /// Now.
    pub now: OffsetDateTime,
}

/// What an attempt is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Plan {
    /// Ask the platform whether it has the referral; then go on as [`after_absent`] says.
    LookUp,
    /// Do the errand, from this step.
    Run(Option<Progress>),
    /// Do nothing at the platform: write this.
    Stop(Box<Transaction>),
}

/// Decides what an attempt does. `consent` is the decision made for this very attempt.
#[must_use]
pub fn plan(job: &Job<'_>, interrupted: bool, consent: &Decision) -> Plan {
    // An answer that nobody saw: a row in flight, or an attempt that died with its process after something was sent.
    let uncertain = job.row.in_flight == Some(Repeat::LookUpFirst);
    let maybe_there = maybe_sent(job.row);
    match &job.row.errand {
        // Before all else, for telling and looking up can kill a worker just as well.
        _ if interrupted && job.row.is_poison() => Plan::Stop(Box::new(aside(job))),
        Errand::Chase => Plan::Stop(Box::new(chased(job))),
        Errand::Ask { why, .. } => asks::plan(job, *why, consent),
        // Of a referral that was recalled one thing is still read: whether the platform has stopped.
        Errand::Read if job.referral.recall.as_ref().is_some_and(|recall| recall.confirmed_at.is_none()) => {
            Plan::Run(None)
        }
        Errand::Read if job.referral.recall.is_some() => Plan::Stop(Box::new(read_done(job, &[], &mut String::new))),
        Errand::Update => amend::plan(job, uncertain, consent),
        // The permitted ways to end come next: they need no consent, because they say nothing new about the person.
        Errand::Tell { sender_move: SenderMove::Cancel | SenderMove::Hold } => Plan::Run(job.row.progress.clone()),
        // To go on is no end: the platform would work for the person again.
        Errand::Tell { sender_move: SenderMove::Release } if consent.verdict != Verdict::Permit => {
            Plan::Stop(Box::new(stay_paused(job, consent)))
        }
        Errand::Tell { sender_move: SenderMove::Release } => Plan::Run(job.row.progress.clone()),
        Errand::Submit if job.referral.sender == SenderState::Cancelled => {
            if !maybe_there {
                Plan::Stop(Box::new(withdrawn(job)))
            } else if job.capabilities.look_up {
                Plan::LookUp
            } else {
                let words = "It was withdrawn while a request was under way, and this platform cannot be asked whether \
                             it arrived. Ask the organisation.";
                Plan::Stop(Box::new(dead(job, &DeliveryError::new(FailureCode::Interrupted, words))))
            }
        }
        _ if consent.verdict != Verdict::Permit => Plan::Stop(Box::new(withhold(job, consent))),
        Errand::Submit if uncertain && !job.capabilities.look_up => {
            let words = "The last request may have arrived, and this platform cannot be asked. Sending it again could \
                         make a second referral: ask the organisation, then redrive or close it.";
            Plan::Stop(Box::new(dead(job, &DeliveryError::new(FailureCode::Interrupted, words))))
        }
        // The process died with the request: the platform may be at it still.
        Errand::Submit if uncertain && interrupted && job.settle.is_positive() => {
            Plan::Stop(Box::new(wait_and_ask(job)))
        }
        Errand::Submit if uncertain => Plan::LookUp,
        _ => Plan::Run(job.row.progress.clone()),
    }
}

/// What follows when the platform was asked and does not have the referral, and [`plan`], asked again since, would ask
/// once more.
#[must_use]
pub fn after_absent(job: &Job<'_>) -> Plan {
    if job.referral.sender == SenderState::Cancelled {
        return Plan::Stop(Box::new(withdrawn(job)));
    }
    Plan::Run(job.row.progress.clone())
}

/// Marks a request as under way, before it leaves. `leaving` is what it tells, where it is the first of its attempt that
/// tells the platform something: it is on record before anything is out.
#[must_use]
pub fn before_send(job: &Job<'_>, progress: &Progress, repeat: Repeat, leaving: Option<&Leaving<'_>>) -> Transaction {
    let mut row = job.row.clone();
    row.progress = Some(progress.clone());
    row.in_flight = (repeat != Repeat::Safe).then_some(repeat);
    let mut changes = vec![Change::PutOutbox(Box::new(row))];
    changes.extend(leaving.into_iter().flat_map(|leaving| disclose::leaving(job, leaving)));
    Transaction { checks: vec![lease(job)], changes }
}

/// The same for a request that may be sent again at no risk, and so is not marked.
#[must_use]
pub fn before_safe_send(job: &Job<'_>, leaving: Option<&Leaving<'_>>) -> Transaction {
    let changes = leaving.into_iter().flat_map(|leaving| disclose::leaving(job, leaving)).collect();
    Transaction { checks: vec![lease(job)], changes }
}

/// The decision of this attempt, for audit.
fn decided(job: &Job<'_>, consent: &Decision) -> Change {
    let detail = decision_detail(consent, Stage::Attempt);
    audit_line(job.referral, job.now, GATEWAY_AUTHOR, "consent-decision", detail)
}

/// The platform has it. `parked` are statements that overtook this acknowledgement.
#[must_use]
pub fn acknowledged(
    job: &Job<'_>,
    receipt: &Receipt,
    parked: &[ReportRecord],
    new_id: &mut dyn FnMut() -> String,
) -> Transaction {
    let mut referral = job.referral.clone();
    let mut changes = vec![finish_row(job, OutboxState::Done, None), attempt(job, "acknowledged", None)];
    referral.named(&receipt.platform_referral, job.now);
    if job.row.errand == Errand::Submit {
        referral.sent.clone_from(&job.row.carries);
        referral.delivery = Delivery::Delivered { at: job.now };
        // Delivered is never shown as accepted: the status stays, only the business status moves.
        if referral.task_status == TaskStatus::Requested || referral.task_status == TaskStatus::OnHold {
            let status = (referral.sender != SenderState::Cancelled).then_some(TaskStatus::Requested);
            let step = TaskMove { status, business_status: Some("delivered".to_owned()), ..TaskMove::default() };
            referral.task_status = status.unwrap_or(referral.task_status);
            referral.answer_due =
                unanswered::is_heard(job.capabilities).then(|| unanswered::due(job.task.1, job.now, job.answer));
            referral.reminders = asks::reminders(job, referral.answer_due);
            changes.push(Change::PutResource(next_task(job, &step)));
        }
    }
    let mut detail =
        json!({ "errand": job.row.errand.word(), "attempt": job.row.attempts, "platform": job.row.platform.0 });
    if let Errand::Tell { sender_move } = &job.row.errand {
        detail["move"] = json!(sender_move);
    }
    changes.push(audit_line(&referral, job.now, GATEWAY_AUTHOR, "deliver", detail));
    if job.row.errand == (Errand::Tell { sender_move: SenderMove::Cancel }) {
        changes.extend(withdraw::told(&mut referral, job.task, job.now));
    }
    for report in &receipt.reports {
        changes.push(Change::RecordReport(Box::new(record(job, report, new_id()))));
    }
    if let Some(read) = parked.iter().find(|report| report.is_only_changed()) {
        // It is no statement of this referral, so it stays without one; what changed is read now.
        changes.push(Change::DisposeReport { id: read.id.clone(), disposition: Disposition::Unchanged });
        let row = new_row(&referral, new_id(), Errand::Read, 0, job.now, job.schedule);
        changes.extend(row.map(|row| Change::PutOutbox(Box::new(row))));
    }
    for report in parked.iter().filter(|report| !report.is_only_changed()) {
        let mut adopted = report.clone();
        adopted.referral = Some(referral.id.clone());
        adopted.disposition = Disposition::Recorded;
        if referral.recall.is_some() {
            withdraw::strip(&mut adopted.report);
        }
        changes.push(Change::RecordReport(Box::new(adopted)));
    }
    changes.extend(asks::first(job, &referral, new_id));
    referral.revision += 1;
    changes.push(Change::PutReferral(Box::new(referral)));
    Transaction { checks: vec![lease(job)], changes }
}

/// A submission that ended in nothing is no success: it is put in front of a person.
#[must_use]
pub fn without_result(job: &Job<'_>) -> Transaction {
    let words = "The exchange ended without saying whether the platform has the referral.";
    // The row is as it was claimed and knows nothing of what this exchange sent: a redrive asks first.
    let row = OutboxRow { in_flight: Some(Repeat::LookUpFirst), ..job.row.clone() };
    dead(&Job { row: &row, ..*job }, &DeliveryError::new(FailureCode::Refused, words))
}

/// There was nobody to tell: the platform never had the referral under a name. Dropped, not done, so that the platform is
/// told after all if it turns out to work on it.
#[must_use]
pub fn nobody_to_tell(job: &Job<'_>) -> Transaction {
    let changes = vec![finish_row(job, OutboxState::Dropped, None), attempt(job, "withheld", None)];
    Transaction { checks: vec![lease(job)], changes }
}

/// The platform had the referral and says now that it does not: nobody may believe that it is still worked on.
#[must_use]
pub fn gone(job: &Job<'_>) -> Transaction {
    if job.row.former.is_some() {
        // What it was before may be gone: that says nothing of what it is now.
        return read_done(job, &[], &mut String::new);
    }
    if job.referral.recall.is_some() {
        // That is what it was asked for.
        let mut referral = job.referral.clone();
        let mut changes = vec![finish_row(job, OutboxState::Done, None), attempt(job, "acknowledged", None)];
        changes.extend(withdraw::confirmed(&mut referral, job.task, job.now));
        referral.revision += 1;
        changes.push(Change::PutReferral(Box::new(referral)));
        return Transaction { checks: vec![lease(job)], changes };
    }
    let words = crate::reconcile::GONE;
    let mut referral = job.referral.clone();
    referral.attention = Some(words.to_owned());
    let step =
        TaskMove { business_status: Some("error".to_owned()), reason: Some(words.to_owned()), ..TaskMove::default() };
    let mut changes = vec![finish_row(job, OutboxState::Done, None), attempt(job, "acknowledged", None)];
    if !referral.task_status.is_final() {
        changes.push(Change::PutResource(next_task(job, &step)));
    }
    changes.push(audit_line(&referral, job.now, GATEWAY_AUTHOR, "gone", json!({ "platform": job.row.platform.0 })));
    referral.revision += 1;
    changes.push(Change::PutReferral(Box::new(referral)));
    Transaction { checks: vec![lease(job)], changes }
}

/// A read found this; the statements are applied by alignment.
#[must_use]
pub fn read_done(job: &Job<'_>, reports: &[StatusReport], new_id: &mut dyn FnMut() -> String) -> Transaction {
    let mut changes = vec![finish_row(job, OutboxState::Done, None), attempt(job, "acknowledged", None)];
    for report in reports {
        changes.push(Change::RecordReport(Box::new(record(job, report, new_id()))));
    }
    Transaction { checks: vec![lease(job)], changes }
}

pub(crate) fn record(job: &Job<'_>, report: &StatusReport, id: String) -> ReportRecord {
    let mut report = report.clone();
    if job.referral.recall.is_some() {
        withdraw::strip(&mut report);
    }
    ReportRecord {
        id,
        platform: job.row.platform.clone(),
        referral: Some(job.referral.id.clone()),
        source: if job.row.errand == Errand::Read { ReportSource::Poll } else { ReportSource::Acknowledgement },
        received: job.now,
        report,
        disposition: Disposition::Recorded,
    }
}

/// What consent was decided on has changed since the attempt began, and the next request has not left: the attempt ends,
/// and another is made at once, which decides anew. `reached` is the step that was to be made next, where earlier ones of
/// this attempt were answered.
#[must_use]
pub fn overtaken(job: &Job<'_>, reached: Option<Progress>) -> Transaction {
    let mut row = OutboxRow { state: OutboxState::Ready, not_before: job.now, alone: false, ..job.row.clone() };
    if let Some(reached) = reached {
        (row.progress, row.in_flight) = (Some(reached), None);
    }
    let changes = vec![Change::PutOutbox(Box::new(row)), attempt(job, "withheld", None)];
    Transaction { checks: vec![lease(job)], changes }
}

/// The deadline of a recall has come.
fn chased(job: &Job<'_>) -> Transaction {
    let mut referral = job.referral.clone();
    let mut changes = vec![finish_row(job, OutboxState::Done, None), attempt(job, "acknowledged", None)];
    let told = withdraw::overdue(&mut referral, job.task, job.now);
    if !told.is_empty() {
        changes.extend(told);
        referral.revision += 1;
        changes.push(Change::PutReferral(Box::new(referral)));
    }
    Transaction { checks: vec![lease(job)], changes }
}

/// The attempt failed. `repeat` is what it would mean to send the failed request again; `chance` is in `[0, 1)`.
#[must_use]
pub fn failed(
    job: &Job<'_>,
    error: &DeliveryError,
    progress: Option<Progress>,
    repeat: Repeat,
    chance: f64,
) -> Transaction {
    let class = classify::class_of(&error.code, Some(repeat));
    let next = next_after(job, error, chance);
    // Where it stood and whether the last request may have arrived is kept in any case: a redrive goes on from there.
    let mut row = job.row.clone();
    row.progress = progress;
    let unfinished =
        matches!(error.code, FailureCode::TooManySteps | FailureCode::Untranslatable | FailureCode::UnsafeToSend);
    let unknown = class == Class::Ambiguous || unfinished;
    row.in_flight = (unknown && repeat != Repeat::Safe).then_some(repeat);
    // Where there was no connection, nobody was burdened.
    row.tried |= error.code != FailureCode::NotConnected;
    let stood = Job { row: &row, ..*job };
    if matches!(error.code, FailureCode::UnsafeToSend | FailureCode::Untranslatable) {
        match job.row.errand {
            Errand::Ask { why, number } => return asks::in_vain(&stood, (why, number), error),
            Errand::Update => return dead(&stood, error),
            Errand::Submit | Errand::Tell { .. } | Errand::Read | Errand::Chase => {}
        }
        // Nobody releases what was withdrawn meanwhile: it must not wait for that.
        if job.referral.sender == SenderState::Cancelled {
            // What cannot be told was sent all the same.
            let sent = job.row.errand != Errand::Submit || maybe_sent(&row);
            return if sent { dead(&stood, error) } else { withdrawn(&stood) };
        }
        return hold(&stood, HoldReason::NeedsReview(error.diagnostic.clone()), Some(error));
    }
    let at = match (class, next) {
        (Class::Permanent, _) => return dead(&stood, error),
        (Class::Ambiguous, _) if !job.capabilities.look_up && job.row.errand == Errand::Submit => {
            return dead(&stood, error);
        }
        (_, Next::GiveUp) => return dead(&stood, error),
        (Class::Ambiguous, Next::At(at)) => at.max(job.now + job.settle),
        (_, Next::At(at)) => at,
    };
    row.state = OutboxState::Ready;
    row.not_before = at;
    // It came to an end: whatever its process died of before, it was not this.
    row.alone = false;
    row.last_failure = Some(error.clone());
    let word = if class == Class::Ambiguous { "ambiguous" } else { "transient" };
    let detail =
        json!({ "errand": job.row.errand.word(), "attempt": job.row.attempts, "class": word, "code": error.code });
    let changes = vec![
        Change::PutOutbox(Box::new(row)),
        attempt(job, word, Some(error)),
        audit_line(job.referral, job.now, GATEWAY_AUTHOR, "attempt", detail),
    ];
    Transaction { checks: vec![lease(job)], changes }
}

/// When to try again. What failed without a connection, and is told for how long to wait, was not let go: nothing was asked of the
/// platform.
fn next_after(job: &Job<'_>, error: &DeliveryError, chance: f64) -> Next {
    let wait = error.retry_after_seconds;
    let put_off = error.code == FailureCode::NotConnected && wait.is_some();
    let next = if put_off { retry::put_off } else { retry::next };
    next(job.schedule, job.row.attempts, job.now, job.row.expires_at, wait, chance)
}

/// The platform could not be asked. What was uncertain before is as uncertain now: the row keeps where it stood.
#[must_use]
pub fn look_up_failed(job: &Job<'_>, error: &DeliveryError, chance: f64) -> Transaction {
    let next = next_after(job, error, chance);
    let at = match (classify::class(&error.code), next) {
        (Class::Permanent, _) | (_, Next::GiveUp) => return dead(job, error),
        (_, Next::At(at)) => at,
    };
    let row = OutboxRow {
        state: OutboxState::Ready,
        not_before: at,
        alone: false,
        last_failure: Some(error.clone()),
        ..job.row.clone()
    };
    let detail = json!({ "errand": "look-up", "attempt": job.row.attempts, "code": error.code });
    let changes = vec![
        Change::PutOutbox(Box::new(row)),
        attempt(job, "ambiguous", Some(error)),
        audit_line(job.referral, job.now, GATEWAY_AUTHOR, "attempt", detail),
    ];
    Transaction { checks: vec![lease(job)], changes }
}

/// Puts the look-up off until the platform has had its time. That it has to be made alone stays on the row.
fn wait_and_ask(job: &Job<'_>) -> Transaction {
    let row = OutboxRow { state: OutboxState::Ready, not_before: job.now + job.settle, ..job.row.clone() };
    let changes = vec![Change::PutOutbox(Box::new(row)), attempt(job, "interrupted", None)];
    Transaction { checks: vec![lease(job)], changes }
}

/// It has ended with the process as often as it may.
fn aside(job: &Job<'_>) -> Transaction {
    let died = POISON_ATTEMPTS;
    let words =
        format!("{died} attempts ended with the process. The referral is set aside so that it hurts nobody else.");
    let mut transaction = dead(job, &DeliveryError::new(FailureCode::Interrupted, words));
    // This claim began no attempt: the last one that was made stays as it ended, with nobody to tell how.
    transaction.changes.retain(|change| !matches!(change, Change::PutAttempt(_)));
    transaction
}

/// It cannot go on by itself: a dead letter, with its reason on the GP's Task.
#[must_use]
pub fn dead(job: &Job<'_>, error: &DeliveryError) -> Transaction {
    if let Errand::Ask { why, number } = job.row.errand {
        return asks::in_vain(job, (why, number), error);
    }
    if job.row.errand == Errand::Update {
        return amend::not_told(job, &error.diagnostic, Some(error));
    }
    let mut referral = job.referral.clone();
    let words = format!("{} {}", error.diagnostic, classify::advice(&error.code));
    let mut changes = vec![finish_row(job, OutboxState::Dead, Some(error)), attempt(job, "permanent", Some(error))];
    let detail = json!({ "errand": job.row.errand.word(), "attempt": job.row.attempts, "code": error.code });
    changes.push(audit_line(&referral, job.now, GATEWAY_AUTHOR, "dead-letter", detail));
    match job.row.errand {
        Errand::Submit => {
            referral.delivery = Delivery::DeadLetter { reason: words.clone() };
            if !referral.task_status.is_final() {
                referral.task_status = TaskStatus::OnHold;
                let step = TaskMove {
                    status: Some(TaskStatus::OnHold),
                    business_status: Some("undeliverable".to_owned()),
                    reason: Some(format!("Could not be delivered: {words}")),
                    ..TaskMove::default()
                };
                changes.push(Change::PutResource(next_task(job, &step)));
            } else {
                referral.attention = Some(words);
                changes.extend(withdraw::for_a_person(&mut referral, job.task, job.now));
            }
        }
        Errand::Tell { .. } if referral.recall.is_some() => {
            referral.attention = Some(format!("The platform could not be told that consent was withdrawn: {words}"));
            changes.extend(withdraw::for_a_person(&mut referral, job.task, job.now));
        }
        Errand::Tell { .. } => {
            referral.attention = Some(format!("The platform could not be told of the sender's move: {words}"));
            let step = TaskMove {
                business_status: Some("error".to_owned()),
                reason: referral.attention.clone(),
                ..TaskMove::default()
            };
            changes.push(Change::PutResource(next_task(job, &step)));
        }
        Errand::Update | Errand::Chase | Errand::Ask { .. } => {}
        Errand::Read => {
            referral.attention = Some(format!("The platform's status could not be read: {words}"));
            // Polling reads it again; a dead read must not stand in the way of a cancellation.
            changes.push(finish_row(job, OutboxState::Dropped, Some(error)));
        }
    }
    referral.revision += 1;
    changes.push(Change::PutReferral(Box::new(referral)));
    Transaction { checks: vec![lease(job)], changes }
}

/// Waits for a person: the row keeps its place, the Task says why.
fn hold(job: &Job<'_>, reason: HoldReason, error: Option<&DeliveryError>) -> Transaction {
    let mut referral = job.referral.clone();
    let mut changes = vec![finish_row(job, OutboxState::Held, error), attempt(job, "withheld", error)];
    changes.push(audit_line(&referral, job.now, GATEWAY_AUTHOR, "hold", json!({ "reason": reason.code() })));
    if !referral.task_status.is_final() {
        let step = TaskMove {
            status: Some(TaskStatus::OnHold),
            business_status: Some("queued".to_owned()),
            reason: Some(if maybe_sent(job.row) { reason.words_if_sent() } else { reason.words() }),
            ..TaskMove::default()
        };
        referral.task_status = TaskStatus::OnHold;
        changes.push(Change::PutResource(next_task(job, &step)));
    }
    referral.delivery = Delivery::Held { reason };
    referral.revision += 1;
    changes.push(Change::PutReferral(Box::new(referral)));
    Transaction { checks: vec![lease(job)], changes }
}

/// The sender withdrew it, and the platform does not have it.
fn withdrawn(job: &Job<'_>) -> Transaction {
    let mut referral = job.referral.clone();
    referral.delivery = Delivery::Withdrawn;
    referral.revision += 1;
    let partly = maybe_sent(job.row);
    if partly {
        referral.attention = Some(
            "Withdrawn, and the platform has no Task for it; but an earlier step may have stored the person and the \
             order there. Ask the organisation to remove them."
                .to_owned(),
        );
    }
    let mut changes = vec![finish_row(job, OutboxState::Dropped, None), attempt(job, "withheld", None)];
    changes.push(audit_line(&referral, job.now, GATEWAY_AUTHOR, "withdraw", json!({ "partly-sent": partly })));
    let receipt = if partly { withdraw::for_a_person } else { withdraw::nothing_there };
    changes.extend(receipt(&mut referral, job.task, job.now));
    if let Some(next) = service_request_follows(
        &referral.compartment,
        &referral.service_request,
        job.service_request,
        referral.task_status,
        job.now,
    ) {
        changes.push(Change::PutResource(next));
    }
    changes.push(Change::PutReferral(Box::new(referral)));
    Transaction { checks: vec![lease(job)], changes }
}

/// Whether something of the referral may have reached the platform.
pub(crate) fn maybe_sent(row: &OutboxRow) -> bool {
    row.in_flight.is_some() || row.progress.is_some()
}

/// That the row is still ours.
#[must_use]
pub fn lease(job: &Job<'_>) -> Check {
    Check::LeaseHeld { outbox: job.row.id.clone(), fence: job.row.fence }
}

pub(crate) fn finish_row(job: &Job<'_>, state: OutboxState, error: Option<&DeliveryError>) -> Change {
    let mut row = job.row.clone();
    row.state = state;
    if matches!(state, OutboxState::Done | OutboxState::Dropped) {
        row.in_flight = None;
    }
    if let Some(error) = error {
        row.last_failure = Some(error.clone());
    }
    Change::PutOutbox(Box::new(row))
}

pub(crate) fn attempt(job: &Job<'_>, outcome: &str, error: Option<&DeliveryError>) -> Change {
    Change::PutAttempt(Attempt {
        outbox: job.row.id.clone(),
        number: job.row.attempts,
        started: job.started,
        finished: Some(job.now),
        outcome: Some(outcome.to_owned()),
        failure: error.cloned(),
        adapter: Some(job.adapter.clone()),
    })
}

fn task_key(job: &Job<'_>) -> ResourceKey {
    ResourceKey {
        compartment: job.referral.compartment.clone(),
        kind: "Task".to_owned(),
        id: job.referral.task.clone(),
    }
}

pub(crate) fn next_task(job: &Job<'_>, step: &TaskMove) -> ResourceVersion {
    let document = moved(job.task.1, step, job.now);
    version_of(task_key(job), job.task.0 + 1, document, GATEWAY_AUTHOR, WriteMethod::Put, job.now, &|_| None)
}
