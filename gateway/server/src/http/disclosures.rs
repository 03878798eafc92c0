//! Who received what, for those who look after it in the organisation: `AuditEvent`, and the page for one person.

use super::context::Context;
use super::reply::{Reply, store_fault};
use super::search::{date_range, decoded, encoded};
use super::write::forbidden;
use crate::disclosures::{self, History, audit_event, page};
use crate::gateway::Gateway;
use crate::store::UpdatedRange;
use axum::http::StatusCode;
use gateway_core::identity::{ClientId, Role};
use gateway_core::refusal::Refusal;
use gateway_fhir::{Issue, IssueCode};
use time::OffsetDateTime;

/// Whose referrals this client may ask about: all of its organisation's, or only its own.
fn only_of(context: &Context) -> Result<Option<&ClientId>, Refusal> {
    let roles = &context.client.roles;
    if roles.contains(&Role::Governance) {
        Ok(None)
    } else if roles.contains(&Role::Referrer) {
        Ok(Some(&context.client.id))
    } else {
        Err(forbidden())
    }
}

async fn history(gateway: &Gateway, context: &Context, patient: &str) -> Result<Option<History>, Refusal> {
    let (compartment, only_of) = (context.client.compartment(), only_of(context)?);
    let found = disclosures::of_person(gateway.store.as_ref(), &compartment, patient, only_of).await;
    found.map_err(|error| store_fault(&error))
}

/// One disclosure.
pub(super) async fn read(gateway: &Gateway, context: &Context, id: &str) -> Result<Reply, Refusal> {
    let only_of = only_of(context)?;
    // One name for each: `007` is no other name of `7`.
    let number = id.parse::<u64>().ok().filter(|number| number.to_string() == id).ok_or_else(Refusal::not_found)?;
    let found = disclosures::of_line(gateway.store.as_ref(), &context.client.compartment(), number).await;
    let (referral, told) = found.map_err(|error| store_fault(&error))?.ok_or_else(Refusal::not_found)?;
    if only_of.is_some_and(|client| referral.client != *client) {
        return Err(Refusal::not_found());
    }
    Ok(Reply::json(StatusCode::OK, audit_event::of(&referral, &told, &gateway.base_url).to_text()))
}

/// The page, or the same as a Bundle.
pub(super) async fn of_patient(gateway: &Gateway, context: &Context, id: &str, html: bool) -> Result<Reply, Refusal> {
    let history = history(gateway, context, id).await?.ok_or_else(Refusal::not_found)?;
    if html {
        return Ok(Reply::html(page::of(&history, gateway.clock.now())));
    }
    let url = format!("{}/Patient/{id}/$disclosures", gateway.base_url);
    Ok(bundle(&history, &gateway.base_url, &url))
}

/// All disclosures of a person as a searchset.
fn bundle(history: &History, base: &str, url: &str) -> Reply {
    let told = history.told();
    let entries: Vec<String> = told.iter().map(|(referral, told)| entry(base, referral, told)).collect();
    searchset(told.len(), &[("self", url.to_owned())], &entries)
}

/// What is searched for.
struct Asked {
    patient: String,
    dates: UpdatedRange,
    count: usize,
    after: u64,
    up_to: Option<u64>,
    counted: Vec<(String, String)>,
}

/// `AuditEvent?patient=…`.
pub(super) async fn search(gateway: &Gateway, context: &Context, query: &str) -> Result<Reply, Refusal> {
    only_of(context)?;
    let asked = read_query(gateway, context, query)?;
    let history = history(gateway, context, &asked.patient).await?;
    let all = history.as_ref().map(History::told).unwrap_or_default();
    let within = |at: OffsetDateTime| {
        // To the millisecond, as it is shown.
        let at = at.replace_nanosecond(u32::from(at.millisecond()) * 1_000_000).unwrap_or(at);
        asked.dates.from.is_none_or(|from| from <= at) && asked.dates.to.is_none_or(|to| at <= to)
    };
    let newest = asked.up_to.unwrap_or_else(|| all.last().map_or(0, |(_, told)| told.number));
    let matching: Vec<_> = all.into_iter().filter(|(_, told)| within(told.at) && told.number <= newest).collect();
    let total = matching.len();
    let mut rest = matching.into_iter().filter(|(_, told)| told.number > asked.after);
    let shown: Vec<_> = rest.by_ref().take(asked.count).collect();
    let address = |more: &[(&str, u64)]| {
        let own = asked.counted.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
        let pairs: Vec<String> = own.chain(more.iter().map(|(name, place)| format!("{name}={place}"))).collect();
        format!("{}/AuditEvent?{}", gateway.base_url, pairs.join("&"))
    };
    let mut links = vec![("self", address(&[]))];
    if let (Some((_, last)), Some(_)) = (shown.last(), rest.next()) {
        links.push(("next", address(&[("_after", last.number), ("_upto", newest)])));
    }
    let entries: Vec<String> = shown.iter().map(|(referral, told)| entry(&gateway.base_url, referral, told)).collect();
    Ok(searchset(total, &links, &entries))
}

fn entry(base: &str, referral: &gateway_core::referral::Referral, told: &disclosures::Told) -> String {
    let event = audit_event::of(referral, told, base).to_text();
    let url = format!("{base}/AuditEvent/{}", told.number);
    format!("{{\"fullUrl\":\"{url}\",\"resource\":{event},\"search\":{{\"mode\":\"match\"}}}}")
}

pub(super) fn searchset(total: usize, links: &[(&str, String)], entries: &[String]) -> Reply {
    let links: Vec<String> =
        links.iter().map(|(relation, url)| format!("{{\"relation\":\"{relation}\",\"url\":\"{url}\"}}")).collect();
    let mut body = format!(
        "{{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"total\":{total},\"link\":[{}]",
        links.join(",")
    );
    if !entries.is_empty() {
        body.push_str(&format!(",\"entry\":[{}]", entries.join(",")));
    }
    body.push('}');
    Reply::json(StatusCode::OK, body)
}

fn read_query(gateway: &Gateway, context: &Context, query: &str) -> Result<Asked, Refusal> {
    let refused = |words: &str| Refusal::one(400, Issue::general(IssueCode::Value, words));
    let (most, usual) = gateway.limits.page;
    let mut asked = Asked {
        patient: String::new(),
        dates: UpdatedRange::default(),
        count: usual as usize,
        after: 0,
        up_to: None,
        counted: Vec::new(),
    };
    let own = format!("{}/", gateway.base_url);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (decoded(name), decoded(value)) else {
            return Err(refused("A search parameter is not UTF-8."));
        };
        let number = || value.parse::<u64>().map_err(|_| refused("This search parameter is a whole number."));
        match name.as_str() {
            "patient" if asked.patient.is_empty() => {
                let bare = value.strip_prefix(&own).unwrap_or(&value);
                asked.patient = bare.strip_prefix("Patient/").unwrap_or(bare).to_owned();
            }
            "patient" => return Err(refused("Ask about one patient at a time.")),
            "date" => date_range(&mut asked.dates, &value).map_err(refused)?,
            "_count" => asked.count = usize::try_from(number()?).unwrap_or(usize::MAX).clamp(1, most as usize),
            "_after" => asked.after = number()?,
            "_upto" => asked.up_to = Some(number()?),
            "_format" => {}
            _ if context.strict => {
                let words = "A search parameter is unknown here. AuditEvent knows: patient, date.";
                return Err(Refusal::one(400, Issue::general(IssueCode::NotSupported, words)));
            }
            _ => continue,
        }
        if !matches!(name.as_str(), "_after" | "_upto" | "_format") {
            asked.counted.push((name, value));
        }
    }
    if asked.patient.is_empty() {
        return Err(refused("Say about whom: AuditEvent?patient=Patient/id."));
    }
    Ok(asked)
}
