//! Whether cost stays flat with age: an accept, a claim and a read of a Task's status in a store that is nearly empty,
//! and in one in which much is stored and waits.

use crate::bench::Bench;
use crate::filled::Filled;
use crate::load;
use crate::scene::{Recipient, read};
use crate::table::{Clock, Row, Target, median, with_full};
use anyhow::{Context as _, Result, ensure};
use gateway_core::fair::Turn;
use gateway_core::identity::PlatformId;
use gateway_core::outbox::ClaimRequest;
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::time::Duration;
use vcse_gateway::clock::{Clock as _, SystemClock};
use vcse_gateway::store::Store as _;
use vcse_gateway::store::sqlite::SqliteStore;

const TOGETHER: usize = 64;

/// Reads of each Task: a read is cheap, and processor time comes in hundredths of a second.
const READS: usize = 4;

/// Rows of one claim: as many as the gateway lets one platform have under way.
const CLAIMED: u32 = 8;

/// Microseconds of processor time.
#[derive(Default)]
struct Costs {
    accept: Vec<f64>,
    claim: Vec<f64>,
    status: Vec<f64>,
}

/// Measures.
///
/// # Errors
/// When something is not accepted, not read, or nothing is there to be claimed.
pub(crate) async fn run(bench: &Bench, filled: &mut Filled) -> Result<Vec<Row>> {
    let waiting = filled.to(bench.stored).await?;
    let (mut young, mut old) = (Costs::default(), Costs::default());
    for _ in 0..bench.rounds {
        measure(bench, &mut Filled::new(bench, &filled.others()).await?, &mut young).await?;
        measure(bench, filled, &mut old).await?;
    }
    let row = |what: &str, old, young| Row {
        what: format!("5 {what}, {waiting} waiting"),
        value: median(old),
        unit: "µs",
        baseline: Some((median(young), "empty store")),
        target: with_full(waiting, Target::RatioAtMost(1.3)),
        clock: Clock::Cpu,
    };
    Ok(vec![
        row("an accept", old.accept, young.accept),
        row("a claimed row", old.claim, young.claim),
        row("a read of a Task", old.status, young.status),
    ])
}

async fn measure(bench: &Bench, filled: &mut Filled, costs: &mut Costs) -> Result<()> {
    let count = bench.referrals;
    let scene = filled.scene();
    scene.take_in_only(true)?;
    let gateway = scene.serve().await?;
    let requests = Arc::new(scene.referrals(&Recipient::nobody(), count).into_iter().map(|one| one.request).collect());
    let before = gateway.usage()?;
    let accepted = load::closed(scene.address, &requests, TOGETHER).await?;
    let between = gateway.usage()?;
    accepted.all(201)?;
    let mut reads = Vec::with_capacity(count * READS);
    for answer in accepted.answers.iter().cycle().take(count * READS) {
        let location = answer.location.as_deref().context("an accept without Location")?;
        let (_, path) = location.split_once("/fhir/").context("Location is below the FHIR base")?;
        reads.push(read(&format!("/fhir/{}", path.split("/_history").next().unwrap_or(path))));
    }
    let reads = Arc::new(reads);
    let before_reads = gateway.usage()?;
    load::closed(scene.address, &reads, TOGETHER).await?.all(200)?;
    let after = gateway.usage()?;
    gateway.stop()?;
    scene.take_in_only(false)?;
    let each = |cpu: Duration, times: usize| cpu.as_secs_f64() * 1e6 / times as f64;
    costs.accept.push(each((between - before).cpu, count));
    costs.status.push(each((after - before_reads).cpu, count * READS));

    // The claim has no address of its own: it is asked of the store, in this process, which does nothing else meanwhile.
    let store = SqliteStore::open(&scene.file())?;
    let now = SystemClock.now();
    let platform = PlatformId(Recipient::nobody().id);
    let (begun, mut claimed) = (own_time()?, 0);
    for _ in 0..count / CLAIMED as usize {
        let lease_until = now + Duration::from_secs(600);
        let request = ClaimRequest {
            platform: platform.clone(),
            now,
            due_by: now,
            lease_until,
            limit: CLAIMED,
            interrupted: false,
            urgent: false,
            turn: Turn::default(),
            lane: None,
            adapter: None,
        };
        claimed += store.claim(request).await?.len();
    }
    let taken = own_time()? - begun;
    ensure!(claimed == count / CLAIMED as usize * CLAIMED as usize, "only {claimed} rows were there to be claimed");
    costs.claim.push(each(taken, claimed));
    Ok(())
}

fn own_time() -> Result<Duration> {
    let taken = clock_gettime(ClockId::ProcessCPUTime);
    Ok(Duration::new(u64::try_from(taken.tv_sec)?, u32::try_from(taken.tv_nsec)?))
}
