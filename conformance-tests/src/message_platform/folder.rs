//! The folders in which the platform's people see a referral.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Where a referral lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    /// Nobody has said anything yet.
    New,
    /// Taken on, in whatever state.
    PendingBooking,
    /// An appointment was made.
    BookingUnconfirmed,
    /// And confirmed.
    BookingConfirmed,
    /// The service has asked something.
    AwaitingReply,
    /// Not taken on; it can be opened again.
    Declined,
    /// Done.
    Completed,
    /// Passed to another service.
    Forwarded,
    /// Withdrawn by its sender. A service cannot put it here.
    Cancelled,
}

/// Where a status of the service's Task puts it: four are one folder, two are none, and two are another.
pub(super) fn after_status(before: Folder, status: &str) -> Folder {
    match status {
        "accepted" | "in-progress" | "on-hold" | "ready" => Folder::PendingBooking,
        "rejected" | "cancelled" => Folder::Declined,
        "completed" => Folder::Completed,
        _ => before,
    }
}

/// Where an appointment puts it, if it has a time.
pub(super) fn after_appointment(before: Folder, status: &str, start: &str) -> Folder {
    if OffsetDateTime::parse(start, &Rfc3339).is_err() {
        return before;
    }
    match status {
        "proposed" | "pending" => Folder::BookingUnconfirmed,
        "booked" => Folder::BookingConfirmed,
        "cancelled" => Folder::PendingBooking,
        _ => before,
    }
}
