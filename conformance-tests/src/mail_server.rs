//! Real mail servers on free ports of loopback: Postfix takes and delivers mail, Dovecot hands it over by IMAP and knows the passwords,
//! both with a certificate of our own authority. One pair of them serves a process; each test has a [`Pair`] of mailboxes of its own.
//!
//! It knows how Debian lays both out, and how an organisation writes mail: through its own account of the same server.

mod account;
mod files;

pub use account::{Account, Pair};

use std::fmt;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

/// Set to `required`, it makes the absence of the servers a failure.
const VARIABLE: &str = "MAIL";
/// Delivers.
const POSTFIX: &str = "/usr/lib/postfix/sbin/master";
/// Hands over.
const DOVECOT: &str = "/usr/sbin/dovecot";

/// The part of it that speaks IMAP, a package of its own.
const IMAP: &str = "/usr/lib/dovecot/imap";
/// Opens an encrypted PDF that came by mail, as a reader that is not ours.
pub const QPDF: &str = "/usr/bin/qpdf";

/// What the servers lack to run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing;

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the mail servers cannot be run here: Postfix, Dovecot, qpdf or the right to start them (root) is missing. On Debian as root: \
             apt-get install --no-install-recommends postfix dovecot-imapd qpdf",
        )
    }
}

impl std::error::Error for Missing {}

/// Whether the servers can be run here.
///
/// # Errors
/// That they cannot.
pub fn available() -> Result<(), Missing> {
    let here = [POSTFIX, DOVECOT, IMAP, QPDF].iter().all(|program| Path::new(program).is_file());
    if here && rustix::process::geteuid().is_root() { Ok(()) } else { Err(Missing) }
}

/// As [`available`], for a test: `Some` with what is missing means to skip, aloud.
///
/// # Errors
/// What is missing, if `MAIL=required` forbids to skip.
pub fn reason_to_skip() -> Result<Option<Missing>, Missing> {
    match available() {
        Ok(()) => Ok(None),
        Err(missing) if std::env::var_os(VARIABLE).is_some_and(|value| value == "required") => Err(missing),
        Err(missing) => Ok(Some(missing)),
    }
}

/// Ports of the servers, all of 127.0.0.1.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// SMTP with STARTTLS.
    pub smtp: u16,
    /// SMTP over TLS.
    pub smtps: u16,
    /// IMAP with STARTTLS.
    pub imap: u16,
    /// IMAP over TLS.
    pub imaps: u16,
}

/// The servers; they run until the process ends.
#[derive(Debug)]
pub struct MailServer {
    folder: PathBuf,
    ports: Ports,
    pairs: AtomicUsize,
    keeper: Child,
    // Its end removes what the keeper has left.
    _home: TempDir,
}

/// Starts both, says so, waits for our end, stops them. A master that dies takes its processes with it.
const KEEPER: &str = r#"
trap '' INT TERM HUP
cd / || exit 1
postfix -c "$1/postfix" check >>"$1/log" 2>&1
/usr/lib/postfix/sbin/master -c "$1/postfix" -d </dev/null >>"$1/log" 2>&1 &
post=$!
/usr/sbin/dovecot -F -c "$1/dovecot.conf" </dev/null >>"$1/log" 2>&1 &
dove=$!
tries=0
until grep -qs 'daemon started' "$1/postfix.log" && grep -qs 'starting up' "$1/dovecot.log"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 600 ] || ! kill -0 "$post" || ! kill -0 "$dove"; then
        echo failed
        kill "$post" "$dove"
        exit 1
    fi
    sleep 0.05
done
echo ready
read -r _
kill "$post" "$dove"
wait
rm -rf "$1"
"#;

impl MailServer {
    /// Writes their configuration and starts both. Blocks for a second or two.
    fn start() -> io::Result<Self> {
        available().map_err(io::Error::other)?;
        let home = tempfile::Builder::new().prefix("mail-").tempdir()?;
        let folder = home.path().to_path_buf();
        let ports = free()?;
        files::write(&folder, ports)?;
        let mut command = Command::new("sh");
        command.arg("-c").arg(KEEPER).arg("keeper").arg(&folder).stderr(Stdio::null());
        let mut keeper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut said = String::new();
        if let Some(out) = keeper.stdout.take() {
            BufReader::new(out).read_line(&mut said)?;
        }
        let server = Self { folder, ports, pairs: AtomicUsize::new(0), keeper, _home: home };
        if said.trim_end() == "ready" {
            Ok(server)
        } else {
            Err(io::Error::other(format!("the mail servers do not start:\n{}", server.log())))
        }
    }

    /// The servers of this process, started by the first who asks.
    ///
    /// # Errors
    /// What is missing, or what they say, for everybody who asks.
    pub fn shared() -> Result<&'static Self, &'static str> {
        static SHARED: OnceLock<Result<MailServer, String>> = OnceLock::new();
        SHARED.get_or_init(|| Self::start().map_err(|error| error.to_string())).as_ref().map_err(String::as_str)
    }

    /// Where they listen.
    #[must_use]
    pub const fn ports(&self) -> Ports {
        self.ports
    }

    /// Two mailboxes that nobody else has: ours, and an organisation's.
    ///
    /// # Panics
    /// When a process asks for more than there are.
    #[must_use]
    pub fn pair(&self) -> Pair {
        let number = self.pairs.fetch_add(1, Ordering::Relaxed);
        assert!(number < files::PAIRS, "more than {} pairs of mailboxes", files::PAIRS);
        Pair::new(&self.folder, self.ports, number)
    }

    /// PEM file of the authority that vouches for both, for the name `localhost`.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder.join("authority.pem")
    }

    /// PEM file of an authority that vouches for nobody.
    #[must_use]
    pub fn stranger(&self) -> PathBuf {
        self.folder.join("stranger.pem")
    }

    /// What the servers have to complain of.
    #[must_use]
    pub fn log(&self) -> String {
        let read = |name| std::fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        ["log", "postfix.log", "dovecot.log"].map(read).concat()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        // The end of its input tells the keeper to stop the servers.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Ports that nobody listens on just now.
fn free() -> io::Result<Ports> {
    let listeners = [(); 4].map(|()| std::net::TcpListener::bind("127.0.0.1:0"));
    let mut ports = Vec::new();
    for listener in &listeners {
        let listener = listener.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
        ports.push(listener.local_addr()?.port());
    }
    match ports[..] {
        [smtp, smtps, imap, imaps] => Ok(Ports { smtp, smtps, imap, imaps }),
        _ => Err(io::Error::other("no four ports")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::print_stderr, reason = "a test that does not run must say so")]
    fn mail_is_delivered_refused_and_returned() {
        if let Some(missing) = reason_to_skip().unwrap_or_else(|missing| panic!("{missing}")) {
            eprintln!("SKIPPED: {missing}");
            return;
        }
        let server = MailServer::shared().unwrap();
        let pair = server.pair();
        let ours = pair.ours.address();
        pair.ours.send(ours, pair.theirs.address(), "Subject: one\r\n\r\nHello.\r\n").unwrap();
        let came = pair.theirs.await_mail(1);
        assert!(came[0].contains("Subject: one"), "{}", came[0]);
        let replies = ours.replacen('@', "+thread@", 1);
        pair.theirs.send(pair.theirs.address(), &replies, "Subject: two\r\n\r\nHello.\r\n").unwrap();
        pair.ours.await_mail(1);
        for (address, code) in [(pair.refused(), "550"), (pair.later(), "450")] {
            let error = pair.ours.send(ours, &address, "Subject: three\r\n\r\nHello.\r\n").unwrap_err();
            assert!(error.to_string().contains(code), "{error}");
        }
        pair.ours.send(&replies, &pair.unknown(), "Subject: four\r\n\r\nHello.\r\n").unwrap();
        let came = pair.ours.await_mail(2);
        assert!(came.iter().any(|mail| mail.contains("report-type=delivery-status") && mail.contains("Status: 5.1.1")));
    }
}
