//! `conditional`: sixteen identical conditional creates (`ifNoneExist`) at once over three real instances, round after round. One
//! is created in each, and the fifteen others find it.
//!
//! Nobody consented to these referrals, so nothing leaves: it is about what is taken in.

use crate::facts::Kept;
use crate::fleet::{Fleet, Stage, is_here};
use crate::process::{Ends, Keeps as _};
use crate::report::{Outcome, Progress};
use crate::scene::{Kind, Scene};
use anyhow::{Result, bail};
use conformance_tests::generator::Expectation;
use conformance_tests::gp_system::{GpSystem, SubmitOutcome};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use tokio::task::JoinSet;
use vcse_gateway::store::ReferralFilter;

/// At the same time.
const AT_ONCE: u64 = 16;
/// Attempts of one that meets no answer.
const ATTEMPTS: u32 = 100;

/// Runs the campaign.
///
/// # Errors
/// When PostgreSQL or a gateway does not start.
pub async fn run(gateway: &Path, rounds: u64, seed: u64, minutes: u64) -> Result<Outcome> {
    is_here()?;
    let mut outcome = Outcome::default();
    outcome.count("rounds asked for", rounds);
    outcome.count("rounds", 0);
    let stage = Stage::new(gateway, seed).await?;
    let fleet = Fleet::start(&stage.scene, Ends::Not).await?;
    // Each has its own request ids: to the gateway they are sixteen requests, not one that is repeated.
    let senders: Vec<Arc<GpSystem>> = (0..AT_ONCE)
        .zip(stage.scene.listens.iter().cycle())
        .map(|(nth, at)| stage.scene.gp_at(&at.to_string(), seed ^ (nth + 1) << 32, ATTEMPTS).map(Arc::new))
        .collect::<Result<_>>()?;
    let mut progress = Progress::default();
    let mut tasks = BTreeSet::new();
    for round in 0..rounds {
        if progress.seconds() >= minutes.saturating_mul(60) {
            break;
        }
        let number = Scene::number_of(Expectation::NoConsent, usize::try_from(round).unwrap_or(usize::MAX));
        let referral = Arc::new(stage.scene.referral(Kind::Keyed, number).created_once());
        let mut posting = JoinSet::new();
        for sender in &senders {
            let (sender, referral) = (Arc::clone(sender), Arc::clone(&referral));
            posting.spawn_local(async move { sender.submit(&referral).await });
        }
        let mut found = BTreeSet::new();
        for answer in posting.join_all().await {
            match answer {
                SubmitOutcome::Accepted { task_id, .. } => drop(found.insert(task_id)),
                other => outcome.violated([format!("round {round}: {other:?}")]),
            }
        }
        if found.len() != 1 {
            outcome.violated([format!("round {round}: the sixteen were answered with {found:?}")]);
        }
        tasks.extend(found);
        outcome.count("rounds", 1);
        outcome.count("requests", AT_ONCE);
        progress.say(|| format!("{round} of {rounds} rounds, {} violations", outcome.violations.len()));
        if let Some(fault) = fleet.fault() {
            bail!("round {round}: {fault}\n    {}", fleet.log());
        }
    }
    fleet.stop();
    judge(&stage.scene.kept, &tasks, &mut outcome).await?;
    Ok(outcome)
}

/// The store holds one referral for each round, and each is one that was answered.
async fn judge(kept: &Kept, tasks: &BTreeSet<String>, outcome: &mut Outcome) -> Result<()> {
    let store = kept.open().await?;
    let filter = ReferralFilter { limit: u32::MAX, ..ReferralFilter::default() };
    let stored: Vec<String> = store.referrals(&filter).await?.into_iter().map(|referral| referral.task).collect();
    outcome.count("referrals in the store", stored.len() as u64);
    if stored.len() as u64 != outcome.of("rounds") {
        outcome.violated([format!("{} referrals of {} rounds", stored.len(), outcome.of("rounds"))]);
    }
    let strangers = stored.iter().filter(|task| !tasks.contains(*task));
    outcome.violated(strangers.map(|task| format!("Task/{task} is stored, and nobody was answered with it")));
    for chain in store.verify_audit().await? {
        outcome.count("lines of audit", chain.lines);
        outcome.violated(chain.broken.map(|line| format!("audit of {}: {line:?}", chain.tenant.0)));
    }
    Ok(())
}
