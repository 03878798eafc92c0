//! The referral: our aggregate of ServiceRequest, Task, delivery and what was decided on the way.

use crate::alarm;
use crate::amend;
use crate::change::ReportRecord;
use crate::follow_up::FollowUp;
use crate::identity::{ClientId, Compartment, PlatformId};
use crate::loss::LossReport;
use crate::status_link;
use crate::subject::{Erasure, SubjectId};
use crate::timers::Timer;
use crate::work_item::How;
use adapter_contract::{IdempotencyKey, PlatformReferralId, StatusReport, TaskStatus};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// Names one referral inside the gateway; never shown to platforms.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReferralId(pub String);

/// One referral. Three facts are kept apart: `delivery`, `task_status` (the platform's word as the GP sees it), and the
/// notification of the GP system, which reads the Task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Referral {
    /// Its name.
    pub id: ReferralId,
    /// Grows by one with each change; a change made on an older revision is refused.
    pub revision: u64,
    /// The sender's compartment.
    pub compartment: Compartment,
    /// The client that sent it.
    pub client: ClientId,
    /// Id of the sender's Task.
    pub task: String,
    /// Id of the sender's ServiceRequest.
    pub service_request: String,
    /// The Patient: `Patient/x` of the same compartment, or as the ServiceRequest names a contained one.
    pub patient: String,
    /// Where it goes; absent while no route is decided.
    pub platform: Option<PlatformId>,
    /// The route that was taken and why, in words without patient data.
    pub route: String,
    /// The platform's key for it.
    pub key: IdempotencyKey,
    /// The sender's conversation.
    pub correlation: String,
    /// When the Task was committed.
    #[serde(with = "time::serde::rfc3339")]
    pub accepted_at: OffsetDateTime,
    /// From when on it goes before others at its platform ([`urgency`](crate::urgency)); absent = never.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub urgent: Option<OffsetDateTime>,
    /// Gateway to platform.
    pub delivery: Delivery,
    /// What the sender has done since.
    pub sender: SenderState,
    /// `Task.status` as the GP sees it now.
    pub task_status: TaskStatus,
    /// The platform's name for it, once known.
    pub platform_referral: Option<PlatformReferralId>,
    /// The platform's last statement that was applied.
    pub platform_status: Option<TaskStatus>,
    /// Where what the platform reports contradicts itself or the sender, in words; absent if it does not.
    pub conflict: Option<String>,
    /// What else a person has to settle at this platform, in words: it could not be told, or not be read.
    pub attention: Option<String>,
    /// What its platform does not receive, as its Task shows it; absent while no adapter was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Box<LossReport>>,
    /// [`LossReport::hash`] of the report with which the sender let it go: it does not wait for the same again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_released: Option<String>,
    /// The sender has seen that the service has one like it ([`duplicate`](crate::duplicate)), and lets it go.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub duplicate_passed: bool,
    /// What its platform was sent last and has acknowledged, as [`amend::content`] says it; absent where that
    /// is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<String>,
    /// Under its present name at the platform it is being cancelled there, to be sent anew: since when it had been delivered. While
    /// this stands its delivery is [`Delivery::Queued`], so that nothing that the platform says of the old one is taken for an end.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub replacing: Option<OffsetDateTime>,
    /// A cancellation of ours, to send it anew, may have reached its platform under its present name: on record before it left. That it
    /// is cancelled or rejected there is then no word of the organisation's. It stands until it is sent anew, or goes on there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancel_left: bool,
    /// That the platform's last word is a question, or one that nobody here reads: the hash of the statement. Absent where its last word
    /// is understood, and asks nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<String>,
    /// What it was known by at its platform before it was cancelled there and sent anew, or was named anew, oldest first. The stores
    /// find it by each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<Former>,
    /// When a person is told if its platform has by then said nothing of it; absent before delivery, and once a person was
    /// told.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub answer_due: Option<OffsetDateTime>,
    /// When its organisation is reminded by mail, as long as nothing is heard of it; what is past is taken out.
    #[serde(default, with = "times", skip_serializing_if = "Vec::is_empty")]
    pub reminders: Vec<OffsetDateTime>,
    /// The day by which its sender wants an outcome, where the sender has said one.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub agreed: Option<OffsetDateTime>,
    /// Until when it is waited for at the stage where it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timers: Vec<Timer>,
    /// What a person is asked to do about it, and was: every follow-up that was ever opened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub follow_ups: Vec<FollowUp>,
    /// The receipt of a withdrawal of consent; absent while consent was not withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recall: Option<Box<Recall>>,
    /// What a person has settled of what it waited for; absent = nothing, or something has moved since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled: Option<Box<Handled>>,
    /// Whom it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectId>,
    /// That what it consisted of was erased. What is left, names, codes and times, counts and is audited; nothing more
    /// ever happens to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased: Option<Erasure>,
}

/// That a person settled what a referral waited for ([`work_list`](crate::work_list)): names, codes and times, nothing of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handled {
    /// Code of each cause, with what tells this occurrence from the next.
    pub causes: BTreeMap<String, String>,
    /// How.
    pub how: How,
    /// Who: `account/<name>`, `client/<id>`.
    pub by: String,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// Names that a referral had at its platform: it was cancelled there and sent anew, or it has another name there now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    /// The platform's key for it: another than now where it was sent anew, the same where it only has another name.
    pub key: IdempotencyKey,
    /// The platform's name for it.
    pub platform_referral: PlatformReferralId,
    /// When the platform confirmed that it has ended, or gave it another name.
    #[serde(with = "time::serde::rfc3339")]
    pub ended: OffsetDateTime,
}

/// What became of a referral that consent no longer covers: what its recipient was asked, when, and whether it confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recall {
    /// The version of the Consent that is in the way, if one is.
    pub consent: Option<String>,
    /// Reason code of the decision.
    pub reason: String,
    /// The decision in words without patient data.
    pub words: String,
    /// When consent was withdrawn; from then on the recipient is asked to stop.
    #[serde(with = "time::serde::rfc3339")]
    pub asked_at: OffsetDateTime,
    /// How it is asked.
    pub way: Way,
    /// Until when its confirmation is waited for.
    #[serde(with = "time::serde::rfc3339::option")]
    pub deadline: Option<OffsetDateTime>,
    /// When its platform answered the exchange.
    #[serde(with = "time::serde::rfc3339::option")]
    pub told_at: Option<OffsetDateTime>,
    /// When its platform said that it no longer works on the referral, or the organisation to somebody who called.
    #[serde(with = "time::serde::rfc3339::option")]
    pub confirmed_at: Option<OffsetDateTime>,
    /// Who said so to somebody who called, in the sender's words; absent where the platform confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_by: Option<String>,
    /// When the deadline had passed and a person was told.
    #[serde(with = "time::serde::rfc3339::option")]
    pub overdue_at: Option<OffsetDateTime>,
}

impl Recall {
    /// True while the platform's confirmation is waited for.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.way == Way::Exchange && self.confirmed_at.is_none() && self.overdue_at.is_none()
    }

    /// Whether it is worth reading that something changed at the platform. What nobody waits for any more is read where the
    /// platform says so of itself, and where it was thought to have nothing; never again once it has confirmed.
    #[must_use]
    pub fn is_worth_reading(&self, polled: bool) -> bool {
        self.confirmed_at.is_none() && (self.is_awaited() || !polled || self.way == Way::NothingSent)
    }
}

/// How a recipient is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// It never had the referral.
    NothingSent,
    /// By the platform's own exchange for a cancellation.
    Exchange,
    /// The platform cannot be told: a person calls.
    Person,
}

impl Way {
    /// One word, as the Task shows it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NothingSent => "nothing-sent",
            Self::Exchange => "exchange",
            Self::Person => "person",
        }
    }
}

/// How far the delivery is. "Delivered" says nothing of acceptance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Delivery {
    /// Nothing leaves until a person has decided.
    Held {
        /// Why.
        reason: HoldReason,
    },
    /// In the outbox.
    Queued,
    /// The platform acknowledged it.
    Delivered {
        /// When.
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
    },
    /// It could not be delivered and waits for a person.
    DeadLetter {
        /// Why, in words without patient data.
        reason: String,
    },
    /// The sender withdrew it, or consent ended, before anything was sent.
    Withdrawn,
}

impl Delivery {
    /// One word for lists and counts.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Held { .. } => "held",
            Self::Queued => "queued",
            Self::Delivered { .. } => "delivered",
            Self::DeadLetter { .. } => "dead-letter",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// Why nothing leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "words")]
pub enum HoldReason {
    /// No consent permits it.
    NoConsent(String),
    /// No route, or several.
    NoRoute(String),
    /// The sender paused it.
    SenderHold,
    /// It cannot be said to this platform without losing what matters.
    NeedsReview(String),
    /// The sender has to see what would be lost.
    Losses(String),
    /// The sender has to see that the service has one like it.
    Duplicate(String),
}

impl HoldReason {
    /// `Task.statusReason.text`: what a GP reads.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::NoConsent(why) => format!("Nothing has been sent: {why}"),
            Self::NoRoute(why) => format!("Nothing has been sent: no single recipient could be chosen. {why}"),
            Self::SenderHold => "Paused by the sender before anything was sent.".to_owned(),
            Self::NeedsReview(why) | Self::Losses(why) | Self::Duplicate(why) => {
                format!("Nothing has been sent, a person has to look at this referral: {why}")
            }
        }
    }

    /// The same where an earlier attempt may have reached the platform, wholly or in part.
    #[must_use]
    pub fn words_if_sent(&self) -> String {
        let words = self.words();
        let why = words.strip_prefix("Nothing has been sent").map_or(words.as_str(), |rest| rest);
        format!("Nothing more is sent{why} An earlier attempt may have reached the platform: ask the organisation.")
    }

    /// Code for lists.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoConsent(_) => "no-consent",
            Self::NoRoute(_) => "no-route",
            Self::SenderHold => "sender-hold",
            Self::NeedsReview(_) => "needs-review",
            Self::Losses(_) => "losses",
            Self::Duplicate(_) => "duplicate",
        }
    }
}

/// What the sender has done since sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SenderState {
    /// Nothing.
    Active,
    /// Paused it.
    Held,
    /// Withdrew it, or consent was withdrawn.
    Cancelled,
}

impl Referral {
    /// Whether this is what its platform called it before it was sent or named anew.
    #[must_use]
    pub fn was(&self, name: &PlatformReferralId) -> bool {
        self.platform_referral.as_ref() != Some(name)
            && self.former.iter().any(|former| former.platform_referral == *name)
    }

    /// Whether what its platform says is an end that our own cancellation may have made, to send it anew: that tells nobody anything.
    /// A call for help is one whatever else it says.
    #[must_use]
    pub fn ended_by_us(&self, report: &StatusReport) -> bool {
        self.cancel_left
            && self.sender != SenderState::Cancelled
            && self.recall.is_none()
            && !alarm::is_alarm(report)
            && !amend::is_taken_on(self.platform_status)
            && report.status.is_some_and(amend::is_end_of_a_cancellation)
    }

    /// What this statement is about, where that is no longer the referral at its platform: it moves nothing. What was said before
    /// the platform only gave it another name was said of the same, and counts on.
    #[must_use]
    pub fn spoken_of_as(&self, record: &ReportRecord) -> Option<&Former> {
        let (name, key) = (&record.report.platform_referral, record.report.key.as_ref());
        if self.platform_referral.as_ref() == Some(name) {
            return None;
        }
        let named = self.former.iter().rfind(|former| former.platform_referral == *name);
        let keyed = || self.former.iter().rfind(|former| former.key != self.key && key == Some(&former.key));
        let former = named.or_else(keyed)?;
        (former.key != self.key || record.received >= former.ended).then_some(former)
    }

    /// Whether this statement is about the referral as it is at its platform now, and is the organisation's own.
    #[must_use]
    pub fn speaks_of_it(&self, record: &ReportRecord) -> bool {
        self.spoken_of_as(record).is_none() && !self.ended_by_us(&record.report)
    }

    /// What else it was known by at its platform: its names for it, and our keys.
    pub fn former_words(&self) -> impl Iterator<Item = &str> {
        self.former.iter().flat_map(|former| [former.platform_referral.0.as_str(), former.key.0.as_str()])
    }

    /// Its platform has it under this name from now on.
    pub(crate) fn named(&mut self, name: &PlatformReferralId, now: OffsetDateTime) {
        if let Some(before) = self.platform_referral.replace(name.clone()).filter(|before| before != name) {
            self.former.push(Former { key: self.key.clone(), platform_referral: before, ended: now });
        }
    }

    /// The report that the sender has let pass, if there is one.
    #[must_use]
    pub fn released_report(&self) -> Option<&LossReport> {
        let report = self.loss.as_deref()?;
        (self.loss_released.as_deref() == Some(report.hash().as_str())).then_some(report)
    }

    /// Until when its platform's first word is still waited for: it has the referral, and nothing is known of whether
    /// anybody took it on. `None` where nothing is waited for, or a person is at it already.
    #[must_use]
    pub fn awaits_answer(&self) -> Option<OffsetDateTime> {
        let silent = matches!(self.delivery, Delivery::Delivered { .. })
            && self.task_status == TaskStatus::Requested
            && self.platform_status.is_none_or(|said| said == TaskStatus::Requested);
        let wanted = self.sender == SenderState::Active && self.recall.is_none() && self.erased.is_none();
        // That it was asked in vain ends no deadline.
        let alone = self.attention.as_deref().is_none_or(|words| words.starts_with(status_link::IN_VAIN));
        self.answer_due.filter(|_| silent && wanted && alone)
    }

    /// When it is looked at next: for the next reminder, for [`awaits_answer`](Self::awaits_answer), for a
    /// [timer](Self::next_timer), or at once for what a person was asked and need not do any more. The stores find it by this time.
    #[must_use]
    pub fn next_look(&self) -> Option<OffsetDateTime> {
        if self.erased.is_some() {
            return None;
        }
        let reminded = |due| self.reminders.iter().copied().fold(due, OffsetDateTime::min);
        let timer = self.next_timer().map(|timer| timer.due);
        let settled = self.settled_follow_ups().map(|one| one.opened_at).min();
        [self.awaits_answer().map(reminded), timer, settled].into_iter().flatten().min()
    }

    /// True when nothing more will happen by itself: a final status, or waiting for a person.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        match self.delivery {
            Delivery::Held { .. } | Delivery::DeadLetter { .. } | Delivery::Withdrawn => true,
            Delivery::Queued => false,
            Delivery::Delivered { .. } => self.task_status.is_final(),
        }
    }
}

/// Several times, each as RFC 3339.
mod times {
    use serde::{Deserialize as _, Deserializer, Serialize, Serializer};
    use time::OffsetDateTime;

    #[derive(serde::Serialize, serde::Deserialize)]
    #[serde(transparent)]
    struct Instant(#[serde(with = "time::serde::rfc3339")] OffsetDateTime);

    pub(super) fn serialize<S: Serializer>(times: &[OffsetDateTime], to: S) -> Result<S::Ok, S::Error> {
        times.iter().copied().map(Instant).collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<OffsetDateTime>, D::Error> {
        Ok(Vec::<Instant>::deserialize(from)?.into_iter().map(|one| one.0).collect())
    }
}
