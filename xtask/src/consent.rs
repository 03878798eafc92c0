//! `cargo xtask consent`: the proof of the consent rules in four figures: cases, combinations, mutants, canaries.
//!
//! The first two are counted by the tests as they run. Mutation testing takes an hour, so its figures come from a
//! committed result, which names the commit it is of; `--mutants` makes it anew.

use crate::cargo;
use crate::steps::{Steps, execute, root, say, scratch};
use anyhow::{Context as _, Result, bail, ensure};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The committed result of mutation testing.
const RESULT: &str = "gateway/core/tests/consent/mutants.tsv";

/// What is mutated.
const MUTATED: [&str; 7] = [
    "gateway/core/src/consent.rs",
    "gateway/core/src/consent/*.rs",
    "gateway/core/src/minimise.rs",
    "gateway/core/src/minimise/bundle.rs",
    "gateway/core/src/minimise/filter.rs",
    "gateway/core/src/minimise/whole.rs",
    "gateway/core/src/minimise/withhold.rs",
];

/// What `count` lines of the tests begin with.
const COUNTED: &str = "consent: ";

/// Proves, and prints the figures.
///
/// # Errors
/// If a case, a combination or a property fails, or if a mutant is neither caught nor explained.
pub(crate) fn run(steps: &mut Steps, full: bool, mutants: bool) -> Result<()> {
    let counted = steps.step(if full { "consent tests, whole model" } else { "consent tests" }, || tests(full))?;
    if mutants {
        steps.step("mutants", mutate)?;
    }
    let result = fs::read_to_string(root().join(RESULT)).with_context(|| format!("read {RESULT}"))?;
    say("");
    for line in figures(&counted, &result)? {
        say(&line);
    }
    Ok(())
}

/// Runs the tests and gives back what they counted: name, done, of.
fn tests(full: bool) -> Result<Vec<(String, u64, u64)>> {
    let mut rules = cargo();
    let binaries = ["--test", "consent", "--test", "consent_properties"];
    rules.args(["test", "--package", "gateway-core", "--locked"]).args(binaries);
    if full {
        rules.arg("--release").env("CONSENT_MODEL", "full");
    }
    let mut canaries = cargo();
    canaries.args(["test", "--package", "vcse-gateway", "--locked", "--test", "canaries"]);
    let mut all = Vec::new();
    for mut command in [rules, canaries] {
        let output = command.output().context("cargo cannot be started")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!("{text}\n{}", String::from_utf8_lossy(&output.stderr));
        }
        let before = all.len();
        all.extend(text.lines().filter_map(counted));
        ensure!(all.len() > before, "the tests counted nothing");
    }
    Ok(all)
}

/// `consent: what: 3 of 4`. The harness writes a test's name before it on the same line, if it runs one test at a time.
fn counted(line: &str) -> Option<(String, u64, u64)> {
    let (_, rest) = line.split_once(COUNTED)?;
    let (what, numbers) = rest.rsplit_once(": ")?;
    let (done, of) = numbers.split_once(" of ")?;
    Some((what.to_owned(), done.trim().parse().ok()?, of.trim().parse().ok()?))
}

fn figures(counted: &[(String, u64, u64)], result: &str) -> Result<Vec<String>> {
    let sum = |begins: &str| {
        let rows = counted.iter().filter(|(what, ..)| what.starts_with(begins));
        rows.fold((0, 0), |(done, of), (_, more_done, more_of)| (done + more_done, of + more_of))
    };
    let (passed, cases) = sum("cases passed");
    let (compared, combinations) = sum("combinations compared");
    let ((held, canaries), (paths, _)) = (sum("canaries checked"), sum("canaries planted"));
    ensure!(canaries > 0 && paths > 0, "no canary was planted");
    let cell = |name: &str| {
        let mut rows = result.lines().filter_map(|line| line.split_once('\t'));
        rows.find(|(row, _)| *row == name).map(|(_, value)| value).with_context(|| format!("{RESULT} lacks `{name}`"))
    };
    let explained = result.lines().filter(|line| line.starts_with("equivalent\t")).count();
    let (caught, total) = (cell("caught")?, cell("total")?);
    Ok(vec![
        format!("cases passed:                     {passed} of {cases}"),
        format!("exhaustive combinations compared: {compared} of {combinations}, no difference (--full compares all)"),
        format!(
            "mutants caught:                   {caught} of {total}, {explained} explained; commit {}, {}",
            cell("commit")?,
            cell("date")?
        ),
        format!(
            "canaries checked:                 {held} of {canaries}, at {paths} element paths; every shipped adapter, four states of consent"
        ),
    ])
}

/// Runs cargo-mutants in place, and writes the result if every mutant that was missed is explained.
fn mutate() -> Result<()> {
    ensure!(
        git(&["status", "--porcelain"])?.is_empty(),
        "the tree has changes: commit them, mutants are made in place"
    );
    let program = cargo_mutants()?;
    let out = scratch().join("consent-mutants");
    let mut command = Command::new(program);
    command.current_dir(root()).args(["mutants", "--package", "gateway-core", "--in-place"]);
    command.args(["--timeout", "120", "--no-shuffle", "--output"]).arg(&out);
    for file in MUTATED {
        command.args(["--file", file]);
    }
    // The minimiser has its own tests in the library and among the decisions.
    command.args(["--", "--lib", "--test", "consent", "--test", "decisions"]);
    // It ends with 2 if mutants were missed and with 3 if one ran out of time; both are judged here.
    let status = command.status().context("cargo-mutants cannot be started")?;
    ensure!(matches!(status.code(), Some(0 | 2 | 3)), "cargo-mutants ended with {status}");
    record(&out.join("mutants.out"))
}

/// Puts the figures of a run into [`RESULT`].
fn record(out: &Path) -> Result<()> {
    let lines = |name: &str| -> Result<Vec<String>> {
        let path = out.join(name);
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        Ok(text.lines().map(without_place).collect())
    };
    let (caught, missed) = (lines("caught.txt")?, lines("missed.txt")?);
    let (timeout, unviable) = (lines("timeout.txt")?, lines("unviable.txt")?);
    let path = root().join(RESULT);
    let old = fs::read_to_string(&path).unwrap_or_default();
    let mut text = String::from(
        "# Mutation testing of the consent modules: made by `cargo xtask consent --mutants`; the reasons are written by hand.\n\
         # A mutant that runs for ever counts as caught; one that does not compile does not count.\n",
    );
    let total = caught.len() + timeout.len() + missed.len();
    write!(
        text,
        "commit\t{}\ndate\t{}\n",
        git(&["rev-parse", "--short", "HEAD"])?,
        git(&["show", "-s", "--format=%cs"])?
    )?;
    write!(text, "total\t{total}\ncaught\t{}\nunviable\t{}\n", caught.len() + timeout.len(), unviable.len())?;
    let mut unexplained = Vec::new();
    for mutant in &missed {
        let begins = format!("equivalent\t{mutant}\t");
        match old.lines().find(|line| line.starts_with(&begins)) {
            Some(line) => writeln!(text, "{line}")?,
            None => unexplained.push(mutant.as_str()),
        }
    }
    fs::write(&path, text).with_context(|| format!("write {RESULT}"))?;
    ensure!(
        unexplained.is_empty(),
        "these mutants are neither caught nor explained. Write a test, or a line `equivalent`, tab, mutant, tab, reason \
         in {RESULT}:\n{}",
        unexplained.join("\n")
    );
    Ok(())
}

/// A mutant by file and change. Lines move; what it does stays.
fn without_place(mutant: &str) -> String {
    let mut parts = mutant.splitn(4, ':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(file), Some(_), Some(_), Some(change)) => format!("{file}:{change}"),
        _ => mutant.to_owned(),
    }
}

/// The program, put below `target/` if it is not there.
fn cargo_mutants() -> Result<PathBuf> {
    let on_path = PathBuf::from("cargo-mutants");
    let own = scratch().join("tools").join("bin").join("cargo-mutants");
    // As a subcommand of cargo it knows `mutants --version` only.
    let is_there = |program: &PathBuf| {
        Command::new(program).args(["mutants", "--version"]).output().is_ok_and(|output| output.status.success())
    };
    if let Some(found) = [own.clone(), on_path].into_iter().find(is_there) {
        return Ok(found);
    }
    let mut install = cargo();
    install.args(["install", "cargo-mutants", "--locked", "--root"]).arg(scratch().join("tools"));
    execute(&mut install).context("cargo-mutants could not be installed")?;
    Ok(own)
}

fn git(arguments: &[&str]) -> Result<String> {
    let output = Command::new("git").current_dir(root()).args(arguments).output().context("git cannot be started")?;
    ensure!(output.status.success(), "git {} ended with {}", arguments.join(" "), output.status);
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_found_wherever_they_stand_on_a_line() {
        assert_eq!(counted("consent: cases passed: 3 of 4"), Some(("cases passed".to_owned(), 3, 4)));
        assert_eq!(counted("test a ... consent: b, c: 30 of 40"), Some(("b, c".to_owned(), 30, 40)));
        assert_eq!(counted("consent: nothing"), None);
        assert_eq!(counted("test a ... ok"), None);
    }

    #[test]
    fn figures_are_added_up() {
        let counted = [("cases passed".to_owned(), 3, 4), ("combinations compared, a".to_owned(), 5, 6)];
        let planted = [("canaries checked".to_owned(), 50, 50), ("canaries planted at x".to_owned(), 20, 20)];
        let few = [&counted[..], &planted[..1]].concat();
        let counted = [&counted[..], &[("combinations compared, b".to_owned(), 7, 8)], &planted].concat();
        let result = "commit\tabc\ndate\t2026-01-01\ntotal\t10\ncaught\t9\nequivalent\tx\ty\n";
        let lines = figures(&counted, result).expect("all cells are there");
        assert!(
            lines[0].ends_with("3 of 4") && lines[1].contains("12 of 14") && lines[2].contains("9 of 10, 1 explained")
        );
        assert!(lines[3].contains("50 of 50, at 20 element paths"), "{}", lines[3]);
        assert!(figures(&few, result).is_err(), "without places nothing was planted");
        assert!(figures(&counted, "commit\tabc").is_err());
    }

    #[test]
    fn a_mutant_is_known_without_its_line() {
        let mutant = "gateway/core/src/consent/a.rs:12:5: replace b -> bool with true";
        assert_eq!(without_place(mutant), "gateway/core/src/consent/a.rs: replace b -> bool with true");
    }
}
