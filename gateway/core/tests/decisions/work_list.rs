//! Work list: what of a referral needs a person and what may be done about it, in every state; what a person's word settles, and that it
//! settles nothing that comes after it.

use crate::align_walk::{Scene, record, said};
use crate::builders::*;
use crate::sender_moves::Desk;
use adapter_contract::{TaskStatus, systems};
use gateway_core::account::AccountId;
use gateway_core::change::{Change, Transaction};
use gateway_core::follow_up::{Cause as Followed, FollowUp};
use gateway_core::referral::{Delivery, Handled, HoldReason, Referral, SenderState};
use gateway_core::status_link::IN_VAIN;
use gateway_core::unanswered::{GONE_BACK, WORDS};
use gateway_core::work_item::{self, How};
use gateway_core::work_list::{Act, Cause, Group, Needs, acts, causes, handled, may_need, rank};
use gateway_fhir::Json;
use serde_json::json;
use time::Duration;

fn held(reason: HoldReason) -> Referral {
    Referral { delivery: Delivery::Held { reason }, task_status: TaskStatus::OnHold, ..referral() }
}

fn standing(status: TaskStatus) -> Referral {
    Referral { task_status: status, platform_status: Some(status), ..delivered() }
}

fn with_business_status(status: TaskStatus, code: &str) -> Json {
    let mut task = task(status);
    task.set("businessStatus", json!({ "coding": [{ "system": systems::BUSINESS_STATUS, "code": code }] }).into());
    task
}

#[test]
fn each_state_says_why_it_needs_a_person_and_what_to_do() {
    use Act::*;
    let words = || "why".to_owned();
    let attention = |words: &str| Referral { attention: Some(words.to_owned()), ..delivered() };
    let overdue = |way| {
        let mut referral = recalled(delivered());
        let recall = referral.recall.as_mut().unwrap();
        (recall.way, recall.overdue_at) = (way, Some(NOW));
        referral
    };
    let confirmed = || {
        let mut referral = recalled(delivered());
        referral.recall.as_mut().unwrap().confirmed_at = Some(NOW);
        referral
    };
    use gateway_core::referral::Way;
    let decide = vec![Release, ReRefer, Cancel, HandOver];
    let cases: Vec<(&str, Referral, Vec<Cause>, Vec<Act>)> = vec![
        ("queued", referral(), vec![], vec![HandOver]),
        ("delivered", delivered(), vec![], vec![HandOver]),
        ("no consent", held(HoldReason::NoConsent(words())), vec![Cause::NoConsent], decide.clone()),
        ("no route", held(HoldReason::NoRoute(words())), vec![Cause::NoRoute], decide.clone()),
        ("review", held(HoldReason::NeedsReview(words())), vec![Cause::NeedsReview], decide.clone()),
        ("losses", held(HoldReason::Losses(words())), vec![Cause::Losses], decide.clone()),
        ("duplicate", held(HoldReason::Duplicate(words())), vec![Cause::Duplicate], decide.clone()),
        ("own pause", held(HoldReason::SenderHold), vec![], vec![HandOver]),
        (
            "dead letter",
            Referral {
                delivery: Delivery::DeadLetter { reason: words() },
                task_status: TaskStatus::OnHold,
                ..referral()
            },
            vec![Cause::DeadLetter],
            decide,
        ),
        (
            "dead letter that was withdrawn",
            Referral {
                delivery: Delivery::DeadLetter { reason: words() },
                sender: SenderState::Cancelled,
                task_status: TaskStatus::Cancelled,
                ..referral()
            },
            vec![Cause::DeadLetter],
            vec![Settle, HandOver],
        ),
        ("declined", standing(TaskStatus::Rejected), vec![Cause::Declined], vec![ReRefer, Settle, HandOver]),
        ("failed", standing(TaskStatus::Failed), vec![Cause::Failed], vec![ReRefer, Settle, HandOver]),
        ("completed", standing(TaskStatus::Completed), vec![], vec![HandOver]),
        ("silent", attention(WORDS), vec![Cause::NoAnswer], vec![ReRefer, Settle, Cancel, HandOver]),
        (
            "asked in vain",
            attention(&format!("{IN_VAIN}x")),
            vec![Cause::NoAnswer],
            vec![ReRefer, Settle, Cancel, HandOver],
        ),
        (
            "gone back",
            Referral { task_status: TaskStatus::OnHold, ..attention(GONE_BACK) },
            vec![Cause::NoAnswer],
            vec![ReRefer, Cancel, HandOver],
        ),
        ("at the service", attention("call them"), vec![Cause::AtService], vec![ReRefer, Settle, Cancel, HandOver]),
        (
            "conflict",
            Referral { conflict: Some(words()), ..standing(TaskStatus::Completed) },
            vec![Cause::Conflict],
            vec![ReRefer, Settle, HandOver],
        ),
        ("withdrawn, to call", recalled(delivered()), vec![Cause::Call], vec![RecordCall, HandOver]),
        ("withdrawn, overdue", overdue(Way::Exchange), vec![Cause::Call], vec![RecordCall, HandOver]),
        ("withdrawn, nothing sent", overdue(Way::NothingSent), vec![], vec![HandOver]),
        ("withdrawn, confirmed", confirmed(), vec![], vec![HandOver]),
        (
            "cancelled by the sender, who could not be told",
            Referral {
                sender: SenderState::Cancelled,
                task_status: TaskStatus::Cancelled,
                ..attention("ask them to stop")
            },
            vec![Cause::AtService],
            vec![Settle, HandOver],
        ),
    ];
    for (case, referral, expected, may) in cases {
        let task = task(referral.task_status);
        let found = causes(&referral, &task);
        assert_eq!(found, expected, "{case}");
        assert_eq!(acts(&referral, &found), may, "{case}");
        assert!(found.is_empty() || may_need(&referral), "{case}: the stores would not find it");
    }
    let followed = |cause| Referral {
        follow_ups: vec![FollowUp {
            cause,
            task: "f".to_owned(),
            opened_at: NOW,
            due: None,
            ended_at: None,
            again: None,
        }],
        ..standing(TaskStatus::Completed)
    };
    for (cause, expected) in [(Followed::NoOutcome, Cause::FollowUp), (Followed::SafeguardingConcern, Cause::NeedsMore)]
    {
        let mut referral = followed(cause);
        let task = task(TaskStatus::Completed);
        assert_eq!(causes(&referral, &task), [expected], "also where it has ended");
        assert_eq!(acts(&referral, &[expected]), [Complete, HandOver]);
        assert_eq!(handled(&referral, How::Resolved, "client/gp", NOW), None, "no word settles it");
        assert!(may_need(&referral));
        referral.follow_ups[0].ended_at = Some(NOW);
        assert_eq!((causes(&referral, &task), may_need(&referral)), (vec![], false));
    }
    let erased = Referral {
        erased: Some(gateway_core::subject::Erasure { at: NOW, cause: gateway_core::subject::Cause::Request }),
        ..standing(TaskStatus::Rejected)
    };
    assert_eq!((may_need(&erased), acts(&erased, &[Cause::Declined])), (false, vec![]));
}

#[test]
fn a_pause_is_a_question_where_the_service_asks_one() {
    let referral = standing(TaskStatus::OnHold);
    assert!(may_need(&referral));
    for (code, expected) in [("info-needed", vec![Cause::Question]), ("waitlisted", vec![]), ("on-hold", vec![])] {
        assert_eq!(causes(&referral, &with_business_status(TaskStatus::OnHold, code)), expected, "{code}");
    }
    let found = [Cause::Question];
    assert_eq!(acts(&referral, &found), [Act::Answer, Act::ReRefer, Act::Cancel, Act::HandOver]);
    let paused = Referral { sender: SenderState::Held, ..referral };
    assert_eq!(causes(&paused, &with_business_status(TaskStatus::OnHold, "info-needed")), []);
}

#[test]
fn what_a_service_ends_needs_a_person_and_what_the_sender_ends_does_not() {
    let ended = standing(TaskStatus::Cancelled);
    let task = with_business_status(TaskStatus::Cancelled, "person-declined");
    assert_eq!(causes(&ended, &task), [Cause::EndedByService]);
    assert_eq!(acts(&ended, &[Cause::EndedByService]), [Act::ReRefer, Act::Settle, Act::HandOver]);
    assert!(may_need(&ended));
    let settled = handled(&ended, How::Resolved, "client/gp", NOW).unwrap();
    assert!(!may_need(&Referral { handled: Some(Box::new(settled)), ..ended.clone() }));
    let withdrawn = Referral { sender: SenderState::Cancelled, ..ended };
    assert_eq!((causes(&withdrawn, &task), may_need(&withdrawn)), (vec![], false));
}

#[test]
fn what_a_service_writes_is_read_by_a_person_whatever_the_status() {
    for (status, code, expected) in [
        (TaskStatus::Requested, "info-needed", vec![Cause::Reply]),
        (TaskStatus::Accepted, "unmapped", vec![Cause::Reply]),
        (TaskStatus::Completed, "info-needed", vec![Cause::Reply]),
        (TaskStatus::OnHold, "unmapped", vec![Cause::Reply]),
        // It is paused for its question: that is answered here.
        (TaskStatus::OnHold, "info-needed", vec![Cause::Question]),
    ] {
        let wrote = Referral { asks: Some("first".to_owned()), ..standing(status) };
        assert_eq!(causes(&wrote, &with_business_status(status, code)), expected, "{status} {code}");
        assert!(may_need(&wrote));
    }
    // Each further one is read too.
    let first = Referral { asks: Some("first".to_owned()), ..standing(TaskStatus::Requested) };
    let read = handled(&first, How::Resolved, "client/gp", NOW).unwrap();
    let read = Referral { handled: Some(Box::new(read)), ..first };
    assert!(!may_need(&read));
    assert!(may_need(&Referral { asks: Some("second".to_owned()), ..read }));
}

#[test]
fn words_acts_and_codes_are_told_apart() {
    let codes: std::collections::BTreeSet<_> = Cause::ALL.iter().map(|cause| cause.code()).collect();
    let words: std::collections::BTreeSet<_> = Cause::ALL.iter().map(|cause| cause.words()).collect();
    assert_eq!((codes.len(), words.len()), (Cause::ALL.len(), Cause::ALL.len()));
    assert!(Cause::ALL.iter().all(|cause| Cause::named(cause.code()) == Some(*cause) && cause.advice().ends_with('.')));
    assert!(Act::ALL.iter().all(|act| Act::named(act.word()) == Some(*act)));
    assert!(How::ALL.iter().all(|how| How::named(how.code()) == Some(*how)));
    assert_eq!((Cause::named("x"), Act::named("x"), How::named("x")), (None, None, None));
}

#[test]
fn what_is_urgent_stands_first_and_then_what_is_oldest() {
    let at = |hours: i64, urgent: bool| Referral {
        accepted_at: NOW - Duration::hours(hours),
        urgent: urgent.then_some(NOW - Duration::HOUR),
        ..standing(TaskStatus::Rejected)
    };
    let soon = Referral { urgent: Some(NOW + Duration::HOUR), ..at(9, false) };
    let call = recalled(at(1, false));
    let (cause, task_id) = (Followed::NeedsMoreSupport, "f".to_owned());
    let alarm = FollowUp { cause, task: task_id, opened_at: NOW, due: None, ended_at: None, again: None };
    let alarm = Referral { follow_ups: vec![alarm], ..at(1, false) };
    let mut all = vec![
        ("young", at(2, false)),
        ("soon", soon),
        ("urgent", at(3, true)),
        ("call", call),
        ("alarm", alarm),
        ("older urgent", at(5, true)),
    ];
    all.sort_by_key(|(_, referral)| rank(referral, NOW));
    let names: Vec<_> = all.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["alarm", "older urgent", "urgent", "call", "soon", "young"]);
}

#[test]
fn every_referral_that_is_held_stands_on_the_list_unless_its_sender_paused_it() {
    let words = || "why".to_owned();
    for reason in [
        HoldReason::NoConsent(words()),
        HoldReason::NoRoute(words()),
        HoldReason::NeedsReview(words()),
        HoldReason::SenderHold,
        HoldReason::Losses(words()),
        HoldReason::Duplicate(words()),
    ] {
        // A new reason has to be thought about here.
        let listed = match &reason {
            HoldReason::SenderHold => false,
            HoldReason::NoConsent(_)
            | HoldReason::NoRoute(_)
            | HoldReason::NeedsReview(_)
            | HoldReason::Losses(_)
            | HoldReason::Duplicate(_) => true,
        };
        let referral = held(reason.clone());
        assert_eq!(!causes(&referral, &task(TaskStatus::OnHold)).is_empty(), listed, "{reason:?}");
    }
}

#[test]
fn what_the_stores_keep_of_a_place_says_the_same_as_the_place() {
    let kinds = [
        ("usual", standing(TaskStatus::Rejected), Group::Usual),
        ("urgent", Referral { urgent: Some(NOW), ..standing(TaskStatus::Rejected) }, Group::Urgent),
        ("soon", Referral { urgent: Some(NOW + Duration::HOUR), ..standing(TaskStatus::Rejected) }, Group::Usual),
        ("call", recalled(delivered()), Group::Urgent),
    ];
    for (what, referral, group) in kinds {
        let needs = Needs::of(&referral).unwrap();
        assert_eq!((needs.group(NOW), rank(&referral, NOW).group), (group, group), "{what}");
        assert_eq!(needs.since, rank(&referral, NOW).at, "{what}");
    }
    assert_eq!(Needs::of(&delivered()), None);
}

fn audited(transaction: &Transaction, action: &str) -> Vec<serde_json::Value> {
    let lines = transaction.changes.iter().filter_map(|change| match change {
        Change::Audit(line) if line.action == action => Some(line.detail.clone()),
        _ => None,
    });
    lines.collect()
}

fn settled(desk: &Desk, how: How) -> Result<gateway_core::update::Updated, gateway_core::refusal::Refusal> {
    let mut proposed = desk.task.clone();
    work_item::settle(&mut proposed, how);
    desk.put(&proposed)
}

#[test]
fn a_persons_word_settles_what_stands_and_nothing_that_comes_after_it() {
    let desk = Desk::new(TaskStatus::Rejected, Some(standing(TaskStatus::Rejected)));
    let updated = settled(&desk, How::NotWanted).unwrap();
    let referral = updated.transaction.referral();
    let by = Handled {
        causes: [("declined".to_owned(), String::new())].into(),
        how: How::NotWanted,
        by: "client/gp".to_owned(),
        at: NOW,
    };
    assert_eq!(referral.handled.as_deref(), Some(&by));
    assert_eq!((causes(&referral, &desk.task), may_need(&referral)), (vec![], false));
    assert_eq!(audited(&updated.transaction, "settle").len(), 1);
    let task = updated.transaction.versions("Task").remove(0).1;
    assert_eq!(work_item::settled(&task), Some((How::NotWanted, Some(NOW))));
    // Once more there is nothing left.
    let again = Desk { task, ..Desk::new(TaskStatus::Rejected, Some(referral.clone())) };
    assert_eq!(settled(&again, How::Other).unwrap_err().status, 422);
    // Another conflict is another matter; the same is not.
    let conflicting = |words: &str| Referral { conflict: Some(words.to_owned()), ..referral.clone() };
    let first = conflicting("one");
    assert_eq!(causes(&first, &desk.task), [Cause::Conflict]);
    let after = Referral { handled: handled(&first, How::Resolved, "client/gp", NOW).map(Box::new), ..first };
    assert_eq!(causes(&after, &desk.task), []);
    let second = Referral { conflict: Some("two".to_owned()), ..after };
    assert_eq!(causes(&second, &desk.task), [Cause::Conflict], "and not that it was declined");
}

#[test]
fn what_is_held_or_has_to_be_called_for_is_settled_by_no_word() {
    let gone_back = Referral { attention: Some(GONE_BACK.to_owned()), ..standing(TaskStatus::OnHold) };
    for (case, referral) in [
        ("in order", delivered()),
        ("held", held(HoldReason::NoRoute("why".to_owned()))),
        ("dead", Referral { delivery: Delivery::DeadLetter { reason: "why".to_owned() }, ..referral() }),
        ("call", recalled(delivered())),
        ("gone back", gone_back),
    ] {
        assert_eq!(handled(&referral, How::Resolved, "client/gp", NOW), None, "{case}");
        let desk = Desk::new(referral.task_status, Some(referral));
        assert_eq!(settled(&desk, How::Resolved).unwrap_err().status, 422, "{case}");
    }
    assert_eq!(settled(&Desk::new(TaskStatus::Draft, None), How::Resolved).unwrap_err().status, 422, "a draft");
}

#[test]
fn a_referral_that_ends_or_goes_on_is_settled_anew() {
    let before = Referral {
        handled: handled(&standing(TaskStatus::OnHold), How::Answered, "client/gp", NOW).map(Box::new),
        ..standing(TaskStatus::OnHold)
    };
    assert!(before.handled.is_some());
    let desk = Desk::new(TaskStatus::OnHold, Some(before));
    let mut proposed = desk.task.clone();
    proposed.set("status", Json::string("cancelled"));
    let ended = desk.put(&proposed).unwrap().transaction.referral();
    assert_eq!((ended.handled, ended.sender), (None, SenderState::Cancelled));
    // Where the service cannot be told, it has to be: that a person says it is settled settles it.
    let desk = Desk {
        capabilities: Some(UNABLE),
        outbox: vec![in_state(gateway_core::outbox::Errand::Submit, gateway_core::outbox::OutboxState::Done, 1)],
        ..desk
    };
    let ended = desk.put(&proposed).unwrap().transaction.referral();
    assert_eq!(causes(&ended, &desk.task), [Cause::AtService]);
    work_item::settle(&mut proposed, How::Resolved);
    let ended = desk.put(&proposed).unwrap().transaction.referral();
    assert_eq!(causes(&ended, &desk.task), []);
}

#[test]
fn what_the_service_says_next_is_new() {
    let before = standing(TaskStatus::Accepted);
    let mark = Handled {
        causes: [("question".to_owned(), String::new())].into(),
        how: How::Answered,
        by: "client/gp".to_owned(),
        at: NOW,
    };
    let scene = |status| Scene {
        referral: Referral { handled: Some(Box::new(mark.clone())), ..before.clone() },
        reports: vec![record(&said("e", Some(status), 1))],
        ..Scene::new(TaskStatus::Accepted)
    };
    assert_eq!(scene(TaskStatus::OnHold).align().referral().handled, None);
    // What says nothing new is none: the Task shows the word already.
    let mut same = scene(TaskStatus::Accepted);
    same.task = same.align().task().unwrap_or(same.task);
    assert!(same.align().referral().handled.is_some());
}

#[test]
fn a_task_is_handed_over_under_the_same_rules() {
    let desk = Desk::new(TaskStatus::Requested, Some(delivered()));
    let mut proposed = desk.task.clone();
    work_item::assign(&mut proposed, Some(&AccountId("anna".to_owned())));
    let updated = desk.put(&proposed).unwrap();
    let lines = audited(&updated.transaction, "hand-over");
    assert_eq!(lines, [json!({ "from": null, "to": "anna" })]);
    let task = updated.transaction.versions("Task").remove(0).1;
    assert_eq!(work_item::assigned(&task), Some(AccountId("anna".to_owned())));
    // An old version is refused whatever is said.
    let stale = Desk { if_match: Some(2), ..desk };
    assert_eq!(stale.put(&proposed).unwrap_err().status, 412);
}
