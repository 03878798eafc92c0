//! Split: a referral in parts. A Task with the intent `plan` asks nobody for anything: it stands for several Tasks that are part of it
//! (`Task.partOf`), each of which goes its own way to a service, and it shows the most appropriate status of all of them (HL7 SDOH
//! Clinical Care, "Task Status": a parent Task with children at several targets).
//!
//! The status is a function of the set of the parts' statuses: in whatever order they come, and however often, it is the same.

use crate::task::{TaskMove, moved};
use adapter_contract::TaskStatus;
use gateway_fhir::Json;
use time::OffsetDateTime;

/// `Task.intent` of a Task that is made of others.
pub const PLAN: &str = "plan";

/// Whether a Task is made of others.
#[must_use]
pub fn is_plan(task: &Json) -> bool {
    task.text("intent") == Some(PLAN)
}

/// How far a part is that is neither over nor paused; the farthest speaks for all.
const PROGRESS: [TaskStatus; 6] = [
    TaskStatus::Draft,
    TaskStatus::Requested,
    TaskStatus::Received,
    TaskStatus::Accepted,
    TaskStatus::Ready,
    TaskStatus::InProgress,
];

/// What ends speaks in this order, once everything has ended.
const ENDS: [TaskStatus; 5] = [
    TaskStatus::Completed,
    TaskStatus::Failed,
    TaskStatus::Rejected,
    TaskStatus::Cancelled,
    TaskStatus::EnteredInError,
];

/// The status of the whole; `None` without parts.
///
/// | Parts | Whole |
/// |---|---|
/// | all over, one completed | completed |
/// | all over, none completed | failed, rejected, cancelled, entered in error: the first of these that one of them is |
/// | some not over, and all of those paused | on-hold: somebody has to look |
/// | some not over, and one of all has begun or is completed | in-progress |
/// | else | the farthest of those that are not over |
#[must_use]
pub fn status(parts: &[TaskStatus]) -> Option<TaskStatus> {
    let open = || parts.iter().filter(|status| !status.is_final());
    if open().next().is_none() {
        return ENDS.into_iter().find(|end| parts.contains(end));
    }
    if open().all(|status| *status == TaskStatus::OnHold) {
        return Some(TaskStatus::OnHold);
    }
    if parts.contains(&TaskStatus::Completed) {
        return Some(TaskStatus::InProgress);
    }
    PROGRESS.into_iter().rev().find(|progress| parts.contains(progress))
}

/// The whole as it follows from its parts; `None` if it shows that already, or is over: what has ended is not begun again by a part
/// that comes late.
#[must_use]
pub fn follows(plan: &Json, parts: &[TaskStatus], now: OffsetDateTime) -> Option<Json> {
    let stands = crate::task::status(plan)?;
    let next = status(parts).filter(|next| !stands.is_final() && *next != stands)?;
    let over = parts.iter().filter(|status| status.is_final()).count();
    let reason = format!("Follows from its {} parts, of which {over} have ended.", parts.len());
    let step = TaskMove { status: Some(next), reason: Some(reason), ..TaskMove::default() };
    Some(moved(plan, &step, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use TaskStatus::{
        Accepted, Cancelled, Completed, Draft, Failed, InProgress, OnHold, Ready, Received, Rejected, Requested,
    };
    use proptest::prelude::*;
    use time::macros::datetime;

    #[test]
    fn the_whole_is_what_is_most_appropriate() {
        for (parts, whole) in [
            (&[][..], None),
            (&[Requested, Requested], Some(Requested)),
            (&[Requested, Received], Some(Received)),
            (&[Rejected, Rejected], Some(Rejected)),
            (&[Rejected, Cancelled], Some(Rejected)),
            (&[Rejected, Requested], Some(Requested)),
            (&[Rejected, Completed], Some(Completed)),
            (&[Failed, Completed], Some(Completed)),
            (&[Failed, Rejected], Some(Failed)),
            (&[Cancelled, Cancelled], Some(Cancelled)),
            (&[Completed, Requested], Some(InProgress)),
            (&[InProgress, Requested], Some(InProgress)),
            (&[Accepted, OnHold], Some(Accepted)),
            (&[OnHold, OnHold], Some(OnHold)),
            (&[Completed, OnHold], Some(OnHold)),
            (&[Rejected, OnHold], Some(OnHold)),
            (&[Draft, Draft], Some(Draft)),
            (&[Ready, Draft], Some(Ready)),
        ] {
            assert_eq!(status(parts), whole, "{parts:?}");
        }
    }

    fn a_status() -> impl Strategy<Value = TaskStatus> {
        proptest::sample::select(TaskStatus::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn neither_order_nor_repetition_matters(
            parts in proptest::collection::vec(a_status(), 1..7), seed in any::<usize>(), again in any::<usize>()
        ) {
            let whole = status(&parts);
            let mut other = parts.clone();
            other.rotate_left(seed % parts.len());
            other.reverse();
            other.push(parts[again % parts.len()]);
            prop_assert_eq!(status(&other), whole);
        }

        #[test]
        fn of_one_kind_it_is_that_kind(part in a_status(), times in 1_usize..5) {
            prop_assert_eq!(status(&vec![part; times]), Some(part));
        }

        #[test]
        fn it_is_over_exactly_when_all_are(parts in proptest::collection::vec(a_status(), 1..7)) {
            let over = status(&parts).is_some_and(TaskStatus::is_final);
            prop_assert_eq!(over, parts.iter().all(|part| part.is_final()));
        }

        #[test]
        fn a_part_that_goes_on_never_takes_the_whole_back(
            parts in proptest::collection::vec(0_usize..6, 1..7), place in any::<usize>()
        ) {
            let all = |places: &[usize]| places.iter().map(|place| PROGRESS[*place]).collect::<Vec<_>>();
            let rank = |status: Option<TaskStatus>| PROGRESS.iter().position(|one| Some(*one) == status);
            let before = rank(status(&all(&parts)));
            let mut next = parts.clone();
            let place = place % parts.len();
            next[place] = (next[place] + 1).min(5);
            prop_assert!(rank(status(&all(&next))) >= before);
        }
    }

    #[test]
    fn what_is_over_stays_over_and_what_is_shown_is_not_written_again() {
        let now = datetime!(2026-06-15 12:00 UTC);
        let plan = |status: TaskStatus| -> Json {
            serde_json::json!({"resourceType": "Task", "intent": "plan", "status": status.code()}).into()
        };
        assert_eq!(follows(&plan(Completed), &[Completed, Requested], now), None);
        assert_eq!(follows(&plan(Requested), &[Requested], now), None);
        let next = follows(&plan(Requested), &[Completed, Requested], now).unwrap();
        assert_eq!(next.text("status"), Some("in-progress"));
    }
}
