//! The way in: the passphrase opens a link, once; and whoever has an old link can ask for a new one. What is answered never depends on
//! whether there is such a link.

use super::session::set_cookie;
use super::{Fault, Reply, at, pages};
use crate::chance::sha256;
use crate::gateway::{Gateway, is_race};
use crate::http::pages::form::Form;
use crate::passphrase;
use crate::store::{CommitError, StoreError};
use axum::body::Body;
use axum::http::StatusCode;
use gateway_core::change::{Change, Transaction};
use gateway_core::status_link::{Again, StatusLink, ask_again};
use std::net::IpAddr;

/// A passphrase for a link.
pub(super) async fn open(gateway: &Gateway, name: &str, body: Body, from: IpAddr) -> Result<Reply, Fault> {
    let secret_sha256 = sha256(name.as_bytes());
    gateway.admission.pages.attempt(from, &secret_sha256).map_err(Fault::TooMany)?;
    let form = Form::read(gateway, body).await?;
    if !form.field("new").is_empty() {
        return ask(gateway, &secret_sha256).await;
    }
    let link = gateway.store.link_by_secret(&secret_sha256).await?;
    let platform = link.as_ref().and_then(|link| gateway.platform(&link.platform));
    let way = platform.and_then(|platform| platform.status_link.clone());
    let now = gateway.clock.now();
    // What may not be tried is compared with nobody's, and takes as long.
    let tried = link.zip(way).filter(|(link, _)| link.may_be_tried(now));
    let hash = tried.as_ref().map(|(_, way)| way.passphrase_hash.clone());
    let right = {
        let _place = gateway.admission.pages.look().await.ok_or(Fault::Busy)?;
        let given = form.field("passphrase").to_owned();
        let compared = move || passphrase::is_right(hash.as_ref().map(|hash| hash.reveal()), &given);
        tokio::task::spawn_blocking(compared).await.map_err(|_| Fault::Busy)?
    };
    let Some((link, way)) = tried else { return Ok(not_right(gateway)) };
    if !right {
        let (id, platform) = (link.id.clone(), link.platform.clone());
        keep(gateway, link, &|link| link.refused(gateway.clock.now())).await?;
        tracing::warn!(link = id, platform = platform.0, "a status link was tried with a wrong passphrase");
        return Ok(not_right(gateway));
    }
    let session = gateway.chance.link_secret();
    let hash = sha256(session.as_bytes());
    let opened = keep(gateway, link, &|link| link.opened(hash.clone(), gateway.clock.now() + way.stays_open)).await?;
    Ok(if opened { Reply::See("referral", Some(set_cookie(&session))) } else { not_right(gateway) })
}

fn not_right(gateway: &Gateway) -> Reply {
    Reply::Page(StatusCode::FORBIDDEN, pages::door(at(gateway), true))
}

/// Stores what has become of a link. Where others wrote first it is looked at again; false if by then nothing may be tried.
async fn keep(
    gateway: &Gateway,
    mut link: StatusLink,
    next: &(dyn Fn(&StatusLink) -> StatusLink + Sync),
) -> Result<bool, Fault> {
    for _ in 0..=gateway.limits.conflict_retries {
        let changes = vec![Change::PutLink(Box::new(next(&link)))];
        match gateway.commit(Transaction { checks: Vec::new(), changes }).await {
            Ok(()) => return Ok(true),
            Err(error) if is_race(&error) => {}
            Err(error) => return Err(error.into()),
        }
        match gateway.store.link_by_secret(&link.secret_sha256).await? {
            Some(now) if now.may_be_tried(gateway.clock.now()) => link = now,
            _ => return Ok(false),
        }
    }
    Err(Fault::Busy)
}

/// The wish for a new link.
pub(super) async fn again(gateway: &Gateway, name: &str, from: IpAddr) -> Result<Reply, Fault> {
    let secret_sha256 = sha256(name.as_bytes());
    gateway.admission.pages.attempt(from, &secret_sha256).map_err(Fault::TooMany)?;
    ask(gateway, &secret_sha256).await
}

async fn ask(gateway: &Gateway, secret_sha256: &str) -> Result<Reply, Fault> {
    for _ in 0..=gateway.limits.conflict_retries {
        match mail(gateway, secret_sha256).await? {
            Ok(()) => return Ok(Reply::Page(StatusCode::OK, pages::asked_again(at(gateway)))),
            Err(error) if is_race(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Fault::Busy)
}

/// Queues the mail, if there is one to be sent.
async fn mail(gateway: &Gateway, secret_sha256: &str) -> Result<Result<(), CommitError>, StoreError> {
    let Some(link) = gateway.store.link_by_secret(secret_sha256).await? else { return Ok(Ok(())) };
    let Some(referral) = gateway.store.referral(&link.referral).await? else { return Ok(Ok(())) };
    let asked = gateway.platform(&link.platform).is_some_and(|platform| platform.status_link.is_some());
    if !asked || referral.platform.as_ref() != Some(&link.platform) {
        return Ok(Ok(()));
    }
    let from = Again {
        referral: &referral,
        links: &gateway.store.links(&referral.id).await?,
        outbox: &gateway.store.outbox(&referral.id).await?,
        schedule: &gateway.rules.schedule,
        now: gateway.clock.now(),
    };
    match ask_again(&from, gateway.new_id()) {
        Some(transaction) => Ok(gateway.commit(transaction).await),
        None => Ok(Ok(())),
    }
}
