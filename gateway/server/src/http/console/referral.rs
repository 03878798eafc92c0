//! One referral: why it needs a person, what can be done, what it says, and what has happened on both sides.

use super::follow_ups::{self, Open};
use super::frame::{At, frame};
use super::session::Session;
use super::words::{
    author, concept, concepts, contacts, delivery, name, nhs_number, status, status_of, when, when_text,
};
use super::{Fault, Reply};
use crate::gateway::Gateway;
use crate::ingest::parse;
use crate::work::{Item, compartments, find, service};
use axum::http::StatusCode;
use gateway_core::account::AccountRole;
use gateway_core::change::AuditRecord;
use gateway_core::disclose;
use gateway_core::referral::{Delivery, Referral};
use gateway_core::resource::{ResourceKey, ResourceVersion};
use gateway_core::work_item;
use gateway_core::work_list::{Act, Cause, acts};
use gateway_fhir::Json;
use maud::{Markup, html};
use serde_json::json;

/// The referral of this Task, if it is there for whoever is signed in.
pub(super) async fn reached(gateway: &Gateway, session: &Session, task: &str) -> Result<Item, Fault> {
    if !session.account.reads_people() {
        return Err(Fault::Nowhere);
    }
    let found = find(gateway, &compartments(&session.account), &|parties| session.sees(parties), task).await?;
    found.ok_or(Fault::Nowhere)
}

/// What may be done by whoever is signed in.
pub(super) fn offered(session: &Session, item: &Item) -> Vec<Act> {
    if session.account.may(AccountRole::LinkWorker) { acts(&item.referral, &item.causes) } else { Vec::new() }
}

/// Shows a referral. That it is shown is on record before it is.
pub(super) async fn show(gateway: &Gateway, at: &At, session: &Session, task: &str) -> Result<Reply, Fault> {
    let item = reached(gateway, session, task).await?;
    page(gateway, at, session, &item, None).await
}

/// The page of a referral, with what happened to what was sent, if anything.
pub(super) async fn page(
    gateway: &Gateway,
    at: &At,
    session: &Session,
    item: &Item,
    news: Option<(StatusCode, &str)>,
) -> Result<Reply, Fault> {
    let referral = &item.referral;
    session.record(gateway, "work-view", Some(&referral.id), json!({ "task": referral.task })).await?;
    let key =
        ResourceKey { compartment: referral.compartment.clone(), kind: "Task".to_owned(), id: referral.task.clone() };
    let history = gateway.store.history(&key).await?;
    let audit = gateway.store.audit(&referral.id).await?;
    let service = service(gateway, referral);
    let open = follow_ups::open(gateway, item).await?;
    let hidden = hidden(gateway, session, item, &history).await?;
    let content = html! {
        p { a href=(at.0) { "Back to your work list" } }
        @if let Some((_, words)) = news { div.warning role="status" { h2 { "Please look again" } p { (words) } } }
        (needs(at, item, &open, &hidden))
        (offers(at, item, &offered(session, item)))
        (person(item))
        (wanted(item))
        (stands(at, item, service.as_deref(), &hidden))
        (notes(&item.task.document))
        (told(&audit))
        (happened(&history, service.as_deref(), &hidden))
    };
    let status = news.map_or(StatusCode::OK, |(status, _)| status);
    Ok(Reply::Page(status, frame(at, Some(session), "A referral", &[], &content)))
}

/// Why, in the words that were stored for it.
pub(super) fn why(cause: Cause, referral: &Referral, task: &Json) -> Option<String> {
    let reason = || reason(task);
    match cause {
        Cause::NoConsent | Cause::NoRoute | Cause::NeedsReview | Cause::Losses | Cause::Duplicate => {
            match &referral.delivery {
                Delivery::Held { reason } => Some(reason.words()),
                _ => reason(),
            }
        }
        Cause::DeadLetter => match &referral.delivery {
            Delivery::DeadLetter { reason } => Some(reason.clone()),
            _ => reason(),
        },
        Cause::Conflict => referral.conflict.clone(),
        Cause::NoAnswer | Cause::AtService => referral.attention.clone(),
        Cause::Call => referral.recall.as_ref().map(|recall| recall.words.clone()),
        Cause::Question | Cause::Declined | Cause::EndedByService | Cause::Failed => reason(),
        // A word that nobody reads is shown as it came.
        Cause::Reply => reason().or_else(|| task.get("businessStatus").and_then(concept)),
        // What each of them says stands beside it.
        Cause::NeedsMore | Cause::FollowUp => None,
    }
}

/// The Tasks that words name.
fn named(words: &str) -> impl Iterator<Item = &str> {
    let parts = words.split(|char: char| !char.is_ascii_alphanumeric() && !matches!(char, '-' | '/'));
    parts.filter_map(|part| part.strip_prefix("Task/"))
}

/// Tasks that words of this referral name, and that whoever is signed in may not see: that they are there is not told either. Only words
/// of the gateway name Tasks: those of a referral that its service seems to have already.
async fn hidden(
    gateway: &Gateway,
    session: &Session,
    item: &Item,
    history: &[ResourceVersion],
) -> Result<Vec<String>, Fault> {
    let mut words: Vec<String> = history.iter().filter_map(parse).filter_map(|task| reason(&task)).collect();
    words.extend(why(Cause::Duplicate, &item.referral, &item.task.document));
    let mut ids: Vec<&str> = words.iter().flat_map(|words| named(words)).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut hidden = Vec::new();
    for id in ids {
        let found = find(gateway, &compartments(&session.account), &|parties| session.sees(parties), id).await?;
        if found.is_none() {
            hidden.push(id.to_owned());
        }
    }
    Ok(hidden)
}

fn reason(task: &Json) -> Option<String> {
    task.get("statusReason").and_then(concept)
}

/// These words, unless they name what may not be seen.
fn veiled(words: String, hidden: &[String]) -> String {
    match hidden.iter().any(|id| words.contains(id.as_str())) {
        true => {
            "The service seems to have a referral of this person already, which is not yours to see. Ask the practice."
                .to_owned()
        }
        false => words,
    }
}

fn needs(at: &At, item: &Item, open: &[Open], hidden: &[String]) -> Markup {
    html! {
        @if !item.causes.is_empty() {
            section.warning aria-labelledby="needs" {
                h2 #needs { "Why it needs you" }
                @for cause in &item.causes {
                    h3 { (cause.words()) }
                    @if let Some(words) = why(*cause, &item.referral, &item.task.document).map(|words| veiled(words, hidden)) {
                        p.said { (words) }
                        @if *cause == Cause::Duplicate {
                            @for id in named(&words) { p { a href={ (at.0) "/" (id) } { "See the other referral" } } }
                        }
                    }
                    p { (cause.advice()) }
                    @if matches!(cause, Cause::NeedsMore | Cause::FollowUp) {
                        ul { @for open in open.iter().filter(|open| open.one.cause.is_alarm() == (*cause == Cause::NeedsMore)) {
                            li { (open.shown()) }
                        } }
                    }
                }
            }
        }
    }
}

fn offers(at: &At, item: &Item, offered: &[Act]) -> Markup {
    html! {
        @if !offered.is_empty() {
            nav aria-labelledby="acts" {
                h2 #acts { "What you can do" }
                ul.answers { @for (place, act) in offered.iter().enumerate() {
                    li { a.button.second[place > 0] href={ (at.0) "/" (item.referral.task) "/" (act.word()) } {
                        (super::sheet::heading(*act, &item.causes))
                    } }
                } }
            }
        }
    }
}

fn row(term: &str, value: Option<String>) -> Markup {
    html! { @if let Some(value) = value.filter(|value| !value.is_empty()) { div { dt { (term) } dd { (value) } } } }
}

fn person(item: &Item) -> Markup {
    let patient = item.patient.as_ref();
    let text = |element: &str| patient.and_then(|one| one.text(element)).map(str::to_owned);
    html! {
        section.card {
            h2 { "The person" }
            dl {
                (row("Name", Some(name(patient))))
                (row("Born", text("birthDate")))
                (row("NHS number", patient.and_then(nhs_number)))
                @for contact in patient.map(contacts).unwrap_or_default() { (row("Contact", Some(contact))) }
            }
        }
    }
}

fn wanted(item: &Item) -> Markup {
    let request = &item.service_request.document;
    let notes = request.items("note").iter().filter_map(|note| note.text("text"));
    html! {
        section.card {
            h2 { "What is asked for" }
            dl {
                (row("Support", request.get("code").and_then(concept)))
                (row("Kind", concepts(request, "category")))
                (row("Reason", concepts(request, "reasonCode")))
                (row("Priority", item.task.document.text("priority").or_else(|| request.text("priority")).map(str::to_owned)))
                (row("Written", request.text("authoredOn").map(when_text)))
                @for note in notes { (row("Note", Some(note.to_owned()))) }
            }
        }
    }
}

fn stands(at: &At, item: &Item, service: Option<&str>, hidden: &[String]) -> Markup {
    let (referral, task) = (&item.referral, &item.task.document);
    let before = task.items("partOf").iter().filter_map(|one| one.text("reference")?.strip_prefix("Task/"));
    html! {
        section.card {
            h2 { "How it stands" }
            dl {
                (row("Service", Some(service.unwrap_or("None chosen").to_owned())))
                (row("Delivery", Some(delivery(referral))))
                (row("Status", Some(match referral.delivery {
                    Delivery::Delivered { .. } => status(referral.task_status).to_owned(),
                    _ => status_of(task).to_owned(),
                })))
                (row("In the service's words", task.get("businessStatus").and_then(|one| one.text("text")).map(str::to_owned)))
                (row("Reason", reason(task).map(|words| veiled(words, hidden))))
                (row("With", item.parties.assigned.as_ref().map(|who| who.0.clone())))
                (row("Settled", work_item::settled(task).map(|(how, when_)| {
                    when_.map_or_else(|| how.words().to_owned(), |when_| format!("{} ({})", how.words(), when(when_)))
                })))
                @for id in before { div { dt { "Referred before" } dd { a href={ (at.0) "/" (id) } { "See the earlier referral" } } } }
            }
        }
    }
}

fn notes(task: &Json) -> Markup {
    let notes = task.items("note");
    html! {
        @if !notes.is_empty() {
            section.card {
                h2 { "Notes" }
                @for note in notes {
                    p.said { (note.text("text").unwrap_or_default()) }
                    p.hint { (note.text("authorString").unwrap_or("Not signed")) @if let Some(time) = note.text("time") { ", " (when_text(time)) } }
                }
            }
        }
    }
}

/// Who was told, from the audit.
fn told(audit: &[AuditRecord]) -> Markup {
    let lines = audit.iter().filter(|line| line.action == disclose::ACTION);
    let told: Vec<(String, String)> =
        lines.filter_map(|line| Some((when(line.at), line.detail.get("recipient")?.as_str()?.to_owned()))).collect();
    html! {
        section.card {
            h2 { "Who was told of the person" }
            @if told.is_empty() { p { "Nobody outside your organisation." } }
            @else { dl { @for (at, who) in told { (row(&at, Some(who))) } } }
        }
    }
}

/// The versions of the Task that say something new, the newest first.
fn happened(history: &[ResourceVersion], service: Option<&str>, hidden: &[String]) -> Markup {
    let mut steps = Vec::new();
    let mut before: Option<Vec<Option<Json>>> = None;
    for version in history.iter().rev() {
        let Some(task) = parse(version) else { continue };
        let said: Vec<Option<Json>> = ["status", "statusReason", "businessStatus", "output", "note", "extension"]
            .iter()
            .map(|element| task.get(element).cloned())
            .collect();
        if before.as_ref() == Some(&said) {
            continue;
        }
        steps.push((when(version.updated), author(&version.author, service), task));
        before = Some(said);
    }
    html! {
        section.card {
            h2 { "What has happened" }
            ol.history { @for (at, who, task) in steps.iter().rev() {
                li {
                    p { strong { (status_of(task)) } }
                    @if let Some(words) = reason(task).map(|words| veiled(words, hidden)) { p.said { (words) } }
                    p.hint { (at) ", " (who) }
                }
            } }
        }
    }
}
