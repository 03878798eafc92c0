//! Leases on outbox rows. What waits is looked up tenant by tenant, in an index that gives the rows of each in order of their
//! time: what a claim costs grows with the tenants, not with what waits.

use super::rows::{body, integer, json, micros, time};
use super::{lane, put};
use crate::store::StoreError;
pub(super) use crate::store::statements::{
    BACKLOG, BEFORE, DUE, LEFT, NEXT, PLATFORM, STANDS, TENANT, URGENT, URGENT_BEFORE,
};
use gateway_core::backlog::Backlog;
use gateway_core::fair::{Class, Waiting};
use gateway_core::identity::{PlatformId, TenantId};
use gateway_core::outbox::{ClaimRequest, Claimed, OutboxRow};
use gateway_core::waiting::Ahead;
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
    if request.interrupted {
        let mut statement = file.prepare_cached(LEFT)?;
        let left = statement.query_map((&request.platform.0, due_by, request.limit), |row| row.get(0))?;
        let left: Vec<i64> = left.collect::<Result<_, _>>()?;
        return left.into_iter().map(|place| lease(file, request, place, Class::Any)).collect();
    }
    let mut waiting = Waiting::default();
    for tenant in tenants(file, &request.platform)? {
        for class in request.classes().iter().copied() {
            let mut statement = file.prepare_cached(match class {
                Class::Urgent => URGENT,
                Class::Any => DUE,
            })?;
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

/// For which platforms anything waits or is leased, by name.
pub(super) fn busy_platforms(file: &Connection) -> Result<Vec<PlatformId>, StoreError> {
    let mut statement = file.prepare_cached(PLATFORM)?;
    let mut found: Vec<PlatformId> = Vec::new();
    loop {
        let last = found.last().map_or("", |platform| platform.0.as_str());
        match statement.query_row([last], |row| row.get(0)).optional()? {
            Some(next) => found.push(PlatformId(next)),
            None => return Ok(found),
        }
    }
}

/// What stands before a row at its platform.
pub(super) fn ahead(file: &Connection, outbox: &str, now: OffsetDateTime, most: u64) -> Result<Ahead, StoreError> {
    type Stands = (String, String, i64, Option<i64>, i64);
    let stands: Option<Stands> = file
        .prepare_cached(STANDS)?
        .query_row([outbox], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .optional()?;
    let Some((platform, tenant, due, urgent, place)) = stands else { return Ok(Ahead::default()) };
    let (now, most) = (micros(now)?, i64::try_from(most).unwrap_or(i64::MAX));
    let count = |sql, tenant: &str, at, place| -> Result<u64, StoreError> {
        let found: i64 =
            file.prepare_cached(sql)?.query_row((&platform, tenant, now, at, place, most), |row| row.get(0))?;
        Ok(found.unsigned_abs())
    };
    let own = match urgent.filter(|urgent| *urgent <= now) {
        Some(urgent) => count(URGENT_BEFORE, &tenant, urgent, place)?,
        None => count(BEFORE, &tenant, due, place)?,
    };
    let mut ahead = Ahead { own, ..Ahead::default() };
    for tenant in tenants(file, &PlatformId(platform.clone()))? {
        let first: Option<i64> =
            file.prepare_cached(NEXT)?.query_row((&platform, &tenant.0), |row| row.get(0)).optional()?;
        ahead.tenants += u64::from(first.is_some_and(|first| first <= now));
        ahead.urgent += count(URGENT_BEFORE, &tenant.0, i64::MAX, i64::MAX)?;
    }
    ahead.urgent = ahead.urgent.min(most.unsigned_abs());
    Ok(ahead)
}

/// How many rows of each tenant wait or are leased, counted up to a number of all.
pub(super) fn backlog(file: &Connection, most: u64) -> Result<Backlog, StoreError> {
    let mut backlog = Backlog::default();
    for platform in busy_platforms(file)? {
        for tenant in tenants(file, &platform)? {
            let left = i64::try_from(most.saturating_sub(backlog.all())).unwrap_or(i64::MAX);
            let rows: i64 =
                file.prepare_cached(BACKLOG)?.query_row((&platform.0, &tenant.0, left), |row| row.get(0))?;
            backlog.add(&tenant, rows.unsigned_abs());
        }
    }
    Ok(backlog)
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
