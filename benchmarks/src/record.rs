//! The page of evidence.

use crate::bench::Bench;
use crate::table::{Row, table};
use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Writes `docs/evidence/bench.md`, and says where it is.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn record(rows: &[Row], bench: &Bench) -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(&root).output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
        if text.is_empty() { "unknown".to_owned() } else { text }
    };
    let changed = said("git", &["status", "--porcelain", "--", "gateway", "adapters", "mappings", "benchmarks"]);
    let tree = if changed == "unknown" { "" } else { ", with uncommitted changes" };
    let scratch = bench.scratch.display().to_string();
    let disk = said("df", &["--output=fstype", &scratch]);
    let disk = disk.lines().last().unwrap_or("unknown").trim().to_owned();
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or_else(|| "unknown processor".to_owned(), |(_, name)| name.trim().to_owned());
    let busy = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let busy = busy.split(' ').take(3).collect::<Vec<_>>().join(", ");
    let build = if cfg!(debug_assertions) { "debug: these are no measurements" } else { "release" };
    let words: Vec<String> = std::env::args().skip(1).collect();
    let text = format!(
        "# Evidence: `bench`\n\n| | |\n|---|---|\n| commit | {}{tree} |\n| date | {} |\n\
         | machine | {} cores, {processor}, Linux {}, {disk}; load average at the end {busy} |\n| build | {build} |\n\
         | command | `cargo xtask bench {}` |\n\n{} rounds of {} referrals, medians. What each row means, and what the \
         clocks are worth, is in [the overview](README.md#bench).\n\n{}",
        said("git", &["rev-parse", "--short=12", "HEAD"]),
        said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        said("nproc", &[]),
        said("uname", &["-r"]),
        words.join(" "),
        bench.rounds,
        bench.referrals,
        table(rows),
    );
    let file = root.join("docs/evidence/bench.md");
    fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    Ok(file)
}
