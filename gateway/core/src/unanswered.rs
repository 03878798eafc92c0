//! Unanswered: a platform has the referral, and nobody says whether anybody takes it on. Past the deadline it is put in
//! front of a person, for a referral that everybody takes for looked after is as lost as one that was never sent.

use crate::accept::{audit_line, new_row, version_of};
use crate::change::{Change, Transaction};
use crate::identity::GATEWAY_AUTHOR;
use crate::outbox::{Errand, OutboxRow};
use crate::referral::Referral;
use crate::resource::{ResourceKey, WriteMethod};
use crate::retry::Schedule;
use crate::status_link::{IN_VAIN, LinkState, StatusLink, is_asking, next_number};
use crate::task::{TaskMove, moved};
use crate::urgency;
use adapter_contract::{Ask, Capabilities, TaskStatus};
use gateway_fhir::{Json, instant};
use serde_json::json;
use time::{Duration, OffsetDateTime};

/// `Task.businessStatus` of a referral whose platform has said nothing in time.
const BUSINESS_STATUS: &str = "unacknowledged";

/// What a person is told.
pub const WORDS: &str = "The platform has this referral, and has not said in time whether anybody takes it on. Ask the \
                         organisation.";

/// `Task.businessStatus` of a referral that went back because nobody answered its mails.
const EXPIRED: &str = "expired-no-response";

/// What the link worker is told then.
pub const GONE_BACK: &str = "The organisation was asked by mail and reminded, and nobody there has answered in time. The referral is \
                             yours again: call the organisation, or cancel this Task and refer to another.";

/// What a person is told of an answer that came after that.
pub const LATE: &str = "The organisation answered after the referral had gone back to its sender. If somebody else was asked \
                        meanwhile, cancel this Task.";

/// Whether anything is ever heard of this platform. Of one that can neither be asked nor speaks by itself, silence says
/// nothing: its adapter says with the acknowledgement that nobody will tell (`sent-unmonitored`), and that stays.
#[must_use]
pub const fn is_heard(capabilities: Capabilities) -> bool {
    capabilities.poll || capabilities.push || capabilities.status_link
}

/// Until when a platform that has a referral since `delivered` is waited for: for so long, but not beyond the end of the
/// time within which the sender wants the Task fulfilled (`Task.restriction.period.end`, R4).
#[must_use]
pub fn due(task: &Json, delivered: OffsetDateTime, within: Duration) -> OffsetDateTime {
    let latest = delivered.saturating_add(within);
    urgency::wanted_by(task).map_or(latest, |end| end.max(delivered).min(latest))
}

/// A referral whose platform is waited for.
pub struct Waited<'a> {
    /// The referral as it stands.
    pub referral: &'a Referral,
    /// Version and document of the sender's Task.
    pub task: (u64, &'a Json),
    /// Its outbox rows.
    pub outbox: &'a [OutboxRow],
    /// Its status links.
    pub links: &'a [StatusLink],
    /// Whether its organisation is asked by mail, and answers behind status links.
    pub by_link: bool,
    /// When attempts are made.
    pub schedule: &'a Schedule,
    /// Now.
    pub now: OffsetDateTime,
}

/// What is done when it is time to look at it: a reminder goes out, or the time to answer is over. `None` if by now nothing is
/// waited for, or not yet long enough. `id` names a reminder's errand.
#[must_use]
pub fn look(from: &Waited<'_>, id: String) -> Option<Transaction> {
    let due = from.referral.awaits_answer()?;
    if due > from.now {
        return remind(from, id);
    }
    if from.by_link { Some(go_back(from, due)) } else { overdue(from.referral, from.task, from.now) }
}

/// The organisation is reminded; `None` if that is for later. What was missed meanwhile is one mail, and none where one that asks is
/// still to leave.
fn remind(from: &Waited<'_>, id: String) -> Option<Transaction> {
    let (past, to_come): (Vec<_>, Vec<_>) = from.referral.reminders.iter().partition(|at| **at <= from.now);
    if past.is_empty() {
        return None;
    }
    let mut referral = from.referral.clone();
    referral.reminders = to_come;
    let mut changes = Vec::new();
    if from.by_link && !is_asking(from.outbox) {
        let number = next_number(from.outbox, Ask::Reminder);
        let errand = Errand::Ask { why: Ask::Reminder, number };
        let row = new_row(&referral, id, errand, 0, from.now, from.schedule)?;
        changes.push(Change::PutOutbox(Box::new(row)));
        changes.push(audit_line(&referral, from.now, GATEWAY_AUTHOR, "remind", json!({ "number": number })));
    }
    referral.revision += 1;
    changes.push(Change::PutReferral(Box::new(referral)));
    Some(Transaction { checks: Vec::new(), changes })
}

/// Nobody answered the mails: the referral is the link worker's again, and its links open nothing any more. That nobody answers is no
/// refusal, so that the Task pauses and does not end.
fn go_back(from: &Waited<'_>, due: OffsetDateTime) -> Transaction {
    let mut referral = from.referral.clone();
    (referral.answer_due, referral.reminders) = (None, Vec::new());
    referral.attention = Some(GONE_BACK.to_owned());
    referral.task_status = TaskStatus::OnHold;
    let step = TaskMove {
        status: Some(TaskStatus::OnHold),
        business_status: Some(EXPIRED.to_owned()),
        reason: Some(GONE_BACK.to_owned()),
        ..TaskMove::default()
    };
    let mut changes = vec![shown(&referral, from.task, &step, from.now)];
    let open = |link: &&StatusLink| link.state != LinkState::Spent;
    changes.extend(from.links.iter().filter(open).map(|link| Change::PutLink(Box::new(link.closed()))));
    let platform = referral.platform.as_ref().map(|platform| &platform.0);
    let detail = json!({ "platform": platform, "due": instant::to_instant(due) });
    changes.push(audit_line(&referral, from.now, GATEWAY_AUTHOR, "expired", detail));
    referral.revision += 1;
    changes.push(Change::PutReferral(Box::new(referral)));
    Transaction { checks: Vec::new(), changes }
}

/// Whether it went back to the link worker because nobody answered, and nobody has since.
#[must_use]
pub fn has_gone_back(referral: &Referral) -> bool {
    referral.attention.as_deref() == Some(GONE_BACK)
}

fn shown(referral: &Referral, task: (u64, &Json), step: &TaskMove, now: OffsetDateTime) -> Change {
    let key =
        ResourceKey { compartment: referral.compartment.clone(), kind: "Task".to_owned(), id: referral.task.clone() };
    let next = moved(task.1, step, now);
    Change::PutResource(version_of(key, task.0 + 1, next, GATEWAY_AUTHOR, WriteMethod::Put, now, &|_| None))
}

/// Puts it in front of a person; `None` if by now nothing is waited for, or not yet long enough. `task` is the version and
/// document of the sender's Task. Its status stays: that nobody answers is not known to be a no.
#[must_use]
pub fn overdue(referral: &Referral, task: (u64, &Json), now: OffsetDateTime) -> Option<Transaction> {
    let due = referral.awaits_answer().filter(|due| *due <= now)?;
    let mut referral = referral.clone();
    (referral.answer_due, referral.reminders) = (None, Vec::new());
    referral.attention = Some(WORDS.to_owned());
    let step = TaskMove {
        business_status: Some(BUSINESS_STATUS.to_owned()),
        reason: Some(WORDS.to_owned()),
        ..TaskMove::default()
    };
    let next = shown(&referral, task, &step, now);
    let platform = referral.platform.as_ref().map(|platform| &platform.0);
    let detail = json!({ "platform": platform, "due": instant::to_instant(due) });
    let line = audit_line(&referral, now, GATEWAY_AUTHOR, "unanswered", detail);
    referral.revision += 1;
    let changes = vec![next, line, Change::PutReferral(Box::new(referral))];
    Some(Transaction { checks: Vec::new(), changes })
}

/// Whether a platform that reports this status has said something of its own: `requested` only repeats what it was asked.
pub(crate) fn is_answer(status: TaskStatus) -> bool {
    status != TaskStatus::Requested
}

/// The platform has spoken after all: nobody has to ask any more. What the Task shows follows from what it said. Where it had gone
/// back meanwhile, a person has to see that, unless what was said ends it.
pub(crate) fn answered(referral: &mut Referral) {
    (referral.answer_due, referral.reminders) = (None, Vec::new());
    let Some(words) = referral.attention.as_deref() else { return };
    if words == WORDS || words.starts_with(IN_VAIN) {
        referral.attention = None;
    } else if words == GONE_BACK || words == LATE {
        referral.attention = (!referral.task_status.is_final()).then(|| LATE.to_owned());
    }
}
