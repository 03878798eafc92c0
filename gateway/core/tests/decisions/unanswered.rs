//! A platform that has a referral and says nothing: when a person is told, and when no longer.

use crate::align_walk::{Scene, said};
use crate::builders::{ABLE, NOW, Stand, Wrote as _, business_status, delivered, ids, recalled, status_reason, task};
use adapter_contract::{Capabilities, PlatformReferralId, Receipt, StatusReport, TaskStatus};
use gateway_core::change::Change;
use gateway_core::deliver::acknowledged;
use gateway_core::outbox::Errand;
use gateway_core::referral::{Delivery, Referral, SenderState};
use gateway_core::unanswered::{WORDS, due, overdue};
use gateway_fhir::Json;
use serde_json::json;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

fn until(end: &str) -> Json {
    let mut task = task(TaskStatus::Requested);
    task.set("restriction", json!({ "period": { "end": end } }).into());
    task
}

#[test]
fn a_person_is_told_after_so_long_or_by_the_end_that_the_sender_set() {
    let week = Duration::days(7);
    let plain = task(TaskStatus::Requested);
    for (task, expected) in [
        (plain, datetime!(2026-06-22 12:00 UTC)),
        (until("2026-06-18T09:00:00+01:00"), datetime!(2026-06-18 08:00 UTC)),
        // A day ends when it ends in London at the earliest.
        (until("2026-06-18"), datetime!(2026-06-18 22:59:59.999 UTC)),
        (until("2026-07-18"), datetime!(2026-06-22 12:00 UTC)),
        // It was over before the platform had it.
        (until("2026-06-01"), NOW),
        (until("soon"), datetime!(2026-06-22 12:00 UTC)),
    ] {
        assert_eq!(due(&task, NOW, week), expected, "{}", task.to_text());
    }
}

#[test]
fn the_acknowledgement_of_a_referral_sets_the_deadline_and_that_of_a_move_does_not() {
    let receipt = Receipt { platform_referral: PlatformReferralId("42".to_owned()), reports: Vec::new() };
    let submitted = acknowledged(&Stand::new(Errand::Submit).job(), &receipt, &[], &mut ids()).referral();
    assert_eq!(submitted.answer_due, Some(NOW + Duration::days(7)));
    assert_eq!(submitted.awaits_answer(), submitted.answer_due);
    let sender_move = adapter_contract::SenderMove::Hold;
    let mut stand = Stand::new(Errand::Tell { sender_move });
    stand.referral = waiting(NOW);
    assert_eq!(acknowledged(&stand.job(), &receipt, &[], &mut ids()).referral().answer_due, Some(NOW));
}

#[test]
fn nobody_waits_for_a_platform_of_which_nothing_is_ever_heard() {
    let receipt = Receipt { platform_referral: PlatformReferralId("42".to_owned()), reports: Vec::new() };
    for (poll, push) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut stand = Stand::new(Errand::Submit);
        stand.capabilities = Capabilities { poll, push, ..ABLE };
        let kept = acknowledged(&stand.job(), &receipt, &[], &mut ids()).referral();
        assert_eq!(kept.answer_due.is_some(), poll || push, "poll {poll}, push {push}");
    }
}

#[test]
fn what_an_acknowledgement_says_of_itself_is_what_the_task_shows() {
    let report = StatusReport {
        business_status: "sent-unmonitored".to_owned(),
        ..said("added", Some(TaskStatus::Requested), 1)
    };
    let receipt = Receipt { platform_referral: report.platform_referral.clone(), reports: vec![report] };
    let written = acknowledged(&Stand::new(Errand::Submit).job(), &receipt, &[], &mut ids());
    let recorded = written.changes.iter().find_map(|change| match change {
        Change::RecordReport(record) => Some(record.report.clone()),
        _ => None,
    });
    let mut scene = Scene { referral: written.referral(), ..Scene::new(TaskStatus::Requested) };
    let shown = scene.hear(&recorded.expect("the report is kept")).task().expect("the Task shows it");
    assert_eq!((shown.text("status"), business_status(&shown)), (Some("requested"), "sent-unmonitored"));
}

fn waiting(due: OffsetDateTime) -> Referral {
    Referral { answer_due: Some(due), ..delivered() }
}

#[test]
fn past_the_deadline_the_task_says_so_and_stays_requested() {
    let task = task(TaskStatus::Requested);
    assert_eq!(overdue(&waiting(NOW + Duration::milliseconds(1)), (3, &task), NOW), None);
    let written = overdue(&waiting(NOW), (3, &task), NOW).expect("a person is told");
    written.assert_valid();
    let shown = written.task().expect("the Task shows it");
    assert_eq!(shown.text("status"), Some("requested"));
    assert_eq!((business_status(&shown), status_reason(&shown)), ("unacknowledged", WORDS));
    let kept = written.referral();
    assert_eq!((kept.attention.as_deref(), kept.answer_due, kept.revision), (Some(WORDS), None, 5));
    assert_eq!(written.audit(), ["unanswered"]);
    assert_eq!(overdue(&kept, (4, &shown), NOW + Duration::days(9)), None, "a person is told once");
}

#[test]
fn nobody_is_waited_for_where_there_is_nothing_to_wait_for() {
    let base = || waiting(NOW);
    for (name, referral) in [
        ("not delivered", Referral { delivery: Delivery::Queued, ..base() }),
        ("accepted", Referral { task_status: TaskStatus::Accepted, ..base() }),
        ("it has spoken", Referral { platform_status: Some(TaskStatus::Received), ..base() }),
        ("cancelled", Referral { sender: SenderState::Cancelled, ..base() }),
        ("paused by the sender", Referral { sender: SenderState::Held, ..base() }),
        ("recalled", recalled(base())),
        ("a person is at it", Referral { attention: Some("look".to_owned()), ..base() }),
    ] {
        assert_eq!(referral.awaits_answer(), None, "{name}");
    }
    assert_eq!(base().awaits_answer(), Some(NOW));
}

#[test]
fn once_the_platform_speaks_nobody_has_to_ask() {
    let told = || Referral { attention: Some(WORDS.to_owned()), ..delivered() };
    let waits = || waiting(NOW + Duration::hours(1));
    for referral in [told(), waits()] {
        for withheld in [false, true] {
            let mut scene = Scene { referral: referral.clone(), withheld, ..Scene::new(TaskStatus::Requested) };
            // A word that nobody knows is no answer, nor is what it was asked.
            let heard = scene.hear(&said("a", None, 1)).referral();
            let asked = scene.hear(&said("c", Some(TaskStatus::Requested), 2)).referral();
            assert_eq!((&heard.attention, heard.answer_due), (&asked.attention, asked.answer_due));
            assert_eq!(
                (heard.attention.is_some(), heard.answer_due.is_some()),
                (referral.attention.is_some(), referral.answer_due.is_some())
            );
            let heard = scene.hear(&said("b", Some(TaskStatus::Accepted), 3)).referral();
            assert_eq!((heard.attention, heard.answer_due), (None, None), "withheld: {withheld}");
        }
    }
    // Anything else that a person has to settle stays.
    let other = Referral { attention: Some("could not be told".to_owned()), ..delivered() };
    let mut scene = Scene { referral: other, ..Scene::new(TaskStatus::Requested) };
    assert!(scene.hear(&said("a", Some(TaskStatus::Accepted), 1)).referral().attention.is_some());
}
