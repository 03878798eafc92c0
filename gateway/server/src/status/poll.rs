//! Polling: asks a platform what has changed, page by page; each page's statements and the cursor behind it are one
//! transaction, so that a crash neither loses nor repeats a page's effect.

use super::take;
use crate::gateway::{Gateway, Platform, log_store_fault};
use crate::store::{CommitError, StoreError};
use crate::transport::Names;
use adapter_contract::{
    Answer, DeliveryError, Exchange, FailureCode, IdempotencyKey, Keys, PlatformRequest, Purpose, ReportPage,
    ReportSource, Step,
};
use gateway_core::change::{Change, Transaction};
use gateway_core::identity::PlatformId;
use gateway_fhir::instant;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Polls one platform at its interval until it is told to stop.
pub async fn poll_lane(gateway: Arc<Gateway>, platform: PlatformId, every: Duration, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = crate::clock::sleep(gateway.clock.as_ref(), every) => {}
        }
        // Of several instances one polls.
        if gateway.platform(&platform).is_none_or(|now| now.pace.hold().fence().is_none()) {
            continue;
        }
        match poll(&gateway, &platform).await {
            Ok(()) => {}
            Err(PollError::Platform(error)) => {
                tracing::warn!(platform = %platform, code = ?error.code, "a poll failed; the next one goes on from the same place");
            }
            Err(PollError::Store(error)) => log_store_fault("poll", &error),
            Err(PollError::Commit(error)) => tracing::error!(error = %error, "a poll could not be stored"),
        }
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

/// Reads all pages that wait, up to the limit.
///
/// # Errors
/// [`PollError`]; pages read before it are stored.
pub async fn poll(gateway: &Gateway, platform: &PlatformId) -> Result<(), PollError> {
    // One adapter reads all pages of a poll.
    let Some(platform) = gateway.platform(platform) else { return Ok(()) };
    let platform = platform.as_ref();
    for _ in 0..gateway.limits.poll_pages {
        let cursor = gateway.store.cursor(&platform.id).await?;
        let page = one_page(gateway, platform, cursor.as_ref()).await?;
        let mut changes = take(gateway, platform, page.readings, ReportSource::Poll).await?;
        if let Some(next) = page.cursor.filter(|next| cursor.as_ref() != Some(next)) {
            changes.push(Change::PutCursor { platform: platform.id.clone(), cursor: next });
        }
        if !changes.is_empty() {
            gateway.commit(Transaction { checks: Vec::new(), changes }).await?;
        }
        if !page.more {
            return Ok(());
        }
    }
    Ok(())
}

async fn one_page(
    gateway: &Gateway,
    platform: &Platform,
    cursor: Option<&adapter_contract::Cursor>,
) -> Result<ReportPage, DeliveryError> {
    let accepted_at = instant::to_instant(gateway.clock.now());
    // Polling belongs to no referral: it has a conversation of its own and no key.
    let key = IdempotencyKey(String::new());
    let correlation = gateway.new_id();
    let keys = Keys { idempotency: &key, correlation: &correlation };
    let purpose = Purpose::Poll { cursor };
    let exchange = Exchange { purpose, at: None, keys, settings: &platform.settings, accepted_at: &accepted_at };
    let mut step = platform.adapter.begin(&exchange);
    for _ in 0..=platform.adapter.descriptor().limits.steps {
        let (request, progress) = match step {
            Ok(Step::Reports(page)) => return Ok(page),
            Ok(Step::Send(request @ (PlatformRequest::Http(_) | PlatformRequest::File(_)), progress)) => {
                (request, progress)
            }
            Ok(Step::Failed(error)) => {
                platform.pace.read(&error);
                return Err(error);
            }
            Ok(_) => {
                return Err(DeliveryError::new(
                    FailureCode::Untranslatable,
                    "A poll ended in something that is no page.",
                ));
            }
            Err(error) => return Err(DeliveryError::new(FailureCode::Untranslatable, error.to_string())),
        };
        let names = Names { request_id: gateway.new_id(), correlation: correlation.clone() };
        gateway.transport.prepare(platform).await?;
        platform.pace.leave(gateway.limits.platform_concurrency, false).await?;
        platform.pace.is_ours()?;
        let answer = match &request {
            PlatformRequest::Http(request) => gateway.transport.send(platform, request, &names).await,
            PlatformRequest::File(request) => gateway.transport.file(platform, request, &names).await,
            PlatformRequest::Publish(_) | PlatformRequest::Amend(_) | PlatformRequest::Mail(_) => {
                Err(DeliveryError::new(FailureCode::Untranslatable, "A poll asked, and told something instead."))
            }
        };
        let answer: Answer = platform.pace.heard(answer)?;
        step = platform.adapter.resume(&exchange, &progress, &answer);
    }
    Err(DeliveryError::new(FailureCode::TooManySteps, "A poll did not end within the steps that the adapter declares."))
}
