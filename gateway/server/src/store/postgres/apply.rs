//! Applies a transaction: its checks, then its changes. A refusal leaves undoing to the writer.

use super::fault::Fault;
use super::sql::{Bind as _, ask, one, run};
use super::{keys, notices, put, reads, search};
use crate::store::blind::Blind;
use crate::store::rows::Columns as _;
use crate::store::values::integer;
use gateway_core::change::{Change, Check, CheckFailure, Removed, Transaction};
use sqlx::PgConnection;

/// Checks and changes, in order.
pub(super) async fn apply(on: &mut PgConnection, blind: &Blind, transaction: &Transaction) -> Result<(), Fault> {
    for check in &transaction.checks {
        holds(on, blind, check).await?;
    }
    for change in &transaction.changes {
        write(on, blind, change).await?;
    }
    Ok(())
}

async fn holds(on: &mut PgConnection, blind: &Blind, check: &Check) -> Result<(), Fault> {
    match check {
        Check::Unseen { tenant, client, request_id } => match reads::answer(on, tenant, client, request_id).await? {
            Some(answer) => Err(CheckFailure::Seen(Box::new(answer)).into()),
            None => Ok(()),
        },
        Check::NoMatch { compartment, kind, tokens } => {
            let found = search::matching(on, blind, compartment, kind, tokens).await?;
            if found.is_empty() { Ok(()) } else { Err(CheckFailure::Matches(found).into()) }
        }
        Check::LeaseHeld { outbox, fence } => lease(on, outbox, *fence, true).await,
        Check::NotLeased { outbox, fence } => lease(on, outbox, *fence, false).await,
        Check::VersionIs { key, version } => {
            let current = put::current(on, key).await?.map_or(0, |(_, version, _)| version);
            if current == *version { Ok(()) } else { Err(CheckFailure::Version(current).into()) }
        }
        Check::These { compartment, kind, any_of, read } => {
            let found = search::versions(on, blind, compartment, kind, any_of).await?;
            if found == *read { Ok(()) } else { Err(CheckFailure::Changed.into()) }
        }
    }
}

/// Claims do not wait for the lock of the writer, so the row itself is locked: a claim of it then comes before or after.
async fn lease(on: &mut PgConnection, outbox: &str, fence: u64, leased: bool) -> Result<(), Fault> {
    let standing = ask("SELECT state, fence FROM outbox WHERE id = ?1 FOR UPDATE").text(outbox);
    let standing = one(on, standing, |row| Ok((row.text(0)? == "leased", row.integer(1)?))).await?;
    if standing == Some((leased, integer(fence)?)) { Ok(()) } else { Err(CheckFailure::LeaseLost.into()) }
}

async fn write(on: &mut PgConnection, blind: &Blind, change: &Change) -> Result<(), Fault> {
    match change {
        Change::PutResource(resource) => put::resource(on, blind, resource).await,
        Change::PutReferral(referral) => put::referral(on, referral).await,
        Change::PutAccount(account) => put::account(on, account).await,
        Change::PutSignIn(sign_in) => put::sign_in(on, sign_in).await,
        Change::Received(received) => put::received(on, received).await,
        Change::ReceiveReport(report) => put::raw_report(on, report).await,
        Change::RecordReport(report) => put::report(on, report).await,
        Change::RememberAnswer(answer) => put::answer(on, answer).await,
        Change::Erase { subject, erasure } => keys::destroy(on, subject, erasure).await,
        Change::PutOutbox(row) => put::outbox(on, row).await,
        Change::DropOutbox(id) => put::drop_outbox(on, id).await,
        Change::PutAttempt(attempt) => put::attempt(on, attempt).await,
        Change::Audit(line) => put::audit(on, line).await,
        Change::ReadingBegun { id, begun } => {
            let sql = "UPDATE raw_report SET begun = ?2 WHERE id = ?1 AND begun < ?2";
            run(on, ask(sql).text(id).number((*begun).into())).await
        }
        Change::ReportRead { id, fault, about } => {
            let read = ask("UPDATE raw_report SET read = 1, fault = ?2 WHERE id = ?1");
            run(on, read.text(id).maybe(fault.as_deref())).await?;
            for referral in about {
                let link = ask("INSERT INTO raw_report_about (referral, raw) VALUES (?1, ?2) ON CONFLICT DO NOTHING");
                run(on, link.text(&referral.0).text(id)).await?;
            }
            Ok(())
        }
        Change::Remove(removed) => {
            for one in removed {
                remove(on, one).await?;
            }
            Ok(())
        }
        Change::DisposeReport { id, disposition } => {
            let dispose = ask("UPDATE report SET disposition = ?2 WHERE id = ?1");
            run(on, dispose.text(id).text(disposition.word())).await
        }
        Change::PutLink(link) => put::link(on, link).await,
        Change::Feed(fed) => notices::feed(on, fed).await,
        Change::PutNotice(notice) => notices::put(on, notice).await,
        Change::PutCursor { platform, cursor } => {
            let put = ask("INSERT INTO cursor (platform, cursor) VALUES (?1, ?2)
                ON CONFLICT (platform) DO UPDATE SET cursor = excluded.cursor");
            run(on, put.text(&platform.0).text(&cursor.0)).await
        }
    }
}

async fn remove(on: &mut PgConnection, removed: &Removed) -> Result<(), Fault> {
    let remove = match removed {
        Removed::Received(place) => ask("DELETE FROM received WHERE place = ?1").number(integer(*place)?),
        Removed::Answer { tenant, client, request_id } => {
            let sql = "DELETE FROM answer WHERE tenant = ?1 AND client = ?2 AND request_id = ?3";
            ask(sql).text(&tenant.0).text(&client.0).text(request_id)
        }
        Removed::RawReport(id) => ask("DELETE FROM raw_report WHERE id = ?1").text(id),
        Removed::Link(id) => ask("DELETE FROM status_link WHERE id = ?1").text(id),
        Removed::Fed(place) => ask("DELETE FROM feed WHERE place = ?1").number(integer(*place)?),
        Removed::Notice(id) => ask("DELETE FROM notice WHERE id = ?1").text(id),
        Removed::SignIn(key) => ask("DELETE FROM sign_in WHERE key = ?1").text(key),
        Removed::Report(id) => ask("DELETE FROM report WHERE id = ?1").text(id),
    };
    run(on, remove).await
}
