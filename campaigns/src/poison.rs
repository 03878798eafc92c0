//! `poison`: referrals that end the process each time it works on them, among healthy ones. The moment that a request of such a
//! referral arrives, whether it asks or tells, the platform keeps its answer back and the process dies of SIGKILL.
//!
//! What came of it is judged twice: when nothing is left to do, and after somebody took the poison away and redrove.

use crate::facts::{Facts, Outside, ReferralFacts};
use crate::process::{Keeper, was_killed};
use crate::report::{Outcome, Progress};
use crate::scene::{Kind, Scene, Setup, TENANT, sha256};
use crate::script::{ATTEMPTS, Move, Part, Script};
use crate::verdict;
use anyhow::{Context as _, Result};
use conformance_tests::generator::{Expectation, PRACTICE_ODS};
use conformance_tests::platform::{Fault, FaultKind, Faults, Match};
use gateway_core::outbox::POISON_ATTEMPTS;
use gateway_core::referral::Delivery;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Healthy referrals to each platform: with the poisonous ones about as many as may be under way there at the same time.
const HEALTHY: usize = 6;
/// Between two looks for a request that kills.
const LOOK: Duration = Duration::from_millis(5);
/// One that has killed so often is no longer waited for: it is not set aside.
const ENDLESS: u64 = 4 * POISON_ATTEMPTS as u64;
const OPERATOR: &str = "campaign-operator";

/// Runs the campaign with so many poisonous referrals at each platform.
///
/// # Errors
/// When the gateway does not start, or does not come to rest.
pub async fn run(gateway: &Path, rounds: u64, poisonous: usize, seed: u64, minutes: u64) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut progress = Progress::default();
    outcome.count("rounds asked for", rounds);
    outcome.count("rounds", 0);
    for round in 0..rounds {
        if progress.seconds() >= minutes.saturating_mul(60) {
            break;
        }
        let seed = seed.wrapping_add(round);
        self::round(gateway, poisonous, seed, &mut outcome).await.with_context(|| format!("seed {seed}"))?;
        outcome.count("rounds", 1);
        progress.say(|| format!("{round} of {rounds} rounds, {} violations", outcome.violations.len()));
    }
    Ok(outcome)
}

async fn round(gateway: &Path, poisonous: usize, seed: u64, outcome: &mut Outcome) -> Result<()> {
    let scene = Scene::new(&Setup { sections: operator(), ..Setup::new(gateway, seed) }).await?;
    let gp = Arc::new(scene.gp(ATTEMPTS)?);
    // By turns it dies before the platform has handled the request, or after.
    let silence = if seed.is_multiple_of(2) { FaultKind::Stall } else { FaultKind::StallAfterStoring };
    let (mut parts, mut poison, mut rng) = (Vec::new(), BTreeSet::new(), StdRng::seed_from_u64(seed));
    for kind in Kind::ALL {
        let mut bad: Vec<bool> = (0..HEALTHY + poisonous).map(|nth| nth < poisonous).collect();
        bad.shuffle(&mut rng);
        for (nth, bad) in bad.into_iter().enumerate() {
            let referral = scene.referral(kind, Scene::number_of(Expectation::Delivered, nth));
            if bad {
                let (_, correlation) = gp.names(&referral);
                let on = Match::any().of(&correlation).times(u32::MAX);
                faults(&scene, kind).push(Fault::new(on, silence.clone()));
                poison.insert(correlation);
            }
            parts.push(Part { kind, referral, sender: Move::None });
        }
    }
    let keeper = Keeper::start(scene.place.clone(), Box::new(|_| Default::default()), Box::new(|_| Ok(())))?;
    let script = Script::new(&scene, &keeper, Arc::clone(&gp), parts);
    let found = tokio::select! {
        found = until_set_aside(&script, &poison) => found?,
        never = strike(&scene, &keeper) => never,
    };
    outcome.count("deaths", keeper.ends().into_iter().filter(|end| was_killed(*end)).count() as u64);
    let killed = killed(&scene, &poison);
    outcome.largest("most deaths that one of them brought about", killed.values().copied().max().unwrap_or(0));
    outcome.count("poisonous referrals", poison.len() as u64);
    let prefix = |words: String| format!("seed {seed}: {words}");
    outcome.violated(judge(&found, &poison, &killed).into_iter().map(prefix));
    outcome.violated(verdict::at_death(&found).into_iter().map(prefix));
    let dead = |facts: &Facts| facts.referrals.iter().filter(|one| is_dead(one)).count() as u64;
    outcome.count("dead letters when nothing was left to do", dead(&found));
    // Somebody has looked: the poison is gone, and it goes on.
    Kind::ALL.into_iter().for_each(|kind| faults(&scene, kind).clear());
    redrive(&scene, &found).await?;
    script.until("what was redriven has gone", async || script.is_idle().await).await?;
    script.settle().await?;
    let facts = script.end().await?;
    outcome.count("referrals answered with 2xx", facts.answered.len() as u64);
    outcome.count("dead letters after the redrive", dead(&facts));
    outcome.violated(after_redrive(&facts).into_iter().map(prefix));
    outcome.violated(verdict::at_end(&facts).into_iter().map(prefix));
    Ok(())
}

/// Submits, and waits until nothing is left to do, or one kills without end.
async fn until_set_aside(script: &Script<'_>, poison: &BTreeSet<String>) -> Result<Facts> {
    script.submit().await?;
    script
        .until("nothing is left to do but for people", async || {
            script.is_idle().await || killed(script.scene, poison).values().any(|times| *times >= ENDLESS)
        })
        .await?;
    let outside = Outside::now(&script.scene.platforms, &script.gp);
    outside.with_store(&script.scene.kept).await
}

/// Kills the process as often as a request of a poisonous referral arrives.
async fn strike(scene: &Scene, keeper: &Keeper) -> ! {
    let mut beat = tokio::time::interval(LOOK);
    let struck = || Kind::ALL.into_iter().map(|kind| faults(scene, kind).struck().len()).sum::<usize>();
    let mut seen = 0;
    loop {
        beat.tick().await;
        if struck() > seen {
            let ended = keeper.ends().len();
            keeper.signal(Signal::KILL, true);
            while keeper.ends().len() == ended {
                beat.tick().await;
            }
            // What arrived until now came from the one that is dead.
            seen = struck();
        }
    }
}

fn faults(scene: &Scene, kind: Kind) -> &Faults {
    match kind {
        Kind::Keyed => scene.platforms.keyed.faults(),
        Kind::Asked => scene.platforms.asked.faults(),
        Kind::Unkeyed => scene.platforms.unkeyed.faults(),
    }
}

/// How many deaths each poisonous referral brought about: its requests, for none was answered.
fn killed(scene: &Scene, poison: &BTreeSet<String>) -> BTreeMap<String, u64> {
    let mut killed: BTreeMap<String, u64> = poison.iter().map(|correlation| (correlation.clone(), 0)).collect();
    let platforms = &scene.platforms;
    for request in
        [platforms.keyed.requests(), platforms.asked.requests(), platforms.unkeyed.requests()].iter().flatten()
    {
        if let Some(times) = request.header("x-correlation-id").and_then(|name| killed.get_mut(name)) {
            *times += 1;
        }
    }
    killed
}

fn is_dead(one: &ReferralFacts) -> bool {
    matches!(one.referral.delivery, Delivery::DeadLetter { .. })
}

fn is_unkeyed(one: &ReferralFacts) -> bool {
    one.referral.platform.as_ref().is_some_and(|platform| platform.0 == Kind::Unkeyed.id())
}

/// What does not hold when nothing is left to do: each poisonous referral is a dead letter, after no more deaths than it may
/// bring about; each healthy one is delivered. Only where nobody can be asked a healthy one that was under way at a death waits
/// for a person, and not as one that ends processes.
#[must_use]
pub fn judge(facts: &Facts, poison: &BTreeSet<String>, killed: &BTreeMap<String, u64>) -> Vec<String> {
    let mut found = Vec::new();
    for one in &facts.referrals {
        let (referral, delivery) = (&one.referral, one.referral.delivery.word());
        let at = referral.platform.as_ref().map_or("-", |platform| platform.0.as_str());
        let fault = |words: String| format!("Task/{} at {at}: {words}", referral.task);
        let blamed = one.outbox.iter().map(|(row, _)| row.died).max().unwrap_or(0);
        if poison.contains(&referral.correlation) {
            let times = killed.get(&referral.correlation).copied().unwrap_or(0);
            if !is_dead(one) {
                found.push(fault(format!("it ends processes, and is {delivery} after {times} deaths")));
            }
            // The first time it may have been among others, and is not blamed. What another's death left uncertain at the unkeyed
            // platform is tried no more.
            let never = times == 0 && !is_unkeyed(one);
            if never || times > u64::from(POISON_ATTEMPTS) + 1 {
                found.push(fault(format!("it brought about {times} deaths")));
            }
            continue;
        }
        let may_be_there = is_unkeyed(one) && is_dead(one) && blamed < POISON_ATTEMPTS;
        if !may_be_there && !matches!(referral.delivery, Delivery::Delivered { .. }) {
            found.push(fault(format!("it is healthy, and is {delivery}, blamed for {blamed} deaths")));
        }
    }
    let known: BTreeSet<&String> = facts.referrals.iter().map(|one| &one.referral.correlation).collect();
    found.extend(poison.iter().filter(|one| !known.contains(one)).map(|one| format!("{one} was never taken in")));
    found
}

/// What does not hold once the poison is gone: only what the unkeyed platform has, and nobody knew it, is left to a person.
#[must_use]
pub fn after_redrive(facts: &Facts) -> Vec<String> {
    let left = facts.referrals.iter().filter(|one| !matches!(one.referral.delivery, Delivery::Delivered { .. }));
    let there = |one: &ReferralFacts| facts.held.iter().any(|held| held.key.contains(&one.referral.key.0));
    let wrong = left.filter(|one| !(is_unkeyed(one) && is_dead(one) && there(one)));
    wrong
        .map(|one| format!("Task/{} is {} after the redrive", one.referral.task, one.referral.delivery.word()))
        .collect()
}

fn operator() -> String {
    format!(
        "[[client]]\nid = \"operator\"\ntenant = \"{TENANT}\"\norganisation = \"{PRACTICE_ODS}\"\ntoken-sha256 = \"{}\"\n\
         roles = [\"operator\"]\n",
        sha256(OPERATOR)
    )
}

/// Redrives all, and then one by one what nobody could be asked about and the organisation, by telephone, does not have.
async fn redrive(scene: &Scene, facts: &Facts) -> Result<()> {
    let token = scene.place.folder.join("operator-token");
    fs::write(&token, OPERATOR)?;
    let (config, token) = (scene.place.config().display().to_string(), token.display().to_string());
    let command = ["dead-letters", "redrive", "--config", &config, "--token-file", &token];
    scene.place.tool(&[command.as_slice(), &["--all"]].concat()).await?;
    let missing = |one: &&ReferralFacts| {
        is_dead(one) && is_unkeyed(one) && !facts.held.iter().any(|held| held.key.contains(&one.referral.key.0))
    };
    for one in facts.referrals.iter().filter(missing) {
        let attempts = one.outbox.iter().map(|(row, _)| row.attempts).max().unwrap_or(0).to_string();
        scene.place.tool(&[command.as_slice(), &["--task", &one.referral.task, "--asked", &attempts]].concat()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::tests::fine;

    const TALK: &str = "talk";

    fn poisoned(times: u64) -> (BTreeSet<String>, BTreeMap<String, u64>) {
        ([TALK.to_owned()].into(), [(TALK.to_owned(), times)].into())
    }

    fn dead(kind: Kind, died: u32) -> Facts {
        let mut facts = fine(kind);
        for one in &mut facts.referrals {
            one.referral.delivery = Delivery::DeadLetter { reason: String::new() };
            one.outbox.iter_mut().for_each(|(row, _)| row.died = died);
        }
        facts
    }

    #[test]
    fn poison_that_is_not_set_aside_is_found() {
        let (poison, killed) = poisoned(21);
        assert_eq!(judge(&dead(Kind::Keyed, 20), &poison, &killed), Vec::<String>::new());
        assert_eq!(judge(&fine(Kind::Keyed), &poison, &killed).len(), 1);
        assert_eq!(judge(&Facts::default(), &poison, &killed).len(), 1);
        for times in [0, 22] {
            assert_eq!(judge(&dead(Kind::Keyed, 20), &poison, &poisoned(times).1).len(), 1);
        }
    }

    #[test]
    fn a_healthy_one_that_is_blamed_is_found() {
        let (poison, killed) = Default::default();
        assert_eq!(judge(&fine(Kind::Asked), &poison, &killed), Vec::<String>::new());
        assert_eq!(judge(&dead(Kind::Asked, 0), &poison, &killed).len(), 1);
        assert_eq!(judge(&dead(Kind::Unkeyed, 1), &poison, &killed), Vec::<String>::new());
        assert_eq!(judge(&dead(Kind::Unkeyed, 20), &poison, &killed).len(), 1);
    }

    #[test]
    fn what_a_redrive_does_not_deliver_is_found() {
        assert_eq!(after_redrive(&fine(Kind::Keyed)), Vec::<String>::new());
        assert_eq!(after_redrive(&dead(Kind::Keyed, 20)).len(), 1);
        assert_eq!(after_redrive(&dead(Kind::Unkeyed, 1)), Vec::<String>::new());
        assert_eq!(after_redrive(&Facts { held: Vec::new(), ..dead(Kind::Unkeyed, 1) }).len(), 1);
    }
}
