//! Fetches result files, one a page. A file is finished at the transport only with the *next* page, when what it says is
//! stored: the cursor carries its id until then. A file that is read twice says nothing new.

use crate::DESCRIPTOR;
use crate::problems::{self, Problem};
use crate::results::{self, Results};
use crate::settings::Config;
use adapter_contract::{
    Concept, Cursor, FileAnswer, FileFault, FileRequest, IdempotencyKey, PlatformOrder, PlatformReferralId,
    PlatformRequest, Progress, Reading, ReportPage, StatusReport, Step, TranslateError,
};
use serde::{Deserialize, Serialize};

/// Steps whose answers are: that a file is finished, what has come, a file, that problems were told, the file again.
const FINISH: &str = "finish";
const LIST: &str = "list";
const GET: &str = "get";
const TELL: &str = "tell";
const AGAIN: &str = "again";

/// Notes: files to finish, the file that is read, files that wait.
const DONE: &str = "done";
const FILE: &str = "file";
const WAITING: &str = "waiting";

/// Files that are looked at in one page until one is for us.
const LOOKED_AT: usize = 20;
/// The word for what the transport could not deliver.
const UNDELIVERED: &str = "undelivered";

/// What the cursor holds.
#[derive(Default, Serialize, Deserialize)]
struct Kept {
    /// Files whose statements are stored and that are not finished.
    done: Vec<String>,
}

impl Kept {
    fn of(cursor: Option<&Cursor>) -> Self {
        // What cannot be read holds nothing that could not be read again: files that are not finished are listed.
        cursor.and_then(|cursor| serde_json::from_str(&cursor.0).ok()).unwrap_or_default()
    }

    fn cursor(&self) -> Option<Cursor> {
        serde_json::to_string(self).ok().map(Cursor)
    }
}

fn send(request: FileRequest, progress: Progress) -> Step {
    Step::Send(PlatformRequest::File(request), progress)
}

fn noted(progress: &Progress, name: &str) -> Vec<String> {
    progress.notes.get(name).map(|note| note.split_whitespace().map(str::to_owned).collect()).unwrap_or_default()
}

/// The first request of a page.
pub(crate) fn begin(cursor: Option<&Cursor>) -> Step {
    finish_or_list(Kept::of(cursor).done)
}

fn finish_or_list(mut done: Vec<String>) -> Step {
    if done.is_empty() {
        return send(FileRequest::List, Progress::at(LIST));
    }
    let id = done.remove(0);
    send(FileRequest::Finish { id }, Progress::at(FINISH).with(DONE, done.join(" ")))
}

fn get_next(mut waiting: Vec<String>, cursor: Option<&Cursor>) -> Step {
    if waiting.is_empty() {
        // What the cursor held is finished.
        let cursor = cursor.and_then(|_| Kept::default().cursor());
        return Step::Reports(ReportPage { readings: Vec::new(), cursor, more: false });
    }
    let id = waiting.remove(0);
    let progress = Progress::at(GET).with(FILE, id.clone()).with(WAITING, waiting.join(" "));
    send(FileRequest::Get { id }, progress)
}

/// What follows an answer.
///
/// # Errors
/// [`TranslateError`] when the answer is none to the step.
pub(crate) fn resume(
    config: &Config,
    cursor: Option<&Cursor>,
    progress: &Progress,
    answer: &FileAnswer,
) -> Result<Step, TranslateError> {
    let file = progress.notes.get(FILE).cloned().unwrap_or_default();
    let waiting = noted(progress, WAITING);
    let page = |reports: Vec<StatusReport>| {
        let cursor = Kept { done: vec![file.clone()] }.cursor();
        let readings = reports.into_iter().map(Reading::Status).collect();
        Step::Reports(ReportPage { readings, cursor, more: !waiting.is_empty() })
    };
    let told = |problems: &[Problem]| {
        let at = Progress { step: TELL.to_owned(), notes: progress.notes.clone() };
        problems::tell(&file, problems).map(|put| send(FileRequest::Put(put), at))
    };
    match (progress.step.as_str(), answer) {
        (FINISH, FileAnswer::Finished) => Ok(finish_or_list(noted(progress, DONE))),
        (LIST, FileAnswer::Listed(ids)) => {
            let named = ids.iter().filter(|id| !id.is_empty() && !id.contains(char::is_whitespace));
            Ok(get_next(named.take(LOOKED_AT).cloned().collect(), cursor))
        }
        (GET | AGAIN, FileAnswer::NotOurs) => Ok(get_next(waiting, cursor)),
        (GET, FileAnswer::Undelivered { key, code }) => Ok(page(vec![undelivered(&file, key.as_deref(), code)])),
        (GET | AGAIN, FileAnswer::File(received)) => {
            let Results { reports, problems } = results::read(&received.content, &DESCRIPTOR.statuses, config);
            // The statements are not kept over the telling: the file is fetched again for them.
            if problems.is_empty() || progress.step == AGAIN || !config.problem_files {
                Ok(page(reports))
            } else {
                told(&problems)
            }
        }
        (GET, FileAnswer::Unfit(fault)) if config.problem_files => told(&[unfit(*fault)]),
        (GET | AGAIN, FileAnswer::Unfit(_)) => Ok(page(Vec::new())),
        (TELL, FileAnswer::Put) => {
            let at = Progress { step: AGAIN.to_owned(), notes: progress.notes.clone() };
            Ok(send(FileRequest::Get { id: file }, at))
        }
        _ => Err(TranslateError::new("answer", "is none to this step of a poll")),
    }
}

const fn unfit(fault: FileFault) -> Problem {
    let words = match fault {
        FileFault::TooLong => "The file is too long, or unpacks to too much. Send it in parts.",
        FileFault::Broken => "The file's parts or its packing are broken. Send it again.",
    };
    Problem { line: 0, words }
}

/// What it means that one of our files did not arrive. It is about a referral only if its key names one; a withdrawal's
/// file names its referral before the hyphen.
fn undelivered(report: &str, key: Option<&str>, code: &str) -> StatusReport {
    let key = key.unwrap_or_default();
    let referral = key.strip_suffix("-withdrawn").unwrap_or(key);
    let about = if key == referral { "The referral's file" } else { "The file that takes the referral back" };
    let row = DESCRIPTOR.statuses.iter().find(|row| row.platform == UNDELIVERED);
    StatusReport {
        platform_referral: PlatformReferralId(referral.to_owned()),
        key: Some(referral).filter(|key| !key.is_empty()).map(|key| IdempotencyKey(key.to_owned())),
        event: format!("undelivered/{report}"),
        order: PlatformOrder { version: None, instant: None },
        platform_status: Concept { code: Some(UNDELIVERED.to_owned()), ..Concept::default() },
        status: row.and_then(|row| row.status),
        business_status: row.map_or("undeliverable", |row| row.business_status.as_str()).to_owned(),
        reason: Some(format!("{about} did not reach the organisation (code {code}). Ask them, then send it again.")),
        outputs: Vec::new(),
    }
}
