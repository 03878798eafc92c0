//! Submission: one message, add-service-request.

use crate::answer::acknowledged;
use crate::message::{Entry, Making};
use crate::patient::patient;
use crate::settings::Config;
use adapter_contract::{Answer, Exchange, MinimisedReferral, Progress, Receipt, Repeat, Step, TranslateError};
use adapter_fhir::json::{Writer, carry, references};
use adapter_fhir::read::is_id;
use adapter_fhir::referral::Referral;
use serde_json::json;

/// Step whose answer is that to the message; also the event's code.
pub(crate) const ADD: &str = "add-service-request";

/// Elements of the sender's ServiceRequest that are sent as they were written.
pub(crate) const CARRIED_BEFORE_SUBJECT: [&str; 3] = ["category", "code", "orderDetail"];
/// Those between person and requester.
pub(crate) const OCCURRENCE: [&str; 3] = ["occurrenceDateTime", "occurrencePeriod", "occurrenceTiming"];
/// Those behind the performer.
pub(crate) const CARRIED_AFTER_PERFORMER: [&str; 4] = ["reasonCode", "reasonReference", "supportingInfo", "note"];

/// The message.
pub(crate) fn begin(
    exchange: &Exchange<'_>,
    config: &Config<'_>,
    referral: &MinimisedReferral,
) -> Result<Step, TranslateError> {
    let referral = Referral::read(referral)?;
    let making = Making { exchange, config };
    let entries = outgoing(making, &referral)?;
    // R4 says of the operation that it is not idempotent; only the platform itself can promise more.
    let repeat = if config.recognises_repetition { Repeat::Keyed } else { Repeat::LookUpFirst };
    Ok(Step::Send(making.send(ADD, &referral.order.full_url, &entries, repeat), Progress::at(ADD)))
}

/// R4's priorities, the most urgent last.
const URGENCY: [&str; 4] = ["routine", "urgent", "asap", "stat"];

/// The more urgent of what request and Task say: the message has one place for it.
fn priority(referral: &Referral<'_>) -> Option<String> {
    let said = std::iter::once(&referral.order).chain(&referral.task).filter_map(|part| part.object.string("priority"));
    said.max_by_key(|said| URGENCY.iter().position(|known| known == said))
}

/// What follows its answer.
pub(crate) fn resume(exchange: &Exchange<'_>, config: &Config<'_>, answer: &Answer) -> Step {
    match acknowledged(Making { exchange, config }, ADD, answer) {
        Ok(platform_referral) => Step::Delivered(Receipt { platform_referral, reports: Vec::new() }),
        Err(error) => Step::Failed(error),
    }
}

/// All entries but the header: request, person, who asks and is asked, and what the request refers to.
///
/// # Errors
/// [`TranslateError`] where a reference would point nowhere, or a prohibition of contact would be lost.
pub(crate) fn outgoing(making: Making<'_>, referral: &Referral<'_>) -> Result<Vec<Entry>, TranslateError> {
    let request = service_request(making, referral);
    let patient = patient(making, &referral.patient);
    let mut entries = vec![(referral.order.full_url.clone(), request), (referral.patient.full_url.clone(), patient)];
    entries.extend(making.parties());
    let roots: Vec<&str> = entries.iter().map(|(_, text)| text.as_str()).collect();
    let reached: Vec<Entry> =
        referral.reached_from(&roots).into_iter().map(|part| (part.full_url.clone(), part.text.to_owned())).collect();
    entries.extend(reached);
    for (_, text) in &entries {
        let dangling = |reference: &String| {
            reference.starts_with("urn:") && !entries.iter().any(|(full_url, _)| full_url == reference)
        };
        if references(text).iter().any(dangling) {
            return Err(TranslateError::new("Bundle.entry", "refers to something that stays at the gateway"));
        }
    }
    let texts: Vec<&str> = entries.iter().map(|(_, text)| text.as_str()).collect();
    referral.guard_contact(making.config.honours_contact_prohibition, &texts)?;
    Ok(entries)
}

fn service_request(making: Making<'_>, referral: &Referral<'_>) -> String {
    let sent = &referral.order;
    let key = &making.exchange.keys.idempotency.0;
    let mut request = making.resource("ServiceRequest");
    if is_id(key) {
        request.value("id", &json!(key));
    }
    making.claim(&mut request, "ServiceRequest");
    let identifiers: Vec<String> = std::iter::once(making.identifier().to_string())
        .chain(sent.object.array("identifier").into_iter().map(str::to_owned))
        .collect();
    request.raw("identifier", &format!("[{}]", identifiers.join(",")));
    request.value("status", &json!("active"));
    request.value("intent", &json!("proposal"));
    carry(&mut request, &sent.object, &CARRIED_BEFORE_SUBJECT);
    if let Some(priority) = priority(referral) {
        request.value("priority", &json!(priority));
    }
    request.value("subject", &json!({"reference": referral.patient.full_url}));
    carry(&mut request, &sent.object, &OCCURRENCE);
    request.value("authoredOn", &json!(making.exchange.accepted_at));
    parties(making, &mut request);
    carry(&mut request, &sent.object, &CARRIED_AFTER_PERFORMER);
    request.finish()
}

/// Who asks and who is asked, as elements of the request.
pub(crate) fn parties(making: Making<'_>, request: &mut Writer) {
    request.value("requester", &json!({"reference": making.full_url("requester")}));
    request.value("performer", &json!([{"reference": making.full_url("recipient")}]));
}
