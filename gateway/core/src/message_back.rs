//! The message back to the GP: what became of a referral, in the order of the Social Prescribing Information Standard (PRSB 1.1, model
//! "Message back to GP and referrer"): needs, support offered, activities, outcome, scores, contacts, who completed it.
//!
//! It is made when it is asked for, from the Task and the ServiceRequest as they stand, and never stored: what the GP may have is decided
//! at that moment ([`Kept`]). What the sender wrote is repeated as it was written. Of what a platform gave, a SNOMED CT coding is passed on
//! only where its id is in the confirmed table (`gateway-codes`); the words stay. `docs/message-back.md` says which headings are whose.

mod document;
mod entry;
mod measure;
mod observation;
mod pairing;

pub use document::{Made, document};
pub use entry::Entry;
pub use measure::{Measure, Phase, Question, Reading, Source, Unread};
pub use pairing::Score;

use crate::consent::{Kept, Recipient};
use adapter_contract::TaskStatus;
use gateway_fhir::{Json, instant};
use time::Date;

/// Most needs, kinds of support, activities or contacts that are told. The rest is counted ([`MessageBack::left_out`]).
const MOST: usize = 50;

/// What a message back is made of.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The sender's Task.
    pub task: &'a Json,
    /// The sender's ServiceRequest.
    pub service_request: &'a Json,
    /// Finds what either refers to, by `Type/id`.
    pub lookup: &'a dyn Fn(&str) -> Option<&'a Json>,
    /// Who was asked, as it is configured.
    pub recipient: Option<&'a Recipient>,
    /// What the person keeps from the sender, as it is decided now.
    pub kept: Kept,
}

impl std::fmt::Debug for Facts<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Facts").field("kept", &self.kept).finish_non_exhaustive()
    }
}

/// What became of a referral. It speaks of a person: no `Debug` of its content.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageBack {
    /// "Needs and concerns": why the person was referred.
    pub needs: Vec<Entry>,
    /// "Support offered": what was asked for.
    pub support: Vec<Entry>,
    /// What was done, as far as the service told.
    pub activities: Vec<Entry>,
    /// How it stands or ended.
    pub outcome: Outcome,
    /// Scores, with baseline and follow-up told apart.
    pub scores: Vec<Score>,
    /// Scores that are on no scale that is known here, in words.
    pub unread: Vec<Unread>,
    /// Name of the service that was asked; the platform's name in the configuration.
    pub service: Option<String>,
    /// Who completed the record at the service, where the platform names somebody.
    pub completed_by: Option<String>,
    /// On which day the referral was written.
    pub referred_on: Option<Date>,
    /// What the sender calls the referral.
    pub reference: Option<String>,
    /// What the person keeps from the sender.
    pub kept: Kept,
    /// How many entries are not told because there are too many.
    pub left_out: usize,
}

impl std::fmt::Debug for MessageBack {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = (self.needs.len(), self.support.len(), self.activities.len(), self.scores.len());
        formatter.debug_struct("MessageBack").field("parts", &parts).field("kept", &self.kept).finish_non_exhaustive()
    }
}

/// How a referral stands or ended.
#[derive(Clone, PartialEq, Eq)]
pub struct Outcome {
    /// `Task.status`.
    pub status: TaskStatus,
    /// The gateway's business status, a code.
    pub business_status: Option<String>,
    /// What the service said of it, in its words.
    pub words: Vec<String>,
    /// When the Task came to stand so, as the Task has it.
    pub at: Option<String>,
}

impl Outcome {
    /// The status in a sentence of ours.
    #[must_use]
    pub fn sentence(&self) -> &'static str {
        match self.status {
            TaskStatus::Completed => "The service has completed the support.",
            TaskStatus::Rejected => "The service did not take the referral on.",
            TaskStatus::Failed => "The service could not give the support.",
            TaskStatus::Cancelled => match self.business_status.as_deref() {
                Some("person-declined") => "The person did not want the support.",
                Some("revoked") => "The service ended the referral before the support was completed.",
                Some("withdrawn-by-referrer") => "The referral was withdrawn before the support ended.",
                // Who ended it is not said, or not for the practice to know.
                Some(_) | None => "The referral was ended before the support was completed.",
            },
            TaskStatus::EnteredInError => "The referral was made in error.",
            TaskStatus::OnHold => "The referral is on hold.",
            TaskStatus::InProgress => "The support is under way.",
            TaskStatus::Accepted | TaskStatus::Ready => "The service has accepted the referral.",
            TaskStatus::Received => "The service has received the referral.",
            TaskStatus::Draft | TaskStatus::Requested => "The service has not answered yet.",
        }
    }
}

/// Gathers the message back; `None` if the Task is none that the gateway accepted.
#[must_use]
pub fn gather(facts: &Facts<'_>) -> Option<MessageBack> {
    let status = crate::task::status(facts.task)?;
    let Facts { task, service_request, .. } = facts;
    let mut told = entry::needs(facts);
    let mut support = entry::support(facts);
    let (mut activities, mut words) = entry::outputs(facts);
    let left_out = [&mut told, &mut support, &mut activities].map(|entries| {
        let rest = entries.len().saturating_sub(MOST);
        entries.truncate(MOST);
        rest
    });
    // The reason of a Task speaks of the outcome, whoever wrote it; where the person keeps words it is the gateway's own since `align`.
    if let Some(reason) = task.get("statusReason").and_then(|reason| reason.text("text"))
        && facts.kept == Kept::Nothing
    {
        words.insert(0, reason.to_owned());
    }
    words.dedup();
    let (readings, unread) = measure::readings(facts);
    let business = || {
        let codings = task.get("businessStatus")?.items("coding");
        let ours =
            codings.iter().find(|coding| coding.text("system") == Some(adapter_contract::systems::BUSINESS_STATUS));
        ours?.text("code").map(str::to_owned)
    };
    Some(MessageBack {
        needs: told,
        support,
        activities,
        outcome: Outcome {
            status,
            business_status: business().filter(|_| facts.kept != Kept::All),
            words,
            at: task.text("lastModified").map(str::to_owned),
        },
        scores: pairing::pair(readings),
        unread,
        service: facts.recipient.map(|recipient| recipient.name.clone()),
        completed_by: entry::completed_by(facts),
        referred_on: service_request.text("authoredOn").and_then(day),
        reference: entry::reference(service_request),
        kept: facts.kept,
        left_out: left_out.iter().sum(),
    })
}

/// The day of a FHIR date or time, as it was written.
fn day(text: &str) -> Option<Date> {
    instant::parse(text)?;
    Date::parse(text.get(..10)?, time::macros::format_description!("[year]-[month]-[day]")).ok()
}

#[cfg(test)]
mod tests;
