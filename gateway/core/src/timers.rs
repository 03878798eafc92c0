//! Timers: until when a referral is waited for at each stage of its way, in London business days, and what a person is asked when
//! nothing came.
//!
//! A timer belongs to a state: it starts when the referral comes into it, and counts for nothing once it has left it
//! ([`follow`], for every change of a referral that is committed). What is over becomes a [follow-up](crate::follow_up); nothing is
//! cancelled or closed by it. Once the state has gone, so has the cause, and the follow-up is settled ([`look`]). The stores find
//! both by [`Referral::next_look`]: there is no second clock beside the one that finds what is unanswered.

use crate::business_days::BusinessDays;
use crate::change::{Change, Transaction};
use crate::follow_up::{Cause, Opening, Priority, open, settled};
use crate::identity::{PlatformId, TenantId};
use crate::referral::{Delivery, Referral, SenderState};
use crate::unanswered::has_gone_back;
use crate::urgency;
use adapter_contract::TaskStatus;
use gateway_fhir::{Json, instant};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// The causes that time brings, in the order of a referral's way.
pub const TIMED: [Cause; 4] = [Cause::NotAcknowledged, Cause::NotAccepted, Cause::NoFirstContact, Cause::NoOutcome];

/// One timer of a referral.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// What a person is asked about when it is over.
    pub cause: Cause,
    /// When that is.
    #[serde(with = "time::serde::rfc3339")]
    pub due: OffsetDateTime,
    /// That it is over and a person was asked; it stays until the referral leaves the state, so that nobody is asked twice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over: bool,
}

/// How long something is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// So many hours by the clock.
    Hours(u32),
    /// Until the end of the business day that is so many after the day on which it began.
    BusinessDays(u32),
    /// Nobody is asked.
    Never,
}

/// How long something is waited for, and for whose referrals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerRow {
    /// What.
    pub cause: Cause,
    /// Referrals of this tenant; absent = of every one.
    pub tenant: Option<TenantId>,
    /// Referrals to this platform; absent = to every one.
    pub platform: Option<PlatformId>,
    /// Urgent ones, or those that are not; absent = both.
    pub urgent: Option<bool>,
    /// How long.
    pub within: Within,
}

/// What the configuration says of timers. The default has no rows: every referral is waited for as [`usual`] says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimerRules {
    /// The table. Of those that fit, one that names a tenant goes before one that does not, then a platform, then urgency.
    pub rows: Vec<TimerRow>,
    /// Which days count.
    pub days: BusinessDays,
}

/// How long something is waited for where no row says otherwise.
#[must_use]
pub const fn usual(cause: Cause, urgent: bool) -> Within {
    match (cause, urgent) {
        (Cause::NotAcknowledged, true) => Within::Hours(4),
        (Cause::NotAcknowledged, false) | (Cause::NotAccepted, true) => Within::BusinessDays(1),
        (Cause::NotAccepted, false) => Within::BusinessDays(5),
        (Cause::NoFirstContact, true) => Within::BusinessDays(2),
        (Cause::NoFirstContact, false) => Within::BusinessDays(10),
        (Cause::NoOutcome, true) => Within::BusinessDays(20),
        (Cause::NoOutcome, false) => Within::BusinessDays(60),
        _ => Within::Never,
    }
}

impl TimerRules {
    /// How long this referral is waited for.
    #[must_use]
    pub fn within(&self, cause: Cause, referral: &Referral, urgent: bool) -> Within {
        let fits = |row: &&TimerRow| {
            row.cause == cause
                && row.tenant.as_ref().is_none_or(|tenant| *tenant == referral.compartment.tenant)
                && row.platform.as_ref().is_none_or(|platform| referral.platform.as_ref() == Some(platform))
                && row.urgent.is_none_or(|is| is == urgent)
        };
        let narrowness = |row: &&TimerRow| (row.tenant.is_some(), row.platform.is_some(), row.urgent.is_some());
        self.rows.iter().filter(fits).max_by_key(narrowness).map_or_else(|| usual(cause, urgent), |row| row.within)
    }

    fn due(&self, cause: Cause, referral: &Referral, now: OffsetDateTime) -> Option<OffsetDateTime> {
        // Whose sender has said by when, is waited for until then.
        if let Some(agreed) = referral.agreed.filter(|_| cause == Cause::NoOutcome) {
            return Some(agreed.max(now));
        }
        match self.within(cause, referral, is_urgent(referral, now)) {
            Within::Hours(hours) => Some(now.saturating_add(Duration::hours(i64::from(hours)))),
            Within::BusinessDays(days) => Some(self.days.after(now, days)),
            Within::Never => None,
        }
    }
}

fn is_urgent(referral: &Referral, now: OffsetDateTime) -> bool {
    referral.urgent.is_some_and(|urgent| urgent <= now)
}

/// The day by which the sender wants an outcome: the end of `Task.restriction.period`, else of `ServiceRequest.occurrence[x]` (R4).
#[must_use]
pub fn agreed(task: &Json, service_request: &Json) -> Option<OffsetDateTime> {
    let occurrence = || {
        let end = service_request.get("occurrencePeriod").and_then(|period| period.text("end"));
        let end = end.or_else(|| service_request.text("occurrenceDateTime"))?;
        Some(instant::parse_inward(end)?.latest)
    };
    urgency::wanted_by(task).or_else(occurrence)
}

/// The sender has changed what says by when an outcome is wanted. The timer follows when the referral is written ([`follow`]).
pub fn agreed_anew(referral: &mut Referral, task: &Json, service_request: &Json) {
    let agreed = agreed(task, service_request);
    if agreed.is_none() && referral.agreed.is_some() {
        // What counts from now on is the usual time.
        referral.timers.retain(|timer| timer.cause != Cause::NoOutcome || timer.over);
    }
    referral.agreed = agreed;
}

/// Moves the timer of the outcome to the day that is agreed now. Where that is later than a day on which a person was asked already, a
/// person is asked once more.
fn follow_agreed(timer: &mut Timer, agreed: OffsetDateTime, now: OffsetDateTime) {
    if timer.due < agreed {
        (timer.due, timer.over) = (agreed, false);
    } else if !timer.over {
        // A day that was over when the timer began is asked about at once, and not ever later.
        timer.due = timer.due.min(agreed.max(now));
    }
}

/// Whether anybody waits for this referral at all: its sender has not stopped or paused it, and consent covers it.
fn is_wanted(referral: &Referral) -> bool {
    referral.sender == SenderState::Active && referral.recall.is_none() && referral.erased.is_none()
}

/// Whether a referral is in the state in which this is waited for.
#[must_use]
pub fn runs(cause: Cause, referral: &Referral) -> bool {
    let delivered = matches!(referral.delivery, Delivery::Delivered { .. });
    let status = referral.task_status;
    is_wanted(referral)
        && match cause {
            Cause::NotAcknowledged => referral.delivery == Delivery::Queued,
            Cause::NotAccepted => delivered && matches!(status, TaskStatus::Requested | TaskStatus::Received),
            Cause::NoFirstContact => delivered && matches!(status, TaskStatus::Accepted | TaskStatus::Ready),
            Cause::NoOutcome => delivered && !status.is_final(),
            _ => false,
        }
}

/// Whether what a person was asked about still stands. What could not be delivered, or went back because nobody answered, is as much
/// theirs to look after as before.
#[must_use]
pub fn stands(cause: Cause, referral: &Referral) -> bool {
    let not_there = matches!(referral.delivery, Delivery::DeadLetter { .. } | Delivery::Held { .. });
    match cause {
        Cause::NotAcknowledged if not_there => is_wanted(referral) && !referral.task_status.is_final(),
        Cause::NotAccepted if has_gone_back(referral) => is_wanted(referral) && !referral.task_status.is_final(),
        _ => runs(cause, referral),
    }
}

/// Starts and ends the timers of every referral that a transaction writes, by the state that it then has. `heard` says whether
/// anything is ever heard of a platform: of one that tells nothing nobody waits for an acceptance.
pub fn follow(
    transaction: &mut Transaction,
    rules: &TimerRules,
    heard: &dyn Fn(&PlatformId) -> bool,
    now: OffsetDateTime,
) {
    for change in &mut transaction.changes {
        if let Change::PutReferral(referral) = change {
            start(referral, rules, heard, now);
        }
    }
}

fn start(referral: &mut Referral, rules: &TimerRules, heard: &dyn Fn(&PlatformId) -> bool, now: OffsetDateTime) {
    for cause in TIMED {
        let place = referral.timers.iter().position(|timer| timer.cause == cause);
        match (runs(cause, referral), place) {
            (true, None) => {
                let silent = cause == Cause::NotAccepted && !referral.platform.as_ref().is_some_and(heard);
                let due = rules.due(cause, referral, now).filter(|_| !silent);
                referral.timers.extend(due.map(|due| Timer { cause, due, over: false }));
            }
            // What still stands is not asked about a second time when the referral comes back to it.
            (false, Some(place)) if !stands(cause, referral) => {
                referral.timers.remove(place);
            }
            (true, Some(place)) => {
                let timer = referral.timers.get_mut(place).filter(|_| cause == Cause::NoOutcome);
                if let (Some(timer), Some(agreed)) = (timer, referral.agreed) {
                    follow_agreed(timer, agreed, now);
                }
            }
            (false, _) => {}
        }
    }
}

impl Referral {
    /// Of its timers that run, the next to be over.
    #[must_use]
    pub fn next_timer(&self) -> Option<&Timer> {
        self.timers.iter().filter(|timer| !timer.over && runs(timer.cause, self)).min_by_key(|timer| timer.due)
    }

    /// Follow-ups that only time opened and whose cause has gone.
    pub fn settled_follow_ups(&self) -> impl Iterator<Item = &crate::follow_up::FollowUp> {
        self.open_follow_ups().filter(|one| TIMED.contains(&one.cause) && !stands(one.cause, self))
    }
}

/// A referral whose timers are looked at.
pub struct Looked<'a> {
    /// The referral as it stands.
    pub referral: &'a Referral,
    /// The sender's Task and ServiceRequest.
    pub documents: (&'a Json, &'a Json),
    /// Id, version and document of its follow-ups that are open.
    pub follow_ups: &'a [(String, u64, Json)],
    /// What the configuration says.
    pub rules: &'a TimerRules,
    /// Now.
    pub now: OffsetDateTime,
}

/// Opens what time has brought and settles what has gone, together with what else was decided on the referral (`with`). `None` if
/// there is nothing to write.
#[must_use]
pub fn look(from: &Looked<'_>, with: Option<Transaction>) -> Option<Transaction> {
    let something = with.is_some();
    let mut transaction = with.unwrap_or_default();
    let place = transaction.changes.iter().position(|change| matches!(change, Change::PutReferral(_)));
    let mut referral = match place.map(|place| transaction.changes.remove(place)) {
        Some(Change::PutReferral(referral)) => referral,
        _ => Box::new(Referral { revision: from.referral.revision + 1, ..from.referral.clone() }),
    };
    let mut changes = Vec::new();
    let mut over = false;
    // Whoever was to answer has not, by the time that the platform was given for it.
    let silent = from.referral.answer_due.is_some() && referral.answer_due.is_none() && something;
    for cause in TIMED {
        let due =
            |timer: &Timer| timer.cause == cause && !timer.over && timer.due <= from.now && runs(cause, from.referral);
        let timer = referral.timers.iter_mut().find(|timer| due(timer));
        let mut at = timer.map(|timer| {
            timer.over = true;
            timer.due
        });
        over |= at.is_some();
        if silent && cause == Cause::NotAccepted {
            at = at.or(from.referral.answer_due);
            for timer in referral.timers.iter_mut().filter(|timer| timer.cause == cause) {
                timer.over = true;
            }
        }
        let Some(at) = at else { continue };
        if referral.open_follow_ups().all(|one| one.cause != cause) {
            changes.extend(opened(from, &mut referral, cause, at));
        }
    }
    let gone: Vec<(String, Cause)> = referral.settled_follow_ups().map(|one| (one.task.clone(), one.cause)).collect();
    for (id, cause) in gone {
        let Some((id, version, document)) = from.follow_ups.iter().find(|one| one.0 == id) else { continue };
        let reason = reason(cause, &referral);
        changes.extend(settled(&mut referral, (id, *version, document), reason, from.now));
    }
    if !something && !over && changes.is_empty() {
        return None;
    }
    transaction.changes.extend(changes);
    transaction.changes.push(Change::PutReferral(referral));
    Some(transaction)
}

fn opened(from: &Looked<'_>, referral: &mut Referral, cause: Cause, at: OffsetDateTime) -> Vec<Change> {
    let urgent = is_urgent(referral, from.now);
    let occurrence = instant::to_instant(at);
    let platform = referral
        .platform
        .as_ref()
        .map(|platform| format!("It was waited for until {occurrence}; platform: {platform}."));
    let opening = Opening {
        detail: platform.as_deref(),
        priority: urgent.then_some(Priority::Urgent),
        due: Some(from.rules.days.after(from.now, u32::from(!urgent))),
        ..Opening::new(cause, &occurrence)
    };
    open(referral, from.documents, &opening, from.now)
}

/// Why a follow-up that time brought has nothing to ask any more.
fn reason(cause: Cause, referral: &Referral) -> &'static str {
    if !is_wanted(referral) {
        return "The referral was paused, withdrawn or stopped: it is no longer waited for.";
    }
    match cause {
        Cause::NotAcknowledged => "The platform has confirmed that it has the referral.",
        Cause::NotAccepted => "The service has answered.",
        Cause::NoFirstContact => "The service has begun, or the referral has ended.",
        Cause::NoOutcome => "The referral has ended.",
        _ => "What it was about has gone.",
    }
}
