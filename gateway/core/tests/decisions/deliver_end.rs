//! Deliver, the good ends: acknowledged, read; and what was cancelled meanwhile.

use crate::builders::*;
use adapter_contract::{PlatformReferralId, Receipt, ReportSource, SenderMove, TaskStatus};
use gateway_core::change::{Change, Disposition, ReportRecord, Transaction};
use gateway_core::deliver::{acknowledged, gone, nobody_to_tell, read_done};
use gateway_core::outbox::{Errand, OutboxState};
use gateway_core::referral::Delivery;

fn receipt(reports: Vec<adapter_contract::StatusReport>) -> Receipt {
    Receipt { platform_referral: PlatformReferralId("42".to_owned()), reports }
}

fn recorded(transaction: &Transaction) -> Vec<ReportRecord> {
    let found = transaction.changes.iter().filter_map(|change| match change {
        Change::RecordReport(record) => Some((**record).clone()),
        _ => None,
    });
    found.collect()
}

#[test]
fn delivered_is_never_shown_as_accepted() {
    // Shown before; withdrawn; status and business status of the new version, if there is one.
    for (shown, withdrawn, expected) in [
        (TaskStatus::Requested, false, Some(("requested", "delivered"))),
        (TaskStatus::OnHold, false, Some(("requested", "delivered"))),
        (TaskStatus::Accepted, false, None),
        (TaskStatus::Completed, false, None),
        (TaskStatus::Cancelled, true, None),
        (TaskStatus::EnteredInError, true, None),
    ] {
        let mut stand = Stand::new(Errand::Submit);
        if withdrawn {
            stand = stand.cancelled();
        }
        stand.referral.task_status = shown;
        stand.task = task(shown);
        stand.row.in_flight = Some(adapter_contract::Repeat::LookUpFirst);
        let ended = acknowledged(&stand.job(), &receipt(vec![]), &[], &mut ids());
        ended.assert_leased(&stand.row);
        ended.assert_valid();
        let task = ended.task();
        let seen = task.as_ref().map(|task| (task.text("status").unwrap(), business_status(task)));
        assert_eq!(seen, expected, "{shown}");
        let referral = ended.referral();
        assert_eq!(referral.delivery, Delivery::Delivered { at: NOW }, "{shown}");
        assert_eq!(referral.platform_referral, Some(PlatformReferralId("42".to_owned())));
        let after = if shown == TaskStatus::OnHold { TaskStatus::Requested } else { shown };
        assert_eq!(referral.task_status, after);
        assert_eq!((ended.row().state, ended.row().in_flight), (OutboxState::Done, None));
        assert_eq!(ended.attempts()[0].outcome.as_deref(), Some("acknowledged"));
        assert!(ended.versions("ServiceRequest").is_empty());
    }
}

#[test]
fn a_told_platform_moves_nothing_at_the_gps() {
    let mut stand = Stand::new(Errand::Tell { sender_move: SenderMove::Hold });
    stand.referral = delivered();
    let ended = acknowledged(&stand.job(), &receipt(vec![]), &[], &mut ids());
    ended.assert_leased(&stand.row);
    assert_eq!(ended.task(), None);
    assert_eq!(ended.referral().delivery, Delivery::Delivered { at: NOW });
    assert_eq!(ended.row().state, OutboxState::Done);
}

#[test]
fn what_came_with_it_and_what_overtook_it_are_recorded() {
    let stand = Stand::new(Errand::Submit);
    let said = crate::align_walk::said("a", Some(TaskStatus::Accepted), 1);
    let parked = ReportRecord { referral: None, disposition: Disposition::Parked, ..crate::align_walk::record(&said) };
    let came = crate::align_walk::said("b", Some(TaskStatus::Received), 0);
    let ended = acknowledged(&stand.job(), &receipt(vec![came]), &[parked], &mut ids());
    let recorded = recorded(&ended);
    assert_eq!(recorded.len(), 2);
    for record in &recorded {
        assert_eq!(record.referral, Some(stand.referral.id.clone()));
        assert_eq!(record.disposition, Disposition::Recorded);
    }
    assert_eq!(recorded[0].source, ReportSource::Acknowledgement);
}

#[test]
fn a_read_records_what_it_found() {
    let mut stand = Stand::new(Errand::Read);
    stand.referral = delivered();
    let said = crate::align_walk::said("a", Some(TaskStatus::Accepted), 1);
    let ended = read_done(&stand.job(), &[said], &mut ids());
    ended.assert_leased(&stand.row);
    assert_eq!(ended.row().state, OutboxState::Done);
    assert_eq!(recorded(&ended)[0].source, ReportSource::Poll);
    assert!(ended.changes.iter().all(|change| !matches!(change, Change::PutReferral(_))));
}

#[test]
fn a_word_that_found_nobody_to_tell_is_dropped_and_not_done() {
    let stand = Stand::new(Errand::Tell { sender_move: SenderMove::Cancel }).cancelled();
    let done = nobody_to_tell(&stand.job());
    assert_eq!(done.row().state, OutboxState::Dropped);
    assert!(done.task().is_none(), "the sender's Task stands as it was cancelled");
}

#[test]
fn a_referral_that_the_platform_no_longer_has_is_shown() {
    for (status, shown) in [(TaskStatus::InProgress, true), (TaskStatus::Completed, false)] {
        let mut stand = Stand::new(Errand::Read);
        stand.referral.task_status = status;
        stand.task = task(status);
        let done = gone(&stand.job());
        assert_eq!(done.row().state, OutboxState::Done);
        assert!(done.referral().attention.is_some_and(|words| words.contains("no longer has")));
        assert_eq!(done.task().is_some(), shown, "an end that was shown stays as it is");
        if let Some(next) = done.task() {
            assert_eq!(next.text("status"), Some(status.code()), "nobody said that it moved");
            assert!(status_reason(&next).contains("no longer has"));
        }
    }
}
