//! Search over current resources in creation order. One criterion leads, through the token table's key or the index by
//! type; the others are looked up for each row that it finds.

use super::blind::Blind;
use super::rows::{self, VERSION, VERSION_COLUMNS, bound, micros, natural};
use crate::store::canonical::{self, MATCHES_NAMED};
use crate::store::{Page, SearchQuery, StoreError, UpdatedRange};
use gateway_core::identity::Compartment;
use gateway_core::resource::{ResourceKey, ResourceVersion, Token};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use std::collections::BTreeMap;

/// Everything of a kind has one of a few statuses, so this parameter leads only if nothing else can.
const COARSE: &str = "status";

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
        Found::new(&Blind::read(file)?, compartment, kind, &all_of, (0, i64::MAX), UpdatedRange::default())?;
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
    let found = Found::new(&Blind::read(file)?, compartment, kind, &[any_of], (0, i64::MAX), UpdatedRange::default())?;
    let sql = found.versions();
    let rows =
        super::reads::all(file, &sql, params_from_iter(found.values), |row| Ok((row.get(0)?, natural(row, 1)?)))?;
    Ok(rows.into_iter().collect())
}

fn newest(file: &Connection, compartment: &Compartment, kind: &str) -> Result<u64, StoreError> {
    let sql = "SELECT ifnull(max(place), 0) FROM resource_current WHERE tenant = ?1 AND owner = ?2 AND kind = ?3";
    let mut statement = file.prepare_cached(sql)?;
    let mut rows = statement.query((&compartment.tenant.0, compartment.owner.key(), kind))?;
    rows.next()?.map_or(Ok(0), |row| natural(row, 0))
}

fn count(file: &Connection, query: &SearchQuery, up_to: u64) -> Result<u64, StoreError> {
    let found = Found::of(&Blind::read(file)?, query, 0, up_to)?;
    let mut statement = file.prepare_cached(&found.count())?;
    let mut rows = statement.query(params_from_iter(found.values))?;
    rows.next()?.map_or(Ok(0), |row| natural(row, 0))
}

fn page(file: &Connection, query: &SearchQuery, up_to: u64) -> Result<Vec<(u64, ResourceVersion)>, StoreError> {
    let mut found = Found::of(&Blind::read(file)?, query, query.after, up_to)?;
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

/// The `FROM` and `WHERE` of a search, and the values of its parameters. The first three are tenant, owner and kind.
pub(super) struct Found {
    tables: &'static str,
    /// The column in whose order the leading criterion gives the places.
    place: &'static str,
    terms: Vec<String>,
    pub(super) values: Vec<Value>,
}

impl Found {
    /// For a query, between two places.
    pub(super) fn of(blind: &Blind, query: &SearchQuery, after: u64, up_to: u64) -> Result<Self, StoreError> {
        let all_of: Vec<&[Token]> = query.all_of.iter().map(Vec::as_slice).collect();
        let places = (bound(after), bound(up_to));
        Self::new(blind, &query.compartment, &query.kind, &all_of, places, query.updated)
    }

    fn new(
        blind: &Blind,
        compartment: &Compartment,
        kind: &str,
        all_of: &[&[Token]],
        (after, up_to): (i64, i64),
        updated: UpdatedRange,
    ) -> Result<Self, StoreError> {
        let owner = compartment.owner.key();
        let values = vec![compartment.tenant.0.clone().into(), owner.into(), kind.to_owned().into()];
        let mut found = Self { tables: "resource_current c", place: "c.place", terms: Vec::new(), values };
        found.terms.push("c.erased = 0".to_owned());
        let leader = leader(all_of);
        found.lead(blind, leader.and_then(|at| all_of.get(at)).copied());
        found.compare(found.place, ">", after.into());
        found.compare(found.place, "<=", up_to.into());
        for (_, any_of) in all_of.iter().enumerate().filter(|(at, _)| Some(*at) != leader) {
            found.any_of(blind, any_of);
        }
        if let Some(from) = updated.from {
            found.compare("c.updated", ">=", micros(canonical::instant(from))?.into());
        }
        if let Some(to) = updated.to {
            found.compare("c.updated", "<=", micros(canonical::instant(to))?.into());
        }
        Ok(found)
    }

    /// The criterion that leads. Tokens name tenant, owner and kind themselves.
    fn lead(&mut self, blind: &Blind, any_of: Option<&[Token]>) {
        let term = match any_of {
            Some([token]) => {
                // CROSS keeps SQLite from turning the order round.
                self.tables = "token t CROSS JOIN resource_current c ON c.place = t.place";
                self.place = "t.place";
                self.token(blind, "t", token)
            }
            Some(tokens) => {
                let places = tokens
                    .iter()
                    .map(|token| format!("SELECT t.place FROM token t WHERE {}", self.token(blind, "t", token)));
                let places: Vec<_> = places.collect();
                format!("c.place IN ({})", places.join(" UNION ALL "))
            }
            None => "c.tenant = ?1 AND c.owner = ?2 AND c.kind = ?3".to_owned(),
        };
        self.terms.push(term);
    }

    /// A criterion that is looked up for each row. Nothing carries one of no tokens.
    fn any_of(&mut self, blind: &Blind, tokens: &[Token]) {
        let carries = tokens.iter().map(|token| {
            format!("EXISTS (SELECT 1 FROM token x WHERE {} AND x.place = c.place)", self.token(blind, "x", token))
        });
        let carries: Vec<_> = carries.collect();
        self.terms.push(if carries.is_empty() { "0".to_owned() } else { format!("({})", carries.join(" OR ")) });
    }

    fn token(&mut self, blind: &Blind, table: &str, token: &Token) -> String {
        let parameter = self.value(token.parameter.clone().into());
        let value = self.value(blind.value(token).into());
        format!(
            "{table}.tenant = ?1 AND {table}.owner = ?2 AND {table}.kind = ?3 AND {table}.parameter = ?{parameter} \
             AND {table}.value = ?{value}"
        )
    }

    fn compare(&mut self, column: &str, comparison: &str, value: Value) {
        let number = self.value(value);
        self.terms.push(format!("{column} {comparison} ?{number}"));
    }

    fn value(&mut self, value: Value) -> usize {
        self.values.push(value);
        self.values.len()
    }

    /// The statement of a page.
    pub(super) fn page(&mut self, limit: i64) -> String {
        let limit = self.value(limit.into());
        format!(
            "SELECT {VERSION}, c.id, c.place
             FROM {} CROSS JOIN resource_version v ON v.place = c.place AND v.version = c.version
             CROSS JOIN subject_key k ON k.id = c.sealed_by
             WHERE {} ORDER BY {} LIMIT ?{limit}",
            self.tables,
            self.terms.join(" AND "),
            self.place
        )
    }

    /// The statement of the total.
    pub(super) fn count(&self) -> String {
        format!("SELECT count(*) FROM {} WHERE {}", self.tables, self.terms.join(" AND "))
    }

    fn versions(&self) -> String {
        format!("SELECT c.id, c.version FROM {} WHERE {}", self.tables, self.terms.join(" AND "))
    }

    fn ids(&mut self, limit: i64) -> String {
        let limit = self.value(limit.into());
        let (tables, terms) = (self.tables, self.terms.join(" AND "));
        format!("SELECT c.id FROM {tables} WHERE {terms} ORDER BY {} LIMIT ?{limit}", self.place)
    }
}

/// Which criterion leads: one token before several, none that is coarse. Several coarse ones never do: the index by type
/// is as good.
fn leader(all_of: &[&[Token]]) -> Option<usize> {
    let rank = |any_of: &[Token]| match any_of {
        [token] if token.parameter != COARSE => Some(0),
        [_, ..] if any_of.iter().all(|token| token.parameter != COARSE) => Some(1),
        [_] => Some(2),
        _ => None,
    };
    let ranked = all_of.iter().enumerate().filter_map(|(at, any_of)| Some((rank(any_of)?, at)));
    ranked.min().map(|(_, at)| at)
}
