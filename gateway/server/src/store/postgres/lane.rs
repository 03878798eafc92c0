//! Lanes of instances that share a database. Terms are measured by the database's clock, so that instances whose clocks differ
//! agree on when a lane is free.
//!
//! Locks are taken in one order: the lane, then the lock of the writer, then rows. A claim locks the lane against being taken over,
//! and waits for no row; a commit never locks a lane. So nobody waits in a circle.

use super::fault::Fault;
use super::sql::{Bind as _, all, ask, one, run};
use super::writer::{self, CHANNEL, LANES};
use crate::store::lane::{FENCE, FREE, LANE, LEASED, OVER, PUT, read};
use crate::store::rows::Columns as _;
use crate::store::values::{integer, json, micros, time, unreadable};
use gateway_core::identity::PlatformId;
use gateway_core::lane::{Lane, LeaveLane, TakeLane, Taken, Taking, taken_over};
use gateway_core::outbox::OutboxRow;
use sqlx::PgConnection;
use time::OffsetDateTime;

/// Takes or keeps a lane. Where it was another's, what is leased of it can be claimed at once. The caller ends the transaction.
pub(super) async fn take(on: &mut PgConnection, request: &TakeLane) -> Result<Taken, Fault> {
    let (standing, now) = match locked(on, &request.platform).await? {
        Some(found) => found,
        None => {
            // Two may come here at once: the second waits, and finds the first one's.
            run(on, ask(FREE).text(&request.platform.0)).await?;
            locked(on, &request.platform).await?.ok_or_else(|| unreadable("lane"))?
        }
    };
    match standing.take(request, now) {
        Taking::Held { remaining } => Ok(Taken::Held { remaining }),
        Taking::Put { lane, from_another } => {
            put(on, &lane).await?;
            if from_another {
                take_over(on, &lane.platform).await?;
            }
            Ok(Taken::Ours { fence: lane.fence, state: lane.state })
        }
    }
}

/// Nobody claims while the lane is locked, and nobody commits while the writer's lock is ours: what is leased now was leased
/// under an older fence.
async fn take_over(on: &mut PgConnection, platform: &PlatformId) -> Result<(), Fault> {
    writer::lock(on).await?;
    let leased =
        all(on, ask(LEASED).text(&platform.0), |row| Ok((row.integer(0)?, row.json::<OutboxRow>(1, "outbox row")?)));
    for (place, row) in leased.await? {
        let (row, due) = taken_over(row);
        let urgent = row.urgent_due(due).map(micros).transpose()?;
        let over = ask(OVER).number(place).number(integer(row.fence)?).text(&json(&row)?).number(micros(due)?);
        run(on, over.maybe_number(urgent)).await?;
    }
    Ok(())
}

/// The lane as it stands.
pub(super) async fn lane(on: &mut PgConnection, platform: &PlatformId) -> Result<Option<Lane>, Fault> {
    one(on, ask(LANE).text(&platform.0), |row| read(row, platform)).await
}

/// Gives a lane back, and tells the other instances. The caller ends the transaction.
pub(super) async fn leave(on: &mut PgConnection, request: &LeaveLane) -> Result<(), Fault> {
    let Some((lane, _)) = locked(on, &request.platform).await? else { return Ok(()) };
    let Some(lane) = lane.leave(request) else { return Ok(()) };
    put(on, &lane).await?;
    run(on, ask("SELECT pg_notify(?1, ?2)").text(CHANNEL).text(LANES)).await
}

/// Whether this fence is the newest of the lane; it stays so until the end of the transaction.
pub(super) async fn is_newest(on: &mut PgConnection, platform: &PlatformId, fence: u64) -> Result<bool, Fault> {
    let newest = ask(&format!("{FENCE} FOR SHARE")).text(&platform.0);
    Ok(one(on, newest, |row| row.integer(0)).await? == Some(integer(fence)?))
}

/// A lane, locked, and the time of the database.
async fn locked(on: &mut PgConnection, platform: &PlatformId) -> Result<Option<(Lane, OffsetDateTime)>, Fault> {
    let standing = ask(&format!("{LANE} FOR UPDATE")).text(&platform.0);
    let Some(lane) = one(on, standing, |row| read(row, platform)).await? else { return Ok(None) };
    // Asked once the lane is locked: whoever waited for it reads the time at which it has it.
    let now = ask("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint");
    let now = one(on, now, |row| time(row.integer(0)?)).await?.ok_or_else(|| unreadable("time"))?;
    Ok(Some((lane, now)))
}

async fn put(on: &mut PgConnection, lane: &Lane) -> Result<(), Fault> {
    let put = ask(PUT)
        .text(&lane.platform.0)
        .maybe(lane.holder.as_ref().map(|holder| holder.0.as_str()))
        .number(integer(lane.fence)?)
        .maybe_number(lane.until.map(micros).transpose()?)
        .text(&json(&lane.state)?);
    run(on, put).await
}
