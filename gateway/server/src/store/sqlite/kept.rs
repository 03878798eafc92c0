//! What has been kept for a time: the questions that retention asks.

use super::errors::unreadable;
use super::reads::all;
use super::rows::{self, micros, natural, text};
use crate::store::{StoreError, canonical};
use gateway_core::change::{RawReport, Received, ReportRecord, StoredAnswer};
use gateway_core::identity::{Compartment, Owner, TenantId};
use gateway_core::resource::ResourceKey;
use gateway_core::subject::{Domain, Subject, SubjectId};
use rusqlite::{Connection, Row};
use time::OffsetDateTime;

pub(super) const RECEIVED: &str =
    "SELECT r.tenant, r.client, r.request_id, r.correlation, r.at, r.sha256, r.bytes, k.key, k.subject, k.domain, r.place
    FROM received r CROSS JOIN subject_key k ON k.id = r.sealed_by WHERE r.at < ?1 ORDER BY r.at, r.place LIMIT ?2";
pub(super) const ANSWERS: &str =
    "SELECT a.tenant, a.client, a.request_id, a.fingerprint, a.at, a.status, a.location, a.etag, a.body, k.key, k.subject,
        k.domain
    FROM answer a CROSS JOIN subject_key k ON k.id = a.sealed_by WHERE a.at < ?1 ORDER BY a.at LIMIT ?2";
pub(super) const RAW_REPORTS: &str = "SELECT r.id, r.platform, r.source, r.content_type, r.received, r.body, k.key
    FROM raw_report r CROSS JOIN subject_key k ON k.id = r.sealed_by
    WHERE r.received < ?1 ORDER BY r.received, r.place LIMIT ?2";
pub(super) const PARKED: &str =
    "SELECT r.id, r.platform, r.referral, r.source, r.received, r.body, r.disposition, k.key
    FROM report r CROSS JOIN subject_key k ON k.id = r.sealed_by
    WHERE r.disposition = 'parked' AND r.received < ?1 ORDER BY r.received, r.place LIMIT ?2";
/// Walks the subjects in the order of their ids; each is looked at by what its key seals.
pub(super) const IDLE: &str =
    "SELECT k.subject, c.tenant, c.owner, c.kind, c.id FROM subject_key k CROSS JOIN resource_current c
        ON c.place = (SELECT min(f.place) FROM resource_current f WHERE f.sealed_by = k.id
            AND f.kind IN ('Patient', 'ServiceRequest', 'Consent'))
    WHERE k.subject > ?3 AND k.domain = ?1 AND k.key IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM resource_current n WHERE n.sealed_by = k.id AND n.updated >= ?2)
    ORDER BY k.subject LIMIT ?4";
pub(super) const BELONGING: &str =
    "SELECT c.tenant, c.owner, c.kind, c.id FROM subject_key k CROSS JOIN resource_current c ON c.sealed_by = k.id
    WHERE k.subject = ?1 AND k.domain = ?2 AND k.key IS NOT NULL AND c.kind IN ('Patient', 'ServiceRequest', 'Consent')";

fn since(before: OffsetDateTime) -> Result<i64, StoreError> {
    micros(canonical::instant(before))
}

pub(super) fn received(
    file: &Connection,
    before: OffsetDateTime,
    limit: u32,
) -> Result<Vec<(u64, Received)>, StoreError> {
    all(file, RECEIVED, (since(before)?, limit), |row| Ok((natural(row, 10)?, rows::received(row)?)))
}

pub(super) fn answers(file: &Connection, before: OffsetDateTime, limit: u32) -> Result<Vec<StoredAnswer>, StoreError> {
    all(file, ANSWERS, (since(before)?, limit), rows::answer)
}

pub(super) fn raw_reports(file: &Connection, before: OffsetDateTime, limit: u32) -> Result<Vec<RawReport>, StoreError> {
    all(file, RAW_REPORTS, (since(before)?, limit), rows::raw_report)
}

pub(super) fn parked(file: &Connection, before: OffsetDateTime, limit: u32) -> Result<Vec<ReportRecord>, StoreError> {
    all(file, PARKED, (since(before)?, limit), rows::report)
}

pub(super) fn idle(
    file: &Connection,
    domain: Domain,
    before: OffsetDateTime,
    after: Option<&SubjectId>,
    limit: u32,
) -> Result<Vec<(SubjectId, ResourceKey)>, StoreError> {
    let after = after.map_or("", |after| after.0.as_str());
    all(file, IDLE, (domain.word(), since(before)?, after, limit), |row| Ok((SubjectId(row.get(0)?), key(row, 1)?)))
}

pub(super) fn belonging(file: &Connection, subject: &Subject) -> Result<Vec<ResourceKey>, StoreError> {
    let mut keys = all(file, BELONGING, (&subject.id.0, subject.domain.word()), |row| key(row, 0))?;
    keys.sort();
    Ok(keys)
}

/// Tenant, owner, type and id, from this column on.
fn key(row: &Row<'_>, from: usize) -> Result<ResourceKey, StoreError> {
    let owner = Owner::from_key(text(row, from + 1)?).ok_or_else(|| unreadable("owner"))?;
    let compartment = Compartment { tenant: TenantId(row.get(from)?), owner };
    Ok(ResourceKey { compartment, kind: row.get(from + 2)?, id: row.get(from + 3)? })
}
