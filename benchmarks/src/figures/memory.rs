//! What the process holds, and how long it takes until it serves: empty, with 64 connections, with much that waits.

use crate::bench::{Bench, until};
use crate::filled::Filled;
use crate::load;
use crate::process::Memory;
use crate::scene::{Recipient, Scene};
use crate::table::{Clock, Row, Target, median, with_full};
use anyhow::Result;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const TOGETHER: usize = 64;

/// How long a gateway is left alone before it counts as idle.
const REST: Duration = Duration::from_secs(1);

/// What one start came to.
struct Start {
    ready: f64,
    idle: Memory,
    busy: Memory,
}

/// Measures.
///
/// # Errors
/// When a referral is not accepted.
pub(crate) async fn run(bench: &Bench, filled: &mut Filled) -> Result<Vec<Row>> {
    let mut empty = Vec::new();
    for _ in 0..bench.rounds {
        let mut young = Filled::new(bench, &filled.others()).await?;
        empty.push(start(bench, young.scene(), &Recipient::nobody()).await?);
    }
    let waiting = filled.to(bench.stored).await?;
    let mut full = Vec::new();
    for _ in 0..bench.rounds {
        full.push(start(bench, filled.scene(), &Recipient::nobody()).await?);
    }
    let of = |starts: &[Start], part: fn(&Start) -> f64| median(starts.iter().map(part).collect());
    let row = |what: String, value, unit, target, clock| Row { what, value, unit, baseline: None, target, clock };
    let mib = |what: &str, value, target| row(format!("6 {what}"), value, "MiB", target, Clock::Count);
    let busy = of(&empty, |start| start.busy.peak);
    let busy_full = of(&full, |start| start.busy.peak);
    Ok(vec![
        mib("resident, idle", of(&empty, |start| start.idle.resident), Target::AtMost(25.0)),
        mib("proportional (PSS), idle", of(&empty, |start| start.idle.proportional), Target::Told),
        mib("anonymous, idle", of(&empty, |start| start.idle.anonymous), Target::Told),
        mib("resident at most, 64 connections", busy, Target::AtMost(64.0)),
        mib("anonymous, 64 connections", of(&empty, |start| start.busy.anonymous), Target::Told),
        mib(&format!("more of it with {waiting} waiting"), busy_full - busy, with_full(waiting, Target::AtMost(64.0))),
        mib(
            &format!("anonymous, 64 connections, {waiting} waiting"),
            of(&full, |start| start.busy.anonymous),
            Target::Told,
        ),
        row(
            "6 start to ready, empty".to_owned(),
            of(&empty, |start| start.ready),
            "ms",
            Target::AtMost(200.0),
            Clock::Wall,
        ),
        row(
            format!("6 start to ready, {waiting} waiting"),
            of(&full, |start| start.ready),
            "ms",
            with_full(waiting, Target::AtMost(1000.0)),
            Clock::Wall,
        ),
    ])
}

async fn start(bench: &Bench, scene: &mut Scene, recipient: &Recipient) -> Result<Start> {
    let gateway = scene.serve().await?;
    let rested = Instant::now() + REST;
    until(|| async { Ok(Instant::now() > rested) }).await?;
    let idle = gateway.memory()?;
    let requests = Arc::new(scene.referrals(recipient, bench.referrals).into_iter().map(|one| one.request).collect());
    load::closed(scene.address, &requests, TOGETHER).await?.all(201)?;
    let busy = gateway.memory()?;
    let ready = gateway.ready.as_secs_f64() * 1000.0;
    gateway.kill();
    Ok(Start { ready, idle, busy })
}
