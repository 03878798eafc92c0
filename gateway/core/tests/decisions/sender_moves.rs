//! Update: what the sender may change and where it may move a Task; hold and release in all their variants.

use crate::builders::*;
use adapter_contract::{Capabilities, Repeat, SenderMove, TaskStatus};
use gateway_core::accept::{Rules, Start};
use gateway_core::change::Check;
use gateway_core::consent::{Record, Verdict, stored_name};
use gateway_core::deliver::{Plan, plan};
use gateway_core::ingest::Person;
use gateway_core::loss::Translators;
use gateway_core::outbox::{Errand, OutboxRow, OutboxState};
use gateway_core::referral::{Delivery, HoldReason, Referral, SenderState};
use gateway_core::refusal::Refusal;
use gateway_core::resource::WriteMethod;
use gateway_core::update::{TaskUpdate, Updated, update_task};
use gateway_fhir::Json;
use serde_json::{Value, json};
use time::Duration;

/// A Task with what hangs on it, before its sender writes.
pub(crate) struct Desk {
    pub(crate) task: Json,
    pub(crate) referral: Option<Referral>,
    pub(crate) outbox: Vec<OutboxRow>,
    pub(crate) capabilities: Option<Capabilities>,
    pub(crate) if_match: Option<u64>,
    pub(crate) rules: Rules,
    pub(crate) translators: Box<dyn Translators>,
    pub(crate) service_request: Json,
}

impl Desk {
    pub(crate) fn new(status: TaskStatus, referral: Option<Referral>) -> Self {
        Self {
            task: task(status),
            referral: referral.map(|referral| Referral { task_status: status, ..referral }),
            outbox: Vec::new(),
            capabilities: Some(ABLE),
            if_match: Some(3),
            rules: Rules::default(),
            translators: Box::new(()),
            service_request: service_request(),
        }
    }

    pub(crate) fn put(&self, proposed: &Json) -> Result<Updated, Refusal> {
        let (client, compartment) = (client(), compartment());
        let person = Person { reference: "Patient/p".to_owned(), document: patient() };
        let (own, other) = (patient(), person_q());
        let lookup = |reference: &str| match reference {
            "ServiceRequest/sr" => Some(&self.service_request),
            "Patient/p" => Some(&own),
            "Patient/q" => Some(&other),
            _ => None,
        };
        let start = Start {
            client: &client,
            correlation: "conversation",
            compartment: &compartment,
            task: ("t", 3, &self.task),
            service_request: ("sr", &self.service_request),
            person: &person,
            consents: &Record { complete: true, ..Record::default() },
            others: &[],
            rules: &self.rules,
            translators: self.translators.as_ref(),
            lookup: &lookup,
            consent_name: &stored_name,
            now: NOW,
            latest: NOW,
        };
        let update = TaskUpdate {
            start,
            proposed,
            method: WriteMethod::Put,
            if_match: self.if_match,
            referral: self.referral.as_ref(),
            outbox: &self.outbox,
            capabilities: self.capabilities,
            service_request_version: 2,
        };
        let updated = update_task(&update, &mut ids());
        if let Ok(updated) = &updated {
            updated.transaction.assert_valid();
            let versions: Vec<u64> =
                updated.transaction.versions("Task").iter().map(|(version, _)| version.version).collect();
            assert_eq!(versions, (4..=updated.version).collect::<Vec<_>>());
        }
        updated
    }

    pub(crate) fn to(&self, status: TaskStatus) -> Result<Updated, Refusal> {
        let mut proposed = self.task.clone();
        proposed.set("status", Json::string(status.code()));
        self.put(&proposed)
    }
}

fn person_q() -> Json {
    person("q", OTHER_NUMBER)
}

#[test]
fn moves_of_a_started_task() {
    use TaskStatus::*;
    for from in TaskStatus::ALL.into_iter().filter(|status| *status != Draft) {
        for to in TaskStatus::ALL {
            let theirs = match to {
                _ if from == to => true,
                EnteredInError => true,
                Cancelled | OnHold => !from.is_final(),
                Requested => from == OnHold,
                _ => false,
            };
            // The sender's own pause, so that it may be lifted.
            let sender = if from == OnHold { SenderState::Held } else { SenderState::Active };
            let desk = Desk::new(from, Some(Referral { sender, ..delivered() }));
            let status = desk.to(to).err().map(|refusal| refusal.status);
            assert_eq!(status, (!theirs).then_some(422), "{from} {to}");
        }
    }
}

#[test]
fn moves_of_a_draft() {
    use TaskStatus::*;
    for (to, refused) in [
        (Draft, None),
        (Requested, None),
        (Cancelled, None),
        (EnteredInError, None),
        (OnHold, Some(422)),
        (Accepted, Some(422)),
        (Completed, Some(422)),
    ] {
        let desk = Desk::new(Draft, None);
        assert_eq!(desk.to(to).err().map(|refusal| refusal.status), refused, "{to}");
    }
    // A draft that is sent starts a referral: without a route it waits.
    let started = Desk::new(Draft, None).to(Requested).unwrap();
    assert_eq!(started.version, 5);
    assert_eq!(started.transaction.task().unwrap().text("status"), Some("on-hold"));
    assert!(matches!(started.transaction.referral().delivery, Delivery::Held { reason: HoldReason::NoRoute(_) }));
}

#[test]
fn versions_that_were_seen() {
    for (if_match, refused) in [(None, None), (Some(3), None), (Some(2), Some(412)), (Some(4), Some(412))] {
        let desk = Desk { if_match, ..Desk::new(TaskStatus::Requested, Some(delivered())) };
        assert_eq!(desk.to(TaskStatus::Requested).err().map(|refusal| refusal.status), refused, "{if_match:?}");
    }
}

#[test]
fn elements_that_may_be_changed() {
    // Element, new value, whether it may be changed once started, and in a draft.
    for (element, value, started, draft) in [
        ("note", json!([{"text": "Please ring twice."}]), true, true),
        ("statusReason", json!({"text": "In hospital."}), true, true),
        ("lastModified", json!("2026-06-15T12:00:00Z"), true, true),
        ("extension", json!([{"url": "urn:x", "valueString": "y"}]), true, true),
        ("meta", json!({"tag": [{"code": "x"}]}), true, true),
        ("description", json!("Another thing"), false, true),
        ("priority", json!("urgent"), false, true),
        ("owner", json!({"reference": "Organization/o"}), false, true),
        ("intent", json!("plan"), false, false),
        ("for", json!({"reference": "Patient/q"}), false, false),
        ("focus", json!({"reference": "ServiceRequest/other"}), false, true),
        ("focus", Value::Null, false, false),
        ("output", json!([{"type": {"text": "x"}, "valueString": "y"}]), false, false),
        ("businessStatus", json!({"text": "x"}), false, false),
        ("status", json!("no-such-status"), false, false),
        ("_status", json!({"id": "x"}), false, true),
    ] {
        for (desk, allowed) in [
            (Desk::new(TaskStatus::Requested, Some(delivered())), started),
            (Desk::new(TaskStatus::Draft, None), draft),
        ] {
            let mut proposed = desk.task.clone();
            match &value {
                Value::Null => drop(proposed.remove(element)),
                value => proposed.set(element, value.clone().into()),
            }
            let refused = desk.put(&proposed).err().map(|refusal| refusal.status);
            assert_eq!(refused, (!allowed).then_some(422), "{element} started: {}", desk.referral.is_some());
        }
    }
}

#[test]
fn a_label_may_be_added_and_never_removed() {
    let label = |codes: &[&str]| -> Json {
        let labels: Vec<Value> = codes.iter().map(|code| json!({"system": "urn:labels", "code": code})).collect();
        json!({"security": labels}).into()
    };
    for (from, to, allowed) in [
        (&["R"][..], &["R"][..], true),
        (&[], &["R"], true),
        (&["R"], &["R", "V"], true),
        (&["R"], &[], false),
        (&["R"], &["V"], false),
    ] {
        for status in [TaskStatus::Requested, TaskStatus::Draft] {
            let mut desk = Desk::new(status, (status == TaskStatus::Requested).then(delivered));
            desk.task.set("meta", label(from));
            let mut proposed = desk.task.clone();
            proposed.set("meta", label(to));
            if to.is_empty() {
                proposed.remove("meta");
            }
            assert_eq!(desk.put(&proposed).is_ok(), allowed, "{from:?} {to:?} {status}");
        }
    }
}

#[test]
fn pauses() {
    // Delivery; row; capabilities; accepted, and then the row that is written.
    let ready = |attempts| in_state(Errand::Submit, OutboxState::Ready, attempts);
    let tell = Errand::Tell { sender_move: SenderMove::Hold };
    let at = Delivery::Delivered { at: NOW };
    for (delivery, row, able, expected) in [
        (Delivery::Queued, ready(0), true, Some((Errand::Submit, OutboxState::Held))),
        (Delivery::Queued, ready(0), false, Some((Errand::Submit, OutboxState::Held))),
        // Attempts that found no connection left nothing at the platform; one that may have arrived did.
        (Delivery::Queued, ready(3), true, Some((Errand::Submit, OutboxState::Held))),
        (Delivery::Queued, OutboxRow { in_flight: Some(Repeat::Keyed), ..ready(1) }, true, None),
        (Delivery::Queued, OutboxRow { progress: step("task"), ..ready(1) }, true, None),
        (Delivery::Queued, row(Errand::Submit), true, None),
        (at.clone(), in_state(Errand::Submit, OutboxState::Done, 1), true, Some((tell, OutboxState::Ready))),
        (at, in_state(Errand::Submit, OutboxState::Done, 1), false, None),
    ] {
        let mut desk = Desk::new(TaskStatus::Requested, Some(Referral { delivery, ..delivered() }));
        desk.outbox = vec![row.clone()];
        desk.capabilities = Some(Capabilities { hold: able, ..ABLE });
        let done = desk.to(TaskStatus::OnHold);
        let Some((errand, state)) = expected else {
            assert_eq!(done.unwrap_err().status, 422, "{row:?}");
            continue;
        };
        let done = done.unwrap().transaction;
        assert_eq!((done.row().errand, done.row().state), (errand.clone(), state));
        assert_eq!((done.referral().sender, done.referral().task_status), (SenderState::Held, TaskStatus::OnHold));
        if errand == Errand::Submit {
            assert_eq!(done.referral().delivery, Delivery::Held { reason: HoldReason::SenderHold });
            assert_eq!(done.checks, [Check::NotLeased { outbox: row.id, fence: row.fence }]);
        }
    }
}

#[test]
fn a_release_reopens_what_waits_and_forgets_nothing() {
    for (state, in_flight, next) in [
        (OutboxState::Held, None, Plan::Run(step("task"))),
        (OutboxState::Dead, None, Plan::Run(step("task"))),
        (OutboxState::Dead, Some(Repeat::LookUpFirst), Plan::LookUp),
        (OutboxState::Held, Some(Repeat::LookUpFirst), Plan::LookUp),
    ] {
        let mut desk = Desk::new(TaskStatus::OnHold, Some(referral()));
        desk.referral.as_mut().unwrap().delivery = Delivery::DeadLetter { reason: "why".to_owned() };
        let mut waiting = in_state(Errand::Submit, state, 9);
        (waiting.in_flight, waiting.progress) = (in_flight, step("task"));
        waiting.expires_at = NOW - Duration::hours(1);
        waiting.not_before = NOW + Duration::hours(1);
        desk.outbox = vec![waiting.clone()];
        let done = desk.to(TaskStatus::Requested).unwrap().transaction;
        let reopened = done.row();
        assert_eq!((reopened.state, reopened.not_before), (OutboxState::Ready, NOW));
        assert_eq!(reopened.expires_at, NOW + Duration::hours(72), "a new window");
        assert_eq!(done.checks, [Check::NotLeased { outbox: waiting.id, fence: waiting.fence }]);
        assert_eq!((done.referral().delivery, done.referral().sender), (Delivery::Queued, SenderState::Active));
        let stand = Stand { row: reopened, ..Stand::new(Errand::Submit) };
        assert_eq!(plan(&stand.job(), false, &decision(Verdict::Permit)), next);
    }
}

#[test]
fn a_release_without_a_row_is_decided_anew() {
    let mut desk = Desk::new(TaskStatus::OnHold, Some(referral()));
    desk.referral.as_mut().unwrap().delivery = Delivery::Held { reason: HoldReason::NoRoute("none".to_owned()) };
    let done = desk.to(TaskStatus::Requested).unwrap();
    assert_eq!(done.version, 5, "the gateway says that it waits still");
    assert!(matches!(done.transaction.referral().delivery, Delivery::Held { reason: HoldReason::NoRoute(_) }));
    assert_eq!(done.transaction.referral().task_status, TaskStatus::OnHold);
    // Now there is a route, and a consent for it is still missing.
    desk.rules = crate::consent::rules();
    let done = desk.to(TaskStatus::Requested).unwrap();
    assert!(matches!(done.transaction.referral().delivery, Delivery::Held { reason: HoldReason::NoConsent(_) }));
    assert_eq!(done.transaction.referral().platform, Some(platform()));
    assert!(done.transaction.rows().is_empty());
}

#[test]
fn only_who_paused_may_go_on() {
    let desk = |sender| Desk::new(TaskStatus::OnHold, Some(Referral { sender, ..delivered() }));
    assert_eq!(desk(SenderState::Active).to(TaskStatus::Requested).unwrap_err().status, 422);
    let done = desk(SenderState::Held).to(TaskStatus::Requested).unwrap().transaction;
    assert_eq!(done.row().errand, Errand::Tell { sender_move: SenderMove::Release });
    assert_eq!((done.referral().sender, done.referral().task_status), (SenderState::Active, TaskStatus::Requested));
}
