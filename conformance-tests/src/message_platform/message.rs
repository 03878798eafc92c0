//! The messages that the platform makes: answers, and what it tells by itself.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::validate::Accepted;
use super::{Kept, MessagePlatformConfig};

const REFERRAL_ID: &str = "http://ehealthontario.ca/fhir/StructureDefinition/ext-id-message-header";

/// A time as FHIR writes it.
pub(super) fn written(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_default()
}

/// A time with a date that there is.
pub(super) fn is_instant(text: &str) -> bool {
    OffsetDateTime::parse(text, &Rfc3339).is_ok()
}

/// Something that is told: the event, the type of what it is about, and when.
pub(super) struct Telling<'a> {
    pub(super) event: &'a str,
    pub(super) focus: &'a str,
    pub(super) at: OffsetDateTime,
}

/// A message with everything that is known of the referral; what it is about comes first.
pub(super) fn about(kept: &Kept, telling: &Telling<'_>, number: u64, config: &MessagePlatformConfig) -> Value {
    let mut request = kept.request.clone();
    let mut resources = kept.resources.clone();
    if config.untidy {
        request["note"] = json!([{"text": "<p>Seen&nbsp;by the <b>office</b></p>"}]);
        for patient in resources.iter_mut().filter(|one| one["resourceType"] == "Patient") {
            if let Some(addresses) = patient["address"].as_array_mut() {
                addresses.push(json!({}));
            }
            if let Some(identifiers) = patient["identifier"].as_array_mut() {
                identifiers.push(json!({"system": "https://platform.example/Id/chart"}));
            }
        }
    }
    let focus = match telling.focus {
        "ServiceRequest" => format!("ServiceRequest/{}", kept.id),
        kind => {
            let id = resources.iter().find(|one| one["resourceType"] == kind).map(|one| one["id"].clone());
            format!("{kind}/{}", id.as_ref().and_then(Value::as_str).unwrap_or_default())
        }
    };
    let mut header = json!({
        "resourceType": "MessageHeader",
        "id": format!("m-{number}"),
        "eventCoding": {"system": config.event_system, "code": telling.event},
        "source": {"name": "Platform", "endpoint": "https://platform.example"},
        "focus": [{"reference": focus}],
    });
    if config.untidy {
        let profile = "http://ehealthontario.ca/fhir/StructureDefinition/ca-on-eReferral-profile-MessageHeader%7C1.1.0";
        header["meta"] = json!({"profile": [profile]});
    }
    if let Some(sender_id) = &kept.sender_id {
        header["extension"] = json!([{"url": REFERRAL_ID, "valueString": sender_id}]);
    }
    // What the message is about stands before what has accumulated.
    let (first, rest): (Vec<Value>, Vec<Value>) =
        resources.into_iter().partition(|one| one["resourceType"] == telling.focus);
    bundle(number, telling.at, std::iter::once(header).chain(first).chain([request]).chain(rest))
}

/// The response to a message: the request as it is kept.
pub(super) fn response(accepted: &Accepted, kept: &Kept, number: u64, now: OffsetDateTime) -> Value {
    let header = json!({
        "resourceType": "MessageHeader",
        "id": format!("r-{number}"),
        "eventCoding": {"code": accepted.event},
        "source": {"name": "Platform", "endpoint": "https://platform.example"},
        "response": {"identifier": accepted.header_id, "code": "ok"},
    });
    bundle(number, now, [header, kept.request.clone()])
}

fn bundle(number: u64, at: OffsetDateTime, resources: impl IntoIterator<Item = Value>) -> Value {
    let entry = |resource: Value| {
        let text = |name: &str| resource[name].as_str().unwrap_or_default().to_owned();
        let (kind, id) = (text("resourceType"), text("id"));
        // What was sent keeps the address by which the rest of it was made to refer to it.
        let own = kind != "ServiceRequest" && id.len() == 36;
        let url = if own { format!("urn:uuid:{id}") } else { format!("https://platform.example/fhir/{kind}/{id}") };
        json!({"fullUrl": url, "resource": resource})
    };
    let entries: Vec<Value> = resources.into_iter().map(entry).collect();
    json!({"resourceType": "Bundle", "id": format!("b-{number}"), "type": "message", "timestamp": written(at),
        "entry": entries})
}
