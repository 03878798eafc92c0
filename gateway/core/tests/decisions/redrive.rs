//! What becomes of a dead letter that somebody wants to go on: it goes on where it stood, or says why it stays.

use crate::builders::{
    ABLE, NOW, UNABLE, Wrote as _, business_status, decision, delivered, in_state, referral, status_reason, step, task,
};
use adapter_contract::{Capabilities, DeliveryError, FailureCode, Repeat, SenderMove, TaskStatus};
use gateway_core::change::{Check, Transaction};
use gateway_core::consent::Verdict;
use gateway_core::outbox::{Errand, OutboxRow, OutboxState};
use gateway_core::redrive::{Redriving, Stays, redrive};
use gateway_core::referral::{Delivery, Referral, SenderState};
use gateway_core::retry::Schedule;
use gateway_core::subject::{Cause, Erasure};
use time::Duration;

struct Desk {
    referral: Referral,
    row: OutboxRow,
    capabilities: Capabilities,
    consent: Verdict,
    asked: Option<u32>,
}

impl Desk {
    fn submit() -> Self {
        let mut row = in_state(Errand::Submit, OutboxState::Dead, 5);
        row.last_failure = Some(DeliveryError::new(FailureCode::HttpStatus(401), "Refused."));
        row.expires_at = NOW - Duration::hours(1);
        let delivery = Delivery::DeadLetter { reason: "Refused.".to_owned() };
        let referral = Referral { delivery, task_status: TaskStatus::OnHold, ..referral() };
        Self { referral, row, capabilities: ABLE, consent: Verdict::Permit, asked: None }
    }

    fn tell(sender_move: SenderMove) -> Self {
        let row = in_state(Errand::Tell { sender_move }, OutboxState::Dead, 2);
        let referral = Referral { attention: Some("could not be told".to_owned()), ..delivered() };
        Self { referral, row, ..Self::submit() }
    }

    fn redrive(&self) -> Result<Transaction, Stays> {
        redrive(&Redriving {
            referral: &self.referral,
            row: &self.row,
            task: (3, &task(self.referral.task_status)),
            capabilities: self.capabilities,
            consent: &decision(self.consent),
            asked: self.asked,
            schedule: &Schedule::default(),
            author: "client/operator",
            now: NOW,
        })
    }

    #[track_caller]
    fn stays(&self, code: &str) {
        assert_eq!(self.redrive().map_err(|stays| stays.code()), Err(code));
    }
}

#[test]
fn it_goes_on_where_it_stood_with_a_window_of_its_own() {
    let mut desk = Desk::submit();
    (desk.row.progress, desk.row.in_flight) = (step("order"), Some(Repeat::LookUpFirst));
    let written = desk.redrive().expect("it goes on");
    written.assert_valid();
    assert_eq!(written.checks, [Check::NotLeased { outbox: desk.row.id.clone(), fence: desk.row.fence }]);
    let expected = OutboxRow {
        state: OutboxState::Ready,
        not_before: NOW,
        expires_at: NOW + Duration::hours(72),
        ..desk.row.clone()
    };
    assert_eq!(written.rows(), [expected], "attempts, progress and what is in flight stay");
    let kept = written.referral();
    assert_eq!((kept.delivery, kept.task_status, kept.revision), (Delivery::Queued, TaskStatus::Requested, 5));
    let shown = written.task().expect("the Task shows it");
    assert_eq!((shown.text("status"), business_status(&shown), status_reason(&shown)), (Some("requested"), "", ""));
    assert_eq!(written.audit(), ["redrive"]);
}

#[test]
fn what_is_no_dead_letter_or_may_not_go_on_stays() {
    for state in [OutboxState::Ready, OutboxState::Leased, OutboxState::Held, OutboxState::Done, OutboxState::Dropped] {
        let mut desk = Desk::submit();
        desk.row.state = state;
        desk.stays("not-dead");
    }
    for errand in [Errand::Read, Errand::Chase] {
        Desk { row: in_state(errand, OutboxState::Dead, 1), ..Desk::submit() }.stays("not-dead");
    }
    let mut desk = Desk::submit();
    desk.referral.task_status = TaskStatus::Rejected;
    desk.stays("ended");
    desk.referral.erased = Some(Erasure { at: NOW, cause: Cause::Request });
    desk.stays("erased");
    Desk { consent: Verdict::Deny, ..Desk::submit() }.stays("no-consent");
}

#[test]
fn what_may_be_there_and_cannot_be_asked_for_needs_somebody_who_asked() {
    let maybe = |in_flight: Option<Repeat>, code| {
        let mut desk = Desk { capabilities: UNABLE, ..Desk::submit() };
        desk.row.in_flight = in_flight;
        desk.row.last_failure = Some(DeliveryError::new(code, "x"));
        desk
    };
    for desk in [maybe(Some(Repeat::LookUpFirst), FailureCode::NoAnswer), maybe(None, FailureCode::PartlyStored)] {
        desk.stays("maybe-there");
        let asked = Desk { asked: Some(desk.row.attempts), ..desk };
        let row = asked.redrive().expect("somebody has asked").row();
        assert_eq!((row.state, row.in_flight), (OutboxState::Ready, None), "it is sent, not looked up");
        // What the organisation said counts for the attempts that there were: the same request again is no second one.
        let mut later = asked;
        later.row.attempts += 1;
        later.stays("tried-since");
    }
    // What the platform knows by our key can be sent again.
    let keyed = maybe(Some(Repeat::Keyed), FailureCode::NoAnswer).redrive().expect("keyed");
    assert_eq!(keyed.row().in_flight, Some(Repeat::Keyed));
    // Where the platform can be asked, it is, whatever somebody says.
    let mut able = maybe(Some(Repeat::LookUpFirst), FailureCode::NoAnswer);
    (able.capabilities, able.asked) = (ABLE, Some(able.row.attempts));
    assert_eq!(able.redrive().expect("it is looked up").row().in_flight, Some(Repeat::LookUpFirst));
}

#[test]
fn a_withdrawn_one_asks_the_platform_or_stays() {
    let mut desk = Desk::submit();
    desk.referral.sender = SenderState::Cancelled;
    desk.referral.task_status = TaskStatus::Cancelled;
    desk.consent = Verdict::Deny;
    let written = desk.redrive().expect("it asks");
    assert_eq!((written.task(), written.referral().delivery), (None, Delivery::Queued));
    Desk { capabilities: UNABLE, ..desk }.stays("withdrawn");
}

#[test]
fn a_move_is_told_again_and_only_going_on_needs_consent() {
    for (sender_move, code) in [
        (SenderMove::Cancel, "withdrawn-by-referrer"),
        (SenderMove::Hold, "on-hold"),
        (SenderMove::Release, "delivered"),
    ] {
        let desk = Desk::tell(sender_move);
        let written = desk.redrive().expect("it is told");
        written.assert_valid();
        assert_eq!((written.row().state, written.referral().attention), (OutboxState::Ready, None));
        assert_eq!(business_status(&written.task().expect("the Task shows it")), code);
        let denied = Desk { consent: Verdict::Deny, ..desk };
        assert_eq!(denied.redrive().is_err(), sender_move == SenderMove::Release, "{sender_move:?}");
    }
}

#[test]
fn whom_consent_was_withdrawn_from_is_still_to_be_called() {
    let mut desk = Desk::tell(SenderMove::Cancel);
    desk.referral = crate::builders::recalled(desk.referral);
    let written = desk.redrive().expect("it is told");
    assert_eq!(written.task(), None);
    assert_eq!(written.referral().attention.as_deref(), Some("could not be told"));
}

#[test]
fn each_reason_says_what_to_do() {
    let all = [
        Stays::NotDead,
        Stays::Erased,
        Stays::Withdrawn,
        Stays::Ended,
        Stays::Consent("no.".to_owned()),
        Stays::MaybeThere,
        Stays::NoPlatform,
        Stays::Busy,
    ];
    let codes: std::collections::BTreeSet<&str> = all.iter().map(Stays::code).collect();
    assert_eq!(codes.len(), all.len());
    assert!(all.iter().all(|one| one.words().ends_with('.')));
}
