//! Retention, with effects: each row of the table is a job that runs at the start and then every day. A job works in small
//! transactions, each whole by itself; what a crash or a fault leaves undone, the next turn does.
//!
//! Time is the gateway's clock. One that is put forward by mistake ends what is kept too early, and nothing guards against
//! that: only the clock knows what time it is.

use crate::erase::{Erased, Order, Whole, person};
use crate::gateway::{Gateway, log_store_fault};
use crate::ingest::parse;
use crate::store::{CommitError, StoreError};
use gateway_core::change::{AuditRecord, Change, Removed, Transaction};
use gateway_core::identity::{GATEWAY_AUTHOR, TenantId};
use gateway_core::notify;
use gateway_core::retention::{Row, What, may_permit, only_permits};
use gateway_core::status_link::KEPT;
use gateway_core::subject::{Cause, Domain};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

/// Time between two turns.
const EVERY: Duration = Duration::from_secs(24 * 3600);
/// People, or rows, that are looked at together.
const BATCH: u32 = 100;

/// Does the rows of the table, and what needs none, until it is told to stop.
pub(crate) async fn worker(gateway: Arc<Gateway>, stop: CancellationToken) {
    loop {
        turn(&gateway, &stop).await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = crate::clock::sleep(gateway.clock.as_ref(), EVERY) => {}
        }
    }
}

/// One turn: every row once, then the links and notices. A row that fails does not stop the others.
pub(crate) async fn turn(gateway: &Gateway, stop: &CancellationToken) {
    for row in &gateway.retention {
        let done = match row.what {
            What::Records | What::Withdrawn | What::Consents => people(gateway, row, stop).await,
            What::Received | What::Answers | What::RawReports => rows(gateway, row, stop).await,
        };
        match done {
            Ok(done) => {
                for (tenant, count) in done {
                    tracing::info!(row = row.what.word(), tenant = tenant.0, count, "the time of retention had ended");
                }
            }
            Err(error) => log_store_fault("retention", &error),
        }
    }
    for done in [links(gateway, stop).await, notices(gateway, stop).await] {
        if let Err(error) = done {
            log_store_fault("retention", &error);
        }
    }
    if let Err(error) = sign_ins(gateway, stop).await {
        log_store_fault("retention", &error);
    }
}

/// Notices that have ended, after a while: as links, they hold nothing of a person and stand in no table.
async fn notices(gateway: &Gateway, stop: &CancellationToken) -> Result<(), StoreError> {
    let before = gateway.clock.now() - notify::KEPT;
    while !stop.is_cancelled() {
        let ended = gateway.store.ended_notices(before, BATCH).await?;
        if ended.is_empty() {
            break;
        }
        let removed = ended.into_iter().map(|notice| Removed::Notice(notice.id)).collect();
        commit(gateway, vec![Change::Remove(removed)]).await?;
    }
    Ok(())
}

/// Status links that can no longer be opened, after a while. They hold nothing of a person, open nothing, and stand in no table: no
/// row has to say for how long.
async fn links(gateway: &Gateway, stop: &CancellationToken) -> Result<(), StoreError> {
    let before = gateway.clock.now() - KEPT;
    while !stop.is_cancelled() {
        let expired = gateway.store.expired_links(before, BATCH).await?;
        if expired.is_empty() {
            break;
        }
        let removed = expired.into_iter().map(|link| Removed::Link(link.id)).collect();
        commit(gateway, vec![Change::Remove(removed)]).await?;
    }
    Ok(())
}

/// Sign-ins that are over, and attempts that no longer count.
async fn sign_ins(gateway: &Gateway, stop: &CancellationToken) -> Result<(), StoreError> {
    while !stop.is_cancelled() {
        let expired = gateway.store.expired_sign_ins(gateway.clock.now(), BATCH).await?;
        if expired.is_empty() {
            break;
        }
        let removed = expired.iter().map(|one| Removed::SignIn(one.key().to_owned())).collect();
        commit(gateway, vec![Change::Remove(removed)]).await?;
    }
    Ok(())
}

type Done = BTreeMap<TenantId, usize>;

/// Jobs on people: those of whom nothing was written since, one after the other.
async fn people(gateway: &Gateway, row: &Row, stop: &CancellationToken) -> Result<Done, StoreError> {
    let before = gateway.clock.now() - row.keep;
    let domain = if row.what == What::Consents { Domain::Consent } else { Domain::Record };
    let cause = if row.what == What::Withdrawn { Cause::Withdrawal } else { Cause::Retention };
    let domains = [domain];
    let order =
        Order { domains: &domains, unconfirmed: false, author: GATEWAY_AUTHOR, cause, row: Some(row.what.word()) };
    let (mut done, mut after) = (Done::new(), None);
    while !stop.is_cancelled() {
        let idle = gateway.store.idle(domain, before, after.as_ref(), BATCH).await?;
        let Some((last, _)) = idle.last() else { break };
        after = Some(last.clone());
        for (_, key) in idle {
            // Erased by now, as another subject of the same person.
            let Some(stored) = gateway.store.resource(&key, None).await? else { continue };
            let whole = Whole::around(gateway, &stored).await?;
            if !over(&whole, row.what, before) {
                continue;
            }
            match person(gateway, &stored, &order, &|whole| over(whole, row.what, before)).await? {
                Erased::Done(_) => *done.entry(key.compartment.tenant).or_default() += 1,
                // What is under way, or being written, is not idle, and whoever has to be called is not called by anybody
                // who no longer knows whom: the next turn looks again.
                Erased::Waits(_) | Erased::Raced | Erased::Kept => {}
            }
        }
    }
    for (tenant, count) in &done {
        commit(gateway, vec![line(gateway, tenant, row, *count)]).await?;
    }
    Ok(done)
}

/// Whether the time of a person's record, or Consents, is over.
fn over(whole: &Whole, what: What, before: OffsetDateTime) -> bool {
    let documents = || whole.consents.iter().map(parse);
    let settled = whole.consents.iter().all(|consent| consent.updated < before);
    let idle = whole.record_changed.is_some_and(|changed| changed < before);
    match what {
        What::Records => idle,
        What::Withdrawn => {
            let none = !whole.consents.is_empty() && documents().all(|one| one.is_some_and(|one| !may_permit(&one)));
            idle && settled && none
        }
        What::Consents => {
            whole.record_changed.is_none()
                && settled
                && documents().all(|one| one.is_some_and(|one| only_permits(&one)))
        }
        What::Received | What::Answers | What::RawReports => false,
    }
}

/// Jobs on rows: the oldest first, until none is left that is old enough.
async fn rows(gateway: &Gateway, row: &Row, stop: &CancellationToken) -> Result<Done, StoreError> {
    let before = gateway.clock.now() - row.keep;
    let mut done = Done::new();
    while !stop.is_cancelled() {
        let found = old(gateway, row.what, before).await?;
        if found.is_empty() {
            break;
        }
        let mut changes = Vec::new();
        let mut counts = Done::new();
        let mut removed = Vec::with_capacity(found.len());
        for (tenant, one) in found {
            *counts.entry(tenant).or_default() += 1;
            removed.push(one);
        }
        changes.push(Change::Remove(removed));
        changes.extend(counts.iter().map(|(tenant, count)| line(gateway, tenant, row, *count)));
        commit(gateway, changes).await?;
        for (tenant, count) in counts {
            *done.entry(tenant).or_default() += count;
        }
    }
    Ok(done)
}

async fn old(gateway: &Gateway, what: What, before: OffsetDateTime) -> Result<Vec<(TenantId, Removed)>, StoreError> {
    let store = &gateway.store;
    // What a platform pushed belongs to no tenant yet: the line of audit says whose it is in the place of one.
    let platform = |id: &gateway_core::identity::PlatformId| TenantId(format!("platform/{}", id.0));
    Ok(match what {
        What::Received => {
            let rows = store.received(before, BATCH).await?;
            rows.into_iter().map(|(place, row)| (row.tenant, Removed::Received(place))).collect()
        }
        What::Answers => {
            let rows = store.answers(before, BATCH).await?.into_iter();
            let name = |row: gateway_core::change::StoredAnswer| {
                let tenant = row.tenant.clone();
                (tenant, Removed::Answer { tenant: row.tenant, client: row.client, request_id: row.request_id })
            };
            rows.map(name).collect()
        }
        What::RawReports => {
            let pushed = store.raw_reports(before, BATCH).await?.into_iter();
            let parked = store.parked(before, BATCH).await?.into_iter();
            let pushed = pushed.map(|row| (platform(&row.platform), Removed::RawReport(row.id)));
            pushed.chain(parked.map(|row| (platform(&row.platform), Removed::Report(row.id)))).collect()
        }
        What::Records | What::Withdrawn | What::Consents => Vec::new(),
    })
}

fn line(gateway: &Gateway, tenant: &TenantId, row: &Row, count: usize) -> Change {
    Change::Audit(AuditRecord {
        tenant: tenant.clone(),
        at: gateway.clock.now(),
        actor: GATEWAY_AUTHOR.to_owned(),
        action: "retention".to_owned(),
        referral: None,
        detail: serde_json::json!({ "row": row.what.word(), "keep-days": row.keep.whole_days(), "count": count }),
    })
}

async fn commit(gateway: &Gateway, changes: Vec<Change>) -> Result<(), StoreError> {
    match gateway.commit(Transaction { checks: Vec::new(), changes }).await {
        Ok(()) => Ok(()),
        Err(CommitError::Store(error)) => Err(error),
        // There are no checks, and nothing that is removed can be refused.
        Err(CommitError::Refused(refused)) => Err(StoreError::Engine(refused.to_string())),
    }
}
