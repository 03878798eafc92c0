//! The invariants: each one function of what is known, each with words for what is not right. None depends on how long
//! anything took. [`at_death`] holds at every moment, [`at_end`] once faults have stopped and everything has settled.

#[cfg(test)]
pub(crate) mod tests;

use crate::facts::{Facts, ReferralFacts};
use crate::scene::Kind;
use gateway_core::outbox::{Errand, POISON_ATTEMPTS};
use gateway_core::referral::{Delivery, SenderState};

/// An invariant: its name, and what tells that it does not hold.
pub type Invariant = (&'static str, fn(&Facts) -> Vec<String>);

/// What holds at every moment, also when the process has just died.
pub const ALWAYS: [Invariant; 7] = [
    ("every id answered 2xx is in the store", kept),
    ("one Task for each referral at a platform that keys or can be asked", one_each),
    ("no send without a newer permit on record", permitted),
    ("no send after a final state or a withdrawal", nothing_after_the_end),
    ("attempts within their limits", attempts_bounded),
    ("audit chain whole", audit_whole),
    ("Task versions move along the table", moves_legal),
];

/// What holds besides, once faults have stopped and everything has settled.
pub const SETTLED: [Invariant; 3] = [
    ("final, at the platform's last status, or a dead letter", settled),
    ("what may be doubled at an unkeyed platform is flagged", flagged),
    ("a repeated X-Request-Id gets the same answer", same_answer),
];

/// What does not hold at this moment.
#[must_use]
pub fn at_death(facts: &Facts) -> Vec<String> {
    check(facts, &ALWAYS)
}

/// What does not hold at the end.
#[must_use]
pub fn at_end(facts: &Facts) -> Vec<String> {
    let mut found = check(facts, &ALWAYS);
    found.extend(check(facts, &SETTLED));
    found
}

fn check(facts: &Facts, invariants: &[Invariant]) -> Vec<String> {
    let words = |(name, holds): &Invariant| holds(facts).into_iter().map(|words| format!("{name}: {words}")).collect();
    invariants.iter().flat_map(|one| -> Vec<String> { words(one) }).collect()
}

/// Every id that was answered with 2xx is in the store, and in it once.
#[must_use]
pub fn kept(facts: &Facts) -> Vec<String> {
    let mut found = Vec::new();
    for one in &facts.answered {
        let times = facts.referrals.iter().filter(|other| other.referral.task == one.task).count();
        if times != 1 {
            found.push(format!("{} was answered with Task/{} and is there {times} times", one.placer, one.task));
        }
    }
    found
}

fn kind_of(one: &ReferralFacts) -> Option<Kind> {
    let id = &one.referral.platform.as_ref()?.0;
    Kind::ALL.into_iter().find(|kind| kind.id() == id)
}

/// How many the platforms hold of it, and the status of the first.
fn there<'a>(facts: &'a Facts, one: &ReferralFacts) -> (usize, Option<&'a str>) {
    let mut held = facts.held.iter().filter(|held| held.key.contains(&one.referral.key.0)).peekable();
    let status = held.peek().map(|held| held.status.as_str());
    (held.count(), status)
}

/// A platform that keys on our identifier, or can be asked by it, holds one Task at most, and one of what is delivered.
#[must_use]
pub fn one_each(facts: &Facts) -> Vec<String> {
    let mut found = Vec::new();
    for one in &facts.referrals {
        let Some(kind) = kind_of(one).filter(|kind| *kind != Kind::Unkeyed) else { continue };
        let times = there(facts, one).0;
        let delivered = matches!(one.referral.delivery, Delivery::Delivered { .. });
        if times > 1 || (delivered && times == 0) {
            let (task, delivery) = (&one.referral.task, one.referral.delivery.word());
            found.push(format!("Task/{task} is {delivery} and {times} times at {}", kind.id()));
        }
    }
    let ours = |key: &str| facts.referrals.iter().any(|one| key.contains(&one.referral.key.0));
    found.extend(facts.held.iter().filter(|held| !ours(&held.key)).map(|held| {
        format!("{} holds {} under a key that the store does not know: {}", held.platform.id(), held.id, held.key)
    }));
    found
}

/// Nothing reached a platform that was not on record before: as many disclosures as submissions, each right behind its
/// consent decision, and that a permit. Asked of the store as it was when the process died, this is about order: a
/// request that left before its record was durable would be there without one.
#[must_use]
pub fn permitted(facts: &Facts) -> Vec<String> {
    let mut found = Vec::new();
    for one in &facts.referrals {
        let task = &one.referral.task;
        let told = facts.told.get(&one.referral.correlation).cloned().unwrap_or_default();
        let disclosed = one.audit.iter().filter(|line| line.action == "disclose").count();
        if (told.requests > 0 && disclosed == 0) || told.creates > disclosed {
            let (requests, creates) = (told.requests, told.creates);
            let lines: Vec<&str> = one.audit.iter().map(|line| line.action.as_str()).collect();
            found.push(format!(
                "Task/{task}: {requests} requests ({creates} creates) left on {disclosed} disclosures: {lines:?}"
            ));
        }
        let mut newest = None;
        for line in &one.audit {
            if line.action == "consent-decision" {
                newest = line.detail["verdict"].as_str();
            }
            if line.action == "disclose" && newest.is_none_or(|verdict| verdict == "deny") {
                found.push(format!("Task/{task}: disclosed on the decision {newest:?}"));
            }
        }
    }
    let known = |correlation: &str| facts.referrals.iter().any(|one| one.referral.correlation == correlation);
    let strangers = facts.told.keys().filter(|correlation| !known(correlation));
    found.extend(strangers.map(|correlation| format!("told to a platform, and no referral has it: {correlation}")));
    found
}

/// No attempt began (its disclosure is its beginning) after the sender's withdrawal, the person's, or a final status.
#[must_use]
pub fn nothing_after_the_end(facts: &Facts) -> Vec<String> {
    let mut found = Vec::new();
    for one in &facts.referrals {
        let mut ended = None;
        for line in &one.audit {
            let status = line.detail["status"].as_str().unwrap_or_default();
            match line.action.as_str() {
                "cancel" | "consent-withdrawn" | "withdraw" => ended = Some(line.action.clone()),
                "status" if matches!(status, "completed" | "cancelled" | "rejected" | "failed") => {
                    ended = Some(format!("status {status}"));
                }
                "disclose" if ended.is_some() => {
                    found.push(format!("Task/{}: disclosed after {ended:?}", one.referral.task));
                }
                _ => {}
            }
        }
    }
    found
}

/// Each attempt is counted and kept, and those that died with the process end at the limit.
#[must_use]
pub fn attempts_bounded(facts: &Facts) -> Vec<String> {
    let mut found = Vec::new();
    for (one, (row, attempts)) in facts.referrals.iter().flat_map(|one| one.outbox.iter().map(move |row| (one, row))) {
        let fault = |words: String| format!("Task/{}, {}: {words}", one.referral.task, row.errand.word());
        let numbers: Vec<u32> = attempts.iter().map(|attempt| attempt.number).collect();
        let from = |first: u32| numbers == (first..=row.attempts).collect::<Vec<_>>();
        let known = from(1) || (facts.restored && from(2));
        if !known {
            found.push(fault(format!("{} attempts are counted, kept are {numbers:?}", row.attempts)));
        }
        let died = attempts.iter().filter(|attempt| attempt.outcome.is_none()).count();
        // After a death it is tried alone, and that is counted; so each death that is not has its start or an end before it.
        let ended = attempts.len() - died;
        if row.died > POISON_ATTEMPTS || died > POISON_ATTEMPTS as usize + ended + 1 {
            found.push(fault(format!("{died} attempts ended with the process")));
        }
    }
    found
}

/// The chain of audit holds.
#[must_use]
pub fn audit_whole(facts: &Facts) -> Vec<String> {
    facts.broken.clone()
}

/// Where a Task may go from each status (design 6.3).
const TABLE: &[(&str, &[&str])] = &[
    ("draft", &["requested", "cancelled"]),
    ("requested", &["received", "accepted", "rejected", "on-hold", "cancelled", "failed"]),
    ("received", &["accepted", "rejected", "on-hold", "cancelled", "failed"]),
    ("accepted", &["ready", "in-progress", "on-hold", "rejected", "cancelled", "failed"]),
    ("ready", &["in-progress", "on-hold", "cancelled", "failed"]),
    ("in-progress", &["on-hold", "completed", "rejected", "cancelled", "failed"]),
    (
        "on-hold",
        &["requested", "received", "accepted", "ready", "in-progress", "completed", "rejected", "cancelled", "failed"],
    ),
];

/// Versions of the sender's Task move along the table; where a platform skipped states, the gateway writes them in
/// between, so no skip is allowed here. What stays is no move.
#[must_use]
pub fn moves_legal(facts: &Facts) -> Vec<String> {
    let mut found = Vec::new();
    for one in &facts.referrals {
        for pair in one.versions.windows(2) {
            let [from, to] = pair else { continue };
            let allowed =
                TABLE.iter().find(|(row, _)| row == from).is_some_and(|(_, to_all)| to_all.contains(&to.as_str()));
            if from != to && !allowed {
                found.push(format!("Task/{}: from {from} to {to}", one.referral.task));
            }
        }
        if one.versions.last().is_some_and(|last| last != one.referral.task_status.code()) {
            let status = one.referral.task_status.code();
            found.push(format!(
                "Task/{}: its referral says {status}, its versions {:?}",
                one.referral.task, one.versions
            ));
        }
    }
    found
}

/// Nothing waits any more: each referral is final, at its platform's last status, held or a dead letter.
#[must_use]
pub fn settled(facts: &Facts) -> Vec<String> {
    let mut found = Vec::new();
    for one in &facts.referrals {
        let referral = &one.referral;
        let fault = |words: &str| format!("Task/{}: {words}", referral.task);
        if one.is_open() {
            found.push(fault("an errand still waits"));
        }
        let status = referral.task_status.code();
        match &referral.delivery {
            Delivery::Queued => found.push(fault("it is still queued")),
            Delivery::Held { .. } | Delivery::DeadLetter { .. } | Delivery::Withdrawn => {}
            Delivery::Delivered { .. } => {
                let platform = there(facts, one).1.unwrap_or("-");
                let told = referral.attention.is_some() || referral.conflict.is_some() || referral.recall.is_some();
                // Where sender and platform ended it at the same moment, each shows its own end: nobody works on it.
                let ended = matches!(platform, "cancelled" | "rejected" | "failed");
                let withdrawn = referral.sender == SenderState::Cancelled && status == "cancelled" && (told || ended);
                if status != platform && !withdrawn {
                    found.push(fault(&format!("it shows {status}, the platform has {platform}")));
                }
            }
        }
    }
    found
}

/// At a platform that neither keys nor can be asked there is one at most; and what may be there without the gateway's
/// knowing is in front of a person: a dead letter, or words on the referral.
#[must_use]
pub fn flagged(facts: &Facts) -> Vec<String> {
    let mut found = Vec::new();
    for one in &facts.referrals {
        let referral = &one.referral;
        let times = there(facts, one).0;
        let fault = |words: String| format!("Task/{}: {words}", referral.task);
        if kind_of(one) == Some(Kind::Unkeyed) && times > 1 {
            found.push(fault(format!("{times} times at a platform where nothing keeps it from being doubled")));
        }
        if kind_of(one) == Some(Kind::Unkeyed) && times == 0 && matches!(referral.delivery, Delivery::Delivered { .. })
        {
            found.push(fault("delivered, and the platform does not have it".to_owned()));
        }
        let uncertain = one.outbox.iter().any(|(row, _)| row.errand == Errand::Submit && row.in_flight.is_some());
        let told = match &referral.delivery {
            Delivery::Delivered { .. } | Delivery::DeadLetter { .. } => true,
            Delivery::Queued => false,
            Delivery::Held { .. } | Delivery::Withdrawn => referral.attention.is_some() || referral.recall.is_some(),
        };
        if (times > 0 || uncertain) && !told {
            let delivery = referral.delivery.word();
            found.push(fault(format!("it is {delivery}, {times} at the platform, and nobody is told")));
        }
        let status = referral.task_status;
        let shown = status.code() == "on-hold" || (status.is_final() && referral.attention.is_some());
        if matches!(referral.delivery, Delivery::DeadLetter { .. }) && !shown {
            found.push(fault(format!("a dead letter that its Task ({}) does not show", status.code())));
        }
    }
    found
}

/// A repetition under the same `X-Request-Id` was answered with the same Task.
#[must_use]
pub fn same_answer(facts: &Facts) -> Vec<String> {
    let differs = facts.answered.iter().filter(|one| one.again.as_ref().is_some_and(|again| *again != one.task));
    differs.map(|one| format!("{}: first Task/{}, then {:?}", one.placer, one.task, one.again)).collect()
}
