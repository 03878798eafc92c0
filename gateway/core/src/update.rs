//! Update: what the sender may still do with a Task, and what follows from it; what a collecting platform may do with a
//! Task that was published for it.

mod follow_up;

pub use follow_up::{FollowUpUpdate, update_follow_up};

use crate::accept::{Passed, Start, Started, audit_line, judge, new_row, start, told, version_of};
use crate::account::AccountId;
use crate::align::service_request_follows;
use crate::amend;
use crate::change::{Change, Check, RawReport, Transaction};
use crate::identity::{Client, GATEWAY_AUTHOR, PlatformId};
use crate::ingest::{check_task, labels};
use crate::loss;
use crate::outbox::{Errand, OutboxRow, OutboxState};
use crate::referral::{Delivery, HoldReason, Referral, SenderState};
use crate::refusal::{Refusal, pass_or_refuse};
use crate::resource::{ResourceKey, ResourceVersion, WriteMethod};
use crate::split;
use crate::status;
use crate::unanswered;
use crate::withdraw::{self, Called};
use crate::work_item::{self, How};
use crate::work_list;
use adapter_contract::{Capabilities, ReportSource, SenderMove, TaskStatus};
use gateway_fhir::{Issue, IssueCode, Json};
use serde_json::json;
use time::{Duration, OffsetDateTime};

/// Elements of a Task that its sender may change once fulfilment has started.
const SENDER_MAY_CHANGE: [&str; 9] =
    ["id", "meta", "text", "status", "statusReason", "note", "lastModified", "_lastModified", "extension"];

/// Elements of a published Task that the collecting platform may change.
const PERFORMER_MAY_CHANGE: [&str; 13] = [
    "id",
    "meta",
    "text",
    "status",
    "statusReason",
    "businessStatus",
    "note",
    "lastModified",
    "_lastModified",
    "extension",
    "output",
    "executionPeriod",
    "owner",
];

/// A new version of a Task that its sender proposes.
pub struct TaskUpdate<'a, 'l> {
    /// The sender and everything that a start would need.
    pub start: Start<'a, 'l>,
    /// The Task as it was proposed, not stamped.
    pub proposed: &'a Json,
    /// How it was proposed.
    pub method: WriteMethod,
    /// `If-Match`.
    pub if_match: Option<u64>,
    /// The referral, if fulfilment was started.
    pub referral: Option<&'a Referral>,
    /// Its outbox rows.
    pub outbox: &'a [OutboxRow],
    /// What its platform lets us do.
    pub capabilities: Option<Capabilities>,
    /// Version of the ServiceRequest.
    pub service_request_version: u64,
}

/// What is committed, and the version of the Task that then stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Updated {
    /// All or nothing.
    pub transaction: Transaction,
    /// Version of the Task after it.
    pub version: u64,
}

/// Decides on a sender's update.
///
/// # Errors
/// [`Refusal`]: 412 for a stale `If-Match`, 422 for an element or a move that is not the sender's.
pub fn update_task(update: &TaskUpdate<'_, '_>, new_id: &mut dyn FnMut() -> String) -> Result<Updated, Refusal> {
    let (_, version, current) = update.start.task;
    check_version(update.if_match, version)?;
    let called = withdraw::called(current, update.proposed, update.referral, update.start.now)?;
    // A client that drops or alters what else the gateway tells there means nothing by it.
    let mut proposed = update.proposed.clone();
    loss::put_back(current, &mut proposed);
    let author = update.start.client.author();
    let settle = work_item::taken(current, &mut proposed, &author, update.start.now)?;
    if settle.is_some() && update.referral.is_none() {
        return Err(nothing_to_settle());
    }
    let update = &TaskUpdate { start: copy(&update.start), proposed: &proposed, ..*update };
    let started = update.referral.is_some();
    let allowed: &[&str] = if started { &SENDER_MAY_CHANGE } else { &DRAFT_ANY };
    pass_or_refuse(changed_elements(current, update.proposed, allowed, "the sender"))?;
    let from = crate::task::status(current).unwrap_or(TaskStatus::Draft);
    let Some(to) = crate::task::status(update.proposed) else {
        return Err(Refusal::one(
            422,
            Issue::at(IssueCode::CodeInvalid, "Task.status", "This is no Task.status code."),
        ));
    };
    if split::is_plan(update.proposed) != split::is_plan(current) {
        let words = "A Task is one that asks, or one that is made of others, from its beginning. Send a new one.";
        return Err(Refusal::one(422, Issue::at(IssueCode::BusinessRule, "Task.intent", words)));
    }
    if from != to && split::is_plan(current) {
        let words = "The status of this Task follows from the Tasks that are part of it. Move those.";
        return Err(Refusal::one(422, Issue::at(IssueCode::BusinessRule, "Task.status", words)));
    }
    if from != to {
        if called.is_some() {
            let words = "Record that the recipient confirmed by itself, without another status.";
            return Err(Refusal::one(422, Issue::at(IssueCode::BusinessRule, "Task.status", words)));
        }
        status::sender_may(from, to).map_err(|refused| {
            Refusal::one(422, Issue::at(IssueCode::BusinessRule, "Task.status", refused.to_string()))
        })?;
    }
    if !started && matches!(to, TaskStatus::Draft | TaskStatus::Requested) {
        // What a new Task must keep, a draft must keep through every change.
        let mut issues = Vec::new();
        check_task("Task", update.proposed, update.start.lookup, &mut issues);
        pass_or_refuse(issues)?;
    }
    let mut draft = Draft::new(update, version, settle);
    match (update.referral, to) {
        (None, TaskStatus::Requested) if from == TaskStatus::Draft => draft.begin(update, new_id)?,
        (None, _) => {}
        (Some(referral), _) if from == to => draft.confirm(update, referral, called.as_ref())?,
        (Some(referral), TaskStatus::Cancelled | TaskStatus::EnteredInError) => {
            draft.cancel(update, referral, to, new_id)
        }
        (Some(referral), TaskStatus::OnHold) => draft.hold(update, referral, new_id)?,
        (Some(referral), _) if referral.sender != SenderState::Held && delivered(referral) => {
            let words = if unanswered::has_gone_back(referral) {
                "Nobody at the organisation answered in time, and it is not asked again. Cancel this Task and send a new one, to \
                 the same organisation or to another."
            } else {
                "It is the platform that paused this referral; only the platform can go on with it."
            };
            return Err(Refusal::one(422, Issue::at(IssueCode::BusinessRule, "Task.status", words)));
        }
        (Some(referral), _) => draft.release(update, referral, new_id)?,
    }
    Ok(Updated { transaction: draft.transaction, version: draft.version })
}

/// While a Task is a draft its sender may change everything that is not another party's.
const DRAFT_ANY: [&str; 1] = ["*"];

fn delivered(referral: &Referral) -> bool {
    matches!(referral.delivery, Delivery::Delivered { .. })
}

fn check_version(if_match: Option<u64>, version: u64) -> Result<(), Refusal> {
    if if_match.is_some_and(|seen| seen != version) {
        let words = "If-Match names another version than the one that stands now. Read the Task again and decide anew.";
        return Err(Refusal::one(412, Issue::general(IssueCode::Conflict, words)));
    }
    Ok(())
}

fn changed_elements(current: &Json, proposed: &Json, allowed: &[&str], party: &str) -> Vec<Issue> {
    let mut issues = Vec::new();
    let names = |document: &Json| -> Vec<String> {
        document.as_object().unwrap_or_default().iter().map(|(name, _)| name.clone()).collect()
    };
    let mut all = names(current);
    all.extend(names(proposed));
    all.sort();
    all.dedup();
    let always_others = ["output", "businessStatus"];
    for name in all {
        if current.get(&name) == proposed.get(&name) {
            continue;
        }
        let free = if allowed == DRAFT_ANY.as_slice() {
            !always_others.contains(&name.as_str())
        } else {
            allowed.contains(&name.as_str())
        };
        if !free {
            // The name passed validation, so it is one of R4's and no received value.
            let words = format!("{party} may not change this element now. Send it as it stands.");
            issues.push(Issue::at(IssueCode::BusinessRule, format!("Task.{name}"), words));
        }
    }
    if !labels(current).is_subset(&labels(proposed)) {
        let words = "A security label cannot be removed. Send the Task with all labels that it has.";
        issues.push(Issue::at(IssueCode::BusinessRule, "Task.meta.security", words));
    }
    issues
}

/// The transaction while it grows.
struct Draft {
    transaction: Transaction,
    version: u64,
    task: Json,
    /// How the sender settles what the referral waited for.
    settle: Option<How>,
}

impl Draft {
    fn new(update: &TaskUpdate<'_, '_>, version: u64, settle: Option<How>) -> Self {
        let from = &update.start;
        let key = task_key(from);
        let first = version_of(
            key,
            version + 1,
            update.proposed.clone(),
            &from.client.author(),
            update.method,
            from.now,
            from.lookup,
        );
        Self {
            transaction: Transaction { checks: Vec::new(), changes: vec![Change::PutResource(first)] },
            version: version + 1,
            task: update.proposed.clone(),
            settle,
        }
    }

    fn push(&mut self, change: Change) {
        self.transaction.changes.push(change);
    }

    fn begin(&mut self, update: &TaskUpdate<'_, '_>, new_id: &mut dyn FnMut() -> String) -> Result<(), Refusal> {
        let from = &update.start;
        let again = Start { task: (from.task.0, self.version, update.proposed), ..copy(from) };
        let Started { changes, task_versions } = start(&again, new_id)?;
        self.version += task_versions;
        self.transaction.changes.extend(changes);
        Ok(())
    }

    fn cancel(
        &mut self,
        update: &TaskUpdate<'_, '_>,
        referral: &Referral,
        to: TaskStatus,
        new_id: &mut dyn FnMut() -> String,
    ) {
        let from = &update.start;
        let mut referral = referral.clone();
        referral.sender = SenderState::Cancelled;
        referral.task_status = to;
        let submit = update.outbox.iter().find(|row| row.errand == Errand::Submit);
        let never_left = submit.is_none_or(|row| row.attempts == 0);
        if never_left {
            for row in update.outbox.iter().filter(|row| row.state.blocks()) {
                self.replace_row(row, OutboxState::Dropped);
            }
            referral.delivery = Delivery::Withdrawn;
        } else {
            // What waited for a person or for its time goes on now, so that the worker finds out what the platform has and
            // tells it: nobody is visited because a retry was due only tomorrow.
            for row in update.outbox.iter().filter(|row| row.state.blocks() && row.state != OutboxState::Leased) {
                match row.errand {
                    // A recall is waited for to its deadline, whatever the sender does to its Task meanwhile.
                    Errand::Read | Errand::Chase if referral.recall.is_some() => {}
                    Errand::Read | Errand::Update | Errand::Chase | Errand::Ask { .. } => {
                        self.replace_row(row, OutboxState::Dropped);
                    }
                    Errand::Submit | Errand::Tell { .. } => self.reopen_row(row, from),
                }
                if row.errand == Errand::Submit {
                    referral.delivery = Delivery::Queued;
                }
            }
            // What was to be sent anew stands there as it was, unless it is being cancelled there this very moment.
            if update.outbox.iter().all(|row| row.errand != Errand::Update || row.state != OutboxState::Leased) {
                amend::put_back(&mut referral);
            }
            // A platform that was told, or will be, is not told again when a withdrawal is corrected.
            let cancelling = Errand::Tell { sender_move: SenderMove::Cancel };
            let told = update.outbox.iter().any(|row| row.errand == cancelling && row.state != OutboxState::Dropped);
            if !told {
                self.tell(update, &referral, SenderMove::Cancel, new_id);
            }
            if update.capabilities.is_none_or(|can| !can.cancel) && referral.recall.is_none() {
                referral.attention =
                    Some("This platform cannot be told of a cancellation. Ask the organisation to stop.".to_owned());
            }
        }
        let request = (update.service_request_version, from.service_request.1);
        let follows = service_request_follows(&referral.compartment, &referral.service_request, request, to, from.now);
        if let Some(next) = follows {
            self.push(Change::PutResource(next));
        }
        self.finish(from, referral, "cancel", json!({ "to": to.code(), "sent": !never_left }));
    }

    /// The Task stays where it is: the sender called, and the recipient confirmed that it stopped; somebody settled what it waited for;
    /// it was handed over.
    fn confirm(
        &mut self,
        update: &TaskUpdate<'_, '_>,
        referral: &Referral,
        called: Option<&Called>,
    ) -> Result<(), Refusal> {
        let from = &update.start;
        let mut next = referral.clone();
        let author = from.client.author();
        let (before, now) = (work_item::assigned(from.task.2), work_item::assigned(&self.task));
        if before != now {
            let name = |one: &Option<AccountId>| one.as_ref().map(|one| one.0.clone());
            let detail = json!({ "from": name(&before), "to": name(&now) });
            self.push(audit_line(referral, from.now, &author, "hand-over", detail));
        }
        if let Some(called) = called {
            let task = (self.version, &self.task);
            let changes = withdraw::confirmed_by_phone(&mut next, task, from.now, &author, called);
            self.transaction.changes.extend(changes);
            self.version += 1;
        }
        if let Some(how) = self.settle {
            let handled = work_list::handled(&next, how, &author, from.now).ok_or_else(nothing_to_settle)?;
            let causes: Vec<&String> = handled.causes.keys().collect();
            let line = audit_line(&next, from.now, &author, "settle", json!({ "how": how.code(), "causes": causes }));
            self.push(line);
            next.handled = Some(Box::new(handled));
        }
        if next != *referral {
            next.revision += 1;
            self.push(Change::PutReferral(Box::new(next)));
        }
        Ok(())
    }

    fn hold(
        &mut self,
        update: &TaskUpdate<'_, '_>,
        referral: &Referral,
        new_id: &mut dyn FnMut() -> String,
    ) -> Result<(), Refusal> {
        let from = &update.start;
        let mut referral = referral.clone();
        let submit = update.outbox.iter().find(|row| row.errand == Errand::Submit);
        match submit {
            // Attempts that found no connection left nothing at the platform.
            Some(row) if row.state == OutboxState::Ready && row.progress.is_none() && row.in_flight.is_none() => {
                self.replace_row(row, OutboxState::Held);
                referral.delivery = Delivery::Held { reason: HoldReason::SenderHold };
            }
            _ if matches!(referral.delivery, Delivery::Delivered { .. })
                && update.capabilities.is_some_and(|can| can.hold) =>
            {
                self.tell(update, &referral, SenderMove::Hold, new_id);
            }
            _ => {
                let words = "The platform may have this referral already, and it cannot be asked to pause. Cancel it, or \
                             leave it.";
                return Err(Refusal::one(422, Issue::at(IssueCode::BusinessRule, "Task.status", words)));
            }
        }
        referral.sender = SenderState::Held;
        referral.task_status = TaskStatus::OnHold;
        self.finish(from, referral, "sender-hold", json!({}));
        Ok(())
    }

    /// Going on: after the sender's own pause as it was; after any other wait, route, consent and losses are decided anew.
    fn release(
        &mut self,
        update: &TaskUpdate<'_, '_>,
        referral: &Referral,
        new_id: &mut dyn FnMut() -> String,
    ) -> Result<(), Refusal> {
        let from = &update.start;
        let mut referral = referral.clone();
        if matches!(referral.delivery, Delivery::Held { reason: HoldReason::Losses(_) }) {
            // Whoever lets it go on has read what it would lose.
            referral.loss_released = referral.loss.as_ref().map(|report| report.hash());
        }
        referral.duplicate_passed |= matches!(referral.delivery, Delivery::Held { reason: HoldReason::Duplicate(_) });
        referral.sender = SenderState::Active;
        referral.task_status = TaskStatus::Requested;
        let waiting: Vec<&OutboxRow> =
            update.outbox.iter().filter(|row| matches!(row.state, OutboxState::Held | OutboxState::Dead)).collect();
        if matches!(referral.delivery, Delivery::Delivered { .. }) {
            self.tell(update, &referral, SenderMove::Release, new_id);
        } else if waiting.is_empty() {
            self.judge_again(update, &mut referral, new_id)?;
        } else {
            referral.delivery = Delivery::Queued;
            // A person has decided: where the platform cannot be asked, that decision is the answer.
            let asked = update.capabilities.is_some_and(|can| can.look_up);
            for row in waiting {
                let in_flight = row.in_flight.filter(|_| asked);
                self.reopen_row(&OutboxRow { in_flight, ..row.clone() }, from);
            }
        }
        self.finish(from, referral, "sender-release", json!({}));
        Ok(())
    }

    /// Nothing of it is in the outbox yet: decided as if it came in now, except that the sender has seen the losses.
    fn judge_again(
        &mut self,
        update: &TaskUpdate<'_, '_>,
        referral: &mut Referral,
        new_id: &mut dyn FnMut() -> String,
    ) -> Result<(), Refusal> {
        let from = &update.start;
        let passed = Passed { losses: referral.released_report(), duplicate: referral.duplicate_passed };
        let judgement = judge(from, passed);
        if !judgement.refused.is_empty() {
            return Err(Refusal::several(422, judgement.refused));
        }
        referral.platform = judgement.platform;
        referral.route = judgement.route;
        for (action, detail) in judgement.audit {
            self.push(audit_line(referral, from.now, GATEWAY_AUTHOR, action, detail));
        }
        let report = judgement.assessment.and_then(|assessment| assessment.report().cloned());
        let known = referral.loss.as_deref() == report.as_ref();
        if judgement.hold.is_some() || !known {
            let again = Start { task: (from.task.0, self.version, &self.task), ..copy(from) };
            let told = told(&again, judgement.hold.as_ref(), report.as_ref().filter(|_| !known), new_id);
            self.version += told.task_versions;
            self.transaction.changes.extend(told.changes);
        }
        if !known {
            // What was let pass stays so: a report that says less is covered by it.
            let passed = referral.loss_released.is_some() && judgement.hold.is_none();
            referral.loss_released = report.as_ref().filter(|_| passed).map(loss::LossReport::hash);
            referral.loss = report.map(Box::new);
        }
        match judgement.hold {
            Some(reason) => {
                referral.task_status = TaskStatus::OnHold;
                referral.delivery = Delivery::Held { reason };
            }
            None => {
                referral.delivery = Delivery::Queued;
                let sequence = next_sequence(update.outbox);
                let schedule = &from.rules.schedule;
                let row = new_row(referral, new_id(), Errand::Submit, sequence, from.now, schedule);
                self.transaction.changes.extend(row.map(|row| Change::PutOutbox(Box::new(row))));
            }
        }
        Ok(())
    }

    fn tell(
        &mut self,
        update: &TaskUpdate<'_, '_>,
        referral: &Referral,
        sender_move: SenderMove,
        new_id: &mut dyn FnMut() -> String,
    ) {
        let able = update.capabilities.is_some_and(|can| match sender_move {
            SenderMove::Cancel => can.cancel,
            SenderMove::Hold | SenderMove::Release => can.hold,
        });
        if !able {
            return;
        }
        let from = &update.start;
        let errand = Errand::Tell { sender_move };
        let sequence = next_sequence(update.outbox);
        let row = new_row(referral, new_id(), errand, sequence, from.now, &from.rules.schedule);
        self.transaction.changes.extend(row.map(|row| Change::PutOutbox(Box::new(row))));
    }

    fn replace_row(&mut self, row: &OutboxRow, state: OutboxState) {
        self.transaction.checks.push(Check::NotLeased { outbox: row.id.clone(), fence: row.fence });
        self.push(Change::PutOutbox(Box::new(OutboxRow { state, ..row.clone() })));
    }

    fn reopen_row(&mut self, row: &OutboxRow, from: &Start<'_, '_>) {
        self.transaction.checks.push(Check::NotLeased { outbox: row.id.clone(), fence: row.fence });
        let window = Duration::seconds(i64::from(from.rules.schedule.window_seconds));
        self.push(Change::PutOutbox(Box::new(OutboxRow {
            state: OutboxState::Ready,
            not_before: from.now,
            expires_at: from.now + window,
            died: 0,
            ..row.clone()
        })));
    }

    fn finish(&mut self, from: &Start<'_, '_>, mut referral: Referral, action: &str, detail: serde_json::Value) {
        let author = from.client.author();
        self.push(audit_line(&referral, from.now, &author, action, detail));
        // What was settled was settled of what stood before.
        referral.handled = None;
        if let Some(how) = self.settle {
            referral.handled = work_list::handled(&referral, how, &author, from.now).map(Box::new);
        }
        referral.revision += 1;
        self.push(Change::PutReferral(Box::new(referral)));
    }
}

fn nothing_to_settle() -> Refusal {
    let words = "Nothing of this referral waits for a person's word alone. Read the Task again: what is held is released or cancelled, \
                 and after a withdrawal of consent the call is recorded.";
    Refusal::one(422, Issue::at(IssueCode::BusinessRule, "Task.extension", words))
}

fn next_sequence(outbox: &[OutboxRow]) -> u32 {
    outbox.iter().map(|row| row.sequence).max().unwrap_or(0) + 1
}

fn task_key(from: &Start<'_, '_>) -> ResourceKey {
    ResourceKey { compartment: from.compartment.clone(), kind: "Task".to_owned(), id: from.task.0.to_owned() }
}

fn copy<'a, 'l>(from: &Start<'a, 'l>) -> Start<'a, 'l> {
    Start {
        client: from.client,
        correlation: from.correlation,
        compartment: from.compartment,
        task: from.task,
        service_request: from.service_request,
        person: from.person,
        consents: from.consents,
        others: from.others,
        rules: from.rules,
        translators: from.translators,
        lookup: from.lookup,
        consent_name: from.consent_name,
        now: from.now,
        latest: from.latest,
    }
}

/// A new version of a published Task that the collecting platform proposes (*Direct Light*).
pub struct PublishedTaskUpdate<'a> {
    /// The platform's client.
    pub client: &'a Client,
    /// The platform.
    pub platform: &'a PlatformId,
    /// Id, version and document of the published Task.
    pub task: (&'a str, u64, &'a Json),
    /// The Task as it was proposed.
    pub proposed: &'a Json,
    /// How it was proposed.
    pub method: WriteMethod,
    /// `If-Match`.
    pub if_match: Option<u64>,
    /// What the adapter will read: the proposed Task with the resources that its outputs refer to.
    pub report: String,
    /// Now.
    pub now: OffsetDateTime,
}

/// Decides on a platform's update of a published Task: it is kept as the platform's version and recorded as a report;
/// the sender's Task follows when the report is applied.
///
/// # Errors
/// [`Refusal`]: 412 for a stale or missing `If-Match`, 422 for an element or a move that is not the performer's.
pub fn update_published_task(update: &PublishedTaskUpdate<'_>, report_id: String) -> Result<Updated, Refusal> {
    let (id, version, current) = update.task;
    if update.if_match.is_none() {
        let words = "Say which version you have read: this update needs If-Match.";
        return Err(Refusal::one(412, Issue::general(IssueCode::Required, words)));
    }
    check_version(update.if_match, version)?;
    pass_or_refuse(changed_elements(current, update.proposed, &PERFORMER_MAY_CHANGE, "the performer"))?;
    let from = crate::task::status(current);
    let to = crate::task::status(update.proposed);
    if let (Some(from), Some(to)) = (from, to)
        && from != to
    {
        status::performer_may(from, to).map_err(|refused| {
            Refusal::one(422, Issue::at(IssueCode::BusinessRule, "Task.status", refused.to_string()))
        })?;
    }
    let key = ResourceKey { compartment: update.client.compartment(), kind: "Task".to_owned(), id: id.to_owned() };
    let next: ResourceVersion = version_of(
        key,
        version + 1,
        update.proposed.clone(),
        &update.client.author(),
        update.method,
        update.now,
        &|_| None,
    );
    let report = RawReport {
        id: report_id,
        platform: update.platform.clone(),
        source: ReportSource::TaskUpdate,
        content_type: Some("application/fhir+json".to_owned()),
        received: update.now,
        body: update.report.clone().into_bytes(),
        begun: 0,
    };
    let changes = vec![Change::PutResource(next), Change::ReceiveReport(report)];
    Ok(Updated { transaction: Transaction { checks: Vec::new(), changes }, version: version + 1 })
}
