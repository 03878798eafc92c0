//! `servicerequest-response`: what becomes of a referral that came in a message, told to where the message came from.
//!
//! BaRS Core, "Status": a new message with the roles reversed, `response.identifier` the `Bundle.id` of the request, progress said by
//! `ServiceRequest.status` and the receiver's Encounter. It has the shape of `bars-message-servicerequest-response-referral-short`: MessageHeader,
//! ServiceRequest, Patient, the sender's Encounter and the receiver's. Of the person it says who is meant and no more.

use super::crosswalk::{CrosswalkRow, reason, row};
use super::{CATEGORIES, CATEGORY, EVENTS, MESSAGE_ID, REASONS, REFERRAL_NUMBER};
use crate::consent::Kept;
use crate::task::{derived_id, status};
use gateway_fhir::identifiers::{NHS_NUMBER, ODS_CODE, same_system};
use gateway_fhir::{Json, instant};
use serde_json::{Value, json};
use time::OffsetDateTime;

/// The event.
pub const RESPONSE: &str = "servicerequest-response";
const DEFINITION: &str = "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-response-referral-short";
/// Code system of `Task.businessStatus`.
const BUSINESS: &str = adapter_contract::systems::BUSINESS_STATUS;

/// The conversation that a Task came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// `Bundle.id` of the request.
    pub message: String,
    /// The return address: `MessageHeader.source.endpoint` of the request, `system|value`. A name, never an address that is dialled.
    pub address: String,
}

/// What a response is made of.
pub struct Responding<'a> {
    /// The Task as it stands.
    pub task: &'a Json,
    /// Its ServiceRequest.
    pub request: &'a Json,
    /// The Patient.
    pub patient: &'a Json,
    /// ODS code of the organisation that sent the request.
    pub sender: &'a str,
    /// The key under which the platform has the referral: the number that the first answer gave.
    pub number: &'a str,
    /// What the person keeps from the sender, as it is decided now.
    pub kept: Kept,
    /// Whether something was told in this conversation before.
    pub told_before: bool,
    /// Names this response: the same at each attempt.
    pub name: &'a str,
    /// When it is made.
    pub now: OffsetDateTime,
}

/// A response, and to whom it goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// The message.
    pub bundle: Json,
    /// The conversation.
    pub conversation: Conversation,
    /// Who answers: system and value of the service that the request went to.
    pub from: (String, String),
}

/// The conversation that a Task came in; `None` for one that came otherwise.
#[must_use]
pub fn conversation(task: &Json) -> Option<Conversation> {
    let own = task.items("identifier").iter().find(|one| one.text("system") == Some(MESSAGE_ID))?;
    let assigner = own.get("assigner")?.get("identifier")?;
    let value = assigner.text("value")?;
    let address = assigner.text("system").map_or_else(|| value.to_owned(), |system| format!("{system}|{value}"));
    Some(Conversation { message: own.text("value")?.to_owned(), address })
}

/// What a Task's status says in a response; `None` where it says nothing.
#[must_use]
pub fn says(task: &Json) -> Option<&'static CrosswalkRow> {
    row(status(task)?).filter(|row| row.encounter.is_some())
}

/// The response; `None` if the Task came in no message, says nothing, or names no recipient.
#[must_use]
pub fn response(of: &Responding<'_>) -> Option<Response> {
    let (conversation, row) = (conversation(of.task)?, says(of.task)?);
    let owner = of.task.get("owner")?.get("identifier")?;
    let from = (owner.text("system")?.to_owned(), owner.text("value")?.to_owned());
    let id = |what: &str| derived_id(&[of.name, what]);
    let url = |what: &str| format!("urn:uuid:{}", id(what));
    let patient_url = url("Patient");
    let sent = of.request.items("contained").iter().find(|one| one.text("resourceType") == Some("Encounter"));
    let [theirs, ours] = [sender_encounter(sent, &patient_url), receiver_encounter(of, row, sent, &patient_url)];
    let header = json!({
        "resourceType": "MessageHeader", "id": id("MessageHeader"),
        "eventCoding": { "system": EVENTS, "code": RESPONSE },
        "destination": [{ "endpoint": conversation.address, "receiver": organisation(ODS_CODE, of.sender) }],
        "sender": organisation(&from.0, &from.1),
        "source": { "endpoint": format!("{}|{}", from.0, from.1), "software": "vcse-gateway" },
        "reason": { "coding": [{ "system": REASONS, "code": if of.told_before { "update" } else { "new" } }] },
        "response": { "identifier": conversation.message, "code": "ok" },
        "focus": [{ "reference": url("receiver") }],
        "definition": DEFINITION,
    });
    let listed = |url: String, resource: Value| json!({ "fullUrl": url, "resource": resource });
    let entries = [
        listed(url("MessageHeader"), header),
        listed(url("ServiceRequest"), request(of, row, &patient_url, &url("sender"))),
        listed(patient_url.clone(), patient(of.patient)),
        listed(url("sender"), theirs),
        listed(url("receiver"), ours),
    ];
    let bundle = json!({
        "resourceType": "Bundle", "id": id("Bundle"),
        "meta": { "versionId": "1.0.0", "profile": ["https://fhir.nhs.uk/StructureDefinition/BARSBundleMessage"] },
        "type": "message", "timestamp": instant::to_instant(of.now), "entry": entries,
    });
    Some(Response { bundle: bundle.into(), conversation, from })
}

fn organisation(system: &str, value: &str) -> Value {
    json!({ "type": "Organization", "identifier": { "system": system, "value": value } })
}

fn request(of: &Responding<'_>, row: &CrosswalkRow, patient: &str, encounter: &str) -> Value {
    let mut identifiers = plain(of.request);
    identifiers.push(json!({ "system": REFERRAL_NUMBER, "value": of.number }));
    let category = json!([{ "coding": [{ "system": CATEGORIES, "code": CATEGORY }] }]);
    json!({
        "resourceType": "ServiceRequest", "id": of.request.text("id"), "identifier": identifiers,
        "status": row.service_request, "intent": of.request.text("intent").unwrap_or("plan"), "category": category,
        "subject": { "reference": patient }, "encounter": { "reference": encounter },
    })
}

/// Its identifiers, without what else they may say or refer to.
fn plain(resource: &Json) -> Vec<Value> {
    let whole = resource.items("identifier").iter().filter(|one| one.text("value").is_some());
    let parts = |one: &Json| {
        let own = ["system", "value"].into_iter().filter_map(|name| Some((name.to_owned(), one.get(name)?.to_value())));
        Value::Object(own.collect())
    };
    whole.map(parts).collect()
}

/// Who is meant: by number where there is one, else by name and day of birth.
fn patient(patient: &Json) -> Value {
    let whole = patient.to_value();
    let is_number = |one: &&Json| one.text("system").is_some_and(|system| same_system(system, NHS_NUMBER));
    match patient.items("identifier").iter().find(is_number) {
        Some(number) => {
            let mut number = number.to_value();
            // The verification status stays; whoever assigned it may be named by a reference of ours.
            if let Some(members) = number.as_object_mut() {
                members.remove("assigner");
            }
            json!({ "resourceType": "Patient", "identifier": [number] })
        }
        None => {
            let mut left = json!({ "resourceType": "Patient" });
            let named = plain(patient);
            if !named.is_empty() {
                left["identifier"] = json!(named);
            }
            for name in ["name", "birthDate"] {
                if let Some(value) = whole.get(name) {
                    left[name] = value.clone();
                }
            }
            left
        }
    }
}

/// The sender's own, by which it knows the case again.
fn sender_encounter(sent: Option<&Json>, patient: &str) -> Value {
    let mut own = json!({ "resourceType": "Encounter", "status": "finished", "class": class(sent) });
    let named = sent.map(plain).unwrap_or_default();
    if !named.is_empty() {
        own["identifier"] = json!(named);
    }
    for name in ["status", "episodeOfCare"] {
        if let Some(value) = sent.and_then(|sent| sent.get(name)) {
            own[name] = value.to_value();
        }
    }
    own["subject"] = json!({ "reference": patient });
    own
}

fn receiver_encounter(of: &Responding<'_>, row: &CrosswalkRow, sent: Option<&Json>, patient: &str) -> Value {
    let mut own = json!({
        "resourceType": "Encounter", "status": row.encounter, "class": class(sent),
        "identifier": [{ "system": REFERRAL_NUMBER, "value": of.number }],
        "subject": { "reference": patient },
    });
    if let Some(journey) = sent.and_then(|sent| sent.get("episodeOfCare")) {
        own["episodeOfCare"] = journey.to_value();
    }
    if row.encounter == Some("cancelled") {
        let business = of.task.get("businessStatus").map(|status| status.items("coding")).unwrap_or_default();
        let business = business.iter().find(|coding| coding.text("system") == Some(BUSINESS));
        // A code of why it ended says as much as words do.
        let code = business.and_then(|coding| coding.text("code")).filter(|_| of.kept != Kept::All);
        let why = reason(code.unwrap_or_default());
        let mut concept = json!({ "coding": [{ "system": why.system, "code": why.code }] });
        let words = of.task.get("statusReason").and_then(|reason| reason.text("text"));
        if let (Kept::Nothing, Some(words)) = (of.kept, words) {
            concept["text"] = json!(words);
        }
        own["reasonCode"] = json!([concept]);
    }
    own
}

/// As the sender wrote it: BaRS fixes one for all.
fn class(sent: Option<&Json>) -> Value {
    let emergency = || json!({ "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "EMER" });
    sent.and_then(|sent| sent.get("class")).map_or_else(emergency, Json::to_value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use adapter_contract::TaskStatus;
    use gateway_fhir::validate;
    use time::macros::datetime;

    fn task(status: &str) -> Json {
        json!({ "resourceType": "Task", "status": status, "intent": "order",
            "identifier": [{ "system": MESSAGE_ID, "value": "m-1", "assigner": { "type": "Organization",
                "identifier": { "system": "https://fhir.nhs.uk/Id/dos-service-id", "value": "2000099999" } } }],
            "owner": { "identifier": { "system": ODS_CODE, "value": "VCSE1" } },
            "businessStatus": { "coding": [{ "system": BUSINESS, "code": "declined-capacity" }] },
            "statusReason": { "text": "no room this month" } })
        .into()
    }

    fn made(status: &str, kept: Kept, told_before: bool) -> Option<Value> {
        let request: Json = json!({ "resourceType": "ServiceRequest", "id": "s", "intent": "plan", "status": "active",
            "identifier": [{ "system": "urn:gp", "value": "r" }], "note": [{ "text": "private" }],
            "contained": [{ "resourceType": "Encounter", "id": "encounter-1", "status": "triaged",
                "class": { "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "EMER" },
                "identifier": [{ "system": "urn:case", "value": "c" }], "reasonCode": [{ "text": "private" }] }] })
        .into();
        let patient: Json = json!({ "resourceType": "Patient", "name": [{ "family": "Private" }],
            "identifier": [{ "system": NHS_NUMBER, "value": "9990000018" }] })
        .into();
        let of = Responding {
            task: &task(status),
            request: &request,
            patient: &patient,
            sender: "A82001",
            number: "k-1",
            kept,
            told_before,
            name: "n",
            now: datetime!(2026-06-15 12:00 UTC),
        };
        response(&of).map(|response| response.bundle.to_value())
    }

    fn part(bundle: &Value, kind: &str, nth: usize) -> Value {
        let entries = bundle["entry"].as_array().expect("entries").iter().map(|entry| &entry["resource"]);
        entries.filter(|one| one["resourceType"] == kind).nth(nth).expect("is there").clone()
    }

    #[test]
    fn each_status_is_told_as_the_crosswalk_has_it_or_not_at_all() {
        for status in TaskStatus::ALL {
            let told = made(status.code(), Kept::Nothing, false);
            let row = row(status).expect("a row");
            assert_eq!(told.is_some(), row.encounter.is_some(), "{status}");
            let Some(bundle) = told else { continue };
            assert_eq!(validate::resource(&bundle.clone().into()), [], "{status}");
            let kinds: Vec<_> = bundle["entry"]
                .as_array()
                .expect("entries")
                .iter()
                .map(|entry| entry["resource"]["resourceType"].as_str().expect("a type"))
                .collect();
            assert_eq!(kinds, ["MessageHeader", "ServiceRequest", "Patient", "Encounter", "Encounter"]);
            assert_eq!(part(&bundle, "Encounter", 1)["status"], row.encounter.expect("told"));
            assert_eq!(part(&bundle, "ServiceRequest", 0)["status"], row.service_request);
            assert_eq!(part(&bundle, "Encounter", 0)["identifier"][0]["value"], "c");
            let header = part(&bundle, "MessageHeader", 0);
            assert_eq!(header["response"]["identifier"], "m-1");
            assert_eq!(header["destination"][0]["endpoint"], "https://fhir.nhs.uk/Id/dos-service-id|2000099999");
            assert_eq!(header["source"]["endpoint"], format!("{ODS_CODE}|VCSE1"));
            assert_eq!(header["focus"][0]["reference"], bundle["entry"][4]["fullUrl"]);
            assert!(!bundle.to_string().to_lowercase().contains("private"), "{bundle}");
        }
        assert_eq!(
            made("accepted", Kept::Nothing, false)
                .map(|one| part(&one, "MessageHeader", 0)["reason"]["coding"][0]["code"].clone()),
            Some(json!("new"))
        );
        assert_eq!(
            made("accepted", Kept::Nothing, true)
                .map(|one| part(&one, "MessageHeader", 0)["reason"]["coding"][0]["code"].clone()),
            Some(json!("update"))
        );
    }

    #[test]
    fn a_reason_is_told_as_far_as_the_person_lets_it() {
        let why = |kept| part(&made("rejected", kept, true).expect("is told"), "Encounter", 1)["reasonCode"][0].clone();
        assert_eq!(
            (&why(Kept::Nothing)["coding"][0]["code"], &why(Kept::Nothing)["text"]),
            (&json!("22"), &json!("no room this month"))
        );
        assert_eq!((&why(Kept::Words)["coding"][0]["code"], why(Kept::Words).get("text")), (&json!("22"), None));
        assert_eq!((&why(Kept::All)["coding"][0]["code"], why(Kept::All).get("text")), (&json!("OTH"), None));
    }

    #[test]
    fn what_came_in_no_message_is_not_answered_by_one() {
        let mut plain = task("accepted");
        plain.set("identifier", json!([{ "system": "urn:gp", "value": "k" }]).into());
        assert_eq!(conversation(&plain), None);
    }
}
