//! Waiting, with effects: reads what `gateway-core` has to know to say why a referral waits and when it goes.

use crate::store::{Store, StoreError};
use adapter_contract::Pace;
use gateway_core::outbox::OutboxRow;
use gateway_core::referral::Referral;
use gateway_core::waiting::{Ahead, Asked, Waiting, front, why};
use time::OffsetDateTime;

/// No more is counted of what stands before an errand.
const MOST: u64 = 100_000;

/// For what a referral waits. `pace` is that of its platform; `by_link` says whether its organisation answers behind status links.
///
/// # Errors
/// If the store cannot be read.
pub async fn of(
    store: &dyn Store,
    referral: &Referral,
    outbox: &[OutboxRow],
    (pace, by_link): (Pace, bool),
    now: OffsetDateTime,
) -> Result<Waiting, StoreError> {
    let ahead = match front(outbox) {
        Some(row) => store.ahead(&row.id, now, MOST).await?,
        None => Ahead::default(),
    };
    let lane = match &referral.platform {
        Some(platform) => store.lane(platform).await?,
        None => None,
    };
    Ok(why(&Asked { referral, outbox, ahead, lane: lane.as_ref().map(|lane| &lane.state), pace, by_link, now }))
}
