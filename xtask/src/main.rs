//! `cargo xtask`: everything that is done to this repository besides building it. Nothing has to be installed first.
//!
//! `check` holds the rules, `test` is what the build server runs, `bench` measures, `consent` proves the consent rules,
//! `crash` and its kin are the fault campaigns, `generate-r4-tables` remakes a committed file. What a command needs from outside
//! (cargo-deny, the R4 examples) it puts below `target/`; what Debian packages alone (Request Tracker, PostgreSQL, OpenSSH, mail servers)
//! is installed on the machine, by root and if it is missing.

mod adapters;
mod bench;
mod campaigns;
mod check;
mod chromium;
mod consent;
mod debian;
mod documents;
mod examples;
mod fhirpath_js;
mod links;
mod mail;
mod mesh;
mod npm;
mod postgres;
mod r4_tables;
mod request_tracker;
mod sftp;
mod simulation;
mod steps;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use steps::Steps;

/// Tasks of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Format, lints, documentation, licences, generated files, links, layout.
    Check,
    /// Everything in `check`, then every test of the workspace against the official R4 examples.
    Test {
        /// Leaves out what needs the official R4 examples, for work without a network.
        #[arg(long)]
        without_examples: bool,
        /// Each adapter alone instead: what its folder proves, and its life through the whole gateway.
        #[arg(long, conflicts_with = "without_examples")]
        adapters: bool,
    },
    /// Measures the gateway beside its baselines (`--quick`, `--small`, `--only NAME`, `--record`), and translation beside
    /// hand-written code.
    Bench(bench::Rest),
    /// Proves the consent rules: cases, the small model against a second evaluator, mutants, canaries.
    Consent {
        /// Compares all combinations of the model, not only a share. Takes minutes.
        #[arg(long)]
        full: bool,
        /// Runs mutation testing anew. Takes an hour, and changes files while it runs.
        #[arg(long)]
        mutants: bool,
    },
    /// Kills the gateway at its Nth write, sync, send, receive (`--points`).
    Crash(campaigns::Rest),
    /// Kills it at random times under load, on one growing data folder (`--cycles`).
    Kill9(campaigns::Rest),
    /// Stops it with SIGTERM under load (`--cycles`).
    Drain(campaigns::Rest),
    /// Lets one platform of three never answer (`--rounds`).
    Stuck(campaigns::Rest),
    /// Forgets what was not synced (`--cuts`).
    Powercut(campaigns::Rest),
    /// Lets a call on the disk fail with EIO or ENOSPC (`--first`).
    Iofault(campaigns::Rest),
    /// Fills the disk, and makes room again.
    Diskfull(campaigns::Rest),
    /// Fault campaign: identical conditional creates over three instances (--rounds N).
    Conditional(campaigns::Rest),
    /// Fault campaign: an instance is frozen past the term of its lanes (--rounds N).
    Pause(campaigns::Rest),
    /// Fault campaign: instances and the database server die (--cycles N).
    Pgfail(campaigns::Rest),
    /// Fault campaign: referrals that end the process each time it works on them (`--rounds`, `--poisonous`).
    Poison(campaigns::Rest),
    /// Fault campaign: one client asks far more than it may, in every bad manner (`--rounds`).
    Flood(campaigns::Rest),
    /// Fault campaign: instances are stopped and started again one by one under load (`--rounds`).
    Rolling(campaigns::Rest),
    /// Fault campaign: copies under load, a death, flipped bytes, a start from a copy (`--rounds`).
    Backup(campaigns::Rest),
    /// Simulates days of the whole gateway with faults, one for each seed (`--seeds 0..1000`).
    Sim(campaigns::Rest),
    /// Simulates a platform that stays away: which attempts are made over 72 hours.
    Retry(campaigns::Rest),
    /// Simulates 10,000 referrals that fail at once: how their retries spread.
    Jitter(campaigns::Rest),
    /// Simulates a platform with a pace of ten requests a second: whether it is kept, and used.
    Ratelimit(campaigns::Rest),
    /// Makes the R4 tables from an unpacked package `hl7.fhir.r4.examples` 4.0.1.
    GenerateR4Tables {
        /// The folder that holds `package.json`.
        #[arg(long)]
        from: PathBuf,
        /// Where to write.
        #[arg(long, default_value = "gateway/fhir/elements/tables")]
        out: PathBuf,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut steps = Steps::default();
    let outcome = run(arguments.task, &mut steps);
    steps.summary();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            steps::say(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task, steps: &mut Steps) -> Result<()> {
    let root = steps::root();
    match task {
        Task::Check => {
            check::run(steps)?;
            steps.command("layout", cargo().args(["test", "--package", "xtask"]))
        }
        Task::Test { without_examples, adapters } => {
            campaigns::prepare();
            let examples = if without_examples { None } else { Some(steps.step("R4 examples", examples::fetch)?) };
            let mut variables: Vec<(&str, String)> = Vec::new();
            variables.extend(examples.map(|folder| (examples::VARIABLE, folder.display().to_string())));
            let required = |is_there: bool| is_there.then(|| "required".to_owned());
            let request_tracker = steps.step("Request Tracker", || Ok(request_tracker::prepare()))?;
            variables.extend(required(request_tracker).map(|word| (request_tracker::VARIABLE, word)));
            let mesh = steps.step("MESH sandbox", || Ok(mesh::prepare()))?;
            variables.extend(required(mesh).map(|word| (mesh::VARIABLE, word)));
            let sftp = steps.step("OpenSSH", || Ok(sftp::prepare()))?;
            variables.extend(required(sftp).map(|word| (sftp::VARIABLE, word)));
            let mail = steps.step("mail servers", || Ok(mail::prepare()))?;
            variables.extend(required(mail).map(|word| (mail::VARIABLE, word)));
            for server in [npm::OAUTH2, npm::GP_FHIR_SERVER, npm::STANDARD_WEBHOOKS] {
                let is_there = steps.step(server.name, || Ok(server.prepare()))?;
                variables.extend(required(is_there).map(|word| (server.variable, word)));
            }
            let postgres = steps.step("PostgreSQL", || Ok(postgres::prepare()))?;
            variables.extend(required(postgres).map(|word| (postgres::VARIABLE, word)));
            let axe = steps.step("Chromium", || Ok(chromium::prepare()))?;
            variables.extend(axe.map(|file| (chromium::VARIABLE, file.display().to_string())));
            if adapters {
                return adapters::run(steps, &variables);
            }
            let poppler = steps.step("Poppler", || Ok(documents::poppler()))?;
            variables.extend(required(poppler).map(|word| (documents::POPPLER, word)));
            let schema = steps.step("Schema of STU3", || Ok(documents::schema()))?;
            variables.extend(schema.map(|folder| (documents::SCHEMA, folder.display().to_string())));
            let fhirpath_js = steps.step("FHIRPath in JavaScript", || Ok(fhirpath_js::prepare()))?;
            variables.extend(fhirpath_js.map(|folder| (fhirpath_js::VARIABLE, folder.display().to_string())));
            check::run(steps)?;
            let mut tests = cargo();
            // The layout tests are among them. Benches have a command of their own.
            tests.args(["test", "--workspace", "--no-fail-fast", "--locked"]);
            tests.envs(variables);
            steps.command("tests", &mut tests)
        }
        Task::Bench(rest) => bench::run(steps, &rest),
        Task::Consent { full, mutants } => consent::run(steps, full, mutants),
        Task::Crash(rest) => campaigns::run(steps, "crash", &rest),
        Task::Kill9(rest) => campaigns::run(steps, "kill9", &rest),
        Task::Drain(rest) => campaigns::run(steps, "drain", &rest),
        Task::Stuck(rest) => campaigns::run(steps, "stuck", &rest),
        Task::Powercut(rest) => campaigns::run(steps, "powercut", &rest),
        Task::Iofault(rest) => campaigns::run(steps, "iofault", &rest),
        Task::Diskfull(rest) => campaigns::run(steps, "diskfull", &rest),
        Task::Conditional(rest) => campaigns::run(steps, "conditional", &rest),
        Task::Pause(rest) => campaigns::run(steps, "pause", &rest),
        Task::Pgfail(rest) => campaigns::run(steps, "pgfail", &rest),
        Task::Poison(rest) => campaigns::run(steps, "poison", &rest),
        Task::Flood(rest) => campaigns::run(steps, "flood", &rest),
        Task::Rolling(rest) => campaigns::run(steps, "rolling", &rest),
        Task::Backup(rest) => campaigns::run(steps, "backup", &rest),
        Task::Sim(rest) => simulation::run(steps, "sim", &rest),
        Task::Retry(rest) => simulation::run(steps, "retry", &rest),
        Task::Jitter(rest) => simulation::run(steps, "jitter", &rest),
        Task::Ratelimit(rest) => simulation::run(steps, "ratelimit", &rest),
        Task::GenerateR4Tables { from, out } => steps.step("R4 tables", || r4_tables::generate(&from, &root.join(out))),
    }
}

/// The cargo that runs us, at the root of the workspace.
fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(steps::root());
    command
}
