//! Leases on outbox rows. Claims of one platform are made one after the other, and none waits for the writer: `FOR UPDATE SKIP
//! LOCKED` passes over what is being written. Whoever finds nothing because of that looks again when he is woken.

use super::fault::Fault;
use super::lane;
use super::sql::{Bind as _, all, ask, one, run};
use crate::store::StoreError;
use crate::store::rows::Columns as _;
use crate::store::statements::{BACKLOG, BEFORE, LEFT, PLATFORM, STANDS, TENANT, URGENT_BEFORE};
use crate::store::values::{integer, json, micros, time};
use gateway_core::backlog::Backlog;
use gateway_core::fair::{Class, Waiting};
use gateway_core::identity::{PlatformId, TenantId};
use gateway_core::outbox::{ClaimRequest, Claimed, OutboxRow};
use gateway_core::waiting::Ahead;
use sqlx::PgConnection;
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// Claims of one platform by others than the holder of its lane are made one after the other: who comes next sees what is left.
const ONE_BY_ONE: &str = "SELECT pg_advisory_xact_lock(hashtext('claim'), hashtext(?1))";

/// The tenants of whom anything waits for its time at a platform, by name: each step in the index.
macro_rules! tenants {
    ($then:literal) => {
        concat!(
            "WITH RECURSIVE tenants (tenant) AS (
                (SELECT o.tenant FROM outbox o WHERE o.platform = ?1 AND o.due IS NOT NULL AND o.waits = 0
                 ORDER BY o.tenant LIMIT 1)
                UNION ALL
                SELECT (SELECT o.tenant FROM outbox o
                        WHERE o.platform = ?1 AND o.tenant > t.tenant AND o.due IS NOT NULL AND o.waits = 0
                        ORDER BY o.tenant LIMIT 1)
                FROM tenants t WHERE t.tenant IS NOT NULL) ",
            $then
        )
    };
}

/// What each tenant has at a platform that is due by a time, at most so many of each class.
const WAITING: &str = tenants!(
    "SELECT t.tenant, 1::bigint, k.urgent, k.place FROM tenants t, LATERAL (
        SELECT o.urgent, o.place FROM outbox o
        WHERE o.platform = ?1 AND o.tenant = t.tenant AND o.urgent IS NOT NULL AND o.waits = 0 AND o.urgent <= ?2
        ORDER BY o.urgent, o.place LIMIT ?3) k WHERE t.tenant IS NOT NULL
    UNION ALL
    SELECT t.tenant, 0::bigint, k.due, k.place FROM tenants t, LATERAL (
        SELECT o.due, o.place FROM outbox o
        WHERE o.platform = ?1 AND o.tenant = t.tenant AND o.due IS NOT NULL AND o.waits = 0 AND o.due <= ?2
        ORDER BY o.due, o.place LIMIT ?3) k WHERE t.tenant IS NOT NULL
    ORDER BY 1, 2, 3, 4"
);

/// When the first row of any tenant at a platform is due.
const FIRST: &str = tenants!(
    "SELECT min(k.due) FROM tenants t, LATERAL (
        SELECT o.due FROM outbox o
        WHERE o.platform = ?1 AND o.tenant = t.tenant AND o.due IS NOT NULL AND o.waits = 0
        ORDER BY o.due LIMIT 1) k WHERE t.tenant IS NOT NULL"
);

/// Leases what is due, in fair turns. The caller ends the transaction.
pub(super) async fn claim(on: &mut PgConnection, request: &ClaimRequest) -> Result<Vec<Claimed>, Fault> {
    match request.lane {
        Some(fence) if !lane::is_newest(on, &request.platform, fence).await? => return Err(StoreError::LaneLost.into()),
        // The lane's holder makes one claim after the other.
        Some(_) => {}
        None => run(on, ask(ONE_BY_ONE).text(&request.platform.0)).await?,
    }
    let due_by = micros(request.due_by)?;
    let next = if request.interrupted {
        let left = ask(LEFT).text(&request.platform.0).number(due_by).number(request.limit.into());
        let left = all(on, left, |row| row.integer(0)).await?;
        left.into_iter().map(|place| (place, Class::Any)).collect()
    } else {
        turns(on, request, due_by).await?
    };
    if next.is_empty() {
        return Ok(Vec::new());
    }
    // Whoever was quicker has it.
    let lock = "SELECT o.place, o.body FROM outbox o
        WHERE o.place = ANY(?1) AND o.due IS NOT NULL AND o.due <= ?2 AND o.waits = 0 FOR UPDATE SKIP LOCKED";
    let places: Vec<i64> = next.iter().map(|(place, _)| *place).collect();
    let locked = all(on, ask(lock).bind(places).number(due_by), |row| {
        Ok((row.integer(0)?, row.json::<OutboxRow>(1, "outbox row")?))
    });
    let mut locked: BTreeMap<i64, OutboxRow> = locked.await?.into_iter().collect();
    let due = next.into_iter().filter_map(|(place, class)| Some((place, locked.remove(&place)?, class)));
    let until = micros(request.lease_until)?;
    let (mut claimed, mut places, mut fences, mut bodies) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut urgents = Vec::new();
    let (mut outboxes, mut numbers, mut attempts) = (Vec::new(), Vec::new(), Vec::new());
    for (place, row, class) in due {
        let (leased, attempt) = request.lease(row, class);
        places.push(place);
        urgents.push(leased.row.urgent_due(request.lease_until).map(micros).transpose()?);
        fences.push(integer(leased.row.fence)?);
        bodies.push(json(&leased.row)?);
        if let Some(attempt) = attempt {
            outboxes.push(attempt.outbox.clone());
            numbers.push(i64::from(attempt.number));
            attempts.push(json(&attempt)?);
        }
        claimed.push(leased);
    }
    if claimed.is_empty() {
        return Ok(claimed);
    }
    let lease = "UPDATE outbox o SET state = 'leased', due = ?1, urgent = n.urgent, fence = n.fence, body = n.body
        FROM unnest(?2::bigint[], ?3::bigint[], ?4::text[], ?5::bigint[]) n (place, fence, body, urgent)
        WHERE o.place = n.place";
    run(on, ask(lease).number(until).bind(places).bind(fences).bind(bodies).bind(urgents)).await?;
    let begin = "INSERT INTO attempt (outbox, number, body)
        SELECT n.outbox, n.number, n.body FROM unnest(?1::text[], ?2::bigint[], ?3::text[]) n (outbox, number, body)
        ON CONFLICT (outbox, number) DO UPDATE SET body = excluded.body";
    run(on, ask(begin).bind(outboxes).bind(numbers).bind(attempts)).await?;
    Ok(claimed)
}

/// The places of what is due, in fair turns.
async fn turns(on: &mut PgConnection, request: &ClaimRequest, due_by: i64) -> Result<Vec<(i64, Class)>, Fault> {
    let found = ask(WAITING).text(&request.platform.0).number(due_by).number(request.limit.into());
    let found = all(on, found, |row| Ok((row.string(0)?, row.integer(1)?, row.integer(3)?))).await?;
    let mut waiting = Waiting::default();
    for (tenant, urgent, place) in found {
        let class = if urgent == 1 { Class::Urgent } else { Class::Any };
        if request.classes().contains(&class) {
            waiting.add(class, TenantId(tenant), place);
        }
    }
    Ok(waiting.next(request.turn.clone(), request.limit as usize))
}

/// What stands before a row at its platform.
pub(super) async fn ahead(on: &mut PgConnection, outbox: &str, now: OffsetDateTime, most: u64) -> Result<Ahead, Fault> {
    let stands = one(on, ask(STANDS).text(outbox), |row| {
        let (platform, tenant) = (row.string(0)?, row.string(1)?);
        Ok((platform, tenant, row.integer(2)?, row.integer_or_null(3)?, row.integer(4)?))
    });
    let Some((platform, tenant, due, urgent, place)) = stands.await? else { return Ok(Ahead::default()) };
    let (now, limit) = (micros(now)?, i64::try_from(most).unwrap_or(i64::MAX));
    let (sql, at) = match urgent.filter(|urgent| *urgent <= now) {
        Some(urgent) => (URGENT_BEFORE, urgent),
        None => (BEFORE, due),
    };
    let before = ask(sql).text(&platform).text(&tenant).number(now).number(at).number(place).number(limit);
    let own = one(on, before, |row| row.natural(0)).await?.unwrap_or(0);
    let tenants = ask(WAITING).text(&platform).number(now).number(1);
    let first = all(on, tenants, |row| Ok((row.string(0)?, row.integer(1)?))).await?;
    let mut ahead = Ahead { own, ..Ahead::default() };
    for (tenant, urgent) in first {
        if urgent == 0 {
            ahead.tenants += 1;
            continue;
        }
        let all = ask(URGENT_BEFORE).text(&platform).text(&tenant).number(now).number(i64::MAX).number(i64::MAX);
        ahead.urgent += one(on, all.number(limit), |row| row.natural(0)).await?.unwrap_or(0);
    }
    ahead.urgent = ahead.urgent.min(most);
    Ok(ahead)
}

/// How many rows of each tenant wait or are leased, counted up to a number of all.
pub(super) async fn backlog(on: &mut PgConnection, most: u64) -> Result<Backlog, Fault> {
    let mut backlog = Backlog::default();
    for platform in busy_platforms(on).await? {
        let mut last = String::new();
        while let Some(tenant) = one(on, ask(TENANT).text(&platform.0).text(&last), |row| row.string(0)).await? {
            let left = i64::try_from(most.saturating_sub(backlog.all())).unwrap_or(i64::MAX);
            let rows = ask(BACKLOG).text(&platform.0).text(&tenant).number(left);
            backlog.add(&TenantId(tenant.clone()), one(on, rows, |row| row.natural(0)).await?.unwrap_or(0));
            last = tenant;
        }
    }
    Ok(backlog)
}

/// When the first row of these platforms that nothing blocks is due.
pub(super) async fn busy_platforms(on: &mut PgConnection) -> Result<Vec<PlatformId>, Fault> {
    let mut found: Vec<PlatformId> = Vec::new();
    loop {
        let last = found.last().map_or("", |platform| platform.0.as_str());
        match one(on, ask(PLATFORM).text(last), |row| row.string(0)).await? {
            Some(next) => found.push(PlatformId(next)),
            None => return Ok(found),
        }
    }
}

pub(super) async fn next_due(on: &mut PgConnection, platforms: &[PlatformId]) -> Result<Option<OffsetDateTime>, Fault> {
    let mut first: Option<i64> = None;
    for platform in platforms {
        let due = one(on, ask(FIRST).text(&platform.0), |row| row.integer_or_null(0)).await?.flatten();
        first = first.into_iter().chain(due).min();
    }
    Ok(first.map(time).transpose()?)
}
