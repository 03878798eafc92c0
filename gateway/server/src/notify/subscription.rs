//! The way of topic Subscriptions: what is stored becomes a numbered event of each Subscription that is about it, and events are posted
//! in order to its endpoint, several at a time, signed.
//!
//! Whether the endpoint is there is another queue, the *pulse*: handshakes and heartbeats, which are no events. Who made the
//! Subscription, what it may reach and what consent says of the person are looked at anew each time something is sent.

mod pulse;
mod telling;

pub(crate) use pulse::{begun_anew, ended, go_on};
pub(crate) use telling::events;

use super::Way;
use crate::gateway::{Gateway, Secret};
use crate::ingest::parse;
use crate::store::{SearchQuery, StoreError, UpdatedRange};
use crate::transport::hook::Hook;
use crate::webhooks::Keys;
use async_trait::async_trait;
use gateway_core::accept::version_of;
use gateway_core::change::{Change, Transaction};
use gateway_core::identity::{Client, ClientId, Compartment, GATEWAY_AUTHOR, Owner, Role};
use gateway_core::notify::{Destination, Fed, Notice, NoticeState, Told, Wanted, What};
use gateway_core::resource::{ResourceKey, ResourceVersion, Token, WriteMethod};
use gateway_core::subscription::{
    Happening, Moved, Status, Subscription, Terms, Topic, interest, moved, read, with_status,
};
use gateway_fhir::{Issue, Json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use time::{Duration, OffsetDateTime};

/// The resource type.
pub(crate) const KIND: &str = "Subscription";
/// Subscriptions of one organisation that are not off, at most.
pub(crate) const MOST: u32 = 100;
/// Search parameter, never asked for by a client, under which a Subscription keeps whose it is.
const CLIENT: &str = "subscriber";
/// Events that come before the handshake is answered wait so long for it.
const SETTLE: Duration = Duration::seconds(10);

/// What the configuration lets a client subscribe with.
pub struct Subscriber {
    /// Hosts to which notifications may go.
    pub hosts: Vec<String>,
    /// Keys that sign them.
    pub keys: Keys,
    /// `Authorization`, where endpoints want one.
    pub authorization: Option<Secret>,
    /// The way to them.
    pub hook: Hook,
}

/// Which clients may subscribe.
#[derive(Default)]
pub struct Subscribers(BTreeMap<ClientId, Subscriber>);

impl Subscribers {
    /// And this one.
    pub fn add(&mut self, client: ClientId, subscriber: Subscriber) {
        self.0.insert(client, subscriber);
    }

    /// What this client may subscribe with; `None` if it may not.
    #[must_use]
    pub fn of(&self, client: &Client) -> Option<&Subscriber> {
        let may = |role: &Role| matches!(role, Role::Referrer | Role::Reader);
        self.0.get(&client.id).filter(|_| client.platform.is_none() && client.roles.iter().any(may))
    }
}

/// The way, where anybody may subscribe.
#[must_use]
pub fn way(subscribers: &Arc<Subscribers>) -> Vec<Arc<dyn Way>> {
    if subscribers.0.is_empty() {
        return Vec::new();
    }
    vec![Arc::new(SubscriptionWay::default())]
}

/// A stored Subscription that is understood.
pub(crate) struct Kept {
    pub(crate) stored: ResourceVersion,
    pub(crate) subscription: Subscription,
}

/// Why nothing is sent. The words are those of the notice that is dropped.
const IS_OFF: &str = "The Subscription is off.";
const HAS_ENDED: &str = "The Subscription has reached its end.";
const NOT_ALLOWED: &str = "Its client may not subscribe, or not to this endpoint, any more.";
const UNREADABLE: &str = "The Subscription is not understood any more.";
const GONE: &str = "The endpoint answered 410 Gone.";

/// A Subscription of this client, as it is stored.
pub(crate) fn version(
    key: ResourceKey,
    number: u64,
    document: Json,
    author: &str,
    client: &str,
    (method, now): (WriteMethod, OffsetDateTime),
) -> ResourceVersion {
    let mut stored = version_of(key, number, document, author, method, now, &|_| None);
    stored.tokens.push(Token::new(CLIENT, client));
    stored
}

/// The terms on which a client subscribes.
pub(crate) fn understood(
    gateway: &Gateway,
    subscriber: &Subscriber,
    document: &Json,
) -> Result<Subscription, Vec<Issue>> {
    read(document, &Terms { base_url: &gateway.base_url, hosts: &subscriber.hosts, now: gateway.clock.now() })
}

/// The Subscription's own client, if it may still subscribe.
pub(crate) fn owner<'g>(gateway: &'g Gateway, stored: &ResourceVersion) -> Option<(&'g Client, &'g Subscriber)> {
    let id = stored.tokens.iter().find(|token| token.parameter == CLIENT)?;
    let client = gateway.clients.values().find(|client| client.id.0 == id.value)?;
    let subscriber = gateway.subscribers.of(client)?;
    (client.compartment() == stored.key.compartment).then_some((client, subscriber))
}

/// Whose it is, for the next version of it.
pub(crate) fn client_of(stored: &ResourceVersion) -> String {
    let token = stored.tokens.iter().find(|token| token.parameter == CLIENT);
    token.map(|token| token.value.clone()).unwrap_or_default()
}

/// What a Subscription is at this moment.
enum Standing<'g> {
    /// It may be told things.
    Good(Box<Kept>, &'g Subscriber),
    /// It may not: why.
    Over(&'static str),
}

/// What stands, and whether it may be told anything.
async fn standing<'g>(gateway: &'g Gateway, key: &ResourceKey) -> Result<Standing<'g>, StoreError> {
    let Some(stored) = gateway.store.resource(key, None).await? else { return Ok(Standing::Over(IS_OFF)) };
    let Some(document) = parse(&stored) else { return Ok(Standing::Over(UNREADABLE)) };
    if document.text("status") == Some(Status::Off.code()) {
        return Ok(Standing::Over(IS_OFF));
    }
    let Some((_, subscriber)) = owner(gateway, &stored) else { return Ok(Standing::Over(NOT_ALLOWED)) };
    let subscription = match understood(gateway, subscriber, &document) {
        Ok(subscription) => subscription,
        Err(faults) => {
            let of = |element: &str| faults.iter().any(|fault| fault.expression.as_deref() == Some(element));
            let why = if of("Subscription.end") {
                HAS_ENDED
            } else if of("Subscription.channel.endpoint") {
                NOT_ALLOWED
            } else {
                UNREADABLE
            };
            return Ok(Standing::Over(why));
        }
    };
    Ok(Standing::Good(Box::new(Kept { stored, subscription }), subscriber))
}

/// The key of the Subscription that a notice is told to.
fn key_of(notice: &Notice) -> Option<ResourceKey> {
    let (Destination::Subscription { id } | Destination::Pulse { subscription: id }) = &notice.destination else {
        return None;
    };
    Some(ResourceKey { compartment: notice.compartment.clone(), kind: KIND.to_owned(), id: id.clone() })
}

/// Topic Subscriptions as a way of telling.
#[derive(Default)]
struct SubscriptionWay {
    /// Of each queue, which notices went with the one that was told last: they end with it.
    with: Mutex<BTreeMap<String, (String, Vec<String>)>>,
}

impl SubscriptionWay {
    fn took(&self, head: &Notice, with: Vec<String>) {
        let mut all = self.with.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(head.queue(), (head.id.clone(), with));
    }

    fn went_with(&self, head: &Notice) -> Vec<String> {
        let all = self.with.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&head.queue()).filter(|(id, _)| *id == head.id).map(|(_, with)| with.clone()).unwrap_or_default()
    }
}

#[async_trait]
impl Way for SubscriptionWay {
    fn is_fed(&self, compartment: &Compartment) -> bool {
        // Not only where anybody may subscribe now: what happens while a client may not be told is an event all the same.
        matches!(compartment.owner, Owner::Organisation(_))
    }

    fn tells(&self, destination: &Destination) -> bool {
        matches!(destination, Destination::Subscription { .. } | Destination::Pulse { .. })
    }

    async fn follows(
        &self,
        gateway: &Gateway,
        fed: &Fed,
        version: &ResourceVersion,
    ) -> Result<Vec<Wanted>, StoreError> {
        let Some(document) = parse(version) else { return Ok(Vec::new()) };
        let mut wanted = Vec::new();
        for stored in those_of(gateway, &fed.key).await? {
            let Some(kept) = parse(&stored) else { continue };
            let interest = interest(&kept, &gateway.base_url);
            if !interest.is_some_and(|interest| interest.is_about(&fed.key.kind, &document)) {
                continue;
            }
            let referral = telling::referral_of(gateway, &fed.key, &document).await?;
            let is_requested = kept.text("status") == Some(Status::Requested.code());
            let settles = if is_requested { SETTLE } else { Duration::ZERO };
            wanted.push(Wanted {
                compartment: fed.key.compartment.clone(),
                destination: Destination::Subscription { id: stored.key.id.clone() },
                what: What::Version { kind: fed.key.kind.clone(), id: fed.key.id.clone(), version: fed.version },
                referral,
                due: fed.at + settles,
            });
        }
        Ok(wanted)
    }

    async fn tell(&self, gateway: &Gateway, notice: &Notice) -> Result<Told, StoreError> {
        let Some(key) = key_of(notice) else { return Ok(Told::Never("This is told otherwise.".to_owned())) };
        let (kept, subscriber) = match standing(gateway, &key).await? {
            Standing::Good(kept, subscriber) => (kept, subscriber),
            Standing::Over(why) => return Ok(Told::NotWanted(why.to_owned())),
        };
        match &notice.what {
            What::Version { .. } => telling::tell(gateway, self, notice, &kept, subscriber).await,
            What::Handshake | What::Heartbeat => pulse::tell(gateway, notice, &kept, subscriber).await,
        }
    }

    async fn settle(&self, gateway: &Gateway, notice: &Notice, told: &Told) -> Result<Transaction, StoreError> {
        let mut transaction = Transaction::default();
        let Some(key) = key_of(notice) else { return Ok(transaction) };
        for id in self.went_with(notice).iter().filter(|_| *told == Told::Sent) {
            let Some(other) = gateway.store.notice(id).await?.filter(|other| other.state.is_open()) else { continue };
            let sent = other.begun(notice.due).after(told, notice.due, &gateway.rules.schedule, 0.0);
            let sent = Notice { revision: other.revision + 1, ..sent };
            transaction.changes.push(super::line(gateway, &sent));
            transaction.changes.push(Change::PutNotice(Box::new(sent)));
        }
        if let Some(happening) = happening(notice, told)
            && let Some(stored) = gateway.store.resource(&key, None).await?
        {
            let is_newest = pulse::is_newest(gateway, &key, notice).await?;
            transaction.changes.extend(moves(gateway, &stored, happening, is_newest));
        }
        let is_pulse = !matches!(notice.what, What::Version { .. });
        if *told == Told::Sent || (notice.what == What::Heartbeat && notice.state == NoticeState::Dead) {
            transaction.changes.extend(pulse::after(gateway, &key, notice).await?);
        }
        if *told == Told::Sent && is_pulse {
            transaction.changes.extend(pulse::hurried(gateway, &key).await?);
        }
        Ok(transaction)
    }
}

/// What the end of an attempt means for the Subscription.
fn happening(notice: &Notice, told: &Told) -> Option<Happening> {
    match told {
        Told::Sent => Some(Happening::Answered),
        Told::NotWanted(why) if why == GONE => Some(Happening::Gone),
        Told::NotWanted(why) if why == NOT_ALLOWED => Some(Happening::NotAllowed),
        // The end comes before all else, whatever has happened.
        Told::NotWanted(why) if why == UNREADABLE || why == HAS_ENDED => Some(Happening::Unreadable),
        Told::NotWanted(_) => None,
        Told::Never(_) => Some(Happening::HandshakeRefused),
        // The first may have waited behind others; a second and third that fail as well are its own.
        Told::Later { .. } if notice.attempts >= 3 => Some(Happening::Failed { since: notice.made }),
        Told::Later { .. } => None,
    }
}

/// The next version of a Subscription, if its status moves. Of one that was asked for anew only the newest handshake tells: what
/// was under way meanwhile went where it led before.
fn moves(gateway: &Gateway, stored: &ResourceVersion, happening: Happening, is_newest: bool) -> Option<Change> {
    let document = parse(stored)?;
    let status = document.text("status").and_then(Status::from_code)?;
    let is_of_endpoint = !matches!(happening, Happening::NotAllowed | Happening::Unreadable);
    if status == Status::Requested && is_of_endpoint && !is_newest {
        return None;
    }
    let end = document.text("end").and_then(gateway_fhir::instant::parse).map(|end| end.earliest);
    let moved = moved(status, end, happening, gateway.clock.now())?;
    Some(next(gateway, stored, &document, &moved))
}

fn next(gateway: &Gateway, stored: &ResourceVersion, document: &Json, moved: &Moved) -> Change {
    let next = with_status(document, moved);
    let (client, now) = (client_of(stored), gateway.clock.now());
    let written = (WriteMethod::Put, now);
    Change::PutResource(version(stored.key.clone(), stored.version + 1, next, GATEWAY_AUTHOR, &client, written))
}

/// The Subscriptions of a resource's compartment that are about its type and not off.
async fn those_of(gateway: &Gateway, key: &ResourceKey) -> Result<Vec<ResourceVersion>, StoreError> {
    let Some(topic) = Topic::ALL.into_iter().find(|topic| topic.kind() == key.kind) else { return Ok(Vec::new()) };
    let on = [Status::Requested, Status::Active, Status::Error];
    let query = SearchQuery {
        compartment: key.compartment.clone(),
        kind: KIND.to_owned(),
        all_of: vec![
            on.iter().map(|status| Token::new("status", status.code())).collect(),
            vec![Token::new("criteria", topic.url())],
        ],
        updated: UpdatedRange::default(),
        after: 0,
        up_to: None,
        // Those that came at once above the limit are served as well.
        limit: MOST * 2,
        count: false,
    };
    Ok(gateway.store.search(&query).await?.rows.into_iter().map(|(_, stored)| stored).collect())
}
