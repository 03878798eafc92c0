//! Lanes in a file that one process has to itself.

use super::reads::all;
use super::rows::{body, integer, json, micros};
use crate::store::StoreError;
use crate::store::lane::{FENCE, FREE, LANE, LEASED, OVER, PUT, read};
use gateway_core::identity::PlatformId;
use gateway_core::lane::{Lane, LeaveLane, TakeLane, Taken, Taking, taken_over};
use gateway_core::outbox::OutboxRow;
use rusqlite::{Connection, OptionalExtension as _};

/// Takes or keeps a lane. Where it was another's, what is leased of it can be claimed at once.
pub(super) fn take(file: &Connection, request: &TakeLane) -> Result<Taken, StoreError> {
    let standing = lane(file, &request.platform)?.unwrap_or_else(|| Lane::free(request.platform.clone()));
    match standing.take(request, request.now) {
        Taking::Held { remaining } => Ok(Taken::Held { remaining }),
        Taking::Put { lane, from_another } => {
            put(file, &lane)?;
            if from_another {
                let leased = all(file, LEASED, [&lane.platform.0], |row| {
                    Ok((row.get::<_, i64>(0)?, body::<OutboxRow>(row, 1, "outbox row")?))
                })?;
                for (place, row) in leased {
                    let (row, due) = taken_over(row);
                    let urgent = row.urgent_due(due).map(micros).transpose()?;
                    file.prepare_cached(OVER)?.execute((
                        place,
                        integer(row.fence)?,
                        json(&row)?,
                        micros(due)?,
                        urgent,
                    ))?;
                }
            }
            Ok(Taken::Ours { fence: lane.fence, state: lane.state })
        }
    }
}

/// Gives a lane back.
pub(super) fn leave(file: &Connection, request: &LeaveLane) -> Result<(), StoreError> {
    let left = lane(file, &request.platform)?.and_then(|lane| lane.leave(request));
    left.map_or(Ok(()), |lane| put(file, &lane))
}

/// Whether this fence is the newest of the lane.
pub(super) fn is_newest(file: &Connection, platform: &PlatformId, fence: u64) -> Result<bool, StoreError> {
    let newest: Option<i64> = file.prepare_cached(FENCE)?.query_row([&platform.0], |row| row.get(0)).optional()?;
    Ok(newest == Some(integer(fence)?))
}

/// The lane as it stands.
pub(super) fn lane(file: &Connection, platform: &PlatformId) -> Result<Option<Lane>, StoreError> {
    Ok(all(file, LANE, [&platform.0], |row| read(row, platform))?.pop())
}

fn put(file: &Connection, lane: &Lane) -> Result<(), StoreError> {
    file.prepare_cached(FREE)?.execute([&lane.platform.0])?;
    file.prepare_cached(PUT)?.execute((
        &lane.platform.0,
        lane.holder.as_ref().map(|holder| &holder.0),
        integer(lane.fence)?,
        lane.until.map(micros).transpose()?,
        json(&lane.state)?,
    ))?;
    Ok(())
}
