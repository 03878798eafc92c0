//! Search, in the model: every current resource is looked at.

use super::state::State;
use crate::store::{Page, SearchQuery, canonical};
use gateway_core::resource::{ID, ResourceVersion, Token};

/// One page.
pub(super) fn search(state: &State, query: &SearchQuery) -> Page {
    let here = |row: &ResourceVersion| row.key.compartment == query.compartment && row.key.kind == query.kind;
    let newest = || state.places().filter(|(_, row)| here(row)).last().map_or(0, |(place, _)| place);
    let up_to = query.up_to.unwrap_or_else(newest);
    let matching: Vec<_> = state
        .current()
        .filter(|(place, row)| *place <= up_to && here(row) && in_range(row, query))
        .filter(|(_, row)| query.all_of.iter().all(|any_of| any_of.iter().any(|token| carries(row, token))))
        .collect();
    let total = query.count.then_some(matching.len() as u64);
    let mut rest = matching.into_iter().filter(|(place, _)| *place > query.after);
    let rows = rest.by_ref().take(query.limit as usize).map(|(place, row)| (place, row.clone())).collect();
    Page { rows, up_to, more: rest.next().is_some(), total }
}

/// True if this version is found by the token.
pub(super) fn carries(row: &ResourceVersion, token: &Token) -> bool {
    if token.parameter == ID { row.key.id == token.value } else { row.tokens.contains(token) }
}

fn in_range(row: &ResourceVersion, query: &SearchQuery) -> bool {
    let not_before = query.updated.from.is_none_or(|from| row.updated >= canonical::instant(from));
    not_before && query.updated.to.is_none_or(|to| row.updated <= canonical::instant(to))
}
