//! Between columns and values: numbers, times, words, and the rows that several statements read alike.

use super::errors::unreadable;
use super::keys;
use super::seal::{self, Key};
use crate::store::StoreError;
use adapter_contract::{IdempotencyKey, StatusReport};
use gateway_core::change::{RawReport, Received, ReportRecord, StoredAnswer};
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

/// What [`version`] reads, where `v` is the version, `c` the resource and `k` its key.
pub(super) const VERSION: &str =
    "v.version, v.updated, v.author, v.method, v.body, v.place, k.key, k.subject, k.domain";
/// How many columns that are.
pub(super) const VERSION_COLUMNS: usize = 9;

/// Reads [`VERSION`]; without body and tokens if it was erased.
pub(super) fn version(row: &Row<'_>, key: ResourceKey) -> Result<ResourceVersion, StoreError> {
    let number: i64 = row.get(0)?;
    let (tokens, body) = match keys::column(row, 6)? {
        Some(opener) => {
            contents(&opener, row.get(5)?, number, row.get_ref(4)?.as_blob().map_err(|_| unreadable("body"))?)?
        }
        None => (Vec::new(), String::new()),
    };
    Ok(ResourceVersion {
        key,
        version: natural(row, 0)?,
        updated: time(row.get(1)?)?,
        author: row.get(2)?,
        method: WriteMethod::from_verb(text(row, 3)?).ok_or_else(|| unreadable("method"))?,
        body,
        tokens,
        subject: keys::subject(row, 7)?,
    })
}

/// Tokens and body of a version as they are sealed: together, for they are written and erased together.
pub(super) fn sealed_contents(
    key: &Key,
    place: i64,
    version: i64,
    tokens: &[Token],
    body: &str,
) -> Result<Vec<u8>, StoreError> {
    let pairs = json(&tokens.iter().map(|token| (&token.parameter, &token.value)).collect::<Vec<_>>())?;
    let length = u32::try_from(pairs.len()).map_err(|_| StoreError::Engine("too many tokens".to_owned()))?;
    let plain = [&length.to_be_bytes(), pairs.as_bytes(), body.as_bytes()].concat();
    seal::seal(key, &seal::Row::version(place, version), &plain)
}

/// What [`sealed_contents`] wrote.
pub(super) fn contents(key: &Key, place: i64, version: i64, sealed: &[u8]) -> Result<(Vec<Token>, String), StoreError> {
    let mut plain = seal::open(key, &seal::Row::version(place, version), sealed)?;
    let fault = || unreadable("version");
    let (length, rest) = plain.split_first_chunk::<4>().ok_or_else(fault)?;
    let (pairs, body) = rest.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or_else(fault)?;
    let pairs: Vec<(String, String)> = serde_json::from_slice(pairs).map_err(|_| fault())?;
    let start = plain.len() - body.len();
    let tokens = pairs.into_iter().map(|(parameter, value)| Token { parameter, value }).collect();
    let body = String::from_utf8(plain.split_off(start)).map_err(|_| fault())?;
    Ok((tokens, body))
}

/// A sealed column with the key in another.
pub(super) fn opened(
    row: &Row<'_>,
    sealed: usize,
    key: usize,
    bound: &seal::Row,
) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(key) = keys::column(row, key)? else { return Ok(None) };
    seal::open(&key, bound, row.get_ref(sealed)?.as_blob().map_err(|_| unreadable("body"))?).map(Some)
}

/// Reads `id, platform, source, content_type, received, body`, and the key in the seventh column.
pub(super) fn raw_report(row: &Row<'_>) -> Result<RawReport, StoreError> {
    let id: String = row.get(0)?;
    let bytes = opened(row, 5, 6, &seal::Row::of("raw_report", &[&id]))?.ok_or_else(|| unreadable("raw report"))?;
    Ok(RawReport {
        id,
        platform: PlatformId(row.get(1)?),
        source: body(row, 2, "report source")?,
        content_type: row.get(3)?,
        received: time(row.get(4)?)?,
        body: bytes,
    })
}

/// Reads `id, platform, referral, source, received, body, disposition, key`.
pub(super) fn report(row: &Row<'_>) -> Result<ReportRecord, StoreError> {
    let id: String = row.get(0)?;
    let said = opened(row, 5, 7, &seal::Row::of("report", &[&id]))?.ok_or_else(|| unreadable("report"))?;
    Ok(ReportRecord {
        id,
        platform: PlatformId(row.get(1)?),
        referral: row.get::<_, Option<String>>(2)?.map(ReferralId),
        source: body(row, 3, "report source")?,
        received: time(row.get(4)?)?,
        report: serde_json::from_slice(&said).map_err(|_| unreadable("report"))?,
        disposition: from_json(&json(&text(row, 6)?)?, "disposition")?,
    })
}

/// The key that a statement repeats.
pub(super) fn report_key(report: &StatusReport) -> Option<&str> {
    report.key.as_ref().map(|IdempotencyKey(key)| key.as_str())
}

/// Reads `tenant, client, request_id, fingerprint, at, status, location, etag, body, key, subject, domain`.
pub(super) fn answer(row: &Row<'_>) -> Result<StoredAnswer, StoreError> {
    let (tenant, client, request_id): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let body = opened(row, 8, 9, &answer_row(&tenant, &client, &request_id))?;
    Ok(StoredAnswer {
        tenant: TenantId(tenant),
        client: ClientId(client),
        request_id,
        fingerprint: row.get(3)?,
        at: time(row.get(4)?)?,
        status: row.get(5)?,
        location: row.get(6)?,
        etag: row.get(7)?,
        body: body.map(|body| String::from_utf8(body).map_err(|_| unreadable("answer"))).transpose()?,
        subject: keys::subject(row, 10)?,
    })
}

/// What the body of an answer is bound to.
pub(super) fn answer_row(tenant: &str, client: &str, request_id: &str) -> seal::Row {
    seal::Row::of("answer", &[tenant, client, request_id])
}

/// What the bytes of a request are bound to.
pub(super) fn received_row(tenant: &str, client: &str, request_id: &str, sha256: &str) -> seal::Row {
    seal::Row::of("received", &[tenant, client, request_id, sha256])
}

/// Reads `tenant, client, request_id, correlation, at, sha256, bytes, key, subject, domain`.
pub(super) fn received(row: &Row<'_>) -> Result<Received, StoreError> {
    let (tenant, client, request_id): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let sha256: String = row.get(5)?;
    let bound = received_row(&tenant, &client, &request_id, &sha256);
    let bytes = opened(row, 6, 7, &bound)?.ok_or_else(|| unreadable("request"))?;
    Ok(Received {
        tenant: TenantId(tenant),
        client: ClientId(client),
        request_id,
        correlation: row.get(3)?,
        at: time(row.get(4)?)?,
        sha256,
        bytes,
        subject: keys::subject(row, 8)?,
    })
}
