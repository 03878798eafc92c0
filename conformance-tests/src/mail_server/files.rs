//! The configuration of both servers, their certificate, and their accounts.

use super::Ports;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::fmt::Write as _;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

/// Pairs of mailboxes that there are.
pub(super) const PAIRS: usize = 64;
/// Before the sign in the gateway's address.
pub(super) const OURS: &str = "referrals";
/// Before it in the organisation's.
pub(super) const THEIRS: &str = "team";
/// Before it in one that is refused.
pub(super) const REFUSED: &str = "refused";
/// Before it in one that is refused for now.
pub(super) const LATER: &str = "later";
/// The password of every account.
pub(super) const PASSWORD: &str = "correct-horse-battery";
/// Who owns all mail on disk: nobody.
const OWNER: u32 = 65_534;

/// The address of an account.
pub(super) fn address(number: usize, whose: &str, local: &str) -> String {
    let domain = if whose == "ours" { "pcn" } else { "charity" };
    format!("{local}@{domain}-{number}.example")
}

/// Its folder, below that of all mail.
pub(super) fn maildir(number: usize, whose: &str) -> String {
    format!("{number}/{whose}")
}

/// Writes everything that the servers read.
pub(super) fn write(home: &Path, ports: Ports) -> io::Result<()> {
    // Postfix and Dovecot have users of their own, who look in from outside.
    std::fs::set_permissions(home, std::fs::Permissions::from_mode(0o755))?;
    for folder in ["postfix", "queue", "data", "mail", "run"] {
        std::fs::create_dir(home.join(folder))?;
    }
    chown(home.join("data"), Some(user("postfix")?), None)?;
    chown(home.join("mail"), Some(OWNER), Some(OWNER))?;
    certificates(home)?;
    accounts(home)?;
    let place = |text: &str| {
        let text = text.replace("HOME", &home.display().to_string()).replace("OWNER", &OWNER.to_string());
        text.replace("SMTPS", &ports.smtps.to_string())
            .replace("SMTP", &ports.smtp.to_string())
            .replace("IMAPS", &ports.imaps.to_string())
            .replace("IMAP", &ports.imap.to_string())
    };
    let services = format!("{LISTENERS}{}", services());
    for (name, text) in [("postfix/main.cf", MAIN), ("postfix/master.cf", &services), ("dovecot.conf", DOVECOT)] {
        std::fs::write(home.join(name), place(text))?;
    }
    Ok(())
}

fn user(name: &str) -> io::Result<u32> {
    let users = std::fs::read_to_string("/etc/passwd")?;
    let line =
        users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields.first() == Some(&name));
    let id = line.and_then(|fields| fields.get(2)?.parse().ok());
    id.ok_or_else(|| io::Error::other(format!("there is no user {name}")))
}

fn certificates(home: &Path) -> io::Result<()> {
    let authority = || {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate()?)
    };
    let made = || {
        let (own, stranger, key) = (authority()?, authority()?, KeyPair::generate()?);
        let certificate = CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&key, &own)?;
        Ok::<_, rcgen::Error>([
            ("authority.pem", own.pem()),
            ("stranger.pem", stranger.pem()),
            ("server.pem", certificate.pem()),
            ("server.key", key.serialize_pem()),
        ])
    };
    for (name, text) in made().map_err(io::Error::other)? {
        std::fs::write(home.join(name), text)?;
    }
    std::fs::set_permissions(home.join("server.key"), std::fs::Permissions::from_mode(0o600))
}

fn accounts(home: &Path) -> io::Result<()> {
    let (mut domains, mut mailboxes, mut users) = (String::new(), String::new(), String::new());
    for number in 0..PAIRS {
        for (whose, local) in [("ours", OURS), ("theirs", THEIRS)] {
            let (address, folder) = (address(number, whose, local), maildir(number, whose));
            let (_, domain) = address.split_once('@').unwrap_or_default();
            let _ = writeln!(domains, "{domain} here");
            let _ = writeln!(mailboxes, "{address} {folder}/");
            let _ =
                writeln!(users, "{address}:{{PLAIN}}{PASSWORD}:{OWNER}:{OWNER}::{}/mail/{folder}::", home.display());
        }
    }
    // What a server says is never repeated: here it quotes an address and a name.
    let recipients = format!(
        "/^{REFUSED}@/ 550 5.1.1 <Ms.Canary@quoted.example> is not known here\n/^{LATER}@/ 450 4.2.0 <Ms.Canary@quoted.example> is greylisted\n"
    );
    for (name, text) in [("domains", domains), ("mailboxes", mailboxes), ("users", users), ("recipients", recipients)] {
        std::fs::write(home.join(name), text)?;
    }
    Ok(())
}

/// The mail system (postconf(5)): it delivers to its own mailboxes alone, and finds out while it does whether one exists.
const MAIN: &str = "\
compatibility_level = 3.6
queue_directory = HOME/queue
data_directory = HOME/data
maillog_file = HOME/postfix.log
maillog_file_prefixes = HOME
mail_owner = postfix
setgid_group = postdrop
myhostname = mail.example
mydestination =
mynetworks =
local_recipient_maps =
alias_maps =
alias_database =
inet_interfaces = loopback-only
inet_protocols = ipv4
default_transport = error:5.4.4 mail is delivered here alone
relay_transport = error:5.4.4 mail is delivered here alone
recipient_delimiter = +
virtual_mailbox_domains = texthash:HOME/domains
virtual_mailbox_maps = texthash:HOME/mailboxes
virtual_mailbox_base = HOME/mail
virtual_mailbox_limit = 0
virtual_uid_maps = static:OWNER
virtual_gid_maps = static:OWNER
message_size_limit = 40000000
smtpd_reject_unlisted_recipient = no
smtpd_recipient_restrictions = check_recipient_access regexp:HOME/recipients, permit_sasl_authenticated, reject
smtpd_client_connection_count_limit = 0
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = HOME/run/login
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = HOME/server.pem
smtpd_tls_key_file = HOME/server.key
";

/// Where it listens (master(5)).
const LISTENERS: &str = "\
127.0.0.1:SMTP inet n - n - - smtpd
127.0.0.1:SMTPS inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
";

/// Its other services: name, type, whether it runs without rights, wake-up time, most processes, program.
fn services() -> String {
    let all: [(&str, &str, &str, &str, &str, &str); 18] = [
        ("cleanup", "unix", "n", "-", "0", "cleanup"),
        ("qmgr", "unix", "n", "300", "1", "qmgr"),
        ("tlsmgr", "unix", "-", "1000?", "1", "tlsmgr"),
        ("rewrite", "unix", "-", "-", "-", "trivial-rewrite"),
        ("bounce", "unix", "-", "-", "0", "bounce"),
        ("defer", "unix", "-", "-", "0", "bounce"),
        ("trace", "unix", "-", "-", "0", "bounce"),
        ("verify", "unix", "-", "-", "1", "verify"),
        ("flush", "unix", "n", "1000?", "0", "flush"),
        ("proxymap", "unix", "-", "-", "-", "proxymap"),
        ("error", "unix", "-", "-", "-", "error"),
        ("retry", "unix", "-", "-", "-", "error"),
        ("discard", "unix", "-", "-", "-", "discard"),
        ("virtual", "unix", "-", "-", "-", "virtual"),
        ("anvil", "unix", "-", "-", "1", "anvil"),
        ("scache", "unix", "-", "-", "1", "scache"),
        ("showq", "unix", "n", "-", "-", "showq"),
        ("postlog", "unix-dgram", "n", "-", "1", "postlogd"),
    ];
    let mut text = String::new();
    for (name, kind, private, wakes, most, program) in all {
        // Delivery alone needs rights: it writes as the owner of the mail.
        let without_rights = if name == "virtual" { "n" } else { "-" };
        let _ = writeln!(text, "{name} {kind} {private} {without_rights} n {wakes} {most} {program}");
    }
    text
}

/// What hands mail over.
const DOVECOT: &str = "\
base_dir = HOME/run/dovecot
state_dir = HOME/run/state
log_path = HOME/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <HOME/server.pem
ssl_key = <HOME/server.key
mail_location = maildir:~
first_valid_uid = 1
mail_max_userip_connections = 0
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u HOME/users
}
userdb {
  driver = passwd-file
  args = username_format=%u HOME/users
}
service imap-login {
  inet_listener imap {
    port = IMAP
  }
  inet_listener imaps {
    port = IMAPS
    ssl = yes
  }
}
service auth {
  unix_listener HOME/run/login {
    mode = 0666
  }
}
";
