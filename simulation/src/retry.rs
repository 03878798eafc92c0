//! `retry`: a platform stays away for longer than the window. Which attempts are made, when, how many, and how each referral ends.

use crate::plan::{Lanes, Part, Plan, Retry, Trouble, What};
use crate::run::{Seen, observe};
use crate::settings::Settings;
use anyhow::Result;
use conformance_tests::generator::Expectation;
use fault_campaigns::report::Outcome;
use fault_campaigns::scene::Kind;
use gateway_core::outbox::{Attempt, Errand, OutboxRow};
use gateway_core::referral::Delivery;
use gateway_core::retry::Schedule;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;

/// Longer than the window, by what the last attempt may take.
const SPAN: Duration = Duration::from_secs(74 * 3_600);

/// Referrals that are sent in the first ten minutes, once with the circuit breaker as it is shipped, once without one.
///
/// # Errors
/// When it cannot be run.
pub fn run(referrals: u64, seed: u64) -> Result<Outcome> {
    let settings = Arc::new(Settings::new()?);
    let mut outcome = Outcome::default();
    outcome.count("referrals, each with and without circuit breaker", referrals);
    for (words, lanes) in [("with the circuit breaker", Lanes::One), ("without it", Lanes::Many)] {
        let mut plan = Plan::calm(seed, SPAN, lanes, Retry::Shipped);
        plan.troubles = vec![Trouble { what: What::Dead(Kind::Asked), from: Duration::ZERO, until: SPAN }];
        let spread = 600_000 / referrals.max(1);
        let part = |number| Part::plain(Kind::Asked, number, Duration::from_millis(number * spread));
        // Some of the generator's are held from the beginning.
        plan.parts = (0..)
            .filter(|number| Expectation::of(*number) == Expectation::Delivered)
            .take(usize::try_from(referrals)?)
            .map(part)
            .collect();
        let seen = observe(&settings, plan)?;
        judge(&mut outcome, words, &seen);
    }
    Ok(outcome)
}

/// The submission of each referral, with its attempts and the time at which it was taken in.
fn submissions(seen: &Seen) -> Vec<(OffsetDateTime, &OutboxRow, &Vec<Attempt>)> {
    let rows = |one: &'_ fault_campaigns::facts::ReferralFacts| one.referral.accepted_at;
    let all = seen.facts.referrals.iter().flat_map(|one| one.outbox.iter().map(move |row| (rows(one), row)));
    all.filter(|(_, (row, _))| row.errand == Errand::Submit).map(|(at, (row, attempts))| (at, row, attempts)).collect()
}

fn judge(outcome: &mut Outcome, words: &str, seen: &Seen) {
    let window = time::Duration::seconds(i64::from(Schedule::default().window_seconds));
    let submissions = submissions(seen);
    let dead =
        |one: &&fault_campaigns::facts::ReferralFacts| matches!(one.referral.delivery, Delivery::DeadLetter { .. });
    let row = |name: &str| format!("{name}, {words}");
    outcome.count(&row("dead letters"), seen.facts.referrals.iter().filter(dead).count() as u64);
    for one in seen.facts.referrals.iter().filter(|one| !dead(one)) {
        outcome.violated([format!(
            "Task/{} is no dead letter after {words}: {:?}",
            one.referral.task, one.referral.delivery
        )]);
    }
    let mut counts: Vec<u64> = submissions.iter().map(|(_, _, attempts)| attempts.len() as u64).collect();
    counts.sort_unstable();
    let attempts: u64 = counts.iter().sum();
    let place = |part: f64| counts.get(((counts.len().max(1) - 1) as f64 * part) as usize).copied().unwrap_or(0);
    outcome.count(&row("attempts"), attempts);
    outcome.count(&row("  fewest of one referral"), place(0.0));
    outcome.count(&row("  median"), place(0.5));
    outcome.count(&row("  most"), place(1.0));
    outcome
        .count(&row("  retries among them, in a thousand"), (attempts - counts.len() as u64) * 1_000 / attempts.max(1));
    let tried =
        |reads: bool| seen.sent.iter().filter(|one| one.kind == Kind::Asked && one.reads == reads).count() as u64;
    outcome.count(&row("connections that were tried for them"), tried(false));
    outcome.count(&row("connections that were tried to poll"), tried(true));
    for (taken, row, attempts) in &submissions {
        if let Some(late) =
            attempts.iter().find(|attempt| attempt.started - *taken > window + time::Duration::minutes(35))
        {
            outcome.violated([format!(
                "{}: attempt {} began {} after it was taken in",
                row.id,
                late.number,
                late.started - *taken
            )]);
        }
    }
    outcome.notes.push(times(words, &submissions));
}

/// When the attempts began, after the referral was taken in: earliest, median, latest.
fn times(words: &str, submissions: &[(OffsetDateTime, &OutboxRow, &Vec<Attempt>)]) -> String {
    let mut text = format!(
        "## Times, {words}\n\nAfter the referral was taken in, as `h:mm:ss`.\n\n| Attempt | Referrals | Earliest | Median | Latest |\n|---|---|---|---|---|\n"
    );
    let most = submissions.iter().map(|(_, _, attempts)| attempts.len()).max().unwrap_or(0);
    for place in 0..most {
        let began = |(taken, _, attempts): &(OffsetDateTime, &OutboxRow, &Vec<Attempt>)| {
            Some(attempts.get(place)?.started - *taken)
        };
        let mut at: Vec<time::Duration> = submissions.iter().filter_map(began).collect();
        at.sort_unstable();
        let shown = |place: usize| at.get(place).map_or_else(String::new, |at| clock(*at));
        text += &format!(
            "| {} | {} | {} | {} | {} |\n",
            place + 1,
            at.len(),
            shown(0),
            shown(at.len() / 2),
            shown(at.len() - 1)
        );
    }
    text
}

fn clock(span: time::Duration) -> String {
    let seconds = span.whole_seconds();
    format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}
