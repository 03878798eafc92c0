//! Polling: asks a platform what has changed, page by page; each page's statements and the cursor behind it are one
//! transaction, so that a crash neither loses nor repeats a page's effect. What was known before is not written again.
//!
//! How often is [`gateway_core::cadence`]'s to say. When the last poll began is kept with the lane, so that neither a restart nor another
//! instance asks sooner than the platform's vendor lets us.

use super::ask::ask;
use super::take;
use crate::gateway::{Gateway, Platform, log_store_fault};
use crate::store::{CommitError, StoreError};
use adapter_contract::{
    Cursor, DeliveryError, Exchange, FailureCode, IdempotencyKey, Keys, Purpose, ReportPage, ReportSource, Step,
};
use gateway_core::cadence::{Bounds, Cadence, Came, first};
use gateway_core::change::{Change, ReportRecord, Transaction};
use gateway_core::identity::PlatformId;
use gateway_core::referral::ReferralId;
use gateway_fhir::instant;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Polls one platform within these bounds until it is told to stop.
pub async fn poll_lane(gateway: Arc<Gateway>, platform: PlatformId, bounds: Bounds, stop: CancellationToken) {
    let mut cadence = Cadence::new(bounds);
    let mut due = None;
    while let Some(now) = gateway.platform(&platform) {
        let pace = &now.pace;
        let next = async {
            // Of several instances one polls.
            pace.hold().ours().await;
            let at = due.unwrap_or_else(|| first(pace.last_poll(), gateway.clock.now(), bounds.shortest));
            gateway.clock.sleep_until(at).await;
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = next => {}
        }
        let began = gateway.clock.now();
        // It was another instance's for a time, which may have polled.
        let last = pace.last_poll().filter(|last| *last <= began);
        if pace.hold().fence().is_none() || last.is_some_and(|last| first(Some(last), began, bounds.shortest) > began) {
            due = None;
            continue;
        }
        pace.polls(began);
        let came = match poll(&gateway, &platform).await {
            Ok(came) => came,
            Err(PollError::Platform(error)) => {
                tracing::warn!(platform = %platform, code = ?error.code, "a poll failed; the next one goes on from the same place");
                Came::Failed(error.retry_after_seconds.map(|seconds| Duration::from_secs(seconds.into())))
            }
            Err(PollError::Store(error)) => {
                log_store_fault("poll", &error);
                Came::Failed(None)
            }
            Err(PollError::Commit(error)) => {
                tracing::error!(error = %error, "a poll could not be stored");
                Came::Failed(None)
            }
        };
        due = Some(began + cadence.after(came));
    }
}

/// Why a poll ended early. Nothing is lost: the cursor stays.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// The platform did not answer as it should.
    #[error(transparent)]
    Platform(#[from] DeliveryError),
    /// Something could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something could not be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Reads all pages that wait, up to the limit; what is behind it is read by the next poll, which is then soon.
///
/// # Errors
/// [`PollError`]; pages read before it are stored.
pub async fn poll(gateway: &Gateway, platform: &PlatformId) -> Result<Came, PollError> {
    // One adapter reads all pages of a poll.
    let Some(platform) = gateway.platform(platform) else { return Ok(Came::Nothing) };
    let platform = platform.as_ref();
    let mut cursor = gateway.store.cursor(&platform.id).await?;
    let (before, mut wrote) = (cursor.clone(), false);
    for _ in 0..gateway.limits.poll_pages {
        let page = one_page(gateway, platform, cursor.as_ref()).await?;
        let taken = take(gateway, platform, page.readings, ReportSource::Poll).await?;
        let mut changes = unknown(gateway, taken).await?;
        wrote |= changes.iter().any(|change| matches!(change, Change::RecordReport(_)));
        if let Some(next) = page.cursor.filter(|next| cursor.as_ref() != Some(next)) {
            changes.push(Change::PutCursor { platform: platform.id.clone(), cursor: next.clone() });
            cursor = Some(next);
        }
        if !changes.is_empty() {
            gateway.commit(Transaction { checks: Vec::new(), changes }).await?;
        }
        if !page.more {
            return Ok(if wrote || cursor != before { Came::News } else { Came::Nothing });
        }
    }
    tracing::warn!(platform = %platform.id, pages = gateway.limits.poll_pages, "a poll had more pages than one poll reads; the next goes on");
    Ok(Came::News)
}

/// Without the statements that are recorded already: polls overlap, and show what was shown before.
async fn unknown(gateway: &Gateway, changes: Vec<Change>) -> Result<Vec<Change>, StoreError> {
    let mut recorded: BTreeMap<ReferralId, Vec<ReportRecord>> = BTreeMap::new();
    let mut fresh = Vec::with_capacity(changes.len());
    for change in changes {
        if let Change::RecordReport(record) = &change
            && let Some(id) = &record.referral
        {
            if !recorded.contains_key(id) {
                recorded.insert(id.clone(), gateway.store.reports(id).await?);
            }
            let same = |known: &ReportRecord| {
                known.platform == record.platform
                    && known.report.platform_referral == record.report.platform_referral
                    && known.report.event == record.report.event
            };
            if recorded.get(id).is_some_and(|known| known.iter().any(same)) {
                continue;
            }
        }
        fresh.push(change);
    }
    Ok(fresh)
}

async fn one_page(
    gateway: &Gateway,
    platform: &Platform,
    cursor: Option<&Cursor>,
) -> Result<ReportPage, DeliveryError> {
    let accepted_at = instant::to_instant(gateway.clock.now());
    // Polling belongs to no referral: it has a conversation of its own and no key.
    let key = IdempotencyKey(String::new());
    let correlation = gateway.new_id();
    let keys = Keys { idempotency: &key, correlation: &correlation };
    let purpose = Purpose::Poll { cursor };
    let exchange = Exchange { purpose, at: None, keys, settings: &platform.settings, accepted_at: &accepted_at };
    match ask(gateway, platform, &exchange).await? {
        Step::Reports(page) => Ok(page),
        _ => Err(DeliveryError::new(FailureCode::Untranslatable, "A poll ended in something that is no page.")),
    }
}
