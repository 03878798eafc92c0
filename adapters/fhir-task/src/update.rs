//! Telling the platform what a referral has become: the Task is read, then the order and the person, then what order and Task lead
//! to, then these are written anew in one transaction, each held by its version.
//!
//! What is written is ours: it was read just before and carries our key, which says of which of the sender's resources it was made.
//! What of the referral is not there under its key is created, under a key of its content, so that a repeated transaction makes no
//! second one. Where order or person do not carry our key, or a change would have to stand in the Task, which is the platform's,
//! nothing is written, and a person is told to call.

mod put;

use crate::http::{get, key_condition, send};
use crate::order::Making;
use crate::settings::{Config, Mode};
use crate::submit::{PERSON, outgoing_named, suffix};
use crate::task::{Known, own_reference, read_task};
use adapter_contract::{
    Answer, DeliveryError, Exchange, FailureCode, Method, MinimisedReferral, PlatformReferralId, PlatformRequest,
    Progress, Receipt, Repeat, Step, TaskStatus, TranslateError,
};
use adapter_fhir::answer::{status, success, unreadable};
use adapter_fhir::json::{Object, Writer, quoted, references, without_id};
use adapter_fhir::read::{bundle_entries, is_id};
use adapter_fhir::referral::{Part, Referral};
use put::There;
use serde_json::json;
use uuid::Uuid;

/// Step whose answer is the Task as it stands.
pub(crate) const TASK: &str = "update-task";
/// Step whose answer is order and person as they stand.
pub(crate) const ORDER: &str = "update-order";
/// Step whose answer is order, person and what order and Task lead to.
pub(crate) const RELATED: &str = "update-related";
/// Step whose answer is the transaction's.
pub(crate) const WRITE: &str = "update-write";

/// Notes: where order and person are, what `Task.input` leads to, the Task's priority, what else was read, and how often.
const FOCUS: &str = "focus";
const PATIENT: &str = "for";
const INPUTS: &str = "inputs";
const PRIORITY: &str = "priority";
const LEADS_TO: &str = "leads-to";
const READS: &str = "reads";
const MOST_READS: u32 = 2;
/// More resources than these are not read for one change.
const MOST_RELATED: usize = 40;
/// R4's codes; another word of a platform's is not kept.
const PRIORITIES: [&str; 4] = ["routine", "urgent", "asap", "stat"];

/// First request. An interrupted exchange begins anew: what it writes is held by the versions that it reads.
pub(crate) fn begin(config: &Config<'_>, referral: &PlatformReferralId) -> Result<Step, TranslateError> {
    if config.mode == Mode::DirectLight {
        let words = "a platform that collects its referrals has taken this one already, and would not see a change";
        return Err(TranslateError::new("exchange.purpose", words));
    }
    if !is_id(&referral.0) {
        return Err(TranslateError::new("exchange.platform-referral", "is not a FHIR id"));
    }
    let request = get(format!("Task/{}", referral.0), Vec::new());
    Ok(Step::Send(PlatformRequest::Http(request), Progress::at(TASK)))
}

/// What follows an answer.
pub(crate) fn resume(
    exchange: &Exchange<'_>,
    config: &Config<'_>,
    (platform_referral, referral): (&PlatformReferralId, &MinimisedReferral),
    progress: &Progress,
    answer: &Answer,
) -> Result<Step, TranslateError> {
    let read = Read::of(progress);
    match progress.step.as_str() {
        TASK => Ok(task(config, platform_referral, answer).unwrap_or_else(Step::Failed)),
        ORDER | RELATED => {
            let referral = Referral::read(referral)?;
            let making = Making { exchange, config, referral: &referral };
            let resources = match answered(answer) {
                Ok(entries) => There::all(&entries),
                Err(error) => return Ok(Step::Failed(error)),
            };
            match order(&making, &read, &resources) {
                // The second batch holds both again, so that all is of one moment.
                Ok(leads_to) if progress.step == ORDER && !leads_to.is_empty() => {
                    let read = Read { leads_to, ..read };
                    Ok(batch(&read.all(), read.at(RELATED)))
                }
                Ok(_) => write(&making, &read, &resources),
                Err(error) => Ok(Step::Failed(error)),
            }
        }
        WRITE if matches!(status(answer), 409 | 412) && read.reads < MOST_READS => {
            Ok(ask_order(&Read { reads: read.reads + 1, leads_to: Vec::new(), ..read }))
        }
        WRITE => Ok(written(answer).map_or_else(Step::Failed, |()| {
            Step::Delivered(Receipt { platform_referral: platform_referral.clone(), reports: Vec::new() })
        })),
        _ => Err(TranslateError::new("progress.step", "is no step of an update")),
    }
}

/// Names of the platform's resources, as far as they are known.
#[derive(Debug, Clone, Default)]
struct Read {
    focus: String,
    patient: String,
    /// What `Task.input` leads to.
    inputs: Vec<String>,
    /// `Task.priority`.
    priority: String,
    /// What order and Task lead to, what the Task leads to first.
    leads_to: Vec<String>,
    reads: u32,
}

impl Read {
    fn of(progress: &Progress) -> Self {
        let note = |name: &str| progress.notes.get(name).cloned().unwrap_or_default();
        let list = |name: &str| note(name).split_whitespace().map(str::to_owned).collect();
        Self {
            focus: note(FOCUS),
            patient: note(PATIENT),
            inputs: list(INPUTS),
            priority: note(PRIORITY),
            leads_to: list(LEADS_TO),
            reads: note(READS).parse().unwrap_or(1),
        }
    }

    fn at(&self, step: &str) -> Progress {
        Progress::at(step)
            .with(FOCUS, self.focus.as_str())
            .with(PATIENT, self.patient.as_str())
            .with(INPUTS, self.inputs.join(" "))
            .with(PRIORITY, self.priority.as_str())
            .with(LEADS_TO, self.leads_to.join(" "))
            .with(READS, self.reads.to_string())
    }

    /// Order, person, and what is behind them.
    fn all(&self) -> Vec<&str> {
        [&self.focus, &self.patient].into_iter().chain(&self.leads_to).map(String::as_str).collect()
    }
}

/// Nothing is written: a person is told why, and calls.
fn refused(said: &str) -> DeliveryError {
    DeliveryError::new(FailureCode::Refused, said)
}

/// The Task as it stands: one that is final is not changed any more.
fn task(config: &Config<'_>, name: &PlatformReferralId, answer: &Answer) -> Result<Step, DeliveryError> {
    if matches!(status(answer), 404 | 410) {
        return Ok(Step::Absent);
    }
    let body = success(answer)?;
    let read = read_task(body, &mut Known::default(), Some(config.base_url)).map_err(unreadable)?;
    if read.report.platform_referral != *name {
        return Err(unreadable("the Task has another id than the one that was asked for"));
    }
    if read.report.status.is_some_and(TaskStatus::is_final) {
        return Err(refused("the platform's Task has ended, so the order is not changed any more"));
    }
    let task = Object::read(body).ok_or_else(|| unreadable("the Task is not a JSON object"))?;
    let place = |element: &str, kind: &str| {
        let reference = task.raw(element).and_then(Object::read)?.string("reference")?;
        own_reference(&reference, Some(config.base_url)).filter(|place| place.split('/').next() == Some(kind))
    };
    let focus = place("focus", "ServiceRequest")
        .ok_or_else(|| refused("the platform's Task leads to no order, so there is nothing that may be changed"))?;
    let patient = place("for", "Patient")
        .ok_or_else(|| refused("the platform's Task leads to no person, so there is nothing that may be changed"))?;
    let priority = task.string("priority").filter(|code| PRIORITIES.contains(&code.as_str())).unwrap_or_default();
    let inputs = leads_to(config, task.raw("input").unwrap_or("[]"), &[&focus, &patient]);
    Ok(ask_order(&Read { focus, patient, inputs, priority, reads: 1, ..Read::default() }))
}

/// What a resource of the platform's leads to on its own server, each once, without those that are known already.
fn leads_to(config: &Config<'_>, text: &str, known: &[&String]) -> Vec<String> {
    let mut places: Vec<String> = Vec::new();
    for reference in references(text) {
        let place = own_reference(&reference, Some(config.base_url)).filter(|place| !known.contains(&place));
        places.extend(place.filter(|place| !places.contains(place)));
    }
    places
}

fn ask_order(read: &Read) -> Step {
    batch(&read.all(), read.at(ORDER))
}

/// A batch of reads: it changes nothing, though it is posted (R4 http, "batch").
fn batch(places: &[&str], progress: Progress) -> Step {
    let entries: Vec<_> = places.iter().map(|place| json!({"request": {"method": "GET", "url": place}})).collect();
    let body = json!({"resourceType": "Bundle", "type": "batch", "entry": entries}).to_string();
    Step::Send(PlatformRequest::Http(send(Method::Post, "", body, Repeat::Safe)), progress)
}

fn answered(answer: &Answer) -> Result<Vec<Object<'_>>, DeliveryError> {
    let entries = bundle_entries(success(answer)?, "batch-response")
        .ok_or_else(|| unreadable("the answer to the batch is not a batch-response Bundle"))?;
    Ok(entries.into_iter().map(|(_, entry)| entry).collect())
}

const UNVERSIONED: &str =
    "the platform does not give order and person with their versions, so an update might overwrite newer ones";
const STRANGE_ORDER: &str = "the order at the platform does not carry our key, so it may not be ours to change";
const STRANGE_PERSON: &str = "the person's record at the platform does not carry our key and no other, so it may be one that the \
                              platform has merged or keeps itself, and is not ours to change";
const LINKED_PERSON: &str =
    "the platform has linked the person's record to another one, which is the platform's and is not changed";
const NUMBERED_PERSON: &str =
    "the platform has put an identifier of its own into the person's record, which a change would take away";
const OTHER_PRIORITY: &str =
    "the priority has changed, and that of the platform's Task, which only the platform may write, is another one";
const INPUT_ELSEWHERE: &str = "what the Task says besides the order is not found at the platform under our key, and the Task, which \
                               only the platform may write, would go on leading to what it was before";
const TOO_MANY: &str = "order and Task lead to more resources than are read for one change";
const UNREAD: &str = "not all that the order leads to at the platform can be read with its version, so what is changed might be stored \
                      beside what it was before";
const NO_KEY: &str =
    "a resource of the referral has no room for our key, so it would be stored once more with each change";

/// Checks that order and person are ours to write; then what order and Task lead to.
fn order(making: &Making<'_>, read: &Read, resources: &[There<'_>]) -> Result<Vec<String>, DeliveryError> {
    let find = |place: &str| resources.iter().find(|there| there.place == place).ok_or_else(|| refused(UNVERSIONED));
    let (order, patient) = (find(&read.focus)?, find(&read.patient)?);
    let key = &making.exchange.keys.idempotency.0;
    if order.keys != [key.clone()] {
        return Err(refused(STRANGE_ORDER));
    }
    if patient.keys != [format!("{key}{PERSON}")] {
        return Err(refused(STRANGE_PERSON));
    }
    if !patient.object.array("link").is_empty() {
        return Err(refused(LINKED_PERSON));
    }
    if patient.is_numbered_besides(&making.referral.patient.object) {
        return Err(refused(NUMBERED_PERSON));
    }
    let usual = |priority: Option<String>| priority.unwrap_or_else(|| "routine".to_owned());
    let (before, there) = (usual(order.object.string("priority")), Some(read.priority.clone()));
    // The Task says the order's where the sender's Task has none, which nobody changes once it was sent.
    if let Some(now) = making.priority_of_the_order().map(usual)
        && now != before
        && now != usual(there.filter(|code| !code.is_empty()))
    {
        return Err(refused(OTHER_PRIORITY));
    }
    let mut all = read.inputs.clone();
    for place in leads_to(making.config, order.text, &[&read.focus, &read.patient]) {
        if !all.contains(&place) {
            all.push(place);
        }
    }
    if all.len() > MOST_RELATED {
        return Err(refused(TOO_MANY));
    }
    Ok(all)
}

/// One transaction with everything but the Task.
fn write(making: &Making<'_>, read: &Read, resources: &[There<'_>]) -> Result<Step, TranslateError> {
    let referral = making.referral;
    let order_url = making.full_url("service-request");
    let key = &making.exchange.keys.idempotency.0;
    // By what it was made of, and what it says: what is created again is the same only if it says the same.
    let named = |part: &Part<'_>| {
        let content = || Uuid::new_v5(&Uuid::NAMESPACE_OID, part.text.as_bytes()).simple();
        if part.index == referral.patient.index {
            return suffix(part);
        }
        format!("{}-{}", suffix(part), content())
    };
    let parts = outgoing_named(making, &|part| Some(named(part)))?;
    let related: Vec<&There<'_>> =
        read.leads_to.iter().filter_map(|place| resources.iter().find(|there| there.place == *place)).collect();
    let is_theirs = |place: &String| {
        let ours = |there: &&There<'_>| there.place == *place && there.keys.iter().any(|one| one.starts_with(key));
        !related.iter().any(ours)
    };
    let is_unread = |kind: &str| {
        let missing = |place: &&String| related.iter().all(|there| there.place != **place);
        read.leads_to.iter().filter(missing).any(|place| place.split('/').next() == Some(kind))
    };
    let inputs = references(making.inputs().unwrap_or("[]"));
    let mut repeat = Repeat::Keyed;
    let mut entries = Vec::new();
    for (full_url, kind, text) in &parts {
        let part = std::iter::once(&referral.patient).chain(&referral.others).find(|part| part.full_url == *full_url);
        let there = match part {
            _ if *full_url == order_url => resources.iter().find(|there| there.place == read.focus),
            Some(part) if *full_url == referral.patient.full_url => {
                resources.iter().find(|there| there.place == read.patient && there.kind == part.kind)
            }
            Some(part) => {
                let mine = format!("{key}{}", suffix(part));
                related.iter().copied().find(|there| there.kind == *kind && there.is_made_of(&mine))
            }
            None => None,
        };
        let in_task = inputs.contains(full_url) && part.is_some_and(|part| part.index != referral.patient.index);
        if in_task && !there.is_some_and(|there| read.inputs.contains(&there.place)) {
            return Ok(Step::Failed(refused(INPUT_ELSEWHERE)));
        }
        if there.is_none() && is_unread(kind) {
            return Ok(Step::Failed(refused(UNREAD)));
        }
        let mut request = Writer::object();
        let resource = match there {
            Some(there) => {
                request.raw("method", &quoted("PUT"));
                request.raw("url", &quoted(&there.place));
                request.raw("ifMatch", &quoted(&format!("W/\"{}\"", there.version)));
                let kept = put::references(making.config, there, &is_theirs);
                put::resource(text, there, &kept)
            }
            None => {
                request.raw("method", &quoted("POST"));
                request.raw("url", &quoted(kind));
                let value = format!("{key}{}", part.map(named).unwrap_or_default());
                if !text.contains(&quoted(&value)) {
                    return Ok(Step::Failed(refused(NO_KEY)));
                }
                if making.config.conditional_create {
                    request.raw("ifNoneExist", &quoted(&key_condition(&value)));
                } else {
                    repeat = Repeat::LookUpFirst;
                }
                without_id(text)
            }
        };
        let (url, request) = (quoted(full_url), request.finish());
        entries.push(format!(r#"{{"fullUrl":{url},"resource":{resource},"request":{request}}}"#));
    }
    let body = format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{}]}}"#, entries.join(","));
    let mut request = send(Method::Post, "", body, repeat);
    for (_, value) in request.headers.iter_mut().filter(|(name, _)| name == "Prefer") {
        *value = "return=minimal".to_owned();
    }
    Ok(Step::Send(PlatformRequest::Http(request), read.at(WRITE)))
}

fn written(answer: &Answer) -> Result<(), DeliveryError> {
    let body = success(answer)?;
    let bundle = Object::read(body).ok_or_else(|| unreadable("the transaction's answer is not JSON"))?;
    let is = |name: &str, wanted: &str| bundle.string(name).as_deref() == Some(wanted);
    if !is("resourceType", "Bundle") || !is("type", "transaction-response") {
        return Err(unreadable("the answer is not a transaction-response Bundle"));
    }
    let kept = |entry: &&str| {
        let response = Object::read(entry).and_then(|entry| Object::read(entry.raw("response")?));
        response.and_then(|response| response.string("status")).is_some_and(|status| status.starts_with('2'))
    };
    let entries = bundle.array("entry");
    let stored = entries.iter().filter(|entry| kept(entry)).count();
    if entries.is_empty() || stored < entries.len() {
        let said = format!("{stored} of {} entries of the transaction were stored", entries.len());
        return Err(DeliveryError::new(FailureCode::PartlyStored, said));
    }
    Ok(())
}
