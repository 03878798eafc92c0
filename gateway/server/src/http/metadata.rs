//! The CapabilityStatement, made from the table of routes and the table of search parameters.

use super::routes::{self, AUDIT_EVENT, Interaction, SUBSCRIPTION, TERMINOLOGY};
use super::search::{Form, parameters};
use crate::gateway::Gateway;
use gateway_core::bars;
use gateway_core::ingest::{GATEWAY_WRITES, STAND_ALONE, STORED};
use gateway_core::subscription::{BACKPORT, Topic};
use gateway_fhir::{Json, instant};
use serde_json::{Value, json};

/// The statement of this gateway.
pub(super) fn statement(gateway: &Gateway) -> Json {
    let routes = routes::all();
    let takes_transactions = routes.iter().any(|route| route.interaction == Interaction::Transaction);
    let transaction = if takes_transactions { json!([{ "code": "transaction" }]) } else { json!([]) };
    let resources: Vec<Value> = STORED
        .iter()
        .chain(&GATEWAY_WRITES)
        .chain([&SUBSCRIPTION])
        .chain([&AUDIT_EVENT])
        .chain(&TERMINOLOGY)
        .map(|kind| resource(kind, &routes))
        .collect();
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": instant::to_instant(gateway.clock.now()),
        "kind": "instance",
        "software": { "name": "vcse-gateway", "version": env!("CARGO_PKG_VERSION") },
        "implementation": { "description": "Referral gateway between GP systems and VCSE platforms", "url": gateway.base_url },
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "patchFormat": ["application/json-patch+json"],
        "rest": [{
            "mode": "server",
            "security": { "description": "Bearer token of a configured client. SMART Backend Services is not here yet." },
            "resource": resources,
            "interaction": transaction,
            "operation": [{
                "name": Interaction::ProcessMessage.name(),
                "definition": "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message",
                "documentation": "BaRS-shaped messages, answered at once; neither async nor response-url. See messaging.",
            }],
        }],
        "messaging": [messaging(gateway)],
    })
    .into()
}

/// Which messages are taken, from the same table by which they are read.
fn messaging(gateway: &Gateway) -> Value {
    let taken: Vec<Value> =
        bars::PATTERNS.iter().map(|pattern| json!({ "mode": "receiver", "definition": pattern.url() })).collect();
    json!({
        "endpoint": [{
            "protocol": { "system": "http://terminology.hl7.org/CodeSystem/message-transport", "code": "http" },
            "address": format!("{}/${}", gateway.base_url, Interaction::ProcessMessage.name()),
        }],
        "documentation": format!(
            "In the shape of the NHS Booking and Referral Standard, API versions {}. No response is sent later: the Task is read.",
            bars::API_VERSIONS.join(", "),
        ),
        "supportedMessage": taken,
    })
}

fn resource(kind: &str, routes: &[routes::Route]) -> Value {
    let mut codes: Vec<&str> = Vec::new();
    let mut operations: Vec<Value> = Vec::new();
    for route in routes.iter().filter(|route| route.interaction.kind() == Some(kind)) {
        if let Interaction::Operation(_, name) | Interaction::Query(_, name) | Interaction::InstanceOperation(_, name) =
            route.interaction
        {
            operations.push(operation(kind, name));
            continue;
        }
        if let Interaction::Subscribed(name) = route.interaction {
            let definition = format!("{BACKPORT}/OperationDefinition/backport-subscription-{name}");
            let operation = json!({ "name": name, "definition": definition });
            if !operations.contains(&operation) {
                operations.push(operation);
            }
            continue;
        }
        let code = route.interaction.name();
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    let interactions: Vec<Value> = codes.iter().map(|code| json!({ "code": code })).collect();
    let mut resource = json!({
        "type": kind,
        "interaction": interactions,
        "versioning": match () {
            () if codes.contains(&"update") => "versioned-update",
            () if codes.contains(&"vread") => "versioned",
            () => "no-version",
        },
        "readHistory": codes.contains(&"vread"),
        "updateCreate": STORED.contains(&kind) && !matches!(kind, "Task" | "ServiceRequest"),
        // What a collecting platform creates is an output of its Task, never found by a criterion.
        "conditionalCreate": STAND_ALONE.contains(&kind),
        "referencePolicy": ["literal", "logical", "local"],
    });
    if kind == SUBSCRIPTION
        && let Some(resource) = resource.as_object_mut()
    {
        // R4 has no resource for topics: the guide lists them here.
        let url = format!("{BACKPORT}/StructureDefinition/capabilitystatement-subscriptiontopic-canonical");
        let topics = Topic::ALL.map(|topic| json!({ "url": url, "valueCanonical": topic.url() }));
        resource.insert("extension".to_owned(), json!(topics));
        let profile = format!("{BACKPORT}/StructureDefinition/backport-subscription");
        resource.insert("supportedProfile".to_owned(), json!([profile]));
    }
    if !operations.is_empty()
        && let Some(resource) = resource.as_object_mut()
    {
        resource.insert("operation".to_owned(), json!(operations));
    }
    if codes.contains(&"search-type")
        && let Some(resource) = resource.as_object_mut()
    {
        let parameters: Vec<Value> = parameters(kind)
            .iter()
            .map(|parameter| json!({ "name": parameter.name, "type": form(parameter.form), "documentation": parameter.says }))
            .collect();
        resource.insert("searchParam".to_owned(), json!(parameters));
        if kind == "Task" {
            resource.insert("searchInclude".to_owned(), json!(["Task:focus"]));
        }
    }
    resource
}

/// The definition is named, not served: docs/api.md describes it.
fn operation(kind: &str, name: &str) -> Value {
    let documentation = match name {
        "disclosures" => {
            "GET on a Patient: who received which elements of this person, when, on which Consent, and what was withheld; \
             AuditEvents in a Bundle, or a page for Accept: text/html."
        }
        "erase" => {
            "POST of Parameters with reason (request or withdrawal), consents and dry-run. The record of the person goes for \
             good; referrals that are under way are in the way. For clients with the role governance."
        }
        "message-back" => {
            "GET on a Task: needs, support, activities, outcome and scores of its referral as a document Bundle, in the order of \
             the Social Prescribing Information Standard; what the person keeps from the practice is not in it."
        }
        "work-list" => {
            "GET with owner, requester, assigned-to, cause and _count: the Tasks that need a person, the most pressing first; each entry \
             says why, and what may be done. Where not all was looked at, an entry of the mode outcome says so."
        }
        "redrive" => {
            "POST of Parameters with task, platform, cause or all, and dry-run. Dead letters go on where they stood, each after a \
             consent decision of its own; the answer says of each whether it does, and why not. For clients with the role \
             operator."
        }
        "renotify" => {
            "POST of Parameters with notice or all, and dry-run. What could not be told on the GP's side is told after all, as it \
             then stands and is then permitted. For clients with the role operator."
        }
        "reconcile" => {
            "POST of Parameters with platform, dry-run, after and limit. The GP's Task, the gateway and what the platform says now are \
             compared; differences are repaired or put in front of a person, and the answer says which and how. For clients with the \
             role operator."
        }
        _ => {
            "POST of the transaction Bundle that would be sent, or of Parameters with it. Tells, as Parameters, for each Task \
             who would receive it, what consent says, what would arrive and what would not. Nothing is stored or sent."
        }
    };
    json!({
        "name": name,
        "definition": format!("https://vcse-gateway.example/fhir/OperationDefinition/{kind}-{name}"),
        "documentation": documentation,
    })
}

fn form(form: Form) -> &'static str {
    match form {
        Form::Code | Form::Identifier | Form::Id => "token",
        Form::Reference(_) => "reference",
        Form::Updated => "date",
        Form::Uri => "uri",
    }
}
