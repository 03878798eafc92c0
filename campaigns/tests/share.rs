//! A short share of each campaign, so that the test command covers it. The campaigns themselves are started with
//! `cargo xtask crash` and its kin.

use fault_campaigns::report::Outcome;
use fault_campaigns::{backup, conditional, crash, flood, kill9, pause, pgfail, poison, powercut, rolling, stuck};
use std::path::PathBuf;
use tokio::task::LocalSet;

/// The gateway's binary: `cargo test --workspace` builds it beside the tests.
fn gateway() -> PathBuf {
    let test = std::env::current_exe().expect("this test has a file");
    let file =
        test.parent().and_then(|deps| deps.parent()).expect("it lies in target/PROFILE/deps").join("vcse-gateway");
    assert!(file.is_file(), "{} is missing: cargo build --workspace", file.display());
    file
}

fn play(campaign: impl Future<Output = anyhow::Result<Outcome>>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    let outcome = runtime.block_on(LocalSet::new().run_until(campaign)).expect("the campaign can be run");
    assert_eq!(outcome.violations, Vec::<String>::new());
    outcome
}

/// strace injects the faults. Where it is missing nothing is shown, and that is said.
fn strace_is_here() -> bool {
    let here = fault_campaigns::strace::is_here();
    if !here {
        fault_campaigns::report::say("SKIPPED: strace is missing, so nothing is shown about crashes at system calls");
    }
    here
}

#[test]
fn killed_at_system_calls() {
    if strace_is_here() {
        let options = crash::Options { points: 16, seed: 1, together: 4, minutes: 10 };
        let outcome = play(crash::run(&gateway(), &options));
        assert!(outcome.of("points struck by SIGKILL") >= 16);
    }
}

#[test]
fn killed_at_random_times() {
    let outcome = play(kill9::run(&gateway(), kill9::Way::Kill, 12, 1, 10));
    assert_eq!(outcome.of("processes that died of SIGKILL"), 12);
}

#[test]
fn told_to_stop_under_load() {
    let outcome = play(kill9::run(&gateway(), kill9::Way::Drain, 6, 1, 10));
    assert_eq!(outcome.of("processes that ended with exit code 0"), 6);
}

#[test]
fn one_platform_never_answers() {
    let outcome = play(stuck::run(&gateway(), 1, 1, 10));
    assert_eq!(outcome.of("rounds"), 1);
}

#[test]
fn what_was_not_synced_is_forgotten() {
    if strace_is_here() {
        let outcome = play(powercut::run(&gateway(), 6, 1, 2, 10));
        assert!(outcome.of("cuts") >= 6);
    }
}

/// Where PostgreSQL is missing nothing is shown, and that is said, unless `POSTGRES=required`.
fn postgres_is_here() -> bool {
    let missing = conformance_tests::postgres::reason_to_skip().expect("PostgreSQL is required");
    if let Some(missing) = &missing {
        fault_campaigns::report::say(&format!("SKIPPED: {missing}"));
    }
    missing.is_none()
}

#[test]
fn identical_conditional_creates_over_three_instances() {
    if postgres_is_here() {
        let outcome = play(conditional::run(&gateway(), 10, 1, 10));
        assert_eq!((outcome.of("rounds"), outcome.of("referrals in the store")), (10, 10));
    }
}

#[test]
fn an_instance_is_frozen_past_its_term() {
    if postgres_is_here() {
        let outcome = play(pause::run(&gateway(), 3, 1, 10));
        assert_eq!(outcome.of("rounds"), 3);
    }
}

#[test]
fn instances_and_the_database_server_die() {
    if postgres_is_here() {
        let outcome = play(pgfail::run(&gateway(), 6, 1, 10));
        assert_eq!(outcome.of("crashes of the database server"), 2);
    }
}

#[test]
fn referrals_that_end_the_process() {
    let outcome = play(poison::run(&gateway(), 1, 1, 1, 10));
    assert_eq!((outcome.of("rounds"), outcome.of("poisonous referrals")), (1, 3));
}

#[test]
fn one_client_floods() {
    let outcome = play(flood::run(&gateway(), 1, 1, 10));
    assert_eq!((outcome.of("rounds"), outcome.of("of them not answered with success")), (1, 0));
}

#[test]
fn instances_are_stopped_and_started_one_by_one() {
    if postgres_is_here() {
        let outcome = play(rolling::run(&gateway(), 3, 1, 10));
        assert_eq!((outcome.of("rounds"), outcome.of("instances that ended with exit code 0")), (3, 3));
    }
}

#[test]
fn a_copy_is_put_back() {
    let outcome = play(backup::run(&gateway(), 1, 1, 10));
    assert_eq!(outcome.of("flipped bytes of a copy found, with its SHA-256 beside it"), 4);
}
