//! `$erase`: the record of the person whom a Patient, ServiceRequest or Consent is about goes for good, at the request of an
//! information-governance lead.
//!
//! The answer names Tasks, codes and figures, never what stood there.

use super::context::Context;
use super::read::{key, missing};
use super::reply::{Reply, store_fault};
use super::write::{admit, need_role};
use crate::erase::{Erased, Order, Whole, person};
use crate::gateway::Gateway;
use axum::http::StatusCode;
use gateway_core::erase::Waits;
use gateway_core::identity::Role;
use gateway_core::refusal::Refusal;
use gateway_core::subject::{Cause, Domain};
use gateway_fhir::{Issue, IssueCode, Json};
use serde_json::json;

/// What is asked for.
struct Asked {
    cause: Cause,
    consents: bool,
    unconfirmed: bool,
    dry_run: bool,
}

/// Answers the operation.
pub(super) async fn erase(
    gateway: &Gateway,
    context: &Context,
    kind: &str,
    id: &str,
    bytes: &[u8],
) -> Result<Reply, Refusal> {
    need_role(context, Role::Governance)?;
    let asked = asked(&admit(gateway, bytes)?)?;
    let key = key(context, kind, id);
    let stored = gateway.store.resource(&key, None).await.map_err(|error| store_fault(&error))?;
    let Some(stored) = stored else { return Err(missing(gateway, context, &key).await) };
    let domains: &[Domain] = if asked.consents { &Domain::ALL } else { &[Domain::Record] };
    let author = context.client.author();
    let order = Order { domains, unconfirmed: asked.unconfirmed, author: &author, cause: asked.cause, row: None };
    if asked.dry_run {
        let whole = Whole::around(gateway, &stored).await.map_err(|error| store_fault(&error))?;
        return match whole.decide(&order, gateway.clock.now()) {
            Ok(_) => Ok(told(&whole, &asked)),
            Err(waiting) => Err(in_the_way(&waiting)),
        };
    }
    match person(gateway, &stored, &order, &|_| true).await.map_err(|error| store_fault(&error))? {
        Erased::Done(whole) => Ok(told(&whole, &asked)),
        Erased::Waits(waiting) => Err(in_the_way(&waiting)),
        Erased::Raced | Erased::Kept => {
            let words = "Others keep writing this person's record. Nothing was erased; ask again.";
            Err(Refusal::one(409, Issue::general(IssueCode::Conflict, words)))
        }
    }
}

fn asked(document: &Json) -> Result<Asked, Refusal> {
    let refused = |place: &str, words: &str| Err(Refusal::one(400, Issue::at(IssueCode::Value, place, words)));
    if document.text("resourceType") != Some("Parameters") {
        return refused("resourceType", "This operation takes Parameters.");
    }
    let mut asked = Asked { cause: Cause::Request, consents: false, unconfirmed: false, dry_run: false };
    let mut reason = None;
    for (at, parameter) in document.items("parameter").iter().enumerate() {
        let place = format!("Parameters.parameter[{at}]");
        let yes = |wanted: &mut bool| match parameter.get("valueBoolean") {
            Some(Json::Bool(value)) => {
                *wanted = *value;
                Ok(())
            }
            _ => refused(&place, "This parameter takes a valueBoolean.").map(|_: Asked| ()),
        };
        match parameter.text("name") {
            Some("reason") => reason = parameter.text("valueCode"),
            Some("consents") => yes(&mut asked.consents)?,
            Some("unconfirmed") => yes(&mut asked.unconfirmed)?,
            Some("dry-run") => yes(&mut asked.dry_run)?,
            _ => return refused(&place, "The parameters are reason, consents, unconfirmed and dry-run."),
        }
    }
    match reason {
        Some("request") => {}
        Some("withdrawal") => asked.cause = Cause::Withdrawal,
        _ => {
            let words =
                "The parameter reason takes the valueCode request or withdrawal. Reasons in words are not kept.";
            return refused("Parameters.parameter", words);
        }
    }
    Ok(asked)
}

/// What was, or would be, erased.
fn told(whole: &Whole, asked: &Asked) -> Reply {
    let count = |name: &str, number: usize| json!({ "name": name, "valueUnsignedInt": number });
    let consents = if asked.consents { whole.consents.len() } else { 0 };
    let mut parameters = vec![
        json!({ "name": "erased", "valueBoolean": !asked.dry_run }),
        count("referrals", whole.referrals.len()),
        count("consents", consents),
    ];
    let tasks = whole.referrals.iter().map(|(referral, _)| format!("Task/{}", referral.task));
    parameters.extend(tasks.map(|task| json!({ "name": "task", "valueReference": { "reference": task } })));
    let answer: Json = json!({ "resourceType": "Parameters", "parameter": parameters }).into();
    Reply::json(StatusCode::OK, answer.to_text())
}

fn in_the_way(waiting: &[(String, Waits)]) -> Refusal {
    let issues = waiting.iter().map(|(reference, waits)| {
        Issue::general(IssueCode::Conflict, format!("{reference} ({}): {}", waits.code(), waits.words()))
    });
    Refusal::several(409, issues.collect())
}
