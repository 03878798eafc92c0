//! Mail in: one mailbox over one connection (IMAP4rev1, RFC 3501; MOVE, RFC 6851; UIDPLUS, RFC 4315). The only file that knows the IMAP
//! library.
//!
//! Nothing is deleted: a mail that was looked at is moved. What a server says in words is not repeated, for it may quote mail, and how much
//! of it is read is bounded everywhere.

use super::mail::wire::{Bounded, Stream, not_connected, tls_refused};
use super::mail::{Folders, Mailbox, READ_BYTES, When};
use super::{HttpTransport, Inbox, Place, Waiting};
use adapter_contract::{DeliveryError, FailureCode};
use async_imap::error::Error;
use async_imap::{Client, Session};
use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::timeout;

/// One command is given so long, whatever drips.
const ANSWER: Duration = Duration::from_secs(30);
/// Bytes that a server says to a command that hands over no mail, at most: the numbers of a hundred thousand mails.
const SAID: usize = 1024 * 1024;
/// Beside the mail itself.
const BESIDE: usize = 64 * 1024;

type Wire = Bounded<Stream>;

/// A mailbox that is open.
struct Open {
    session: Session<Wire>,
    folders: Folders,
    validity: u32,
    moves: bool,
    expunges: bool,
}

/// A failure of a command, in our words.
fn failed(error: &Error, what: &str) -> DeliveryError {
    let (code, words) = match error {
        Error::No(_) => (FailureCode::Refused, format!("The mail server refuses to {what}.")),
        Error::Bad(_) => {
            (FailureCode::Refused, format!("The mail server does not understand how we ask it to {what}."))
        }
        Error::Validate(_) => {
            (FailureCode::Refused, format!("We cannot ask the mail server to {what}: see to the names of folders."))
        }
        Error::Io(_) | Error::ConnectionLost => (
            FailureCode::NoAnswer,
            format!("The connection to the mail server ended, or it said too much, when it was to {what}."),
        ),
        _ => (FailureCode::NoAnswer, format!("The mail server did not answer as IMAP has it when it was to {what}.")),
    };
    DeliveryError::new(code, words)
}

/// Waits for a command.
async fn within<T>(what: &str, command: impl Future<Output = Result<T, Error>>) -> Result<T, DeliveryError> {
    let late = |_| DeliveryError::new(FailureCode::NoAnswer, format!("The mail server took too long to {what}."));
    timeout(ANSWER, command).await.map_err(late)?.map_err(|error| failed(&error, what))
}

/// Opens a mailbox.
pub(super) async fn open(transport: &HttpTransport, mailbox: &Mailbox) -> Result<Box<dyn Inbox>, DeliveryError> {
    let connected = timeout(ANSWER, connect(transport, mailbox)).await;
    let client = connected.map_err(|_| not_connected("The mail server did not answer in time."))??;
    let (username, password) = (&mailbox.imap.username, mailbox.imap.password.reveal());
    let session = timeout(ANSWER, client.login(username, password)).await;
    let session = session.map_err(|_| not_connected("The mail server did not answer our login in time."))?;
    let mut session = session.map_err(|(error, _)| match error {
        Error::No(_) => {
            let words = "The mail server does not know the configured user by this password. See to `username` and `password` of `imap`.";
            DeliveryError::new(FailureCode::HttpStatus(401), words)
        }
        other => failed(&other, "let us in"),
    })?;
    let can = within("say what it can", session.capabilities()).await?;
    let (moves, expunges) = (can.has_str("MOVE"), can.has_str("UIDPLUS"));
    let folders = mailbox.folders.clone();
    let selected = within("open the folder of what comes", session.select(quotable(&folders.inbox)?)).await?;
    let words = "The mail server gives mails no lasting numbers (UIDVALIDITY), so that it cannot be read safely.";
    let validity = selected.uid_validity.ok_or_else(|| DeliveryError::new(FailureCode::Refused, words))?;
    Ok(Box::new(Open { session, folders, validity, moves, expunges }))
}

async fn connect(transport: &HttpTransport, mailbox: &Mailbox) -> Result<Client<Wire>, DeliveryError> {
    let server = &mailbox.imap;
    let (lookup, allowed, trust) = (transport.lookup.as_ref(), &mailbox.allowed, &mailbox.trust);
    let bounded = |stream| Bounded::for_imap(stream, SAID, READ_BYTES + 1, SAID);
    let mut client = Client::new(bounded(Stream::open(server, lookup, allowed, trust).await?));
    let greeting = client.read_response().await;
    if !matches!(greeting, Ok(Some(_))) {
        return Err(not_connected("What answers is no IMAP server."));
    }
    if server.tls != When::StartTls {
        return Ok(client);
    }
    client.run_command_and_check_ok("STARTTLS", None).await.map_err(|_| tls_refused())?;
    // What came in clear behind the answer is thrown away with the client.
    let Stream::Clear(stream) = client.into_inner().into_inner() else { return Err(tls_refused()) };
    Ok(Client::new(bounded(Stream::encrypt(stream, &server.host, trust).await?)))
}

/// A folder as the library takes it.
fn quotable(folder: &str) -> Result<&str, DeliveryError> {
    if folder.contains(['\r', '\n', '\0']) {
        return Err(DeliveryError::new(
            FailureCode::Refused,
            "A folder of the mailbox has a name that cannot be said.",
        ));
    }
    Ok(folder)
}

#[async_trait]
impl Inbox for Open {
    async fn waiting(&mut self, most: usize) -> Result<Waiting, DeliveryError> {
        self.session.get_mut().allow(SAID);
        let found = within("list what has come", self.session.uid_search("UNDELETED")).await?;
        let mut found: Vec<u32> = found.into_iter().collect();
        found.sort_unstable();
        found.truncate(most);
        let mut sizes = BTreeMap::new();
        if !found.is_empty() {
            let set: Vec<String> = found.iter().map(ToString::to_string).collect();
            self.session.get_mut().allow(SAID);
            let command = async {
                let fetched = self.session.uid_fetch(set.join(","), "(UID RFC822.SIZE)").await?;
                fetched.try_collect::<Vec<_>>().await
            };
            let fetched = within("say how long each mail is", command).await?;
            sizes.extend(fetched.iter().filter_map(|one| Some((one.uid?, usize::try_from(one.size?).ok()?))));
        }
        // One whose length nobody said is read as far as one may be.
        let mails = found.into_iter().map(|uid| (uid, sizes.get(&uid).copied().unwrap_or_default())).collect();
        Ok(Waiting { validity: self.validity, mails })
    }

    async fn read(&mut self, uid: u32) -> Result<Option<Vec<u8>>, DeliveryError> {
        self.session.get_mut().allow(READ_BYTES + BESIDE);
        let command = async {
            // A byte more than may be, so that it shows; what a server says of the length may be a guess.
            let part = format!("(UID BODY.PEEK[]<0.{}>)", READ_BYTES + 1);
            let fetched = self.session.uid_fetch(uid.to_string(), part).await?;
            fetched.try_collect::<Vec<_>>().await
        };
        let fetched = within("hand over a mail", command).await?;
        let own = fetched.iter().find(|fetched| fetched.uid == Some(uid));
        Ok(own.and_then(|fetched| fetched.body()).map(<[u8]>::to_vec))
    }

    async fn put_away(&mut self, uid: u32, place: Place) -> Result<(), DeliveryError> {
        self.session.get_mut().allow(SAID);
        let folder = match place {
            Place::Done => self.folders.done.clone(),
            Place::Unassigned => self.folders.unassigned.clone(),
        };
        let folder = quotable(&folder)?;
        let first = timeout(ANSWER, self.hand_on(uid, folder)).await;
        match first {
            Ok(Ok(())) => return Ok(()),
            // It is not there yet, most likely. Whether it could be made shows in the second attempt.
            Ok(Err(Error::No(_))) => drop(timeout(ANSWER, self.session.create(folder)).await),
            Ok(Err(error)) => return Err(failed(&error, "move a mail")),
            Err(_) => {
                return Err(DeliveryError::new(FailureCode::NoAnswer, "The mail server took too long to move a mail."));
            }
        }
        within("move a mail", self.hand_on(uid, folder)).await
    }
}

impl Open {
    /// Moves a mail. Where the server cannot, it is copied, and the one that stays is marked; only this one is ever expunged.
    async fn hand_on(&mut self, uid: u32, folder: &str) -> Result<(), Error> {
        let uid = uid.to_string();
        if self.moves {
            return self.session.uid_mv(&uid, folder).await;
        }
        self.session.uid_copy(&uid, folder).await?;
        let marked = self.session.uid_store(&uid, "+FLAGS.SILENT (\\Deleted)").await?;
        marked.try_collect::<Vec<_>>().await?;
        if self.expunges {
            let gone = self.session.uid_expunge(&uid).await?;
            gone.try_collect::<Vec<_>>().await?;
        }
        Ok(())
    }
}
