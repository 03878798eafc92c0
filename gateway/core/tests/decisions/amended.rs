//! A referral that is changed after it was sent: what is put into the outbox, what its errand does, and how a replacement goes.

use crate::builders::{
    ABLE, NOW, Stand, UNABLE, Wrote, business_status, decision, delivered, error, in_state, recalled, referral, row,
    service_request, status_reason, task,
};
use adapter_contract::{
    Amend, Capabilities, Concept, FailureCode, IdempotencyKey, PlatformOrder, PlatformReferralId, Receipt, Repeat,
    StatusReport, TaskStatus,
};
use gateway_core::amend::{
    Amendment, DRIFT, Due, amend, content, due, ended_after_all, is_drift, leaves, may_be_replaced, may_change,
    replaced, told,
};
use gateway_core::change::{Change, Check, Transaction};
use gateway_core::consent::Verdict;
use gateway_core::deliver::{Plan, failed, plan};
use gateway_core::outbox::{Errand, OutboxRow, OutboxState};
use gateway_core::referral::{Delivery, Referral, SenderState};
use gateway_core::retry::Schedule;
use gateway_fhir::Json;
use serde_json::json;

fn amended(referral: &Referral, outbox: &[OutboxRow]) -> Option<Transaction> {
    let (task, mut request): (Json, Json) = (task(TaskStatus::Requested), service_request());
    request.set("priority", json!("urgent").into());
    amend(&Amendment {
        referral,
        outbox,
        changed: &[("ServiceRequest/sr".to_owned(), 2)],
        task: &task,
        service_request: &request,
        schedule: &Schedule::default(),
        author: "client/gp",
        now: NOW,
    })
}

fn updates(transaction: &Transaction) -> Vec<OutboxRow> {
    transaction.rows().into_iter().filter(|row| row.errand == Errand::Update).collect()
}

#[test]
fn what_has_not_left_goes_as_it_is_then_and_as_early_as_it_is_urgent_now() {
    for state in [OutboxState::Ready, OutboxState::Held, OutboxState::Dead] {
        let submit = in_state(Errand::Submit, state, 0);
        let done = amended(&referral(), std::slice::from_ref(&submit)).unwrap();
        assert_eq!(updates(&done), []);
        assert_eq!(done.row(), OutboxRow { urgent: Some(NOW), ..submit.clone() });
        assert_eq!(done.checks, [Check::NotLeased { outbox: submit.id.clone(), fence: submit.fence }]);
        assert_eq!((done.referral().revision, done.referral().urgent), (5, Some(NOW)));
        assert_eq!(done.audit(), ["amend"]);
    }
}

#[test]
fn behind_whatever_may_have_left_one_errand_waits() {
    let doubtful = OutboxRow { in_flight: Some(Repeat::Keyed), ..in_state(Errand::Submit, OutboxState::Ready, 1) };
    let cases = [
        (referral(), in_state(Errand::Submit, OutboxState::Leased, 1)),
        (referral(), doubtful),
        (delivered(), in_state(Errand::Submit, OutboxState::Done, 1)),
    ];
    for (referral, submit) in cases {
        let done = amended(&referral, std::slice::from_ref(&submit)).unwrap();
        let [update] = updates(&done).try_into().unwrap();
        assert_eq!((update.sequence, update.state), (2, OutboxState::Ready));
        // A second change before its turn makes no second errand, and may not overlook that it was taken up.
        let again = amended(&referral, &[submit.clone(), update.clone()]).unwrap();
        assert_eq!(updates(&again), []);
        assert!(again.checks.contains(&Check::NotLeased { outbox: update.id.clone(), fence: update.fence }));
        // One that is under way may be saying what was.
        let under_way = OutboxRow { state: OutboxState::Leased, ..update };
        let third = amended(&referral, &[submit, under_way.clone()]).unwrap();
        let [next] = updates(&third).try_into().unwrap();
        assert_eq!(next.sequence, 3);
        assert_ne!(next.id, under_way.id);
    }
}

#[test]
fn what_is_over_is_not_changed_and_says_what_to_do() {
    let ended = Referral { task_status: TaskStatus::Completed, ..delivered() };
    let cancelled = Referral { sender: SenderState::Cancelled, ..delivered() };
    for over in [&ended, &cancelled, &recalled(delivered())] {
        assert_eq!(amended(over, &[]), None);
        assert_eq!(may_change(&[over]).unwrap_err().status, 422);
        assert!(may_change(&[over, &delivered()]).is_ok(), "another one goes on");
    }
    assert!(may_change(&[]).is_ok());
}

#[test]
fn content_is_what_is_said_and_not_how_far_it_is_or_what_it_is_called() {
    let bundle = |status: &str, url: &str, words: &str| -> Json {
        json!({"entry": [{"fullUrl": url, "resource": {"resourceType": "Task", "status": status, "note": words}}]})
            .into()
    };
    let one = content(&bundle("requested", "urn:uuid:1", "a"));
    assert_eq!(one, content(&bundle("accepted", "urn:uuid:2", "a")));
    assert_ne!(one, content(&bundle("requested", "urn:uuid:1", "b")));
}

fn stand(amend: Amend) -> Stand {
    let mut stand = Stand::new(Errand::Update);
    stand.referral = Referral { sent: Some("before".to_owned()), ..delivered() };
    stand.capabilities = Capabilities { amend, ..ABLE };
    stand
}

#[test]
fn an_errand_goes_only_where_there_is_something_to_say_and_somebody_to_say_it_to() {
    let stopped = |due: Due| match due {
        Due::Stop(transaction) => *transaction,
        other => panic!("{other:?}"),
    };
    assert_eq!(due(&stand(Amend::Update).job(), "after"), Due::Go);
    let nothing = stopped(due(&stand(Amend::Update).job(), "before"));
    assert_eq!((nothing.row().state, nothing.task(), nothing.referral().attention), (OutboxState::Done, None, None));
    nothing.assert_leased(&row(Errand::Update));
    let drift = stopped(due(&stand(Amend::None).job(), "after"));
    assert_eq!(drift.row().state, OutboxState::Dropped, "no cancellation waits for it");
    assert!(is_drift(&drift.referral()));
    let task = drift.task().unwrap();
    assert!(
        status_reason(&task).starts_with(DRIFT) && status_reason(&task).contains("Call"),
        "{}",
        status_reason(&task)
    );
    assert_eq!(task.text("status"), Some("requested"));
    drift.assert_valid();
    // Where somebody has begun, or the platform cannot be told to stop, it is not taken from them.
    let mut begun = stand(Amend::CancelAndResend);
    begun.referral.platform_status = Some(TaskStatus::InProgress);
    assert!(is_drift(&stopped(due(&begun.job(), "after")).referral()));
    let mut mute = stand(Amend::CancelAndResend);
    mute.capabilities.cancel = false;
    assert!(is_drift(&stopped(due(&mute.job(), "after")).referral()));
}

#[test]
fn what_is_told_is_known_from_then_on_and_nobody_has_to_call() {
    let mut stand = stand(Amend::Update);
    stand.row.carries = Some("after".to_owned());
    stand.referral.attention = Some(format!("{DRIFT} x"));
    stand.task.set("statusReason", json!({ "text": format!("{DRIFT} x") }).into());
    let receipt = Receipt { platform_referral: PlatformReferralId("42".to_owned()), reports: Vec::new() };
    let done = told(&stand.job(), &receipt, &mut String::new);
    assert_eq!((done.referral().sent.as_deref(), done.referral().attention), (Some("after"), None));
    assert_eq!(done.task().unwrap().get("statusReason"), None);
    assert_eq!(done.row().state, OutboxState::Done);
}

#[test]
fn before_it_is_told_consent_is_asked_and_whoever_is_over_is_not_told() {
    let state = |plan: Plan| match plan {
        Plan::Stop(transaction) => (transaction.row().state, is_drift(&transaction.referral())),
        other => panic!("{other:?}"),
    };
    let permit = decision(Verdict::Permit);
    let mut with_progress = stand(Amend::Update);
    with_progress.row.progress = crate::builders::step("late");
    assert_eq!(plan(&with_progress.job(), false, &permit), Plan::Run(None), "it is begun anew");
    assert_eq!(state(plan(&stand(Amend::Update).job(), false, &decision(Verdict::Deny))), (OutboxState::Dropped, true));
    let over = stand(Amend::Update).cancelled();
    assert_eq!(state(plan(&over.job(), false, &permit)), (OutboxState::Dropped, false));
    let mut doubtful = stand(Amend::Update);
    doubtful.row.in_flight = Some(Repeat::LookUpFirst);
    assert_eq!(state(plan(&doubtful.job(), false, &permit)), (OutboxState::Dropped, true));
}

#[test]
fn a_refusal_is_shown_and_what_passes_is_tried_again() {
    for code in
        [FailureCode::Refused, FailureCode::Untranslatable, FailureCode::UnsafeToSend, FailureCode::HttpStatus(422)]
    {
        let done = failed(&stand(Amend::Update).job(), &error(code), None, Repeat::Keyed, 0.5);
        assert_eq!((done.row().state, is_drift(&done.referral())), (OutboxState::Dropped, true), "{code:?}");
        assert!(matches!(done.referral().delivery, Delivery::Delivered { .. }), "{code:?}");
    }
    let done = failed(&stand(Amend::Update).job(), &error(FailureCode::HttpStatus(503)), None, Repeat::Keyed, 0.5);
    assert_eq!(done.row().state, OutboxState::Ready);
}

fn report(status: Option<TaskStatus>) -> StatusReport {
    StatusReport {
        platform_referral: PlatformReferralId("42".to_owned()),
        key: None,
        event: "e".to_owned(),
        order: PlatformOrder { version: None, instant: None },
        platform_status: Concept::default(),
        status,
        business_status: "error".to_owned(),
        reason: None,
        outputs: Vec::new(),
    }
}

fn receipt(status: Option<TaskStatus>) -> Receipt {
    Receipt { platform_referral: PlatformReferralId("42".to_owned()), reports: vec![report(status)] }
}

/// An errand that replaces, once the wish is on record.
fn replacing() -> Stand {
    let begun = match due(&stand(Amend::CancelAndResend).job(), "after") {
        Due::Begin(transaction) => transaction.referral(),
        other => panic!("{other:?}"),
    };
    assert_eq!((begun.delivery.clone(), begun.replacing), (Delivery::Queued, Some(NOW)));
    let mut stand = stand(Amend::CancelAndResend);
    stand.referral = begun;
    assert_eq!(due(&stand.job(), "after"), Due::Go);
    assert_eq!(due(&stand.job(), "before"), Due::Go, "what may have been cancelled is brought to an end");
    stand
}

#[test]
fn once_it_has_ended_there_it_is_sent_anew_under_another_key() {
    for status in [None, Some(TaskStatus::Cancelled), Some(TaskStatus::Requested)] {
        let done = replaced(&replacing().job(), &receipt(status), &mut String::new);
        let after = done.referral();
        assert_ne!(after.key, referral().key);
        assert_eq!((after.platform_referral.clone(), after.sent.clone(), after.replacing), (None, None, None));
        assert_eq!(
            after.former.iter().map(|one| one.key.clone()).collect::<Vec<_>>(),
            [IdempotencyKey("key".to_owned())]
        );
        assert!(after.was(&PlatformReferralId("42".to_owned())), "what is said of the old one is over");
        let [update, submit] = done.rows().try_into().unwrap();
        assert_eq!(
            (update.state, submit.errand, submit.state),
            (OutboxState::Done, Errand::Submit, OutboxState::Ready)
        );
        assert_eq!(business_status(&done.task().unwrap()), "queued");
        done.assert_valid();
        // The same once more is the same: ids and key follow from what it was.
        assert_eq!(replaced(&replacing().job(), &receipt(status), &mut String::new), done);
    }
}

#[test]
fn what_ended_otherwise_or_was_withdrawn_meanwhile_is_never_sent_anew() {
    for status in [TaskStatus::Completed, TaskStatus::Rejected, TaskStatus::Accepted, TaskStatus::InProgress] {
        let done = replaced(&replacing().job(), &receipt(Some(status)), &mut String::new);
        assert_eq!(done.rows().len(), 1, "{status}");
        assert!(is_drift(&done.referral()));
        assert!(matches!(done.referral().delivery, Delivery::Delivered { .. }), "{status}");
    }
    let mut withdrawn = replacing();
    withdrawn.referral.sender = SenderState::Cancelled;
    let done = replaced(&withdrawn.job(), &receipt(Some(TaskStatus::Cancelled)), &mut String::new);
    assert_eq!((done.rows().len(), done.referral().former.len()), (1, 0));
    // And what could not be ended stands as it was.
    let mut refused = replacing();
    refused.capabilities = Capabilities { amend: Amend::CancelAndResend, cancel: true, ..UNABLE };
    let done = failed(&refused.job(), &error(FailureCode::Refused), None, Repeat::Keyed, 0.5);
    assert_eq!((done.referral().delivery, done.referral().replacing), (Delivery::Delivered { at: NOW }, None));
}

/// The same, once a request of the cancellation has left.
fn cancelling() -> Stand {
    let mut stand = replacing();
    let marked = match leaves(&stand.job()) {
        Some(Change::PutReferral(referral)) => *referral,
        other => panic!("{other:?}"),
    };
    assert_eq!((marked.cancel_left, marked.revision), (true, stand.referral.revision + 1));
    stand.referral = marked;
    assert_eq!(leaves(&stand.job()), None, "it is written once");
    stand
}

fn in_order(statuses: &[TaskStatus]) -> Vec<StatusReport> {
    let at = |(n, status): (usize, &TaskStatus)| StatusReport {
        event: n.to_string(),
        order: PlatformOrder { version: Some(n as u64), instant: None },
        ..report(Some(*status))
    };
    statuses.iter().enumerate().map(at).collect()
}

#[test]
fn only_after_our_own_cancellation_may_have_arrived_is_an_end_there_taken_for_ours() {
    use TaskStatus::{Accepted, Cancelled, Completed, InProgress, Rejected, Requested};
    let (before, after) = (replacing().referral, cancelling().referral);
    for (statuses, unmarked, marked) in [
        (&[][..], true, true),
        (&[Requested], true, true),
        (&[Rejected], false, true),
        (&[Cancelled], false, true),
        (&[InProgress, Rejected], false, true),
        (&[Accepted], false, false),
        (&[Completed], false, false),
        // Somebody took it up again.
        (&[Rejected, InProgress], false, false),
    ] {
        let reports = in_order(statuses);
        let seen = (may_be_replaced(&before, &reports), may_be_replaced(&after, &reports));
        assert_eq!(seen, (unmarked, marked), "{statuses:?}");
    }
    // What the exchange of the cancellation itself says of it is read the same way.
    let ours = replaced(&cancelling().job(), &receipt(Some(Rejected)), &mut String::new).referral();
    assert_eq!((ours.former.len(), ours.cancel_left, ours.replacing), (1, false, None));
    let theirs = replaced(&cancelling().job(), &receipt(Some(Accepted)), &mut String::new).referral();
    assert!(theirs.former.is_empty() && is_drift(&theirs) && !theirs.cancel_left, "it is plain that it goes on there");
}

#[test]
fn a_cancellation_that_may_have_arrived_is_asked_about_and_not_given_up() {
    let mut doubtful = cancelling();
    doubtful.row.in_flight = Some(Repeat::LookUpFirst);
    assert_eq!(plan(&doubtful.job(), true, &decision(Verdict::Permit)), Plan::Run(None));
}

#[test]
fn what_was_given_up_is_not_called_refused_and_goes_on_when_the_platform_says_that_it_has_ended() {
    // Refused at the first attempt it has changed nothing there: what ends it later is the organisation's word.
    let refused = failed(&cancelling().job(), &error(FailureCode::Refused), None, Repeat::Keyed, 0.5).referral();
    assert!(is_drift(&refused) && !refused.cancel_left && !refused.ended_by_us(&report(Some(TaskStatus::Rejected))));
    // An earlier one may have arrived.
    let mut stand = cancelling();
    stand.row.attempts = 2;
    let given_up = failed(&stand.job(), &error(FailureCode::Refused), None, Repeat::Keyed, 0.5);
    stand.referral = given_up.referral();
    assert!(matches!(stand.referral.delivery, Delivery::Delivered { .. }));
    let words = stand.referral.attention.clone().unwrap();
    assert!(is_drift(&stand.referral) && words.contains("may have arrived"), "{words}");
    let says = |status| report(Some(status));
    for (status, ours) in [(TaskStatus::Rejected, true), (TaskStatus::Cancelled, true), (TaskStatus::Completed, false)]
    {
        assert_eq!(stand.referral.ended_by_us(&says(status)), ours, "{status}");
    }
    // Sent anew it is, also where its sender has taken the change back: the organisation has nothing.
    let row = ended_after_all(&stand.referral, &[], &Schedule::default(), NOW);
    assert!(matches!(row, Some(Change::PutOutbox(row)) if row.errand == Errand::Update));
    assert!(matches!(due(&stand.job(), "before"), Due::Begin(_)));
    // Once, and not where it is over.
    let waits = in_state(Errand::Update, OutboxState::Ready, 3);
    assert_eq!(ended_after_all(&stand.referral, &[waits], &Schedule::default(), NOW), None);
    let over = Referral { sender: SenderState::Cancelled, ..stand.referral.clone() };
    assert_eq!(ended_after_all(&over, &[], &Schedule::default(), NOW), None);
    assert_eq!(ended_after_all(&delivered(), &[], &Schedule::default(), NOW), None);
    // A withdrawal waits for just that word, and so does a sender who has cancelled.
    let cancelled = Referral { sender: SenderState::Cancelled, ..stand.referral.clone() };
    let recalled = Referral { recall: recalled(delivered()).recall, ..stand.referral.clone() };
    assert!([cancelled, recalled].iter().all(|one| !one.ended_by_us(&says(TaskStatus::Cancelled))));
    // An organisation that had begun with it says no for itself.
    let begun = Referral { platform_status: Some(TaskStatus::InProgress), ..stand.referral.clone() };
    assert!(!begun.ended_by_us(&says(TaskStatus::Rejected)));
    assert!(!delivered().ended_by_us(&says(TaskStatus::Rejected)));
}
