//! What is fed, and notices: rows and reads.

use super::fault::Fault;
use super::sql::{Ask, Bind as _, all, ask, one, run};
use crate::store::notices::{in_order, readable};
use crate::store::rows::{self, Columns as _};
use crate::store::statements::{
    DEAD_NOTICES, DUE_NOTICES, ENDED_NOTICES, FEED, LAST_NOTICE, NEXT_NOTICE, NOTICE, NOTICE_PARTY, NOTICES,
    NOTICES_OF, NOTICES_WAIT,
};
use crate::store::values::{bound, integer, json, micros, time};
use crate::store::{StoreError, canonical};
use ::time::OffsetDateTime;
use gateway_core::change::CheckFailure;
use gateway_core::identity::TenantId;
use gateway_core::notify::{Fed, Notice};
use gateway_core::referral::ReferralId;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

/// A version that somebody may have to be told of.
pub(super) async fn feed(on: &mut PgConnection, fed: &Fed) -> Result<(), Fault> {
    let compartment = &fed.key.compartment;
    let put = ask("WITH p AS (UPDATE last_place SET last = last + 1 WHERE name = 'feed' RETURNING last)
         INSERT INTO feed (place, tenant, owner, kind, id, version, at) SELECT last, ?1, ?2, ?3, ?4, ?5, ?6 FROM p")
    .text(&compartment.tenant.0)
    .text(&compartment.owner.key())
    .text(&fed.key.kind)
    .text(&fed.key.id)
    .number(integer(fed.version)?)
    .number(micros(fed.at)?);
    run(on, put).await
}

/// The next revision of a notice, and who of its queue now waits for whom.
pub(super) async fn put(on: &mut PgConnection, notice: &Notice) -> Result<(), Fault> {
    let standing = ask("SELECT revision FROM notice WHERE id = ?1").text(&notice.id);
    let standing = one(on, standing, |row| row.integer(0)).await?;
    let revision = integer(notice.revision)?;
    if standing.unwrap_or(0).checked_add(1) != Some(revision) {
        return Err(CheckFailure::Revision(standing.unwrap_or(0).unsigned_abs()).into());
    }
    let (queue, sequence) = (notice.queue(), integer(notice.sequence)?);
    let due = notice.open_due().map(micros).transpose()?;
    let ended = if due.is_none() { Some(micros(notice.due)?) } else { None };
    let put = if standing.is_some() {
        ask("UPDATE notice SET revision = ?2, state = ?3, due = ?4, ended = ?5, body = ?6 WHERE id = ?1")
            .text(&notice.id)
            .number(revision)
            .text(notice.state.word())
            .maybe_number(due)
            .maybe_number(ended)
            .text(&json(notice)?)
    } else {
        let taken =
            ask("SELECT 1::bigint FROM notice WHERE queue = ?1 AND sequence = ?2").text(&queue).number(sequence);
        if one(on, taken, |row| row.integer(0)).await?.is_some() {
            return Err(CheckFailure::Changed.into());
        }
        ask("WITH p AS (UPDATE last_place SET last = last + 1 WHERE name = 'notice' RETURNING last)
             INSERT INTO notice (place, id, revision, tenant, queue, sequence, referral, state, due, ended, waits, body, party,
                 outlives)
             SELECT last, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1, ?10, ?11, ?12 FROM p")
        .text(&notice.id)
        .number(revision)
        .text(&notice.tenant().0)
        .text(&queue)
        .number(sequence)
        .maybe(notice.referral.as_ref().map(|referral| referral.0.as_str()))
        .text(notice.state.word())
        .maybe_number(due)
        .maybe_number(ended)
        .text(&json(notice)?)
        .text(&notice.party())
        .number(i64::from(notice.destination.outlives_referral()))
    };
    run(on, put).await?;
    for sql in NOTICES_WAIT {
        run(on, ask(sql).text(&queue)).await?;
    }
    Ok(())
}

fn a_notice(row: &PgRow) -> Result<Notice, StoreError> {
    row.json(0, "notice")
}

fn before(sql: &str, time: OffsetDateTime, limit: u32) -> Result<Ask, Fault> {
    Ok(ask(sql).number(micros(canonical::instant(time))?).number(limit.into()))
}

/// What was fed first.
pub(super) async fn fed(on: &mut PgConnection, limit: u32) -> Result<Vec<Fed>, Fault> {
    all(on, ask(FEED).number(limit.into()), rows::fed).await
}

pub(super) async fn notice(on: &mut PgConnection, id: &str) -> Result<Option<Notice>, Fault> {
    one(on, ask(NOTICE).text(id), a_notice).await
}

/// Of each party so many, whatever else it has: nobody's backlog hides another's.
pub(super) async fn due(on: &mut PgConnection, now: OffsetDateTime, each: u32) -> Result<Vec<Notice>, Fault> {
    let (mut party, mut found) = (String::new(), Vec::new());
    while let Some(next) = one(on, ask(NOTICE_PARTY).text(&party), |row| row.text_or_null(0)).await?.flatten() {
        let due = before(DUE_NOTICES, now, each)?.text(&next);
        found.extend(all(on, due, readable).await?.into_iter().flatten());
        party = next;
    }
    Ok(in_order(found))
}

pub(super) async fn next(on: &mut PgConnection) -> Result<Option<OffsetDateTime>, Fault> {
    Ok(one(on, ask(NEXT_NOTICE), |row| row.integer_or_null(0)?.map(time).transpose()).await?.flatten())
}

pub(super) async fn last(on: &mut PgConnection, queue: &str) -> Result<u64, Fault> {
    let last = one(on, ask(LAST_NOTICE).text(queue), |row| row.integer_or_null(0)).await?;
    Ok(last.flatten().map_or(0, i64::unsigned_abs))
}

pub(super) async fn of_queue(on: &mut PgConnection, queue: &str, after: u64, limit: u32) -> Result<Vec<Notice>, Fault> {
    all(on, ask(NOTICES).text(queue).number(bound(after)).number(limit.into()), a_notice).await
}

pub(super) async fn of_referral(on: &mut PgConnection, referral: &ReferralId) -> Result<Vec<Notice>, Fault> {
    all(on, ask(NOTICES_OF).text(&referral.0), a_notice).await
}

pub(super) async fn ended(on: &mut PgConnection, time: OffsetDateTime, limit: u32) -> Result<Vec<Notice>, Fault> {
    all(on, before(ENDED_NOTICES, time, limit)?, a_notice).await
}

pub(super) async fn dead(
    on: &mut PgConnection,
    tenant: Option<&TenantId>,
    after: u64,
    limit: u32,
) -> Result<Vec<(u64, Notice)>, Fault> {
    let [every, own] = DEAD_NOTICES;
    let found = ask(if tenant.is_some() { own } else { every }).number(bound(after)).number(limit.into());
    let found = match tenant {
        Some(tenant) => found.text(&tenant.0),
        None => found,
    };
    all(on, found, |row| Ok((row.natural(1)?, a_notice(row)?))).await
}
