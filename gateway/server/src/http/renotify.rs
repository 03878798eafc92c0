//! `Task/$renotify`: what could not be told on the GP's side is told after all, once a person has mended what was in the way; or
//! would be, in a dry run.
//!
//! The answer names Tasks, ways and words of the gateway, never anything of the person.

use super::context::Context;
use super::reply::{Reply, commit_fault, store_fault};
use super::write::{admit, need_role};
use crate::gateway::{Gateway, is_race};
use crate::store::StoreError;
use axum::http::StatusCode;
use gateway_core::change::{AuditRecord, Change, Transaction};
use gateway_core::identity::Role;
use gateway_core::notify::{Notice, NoticeState, What};
use gateway_core::refusal::Refusal;
use gateway_fhir::{Issue, IssueCode, Json};
use serde_json::{Value, json};

/// Notices of one request.
const LIMIT: u32 = 100;

/// Which are meant.
#[derive(Default)]
struct Wanted {
    notices: Vec<String>,
    all: bool,
    dry_run: bool,
    after: u64,
}

/// Answers the operation.
pub(super) async fn renotify(gateway: &Gateway, context: &Context, bytes: &[u8]) -> Result<Reply, Refusal> {
    need_role(context, Role::Operator)?;
    let wanted = wanted(&admit(gateway, bytes)?)?;
    let (dead, next) = meant(gateway, context, &wanted).await.map_err(|error| store_fault(&error))?;
    let (mut parts, mut on) = (Vec::new(), 0);
    for notice in dead {
        let outcome = if wanted.dry_run { "reopened" } else { reopen(gateway, context, &notice).await? };
        on += usize::from(outcome == "reopened");
        parts.push(part(&notice, outcome));
    }
    let mut parameters = vec![
        json!({ "name": "dry-run", "valueBoolean": wanted.dry_run }),
        json!({ "name": "reopened", "valueUnsignedInt": on }),
    ];
    parameters.extend(parts);
    parameters.extend(next.map(|place| json!({ "name": "next-after", "valueInteger": place })));
    let answer: Json = json!({ "resourceType": "Parameters", "parameter": parameters }).into();
    Ok(Reply::json(StatusCode::OK, answer.to_text()))
}

/// The dead ones that are meant, and behind which place there may be more. Another customer's answers as one that is not there.
async fn meant(
    gateway: &Gateway,
    context: &Context,
    wanted: &Wanted,
) -> Result<(Vec<Notice>, Option<u64>), StoreError> {
    let tenant = &context.client.tenant;
    // What only asks whether somebody is there is asked anew by itself.
    let is_meant = |notice: &Notice| notice.state == NoticeState::Dead && matches!(notice.what, What::Version { .. });
    if !wanted.all {
        let mut found = Vec::new();
        for id in &wanted.notices {
            let notice = gateway.store.notice(id).await?;
            found.extend(notice.filter(|notice| notice.tenant() == tenant && is_meant(notice)));
        }
        return Ok((found, None));
    }
    let dead = gateway.store.dead_notices(Some(tenant), wanted.after, LIMIT).await?;
    let next = (dead.len() == LIMIT as usize).then(|| dead.last().map(|(place, _)| *place)).flatten();
    Ok((dead.into_iter().map(|(_, notice)| notice).filter(is_meant).collect(), next))
}

/// One goes on; somebody else may have been first.
async fn reopen(gateway: &Gateway, context: &Context, notice: &Notice) -> Result<&'static str, Refusal> {
    let now = gateway.clock.now();
    let Some(next) = notice.reopened(now, &gateway.rules.schedule) else { return Ok("not-dead") };
    let line = AuditRecord {
        tenant: notice.tenant().clone(),
        at: now,
        actor: context.client.author(),
        action: "renotify".to_owned(),
        referral: notice.referral.clone(),
        detail: json!({ "way": notice.destination.word(), "to": notice.destination.party(), "number": notice.sequence }),
    };
    let changes = vec![Change::PutNotice(Box::new(next)), Change::Audit(line)];
    match gateway.commit(Transaction { checks: Vec::new(), changes }).await {
        Ok(()) => Ok("reopened"),
        Err(error) if is_race(&error) => Ok("not-dead"),
        Err(error) => Err(commit_fault(&error)),
    }
}

fn wanted(document: &Json) -> Result<Wanted, Refusal> {
    let refused = |place: &str, words: &str| Refusal::one(400, Issue::at(IssueCode::Value, place, words));
    if document.text("resourceType") != Some("Parameters") {
        return Err(refused("resourceType", "This operation takes Parameters."));
    }
    let mut wanted = Wanted::default();
    for (at, parameter) in document.items("parameter").iter().enumerate() {
        let place = format!("Parameters.parameter[{at}]");
        let yes = || match parameter.get("valueBoolean") {
            Some(Json::Bool(value)) => Ok(*value),
            _ => Err(refused(&place, "This parameter takes a valueBoolean.")),
        };
        match parameter.text("name").unwrap_or_default() {
            "notice" => {
                let id = parameter.text("valueId");
                let words = "This parameter takes a valueId: the notice, as the list names it.";
                wanted.notices.push(id.ok_or_else(|| refused(&place, words))?.to_owned());
                if wanted.notices.len() > LIMIT as usize {
                    return Err(refused(&place, "A request names at most 100 notices."));
                }
            }
            "all" => wanted.all = yes()?,
            "dry-run" => wanted.dry_run = yes()?,
            "after" => {
                let number = parameter.get("valueInteger").and_then(|value| value.to_text().parse().ok());
                let words = "This parameter takes a valueInteger that is not negative.";
                wanted.after = number.ok_or_else(|| refused(&place, words))?;
            }
            _ => return Err(refused(&place, "The parameters are notice, all, dry-run and after.")),
        }
    }
    if wanted.notices.is_empty() && !wanted.all {
        // What names nothing would mean everything.
        let words = "Say which: notice with valueId; or all with valueBoolean true.";
        return Err(refused("Parameters.parameter", words));
    }
    Ok(wanted)
}

fn part(notice: &Notice, outcome: &str) -> Value {
    let mut parts = vec![
        json!({ "name": "id", "valueId": notice.id }),
        json!({ "name": "way", "valueCode": notice.destination.word() }),
        json!({ "name": "to", "valueString": notice.destination.party() }),
        json!({ "name": "attempts", "valueUnsignedInt": notice.attempts }),
        json!({ "name": "outcome", "valueCode": outcome }),
    ];
    if let What::Version { kind, id, version } = &notice.what {
        let reference = format!("{kind}/{id}/_history/{version}");
        parts.push(json!({ "name": "about", "valueReference": { "reference": reference } }));
    }
    parts.extend(notice.last_failure.as_ref().map(|words| json!({ "name": "words", "valueString": words })));
    json!({ "name": "notice", "part": parts })
}
