//! What comes back: acknowledgements of practices, reports of MESH, and what does not come.
//!
//! A message is finished only after what it says is committed. One that cannot be read, or belongs to no letter of ours, stays where it
//! lies: a person can look at it, another system may share the mailbox, and after five days MESH tells its sender. It is read again now and then.

use super::{Office, Stored, found, key, read, worry};
use crate::gateway::{Gateway, is_race, log_store_fault};
use crate::store::{CommitError, StoreError};
use crate::transport::Names;
use crate::transport::mesh::post::{PostAnswer, PostRequest};
use crate::view::{Standing, ViewError};
use adapter_contract::DeliveryError;
use gateway_core::change::{Change, Transaction};
use gateway_core::follow_up::{self, Cause, FollowUp, Priority};
use gateway_core::identity::Compartment;
use gateway_core::letter::{self, AWAITED, Answer, Heard, IN_STATE, Letter, NAMED, State};
use gateway_core::referral::{Referral, ReferralId};
use gateway_core::resource::Token;
use gateway_documents::response::{
    self, Actor, Issue, Outcome, Progress, Resend, Response, ResponseCode, Verdict, progress,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Messages that are remembered as not ours; beyond that all are looked at again.
const REMEMBERED: usize = 5_000;

/// Messages that may fail to be fetched in one look; after that it is MESH that is away. Those that failed are left out in the next looks.
const FAILURES: u32 = 3;

/// For so many looks what is not ours is left out.
const NOT_OURS: u64 = 100;

/// For so many looks is left out what could not be fetched, or came before it was known what it is about.
const LATER: u64 = 10;

/// Lists that are read in one look.
const LISTS: usize = 100;

/// What is left out of the next looks.
#[derive(Default)]
struct Left {
    /// Until which look.
    messages: BTreeMap<String, u64>,
    looks: u64,
}

impl Left {
    /// The next look; what was left out long enough, or is too much to remember, is looked at again.
    fn renew(&mut self) {
        self.looks += 1;
        self.messages.retain(|_, until| *until > self.looks);
        if self.messages.len() > REMEMBERED {
            self.messages.clear();
        }
    }

    fn leave(&mut self, id: String, looks: u64) {
        self.messages.insert(id, self.looks + looks);
    }
}

/// What a message came to.
enum Look {
    /// What it says is stored, and it is finished at MESH.
    Finished,
    /// It is not ours, or cannot be read.
    NotOurs,
    /// It names what may be ours, by a name that is not stored yet.
    NotYet,
}

/// Reads the mailbox at its interval, and looks for what has not come, until it is told to stop.
pub(crate) async fn worker(gateway: Arc<Gateway>, office: Arc<Office>, stop: CancellationToken) {
    let mut left = Left::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = crate::clock::sleep(gateway.clock.as_ref(), office.poll) => {}
        }
        let client = office.client.0.as_str();
        match stop.run_until_cancelled(turn(&gateway, &office, &mut left)).await {
            None => return,
            Some(Ok(())) => {}
            Some(Err(InboxError::Mesh(error))) => {
                tracing::warn!(client, code = ?error.code, why = error.diagnostic, "the mailbox for letters could not be read; what lies in it waits");
            }
            Some(Err(InboxError::Store(error))) => log_store_fault("letters", &error),
            Some(Err(InboxError::Commit(error))) => {
                tracing::error!(client, error = %error, "an acknowledgement could not be stored; it stays where it lies");
            }
        }
    }
}

/// Why a look into the mailbox ended early. Nothing is lost: what was not finished lies where it lay.
#[derive(Debug, thiserror::Error)]
pub(super) enum InboxError {
    #[error(transparent)]
    Mesh(#[from] DeliveryError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

async fn turn(gateway: &Gateway, office: &Office, left: &mut Left) -> Result<(), InboxError> {
    // What is missed is looked for first, so that a mailbox that does not open hides nothing; and hides itself no mailbox.
    match overdue(gateway, office).await {
        Ok(()) => {}
        Err(InboxError::Store(error)) => log_store_fault("letters", &error),
        Err(error) => {
            tracing::error!(client = office.client.0, error = %error, "what was not answered in time could not be stored");
        }
    }
    left.renew();
    let (mut failed, mut from) = (0, None);
    for _ in 0..LISTS {
        let listed = ask(gateway, office, PostRequest::List(from.as_deref())).await?;
        let PostAnswer::Listed { messages, next } = listed else { break };
        for id in messages {
            if left.messages.contains_key(&id) {
                continue;
            }
            match one(gateway, office, &id).await {
                Ok(Look::Finished) => {}
                Ok(Look::NotOurs) => left.leave(id, NOT_OURS),
                Ok(Look::NotYet) => left.leave(id, LATER),
                // One that cannot be had keeps nobody behind it waiting; where nothing can be had, all of it waits.
                Err(InboxError::Mesh(error)) => {
                    tracing::warn!(message = id, code = ?error.code, why = error.diagnostic, "a message for letters could not be fetched; it waits");
                    left.leave(id, LATER);
                    failed += 1;
                    if failed > FAILURES {
                        return Err(error.into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        from = next;
        if from.is_none() {
            break;
        }
    }
    Ok(())
}

/// Deals with one message.
async fn one(gateway: &Gateway, office: &Office, id: &str) -> Result<Look, InboxError> {
    let mut otherwise = Look::NotOurs;
    let known = match ask(gateway, office, PostRequest::Fetch(id)).await? {
        // MESH's name for a letter is stored only after MESH has said it.
        PostAnswer::Undelivered { message, code } => {
            otherwise = Look::NotYet;
            undelivered(gateway, office, message, code).await?
        }
        PostAnswer::Fetched { workflow, content } if workflow == office.mesh.workflow.acknowledgement() => {
            match content {
                Ok(content) => acknowledged(gateway, office, id, &content).await?,
                Err(fault) => {
                    tracing::warn!(message = id, fault = ?fault, "an acknowledgement of a letter could not be read; it stays in the mailbox");
                    false
                }
            }
        }
        _ => false,
    };
    if !known {
        return Ok(otherwise);
    }
    ask(gateway, office, PostRequest::Finish(id)).await?;
    Ok(Look::Finished)
}

async fn ask(gateway: &Gateway, office: &Office, request: PostRequest<'_>) -> Result<PostAnswer, DeliveryError> {
    let names = Names { request_id: gateway.new_id(), correlation: gateway.new_id() };
    gateway.transport.post(&office.post, &request, &names).await
}

/// Letters whose answers have not come in time.
async fn overdue(gateway: &Gateway, office: &Office) -> Result<(), InboxError> {
    let mut after = 0;
    loop {
        let waiting = found(gateway, &office.compartment, Token::new(IN_STATE, AWAITED), after).await?;
        let Some((last, _)) = waiting.last() else { return Ok(()) };
        after = *last;
        let now = gateway.clock.now();
        for (_, Stored { letter, .. }) in waiting {
            if letter.due.is_some_and(|due| due <= now) {
                let referral = ReferralId(letter.referral.clone());
                let advice = "Ask the practice whether it has the letter.";
                let answer = Answer::Overdue;
                let ended = apply(gateway, &office.compartment, &referral, &letter.id, &answer, Some(advice)).await;
                // One that cannot be stored keeps none behind it waiting.
                if let Err(error) = ended {
                    tracing::error!(letter = letter.id, error = %error, "that a letter is not answered could not be stored; it is tried again");
                }
            }
        }
    }
}

/// MESH could not deliver a message; true if it was one of ours.
async fn undelivered(
    gateway: &Gateway,
    office: &Office,
    message: Option<String>,
    code: String,
) -> Result<bool, InboxError> {
    let Some(message) = message else { return Ok(false) };
    let letters = found(gateway, &office.compartment, Token::new(NAMED, message), 0).await?;
    let Some((_, Stored { letter, .. })) = letters.last() else { return Ok(false) };
    let advice = format!(
        "MESH gave the message up with its code {code}: trace the person again to find where they are registered, and tell the \
         practice by another way."
    );
    let referral = ReferralId(letter.referral.clone());
    apply(gateway, &office.compartment, &referral, &letter.id, &Answer::Undelivered { code }, Some(&advice)).await?;
    Ok(true)
}

/// A message of the workflow of acknowledgements; true if it is about a letter of ours and what it says is stored.
async fn acknowledged(gateway: &Gateway, office: &Office, id: &str, content: &[u8]) -> Result<bool, InboxError> {
    let response = match response::read(content) {
        Ok(response) => response,
        Err(fault) => {
            // The fault tells what is missing, and nothing of what is there.
            tracing::warn!(message = id, fault = %fault, "an acknowledgement of a letter could not be read; it stays in the mailbox");
            return Ok(false);
        }
    };
    let Some(Stored { letter, .. }) = about(gateway, &office.compartment, &response).await? else {
        tracing::warn!(
            message = id,
            "an acknowledgement is about no letter that is known here; it stays in the mailbox"
        );
        return Ok(false);
    };
    let now = gateway.clock.now();
    let heard = heard(&response, now);
    let mut all: Vec<Response> = letter.heard.iter().map(remembered).collect();
    all.push(remembered(&heard));
    let (state, code) = match progress(&all) {
        Progress::Waiting => (State::Sent, None),
        Progress::Received => (State::Received, None),
        Progress::AlreadyThere => (State::AlreadyThere, None),
        Progress::PatientKnown => (State::Known, None),
        Progress::Failed(code) => (State::Refused, Some(code)),
        Progress::Unclear => (State::Unclear, None),
    };
    let advice = code.as_ref().map(advice).or_else(|| {
        (state == State::Unclear).then(|| {
            let codes: Vec<&str> = all.iter().flat_map(|one| &one.issues).map(|issue| issue.code.number()).collect();
            format!("Its codes are {}. Ask the practice whether it has the letter.", codes.join(", "))
        })
    });
    let number = code.map(|code| code.number().to_owned());
    let answer = Answer::Acknowledged { heard, state, code: number };
    let referral = ReferralId(letter.referral.clone());
    apply(gateway, &office.compartment, &referral, &letter.id, &answer, advice.as_deref()).await?;
    Ok(true)
}

/// The letter that a response is about: by an id of its message, else by our reference.
async fn about(
    gateway: &Gateway,
    compartment: &Compartment,
    response: &Response,
) -> Result<Option<Stored>, StoreError> {
    if let Some(id) = response.answers_to.as_deref().and_then(|text| uuid::Uuid::try_parse(text.trim()).ok()) {
        let letters = found(gateway, compartment, Token::new(NAMED, id.to_string()), 0).await?;
        return Ok(letters.into_iter().next_back().map(|(_, stored)| stored));
    }
    let reference = response.sender_reference.as_deref().and_then(|text| uuid::Uuid::try_parse(text.trim()).ok());
    let Some(reference) = reference else { return Ok(None) };
    let stored = gateway.store.resource(&key(compartment, "DocumentReference", &reference.to_string()), None).await?;
    Ok(stored.as_ref().and_then(read))
}

/// A response as it is kept: its one code, or none where it says nothing clear.
fn heard(response: &Response, at: time::OffsetDateTime) -> Heard {
    let code = match response.verdict() {
        Verdict::Code(code) => code.number().chars().filter(char::is_ascii_alphanumeric).take(20).collect(),
        Verdict::Unclear => String::new(),
    };
    Heard { code, ok: response.outcome == Outcome::Ok, at }
}

/// What is kept of a response, as a response that says the same.
fn remembered(heard: &Heard) -> Response {
    let issue = || Issue { code: ResponseCode::read(&heard.code), severity: None, diagnostics: None };
    Response {
        answers_to: None,
        sender_reference: None,
        outcome: if heard.ok { Outcome::Ok } else { Outcome::FatalError },
        timestamp: None,
        from: None,
        issues: if heard.code.is_empty() { Vec::new() } else { vec![issue()] },
    }
}

/// What a person is told of a negative code: what it means, who has to act, and whether it is sent again.
fn advice(code: &ResponseCode) -> String {
    let who = match code.actor() {
        Actor::Nobody => "Nobody has to act.",
        Actor::Operator => "Whoever runs the gateway has to act.",
        Actor::Maker => "Whoever makes the gateway has to act: report it.",
        Actor::Service => "The service has to act.",
    };
    let again = match code.resend() {
        Resend::No => "",
        Resend::Corrected => " It is not sent again as it is; tell the practice by another way until that is mended.",
        Resend::AfterTracing => " Once the Patient is corrected a new letter can go.",
        Resend::Never => " Never send it again.",
        Resend::PersonDecides => " A person decides whether it is sent again.",
    };
    format!("The practice's system answers with the code {}: {} {who}{again}", code.number(), code.meaning())
}

/// Writes down what is said of a letter: on its DocumentReference, on the Task, and for a person where somebody has to act. The same said
/// twice changes nothing.
pub(super) async fn apply(
    gateway: &Gateway,
    compartment: &Compartment,
    referral: &ReferralId,
    id: &str,
    answer: &Answer,
    advice: Option<&str>,
) -> Result<(), CommitError> {
    let mut tries = 0;
    loop {
        let stored = gateway.store.resource(&key(compartment, "DocumentReference", id), None).await?;
        let Some(Stored { letter, document }) = stored.as_ref().and_then(read) else { return Ok(()) };
        let now = gateway.clock.now();
        let Some(mut next) = letter.after(answer, now) else { return Ok(()) };
        let standing = match Standing::load(gateway, referral).await {
            Ok(standing) => standing,
            Err(ViewError::Store(error)) => return Err(error.into()),
            // There is nobody any more whom it could be about.
            Err(ViewError::Erased | ViewError::Missing(_)) => return Ok(()),
        };
        let mut referral = standing.referral.clone();
        let mut changes = Vec::new();
        if next.state.is_trouble() {
            let detail = format!("{} {}", next.state.words(), advice.unwrap_or_default());
            let occurrence = format!("{id}/{}/{}", next.state.code(), next.code.as_deref().unwrap_or_default());
            let documents = (standing.task().1, standing.service_request().1);
            // Whoever still writes to or visits somebody who has died has to learn of it today.
            let urgent = next.code.as_deref() == Some(ResponseCode::PatientDeceased.number());
            let opening = worry(&occurrence, detail.trim(), urgent.then_some(Priority::Urgent));
            next.follow_ups.push(follow_up::id(&referral, opening.cause, opening.occurrence));
            changes.extend(follow_up::open(&mut referral, documents, &opening, now));
        } else if next.state.is_well() {
            let about = opened(gateway, compartment, &next, &document).await?;
            changes.extend(settled(gateway, &mut referral, &about, now).await?);
        }
        changes.extend(letter::moved(&referral, (&next, &document), standing.task(), now));
        referral.revision += 1;
        changes.push(Change::PutReferral(Box::new(referral)));
        match gateway.commit(Transaction { checks: Vec::new(), changes }).await {
            Err(error) if is_race(&error) && tries < gateway.limits.conflict_retries => tries += 1,
            ended => return ended,
        }
    }
}

/// The follow-ups about a letter, and about the one that it replaces: no other is settled by it.
async fn opened(
    gateway: &Gateway,
    compartment: &Compartment,
    letter: &Letter,
    document: &gateway_fhir::Json,
) -> Result<Vec<String>, StoreError> {
    let mut all = letter.follow_ups.clone();
    for target in document.items("relatesTo").iter().filter_map(|related| related.get("target")?.text("reference")) {
        let Some(id) = target.strip_prefix("DocumentReference/") else { continue };
        let before = gateway.store.resource(&key(compartment, "DocumentReference", id), None).await?;
        all.extend(before.as_ref().and_then(read).map(|before| before.letter.follow_ups).unwrap_or_default());
    }
    Ok(all)
}

/// The practice has the letter after all: nobody has to look any more.
async fn settled(
    gateway: &Gateway,
    referral: &mut Referral,
    about: &[String],
    now: time::OffsetDateTime,
) -> Result<Vec<Change>, StoreError> {
    let is_about = |one: &&FollowUp| one.cause == Cause::LetterNotDelivered && about.contains(&one.task);
    let open = referral.open_follow_ups().filter(is_about);
    let open: Vec<String> = open.map(|one| one.task.clone()).collect();
    let mut changes = Vec::new();
    for task in open {
        let stored = gateway.store.resource(&key(&referral.compartment, "Task", &task), None).await?;
        let Some(stored) = stored else { continue };
        let Some(document) = crate::ingest::parse(&stored) else { continue };
        let reason = "The practice's system has since confirmed the letter.";
        changes.extend(follow_up::settled(referral, (&task, stored.version, &document), reason, now));
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn what_is_kept_of_a_response_says_the_same() {
        let at = datetime!(2026-11-30 09:00 UTC);
        for number in ["20013", "30001", "30002", "30004", "20007", "20009", "31999"] {
            let code = ResponseCode::read(number);
            let outcome = if code.is_success() { Outcome::Ok } else { Outcome::FatalError };
            let issues = vec![Issue { code, severity: None, diagnostics: Some("Canary".to_owned()) }];
            let said =
                Response { answers_to: None, sender_reference: None, outcome, timestamp: None, from: None, issues };
            assert_eq!(progress([&said]), progress([&remembered(&heard(&said, at))]), "{number}");
        }
        let none = remembered(&Heard { code: String::new(), ok: true, at });
        assert_eq!(progress([&none]), Progress::Unclear);
    }

    #[test]
    fn every_negative_code_says_who_acts_and_no_positive_one_does() {
        for code in ResponseCode::PUBLISHED {
            let words = advice(&code);
            assert!(words.contains(code.number()) && words.contains(code.meaning()), "{words}");
            assert_eq!(words.contains("Nobody has to act"), code.is_success() || code.is_duplicate(), "{words}");
        }
        assert!(advice(&ResponseCode::PatientDeceased).contains("Never send it again"));
    }
}
