//! What a platform's statements about one referral come to, whatever the order in which they arrived.
//!
//! **Why it converges.** The result is a function of the *set* of statements and of the sender's state. Statements are
//! first reduced to one for each (platform referral, event), then sorted by a total order that is made only of what the
//! statements themselves say; then they are walked once from *requested*. Arrival order and repetition are gone before
//! the walk begins, so two gateways that have the same statements show the same Task, and one more statement is taken in
//! by folding all of them again. The walk has no other input: no clock, no earlier result.
//!
//! **The order.** By the platform's version, then its instant (as an instant, not as text), then the event's name; a
//! statement without one sorts before those that have it. Where some statements have no version but all that can be
//! placed have an instant, the instant comes first: comparing some pairs by version and others by time would go in
//! circles. Names of events are no evidence of time, so a statement that would go *back* counts only if version or
//! instant proves that it was made later; else it is `Late`.
//!
//! **The sender's word.** What the sender withdrew stays cancelled: the platform's closing words confirm it, *completed*
//! contradicts it (somebody was helped, or helped against their wish: a person looks), everything else is `Late` because
//! nobody can say on which side of the withdrawal it was made. What the sender paused shows *on-hold* until the platform
//! reports a final status.

use crate::change::Disposition;
use crate::referral::SenderState;
use crate::status::{is_move, skipped, skipped_forward};
use adapter_contract::{StatusReport, TaskStatus};
use gateway_fhir::instant;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// What the statements come to. Indexes are into the slice that was folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded {
    /// What `Task.status` should be, the sender's state included; `None` if neither sender nor platform says anything.
    pub status: Option<TaskStatus>,
    /// What the platform's statements alone come to; `None` if none of them says a status that counts. Known also after
    /// a withdrawal, then without what could have been before or after it.
    pub platform_status: Option<TaskStatus>,
    /// The statement whose business status and reason are shown.
    pub decisive: Option<usize>,
    /// The walk, in the platform's order; empty after a withdrawal. While the sender holds, its last step can differ
    /// from [`status`](Self::status).
    pub steps: Vec<FoldStep>,
    /// What became of each statement, in the order of the slice. Repetitions share theirs.
    pub dispositions: Vec<Disposition>,
    /// What a person has to settle, without patient data. Gone again once the platform's last word agrees.
    pub conflict: Option<String>,
    /// Statements whose outputs count, in the platform's order: also those whose status contradicts another, since which of the two came
    /// first must not decide what a GP reads. What was recorded in error gave nothing, and nothing is taken from a platform after a
    /// withdrawal (consent rule R11).
    pub outputs: Vec<usize>,
}

/// One status that the Task went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoldStep {
    /// Where it came to.
    pub status: TaskStatus,
    /// True if nobody reported it: it lies on the way to what was reported.
    pub inferred: bool,
    /// The statement that says so, or implies it.
    pub report: usize,
}

/// Folds what one platform has said of one referral.
#[must_use]
pub fn fold(reports: &[StatusReport], sender: SenderState) -> Folded {
    let groups = distinct(reports);
    let entries = ordered(reports, &groups);
    let mut walk = Walk::new(reports.len());
    for entry in &entries {
        let disposition = match sender {
            SenderState::Cancelled => walk.after_withdrawal(entry),
            SenderState::Active | SenderState::Held => walk.take(entry),
        };
        for index in entry.group {
            if let Some(slot) = walk.folded.dispositions.get_mut(*index) {
                *slot = disposition;
            }
        }
    }
    let mut folded = walk.folded;
    folded.platform_status = walk.known.then_some(walk.at);
    folded.status = match (sender, folded.platform_status) {
        (SenderState::Cancelled, _) => Some(TaskStatus::Cancelled),
        (SenderState::Held, Some(status)) if status.is_final() => Some(status),
        (SenderState::Held, _) => Some(TaskStatus::OnHold),
        (SenderState::Active, status) => status,
    };
    folded
}

/// Indexes of each distinct statement. If a name was used for two different statements, the greatest text speaks for
/// it: an arbitrary choice, but the same one in every order. It stands first.
fn distinct(reports: &[StatusReport]) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<(&str, &str), Vec<(String, usize)>> = BTreeMap::new();
    for (index, report) in reports.iter().enumerate() {
        let name = (report.platform_referral.0.as_str(), report.event.as_str());
        groups.entry(name).or_default().push((format!("{report:?}"), index));
    }
    let mut distinct = Vec::with_capacity(groups.len());
    for (_, mut group) in groups {
        group.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        distinct.push(group.into_iter().map(|(_, index)| index).collect());
    }
    distinct
}

/// All statements in the platform's order ([`fold`]); repetitions stand together. Indexes are into the slice.
pub(crate) fn in_order(reports: &[StatusReport]) -> Vec<usize> {
    let groups = distinct(reports);
    ordered(reports, &groups).into_iter().flat_map(|entry| entry.group.to_vec()).collect()
}

/// Whether the platform says where it stands among its statements.
pub(crate) fn is_placed(report: &StatusReport) -> bool {
    report.order.version.is_some() || report.order.instant.as_deref().and_then(instant::parse).is_some()
}

/// One distinct statement and its place in time.
struct Entry<'a> {
    report: &'a StatusReport,
    index: usize,
    group: &'a [usize],
    version: Option<u64>,
    instant: Option<OffsetDateTime>,
}

impl Entry<'_> {
    /// True if version or instant says that this was said after the other; versions outrank instants.
    fn is_later_than(&self, other: &Self) -> bool {
        match (self.version, other.version) {
            (Some(mine), Some(theirs)) if mine != theirs => mine > theirs,
            _ => matches!((self.instant, other.instant), (Some(mine), Some(theirs)) if mine > theirs),
        }
    }
}

/// The statements in the platform's order (see above).
fn ordered<'a>(reports: &'a [StatusReport], groups: &'a [Vec<usize>]) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry<'a>> = groups
        .iter()
        .filter_map(|group| {
            let index = *group.first()?;
            let report = reports.get(index)?;
            let said = report.order.instant.as_deref().and_then(instant::parse).map(|moment| moment.earliest);
            Some(Entry { report, index, group, version: report.order.version, instant: said })
        })
        .collect();
    let placed = |entry: &&Entry<'_>| entry.version.is_some() || entry.instant.is_some();
    let all_have_versions = entries.iter().filter(placed).all(|entry| entry.version.is_some());
    let all_have_instants = entries.iter().filter(placed).all(|entry| entry.instant.is_some());
    let by_version = all_have_versions || !all_have_instants;
    entries.sort_by(|a, b| {
        let (version, instant) = (a.version.cmp(&b.version), a.instant.cmp(&b.instant));
        let place = if by_version { version.then(instant) } else { instant.then(version) };
        place.then_with(|| name_order(a.report, b.report))
    });
    entries
}

fn name_order(a: &StatusReport, b: &StatusReport) -> Ordering {
    (&a.event, &a.platform_referral).cmp(&(&b.event, &b.platform_referral))
}

/// The walk through the ordered statements.
struct Walk<'a> {
    at: TaskStatus,
    known: bool,
    /// The statement that brought the Task where it is.
    mover: Option<&'a Entry<'a>>,
    folded: Folded,
}

impl<'a> Walk<'a> {
    fn new(reports: usize) -> Self {
        let folded = Folded {
            status: None,
            platform_status: None,
            decisive: None,
            steps: Vec::new(),
            // Every index belongs to a group, so each of these is replaced.
            dispositions: vec![Disposition::Recorded; reports],
            conflict: None,
            outputs: Vec::new(),
        };
        Self { at: TaskStatus::Requested, known: false, mover: None, folded }
    }

    /// Takes the next statement while the referral is the platform's.
    fn take(&mut self, entry: &'a Entry<'a>) -> Disposition {
        let disposition = match entry.report.status {
            None if entry.report.business_status == "unmapped" => Disposition::Unmapped,
            None => Disposition::Unchanged,
            Some(to) if to == self.at => {
                self.known = true;
                self.mover = Some(entry);
                self.folded.conflict = None;
                Disposition::Unchanged
            }
            Some(to) => self.move_to(to, entry),
        };
        if !matches!(disposition, Disposition::Late | Disposition::Conflict) {
            self.folded.decisive = Some(entry.index);
        }
        let in_error = matches!(entry.report.status, Some(TaskStatus::EnteredInError | TaskStatus::Draft));
        if !in_error && !entry.report.outputs.is_empty() {
            self.folded.outputs.push(entry.index);
        }
        disposition
    }

    fn move_to(&mut self, to: TaskStatus, entry: &'a Entry<'a>) -> Disposition {
        let from = self.at;
        let proven = self.mover.is_none_or(|mover| entry.is_later_than(mover));
        if to == TaskStatus::EnteredInError {
            self.folded.conflict = Some(format!(
                "The platform marks its record as entered in error while this Task is {from}; only the sender may say so \
                 of the Task."
            ));
            return Disposition::Conflict;
        }
        let between = if is_move(from, to) {
            Some(Vec::new())
        } else if proven {
            skipped(from, to)
        } else {
            skipped_forward(from, to)
        };
        match between {
            Some(between) => {
                self.step(&between, to, entry);
                if between.is_empty() { Disposition::Applied } else { Disposition::Inferred }
            }
            // Two different ends cannot be ordered away, and nothing goes back to draft.
            None if !proven && !to.is_final() && to != TaskStatus::Draft => Disposition::Late,
            None => {
                self.folded.conflict =
                    Some(format!("The platform reports {to}, which cannot follow {from}; {from} stays shown."));
                Disposition::Conflict
            }
        }
    }

    fn step(&mut self, between: &[TaskStatus], to: TaskStatus, entry: &'a Entry<'a>) {
        for status in between {
            self.folded.steps.push(FoldStep { status: *status, inferred: true, report: entry.index });
        }
        self.folded.steps.push(FoldStep { status: to, inferred: false, report: entry.index });
        self.at = to;
        self.known = true;
        self.mover = Some(entry);
        self.folded.conflict = None;
    }

    /// Takes the next statement after the sender withdrew the referral.
    fn after_withdrawal(&mut self, entry: &'a Entry<'a>) -> Disposition {
        match entry.report.status {
            None if entry.report.business_status == "unmapped" => Disposition::Unmapped,
            Some(
                end @ (TaskStatus::Cancelled | TaskStatus::Rejected | TaskStatus::Failed | TaskStatus::EnteredInError),
            ) => {
                self.at = end;
                self.known = true;
                self.folded.conflict = None;
                self.folded.decisive = Some(entry.index);
                Disposition::Unchanged
            }
            Some(TaskStatus::Completed) => {
                self.at = TaskStatus::Completed;
                self.known = true;
                self.folded.conflict =
                    Some("The platform reports completed for a referral that the sender has withdrawn.".to_owned());
                Disposition::Conflict
            }
            _ => Disposition::Late,
        }
    }
}

#[cfg(test)]
mod tests;
