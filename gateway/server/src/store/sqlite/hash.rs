//! Walks every table in the order that [`Digest`] prescribes, in one snapshot.

use super::errors::unreadable;
use super::rows::{self, VERSION, VERSION_COLUMNS, body, natural, text, time};
use super::{chain, keys, reads};
use crate::store::StoreError;
use crate::store::chain::Link;
use crate::store::digest::Digest;
use gateway_core::identity::{Compartment, Owner, PlatformId, TenantId};
use gateway_core::resource::ResourceKey;
use rusqlite::{Connection, Row};

/// What was erased.
const ERASED: &str = "SELECT subject, domain, destroyed, cause FROM subject_key WHERE destroyed IS NOT NULL
    ORDER BY subject, domain DESC";

/// The hash over everything, as it was before it was sealed.
pub(super) fn content_hash(file: &Connection) -> Result<String, StoreError> {
    let file = file.unchecked_transaction()?;
    let mut digest = Digest::default();
    each(
        &file,
        "SELECT r.tenant, r.client, r.request_id, r.correlation, r.at, r.sha256, r.bytes, k.key, k.subject, k.domain
         FROM received r JOIN subject_key k ON k.id = r.sealed_by ORDER BY r.place",
        |row| {
            digest.received(&rows::received(row)?);
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
    let raw = "SELECT r.id, r.platform, r.source, r.content_type, r.received, r.body, k.key, r.read, r.fault
        FROM raw_report r JOIN subject_key k ON k.id = r.sealed_by ORDER BY r.place";
    each(&file, raw, |row| {
        let fault: Option<String> = row.get(8)?;
        digest.raw_report(&rows::raw_report(row)?, row.get(7)?, fault.as_deref())
    })?;
    let reports = "SELECT r.id, r.platform, r.referral, r.source, r.received, r.body, r.disposition, k.key
        FROM report r JOIN subject_key k ON k.id = r.sealed_by ORDER BY r.place";
    each(&file, reports, |row| digest.report(&rows::report(row)?))?;
    each(&file, ERASED, |row| {
        let subject = keys::subject(row, 0)?.ok_or_else(|| unreadable("subject"))?;
        digest.erased(&subject, &keys::an_erasure(row, 2)?);
        Ok(())
    })?;
    each(&file, "SELECT referral, raw FROM raw_report_about ORDER BY referral, raw", |row| {
        digest.about(text(row, 0)?, text(row, 1)?);
        Ok(())
    })?;
    each(&file, "SELECT platform, cursor FROM cursor ORDER BY platform", |row| {
        digest.cursor(&PlatformId(row.get(0)?), text(row, 1)?);
        Ok(())
    })?;
    let answers =
        "SELECT a.tenant, a.client, a.request_id, a.fingerprint, a.at, a.status, a.location, a.etag, a.body, k.key,
            k.subject, k.domain
        FROM answer a JOIN subject_key k ON k.id = a.sealed_by ORDER BY a.tenant, a.client, a.request_id";
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
    let sql = format!(
        "SELECT {VERSION}, c.place, c.tenant, c.owner, c.kind, c.id FROM resource_current c
         JOIN resource_version v ON v.place = c.place JOIN subject_key k ON k.id = c.sealed_by
         ORDER BY c.place, v.version"
    );
    each(file, &sql, |row| {
        let owner = Owner::from_key(text(row, VERSION_COLUMNS + 2)?).ok_or_else(|| unreadable("owner"))?;
        let compartment = Compartment { tenant: TenantId(row.get(VERSION_COLUMNS + 1)?), owner };
        let key = ResourceKey { compartment, kind: row.get(VERSION_COLUMNS + 3)?, id: row.get(VERSION_COLUMNS + 4)? };
        digest.resource(natural(row, VERSION_COLUMNS)?, &rows::version(row, key)?);
        Ok(())
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
