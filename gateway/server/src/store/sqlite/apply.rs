//! Applies a transaction: its checks, then its changes, in the writer's savepoint. A refusal leaves undoing to the writer.

use super::rows::{integer, natural};
use super::{keys, notices, put, reads, search};
use crate::store::{CommitError, StoreError};
use gateway_core::change::{Change, Check, CheckFailure, Removed, Transaction};
use gateway_core::resource::ResourceKey;
use rusqlite::{Connection, OptionalExtension as _};

/// Checks and changes, in order.
pub(super) fn apply(file: &Connection, transaction: &Transaction) -> Result<(), CommitError> {
    for check in &transaction.checks {
        holds(file, check)?;
    }
    for change in &transaction.changes {
        write(file, change)?;
    }
    Ok(())
}

fn holds(file: &Connection, check: &Check) -> Result<(), CommitError> {
    match check {
        Check::Unseen { tenant, client, request_id } => match reads::answer(file, tenant, client, request_id)? {
            Some(answer) => Err(CheckFailure::Seen(Box::new(answer)).into()),
            None => Ok(()),
        },
        Check::NoMatch { compartment, kind, tokens } => {
            let found = search::matching(file, compartment, kind, tokens)?;
            if found.is_empty() { Ok(()) } else { Err(CheckFailure::Matches(found).into()) }
        }
        Check::LeaseHeld { outbox, fence } => lease(file, outbox, *fence, true),
        Check::NotLeased { outbox, fence } => lease(file, outbox, *fence, false),
        Check::VersionIs { key, version } => {
            let current = current(file, key)?.map_or(0, |(_, version)| version);
            if current == *version { Ok(()) } else { Err(CheckFailure::Version(current).into()) }
        }
        Check::These { compartment, kind, any_of, read } => {
            let found = search::versions(file, compartment, kind, any_of)?;
            if found == *read { Ok(()) } else { Err(CheckFailure::Changed.into()) }
        }
    }
}

fn lease(file: &Connection, outbox: &str, fence: u64, leased: bool) -> Result<(), CommitError> {
    let standing: Option<(bool, i64)> = file
        .prepare_cached("SELECT state = 'leased', fence FROM outbox WHERE id = ?1")?
        .query_row([outbox], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if standing == Some((leased, integer(fence)?)) { Ok(()) } else { Err(CheckFailure::LeaseLost.into()) }
}

/// A resource's place and current version.
pub(super) fn current(file: &Connection, key: &ResourceKey) -> Result<Option<(i64, u64)>, StoreError> {
    let mut statement = file.prepare_cached(
        "SELECT place, version FROM resource_current WHERE tenant = ?1 AND owner = ?2 AND kind = ?3 AND id = ?4",
    )?;
    let compartment = &key.compartment;
    let mut rows = statement.query((&compartment.tenant.0, compartment.owner.key(), &key.kind, &key.id))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some((row.get(0)?, natural(row, 1)?)))
}

fn write(file: &Connection, change: &Change) -> Result<(), CommitError> {
    match change {
        Change::PutResource(resource) => return put::resource(file, resource),
        Change::PutReferral(referral) => return put::referral(file, referral),
        Change::PutLink(link) => return put::link(file, link),
        Change::PutNotice(notice) => return notices::put(file, notice),
        Change::Feed(fed) => notices::feed(file, fed)?,
        Change::PutAccount(account) => return put::account(file, account),
        Change::PutSignIn(sign_in) => return put::sign_in(file, sign_in),
        Change::Received(received) => return put::received(file, received),
        Change::ReceiveReport(report) => return put::raw_report(file, report),
        Change::RecordReport(report) => return put::report(file, report),
        Change::RememberAnswer(answer) => return put::answer(file, answer),
        Change::Erase { subject, erasure } => return keys::destroy(file, subject, erasure),
        Change::PutOutbox(row) => put::outbox(file, row)?,
        Change::DropOutbox(id) => put::drop_outbox(file, id)?,
        Change::PutAttempt(attempt) => put::attempt(file, attempt)?,
        Change::Audit(line) => put::audit(file, line)?,
        Change::ReadingBegun { id, begun } => {
            let sql = "UPDATE raw_report SET begun = ?2 WHERE id = ?1 AND begun < ?2";
            file.prepare_cached(sql)?.execute((id, begun))?;
        }
        Change::ReportRead { id, fault, about } => {
            file.prepare_cached("UPDATE raw_report SET read = 1, fault = ?2 WHERE id = ?1")?.execute((id, fault))?;
            let mut link =
                file.prepare_cached("INSERT OR IGNORE INTO raw_report_about (referral, raw) VALUES (?1, ?2)")?;
            for referral in about {
                link.execute((&referral.0, id))?;
            }
        }
        Change::Remove(removed) => removed.iter().try_for_each(|one| remove(file, one))?,
        Change::DisposeReport { id, disposition } => {
            file.prepare_cached("UPDATE report SET disposition = ?2 WHERE id = ?1")?
                .execute((id, disposition.word()))?;
        }
        Change::PutCursor { platform, cursor } => {
            file.prepare_cached("INSERT OR REPLACE INTO cursor (platform, cursor) VALUES (?1, ?2)")?
                .execute((&platform.0, &cursor.0))?;
        }
    }
    Ok(())
}

fn remove(file: &Connection, removed: &Removed) -> Result<(), StoreError> {
    match removed {
        Removed::Received(place) => {
            file.prepare_cached("DELETE FROM received WHERE place = ?1")?.execute([integer(*place)?])?;
        }
        Removed::Answer { tenant, client, request_id } => {
            file.prepare_cached("DELETE FROM answer WHERE tenant = ?1 AND client = ?2 AND request_id = ?3")?
                .execute((&tenant.0, &client.0, request_id))?;
        }
        Removed::RawReport(id) => {
            file.prepare_cached("DELETE FROM raw_report WHERE id = ?1")?.execute([id])?;
        }
        Removed::Link(id) => {
            file.prepare_cached("DELETE FROM status_link WHERE id = ?1")?.execute([id])?;
        }
        Removed::Fed(place) => {
            file.prepare_cached("DELETE FROM feed WHERE place = ?1")?.execute([integer(*place)?])?;
        }
        Removed::Notice(id) => {
            file.prepare_cached("DELETE FROM notice WHERE id = ?1")?.execute([id])?;
        }
        Removed::SignIn(key) => {
            file.prepare_cached("DELETE FROM sign_in WHERE key = ?1")?.execute([key])?;
        }
        Removed::Report(id) => {
            file.prepare_cached("DELETE FROM report WHERE id = ?1")?.execute([id])?;
        }
    }
    Ok(())
}
