//! `$work-list`: what of the caller's referrals needs a person, the most pressing first, as a searchset of Tasks, so that a clinical system
//! shows the list that the pages show. Each entry says why, and what may be done.

use super::context::Context;
use super::reply::{Reply, store_fault};
use super::search::{decoded, encoded};
use super::write::forbidden;
use crate::gateway::Gateway;
use crate::work::{Item, list};
use axum::http::StatusCode;
use gateway_core::account::AccountId;
use gateway_core::identity::Role;
use gateway_core::refusal::Refusal;
use gateway_core::resource::{Token, tokens};
use gateway_core::work_list::{Cause, acts};
use gateway_fhir::{Issue, IssueCode};
use serde_json::{Value, json};

/// With what an entry says why it is listed.
pub(super) const CAUSE: &str = "https://vcse-gateway.example/fhir/StructureDefinition/work-list-cause";
/// With what it says what may be done.
pub(super) const ACT: &str = "https://vcse-gateway.example/fhir/StructureDefinition/work-list-act";
/// With what it names the follow-ups that are open.
pub(super) const FOLLOW_UP: &str = "https://vcse-gateway.example/fhir/StructureDefinition/work-list-follow-up";
/// The codes of why.
pub(super) const CAUSES: &str = "https://vcse-gateway.example/fhir/CodeSystem/work-list-cause";

/// What is wanted of the list.
#[derive(Default)]
struct Wanted {
    /// Each group must match in one of its tokens.
    tokens: Vec<Vec<Token>>,
    assigned: Option<AccountId>,
    causes: Vec<Cause>,
    count: Option<usize>,
    counted: Vec<(String, String)>,
}

/// Answers the operation.
pub(super) async fn answer(gateway: &Gateway, context: &Context, query: &str) -> Result<Reply, Refusal> {
    let reads = context.client.roles.iter().any(|role| matches!(role, Role::Referrer | Role::Reader));
    if context.client.platform.is_some() || !reads {
        return Err(forbidden());
    }
    let wanted = Wanted::read(gateway, query)?;
    let most = wanted.count.unwrap_or(gateway.limits.page.1 as usize).min(gateway.limits.page.0 as usize);
    let fits = |item: &Item| wanted.takes(item);
    let found = list(gateway, &[context.client.compartment()], &|_| true, (most, &fits)).await;
    let found = found.map_err(|error| store_fault(&error))?;
    let mut entries: Vec<String> = found.items.iter().map(|item| entry(gateway, item)).collect();
    // A total that is not the whole one would be taken for it.
    let total = if found.all { format!("\"total\":{},", found.fit) } else { String::new() };
    if !found.all {
        entries.push(not_all());
    }
    let pairs: Vec<String> =
        wanted.counted.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    let mark = if pairs.is_empty() { "" } else { "?" };
    let own = json!([{ "relation": "self", "url": format!("{}/Task/$work-list{mark}{}", gateway.base_url, pairs.join("&")) }]);
    let mut body = format!("{{\"resourceType\":\"Bundle\",\"type\":\"searchset\",{total}\"link\":{own}");
    if !entries.is_empty() {
        body.push_str(&format!(",\"entry\":[{}]", entries.join(",")));
    }
    body.push('}');
    Ok(Reply::json(StatusCode::OK, body))
}

/// What says that there may be more than is answered.
fn not_all() -> String {
    let words = "Not all that may need a person was looked at: what is listed is the most pressing of it. There may be more that fits, \
                 and it is less pressing. Ask with a larger _count, or for one cause.";
    let outcome = json!({ "resourceType": "OperationOutcome",
        "issue": [{ "severity": "warning", "code": "incomplete", "diagnostics": words }] });
    json!({ "resource": outcome, "search": { "mode": "outcome" } }).to_string()
}

fn entry(gateway: &Gateway, item: &Item) -> String {
    let causes = item.causes.iter().map(|cause| {
        json!({ "url": CAUSE, "valueCoding": { "system": CAUSES, "code": cause.code(), "display": cause.words() } })
    });
    let acts = acts(&item.referral, &item.causes).into_iter().map(|act| json!({ "url": ACT, "valueCode": act.word() }));
    let follow_ups = item
        .referral
        .open_follow_ups()
        .map(|one| json!({ "url": FOLLOW_UP, "valueReference": { "reference": format!("Task/{}", one.task) } }));
    let search = json!({ "extension": causes.chain(follow_ups).chain(acts).collect::<Vec<Value>>(), "mode": "match" });
    format!(
        "{{\"fullUrl\":\"{}/Task/{}\",\"resource\":{},\"search\":{search}}}",
        gateway.base_url,
        item.referral.task,
        item.task.document.to_text()
    )
}

impl Wanted {
    fn read(gateway: &Gateway, query: &str) -> Result<Self, Refusal> {
        let mut wanted = Self::default();
        let mut issues = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Some(name), Some(value)) = (decoded(name), decoded(value)) else {
                issues.push(Issue::general(IssueCode::Value, "A parameter is not UTF-8."));
                continue;
            };
            match wanted.take(gateway, &name, &value) {
                Ok(()) if name == "_format" => {}
                Ok(()) => wanted.counted.push((name, value)),
                Err(words) => issues.push(Issue::general(IssueCode::Value, words)),
            }
        }
        if issues.is_empty() { Ok(wanted) } else { Err(Refusal::several(400, issues)) }
    }

    fn take(&mut self, gateway: &Gateway, name: &str, value: &str) -> Result<(), &'static str> {
        let own = format!("{}/", gateway.base_url);
        match name {
            "owner" | "requester" => {
                let any = value.split(',').map(|one| {
                    let one = one.strip_prefix(&own).unwrap_or(one);
                    let one = if one.contains('/') { one.to_owned() } else { format!("Organization/{one}") };
                    Token::new(name, one)
                });
                self.tokens.push(any.collect());
            }
            "owner:identifier" | "requester:identifier" => {
                self.tokens.push(value.split(',').map(|one| Token::new(name, one)).collect());
            }
            "assigned-to" => {
                self.assigned =
                    Some(AccountId::read(value).map_err(|_| "assigned-to is a name that somebody signs in with.")?);
            }
            "cause" => {
                let read: Option<Vec<Cause>> = value.split(',').map(Cause::named).collect();
                self.causes = read.ok_or("cause is one of the codes of the list; docs/link-worker.md names them.")?;
            }
            "_count" => self.count = Some(value.parse().map_err(|_| "_count is a whole number.")?),
            "_format" => {}
            _ => return Err("This operation knows owner, requester, assigned-to, cause and _count."),
        }
        Ok(())
    }

    fn takes(&self, item: &Item) -> bool {
        let of_cause = self.causes.is_empty() || item.causes.iter().any(|cause| self.causes.contains(cause));
        let of_person = self.assigned.is_none() || item.parties.assigned == self.assigned;
        if !of_cause || !of_person || self.tokens.is_empty() {
            return of_cause && of_person;
        }
        let carried = tokens("Task", &item.task.document);
        self.tokens.iter().all(|any| any.iter().any(|token| carried.contains(token)))
    }
}
