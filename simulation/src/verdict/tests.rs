//! Each invariant is shown to fail by planting its violation into what a calm run has left behind.

use super::*;
use crate::plan::{Lanes, Part, Retry};
use crate::run::{Seen, observe};
use crate::settings::Settings;
use adapter_contract::{DeliveryError, FailureCode};
use std::num::NonZeroU32;
use std::sync::Arc;

fn plan() -> Plan {
    let mut plan = Plan::calm(5, Duration::from_secs(600), Lanes::Many, Retry::Short);
    plan.parts = Kind::ALL.into_iter().map(|kind| Part::plain(kind, 0, Duration::from_secs(1))).collect();
    plan
}

fn fine() -> Seen {
    let settings = Arc::new(Settings::new().expect("the configuration is valid"));
    observe(&settings, plan()).expect("it can be run")
}

#[test]
fn what_a_calm_run_leaves_behind_is_in_order() {
    let seen = fine();
    assert_eq!(seen.facts.referrals.len(), 3);
    assert!(seen.sent.iter().all(|sent| sent.heard.is_some()), "everything was answered");
    assert_eq!(at_end(&seen.facts, &seen.sent, &plan()), Vec::<String>::new());
    assert_eq!(fault_campaigns::verdict::at_death(&seen.facts), Vec::<String>::new());
}

#[test]
fn one_request_more_than_the_pace_allows_is_seen() {
    let number = |number| NonZeroU32::new(number).expect("is not zero");
    let rate = Rate { per_minute: number(60), burst: number(3) };
    let at = |millis: u64| Sent {
        life: "g0.0".to_owned(),
        kind: Kind::Asked,
        reads: false,
        at: Duration::from_millis(millis),
        heard: None,
    };
    // One a second, and a burst with what may have waited at its beginning.
    let mut sent: Vec<Sent> = (0..8).map(|_| at(10_000)).chain((11..60).map(|second| at(second * 1_000))).collect();
    assert_eq!(paced(&sent, |_| Some(rate)), Vec::<String>::new());
    assert_eq!(paced(&sent, |_| None), Vec::<String>::new());
    sent.insert(30, at(31_900));
    assert_eq!(paced(&sent, |_| Some(rate)).len(), 1);
    // Each process has a pace of its own.
    sent[30].life = "g1.0".to_owned();
    assert_eq!(paced(&sent, |_| Some(rate)), Vec::<String>::new());
}

#[test]
fn attempts_behind_the_window_are_seen() {
    let mut seen = fine();
    let (row, attempts) = &mut seen.facts.referrals[0].outbox[0];
    let mut late = attempts[0].clone();
    late.started = row.expires_at + time::Duration::hours(2);
    attempts.push(late.clone());
    assert_eq!(in_its_window(&seen.facts, &plan()), Vec::<String>::new(), "the one that ends it");
    seen.facts.referrals[0].outbox[0].1.push(late);
    assert_eq!(in_its_window(&seen.facts, &plan()).len(), 1);
}

#[test]
fn a_dead_letter_without_words_or_without_an_errand_is_seen() {
    let mut seen = fine();
    let one = &mut seen.facts.referrals[0];
    one.referral.delivery = Delivery::DeadLetter { reason: "The platform did not answer.".to_owned() };
    assert_eq!(dead_with_words(&seen.facts).len(), 1);
    let row = &mut seen.facts.referrals[0].outbox[0].0;
    row.state = OutboxState::Dead;
    assert_eq!(dead_with_words(&seen.facts).len(), 1);
    let row = &mut seen.facts.referrals[0].outbox[0].0;
    row.last_failure = Some(DeliveryError::new(FailureCode::NoAnswer, "The platform did not answer."));
    assert_eq!(dead_with_words(&seen.facts), Vec::<String>::new());
    seen.facts.referrals[0].referral.delivery = Delivery::DeadLetter { reason: " ".to_owned() };
    assert_eq!(dead_with_words(&seen.facts).len(), 1);
}
