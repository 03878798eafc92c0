//! How the status of a Subscription goes on: requested → active (once the handshake was answered) → error (sending has failed for long)
//! → active again or off. Off is the end; only its client asks for it anew.

use super::{Status, Subscription};
use gateway_fhir::Json;
use time::{Duration, OffsetDateTime};

/// Sending has failed for so long before it is shown as an error.
pub const ERROR_AFTER: Duration = Duration::hours(1);

/// What happens to a Subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// The endpoint answered a notification, be it a handshake, a heartbeat or events, with 2xx.
    Answered,
    /// It refused the handshake with an answer that will not change by itself.
    HandshakeRefused,
    /// A notification failed; the first in a row did so at this time.
    Failed {
        /// When.
        since: OffsetDateTime,
    },
    /// It answered `410`: it does not want more.
    Gone,
    /// Its client may not subscribe any more: it was removed, or has lost its role or its hosts.
    NotAllowed,
    /// The Subscription cannot be read any more by the rules that hold now.
    Unreadable,
}

/// What it is to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// `Subscription.status`.
    pub status: Status,
    /// `Subscription.error`; absent = cleared.
    pub error: Option<&'static str>,
}

/// What it becomes; `None` if it stays as it is. An end that is reached comes before all else.
#[must_use]
pub fn moved(status: Status, end: Option<OffsetDateTime>, happening: Happening, now: OffsetDateTime) -> Option<Moved> {
    let to = |status, error| Some(Moved { status, error });
    if status == Status::Off {
        return None;
    }
    if end.is_some_and(|end| end <= now) {
        return to(Status::Off, Some("It has reached its end."));
    }
    match (happening, status) {
        (Happening::Gone, _) => to(Status::Off, Some("The endpoint answered 410 Gone.")),
        (Happening::NotAllowed, _) => {
            to(Status::Off, Some("The client that made it may not subscribe, or not to this endpoint, any more."))
        }
        (Happening::Unreadable, _) => to(Status::Off, Some("What it says is not understood any more.")),
        (Happening::Answered, Status::Requested | Status::Error) => to(Status::Active, None),
        (Happening::HandshakeRefused, Status::Requested) => to(
            Status::Error,
            Some(
                "The endpoint refused the handshake. Once it answers with 2xx, put the Subscription with status requested.",
            ),
        ),
        (Happening::Failed { since }, Status::Requested | Status::Active) if now - since >= ERROR_AFTER => to(
            Status::Error,
            Some(
                "Notifications have not been answered with 2xx for an hour. They go on being tried; nothing is lost meanwhile ($events).",
            ),
        ),
        _ => None,
    }
}

/// The status that a client's update leads to. Its own words are `off` and `requested`; what it reads and sends back changes nothing as
/// long as notifications go where they went.
#[must_use]
pub fn proposed(current: &Subscription, next: &Subscription) -> Status {
    let same_channel = current.endpoint == next.endpoint && current.content == next.content;
    match next.status {
        Status::Off => Status::Off,
        Status::Requested => Status::Requested,
        Status::Active | Status::Error if current.status == next.status && same_channel => current.status,
        Status::Active | Status::Error => Status::Requested,
    }
}

/// The document with this status and error; not yet stamped.
#[must_use]
pub fn with_status(document: &Json, moved: &Moved) -> Json {
    let mut document = document.clone();
    document.set("status", Json::string(moved.status.code()));
    document.remove("_status");
    match moved.error {
        Some(words) => document.set("error", Json::string(words)),
        None => {
            document.remove("error");
        }
    }
    document.remove("_error");
    document
}

/// Whether a heartbeat is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeartbeatDue {
    /// It asks for none, or none is sent in its status.
    Never,
    /// At this time, if nothing else is sent before.
    At(OffsetDateTime),
}

impl Subscription {
    /// When a heartbeat is due, if nothing was sent since `last`.
    #[must_use]
    pub fn heartbeat(&self, last: OffsetDateTime) -> HeartbeatDue {
        match self.heartbeat_seconds {
            Some(seconds) if self.status == Status::Active => {
                HeartbeatDue::At(last.saturating_add(Duration::seconds(i64::from(seconds))))
            }
            _ => HeartbeatDue::Never,
        }
    }
}
