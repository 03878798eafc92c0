//! What a platform says under a name that a referral no longer has there: it moves nothing, is kept, and never hides a call for help.

use crate::align_walk::{Scene, record, said};
use crate::builders::*;
use adapter_contract::business_status::NEEDS_MORE;
use adapter_contract::{IdempotencyKey, PlatformOrder, PlatformReferralId, Receipt, StatusReport, TaskStatus};
use gateway_core::change::{Change, Disposition, ReportRecord, Transaction};
use gateway_core::deliver::{acknowledged, gone};
use gateway_core::follow_up::Cause;
use gateway_core::outbox::{Errand, OutboxState};
use gateway_core::reconcile::GONE;
use gateway_core::referral::{Former, Referral};
use time::Duration;

fn name(name: &str) -> PlatformReferralId {
    PlatformReferralId(name.to_owned())
}

/// It was `41` under another key, and is `42` now.
fn sent_anew() -> Referral {
    let former =
        Former { key: IdempotencyKey("old".to_owned()), platform_referral: name("41"), ended: NOW - Duration::HOUR };
    Referral { former: vec![former], ..delivered() }
}

fn of_old(status: Option<TaskStatus>) -> ReportRecord {
    record(&StatusReport { platform_referral: name("41"), ..said("e1", status, 9) })
}

/// The statements are parted as the status stage does it.
fn heard(referral: Referral, records: Vec<ReportRecord>) -> (Scene, Transaction) {
    let mut scene = Scene::new(referral.task_status);
    (scene.former, scene.reports) = records.into_iter().partition(|one| referral.spoken_of_as(one).is_some());
    scene.referral = referral;
    let done = scene.align();
    (scene, done)
}

#[test]
fn a_status_of_what_it_was_moves_nothing_and_is_kept() {
    for (status, disposition, told) in [
        (Some(TaskStatus::Cancelled), Disposition::Unchanged, false),
        (Some(TaskStatus::Rejected), Disposition::Unchanged, false),
        (Some(TaskStatus::Received), Disposition::Unchanged, false),
        (None, Disposition::Unchanged, false),
        (Some(TaskStatus::Accepted), Disposition::Conflict, true),
        (Some(TaskStatus::Completed), Disposition::Conflict, true),
    ] {
        let (_, done) = heard(sent_anew(), vec![of_old(status)]);
        assert_eq!(done.dispositions(), [("report-e1".to_owned(), disposition)], "{status:?}");
        assert!(done.versions("Task").is_empty(), "{status:?}");
        let referral = done.referral();
        assert_eq!((referral.task_status, referral.platform_status), (TaskStatus::Requested, None), "{status:?}");
        assert_eq!(referral.attention.is_some(), told, "{status:?}");
        assert_eq!(referral.platform_referral, Some(name("42")));
    }
}

#[test]
fn what_was_said_before_it_ended_and_comes_late_troubles_nobody() {
    let mut late = of_old(Some(TaskStatus::Accepted));
    let before = gateway_fhir::instant::to_instant(NOW - Duration::hours(2));
    late.report.order = PlatformOrder { version: Some(1), instant: Some(before) };
    let (_, done) = heard(sent_anew(), vec![late]);
    assert_eq!((done.dispositions()[0].1, done.referral().attention), (Disposition::Unchanged, None));
}

#[test]
fn its_own_statements_go_on_beside_those_of_what_it_was() {
    let own = record(&said("e2", Some(TaskStatus::Accepted), 1));
    let (_, done) = heard(sent_anew(), vec![of_old(Some(TaskStatus::Completed)), own]);
    assert_eq!(done.referral().task_status, TaskStatus::Accepted);
}

#[test]
fn a_call_for_help_is_heard_under_any_name() {
    let call = |report: StatusReport| StatusReport { business_status: NEEDS_MORE.to_owned(), ..report };
    let by_name = call(of_old(None).report);
    let by_key = StatusReport {
        platform_referral: name("another"),
        key: Some(IdempotencyKey("old".to_owned())),
        ..call(said("e1", None, 1))
    };
    for report in [by_name, by_key] {
        let (mut scene, done) = heard(sent_anew(), vec![record(&report)]);
        let referral = done.referral();
        let open: Vec<Cause> = referral.open_follow_ups().map(|one| one.cause).collect();
        assert_eq!(open, [Cause::NeedsMoreSupport]);
        scene.withheld = true;
        let open: Vec<Cause> = scene.align().referral().open_follow_ups().map(|one| one.cause).collect();
        assert_eq!(open, [Cause::CallRequested], "no more than consent lets pass");
    }
}

#[test]
fn that_what_it_was_is_gone_says_nothing_of_what_it_is() {
    let mut job = Stand::new(Errand::Read);
    job.referral = sent_anew();
    assert_eq!(gone(&job.job()).referral().attention.as_deref(), Some(GONE));
    job.row.former = Some(name("41"));
    let done = gone(&job.job());
    assert_eq!((done.row().state, done.versions("Task").len()), (OutboxState::Done, 0));
    assert!(!done.changes.iter().any(|change| matches!(change, Change::PutReferral(_))));
}

#[test]
fn a_name_that_only_changed_is_remembered_and_what_was_said_under_it_counts_on() {
    let mut job = Stand::new(Errand::Submit);
    job.referral = delivered();
    let receipt = |word: &str| Receipt { platform_referral: name(word), reports: Vec::new() };
    let done = acknowledged(&job.job(), &receipt("43"), &[], &mut ids());
    let renamed = done.referral();
    assert_eq!((renamed.platform_referral.clone(), renamed.former.len()), (Some(name("43")), 1));
    assert_eq!((renamed.former[0].platform_referral.clone(), renamed.former[0].ended), (name("42"), NOW));
    let same = acknowledged(&job.job(), &receipt("42"), &[], &mut ids()).referral();
    assert!(same.former.is_empty());
    let accepted = record(&said("e1", Some(TaskStatus::Accepted), 1));
    let before = ReportRecord { received: NOW - Duration::SECOND, ..accepted.clone() };
    assert!(renamed.spoken_of_as(&before).is_none() && renamed.spoken_of_as(&accepted).is_some());
}
