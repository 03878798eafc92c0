//! Files over SFTP: ours go into one folder of the server, theirs come from another. The only file that knows the SSH library.
//!
//! The server's key is pinned: one that is not configured is never spoken to, the first time included. A file is written under a name
//! that ends in `.part` and renamed when it is whole, so that nobody reads half of it. One that has come is moved to `done/` when what it
//! says is stored, and only if it is still the file that was read.

mod names;

use super::{HttpTransport, dial};
use crate::gateway::Platform;
use adapter_contract::{Answer, DeliveryError, FailureCode, FileAnswer, FileFault, FilePut, FileRequest, ReceivedFile};
use names::Listed;
use russh::client::{self, Handle};
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate, decode_secret_key};
use russh_sftp::client::SftpSession;
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::protocol::StatusCode;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A connection is given so long to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// Files that are listed in one poll; more wait for the next.
const LISTED: usize = 100;
/// Entries of the inbox, at most: whoever fills it with more has to tidy up.
const ENTRIES: usize = 10_000;

/// A server, and the folders of it.
pub struct Sftp {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who we are there.
    pub username: String,
    /// What proves it.
    pub login: Login,
    /// The server's key: `SHA256:` and its hash, as `ssh-keygen -lf` shows it.
    pub host_key: String,
    /// Where our files go.
    pub outbox: String,
    /// Where theirs come.
    pub inbox: String,
    /// Whether a file is whole only when there is an empty `NAME.done` beside it.
    pub done_files: bool,
}

/// What proves who we are: a private key.
pub struct Login(Arc<PrivateKey>);

impl Login {
    /// A private key of OpenSSH or PKCS #8, without a passphrase.
    ///
    /// # Errors
    /// What it is not, in words without any of it.
    pub fn key(text: &str) -> Result<Self, &'static str> {
        let key =
            decode_secret_key(text, None).map_err(|_| "not a private key without a passphrase (Ed25519 or ECDSA)")?;
        Ok(Self(Arc::new(key)))
    }
}

/// Believes one key alone.
struct Pinned {
    host_key: String,
}

impl client::Handler for Pinned {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                key.fingerprint(HashAlg::Sha256).to_string() == self.host_key
            }
            PublicKeyOrCertificate::Certificate(_) => false,
        })
    }
}

fn not_connected(words: &str) -> DeliveryError {
    DeliveryError::new(FailureCode::NotConnected, format!("{words} Nothing was sent."))
}

/// After something has left. What the server says of it in words is not repeated.
fn failed(error: &SftpError) -> DeliveryError {
    let words = match error {
        SftpError::Status(status) if status.status_code == StatusCode::PermissionDenied => {
            return DeliveryError::new(
                FailureCode::HttpStatus(403),
                "The SFTP server does not permit it: see to the rights of the account.",
            );
        }
        SftpError::Status(status) => format!("The SFTP server answered with status {}.", status.status_code as u32),
        SftpError::Timeout => "The SFTP server did not answer in time.".to_owned(),
        _ => "The connection to the SFTP server ended before it had answered.".to_owned(),
    };
    DeliveryError::new(FailureCode::NoAnswer, words)
}

fn is_absent(error: &SftpError) -> bool {
    matches!(error, SftpError::Status(status) if status.status_code == StatusCode::NoSuchFile)
}

/// Does what is asked, over a connection of its own.
pub(super) async fn carry(
    transport: &HttpTransport,
    platform: &Platform,
    sftp: &Sftp,
    request: &FileRequest,
) -> Result<Answer, DeliveryError> {
    let limits = platform.adapter.descriptor().limits;
    let budget = Duration::from_secs(u64::from(limits.answer_seconds));
    let connected = timeout(budget, sftp.connect(transport, &platform.access.allowed)).await;
    let (handle, session) = connected.map_err(|_| not_connected("The SFTP server did not answer in time."))??;
    let folders = Folders { sftp, session: &session, most: limits.answer_bytes as usize };
    let done = timeout(budget, folders.carry(request)).await;
    // Whether the server hears it or not: the connection ends with us.
    let _ = timeout(CONNECT, handle.disconnect(russh::Disconnect::ByApplication, "", "en")).await;
    let late = |_| DeliveryError::new(FailureCode::NoAnswer, "The SFTP server did not answer in time.");
    done.map_err(late)?.map(Answer::File)
}

impl Sftp {
    async fn connect(
        &self,
        transport: &HttpTransport,
        allowed: &dial::Allowed,
    ) -> Result<(Handle<Pinned>, SftpSession), DeliveryError> {
        let stream = self.dial(transport, allowed).await?;
        let pinned = Pinned { host_key: self.host_key.clone() };
        let config = client::Config { nodelay: true, ..client::Config::default() };
        let connected = client::connect_stream(Arc::new(config), stream, pinned).await;
        let mut handle = connected.map_err(|error| match error {
            russh::Error::UnknownKey => DeliveryError::new(
                FailureCode::TlsRefused,
                "The SFTP server's key is not the one that is configured, so nothing was sent. Ask whoever runs it before you change `host-key`.",
            ),
            _ => not_connected("The SFTP server does not speak SSH as we do."),
        })?;
        let key = PrivateKeyWithHashAlg::new(Arc::clone(&self.login.0), None);
        let shown = handle.authenticate_publickey(self.username.as_str(), key).await;
        let shown = shown.map_err(|_| not_connected("The connection to the SFTP server ended while we logged in."))?;
        if !shown.success() {
            let words = "The SFTP server does not know the configured user by this key; nothing was sent.";
            return Err(DeliveryError::new(FailureCode::HttpStatus(401), words));
        }
        let channel =
            handle.channel_open_session().await.map_err(|_| not_connected("The SSH server opens no session."))?;
        let asked = channel.request_subsystem(true, "sftp").await;
        asked.map_err(|_| not_connected("The SSH server has no SFTP."))?;
        let session = SftpSession::new(channel.into_stream()).await;
        Ok((handle, session.map_err(|_| not_connected("The SSH server has no SFTP."))?))
    }

    /// Every address that the name has is looked at, as for HTTP.
    async fn dial(&self, transport: &HttpTransport, allowed: &dial::Allowed) -> Result<TcpStream, DeliveryError> {
        let found = match self.host.parse::<IpAddr>() {
            // An address that somebody wrote into the configuration is meant.
            Ok(address) => vec![address],
            Err(_) => {
                let looked_up = timeout(CONNECT, transport.lookup.addresses(self.host.clone())).await;
                let found = looked_up.ok().and_then(Result::ok).unwrap_or_default();
                if !found.iter().all(|address| allowed.permits(*address)) {
                    return Err(not_connected(
                        "The SFTP server's name leads to an address that may not be dialled. If it is in your own network, list the \
                         network in `addresses` of this [[platform]].",
                    ));
                }
                found
            }
        };
        for address in found {
            if let Ok(Ok(stream)) = timeout(CONNECT, TcpStream::connect(SocketAddr::new(address, self.port))).await {
                return Ok(stream);
            }
        }
        Err(not_connected("No connection to the SFTP server."))
    }
}

/// The folders of a server to which we are connected.
struct Folders<'a> {
    sftp: &'a Sftp,
    session: &'a SftpSession,
    /// Bytes of a file, at most.
    most: usize,
}

impl Folders<'_> {
    async fn carry(&self, request: &FileRequest) -> Result<FileAnswer, DeliveryError> {
        match request {
            FileRequest::Put(put) => self.put(put).await,
            FileRequest::Find { key } => {
                let name = format!("{key}.csv");
                self.exists(&format!("{}/{}", self.sftp.outbox, names::own(&name)?)).await.map(FileAnswer::Found)
            }
            FileRequest::List => self.list().await.map(FileAnswer::Listed),
            FileRequest::Get { id } => self.get(id).await,
            FileRequest::Finish { id } => self.finish(id).await,
        }
    }

    async fn exists(&self, path: &str) -> Result<bool, DeliveryError> {
        match self.session.metadata(path).await {
            Ok(_) => Ok(true),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn put(&self, put: &FilePut) -> Result<FileAnswer, DeliveryError> {
        let path = format!("{}/{}", self.sftp.outbox, names::own(&put.name)?);
        let part = format!("{path}.part");
        let mut file = self.session.create(part.as_str()).await.map_err(|error| failed(&error))?;
        let written = file.write_all(&put.content).await;
        written.map_err(|error| failed(&SftpError::from(error)))?;
        file.shutdown().await.map_err(|error| failed(&SftpError::from(error)))?;
        let Err(error) = self.session.rename(part.as_str(), path.as_str()).await else { return Ok(FileAnswer::Put) };
        // SFTP renames over nothing. What stands there has our name, so it is this file, from an attempt whose answer was lost.
        if !self.exists(&path).await? {
            return Err(failed(&error));
        }
        self.session.remove_file(part.as_str()).await.map_err(|error| failed(&error))?;
        Ok(FileAnswer::Put)
    }

    async fn list(&self) -> Result<Vec<String>, DeliveryError> {
        let entries = self.session.read_dir(self.sftp.inbox.as_str()).await.map_err(|error| failed(&error))?;
        let found = entries.take(ENTRIES).filter(|entry| entry.file_type().is_file());
        let found: Vec<Listed> = found.filter_map(|entry| Listed::of(entry.file_name(), &entry.metadata())).collect();
        Ok(names::whole(found, self.sftp.done_files).into_iter().take(LISTED).map(|listed| listed.id()).collect())
    }

    async fn get(&self, id: &str) -> Result<FileAnswer, DeliveryError> {
        let Some(listed) = Listed::read(id) else { return Ok(FileAnswer::NotOurs) };
        let path = format!("{}/{}", self.sftp.inbox, listed.name);
        let mut file = match self.session.open(path.as_str()).await {
            Err(error) if is_absent(&error) => return Ok(FileAnswer::NotOurs),
            opened => opened.map_err(|error| failed(&error))?,
        };
        let mut content = Vec::new();
        let bound = u64::try_from(self.most).unwrap_or(u64::MAX).saturating_add(1);
        let read = (&mut file).take(bound).read_to_end(&mut content).await;
        read.map_err(|error| failed(&SftpError::from(error)))?;
        if content.len() > self.most {
            return Ok(FileAnswer::Unfit(FileFault::TooLong));
        }
        Ok(FileAnswer::File(ReceivedFile { name: Some(listed.name), content }))
    }

    /// Moves a file to `done/`, if it is still the one that was read: an organisation may write another under the same name.
    async fn finish(&self, id: &str) -> Result<FileAnswer, DeliveryError> {
        let Some(listed) = Listed::read(id) else { return Ok(FileAnswer::Finished) };
        let inbox = &self.sftp.inbox;
        let path = format!("{inbox}/{}", listed.name);
        let now = match self.session.metadata(path.as_str()).await {
            Err(error) if is_absent(&error) => return Ok(FileAnswer::Finished),
            found => found.map_err(|error| failed(&error))?,
        };
        if Listed::of(listed.name.clone(), &now).as_ref() != Some(&listed) {
            return Ok(FileAnswer::Finished);
        }
        let done = format!("{inbox}/done");
        if !self.exists(&done).await? {
            self.session.create_dir(done.as_str()).await.map_err(|error| failed(&error))?;
        }
        // With its time, so that files of one name lie beside each other.
        let moved = format!("{done}/{}-{}", listed.modified, listed.name);
        if self.exists(&moved).await? {
            self.session.remove_file(path.as_str()).await.map_err(|error| failed(&error))?;
        } else {
            self.session.rename(path.as_str(), moved.as_str()).await.map_err(|error| failed(&error))?;
        }
        if self.sftp.done_files {
            match self.session.remove_file(format!("{path}.done")).await {
                Err(error) if !is_absent(&error) => return Err(failed(&error)),
                _ => {}
            }
        }
        Ok(FileAnswer::Finished)
    }
}
