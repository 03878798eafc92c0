//! Recall: what becomes of a receipt while the recipient is told, answers, or does not.

use crate::align_walk::{Scene, said};
use crate::builders::*;
use crate::sender_moves::Desk;
use crate::withdraw::{CANCEL, Standing, part, recall};
use adapter_contract::{
    Capabilities, FailureCode, OutputValue, PlatformReferralId, Progress, Receipt, Repeat, ReportedOutput, TaskStatus,
};
use gateway_core::change::Transaction;
use gateway_core::consent::Verdict;
use gateway_core::deliver::{Plan, acknowledged, after_absent, dead, gone, plan};
use gateway_core::outbox::{Errand, OutboxRow, OutboxState};
use gateway_core::referral::{Delivery, Recall, Referral, Way};
use gateway_core::withdraw::{EXTENSION, strip};
use gateway_fhir::{Json, instant};
use serde_json::{Value, json};
use time::Duration;

/// A delivered referral after its withdrawal, and its Task.
fn recalled() -> (Referral, Json) {
    let done = Standing::delivered().withdraw().unwrap();
    (done.referral(), done.task().unwrap())
}

fn with(change: impl FnOnce(&mut Recall)) -> (Referral, Json) {
    let (mut referral, task) = recalled();
    change(referral.recall.as_mut().unwrap());
    (referral, task)
}

fn stand(errand: Errand, (referral, task): (Referral, Json)) -> Stand {
    Stand { referral, task, ..Stand::new(errand) }
}

/// The name of the errand that tells a person at the deadline.
fn chase() -> String {
    Standing::delivered().withdraw().unwrap().row().id
}

fn stopped(plan: Plan) -> Transaction {
    match plan {
        Plan::Stop(transaction) => *transaction,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_answer_of_the_platform_is_no_confirmation() {
    let stand = stand(CANCEL, recalled());
    let receipt = Receipt { platform_referral: PlatformReferralId("42".to_owned()), reports: Vec::new() };
    let done = acknowledged(&stand.job(), &receipt, &[], &mut ids());
    done.assert_valid();
    assert_eq!((recall(&done).told_at, recall(&done).confirmed_at), (Some(NOW), None));
    assert!(status_reason(&done.task().unwrap()).contains("has not confirmed yet"));
    assert_eq!(done.audit(), ["deliver", "recall-told"]);
}

#[test]
fn at_the_deadline_a_person_is_told_once() {
    let chased = |standing| stopped(plan(&stand(Errand::Chase, standing).job(), false, &decision(Verdict::Deny)));
    let done = chased(recalled());
    done.assert_valid();
    assert_eq!(recall(&done).overdue_at, Some(NOW));
    assert!(done.referral().attention.unwrap().contains("Call the organisation"));
    assert!(status_reason(&done.task().unwrap()).contains("not confirmed in time"));
    assert_eq!(done.audit(), ["recall-overdue"]);
    // Who has confirmed, or is called anyway, is not chased.
    for standing in [with(|recall| recall.confirmed_at = Some(NOW)), with(|recall| recall.way = Way::Person)] {
        let done = chased(standing);
        assert_eq!((done.audit(), done.row().state), (vec![], OutboxState::Done));
    }
}

#[test]
fn the_first_end_that_is_reported_confirms_also_late_and_ends_the_chase() {
    for late in [false, true] {
        let (referral, task) = with(|recall| recall.overdue_at = late.then_some(NOW));
        let attention = late.then(|| "Call.".to_owned());
        let mut scene =
            Scene { referral: Referral { attention, ..referral }, task, ..Scene::new(TaskStatus::Cancelled) };
        let done = scene.hear(&said("a", Some(TaskStatus::InProgress), 2));
        assert_eq!((recall(&done).confirmed_at, done.audit()), (None, vec![]), "it works on");
        let done = scene.hear(&said("b", Some(TaskStatus::Completed), 3));
        assert_eq!((recall(&done).confirmed_at, done.referral().attention), (Some(NOW), None));
        // It is taken back only where it waits: one that has run is over, and one that runs finds out by itself.
        assert_eq!((done.rows(), done.dropped()), (vec![], vec![chase()]), "late {late}");
        let task = done.task().unwrap();
        assert_eq!(task.text("status"), Some("cancelled"));
        assert!(!task.to_text().contains("completed") && !task.to_text().contains("word-b"), "{}", task.to_text());
        assert_eq!(done.audit(), ["recall-confirmed"]);
        assert_eq!(scene.hear(&said("c", Some(TaskStatus::Failed), 4)).audit(), Vec::<String>::new(), "once");
    }
}

#[test]
fn a_platform_that_no_longer_has_it_has_stopped() {
    let done = gone(&stand(Errand::Read, recalled()).job());
    assert_eq!((recall(&done).confirmed_at, done.audit()), (Some(NOW), vec!["recall-confirmed".to_owned()]));
}

#[test]
fn a_platform_that_cannot_be_told_after_all_is_called() {
    let done = dead(&stand(CANCEL, recalled()).job(), &error(FailureCode::Refused));
    done.assert_valid();
    assert_eq!((recall(&done).way, recall(&done).deadline), (Way::Person, None));
    assert!(done.referral().attention.unwrap().contains("could not be told that consent was withdrawn"));
    assert_eq!(done.dropped(), [chase()]);
    assert!(status_reason(&done.task().unwrap()).contains("Call the organisation"));
}

#[test]
fn what_turns_out_not_to_be_there_was_not_sent() {
    for progress in [None, step("two")] {
        let mut stand = stand(Errand::Submit, recalled());
        stand.referral.delivery = Delivery::Queued;
        (stand.row.progress, stand.referral.attention) = (progress.clone(), Some("Call.".to_owned()));
        let done = stopped(after_absent(&stand.job()));
        done.assert_valid();
        let way = if progress.is_none() { Way::NothingSent } else { Way::Person };
        assert_eq!((recall(&done).way, recall(&done).deadline), (way, None), "{progress:?}");
        assert_eq!(done.referral().attention.is_some(), progress.is_some(), "{progress:?}");
        assert_eq!(done.dropped(), [chase()]);
    }
}

#[test]
fn what_was_taken_for_stopped_and_is_worked_on_is_told_and_waited_for() {
    let nothing = |capabilities| {
        let (referral, task) = with(|recall| (recall.way, recall.deadline) = (Way::NothingSent, None));
        let referral = Referral { delivery: Delivery::Withdrawn, platform_referral: None, ..referral };
        Scene { referral, task, capabilities, ..Scene::new(TaskStatus::Cancelled) }
    };
    let mut scene = nothing(ABLE);
    let done = scene.hear(&said("a", Some(TaskStatus::InProgress), 2));
    let after = recall(&done);
    assert_eq!((after.way, after.deadline, after.overdue_at), (Way::Exchange, Some(NOW + WITHIN), None));
    assert_eq!(done.referral().platform_referral, Some(PlatformReferralId("42".to_owned())), "to be told by name");
    let rows: Vec<_> = done.rows().into_iter().map(|row| (row.errand, row.state, row.not_before)).collect();
    assert_eq!(rows, [(CANCEL, OutboxState::Ready, NOW), (Errand::Chase, OutboxState::Ready, NOW + WITHIN)]);
    assert_eq!(done.audit(), ["recall-again"]);
    let done = nothing(Capabilities { cancel: false, ..ABLE }).hear(&said("a", Some(TaskStatus::InProgress), 2));
    assert_eq!((recall(&done).way, recall(&done).deadline), (Way::Person, None));
    assert!(done.referral().attention.is_some() && done.rows().is_empty());
    // It had it, and ended it by itself.
    let done = nothing(ABLE).hear(&said("a", Some(TaskStatus::Rejected), 2));
    assert_eq!((recall(&done).way, recall(&done).confirmed_at), (Way::Exchange, Some(NOW)));
    assert!(!status_reason(&done.task().unwrap()).contains("Nothing was sent"));
}

#[test]
fn what_the_chase_had_counted_stays_counted() {
    let chase = Standing::delivered().withdraw().unwrap().row();
    let (referral, task) = with(|recall| recall.way = Way::NothingSent);
    let mut scene = Scene { referral, task, ..Scene::new(TaskStatus::Cancelled) };
    scene.referral.delivery = Delivery::Withdrawn;
    scene.outbox = vec![OutboxRow { state: OutboxState::Done, attempts: 1, fence: 1, ..chase }];
    let row = scene.hear(&said("a", Some(TaskStatus::InProgress), 2)).row();
    assert_eq!((row.errand, row.attempts, row.fence), (Errand::Chase, 1, 1));
}

#[test]
fn changes_are_read_until_it_has_confirmed() {
    let read = |standing| plan(&stand(Errand::Read, standing).job(), false, &decision(Verdict::Deny));
    for standing in [recalled(), with(|recall| recall.overdue_at = Some(NOW)), with(|recall| recall.way = Way::Person)]
    {
        assert_eq!(read(standing), Plan::Run(None));
    }
    assert!(matches!(read(with(|recall| recall.confirmed_at = Some(NOW))), Plan::Stop(_)));
    // Awaited, overdue, a person, nothing there, confirmed: by a push, by a poll.
    for (recall, pushed, polled) in [
        (recalled(), true, true),
        (with(|recall| recall.overdue_at = Some(NOW)), true, false),
        (with(|recall| recall.way = Way::Person), true, false),
        (with(|recall| recall.way = Way::NothingSent), true, true),
        (with(|recall| recall.confirmed_at = Some(NOW)), false, false),
    ] {
        let recall = recall.0.recall.unwrap();
        assert_eq!((recall.is_worth_reading(false), recall.is_worth_reading(true)), (pushed, polled), "{recall:?}");
    }
}

#[test]
fn nothing_of_a_statement_is_kept_but_whether_it_is_worked_on() {
    let mut report = said("a", Some(TaskStatus::Completed), 1);
    report.reason = Some("helped".to_owned());
    report.outputs = vec![ReportedOutput { kind: Default::default(), value: OutputValue::Concept(Default::default()) }];
    strip(&mut report);
    assert_eq!((report.status, report.event.as_str()), (Some(TaskStatus::Completed), "a"));
    assert_eq!((report.reason, report.outputs.len(), report.platform_status), (None, 0, Default::default()));
    assert_eq!(report.business_status, "consent-withdrawn");
}

#[test]
fn a_recall_leaves_without_consent_and_before_it_is_known_what_is_there() {
    let told = plan(&stand(CANCEL, recalled()).job(), false, &decision(Verdict::Deny));
    assert_eq!(told, Plan::Run(None));
    let mut submit = stand(Errand::Submit, recalled());
    submit.row = OutboxRow { progress: Some(Progress::at("two")), in_flight: Some(Repeat::LookUpFirst), ..submit.row };
    assert_eq!(plan(&submit.job(), false, &decision(Verdict::Deny)), Plan::LookUp);
}

/// A Task to whose receipt these parts are added.
fn with_parts(task: &Json, more: &[Value]) -> Json {
    let mut all = task.items("extension").to_vec();
    let receipt = all.iter_mut().find(|one| one.text("url") == Some(EXTENSION)).unwrap();
    let mut parts = receipt.items("extension").to_vec();
    parts.retain(|part| more.iter().all(|one| part.text("url") != one["url"].as_str()));
    parts.extend(more.iter().cloned().map(Json::from));
    receipt.set("extension", Json::Array(parts));
    let mut task = task.clone();
    task.set("extension", Json::Array(all));
    task
}

fn desk((referral, task): (Referral, Json)) -> Desk {
    Desk { task, ..Desk::new(TaskStatus::Cancelled, Some(referral)) }
}

#[test]
fn who_called_records_that_the_recipient_confirmed() {
    let earlier = NOW - Duration::hours(1);
    let by = json!({"url": "confirmed-by", "valueString": " Ms Sample, front desk "});
    let at = json!({"url": "confirmed-at", "valueInstant": instant::to_instant(earlier)});
    for (parts, when) in [(vec![by.clone()], NOW), (vec![by, at], earlier)] {
        for overdue in [false, true] {
            let (mut referral, task) = with(|recall| {
                recall.asked_at = NOW - Duration::days(3);
                if overdue {
                    recall.overdue_at = Some(NOW);
                } else {
                    (recall.way, recall.deadline) = (Way::Person, None);
                }
            });
            referral.attention = Some("Call.".to_owned());
            let desk = desk((referral, task));
            let done = desk.put(&with_parts(&desk.task, &parts)).unwrap().transaction;
            let after = recall(&done);
            assert_eq!((after.confirmed_at, done.referral().attention), (Some(when), None));
            assert_eq!(after.confirmed_by.as_deref(), Some("Ms Sample, front desk"));
            let task = done.task().unwrap();
            assert_eq!(part(&task, "confirmed-by").unwrap().text("valueString"), Some("Ms Sample, front desk"));
            assert!(status_reason(&task).contains("The sender called"), "{}", status_reason(&task));
            assert_eq!(done.audit(), ["recall-confirmed"]);
            let line =
                format!("{:?}", done.changes.iter().find(|change| format!("{change:?}").contains("recall-conf")));
            assert!(line.contains("client/gp") && !line.contains("Sample"), "{line}");
            assert!(done.rows().iter().all(|row| row.errand != Errand::Chase), "it has run, or there was none");
        }
    }
}

#[test]
fn nothing_else_of_a_receipt_is_anybodys_to_write() {
    let person = || with(|recall| (recall.way, recall.deadline) = (Way::Person, None));
    let by = |value: Value| json!({"url": "confirmed-by", "valueString": value});
    let at = |value: &str| json!({"url": "confirmed-at", "valueInstant": value});
    for (name, standing, parts) in [
        ("nobody", person(), vec![by(json!("  "))]),
        ("too long", person(), vec![by(json!("x".repeat(201)))]),
        ("two lines", person(), vec![by(json!("a\nb"))]),
        ("another type", person(), vec![json!({"url": "confirmed-by", "valueCode": "x"})]),
        ("twice", person(), vec![by(json!("a")), by(json!("b"))]),
        ("when alone", person(), vec![at("2026-06-15T12:00:00Z")]),
        ("that alone", person(), vec![json!({"url": "confirmed", "valueBoolean": true})]),
        ("tomorrow", person(), vec![by(json!("a")), at("2026-06-16T12:00:00Z")]),
        ("before it was asked", person(), vec![by(json!("a")), at("2026-06-14T12:00:00Z")]),
        ("no time", person(), vec![by(json!("a")), json!({"url": "confirmed-at", "valueString": "now"})]),
        ("still awaited", recalled(), vec![by(json!("a"))]),
        ("nothing sent", with(|recall| recall.way = Way::NothingSent), vec![by(json!("a"))]),
        ("confirmed", with(|recall| recall.confirmed_at = Some(NOW)), vec![by(json!("a"))]),
    ] {
        let desk = desk(standing);
        let refusal = desk.put(&with_parts(&desk.task, &parts)).expect_err(name);
        assert_eq!((refusal.status, refusal.issues.len()), (422, 1), "{name}");
    }
    // With another status, or without a withdrawal.
    let desk = desk(person());
    let mut moved = with_parts(&desk.task, &[by(json!("a"))]);
    moved.set("status", Json::string("entered-in-error"));
    assert_eq!(desk.put(&moved).unwrap_err().status, 422);
    let none = Desk::new(TaskStatus::Requested, Some(delivered()));
    let mut forged = none.task.clone();
    forged.set("extension", json!([{"url": EXTENSION, "extension": [by(json!("a"))]}]).into());
    assert_eq!(none.put(&forged).unwrap_err().status, 422);
    // What else is altered there means nothing, and changes nothing.
    let desk = self::desk(person());
    let altered = with_parts(&desk.task, &[json!({"url": "way", "valueCode": "nothing-sent"})]);
    let done = desk.put(&altered).unwrap().transaction;
    assert_eq!(part(&done.task().unwrap(), "way"), part(&desk.task, "way"));
    assert!(done.audit().is_empty());
}
