//! `rolling`: three instances over one PostgreSQL. Under load one after the other is taken out of the front, stopped with SIGTERM,
//! has to end with exit code 0, and is started again. Those that stay up refuse nothing, and nothing waits for a lane.
//!
//! Lanes last for an hour here. What is delivered while an instance is down shows that it gave its lanes back: nobody could have
//! waited for their end.

use crate::fleet::{Fleet, Stage, is_here};
use crate::kill9::{note, part, send, within};
use crate::pause::settle_and_judge;
use crate::process::{Ends, Keeper};
use crate::report::{Outcome, Progress};
use crate::scene::{Kind, Scene};
use crate::script::{ATTEMPTS, Move, Part, Script};
use anyhow::{Context as _, Result, bail};
use conformance_tests::generator::{Expectation, SyntheticReferral};
use conformance_tests::gp_system::{GpSystem, SubmitOutcome};
use gateway_core::referral::Delivery;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rustix::process::Signal;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// An hour, in seconds.
const LANE_SECONDS: u64 = 3_600;
/// Submissions and withdrawals through the front that may be under way at the same time.
const UNDER_WAY: usize = 12;
/// Where the numbers of referrals begin that are sent to one instance, and once.
const DIRECT: usize = 100_000;

/// Runs the campaign.
///
/// # Errors
/// When PostgreSQL or a gateway does not start, or it does not come to rest.
pub async fn run(gateway: &Path, rounds: u64, seed: u64, minutes: u64) -> Result<Outcome> {
    is_here()?;
    let mut outcome = Outcome::default();
    outcome.count("rounds asked for", rounds);
    outcome.count("rounds", 0);
    let stage = Stage::with_lanes(gateway, seed, LANE_SECONDS).await?;
    let scene = &stage.scene;
    let gp = Arc::new(scene.gp(ATTEMPTS)?);
    let fleet = Fleet::start(scene, Ends::Not).await?;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut progress = Progress::default();
    let mut under_way: JoinSet<Result<(), String>> = JoinSet::new();
    let mut parts: Vec<Part> = Vec::new();
    let (mut through_front, mut direct) = (0, 0);
    for round in 0..rounds {
        if progress.seconds() >= minutes.saturating_mul(60) {
            break;
        }
        while under_way.len() >= UNDER_WAY {
            note(&mut outcome, under_way.join_next().await);
        }
        for _ in 0..3 {
            let part = part(scene, through_front);
            through_front += 1;
            under_way.spawn(send(Arc::clone(&gp), part.clone()));
            parts.push(part);
        }
        // It is told to stop with these under way, its own lanes included.
        within(Duration::from_millis(rng.random_range(20..400)), scene).await;
        let victim = usize::try_from(round).unwrap_or(0) % fleet.keepers.len();
        let stayed = scene.listens.iter().enumerate().filter(|(nth, _)| *nth != victim).map(|(_, listen)| *listen);
        let stayed: Vec<_> = stayed.collect();
        let keeper = fleet.keepers.get(victim).context("an instance")?;
        let lanes = stage.lanes_given()?;
        let requests = requests(scene);
        if let Some(front) = &scene.front {
            front.set_targets(stayed.clone());
        }
        keeper.hold(true);
        keeper.signal(Signal::TERM, true);
        // While it ends, and once it has: to each that stays up one referral to each platform, each sent once.
        let mut probes = Vec::new();
        for (nth, listen) in stayed.iter().enumerate() {
            let once = scene.gp_at(&listen.to_string(), seed, 1)?;
            for kind in Kind::ALL {
                let referral = scene.referral(kind, number(direct + nth));
                if let Err(words) = at_once(&once, &gp, &referral).await {
                    outcome.violated([format!("seed {seed}, round {round}: an instance that stayed up: {words}")]);
                }
                outcome.count("referrals sent once to an instance that stayed up", 1);
                probes.push(Part { kind, referral, sender: Move::None });
            }
        }
        direct += stayed.len();
        parts.extend(probes.iter().cloned());
        let probes = Script::new(scene, &fleet, Arc::clone(&gp), probes);
        probes.until("the instance that was told to stop has ended", async || has_ended(keeper)).await?;
        match keeper.ends().last() {
            Some(end) if end.success() => outcome.count("instances that ended with exit code 0", 1),
            end => outcome.violated([format!("seed {seed}, round {round}: told to stop it ended with {end:?}")]),
        }
        let what = "what came while one instance was down is delivered by the others";
        let delivered = probes.until(what, async || are_delivered(&probes).await).await;
        delivered.with_context(|| format!("seed {seed}, round {round}: a lane was not given back"))?;
        outcome.count("of them delivered while it was down", probes.parts.len() as u64);
        outcome.count("requests at the platforms from its SIGTERM until then", self::requests(scene) - requests);
        outcome.count("lanes that went to another instance", stage.lanes_given()?.saturating_sub(lanes));
        keeper.hold(false);
        probes.until("it runs again", async || keeper.pid().is_some()).await?;
        if !keeper.serves().await {
            bail!("round {round}: it does not serve again\n    {}", fleet.log());
        }
        if let Some(front) = &scene.front {
            front.set_targets(scene.listens.clone());
        }
        outcome.count("rounds", 1);
        let wrong = outcome.violations.len();
        progress.say(|| format!("{round} of {rounds} rounds, {} referrals sent, {wrong} violations", parts.len()));
    }
    while let Some(done) = under_way.join_next().await {
        note(&mut outcome, Some(done));
    }
    settle_and_judge(&stage, &fleet, &gp, parts, false, &mut outcome).await?;
    Ok(outcome)
}

/// The number of a referral that only consents and routes well.
fn number(nth: usize) -> u64 {
    DIRECT as u64 + Scene::number_of(Expectation::Delivered, nth)
}

/// Sends it once to one instance, and repeats it at the front, which has to answer with the same Task.
async fn at_once(once: &GpSystem, gp: &GpSystem, referral: &SyntheticReferral) -> Result<(), String> {
    same(&once.submit(referral).await, &gp.submit(referral).await)
}

fn same(first: &SubmitOutcome, again: &SubmitOutcome) -> Result<(), String> {
    match (first, again) {
        (SubmitOutcome::Accepted { task_id: first, .. }, SubmitOutcome::Accepted { task_id: again, .. })
            if first == again =>
        {
            Ok(())
        }
        (first, again) => Err(format!("answered {first:?}, and repeated {again:?}")),
    }
}

fn has_ended(keeper: &Keeper) -> bool {
    keeper.pid().is_none()
}

async fn are_delivered(script: &Script<'_>) -> bool {
    let Some(all) = script.quick().await else { return false };
    script.parts.iter().all(|part| {
        let task = script.gp.record(&part.referral.placer_id).map(|record| record.task_id);
        let referral = all.iter().map(|(referral, _)| referral).find(|referral| Some(&referral.task) == task.as_ref());
        referral.is_some_and(|referral| matches!(referral.delivery, Delivery::Delivered { .. }))
    })
}

fn requests(scene: &Scene) -> u64 {
    let platforms = &scene.platforms;
    let all = [platforms.keyed.requests().len(), platforms.asked.requests().len(), platforms.unkeyed.requests().len()];
    all.into_iter().sum::<usize>() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(task: &str) -> SubmitOutcome {
        SubmitOutcome::Accepted { task_url: String::new(), task_id: task.to_owned(), attempts: 1 }
    }

    #[test]
    fn a_refusal_or_another_answer_of_an_instance_that_stayed_up_is_found() {
        assert_eq!(same(&accepted("one"), &accepted("one")), Ok(()));
        assert!(same(&accepted("one"), &accepted("two")).is_err());
        let refused = SubmitOutcome::Unreachable { attempts: 1, last: "status 503".to_owned() };
        assert!(same(&refused, &accepted("one")).is_err());
    }
}
