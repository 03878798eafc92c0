//! What becomes of a Task at the platform: a plan drawn from the seed when the Task arrives, one move at a time.
//!
//! The moves are those that a charity makes; nobody asks here what the gateway thinks of them, so some plans skip
//! states and some wait.

use std::collections::VecDeque;

use rand::Rng;
use serde_json::{Value, json};

use crate::clock::{chance, number_of};

/// One move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) status: &'static str,
    /// Ticks that pass before it.
    pub(crate) wait: u32,
    /// `statusReason.text`.
    pub(crate) reason: Option<String>,
    /// `businessStatus.text`, in the platform's own words.
    pub(crate) words: Option<&'static str>,
}

/// The moves to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) moves: VecDeque<Move>,
    pub(crate) urgent: bool,
}

/// A status, the reason that the guide asks for with it, the platform's words.
type Sketch = (&'static str, Option<&'static str>, Option<&'static str>);

const ACCEPTED: Sketch = ("accepted", None, Some("Welcome call booked"));
const UNDER_WAY: Sketch = ("in-progress", None, Some("In support"));
const DONE: Sketch = ("completed", None, None);
const WAITING: Sketch = ("on-hold", Some("On the waiting list for a volunteer"), Some("Waiting list"));

/// Weight in a hundred, and the moves.
const PLANS: &[(u32, &[Sketch])] = &[
    (40, &[ACCEPTED, UNDER_WAY, DONE]),
    (14, &[ACCEPTED, WAITING, UNDER_WAY, DONE]),
    (12, &[("rejected", Some("Outside the area that we serve"), None)]),
    (8, &[ACCEPTED, UNDER_WAY, ("failed", Some("Could not reach the person after three calls"), None)]),
    (7, &[UNDER_WAY, DONE]),
    (6, &[WAITING, ACCEPTED, UNDER_WAY, DONE]),
    (5, &[DONE]),
    (4, &[ACCEPTED, UNDER_WAY, ("cancelled", Some("The person no longer wants support"), None)]),
    (4, &[ACCEPTED, ("rejected", Some("No place before the summer"), Some("No capacity"))]),
];

/// The plan for a Task, from the seed and its key. A refusal replaces it by a rejection with that reason.
pub(crate) fn plan(seed: u64, key: &str, priority: &str, refusal: Option<String>) -> Life {
    let mut rng = chance(seed, number_of(key));
    let urgent = matches!(priority, "urgent" | "asap" | "stat");
    let first = u32::from(!urgent);
    if refusal.is_some() {
        let refused = Move { status: "rejected", wait: first, reason: refusal, words: None };
        return Life { moves: VecDeque::from([refused]), urgent };
    }
    let mut draw = rng.random_range(0..100);
    let sketch = PLANS
        .iter()
        .find(|(weight, _)| {
            let chosen = draw < *weight;
            draw = draw.saturating_sub(*weight);
            chosen
        })
        .map_or([DONE].as_slice(), |(_, sketch)| sketch);
    let moves = sketch.iter().enumerate().map(|(at, (status, reason, words))| Move {
        status,
        // An urgent one moves on the first tick and stops at none after it.
        wait: if at == 0 { first } else { u32::from(!urgent && rng.random_bool(0.4)) },
        reason: reason.map(str::to_owned),
        words: *words,
    });
    Life { moves: moves.collect(), urgent }
}

/// The Task after a move; what belonged to the status before goes with it.
pub(crate) fn moved(task: &Value, step: &Move, at: &str) -> Value {
    let mut task = task.clone();
    if let Some(fields) = task.as_object_mut() {
        fields.shift_remove("statusReason");
        fields.shift_remove("businessStatus");
    }
    task["status"] = Value::from(step.status);
    task["lastModified"] = Value::from(at);
    if let Some(reason) = &step.reason {
        task["statusReason"] = json!({ "text": reason });
    }
    if let Some(words) = step.words {
        task["businessStatus"] = json!({ "text": words });
    }
    task
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_weights_make_a_hundred() {
        assert_eq!(PLANS.iter().map(|(weight, _)| weight).sum::<u32>(), 100);
    }

    #[test]
    fn every_plan_ends_in_a_final_state_and_together_they_reach_all() {
        let mut reached = BTreeSet::from(["requested"]);
        for n in 0..400 {
            let life = plan(9, &format!("key-{n}"), "routine", None);
            let last = life.moves.back().unwrap();
            assert!(super::super::profile::is_final(last.status));
            reached.extend(life.moves.iter().map(|step| step.status));
        }
        let wanted =
            ["accepted", "cancelled", "completed", "failed", "in-progress", "on-hold", "rejected", "requested"];
        assert_eq!(reached.into_iter().collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn urgent_goes_first_and_the_same_key_the_same_way() {
        let urgent = plan(9, "key", "urgent", None);
        assert!(urgent.urgent && urgent.moves[0].wait == 0);
        let routine = plan(9, "key", "routine", None);
        assert_eq!((routine.urgent, routine.moves[0].wait), (false, 1));
        assert_eq!(routine, plan(9, "key", "routine", None));
    }
}
