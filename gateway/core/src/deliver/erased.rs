//! An errand whose referral is no longer there.

use crate::change::{Change, Check, Transaction};
use crate::outbox::{AdapterVersion, Attempt, OutboxRow, OutboxState};
use time::OffsetDateTime;

/// Ends an errand of a referral that was erased before it was claimed: a report may have asked for it at that moment. There is
/// nothing left to ask about, and nobody to tell.
#[must_use]
pub fn of_erased(
    row: &OutboxRow,
    adapter: &AdapterVersion,
    (started, now): (OffsetDateTime, OffsetDateTime),
) -> Transaction {
    let ended =
        OutboxRow { state: OutboxState::Dropped, in_flight: None, progress: None, carries: None, ..row.clone() };
    let attempt = Attempt {
        outbox: row.id.clone(),
        number: row.attempts,
        started,
        finished: Some(now),
        outcome: Some("erased".to_owned()),
        failure: None,
        adapter: Some(adapter.clone()),
    };
    Transaction {
        checks: vec![Check::LeaseHeld { outbox: row.id.clone(), fence: row.fence }],
        changes: vec![Change::PutOutbox(Box::new(ended)), Change::PutAttempt(attempt)],
    }
}
