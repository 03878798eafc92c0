//! Leases on outbox rows. What waits is looked up tenant by tenant, in an index that gives the rows of each in order of their
//! time: what a claim costs grows with the tenants, not with what waits.

use super::rows::{body, integer, json, micros, time};
use super::{lane, put};
use crate::store::StoreError;
pub(super) use crate::store::statements::{BACKLOG, DUE, NEXT, TENANT, URGENT};
use gateway_core::fair::{Class, Waiting};
use gateway_core::identity::{PlatformId, TenantId};
use gateway_core::outbox::{ClaimRequest, Claimed, OutboxRow};
use rusqlite::{Connection, OptionalExtension as _};
use time::OffsetDateTime;

/// Leases what is due, in fair turns.
pub(super) fn claim(file: &Connection, request: &ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
    if let Some(fence) = request.lane
        && !lane::is_newest(file, &request.platform, fence)?
    {
        return Err(StoreError::LaneLost);
    }
    let due_by = micros(request.due_by)?;
    let mut waiting = Waiting::default();
    for tenant in tenants(file, &request.platform)? {
        for (class, sql) in [(Class::Urgent, URGENT), (Class::Any, DUE)] {
            let mut statement = file.prepare_cached(sql)?;
            let mut rows = statement.query((&request.platform.0, &tenant.0, due_by, request.limit))?;
            while let Some(row) = rows.next()? {
                waiting.add(class, tenant.clone(), row.get::<_, i64>(0)?);
            }
        }
    }
    let next = waiting.next(request.turn.clone(), request.limit as usize);
    next.into_iter().map(|(place, class)| lease(file, request, place, class)).collect()
}

fn lease(file: &Connection, request: &ClaimRequest, place: i64, class: Class) -> Result<Claimed, StoreError> {
    let row = file
        .prepare_cached("SELECT body FROM outbox WHERE place = ?1")?
        .query_row([place], |row| Ok(body::<OutboxRow>(row, 0, "outbox row")))??;
    let (claimed, attempt) = request.lease(row, class);
    let row = &claimed.row;
    let urgent = row.urgent_due(request.lease_until).map(micros).transpose()?;
    file.prepare_cached(
        "UPDATE outbox SET state = 'leased', due = ?2, urgent = ?3, fence = ?4, body = ?5 WHERE place = ?1",
    )?
    .execute((place, micros(request.lease_until)?, urgent, integer(row.fence)?, json(row)?))?;
    if let Some(attempt) = &attempt {
        put::attempt(file, attempt)?;
    }
    Ok(claimed)
}

/// Of whom anything waits for its time at a platform, by name.
fn tenants(file: &Connection, platform: &PlatformId) -> Result<Vec<TenantId>, StoreError> {
    let mut statement = file.prepare_cached(TENANT)?;
    let mut found: Vec<TenantId> = Vec::new();
    loop {
        let last = found.last().map_or("", |tenant| tenant.0.as_str());
        match statement.query_row((&platform.0, last), |row| row.get(0)).optional()? {
            Some(next) => found.push(TenantId(next)),
            None => return Ok(found),
        }
    }
}

/// How many rows wait or are leased, counted up to a number.
pub(super) fn backlog(file: &Connection, most: u64) -> Result<u64, StoreError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows: i64 = file.prepare_cached(BACKLOG)?.query_row([most], |row| row.get(0))?;
    Ok(rows.unsigned_abs())
}

/// When the first row of these platforms that nothing blocks is due.
pub(super) fn next_due(file: &Connection, platforms: &[PlatformId]) -> Result<Option<OffsetDateTime>, StoreError> {
    let mut statement = file.prepare_cached(NEXT)?;
    let mut first: Option<i64> = None;
    for platform in platforms {
        for tenant in tenants(file, platform)? {
            let due: Option<i64> = statement.query_row((&platform.0, &tenant.0), |row| row.get(0)).optional()?;
            first = first.into_iter().chain(due).min();
        }
    }
    first.map(time).transpose()
}
