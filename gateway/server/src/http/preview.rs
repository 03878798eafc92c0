//! `ServiceRequest/$preview`: what would become of a referral if it were sent now, for whom, and what its recipient would
//! and would not receive. The body is the transaction Bundle that would be sent; nothing is stored or sent.
//!
//! The answer names elements, codes and figures, never what stands there.

use super::context::Context;
use super::reply::{Reply, ingest_fault};
use super::write::{admit, forbidden, need_consent_role};
use crate::gateway::Gateway;
use crate::ingest;
use adapter_contract::{Account, DataClass, DataNeed, FieldLine, Loss};
use axum::http::StatusCode;
use gateway_core::accept::Judgement;
use gateway_core::consent::{Decision, Withheld};
use gateway_core::duplicate::Duplicate;
use gateway_core::identity::Role;
use gateway_core::loss::{Assessment, INCOMPLETE, LossReport, grade_word, reason_word};
use gateway_core::refusal::Refusal;
use gateway_fhir::{Issue, IssueCode, Json};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Answers the operation.
pub(super) async fn preview(gateway: &Gateway, context: &Context, bytes: &[u8]) -> Result<Reply, Refusal> {
    // Whoever may read what was sent may also ask what would be sent.
    if !context.client.roles.iter().any(|role| matches!(role, Role::Referrer | Role::Reader | Role::Governance)) {
        return Err(forbidden());
    }
    let bundle = bundle(admit(gateway, bytes)?)?;
    let submission = gateway_core::ingest::read(&bundle, gateway.limits.bundle_entries)?;
    if context.client.roles.contains(&Role::Referrer) {
        need_consent_role(context, &submission)?;
    }
    let judged = ingest::preview(gateway, &context.client, &submission).await.map_err(ingest_fault)?;
    if judged.is_empty() {
        let words = "There is no Task in the Bundle that could be fulfilled. Send the Bundle as it would be posted.";
        return Err(Refusal::one(422, Issue::at(IssueCode::Required, "Bundle.entry", words)));
    }
    let tasks: Vec<Value> = judged.iter().map(|(place, judgement)| task(gateway, place, judgement)).collect();
    let answer: Json = json!({ "resourceType": "Parameters", "parameter": tasks }).into();
    Ok(Reply::json(StatusCode::OK, answer.to_text()))
}

/// The Bundle itself, or the one resource parameter of Parameters.
fn bundle(document: Json) -> Result<Json, Refusal> {
    let refused = |place: &str, words: &str| Err(Refusal::one(400, Issue::at(IssueCode::Structure, place, words)));
    match document.text("resourceType") {
        Some("Bundle") => Ok(document),
        Some("Parameters") => {
            let mut bundles = document.items("parameter").iter().filter_map(|parameter| parameter.get("resource"));
            match (bundles.next(), bundles.next()) {
                (Some(bundle), None) if bundle.text("resourceType") == Some("Bundle") => Ok(bundle.clone()),
                _ => refused("Parameters.parameter", "One parameter holds the transaction Bundle as its resource."),
            }
        }
        _ => refused("resourceType", "This operation takes a transaction Bundle, or Parameters that hold one."),
    }
}

fn text(name: &str, value: &str) -> Value {
    json!({ "name": name, "valueString": value })
}

fn code(name: &str, value: &str) -> Value {
    json!({ "name": name, "valueCode": value })
}

/// One Task.
fn task(gateway: &Gateway, place: &str, judgement: &Judgement) -> Value {
    let mut parts = vec![text("place", place)];
    let (outcome, reason) = outcome(judgement);
    parts.push(code("outcome", outcome));
    parts.extend(reason.map(|reason| text("reason", &reason)));
    let platform = judgement.platform.as_ref().and_then(|id| gateway.platform(id));
    if let Some(id) = &judgement.platform {
        parts.push(text("platform", &id.0));
        let recipient = gateway.rules.recipients.get(id);
        parts.extend(recipient.map(|recipient| text("recipient", &recipient.name)));
    }
    parts.push(text("route", &judgement.route));
    parts.extend(judgement.consent.as_ref().map(|decision| consent(decision, judgement.in_the_way.as_deref())));
    if let Some(platform) = &platform {
        let declared = platform.adapter.descriptor();
        let names = [text("name", &declared.name), text("version", &declared.version)];
        parts.push(json!({ "name": "adapter", "part": names }));
    }
    parts.extend(judgement.duplicate.as_ref().map(duplicate));
    if let Some(Assessment::Told { report, account, minimised }) = &judgement.assessment {
        let needs = platform.as_ref().map(|platform| platform.adapter.descriptor().data_needs.clone());
        parts.extend(losses(report));
        parts.extend(receives(account.as_ref(), &minimised.document, &needs.unwrap_or_default()));
    }
    json!({ "name": "task", "part": parts })
}

/// `sent`, `held` or `refused`, with the words that the sender would read.
fn outcome(judgement: &Judgement) -> (&'static str, Option<String>) {
    if !judgement.refused.is_empty() {
        let elements: Vec<&str> = judgement.refused.iter().filter_map(|issue| issue.expression.as_deref()).collect();
        let words = format!(
            "The gateway is set to take no referral that loses so much at this recipient: {}.",
            elements.join(", ")
        );
        return ("refused", Some(words));
    }
    match &judgement.hold {
        Some(reason) => ("held", Some(reason.words())),
        None => ("sent", None),
    }
}

/// That the service has one like it.
fn duplicate(found: &Duplicate) -> Value {
    let mut parts: Vec<Value> = found.tasks.iter().map(|task| text("task", &format!("Task/{task}"))).collect();
    parts.push(json!({ "name": "another-organisation", "valueBoolean": found.elsewhere }));
    json!({ "name": "duplicate", "part": parts })
}

fn consent(decision: &Decision, in_the_way: Option<&str>) -> Value {
    let mut parts = vec![
        code("verdict", decision.word()),
        code("reason", decision.reason.code()),
        text("words", &decision.reason.words()),
        text("rules", decision.rules),
    ];
    parts.extend(decision.rule_path.iter().map(|rule| text("rule", rule)));
    parts.extend(in_the_way.map(|name| text("in-the-way", name)));
    parts.extend(decision.withheld.iter().map(withheld));
    json!({ "name": "consent", "part": parts })
}

fn withheld(one: &Withheld) -> Value {
    let parts = [text("element", &one.path), code("reason", one.reason.code()), text("rule", one.rule)];
    json!({ "name": "withheld", "part": parts })
}

fn losses(report: &LossReport) -> Vec<Value> {
    let mut parts = vec![json!({ "name": "complete", "valueBoolean": report.complete })];
    if !report.complete {
        parts.push(text("incomplete-because", INCOMPLETE));
    }
    parts.extend(report.worst.map(|worst| code("worst", grade_word(worst))));
    if report.more > 0 {
        parts.push(json!({ "name": "not-listed", "valueUnsignedInt": report.more }));
    }
    parts.extend(report.losses.iter().map(loss));
    parts
}

fn loss(loss: &Loss) -> Value {
    let mut parts = vec![
        text("element", &loss.element),
        code("reason", reason_word(loss.reason)),
        code("grade", grade_word(loss.grade)),
        json!({ "name": "count", "valueUnsignedInt": loss.count }),
    ];
    for (name, words) in [("detail", &loss.detail), ("rule", &loss.rule), ("because", &loss.because)] {
        parts.extend(words.as_ref().map(|words| text(name, words)));
    }
    json!({ "name": "loss", "part": parts })
}

/// What arrives: field by field, if the adapter explains itself; else every element that it is given.
fn receives(account: Option<&Account>, given: &Json, needs: &[DataNeed]) -> Vec<Value> {
    match account.filter(|account| !account.fields.is_empty()) {
        Some(account) => account.fields.iter().map(field).collect(),
        None => elements(given)
            .iter()
            .map(|element| {
                let parts = [text("element", element), code("class", class_word(class(element, needs)))];
                json!({ "name": "receives", "part": parts })
            })
            .collect(),
    }
}

fn field(line: &FieldLine) -> Value {
    let mut parts = vec![text("target", &line.target), code("class", class_word(line.class))];
    parts.extend(Some(&line.rule).filter(|rule| !rule.is_empty()).map(|rule| text("rule", rule)));
    parts.extend(line.sources.iter().map(|source| text("element", source)));
    parts.extend(line.steps.iter().map(|step| text("step", step)));
    json!({ "name": "receives", "part": parts })
}

/// Paths of the elements of each resource, without indexes and without those that every resource has.
fn elements(given: &Json) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for resource in given.items("entry").iter().filter_map(|entry| entry.get("resource")) {
        let kind = resource.text("resourceType").unwrap_or_default();
        for (name, _) in resource.as_object().unwrap_or_default() {
            let name = name.strip_prefix('_').unwrap_or(name);
            if !matches!(name, "resourceType" | "id") {
                found.insert(format!("{kind}.{name}"));
            }
        }
    }
    found
}

/// The class that the adapter declares for an element; of several below it the one that is guarded most.
fn class(element: &str, needs: &[DataNeed]) -> DataClass {
    let within =
        |path: &str, above: &str| path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    needs
        .iter()
        .filter(|need| within(element, &need.path) || within(&need.path, element))
        .map(|need| need.class)
        .max()
        // What stays although nobody declared it is the code that forbids contact.
        .unwrap_or(DataClass::Safeguarding)
}

const fn class_word(class: DataClass) -> &'static str {
    match class {
        DataClass::Administrative => "administrative",
        DataClass::Demographic => "demographic",
        DataClass::Need => "need",
        DataClass::Contact => "contact",
        DataClass::Identity => "identity",
        DataClass::Clinical => "clinical",
        DataClass::ThirdParty => "third-party",
        DataClass::Safeguarding => "safeguarding",
    }
}
