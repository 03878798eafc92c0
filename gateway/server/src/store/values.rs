//! Between values and what the engines keep of them: numbers, times, JSON, sealed contents. It knows no engine.

use super::StoreError;
use super::seal::{self, Key};
use adapter_contract::{IdempotencyKey, StatusReport};
use gateway_core::resource::Token;
use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

/// A stored value that cannot be read back.
pub(super) fn unreadable(what: &str) -> StoreError {
    StoreError::Engine(format!("a stored {what} cannot be read"))
}

/// One error told to several.
pub(super) fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Full => StoreError::Full,
        StoreError::Closed => StoreError::Closed,
        StoreError::LaneLost => StoreError::LaneLost,
        StoreError::Away(words) => StoreError::Away(words.clone()),
        StoreError::Engine(words) => StoreError::Engine(words.clone()),
    }
}

/// A number as the engines keep it.
pub(super) fn integer(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Engine("a number is too large to be stored".to_owned()))
}

/// A bound on places: what lies beyond the engines' numbers is as good as their end.
pub(super) fn bound(place: u64) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
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

/// The key that a statement repeats.
pub(super) fn report_key(report: &StatusReport) -> Option<&str> {
    report.key.as_ref().map(|IdempotencyKey(key)| key.as_str())
}

/// What the body of an answer is bound to.
pub(super) fn answer_row(tenant: &str, client: &str, request_id: &str) -> seal::Row {
    seal::Row::of("answer", &[tenant, client, request_id])
}

/// What the bytes of a request are bound to.
pub(super) fn received_row(tenant: &str, client: &str, request_id: &str, sha256: &str) -> seal::Row {
    seal::Row::of("received", &[tenant, client, request_id, sha256])
}
