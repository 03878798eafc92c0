//! The binary behind `cargo xtask crash` and its kin.

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use fault_campaigns::kill9::Way;
use fault_campaigns::report::{self, Outcome, Progress, say};
use fault_campaigns::{backup, conditional, crash, diskfull, flood, iofault, kill9};
use fault_campaigns::{pause, pgfail, poison, powercut, rolling, stuck};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::task::LocalSet;

/// Fault campaigns against the real binary.
#[derive(Debug, Parser)]
#[command(name = "fault-campaigns", about)]
struct Arguments {
    #[command(subcommand)]
    campaign: Campaign,
    /// Decides people, points and times.
    #[arg(long, global = true, default_value_t = 1)]
    seed: u64,
    /// Writes docs/evidence/CAMPAIGN.md.
    #[arg(long, global = true)]
    record: bool,
    /// The gateway's binary, if not the one beside this one.
    #[arg(long, global = true)]
    gateway: Option<PathBuf>,
    /// Runs at the same time.
    #[arg(long, global = true, default_value_t = 6)]
    together: usize,
    /// After so many minutes nothing further is begun; what ran is counted.
    #[arg(long, global = true, default_value_t = 600)]
    minutes: u64,
}

#[derive(Debug, Subcommand)]
enum Campaign {
    /// SIGKILL at the Nth write, sync, send, receive.
    Crash {
        /// How many points are to be struck.
        #[arg(long, default_value_t = 1_000)]
        points: u64,
    },
    /// SIGKILL at random times under load, on one growing data folder.
    Kill9 {
        /// How often it is killed.
        #[arg(long, default_value_t = 200)]
        cycles: u64,
    },
    /// SIGTERM under load, on one growing data folder.
    Drain {
        /// How often it is stopped.
        #[arg(long, default_value_t = 100)]
        cycles: u64,
    },
    /// One platform of three never answers.
    Stuck {
        /// How often.
        #[arg(long, default_value_t = 10)]
        rounds: u64,
    },
    /// What was not synced is forgotten.
    Powercut {
        /// How many cuts.
        #[arg(long, default_value_t = 60)]
        cuts: u64,
    },
    /// The Nth call on the disk fails with EIO or ENOSPC.
    Iofault {
        /// The first so many calls of each kind.
        #[arg(long, default_value_t = 200)]
        first: u64,
        /// At most so many faults of them.
        #[arg(long, default_value_t = 2_400)]
        faults: u64,
    },
    /// Sixteen identical conditional creates at once over three instances on PostgreSQL.
    Conditional {
        /// How often.
        #[arg(long, default_value_t = 2_000)]
        rounds: u64,
    },
    /// SIGSTOP of an instance past the term of its lanes, then SIGCONT: three instances on PostgreSQL.
    Pause {
        /// How often.
        #[arg(long, default_value_t = 40)]
        rounds: u64,
    },
    /// Instances and the database server die by turns.
    Pgfail {
        /// How many deaths.
        #[arg(long, default_value_t = 60)]
        cycles: u64,
    },
    /// The disk is full, and then is not.
    Diskfull {
        /// How often.
        #[arg(long, default_value_t = 10)]
        rounds: u64,
    },
    /// Referrals that end the process each time it works on them, among healthy ones.
    Poison {
        /// How often.
        #[arg(long, default_value_t = 20)]
        rounds: u64,
        /// Poisonous referrals at each platform.
        #[arg(long, default_value_t = 2)]
        poisonous: usize,
    },
    /// One client asks far more than it may, in every bad manner, beside one that behaves.
    Flood {
        /// How often.
        #[arg(long, default_value_t = 20)]
        rounds: u64,
    },
    /// SIGTERM and a new start of one instance after the other, under load: three instances on PostgreSQL.
    Rolling {
        /// How many instances are stopped and started again.
        #[arg(long, default_value_t = 100)]
        rounds: u64,
    },
    /// Copies under load, a death, flipped bytes, and a start from a copy.
    Backup {
        /// How often.
        #[arg(long, default_value_t = 50)]
        rounds: u64,
    },
}

impl Campaign {
    const fn name(&self) -> &'static str {
        match self {
            Self::Crash { .. } => "crash",
            Self::Kill9 { .. } => "kill9",
            Self::Drain { .. } => "drain",
            Self::Stuck { .. } => "stuck",
            Self::Powercut { .. } => "powercut",
            Self::Iofault { .. } => "iofault",
            Self::Diskfull { .. } => "diskfull",
            Self::Conditional { .. } => "conditional",
            Self::Pause { .. } => "pause",
            Self::Pgfail { .. } => "pgfail",
            Self::Poison { .. } => "poison",
            Self::Flood { .. } => "flood",
            Self::Rolling { .. } => "rolling",
            Self::Backup { .. } => "backup",
        }
    }
}

fn main() -> ExitCode {
    match start() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("the campaign could not be run: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// True if nothing was violated.
fn start() -> Result<bool> {
    let arguments = Arguments::parse();
    let beside = std::env::current_exe()?.with_file_name("vcse-gateway");
    let gateway = arguments.gateway.clone().unwrap_or(beside);
    if !gateway.is_file() {
        anyhow::bail!("there is no binary {}; build it: cargo build --package vcse-gateway", gateway.display());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    let progress = Progress::default();
    let outcome = runtime.block_on(LocalSet::new().run_until(run(&arguments, &gateway)))?;
    report::conclude(&outcome);
    if arguments.record {
        let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--record").collect();
        let command = format!("cargo xtask {}", words.join(" "));
        let file = report::record(arguments.campaign.name(), &command, progress.seconds(), &outcome)?;
        say(&format!("recorded in {}", file.display()));
    }
    Ok(outcome.violations.is_empty())
}

async fn run(arguments: &Arguments, gateway: &Path) -> Result<Outcome> {
    let (seed, together, minutes) = (arguments.seed, arguments.together, arguments.minutes);
    match &arguments.campaign {
        Campaign::Crash { points } => {
            crash::run(gateway, &crash::Options { points: *points, seed, together, minutes }).await
        }
        Campaign::Kill9 { cycles } => kill9::run(gateway, Way::Kill, *cycles, seed, minutes).await,
        Campaign::Drain { cycles } => kill9::run(gateway, Way::Drain, *cycles, seed, minutes).await,
        Campaign::Stuck { rounds } => stuck::run(gateway, *rounds, seed, minutes).await,
        Campaign::Iofault { first, faults } => iofault::run(gateway, *first, *faults, seed, together, minutes).await,
        Campaign::Diskfull { rounds } => diskfull::run(gateway, *rounds, seed, minutes).await,
        Campaign::Conditional { rounds } => conditional::run(gateway, *rounds, seed, minutes).await,
        Campaign::Pause { rounds } => pause::run(gateway, *rounds, seed, minutes).await,
        Campaign::Pgfail { cycles } => pgfail::run(gateway, *cycles, seed, minutes).await,
        Campaign::Poison { rounds, poisonous } => poison::run(gateway, *rounds, *poisonous, seed, minutes).await,
        Campaign::Flood { rounds } => flood::run(gateway, *rounds, seed, minutes).await,
        Campaign::Rolling { rounds } => rolling::run(gateway, *rounds, seed, minutes).await,
        Campaign::Backup { rounds } => backup::run(gateway, *rounds, seed, minutes).await,
        Campaign::Powercut { cuts } => powercut::run(gateway, *cuts, seed, together, minutes).await,
    }
}
