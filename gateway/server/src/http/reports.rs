//! Reports in: what a platform pushes is kept as it came, then answered; reading and applying come after.

use super::context::{bearer, bounded, sha256};
use super::reply::{Reply, commit_fault};
use crate::gateway::Gateway;
use crate::store::CommitError;
use crate::webhooks::{Keys, Unproven};
use adapter_contract::ReportSource;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use gateway_core::change::{Change, Check, CheckFailure, RawReport, StoredAnswer, Transaction};
use gateway_core::identity::{ClientId, PlatformId, TenantId};
use gateway_core::refusal::Refusal;
use gateway_fhir::{Issue, IssueCode};
use std::collections::HashMap;
use time::OffsetDateTime;

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
    // Both sides are hashes: the comparison tells nothing of the token. A platform that signs need not have one.
    let sent = bearer(&parts.headers).map(|token| sha256(token.as_bytes()));
    let is_known = if known.is_some() { sent.as_deref() == known } else { platform.report_keys.is_some() };
    if !is_known {
        let words = "Reports of this platform need its own bearer token.";
        return Err(Refusal::one(401, Issue::general(IssueCode::Login, words)));
    }
    let _place = gateway.admission.platform(&id)?;
    let body = bounded(body, gateway.limits.report_bytes).await?;
    let message = match &platform.report_keys {
        Some(keys) => Some(proven(gateway, keys, &parts.headers, &body)?),
        None => None,
    };
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let now = gateway.clock.now();
    let mut transaction = Transaction::default();
    if let Some(message) = message {
        once(&mut transaction, &id, message, &body, now);
    }
    let report = RawReport {
        id: gateway.new_id(),
        platform: id,
        source: ReportSource::Webhook,
        content_type,
        received: now,
        body,
        begun: 0,
    };
    let fingerprint = sha256(&report.body);
    transaction.changes.push(Change::ReceiveReport(report));
    match gateway.commit(transaction).await {
        Ok(()) => Ok(Reply::text(StatusCode::ACCEPTED, "")),
        // The sender did not hear our answer, or somebody plays what he heard again: it is here, once.
        Err(CommitError::Refused(CheckFailure::Seen(before))) if before.fingerprint == fingerprint => {
            Ok(Reply::text(StatusCode::ACCEPTED, ""))
        }
        Err(CommitError::Refused(CheckFailure::Seen(_))) => {
            let words = "This webhook-id was used for another message. The first one stands; use a new id.";
            Err(Refusal::one(409, Issue::general(IssueCode::Duplicate, words)))
        }
        Err(error) => Err(commit_fault(&error)),
    }
}

/// The id of a message that its platform signed at this time.
fn proven(gateway: &Gateway, keys: &Keys, headers: &HeaderMap, body: &[u8]) -> Result<String, Refusal> {
    keys.verify(headers, body, gateway.clock.now()).map_err(|why| {
        let code = if why == Unproven::Headers { IssueCode::Required } else { IssueCode::Login };
        Refusal::one(401, Issue::general(code, why.to_string()))
    })
}

/// A message is taken once, by whichever instance. It is remembered as the answer to a request is, and as long: far longer than its
/// timestamp lets it be sent.
fn once(transaction: &mut Transaction, platform: &PlatformId, message: String, body: &[u8], at: OffsetDateTime) {
    // No tenant or client of a configuration is called so.
    let (tenant, client) = (TenantId(format!("platform/{platform}")), ClientId(format!("platform/{platform}")));
    transaction.checks.push(Check::Unseen {
        tenant: tenant.clone(),
        client: client.clone(),
        request_id: message.clone(),
    });
    transaction.changes.push(Change::RememberAnswer(StoredAnswer {
        tenant,
        client,
        request_id: message,
        fingerprint: sha256(body),
        at,
        status: StatusCode::ACCEPTED.as_u16(),
        location: None,
        etag: None,
        body: Some(String::new()),
        subject: None,
    }));
}
