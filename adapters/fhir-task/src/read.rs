//! Reading one referral's present status: the Task, and what its outputs refer to on the platform.
//!
//! The outputs are asked for in one batch together with the Task itself, so that one answer holds both and nothing of
//! the first answer has to be kept.

use crate::http::{get, send};
use crate::settings::Config;
use crate::task::{Known, TaskReading, read_task};
use adapter_contract::{
    Answer, DeliveryError, Method, PlatformReferralId, PlatformRequest, Progress, Reading, Repeat, ReportPage, Step,
    TranslateError,
};
use adapter_fhir::answer::{failure, status, success, unreadable};
use adapter_fhir::json::Object;
use adapter_fhir::read::{bundle_entries, is_id};
use serde_json::json;

/// Step whose answer is the Task.
pub(crate) const TASK: &str = "read";
/// Step whose answer is the batch of the Task and its outputs.
pub(crate) const BATCH: &str = "read-outputs";

/// Notes: what the batch asks for, and how many batches there were.
const OUTPUTS: &str = "outputs";
const BATCHES: &str = "batches";
const MOST_BATCHES: u32 = 3;
/// Outputs asked for at most; the rest is named in words.
const MOST_OUTPUTS: usize = 50;

/// First request, or the batch at which the exchange was interrupted.
pub(crate) fn begin(referral: &PlatformReferralId, at: Option<&Progress>) -> Result<Step, TranslateError> {
    if !is_id(&referral.0) {
        return Err(TranslateError::new("exchange.platform-referral", "is not a FHIR id"));
    }
    Ok(match at.filter(|progress| progress.step == BATCH) {
        Some(progress) => batch(referral, progress.clone()),
        None => Step::Send(PlatformRequest::Http(get(path(referral), Vec::new())), Progress::at(TASK)),
    })
}

/// What follows an answer.
pub(crate) fn resume(
    config: &Config<'_>,
    referral: &PlatformReferralId,
    progress: &Progress,
    answer: &Answer,
) -> Result<Step, TranslateError> {
    let next = match progress.step.as_str() {
        TASK => task(config, referral, answer),
        BATCH => task_with_outputs(config, referral, progress, answer),
        _ => return Err(TranslateError::new("progress.step", "is no step of a reading")),
    };
    Ok(next.unwrap_or_else(Step::Failed))
}

fn path(referral: &PlatformReferralId) -> String {
    format!("Task/{}", referral.0)
}

fn task(config: &Config<'_>, referral: &PlatformReferralId, answer: &Answer) -> Result<Step, DeliveryError> {
    if matches!(status(answer), 404 | 410) {
        return Ok(Step::Absent);
    }
    let read = read_task(success(answer)?, &mut Known::default(), Some(config.base_url)).map_err(unreadable)?;
    settle(referral, read, &[], 0)
}

/// Ends the reading, or asks for the outputs that were not asked for yet.
fn settle(
    referral: &PlatformReferralId,
    read: TaskReading,
    asked: &[&str],
    batches: u32,
) -> Result<Step, DeliveryError> {
    if read.report.platform_referral != *referral {
        return Err(unreadable("the Task has another id than the one that was asked for"));
    }
    // A Task that moved between two answers may name new outputs: the same version must not be reported without them.
    let news = read.unresolved.iter().take(MOST_OUTPUTS).any(|output| !asked.contains(&output.as_str()));
    if news && batches < MOST_BATCHES {
        let mut outputs: Vec<&str> = asked.to_vec();
        outputs.extend(read.unresolved.iter().map(String::as_str).filter(|output| !asked.contains(output)));
        outputs.truncate(MOST_OUTPUTS);
        let progress = Progress::at(BATCH).with(OUTPUTS, outputs.join(" ")).with(BATCHES, (batches + 1).to_string());
        return Ok(batch(referral, progress));
    }
    Ok(Step::Reports(ReportPage { readings: vec![Reading::Status(read.report)], cursor: None, more: false }))
}

fn asked(progress: &Progress) -> Vec<&str> {
    progress.notes.get(OUTPUTS).map(|outputs| outputs.split_whitespace().collect()).unwrap_or_default()
}

/// A batch of reads: it changes nothing, though it is posted (R4 http, "batch").
fn batch(referral: &PlatformReferralId, progress: Progress) -> Step {
    let own = path(referral);
    let entry = |url: &str| json!({"request": {"method": "GET", "url": url}});
    let entries: Vec<_> = std::iter::once(own.as_str()).chain(asked(&progress)).map(entry).collect();
    let body = json!({"resourceType": "Bundle", "type": "batch", "entry": entries}).to_string();
    Step::Send(PlatformRequest::Http(send(Method::Post, "", body, Repeat::Safe)), progress)
}

fn task_with_outputs(
    config: &Config<'_>,
    referral: &PlatformReferralId,
    progress: &Progress,
    answer: &Answer,
) -> Result<Step, DeliveryError> {
    let entries = bundle_entries(success(answer)?, "batch-response")
        .ok_or_else(|| unreadable("the answer to the batch is not a batch-response Bundle"))?;
    let asked = asked(progress);
    if entries.len() != asked.len() + 1 {
        return Err(unreadable("the batch-response has another number of entries than the batch"));
    }
    let (mut known, mut task) = (Known::default(), None);
    for (place, (_, entry)) in entries.iter().enumerate() {
        let code = entry_status(entry);
        match (place, code) {
            (_, 200..300) => {}
            (0, 404 | 410) => return Ok(Step::Absent),
            // Asked again later it may be there; refused for good, it is named in words.
            (0, _) | (_, 408 | 429 | 500..) => return Err(failure(&entry_failure(code))),
            _ => continue,
        }
        let Some(resource) = entry.raw("resource") else {
            return Err(unreadable("an entry of the batch-response succeeded without a resource"));
        };
        match place {
            0 => task = Some(resource),
            _ => known.add(None, resource),
        }
    }
    let task = task.ok_or_else(|| unreadable("the batch-response has no Task"))?;
    let read = read_task(task, &mut known, Some(config.base_url)).map_err(unreadable)?;
    let batches = progress.notes.get(BATCHES).and_then(|batches| batches.parse().ok()).unwrap_or(1);
    settle(referral, read, &asked, batches)
}

fn entry_status(entry: &Object<'_>) -> u16 {
    let response = entry.raw("response").and_then(Object::read);
    let status = response.and_then(|response| response.string("status")).unwrap_or_default();
    status.get(..3).and_then(|code| code.parse().ok()).unwrap_or(500)
}

fn entry_failure(code: u16) -> Answer {
    Answer::Http { status: code, headers: Vec::new(), body: Vec::new() }
}

/// Of a platform that collects its Tasks from the gateway there is nothing to ask: it writes to the gateway itself.
pub(crate) fn nothing_to_ask() -> Step {
    Step::Reports(ReportPage { readings: Vec::new(), cursor: None, more: false })
}
