//! Which messages were taken: each that changed a referral or took it back leaves its name (`Bundle.id`) and its time with the Task, so
//! that the same message is taken once whatever its request is called, and an older one does not undo a newer.

use super::MESSAGE_ID;
use super::message::Message;
use crate::refusal::Refusal;
use crate::resource::Token;
use gateway_fhir::{Issue, IssueCode, Json, instant};
use serde_json::json;
use time::OffsetDateTime;

/// System of `Task.identifier` for the id of each message that changed the referral or took it back; `period.start` is when the message
/// was made. A name, not an address.
pub const CHANGE_ID: &str = "https://vcse-gateway.example/fhir/NamingSystem/bars-change";

/// What a Task that was made, changed or taken back by this message is found by: one of these.
#[must_use]
pub fn taken_as(message: &Message<'_>) -> Vec<Token> {
    [MESSAGE_ID, CHANGE_ID]
        .into_iter()
        .map(|system| Token::new("identifier", format!("{system}|{}", message.id)))
        .collect()
}

/// What a Task is found by that this message changed or took back.
#[must_use]
pub fn changed_by(message: &Message<'_>) -> Token {
    Token::new("identifier", format!("{CHANGE_ID}|{}", message.id))
}

/// The answer to a message that was taken before.
#[must_use]
pub fn repeated() -> Refusal {
    let words = "A message with this Bundle.id was processed before, under another X-Request-Id; its result stands.";
    Refusal::one(409, Issue::at(IssueCode::Duplicate, "Bundle.id", words))
}

/// When a message was made: `Bundle.timestamp` (R4: when the content of the message was assembled), else what its ServiceRequest says.
fn made(message: &Message<'_>) -> Option<OffsetDateTime> {
    let meta = message.request.resource.get("meta");
    let text = message.document.text("timestamp").or_else(|| meta.and_then(|meta| meta.text("lastUpdated")))?;
    instant::parse(text).map(|moment| moment.earliest)
}

/// Whether a change may be taken after what was taken for this Task.
///
/// # Errors
/// [`Refusal`]: 422 where the message has no time, 409 where it is older than one that was taken.
pub fn in_order(message: &Message<'_>, task: &Json) -> Result<(), Refusal> {
    const PLACE: &str = "Bundle.timestamp";
    let Some(made) = made(message) else {
        let words = "A change says when it was made, so that an older one does not undo a newer. Add Bundle.timestamp.";
        return Err(Refusal::one(422, Issue::at(IssueCode::Required, PLACE, words)));
    };
    let before = task.items("identifier").iter().filter(|one| one.text("system") == Some(CHANGE_ID));
    let before = before.filter_map(|one| instant::parse(one.get("period")?.text("start")?));
    if before.map(|moment| moment.earliest).max().is_some_and(|last| made < last) {
        let words = "This change was made before one that was taken already, which stands. Nothing was done. If the referral is to be as \
                     it is here, send it as a new message, with a new Bundle.id and the Bundle.timestamp of now.";
        return Err(Refusal::one(409, Issue::at(IssueCode::Conflict, PLACE, words)));
    }
    Ok(())
}

/// The Task with the name of a message that is taken. A clock that runs ahead must not shut out what comes later: a message was made
/// by now at the latest.
#[must_use]
pub fn noted(message: &Message<'_>, task: &Json, now: OffsetDateTime) -> Json {
    let mut name = json!({ "system": CHANGE_ID, "value": message.id });
    if let (Some(made), Some(name)) = (made(message), name.as_object_mut()) {
        name.insert("period".to_owned(), json!({ "start": instant::to_instant(made.min(now)) }));
    }
    let mut next = task.clone();
    let mut all = task.items("identifier").to_vec();
    all.push(name.into());
    next.set("identifier", Json::Array(all));
    next
}

/// A Task without these names. They are no part of what a recipient is given: what is the same as before would look like a change.
pub fn without_changes(task: &mut Json) {
    let all = task.items("identifier");
    let is_ours = |one: &Json| one.text("system") == Some(CHANGE_ID);
    if !all.iter().any(is_ours) {
        return;
    }
    let rest: Vec<Json> = all.iter().filter(|one| !is_ours(one)).cloned().collect();
    if rest.is_empty() {
        task.remove("identifier");
    } else {
        task.set("identifier", Json::Array(rest));
    }
}
