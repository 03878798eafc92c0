//! `Task.status`: which moves there are, who may make them, and what a platform's statements come to.
//!
//! The table is data ([`MOVES`], design 6.3). It governs what clients write; a platform's statements are never refused,
//! they are folded ([`fold`]). This file knows nothing of versions, authorship in the store or HTTP.

mod fold;

pub use fold::{FoldStep, Folded, fold};
pub(crate) use fold::{in_order, is_placed};

use adapter_contract::TaskStatus::{self, *};
use std::collections::VecDeque;

/// Every move but the one to entered-in-error, which leads there from everywhere and is the author's alone.
pub const MOVES: &[(TaskStatus, &[TaskStatus])] = &[
    (Draft, &[Requested, Cancelled]),
    (Requested, &[Received, Accepted, Rejected, OnHold, Cancelled, Failed]),
    (Received, &[Accepted, Rejected, OnHold, Cancelled, Failed]),
    (Accepted, &[Ready, InProgress, OnHold, Rejected, Cancelled, Failed]),
    (Ready, &[InProgress, OnHold, Cancelled, Failed]),
    (InProgress, &[OnHold, Completed, Rejected, Cancelled, Failed]),
    (OnHold, &[Requested, Received, Accepted, Ready, InProgress, Completed, Rejected, Cancelled, Failed]),
    (Rejected, &[]),
    (Cancelled, &[]),
    (Completed, &[]),
    (Failed, &[]),
    (EnteredInError, &[]),
];

/// Where a Task may stand when it leaves this status, entered-in-error aside.
fn targets(from: TaskStatus) -> &'static [TaskStatus] {
    MOVES.iter().find(|(status, _)| *status == from).map_or(&[], |(_, targets)| targets)
}

/// Whether this one step is a move of the table, or the author's to entered-in-error. To stay is not a move.
#[must_use]
pub fn is_move(from: TaskStatus, to: TaskStatus) -> bool {
    targets(from).contains(&to) || (to == EnteredInError && from != EnteredInError)
}

/// The states between, if `to` cannot be reached by one move but by several, none of which passes a final state.
///
/// The shortest such way; of several equally short ones the first in the order of [`MOVES`]. A way over on-hold is taken
/// only where there is no other: nobody should read of a pause that never was, but a platform that goes back (in-progress
/// to accepted) can have done so only over one.
#[must_use]
pub fn skipped(from: TaskStatus, to: TaskStatus) -> Option<Vec<TaskStatus>> {
    if from == to || to == EnteredInError || is_move(from, to) {
        return None;
    }
    shortest_way(from, to, false).or_else(|| shortest_way(from, to, true))
}

/// As [`skipped`], but only ways that go forward.
fn skipped_forward(from: TaskStatus, to: TaskStatus) -> Option<Vec<TaskStatus>> {
    if from == to || to == EnteredInError || is_move(from, to) { None } else { shortest_way(from, to, false) }
}

/// Breadth first over the table.
fn shortest_way(from: TaskStatus, to: TaskStatus, over_hold: bool) -> Option<Vec<TaskStatus>> {
    let mut ways = VecDeque::from([(from, Vec::new())]);
    let mut seen = vec![from];
    while let Some((at, way)) = ways.pop_front() {
        if at != from && targets(at).contains(&to) {
            return Some(way);
        }
        for next in targets(at) {
            if next.is_final() || seen.contains(next) || (*next == OnHold && !over_hold) {
                continue;
            }
            seen.push(*next);
            let mut longer: Vec<TaskStatus> = way.clone();
            longer.push(*next);
            ways.push_back((*next, longer));
        }
    }
    None
}

/// A move that this party may not make.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{party} may not move a Task from {from} to {to}; from {from} {party} may move it to: {}", words(.allowed))]
pub struct MoveRefused {
    /// `the sender`, `the performer` or `whoever does a follow-up`.
    pub party: &'static str,
    /// Where the Task stands.
    pub from: TaskStatus,
    /// Where it was to go.
    pub to: TaskStatus,
    /// Where this party may move it instead.
    pub allowed: Vec<TaskStatus>,
}

fn words(statuses: &[TaskStatus]) -> String {
    if statuses.is_empty() {
        return "nothing".to_owned();
    }
    statuses.iter().map(|status| status.code()).collect::<Vec<_>>().join(", ")
}

/// Whether the sender, as the author of the Task, may move it so.
///
/// The sender sends (draft to requested), withdraws (cancelled), pauses (on-hold), goes on (on-hold to requested) and
/// takes back what should never have been (entered-in-error, also from a final status: GW-STA-002). To leave the
/// status as it is is allowed.
///
/// # Errors
/// [`MoveRefused`] for every other move; its words name what is allowed.
pub fn sender_may(from: TaskStatus, to: TaskStatus) -> Result<(), MoveRefused> {
    may("the sender", from, to, |to| match to {
        Cancelled | OnHold | EnteredInError => true,
        Requested => matches!(from, Draft | OnHold),
        _ => false,
    })
}

/// Whether a platform that collects its referrals here (*Direct Light*) may move the Task so.
///
/// Its write is a report: single moves of the table and skips of several, cancelled among them (the service was revoked);
/// a final status stays. Not requested and not draft: those are the sender's. To leave the status as it is is allowed.
///
/// # Errors
/// [`MoveRefused`] for every other move; its words name what is allowed.
pub fn performer_may(from: TaskStatus, to: TaskStatus) -> Result<(), MoveRefused> {
    if from != Draft && !from.is_final() && performers(to) && skipped(from, to).is_some() {
        return Ok(());
    }
    may("the performer", from, to, performers)
}

/// Whether whoever owns a follow-up may move it so: on, by single moves or skips of several, or to an end. Not back to requested, and
/// not rejected: it is passed on to another owner instead. To leave the status as it is is allowed.
///
/// # Errors
/// [`MoveRefused`] for every other move; its words name what is allowed.
pub fn assignee_may(from: TaskStatus, to: TaskStatus) -> Result<(), MoveRefused> {
    let theirs = |to| performers(to) && to != Rejected;
    if !from.is_final() && theirs(to) && skipped(from, to).is_some() {
        return Ok(());
    }
    may("whoever does a follow-up", from, to, theirs)
}

fn performers(to: TaskStatus) -> bool {
    matches!(to, Received | Accepted | Rejected | Ready | InProgress | OnHold | Completed | Failed | Cancelled)
}

fn may(
    party: &'static str,
    from: TaskStatus,
    to: TaskStatus,
    theirs: impl Fn(TaskStatus) -> bool,
) -> Result<(), MoveRefused> {
    let allowed = |target: TaskStatus| is_move(from, target) && theirs(target);
    if from == to || allowed(to) {
        return Ok(());
    }
    Err(MoveRefused {
        party,
        from,
        to,
        allowed: TaskStatus::ALL.into_iter().filter(|target| allowed(*target)).collect(),
    })
}

/// What `ServiceRequest.status` becomes when its Task has come to this status; `None` leaves it as it is.
///
/// GW-STA-006: completed or revoked only when the fulfilment is. A rejected or failed Task leaves the request active,
/// because the GP may refer again elsewhere (the need has not gone away); a paused Task leaves it active too, because
/// the pause is usually the performer's, and to hold the request itself is the sender's own act.
#[must_use]
pub const fn service_request_status(task: TaskStatus) -> Option<&'static str> {
    match task {
        Completed => Some("completed"),
        Cancelled => Some("revoked"),
        EnteredInError => Some("entered-in-error"),
        Draft | Requested | Received | Accepted | Rejected | Ready | InProgress | OnHold | Failed => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_every_status_once_and_nothing_leaves_a_final_one() {
        let named: Vec<TaskStatus> = MOVES.iter().map(|(status, _)| *status).collect();
        for status in TaskStatus::ALL {
            assert_eq!(named.iter().filter(|other| **other == status).count(), 1, "{status}");
            assert_eq!(targets(status).is_empty(), status.is_final(), "{status}");
            assert!(!is_move(status, status));
            assert_eq!(is_move(status, EnteredInError), status != EnteredInError);
            assert!(!is_move(status, Draft));
        }
    }

    #[test]
    fn skips() {
        for (from, to, between) in [
            (Requested, InProgress, Some(vec![Accepted])),
            (Requested, Ready, Some(vec![Accepted])),
            (Requested, Completed, Some(vec![Accepted, InProgress])),
            (Received, Completed, Some(vec![Accepted, InProgress])),
            (Accepted, Completed, Some(vec![InProgress])),
            (Ready, Rejected, Some(vec![InProgress])),
            (Draft, Accepted, Some(vec![Requested])),
            (InProgress, Accepted, Some(vec![OnHold])),
            (Accepted, Requested, Some(vec![OnHold])),
            (Requested, Accepted, None),
            (Requested, Requested, None),
            (Requested, EnteredInError, None),
            (Accepted, Draft, None),
            (Completed, InProgress, None),
            (Rejected, Accepted, None),
            (Cancelled, Completed, None),
        ] {
            assert_eq!(skipped(from, to), between, "{from} {to}");
        }
    }

    #[test]
    fn a_skip_is_a_chain_of_moves() {
        for from in TaskStatus::ALL {
            for to in TaskStatus::ALL {
                let Some(between) = skipped(from, to) else { continue };
                assert!(!between.is_empty() && between.iter().all(|status| !status.is_final()), "{from} {to}");
                let chain: Vec<TaskStatus> = [from].into_iter().chain(between).chain([to]).collect();
                assert!(chain.windows(2).all(|pair| is_move(pair[0], pair[1])), "{chain:?}");
            }
        }
    }

    #[test]
    fn the_sender_sends_withdraws_pauses_and_takes_back() {
        for (from, to, allowed) in [
            (Draft, Requested, true),
            (Draft, Cancelled, true),
            (Requested, Cancelled, true),
            (InProgress, Cancelled, true),
            (InProgress, OnHold, true),
            (OnHold, Requested, true),
            (OnHold, Cancelled, true),
            (Completed, EnteredInError, true),
            (Accepted, Accepted, true),
            (Requested, Accepted, false),
            (Requested, Completed, false),
            (OnHold, InProgress, false),
            (Completed, Cancelled, false),
            (Cancelled, Requested, false),
            (Draft, OnHold, false),
            (EnteredInError, Cancelled, false),
        ] {
            assert_eq!(sender_may(from, to).is_ok(), allowed, "{from} {to}");
        }
        assert_eq!(
            sender_may(Requested, Completed).unwrap_err().to_string(),
            "the sender may not move a Task from requested to completed; from requested the sender may move it to: \
             cancelled, on-hold, entered-in-error"
        );
        assert!(sender_may(EnteredInError, Draft).unwrap_err().to_string().ends_with("to: nothing"));
    }

    #[test]
    fn the_performer_performs() {
        for (from, to, allowed) in [
            (Requested, Accepted, true),
            (Requested, Received, true),
            (Requested, Rejected, true),
            (Accepted, InProgress, true),
            (InProgress, Completed, true),
            (OnHold, InProgress, true),
            (InProgress, InProgress, true),
            (Requested, InProgress, true),
            (Requested, Completed, true),
            (Accepted, Cancelled, true),
            (OnHold, Requested, false),
            (Draft, Accepted, false),
            (Completed, InProgress, false),
            (Completed, EnteredInError, false),
        ] {
            assert_eq!(performer_may(from, to).is_ok(), allowed, "{from} {to}");
        }
    }

    #[test]
    fn the_request_is_over_only_when_its_fulfilment_is() {
        for status in TaskStatus::ALL {
            let follows = service_request_status(status);
            assert_eq!(follows == Some("completed"), status == Completed);
            assert_eq!(follows == Some("revoked"), status == Cancelled);
            assert_eq!(follows.is_some(), matches!(status, Completed | Cancelled | EnteredInError));
        }
    }
}
