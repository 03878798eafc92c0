//! One scene: two people consent and are referred; one referral is delivered, the other waits for a platform that is away.
//! Both withdraw. The first platform is told to stop and confirms it, the second never hears of the person.

use super::world::{Engine, Row, World};
use super::{PATIENCE, ROUND, follow, settle_outbox, show};
use crate::cli::{Exit, say};
use anyhow::{Context as _, bail, ensure};
use conformance_tests::generator::Expectation;
use conformance_tests::gp_system::SubmitOutcome;
use gateway_core::outbox::OutboxState;
use gateway_core::referral::Referral;

/// How many numbers of the generator are looked through for a referral that fits.
const NUMBERS: u64 = 1_000;

pub(super) async fn play(seed: u64) -> anyhow::Result<Exit> {
    let world = World::start(seed, Engine::Sqlite).await?;
    let mut screen = show::Screen::new(2);
    let first = submit(&world, "VCSE1").await?;
    settle_outbox(&world, &mut screen).await?;
    let delivered = standing(&world, &first).await?;
    ensure!(delivered.delivery.word() == "delivered", "the first referral is {}", delivered.delivery.word());
    say(&format!("1. delivered     Task {} to food-bank", delivered.task));

    world.platform("befriending")?.stop().await;
    let second = submit(&world, "VCSE2").await?;
    let queued = tried(&world, &second).await?;
    ensure!(queued.delivery.word() == "queued", "the second referral is {}", queued.delivery.word());
    say(&format!("2. queued        Task {} for befriending, which cannot be reached", queued.task));

    for task in [&first, &second] {
        ensure!(world.gp_system().withdraw_consent(task).await? == 1, "each person has one Consent");
    }
    let stopped = standing(&world, &second).await?;
    say("3. withdrawn     both Consents are inactive");
    say(&format!(
        "4. work stopped  Task {}: delivery {}, with the Consent's own commit",
        stopped.task,
        stopped.delivery.word()
    ));
    let confirmed = confirmed(&world, &first).await?;
    let recall = confirmed.recall.as_deref().context("the first referral has no receipt")?;
    let at = |at: Option<time::OffsetDateTime>| at.map_or("never".to_owned(), gateway_fhir::instant::to_instant);
    say(&format!(
        "5. platform told Task {}: asked {}, told {}, confirmed {}",
        confirmed.task,
        at(Some(recall.asked_at)),
        at(recall.told_at),
        at(recall.confirmed_at)
    ));

    world.platform("befriending")?.restart().await?;
    let settled = follow(&world, &mut screen).await?;
    screen.finish();
    let missed = world.platform("befriending")?.tasks().len();
    say(&format!("6. back again    befriending has {missed} Tasks"));
    for record in world.gp_system().records() {
        let (status, reason) = (record.status().unwrap_or("-"), record.status_reason().unwrap_or("-"));
        say(&format!(
            "7. the GP reads  Task {}: {status}, {}: {reason}",
            record.task_id,
            record.business_status().unwrap_or("-")
        ));
    }
    let rows = world.rows().await?;
    say(&show::table(&rows));
    let aligned = rows.iter().filter(|row| row.aligned).count();
    say(&format!("{settled} of 2 settled, {aligned} of 2 aligned"));
    let ended = |row: &Row| row.gp_status == "cancelled" && row.business_status == "consent-withdrawn";
    let right = settled == 2 && aligned == 2 && missed == 0 && rows.iter().all(ended);
    world.stop().await;
    Ok(if right && stopped.delivery.word() == "withdrawn" && recall.confirmed_at.is_some() {
        Exit::Done
    } else {
        Exit::NotRight
    })
}

/// Sends the first referral that goes through to this recipient; its Task's address.
async fn submit(world: &World, ods: &str) -> anyhow::Result<String> {
    let fits = |number: &u64| {
        let referral = world.referral(*number);
        referral.expectation == Expectation::Delivered && referral.recipient_ods.as_deref() == Some(ods)
    };
    let number = (0..NUMBERS).find(fits).with_context(|| format!("no referral to {ods} was generated"))?;
    match world.gp_system().submit(&world.referral(number)).await {
        SubmitOutcome::Accepted { task_url, .. } => Ok(task_url),
        SubmitOutcome::Refused { status, outcome } => bail!("the gateway refused with {status}: {outcome}"),
        SubmitOutcome::Unreachable { last, .. } => bail!("the gateway was not reached: {last}"),
    }
}

async fn standing(world: &World, task_url: &str) -> anyhow::Result<Referral> {
    let all = world.referrals().await?;
    all.into_iter()
        .find(|referral| task_url.ends_with(&referral.task))
        .context("the gateway does not know the referral")
}

/// The referral once an attempt has found nobody.
async fn tried(world: &World, task_url: &str) -> anyhow::Result<Referral> {
    for _ in 0..PATIENCE {
        let referral = standing(world, task_url).await?;
        let rows = world.gateway().store.outbox(&referral.id).await?;
        if rows.iter().any(|row| row.state == OutboxState::Ready && row.last_failure.is_some()) {
            return Ok(referral);
        }
        world.wait(ROUND).await;
    }
    bail!("no attempt was made on the second referral")
}

/// The referral once its platform has confirmed, or after patience is over.
async fn confirmed(world: &World, task_url: &str) -> anyhow::Result<Referral> {
    for _ in 0..PATIENCE {
        let referral = standing(world, task_url).await?;
        if referral.recall.as_ref().is_some_and(|recall| recall.confirmed_at.is_some()) {
            return Ok(referral);
        }
        world.wait(ROUND).await;
    }
    standing(world, task_url).await
}
