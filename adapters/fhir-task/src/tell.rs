//! Telling the platform of a withdrawal: read the Task, then put it back as cancelled, held by its version.

use crate::http::{get, send};
use crate::settings::{Config, Mode};
use crate::task::{Known, read_task};
use adapter_contract::{
    Answer, Concept, DeliveryError, FailureCode, Method, PlatformOrder, PlatformReferralId, PlatformRequest, Progress,
    Receipt, Repeat, SenderMove, StatusReport, Step, TaskAmendment, TaskStatus, TranslateError,
};
use adapter_fhir::answer::{status, success, unreadable};
use adapter_fhir::json::{Object, Writer};
use adapter_fhir::read::is_id;
use serde_json::json;

/// Step whose answer is the Task as it stands.
pub(crate) const READ: &str = "tell-read";
/// Step whose answer is the Task as it was put.
pub(crate) const WRITE: &str = "tell-write";
/// Step whose answer is the gateway's own: the published Task was moved.
pub(crate) const AMEND: &str = "tell-amend";

/// Note: how often the Task was read, so that a platform which changes it all the time ends the exchange.
const READS: &str = "reads";
const MOST_READS: u32 = 3;

/// Business-status of a Task that is cancelled because its sender withdrew it.
const WITHDRAWN: &str = "withdrawn-by-referrer";

/// What is to be told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Telling<'a> {
    /// The Task's id.
    pub(crate) referral: &'a PlatformReferralId,
    /// What the sender did.
    pub(crate) sender_move: SenderMove,
    /// The sender's words.
    pub(crate) reason: Option<&'a str>,
}

/// First request. An interrupted exchange reads again too: what was to be put back may hold patient data and is not
/// kept in the progress, and `If-Match` makes the second write harmless.
pub(crate) fn begin(config: &Config<'_>, telling: Telling<'_>) -> Result<Step, TranslateError> {
    if telling.sender_move != SenderMove::Cancel {
        return Err(TranslateError::new("exchange.purpose", "the guide lets only the performer pause a Task"));
    }
    if !is_id(&telling.referral.0) {
        return Err(TranslateError::new("exchange.platform-referral", "is not a FHIR id"));
    }
    Ok(match config.mode {
        Mode::Direct => read(telling, 1),
        Mode::DirectLight => {
            let amendment = TaskAmendment {
                task: format!("Task/{}", telling.referral.0),
                status: TaskStatus::Cancelled,
                reason: Some(reason(telling).to_owned()),
            };
            Step::Send(PlatformRequest::Amend(amendment), Progress::at(AMEND))
        }
    })
}

/// What follows an answer.
pub(crate) fn resume(
    config: &Config<'_>,
    telling: Telling<'_>,
    progress: &Progress,
    answer: &Answer,
) -> Result<Step, TranslateError> {
    let reads = progress.notes.get(READS).and_then(|reads| reads.parse().ok()).unwrap_or(1);
    let next = match progress.step.as_str() {
        READ => answered(config, telling, reads, answer),
        WRITE => written(config, telling, reads, answer),
        AMEND => amended(telling, answer),
        _ => return Err(TranslateError::new("progress.step", "is no step of telling a move")),
    };
    Ok(next.unwrap_or_else(Step::Failed))
}

fn read(telling: Telling<'_>, reads: u32) -> Step {
    let request = get(format!("Task/{}", telling.referral.0), Vec::new());
    Step::Send(PlatformRequest::Http(request), Progress::at(READ).with(READS, reads.to_string()))
}

/// A withdrawal always says why: the guide expects `statusReason.text` with `cancelled`.
fn reason(telling: Telling<'_>) -> &str {
    telling.reason.filter(|words| !words.trim().is_empty()).unwrap_or("Withdrawn by the referrer")
}

/// The Task as it stands: final already, or to be put back as cancelled.
fn answered(config: &Config<'_>, telling: Telling<'_>, reads: u32, answer: &Answer) -> Result<Step, DeliveryError> {
    let body = present(answer)?;
    let report = own_report(config, telling, body)?;
    if report.status.is_some_and(TaskStatus::is_final) {
        return Ok(delivered(report));
    }
    let task = Object::read(body).ok_or_else(|| unreadable("the Task is not a JSON object"))?;
    let meta = task.raw("meta").and_then(Object::read);
    let version = answer.header("etag").map(str::to_owned).or_else(|| {
        let version = meta?.string("versionId").filter(|version| is_id(version))?;
        Some(format!("W/\"{version}\""))
    });
    let Some(version) = version else {
        let said = "the platform names no version of its Task, so a withdrawal might overwrite its newer state";
        return Err(DeliveryError::new(FailureCode::Refused, said));
    };
    let path = format!("Task/{}", telling.referral.0);
    let mut request = send(Method::Put, path, cancelled(&task, reason(telling)), Repeat::Keyed);
    request.headers.push(("If-Match".to_owned(), version));
    Ok(Step::Send(PlatformRequest::Http(request), Progress::at(WRITE).with(READS, reads.to_string())))
}

/// All of the platform's Task, unknown members too, with the new status. `lastModified` is left out: there is no clock
/// here, and the old time would be untrue; the platform's `meta.lastUpdated` has it.
fn cancelled(task: &Object<'_>, reason: &str) -> String {
    let mut writer = Writer::object();
    for (name, text) in task.members() {
        match name {
            "status" => {
                writer.value("status", &json!(TaskStatus::Cancelled.code()));
                writer.value("statusReason", &json!({"text": reason}));
            }
            "statusReason" | "lastModified" | "_status" | "_lastModified" => {}
            _ => writer.raw(name, text),
        }
    }
    writer.finish()
}

fn written(config: &Config<'_>, telling: Telling<'_>, reads: u32, answer: &Answer) -> Result<Step, DeliveryError> {
    if matches!(status(answer), 409 | 412) && reads < MOST_READS {
        return Ok(read(telling, reads + 1));
    }
    let body = present(answer)?;
    if body.trim().is_empty() && reads < MOST_READS {
        // An update may be answered without a body; what it came to is then read, not assumed.
        return Ok(read(telling, reads + 1));
    }
    let report = own_report(config, telling, body)?;
    if report.status.is_some_and(TaskStatus::is_final) {
        return Ok(delivered(report));
    }
    let said = "the platform took the withdrawal, but its Task goes on";
    Err(DeliveryError::new(FailureCode::Refused, said))
}

/// A success body; a Task that is gone is told apart from a refusal.
fn present(answer: &Answer) -> Result<&str, DeliveryError> {
    match status(answer) {
        code @ (404 | 410) => {
            let said = format!("HTTP {code}: the platform does not have this Task, so it cannot be withdrawn there");
            Err(DeliveryError::new(FailureCode::HttpStatus(code), said))
        }
        _ => success(answer),
    }
}

fn own_report(config: &Config<'_>, telling: Telling<'_>, body: &str) -> Result<StatusReport, DeliveryError> {
    let read = read_task(body, &mut Known::default(), Some(config.base_url)).map_err(unreadable)?;
    let mut report = read.into_report();
    if report.platform_referral != *telling.referral {
        return Err(unreadable("the Task has another id than the one that was asked for"));
    }
    if report.status == Some(TaskStatus::Cancelled) {
        report.business_status = WITHDRAWN.to_owned();
    }
    Ok(report)
}

fn delivered(report: StatusReport) -> Step {
    Step::Delivered(Receipt { platform_referral: report.platform_referral.clone(), reports: vec![report] })
}

/// The gateway moved its own published Task. Only a state that it kept is news.
fn amended(telling: Telling<'_>, answer: &Answer) -> Result<Step, DeliveryError> {
    let Answer::Amended(stands) = answer else {
        return Err(unreadable("the answer is not that of an amendment"));
    };
    if *stands == TaskStatus::Cancelled {
        return Ok(Step::Delivered(Receipt { platform_referral: telling.referral.clone(), reports: Vec::new() }));
    }
    let meaning = crate::status::meaning(stands.code());
    Ok(delivered(StatusReport {
        platform_referral: telling.referral.clone(),
        key: None,
        event: format!("Task/{}/kept/{stands}", telling.referral.0),
        order: PlatformOrder { version: None, instant: None },
        platform_status: Concept {
            system: Some(crate::status::TASK_STATUS.to_owned()),
            code: Some(stands.code().to_owned()),
            text: None,
        },
        status: meaning.status,
        business_status: meaning.business_status,
        reason: None,
        outputs: Vec::new(),
    }))
}
