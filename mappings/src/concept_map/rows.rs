//! The rows of a map one by one, and a map with one row changed: for tests that ask whether anybody would notice.

use super::{ConceptMap, Match};

/// One row of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapRow<'m> {
    /// Which group, and which element of it, from 0.
    pub place: (u32, u32),
    /// Source system.
    pub system: &'m str,
    /// Source code.
    pub code: &'m str,
    /// Targets.
    pub matches: &'m [Match],
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl ConceptMap {
    /// Every row in the map's order.
    #[must_use]
    pub fn rows(&self) -> Vec<MapRow<'_>> {
        let mut rows: Vec<MapRow<'_>> = Vec::with_capacity(self.len());
        for (system, source) in &self.sources {
            rows.extend(source.rows.iter().map(|(code, row)| MapRow {
                place: (small(row.place.group), small(row.place.element)),
                system,
                code,
                matches: &row.matches,
            }));
        }
        rows.sort_by_key(|row| row.place);
        rows
    }

    /// The same map with other targets in one row, or without the row. A row that does not exist stays so.
    #[must_use]
    pub fn with_row(&self, source_system: &str, code: &str, matches: Option<Vec<Match>>) -> Self {
        let mut map = self.clone();
        if let Some(source) = map.sources.get_mut(source_system) {
            match matches {
                Some(matches) => {
                    if let Some(row) = source.rows.get_mut(code) {
                        row.matches = matches;
                    }
                }
                None => {
                    source.rows.remove(code);
                }
            }
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use crate::{ConceptMap, shared};

    #[test]
    fn a_row_is_changed_or_removed_and_the_rest_stays() {
        let map = ConceptMap::load(shared::GRAVITY_TASK_STATUS).unwrap();
        let rows: Vec<(String, String)> =
            map.rows().iter().map(|row| (row.system.to_owned(), row.code.to_owned())).collect();
        assert_eq!(rows.len(), map.len());
        let (system, code) = &rows[0];
        let without = map.with_row(system, code, None);
        assert_eq!(without.len(), map.len() - 1);
        assert!(without.translate(system, code).is_err());
        let targets = map.rows()[1].matches.to_vec();
        let changed = map.with_row(system, code, Some(targets.clone()));
        assert_eq!(changed.translate(system, code).unwrap().matches, targets);
        assert_eq!(map.with_row(system, "no such code", Some(targets)).len(), map.len());
        assert_eq!(map.with_row("no such system", code, None).len(), map.len());
    }
}
