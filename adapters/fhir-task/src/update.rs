//! Telling the platform what a referral has become: the Task is read, then the order and what it leads to are written anew in one
//! transaction, held by the order's version.
//!
//! The resources that the submission stored are ours: the person and the order are put where they are, and so is each resource that
//! the order leads to and led to before in the same place. What is new is created, under a key made of its content, so that a repeated
//! transaction makes no second one. Nothing of the platform's, its Task least of all, is written.

use crate::http::{get, key_condition, send};
use crate::order::Making;
use crate::settings::{Config, Mode};
use crate::submit::outgoing;
use crate::task::{Known, read_task};
use adapter_contract::{
    Answer, DeliveryError, Exchange, FailureCode, Method, MinimisedReferral, PlatformReferralId, PlatformRequest,
    Progress, Receipt, Repeat, Step, TaskStatus, TranslateError,
};
use adapter_fhir::answer::{status, success, unreadable};
use adapter_fhir::json::{Object, Writer, quoted, references, with_identifier, without_id};
use adapter_fhir::read::{is_id, local_reference};
use adapter_fhir::referral::Referral;
use uuid::Uuid;

/// Step whose answer is the Task as it stands.
pub(crate) const TASK: &str = "update-task";
/// Step whose answer is the order as it stands.
pub(crate) const ORDER: &str = "update-order";
/// Step whose answer is the transaction's.
pub(crate) const WRITE: &str = "update-write";

/// Notes: where order and person are, and how often the order was read.
const FOCUS: &str = "focus";
const PATIENT: &str = "for";
const READS: &str = "reads";
const MOST_READS: u32 = 2;

/// First request. An interrupted exchange begins anew: what it writes is held by the version that it reads.
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
    let note = |name: &str| progress.notes.get(name).map(String::as_str).unwrap_or_default();
    let reads = note(READS).parse().unwrap_or(1);
    let places = Places { focus: note(FOCUS), patient: note(PATIENT), reads };
    match progress.step.as_str() {
        TASK => Ok(task(config, platform_referral, answer).unwrap_or_else(Step::Failed)),
        ORDER => {
            let referral = Referral::read(referral)?;
            let making = Making { exchange, config, referral: &referral };
            match stands(answer) {
                Ok((version, order)) => write(&making, &places, &version, order),
                Err(error) => Ok(Step::Failed(error)),
            }
        }
        WRITE if matches!(status(answer), 409 | 412) && reads < MOST_READS => {
            Ok(order(Places { reads: reads + 1, ..places }))
        }
        WRITE => Ok(written(answer).map_or_else(Step::Failed, |()| {
            Step::Delivered(Receipt { platform_referral: platform_referral.clone(), reports: Vec::new() })
        })),
        _ => Err(TranslateError::new("progress.step", "is no step of an update")),
    }
}

/// Where the platform has order and person.
#[derive(Clone, Copy)]
struct Places<'a> {
    focus: &'a str,
    patient: &'a str,
    reads: u32,
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
    Ok(order(Places { focus: &focus, patient: &patient, reads: 1 }))
}

fn order(places: Places<'_>) -> Step {
    let progress = Progress::at(ORDER)
        .with(FOCUS, places.focus)
        .with(PATIENT, places.patient)
        .with(READS, places.reads.to_string());
    Step::Send(PlatformRequest::Http(get(places.focus, Vec::new())), progress)
}

/// The order as it stands, with its version.
fn stands(answer: &Answer) -> Result<(String, &str), DeliveryError> {
    let body = success(answer)?;
    let order = Object::read(body).ok_or_else(|| unreadable("the order is not a JSON object"))?;
    if order.string("resourceType").as_deref() != Some("ServiceRequest") {
        return Err(unreadable("the answer is no ServiceRequest"));
    }
    let meta = order.raw("meta").and_then(Object::read);
    let version = answer.header("etag").map(str::to_owned).or_else(|| {
        let version = meta?.string("versionId").filter(|version| is_id(version))?;
        Some(format!("W/\"{version}\""))
    });
    version.map(|version| (version, body)).ok_or_else(|| {
        let said = "the platform names no version of the order, so an update might overwrite a newer one";
        DeliveryError::new(FailureCode::Refused, said)
    })
}

/// One transaction with everything but the Task.
fn write(making: &Making<'_>, places: &Places<'_>, version: &str, standing: &str) -> Result<Step, TranslateError> {
    let referral = making.referral;
    let order_url = making.full_url("service-request");
    let parts = outgoing(making)?;
    let order = parts.iter().find(|(url, ..)| *url == order_url).map(|(.., text)| text.as_str()).unwrap_or_default();
    let of = |text: &str, wanted: &dyn Fn(&str) -> Option<String>| -> Vec<String> {
        references(text).iter().filter_map(|reference| wanted(reference)).collect()
    };
    // What the order leads to, in its order, then and now.
    let now = of(order, &|reference| parts.iter().any(|(url, ..)| url == reference).then(|| reference.to_owned()));
    let then = of(standing, &|reference| {
        local_reference(reference).filter(|place| place != places.patient && !reference.contains("://"))
    });
    let now: Vec<String> = now.into_iter().filter(|url| *url != referral.patient.full_url).collect();
    let stays = |url: &str, kind: &str| -> Option<String> {
        let place = then.get(now.iter().position(|one| one == url)?)?;
        (place.split('/').next() == Some(kind)).then(|| place.clone())
    };
    let mut repeat = Repeat::Keyed;
    let mut entries = Vec::new();
    for (full_url, kind, text) in &parts {
        let place = match full_url {
            url if *url == order_url => Some(places.focus.to_owned()),
            url if *url == referral.patient.full_url => Some(places.patient.to_owned()),
            url => stays(url, kind),
        };
        let mut request = Writer::object();
        let resource = match place {
            Some(place) => {
                request.raw("method", &quoted("PUT"));
                request.raw("url", &quoted(&place));
                if *full_url == order_url {
                    request.raw("ifMatch", &quoted(version));
                }
                with_id(text, place.split_once('/').map(|(_, id)| id).unwrap_or_default())
            }
            None => {
                request.raw("method", &quoted("POST"));
                request.raw("url", &quoted(kind));
                if making.config.conditional_create {
                    let name = Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes());
                    let suffix = format!("-{}", name.simple());
                    let value = format!("{}{suffix}", making.exchange.keys.idempotency.0);
                    request.raw("ifNoneExist", &quoted(&key_condition(&value)));
                    let unmarked = without_id(text);
                    with_identifier(&unmarked, &making.identifier(&suffix)).unwrap_or(unmarked)
                } else {
                    repeat = Repeat::LookUpFirst;
                    without_id(text)
                }
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
    let progress = Progress::at(WRITE)
        .with(FOCUS, places.focus)
        .with(PATIENT, places.patient)
        .with(READS, places.reads.to_string());
    Ok(Step::Send(PlatformRequest::Http(request), progress))
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
