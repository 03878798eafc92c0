//! Follow-up: what only a person can do about a referral, as a Task of its own in the sender's compartment.
//!
//! A status can be overlooked; a Task that is somebody's cannot. A follow-up is `partOf` the referral's Task, has the same
//! `focus` and `for`, and says in `code` why it is there ([`Cause`]). It has no referral of its own and starts no delivery.
//! The referral remembers each that was ever made ([`Referral::follow_ups`]), so that none is made twice, and so that what was
//! opened and what stands are read with it. Whoever owns it moves it ([`update_follow_up`](crate::update::update_follow_up));
//! where its cause goes by itself, the gateway completes it and says why ([`settled`]).

mod cause;

pub use cause::{Cause, Priority, code_system};

use crate::accept::{audit_line, version_of};
use crate::change::Change;
use crate::identity::{Compartment, GATEWAY_AUTHOR, Owner};
use crate::referral::Referral;
use crate::resource::{ResourceKey, WriteMethod};
use crate::task::{self, derived_id};
use adapter_contract::{TaskStatus, systems};
use gateway_fhir::identifiers::ODS_CODE;
use gateway_fhir::{Json, instant};
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;

/// A referral remembers so many; beyond that nothing new is opened but what is [urgent by its cause](Cause::is_alarm).
const MOST: usize = 100;

/// A follow-up takes so many notes of others; whoever calls without end has been heard, and the rest is kept with the reports.
const MOST_NOTES: usize = 50;

/// A follow-up remembers so many calls by name: more than come before the reports of the first are applied.
const MOST_HEARD: usize = 50;

/// A follow-up, as its referral remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowUp {
    /// Why it is there.
    pub cause: Cause,
    /// Logical id of its Task, in the compartment of the referral.
    pub task: String,
    /// When it was opened.
    #[serde(with = "time::serde::rfc3339")]
    pub opened_at: OffsetDateTime,
    /// By when it should be done (`Task.restriction.period.end`).
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub due: Option<OffsetDateTime>,
    /// When its Task came to a final status; absent while it is open.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<OffsetDateTime>,
    /// That the service called for the same again while it was open; absent while it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Box<CalledAgain>>,
}

/// Further calls for help while the follow-up of the first was open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalledAgain {
    /// How many.
    pub times: u32,
    /// When the last was heard.
    #[serde(with = "time::serde::rfc3339")]
    pub last: OffsetDateTime,
    /// The last of them by the [`id`] of the follow-up that each would have opened, so that none counts twice.
    pub heard: Vec<String>,
}

/// A further call for help.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The [`id`] of the follow-up that it would have opened.
    pub(crate) id: String,
    /// Who called, and in which words.
    pub(crate) note: (String, String),
}

impl FollowUp {
    /// Whether somebody still has to do it.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.ended_at.is_none()
    }

    /// Whether it is the one that this occasion opened, or has heard of it since.
    pub(crate) fn knows(&self, id: &str) -> bool {
        self.task == id || self.again.as_ref().is_some_and(|again| again.heard.iter().any(|heard| heard == id))
    }
}

/// A follow-up to be opened.
#[derive(Debug, Clone)]
pub struct Opening<'a> {
    /// Why.
    pub cause: Cause,
    /// What makes it another than an earlier one of the same cause: an event's name, a deadline, a number. Never empty for a cause
    /// that can come again.
    pub occurrence: &'a str,
    /// What is said after the words of the cause: where, until when. Nothing of a person that the referral does not have.
    pub detail: Option<&'a str>,
    /// Other people's words on it, each with who said them; they become notes.
    pub notes: &'a [(String, String)],
    /// Instead of the cause's usual priority.
    pub priority: Option<Priority>,
    /// By when it should be done.
    pub due: Option<OffsetDateTime>,
}

impl<'a> Opening<'a> {
    /// One that says no more than its cause.
    #[must_use]
    pub const fn new(cause: Cause, occurrence: &'a str) -> Self {
        Self { cause, occurrence, detail: None, notes: &[], priority: None, due: None }
    }
}

/// The id of the follow-up of this cause and occurrence: the same, whoever asks and however often.
#[must_use]
pub fn id(referral: &Referral, cause: Cause, occurrence: &str) -> String {
    derived_id(&[&referral.id.0, "follow-up", cause.code(), occurrence])
}

/// Opens a follow-up; nothing if it was opened before, whatever has become of it since. The caller commits the changes together
/// with the next revision of this referral. `task` and `service_request` are the sender's documents as they stand.
#[must_use]
pub fn open(
    referral: &mut Referral,
    (task, service_request): (&Json, &Json),
    opening: &Opening<'_>,
    now: OffsetDateTime,
) -> Vec<Change> {
    let id = id(referral, opening.cause, opening.occurrence);
    let full = referral.follow_ups.len() >= MOST && !opening.cause.is_alarm();
    if full || referral.erased.is_some() || referral.follow_ups.iter().any(|one| one.task == id) {
        return Vec::new();
    }
    let document = document(referral, (task, service_request), opening, now);
    let key = key(referral, &id);
    let detail = json!({ "cause": opening.cause.code(), "task": id, "due": opening.due.map(instant::to_instant) });
    let line = audit_line(referral, now, GATEWAY_AUTHOR, "follow-up", detail);
    let (cause, due) = (opening.cause, opening.due);
    referral.follow_ups.push(FollowUp { cause, task: id, opened_at: now, due, ended_at: None, again: None });
    let stored = version_of(key, 1, document, GATEWAY_AUTHOR, WriteMethod::Post, now, &|_| None);
    vec![Change::PutResource(stored), line]
}

/// Completes an open follow-up because its cause has gone, and says why. `version` and `document` are those of its Task. One that
/// somebody has ended already is only remembered as ended. The caller commits the changes with the next revision of the referral.
#[must_use]
pub fn settled(
    referral: &mut Referral,
    (id, version, document): (&str, u64, &Json),
    reason: &str,
    now: OffsetDateTime,
) -> Vec<Change> {
    let Some(place) = referral.follow_ups.iter().position(|one| one.task == id && one.is_open()) else {
        return Vec::new();
    };
    let mut changes = Vec::new();
    if !task::status(document).is_some_and(TaskStatus::is_final) {
        let mut next = task::touched(document, now);
        next.set("status", Json::string(TaskStatus::Completed.code()));
        next.set("statusReason", json!({ "text": reason }).into());
        let key = key(referral, id);
        let stored = version_of(key, version + 1, next, GATEWAY_AUTHOR, WriteMethod::Put, now, &|_| None);
        changes.push(Change::PutResource(stored));
    }
    if let Some(one) = referral.follow_ups.get_mut(place) {
        one.ended_at = Some(now);
        let detail = json!({ "cause": one.cause.code(), "task": id });
        changes.push(audit_line(referral, now, GATEWAY_AUTHOR, "follow-up-settled", detail));
    }
    changes
}

/// A service calls for help again while the follow-up of its first call is open: each call is a note with its time, and a new version
/// of the follow-up, so that whoever is told of it is told again. Where there is no room for notes any more the version and the count
/// say so. `version` and `document` are those of its Task. The caller commits the changes with the next revision of the referral.
pub(crate) fn called_again(
    referral: &mut Referral,
    (id, version, document): (&str, u64, &Json),
    calls: &[Call],
    now: OffsetDateTime,
) -> Vec<Change> {
    let open = referral.open_follow_ups().find(|one| one.task == id).map(|one| one.cause);
    let Some(cause) = open.filter(|_| !calls.is_empty()) else { return Vec::new() };
    let room = MOST_NOTES.saturating_sub(document.items("note").len());
    let fresh = calls.iter().take(room).map(|call| note(&call.note, now));
    let all: Vec<Json> = document.items("note").iter().cloned().chain(fresh).collect();
    let mut next = task::touched(document, now);
    next.set("note", Json::Array(all));
    let stored = version_of(key(referral, id), version + 1, next, GATEWAY_AUTHOR, WriteMethod::Put, now, &|_| None);
    remember(referral, id, calls, now);
    let detail = json!({ "cause": cause.code(), "task": id, "calls": calls.len() });
    vec![Change::PutResource(stored), audit_line(referral, now, GATEWAY_AUTHOR, "follow-up-called-again", detail)]
}

/// Counts further calls with the follow-up of the first.
pub(crate) fn remember(referral: &mut Referral, id: &str, calls: &[Call], now: OffsetDateTime) {
    let Some(one) = referral.follow_ups.iter_mut().find(|one| one.task == id).filter(|_| !calls.is_empty()) else {
        return;
    };
    let (times, mut heard) = one.again.take().map(|again| (again.times, again.heard)).unwrap_or_default();
    heard.extend(calls.iter().map(|call| call.id.clone()));
    heard.drain(..heard.len().saturating_sub(MOST_HEARD));
    let times = times.saturating_add(u32::try_from(calls.len()).unwrap_or(u32::MAX));
    one.again = Some(Box::new(CalledAgain { times, last: now, heard }));
}

/// Whether a Task is a follow-up: its code is one of [`Cause`], which nobody else may use.
#[must_use]
pub fn is_follow_up(task: &Json) -> bool {
    let codings = task.get("code").map(|code| code.items("coding")).unwrap_or_default();
    codings.iter().any(|coding| coding.text("system") == Some(systems::FOLLOW_UP))
}

/// The id of the referral's Task that a follow-up is part of.
#[must_use]
pub fn parent(task: &Json) -> Option<&str> {
    task.items("partOf").iter().find_map(|part| part.text("reference")?.strip_prefix("Task/"))
}

impl Referral {
    /// The follow-ups that somebody still has to do.
    pub fn open_follow_ups(&self) -> impl Iterator<Item = &FollowUp> {
        self.follow_ups.iter().filter(|one| one.is_open())
    }
}

fn key(referral: &Referral, id: &str) -> ResourceKey {
    ResourceKey { compartment: referral.compartment.clone(), kind: "Task".to_owned(), id: id.to_owned() }
}

fn document(
    referral: &Referral,
    (task, service_request): (&Json, &Json),
    opening: &Opening<'_>,
    now: OffsetDateTime,
) -> Json {
    let cause = opening.cause;
    let made = instant::to_instant(now);
    let mut words = cause.words().to_owned();
    if let Some(detail) = opening.detail {
        words.push(' ');
        words.push_str(detail);
    }
    let mut document: Json = json!({
        "resourceType": "Task",
        "partOf": [{ "reference": format!("Task/{}", referral.task) }],
        "status": TaskStatus::Requested.code(),
        "intent": "order",
        "priority": opening.priority.unwrap_or_else(|| cause.priority()).code(),
        "code": { "coding": [{ "system": systems::FOLLOW_UP, "code": cause.code(), "display": cause.title() }] },
        "description": words,
        "focus": { "reference": format!("ServiceRequest/{}", referral.service_request) },
        "authoredOn": made,
        "lastModified": made,
    })
    .into();
    // What restricts the referral restricts what is said about it.
    let labels = task.get("meta").map(|meta| meta.items("security")).unwrap_or_default();
    if !labels.is_empty() {
        document.set("meta", Json::Object(vec![("security".to_owned(), Json::Array(labels.to_vec()))]));
    }
    let subject = task.get("for").or_else(|| service_request.get("subject")).and_then(outside);
    if let Some(subject) = subject {
        document.set("for", subject);
    }
    document.set("owner", owner(&referral.compartment, task, service_request));
    if !opening.notes.is_empty() {
        document.set("note", Json::Array(opening.notes.iter().take(MOST_NOTES).map(|one| note(one, now)).collect()));
    }
    if let Some(due) = opening.due {
        document.set("restriction", json!({ "period": { "end": instant::to_instant(due) } }).into());
    }
    document
}

fn note((who, words): &(String, String), now: OffsetDateTime) -> Json {
    json!({ "authorString": who, "time": instant::to_instant(now), "text": words }).into()
}

/// Who may own a follow-up: a person or an organisation that acts, never a patient or a system.
const OWNERS: [&str; 4] = ["Practitioner", "PractitionerRole", "Organization", "CareTeam"];

/// Who is asked first: whoever asked for the referral by its Task, else by its ServiceRequest, else the organisation that sent it.
fn owner(compartment: &Compartment, task: &Json, service_request: &Json) -> Json {
    let asked = [task.get("requester"), service_request.get("requester")];
    let person = asked.into_iter().flatten().filter(|one| is_owner(one)).find_map(outside);
    person.unwrap_or_else(|| match &compartment.owner {
        Owner::Organisation(code) => {
            json!({ "type": "Organization", "identifier": { "system": ODS_CODE, "value": code } }).into()
        }
        Owner::Platform(platform) => json!({ "display": platform.0 }).into(),
    })
}

pub(crate) fn is_owner(reference: &Json) -> bool {
    let literal = reference.text("reference").and_then(|literal| literal.rsplit_once('/')).map(|(kind, _)| kind);
    let kind =
        literal.map(|kind| kind.rsplit_once('/').map_or(kind, |(_, kind)| kind)).or_else(|| reference.text("type"));
    kind.is_some_and(|kind| OWNERS.contains(&kind))
}

/// A reference as it can stand in another resource: one to something contained means nothing there.
fn outside(reference: &Json) -> Option<Json> {
    let mut reference = reference.clone();
    if reference.text("reference").is_some_and(|literal| literal.starts_with('#')) {
        reference.remove("reference");
    }
    let says = ["reference", "identifier", "display"].iter().any(|member| reference.get(member).is_some());
    says.then_some(reference)
}
