//! The alignment figure: for each referral of which the platform has said something, whether the GP's Task, the gateway and the platform
//! say the same, and if not, whether somebody knows why; and how long it took until what a platform said stood on the Task. Where the
//! platform has said nothing there is nothing to compare, and such a referral counts for neither.
//!
//! It is made of what is on record, when it is asked for, so it can never differ from it. Notices to the GP's side have lags of their
//! own; here a fact has arrived when the Task shows it.

use crate::change::{Disposition, ReportRecord};
use crate::identity::{PlatformId, TenantId};
use crate::reconcile::folded;
use crate::referral::{Delivery, Referral, SenderState};
use crate::status;
use adapter_contract::{StatusReport, TaskStatus};
use gateway_fhir::instant;
use std::collections::BTreeMap;
use std::time::Duration;
use time::OffsetDateTime;

/// One version of the GP's Task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// When it was written.
    pub at: OffsetDateTime,
    /// Its status.
    pub status: TaskStatus,
}

/// What is known of one referral.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The referral as it stands.
    pub referral: &'a Referral,
    /// The versions of its Task, the oldest first.
    pub versions: &'a [Shown],
    /// Every statement recorded on it.
    pub reports: &'a [ReportRecord],
}

/// How a referral stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stand {
    /// The platform has said a status, and all say the same.
    Agrees,
    /// There is nothing of the platform's to compare with: why, as a code.
    Apart(&'static str),
    /// They differ, or may, and the Task or a person knows why: the reason as a code.
    Known(&'static str),
    /// They differ and nobody was told: the reason as a code.
    Drifts(&'static str),
}

/// How a referral stands; `None` of one that was erased.
#[must_use]
pub fn stand(known: &Known<'_>) -> Option<Stand> {
    let referral = known.referral;
    if referral.erased.is_some() {
        return None;
    }
    if known.versions.last().is_none_or(|last| last.status != referral.task_status) {
        return Some(Stand::Drifts("task-differs"));
    }
    let own: Vec<&ReportRecord> = known.reports.iter().filter(|record| referral.speaks_of_it(record)).collect();
    let is = |disposition: Disposition| own.iter().any(|record| record.disposition == disposition);
    let is_open = own.iter().any(|record| record.disposition.is_open());
    let said: Vec<StatusReport> = own.iter().map(|record| record.report.clone()).collect();
    // Its last word by itself, whatever the sender has done since.
    let last = status::fold(&said, SenderState::Active).platform_status;
    let stand = match &referral.delivery {
        Delivery::Queued => Stand::Apart("under-way"),
        Delivery::Held { .. } => Stand::Apart("held"),
        Delivery::DeadLetter { .. } => Stand::Apart("dead-letter"),
        Delivery::Withdrawn => Stand::Apart("withdrawn"),
        Delivery::Delivered { .. } if is_open => Stand::Drifts("not-applied"),
        Delivery::Delivered { .. } if referral.recall.is_some() => match &referral.recall {
            Some(recall) if recall.confirmed_at.is_some() => Stand::Agrees,
            _ => Stand::Known("recalled"),
        },
        Delivery::Delivered { .. } if last.is_none() => Stand::Apart("unheard"),
        Delivery::Delivered { .. } if referral.attention.is_some() => Stand::Known("attention"),
        Delivery::Delivered { .. } if referral.conflict.is_some() => Stand::Known("conflict"),
        Delivery::Delivered { .. } if is(Disposition::Withheld) => Stand::Known("withheld"),
        // The sender's word stands, and the platform has not said that it stopped.
        Delivery::Delivered { .. }
            if referral.sender == SenderState::Cancelled && last.is_some_and(|last| !last.is_final()) =>
        {
            Stand::Known("contradicted")
        }
        Delivery::Delivered { .. } => match folded(referral, &said).status {
            Some(status) if status != referral.task_status => Stand::Drifts("status-differs"),
            _ => Stand::Agrees,
        },
    };
    Some(stand)
}

/// How long each statement that moved the Task took until the Task showed it: from the platform's own time of it, where it names one that
/// can be (after the referral was sent to us, and not after the statement arrived), else from its arrival.
#[must_use]
pub fn lags(known: &Known<'_>) -> Vec<Duration> {
    let moved = |record: &&ReportRecord| matches!(record.disposition, Disposition::Applied | Disposition::Inferred);
    let lag = |record: &ReportRecord| {
        let status = record.report.status?;
        let mut later = known.versions.iter().filter(|version| version.at >= record.received);
        let shown = later.find(|version| version.status == status)?;
        Duration::try_from(shown.at - said_at(record, known.referral)).ok()
    };
    known.reports.iter().filter(moved).filter_map(lag).collect()
}

/// When something was said. What names only a day may have been said at any time of it: at the latest that counts.
fn said_at(record: &ReportRecord, referral: &Referral) -> OffsetDateTime {
    let named = record.report.order.instant.as_deref().and_then(instant::parse).map(|moment| moment.latest);
    named
        .map_or(record.received, |at| if at < referral.accepted_at { record.received } else { at.min(record.received) })
}

/// The figures of one platform for one tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Referrals that agree.
    pub agree: u64,
    /// Those of which the platform has said nothing that could be compared: how many for which reason.
    pub apart: BTreeMap<&'static str, u64>,
    /// Those that do not agree, and somebody knows why: how many for which reason.
    pub known: BTreeMap<&'static str, u64>,
    /// Those that do not, and nobody was told.
    pub drift: BTreeMap<&'static str, u64>,
    lags: Vec<Duration>,
}

impl Figures {
    /// Takes one referral in.
    pub fn take(&mut self, known: &Known<'_>) {
        match stand(known) {
            None => return,
            Some(Stand::Agrees) => self.agree += 1,
            Some(Stand::Apart(why)) => *self.apart.entry(why).or_default() += 1,
            Some(Stand::Known(why)) => *self.known.entry(why).or_default() += 1,
            Some(Stand::Drifts(why)) => *self.drift.entry(why).or_default() += 1,
        }
        self.lags.extend(lags(known));
    }

    /// All referrals.
    #[must_use]
    pub fn referrals(&self) -> u64 {
        self.compared() + self.apart.values().sum::<u64>()
    }

    /// Those that can be compared.
    #[must_use]
    pub fn compared(&self) -> u64 {
        self.agree + self.known.values().sum::<u64>() + self.drift.values().sum::<u64>()
    }

    /// Of a hundred referrals that can be compared so many agree; `None` where there are none.
    #[must_use]
    pub fn percent(&self) -> Option<f64> {
        (self.compared() > 0).then(|| share(self.agree, self.compared()))
    }

    /// Statements with a lag.
    #[must_use]
    pub fn statements(&self) -> usize {
        self.lags.len()
    }

    /// The lag that so many of a hundred statements do not exceed (nearest rank); `None` without statements.
    #[must_use]
    pub fn lag(&self, percent: usize) -> Option<Duration> {
        let mut sorted = self.lags.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent.min(100)).div_ceil(100).max(1);
        sorted.get(rank - 1).copied()
    }

    /// Both together.
    pub fn add(&mut self, other: &Self) {
        self.agree += other.agree;
        let counts =
            [(&mut self.apart, &other.apart), (&mut self.known, &other.known), (&mut self.drift, &other.drift)];
        for (mine, others) in counts {
            for (why, number) in others {
                *mine.entry(why).or_default() += number;
            }
        }
        self.lags.extend_from_slice(&other.lags);
    }
}

/// So many of a hundred.
#[expect(clippy::cast_precision_loss, reason = "a share of referrals, shown with one digit")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole as f64
}

/// The figures by tenant and platform; referrals without a platform stand under `None`.
pub type Table = BTreeMap<(TenantId, Option<PlatformId>), Figures>;

/// Takes one referral into its row.
pub fn take(table: &mut Table, known: &Known<'_>) {
    let referral = known.referral;
    let row = (referral.compartment.tenant.clone(), referral.platform.clone());
    table.entry(row).or_default().take(known);
}
