//! One form for what every engine keeps: times in UTC, to the microsecond, so that all engines compare and give back
//! the same values.

use gateway_core::account::SignIn;
use gateway_core::change::{Change, Transaction};
use gateway_core::outbox::{ClaimRequest, OutboxRow};
use gateway_core::referral::{Delivery, Referral};
use gateway_core::status_link::LinkState;
use time::{Duration, OffsetDateTime, UtcOffset};

/// How many ids a refused `NoMatch` names at most: one is an answer, several are an error, so more would help nobody.
pub(super) const MATCHES_NAMED: u32 = 100;

/// The instant in UTC, cut to the microsecond.
pub(super) fn instant(at: OffsetDateTime) -> OffsetDateTime {
    at.to_offset(UtcOffset::UTC) - Duration::nanoseconds(i64::from(at.nanosecond() % 1_000))
}

/// The claim with its times in store form.
pub(super) fn claim(mut request: ClaimRequest) -> ClaimRequest {
    request.now = instant(request.now);
    request.due_by = instant(request.due_by);
    request.lease_until = instant(request.lease_until);
    request
}

/// The transaction with its times in store form.
pub(super) fn transaction(mut transaction: Transaction) -> Transaction {
    for change in &mut transaction.changes {
        match change {
            Change::Received(received) => received.at = instant(received.at),
            Change::PutResource(resource) => resource.updated = instant(resource.updated),
            Change::PutReferral(put) => referral(put),
            Change::PutOutbox(row) => outbox(row),
            Change::PutAttempt(attempt) => {
                attempt.started = instant(attempt.started);
                attempt.finished = attempt.finished.map(instant);
            }
            Change::ReceiveReport(raw) => raw.received = instant(raw.received),
            Change::RecordReport(report) => report.received = instant(report.received),
            Change::RememberAnswer(answer) => answer.at = instant(answer.at),
            Change::PutLink(link) => {
                link.made_at = instant(link.made_at);
                link.expires_at = instant(link.expires_at);
                link.rests_until = link.rests_until.map(instant);
                if let LinkState::Open { until, .. } = &mut link.state {
                    *until = instant(*until);
                }
            }
            Change::Feed(fed) => fed.at = instant(fed.at),
            Change::PutNotice(notice) => {
                for at in [&mut notice.made, &mut notice.due, &mut notice.expires_at] {
                    *at = instant(*at);
                }
            }
            Change::PutAccount(account) => account.made_at = instant(account.made_at),
            Change::PutSignIn(SignIn::Session(session)) => {
                session.began = instant(session.began);
                session.seen = instant(session.seen);
            }
            Change::PutSignIn(SignIn::Attempts(attempts)) => {
                attempts.last = instant(attempts.last);
                attempts.rests_until = attempts.rests_until.map(instant);
            }
            Change::Audit(line) => line.at = instant(line.at),
            Change::Erase { erasure, .. } => erasure.at = instant(erasure.at),
            Change::DropOutbox(_)
            | Change::ReadingBegun { .. }
            | Change::ReportRead { .. }
            | Change::DisposeReport { .. }
            | Change::PutCursor { .. }
            | Change::Remove(_) => {}
        }
    }
    transaction
}

fn referral(referral: &mut Referral) {
    referral.accepted_at = instant(referral.accepted_at);
    if let Delivery::Delivered { at } = &mut referral.delivery {
        *at = instant(*at);
    }
    referral.answer_due = referral.answer_due.map(instant);
    referral.reminders.iter_mut().for_each(|at| *at = instant(*at));
    referral.agreed = referral.agreed.map(instant);
    referral.timers.iter_mut().for_each(|timer| timer.due = instant(timer.due));
    for one in &mut referral.follow_ups {
        one.opened_at = instant(one.opened_at);
        (one.due, one.ended_at) = (one.due.map(instant), one.ended_at.map(instant));
        if let Some(again) = &mut one.again {
            again.last = instant(again.last);
        }
    }
    referral.urgent = referral.urgent.map(instant);
    if let Some(erasure) = &mut referral.erased {
        erasure.at = instant(erasure.at);
    }
    if let Some(handled) = &mut referral.handled {
        handled.at = instant(handled.at);
    }
    if let Some(recall) = &mut referral.recall {
        recall.asked_at = instant(recall.asked_at);
        for at in [&mut recall.deadline, &mut recall.told_at, &mut recall.confirmed_at, &mut recall.overdue_at] {
            *at = at.map(instant);
        }
    }
}

fn outbox(row: &mut OutboxRow) {
    row.not_before = instant(row.not_before);
    row.expires_at = instant(row.expires_at);
    row.urgent = row.urgent.map(instant);
}

#[cfg(test)]
mod tests {
    use super::instant;
    use time::macros::datetime;

    #[test]
    fn instants_are_utc_to_the_microsecond() {
        let at = instant(datetime!(2026-03-01 10:00:00.123456789 +01:00));
        assert_eq!(at, datetime!(2026-03-01 09:00:00.123456 UTC));
        assert!(at.offset().is_utc());
        assert_eq!(instant(datetime!(1969-12-31 23:59:59.999999999 UTC)), datetime!(1969-12-31 23:59:59.999999 UTC));
    }
}
