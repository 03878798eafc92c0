//! `jitter`: many referrals fail at the same moment, again and again. How the attempts that follow spread over the seconds: the
//! real schedule and the real source of chance, without a gateway, whose lanes would only spread them further.

use anyhow::Result;
use fault_campaigns::report::Outcome;
use gateway_core::retry::{Next, Schedule, next};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use vcse_gateway::chance::Chance;

/// No second may hold more than so many times the mean, beside what chance alone does to a mean of few.
const MULTIPLE: f64 = 2.5;

/// The waits after the first attempts, each of `referrals` that fail in the same millisecond.
///
/// # Errors
/// None today: as the other campaigns.
pub fn run(referrals: u64, seed: u64) -> Result<Outcome> {
    let schedule = Schedule::default();
    let mut outcome = Outcome::default();
    outcome.count("referrals that fail at once", referrals);
    let mut text = String::from(
        "## Spread\n\nAll fail in the same millisecond, after so many attempts. The mean is that of the seconds between \
         the first and the last retry; what is allowed is a multiple of it, and six standard deviations of chance.\n\n\
         | Attempts | Longest wait | First second | Mean of a second | Most in a second | Which | Allowed |\n|---|---|---|---|---|---|---|\n",
    );
    for attempts in 1..=8 {
        let spread = spread(&schedule, attempts, referrals, &Chance::seeded(seed ^ u64::from(attempts)));
        let longest = spread.keys().last().copied().unwrap_or(0);
        let mean = referrals as f64 / (longest + 1) as f64;
        let (second, most) =
            spread.iter().map(|(second, count)| (*second, *count)).max_by_key(|(_, count)| *count).unwrap_or((0, 0));
        let allowed = MULTIPLE * mean + 6.0 * mean.sqrt();
        let first = spread.get(&1).copied().unwrap_or(0);
        text += &format!("| {attempts} | {longest} s | {first} | {mean:.2} | {most} | {second} s | {allowed:.1} |\n");
        outcome.largest("most retries in one second", most);
        if most as f64 > allowed {
            outcome.violated([format!(
                "after {attempts} attempts, second {second} holds {most} retries, where the mean is {mean:.2}"
            )]);
        }
    }
    outcome.notes.push(text);
    Ok(outcome)
}

/// How many of them come in each second.
#[must_use]
pub fn spread(schedule: &Schedule, attempts: u32, referrals: u64, chance: &Chance) -> BTreeMap<u64, u64> {
    let now = OffsetDateTime::UNIX_EPOCH;
    let expires = schedule.expires_at(now);
    let mut seconds = BTreeMap::new();
    for _ in 0..referrals {
        if let Next::At(at) = next(schedule, attempts, now, expires, None, chance.unit()) {
            *seconds.entry(u64::try_from((at - now).whole_seconds()).unwrap_or(0)).or_default() += 1;
        }
    }
    seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_spread_and_a_schedule_that_gathers_them_is_seen() {
        assert_eq!(run(10_000, 1).expect("runs").violations, Vec::<String>::new());
        let gathered = Schedule { delays_seconds: vec![1], window_seconds: 600 };
        let spread = spread(&gathered, 1, 100, &Chance::seeded(1));
        assert_eq!(spread.into_iter().collect::<Vec<_>>(), [(1, 100)]);
    }
}
