//! A short share of the simulation, so that the test command covers it. The campaigns themselves are started with
//! `cargo xtask sim` and its kin.

use gateway_simulation::plan::{DAY, Faults, Plan};
use gateway_simulation::run::{Ran, run};
use gateway_simulation::settings::Settings;
use gateway_simulation::{campaign, ratelimit, retry};
use std::sync::Arc;
use std::time::Duration;

fn settings() -> Arc<Settings> {
    Arc::new(Settings::new().expect("the configuration is valid"))
}

fn play(settings: &Arc<Settings>, plan: Plan) -> Ran {
    run(settings, plan, false).expect("the seed can be run")
}

#[test]
fn a_day_without_faults_ends_well_for_everybody() {
    let ran = play(&settings(), Plan::with(3, Faults::NONE, DAY / 2));
    assert_eq!(ran.findings, Vec::<String>::new());
    let of = |row: &str| ran.counts.iter().find(|(name, _)| name.trim() == row).map_or(0, |(_, times)| *times);
    assert!(of("delivered in the end") > 10, "{:?}", ran.counts);
    assert_eq!(of("dead letters in front of a person"), 0);
    assert_eq!(of("deaths of a gateway, each followed by a comparison"), 0);
}

#[test]
fn the_same_seed_is_the_same_run_byte_for_byte() {
    let settings = settings();
    let hours = Duration::from_secs(3 * 3_600);
    let mut traces = Vec::new();
    // Seeds with one, two and three gateways, and both kinds of lanes.
    for seed in 0..3 {
        let play = || play(&settings, Plan::with(seed, Faults::ALL, hours));
        let (first, second) = (play(), play());
        assert_eq!((first.trace.as_str(), first.turns), (second.trace.as_str(), second.turns), "seed {seed}");
        traces.push(first.trace);
    }
    traces.sort();
    traces.dedup();
    assert_eq!(traces.len(), 3, "each seed has a trace of its own");
}

#[test]
fn days_with_faults() {
    // One and several gateways, both kinds of lanes.
    let outcome = campaign::seeds(18..21, 600, false).expect("the seeds can be run");
    assert_eq!(outcome.violations, Vec::<String>::new());
    assert_eq!(outcome.of("seeds"), 3);
    assert!(outcome.of("deaths of a gateway, each followed by a comparison") > 3);
}

#[test]
fn a_platform_that_stays_away_ends_in_dead_letters() {
    let outcome = retry::run(3, 1).expect("it can be run");
    assert_eq!(outcome.violations, Vec::<String>::new());
    assert_eq!(outcome.of("dead letters, without it"), 3);
}

#[test]
fn a_pace_is_kept_and_used() {
    let outcome = ratelimit::run(40, 1).expect("it can be run");
    assert_eq!(outcome.violations, Vec::<String>::new());
    assert!(outcome.of("requests that left") > 40);
}
