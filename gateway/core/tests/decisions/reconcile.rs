//! Reconcile: each kind of difference, what is done about it, and that doing it twice does it once.

use crate::align_walk::{record, said};
use crate::builders::*;
use adapter_contract::{
    Capabilities, Concept, OutputValue, PlatformReferralId, Receipt, Repeat, ReportedOutput, StatusReport, TaskStatus,
};
use gateway_core::change::{Change, Disposition, ReportRecord};
use gateway_core::consent::Kept;
use gateway_core::outbox::{Errand, OutboxRow, OutboxState};
use gateway_core::reconcile::{
    ARRIVED, CHANGED, Compared, Drift, GONE, Mend, Reconciled, STILL, There, compare, is_moving, is_worth_comparing,
};
use gateway_core::referral::{Delivery, HoldReason, Referral, SenderState};
use gateway_core::retry::Schedule;
use gateway_fhir::Json;
use serde_json::json;

/// What is compared, changed case by case.
struct Scene {
    referral: Referral,
    task: Json,
    service_request: Json,
    sent: Option<Json>,
    reports: Vec<ReportRecord>,
    outbox: Vec<OutboxRow>,
    capabilities: Capabilities,
    permitted: bool,
    kept: Kept,
}

impl Scene {
    fn new(shown: TaskStatus) -> Self {
        Self {
            referral: Referral { task_status: shown, ..delivered() },
            task: task(shown),
            service_request: service_request(),
            sent: None,
            reports: Vec::new(),
            outbox: vec![in_state(Errand::Submit, OutboxState::Done, 1)],
            capabilities: ABLE,
            permitted: true,
            kept: Kept::Nothing,
        }
    }

    /// The platform said this, and it was applied.
    fn heard(mut self, report: &StatusReport) -> Self {
        self.referral.platform_status = report.status;
        self.reports.push(ReportRecord { disposition: Disposition::Applied, ..record(report) });
        self
    }

    fn compare(&self, there: There<'_>) -> Reconciled {
        let schedule = Schedule::default();
        let from = Compared {
            referral: &self.referral,
            task: (3, &self.task),
            service_request: ((5, &self.service_request), self.sent.as_ref().map(|sent| (2, sent))),
            reports: &self.reports,
            outbox: &self.outbox,
            there,
            capabilities: self.capabilities,
            permitted: self.permitted,
            kept: self.kept,
            schedule: &schedule,
            author: "gateway",
            now: NOW,
        };
        let reconciled = compare(&from, &mut ids());
        reconciled.transaction.assert_valid();
        reconciled
    }

    /// Takes what was written as what stands; statements are applied as alignment would.
    fn apply(&mut self, reconciled: &Reconciled) {
        for change in &reconciled.transaction.changes {
            match change {
                Change::PutReferral(referral) => self.referral = (**referral).clone(),
                Change::PutOutbox(row) => self.outbox.push((**row).clone()),
                Change::RecordReport(record) => {
                    let applied = ReportRecord { disposition: Disposition::Applied, ..(**record).clone() };
                    self.reports.push(applied);
                    if let Some(status) = record.report.status {
                        (self.referral.task_status, self.referral.platform_status) = (status, Some(status));
                        self.task = task(status);
                    }
                }
                Change::PutResource(version) => self.task = read(&version.body),
                _ => {}
            }
        }
    }
}

fn one(reconciled: &Reconciled) -> (&Drift, &Mend) {
    assert_eq!(reconciled.findings.len(), 1, "{:?}", reconciled.findings);
    (&reconciled.findings[0].drift, &reconciled.findings[0].mend)
}

fn agrees(reconciled: &Reconciled, what: &str) {
    assert_eq!(reconciled, &Reconciled::default(), "{what}");
}

fn receipt(name: &str, reports: Vec<StatusReport>) -> Receipt {
    Receipt { platform_referral: PlatformReferralId(name.to_owned()), reports }
}

#[test]
fn where_all_agree_nothing_is_written() {
    let accepted = said("e1", Some(TaskStatus::Accepted), 1);
    let scene = Scene::new(TaskStatus::Accepted).heard(&accepted);
    agrees(&scene.compare(There::Says(std::slice::from_ref(&accepted))), "the same statement");
    agrees(&scene.compare(There::Unasked), "nobody can be asked");
    agrees(&scene.compare(There::Says(&[])), "nothing is said");
    // It touched its record, and says the same.
    agrees(&scene.compare(There::Says(&[said("e2", Some(TaskStatus::Accepted), 2)])), "a version more");
    let silent = Scene::new(TaskStatus::Requested);
    agrees(&silent.compare(There::Says(&[said("e1", Some(TaskStatus::Requested), 1)])), "it is there");
}

#[test]
fn a_statement_that_was_lost_is_recorded_and_then_is_no_difference() {
    for (shown, there) in [
        (TaskStatus::Requested, TaskStatus::Accepted),
        (TaskStatus::Requested, TaskStatus::Completed),
        (TaskStatus::Accepted, TaskStatus::Rejected),
        (TaskStatus::InProgress, TaskStatus::OnHold),
    ] {
        let mut scene = Scene::new(shown);
        if shown != TaskStatus::Requested {
            scene = scene.heard(&said("e1", Some(shown), 1));
        }
        let now = [said("e7", Some(there), 7)];
        let found = scene.compare(There::Says(&now));
        let (drift, mend) = one(&found);
        assert_eq!(*drift, Drift::StatusDiffers { here: shown, there: Some(there) });
        assert_eq!(mend.code(), "repaired");
        assert_eq!(found.transaction.audit(), ["reconcile"]);
        scene.apply(&found);
        agrees(&scene.compare(There::Says(&now)), "the second time");
    }
}

#[test]
fn outcomes_and_contradictions_that_were_lost_are_recorded_too() {
    let accepted = said("e1", Some(TaskStatus::Completed), 1);
    let scene = Scene::new(TaskStatus::Completed).heard(&accepted);
    let mut outcome = said("e2", Some(TaskStatus::Completed), 2);
    outcome.outputs.push(ReportedOutput { kind: Concept::default(), value: OutputValue::Concept(Concept::default()) });
    assert_eq!(one(&scene.compare(There::Says(&[outcome]))).1.code(), "repaired");
    let reopened = said("e3", Some(TaskStatus::InProgress), 3);
    let found = scene.compare(There::Says(&[reopened]));
    assert_eq!(one(&found).1.code(), "repaired", "the conflict list is alignment's");
}

#[test]
fn what_was_read_and_is_not_shown_is_aligned_anew() {
    let accepted = said("e1", Some(TaskStatus::Accepted), 1);
    let mut scene = Scene::new(TaskStatus::Requested).heard(&accepted);
    let found = scene.compare(There::Says(std::slice::from_ref(&accepted)));
    assert_eq!(one(&found).1.code(), "repaired");
    assert_eq!(found.transaction.dispositions(), [("report-e1".to_owned(), Disposition::Recorded)]);
    scene.permitted = false;
    agrees(&scene.compare(There::Says(std::slice::from_ref(&accepted))), "consent keeps it from the GP: on purpose");
    scene.permitted = true;
    // Nobody moves a Task that has ended.
    scene.referral.task_status = TaskStatus::Failed;
    scene.task = task(TaskStatus::Failed);
    assert_eq!(one(&scene.compare(There::Says(&[accepted]))).1.code(), "raised");
}

#[test]
fn a_conflict_is_shown_and_not_told_twice() {
    let mut scene = Scene::new(TaskStatus::Rejected).heard(&said("e1", Some(TaskStatus::Rejected), 1));
    scene = scene.heard(&said("e2", Some(TaskStatus::Accepted), 2));
    scene.referral.conflict = Some("The platform reports accepted.".to_owned());
    let found = scene.compare(There::Says(&[said("e2", Some(TaskStatus::Accepted), 2)]));
    assert_eq!(one(&found).1, &Mend::Known("The platform reports accepted.".to_owned()));
    assert!(found.transaction.changes.is_empty());
}

#[test]
fn what_is_missing_there_is_sent_again_once_and_then_a_person_is_told() {
    let mut scene = Scene::new(TaskStatus::Requested);
    let found = scene.compare(There::Absent);
    assert_eq!(one(&found), (&Drift::MissingThere, one(&found).1));
    let row = found.transaction.row();
    assert_eq!((&row.errand, row.state, row.sequence), (&Errand::Submit, OutboxState::Ready, 2));
    assert_eq!(row.in_flight, Some(Repeat::LookUpFirst), "nothing is sent on a guess");
    assert_eq!(found.transaction.referral().delivery, Delivery::Queued);
    // It arrived under another name, as a referral that is sent again does, and is lost again.
    scene.apply(&found);
    for row in &mut scene.outbox {
        row.state = OutboxState::Done;
    }
    scene.referral.delivery = Delivery::Delivered { at: NOW };
    scene.referral.platform_referral = Some(PlatformReferralId("43".to_owned()));
    let again = scene.compare(There::Absent);
    assert_eq!(one(&again).1, &Mend::Raised(GONE.to_owned()));
    assert_eq!(status_reason(&again.transaction.task().unwrap()), GONE);
    scene.apply(&again);
    let third = scene.compare(There::Absent);
    assert_eq!(one(&third).1, &Mend::Known(GONE.to_owned()));
    assert!(third.transaction.changes.is_empty(), "{third:?}");
    // It is there after all: the Task does not say otherwise any more.
    let there = [said("e1", Some(TaskStatus::Requested), 1)];
    let back = scene.compare(There::Says(&there));
    assert_eq!((back.findings.len(), back.transaction.referral().attention), (0, None));
    let task = back.transaction.task().unwrap();
    assert_eq!((task.get("statusReason"), business(&task)), (None, "delivered"));
    scene.apply(&back);
    agrees(&scene.compare(There::Says(&there)), "the second time");
}

fn business(task: &Json) -> &str {
    task.get("businessStatus").unwrap().items("coding")[0].text("code").unwrap()
}

#[test]
fn what_is_found_again_shows_what_the_platform_had_said_of_it() {
    let mut begun = said("e1", Some(TaskStatus::InProgress), 1);
    begun.reason = Some("First visit on Monday.".to_owned());
    let mut scene = Scene::new(TaskStatus::InProgress).heard(&begun);
    scene.apply(&scene.compare(There::Absent));
    assert_eq!(status_reason(&scene.task), GONE);
    let mut withheld = Scene { task: scene.task.clone(), ..Scene::new(TaskStatus::InProgress).heard(&begun) };
    withheld.referral = scene.referral.clone();
    withheld.permitted = false;
    // What the person keeps from the practice is not shown by this either.
    let standing = |kept| Scene {
        task: scene.task.clone(),
        referral: scene.referral.clone(),
        kept,
        ..Scene::new(TaskStatus::InProgress).heard(&begun)
    };
    for (kept, code) in [(Kept::Words, "in-contact"), (Kept::All, "outcome-withheld")] {
        let task = standing(kept).compare(There::Says(std::slice::from_ref(&begun))).transaction.task().unwrap();
        assert!(!task.to_text().contains("Monday") && business(&task) == code, "{}", task.to_text());
    }
    for (scene, words, code) in [(scene, Some("First visit on Monday."), "in-contact"), (withheld, None, "delivered")] {
        let back = scene.compare(There::Says(std::slice::from_ref(&begun)));
        let task = back.transaction.task().unwrap();
        let said = task.get("statusReason").and_then(|reason| reason.text("text"));
        assert_eq!((said, business(&task), task.text("status")), (words, code, Some("in-progress")));
        assert_eq!(back.transaction.referral().attention, None);
    }
}

/// Alignment settles what was recorded; where it could not, nothing is recorded a second time.
#[test]
fn what_was_recorded_of_a_dead_letter_is_not_repaired_each_night_anew() {
    let accepted = said("e1", Some(TaskStatus::Accepted), 1);
    let mut scene = Scene::new(TaskStatus::OnHold);
    scene.referral.delivery = Delivery::DeadLetter { reason: "It may have arrived.".to_owned() };
    scene.outbox = vec![OutboxRow { tried: true, ..in_state(Errand::Submit, OutboxState::Dead, 3) }];
    scene.reports = vec![ReportRecord { disposition: Disposition::Withheld, ..record(&accepted) }];
    scene.permitted = false;
    let found = scene.compare(There::Found(&receipt("42", vec![accepted.clone()])));
    assert_eq!(one(&found).1, &Mend::Raised(ARRIVED.to_owned()));
    scene.apply(&found);
    let again = scene.compare(There::Found(&receipt("42", vec![accepted])));
    assert_eq!((one(&again).1.code(), again.transaction.changes.len()), ("known", 0));
}

#[test]
fn what_is_missing_there_is_raised_where_it_cannot_be_sent_on_knowledge() {
    let begun = Scene::new(TaskStatus::InProgress).heard(&said("e1", Some(TaskStatus::InProgress), 1));
    let mut deaf = Scene::new(TaskStatus::Requested);
    deaf.capabilities = UNABLE;
    let mut refused = Scene::new(TaskStatus::Requested);
    refused.permitted = false;
    let mut held = Scene::new(TaskStatus::OnHold);
    held.referral.sender = SenderState::Held;
    for (what, scene) in [("begun", begun), ("deaf", deaf), ("refused", refused), ("held", held)] {
        let found = scene.compare(There::Absent);
        assert_eq!(one(&found).1, &Mend::Raised(GONE.to_owned()), "{what}");
        assert!(found.transaction.rows().is_empty(), "{what}");
    }
    let ended = Scene::new(TaskStatus::Completed);
    agrees(&ended.compare(There::Absent), "platforms tidy away what has ended");
}

#[test]
fn another_name_there_is_taken_on() {
    let mut scene = Scene::new(TaskStatus::Requested);
    let moved = StatusReport {
        platform_referral: PlatformReferralId("43".to_owned()),
        ..said("e1", Some(TaskStatus::Requested), 1)
    };
    let found = scene.compare(There::Found(&receipt("43", vec![moved.clone()])));
    assert_eq!(one(&found).0, &Drift::MissingThere);
    scene.apply(&found);
    assert_eq!(scene.referral.platform_referral, Some(PlatformReferralId("43".to_owned())));
    agrees(&scene.compare(There::Found(&receipt("43", vec![moved]))), "the second time");
}

#[test]
fn a_dead_letter_that_arrived_is_missing_here() {
    let mut scene = Scene::new(TaskStatus::OnHold);
    scene.referral.delivery = Delivery::DeadLetter { reason: "It may have arrived.".to_owned() };
    let dead = in_state(Errand::Submit, OutboxState::Dead, 3);
    scene.outbox = vec![OutboxRow { in_flight: Some(Repeat::LookUpFirst), tried: true, ..dead }];
    assert!(is_worth_comparing(&scene.referral, &scene.outbox));
    agrees(&scene.compare(There::Absent), "it did not arrive, as the Task says");
    let spoken = scene.compare(There::Found(&receipt("42", vec![said("e1", Some(TaskStatus::Accepted), 1)])));
    assert_eq!((one(&spoken).0, one(&spoken).1.code()), (&Drift::MissingHere, "repaired"));
    let silent = scene.compare(There::Found(&receipt("42", Vec::new())));
    assert_eq!(one(&silent), (&Drift::MissingHere, &Mend::Raised(ARRIVED.to_owned())));
    scene.apply(&silent);
    assert_eq!(one(&scene.compare(There::Found(&receipt("42", Vec::new())))).1.code(), "known");
}

#[test]
fn a_request_that_was_changed_is_raised_by_the_names_of_its_elements_and_taken_back() {
    let mut scene = Scene::new(TaskStatus::Accepted).heard(&said("e1", Some(TaskStatus::Accepted), 1));
    scene.sent = Some(service_request());
    agrees(&scene.compare(There::Unasked), "the same content");
    let before = json!({"resourceType": "ServiceRequest", "id": "sr", "status": "active", "intent": "order",
        "code": {"text": "Canary"}, "subject": {"reference": "Patient/p"}});
    scene.sent = Some(before.into());
    let found = scene.compare(There::Unasked);
    let (drift, mend) = one(&found);
    assert_eq!(*drift, Drift::ContentDiffers { sent: 2, stands: 5 });
    assert!(mend.words().starts_with(CHANGED) && mend.words().contains("code"), "{mend:?}");
    assert!(!mend.words().contains("Canary") && !mend.words().contains("Food"), "no content: {mend:?}");
    scene.apply(&found);
    let again = scene.compare(There::Unasked);
    assert_eq!((one(&again).1.code(), again.transaction.changes.len()), ("known", 0));
    scene.sent = Some(service_request());
    let told = scene.compare(There::Unasked);
    assert_eq!((told.findings.len(), told.transaction.referral().attention), (0, None), "the platform was told since");
    for status in [TaskStatus::Completed, TaskStatus::Rejected] {
        let mut over = Scene::new(status);
        over.sent = Some(json!({"resourceType": "ServiceRequest", "code": {"text": "Other"}}).into());
        agrees(&over.compare(There::Unasked), "what has ended is nobody's to tell");
    }
}

#[test]
fn whoever_is_at_it_already_is_not_told_of_something_else() {
    let mut scene = Scene::new(TaskStatus::Accepted).heard(&said("e1", Some(TaskStatus::Accepted), 1));
    scene.referral.attention = Some("Call the organisation.".to_owned());
    let found = scene.compare(There::Absent);
    assert_eq!(one(&found).1, &Mend::Known("Call the organisation.".to_owned()));
    assert!(found.transaction.changes.is_empty());
}

#[test]
fn what_was_withdrawn_and_goes_on_there_is_raised_until_it_stops() {
    let mut scene = Scene::new(TaskStatus::Cancelled).heard(&said("e1", Some(TaskStatus::Accepted), 1));
    scene.referral.sender = SenderState::Cancelled;
    let goes_on = [said("e2", Some(TaskStatus::InProgress), 2)];
    let found = scene.compare(There::Says(&goes_on));
    assert_eq!(one(&found).1, &Mend::Raised(STILL.to_owned()));
    scene.apply(&found);
    assert_eq!(one(&scene.compare(There::Says(&goes_on))).1.code(), "known");
    let stopped = scene.compare(There::Says(&[said("e3", Some(TaskStatus::Cancelled), 3)]));
    assert_eq!(one(&stopped).1.code(), "repaired", "its word is recorded: all know that it has ended");
    assert_eq!(stopped.transaction.referral().attention, None);
    scene.apply(&stopped);
    agrees(&scene.compare(There::Says(&[said("e3", Some(TaskStatus::Cancelled), 3)])), "the second time");
}

#[test]
fn the_gateways_record_follows_the_task() {
    let mut scene = Scene::new(TaskStatus::Accepted).heard(&said("e1", Some(TaskStatus::Accepted), 1));
    scene.referral.task_status = TaskStatus::Requested;
    let found = scene.compare(There::Unasked);
    assert_eq!(one(&found).1.code(), "repaired");
    scene.apply(&found);
    agrees(&scene.compare(There::Unasked), "the second time");
}

#[test]
fn after_a_recall_nothing_but_an_end_is_taken_and_an_absence_confirms_it() {
    let mut scene = Scene::new(TaskStatus::Requested);
    scene.referral = recalled(scene.referral);
    scene.task = task(TaskStatus::Cancelled);
    let mut ended = said("e1", Some(TaskStatus::Completed), 1);
    ended.outputs.push(ReportedOutput { kind: Concept::default(), value: OutputValue::Concept(Concept::default()) });
    ended.reason = Some("Three parcels.".to_owned());
    let found = scene.compare(There::Says(&[ended]));
    let recorded = found.transaction.changes.iter().find_map(|change| match change {
        Change::RecordReport(record) => Some(record.report.clone()),
        _ => None,
    });
    let recorded = recorded.expect("its end is recorded");
    assert_eq!((recorded.outputs.len(), recorded.reason), (0, None));
    let gone = scene.compare(There::Absent);
    assert_eq!(gone.transaction.row().errand, Errand::Read, "the ordinary way, which writes the receipt");
    scene.apply(&gone);
    agrees(&scene.compare(There::Absent), "it is queued once");
}

#[test]
fn only_what_a_platform_may_have_and_not_all_agree_on_is_worth_asking_about() {
    let done = [in_state(Errand::Submit, OutboxState::Done, 1)];
    let asks = |referral: &Referral| is_worth_comparing(referral, &done);
    let ended = |said| Referral { task_status: TaskStatus::Completed, platform_status: said, ..delivered() };
    assert!(asks(&delivered()));
    assert!(!asks(&ended(Some(TaskStatus::Completed))), "all agree");
    assert!(asks(&ended(Some(TaskStatus::InProgress))), "it goes on there");
    assert!(asks(&ended(None)));
    assert!(!asks(&referral()), "queued");
    let held = Referral { delivery: Delivery::Held { reason: HoldReason::SenderHold }, ..referral() };
    assert!(!asks(&held));
    let dead = Referral { delivery: Delivery::DeadLetter { reason: String::new() }, ..referral() };
    assert!(!asks(&dead), "no request of it ever left");
    let mut confirmed = recalled(delivered());
    confirmed.recall.as_mut().unwrap().confirmed_at = Some(NOW);
    assert!(asks(&recalled(delivered())) && !asks(&confirmed));

    let ready = [in_state(Errand::Read, OutboxState::Ready, 0)];
    let reminder = [in_state(Errand::Chase, OutboxState::Ready, 0)];
    assert!(is_moving(&[], &ready) && !is_moving(&[], &done) && !is_moving(&[], &reminder));
    assert!(is_moving(&[record(&said("e1", None, 1))], &done), "it is about to be applied");
}
