//! Reports in: what a platform pushes is kept as it came, then answered; reading and applying come after.

use super::context::{bearer, bounded, sha256};
use super::reply::{Reply, commit_fault};
use crate::gateway::Gateway;
use adapter_contract::ReportSource;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use gateway_core::change::{Change, RawReport, Transaction};
use gateway_core::identity::PlatformId;
use gateway_core::refusal::Refusal;
use gateway_fhir::{Issue, IssueCode};
use std::collections::HashMap;

/// Receives one report.
pub(super) async fn receive(
    gateway: &Gateway,
    parameters: &HashMap<String, String>,
    request: Request,
) -> Result<Reply, Refusal> {
    let id = PlatformId(parameters.get("platform").cloned().unwrap_or_default());
    let platform = gateway.platform(&id).ok_or_else(Refusal::not_found)?;
    let (parts, body) = request.into_parts();
    let known = platform.report_token_sha256.as_deref();
    // Both sides are hashes: the comparison tells nothing of the token.
    let sent = bearer(&parts.headers).map(|token| sha256(token.as_bytes()));
    if known.is_none() || sent.as_deref() != known {
        let words = "Reports of this platform need its own bearer token.";
        return Err(Refusal::one(401, Issue::general(IssueCode::Login, words)));
    }
    let _place = gateway.admission.platform(&id)?;
    let body = bounded(body, gateway.limits.report_bytes).await?;
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let report = RawReport {
        id: gateway.new_id(),
        platform: id,
        source: ReportSource::Webhook,
        content_type,
        received: gateway.clock.now(),
        body,
        begun: 0,
    };
    let changes = vec![Change::ReceiveReport(report)];
    gateway.commit(Transaction { checks: Vec::new(), changes }).await.map_err(|error| commit_fault(&error))?;
    Ok(Reply::text(StatusCode::ACCEPTED, ""))
}
