//! The ServiceRequest and the Task of a synthetic referral, as a GP system writes them.
//!
//! They name everything else in the Bundle by `urn:uuid` and know nothing of ids that a server will give.

use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use time::Duration;

use super::{PLACER_SYSTEM, Scene, words};
use crate::fhir::{self, SDOHCC, SNOMED, TASK_CODE, concept};

fn priority(scene: &mut Scene) -> &'static str {
    // One in four is urgent or sooner: enough to see an order of service, few enough to be believed.
    ["routine", "routine", "routine", "routine", "routine", "routine", "urgent", "asap"]
        .choose(&mut scene.rng)
        .copied()
        .unwrap_or("routine")
}

fn references(to: &[String]) -> Value {
    to.iter().map(|one| json!({ "reference": one })).collect()
}

/// Adds the ServiceRequest; the Consent goes into `supportingInfo`, where the Gravity guide looks for it.
pub(super) fn service_request(scene: &mut Scene, evidence: &[String], consent: Option<&str>) {
    let placed = "https://fhir.nhs.uk/CodeSystem/message-category-servicerequest";
    let mut request = json!({
        "resourceType": "ServiceRequest",
        "identifier": [{ "system": PLACER_SYSTEM, "value": scene.placer_id }],
        "status": "active",
        "intent": "order",
        "category": [
            { "coding": [{ "system": placed, "code": "referral", "display": "Transfer of Care" }], "text": "Social prescribing" },
            concept(SDOHCC, scene.category.code, scene.category.display),
        ],
        "priority": priority(scene),
        "code": concept(SNOMED, "871731000000106", "Referral to social prescribing service"),
    });
    if scene.contact_prohibited {
        let flag = concept(SDOHCC, "contacting-subject-prohibited", "Contacting Subject Prohibited");
        request["orderDetail"] = json!([flag]);
    }
    request["subject"] = json!({ "reference": scene.patient });
    if scene.sometimes(0.4) {
        let until = scene.authored + Duration::days(84);
        request["occurrencePeriod"] = json!({ "start": fhir::date(scene.authored), "end": fhir::date(until) });
    }
    request["authoredOn"] = Value::from(scene.authored_on());
    request["requester"] = json!({ "reference": scene.requester });
    request["performer"] = json!([scene.recipient_reference()]);
    request["reasonCode"] = json!([{ "text": scene.category.reason }]);
    let supporting: Vec<String> = evidence.iter().cloned().chain(consent.map(str::to_owned)).collect();
    if !supporting.is_empty() {
        request["supportingInfo"] = references(&supporting);
    }
    if scene.sometimes(0.8) {
        let note = words::note(&mut scene.rng);
        request["note"] = json!([{ "time": scene.authored_on(), "text": note }]);
    }
    if scene.sometimes(0.5) {
        request["patientInstruction"] = Value::from(words::instruction(&mut scene.rng));
    }
    scene.add_as(scene.service_request.clone(), request);
}

/// Adds the Task whose creation asks for fulfilment.
pub(super) fn task(scene: &mut Scene, evidence: &[String]) {
    // The Task says what its ServiceRequest says about urgency: one that contradicted it would be a trap, not a test.
    let urgency = scene.entries.last().and_then(|entry| entry.pointer("/resource/priority")).cloned();
    let mut task = json!({
        "resourceType": "Task",
        "identifier": [{ "system": PLACER_SYSTEM, "value": format!("{}/task", scene.placer_id) }],
        "status": "requested",
        "intent": "order",
        "priority": urgency.unwrap_or_else(|| Value::from("routine")),
        "code": concept(TASK_CODE, "fulfill", "Fulfill the focal request"),
    });
    if scene.sometimes(0.5) {
        task["description"] = Value::from(format!("Social prescribing: {}", scene.category.display));
    }
    task["focus"] = json!({ "reference": scene.service_request });
    task["for"] = json!({ "reference": scene.patient });
    task["authoredOn"] = Value::from(scene.authored_on());
    task["requester"] = json!({ "reference": scene.practice });
    task["owner"] = scene.recipient_reference();
    if scene.sometimes(0.3) {
        let until = scene.authored + Duration::days(28);
        task["restriction"] = json!({ "period": { "start": fhir::date(scene.authored), "end": fhir::date(until) } });
    }
    if let Some(first) = evidence.first()
        && scene.sometimes(0.5)
    {
        let kind = concept(SDOHCC, "additional-content", "Additional Content");
        task["input"] = json!([{ "type": kind, "valueReference": { "reference": first } }]);
    }
    scene.add(task);
}
