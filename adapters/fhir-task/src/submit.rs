//! Submission. *Direct*: a transaction stores person, context and order at the platform, then the Task starts the work.
//! *Direct Light*: the same four kinds of resource are published on the gateway for the platform to collect.

use crate::http::{key_condition, send};
use crate::order::Making;
use crate::settings::Mode;
use crate::task::{Known, read_task};
use adapter_contract::{
    Answer, DeliveryError, Exchange, FailureCode, Method, MinimisedReferral, PlatformReferralId, PlatformRequest,
    Progress, Publication, PublishedResource, Receipt, Repeat, Step, TranslateError,
};
use adapter_fhir::answer::{success, unreadable};
use adapter_fhir::json::{Writer, quoted, references, with_identifier, without_id};
use adapter_fhir::read::local_reference;
use adapter_fhir::referral::{Part, Referral};
use serde_json::Value;
use uuid::Uuid;

/// Step whose answer is the transaction's.
pub(crate) const TRANSACTION: &str = "transaction";
/// Step whose answer is the created Task.
pub(crate) const TASK: &str = "task";
/// Step whose answer names the published resources.
pub(crate) const PUBLISH: &str = "publish";

/// Notes of the step [`TASK`]: where the order and the person are. Other resources are noted by their full URL.
const FOCUS: &str = "focus";
const PATIENT: &str = "for";

/// What stands behind our key at the person: of a referral there is one.
pub(crate) const PERSON: &str = "-1";

/// Full-URL name of the order.
const ORDER: &str = "service-request";

/// A resource on its way: full URL, type, text.
pub(crate) type Outgoing = (String, String, String);

/// First request of a submission, or that of the step at which it was interrupted.
pub(crate) fn begin(
    exchange: &Exchange<'_>,
    config: &crate::settings::Config<'_>,
    referral: &MinimisedReferral,
) -> Result<Step, TranslateError> {
    let referral = Referral::read(referral)?;
    let making = Making { exchange, config, referral: &referral };
    if config.mode == Mode::DirectLight {
        return publish(&making);
    }
    match exchange.at {
        Some(progress) if progress.step == TASK => create_task(&making, progress),
        _ => transaction(&making),
    }
}

/// What follows the answer of a submission's step.
pub(crate) fn resume(
    exchange: &Exchange<'_>,
    config: &crate::settings::Config<'_>,
    referral: &MinimisedReferral,
    progress: &Progress,
    answer: &Answer,
) -> Result<Step, TranslateError> {
    let referral = Referral::read(referral)?;
    let making = Making { exchange, config, referral: &referral };
    Ok(match progress.step.as_str() {
        TRANSACTION => match stored(&making, answer)? {
            Ok(next) => create_task(&making, &next)?,
            Err(error) => Step::Failed(error),
        },
        TASK => created(&making, answer).map_or_else(Step::Failed, Step::Delivered),
        PUBLISH => published(answer).map_or_else(Step::Failed, Step::Delivered),
        _ => return Err(TranslateError::new("progress.step", "is no step of a submission")),
    })
}

/// Everything but the Task, in the order in which it is stored: person, context, order.
pub(crate) fn outgoing(making: &Making<'_>) -> Result<Vec<Outgoing>, TranslateError> {
    outgoing_named(making, &|_| None)
}

/// The same, where some have a name of their own instead of that of their place.
pub(crate) fn outgoing_named(
    making: &Making<'_>,
    name: &dyn Fn(&Part<'_>) -> Option<String>,
) -> Result<Vec<Outgoing>, TranslateError> {
    let referral = making.referral;
    let order = making.order();
    let inputs = making.inputs().unwrap_or_default();
    let reached = referral.reached_from(&[referral.patient.text, &order, inputs]);
    let order_url = making.full_url(ORDER);
    let mut parts: Vec<Outgoing> = Vec::with_capacity(reached.len() + 2);
    for part in std::iter::once(&referral.patient).chain(reached) {
        making.guard_task_reference(&part.kind, part.text)?;
        let name = name(part).unwrap_or_else(|| suffix(part));
        parts.push((part.full_url.clone(), part.kind.clone(), marked(making, part, &name)?));
    }
    making.guard_task_reference("ServiceRequest", &order)?;
    parts.push((order_url.clone(), "ServiceRequest".to_owned(), order));
    // Whatever refers to the sender's ServiceRequest refers, at the platform, to the order that the platform has.
    let (sent, ours) = (quoted(&referral.order.full_url), quoted(&order_url));
    for (_, _, text) in parts.iter_mut().filter(|(_, _, text)| text.contains(&sent)) {
        *text = text.replace(&sent, &ours);
    }
    let texts: Vec<&str> = parts.iter().map(|(_, _, text)| text.as_str()).chain([inputs]).collect();
    referral.guard_contact(making.config.honours_contact_prohibition, &texts)?;
    Ok(parts)
}

/// The resource as it came, with our identifier: by it a change finds what is ours, and a conditional create what is there.
fn marked(making: &Making<'_>, part: &Part<'_>, name: &str) -> Result<String, TranslateError> {
    if making.config.mode == Mode::DirectLight {
        return Ok(part.text.to_owned());
    }
    match with_identifier(part.text, &making.identifier(name)) {
        Some(text) => Ok(text),
        // Nothing rests on it: it is only found by no change.
        None if !making.config.conditional_create => Ok(part.text.to_owned()),
        None => {
            let reason = "stands where our key has to stand (setting conditional-create), and only one is possible";
            Err(TranslateError::new(format!("{}.identifier", part.kind), reason))
        }
    }
}

/// What stands behind our key at a resource: which of the sender's it was made of, and not its place, which another one may take.
pub(crate) fn suffix(part: &Part<'_>) -> String {
    if part.kind == "Patient" && part.index == 1 {
        return PERSON.to_owned();
    }
    let name = part.full_url.strip_prefix("urn:uuid:").and_then(|name| Uuid::parse_str(name).ok());
    // The contract's full URLs are UUIDs of key and resource; another form is made one.
    let name = name.unwrap_or_else(|| Uuid::new_v5(&Uuid::NAMESPACE_URL, part.full_url.as_bytes()));
    format!("-{}", name.simple())
}

fn transaction(making: &Making<'_>) -> Result<Step, TranslateError> {
    let referral = making.referral;
    let key = &making.exchange.keys.idempotency.0;
    let mut entries = Vec::new();
    for (full_url, kind, text) in outgoing(making)? {
        let part = std::iter::once(&referral.patient).chain(&referral.others).find(|part| part.full_url == full_url);
        let mut request = Writer::object();
        request.raw("method", &quoted("POST"));
        request.raw("url", &quoted(&kind));
        if making.config.conditional_create {
            let value = format!("{key}{}", part.map(suffix).unwrap_or_default());
            request.raw("ifNoneExist", &quoted(&key_condition(&value)));
        }
        let request = request.finish();
        entries.push(format!(r#"{{"fullUrl":{},"resource":{text},"request":{request}}}"#, quoted(&full_url)));
    }
    let body = format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{}]}}"#, entries.join(","));
    let mut request = send(Method::Post, "", body, repeat(making));
    // Only the places are needed: the person's data need not travel back.
    for (_, value) in request.headers.iter_mut().filter(|(name, _)| name == "Prefer") {
        *value = "return=minimal".to_owned();
    }
    Ok(Step::Send(PlatformRequest::Http(request), Progress::at(TRANSACTION)))
}

fn repeat(making: &Making<'_>) -> Repeat {
    if making.config.conditional_create { Repeat::Keyed } else { Repeat::LookUpFirst }
}

/// Reads the transaction's answer: where each resource is now.
fn stored(making: &Making<'_>, answer: &Answer) -> Result<Result<Progress, DeliveryError>, TranslateError> {
    let sent = outgoing(making)?;
    let read = success(answer).and_then(|body| {
        let places = locations(body, &sent)?;
        let mut next = Progress::at(TASK);
        let order_url = making.full_url(ORDER);
        for ((full_url, _, _), place) in sent.iter().zip(places) {
            next = match full_url {
                url if *url == order_url => next.with(FOCUS, place),
                url if *url == making.referral.patient.full_url => next.with(PATIENT, place),
                url => next.with(url, place),
            };
        }
        Ok(next)
    });
    Ok(read)
}

/// `Type/id` of each entry of a `transaction-response`, in the order of what was sent (R4 http, "transaction response").
fn locations(body: &str, sent: &[Outgoing]) -> Result<Vec<String>, DeliveryError> {
    let value: Value = serde_json::from_str(body).map_err(|_| unreadable("the transaction's answer is not JSON"))?;
    let entries = value
        .get("entry")
        .and_then(Value::as_array)
        .filter(|_| value.get("resourceType").and_then(Value::as_str) == Some("Bundle"))
        .filter(|_| value.get("type").and_then(Value::as_str) == Some("transaction-response"))
        .ok_or_else(|| unreadable("the answer is not a transaction-response Bundle"))?;
    if entries.len() != sent.len() {
        return Err(unreadable("the transaction-response has another number of entries than the transaction"));
    }
    let status =
        |entry: &Value| entry.pointer("/response/status").and_then(Value::as_str).unwrap_or_default().to_owned();
    let kept = entries.iter().filter(|entry| status(entry).starts_with('2')).count();
    if kept < entries.len() {
        let said = format!("{kept} of {} entries of the transaction were stored", entries.len());
        return Err(DeliveryError::new(FailureCode::PartlyStored, said));
    }
    let place = |(entry, (_, kind, _)): (&Value, &Outgoing)| {
        let location = entry.pointer("/response/location").and_then(Value::as_str).map(str::to_owned);
        // A conditional create that found one may answer without a location; then the resource itself tells.
        let told = || Some(format!("{kind}/{}", entry.pointer("/resource/id")?.as_str()?));
        location
            .or_else(told)
            .and_then(|place| local_reference(&place))
            .filter(|place| place.split('/').next() == Some(kind))
    };
    entries
        .iter()
        .zip(sent)
        .map(|pair| place(pair).ok_or_else(|| unreadable("an entry of the transaction-response says not where it is")))
        .collect()
}

fn create_task(making: &Making<'_>, progress: &Progress) -> Result<Step, TranslateError> {
    let note = |name: &str| {
        let lost = || TranslateError::new("progress.notes", format!("the place of `{name}` is missing"));
        progress.notes.get(name).map(String::as_str).ok_or_else(lost)
    };
    let referral = making.referral;
    // Consent is decided before every attempt: a prohibition that came after the first step must hold here too.
    outgoing(making)?;
    let known = [(&referral.order.full_url, note(FOCUS)?), (&referral.patient.full_url, note(PATIENT)?)];
    let noted =
        referral.others.iter().filter_map(|part| Some((&part.full_url, progress.notes.get(&part.full_url)?.as_str())));
    let mut input = making.inputs().map(str::to_owned);
    if let Some(text) = &mut input {
        for (full_url, place) in known.into_iter().chain(noted) {
            *text = text.replace(&quoted(full_url), &quoted(place));
        }
        if references(text).iter().any(|reference| reference.starts_with("urn:")) {
            return Err(TranslateError::new("Task.input", "refers to something that was not stored with the referral"));
        }
    }
    let body = making.task(note(FOCUS)?, note(PATIENT)?, input.as_deref());
    let mut request = send(Method::Post, "Task", body, repeat(making));
    if making.config.conditional_create {
        request.headers.push(("If-None-Exist".to_owned(), key_condition(&making.exchange.keys.idempotency.0)));
    }
    Ok(Step::Send(PlatformRequest::Http(request), progress.clone()))
}

/// Reads the answer to the Task's creation: the Task itself, or `201` with its `Location` and no body.
fn created(making: &Making<'_>, answer: &Answer) -> Result<Receipt, DeliveryError> {
    let body = success(answer)?;
    if body.trim().is_empty() {
        let place = answer.header("location").and_then(local_reference);
        let id = place.as_deref().and_then(|place| place.strip_prefix("Task/"));
        let id = id.ok_or_else(|| unreadable("neither a Task nor the place of one"))?;
        return Ok(Receipt { platform_referral: PlatformReferralId(id.to_owned()), reports: Vec::new() });
    }
    let read = read_task(body, &mut Known::default(), Some(making.config.base_url)).map_err(unreadable)?;
    let ours = making.exchange.keys.idempotency;
    if read.report.key.as_ref().is_some_and(|key| key != ours) {
        return Err(unreadable("the Task carries the key of another referral"));
    }
    Ok(read.into_receipt())
}

fn publish(making: &Making<'_>) -> Result<Step, TranslateError> {
    let mut resources: Vec<PublishedResource> = outgoing(making)?
        .into_iter()
        .map(|(full_url, _, text)| PublishedResource { full_url, resource: without_id(&text) })
        .collect();
    let order_url = making.full_url(ORDER);
    let sent = quoted(&making.referral.order.full_url);
    let input = making.inputs().map(|text| text.replace(&sent, &quoted(&order_url)));
    let task = making.task(&order_url, &making.referral.patient.full_url, input.as_deref());
    making.guard_task_reference("Task.input", &task)?;
    resources.push(PublishedResource { full_url: making.full_url("task"), resource: task });
    Ok(Step::Send(PlatformRequest::Publish(Publication { resources }), Progress::at(PUBLISH)))
}

fn published(answer: &Answer) -> Result<Receipt, DeliveryError> {
    let Answer::Published(ids) = answer else {
        return Err(unreadable("the answer is not that of a publication"));
    };
    // The Task is published last, and is the name under which both sides speak of the referral.
    let id = ids.last().and_then(|place| place.strip_prefix("Task/"));
    let id = id.ok_or_else(|| unreadable("the publication ended without a Task"))?;
    Ok(Receipt { platform_referral: PlatformReferralId(id.to_owned()), reports: Vec::new() })
}
