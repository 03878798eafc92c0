//! Update: the sender withdraws, before and after something may have been sent.

use crate::builders::*;
use crate::sender_moves::Desk;
use adapter_contract::{Capabilities, Repeat, SenderMove, TaskStatus};
use gateway_core::change::Check;
use gateway_core::outbox::{Errand, OutboxRow, OutboxState};
use gateway_core::referral::{Delivery, HoldReason, Referral, SenderState};
use time::Duration;

const CANCEL: Errand = Errand::Tell { sender_move: SenderMove::Cancel };

fn later(errand: Errand, state: OutboxState, attempts: u32) -> OutboxRow {
    let not_before = NOW + Duration::hours(8);
    OutboxRow { not_before, in_flight: Some(Repeat::LookUpFirst), ..in_state(errand, state, attempts) }
}

fn withdraw(delivery: Delivery, outbox: Vec<OutboxRow>, capabilities: Option<Capabilities>) -> Desk {
    let mut desk = Desk::new(TaskStatus::Requested, Some(Referral { delivery, ..referral() }));
    (desk.outbox, desk.capabilities) = (outbox, capabilities);
    desk
}

#[test]
fn before_the_first_attempt_nothing_leaves_any_more() {
    let held = Delivery::Held { reason: HoldReason::NoRoute("none".to_owned()) };
    for (delivery, outbox) in [
        (held, vec![]),
        (Delivery::Queued, vec![in_state(Errand::Submit, OutboxState::Ready, 0)]),
        (Delivery::Held { reason: HoldReason::SenderHold }, vec![in_state(Errand::Submit, OutboxState::Held, 0)]),
    ] {
        for to in [TaskStatus::Cancelled, TaskStatus::EnteredInError] {
            let done = withdraw(delivery.clone(), outbox.clone(), Some(ABLE)).to(to).unwrap().transaction;
            let states: Vec<OutboxState> = done.rows().iter().map(|row| row.state).collect();
            assert_eq!(states, vec![OutboxState::Dropped; outbox.len()]);
            assert_eq!(done.checks.len(), outbox.len());
            let referral = done.referral();
            assert_eq!((referral.delivery, referral.task_status), (Delivery::Withdrawn, to));
            assert_eq!(referral.sender, SenderState::Cancelled);
            let follows = if to == TaskStatus::Cancelled { "revoked" } else { "entered-in-error" };
            assert_eq!(done.versions("ServiceRequest")[0].1.text("status"), Some(follows));
        }
    }
}

#[test]
fn after_an_attempt_the_worker_finds_out_at_once() {
    let dead = Delivery::DeadLetter { reason: "why".to_owned() };
    let at = Delivery::Delivered { at: NOW };
    // Delivery before; state of the submission; whether it is reopened; delivery after.
    for (before, state, reopened, after) in [
        (Delivery::Queued, OutboxState::Ready, true, Delivery::Queued),
        (Delivery::Queued, OutboxState::Leased, false, Delivery::Queued),
        (dead, OutboxState::Dead, true, Delivery::Queued),
        (Delivery::Held { reason: HoldReason::NeedsReview("x".to_owned()) }, OutboxState::Held, true, Delivery::Queued),
        (at.clone(), OutboxState::Done, false, at),
    ] {
        let submit = later(Errand::Submit, state, 2);
        let done = withdraw(before, vec![submit.clone()], Some(ABLE)).to(TaskStatus::Cancelled).unwrap().transaction;
        let (tells, others): (Vec<_>, Vec<_>) = done.rows().into_iter().partition(|row| row.errand == CANCEL);
        assert_eq!(tells.len(), 1, "{state:?}");
        assert_eq!((tells[0].sequence, tells[0].state, tells[0].not_before), (2, OutboxState::Ready, NOW));
        let expected = OutboxRow {
            state: OutboxState::Ready,
            not_before: NOW,
            expires_at: NOW + Duration::hours(72),
            ..submit.clone()
        };
        assert_eq!(others, if reopened { vec![expected] } else { vec![] }, "{state:?}");
        let check = Check::NotLeased { outbox: submit.id, fence: submit.fence };
        assert_eq!(done.checks, if reopened { vec![check] } else { vec![] });
        assert_eq!(done.referral().delivery, after, "{state:?}");
        assert_eq!(done.referral().attention, None);
        assert_eq!(done.versions("ServiceRequest")[0].1.text("status"), Some("revoked"));
    }
}

#[test]
fn reads_are_dropped_and_other_tells_go_first() {
    let hold = Errand::Tell { sender_move: SenderMove::Hold };
    let outbox = vec![
        in_state(Errand::Submit, OutboxState::Done, 1),
        OutboxRow { sequence: 0, ..later(Errand::Read, OutboxState::Ready, 0) },
        OutboxRow { sequence: 2, ..later(hold.clone(), OutboxState::Dead, 3) },
    ];
    let desk = withdraw(Delivery::Delivered { at: NOW }, outbox, Some(ABLE));
    let done = desk.to(TaskStatus::Cancelled).unwrap().transaction;
    let rows: Vec<_> = done.rows().into_iter().map(|row| (row.errand, row.state, row.sequence)).collect();
    let ready = OutboxState::Ready;
    assert_eq!(rows, [(Errand::Read, OutboxState::Dropped, 0), (hold, ready, 2), (CANCEL, ready, 3)]);
    assert_eq!(done.referral().delivery, Delivery::Delivered { at: NOW }, "only a submission queues it again");
}

#[test]
fn a_platform_that_cannot_be_told_needs_a_person() {
    for capabilities in [Some(UNABLE), None] {
        let submit = in_state(Errand::Submit, OutboxState::Done, 1);
        let desk = withdraw(Delivery::Delivered { at: NOW }, vec![submit], capabilities);
        let done = desk.to(TaskStatus::Cancelled).unwrap().transaction;
        assert!(done.rows().is_empty());
        assert!(done.referral().attention.is_some());
    }
}

#[test]
fn a_withdrawal_that_is_corrected_is_not_told_twice() {
    for (state, told_again) in [
        (OutboxState::Ready, false),
        (OutboxState::Leased, false),
        (OutboxState::Done, false),
        (OutboxState::Dead, false),
        (OutboxState::Dropped, true),
    ] {
        let mut desk = Desk::new(TaskStatus::Cancelled, Some(delivered()));
        desk.referral.as_mut().unwrap().sender = SenderState::Cancelled;
        let tell = OutboxRow { sequence: 2, ..later(CANCEL, state, 1) };
        desk.outbox = vec![in_state(Errand::Submit, OutboxState::Done, 1), tell];
        let done = desk.to(TaskStatus::EnteredInError).unwrap().transaction;
        let new: Vec<_> = done.rows().into_iter().filter(|row| row.sequence == 3).collect();
        assert_eq!(!new.is_empty(), told_again, "{state:?}");
        assert_eq!(done.referral().task_status, TaskStatus::EnteredInError);
        // A dead one is tried again.
        let reopened = done.rows().iter().any(|row| row.sequence == 2 && row.state == OutboxState::Ready);
        assert_eq!(reopened, matches!(state, OutboxState::Ready | OutboxState::Dead), "{state:?}");
    }
}
