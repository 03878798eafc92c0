//! The receipt of a withdrawal: what the recipient was asked and whether it confirmed, kept on the referral, shown on the
//! Task, each step a version of the Task and a line of audit.

use super::Called;
use crate::accept::{audit_line, new_row, version_of};
use crate::alarm;
use crate::align::Alignment;
use crate::change::Change;
use crate::identity::GATEWAY_AUTHOR;
use crate::outbox::{Errand, OutboxRow};
use crate::referral::{Recall, Referral, Way};
use crate::resource::{ResourceKey, WriteMethod};
use crate::retry::Schedule;
use crate::task::{TaskMove, derived_id, moved, touched};
use adapter_contract::{Concept, StatusReport, TaskStatus};
use gateway_fhir::{Json, instant};
use serde_json::json;
use time::OffsetDateTime;

/// URL of the extension with which a Task shows the receipt: a name, not an address.
pub const EXTENSION: &str = "https://vcse-gateway.example/fhir/StructureDefinition/consent-withdrawal";

/// `businessStatus` of a Task that ended because consent did.
pub const BUSINESS_STATUS: &str = "consent-withdrawn";

/// What a person has to do where the platform cannot be told.
pub(super) const CALL: &str = "Consent was withdrawn, and this platform cannot be told by the gateway. Call the organisation: it has \
                    to stop, and to remove what it holds.";

/// What a person has to do where the platform was told and did not confirm.
const OVERDUE: &str = "Consent was withdrawn, and the platform has not confirmed in time that it stopped. Call the \
                       organisation.";

/// The errand that tells a person when the deadline of a recall has passed. Its name is a function of the referral, so that
/// whoever closes the recall can take it back.
pub(super) fn chase(referral: &Referral, schedule: &Schedule) -> Option<OutboxRow> {
    let deadline = referral.recall.as_ref()?.deadline?;
    new_row(referral, chase_id(referral), Errand::Chase, 0, deadline, schedule)
}

fn chase_id(referral: &Referral) -> String {
    derived_id(&[&referral.key.0, "chase"])
}

/// Nobody need be told any more. Whoever is about to, finds that out by itself: its row is not written under its hands.
fn no_chase(referral: &Referral) -> Change {
    Change::DropOutbox(chase_id(referral))
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
pub(crate) fn confirmed(referral: &mut Referral, task: (u64, &Json), now: OffsetDateTime) -> Vec<Change> {
    let platform = referral.platform.as_ref().map(|platform| format!("platform/{}", platform.0));
    let actor = (GATEWAY_AUTHOR, platform.unwrap_or_default());
    close(referral, task, now, actor, &Called { by: String::new(), at: now })
}

/// The sender has called, and records that the organisation confirmed. `author` is the client; what it says of who
/// confirmed stands on the receipt and not in the audit.
pub(crate) fn confirmed_by_phone(
    referral: &mut Referral,
    task: (u64, &Json),
    now: OffsetDateTime,
    author: &str,
    said: &Called,
) -> Vec<Change> {
    close(referral, task, now, (author, author.to_owned()), said)
}

/// Nothing is waited for any more, and nobody has to call.
fn close(
    referral: &mut Referral,
    task: (u64, &Json),
    now: OffsetDateTime,
    (actor, by): (&str, String),
    said: &Called,
) -> Vec<Change> {
    let Some(recall) = referral.recall.as_deref_mut().filter(|recall| recall.confirmed_at.is_none()) else {
        return Vec::new();
    };
    recall.confirmed_at = Some(said.at);
    recall.confirmed_by = (!said.by.is_empty()).then(|| said.by.clone());
    referral.attention = None;
    let mut changes = vec![no_chase(referral), show(referral, task, now)];
    let detail = json!({ "by": by, "at": instant::to_instant(said.at), "called": !said.by.is_empty() });
    changes.push(audit_line(referral, now, actor, "recall-confirmed", detail));
    changes
}

/// It turned out that the platform never had it.
pub(crate) fn nothing_there(referral: &mut Referral, task: (u64, &Json), now: OffsetDateTime) -> Vec<Change> {
    let changes = not_awaited(referral, Way::NothingSent, task, now);
    if referral.recall.is_some() {
        referral.attention = None;
    }
    changes
}

/// It has what was taken for stopped before it had it: a request that seemed lost arrived after all. Where it works on it,
/// it is told, and waited for, as if consent were withdrawn now.
pub(crate) fn had_it_after_all(referral: &mut Referral, from: &Alignment<'_>, working: bool) -> Vec<Change> {
    let Some(recall) = referral.recall.as_deref_mut().filter(|recall| recall.way == Way::NothingSent) else {
        return Vec::new();
    };
    recall.way = if from.capabilities.cancel { Way::Exchange } else { Way::Person };
    if !working {
        return Vec::new();
    }
    (recall.told_at, recall.overdue_at) = (None, None);
    let awaited = recall.way == Way::Exchange;
    recall.deadline = awaited.then(|| from.now + from.within);
    if !awaited {
        referral.attention = Some(CALL.to_owned());
    }
    let again = chase(referral, from.schedule);
    let again = again.map(|row| match from.outbox.iter().find(|kept| kept.id == row.id) {
        Some(kept) => OutboxRow { attempts: kept.attempts, fence: kept.fence, ..row },
        None => row,
    });
    let mut changes: Vec<Change> = again.map(|row| Change::PutOutbox(Box::new(row))).into_iter().collect();
    changes.push(show(referral, from.task, from.now));
    let deadline = referral.recall.as_ref().and_then(|recall| recall.deadline).map(instant::to_instant);
    let detail = json!({ "deadline": deadline });
    changes.push(audit_line(referral, from.now, GATEWAY_AUTHOR, "recall-again", detail));
    changes
}

/// Only a person can find out what the platform holds.
pub(crate) fn for_a_person(referral: &mut Referral, task: (u64, &Json), now: OffsetDateTime) -> Vec<Change> {
    not_awaited(referral, Way::Person, task, now)
}

/// No confirmation is waited for any more; empty if there is no recall.
fn not_awaited(referral: &mut Referral, way: Way, task: (u64, &Json), now: OffsetDateTime) -> Vec<Change> {
    let Some(recall) = referral.recall.as_deref_mut() else { return Vec::new() };
    (recall.way, recall.deadline) = (way, None);
    vec![no_chase(referral), show(referral, task, now)]
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
    // That the service calls for help is kept, and nothing of why.
    let kept = if alarm::is_alarm(report) { alarm::CALL } else { BUSINESS_STATUS };
    kept.clone_into(&mut report.business_status);
}

/// The Task with the receipt as it is now. Its status stays.
fn show(referral: &Referral, (version, task): (u64, &Json), now: OffsetDateTime) -> Change {
    let mut next = touched(task, now);
    let code = task.get("businessStatus").and_then(|status| status.items("coding").first()?.text("code"));
    if let Some(recall) = referral.recall.as_deref()
        && referral.task_status == TaskStatus::Cancelled
        && code == Some(BUSINESS_STATUS)
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

pub(super) fn task_key(referral: &Referral) -> ResourceKey {
    ResourceKey { compartment: referral.compartment.clone(), kind: "Task".to_owned(), id: referral.task.clone() }
}

/// What the GP reads.
pub(super) fn sentence(recall: &Recall) -> String {
    let state = match recall.way {
        Way::NothingSent => "Nothing was sent, and nothing will be.".to_owned(),
        Way::Person if recall.confirmed_at.is_none() => CALL.to_owned(),
        _ => match (recall.confirmed_at, recall.overdue_at, recall.told_at) {
            (Some(at), _, _) if recall.confirmed_by.is_some() => {
                format!(
                    "The sender called, and recorded that the organisation confirmed on {}.",
                    instant::to_instant(at)
                )
            }
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
pub(super) fn with_receipt(mut task: Json, referral: &Referral) -> Json {
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
    parts.extend(recall.confirmed_by.as_ref().map(|by| json!({ "url": "confirmed-by", "valueString": by })));
    parts.extend(at("deadline", recall.deadline));
    parts.extend(at("overdue-at", recall.overdue_at));
    let mut all: Vec<Json> = task.items("extension").iter().filter(|one| !is_receipt(one)).cloned().collect();
    all.push(json!({ "url": EXTENSION, "extension": parts }).into());
    task.set("extension", Json::Array(all));
    task
}
