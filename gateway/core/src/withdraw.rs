//! Withdraw: a Consent was changed so that it no longer covers a recipient (rule R11). What has not started is stopped,
//! what may have left is recalled, in the transaction of the Consent's new version; and a receipt is kept of what the
//! recipient was asked and whether it confirmed.
//!
//! A recall says "stop" and nothing else of the person, so it needs no consent. Until the recipient confirms, or the
//! deadline passes and a person is told, its statements are read for that confirmation alone: what else they say is
//! neither kept nor shown.

use crate::accept::{audit_line, decision_detail, new_row, version_of};
use crate::align::service_request_follows;
use crate::change::{Change, Check, Transaction};
use crate::consent::{Decision, Reason, Stage, Verdict, stored_name};
use crate::deliver::maybe_sent;
use crate::identity::GATEWAY_AUTHOR;
use crate::outbox::{Errand, OutboxRow, OutboxState};
use crate::referral::{Delivery, HoldReason, Recall, Referral, SenderState, Way};
use crate::resource::{ResourceKey, WriteMethod};
use crate::retry::Schedule;
use crate::task::{TaskMove, derived_id, moved, touched};
use adapter_contract::{Capabilities, Concept, SenderMove, StatusReport, TaskStatus};
use gateway_fhir::{Json, instant};
use serde_json::json;
use time::{Duration, OffsetDateTime};

/// URL of the extension with which a Task shows the receipt: a name, not an address.
pub const EXTENSION: &str = "https://vcse-gateway.example/fhir/StructureDefinition/consent-withdrawal";

/// `businessStatus` of a Task that ended because consent did.
pub const BUSINESS_STATUS: &str = "consent-withdrawn";

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
fn takes_away(before: &Decision, after: &Decision) -> bool {
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

/// Stops or recalls a referral that consent no longer covers; `None` if nothing of it is to be stopped.
#[must_use]
pub fn withdraw(from: &Withdrawal<'_>) -> Option<Transaction> {
    let standing = from.referral;
    let over = standing.sender == SenderState::Cancelled
        || standing.recall.is_some()
        || standing.task_status.is_final()
        || standing.delivery == Delivery::Withdrawn;
    if over || !takes_away(from.before, from.after) {
        return None;
    }
    let delivered = matches!(standing.delivery, Delivery::Delivered { .. });
    let submissions = || from.outbox.iter().filter(|row| row.errand == Errand::Submit);
    // A leased row may be leaving this very moment: its worker finds out, and tells.
    let left = delivered || submissions().any(|row| row.state == OutboxState::Leased || maybe_sent(row));
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
        self.referral.sender = SenderState::Cancelled;
        self.referral.task_status = TaskStatus::Cancelled;
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
            told_at: None,
            confirmed_at: None,
            overdue_at: None,
        }));
        if awaited {
            self.transaction.changes.extend(chase(&self.referral, OutboxState::Ready, from.schedule));
        }
        if way == Way::Person {
            self.referral.attention = Some(CALL.to_owned());
        }
        let key = task_key(&self.referral);
        let step = TaskMove {
            status: Some(TaskStatus::Cancelled),
            business_status: Some(BUSINESS_STATUS.to_owned()),
            reason: self.referral.recall.as_deref().map(sentence),
            ..TaskMove::default()
        };
        let next = with_receipt(moved(from.task.1, &step, from.now), &self.referral);
        let next = version_of(key, from.task.0 + 1, next, GATEWAY_AUTHOR, WriteMethod::Put, from.now, &|_| None);
        self.transaction.changes.push(Change::PutResource(next));
        let follows = service_request_follows(
            &self.referral.compartment,
            &self.referral.service_request,
            from.service_request,
            TaskStatus::Cancelled,
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
                Errand::Read | Errand::Chase | Errand::Tell { sender_move: SenderMove::Hold | SenderMove::Release } => {
                    self.replace(OutboxRow { state: OutboxState::Dropped, ..row.clone() }, row);
                }
                Errand::Submit | Errand::Tell { sender_move: SenderMove::Cancel } => {
                    let expires_at = from.schedule.expires_at(from.now);
                    let again =
                        OutboxRow { state: OutboxState::Ready, not_before: from.now, expires_at, ..row.clone() };
                    self.replace(again, row);
                    self.referral.delivery = Delivery::Queued;
                }
            }
        }
        if !from.capabilities.is_some_and(|can| can.cancel) {
            return Way::Person;
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

/// What a person has to do where the platform cannot be told.
const CALL: &str = "Consent was withdrawn, and this platform cannot be told by the gateway. Call the organisation: it has \
                    to stop, and to remove what it holds.";

/// What a person has to do where the platform was told and did not confirm.
const OVERDUE: &str = "Consent was withdrawn, and the platform has not confirmed in time that it stopped. Call the \
                       organisation.";

/// The errand that tells a person when the deadline of a recall has passed. Its name is a function of the referral, so that
/// whoever closes the recall can take it back.
fn chase(referral: &Referral, state: OutboxState, schedule: &Schedule) -> Option<Change> {
    let deadline = referral.recall.as_ref()?.deadline?;
    let id = derived_id(&[&referral.key.0, "chase"]);
    let row = new_row(referral, id, Errand::Chase, 0, deadline, schedule)?;
    Some(Change::PutOutbox(Box::new(OutboxRow { state, ..row })))
}

/// The platform answered the recall; whether it stopped is another matter.
pub(crate) fn told(referral: &mut Referral, task: (u64, &Json), now: OffsetDateTime) -> Vec<Change> {
    let Some(recall) = referral.recall.as_deref_mut().filter(|recall| recall.told_at.is_none()) else {
        return Vec::new();
    };
    recall.told_at = Some(now);
    let line = audit_line(referral, now, GATEWAY_AUTHOR, "recall-told", json!({}));
    vec![show(referral, task, now), line]
}

/// The platform says that it no longer works on the referral.
pub(crate) fn confirmed(
    referral: &mut Referral,
    task: (u64, &Json),
    schedule: &Schedule,
    now: OffsetDateTime,
) -> Vec<Change> {
    let Some(recall) = referral.recall.as_deref_mut().filter(|recall| recall.confirmed_at.is_none()) else {
        return Vec::new();
    };
    recall.confirmed_at = Some(now);
    referral.attention = None;
    let by = referral.platform.as_ref().map(|platform| format!("platform/{}", platform.0));
    let mut changes: Vec<Change> = chase(referral, OutboxState::Dropped, schedule).into_iter().collect();
    changes.push(show(referral, task, now));
    changes.push(audit_line(referral, now, GATEWAY_AUTHOR, "recall-confirmed", json!({ "by": by })));
    changes
}

/// It turned out that the platform never had it.
pub(crate) fn nothing_there(
    referral: &mut Referral,
    task: (u64, &Json),
    schedule: &Schedule,
    now: OffsetDateTime,
) -> Vec<Change> {
    let changes = not_awaited(referral, Way::NothingSent, task, schedule, now);
    if referral.recall.is_some() {
        referral.attention = None;
    }
    changes
}

/// It works on what was taken for stopped before it had it: a request that seemed lost arrived after all.
pub(crate) fn works_after_all(
    referral: &mut Referral,
    capabilities: Capabilities,
    task: (u64, &Json),
    now: OffsetDateTime,
) -> Option<Change> {
    let recall = referral.recall.as_deref_mut().filter(|recall| recall.way == Way::NothingSent)?;
    recall.way = if capabilities.cancel { Way::Exchange } else { Way::Person };
    Some(show(referral, task, now))
}

/// Only a person can find out what the platform holds.
pub(crate) fn for_a_person(
    referral: &mut Referral,
    task: (u64, &Json),
    schedule: &Schedule,
    now: OffsetDateTime,
) -> Vec<Change> {
    not_awaited(referral, Way::Person, task, schedule, now)
}

/// No confirmation is waited for any more; empty if there is no recall.
fn not_awaited(
    referral: &mut Referral,
    way: Way,
    task: (u64, &Json),
    schedule: &Schedule,
    now: OffsetDateTime,
) -> Vec<Change> {
    let mut changes: Vec<Change> = chase(referral, OutboxState::Dropped, schedule).into_iter().collect();
    let Some(recall) = referral.recall.as_deref_mut() else { return Vec::new() };
    (recall.way, recall.deadline) = (way, None);
    changes.push(show(referral, task, now));
    changes
}

/// The deadline has passed; empty if there is nothing to wait for any more.
pub(crate) fn overdue(referral: &mut Referral, task: (u64, &Json), now: OffsetDateTime) -> Vec<Change> {
    let Some(recall) = referral.recall.as_deref_mut().filter(|recall| recall.is_awaited()) else { return Vec::new() };
    recall.overdue_at = Some(now);
    referral.attention.get_or_insert_with(|| OVERDUE.to_owned());
    vec![show(referral, task, now), audit_line(referral, now, GATEWAY_AUTHOR, "recall-overdue", json!({}))]
}

/// What is kept of a statement on a referral that consent does not cover: whether the platform still works on it.
pub fn strip(report: &mut StatusReport) {
    report.outputs.clear();
    report.reason = None;
    report.platform_status = Concept::default();
    BUSINESS_STATUS.clone_into(&mut report.business_status);
}

/// The Task with the receipt as it is now. Its status stays.
fn show(referral: &Referral, (version, task): (u64, &Json), now: OffsetDateTime) -> Change {
    let mut next = touched(task, now);
    if let Some(recall) = referral.recall.as_deref()
        && referral.task_status == TaskStatus::Cancelled
    {
        let step = TaskMove {
            business_status: Some(BUSINESS_STATUS.to_owned()),
            reason: Some(sentence(recall)),
            ..TaskMove::default()
        };
        next = moved(task, &step, now);
    }
    let next = with_receipt(next, referral);
    let next = version_of(task_key(referral), version + 1, next, GATEWAY_AUTHOR, WriteMethod::Put, now, &|_| None);
    Change::PutResource(next)
}

fn task_key(referral: &Referral) -> ResourceKey {
    ResourceKey { compartment: referral.compartment.clone(), kind: "Task".to_owned(), id: referral.task.clone() }
}

/// What the GP reads.
fn sentence(recall: &Recall) -> String {
    let state = match recall.way {
        Way::NothingSent => "Nothing was sent, and nothing will be.".to_owned(),
        Way::Person if recall.confirmed_at.is_none() => CALL.to_owned(),
        _ => match (recall.confirmed_at, recall.overdue_at, recall.told_at) {
            (Some(at), _, _) => format!("The platform confirmed on {} that it stopped.", instant::to_instant(at)),
            (None, Some(_), _) => OVERDUE.to_owned(),
            (None, None, Some(at)) => {
                format!("The platform was told on {}; it has not confirmed yet.", instant::to_instant(at))
            }
            (None, None, None) => "The platform is being told to stop; it has not confirmed yet.".to_owned(),
        },
    };
    format!("Consent no longer covers this recipient: {} {state}", recall.words)
}

/// Whether an extension of a Task is a receipt: the gateway's, and nobody else's to write.
#[must_use]
pub fn is_receipt(extension: &Json) -> bool {
    extension.text("url") == Some(EXTENSION)
}

/// The receipt as an extension, in the place of an earlier one.
fn with_receipt(mut task: Json, referral: &Referral) -> Json {
    let Some(recall) = referral.recall.as_deref() else { return task };
    let at = |url: &str, at: Option<OffsetDateTime>| {
        at.map(|at| json!({ "url": url, "valueInstant": instant::to_instant(at) }))
    };
    let mut parts = vec![
        json!({ "url": "way", "valueCode": recall.way.word() }),
        json!({ "url": "reason", "valueCode": recall.reason }),
        json!({ "url": "confirmed", "valueBoolean": recall.confirmed_at.is_some() }),
    ];
    let platform = referral.platform.as_ref();
    parts.extend(platform.map(|platform| json!({ "url": "recipient", "valueString": platform.0 })));
    parts.extend(
        recall.consent.as_ref().map(|consent| json!({ "url": "consent", "valueReference": { "reference": consent } })),
    );
    parts.extend(at("asked-at", Some(recall.asked_at)));
    parts.extend(at("told-at", recall.told_at));
    parts.extend(at("confirmed-at", recall.confirmed_at));
    parts.extend(at("deadline", recall.deadline));
    parts.extend(at("overdue-at", recall.overdue_at));
    let mut all: Vec<Json> = task.items("extension").iter().filter(|one| !is_receipt(one)).cloned().collect();
    all.push(json!({ "url": EXTENSION, "extension": parts }).into());
    task.set("extension", Json::Array(all));
    task
}
