//! What is sent with a form, decided as a client's update of the Task is ([`senders`]), and, where the person is referred elsewhere, as a
//! client's submission is. Nothing is decided here that is not decided there.

use super::follow_ups::version_field;
use super::frame::At;
use super::referral::{offered, page as referral_page, reached};
use super::session::Session;
use super::sheet::{Sheet, VERSION, colleagues, page as sheet_page, routes};
use super::{Fault, Reply};
use crate::gateway::{Gateway, is_race};
use crate::http::pages::fields::Mistake;
use crate::http::pages::form::Form;
use crate::http::update::{of_follow_up, senders};
use crate::ingest::{self, IngestError};
use crate::subject;
use crate::work::Item;
use axum::body::Body;
use axum::http::StatusCode;
use gateway_core::account::{AccountId, AccountRole};
use gateway_core::change::{Change, Transaction};
use gateway_core::identity::{Client, Owner};
use gateway_core::ingest::check_single;
use gateway_core::re_refer::{Old, again};
use gateway_core::reach::Reach;
use gateway_core::refusal::{Refusal, pass_or_refuse};
use gateway_core::resource::WriteMethod;
use gateway_core::route::Recipient;
use gateway_core::split::is_plan;
use gateway_core::withdraw;
use gateway_core::work_item::{self, How};
use gateway_core::work_list::{Act, REASONS};
use gateway_fhir::Json;
use serde_json::json;

/// Longest name of who confirmed.
const NAME: usize = 200;

/// What is wanted, as the form says it.
enum Wish {
    /// Of this follow-up, as it was in this version, with what was done.
    Complete(String, u64, String),
    Answer(String),
    Release,
    ReRefer(Recipient),
    RecordCall(String),
    Settle(How, String),
    Cancel(String),
    HandOver(Option<AccountId>),
}

const MOVED_ON: &str = "The referral has moved on since you opened the form. What you sent was not stored. Below you see how it stands now.";

/// Does what a form asks for, once; what is left over of it is the page on which it can be put right.
pub(super) async fn act(
    gateway: &Gateway,
    at: &At,
    session: &Session,
    (task, act): (&str, Act),
    body: Body,
) -> Result<Reply, Fault> {
    let form = session.sent(gateway, body).await?;
    let item = reached(gateway, session, task).await?;
    if !session.account.may(AccountRole::LinkWorker) {
        return Err(Fault::NotAllowed);
    }
    let is_offered = offered(session, &item).contains(&act);
    // A follow-up has a version of its own, and is compared by it.
    let moved_on = act != Act::Complete && form.field(VERSION).parse() != Ok(item.task.version);
    if moved_on || !is_offered {
        return referral_page(gateway, at, session, &item, Some((StatusCode::CONFLICT, MOVED_ON))).await;
    }
    let wish = match wish(gateway, session, &item, act, &form).await? {
        Ok(wish) => wish,
        Err(mistakes) => {
            let sheet = Sheet { act, item: &item, sent: Some(&form), mistakes: &mistakes };
            return Ok(Reply::Page(StatusCode::UNPROCESSABLE_ENTITY, sheet_page(gateway, at, session, &sheet).await?));
        }
    };
    let Owner::Organisation(organisation) = &item.referral.compartment.owner else { return Err(Fault::Nowhere) };
    let client = session.account.client(organisation).ok_or(Fault::Nowhere)?;
    let (mut transaction, next) = match decided(gateway, session, &client, &item, &wish).await {
        Ok(decided) => decided,
        Err(refusal) => return refused(gateway, at, session, &item, &refusal).await,
    };
    let detail = json!({ "act": act.word(), "task": item.referral.task, "next": next });
    transaction.changes.push(session.line(gateway, "work-act", Some(&item.referral.id), detail));
    subject::assign(gateway, &item.referral.compartment, &mut transaction).await?;
    match gateway.commit(transaction).await {
        Ok(()) => Ok(Reply::See(format!("/{}", next.as_deref().unwrap_or(task)), Vec::new())),
        Err(error) if is_race(&error) => {
            let item = reached(gateway, session, task).await?;
            referral_page(gateway, at, session, &item, Some((StatusCode::CONFLICT, MOVED_ON))).await
        }
        Err(error) => Err(error.into()),
    }
}

/// What the core does not let happen, in its words, with the referral as it stands.
async fn refused(
    gateway: &Gateway,
    at: &At,
    session: &Session,
    item: &Item,
    refusal: &Refusal,
) -> Result<Reply, Fault> {
    if refusal.status >= 500 {
        return Err(Fault::Failed);
    }
    if refusal.status == 429 {
        return Err(Fault::Busy);
    }
    if refusal.status == 412 {
        return referral_page(gateway, at, session, item, Some((StatusCode::CONFLICT, MOVED_ON))).await;
    }
    let words: Vec<&str> = refusal.issues.iter().map(|issue| issue.diagnostics.as_str()).collect();
    let words = format!("This was not stored. {}", words.join(" "));
    referral_page(gateway, at, session, item, Some((StatusCode::UNPROCESSABLE_ENTITY, &words))).await
}

/// What the form says; or what has to be put right.
async fn wish(
    gateway: &Gateway,
    session: &Session,
    item: &Item,
    act: Act,
    form: &Form,
) -> Result<Result<Wish, Vec<Mistake>>, Fault> {
    let wrong = |field: &'static str, words: &str| Ok(Err(vec![Mistake { field, words: words.to_owned() }]));
    let most = gateway.limits.link_words;
    let words = form.words("words");
    let long = words.chars().count();
    if matches!(act, Act::Complete | Act::Answer | Act::Settle | Act::Cancel) && long > most {
        return wrong("words", &format!("Write {most} characters or fewer: there are {long}"));
    }
    Ok(Ok(match act {
        Act::Complete => {
            // One that a colleague has done is refused as any that has moved on.
            match item.referral.follow_ups.iter().find(|one| one.task == form.field("follow-up")) {
                None => return wrong("follow-up", "Choose what is done"),
                Some(_) if words.is_empty() => return wrong("words", "Write what was done"),
                Some(one) => {
                    let version = form.field(&version_field(&one.task)).parse().unwrap_or_default();
                    Wish::Complete(one.task.clone(), version, words)
                }
            }
        }
        Act::Answer if words.is_empty() => return wrong("words", "Write your answer"),
        Act::Answer => Wish::Answer(words),
        Act::Release => Wish::Release,
        Act::ReRefer => {
            let chosen =
                routes(gateway, &session.account.tenant).into_iter().find(|one| one.name == form.field("service"));
            match chosen.and_then(|route| route.recipients.first()) {
                Some(recipient) => Wish::ReRefer(recipient.clone()),
                None => return wrong("service", "Choose a service"),
            }
        }
        Act::RecordCall => {
            let by = form.words("by");
            if by.is_empty() {
                return wrong("by", "Write who confirmed it");
            }
            if by.chars().count() > NAME || by.chars().any(char::is_control) {
                return wrong("by", "Write 200 characters or fewer, on one line");
            }
            Wish::RecordCall(by)
        }
        Act::Settle => match How::named(form.field("reason")).filter(|how| REASONS.contains(how)) {
            None => return wrong("reason", "Choose why nothing more is to be done"),
            Some(How::Other) if words.is_empty() => return wrong("words", "Write the reason"),
            Some(how) => Wish::Settle(how, words),
        },
        Act::Cancel if words.is_empty() => return wrong("words", "Write why the referral ends"),
        Act::Cancel => Wish::Cancel(words),
        Act::HandOver if !form.has("to") => return wrong("to", "Choose to whom"),
        Act::HandOver if form.field("to").is_empty() => Wish::HandOver(None),
        Act::HandOver => {
            let organisation = match &item.referral.compartment.owner {
                Owner::Organisation(code) => code.as_str(),
                Owner::Platform(_) => "",
            };
            let all = colleagues(gateway, &session.account).await?;
            let mut able = all.into_iter().filter(|one| one.organisations.contains(organisation));
            match able.find(|one| one.id.0 == form.field("to")) {
                Some(one) => Wish::HandOver(Some(one.id)),
                None => return wrong("to", "Choose to whom"),
            }
        }
    }))
}

/// What is committed for it, and the Task to go on with if it is another.
async fn decided(
    gateway: &Gateway,
    session: &Session,
    client: &Client,
    item: &Item,
    wish: &Wish,
) -> Result<(Transaction, Option<String>), Refusal> {
    let now = gateway.clock.now();
    if let Wish::Complete(follow_up, version, words) = wish {
        return completed(gateway, session, client, item, (follow_up, *version, words)).await;
    }
    let mut task = item.task.document.clone();
    // Our own stamps say nothing in what is proposed.
    if let Some(meta) = task.get_mut("meta") {
        meta.remove("versionId");
        meta.remove("lastUpdated");
    }
    let ended = item.referral.task_status.is_final();
    let say = |task: &mut Json, words: &str| {
        if !words.is_empty() {
            work_item::note(task, &session.account.name, now, words);
        }
    };
    match wish {
        Wish::Complete(..) => {}
        Wish::Answer(words) => {
            say(&mut task, words);
            work_item::settle(&mut task, How::Answered);
        }
        Wish::Release => task.set("status", Json::string("requested")),
        Wish::ReRefer(_) if ended => work_item::settle(&mut task, How::ReReferred),
        Wish::ReRefer(_) => {
            task.set("status", Json::string("cancelled"));
            task.set("statusReason", json!({ "text": "The person was referred to another service." }).into());
        }
        Wish::RecordCall(by) => {
            withdraw::record_call(&mut task, by);
        }
        Wish::Settle(how, words) => {
            say(&mut task, words);
            work_item::settle(&mut task, *how);
        }
        Wish::Cancel(words) => {
            task.set("status", Json::string("cancelled"));
            task.set("statusReason", json!({ "text": words }).into());
        }
        Wish::HandOver(to) => work_item::assign(&mut task, to.as_ref()),
    }
    pass_or_refuse(check_single(&task, "Task"))?;
    let correlation = gateway.new_id();
    let current = (item.referral.task.as_str(), item.task.version, &item.task.document);
    let asked = (client, correlation.as_str());
    let updated = senders(gateway, asked, current, &task, WriteMethod::Put, Some(item.task.version)).await?;
    let mut transaction = updated.transaction;
    let Wish::ReRefer(to) = wish else { return Ok((transaction, None)) };
    let failed = |error| crate::http::reply::store_fault(&error);
    gateway.admission.new_work(&client.tenant, gateway.store.as_ref()).await.map_err(failed)??;
    let mut wholes = Vec::new();
    for part in item.task.document.items("partOf") {
        let Some(reference) = part.text("reference") else { continue };
        let whole = ingest::load(gateway, &item.referral.compartment, reference).await.map_err(failed)?;
        if whole.is_some_and(|(_, whole)| is_plan(&whole)) {
            wholes.push(reference.to_owned());
        }
    }
    let old = Old {
        task: (&item.referral.task, &item.task.document),
        service_request: (&item.referral.service_request, &item.service_request.document),
        wholes: &wholes,
    };
    // Whoever sees only what names them would not see what they have just made.
    let by = (session.account.reach != Reach::default()).then_some(&session.account.id);
    let submission = again(&old, to, &gateway.new_id(), by, now);
    let accepted = ingest::decide(gateway, client, &correlation, &submission).await.map_err(|error| match error {
        IngestError::Refused(refusal) => refusal,
        IngestError::Store(error) => failed(error),
    })?;
    let next = accepted.written.iter().find(|row| row.kind == "Task").map(|row| row.id.clone());
    // Both or neither: nobody is left without a referral, and nobody has two.
    transaction.checks.extend(accepted.transaction.checks);
    // It is the same practice's referral: whoever was told of the old one is told of the new one. Its author stays who acted.
    transaction.changes.extend(accepted.transaction.changes.into_iter().map(|change| match change {
        Change::PutReferral(mut referral) => {
            referral.client = item.referral.client.clone();
            Change::PutReferral(referral)
        }
        other => other,
    }));
    Ok((transaction, next))
}

/// A follow-up is done: an update of its own Task.
async fn completed(
    gateway: &Gateway,
    session: &Session,
    client: &Client,
    item: &Item,
    (id, seen, words): (&str, u64, &str),
) -> Result<(Transaction, Option<String>), Refusal> {
    let failed = |error| crate::http::reply::store_fault(&error);
    let stored = ingest::load(gateway, &item.referral.compartment, &format!("Task/{id}")).await.map_err(failed)?;
    let (version, current) = stored.ok_or_else(Refusal::not_found)?;
    let mut task = current.clone();
    if let Some(meta) = task.get_mut("meta") {
        meta.remove("versionId");
        meta.remove("lastUpdated");
    }
    work_item::note(&mut task, &session.account.name, gateway.clock.now(), words);
    task.set("status", Json::string("completed"));
    pass_or_refuse(check_single(&task, "Task"))?;
    let follow_up = (id, version, &current);
    let updated = of_follow_up(gateway, client, &item.referral, follow_up, &task, WriteMethod::Put, Some(seen)).await?;
    Ok((updated.transaction, None))
}
