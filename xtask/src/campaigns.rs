//! The fault campaigns: builds gateway and harness, sees that strace is here, and starts the harness.

use crate::cargo;
use crate::steps::{Steps, execute, is_there, say};
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// Arguments of the campaign (`--points N`, `--seed S`, `--record`, …).
#[derive(Debug, clap::Args)]
pub(crate) struct Rest {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) arguments: Vec<String>,
}

/// Runs a campaign. Its table comes on standard output; it fails on any violation.
pub(crate) fn run(steps: &mut Steps, campaign: &str, rest: &Rest) -> Result<()> {
    prepare();
    // Both binaries in one call, so that they lie beside each other and are of one build.
    let mut build = cargo();
    build.args(["build", "--package", "vcse-gateway", "--package", "fault-campaigns", "--bins"]);
    steps.command("build", &mut build)?;
    let mut harness = cargo();
    harness.args(["run", "--quiet", "--package", "fault-campaigns", "--", campaign]).args(&rest.arguments);
    steps.command(campaign, &mut harness)
}

/// Installs strace where that can be done; the harness says it if it is missing.
pub(crate) fn prepare() {
    let here = |mut command: Command| command.output().is_ok_and(|output| output.status.success());
    let mut version = Command::new("strace");
    version.arg("-V");
    if here(version) || !is_there(Path::new("apt-get")) {
        return;
    }
    say("strace is missing, which injects the faults; installing it with apt-get, if we are root");
    for arguments in [["update"].as_slice(), &["install", "-y", "--no-install-recommends", "strace"]] {
        let mut command = Command::new("apt-get");
        command.arg("-q").env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        if let Err(error) = execute(&mut command) {
            say(&format!("{error:#}"));
        }
    }
}
