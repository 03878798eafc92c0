//! Rows that several statements read alike, whatever engine they come from: each engine shows its rows as [`Columns`].

use super::seal::{self, Key};
use super::values::{answer_row, contents, from_json, json, received_row, time, unreadable};
use super::{AuditLine, StoreError};
use gateway_core::change::{AuditRecord, RawReport, Received, ReportRecord, StoredAnswer};
use gateway_core::identity::{ClientId, Compartment, Owner, PlatformId, TenantId};
use gateway_core::notify::Fed;
use gateway_core::referral::ReferralId;
use gateway_core::resource::{ResourceKey, ResourceVersion, WriteMethod};
use gateway_core::subject::{Cause, Domain, Erasure, Subject, SubjectId};
use serde::de::DeserializeOwned;
use std::borrow::Cow;

/// A row of an engine. Each answers with an error where the column holds something else.
pub(super) trait Columns {
    /// Text, without a copy where that can be.
    fn text(&self, column: usize) -> Result<Cow<'_, str>, StoreError>;
    /// Text or nothing.
    fn text_or_null(&self, column: usize) -> Result<Option<String>, StoreError>;
    /// A number as it is kept.
    fn integer(&self, column: usize) -> Result<i64, StoreError>;
    /// A number or nothing.
    fn integer_or_null(&self, column: usize) -> Result<Option<i64>, StoreError>;
    /// Bytes.
    fn bytes(&self, column: usize) -> Result<&[u8], StoreError>;
    /// Bytes or nothing.
    fn bytes_or_null(&self, column: usize) -> Result<Option<&[u8]>, StoreError>;

    /// Text that is kept on.
    fn string(&self, column: usize) -> Result<String, StoreError> {
        Ok(self.text(column)?.into_owned())
    }

    /// A number as we keep it.
    fn natural(&self, column: usize) -> Result<u64, StoreError> {
        u64::try_from(self.integer(column)?).map_err(|_| unreadable("number"))
    }

    /// Text that is JSON.
    fn json<T: DeserializeOwned>(&self, column: usize, what: &str) -> Result<T, StoreError> {
        from_json(&self.text(column)?, what)
    }
}

/// A key that stands in a column; `None` once it was destroyed.
pub(super) fn key_column(row: &impl Columns, column: usize) -> Result<Option<Key>, StoreError> {
    row.bytes_or_null(column)?.map(Key::read).transpose()
}

/// The subject that stands in two columns; `None` for a tenant or platform.
pub(super) fn subject(row: &impl Columns, column: usize) -> Result<Option<Subject>, StoreError> {
    let domain = Domain::from_word(&row.text(column + 1)?);
    let id = SubjectId(row.string(column)?);
    Ok(domain.map(|domain| Subject { id, domain }))
}

/// Reads `destroyed, cause`.
pub(super) fn an_erasure(row: &impl Columns, column: usize) -> Result<Erasure, StoreError> {
    let cause = Cause::from_word(&row.text(column + 1)?).ok_or_else(|| unreadable("cause"))?;
    Ok(Erasure { at: time(row.integer(column)?)?, cause })
}

/// Tenant, owner, type and id, from this column on.
pub(super) fn resource_key(row: &impl Columns, from: usize) -> Result<ResourceKey, StoreError> {
    let owner = Owner::from_key(&row.text(from + 1)?).ok_or_else(|| unreadable("owner"))?;
    let compartment = Compartment { tenant: TenantId(row.string(from)?), owner };
    Ok(ResourceKey { compartment, kind: row.string(from + 2)?, id: row.string(from + 3)? })
}

/// What was fed: its place, tenant, owner, type, id, version and time.
pub(super) fn fed(row: &impl Columns) -> Result<Fed, StoreError> {
    let key = resource_key(row, 1)?;
    Ok(Fed { place: row.natural(0)?, key, version: row.natural(5)?, at: time(row.integer(6)?)? })
}

/// What [`version`] reads, where `v` is the version, `c` the resource and `k` its key.
pub(super) const VERSION: &str =
    "v.version, v.updated, v.author, v.method, v.body, v.place, k.key, k.subject, k.domain";
/// How many columns that are.
pub(super) const VERSION_COLUMNS: usize = 9;

/// Reads [`VERSION`]; without body and tokens if it was erased.
pub(super) fn version(row: &impl Columns, key: ResourceKey) -> Result<ResourceVersion, StoreError> {
    let number = row.integer(0)?;
    let (tokens, body) = match key_column(row, 6)? {
        Some(opener) => contents(&opener, row.integer(5)?, number, row.bytes(4)?)?,
        None => (Vec::new(), String::new()),
    };
    Ok(ResourceVersion {
        key,
        version: row.natural(0)?,
        updated: time(row.integer(1)?)?,
        author: row.string(2)?,
        method: WriteMethod::from_verb(&row.text(3)?).ok_or_else(|| unreadable("method"))?,
        body,
        tokens,
        subject: subject(row, 7)?,
    })
}

/// A sealed column with the key in another.
pub(super) fn opened(
    row: &impl Columns,
    sealed: usize,
    key: usize,
    bound: &seal::Row,
) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(key) = key_column(row, key)? else { return Ok(None) };
    seal::open(&key, bound, row.bytes(sealed)?).map(Some)
}

/// Reads `id, platform, source, content_type, received, body`, the key in the seventh column, and `begun`.
pub(super) fn raw_report(row: &impl Columns) -> Result<RawReport, StoreError> {
    let id = row.string(0)?;
    let bytes = opened(row, 5, 6, &seal::Row::of("raw_report", &[&id]))?.ok_or_else(|| unreadable("raw report"))?;
    Ok(RawReport {
        id,
        platform: PlatformId(row.string(1)?),
        source: row.json(2, "report source")?,
        content_type: row.text_or_null(3)?,
        received: time(row.integer(4)?)?,
        body: bytes,
        begun: u32::try_from(row.natural(7)?).map_err(|_| unreadable("number"))?,
    })
}

/// Reads `id, platform, referral, source, received, body, disposition, key`.
pub(super) fn report(row: &impl Columns) -> Result<ReportRecord, StoreError> {
    let id = row.string(0)?;
    let said = opened(row, 5, 7, &seal::Row::of("report", &[&id]))?.ok_or_else(|| unreadable("report"))?;
    Ok(ReportRecord {
        id,
        platform: PlatformId(row.string(1)?),
        referral: row.text_or_null(2)?.map(ReferralId),
        source: row.json(3, "report source")?,
        received: time(row.integer(4)?)?,
        report: serde_json::from_slice(&said).map_err(|_| unreadable("report"))?,
        disposition: from_json(&json(&row.text(6)?)?, "disposition")?,
    })
}

/// Reads `tenant, client, request_id, fingerprint, at, status, location, etag, body, key, subject, domain`.
pub(super) fn answer(row: &impl Columns) -> Result<StoredAnswer, StoreError> {
    let (tenant, client, request_id) = (row.string(0)?, row.string(1)?, row.string(2)?);
    let body = opened(row, 8, 9, &answer_row(&tenant, &client, &request_id))?;
    Ok(StoredAnswer {
        tenant: TenantId(tenant),
        client: ClientId(client),
        request_id,
        fingerprint: row.string(3)?,
        at: time(row.integer(4)?)?,
        status: u16::try_from(row.integer(5)?).map_err(|_| unreadable("status"))?,
        location: row.text_or_null(6)?,
        etag: row.text_or_null(7)?,
        body: body.map(|body| String::from_utf8(body).map_err(|_| unreadable("answer"))).transpose()?,
        subject: subject(row, 10)?,
    })
}

/// Reads `tenant, client, request_id, correlation, at, sha256, bytes, key, subject, domain`.
pub(super) fn received(row: &impl Columns) -> Result<Received, StoreError> {
    let (tenant, client, request_id) = (row.string(0)?, row.string(1)?, row.string(2)?);
    let sha256 = row.string(5)?;
    let bound = received_row(&tenant, &client, &request_id, &sha256);
    let bytes = opened(row, 6, 7, &bound)?.ok_or_else(|| unreadable("request"))?;
    Ok(Received {
        tenant: TenantId(tenant),
        client: ClientId(client),
        request_id,
        correlation: row.string(3)?,
        at: time(row.integer(4)?)?,
        sha256,
        bytes,
        subject: subject(row, 8)?,
    })
}

/// Reads `tenant, at, actor, action, referral, detail`.
pub(super) fn a_line(row: &impl Columns) -> Result<AuditRecord, StoreError> {
    Ok(AuditRecord {
        tenant: TenantId(row.string(0)?),
        at: time(row.integer(1)?)?,
        actor: row.string(2)?,
        action: row.string(3)?,
        referral: row.text_or_null(4)?.map(ReferralId),
        detail: row.json(5, "audit line")?,
    })
}

/// The same with `number` behind it.
pub(super) fn a_numbered_line(row: &impl Columns) -> Result<AuditLine, StoreError> {
    Ok(AuditLine { number: row.natural(6)?, record: a_line(row)? })
}

/// Reads a hash.
pub(super) fn hash(row: &impl Columns, column: usize) -> Result<[u8; 32], StoreError> {
    row.bytes(column)?.try_into().map_err(|_| unreadable("hash"))
}
