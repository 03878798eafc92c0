//! Reads by key: the shared statements, run and read.

use super::fault::Fault;
use super::sql::{Bind as _, all, ask, one};
use crate::store::chain::{AuditChain, Content, Walk};
use crate::store::contents::Tables;
use crate::store::rows::{self, Columns as _, a_numbered_line};
use crate::store::statements::{
    ACCOUNT, ACCOUNTS, ANSWER, ANSWERS, AUDIT, AUDIT_LINE, BELONGING, BY_FORMER, BY_KEY, BY_NAME, BY_TASK, COUNTS,
    DEAD, EXPIRED_LINKS, EXPIRED_SIGN_INS, HISTORY, IDLE, LATEST, LINK_BY_SECRET, LINK_BY_SESSION, LINKS, OUTBOX,
    PARKED, PARKED_BY, RAW_REPORTS, RECEIVED, REPORTS, RESOURCE, SIGN_IN, TO_ALIGN, UNANSWERED, UNMAPPED, UNREAD, WALK,
    behind, listing, needing,
};
use crate::store::values::{bound, micros, time};
use crate::store::{AuditLine, Counts, ReferralFilter, StoreError, canonical};
use adapter_contract::{Cursor, IdempotencyKey, PlatformReferralId};
use futures_util::TryStreamExt as _;
use gateway_core::account::{Account, AccountId, SignIn};
use gateway_core::change::{RawReport, Received, ReportRecord, StoredAnswer};
use gateway_core::identity::{ClientId, Compartment, PlatformId, TenantId};
use gateway_core::outbox::{Attempt, OutboxRow};
use gateway_core::referral::{Referral, ReferralId};
use gateway_core::resource::{ResourceKey, ResourceVersion};
use gateway_core::status_link::StatusLink;
use gateway_core::subject::{Domain, Subject, SubjectId};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use std::collections::BTreeMap;
use time::OffsetDateTime;

fn a_referral(row: &PgRow) -> Result<Referral, StoreError> {
    row.json(0, "referral")
}

pub(super) async fn resource(
    on: &mut PgConnection,
    key: &ResourceKey,
    version: Option<u64>,
) -> Result<Option<ResourceVersion>, Fault> {
    let found = of_key(&RESOURCE, key).maybe_number(version.map(bound));
    one(on, found, |row| rows::version(row, key.clone())).await
}

pub(super) async fn resources(on: &mut PgConnection, keys: &[ResourceKey]) -> Result<Vec<ResourceVersion>, Fault> {
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        found.extend(resource(on, key, None).await?);
    }
    Ok(found)
}

pub(super) async fn history(on: &mut PgConnection, key: &ResourceKey) -> Result<Vec<ResourceVersion>, Fault> {
    all(on, of_key(&HISTORY, key), |row| rows::version(row, key.clone())).await
}

fn of_key(sql: &str, key: &ResourceKey) -> super::sql::Ask {
    let compartment = &key.compartment;
    ask(sql).text(&compartment.tenant.0).text(&compartment.owner.key()).text(&key.kind).text(&key.id)
}

pub(super) async fn referral(on: &mut PgConnection, id: &ReferralId) -> Result<Option<Referral>, Fault> {
    one(on, ask("SELECT body FROM referral WHERE id = ?1").text(&id.0), a_referral).await
}

pub(super) async fn referral_by_task(
    on: &mut PgConnection,
    compartment: &Compartment,
    task: &str,
) -> Result<Option<Referral>, Fault> {
    let found = ask(BY_TASK).text(&compartment.tenant.0).text(&compartment.owner.key()).text(task);
    one(on, found, a_referral).await
}

pub(super) async fn referral_at_platform(
    on: &mut PgConnection,
    platform: &PlatformId,
    name: &PlatformReferralId,
    key: Option<&IdempotencyKey>,
) -> Result<Option<Referral>, Fault> {
    let key = key.map(|key| key.0.as_str());
    let ways = [(BY_NAME, Some(name.0.as_str())), (BY_KEY, key), (BY_FORMER, Some(name.0.as_str())), (BY_FORMER, key)];
    for (way, word) in ways {
        let Some(word) = word else { continue };
        if let Some(found) = one(on, ask(way).text(&platform.0).text(word), a_referral).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

pub(super) async fn referrals(on: &mut PgConnection, filter: &ReferralFilter) -> Result<Vec<Referral>, Fault> {
    let after = match &filter.after {
        None => None,
        Some(after) => {
            let place = ask("SELECT place FROM referral WHERE id = ?1").text(&after.0);
            match one(on, place, |row| row.integer(0)).await? {
                Some(place) => Some(place),
                None => return Ok(Vec::new()),
            }
        }
    };
    if let Some(wanted) = &filter.needing {
        let (since, place) = behind(wanted, after)?;
        let found = ask(needing(wanted.group)).text(&wanted.tenant.0).text(&wanted.owner.key());
        let found = found.number(micros(wanted.now)?).number(since).number(place).number(filter.limit.into());
        return all(on, found, a_referral).await;
    }
    let found = ask(&listing(filter))
        .maybe_number(after)
        .maybe(filter.delivery.as_deref())
        .maybe(filter.tenant.as_ref().map(|tenant| tenant.0.as_str()))
        .number(filter.limit.into())
        .maybe(filter.subject.as_ref().map(|subject| subject.0.as_str()));
    all(on, found, a_referral).await
}

pub(super) async fn unanswered(on: &mut PgConnection, by: OffsetDateTime, limit: u32) -> Result<Vec<Referral>, Fault> {
    all(on, before(UNANSWERED, by, limit)?, a_referral).await
}

pub(super) async fn dead_letters(
    on: &mut PgConnection,
    tenant: Option<&TenantId>,
    after: u64,
    limit: u32,
) -> Result<Vec<(u64, OutboxRow)>, Fault> {
    let [every, own] = DEAD;
    let found = ask(if tenant.is_some() { own } else { every });
    let mut found = found.number(i64::try_from(after).unwrap_or(i64::MAX)).number(limit.into());
    if let Some(tenant) = tenant {
        found = found.text(&tenant.0);
    }
    all(on, found, |row| Ok((row.natural(1)?, row.json(0, "outbox row")?))).await
}

pub(super) async fn counts(on: &mut PgConnection) -> Result<Counts, Fault> {
    all(on, ask(COUNTS), |row| Ok((row.string(0)?, row.string(1)?, row.natural(2)?))).await
}

pub(super) async fn outbox(on: &mut PgConnection, referral: &ReferralId) -> Result<Vec<OutboxRow>, Fault> {
    all(on, ask(OUTBOX).text(&referral.0), |row| row.json(0, "outbox row")).await
}

pub(super) async fn attempts(on: &mut PgConnection, outbox: &str) -> Result<Vec<Attempt>, Fault> {
    let sql = "SELECT body FROM attempt WHERE outbox = ?1 ORDER BY number";
    all(on, ask(sql).text(outbox), |row| row.json(0, "attempt")).await
}

pub(super) async fn unread_reports(on: &mut PgConnection, limit: u32) -> Result<Vec<RawReport>, Fault> {
    all(on, ask(UNREAD).number(limit.into()), rows::raw_report).await
}

pub(super) async fn reports(on: &mut PgConnection, referral: &ReferralId) -> Result<Vec<ReportRecord>, Fault> {
    all(on, ask(REPORTS).text(&referral.0), rows::report).await
}

/// The caller gives a connection that reads from one snapshot.
pub(super) async fn parked_reports(
    on: &mut PgConnection,
    platform: &PlatformId,
    name: &PlatformReferralId,
    key: &IdempotencyKey,
) -> Result<Vec<ReportRecord>, Fault> {
    let mut by_place = BTreeMap::new();
    for (sql, word) in PARKED_BY.into_iter().zip([&name.0, &key.0]) {
        let found = ask(sql).text(&platform.0).text(word);
        by_place.extend(all(on, found, |row| Ok((row.natural(8)?, rows::report(row)?))).await?);
    }
    Ok(by_place.into_values().collect())
}

pub(super) async fn unmapped(on: &mut PgConnection, limit: u32) -> Result<Vec<ReportRecord>, Fault> {
    all(on, ask(UNMAPPED).number(limit.into()), rows::report).await
}

pub(super) async fn referrals_to_align(on: &mut PgConnection, limit: u32) -> Result<Vec<ReferralId>, Fault> {
    all(on, ask(TO_ALIGN).number(limit.into()), |row| Ok(ReferralId(row.string(0)?))).await
}

pub(super) async fn link_by_secret(on: &mut PgConnection, secret: &str) -> Result<Option<StatusLink>, Fault> {
    one(on, ask(LINK_BY_SECRET).text(secret), |row| row.json(0, "status link")).await
}

pub(super) async fn link_by_session(on: &mut PgConnection, session: &str) -> Result<Option<StatusLink>, Fault> {
    one(on, ask(LINK_BY_SESSION).text(session), |row| row.json(0, "status link")).await
}

pub(super) async fn links(on: &mut PgConnection, referral: &ReferralId) -> Result<Vec<StatusLink>, Fault> {
    all(on, ask(LINKS).text(&referral.0), |row| row.json(0, "status link")).await
}

pub(super) async fn expired_links(
    on: &mut PgConnection,
    before: OffsetDateTime,
    limit: u32,
) -> Result<Vec<StatusLink>, Fault> {
    all(on, self::before(EXPIRED_LINKS, before, limit)?, |row| row.json(0, "status link")).await
}

pub(super) async fn account(on: &mut PgConnection, id: &AccountId) -> Result<Option<Account>, Fault> {
    one(on, ask(ACCOUNT).text(&id.0), |row| row.json(0, "account")).await
}

pub(super) async fn accounts(on: &mut PgConnection) -> Result<Vec<Account>, Fault> {
    all(on, ask(ACCOUNTS), |row| row.json(0, "account")).await
}

pub(super) async fn sign_in(on: &mut PgConnection, key: &str) -> Result<Option<SignIn>, Fault> {
    one(on, ask(SIGN_IN).text(key), |row| row.json(0, "sign-in")).await
}

pub(super) async fn expired_sign_ins(
    on: &mut PgConnection,
    by: OffsetDateTime,
    limit: u32,
) -> Result<Vec<SignIn>, Fault> {
    all(on, self::before(EXPIRED_SIGN_INS, by, limit)?, |row| row.json(0, "sign-in")).await
}

pub(super) async fn cursor(on: &mut PgConnection, platform: &PlatformId) -> Result<Option<Cursor>, Fault> {
    let found = ask("SELECT cursor FROM cursor WHERE platform = ?1").text(&platform.0);
    one(on, found, |row| Ok(Cursor(row.string(0)?))).await
}

pub(super) async fn answer(
    on: &mut PgConnection,
    tenant: &TenantId,
    client: &ClientId,
    request_id: &str,
) -> Result<Option<StoredAnswer>, Fault> {
    one(on, ask(ANSWER).text(&tenant.0).text(&client.0).text(request_id), rows::answer).await
}

fn before(sql: &str, time: OffsetDateTime, limit: u32) -> Result<super::sql::Ask, Fault> {
    Ok(ask(sql).number(micros(canonical::instant(time))?).number(limit.into()))
}

pub(super) async fn received(
    on: &mut PgConnection,
    time: OffsetDateTime,
    limit: u32,
) -> Result<Vec<(u64, Received)>, Fault> {
    all(on, before(RECEIVED, time, limit)?, |row| Ok((row.natural(10)?, rows::received(row)?))).await
}

pub(super) async fn answers(
    on: &mut PgConnection,
    time: OffsetDateTime,
    limit: u32,
) -> Result<Vec<StoredAnswer>, Fault> {
    all(on, before(ANSWERS, time, limit)?, rows::answer).await
}

pub(super) async fn raw_reports(
    on: &mut PgConnection,
    time: OffsetDateTime,
    limit: u32,
) -> Result<Vec<RawReport>, Fault> {
    all(on, before(RAW_REPORTS, time, limit)?, rows::raw_report).await
}

pub(super) async fn parked(
    on: &mut PgConnection,
    time: OffsetDateTime,
    limit: u32,
) -> Result<Vec<ReportRecord>, Fault> {
    all(on, before(PARKED, time, limit)?, rows::report).await
}

pub(super) async fn idle(
    on: &mut PgConnection,
    domain: Domain,
    since: OffsetDateTime,
    after: Option<&SubjectId>,
    limit: u32,
) -> Result<Vec<(SubjectId, ResourceKey)>, Fault> {
    let after = after.map_or("", |after| after.0.as_str());
    let found = ask(IDLE).text(domain.word()).number(micros(canonical::instant(since))?).text(after);
    all(on, found.number(limit.into()), |row| Ok((SubjectId(row.string(0)?), rows::resource_key(row, 1)?))).await
}

pub(super) async fn belonging(on: &mut PgConnection, subject: &Subject) -> Result<Vec<ResourceKey>, Fault> {
    let found = ask(BELONGING).text(&subject.id.0).text(subject.domain.word());
    let mut keys = all(on, found, |row| rows::resource_key(row, 0)).await?;
    keys.sort();
    Ok(keys)
}

pub(super) async fn audit_lines(on: &mut PgConnection, referral: &ReferralId) -> Result<Vec<AuditLine>, Fault> {
    all(on, ask(AUDIT).text(&referral.0), a_numbered_line).await
}

pub(super) async fn audit_line(
    on: &mut PgConnection,
    tenant: &TenantId,
    number: u64,
) -> Result<Option<AuditLine>, Fault> {
    one(on, ask(AUDIT_LINE).text(&tenant.0).number(bound(number)), a_numbered_line).await
}

pub(super) async fn latest_time(on: &mut PgConnection) -> Result<Option<OffsetDateTime>, Fault> {
    let latest = one(on, ask(LATEST), |row| row.integer_or_null(0)).await?.flatten();
    Ok(latest.map(time).transpose()?)
}

/// Looks over every tenant's lines. The caller gives a connection that reads from one snapshot.
pub(super) async fn verify_audit(on: &mut PgConnection) -> Result<Vec<AuditChain>, Fault> {
    let tenants = all(on, ask("SELECT DISTINCT tenant FROM audit ORDER BY tenant"), |row| row.string(0)).await?;
    let mut chains = Vec::new();
    for tenant in tenants {
        let mut walk = Walk::new(TenantId(tenant.clone()));
        let mut rows = ask(WALK).text(&tenant).fetch(&mut *on);
        while let Some(row) = rows.try_next().await? {
            let (actor, action, detail) = (row.text(3)?, row.text(4)?, row.text(6)?);
            let referral = row.text_or_null(5)?;
            let content = Content {
                at: row.integer(2)?,
                actor: actor.as_bytes(),
                action: action.as_bytes(),
                referral: referral.as_deref().map(str::as_bytes),
                detail: detail.as_bytes(),
            };
            // What follows a line that does not hold is read and passed over, so that the connection is free for the next.
            walk.line(row.integer(0)?, row.bytes(1)?, &content);
        }
        drop(rows);
        chains.push(walk.end());
    }
    Ok(chains)
}

/// The hash over everything, as it was before it was sealed. The caller gives a connection that reads from one snapshot.
pub(super) async fn content_hash(on: &mut PgConnection) -> Result<String, Fault> {
    let mut tables = Tables::default();
    while let Some(sql) = tables.statement() {
        let mut rows = ask(&sql).fetch(&mut *on);
        while let Some(row) = rows.try_next().await? {
            tables.row(&row)?;
        }
        drop(rows);
        tables.next();
    }
    Ok(tables.finish())
}
