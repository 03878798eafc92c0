//! Withdrawing: the message revoke-service-request. The gateway has no person's data at hand when it withdraws, so the
//! request is named by its ids alone.

use crate::answer::acknowledged;
use crate::message::Making;
use crate::settings::Config;
use crate::submit::parties;
use adapter_contract::{
    Answer, Exchange, PlatformReferralId, Progress, Receipt, Repeat, SenderMove, Step, TranslateError,
};
use adapter_fhir::read::is_id;
use serde_json::json;

/// Step whose answer is that to the message; also the event's code.
pub(crate) const REVOKE: &str = "revoke-service-request";

/// The message.
pub(crate) fn begin(
    exchange: &Exchange<'_>,
    config: &Config<'_>,
    referral: &PlatformReferralId,
    sender_move: SenderMove,
) -> Result<Step, TranslateError> {
    if sender_move != SenderMove::Cancel {
        return Err(TranslateError::new("exchange.purpose", "the format has no event for a pause"));
    }
    let making = Making { exchange, config };
    let mut request = making.resource("ServiceRequest");
    if is_id(&referral.0) {
        request.value("id", &json!(referral.0));
    }
    making.claim(&mut request, "ServiceRequest");
    request.value("identifier", &json!([making.identifier()]));
    request.value("status", &json!(config.revoked_status));
    request.value("intent", &json!("proposal"));
    request.value("subject", &json!({"type": "Patient", "display": "The person of the referral"}));
    parties(making, &mut request);
    let full_url = making.full_url("revoked");
    let mut entries = vec![(full_url.clone(), request.finish())];
    entries.extend(making.parties());
    // Withdrawn twice is withdrawn once.
    Ok(Step::Send(making.send(REVOKE, &full_url, &entries, Repeat::Keyed), Progress::at(REVOKE)))
}

/// What follows its answer. The name stays the one that was used.
pub(crate) fn resume(
    exchange: &Exchange<'_>,
    config: &Config<'_>,
    referral: &PlatformReferralId,
    answer: &Answer,
) -> Step {
    match acknowledged(Making { exchange, config }, REVOKE, answer) {
        Ok(_) => Step::Delivered(Receipt { platform_referral: referral.clone(), reports: Vec::new() }),
        Err(error) => Step::Failed(error),
    }
}
