//! Coverage: how much of a mapping the fixtures exercise. Fields that were filled, conditions that held and did not hold,
//! meanings of answers, rows of code maps, status words.
//!
//! It says what was reached, not whether anybody looked at the result; for that there are mutants.

use super::Place;
use super::case::Case;
use super::mutate::walk::{Here, Spot, walk};
use super::run::run_guarded;
use crate::adapter::{Made, Seen, Watcher};
use adapter_contract::Descriptor;
use mappings::ConceptMap;
use mappings::fhirpath::Expression;
use mappings::program::{self, PathPart, Program, RuleId, Unmapped};
use mappings::run::Watch;
use std::sync::Arc;

/// Most rows of one map that are counted; a longer one wants a `codes` case.
const MOST_ROWS: usize = 250;

/// Kinds of things that can be exercised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// A field of a target, or a part of a path.
    Field,
    /// A condition, each way.
    Condition,
    /// A meaning of an answer.
    Outcome,
    /// A row of a code map.
    CodeRow,
    /// A row of the status table.
    Status,
}

impl Part {
    /// All, in the order in which they are told.
    pub(crate) const ALL: [Self; 5] = [Self::Field, Self::Condition, Self::Outcome, Self::CodeRow, Self::Status];

    /// For people.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Field => "fields",
            Self::Condition => "conditions, both ways",
            Self::Outcome => "meanings of answers",
            Self::CodeRow => "rows of code maps",
            Self::Status => "statuses",
        }
    }
}

/// Something that can be exercised, and whether it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) part: Part,
    /// What it is, in words.
    pub(crate) target: String,
    pub(crate) place: Place,
    pub(crate) reached: bool,
}

/// Everything that can be exercised.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Coverage {
    pub(crate) points: Vec<Point>,
}

impl Coverage {
    /// How many points of a kind were reached, and how many there are.
    pub(crate) fn of(&self, part: Part) -> (usize, usize) {
        let all = self.points.iter().filter(|point| point.part == part);
        all.fold((0, 0), |(reached, all), point| (reached + usize::from(point.reached), all + 1))
    }

    /// The same for all kinds together.
    pub(crate) fn total(&self) -> (usize, usize) {
        (self.points.iter().filter(|point| point.reached).count(), self.points.len())
    }
}

/// Runs all cases and says what they reached. The program is only looked at.
pub(crate) fn coverage(program: &mut Program, descriptor: &Descriptor, cases: &[Case]) -> Coverage {
    let seen = Watcher::default();
    let subject = Made { descriptor, program, seen: Some(&seen) };
    for case in cases {
        // What a case that panics has reached does not count for less.
        let _ = run_guarded(case, &subject);
    }
    let seen = seen.into_seen();
    let mut points = Vec::new();
    let mut maps: Vec<Map> = Vec::new();
    walk(program, &mut |here, spot| {
        let mut add = |part, target: String, reached| {
            points.push(Point { part, target, place: here.place.into(), reached });
        };
        match &spot {
            Spot::Value(value) => {
                add(Part::Field, here.target.clone(), seen.watch.followed(value.rule));
                if let Some(rule) = &value.map {
                    let answers = matches!(rule.unmapped, Unmapped::Keep | Unmapped::Code(_));
                    if answers {
                        let target = format!("{}: a code that {} does not list", here.target, rule.name);
                        add(Part::CodeRow, target, seen.watch.mapped(value.rule, None));
                    }
                    note(&mut maps, here, &rule.name, &rule.map, value.rule);
                }
            }
            Spot::Lines(lines) => add(Part::Field, here.target.clone(), seen.watch.followed(lines.rule)),
            Spot::Copy(rule, _) => add(Part::Field, here.target.clone(), seen.watch.followed(*rule)),
            Spot::Part(PathPart::Value(rule, _)) => {
                add(Part::Field, here.target.clone(), seen.watch.followed(*rule));
            }
            Spot::Outcome(outcome) => add(Part::Outcome, here.target.clone(), seen.watch.followed(outcome.rule)),
            Spot::Condition(condition) => both_ways(here, condition, &seen.watch, &mut add),
            Spot::When(Some(condition)) | Spot::More(Some(condition)) => {
                both_ways(here, condition, &seen.watch, &mut add)
            }
            _ => {}
        }
    });
    points.extend(maps.iter().flat_map(|map| map.points(&seen)));
    points.extend(descriptor.statuses.iter().enumerate().map(|(at, row)| Point {
        part: Part::Status,
        target: format!("statuses.{}", row.platform),
        place: Place::Status(at),
        reached: seen.statuses.contains(&row.platform),
    }));
    Coverage { points }
}

fn both_ways(here: &Here, condition: &Expression, watch: &Watch, add: &mut dyn FnMut(Part, String, bool)) {
    // What stands there as a literal has one way only.
    if matches!(condition.text(), "true" | "false") {
        return;
    }
    for (held, words) in [(true, "holds"), (false, "does not hold")] {
        add(Part::Condition, format!("{}: `{}` {words}", here.target, condition.text()), watch.gave(condition, held));
    }
}

/// A code map, and the rules that use it.
struct Map {
    name: String,
    place: Option<program::Place>,
    map: Arc<ConceptMap>,
    rules: Vec<RuleId>,
}

fn note(maps: &mut Vec<Map>, here: &Here, name: &str, map: &Arc<ConceptMap>, rule: RuleId) {
    match maps.iter_mut().find(|known| Arc::ptr_eq(&known.map, map)) {
        Some(known) => known.rules.push(rule),
        None => maps.push(Map { name: name.to_owned(), place: here.place, map: Arc::clone(map), rules: vec![rule] }),
    }
}

impl Map {
    fn points(&self, seen: &Seen) -> Vec<Point> {
        let whole = seen.maps.contains(&self.name);
        let row = |row: mappings::MapRow<'_>| Point {
            part: Part::CodeRow,
            target: format!("concept-maps.{}: {}", self.name, row.code),
            place: self.place.into(),
            reached: whole || self.rules.iter().any(|rule| seen.watch.mapped(*rule, Some(row.place))),
        };
        self.map.rows().into_iter().take(MOST_ROWS).map(row).collect()
    }
}
