//! Amend: the sender has changed what a referral is made of, its ServiceRequest or something that it leads to, after it had been
//! sent.
//!
//! What has not left yet goes as it is then, and nothing is done for it. Where something may have left, one errand
//! ([`Errand::Update`]) is put behind it, and what is to be said is decided when its turn comes: on the consents of that moment, and by
//! comparing what the recipient would be given with what it was given last ([`content`]). So the last of several amendments stands and
//! is sent once, and an amendment that was overtaken by a repeated submission says nothing twice.
//!
//! How a platform is told is its adapter's to say ([`Amend`]): by an update, or by a cancellation that it confirms before the referral
//! is sent anew under another key, so that there are never two; else nobody is told, and a person is shown that the organisation works
//! on something else than what is written here (*drift*).
//!
//! Before a cancellation leaves it is on record that it does ([`leaves`]): where its answer is lost, what the platform then says of its
//! end is our own doing, and not the organisation's no.

use crate::accept::{audit_line, decision_detail, new_row, version_of};
use crate::change::{Change, Check, ReportRecord, Transaction};
use crate::consent::{Decision, Stage, Verdict, stored_name};
use crate::deliver::{Job, Plan, attempt, finish_row, lease, maybe_sent, next_task, record};
use crate::identity::GATEWAY_AUTHOR;
use crate::outbox::{Errand, OutboxRow, OutboxState};
use crate::referral::{Delivery, Former, Referral, SenderState};
use crate::refusal::Refusal;
use crate::resource::{ResourceKey, WriteMethod};
use crate::retry::Schedule;
use crate::status;
use crate::task::{TaskMove, derived_id, touched};
use crate::timers;
use crate::urgency;
use adapter_contract::{Amend, DeliveryError, FailureCode, IdempotencyKey, Receipt, StatusReport, TaskStatus};
use gateway_fhir::{Issue, IssueCode, Json};
use serde_json::json;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

/// How [`Referral::attention`] begins while the organisation has something else than what is written here.
pub const DRIFT: &str = "The referral was changed after it was sent, and the organisation was not told.";

/// `action` of the line of audit that says so.
pub const DRIFTS: &str = "drift";

/// A change of what one referral is made of.
pub struct Amendment<'a> {
    /// The referral as it stands.
    pub referral: &'a Referral,
    /// Its outbox rows.
    pub outbox: &'a [OutboxRow],
    /// What was changed: `Type/id`, and the version that is written now.
    pub changed: &'a [(String, u64)],
    /// The sender's Task.
    pub task: &'a Json,
    /// The sender's ServiceRequest as it is from now on.
    pub service_request: &'a Json,
    /// When attempts are made.
    pub schedule: &'a Schedule,
    /// Who changed it.
    pub author: &'a str,
    /// Now.
    pub now: OffsetDateTime,
}

/// Whether nothing that is changed of it matters to anybody any more.
#[must_use]
pub fn is_over(referral: &Referral) -> bool {
    let ended = referral.sender == SenderState::Cancelled || referral.task_status.is_final();
    ended || referral.recall.is_some() || referral.erased.is_some() || referral.delivery == Delivery::Withdrawn
}

/// Whether the organisation has something else than what is written here, as far as anybody knows.
#[must_use]
pub fn is_drift(referral: &Referral) -> bool {
    referral.attention.as_deref().is_some_and(|words| words.starts_with(DRIFT))
}

/// What keeps a ServiceRequest from being changed: every referral that was started for it is over.
///
/// # Errors
/// [`Refusal`]: 422 with what to do instead.
pub fn may_change(started: &[&Referral]) -> Result<(), Refusal> {
    if started.is_empty() || started.iter().any(|referral| !is_over(referral)) {
        return Ok(());
    }
    let words = if started.iter().any(|referral| referral.recall.is_some()) {
        "Consent for this referral was withdrawn, and its recipient was asked to stop. It cannot be changed any more."
    } else {
        "This referral has ended, so that nobody would learn of a change. If help is still wanted, send a new referral; its \
         ServiceRequest.replaces may name this one."
    };
    Err(Refusal::one(422, Issue::at(IssueCode::BusinessRule, "ServiceRequest", words)))
}

/// What follows from a change for one referral; `None` where it is over, or goes nowhere yet and is wanted by the same time.
#[must_use]
pub fn amend(from: &Amendment<'_>) -> Option<Transaction> {
    if is_over(from.referral) {
        return None;
    }
    let mut referral = from.referral.clone();
    referral.urgent = urgency::from(from.task, from.service_request, referral.accepted_at);
    timers::agreed_anew(&mut referral, from.task, from.service_request);
    if referral.platform.is_none() {
        let same = (referral.urgent, referral.agreed) == (from.referral.urgent, from.referral.agreed);
        referral.revision += 1;
        let changes = vec![Change::PutReferral(Box::new(referral))];
        return (!same).then_some(Transaction { checks: Vec::new(), changes });
    }
    let mut transaction = Transaction::default();
    let submissions = || from.outbox.iter().filter(|row| row.errand == Errand::Submit);
    let may_have = |row: &OutboxRow| row.state == OutboxState::Leased || maybe_sent(row);
    let left = matches!(referral.delivery, Delivery::Delivered { .. })
        || referral.replacing.is_some()
        || submissions().any(may_have);
    let way = if left { follow(from, &referral, &mut transaction) } else { "with-the-first" };
    // What waits goes as it is then; that nobody has taken it up in between is checked, and that it goes as early as it is
    // urgent now.
    for row in submissions().filter(|row| row.state.blocks() && !may_have(row)) {
        transaction.checks.push(Check::NotLeased { outbox: row.id.clone(), fence: row.fence });
        if row.urgent != referral.urgent {
            let next = OutboxRow { urgent: referral.urgent, ..row.clone() };
            transaction.changes.push(Change::PutOutbox(Box::new(next)));
        }
    }
    let changed: Vec<String> =
        from.changed.iter().map(|(reference, version)| format!("{reference}/_history/{version}")).collect();
    let detail = json!({ "changed": changed, "way": way });
    transaction.changes.push(audit_line(&referral, from.now, from.author, "amend", detail));
    referral.revision += 1;
    transaction.changes.push(Change::PutReferral(Box::new(referral)));
    Some(transaction)
}

/// One errand that waits says all that was changed by its turn; one that is under way may be saying what was.
fn follow(from: &Amendment<'_>, referral: &Referral, transaction: &mut Transaction) -> &'static str {
    let waits = |row: &&OutboxRow| row.errand == Errand::Update && row.state == OutboxState::Ready;
    if let Some(row) = from.outbox.iter().find(waits) {
        transaction.checks.push(Check::NotLeased { outbox: row.id.clone(), fence: row.fence });
        return "with-the-next";
    }
    transaction.changes.extend(errand(referral, from.outbox, from.schedule, from.now));
    "queued"
}

fn errand(referral: &Referral, outbox: &[OutboxRow], schedule: &Schedule, now: OffsetDateTime) -> Option<Change> {
    let sequence = outbox.iter().map(|row| row.sequence).max().unwrap_or(0) + 1;
    let id = derived_id(&[&referral.id.0, "amend", &sequence.to_string()]);
    let row = new_row(referral, id, Errand::Update, sequence, now, schedule);
    row.map(|row| Change::PutOutbox(Box::new(row)))
}

/// What follows where the platform says that a referral has ended there which nobody could end there for certain
/// ([`Referral::cancel_left`]): it is sent anew after all.
#[must_use]
pub fn ended_after_all(
    referral: &Referral,
    outbox: &[OutboxRow],
    schedule: &Schedule,
    now: OffsetDateTime,
) -> Option<Change> {
    let at_it =
        |row: &OutboxRow| row.errand == Errand::Update && matches!(row.state, OutboxState::Ready | OutboxState::Leased);
    if !referral.cancel_left || is_over(referral) || outbox.iter().any(at_it) {
        return None;
    }
    errand(referral, outbox, schedule, now)
}

/// SHA-256 of what a recipient is given, without what is no content: the statuses of Task and ServiceRequest, which say how far it
/// is, and the names that entries have in the Bundle.
#[must_use]
pub fn content(minimised: &Json) -> String {
    let mut hasher = Sha256::new();
    for entry in minimised.items("entry") {
        let Some(resource) = entry.get("resource") else { continue };
        let mut resource = resource.clone();
        if matches!(resource.text("resourceType"), Some("Task" | "ServiceRequest")) {
            resource.remove("status");
            resource.remove("_status");
        }
        let text = resource.to_text();
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        hex.push_str(&format!("{byte:02x}"));
        hex
    })
}

/// What an attempt to tell of a change does. It is always begun anew: by now it may be another change. `uncertain`: the last request may
/// have arrived, and would say it twice.
pub(crate) fn plan(job: &Job<'_>, uncertain: bool, consent: &Decision) -> Plan {
    let stop = |transaction| Plan::Stop(Box::new(transaction));
    if is_over(job.referral) || job.referral.platform_referral.is_none() {
        return stop(not_wanted(job));
    }
    // A cancellation that may have arrived is asked about, and does no harm twice.
    if uncertain && !job.referral.cancel_left {
        return stop(not_told(job, "The last request may have arrived, and nobody can tell.", None));
    }
    if consent.verdict != Verdict::Permit {
        return stop(withheld(job, consent, &consent.words(&stored_name)));
    }
    Plan::Run(None)
}

/// What an errand does about a change.
#[derive(Debug, Clone, PartialEq)]
pub enum Due {
    /// The platform is told.
    Go,
    /// Write this, and look again.
    Begin(Box<Transaction>),
    /// There is nothing to tell, or nobody can be told: write this.
    Stop(Box<Transaction>),
}

/// Decides what an errand does. `now` is the [`content`] that the recipient would be given.
#[must_use]
pub fn due(job: &Job<'_>, now: &str) -> Due {
    let referral = job.referral;
    let stop = |transaction| Due::Stop(Box::new(transaction));
    // What may have ended there is not what the organisation has, whatever was sent.
    if referral.replacing.is_none() && !referral.cancel_left && referral.sent.as_deref() == Some(now) {
        return stop(nothing_new(job));
    }
    match job.capabilities.amend {
        Amend::Update => Due::Go,
        Amend::CancelAndResend if referral.replacing.is_some() => Due::Go,
        Amend::CancelAndResend if job.capabilities.cancel => match referral.delivery {
            Delivery::Delivered { at } if !is_taken_on(referral.platform_status) => {
                Due::Begin(Box::new(replacing(job, at)))
            }
            _ => stop(not_told(job, TAKEN_ON, None)),
        },
        Amend::None | Amend::CancelAndResend => stop(not_told(job, CANNOT, None)),
    }
}

const CANNOT: &str = "This platform cannot be told of changes.";
const TAKEN_ON: &str = "This platform is told of a change by a cancellation and a new referral, and somebody there works on this one \
                        already: it would go back to the end of the list.";
const ENDED: &str = "It had ended at the platform before the change reached it.";
const MAY_HAVE_ENDED: &str = "It was to be cancelled there and sent anew, and the cancellation may have arrived: perhaps nobody works on \
                              it.";

/// Said behind each of these.
const CALL: &str = "Call the organisation, and tell it what has changed.";

/// Whether somebody at the organisation has begun with it: to cancel it then would throw away what was done.
#[must_use]
pub fn is_taken_on(status: Option<TaskStatus>) -> bool {
    !matches!(status, None | Some(TaskStatus::Draft | TaskStatus::Requested | TaskStatus::Received))
}

/// Whether this is how a referral stands that was cancelled there: platforms have either word for it.
#[must_use]
pub fn is_end_of_a_cancellation(status: TaskStatus) -> bool {
    matches!(status, TaskStatus::Cancelled | TaskStatus::Rejected)
}

/// Whether what the platform said of it just now lets it be cancelled, to be sent anew: nobody has begun with it, or it has ended as
/// our cancellation, which may have arrived, ends it. An organisation that has refused it in that moment is sent it once more.
#[must_use]
pub fn may_be_replaced(referral: &Referral, reports: &[StatusReport]) -> bool {
    // A word that nobody here reads may say that somebody has begun.
    let untouched = |report: &StatusReport| report.status.is_some() && !is_taken_on(report.status);
    is_own_end(referral, reports) || reports.iter().all(untouched)
}

/// Whether it stands there as our cancellation leaves it. Where it was taken up again afterwards it does not.
fn is_own_end(referral: &Referral, reports: &[StatusReport]) -> bool {
    let stands = status::fold(reports, SenderState::Active);
    referral.cancel_left && stands.conflict.is_none() && stands.platform_status.is_some_and(is_end_of_a_cancellation)
}

/// Says before the first request of a cancellation, of those that cannot be taken back, that it leaves: to be written with what lets
/// the request leave. `None` where that is known.
#[must_use]
pub fn leaves(job: &Job<'_>) -> Option<Change> {
    if job.referral.replacing.is_none() || job.referral.cancel_left {
        return None;
    }
    let mut referral = job.referral.clone();
    referral.cancel_left = true;
    referral.revision += 1;
    Some(Change::PutReferral(Box::new(referral)))
}

/// It is begun to be replaced. From here on its delivery is queued, so that its end there is not taken for the referral's.
fn replacing(job: &Job<'_>, delivered: OffsetDateTime) -> Transaction {
    let mut referral = job.referral.clone();
    referral.delivery = Delivery::Queued;
    referral.replacing = Some(delivered);
    referral.revision += 1;
    let line = audit_line(&referral, job.now, GATEWAY_AUTHOR, "replacing", json!({ "attempt": job.row.attempts }));
    Transaction { checks: vec![lease(job)], changes: vec![line, Change::PutReferral(Box::new(referral))] }
}

/// It is not replaced after all: it stands at its platform as it had been delivered.
pub(crate) fn put_back(referral: &mut Referral) {
    if let Some(at) = referral.replacing.take() {
        referral.delivery = Delivery::Delivered { at };
    }
}

/// The platform has this very content already: it went with a repeated submission, or was changed back.
fn nothing_new(job: &Job<'_>) -> Transaction {
    let mut referral = job.referral.clone();
    let mut changes = vec![finish_row(job, OutboxState::Done, None), attempt(job, "withheld", None)];
    changes.extend(settled(job, &mut referral));
    let detail = json!({ "errand": job.row.errand.word(), "told": false });
    changes.push(audit_line(&referral, job.now, GATEWAY_AUTHOR, "deliver", detail));
    written(job, referral, changes)
}

/// Nobody is to be told any more: the referral is over, or its platform never had it.
#[must_use]
pub fn not_wanted(job: &Job<'_>) -> Transaction {
    let mut referral = job.referral.clone();
    put_back(&mut referral);
    let changes = vec![finish_row(job, OutboxState::Dropped, None), attempt(job, "withheld", None)];
    written(job, referral, changes)
}

/// Consent does not permit that the platform learns of the change.
fn withheld(job: &Job<'_>, consent: &Decision, words: &str) -> Transaction {
    let mut transaction = not_told(job, words, None);
    let detail = decision_detail(consent, Stage::Attempt);
    transaction.changes.push(audit_line(job.referral, job.now, GATEWAY_AUTHOR, "consent-decision", detail));
    transaction
}

/// The organisation goes on with something else than what is written here, and a person is shown that.
#[must_use]
pub fn not_told(job: &Job<'_>, why: &str, error: Option<&DeliveryError>) -> Transaction {
    let mut referral = job.referral.clone();
    put_back(&mut referral);
    // The only attempt was answered with a no: nothing was cancelled by us, and an end that comes later is the organisation's.
    let said_no =
        |error: &DeliveryError| matches!(error.code, FailureCode::Refused | FailureCode::HttpStatus(400..=499));
    referral.cancel_left &= job.row.attempts > 1 || !error.is_some_and(said_no);
    // It stands in nobody's way: a cancellation must not wait for it. The sender's next change makes another.
    let mut changes = vec![finish_row(job, OutboxState::Dropped, error)];
    changes.push(attempt(job, if error.is_some() { "permanent" } else { "withheld" }, error));
    let there = if referral.cancel_left { format!("{MAY_HAVE_ENDED} ") } else { String::new() };
    let words = format!("{DRIFT} {why} {there}{CALL}");
    referral.attention = Some(words.clone());
    let code = error.map(|error| &error.code);
    let detail = json!({ "platform": job.row.platform.0, "attempt": job.row.attempts, "code": code });
    changes.push(audit_line(&referral, job.now, GATEWAY_AUTHOR, DRIFTS, detail));
    if !referral.task_status.is_final() {
        let mut task = touched(job.task.1, job.now);
        task.set("statusReason", json!({ "text": words }).into());
        changes.push(next(job, task));
    }
    written(job, referral, changes)
}

/// The platform has what the referral has become.
#[must_use]
pub fn told(job: &Job<'_>, receipt: &Receipt, new_id: &mut dyn FnMut() -> String) -> Transaction {
    let mut referral = job.referral.clone();
    let mut changes = vec![finish_row(job, OutboxState::Done, None), attempt(job, "acknowledged", None)];
    referral.sent.clone_from(&job.row.carries);
    referral.named(&receipt.platform_referral, job.now);
    changes.extend(settled(job, &mut referral));
    let detail =
        json!({ "errand": job.row.errand.word(), "attempt": job.row.attempts, "platform": job.row.platform.0 });
    changes.push(audit_line(&referral, job.now, GATEWAY_AUTHOR, "deliver", detail));
    changes.extend(kept(job, &receipt.reports, new_id));
    written(job, referral, changes)
}

/// The platform has confirmed that the referral has ended there, so that it can be sent anew: under another key, and what it was known
/// by is kept. Where its sender has withdrawn it meanwhile, it is not.
#[must_use]
pub fn replaced(job: &Job<'_>, receipt: &Receipt, new_id: &mut dyn FnMut() -> String) -> Transaction {
    let goes_on = |report: &&StatusReport| is_taken_on(report.status) && report.status != Some(TaskStatus::Cancelled);
    let own = is_own_end(job.referral, &receipt.reports);
    if let Some(report) = receipt.reports.iter().find(goes_on).filter(|_| !own) {
        let ended = report.status.is_some_and(TaskStatus::is_final);
        // It is plain now what became of it there, and that no cancellation did.
        let referral = Referral { cancel_left: false, ..job.referral.clone() };
        let stood = Job { referral: &referral, ..*job };
        let mut transaction = not_told(&stood, if ended { ENDED } else { TAKEN_ON }, None);
        transaction.changes.extend(kept(job, &receipt.reports, new_id));
        return transaction;
    }
    let mut referral = job.referral.clone();
    if is_over(&referral) {
        put_back(&mut referral);
        let mut changes = vec![finish_row(job, OutboxState::Done, None), attempt(job, "acknowledged", None)];
        changes.extend(kept(job, &receipt.reports, new_id));
        return written(job, referral, changes);
    }
    let mut changes = vec![finish_row(job, OutboxState::Done, None), attempt(job, "acknowledged", None)];
    let name = referral.platform_referral.take().unwrap_or_else(|| receipt.platform_referral.clone());
    let key = derived_id(&[&referral.key.0, "resend", &referral.former.len().to_string()]);
    let before = std::mem::replace(&mut referral.key, IdempotencyKey(key));
    referral.former.push(Former { key: before, platform_referral: name, ended: job.now });
    referral.replacing = None;
    referral.cancel_left = false;
    referral.asks = None;
    referral.sent = None;
    referral.platform_status = None;
    referral.delivery = Delivery::Queued;
    (referral.answer_due, referral.reminders) = (None, Vec::new());
    if is_drift(&referral) {
        referral.attention = None;
    }
    // Behind the errand that ended it, and before what was put behind that: a cancellation finds out what became of it.
    let id = derived_id(&[&referral.key.0, "submit"]);
    let row = new_row(&referral, id, Errand::Submit, job.row.sequence, job.now, job.schedule);
    changes.extend(row.map(|row| Change::PutOutbox(Box::new(row))));
    referral.task_status = TaskStatus::Requested;
    let step = TaskMove {
        status: Some(TaskStatus::Requested),
        business_status: Some("queued".to_owned()),
        reason: Some(
            "It was changed. The organisation has confirmed that it stops with what it had, and is sent it anew."
                .to_owned(),
        ),
        ..TaskMove::default()
    };
    changes.push(Change::PutResource(next_task(job, &step)));
    let detail = json!({ "platform": job.row.platform.0, "attempt": job.row.attempts, "times": referral.former.len() });
    changes.push(audit_line(&referral, job.now, GATEWAY_AUTHOR, "replaced", detail));
    written(job, referral, changes)
}

/// Nobody has to call any more.
fn settled(job: &Job<'_>, referral: &mut Referral) -> Option<Change> {
    if !is_drift(referral) {
        return None;
    }
    referral.attention = None;
    let stands = job.task.1.get("statusReason").and_then(|reason| reason.text("text"));
    if !stands.is_some_and(|words| words.starts_with(DRIFT)) {
        return None;
    }
    let mut task = touched(job.task.1, job.now);
    task.remove("statusReason");
    Some(next(job, task))
}

fn kept(job: &Job<'_>, reports: &[StatusReport], new_id: &mut dyn FnMut() -> String) -> Vec<Change> {
    let records: Vec<ReportRecord> = reports.iter().map(|report| record(job, report, new_id())).collect();
    records.into_iter().map(|record| Change::RecordReport(Box::new(record))).collect()
}

fn next(job: &Job<'_>, task: Json) -> Change {
    let key = ResourceKey {
        compartment: job.referral.compartment.clone(),
        kind: "Task".to_owned(),
        id: job.referral.task.clone(),
    };
    Change::PutResource(version_of(key, job.task.0 + 1, task, GATEWAY_AUTHOR, WriteMethod::Put, job.now, &|_| None))
}

fn written(job: &Job<'_>, mut referral: Referral, mut changes: Vec<Change>) -> Transaction {
    referral.revision += 1;
    changes.push(Change::PutReferral(Box::new(referral)));
    Transaction { checks: vec![lease(job)], changes }
}
