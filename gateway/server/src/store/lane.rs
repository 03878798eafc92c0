//! What the engines share of lanes: the statements, and how a row is read. Leases are of processes and a platform's pause is of
//! its moment, so none of it counts as content: it is in no hash.

use super::StoreError;
use super::rows::Columns;
use super::values::time;
use gateway_core::identity::PlatformId;
use gateway_core::lane::{InstanceId, Lane};

/// One lane.
pub(super) const LANE: &str = "SELECT holder, fence, until, state FROM lane WHERE platform = ?1";
/// The newest fence of a lane.
pub(super) const FENCE: &str = "SELECT fence FROM lane WHERE platform = ?1";
/// A lane that nobody has held yet.
pub(super) const FREE: &str =
    "INSERT INTO lane (platform, holder, fence, until, state) VALUES (?1, NULL, 0, NULL, '{}')
    ON CONFLICT (platform) DO NOTHING";
/// A lane as it is to stand.
pub(super) const PUT: &str = "UPDATE lane SET holder = ?2, fence = ?3, until = ?4, state = ?5 WHERE platform = ?1";
/// What is leased of a platform: all of it under one fence of its lane, as nothing is claimed under another.
pub(super) const LEASED: &str =
    "SELECT o.place, o.body FROM outbox o WHERE o.platform = ?1 AND o.state = 'leased' ORDER BY o.due, o.place";
/// Lets a row be claimed at once.
pub(super) const OVER: &str = "UPDATE outbox SET due = ?4, urgent = ?5, fence = ?2, body = ?3 WHERE place = ?1";
/// Makes every lane free: of a store that was moved or put back.
pub(super) const NOBODYS: &str = "UPDATE lane SET holder = NULL, until = NULL";

/// Reads [`LANE`].
pub(super) fn read(row: &impl Columns, platform: &PlatformId) -> Result<Lane, StoreError> {
    Ok(Lane {
        platform: platform.clone(),
        holder: row.text_or_null(0)?.map(InstanceId),
        fence: row.natural(1)?,
        until: row.integer_or_null(2)?.map(time).transpose()?,
        state: row.json(3, "lane")?,
    })
}
