//! How long the mapping takes to become a program: the first time, when the tables of elements are read too, and after.
//!
//! The measure is what the code maps among the files cost as JSON texts that are read and forgotten.

use crate::measure::now;
use crate::{ours, say};
use anyhow::Context as _;
use serde::de::IgnoredAny;
use std::hint::black_box;
use std::time::Duration;

/// Compilations behind the first.
const FURTHER: usize = 50;

/// Compiles, and says how long it took.
///
/// # Errors
/// If the mapping does not compile.
pub(crate) fn report() -> anyhow::Result<()> {
    let first = timed(ours::program)?;
    let mut further = Vec::with_capacity(FURTHER);
    let mut measure = Vec::with_capacity(FURTHER);
    for _ in 0..FURTHER {
        further.push(timed(ours::program)?);
        measure.push(timed(read)?);
    }
    let bytes: usize = ours::FILES.iter().map(|(_, file)| file.len()).sum();
    let (further, measure) = (middle(further)?, middle(measure)?);
    say(&format!(
        "the mapping, {} files, {bytes} bytes: compiled in {first:?}, again in {further:?}",
        ours::FILES.len()
    ));
    say(&format!("its code maps as JSON, read and forgotten: {measure:?}"));
    Ok(())
}

fn timed<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<Duration> {
    let start = now();
    black_box(work()?);
    Ok(start.elapsed())
}

fn read() -> anyhow::Result<()> {
    for (_, file) in ours::FILES.iter().filter(|(name, _)| name.ends_with(".json")) {
        black_box(serde_json::from_slice::<IgnoredAny>(file)?);
    }
    Ok(())
}

fn middle(mut times: Vec<Duration>) -> anyhow::Result<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied().context("something was measured")
}
