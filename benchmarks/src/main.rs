//! The benches behind `cargo xtask bench`: each figure of the gateway beside a baseline of the same run, in one table.
//!
//! The gateway is the real binary in a process of its own, and so is the bare gateway; what they use is read from `/proc`.
//! Senders, platforms and sinks live here and are not charged to either. The machine may be busy: figures by processor time
//! and by bytes hold all the same, those by real time hold on a quiet machine only, and the table says which are which.

mod baseline;
mod bench;
mod figures;
mod filled;
mod load;
mod process;
mod record;
mod relay;
mod scene;
mod table;

use anyhow::{Context as _, Result, ensure};
use bench::{Bench, say};
use clap::{Args, Parser, Subcommand};
use figures::stuck::Others;
use figures::{accept, age, latency, life, memory};
use filled::Filled;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use table::Row;
use tokio::signal::unix::{SignalKind, signal};

/// Measures the gateway beside what any program with its promise would have to do.
#[derive(Debug, Parser)]
#[command(name = "gateway-benchmarks", about)]
struct Arguments {
    #[command(flatten)]
    measure: Measure,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Debug, Args)]
struct Measure {
    /// A share of a minute: shows that everything works, and measures little.
    #[arg(long)]
    quick: bool,
    /// 100,000 referrals in the full store and not 1,000,000.
    #[arg(long)]
    small: bool,
    /// Only this group.
    #[arg(long, value_enum)]
    only: Vec<Group>,
    /// Writes docs/evidence/bench.md.
    #[arg(long)]
    record: bool,
    /// The gateway's binary, if not the one beside this one.
    #[arg(long)]
    gateway: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// The baseline that a whole life is compared with.
    #[command(hide = true)]
    BareGateway {
        /// Where it listens.
        #[arg(long)]
        listen: SocketAddr,
        /// Its folder.
        #[arg(long)]
        data: PathBuf,
        /// Where it posts to.
        #[arg(long)]
        sink: String,
    },
}

/// Figures that share a set-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Group {
    /// Accepts a second, CPU and bytes of each (figures 1 and 7).
    Accept,
    /// Whole-life CPU (figure 2).
    Life,
    /// Accept to the platform's first byte (figure 3).
    Latency,
    /// One platform that is stuck (figure 4).
    Stuck,
    /// Cost with much in the store (figure 5).
    Age,
    /// Memory and start (figure 6).
    Memory,
}

impl Group {
    const ALL: [Self; 6] = [Self::Accept, Self::Life, Self::Latency, Self::Stuck, Self::Age, Self::Memory];
}

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("the bench could not be run: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    if let Some(Part::BareGateway { listen, data, sink }) = &arguments.part {
        return runtime.block_on(baseline::bare::serve(*listen, data, sink));
    }
    let measure = &arguments.measure;
    let own = std::env::current_exe()?;
    let gateway = measure.gateway.clone().unwrap_or_else(|| own.with_file_name("vcse-gateway"));
    ensure!(gateway.is_file(), "there is no binary {}; build it: cargo build --release", gateway.display());
    let scratch = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
    std::fs::create_dir_all(&scratch)?;
    let (rounds, referrals, stored) = match (measure.quick, measure.small) {
        (true, _) => (1, 200, 1_000),
        (false, true) => (3, 2_000, 100_000),
        (false, false) => (3, 2_000, 1_000_000),
    };
    let bench = Bench { gateway, own, scratch, rounds, referrals, stored };
    let groups = if measure.only.is_empty() { Group::ALL.to_vec() } else { measure.only.clone() };
    let rows = runtime.block_on(async {
        // So that no process of ours is left behind.
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            rows = run(&bench, &groups) => rows,
            _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
            _ = terminate.recv() => anyhow::bail!("terminated"),
        }
    })?;
    say("");
    say(&table::table(&rows));
    if measure.record {
        let file = record::record(&rows, &bench)?;
        say(&format!("recorded in {}", file.display()));
    }
    Ok(())
}

async fn run(bench: &Bench, groups: &[Group]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    // Started for the groups that need them: the full store takes long to fill.
    let mut shared: Option<(Others, Filled)> = None;
    for group in Group::ALL.into_iter().filter(|group| groups.contains(group)) {
        say(&format!("-- {group:?}"));
        if matches!(group, Group::Stuck | Group::Age | Group::Memory) && shared.is_none() {
            let others = Others::start().await?;
            let filled = Filled::new(bench, &others.recipients).await?;
            shared = Some((others, filled));
        }
        let measured = match (group, &mut shared) {
            (Group::Accept, _) => accept::run(bench).await,
            (Group::Life, _) => life::run(bench).await,
            (Group::Latency, _) => latency::run(bench).await,
            (Group::Stuck, Some((others, filled))) => figures::stuck::run(bench, others, filled).await,
            (Group::Age, Some((_, filled))) => age::run(bench, filled).await,
            (Group::Memory, Some((_, filled))) => memory::run(bench, filled).await,
            (Group::Stuck | Group::Age | Group::Memory, None) => continue,
        };
        let measured = measured.with_context(|| format!("group {group:?}"))?;
        say(&table::table(&measured));
        rows.extend(measured);
    }
    rows.sort_by_key(|row: &Row| row.what.chars().next());
    Ok(rows)
}
