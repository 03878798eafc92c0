//! Waiting: why a referral waits, and when it goes. A function of what stands, for whoever asks "where is mine?".
//!
//! What it says of the future is a bound that holds if the platform answers and nobody puts anything more urgent before it; where
//! it depends on a person or on the platform, it says on whom.

use crate::breaker::Passage;
use crate::classify::failure_word;
use crate::fair::URGENT_RUN;
use crate::lane::LaneState;
use crate::outbox::{Errand, OutboxRow, OutboxState};
use crate::quota::Settings;
use crate::referral::{Delivery, Referral};
use adapter_contract::{FailureCode, Pace, TaskStatus};
use gateway_fhir::instant::to_instant;
use time::{Duration, OffsetDateTime};

/// What stands at its platform before an errand, counted up to a bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ahead {
    /// Errands of its own tenant that have waited longer, of its own class.
    pub own: u64,
    /// Tenants of whom anything is due, its own among them.
    pub tenants: u64,
    /// Urgent errands of all tenants that are due.
    pub urgent: u64,
}

/// What is known of a referral and its platform.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The referral.
    pub referral: &'a Referral,
    /// Its errands, by sequence.
    pub outbox: &'a [OutboxRow],
    /// What stands before the errand that [`front`] names.
    pub ahead: Ahead,
    /// What is remembered of its platform; absent = nothing.
    pub lane: Option<&'a LaneState>,
    /// How fast its platform is asked.
    pub pace: Pace,
    /// Whether its organisation is asked by mail and answers behind status links.
    pub by_link: bool,
    /// Now.
    pub now: OffsetDateTime,
}

/// For what a referral waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// For nothing that the gateway could do: it has ended.
    Ended,
    /// Its sender, or a person there, has to decide.
    Sender(String),
    /// An operator has to look: it could not be delivered.
    Operator(String),
    /// The platform has it, and has not said yet whether anybody takes it on.
    Platform {
        /// When a person is told if it still has not.
        until: Option<OffsetDateTime>,
        /// When its organisation is reminded by mail before that.
        reminder: Option<OffsetDateTime>,
        /// True if the referral then goes back to its sender.
        goes_back: bool,
    },
    /// The platform has it and works on it.
    Worked {
        /// When a person is asked to look if nothing more was heard by then.
        until: Option<OffsetDateTime>,
    },
    /// An attempt is under way.
    UnderWay {
        /// Which errand.
        errand: Errand,
    },
    /// For the time of its next attempt.
    Time {
        /// Which errand.
        errand: Errand,
        /// When.
        at: OffsetDateTime,
        /// Attempts that were made.
        attempts: u32,
        /// Why the last one failed.
        failure: Option<FailureCode>,
        /// When it is given up.
        expires: OffsetDateTime,
    },
    /// The platform is left alone: it asked for it, or does not answer.
    LeftAlone {
        /// Which errand.
        errand: Errand,
        /// Until when.
        until: OffsetDateTime,
        /// True if it asked for it.
        asked: bool,
    },
    /// For the next day of its platform: the requests of this one are spent.
    Quota {
        /// Which errand.
        errand: Errand,
        /// When that day begins.
        until: OffsetDateTime,
        /// Requests in a day.
        per_day: u32,
    },
    /// For its turn.
    Turn {
        /// Which errand.
        errand: Errand,
        /// At most so many errands go before it.
        before: u64,
        /// True if it goes among the urgent.
        urgent: bool,
        /// When they have gone at the latest, at the pace of the platform with one request each; absent where its pace is
        /// not bounded.
        by: Option<OffsetDateTime>,
    },
}

impl Waiting {
    /// One word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Sender(_) => "sender",
            Self::Operator(_) => "operator",
            Self::Platform { .. } => "platform",
            Self::Worked { .. } => "worked-on",
            Self::UnderWay { .. } => "under-way",
            Self::Time { .. } => "next-attempt",
            Self::LeftAlone { .. } => "left-alone",
            Self::Quota { .. } => "quota",
            Self::Turn { .. } => "turn",
        }
    }

    /// When something happens next by itself, at the latest; `None` where that is nobody's to say.
    #[must_use]
    pub const fn next(&self) -> Option<OffsetDateTime> {
        match self {
            Self::Platform { reminder: Some(at), .. } => Some(*at),
            Self::Platform { until, .. } | Self::Worked { until } => *until,
            Self::Time { at, .. } => Some(*at),
            Self::LeftAlone { until, .. } | Self::Quota { until, .. } => Some(*until),
            Self::Turn { by, .. } => *by,
            Self::Ended | Self::Sender(_) | Self::Operator(_) | Self::UnderWay { .. } => None,
        }
    }

    /// What a person reads: for what it waits, and what comes next.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Ended => "It has ended; nothing waits.".to_owned(),
            Self::Sender(words) => format!("It waits for its sender. {words}"),
            Self::Operator(words) => format!("It waits for a person. {words}"),
            Self::Platform { until, reminder, goes_back } => platform_words(*until, *reminder, *goes_back),
            Self::Worked { until: None } => "Its platform works on it.".to_owned(),
            Self::Worked { until: Some(at) } => format!(
                "Its platform works on it. If nothing more is heard, a person is asked to look at {}.",
                to_instant(*at)
            ),
            Self::UnderWay { errand } => format!("An attempt is under way at its platform ({}).", errand.word()),
            Self::Time { errand, at, attempts: 0, .. } => {
                format!("It is to be done at {} ({}).", to_instant(*at), errand.word())
            }
            Self::Time { errand, at, attempts, failure, expires } => {
                let why = failure.as_ref().map(|code| format!(", the last ended with {}", failure_word(code)));
                format!(
                    "It is tried again at {} ({}, attempts made: {attempts}{}). It is given up at {}, and a person is told.",
                    to_instant(*at),
                    errand.word(),
                    why.unwrap_or_default(),
                    to_instant(*expires)
                )
            }
            Self::LeftAlone { errand, until, asked } => format!(
                "Its platform {} and is left alone until {} ({} waits for that).",
                if *asked { "asked for time" } else { "does not answer" },
                to_instant(*until),
                errand.word()
            ),
            Self::Quota { errand, until, per_day } => format!(
                "Its platform takes {per_day} requests in a day, and those of this day that it may use are spent. Its turn comes \
                 from {} on, after what is urgent ({}).",
                to_instant(*until),
                errand.word()
            ),
            Self::Turn { errand, before, urgent, by } => {
                let class = if *urgent { ", among the urgent" } else { "" };
                let when = by.map_or_else(
                    || {
                        "The pace of its platform is not bounded: it goes as soon as the platform has answered those."
                            .to_owned()
                    },
                    |by| format!("With one request each it goes by {}, if the platform answers.", to_instant(by)),
                );
                format!("It waits for its turn ({}{class}); at most {before} go before it. {when}", errand.word())
            }
        }
    }
}

fn platform_words(until: Option<OffsetDateTime>, reminder: Option<OffsetDateTime>, goes_back: bool) -> String {
    let mut words = "Its platform has it and has not said yet whether anybody takes it on.".to_owned();
    if let Some(at) = reminder {
        words += &format!(" Its organisation is reminded by mail at {}.", to_instant(at));
    }
    if let Some(until) = until {
        let what = if goes_back { "it goes back to its sender" } else { "a person is told" };
        words += &format!(" If it still has not, {what} at {}.", to_instant(until));
    }
    words
}

/// The errand that a referral waits for: the first in its order that is not done; else what is in no order.
#[must_use]
pub fn front(outbox: &[OutboxRow]) -> Option<&OutboxRow> {
    let open = |row: &&OutboxRow| row.state.blocks() && row.errand != Errand::Chase;
    let ordered = outbox.iter().filter(open).filter(|row| row.sequence > 0).min_by_key(|row| row.sequence);
    ordered.or_else(|| outbox.iter().find(open))
}

/// For what it waits.
#[must_use]
pub fn why(asked: &Asked<'_>) -> Waiting {
    let referral = asked.referral;
    if referral.erased.is_some() {
        return Waiting::Ended;
    }
    match &referral.delivery {
        Delivery::Held { reason } => return Waiting::Sender(reason.words()),
        Delivery::DeadLetter { reason } => return Waiting::Operator(reason.clone()),
        Delivery::Queued | Delivery::Delivered { .. } | Delivery::Withdrawn => {}
    }
    if let Some(row) = front(asked.outbox) {
        return of_row(asked, row);
    }
    if let Some(words) = &referral.attention {
        return Waiting::Operator(words.clone());
    }
    let timer = referral.next_timer().map(|timer| timer.due);
    match referral.delivery {
        Delivery::Delivered { .. } if referral.awaits_answer().is_some() => Waiting::Platform {
            until: referral.awaits_answer(),
            reminder: referral.reminders.iter().copied().min().filter(|at| Some(*at) < referral.awaits_answer()),
            goes_back: asked.by_link,
        },
        Delivery::Delivered { .. } if !referral.task_status.is_final() => match referral.task_status {
            TaskStatus::Requested | TaskStatus::Received => {
                Waiting::Platform { until: timer, reminder: None, goes_back: false }
            }
            _ => Waiting::Worked { until: timer },
        },
        _ => Waiting::Ended,
    }
}

fn of_row(asked: &Asked<'_>, row: &OutboxRow) -> Waiting {
    let errand = row.errand.clone();
    match row.state {
        OutboxState::Leased => return Waiting::UnderWay { errand },
        OutboxState::Held => return Waiting::Sender("It is kept back until its sender decides.".to_owned()),
        OutboxState::Dead => {
            let words = row.last_failure.as_ref().map(|failure| failure.diagnostic.clone());
            return Waiting::Operator(words.unwrap_or_else(|| "It cannot go on by itself.".to_owned()));
        }
        OutboxState::Ready | OutboxState::Done | OutboxState::Dropped => {}
    }
    let urgent = row.urgent.is_some_and(|urgent| urgent <= asked.now);
    let quota = Settings::of(asked.pace);
    let reserved = asked.lane.and_then(|lane| lane.quota.as_ref());
    if let Some((quota, reserved)) = quota.zip(reserved)
        && let Some(until) = reserved.spent(&quota, urgent, asked.now)
        && row.not_before <= until
    {
        return Waiting::Quota { errand, until, per_day: quota.per_day.get() };
    }
    if row.not_before > asked.now {
        let failure = row.last_failure.as_ref().map(|failure| failure.code);
        let (attempts, at, expires) = (row.attempts, row.not_before, row.expires_at);
        return Waiting::Time { errand, at, attempts, failure, expires };
    }
    if let Some(lane) = asked.lane {
        let open = |until: OffsetDateTime| (until > asked.now).then_some(until);
        if let Some(until) = lane.pause.and_then(open) {
            return Waiting::LeftAlone { errand, until, asked: true };
        }
        if let Passage::Closed(until) = lane.breaker.passage(asked.now) {
            return Waiting::LeftAlone { errand, until, asked: false };
        }
    }
    let before = before(asked.ahead, urgent);
    let by = asked.pace.requests_per_minute.map(|per_minute| {
        let seconds = (before + 1).saturating_mul(60).div_ceil(u64::from(per_minute.get()));
        asked.now.saturating_add(Duration::seconds(i64::try_from(seconds).unwrap_or(i64::MAX)))
    });
    Waiting::Turn { errand, before, urgent, by }
}

/// How many go before it at most, by the rules of [`fair`](crate::fair).
fn before(ahead: Ahead, urgent: bool) -> u64 {
    let others = ahead.tenants.max(1) - 1;
    // Each of its own that goes before it lets every other tenant go once, and so does its own turn.
    let turns = ahead.own.saturating_add(others.saturating_mul(ahead.own.saturating_add(1)));
    let run = u64::from(URGENT_RUN);
    if urgent {
        // No more urgent ones can go before it than there are; after each run of them an ordinary turn comes between, and the
        // run may just have ended.
        let turns = turns.min(ahead.urgent.saturating_sub(1).max(ahead.own));
        turns.saturating_add(turns / run + 1)
    } else {
        // Before each ordinary turn a run of urgent ones, as long as there are any.
        turns.saturating_add(ahead.urgent.min(run.saturating_mul(turns.saturating_add(1))))
    }
}

#[cfg(test)]
mod tests {
    use super::{Ahead, before};
    use crate::fair::{Class, Turn, Waiting as Queue};
    use crate::identity::TenantId;
    use proptest::prelude::*;

    #[test]
    fn a_turn_comes_after_as_many_as_fairness_lets_go_first() {
        let ahead = |own, tenants, urgent| Ahead { own, tenants, urgent };
        assert_eq!(before(ahead(0, 1, 0), false), 0, "it is next");
        assert_eq!(before(ahead(5, 1, 0), false), 5, "nobody else has anything");
        assert_eq!(before(ahead(0, 4, 0), false), 3, "each of the others once");
        assert_eq!(before(ahead(2, 4, 0), false), 2 + 9);
        assert_eq!(before(ahead(0, 1, 2), false), 2, "the urgent ones");
        assert_eq!(before(ahead(0, 1, 1_000), false), 3, "no more than a run of them");
        assert_eq!(before(ahead(2, 1, 1_000), false), 2 + 9);
        assert_eq!(before(ahead(0, 4, 1), true), 1, "it is the only urgent one; a run may just have ended");
        assert_eq!(before(ahead(3, 1, 4), true), 3 + 2);
        assert_eq!(before(ahead(0, 3, 9), true), 2 + 1);
    }

    proptest! {
        /// Whatever waits and whoever went last: it goes no later than is said.
        #[test]
        fn no_errand_goes_later_than_is_said(
            many in prop::collection::vec((0_u8..4, any::<bool>()), 1..60),
            went in prop::collection::vec((0_u8..4, any::<bool>()), 0..6),
            which in any::<prop::sample::Index>(),
        ) {
            let name = |of: u8| TenantId(format!("t{of}"));
            let class = |urgent| if urgent { Class::Urgent } else { Class::Any };
            let (mut waiting, mut turn) = (Queue::default(), Turn::default());
            for (of, urgent) in went {
                turn.went(&name(of), class(urgent));
            }
            for (number, (of, urgent)) in many.iter().enumerate() {
                if *urgent {
                    waiting.add(Class::Urgent, name(*of), number);
                }
                waiting.add(Class::Any, name(*of), number);
            }
            let mine = which.index(many.len());
            let (of, urgent) = many[mine];
            let count = |is: &dyn Fn(usize, u8, bool) -> bool| {
                many.iter().enumerate().filter(|(number, (of, urgent))| is(*number, *of, *urgent)).count() as u64
            };
            let ahead = Ahead {
                own: count(&|number, other, hurries| number < mine && other == of && (hurries || !urgent)),
                tenants: (0..4).filter(|of| many.iter().any(|(other, _)| other == of)).count() as u64,
                urgent: count(&|_, _, hurries| hurries),
            };
            let next = waiting.next(turn, many.len());
            let place = next.iter().position(|(number, _)| *number == mine).unwrap() as u64;
            prop_assert!(place <= before(ahead, urgent), "{place} is behind {}", before(ahead, urgent));
        }
    }
}
