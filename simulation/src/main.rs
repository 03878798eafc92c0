//! The binary behind `cargo xtask sim` and its kin.

use anyhow::{Result, anyhow};
use clap::{Parser, Subcommand};
use fault_campaigns::report::{self, Outcome, Progress, say};
use gateway_simulation::plan::Plan;
use gateway_simulation::run::run;
use gateway_simulation::settings::Settings;
use gateway_simulation::{campaign, jitter, ratelimit, retry};
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Arc;

/// The whole gateway in simulated time.
#[derive(Debug, Parser)]
#[command(name = "gateway-simulation", about)]
struct Arguments {
    #[command(subcommand)]
    campaign: Campaign,
    /// Writes docs/evidence/CAMPAIGN.md.
    #[arg(long, global = true)]
    record: bool,
}

#[derive(Debug, Subcommand)]
enum Campaign {
    /// Days with faults, one for each seed.
    Sim {
        /// Which seeds, as FROM..TO without TO.
        #[arg(long, default_value = "0..100", value_parser = range)]
        seeds: Range<u64>,
        /// After so many minutes no further seed is begun.
        #[arg(long, default_value_t = 600)]
        minutes: u64,
        /// Plays each seed twice and compares the traces.
        #[arg(long)]
        twice: bool,
        /// Prints everything that happens in the first seed, in order, and runs no other.
        #[arg(long)]
        tell: bool,
    },
    /// A platform that stays away: which attempts are made.
    Retry {
        /// How many referrals.
        #[arg(long, default_value_t = 200)]
        referrals: u64,
        /// Decides people, ids and jitter.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Many referrals that fail at once: how their retries spread.
    Jitter {
        /// How many referrals.
        #[arg(long, default_value_t = 10_000)]
        referrals: u64,
        /// Decides the jitter.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// A platform with a pace: whether it is kept, and used.
    Ratelimit {
        /// How many referrals.
        #[arg(long, default_value_t = 500)]
        referrals: u64,
        /// Decides people and ids.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

impl Campaign {
    const fn name(&self) -> &'static str {
        match self {
            Self::Sim { .. } => "sim",
            Self::Retry { .. } => "retry",
            Self::Jitter { .. } => "jitter",
            Self::Ratelimit { .. } => "ratelimit",
        }
    }
}

fn range(text: &str) -> Result<Range<u64>> {
    let (from, to) = text.split_once("..").ok_or_else(|| anyhow!("write FROM..TO"))?;
    Ok(from.parse()?..to.parse()?)
}

fn main() -> ExitCode {
    match start() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("the simulation could not be run: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// True if nothing was violated.
fn start() -> Result<bool> {
    let arguments = Arguments::parse();
    // Only its clock is needed: nothing in a campaign waits for real time.
    let progress = Progress::default();
    let outcome = match &arguments.campaign {
        Campaign::Sim { seeds, tell: true, .. } => tell(seeds.start)?,
        Campaign::Sim { seeds, minutes, twice, .. } => campaign::seeds(seeds.clone(), *minutes, *twice)?,
        Campaign::Retry { referrals, seed } => retry::run(*referrals, *seed)?,
        Campaign::Jitter { referrals, seed } => jitter::run(*referrals, *seed)?,
        Campaign::Ratelimit { referrals, seed } => ratelimit::run(*referrals, *seed)?,
    };
    report::conclude(&outcome);
    if arguments.record {
        let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--record").collect();
        let command = format!("cargo xtask {}", words.join(" "));
        let file = report::record(arguments.campaign.name(), &command, progress.seconds(), &outcome)?;
        say(&format!("recorded in {}", file.display()));
    }
    Ok(outcome.violations.is_empty())
}

fn tell(seed: u64) -> Result<Outcome> {
    let settings = Arc::new(Settings::new()?);
    let plan = Plan::of(seed);
    say(&format!("{plan:#?}"));
    let ran = run(&settings, plan, true)?;
    ran.told.iter().for_each(|line| say(line));
    say(&format!("seed {seed}  trace {}  {} turns", ran.trace, ran.turns));
    let mut outcome = Outcome::default();
    outcome.count("turns", ran.turns);
    outcome.violated(ran.findings);
    Ok(outcome)
}
