//! Contestants on Node: a child process that is told when to run a lap, so that its laps stand between the others'.
//!
//! Nothing is installed by hand: JSONata comes by npm into the folder for build output, unless `BENCH_NODE_MODULES`
//! names a folder that holds it. Where Node or npm is missing, the table says so.

use crate::corpus::Document;
use crate::measure::{Lap, Racer};
use crate::say;
use anyhow::{Context as _, bail, ensure};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// The version that is installed.
const JSONATA: &str = "jsonata@2.2.2";

/// A script, what it needs and how it is named.
struct Script {
    name: &'static str,
    file: &'static str,
    needs_jsonata: bool,
    warm_up: usize,
    orientation: f64,
}

const SCRIPTS: &[Script] = &[
    // The compiler of V8 needs some ten thousand calls until it stays with one version of every function.
    Script {
        name: "Node: plain JavaScript",
        file: "baseline.mjs",
        needs_jsonata: false,
        warm_up: 30,
        orientation: 45.0,
    },
    Script { name: "Node: JSONata", file: "jsonata.mjs", needs_jsonata: true, warm_up: 4, orientation: 850.0 },
];

/// Those that can run here, started; the words say which cannot and why.
///
/// # Errors
/// If Node is here and a script does not start.
pub(crate) fn racers(corpus: &[Document], only: impl Fn(&str) -> bool) -> anyhow::Result<Vec<NodeRacer>> {
    let wanted: Vec<&Script> = SCRIPTS.iter().filter(|script| only(script.name)).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let Some(version) = version("node") else {
        say("NOT MEASURED: plain JavaScript and JSONata, because there is no `node` on the PATH");
        return Ok(Vec::new());
    };
    say(&format!("Node {version}"));
    let file = scratch()?.join("corpus.jsonl");
    write_corpus(corpus, &file)?;
    let mut racers = Vec::new();
    for script in wanted {
        let modules = if script.needs_jsonata { jsonata() } else { Ok(PathBuf::new()) };
        match modules {
            Ok(modules) => racers.push(NodeRacer::start(script, &file, &modules)?),
            Err(error) => say(&format!("NOT MEASURED: {}, because {error:#}", script.name)),
        }
    }
    Ok(racers)
}

/// One line a referral: the key and the Bundle's text, each a JSON string in an array.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn write_corpus(corpus: &[Document], file: &Path) -> anyhow::Result<()> {
    let mut text = String::new();
    for document in corpus {
        text.push_str(&serde_json::to_string(&[&document.key, &document.bundle])?);
        text.push('\n');
    }
    fs::write(file, text).with_context(|| format!("write {}", file.display()))
}

/// Our folder among the build output.
fn scratch() -> anyhow::Result<PathBuf> {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = temporary.parent().unwrap_or(temporary).join("bench-node");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    Ok(folder)
}

/// The folder `node_modules` that holds JSONata; npm fills ours the first time.
fn jsonata() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("BENCH_NODE_MODULES").map(PathBuf::from) {
        let named = std::path::absolute(named)?;
        ensure!(named.join("jsonata").is_dir(), "{} (BENCH_NODE_MODULES) holds no jsonata", named.display());
        return Ok(named);
    }
    let folder = scratch()?;
    let modules = folder.join("node_modules");
    if !modules.join("jsonata").is_dir() {
        ensure!(version("npm").is_some(), "there is no `npm` on the PATH to fetch it");
        say(&format!("npm installs {JSONATA} below {}", folder.display()));
        let mut install = Command::new("npm");
        install.arg("install").arg("--prefix").arg(&folder).args([
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            JSONATA,
        ]);
        let output = install.output().context("start npm")?;
        ensure!(output.status.success(), "npm failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(modules)
}

fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// One script in its process.
pub(crate) struct NodeRacer {
    script: &'static Script,
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl NodeRacer {
    fn start(script: &'static Script, corpus: &Path, modules: &Path) -> anyhow::Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/translate/node");
        let mut command = Command::new("node");
        command.arg(folder.join(script.file)).arg(corpus).arg(modules);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("start node")?;
        let to = child.stdin.take().context("the child has an input")?;
        let from = BufReader::new(child.stdout.take().context("the child has an output")?);
        Ok(Self { script, child, to, from })
    }

    /// Says one line and reads one line.
    fn ask(&mut self, line: &str) -> anyhow::Result<String> {
        writeln!(self.to, "{line}").with_context(|| format!("{} has ended", self.script.file))?;
        self.to.flush()?;
        let mut answer = String::new();
        self.from.read_line(&mut answer)?;
        if answer.is_empty() {
            bail!("{} ended instead of answering `{line}`; its own words stand above", self.script.file);
        }
        Ok(answer.trim_end().to_owned())
    }
}

impl Racer for NodeRacer {
    fn name(&self) -> &str {
        self.script.name
    }

    fn answers(&mut self) -> anyhow::Result<Option<Vec<Vec<u8>>>> {
        let file = scratch()?.join(self.script.file).with_extension("answers.jsonl");
        self.ask(&format!("answers {}", file.display()))?;
        let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        Ok(Some(text.lines().map(|line| line.as_bytes().to_vec()).collect()))
    }

    fn lap(&mut self) -> anyhow::Result<Lap> {
        let answer = self.ask("lap")?;
        let mut numbers = answer.split(' ').map(str::parse::<u64>);
        let (Some(Ok(wall)), Some(Ok(cpu))) = (numbers.next(), numbers.next()) else {
            bail!("{} answered `{answer}` and not two numbers", self.script.file);
        };
        Ok(Lap { cpu: Duration::from_nanos(cpu), wall: Duration::from_nanos(wall) })
    }

    fn warm_up(&self) -> usize {
        self.script.warm_up
    }

    fn orientation(&self) -> Option<f64> {
        Some(self.script.orientation)
    }
}

impl Drop for NodeRacer {
    fn drop(&mut self) {
        // Our own child, by its handle. It would end with its input as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
