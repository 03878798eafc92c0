//! Reconcile: three records are compared, the GP's Task, the gateway's referral and what the platform says now, and where they
//! differ the difference is repaired, or put in front of a person.
//!
//! A function of what was read. What it repairs goes the ordinary ways: a statement is recorded and aligned, a referral that is lost is
//! looked up and sent again by its outbox row, which decides consent anew. So it can run at any time, twice, or by halves: what is
//! repaired is no difference the next time, and what was raised is known then.

mod content;
mod night;

pub use content::{changed_elements, sent_version};
pub use night::next_night;

use crate::accept::{audit_line, new_row, version_of};
use crate::change::{Change, Disposition, ReportRecord, Transaction};
use crate::consent::Kept;
use crate::identity::GATEWAY_AUTHOR;
use crate::outbox::{Errand, OutboxRow, OutboxState};
use crate::referral::{Delivery, Referral, SenderState};
use crate::resource::{ResourceKey, WriteMethod};
use crate::retry::Schedule;
use crate::status::{self, Folded};
use crate::task::{self, TaskMove, derived_id, moved};
use crate::{deliver, unanswered};
use adapter_contract::{Capabilities, Receipt, Repeat, ReportSource, StatusReport, TaskStatus};
use gateway_fhir::Json;
use serde_json::json;
use time::OffsetDateTime;

/// What a person is told of a referral that its platform no longer has.
pub const GONE: &str = "The platform no longer has this referral. Ask the organisation what became of it.";

/// What a person is told of a dead letter that arrived all the same, where the platform says no status with it.
pub const ARRIVED: &str = "The platform has this referral although its delivery ended here. Redrive it: the platform is asked first, and \
                           nothing is sent twice.";

/// What begins the words on a referral whose content has changed since it was sent.
pub const CHANGED: &str = "The request was changed after it was sent: ";

/// What a person is told of a referral that its sender has withdrawn and its platform goes on with.
pub const STILL: &str =
    "The sender has withdrawn this referral, and the platform still works on it. Ask the organisation to stop.";

/// What a person is told where the Task has ended and the platform says otherwise.
const ENDED: &str = "The Task has ended, and the platform says something else. Ask the organisation, and send a new referral if help is \
                     still wanted.";

/// What the platform says at this moment.
#[derive(Debug, Clone, Copy)]
pub enum There<'a> {
    /// Asked for it by its own name, it says this.
    Says(&'a [StatusReport]),
    /// It was found by our key.
    Found(&'a Receipt),
    /// It does not have it: neither by its own name nor, where it can be asked so, by our key.
    Absent,
    /// It cannot be asked for one referral: what is known here is all there is to compare.
    Unasked,
}

/// What is compared.
#[derive(Clone, Copy)]
pub struct Compared<'a> {
    /// The referral as it stands.
    pub referral: &'a Referral,
    /// Version and document of the GP's Task.
    pub task: (u64, &'a Json),
    /// Version and document of the ServiceRequest as it stands, and of that which was sent last, where it is known and is another.
    pub service_request: ((u64, &'a Json), Option<(u64, &'a Json)>),
    /// Every statement recorded on it, also on what it was at its platform before.
    pub reports: &'a [ReportRecord],
    /// Its outbox rows.
    pub outbox: &'a [OutboxRow],
    /// What the platform says.
    pub there: There<'a>,
    /// What the platform lets us do.
    pub capabilities: Capabilities,
    /// Whether consent lets what the platform says pass to the GP: what it withholds is no difference.
    pub permitted: bool,
    /// What the person keeps from the GP.
    pub kept: Kept,
    /// When attempts are made.
    pub schedule: &'a Schedule,
    /// Who compares, as audit names it.
    pub author: &'a str,
    /// Now.
    pub now: OffsetDateTime,
}

/// A kind of difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drift {
    /// It was delivered, and its platform does not have it.
    MissingThere,
    /// The platform has it, and here it counts as not delivered.
    MissingHere,
    /// What the Task shows is not what the platform says.
    StatusDiffers {
        /// What the Task shows.
        here: TaskStatus,
        /// What it should show by the platform's word; absent where that is no status.
        there: Option<TaskStatus>,
    },
    /// The ServiceRequest that was sent is not the one that stands.
    ContentDiffers {
        /// The version that was sent last.
        sent: u64,
        /// The version that stands.
        stands: u64,
    },
}

impl Drift {
    /// Code for lists and programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MissingThere => "missing-there",
            Self::MissingHere => "missing-here",
            Self::StatusDiffers { .. } => "status-differs",
            Self::ContentDiffers { .. } => "content-differs",
        }
    }
}

/// What is done about a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mend {
    /// It is repaired in an ordinary way: how.
    Repaired(&'static str),
    /// A person is told: the words.
    Raised(String),
    /// A person was told before, or of something else that comes first: the words.
    Known(String),
}

impl Mend {
    /// Code for lists and programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Repaired(_) => "repaired",
            Self::Raised(_) => "raised",
            Self::Known(_) => "known",
        }
    }

    /// What a person reads.
    #[must_use]
    pub fn words(&self) -> &str {
        match self {
            Self::Repaired(words) => words,
            Self::Raised(words) | Self::Known(words) => words,
        }
    }
}

/// One difference and what is done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub drift: Drift,
    /// What is done.
    pub mend: Mend,
}

/// What a comparison came to: the differences, and what is to be written about them. Nothing is written where there are none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reconciled {
    /// Differences.
    pub findings: Vec<Finding>,
    /// What is to be written.
    pub transaction: Transaction,
}

/// Whether its platform is worth asking: it has, or may have, the referral, and not everybody agrees already that it has ended.
#[must_use]
pub fn is_worth_comparing(referral: &Referral, outbox: &[OutboxRow]) -> bool {
    if referral.erased.is_some() || referral.platform.is_none() {
        return false;
    }
    if let Some(recall) = &referral.recall
        && recall.confirmed_at.is_some()
    {
        return false;
    }
    match referral.delivery {
        Delivery::Delivered { .. } => {
            let agreed = referral.task_status.is_final() && referral.platform_status.is_some_and(TaskStatus::is_final);
            !agreed || referral.conflict.is_some()
        }
        Delivery::DeadLetter { .. } | Delivery::Withdrawn => {
            outbox.iter().any(|row| row.errand == Errand::Submit && (deliver::maybe_sent(row) || row.tried))
        }
        Delivery::Held { .. } | Delivery::Queued => false,
    }
}

/// Whether something of it is under way: what differs at this moment may agree at the next.
#[must_use]
pub fn is_moving(reports: &[ReportRecord], outbox: &[OutboxRow]) -> bool {
    let at_platform = |row: &OutboxRow| !matches!(row.errand, Errand::Chase | Errand::Ask { .. });
    outbox.iter().any(|row| matches!(row.state, OutboxState::Ready | OutboxState::Leased) && at_platform(row))
        || reports.iter().any(|record| record.disposition.is_open())
}

/// Compares. `new_id` names statements that are recorded.
#[must_use]
pub fn compare(from: &Compared<'_>, new_id: &mut dyn FnMut() -> String) -> Reconciled {
    let mut work =
        Work { from, referral: from.referral.clone(), findings: Vec::new(), changes: Vec::new(), wrote: false };
    match from.referral.delivery {
        Delivery::DeadLetter { .. } | Delivery::Withdrawn => work.not_delivered(new_id),
        Delivery::Delivered { .. } => work.delivered(new_id),
        Delivery::Held { .. } | Delivery::Queued => {}
    }
    work.end()
}

/// A comparison under way.
struct Work<'a> {
    from: &'a Compared<'a>,
    referral: Referral,
    findings: Vec<Finding>,
    changes: Vec<Change>,
    /// Whether the referral is to be written.
    wrote: bool,
}

impl Work<'_> {
    fn found(&mut self, drift: Drift, mend: Mend) {
        self.findings.push(Finding { drift, mend });
    }

    /// A person is told, unless one is at it already.
    fn raise(&mut self, drift: Drift, words: &str) {
        let mend = match &self.referral.attention {
            Some(told) => Mend::Known(told.clone()),
            None => {
                self.referral.attention = Some(words.to_owned());
                self.wrote = true;
                Mend::Raised(words.to_owned())
            }
        };
        self.found(drift, mend);
    }

    /// What a person was told is over.
    fn settled(&mut self, begins: &str) {
        if self.referral.attention.as_deref().is_some_and(|words| words.starts_with(begins)) {
            self.referral.attention = None;
            self.wrote = true;
        }
    }

    /// Whether a statement was recorded before.
    fn is_known(&self, report: &StatusReport) -> bool {
        self.from.reports.iter().any(|record| {
            record.report.platform_referral == report.platform_referral && record.report.event == report.event
        })
    }

    fn not_delivered(&mut self, new_id: &mut dyn FnMut() -> String) {
        let There::Found(receipt) = self.from.there else { return };
        let news: Vec<StatusReport> = receipt.reports.iter().filter(|report| !self.is_known(report)).cloned().collect();
        if news.iter().any(|report| report.status.is_some()) {
            // What the platform says of a dead letter proves that it has it: alignment settles the delivery.
            self.record(&news, new_id);
            self.found(Drift::MissingHere, Mend::Repaired("what the platform says of it is recorded"));
        } else {
            self.raise(Drift::MissingHere, ARRIVED);
        }
    }

    fn delivered(&mut self, new_id: &mut dyn FnMut() -> String) {
        self.task_and_referral();
        match self.from.there {
            There::Absent => self.absent(),
            There::Says(reports) => {
                self.found_again();
                self.status(reports, new_id);
            }
            There::Found(receipt) => {
                self.found_again();
                if self.referral.platform_referral.as_ref() != Some(&receipt.platform_referral) {
                    self.referral.named(&receipt.platform_referral, self.from.now);
                    self.wrote = true;
                    self.found(
                        Drift::MissingThere,
                        Mend::Repaired("it has another name there now, by which it is known from here on"),
                    );
                }
                self.status(&receipt.reports, new_id);
            }
            There::Unasked => self.status(&[], new_id),
        }
        self.content();
    }

    /// Its platform has it: what the Task says otherwise is over. What it showed before follows from what was said.
    fn found_again(&mut self) {
        self.settled(GONE);
        let from = self.from;
        let task = from.task.1;
        let says_gone = task.get("statusReason").and_then(|reason| reason.text("text")) == Some(GONE);
        if !says_gone || self.referral.task_status.is_final() {
            return;
        }
        let said: Vec<StatusReport> = own(from).map(|record| crate::align::shown(&record.report, from.kept)).collect();
        let decisive = folded(&self.referral, &said).decisive.and_then(|index| said.get(index));
        let decisive = decisive.filter(|_| from.permitted);
        let step = match decisive {
            Some(report) => TaskMove {
                business_status: Some(report.business_status.clone()),
                platform_word: Some(report.platform_status.clone()),
                reason: report.reason.clone(),
                ..TaskMove::default()
            },
            None => TaskMove { business_status: Some("delivered".to_owned()), ..TaskMove::default() },
        };
        self.step(&step);
    }

    /// The Task is what the GP reads: the referral follows it.
    fn task_and_referral(&mut self) {
        let Some(shown) = task::status(self.from.task.1) else { return };
        if shown != self.referral.task_status {
            let drift = Drift::StatusDiffers { here: shown, there: Some(self.referral.task_status) };
            self.referral.task_status = shown;
            self.wrote = true;
            self.found(drift, Mend::Repaired("the gateway's record follows the Task"));
        }
    }

    /// Its platform does not have it.
    fn absent(&mut self) {
        let from = self.from;
        if self.referral.recall.is_some() {
            // That is what it was asked for: a read finds it so, and confirms it.
            let id = derived_id(&[&self.referral.key.0, "reconcile-recall"]);
            if from.outbox.iter().all(|row| row.id != id) {
                let row = new_row(&self.referral, id, Errand::Read, 0, from.now, from.schedule);
                self.changes.extend(row.map(|row| Change::PutOutbox(Box::new(row))));
                self.found(Drift::MissingThere, Mend::Repaired("a read is queued, which confirms the recall"));
            }
            return;
        }
        // Platforms may tidy away what has ended.
        if self.referral.task_status.is_final() {
            return;
        }
        if self.sends_again() {
            return;
        }
        let told = self.referral.attention.is_some();
        self.raise(Drift::MissingThere, GONE);
        if !told {
            let step = TaskMove {
                business_status: Some("error".to_owned()),
                reason: Some(GONE.to_owned()),
                ..TaskMove::default()
            };
            self.step(&step);
        }
    }

    /// It is looked up once more and then sent again, where nobody there has begun to work on it, the platform can be asked what it
    /// has, and that was not done before.
    fn sends_again(&mut self) -> bool {
        let from = self.from;
        let unheard = self.referral.task_status == TaskStatus::Requested
            && self.referral.platform_status.is_none_or(|said| said == TaskStatus::Requested);
        let wanted = self.referral.sender == SenderState::Active && from.permitted && self.referral.attention.is_none();
        // Once in its life, whatever it is called there: an organisation that throws it away each day is not sent it each night.
        let id = derived_id(&[&self.referral.key.0, "send-again"]);
        let before = from.outbox.iter().any(|row| row.id == id);
        if !unheard || !wanted || before || !from.capabilities.look_up {
            return false;
        }
        let sequence = from.outbox.iter().map(|row| row.sequence).max().unwrap_or(0) + 1;
        let row = new_row(&self.referral, id, Errand::Submit, sequence, from.now, from.schedule);
        let Some(row) = row else { return false };
        // It may be on its way back: whoever sends it asks first.
        let row = OutboxRow { in_flight: Some(Repeat::LookUpFirst), ..row };
        self.changes.push(Change::PutOutbox(Box::new(row)));
        self.referral.delivery = Delivery::Queued;
        self.wrote = true;
        self.found(Drift::MissingThere, Mend::Repaired("it is looked up once more, and sent again if it is not there"));
        true
    }

    /// What the platform says now beside what was recorded, and what the Task shows.
    fn status(&mut self, now: &[StatusReport], new_id: &mut dyn FnMut() -> String) {
        if self.still_worked_on(now) {
            return;
        }
        let from = self.from;
        let news: Vec<StatusReport> = now.iter().filter(|report| !self.is_known(report)).cloned().collect();
        let recorded: Vec<StatusReport> = own(from).map(|record| record.report.clone()).collect();
        let all: Vec<StatusReport> = recorded.iter().chain(&news).cloned().collect();
        let (before, after) = (folded(&self.referral, &recorded), folded(&self.referral, &all));
        let here = self.referral.task_status;
        let drift = Drift::StatusDiffers { here, there: after.status };
        if says_more(&news, &before, &after, here) {
            self.record(&news, new_id);
            self.found(drift, Mend::Repaired("what the platform says is recorded, and shown on the Task"));
            return;
        }
        if let Some(conflict) = &self.referral.conflict {
            // Words of what consent withholds stand there too: it is kept on purpose.
            if from.permitted && before.conflict.is_some() {
                self.found(drift, Mend::Known(conflict.clone()));
            }
            return;
        }
        let shown_otherwise = before.status.is_some_and(|status| status != here);
        if !shown_otherwise || !from.permitted || self.referral.recall.is_some() {
            return;
        }
        if here.is_final() {
            self.raise(drift, ENDED);
            return;
        }
        // Everything was read and is not shown: it is aligned anew, with all that is known.
        let decisive = before.decisive.and_then(|index| own(from).nth(index));
        if let Some(record) = decisive {
            self.changes.push(Change::DisposeReport { id: record.id.clone(), disposition: Disposition::Recorded });
            self.found(drift, Mend::Repaired("what the platform said is aligned anew"));
        }
    }

    /// The sender has withdrawn it, and the platform goes on. A recall has a deadline of its own.
    fn still_worked_on(&mut self, now: &[StatusReport]) -> bool {
        if self.referral.sender != SenderState::Cancelled || self.referral.recall.is_some() {
            return false;
        }
        let stands = status::fold(now, SenderState::Active).platform_status;
        let Some(there) = stands.filter(|there| !there.is_final()) else {
            // A platform that could not be asked, or says no status, has not said that it stopped.
            if stands.is_some() {
                self.settled(STILL);
            }
            return false;
        };
        let drift = Drift::StatusDiffers { here: self.referral.task_status, there: Some(there) };
        self.raise(drift, STILL);
        true
    }

    /// Whether what stands is what was sent.
    fn content(&mut self) {
        let ((stands, document), sent) = self.from.service_request;
        let over = self.referral.task_status.is_final()
            || self.referral.sender == SenderState::Cancelled
            || self.referral.recall.is_some()
            // What is known of the content that the recipient has is compared when it is changed, by what the recipient may have.
            || self.referral.sent.is_some();
        let changed = match sent {
            Some((_, sent)) if !over => changed_elements(sent, document),
            _ => Vec::new(),
        };
        let (Some((sent, _)), false) = (sent, changed.is_empty()) else {
            self.settled(CHANGED);
            return;
        };
        let words = format!(
            "{CHANGED}version {sent} was sent, and version {stands} stands, with other {}. Tell the organisation.",
            changed.join(", ")
        );
        // What was told of an earlier change is no more the whole truth.
        if self.referral.attention.as_deref() != Some(words.as_str()) {
            self.settled(CHANGED);
        }
        self.raise(Drift::ContentDiffers { sent, stands }, &words);
    }

    fn record(&mut self, reports: &[StatusReport], new_id: &mut dyn FnMut() -> String) {
        let Some(platform) = &self.referral.platform else { return };
        for report in reports {
            let mut report = report.clone();
            if self.referral.recall.is_some() {
                crate::withdraw::strip(&mut report);
            }
            self.changes.push(Change::RecordReport(Box::new(ReportRecord {
                id: new_id(),
                platform: platform.clone(),
                referral: Some(self.referral.id.clone()),
                source: ReportSource::Poll,
                received: self.from.now,
                report,
                disposition: Disposition::Recorded,
            })));
        }
    }

    fn step(&mut self, step: &TaskMove) {
        let from = self.from;
        let key = ResourceKey {
            compartment: self.referral.compartment.clone(),
            kind: "Task".to_owned(),
            id: self.referral.task.clone(),
        };
        let next = moved(from.task.1, step, from.now);
        let version = from.task.0 + 1;
        let next = version_of(key, version, next, GATEWAY_AUTHOR, WriteMethod::Put, from.now, &|_| None);
        self.changes.push(Change::PutResource(next));
        self.wrote = true;
    }

    fn end(mut self) -> Reconciled {
        let told = |finding: &&Finding| !matches!(finding.mend, Mend::Known(_));
        for finding in self.findings.iter().filter(told) {
            let detail = json!({ "drift": finding.drift.code(), "mend": finding.mend.code() });
            self.changes.push(audit_line(&self.referral, self.from.now, self.from.author, "reconcile", detail));
        }
        if self.wrote {
            self.referral.revision += 1;
            self.changes.push(Change::PutReferral(Box::new(self.referral)));
        }
        let transaction = Transaction { checks: Vec::new(), changes: self.changes };
        Reconciled { findings: self.findings, transaction }
    }
}

/// Statements on the referral as it is there now, of the organisation's own. What was said of it under a former name is over, and so is
/// an end that was ours.
fn own<'a>(from: &'a Compared<'_>) -> impl Iterator<Item = &'a ReportRecord> {
    from.reports.iter().filter(|record| from.referral.speaks_of_it(record))
}

/// What statements come to, as alignment reads them.
pub(crate) fn folded(referral: &Referral, reports: &[StatusReport]) -> Folded {
    let mut folded = status::fold(reports, referral.sender);
    if unanswered::has_gone_back(referral) && !folded.status.is_some_and(unanswered::is_answer) {
        folded.status = None;
    }
    folded
}

/// Whether statements that are not recorded yet say more than is shown. That a platform touched its record, and says what it said
/// before, does not.
fn says_more(news: &[StatusReport], before: &Folded, after: &Folded, here: TaskStatus) -> bool {
    // That it is there, which the delivery has said already.
    let only_there = before.platform_status.is_none() && after.platform_status == Some(TaskStatus::Requested);
    let said = after.platform_status != before.platform_status && !only_there;
    let moves = after.status != before.status && after.status.is_some_and(|status| status != here);
    said || moves || after.conflict != before.conflict || news.iter().any(|report| !report.outputs.is_empty())
}
