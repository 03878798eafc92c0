//! `Task/$reconcile`: GP, gateway and platforms are compared, page by page, for an operator; or would be, in a dry run.
//!
//! The answer names Tasks, codes, versions and words, never anything of the person.

use super::context::Context;
use super::reply::{Reply, store_fault};
use super::write::{admit, need_role};
use crate::gateway::Gateway;
use crate::reconcile::{Done, Line, Place, Wanted, run};
use axum::http::StatusCode;
use gateway_core::identity::{PlatformId, Role};
use gateway_core::reconcile::{Drift, Finding};
use gateway_core::refusal::Refusal;
use gateway_fhir::{Issue, IssueCode, Json};
use serde_json::{Value, json};

/// Referrals of one request, unless it says otherwise, and at most.
const LIMIT: usize = 100;

const AFTER: &str = "This parameter takes the next-after of an earlier answer as valueString.";

fn refused(place: &str, words: &str) -> Refusal {
    Refusal::one(400, Issue::at(IssueCode::Value, place, words))
}

/// Answers the operation.
pub(super) async fn reconcile(gateway: &Gateway, context: &Context, bytes: &[u8]) -> Result<Reply, Refusal> {
    need_role(context, Role::Operator)?;
    let wanted = wanted(gateway, context, &admit(gateway, bytes)?)?;
    // A place behind another customer's referral is as one behind none.
    if let Some(id) = wanted.from.referral() {
        let named = gateway.store.referral(id).await.map_err(|error| store_fault(&error))?;
        if named.is_none_or(|referral| Some(&referral.compartment.tenant) != wanted.tenant.as_ref()) {
            return Err(refused("Parameters.parameter", AFTER));
        }
    }
    let done = run(gateway, &wanted).await.map_err(|error| store_fault(&error))?;
    Ok(told(&wanted, &done))
}

fn wanted(gateway: &Gateway, context: &Context, document: &Json) -> Result<Wanted, Refusal> {
    if document.text("resourceType") != Some("Parameters") {
        return Err(refused("resourceType", "This operation takes Parameters."));
    }
    // Half of the time of a request: what is left is enough for the last question.
    let until = gateway.clock.elapsed() + gateway.limits.request / 2;
    let mut wanted = Wanted {
        tenant: Some(context.client.tenant.clone()),
        platform: None,
        dry_run: false,
        from: Place::default(),
        limit: LIMIT,
        patient: false,
        until,
        author: context.client.author(),
    };
    for (at, parameter) in document.items("parameter").iter().enumerate() {
        let place = format!("Parameters.parameter[{at}]");
        match parameter.text("name").unwrap_or_default() {
            "platform" => {
                let id = parameter.text("valueCode").map(|id| PlatformId(id.to_owned()));
                let known = id.filter(|id| gateway.platform(id).is_some());
                let words = "This parameter takes the id of a platform as valueCode.";
                wanted.platform = Some(known.ok_or_else(|| refused(&place, words))?);
            }
            "dry-run" => match parameter.get("valueBoolean") {
                Some(Json::Bool(value)) => wanted.dry_run = *value,
                _ => return Err(refused(&place, "This parameter takes a valueBoolean.")),
            },
            "after" => {
                let read = parameter.text("valueString").and_then(Place::read);
                wanted.from = read.ok_or_else(|| refused(&place, AFTER))?;
            }
            "limit" => {
                let number = parameter.get("valueInteger").and_then(|value| value.to_text().parse::<usize>().ok());
                let few = number.filter(|few| (1..=LIMIT).contains(few));
                wanted.limit = few.ok_or_else(|| refused(&place, "The limit is a number from 1 to 100."))?;
            }
            _ => return Err(refused(&place, "The parameters are platform, dry-run, after and limit.")),
        }
    }
    Ok(wanted)
}

fn told(wanted: &Wanted, done: &Done) -> Reply {
    let count = |name: &str, number: usize| json!({ "name": name, "valueUnsignedInt": number });
    let mends =
        |code: &str| done.lines.iter().flat_map(|line| &line.findings).filter(|one| one.mend.code() == code).count();
    let mut parameters = vec![
        json!({ "name": "dry-run", "valueBoolean": wanted.dry_run }),
        count("compared", done.compared),
        count("repaired", mends("repaired")),
        count("raised", mends("raised")),
        count("known", mends("known")),
        count("not-asked", done.lines.iter().filter(|line| line.not_asked.is_some()).count()),
    ];
    parameters.extend(done.lines.iter().map(part));
    if let Some(next) = &done.next {
        parameters.push(json!({ "name": "next-after", "valueString": next.to_text() }));
    }
    let answer: Json = json!({ "resourceType": "Parameters", "parameter": parameters }).into();
    Reply::json(StatusCode::OK, answer.to_text())
}

fn part(line: &Line) -> Value {
    let code = |name: &str, value: &str| json!({ "name": name, "valueCode": value });
    let text = |name: &str, value: &str| json!({ "name": name, "valueString": value });
    let mut parts = vec![
        json!({ "name": "task", "valueReference": { "reference": format!("Task/{}", line.task) } }),
        code("organisation", &line.organisation),
        code("platform", &line.platform.0),
    ];
    if let Some(error) = &line.not_asked {
        parts.push(text("not-asked", &error.diagnostic));
    }
    parts.extend(line.findings.iter().map(|finding| json!({ "name": "difference", "part": difference(finding) })));
    json!({ "name": "referral", "part": parts })
}

fn difference(Finding { drift, mend }: &Finding) -> Vec<Value> {
    let code = |name: &str, value: &str| json!({ "name": name, "valueCode": value });
    let mut parts = vec![code("kind", drift.code())];
    match drift {
        Drift::StatusDiffers { here, there } => {
            parts.push(code("here", here.code()));
            parts.extend(there.map(|there| code("there", there.code())));
        }
        Drift::ContentDiffers { sent, stands } => {
            parts.push(json!({ "name": "sent", "valueUnsignedInt": sent }));
            parts.push(json!({ "name": "stands", "valueUnsignedInt": stands }));
        }
        Drift::MissingThere | Drift::MissingHere => {}
    }
    parts.push(code("mend", mend.code()));
    parts.push(json!({ "name": "words", "valueString": mend.words() }));
    parts
}
