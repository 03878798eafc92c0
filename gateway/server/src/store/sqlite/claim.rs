//! Leases on outbox rows. Each platform is asked by itself, so that its index gives the rows in order of their time.

use super::rows::{body, integer, json, micros, time};
use super::{lane, put};
use crate::store::StoreError;
pub(super) use crate::store::statements::{BACKLOG, DUE, NEXT};
use gateway_core::identity::PlatformId;
use gateway_core::outbox::{ClaimRequest, Claimed, OutboxRow};
use rusqlite::Connection;
use std::collections::BTreeSet;
use time::OffsetDateTime;

/// Leases what is due, the longest waiting first.
pub(super) fn claim(file: &Connection, request: &ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
    for platform in &request.platforms {
        if let Some(fence) = request.lane
            && !lane::is_newest(file, platform, fence)?
        {
            return Err(StoreError::LaneLost);
        }
    }
    let now = micros(request.now)?;
    let mut due = Vec::new();
    let mut statement = file.prepare_cached(DUE)?;
    for platform in request.platforms.iter().collect::<BTreeSet<_>>() {
        let mut rows = statement.query((&platform.0, now, request.limit))?;
        while let Some(row) = rows.next()? {
            let key: (i64, i64) = (row.get(0)?, row.get(1)?);
            due.push((key, body::<OutboxRow>(row, 2, "outbox row")?));
        }
    }
    due.sort_by_key(|(key, _)| *key);
    due.truncate(request.limit as usize);
    due.into_iter().map(|((_, place), row)| lease(file, request, place, row)).collect()
}

fn lease(file: &Connection, request: &ClaimRequest, place: i64, row: OutboxRow) -> Result<Claimed, StoreError> {
    let (claimed, attempt) = request.lease(row);
    let row = &claimed.row;
    file.prepare_cached("UPDATE outbox SET state = 'leased', due = ?2, fence = ?3, body = ?4 WHERE place = ?1")?
        .execute((place, micros(request.lease_until)?, integer(row.fence)?, json(row)?))?;
    put::attempt(file, &attempt)?;
    Ok(claimed)
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
    let mut first = None;
    for platform in platforms {
        let mut rows = statement.query([&platform.0])?;
        if let Some(row) = rows.next()? {
            let due: i64 = row.get(0)?;
            first = Some(first.map_or(due, |earlier: i64| earlier.min(due)));
        }
    }
    first.map(time).transpose()
}
