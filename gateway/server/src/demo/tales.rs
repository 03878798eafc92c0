//! Referrals that are worth a look: one that is declined, one that nobody answers, one that is taken up again after its end, and
//! one whose outcome has scores. Who plays which is decided from the generator before anything is sent.

use super::world::World;
use anyhow::Context as _;
use conformance_tests::generator::{Expectation, SyntheticReferral};
use gateway_core::referral::{Delivery, Referral};
use serde_json::Value;
use std::collections::BTreeMap;

/// What happens in one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tale {
    /// The organisation says no, and why.
    Declined,
    /// Nobody imports it from the staging area, so a person at the practice is told.
    Unanswered,
    /// It is declined, and accepted afterwards.
    Reopened,
    /// What was measured of the person comes back with the outcome.
    Scored,
}

/// Each with the recipient that plays it. Two of one recipient take the first and the second referral.
const CAST: [(Tale, &str); 4] =
    [(Tale::Declined, "VCSE4"), (Tale::Unanswered, "VCSE5"), (Tale::Reopened, "VCSE4"), (Tale::Scored, "VCSE1")];

/// What is measured at the end of [`Tale::Scored`], and how it came out.
pub(super) const MEASURED: (&str, &[(&str, u8)]) = (
    "Personal well-being (ONS4), 0 to 10",
    &[("Life satisfaction", 7), ("Worthwhile", 8), ("Happiness yesterday", 6), ("Anxiety yesterday", 3)],
);

impl Tale {
    /// As the list shows it.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Declined => "declined",
            Self::Unanswered => "without an answer",
            Self::Reopened => "reopened",
            Self::Scored => "outcome with scores",
        }
    }
}

/// A referral as everybody in the demonstration knows it.
#[derive(Debug, Clone)]
pub(super) struct Case {
    /// As the gateway has it.
    pub(super) referral: Referral,
    /// The sender's own id, the same in each run.
    pub(super) placer: String,
    /// What it shows, if anything.
    pub(super) tale: Option<Tale>,
}

impl Case {
    /// Where it goes; empty while no route is decided.
    pub(super) fn platform(&self) -> &str {
        self.referral.platform.as_ref().map_or("", |platform| platform.0.as_str())
    }
}

/// Which referrals play which part, by the sender's id. A run that is too small to have a referral for a part leaves it out.
pub(super) fn cast(referrals: impl Iterator<Item = SyntheticReferral>) -> BTreeMap<String, Tale> {
    let mut parts: Vec<(Tale, &str)> = CAST.to_vec();
    let mut cast = BTreeMap::new();
    for referral in referrals.filter(|referral| referral.expectation == Expectation::Delivered) {
        let part = parts.iter().position(|(_, ods)| Some(*ods) == referral.recipient_ods.as_deref());
        if let Some(part) = part {
            cast.insert(referral.placer_id, parts.remove(part).0);
        }
    }
    cast
}

/// A tale as it ended: its name, the Task with where it went and what the GP reads, and what there is to say of it.
pub(super) struct Told {
    pub(super) title: &'static str,
    pub(super) task: String,
    pub(super) words: String,
}

/// Every tale of this run, in a fixed order.
pub(super) async fn told(world: &World) -> anyhow::Result<Vec<Told>> {
    let mut cases: Vec<(Tale, Case)> =
        world.cases().await?.into_iter().filter_map(|case| Some((case.tale?, case))).collect();
    cases.sort_by_key(|(tale, _)| *tale);
    let mut all = Vec::new();
    for (tale, case) in cases {
        let task = world.gp_system().task(&case.referral.task).await?;
        let text = |pointer: &str| task.pointer(pointer).and_then(Value::as_str).unwrap_or("-").to_owned();
        let reason = text("/statusReason/text");
        let words = match tale {
            _ if !matches!(case.referral.delivery, Delivery::Delivered { .. }) => {
                format!("It did not come so far: {reason}")
            }
            Tale::Declined => format!("The organisation's reason, as the GP reads it: {reason}"),
            Tale::Unanswered => format!("Nobody has imported it. A person is told: {reason}"),
            Tale::Reopened => match world.told_of_reopening() {
                Some(words) => format!(
                    "Declined, then accepted. A person was told: {words} After a call it is declined again: {reason}"
                ),
                None => "It was not taken up again.".to_owned(),
            },
            Tale::Scored => scores(world, &task).await?,
        };
        let at = format!(
            "Task {} at {}: {}, {}",
            case.referral.task,
            case.platform(),
            text("/status"),
            text("/businessStatus/coding/0/code")
        );
        all.push(Told { title: tale.title(), task: at, words });
    }
    Ok(all)
}

/// What the GP system reads of the outcome that has scores.
async fn scores(world: &World, task: &Value) -> anyhow::Result<String> {
    let outputs = task.get("output").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let references = outputs.iter().filter_map(|output| output.pointer("/valueReference/reference")?.as_str());
    for reference in references.filter(|reference| reference.contains("Observation/")) {
        let observation = world.gp_system().resource(reference).await.context("an output cannot be read")?;
        let components = observation.get("component").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let scores: Vec<String> = components
            .iter()
            .filter_map(|one| Some(format!("{} {}", one.pointer("/code/text")?.as_str()?, one.get("valueInteger")?)))
            .collect();
        if !scores.is_empty() {
            let what = observation.pointer("/code/text").and_then(Value::as_str).unwrap_or("-");
            return Ok(format!("{reference}, {what}: {}", scores.join(", ")));
        }
    }
    Ok("Its outcome came without scores.".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use conformance_tests::generator::{Generator, RecipientSpec};

    #[test]
    fn each_part_is_played_once_by_its_recipient_and_in_each_run_by_the_same() {
        let recipients = ["VCSE1", "VCSE4", "VCSE5"].map(|ods| RecipientSpec::new(ods, ods, &[])).to_vec();
        let generator = Generator::new(5, recipients);
        let played = || cast((0..60).map(|number| generator.referral(number)));
        let cast_once = played();
        let mut parts: Vec<Tale> = cast_once.values().copied().collect();
        parts.sort();
        assert_eq!(parts, [Tale::Declined, Tale::Unanswered, Tale::Reopened, Tale::Scored]);
        for number in 0..60 {
            let referral = generator.referral(number);
            if let Some(part) = cast_once.get(&referral.placer_id) {
                let ods = CAST.iter().find(|(tale, _)| tale == part).map(|(_, ods)| *ods);
                assert_eq!((referral.expectation, referral.recipient_ods.as_deref()), (Expectation::Delivered, ods));
            }
        }
        assert_eq!(played(), cast_once);
        assert!(cast((0..0).map(|number| generator.referral(number))).is_empty());
    }
}
