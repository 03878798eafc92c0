//! A mail as bytes (RFC 5322, MIME), and between whom it goes. The library writes headers and encodings; nothing of ours is put together
//! by hand where somebody else's text could end a line.

use super::{Mail, SENT_BYTES, seal};
use crate::chance::Chance;
use crate::gateway::Secret;
use adapter_contract::{Attachment, DeliveryError, FailureCode, MailRequest, STATUS_LINK};
use lettre::Address;
use lettre::address::Envelope;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment as Part, Body, Mailbox as Named, Message, MultiPart, SinglePart};
use std::time::SystemTime;
use time::OffsetDateTime;

/// A mail that is ready to leave.
pub(in crate::transport) struct Letter {
    /// From the address for replies, to the organisation.
    pub(in crate::transport) envelope: Envelope,
    /// All of it. It holds the status link.
    pub(in crate::transport) bytes: Vec<u8>,
}

fn cannot(words: impl Into<String>) -> DeliveryError {
    DeliveryError::new(FailureCode::Untranslatable, words)
}

/// Writes a mail.
pub(in crate::transport) fn write(
    mail: &Mail,
    request: &MailRequest,
    link: &Secret,
    now: OffsetDateTime,
    chance: &Chance,
) -> Result<Letter, DeliveryError> {
    for name in [&request.key, &request.thread].into_iter().chain(&request.follows) {
        if !is_name(name) {
            return Err(cannot("The adapter named a mail with something else than letters, digits and hyphens."));
        }
    }
    let names = request.attachments.iter().map(|attachment| &attachment.name);
    if names.chain([&request.subject]).any(|text| text.contains(char::is_control)) {
        return Err(cannot("The adapter wrote a subject or a file name with a line end in it; nothing was sent."));
    }
    // What cannot go is not encrypted and encoded first.
    let size: usize = request.attachments.iter().map(|attachment| attachment.content.len()).sum();
    if size.saturating_add(request.text.len()) > SENT_BYTES {
        return Err(too_long());
    }
    let from = &mail.mailbox.from;
    let domain = from.email.domain();
    let replies = replies_to(&from.email, &request.thread)?;
    let id = |key: &str| format!("<{key}@{domain}>");
    let mut builder = Message::builder()
        .from(from.clone())
        .to(Named::new(None, mail.to.clone()))
        .reply_to(Named::new(from.name.clone(), replies.clone()))
        .subject(request.subject.as_str())
        .message_id(Some(id(&request.key)))
        .date(SystemTime::from(now))
        // Not answered by a machine (RFC 3834, 5; the second is Exchange's).
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Auto-Response-Suppress", "OOF, AutoReply"));
    if let Some(follows) = &request.follows {
        builder = builder.in_reply_to(id(follows)).references(id(follows));
    }
    let text = request.text.replace(STATUS_LINK, link.reveal());
    let text = SinglePart::plain(text);
    // `=_` stands in no base64, and in quoted-printable never (RFC 2045, 6.7).
    let mut parts = MultiPart::mixed().boundary(format!("=_{}", request.key)).singlepart(text.clone());
    for attachment in &request.attachments {
        parts = parts.singlepart(attached(mail, attachment, chance)?);
    }
    let message = if request.attachments.is_empty() { builder.singlepart(text) } else { builder.multipart(parts) };
    let message = message.map_err(|_| cannot("The adapter's mail cannot be written as MIME; nothing was sent."))?;
    let bytes = message.formatted();
    if bytes.len() > SENT_BYTES {
        return Err(too_long());
    }
    let envelope = Envelope::new(Some(replies), vec![mail.to.clone()]);
    Ok(Letter { envelope: envelope.map_err(|_| cannot("A mail to nobody; nothing was sent."))?, bytes })
}

fn too_long() -> DeliveryError {
    cannot(format!(
        "The mail would be longer than {SENT_BYTES} bytes, which mail servers do not take; nothing was sent."
    ))
}

fn is_name(text: &str) -> bool {
    (1..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// `local+THREAD@domain` (RFC 5233).
fn replies_to(own: &Address, thread: &str) -> Result<Address, DeliveryError> {
    let address = Address::new(format!("{}+{thread}", own.user()), own.domain());
    address.map_err(|_| cannot("The name of a conversation does not fit into an address; nothing was sent."))
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

fn attached(mail: &Mail, attachment: &Attachment, chance: &Chance) -> Result<SinglePart, DeliveryError> {
    let media_type = ContentType::parse(&attachment.media_type);
    let media_type =
        media_type.map_err(|_| cannot("The adapter attached something of no media type; nothing was sent."))?;
    let content = match (attachment.sealed, &mail.passphrase) {
        (false, _) => attachment.content.clone(),
        (true, Some(passphrase)) => seal::pdf(&attachment.content, passphrase, chance)?,
        (true, None) => {
            let words = "The attachment has to be encrypted, and no passphrase was agreed with the organisation; nothing was sent. Give \
                         `attachment-passphrase` beside `mailbox` and `to`.";
            return Err(DeliveryError::new(FailureCode::UnsafeToSend, words));
        }
    };
    let body = Body::new_with_encoding(content, ContentTransferEncoding::Base64);
    let body = body.map_err(|_| cannot("An attachment cannot be encoded; nothing was sent."))?;
    Ok(Part::new(attachment.name.clone()).body(body, media_type))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::dial::Allowed;
    use crate::transport::mail::{Folders, MailServer, Mailbox, Trust, When};
    use adapter_contract::Repeat;
    use std::sync::Arc;
    use std::time::Duration;
    use time::macros::datetime;

    fn mail(passphrase: Option<&str>) -> Mail {
        let server = || MailServer {
            host: "localhost".to_owned(),
            port: 1,
            tls: When::Never,
            username: "gateway".to_owned(),
            password: Secret::new("secret".to_owned()),
        };
        let folders =
            Folders { inbox: "INBOX".to_owned(), done: "Processed".to_owned(), unassigned: "Unassigned".to_owned() };
        let mailbox = Mailbox {
            id: "referrals".to_owned(),
            from: "PCN referrals <referrals@pcn.example>".parse().expect("an address"),
            smtp: server(),
            imap: server(),
            folders,
            every: Duration::from_secs(60),
            allowed: Allowed::default(),
            trust: Trust::new(None).expect("TLS"),
        };
        let passphrase = passphrase.map(|text| Secret::new(text.to_owned()));
        Mail { mailbox: Arc::new(mailbox), to: "team@charity.example".parse().expect("an address"), passphrase }
    }

    fn request() -> MailRequest {
        MailRequest {
            key: "018f-1".to_owned(),
            thread: "018f".to_owned(),
            follows: None,
            subject: "A new referral — 018f".to_owned(),
            text: "Open {status-link}\nThank you, Café Zoë".to_owned(),
            attachments: Vec::new(),
            repeat: Repeat::Keyed,
        }
    }

    fn written(mail: &Mail, request: &MailRequest) -> Result<(Letter, String), DeliveryError> {
        let link = Secret::new("https://gateway.example/link/s3cret".to_owned());
        let letter = write(mail, request, &link, datetime!(2026-11-30 09:05:06 UTC), &Chance::seeded(1))?;
        let text = String::from_utf8(letter.bytes.clone()).expect("a mail in ASCII");
        Ok((letter, text))
    }

    #[test]
    fn a_mail_says_whence_it_comes_and_what_it_goes_on_from() {
        let follows = MailRequest { follows: Some("018f-0".to_owned()), ..request() };
        let (letter, text) = written(&mail(None), &follows).expect("a mail");
        for line in [
            "To: team@charity.example",
            "Reply-To: \"PCN referrals\" <referrals+018f@pcn.example>",
            "Message-ID: <018f-1@pcn.example>",
            "In-Reply-To: <018f-0@pcn.example>",
            "References: <018f-0@pcn.example>",
            "Date: Mon, 30 Nov 2026 09:05:06 +0000",
            "Auto-Submitted: auto-generated",
            "X-Auto-Response-Suppress: OOF, AutoReply",
            "Content-Type: text/plain; charset=utf-8",
        ] {
            assert!(text.split("\r\n").any(|one| one == line), "{line}\n{text}");
        }
        assert!(text.contains("https://gateway.example/link/s3cret") && !text.contains("{status-link}"), "{text}");
        assert!(text.is_ascii(), "{text}");
        assert_eq!(letter.envelope.from().map(ToString::to_string).as_deref(), Some("referrals+018f@pcn.example"));
        assert_eq!(letter.envelope.to().iter().map(ToString::to_string).collect::<Vec<_>>(), ["team@charity.example"]);
        let (_, first) = written(&mail(None), &request()).expect("a mail");
        assert!(!first.contains("In-Reply-To") && !first.contains("References"), "{first}");
    }

    #[test]
    fn nobody_can_add_a_header() {
        let breaks = ["a\r\nBcc: x@y.example", "a\nBcc: x@y.example", "a\rb", "a\0b"];
        for text in breaks {
            let subject = MailRequest { subject: text.to_owned(), ..request() };
            let name = Attachment {
                name: text.to_owned(),
                media_type: "text/csv".to_owned(),
                content: Vec::new(),
                sealed: false,
            };
            let named = MailRequest { attachments: vec![name], ..request() };
            let key = MailRequest { key: text.to_owned(), ..request() };
            let thread = MailRequest { thread: text.to_owned(), ..request() };
            let follows = MailRequest { follows: Some(text.to_owned()), ..request() };
            for request in [subject, named, key, thread, follows] {
                let error = written(&mail(None), &request).err().expect("a refusal");
                assert_eq!(error.code, FailureCode::Untranslatable, "{text:?}");
            }
        }
        // What is in the body stays there.
        let (_, text) = written(&mail(None), &MailRequest { text: "\r\nBcc: x@y.example".to_owned(), ..request() })
            .expect("a mail");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(!head.contains("Bcc") && body.contains("Bcc"), "{text}");
    }

    #[test]
    fn what_must_be_encrypted_does_not_leave_in_clear() {
        let pdf = |content: &[u8]| Attachment {
            name: "referral.pdf".to_owned(),
            media_type: "application/pdf".to_owned(),
            content: content.to_vec(),
            sealed: true,
        };
        let with = |content: &[u8]| MailRequest { attachments: vec![pdf(content)], ..request() };
        let error = written(&mail(None), &with(b"%PDF-1.7")).err().expect("a refusal");
        assert_eq!(error.code, FailureCode::UnsafeToSend);
        let error = written(&mail(Some("four plain words here")), &with(b"ref,name\r\n")).err().expect("a refusal");
        assert_eq!(error.code, FailureCode::Untranslatable);
    }

    #[test]
    fn a_mail_that_no_server_takes_is_not_written() {
        let content = vec![b'x'; SENT_BYTES - 1_000_000];
        let big = Attachment {
            name: "big.bin".to_owned(),
            media_type: "application/octet-stream".to_owned(),
            content,
            sealed: false,
        };
        let error = written(&mail(None), &MailRequest { attachments: vec![big], ..request() }).err().expect("too long");
        assert_eq!(error.code, FailureCode::Untranslatable);
        assert!(error.diagnostic.contains("longer"), "{error}");
    }
}
