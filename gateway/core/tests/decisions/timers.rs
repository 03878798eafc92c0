//! Timers: when a person is asked at each stage, what counts, and what settles it.

use crate::builders::*;
use adapter_contract::TaskStatus;
use gateway_core::business_days::BusinessDays;
use gateway_core::change::{Change, Transaction};
use gateway_core::follow_up::Cause;
use gateway_core::identity::{PlatformId, TenantId};
use gateway_core::referral::{Delivery, HoldReason, Referral, SenderState};
use gateway_core::timers::{
    Looked, TIMED, TimerRow, TimerRules, Within, agreed, agreed_anew, follow, look, runs, stands, usual,
};
use gateway_core::unanswered::GONE_BACK;
use gateway_fhir::Json;
use serde_json::json;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

/// Monday, 15 June 2026; the end of the day in London.
const TODAY: OffsetDateTime = datetime!(2026-06-15 22:59:59.999 UTC);

/// The referral as a transaction leaves it.
fn followed(referral: Referral, rules: &TimerRules, heard: bool, now: OffsetDateTime) -> Referral {
    let changes = vec![Change::PutReferral(Box::new(referral))];
    let mut transaction = Transaction { checks: Vec::new(), changes };
    follow(&mut transaction, rules, &|_| heard, now);
    transaction.referral()
}

fn started(referral: Referral) -> Referral {
    followed(referral, &TimerRules::default(), true, NOW)
}

fn timers(referral: &Referral) -> Vec<(Cause, OffsetDateTime)> {
    referral.timers.iter().map(|timer| (timer.cause, timer.due)).collect()
}

fn at(status: TaskStatus) -> Referral {
    Referral { task_status: status, ..delivered() }
}

fn days(count: i64) -> Duration {
    Duration::days(count)
}

fn looked_with(referral: &Referral, follow_ups: &[(String, u64, Json)], now: OffsetDateTime) -> Option<Transaction> {
    let (task, request) = (task(referral.task_status), service_request());
    let rules = TimerRules::default();
    look(&Looked { referral, documents: (&task, &request), follow_ups, rules: &rules, now }, None)
}

#[test]
fn each_stage_has_its_own_time() {
    // Queued until the end of the next business day; within four hours where it is urgent.
    assert_eq!(timers(&started(referral())), [(Cause::NotAcknowledged, TODAY + days(1))]);
    let urgent = |referral: Referral| Referral { urgent: Some(NOW), ..referral };
    assert_eq!(timers(&started(urgent(referral()))), [(Cause::NotAcknowledged, NOW + Duration::hours(4))]);
    // There: five business days are Monday to Monday, sixty are over the August bank holiday.
    let outcome = (Cause::NoOutcome, datetime!(2026-09-08 22:59:59.999 UTC));
    assert_eq!(timers(&started(delivered())), [(Cause::NotAccepted, TODAY + days(7)), outcome]);
    assert_eq!(timers(&started(at(TaskStatus::Received))), [(Cause::NotAccepted, TODAY + days(7)), outcome]);
    assert_eq!(timers(&started(at(TaskStatus::Accepted))), [(Cause::NoFirstContact, TODAY + days(14)), outcome]);
    assert_eq!(timers(&started(at(TaskStatus::InProgress))), [outcome]);
    assert_eq!(timers(&started(urgent(at(TaskStatus::Accepted))))[0], (Cause::NoFirstContact, TODAY + days(2)));
    // It is urgent from a day on that is to come: it is not yet.
    let later = Referral { urgent: Some(NOW + days(1)), ..referral() };
    assert_eq!(timers(&started(later)), [(Cause::NotAcknowledged, TODAY + days(1))]);
    // Urgent referrals never wait for longer.
    for cause in TIMED {
        let rank = |within| match within {
            Within::Hours(hours) => hours,
            Within::BusinessDays(days) => days * 24,
            Within::Never => panic!("{cause:?} is waited for"),
        };
        assert!(rank(usual(cause, true)) < rank(usual(cause, false)), "{cause:?}");
    }
}

#[test]
fn nobody_waits_for_what_has_ended_or_is_a_persons_already() {
    let held = Delivery::Held { reason: HoldReason::SenderHold };
    for referral in [
        Referral { sender: SenderState::Cancelled, ..delivered() },
        Referral { sender: SenderState::Held, ..delivered() },
        Referral { delivery: held, ..referral() },
        Referral { delivery: Delivery::DeadLetter { reason: "no".to_owned() }, ..referral() },
        recalled(delivered()),
        at(TaskStatus::Completed),
        at(TaskStatus::Rejected),
    ] {
        let referral = started(referral);
        assert_eq!((referral.timers.len(), referral.next_look()), (0, None), "{referral:?}");
    }
    // Of a platform that tells nothing an outcome alone is asked about.
    let unheard = followed(delivered(), &TimerRules::default(), false, NOW);
    assert_eq!(unheard.timers.iter().map(|timer| timer.cause).collect::<Vec<_>>(), [Cause::NoOutcome]);
}

#[test]
fn the_agreed_day_is_the_senders() {
    let (mut by_task, mut by_request) = (task(TaskStatus::Requested), service_request());
    assert_eq!(agreed(&by_task, &by_request), None);
    by_request.set("occurrenceDateTime", json!("2026-07-02").into());
    assert_eq!(agreed(&by_task, &by_request), Some(datetime!(2026-07-02 22:59:59.999 UTC)));
    by_request.remove("occurrenceDateTime");
    by_request.set("occurrencePeriod", json!({ "start": "2026-06-20", "end": "2026-07-03" }).into());
    assert_eq!(agreed(&by_task, &by_request), Some(datetime!(2026-07-03 22:59:59.999 UTC)));
    by_task.set("restriction", json!({ "period": { "end": "2026-07-01" } }).into());
    let day = agreed(&by_task, &by_request);
    assert_eq!(day, Some(datetime!(2026-07-01 22:59:59.999 UTC)));
    assert_eq!(timers(&started(Referral { agreed: day, ..delivered() }))[1], (Cause::NoOutcome, day.unwrap()));
    // A day that was over before the platform had it is asked about at once.
    let past = Referral { agreed: Some(NOW - days(3)), ..delivered() };
    assert_eq!(timers(&started(past))[1], (Cause::NoOutcome, NOW));
}

#[test]
fn the_timer_follows_a_day_that_is_agreed_anew() {
    let by = |day: Option<&str>| {
        let mut request = service_request();
        if let Some(day) = day {
            request.set("occurrenceDateTime", json!(day).into());
        }
        request
    };
    let anew = |referral: &Referral, day: Option<&str>| {
        let mut referral = referral.clone();
        agreed_anew(&mut referral, &task(TaskStatus::Requested), &by(day));
        followed(referral, &TimerRules::default(), true, NOW + days(1))
    };
    let due = |referral: &Referral| timers(referral).into_iter().find(|one| one.0 == Cause::NoOutcome).unwrap().1;
    let end = |day: u8| datetime!(2026-07-01 22:59:59.999 UTC).replace_day(day).unwrap();
    let first = started(Referral { agreed: Some(end(10)), ..delivered() });
    assert_eq!(due(&first), end(10));
    assert_eq!(due(&anew(&first, Some("2026-07-20"))), end(20), "later");
    assert_eq!(due(&anew(&first, Some("2026-07-02"))), end(2), "sooner");
    assert_eq!(due(&anew(&first, Some("2026-06-01"))), NOW + days(1), "a day that is over: at once");
    let usual = anew(&first, None);
    assert_eq!((due(&usual), usual.agreed), (datetime!(2026-09-09 22:59:59.999 UTC), None), "no day: the usual time");
    assert_eq!(due(&anew(&usual, Some("2026-07-02"))), end(2), "a day where there was none");
    // Whoever was asked on the first day is asked again on the later one, and not because something else is written.
    let mut asked = first.clone();
    asked.timers.iter_mut().for_each(|timer| timer.over = true);
    let over = |referral: &Referral| referral.timers.iter().find(|one| one.cause == Cause::NoOutcome).unwrap().over;
    assert!(over(&anew(&asked, Some("2026-07-10"))) && over(&anew(&asked, None)));
    let again = anew(&asked, Some("2026-07-20"));
    assert_eq!((over(&again), due(&again)), (false, end(20)));
}

#[test]
fn the_narrowest_row_says_how_long() {
    let row = |within| TimerRow { cause: Cause::NotAccepted, tenant: None, platform: None, urgent: None, within };
    let mut rules = TimerRules { rows: vec![row(Within::BusinessDays(2))], days: BusinessDays::default() };
    let within = |rules: &TimerRules| rules.within(Cause::NotAccepted, &delivered(), false);
    assert_eq!(within(&rules), Within::BusinessDays(2));
    rules.rows.push(TimerRow { urgent: Some(true), ..row(Within::Hours(1)) });
    assert_eq!(within(&rules), Within::BusinessDays(2), "it is not urgent");
    rules.rows.push(TimerRow { platform: Some(platform()), ..row(Within::BusinessDays(3)) });
    assert_eq!(within(&rules), Within::BusinessDays(3));
    rules.rows.insert(0, TimerRow { tenant: Some(compartment().tenant), ..row(Within::Never) });
    assert_eq!(within(&rules), Within::Never);
    for (tenant, platform) in [(Some("other"), None), (None, Some("other"))] {
        let tenant = tenant.map(|one| TenantId(one.to_owned()));
        let platform = platform.map(|one| PlatformId(one.to_owned()));
        rules.rows.push(TimerRow { tenant, platform, urgent: Some(false), ..row(Within::Hours(9)) });
    }
    assert_eq!(within(&rules), Within::Never, "others' rows are others'");
    assert!(followed(delivered(), &rules, true, NOW).timers.iter().all(|timer| timer.cause != Cause::NotAccepted));
}

#[test]
fn a_timer_that_is_over_asks_a_person_once_and_nothing_moves_by_itself() {
    let referral = started(Referral { urgent: Some(NOW), ..at(TaskStatus::Accepted) });
    let due = TODAY + days(2);
    assert_eq!(referral.next_look(), Some(due));
    assert_eq!(looked_with(&referral, &[], due - Duration::MILLISECOND), None);
    let asked = looked_with(&referral, &[], due).unwrap();
    asked.assert_valid();
    let task = asked.task().unwrap();
    assert_eq!(task.text("priority"), Some("urgent"), "as the referral is");
    assert!(task.text("description").unwrap().contains("2026-06-17T22:59:59.999Z"));
    let after = asked.referral();
    assert_eq!(after.revision, referral.revision + 1);
    assert_eq!((after.task_status, after.delivery.clone()), (referral.task_status, referral.delivery.clone()));
    let open: Vec<_> = after.open_follow_ups().map(|one| (one.cause, one.due)).collect();
    // By the end of this business day; it is Thursday in London by a millisecond before midnight no more.
    assert_eq!(open, [(Cause::NoFirstContact, Some(due))]);
    // Committed again, as each change is: what is over stays over.
    let after = followed(after, &TimerRules::default(), true, due);
    assert_eq!(looked_with(&after, &[], due + days(1)), None);
    assert_eq!(after.next_look(), Some(datetime!(2026-07-13 22:59:59.999 UTC)), "the outcome is waited for still");
}

#[test]
fn what_comes_late_settles_what_was_asked() {
    for (cause, before, after, words) in [
        (Cause::NotAcknowledged, referral(), delivered(), "confirmed"),
        (Cause::NotAccepted, delivered(), at(TaskStatus::Accepted), "answered"),
        (Cause::NoFirstContact, at(TaskStatus::Accepted), at(TaskStatus::InProgress), "begun"),
        (Cause::NoOutcome, at(TaskStatus::InProgress), at(TaskStatus::Completed), "ended"),
        (
            Cause::NoOutcome,
            at(TaskStatus::InProgress),
            Referral { sender: SenderState::Cancelled, ..at(TaskStatus::InProgress) },
            "withdrawn",
        ),
    ] {
        assert!(runs(cause, &before) && stands(cause, &before) && !stands(cause, &after), "{cause:?}");
        let far = NOW + days(200);
        let asked = looked_with(&started(before), &[], far).unwrap();
        let (stored, document) =
            asked.versions("Task").into_iter().find(|(_, document)| document.to_text().contains(cause.code())).unwrap();
        let open = Referral { timers: asked.referral().timers, follow_ups: asked.referral().follow_ups, ..after };
        let open = followed(open, &TimerRules::default(), true, far);
        assert!(open.next_look().is_some_and(|at| at <= far), "{cause:?} is looked at at once");
        let all = [(stored.key.id.clone(), 1, document)];
        let settled = looked_with(&open, &all, far).unwrap();
        settled.assert_valid();
        let (_, task) = settled.versions("Task").into_iter().find(|(one, _)| one.key == stored.key).unwrap();
        assert_eq!(task.text("status"), Some("completed"));
        assert!(status_reason(&task).contains(words), "{cause:?}: {}", status_reason(&task));
        assert!(settled.referral().open_follow_ups().all(|one| one.cause != cause));
    }
}

#[test]
fn what_could_not_be_delivered_or_went_back_is_not_settled_by_that() {
    let dead = Referral { delivery: Delivery::DeadLetter { reason: "no".to_owned() }, ..referral() };
    assert!(stands(Cause::NotAcknowledged, &dead) && !runs(Cause::NotAcknowledged, &dead));
    let back = Referral { attention: Some(GONE_BACK.to_owned()), ..at(TaskStatus::OnHold) };
    assert!(stands(Cause::NotAccepted, &back) && !runs(Cause::NotAccepted, &back));
    // And a referral that is tried again is not asked about a second time.
    let asked = looked_with(&started(referral()), &[], NOW + days(9)).unwrap().referral();
    let dead = started(Referral { delivery: dead.delivery, ..asked });
    let again = started(Referral { delivery: Delivery::Queued, ..dead });
    assert_eq!(looked_with(&again, &[], NOW + days(30)), None);
}
