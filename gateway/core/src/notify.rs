//! Notify: what is told to whom on the GP's side, how far that is, and when it is tried again.
//!
//! A *notice* is one thing to be told to one destination. Destinations that are told in order stand in one *queue*; a notice
//! waits until every earlier one of its queue has ended. What is told is made when it is sent, from what then stands and is then
//! permitted: a notice names, and holds nothing of a person.

use crate::identity::{ClientId, Compartment, TenantId};
use crate::referral::ReferralId;
use crate::resource::ResourceKey;
use crate::retry::{self, Next, Schedule};
use crate::task::derived_id;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

mod places;

pub use places::{Bounds, Taken, has_room};

/// Resource types whose new versions are fed to this stage.
pub const FED: [&str; 2] = ["Task", "ServiceRequest"];

/// For how long a notice is kept after it ended: what a subscriber missed can be asked for until then.
pub const KEPT: Duration = Duration::days(90);

/// So many attempts in a row may come to no end before a notice is given up.
pub const POISON_TELLINGS: u32 = 5;

/// A version that was stored and that nobody has looked at yet to see who is to be told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fed {
    /// Its place in the order of commits; 0 before it is stored.
    pub place: u64,
    /// Which resource.
    pub key: ResourceKey,
    /// Which version.
    pub version: u64,
    /// `meta.lastUpdated` of it.
    pub at: OffsetDateTime,
}

/// One thing to be told to one destination, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Its name.
    pub id: String,
    /// Grows by one with each change; a change made on an older revision is refused.
    pub revision: u64,
    /// Whose compartment what is told of lives in.
    pub compartment: Compartment,
    /// Who is told.
    pub destination: Destination,
    /// Its number within its queue, from 1.
    pub sequence: u64,
    /// The referral that it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referral: Option<ReferralId>,
    /// What is told.
    pub what: What,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub made: OffsetDateTime,
    /// How far it is.
    pub state: NoticeState,
    /// Waiting: not before this time. Sending: until when its sender may hold it. Else without meaning.
    #[serde(with = "time::serde::rfc3339")]
    pub due: OffsetDateTime,
    /// When it is given up.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// Attempts that were begun.
    pub attempts: u32,
    /// Attempts in a row that came to no end before their lease ran out.
    #[serde(default)]
    pub interrupted: u32,
    /// Why the last attempt did not end well, in words without patient data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
}

/// Who is told, and in which order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "way")]
pub enum Destination {
    /// A Subscription of the compartment: its events in order.
    Subscription {
        /// Its logical id.
        id: String,
    },
    /// The same: whether its endpoint is there. Handshakes and heartbeats have numbers of their own, for they are no events.
    Pulse {
        /// Logical id of the Subscription.
        subscription: String,
    },
    /// A client's own FHIR server: each resource in its own order.
    Server {
        /// Which client.
        client: ClientId,
        /// `Type/id`.
        resource: String,
    },
    /// The address from which a message came: each conversation in its own order.
    Message {
        /// Which client.
        client: ClientId,
        /// Id of the sender's Task.
        task: String,
    },
    /// The record of a practice, by a document: each referral in its own order.
    Letter {
        /// Which client.
        client: ClientId,
        /// Id of the sender's Task.
        task: String,
    },
}

impl Destination {
    /// One word for lists and counts.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Subscription { .. } | Self::Pulse { .. } => "subscription",
            Self::Server { .. } => "server",
            Self::Message { .. } => "message",
            Self::Letter { .. } => "letter",
        }
    }

    /// Who is asked, whatever about: what one of them costs is bounded, so that none delays the others.
    #[must_use]
    pub fn party(&self) -> String {
        match self {
            Self::Subscription { id } | Self::Pulse { subscription: id } => format!("subscription/{id}"),
            Self::Server { client, .. } | Self::Message { client, .. } | Self::Letter { client, .. } => {
                format!("{}/{}", self.word(), client.0)
            }
        }
    }

    /// Whether its queue may get another notice when the referral of the last one is erased. Of those that it tells, a Subscription takes
    /// the numbers, and of its pulse the last notice says how it stands.
    #[must_use]
    pub const fn outlives_referral(&self) -> bool {
        match self {
            Self::Subscription { .. } | Self::Pulse { .. } => true,
            Self::Server { .. } | Self::Message { .. } | Self::Letter { .. } => false,
        }
    }

    /// What keeps order, as the store keeps it. The tenant and the party of the compartment are part of it.
    #[must_use]
    pub fn queue(&self, compartment: &Compartment) -> String {
        let rest = match self {
            Self::Subscription { id } => format!("subscription/{id}"),
            Self::Pulse { subscription } => format!("pulse/{subscription}"),
            Self::Server { client, resource } => format!("server/{}/{resource}", client.0),
            Self::Message { client, task } => format!("message/{}/{task}", client.0),
            Self::Letter { client, task } => format!("letter/{}/{task}", client.0),
        };
        format!("{}/{}/{rest}", compartment.tenant.0, compartment.owner.key())
    }
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum What {
    /// That a resource has this version.
    Version {
        /// Resource type.
        kind: String,
        /// Logical id.
        id: String,
        /// The version.
        version: u64,
    },
    /// That a Subscription begins: whether its endpoint is there.
    Handshake,
    /// That nothing has happened for a while.
    Heartbeat,
}

impl What {
    /// Whether the same may be told several times: then its number is part of its name.
    #[must_use]
    pub const fn is_named_by_number(&self) -> bool {
        matches!(self, Self::Handshake | Self::Heartbeat)
    }
}

/// How far a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeState {
    /// For its time, or for earlier ones of its queue.
    Waiting,
    /// Somebody is at it.
    Sending,
    /// Told.
    Sent,
    /// It could not be told, and is not tried again: a person sees it.
    Dead,
    /// It is no longer wanted.
    Dropped,
}

impl NoticeState {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Sending, Self::Sent, Self::Dead, Self::Dropped];

    /// One word, as the store keeps it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Dead => "dead",
            Self::Dropped => "dropped",
        }
    }

    /// Whether later ones of the queue wait for it.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Sending)
    }
}

/// How an attempt to tell ended. Words hold no patient data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The destination has it.
    Sent,
    /// Nothing was sent, and nothing is to be: why.
    NotWanted(String),
    /// It may help to try again.
    Later {
        /// What went wrong.
        failure: String,
        /// The destination's own wish, in seconds.
        retry_after: Option<u32>,
    },
    /// It does not help to try again: a person has to mend something.
    Never(String),
}

/// What a new notice starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Whose compartment what is told of lives in.
    pub compartment: Compartment,
    /// Who is told.
    pub destination: Destination,
    /// What is told.
    pub what: What,
    /// The referral that it is about, where it is about one.
    pub referral: Option<ReferralId>,
    /// Not before this time.
    pub due: OffsetDateTime,
}

impl Wanted {
    /// The notice under this number of its queue. Its name follows from queue and contents, so that the same is not made twice.
    #[must_use]
    pub fn notice(self, sequence: u64, now: OffsetDateTime, schedule: &Schedule) -> Notice {
        let queue = self.destination.queue(&self.compartment);
        let id = match &self.what {
            What::Version { kind, id, version } => derived_id(&[&queue, kind, id, &version.to_string()]),
            What::Handshake => derived_id(&[&queue, "handshake", &sequence.to_string()]),
            What::Heartbeat => derived_id(&[&queue, "heartbeat", &sequence.to_string()]),
        };
        Notice {
            id,
            revision: 1,
            compartment: self.compartment,
            destination: self.destination,
            sequence,
            referral: self.referral,
            what: self.what,
            made: now,
            state: NoticeState::Waiting,
            due: self.due,
            expires_at: schedule.expires_at(self.due.max(now)),
            attempts: 0,
            interrupted: 0,
            last_failure: None,
        }
    }
}

impl Notice {
    /// What keeps order.
    #[must_use]
    pub fn queue(&self) -> String {
        self.destination.queue(&self.compartment)
    }

    /// Who is asked, as the store keeps it: what one has to be told, and does not take, hides nobody else's.
    #[must_use]
    pub fn party(&self) -> String {
        let Compartment { tenant, owner } = &self.compartment;
        match &self.destination {
            Destination::Subscription { .. } | Destination::Pulse { .. } => {
                format!("{}/{}/{}", tenant.0, owner.key(), self.destination.party())
            }
            other => format!("{}/{}", tenant.0, other.party()),
        }
    }

    /// Whose customer it belongs to.
    #[must_use]
    pub const fn tenant(&self) -> &TenantId {
        &self.compartment.tenant
    }

    /// Its time as the store finds it; absent once it has ended.
    #[must_use]
    pub fn open_due(&self) -> Option<OffsetDateTime> {
        self.state.is_open().then_some(self.due)
    }

    /// Whether it may be begun now: it waits and its time has come, or whoever began it has not ended it in time.
    #[must_use]
    pub fn is_due(&self, now: OffsetDateTime) -> bool {
        self.state.is_open() && self.due <= now
    }

    /// An attempt begins; nobody else begins one until the lease has run out.
    #[must_use]
    pub fn begun(&self, lease_until: OffsetDateTime) -> Self {
        let mut next = self.clone();
        next.revision += 1;
        next.interrupted = if self.state == NoticeState::Sending { self.interrupted + 1 } else { 0 };
        next.state = NoticeState::Sending;
        next.due = lease_until;
        next.attempts += 1;
        next
    }

    /// One whose attempts come to no end, because they end the process or the gateway fails in them, is not begun for ever: it is given
    /// up, and a person sees it. `None` if it may be begun.
    #[must_use]
    pub fn given_up(&self, now: OffsetDateTime) -> Option<Self> {
        let over = self.interrupted >= POISON_TELLINGS || self.expires_at < now;
        (self.state == NoticeState::Sending && over).then(|| Self {
            revision: self.revision + 1,
            state: NoticeState::Dead,
            due: now,
            last_failure: Some(format!(
                "Telling it came to no end {} times, by a fault of the gateway. Look into its log, then let it be tried again.",
                self.interrupted + 1
            )),
            ..self.clone()
        })
    }

    /// An attempt has ended. `chance` lies in `[0, 1)`.
    #[must_use]
    pub fn after(&self, told: &Told, now: OffsetDateTime, schedule: &Schedule, chance: f64) -> Self {
        let mut next = self.clone();
        next.revision += 1;
        next.due = now;
        (next.state, next.last_failure) = match told {
            Told::Sent => (NoticeState::Sent, None),
            Told::NotWanted(why) => (NoticeState::Dropped, Some(why.clone())),
            Told::Never(failure) => (NoticeState::Dead, Some(failure.clone())),
            Told::Later { failure, retry_after } => {
                let state = match retry::next(schedule, self.attempts, now, self.expires_at, *retry_after, chance) {
                    Next::At(at) => {
                        next.due = at;
                        NoticeState::Waiting
                    }
                    Next::GiveUp => NoticeState::Dead,
                };
                (state, Some(failure.clone()))
            }
        };
        next
    }

    /// A person lets a dead one be tried again.
    #[must_use]
    pub fn reopened(&self, now: OffsetDateTime, schedule: &Schedule) -> Option<Self> {
        (self.state == NoticeState::Dead).then(|| Self {
            revision: self.revision + 1,
            state: NoticeState::Waiting,
            due: now,
            expires_at: schedule.expires_at(now),
            attempts: 0,
            interrupted: 0,
            ..self.clone()
        })
    }
}

/// The notices that follow, numbered: `last` gives the highest number of each queue so far.
#[must_use]
pub fn numbered(
    wanted: Vec<Wanted>,
    last: &mut dyn FnMut(&str) -> u64,
    now: OffsetDateTime,
    schedule: &Schedule,
) -> Vec<Notice> {
    let mut numbers = std::collections::BTreeMap::new();
    let mut notices: Vec<Notice> = Vec::new();
    for one in wanted {
        let queue = one.destination.queue(&one.compartment);
        let number = numbers.entry(queue).or_insert_with_key(|queue| last(queue));
        *number += 1;
        notices.push(one.notice(*number, now, schedule));
    }
    notices
}

#[cfg(test)]
mod tests {
    use super::{Destination, NoticeState, Told, Wanted, What, numbered};
    use crate::identity::{ClientId, Compartment, Owner, TenantId};
    use crate::retry::Schedule;
    use proptest::prelude::*;
    use time::macros::datetime;
    use time::{Duration, OffsetDateTime};

    const NOW: OffsetDateTime = datetime!(2026-03-02 09:00 UTC);

    fn wanted(resource: &str, version: u64) -> Wanted {
        Wanted {
            compartment: Compartment {
                tenant: TenantId("north".to_owned()),
                owner: Owner::Organisation("A82001".to_owned()),
            },
            destination: Destination::Server {
                client: ClientId("gp".to_owned()),
                resource: format!("Task/{resource}"),
            },
            what: What::Version { kind: "Task".to_owned(), id: resource.to_owned(), version },
            referral: None,
            due: NOW,
        }
    }

    #[test]
    fn numbers_go_on_in_each_queue_and_the_same_version_has_the_same_name() {
        let mut last = |queue: &str| if queue.ends_with("Task/a") { 7 } else { 0 };
        let made = numbered(vec![wanted("a", 3), wanted("b", 1), wanted("a", 4)], &mut last, NOW, &Schedule::default());
        assert_eq!(made.iter().map(|notice| notice.sequence).collect::<Vec<_>>(), [8, 1, 9]);
        let again = wanted("a", 3).notice(99, NOW + Duration::days(1), &Schedule::default());
        assert_eq!(made.first().map(|first| &first.id), Some(&again.id));
        assert_ne!(made.first().map(|first| &first.id), made.get(2).map(|third| &third.id));
    }

    #[test]
    fn queues_of_tenants_parties_and_ways_are_apart() {
        let one = wanted("a", 1);
        let mut other = one.clone();
        other.compartment.tenant = TenantId("south".to_owned());
        let mut third = one.clone();
        third.destination = Destination::Letter { client: ClientId("gp".to_owned()), task: "a".to_owned() };
        let mut fourth = one.clone();
        fourth.destination = Destination::Message { client: ClientId("gp".to_owned()), task: "a".to_owned() };
        let queues: std::collections::BTreeSet<_> =
            [&one, &other, &third, &fourth].iter().map(|one| one.destination.queue(&one.compartment)).collect();
        assert_eq!(queues.len(), 4);
    }

    #[test]
    fn an_attempt_ends_in_one_of_four_ways() {
        let schedule = Schedule::default();
        let begun = wanted("a", 1).notice(1, NOW, &schedule).begun(NOW + Duration::minutes(2));
        assert!(!begun.is_due(NOW) && begun.is_due(NOW + Duration::minutes(2)), "whoever died is not waited for");
        let state = |told: Told| begun.after(&told, NOW, &schedule, 0.5).state;
        assert_eq!(state(Told::Sent), NoticeState::Sent);
        assert_eq!(state(Told::NotWanted("it was erased".to_owned())), NoticeState::Dropped);
        assert_eq!(state(Told::Never("422".to_owned())), NoticeState::Dead);
        let later = Told::Later { failure: "503".to_owned(), retry_after: Some(600) };
        let waits = begun.after(&later, NOW, &schedule, 0.5);
        assert_eq!((waits.state, waits.due), (NoticeState::Waiting, NOW + Duration::seconds(600)));
        let over = begun.after(&later, begun.expires_at, &schedule, 0.5);
        assert_eq!(over.state, NoticeState::Dead);
        assert!(over.open_due().is_none());
        let again = over.reopened(NOW + Duration::days(4), &schedule).map(|notice| (notice.state, notice.attempts));
        assert_eq!(again, Some((NoticeState::Waiting, 0)));
        assert_eq!(waits.reopened(NOW, &schedule), None);
    }

    #[test]
    fn one_that_ends_its_process_is_given_up() {
        let schedule = Schedule::default();
        let mut notice = wanted("a", 1).notice(1, NOW, &schedule);
        let mut begun = 0;
        while notice.given_up(NOW).is_none() {
            notice = notice.begun(NOW);
            begun += 1;
            assert!(begun < 100);
        }
        assert_eq!(begun, super::POISON_TELLINGS + 1);
        let dead = notice.given_up(NOW).expect("is given up");
        assert_eq!((dead.state, dead.revision), (NoticeState::Dead, notice.revision + 1));
        // One that fails and waits in between is tried for its whole window.
        let failed = Told::Later { failure: "503".to_owned(), retry_after: None };
        let waits = notice.after(&failed, NOW, &schedule, 0.5);
        assert!(waits.given_up(NOW).is_none() && waits.begun(NOW).interrupted == 0);
    }

    proptest! {
        /// However often it fails, it ends: told, dropped, or seen by a person, and never later than its window.
        #[test]
        fn a_notice_that_always_fails_ends_within_its_window(chances in prop::collection::vec(0.0_f64..1.0, 40)) {
            let schedule = Schedule::default();
            let mut notice = wanted("a", 1).notice(1, NOW, &schedule);
            let mut now = NOW;
            for chance in chances.iter().cycle().take(500) {
                if !notice.state.is_open() {
                    break;
                }
                now = now.max(notice.due);
                let failed = Told::Later { failure: "connection refused".to_owned(), retry_after: None };
                notice = notice.begun(now + Duration::minutes(2)).after(&failed, now, &schedule, *chance);
            }
            prop_assert_eq!(notice.state, NoticeState::Dead);
            prop_assert!(now <= notice.expires_at);
        }
    }
}
