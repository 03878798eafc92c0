//! `Task/$redrive`: dead letters go on, one or many, after a person has looked at them; or would, in a dry run.
//!
//! The answer names Tasks, codes and words, never anything of the person.

use super::context::Context;
use super::reply::{Reply, store_fault};
use super::write::{admit, need_role};
use crate::gateway::Gateway;
use crate::redrive::{Line, Redriven, Wanted, run};
use axum::http::StatusCode;
use gateway_core::classify::{advice, failure_word};
use gateway_core::identity::{PlatformId, Role};
use gateway_core::refusal::Refusal;
use gateway_fhir::{Issue, IssueCode, Json};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Dead letters of one request, unless it says otherwise, and at most.
const LIMIT: usize = 100;

/// Answers the operation.
pub(super) async fn redrive(gateway: &Gateway, context: &Context, bytes: &[u8]) -> Result<Reply, Refusal> {
    need_role(context, Role::Operator)?;
    let wanted = wanted(context, &admit(gateway, bytes)?)?;
    let redriven = run(gateway, &wanted).await.map_err(|error| store_fault(&error))?;
    Ok(told(&wanted, &redriven))
}

fn wanted(context: &Context, document: &Json) -> Result<Wanted, Refusal> {
    let refused = |place: &str, words: &str| Refusal::one(400, Issue::at(IssueCode::Value, place, words));
    if document.text("resourceType") != Some("Parameters") {
        return Err(refused("resourceType", "This operation takes Parameters."));
    }
    let mut wanted = Wanted {
        tenant: context.client.tenant.clone(),
        tasks: BTreeSet::new(),
        platform: None,
        cause: None,
        asked: None,
        dry_run: false,
        after: 0,
        limit: LIMIT,
        author: context.client.author(),
    };
    let mut all = false;
    for (at, parameter) in document.items("parameter").iter().enumerate() {
        let place = format!("Parameters.parameter[{at}]");
        let name = parameter.text("name").unwrap_or_default();
        let yes = || match parameter.get("valueBoolean") {
            Some(Json::Bool(value)) => Ok(*value),
            _ => Err(refused(&place, "This parameter takes a valueBoolean.")),
        };
        let code = || {
            let found = parameter.text("valueCode").map(str::to_owned);
            found.ok_or_else(|| refused(&place, "This parameter takes a valueCode."))
        };
        let number = || {
            let found = parameter.get("valueInteger").and_then(|value| value.to_text().parse::<u64>().ok());
            found.ok_or_else(|| refused(&place, "This parameter takes a valueInteger that is not negative."))
        };
        match name {
            "task" => {
                let reference = parameter.get("valueReference").and_then(|value| value.text("reference"));
                let id = reference.and_then(|reference| reference.strip_prefix("Task/"));
                let words = "This parameter takes a valueReference to a Task: Task/ and its id.";
                wanted.tasks.insert(id.ok_or_else(|| refused(&place, words))?.to_owned());
            }
            "platform" => wanted.platform = Some(PlatformId(code()?)),
            "cause" => wanted.cause = Some(code()?),
            "all" => all = yes()?,
            "asked" => {
                let words = "This parameter takes a valueInteger: how many attempts there were when the organisation was asked.";
                let attempts = number().ok().and_then(|attempts| u32::try_from(attempts).ok());
                wanted.asked = Some(attempts.ok_or_else(|| refused(&place, words))?);
            }
            "dry-run" => wanted.dry_run = yes()?,
            "after" => wanted.after = number()?,
            "limit" => {
                let few = usize::try_from(number()?).ok().filter(|few| (1..=LIMIT).contains(few));
                let words = "The limit is a number from 1 to 100.";
                wanted.limit = few.ok_or_else(|| refused(&place, words))?;
            }
            _ => {
                let words = "The parameters are task, platform, cause, all, asked, dry-run, after and limit.";
                return Err(refused(&place, words));
            }
        }
    }
    let narrowed = !wanted.tasks.is_empty() || wanted.platform.is_some() || wanted.cause.is_some();
    if !narrowed && !all {
        // What names nothing would mean everything.
        let words = "Say which dead letters: task, platform or cause; or all with valueBoolean true.";
        return Err(refused("Parameters.parameter", words));
    }
    if wanted.asked.is_some() && wanted.tasks.len() != 1 {
        let words = "The parameter asked is said of one Task by name: its organisation was asked about it.";
        return Err(refused("Parameters.parameter", words));
    }
    Ok(wanted)
}

fn told(wanted: &Wanted, redriven: &Redriven) -> Reply {
    let count = |name: &str, number: usize| json!({ "name": name, "valueUnsignedInt": number });
    let on = redriven.lines.iter().filter(|line| line.outcome.is_ok()).count();
    let mut parameters = vec![
        json!({ "name": "dry-run", "valueBoolean": wanted.dry_run }),
        count("redriven", on),
        count("stays", redriven.lines.len() - on),
    ];
    parameters.extend(redriven.lines.iter().map(part));
    if redriven.more
        && let Some(last) = redriven.lines.last()
    {
        // A redriven one has left the list, so that what is behind it is asked for by place.
        parameters.push(json!({ "name": "next-after", "valueInteger": last.place }));
    }
    let answer: Json = json!({ "resourceType": "Parameters", "parameter": parameters }).into();
    Reply::json(StatusCode::OK, answer.to_text())
}

fn part(line: &Line) -> Value {
    let text = |name: &str, value: &str| json!({ "name": name, "valueString": value });
    let code = |name: &str, value: &str| json!({ "name": name, "valueCode": value });
    let mut parts = vec![
        json!({ "name": "task", "valueReference": { "reference": format!("Task/{}", line.task) } }),
        code("organisation", &line.organisation),
        code("platform", &line.row.platform.0),
        code("errand", line.row.errand.word()),
        json!({ "name": "attempts", "valueUnsignedInt": line.row.attempts }),
    ];
    if let Some(failure) = &line.row.last_failure {
        parts.push(code("cause", &failure_word(&failure.code)));
        parts.push(text("words", &format!("{} {}", failure.diagnostic, advice(&failure.code))));
    }
    match &line.outcome {
        Ok(()) => parts.push(code("outcome", "redriven")),
        Err(stays) => {
            parts.push(code("outcome", stays.code()));
            parts.push(text("why", &stays.words()));
        }
    }
    json!({ "name": "dead-letter", "part": parts })
}
