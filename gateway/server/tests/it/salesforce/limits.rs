//! The limit of the whole organisation for 24 hours: nobody asks in vain for hours.

use super::{Org, SETTINGS, referral};
use crate::support::{Setup, World, eventually, settle};
use adapter_contract::FailureCode;
use conformance_tests::salesforce::Licence;
use std::sync::Arc;
use std::time::Duration;
use time::macros::datetime;
use vcse_gateway::clock::ManualClock;

#[tokio::test]
async fn a_day_that_is_used_up_leaves_the_organisation_alone_for_hours() {
    let org = Org::start(Licence::PublicSector).await;
    org.org.with(|org, _| org.set_daily_limit(1));
    let clock = Arc::new(ManualClock::at(datetime!(2026-06-15 12:00 UTC)));
    let setup = Setup { clock: Arc::<ManualClock>::clone(&clock), ..org.setup("salesforce", SETTINGS) };
    let world = World::start(setup).await;
    // Describe is the last request of the day; the upsert meets the limit.
    let first = world.submit(&referral(0)).await;
    let row = eventually("the refusal", || async {
        let referral = world.referrals().await.pop()?;
        world.store().outbox(&referral.id).await.unwrap().pop().filter(|row| row.last_failure.is_some())
    });
    let failure = row.await.last_failure.unwrap();
    assert_eq!((failure.code, failure.retry_after_seconds), (FailureCode::Busy, Some(14_400)));
    let asked = org.org.requests().len();
    // Neither the same nor another referral, nor a poll, asks before the four hours are over.
    let second = world.submit(&referral(1)).await;
    for _ in 0..3 {
        clock.advance(Duration::from_secs(4_700));
        settle().await;
        assert_eq!(org.org.requests().len(), asked);
    }
    org.org.with(|org, _| org.set_daily_limit(100_000));
    for _ in 0..8 {
        clock.advance(Duration::from_secs(1_800));
        settle().await;
    }
    world.delivered(&first.path("Task")).await;
    world.delivered(&second.path("Task")).await;
    assert_eq!(org.org.with(|org, _| org.count("Referral")), 2);
    world.stop().await;
}
