//! Proves an adapter folder: its fixtures, what they exercise, and whether they would notice if a rule were broken.
//!
//! Reads a folder that was read whole ([`Folder::read_all`]); writes nothing itself: files to be written for review are
//! handed back.

mod case;
mod compare;
mod coverage;
mod mutate;
mod referral;
mod run;
mod show;
pub(crate) mod wire;

use crate::adapter::Made;
use crate::fault::Fault;
use crate::folder::{FIXTURES, Folder, MANIFEST};
use crate::load::{Parts, parts};
use crate::manifest::Manifest;
use adapter_contract::{StatusRow, TaskStatus};
use case::Case;
use compare::{Comparison, compare};
use coverage::Part;
use mappings::program::{self, Program};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Least percentage of coverage, and of mutants that are noticed, with which a folder passes.
pub const LEAST_PERCENT: usize = 90;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Checked {
    /// The adapter's name; the folder's if its manifest cannot be read.
    pub name: String,
    /// Its version with the hash of the folder; empty if it does not load.
    pub version: String,
    /// What is wrong with manifest, mapping, concept maps and fixture files. If manifest or mapping do not load, nothing
    /// else could be checked.
    pub faults: Vec<Fault>,
    /// What should be looked at.
    pub warnings: Vec<Fault>,
    /// The data need, as a page to sign.
    pub page: String,
    /// The status table.
    pub statuses: Vec<StatusLine>,
    /// One for each fixture.
    pub cases: Vec<CaseLine>,
    /// How much the fixtures exercise.
    pub coverage: Ratio,
    /// The same by kind.
    pub coverage_parts: Vec<(String, Ratio)>,
    /// What no fixture exercises.
    pub not_covered: Vec<Line>,
    /// How many broken rules the fixtures notice.
    pub mutation: Ratio,
    /// Mutants that the manifest declares to change nothing.
    pub equivalent_mutants: usize,
    /// Broken rules that no fixture notices.
    pub survivors: Vec<Line>,
    /// Whether everything was checked: faults of fixture files and failing cases leave coverage and mutants out.
    pub complete: bool,
    /// Files that `--update` writes, with their content.
    #[serde(skip)]
    pub writes: Vec<(String, String)>,
}

/// A row of the status table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StatusLine {
    /// The platform's word.
    pub platform: String,
    /// What it means.
    pub status: Option<TaskStatus>,
    /// Business status.
    pub business_status: String,
    /// Whether a fixture has it.
    pub in_fixtures: bool,
}

/// What became of one fixture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CaseLine {
    /// Its folder.
    pub name: String,
    /// Whether everything was as expected.
    pub passed: bool,
    /// What was not, in words.
    pub problems: Vec<String>,
}

/// So many of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Ratio {
    /// How many.
    pub of: usize,
    /// Of how many.
    pub all: usize,
}

impl Ratio {
    /// In whole percents, rounded down; of nothing, all.
    #[must_use]
    pub fn percent(self) -> usize {
        (self.of * 100).checked_div(self.all).unwrap_or(100)
    }

    fn is_enough(self) -> bool {
        self.percent() >= LEAST_PERCENT
    }
}

/// A rule, and what is to be said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Line {
    /// `mapping.yaml:41`; empty where no line says it.
    pub place: String,
    /// What the rule fills.
    pub target: String,
    /// What was done to it, or what is missing.
    pub what: String,
}

impl Checked {
    /// Whether the folder may be used, and is proved.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.faults.is_empty()
            && self.complete
            && !self.cases.is_empty()
            && self.cases.iter().all(|case| case.passed)
            && self.coverage.is_enough()
            && self.mutation.is_enough()
    }
}

/// Which requirements the adapter answers for.
const CONFORMANCE: &str = "conformance.toml";

/// Checks a folder that was read whole.
#[must_use]
pub fn check(folder: &Folder) -> Checked {
    let mut checked = Checked { name: folder.name().to_owned(), ..Checked::default() };
    let mut parts = match parts(folder) {
        Ok(parts) => parts,
        Err(faults) => {
            checked.faults = faults;
            return checked;
        }
    };
    checked.version.clone_from(&parts.descriptor.version);
    checked.warnings.append(&mut parts.warnings);
    checked.warnings.extend(papers(folder));
    checked.page = mappings::read_set::page(&parts.program);
    match case::read_all(folder) {
        Ok(cases) => fixtures(&mut checked, parts, &cases),
        Err(faults) => checked.faults = faults,
    }
    checked
}

/// `conformance.toml`: which requirement is shown where, and against what the adapter was tested. Nothing here reads more of it than that
/// it is whole.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Claims {
    adapter: BTreeMap<String, String>,
    gateway: BTreeMap<String, String>,
    not_applicable: BTreeMap<String, String>,
    tested: Option<Tested>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(dead_code, reason = "it is read to be checked")]
struct Tested {
    against: String,
    real: bool,
    tests: Vec<String>,
}

/// What people need beside the machine.
fn papers(folder: &Folder) -> Vec<Fault> {
    let wanted = [
        ("README.md", "README.md is missing: say what is carried, what is not, and which settings there are"),
        (CONFORMANCE, "conformance.toml is missing: say for each AD-* requirement where it is shown"),
    ];
    let missing = wanted.into_iter().filter(|(file, _)| folder.get(file).is_none());
    let mut faults: Vec<Fault> = missing.map(|(file, words)| Fault::of_file(file, words)).collect();
    let text = folder.get(CONFORMANCE).map(String::from_utf8_lossy).unwrap_or_default();
    if let Err(error) = toml::from_str::<Claims>(&text) {
        let at = error.span().map_or(0, |span| span.start);
        let fault = Fault::at(CONFORMANCE, &text, at, error.message());
        faults.push(
            fault.mend(
                "write [adapter], [gateway] and [not-applicable], each with lines of AD-… = \"where it is shown\"; and [tested] with \
                 `against`, `real` and `tests`, or leave that out",
            ),
        );
    }
    faults
}

fn fixtures(checked: &mut Checked, parts: Parts, cases: &[Case]) {
    let Parts { mut program, mut descriptor, manifest, .. } = parts;
    for case in cases {
        let made = Made { descriptor: &descriptor, program: &program, seen: None };
        let line = one(case, made, &mut checked.writes);
        checked.cases.push(line);
    }
    let covered = coverage::coverage(&mut program, &descriptor, cases);
    let ratio = |(of, all)| Ratio { of, all };
    checked.coverage = ratio(covered.total());
    checked.coverage_parts =
        Part::ALL.into_iter().map(|part| (part.name().to_owned(), ratio(covered.of(part)))).collect();
    checked.statuses = statuses(&descriptor.statuses, &covered);
    let missed = covered.points.iter().filter(|point| !point.reached);
    let places = Places { program: &program, manifest: &manifest };
    checked.not_covered = missed.map(|point| places.line(point.place, &point.target, "not exercised")).collect();
    // Broken rules are told from right ones by what the fixtures expect: first they must hold.
    if !checked.cases.iter().all(|case| case.passed) {
        return;
    }
    let score = mutate::score(&mut program, &mut descriptor, cases, &manifest.equivalent);
    checked.mutation = Ratio { of: score.noticed, all: score.mutants };
    checked.equivalent_mutants = score.equivalent;
    let places = Places { program: &program, manifest: &manifest };
    checked.survivors = score.survivors.iter().map(|one| places.line(one.place, &one.target, &one.change)).collect();
    for (line, words) in score.stale {
        let mut fault = Fault::of_file(MANIFEST, words).mend("take the declaration out");
        fault.line = line;
        fault.column = 1;
        checked.faults.push(fault);
    }
    checked.complete = true;
}

fn one(case: &Case, made: Made<'_>, writes: &mut Vec<(String, String)>) -> CaseLine {
    let mut problems = Vec::new();
    match run::run_guarded(case, &made) {
        Err(error) => problems.push(error.to_string()),
        Ok(seen) => {
            let found = compare(&seen, &case.expected);
            for (file, value) in &seen {
                if found.missing.contains_key(file) || found.different.contains_key(file) {
                    writes.push((format!("{FIXTURES}{}/{file}", case.name), compare::pretty(value)));
                }
            }
            problems.extend(words(&found));
            problems.extend(run::promises(case, &made));
        }
    }
    CaseLine { name: case.name.clone(), passed: problems.is_empty(), problems }
}

fn words(found: &Comparison) -> Vec<String> {
    let different = found.different.iter().map(|(file, words)| format!("{file}: {}", words.join("; ")));
    let missing = found
        .missing
        .iter()
        .map(|(file, words)| format!("{file}: nothing is expected yet; seen: {}", words.trim_end()));
    let left = found.left_over.iter().map(|file| format!("{file}: the run gives nothing for this file; remove it"));
    different.chain(missing).chain(left).collect()
}

fn statuses(rows: &[StatusRow], covered: &coverage::Coverage) -> Vec<StatusLine> {
    let line = |row: &StatusRow| StatusLine {
        platform: row.platform.clone(),
        status: row.status,
        business_status: row.business_status.clone(),
        in_fixtures: covered
            .points
            .iter()
            .any(|point| point.part == Part::Status && point.reached && point.target == status_target(row)),
    };
    rows.iter().map(line).collect()
}

fn status_target(row: &StatusRow) -> String {
    format!("statuses.{}", row.platform)
}

/// Where a rule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// On a line of the mapping.
    Mapping(program::Place),
    /// In this row of the manifest's status table.
    Status(usize),
    /// Nowhere in particular.
    Nowhere,
}

impl From<Option<program::Place>> for Place {
    fn from(place: Option<program::Place>) -> Self {
        place.map_or(Self::Nowhere, Self::Mapping)
    }
}

/// Tells where rules stand.
struct Places<'a> {
    program: &'a Program,
    manifest: &'a Manifest,
}

impl Places<'_> {
    fn line(&self, place: Place, target: &str, what: &str) -> Line {
        let place = match place {
            Place::Mapping(place) => {
                let file = self.program.files.get(usize::from(place.file)).map_or("mapping", String::as_str);
                format!("{file}:{}", place.line)
            }
            Place::Status(row) => {
                format!("{MANIFEST}:{}", self.manifest.status_lines.get(row).copied().unwrap_or_default())
            }
            Place::Nowhere => String::new(),
        };
        Line { place, target: target.to_owned(), what: what.to_owned() }
    }
}

impl run::Subject for Made<'_> {
    fn codes(&self, map: &str) -> Option<Value> {
        let found = mutate::map_of(self.program, map)?;
        if let Some(watcher) = self.seen {
            watcher.with(|seen| seen.maps.insert(map.to_owned()));
        }
        let mut all = Map::new();
        for row in found.rows() {
            let target = row.matches.iter().find(|target| target.equivalence.is_match());
            let code = target.and_then(|target| target.code.clone());
            all.insert(format!("{}|{}", row.system, row.code), json!(code));
        }
        Some(Value::Object(all))
    }
}

#[cfg(test)]
mod tests;
