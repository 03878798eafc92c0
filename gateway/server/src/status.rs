//! Status and align, with effects: what platforms push is recorded before it is read, read before it is applied; what
//! they do not push is polled.

mod ask;
mod poll;

pub(crate) use ask::ask;
pub use poll::{PollError, poll, poll_lane};

use crate::gateway::{Gateway, Platform, is_race, log_store_fault};
use crate::store::{CommitError, StoreError};
use crate::view::{View, ViewError};
use adapter_contract::{PlatformReferralId, Reading, Report, ReportSource, StatusReport};
use gateway_core::accept::{audit_line, new_row};
use gateway_core::alarm;
use gateway_core::align::{Alignment, align};
use gateway_core::amend;
use gateway_core::change::{Change, Disposition, RawReport, Removed, ReportRecord, Transaction};
use gateway_core::consent::Stage;
use gateway_core::outbox::{Errand, OutboxRow, OutboxState};
use gateway_core::referral::{Delivery, Referral, ReferralId};
use gateway_core::withdraw;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Reads and applies reports until it is told to stop. `calm` is set as soon as no report is left whose reading may have ended an
/// earlier process: until then nothing else should begin that might, or the blame would fall on the wrong one.
pub async fn worker(gateway: Arc<Gateway>, calm: CancellationToken, stop: CancellationToken) {
    let _at_the_latest = calm.clone().drop_guard();
    let mut found = Found { is_start: true, counted: BTreeSet::new() };
    loop {
        let busy = match turn(&gateway, &mut found, &calm).await {
            Ok(busy) => busy,
            Err(error) => {
                log_store_fault("status", &error);
                // Nobody waits for a store that is away.
                calm.cancel();
                false
            }
        };
        if stop.is_cancelled() {
            return;
        }
        if busy {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = gateway.report_bell.notified() => {}
            () = crate::clock::sleep(gateway.clock.as_ref(), gateway.limits.lease) => {}
        }
    }
}

/// What this process found unread when it started. Its readings are counted on the disk before they begin, so that one that ends the
/// process is not begun without end; what comes later is not counted, and costs no write: after a death it is found.
struct Found {
    /// Whether there may still be some of it.
    is_start: bool,
    /// Reports whose reading was counted by this process: once, however often it is begun anew.
    counted: BTreeSet<String>,
}

/// One turn: true if there was something to do.
async fn turn(gateway: &Gateway, found: &mut Found, calm: &CancellationToken) -> Result<bool, StoreError> {
    let raw = gateway.store.unread_reports(gateway.limits.status_batch).await?;
    if raw.iter().all(|report| report.begun == 0) {
        calm.cancel();
    }
    let mut progressed = false;
    for report in &raw {
        if found.is_start && !report.is_poison() {
            count(gateway, found, report).await?;
        }
        progressed |= read_raw(gateway, report, found.counted.contains(&report.id)).await?;
    }
    found.is_start &= raw.len() >= gateway.limits.status_batch as usize;
    let due = gateway.store.referrals_to_align(gateway.limits.status_batch).await?;
    for id in &due {
        progressed |= align_one(gateway, id).await;
    }
    Ok(progressed)
}

/// Writes down that a report is about to be read.
async fn count(gateway: &Gateway, found: &mut Found, raw: &RawReport) -> Result<(), StoreError> {
    if !found.counted.insert(raw.id.clone()) {
        return Ok(());
    }
    let changes = vec![Change::ReadingBegun { id: raw.id.clone(), begun: raw.begun + 1 }];
    match gateway.commit(Transaction { checks: Vec::new(), changes }).await {
        Err(CommitError::Store(error)) => Err(error),
        // There are no checks that could fail.
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What is said of a report that is not read any more.
fn set_aside(raw: &RawReport) -> String {
    format!(
        "the process ended {} times while it was being read; it is not read again. If the adapter is mended, let the platform send it anew",
        raw.begun
    )
}

/// Reads one pushed report; what it says is recorded in the same transaction that marks it as read. `counted`: this reading is among
/// those that were counted, and the last of them may still be made.
async fn read_raw(gateway: &Gateway, raw: &RawReport, counted: bool) -> Result<bool, StoreError> {
    let mut changes = Vec::new();
    let mut names: Vec<PlatformReferralId> = own_task(raw).into_iter().collect();
    let fault = match gateway.platform(&raw.platform) {
        _ if raw.is_poison() && !counted => Some(set_aside(raw)),
        None => Some("no platform of this name is configured".to_owned()),
        Some(platform) => {
            let report = Report { source: raw.source, content_type: raw.content_type.as_deref(), body: &raw.body };
            let read = platform.reader(raw.source).read_report(&report);
            match read {
                Err(error) => Some(error.to_string()),
                Ok(readings) => {
                    names.extend(readings.iter().filter_map(changed));
                    changes = take(gateway, &platform, readings, raw.source).await?;
                    None
                }
            }
        }
    };
    if let Some(fault) = &fault {
        tracing::warn!(platform = %raw.platform, report = raw.id, fault, "a report could not be read; it is kept");
    }
    let mut about = spoken_of(&changes);
    for name in names {
        let Some(referral) = gateway.store.referral_at_platform(&raw.platform, &name, None).await? else { continue };
        if let (Some(_), Some(_), Some(platform)) = (&fault, &referral.erased, gateway.platform(&raw.platform)) {
            changes.push(late(gateway, &referral, &platform));
        }
        about.push(referral.id);
    }
    if changes.iter().any(is_late) {
        // What it says of an erased referral is not kept; what it says of others is recorded.
        changes.push(Change::Remove(vec![Removed::RawReport(raw.id.clone())]));
    } else {
        about.sort();
        about.dedup();
        changes.push(Change::ReportRead { id: raw.id.clone(), fault, about });
    }
    match gateway.commit(Transaction { checks: Vec::new(), changes }).await {
        Ok(()) => Ok(true),
        Err(CommitError::Store(error)) => Err(error),
        Err(error) => {
            tracing::debug!(error = %error, "a report is read again");
            Ok(true)
        }
    }
}

/// What is left of a statement on a referral that was erased: that there was one.
fn late(gateway: &Gateway, referral: &Referral, platform: &Platform) -> Change {
    let (now, author) = (gateway.clock.now(), format!("platform/{}", platform.id.0));
    audit_line(referral, now, &author, LATE, serde_json::json!({ "kept": false }))
}

/// Action of that line.
const LATE: &str = "report-after-erasure";

fn is_late(change: &Change) -> bool {
    matches!(change, Change::Audit(line) if line.action == LATE)
}

/// The referrals that these changes belong to.
fn spoken_of(changes: &[Change]) -> Vec<ReferralId> {
    let of = |change: &Change| match change {
        Change::RecordReport(record) => record.referral.clone(),
        Change::PutOutbox(row) => Some(row.referral.clone()),
        _ => None,
    };
    changes.iter().filter_map(of).collect()
}

/// What is said to have changed: it is spoken of, even where nothing has to be read or written for it.
fn changed(reading: &Reading) -> Option<PlatformReferralId> {
    match reading {
        Reading::Changed(name) => Some(name.clone()),
        Reading::Status(_) => None,
    }
}

/// The published Task that a collecting platform wrote: it is the first entry, whatever the adapter reads of it.
fn own_task(raw: &RawReport) -> Option<PlatformReferralId> {
    if raw.source != ReportSource::TaskUpdate {
        return None;
    }
    let report: serde_json::Value = serde_json::from_slice(&raw.body).ok()?;
    Some(PlatformReferralId(report.pointer("/entry/0/resource/id")?.as_str()?.to_owned()))
}

/// What readings become: recorded statements, parked ones, or a read errand.
pub(crate) async fn take(
    gateway: &Gateway,
    platform: &Platform,
    readings: Vec<Reading>,
    source: ReportSource,
) -> Result<Vec<Change>, StoreError> {
    let mut changes = Vec::new();
    let mut asked = BTreeSet::new();
    for reading in readings {
        match reading {
            Reading::Status(report) => {
                let name = &report.platform_referral;
                let referral = gateway.store.referral_at_platform(&platform.id, name, report.key.as_ref()).await?;
                if let Some(referral) = referral.as_ref().filter(|referral| referral.erased.is_some()) {
                    changes.push(late(gateway, referral, platform));
                    continue;
                }
                if referral.is_none() && alarm::is_alarm(&report) {
                    // Nobody knows yet whom to tell: it is told once the referral is known, and an operator sees it here.
                    tracing::error!(
                        platform = platform.id.0,
                        "a service calls for help on a referral that is not known; its report is parked"
                    );
                }
                if let Some(referral) = &referral {
                    changes.extend(adopted(gateway, platform, referral, &report).await?);
                }
                let record = recorded(gateway, platform, referral.as_ref(), report, source);
                changes.push(Change::RecordReport(Box::new(record)));
            }
            Reading::Changed(name) => {
                // A page may name a referral for each of its changes: one read sees them all.
                if !asked.insert(name.0.clone()) {
                    continue;
                }
                let Some(referral) = gateway.store.referral_at_platform(&platform.id, &name, None).await? else {
                    // It overtook the acknowledgement, or is about what is not ours: read once the name is known.
                    let (id, now) = (gateway.new_id(), gateway.clock.now());
                    let record = ReportRecord::changed(id, platform.id.clone(), name, source, now);
                    changes.push(Change::RecordReport(Box::new(record)));
                    continue;
                };
                if referral.erased.is_some() {
                    changes.push(late(gateway, &referral, platform));
                    continue;
                }
                let polled = source == ReportSource::Poll;
                if referral.recall.as_ref().is_some_and(|recall| !recall.is_worth_reading(polled)) {
                    continue;
                }
                let rows = gateway.store.outbox(&referral.id).await?;
                let former = referral.was(&name).then_some(name);
                let waits = |row: &OutboxRow| row.errand == Errand::Read && row.state == OutboxState::Ready;
                if rows.iter().any(|row| waits(row) && row.former == former) {
                    continue;
                }
                // A read changes nothing: it stands in no order, so that no cancellation ever waits behind it.
                let sequence = 0;
                let schedule = &gateway.rules.schedule;
                let row = new_row(&referral, gateway.new_id(), Errand::Read, sequence, gateway.clock.now(), schedule);
                changes.extend(row.map(|row| Change::PutOutbox(Box::new(OutboxRow { former, ..row }))));
            }
        }
    }
    Ok(changes)
}

/// Statements that were parked while their referral was not known under the platform's name, and now is.
async fn adopted(
    gateway: &Gateway,
    platform: &Platform,
    referral: &Referral,
    report: &StatusReport,
) -> Result<Vec<Change>, StoreError> {
    let parked = gateway.store.parked_reports(&platform.id, &report.platform_referral, &referral.key).await?;
    // What only says "changed" waits for the acknowledgement, which makes a read of it.
    let parked = parked.into_iter().filter(|record| !record.is_only_changed());
    let adopt = |mut record: ReportRecord| {
        record.referral = Some(referral.id.clone());
        record.disposition = Disposition::Recorded;
        if referral.recall.is_some() {
            withdraw::strip(&mut record.report);
        }
        Change::RecordReport(Box::new(record))
    };
    Ok(parked.map(adopt).collect())
}

fn recorded(
    gateway: &Gateway,
    platform: &Platform,
    referral: Option<&Referral>,
    mut report: StatusReport,
    source: ReportSource,
) -> ReportRecord {
    if referral.is_some_and(|referral| referral.recall.is_some()) {
        withdraw::strip(&mut report);
    }
    ReportRecord {
        id: gateway.new_id(),
        platform: platform.id.clone(),
        referral: referral.map(|referral| referral.id.clone()),
        source,
        received: gateway.clock.now(),
        report,
        disposition: if referral.is_some() { Disposition::Recorded } else { Disposition::Parked },
    }
}

/// Applies what is recorded on one referral; true if something was written.
async fn align_one(gateway: &Gateway, id: &ReferralId) -> bool {
    for _ in 0..=gateway.limits.conflict_retries {
        match try_align(gateway, id).await {
            Ok(written) => return written,
            Err(AlignError::Commit(error)) if is_race(&error) => {}
            Err(error) => {
                tracing::error!(referral = id.0, error = %error, "a status could not be applied");
                return false;
            }
        }
    }
    false
}

#[derive(Debug, thiserror::Error)]
enum AlignError {
    #[error(transparent)]
    View(#[from] ViewError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

async fn try_align(gateway: &Gateway, id: &ReferralId) -> Result<bool, AlignError> {
    let view = View::load(gateway, id).await?;
    let reports = gateway.store.reports(id).await?;
    // The acknowledgement is still under way; it settles the delivery first, and rings the bell. A call for help does not wait for it.
    let early = matches!(view.standing.referral.delivery, Delivery::Queued);
    if early && !reports.iter().any(|record| alarm::is_alarm(&record.report)) {
        return Ok(false);
    }
    let outbox = gateway.store.outbox(id).await?;
    let Some(platform) = view.standing.referral.platform.as_ref().and_then(|platform| gateway.platform(platform))
    else {
        return Ok(false);
    };
    let consents = view.consents(gateway).await?;
    let needs = &platform.adapter.descriptor().data_needs;
    let consent = view.decision(gateway, &platform.id, needs, Stage::Relay, &consents, &BTreeMap::new()).await?;
    let kept = view.kept(gateway, &platform, &consents).await?;
    let (former, reports): (Vec<_>, Vec<_>) =
        reports.into_iter().partition(|record| view.standing.referral.spoken_of_as(record).is_some());
    // That it was cancelled there, by us, to be sent anew, is no word of the organisation's.
    let (over, reports): (Vec<_>, Vec<_>) =
        reports.into_iter().partition(|record| view.standing.referral.ended_by_us(&record.report));
    let from = Alignment {
        referral: &view.standing.referral,
        task: view.standing.task(),
        service_request: view.standing.service_request(),
        reports: &reports,
        former: &former,
        outbox: &outbox,
        follow_ups: &view.standing.follow_ups(gateway).await?,
        capabilities: platform.capabilities(),
        within: gateway.limits.recall,
        schedule: &gateway.rules.schedule,
        consent: &consent,
        kept,
        now: gateway.clock.now(),
    };
    let transaction = if early { alarm::meanwhile(&from) } else { Some(align(&from)) };
    let Some(mut transaction) = transaction else { return Ok(false) };
    // While it is being replaced its end is not settled yet.
    let over = over.into_iter().filter(|record| record.disposition.is_open() && !early);
    let over: Vec<Change> =
        over.map(|record| Change::DisposeReport { id: record.id, disposition: Disposition::Unchanged }).collect();
    if !over.is_empty() {
        let (referral, now) = (&view.standing.referral, gateway.clock.now());
        transaction.changes.extend(amend::ended_after_all(referral, &outbox, &gateway.rules.schedule, now));
        transaction.changes.extend(over);
    }
    // What the person has kept from the practice since then is not shown either.
    transaction.checks.extend(view.unchanged(&consents));
    let unknown = transaction.changes.iter().filter(|change| is_unknown_word(change)).count();
    gateway.commit(transaction).await?;
    if unknown > 0 {
        // The word itself is the platform's, and stays in the store.
        let (platform, adapter) = (&platform.id.0, &platform.adapter.descriptor().name);
        tracing::warn!(
            platform,
            adapter,
            referral = id.0,
            unknown,
            "a status word is unknown and moves nothing: see `statuses unmapped`"
        );
    }
    Ok(true)
}

fn is_unknown_word(change: &Change) -> bool {
    matches!(change, Change::DisposeReport { disposition: Disposition::Unmapped, .. })
}
