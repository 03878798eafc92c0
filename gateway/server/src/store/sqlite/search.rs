//! Search over current resources: runs the statements of [`Found`].

use super::blind;
use super::rows::{self, VERSION_COLUMNS, natural};
use crate::store::canonical::MATCHES_NAMED;
pub(super) use crate::store::found::Found;
use crate::store::found::{NEWEST, Value};
use crate::store::{Page, SearchQuery, StoreError, UpdatedRange};
use gateway_core::identity::Compartment;
use gateway_core::resource::{ResourceKey, ResourceVersion, Token};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};
use std::collections::BTreeMap;

/// One page, its bounds and its total from one snapshot.
pub(super) fn search(file: &Connection, query: &SearchQuery) -> Result<Page, StoreError> {
    let file = file.unchecked_transaction()?;
    let up_to = match query.up_to {
        Some(up_to) => up_to,
        None => newest(&file, &query.compartment, &query.kind)?,
    };
    let total = if query.count { Some(count(&file, query, up_to)?) } else { None };
    let mut rows = page(&file, query, up_to)?;
    let limit = query.limit as usize;
    let more = rows.len() > limit;
    rows.truncate(limit);
    Ok(Page { rows, up_to, more, total })
}

/// Ids of the resources that carry all the tokens.
pub(super) fn matching(
    file: &Connection,
    compartment: &Compartment,
    kind: &str,
    tokens: &[Token],
) -> Result<Vec<String>, StoreError> {
    let all_of: Vec<&[Token]> = tokens.iter().map(std::slice::from_ref).collect();
    let mut found =
        Found::new(&blind::read(file)?, compartment, kind, &all_of, (0, i64::MAX), UpdatedRange::default())?;
    let sql = found.ids(MATCHES_NAMED.into());
    super::reads::all(file, &sql, params_from_iter(found.values), |row| Ok(row.get(0)?))
}

/// Ids and versions of all resources that carry any of the tokens.
pub(super) fn versions(
    file: &Connection,
    compartment: &Compartment,
    kind: &str,
    any_of: &[Token],
) -> Result<BTreeMap<String, u64>, StoreError> {
    let found = Found::new(&blind::read(file)?, compartment, kind, &[any_of], (0, i64::MAX), UpdatedRange::default())?;
    let sql = found.versions();
    let rows =
        super::reads::all(file, &sql, params_from_iter(found.values), |row| Ok((row.get(0)?, natural(row, 1)?)))?;
    Ok(rows.into_iter().collect())
}

fn newest(file: &Connection, compartment: &Compartment, kind: &str) -> Result<u64, StoreError> {
    let mut statement = file.prepare_cached(NEWEST)?;
    let mut rows = statement.query((&compartment.tenant.0, compartment.owner.key(), kind))?;
    rows.next()?.map_or(Ok(0), |row| natural(row, 0))
}

fn count(file: &Connection, query: &SearchQuery, up_to: u64) -> Result<u64, StoreError> {
    let found = Found::of(&blind::read(file)?, query, 0, up_to)?;
    let mut statement = file.prepare_cached(&found.count())?;
    let mut rows = statement.query(params_from_iter(found.values))?;
    rows.next()?.map_or(Ok(0), |row| natural(row, 0))
}

fn page(file: &Connection, query: &SearchQuery, up_to: u64) -> Result<Vec<(u64, ResourceVersion)>, StoreError> {
    let mut found = Found::of(&blind::read(file)?, query, query.after, up_to)?;
    // One more than asked for tells whether more wait.
    let sql = found.page(i64::from(query.limit) + 1);
    super::reads::all(file, &sql, params_from_iter(found.values), |row| {
        let key = ResourceKey {
            compartment: query.compartment.clone(),
            kind: query.kind.clone(),
            id: row.get(VERSION_COLUMNS)?,
        };
        Ok((natural(row, VERSION_COLUMNS + 1)?, rows::version(row, key)?))
    })
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
