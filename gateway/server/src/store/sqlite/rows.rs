//! Between columns and values: numbers, times, words, and the rows that several statements read alike.

use super::errors::unreadable;
use crate::store::StoreError;
use adapter_contract::{IdempotencyKey, StatusReport};
use gateway_core::change::{RawReport, ReportRecord, StoredAnswer};
use gateway_core::identity::{ClientId, PlatformId, TenantId};
use gateway_core::referral::ReferralId;
use gateway_core::resource::{ResourceKey, ResourceVersion, Token, WriteMethod};
use rusqlite::Row;
use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

/// A number as SQLite keeps it.
pub(super) fn integer(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Engine("a number is too large to be stored".to_owned()))
}

/// A bound on places: what lies beyond SQLite's numbers is as good as their end.
pub(super) fn bound(place: u64) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}

/// A number as we keep it.
pub(super) fn natural(row: &Row<'_>, column: usize) -> Result<u64, StoreError> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(|_| unreadable("number"))
}

/// Microseconds since 1970, UTC.
pub(super) fn micros(at: OffsetDateTime) -> Result<i64, StoreError> {
    i64::try_from(at.unix_timestamp_nanos() / 1_000)
        .map_err(|_| StoreError::Engine("a time is too far away to be stored".to_owned()))
}

/// What [`micros`] wrote.
pub(super) fn time(micros: i64) -> Result<OffsetDateTime, StoreError> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).map_err(|_| unreadable("time"))
}

/// A value as JSON text.
pub(super) fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::Engine("a value has no JSON form".to_owned()))
}

/// What [`json`] wrote. The error does not quote it.
pub(super) fn from_json<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| unreadable(what))
}

/// A text column holding JSON.
pub(super) fn body<T: DeserializeOwned>(row: &Row<'_>, column: usize, what: &str) -> Result<T, StoreError> {
    from_json(text(row, column)?, what)
}

/// A text column, without a copy.
pub(super) fn text<'row>(row: &'row Row<'_>, column: usize) -> Result<&'row str, StoreError> {
    row.get_ref(column)?.as_str().map_err(|_| unreadable("text"))
}

/// Reads `version, updated, author, method, body, tokens`.
pub(super) fn version(row: &Row<'_>, key: ResourceKey) -> Result<ResourceVersion, StoreError> {
    Ok(ResourceVersion {
        key,
        version: natural(row, 0)?,
        updated: time(row.get(1)?)?,
        author: row.get(2)?,
        method: WriteMethod::from_verb(text(row, 3)?).ok_or_else(|| unreadable("method"))?,
        body: row.get(4)?,
        tokens: tokens(text(row, 5)?)?,
    })
}

/// Tokens as they stand beside a version.
pub(super) fn token_text(tokens: &[Token]) -> Result<String, StoreError> {
    json(&tokens.iter().map(|token| (&token.parameter, &token.value)).collect::<Vec<_>>())
}

/// What [`token_text`] wrote.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, StoreError> {
    let pairs: Vec<(String, String)> = from_json(text, "token")?;
    Ok(pairs.into_iter().map(|(parameter, value)| Token { parameter, value }).collect())
}

/// Reads `id, platform, source, content_type, received, body`.
pub(super) fn raw_report(row: &Row<'_>) -> Result<RawReport, StoreError> {
    Ok(RawReport {
        id: row.get(0)?,
        platform: PlatformId(row.get(1)?),
        source: body(row, 2, "report source")?,
        content_type: row.get(3)?,
        received: time(row.get(4)?)?,
        body: row.get(5)?,
    })
}

/// Reads `id, platform, referral, source, received, body, disposition`.
pub(super) fn report(row: &Row<'_>) -> Result<ReportRecord, StoreError> {
    Ok(ReportRecord {
        id: row.get(0)?,
        platform: PlatformId(row.get(1)?),
        referral: row.get::<_, Option<String>>(2)?.map(ReferralId),
        source: body(row, 3, "report source")?,
        received: time(row.get(4)?)?,
        report: body(row, 5, "report")?,
        disposition: from_json(&json(&text(row, 6)?)?, "disposition")?,
    })
}

/// The key that a statement repeats.
pub(super) fn report_key(report: &StatusReport) -> Option<&str> {
    report.key.as_ref().map(|IdempotencyKey(key)| key.as_str())
}

/// Reads `tenant, client, request_id, fingerprint, at, status, location, etag, body`.
pub(super) fn answer(row: &Row<'_>) -> Result<StoredAnswer, StoreError> {
    Ok(StoredAnswer {
        tenant: TenantId(row.get(0)?),
        client: ClientId(row.get(1)?),
        request_id: row.get(2)?,
        fingerprint: row.get(3)?,
        at: time(row.get(4)?)?,
        status: row.get(5)?,
        location: row.get(6)?,
        etag: row.get(7)?,
        body: row.get(8)?,
    })
}
