//! `diskfull`: the data folder lies on a small file system that is filled while referrals come in. Writes are answered
//! 507, reads go on, and when there is room again everything that was refused is taken.

use crate::facts::Outside;
use crate::process::Keeper;
use crate::report::{Outcome, Progress};
use crate::scene::{Kind, Scene, Setup};
use crate::script::{ATTEMPTS, Move, Part, Script};
use crate::verdict;
use anyhow::{Context as _, Result, bail};
use conformance_tests::gp_system::SubmitOutcome;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// Bytes of the file system.
const SIZE: &str = "12m";
/// Submissions until it must be full.
const MOST: u64 = 400;

/// A small file system in memory.
struct Small {
    at: PathBuf,
    _folder: tempfile::TempDir,
}

impl Small {
    fn mount() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let at = folder.path().join("disk");
        fs::create_dir(&at)?;
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={SIZE}"), "none"]).arg(&at).output()?;
        if !mounted.status.success() {
            let words = String::from_utf8_lossy(&mounted.stderr).trim().to_owned();
            bail!("a small file system cannot be mounted here, which takes root: {words}");
        }
        Ok(Self { at, _folder: folder })
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: a process that is just ending may still hold a file.
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

/// Runs the campaign.
///
/// # Errors
/// When nothing can be mounted, or the gateway does not start.
pub async fn run(gateway: &Path, rounds: u64, seed: u64, minutes: u64) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut progress = Progress::default();
    for round in 0..rounds {
        if progress.seconds() >= minutes.saturating_mul(60) {
            break;
        }
        let mut found = Vec::new();
        self::round(gateway, seed + round, &mut outcome, &mut found).await.with_context(|| format!("round {round}"))?;
        outcome.count("rounds", 1);
        outcome.violated(found.into_iter().map(|words| format!("round {round}: {words}")));
        progress.say(|| format!("{round} of {rounds} rounds, {} violations", outcome.violations.len()));
    }
    outcome.notes.push(format!("The data folder was on a tmpfs of {SIZE}, filled by a file beside the store."));
    Ok(outcome)
}

async fn round(gateway: &Path, seed: u64, outcome: &mut Outcome, found: &mut Vec<String>) -> Result<()> {
    let disk = Small::mount()?;
    let scene = Scene::new(&Setup { data: Some(disk.at.clone()), ..Setup::new(gateway, seed) }).await?;
    let gp = Arc::new(scene.gp(ATTEMPTS)?);
    let keeper = Keeper::start(scene.place.clone(), Box::new(|_| Default::default()), Box::new(|_| Ok(())))?;
    let part = |number: u64| {
        let kind = if number.is_multiple_of(2) { Kind::Keyed } else { Kind::Asked };
        Part { kind, referral: scene.referral(kind, number), sender: Move::None }
    };
    let mut parts = vec![part(0)];
    let first = Script::new(&scene, &keeper, Arc::clone(&gp), parts.clone());
    first.begin().await?;
    // What is left is filled, but for a little.
    let filler = disk.at.join("filler");
    let room = 64 * 1024 * (1 + seed % 8);
    fill(&filler, &disk.at, room)?;
    let mut refused = None;
    for number in 1..MOST {
        let next = part(number);
        match gp.submit(&next.referral).await {
            SubmitOutcome::Accepted { .. } => parts.push(next),
            SubmitOutcome::Refused { status: 507, .. } => {
                refused = Some(next);
                break;
            }
            other => {
                found.push(format!("a full disk was answered with {other:?}"));
                break;
            }
        }
    }
    let Some(refused) = refused else {
        found.push(format!("{MOST} submissions, and none was answered with 507"));
        return Ok(());
    };
    outcome.count("answers 507", 1);
    for record in gp.records() {
        match gp.task(&record.task_id).await {
            Ok(_) => outcome.count("reads while it was full", 1),
            Err(error) => found.push(format!("a read while the disk was full: {error}")),
        }
    }
    fs::remove_file(&filler)?;
    // The same request, under the same id, now that there is room.
    parts.push(refused);
    let script = Script { restarts: true, ..Script::new(&scene, &keeper, Arc::clone(&gp), parts) };
    script.begin().await?;
    script.settle().await?;
    // Where the end of an attempt could not be stored, its row waits for the end of its lease, minutes later, or a new start.
    outcome.count("new starts, not to wait for a lease", u64::from(keeper.number() - 1));
    let again = script.ask_again().await?;
    outcome.count("referrals answered with 2xx", again.len() as u64);
    keeper.stop();
    let outside = Outside { answered: again, ..Outside::now(&scene.platforms, &gp) };
    found.extend(verdict::at_end(&outside.with_store(&scene.kept).await?));
    Ok(())
}

/// Fills the file system, but for `room` bytes.
fn fill(file: &Path, at: &Path, room: u64) -> Result<()> {
    let output = Command::new("df").args(["--output=avail", "--block-size=1"]).arg(at).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let free: u64 = text.lines().last().unwrap_or_default().trim().parse().context("df says no number")?;
    let bytes = usize::try_from(free.saturating_sub(room))?;
    fs::write(file, vec![0_u8; bytes]).context("the filler cannot be written")
}
