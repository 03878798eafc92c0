//! The result of a check as text for a terminal.

use super::{Checked, LEAST_PERCENT, Line, Ratio};
use std::fmt::Write as _;

impl Checked {
    /// As text. `page` shows the data need too.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for fault in &self.faults {
            let _ = writeln!(text, "{fault}\n");
        }
        if self.version.is_empty() {
            let _ = writeln!(text, "{}: {}; it does not load.", self.name, count(self.faults.len(), "fault"));
            return text;
        }
        for warning in &self.warnings {
            let _ = writeln!(text, "{}\n", warning.as_warning());
        }
        let _ = writeln!(text, "{}", self.page.trim_end());
        if self.faults.is_empty() {
            self.statuses(&mut text);
            self.cases(&mut text);
            self.scores(&mut text);
        } else {
            let _ =
                writeln!(text, "\nFixtures, coverage and mutants: not tried; first the faults above must be mended");
        }
        let verdict = if self.passed() { "passes" } else { "does not pass" };
        let _ = writeln!(text, "\n{} {}: {verdict}.", self.name, self.version);
        text
    }

    fn statuses(&self, text: &mut String) {
        let _ = writeln!(text, "\nStatus words ({})", self.statuses.len());
        let width = self.statuses.iter().map(|row| row.platform.chars().count()).max().unwrap_or_default();
        for row in &self.statuses {
            let status = row.status.map_or("moves nothing", |status| status.code());
            let fixture = if row.in_fixtures { "" } else { "   no fixture has it" };
            let _ = writeln!(text, "  {:width$}  {status:<16}  {}{fixture}", row.platform, row.business_status);
        }
    }

    fn cases(&self, text: &mut String) {
        let passed = self.cases.iter().filter(|case| case.passed).count();
        let _ = writeln!(text, "\nFixtures: {passed} of {} hold", self.cases.len());
        if self.cases.is_empty() {
            let _ = writeln!(text, "  there is none: add fixtures/<case>/case.json");
        }
        for case in self.cases.iter().filter(|case| !case.passed) {
            let _ = writeln!(text, "  {}", case.name);
            for problem in &case.problems {
                let _ = writeln!(text, "    {problem}");
            }
        }
        if !self.writes.is_empty() {
            let _ = writeln!(text, "  --update writes {} for review", count(self.writes.len(), "file"));
        }
    }

    fn scores(&self, text: &mut String) {
        score(text, "Coverage", self.coverage);
        for (part, ratio) in self.coverage_parts.iter().filter(|(_, ratio)| ratio.all > 0) {
            let _ = writeln!(text, "  {part}: {} of {}", ratio.of, ratio.all);
        }
        lines(text, &self.not_covered);
        if !self.complete {
            let _ = writeln!(text, "\nMutants: not tried; first the fixtures must hold");
            return;
        }
        score(text, "Mutants noticed", self.mutation);
        if self.equivalent_mutants > 0 {
            let _ =
                writeln!(text, "  {} declared in the manifest", count(self.equivalent_mutants, "equivalent mutant"));
        }
        lines(text, &self.survivors);
    }
}

fn score(text: &mut String, name: &str, ratio: Ratio) {
    let less = if ratio.is_enough() { String::new() } else { format!(": less than {LEAST_PERCENT}%") };
    let _ = writeln!(text, "\n{name}: {}% ({} of {}){less}", ratio.percent(), ratio.of, ratio.all);
}

fn lines(text: &mut String, all: &[Line]) {
    for line in all {
        let place = if line.place.is_empty() { "-" } else { &line.place };
        let _ = writeln!(text, "  {place}  {}: {}", line.target, line.what);
    }
}

fn count(number: usize, name: &str) -> String {
    if number == 1 { format!("1 {name}") } else { format!("{number} {name}s") }
}
