//! Each invariant is shown to fail by planting its violation into what is otherwise in order.

use super::*;
use crate::facts::Answered;
use crate::scene::{Held, Told};
use adapter_contract::{IdempotencyKey, PlatformReferralId, Repeat, TaskStatus};
use gateway_core::change::AuditRecord;
use gateway_core::identity::{ClientId, Compartment, Owner, PlatformId, TenantId};
use gateway_core::outbox::{Attempt, OutboxRow, OutboxState};
use gateway_core::referral::{Referral, ReferralId};
use serde_json::{Value, json};
use time::OffsetDateTime;

const NOW: OffsetDateTime = time::macros::datetime!(2026-06-15 12:00 UTC);

fn line(action: &str, detail: Value) -> AuditRecord {
    AuditRecord {
        tenant: TenantId("t".to_owned()),
        at: NOW,
        actor: "gateway".to_owned(),
        action: action.to_owned(),
        referral: None,
        detail,
    }
}

fn attempt(number: u32, outcome: Option<&str>) -> Attempt {
    Attempt {
        outbox: "row".to_owned(),
        number,
        started: NOW,
        finished: Some(NOW),
        outcome: outcome.map(str::to_owned),
        failure: None,
        adapter: None,
    }
}

/// A referral that went to this platform and was completed there, with everything that belongs to it.
pub(crate) fn fine(kind: Kind) -> Facts {
    let referral = Referral {
        id: ReferralId("r".to_owned()),
        revision: 1,
        compartment: Compartment { tenant: TenantId("t".to_owned()), owner: Owner::Organisation("Y99999".to_owned()) },
        client: ClientId("gp".to_owned()),
        task: "task".to_owned(),
        service_request: "request".to_owned(),
        patient: "Patient/p".to_owned(),
        platform: Some(PlatformId(kind.id().to_owned())),
        route: String::new(),
        key: IdempotencyKey("key".to_owned()),
        correlation: "talk".to_owned(),
        accepted_at: NOW,
        urgent: None,
        delivery: Delivery::Delivered { at: NOW },
        sender: SenderState::Active,
        task_status: TaskStatus::Completed,
        platform_referral: Some(PlatformReferralId("p1".to_owned())),
        platform_status: Some(TaskStatus::Completed),
        conflict: None,
        attention: None,
        loss: None,
        loss_released: None,
        duplicate_passed: false,
        sent: None,
        replacing: None,
        cancel_left: false,
        asks: None,
        former: Vec::new(),
        answer_due: None,
        reminders: Vec::new(),
        agreed: None,
        timers: Vec::new(),
        follow_ups: Vec::new(),
        recall: None,
        handled: None,
        subject: None,
        erased: None,
    };
    let row = OutboxRow {
        id: "row".to_owned(),
        tenant: TenantId("t".to_owned()),
        referral: ReferralId("r".to_owned()),
        platform: PlatformId(kind.id().to_owned()),
        errand: Errand::Submit,
        former: None,
        sequence: 1,
        state: OutboxState::Done,
        attempts: 1,
        tried: false,
        died: 0,
        alone: false,
        urgent: None,
        not_before: NOW,
        expires_at: NOW,
        fence: 1,
        carries: None,
        progress: None,
        in_flight: None,
        last_failure: None,
    };
    let versions = ["requested", "requested", "accepted", "in-progress", "completed"];
    Facts {
        answered: vec![Answered { placer: "SP".to_owned(), task: "task".to_owned(), again: Some("task".to_owned()) }],
        referrals: vec![ReferralFacts {
            referral,
            versions: versions.map(str::to_owned).to_vec(),
            audit: vec![
                line("accept", json!({})),
                line("consent-decision", json!({ "verdict": "permit" })),
                line("disclose", json!({})),
                line("status", json!({ "status": "completed" })),
            ],
            outbox: vec![(row, vec![attempt(1, Some("acknowledged"))])],
        }],
        held: vec![held(kind, "completed")],
        told: [("talk".to_owned(), Told { requests: 3, creates: 1 })].into(),
        broken: Vec::new(),
        restored: false,
    }
}

fn held(platform: Kind, status: &str) -> Held {
    Held { platform, key: "key".to_owned(), id: "p1".to_owned(), status: status.to_owned() }
}

/// With the violation planted this invariant fails, and without it holds.
fn fails(kind: Kind, holds: fn(&Facts) -> Vec<String>, plant: impl Fn(&mut Facts, &mut ReferralFacts)) {
    let mut facts = fine(kind);
    assert_eq!(at_end(&facts), Vec::<String>::new(), "what is in order is found wrong");
    let mut one = facts.referrals.remove(0);
    plant(&mut facts, &mut one);
    facts.referrals.insert(0, one);
    assert_eq!(holds(&facts).len(), 1, "{:?}", holds(&facts));
}

#[test]
fn a_lost_referral_is_found() {
    fails(Kind::Keyed, kept, |_, one| one.referral.task = "another".to_owned());
    fails(Kind::Keyed, kept, |facts, one| facts.referrals.push(one.clone()));
}

#[test]
fn a_doubled_or_missing_one_is_found() {
    fails(Kind::Keyed, one_each, |facts, _| facts.held.push(held(Kind::Keyed, "requested")));
    fails(Kind::Asked, one_each, |facts, _| facts.held.push(held(Kind::Asked, "requested")));
    fails(Kind::Keyed, one_each, |facts, _| facts.held.clear());
    fails(Kind::Keyed, one_each, |facts, _| {
        facts.held.push(Held { key: "stranger".to_owned(), ..held(Kind::Keyed, "requested") });
    });
}

#[test]
fn a_send_without_its_record_is_found() {
    fails(Kind::Keyed, permitted, |_, one| one.audit.truncate(2));
    fails(Kind::Keyed, permitted, |facts, _| {
        facts.told.insert("talk".to_owned(), Told { requests: 2, creates: 2 });
    });
    fails(Kind::Keyed, permitted, |_, one| {
        one.audit.insert(2, line("consent-decision", json!({ "verdict": "deny" })));
    });
    fails(Kind::Keyed, permitted, |facts, _| {
        facts.told.insert("stranger".to_owned(), Told { requests: 1, creates: 0 });
    });
}

#[test]
fn a_send_after_the_end_is_found() {
    for (action, detail) in [
        ("cancel", json!({})),
        ("withdraw", json!({})),
        ("consent-withdrawn", json!({})),
        ("status", json!({ "status": "rejected" })),
    ] {
        fails(Kind::Keyed, nothing_after_the_end, |_, one| one.audit.insert(2, line(action, detail.clone())));
    }
}

#[test]
fn attempts_that_are_uncounted_or_without_end_are_found() {
    fails(Kind::Keyed, attempts_bounded, |_, one| one.outbox[0].0.attempts = 2);
    fails(Kind::Keyed, attempts_bounded, |_, one| {
        one.outbox[0].0.attempts = 22;
        one.outbox[0].1 = (1..=22).map(|number| attempt(number, None)).collect();
    });
}

#[test]
fn a_broken_chain_is_found() {
    fails(Kind::Keyed, audit_whole, |facts, _| facts.broken.push("line 3 is altered".to_owned()));
}

#[test]
fn an_illegal_move_is_found() {
    fails(Kind::Keyed, moves_legal, |_, one| drop(one.versions.remove(2)));
    fails(Kind::Keyed, moves_legal, |_, one| drop(one.versions.pop()));
    fails(Kind::Keyed, moves_legal, |_, one| {
        one.versions = ["requested", "cancelled", "completed"].map(str::to_owned).to_vec();
    });
}

#[test]
fn what_still_waits_or_differs_is_found() {
    fails(Kind::Keyed, settled, |_, one| one.outbox[0].0.state = OutboxState::Ready);
    fails(Kind::Keyed, settled, |_, one| one.referral.delivery = Delivery::Queued);
    fails(Kind::Keyed, settled, |facts, _| facts.held = vec![held(Kind::Keyed, "in-progress")]);
}

#[test]
fn what_nobody_is_told_of_is_found() {
    let held_words = || Delivery::Held { reason: gateway_core::referral::HoldReason::SenderHold };
    fails(Kind::Unkeyed, flagged, |facts, _| facts.held.push(held(Kind::Unkeyed, "requested")));
    fails(Kind::Unkeyed, flagged, |facts, _| facts.held.clear());
    fails(Kind::Unkeyed, flagged, |_, one| one.referral.delivery = held_words());
    fails(Kind::Unkeyed, flagged, |facts, one| {
        facts.held.clear();
        one.referral.delivery = Delivery::Withdrawn;
        one.outbox[0].0.in_flight = Some(Repeat::LookUpFirst);
    });
    fails(Kind::Unkeyed, flagged, |_, one| {
        one.referral.delivery = Delivery::DeadLetter { reason: "may have arrived".to_owned() };
    });
}

#[test]
fn another_answer_is_found() {
    fails(Kind::Keyed, same_answer, |facts, _| facts.answered[0].again = Some("another".to_owned()));
}
