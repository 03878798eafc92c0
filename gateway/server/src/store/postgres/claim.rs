//! Leases on outbox rows. `FOR UPDATE SKIP LOCKED`: instances that claim at the same time share no row and do not wait for
//! each other, nor for the writer. Whoever finds nothing because another holds the rows looks again when he is woken.

use super::fault::Fault;
use super::lane;
use super::sql::{Bind as _, all, ask, one, run};
use crate::store::StoreError;
use crate::store::rows::Columns as _;
use crate::store::statements::{BACKLOG, DUE, NEXT};
use crate::store::values::{integer, json, micros, time};
use gateway_core::identity::PlatformId;
use gateway_core::outbox::{ClaimRequest, Claimed, OutboxRow};
use sqlx::PgConnection;
use std::collections::BTreeSet;
use time::OffsetDateTime;

/// Leases what is due, the longest waiting first. The caller ends the transaction.
pub(super) async fn claim(on: &mut PgConnection, request: &ClaimRequest) -> Result<Vec<Claimed>, Fault> {
    for platform in request.platforms.iter().collect::<BTreeSet<_>>() {
        if let Some(fence) = request.lane
            && !lane::is_newest(on, platform, fence).await?
        {
            return Err(StoreError::LaneLost.into());
        }
    }
    let now = micros(request.now)?;
    let sql = format!("{DUE} FOR UPDATE OF o SKIP LOCKED");
    let mut due = Vec::new();
    for platform in request.platforms.iter().collect::<BTreeSet<_>>() {
        let found = ask(&sql).text(&platform.0).number(now).number(request.limit.into());
        due.extend(
            all(on, found, |row| Ok(((row.integer(0)?, row.integer(1)?), row.json::<OutboxRow>(2, "outbox row")?)))
                .await?,
        );
    }
    due.sort_by_key(|(key, _)| *key);
    due.truncate(request.limit as usize);
    let until = micros(request.lease_until)?;
    let (mut claimed, mut places, mut fences, mut bodies) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut outboxes, mut numbers, mut attempts) = (Vec::new(), Vec::new(), Vec::new());
    for ((_, place), row) in due {
        let (leased, attempt) = request.lease(row);
        places.push(place);
        fences.push(integer(leased.row.fence)?);
        bodies.push(json(&leased.row)?);
        outboxes.push(attempt.outbox.clone());
        numbers.push(i64::from(attempt.number));
        attempts.push(json(&attempt)?);
        claimed.push(leased);
    }
    if claimed.is_empty() {
        return Ok(claimed);
    }
    let lease = "UPDATE outbox o SET state = 'leased', due = ?1, fence = n.fence, body = n.body
        FROM unnest(?2::bigint[], ?3::bigint[], ?4::text[]) n (place, fence, body) WHERE o.place = n.place";
    run(on, ask(lease).number(until).bind(places).bind(fences).bind(bodies)).await?;
    let begin = "INSERT INTO attempt (outbox, number, body)
        SELECT n.outbox, n.number, n.body FROM unnest(?1::text[], ?2::bigint[], ?3::text[]) n (outbox, number, body)
        ON CONFLICT (outbox, number) DO UPDATE SET body = excluded.body";
    run(on, ask(begin).bind(outboxes).bind(numbers).bind(attempts)).await?;
    Ok(claimed)
}

/// How many rows wait or are leased, counted up to a number.
pub(super) async fn backlog(on: &mut PgConnection, most: u64) -> Result<u64, Fault> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    Ok(one(on, ask(BACKLOG).number(most), |row| row.natural(0)).await?.unwrap_or(0))
}

/// When the first row of these platforms that nothing blocks is due.
pub(super) async fn next_due(on: &mut PgConnection, platforms: &[PlatformId]) -> Result<Option<OffsetDateTime>, Fault> {
    let mut first = None;
    for platform in platforms {
        if let Some(due) = one(on, ask(NEXT).text(&platform.0), |row| row.integer(0)).await? {
            first = Some(first.map_or(due, |earlier: i64| earlier.min(due)));
        }
    }
    Ok(first.map(time).transpose()?)
}
