//! A disclosure as FHIR R4 `AuditEvent`, shaped after *Privacy Disclosure at Source* of IHE Basic Audit Log Patterns
//! (<https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PrivacyDisclosure.Source>, 1.1.4): an export, with
//! the gateway as source, the platform as destination, the organisation as custodian. Made when it is asked for; its id is
//! the number of the line of audit.

use super::{Became, Told, words};
use gateway_core::accept::PURPOSE;
use gateway_core::disclose::{Basis, Disclosure, Manner};
use gateway_core::identity::Owner;
use gateway_core::referral::Referral;
use gateway_fhir::{Json, instant};
use serde_json::{Value, json};

const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// One disclosure. `base` is the gateway's own FHIR address; empty where none is known.
#[must_use]
pub fn of(referral: &Referral, told: &Told, base: &str) -> Json {
    let disclosure = &told.disclosure;
    let gateway = json!({ "display": "vcse-gateway" });
    // Who began it: the gateway sends and lays ready, a platform reads and views.
    let asked = matches!(disclosure.manner, Manner::Collected | Manner::Viewed);
    let mut event = json!({
        "resourceType": "AuditEvent",
        "id": told.number.to_string(),
        "type": coding(DCM, "110106", "Export"),
        "subtype": [coding(
            "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle",
            "disclose",
            "Disclose Record Lifecycle Event",
        )],
        "action": "R",
        "recorded": instant::to_instant(told.at),
        "outcome": match told.became {
            Became::Arrived | Became::Read | Became::Published => "0",
            Became::Unknown => "4",
            Became::NotTaken => "8",
        },
        "outcomeDesc": words::became(told.became),
        "purposeOfEvent": [{ "coding": [coding(
            "http://terminology.hl7.org/CodeSystem/v3-ActReason",
            PURPOSE,
            "coordination of care",
        )] }],
        "agent": [
            {
                "type": { "coding": [coding(DCM, "110153", "Source Role ID")] },
                "who": gateway,
                "requestor": !asked,
                "network": { "address": if base.is_empty() { "gateway" } else { base } },
            },
            {
                "type": { "coding": [coding(DCM, "110152", "Destination Role ID")] },
                "who": recipient(disclosure),
                "requestor": asked,
                "network": { "address": format!("platform/{}", disclosure.platform) },
            },
        ],
        "source": {
            "observer": gateway,
            "type": [coding("http://terminology.hl7.org/CodeSystem/security-source-type", "4", "Application Server")],
        },
        "entity": entities(disclosure),
    });
    if let (Owner::Organisation(code), Some(agents)) = (&referral.compartment.owner, event["agent"].as_array_mut()) {
        agents.push(json!({
            "type": { "coding": [coding("http://snomed.info/sct", "159541003", "Record keeping/library clerk")] },
            "who": { "identifier": { "system": ODS, "value": code } },
            "requestor": false,
        }));
    }
    event.into()
}

fn coding(system: &str, code: &str, display: &str) -> Value {
    json!({ "system": system, "code": code, "display": display })
}

fn recipient(disclosure: &Disclosure) -> Value {
    let mut who = json!({ "display": disclosure.recipient });
    if let Some((system, value)) = disclosure.identifiers.first().and_then(|one| one.split_once('|')) {
        who["identifier"] = json!({ "system": system, "value": value });
    }
    who
}

fn entities(disclosure: &Disclosure) -> Vec<Value> {
    // A contained Patient is named by nothing but the ServiceRequest that contains it.
    let patient = match &disclosure.patient {
        Some(reference) => json!({ "reference": reference }),
        None => json!({ "display": "the Patient contained in the ServiceRequest" }),
    };
    let mut all = vec![
        json!({
            "what": patient,
            "type": coding("http://terminology.hl7.org/CodeSystem/audit-entity-type", "1", "Person"),
            "role": coding("http://terminology.hl7.org/CodeSystem/object-role", "1", "Patient"),
        }),
        object(&disclosure.service_request, "what was disclosed, and what was withheld", &details(disclosure)),
        object(&disclosure.task, "", &[]),
    ];
    let decision = disclosure.decision.as_ref();
    for consent in decision.map(|one| one.consents.as_slice()).unwrap_or_default() {
        let decided = decision.and_then(|one| one.decisive.as_ref()) == Some(consent);
        all.push(object(consent, if decided { "the Consent that decided" } else { "a Consent that was read" }, &[]));
    }
    all
}

fn object(reference: &str, description: &str, detail: &[Value]) -> Value {
    let mut entity = json!({
        "what": { "reference": reference },
        "type": coding("http://terminology.hl7.org/CodeSystem/audit-entity-type", "2", "System Object"),
        "role": coding("http://terminology.hl7.org/CodeSystem/object-role", "4", "Domain Resource"),
    });
    if !description.is_empty() {
        entity["description"] = json!(description);
    }
    if !detail.is_empty() {
        entity["detail"] = json!(detail);
    }
    entity
}

fn details(disclosure: &Disclosure) -> Vec<Value> {
    let mut all = Vec::new();
    let mut say = |name: &str, value: &str| all.push(json!({ "type": name, "valueString": value }));
    say("adapter", &format!("{} {}", disclosure.adapter.name, disclosure.adapter.version));
    if let Some(attempt) = disclosure.attempt {
        say("attempt", &attempt.to_string());
    }
    if let Some(resource) = &disclosure.resource {
        say("published", resource);
    }
    if let Some(decision) = &disclosure.decision {
        say("verdict", &decision.verdict);
        say("reason", &decision.reason);
        say("rules", &decision.rules);
        decision.path.iter().for_each(|rule| say("rule", rule));
        decision.duties.iter().for_each(|duty| say("duty", duty));
        decision.lawful_basis.iter().for_each(|basis| say("lawful-basis", basis));
        if let Some(one) = &decision.overriding {
            say("override", &one.id);
            say("override-professional", &one.professional);
        }
    } else {
        say("reason", "ended");
    }
    say(
        "elements",
        match disclosure.basis {
            Basis::Translated => "translated",
            Basis::Given => "given",
            Basis::Read => "read",
        },
    );
    disclosure.elements.iter().for_each(|path| say("element", path));
    for kept in &disclosure.withheld {
        let consent = kept.consent.as_deref().map(|consent| format!(" {consent}")).unwrap_or_default();
        say("withheld", &format!("{} {} {}{consent}", kept.path, kept.reason, kept.rule));
    }
    all
}
