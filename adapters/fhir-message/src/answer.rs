//! What comes back for a message (R4, "process-message"): `200` with a response message, `202` and `204` without one.

use crate::message::Making;
use crate::received::{Received, key_of};
use adapter_contract::{Answer, DeliveryError, FailureCode, IdempotencyKey, PlatformReferralId};
use adapter_fhir::answer::{issues, status, success, unreadable};
use adapter_fhir::json::Object;
use adapter_fhir::read::is_id;
use serde_json::Value;

/// The platform's name for the referral, if the answer acknowledges the message with this event. A platform that gives
/// none is spoken to by our key.
///
/// # Errors
/// [`DeliveryError`] for everything else.
pub(crate) fn acknowledged(
    making: Making<'_>,
    event: &str,
    answer: &Answer,
) -> Result<PlatformReferralId, DeliveryError> {
    let body = success(answer)?;
    let key = making.exchange.keys.idempotency;
    let by_key = || PlatformReferralId(key.0.clone());
    if body.trim().is_empty() {
        return match status(answer) {
            202 | 204 => Ok(by_key()),
            _ if making.config.body_optional => Ok(by_key()),
            _ => Err(unreadable("a success without a response message (setting answer-body)")),
        };
    }
    let resource = Object::read(body).ok_or_else(|| unreadable("the answer is not a JSON object"))?;
    match resource.string("resourceType").as_deref() {
        // Errors were told apart above: what is left warns or informs.
        Some("OperationOutcome") if !resource.array("issue").is_empty() => Ok(by_key()),
        Some("ServiceRequest") => {
            let request: Value =
                serde_json::from_str(body).map_err(|_| unreadable("the ServiceRequest is not JSON"))?;
            named(std::iter::once(&request), key)?
                .ok_or_else(|| unreadable("the ServiceRequest does not carry our key"))
                .map(|name| name.unwrap_or_else(by_key))
        }
        Some("Bundle") => responded(making, event, body).map(|name| name.unwrap_or_else(by_key)),
        _ => Err(unreadable("the answer is no response message")),
    }
}

/// Reads a response message, or a Bundle with the request in it. The name is absent where the platform gives none.
fn responded(making: Making<'_>, event: &str, body: &str) -> Result<Option<PlatformReferralId>, DeliveryError> {
    let received = Received::read(body).map_err(unreadable)?;
    let header = received.of_kind("MessageHeader").next();
    let response = header.and_then(|header| header.value.get("response"));
    if let Some(response) = response {
        let text = |name: &str| response.get(name).and_then(Value::as_str);
        let (message, bundle) = (making.message_id(event), making.named(&format!("{event}/bundle")));
        let answers = text("identifier").map(|id| id.trim_start_matches("urn:uuid:"));
        if answers.is_none_or(|id| id != message && id != bundle) {
            return Err(unreadable("the response answers another message"));
        }
        let told = || {
            let outcomes = received.of_kind("OperationOutcome");
            let words: Vec<String> = outcomes.filter_map(|outcome| issues(outcome.text)).collect();
            if words.is_empty() { "without an OperationOutcome".to_owned() } else { words.join("; ") }
        };
        match text("code") {
            Some("ok") => {}
            Some("fatal-error") => {
                return Err(DeliveryError::new(FailureCode::Refused, format!("response fatal-error: {}", told())));
            }
            // "Wait and try again": R4 says it of a message that was not processed.
            Some("transient-error") => {
                return Err(DeliveryError::new(
                    FailureCode::HttpStatus(503),
                    format!("response transient-error: {}", told()),
                ));
            }
            _ => return Err(unreadable("the response says neither ok nor an error")),
        }
    }
    let requests = received.of_kind("ServiceRequest").map(|request| &request.value);
    match named(requests, making.exchange.keys.idempotency)? {
        Some(name) => Ok(name),
        None if response.is_some() => Ok(None),
        None => Err(unreadable("the Bundle has neither a response nor our ServiceRequest")),
    }
}

/// The id of the request that carries our key: the outer option says whether there is one.
fn named<'v>(
    requests: impl Iterator<Item = &'v Value>,
    key: &IdempotencyKey,
) -> Result<Option<Option<PlatformReferralId>>, DeliveryError> {
    let mut foreign = false;
    for request in requests {
        match key_of(request) {
            Some(found) if found == *key => {
                let id = request.get("id").and_then(Value::as_str).filter(|id| is_id(id));
                return Ok(Some(id.map(|id| PlatformReferralId(id.to_owned()))));
            }
            Some(_) => foreign = true,
            None => {}
        }
    }
    if foreign { Err(unreadable("the ServiceRequest carries the key of another referral")) } else { Ok(None) }
}
