//! Intake and end-to-end throughput beside the ceiling that the disk and the store set, all measured in this run.
//!
//! A figure of one machine says little; the ratios say what the gateway adds to what its store can do. Everything runs
//! in this one process: clients, gateway and platform double share the processors, so intake and end to end are lower
//! bounds. Each figure is the median of several rounds, because neighbours on a shared machine come and go.

use adapter_contract::TaskStatus;
use conformance_tests::generator::{Expectation, Generator, PRACTICE_ODS, RecipientSpec};
use conformance_tests::platform::{FhirPlatform, PlatformConfig};
use gateway_core::change::{Change, Received, Transaction};
use gateway_fhir::door;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use vcse_gateway::chance::Chance;
use vcse_gateway::clock::SystemClock;
use vcse_gateway::gateway::Gateway;
use vcse_gateway::store::Store;
use vcse_gateway::store::memory::MemoryStore;
use vcse_gateway::store::sqlite::SqliteStore;
use vcse_gateway::transport::HttpTransport;
use vcse_gateway::{config, http, ingest, serve};

/// Requests and commits under way at a time.
const CONCURRENCY: usize = 64;

/// Referrals of one round.
const REFERRALS: usize = 2_000;

/// Referrals of one round that go all the way to the platform double.
const END_TO_END: usize = 500;

/// Rounds; odd, for the median.
const ROUNDS: usize = 3;

const TOKEN: &str = "bench";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

fn main() -> anyhow::Result<()> {
    // cargo passes `--bench`; `cargo test --benches` passes nothing and must not measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure())
}

async fn measure() -> anyhow::Result<()> {
    let bundles = bundles(REFERRALS);
    let bytes: usize = bundles.iter().map(String::len).sum::<usize>() / bundles.len();
    let mut rounds = Rounds::default();
    for _ in 0..ROUNDS {
        rounds.sync.push(syncs_per_second(bytes)?);
        rounds.ceiling.push(store_ceiling(&bundles).await?);
        rounds.intake.push(intake(&bundles).await?);
        rounds.end_to_end.push(end_to_end(bundles.get(..END_TO_END).unwrap_or(&bundles)).await?);
    }
    let [sync, ceiling, intake, end_to_end] =
        [rounds.sync, rounds.ceiling, rounds.intake, rounds.end_to_end].map(median);
    say(&format!("{bytes} bytes a Bundle on average, {CONCURRENCY} at a time, median of {ROUNDS} rounds"));
    say("                                             a second   of the store's ceiling");
    for (name, rate) in [
        ("syncs of one Bundle's bytes, one after another", sync),
        ("store alone, the same transactions", ceiling),
        ("intake: POST to 201, committed", intake),
        ("end to end: POST to acknowledged by a platform", end_to_end),
    ] {
        say(&format!("{name:<46} {rate:>9.0}   {:.2}", rate / ceiling));
    }
    Ok(())
}

#[derive(Default)]
struct Rounds {
    sync: Vec<f64>,
    ceiling: Vec<f64>,
    intake: Vec<f64>,
    end_to_end: Vec<f64>,
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or(f64::NAN)
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

#[expect(clippy::disallowed_methods, reason = "a bench measures the machine's time; nothing is decided by it")]
fn now() -> Instant {
    Instant::now()
}

fn rate(count: usize, start: Instant) -> f64 {
    count as f64 / start.elapsed().as_secs_f64()
}

/// Referrals that are permitted and routed, as the text that a GP system sends.
fn bundles(count: usize) -> Vec<String> {
    let generator = Generator::new(1, vec![RecipientSpec::new("VCSE1", "Example Food Bank", &[])]);
    (0..)
        .map(|number| generator.referral(number))
        .filter(|referral| referral.expectation == Expectation::Delivered)
        .take(count)
        .map(|referral| referral.bundle_text())
        .collect()
}

/// Appends and syncs, one after another, for a second: what the disk does without any database.
fn syncs_per_second(bytes: usize) -> anyhow::Result<f64> {
    let folder = TempDir::new()?;
    let mut file = File::create(folder.path().join("syncs"))?;
    let block = vec![b'x'; bytes];
    let (start, mut count) = (now(), 0);
    while start.elapsed() < Duration::from_secs(1) {
        file.write_all(&block)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(rate(count, start))
}

/// The transactions that intake would commit, committed by themselves.
async fn store_ceiling(bundles: &[String]) -> anyhow::Result<f64> {
    let folder = TempDir::new()?;
    // Decided against an empty memory, so that nothing but the commit is measured.
    let gateway = gateway(folder.path(), "http://127.0.0.1:9/fhir", Arc::new(MemoryStore::new()))?;
    let mut transactions = Vec::with_capacity(bundles.len());
    for bundle in bundles {
        transactions.push(transaction(&gateway, bundle).await?);
    }
    let store = Arc::new(SqliteStore::open(&folder.path().join("gateway.db"))?);
    let start = now();
    each(transactions, move |transaction| {
        let store = Arc::clone(&store);
        async move { Ok(store.commit(transaction).await?) }
    })
    .await?;
    Ok(rate(bundles.len(), start))
}

async fn transaction(gateway: &Gateway, bundle: &str) -> anyhow::Result<Transaction> {
    let client = gateway.clients.values().next().ok_or_else(|| anyhow::anyhow!("no client"))?;
    let document = door::admit(bundle.as_bytes(), &gateway.limits.door)
        .map_err(|refusal| anyhow::anyhow!("the door refused: {:?}", refusal.issues()))?;
    let submission = gateway_core::ingest::read(&document, gateway.limits.bundle_entries)
        .map_err(|refusal| anyhow::anyhow!("refused: {:?}", refusal.issues))?;
    let correlation = gateway.new_id();
    let mut transaction = ingest::decide(gateway, client, &correlation, &submission).await?.transaction;
    transaction.changes.push(Change::Received(Received {
        tenant: client.tenant.clone(),
        client: client.id.clone(),
        request_id: gateway.new_id(),
        correlation,
        at: gateway.clock.now(),
        sha256: sha256(bundle),
        bytes: bundle.as_bytes().to_vec(),
        subject: None,
    }));
    Ok(transaction)
}

/// POST of every Bundle over loopback to a gateway whose workers are not started.
async fn intake(bundles: &[String]) -> anyhow::Result<f64> {
    let folder = TempDir::new()?;
    let store = Arc::new(SqliteStore::open(&folder.path().join("gateway.db"))?);
    let gateway = Arc::new(gateway(folder.path(), "http://127.0.0.1:9/fhir", store)?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/fhir", listener.local_addr()?);
    let server = tokio::spawn(async move { axum::serve(listener, http::router(gateway)).await });
    let client = reqwest::Client::builder().no_proxy().build()?;
    let start = now();
    post_all(&client, &url, bundles).await?;
    let measured = rate(bundles.len(), start);
    server.abort();
    Ok(measured)
}

/// POST of every Bundle until the platform double has acknowledged the last one.
async fn end_to_end(bundles: &[String]) -> anyhow::Result<f64> {
    let folder = TempDir::new()?;
    let platform = FhirPlatform::start(PlatformConfig::default()).await?;
    let store = Arc::new(SqliteStore::open(&folder.path().join("gateway.db"))?);
    let gateway = gateway(folder.path(), &platform.base_url(), store)?;
    let running = serve::start(gateway, TcpListener::bind("127.0.0.1:0").await?)?;
    let url = format!("http://{}/fhir", running.address);
    let client = reqwest::Client::builder().no_proxy().build()?;
    let start = now();
    post_all(&client, &url, bundles).await?;
    loop {
        let counts = running.gateway.store.counts().await?;
        let delivered: u64 =
            counts.iter().filter(|(delivery, _, _)| delivery == "delivered").map(|(_, _, count)| count).sum();
        if delivered == bundles.len() as u64 {
            break;
        }
        let stuck = counts.iter().find(|(delivery, status, _)| {
            delivery == "dead-letter" || delivery == "held" || *status == TaskStatus::OnHold.code()
        });
        anyhow::ensure!(stuck.is_none(), "a referral was not delivered: {counts:?}");
        vcse_gateway::clock::sleep(&SystemClock, Duration::from_millis(5)).await;
    }
    let measured = rate(bundles.len(), start);
    running.stop().await;
    platform.stop().await;
    Ok(measured)
}

async fn post_all(client: &reqwest::Client, url: &str, bundles: &[String]) -> anyhow::Result<()> {
    let (client, url) = (client.clone(), url.to_owned());
    each(bundles.to_vec(), move |body| {
        let request = client.post(&url).bearer_auth(TOKEN).header("content-type", "application/fhir+json").body(body);
        async move {
            let answer = request.send().await?;
            let status = answer.status();
            let text = answer.text().await?;
            anyhow::ensure!(status.is_success(), "refused with {status}: {text}");
            Ok(())
        }
    })
    .await
}

/// Does something with every item, [`CONCURRENCY`] at a time.
async fn each<T, F>(items: Vec<T>, work: impl Fn(T) -> F + Clone + Send + Sync + 'static) -> anyhow::Result<()>
where
    T: Send + 'static,
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let queue = Arc::new(Mutex::new(VecDeque::from(items)));
    let mut workers: JoinSet<anyhow::Result<()>> = JoinSet::new();
    for _ in 0..CONCURRENCY {
        let (queue, work) = (Arc::clone(&queue), work.clone());
        workers.spawn(async move {
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some(item) = next else { return Ok(()) };
                work(item).await?;
            }
        });
    }
    while let Some(done) = workers.join_next().await {
        done??;
    }
    Ok(())
}

fn gateway(folder: &Path, platform: &str, store: Arc<dyn Store>) -> anyhow::Result<Gateway> {
    let token = folder.join("platform-token");
    std::fs::write(&token, PlatformConfig::default().token)?;
    let text = format!(
        r#"
[server]
listen = "127.0.0.1:0"
data = "{data}"

[limits]
requests-per-minute = 4000000
burst = 1000000
at-once = 1000

[[client]]
id = "gp-system"
tenant = "bench-pcn"
organisation = "{PRACTICE_ODS}"
token-sha256 = "{hash}"
roles = ["referrer"]

[[platform]]
id = "food-bank"
name = "Example Food Bank"
adapter = "fhir-task"
base-url = "{platform}"
identifiers = [{{ system = "{ODS}", value = "VCSE1" }}]
token = {{ file = "{token}" }}
poll-seconds = 0
settings = {{ conditional-create = "true", honours-contact-prohibition = "true", requester-ods = "X26", requester-name = "Bench PCN" }}

[[route]]
name = "food"
platform = "food-bank"
recipients = [{{ system = "{ODS}", value = "VCSE1" }}]

[[policy]]
tenant = "bench-pcn"
platform = "food-bank"
notes = "send"
"#,
        data = folder.display(),
        hash = sha256(TOKEN),
        token = token.display(),
    );
    let config = config::parse(&text)?;
    let (clock, chance) = (Arc::new(SystemClock), Arc::new(Chance::from_system()));
    let base = "http://127.0.0.1/fhir".to_owned();
    Ok(config::build(&config, base, store, clock, chance, Arc::new(HttpTransport::new()?))?)
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
