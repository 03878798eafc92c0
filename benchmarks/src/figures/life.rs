//! The whole life of a referral beside the bare gateway: accepted, decided, translated, delivered, its status fetched
//! after a notification and shown in the Task.

use crate::baseline::bare;
use crate::baseline::sink::Sink;
use crate::bench::{Bench, until};
use crate::load;
use crate::process::Process;
use crate::scene::{REPORT_TOKEN, Recipient, Scene, free_address};
use crate::table::{Clock, Row, Target, median};
use anyhow::{Result, ensure};
use conformance_tests::platform::{FhirPlatform, Notify, PlatformConfig};
use rusqlite::OpenFlags;
use std::process::Command;
use std::sync::Arc;

/// Connections of the sender.
const TOGETHER: usize = 64;

/// Measures.
///
/// # Errors
/// When a referral does not come to its end on either side.
pub(crate) async fn run(bench: &Bench) -> Result<Vec<Row>> {
    let count = (bench.referrals / 2).max(1);
    let (mut whole, mut bare, mut delivered, mut told) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        bare.push(bare_life(bench, count).await?);
        let (to_delivery, of_status) = life(bench, count).await?;
        delivered.push(to_delivery);
        told.push(of_status);
        whole.push(to_delivery + of_status);
    }
    let bare = median(bare);
    let row = |what: &str, values, target| Row {
        what: what.to_owned(),
        value: median(values),
        unit: "µs",
        baseline: Some((bare, "bare gateway")),
        target,
        clock: Clock::Cpu,
    };
    Ok(vec![
        row("2 whole life of a referral", whole, Target::RatioAtMost(4.0)),
        row("2 of it until it is delivered", delivered, Target::Told),
        row("2 of it a status, notified and shown", told, Target::Told),
    ])
}

/// Processor time in microseconds for each referral: until all are delivered, and of one status for each.
async fn life(bench: &Bench, count: usize) -> Result<(f64, f64)> {
    let platform = FhirPlatform::start(PlatformConfig::default()).await?;
    let recipient = Recipient::new(1, &platform.base_url());
    let mut scene = Scene::new(&bench.gateway, &bench.scratch, std::slice::from_ref(&recipient))?;
    platform.set_notify(Some(Notify::id_only(
        &format!("http://{}/platforms/{}/reports", scene.address, recipient.id),
        REPORT_TOKEN,
    )));
    let gateway = scene.serve().await?;
    let requests = Arc::new(scene.referrals(&recipient, count).into_iter().map(|one| one.request).collect());
    let before = gateway.usage()?;
    load::closed(scene.address, &requests, TOGETHER).await?.all(201)?;
    let at_end = |delivery: &str, status: &str| {
        let end = (delivery.to_owned(), status.to_owned(), count as u64);
        let scene = &scene;
        until(move || {
            let end = end.clone();
            async move { Ok(scene.counts().await? == [end]) }
        })
    };
    at_end("delivered", "requested").await?;
    let between = gateway.usage()?;
    for task in platform.tasks() {
        ensure!(platform.plan(&task.id, &[("accepted", None)]), "a Task of the platform has ended");
    }
    platform.tick().await;
    at_end("delivered", "accepted").await?;
    let after = gateway.usage()?;
    gateway.stop()?;
    ensure!(
        platform.tasks().len() == count && platform.duplicates().is_empty(),
        "the platform has others than were sent"
    );
    platform.stop().await;
    let each = |cpu: std::time::Duration| cpu.as_secs_f64() * 1e6 / count as f64;
    Ok((each((between - before).cpu), each((after - between).cpu)))
}

async fn bare_life(bench: &Bench, count: usize) -> Result<f64> {
    let sink = Sink::start().await?;
    let mut scene = Scene::new(&bench.gateway, &bench.scratch, &[Recipient::nobody()])?;
    let address = free_address()?;
    let folder = tempfile::Builder::new().prefix("bare-").tempdir_in(&bench.scratch)?;
    let mut command = Command::new(&bench.own);
    command.args(["bare-gateway", "--listen", &address.to_string(), "--sink", &format!("http://{}/", sink.address)]);
    command.arg("--data").arg(folder.path());
    let process = Process::start(command, address, &folder.path().join("log")).await?;
    let referrals = scene.referrals(&Recipient::nobody(), count);
    let sent: usize = referrals.iter().map(|referral| referral.body).sum();
    let requests = Arc::new(referrals.into_iter().map(|referral| referral.request).collect());
    let before = process.usage()?;
    load::closed(address, &requests, TOGETHER).await?.all(201)?;
    let path = folder.path().join(bare::FILE);
    until(|| async {
        let file = rusqlite::Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let done = "SELECT count(*) FROM outbox WHERE state = 'done'";
        Ok(usize::try_from(file.query_row(done, [], |row| row.get::<_, i64>(0))?)? == count)
    })
    .await?;
    let used = process.usage()? - before;
    process.stop()?;
    ensure!(sink.taken() == (count, sent), "the sink was sent {:?} and not {:?}", sink.taken(), (count, sent));
    Ok(used.cpu.as_secs_f64() * 1e6 / count as f64)
}
