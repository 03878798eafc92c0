//! What a client may do with a follow-up of its compartment: take it on, do it, pass it to a colleague, end it. Nothing of
//! that moves the referral.

use super::{Updated, changed_elements, check_version};
use crate::accept::{audit_line, version_of};
use crate::change::{Change, Transaction};
use crate::follow_up::is_owner;
use crate::identity::{Client, Owner};
use crate::referral::Referral;
use crate::refusal::{Refusal, pass_or_refuse};
use crate::resource::{ResourceKey, WriteMethod};
use crate::status;
use adapter_contract::TaskStatus;
use gateway_fhir::identifiers::{ODS_CODE, same_system};
use gateway_fhir::{Issue, IssueCode, Json};
use serde_json::json;
use time::OffsetDateTime;

/// Elements of a follow-up that whoever does it may change.
const MAY_CHANGE: [&str; 11] = [
    "id",
    "meta",
    "text",
    "status",
    "statusReason",
    "note",
    "owner",
    "executionPeriod",
    "lastModified",
    "_lastModified",
    "extension",
];

/// A new version of a follow-up that a client of its compartment proposes.
pub struct FollowUpUpdate<'a> {
    /// Who proposes it.
    pub client: &'a Client,
    /// The referral that it belongs to.
    pub referral: &'a Referral,
    /// Id, version and document of the follow-up.
    pub task: (&'a str, u64, &'a Json),
    /// The Task as it was proposed, not stamped.
    pub proposed: &'a Json,
    /// How it was proposed.
    pub method: WriteMethod,
    /// `If-Match`.
    pub if_match: Option<u64>,
    /// Now.
    pub now: OffsetDateTime,
}

/// Decides on a client's update of a follow-up. That what it refers to exists in the client's compartment is for the caller to see.
///
/// # Errors
/// [`Refusal`]: 412 for a stale `If-Match`, 422 for an element, an owner or a move that is not whoever does it to choose.
pub fn update_follow_up(update: &FollowUpUpdate<'_>) -> Result<Updated, Refusal> {
    let (id, version, current) = update.task;
    check_version(update.if_match, version)?;
    let mut issues = changed_elements(current, update.proposed, &MAY_CHANGE, "Whoever does a follow-up");
    let rule = |place: &str, words: &str| Issue::at(IssueCode::BusinessRule, place, words);
    if current.get("owner") != update.proposed.get("owner") {
        issues.extend(strange_owner(update).map(|words| rule("Task.owner", words)));
    }
    let (from, to) = (crate::task::status(current), crate::task::status(update.proposed));
    let Some(to) = to else {
        return Err(Refusal::one(
            422,
            Issue::at(IssueCode::CodeInvalid, "Task.status", "This is no Task.status code."),
        ));
    };
    let from = from.unwrap_or(TaskStatus::Requested);
    if from != to {
        issues.extend(status::assignee_may(from, to).err().map(|refused| rule("Task.status", &refused.to_string())));
        let said = |task: &Json| task.get("statusReason").and_then(|reason| reason.text("text")).map(str::to_owned);
        let why = said(update.proposed).filter(|words| !words.trim().is_empty());
        if matches!(to, TaskStatus::Cancelled | TaskStatus::Failed) && why.is_none() {
            let words = "A follow-up that is not done says why: Task.statusReason.text.";
            issues.push(Issue::at(IssueCode::Required, "Task.statusReason", words));
        }
    }
    pass_or_refuse(issues)?;
    let key = ResourceKey { compartment: update.client.compartment(), kind: "Task".to_owned(), id: id.to_owned() };
    let author = update.client.author();
    let next = version_of(key, version + 1, update.proposed.clone(), &author, update.method, update.now, &|_| None);
    let mut transaction = Transaction { checks: Vec::new(), changes: vec![Change::PutResource(next)] };
    if from != to {
        let detail = json!({ "task": id, "from": from.code(), "to": to.code() });
        transaction.changes.push(audit_line(update.referral, update.now, &author, "follow-up-moved", detail));
    }
    if to.is_final() && !from.is_final() {
        let mut referral = update.referral.clone();
        for one in referral.follow_ups.iter_mut().filter(|one| one.task == id) {
            one.ended_at.get_or_insert(update.now);
        }
        referral.revision += 1;
        transaction.changes.push(Change::PutReferral(Box::new(referral)));
    }
    Ok(Updated { transaction, version: version + 1 })
}

/// Why this owner is none: within its own organisation whoever does a follow-up may pass it on, and to nobody else.
fn strange_owner(update: &FollowUpUpdate<'_>) -> Option<&'static str> {
    let Some(owner) = update.proposed.get("owner") else {
        return Some("A follow-up is always somebody's. Name the new owner.");
    };
    // What it refers to is stored in the client's own compartment, or the update is refused.
    if owner.text("reference").is_some_and(|reference| !reference.starts_with('#') && !reference.contains("://")) {
        return (!is_owner(owner))
            .then_some("The owner is a Practitioner, PractitionerRole, Organization or CareTeam.");
    }
    let own = match &update.client.compartment().owner {
        Owner::Organisation(code) => code.clone(),
        Owner::Platform(_) => return Some("A follow-up stays within the organisation that sent the referral."),
    };
    let is_own = owner.text("reference").is_none()
        && owner.get("identifier").is_some_and(|identifier| {
            identifier.text("system").is_some_and(|system| same_system(system, ODS_CODE))
                && identifier.text("value") == Some(own.as_str())
        });
    (!is_own).then_some(
        "Name the new owner by a reference to what you have stored here, or by the ODS code of your own organisation.",
    )
}
