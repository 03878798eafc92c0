//! Create and transaction: decided by `gateway-core`, committed once, answered after.

use super::context::{Context, Return, sha256};
use super::reply::{Reply, commit_fault, etag, ingest_fault, store_fault};
use super::routes::PLATFORM_CREATES;
use crate::gateway::{Gateway, is_race};
use crate::store::CommitError;
use crate::{ingest, subject};
use axum::http::StatusCode;
use gateway_core::accept::{Written, version_of};
use gateway_core::change::{Change, Check, CheckFailure, Received, StoredAnswer, Transaction};
use gateway_core::identity::{Profile, Role};
use gateway_core::ingest::{Draft, Submission, Write};
use gateway_core::refusal::{Refusal, pass_or_refuse};
use gateway_core::resource::{ResourceKey, ResourceVersion, WriteMethod};
use gateway_core::subject::Subject;
use gateway_fhir::{Issue, IssueCode, Json, door, instant};
use time::OffsetDateTime;

/// The door, as a refusal.
pub(super) fn admit(gateway: &Gateway, bytes: &[u8]) -> Result<Json, Refusal> {
    door::admit(bytes, &gateway.limits.door).map_err(|refusal| match refusal {
        door::Refusal::TooLarge(issue) => Refusal::one(413, issue),
        door::Refusal::Malformed(issues) => Refusal::several(400, issues),
    })
}

/// A transaction Bundle.
pub(super) async fn transaction(gateway: &Gateway, context: &Context, bytes: &[u8]) -> Result<Reply, Refusal> {
    need_role(context, Role::Referrer)?;
    if let Some(reply) = repeated(gateway, context, bytes).await? {
        return Ok(reply);
    }
    let document = admit(gateway, bytes)?;
    if document.text("resourceType") != Some("Bundle") {
        let words = "This address takes a transaction Bundle; single resources go to the address of their type.";
        return Err(Refusal::one(400, Issue::at(IssueCode::Structure, "resourceType", words)));
    }
    let submission = gateway_core::ingest::read(&document, gateway.limits.bundle_entries)?;
    need_consent_role(context, &submission)?;
    write(gateway, context, bytes, &submission, &|written, bodies, _| {
        Ok(bundle_reply(gateway, context, written, bodies))
    })
    .await
}

/// A single resource.
pub(super) async fn create(gateway: &Gateway, context: &Context, kind: &str, bytes: &[u8]) -> Result<Reply, Refusal> {
    if context.client.platform.is_some() {
        return create_output(gateway, context, kind, bytes).await;
    }
    need_role(context, if kind == "Consent" { Role::Consent } else { Role::Referrer })?;
    if let Some(reply) = repeated(gateway, context, bytes).await? {
        return Ok(reply);
    }
    let document = admit(gateway, bytes)?;
    let submission = gateway_core::ingest::read_single(document, kind, context.if_none_exist.clone())?;
    write(gateway, context, bytes, &submission, &|written, bodies, _| {
        Ok(single_reply(gateway, context, written, bodies))
    })
    .await
}

/// Makes the answer of what is about to be committed, or refuses it after all.
pub(super) type Answer<'a> = dyn Fn(&[Written], &[ResourceVersion], &Transaction) -> Result<Reply, Refusal> + Sync + 'a;

/// Decides and commits; decides anew when somebody else wrote first.
pub(super) async fn write(
    gateway: &Gateway,
    context: &Context,
    bytes: &[u8],
    submission: &Submission,
    answer: &Answer<'_>,
) -> Result<Reply, Refusal> {
    // A repetition has had its answer before this, and what stops a referral is taken however much waits.
    if submission.drafts.iter().any(brings_work) {
        let room = gateway.admission.new_work(&context.client.tenant, gateway.store.as_ref()).await;
        room.map_err(|error| store_fault(&error))??;
    }
    let mut tries = 0;
    loop {
        let decided = ingest::decide(gateway, &context.client, &context.names.correlation, submission).await;
        let acceptance = decided.map_err(ingest_fault)?;
        let bodies = bodies(gateway, context, &acceptance.written, &acceptance.transaction).await?;
        let now = gateway.clock.now();
        let reply = answer(&acceptance.written, &bodies, &acceptance.transaction)?;
        let mut transaction = acceptance.transaction;
        let subject = subject::assign(gateway, &context.client.compartment(), &mut transaction)
            .await
            .map_err(|e| store_fault(&e))?;
        remember(context, bytes, &reply, now, subject, &mut transaction);
        match gateway.commit(transaction).await {
            Ok(()) => return Ok(reply),
            Err(CommitError::Refused(CheckFailure::Seen(stored))) => return replay(context, bytes, *stored),
            Err(error) if is_race(&error) && tries < gateway.limits.conflict_retries => tries += 1,
            Err(error) => return Err(commit_fault(&error)),
        }
    }
}

/// Whether it is, or becomes, a new referral.
fn brings_work(draft: &Draft) -> bool {
    matches!(draft.write, Write::Create) && matches!(draft.kind.as_str(), "Task" | "ServiceRequest")
}

/// The newest version of each resource that the answer speaks of, in its order.
async fn bodies(
    gateway: &Gateway,
    context: &Context,
    written: &[Written],
    transaction: &Transaction,
) -> Result<Vec<ResourceVersion>, Refusal> {
    let mut bodies = Vec::with_capacity(written.len());
    for row in written {
        let fresh = transaction.changes.iter().rev().find_map(|change| match change {
            Change::PutResource(stored) if stored.key.kind == row.kind && stored.key.id == row.id => {
                Some(stored.clone())
            }
            _ => None,
        });
        if let Some(stored) = fresh {
            bodies.push(stored);
            continue;
        }
        let key = ResourceKey { compartment: context.client.compartment(), kind: row.kind.clone(), id: row.id.clone() };
        let stored = gateway.store.resource(&key, None).await.map_err(|error| store_fault(&error))?;
        bodies.push(stored.ok_or_else(Refusal::not_found)?);
    }
    Ok(bodies)
}

/// Keeps the bytes as they came, and the answer for a repetition.
fn remember(
    context: &Context,
    bytes: &[u8],
    reply: &Reply,
    now: OffsetDateTime,
    subject: Option<Subject>,
    transaction: &mut Transaction,
) {
    let (tenant, client) = (context.client.tenant.clone(), context.client.id.clone());
    let request_id = context.names.request_id.clone();
    transaction.changes.push(Change::Received(Received {
        tenant: tenant.clone(),
        client: client.clone(),
        request_id: request_id.clone(),
        correlation: context.names.correlation.clone(),
        at: now,
        sha256: sha256(bytes),
        bytes: bytes.to_vec(),
        subject: subject.clone(),
    }));
    if !context.names.request_id_sent {
        return;
    }
    transaction
        .checks
        .insert(0, Check::Unseen { tenant: tenant.clone(), client: client.clone(), request_id: request_id.clone() });
    transaction.changes.push(Change::RememberAnswer(StoredAnswer {
        tenant,
        client,
        request_id,
        fingerprint: context.fingerprint(bytes),
        at: now,
        status: reply.status.as_u16(),
        location: reply.location.clone(),
        etag: reply.etag.clone(),
        body: Some(reply.body.clone()),
        subject,
    }));
}

/// How a transaction came to be committed.
pub(super) enum Committed {
    /// By this request.
    Now,
    /// This request id was answered before, perhaps a moment ago: that answer stands, or the refusal of another request
    /// under the same id.
    Before(Result<Reply, Refusal>),
}

/// Commits an update's transaction with the bytes and the answer beside it.
pub(super) async fn commit_remembered(
    gateway: &Gateway,
    context: &Context,
    bytes: &[u8],
    reply: &Reply,
    mut transaction: Transaction,
) -> Result<Committed, CommitError> {
    let subject = subject::assign(gateway, &context.client.compartment(), &mut transaction).await?;
    remember(context, bytes, reply, gateway.clock.now(), subject, &mut transaction);
    match gateway.commit(transaction).await {
        Ok(()) => Ok(Committed::Now),
        Err(CommitError::Refused(CheckFailure::Seen(stored))) => Ok(Committed::Before(replay(context, bytes, *stored))),
        Err(error) => Err(error),
    }
}

/// The answer that this very request was given before, if it was.
pub(super) async fn repeated(gateway: &Gateway, context: &Context, bytes: &[u8]) -> Result<Option<Reply>, Refusal> {
    if !context.names.request_id_sent {
        return Ok(None);
    }
    let (tenant, client) = (&context.client.tenant, &context.client.id);
    let stored = gateway.store.answer(tenant, client, &context.names.request_id).await;
    match stored.map_err(|error| store_fault(&error))? {
        Some(stored) => replay(context, bytes, stored).map(Some),
        None => Ok(None),
    }
}

fn replay(context: &Context, bytes: &[u8], stored: StoredAnswer) -> Result<Reply, Refusal> {
    if stored.fingerprint != context.fingerprint(bytes) {
        let words = "This X-Request-Id was used for another request. The first one stands; use a new id.";
        return Err(Refusal::one(409, Issue::general(IssueCode::Conflict, words)));
    }
    if context.client.profile == Profile::Bars {
        let words = "This request was processed before; its result stands.";
        return Err(Refusal::one(409, Issue::general(IssueCode::Duplicate, words)));
    }
    let Some(body) = stored.body else {
        let words =
            "This request was processed, and what became of it has been erased since. It is not processed again.";
        return Err(Refusal::one(410, Issue::general(IssueCode::Deleted, words)));
    };
    // What a platform was answered then it may not read now: it is told what became of the request, and reads again.
    let body = if context.client.platform.is_some() { String::new() } else { body };
    let status = StatusCode::from_u16(stored.status).unwrap_or(StatusCode::OK);
    Ok(Reply { location: stored.location, etag: stored.etag, ..Reply::json(status, body) })
}

fn version_url(gateway: &Gateway, stored: &ResourceVersion) -> String {
    format!("{}/{}/{}/_history/{}", gateway.base_url, stored.key.kind, stored.key.id, stored.version)
}

fn single_reply(gateway: &Gateway, context: &Context, written: &[Written], bodies: &[ResourceVersion]) -> Reply {
    match (written.first(), bodies.first()) {
        (Some(row), Some(stored)) => {
            let status = if row.created { StatusCode::CREATED } else { StatusCode::OK };
            Reply::resource(status, stored).at(version_url(gateway, stored)).preferring(context.prefer)
        }
        // A submission has at least one draft, and each draft one row.
        _ => Reply::json(StatusCode::OK, String::new()),
    }
}

/// `201` with the Task's address when the transaction created one, else `200`; the body says what became of each entry.
fn bundle_reply(gateway: &Gateway, context: &Context, written: &[Written], bodies: &[ResourceVersion]) -> Reply {
    let mut entries = Vec::with_capacity(written.len());
    let mut task = None;
    for (row, stored) in written.iter().zip(bodies) {
        if row.kind == "Task" && row.created && task.is_none() {
            task = Some(stored);
        }
        let status = if row.created { "201 Created" } else { "200 OK" };
        let mut entry = format!("{{\"fullUrl\":\"{}/{}/{}\"", gateway.base_url, row.kind, row.id);
        if context.prefer == Return::Representation {
            entry.push_str(",\"resource\":");
            entry.push_str(&stored.body);
        }
        entry.push_str(&format!(
            ",\"response\":{{\"status\":\"{status}\",\"location\":\"{}\",\"etag\":\"W/\\\"{}\\\"\",\
             \"lastModified\":\"{}\"}}}}",
            version_url(gateway, stored),
            stored.version,
            instant::to_instant(stored.updated),
        ));
        entries.push(entry);
    }
    let body =
        format!("{{\"resourceType\":\"Bundle\",\"type\":\"transaction-response\",\"entry\":[{}]}}", entries.join(","));
    match task {
        Some(stored) => Reply { etag: Some(etag(stored.version)), ..Reply::json(StatusCode::CREATED, body) }
            .at(version_url(gateway, stored)),
        None => Reply::json(StatusCode::OK, body),
    }
}

/// A collecting platform stores an output of its Task, which the Task then refers to.
async fn create_output(gateway: &Gateway, context: &Context, kind: &str, bytes: &[u8]) -> Result<Reply, Refusal> {
    need_role(context, Role::Platform)?;
    if !PLATFORM_CREATES.contains(&kind) {
        return Err(forbidden());
    }
    if let Some(reply) = repeated(gateway, context, bytes).await? {
        return Ok(reply);
    }
    if context.if_none_exist.is_some() {
        let words = "An output of a Task is not created conditionally. Leave If-None-Exist out.";
        return Err(Refusal::one(400, Issue::general(IssueCode::NotSupported, words)));
    }
    let document = admit(gateway, bytes)?;
    pass_or_refuse(gateway_core::ingest::check_single(&document, kind))?;
    // By it consent is asked before it is read, and it is erased with the person.
    let subject = document.get("subject").and_then(|subject| subject.text("reference")).unwrap_or_default();
    if subject.strip_prefix("Patient/").is_none_or(|id| id.is_empty() || id.contains('/')) {
        let words = "An output says whom it is about. Add subject.reference with the reference in Task.for.";
        return Err(Refusal::one(422, Issue::at(IssueCode::BusinessRule, format!("{kind}.subject"), words)));
    }
    let compartment = context.client.compartment();
    for site in gateway_fhir::references::sites(&document).into_iter().filter(|site| site.logical) {
        let known = site.value.starts_with('#')
            || ingest::load(gateway, &compartment, &site.value).await.map_err(|error| store_fault(&error))?.is_some();
        if !known {
            let words = "This refers to nothing that was published for you or stored by you.";
            return Err(Refusal::one(422, Issue::at(IssueCode::NotFound, site.expression, words)));
        }
    }
    let now = gateway.clock.now();
    let key = ResourceKey { compartment, kind: kind.to_owned(), id: gateway.new_id() };
    let author = context.client.author();
    let stored = version_of(key, 1, document, &author, WriteMethod::Post, now, &|_| None);
    let reply =
        Reply::resource(StatusCode::CREATED, &stored).at(version_url(gateway, &stored)).preferring(context.prefer);
    let transaction = Transaction { checks: Vec::new(), changes: vec![Change::PutResource(stored)] };
    match commit_remembered(gateway, context, bytes, &reply, transaction).await {
        Ok(Committed::Now) => Ok(reply),
        Ok(Committed::Before(earlier)) => earlier,
        Err(error) => Err(commit_fault(&error)),
    }
}

pub(super) fn need_role(context: &Context, role: Role) -> Result<(), Refusal> {
    if context.client.roles.contains(&role) { Ok(()) } else { Err(forbidden()) }
}

/// A Bundle that brings a Consent records it.
pub(super) fn need_consent_role(context: &Context, submission: &Submission) -> Result<(), Refusal> {
    let brings = submission.drafts.iter().find(|draft| draft.kind == "Consent");
    let Some(consent) = brings.filter(|_| !context.client.roles.contains(&Role::Consent)) else { return Ok(()) };
    let words = "This client does not record consent. Leave the Consent out: whoever is entitled to records it.";
    Err(Refusal::one(403, Issue::at(IssueCode::Forbidden, consent.place.clone(), words)))
}

pub(super) fn forbidden() -> Refusal {
    let words = "This client's roles do not allow this. The configuration gives roles to clients.";
    Refusal::one(403, Issue::general(IssueCode::Forbidden, words))
}
