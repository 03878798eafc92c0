//! `serve`.

use super::{Exit, complain, say};
use crate::chance::Chance;
use crate::clock::SystemClock;
use crate::config::{self, Config, ConfigError};
use crate::gateway::Gateway;
use crate::serve::{self, Work};
use crate::store::ReferralFilter;
use crate::store::sqlite::backup::pause_mark;
use crate::transport::HttpTransport;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

pub(super) async fn run(file: &Path, resume: bool) -> Exit {
    super::logging::start(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")));
    match start(file, resume).await {
        Ok(exit) => exit,
        Err(error) => {
            complain(&format!("vcse-gateway does not start.\n{error:#}"));
            match error.downcast_ref::<ConfigError>() {
                Some(ConfigError::Faults(_)) => Exit::NotRight,
                _ => Exit::Environment,
            }
        }
    }
}

/// A referral on its way to a platform that the configuration no longer has would wait for ever, and nobody would know.
async fn refuse_orphans(gateway: &Gateway) -> anyhow::Result<()> {
    // To count them all takes time where much waits, so it is done only if anything is lost.
    if gateway.store.busy_platforms().await?.iter().all(|platform| gateway.platform(platform).is_some()) {
        return Ok(());
    }
    let mut lost: BTreeMap<String, usize> = BTreeMap::new();
    let mut filter = ReferralFilter { delivery: Some("queued".to_owned()), limit: 1_000, ..ReferralFilter::default() };
    loop {
        let page = gateway.store.referrals(&filter).await?;
        let Some(last) = page.last() else { break };
        filter.after = Some(last.id.clone());
        for platform in page.iter().filter_map(|referral| referral.platform.as_ref()) {
            if gateway.platform(platform).is_none() {
                *lost.entry(platform.0.clone()).or_default() += 1;
            }
        }
    }
    if lost.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = lost.iter().map(|(platform, number)| format!("{platform} ({number})")).collect();
    anyhow::bail!(
        "referrals are on their way to platforms that the configuration no longer has: {}. Put each [[platform]] back, \
         if need be only until its referrals are delivered or cancelled.",
        list.join(", ")
    )
}

/// A file that was put back from a copy is not sent from before somebody says so.
fn work(config: &Config, resume: bool) -> anyhow::Result<Work> {
    use anyhow::Context as _;
    let Some(mark) = config::store_file(config).map(|file| pause_mark(&file)).filter(|mark| mark.exists()) else {
        return Ok(Work::All);
    };
    if !resume {
        return Ok(Work::TakeIn);
    }
    std::fs::remove_file(&mark).with_context(|| format!("{} cannot be removed", mark.display()))?;
    Ok(Work::All)
}

async fn start(file: &Path, resume: bool) -> anyhow::Result<Exit> {
    use anyhow::Context as _;
    let config = config::load(file)?;
    let listen = config.server.listen.get_ref();
    let store = config::open_store(&config).await.context("the store cannot be opened")?;
    let work = work(&config, resume)?;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr()?;
    let base = match &config.server.base_url {
        Some(base) => base.get_ref().clone(),
        None => format!("http://{address}/fhir"),
    };
    let (clock, chance) = (Arc::new(SystemClock), Arc::new(Chance::from_system()));
    let transport = Arc::new(HttpTransport::new()?);
    let gateway = config::build(&config, base.clone(), store, clock, chance, transport)?;
    refuse_orphans(&gateway).await?;
    let mut running = serve::start_to(work, gateway, listener)?;
    say(&format!("vcse-gateway serves FHIR R4 at {base}"));
    if work == Work::TakeIn {
        tracing::warn!(
            "the store was put back from a copy: nothing is sent until the gateway is started with --resume"
        );
        say(
            "Paused: the store was put back from a copy. It takes in and sends nothing; stop it, and start it with --resume.",
        );
    }
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = running.failed() => {
            complain("a part of the gateway ended by itself; the log says why");
            return Ok(Exit::Environment);
        }
    }
    tracing::info!("stopping: no new requests; what is under way ends first");
    running.stop().await;
    Ok(Exit::Done)
}
