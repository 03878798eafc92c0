//! The demonstration: gateway, platform simulators and a GP-system double on loopback, in one process or with three gateways as
//! processes of their own; everything that travels between them over HTTP as it would in earnest. The gateway is started from a configuration file like any
//! other; nothing in it knows that this is a demonstration.

mod charities;
mod fleet;
mod setup;
mod show;
mod tales;
mod withdraw;
mod world;

use crate::cli::{Exit, complain, say};
use conformance_tests::gp_system::SubmitOutcome;
use std::time::Duration;
use tokio::task::JoinSet;
pub use world::Engine;
use world::World;

/// Submissions under way at a time.
const SUBMITTING: usize = 8;

/// How often the simulated world moves on.
const ROUND: Duration = Duration::from_millis(150);

/// Rounds in which nothing changes before the demonstration says what is stuck instead of waiting for ever.
const PATIENCE: u32 = 200;

/// Runs the demonstration.
pub async fn run(referrals: u32, once: bool, seed: u64, engine: Engine, kill_every: Option<u32>) -> Exit {
    finished(play(referrals, once, seed, engine, kill_every)).await
}

/// Runs the scene of a withdrawal of consent, and ends.
pub async fn run_withdrawal(seed: u64) -> Exit {
    finished(withdraw::play(seed)).await
}

async fn finished(play: impl Future<Output = anyhow::Result<Exit>>) -> Exit {
    if let Ok(filter) = tracing_subscriber::EnvFilter::try_from_default_env() {
        crate::cli::logging::start(filter);
    }
    match play.await {
        Ok(exit) => exit,
        Err(error) => {
            complain(&format!("The demonstration cannot run: {error:#}"));
            Exit::Environment
        }
    }
}

async fn play(referrals: u32, once: bool, seed: u64, engine: Engine, kill_every: Option<u32>) -> anyhow::Result<Exit> {
    let mut world = World::start(seed, engine).await?;
    world.cast(referrals);
    say(&format!("FHIR base address   {}", world.gateway().base_url));
    say(&format!("GP client's token   {}", world::GP_TOKEN));
    say(&format!("BaRS-shaped         token {}, responses at {}", world::BARS_TOKEN, world.responses()));
    for (name, address) in world.platform_addresses() {
        say(&format!("platform            {name}: {address}"));
    }
    let mut screen = show::Screen::new(referrals);
    if let Some(seconds) = kill_every {
        world.kill_every(Duration::from_secs(u64::from(seconds)));
    }
    submit_all(&world, referrals, &mut screen).await?;
    // What the GP withdraws is withdrawn when it is delivered and before the platforms begin to work: the races are a matter for
    // tests.
    settle_outbox(&world, &mut screen).await?;
    for task in world.to_withdraw() {
        world::cancel(&world.gp_system(), &task).await?;
    }
    settle_outbox(&world, &mut screen).await?;
    let settled = follow(&world, &mut screen).await?;
    screen.finish();
    let killed = world.spare();
    let rows = world.rows().await?;
    let aligned = rows.iter().filter(|row| row.aligned).count();
    if once {
        say(&show::table(&rows));
    }
    say(&show::summary(&rows));
    say(&show::tales(&told(&world).await?));
    let doubled = world.doubled().await?;
    say(&format!("{settled} of {referrals} settled, {aligned} of {referrals} aligned, {doubled} doubled"));
    if kill_every.is_some() {
        say(&format!("{killed} instances killed"));
    }
    let figures = crate::alignment::table(world.gateway().store.as_ref(), None).await?;
    say(&show::alignment(&rows, &figures));
    if !once {
        say("Everything stays up; Ctrl-C ends it.");
        stay(&world).await?;
    }
    let complete = u32::try_from(settled.min(aligned)).unwrap_or(u32::MAX) == referrals && doubled == 0;
    world.stop().await;
    Ok(if complete { Exit::Done } else { Exit::NotRight })
}

/// The tales, read as the GP reads them. Where instances were killed, one that was started again may not listen yet.
async fn told(world: &World) -> anyhow::Result<Vec<tales::Told>> {
    for _ in 0..PATIENCE {
        match tales::told(world).await {
            Err(_) if world.has_instances() => world.wait(ROUND).await,
            told => return told,
        }
    }
    tales::told(world).await
}

async fn submit_all(world: &World, referrals: u32, screen: &mut show::Screen) -> anyhow::Result<()> {
    let mut running: JoinSet<anyhow::Result<()>> = JoinSet::new();
    for number in 0..u64::from(referrals) {
        if running.len() >= SUBMITTING
            && let Some(done) = running.join_next().await
        {
            done??;
            screen.show(world, &world.referrals().await?);
        }
        let (gp, referral) = (world.gp_system(), world.referral(number));
        running.spawn(async move {
            match gp.submit(&referral).await {
                SubmitOutcome::Accepted { .. } => Ok(()),
                SubmitOutcome::Refused { status, outcome } => {
                    anyhow::bail!("the gateway refused {} with {status}: {outcome}", referral.placer_id)
                }
                SubmitOutcome::Unreachable { last, .. } => anyhow::bail!("the gateway was not reached: {last}"),
            }
        });
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok(())
}

async fn settle_outbox(world: &World, screen: &mut show::Screen) -> anyhow::Result<()> {
    for _ in 0..PATIENCE * 10 {
        screen.show(world, &world.referrals().await?);
        if world.outbox_is_idle().await? {
            return Ok(());
        }
        world.wait(ROUND / 3).await;
    }
    Ok(())
}

/// Lets the platforms work and the GP system follow, until everything is settled or nothing moves any more.
async fn follow(world: &World, screen: &mut show::Screen) -> anyhow::Result<usize> {
    let mut quiet = 0;
    let mut before = Vec::new();
    loop {
        if let Err(error) = world.round().await {
            // Where instances die, whoever asked one asks the next, a moment later.
            if !world.has_instances() {
                return Err(error);
            }
        }
        let referrals = world.referrals().await?;
        screen.show(world, &referrals);
        let settled = referrals.iter().filter(|referral| world.is_settled(referral)).count();
        if settled == world.submitted()
            && (world
                .is_followed_up()
                .await
                .or_else(|error| if world.has_instances() { Ok(false) } else { Err(error) }))?
        {
            return Ok(settled);
        }
        quiet = if referrals == before { quiet + 1 } else { 0 };
        if quiet > PATIENCE {
            return Ok(settled);
        }
        before = referrals;
        world.wait(ROUND).await;
    }
}

async fn stay(world: &World) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            stopped = tokio::signal::ctrl_c() => return Ok(stopped?),
            () = world.wait(ROUND * 10) => world.round().await?,
        }
    }
}
