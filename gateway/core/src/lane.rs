//! Lanes: of several instances over one database, one at a time asks a platform. Whoever holds the lane delivers to the
//! platform and polls it, so that its pace is kept once and not once by each instance.
//!
//! A lane is held for a term and has a fence that grows with each new holder. What has to survive the holder travels with it:
//! until when the platform asked to be left alone, and what its circuit breaker has seen. A function of what stands and what is
//! asked; the store gives it the time of one clock, its own where instances share it.

use crate::breaker::Breaker;
use crate::identity::PlatformId;
use crate::outbox::OutboxRow;
use crate::quota::Reserved;
use crate::referral::ReferralId;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use time::OffsetDateTime;

/// One run of one process: random at its start, so that a process that was started anew is another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceId(pub String);

/// What the next holder has to know. Times are those of the clock of the holder that wrote it: where the clocks of two
/// instances differ, a pause ends by as much sooner or later.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LaneState {
    /// The platform asked to be left alone until then.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub pause: Option<OffsetDateTime>,
    /// What is remembered of its answers.
    pub breaker: Breaker,
    /// What of its quota for a day may have been used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<Reserved>,
    /// When the last poll of the platform began: the next process asks no sooner than this one would.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub polled: Option<OffsetDateTime>,
    /// How far the nightly comparison is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub night: Option<Box<Night>>,
}

/// The nightly comparison of a platform with what is known here ([`crate::reconcile`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Night {
    /// When it fell due.
    #[serde(with = "time::serde::rfc3339")]
    pub due: OffsetDateTime,
    /// The list that it is in, and behind which referral it goes on; absent once it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<(usize, Option<ReferralId>)>,
}

/// A lane as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// To which platform.
    pub platform: PlatformId,
    /// Who holds it; absent while it is free.
    pub holder: Option<InstanceId>,
    /// Grows with each new holder; only under the newest is anything claimed.
    pub fence: u64,
    /// When it becomes free by itself; absent = not before it is released or taken by force.
    pub until: Option<OffsetDateTime>,
    /// What the next holder has to know.
    pub state: LaneState,
}

/// For how long a lane is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    /// This process has the store to itself, so whoever held the lane before is gone: it is taken from anybody, and without end.
    Alone,
    /// Others may want it: it is taken if it is free or has run out, for so long.
    For(Duration),
}

/// Asks for a lane, or to keep it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakeLane {
    /// To which platform.
    pub platform: PlatformId,
    /// Who asks.
    pub holder: InstanceId,
    /// For how long.
    pub term: Term,
    /// The time at the asking instance. A store that instances share goes by its own clock instead.
    pub now: OffsetDateTime,
    /// The fence that the instance holds, and what is to be kept: it is, if that fence is still the newest and its own.
    pub keep: Option<(u64, LaneState)>,
}

/// Gives a lane back, so that another can have it at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaveLane {
    /// To which platform.
    pub platform: PlatformId,
    /// Who gives it back.
    pub holder: InstanceId,
    /// Under which fence it was held. Nothing happens if it is not the newest.
    pub fence: u64,
    /// What the next holder has to know.
    pub state: LaneState,
}

/// The answer to [`TakeLane`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is the asking instance's, from now for the term.
    Ours {
        /// The fence to claim under.
        fence: u64,
        /// What stands: for a new holder, what the former one left.
        state: LaneState,
    },
    /// Another instance holds it.
    Held {
        /// For how long still, if it is not renewed; absent = without end.
        remaining: Option<Duration>,
    },
}

/// What is to be written for [`TakeLane`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taking {
    /// The lane as it is to stand.
    Put {
        /// The lane.
        lane: Lane,
        /// True if somebody held it before: what is leased under it is then [taken over](taken_over).
        from_another: bool,
    },
    /// Nothing is to be written.
    Held {
        /// As in [`Taken::Held`].
        remaining: Option<Duration>,
    },
}

impl Lane {
    /// A lane that nobody has held yet.
    #[must_use]
    pub fn free(platform: PlatformId) -> Self {
        Self { platform, holder: None, fence: 0, until: None, state: LaneState::default() }
    }

    /// What comes of asking for it at this time.
    #[must_use]
    pub fn take(mut self, request: &TakeLane, now: OffsetDateTime) -> Taking {
        let ours = self.holder.as_ref() == Some(&request.holder);
        let another = self.holder.is_some() && !ours;
        if another && let Term::For(_) = request.term {
            match self.until {
                None => return Taking::Held { remaining: None },
                Some(until) if until > now => {
                    return Taking::Held { remaining: Some(Duration::try_from(until - now).unwrap_or_default()) };
                }
                Some(_) => {}
            }
        }
        let from_another = !ours && self.fence > 0;
        if !ours {
            self.fence += 1;
            self.holder = Some(request.holder.clone());
        } else if let Some((_, state)) = request.keep.as_ref().filter(|(fence, _)| *fence == self.fence) {
            // What is reserved is never taken back by a request of the same holder that was late.
            let quota = Reserved::later(self.state.quota.take(), state.quota.clone());
            self.state = LaneState { quota, ..state.clone() };
        }
        self.until = match request.term {
            Term::Alone => None,
            Term::For(span) => Some(now + span),
        };
        Taking::Put { lane: self, from_another }
    }

    /// The lane after it was given back; `None` if whoever gives it back does not hold it.
    #[must_use]
    pub fn leave(mut self, request: &LeaveLane) -> Option<Self> {
        if self.holder.as_ref() != Some(&request.holder) || self.fence != request.fence {
            return None;
        }
        (self.holder, self.until) = (None, None);
        self.state = request.state.clone();
        Some(self)
    }
}

/// A leased row of a lane that has another holder now: whoever held the row writes nothing to it any more, and it can be
/// claimed at once. Its attempt ended nobody knows how, as one whose lease ran out.
///
/// With it the time at which it is due: past, and the less often it was tried the longer ago. So where holders die again and again,
/// the next takes up another row than the last, and no row alone is counted as one that ends processes.
#[must_use]
pub fn taken_over(mut row: OutboxRow) -> (OutboxRow, OffsetDateTime) {
    row.fence += 1;
    let due = OffsetDateTime::UNIX_EPOCH + Duration::from_micros(u64::from(row.attempts));
    (row, due)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-06-15 12:00 UTC);
    const TEN: Term = Term::For(Duration::from_secs(10));

    fn ask(holder: &str, term: Term) -> TakeLane {
        let platform = PlatformId("food".to_owned());
        TakeLane { platform, holder: InstanceId(holder.to_owned()), term, now: NOW, keep: None }
    }

    fn after(seconds: i64) -> OffsetDateTime {
        NOW + time::Duration::seconds(seconds)
    }

    fn put(taking: Taking) -> (Lane, bool) {
        match taking {
            Taking::Put { lane, from_another } => (lane, from_another),
            Taking::Held { remaining } => panic!("it is held for {remaining:?}"),
        }
    }

    fn paused(seconds: i64) -> LaneState {
        LaneState { pause: Some(after(seconds)), ..LaneState::default() }
    }

    #[test]
    fn one_holds_it_until_its_term_is_over() {
        let free = Lane::free(PlatformId("food".to_owned()));
        let (lane, from_another) = put(free.take(&ask("a", TEN), NOW));
        assert_eq!((lane.fence, lane.until, from_another), (1, Some(after(10)), false), "nobody held it before");
        let remaining = Some(Duration::from_secs(1));
        assert_eq!(lane.clone().take(&ask("b", TEN), after(9)), Taking::Held { remaining });
        let (renewed, from_another) = put(lane.clone().take(&ask("a", TEN), after(9)));
        assert_eq!((renewed.fence, renewed.until, from_another), (1, Some(after(19)), false));
        let (taken, from_another) = put(lane.clone().take(&ask("b", TEN), after(10)));
        assert_eq!((taken.fence, from_another), (2, true));
        let (late, _) = put(lane.take(&ask("a", TEN), after(99)));
        assert_eq!(late.fence, 1, "nobody had it meanwhile");
    }

    #[test]
    fn what_is_to_be_kept_is_kept_for_the_holder_alone() {
        let (lane, _) = put(Lane::free(PlatformId("food".to_owned())).take(&ask("a", TEN), NOW));
        let keeping = TakeLane { keep: Some((1, paused(60))), ..ask("a", TEN) };
        let (lane, _) = put(lane.take(&keeping, after(5)));
        assert_eq!(lane.state, paused(60));
        let (lane, _) = put(lane.take(&ask("b", TEN), after(20)));
        assert_eq!(lane.state, paused(60), "the next holder is told");
        let back = TakeLane { keep: Some((1, LaneState::default())), ..ask("a", TEN) };
        let (lane, _) = put(lane.take(&back, after(40)));
        assert_eq!((lane.fence, lane.state), (3, paused(60)), "an older fence keeps nothing");
    }

    #[test]
    fn what_is_given_back_is_free_at_once() {
        let (lane, _) = put(Lane::free(PlatformId("food".to_owned())).take(&ask("a", TEN), NOW));
        let leave = |holder: &str, fence| LeaveLane {
            platform: PlatformId("food".to_owned()),
            holder: InstanceId(holder.to_owned()),
            fence,
            state: paused(60),
        };
        assert_eq!(lane.clone().leave(&leave("b", 1)), None);
        assert_eq!(lane.clone().leave(&leave("a", 0)), None);
        let free = lane.leave(&leave("a", 1)).expect("it is the holder's");
        assert_eq!((&free.holder, free.fence, free.until), (&None, 1, None));
        let (lane, from_another) = put(free.take(&ask("a", TEN), NOW));
        assert_eq!((lane.fence, lane.state, from_another), (2, paused(60), true));
    }

    #[test]
    fn whoever_is_alone_takes_it_from_anybody_without_end() {
        let (lane, _) = put(Lane::free(PlatformId("food".to_owned())).take(&ask("a", Term::Alone), NOW));
        assert_eq!(lane.until, None);
        assert_eq!(lane.clone().take(&ask("b", TEN), after(1_000_000)), Taking::Held { remaining: None });
        let (lane, from_another) = put(lane.take(&ask("b", Term::Alone), NOW));
        assert_eq!((lane.fence, from_another), (2, true));
    }
}
