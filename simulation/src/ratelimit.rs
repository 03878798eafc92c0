//! `ratelimit`: a platform may be asked ten times a second, and says now and then that it wants to be left alone. Never more than
//! that, nothing while it is left alone, and what is allowed is used while there is work.

use crate::clock::START;
use crate::plan::{Lanes, Part, Plan, Retry, Trouble, What};
use crate::run::observe;
use crate::settings::Settings;
use anyhow::{Context as _, Result};
use conformance_tests::generator::Expectation;
use fault_campaigns::report::Outcome;
use fault_campaigns::scene::Kind;
use gateway_core::referral::Delivery;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use vcse_gateway::admission::Rate;

/// Requests in a second.
const PER_SECOND: u32 = 10;
/// Requests at once, after a pause.
const BURST: u32 = 5;
/// The share of what is allowed that must be used, in a thousand.
const USED: u64 = 950;
/// Between its turn and its leaving a request waits for a commit; a window of a second can so hold what was allowed a moment
/// before it.
const WAITS: f64 = 0.1;

/// So many referrals come at once; the platform answers 429 for a second, a few times.
///
/// # Errors
/// When it cannot be run.
pub fn run(referrals: u64, seed: u64) -> Result<Outcome> {
    let settings = Arc::new(Settings::new()?);
    let number = |number| NonZeroU32::new(number).context("a rate is not zero");
    let span = Duration::from_secs(1_800);
    let mut plan = Plan::calm(seed, span, Lanes::Many, Retry::Short);
    plan.pace = Some(Rate { per_minute: number(PER_SECOND * 60)?, burst: number(BURST)? });
    let numbers = (0..).filter(|number| Expectation::of(*number) == Expectation::Delivered);
    plan.parts = numbers
        .take(usize::try_from(referrals)?)
        .map(|number| Part::plain(Kind::Asked, number, Duration::from_millis(number * 5)))
        .collect();
    plan.troubles = [4, 15, 40]
        .map(|at| Trouble {
            what: What::Busy(Kind::Asked),
            from: Duration::from_secs(at),
            until: Duration::from_millis(at * 1_000 + 500),
        })
        .to_vec();
    let seen = observe(&settings, plan)?;
    let sent: Vec<_> = seen.sent.iter().filter(|one| one.kind == Kind::Asked).collect();
    let times: Vec<Duration> = sent.iter().map(|one| one.at).collect();
    let mut outcome = Outcome::default();
    outcome.count("referrals", referrals);
    let delivered =
        seen.facts.referrals.iter().filter(|one| one.referral.delivery.word() == "delivered").count() as u64;
    outcome.count("  delivered", delivered);
    if delivered != referrals {
        outcome.violated([format!("{delivered} of {referrals} referrals were delivered")]);
    }
    outcome.count("requests that left", times.len() as u64);
    let most = most_within(&times, Duration::from_secs(1));
    outcome.count("most in any second", most as u64);
    let allowed = f64::from(PER_SECOND) * (1.0 + WAITS) + f64::from(BURST);
    if most as f64 > allowed {
        outcome.violated([format!("{most} requests within a second, where {allowed} may leave")]);
    }
    let pauses: Vec<(Duration, Duration)> = sent
        .iter()
        .filter_map(|one| one.heard)
        .filter_map(|(at, _, seconds)| Some((at, at + Duration::from_secs(u64::from(seconds?)))))
        .collect();
    outcome.count("answers 429 with Retry-After", pauses.len() as u64);
    let grace = Duration::from_secs_f64(WAITS);
    let early =
        times.iter().filter(|at| pauses.iter().any(|(from, until)| *from + grace < **at && **at < *until)).count();
    outcome.count("requests while it was to be left alone", early as u64);
    if early > 0 {
        outcome.violated([format!("{early} requests left while the platform had asked to be left alone")]);
    }
    // The work has ended with the last acknowledgement; what comes later are polls.
    let ends = seen.facts.referrals.iter().filter_map(|one| match one.referral.delivery {
        Delivery::Delivered { at } => Duration::try_from(at - START).ok(),
        _ => None,
    });
    let end = ends.max().unwrap_or_default();
    let working: Vec<Duration> = times.iter().filter(|at| **at <= end).copied().collect();
    let (used, seconds) = used(&working, &pauses);
    outcome.count("seconds with work in which it might be asked", seconds);
    outcome.count("share of its pace that was used, in a thousand", used);
    if used < USED {
        outcome.violated([format!("{used} in a thousand of the pace were used while there was work")]);
    }
    Ok(outcome)
}

/// Most within any stretch of this length.
fn most_within(times: &[Duration], span: Duration) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (last, at) in times.iter().enumerate() {
        while times.get(first).is_some_and(|first| *first + span <= *at) {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}

/// How much of the pace was used, in a thousand, and in how many seconds: those from the first request to the last in which it was
/// not to be left alone.
fn used(times: &[Duration], pauses: &[(Duration, Duration)]) -> (u64, u64) {
    let (Some(first), Some(last)) = (times.first(), times.last()) else { return (0, 0) };
    let paused = |second: u64| {
        let (from, until) = (Duration::from_secs(second), Duration::from_secs(second + 1));
        pauses.iter().any(|(began, ended)| *began < until && from < *ended)
    };
    let seconds: Vec<u64> = (first.as_secs() + 1..last.as_secs()).filter(|second| !paused(*second)).collect();
    let requests = times.iter().filter(|at| seconds.binary_search(&at.as_secs()).is_ok()).count() as u64;
    let allowed = seconds.len() as u64 * u64::from(PER_SECOND);
    (requests * 1_000 / allowed.max(1), seconds.len() as u64)
}
