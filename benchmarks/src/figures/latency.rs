//! From an accept to the platform's first byte, at a steady rate, beside what the disk takes for one sync.

use crate::bench::{Bench, until};
use crate::load;
use crate::relay::{Firsts, Relay};
use crate::scene::{Recipient, Scene};
use crate::table::{Clock, Row, Target};
use anyhow::{Context as _, Result};
use conformance_tests::platform::{FhirPlatform, PlatformConfig};
use hdrhistogram::Histogram;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Referrals a second.
const PER_SECOND: u32 = 100;

/// Connections of the sender: enough that none waits for another.
const CONNECTIONS: usize = 32;

/// Syncs that are measured before and again after.
const SYNCS: usize = 400;

/// What one sync is given to write.
const BLOCK: usize = 16 * 1024;

/// A histogram of microseconds.
pub(crate) fn microseconds() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 600_000_000, 3)?)
}

/// In whole microseconds, at least one.
pub(crate) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX).max(1)
}

/// A part of a histogram in milliseconds.
pub(crate) fn millis_at(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1000.0
}

/// Measures.
///
/// # Errors
/// When a referral does not reach the platform.
pub(crate) async fn run(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.referrals;
    let platform = FhirPlatform::start(PlatformConfig::default()).await?;
    let target = platform.base_url().trim_start_matches("http://").trim_end_matches("/fhir").parse()?;
    let firsts = Firsts::default();
    let relay = Relay::start(target, firsts.clone()).await?;
    let recipient = Recipient::new(1, &format!("http://{}/fhir", relay.address));
    let mut scene = Scene::new(&bench.gateway, &bench.scratch, std::slice::from_ref(&recipient))?;
    let gateway = scene.serve().await?;
    let mut syncs = microseconds()?;
    sync(&bench.scratch, &mut syncs)?;
    let referrals = scene.referrals(&recipient, count);
    let names: Vec<String> = referrals.iter().map(|referral| referral.correlation.clone()).collect();
    let requests = Arc::new(referrals.into_iter().map(|referral| referral.request).collect());
    let load = load::paced(scene.address, &requests, CONNECTIONS, PER_SECOND).await?;
    load.all(201)?;
    until(|| async { Ok(firsts.count() == count) }).await?;
    let (mut after_answer, mut after_request) = (microseconds()?, microseconds()?);
    for (name, answer) in names.iter().zip(&load.answers) {
        let first = firsts.of(name).context("the platform has seen nothing of a referral")?;
        // It may be under way before its sender has read the answer.
        after_answer.record(micros(first.saturating_duration_since(answer.answered)))?;
        after_request.record(micros(first.saturating_duration_since(answer.sent)))?;
    }
    sync(&bench.scratch, &mut syncs)?;
    gateway.stop()?;
    let row = |what: &str, value, target| Row {
        what: format!("3 {what}, {PER_SECOND}/s"),
        value,
        unit: "ms",
        baseline: None,
        target,
        clock: Clock::Wall,
    };
    let disk = millis_at(&syncs, 0.99);
    Ok(vec![
        row("answer to platform's first byte, p50", millis_at(&after_answer, 0.5), Target::AtMost(5.0)),
        row("answer to platform's first byte, p99", millis_at(&after_answer, 0.99), Target::AtMost(3.0 * disk + 10.0)),
        row("request to platform's first byte, p50", millis_at(&after_request, 0.5), Target::Told),
        row("request to platform's first byte, p99", millis_at(&after_request, 0.99), Target::Told),
        Row {
            what: "3 the disk: fdatasync of 16 KiB, p99".to_owned(),
            value: disk,
            unit: "ms",
            baseline: Some((millis_at(&syncs, 0.5), "p50")),
            target: Target::Told,
            clock: Clock::Wall,
        },
    ])
}

fn sync(folder: &Path, into: &mut Histogram<u64>) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("syncs-").tempdir_in(folder)?;
    let mut file = File::create(folder.path().join("syncs"))?;
    let block = vec![b'x'; BLOCK];
    for _ in 0..SYNCS {
        file.write_all(&block)?;
        let begun = Instant::now();
        file.sync_data()?;
        into.record(micros(begun.elapsed()))?;
    }
    Ok(())
}
