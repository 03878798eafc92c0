//! Telling the platform what a referral has become: the Task is read, then the order and what it leads to, then these are written anew
//! in one transaction, each held by its version.
//!
//! The resources that the submission stored are ours: the person and the order are put where they are, and so is each resource that
//! the order leads to and led to before in the same place. What is new is created, under a key made of its content, so that a repeated
//! transaction makes no second one. Nothing of the platform's, its Task least of all, is written.

use crate::http::{get, key_condition, send};
use crate::order::Making;
use crate::settings::{Config, Mode};
use crate::submit::{outgoing, outgoing_named};
use crate::task::{Known, read_task};
use adapter_contract::{
    Answer, DeliveryError, Exchange, FailureCode, Method, MinimisedReferral, PlatformReferralId, PlatformRequest,
    Progress, Receipt, Repeat, Step, TaskStatus, TranslateError,
};
use adapter_fhir::answer::{status, success, unreadable};
use adapter_fhir::json::{Object, Writer, quoted, references, without_id};
use adapter_fhir::read::{bundle_entries, is_id, local_reference};
use adapter_fhir::referral::Referral;
use serde_json::json;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Step whose answer is the Task as it stands.
pub(crate) const TASK: &str = "update-task";
/// Step whose answer is order and person as they stand.
pub(crate) const ORDER: &str = "update-order";
/// Step whose answer is what the order leads to.
pub(crate) const RELATED: &str = "update-related";
/// Step whose answer is the transaction's.
pub(crate) const WRITE: &str = "update-write";

/// Notes: where order and person are, what the order leads to, the versions of all these, and how often they were read.
const FOCUS: &str = "focus";
const PATIENT: &str = "for";
const LEADS_TO: &str = "leads-to";
const VERSIONS: &str = "versions";
const READS: &str = "reads";
const MOST_READS: u32 = 2;
/// Of more than so many resources that the order leads to the rest is created anew.
const MOST_RELATED: usize = 40;

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
            let next = if progress.step == ORDER { order(read, answer) } else { related(read, answer) };
            match next {
                Ok(Next::Ask(step)) => Ok(step),
                Ok(Next::Write(read)) => {
                    let referral = Referral::read(referral)?;
                    write(&Making { exchange, config, referral: &referral }, &read)
                }
                Err(error) => Ok(Step::Failed(error)),
            }
        }
        WRITE if matches!(status(answer), 409 | 412) && read.reads < MOST_READS => {
            Ok(ask_order(&Read { reads: read.reads + 1, ..read }))
        }
        WRITE => Ok(written(answer).map_or_else(Step::Failed, |()| {
            Step::Delivered(Receipt { platform_referral: platform_referral.clone(), reports: Vec::new() })
        })),
        _ => Err(TranslateError::new("progress.step", "is no step of an update")),
    }
}

/// What is known of the platform's resources so far: names and versions.
#[derive(Debug, Clone, Default)]
struct Read {
    focus: String,
    patient: String,
    /// What the order leads to, in its order.
    leads_to: Vec<String>,
    versions: BTreeMap<String, String>,
    reads: u32,
}

/// What follows a reading.
enum Next {
    /// There is more to ask.
    Ask(Step),
    /// All is known.
    Write(Read),
}

impl Read {
    fn of(progress: &Progress) -> Self {
        let note = |name: &str| progress.notes.get(name).cloned().unwrap_or_default();
        let versions = note(VERSIONS);
        let versions = versions.split_whitespace().filter_map(|one| one.split_once('='));
        Self {
            focus: note(FOCUS),
            patient: note(PATIENT),
            leads_to: note(LEADS_TO).split_whitespace().map(str::to_owned).collect(),
            versions: versions.map(|(place, version)| (place.to_owned(), version.to_owned())).collect(),
            reads: note(READS).parse().unwrap_or(1),
        }
    }

    fn at(&self, step: &str) -> Progress {
        let versions: Vec<String> = self.versions.iter().map(|(place, version)| format!("{place}={version}")).collect();
        Progress::at(step)
            .with(FOCUS, self.focus.as_str())
            .with(PATIENT, self.patient.as_str())
            .with(LEADS_TO, self.leads_to.join(" "))
            .with(VERSIONS, versions.join(" "))
            .with(READS, self.reads.to_string())
    }

    /// Notes the versions of what a batch answered.
    fn note(&mut self, entries: &[Object<'_>]) {
        for resource in entries.iter().filter_map(|entry| entry.raw("resource").and_then(Object::read)) {
            let place = resource.string("resourceType").zip(resource.string("id"));
            let version = resource.raw("meta").and_then(Object::read).and_then(|meta| meta.string("versionId"));
            if let (Some((kind, id)), Some(version)) = (place, version.filter(|version| is_id(version))) {
                self.versions.insert(format!("{kind}/{id}"), version);
            }
        }
    }
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
        let said = "the platform's Task has ended, so the order is not changed any more";
        return Err(DeliveryError::new(FailureCode::Refused, said));
    }
    let task = Object::read(body).ok_or_else(|| unreadable("the Task is not a JSON object"))?;
    let place = |element: &str, kind: &str| {
        let reference = task.raw(element).and_then(Object::read)?.string("reference")?;
        local_reference(&reference).filter(|place| place.split('/').next() == Some(kind))
    };
    let focus = place("focus", "ServiceRequest").ok_or_else(|| unreadable("the Task names no order of ours"))?;
    let patient = place("for", "Patient").ok_or_else(|| unreadable("the Task names no person"))?;
    Ok(ask_order(&Read { focus, patient, reads: 1, ..Read::default() }))
}

fn ask_order(read: &Read) -> Step {
    batch(&[&read.focus, &read.patient], read.at(ORDER))
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

/// Order and person with their versions, and what the order leads to.
fn order(mut read: Read, answer: &Answer) -> Result<Next, DeliveryError> {
    let entries = answered(answer)?;
    read.versions.clear();
    read.note(&entries);
    if !read.versions.contains_key(&read.focus) || !read.versions.contains_key(&read.patient) {
        let said =
            "the platform does not give order and person with their versions, so an update might overwrite newer ones";
        return Err(DeliveryError::new(FailureCode::Refused, said));
    }
    let order = entries.first().and_then(|entry| entry.raw("resource")).unwrap_or_default();
    let mut leads_to = Vec::new();
    for reference in references(order).iter().filter(|reference| !reference.contains("://")) {
        let place = local_reference(reference).filter(|place| *place != read.patient && *place != read.focus);
        leads_to.extend(place.filter(|place| !leads_to.contains(place)));
    }
    leads_to.truncate(MOST_RELATED);
    read.leads_to = leads_to;
    if read.leads_to.is_empty() {
        return Ok(Next::Write(read));
    }
    let places: Vec<&str> = read.leads_to.iter().map(String::as_str).collect();
    Ok(Next::Ask(batch(&places, read.at(RELATED))))
}

fn related(mut read: Read, answer: &Answer) -> Result<Next, DeliveryError> {
    read.note(&answered(answer)?);
    Ok(Next::Write(read))
}

/// One transaction with everything but the Task.
fn write(making: &Making<'_>, read: &Read) -> Result<Step, TranslateError> {
    let referral = making.referral;
    let order_url = making.full_url("service-request");
    let parts = outgoing(making)?;
    let order = parts.iter().find(|(url, ..)| *url == order_url).map(|(.., text)| text.as_str()).unwrap_or_default();
    let mut now: Vec<String> = Vec::new();
    for reference in references(order) {
        let known = parts.iter().any(|(url, ..)| *url == reference) && reference != referral.patient.full_url;
        if known && !now.contains(&reference) {
            now.push(reference);
        }
    }
    // Where each is, with its version; nowhere, if it is new.
    let places: BTreeMap<&str, (&str, &str)> = parts
        .iter()
        .filter_map(|(url, kind, _)| {
            let place = match url {
                url if *url == order_url => Some(&read.focus),
                url if *url == referral.patient.full_url => Some(&read.patient),
                url => read.leads_to.get(now.iter().position(|one| one == url)?),
            }?;
            let same = place.split('/').next() == Some(kind);
            let version = read.versions.get(place).filter(|_| same)?;
            Some((url.as_str(), (place.as_str(), version.as_str())))
        })
        .collect();
    let created = |text: &str| format!("-{}", Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes()).simple());
    // What is new has a name of its content; what stays has the one that it has.
    let named = |part: &adapter_fhir::referral::Part<'_>| {
        (!places.contains_key(part.full_url.as_str())).then(|| created(part.text))
    };
    let parts = outgoing_named(making, &named)?;
    let mut repeat = Repeat::Keyed;
    let mut entries = Vec::new();
    for (full_url, kind, text) in &parts {
        let mut request = Writer::object();
        let resource = match places.get(full_url.as_str()) {
            Some((place, version)) => {
                request.raw("method", &quoted("PUT"));
                request.raw("url", &quoted(place));
                request.raw("ifMatch", &quoted(&format!("W/\"{version}\"")));
                with_id(text, place.split_once('/').map(|(_, id)| id).unwrap_or_default())
            }
            None => {
                request.raw("method", &quoted("POST"));
                request.raw("url", &quoted(kind));
                let part = referral.others.iter().find(|part| part.full_url == *full_url);
                if making.config.conditional_create {
                    let suffix = part.map(|part| created(part.text)).unwrap_or_default();
                    let value = format!("{}{suffix}", making.exchange.keys.idempotency.0);
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

/// The resource under the id that it has at the platform.
fn with_id(text: &str, id: &str) -> String {
    let Some(object) = Object::read(text) else { return text.to_owned() };
    let mut writer = Writer::object();
    for (name, value) in object.members().filter(|(name, _)| *name != "id") {
        writer.raw(name, value);
        if name == "resourceType" {
            writer.raw("id", &quoted(id));
        }
    }
    writer.finish()
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
