//! What is in the way of an erasure, and what it leaves.

use crate::builders::{NOW, compartment, delivered, error, in_state, referral, step};
use adapter_contract::{FailureCode, TaskStatus};
use gateway_core::change::{Change, Check, Removed, Transaction};
use gateway_core::erase::{Erasing, Waits, erase, waits};
use gateway_core::follow_up::{self, FollowUp};
use gateway_core::outbox::{Errand, OutboxRow, OutboxState};
use gateway_core::referral::{Delivery, HoldReason, Recall, Referral, Way};
use gateway_core::subject::{Cause, Domain, Subject, SubjectId};
use std::collections::BTreeSet;
use time::Duration;

const CANARY: &str = "words of somebody";

fn recall(way: Way, awaited: bool) -> Option<Box<Recall>> {
    Some(Box::new(Recall {
        consent: None,
        reason: "no-permit".to_owned(),
        words: CANARY.to_owned(),
        asked_at: NOW,
        way,
        deadline: Some(NOW + Duration::hours(48)),
        told_at: None,
        confirmed_at: (!awaited).then_some(NOW),
        confirmed_by: Some(CANARY.to_owned()),
        overdue_at: None,
    }))
}

fn ended() -> Referral {
    Referral { task_status: TaskStatus::Completed, ..delivered() }
}

fn erased(referrals: &[(Referral, Vec<OutboxRow>)], domains: &[Domain]) -> Result<Transaction, Vec<(String, Waits)>> {
    let both = |id: &str| Domain::ALL.map(|domain| Subject { id: SubjectId(id.to_owned()), domain });
    let subjects: BTreeSet<Subject> = ["one", "two"].into_iter().flat_map(both).collect();
    erase(&Erasing {
        tenant: &compartment().tenant,
        referrals,
        subjects: &subjects,
        domains,
        unconfirmed: true,
        parked: &["parked".to_owned()],
        author: "client/governance",
        cause: Cause::Request,
        row: None,
        now: NOW,
    })
}

#[test]
fn a_call_for_help_that_nobody_has_ended_is_in_the_way() {
    let open = |cause| FollowUp { cause, task: "f".to_owned(), opened_at: NOW, due: None, ended_at: None, again: None };
    let with = |one| Referral { task_status: TaskStatus::Completed, follow_ups: vec![one], ..delivered() };
    for cause in follow_up::Cause::ALL {
        assert_eq!(waits(&with(open(cause)), &[], true), cause.is_alarm().then_some(Waits::FollowUp), "{cause:?}");
        let ended = FollowUp { ended_at: Some(NOW), ..open(cause) };
        assert_eq!(waits(&with(ended), &[], true), None, "{cause:?}");
    }
}

#[test]
fn what_is_under_way_is_in_the_way() {
    use OutboxState::{Dead, Done, Dropped, Held, Leased, Ready};
    let row = |errand: Errand, state| vec![in_state(errand, state, 1)];
    let tell = || Errand::Tell { sender_move: adapter_contract::SenderMove::Cancel };
    let open = [TaskStatus::Requested, TaskStatus::OnHold, TaskStatus::Accepted, TaskStatus::InProgress];
    for status in open {
        assert_eq!(waits(&Referral { task_status: status, ..delivered() }, &[], true), Some(Waits::Open), "{status:?}");
    }
    for (rows, expected) in [
        (vec![], None),
        (row(Errand::Submit, Done), None),
        (row(tell(), Ready), Some(Waits::Errand)),
        (row(tell(), Leased), Some(Waits::Errand)),
        (row(tell(), Dead), Some(Waits::Call)),
        (row(Errand::Tell { sender_move: adapter_contract::SenderMove::Hold }, Dead), None),
        (row(tell(), Held), None),
        (row(Errand::Submit, Dropped), None),
        (row(Errand::Read, Ready), None),
        (row(Errand::Read, Leased), Some(Waits::Errand)),
    ] {
        assert_eq!(waits(&ended(), &rows, false), expected, "{rows:?}");
        let taken_on = expected.filter(|waits| *waits != Waits::Call);
        assert_eq!(waits(&ended(), &rows, true), taken_on, "{rows:?}");
    }
    for (way, awaited, expected) in [
        (Way::Exchange, true, Some(Waits::Recall)),
        (Way::Exchange, false, None),
        (Way::Person, true, Some(Waits::Call)),
        (Way::Person, false, None),
        (Way::NothingSent, true, None),
    ] {
        let recalled = Referral { recall: recall(way, awaited), task_status: TaskStatus::Cancelled, ..delivered() };
        assert_eq!(waits(&recalled, &[], false), expected, "{way:?} {awaited}");
    }
    // Nobody answered in time, or a call is still to be made: only a person takes that on. Who stopped by itself is not called.
    for way in [Way::Exchange, Way::Person] {
        let mut unanswered = recall(way, true);
        unanswered.as_mut().unwrap().overdue_at = Some(NOW);
        let recalled = Referral { recall: unanswered, task_status: TaskStatus::Cancelled, ..delivered() };
        assert_eq!((waits(&recalled, &[], false), waits(&recalled, &[], true)), (Some(Waits::Call), None), "{way:?}");
    }
    let stopped = Referral { platform_status: Some(TaskStatus::Completed), ..ended() };
    assert_eq!(waits(&stopped, &row(tell(), Dead), false), None);
    // One is enough, and it is named; Consents alone wait for nothing.
    let all = [(ended(), vec![]), (Referral { task: "under-way".to_owned(), ..referral() }, vec![])];
    assert_eq!(erased(&all, &Domain::ALL), Err(vec![("Task/under-way".to_owned(), Waits::Open)]));
    assert!(erased(&all, &[Domain::Consent]).is_ok());
}

#[test]
fn a_skeleton_without_anybodys_words_stays() {
    let full = Referral {
        conflict: Some(CANARY.to_owned()),
        attention: Some(CANARY.to_owned()),
        recall: recall(Way::Exchange, false),
        delivery: Delivery::DeadLetter { reason: CANARY.to_owned() },
        ..ended()
    };
    let held = Referral { delivery: Delivery::Held { reason: HoldReason::Losses(CANARY.to_owned()) }, ..full.clone() };
    let mut row = in_state(Errand::Read, OutboxState::Ready, 3);
    (row.progress, row.last_failure) = (step("one"), Some(error(FailureCode::Untranslatable)));
    let referrals = [(full.clone(), vec![row.clone()]), (held, vec![])];
    let transaction = erased(&referrals, &[Domain::Record]).unwrap();
    assert!(!format!("{transaction:?}").contains(CANARY));
    assert!(transaction.checks.contains(&Check::NotLeased { outbox: row.id.clone(), fence: row.fence }));
    let mut put = transaction.changes.iter().filter_map(|change| match change {
        Change::PutReferral(left) => Some(left),
        _ => None,
    });
    let left = put.next().unwrap();
    assert_eq!((left.revision, left.erased.as_ref().map(|erasure| erasure.at)), (full.revision + 1, Some(NOW)));
    assert_eq!((&left.key, left.task_status, left.delivery.word()), (&full.key, full.task_status, "dead-letter"));
    assert_eq!(put.count(), 1);
    let rows: Vec<_> = transaction
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::PutOutbox(row) => Some((row.state, row.progress.clone(), row.last_failure.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(rows, [(OutboxState::Dropped, None, None)]);
    let actions: Vec<_> = transaction
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::Audit(line) => Some((line.action.as_str(), line.detail["referrals"].as_u64())),
            _ => None,
        })
        .collect();
    assert_eq!(actions, [("erased", Some(2)), ("erased", Some(2))]);
    assert!(transaction.changes.contains(&Change::Remove(vec![Removed::Report("parked".to_owned())])));
    // The keys go last: what the transaction itself writes is taken.
    let subjects: Vec<_> = transaction
        .changes
        .iter()
        .rev()
        .map_while(|change| match change {
            Change::Erase { subject, .. } => Some(subject.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(subjects, ["two", "one"].map(|id| Subject::record(&SubjectId(id.to_owned()))));
}

#[test]
fn what_is_erased_is_not_erased_again() {
    let transaction = erased(&[(ended(), vec![])], &Domain::ALL).unwrap();
    let left = transaction.changes.iter().find_map(|change| match change {
        Change::PutReferral(left) => Some(left.as_ref().clone()),
        _ => None,
    });
    let again = erased(&[(left.unwrap(), vec![])], &Domain::ALL).unwrap();
    assert!(!again.changes.iter().any(|change| matches!(change, Change::PutReferral(_))));
    // Somebody asked all the same: a line says so, of no referral.
    let lines = again.changes.iter().filter(|change| matches!(change, Change::Audit(line) if line.referral.is_none()));
    assert_eq!(lines.count(), 1);
}
