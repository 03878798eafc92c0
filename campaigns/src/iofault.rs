//! `iofault`: the Nth call of one kind fails, with EIO or ENOSPC, for each N from 1 on. The process may answer 500 or 507,
//! may end, may go on; what was answered 2xx must be there all the same.

use crate::process::{Ends, Launch};
use crate::report::{Outcome, Progress};
use crate::scene::Setup;
use crate::short::{self, Ran};
use crate::strace;
use anyhow::Result;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use std::path::Path;
use tokio::task::JoinSet;

/// Calls that fail. SQLite syncs with `fsync` here; `openat` fails within the data folder alone, not for libraries.
const CALLS: [&str; 6] = ["pwrite64", "fsync", "fdatasync", "ftruncate", "openat", "unlink"];
/// How they fail.
const ERRORS: [&str; 2] = ["EIO", "ENOSPC"];
/// In a row.
const STREAK: u64 = 3;

/// Runs the campaign: the first `first` calls of each kind, each with each error, in an order drawn from the seed, until
/// `faults` have been injected.
///
/// # Errors
/// When strace is missing.
pub async fn run(gateway: &Path, first: u64, faults: u64, seed: u64, together: usize, minutes: u64) -> Result<Outcome> {
    strace::require()?;
    let mut outcome = Outcome::default();
    outcome.count("runs", 0);
    outcome.count("runs in which a call failed", 0);
    let mut plan: Vec<(&str, &str, u64)> = Vec::new();
    for call in CALLS {
        plan.extend(ERRORS.iter().flat_map(|error| (1..=first).map(move |nth| (call, *error, nth))));
    }
    let mut rng = StdRng::seed_from_u64(seed);
    plan.shuffle(&mut rng);
    outcome.count("different faults (call, error, N)", plan.len() as u64);
    let mut progress = Progress::default();
    let mut runs: JoinSet<(String, Ran)> = JoinSet::new();
    let mut number = 0_u64;
    let mut plan = plan.into_iter().take(usize::try_from(faults).unwrap_or(usize::MAX));
    loop {
        while runs.len() < together && progress.seconds() < minutes.saturating_mul(60) {
            let Some((call, error, nth)) = plan.next() else { break };
            let last = nth + rng.random_range(0..STREAK);
            let setup = Setup::new(gateway, seed.wrapping_mul(3_000_017).wrapping_add(number));
            let words = format!("{call} fails with {error} from {nth} to {last}");
            let run = short::run(setup, number, vec![launch(call, error, nth, last)], None, words);
            let row = format!("{call} with {error}");
            runs.spawn_local(async move { (row, run.await) });
            number += 1;
        }
        let Some(done) = runs.join_next().await else { break };
        let (row, ran) = done?;
        outcome.count("runs", 1);
        if ran.injected > 0 {
            outcome.count("runs in which a call failed", 1);
            outcome.count(&format!("  {row}"), 1);
        }
        let ended = ran.ends.first().is_some_and(|end| !end.success());
        outcome.count("processes that ended by it", u64::from(ended));
        outcome.count("referrals answered with 2xx", ran.referrals);
        outcome.count("moments compared", ran.compared);
        outcome.violated(ran.findings);
        progress.say(|| format!("{number} runs begun, {} violations", outcome.violations.len()));
    }
    Ok(outcome)
}

fn launch(call: &str, error: &str, nth: u64, last: u64) -> Launch {
    let inject = format!("inject={call}:error={error}:when={nth}..{last}");
    Launch { strace: vec![format!("trace={call}"), inject], only_data: true, ends: Ends::Any, ..Launch::default() }
}
