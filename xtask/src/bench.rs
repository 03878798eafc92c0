//! The benches: release builds of gateway and harness beside each other, then the harness; then those of single steps.

use crate::cargo;
use crate::steps::Steps;
use anyhow::Result;

/// Arguments of the harness (`--quick`, `--small`, `--only NAME`, `--record`).
#[derive(Debug, clap::Args)]
pub(crate) struct Rest {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs the harness; without `--quick` and `--only` also what measures single steps and translation.
pub(crate) fn run(steps: &mut Steps, rest: &Rest) -> Result<()> {
    let harness = ["--package", "vcse-gateway", "--package", "gateway-benchmarks", "--bins"];
    steps.command("build", cargo().args(["build", "--release"]).args(harness))?;
    let mut measure = cargo();
    measure.args(["run", "--quiet", "--release", "--package", "gateway-benchmarks", "--"]).args(&rest.arguments);
    steps.command("bench", &mut measure)?;
    let part = |argument: &String| argument == "--quick" || argument.starts_with("--only");
    if rest.arguments.iter().any(part) {
        return Ok(());
    }
    steps.command("mappings", cargo().args(["bench", "--package", "mappings", "--bench", "translate"]))?;
    steps.command("steps", cargo().args(["bench", "--package", "vcse-gateway", "--bench", "micro"]))
}
