//! Reads by key. Statements that run often are constants, so that a test can ask for their plans.

use super::rows::{self, VERSION, body, natural};
use crate::store::{AuditLine, Counts, ReferralFilter, StoreError};
use adapter_contract::{Cursor, IdempotencyKey, PlatformReferralId};
use gateway_core::change::{AuditRecord, RawReport, ReportRecord, StoredAnswer};
use gateway_core::identity::{ClientId, Compartment, PlatformId, TenantId};
use gateway_core::outbox::{Attempt, OutboxRow};
use gateway_core::referral::{Referral, ReferralId};
use gateway_core::resource::{ResourceKey, ResourceVersion};
use rusqlite::{Connection, OptionalExtension as _, Params, Row};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use time::OffsetDateTime;

pub(super) static RESOURCE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {VERSION} FROM resource_current c
         CROSS JOIN resource_version v ON v.place = c.place AND v.version = ifnull(?5, c.version)
         CROSS JOIN subject_key k ON k.id = c.sealed_by
         WHERE c.tenant = ?1 AND c.owner = ?2 AND c.kind = ?3 AND c.id = ?4 AND c.erased = 0"
    )
});
pub(super) static HISTORY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {VERSION} FROM resource_current c
         CROSS JOIN resource_version v ON v.place = c.place
         CROSS JOIN subject_key k ON k.id = c.sealed_by
         WHERE c.tenant = ?1 AND c.owner = ?2 AND c.kind = ?3 AND c.id = ?4 AND c.erased = 0
         ORDER BY v.version DESC"
    )
});
pub(super) const BY_TASK: &str =
    "SELECT body FROM referral WHERE tenant = ?1 AND owner = ?2 AND task = ?3 ORDER BY place LIMIT 1";
pub(super) const BY_NAME: &str =
    "SELECT body FROM referral WHERE platform = ?1 AND platform_referral = ?2 ORDER BY place LIMIT 1";
pub(super) const BY_KEY: &str = "SELECT body FROM referral WHERE platform = ?1 AND key = ?2 ORDER BY place LIMIT 1";
pub(super) const UNANSWERED: &str = "SELECT body FROM referral WHERE answer_due IS NOT NULL AND answer_due <= ?1
    ORDER BY answer_due, place LIMIT ?2";
/// Few rows are dead, so that the tenant needs no index of its own.
pub(super) const DEAD: &str = "SELECT body, place FROM outbox
    WHERE state = 'dead' AND place > ?2 AND (?1 IS NULL OR tenant = ?1) ORDER BY place LIMIT ?3";
pub(super) const COUNTS: &str = "SELECT delivery, task_status, count(*) FROM referral
    GROUP BY delivery, task_status ORDER BY delivery, task_status";
pub(super) const OUTBOX: &str = "SELECT body FROM outbox WHERE referral = ?1 ORDER BY sequence, place";
pub(super) const UNREAD: &str = "SELECT r.id, r.platform, r.source, r.content_type, r.received, r.body, k.key
    FROM raw_report r CROSS JOIN subject_key k ON k.id = r.sealed_by WHERE r.read = 0 ORDER BY r.place LIMIT ?1";
pub(super) const REPORTS: &str =
    "SELECT r.id, r.platform, r.referral, r.source, r.received, r.body, r.disposition, k.key
    FROM report r CROSS JOIN subject_key k ON k.id = r.sealed_by WHERE r.referral = ?1 ORDER BY r.place";
pub(super) const PARKED: [&str; 2] = [
    "SELECT r.id, r.platform, r.referral, r.source, r.received, r.body, r.disposition, k.key, r.place
     FROM report r CROSS JOIN subject_key k ON k.id = r.sealed_by
     WHERE r.disposition = 'parked' AND r.platform = ?1 AND r.platform_referral = ?2",
    "SELECT r.id, r.platform, r.referral, r.source, r.received, r.body, r.disposition, k.key, r.place
     FROM report r CROSS JOIN subject_key k ON k.id = r.sealed_by
     WHERE r.disposition = 'parked' AND r.platform = ?1 AND r.key = ?2",
];
/// A referral comes at the place of its oldest waiting statement, and only there.
pub(super) const TO_ALIGN: &str = "SELECT r.referral FROM report r
    WHERE r.disposition = 'recorded' AND r.referral IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM report e
        WHERE e.disposition = 'recorded' AND e.referral = r.referral AND e.place < r.place)
      AND NOT EXISTS (SELECT 1 FROM referral f WHERE f.id = r.referral AND f.delivery = 'queued')
    ORDER BY r.place LIMIT ?1";
pub(super) const ANSWER: &str =
    "SELECT a.tenant, a.client, a.request_id, a.fingerprint, a.at, a.status, a.location, a.etag, a.body, k.key, k.subject,
        k.domain
    FROM answer a CROSS JOIN subject_key k ON k.id = a.sealed_by
    WHERE a.tenant = ?1 AND a.client = ?2 AND a.request_id = ?3";
pub(super) const AUDIT: &str =
    "SELECT tenant, at, actor, action, referral, detail, number FROM audit WHERE referral = ?1 ORDER BY place";
pub(super) const AUDIT_LINE: &str =
    "SELECT tenant, at, actor, action, referral, detail, number FROM audit WHERE tenant = ?1 AND number = ?2";
pub(super) const LATEST: &str = "SELECT max(at) FROM audit";

fn one<T>(
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
    let named = one(file, BY_NAME, (&platform.0, &name.0), a_referral)?;
    match (named, key) {
        (None, Some(key)) => one(file, BY_KEY, (&platform.0, &key.0), a_referral),
        (named, _) => Ok(named),
    }
}

/// The statement that lists referrals with this filter: only the terms that are there, so that an index fits.
pub(super) fn listing(filter: &ReferralFilter) -> String {
    let mut sql = "SELECT body FROM referral WHERE place > ifnull(?1, 0)".to_owned();
    // A delivery word is the rarer one where it matters: what is held or dead waits for a person.
    let plus = if filter.subject.is_some() { "+" } else { "" };
    sql.push_str(&if filter.delivery.is_some() {
        format!(" AND {plus}delivery = ?2")
    } else {
        " AND ?2 IS NULL".to_owned()
    });
    sql.push_str(match (&filter.tenant, filter.delivery.is_some() || filter.subject.is_some()) {
        (Some(_), true) => " AND +tenant = ?3",
        (Some(_), false) => " AND tenant = ?3",
        (None, _) => " AND ?3 IS NULL",
    });
    sql.push_str(if filter.subject.is_some() { " AND subject = ?5" } else { " AND ?5 IS NULL" });
    if filter.attention {
        sql.push_str(" AND attention = 1");
    }
    sql.push_str(" ORDER BY place LIMIT ?4");
    sql
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
    all(file, DEAD, (tenant.map(|tenant| &tenant.0), rows::bound(after), limit), read)
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
    all(file, UNREAD, [limit], rows::raw_report)
}

pub(super) fn reports(file: &Connection, referral: &ReferralId) -> Result<Vec<ReportRecord>, StoreError> {
    all(file, REPORTS, [&referral.0], rows::report)
}

pub(super) fn parked_reports(
    file: &Connection,
    platform: &PlatformId,
    name: &PlatformReferralId,
    key: &IdempotencyKey,
) -> Result<Vec<ReportRecord>, StoreError> {
    let mut by_place = BTreeMap::new();
    let file = file.unchecked_transaction()?;
    for (sql, word) in PARKED.into_iter().zip([&name.0, &key.0]) {
        let found = all(&file, sql, (&platform.0, word), |row| Ok((natural(row, 8)?, rows::report(row)?)))?;
        by_place.extend(found);
    }
    Ok(by_place.into_values().collect())
}

pub(super) fn referrals_to_align(file: &Connection, limit: u32) -> Result<Vec<ReferralId>, StoreError> {
    all(file, TO_ALIGN, [limit], |row| Ok(ReferralId(row.get(0)?)))
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
    one(file, ANSWER, (&tenant.0, &client.0, request_id), rows::answer)
}

/// Reads the columns of [`AUDIT`].
pub(super) fn a_line(row: &Row<'_>) -> Result<AuditRecord, StoreError> {
    Ok(AuditRecord {
        tenant: TenantId(row.get(0)?),
        at: rows::time(row.get(1)?)?,
        actor: row.get(2)?,
        action: row.get(3)?,
        referral: row.get::<_, Option<String>>(4)?.map(ReferralId),
        detail: body(row, 5, "audit line")?,
    })
}

fn a_numbered_line(row: &Row<'_>) -> Result<AuditLine, StoreError> {
    Ok(AuditLine { number: natural(row, 6)?, record: a_line(row)? })
}

pub(super) fn audit_lines(file: &Connection, referral: &ReferralId) -> Result<Vec<AuditLine>, StoreError> {
    all(file, AUDIT, [&referral.0], a_numbered_line)
}

pub(super) fn audit_line(file: &Connection, tenant: &TenantId, number: u64) -> Result<Option<AuditLine>, StoreError> {
    one(file, AUDIT_LINE, (&tenant.0, rows::bound(number)), a_numbered_line)
}

pub(super) fn latest_time(file: &Connection) -> Result<Option<OffsetDateTime>, StoreError> {
    let latest = one(file, LATEST, [], |row| Ok(row.get::<_, Option<i64>>(0)?))?;
    latest.flatten().map(rows::time).transpose()
}
