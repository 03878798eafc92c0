//! What has been kept for a time: the questions that retention asks.

use super::reads::all;
use super::rows::{self, micros, natural, resource_key as key};
pub(super) use crate::store::statements::{ANSWERS, BELONGING, IDLE, PARKED, RAW_REPORTS, RECEIVED};
use crate::store::{StoreError, canonical};
use gateway_core::change::{RawReport, Received, ReportRecord, StoredAnswer};
use gateway_core::resource::ResourceKey;
use gateway_core::subject::{Domain, Subject, SubjectId};
use rusqlite::Connection;
use time::OffsetDateTime;

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
    all(file, ANSWERS, (since(before)?, limit), |row| rows::answer(row))
}

pub(super) fn raw_reports(file: &Connection, before: OffsetDateTime, limit: u32) -> Result<Vec<RawReport>, StoreError> {
    all(file, RAW_REPORTS, (since(before)?, limit), |row| rows::raw_report(row))
}

pub(super) fn parked(file: &Connection, before: OffsetDateTime, limit: u32) -> Result<Vec<ReportRecord>, StoreError> {
    all(file, PARKED, (since(before)?, limit), |row| rows::report(row))
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
