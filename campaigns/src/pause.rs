//! `pause`: an instance is stopped (SIGSTOP) past the term of its lanes, others take over, and it goes on (SIGCONT) as if nothing
//! had been. What it then claims, writes and sends late must do no harm.

use crate::facts::Outside;
use crate::fleet::{Fleet, LANE_SECONDS, Stage, is_here};
use crate::kill9::{note, part, send, within};
use crate::process::Ends;
use crate::report::{Outcome, Progress};
use crate::script::{ATTEMPTS, Part, Script};
use crate::verdict;
use anyhow::{Result, bail};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rustix::process::Signal;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Referrals of a round.
const EACH: u64 = 3;
/// After so long PostgreSQL ends the transaction of an instance that was stopped in the middle of one; others wait for its lock
/// until then.
const IDLE_IN_TRANSACTION: u64 = 10;

/// Runs the campaign.
///
/// # Errors
/// When PostgreSQL or a gateway does not start, or it does not come to rest.
pub async fn run(gateway: &Path, rounds: u64, seed: u64, minutes: u64) -> Result<Outcome> {
    is_here()?;
    let mut outcome = Outcome::default();
    outcome.count("rounds asked for", rounds);
    outcome.count("rounds", 0);
    let stage = Stage::new(gateway, seed).await?;
    let scene = &stage.scene;
    let gp = Arc::new(scene.gp(ATTEMPTS)?);
    let fleet = Fleet::start(scene, Ends::Not).await?;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut progress = Progress::default();
    let mut under_way: JoinSet<Result<(), String>> = JoinSet::new();
    let mut parts: Vec<Part> = Vec::new();
    for round in 0..rounds {
        if progress.seconds() >= minutes.saturating_mul(60) {
            break;
        }
        for _ in 0..EACH {
            let part = part(scene, parts.len() as u64);
            under_way.spawn(send(Arc::clone(&gp), part.clone()));
            parts.push(part);
        }
        within(Duration::from_millis(rng.random_range(20..600)), scene).await;
        let before = stage.lanes_given()?;
        let victim = rng.random_range(0..fleet.keepers.len());
        // Whoever is in front sends nothing new to one that does not answer; what is under way there waits.
        let others = scene.listens.iter().enumerate().filter(|(nth, _)| *nth != victim).map(|(_, listen)| *listen);
        if let (Some(front), Some(keeper)) = (&scene.front, fleet.keepers.get(victim)) {
            front.set_targets(others.collect());
            keeper.signal(Signal::STOP, false);
            let long = if round % 4 == 3 { IDLE_IN_TRANSACTION } else { LANE_SECONDS };
            within(Duration::from_millis(long * 1_000 + rng.random_range(500..2_500)), scene).await;
            let taken = stage.lanes_given()?.saturating_sub(before);
            outcome.count("rounds in which lanes were taken over from it", u64::from(taken > 0));
            outcome.count("lanes taken over", taken);
            keeper.signal(Signal::CONT, false);
            front.set_targets(scene.listens.clone());
        }
        outcome.count("rounds", 1);
        if let Some(fault) = crate::process::Keeps::fault(&fleet) {
            bail!("round {round}: {fault}\n    {}", fleet.log());
        }
        let wrong = outcome.violations.len();
        progress.say(|| format!("{round} of {rounds} rounds, {} referrals sent, {wrong} violations", parts.len()));
    }
    while let Some(done) = under_way.join_next().await {
        note(&mut outcome, Some(done));
    }
    settle_and_judge(&stage, &fleet, &gp, parts, false, &mut outcome).await?;
    Ok(outcome)
}

/// Lets everything settle, stops the instances, and compares.
///
/// # Errors
/// When it does not come to rest.
pub(crate) async fn settle_and_judge(
    stage: &Stage,
    fleet: &Fleet,
    gp: &Arc<conformance_tests::gp_system::GpSystem>,
    parts: Vec<Part>,
    restarts: bool,
    outcome: &mut Outcome,
) -> Result<()> {
    let script = Script { restarts, ..Script::new(&stage.scene, fleet, Arc::clone(gp), parts) };
    script.settle().await?;
    let answered = script.ask_again().await?;
    crate::process::Keeps::stop(fleet);
    let outside = Outside { answered, ..Outside::now(&stage.scene.platforms, gp) };
    let facts = outside.with_store(&stage.scene.kept).await?;
    outcome.count("referrals answered with 2xx", facts.answered.len() as u64);
    let dead = facts.referrals.iter().filter(|one| one.referral.delivery.word() == "dead-letter").count();
    outcome.count("dead letters in front of a person", dead as u64);
    let attempts = facts.referrals.iter().flat_map(|one| &one.outbox).flat_map(|(_, attempts)| attempts);
    let died = attempts.filter(|attempt| attempt.outcome.is_none()).count();
    outcome.count("attempts that another instance, or a later start, took up", died as u64);
    outcome.violated(verdict::at_end(&facts));
    Ok(())
}
