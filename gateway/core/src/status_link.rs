//! Status link: how an organisation without a system says what becomes of a referral. A mail holds a link with a secret; whoever
//! opens it has to know the organisation's passphrase as well, once; then a page stays open for a while.
//!
//! Only hashes of what opens something are kept. A link shows nothing and changes nothing until the second factor is right, is
//! spent by it, and dies of too many wrong ones.

use crate::identity::PlatformId;
use crate::referral::ReferralId;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// Wrong passphrases after which a link rests.
pub const WRONG_BEFORE_REST: u32 = 5;
/// For how long it then rests.
pub const REST: Duration = Duration::minutes(15);
/// Wrong passphrases after which a link is spent.
pub const WRONG_BEFORE_SPENT: u32 = 10;

/// One link, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusLink {
    /// Its name.
    pub id: String,
    /// Grows by one with each change; a change made on an older revision is refused.
    pub revision: u64,
    /// The referral that it is about.
    pub referral: ReferralId,
    /// Whose organisation it was sent to.
    pub platform: PlatformId,
    /// SHA-256 (hex) of the secret in its address.
    pub secret_sha256: String,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub made_at: OffsetDateTime,
    /// Until when it can be opened.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// How far it is.
    pub state: LinkState,
    /// Wrong passphrases so far.
    pub wrong: u32,
    /// Until when no passphrase is looked at; absent = one is.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub rests_until: Option<OffsetDateTime>,
}

/// How far a link is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum LinkState {
    /// Nobody has opened it.
    Unused,
    /// It was opened, and is spent; who opened it may go on.
    Open {
        /// SHA-256 (hex) of the secret that the browser was given.
        session_sha256: String,
        /// Until when.
        #[serde(with = "time::serde::rfc3339")]
        until: OffsetDateTime,
    },
    /// It opens nothing any more.
    Spent,
}

impl StatusLink {
    /// Whether a passphrase is looked at now.
    #[must_use]
    pub fn may_be_tried(&self, now: OffsetDateTime) -> bool {
        self.state == LinkState::Unused && now < self.expires_at && self.rests_until.is_none_or(|until| until <= now)
    }

    /// Opened with the right passphrase, and spent by that.
    #[must_use]
    pub fn opened(&self, session_sha256: String, until: OffsetDateTime) -> Self {
        let mut next = self.clone();
        next.revision += 1;
        next.state = LinkState::Open { session_sha256, until };
        next.rests_until = None;
        next
    }

    /// Tried with a wrong one.
    #[must_use]
    pub fn refused(&self, now: OffsetDateTime) -> Self {
        let mut next = self.clone();
        next.revision += 1;
        next.wrong += 1;
        if next.wrong >= WRONG_BEFORE_SPENT {
            next.state = LinkState::Spent;
        } else if next.wrong.is_multiple_of(WRONG_BEFORE_REST) {
            next.rests_until = Some(now + REST);
        }
        next
    }

    /// SHA-256 (hex) of what the browser that opened it was given.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        match &self.state {
            LinkState::Open { session_sha256, .. } => Some(session_sha256),
            LinkState::Unused | LinkState::Spent => None,
        }
    }

    /// Closed by whoever had opened it.
    #[must_use]
    pub fn closed(&self) -> Self {
        Self { revision: self.revision + 1, state: LinkState::Spent, ..self.clone() }
    }

    /// Whether the page that this browser secret belongs to is open.
    #[must_use]
    pub fn is_open(&self, session: &str, now: OffsetDateTime) -> bool {
        matches!(&self.state, LinkState::Open { session_sha256, until } if session_sha256 == session && now < *until)
    }
}
