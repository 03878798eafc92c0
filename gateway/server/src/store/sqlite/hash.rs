//! Walks every table in the order that [`Digest`] prescribes, in one snapshot.

use super::rows::{self, body, natural, text, time};
use super::{chain, reads};
use crate::store::StoreError;
use crate::store::chain::Link;
use crate::store::digest::Digest;
use gateway_core::change::Received;
use gateway_core::identity::{ClientId, Compartment, Owner, PlatformId, TenantId};
use gateway_core::resource::ResourceKey;
use rusqlite::{Connection, Row};

/// The hash over everything.
pub(super) fn content_hash(file: &Connection) -> Result<String, StoreError> {
    let file = file.unchecked_transaction()?;
    let mut digest = Digest::default();
    each(
        &file,
        "SELECT tenant, client, request_id, correlation, at, sha256, bytes FROM received ORDER BY place",
        |row| {
            digest.received(&received(row)?);
            Ok(())
        },
    )?;
    resources(&file, &mut digest)?;
    each(&file, "SELECT body FROM referral ORDER BY place", |row| digest.referral(&body(row, 0, "referral")?))?;
    each(&file, "SELECT body, due FROM outbox ORDER BY place", |row| {
        let due = row.get::<_, Option<i64>>(1)?.map(time).transpose()?;
        digest.outbox(&body(row, 0, "outbox row")?, due)
    })?;
    each(&file, "SELECT body FROM attempt ORDER BY outbox, number", |row| digest.attempt(&body(row, 0, "attempt")?))?;
    let raw = "SELECT id, platform, source, content_type, received, body, read, fault FROM raw_report ORDER BY place";
    each(&file, raw, |row| {
        let fault: Option<String> = row.get(7)?;
        digest.raw_report(&rows::raw_report(row)?, row.get(6)?, fault.as_deref())
    })?;
    let reports = "SELECT id, platform, referral, source, received, body, disposition FROM report ORDER BY place";
    each(&file, reports, |row| digest.report(&rows::report(row)?))?;
    each(&file, "SELECT platform, cursor FROM cursor ORDER BY platform", |row| {
        digest.cursor(&PlatformId(row.get(0)?), text(row, 1)?);
        Ok(())
    })?;
    let answers = "SELECT tenant, client, request_id, fingerprint, at, status, location, etag, body FROM answer
        ORDER BY tenant, client, request_id";
    each(&file, answers, |row| {
        digest.answer(&rows::answer(row)?);
        Ok(())
    })?;
    let audit = "SELECT tenant, at, actor, action, referral, detail, number, hash FROM audit ORDER BY place";
    each(&file, audit, |row| {
        let link = Link { number: natural(row, 6)?, hash: chain::hash(row, 7)? };
        digest.audit(&link, &reads::a_line(row)?)
    })?;
    Ok(digest.finish())
}

fn resources(file: &Connection, digest: &mut Digest) -> Result<(), StoreError> {
    let sql =
        "SELECT v.version, v.updated, v.author, v.method, v.body, v.tokens, c.place, c.tenant, c.owner, c.kind, c.id
        FROM resource_current c JOIN resource_version v ON v.place = c.place ORDER BY c.place, v.version";
    each(file, sql, |row| {
        let owner = Owner::from_key(text(row, 8)?).ok_or_else(|| super::errors::unreadable("owner"))?;
        let compartment = Compartment { tenant: TenantId(row.get(7)?), owner };
        let key = ResourceKey { compartment, kind: row.get(9)?, id: row.get(10)? };
        digest.resource(natural(row, 6)?, &rows::version(row, key)?);
        Ok(())
    })
}

fn received(row: &Row<'_>) -> Result<Received, StoreError> {
    Ok(Received {
        tenant: TenantId(row.get(0)?),
        client: ClientId(row.get(1)?),
        request_id: row.get(2)?,
        correlation: row.get(3)?,
        at: time(row.get(4)?)?,
        sha256: row.get(5)?,
        bytes: row.get(6)?,
    })
}

fn each(
    file: &Connection,
    sql: &str,
    mut row: impl FnMut(&Row<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut statement = file.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(found) = rows.next()? {
        row(found)?;
    }
    Ok(())
}
