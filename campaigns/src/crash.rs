//! `crash`: SIGKILL on entering the Nth write, sync, send, receive, truncation, removal. One undisturbed run under strace
//! counts the calls; then runs strike them, in an order drawn from the seed, and each run goes on dying after its first
//! point (also while it recovers) at further points drawn from the seed.

use crate::process::{Ends, Launch};
use crate::report::{Outcome, Progress, say};
use crate::scene::Setup;
use crate::short::{self, Ran};
use crate::strace;
use anyhow::{Result, bail};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use std::path::Path;
use tokio::task::JoinSet;

/// Kinds of points: words, calls.
pub const KINDS: [(&str, &str); 7] = [
    ("write to a file", "pwrite64"),
    ("sync", "fsync"),
    ("send", "writev"),
    ("receive", "recvfrom"),
    ("truncation", "ftruncate"),
    ("removal of a file", "unlink"),
    ("write to a pipe or event", "write"),
];

/// Points that each run may be struck at.
const LIVES: u64 = 6;

/// How a campaign is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Points that must have been struck.
    pub points: u64,
    /// Decides which, and the people.
    pub seed: u64,
    /// Runs at the same time.
    pub together: usize,
    /// After so many minutes no further run begins.
    pub minutes: u64,
}

/// A point: which kind, the how-manieth in its thread.
type Point = (usize, u64);

/// Runs the campaign.
///
/// # Errors
/// When strace is missing, or the undisturbed run goes wrong.
pub async fn run(gateway: &Path, options: &Options) -> Result<Outcome> {
    strace::require()?;
    let mut outcome = Outcome::default();
    outcome.count("points asked for", options.points);
    let most = count(gateway, options.seed).await?;
    let mut points: Vec<Point> = Vec::new();
    for (kind, times) in most.iter().enumerate() {
        let Some((words, call)) = KINDS.get(kind) else { continue };
        say(&format!("{times:5} x {call} ({words}) in the busiest thread of an undisturbed run"));
        points.extend((1..=*times).map(|nth| (kind, nth)));
    }
    let mut rng = StdRng::seed_from_u64(options.seed);
    points.shuffle(&mut rng);
    outcome.count("different first points, counted in an undisturbed run", points.len() as u64);
    outcome.count("runs", 0);
    outcome.count("points struck by SIGKILL", 0);
    for (words, call) in KINDS {
        outcome.count(&format!("  on entering {call} ({words})"), 0);
    }

    let mut progress = Progress::default();
    let mut runs: JoinSet<(Vec<Point>, Ran)> = JoinSet::new();
    let mut number = 0_u64;
    loop {
        let struck = outcome.of("points struck by SIGKILL");
        let in_time = progress.seconds() < options.minutes.saturating_mul(60);
        while in_time && struck < options.points && runs.len() < options.together {
            let first = usize::try_from(number).unwrap_or(0) % points.len().max(1);
            let Some(first) = points.get(first).copied() else { bail!("no points were counted") };
            let lives = lives(&mut rng, first, &most, options.points - struck);
            let seed = options.seed.wrapping_mul(1_000_003).wrapping_add(number);
            let setup = Setup { subscribes: true, ..Setup::new(gateway, seed) };
            let launches = lives.iter().map(launch).collect();
            let words = format!("points {:?}", lives.iter().map(point_words).collect::<Vec<_>>());
            let run = short::run(setup, number, launches, None, words);
            runs.spawn_local(async move { (lives, run.await) });
            number += 1;
        }
        let Some(done) = runs.join_next().await else { break };
        let (lives, ran) = done?;
        tally(&mut outcome, &lives, ran);
        let (struck, wrong) = (outcome.of("points struck by SIGKILL"), outcome.violations.len());
        progress
            .say(|| format!("{number} runs begun, {struck} of {} points struck, {wrong} violations", options.points));
    }
    Ok(outcome)
}

fn tally(outcome: &mut Outcome, lives: &[Point], ran: Ran) {
    outcome.count("runs", 1);
    let struck = ran.killed(lives.len());
    outcome.count("points struck by SIGKILL", struck as u64);
    let mut at = 0;
    for (life, status) in lives.iter().zip(&ran.ends) {
        if crate::process::was_killed(*status) {
            at += 1;
            if let Some((words, call)) = KINDS.get(life.0) {
                outcome.count(&format!("  on entering {call} ({words})"), 1);
            }
        }
    }
    outcome.count("of them in a process that followed another one's death", at.max(1) - 1);
    outcome.count("referrals answered with 2xx", ran.referrals);
    outcome.count("dead letters in front of a person", ran.dead_letters);
    outcome.count("moments compared", ran.compared);
    outcome.violated(ran.findings);
}

/// The points of one run: the first as it was asked for, the others drawn, nearer to the start the later they are, for
/// there is less and less to do.
fn lives(rng: &mut StdRng, first: Point, most: &[u64], wanted: u64) -> Vec<Point> {
    let mut lives = vec![first];
    for life in 1..LIVES.min(wanted.max(1)) {
        let kind = match rng.random_range(0..10) {
            0..4 => 0,
            4..6 => 1,
            6 => 2,
            7 => 3,
            8 => 4,
            _ => 6,
        };
        let times = most.get(kind).copied().unwrap_or(1);
        let bound = (times / (life + 1)).max(2);
        lives.push((kind, rng.random_range(1..=bound)));
    }
    lives
}

fn point_words((kind, nth): &Point) -> String {
    KINDS.get(*kind).map_or_else(String::new, |(_, call)| format!("{call}#{nth}"))
}

fn launch((kind, nth): &Point) -> Launch {
    let call = KINDS.get(*kind).map_or("fsync", |(_, call)| *call);
    let strace = vec![format!("trace={call}"), format!("inject={call}:signal=KILL:when={nth}")];
    Launch { strace, ends: Ends::Killed, ..Launch::default() }
}

/// How often each kind of call is made by the thread that makes most of them, in an undisturbed run.
async fn count(gateway: &Path, seed: u64) -> Result<Vec<u64>> {
    let calls: Vec<&str> = KINDS.iter().map(|(_, call)| *call).collect();
    let counted = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let launch = Launch { strace: vec![format!("trace={}", calls.join(","))], ..Launch::default() };
    let read = {
        let counted = std::sync::Arc::clone(&counted);
        Box::new(move |scene: &crate::scene::Scene, number: u32| {
            if number == 1 {
                let text = std::fs::read_to_string(scene.place.trace(1))?;
                let mut counted = counted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                *counted = calls.iter().map(|call| strace::busiest(&text, call)).collect();
            }
            Ok(())
        })
    };
    let setup = Setup { subscribes: true, ..Setup::new(gateway, seed) };
    let ran = short::run(setup, 0, vec![launch], Some(read), "undisturbed".to_owned()).await;
    if !ran.findings.is_empty() {
        bail!("the undisturbed run goes wrong:\n{}", ran.findings.join("\n"));
    }
    let counted = counted.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    Ok(counted)
}
