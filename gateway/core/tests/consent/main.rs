//! `consent-rules/1`, proved: the published table with the cases that the rules imply (`cases.tsv`), and a small model in
//! all its states against a second evaluator. Nothing here reads a store or a clock.

mod cases;
mod columns;
mod configuration;
mod elements;
mod explanations;
mod model;
mod oracle;
mod periods;
mod question;
mod register;
mod restricted;
mod states;
mod world;

use std::io::Write as _;

/// A line for whoever counts (`cargo xtask consent`). It goes past the harness, which holds back what tests print.
fn count(what: &str, done: usize, of: usize) {
    // A closed pipe is not a fault of ours.
    let _ = writeln!(std::io::stdout(), "consent: {what}: {done} of {of}");
}
