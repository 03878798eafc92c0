//! `kill9`: SIGKILL at random times under load, again and again on one data folder that grows, many referrals in flight.
//! `drain` is the same with SIGTERM: each process has to end by itself, with what it answered kept.
//! Every so many cycles everything is let settle, and the whole of the store is compared with what is known outside.

use crate::facts::Outside;
use crate::process::{Keeper, was_killed};
use crate::report::{Outcome, Progress};
use crate::scene::{Kind, Scene, Setup};
use crate::script::{ATTEMPTS, Move, Part, Script, try_move};
use crate::verdict;
use anyhow::{Result, bail};
use conformance_tests::gp_system::{GpSystem, SubmitOutcome};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rustix::process::Signal;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Cycles between two comparisons.
const CHAPTER: u64 = 100;
/// Submissions and withdrawals that may be under way at the same time.
const UNDER_WAY: usize = 24;
/// A process lives at most so long, in milliseconds.
const LIFE: u64 = 700;
/// Tries of a withdrawal, 50 ms apart.
const TRIES: u32 = 20_000;

/// Looks for the end of a process that was told to stop, [`LOOK`] apart: more than its own limit on draining.
const LOOKS: u32 = 1_200;
const LOOK: Duration = Duration::from_millis(100);

/// How each cycle ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// SIGKILL.
    Kill,
    /// SIGTERM, and the process has to end with exit code 0.
    Drain,
}

/// Runs the campaign.
///
/// # Errors
/// When the gateway does not start, or does not come to rest.
pub async fn run(gateway: &Path, way: Way, cycles: u64, seed: u64, minutes: u64) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    outcome.count("cycles asked for", cycles);
    outcome.count("cycles", 0);
    let scene = Scene::new(&Setup::new(gateway, seed)).await?;
    let gp = Arc::new(scene.gp(ATTEMPTS)?);
    let keeper = Keeper::start(scene.place.clone(), Box::new(|_| Default::default()), Box::new(|_| Ok(())))?;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut progress = Progress::default();
    let mut under_way: JoinSet<Result<(), String>> = JoinSet::new();
    let mut parts: Vec<Part> = Vec::new();
    for cycle in 1..=cycles {
        if progress.seconds() >= minutes.saturating_mul(60) {
            break;
        }
        while under_way.len() >= UNDER_WAY {
            note(&mut outcome, under_way.join_next().await);
        }
        let part = part(&scene, parts.len() as u64);
        under_way.spawn(send(Arc::clone(&gp), part.clone()));
        parts.push(part);
        within(Duration::from_millis(rng.random_range(20..LIFE)), &scene).await;
        match way {
            Way::Kill => keeper.signal(Signal::KILL, true),
            Way::Drain => drain(&keeper, cycle, &mut outcome).await,
        }
        outcome.count("cycles", 1);
        if let Some(fault) = keeper.fault() {
            bail!("cycle {cycle}: {fault}\n    {}", keeper.log());
        }
        if cycle.is_multiple_of(CHAPTER) {
            while let Some(done) = under_way.join_next().await {
                note(&mut outcome, Some(done));
            }
            compare(&scene, &keeper, &gp, &parts, &mut outcome, false).await?;
        }
        let wrong = outcome.violations.len();
        progress.say(|| format!("{cycle} of {cycles} cycles, {} referrals sent, {wrong} violations", parts.len()));
    }
    while let Some(done) = under_way.join_next().await {
        note(&mut outcome, Some(done));
    }
    compare(&scene, &keeper, &gp, &parts, &mut outcome, true).await?;
    outcome.count(
        "processes that died of SIGKILL",
        keeper.ends().into_iter().filter(|end| was_killed(*end)).count() as u64,
    );
    let size = std::fs::metadata(scene.place.data().join("gateway.db")).map_or(0, |file| file.len());
    outcome.count("size of the file at the end, KiB", size / 1024);
    Ok(outcome)
}

/// Tells it to stop, and waits until it has.
async fn drain(keeper: &Keeper, cycle: u64, outcome: &mut Outcome) {
    let number = keeper.number();
    // A process that has not yet said how it takes the signal dies of it, which says nothing about draining.
    let serves = keeper.serves().await;
    keeper.signal(Signal::TERM, true);
    let mut beat = tokio::time::interval(LOOK);
    for _ in 0..LOOKS {
        if keeper.number() > number {
            break;
        }
        beat.tick().await;
    }
    match keeper.ends().last() {
        Some(end) if keeper.number() > number => {
            outcome.count("processes that ended with exit code 0", u64::from(end.success()));
            if serves && !end.success() {
                outcome.violated([format!("cycle {cycle}: told to stop under load it ended with {end}")]);
            }
        }
        _ => outcome.violated([format!("cycle {cycle}: told to stop under load it did not end within two minutes")]),
    }
}

pub(crate) fn note(outcome: &mut Outcome, done: Option<Result<Result<(), String>, tokio::task::JoinError>>) {
    match done {
        Some(Ok(Ok(()))) | None => {}
        Some(Ok(Err(words))) => outcome.violated([words]),
        Some(Err(error)) => outcome.violated([error.to_string()]),
    }
}

/// The `number`-th referral: the platforms take turns, and so do the sender's moves.
pub(crate) fn part(scene: &Scene, number: u64) -> Part {
    let kind = match number % 3 {
        0 => Kind::Keyed,
        1 => Kind::Asked,
        _ => Kind::Unkeyed,
    };
    let sender = match number % 7 {
        2 => Move::Cancel,
        5 => Move::WithdrawConsent,
        _ => Move::None,
    };
    Part { kind, referral: scene.referral(kind, number), sender }
}

pub(crate) async fn send(gp: Arc<GpSystem>, part: Part) -> Result<(), String> {
    let placer = part.referral.placer_id.clone();
    match gp.submit(&part.referral).await {
        SubmitOutcome::Accepted { .. } => {}
        other => return Err(format!("{placer} was not accepted: {other:?}")),
    }
    let mut beat = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..TRIES {
        if try_move(&gp, &placer, part.sender).await {
            return Ok(());
        }
        beat.tick().await;
    }
    Err(format!("{placer}: {:?} was never answered", part.sender))
}

/// Lets that long pass, and the platforms work meanwhile.
pub(crate) async fn within(how_long: Duration, scene: &Scene) {
    let work = async {
        let mut beat = tokio::time::interval(Duration::from_millis(150));
        beat.tick().await;
        loop {
            beat.tick().await;
            scene.platforms.tick().await;
        }
    };
    let _: Result<(), _> = tokio::time::timeout(how_long, work).await;
}

async fn compare(
    scene: &Scene,
    keeper: &Keeper,
    gp: &Arc<GpSystem>,
    parts: &[Part],
    outcome: &mut Outcome,
    last: bool,
) -> Result<()> {
    let script = Script::new(scene, keeper, Arc::clone(gp), if last { parts.to_vec() } else { Vec::new() });
    script.settle().await?;
    let facts =
        if last { script.end().await? } else { Outside::now(&scene.platforms, gp).with_store(&scene.kept).await? };
    outcome.count("comparisons of everything", 1);
    outcome.largest("referrals answered with 2xx", facts.answered.len() as u64);
    let dead = facts.referrals.iter().filter(|one| one.referral.delivery.word() == "dead-letter").count();
    outcome.largest("dead letters in front of a person", dead as u64);
    let died = |one: &crate::facts::ReferralFacts| -> usize {
        one.outbox.iter().map(|(_, attempts)| attempts.iter().filter(|attempt| attempt.outcome.is_none()).count()).sum()
    };
    outcome.largest("attempts that died with the process", facts.referrals.iter().map(died).sum::<usize>() as u64);
    outcome.violated(verdict::at_end(&facts));
    Ok(())
}
