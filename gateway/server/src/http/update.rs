//! PUT and PATCH: the sender's moves of a Task, a new version of a Consent or of what a referral is made of, a collecting platform's report on the Task
//! that was published for it.

use super::collect::{self, Given};
use super::context::Context;
use super::read::{key, missing};
use super::reply::{Reply, commit_fault, ingest_fault, store_fault};
use super::write::{Committed, admit, commit_remembered, forbidden, need_role, repeated};
use crate::duplicate;
use crate::gateway::{Gateway, is_race};
use crate::ingest::{self, consent_tokens, is_submission, load, nhs_numbers, stored_consents, unchanged};
use axum::http::StatusCode;
use gateway_core::accept::Start;
use gateway_core::change::Change;
use gateway_core::follow_up;
use gateway_core::identity::{Client, PlatformId, Role};
use gateway_core::ingest::{Draft, Found, Submission, Wants, Write, check_single, parse_etag, patient_of};
use gateway_core::patch;
use gateway_core::referral::Referral;
use gateway_core::refusal::{Refusal, pass_or_refuse};
use gateway_core::resource::WriteMethod;
use gateway_core::update::{
    FollowUpUpdate, PublishedTaskUpdate, TaskUpdate, Updated, update_follow_up, update_published_task, update_task,
};
use gateway_fhir::{Issue, IssueCode, Json, references};
use std::collections::BTreeSet;

/// How the new version is made from the request.
enum Proposal {
    /// The body is the new version.
    Whole(Json),
    /// The body is a JSON Patch (RFC 6902).
    Patch(Json),
}

/// PUT.
pub(super) async fn put(
    gateway: &Gateway,
    context: &Context,
    kind: &str,
    id: &str,
    bytes: &[u8],
) -> Result<Reply, Refusal> {
    if let Some(reply) = repeated(gateway, context, bytes).await? {
        return Ok(reply);
    }
    let document = admit(gateway, bytes)?;
    if document.text("id") != Some(id) {
        let words = "The body's id must be the one in the address.";
        return Err(Refusal::one(400, Issue::at(IssueCode::Structure, format!("{kind}.id"), words)));
    }
    match kind {
        "Task" => task(gateway, context, id, bytes, &Proposal::Whole(document)).await,
        _ => anew(gateway, context, kind, id, bytes, &Proposal::Whole(document)).await,
    }
}

/// PATCH.
pub(super) async fn patch(
    gateway: &Gateway,
    context: &Context,
    kind: &str,
    id: &str,
    bytes: &[u8],
) -> Result<Reply, Refusal> {
    if let Some(reply) = repeated(gateway, context, bytes).await? {
        return Ok(reply);
    }
    // The door takes objects only; a patch is an array, so it travels through the door as the member of one.
    let mut wrapped = Vec::with_capacity(bytes.len() + 12);
    wrapped.extend_from_slice(b"{\"patch\":");
    wrapped.extend_from_slice(bytes);
    wrapped.push(b'}');
    let mut document = admit(gateway, &wrapped)?;
    // A body that breaks out of its frame leaves other members beside it.
    if document.as_object().is_none_or(|members| members.len() != 1) {
        let words = "The body is no JSON Patch (RFC 6902): one array of operations with op, path and value.";
        return Err(Refusal::one(400, Issue::general(IssueCode::Structure, words)));
    }
    let operations = document.remove("patch").unwrap_or(Json::Null);
    match kind {
        "Task" => task(gateway, context, id, bytes, &Proposal::Patch(operations)).await,
        _ => anew(gateway, context, kind, id, bytes, &Proposal::Patch(operations)).await,
    }
}

pub(super) fn if_match(context: &Context) -> Result<Option<u64>, Refusal> {
    match context.if_match.as_deref() {
        None => Ok(None),
        Some(text) => match parse_etag(text) {
            Some(version) => Ok(Some(version)),
            None => {
                let words = "If-Match takes the ETag of one version, for example W/\"3\".";
                Err(Refusal::one(400, Issue::general(IssueCode::Value, words)))
            }
        },
    }
}

async fn task(
    gateway: &Gateway,
    context: &Context,
    id: &str,
    bytes: &[u8],
    proposal: &Proposal,
) -> Result<Reply, Refusal> {
    let if_match = if_match(context)?;
    let mut tries = 0;
    loop {
        let compartment = context.client.compartment();
        let current = load(gateway, &compartment, &format!("Task/{id}")).await.map_err(|error| store_fault(&error))?;
        let Some((version, current)) = current else {
            return Err(missing(gateway, context, &key(context, "Task", id)).await);
        };
        let shown = shown(gateway, context, id, &current).await?;
        let (mut proposed, method) = proposed(shown.as_ref().unwrap_or(&current), proposal)?;
        pass_or_refuse(check_single(&proposed, "Task"))?;
        if shown.is_some() {
            gateway_core::task::filled(&mut proposed, &current);
        }
        let updated = if context.client.platform.is_some() {
            published(gateway, context, (id, version, &current), &proposed, method, if_match).await?
        } else if let Some(referral) = followed_up(gateway, context, id, &current).await? {
            need_role(context, Role::Referrer)?;
            let task = (id, version, &current);
            of_follow_up(gateway, &context.client, &referral, task, &proposed, method, if_match).await?
        } else {
            need_role(context, Role::Referrer)?;
            let (client, correlation) = (&context.client, context.names.correlation.as_str());
            senders(gateway, (client, correlation), (id, version, &current), &proposed, method, if_match).await?
        };
        let reply = reply(gateway, context, &updated, id, shown.is_some())?;
        match commit_remembered(gateway, context, bytes, &reply, updated.transaction).await {
            Ok(Committed::Now) => return Ok(reply),
            Ok(Committed::Before(earlier)) => return earlier,
            Err(error) if is_race(&error) && tries < gateway.limits.conflict_retries => tries += 1,
            Err(error) => return Err(commit_fault(&error)),
        }
    }
}

/// What a collecting platform is shown of the Task that it writes, where that is not the whole.
async fn shown(gateway: &Gateway, context: &Context, id: &str, current: &Json) -> Result<Option<Json>, Refusal> {
    if context.client.platform.is_none() {
        return Ok(None);
    }
    need_role(context, Role::Platform)?;
    let stored = gateway.store.resource(&key(context, "Task", id), None).await.map_err(|error| store_fault(&error))?;
    let stored = stored.ok_or_else(Refusal::not_found)?;
    let permitted = collect::permitted(gateway, &context.client, &stored).await;
    match permitted.map_err(|error| commit_fault(&error))? {
        Given::Whole => Ok(None),
        Given::End(_) => Ok(Some(gateway_core::task::ended(current))),
        Given::Nothing => Err(Refusal::not_found()),
    }
}

/// The new version, without the members that only the gateway sets.
fn proposed(current: &Json, proposal: &Proposal) -> Result<(Json, WriteMethod), Refusal> {
    let (mut next, method) = match proposal {
        Proposal::Whole(document) => (document.clone(), WriteMethod::Put),
        Proposal::Patch(operations) => (patch::apply(current, operations)?, WriteMethod::Patch),
    };
    // A client that sends back what it read sends our stamps too: they say nothing.
    if let Some(meta) = next.get_mut("meta") {
        meta.remove("versionId");
        meta.remove("lastUpdated");
    }
    Ok((next, method))
}

/// The new version; for a platform that is shown only that the Task has ended, no more of it.
fn reply(
    gateway: &Gateway,
    context: &Context,
    updated: &Updated,
    id: &str,
    only_ended: bool,
) -> Result<Reply, Refusal> {
    let stored = updated.transaction.changes.iter().rev().find_map(|change| match change {
        Change::PutResource(stored) if stored.key.kind == "Task" && stored.key.id == id => Some(stored),
        _ => None,
    });
    let stored = stored.ok_or_else(Refusal::not_found)?;
    let location = format!("{}/Task/{id}/_history/{}", gateway.base_url, stored.version);
    let mut reply = Reply::resource(StatusCode::OK, stored).at(location);
    if only_ended {
        let task = ingest::parse(stored).ok_or_else(Refusal::not_found)?;
        reply.body = gateway_core::task::ended(&task).to_text();
    }
    Ok(reply.preferring(context.prefer))
}

/// The referral that a Task is a follow-up of: it remembers each, whatever the Task says of itself.
async fn followed_up(
    gateway: &Gateway,
    context: &Context,
    id: &str,
    current: &Json,
) -> Result<Option<Referral>, Refusal> {
    let Some(parent) = follow_up::parent(current).filter(|_| follow_up::is_follow_up(current)) else { return Ok(None) };
    let found = gateway.store.referral_by_task(&context.client.compartment(), parent).await;
    let referral = found.map_err(|error| store_fault(&error))?;
    Ok(referral.filter(|referral| referral.follow_ups.iter().any(|one| one.task == id)))
}

/// Decides on what a client proposes for a follow-up.
pub(super) async fn of_follow_up(
    gateway: &Gateway,
    client: &Client,
    referral: &Referral,
    task: (&str, u64, &Json),
    proposed: &Json,
    method: WriteMethod,
    if_match: Option<u64>,
) -> Result<Updated, Refusal> {
    let exist = references::sites(proposed).into_iter().filter(|site| site.logical).map(|site| site.value).collect();
    let wants = Wants { exist, ..Wants::default() };
    let found = ingest::look_up(gateway, &client.compartment(), wants).await;
    refuse_strange_references(proposed, task.2, &found.map_err(|error| store_fault(&error))?)?;
    let now = gateway.clock.now();
    update_follow_up(&FollowUpUpdate { client, referral, task, proposed, method, if_match, now })
}

/// Decides on what the sender proposes for its Task, in its conversation.
pub(super) async fn senders(
    gateway: &Gateway,
    (client, correlation): (&Client, &str),
    task: (&str, u64, &Json),
    proposed: &Json,
    method: WriteMethod,
    if_match: Option<u64>,
) -> Result<Updated, Refusal> {
    let fault = |error: &crate::store::StoreError| store_fault(error);
    let compartment = client.compartment();
    let references = references::sites(proposed).into_iter().filter(|site| site.logical);
    let exist: BTreeSet<String> = references.map(|site| site.value).collect();
    let wants = Wants { exist: exist.clone(), ..Wants::default() };
    let found = ingest::look_up(gateway, &compartment, wants).await.map_err(|error| fault(&error))?;
    refuse_strange_references(proposed, task.2, &found)?;
    let focus = task.2.get("focus").and_then(|focus| focus.text("reference")).unwrap_or_default().to_owned();
    let request = found.stored.get(&focus).cloned().ok_or_else(|| {
        let words = "Task.focus must go on referring to the ServiceRequest that it was created for.";
        Refusal::one(422, Issue::at(IssueCode::BusinessRule, "Task.focus", words))
    })?;
    let request_id = focus.strip_prefix("ServiceRequest/").unwrap_or_default();
    let lookup = |reference: &str| found.stored.get(reference).map(|stored| &stored.document);
    let person = patient_of(&request.document, request_id, &lookup).ok_or_else(Refusal::not_found)?;
    let numbers: BTreeSet<String> = nhs_numbers(&person.document).into_iter().collect();
    let references = BTreeSet::from([person.reference.clone()]);
    let others =
        duplicate::others(gateway, &compartment, &references, &numbers).await.map_err(|error| fault(&error))?;
    let any = consent_tokens(references, numbers);
    let consents = stored_consents(gateway, &compartment, &any).await.map_err(|error| fault(&error))?;
    let referral = gateway.store.referral_by_task(&compartment, task.0).await.map_err(|error| fault(&error))?;
    let outbox = match &referral {
        Some(referral) => gateway.store.outbox(&referral.id).await.map_err(|error| fault(&error))?,
        None => Vec::new(),
    };
    let platform = referral.as_ref().and_then(|referral| referral.platform.as_ref());
    let capabilities = platform.and_then(|id| gateway.platform(id)).map(|platform| platform.capabilities());
    let named = ingest::named_by(&consents.consents);
    let directory =
        ingest::directory(gateway, &compartment, named, &found.stored).await.map_err(|error| fault(&error))?;
    let latest = gateway.decision_time().await.map_err(|error| fault(&error))?;
    let lookup = |reference: &str| {
        found.stored.get(reference).or_else(|| directory.get(reference)).map(|stored| &stored.document)
    };
    let update = TaskUpdate {
        start: Start {
            client,
            correlation,
            compartment: &compartment,
            task,
            service_request: (request_id, &request.document),
            person: &person,
            consents: &consents,
            others: &others.0,
            rules: &gateway.rules,
            translators: &gateway.platforms,
            lookup: &lookup,
            consent_name: &gateway_core::consent::stored_name,
            now: gateway.clock.now(),
            latest,
        },
        proposed,
        method,
        if_match,
        referral: referral.as_ref(),
        outbox: &outbox,
        capabilities,
        service_request_version: request.version,
    };
    let mut updated = update_task(&update, &mut || gateway.new_id())?;
    // What is to leave leaves on these consents, or is decided anew.
    if updated.transaction.changes.iter().any(is_submission) {
        updated.transaction.checks.extend(unchanged(&compartment, any, &consents));
    }
    Ok(updated)
}

/// What the version before refers to may stay: it was looked at when it came, or the gateway wrote it, as in the receipt of a
/// withdrawal.
fn refuse_strange_references(document: &Json, before: &Json, found: &Found) -> Result<(), Refusal> {
    let standing: BTreeSet<String> = references::sites(before).into_iter().map(|site| site.value).collect();
    let issues = references::sites(document)
        .into_iter()
        .filter(|site| site.logical && !site.value.starts_with('#') && !found.stored.contains_key(&site.value))
        .filter(|site| !standing.contains(&site.value))
        .map(|site| Issue::at(IssueCode::NotFound, site.expression, "This refers to nothing that you stored here."))
        .collect();
    pass_or_refuse(issues)
}

/// A collecting platform's update of the Task that was published for it.
async fn published(
    gateway: &Gateway,
    context: &Context,
    task: (&str, u64, &Json),
    proposed: &Json,
    method: WriteMethod,
    if_match: Option<u64>,
) -> Result<Updated, Refusal> {
    let platform: &PlatformId = context.client.platform.as_ref().ok_or_else(forbidden)?;
    let compartment = context.client.compartment();
    let mut entries = Vec::new();
    for site in references::sites(proposed).into_iter().filter(|site| site.logical && !site.value.starts_with('#')) {
        let found = load(gateway, &compartment, &site.value).await.map_err(|error| store_fault(&error))?;
        let Some((_, document)) = found else {
            let words = "This refers to nothing that was published for you or stored by you.";
            return Err(Refusal::one(422, Issue::at(IssueCode::NotFound, site.expression, words)));
        };
        if site.expression.starts_with("Task.output") {
            let (url, text) = (format!("{}/{}", gateway.base_url, site.value), document.to_text());
            entries.push(format!("{{\"fullUrl\":\"{url}\",\"resource\":{text}}}"));
        }
    }
    let mut first = proposed.clone();
    let now = gateway.clock.now();
    gateway_core::task::stamp(&mut first, task.0, task.1 + 1, now, &context.client.author());
    let url = format!("{}/Task/{}", gateway.base_url, task.0);
    entries.insert(0, format!("{{\"fullUrl\":\"{url}\",\"resource\":{}}}", first.to_text()));
    let report = format!("{{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"entry\":[{}]}}", entries.join(","));
    let update =
        PublishedTaskUpdate { client: &context.client, platform, task, proposed, method, if_match, report, now };
    update_published_task(&update, gateway.new_id())
}

/// A new version of a Consent, which is how a withdrawal reaches the gateway, or of what a referral is made of.
async fn anew(
    gateway: &Gateway,
    context: &Context,
    kind: &str,
    id: &str,
    bytes: &[u8],
    proposal: &Proposal,
) -> Result<Reply, Refusal> {
    need_role(context, if kind == "Consent" { Role::Consent } else { Role::Referrer })?;
    let if_match = if_match(context)?;
    if if_match.is_none() && kind != "Consent" {
        let words = "Say which version you have read: this update needs If-Match.";
        return Err(Refusal::one(412, Issue::general(IssueCode::Required, words)));
    }
    let mut tries = 0;
    loop {
        let compartment = context.client.compartment();
        let current =
            load(gateway, &compartment, &format!("{kind}/{id}")).await.map_err(|error| store_fault(&error))?;
        let Some((version, current)) = current else {
            return Err(missing(gateway, context, &key(context, kind, id)).await);
        };
        if if_match.is_some_and(|seen| seen != version) {
            let words = "If-Match names another version than the one that stands now. Read it again and decide anew.";
            return Err(Refusal::one(412, Issue::general(IssueCode::Conflict, words)));
        }
        let (document, _) = proposed(&current, proposal)?;
        pass_or_refuse(check_single(&document, kind))?;
        let draft = Draft {
            place: kind.to_owned(),
            full_url: None,
            kind: kind.to_owned(),
            sent_id: Some(id.to_owned()),
            write: Write::Update { id: id.to_owned(), if_match },
            if_none_exist: None,
            document,
        };
        let submission = Submission { drafts: vec![draft] };
        let decided = ingest::decide(gateway, &context.client, &context.names.correlation, &submission).await;
        let acceptance = decided.map_err(ingest_fault)?;
        let stored = acceptance.transaction.changes.iter().find_map(|change| match change {
            gateway_core::change::Change::PutResource(stored) => Some(stored.clone()),
            _ => None,
        });
        let stored = stored.ok_or_else(Refusal::not_found)?;
        let location = format!("{}/{kind}/{id}/_history/{}", gateway.base_url, stored.version);
        let reply = Reply::resource(StatusCode::OK, &stored).at(location).preferring(context.prefer);
        match commit_remembered(gateway, context, bytes, &reply, acceptance.transaction).await {
            Ok(Committed::Now) => return Ok(reply),
            Ok(Committed::Before(earlier)) => return earlier,
            Err(error) if is_race(&error) && tries < gateway.limits.conflict_retries => tries += 1,
            Err(error) => return Err(commit_fault(&error)),
        }
    }
}
