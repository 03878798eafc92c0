//! Unanswered, with effects: looks for referrals whose platform says nothing: reminds its organisation by mail where there is one,
//! and in the end puts each in front of a person, or gives it back. The timers of a referral are looked at with it.

use crate::gateway::{Gateway, is_race, log_store_fault};
use crate::store::{CommitError, StoreError};
use crate::view::{Standing, ViewError};
use gateway_core::referral::ReferralId;
use gateway_core::timers::{self, Looked};
use gateway_core::unanswered::{self, Waited};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Referrals of one look.
const BATCH: u32 = 100;

/// Looks until it is told to stop.
pub(crate) async fn worker(gateway: Arc<Gateway>, stop: CancellationToken) {
    loop {
        if let Err(error) = look(&gateway, &stop).await {
            log_store_fault("unanswered", &error);
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = crate::clock::sleep(gateway.clock.as_ref(), gateway.limits.unanswered_look) => {}
        }
    }
}

/// Looks once, until nothing is overdue.
async fn look(gateway: &Gateway, stop: &CancellationToken) -> Result<(), StoreError> {
    while !stop.is_cancelled() {
        let due = gateway.store.unanswered(gateway.clock.now(), BATCH).await?;
        let mut told = false;
        for referral in &due {
            told |= tell(gateway, &referral.id).await?;
        }
        // What could not be told is looked at again next time, and keeps nobody waiting until then.
        if !told || due.len() < BATCH as usize {
            break;
        }
    }
    Ok(())
}

/// True if something was done.
async fn tell(gateway: &Gateway, id: &ReferralId) -> Result<bool, StoreError> {
    for _ in 0..=gateway.limits.conflict_retries {
        let standing = match Standing::load(gateway, id).await {
            Ok(standing) => standing,
            Err(ViewError::Store(error)) => return Err(error),
            Err(ViewError::Erased) => return Ok(false),
            Err(ViewError::Missing(what)) => {
                tracing::error!(referral = id.0, what, "a referral points at nothing");
                return Ok(false);
            }
        };
        let platform = standing.referral.platform.as_ref().and_then(|id| gateway.platform(id));
        let now = gateway.clock.now();
        let answers = unanswered::look(
            &Waited {
                referral: &standing.referral,
                task: standing.task(),
                outbox: &gateway.store.outbox(id).await?,
                links: &gateway.store.links(id).await?,
                by_link: platform.is_some_and(|platform| platform.status_link.is_some()),
                schedule: &gateway.rules.schedule,
                now,
            },
            gateway.new_id(),
        );
        let looked = Looked {
            referral: &standing.referral,
            documents: (&standing.task.document, &standing.service_request.document),
            follow_ups: &standing.follow_ups(gateway).await?,
            rules: &gateway.rules.timers,
            now,
        };
        let transaction = timers::look(&looked, answers);
        let Some(transaction) = transaction else { return Ok(false) };
        match gateway.commit(transaction).await {
            Ok(()) => return Ok(true),
            Err(CommitError::Store(error)) => return Err(error),
            Err(error) if is_race(&error) => {}
            Err(CommitError::Refused(_)) => return Ok(false),
        }
    }
    Ok(false)
}
