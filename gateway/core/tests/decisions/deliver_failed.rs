//! Deliver, a failure: whatever fails, nothing that may be there is ever sent again unasked.

use crate::builders::*;
use adapter_contract::{FailureCode, Repeat};
use gateway_core::consent::Verdict;
use gateway_core::deliver::{Plan, failed, look_up_failed, plan, without_result};
use gateway_core::outbox::{Errand, OutboxRow, OutboxState};
use gateway_core::referral::{Delivery, HoldReason, SenderState};
use time::Duration;

fn next_plan(stand: &Stand, row: OutboxRow) -> Plan {
    let next = Stand { row: OutboxRow { state: OutboxState::Leased, ..row }, ..Stand::new(Errand::Submit) };
    let next = Stand { capabilities: stand.capabilities, ..next };
    plan(&next.job(), false, &decision(Verdict::Permit))
}

#[test]
fn a_look_up_that_fails_leaves_it_as_uncertain_as_it_was() {
    for (code, state) in [
        (FailureCode::NotConnected, OutboxState::Ready),
        (FailureCode::NoAnswer, OutboxState::Ready),
        (FailureCode::HttpStatus(503), OutboxState::Ready),
        (FailureCode::HttpStatus(500), OutboxState::Ready),
        (FailureCode::UnreadableSuccess, OutboxState::Ready),
        (FailureCode::HttpStatus(401), OutboxState::Dead),
        (FailureCode::HttpStatus(404), OutboxState::Dead),
        (FailureCode::TlsRefused, OutboxState::Dead),
        // It found several.
        (FailureCode::Refused, OutboxState::Dead),
        (FailureCode::Untranslatable, OutboxState::Dead),
    ] {
        let mut stand = Stand::new(Errand::Submit);
        stand.row.in_flight = Some(Repeat::LookUpFirst);
        stand.row.progress = step("task");
        let ended = look_up_failed(&stand.job(), &error(code), 0.5);
        ended.assert_leased(&stand.row);
        let row = ended.row();
        assert_eq!((row.state, row.in_flight), (state, Some(Repeat::LookUpFirst)), "{code:?}");
        assert_eq!(row.progress, step("task"), "{code:?}");
        assert_eq!(row.last_failure, Some(error(code)));
        // As it is after a release, or when its time has come.
        assert_eq!(next_plan(&stand, row), Plan::LookUp, "{code:?}");
    }
}

#[test]
fn a_failed_request_by_what_sending_it_twice_would_do() {
    use FailureCode::{HttpStatus, NoAnswer, NotConnected, PartlyStored, Refused, TooManySteps, UnreadableSuccess};
    let (twice, keyed, safe) = (Repeat::LookUpFirst, Repeat::Keyed, Repeat::Safe);
    let (ready, dead) = (OutboxState::Ready, OutboxState::Dead);
    // Code; repeat; state and mark where the platform can be asked; state where it cannot.
    for (code, repeat, state, in_flight, unable) in [
        (NoAnswer, twice, ready, Some(twice), dead),
        (HttpStatus(500), twice, ready, Some(twice), dead),
        (HttpStatus(504), twice, ready, Some(twice), dead),
        (UnreadableSuccess, twice, ready, Some(twice), dead),
        (NotConnected, twice, ready, None, ready),
        (HttpStatus(503), twice, ready, None, ready),
        (HttpStatus(429), twice, ready, None, ready),
        (NoAnswer, keyed, ready, None, ready),
        (HttpStatus(500), keyed, ready, None, ready),
        (NoAnswer, safe, ready, None, ready),
        (HttpStatus(400), twice, dead, None, dead),
        (Refused, keyed, dead, None, dead),
        (PartlyStored, twice, dead, None, dead),
        (TooManySteps, twice, dead, Some(twice), dead),
    ] {
        for (look_up, expected) in [(true, state), (false, unable)] {
            let mut stand = Stand::new(Errand::Submit);
            stand.capabilities.look_up = look_up;
            let ended = failed(&stand.job(), &error(code), step("task"), repeat, 0.0);
            ended.assert_leased(&stand.row);
            let row = ended.row();
            let case = (code, repeat, look_up);
            assert_eq!((row.state, row.in_flight), (expected, in_flight), "{case:?}");
            assert_eq!(row.progress, step("task"), "{case:?}");
            // What is ambiguous is not asked before the platform has had its time.
            let earliest = NOW + if in_flight.is_some() { SETTLE } else { Duration::seconds(1) };
            assert!(row.state == dead || row.not_before >= earliest, "{case:?}");
            let goes_on = if in_flight == Some(twice) { Plan::LookUp } else { Plan::Run(step("task")) };
            if look_up {
                assert_eq!(row.tried, code != NotConnected, "only what got through is repeated: {case:?}");
                assert_eq!(next_plan(&stand, row), goes_on, "{case:?}");
            }
        }
    }
}

#[test]
fn the_platforms_own_wish_outlasts_the_settling_time() {
    let stand = Stand::new(Errand::Submit);
    for (wish, expected) in [(None, SETTLE), (Some(10), SETTLE), (Some(600), Duration::seconds(600))] {
        let mut failure = error(FailureCode::HttpStatus(500));
        failure.retry_after_seconds = wish;
        let ended = failed(&stand.job(), &failure, step("task"), Repeat::LookUpFirst, 0.0);
        assert_eq!(ended.row().not_before, NOW + expected, "{wish:?}");
    }
}

#[test]
fn what_cannot_be_said_is_held_and_says_what_may_have_been_sent() {
    for code in [FailureCode::UnsafeToSend, FailureCode::Untranslatable] {
        for (progress, begins) in [(None, "Nothing has been sent"), (step("task"), "Nothing more is sent")] {
            let stand = Stand::new(Errand::Submit);
            let ended = failed(&stand.job(), &error(code), progress.clone(), Repeat::Safe, 0.5);
            ended.assert_leased(&stand.row);
            ended.assert_valid();
            assert_eq!((ended.row().state, &ended.row().progress), (OutboxState::Held, &progress));
            let task = ended.task().unwrap();
            assert_eq!(task.text("status"), Some("on-hold"));
            assert!(status_reason(&task).starts_with(begins), "{}", status_reason(&task));
            assert!(status_reason(&task).contains("It went wrong."));
            assert_eq!(status_reason(&task).contains("ask the organisation"), progress.is_some());
            let reason = HoldReason::NeedsReview("It went wrong.".to_owned());
            assert_eq!(ended.referral().delivery, Delivery::Held { reason });
            assert!(ended.versions("ServiceRequest").is_empty());
        }
    }
}

#[test]
fn what_cannot_be_said_and_was_withdrawn_meanwhile_waits_for_nobody() {
    for (progress, delivered, attention) in [(None, "withdrawn", false), (step("task"), "dead-letter", true)] {
        let stand = Stand::new(Errand::Submit).cancelled();
        let ended = failed(&stand.job(), &error(FailureCode::Untranslatable), progress, Repeat::Safe, 0.5);
        ended.assert_leased(&stand.row);
        assert_eq!(ended.referral().delivery.word(), delivered);
        assert_eq!(ended.referral().attention.is_some(), attention);
        assert_eq!(ended.task(), None, "the withdrawal stays shown");
    }
}

#[test]
fn a_dead_letter_is_on_the_task_and_keeps_the_request() {
    let stand = Stand::new(Errand::Submit);
    let ended = failed(&stand.job(), &error(FailureCode::HttpStatus(401)), step("task"), Repeat::Keyed, 0.5);
    ended.assert_valid();
    let (version, task) = ended.versions("Task").pop().unwrap();
    assert_eq!((version.version, version.author.as_str()), (4, "gateway"));
    assert_eq!((task.text("status"), business_status(&task)), (Some("on-hold"), "undeliverable"));
    let words = status_reason(&task);
    assert!(words.starts_with("Could not be delivered: It went wrong.") && words.contains("credentials"), "{words}");
    assert!(ended.versions("ServiceRequest").is_empty());
    assert!(matches!(ended.referral().delivery, Delivery::DeadLetter { .. }));
    assert_eq!(ended.attempts()[0].outcome.as_deref(), Some("permanent"));
    assert!(ended.audit().contains(&"dead-letter".to_owned()));
}

#[test]
fn when_the_window_is_over_it_gives_up() {
    for (left, state) in
        [(3_600, OutboxState::Ready), (61, OutboxState::Ready), (60, OutboxState::Dead), (-5, OutboxState::Dead)]
    {
        let mut stand = Stand::new(Errand::Submit);
        stand.row.expires_at = NOW + Duration::seconds(left);
        let failure = error(FailureCode::NotConnected);
        let sent = failed(&stand.job(), &failure, None, Repeat::LookUpFirst, 0.5);
        assert_eq!(sent.row().state, state, "{left}");
        stand.row.in_flight = Some(Repeat::LookUpFirst);
        let asked = look_up_failed(&stand.job(), &failure, 0.5);
        assert_eq!((asked.row().state, asked.row().in_flight), (state, Some(Repeat::LookUpFirst)), "{left}");
    }
}

#[test]
fn a_dead_tell_asks_for_a_person_and_a_dead_read_stands_in_nobodys_way() {
    let cancel = Errand::Tell { sender_move: adapter_contract::SenderMove::Cancel };
    for (errand, state, on_task) in [(cancel, OutboxState::Dead, true), (Errand::Read, OutboxState::Dropped, false)] {
        let mut stand = Stand::new(errand).cancelled();
        stand.referral = gateway_core::referral::Referral { sender: SenderState::Cancelled, ..delivered() };
        let ended = failed(&stand.job(), &error(FailureCode::HttpStatus(403)), None, Repeat::Keyed, 0.5);
        ended.assert_leased(&stand.row);
        ended.assert_valid();
        assert_eq!(ended.row().state, state);
        assert!(ended.referral().attention.is_some());
        assert_eq!(ended.referral().delivery, Delivery::Delivered { at: NOW });
        assert_eq!(ended.task().is_some(), on_task);
        if let Some(task) = ended.task() {
            assert_eq!((task.text("status"), business_status(&task)), (Some("cancelled"), "error"));
        }
    }
}

#[test]
fn an_exchange_without_a_result_is_asked_for_before_it_is_sent_again() {
    let stand = Stand::new(Errand::Submit);
    let ended = without_result(&stand.job());
    ended.assert_leased(&stand.row);
    assert_eq!(ended.row().state, OutboxState::Dead);
    assert_eq!(next_plan(&stand, ended.row()), Plan::LookUp);
}

#[test]
fn what_was_not_let_go_waits_an_hour_at_most_however_often_it_was_not() {
    let mut stand = Stand::new(Errand::Submit);
    stand.row.attempts = 40;
    let wait = |asked| {
        let mut failure = error(FailureCode::NotConnected);
        failure.retry_after_seconds = asked;
        let failed = failed(&stand.job(), &failure, None, Repeat::Safe, 1.0).row();
        let looked_up = look_up_failed(&stand.job(), &failure, 1.0).row();
        assert_eq!(failed.not_before, looked_up.not_before);
        failed.not_before - NOW
    };
    assert_eq!(wait(None), Duration::hours(8), "nobody was there");
    assert_eq!(wait(Some(60)), Duration::hours(1), "nothing was asked");
    assert_eq!(wait(Some(13 * 3_600)), Duration::hours(13), "it was told to wait longer");
}
