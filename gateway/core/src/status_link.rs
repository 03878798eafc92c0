//! Status link: how an organisation without a system says what becomes of a referral. A mail holds a link with a secret; whoever
//! opens it has to know the organisation's passphrase as well, once; then a page stays open for a while.
//!
//! Only hashes of what opens something are kept. A link shows nothing and changes nothing until the second factor is right, is
//! spent by it, and dies of too many wrong ones.

use crate::accept::{audit_line, new_row};
use crate::change::{Change, Transaction};
use crate::identity::{GATEWAY_AUTHOR, PlatformId};
use crate::outbox::{Errand, OutboxRow, OutboxState};
use crate::referral::{Delivery, Referral, ReferralId, SenderState};
use crate::retry::Schedule;
use crate::unanswered;
use adapter_contract::Ask;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// Wrong passphrases after which a link rests.
pub const WRONG_BEFORE_REST: u32 = 5;
/// For how long it then rests.
pub const REST: Duration = Duration::minutes(15);
/// Wrong passphrases after which a link is spent.
pub const WRONG_BEFORE_SPENT: u32 = 10;

/// Time between two new links for one referral.
pub const BETWEEN_LINKS: Duration = Duration::minutes(10);
/// Links of one referral within a day, however they were asked for, after which no other is sent on request.
pub const LINKS_A_DAY: usize = 5;
/// For how long a link is kept after the time until which it could be opened.
pub const KEPT: Duration = Duration::days(30);

/// What begins the words for a person where an organisation could not be asked.
pub const IN_VAIN: &str = "The organisation could not be asked by mail what became of this referral: ";

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

    /// A new one: nobody has opened it.
    #[must_use]
    pub fn made(
        id: String,
        (referral, platform): (&ReferralId, &PlatformId),
        secret_sha256: String,
        now: OffsetDateTime,
        opens_for: std::time::Duration,
    ) -> Self {
        Self {
            id,
            revision: 1,
            referral: referral.clone(),
            platform: platform.clone(),
            secret_sha256,
            made_at: now,
            expires_at: now + opens_for,
            state: LinkState::Unused,
            wrong: 0,
            rests_until: None,
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

/// How the organisation of a platform is asked, as far as a decision goes by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asks<'a> {
    /// When it is reminded, counted from the delivery; ascending.
    pub reminders: &'a [std::time::Duration],
    /// True if the platform's own adapter writes no letters: the organisation has the referral by another way, and is asked for
    /// the first time once it has it.
    pub companion: bool,
}

/// Whether its organisation may still be asked for word: it has the referral, and neither sender, consent, end nor return stands
/// against it. A reminder is for those alone that have said nothing.
#[must_use]
pub fn may_be_asked(referral: &Referral, why: Ask) -> bool {
    let stands = matches!(referral.delivery, Delivery::Delivered { .. })
        && referral.sender == SenderState::Active
        && referral.recall.is_none()
        && referral.erased.is_none()
        && !referral.task_status.is_final()
        && !unanswered::has_gone_back(referral);
    stands && (why != Ask::Reminder || referral.awaits_answer().is_some())
}

/// The number of the next mail of this kind.
#[must_use]
pub fn next_number(outbox: &[OutboxRow], why: Ask) -> u32 {
    let made = outbox.iter().filter_map(|row| match row.errand {
        Errand::Ask { why: of, number } if of == why => Some(number),
        _ => None,
    });
    made.max().unwrap_or(0) + 1
}

/// Whether a mail that asks is still to leave.
#[must_use]
pub fn is_asking(outbox: &[OutboxRow]) -> bool {
    let open = |row: &OutboxRow| matches!(row.state, OutboxState::Ready | OutboxState::Leased);
    outbox.iter().any(|row| matches!(row.errand, Errand::Ask { .. }) && open(row))
}

/// Somebody at the organisation asks for a new link.
pub struct Again<'a> {
    /// The referral as it stands.
    pub referral: &'a Referral,
    /// Its links.
    pub links: &'a [StatusLink],
    /// Its outbox rows.
    pub outbox: &'a [OutboxRow],
    /// When attempts are made.
    pub schedule: &'a Schedule,
    /// Now.
    pub now: OffsetDateTime,
}

/// Queues the mail with a new link, under the id that is given; `None` where none is sent: the organisation may not be asked any
/// more, one is on its way, the last was made less than [`BETWEEN_LINKS`] ago, or there were [`LINKS_A_DAY`] within a day. The mail
/// goes to the organisation's mailbox, whoever asks: who has an old link alone learns nothing by it.
#[must_use]
pub fn ask_again(from: &Again<'_>, id: String) -> Option<Transaction> {
    let why = Ask::NewLink;
    let since = |time: Duration| from.links.iter().filter(|link| link.made_at > from.now - time).count();
    if !may_be_asked(from.referral, why)
        || is_asking(from.outbox)
        || since(BETWEEN_LINKS) > 0
        || since(Duration::DAY) >= LINKS_A_DAY
    {
        return None;
    }
    let number = next_number(from.outbox, why);
    let row = new_row(from.referral, id, Errand::Ask { why, number }, 0, from.now, from.schedule)?;
    // The next revision of the referral: of two who ask at once, one looks again.
    let mut referral = from.referral.clone();
    referral.revision += 1;
    let line = audit_line(&referral, from.now, GATEWAY_AUTHOR, "new-link", serde_json::json!({ "number": number }));
    let changes = vec![Change::PutOutbox(Box::new(row)), line, Change::PutReferral(Box::new(referral))];
    Some(Transaction { checks: Vec::new(), changes })
}
