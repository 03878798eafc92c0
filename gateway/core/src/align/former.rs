//! What a platform says of what a referral was there before it was sent or named anew: it moves nothing and is kept as evidence.
//! Where it says that somebody works on that, a person is told. A call for help is heard as any ([`alarm`](crate::alarm)).

use super::Alignment;
use crate::change::{Change, Disposition, ReportRecord};
use crate::referral::Referral;
use adapter_contract::TaskStatus;
use gateway_fhir::instant;

/// What a person is told then.
const WORKS_ON: &str = "The organisation works, or has worked, on what it had of this referral before it was sent there anew or \
                            got another name there. Ask it whether it has two of them, and which of them counts.";

/// Whether a statement says that somebody took it on.
fn is_work(status: TaskStatus) -> bool {
    match status {
        TaskStatus::Accepted
        | TaskStatus::Ready
        | TaskStatus::InProgress
        | TaskStatus::OnHold
        | TaskStatus::Completed => true,
        TaskStatus::Draft
        | TaskStatus::Requested
        | TaskStatus::Received
        | TaskStatus::Rejected
        | TaskStatus::Cancelled
        | TaskStatus::Failed
        | TaskStatus::EnteredInError => false,
    }
}

/// Whether it was said after that had ended. What names no time was said when it came.
fn is_later(record: &ReportRecord, referral: &Referral) -> bool {
    let said = record.report.order.instant.as_deref().and_then(instant::parse).map(|moment| moment.latest);
    referral
        .spoken_of_as(record)
        .is_some_and(|former| said.unwrap_or(record.received).min(record.received) > former.ended)
}

/// Takes them as read, and tells a person where one says that somebody works on it.
pub(super) fn told(from: &Alignment<'_>, referral: &mut Referral) -> Vec<Change> {
    let works = |record: &ReportRecord| {
        record.report.status.is_some_and(is_work) && is_later(record, from.referral) && !referral.task_status.is_final()
    };
    let fresh = from.former.iter().filter(|record| record.disposition.is_open());
    let dispositions: Vec<(String, bool)> = fresh.map(|record| (record.id.clone(), works(record))).collect();
    if dispositions.iter().any(|(_, works)| *works) {
        // Beside what a person is told already: nothing else says that there may be two of it.
        let standing = referral.attention.take().filter(|words| !words.contains(WORKS_ON));
        referral.attention = Some(standing.map_or_else(|| WORKS_ON.to_owned(), |words| format!("{words} {WORKS_ON}")));
    }
    let dispose = |(id, works)| {
        let disposition = if works { Disposition::Conflict } else { Disposition::Unchanged };
        Change::DisposeReport { id, disposition }
    };
    dispositions.into_iter().map(dispose).collect()
}

/// Takes them as read where nothing of them may be shown.
pub(super) fn kept(from: &Alignment<'_>) -> Vec<Change> {
    let fresh = from.former.iter().filter(|record| record.disposition.is_open());
    fresh.map(|record| Change::DisposeReport { id: record.id.clone(), disposition: Disposition::Withheld }).collect()
}
