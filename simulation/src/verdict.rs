//! Invariants that only a simulation can ask about, beside those of `fault_campaigns::verdict`: they are about time, and about
//! what left, whether or not it arrived.

#[cfg(test)]
mod tests;

use crate::network::Sent;
use crate::plan::Plan;
use crate::settings::pace;
use fault_campaigns::facts::Facts;
use fault_campaigns::scene::Kind;
use gateway_core::outbox::OutboxState;
use gateway_core::referral::Delivery;
use std::collections::BTreeMap;
use std::time::Duration;
use vcse_gateway::admission::Rate;

/// What does not hold at the end.
#[must_use]
pub fn at_end(facts: &Facts, sent: &[Sent], plan: &Plan) -> Vec<String> {
    let mut found = paced(sent, |kind| plan.pace.or_else(|| pace(kind)));
    found.extend(in_its_window(facts, plan));
    found.extend(dead_with_words(facts));
    found
}

/// No process asks a platform faster than its pace: in no stretch of time more than the burst and what the rate allows in it.
#[must_use]
pub fn paced(sent: &[Sent], pace: impl Fn(Kind) -> Option<Rate>) -> Vec<String> {
    let mut found = Vec::new();
    let mut lanes: BTreeMap<(&str, Kind), Vec<Duration>> = BTreeMap::new();
    for one in sent {
        lanes.entry((&one.life, one.kind)).or_default().push(one.at);
    }
    for ((life, kind), times) in lanes {
        let Some(rate) = pace(kind) else { continue };
        let per_second = f64::from(rate.per_minute.get()) / 60.0;
        // A request takes its turn, then waits for the commit that lets it leave: that wait differs.
        let (burst, waits) = (f64::from(rate.burst.get()), 5.0);
        if let Some((at, count, span)) = over(&times, burst, per_second, waits) {
            found.push(format!("{life} asked {} {count} times within {span:?} at {at:?}", kind.id()));
        }
    }
    found
}

/// Where more left than burst and rate allow: when, how many, within what.
fn over(times: &[Duration], burst: f64, per_second: f64, waits: f64) -> Option<(Duration, usize, Duration)> {
    // The bucket: each request takes one, and it fills at the rate. A request may be late by `waits`, so the bucket holds as much
    // more.
    let full = burst + waits * per_second;
    let (mut level, mut last) = (full, Duration::ZERO);
    for (number, at) in times.iter().enumerate() {
        level = (level + at.saturating_sub(last).as_secs_f64() * per_second * 1.001).min(full);
        last = *at;
        level -= 1.0;
        if level < -1e-6 {
            let first = times.get(number.saturating_sub(full as usize)).copied().unwrap_or_default();
            return Some((*at, full as usize + 1, *at - first));
        }
    }
    None
}

/// Nothing is tried after its window: an attempt that began behind it ended its errand. Clocks of several machines differ, and
/// jump; so much later an attempt may seem to be.
#[must_use]
pub fn in_its_window(facts: &Facts, plan: &Plan) -> Vec<String> {
    let jumps = plan.machines.iter().flat_map(|machine| {
        machine.jumps.iter().map(|(_, by)| by.unsigned_abs()).chain([machine.offset.unsigned_abs() * 2])
    });
    // An attempt may begin within the window and find the row with its lease run out behind it.
    let late = jumps.sum::<Duration>() + Duration::from_secs(3_600);
    let mut found = Vec::new();
    for (one, (row, attempts)) in facts.referrals.iter().flat_map(|one| one.outbox.iter().map(move |row| (one, row))) {
        let behind = attempts.iter().filter(|attempt| attempt.started > row.expires_at + late).count();
        if behind > 1 {
            let task = &one.referral.task;
            found.push(format!("Task/{task}, {}: {behind} attempts began behind its window", row.errand.word()));
        }
    }
    found
}

/// A dead letter says why it is one, to the sender and to the operator.
#[must_use]
pub fn dead_with_words(facts: &Facts) -> Vec<String> {
    let mut found = Vec::new();
    for one in &facts.referrals {
        for (row, _) in one.outbox.iter().filter(|(row, _)| row.state == OutboxState::Dead) {
            if row.last_failure.as_ref().is_none_or(|failure| failure.diagnostic.trim().is_empty()) {
                found.push(format!("Task/{}, {}: dead without words", one.referral.task, row.errand.word()));
            }
        }
        let dead = one.outbox.iter().any(|(row, _)| row.state == OutboxState::Dead);
        let Delivery::DeadLetter { reason } = &one.referral.delivery else { continue };
        if reason.trim().is_empty() {
            found.push(format!("Task/{}: a dead letter without words", one.referral.task));
        }
        if !dead {
            found.push(format!("Task/{}: a dead letter, and no errand of it is dead", one.referral.task));
        }
    }
    found
}
