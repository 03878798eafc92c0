//! One referral to one platform's JSON, a thousand times over, by everybody who claims to be fast: one core, one run, one
//! table.
//!
//! README.md beside this file states the task and how to run. All must write the same bytes before anything is timed.
//! It refuses to know how any contestant works; `contestant.rs` has the list.

mod compile;
mod contestant;
mod corpus;
mod floors;
mod measure;
mod memory;
mod node;
mod ours;
mod report;
mod rules;
mod target;
mod typed;
mod value;

use anyhow::{Context as _, bail, ensure};
use corpus::Document;
use measure::{InProcess, Racer};
use report::Row;
use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// One referral of the corpus and what it becomes, read through against README.md by hand: translators that all make the
/// same mistake agree with each other, but not with this.
const EXAMPLE: (usize, &str) = (767, include_str!("example.json"));

/// What the command line asks for.
#[derive(Debug)]
struct Options {
    /// cargo says so; without it the outputs are compared and nothing is timed.
    timed: bool,
    rounds: usize,
    memory: bool,
    compile: bool,
    only: Option<String>,
    write: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let options = options(std::env::args().skip(1))?;
    if options.compile {
        return compile::report();
    }
    let documents = corpus::documents();
    let mut contestants = contestant::all()?;
    // A whole name means nobody else, so that one of several with like names can be profiled.
    let exact = options.only.as_ref().is_some_and(|only| contestants.iter().any(|each| each.name() == only));
    let wanted = |name: &str| match &options.only {
        Some(only) if exact => name == only,
        Some(only) => name.to_lowercase().contains(&only.to_lowercase()),
        None => true,
    };
    let measure = contestants.first().context("somebody is the measure")?.name();
    contestants.retain(|contestant| contestant.name() == measure || wanted(contestant.name()));
    let (translators, floors): (Vec<_>, Vec<_>) = contestants.into_iter().partition(|contestant| contestant.answers());
    let in_process = |contestant| InProcess::new(contestant, &documents);
    if options.memory {
        say("a million translations each; resident memory of this process");
        let mut racers = translators.into_iter().map(in_process);
        return racers.try_for_each(|mut racer| memory::check(&mut racer, &documents));
    }
    if options.timed {
        say(&one_core());
    }
    let bytes: usize = documents.iter().map(|document| document.bundle.len()).sum();
    let sizes = corpus::sizes(documents.iter().map(|document| document.bundle.len()));
    say(&format!("{} referrals, bytes in: {sizes}", documents.len()));
    let boxed = |contestant| Box::new(in_process(contestant)) as Box<dyn Racer>;
    let mut racers: Vec<Box<dyn Racer + '_>> = translators.into_iter().map(boxed).collect();
    if options.timed {
        racers.extend(node::racers(&documents, wanted)?.into_iter().map(|racer| Box::new(racer) as Box<dyn Racer>));
        racers.extend(floors.into_iter().map(boxed));
    }
    let expected = compare(&mut racers)?;
    say(&format!("bytes out: {}", corpus::sizes(expected.iter().map(Vec::len))));
    if let Some(folder) = &options.write {
        write(folder, &documents, &expected)?;
    }
    if options.timed {
        let rows = race(&mut racers, options.rounds)?;
        report::print(&rows, documents.len(), bytes);
    }
    Ok(())
}

/// `cargo bench` passes `--bench`; `cargo test --benches` does not.
fn options(arguments: impl Iterator<Item = String>) -> anyhow::Result<Options> {
    let mut options = Options { timed: false, rounds: 31, memory: false, compile: false, only: None, write: None };
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} wants a value"));
        match argument.as_str() {
            "--bench" => options.timed = true,
            "--memory" => options.memory = true,
            "--compile" => options.compile = true,
            "--rounds" => options.rounds = value()?.parse().context("--rounds wants a number")?,
            "--only" => options.only = Some(value()?),
            "--write" => options.write = Some(PathBuf::from(value()?)),
            _ => bail!(
                "`{argument}` is unknown; there are --rounds N, --only TEXT, --memory, --compile and --write FOLDER"
            ),
        }
    }
    ensure!(options.rounds > 0, "--rounds wants at least 1");
    Ok(options)
}

/// Stays on one core, and with it every child process.
fn one_core() -> String {
    let here = sched_getcpu();
    let mut one = CpuSet::new();
    one.set(here);
    let allowed = sched_getaffinity(None).is_ok_and(|all| all.is_set(here)) && sched_setaffinity(None, &one).is_ok();
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        model.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1)).unwrap_or("processor");
    if allowed { format!("{model}, core {here} alone") } else { format!("{model}; could not stay on one core") }
}

/// Holds every output against the measure's, byte by byte.
fn compare(racers: &mut [Box<dyn Racer + '_>]) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut expected: Vec<Vec<u8>> = Vec::new();
    for racer in racers {
        let Some(answers) = racer.answers()? else { continue };
        let name = racer.name();
        if expected.is_empty() {
            expected = answers;
            continue;
        }
        ensure!(answers.len() == expected.len(), "{name} gave {} answers for {}", answers.len(), expected.len());
        for (number, (found, wanted)) in answers.iter().zip(&expected).enumerate() {
            let [found, wanted] = [found, wanted].map(|bytes| String::from_utf8_lossy(bytes));
            ensure!(found == wanted, "{name}, referral {number}\n  wrote  {found}\n  not as {wanted}");
        }
        say(&format!("equal output over {} referrals: {name}", answers.len()));
    }
    let (number, text) = EXAMPLE;
    let found = expected.get(number).context("nobody answered")?;
    let (found, wanted) = (String::from_utf8_lossy(found), serde_json::from_str::<Value>(text)?.to_string());
    ensure!(found == wanted, "referral {number}\n  became {found}\n  and not what example.json says: {wanted}");
    Ok(expected)
}

/// Rounds of one lap each, so that whatever else the machine does meets all alike.
fn race(racers: &mut [Box<dyn Racer + '_>], rounds: usize) -> anyhow::Result<Vec<Row>> {
    for racer in racers.iter_mut() {
        for _ in 0..racer.warm_up() {
            racer.lap()?;
        }
    }
    let mut rows: Vec<Row> = racers
        .iter()
        .map(|racer| Row {
            name: racer.name().to_owned(),
            laps: Vec::with_capacity(rounds),
            orientation: racer.orientation(),
        })
        .collect();
    for _ in 0..rounds {
        for (racer, row) in racers.iter_mut().zip(&mut rows) {
            row.laps.push(racer.lap()?);
        }
    }
    say(&format!("{rounds} rounds, laps of the contestants by turns"));
    Ok(rows)
}

/// Leaves the corpus and what is expected of it in files, for whoever writes a contestant.
fn write(folder: &Path, documents: &[Document], expected: &[Vec<u8>]) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    node::write_corpus(documents, &folder.join("corpus.jsonl"))?;
    fs::write(folder.join("expected.jsonl"), expected.join(&b'\n'))?;
    say(&format!("corpus.jsonl and expected.jsonl are in {}", folder.display()));
    Ok(())
}

/// One line. A closed pipe is not a fault of ours.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
