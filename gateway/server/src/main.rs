//! The binary `vcse-gateway`: see [`vcse_gateway::cli`].

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    vcse_gateway::cli::run().await
}
