//! The simulation: builds its binary in release, for a seed takes a second of it and half a minute otherwise, and starts it.

use crate::campaigns::Rest;
use crate::cargo;
use crate::steps::Steps;
use anyhow::Result;

/// Runs a campaign in simulated time. Its table comes on standard output; it fails on any violation.
pub(crate) fn run(steps: &mut Steps, campaign: &str, rest: &Rest) -> Result<()> {
    let mut simulation = cargo();
    simulation.args(["run", "--release", "--quiet", "--package", "gateway-simulation", "--", campaign]);
    steps.command(campaign, simulation.args(&rest.arguments))
}
