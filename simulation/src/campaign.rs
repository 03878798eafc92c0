//! `sim`: many seeds one after the other, and what came of them.

use crate::plan::Plan;
use crate::run::{Ran, run};
use crate::settings::Settings;
use anyhow::Result;
use fault_campaigns::report::{Outcome, Progress, say};
use std::ops::Range;
use std::sync::Arc;

/// Runs these seeds, or as many as can be begun in so many minutes. Each says its trace hash; `twice` plays each a second time, and
/// another hash is a violation.
///
/// # Errors
/// When a seed could not be run at all.
pub fn seeds(seeds: Range<u64>, minutes: u64, twice: bool) -> Result<Outcome> {
    let settings = Arc::new(Settings::new()?);
    let (mut outcome, mut progress) = (Outcome::default(), Progress::default());
    for row in ["seeds", "  with one gateway", "  with two", "  with three"] {
        outcome.count(row, 0);
    }
    let last = seeds.end;
    for seed in seeds {
        if progress.seconds() >= minutes.saturating_mul(60) {
            break;
        }
        let plan = Plan::of(seed);
        let gateways = plan.machines.len();
        let ran = run(&settings, plan, false)?;
        if twice {
            let again = run(&settings, Plan::of(seed), false)?;
            outcome.count("seeds that were played twice", 1);
            if again.trace != ran.trace {
                outcome.violated([format!("seed {seed}: trace {}, and the second time {}", ran.trace, again.trace)]);
            }
        }
        say(&format!("seed {seed:>6}  trace {}  {} turns", ran.trace, ran.turns));
        tally(&mut outcome, gateways, ran);
        progress.say(|| format!("seed {seed} of {last}, {} violations", outcome.violations.len()));
    }
    Ok(outcome)
}

fn tally(outcome: &mut Outcome, gateways: usize, ran: Ran) {
    outcome.count("seeds", 1);
    outcome.count(["  with one gateway", "  with two", "  with three"].get(gateways - 1).unwrap_or(&"  with more"), 1);
    for (row, times) in &ran.counts {
        if *row != "gateways" {
            outcome.count(row, *times);
        }
    }
    outcome.violated(ran.findings.into_iter().map(|words| format!("seed {}: {words}", ran.seed)));
}
