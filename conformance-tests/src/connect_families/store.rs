//! What the platform holds: referrals with their status, the pages of its lists.
//!
//! No socket in here, and no roles: who may do what is decided by [`super::exchange`].

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use super::Quirks;
use super::referral::Accepted;

/// The four statuses. Any may follow any; there is no end and no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Nobody has looked.
    New,
    /// Somebody has looked.
    Opened,
    /// The voluntary organisation will help. The platform tells nothing after this.
    Accepted,
    /// It will not, and says why.
    Declined,
}

impl Status {
    pub(super) const ALL: [Self; 4] = [Self::New, Self::Opened, Self::Accepted, Self::Declined];

    /// The platform's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "New",
            Self::Opened => "Opened",
            Self::Accepted => "Accepted",
            Self::Declined => "Declined",
        }
    }

    /// The status of exactly this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    pub(super) fn number(self) -> i64 {
        match self {
            Self::New => 1,
            Self::Opened => 2,
            Self::Accepted => 3,
            Self::Declined => 4,
        }
    }
}

/// A stored referral.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) id: i64,
    pub(super) accepted: Accepted,
    created: OffsetDateTime,
    modified: OffsetDateTime,
}

/// What a list is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listing {
    pub(super) order: Option<Order>,
    pub(super) ascending: Option<bool>,
    pub(super) declined: bool,
    pub(super) page: usize,
    pub(super) size: usize,
}

/// How a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Sent,
    Updated,
}

/// What the platform holds.
pub(super) struct State {
    pub(super) key: String,
    pub(super) quirks: Quirks,
    referrals: Vec<Stored>,
}

impl State {
    pub(super) fn new(key: String) -> Self {
        Self { key, quirks: Quirks::default(), referrals: Vec::new() }
    }

    /// Stores a referral as the newest, as of this instant: a later one than any before.
    pub(super) fn add(&mut self, accepted: Accepted, at: OffsetDateTime) -> &Stored {
        let id = self.referrals.last().map_or(1, |last| last.id + 1);
        self.referrals.push(Stored { id, accepted, created: at, modified: at });
        self.referrals.last().expect("one was pushed on the line above")
    }

    pub(super) fn get(&self, id: i64) -> Option<&Stored> {
        self.referrals.iter().find(|one| one.id == id)
    }

    /// Every referral, oldest first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Stored> {
        self.referrals.iter()
    }

    /// Sets the status; a reason that is not given is taken away. False if there is no such referral.
    pub(super) fn set_status(&mut self, id: i64, status: Status, reason: Option<String>, at: OffsetDateTime) -> bool {
        let Some(stored) = self.referrals.iter_mut().find(|one| one.id == id) else { return false };
        stored.accepted.status = status;
        stored.accepted.reason = reason;
        stored.modified = at;
        true
    }

    /// A referral as the platform answers with it.
    pub(super) fn shown(&self, stored: &Stored) -> Value {
        let mut shown = json!({ "id": stored.id });
        if let (Some(shown), Some(members)) = (shown.as_object_mut(), stored.accepted.referral.as_object()) {
            shown.extend(members.clone());
        }
        let status = stored.accepted.status;
        let name = status.as_str();
        let name = if self.quirks.status_in_lower_case { name.to_ascii_lowercase() } else { name.to_owned() };
        shown["status"] = json!({ "id": status.number(), "name": name });
        shown["reasonForDecliningSupport"] = json!(stored.accepted.reason);
        shown["created"] = json!(instant(stored.created));
        shown["lastModified"] = json!(instant(stored.modified));
        shown
    }

    /// One page of those that `belongs` picks.
    pub(super) fn list(&self, listing: Listing, belongs: impl Fn(&Stored) -> bool) -> Value {
        let keep = |one: &&Stored| belongs(one) && (listing.declined || one.accepted.status != Status::Declined);
        let mut found: Vec<&Stored> = self.referrals.iter().filter(keep).collect();
        // Without both parameters the order is whatever the database has: here, the order of arrival.
        if let (Some(order), Some(ascending)) = (listing.order, listing.ascending) {
            found.sort_by_key(|one| if order == Order::Sent { one.created } else { one.modified });
            if !ascending {
                found.reverse();
            }
        }
        let before = (listing.page - 1).saturating_mul(listing.size);
        // As if a newer row had come in between two pages: the last row of the page before stands here again.
        let again = usize::from(self.quirks.rows_again && before > 0);
        let rows = found.iter().skip(before.saturating_sub(again)).take(listing.size + again);
        json!({
            "items": rows.map(|one| self.shown(one)).collect::<Vec<_>>(),
            "pageNumber": listing.page,
            "totalPages": found.len().div_ceil(listing.size),
            "totalCount": found.len(),
        })
    }
}

/// As the platform's database gives it back: UTC, and no offset to say so.
fn instant(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC)
        .format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]"))
        .expect("every component of the format exists in an OffsetDateTime")
}
