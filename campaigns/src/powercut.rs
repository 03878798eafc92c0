//! `powercut`: the process dies at a write, a sync or a truncation, and with it everything that was not synced. No file
//! system is mounted: strace writes down each write, sync, truncation, creation and removal with its bytes, and before
//! the next start the data folder is rebuilt from that (`image`), as a disk would have it after the power came back.

mod image;

use crate::process::{Ends, Launch};
use crate::report::{Outcome, Progress};
use crate::scene::{Scene, Setup};
use crate::short::{self, Ran, Rewrite};
use crate::strace;
use anyhow::{Result, bail};
use image::{Disk, Keep};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

const CALLS: &str = "openat,pwrite64,fsync,fdatasync,ftruncate,unlink,rename";
/// Cuts in one run: one in the first process, one in the next, which recovers from it.
const LIVES: usize = 3;

/// How long strace may take to write how a process ended: on a busy machine the tracer comes late.
const LONGEST: Duration = Duration::from_secs(60);
/// Lines at its end among which the leader's end is.
const ENDS: usize = 4;

/// What was forgotten at the cuts.
#[derive(Debug, Default)]
struct Forgotten {
    cuts: u64,
    /// Cuts at which writes were unsynced.
    with_writes: u64,
    /// Unsynced writes.
    writes: u64,
    /// Cuts with unsynced writes to the file itself: during a checkpoint.
    in_checkpoint: u64,
    /// Cuts at which a part of the unsynced writes was kept, torn at sectors.
    torn: u64,
}

/// Runs the campaign.
///
/// # Errors
/// When strace is missing.
pub async fn run(gateway: &Path, cuts: u64, seed: u64, together: usize, minutes: u64) -> Result<Outcome> {
    strace::require()?;
    let mut outcome = Outcome::default();
    outcome.count("cuts asked for", cuts);
    outcome.count("cuts", 0);
    let mut rng = StdRng::seed_from_u64(seed ^ 0x9077);
    let mut progress = Progress::default();
    let forgotten: Arc<Mutex<Forgotten>> = Arc::default();
    let mut runs: JoinSet<Ran> = JoinSet::new();
    let mut number = 0_u64;
    loop {
        let done = forgotten.lock().unwrap_or_else(PoisonError::into_inner).cuts;
        while done < cuts && runs.len() < together && progress.seconds() < minutes.saturating_mul(60) {
            let points: Vec<(&str, u64)> = (0..LIVES).map(|life| point(&mut rng, life)).collect();
            let launches = points.iter().map(launch).collect();
            let setup = Setup::new(gateway, seed.wrapping_mul(7_000_003).wrapping_add(number));
            let rewrite = rewrite(rng.random(), points.len(), Arc::clone(&forgotten));
            runs.spawn_local(short::run(setup, number, launches, Some(rewrite), format!("cuts {points:?}")));
            number += 1;
        }
        let Some(ran) = runs.join_next().await else { break };
        let ran = ran?;
        outcome.count("runs", 1);
        outcome.count("referrals answered with 2xx", ran.referrals);
        outcome.count("dead letters in front of a person", ran.dead_letters);
        outcome.count("moments compared", ran.compared);
        outcome.violated(ran.findings);
        progress.say(|| format!("{number} runs begun, {done} of {cuts} cuts, {} violations", outcome.violations.len()));
    }
    let forgotten = forgotten.lock().unwrap_or_else(PoisonError::into_inner);
    outcome.count("cuts", forgotten.cuts);
    outcome.count("  with unsynced writes", forgotten.with_writes);
    outcome.count("  of them with unsynced writes to the file itself (checkpoint)", forgotten.in_checkpoint);
    outcome.count("  at which a part of the unsynced writes was kept, torn at sectors of 512 bytes", forgotten.torn);
    outcome.count("unsynced writes at the cuts", forgotten.writes);
    outcome.notes.push(
        "How: strace recorded the writes, syncs, truncations, creations and removals of each process with their bytes; at \
         the cut the process was killed and the folder rebuilt. In a third of the cuts nothing unsynced is kept; in the \
         others an arbitrary part of it, each sector of 512 bytes by itself. A name counts as durable once its folder or \
         the file itself was synced, a removal once the folder was."
            .to_owned(),
    );
    Ok(outcome)
}

/// Where a process dies: at a write or a sync of its own, early enough that it is reached.
fn point(rng: &mut StdRng, life: usize) -> (&'static str, u64) {
    let most = if life == 0 { 1 } else { 2 };
    match rng.random_range(0..10) {
        0..4 => ("pwrite64", rng.random_range(1..=640 / most)),
        4..9 => ("fsync", rng.random_range(1..=20 / most)),
        _ => ("ftruncate", rng.random_range(1..=3)),
    }
}

fn launch((call, nth): &(&str, u64)) -> Launch {
    Launch {
        strace: vec![format!("trace={CALLS}"), format!("inject={call}:signal=KILL:when={nth}")],
        strace_options: ["-y", "-xx", "-s", "1000000"].map(str::to_owned).to_vec(),
        ends: Ends::Killed,
        ..Launch::default()
    }
}

/// Reads what strace wrote, once it has written that the process has ended: it may still be at it when the end is seen.
fn whole(trace: &Path) -> Result<String> {
    let begun = Instant::now();
    while begun.elapsed() < LONGEST {
        let text = std::fs::read_to_string(trace).unwrap_or_default();
        let leader = text.split_whitespace().next().unwrap_or("-");
        // The leader is the last to be reported; strace pads the shorter of its process ids.
        let mut last = text.lines().rev().take(ENDS);
        if last.any(|line| line.strip_prefix(leader).is_some_and(|rest| rest.trim_start().starts_with("+++ "))) {
            return Ok(text);
        }
        std::thread::yield_now();
    }
    bail!("strace did not write how the process ended")
}

/// Rebuilds the folder after the death of each process that was recorded.
fn rewrite(seed: u64, lives: usize, forgotten: Arc<Mutex<Forgotten>>) -> Rewrite {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut disk = Disk::default();
    Box::new(move |scene: &Scene, number: u32| {
        if usize::try_from(number).is_ok_and(|number| number > lives) {
            return Ok(());
        }
        let text = whole(&scene.place.trace(number))?;
        disk.replay(&scene.place.data(), &text)?;
        // One that ended by SIGTERM has lost no power: all of it is on the disk, for the next to begin with.
        if !text.contains("killed by SIGKILL") {
            disk.take(&scene.place.data())?;
            return Ok(());
        }
        let mut forgotten = forgotten.lock().unwrap_or_else(PoisonError::into_inner);
        let (writes, to_file) = disk.unsynced("gateway.db");
        forgotten.cuts += 1;
        forgotten.writes += writes;
        forgotten.with_writes += u64::from(writes > 0);
        forgotten.in_checkpoint += u64::from(to_file > 0);
        let keep = if rng.random_bool(0.33) { Keep::Nothing } else { Keep::Part(rng.random_range(0.05..0.95)) };
        forgotten.torn += u64::from(writes > 0 && matches!(keep, Keep::Part(_)));
        disk.cut(keep, &mut rng);
        disk.write(&scene.place.data())
    })
}
