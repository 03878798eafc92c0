//! A mailbox of ours, and whom it writes to: what mail out (`smtp.rs`) and mail in (`imap.rs`) share. Made from the configuration at the
//! start.

pub(super) mod letter;
pub(super) mod seal;
pub(super) mod wire;

use super::dial::Allowed;
use crate::gateway::Secret;
use lettre::Address;
use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters};
use rustls_platform_verifier::BuilderVerifierExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto, pki_types::CertificateDer};

/// Bytes of a mail that leaves, at most: what mail servers commonly take.
pub const SENT_BYTES: usize = 25_000_000;
/// Bytes of a mail that is read, at most: an answer, with what it quotes.
pub const READ_BYTES: usize = 5_000_000;

/// How one platform is written to.
pub struct Mail {
    /// From where.
    pub mailbox: Arc<Mailbox>,
    /// The organisation's mailbox.
    pub to: Address,
    /// What was agreed with it for what is sealed.
    pub passphrase: Option<Secret>,
}

/// A mailbox of ours.
pub struct Mailbox {
    /// Its name in the configuration.
    pub id: String,
    /// Our name for people, if there is one, and our address.
    pub from: lettre::message::Mailbox,
    /// Through which mail leaves.
    pub smtp: MailServer,
    /// Through which it is read.
    pub imap: MailServer,
    /// Where what comes lies.
    pub folders: Folders,
    /// How often it is read.
    pub every: Duration,
    /// Where the names of both servers may lead.
    pub allowed: Allowed,
    /// Who vouches for them.
    pub trust: Trust,
}

/// Folders of a mailbox.
#[derive(Debug, Clone)]
pub struct Folders {
    /// Where mail comes.
    pub inbox: String,
    /// Where it goes when what it says is stored.
    pub done: String,
    /// Where it goes when nobody can tell what it is about.
    pub unassigned: String,
}

/// A mail server, and who we are there.
pub struct MailServer {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// When the connection is encrypted.
    pub tls: When,
    /// Who we are.
    pub username: String,
    /// What proves it.
    pub password: Secret,
}

/// When a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// From its beginning (RFC 8314).
    Implicit,
    /// After a word in clear, before anything else is said; without it nothing is said at all.
    StartTls,
    /// Never: a server on this machine.
    Never,
}

/// Who may vouch for a server.
pub struct Trust {
    tls: Arc<ClientConfig>,
    /// PEM; none: whom the operating system trusts.
    authority: Option<Vec<u8>>,
}

impl Trust {
    /// These authorities alone (PEM); none: whom the operating system trusts.
    ///
    /// # Errors
    /// What they are not, in words.
    pub fn new(authority: Option<Vec<u8>>) -> Result<Self, &'static str> {
        let provider = Arc::new(crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|_| "TLS cannot be started")?;
        let tls = match &authority {
            None => builder.with_platform_verifier().map_err(|_| "the operating system trusts nobody")?,
            Some(pem) => builder.with_root_certificates(roots(pem).ok_or("not certificates in PEM")?),
        };
        Ok(Self { tls: Arc::new(tls.with_no_client_auth()), authority })
    }

    /// For a connection that is encrypted from its beginning.
    pub(super) fn tls(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.tls)
    }

    /// For one that the SMTP library encrypts.
    pub(super) fn starttls(&self, host: &str) -> Option<TlsParameters> {
        let mut builder = TlsParameters::builder(host.to_owned());
        if let Some(pem) = &self.authority {
            builder = builder.certificate_store(CertificateStore::None);
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = Certificate::from_der(certificate.ok()?.to_vec()).ok()?;
                builder = builder.add_root_certificate(certificate);
            }
        }
        builder.build_rustls().ok()
    }
}

/// At least one.
fn roots(pem: &[u8]) -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.ok()?).ok()?;
    }
    (!roots.is_empty()).then_some(roots)
}

/// Whether a certificate can name this server.
#[must_use]
pub fn is_host(host: &str) -> bool {
    ServerName::try_from(host.to_owned()).is_ok()
}
