//! Writing rows, one function for each table.

use super::apply::current;
use super::blind;
use super::chain;
use super::keys::{self, Holder};
use super::rows::{answer_row, body, contents, integer, json, micros, received_row, report_key, sealed_contents};
use crate::store::chain::Content;
use crate::store::seal::{Key, Row, seal};
use crate::store::statements::{PUT_FORMER, REMOVE_TOKEN, WAITING_ROW, WAITS, needs};
use crate::store::{CommitError, StoreError};
use gateway_core::account::{Account, SignIn};
use gateway_core::alarm::is_alarm;
use gateway_core::change::{AuditRecord, CheckFailure, RawReport, Received, ReportRecord, StoredAnswer};
use gateway_core::outbox::{Attempt, OutboxRow, OutboxState};
use gateway_core::referral::Referral;
use gateway_core::resource::{ResourceVersion, Token};
use gateway_core::status_link::StatusLink;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::BTreeSet;

/// The next version of a resource, and what finds it.
pub(super) fn resource(file: &Connection, resource: &ResourceVersion) -> Result<(), CommitError> {
    let known = current(file, &resource.key)?;
    let standing = known.map_or(0, |(_, version)| version);
    if standing.checked_add(1) != Some(resource.version) {
        return Err(CheckFailure::Version(standing).into());
    }
    let compartment = &resource.key.compartment;
    let (version, updated) = (integer(resource.version)?, micros(resource.updated)?);
    let new: BTreeSet<&Token> = resource.tokens.iter().collect();
    let (place, sealed, old) = match known {
        Some((place, _)) => {
            let number = file
                .prepare_cached("SELECT sealed_by FROM resource_current WHERE place = ?1")?
                .query_row([place], |row| row.get(0))?;
            let sealed = keys::numbered(file, number)?;
            let old = tokens_of(file, &sealed.key, place, version - 1)?;
            file.prepare_cached("UPDATE resource_current SET version = ?2, updated = ?3 WHERE place = ?1")?
                .execute((place, version, updated))?;
            (place, sealed, old)
        }
        None => {
            let holder = Holder::of(resource.subject.as_ref(), &compartment.tenant);
            let sealed = keys::find(file, &holder, resource.updated)?;
            file.prepare_cached(
                "INSERT INTO resource_current (tenant, owner, kind, id, version, updated, sealed_by)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute((
                &compartment.tenant.0,
                compartment.owner.key(),
                &resource.key.kind,
                &resource.key.id,
                version,
                updated,
                sealed.id,
            ))?;
            (file.last_insert_rowid(), sealed, Vec::new())
        }
    };
    file.prepare_cached(
        "INSERT INTO resource_version (place, version, updated, author, method, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute((
        place,
        version,
        updated,
        &resource.author,
        resource.method.verb(),
        sealed_contents(&sealed.key, place, version, &resource.tokens, &resource.body)?,
    ))?;
    Ok(retoken(file, resource, place, &old.iter().collect(), &new)?)
}

/// Only the difference is written: most updates of a Task leave most of its tokens as they are.
fn retoken(
    file: &Connection,
    resource: &ResourceVersion,
    place: i64,
    old: &BTreeSet<&Token>,
    new: &BTreeSet<&Token>,
) -> Result<(), StoreError> {
    let tenant = &resource.key.compartment.tenant.0;
    let owner = resource.key.compartment.owner.key();
    let kind = &resource.key.kind;
    let blind = blind::read(file)?;
    let mut remove = file.prepare_cached(REMOVE_TOKEN)?;
    for token in old.difference(new) {
        remove.execute((tenant, blind.value(&owner, kind, token), place))?;
    }
    let mut add = file.prepare_cached("INSERT INTO token (tenant, value, place) VALUES (?1, ?2, ?3)")?;
    for token in new.difference(old) {
        add.execute((tenant, blind.value(&owner, kind, token), place))?;
    }
    Ok(())
}

fn tokens_of(file: &Connection, key: &Key, place: i64, version: i64) -> Result<Vec<Token>, StoreError> {
    let sealed: Vec<u8> = file
        .prepare_cached("SELECT body FROM resource_version WHERE place = ?1 AND version = ?2")?
        .query_row((place, version), |row| row.get(0))?;
    Ok(contents(key, place, version, &sealed)?.0)
}

/// Removes the tokens of all resources that a key seals, while they can still be read.
pub(super) fn forget_tokens(file: &Connection, number: i64) -> Result<(), CommitError> {
    let key = keys::numbered(file, number)?.key;
    let sql = "SELECT place, version, tenant, owner, kind FROM resource_current WHERE sealed_by = ?1 AND erased = 0";
    let resources: Vec<(i64, i64, [String; 3])> = super::reads::all(file, sql, [number], |row| {
        Ok((row.get(0)?, row.get(1)?, [row.get(2)?, row.get(3)?, row.get(4)?]))
    })?;
    let blind = blind::read(file)?;
    let mut remove = file.prepare_cached(REMOVE_TOKEN)?;
    for (place, version, [tenant, owner, kind]) in resources {
        for token in tokens_of(file, &key, place, version)? {
            remove.execute((&tenant, blind.value(&owner, &kind, &token), place))?;
        }
    }
    Ok(())
}

/// The next revision of a referral.
pub(super) fn referral(file: &Connection, referral: &Referral) -> Result<(), CommitError> {
    let standing: Option<i64> = file
        .prepare_cached("SELECT revision FROM referral WHERE id = ?1")?
        .query_row([&referral.id.0], |row| row.get(0))
        .optional()?;
    let revision = integer(referral.revision)?;
    if standing.unwrap_or(0).checked_add(1) != Some(revision) {
        return Err(CheckFailure::Revision(standing.unwrap_or(0).unsigned_abs()).into());
    }
    let sql = if standing.is_some() {
        "UPDATE referral SET revision = ?2, tenant = ?3, owner = ?4, task = ?5, platform = ?6, key = ?7,
             platform_referral = ?8, delivery = ?9, task_status = ?10, body = ?11,
             subject = ?12, attention = ?13, answer_due = ?14, needs = ?15, pressing = ?16, since = ?17
         WHERE id = ?1"
    } else {
        "INSERT INTO referral (id, revision, tenant, owner, task, platform, key, platform_referral, delivery,
             task_status, body, subject, attention, answer_due, needs, pressing, since)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)"
    };
    let [needs, pressing, since] = needs(referral)?;
    file.prepare_cached(sql)?.execute(params![
        &referral.id.0,
        revision,
        &referral.compartment.tenant.0,
        referral.compartment.owner.key(),
        &referral.task,
        referral.platform.as_ref().map(|platform| &platform.0),
        &referral.key.0,
        referral.platform_referral.as_ref().map(|name| &name.0),
        referral.delivery.word(),
        referral.task_status.code(),
        json(referral)?,
        referral.subject.as_ref().map(|subject| &subject.0),
        referral.attention.is_some(),
        referral.next_look().map(micros).transpose()?,
        needs,
        pressing,
        since,
    ])?;
    for word in referral.former_words() {
        file.prepare_cached(PUT_FORMER)?.execute((&referral.id.0, word))?;
    }
    Ok(())
}

/// The next revision of a status link.
pub(super) fn link(file: &Connection, link: &StatusLink) -> Result<(), CommitError> {
    let standing: Option<i64> = file
        .prepare_cached("SELECT revision FROM status_link WHERE id = ?1")?
        .query_row([&link.id], |row| row.get(0))
        .optional()?;
    let revision = integer(link.revision)?;
    if standing.unwrap_or(0).checked_add(1) != Some(revision) {
        return Err(CheckFailure::Revision(standing.unwrap_or(0).unsigned_abs()).into());
    }
    let sql = if standing.is_some() {
        "UPDATE status_link SET revision = ?2, referral = ?3, secret = ?4, session = ?5, expires = ?6, body = ?7
         WHERE id = ?1"
    } else {
        "INSERT INTO status_link (id, revision, referral, secret, session, expires, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
    };
    file.prepare_cached(sql)?.execute((
        &link.id,
        revision,
        &link.referral.0,
        &link.secret_sha256,
        link.session(),
        micros(link.expires_at)?,
        json(link)?,
    ))?;
    Ok(())
}

/// The next revision of an account.
pub(super) fn account(file: &Connection, account: &Account) -> Result<(), CommitError> {
    let standing: Option<i64> = file
        .prepare_cached("SELECT revision FROM account WHERE id = ?1")?
        .query_row([&account.id.0], |row| row.get(0))
        .optional()?;
    let revision = next_revision(standing, account.revision)?;
    let sql = if standing.is_some() {
        "UPDATE account SET revision = ?2, body = ?3 WHERE id = ?1"
    } else {
        "INSERT INTO account (id, revision, body) VALUES (?1, ?2, ?3)"
    };
    file.prepare_cached(sql)?.execute((&account.id.0, revision, json(account)?))?;
    Ok(())
}

/// The next revision of a sign-in, or of attempts that failed.
pub(super) fn sign_in(file: &Connection, sign_in: &SignIn) -> Result<(), CommitError> {
    let standing: Option<i64> = file
        .prepare_cached("SELECT revision FROM sign_in WHERE key = ?1")?
        .query_row([sign_in.key()], |row| row.get(0))
        .optional()?;
    let revision = next_revision(standing, sign_in.revision())?;
    file.prepare_cached("INSERT OR REPLACE INTO sign_in (key, revision, expires, body) VALUES (?1, ?2, ?3, ?4)")?
        .execute((sign_in.key(), revision, micros(sign_in.expires_at())?, json(sign_in)?))?;
    Ok(())
}

fn next_revision(standing: Option<i64>, revision: u64) -> Result<i64, CommitError> {
    let next = integer(revision)?;
    if standing.unwrap_or(0).checked_add(1) == Some(next) {
        return Ok(next);
    }
    Err(CheckFailure::Revision(standing.unwrap_or(0).unsigned_abs()).into())
}

/// A new outbox row, or the new state of one.
pub(super) fn outbox(file: &Connection, row: &OutboxRow) -> Result<(), StoreError> {
    let standing: Option<(String, Option<i64>)> = file
        .prepare_cached("SELECT state, due FROM outbox WHERE id = ?1")?
        .query_row([&row.id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let not_before = micros(row.not_before)?;
    let due = match row.state {
        OutboxState::Ready => Some(not_before),
        OutboxState::Leased => match &standing {
            Some((state, lease)) if state == OutboxState::Leased.word() => *lease,
            _ => Some(not_before),
        },
        OutboxState::Held | OutboxState::Done | OutboxState::Dead | OutboxState::Dropped => None,
    };
    let urgent = due.zip(row.urgent).map(|(due, urgent)| Ok::<_, StoreError>(micros(urgent)?.max(due))).transpose()?;
    let sql = if standing.is_some() {
        "UPDATE outbox SET tenant = ?2, referral = ?3, platform = ?4, sequence = ?5, state = ?6, due = ?7, urgent = ?8,
             fence = ?9, body = ?10
         WHERE id = ?1"
    } else {
        "INSERT INTO outbox (id, tenant, referral, platform, sequence, state, due, urgent, fence, body, waits)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0)"
    };
    file.prepare_cached(sql)?.execute((
        &row.id,
        &row.tenant.0,
        &row.referral.0,
        &row.platform.0,
        row.sequence,
        row.state.word(),
        due,
        urgent,
        integer(row.fence)?,
        json(row)?,
    ))?;
    let blocked = standing.as_ref().map(|(state, _)| OutboxState::is_blocking(state));
    if blocked != Some(row.state.blocks()) {
        file.prepare_cached(WAITS)?.execute((&row.referral.0, row.sequence))?;
    }
    Ok(())
}

/// What waits for its time is no longer wanted.
pub(super) fn drop_outbox(file: &Connection, id: &str) -> Result<(), StoreError> {
    let waiting = file
        .prepare_cached(WAITING_ROW)?
        .query_row([id], |row| Ok(body::<OutboxRow>(row, 0, "outbox row")))
        .optional()?
        .transpose()?;
    waiting.map_or(Ok(()), |row| outbox(file, &OutboxRow { state: OutboxState::Dropped, ..row }))
}

/// An attempt, begun or ended.
pub(super) fn attempt(file: &Connection, attempt: &Attempt) -> Result<(), StoreError> {
    file.prepare_cached("INSERT OR REPLACE INTO attempt (outbox, number, body) VALUES (?1, ?2, ?3)")?.execute((
        &attempt.outbox,
        attempt.number,
        json(attempt)?,
    ))?;
    Ok(())
}

/// The bytes of a request.
pub(super) fn received(file: &Connection, received: &Received) -> Result<(), CommitError> {
    let sealed = keys::find(file, &Holder::of(received.subject.as_ref(), &received.tenant), received.at)?;
    let bound = received_row(&received.tenant.0, &received.client.0, &received.request_id, &received.sha256);
    file.prepare_cached(
        "INSERT INTO received (tenant, client, request_id, correlation, at, sha256, sealed_by, bytes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute((
        &received.tenant.0,
        &received.client.0,
        &received.request_id,
        &received.correlation,
        micros(received.at)?,
        &received.sha256,
        sealed.id,
        seal(&sealed.key, &bound, &received.bytes)?,
    ))?;
    Ok(())
}

/// A push, unread.
pub(super) fn raw_report(file: &Connection, report: &RawReport) -> Result<(), CommitError> {
    let sealed = keys::find(file, &Holder::platform(&report.platform), report.received)?;
    file.prepare_cached(
        "INSERT INTO raw_report (id, platform, source, content_type, received, sealed_by, body, begun)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute((
        &report.id,
        &report.platform.0,
        json(&report.source)?,
        &report.content_type,
        micros(report.received)?,
        sealed.id,
        seal(&sealed.key, &Row::of("raw_report", &[&report.id]), &report.body)?,
        report.begun,
    ))?;
    Ok(())
}

/// A statement: nothing if another id says the same, else the new state of this id.
pub(super) fn report(file: &Connection, report: &ReportRecord) -> Result<(), CommitError> {
    let holder = keys::of_statement(file, report.referral.as_ref(), &report.platform)?;
    let sealed = keys::find(file, &holder, report.received)?;
    let said: Option<String> = file
        .prepare_cached("SELECT id FROM report WHERE platform = ?1 AND platform_referral = ?2 AND event = ?3")?
        .query_row((&report.platform.0, &report.platform_referral().0, &report.report.event), |row| row.get(0))
        .optional()?;
    if said.is_some_and(|id| id != report.id) {
        return Ok(());
    }
    file.prepare_cached(
        "INSERT INTO report (id, platform, platform_referral, event, key, referral, source, received, disposition,
             sealed_by, body, calls)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         ON CONFLICT (id) DO UPDATE SET
             platform = excluded.platform, platform_referral = excluded.platform_referral, event = excluded.event,
             key = excluded.key, referral = excluded.referral, source = excluded.source, received = excluded.received,
             disposition = excluded.disposition, sealed_by = excluded.sealed_by, body = excluded.body,
             calls = excluded.calls",
    )?
    .execute((
        &report.id,
        &report.platform.0,
        &report.platform_referral().0,
        &report.report.event,
        report_key(&report.report),
        report.referral.as_ref().map(|referral| &referral.0),
        json(&report.source)?,
        micros(report.received)?,
        report.disposition.word(),
        sealed.id,
        seal(&sealed.key, &Row::of("report", &[&report.id]), json(&report.report)?.as_bytes())?,
        is_alarm(&report.report),
    ))?;
    Ok(())
}

/// The answer for a repetition; the newest stands.
pub(super) fn answer(file: &Connection, answer: &StoredAnswer) -> Result<(), CommitError> {
    let sealed = keys::find(file, &Holder::of(answer.subject.as_ref(), &answer.tenant), answer.at)?;
    let bound = answer_row(&answer.tenant.0, &answer.client.0, &answer.request_id);
    file.prepare_cached(
        "INSERT OR REPLACE INTO answer (tenant, client, request_id, fingerprint, at, status, location, etag, sealed_by,
             body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute((
        &answer.tenant.0,
        &answer.client.0,
        &answer.request_id,
        &answer.fingerprint,
        micros(answer.at)?,
        answer.status,
        &answer.location,
        &answer.etag,
        sealed.id,
        seal(&sealed.key, &bound, answer.body.as_deref().unwrap_or_default().as_bytes())?,
    ))?;
    Ok(())
}

/// A line of audit, behind the last one of its tenant.
pub(super) fn audit(file: &Connection, line: &AuditRecord) -> Result<(), StoreError> {
    let (at, detail) = (micros(line.at)?, json(&line.detail)?);
    let referral = line.referral.as_ref().map(|referral| referral.0.as_str());
    let link = chain::last(file, &line.tenant)?.next(
        &line.tenant,
        &Content {
            at,
            actor: line.actor.as_bytes(),
            action: line.action.as_bytes(),
            referral: referral.map(str::as_bytes),
            detail: detail.as_bytes(),
        },
    );
    file.prepare_cached(
        "INSERT INTO audit (tenant, number, at, actor, action, referral, detail, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute((
        &line.tenant.0,
        integer(link.number)?,
        at,
        &line.actor,
        &line.action,
        referral,
        detail,
        link.hash,
    ))?;
    Ok(())
}
