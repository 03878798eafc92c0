//! Reads by key. Statements that run often are constants, so that a test can ask for their plans.

use super::rows::{self, a_numbered_line, body, micros, natural};
pub(super) use crate::store::statements::{
    ACCOUNT, ACCOUNTS, ANSWER, AUDIT, AUDIT_LINE, BY_FORMER, BY_KEY, BY_NAME, BY_TASK, COUNTS, DEAD, EXPIRED_LINKS,
    EXPIRED_SIGN_INS, HISTORY, LATEST, LINK_BY_SECRET, LINK_BY_SESSION, LINKS, OUTBOX, PARKED_BY, REPORTS, RESOURCE,
    SIGN_IN, TO_ALIGN, UNANSWERED, UNMAPPED, UNREAD, behind, listing, needing,
};
use crate::store::{AuditLine, Counts, ReferralFilter, StoreError};
use adapter_contract::{Cursor, IdempotencyKey, PlatformReferralId};
use gateway_core::account::{Account, AccountId, SignIn};
use gateway_core::change::{RawReport, ReportRecord, StoredAnswer};
use gateway_core::identity::{ClientId, Compartment, PlatformId, TenantId};
use gateway_core::outbox::{Attempt, OutboxRow};
use gateway_core::referral::{Referral, ReferralId};
use gateway_core::resource::{ResourceKey, ResourceVersion};
use gateway_core::status_link::StatusLink;
use rusqlite::{Connection, OptionalExtension as _, Params, Row};
use std::collections::BTreeMap;
use time::OffsetDateTime;

pub(super) fn one<T>(
    file: &Connection,
    sql: &str,
    params: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut statement = file.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(read).transpose()
}

/// All rows of a statement.
pub(super) fn all<T>(
    file: &Connection,
    sql: &str,
    params: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = file.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn a_referral(row: &Row<'_>) -> Result<Referral, StoreError> {
    body(row, 0, "referral")
}

pub(super) fn resource(
    file: &Connection,
    key: ResourceKey,
    version: Option<u64>,
) -> Result<Option<ResourceVersion>, StoreError> {
    let owner = key.compartment.owner.key();
    let mut statement = file.prepare_cached(&RESOURCE)?;
    let version = version.map(rows::bound);
    let mut rows = statement.query((&key.compartment.tenant.0, owner, &key.kind, &key.id, version))?;
    rows.next()?.map(|row| rows::version(row, key)).transpose()
}

pub(super) fn resources(file: &Connection, keys: Vec<ResourceKey>) -> Result<Vec<ResourceVersion>, StoreError> {
    let snapshot = file.unchecked_transaction()?;
    keys.into_iter().filter_map(|key| resource(&snapshot, key, None).transpose()).collect()
}

pub(super) fn history(file: &Connection, key: &ResourceKey) -> Result<Vec<ResourceVersion>, StoreError> {
    let params = (&key.compartment.tenant.0, key.compartment.owner.key(), &key.kind, &key.id);
    all(file, &HISTORY, params, |row| rows::version(row, key.clone()))
}

pub(super) fn referral(file: &Connection, id: &ReferralId) -> Result<Option<Referral>, StoreError> {
    one(file, "SELECT body FROM referral WHERE id = ?1", [&id.0], a_referral)
}

pub(super) fn referral_by_task(
    file: &Connection,
    compartment: &Compartment,
    task: &str,
) -> Result<Option<Referral>, StoreError> {
    one(file, BY_TASK, (&compartment.tenant.0, compartment.owner.key(), task), a_referral)
}

pub(super) fn referral_at_platform(
    file: &Connection,
    platform: &PlatformId,
    name: &PlatformReferralId,
    key: Option<&IdempotencyKey>,
) -> Result<Option<Referral>, StoreError> {
    let key = key.map(|key| key.0.as_str());
    let ways = [(BY_NAME, Some(name.0.as_str())), (BY_KEY, key), (BY_FORMER, Some(name.0.as_str())), (BY_FORMER, key)];
    for (way, word) in ways {
        let Some(word) = word else { continue };
        if let Some(found) = one(file, way, (&platform.0, word), a_referral)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

pub(super) fn referrals(file: &Connection, filter: &ReferralFilter) -> Result<Vec<Referral>, StoreError> {
    let after: Option<i64> = match &filter.after {
        None => None,
        Some(after) => {
            let mut statement = file.prepare_cached("SELECT place FROM referral WHERE id = ?1")?;
            match statement.query_row([&after.0], |row| row.get(0)).optional()? {
                Some(place) => Some(place),
                None => return Ok(Vec::new()),
            }
        }
    };
    if let Some(wanted) = &filter.needing {
        let ((since, place), now) = (behind(wanted, after)?, rows::micros(wanted.now)?);
        let values = (&wanted.tenant.0, wanted.owner.key(), now, since, place, filter.limit);
        return all(file, needing(wanted.group), values, a_referral);
    }
    let tenant = filter.tenant.as_ref().map(|tenant| &tenant.0);
    let subject = filter.subject.as_ref().map(|subject| &subject.0);
    all(file, &listing(filter), (after, &filter.delivery, tenant, filter.limit, subject), a_referral)
}

pub(super) fn unanswered(file: &Connection, by: OffsetDateTime, limit: u32) -> Result<Vec<Referral>, StoreError> {
    all(file, UNANSWERED, (rows::micros(by)?, limit), a_referral)
}

pub(super) fn dead_letters(
    file: &Connection,
    tenant: Option<&TenantId>,
    after: u64,
    limit: u32,
) -> Result<Vec<(u64, OutboxRow)>, StoreError> {
    let read = |row: &Row<'_>| Ok((natural(row, 1)?, body(row, 0, "outbox row")?));
    let [every, own] = DEAD;
    match tenant {
        None => all(file, every, (rows::bound(after), limit), read),
        Some(tenant) => all(file, own, (rows::bound(after), limit, &tenant.0), read),
    }
}

pub(super) fn counts(file: &Connection) -> Result<Counts, StoreError> {
    all(file, COUNTS, [], |row| Ok((row.get(0)?, row.get(1)?, natural(row, 2)?)))
}

pub(super) fn outbox(file: &Connection, referral: &ReferralId) -> Result<Vec<OutboxRow>, StoreError> {
    all(file, OUTBOX, [&referral.0], |row| body(row, 0, "outbox row"))
}

pub(super) fn attempts(file: &Connection, outbox: &str) -> Result<Vec<Attempt>, StoreError> {
    let sql = "SELECT body FROM attempt WHERE outbox = ?1 ORDER BY number";
    all(file, sql, [outbox], |row| body(row, 0, "attempt"))
}

pub(super) fn unread_reports(file: &Connection, limit: u32) -> Result<Vec<RawReport>, StoreError> {
    all(file, UNREAD, [limit], |row| rows::raw_report(row))
}

pub(super) fn reports(file: &Connection, referral: &ReferralId) -> Result<Vec<ReportRecord>, StoreError> {
    all(file, REPORTS, [&referral.0], |row| rows::report(row))
}

pub(super) fn parked_reports(
    file: &Connection,
    platform: &PlatformId,
    name: &PlatformReferralId,
    key: &IdempotencyKey,
) -> Result<Vec<ReportRecord>, StoreError> {
    let mut by_place = BTreeMap::new();
    let file = file.unchecked_transaction()?;
    for (sql, word) in PARKED_BY.into_iter().zip([&name.0, &key.0]) {
        let found = all(&file, sql, (&platform.0, word), |row| Ok((natural(row, 8)?, rows::report(row)?)))?;
        by_place.extend(found);
    }
    Ok(by_place.into_values().collect())
}

pub(super) fn unmapped(file: &Connection, limit: u32) -> Result<Vec<ReportRecord>, StoreError> {
    all(file, UNMAPPED, [limit], |row| rows::report(row))
}

pub(super) fn referrals_to_align(file: &Connection, limit: u32) -> Result<Vec<ReferralId>, StoreError> {
    all(file, TO_ALIGN, [limit], |row| Ok(ReferralId(row.get(0)?)))
}

pub(super) fn link_by_secret(file: &Connection, secret: &str) -> Result<Option<StatusLink>, StoreError> {
    one(file, LINK_BY_SECRET, [secret], |row| body(row, 0, "status link"))
}

pub(super) fn link_by_session(file: &Connection, session: &str) -> Result<Option<StatusLink>, StoreError> {
    one(file, LINK_BY_SESSION, [session], |row| body(row, 0, "status link"))
}

pub(super) fn links(file: &Connection, referral: &ReferralId) -> Result<Vec<StatusLink>, StoreError> {
    all(file, LINKS, [&referral.0], |row| body(row, 0, "status link"))
}

pub(super) fn expired_links(
    file: &Connection,
    before: OffsetDateTime,
    limit: u32,
) -> Result<Vec<StatusLink>, StoreError> {
    all(file, EXPIRED_LINKS, (micros(before)?, limit), |row| body(row, 0, "status link"))
}

pub(super) fn account(file: &Connection, id: &AccountId) -> Result<Option<Account>, StoreError> {
    one(file, ACCOUNT, [&id.0], |row| body(row, 0, "account"))
}

pub(super) fn accounts(file: &Connection) -> Result<Vec<Account>, StoreError> {
    all(file, ACCOUNTS, [], |row| body(row, 0, "account"))
}

pub(super) fn sign_in(file: &Connection, key: &str) -> Result<Option<SignIn>, StoreError> {
    one(file, SIGN_IN, [key], |row| body(row, 0, "sign-in"))
}

pub(super) fn expired_sign_ins(file: &Connection, by: OffsetDateTime, limit: u32) -> Result<Vec<SignIn>, StoreError> {
    all(file, EXPIRED_SIGN_INS, (micros(by)?, limit), |row| body(row, 0, "sign-in"))
}

pub(super) fn cursor(file: &Connection, platform: &PlatformId) -> Result<Option<Cursor>, StoreError> {
    one(file, "SELECT cursor FROM cursor WHERE platform = ?1", [&platform.0], |row| Ok(Cursor(row.get(0)?)))
}

pub(super) fn answer(
    file: &Connection,
    tenant: &TenantId,
    client: &ClientId,
    request_id: &str,
) -> Result<Option<StoredAnswer>, StoreError> {
    one(file, ANSWER, (&tenant.0, &client.0, request_id), |row| rows::answer(row))
}

pub(super) fn audit_lines(file: &Connection, referral: &ReferralId) -> Result<Vec<AuditLine>, StoreError> {
    all(file, AUDIT, [&referral.0], |row| a_numbered_line(row))
}

pub(super) fn audit_line(file: &Connection, tenant: &TenantId, number: u64) -> Result<Option<AuditLine>, StoreError> {
    one(file, AUDIT_LINE, (&tenant.0, rows::bound(number)), |row| a_numbered_line(row))
}

pub(super) fn latest_time(file: &Connection) -> Result<Option<OffsetDateTime>, StoreError> {
    let latest = one(file, LATEST, [], |row| Ok(row.get::<_, Option<i64>>(0)?))?;
    latest.flatten().map(rows::time).transpose()
}
