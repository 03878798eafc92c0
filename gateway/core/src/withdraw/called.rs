//! "Called, they stopped": where a person had to call the recipient, the sender records on the receipt that it confirmed.

use super::EXTENSION;
use crate::referral::{Recall, Referral, Way};
use crate::refusal::Refusal;
use gateway_fhir::{Issue, IssueCode, Json, instant};
use time::OffsetDateTime;

/// Where the receipt stands in a Task.
const PLACE: &str = "Task.extension";

/// Longest name of who confirmed.
const NAME: usize = 200;

/// That a recipient confirmed to somebody who called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// Who said so, in the sender's words.
    pub by: String,
    /// When.
    pub at: OffsetDateTime,
}

/// What a sender's update says beyond what stands of a call: a `confirmed-by` that the receipt does not have yet. Everything
/// else in a proposed receipt means nothing.
///
/// # Errors
/// [`Refusal`]: 422 where nobody had to call, or where it is not said well.
pub fn called(
    current: &Json,
    proposed: &Json,
    referral: Option<&Referral>,
    now: OffsetDateTime,
) -> Result<Option<Called>, Refusal> {
    let recall = referral.and_then(|referral| referral.recall.as_deref());
    let said = |url: &'static str| parts(proposed, url);
    let fresh = |url: &'static str| said(url).into_iter().any(|part| !parts(current, url).contains(&part));
    let claims = said("confirmed").iter().any(|part| part.get("valueBoolean") == Some(&Json::Bool(true)))
        && recall.is_none_or(|recall| recall.confirmed_at.is_none());
    if !fresh("confirmed-by") && !fresh("confirmed-at") && !claims {
        return Ok(None);
    }
    let recall = recall.ok_or_else(|| refused("Consent was not withdrawn: there is nothing to confirm."))?;
    to_call(recall)?;
    let by = match said("confirmed-by").as_slice() {
        [one] => one.text("valueString").map(str::trim).unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    if by.is_empty() || by.chars().count() > NAME || by.chars().any(char::is_control) {
        return Err(refused(
            "To record that the recipient confirmed, add one part `confirmed-by` with a valueString: who said so, in at \
             most 200 characters on one line.",
        ));
    }
    let at = match said("confirmed-at").as_slice() {
        [] => Some(now),
        [one] => one.text("valueInstant").and_then(instant::parse).map(|moment| moment.earliest),
        _ => None,
    };
    match at.filter(|at| (recall.asked_at..=now).contains(at)) {
        Some(at) => Ok(Some(Called { by, at })),
        None => Err(refused(
            "`confirmed-at` is one valueInstant, not before consent was withdrawn and not in the future; without it, now \
             counts.",
        )),
    }
}

/// Writes into the receipt of a Task that somebody called, and who confirmed; `false` if there is no receipt. Whether it counts is decided
/// by [`called`].
pub fn record_call(task: &mut Json, by: &str) -> bool {
    let mut all = task.items("extension").to_vec();
    let Some(receipt) = all.iter_mut().find(|one| one.text("url") == Some(EXTENSION)) else { return false };
    let mut parts = receipt.items("extension").to_vec();
    parts.push(serde_json::json!({ "url": "confirmed-by", "valueString": by }).into());
    receipt.set("extension", Json::Array(parts));
    task.set("extension", Json::Array(all));
    true
}

/// Whether somebody has to call at all.
fn to_call(recall: &Recall) -> Result<(), Refusal> {
    if recall.confirmed_at.is_some() {
        return Err(refused("The recipient has confirmed already; the receipt stays as it is."));
    }
    match recall.way {
        Way::NothingSent => Err(refused("Nothing was sent: there is nobody who could confirm.")),
        Way::Exchange if recall.is_awaited() => {
            Err(refused("The platform's own confirmation is waited for until the deadline on the receipt."))
        }
        Way::Exchange | Way::Person => Ok(()),
    }
}

fn refused(words: &str) -> Refusal {
    Refusal::one(422, Issue::at(IssueCode::BusinessRule, PLACE, words))
}

/// The parts of the receipts of a Task under this name.
fn parts(task: &Json, url: &str) -> Vec<Json> {
    let receipts = task.items("extension").iter().filter(|one| one.text("url") == Some(EXTENSION));
    let parts = receipts.flat_map(|receipt| receipt.items("extension"));
    parts.filter(|part| part.text("url") == Some(url)).cloned().collect()
}
