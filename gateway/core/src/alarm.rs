//! Alarm: a service reports that a person needs more than it can give. That is never lost in a status: it becomes an urgent
//! follow-up in the transaction that takes the report in, whatever has become of the referral.
//!
//! What is told follows from consent, and never less than that the service asks to be called: to say so tells nothing of the person
//! that the sender does not know, and whoever is called decides what it may say. Where consent lets the report pass, its cause and
//! its words are told; where the person keeps words from the sender, the cause alone; where consent does not cover the service or
//! was withdrawn (consent rules R10, R11), or the person lets the sender see a status alone, only the call.
//!
//! What a platform *says*, on a page, is a call each time. What a platform *shows* stands until it shows something else: it is one call,
//! however many versions repeat it.

use crate::align::Alignment;
use crate::change::{Change, Disposition, ReportRecord, Transaction};
use crate::consent::{Kept, Verdict};
use crate::follow_up::{self, Call, Cause, Opening, called_again, open, remember};
use crate::referral::Referral;
use crate::status;
use adapter_contract::business_status::{NEEDS_MORE, SAFEGUARDING};
use adapter_contract::{ReportSource, StatusReport};
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// Business status of what is kept of such a report once consent was withdrawn.
pub(crate) const CALL: &str = "call-requested";

/// Whether a report calls for help, whatever else it says.
#[must_use]
pub fn is_alarm(report: &StatusReport) -> bool {
    matches!(report.business_status.as_str(), NEEDS_MORE | SAFEGUARDING | CALL)
}

/// What may be told of a report.
fn cause(report: &StatusReport, from: &Alignment<'_>) -> Cause {
    let shown = from.referral.recall.is_none() && from.consent.verdict == Verdict::Permit && from.kept != Kept::All;
    match report.business_status.as_str() {
        SAFEGUARDING if shown => Cause::SafeguardingConcern,
        NEEDS_MORE if shown => Cause::NeedsMoreSupport,
        _ => Cause::CallRequested,
    }
}

/// Opens a follow-up for each call for help that is new, or adds the call to the one that is open.
pub(crate) fn raised(from: &Alignment<'_>, referral: &mut Referral) -> Vec<Change> {
    let is_new = |record: &ReportRecord| record.disposition == Disposition::Recorded && is_alarm(&record.report);
    if !from.reports.iter().chain(from.former).any(is_new) {
        return Vec::new();
    }
    let mut changes = Vec::new();
    let mut by_cause: BTreeMap<Cause, Vec<(String, &ReportRecord)>> = BTreeMap::new();
    // Whoever calls for help is heard, also where it speaks of what the referral was there before.
    for run in runs(from.reports.iter().chain(from.former)) {
        let told = run.iter().any(|record| was_told(record, referral));
        // What a person has dealt with and the platform then pushes once more is a call of its own, though it says the same.
        let again =
            |record: &&&ReportRecord| is_new(record) && is_pushed(record) && ended_before(referral, record.received);
        let record = if told { run.iter().find(again) } else { run.first() };
        let Some(record) = record else { continue };
        by_cause.entry(cause(&record.report, from)).or_default().push((occurrence(&record.report), record));
    }
    for (cause, mut fresh) in by_cause {
        fresh.sort_by(|a, b| (a.1.received, &a.0).cmp(&(b.1.received, &b.0)));
        let open_one = referral.open_follow_ups().find(|one| one.cause == cause).map(|one| one.task.clone());
        let standing = open_one.and_then(|id| from.follow_ups.iter().find(|one| one.0 == id));
        let call = |(occurrence, record): &(String, &ReportRecord)| {
            let note = note(from, cause, record).unwrap_or_else(|| (caller(record), AGAIN.to_owned()));
            Call { id: follow_up::id(referral, cause, occurrence), note }
        };
        if let Some((id, version, document)) = standing {
            let calls: Vec<Call> = fresh.iter().map(call).collect();
            changes.extend(called_again(referral, (id, *version, document), &calls, from.now));
            continue;
        }
        let Some((occurrence, first)) = fresh.first() else { continue };
        let further: Vec<Call> = fresh.iter().skip(1).map(call).collect();
        let notes: Vec<(String, String)> =
            note(from, cause, first).into_iter().chain(further.iter().map(|call| call.note.clone())).collect();
        let due = Some(crate::business_days::end_of_day(from.now));
        let opening = Opening { notes: &notes, due, ..Opening::new(cause, occurrence) };
        changes.extend(open(referral, (from.task.1, from.service_request.1), &opening, from.now));
        remember(referral, &follow_up::id(referral, cause, occurrence), &further, from.now);
    }
    changes
}

/// What is noted of a further call that has no words, or whose words may not be told.
const AGAIN: &str = "It calls again, and says no more than before.";

fn occurrence(report: &StatusReport) -> String {
    format!("{}|{}", report.platform_referral.0, report.event)
}

/// Whether somebody, or something, told it, rather than that we went and looked.
fn is_pushed(record: &ReportRecord) -> bool {
    match record.source {
        ReportSource::Webhook | ReportSource::TaskUpdate | ReportSource::Mail | ReportSource::StatusLink => true,
        ReportSource::Poll | ReportSource::Acknowledgement => false,
    }
}

/// Whether every follow-up of a call for help had ended by then.
fn ended_before(referral: &Referral, at: OffsetDateTime) -> bool {
    let mut alarms = referral.follow_ups.iter().filter(|one| one.cause.is_alarm());
    alarms.all(|one| one.ended_at.is_some_and(|ended| ended < at))
}

/// Whether a person was told of it: it was applied, or a follow-up knows it while it is not.
fn was_told(record: &ReportRecord, referral: &Referral) -> bool {
    let occurrence = occurrence(&record.report);
    let causes = Cause::ALL.into_iter().filter(|cause| cause.is_alarm());
    let mut ids = causes.map(|cause| follow_up::id(referral, cause, &occurrence));
    record.disposition != Disposition::Recorded || ids.any(|id| referral.follow_ups.iter().any(|one| one.knows(&id)))
}

/// The calls for help among all reports: each is the reports that say the same behind one another, in the platform's order, without
/// anything else between them. Where the platform gives no order, in that in which they came.
fn runs<'a>(reports: impl Iterator<Item = &'a ReportRecord>) -> Vec<Vec<&'a ReportRecord>> {
    // Whoever answers on a page says something each time; nothing of it stands.
    let (said, shown): (Vec<&ReportRecord>, Vec<&ReportRecord>) =
        reports.partition(|record| record.source == ReportSource::StatusLink);
    let mut runs: Vec<Vec<&ReportRecord>> =
        said.into_iter().filter(|record| is_alarm(&record.report)).map(|record| vec![record]).collect();
    let mut by_name: BTreeMap<&str, Vec<&ReportRecord>> = BTreeMap::new();
    for record in shown {
        by_name.entry(record.report.platform_referral.0.as_str()).or_default().push(record);
    }
    for of_one in by_name.into_values() {
        let (placed, mut unplaced): (Vec<&ReportRecord>, Vec<&ReportRecord>) =
            of_one.into_iter().partition(|record| status::is_placed(&record.report));
        unplaced.sort_by_key(|record| record.received);
        let statements: Vec<StatusReport> = placed.iter().map(|record| record.report.clone()).collect();
        let placed = status::in_order(&statements).into_iter().filter_map(|index| placed.get(index).copied()).collect();
        for sequence in [unplaced, placed] {
            let mut before: Option<&StatusReport> = None;
            for record in sequence {
                match runs.last_mut().filter(|_| before.is_some_and(|before| says_the_same(before, &record.report))) {
                    Some(run) => run.push(record),
                    None if is_alarm(&record.report) => runs.push(vec![record]),
                    None => {}
                }
                before = Some(&record.report);
            }
        }
    }
    runs
}

/// Whether two reports are the same call: the same concern in the same words. A platform that counts no versions and gives another date
/// says it anew (a row of a file).
fn says_the_same(one: &StatusReport, other: &StatusReport) -> bool {
    let words = |report: &StatusReport| report.reason.as_deref().and_then(crate::align::tidy);
    let dated_anew = one.order.version.is_none()
        && other.order.version.is_none()
        && one.order.instant.is_some()
        && one.order.instant != other.order.instant;
    is_alarm(one) && one.business_status == other.business_status && words(one) == words(other) && !dated_anew
}

fn caller(record: &ReportRecord) -> String {
    format!("The service ({})", record.platform)
}

/// The service's own words, where they may be told.
fn note(from: &Alignment<'_>, cause: Cause, record: &ReportRecord) -> Option<(String, String)> {
    let told = cause != Cause::CallRequested && from.kept == Kept::Nothing;
    let words = record.report.reason.as_deref().and_then(crate::align::tidy).filter(|_| told)?;
    Some((caller(record), words))
}

/// What is written of calls for help while nothing else of the reports is applied, because the acknowledgement is still under way.
/// `None` if there is none that is new. The reports are marked as told, and are applied once it has come.
#[must_use]
pub fn meanwhile(from: &Alignment<'_>) -> Option<Transaction> {
    let mut referral = from.referral.clone();
    let mut changes = raised(from, &mut referral);
    let new = from.reports.iter().chain(from.former);
    let new = new.filter(|record| record.disposition == Disposition::Recorded && is_alarm(&record.report));
    changes.extend(new.map(|record| Change::DisposeReport { id: record.id.clone(), disposition: Disposition::Told }));
    if changes.is_empty() {
        return None;
    }
    referral.revision += 1;
    changes.push(Change::PutReferral(Box::new(referral)));
    Some(Transaction { checks: Vec::new(), changes })
}
