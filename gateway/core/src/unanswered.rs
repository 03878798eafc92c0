//! Unanswered: a platform has the referral, and nobody says whether anybody takes it on. Past the deadline it is put in
//! front of a person, for a referral that everybody takes for looked after is as lost as one that was never sent.

use crate::accept::{audit_line, version_of};
use crate::change::{Change, Transaction};
use crate::identity::GATEWAY_AUTHOR;
use crate::referral::Referral;
use crate::resource::{ResourceKey, WriteMethod};
use crate::task::{TaskMove, moved};
use crate::urgency;
use adapter_contract::{Capabilities, TaskStatus};
use gateway_fhir::{Json, instant};
use serde_json::json;
use time::{Duration, OffsetDateTime};

/// `Task.businessStatus` of a referral whose platform has said nothing in time.
const BUSINESS_STATUS: &str = "unacknowledged";

/// What a person is told.
pub const WORDS: &str = "The platform has this referral, and has not said in time whether anybody takes it on. Ask the \
                         organisation.";

/// Whether anything is ever heard of this platform. Of one that can neither be asked nor speaks by itself, silence says
/// nothing: its adapter says with the acknowledgement that nobody will tell (`sent-unmonitored`), and that stays.
pub(crate) const fn is_heard(capabilities: Capabilities) -> bool {
    capabilities.poll || capabilities.push
}

/// Until when a platform that has a referral since `delivered` is waited for: for so long, but not beyond the end of the
/// time within which the sender wants the Task fulfilled (`Task.restriction.period.end`, R4).
#[must_use]
pub fn due(task: &Json, delivered: OffsetDateTime, within: Duration) -> OffsetDateTime {
    let latest = delivered.saturating_add(within);
    urgency::wanted_by(task).map_or(latest, |end| end.max(delivered).min(latest))
}

/// Puts it in front of a person; `None` if by now nothing is waited for, or not yet long enough. `task` is the version and
/// document of the sender's Task. Its status stays: that nobody answers is not known to be a no.
#[must_use]
pub fn overdue(referral: &Referral, task: (u64, &Json), now: OffsetDateTime) -> Option<Transaction> {
    let due = referral.awaits_answer().filter(|due| *due <= now)?;
    let mut referral = referral.clone();
    referral.answer_due = None;
    referral.attention = Some(WORDS.to_owned());
    let step = TaskMove {
        business_status: Some(BUSINESS_STATUS.to_owned()),
        reason: Some(WORDS.to_owned()),
        ..TaskMove::default()
    };
    let key =
        ResourceKey { compartment: referral.compartment.clone(), kind: "Task".to_owned(), id: referral.task.clone() };
    let next = version_of(key, task.0 + 1, moved(task.1, &step, now), GATEWAY_AUTHOR, WriteMethod::Put, now, &|_| None);
    let platform = referral.platform.as_ref().map(|platform| &platform.0);
    let detail = json!({ "platform": platform, "due": instant::to_instant(due) });
    let line = audit_line(&referral, now, GATEWAY_AUTHOR, "unanswered", detail);
    referral.revision += 1;
    let changes = vec![Change::PutResource(next), line, Change::PutReferral(Box::new(referral))];
    Some(Transaction { checks: Vec::new(), changes })
}

/// Whether a platform that reports this status has said something of its own: `requested` only repeats what it was asked.
pub(crate) fn is_answer(status: TaskStatus) -> bool {
    status != TaskStatus::Requested
}

/// The platform has spoken after all: nobody has to ask any more. What the Task shows follows from what it said.
pub(crate) fn answered(referral: &mut Referral) {
    referral.answer_due = None;
    if referral.attention.as_deref() == Some(WORDS) {
        referral.attention = None;
    }
}
