//! Align: whatever the order in which statements come, the GP reads the same in the end, and each step is signed.

use crate::builders::*;
use adapter_contract::{
    Capabilities, Concept, OutputValue, PlatformOrder, PlatformReferralId, ReportSource, ReportedOutput, SenderMove,
    StatusReport, TaskStatus,
};
use gateway_core::align::{Alignment, align};
use gateway_core::change::{Check, Disposition as D, ReportRecord, Transaction};
use gateway_core::consent::{Kept, Verdict};
use gateway_core::outbox::{Errand, OutboxRow, OutboxState};
use gateway_core::referral::{Delivery, HoldReason, Referral, SenderState};
use gateway_core::retry::Schedule;
use gateway_fhir::Json;

pub(crate) fn said(event: &str, status: Option<TaskStatus>, version: u64) -> StatusReport {
    StatusReport {
        platform_referral: PlatformReferralId("42".to_owned()),
        key: None,
        event: event.to_owned(),
        order: PlatformOrder { version: Some(version), instant: None },
        platform_status: Concept { system: None, code: None, text: Some(format!("word-{event}")) },
        status,
        business_status: if status.is_some() { "in-contact".to_owned() } else { "unmapped".to_owned() },
        reason: None,
        outputs: Vec::new(),
    }
}

pub(crate) fn record(report: &StatusReport) -> ReportRecord {
    ReportRecord {
        id: format!("report-{}", report.event),
        platform: platform(),
        referral: Some(referral().id),
        source: ReportSource::Webhook,
        received: NOW,
        report: report.clone(),
        disposition: D::Recorded,
    }
}

/// A referral at the platform while statements come in.
pub(crate) struct Scene {
    pub(crate) referral: Referral,
    pub(crate) version: u64,
    pub(crate) task: Json,
    pub(crate) service_request: Json,
    pub(crate) reports: Vec<ReportRecord>,
    pub(crate) former: Vec<ReportRecord>,
    pub(crate) outbox: Vec<OutboxRow>,
    pub(crate) follow_ups: Vec<(String, u64, Json)>,
    pub(crate) capabilities: Capabilities,
    pub(crate) withheld: bool,
    /// What the person keeps from the sender.
    pub(crate) kept: Kept,
}

impl Scene {
    pub(crate) fn new(shown: TaskStatus) -> Self {
        Self {
            referral: Referral { task_status: shown, ..delivered() },
            version: 3,
            task: task(shown),
            service_request: service_request(),
            reports: Vec::new(),
            former: Vec::new(),
            outbox: Vec::new(),
            follow_ups: Vec::new(),
            capabilities: ABLE,
            withheld: false,
            kept: Kept::Nothing,
        }
    }

    pub(crate) fn align(&self) -> Transaction {
        let schedule = Schedule::default();
        let transaction = align(&Alignment {
            referral: &self.referral,
            task: (self.version, &self.task),
            service_request: (2, &self.service_request),
            reports: &self.reports,
            former: &self.former,
            outbox: &self.outbox,
            follow_ups: &self.follow_ups,
            capabilities: self.capabilities,
            within: WITHIN,
            schedule: &schedule,
            consent: &decision(if self.withheld { Verdict::Deny } else { Verdict::Permit }),
            kept: self.kept,
            now: NOW,
        });
        transaction.assert_valid();
        transaction
    }

    /// One more statement comes in and is applied, as the store would do it.
    pub(crate) fn hear(&mut self, report: &StatusReport) -> Transaction {
        self.reports.push(record(report));
        self.apply()
    }

    /// What has come in is applied, as the store would do it.
    pub(crate) fn apply(&mut self) -> Transaction {
        let done = self.align();
        self.referral = done.referral();
        for (version, document) in done.versions("Task") {
            assert_eq!(version.version, self.version + 1, "versions stand in a row");
            (self.version, self.task) = (version.version, document);
        }
        for (_, document) in done.versions("ServiceRequest") {
            self.service_request = document;
        }
        for (id, disposition) in done.dispositions() {
            self.reports
                .iter_mut()
                .filter(|record| record.id == id)
                .for_each(|record| record.disposition = disposition);
        }
        done
    }
}

/// What a GP reads in the end, without versions and times.
fn shown(task: &Json) -> serde_json::Value {
    let mut task = task.clone();
    task.remove("meta");
    task.remove("lastModified");
    task.to_value()
}

fn orders(count: usize) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for next in 0..count {
        all = all
            .into_iter()
            .flat_map(|order| {
                (0..=order.len()).map(move |place| {
                    let mut longer = order.clone();
                    longer.insert(place, next);
                    longer
                })
            })
            .collect();
    }
    all
}

fn output(word: &str) -> ReportedOutput {
    let concept = |text: &str| Concept { text: Some(text.to_owned()), ..Concept::default() };
    ReportedOutput { kind: concept("Given"), value: OutputValue::Concept(concept(word)) }
}

#[test]
fn every_order_and_every_repetition_ends_in_the_same_task() {
    use TaskStatus::{Accepted, Cancelled, Completed, EnteredInError, InProgress, OnHold, Received, Rejected};
    // Also what a statement gave whose status is a conflict, whether it came before or after the one that it contradicts.
    for statuses in [
        vec![Received, Accepted, InProgress, Completed],
        vec![Accepted, InProgress, OnHold, InProgress],
        vec![Received, Rejected],
        vec![InProgress, Accepted],
        vec![Completed, InProgress, Completed],
        vec![Accepted, Completed, Cancelled],
        vec![Completed, EnteredInError],
    ] {
        let reports: Vec<StatusReport> = (1..)
            .zip(&statuses)
            .map(|(version, status)| {
                let mut report = said(&format!("e{version}"), Some(*status), version);
                report.outputs = vec![output(&format!("output {version}"))];
                report
            })
            .collect();
        let mut ends = Vec::new();
        for order in orders(reports.len()) {
            let mut scene = Scene::new(TaskStatus::Requested);
            for place in &order {
                scene.hear(&reports[*place]);
                let again = scene.hear(&reports[*place]);
                assert!(again.versions("Task").is_empty(), "a duplicate moves nothing: {statuses:?} {order:?}");
            }
            let referral = (scene.referral.task_status, scene.referral.platform_status, scene.referral.conflict);
            ends.push((shown(&scene.task), referral, order));
        }
        for (task, referral, order) in &ends {
            assert_eq!(*task, ends[0].0, "{statuses:?} {order:?}");
            assert_eq!(*referral, ends[0].1, "{statuses:?} {order:?}");
        }
    }
}

#[test]
fn inferred_steps_are_versions_of_their_own_and_signed_by_the_gateway() {
    let mut scene = Scene::new(TaskStatus::Requested);
    let done = scene.hear(&said("a", Some(TaskStatus::Completed), 5));
    let steps: Vec<(String, String, String, bool)> = done
        .versions("Task")
        .into_iter()
        .map(|(version, task)| {
            let status = task.text("status").unwrap().to_owned();
            (status, version.author, business_status(&task).to_owned(), status_reason(&task).starts_with("Inferred"))
        })
        .collect();
    let step = |status: &str, author: &str, business: &str, inferred| {
        (status.to_owned(), author.to_owned(), business.to_owned(), inferred)
    };
    assert_eq!(
        steps,
        [
            step("accepted", "gateway", "", true),
            step("in-progress", "gateway", "", true),
            step("completed", "platform/food-bank", "in-contact", false),
        ]
    );
    assert_eq!(done.dispositions(), [("report-a".to_owned(), D::Inferred)]);
    assert_eq!(done.versions("ServiceRequest")[0].1.text("status"), Some("completed"));
    assert_eq!(done.referral().task_status, TaskStatus::Completed);
}

#[test]
fn single_statements() {
    use TaskStatus::{Accepted, Cancelled, Completed, EnteredInError, Failed, Rejected, Requested};
    // Shown; sender; statement; status after, disposition, conflict, status of the ServiceRequest if it is written.
    for (shown, sender, status, after, disposition, conflict, request) in [
        (Requested, SenderState::Active, Some(Accepted), Accepted, Some(D::Applied), false, None),
        (Requested, SenderState::Active, Some(Rejected), Rejected, Some(D::Applied), false, None),
        (Requested, SenderState::Active, Some(Failed), Failed, Some(D::Applied), false, None),
        (Requested, SenderState::Active, Some(Cancelled), Cancelled, Some(D::Applied), false, Some("revoked")),
        (Requested, SenderState::Active, Some(Completed), Completed, Some(D::Inferred), false, Some("completed")),
        (Requested, SenderState::Active, Some(Requested), Requested, Some(D::Unchanged), false, None),
        (Requested, SenderState::Active, None, Requested, Some(D::Unmapped), false, None),
        (Requested, SenderState::Active, Some(EnteredInError), Requested, Some(D::Conflict), true, None),
        (TaskStatus::OnHold, SenderState::Held, Some(Accepted), TaskStatus::OnHold, Some(D::Applied), false, None),
        (TaskStatus::OnHold, SenderState::Held, Some(Rejected), Rejected, Some(D::Applied), false, None),
        (Cancelled, SenderState::Cancelled, Some(Accepted), Cancelled, Some(D::Late), false, Some("revoked")),
        (Cancelled, SenderState::Cancelled, Some(Cancelled), Cancelled, Some(D::Unchanged), false, Some("revoked")),
        (Cancelled, SenderState::Cancelled, Some(Completed), Cancelled, Some(D::Conflict), true, Some("revoked")),
    ] {
        let mut scene = Scene::new(shown);
        scene.referral.sender = sender;
        let done = scene.hear(&said("a", status, 1));
        let case = format!("{shown} {sender:?} {status:?}");
        assert_eq!(scene.referral.task_status, after, "{case}");
        assert_eq!(scene.task.text("status"), Some(after.code()), "{case}");
        assert_eq!(done.dispositions().pop().map(|(_, disposition)| disposition), disposition, "{case}");
        assert_eq!(scene.referral.conflict.is_some(), conflict, "{case}");
        let written = done.versions("ServiceRequest").pop().map(|(_, document)| document);
        assert_eq!(written.as_ref().and_then(|document| document.text("status")), request, "{case}");
        assert_eq!(done.referral().revision, delivered().revision + 1, "{case}");
    }
}

#[test]
fn an_unknown_word_is_shown_beside_the_status_that_stands() {
    let mut scene = Scene::new(TaskStatus::Requested);
    scene.hear(&said("a", Some(TaskStatus::Accepted), 1));
    scene.hear(&said("b", None, 2));
    assert_eq!((scene.task.text("status"), business_status(&scene.task)), (Some("accepted"), "unmapped"));
    assert_eq!(scene.task.get("businessStatus").unwrap().text("text"), Some("word-b"));
    // A charity's own word may be several words: no code, but it is shown as it came.
    let words = Concept { code: Some(" Awaiting panel ".to_owned()), ..Concept::default() };
    scene.hear(&StatusReport { platform_status: words, ..said("c", None, 3) });
    let shown = scene.task.get("businessStatus").unwrap();
    assert_eq!(shown.text("text"), Some("Awaiting panel"));
    assert!(!shown.to_text().contains("\"code\":\"Awaiting"), "{}", shown.to_text());
}

#[test]
fn a_question_and_a_word_that_nobody_reads_are_marked_until_something_else_is_said() {
    let mut scene = Scene::new(TaskStatus::Requested);
    let mut asks = |report: StatusReport| {
        scene.hear(&report);
        scene.referral.asks.clone()
    };
    assert_eq!(asks(said("a", Some(TaskStatus::Accepted), 1)), None);
    let question = StatusReport { business_status: "info-needed".to_owned(), ..said("b", None, 2) };
    let first = asks(question.clone()).unwrap();
    assert_eq!(asks(question.clone()), Some(first.clone()), "said twice, it is one");
    let second = asks(StatusReport { event: "c".to_owned(), order: said("c", None, 3).order, ..question }).unwrap();
    let unmapped = asks(said("d", None, 4)).unwrap();
    assert!(first != second && second != unmapped);
    assert_eq!(asks(said("e", Some(TaskStatus::InProgress), 5)), None);
}

#[test]
fn an_unknown_word_is_shown_also_where_nothing_else_was_said() {
    let mut scene = Scene::new(TaskStatus::Requested);
    scene.hear(&said("a", None, 1));
    assert_eq!((scene.task.text("status"), business_status(&scene.task)), (Some("requested"), "unmapped"));
    assert_eq!(scene.task.get("businessStatus").unwrap().text("text"), Some("word-a"));
    let before = scene.task.to_text();
    scene.hear(&said("a", None, 1));
    assert_eq!(scene.task.to_text(), before, "the same again changes nothing");
    // Where a person is told something, that stays.
    let mut held = Scene::new(TaskStatus::OnHold);
    let before = held.task.to_text();
    held.hear(&said("a", None, 1));
    assert_eq!(held.task.to_text(), before);
}

#[test]
fn a_word_of_the_platform_is_shown_as_it_came_also_where_it_is_no_code() {
    for word in ["Authorized", "In Review", " Waiting list "] {
        let mut scene = Scene::new(TaskStatus::Requested);
        let platform_status = Concept { code: Some(word.to_owned()), ..Concept::default() };
        scene.hear(&StatusReport { platform_status, ..said("a", Some(TaskStatus::Received), 1) });
        assert_eq!(scene.task.get("businessStatus").unwrap().text("text"), Some(word.trim()));
    }
}

#[test]
fn a_final_state_stays_and_who_contradicts_it_is_a_conflict() {
    let mut scene = Scene::new(TaskStatus::Requested);
    scene.hear(&said("a", Some(TaskStatus::Completed), 1));
    let done = scene.hear(&said("b", Some(TaskStatus::InProgress), 2));
    assert!(done.versions("Task").is_empty());
    assert_eq!(scene.task.text("status"), Some("completed"));
    assert!(scene.referral.conflict.is_some());
    assert_eq!(scene.reports[1].disposition, D::Conflict);
    scene.hear(&said("c", Some(TaskStatus::Completed), 3));
    assert_eq!(scene.referral.conflict, None, "gone once the platform agrees again");
}

#[test]
fn the_senders_pause_keeps_the_senders_words() {
    let mut scene = Scene::new(TaskStatus::OnHold);
    scene.referral.sender = SenderState::Held;
    scene.task.set("statusReason", serde_json::json!({"text": "In hospital."}).into());
    scene.hear(&said("a", Some(TaskStatus::Accepted), 1));
    assert_eq!((scene.task.text("status"), status_reason(&scene.task)), (Some("on-hold"), "In hospital."));
}

#[test]
fn what_consent_withholds_is_kept_and_not_shown() {
    let mut scene = Scene::new(TaskStatus::Requested);
    scene.hear(&said("a", Some(TaskStatus::Accepted), 1));
    let before = scene.version;
    scene.withheld = true;
    let mut report = said("b", Some(TaskStatus::Completed), 2);
    report.outputs = vec![output("Something")];
    let done = scene.hear(&report);
    // The Task says that more is known here, and shows nothing of it.
    assert_eq!(scene.version, before + 1);
    assert!(status_reason(&scene.task).starts_with("What the platform reports is kept and not shown"));
    assert_eq!((scene.task.text("status"), scene.task.get("output")), (Some("accepted"), None));
    assert!(done.versions("Procedure").is_empty() && done.versions("ServiceRequest").is_empty());
    assert_eq!(done.dispositions(), [("report-b".to_owned(), D::Withheld)], "what was applied stays applied");
    assert_eq!(scene.referral.task_status, TaskStatus::Accepted);
    assert!(scene.referral.conflict.is_some());
    let again = scene.align();
    assert!(again.dispositions().is_empty() && again.task().is_none(), "said once");
    // Consent is given again.
    scene.withheld = false;
    let done = scene.align();
    assert_eq!(done.referral().task_status, TaskStatus::Completed);
    assert_eq!(done.dispositions(), [("report-b".to_owned(), D::Inferred)]);
    assert!(!status_reason(&done.task().unwrap()).contains("not shown"));
    // The words of a sender who paused or withdrew it stay.
    for sender in [SenderState::Held, SenderState::Cancelled] {
        let mut scene = Scene::new(TaskStatus::OnHold);
        scene.referral.sender = sender;
        scene.withheld = true;
        assert!(scene.hear(&said("a", Some(TaskStatus::Accepted), 1)).task().is_none(), "{sender:?}");
        assert!(scene.referral.conflict.is_some());
    }
}

#[test]
fn who_reports_on_what_waits_here_has_it() {
    let reason = HoldReason::NeedsReview("why".to_owned());
    for (delivery, state) in [
        (Delivery::DeadLetter { reason: "why".to_owned() }, OutboxState::Dead),
        (Delivery::Held { reason }, OutboxState::Held),
    ] {
        let mut scene = Scene::new(TaskStatus::OnHold);
        scene.referral.delivery = delivery;
        scene.referral.platform_referral = None;
        let mut row = in_state(Errand::Submit, state, 3);
        row.in_flight = Some(adapter_contract::Repeat::LookUpFirst);
        scene.outbox = vec![row.clone()];
        let done = scene.hear(&said("a", Some(TaskStatus::Accepted), 1));
        assert_eq!(scene.referral.delivery, Delivery::Delivered { at: NOW });
        assert_eq!(scene.referral.platform_referral, Some(PlatformReferralId("42".to_owned())));
        assert_eq!(done.rows(), [OutboxRow { state: OutboxState::Done, in_flight: None, ..row.clone() }]);
        assert_eq!(done.checks, [Check::NotLeased { outbox: row.id, fence: row.fence }]);
        assert_eq!(scene.task.text("status"), Some("accepted"));
    }
}

#[test]
fn a_platform_at_work_on_what_was_withdrawn_is_told_once() {
    let tell = |state| in_state(Errand::Tell { sender_move: SenderMove::Cancel }, state, 1);
    // What the sender's cancellation had queued: nothing; a word that found nobody to tell; one that was told.
    for (status, capabilities, earlier, told, attention) in [
        (TaskStatus::InProgress, ABLE, None, true, false),
        (TaskStatus::InProgress, ABLE, Some(OutboxState::Dropped), true, false),
        (TaskStatus::InProgress, ABLE, Some(OutboxState::Done), false, false),
        (TaskStatus::InProgress, UNABLE, None, false, true),
        (TaskStatus::Rejected, ABLE, None, false, false),
    ] {
        let mut scene = Scene::new(TaskStatus::Cancelled);
        scene.referral.sender = SenderState::Cancelled;
        scene.referral.delivery = Delivery::Withdrawn;
        scene.capabilities = capabilities;
        scene.outbox = vec![in_state(Errand::Submit, OutboxState::Dropped, 1)];
        scene.outbox.extend(earlier.map(tell));
        let done = scene.hear(&said("a", Some(status), 1));
        let tells = done.rows();
        assert_eq!(tells.len(), usize::from(told), "{status}");
        assert_eq!(scene.referral.attention.is_some(), attention);
        assert_eq!(scene.task.text("status"), Some("cancelled"));
        if let [tell] = tells.as_slice() {
            assert_eq!(tell.errand, Errand::Tell { sender_move: SenderMove::Cancel });
            let last = scene.outbox.iter().map(|row| row.sequence).max().unwrap();
            assert_eq!((tell.state, tell.sequence, tell.not_before), (OutboxState::Ready, last + 1, NOW));
            assert_eq!(scene.referral.delivery, Delivery::Delivered { at: NOW });
            scene.outbox.push(tell.clone());
        }
        assert!(scene.hear(&said("b", Some(status), 2)).rows().is_empty(), "once: {status}");
    }
}

#[test]
fn a_request_that_followed_a_corrected_end_is_active_again_and_a_senders_own_status_stays() {
    use gateway_core::align::service_request_follows;
    let home = gateway_core::identity::Compartment {
        tenant: gateway_core::identity::TenantId("pcn".to_owned()),
        owner: gateway_core::identity::Owner::Organisation("A82001".to_owned()),
    };
    let follows = |status: &str, author: &str, task| {
        let source = format!("{}{author}", gateway_core::task::AUTHOR);
        let request = serde_json::json!({
            "resourceType": "ServiceRequest", "id": "sr", "meta": { "source": source }, "status": status
        });
        let next = service_request_follows(&home, "sr", (2, &request.into()), task, NOW);
        next.map(|next| serde_json::from_str::<serde_json::Value>(&next.body).unwrap()["status"].clone())
    };
    for (status, author, task, expected) in [
        ("revoked", "gateway", TaskStatus::Rejected, Some("active")),
        ("completed", "gateway", TaskStatus::Failed, Some("active")),
        ("completed", "client/gp", TaskStatus::Failed, None),
        ("active", "client/gp", TaskStatus::Rejected, None),
        ("active", "client/gp", TaskStatus::Completed, Some("completed")),
        ("active", "client/gp", TaskStatus::Cancelled, Some("revoked")),
        ("completed", "gateway", TaskStatus::Completed, None),
    ] {
        let wanted = expected.map(serde_json::Value::from);
        assert_eq!(follows(status, author, task), wanted, "{status} by {author}, {task}");
    }
}

/// That a platform has a dead letter is known of it also where nothing that it says may be shown.
#[test]
fn what_is_withheld_settles_a_delivery_all_the_same() {
    let mut scene = Scene::new(TaskStatus::OnHold);
    scene.referral.delivery = Delivery::DeadLetter { reason: "It may have arrived.".to_owned() };
    scene.outbox = vec![in_state(Errand::Submit, OutboxState::Dead, 3)];
    scene.withheld = true;
    let done = scene.hear(&said("e1", Some(TaskStatus::Accepted), 1));
    assert_eq!(done.dispositions(), [("report-e1".to_owned(), D::Withheld)]);
    assert_eq!((done.referral().delivery.word(), done.row().state), ("delivered", OutboxState::Done));
    assert_eq!(done.referral().task_status, TaskStatus::OnHold, "nothing of what it says is shown");
}
