//! Alarms: whatever has become of a referral, a call for help reaches a person, with no more than consent lets pass.

use crate::align_walk::{Scene, said};
use crate::builders::*;
use adapter_contract::business_status::{NEEDS_MORE, SAFEGUARDING};
use adapter_contract::{ReportSource, StatusReport, TaskStatus};
use gateway_core::alarm::meanwhile;
use gateway_core::align::Alignment;
use gateway_core::change::{Disposition, ReportRecord, Transaction};
use gateway_core::consent::{Kept, Verdict};
use gateway_core::follow_up::{Cause, is_follow_up};
use gateway_core::referral::{Delivery, Referral, SenderState};
use gateway_core::retry::Schedule;
use gateway_core::withdraw;
use gateway_fhir::Json;
use time::macros::datetime;

const WORDS: &str = "She says that she cannot go on.";

/// A service calls for help, in a word that moves nothing.
fn call(business: &str, event: &str) -> StatusReport {
    let report = said(event, None, 1);
    StatusReport { status: None, business_status: business.to_owned(), reason: Some(WORDS.to_owned()), ..report }
}

/// The follow-ups that are written.
fn raised(done: &Transaction) -> Vec<Json> {
    done.versions("Task").into_iter().map(|(_, document)| document).filter(is_follow_up).collect()
}

fn codes(done: &Transaction) -> Vec<String> {
    let code = |task: &Json| task.get("code").unwrap().items("coding")[0].text("code").unwrap().to_owned();
    raised(done).iter().map(code).collect()
}

fn scene(status: TaskStatus) -> Scene {
    Scene::new(status)
}

/// Each note of the one follow-up that is written.
fn notes(done: &Transaction) -> Vec<String> {
    let [task] = raised(done).try_into().unwrap();
    task.items("note").iter().map(|note| note.text("text").unwrap().to_owned()).collect()
}

/// Takes a report in as the store would, the follow-ups included.
fn heard(scene: &mut Scene, record: ReportRecord) -> Transaction {
    scene.reports.push(record);
    let done = scene.align();
    scene.referral = done.referral();
    for record in &mut scene.reports {
        record.disposition = Disposition::Unchanged;
    }
    for (version, document) in done.versions("Task").into_iter().filter(|(_, document)| is_follow_up(document)) {
        scene.follow_ups.retain(|one| one.0 != version.key.id);
        scene.follow_ups.push((version.key.id.clone(), version.version, document));
    }
    let open: Vec<String> = scene.referral.open_follow_ups().map(|one| one.task.clone()).collect();
    scene.follow_ups.retain(|one| open.contains(&one.0));
    done
}

/// A version of what a platform shows.
fn shows(business: &str, version: u64) -> ReportRecord {
    let mut report = call(business, &format!("v{version}"));
    report.order.version = Some(version);
    crate::align_walk::record(&report)
}

/// An answer on a page.
fn says(event: &str, words: Option<&str>) -> ReportRecord {
    let report = StatusReport { reason: words.map(str::to_owned), ..call(NEEDS_MORE, event) };
    ReportRecord { source: ReportSource::StatusLink, ..crate::align_walk::record(&report) }
}

fn told(scene: &mut Scene, report: &StatusReport) -> Transaction {
    scene.reports.push(crate::align_walk::record(report));
    scene.align()
}

#[test]
fn it_is_an_urgent_task_for_today_in_the_transaction_of_the_report() {
    for (business, cause) in [(NEEDS_MORE, Cause::NeedsMoreSupport), (SAFEGUARDING, Cause::SafeguardingConcern)] {
        let done = told(&mut scene(TaskStatus::InProgress), &call(business, "e1"));
        assert_eq!(codes(&done), [cause.code()]);
        let task = &raised(&done)[0];
        assert_eq!((task.text("priority"), task.text("status")), (Some("urgent"), Some("requested")));
        assert_eq!(task.items("note")[0].text("text"), Some(WORDS));
        assert!(task.text("description").unwrap().contains("999"));
        let due = done.referral().open_follow_ups().next().unwrap().due;
        assert_eq!(due, Some(datetime!(2026-06-15 22:59:59.999 UTC)), "the end of today in London");
        assert!(!done.dispositions().is_empty(), "the report itself is applied as any");
    }
}

#[test]
fn it_is_never_lost_in_a_status() {
    let cancelled = |referral: &mut Referral| referral.sender = SenderState::Cancelled;
    for (what, shown, status, change) in [
        ("final already", TaskStatus::Completed, None, None),
        ("final with it", TaskStatus::InProgress, Some(TaskStatus::Completed), None),
        ("declined with it", TaskStatus::Requested, Some(TaskStatus::Rejected), None),
        ("in conflict", TaskStatus::Completed, Some(TaskStatus::Draft), None),
        ("not taken on yet", TaskStatus::Requested, None, None),
        ("cancelled by the sender", TaskStatus::Cancelled, None, Some(&cancelled as &dyn Fn(&mut Referral))),
        ("cancelled, and helped", TaskStatus::Cancelled, Some(TaskStatus::Completed), Some(&cancelled)),
    ] {
        let mut scene = scene(shown);
        if let Some(change) = change {
            change(&mut scene.referral);
        }
        let done = told(&mut scene, &StatusReport { status, ..call(NEEDS_MORE, "e1") });
        assert_eq!(codes(&done), [Cause::NeedsMoreSupport.code()], "{what}");
    }
    let mut dead = scene(TaskStatus::OnHold);
    dead.referral.delivery = Delivery::DeadLetter { reason: "no answer".to_owned() };
    assert_eq!(codes(&told(&mut dead, &call(NEEDS_MORE, "e1"))), [Cause::NeedsMoreSupport.code()], "a dead letter");
}

#[test]
fn no_more_is_told_than_consent_lets_pass_and_never_less_than_to_call() {
    let mut withheld = scene(TaskStatus::InProgress);
    withheld.withheld = true;
    let mut all = scene(TaskStatus::InProgress);
    all.kept = Kept::All;
    let mut gone = scene(TaskStatus::Cancelled);
    gone.referral = recalled(gone.referral);
    for (what, mut scene) in [("withheld", withheld), ("kept from the sender", all), ("withdrawn", gone)] {
        let mut report = call(SAFEGUARDING, "e1");
        if scene.referral.recall.is_some() {
            // As it is kept once consent was withdrawn.
            withdraw::strip(&mut report);
            assert!(!format!("{report:?}").contains(SAFEGUARDING) && report.reason.is_none());
        }
        let done = told(&mut scene, &report);
        assert_eq!(codes(&done), [Cause::CallRequested.code()], "{what}");
        let text = raised(&done)[0].to_text();
        assert!(!text.contains(WORDS) && !text.contains(SAFEGUARDING), "{what}: {text}");
        assert!(text.contains("Call it today") && raised(&done)[0].text("priority") == Some("urgent"), "{what}");
    }
    // Words alone are kept back: what it is about may be told.
    let mut words = scene(TaskStatus::InProgress);
    words.kept = Kept::Words;
    let done = told(&mut words, &call(SAFEGUARDING, "e1"));
    assert_eq!(codes(&done), [Cause::SafeguardingConcern.code()]);
    assert!(raised(&done)[0].get("note").is_none());
    // What is no call keeps nothing of the kind.
    let mut plain = call("attended", "e2");
    withdraw::strip(&mut plain);
    assert_eq!(plain.business_status, "consent-withdrawn");
}

#[test]
fn one_that_is_open_is_added_to_and_one_that_was_ended_is_followed_by_another() {
    let mut scene = scene(TaskStatus::InProgress);
    let first = told(&mut scene, &call(NEEDS_MORE, "e1"));
    let document = raised(&first)[0].clone();
    let name = first.referral().follow_ups[0].task.clone();
    scene.referral = first.referral();
    scene.reports[0].disposition = Disposition::Unchanged;
    scene.follow_ups = vec![(name.clone(), 1, document)];
    // Taken up again by the same name: it was told.
    assert_eq!(raised(&scene.align()), []);
    scene.reports[0].disposition = Disposition::Recorded;
    assert_eq!(raised(&scene.align()), [], "the same event, read once more");
    scene.reports[0].disposition = Disposition::Unchanged;
    let more = StatusReport { reason: Some("It is worse now.".to_owned()), ..call(NEEDS_MORE, "e2") };
    let second = told(&mut scene, &more);
    let notes: Vec<_> =
        raised(&second)[0].items("note").iter().map(|note| note.text("text").unwrap().to_owned()).collect();
    assert_eq!(
        (notes.as_slice(), second.referral().follow_ups.len()),
        ([WORDS.to_owned(), "It is worse now.".to_owned()].as_slice(), 1)
    );
    // Another cause stands beside it.
    let beside = told(&mut scene, &call(SAFEGUARDING, "e3"));
    assert!(codes(&beside).contains(&Cause::SafeguardingConcern.code().to_owned()));
    // Ended by a person: what comes then is new.
    scene.reports.retain(|record| record.report.event == "e2");
    scene.referral.follow_ups[0].ended_at = Some(NOW);
    scene.follow_ups.clear();
    let third = scene.align();
    assert_eq!(
        (codes(&third), third.referral().follow_ups.len()),
        (vec![Cause::NeedsMoreSupport.code().to_owned()], 2)
    );
    assert_ne!(third.referral().follow_ups[1].task, name);
}

/// What is told while the acknowledgement is still under way.
fn early(scene: &Scene) -> Option<Transaction> {
    meanwhile(&Alignment {
        referral: &scene.referral,
        task: (3, &scene.task),
        service_request: (2, &scene.service_request),
        reports: &scene.reports,
        former: &scene.former,
        outbox: &[],
        follow_ups: &scene.follow_ups,
        capabilities: ABLE,
        within: WITHIN,
        schedule: &Schedule::default(),
        consent: &decision(Verdict::Permit),
        kept: Kept::Nothing,
        now: NOW,
    })
}

/// Takes it as the store would.
fn stored(scene: &mut Scene, done: &Transaction) {
    scene.referral = done.referral();
    for (version, document) in done.versions("Task") {
        scene.follow_ups.retain(|one| one.0 != version.key.id);
        scene.follow_ups.push((version.key.id.clone(), version.version, document));
    }
    for (id, disposition) in done.dispositions() {
        scene.reports.iter_mut().filter(|record| record.id == id).for_each(|record| record.disposition = disposition);
    }
}

#[test]
fn it_does_not_wait_for_the_acknowledgement() {
    let mut scene = scene(TaskStatus::Requested);
    scene.referral.delivery = Delivery::Queued;
    scene.reports.push(crate::align_walk::record(&call(NEEDS_MORE, "e1")));
    let done = early(&scene).unwrap();
    assert_eq!(codes(&done), [Cause::NeedsMoreSupport.code()]);
    assert_eq!(done.dispositions(), [("report-e1".to_owned(), Disposition::Told)]);
    assert_eq!(done.referral().delivery, Delivery::Queued);
    stored(&mut scene, &done);
    assert_eq!(early(&scene), None, "it was told");
    // A further call is, once, however often its report is looked at before it is applied.
    scene.reports.push(says("e2", None));
    let done = early(&scene).unwrap();
    assert_eq!(notes(&done), [WORDS, "It calls again, and says no more than before."]);
    stored(&mut scene, &done);
    assert_eq!(early(&scene), None, "it was told");
    // Nor is it told a second time once the report is applied.
    scene.referral.delivery = delivered().delivery;
    let applied = scene.align();
    assert_eq!(raised(&applied), []);
    assert_eq!(applied.dispositions().len(), 2, "the rest of both is applied then");
}

#[test]
fn any_number_of_calls_before_the_acknowledgement_comes_to_rest() {
    let mut scene = scene(TaskStatus::Requested);
    scene.referral.delivery = Delivery::Queued;
    for number in 0..70 {
        let mut one = call(NEEDS_MORE, &format!("e{number}"));
        one.order.version = Some(number + 1);
        one.reason = Some(format!("Words {number}."));
        scene.reports.push(crate::align_walk::record(&one));
    }
    let done = early(&scene).unwrap();
    assert_eq!(done.dispositions().len(), 70);
    stored(&mut scene, &done);
    assert_eq!(early(&scene), None, "what was told is told");
    scene.referral.delivery = delivered().delivery;
    assert_eq!(raised(&scene.align()), []);
}

#[test]
fn what_is_pushed_once_more_after_a_person_has_dealt_with_it_is_a_call_of_its_own() {
    for (source, expected) in [(ReportSource::Webhook, 1), (ReportSource::TaskUpdate, 1), (ReportSource::Poll, 0)] {
        let mut scene = scene(TaskStatus::InProgress);
        let at = |event: &str, version: u64, received| {
            let mut one = call(NEEDS_MORE, event);
            one.order.version = Some(version);
            ReportRecord { source, received, ..crate::align_walk::record(&one) }
        };
        heard(&mut scene, at("e1", 1, NOW));
        // It stands while the follow-up is open.
        let standing = heard(&mut scene, at("e2", 2, NOW + time::Duration::HOUR));
        assert_eq!(raised(&standing), [], "{source:?}");
        scene.referral.follow_ups[0].ended_at = Some(NOW + time::Duration::DAY);
        scene.follow_ups.clear();
        let again = heard(&mut scene, at("e3", 3, NOW + time::Duration::days(3)));
        assert_eq!(raised(&again).len(), expected, "{source:?}");
    }
    // A row of a file with another date is another call, wherever it comes from.
    let mut scene = scene(TaskStatus::InProgress);
    for (day, expected) in [("2026-11-01", 1), ("2026-11-01", 0), ("2026-11-20", 1)] {
        let mut row = call(NEEDS_MORE, &format!("row-{day}-{expected}"));
        row.order = adapter_contract::PlatformOrder { version: None, instant: Some(day.to_owned()) };
        let record = ReportRecord { source: ReportSource::Poll, ..crate::align_walk::record(&row) };
        assert_eq!(raised(&heard(&mut scene, record)).len(), expected, "{day}");
    }
}

#[test]
fn each_further_call_is_noted_with_its_time_and_told_again_also_without_new_words() {
    let mut scene = scene(TaskStatus::InProgress);
    heard(&mut scene, says("e1", None));
    let name = scene.referral.follow_ups[0].task.clone();
    for (times, words) in [(1, None), (2, Some(WORDS)), (3, Some(WORDS)), (4, None)] {
        let done = heard(&mut scene, says(&format!("again-{times}"), words));
        let (stored, document) = done.versions("Task").into_iter().find(|(_, task)| is_follow_up(task)).unwrap();
        assert_eq!((stored.key.id.as_str(), stored.version), (name.as_str(), times + 1), "a new version: told again");
        assert_eq!(document.text("priority"), Some("urgent"));
        let note = document.items("note").last().unwrap().clone();
        assert_eq!(note.text("text"), Some(words.unwrap_or("It calls again, and says no more than before.")));
        assert_eq!(note.text("time"), Some("2026-06-15T12:00:00.000Z"));
        let again = done.referral().follow_ups[0].again.clone().unwrap();
        assert_eq!((u64::from(again.times), again.last), (times, NOW));
        assert!(done.audit().contains(&"follow-up-called-again".to_owned()), "{:?}", done.audit());
    }
    assert_eq!((scene.referral.follow_ups.len(), scene.follow_ups[0].2.items("note").len()), (1, 4));
}

#[test]
fn words_that_may_not_be_told_are_not_told_with_a_further_call_either() {
    let mut scene = scene(TaskStatus::InProgress);
    scene.withheld = true;
    heard(&mut scene, says("e1", Some(WORDS)));
    let again = heard(&mut scene, says("e2", Some(WORDS)));
    assert_eq!(
        (codes(&again), notes(&again)),
        (vec!["call-requested".to_owned()], vec!["It calls again, and says no more than before.".to_owned()])
    );
}

#[test]
fn what_a_platform_goes_on_showing_is_one_call() {
    let mut scene = scene(TaskStatus::InProgress);
    assert_eq!(raised(&heard(&mut scene, shows(NEEDS_MORE, 2))).len(), 1);
    // Read anew, with nothing changed but the version; also where versions overtake one another.
    for version in [3, 5, 4, 1] {
        assert_eq!(raised(&heard(&mut scene, shows(NEEDS_MORE, version))), [], "version {version}");
    }
    // Nor once a person has ended the follow-up.
    scene.referral.follow_ups[0].ended_at = Some(NOW);
    scene.follow_ups.clear();
    assert_eq!(raised(&heard(&mut scene, shows(NEEDS_MORE, 6))), []);
    // It showed something else between: it calls anew.
    assert_eq!(raised(&heard(&mut scene, shows("in-contact", 7))), []);
    assert_eq!(codes(&heard(&mut scene, shows(NEEDS_MORE, 8))), [Cause::NeedsMoreSupport.code()]);
    // Other words, and another concern, are calls of their own.
    let mut worse = shows(NEEDS_MORE, 9);
    worse.report.reason = Some("It is worse now.".to_owned());
    assert_eq!(notes(&heard(&mut scene, worse)), [WORDS, "It is worse now."]);
    assert_eq!(codes(&heard(&mut scene, shows(SAFEGUARDING, 10))), [Cause::SafeguardingConcern.code()]);
}

#[test]
fn calls_that_come_together_are_each_noted() {
    let mut scene = scene(TaskStatus::InProgress);
    scene.reports.push(says("e1", Some(WORDS)));
    let done = heard(&mut scene, says("e2", None));
    assert_eq!(notes(&done), [WORDS, "It calls again, and says no more than before."]);
    assert_eq!(done.referral().follow_ups[0].again.as_ref().unwrap().times, 1);
}

#[test]
fn whoever_calls_without_end_is_counted_and_fills_no_store() {
    let mut scene = scene(TaskStatus::InProgress);
    heard(&mut scene, says("e0", Some(WORDS)));
    for number in 1..60 {
        let done = heard(&mut scene, says(&format!("e{number}"), Some(&format!("Call {number}."))));
        assert_eq!(raised(&done).len(), 1, "call {number} is told");
    }
    let again = scene.referral.follow_ups[0].again.clone().unwrap();
    assert_eq!((scene.follow_ups[0].2.items("note").len(), again.times, again.heard.len()), (50, 59, 50));
}
