//! FHIR R4 `ConceptMap` (<https://hl7.org/fhir/R4/conceptmap.html>) as a lookup from code to code.
//!
//! A map says what it does with a code that it does not list (`group.unmapped`); where it says nothing, the lookup is a
//! named error and never a guess. What this reader cannot honour (`dependsOn`, `product`, `other-map`) is refused when
//! the map is loaded, because half a rule is a wrong rule.

mod rows;
mod wire;

pub use rows::MapRow;

use serde::Deserialize;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::Arc;

/// How near a target is to its source: R4 `concept-map-equivalence`, read from target to source ("target is wider").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Equivalence {
    /// Related in an unstated way.
    RelatedTo,
    /// Same meaning.
    Equivalent,
    /// Same meaning, defined identically.
    Equal,
    /// The target means more.
    Wider,
    /// The target's meaning takes the source's in.
    Subsumes,
    /// The target means less.
    Narrower,
    /// The target is a kind of the source.
    Specializes,
    /// They overlap.
    Inexact,
    /// Nothing corresponds.
    Unmatched,
    /// Stated not to be the same.
    Disjoint,
}

impl Equivalence {
    /// True if a target of this kind may be used as the translation.
    #[must_use]
    pub const fn is_match(self) -> bool {
        !matches!(self, Self::Unmatched | Self::Disjoint)
    }
}

/// One target of a source code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Target code system (`group.target`); shared by all rows of a group, of which there may be very many.
    pub system: Option<Arc<str>>,
    /// Target code; absent only for [`Equivalence::Unmatched`].
    pub code: Option<String>,
    /// Words for people, if the map has them.
    pub display: Option<String>,
    /// How near it is.
    pub equivalence: Equivalence,
}

/// What a code is translated to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    /// Targets in the map's order.
    pub matches: Vec<Match>,
    /// True if the code is not listed and `group.unmapped` answered.
    pub by_unmapped_rule: bool,
}

impl Translation {
    /// The first target code that may be used; `None` if the map lists the code and says that nothing corresponds.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.matches.iter().filter(|found| found.equivalence.is_match()).find_map(|found| found.code.as_deref())
    }
}

/// What a map says of one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'m> {
    /// A row lists it.
    Row {
        /// The first target code that may be used, if there is one.
        code: Option<&'m str>,
        /// How near it is.
        equivalence: Equivalence,
        /// Index of the group.
        group: u32,
        /// Index of the row in its group.
        element: u32,
    },
    /// The map's rule for codes that it does not list answers.
    Rule {
        /// The code that stands for all others; absent where the source code itself is to be passed on.
        code: Option<&'m str>,
    },
}

/// Why a code has no translation. The code itself is named: codes of a code system are no patient data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotMapped {
    /// No group of the map has this source system.
    #[error("the map has no group for the code system {system}")]
    System {
        /// Code system that was asked for.
        system: String,
    },
    /// The group does not list the code and has no `unmapped` rule.
    #[error("the map does not list {system}|{code} and has no rule for unmapped codes")]
    Code {
        /// Code system that was asked for.
        system: String,
        /// Code that was asked for.
        code: String,
    },
}

/// Why a map was not loaded, with the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Not JSON, or an element of the wrong JSON type or code.
    #[error("line {line}, column {column}: {problem}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What the parser says.
        problem: String,
    },
    /// An element that R4 or this lookup needs is missing or has no acceptable value.
    #[error("{place}: {problem}")]
    Invalid {
        /// Element path with indexes.
        place: String,
        /// What is wrong and what would mend it.
        problem: &'static str,
    },
    /// The same source code twice: which row holds would be chance.
    #[error("{place}: the code {code} was mapped before, at {first}")]
    Duplicate {
        /// Element path of the second row.
        place: String,
        /// Element path of the first row.
        first: String,
        /// The code.
        code: String,
    },
}

/// A loaded map.
#[derive(Debug, Clone)]
pub struct ConceptMap {
    url: Option<String>,
    sources: BTreeMap<String, Source>,
}

/// All rows of one source system.
#[derive(Debug, Clone, Default)]
struct Source {
    rows: BTreeMap<String, Row>,
    unmapped: Option<Unmapped>,
}

#[derive(Debug, Clone)]
struct Row {
    place: Place,
    matches: Vec<Match>,
}

#[derive(Debug, Clone)]
enum Unmapped {
    Provided { system: Option<Arc<str>> },
    Fixed(Match),
}

/// Where a row stands; printed only when it is complained of.
#[derive(Debug, Clone, Copy)]
struct Place {
    group: usize,
    element: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "group[{}].element[{}]", self.group, self.element)
    }
}

impl ConceptMap {
    /// Reads a map from JSON text.
    ///
    /// # Errors
    /// [`LoadError`] naming line and column, or the element's path.
    pub fn load(json: &str) -> Result<Self, LoadError> {
        let read: wire::ConceptMap = serde_json::from_str(json).map_err(|error| LoadError::Json {
            line: error.line(),
            column: error.column(),
            problem: error.to_string(),
        })?;
        if read.resource_type != "ConceptMap" {
            return Err(invalid("resourceType".to_owned(), "must be ConceptMap"));
        }
        let mut map = Self { url: read.url, sources: BTreeMap::new() };
        for (index, group) in read.group.into_iter().enumerate() {
            map.add_group(index, group)?;
        }
        Ok(map)
    }

    /// `ConceptMap.url`, by which explanations name the map.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Number of source codes that the map lists.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sources.values().map(|source| source.rows.len()).sum()
    }

    /// True if no code is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The code systems that it translates from, in alphabetical order.
    #[must_use]
    pub fn source_systems(&self) -> Vec<&str> {
        let mut systems: Vec<&str> = self.sources.keys().map(String::as_str).collect();
        systems.sort_unstable();
        systems
    }

    /// Every source code with its system, in no order.
    pub fn codes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sources
            .iter()
            .flat_map(|(system, source)| source.rows.keys().map(move |code| (system.as_str(), code.as_str())))
    }

    /// Every code that a translation can give, in no order and perhaps more than once.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.sources.values().flat_map(|source| {
            let rows = source.rows.values().flat_map(|row| row.matches.iter());
            let used = rows.filter(|found| found.equivalence.is_match()).filter_map(|found| found.code.as_deref());
            used.chain(match &source.unmapped {
                Some(Unmapped::Fixed(found)) => found.code.as_deref(),
                _ => None,
            })
        })
    }

    /// What `code` of `source_system` means in the target system.
    ///
    /// # Errors
    /// [`NotMapped`] where the map says nothing of the code, neither by a row nor by `group.unmapped`.
    pub fn translate(&self, source_system: &str, code: &str) -> Result<Translation, NotMapped> {
        let Some(source) = self.sources.get(source_system) else {
            return Err(NotMapped::System { system: source_system.to_owned() });
        };
        if let Some(row) = source.rows.get(code) {
            return Ok(Translation { matches: row.matches.clone(), by_unmapped_rule: false });
        }
        let found = match &source.unmapped {
            Some(Unmapped::Fixed(found)) => found.clone(),
            Some(Unmapped::Provided { system }) => Match {
                system: system.clone(),
                code: Some(code.to_owned()),
                display: None,
                equivalence: Equivalence::RelatedTo,
            },
            None => return Err(NotMapped::Code { system: source_system.to_owned(), code: code.to_owned() }),
        };
        Ok(Translation { matches: vec![found], by_unmapped_rule: true })
    }

    /// As [`ConceptMap::translate`], borrowed and with the place of the row, for a caller that translates often. A row
    /// whose targets all say that nothing corresponds has no code.
    #[must_use]
    pub fn find(&self, source_system: &str, code: &str) -> Option<Found<'_>> {
        let source = self.sources.get(source_system)?;
        if let Some(row) = source.rows.get(code) {
            let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
            let usable = row.matches.iter().find(|found| found.equivalence.is_match() && found.code.is_some());
            return Some(Found::Row {
                code: usable.and_then(|found| found.code.as_deref()),
                equivalence: usable.map_or(Equivalence::Unmatched, |found| found.equivalence),
                group: small(row.place.group),
                element: small(row.place.element),
            });
        }
        match source.unmapped.as_ref()? {
            Unmapped::Fixed(found) => Some(Found::Rule { code: found.code.as_deref() }),
            Unmapped::Provided { .. } => Some(Found::Rule { code: None }),
        }
    }

    fn add_group(&mut self, index: usize, group: wire::Group) -> Result<(), LoadError> {
        let Some(system) = group.source else {
            return Err(invalid(
                format!("group[{index}].source"),
                "is missing: a code means nothing without its system",
            ));
        };
        let source = self.sources.entry(system).or_default();
        let target_system: Option<Arc<str>> = group.target.map(Arc::from);
        for (element, row) in group.element.into_iter().enumerate() {
            let place = Place { group: index, element };
            let Some(code) = row.code else {
                return Err(invalid(format!("{place}.code"), "is missing"));
            };
            let matches = row
                .target
                .into_iter()
                .enumerate()
                .map(|(at, target)| target.into_match(target_system.as_ref(), || format!("{place}.target[{at}]")))
                .collect::<Result<Vec<_>, _>>()?;
            match source.rows.entry(code) {
                Entry::Vacant(free) => free.insert(Row { place, matches }),
                Entry::Occupied(taken) => {
                    return Err(LoadError::Duplicate {
                        place: place.to_string(),
                        first: taken.get().place.to_string(),
                        code: taken.key().clone(),
                    });
                }
            };
        }
        let Some(rule) = group.unmapped else { return Ok(()) };
        let place = format!("group[{index}].unmapped");
        if source.unmapped.is_some() {
            return Err(invalid(place, "another group of the same source has a rule for unmapped codes already"));
        }
        source.unmapped = Some(rule.into_rule(target_system, place)?);
        Ok(())
    }
}

fn invalid(place: String, problem: &'static str) -> LoadError {
    LoadError::Invalid { place, problem }
}

#[cfg(test)]
mod tests;
