//! What a collecting platform may read at this moment (*Direct Light*). To be read is to be sent: consent is decided anew
//! each time, so that a withdrawal also stops what was published and not yet collected.

use crate::deliver::{View, ViewError};
use crate::gateway::Gateway;
use crate::ingest::parse;
use crate::store::{SearchQuery, StoreError, UpdatedRange};
use adapter_contract::PlatformReferralId;
use gateway_core::consent::{Stage, Verdict};
use gateway_core::identity::{Client, PlatformId};
use gateway_core::minimise::holds_withheld;
use gateway_core::resource::{ResourceVersion, Token};

/// Tasks of one person at one platform that are looked at.
const TASKS: u32 = 50;

/// Whether this client may have this resource now. Senders may always have their own; a platform may have what belongs
/// to a referral that consent covers now. A Task that has ended stays readable: it only says that work is to stop.
pub(super) async fn permitted(
    gateway: &Gateway,
    client: &Client,
    stored: &ResourceVersion,
) -> Result<bool, StoreError> {
    let Some(platform) = &client.platform else { return Ok(true) };
    let tokens = |parameter: &str| -> Vec<Token> {
        stored.tokens.iter().filter(|token| token.parameter == parameter).cloned().collect()
    };
    let criterion = match stored.key.kind.as_str() {
        "Task" => {
            let status = tokens("status").into_iter().next().map(|token| token.value);
            if matches!(status.as_deref(), Some("cancelled" | "rejected" | "failed" | "completed" | "entered-in-error"))
            {
                return Ok(true);
            }
            vec![Token::new("_id", &stored.key.id)]
        }
        "ServiceRequest" => vec![Token::new("focus", stored.key.reference())],
        "Patient" => vec![Token::new("patient", stored.key.reference())],
        // Organisations and the like name no patient; what does is covered by the patient's referrals.
        _ => {
            let patients = tokens("patient");
            if patients.is_empty() {
                return Ok(true);
            }
            patients
        }
    };
    for task in tasks(gateway, stored, criterion).await? {
        if covered(gateway, platform, &task, stored).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn tasks(gateway: &Gateway, stored: &ResourceVersion, any: Vec<Token>) -> Result<Vec<String>, StoreError> {
    let query = SearchQuery {
        compartment: stored.key.compartment.clone(),
        kind: "Task".to_owned(),
        all_of: vec![any],
        updated: UpdatedRange::default(),
        after: 0,
        up_to: None,
        limit: TASKS,
        count: false,
    };
    Ok(gateway.store.search(&query).await?.rows.into_iter().map(|(_, task)| task.key.id).collect())
}

/// Whether consent covers the referral behind a published Task, and this resource of it: one that holds what is withheld by
/// now does not leave. Without a referral, or when it cannot be read: no.
async fn covered(
    gateway: &Gateway,
    platform: &PlatformId,
    task: &str,
    stored: &ResourceVersion,
) -> Result<bool, StoreError> {
    let name = PlatformReferralId(task.to_owned());
    let Some(referral) = gateway.store.referral_at_platform(platform, &name, None).await? else { return Ok(false) };
    let Some(platform) = gateway.platform(platform) else { return Ok(false) };
    let view = match View::load(gateway, &referral.id).await {
        Ok(view) => view,
        Err(ViewError::Store(error)) => return Err(error),
        Err(ViewError::Missing(_)) => return Ok(false),
    };
    let decision = view.consent(gateway, &platform, Stage::Attempt).await?;
    let Some(published) = parse(stored) else { return Ok(false) };
    let needs = &platform.adapter.descriptor().data_needs;
    Ok(decision.verdict == Verdict::Permit && !holds_withheld(&published, &decision.withheld, needs))
}
