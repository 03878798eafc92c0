//! `[[mailbox]]`, and what a `[[platform]]` says of mail.

use super::access::{Reader, network};
use super::sections::{Check, Config, PlatformSection, SecretSource};
use super::{Fault, is_loopback_host};
use crate::gateway::Secret;
use crate::transport::dial::Allowed;
use crate::transport::mail::{Folders, Mail, MailServer, Mailbox, Trust, When, is_host};
use lettre::Address;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use toml::Spanned;

/// Bytes of a passphrase for attachments: what is shorter is guessed; ISO 32000-2 cuts off what is longer.
const PASSPHRASE: std::ops::RangeInclusive<usize> = 12..=127;

/// `[[mailbox]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MailboxSection {
    /// Its name.
    pub id: Spanned<String>,
    /// Our address, with a name for people before it if there is one.
    pub from: Spanned<String>,
    /// Through which mail leaves.
    pub smtp: Spanned<SmtpSection>,
    /// Through which it is read.
    pub imap: Spanned<ImapSection>,
    /// Seconds between looks into it; absent = 60.
    pub poll_seconds: Option<NonZeroU32>,
    /// PEM file of those who alone may vouch for both servers; absent = whom the operating system trusts.
    pub authority: Option<PathBuf>,
    /// Networks beside the internet into which their names may lead.
    #[serde(default)]
    pub addresses: Vec<Spanned<String>>,
}

/// `smtp` of a mailbox.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SmtpSection {
    /// The server's name or address.
    pub host: String,
    /// Its port; absent = 465, or 587 where `tls` is not `implicit`.
    pub port: Option<NonZeroU16>,
    /// When the connection is encrypted.
    #[serde(default)]
    pub tls: TlsWord,
    /// Who we are there.
    pub username: String,
    /// What proves it.
    pub password: SecretSource,
}

/// `imap` of a mailbox.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ImapSection {
    /// The server's name or address.
    pub host: String,
    /// Its port; absent = 993, or 143 where `tls` is not `implicit`.
    pub port: Option<NonZeroU16>,
    /// When the connection is encrypted.
    #[serde(default)]
    pub tls: TlsWord,
    /// Who we are there.
    pub username: String,
    /// What proves it.
    pub password: SecretSource,
    /// Where mail comes; absent = `INBOX`.
    pub folder: Option<String>,
    /// Where it goes when it is stored; absent = `Processed`.
    pub done: Option<String>,
    /// Where it goes when nobody can tell what it is about; absent = `Unassigned`.
    pub unassigned: Option<String>,
}

/// When a connection is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsWord {
    /// From its beginning.
    #[default]
    Implicit,
    /// After a word in clear, and not at all without it.
    Starttls,
    /// Never; to loopback only.
    None,
}

impl TlsWord {
    const fn when(self) -> When {
        match self {
            Self::Implicit => When::Implicit,
            Self::Starttls => When::StartTls,
            Self::None => When::Never,
        }
    }

    /// The port, or the usual one.
    fn port(self, port: Option<NonZeroU16>, implicit: u16, other: u16) -> u16 {
        port.map_or(if self == Self::Implicit { implicit } else { other }, NonZeroU16::get)
    }
}

impl ImapSection {
    fn folders(&self) -> Folders {
        let or = |folder: &Option<String>, usual: &str| folder.as_deref().unwrap_or(usual).to_owned();
        Folders {
            inbox: or(&self.folder, "INBOX"),
            done: or(&self.done, "Processed"),
            unassigned: or(&self.unassigned, "Unassigned"),
        }
    }
}

/// `mail` of a platform.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MailSection {
    /// From which `[[mailbox]]`.
    pub mailbox: String,
    /// The organisation's address.
    pub to: String,
    /// The passphrase that was agreed with it for attachments that have to be encrypted.
    pub attachment_passphrase: Option<SecretSource>,
}

/// What stands for a base address where a platform is reached by mail.
pub(super) fn mail_address(section: &PlatformSection) -> Option<String> {
    Some(format!("mailto:{}", section.mail.as_ref()?.get_ref().to))
}

/// An address as every mail server takes it.
fn address(text: &str) -> Option<Address> {
    text.parse().ok().filter(|_| text.is_ascii())
}

fn sender(text: &str) -> Option<lettre::message::Mailbox> {
    let mailbox: lettre::message::Mailbox = text.parse().ok()?;
    let plain = !text.contains(char::is_control) && address(mailbox.email.as_ref()).is_some();
    plain.then_some(mailbox)
}

/// A folder that can be said in a command: what is not ASCII would have to be written in IMAP's own way (RFC 3501, 5.1.3).
fn is_folder(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && !b"*%&".contains(&byte))
}

impl Check<'_> {
    /// What contradicts itself in the mailboxes, and between them and the platforms.
    pub(super) fn mailboxes(&mut self, config: &Config) {
        self.unique("mailbox.id", config.mailbox.iter().map(|section| &section.id));
        for mailbox in &config.mailbox {
            self.mailbox(mailbox);
        }
        for platform in &config.platform {
            if let Some(section) = &platform.mail {
                self.mail(section, &config.mailbox);
            }
        }
    }

    fn mailbox(&mut self, mailbox: &MailboxSection) {
        match sender(mailbox.from.get_ref()) {
            None => self.at(
                &mailbox.from,
                "mailbox.from",
                "not an address in ASCII; write for example `PCN referrals <referrals@example.org>`",
            ),
            // What stands behind a plus is which conversation an answer belongs to.
            Some(from) if from.email.user().contains('+') => {
                let words = "`+` stands before the name of a conversation in the address for replies; give an address without it";
                self.at(&mailbox.from, "mailbox.from", words);
            }
            Some(_) => {}
        }
        let (smtp, imap) = (mailbox.smtp.get_ref(), mailbox.imap.get_ref());
        self.mail_server(&mailbox.smtp, "mailbox.smtp", &smtp.host, smtp.tls, &smtp.username);
        self.mail_server(&mailbox.imap, "mailbox.imap", &imap.host, imap.tls, &imap.username);
        let folders = imap.folders();
        let all @ [inbox, done, unassigned] = [&folders.inbox, &folders.done, &folders.unassigned];
        if !all.iter().all(|folder| is_folder(folder)) {
            let words = "`folder`, `done` and `unassigned` are names of folders in ASCII, without `*`, `%` and `&`";
            self.at(&mailbox.imap, "mailbox.imap", words);
        }
        let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
        if same(inbox, done) || same(inbox, unassigned) || same(done, unassigned) {
            let words = "`folder`, `done` and `unassigned` are three folders: mail that stays where it came would be read for ever";
            self.at(&mailbox.imap, "mailbox.imap", words);
        }
        for address in &mailbox.addresses {
            if network(address.get_ref()).is_none() {
                let words = "neither an address nor a network, for example `10.20.0.0/16`";
                self.at(address, "mailbox.addresses", words);
            }
        }
    }

    fn mail_server<T>(&mut self, section: &Spanned<T>, key: &str, host: &str, tls: TlsWord, username: &str) {
        if !is_host(host) {
            self.at(section, key, "`host` is a name or an address, without a scheme");
        }
        if tls == TlsWord::None && !is_loopback_host(host) {
            let words = "a password and mail leave encrypted only; write `tls = \"implicit\"` or `\"starttls\"`; `none` is for loopback";
            self.at(section, key, words);
        }
        if username.is_empty() || username.contains(char::is_control) {
            self.at(section, key, "`username` is empty");
        }
    }

    fn mail(&mut self, section: &Spanned<MailSection>, mailboxes: &[MailboxSection]) {
        let (key, mail) = ("platform.mail", section.get_ref());
        let to = address(&mail.to);
        if to.is_none() {
            self.at(section, key, "`to` is one address in ASCII, without a name: `team@charity.example`");
        }
        let Some(mailbox) = mailboxes.iter().find(|mailbox| mailbox.id.get_ref() == &mail.mailbox) else {
            let words = format!("no [[mailbox]] has the id `{}`; name one that exists", mail.mailbox);
            self.at(section, key, words);
            return;
        };
        let own = sender(mailbox.from.get_ref()).map(|from| from.email.to_string());
        if own.is_some_and(|own| own.eq_ignore_ascii_case(&mail.to)) {
            self.at(section, key, "`to` is our own mailbox; name the organisation's");
        }
    }
}

/// The mailboxes with their secrets; what cannot be had is told.
pub(super) fn mailboxes(config: &Config, faults: &mut Vec<Fault>) -> BTreeMap<String, Arc<Mailbox>> {
    let mut found = BTreeMap::new();
    for section in &config.mailbox {
        let id = section.id.get_ref();
        let mut reader = Reader::of("mailbox", id, faults);
        if let Some(mailbox) = reader.mailbox(section) {
            found.insert(id.clone(), Arc::new(mailbox));
        }
    }
    found
}

/// How a platform is written to.
pub(super) fn mail(
    section: &PlatformSection,
    mailboxes: &BTreeMap<String, Arc<Mailbox>>,
    faults: &mut Vec<Fault>,
) -> Option<Arc<Mail>> {
    let mail = section.mail.as_ref()?.get_ref();
    let mut reader = Reader::of("platform", section.id.get_ref(), faults);
    let key = "mail.attachment-passphrase";
    let passphrase = reader.secret(key, mail.attachment_passphrase.clone());
    if passphrase.as_ref().is_some_and(|passphrase| !PASSPHRASE.contains(&passphrase.len()) || !passphrase.is_ascii()) {
        reader.fault(key, "a passphrase has 12 to 127 letters, digits and signs in ASCII; agree on another".to_owned());
        return None;
    }
    let mailbox = Arc::clone(mailboxes.get(&mail.mailbox)?);
    Some(Arc::new(Mail { mailbox, to: address(&mail.to)?, passphrase: passphrase.map(Secret::new) }))
}

impl Reader<'_> {
    fn mailbox(&mut self, section: &MailboxSection) -> Option<Mailbox> {
        let (smtp, imap) = (section.smtp.get_ref(), section.imap.get_ref());
        let passwords = (
            self.secret("smtp.password", Some(smtp.password.clone())),
            self.secret("imap.password", Some(imap.password.clone())),
        );
        let trust = self.trust(section.authority.as_ref());
        let beside = section.addresses.iter().filter_map(|text| network(text.get_ref()));
        let here = [&smtp.host, &imap.host].iter().any(|host| host.as_str() == "localhost");
        let allowed = Allowed::also(beside.collect());
        let (to_smtp, to_imap) = (passwords.0?, passwords.1?);
        Some(Mailbox {
            id: section.id.get_ref().clone(),
            from: sender(section.from.get_ref())?,
            smtp: MailServer {
                host: smtp.host.clone(),
                port: smtp.tls.port(smtp.port, 465, 587),
                tls: smtp.tls.when(),
                username: smtp.username.clone(),
                password: Secret::new(to_smtp),
            },
            imap: MailServer {
                host: imap.host.clone(),
                port: imap.tls.port(imap.port, 993, 143),
                tls: imap.tls.when(),
                username: imap.username.clone(),
                password: Secret::new(to_imap),
            },
            folders: imap.folders(),
            every: Duration::from_secs(u64::from(section.poll_seconds.map_or(60, NonZeroU32::get))),
            allowed: if here { allowed.with_this_machine() } else { allowed },
            trust: trust?,
        })
    }

    fn trust(&mut self, authority: Option<&PathBuf>) -> Option<Trust> {
        let pem =
            match authority.map(|path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))) {
                None => None,
                Some(Ok(pem)) => Some(pem),
                Some(Err(words)) => {
                    self.fault("authority", words);
                    return None;
                }
            };
        match Trust::new(pem) {
            Ok(trust) => Some(trust),
            Err(words) => {
                self.fault("authority", words.to_owned());
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{ConfigError, EXAMPLE, parse};

    const SMTP: &str = "smtp = { host = \"mail.pcn.example\", username = \"gw\", password = { env = \"P\" } }";
    const IMAP: &str = "imap = { host = \"mail.pcn.example\", username = \"gw\", password = { env = \"P\" } }";
    const FROM: &str = "from = \"PCN referrals <referrals@pcn.example>\"";

    fn faults(mailbox: &str, mail: &str) -> String {
        let text = EXAMPLE.replacen("# poll-seconds = 900", &format!("mail = {{ {mail} }}"), 1);
        match parse(&format!("{text}\n[[mailbox]]\nid = \"referrals\"\n{mailbox}\n")) {
            Ok(_) => String::new(),
            Err(ConfigError::Faults(faults)) => faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
            Err(error) => error.to_string(),
        }
    }

    const MAIL: &str = "mailbox = \"referrals\", to = \"team@charity.example\"";

    #[test]
    fn mail_may_stand_beside_a_base_address() {
        assert_eq!(faults(&format!("{FROM}\n{SMTP}\n{IMAP}"), MAIL), "");
    }

    #[test]
    fn a_mailbox_that_cannot_be_is_told() {
        for (from, to, words) in [
            ("referrals@pcn.example>\"", "referrals\"", "not an address"),
            ("<referrals@pcn.example>\"", "<referrals@pcn.example>, x@y.example\"", "not an address"),
            ("referrals@pcn", "referrals+a@pcn", "without it"),
            ("PCN referrals <", "PCN\\nreferrals <", "not an address"),
            (
                "smtp = { host = \"mail.pcn.example\",",
                "smtp = { host = \"smtp://mail.pcn.example\",",
                "without a scheme",
            ),
            ("smtp = {", "smtp = { tls = \"none\",", "leave encrypted only"),
            ("imap = {", "imap = { tls = \"none\",", "leave encrypted only"),
            ("imap = {", "imap = { tls = \"maybe\",", "unknown variant"),
            ("imap = {", "imap = { done = \"inbox\",", "three folders"),
            ("imap = {", "imap = { unassigned = \"a&b\",", "names of folders"),
            ("imap = {", "imap = { port = 0,", "nonzero"),
            ("imap = {", "imap = { colour = 1,", "unknown field"),
            (IMAP, "", "imap"),
            (IMAP, &format!("{IMAP}\npoll-seconds = 0"), "nonzero"),
            (IMAP, &format!("{IMAP}\naddresses = [\"ten\"]"), "neither an address"),
        ] {
            let text = format!("{FROM}\n{SMTP}\n{IMAP}");
            assert!(text.contains(from), "{from}");
            let found = faults(&text.replacen(from, to, 1), MAIL);
            assert!(found.contains(words) && found.contains("line "), "{to}: {found}");
        }
    }

    #[test]
    fn a_platform_that_cannot_be_written_to_is_told() {
        for (mail, words) in [
            ("mailbox = \"other\", to = \"team@charity.example\"", "no [[mailbox]]"),
            ("mailbox = \"referrals\", to = \"Team <team@charity.example>\"", "one address"),
            ("mailbox = \"referrals\", to = \"a@b.example, c@d.example\"", "one address"),
            ("mailbox = \"referrals\", to = \"t\u{e9}am@charity.example\"", "one address"),
            ("mailbox = \"referrals\", to = \"Referrals@pcn.example\"", "our own"),
            ("mailbox = \"referrals\", to = \"a@b.example\", attachment-passphrase = \"here\"", "never stands here"),
        ] {
            let found = faults(&format!("{FROM}\n{SMTP}\n{IMAP}"), mail);
            assert!(found.contains(words) && found.contains("line "), "{mail}: {found}");
        }
    }
}
