//! Events: what may be told of them at this moment, and the post to the endpoint.

use super::pulse::{Agreed, agreed};
use super::{GONE, Kept, Subscriber, SubscriptionWay, client_of};
use crate::gateway::{Gateway, is_race};
use crate::ingest::parse;
use crate::store::{CommitError, SearchQuery, StoreError, UpdatedRange};
use crate::transport::hook::Hooked;
use crate::view::{View, ViewError};
use crate::webhooks::{ID, SIGNATURE, TIMESTAMP};
use gateway_core::change::{AuditRecord, Change, Check, Transaction};
use gateway_core::consent::{Kept as Withheld, Stage, Verdict};
use gateway_core::identity::{Compartment, GATEWAY_AUTHOR};
use gateway_core::notify::{Destination, Notice, NoticeState, Told, What};
use gateway_core::referral::ReferralId;
use gateway_core::resource::{ResourceKey, Token};
use gateway_core::subscription::{Content, Event, Notification, Shape, Status};
use gateway_core::task::derived_id;
use gateway_fhir::Json;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// Tells the events that wait in a row, from this one on.
pub(super) async fn tell(
    gateway: &Gateway,
    way: &SubscriptionWay,
    notice: &Notice,
    kept: &Kept,
    subscriber: &Subscriber,
) -> Result<Told, StoreError> {
    match agreed(gateway, &kept.stored.key).await? {
        Agreed::Yes => {}
        Agreed::NotYet => {
            let failure = "The endpoint has not answered the handshake yet.".to_owned();
            return Ok(Told::Later { failure, retry_after: None });
        }
        Agreed::No => {
            let words = "The endpoint refused the handshake. What it missed can be asked for by $events.";
            return Ok(Told::NotWanted(words.to_owned()));
        }
    }
    let more = kept.subscription.max_count.saturating_sub(1);
    let mut batch = vec![notice.clone()];
    if more > 0 {
        let behind = gateway.store.notices(&notice.queue(), notice.sequence, more).await?;
        let now = gateway.clock.now();
        let in_a_row = behind.into_iter().take_while(|other| other.state == NoticeState::Waiting && other.due <= now);
        batch.extend(in_a_row);
    }
    let Some(events) = let_go(gateway, kept, &batch).await? else {
        let failure = "What the person consents to is being written all the time.".to_owned();
        return Ok(Told::Later { failure, retry_after: None });
    };
    let newest = batch.last().map_or(notice.sequence, |last| last.sequence);
    // The same events have the same name at each attempt; others have another.
    let name = derived_id(&["events", &notice.id, &newest.to_string()]);
    let post_of = Post { shape: Shape::EventNotification, name: &name, events: &events };
    let hooked = post(gateway, kept, subscriber, post_of).await?;
    let told = answered(&hooked);
    if told == Told::Sent {
        way.took(notice, batch.into_iter().skip(1).map(|other| other.id).collect());
    }
    Ok(told)
}

/// What may be told of these, held to the consents by which that was decided, and on record before it leaves. `None` if others write
/// Consents all the time.
async fn let_go(gateway: &Gateway, kept: &Kept, batch: &[Notice]) -> Result<Option<Vec<Event>>, StoreError> {
    let key = &kept.stored.key;
    for _ in 0..=gateway.limits.conflict_retries {
        let (events, mut checks) = events(gateway, &key.compartment, batch, kept.subscription.content).await?;
        let whole: Vec<String> = events
            .iter()
            .filter_map(|event| Some((event.focus.as_ref()?, event.resource.as_ref()?.0)))
            .map(|(focus, version)| format!("{focus}/_history/{version}"))
            .collect();
        if whole.is_empty() {
            return Ok(Some(events));
        }
        checks.dedup();
        let line = AuditRecord {
            tenant: key.compartment.tenant.clone(),
            at: gateway.clock.now(),
            actor: GATEWAY_AUTHOR.to_owned(),
            action: "tell".to_owned(),
            referral: batch.first().and_then(|notice| notice.referral.clone()),
            detail: json!({ "subscription": key.id, "client": client_of(&kept.stored), "resources": whole }),
        };
        match gateway.commit(Transaction { checks, changes: vec![Change::Audit(line)] }).await {
            Ok(()) => return Ok(Some(events)),
            // A Consent was written since: decide anew.
            Err(error) if is_race(&error) => {}
            Err(CommitError::Store(error)) => return Err(error),
            Err(CommitError::Refused(refused)) => return Err(StoreError::Engine(refused.to_string())),
        }
    }
    Ok(None)
}

/// What may be told of these at this moment, and what must still hold when it is.
pub(crate) async fn events(
    gateway: &Gateway,
    compartment: &Compartment,
    notices: &[Notice],
    content: Content,
) -> Result<(Vec<Event>, Vec<Check>), StoreError> {
    let mut may: BTreeMap<ResourceKey, bool> = BTreeMap::new();
    let mut checks = Vec::new();
    let mut events = Vec::with_capacity(notices.len());
    for notice in notices {
        let What::Version { kind, id, .. } = &notice.what else { continue };
        let key = ResourceKey { compartment: compartment.clone(), kind: kind.clone(), id: id.clone() };
        let mut event = Event { number: notice.sequence, at: notice.made, focus: None, resource: None };
        // Erased meanwhile: that there was an event is all that is left.
        if let Some(stored) = gateway.store.resource(&key, None).await? {
            event.focus = Some(key.reference());
            if let (Content::FullResource, Some(document)) = (content, parse(&stored)) {
                let permitted = match may.get(&key) {
                    Some(known) => *known,
                    None => {
                        let (permitted, check) = may_hold(gateway, &key, &document).await?;
                        checks.extend(check);
                        permitted
                    }
                };
                may.insert(key, permitted);
                event.resource = permitted.then_some((stored.version, document));
            }
        }
        events.push(event);
    }
    Ok((events, checks))
}

/// Whether the resource itself may leave now, by the consents that are stored at this moment, decided for what is told back to the
/// sender; and that these still stand. What was the sender's alone until now, and went to no platform, is the sender's.
async fn may_hold(gateway: &Gateway, key: &ResourceKey, document: &Json) -> Result<(bool, Option<Check>), StoreError> {
    let Some(referral) = referral_of(gateway, key, document).await? else { return Ok((true, None)) };
    let view = match View::load(gateway, &referral).await {
        Ok(view) => view,
        Err(ViewError::Store(error)) => return Err(error),
        Err(ViewError::Missing(_) | ViewError::Erased) => return Ok((false, None)),
    };
    let Some(id) = view.standing.referral.platform.clone() else { return Ok((true, None)) };
    // Of a recipient that is not known any more nobody can say what it may tell.
    let Some(platform) = gateway.platform(&id) else { return Ok((false, None)) };
    let consents = view.consents(gateway).await?;
    let needs = &platform.adapter.descriptor().data_needs;
    let decided = view.decision(gateway, &platform.id, needs, Stage::Relay, &consents, &BTreeMap::new()).await?;
    let withheld = view.kept(gateway, &platform, &consents).await?;
    let permitted = decided.verdict == Verdict::Permit && withheld == Withheld::Nothing;
    Ok((permitted, view.unchanged(&consents)))
}

/// The referral that a Task or ServiceRequest belongs to. A Task that has none of its own belongs to that of the Task which it is part of.
pub(super) async fn referral_of(
    gateway: &Gateway,
    key: &ResourceKey,
    document: &Json,
) -> Result<Option<ReferralId>, StoreError> {
    let tasks: Vec<String> = if key.kind == "Task" {
        let whole = document.items("partOf").iter().filter_map(|part| part.text("reference")?.strip_prefix("Task/"));
        std::iter::once(key.id.clone()).chain(whole.map(str::to_owned)).collect()
    } else {
        let query = SearchQuery {
            compartment: key.compartment.clone(),
            kind: "Task".to_owned(),
            all_of: vec![vec![Token::new("focus", key.reference())]],
            updated: UpdatedRange::default(),
            after: 0,
            up_to: None,
            limit: 9,
            count: false,
        };
        gateway.store.search(&query).await?.rows.into_iter().map(|(_, stored)| stored.key.id).collect()
    };
    for task in tasks {
        if let Some(referral) = gateway.store.referral_by_task(&key.compartment, &task).await? {
            return Ok(Some(referral.id));
        }
    }
    Ok(None)
}

/// What is posted.
pub(super) struct Post<'a> {
    pub(super) shape: Shape,
    /// `webhook-id` and `Bundle.id`.
    pub(super) name: &'a str,
    pub(super) events: &'a [Event],
}

/// Posts a notification, signed.
pub(super) async fn post(
    gateway: &Gateway,
    kept: &Kept,
    subscriber: &Subscriber,
    post: Post<'_>,
) -> Result<Hooked, StoreError> {
    let key = &kept.stored.key;
    let queue = Destination::Subscription { id: key.id.clone() }.queue(&key.compartment);
    let since_start = gateway.store.last_notice(&queue).await?;
    let now = gateway.clock.now();
    let status = match (post.shape, kept.subscription.status) {
        // Whoever reads it is being told: it is active for them.
        (Shape::EventNotification | Shape::Heartbeat, Status::Error) => Status::Active,
        (_, status) => status,
    };
    let notification = Notification {
        base_url: &gateway.base_url,
        id: post.name,
        subscription: &key.id,
        topic: kept.subscription.interest.topic,
        status,
        content: kept.subscription.content,
        shape: post.shape,
        since_start,
        events: post.events,
        error: None,
        now,
    };
    let body = notification.bundle().to_text().into_bytes();
    let signed = subscriber.keys.sign(post.name, now, &body);
    let mut headers: Vec<(&str, &str)> =
        vec![(ID, &signed.id), (TIMESTAMP, &signed.timestamp), (SIGNATURE, &signed.signature)];
    if let Some(authorization) = &subscriber.authorization {
        headers.push(("authorization", authorization.reveal()));
    }
    let patience = Duration::from_secs(u64::from(kept.subscription.timeout_seconds));
    Ok(subscriber.hook.post(&kept.subscription.endpoint, &headers, body, patience).await)
}

/// What an answer means. Nothing but 2xx is one that took it.
pub(super) fn answered(hooked: &Hooked) -> Told {
    match hooked {
        Hooked::Answered { status: 200..=299, .. } => Told::Sent,
        Hooked::Answered { status: 410, .. } => Told::NotWanted(GONE.to_owned()),
        Hooked::Answered { status, retry_after } => {
            Told::Later { failure: format!("The endpoint answered {status}."), retry_after: *retry_after }
        }
        Hooked::Silent(words) => Told::Later { failure: (*words).to_owned(), retry_after: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_that_says_so_took_it() {
        let answer = |status| answered(&Hooked::Answered { status, retry_after: Some(9) });
        assert!([200, 201, 202, 204].into_iter().all(|status| answer(status) == Told::Sent));
        assert_eq!(answer(410), Told::NotWanted(GONE.to_owned()));
        for status in [100, 301, 307, 400, 401, 404, 429, 500, 503] {
            assert!(matches!(answer(status), Told::Later { retry_after: Some(9), .. }), "{status}");
        }
    }
}
