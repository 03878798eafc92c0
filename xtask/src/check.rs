//! `cargo xtask check`: the rules that a machine can hold.

use crate::steps::{Steps, execute, is_there, root, say, scratch};
use crate::{cargo, examples, links, r4_tables};
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The version whose configuration format `deny.toml` is written in.
const DENY: &str = "0.20.2";

/// Runs every check but the layout tests, which are tests.
pub(crate) fn run(steps: &mut Steps) -> Result<()> {
    steps.command("format", cargo().args(["fmt", "--all", "--check"]))?;
    steps.step("links", || links::check(&root()))?;
    steps.command(
        "lints",
        cargo().args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]),
    )?;
    steps.command(
        "documentation",
        cargo().env("RUSTDOCFLAGS", "-D warnings -D rustdoc::broken_intra_doc_links").args([
            "doc",
            "--workspace",
            "--no-deps",
            "--locked",
        ]),
    )?;
    steps.step("licences, bans, sources", deny)?;
    steps.step("generated files", generated)
}

fn deny() -> Result<()> {
    let program = deny_program()?;
    execute(Command::new(program).current_dir(root()).args(["check", "bans", "licenses", "sources"]))
}

/// cargo-deny from the path, or from `target/tools`, or built into it.
fn deny_program() -> Result<PathBuf> {
    let installed = PathBuf::from("cargo-deny");
    if is_there(&installed) {
        return Ok(installed);
    }
    let tools = scratch().join("tools");
    let own = tools.join("bin").join("cargo-deny");
    if !is_there(&own) {
        say(&format!("cargo-deny is missing; building {DENY} into {} (once, some minutes)", tools.display()));
        // Without optimisation: it builds in a third of the time and reads one lock file.
        let mut install = cargo();
        install.args(["install", "cargo-deny", "--locked", "--debug", "--version", DENY, "--root"]).arg(&tools);
        execute(&mut install)?;
    }
    Ok(own)
}

/// The committed R4 tables are what the definitions give.
fn generated() -> Result<()> {
    let Some(package) = examples::unpacked() else {
        say("R4 tables not compared: the definitions are not here; `cargo xtask test` fetches them");
        return Ok(());
    };
    let fresh = scratch().join("r4-tables");
    r4_tables::generate(&package, &fresh)?;
    for name in ["elements.tsv", "codes.tsv"] {
        let read = |path: PathBuf| fs::read(&path).with_context(|| format!("read {}", path.display()));
        let same = read(fresh.join(name))? == read(root().join("gateway/fhir/elements/tables").join(name))?;
        ensure!(same, "gateway/fhir/elements/tables/{name} differs from what `cargo xtask generate-r4-tables` makes");
    }
    Ok(())
}
