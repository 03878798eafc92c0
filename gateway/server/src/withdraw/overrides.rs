//! An override that ends is a withdrawal (rule R8): what left under it, or lost its Consent under it, and is covered by no
//! Consent, is recalled. Looked for at the start, because the file may have changed, and at the end of each override.

use super::{Cause, stopped};
use crate::gateway::{Gateway, is_race, log_store_fault};
use crate::store::{CommitError, ReferralFilter, StoreError};
use gateway_core::consent::RecipientClass;
use gateway_core::identity::TenantId;
use gateway_core::outbox::{Errand, OutboxRow};
use gateway_core::referral::{Delivery, Referral, SenderState};
use gateway_core::withdraw::UNDER_OVERRIDE;
use std::collections::BTreeSet;
use std::sync::Arc;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

/// Referrals of one look.
const PAGE: u32 = 200;

/// Recalls what rested on overrides that have ended, until it is told to stop.
pub(crate) async fn ends_of_overrides(gateway: Arc<Gateway>, stop: CancellationToken) {
    loop {
        let looked = gateway.clock.now();
        let next = match sweep(&gateway).await {
            Ok(()) => next_end(&gateway, looked),
            Err(error) => {
                log_store_fault("overrides", &error);
                Some(looked + gateway.limits.lease)
            }
        };
        let until = async {
            match next {
                Some(at) => gateway.clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = until => {}
        }
    }
}

/// When there is something to look for again: an override ends; and once more when no attempt that began under it is left.
fn next_end(gateway: &Gateway, after: OffsetDateTime) -> Option<OffsetDateTime> {
    let overrides = gateway.rules.registers.values().flat_map(|register| &register.overrides);
    let ends = overrides.flat_map(|(_, one)| [one.expires, one.expires + gateway.limits.lease]);
    ends.filter(|end| *end > after).min()
}

/// Tenants at whose recipients something may have left under an override.
fn tenants(gateway: &Gateway) -> BTreeSet<TenantId> {
    let rules = &gateway.rules;
    let statutory = rules.policies.iter().filter(|(_, policy)| {
        policy.recipients.values().any(|recipient| matches!(recipient.class, RecipientClass::Statutory))
    });
    let listed = rules.registers.iter().filter(|(_, register)| !register.overrides.is_empty());
    statutory.map(|(tenant, _)| tenant).chain(listed.map(|(tenant, _)| tenant)).cloned().collect()
}

async fn sweep(gateway: &Gateway) -> Result<(), StoreError> {
    for tenant in tenants(gateway) {
        let mut filter = ReferralFilter { tenant: Some(tenant), limit: PAGE, ..ReferralFilter::default() };
        loop {
            let page = gateway.store.referrals(&filter).await?;
            for referral in page.iter().filter(|referral| may_be_there(referral)) {
                if rests_on_override(gateway, referral).await? {
                    recall(gateway, referral).await?;
                }
            }
            if page.len() < PAGE as usize {
                break;
            }
            filter.after = page.last().map(|last| last.id.clone());
        }
    }
    Ok(())
}

fn may_be_there(referral: &Referral) -> bool {
    let ended = referral.task_status.is_final() && referral.sender != SenderState::Cancelled;
    referral.recall.is_none() && referral.erased.is_none() && !ended && referral.delivery != Delivery::Withdrawn
}

/// Whether the last permit on which it was to leave was an override, or an override alone kept it there when consent was
/// withdrawn.
async fn rests_on_override(gateway: &Gateway, referral: &Referral) -> Result<bool, StoreError> {
    let lines = gateway.store.audit(&referral.id).await?;
    let [withdrawn, _] = UNDER_OVERRIDE;
    let last = lines.iter().rev().find(|line| UNDER_OVERRIDE.contains(&line.action.as_str()));
    if last.is_some_and(|line| line.action == withdrawn) {
        return Ok(true);
    }
    let mut permits =
        lines.iter().rev().filter(|line| line.action == "consent-decision" && line.detail["verdict"] != "deny");
    Ok(permits.next().is_some_and(|line| line.detail["override"].is_object()))
}

async fn recall(gateway: &Gateway, referral: &Referral) -> Result<(), StoreError> {
    for _ in 0..=gateway.limits.conflict_retries {
        let Some(referral) = gateway.store.referral(&referral.id).await? else { return Ok(()) };
        if !has_left(gateway, &referral).await? {
            return Ok(());
        }
        let transaction = stopped(gateway, &referral, &Cause::Override).await?;
        if transaction.changes.is_empty() {
            return Ok(());
        }
        match gateway.commit(transaction).await {
            Ok(()) => return Ok(()),
            Err(CommitError::Store(error)) => return Err(error),
            Err(error) if is_race(&error) => {}
            Err(error) => {
                tracing::error!(referral = referral.id.0, error = %error, "a referral could not be recalled");
                return Ok(());
            }
        }
    }
    tracing::error!(referral = referral.id.0, "a referral changed too often to be recalled; the next look finds it");
    Ok(())
}

/// Whether something may be at the platform. What has not left waits at its next attempt: another override, or a Consent, may
/// let it go. An attempt that begins at this very moment is seen at the second look.
async fn has_left(gateway: &Gateway, referral: &Referral) -> Result<bool, StoreError> {
    let rows = gateway.store.outbox(&referral.id).await?;
    let begun = |row: &OutboxRow| row.errand == Errand::Submit && (row.in_flight.is_some() || row.progress.is_some());
    Ok(matches!(referral.delivery, Delivery::Delivered { .. }) || rows.iter().any(begun))
}
