//! Mail as data: for organisations that have a mailbox and no system.
//!
//! To whom it goes, from where, over which server, and how a status link is made are the gateway's affair. An adapter
//! writes the letter and reads what comes back.

use crate::Repeat;
use serde::{Deserialize, Serialize};

/// Stands in [`MailRequest::text`] where the address of the status-link page goes. The gateway puts a new link there for each
/// mail, when it leaves.
pub const STATUS_LINK: &str = "{status-link}";

/// A mail to the platform's mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailRequest {
    /// Names the mail: letters, digits and hyphens, without patient data. Its `Message-ID` is made of it, so that a second copy is
    /// known as the same (RFC 5322, 3.6.4).
    pub key: String,
    /// Names the conversation, without patient data: our key for the referral. It stands in the address for replies
    /// (`referrals+THREAD@…`), so that whatever comes back can be told.
    pub thread: String,
    /// The key of the mail that it goes on from, so that both stand in one thread.
    pub follows: Option<String>,
    /// `Subject`, without patient data.
    pub subject: String,
    /// The body, as plain text.
    pub text: String,
    /// What is attached.
    pub attachments: Vec<Attachment>,
    /// What happens if it is sent twice.
    pub repeat: Repeat,
}

/// Something attached to a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its name, without folders and without patient data.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub content: Vec<u8>,
    /// Whether the gateway encrypts it, with the passphrase that was agreed with the organisation, before it leaves. A PDF only;
    /// without such a passphrase nothing is sent.
    pub sealed: bool,
}

/// Why the organisation is asked for word by mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// It had the referral by another way, and has not been asked yet.
    First,
    /// It was asked, and has not said anything.
    Reminder,
    /// Somebody there asked for a new link.
    NewLink,
}
