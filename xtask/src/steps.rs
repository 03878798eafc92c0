//! Steps: each has a name and a time; the first that fails ends the run and is named.

use anyhow::{Context as _, Result, ensure};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What has been done so far.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<(String, Duration, bool)>,
}

impl Steps {
    /// Does one step.
    ///
    /// # Errors
    /// What it failed with, with its name.
    #[expect(clippy::disallowed_methods, reason = "a build tool measures real time; nothing is decided by it")]
    pub(crate) fn step<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        say(&format!("== {name}"));
        let start = Instant::now();
        let outcome = work().with_context(|| format!("step `{name}` failed"));
        let took = start.elapsed();
        say(&format!("== {name}: {} in {:.1} s", if outcome.is_ok() { "ok" } else { "FAILED" }, took.as_secs_f64()));
        self.done.push((name.to_owned(), took, outcome.is_ok()));
        outcome
    }

    /// Does one step that is a command; its output goes straight through.
    ///
    /// # Errors
    /// If it cannot be started or does not end with success.
    pub(crate) fn command(&mut self, name: &str, command: &mut Command) -> Result<()> {
        self.step(name, || execute(command))
    }

    /// Prints what was done and how long each step took.
    pub(crate) fn summary(&self) {
        let total: Duration = self.done.iter().map(|(_, took, _)| *took).sum();
        say("");
        for (name, took, ok) in &self.done {
            say(&format!("{:<8} {:>8.1} s  {name}", if *ok { "ok" } else { "FAILED" }, took.as_secs_f64()));
        }
        say(&format!("{:<8} {:>8.1} s", "total", total.as_secs_f64()));
    }
}

/// Runs a command to its end.
///
/// # Errors
/// If it cannot be started or does not end with success.
pub(crate) fn execute(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{} cannot be started", program(command)))?;
    ensure!(status.success(), "{} ended with {status}", program(command));
    Ok(())
}

/// True if this program can be started with `--version`.
pub(crate) fn is_there(program: &Path) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn program(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}

/// Where fetched things and tools go; never committed.
pub(crate) fn scratch() -> PathBuf {
    root().join("target")
}

/// One line. A closed pipe is not a fault of ours.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
