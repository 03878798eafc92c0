//! What one platform that never answers, and for which much waits, costs the others: pairs of runs, interleaved, the
//! same load with and without it.

use crate::bench::{Bench, until};
use crate::figures::latency::{micros, microseconds, millis_at};
use crate::filled::{Filled, PLATFORMS};
use crate::load;
use crate::relay::{Firsts, Relay};
use crate::scene::{Recipient, Referral};
use crate::table::{Clock, Row, Target, median, with_full};
use anyhow::{Context as _, Result};
use conformance_tests::platform::{FhirPlatform, PlatformConfig};
use std::sync::Arc;
use tokio::time::Instant;

/// Referrals that wait for it.
const WAITING: usize = 100_000;

/// Pairs of runs.
const PAIRS: usize = 5;

const TOGETHER: usize = 64;

/// The rate at which latency is measured.
const PER_SECOND: u32 = 100;

/// The platforms that answer.
pub(crate) struct Others {
    /// As the configuration has them.
    pub(crate) recipients: Vec<Recipient>,
    firsts: Firsts,
    _running: Vec<(FhirPlatform, Relay)>,
}

impl Others {
    /// Starts them.
    ///
    /// # Errors
    /// When there is no free port.
    pub(crate) async fn start() -> Result<Self> {
        let firsts = Firsts::default();
        let (mut recipients, mut running) = (Vec::new(), Vec::new());
        for number in 1..PLATFORMS {
            let platform = FhirPlatform::start(PlatformConfig::default()).await?;
            let target = platform.base_url().trim_start_matches("http://").trim_end_matches("/fhir").parse()?;
            let relay = Relay::start(target, firsts.clone()).await?;
            recipients.push(Recipient::new(number, &format!("http://{}/fhir", relay.address)));
            running.push((platform, relay));
        }
        Ok(Self { recipients, firsts, _running: running })
    }
}

/// What one run came to.
#[derive(Debug)]
struct Came {
    /// Referrals a second, from the first request to the last platform's first byte.
    rate: f64,
    /// From request to the platform's first byte, in milliseconds.
    p99: f64,
    /// Processor time of a referral in microseconds.
    cpu: f64,
}

/// Measures.
///
/// # Errors
/// When a referral does not reach its platform.
pub(crate) async fn run(bench: &Bench, others: &Others, filled: &mut Filled) -> Result<Vec<Row>> {
    let waiting = filled.to(WAITING.min(bench.stored)).await?;
    let mut young = Filled::new(bench, &others.recipients).await?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for pair in 0..PAIRS.min(bench.rounds + 2) {
        // Each goes first in turn.
        if pair % 2 == 0 {
            without.push(one(bench, others, &mut young).await?);
            with.push(one(bench, others, filled).await?);
        } else {
            with.push(one(bench, others, filled).await?);
            without.push(one(bench, others, &mut young).await?);
        }
    }
    let ratios = |part: fn(&Came) -> f64| median(with.iter().zip(&without).map(|(a, b)| part(a) / part(b)).collect());
    let value = |part: fn(&Came) -> f64| median(without.iter().map(part).collect());
    // The ratio is the median of the pairs' ratios, so the figure is shown as that much of the median without.
    let row = |what: &str, part: fn(&Came) -> f64, unit, target, clock| {
        let without = value(part);
        Row {
            what: format!("4 {what}, one of {PLATFORMS} stuck, {waiting} waiting"),
            value: without * ratios(part),
            unit,
            baseline: Some((without, "none waiting")),
            target: with_full(waiting, target),
            clock,
        }
    };
    Ok(vec![
        row("p99 to the others", |came| came.p99, "ms", Target::RatioAtMost(1.05), Clock::Wall),
        row("throughput to the others", |came| came.rate, "/s", Target::RatioAtLeast(0.99), Clock::Wall),
        row("CPU of a referral to the others", |came| came.cpu, "µs", Target::Told, Clock::Cpu),
    ])
}

async fn one(bench: &Bench, others: &Others, filled: &mut Filled) -> Result<Came> {
    let gateway = filled.scene().serve().await?;
    let before = gateway.usage()?;

    let (requests, names) = referrals(bench.referrals, others, filled);
    let known = others.firsts.count();
    let begun = Instant::now();
    load::closed(filled.scene().address, &requests, TOGETHER).await?.all(201)?;
    until(|| async { Ok(others.firsts.count() == known + names.len()) }).await?;
    let last = names.iter().filter_map(|name| others.firsts.of(name)).max().context("nothing arrived")?;
    let rate = names.len() as f64 / (last - begun).as_secs_f64();

    let (requests, names) = referrals(bench.referrals, others, filled);
    let known = others.firsts.count();
    let load = load::paced(filled.scene().address, &requests, TOGETHER, PER_SECOND).await?;
    load.all(201)?;
    until(|| async { Ok(others.firsts.count() == known + names.len()) }).await?;
    let mut latency = microseconds()?;
    for (name, answer) in names.iter().zip(&load.answers) {
        let first = others.firsts.of(name).context("the platform has seen nothing of a referral")?;
        latency.record(micros(first.saturating_duration_since(answer.sent)))?;
    }
    let used = gateway.usage()? - before;
    gateway.kill();
    let cpu = used.cpu.as_secs_f64() * 1e6 / (2 * bench.referrals) as f64;
    Ok(Came { rate, p99: millis_at(&latency, 0.99), cpu })
}

/// Referrals to the others, one after the other, and their names.
fn referrals(count: usize, others: &Others, filled: &mut Filled) -> (Arc<Vec<Vec<u8>>>, Vec<String>) {
    let each = count / others.recipients.len() + 1;
    let mut by_recipient: Vec<Vec<Referral>> =
        others.recipients.iter().map(|recipient| filled.scene().referrals(recipient, each)).collect();
    let mut mixed = Vec::with_capacity(count);
    while mixed.len() < count {
        for one in &mut by_recipient {
            mixed.extend(one.pop());
        }
    }
    mixed.truncate(count);
    let names = mixed.iter().map(|referral| referral.correlation.clone()).collect();
    (Arc::new(mixed.into_iter().map(|referral| referral.request).collect()), names)
}
