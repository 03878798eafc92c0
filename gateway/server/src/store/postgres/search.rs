//! Search over current resources: runs the statements of [`Found`].

use super::fault::Fault;
use super::sql::{Ask, Bind as _, all, ask, one};
use crate::store::blind::Blind;
use crate::store::canonical::MATCHES_NAMED;
use crate::store::found::{Found, NEWEST, Value};
use crate::store::rows::{self, Columns as _, VERSION_COLUMNS};
use crate::store::{Page, SearchQuery, UpdatedRange};
use gateway_core::identity::Compartment;
use gateway_core::resource::{ResourceKey, Token};
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// One page, its bounds and its total. The caller gives a connection that reads from one snapshot.
pub(super) async fn search(on: &mut PgConnection, blind: &Blind, query: &SearchQuery) -> Result<Page, Fault> {
    let (tenant, owner) = (&query.compartment.tenant.0, query.compartment.owner.key());
    let up_to = match query.up_to {
        Some(up_to) => up_to,
        None => {
            let newest = ask(NEWEST).text(tenant).text(&owner).text(&query.kind);
            one(on, newest, |row| row.natural(0)).await?.unwrap_or(0)
        }
    };
    let total = if query.count {
        let found = Found::of(blind, query, 0, up_to)?;
        one(on, with(&found.count(), &found.values), |row| row.natural(0)).await?
    } else {
        None
    };
    let mut found = Found::of(blind, query, query.after, up_to)?;
    // One more than asked for tells whether more wait.
    let sql = found.page(i64::from(query.limit) + 1);
    let mut rows = all(on, with(&sql, &found.values), |row| {
        let key = ResourceKey {
            compartment: query.compartment.clone(),
            kind: query.kind.clone(),
            id: row.string(VERSION_COLUMNS)?,
        };
        Ok((row.natural(VERSION_COLUMNS + 1)?, rows::version(row, key)?))
    })
    .await?;
    let limit = query.limit as usize;
    let more = rows.len() > limit;
    rows.truncate(limit);
    Ok(Page { rows, up_to, more, total })
}

/// Ids of the resources that carry all the tokens.
pub(super) async fn matching(
    on: &mut PgConnection,
    blind: &Blind,
    compartment: &Compartment,
    kind: &str,
    tokens: &[Token],
) -> Result<Vec<String>, Fault> {
    let all_of: Vec<&[Token]> = tokens.iter().map(std::slice::from_ref).collect();
    let mut found = Found::new(blind, compartment, kind, &all_of, (0, i64::MAX), UpdatedRange::default())?;
    let sql = found.ids(MATCHES_NAMED.into());
    all(on, with(&sql, &found.values), |row| row.string(0)).await
}

/// Ids and versions of all resources that carry any of the tokens.
pub(super) async fn versions(
    on: &mut PgConnection,
    blind: &Blind,
    compartment: &Compartment,
    kind: &str,
    any_of: &[Token],
) -> Result<BTreeMap<String, u64>, Fault> {
    let found = Found::new(blind, compartment, kind, &[any_of], (0, i64::MAX), UpdatedRange::default())?;
    let rows = all(on, with(&found.versions(), &found.values), |row| Ok((row.string(0)?, row.natural(1)?))).await?;
    Ok(rows.into_iter().collect())
}

fn with(sql: &str, values: &[Value]) -> Ask {
    values.iter().fold(ask(sql), |ask, value| ask.value(value))
}
