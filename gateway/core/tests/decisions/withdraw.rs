//! Withdraw: what becomes of a referral when a Consent is written that no longer covers its recipient.

use crate::builders::*;
use adapter_contract::{Capabilities, SenderMove, TaskStatus};
use gateway_core::change::{Check, Transaction};
use gateway_core::consent::{Decision, Reason, Verdict};
use gateway_core::outbox::{Errand, OutboxRow, OutboxState};
use gateway_core::referral::{Delivery, HoldReason, Recall, Referral, SenderState, Way};
use gateway_core::retry::Schedule;
use gateway_core::withdraw::{BUSINESS_STATUS, EXTENSION, Withdrawal, ends_consent, withdraw};
use gateway_fhir::Json;
use serde_json::json;
use time::{Duration, OffsetDateTime};

pub(crate) const CANCEL: Errand = Errand::Tell { sender_move: SenderMove::Cancel };

/// A referral as it stands when a Consent is written.
pub(crate) struct Standing {
    pub(crate) referral: Referral,
    pub(crate) task: Json,
    pub(crate) service_request: Json,
    pub(crate) outbox: Vec<OutboxRow>,
    pub(crate) capabilities: Option<Capabilities>,
    pub(crate) before: Decision,
    pub(crate) after: Decision,
    pub(crate) told: Option<OffsetDateTime>,
}

impl Standing {
    pub(crate) fn new(delivery: Delivery, outbox: Vec<OutboxRow>) -> Self {
        let platform_referral = matches!(delivery, Delivery::Delivered { .. }).then(|| delivered().platform_referral);
        let referral = Referral { delivery, platform_referral: platform_referral.flatten(), ..referral() };
        Self {
            referral,
            task: task(TaskStatus::Requested),
            service_request: service_request(),
            outbox,
            capabilities: Some(ABLE),
            before: decision(Verdict::Permit),
            after: denied(Reason::Withdrawn),
            told: None,
        }
    }

    pub(crate) fn delivered() -> Self {
        Self::new(Delivery::Delivered { at: NOW }, vec![in_state(Errand::Submit, OutboxState::Done, 1)])
    }

    fn shown(mut self, status: TaskStatus) -> Self {
        (self.referral.task_status, self.task) = (status, task(status));
        self
    }

    pub(crate) fn withdraw(&self) -> Option<Transaction> {
        let done = withdraw(&Withdrawal {
            referral: &self.referral,
            task: (3, &self.task),
            service_request: (2, &self.service_request),
            outbox: &self.outbox,
            capabilities: self.capabilities,
            before: &self.before,
            after: &self.after,
            author: "client/gp",
            told: self.told,
            within: WITHIN,
            schedule: &Schedule::default(),
            now: NOW,
        });
        done.iter().for_each(Wrote::assert_valid);
        done
    }
}

fn denied(reason: Reason) -> Decision {
    let decisive = Some(("c".to_owned(), 2));
    Decision { verdict: Verdict::Deny, reason, decisive, ..Decision::indeterminate() }
}

pub(crate) fn recall(done: &Transaction) -> Recall {
    *done.referral().recall.expect("a receipt")
}

/// A part of the receipt on a Task.
pub(crate) fn part(task: &Json, url: &str) -> Option<Json> {
    let receipt = task.items("extension").iter().find(|one| one.text("url") == Some(EXTENSION))?;
    receipt.items("extension").iter().find(|one| one.text("url") == Some(url)).cloned()
}

fn states(done: &Transaction) -> Vec<(Errand, OutboxState)> {
    done.rows().into_iter().map(|row| (row.errand, row.state)).collect()
}

fn begun(state: OutboxState) -> OutboxRow {
    OutboxRow { progress: step("two"), ..in_state(Errand::Submit, state, 2) }
}

fn held(reason: HoldReason) -> Delivery {
    Delivery::Held { reason }
}

#[test]
fn what_has_not_started_is_cancelled_and_nothing_leaves() {
    for (delivery, state, attempts) in [
        (Delivery::Queued, OutboxState::Ready, 0),
        // It found no connection: nothing is at the platform.
        (Delivery::Queued, OutboxState::Ready, 3),
        (held(HoldReason::SenderHold), OutboxState::Held, 0),
        (held(HoldReason::NeedsReview("x".to_owned())), OutboxState::Held, 1),
        (held(HoldReason::NoConsent("x".to_owned())), OutboxState::Held, 1),
        (Delivery::DeadLetter { reason: "x".to_owned() }, OutboxState::Dead, 2),
    ] {
        let standing = Standing::new(delivery.clone(), vec![in_state(Errand::Submit, state, attempts)]);
        let done = standing.withdraw().unwrap();
        assert_eq!(states(&done), [(Errand::Submit, OutboxState::Dropped)], "{delivery:?}");
        assert_eq!(done.checks, [Check::NotLeased { outbox: "row-submit".to_owned(), fence: 7 }]);
        let after = done.referral();
        assert_eq!((after.delivery, after.sender), (Delivery::Withdrawn, SenderState::Cancelled));
        assert_eq!((after.task_status, after.attention), (TaskStatus::Cancelled, None));
        let receipt = recall(&done);
        assert_eq!((receipt.way, receipt.deadline, receipt.asked_at), (Way::NothingSent, None, NOW));
        assert_eq!(receipt.consent.as_deref(), Some("Consent/c/_history/2"));
        let task = done.task().unwrap();
        assert_eq!((task.text("status"), business_status(&task)), (Some("cancelled"), BUSINESS_STATUS));
        assert!(status_reason(&task).contains("Nothing was sent"), "{}", status_reason(&task));
        assert_eq!(done.versions("ServiceRequest")[0].1.text("status"), Some("revoked"));
        assert_eq!(done.audit(), ["consent-withdrawn"]);
    }
}

#[test]
fn what_may_have_left_is_recalled_with_a_deadline() {
    // How it stands; the submission; what becomes of it; the delivery afterwards.
    for (delivery, submit, reopened, after) in [
        (Delivery::Delivered { at: NOW }, in_state(Errand::Submit, OutboxState::Done, 1), false, None),
        (Delivery::Queued, in_state(Errand::Submit, OutboxState::Leased, 1), false, None),
        (Delivery::Queued, begun(OutboxState::Ready), true, Some(Delivery::Queued)),
        (held(HoldReason::NoConsent("x".to_owned())), begun(OutboxState::Held), true, Some(Delivery::Queued)),
        (Delivery::DeadLetter { reason: "x".to_owned() }, begun(OutboxState::Dead), true, Some(Delivery::Queued)),
    ] {
        let standing = Standing::new(delivery.clone(), vec![submit]);
        let done = standing.withdraw().unwrap();
        let mut expected = vec![(CANCEL, OutboxState::Ready), (Errand::Chase, OutboxState::Ready)];
        if reopened {
            expected.insert(0, (Errand::Submit, OutboxState::Ready));
        }
        assert_eq!(states(&done), expected, "{delivery:?}");
        assert_eq!(done.referral().delivery, after.unwrap_or(delivery));
        let receipt = recall(&done);
        assert_eq!((receipt.way, receipt.deadline), (Way::Exchange, Some(NOW + WITHIN)));
        let chase = done.row();
        assert_eq!((chase.errand, chase.not_before, chase.sequence), (Errand::Chase, NOW + WITHIN, 0));
        assert!(status_reason(&done.task().unwrap()).contains("being told to stop"));
        assert!(part(&done.task().unwrap(), "deadline").is_some());
    }
}

#[test]
fn a_platform_that_cannot_be_told_is_called() {
    for capabilities in [Some(Capabilities { cancel: false, ..ABLE }), None] {
        let done = Standing { capabilities, ..Standing::delivered() }.withdraw().unwrap();
        assert_eq!(states(&done), []);
        assert_eq!((recall(&done).way, recall(&done).deadline), (Way::Person, None));
        assert!(done.referral().attention.unwrap().contains("Call the organisation"));
        assert!(status_reason(&done.task().unwrap()).contains("Call the organisation"));
    }
}

#[test]
fn what_was_under_way_besides_is_overtaken() {
    let tell = |sender_move, sequence| OutboxRow {
        id: format!("tell-{sequence}"),
        sequence,
        ..in_state(Errand::Tell { sender_move }, OutboxState::Ready, 0)
    };
    let mut standing = Standing::delivered();
    let read = OutboxRow { sequence: 0, ..in_state(Errand::Read, OutboxState::Ready, 0) };
    standing.outbox.extend([read, tell(SenderMove::Hold, 2), tell(SenderMove::Release, 3)]);
    // One that is under way cannot be taken back: the cancellation comes after it.
    standing.outbox.push(OutboxRow { state: OutboxState::Leased, ..tell(SenderMove::Release, 4) });
    let done = standing.withdraw().unwrap();
    let dropped = done.rows().iter().filter(|row| row.state == OutboxState::Dropped).count();
    assert_eq!((dropped, done.checks.len()), (3, 3));
    let cancel = done.rows().into_iter().find(|row| row.errand == CANCEL).unwrap();
    assert_eq!((cancel.sequence, cancel.state), (5, OutboxState::Ready));
}

#[test]
fn what_ended_before_and_what_waits_for_something_else_stays() {
    for status in [TaskStatus::Completed, TaskStatus::Rejected, TaskStatus::Failed] {
        assert_eq!(Standing::delivered().shown(status).withdraw(), None, "{status}");
    }
    // It waits for a Consent that covers it, and there was none before.
    let mut waits = Standing::new(held(HoldReason::NoConsent("x".to_owned())), vec![]);
    waits.before = denied(Reason::Purpose);
    waits.after = denied(Reason::Refused);
    assert_eq!(waits.withdraw(), None);
    // What was recalled is recalled once.
    let mut again = Standing::delivered();
    again.referral = Standing::delivered().withdraw().unwrap().referral();
    assert_eq!(again.withdraw(), None);
}

#[test]
fn only_what_takes_a_permit_away_withdraws() {
    let permit = decision(Verdict::Permit);
    let implied = Decision { reason: Reason::Implied, ..decision(Verdict::Permit) };
    let expired = denied(Reason::Expired);
    for (before, after, taken) in [
        (permit.clone(), denied(Reason::Withdrawn), true),
        (permit.clone(), denied(Reason::Refused), true),
        (permit.clone(), denied(Reason::OtherRecipient), true),
        (permit.clone(), permit.clone(), false),
        // Nobody has withdrawn anything.
        (permit.clone(), denied(Reason::Indeterminate), false),
        (permit.clone(), denied(Reason::Unresolved), false),
        (permit.clone(), denied(Reason::Deceased), false),
        (permit.clone(), denied(Reason::NotYet), false),
        // A Consent still permits, and something else is in the way; without one there is nothing left to rest on.
        (permit.clone(), Decision { consented: true, ..denied(Reason::Notes) }, false),
        (permit.clone(), Decision { consented: true, ..denied(Reason::NeededField) }, false),
        (permit.clone(), Decision { consented: true, ..denied(Reason::RestrictedPatient) }, false),
        (permit, denied(Reason::RestrictedPatient), true),
        // What was given without a Consent, or had run out, ends by a refusal alone.
        (implied.clone(), denied(Reason::OtherRecipient), false),
        (implied, denied(Reason::Refused), true),
        (expired.clone(), denied(Reason::OtherRecipient), false),
        (expired.clone(), expired.clone(), false),
        (expired, denied(Reason::Withdrawn), true),
    ] {
        let words = format!("{:?} {:?}", before.reason, after.reason);
        let standing = Standing { before, after, ..Standing::delivered() };
        assert_eq!(standing.withdraw().is_some(), taken, "{words}");
    }
    assert!(!ends_consent(&decision(Verdict::Permit)) && ends_consent(&denied(Reason::NoConsent)));
}

#[test]
fn what_its_sender_cancelled_owes_a_confirmation_unless_the_platform_gave_one() {
    let cancelled = |state: Option<OutboxState>| {
        let mut standing = Standing::delivered().shown(TaskStatus::Cancelled);
        standing.referral.sender = SenderState::Cancelled;
        standing.outbox.extend(state.map(|state| OutboxRow { sequence: 2, ..in_state(CANCEL, state, 1) }));
        standing
    };
    let chase = (Errand::Chase, OutboxState::Ready);
    for (told, rows) in [
        (None, vec![(CANCEL, OutboxState::Ready), chase.clone()]),
        (Some(OutboxState::Ready), vec![(CANCEL, OutboxState::Ready), chase.clone()]),
        (Some(OutboxState::Leased), vec![chase.clone()]),
        (Some(OutboxState::Done), vec![chase.clone()]),
        // It could not be told; it is tried again.
        (Some(OutboxState::Dead), vec![(CANCEL, OutboxState::Ready), chase.clone()]),
    ] {
        let done = cancelled(told).withdraw().unwrap();
        assert_eq!(states(&done), rows, "{told:?}");
        assert_eq!(done.referral().delivery, Delivery::Delivered { at: NOW }, "{told:?}");
        assert_eq!(recall(&done).deadline, Some(NOW + WITHIN));
    }
    let at = NOW - Duration::days(3);
    let done = Standing { told: Some(at), ..cancelled(Some(OutboxState::Done)) }.withdraw().unwrap();
    assert_eq!(recall(&done).told_at, Some(at));
    // The platform has said that it stopped, or never had it.
    let mut confirmed = cancelled(Some(OutboxState::Done));
    confirmed.referral.platform_status = Some(TaskStatus::Cancelled);
    assert_eq!(confirmed.withdraw(), None);
    let mut nothing = cancelled(None);
    (nothing.referral.delivery, nothing.outbox) =
        (Delivery::Withdrawn, vec![in_state(Errand::Submit, OutboxState::Dropped, 0)]);
    assert_eq!(nothing.withdraw(), None);
    // Half of it may be there, under no name.
    nothing.outbox = vec![begun(OutboxState::Dropped)];
    assert_eq!(recall(&nothing.withdraw().unwrap()).way, Way::Person);
}

#[test]
fn a_final_status_and_the_senders_words_stay() {
    for (status, words) in
        [(TaskStatus::Cancelled, true), (TaskStatus::Cancelled, false), (TaskStatus::EnteredInError, false)]
    {
        let mut standing = Standing::delivered().shown(status);
        standing.referral.sender = SenderState::Cancelled;
        if words {
            standing.task.set("statusReason", json!({"text": "Moved away"}).into());
        }
        let done = standing.withdraw().unwrap();
        let task = done.task().unwrap();
        assert_eq!((task.text("status"), done.referral().task_status), (Some(status.code()), status));
        assert!(part(&task, "way").is_some());
        let reason = status_reason(&task);
        let ours = status == TaskStatus::Cancelled && !words;
        assert_eq!(reason.contains("Consent no longer covers"), ours, "{status}: {reason}");
        assert_eq!(reason == "Moved away", words);
    }
}
