//! Search over current resources in creation order, as a statement. One criterion leads, through the token table's key or
//! the index by type; the others are looked up for each row that it finds.

use super::blind::Blind;
use super::rows::VERSION;
use super::values::{bound, micros};
use super::{SearchQuery, StoreError, UpdatedRange, canonical};
use gateway_core::identity::Compartment;
use gateway_core::resource::{ID, Token};

/// Everything of a kind has one of a few statuses, so this parameter leads only if nothing else can.
const COARSE: &str = "status";

/// What a parameter of a statement stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Text.
    Text(String),
    /// A number.
    Integer(i64),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

/// The place of the newest of a type.
pub(super) const NEWEST: &str =
    "SELECT ifnull(max(place), 0) FROM resource_current WHERE tenant = ?1 AND owner = ?2 AND kind = ?3";

/// Everything of a kind in a compartment.
const OF_KIND: &str = "c.tenant = ?1 AND c.owner = ?2 AND c.kind = ?3";

/// The `FROM` and `WHERE` of a search, and the values of its parameters. The first three are tenant, owner and kind.
pub(super) struct Found {
    owner: String,
    kind: String,
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

    /// For criteria, between two places.
    pub(super) fn new(
        blind: &Blind,
        compartment: &Compartment,
        kind: &str,
        all_of: &[&[Token]],
        (after, up_to): (i64, i64),
        updated: UpdatedRange,
    ) -> Result<Self, StoreError> {
        let owner = compartment.owner.key();
        let values = vec![compartment.tenant.0.clone().into(), owner.clone().into(), kind.to_owned().into()];
        let (tables, place, kind) = ("resource_current c", "c.place", kind.to_owned());
        let mut found = Self { owner, kind, tables, place, terms: Vec::new(), values };
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

    /// The criterion that leads. What is hidden of a token names owner and kind itself.
    fn lead(&mut self, blind: &Blind, any_of: Option<&[Token]>) {
        let term = match any_of {
            Some([token]) if token.parameter != ID => {
                // CROSS keeps SQLite from turning the order round.
                self.tables = "token t CROSS JOIN resource_current c ON c.place = t.place";
                self.place = "t.place";
                self.token(blind, "t", token)
            }
            Some(tokens) => {
                let places: Vec<_> = tokens.iter().map(|token| self.places(blind, token)).collect();
                format!("c.place IN ({})", places.join(" UNION ALL "))
            }
            None => OF_KIND.to_owned(),
        };
        self.terms.push(term);
    }

    /// A criterion that is looked up for each row. Nothing carries one of no tokens.
    fn any_of(&mut self, blind: &Blind, tokens: &[Token]) {
        let carries = tokens.iter().map(|token| {
            if token.parameter == ID {
                return self.named("c", token);
            }
            format!("EXISTS (SELECT 1 FROM token x WHERE {} AND x.place = c.place)", self.token(blind, "x", token))
        });
        let carries: Vec<_> = carries.collect();
        self.terms.push(if carries.is_empty() { "1 = 0".to_owned() } else { format!("({})", carries.join(" OR ")) });
    }

    /// The statement of the places of what carries a token.
    fn places(&mut self, blind: &Blind, token: &Token) -> String {
        if token.parameter == ID {
            return format!(
                "SELECT n.place FROM resource_current n
                 WHERE n.tenant = ?1 AND n.owner = ?2 AND n.kind = ?3 AND {}",
                self.named("n", token)
            );
        }
        format!("SELECT t.place FROM token t WHERE {}", self.token(blind, "t", token))
    }

    fn named(&mut self, table: &str, token: &Token) -> String {
        let id = self.value(token.value.clone().into());
        format!("{table}.id = ?{id}")
    }

    fn token(&mut self, blind: &Blind, table: &str, token: &Token) -> String {
        let value = self.value(blind.value(&self.owner, &self.kind, token).into());
        format!("{table}.tenant = ?1 AND {table}.value = ?{value}")
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

    /// The statement of ids and versions.
    pub(super) fn versions(&self) -> String {
        format!("SELECT c.id, c.version FROM {} WHERE {}", self.tables, self.terms.join(" AND "))
    }

    /// The statement of ids.
    pub(super) fn ids(&mut self, limit: i64) -> String {
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
