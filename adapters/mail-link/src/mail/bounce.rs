//! What a mail says of the delivery of another: RFC 3464, and older ways.

use super::parts::{Content, Mail, fields};
use super::{whose, words};

/// Who writes of deliveries. It is a hint at what a mail is, and no proof of anything.
const DAEMONS: [&str; 4] = ["mailer-daemon", "postmaster", "mail-daemon", "mdaemon"];

/// What became of a mail of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Delivery {
    /// It will not arrive.
    Failed {
        /// Status code (RFC 3463), if there is one.
        code: Option<String>,
    },
    /// It has not arrived yet.
    Delayed,
    /// It has arrived, or was shown to somebody.
    Arrived,
    /// Somebody calls it unwanted.
    Complaint,
    /// It says that it is about a delivery, and not what became of it.
    Unclear,
}

/// What the mail says of the delivery of another; `None` if it is about something else.
pub(super) fn delivery(mail: &Mail) -> Option<Delivery> {
    let is_report = mail.media_type == "multipart/report";
    let report = mail.report_type.as_deref().filter(|_| is_report);
    let holds = |media_type: &str| mail.parts.iter().any(|part| part.media_type == media_type);
    let status = |media_type: &str| {
        mail.parts.iter().find_map(|part| match &part.content {
            Content::Mail(bytes) if part.media_type == media_type => Some(judged(bytes)),
            _ => None,
        })
    };
    let told = status("message/delivery-status").or_else(|| status("message/global-delivery-status"));
    match report {
        Some("disposition-notification") => Some(Delivery::Arrived),
        Some("feedback-report") => Some(Delivery::Complaint),
        _ if is_report && holds("message/disposition-notification") => Some(Delivery::Arrived),
        // What a machine says of a delivery is nobody's answer: it must not pass for an automatic one.
        Some("delivery-status") => told.flatten().or_else(|| old_fashioned(mail)).or(Some(Delivery::Unclear)),
        _ => told.flatten().or_else(|| old_fashioned(mail)),
    }
}

/// The gravest that is said of any recipient; a mail of ours has one.
fn judged(report: &[u8]) -> Option<Delivery> {
    let text = String::from_utf8_lossy(report).replace("\r\n", "\n");
    let mut worst = None;
    for group in text.split("\n\n") {
        let group = fields(group.as_bytes());
        let value = |name: &str| group.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let code = value("status").and_then(status_code);
        let action = value("action").map(str::to_ascii_lowercase).unwrap_or_default();
        let class = code.as_deref().and_then(|code| code.chars().next());
        match (action.split([' ', ';', '(']).next().unwrap_or_default(), class) {
            ("failed", _) | ("", Some('5')) => return Some(Delivery::Failed { code }),
            ("delayed", _) | ("", Some('4')) => worst = Some(Delivery::Delayed),
            ("delivered" | "relayed" | "expanded", _) | ("", Some('2')) => {
                worst = worst.or(Some(Delivery::Arrived));
            }
            _ => {}
        }
    }
    worst
}

/// `5.1.1` (RFC 3463, 2), without what may stand behind it.
fn status_code(value: &str) -> Option<String> {
    let code = value.split([' ', '(']).next()?;
    let digits =
        |part: &str, most: usize| (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = code.split('.');
    let right =
        digits(parts.next()?, 1) && digits(parts.next()?, 3) && digits(parts.next()?, 3) && parts.next().is_none();
    right.then(|| code.to_owned())
}

/// A mail by whoever delivers mail, in words alone. It counts if it holds our mail, and does not speak of a delay.
fn old_fashioned(mail: &Mail) -> Option<Delivery> {
    let from = mail.header("from").unwrap_or_default().to_ascii_lowercase();
    let is_daemon = DAEMONS.iter().any(|name| from.contains(&format!("{name}@")) || from.trim() == *name);
    if !is_daemon || whose::bounced(mail).is_err() {
        return None;
    }
    let subject = mail.subject().to_lowercase();
    let words = words::whole(mail).to_lowercase();
    let waits = ["delayed", "warning:", "still being retried", "will be retried", "will keep trying"];
    let delayed =
        subject.contains("delay") || subject.starts_with("warning") || waits.iter().any(|wait| words.contains(wait));
    Some(if delayed { Delivery::Delayed } else { Delivery::Failed { code: None } })
}
