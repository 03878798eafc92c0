//! Whether an endpoint is there: the handshake before anything else, a heartbeat where it was quiet, and the last one at the
//! Subscription's end.

use super::telling::{Post, answered, post};
use super::{Kept, Subscriber};
use crate::gateway::Gateway;
use crate::ingest::parse;
use crate::notify::make;
use crate::store::StoreError;
use gateway_core::change::{Change, Removed};
use gateway_core::notify::{Destination, Notice, NoticeState, Told, Wanted, What};
use gateway_core::resource::ResourceKey;
use gateway_core::subscription::{HeartbeatDue, Shape, Status, Subscription};
use time::OffsetDateTime;

/// Whether the endpoint has agreed to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Agreed {
    /// It answered its last handshake.
    Yes,
    /// It has not been asked to the end.
    NotYet,
    /// It refused.
    No,
}

/// Whether this is the newest handshake, and nothing came after it.
pub(super) async fn is_newest(gateway: &Gateway, key: &ResourceKey, notice: &Notice) -> Result<bool, StoreError> {
    let last = last(gateway, key).await?;
    Ok(notice.what == What::Handshake && last.is_some_and(|last| last.id == notice.id))
}

fn destination(key: &ResourceKey) -> Destination {
    Destination::Pulse { subscription: key.id.clone() }
}

/// The last notice of the pulse.
async fn last(gateway: &Gateway, key: &ResourceKey) -> Result<Option<Notice>, StoreError> {
    let queue = destination(key).queue(&key.compartment);
    let number = gateway.store.last_notice(&queue).await?;
    Ok(gateway.store.notices(&queue, number.saturating_sub(1), 1).await?.pop())
}

/// Whether it has. Heartbeats are made for those alone that have.
pub(super) async fn agreed(gateway: &Gateway, key: &ResourceKey) -> Result<Agreed, StoreError> {
    let last = last(gateway, key).await?;
    Ok(match last.map(|last| (last.what, last.state)) {
        Some((What::Handshake, NoticeState::Sent) | (What::Heartbeat, _)) => Agreed::Yes,
        Some((What::Handshake, NoticeState::Dead | NoticeState::Dropped)) => Agreed::No,
        _ => Agreed::NotYet,
    })
}

/// Handshake or heartbeat.
pub(super) async fn tell(
    gateway: &Gateway,
    notice: &Notice,
    kept: &Kept,
    subscriber: &Subscriber,
) -> Result<Told, StoreError> {
    let is_handshake = notice.what == What::Handshake;
    if !is_handshake && kept.subscription.heartbeat_seconds.is_none() {
        // Made for the end alone, and the end was moved.
        return Ok(Told::NotWanted("The Subscription wants no heartbeat.".to_owned()));
    }
    let shape = if is_handshake { Shape::Handshake } else { Shape::Heartbeat };
    let hooked = post(gateway, kept, subscriber, Post { shape, name: &notice.id, events: &[] }).await?;
    Ok(match answered(&hooked) {
        // What a person has to mend there does not mend itself, and nothing waits for it but the client that asked.
        Told::Later { failure, .. } if is_handshake && is_refusal(&hooked) => Told::Never(failure),
        told => told,
    })
}

fn is_refusal(hooked: &crate::transport::hook::Hooked) -> bool {
    use crate::transport::hook::Hooked;
    matches!(hooked, Hooked::Answered { status: 300..=499, .. })
        && !matches!(hooked, Hooked::Answered { status: 408 | 425 | 429, .. })
}

/// When something of the pulse is due next, if this Subscription was told something at `told`: a heartbeat, or its end.
fn due(subscription: &Subscription, told: OffsetDateTime) -> Option<OffsetDateTime> {
    let subscription = Subscription { status: Status::Active, ..subscription.clone() };
    let heartbeat = match subscription.heartbeat(told) {
        HeartbeatDue::At(at) => Some(at),
        HeartbeatDue::Never => None,
    };
    match (heartbeat, subscription.end) {
        (Some(heartbeat), Some(end)) => Some(heartbeat.min(end)),
        (one, other) => one.or(other),
    }
}

fn wanted(key: &ResourceKey, what: What, due: OffsetDateTime) -> Wanted {
    Wanted { compartment: key.compartment.clone(), destination: destination(key), what, referral: None, due }
}

/// After something was told: the heartbeat that waits is put off, or the first one is made.
pub(super) async fn after(gateway: &Gateway, key: &ResourceKey, told: &Notice) -> Result<Vec<Change>, StoreError> {
    let Some(stored) = gateway.store.resource(key, None).await? else { return Ok(Vec::new()) };
    let Some(document) = parse(&stored) else { return Ok(Vec::new()) };
    let Some((_, subscriber)) = super::owner(gateway, &stored) else { return Ok(Vec::new()) };
    let Ok(subscription) = super::understood(gateway, subscriber, &document) else { return Ok(Vec::new()) };
    let Some(due) = due(&subscription, gateway.clock.now()) else { return Ok(Vec::new()) };
    let last = last(gateway, key).await?;
    let mut changes = Vec::new();
    match last {
        // Somebody asked anew meanwhile: it goes on from there.
        Some(last) if last.what == What::Handshake && last.id != told.id => {}
        Some(last) if last.state == NoticeState::Waiting && last.id != told.id => {
            let later =
                Notice { revision: last.revision + 1, due, expires_at: gateway.rules.schedule.expires_at(due), ..last };
            changes.push(Change::PutNotice(Box::new(later)));
        }
        Some(last) if last.state.is_open() && last.id != told.id => {}
        _ => changes.extend(make(gateway, vec![wanted(key, What::Heartbeat, due)]).await?),
    }
    // Of heartbeats that were told the last one is enough.
    if told.what == What::Heartbeat && told.sequence > 1 {
        let queue = told.queue();
        let before = gateway.store.notices(&queue, told.sequence - 2, 1).await?;
        let over =
            before.into_iter().filter(|one| one.what == What::Heartbeat && !one.state.is_open() && one.id != told.id);
        let removed: Vec<Removed> = over.map(|one| Removed::Notice(one.id)).collect();
        if !removed.is_empty() {
            changes.push(Change::Remove(removed));
        }
    }
    Ok(changes)
}

/// The endpoint is there: the first event that waits need not wait for its time, which after many attempts may be hours away. Those that
/// are open stand behind all that have ended, so that the first is found by halving.
pub(super) async fn hurried(gateway: &Gateway, key: &ResourceKey) -> Result<Option<Change>, StoreError> {
    let queue = Destination::Subscription { id: key.id.clone() }.queue(&key.compartment);
    let (mut from, mut to) = (0, gateway.store.last_notice(&queue).await?);
    let mut first = None;
    while from < to {
        let middle = from + (to - from) / 2;
        match gateway.store.notices(&queue, middle, 1).await?.pop() {
            Some(notice) if notice.state.is_open() => {
                first = Some(notice);
                to = middle;
            }
            Some(notice) => from = notice.sequence,
            None => to = middle,
        }
    }
    let now = gateway.clock.now();
    let first = first.filter(|first| first.state == NoticeState::Waiting && first.due > now);
    Ok(first.map(|first| Change::PutNotice(Box::new(Notice { revision: first.revision + 1, due: now, ..first }))))
}

/// The changes that end what waits in the pulse.
pub(crate) async fn ended(gateway: &Gateway, key: &ResourceKey) -> Result<Vec<Change>, StoreError> {
    let waiting = last(gateway, key).await?.filter(|last| last.state == NoticeState::Waiting);
    let dropped = waiting.map(|last| {
        let told = Told::NotWanted("The Subscription was changed.".to_owned());
        let next = last.after(&told, gateway.clock.now(), &gateway.rules.schedule, 0.0);
        Change::PutNotice(Box::new(next))
    });
    Ok(dropped.into_iter().collect())
}

/// A handshake, in place of what waits in the pulse.
pub(crate) async fn begun_anew(gateway: &Gateway, key: &ResourceKey) -> Result<Vec<Change>, StoreError> {
    let mut changes = ended(gateway, key).await?;
    changes.extend(make(gateway, vec![wanted(key, What::Handshake, gateway.clock.now())]).await?);
    Ok(changes)
}

/// A heartbeat by the new terms of a Subscription that stays active, in place of the one that waits.
pub(crate) async fn go_on(
    gateway: &Gateway,
    key: &ResourceKey,
    subscription: &Subscription,
) -> Result<Vec<Change>, StoreError> {
    let mut changes = ended(gateway, key).await?;
    if let Some(due) = due(subscription, gateway.clock.now()) {
        changes.extend(make(gateway, vec![wanted(key, What::Heartbeat, due)]).await?);
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::super::key_of;
    use super::*;
    use gateway_core::identity::{Compartment, Owner, TenantId};
    use gateway_core::retry::Schedule;
    use time::macros::datetime;

    #[test]
    fn a_pulse_is_of_its_subscription_and_of_no_queue_of_events() {
        let compartment =
            Compartment { tenant: TenantId("t".to_owned()), owner: Owner::Organisation("A82001".to_owned()) };
        let key = ResourceKey { compartment, kind: super::super::KIND.to_owned(), id: "s1".to_owned() };
        let at = datetime!(2026-06-15 12:00 UTC);
        let notice = wanted(&key, What::Heartbeat, at).notice(7, at, &Schedule::default());
        assert_eq!(key_of(&notice), Some(key.clone()));
        let events = Destination::Subscription { id: "s1".to_owned() };
        assert_ne!(notice.queue(), events.queue(&key.compartment));
        assert_eq!(notice.destination.party(), events.party());
    }
}
