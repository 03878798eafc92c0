//! Writing rows, one function for each table. The caller holds the lock of the writer, so what is looked up here is not
//! changed by another before it is written.

use super::fault::Fault;
use super::keys;
use super::sql::{Bind as _, all, ask, one, run};
use crate::store::blind::Blind;
use crate::store::chain::{Content, Link};
use crate::store::holder::Holder;
use crate::store::rows::{Columns as _, hash};
use crate::store::seal::{Key, Row, seal};
use crate::store::statements::{LAST, PUT_FORMER, REMOVE_TOKEN, WAITING_ROW, WAITS, needs};
use crate::store::values::{
    answer_row, contents, integer, json, micros, received_row, report_key, sealed_contents, unreadable,
};
use gateway_core::account::{Account, SignIn};
use gateway_core::alarm::is_alarm;
use gateway_core::change::{AuditRecord, CheckFailure, RawReport, Received, ReportRecord, StoredAnswer};
use gateway_core::outbox::{Attempt, OutboxRow, OutboxState};
use gateway_core::referral::Referral;
use gateway_core::resource::{ResourceKey, ResourceVersion, Token};
use gateway_core::status_link::StatusLink;
use sqlx::PgConnection;
use std::collections::BTreeSet;

/// A resource's place, current version and number of its key.
pub(super) async fn current(on: &mut PgConnection, key: &ResourceKey) -> Result<Option<(i64, u64, i64)>, Fault> {
    let sql = "SELECT place, version, sealed_by FROM resource_current
        WHERE tenant = ?1 AND owner = ?2 AND kind = ?3 AND id = ?4";
    let compartment = &key.compartment;
    let sql = ask(sql).text(&compartment.tenant.0).text(&compartment.owner.key()).text(&key.kind).text(&key.id);
    one(on, sql, |row| Ok((row.integer(0)?, row.natural(1)?, row.integer(2)?))).await
}

/// The next version of a resource, and what finds it.
pub(super) async fn resource(on: &mut PgConnection, blind: &Blind, resource: &ResourceVersion) -> Result<(), Fault> {
    let known = current(on, &resource.key).await?;
    let standing = known.map_or(0, |(_, version, _)| version);
    if standing.checked_add(1) != Some(resource.version) {
        return Err(CheckFailure::Version(standing).into());
    }
    let compartment = &resource.key.compartment;
    let (version, updated) = (integer(resource.version)?, micros(resource.updated)?);
    let new: BTreeSet<&Token> = resource.tokens.iter().collect();
    let (place, sealed, old) = match known {
        Some((place, _, number)) => {
            let sealed = keys::numbered(on, number).await?;
            let old = tokens_of(on, &sealed.key, place, version - 1).await?;
            let sql = "UPDATE resource_current SET version = ?2, updated = ?3 WHERE place = ?1";
            run(on, ask(sql).number(place).number(version).number(updated)).await?;
            (place, sealed, old)
        }
        None => {
            let holder = Holder::of(resource.subject.as_ref(), &compartment.tenant);
            let sealed = keys::find(on, &holder, resource.updated).await?;
            let sql = "WITH p AS (UPDATE last_place SET last = last + 1 WHERE name = 'resource_current' RETURNING last)
                INSERT INTO resource_current (place, tenant, owner, kind, id, version, updated, sealed_by)
                SELECT last, ?1, ?2, ?3, ?4, ?5, ?6, ?7 FROM p RETURNING place";
            let made = ask(sql).text(&compartment.tenant.0).text(&compartment.owner.key()).text(&resource.key.kind);
            let made = made.text(&resource.key.id).number(version).number(updated).number(sealed.id);
            let place = one(on, made, |row| row.integer(0)).await?.ok_or_else(|| unreadable("place"))?;
            (place, sealed, Vec::new())
        }
    };
    let sql = "INSERT INTO resource_version (place, version, updated, author, method, body)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let body = sealed_contents(&sealed.key, place, version, &resource.tokens, &resource.body)?;
    let version = ask(sql).number(place).number(version).number(updated).text(&resource.author);
    run(on, version.text(resource.method.verb()).bytes(&body)).await?;
    retoken(on, blind, resource, place, &old.iter().collect(), &new).await
}

/// Only the difference is written: most updates of a Task leave most of its tokens as they are.
async fn retoken(
    on: &mut PgConnection,
    blind: &Blind,
    resource: &ResourceVersion,
    place: i64,
    old: &BTreeSet<&Token>,
    new: &BTreeSet<&Token>,
) -> Result<(), Fault> {
    let tenant = &resource.key.compartment.tenant.0;
    let owner = resource.key.compartment.owner.key();
    let kind = &resource.key.kind;
    for token in old.difference(new) {
        let value = blind.value(&owner, kind, token);
        run(on, ask(REMOVE_TOKEN).text(tenant).bytes(&value).number(place)).await?;
    }
    let values: Vec<_> = new.difference(old).map(|token| blind.value(&owner, kind, token)).collect();
    if values.is_empty() {
        return Ok(());
    }
    // All in one statement: a resource has a dozen.
    let sql = "INSERT INTO token (tenant, value, place) SELECT ?1, t.value, ?3 FROM unnest(?2::bytea[]) t (value)";
    run(on, ask(sql).text(tenant).bind(values).number(place)).await
}

async fn tokens_of(on: &mut PgConnection, key: &Key, place: i64, version: i64) -> Result<Vec<Token>, Fault> {
    let sql = "SELECT body FROM resource_version WHERE place = ?1 AND version = ?2";
    let found =
        one(on, ask(sql).number(place).number(version), |row| Ok(contents(key, place, version, row.bytes(0)?)?.0));
    Ok(found.await?.ok_or_else(|| unreadable("version"))?)
}

/// Removes the tokens of all resources that a key seals, while they can still be read.
pub(super) async fn forget_tokens(on: &mut PgConnection, number: i64) -> Result<(), Fault> {
    let key = keys::numbered(on, number).await?.key;
    let sql = "SELECT place, version, tenant, owner, kind FROM resource_current WHERE sealed_by = ?1 AND erased = 0";
    let resources = all(on, ask(sql).number(number), |row| {
        Ok((row.integer(0)?, row.integer(1)?, [row.string(2)?, row.string(3)?, row.string(4)?]))
    });
    let resources = resources.await?;
    let blind = keys::blind(on).await?;
    for (place, version, [tenant, owner, kind]) in resources {
        for token in tokens_of(on, &key, place, version).await? {
            let value = blind.value(&owner, &kind, &token);
            run(on, ask(REMOVE_TOKEN).text(&tenant).bytes(&value).number(place)).await?;
        }
    }
    Ok(())
}

/// The next revision of a referral.
pub(super) async fn referral(on: &mut PgConnection, referral: &Referral) -> Result<(), Fault> {
    let standing = ask("SELECT revision FROM referral WHERE id = ?1").text(&referral.id.0);
    let standing = one(on, standing, |row| row.integer(0)).await?;
    let revision = integer(referral.revision)?;
    if standing.unwrap_or(0).checked_add(1) != Some(revision) {
        return Err(CheckFailure::Revision(standing.unwrap_or(0).unsigned_abs()).into());
    }
    let sql = if standing.is_some() {
        "UPDATE referral SET revision = ?2, tenant = ?3, owner = ?4, task = ?5, platform = ?6, key = ?7,
             platform_referral = ?8, delivery = ?9, task_status = ?10, body = ?11, subject = ?12,
             attention = ?13, answer_due = ?14, needs = ?15, pressing = ?16, since = ?17
         WHERE id = ?1"
    } else {
        "WITH p AS (UPDATE last_place SET last = last + 1 WHERE name = 'referral' RETURNING last)
         INSERT INTO referral (place, id, revision, tenant, owner, task, platform, key, platform_referral, delivery,
             task_status, body, subject, attention, answer_due, needs, pressing, since)
         SELECT last, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17 FROM p"
    };
    let [needs, pressing, since] = needs(referral)?;
    let put = ask(sql)
        .text(&referral.id.0)
        .number(revision)
        .text(&referral.compartment.tenant.0)
        .text(&referral.compartment.owner.key())
        .text(&referral.task)
        .maybe(referral.platform.as_ref().map(|platform| platform.0.as_str()))
        .text(&referral.key.0)
        .maybe(referral.platform_referral.as_ref().map(|name| name.0.as_str()))
        .text(referral.delivery.word())
        .text(referral.task_status.code())
        .text(&json(referral)?)
        .maybe(referral.subject.as_ref().map(|subject| subject.0.as_str()))
        .number(referral.attention.is_some().into())
        .maybe_number(referral.next_look().map(micros).transpose()?)
        .maybe_number(needs)
        .maybe_number(pressing)
        .maybe_number(since);
    run(on, put).await?;
    for word in referral.former_words() {
        run(on, ask(PUT_FORMER).text(&referral.id.0).text(word)).await?;
    }
    Ok(())
}

/// The next revision of a status link.
pub(super) async fn link(on: &mut PgConnection, link: &StatusLink) -> Result<(), Fault> {
    let standing = ask("SELECT revision FROM status_link WHERE id = ?1").text(&link.id);
    let standing = one(on, standing, |row| row.integer(0)).await?;
    let revision = integer(link.revision)?;
    if standing.unwrap_or(0).checked_add(1) != Some(revision) {
        return Err(CheckFailure::Revision(standing.unwrap_or(0).unsigned_abs()).into());
    }
    let sql = if standing.is_some() {
        "UPDATE status_link SET revision = ?2, referral = ?3, secret = ?4, session = ?5, expires = ?6, body = ?7
         WHERE id = ?1"
    } else {
        "WITH p AS (UPDATE last_place SET last = last + 1 WHERE name = 'status_link' RETURNING last)
         INSERT INTO status_link (place, id, revision, referral, secret, session, expires, body)
         SELECT last, ?1, ?2, ?3, ?4, ?5, ?6, ?7 FROM p"
    };
    let put = ask(sql)
        .text(&link.id)
        .number(revision)
        .text(&link.referral.0)
        .text(&link.secret_sha256)
        .maybe(link.session())
        .number(micros(link.expires_at)?)
        .text(&json(link)?);
    run(on, put).await
}

/// The next revision of an account.
pub(super) async fn account(on: &mut PgConnection, account: &Account) -> Result<(), Fault> {
    let standing = ask("SELECT revision FROM account WHERE id = ?1").text(&account.id.0);
    let standing = one(on, standing, |row| row.integer(0)).await?;
    let revision = next_revision(standing, account.revision)?;
    let sql = if standing.is_some() {
        "UPDATE account SET revision = ?2, body = ?3 WHERE id = ?1"
    } else {
        "WITH p AS (UPDATE last_place SET last = last + 1 WHERE name = 'account' RETURNING last)
         INSERT INTO account (place, id, revision, body) SELECT last, ?1, ?2, ?3 FROM p"
    };
    run(on, ask(sql).text(&account.id.0).number(revision).text(&json(account)?)).await
}

/// The next revision of a sign-in, or of attempts that failed.
pub(super) async fn sign_in(on: &mut PgConnection, sign_in: &SignIn) -> Result<(), Fault> {
    let standing = ask("SELECT revision FROM sign_in WHERE key = ?1").text(sign_in.key());
    let standing = one(on, standing, |row| row.integer(0)).await?;
    let revision = next_revision(standing, sign_in.revision())?;
    let sql = "INSERT INTO sign_in (key, revision, expires, body) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (key) DO UPDATE SET revision = excluded.revision, expires = excluded.expires, body = excluded.body";
    let put = ask(sql).text(sign_in.key()).number(revision).number(micros(sign_in.expires_at())?);
    run(on, put.text(&json(sign_in)?)).await
}

fn next_revision(standing: Option<i64>, revision: u64) -> Result<i64, Fault> {
    let next = integer(revision)?;
    if standing.unwrap_or(0).checked_add(1) == Some(next) {
        return Ok(next);
    }
    Err(CheckFailure::Revision(standing.unwrap_or(0).unsigned_abs()).into())
}

/// A new outbox row, or the new state of one. The row is locked first: a claim takes no other lock.
pub(super) async fn outbox(on: &mut PgConnection, row: &OutboxRow) -> Result<(), Fault> {
    let standing = ask("SELECT state, due FROM outbox WHERE id = ?1 FOR UPDATE").text(&row.id);
    let standing = one(on, standing, |row| Ok((row.string(0)?, row.integer_or_null(1)?))).await?;
    let not_before = micros(row.not_before)?;
    let due = match row.state {
        OutboxState::Ready => Some(not_before),
        OutboxState::Leased => match &standing {
            Some((state, lease)) if state == OutboxState::Leased.word() => *lease,
            _ => Some(not_before),
        },
        OutboxState::Held | OutboxState::Done | OutboxState::Dead | OutboxState::Dropped => None,
    };
    let urgent = due.zip(row.urgent).map(|(due, urgent)| Ok::<_, Fault>(micros(urgent)?.max(due))).transpose()?;
    let sql = if standing.is_some() {
        "UPDATE outbox SET tenant = ?2, referral = ?3, platform = ?4, sequence = ?5, state = ?6, due = ?7, urgent = ?8,
             fence = ?9, body = ?10
         WHERE id = ?1"
    } else {
        "WITH p AS (UPDATE last_place SET last = last + 1 WHERE name = 'outbox' RETURNING last)
         INSERT INTO outbox (place, id, tenant, referral, platform, sequence, state, due, urgent, fence, body, waits)
         SELECT last, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0 FROM p"
    };
    let put = ask(sql)
        .text(&row.id)
        .text(&row.tenant.0)
        .text(&row.referral.0)
        .text(&row.platform.0)
        .number(row.sequence.into())
        .text(row.state.word())
        .maybe_number(due)
        .maybe_number(urgent)
        .number(integer(row.fence)?)
        .text(&json(row)?);
    run(on, put).await?;
    let blocked = standing.as_ref().map(|(state, _)| OutboxState::is_blocking(state));
    if blocked != Some(row.state.blocks()) {
        run(on, ask(WAITS).text(&row.referral.0).number(row.sequence.into())).await?;
    }
    Ok(())
}

/// What waits for its time is no longer wanted.
pub(super) async fn drop_outbox(on: &mut PgConnection, id: &str) -> Result<(), Fault> {
    let waiting = ask(&format!("{WAITING_ROW} FOR UPDATE")).text(id);
    match one(on, waiting, |row| row.json::<OutboxRow>(0, "outbox row")).await? {
        Some(row) => outbox(on, &OutboxRow { state: OutboxState::Dropped, ..row }).await,
        None => Ok(()),
    }
}

/// An attempt, begun or ended.
pub(super) async fn attempt(on: &mut PgConnection, attempt: &Attempt) -> Result<(), Fault> {
    let sql = "INSERT INTO attempt (outbox, number, body) VALUES (?1, ?2, ?3)
        ON CONFLICT (outbox, number) DO UPDATE SET body = excluded.body";
    run(on, ask(sql).text(&attempt.outbox).number(attempt.number.into()).text(&json(attempt)?)).await
}

/// The bytes of a request.
pub(super) async fn received(on: &mut PgConnection, received: &Received) -> Result<(), Fault> {
    let holder = Holder::of(received.subject.as_ref(), &received.tenant);
    let sealed = keys::find(on, &holder, received.at).await?;
    let bound = received_row(&received.tenant.0, &received.client.0, &received.request_id, &received.sha256);
    let sql = "WITH p AS (UPDATE last_place SET last = last + 1 WHERE name = 'received' RETURNING last)
        INSERT INTO received (place, tenant, client, request_id, correlation, at, sha256, sealed_by, bytes)
        SELECT last, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM p";
    let put = ask(sql)
        .text(&received.tenant.0)
        .text(&received.client.0)
        .text(&received.request_id)
        .text(&received.correlation)
        .number(micros(received.at)?)
        .text(&received.sha256)
        .number(sealed.id)
        .bytes(&seal(&sealed.key, &bound, &received.bytes)?);
    run(on, put).await
}

/// A push, unread.
pub(super) async fn raw_report(on: &mut PgConnection, report: &RawReport) -> Result<(), Fault> {
    let sealed = keys::find(on, &Holder::platform(&report.platform), report.received).await?;
    let sql = "WITH p AS (UPDATE last_place SET last = last + 1 WHERE name = 'raw_report' RETURNING last)
        INSERT INTO raw_report (place, id, platform, source, content_type, received, sealed_by, body, begun)
        SELECT last, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM p";
    let put = ask(sql)
        .text(&report.id)
        .text(&report.platform.0)
        .text(&json(&report.source)?)
        .maybe(report.content_type.as_deref())
        .number(micros(report.received)?)
        .number(sealed.id)
        .bytes(&seal(&sealed.key, &Row::of("raw_report", &[&report.id]), &report.body)?)
        .number(report.begun.into());
    run(on, put).await
}

/// A statement: nothing if another id says the same, else the new state of this id.
pub(super) async fn report(on: &mut PgConnection, report: &ReportRecord) -> Result<(), Fault> {
    let holder = keys::of_statement(on, report.referral.as_ref(), &report.platform).await?;
    let sealed = keys::find(on, &holder, report.received).await?;
    let sql = "SELECT id FROM report WHERE platform = ?1 AND platform_referral = ?2 AND event = ?3";
    let said = ask(sql).text(&report.platform.0).text(&report.platform_referral().0).text(&report.report.event);
    if one(on, said, |row| row.string(0)).await?.is_some_and(|id| id != report.id) {
        return Ok(());
    }
    let known = ask("SELECT place FROM report WHERE id = ?1").text(&report.id);
    let sql = if one(on, known, |row| row.integer(0)).await?.is_some() {
        "UPDATE report SET platform = ?2, platform_referral = ?3, event = ?4, key = ?5, referral = ?6, source = ?7,
             received = ?8, disposition = ?9, sealed_by = ?10, body = ?11, calls = ?12
         WHERE id = ?1"
    } else {
        "WITH p AS (UPDATE last_place SET last = last + 1 WHERE name = 'report' RETURNING last)
         INSERT INTO report (place, id, platform, platform_referral, event, key, referral, source, received, disposition,
             sealed_by, body, calls)
         SELECT last, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12 FROM p"
    };
    let put = ask(sql)
        .text(&report.id)
        .text(&report.platform.0)
        .text(&report.platform_referral().0)
        .text(&report.report.event)
        .maybe(report_key(&report.report))
        .maybe(report.referral.as_ref().map(|referral| referral.0.as_str()))
        .text(&json(&report.source)?)
        .number(micros(report.received)?)
        .text(report.disposition.word())
        .number(sealed.id)
        .bytes(&seal(&sealed.key, &Row::of("report", &[&report.id]), json(&report.report)?.as_bytes())?)
        .number(is_alarm(&report.report).into());
    run(on, put).await
}

/// The answer for a repetition; the newest stands.
pub(super) async fn answer(on: &mut PgConnection, answer: &StoredAnswer) -> Result<(), Fault> {
    let sealed = keys::find(on, &Holder::of(answer.subject.as_ref(), &answer.tenant), answer.at).await?;
    let bound = answer_row(&answer.tenant.0, &answer.client.0, &answer.request_id);
    let sql =
        "INSERT INTO answer (tenant, client, request_id, fingerprint, at, status, location, etag, sealed_by, body)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
        ON CONFLICT (tenant, client, request_id) DO UPDATE SET
            fingerprint = excluded.fingerprint, at = excluded.at, status = excluded.status,
            location = excluded.location, etag = excluded.etag, sealed_by = excluded.sealed_by, body = excluded.body";
    let put = ask(sql)
        .text(&answer.tenant.0)
        .text(&answer.client.0)
        .text(&answer.request_id)
        .text(&answer.fingerprint)
        .number(micros(answer.at)?)
        .number(answer.status.into())
        .maybe(answer.location.as_deref())
        .maybe(answer.etag.as_deref())
        .number(sealed.id)
        .bytes(&seal(&sealed.key, &bound, answer.body.as_deref().unwrap_or_default().as_bytes())?);
    run(on, put).await
}

/// A line of audit, behind the last one of its tenant.
pub(super) async fn audit(on: &mut PgConnection, line: &AuditRecord) -> Result<(), Fault> {
    let (at, detail) = (micros(line.at)?, json(&line.detail)?);
    let referral = line.referral.as_ref().map(|referral| referral.0.as_str());
    let last = one(on, ask(LAST).text(&line.tenant.0), |row| Ok(Link { number: row.natural(0)?, hash: hash(row, 1)? }));
    let link = last.await?.unwrap_or_default().next(
        &line.tenant,
        &Content {
            at,
            actor: line.actor.as_bytes(),
            action: line.action.as_bytes(),
            referral: referral.map(str::as_bytes),
            detail: detail.as_bytes(),
        },
    );
    let sql = "WITH p AS (UPDATE last_place SET last = last + 1 WHERE name = 'audit' RETURNING last)
        INSERT INTO audit (place, tenant, number, at, actor, action, referral, detail, hash)
        SELECT last, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM p";
    let put = ask(sql)
        .text(&line.tenant.0)
        .number(integer(link.number)?)
        .number(at)
        .text(&line.actor)
        .text(&line.action)
        .maybe(referral)
        .text(&detail)
        .bytes(&link.hash);
    run(on, put).await
}
