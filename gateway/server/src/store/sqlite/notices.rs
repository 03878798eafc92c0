//! What is fed, and notices: rows and reads.

use super::reads::{all, one};
use super::rows::{body, integer, json, micros};
use crate::store::notices::{in_order, readable};
use crate::store::statements::{
    DEAD_NOTICES, DUE_NOTICES, ENDED_NOTICES, FEED, LAST_NOTICE, NEXT_NOTICE, NOTICE, NOTICE_PARTY, NOTICES,
    NOTICES_OF, NOTICES_WAIT,
};
use crate::store::values::{bound, time};
use crate::store::{CommitError, StoreError, rows};
use ::time::OffsetDateTime;
use gateway_core::change::CheckFailure;
use gateway_core::identity::TenantId;
use gateway_core::notify::{Fed, Notice};
use gateway_core::referral::ReferralId;
use rusqlite::{Connection, OptionalExtension as _, Row};

/// A version that somebody may have to be told of.
pub(super) fn feed(file: &Connection, fed: &Fed) -> Result<(), StoreError> {
    let compartment = &fed.key.compartment;
    file.prepare_cached("INSERT INTO feed (tenant, owner, kind, id, version, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute((
            &compartment.tenant.0,
            compartment.owner.key(),
            &fed.key.kind,
            &fed.key.id,
            integer(fed.version)?,
            micros(fed.at)?,
        ))?;
    Ok(())
}

/// The next revision of a notice, and who of its queue now waits for whom.
pub(super) fn put(file: &Connection, notice: &Notice) -> Result<(), CommitError> {
    let standing: Option<i64> = file
        .prepare_cached("SELECT revision FROM notice WHERE id = ?1")?
        .query_row([&notice.id], |row| row.get(0))
        .optional()?;
    let revision = integer(notice.revision)?;
    if standing.unwrap_or(0).checked_add(1) != Some(revision) {
        return Err(CheckFailure::Revision(standing.unwrap_or(0).unsigned_abs()).into());
    }
    let (queue, sequence) = (notice.queue(), integer(notice.sequence)?);
    let due = notice.open_due().map(micros).transpose()?;
    let ended = if due.is_none() { Some(micros(notice.due)?) } else { None };
    if standing.is_some() {
        file.prepare_cached(
            "UPDATE notice SET revision = ?2, state = ?3, due = ?4, ended = ?5, body = ?6 WHERE id = ?1",
        )?
        .execute((&notice.id, revision, notice.state.word(), due, ended, json(notice)?))?;
    } else {
        let taken = "SELECT 1 FROM notice WHERE queue = ?1 AND sequence = ?2";
        if file.prepare_cached(taken)?.exists((&queue, sequence))? {
            return Err(CheckFailure::Changed.into());
        }
        file.prepare_cached(
            "INSERT INTO notice (id, revision, tenant, queue, sequence, referral, state, due, ended, waits, body, party,
                 outlives)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1, ?10, ?11, ?12)",
        )?
        .execute((
            &notice.id,
            revision,
            &notice.tenant().0,
            &queue,
            sequence,
            notice.referral.as_ref().map(|referral| &referral.0),
            notice.state.word(),
            due,
            ended,
            json(notice)?,
            notice.party(),
            notice.destination.outlives_referral(),
        ))?;
    }
    for sql in NOTICES_WAIT {
        file.prepare_cached(sql)?.execute([&queue])?;
    }
    Ok(())
}

fn a_notice(row: &Row<'_>) -> Result<Notice, StoreError> {
    body(row, 0, "notice")
}

/// What was fed first.
pub(super) fn fed(file: &Connection, limit: u32) -> Result<Vec<Fed>, StoreError> {
    all(file, FEED, [limit], |row| rows::fed(row))
}

pub(super) fn notice(file: &Connection, id: &str) -> Result<Option<Notice>, StoreError> {
    one(file, NOTICE, [id], a_notice)
}

/// Of each party so many, whatever else it has: nobody's backlog hides another's.
pub(super) fn due(file: &Connection, now: OffsetDateTime, each: u32) -> Result<Vec<Notice>, StoreError> {
    let (now, mut party, mut found) = (micros(now)?, String::new(), Vec::new());
    while let Some(next) = one(file, NOTICE_PARTY, [&party], |row| Ok(row.get::<_, Option<String>>(0)?))?.flatten() {
        found.extend(all(file, DUE_NOTICES, (now, each, &next), |row| readable(row))?.into_iter().flatten());
        party = next;
    }
    Ok(in_order(found))
}

pub(super) fn next(file: &Connection) -> Result<Option<OffsetDateTime>, StoreError> {
    let next = one(file, NEXT_NOTICE, [], |row| Ok(row.get::<_, Option<i64>>(0)?))?;
    next.flatten().map(time).transpose()
}

pub(super) fn last(file: &Connection, queue: &str) -> Result<u64, StoreError> {
    let last = one(file, LAST_NOTICE, [queue], |row| Ok(row.get::<_, Option<i64>>(0)?))?;
    Ok(last.flatten().map_or(0, i64::unsigned_abs))
}

pub(super) fn of_queue(file: &Connection, queue: &str, after: u64, limit: u32) -> Result<Vec<Notice>, StoreError> {
    all(file, NOTICES, (queue, bound(after), limit), a_notice)
}

pub(super) fn of_referral(file: &Connection, referral: &ReferralId) -> Result<Vec<Notice>, StoreError> {
    all(file, NOTICES_OF, [&referral.0], a_notice)
}

pub(super) fn ended(file: &Connection, before: OffsetDateTime, limit: u32) -> Result<Vec<Notice>, StoreError> {
    all(file, ENDED_NOTICES, (micros(before)?, limit), a_notice)
}

pub(super) fn dead(
    file: &Connection,
    tenant: Option<&TenantId>,
    after: u64,
    limit: u32,
) -> Result<Vec<(u64, Notice)>, StoreError> {
    let read = |row: &Row<'_>| Ok((rows::Columns::natural(row, 1)?, a_notice(row)?));
    let [every, own] = DEAD_NOTICES;
    match tenant {
        None => all(file, every, (bound(after), limit), read),
        Some(tenant) => all(file, own, (bound(after), limit, &tenant.0), read),
    }
}
