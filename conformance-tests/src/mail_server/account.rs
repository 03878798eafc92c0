//! Mailboxes of the servers, and those who own them.

use super::{MailServer, Ports, files};
use lettre::address::Envelope;
use lettre::transport::smtp::SmtpTransport;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{Address, Transport as _};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

/// Two who write to each other.
#[derive(Debug)]
pub struct Pair {
    /// The gateway's mailbox, with all addresses `referrals+…@`.
    pub ours: Account,
    /// The organisation's.
    pub theirs: Account,
}

impl Pair {
    pub(super) fn new(home: &Path, ports: Ports, number: usize) -> Self {
        let account = |whose, local| Account::new(home, ports, number, whose, local);
        Self { ours: account("ours", files::OURS), theirs: account("theirs", files::THEIRS) }
    }

    fn at(&self, local: &str) -> String {
        let domain = self.theirs.address.split_once('@').map(|(_, domain)| domain).unwrap_or_default();
        format!("{local}@{domain}")
    }

    /// An address that the server refuses for ever (550 5.1.1).
    #[must_use]
    pub fn refused(&self) -> String {
        self.at(files::REFUSED)
    }

    /// An address for which the server takes nothing now (450 4.2.0).
    #[must_use]
    pub fn later(&self) -> String {
        self.at(files::LATER)
    }

    /// An address that the server takes mail for, and finds out later that it does not exist.
    #[must_use]
    pub fn unknown(&self) -> String {
        self.at("unknown")
    }
}

/// One mailbox, and who owns it.
#[derive(Debug)]
pub struct Account {
    address: String,
    folder: PathBuf,
    port: u16,
    authority: PathBuf,
}

impl Account {
    fn new(home: &Path, ports: Ports, number: usize, whose: &str, local: &str) -> Self {
        let address = files::address(number, whose, local);
        let folder = home.join("mail").join(files::maildir(number, whose));
        Self { address, folder, port: ports.smtps, authority: home.join("authority.pem") }
    }

    /// Its address, which is its user name as well.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What proves that it is its owner who asks.
    #[must_use]
    pub const fn password(&self) -> &'static str {
        files::PASSWORD
    }

    /// All mail of a folder, the oldest first; the empty name is the inbox. Mail is text in these tests: what is not is shown as the replacement character.
    #[must_use]
    pub fn mail(&self, folder: &str) -> Vec<String> {
        let base = if folder.is_empty() { self.folder.clone() } else { self.folder.join(format!(".{folder}")) };
        let entries = ["new", "cur"].map(|part| std::fs::read_dir(base.join(part)));
        let mut files: Vec<PathBuf> =
            entries.into_iter().flatten().flatten().flatten().map(|entry| entry.path()).collect();
        files.sort_by_key(|path| path.metadata().and_then(|file| file.modified()).ok());
        // One that is moved at this moment is in neither place, or in both.
        files
            .iter()
            .filter_map(|path| std::fs::read(path).ok())
            .map(|mail| String::from_utf8_lossy(&mail).into_owned())
            .collect()
    }

    /// Waits until so many mails lie in the inbox.
    ///
    /// # Panics
    /// When a minute goes by without them.
    pub fn await_mail(&self, number: usize) -> Vec<String> {
        // Nobody ever says anything here: what is waited for is the end of the time.
        let (_quiet, silence) = mpsc::channel::<()>();
        for _ in 0..1200 {
            let mail = self.mail("");
            if mail.len() >= number {
                return mail;
            }
            let _ = silence.recv_timeout(Duration::from_millis(50));
        }
        panic!(
            "waited in vain for {number} mails to {}: {}",
            self.address,
            MailServer::shared().map_or_else(str::to_owned, MailServer::log)
        );
    }

    /// Writes a mail as its owner does: through the server, with this sender of the envelope.
    ///
    /// # Errors
    /// What the server says.
    pub fn send(&self, from: &str, to: &str, mail: &str) -> Result<(), Box<dyn Error>> {
        let from: Option<Address> = if from.is_empty() { None } else { Some(from.parse()?) };
        let envelope = Envelope::new(from, vec![to.parse()?])?;
        let authority = Certificate::from_pem(&std::fs::read(&self.authority)?)?;
        let tls = TlsParameters::builder("localhost".to_owned()).certificate_store(CertificateStore::None);
        let tls = tls.add_root_certificate(authority).build_rustls()?;
        let transport = SmtpTransport::builder_dangerous("127.0.0.1").port(self.port).tls(Tls::Wrapper(tls));
        let transport = transport.credentials(Credentials::new(self.address.clone(), files::PASSWORD.to_owned()));
        transport.build().send_raw(&envelope, mail.as_bytes())?;
        Ok(())
    }
}
