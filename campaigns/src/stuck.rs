//! `stuck`: one platform of three takes each request and never answers. Everything for the others is delivered all the same;
//! once it answers again, so is the rest.

use crate::process::Keeper;
use crate::report::{Outcome, Progress};
use crate::scene::{Kind, Scene, Setup};
use crate::script::{ATTEMPTS, Move, Part, Script};
use crate::verdict;
use anyhow::Result;
use conformance_tests::platform::{Fault, FaultKind, Match};
use gateway_core::referral::Delivery;
use std::path::Path;
use std::sync::Arc;

/// Referrals to each platform: for the stuck one more than it may have under way at the same time.
const EACH: u64 = 12;

/// Runs the campaign.
///
/// # Errors
/// When the gateway does not start, or does not come to rest.
pub async fn run(gateway: &Path, rounds: u64, seed: u64, minutes: u64) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut progress = Progress::default();
    for round in 0..rounds {
        if progress.seconds() >= minutes.saturating_mul(60) {
            break;
        }
        self::round(gateway, seed.wrapping_add(round), &mut outcome).await?;
        outcome.count("rounds", 1);
        progress.say(|| format!("{round} of {rounds} rounds, {} violations", outcome.violations.len()));
    }
    Ok(outcome)
}

async fn round(gateway: &Path, seed: u64, outcome: &mut Outcome) -> Result<()> {
    let scene = Scene::new(&Setup::new(gateway, seed)).await?;
    let gp = Arc::new(scene.gp(ATTEMPTS)?);
    // Each round another kind of silence: before the request is handled, or after.
    let silence = if seed.is_multiple_of(2) { FaultKind::Stall } else { FaultKind::StallAfterStoring };
    scene.platforms.asked.faults().push(Fault::new(Match::any().times(u32::MAX), silence));
    let keeper = Keeper::start(scene.place.clone(), Box::new(|_| Default::default()), Box::new(|_| Ok(())))?;
    // Those for the stuck one come first, so that they stand in front of the others.
    let kinds = [Kind::Asked, Kind::Keyed, Kind::Unkeyed];
    let numbers = kinds.into_iter().flat_map(|kind| (0..EACH).map(move |nth| (kind, nth)));
    let parts: Vec<Part> = numbers
        .map(|(kind, nth)| {
            let nth = usize::try_from(nth).unwrap_or(0);
            let number = Scene::number_of(conformance_tests::generator::Expectation::Delivered, nth);
            Part { kind, referral: scene.referral(kind, number), sender: Move::None }
        })
        .collect();
    let script = Script::new(&scene, &keeper, Arc::clone(&gp), parts);
    script.submit().await?;
    script
        .until("everything for the other platforms is delivered", async || {
            script.quick().await.is_some_and(|all| {
                let others = all.iter().filter(|(referral, _)| {
                    referral.platform.as_ref().is_some_and(|platform| platform.0 != Kind::Asked.id())
                });
                let delivered = others.filter(|(referral, _)| matches!(referral.delivery, Delivery::Delivered { .. }));
                u64::try_from(delivered.count()) == Ok(2 * EACH)
            })
        })
        .await?;
    let waiting = script.quick().await.unwrap_or_default();
    let waiting = waiting.iter().filter(|(referral, _)| matches!(referral.delivery, Delivery::Queued)).count();
    outcome.count("delivered to others while one never answered", 2 * EACH);
    outcome.count("waiting for the one that never answered, at that moment", waiting as u64);
    if waiting == 0 {
        outcome.violated(["nothing waited for the stuck platform: it was not stuck".to_owned()]);
    }
    scene.platforms.asked.faults().clear();
    script.until("no errand is open", async || script.is_idle().await).await?;
    script.settle().await?;
    let facts = script.end().await?;
    outcome.count("referrals answered with 2xx", facts.answered.len() as u64);
    outcome.violated(verdict::at_end(&facts));
    Ok(())
}
