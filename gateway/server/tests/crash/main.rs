//! The process dies at every kind of moment between accepting a referral and bringing its status back, and nothing is
//! lost and nothing doubled.
//!
//! Each run: a gateway in a process of its own (`child`, this very binary started again) kills itself with SIGKILL at
//! one named point (`points`), no destructor runs; it is started again on the same folder, and the scenario goes on to
//! its end (`scenario`), with a GP system that repeats what was not answered and a platform that keeps what it was
//! given. Then the GP system's, the gateway's and the platform's records are compared (`verdict`), and what a Subscription was told
//! (`subscriber`).
//!
//! A point is the n-th time that a thing happens: `after commit accept#2`. An undisturbed run says which there are. By
//! default each name is struck at least once and the rest is spread evenly; `CRASH_POINTS=all` strikes every one, and
//! `CRASH_POINTS='after commit accept#2'` one alone. `CRASH_SEED` changes the people and what becomes of them.

mod child;
mod points;
mod process;
mod report;
mod scenario;
mod subscriber;
mod verdict;

use scenario::{Plan, Run};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use tokio::task::{JoinSet, LocalSet};

/// Runs at the same time: each is two processes' worth of work that mostly waits.
const TOGETHER: usize = 4;

#[tokio::test]
async fn nothing_is_lost_or_doubled_at_a_platform_that_keys_on_our_identifier() {
    LocalSet::new().run_until(strike("keyed", true, 60, 50)).await;
}

/// Here the promise is smaller, and the adapter's README says so: supporting resources may be there twice, the Task,
/// on which people work, is there once.
#[tokio::test]
async fn no_task_is_lost_or_doubled_at_a_platform_that_must_be_asked_first() {
    LocalSet::new().run_until(strike("look-up", false, 44, 32)).await;
}

/// Strikes `want` points, of which at least `least` must really have been struck.
async fn strike(name: &str, keyed: bool, want: usize, least: usize) {
    let seed = std::env::var("CRASH_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let plan = |at: Option<String>, number| Plan { name: name.to_owned(), keyed, seed, at, number };
    let undisturbed = scenario::run(plan(None, 0)).await;
    assert_eq!(undisturbed.findings, Vec::<String>::new(), "{name}: without any crash");
    let targets = choose(&undisturbed.reached, want);
    say(&format!("{name}, seed {seed}: {} points in an undisturbed run:", undisturbed.reached.len()));
    for (point, times) in multiplicity(&undisturbed.reached) {
        say(&format!("  {times:3} x {point}"));
    }

    let mut runs: JoinSet<Run> = JoinSet::new();
    let mut ended = Vec::new();
    for (number, target) in (1..).zip(&targets) {
        if runs.len() == TOGETHER {
            ended.extend(runs.join_next().await.map(|run| run.expect("a run ends")));
        }
        runs.spawn_local(scenario::run(plan(Some(target.clone()), number)));
    }
    while let Some(run) = runs.join_next().await {
        ended.push(run.expect("a run ends"));
    }

    let killed: BTreeSet<&str> = ended.iter().filter_map(|run| run.killed_at.as_deref()).collect();
    let missed: Vec<&str> =
        ended.iter().filter(|run| run.killed_at.is_none()).filter_map(|run| run.plan.at.as_deref()).collect();
    let names = killed.iter().filter_map(|point| point.split_once('#')).map(|(name, _)| name).collect::<BTreeSet<_>>();
    say(&format!(
        "{name}: killed by SIGKILL at {} different points of {} kinds; not reached: {missed:?}",
        killed.len(),
        names.len()
    ));
    let faults: Vec<String> = ended.iter().filter(|run| !run.findings.is_empty()).map(Run::words).collect();
    assert!(faults.is_empty(), "{} of {} runs went wrong:\n{}", faults.len(), ended.len(), faults.join("\n"));
    // Only who asks for one point by name gets by with fewer.
    let asked = std::env::var("CRASH_POINTS").is_ok_and(|points| points != "all");
    let needed = if asked { targets.len() } else { least };
    assert!(killed.len() >= needed, "{} points were struck, {needed} are promised: {killed:?}", killed.len());
}

/// Each name once, then an even spread over the rest, in the order in which they were reached.
fn choose(reached: &[String], want: usize) -> Vec<String> {
    match std::env::var("CRASH_POINTS").as_deref() {
        Ok("all") => return reached.to_vec(),
        Ok(one) => return vec![one.to_owned()],
        Err(_) => {}
    }
    let mut names = BTreeSet::new();
    let (first, rest): (Vec<&String>, Vec<&String>) =
        reached.iter().partition(|point| names.insert(point.split_once('#').map(|(name, _)| name)));
    let left = want.saturating_sub(first.len()).min(rest.len());
    let spread = (0..left).filter_map(|place| rest.get(place * rest.len() / left.max(1)));
    let chosen: BTreeSet<&String> = first.into_iter().chain(spread.copied()).collect();
    reached.iter().filter(|point| chosen.contains(point)).cloned().collect()
}

fn multiplicity(reached: &[String]) -> BTreeMap<&str, usize> {
    let mut times = BTreeMap::new();
    for point in reached {
        *times.entry(point.split_once('#').map_or(point.as_str(), |(name, _)| name)).or_default() += 1;
    }
    times
}

/// Shown even when the test passes: the counts are what this test is for.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
