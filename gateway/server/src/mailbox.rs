//! Mail in: what comes into a mailbox of ours is stored as a report of the platform that it is about, and moved away when it is.
//!
//! A mail proves nothing about who wrote it. Here it is only placed; what it may change is decided where reports are read.

use crate::gateway::{Gateway, Platform, log_store_fault};
use crate::store::{CommitError, StoreError};
use crate::transport::mail::{Mailbox, READ_BYTES};
use crate::transport::{Inbox, Place};
use adapter_contract::{Adapter, Cursor, DeliveryError, Reading, Report, ReportSource};
use gateway_core::change::{Change, RawReport, Transaction};
use gateway_core::identity::PlatformId;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Mails that are looked at in one go; more come next.
const PAGE: usize = 50;
/// A mail, as a media type.
const MESSAGE: &str = "message/rfc822";

/// The mailboxes to which platforms answer, each with those platforms, in the order of the configuration.
#[must_use]
pub fn mailboxes(gateway: &Gateway) -> Vec<(Arc<Mailbox>, Vec<PlatformId>)> {
    let mut found: Vec<(Arc<Mailbox>, Vec<PlatformId>)> = Vec::new();
    for platform in gateway.platforms.all() {
        let Some(mail) = &platform.access.mail else { continue };
        match found.iter_mut().find(|(mailbox, _)| mailbox.id == mail.mailbox.id) {
            Some((_, platforms)) => platforms.push(platform.id.clone()),
            None => found.push((Arc::clone(&mail.mailbox), vec![platform.id.clone()])),
        }
    }
    found
}

/// Reads one mailbox at its interval until it is told to stop.
pub async fn worker(gateway: Arc<Gateway>, mailbox: Arc<Mailbox>, platforms: Vec<PlatformId>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = crate::clock::sleep(gateway.clock.as_ref(), mailbox.every) => {}
        }
        // Of several instances one reads: the one that asks the mailbox's first platform.
        let first = platforms.first().and_then(|first| gateway.platform(first));
        if first.is_none_or(|first| first.pace.hold().fence().is_none()) {
            continue;
        }
        match read(&gateway, &mailbox, &platforms, &stop).await {
            Ok(()) => {}
            Err(MailboxError::Server(error)) => {
                tracing::warn!(mailbox = mailbox.id, code = ?error.code, why = error.diagnostic, "a mailbox could not be read; what lies in it waits");
            }
            Err(MailboxError::Store(error)) => log_store_fault("mailbox", &error),
            Err(MailboxError::Commit(error)) => {
                tracing::error!(mailbox = mailbox.id, error = %error, "a mail could not be stored; it stays where it lies");
            }
        }
    }
}

/// Why a look into a mailbox ended early. Nothing is lost: what was not moved lies where it lay.
#[derive(Debug, thiserror::Error)]
pub enum MailboxError {
    /// The mail server did not answer as it should.
    #[error(transparent)]
    Server(#[from] DeliveryError),
    /// Something could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something could not be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Reads what lies in a mailbox, up to the limit.
///
/// # Errors
/// [`MailboxError`]; mails that were looked at before it are stored and moved.
pub async fn read(
    gateway: &Gateway,
    mailbox: &Mailbox,
    platforms: &[PlatformId],
    stop: &CancellationToken,
) -> Result<(), MailboxError> {
    let platforms: Vec<Arc<Platform>> = platforms.iter().filter_map(|id| gateway.platform(id)).collect();
    // A mail server that says nothing holds nobody up who is told to stop.
    let opened = stop.run_until_cancelled(gateway.transport.inbox(mailbox)).await;
    let Some(mut inbox) = opened.transpose()? else { return Ok(()) };
    for _ in 0..gateway.limits.poll_pages {
        let Some(waiting) = stop.run_until_cancelled(inbox.waiting(PAGE)).await.transpose()? else { return Ok(()) };
        for (uid, bytes) in &waiting.mails {
            if stop.is_cancelled() {
                return Ok(());
            }
            // One that was begun ends: it is stored and moved, or lies where it lay.
            let mail = Lying { mailbox, validity: waiting.validity, uid: *uid, bytes: *bytes };
            one(gateway, &platforms, inbox.as_mut(), &mail).await?;
        }
        if waiting.mails.len() < PAGE {
            break;
        }
    }
    Ok(())
}

/// A mail that lies in a mailbox.
struct Lying<'a> {
    mailbox: &'a Mailbox,
    validity: u32,
    uid: u32,
    bytes: usize,
}

impl Lying<'_> {
    /// Under which the place up to which a mailbox is stored is kept. A space stands in no id that somebody wrote without meaning it.
    fn holder(&self) -> PlatformId {
        PlatformId(format!("mailbox {}", self.mailbox.id))
    }

    fn cursor(&self) -> Cursor {
        Cursor(format!("{}/{}", self.validity, self.uid))
    }

    /// Whether it was stored before: it lies here still because moving it failed. Mails get their numbers in ascending order, and are
    /// read in it.
    fn is_behind(&self, cursor: Option<&Cursor>) -> bool {
        let read = cursor.and_then(|cursor| cursor.0.split_once('/'));
        let read = read.and_then(|(validity, uid)| Some((validity.parse::<u32>().ok()?, uid.parse::<u32>().ok()?)));
        read.is_some_and(|(validity, uid)| validity == self.validity && self.uid <= uid)
    }

    /// The same mail at the same place has the same id, so that no race stores it twice.
    fn id(&self, body: &[u8]) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{}\n{}\n{}\n", self.mailbox.id, self.validity, self.uid));
        hash.update(body);
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

async fn one(
    gateway: &Gateway,
    platforms: &[Arc<Platform>],
    inbox: &mut dyn Inbox,
    mail: &Lying<'_>,
) -> Result<(), MailboxError> {
    if mail.is_behind(gateway.store.cursor(&mail.holder()).await?.as_ref()) {
        return Ok(inbox.put_away(mail.uid, Place::Done).await?);
    }
    if mail.bytes > READ_BYTES {
        return unassigned(inbox, mail, "too-long").await;
    }
    // If somebody has taken it away meanwhile, there is nothing to move.
    let Some(body) = inbox.read(mail.uid).await? else { return unassigned(inbox, mail, "not-handed-over").await };
    if body.len() > READ_BYTES {
        return unassigned(inbox, mail, "too-long").await;
    }
    let platform = match placed(gateway, platforms, &body).await? {
        Ok(Some(platform)) => platform,
        // Automatic answers, and word that a mail has arrived or is late.
        Ok(None) => return Ok(inbox.put_away(mail.uid, Place::Done).await?),
        Err(reason) => return unassigned(inbox, mail, reason).await,
    };
    let report = RawReport {
        id: mail.id(&body),
        platform,
        source: ReportSource::Mail,
        content_type: Some(MESSAGE.to_owned()),
        received: gateway.clock.now(),
        body,
        begun: 0,
    };
    let cursor = Change::PutCursor { platform: mail.holder(), cursor: mail.cursor() };
    let changes = vec![Change::ReceiveReport(report), cursor];
    gateway.commit(Transaction { checks: Vec::new(), changes }).await?;
    Ok(inbox.put_away(mail.uid, Place::Done).await?)
}

/// Puts a mail where a person looks at it.
async fn unassigned(inbox: &mut dyn Inbox, mail: &Lying<'_>, reason: &str) -> Result<(), MailboxError> {
    inbox.put_away(mail.uid, Place::Unassigned).await?;
    tracing::warn!(
        mailbox = mail.mailbox.id,
        uid = mail.uid,
        bytes = mail.bytes,
        reason,
        "a mail belongs to no referral that we know; it was moved to the folder for such mail"
    );
    Ok(())
}

/// Who reads the mail of a platform.
fn reader(platform: &Platform) -> &Arc<dyn Adapter> {
    platform.status_link.as_ref().map_or(&platform.adapter, |way| &way.adapter)
}

/// The platform of the referral that a mail speaks of, or why there is none.
async fn placed(
    gateway: &Gateway,
    platforms: &[Arc<Platform>],
    body: &[u8],
) -> Result<Result<Option<PlatformId>, &'static str>, StoreError> {
    let report = Report { source: ReportSource::Mail, content_type: Some(MESSAGE), body };
    // Platforms of one mailbox share an adapter, as a rule: each reads once.
    let mut read: Vec<(&str, Vec<Reading>)> = Vec::new();
    for platform in platforms {
        let adapter = reader(platform);
        let name = adapter.descriptor().name.as_str();
        if !read.iter().any(|(known, _)| *known == name) {
            read.extend(adapter.read_report(&report).ok().map(|readings| (name, readings)));
        }
    }
    let mut spoken_of = false;
    for platform in platforms {
        let name = reader(platform).descriptor().name.as_str();
        let readings = read.iter().find(|(known, _)| *known == name).map(|(_, readings)| readings);
        for reading in readings.into_iter().flatten() {
            spoken_of = true;
            let (own, key) = match reading {
                Reading::Status(status) => (&status.platform_referral, status.key.as_ref()),
                Reading::Changed(name) => (name, None),
            };
            if gateway.store.referral_at_platform(&platform.id, own, key).await?.is_some() {
                return Ok(Ok(Some(platform.id.clone())));
            }
        }
    }
    Ok(match (read.is_empty(), spoken_of) {
        (true, _) => Err("unreadable"),
        (false, false) => Ok(None),
        (false, true) => Err("unknown-referral"),
    })
}
