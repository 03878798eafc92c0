//! Alarm: a service reports that a person needs more than it can give. That is never lost in a status: it becomes an urgent
//! follow-up in the transaction that takes the report in, whatever has become of the referral.
//!
//! What is told follows from consent, and never less than that the service asks to be called: to say so tells nothing of the person
//! that the sender does not know, and whoever is called decides what it may say. Where consent lets the report pass, its cause and
//! its words are told; where the person keeps words from the sender, the cause alone; where consent does not cover the service or
//! was withdrawn (consent rules R10, R11), or the person lets the sender see a status alone, only the call.

use crate::align::Alignment;
use crate::change::{Change, Disposition, ReportRecord, Transaction};
use crate::consent::{Kept, Verdict};
use crate::follow_up::{self, Cause, Opening, noted, open};
use crate::referral::Referral;
use adapter_contract::StatusReport;
use adapter_contract::business_status::{NEEDS_MORE, SAFEGUARDING};
use std::collections::BTreeMap;

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

/// Opens a follow-up for each call for help that is new, or adds its words to the one that is open.
pub(crate) fn raised(from: &Alignment<'_>, referral: &mut Referral) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut by_cause: BTreeMap<Cause, Vec<(String, &ReportRecord)>> = BTreeMap::new();
    for record in from.reports {
        if record.disposition != Disposition::Recorded || !is_alarm(&record.report) {
            continue;
        }
        let occurrence = format!("{}|{}", record.report.platform_referral.0, record.report.event);
        let cause = cause(&record.report, from);
        let known = follow_up::id(referral, cause, &occurrence);
        if referral.follow_ups.iter().all(|one| one.task != known) {
            by_cause.entry(cause).or_default().push((occurrence, record));
        }
    }
    for (cause, mut fresh) in by_cause {
        fresh.sort_by(|a, b| (a.1.received, &a.0).cmp(&(b.1.received, &b.0)));
        let Some(occurrence) = fresh.first().map(|one| one.0.clone()) else { continue };
        let notes: Vec<(String, String)> = fresh.iter().filter_map(|(_, record)| note(from, cause, record)).collect();
        let open_one = referral.open_follow_ups().find(|one| one.cause == cause).map(|one| one.task.clone());
        let standing = open_one.and_then(|id| from.follow_ups.iter().find(|one| one.0 == id));
        if let Some((id, version, document)) = standing {
            changes.extend(noted(referral, (id, *version, document), &notes, from.now));
            continue;
        }
        let due = Some(crate::business_days::end_of_day(from.now));
        let opening = Opening { notes: &notes, due, ..Opening::new(cause, &occurrence) };
        changes.extend(open(referral, (from.task.1, from.service_request.1), &opening, from.now));
    }
    changes
}

/// The service's own words, where they may be told.
fn note(from: &Alignment<'_>, cause: Cause, record: &ReportRecord) -> Option<(String, String)> {
    let told = cause != Cause::CallRequested && from.kept == Kept::Nothing;
    let words = record.report.reason.as_deref().and_then(crate::align::tidy).filter(|_| told)?;
    Some((format!("The service ({})", record.platform), words))
}

/// What is written of calls for help while nothing else of the reports is applied, because the acknowledgement is still under way.
/// `None` if there is none that is new. The reports stay as they are, and are applied once it has come.
#[must_use]
pub fn meanwhile(from: &Alignment<'_>) -> Option<Transaction> {
    let mut referral = from.referral.clone();
    let mut changes = raised(from, &mut referral);
    if changes.is_empty() {
        return None;
    }
    referral.revision += 1;
    changes.push(Change::PutReferral(Box::new(referral)));
    Some(Transaction { checks: Vec::new(), changes })
}
