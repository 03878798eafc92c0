//! Mutation: each rule is broken in turn, and the fixtures are asked whether they notice.
//!
//! A rule that can be broken without a fixture noticing is a rule that nobody proves. Rules are broken in the compiled
//! program, in memory, and mended again, so that hundreds of mutants take less than a compilation each.

mod change;
mod codes;
pub(crate) mod walk;

pub(crate) use codes::map_of;

use super::Place;
use super::case::Case;
use super::compare::same;
use super::run::run_guarded;
use crate::adapter::Made;
use crate::manifest::EquivalentMutant;
use adapter_contract::{Descriptor, StatusRow, TaskStatus};
use change::{Change, Constants, toggle};
use codes::CodeMutant;
use mappings::program::Program;
use std::collections::{BTreeMap, BTreeSet};
use std::mem::swap;
use walk::walk;

/// A mutant that no fixture noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Survivor {
    /// What the broken rule fills.
    pub(crate) target: String,
    /// How it was broken.
    pub(crate) change: String,
    /// Where it stands.
    pub(crate) place: Place,
}

/// What became of all mutants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Score {
    /// Mutants, without those that are declared to be equivalent.
    pub(crate) mutants: usize,
    /// Those that a fixture noticed.
    pub(crate) noticed: usize,
    /// Declared to be equivalent.
    pub(crate) equivalent: usize,
    /// Those that nobody noticed.
    pub(crate) survivors: Vec<Survivor>,
    /// Declarations that are wrong, with their line: there is no such mutant, or a fixture notices it.
    pub(crate) stale: Vec<(u32, String)>,
}

/// One way to break an adapter.
struct Mutant {
    target: String,
    words: String,
    place: Place,
    kind: Kind,
}

enum Kind {
    /// The spot of this number.
    Spot(usize, Box<Change>),
    /// A row of a concept map.
    Code(CodeMutant),
    /// A row of the status table: another in its place.
    Status(usize, StatusRow),
}

/// Breaks every rule. The program is as it was afterwards.
pub(crate) fn score(
    program: &mut Program,
    descriptor: &mut Descriptor,
    cases: &[Case],
    declared: &[EquivalentMutant],
) -> Score {
    let mut score = Score::default();
    let mut found: BTreeSet<(String, String)> = BTreeSet::new();
    for mut mutant in mutants(program, descriptor) {
        flip(program, descriptor, &mut mutant.kind);
        let subject = Made { descriptor, program, seen: None };
        let noticed =
            cases.iter().any(|case| run_guarded(case, &subject).map_or(true, |seen| !same(&seen, &case.expected)));
        flip(program, descriptor, &mut mutant.kind);
        let name = (mutant.target, mutant.words);
        let declaration = declared.iter().find(|one| (&one.target, &one.change) == (&name.0, &name.1));
        found.insert(name.clone());
        match (declaration, noticed) {
            (Some(declaration), true) => {
                score.stale.push((declaration.line, "a fixture notices this mutant: it is not equivalent".to_owned()));
            }
            (Some(_), false) => {
                score.equivalent += 1;
                continue;
            }
            (None, true) => {}
            (None, false) => {
                let (target, change) = name;
                score.survivors.push(Survivor { target, change, place: mutant.place });
            }
        }
        score.mutants += 1;
        score.noticed += usize::from(noticed);
    }
    for one in declared {
        if !found.contains(&(one.target.clone(), one.change.clone())) {
            score.stale.push((one.line, "there is no such mutant (any more)".to_owned()));
        }
    }
    score.survivors.sort_by_key(|one| one.place);
    score
}

/// Breaks, or mends.
fn flip(program: &mut Program, descriptor: &mut Descriptor, kind: &mut Kind) {
    match kind {
        Kind::Spot(wanted, change) => {
            let mut number = 0;
            walk(program, &mut |_, spot| {
                if number == *wanted {
                    toggle(spot, change);
                }
                number += 1;
            });
        }
        Kind::Code(mutant) => mutant.flip(program),
        Kind::Status(at, other) => descriptor.statuses.get_mut(*at).into_iter().for_each(|row| swap(row, other)),
    }
}

fn mutants(program: &mut Program, descriptor: &Descriptor) -> Vec<Mutant> {
    let constants = Constants::new();
    let mut all = Vec::new();
    let mut number = 0;
    walk(program, &mut |here, spot| {
        for (words, change) in constants.changes(here, &spot) {
            let kind = Kind::Spot(number, Box::new(change));
            all.push(Mutant { target: here.target.clone(), words, place: here.place.into(), kind });
        }
        number += 1;
    });
    for (words, mutant) in codes::mutants(program) {
        let target = format!("concept-maps.{}", mutant.name);
        all.push(Mutant { target, words, place: mutant.place.into(), kind: Kind::Code(mutant) });
    }
    for (at, row) in descriptor.statuses.iter().enumerate() {
        for (words, other) in status_changes(row) {
            let target = format!("statuses.{}", row.platform);
            let (words, kind) = (words.to_owned(), Kind::Status(at, other));
            all.push(Mutant { target, words, place: Place::Status(at), kind });
        }
    }
    numbered(&mut all);
    all
}

/// Another status, another business status, and a word that no platform says.
fn status_changes(row: &StatusRow) -> [(&'static str, StatusRow); 3] {
    let status = match row.status {
        Some(TaskStatus::InProgress) | None => Some(TaskStatus::Accepted),
        Some(_) => Some(TaskStatus::InProgress),
    };
    let business = if row.business_status == "seen" { "sent" } else { "seen" };
    [
        ("status changed", StatusRow { status, ..row.clone() }),
        ("business status changed", StatusRow { business_status: business.to_owned(), ..row.clone() }),
        ("row removed", StatusRow { platform: "\u{0}".to_owned(), ..row.clone() }),
    ]
}

/// Two changes of one target that are said alike get numbers, so that each can be named.
fn numbered(all: &mut [Mutant]) {
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    for mutant in all {
        let count = seen.entry((mutant.target.clone(), mutant.words.clone())).or_default();
        *count += 1;
        if *count > 1 {
            mutant.words = format!("{} ({count})", mutant.words);
        }
    }
}

#[cfg(test)]
mod tests;
