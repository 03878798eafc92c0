//! Subscriptions over HTTP: made, changed and ended by the clients that may, read like any other resource, with the operations of the
//! R5 backport guide.

use super::context::{Context, bounded};
use super::read::{key, missing};
use super::reply::{Reply, commit_fault, store_fault};
use super::routes::SUBSCRIPTION;
use super::search::decoded;
use super::update::if_match;
use super::write::{Committed, admit, commit_remembered, repeated};
use crate::gateway::{Gateway, is_race};
use crate::ingest::parse;
use crate::notify::subscription::{
    MOST, Subscriber, begun_anew, client_of, ended, events, go_on, owner, understood, version,
};
use crate::store::{SearchQuery, UpdatedRange};
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use gateway_core::change::{AuditRecord, Change, Check, Transaction};
use gateway_core::ingest::check_single;
use gateway_core::notify::Destination;
use gateway_core::refusal::{Refusal, pass_or_refuse};
use gateway_core::resource::{ResourceKey, ResourceVersion, Token, WriteMethod};
use gateway_core::subscription::{
    Content, Moved, Notification, Shape, Status, Subscription, Topic, proposed, searchset, with_status,
};
use gateway_fhir::{Issue, IssueCode, Json};
use serde_json::json;
use std::collections::BTreeSet;

/// Events of one answer to `$events`, at most.
const EVENTS: u32 = 200;

/// Ids of one question, at most.
const IDS: usize = 100;

/// What this client may subscribe with.
fn subscriber<'g>(gateway: &'g Gateway, context: &Context) -> Result<&'g Subscriber, Refusal> {
    gateway.subscribers.of(&context.client).ok_or_else(|| {
        let words = "This client may not subscribe. The operator of this gateway allows it in the client's section of the configuration \
                     (subscriptions), with the hosts to which notifications may go.";
        Refusal::one(403, Issue::general(IssueCode::Forbidden, words))
    })
}

/// POST.
pub(super) async fn create(gateway: &Gateway, context: &Context, bytes: &[u8]) -> Result<Reply, Refusal> {
    let subscriber = subscriber(gateway, context)?;
    if let Some(reply) = repeated(gateway, context, bytes).await? {
        return Ok(reply);
    }
    if context.if_none_exist.is_some() {
        let words = "A Subscription is not created conditionally. Search by url first, and leave If-None-Exist out.";
        return Err(Refusal::one(400, Issue::general(IssueCode::NotSupported, words)));
    }
    let (mut document, subscription) = accepted(gateway, subscriber, bytes)?;
    if document.text("status") != Some(Status::Requested.code()) {
        let words = "A Subscription is created with the status requested; it is active once its endpoint has answered.";
        let issue = Issue::at(IssueCode::BusinessRule, "Subscription.status", words);
        return Err(Refusal::one(422, issue));
    }
    document.remove("error");
    room(gateway, context).await?;
    let key = key(context, SUBSCRIPTION, &gateway.new_id());
    let written = (WriteMethod::Post, gateway.clock.now());
    let stored = version(key, 1, document, &context.client.author(), &context.client.id.0, written);
    let reply = Reply::resource(StatusCode::CREATED, &stored).at(url(gateway, &stored)).preferring(context.prefer);
    let mut changes = begun_anew(gateway, &stored.key).await.map_err(|error| store_fault(&error))?;
    changes.push(line(gateway, context, &stored.key.id, Status::Requested, Some(&subscription)));
    changes.push(Change::PutResource(stored));
    match commit_remembered(gateway, context, bytes, &reply, Transaction { checks: Vec::new(), changes }).await {
        Ok(Committed::Now) => Ok(reply),
        Ok(Committed::Before(earlier)) => earlier,
        Err(error) => Err(commit_fault(&error)),
    }
}

/// A body that is a Subscription which this client may have.
fn accepted(gateway: &Gateway, subscriber: &Subscriber, bytes: &[u8]) -> Result<(Json, Subscription), Refusal> {
    let document = admit(gateway, bytes)?;
    pass_or_refuse(check_single(&document, SUBSCRIPTION))?;
    match understood(gateway, subscriber, &document) {
        Ok(subscription) => Ok((document, subscription)),
        Err(issues) => {
            let forbidden = issues.iter().all(|issue| issue.code == IssueCode::Forbidden);
            Err(if forbidden { Refusal::several(403, issues) } else { Refusal::several(422, issues) })
        }
    }
}

/// Each version of a Task is looked at by every Subscription.
async fn room(gateway: &Gateway, context: &Context) -> Result<(), Refusal> {
    let on = [Status::Requested, Status::Active, Status::Error];
    let on = on.iter().map(|status| Token::new("status", status.code())).collect();
    let found = gateway.store.search(&search(context, on, 1)).await.map_err(|error| store_fault(&error))?;
    if found.total.unwrap_or_default() < u64::from(MOST) {
        return Ok(());
    }
    let words = format!("This organisation has {MOST} Subscriptions. Delete those that nobody needs.");
    Err(Refusal::one(422, Issue::general(IssueCode::TooCostly, words)))
}

fn url(gateway: &Gateway, stored: &ResourceVersion) -> String {
    format!("{}/{SUBSCRIPTION}/{}/_history/{}", gateway.base_url, stored.key.id, stored.version)
}

/// PUT. What leads elsewhere, or is asked for anew, begins with a handshake.
pub(super) async fn update(gateway: &Gateway, context: &Context, id: &str, bytes: &[u8]) -> Result<Reply, Refusal> {
    let subscriber = subscriber(gateway, context)?;
    if let Some(reply) = repeated(gateway, context, bytes).await? {
        return Ok(reply);
    }
    let if_match = if_match(context)?;
    let (document, next) = accepted(gateway, subscriber, bytes)?;
    if document.text("id") != Some(id) {
        let words = "The body's id must be the one in the address.";
        return Err(Refusal::one(400, Issue::at(IssueCode::Structure, "Subscription.id", words)));
    }
    let key = key(context, SUBSCRIPTION, id);
    let mut tries = 0;
    loop {
        let (stored, current) = standing(gateway, context, &key).await?;
        if if_match.is_some_and(|seen| seen != stored.version) {
            let words = "If-Match names another version than the one that stands now. Read it again and decide anew.";
            return Err(Refusal::one(412, Issue::general(IssueCode::Conflict, words)));
        }
        if client_of(&stored) != context.client.id.0 {
            return Err(not_its_own());
        }
        let before = understood(gateway, subscriber, &current).ok();
        let status = before.as_ref().map_or(Status::Requested, |before| proposed(before, &next));
        let status = if next.status == Status::Off { Status::Off } else { status };
        if topic(&current) != next.interest.topic {
            let words = "A Subscription keeps its topic: its events are numbered. Delete it, and make another.";
            let issue = Issue::at(IssueCode::BusinessRule, "Subscription.criteria", words);
            return Err(Refusal::one(422, issue));
        }
        let error = if status == Status::Error { current.text("error").map(str::to_owned) } else { None };
        let mut changed = with_status(&document, &Moved { status, error: None });
        if let Some(error) = error {
            changed.set("error", Json::string(error));
        }
        strip_stamps(&mut changed);
        let written = (WriteMethod::Put, gateway.clock.now());
        let author = context.client.author();
        let made = version(key.clone(), stored.version + 1, changed, &author, &context.client.id.0, written);
        let pulse = match status {
            Status::Requested => begun_anew(gateway, &key).await,
            Status::Active => go_on(gateway, &key, &next).await,
            Status::Error => Ok(Vec::new()),
            Status::Off => ended(gateway, &key).await,
        };
        let mut changes = pulse.map_err(|error| store_fault(&error))?;
        let reply = Reply::resource(StatusCode::OK, &made).at(url(gateway, &made)).preferring(context.prefer);
        changes.push(line(gateway, context, id, status, Some(&next)));
        changes.push(Change::PutResource(made));
        let checks = vec![Check::VersionIs { key: key.clone(), version: stored.version }];
        match commit_remembered(gateway, context, bytes, &reply, Transaction { checks, changes }).await {
            Ok(Committed::Now) => return Ok(reply),
            Ok(Committed::Before(earlier)) => return earlier,
            Err(error) if is_race(&error) && tries < gateway.limits.conflict_retries => tries += 1,
            Err(error) => return Err(commit_fault(&error)),
        }
    }
}

/// Who had whom told, and how much: whoever looks after information governance will ask. An endpoint may hold a secret in its path, so
/// of it the host is all that is written down.
fn line(gateway: &Gateway, context: &Context, id: &str, status: Status, subscription: Option<&Subscription>) -> Change {
    let host = subscription
        .and_then(|one| url::Url::parse(&one.endpoint).ok())
        .and_then(|url| url.host_str().map(str::to_owned));
    Change::Audit(AuditRecord {
        tenant: context.client.tenant.clone(),
        at: gateway.clock.now(),
        actor: context.client.author(),
        action: "subscribe".to_owned(),
        referral: None,
        detail: json!({
            "subscription": id,
            "status": status.code(),
            "topic": subscription.map(|one| one.interest.topic.url()),
            "content": subscription.map(|one| one.content.code()),
            "host": host,
        }),
    })
}

/// A client that sends back what it read sends our stamps too: they say nothing.
fn strip_stamps(document: &mut Json) {
    if let Some(meta) = document.get_mut("meta") {
        meta.remove("versionId");
        meta.remove("lastUpdated");
    }
}

async fn standing(gateway: &Gateway, context: &Context, key: &ResourceKey) -> Result<(ResourceVersion, Json), Refusal> {
    let stored = gateway.store.resource(key, None).await.map_err(|error| store_fault(&error))?;
    let Some(stored) = stored else { return Err(missing(gateway, context, key).await) };
    let document = parse(&stored).ok_or_else(Refusal::not_found)?;
    Ok((stored, document))
}

/// DELETE: it is off, and can still be read.
pub(super) async fn delete(gateway: &Gateway, context: &Context, id: &str) -> Result<Reply, Refusal> {
    // Whoever may no longer subscribe may still end what it began.
    let key = key(context, SUBSCRIPTION, id);
    if context.client.platform.is_some() {
        return Err(Refusal::not_found());
    }
    let gone = Reply::text(StatusCode::NO_CONTENT, "");
    let mut tries = 0;
    loop {
        let (stored, current) = standing(gateway, context, &key).await?;
        may_end(gateway, context, &stored)?;
        if current.text("status") == Some(Status::Off.code()) {
            return Ok(gone);
        }
        let next = with_status(&current, &Moved { status: Status::Off, error: None });
        let written = (WriteMethod::Put, gateway.clock.now());
        let author = context.client.author();
        let made = version(key.clone(), stored.version + 1, next, &author, &client_of(&stored), written);
        let mut changes = ended(gateway, &key).await.map_err(|error| store_fault(&error))?;
        changes.push(line(gateway, context, id, Status::Off, None));
        changes.push(Change::PutResource(made));
        match gateway.commit(Transaction { checks: Vec::new(), changes }).await {
            Ok(()) => return Ok(gone),
            Err(error) if is_race(&error) && tries < gateway.limits.conflict_retries => tries += 1,
            Err(error) => return Err(commit_fault(&error)),
        }
    }
}

fn may_end(gateway: &Gateway, context: &Context, stored: &ResourceVersion) -> Result<(), Refusal> {
    if client_of(stored) == context.client.id.0 {
        return Ok(());
    }
    subscriber(gateway, context)?;
    // What nobody looks after any more others may put away.
    if owner(gateway, stored).is_none() { Ok(()) } else { Err(not_its_own()) }
}

/// Whoever could change it could have its events sent elsewhere, and its own client would not know.
fn not_its_own() -> Refusal {
    let words = "This Subscription is another client's of your organisation, which alone changes and deletes it. Make one of your own.";
    Refusal::one(403, Issue::general(IssueCode::Forbidden, words))
}

/// What an operation is asked: the query, or `Parameters` in its form.
pub(super) async fn asked(
    gateway: &Gateway,
    context: &Context,
    parts: &Parts,
    body: Body,
) -> Result<Vec<(String, String)>, Refusal> {
    let mut asked: Vec<(String, String)> = Vec::new();
    for pair in parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if let (Some(name), Some(value)) = (decoded(name), decoded(value)) {
            asked.push((name, value));
        }
    }
    if parts.method != Method::POST {
        return Ok(asked);
    }
    let bytes = match parts.headers.get("content-type") {
        Some(_) => context.fhir_body(gateway, parts, body).await?,
        None => bounded(body, gateway.limits.door.body_bytes).await?,
    };
    if bytes.is_empty() {
        return Ok(asked);
    }
    let document = admit(gateway, &bytes)?;
    if document.text("resourceType") != Some("Parameters") {
        let words = "This operation takes Parameters, or what it is asked in the address.";
        return Err(Refusal::one(400, Issue::at(IssueCode::Structure, "resourceType", words)));
    }
    for parameter in document.items("parameter") {
        let value = ["valueString", "valueId", "valueCode", "valueInteger"].iter().find_map(|name| {
            let value = parameter.get(name)?;
            Some(value.as_str().map_or_else(|| value.to_text(), str::to_owned))
        });
        if let (Some(name), Some(value)) = (parameter.text("name"), value) {
            asked.push((name.to_owned(), value));
        }
    }
    Ok(asked)
}

/// `$status` of one or all, `$events` of one.
pub(super) async fn operation(
    gateway: &Gateway,
    context: &Context,
    name: &str,
    id: Option<&str>,
    asked: &[(String, String)],
) -> Result<Reply, Refusal> {
    match (name, id) {
        ("events", Some(id)) => told(gateway, context, id, asked).await,
        (_, Some(id)) => {
            let found = standing(gateway, context, &key(context, SUBSCRIPTION, id)).await?;
            statuses(gateway, vec![found], 1, None).await
        }
        (_, None) => status_of_all(gateway, context, asked).await,
    }
}

/// `$status` of those that are asked for. An organisation may have many that have ended: who asks for those in error finds these among
/// however many, and what is more than a page holds is on the next.
async fn status_of_all(gateway: &Gateway, context: &Context, asked: &[(String, String)]) -> Result<Reply, Refusal> {
    let (ids, states) = (values(asked, "id"), values(asked, "status"));
    let is_asked =
        |document: &Json| states.is_empty() || document.text("status").is_some_and(|one| states.contains(&one));
    if !ids.is_empty() {
        if ids.len() > IDS {
            let words = format!("At most {IDS} ids are asked for at once.");
            return Err(Refusal::one(400, Issue::general(IssueCode::TooCostly, words)));
        }
        let mut found = Vec::new();
        for id in ids.iter().copied().collect::<BTreeSet<&str>>() {
            let stored = gateway.store.resource(&key(context, SUBSCRIPTION, id), None).await;
            let stored = stored.map_err(|error| store_fault(&error))?;
            let found_here = stored.and_then(|stored| parse(&stored).map(|document| (stored, document)));
            found.extend(found_here.filter(|(_, document)| is_asked(document)));
        }
        let total = u64::try_from(found.len()).unwrap_or(u64::MAX);
        return statuses(gateway, found, total, None).await;
    }
    let number = |name: &str| match asked.iter().find(|(one, _)| one == name).map(|(_, value)| value.parse::<u64>()) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => {
            let words = "_count is a whole number; a link is followed as it is given.";
            Err(Refusal::one(400, Issue::general(IssueCode::Value, words)))
        }
    };
    let most = gateway.limits.page.0;
    let limit =
        number("_count")?.and_then(|count| u32::try_from(count).ok()).map_or(most, |count| count.clamp(1, most));
    let query = SearchQuery {
        after: number("_after")?.unwrap_or(0),
        up_to: number("_upto")?,
        ..search(context, states.iter().map(|status| Token::new("status", *status)).collect(), limit)
    };
    let page = gateway.store.search(&query).await.map_err(|error| store_fault(&error))?;
    let next = page.rows.last().filter(|_| page.more).map(|(place, _)| {
        let mut url = form_urlencoded::Serializer::new(String::new());
        url.extend_pairs(states.iter().map(|status| ("status", *status)));
        let numbers = [("_count", u64::from(limit)), ("_after", *place), ("_upto", page.up_to)];
        url.extend_pairs(numbers.map(|(name, number)| (name, number.to_string())));
        format!("{}/{SUBSCRIPTION}/$status?{}", gateway.base_url, url.finish())
    });
    let total = page.total.unwrap_or_default();
    let rows = page.rows.into_iter().map(|(_, stored)| stored);
    let found = rows.filter_map(|stored| parse(&stored).map(|document| (stored, document))).collect();
    statuses(gateway, found, total, next.as_deref()).await
}

/// The caller's Subscriptions in any of these states; in any at all where none is given.
fn search(context: &Context, states: Vec<Token>, limit: u32) -> SearchQuery {
    SearchQuery {
        compartment: context.client.compartment(),
        kind: SUBSCRIPTION.to_owned(),
        all_of: if states.is_empty() { Vec::new() } else { vec![states] },
        updated: UpdatedRange::default(),
        after: 0,
        up_to: None,
        limit,
        count: true,
    }
}

/// All values of a parameter, of which one is meant.
fn values<'a>(asked: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    asked.iter().filter(|(one, _)| one == name).flat_map(|(_, value)| value.split(',')).collect()
}

/// How many events a Subscription has had.
async fn since_start(gateway: &Gateway, key: &ResourceKey) -> Result<u64, Refusal> {
    let queue = Destination::Subscription { id: key.id.clone() }.queue(&key.compartment);
    gateway.store.last_notice(&queue).await.map_err(|error| store_fault(&error))
}

fn topic(document: &Json) -> Topic {
    document.text("criteria").and_then(Topic::from_url).unwrap_or(Topic::TaskStatus)
}

fn status(document: &Json) -> Status {
    document.text("status").and_then(Status::from_code).unwrap_or(Status::Off)
}

async fn statuses(
    gateway: &Gateway,
    found: Vec<(ResourceVersion, Json)>,
    total: u64,
    next: Option<&str>,
) -> Result<Reply, Refusal> {
    let mut told = Vec::with_capacity(found.len());
    for (stored, document) in &found {
        told.push((stored, document, gateway.new_id(), since_start(gateway, &stored.key).await?));
    }
    let notifications: Vec<Notification<'_>> = told
        .iter()
        .map(|(stored, document, id, since_start)| Notification {
            base_url: &gateway.base_url,
            id,
            subscription: &stored.key.id,
            topic: topic(document),
            status: status(document),
            content: Content::IdOnly,
            shape: Shape::QueryStatus,
            since_start: *since_start,
            events: &[],
            error: document.text("error"),
            now: gateway.clock.now(),
        })
        .collect();
    Ok(Reply::json(StatusCode::OK, searchset(&notifications, total, next).to_text()))
}

/// What a Subscription was or was to be told, by number: what is still kept, from the first asked for on.
async fn told(gateway: &Gateway, context: &Context, id: &str, asked: &[(String, String)]) -> Result<Reply, Refusal> {
    let one = |name: &str| asked.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str());
    let number = |name: &'static str| match one(name).map(str::parse::<u64>) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => {
            let words = format!("{name} is the number of an event: a whole number from 1 on.");
            Err(Refusal::one(400, Issue::general(IssueCode::Value, words)))
        }
    };
    let (since, until) = (number("eventsSinceNumber")?, number("eventsUntilNumber")?);
    let (stored, document) = standing(gateway, context, &key(context, SUBSCRIPTION, id)).await?;
    let own = document.get("channel").and_then(|channel| channel.get("_payload"));
    let own = own.and_then(|more| more.items("extension").iter().find_map(|extension| extension.text("valueCode")));
    let wish = one("content").map(|code| (Content::from_code(code), code));
    if wish.is_some_and(|(content, _)| content.is_none()) {
        let words = "content is empty, id-only or full-resource.";
        return Err(Refusal::one(400, Issue::general(IssueCode::CodeInvalid, words)));
    }
    let content = wish.and_then(|(content, _)| content).or(own.and_then(Content::from_code)).unwrap_or(Content::Empty);
    let queue = Destination::Subscription { id: id.to_owned() }.queue(&stored.key.compartment);
    let after = since.unwrap_or(1).saturating_sub(1);
    let notices = gateway.store.notices(&queue, after, EVENTS).await.map_err(|error| store_fault(&error))?;
    let notices: Vec<_> = notices.into_iter().filter(|one| until.is_none_or(|until| one.sequence <= until)).collect();
    let events = events(gateway, &stored.key.compartment, &notices, content).await;
    let (events, _) = events.map_err(|error| store_fault(&error))?;
    let notification = Notification {
        base_url: &gateway.base_url,
        id: &gateway.new_id(),
        subscription: id,
        topic: topic(&document),
        status: status(&document),
        content,
        shape: Shape::QueryEvent,
        since_start: since_start(gateway, &stored.key).await?,
        events: &events,
        error: document.text("error"),
        now: gateway.clock.now(),
    };
    Ok(Reply::json(StatusCode::OK, notification.bundle().to_text()))
}
