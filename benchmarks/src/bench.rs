//! What all figures share: how much is measured, and where.

use anyhow::{Result, ensure};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(5);

/// How long something may take that is waited for.
const LONGEST: Duration = Duration::from_secs(300);

/// How a run is set up.
#[derive(Debug, Clone)]
pub(crate) struct Bench {
    /// The gateway's binary.
    pub(crate) gateway: PathBuf,
    /// This binary, which is also the bare gateway.
    pub(crate) own: PathBuf,
    /// Where stores are made: on the disk that is to be measured.
    pub(crate) scratch: PathBuf,
    /// Rounds; odd, for the median.
    pub(crate) rounds: usize,
    /// Referrals of one round.
    pub(crate) referrals: usize,
    /// Referrals in the store that is full.
    pub(crate) stored: usize,
}

/// Waits until something is so.
///
/// # Errors
/// What the look fails with, or when it is not so for too long.
pub(crate) async fn until<F: Future<Output = Result<bool>>>(look: impl Fn() -> F) -> Result<()> {
    let begun = Instant::now();
    let mut beat = tokio::time::interval(LOOK);
    while !look().await? {
        ensure!(begun.elapsed() < LONGEST, "what was waited for did not come within {LONGEST:?}");
        beat.tick().await;
    }
    Ok(())
}

/// Says a line.
pub(crate) fn say(line: &str) {
    // Whoever closed the pipe does not want to read it.
    let _ = writeln!(std::io::stdout(), "{line}");
}
