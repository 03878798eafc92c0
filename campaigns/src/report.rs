//! What a campaign came to: a table of counts, what went wrong, and the page of evidence.

use anyhow::{Context as _, Result};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::time::Instant;

/// Most violations that are written out; all are counted.
const SHOWN: usize = 40;

/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(10);

/// What a campaign came to.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// How often each thing was done or met, in the order of the table.
    counts: Vec<(String, u64)>,
    /// What did not hold, each with where; see [`Outcome::violated`].
    pub violations: Vec<String>,
    /// What else the evidence says, one paragraph each.
    pub notes: Vec<String>,
}

impl Outcome {
    /// Adds to a row of the table.
    pub fn count(&mut self, row: &str, times: u64) {
        match self.counts.iter_mut().find(|(name, _)| name == row) {
            Some((_, sum)) => *sum += times,
            None => self.counts.push((row.to_owned(), times)),
        }
    }

    /// Makes a row the larger of itself and this.
    pub fn largest(&mut self, row: &str, value: u64) {
        match self.counts.iter_mut().find(|(name, _)| name == row) {
            Some((_, most)) => *most = value.max(*most),
            None => self.counts.push((row.to_owned(), value)),
        }
    }

    /// How often.
    #[must_use]
    pub fn of(&self, row: &str) -> u64 {
        self.counts.iter().find(|(name, _)| name == row).map_or(0, |(_, times)| *times)
    }

    /// Notes what did not hold, and says it at once: a campaign runs for long.
    pub fn violated(&mut self, words: impl IntoIterator<Item = String>) {
        for words in words {
            say(&format!("VIOLATION {words}"));
            self.violations.push(words);
        }
    }

    /// The table of counts.
    #[must_use]
    pub fn table(&self) -> String {
        let rows = self.counts.iter().map(|(name, times)| (name.as_str(), times.to_string()));
        let violations = std::iter::once(("violations", self.violations.len().to_string()));
        let rows: Vec<_> = rows.chain(violations).collect();
        let wide = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let line = |(name, times): &(&str, String)| format!("| {name:wide$} | {times:>8} |\n");
        let head = format!("| {:wide$} | {:>8} |\n|-{:-<wide$}-|-{:->8}:|\n", "", "count", "", "");
        head + &rows.iter().map(line).collect::<String>()
    }
}

/// Says a line.
pub fn say(line: &str) {
    // Whoever closed the pipe does not want to read it.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Says from time to time how far a campaign is.
pub struct Progress {
    began: Instant,
    said: Instant,
}

impl Default for Progress {
    fn default() -> Self {
        let now = Instant::now();
        Self { began: now, said: now }
    }
}

impl Progress {
    /// Says it, if it has not been said a moment ago.
    pub fn say(&mut self, words: impl FnOnce() -> String) {
        if self.said.elapsed() >= PROGRESS {
            self.said = Instant::now();
            say(&format!("{:6} s  {}", self.began.elapsed().as_secs(), words()));
        }
    }

    /// How long it has been, in seconds.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        self.began.elapsed().as_secs()
    }
}

/// Writes the page of evidence of a campaign, and says where.
///
/// # Errors
/// When it cannot be written.
pub fn record(campaign: &str, command: &str, seconds: u64, outcome: &Outcome) -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(&root).output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
        if text.is_empty() { "unknown".to_owned() } else { text }
    };
    let changed = said("git", &["status", "--porcelain", "--", "gateway", "adapters", "mappings"]);
    let commit = said("git", &["rev-parse", "--short=12", "HEAD"]);
    let tree = if changed == "unknown" { "" } else { ", with uncommitted changes of the gateway" };
    let temp = std::env::temp_dir().display().to_string();
    let disk = said("df", &["--output=fstype", &temp]);
    let disk = disk.lines().last().unwrap_or("unknown").trim().to_owned();
    let mut text = format!(
        "# Evidence: `{campaign}`\n\n| | |\n|---|---|\n| commit | {commit}{tree} |\n| date | {} |\n| machine | {} cores, Linux {}, \
         {disk} |\n| build | {} |\n| command | `{command}` |\n| took | {seconds} s |\n\n{}\n",
        said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        said("nproc", &[]),
        said("uname", &["-r"]),
        if cfg!(debug_assertions) { "debug" } else { "release" },
        outcome.table(),
    );
    for note in &outcome.notes {
        text += &format!("\n{note}\n");
    }
    if !outcome.violations.is_empty() {
        text += "\n## Violations\n\n";
        for words in outcome.violations.iter().take(SHOWN) {
            text += &format!("- {}\n", words.lines().next().unwrap_or_default());
        }
    }
    let folder = root.join("docs/evidence");
    fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{campaign}.md"));
    fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    Ok(file)
}

/// Says how it ended.
pub fn conclude(outcome: &Outcome) {
    say(&outcome.table());
}
