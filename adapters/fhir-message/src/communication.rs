//! A message from person to person about a referral. One from the service waits for an answer.

use crate::received::{About, Received, Resource};
use crate::statement::{event, order, report, words};
use crate::status;
use adapter_contract::{Concept, OutputValue, ReportedOutput, StatusReport};
use adapter_fhir::read::{local_reference, string};
use serde_json::Value;

/// Event of older versions, from either side.
pub(crate) const EITHER: &str = "send-communication";
/// Event of the service.
pub(crate) const FROM_PROVIDER: &str = "send-communication-from-provider";
/// Our own side's event.
pub(crate) const FROM_REQUESTER: &str = "send-communication-from-requester";

/// What it says; `None` if it is our own side's, which is no news.
pub(crate) fn read(
    received: &Received<'_>,
    code: &str,
    communication: &Resource<'_>,
    about: &About,
) -> Option<StatusReport> {
    if code == EITHER && is_requesters(received, communication, about) {
        return None;
    }
    let means = status::word(EITHER)?;
    let word = Concept { code: Some(code.to_owned()), ..Concept::default() };
    let order = order(received, communication, &["sent"], true);
    let mut said = report(about, event(communication, &[]), order, word, means);
    let payload = communication.value.get("payload").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let told: Vec<String> = payload.iter().filter_map(|one| words(&string(one, "contentString")?)).collect();
    said.reason = (!told.is_empty()).then(|| told.join("\n"));
    said.outputs = payload.iter().filter_map(attached).collect();
    Some(said)
}

/// Something that was attached: it stays at the platform, under its name there.
fn attached(payload: &Value) -> Option<ReportedOutput> {
    let reference = payload.pointer("/contentReference/reference").and_then(Value::as_str);
    let url = payload.pointer("/contentAttachment/url").and_then(Value::as_str);
    let place = reference.or(url)?;
    let name = local_reference(place.trim_end_matches("/$binary")).unwrap_or_else(|| "a document".to_owned());
    let text = |text: String| Concept { text: Some(text), ..Concept::default() };
    let value = OutputValue::Concept(text(format!("{name}, at the platform")));
    Some(ReportedOutput { kind: text("Attachment of a message".to_owned()), value })
}

/// Whether the sender of the message is who asked for the service.
fn is_requesters(received: &Received<'_>, communication: &Resource<'_>, about: &About) -> bool {
    let request = about.request.and_then(|place| received.resources.get(place));
    let requester = request.and_then(|request| request.value.pointer("/requester/reference")).and_then(Value::as_str);
    let sender = communication.value.pointer("/sender/reference").and_then(Value::as_str);
    match (requester, sender) {
        (Some(requester), Some(sender)) => {
            let same_entry =
                received.find(requester).zip(received.find(sender)).is_some_and(|(one, two)| one.0 == two.0);
            same_entry || requester == sender
        }
        _ => false,
    }
}
