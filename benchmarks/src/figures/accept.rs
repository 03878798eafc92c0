//! Durable accepts beside the group writer: how many a second, what each costs, how many bytes it writes.

use crate::baseline::{capture, group_writer};
use crate::bench::Bench;
use crate::load;
use crate::scene::{Recipient, Scene};
use crate::table::{Clock, Row, Target, median};
use anyhow::Result;
use std::sync::Arc;

/// Connections, and accepts under way in the group writer.
const TOGETHER: usize = 64;

/// Measures.
///
/// # Errors
/// When a referral is not accepted, or a file does not hold what was accepted.
pub(crate) async fn run(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.referrals;
    let accepts = {
        let mut scene = Scene::new(&bench.gateway, &bench.scratch, &[Recipient::nobody()])?;
        scene.take_in_only(true)?;
        let gateway = scene.serve().await?;
        let referrals = scene.referrals(&Recipient::nobody(), count);
        let accepts = capture::capture(&scene, &gateway, &referrals).await?;
        gateway.stop()?;
        Arc::new(accepts)
    };
    let (mut rates, mut writer_rates) = (Vec::new(), Vec::new());
    let (mut cpus, mut writer_cpus) = (Vec::new(), Vec::new());
    let (mut bytes, mut writer_bytes) = (Vec::new(), Vec::new());
    let mut body = 0.0;
    for _ in 0..bench.rounds {
        let written = group_writer::run(&accepts, &bench.scratch, TOGETHER).await?;
        writer_rates.push(written.rate);
        writer_cpus.push(written.cpu.as_secs_f64() * 1e6);
        writer_bytes.push(written.bytes / 1024.0);

        let mut scene = Scene::new(&bench.gateway, &bench.scratch, &[Recipient::nobody()])?;
        scene.take_in_only(true)?;
        let gateway = scene.serve().await?;
        let referrals = scene.referrals(&Recipient::nobody(), count);
        body = referrals.iter().map(|referral| referral.body).sum::<usize>() as f64 / count as f64 / 1024.0;
        let requests = Arc::new(referrals.into_iter().map(|referral| referral.request).collect());
        let before = gateway.usage()?;
        let load = load::closed(scene.address, &requests, TOGETHER).await?;
        let used = gateway.usage()? - before;
        load.all(201)?;
        gateway.stop()?;
        scene.holds("queued", "requested", count).await?;
        rates.push(load.rate());
        cpus.push(used.cpu.as_secs_f64() * 1e6 / count as f64);
        bytes.push(used.written as f64 / 1024.0 / count as f64);
    }
    let writer_bytes = median(writer_bytes);
    Ok(vec![
        Row {
            what: format!("1 durable accepts, {TOGETHER} connections"),
            value: median(rates),
            unit: "/s",
            baseline: Some((median(writer_rates), "group writer")),
            target: Target::RatioAtLeast(0.5),
            clock: Clock::Wall,
        },
        Row {
            what: format!("1 of an accept ({:.0} rows)", accepts.rows()),
            value: median(cpus),
            unit: "µs",
            baseline: Some((median(writer_cpus), "group writer")),
            target: Target::Told,
            clock: Clock::Cpu,
        },
        Row {
            what: "7 written to disk for a referral".to_owned(),
            value: median(bytes),
            unit: "KiB",
            baseline: Some((body, "its body")),
            target: Target::RatioAtMost(2.5),
            clock: Clock::Count,
        },
        Row {
            what: "7 the same by the group writer".to_owned(),
            value: writer_bytes,
            unit: "KiB",
            baseline: Some((body, "its body")),
            target: Target::Told,
            clock: Clock::Count,
        },
    ])
}
