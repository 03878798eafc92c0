//! One exchange: which of the mapping's steps is made, with what it may read, and what the answer means.

use crate::adapter::Made;
use crate::report;
use adapter_contract::{
    Answer, Cursor, DeliveryError, Exchange, FailureCode, HttpRequest, Method, PlatformReferralId, PlatformRequest,
    Progress, Purpose, Reading, Receipt, Repeat, ReportPage, SenderMove, Step, TranslateError,
};
use mappings::document::Document;
use mappings::program::{self, ExchangeName, Failure};
use mappings::run::{self, HttpAnswer, Inputs, Keys, Outcome, Refusal, Rendered, Scratch};
use std::collections::BTreeMap;

/// Names and values that steps or polls leave for later.
type Notes = BTreeMap<String, String>;

/// The exchange of a purpose; there is none in which an organisation is asked by mail.
pub(crate) fn name_of(purpose: &Purpose<'_>) -> Result<ExchangeName, TranslateError> {
    Ok(match purpose {
        Purpose::Submit { .. } => ExchangeName::Submit,
        Purpose::Update { .. } => ExchangeName::Update,
        Purpose::Tell { sender_move: SenderMove::Cancel, .. } => ExchangeName::Cancel,
        Purpose::Tell { sender_move: SenderMove::Hold, .. } => ExchangeName::Hold,
        Purpose::Tell { sender_move: SenderMove::Release, .. } => ExchangeName::Release,
        Purpose::LookUp => ExchangeName::LookUp,
        Purpose::Read { .. } => ExchangeName::Read,
        Purpose::Poll { .. } => ExchangeName::Poll,
        Purpose::Ask { .. } => return Err(TranslateError::asks_nobody()),
    })
}

/// Makes the first request, or the one at which an interrupted exchange stands.
pub(crate) fn begin(made: Made<'_>, exchange: &Exchange<'_>) -> Result<Step, TranslateError> {
    match exchange.at {
        None => send(made, exchange, 0, &Notes::new()),
        Some(progress) => send(made, exchange, index(made, exchange, progress)?, &progress.notes),
    }
}

/// Says what follows an answer.
pub(crate) fn resume(
    made: Made<'_>,
    exchange: &Exchange<'_>,
    progress: &Progress,
    answer: &Answer,
) -> Result<Step, TranslateError> {
    let Answer::Http { status, headers, body } = answer else {
        return Err(TranslateError::new("answer", "is none of HTTP, and a mapping makes HTTP requests only"));
    };
    let step = index(made, exchange, progress)?;
    let http = HttpAnswer { status: *status, headers, body };
    let name = name_of(&exchange.purpose)?;
    let outcome = with_inputs(exchange, &progress.notes, |inputs| match made.seen {
        Some(watcher) => {
            watcher.with(|seen| run::answer_watched(made.program, name, step, inputs, &http, &mut seen.watch))
        }
        None => run::answer(made.program, name, step, inputs, &http),
    })?;
    Ok(match outcome {
        Outcome::Delivered { platform_referral, reports } => {
            let readings = report::readings(made, reports);
            let reports = readings.into_iter().filter_map(|reading| match reading {
                Reading::Status(report) => Some(report),
                // An acknowledgement that only says "changed" has nothing to add to it.
                Reading::Changed(_) => None,
            });
            let platform_referral = PlatformReferralId(platform_referral);
            Step::Delivered(Receipt { platform_referral, reports: reports.collect() })
        }
        Outcome::Absent => Step::Absent,
        Outcome::Next { step, notes } => {
            let mut all = progress.notes.clone();
            all.extend(notes);
            send(made, exchange, step, &all)?
        }
        Outcome::Reports { statements, cursor, more } => {
            Step::Reports(ReportPage { readings: report::readings(made, statements), cursor: kept(cursor), more })
        }
        Outcome::Failed { code, diagnostic } => {
            let (code, wait) = match code {
                Failure::Refused => (FailureCode::Refused, None),
                Failure::PartlyStored => (FailureCode::PartlyStored, None),
                Failure::Unreadable => (FailureCode::UnreadableSuccess, None),
                Failure::Busy { wait_seconds } => (FailureCode::Busy, Some(wait_seconds)),
            };
            let error = failure(code, diagnostic, answer);
            Step::Failed(DeliveryError { retry_after_seconds: error.retry_after_seconds.or(wait), ..error })
        }
        Outcome::Unreadable { problem } => Step::Failed(unbelieved(*status, &problem, answer)),
        Outcome::HttpFailure => {
            Step::Failed(unbelieved(*status, "the mapping knows no such answer to this request", answer))
        }
    })
}

/// A success that cannot be believed, or what the HTTP status says.
fn unbelieved(status: u16, problem: &str, answer: &Answer) -> DeliveryError {
    if (200..300).contains(&status) {
        let words = format!("The platform answered {status}, but {problem}.");
        failure(FailureCode::UnreadableSuccess, words, answer)
    } else {
        failure(FailureCode::HttpStatus(status), format!("The platform answered with HTTP status {status}."), answer)
    }
}

/// With the wait that the platform asked for. A date in `Retry-After` needs a clock: the gateway makes seconds of it.
fn failure(code: FailureCode, diagnostic: String, answer: &Answer) -> DeliveryError {
    let wait = answer.header("retry-after").and_then(|value| value.trim().parse().ok());
    DeliveryError { retry_after_seconds: wait, ..DeliveryError::new(code, diagnostic) }
}

fn send(made: Made<'_>, exchange: &Exchange<'_>, step: usize, notes: &Notes) -> Result<Step, TranslateError> {
    let name = name_of(&exchange.purpose)?;
    let rendered = with_inputs(exchange, notes, |inputs| match made.seen {
        Some(watcher) => watcher.with(|seen| run::request_watched(made.program, name, step, inputs, &mut seen.watch)),
        None => run::request(made.program, name, step, inputs, &mut Scratch::default()),
    })?;
    let declared = made.program.exchanges.get(&name).and_then(|steps| steps.get(step));
    let step = declared.map(|step| step.name.clone()).unwrap_or_default();
    let progress = Progress { step, notes: notes.clone() };
    Ok(Step::Send(PlatformRequest::Http(request(rendered)), progress))
}

/// The step that this progress names. An exchange that began with an older mapping may stand at one that is gone.
fn index(made: Made<'_>, exchange: &Exchange<'_>, progress: &Progress) -> Result<usize, TranslateError> {
    let steps = made.program.exchanges.get(&name_of(&exchange.purpose)?);
    let found = steps.and_then(|steps| steps.iter().position(|step| step.name == progress.step));
    found.ok_or_else(|| {
        let words = format!(
            "the mapping has no step `{}` in this exchange; it was changed while the exchange was under way",
            progress.step
        );
        TranslateError::new("progress.step", words)
    })
}

/// Reads the referral, if there is one, and shows the rest beside it.
fn with_inputs<R>(
    exchange: &Exchange<'_>,
    notes: &Notes,
    work: impl FnOnce(&Inputs<'_>) -> Result<R, Box<Refusal>>,
) -> Result<R, TranslateError> {
    let document = match exchange.purpose {
        Purpose::Submit { referral } | Purpose::Update { referral, .. } => {
            Some(Document::parse(referral.bundle()).map_err(|error| unreadable(&error))?)
        }
        _ => None,
    };
    inputs(exchange, notes, |inputs| work(&Inputs { referral: document.as_ref(), ..*inputs }))
        .map_err(|refusal| refused(&refusal))
}

/// A referral that the gateway gave and that cannot be read.
pub(crate) fn unreadable(error: &mappings::document::DocumentError) -> TranslateError {
    TranslateError::new("referral", format!("is no JSON that can be read: {error}"))
}

/// Everything that paths may read, but for the referral.
pub(crate) fn inputs<R>(exchange: &Exchange<'_>, notes: &Notes, work: impl FnOnce(&Inputs<'_>) -> R) -> R {
    let mut cursor_notes = Notes::new();
    let mut inputs = Inputs {
        settings: exchange.settings,
        keys: Keys { idempotency: &exchange.keys.idempotency.0, correlation: exchange.keys.correlation },
        accepted_at: exchange.accepted_at,
        progress: notes,
        ..Inputs::none()
    };
    match &exchange.purpose {
        Purpose::Tell { platform_referral, reason, .. } => {
            inputs.platform_referral = Some(&platform_referral.0);
            inputs.reason = *reason;
        }
        Purpose::Read { platform_referral } | Purpose::Update { platform_referral, .. } => {
            inputs.platform_referral = Some(&platform_referral.0)
        }
        Purpose::Poll { cursor } => {
            if let Some(cursor) = cursor {
                cursor_notes = read_cursor(cursor);
            }
            inputs.cursor = &cursor_notes;
        }
        Purpose::Submit { .. } | Purpose::LookUp | Purpose::Ask { .. } => {}
    }
    work(&inputs)
}

/// A cursor that another version of the adapter left and that says nothing here counts for none: polling starts anew,
/// and what was reported already is recognised by its event.
fn read_cursor(cursor: &Cursor) -> Notes {
    serde_json::from_str(&cursor.0).unwrap_or_default()
}

fn kept(cursor: Vec<(String, String)>) -> Option<Cursor> {
    if cursor.is_empty() {
        return None;
    }
    let members: Notes = cursor.into_iter().collect();
    serde_json::to_string(&members).ok().map(Cursor)
}

pub(crate) fn request(rendered: Rendered) -> HttpRequest {
    let query = form_urlencoded::parse(rendered.query.as_bytes());
    HttpRequest {
        method: match rendered.method {
            program::Method::Get => Method::Get,
            program::Method::Post => Method::Post,
            program::Method::Put => Method::Put,
            program::Method::Patch => Method::Patch,
            program::Method::Delete => Method::Delete,
        },
        path: rendered.path,
        query: query.map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
        headers: rendered.headers,
        body: rendered.body,
        repeat: match rendered.repeat {
            program::Repeat::Safe => Repeat::Safe,
            program::Repeat::Keyed => Repeat::Keyed,
            program::Repeat::LookUpFirst => Repeat::LookUpFirst,
        },
    }
}

/// A refusal in the words of the contract: where, why, for which field and by which rule.
pub(crate) fn refused(refusal: &Refusal) -> TranslateError {
    let mut reason = refusal.cause.to_string();
    match (&refusal.target, &refusal.rule) {
        (Some(target), Some(rule)) => reason.push_str(&format!(" (for {target}, {rule})")),
        (None, Some(rule)) => reason.push_str(&format!(" ({rule})")),
        _ => {}
    }
    TranslateError { path: refusal.element.clone(), reason, unsafe_to_send: refusal.unsafe_to_send }
}
