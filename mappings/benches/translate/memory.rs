//! Whether memory stays flat: a million translations by one contestant, and what the process holds before and after.

use crate::corpus::Document;
use crate::measure::{InProcess, Racer as _};
use crate::say;
use anyhow::{Context as _, ensure};
use std::fs;

/// Translations in a row.
const TRANSLATIONS: usize = 1_000_000;
/// Growth that the allocator's own bookkeeping may cause, in KiB. A leak of two bytes a translation is above it.
const ALLOWED: usize = 1024;

/// Runs a million translations.
///
/// # Errors
/// If the process holds more afterwards than it should.
pub(crate) fn check(racer: &mut InProcess<'_>, corpus: &[Document]) -> anyhow::Result<()> {
    // What is made once (buffers, the allocator's arenas) is made now.
    for _ in 0..10 {
        racer.pass()?;
    }
    let passes = TRANSLATIONS / corpus.len();
    let before = resident()?;
    let mut most = before;
    for _ in 0..passes {
        racer.pass()?;
        most = most.max(resident()?);
    }
    let after = resident()?;
    let name = racer.name();
    say(&format!("{name:<42} {before:>8} KiB before, {after:>8} KiB after, {most:>8} KiB at most"));
    ensure!(most <= before + ALLOWED, "{name}: memory grew by {} KiB over {TRANSLATIONS} translations", most - before);
    Ok(())
}

/// Resident memory of this process in KiB.
fn resident() -> anyhow::Result<usize> {
    let statm = fs::read_to_string("/proc/self/statm").context("read /proc/self/statm (Linux only)")?;
    let pages: usize = statm.split(' ').nth(1).context("statm has a second field")?.parse()?;
    Ok(pages * rustix::param::page_size() / 1024)
}
