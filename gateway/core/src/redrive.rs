//! Redrive: a dead letter goes on where it stood, because somebody has looked at it. What it may tell is decided anew, and
//! what may be at the platform already is asked for, or was asked for by that person.

use crate::accept::{audit_line, version_of};
use crate::change::{Change, Check, Transaction};
use crate::consent::{Decision, Verdict, stored_name};
use crate::outbox::{Errand, OutboxRow, OutboxState};
use crate::referral::{Delivery, Referral, SenderState};
use crate::resource::{ResourceKey, WriteMethod};
use crate::retry::Schedule;
use crate::task::{TaskMove, moved};
use adapter_contract::{Capabilities, FailureCode, Repeat, SenderMove, TaskStatus};
use gateway_fhir::Json;
use serde_json::json;
use time::OffsetDateTime;

/// What is to go on.
#[derive(Clone, Copy)]
pub struct Redriving<'a> {
    /// The referral as it stands.
    pub referral: &'a Referral,
    /// Its dead outbox row.
    pub row: &'a OutboxRow,
    /// Version and document of the sender's Task.
    pub task: (u64, &'a Json),
    /// What the platform lets us do.
    pub capabilities: Capabilities,
    /// Consent as it is decided for this.
    pub consent: &'a Decision,
    /// After how many attempts somebody asked the organisation, and it did not have the referral; absent = nobody has. What was
    /// true then says nothing of a later attempt.
    pub asked: Option<u32>,
    /// When attempts are made.
    pub schedule: &'a Schedule,
    /// Who does it, as audit names it.
    pub author: &'a str,
    /// Now.
    pub now: OffsetDateTime,
}

/// Why a dead letter stays where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stays {
    /// It is none, or no longer.
    NotDead,
    /// Everything of it was erased.
    Erased,
    /// The sender has withdrawn it, and the platform cannot be asked whether it has it.
    Withdrawn,
    /// The Task has ended, so that nothing more may be sent for it.
    Ended,
    /// Consent does not permit it: the decision in words.
    Consent(String),
    /// The platform may have it, wholly or in part, and cannot be asked.
    MaybeThere,
    /// The organisation was asked after another number of attempts than there are now.
    TriedSince(u32),
    /// Its platform is no longer in the configuration.
    NoPlatform,
    /// Others kept writing.
    Busy,
}

impl Stays {
    /// Code for lists and programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotDead => "not-dead",
            Self::Erased => "erased",
            Self::Withdrawn => "withdrawn",
            Self::Ended => "ended",
            Self::Consent(_) => "no-consent",
            Self::MaybeThere => "maybe-there",
            Self::TriedSince(_) => "tried-since",
            Self::NoPlatform => "no-platform",
            Self::Busy => "busy",
        }
    }

    /// What a person reads: why, and what to do.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::NotDead => "It is no dead letter, or somebody else has redriven it.".to_owned(),
            Self::Erased => "What it consisted of was erased.".to_owned(),
            Self::Withdrawn => {
                "The sender has withdrawn it, and this platform cannot be asked whether it has it. Ask the organisation; \
                 if help is still wanted, the sender sends a new referral."
                    .to_owned()
            }
            Self::Ended => {
                "Its Task has ended. If help is still wanted, the sender sends a new referral.".to_owned()
            }
            Self::Consent(words) => format!("Consent does not permit it: {words}"),
            Self::MaybeThere => {
                "The platform may have it, and cannot be asked. Ask the organisation by the key; if it has nothing, \
                 redrive with asked and the number of its attempts."
                    .to_owned()
            }
            Self::TriedSince(attempts) => format!(
                "It was tried again since the organisation was asked: there are {attempts} attempts now. Ask it again, then \
                 redrive with asked and that number."
            ),
            Self::NoPlatform => "Its platform is no longer in the configuration. Add it again, then redrive.".to_owned(),
            Self::Busy => "Others keep writing it. Nothing was changed; redrive again.".to_owned(),
        }
    }
}

/// Decides whether a dead letter goes on, and what is then written.
///
/// # Errors
/// [`Stays`]: why it does not. Nothing is written then.
pub fn redrive(from: &Redriving<'_>) -> Result<Transaction, Stays> {
    if from.referral.erased.is_some() {
        return Err(Stays::Erased);
    }
    if from.row.state != OutboxState::Dead {
        return Err(Stays::NotDead);
    }
    if from.asked.is_some_and(|asked| asked != from.row.attempts) {
        return Err(Stays::TriedSince(from.row.attempts));
    }
    let mut referral = from.referral.clone();
    let step = match &from.row.errand {
        Errand::Submit => submit(from, &mut referral)?,
        Errand::Tell { sender_move } => tell(from, &mut referral, *sender_move)?,
        // Their dead letters are not kept: polling reads again, a deadline passes once, who was asked in vain is
        // reminded, and of a change that nobody was told of the Task says so.
        Errand::Update | Errand::Read | Errand::Chase | Errand::Ask { .. } => return Err(Stays::NotDead),
    };
    // Somebody has decided: where the platform cannot be asked, that decision is the answer.
    let in_flight = from.row.in_flight.filter(|_| from.capabilities.look_up || from.asked.is_none());
    let row = OutboxRow {
        state: OutboxState::Ready,
        not_before: from.now,
        expires_at: from.schedule.expires_at(from.now),
        in_flight,
        died: 0,
        alone: false,
        ..from.row.clone()
    };
    let mut changes = vec![Change::PutOutbox(Box::new(row))];
    if let Some(step) = step {
        let key = ResourceKey {
            compartment: referral.compartment.clone(),
            kind: "Task".to_owned(),
            id: referral.task.clone(),
        };
        let document = moved(from.task.1, &step, from.now);
        changes.push(Change::PutResource(version_of(
            key,
            from.task.0 + 1,
            document,
            from.author,
            WriteMethod::Put,
            from.now,
            &|_| None,
        )));
    }
    let code = from.row.last_failure.as_ref().map(|failure| &failure.code);
    let detail =
        json!({ "errand": from.row.errand.word(), "attempts": from.row.attempts, "code": code, "asked": from.asked });
    changes.push(audit_line(&referral, from.now, from.author, "redrive", detail));
    referral.revision += 1;
    changes.push(Change::PutReferral(Box::new(referral)));
    let checks = vec![Check::NotLeased { outbox: from.row.id.clone(), fence: from.row.fence }];
    Ok(Transaction { checks, changes })
}

/// The referral itself. A withdrawn one only asks the platform, which says nothing new about the person.
fn submit(from: &Redriving<'_>, referral: &mut Referral) -> Result<Option<TaskMove>, Stays> {
    if referral.sender == SenderState::Cancelled {
        if !from.capabilities.look_up {
            return Err(Stays::Withdrawn);
        }
        referral.delivery = Delivery::Queued;
        return Ok(None);
    }
    if referral.task_status.is_final() {
        return Err(Stays::Ended);
    }
    permitted(from)?;
    if may_be_there(from.row) && !from.capabilities.look_up && from.asked.is_none() {
        return Err(Stays::MaybeThere);
    }
    referral.delivery = Delivery::Queued;
    referral.task_status = TaskStatus::Requested;
    Ok(Some(TaskMove { status: Some(TaskStatus::Requested), ..TaskMove::default() }))
}

/// The sender's move. To end something needs no consent; to go on does.
fn tell(from: &Redriving<'_>, referral: &mut Referral, sender_move: SenderMove) -> Result<Option<TaskMove>, Stays> {
    let business_status = match sender_move {
        SenderMove::Cancel => "withdrawn-by-referrer",
        SenderMove::Hold => "on-hold",
        SenderMove::Release => {
            permitted(from)?;
            "delivered"
        }
    };
    // Whom consent was withdrawn from is called by a person, until the platform confirms: that is on the receipt.
    if referral.recall.is_some() {
        return Ok(None);
    }
    referral.attention = None;
    Ok(Some(TaskMove {
        business_status: Some(business_status.to_owned()),
        reason: Some("The platform is being told again of the sender's move.".to_owned()),
        ..TaskMove::default()
    }))
}

fn permitted(from: &Redriving<'_>) -> Result<(), Stays> {
    match from.consent.verdict {
        Verdict::Permit => Ok(()),
        _ => Err(Stays::Consent(from.consent.words(&stored_name))),
    }
}

/// A request that may have arrived, or a part that the platform is known to have kept.
fn may_be_there(row: &OutboxRow) -> bool {
    let partly = row.last_failure.as_ref().is_some_and(|failure| failure.code == FailureCode::PartlyStored);
    row.in_flight == Some(Repeat::LookUpFirst) || partly
}
