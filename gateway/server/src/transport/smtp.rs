//! Mail out: one mail over one connection (RFC 5321), to the server of our own mailbox. The only file that knows the SMTP library.
//!
//! Up to the mail itself nothing has left that would be in doubt; from its first byte on only the server's word tells whether it was taken.
//! What a server says in words is not repeated: it may quote addresses or what the mail says.

use super::mail::letter::{self, Letter};
use super::mail::wire::{Bounded, Stream, broken, not_connected, tls_refused};
use super::mail::{Mail, MailServer, Mailbox, When};
use super::{HttpTransport, is_refused_by_tls};
use crate::gateway::{Platform, Secret};
use adapter_contract::{Answer, DeliveryError, FailureCode, MailRequest};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail as From, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::{Code, Severity};
use std::time::Duration;
use tokio::time::timeout;

/// A server is waited for so long when the mail is there already.
const GOODBYE: Duration = Duration::from_secs(5);
/// Bytes that a server says in a session, at most.
const SAID: usize = 256 * 1024;

/// Sends one mail.
pub(super) async fn carry(
    transport: &HttpTransport,
    platform: &Platform,
    mail: &Mail,
    request: &MailRequest,
    link: &Secret,
) -> Result<Answer, DeliveryError> {
    let letter = letter::write(mail, request, link, transport.clock.now(), &transport.chance)?;
    let budget = Duration::from_secs(u64::from(platform.adapter.descriptor().limits.answer_seconds));
    let ready = timeout(budget, ready(transport, &mail.mailbox, &letter)).await;
    let mut connection = ready.map_err(|_| not_connected("The mail server did not answer in time."))??;
    let taken = timeout(budget, connection.message(&letter.bytes)).await;
    let late =
        |_| DeliveryError::new(FailureCode::NoAnswer, "The mail server did not say in time whether it took the mail.");
    let taken = taken.map_err(late)?.map_err(|error| refused(&error, During::Mail));
    // Whether the server hears it or not: what it said of the mail counts.
    let _ = timeout(GOODBYE, connection.quit()).await;
    taken.map(|_| Answer::Mailed)
}

/// A session in which the mail itself comes next.
async fn ready(
    transport: &HttpTransport,
    mailbox: &Mailbox,
    letter: &Letter,
) -> Result<AsyncSmtpConnection, DeliveryError> {
    let mut connection = logged_in(transport, mailbox).await?;
    let before = |error: Error| refused(&error, During::Envelope);
    let from = From::new(letter.envelope.from().cloned(), Vec::new());
    connection.command(from).await.map_err(before)?;
    for to in letter.envelope.to() {
        connection.command(Rcpt::new(to.clone(), Vec::new())).await.map_err(before)?;
    }
    connection.command(Data).await.map_err(before)?;
    Ok(connection)
}

async fn logged_in(transport: &HttpTransport, mailbox: &Mailbox) -> Result<AsyncSmtpConnection, DeliveryError> {
    let server = &mailbox.smtp;
    let stream = Stream::open(server, transport.lookup.as_ref(), &mailbox.allowed, &mailbox.trust).await?;
    let hello = ClientId::Domain(mailbox.from.email.domain().to_owned());
    let stream = match server.tls {
        When::StartTls => Bounded::before_tls(stream, SAID),
        When::Implicit | When::Never => Bounded::new(stream, SAID),
    };
    let connection = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello).await;
    let mut connection = connection.map_err(|error| refused(&error, During::Greeting))?;
    if server.tls == When::StartTls {
        let tls = mailbox.trust.starttls(&server.host).ok_or_else(tls_refused)?;
        // The same is so where somebody in between has taken the word out: nothing is said in clear.
        if !connection.can_starttls() {
            return Err(tls_refused());
        }
        connection.starttls(tls, &hello).await.map_err(|error| match error.status() {
            Some(_) => tls_refused(),
            None => broken(&error),
        })?;
    }
    log_in(&mut connection, server).await?;
    Ok(connection)
}

async fn log_in(connection: &mut AsyncSmtpConnection, server: &MailServer) -> Result<(), DeliveryError> {
    let credentials = Credentials::new(server.username.clone(), server.password.reveal().to_owned());
    let known = connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await;
    known.map(drop).map_err(|error| refused(&error, During::Login))
}

/// What was under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum During {
    /// The server had not been told anything but who we are.
    Greeting,
    /// It was shown the password.
    Login,
    /// It was told between whom the mail goes.
    Envelope,
    /// The mail itself was leaving.
    Mail,
}

/// A failure as a code, in our words.
fn refused(error: &Error, during: During) -> DeliveryError {
    let Some(code) = error.status() else { return unsaid(error, during) };
    let told = told(code, error);
    if code.severity == Severity::TransientNegativeCompletion {
        return DeliveryError::new(FailureCode::Busy, format!("The mail server takes it later, not now ({told})."));
    }
    let words = match during {
        During::Login => {
            let words = format!(
                "The mail server does not know the configured user by this password ({told}); nothing was sent. See to `username` and \
                 `password` of `smtp`."
            );
            return DeliveryError::new(FailureCode::HttpStatus(401), words);
        }
        During::Greeting => format!("The mail server does not talk with us ({told}); nothing was sent."),
        During::Envelope => format!(
            "The mail server does not take mail from us to the organisation's address ({told}); nothing was sent. See to `to` of `mail`, and \
             to what our mailbox may send."
        ),
        During::Mail => format!("The mail server refused the mail when it had it ({told})."),
    };
    DeliveryError::new(FailureCode::Refused, words)
}

/// A failure of which the server said nothing.
fn unsaid(error: &Error, during: During) -> DeliveryError {
    if is_refused_by_tls(error) {
        return tls_refused();
    }
    match during {
        During::Mail => {
            let words = "The connection ended before the mail server had said whether it took the mail.";
            DeliveryError::new(FailureCode::NoAnswer, words)
        }
        // The library's own refusal: the server offers nothing that it knows.
        During::Login if error.is_client() => {
            let words = "The mail server offers no login by user name and password; nothing was sent.";
            DeliveryError::new(FailureCode::HttpStatus(401), words)
        }
        _ => not_connected("The connection to the mail server ended, or what answers is no mail server."),
    }
}

/// Its code, and the enhanced one if the server gave one (RFC 3463); no word of it.
fn told(code: Code, error: &Error) -> String {
    let said = std::error::Error::source(error).map(ToString::to_string);
    let first = said.as_deref().and_then(|said| said.split_whitespace().next());
    match first.filter(|word| is_enhanced(word)) {
        Some(enhanced) => format!("{code} {enhanced}"),
        None => code.to_string(),
    }
}

/// `class.subject.detail`.
fn is_enhanced(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    let number = |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.len() == 3 && parts.iter().all(number) && parts.first().is_some_and(|class| ["4", "5"].contains(class))
}
