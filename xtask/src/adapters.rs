//! `cargo xtask test --adapters`: each adapter alone: what its folder proves of itself, then its life through the whole gateway. The table
//! at the end says which ran against real software and which against a simulator.

use crate::cargo;
use crate::steps::{Steps, root, say};
use anyhow::{Context as _, Result, bail, ensure};
use comfy_table::{Table as Lines, presets};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `[tested]` of an adapter's `conformance.toml` says.
struct Adapter {
    name: String,
    folder: PathBuf,
    /// Its translation is a mapping, and not code.
    has_mapping: bool,
    against: String,
    real: bool,
    tests: Vec<String>,
}

/// What became of it.
struct Row {
    name: String,
    proof: String,
    lives: String,
    against: String,
}

/// Runs all. `variables` say what is installed.
///
/// # Errors
/// If a folder's proof or a test fails, or an adapter has no test at all.
pub(crate) fn run(steps: &mut Steps, variables: &[(&str, String)]) -> Result<()> {
    let adapters = adapters()?;
    let mut build = cargo();
    build.args(["build", "--workspace", "--locked"]);
    steps.command("build", &mut build)?;
    let mut rows = Vec::new();
    for adapter in &adapters {
        let proof = steps.step(&format!("{}: its folder", adapter.name), || proof(adapter))?;
        let lives = steps.step(&format!("{}: the whole gateway", adapter.name), || lives(adapter, variables))?;
        let kind = if adapter.real { "real" } else { "simulator" };
        rows.push(Row { name: adapter.name.clone(), proof, lives, against: format!("{kind}: {}", adapter.against) });
    }
    let mut table = Lines::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["Adapter", "Its folder", "Tests through the gateway", "Against"]);
    for row in &rows {
        table.add_row([&row.name, &row.proof, &row.lives, &row.against]);
    }
    say(&table.to_string());
    Ok(())
}

fn adapters() -> Result<Vec<Adapter>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join("adapters")).context("read adapters")? {
        let folder = entry?.path();
        if !folder.join("adapter.toml").is_file() {
            continue;
        }
        let name = folder.file_name().and_then(|name| name.to_str()).context("a name")?.to_owned();
        found.push(read(name, &folder)?);
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    ensure!(!found.is_empty(), "no adapter is there");
    Ok(found)
}

fn read(name: String, folder: &Path) -> Result<Adapter> {
    let file = folder.join("conformance.toml");
    let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    let table: toml::Table = text.parse().with_context(|| format!("read {}", file.display()))?;
    let missing = || format!("{}: [tested] needs against, real and tests", file.display());
    let tested = table.get("tested").and_then(toml::Value::as_table).with_context(missing)?;
    let tests = tested.get("tests").and_then(toml::Value::as_array).with_context(missing)?;
    Ok(Adapter {
        name,
        has_mapping: folder.join("mapping.yaml").is_file(),
        folder: folder.to_owned(),
        against: tested.get("against").and_then(toml::Value::as_str).with_context(missing)?.to_owned(),
        real: tested.get("real").and_then(toml::Value::as_bool).with_context(missing)?,
        tests: tests.iter().filter_map(|test| test.as_str().map(str::to_owned)).collect(),
    })
}

/// Coverage and mutants of a mapping; the tests of its crate for an adapter with code.
fn proof(adapter: &Adapter) -> Result<String> {
    if adapter.folder.join("Cargo.toml").is_file() {
        let mut own = cargo();
        own.args(["test", "--locked", "--package", &format!("adapter-{}", adapter.name)]);
        let counted = counted(&mut own)?;
        if !adapter.has_mapping {
            return Ok(format!("{counted} tests of its crate"));
        }
    }
    let binary = root().join("target/debug/vcse-gateway");
    let mut check = Command::new(binary);
    check.args(["adapter", "check"]).arg(&adapter.folder);
    let output = check.output().context("vcse-gateway cannot be started")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        say(&text);
        say(&String::from_utf8_lossy(&output.stderr));
        bail!("adapter check {} ended with {}", adapter.folder.display(), output.status);
    }
    let figures = text.lines().filter(|line| line.starts_with("Coverage:") || line.starts_with("Mutants noticed:"));
    Ok(figures.collect::<Vec<_>>().join(", "))
}

fn lives(adapter: &Adapter, variables: &[(&str, String)]) -> Result<String> {
    let mut tests = cargo();
    tests.args(["test", "--workspace", "--locked", "--test", "it", "--"]).args(&adapter.tests);
    tests.envs(variables.iter().map(|(name, value)| (*name, value.as_str())));
    let counted = counted(&mut tests)?;
    ensure!(counted > 0, "no test is named {}", adapter.tests.join(", "));
    Ok(format!("{counted} passed"))
}

/// How many tests of a command passed.
fn counted(command: &mut Command) -> Result<u64> {
    let output = command.output().context("cargo cannot be started")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        say(&text);
        say(&String::from_utf8_lossy(&output.stderr));
        bail!("tests failed: {}", output.status);
    }
    let passed = text.lines().filter_map(|line| line.strip_prefix("test result: ok. ")?.split_once(" passed"));
    Ok(passed.filter_map(|(number, _)| number.parse::<u64>().ok()).sum())
}
