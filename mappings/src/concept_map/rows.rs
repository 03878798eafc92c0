//! The rows of a map one by one, and a map with one row changed: for tests that ask whether anybody would notice.

use super::{ConceptMap, Match, Row};

impl ConceptMap {
    /// Every row in the map's order: source system, source code, targets.
    #[must_use]
    pub fn rows(&self) -> Vec<(&str, &str, &[Match])> {
        let mut rows: Vec<(&str, &str, &Row)> = Vec::with_capacity(self.len());
        for (system, source) in &self.sources {
            rows.extend(source.rows.iter().map(|(code, row)| (system.as_str(), code.as_str(), row)));
        }
        rows.sort_by_key(|(_, _, row)| (row.place.group, row.place.element));
        rows.into_iter().map(|(system, code, row)| (system, code, row.matches.as_slice())).collect()
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
            map.rows().iter().map(|(system, code, _)| ((*system).to_owned(), (*code).to_owned())).collect();
        assert_eq!(rows.len(), map.len());
        let (system, code) = &rows[0];
        let without = map.with_row(system, code, None);
        assert_eq!(without.len(), map.len() - 1);
        assert!(without.translate(system, code).is_err());
        let targets = map.rows()[1].2.to_vec();
        let changed = map.with_row(system, code, Some(targets.clone()));
        assert_eq!(changed.translate(system, code).unwrap().matches, targets);
        assert_eq!(map.with_row(system, "no such code", Some(targets)).len(), map.len());
        assert_eq!(map.with_row("no such system", code, None).len(), map.len());
    }
}
