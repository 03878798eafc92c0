//! Deliver, before: what an attempt may do, by errand, sender, consent, and what may have been sent.

use crate::builders::*;
use adapter_contract::{DeliveryError, FailureCode, Progress, Repeat, SenderMove, TaskStatus};
use gateway_core::consent::Verdict;
use gateway_core::deliver::{Plan, after_absent, before_safe_send, before_send, failed, look_up_failed, plan};
use gateway_core::disclose::{Contents, Leaving, Manner};
use gateway_core::outbox::{Errand, OutboxState, POISON_ATTEMPTS};
use gateway_core::referral::{Delivery, HoldReason, SenderState};
use serde_json::json;
use time::Duration;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Is {
    LookUp,
    Run,
    /// Waits, the row ready again after the settling time.
    Waits,
    Withdrawn,
    Dead,
    /// Held for want of consent.
    Held,
    /// A read that is dropped without a word to the platform.
    Unread,
    /// The platform is not told to go on.
    Paused,
}

fn kind(plan: &Plan, stand: &Stand) -> Is {
    let transaction = match plan {
        Plan::LookUp => return Is::LookUp,
        Plan::Run(at) => {
            assert_eq!(*at, stand.row.progress, "it goes on where it stood");
            return Is::Run;
        }
        Plan::Stop(transaction) => transaction,
    };
    transaction.assert_leased(&stand.row);
    transaction.assert_valid();
    match transaction.row().state {
        OutboxState::Ready => {
            assert_eq!(transaction.row().not_before, NOW + SETTLE);
            assert_eq!(transaction.row().in_flight, stand.row.in_flight);
            Is::Waits
        }
        OutboxState::Dropped if matches!(stand.row.errand, Errand::Tell { .. }) => {
            assert_eq!(transaction.referral().delivery, stand.referral.delivery, "the platform has it as before");
            Is::Paused
        }
        OutboxState::Dropped => {
            assert_eq!(transaction.referral().delivery, Delivery::Withdrawn);
            Is::Withdrawn
        }
        OutboxState::Dead => Is::Dead,
        OutboxState::Held => {
            assert!(matches!(transaction.referral().delivery, Delivery::Held { reason: HoldReason::NoConsent(_) }));
            Is::Held
        }
        OutboxState::Done => Is::Unread,
        OutboxState::Leased => panic!("an end that leases"),
    }
}

const SENT: Option<Repeat> = Some(Repeat::LookUpFirst);
const KEYED: Option<Repeat> = Some(Repeat::Keyed);

#[test]
fn submissions() {
    // Withdrawn; consent; in flight; has progress; interrupted; plan where it can be asked, and where it cannot.
    for (withdrawn, permitted, in_flight, progress, interrupted, able, unable) in [
        (false, true, None, false, false, Is::Run, Is::Run),
        (false, true, None, false, true, Is::Run, Is::Run),
        (false, true, None, true, false, Is::Run, Is::Run),
        (false, true, None, true, true, Is::Run, Is::Run),
        (false, true, KEYED, true, false, Is::Run, Is::Run),
        (false, true, KEYED, true, true, Is::Run, Is::Run),
        (false, true, SENT, true, false, Is::LookUp, Is::Dead),
        (false, true, SENT, true, true, Is::Waits, Is::Dead),
        (false, false, None, false, false, Is::Held, Is::Held),
        (false, false, SENT, true, false, Is::Held, Is::Held),
        (false, false, SENT, true, true, Is::Held, Is::Held),
        (true, true, None, false, false, Is::Withdrawn, Is::Withdrawn),
        (true, false, None, false, true, Is::Withdrawn, Is::Withdrawn),
        (true, true, None, true, false, Is::LookUp, Is::Dead),
        (true, true, KEYED, true, false, Is::LookUp, Is::Dead),
        (true, true, SENT, true, false, Is::LookUp, Is::Dead),
        (true, false, SENT, true, true, Is::LookUp, Is::Dead),
    ] {
        for (look_up, expected) in [(true, able), (false, unable)] {
            let mut stand = Stand::new(Errand::Submit);
            if withdrawn {
                stand = stand.cancelled();
            }
            stand.row.in_flight = in_flight;
            stand.row.progress = progress.then(|| Progress::at("task"));
            stand.capabilities.look_up = look_up;
            let consent = decision(if permitted { Verdict::Permit } else { Verdict::Deny });
            let decided = plan(&stand.job(), interrupted, &consent);
            let case = (withdrawn, permitted, in_flight, progress, interrupted, look_up);
            assert_eq!(kind(&decided, &stand), expected, "{case:?}");
            if let Plan::Stop(transaction) = decided
                && expected == Is::Dead
            {
                assert_eq!(transaction.row().in_flight, in_flight, "{case:?}");
                assert_eq!(transaction.row().progress, stand.row.progress, "{case:?}");
                assert_eq!(transaction.referral().attention.is_some(), withdrawn, "{case:?}");
            }
        }
    }
}

#[test]
fn tells_and_reads() {
    let cancel = Errand::Tell { sender_move: SenderMove::Cancel };
    for (errand, withdrawn, permitted, in_flight, interrupted, expected) in [
        (cancel.clone(), true, false, None, false, Is::Run),
        (cancel.clone(), true, false, SENT, true, Is::Run),
        (Errand::Tell { sender_move: SenderMove::Hold }, false, false, None, false, Is::Run),
        (Errand::Tell { sender_move: SenderMove::Release }, false, true, None, false, Is::Run),
        (Errand::Tell { sender_move: SenderMove::Release }, false, false, None, false, Is::Paused),
        (Errand::Tell { sender_move: SenderMove::Release }, true, false, None, false, Is::Paused),
        (Errand::Read, false, true, None, false, Is::Run),
        (Errand::Read, false, true, None, true, Is::Run),
        (Errand::Read, true, true, None, false, Is::Run),
        (Errand::Read, false, false, None, false, Is::Unread),
    ] {
        let mut stand = Stand::new(errand);
        stand.referral = delivered();
        if withdrawn {
            stand = stand.cancelled();
        }
        stand.row.in_flight = in_flight;
        let consent = decision(if permitted { Verdict::Permit } else { Verdict::Deny });
        let decided = plan(&stand.job(), interrupted, &consent);
        assert_eq!(kind(&decided, &stand), expected, "{:?}", stand.row);
    }
}

#[test]
fn without_consent_the_platform_is_not_told_to_go_on_and_the_sender_sees_why() {
    let mut stand = Stand::new(Errand::Tell { sender_move: SenderMove::Release });
    stand.referral = delivered();
    let Plan::Stop(paused) = plan(&stand.job(), false, &decision(Verdict::Deny)) else { panic!("it is told") };
    let task = paused.task().unwrap();
    assert_eq!((task.text("status"), business_status(&task)), (Some("on-hold"), "on-hold"));
    assert!(status_reason(&task).contains("not been told to go on"), "{}", status_reason(&task));
    assert!(paused.audit().contains(&"consent-decision".to_owned()));
    let referral = paused.referral();
    // As the sender had it: the sender may move it on again when consent is there.
    assert_eq!((referral.sender, referral.task_status), (SenderState::Held, TaskStatus::OnHold));
    // What was withdrawn meanwhile stays as it is.
    let stand = Stand { referral: delivered(), ..stand }.cancelled();
    let Plan::Stop(paused) = plan(&stand.job(), false, &decision(Verdict::Deny)) else { panic!("it is told") };
    assert!(paused.task().is_none() && paused.referral().sender == SenderState::Cancelled);
}

#[test]
fn a_row_that_kills_its_worker_is_set_aside() {
    let cancel = Errand::Tell { sender_move: SenderMove::Cancel };
    // Errand; in flight; withdrawn; what it would do within the bound.
    for (errand, in_flight, withdrawn, within) in [
        (Errand::Submit, None, false, Is::Run),
        (Errand::Submit, KEYED, false, Is::Run),
        (Errand::Submit, SENT, false, Is::Waits),
        (Errand::Submit, SENT, true, Is::LookUp),
        (cancel, None, true, Is::Run),
        (Errand::Read, None, false, Is::Run),
    ] {
        let mut stand = Stand::new(errand.clone());
        if withdrawn {
            stand = stand.cancelled();
        }
        stand.row.in_flight = in_flight;
        let permit = decision(Verdict::Permit);
        stand.row.attempts = 3 * POISON_ATTEMPTS;
        stand.row.died = POISON_ATTEMPTS - 1;
        assert_eq!(kind(&plan(&stand.job(), true, &permit), &stand), within, "{errand:?}");
        stand.row.died = POISON_ATTEMPTS;
        assert!(!matches!(plan(&stand.job(), false, &permit), Plan::Stop(_)), "only if the process died: {errand:?}");
        let Plan::Stop(aside) = plan(&stand.job(), true, &permit) else { panic!("{errand:?} {in_flight:?} goes on") };
        aside.assert_leased(&stand.row);
        let state = if errand == Errand::Read { OutboxState::Dropped } else { OutboxState::Dead };
        assert_eq!(aside.row().state, state, "{errand:?}");
        assert_eq!(aside.attempts(), [], "no attempt was begun: {errand:?}");
        if errand == Errand::Submit {
            assert_eq!(aside.row().in_flight, in_flight);
            assert!(matches!(aside.referral().delivery, Delivery::DeadLetter { .. }));
        } else {
            assert!(aside.referral().attention.is_some(), "{errand:?}");
        }
    }
}

#[test]
fn what_is_held_for_want_of_consent_says_what_may_have_been_sent() {
    for (in_flight, begins) in [(None, "Nothing has been sent"), (SENT, "Nothing more is sent")] {
        let mut stand = Stand::new(Errand::Submit);
        stand.row.in_flight = in_flight;
        let Plan::Stop(held) = plan(&stand.job(), false, &decision(Verdict::Deny)) else { panic!("goes on") };
        let task = held.task().unwrap();
        assert_eq!((task.text("status"), business_status(&task)), (Some("on-hold"), "queued"));
        assert!(status_reason(&task).starts_with(begins), "{}", status_reason(&task));
        assert_eq!(held.row().in_flight, in_flight);
        assert!(held.audit().contains(&"consent-decision".to_owned()));
        assert_eq!(held.referral().revision, stand.referral.revision + 1);
    }
}

#[test]
fn asked_and_not_there() {
    let mut stand = Stand::new(Errand::Submit);
    stand.row.in_flight = SENT;
    stand.row.progress = step("task");
    assert_eq!(after_absent(&stand.job()), Plan::Run(step("task")));
    let mut stand = stand.cancelled();
    for (progress, attention) in [(step("task"), true), (None, false)] {
        stand.row.in_flight = if attention { SENT } else { None };
        stand.row.progress = progress;
        let Plan::Stop(withdrawn) = after_absent(&stand.job()) else { panic!("it is sent after all") };
        withdrawn.assert_leased(&stand.row);
        assert_eq!(withdrawn.referral().delivery, Delivery::Withdrawn);
        assert_eq!(withdrawn.referral().attention.is_some(), attention);
        assert_eq!((withdrawn.row().state, withdrawn.row().in_flight), (OutboxState::Dropped, None));
        assert_eq!(withdrawn.versions("ServiceRequest")[0].1.text("status"), Some("revoked"));
    }
}

#[test]
fn the_mark_before_a_request() {
    let permit = decision(Verdict::Permit);
    let contents = Contents::read(&json!({ "resourceType": "Patient", "active": true }).into(), &[]);
    let leaving = Leaving { manner: Manner::Sent, consent: &permit, contents: &contents, recipient: None };
    for (repeat, expected) in [(Repeat::Safe, None), (Repeat::Keyed, KEYED), (Repeat::LookUpFirst, SENT)] {
        let stand = Stand::new(Errand::Submit);
        assert_eq!(before_send(&stand.job(), &Progress::at("task"), repeat, None).audit(), [""; 0]);
        let marked = before_send(&stand.job(), &Progress::at("task"), repeat, Some(&leaving));
        assert_eq!(marked.audit(), ["consent-decision", "disclose"], "on record before it leaves");
        marked.assert_leased(&stand.row);
        assert_eq!((marked.row().in_flight, marked.row().progress), (expected, step("task")));
        assert_eq!(marked.row().state, OutboxState::Leased, "the lease goes on");
        let unmarked = before_safe_send(&stand.job(), Some(&leaving));
        assert_eq!(unmarked.audit(), ["consent-decision", "disclose"], "also where nothing is marked");
        unmarked.assert_leased(&stand.row);
        assert_eq!(before_safe_send(&stand.job(), None).audit(), [""; 0]);
    }
}

#[test]
fn without_a_settling_time_an_interrupted_request_is_asked_for_at_once() {
    let mut stand = Stand::new(Errand::Submit);
    stand.row.in_flight = SENT;
    stand.settle = Duration::ZERO;
    assert_eq!(plan(&stand.job(), true, &decision(Verdict::Permit)), Plan::LookUp);
}

#[test]
fn what_died_and_waits_to_be_asked_for_is_still_to_be_made_alone() {
    let mut stand = Stand::new(Errand::Submit);
    (stand.row.in_flight, stand.row.alone) = (SENT, true);
    let Plan::Stop(put_off) = plan(&stand.job(), true, &decision(Verdict::Permit)) else {
        panic!("the platform is given its time");
    };
    assert!((put_off.row().state, put_off.row().alone) == (OutboxState::Ready, true));
    let silent = DeliveryError::new(FailureCode::NoAnswer, "Nothing came back.");
    assert!(!look_up_failed(&stand.job(), &silent, 0.5).row().alone, "that it came to an end clears it");
    assert!(!failed(&stand.job(), &silent, None, Repeat::LookUpFirst, 0.5).row().alone);
}
