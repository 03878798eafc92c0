//! What the store says of the events of a Subscription, for whoever was told of them to compare.

use crate::scenario::World;
use conformance_tests::generator::PRACTICE_ODS;
use conformance_tests::subscriber::Made;
use gateway_core::identity::{Compartment, Owner, TenantId};
use gateway_core::notify::{Destination, NoticeState, What};
use gateway_core::resource::ResourceKey;
use std::collections::BTreeSet;
use vcse_gateway::store::sqlite::SqliteStore;
use vcse_gateway::store::{ReferralFilter, Store as _, StoreError};

/// More than one run makes.
const EVENTS: u32 = 10_000;

/// What is not right, in words: each version of each Task is one event, and was told.
pub(crate) async fn compare(world: &World, store: &SqliteStore) -> Result<Vec<String>, StoreError> {
    let owner = Owner::Organisation(PRACTICE_ODS.to_owned());
    let compartment = Compartment { tenant: TenantId("example-pcn".to_owned()), owner };
    let queue = Destination::Subscription { id: world.subscription.clone() }.queue(&compartment);
    let mut versions = BTreeSet::new();
    for referral in store.referrals(&ReferralFilter { limit: u32::MAX, ..ReferralFilter::default() }).await? {
        let tasks = referral.follow_ups.iter().map(|one| one.task.clone()).chain([referral.task.clone()]);
        for id in tasks {
            let key = ResourceKey { compartment: compartment.clone(), kind: "Task".to_owned(), id };
            versions.extend(store.history(&key).await?.into_iter().map(|one| (one.key.id, one.version)));
        }
    }
    let (mut findings, mut made) = (Vec::new(), Vec::new());
    for notice in store.notices(&queue, 0, EVENTS).await? {
        if notice.state != NoticeState::Sent {
            findings.push(format!("event {} is {:?}: {:?}", notice.sequence, notice.state, notice.last_failure));
        }
        if let What::Version { id, version, .. } = notice.what {
            made.push(Made { number: notice.sequence, task: id, version });
        }
    }
    findings.extend(world.subscriber.compare(&made, &versions));
    Ok(findings)
}
