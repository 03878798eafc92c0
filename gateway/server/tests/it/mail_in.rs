//! Mail in, against the real Dovecot: what an organisation answers, what comes back undelivered, and what nobody can place.

use crate::mail::{CANARY, Log, Way, delivered, mail, platform, request, server, world};
use crate::support::{World, eventually};
use adapter_contract::{Answer, DeliveryError, FailureCode, HttpRequest, MailRequest};
use async_trait::async_trait;
use conformance_tests::mail_server::Pair;
use gateway_core::change::RawReport;
use gateway_core::identity::PlatformId;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use vcse_gateway::gateway::{Platform, Secret};
use vcse_gateway::mailbox::{self, MailboxError};
use vcse_gateway::store::memory::MemoryStore;
use vcse_gateway::transport::mail::{Mailbox, READ_BYTES};
use vcse_gateway::transport::{HttpTransport, Inbox, Names, Place, Transport, Waiting};

/// Looks into the mailbox now.
pub(crate) async fn look(world: &World) -> Result<(), MailboxError> {
    let gateway = &world.running.gateway;
    let own = platform(world).access.mail.as_ref().map(|mail| Arc::clone(&mail.mailbox)).unwrap();
    mailbox::read(gateway, &own, &[PlatformId("besides".to_owned())], &CancellationToken::new()).await
}

/// What was stored of the mailbox.
pub(crate) async fn stored(world: &World) -> Vec<RawReport> {
    let end = OffsetDateTime::from_unix_timestamp(4_000_000_000).unwrap();
    world.store().raw_reports(end, 100).await.unwrap()
}

fn replies(pair: &Pair, key: &str) -> String {
    pair.ours.address().replacen('@', &format!("+{key}@"), 1)
}

/// The organisation answers.
fn reply(pair: &Pair, key: &str, body: &str) {
    let text = format!("From: {}\r\nSubject: Re: A new referral\r\n{body}\r\n", pair.theirs.address());
    pair.theirs.send(pair.theirs.address(), &replies(pair, key), &text).unwrap();
}

#[tokio::test]
async fn the_worker_fetches_a_reply_that_moves_the_task() {
    let Some(server) = server() else { return };
    for tls in ["implicit", "starttls"] {
        let pair = server.pair();
        let world = world(server, &pair, Way { tls, every: 1, ..Way::default() }).await;
        let (task, key) = delivered(&world, 0).await;
        reply(&pair, &key, "\r\nyes, gladly");
        world.task_becomes(&task, "accepted").await;
        let stored = stored(&world).await;
        assert_eq!(stored.len(), 1);
        assert!(String::from_utf8_lossy(&stored[0].body).contains("yes, gladly"));
        // While it is moved it lies in both.
        let folders = || ["", "Processed", "Unassigned"].map(|folder| pair.ours.mail(folder).len());
        eventually("the mail in Processed", || async { (folders() == [0, 1, 0]).then_some(()) }).await;
        world.stop().await;
    }
}

/// Loses the first mail that is to be moved.
struct Breaking {
    through: HttpTransport,
    moves: Arc<AtomicUsize>,
}

struct Broken {
    through: Box<dyn Inbox>,
    moves: Arc<AtomicUsize>,
}

#[async_trait]
impl Transport for Breaking {
    async fn send(&self, platform: &Platform, request: &HttpRequest, names: &Names) -> Result<Answer, DeliveryError> {
        self.through.send(platform, request, names).await
    }

    async fn mail(
        &self,
        platform: &Platform,
        request: &MailRequest,
        link: &Secret,
        names: &Names,
    ) -> Result<Answer, DeliveryError> {
        self.through.mail(platform, request, link, names).await
    }

    async fn inbox(&self, mailbox: &Mailbox) -> Result<Box<dyn Inbox>, DeliveryError> {
        let through = self.through.inbox(mailbox).await?;
        Ok(Box::new(Broken { through, moves: Arc::clone(&self.moves) }))
    }
}

#[async_trait]
impl Inbox for Broken {
    async fn waiting(&mut self, most: usize) -> Result<Waiting, DeliveryError> {
        self.through.waiting(most).await
    }

    async fn read(&mut self, uid: u32) -> Result<Option<Vec<u8>>, DeliveryError> {
        self.through.read(uid).await
    }

    async fn put_away(&mut self, uid: u32, place: Place) -> Result<(), DeliveryError> {
        if self.moves.fetch_add(1, Ordering::SeqCst) == 0 {
            return Err(DeliveryError::new(FailureCode::NoAnswer, "Broken off."));
        }
        self.through.put_away(uid, place).await
    }
}

#[tokio::test]
async fn a_mail_that_was_stored_and_not_moved_is_stored_once_across_a_restart() {
    let Some(server) = server() else { return };
    let pair = server.pair();
    let store = Arc::new(MemoryStore::new());
    let transport = Breaking { through: HttpTransport::new().unwrap(), moves: Arc::default() };
    let way = || Way { store: Arc::<MemoryStore>::clone(&store), ..Way::default() };
    let first = world(server, &pair, Way { transport: Some(Arc::new(transport)), ..way() }).await;
    let (task, key) = delivered(&first, 0).await;
    reply(&pair, &key, "\r\nyes");
    pair.ours.await_mail(1);
    assert!(matches!(look(&first).await, Err(MailboxError::Server(_))));
    assert_eq!((stored(&first).await.len(), pair.ours.mail("").len()), (1, 1));
    first.stop().await;
    let second = world(server, &pair, way()).await;
    look(&second).await.unwrap();
    assert_eq!((stored(&second).await.len(), pair.ours.mail("").len(), pair.ours.mail("Processed").len()), (1, 0, 1));
    second.task_becomes(&task, "accepted").await;
    // Another one is another one, though it says the same.
    reply(&pair, &key, "\r\nyes");
    pair.ours.await_mail(1);
    look(&second).await.unwrap();
    assert_eq!((stored(&second).await.len(), pair.ours.mail("Processed").len()), (2, 2));
    second.stop().await;
}

#[tokio::test]
async fn what_comes_back_undelivered_is_placed_by_its_address() {
    let Some(server) = server() else { return };
    let pair = server.pair();
    let world = world(server, &pair, Way { to: Some(pair.unknown()), ..Way::default() }).await;
    let (task, key) = delivered(&world, 0).await;
    assert_eq!(mail(&world, &request(&key)).await, Ok(Answer::Mailed), "taken, and returned afterwards");
    let came = pair.ours.await_mail(1).remove(0);
    assert!(came.contains("report-type=delivery-status") && came.contains("Status: 5.1.1"), "{came}");
    look(&world).await.unwrap();
    assert_eq!(stored(&world).await.len(), 1);
    world.task_becomes(&task, "failed").await;
    world.stop().await;
}

#[tokio::test]
async fn a_reply_in_html_alone_is_handed_on_as_it_came() {
    let Some(server) = server() else { return };
    let pair = server.pair();
    let world = world(server, &pair, Way::default()).await;
    let (task, key) = delivered(&world, 0).await;
    reply(&pair, &key, "MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<p>yes</p>");
    pair.ours.await_mail(1);
    look(&world).await.unwrap();
    let task = world.task_becomes(&task, "accepted").await;
    assert!(task.to_string().contains("It came as HTML."), "{task}");
    world.stop().await;
}

#[tokio::test]
async fn mail_that_nobody_can_place_is_put_where_a_person_looks() {
    let Some(server) = server() else { return };
    let (pair, log) = (server.pair(), Log::listen());
    let world = world(server, &pair, Way::default()).await;
    let (_, key) = delivered(&world, 0).await;
    let to_us = |to: &str, text: &str| pair.theirs.send(pair.theirs.address(), to, text).unwrap();
    to_us(pair.ours.address(), &format!("Subject: {CANARY} one\r\n\r\n{CANARY} asks how we are.\r\n"));
    to_us(&replies(&pair, "nobody-knows-it"), &format!("Subject: {CANARY} two\r\n\r\nyes\r\n"));
    to_us(&replies(&pair, &key), &format!("Subject: {CANARY} three\r\n\r\nunreadable\r\n"));
    let automatic = format!("Auto-Submitted: auto-replied\r\nSubject: {CANARY} away\r\n\r\nBack on Monday.\r\n");
    to_us(&replies(&pair, &key), &automatic);
    pair.ours.await_mail(4);
    let huge = "x".repeat(76) + "\r\n";
    to_us(&replies(&pair, &key), &format!("Subject: {CANARY} four\r\n\r\nyes\r\n{}", huge.repeat(READ_BYTES / 77 + 1)));
    pair.ours.await_mail(5);
    look(&world).await.unwrap();
    let put = pair.ours.mail("Unassigned");
    // What says nothing is done with; nobody has to look at it.
    assert_eq!((put.len(), pair.ours.mail("").len(), pair.ours.mail("Processed").len()), (4, 0, 1));
    assert!(put.iter().any(|mail| mail.len() > READ_BYTES), "whole");
    assert!(stored(&world).await.is_empty());
    let text = log.text();
    for reason in ["unknown-referral", "unreadable", "too-long"] {
        assert!(text.contains(&format!("reason=\"{reason}\"")), "{reason}: {text}");
    }
    // Nothing is told twice: they lie there no more.
    look(&world).await.unwrap();
    assert_eq!(log.text().matches("belongs to no referral").count(), 4);
    world.stop().await;
    log.holds_nothing_of(&pair);
}

#[tokio::test]
async fn a_mailbox_that_does_not_open_is_told_by_codes_alone() {
    let Some(server) = server() else { return };
    let pair = server.pair();
    for (way, code) in [
        (Way { password: Some("wrong-horse"), ..Way::default() }, FailureCode::HttpStatus(401)),
        (Way { known: false, ..Way::default() }, FailureCode::TlsRefused),
        (Way { known: false, tls: "starttls", ..Way::default() }, FailureCode::TlsRefused),
    ] {
        let world = world(server, &pair, way).await;
        let Err(MailboxError::Server(error)) = look(&world).await else { panic!("it opens") };
        assert_eq!(error.code, code, "{error}");
        assert!(!format!("{error:?}").contains('@'), "{error:?}");
        world.stop().await;
    }
}
