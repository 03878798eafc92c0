//! `$process-message`: a BaRS-shaped message, read by `gateway-core`, translated, and then written like every other submission
//! or withdrawn like every other Task. What is its own here are the headers, the answer and the shape of refusals.

mod change;
mod found;
mod headers;
mod withdraw;

use super::context::{self, Context, Names};
use super::reply::{self, Reply};
use super::routes::{MESSAGE_DEFINITION, PROCESS_MESSAGE};
use super::write::{admit, need_consent_role, need_role, repeated, write};
use crate::gateway::Gateway;
use crate::ingest;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response, StatusCode};
use gateway_core::accept::Written;
use gateway_core::bars::{self, Act, Message, Stored, Translation};
use gateway_core::change::{Change, Transaction};
use gateway_core::identity::{Profile, Role};
use gateway_core::refusal::Refusal;
use gateway_core::resource::ResourceVersion;
use std::collections::BTreeMap;

/// How refusals are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// As everywhere.
    Plain,
    /// With the published codes, under the gateway's own status: other addresses, for a client of the profile `bars`.
    Coded,
    /// With the published codes and the published status: the addresses of BaRS.
    Published,
}

impl Shape {
    /// The shape of what this address answers to whoever asks.
    pub(super) fn of(gateway: &Gateway, path: &str, headers: &HeaderMap) -> Self {
        let definitions = path.strip_prefix("/fhir/").and_then(|path| path.strip_prefix(MESSAGE_DEFINITION));
        let is_bars =
            path == PROCESS_MESSAGE || definitions.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        match (is_bars, context::profile(gateway, headers)) {
            (true, _) => Self::Published,
            (false, Profile::Bars) => Self::Coded,
            (false, Profile::Fhir) => Self::Plain,
        }
    }

    /// A refusal in this shape.
    pub(super) fn refused(self, gateway: &Gateway, names: &Names, refusal: &Refusal) -> Response<Body> {
        let status = match self {
            Self::Plain => return reply::refused(names, refusal),
            Self::Coded => refusal.status,
            Self::Published => bars::published(refusal.status).status,
        };
        reply::refused_with(names, refusal, status, bars::outcome(refusal, &gateway.new_id()).to_text())
    }
}

/// A message.
pub(super) async fn receive(gateway: &Gateway, context: &Context, parts: &Parts, body: Body) -> Result<Reply, Refusal> {
    need_role(context, Role::Referrer)?;
    let asked = headers::read(context, &parts.headers)?;
    let bytes = context.fhir_body(gateway, parts, body).await?;
    if let Some(reply) = repeated(gateway, context, &bytes).await? {
        return Ok(asked.version.speak(reply));
    }
    let document = admit(gateway, &bytes)?;
    let ours = |system: &str, value: &str| bars::serves(&gateway.rules, &context.client.tenant, Some(system), value);
    let message = bars::read(&document, gateway.limits.bundle_entries, &ours, asked.target.as_ref())?;
    let reply = match message.pattern.act {
        Act::Refer => refer(gateway, context, &bytes, &message).await,
        Act::Change => change::change(gateway, context, &bytes, &message).await,
        Act::Withdraw => withdraw::withdraw(gateway, context, &bytes, &message).await,
    };
    reply.map(|reply| asked.version.speak(reply))
}

/// A new referral: written as the transaction that it amounts to.
async fn refer(gateway: &Gateway, context: &Context, bytes: &[u8], message: &Message<'_>) -> Result<Reply, Refusal> {
    found::refuse_repeated(gateway, context, message).await?;
    let translation = bars::translate(message, gateway.limits.bundle_entries)?;
    let written = async {
        need_consent_role(context, &translation.submission)?;
        write(gateway, context, bytes, &translation.submission, &|written, bodies, transaction| {
            taken(gateway, context, message, &translation, (written, bodies, transaction))
        })
        .await
    };
    written.await.map_err(|refusal| translation.told(refusal))
}

/// The answer to a message that makes a referral.
fn taken(
    gateway: &Gateway,
    context: &Context,
    message: &Message<'_>,
    translation: &Translation,
    (written, bodies, transaction): (&[Written], &[ResourceVersion], &Transaction),
) -> Result<Reply, Refusal> {
    let task = written.iter().zip(bodies).find(|(row, _)| row.kind == "Task");
    let (row, stored) = task.ok_or_else(Refusal::not_found)?;
    if !row.created {
        return Err(bars::repeated());
    }
    let urls = translation.submission.drafts.iter().map(|draft| draft.full_url.clone().unwrap_or_default());
    let references = urls.zip(written).map(|(url, row)| (url, format!("{}/{}", row.kind, row.id))).collect();
    let number = transaction.changes.iter().find_map(|change| match change {
        Change::PutReferral(referral) => Some(referral.key.0.as_str()),
        _ => None,
    });
    answered(gateway, context, message, &translation.task, stored, (references, number))
}

/// 200 with the message again.
fn answered(
    gateway: &Gateway,
    context: &Context,
    message: &Message<'_>,
    task_url: &str,
    task: &ResourceVersion,
    (references, number): (BTreeMap<String, String>, Option<&str>),
) -> Result<Reply, Refusal> {
    let document = ingest::parse(task).ok_or_else(Refusal::not_found)?;
    // Named after the request: decided anew it is the same answer.
    let name = |what: &str| {
        let id = [what, context.client.id.0.as_str(), context.names.request_id.as_str(), message.id];
        gateway_core::task::derived_id(&id)
    };
    let ids = [name("MessageHeader"), name("OperationOutcome")];
    let stored = Stored { references, task_url, task: &document, number, ids };
    let body = bars::answer(message, &stored).to_text();
    Ok(Reply::json(StatusCode::OK, body)
        .at(format!("{}/Task/{}/_history/{}", gateway.base_url, task.key.id, task.version)))
}
