//! `pgfail`: three instances over one PostgreSQL, under load. By turns an instance dies (SIGKILL) and the database server does (an
//! immediate stop, as a crash), and each is started again.

use crate::fleet::{Fleet, Stage, is_here};
use crate::kill9::{note, part, send, within};
use crate::pause::settle_and_judge;
use crate::process::{Ends, Keeps as _, was_killed};
use crate::report::{Outcome, Progress};
use crate::script::{ATTEMPTS, Part};
use anyhow::{Result, bail};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rustix::process::Signal;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinSet, spawn_blocking};

/// Submissions and withdrawals that may be under way at the same time.
const UNDER_WAY: usize = 24;
/// Time between two deaths, in milliseconds, at most.
const LIFE: u64 = 2_500;
/// The database server is away so long, in milliseconds, at most.
const AWAY: u64 = 1_500;

/// Runs the campaign.
///
/// # Errors
/// When PostgreSQL or a gateway does not start, or it does not come to rest.
pub async fn run(gateway: &Path, cycles: u64, seed: u64, minutes: u64) -> Result<Outcome> {
    is_here()?;
    let mut outcome = Outcome::default();
    outcome.count("cycles asked for", cycles);
    outcome.count("cycles", 0);
    let stage = Stage::new(gateway, seed).await?;
    let scene = &stage.scene;
    let gp = Arc::new(scene.gp(ATTEMPTS)?);
    // One that starts while its database is away ends by itself, and is started again.
    let fleet = Fleet::start(scene, Ends::Any).await?;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut progress = Progress::default();
    let mut under_way: JoinSet<Result<(), String>> = JoinSet::new();
    let mut parts: Vec<Part> = Vec::new();
    for cycle in 0..cycles {
        if progress.seconds() >= minutes.saturating_mul(60) {
            break;
        }
        while under_way.len() >= UNDER_WAY {
            note(&mut outcome, under_way.join_next().await);
        }
        for _ in 0..2 {
            let part = part(scene, parts.len() as u64);
            under_way.spawn(send(Arc::clone(&gp), part.clone()));
            parts.push(part);
        }
        within(Duration::from_millis(rng.random_range(50..LIFE)), scene).await;
        if cycle % 3 == 2 {
            let server = Arc::clone(&stage.server);
            spawn_blocking(move || server.crash()).await??;
            within(Duration::from_millis(rng.random_range(0..AWAY)), scene).await;
            let server = Arc::clone(&stage.server);
            spawn_blocking(move || server.start_again()).await??;
            outcome.count("crashes of the database server", 1);
        } else if let Some(keeper) = fleet.keepers.get(rng.random_range(0..fleet.keepers.len())) {
            keeper.signal(Signal::KILL, true);
        }
        outcome.count("cycles", 1);
        if let Some(fault) = fleet.fault() {
            bail!("cycle {cycle}: {fault}\n    {}", fleet.log());
        }
        let wrong = outcome.violations.len();
        progress.say(|| format!("{cycle} of {cycles} cycles, {} referrals sent, {wrong} violations", parts.len()));
    }
    while let Some(done) = under_way.join_next().await {
        note(&mut outcome, Some(done));
    }
    settle_and_judge(&stage, &fleet, &gp, parts, false, &mut outcome).await?;
    let ends = fleet.keepers.iter().flat_map(crate::process::Keeper::ends);
    outcome.count("instances that died of SIGKILL", ends.filter(|end| was_killed(*end)).count() as u64);
    outcome.count("lanes given to a new holder", stage.lanes_given()?);
    Ok(outcome)
}
